//! The registry over HTTPS: bounded in time, questions and connections. What is said stands in `contract`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mutant::Mutant;
use processor::Evidence;
use tokio::sync::Semaphore;

use super::RegistryConfigError;
use super::breaker::{Breaker, BreakerBounds, Leave, Paused, Turn};
use super::connection::{Bounded, TlsFailures};
use super::contract::{Answer, Asked, Contract, Outcome, Reason, RegistryQuestion};
use super::failure::failure;
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
    tls_failures: Arc<TlsFailures>,
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
        let tls_failures = Arc::new(TlsFailures::default());
        let connector = Bounded::new(settings, bounds.connections_max, timeout, Arc::clone(&tls_failures))?;
        let http = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_S_MAX))
            .pool_max_idle_per_host(bounds.connections_max)
            .http2_keep_alive_interval(Duration::from_secs(PING_S))
            .http2_keep_alive_timeout(Duration::from_secs(PING_S))
            .build(connector);
        Ok(RegistryClient {
            http,
            tls_failures,
            endpoint,
            contract,
            bounds,
            in_flight: Semaphore::new(bounds.in_flight_max),
            breaker: Mutex::new(Breaker::new(bounds.breaker)),
            started: Instant::now(),
            surroundings,
        })
    }

    /// Whether a question may be put now, and as what. Who is given leave puts it.
    ///
    /// # Errors
    /// [`Paused`]: the registry is left alone.
    pub fn leave(&self) -> Result<Leave, Paused> {
        self.breaker().let_through(self.mono_ms())
    }

    /// Asks and judges, with leave. Always answers within [`RegistryBounds::timeout_ms`]; may be dropped at any time.
    pub async fn put(&self, question: &RegistryQuestion) -> Answer {
        let answer = self.exchanged(|chance, now_s| Ok(self.contract.ask(question, chance, now_s))).await;
        self.note(&answer);
        answer
    }

    /// Asks, where there is leave, and judges: [`RegistryClient::leave`] and [`RegistryClient::put`] in one.
    pub async fn verify(&self, question: &RegistryQuestion) -> Answer {
        match self.leave() {
            Ok(_) => self.put(question).await,
            Err(paused) => Answer::unavailable(Reason::Paused(paused)),
        }
    }

    /// What is kept of a question, to be put again when the registry is back.
    pub fn keep(&self, question: &RegistryQuestion) -> Box<[u8]> {
        self.contract.keep(question)
    }

    /// Asks about a withdrawal that went out in the registry's stead, by what was kept of the question; as
    /// [`RegistryClient::verify`], but that no failure counts for the breaker: what the registry does not want to speak of
    /// any more says nothing about the citizen at the machine.
    pub async fn verify_again(&self, kept: &[u8]) -> Answer {
        if let Err(paused) = self.leave() {
            return Answer::unavailable(Reason::Paused(paused));
        }
        let answer = self.exchanged(|chance, now_s| self.contract.ask_again(kept, chance, now_s)).await;
        if matches!(answer.outcome, Outcome::Verified { .. } | Outcome::Refused(_)) {
            self.note(&answer);
        }
        answer
    }

    async fn exchanged(&self, ask: impl FnOnce(&[u8; 32], i64) -> Result<Asked, Reason>) -> Answer {
        let Ok(_permit) = self.in_flight.try_acquire() else {
            return Answer::unavailable(Reason::Overload);
        };
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
        let tls_failures_before = self.tls_failures.count();
        let answered = tokio::time::timeout(timeout, self.exchange(compact)).await;
        match answered.unwrap_or(Err(Reason::Late)) {
            Ok(compact) => self.contract.judge(asked, &compact, (self.surroundings.now_s)()),
            Err(reason) => Answer::unavailable(self.after_tls(reason, tls_failures_before)),
        }
    }

    /// Nobody is called away where TLS has ended a connection meanwhile, whatever the client of HTTP calls that.
    fn after_tls(&self, reason: Reason, tls_failures_before: u64) -> Reason {
        match (reason, self.tls_failures.since(tls_failures_before)) {
            (Reason::Late | Reason::Transport(_) | Reason::Http(_), Some(failure)) => Reason::Tls(failure),
            (reason, _) => reason,
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
            .map_err(|error| Reason::Http(error.to_string()))?;
        let response = self.http.request(request).await.map_err(|error| failure(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Reason::Status(response.status().as_u16()));
        }
        match Limited::new(response.into_body(), Evidence::ANSWER_BYTES_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Reason::TooLong),
            Err(error) => Err(failure(error.as_ref())),
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
