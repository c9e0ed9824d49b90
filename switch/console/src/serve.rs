//! The console's own thread: its listener, its connections, its pages. Nothing here runs on a thread of the switch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use journal::LogReader;
use keys::DataKeys;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::address::Crowd;
use crate::app::{Console, SystemClock};
use crate::guard::Peer;
use crate::live;
use crate::pages::router;
use crate::switch::{Settings, Switch};

/// Browsers' connections at once; the next waits in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 256;

/// A connection's handshake, and the head of each request, have to be whole within this time.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// A connection is closed after so long, whatever it does: an export of the largest size takes less.
const CONNECTION_MAX: Duration = Duration::from_secs(600);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Threads for what waits: the log's files, passwords, the audit.
const WAITING_THREADS: usize = 4;

/// The console's threads stand back behind those of the switch.
const NICE: i32 = 5;

/// Serves browsers on a thread named `console` until the process ends.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    settings: Settings,
    keys: DataKeys,
    log: LogReader,
    switch: Arc<dyn Switch>,
    listener: std::net::TcpListener,
) -> std::io::Result<()> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().max_blocking_threads(WAITING_THREADS).thread_name("console-files");
    let runtime = builder.build()?;
    listener.set_nonblocking(true)?;
    std::thread::Builder::new().name("console".to_owned()).spawn(move || {
        // Threads that this one starts inherit it. Where the system refuses, the console is as urgent as the rest.
        rustix::process::setpriority_process(None, NICE).ok();
        runtime.block_on(async move {
            let began = Instant::now();
            let console = Console::new(settings, keys, log, switch, Box::new(SystemClock(began)));
            let mono_ms = move || began.elapsed().as_millis() as u64;
            tokio::spawn(live::watch(Arc::clone(&console.moments), Arc::clone(&console.switch), mono_ms));
            match TcpListener::from_std(listener) {
                Ok(listener) => accept(listener, console).await,
                Err(error) => tracing::error!(%error, "the console's listener"),
            }
        });
    })?;
    Ok(())
}

async fn accept(listener: TcpListener, console: Arc<Console>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let tls = console.settings.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::clone(&tls.0)));
    let pages = router(console);
    let crowd = Crowd::default();
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the console accepts nothing for a moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = crowd.enter(peer.ip()) else {
            tracing::debug!(%peer, "a browser's address has as many connections as it may");
            continue;
        };
        let (pages, tls) = (pages.clone(), tls.clone());
        tokio::spawn(async move {
            let served = tokio::time::timeout(CONNECTION_MAX, connection(stream, peer, pages, tls)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%peer, error, "a browser's connection");
            }
            drop((permit, place));
        });
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    pages: Router,
    tls: Option<TlsAcceptor>,
) -> Result<(), String> {
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, peer, pages).await,
        Some(tls) => {
            let shaken = tokio::time::timeout(HEAD_MAX, tls.accept(stream)).await;
            let stream = shaken.map_err(|_| "no handshake in time".to_owned())?;
            serve(stream.map_err(|error| error.to_string())?, peer, pages).await
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    pages: Router,
) -> Result<(), String> {
    let with_peer = tower_with_peer(pages, peer);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(with_peer);
    http.serve_connection(TokioIo::new(stream), service).await.map_err(|error| error.to_string())
}

/// The pages, told who is at the other end.
fn tower_with_peer(pages: Router, peer: SocketAddr) -> Router<()> {
    pages.layer(axum::middleware::map_request(move |mut request: Request<Body>| async move {
        request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
        request
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::address::CONNECTIONS_OF_ONE_MAX;
    use crate::testing::{LogOf, data_keys, settings};

    struct NoSwitch;

    impl Switch for NoSwitch {
        fn status(&self) -> crate::Asking {
            Box::pin(async { Err("there is none".to_owned()) })
        }

        fn resolve(&self, _: processor::TxKey, _: &str, _: &str) -> crate::Asking {
            self.status()
        }

        fn cut_over(&self, _: processor::Day, _: &str) -> crate::Asking {
            self.status()
        }

        fn metrics(&self) -> String {
            String::new()
        }
    }

    /// Attack: one address takes all connections.
    #[tokio::test]
    async fn an_address_with_its_share_of_connections_gets_no_more() {
        let (dir, log) = (tempfile::tempdir().unwrap(), LogOf::uses(&[]));
        let settings = Settings { dir: dir.path().to_owned(), ..settings() };
        let clock = Box::new(SystemClock(Instant::now()));
        let console = Console::new(settings, data_keys(), log.reader(), Arc::new(NoSwitch), clock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let serving = tokio::spawn(accept(listener, console));
        let mut inside = Vec::new();
        for _ in 0..CONNECTIONS_OF_ONE_MAX {
            inside.push(TcpStream::connect(at).await.unwrap());
        }
        let request = format!("GET /log-in HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        let mut over = TcpStream::connect(at).await.unwrap();
        let _ = over.write_all(request.as_bytes()).await;
        let mut said = String::new();
        let _ = over.read_to_string(&mut said).await;
        assert_eq!(said, "", "it is closed unheard");
        let mut last = inside.pop().unwrap();
        last.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        last.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Its place is free again, when the connection has been let go.
        let mut again = TcpStream::connect(at).await.unwrap();
        again.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while again.read_to_string(&mut answer).await.is_err() || answer.is_empty() {
            again = TcpStream::connect(at).await.unwrap();
            let _ = again.write_all(request.as_bytes()).await;
        }
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serving.abort();
    }
}
