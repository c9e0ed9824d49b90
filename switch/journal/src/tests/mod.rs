//! The log as its callers see it: appended, synced, found, closed, killed, reopened.

#![allow(clippy::unwrap_used)]

mod chains;
mod crash;
#[cfg(feature = "mutants")]
mod defences;
mod faults;
mod golden;
mod harm;
pub(crate) mod index;
mod properties;
mod runs;
mod seals;
mod stepped;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use keys::DataKeys;
use processor::{Body, Class, Found, Lookup, OwnName, Position, Record, State};

use crate::samples::{
    self, advice_key, bank, citizen, complete, day, declined, identity, intent, key, outcome, reversal,
};
use crate::storage::{Directory, Shelf, Storage};
use crate::{AppendError, Finder, Journal, LogEvent, LogFiles, OpenError, Options, Recovered, SegmentLog};

/// A log and what it has told.
pub(crate) struct Bench {
    pub(crate) log: SegmentLog,
    pub(crate) recovered: Recovered,
    events: Arc<(Mutex<Vec<LogEvent>>, Condvar)>,
}

pub(crate) fn options(dir: &Path) -> Options {
    // Whole blocks, so that it is written around the page cache as a real one is.
    Options { segment_bytes: 36_864, ..Options::new(dir.to_owned(), samples::keys()) }
}

pub(crate) fn open(dir: &Path) -> Result<Bench, OpenError> {
    let directory = Directory::new(dir, options(dir).segment_bytes);
    open_on(dir, Arc::new(directory.clone()), Arc::new(directory))
}

pub(crate) fn open_on(
    dir: &Path,
    shelf: Arc<dyn Shelf>,
    storage: Arc<dyn Storage>,
) -> Result<Bench, OpenError> {
    open_with(options(dir), shelf, storage)
}

/// As [`open`], with other keys.
pub(crate) fn open_under(dir: &Path, keys: DataKeys) -> Result<Bench, OpenError> {
    let directory = Directory::new(dir, options(dir).segment_bytes);
    open_with(Options { keys, ..options(dir) }, Arc::new(directory.clone()), Arc::new(directory))
}

fn open_with(options: Options, shelf: Arc<dyn Shelf>, storage: Arc<dyn Storage>) -> Result<Bench, OpenError> {
    let events = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let told = events.clone();
    let on_event = move |event| {
        told.0.lock().unwrap().push(event);
        told.1.notify_all();
    };
    let (log, recovered) = SegmentLog::open_on(options, shelf, storage, Box::new(on_event))?;
    Ok(Bench { log, recovered, events })
}

impl Bench {
    /// Appends and waits out a log that is full for the moment.
    pub(crate) fn append(&mut self, record: &Record) -> Position {
        let position = self.log.next();
        for _ in 0..10_000 {
            match self.log.append(position, record) {
                Ok(()) => return position,
                Err(AppendError::Full) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the log stayed full");
    }

    pub(crate) fn wait_synced(&self) {
        let next = self.log.next();
        self.wait_for(|event| *event == LogEvent::Synced(next));
    }

    /// Waits for an event, or finds that it came before.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&LogEvent) -> bool) {
        let events = self.events.0.lock().unwrap();
        let missing = |events: &mut Vec<LogEvent>| !events.iter().any(&wanted);
        let (events, timeout) =
            self.events.1.wait_timeout_while(events, Duration::from_secs(20), missing).unwrap();
        assert!(!timeout.timed_out(), "only this was told: {events:?}");
    }

    /// Waits until the spare segment is ready: so many records of any size have room.
    pub(crate) fn wait_room(&self, records: usize) {
        for _ in 0..10_000 {
            if self.log.room() >= records {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no room for {records} records");
    }

    pub(crate) fn told(&self, event: &LogEvent) -> bool {
        self.told_any(|told| told == event)
    }

    pub(crate) fn told_any(&self, wanted: impl Fn(&LogEvent) -> bool) -> bool {
        self.events.0.lock().unwrap().iter().any(wanted)
    }

    pub(crate) fn find(&self, own: OwnName) -> Found {
        let lookup = Lookup { own, original: None, used: None, accounts_of: None };
        self.log.reader().find(&lookup).unwrap()
    }

    fn state(&self, own: OwnName) -> Option<State> {
        self.find(own).own.map(|transaction| transaction.state)
    }
}

/// Whoever gathers waits for nothing before it submits; then one sync is enough for all, and a close keeps all.
#[test]
fn what_is_gathered_is_durable_once_it_is_submitted() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = open(dir.path()).unwrap();
    let synced = |bench: &Bench| bench.told_any(|event| matches!(event, LogEvent::Synced(_)));
    bench.append(&intent(1));
    bench.wait_synced();
    while !bench.log.shared.lock().syncer_waits {
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.events.0.lock().unwrap().clear();
    bench.log.gather();
    bench.append(&intent(2));
    bench.append(&intent(3));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!synced(&bench), "nobody was told to write");
    bench.log.submit();
    bench.wait_synced();
    let groups =
        bench.events.0.lock().unwrap().iter().filter(|event| matches!(event, LogEvent::Synced(_))).count();
    assert_eq!(groups, 1, "one sync for both");
    bench.log.gather();
    bench.append(&intent(4));
    bench.log.close();
    assert_eq!(open(dir.path()).unwrap().log.next(), 4);
}

/// A withdrawal completed, one under way, one refused, one being reversed.
fn four() -> Vec<Record> {
    vec![intent(1), outcome(1), intent(2), declined(3), complete(1), intent(4), outcome(4), reversal(4)]
}

#[test]
fn what_was_appended_is_found_now_and_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = open(dir.path()).unwrap();
    for (position, record) in four().iter().enumerate() {
        assert_eq!(bench.append(record), position as u64);
    }
    for reopened in [false, true] {
        if reopened {
            bench.wait_synced();
            drop(bench);
            bench = open(dir.path()).unwrap();
            let open: Vec<_> = bench.recovered.open.iter().map(|open| (open.key, open.state)).collect();
            assert_eq!(open, [(key(2), State::Sent), (key(4), State::Reversing)]);
            assert_eq!(bench.recovered.next, 8);
            assert_eq!(bench.recovered.cut, None);
        }
        assert_eq!(bench.state(OwnName::Key(key(1))), Some(State::Completed));
        assert_eq!(bench.state(OwnName::Key(key(2))), Some(State::Sent));
        assert_eq!(bench.state(OwnName::Key(key(3))), Some(State::Declined));
        assert_eq!(bench.state(OwnName::Key(key(5))), None);
        let completion = advice_key(Class::Completion, 500_001);
        assert_eq!(bench.state(OwnName::Key(completion)), Some(State::Completed));
        assert_eq!(bench.state(OwnName::Bank(bank("970415"), identity(500_004))), Some(State::Reversing));
        assert_eq!(bench.state(OwnName::Bank(bank("970436"), identity(500_004))), None);
        let lookup = Lookup {
            own: OwnName::Key(advice_key(Class::Reversal, 9)),
            original: Some(key(4)),
            used: Some((citizen(4), day())),
            accounts_of: None,
        };
        let found = bench.log.reader().find(&lookup).unwrap();
        assert_eq!(found.original.map(|original| original.state), Some(State::Reversing));
        assert_eq!((found.used.amount_minor, found.used.count), (500_000, 1));
        assert_eq!(found.as_of, 8);
        let scanned: Vec<_> = bench.log.reader().scan(0).map(|scanned| scanned.unwrap().1).collect();
        assert_eq!(scanned, four());
    }
}

/// Whoever only counts had every citizen's number opened.
#[test]
fn who_counts_reads_every_record_and_nothing_that_is_personal() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = open(dir.path()).unwrap();
    for record in four() {
        bench.append(&record);
    }
    bench.wait_synced();
    let from_reader: Vec<_> = bench.log.reader().scan_sealed(0).map(|read| read.unwrap().1).collect();
    let files = LogFiles::new(dir.path(), samples::keys());
    let from_files: Vec<_> = files.scan_sealed(0).unwrap().map(|read| read.unwrap().1).collect();
    assert_eq!(from_reader, from_files);
    assert_eq!(from_reader.len(), four().len());
    for (sealed, whole) in from_reader.iter().zip(four()) {
        assert_eq!((sealed.at_ms, sealed.transaction), (whole.at_ms, whole.transaction));
        let (Body::Intent(sealed), Body::Intent(whole)) = (&sealed.body, &whole.body) else { continue };
        assert_eq!((sealed.bank, sealed.request.rrn), (whole.bank, whole.request.rrn));
        assert_eq!((sealed.account.is_none(), whole.account.is_some()), (true, true));
        assert_ne!(sealed.request.pan, whole.request.pan);
    }
}

#[test]
fn a_first_record_under_a_known_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = open(dir.path()).unwrap();
    bench.append(&intent(1));
    assert_eq!(bench.log.append(1, &intent(1)), Err(AppendError::KeyKnown(key(1))));
    assert_eq!(bench.log.append(1, &declined(1)), Err(AppendError::KeyKnown(key(1))));
    assert_eq!(bench.log.append(2, &intent(2)), Err(AppendError::NotNext { position: 2, next: 1 }));
    assert_eq!(bench.append(&intent(2)), 1);
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let bench = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::InUse(_))));
    bench.log.close();
    assert!(open(dir.path()).is_ok());
}

#[test]
fn many_segments_and_many_starts() {
    let dir = tempfile::tempdir().unwrap();
    for start in 0..40 {
        let mut bench = open(dir.path()).unwrap();
        assert_eq!(bench.recovered.next, start * 20);
        assert_eq!(bench.recovered.open.len() as u64, start * 10);
        for stan in start * 10..(start + 1) * 10 {
            bench.append(&intent(stan as u32));
            bench.append(&outcome(stan as u32));
        }
        bench.log.close();
    }
    let segments = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(segments > 5, "{segments} files");
}
