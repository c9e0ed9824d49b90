//! The log on a disk in memory, whose syncer, allocation and indexer are stepped by hand: what a simulation crashes.
//!
//! All of it but the disk and the stepping is the code that a running switch has: frames, segments, index names,
//! checkpoints, look-ups and recovery.

mod disk;
mod index;

use std::sync::Arc;

use processor::{Position, Record};

use crate::fold::Fold;
use crate::log::Opened;
use crate::pace::Pace;
use crate::shared::{Spare, State};
use crate::storage::{SegmentFile, Shelf, Storage};
use crate::{AppendError, Journal, LogReader, OpenError, Options, Recovered, SegmentLog, indexer, syncer};

pub use disk::{MemoryDisk, Survival};

/// A log without threads.
pub struct SteppedLog {
    log: SegmentLog,
    storage: Arc<dyn Storage>,
    base: Position,
    file: Box<dyn SegmentFile>,
    fold: Fold,
    /// Written and not synced: the records below.
    written: Option<Position>,
}

/// The disk has failed, or the machine has stopped: the process that had the log is over.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the log has failed: {0}")]
pub struct Failed(String);

impl SteppedLog {
    /// Opens or makes a log as [`SegmentLog::open`] does.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(options: &Options, disk: &MemoryDisk) -> Result<(SteppedLog, Recovered), OpenError> {
        let (shelf, storage): (Arc<dyn Shelf>, Arc<dyn Storage>) =
            (Arc::new(disk.clone()), Arc::new(disk.clone()));
        let Opened { log, recovered, base, file, sealed_fold } =
            SegmentLog::recover_on(options, &shelf, &storage, Box::new(|_| {}))?;
        Ok((SteppedLog { log, storage, base, file, fold: sealed_fold, written: None }, recovered))
    }

    /// For look-ups.
    pub fn reader(&self) -> LogReader {
        self.log.reader()
    }

    /// Writes what was appended. `false`: nothing waits, or what was written last is not synced yet.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn write(&mut self) -> Result<bool, Failed> {
        if self.written.is_some() {
            return Ok(false);
        }
        let Some((pieces, next)) = syncer::take_waiting(&mut self.log.shared.lock()) else {
            return Ok(false);
        };
        let written = syncer::write(&self.log.shared, &*self.storage, &mut self.base, &mut self.file, pieces);
        written.map_err(|error| self.failed(&error))?;
        self.written = Some(next);
        Ok(true)
    }

    /// Makes durable what was written; every record below the position is then. `None`: nothing was.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn sync(&mut self) -> Result<Option<Position>, Failed> {
        let Some(next) = self.written else { return Ok(None) };
        self.file.sync().map_err(|error| self.failed(&error))?;
        syncer::durable(&self.log.shared, &*self.storage, next);
        self.written = None;
        Ok(Some(next))
    }

    /// Allocates the spare segment and the reserve where they are missing, and gives the oldest sealed segment to the index.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn upkeep(&mut self) -> Result<(), Failed> {
        let shared = &self.log.shared;
        let is_whole = |state: &State| state.spare != Spare::Missing && state.reserve;
        if !is_whole(&shared.lock()) {
            syncer::allocate(shared, &*self.storage);
        }
        let ready = |state: &State| indexer::sealed_and_durable(shared, state);
        let sealed = ready(&shared.lock());
        if let Some((segment, link)) = sealed {
            indexer::index_segment(shared, &segment, link, &mut self.fold, &mut Pace::at_once())
                .map_err(|error| Failed(error.to_string()))?;
        }
        Ok(())
    }

    /// The next segment could not be allocated.
    pub fn is_disk_full(&self) -> bool {
        self.log.shared.lock().disk_full
    }

    fn failed(&self, error: &std::io::Error) -> Failed {
        syncer::failed(&self.log.shared, self.base, error);
        Failed(error.to_string())
    }
}

impl Journal for SteppedLog {
    fn append(&mut self, position: Position, record: &Record) -> Result<(), AppendError> {
        self.log.append(position, record)
    }

    fn room(&self) -> usize {
        self.log.room()
    }
}
