//! The embedded log: opened on a directory, appended to by one thread, synced by another.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use keys::DataKeys;
use processor::{Position, Record, Standing, Transaction};

use crate::fold::{Fold, begins};
use crate::frame::{self, FRAME_BYTES_MAX, Link};
use crate::indexer;
use crate::memory::MemorySegment;
use crate::pace::Pace;
use crate::reader::LogReader;
use crate::recover::{self, Lock};
use crate::shared::{LogEvent, OnEvent, Phase, Piece, Shared, Spare, State};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, SegmentFile, Shelf, Storage};
use crate::syncer;
use crate::{AppendError, Journal, OpenError};

/// Where and how a log stands.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log's directory; made when it is not there.
    pub dir: PathBuf,
    /// Bytes of a segment file: [`Options::SEGMENT_BYTES_MIN`] to [`Options::SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// Bytes appended and not yet written; beyond it [`AppendError::Full`].
    pub waiting_bytes_max: usize,
    /// Sealed segments that the index has not taken yet and that are held in memory; beyond it
    /// [`AppendError::Full`].
    pub unindexed_segments_max: usize,
    /// K_enc and K_log.
    pub keys: DataKeys,
}

impl Options {
    /// Two records of any size fit into a segment.
    pub const SEGMENT_BYTES_MIN: u64 = 32_768 + 1_024;
    /// Offsets within a segment are numbers of 32 bits.
    pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

    /// 64 MiB segments, each of 120,000 money records; 16 MiB may wait for the disk, 4 segments for the index.
    pub fn new(dir: PathBuf, keys: DataKeys) -> Options {
        let (segment_bytes, waiting_bytes_max, unindexed_segments_max) = (64 << 20, 16 << 20, 4);
        Options { dir, segment_bytes, waiting_bytes_max, unindexed_segments_max, keys }
    }
}

/// Room for fewer records than this is asked anew each time.
const ROOM_ASKED_BELOW: usize = 256;

const _: () = assert!(SEGMENT_HEAD_BYTES + 2 * FRAME_BYTES_MAX <= Options::SEGMENT_BYTES_MIN as usize);

/// What a start found.
#[derive(Debug)]
pub struct Recovered {
    /// The sum over all records.
    pub standing: Standing,
    /// The transactions that are not at their end, in the order in which they began.
    pub open: Vec<Transaction>,
    /// The position of the next record.
    pub next: Position,
    /// What of the log's end was cut because it was never synced.
    pub cut: Option<Cut>,
    /// Why the index was thrown away and built anew from the log, where it was.
    pub index_rebuilt: Option<String>,
}

/// The torn tail of what was never synced.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cut before record {position}, which was never synced: {reason}")]
pub struct Cut {
    /// The first record that is gone.
    pub position: Position,
    /// Why it could not be kept.
    pub reason: String,
}

/// The log.
pub struct SegmentLog {
    pub(crate) shared: Arc<Shared>,
    next: Position,
    head: Link,
    frame: Vec<u8>,
    /// So many records had room behind the last one; the syncer and the keeper of spares have only made more of it.
    room_known: Cell<usize>,
    segment_bytes: u64,
    waiting_bytes_max: usize,
    unindexed_segments_max: usize,
    /// Records are appended until [`Journal::submit`].
    gathers: bool,
    threads: Vec<JoinHandle<()>>,
    /// Held as long as the log is open: a second process is refused.
    lock: Option<Lock>,
}

/// A log that was read, and what its threads begin with.
pub(crate) struct Opened {
    pub(crate) log: SegmentLog,
    pub(crate) recovered: Recovered,
    /// The active segment, and the file that it is written to.
    pub(crate) base: Position,
    pub(crate) file: Box<dyn SegmentFile>,
    /// The sum of the sealed segments.
    pub(crate) sealed_fold: Fold,
}

impl SegmentLog {
    /// Opens or makes a log, reads it, makes durable what it read, and starts its threads. Records are acted on only
    /// after this returns.
    ///
    /// # Errors
    /// [`OpenError`]: in use, damaged below a position that was synced, another key, or the disk's own.
    pub fn open(
        options: Options,
        on_event: Box<dyn Fn(LogEvent) + Send + Sync>,
    ) -> Result<(SegmentLog, Recovered), OpenError> {
        let directory = Directory::new(&options.dir, options.segment_bytes);
        let storage = Arc::new(directory.clone());
        SegmentLog::open_on(options, Arc::new(directory), storage, on_event)
    }

    pub(crate) fn open_on(
        options: Options,
        shelf: Arc<dyn Shelf>,
        storage: Arc<dyn Storage>,
        on_event: OnEvent,
    ) -> Result<(SegmentLog, Recovered), OpenError> {
        let lock = recover::lock(&options.dir)?;
        let Opened { mut log, recovered, base, file, sealed_fold } =
            SegmentLog::recover_on(&options, &shelf, &storage, on_event)?;
        // Whoever appends first has to know that the disk is full.
        if let Err(error) = syncer::make_spare(&log.shared, &*storage) {
            syncer::tell_room(&log.shared, Some(error));
        }
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
            thread.map_err(|error| OpenError::io(&options.dir, error))
        };
        let (for_syncer, for_keeper, for_indexer) =
            (log.shared.clone(), log.shared.clone(), log.shared.clone());
        let (syncer_storage, keeper_storage) = (storage.clone(), storage);
        log.threads = vec![
            spawn(
                "log-sync",
                Box::new(move || syncer::sync_loop(&for_syncer, &*syncer_storage, base, file)),
            )?,
            spawn("log-spare", Box::new(move || syncer::keep_spare(&for_keeper, &*keeper_storage)))?,
            spawn(
                "log-index",
                Box::new(move || {
                    stand_back();
                    indexer::index_loop(&for_indexer, sealed_fold);
                }),
            )?,
        ];
        log.lock = Some(lock);
        Ok((log, recovered))
    }

    /// Reads a log and makes durable what it read; nobody syncs, allocates or indexes yet.
    pub(crate) fn recover_on(
        options: &Options,
        shelf: &Arc<dyn Shelf>,
        storage: &Arc<dyn Storage>,
        on_event: OnEvent,
    ) -> Result<Opened, OpenError> {
        let bounds = Options::SEGMENT_BYTES_MIN..=Options::SEGMENT_BYTES_MAX;
        if !bounds.contains(&options.segment_bytes) {
            return Err(OpenError::SegmentBytes(options.segment_bytes));
        }
        let found = recover::recover(shelf, &options.keys)?;
        let file = storage.open(found.active.base()).map_err(|error| OpenError::io(&options.dir, error))?;
        let open = recover::opened(&found.fold, &found.files, &options.keys)?;
        let (next, base) = (found.active.next(), found.active.base());
        let behind = (*found.active.link_before(), found.generation_before);
        let state = State {
            active: found.active,
            sealed: Default::default(),
            filters: found.filters,
            queue: Default::default(),
            queued_bytes: 0,
            spare: Spare::Missing,
            reserve: false,
            disk_full: false,
            phase: Phase::Running,
            syncer_waits: false,
        };
        let shared = Shared::new(state, found.files, found.index, options.keys.clone(), on_event);
        let shared = Arc::new(shared);
        storage.note_synced(next);
        if found.checkpoint_due {
            indexer::write_checkpoint(&shared, base, behind, &found.sealed_fold, &mut Pace::at_once());
        }
        let log = SegmentLog {
            shared,
            next,
            head: found.head,
            frame: Vec::with_capacity(FRAME_BYTES_MAX),
            room_known: Cell::new(0),
            segment_bytes: options.segment_bytes,
            waiting_bytes_max: options.waiting_bytes_max,
            unindexed_segments_max: options.unindexed_segments_max,
            gathers: false,
            threads: Vec::new(),
            lock: None,
        };
        let recovered = Recovered {
            standing: found.fold.standing,
            open,
            next,
            cut: found.cut,
            index_rebuilt: found.index_rebuilt,
        };
        Ok(Opened { log, recovered, base, file, sealed_fold: found.sealed_fold })
    }

    /// For look-ups, from any thread.
    pub fn reader(&self) -> LogReader {
        LogReader::new(self.shared.clone())
    }

    /// The position of the next record.
    pub fn next(&self) -> Position {
        self.next
    }

    /// Makes durable what was appended, and ends the log's threads.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let mut state = self.shared.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.shared.work.notify_all();
        self.shared.spare.notify_all();
        self.shared.sealed.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().expect("the log's threads do not panic");
        }
        self.lock = None;
    }

    /// So many records of any size fit into what is allocated: with a full disk there is no more until it has room again.
    pub fn allocated_records(&self) -> usize {
        self.allocated(&self.shared.lock())
    }

    fn allocated(&self, state: &State) -> usize {
        // A segment takes at least as many records as it would take of the longest.
        let left = |used: u64| (self.segment_bytes.saturating_sub(used)) as usize / FRAME_BYTES_MAX;
        let spare = if self.may_roll(state) { left(SEGMENT_HEAD_BYTES as u64) } else { 0 };
        left(u64::from(state.active.end())) + spare
    }

    fn room_now(&self, state: &State) -> usize {
        let waiting = self.waiting_bytes_max.saturating_sub(state.waiting_bytes()) / FRAME_BYTES_MAX;
        waiting.min(self.allocated(state))
    }

    fn may_roll(&self, state: &State) -> bool {
        state.spare == Spare::Ready && state.sealed.len() < self.unindexed_segments_max
    }

    fn roll(&self, state: &mut State) {
        let base = state.active.base();
        if let Some((offset, bytes)) = state.active.take_waiting() {
            state.queued_bytes += bytes.len();
            state.queue.push_back(Piece { base, offset, bytes });
        }
        let sealed = std::mem::replace(&mut state.active, MemorySegment::new(self.next, &self.head));
        state.active.reserve(sealed.records());
        state.sealed.push_back(Arc::new(sealed));
        state.spare = Spare::Claimed;
    }
}

/// Indexing a segment takes tenths of a second of processor at once, and nobody waits for it: where processors are short,
/// threads that somebody waits for come first. At [`STAND_BACK_NICE`] it still gets a quarter of one that is wanted by another.
pub(crate) fn stand_back() {
    // Where the system refuses, others wait a little longer, and that is all.
    rustix::process::setpriority_process(None, STAND_BACK_NICE).ok();
}

/// Nice value of threads that nobody waits for.
const STAND_BACK_NICE: i32 = 5;

impl Journal for SegmentLog {
    fn append(&mut self, position: Position, record: &Record) -> Result<(), AppendError> {
        if position != self.next {
            return Err(AppendError::NotNext { position, next: self.next });
        }
        self.frame.clear();
        let (synced, keys) = (self.shared.synced(), &self.shared.keys);
        let head = frame::write(record, position, synced, &self.head, keys, &mut self.frame)
            .map_err(|field| AppendError::TooLong { field })?;
        let names = self.shared.namer.of_record(record);
        let begun = record.transaction.filter(|_| begins(&record.body));
        let begun = begun.map(|key| (key, self.shared.namer.transaction(&key)));
        let mut state = self.shared.lock();
        if state.phase != Phase::Running {
            return Err(AppendError::Failed);
        }
        if let Some((key, name)) = begun
            && state.segments().any(|segment| segment.has_transaction(&name))
        {
            return Err(AppendError::KeyKnown(key));
        }
        if state.waiting_bytes() + self.frame.len() > self.waiting_bytes_max {
            return Err(AppendError::Full);
        }
        if u64::from(state.active.end()) + self.frame.len() as u64 > self.segment_bytes {
            if !self.may_roll(&state) {
                return Err(AppendError::Full);
            }
            self.roll(&mut state);
        }
        state.active.push(record, &names, &self.frame);
        self.room_known.set(self.room_now(&state));
        // One wake is enough for all that is appended until the syncer runs.
        let wake = !self.gathers && std::mem::take(&mut state.syncer_waits);
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
        self.next += 1;
        self.head = head;
        Ok(())
    }

    fn gather(&mut self) {
        self.gathers = true;
    }

    fn submit(&mut self) {
        if !std::mem::take(&mut self.gathers) {
            return;
        }
        let mut state = self.shared.lock();
        let wake = state.waiting_bytes() > 0 && std::mem::take(&mut state.syncer_waits);
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
    }

    fn room(&self) -> usize {
        // Only an append takes room away: what it left is there still, or more.
        let known = self.room_known.get();
        if known >= ROOM_ASKED_BELOW {
            return known;
        }
        let room = self.room_now(&self.shared.lock());
        self.room_known.set(room);
        room
    }
}

impl Drop for SegmentLog {
    fn drop(&mut self) {
        self.end();
    }
}
