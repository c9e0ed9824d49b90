//! Disks that fail, fill up or answer late, as the log's caller sees them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use processor::Position;

use super::{Bench, open, open_on, options};
use crate::samples::{intent, key};
use crate::simulated::{MemoryDisk, SteppedLog, Survival};
use crate::storage::{Directory, SegmentFile, Shelf, Storage};
use crate::{AppendError, Journal, LogEvent, OpenError};

/// What the disk does wrong.
#[derive(Default)]
struct Faults {
    /// Syncs that still succeed; after them every one fails.
    syncs_left: AtomicU64,
    full: AtomicBool,
    /// Writes and syncs wait as long as this is set.
    stuck: AtomicBool,
}

struct FaultyDisk {
    directory: Directory,
    faults: Arc<Faults>,
}

struct FaultyFile {
    file: Box<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl FaultyDisk {
    fn file(&self, file: Box<dyn SegmentFile>) -> Box<dyn SegmentFile> {
        Box::new(FaultyFile { file, faults: self.faults.clone() })
    }
}

impl Storage for FaultyDisk {
    fn prepare_spare(&self) -> io::Result<()> {
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.directory.prepare_spare()
    }

    fn prepare_reserve(&self) -> io::Result<()> {
        if self.faults.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.directory.prepare_reserve()
    }

    fn spend_reserve(&self) -> io::Result<bool> {
        self.directory.spend_reserve()
    }

    fn adopt_spare(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.file(self.directory.adopt_spare(base)?))
    }

    fn open(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        Ok(self.file(self.directory.open(base)?))
    }

    fn note_synced(&self, position: Position) {
        self.directory.note_synced(position);
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        while self.faults.stuck.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let left = &self.faults.syncs_left;
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.sync()
    }
}

fn open_faulty(dir: &Path, faults: &Arc<Faults>) -> Result<Bench, OpenError> {
    let directory = Directory::new(dir, options(dir).segment_bytes);
    let storage = Arc::new(FaultyDisk { directory: directory.clone(), faults: faults.clone() });
    open_on(dir, Arc::new(directory), storage)
}

fn faults(syncs_left: u64) -> Arc<Faults> {
    Arc::new(Faults { syncs_left: AtomicU64::new(syncs_left), ..Faults::default() })
}

#[test]
fn a_failed_sync_ends_the_log_and_is_never_tried_again() {
    let temporary = tempfile::tempdir().unwrap();
    let faults = faults(2);
    let mut bench = open_faulty(temporary.path(), &faults).unwrap();
    for stan in 0..2 {
        bench.append(&intent(stan));
        bench.wait_synced();
    }
    bench.append(&intent(2));
    bench.wait_for(|event| matches!(event, LogEvent::Failed(reason) if reason.contains("the disk is gone")));
    // The disk is well again: it must not matter.
    faults.syncs_left.store(1000, Ordering::SeqCst);
    assert_eq!(bench.log.append(3, &intent(3)), Err(AppendError::Failed));
    assert!(!bench.told(&LogEvent::Synced(3)));
    bench.log.close();
    assert_eq!(faults.syncs_left.load(Ordering::SeqCst), 1000, "nothing was synced again");

    // The page that was not synced is read back. It is kept, but in a new segment.
    let bench = open(temporary.path()).unwrap();
    assert_eq!((bench.recovered.next, bench.recovered.cut.clone()), (3, None));
    assert_eq!(
        bench.recovered.open.iter().map(|open| open.key).collect::<Vec<_>>(),
        [key(0), key(1), key(2)]
    );
    let directory = Directory::new(temporary.path(), 0);
    assert_eq!(directory.bases().unwrap(), [0, 2]);
}

#[test]
fn on_a_full_disk_the_reserve_is_written_to_and_then_the_log_is_full() {
    let temporary = tempfile::tempdir().unwrap();
    let faults = faults(u64::MAX);
    let mut bench = open_faulty(temporary.path(), &faults).unwrap();
    bench.wait_room(2);
    faults.full.store(true, Ordering::SeqCst);
    let mut told_at = None;
    let mut appended = 0;
    while appended < 1000 && bench.log.room() > 0 {
        assert_eq!(bench.log.append(appended, &intent(appended as u32)), Ok(()), "room said that it fits");
        bench.wait_synced();
        appended += 1;
        if told_at.is_none() && bench.told_any(|event| matches!(event, LogEvent::DiskFull(_))) {
            told_at = Some(appended);
        }
    }
    let told_at = told_at.expect("the full disk is told while there is a reserve");
    assert!(appended > 2 * told_at, "a whole segment is left when it is told, and more");
    assert!(appended > told_at + 10, "{appended} records, told after {told_at}");
    let last = (0..200).map(|_| bench.log.append(bench.log.next(), &intent(bench.log.next() as u32)));
    assert_eq!(last.collect::<Vec<_>>().last(), Some(&Err(AppendError::Full)));
    faults.full.store(false, Ordering::SeqCst);
    bench.wait_for(|event| *event == LogEvent::DiskRoom);
    bench.append(&intent(5000));
    bench.log.close();
}

#[test]
fn a_slow_disk_fills_the_buffer_and_nothing_waits() {
    let temporary = tempfile::tempdir().unwrap();
    let faults = faults(u64::MAX);
    let mut bench = open_faulty(temporary.path(), &faults).unwrap();
    bench.wait_room(2);
    faults.stuck.store(true, Ordering::SeqCst);
    let mut refused = None;
    for stan in 0..2000 {
        if let Err(error) = bench.log.append(bench.log.next(), &intent(stan)) {
            refused = Some((error, bench.log.room()));
            break;
        }
    }
    assert_eq!(refused, Some((AppendError::Full, 0)));
    assert!(!bench.told_any(|event| matches!(event, LogEvent::Synced(_))), "nothing is durable yet");
    faults.stuck.store(false, Ordering::SeqCst);
    bench.wait_synced();
    bench.append(&intent(5000));
    bench.log.close();
}

#[test]
fn a_start_on_a_full_disk_knows_it_and_writes_the_end_anew_where_it_stands() {
    let disk = MemoryDisk::new();
    let options = options(Path::new("simulated"));
    let (mut log, _) = SteppedLog::open(&options, &disk).unwrap();
    for stan in 0..3 {
        log.append(u64::from(stan), &intent(stan)).unwrap();
    }
    assert!(log.write().unwrap() && log.sync().unwrap() == Some(3));
    for stan in 3..5 {
        log.append(u64::from(stan), &intent(stan)).unwrap();
    }
    // Written, never synced; then the process is killed on a disk without room or spare.
    assert!(log.write().unwrap());
    drop(log);
    disk.fill(true);
    disk.restart();
    let (log, recovered) = SteppedLog::open(&options, &disk).unwrap();
    assert_eq!((recovered.next, recovered.cut), (5, None));
    drop(log);
    // What was read is durable: it may have been acted on.
    disk.lose_power(Survival::Nothing);
    let (mut log, recovered) = SteppedLog::open(&options, &disk).unwrap();
    assert_eq!((recovered.next, recovered.cut), (5, None));
    log.upkeep().unwrap();
    assert!(log.is_disk_full());
    log.append(5, &intent(5)).unwrap();

    // The same where the start is told by its log.
    let temporary = tempfile::tempdir().unwrap();
    let faults = faults(u64::MAX);
    let mut bench = open_faulty(temporary.path(), &faults).unwrap();
    bench.append(&intent(1));
    bench.wait_synced();
    bench.wait_room(2);
    bench.log.close();
    for ready in ["spare.ready", "reserve.ready"] {
        // On a busy machine the log was closed before its spare stood.
        match std::fs::remove_file(temporary.path().join(ready)) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{ready}"),
        }
    }
    faults.full.store(true, Ordering::SeqCst);
    let bench = open_faulty(temporary.path(), &faults).unwrap();
    assert!(bench.told_any(|event| matches!(event, LogEvent::DiskFull(_))), "before anything is appended");
    assert!(bench.log.allocated_records() > 0);
}
