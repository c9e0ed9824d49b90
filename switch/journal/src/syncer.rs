//! Group commit without a timer: one write and one sync for all that was appended meanwhile; and the spare segment.

use std::io;
use std::time::Duration;

use processor::Position;

use crate::shared::{LogEvent, Phase, Piece, Shared, Spare};
use crate::storage::{SegmentFile, Storage};

/// Pause before another try to allocate on a full disk.
const ALLOCATION_RETRY: Duration = Duration::from_secs(1);

/// Runs until the log is closed and all of it durable, or until a write or sync has failed: that is never tried again,
/// for the page cache may call clean what never reached the disk.
pub(crate) fn sync_loop(
    shared: &Shared,
    storage: &dyn Storage,
    mut base: Position,
    mut file: Box<dyn SegmentFile>,
) {
    while let Some((pieces, next)) = take(shared) {
        let before = base;
        let written = write(shared, storage, &mut base, &mut file, pieces);
        if let Err(error) = written {
            let mut state = shared.lock();
            state.phase = Phase::Failed;
            drop(state);
            shared.spare.notify_all();
            shared.sealed.notify_all();
            (shared.on_event)(LogEvent::Failed(format!("segment {base:020}: {error}")));
            return;
        }
        shared.set_synced(next);
        (shared.on_event)(LogEvent::Synced(next));
        storage.note_synced(next);
        if base != before {
            // The indexer looks at the synced position under the lock: it must not miss this.
            drop(shared.lock());
            shared.sealed.notify_all();
        }
    }
}

/// Everything appended so far, and the position below which it ends. Waits while there is nothing; `None`: the end.
fn take(shared: &Shared) -> Option<(Vec<Piece>, Position)> {
    let mut state = shared.lock();
    loop {
        let base = state.active.base();
        let mut pieces: Vec<Piece> = state.queue.drain(..).collect();
        state.queued_bytes = 0;
        let waiting = state.active.take_waiting();
        pieces.extend(waiting.map(|(offset, bytes)| Piece { base, offset, bytes }));
        if !pieces.is_empty() {
            return Some((pieces, state.next()));
        }
        if state.phase != Phase::Running {
            return None;
        }
        state.syncer_waits = true;
        state = shared.work.wait(state).expect("no holder of the log's lock panics");
        state.syncer_waits = false;
    }
}

fn write(
    shared: &Shared,
    storage: &dyn Storage,
    base: &mut Position,
    file: &mut Box<dyn SegmentFile>,
    pieces: Vec<Piece>,
) -> io::Result<()> {
    for piece in pieces {
        if piece.base != *base {
            // A segment's name vouches for everything in front of it.
            file.sync()?;
            *file = storage.adopt_spare(piece.base)?;
            *base = piece.base;
            shared.files.push(piece.base);
            shared.lock().spare = Spare::Missing;
            shared.spare.notify_all();
        }
        file.write_at(&piece.bytes, piece.offset)?;
    }
    file.sync()
}

/// Keeps one segment allocated ahead until the log ends.
pub(crate) fn keep_spare(shared: &Shared, storage: &dyn Storage) {
    let mut state = shared.lock();
    while state.phase == Phase::Running {
        if state.spare != Spare::Missing {
            state = shared.spare.wait(state).expect("no holder of the log's lock panics");
            continue;
        }
        drop(state);
        let failed = storage.prepare_spare().err();
        state = shared.lock();
        let was_full = std::mem::replace(&mut state.disk_full, failed.is_some());
        if failed.is_none() {
            state.spare = Spare::Ready;
        }
        let event = match failed {
            Some(error) if !was_full => Some(LogEvent::DiskFull(error.to_string())),
            None if was_full => Some(LogEvent::DiskRoom),
            Some(_) | None => None,
        };
        if let Some(event) = event {
            drop(state);
            (shared.on_event)(event);
            state = shared.lock();
        }
        if state.spare == Spare::Missing && state.phase == Phase::Running {
            let waited = shared.spare.wait_timeout(state, ALLOCATION_RETRY);
            state = waited.expect("no holder of the log's lock panics").0;
        }
    }
}
