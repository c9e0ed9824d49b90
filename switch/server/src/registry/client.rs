//! The registry over HTTPS: bounded in time, questions and connections. What is said stands in `contract`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mutant::Mutant;
use processor::Evidence;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::RegistryConfigError;
use super::breaker::{Breaker, BreakerBounds, Turn};
use super::contract::{Answer, Asked, Contract, Outcome, Reason, RegistryQuestion};
use crate::config::RegistrySettings;

/// An HTTP/2 connection that has been still for so long is pinged, and closed when the ping stays unanswered as long:
/// all requests share it, so a dead one would time out each of them.
const PING_S: u64 = 5;

/// A connection that has carried nothing for so long is closed.
const IDLE_S_MAX: u64 = 60;

/// What the client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryBounds {
    /// From the question to its judged answer, connecting included.
    pub timeout_ms: u64,
    /// Questions that wait for an answer; the next is unavailable at once.
    pub in_flight_max: usize,
    /// Connections, those being opened included; a question that finds none free waits within its timeout.
    pub connections_max: usize,
    /// When the registry is left alone.
    pub breaker: BreakerBounds,
}

/// Fills bytes with what nobody can guess.
pub type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// Clock and chance, handed in.
pub struct Surroundings {
    /// Wall clock, seconds since 1970.
    pub now_s: Box<dyn Fn() -> i64 + Send + Sync>,
    /// `request_id` and nonce are made of it.
    pub random: Box<Random>,
}

/// Asks the registry. Cheap to share: one for the whole process.
pub struct RegistryClient {
    http: Client<Bounded, Full<Bytes>>,
    endpoint: Uri,
    contract: Contract,
    bounds: RegistryBounds,
    in_flight: Semaphore,
    breaker: Mutex<Breaker>,
    started: Instant,
    surroundings: Surroundings,
}

impl RegistryClient {
    /// Prepares a client; nothing is sent yet. `switch_id` is the switch's name towards the registry.
    ///
    /// # Errors
    /// [`RegistryConfigError`].
    pub fn new(
        settings: &RegistrySettings,
        switch_id: &str,
        bounds: RegistryBounds,
        surroundings: Surroundings,
    ) -> Result<RegistryClient, RegistryConfigError> {
        let endpoint: Uri = format!("{}/v1/citizen-verifications", settings.url)
            .parse()
            .map_err(|_| RegistryConfigError::Url)?;
        if endpoint.scheme_str() != Some("https") || endpoint.host().is_none() {
            return Err(RegistryConfigError::Url);
        }
        let contract =
            Contract::new(switch_id, &settings.kid, &settings.signing_key_pem.0, &settings.pinned)?;
        let timeout = Duration::from_millis(bounds.timeout_ms);
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_S_MAX))
            .pool_max_idle_per_host(bounds.connections_max)
            .http2_keep_alive_interval(Duration::from_secs(PING_S))
            .http2_keep_alive_timeout(Duration::from_secs(PING_S))
            .build(Bounded::new(tls(settings)?, bounds.connections_max, timeout));
        Ok(RegistryClient {
            http,
            endpoint,
            contract,
            bounds,
            in_flight: Semaphore::new(bounds.in_flight_max),
            breaker: Mutex::new(Breaker::new(bounds.breaker)),
            started: Instant::now(),
            surroundings,
        })
    }

    /// Asks and judges. Always answers within [`RegistryBounds::timeout_ms`]; may be dropped at any time.
    pub async fn verify(&self, question: &RegistryQuestion) -> Answer {
        let answer = self.put(|chance, now_s| Ok(self.contract.ask(question, chance, now_s))).await;
        self.note(&answer);
        answer
    }

    /// What is kept of a question, to be put again when the registry is back.
    pub fn keep(&self, question: &RegistryQuestion) -> Box<[u8]> {
        self.contract.keep(question)
    }

    /// Asks about a withdrawal that went out in the registry's stead, by what was kept of the question; as
    /// [`RegistryClient::verify`], but that no failure counts for the breaker: what the registry does not want to speak of
    /// any more says nothing about the citizen at the machine.
    pub async fn verify_again(&self, kept: &[u8]) -> Answer {
        let answer = self.put(|chance, now_s| self.contract.ask_again(kept, chance, now_s)).await;
        if matches!(answer.outcome, Outcome::Verified { .. } | Outcome::Refused(_)) {
            self.note(&answer);
        }
        answer
    }

    async fn put(&self, ask: impl FnOnce(&[u8; 32], i64) -> Result<Asked, Reason>) -> Answer {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Answer::unavailable(Reason::Overload);
        };
        if let Err(paused) = self.breaker().let_through(self.mono_ms()) {
            return Answer::unavailable(Reason::Paused(paused));
        }
        let mut chance = [0; 32];
        (self.surroundings.random)(&mut chance);
        let asked = match ask(&chance, (self.surroundings.now_s)()) {
            Ok(asked) => asked,
            Err(reason) => return Answer::unavailable(reason),
        };
        self.answer(&asked).await
    }

    /// Whether the registry is left alone, because it has failed too often in a row.
    pub fn is_left_alone(&self) -> bool {
        self.breaker().is_open()
    }

    async fn answer(&self, asked: &Asked) -> Answer {
        let timeout = Duration::from_millis(self.bounds.timeout_ms);
        let timeout = if mutant::is(Mutant::RegistryWaitedFor) { timeout * 20 } else { timeout };
        let compact = Bytes::copy_from_slice(&asked.compact);
        match tokio::time::timeout(timeout, self.exchange(compact)).await {
            Ok(Ok(compact)) => self.contract.judge(asked, &compact, (self.surroundings.now_s)()),
            Ok(Err(reason)) => Answer::unavailable(reason),
            Err(_) => Answer::unavailable(Reason::Late),
        }
    }

    /// An answer that contradicts itself is the registry's, and of one citizen: it says nothing about the next.
    fn note(&self, answer: &Answer) {
        let turn = match &answer.outcome {
            Outcome::Verified { .. } | Outcome::Refused(_) => self.breaker().answered(),
            // Not asked, or said of one citizen.
            Outcome::Unavailable(Reason::Overload | Reason::Paused(_) | Reason::Contradiction) => None,
            Outcome::Unavailable(reason) => self.breaker().failed(self.mono_ms(), reason.is_away()),
        };
        let Some(turn) = turn else { return };
        match turn {
            Turn::Opened => tracing::error!("the registry has failed too often in a row: left alone"),
            Turn::Closed => tracing::info!("the registry answers again"),
        }
        let is_open = if turn == Turn::Opened { 1.0 } else { 0.0 };
        metrics::gauge!("atm_switch_registry_left_alone").set(is_open);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mono_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    async fn exchange(&self, compact: Bytes) -> Result<Bytes, Reason> {
        let request = Request::post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/jose")
            .body(Full::new(compact))
            .map_err(|error| Reason::Transport(error.to_string()))?;
        let response = self.http.request(request).await.map_err(|error| Reason::Transport(whole(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(Reason::Status(response.status().as_u16()));
        }
        match Limited::new(response.into_body(), Evidence::ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Reason::TooLong),
            Err(error) => Err(Reason::Transport(whole(error.as_ref()))),
        }
    }
}

impl Surroundings {
    /// The system's clock and entropy.
    pub fn system() -> Surroundings {
        let now_s = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let random = |bytes: &mut [u8]| {
            aws_lc_rs::rand::fill(bytes).expect("the system gives entropy once it has started");
        };
        Surroundings { now_s: Box::new(now_s), random: Box::new(random) }
    }
}

/// TLS 1.3 towards the registry, its authority the only one that is trusted.
fn tls(settings: &RegistrySettings) -> Result<HttpsConnector<HttpConnector>, RegistryConfigError> {
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
    let mut tcp = HttpConnector::new();
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
struct Bounded {
    inner: HttpsConnector<HttpConnector>,
    free: Arc<Semaphore>,
    timeout: Duration,
}

impl Bounded {
    fn new(inner: HttpsConnector<HttpConnector>, connections_max: usize, timeout: Duration) -> Bounded {
        Bounded { inner, free: Arc::new(Semaphore::new(connections_max)), timeout }
    }
}

impl Service<Uri> for Bounded {
    type Response = Held;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Held, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Bounded { mut inner, free, timeout } = self.clone();
        Box::pin(async move {
            let connecting = async {
                let permit = free.acquire_owned().await?;
                Ok(Held { stream: inner.call(to).await?, _permit: permit })
            };
            tokio::time::timeout(timeout, connecting)
                .await
                .unwrap_or_else(|_| Err("cannot connect in time".into()))
        })
    }
}

/// A connection that counts until it is closed.
struct Held {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    _permit: OwnedSemaphorePermit,
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
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl Write for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// An error with its causes: the outermost alone says no more than "client error".
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.take(8).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
