//! Look-ups that need a disk, on a few threads of their own.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enrolment::Enrolment;
use journal::{Finder, LogReader};
use metrics::counter;
use processor::{Found, Input, Lookup, Ticket};
use tokio::sync::mpsc;

use crate::account_cache::AccountCache;
use crate::bus::Inbound;

/// Threads: a look-up that waits for the disk must not hold up the others.
const THREADS: usize = 4;

/// Look-ups that wait. One above has no answer: the processor's own timer ends its request with 91.
const WAITING_MAX: usize = 32_768;

/// How soon the accounts of a bank's import serve.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Asks log and enrolment.
pub(crate) struct Finders {
    sources: Arc<Sources>,
    queue: SyncSender<(Ticket, Lookup)>,
}

/// Where the answers are.
struct Sources {
    log: LogReader,
    enrolment: Arc<Enrolment>,
    accounts: AccountCache,
}

impl Finders {
    /// Starts the threads; they end with the process.
    pub(crate) fn start(
        log: LogReader,
        enrolment: Arc<Enrolment>,
        answers: &mpsc::Sender<Inbound>,
    ) -> std::io::Result<Finders> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let accounts = AccountCache::default();
        let sources = Arc::new(Sources { log, enrolment: Arc::clone(&enrolment), accounts });
        for number in 0..THREADS {
            let (sources, waiting, answers) = (Arc::clone(&sources), Arc::clone(&waiting), answers.clone());
            std::thread::Builder::new()
                .name(format!("find-{number}"))
                .spawn(move || answer_all(&sources, &waiting, &answers))?;
        }
        std::thread::Builder::new().name("enrolment".to_owned()).spawn(move || follow(&enrolment))?;
        Ok(Finders { sources, queue })
    }

    /// The answer, where memory alone has it; otherwise it comes through the bus.
    pub(crate) fn find(&self, ticket: Ticket, lookup: Lookup) -> Option<Found> {
        if let Some(found) = self.sources.find_quick(&lookup) {
            return Some(found);
        }
        match self.queue.try_send((ticket, lookup)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => counter!("atm_switch_finds_dropped_total").increment(1),
            Err(TrySendError::Disconnected(_)) => unreachable!("the threads live as long as the process"),
        }
        None
    }
}

/// Takes up what imports have made current; they are other processes.
fn follow(enrolment: &Enrolment) {
    loop {
        std::thread::sleep(REFRESH_EVERY);
        match enrolment.refresh() {
            Ok(false) => {}
            Ok(true) => tracing::info!(generation = enrolment.generation(), "enrolment taken up"),
            Err(error) => tracing::error!(%error, "the enrolment stays as it was"),
        }
    }
}

fn answer_all(
    sources: &Sources,
    waiting: &Mutex<Receiver<(Ticket, Lookup)>>,
    answers: &mpsc::Sender<Inbound>,
) {
    loop {
        let next = waiting.lock().expect("no thread panics while it waits").recv();
        let Ok((ticket, lookup)) = next else { return };
        let Some(found) = sources.find(&lookup) else { continue };
        let input = Input::Found(ticket, Box::new(found));
        if answers.blocking_send(Inbound::Input(Box::new(input))).is_err() {
            return;
        }
    }
}

impl Sources {
    /// The answer, where memory alone has it.
    fn find_quick(&self, lookup: &Lookup) -> Option<Found> {
        let accounts = match &lookup.accounts_of {
            Some(citizen) => self.accounts.get(self.enrolment.generation(), citizen)?,
            None => Vec::new(),
        };
        Some(Found { accounts, ..self.log.find_quick(lookup)? })
    }

    /// Without an answer nothing may be decided: the request ends at its deadline.
    fn find(&self, lookup: &Lookup) -> Option<Found> {
        let found = self.log.find(lookup);
        let mut found = found.map_err(|error| tracing::error!(%error, "the log cannot be read")).ok()?;
        if let Some(citizen) = &lookup.accounts_of {
            // A change between the two lines makes what is kept look older than it is, and that is no harm.
            let generation = self.enrolment.generation();
            let accounts = self.enrolment.accounts(citizen);
            found.accounts =
                accounts.map_err(|error| tracing::error!(%error, "the enrolment cannot be read")).ok()?;
            self.accounts.put(generation, *citizen, found.accounts.clone());
        }
        Some(found)
    }
}
