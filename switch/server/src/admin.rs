//! The small HTTP server for machines that watch: /metrics, /healthz, /readyz.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::stages;

/// The event loop beats once a second; without a beat for so long the process is not healthy.
pub const BEAT_US_MAX: u64 = 10_000_000;

const BATCH_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// Samples of a histogram are kept one by one until they are counted; where nobody reads the page, that is after so long.
const UPKEEP_PAUSE: Duration = Duration::from_secs(5);

/// Connections at once; the next waits in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 32;

/// The head of each request has to be whole within this time, also the next on a connection that is kept.
const HEAD_MAX: Duration = Duration::from_secs(5);

/// A connection is closed after so long, whatever it does.
const CONNECTION_MAX: Duration = Duration::from_secs(60);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Behind an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the process stands, told by those who know.
#[derive(Debug)]
pub struct Health {
    clock: Clock,
    beat_us: AtomicU64,
    ready: AtomicBool,
}

impl Health {
    /// Healthy from now on, not ready yet.
    pub fn new(clock: Clock) -> Health {
        Health { clock, beat_us: AtomicU64::new(clock.now().mono_us), ready: AtomicBool::new(false) }
    }

    /// The event loop lives.
    pub(crate) fn beat(&self, mono_us: u64) {
        self.beat_us.store(mono_us, Ordering::Relaxed);
    }

    /// New requests are taken, or no more.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn is_healthy(&self) -> bool {
        self.clock.now().mono_us.saturating_sub(self.beat_us.load(Ordering::Relaxed)) < BEAT_US_MAX
    }

    fn is_ready(&self) -> bool {
        self.is_healthy() && self.ready.load(Ordering::Relaxed)
    }
}

/// Collects metrics of the whole process from here on.
///
/// # Errors
/// Another recorder is installed already.
pub fn collect_metrics() -> Result<PrometheusHandle, String> {
    let batch = Matcher::Full("atm_switch_batch_inputs".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(batch, &BATCH_BUCKETS);
    builder.and_then(PrometheusBuilder::install_recorder).map_err(|error| error.to_string())
}

/// All metrics of the process, Prometheus text.
pub(crate) fn page(metrics: &PrometheusHandle) -> String {
    metrics.render() + &stages::own().render()
}

/// Serves until the process ends. So many connections at once, each for so long: whoever watches asks and goes.
pub async fn serve(listener: TcpListener, metrics: PrometheusHandle, health: Arc<Health>) {
    let answer = |good: bool, yes: &'static str, no: &'static str| {
        if good { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) }
    };
    let healthz = move |State(health): State<Arc<Health>>| async move {
        answer(health.is_healthy(), "healthy\n", "the event loop does not answer\n")
    };
    let readyz = move |State(health): State<Arc<Health>>| async move {
        answer(health.is_ready(), "ready\n", "not ready\n")
    };
    let kept = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_PAUSE).await;
            kept.run_upkeep();
        }
    });
    let router = Router::new()
        .route("/metrics", get(move || async move { page(&metrics) }))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health);
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "nobody who watches is let in for a moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(HEAD_BYTES_MAX);
            let served = http.serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_MAX, served).await {
                tracing::debug!(%error, "a connection of whoever watches");
            }
            drop(permit);
        });
    }
}
