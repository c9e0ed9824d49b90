//! What the appender, the syncer, the keeper of spares and the readers share, behind one lock held only for memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use keys::DataKeys;
use processor::Position;

use crate::memory::MemorySegment;

/// What the log tells its owner, from threads of its own: the callback must not wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEvent {
    /// Every record below this position is durable.
    Synced(Position),
    /// A write or sync failed: nothing more will ever be durable in this process. It has to stop; the next start
    /// takes up what was synced.
    Failed(String),
    /// The next segment could not be allocated, for this reason. What is allocated already, a segment less what it
    /// holds, is the reserve for reversals and completions, so new requests have to be refused.
    DiskFull(String),
    /// The next segment could be allocated after all.
    DiskRoom,
}

/// The callback for events.
pub(crate) type OnEvent = Box<dyn Fn(LogEvent) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// For the syncer: there is something to write, or it is time to end.
    pub(crate) work: Condvar,
    /// For the keeper of spares: the spare is used, or it is time to end.
    pub(crate) spare: Condvar,
    synced: AtomicU64,
    pub(crate) keys: DataKeys,
    pub(crate) on_event: OnEvent,
}

pub(crate) struct State {
    pub(crate) active: MemorySegment,
    /// Sealed, oldest first.
    pub(crate) sealed: VecDeque<Arc<MemorySegment>>,
    /// What the syncer still has to write of sealed segments.
    pub(crate) queue: VecDeque<Piece>,
    pub(crate) queued_bytes: usize,
    pub(crate) spare: Spare,
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
    pub(crate) fn new(state: State, synced: Position, keys: DataKeys, on_event: OnEvent) -> Shared {
        let (work, spare) = (Condvar::new(), Condvar::new());
        let state = Mutex::new(state);
        Shared { state, work, spare, synced: AtomicU64::new(synced), keys, on_event }
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

    /// Bytes that wait for the syncer.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.queued_bytes + self.active.waiting_bytes()
    }

    /// All segments in memory, oldest first.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = &MemorySegment> {
        self.sealed.iter().map(|segment| &**segment).chain(std::iter::once(&self.active))
    }
}
