//! Group commit without a timer: one write and one sync for all that was appended meanwhile; and the segments allocated ahead.

use std::io;
use std::time::Duration;

use mutant::Mutant;
use processor::Position;

use crate::shared::{LogEvent, Phase, Piece, Shared, Spare, State};
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
        if let Err(error) = written.and_then(|()| file.sync()) {
            return failed(shared, base, &error);
        }
        durable(shared, storage, next);
        if base != before {
            // The indexer looks at the synced position under the lock: it must not miss this.
            drop(shared.lock());
            shared.sealed.notify_all();
        }
    }
}

/// Nothing more will be durable.
pub(crate) fn failed(shared: &Shared, base: Position, error: &io::Error) {
    let mut state = shared.lock();
    state.phase = Phase::Failed;
    drop(state);
    shared.spare.notify_all();
    shared.sealed.notify_all();
    (shared.on_event)(LogEvent::Failed(format!("segment {base:020}: {error}")));
}

/// Every record below `next` is durable.
pub(crate) fn durable(shared: &Shared, storage: &dyn Storage, next: Position) {
    shared.set_synced(next);
    (shared.on_event)(LogEvent::Synced(next));
    storage.note_synced(next);
}

/// Everything appended so far, and the position below which it ends. Waits while there is nothing; `None`: the end.
fn take(shared: &Shared) -> Option<(Vec<Piece>, Position)> {
    let mut state = shared.lock();
    loop {
        if let Some(waiting) = take_waiting(&mut state) {
            return Some(waiting);
        }
        if state.phase != Phase::Running {
            return None;
        }
        state.syncer_waits = true;
        state = shared.work.wait(state).expect("no holder of the log's lock panics");
        state.syncer_waits = false;
    }
}

/// Everything appended so far, and the position below which it ends; `None` where nothing waits.
pub(crate) fn take_waiting(state: &mut State) -> Option<(Vec<Piece>, Position)> {
    let base = state.active.base();
    let mut pieces: Vec<Piece> = state.queue.drain(..).collect();
    state.queued_bytes = 0;
    let waiting = state.active.take_waiting();
    pieces.extend(waiting.map(|(offset, bytes)| Piece { base, offset, bytes }));
    (!pieces.is_empty()).then(|| (pieces, state.next()))
}

/// Writes pieces where they belong; the last segment is not synced yet.
pub(crate) fn write(
    shared: &Shared,
    storage: &dyn Storage,
    base: &mut Position,
    file: &mut Box<dyn SegmentFile>,
    pieces: Vec<Piece>,
) -> io::Result<()> {
    for piece in pieces {
        if piece.base != *base {
            // A segment's name vouches for everything in front of it.
            if !mutant::is(Mutant::OldSegmentNotSynced) {
                file.sync()?;
            }
            *file = storage.adopt_spare(piece.base)?;
            *base = piece.base;
            shared.files.push(piece.base);
            shared.lock().spare = Spare::Missing;
            shared.spare.notify_all();
        }
        file.write_at(&piece.bytes, piece.offset)?;
    }
    Ok(())
}

/// Makes the spare that is missing: at once of the reserve, where there is one.
pub(crate) fn make_spare(shared: &Shared, storage: &dyn Storage) -> io::Result<()> {
    if shared.lock().spare != Spare::Missing {
        return Ok(());
    }
    if storage.spend_reserve()? {
        shared.lock().reserve = false;
    } else {
        storage.prepare_spare()?;
    }
    shared.lock().spare = Spare::Ready;
    Ok(())
}

/// Makes the spare and the reserve behind it, and tells when the disk has become full or has room again: it is full as
/// soon as there cannot be both.
pub(crate) fn allocate(shared: &Shared, storage: &dyn Storage) {
    let made = make_spare(shared, storage).and_then(|()| storage.prepare_reserve());
    tell_room(shared, made.err());
}

/// Tells what has changed: the disk has refused a segment, or has given all that was missing.
pub(crate) fn tell_room(shared: &Shared, failed: Option<io::Error>) {
    let mut state = shared.lock();
    let was_full = std::mem::replace(&mut state.disk_full, failed.is_some());
    state.reserve = failed.is_none();
    drop(state);
    match failed {
        Some(error) if !was_full => (shared.on_event)(LogEvent::DiskFull(error.to_string())),
        None if was_full => (shared.on_event)(LogEvent::DiskRoom),
        Some(_) | None => {}
    }
}

/// Keeps two segments allocated ahead until the log ends: the spare, and the reserve behind it.
pub(crate) fn keep_spare(shared: &Shared, storage: &dyn Storage) {
    let mut state = shared.lock();
    while state.phase == Phase::Running {
        if state.spare != Spare::Missing && state.reserve {
            state = shared.spare.wait(state).expect("no holder of the log's lock panics");
            continue;
        }
        drop(state);
        allocate(shared, storage);
        state = shared.lock();
        if state.disk_full && state.phase == Phase::Running {
            let waited = shared.spare.wait_timeout(state, ALLOCATION_RETRY);
            state = waited.expect("no holder of the log's lock panics").0;
        }
    }
}
