//! The log on a disk in memory: what survives there is what survives a crash, and a start that is stopped says so.

use std::path::Path;

use processor::State;

use super::options;
use crate::samples::{intent, key, outcome};
use crate::simulated::{MemoryDisk, SteppedLog, Survival};
use crate::{AppendError, Journal, Recovered};

fn open(disk: &MemoryDisk) -> Result<(SteppedLog, Recovered), crate::OpenError> {
    SteppedLog::open(&options(Path::new("simulated")), disk)
}

/// Appends INTENTs from `from` on, each synced, up to so many.
fn fill(log: &mut SteppedLog, from: u32, until: u32) {
    for stan in from..until {
        assert_eq!(log.append(u64::from(stan), &intent(stan)), Ok(()));
        assert!(log.write().unwrap());
        assert_eq!(log.sync().unwrap(), Some(u64::from(stan) + 1));
        log.upkeep().unwrap();
    }
}

/// A start that met an error behind its first segments waited for the thread that read ahead, which waited for it.
#[test]
fn a_start_that_fails_among_many_segments_says_so() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    log.upkeep().unwrap();
    fill(&mut log, 0, 400);
    drop(log);
    for step in 0..100 {
        disk.lose_index();
        disk.stop_at(Some(disk.steps() + step));
        let opened = open(&disk);
        let stopped = disk.is_stopped();
        disk.restart();
        match opened {
            Ok((_, recovered)) => {
                assert_eq!(recovered.next, 400);
                assert!(step > 4, "{step}: more than four segments are read");
                return;
            }
            Err(error) => assert!(stopped, "{error}"),
        }
    }
    panic!("no start came through");
}

#[test]
fn a_power_loss_takes_what_was_not_synced_and_a_kill_takes_nothing() {
    for (survival, kept) in [
        (None, 3),
        (Some(Survival::Nothing), 2),
        (Some(Survival::Everything), 3),
        (Some(Survival::Front(400)), 2),
    ] {
        let disk = MemoryDisk::new();
        let (mut log, _) = open(&disk).unwrap();
        log.upkeep().unwrap();
        fill(&mut log, 0, 2);
        log.append(2, &outcome(1)).unwrap();
        assert!(log.write().unwrap());
        assert!(disk.unsynced_bytes() > 0);
        drop(log);
        match survival {
            None => disk.restart(),
            Some(survival) => disk.lose_power(survival),
        }
        let (_, recovered) = open(&disk).unwrap();
        assert_eq!(recovered.next, kept, "{survival:?}");
        assert_eq!(recovered.cut.is_some(), survival == Some(Survival::Front(400)));
        let newest = recovered.open.iter().find(|open| open.key == key(1)).map(|open| open.state);
        assert_eq!(newest, Some(if kept == 3 { State::Approved } else { State::Sent }), "{survival:?}");
        assert_eq!(disk.unsynced_bytes(), 0, "a start makes durable what it read");
    }
}

#[test]
fn a_failed_sync_ends_the_log_and_its_tail_is_written_anew() {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    log.upkeep().unwrap();
    fill(&mut log, 0, 1);
    log.append(1, &intent(1)).unwrap();
    log.write().unwrap();
    disk.fail_syncs(true);
    assert!(log.sync().is_err());
    assert_eq!(log.append(2, &intent(2)), Err(AppendError::Failed));
    drop(log);
    disk.restart();
    assert!(!disk.is_durable(), "the page cache has what the disk has not");
    let (log, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.next, 2);
    assert!(disk.is_durable());
    drop(log);
    disk.lose_power(Survival::Nothing);
    assert_eq!(open(&disk).unwrap().1.next, 2);
}
