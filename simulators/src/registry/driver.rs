//! The registry's socket: HTTPS on loopback, HTTP/1.1 or 2, around the machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

use super::certificates::Certificates;
use super::fault::Fault;
use super::jws::PublicKey;
use super::machine::{HttpAnswer, Machine, MachineConfig, Override, Reply};
use super::{SESSIONS_PATH, VERIFICATIONS_PATH};

/// So many connections are open at once; the next waits in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 1_024;

/// A longer request body is refused with 413: twice what the contract's fields can fill.
const REQUEST_BYTES_MAX: usize = 16_384;

/// TLS handshake and request head have to be there in so many seconds; a body too.
const READ_S_MAX: u64 = 10;

/// A silent registry keeps a connection open for so many seconds at most.
const SILENCE_S_MAX: u64 = 600;

/// How a registry is started.
pub struct RegistryConfig {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Its TLS certificates: keep them to start it again under the same authority.
    pub certificates: Certificates,
    /// Connections without a certificate of its authority are refused.
    pub client_certificate: bool,
    /// Offers HTTP/2 beside HTTP/1.1.
    pub http2: bool,
    /// The registry itself.
    pub machine: MachineConfig,
}

/// Starts registries.
pub struct Registry;

/// A running registry; stops when dropped.
pub struct Handle {
    addr: SocketAddr,
    machine: Arc<Mutex<Machine>>,
    connections_seen: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

/// Why a registry did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Certificate or key do not fit.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate or key is no PEM.
    #[error("TLS: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// Client certificates cannot be checked.
    #[error("TLS: {0}")]
    Clients(#[from] rustls::server::VerifierBuilderError),
}

impl Registry {
    /// Listens and answers until the handle is stopped or dropped. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: RegistryConfig) -> Result<Handle, StartError> {
        let acceptor = TlsAcceptor::from(Arc::new(tls(&config)?));
        let listening = TcpListener::bind(config.listen).await;
        let listen = |error| StartError::Listen { addr: config.listen, error };
        let listener = listening.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let machine = Arc::new(Mutex::new(Machine::new(config.machine).quick()));
        let connections_seen = Arc::new(AtomicU64::new(0));
        let accepting =
            tokio::spawn(accept(listener, acceptor, Arc::clone(&machine), Arc::clone(&connections_seen)));
        Ok(Handle { addr, machine, connections_seen, accepting })
    }
}

impl Handle {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `https://…` without a path, for a switch's configuration.
    pub fn url(&self) -> String {
        format!("https://{}", self.addr)
    }

    /// The key that a switch has to pin.
    pub fn public_key(&self) -> PublicKey {
        self.with_machine(|machine| machine.public_key())
    }

    /// Every request from here on meets this fault; `None` lifts it.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.with_machine(|machine| machine.set_fault(fault));
    }

    /// Puts an exception on file.
    pub fn set_override(&self, number: credential::CitizenNumber, exception: Override) {
        self.with_machine(|machine| machine.set_override(number, exception));
    }

    /// How many connections were taken since the start.
    pub fn connections_seen(&self) -> u64 {
        self.connections_seen.load(Ordering::Relaxed)
    }

    /// Closes the listener and every connection, answered or not: the registry is gone.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // The only error is the abort itself.
        let _aborted = (&mut self.accepting).await;
    }

    fn with_machine<T>(&self, act: impl FnOnce(&mut Machine) -> T) -> T {
        act(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn tls(start: &RegistryConfig) -> Result<ServerConfig, StartError> {
    let certificates = &start.certificates;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if start.client_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes())?)?;
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        builder.with_client_cert_verifier(clients)
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(certificates.server.certificate_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(certificates.server.key_pem.as_bytes())?;
    let mut config = builder.with_single_cert(chain, key)?;
    let offered: [&[u8]; 2] = [b"h2", b"http/1.1"];
    config.alpn_protocols = offered[usize::from(!start.http2)..].iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Connections are tasks of this one: when it is aborted, they are.
async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    machine: Arc<Mutex<Machine>>,
    seen: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                seen.fetch_add(1, Ordering::Relaxed);
                connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&machine)));
            }
            Err(error) => {
                // Out of descriptors: waiting for some to be closed is all that helps.
                tracing::warn!(%error, "registry cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, machine: Arc<Mutex<Machine>>) {
    let handshake = tokio::time::timeout(Duration::from_secs(READ_S_MAX), acceptor.accept(stream));
    let Ok(Ok(stream)) = handshake.await else {
        return tracing::debug!("registry: no TLS handshake");
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(READ_S_MAX));
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
    let service = service_fn(move |request| respond(request, Arc::clone(&machine)));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "registry: connection ended");
    }
}

/// The error closes the connection (HTTP/2: resets the stream).
#[derive(Debug, Error)]
#[error("the registry is gone")]
struct Gone;

async fn respond(
    request: Request<Incoming>,
    machine: Arc<Mutex<Machine>>,
) -> Result<Response<Full<Bytes>>, Gone> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path != VERIFICATIONS_PATH && path != SESSIONS_PATH {
        return Ok(plain(StatusCode::NOT_FOUND));
    }
    if head.method != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect();
    let body = match tokio::time::timeout(Duration::from_secs(READ_S_MAX), body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
    };
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let reply = {
        let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.post(now_s(), path, content_type, &body)
    };
    match reply {
        Reply::Answer(answer) => {
            if answer.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
            }
            Ok(http(answer))
        }
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(SILENCE_S_MAX)).await;
            Err(Gone)
        }
        Reply::Gone => Err(Gone),
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn http(answer: HttpAnswer) -> Response<Full<Bytes>> {
    let mut response =
        plain(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(answer.content_type));
    if let Some(location) = answer.location {
        headers.insert(LOCATION, hyper::header::HeaderValue::from_static(location));
    }
    *response.body_mut() = Full::new(answer.body.into());
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::ClientConfig;
    use tokio_rustls::rustls::pki_types::ServerName;

    use super::super::machine::tests::{body, config};
    use super::*;

    /// One POST over HTTP/1.1; the error's text when no answer comes.
    async fn post(
        handle: &Handle,
        certificates: &Certificates,
        identity: bool,
        body: String,
    ) -> Result<(StatusCode, Bytes), String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let client = &certificates.client;
        let tls = if identity {
            let chain = vec![CertificateDer::from_pem_slice(client.certificate_pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let stream = TcpStream::connect(handle.addr()).await.map_err(|error| text(&error))?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connected = TlsConnector::from(Arc::new(tls)).connect(name, stream).await;
        let stream = TokioIo::new(connected.map_err(|error| text(&error))?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(VERIFICATIONS_PATH)
            .header(CONTENT_TYPE, "application/jose")
            .header("host", handle.addr().to_string())
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = sender.send_request(request).await.map_err(|error| text(&error))?;
        let status = response.status();
        Ok((status, response.into_body().collect().await.unwrap().to_bytes()))
    }

    async fn started(certificates: &Certificates, client_certificate: bool) -> Handle {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let certificates = certificates.clone();
        let machine = config(BTreeMap::new());
        Registry::start(RegistryConfig { listen, certificates, client_certificate, http2: true, machine })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn answers_over_tls_and_is_gone_when_stopped() {
        let certificates = Certificates::mint().unwrap();
        let handle = started(&certificates, false).await;
        let (status, answer) = post(&handle, &certificates, false, body(now_s(), |_| {})).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer.iter().filter(|byte| **byte == b'.').count(), 2);
        let (status, _) =
            post(&handle, &certificates, false, "x".repeat(REQUEST_BYTES_MAX + 1)).await.unwrap();
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        handle.set_fault(Some(Fault::Gone));
        let another = body(now_s(), |request| request["nonce"] = "AAAAAAAAAAAAAAAAAAAAAA".into());
        assert!(post(&handle, &certificates, false, another).await.is_err());
        let addr = handle.addr();
        handle.stop().await;
        assert!(TcpStream::connect(addr).await.is_err());
    }

    #[tokio::test]
    async fn a_client_certificate_is_asked_for_where_configured() {
        let certificates = Certificates::mint().unwrap();
        let handle = started(&certificates, true).await;
        let request = || body(now_s(), |_| {});
        assert!(post(&handle, &certificates, false, request()).await.is_err());
        assert_eq!(post(&handle, &certificates, true, request()).await.unwrap().0, StatusCode::OK);
        let stranger = Certificates { client: Certificates::mint().unwrap().client, ..certificates.clone() };
        assert!(post(&handle, &stranger, true, request()).await.is_err());
    }
}
