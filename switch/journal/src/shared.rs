//! What the log's threads and its readers share, behind one lock held only for memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use keys::DataKeys;
use processor::Position;

use crate::files::Files;
use crate::filter::Filters;
use crate::index::NameIndex;
use crate::memory::MemorySegment;
use crate::names::Namer;

/// What the log tells its owner, from threads of its own: the callback must not wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEvent {
    /// Every record below this position is durable.
    Synced(Position),
    /// A write or sync failed: nothing more will ever be durable in this process. It has to stop; the next start
    /// takes up what was synced.
    Failed(String),
    /// A segment could not be allocated ahead, for this reason. What is allocated already, at least a whole segment where
    /// there was room before, is for what ends transactions: new requests have to be refused.
    DiskFull(String),
    /// All that is to be allocated ahead is there again.
    DiskRoom,
    /// The index is not used any more until the next start, for this reason: look-ups in sealed segments read the
    /// segments themselves, which takes longer. Where a sealed segment cannot be read back, it and those behind it stay
    /// in memory, up to [`crate::Options::unindexed_segments_max`].
    IndexFailed(String),
    /// A checkpoint could not be written, for this reason: the next start reads more of the log.
    CheckpointFailed(String),
}

/// The callback for events.
pub(crate) type OnEvent = Box<dyn Fn(LogEvent) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// For the syncer: there is something to write, or it is time to end.
    pub(crate) work: Condvar,
    /// For the keeper of spares: the spare is used, or it is time to end.
    pub(crate) spare: Condvar,
    /// For the indexer: a segment is sealed and durable, or it is time to end.
    pub(crate) sealed: Condvar,
    synced: AtomicU64,
    pub(crate) files: Files,
    pub(crate) index: Box<dyn NameIndex>,
    pub(crate) keys: DataKeys,
    pub(crate) namer: Namer,
    pub(crate) on_event: OnEvent,
}

pub(crate) struct State {
    pub(crate) active: MemorySegment,
    /// Sealed and not in the index yet, oldest first.
    pub(crate) sealed: VecDeque<Arc<MemorySegment>>,
    /// Over the segments in the index.
    pub(crate) filters: Filters,
    /// What the syncer still has to write of sealed segments.
    pub(crate) queue: VecDeque<Piece>,
    pub(crate) queued_bytes: usize,
    pub(crate) spare: Spare,
    /// Another segment is allocated behind the spare.
    pub(crate) reserve: bool,
    pub(crate) disk_full: bool,
    pub(crate) phase: Phase,
    pub(crate) syncer_waits: bool,
}

/// Bytes for a segment.
pub(crate) struct Piece {
    pub(crate) base: Position,
    pub(crate) offset: u64,
    pub(crate) bytes: Arc<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spare {
    /// The keeper is at it.
    Missing,
    /// Ready on the disk.
    Ready,
    /// The active segment will stand in it; the syncer has not come to that yet.
    Claimed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// What was appended is still made durable.
    Closing,
    /// A write or sync failed.
    Failed,
}

impl Shared {
    pub(crate) fn new(
        state: State,
        files: Files,
        index: Box<dyn NameIndex>,
        keys: DataKeys,
        on_event: OnEvent,
    ) -> Shared {
        let synced = AtomicU64::new(state.next());
        let (work, spare, sealed) = (Condvar::new(), Condvar::new(), Condvar::new());
        let namer = Namer::new(&keys);
        Shared { state: Mutex::new(state), work, spare, sealed, synced, files, index, keys, namer, on_event }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the log's lock panics")
    }

    /// Every record below is durable.
    pub(crate) fn synced(&self) -> Position {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn set_synced(&self, position: Position) {
        self.synced.store(position, Ordering::Release);
    }
}

impl State {
    /// How many records are appended.
    pub(crate) fn next(&self) -> Position {
        self.active.next()
    }

    /// The index answers for everything below, memory for the rest.
    pub(crate) fn indexed_below(&self) -> Position {
        self.sealed.front().map_or(self.active.base(), |segment| segment.base())
    }

    /// Bytes that wait for the syncer.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queued_bytes + self.active.waiting_bytes()
    }

    /// All segments in memory, oldest first.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &MemorySegment> {
        self.sealed.iter().map(|segment| &**segment).chain(std::iter::once(&self.active))
    }
}
