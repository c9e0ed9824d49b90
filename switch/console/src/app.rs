//! The console's state, and who a request comes from: what every page has at hand.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use credential::Pseudonym;
use journal::LogReader;
use keys::DataKeys;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::address::Network;
use crate::audit::{Act, Audit, AuditError};
use crate::desk::Desks;
use crate::exports::Exports;
use crate::gate::{ADDRESS_FAILURES_FREE, FAILURES_FREE, Gate, Pace};
use crate::live::Moments;
use crate::people::{By, People, Person};
use crate::role::Permission;
use crate::search::Reach;
use crate::sessions::{CsrfToken, Sessions};
use crate::switch::{Settings, Switch};
use crate::texts::{Language, Texts};
use crate::views::Views;
use crate::waiting::Waiting;

/// Full citizen numbers that one person may see within an hour.
pub const NUMBERS_AN_HOUR_MAX: usize = 20;

/// Citizens that one person may search for within an hour.
pub const CITIZENS_AN_HOUR_MAX: usize = 60;

const HOUR_MS: u64 = 3_600_000;

/// Refusals of those who are not logged in that are recorded within a minute; the others are counted by nobody.
const REFUSALS_A_MINUTE_MAX: usize = 60;

/// Passwords that are hashed at once: each takes 19 MiB and tens of milliseconds.
const HASHING_MAX: usize = 2;

/// Searches in the log at once.
const SEARCHING_MAX: usize = 2;

/// Files that are handed in at once: each may take its largest size in memory, and as much again while it is read.
const UPLOADING_MAX: usize = 2;

/// How long a log-in or a search waits for its turn.
pub(crate) const TURN_MAX: Duration = Duration::from_secs(5);

/// Both clocks: milliseconds since 1970, and since the console began.
pub(crate) trait Clock: Send + Sync + 'static {
    fn wall_ms(&self) -> i64;
    fn mono_ms(&self) -> u64;
}

/// The system's.
pub(crate) struct SystemClock(pub(crate) Instant);

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
    }

    fn mono_ms(&self) -> u64 {
        self.0.elapsed().as_millis() as u64
    }
}

/// Everything that pages need.
pub(crate) struct Console {
    pub(crate) settings: Settings,
    pub(crate) people: People,
    pub(crate) audit: Arc<Audit>,
    pub(crate) sessions: Sessions,
    pub(crate) switch: Arc<dyn Switch>,
    pub(crate) log: LogReader,
    pub(crate) keys: DataKeys,
    pub(crate) moments: Arc<Moments>,
    pub(crate) days: Desks,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) by_name: Gate<String>,
    pub(crate) by_address: Gate<Network>,
    pub(crate) numbers: Pace<String>,
    pub(crate) citizens: Pace<String>,
    pub(crate) refusals: Pace<()>,
    pub(crate) hashing: Arc<Semaphore>,
    pub(crate) searching: Arc<Semaphore>,
    pub(crate) uploading: Arc<Semaphore>,
    pub(crate) exports: Exports,
    /// How far an export of transactions goes.
    pub(crate) export_reach: Reach,
    pub(crate) waiting: Waiting,
    pub(crate) views: Views,
}

impl Console {
    pub(crate) fn new(
        settings: Settings,
        keys: DataKeys,
        log: LogReader,
        switch: Arc<dyn Switch>,
        clock: Box<dyn Clock>,
    ) -> Arc<Console> {
        let audit = Arc::new(Audit::new(&settings.dir, keys.clone()));
        Arc::new(Console {
            people: People::new(&settings.dir, Arc::clone(&audit)),
            audit,
            sessions: Sessions::new(settings.sessions),
            switch,
            log,
            days: Desks::new(settings.desk.clone(), keys.clone(), settings.first_day),
            keys,
            moments: Arc::default(),
            clock,
            by_name: Gate::new(FAILURES_FREE),
            by_address: Gate::new(ADDRESS_FAILURES_FREE),
            numbers: Pace::new(NUMBERS_AN_HOUR_MAX, HOUR_MS),
            citizens: Pace::new(CITIZENS_AN_HOUR_MAX, HOUR_MS),
            refusals: Pace::new(REFUSALS_A_MINUTE_MAX, 60_000),
            hashing: Arc::new(Semaphore::new(HASHING_MAX)),
            searching: Arc::new(Semaphore::new(SEARCHING_MAX)),
            uploading: Arc::new(Semaphore::new(UPLOADING_MAX)),
            exports: Exports::new(),
            export_reach: Reach::EXPORT,
            waiting: Waiting::new(&settings.dir),
            views: Views::new(&settings.dir),
            settings,
        })
    }

    /// Records what somebody does who is not logged in.
    pub(crate) fn record(
        &self,
        who: &str,
        address: IpAddr,
        act: &'static str,
        on: &str,
        after: Value,
    ) -> Result<(), AuditError> {
        let (at_ms, from) = (self.clock.wall_ms(), address.to_string());
        self.audit.append(&Act { at_ms, who, from: &from, act, on, before: Value::Null, after })
    }

    /// Records a refusal. A file that takes no line is told in the program's log: the refusal stands all the same.
    pub(crate) fn record_refusal(&self, who: Option<&str>, address: IpAddr, what: &'static str, on: &str) {
        if who.is_none() && !self.refusals.take(&(), self.clock.mono_ms()) {
            return;
        }
        if let Err(error) = self.record(who.unwrap_or("-"), address, what, on, Value::Null) {
            tracing::error!(%error, "the console's audit takes nothing");
        }
    }
}

/// A request's origin, logged in or not.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) language: Language,
    pub(crate) address: IpAddr,
    /// Path and query, to come back to.
    pub(crate) here: String,
}

impl Guest {
    pub(crate) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) guest: Guest,
    pub(crate) person: Arc<Person>,
    pub(crate) csrf: CsrfToken,
    /// There are files and cases to work on.
    pub(crate) has_desk: bool,
    /// What is asked for is an export whose turn it is.
    pub(crate) is_exporting: bool,
}

impl Visitor {
    pub(crate) fn t(&self) -> &'static Texts {
        self.guest.texts()
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.person.may(permission)
    }

    /// Who acts, for the file of people.
    pub(crate) fn with_by<T>(&self, console: &Console, act: impl FnOnce(By<'_>) -> T) -> T {
        let from = self.guest.address.to_string();
        act(By { who: &self.person.name, from: &from, at_ms: console.clock.wall_ms() })
    }

    /// Records what this person does; it is durable when this returns.
    pub(crate) fn record(
        &self,
        console: &Console,
        act: &'static str,
        on: &str,
        after: Value,
    ) -> Result<(), AuditError> {
        console.record(&self.person.name, self.guest.address, act, on, after)
    }

    /// Records a refusal of what this person wanted.
    pub(crate) fn record_refusal(&self, console: &Console, what: &'static str, on: &str) {
        console.record_refusal(Some(&self.person.name), self.guest.address, what, on);
    }

    /// Records that this person has searched for a citizen.
    pub(crate) fn record_citizen_search(
        &self,
        console: &Console,
        citizen: &Pseudonym,
    ) -> Result<(), AuditError> {
        self.record(console, "citizen searched", &citizen.to_string(), json!(null))
    }
}
