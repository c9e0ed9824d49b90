//! Connections to the registry: TLS under its authority alone, bounded in number and time. What TLS ends is remembered.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
#[cfg(feature = "mutants")]
use mutant::Mutant;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::RegistryConfigError;
use super::failure::{causes, whole};
use super::names::Names;
use crate::config::RegistrySettings;

/// A refusal is so long at most; what is behind it is not looked at.
const LAST_WORDS_BYTES_MAX: usize = 256;

/// The connections that TLS has ended: a certificate that was refused by one of both ends, or bytes that were spoiled. Somebody
/// was there, and it was not the registry, or not it alone. The client of HTTP tells of some only that they were closed.
#[derive(Default)]
pub(super) struct TlsFailures(Mutex<Failed>);

#[derive(Default)]
struct Failed {
    count: u64,
    last: String,
}

impl TlsFailures {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.failed().count
    }

    /// What the last of them was, if any came behind the first `count`.
    pub(super) fn since(&self, count: u64) -> Option<String> {
        let failed = self.failed();
        (failed.count > count).then(|| failed.last.clone())
    }

    /// Counts what TLS says; what TCP says is none of its.
    fn note(&self, error: &(dyn Error + 'static)) {
        if causes(error).any(is_of_tls) {
            let mut failed = self.failed();
            failed.count += 1;
            failed.last = whole(error);
        }
    }

    fn failed(&self) -> MutexGuard<'_, Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<rustls::Error>()
}

/// TLS 1.3 towards the registry, its authority the only one that is trusted.
fn tls(settings: &RegistrySettings) -> Result<HttpsConnector<HttpConnector<Names>>, RegistryConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&settings.ca_pem) {
        let certificate = certificate.map_err(|_| RegistryConfigError::Authority)?;
        roots.add(certificate).map_err(|_| RegistryConfigError::Authority)?;
    }
    if roots.is_empty() {
        return Err(RegistryConfigError::Authority);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_root_certificates(roots);
    let config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let unusable = |error: &dyn fmt::Display| RegistryConfigError::Client(error.to_string());
            let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
            let chain = chain.map_err(|error| unusable(&error))?;
            let key = PrivateKeyDer::from_pem_slice(&key.0).map_err(|error| unusable(&error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))?
        }
    };
    #[cfg(feature = "mutants")]
    let config = anybody(config);
    let mut tcp = HttpConnector::new_with_resolver(Names::of_the_system());
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .enable_http2()
        .wrap_connector(tcp))
}

/// The same, or, where that is the broken rule, with any server in the registry's place.
#[cfg(feature = "mutants")]
fn anybody(mut config: ClientConfig) -> ClientConfig {
    if mutant::is(Mutant::RegistryOfAnybody) {
        let provider = Arc::clone(config.crypto_provider());
        config.dangerous().set_certificate_verifier(Arc::new(crate::tls::Anybody(provider)));
    }
    config
}

/// Opens connections, no more than so many at once, each within its time: TCP and TLS together, also when the
/// question that wanted it has given up.
#[derive(Clone)]
pub(super) struct Bounded {
    inner: HttpsConnector<HttpConnector<Names>>,
    free: Arc<Semaphore>,
    timeout: Duration,
    tls_failures: Arc<TlsFailures>,
}

impl Bounded {
    /// # Errors
    /// [`RegistryConfigError`]: certificates or key cannot be used.
    pub(super) fn new(
        settings: &RegistrySettings,
        connections_max: usize,
        timeout: Duration,
        tls_failures: Arc<TlsFailures>,
    ) -> Result<Bounded, RegistryConfigError> {
        let free = Arc::new(Semaphore::new(connections_max));
        Ok(Bounded { inner: tls(settings)?, free, timeout, tls_failures })
    }
}

impl Service<Uri> for Bounded {
    type Response = Held;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Held, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Bounded { mut inner, free, timeout, tls_failures } = self.clone();
        Box::pin(async move {
            let connecting = async {
                let permit = free.acquire_owned().await?;
                match inner.call(to).await {
                    Ok(stream) => Ok(Held { stream, tls_failures, _permit: permit }),
                    Err(error) => {
                        tls_failures.note(error.as_ref());
                        Err(error)
                    }
                }
            };
            tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err("cannot connect in time".into()))
        })
    }
}

/// A connection that counts until it is closed.
pub(super) struct Held {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    tls_failures: Arc<TlsFailures>,
    _permit: OwnedSemaphorePermit,
}

impl Held {
    fn noted<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &done {
            self.tls_failures.note(error);
        }
        done
    }

    /// Whoever refuses the switch's certificate says so and closes. Where a write finds the connection closed first, what was
    /// said is still there to be read.
    fn written<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(done, Poll::Ready(Err(_))) {
            let mut room = [MaybeUninit::uninit(); LAST_WORDS_BYTES_MAX];
            let mut last_words = ReadBuf::uninit(&mut room);
            let read = Pin::new(&mut self.stream).poll_read(context, last_words.unfilled());
            let _ = self.noted(read);
        }
        self.noted(done)
    }
}

impl Connection for Held {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.noted(read)
    }
}

impl Write for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
