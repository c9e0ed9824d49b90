//! What happens to a segment at its seal: its names go into the index, and a checkpoint is written.

use std::sync::Arc;

use mutant::Mutant;
use processor::{Position, TxKey};

use crate::checkpoint::Checkpoint;
use crate::codec::Unseal;
use crate::error::ReadError;
use crate::files::Files;
use crate::fold::{Fold, FoldError, Placed};
use crate::frame::{self, Link};
use crate::index::NameIndex;
use crate::memory::MemorySegment;
use crate::names::{Namer, Place, SegmentNames};
use crate::pace::Pace;
use crate::reader::{read_record, tell_places};
use crate::shared::{LogEvent, Phase, Shared, State};

/// Runs until the log ends or a segment cannot be read back. `fold` is the sum of the indexed segments.
pub(crate) fn index_loop(shared: &Shared, mut fold: Fold) {
    let mut is_told = false;
    loop {
        if let Some(reason) = shared.index.out_of_use().filter(|_| !is_told) {
            is_told = true;
            (shared.on_event)(LogEvent::IndexFailed(reason));
        }
        let Some((segment, link)) = sealed(shared) else { return };
        let mut pace = pace(shared);
        if let Err(error) = index_segment(shared, &segment, link, &mut fold, &mut pace) {
            (shared.on_event)(LogEvent::IndexFailed(error.to_string()));
            return;
        }
    }
}

/// Nobody waits for an index, unless another segment is sealed already: the log takes no more when too many are.
fn pace(shared: &Shared) -> Pace {
    if shared.lock().sealed.len() > 1 { Pace::at_once() } else { Pace::leaving_room() }
}

/// Feeds the index with the oldest sealed segment, writes the checkpoint behind it, and lets go of it.
pub(crate) fn index_segment(
    shared: &Shared,
    segment: &MemorySegment,
    link: Link,
    fold: &mut Fold,
    pace: &mut Pace,
) -> Result<(), ReadError> {
    let (base, next) = (segment.base(), segment.next());
    let mut names = names_of(shared, segment, fold, pace)?;
    let filter = names.finish(base, pace);
    shared.index.feed(next, &link, &names, &filter)?;
    fold.forget_ended();
    if shared.index.out_of_use().is_none() {
        // A start believes a checkpoint only where the index knows the segments before it.
        let last = segment.placed_frame(next.saturating_sub(1));
        let generation = last.map_or(0, |(_, frame)| frame::generation(frame));
        write_checkpoint(shared, next, (link, generation), fold, pace);
    }
    let mut state = shared.lock();
    state.sealed.pop_front();
    state.filters.push(filter);
    Ok(())
}

/// Writes down the sum of the segments before `next`, and the link behind them with the generation of its K_log.
pub(crate) fn write_checkpoint(
    shared: &Shared,
    next: Position,
    behind: (Link, u8),
    fold: &Fold,
    pace: &mut Pace,
) {
    let open = fold.open.values().filter(|_| !mutant::is(Mutant::CheckpointForgetsOpen));
    let open = open.map(|placed| placed.places.clone()).collect();
    let checkpoint = Checkpoint::new(next, behind, &fold.standing, open);
    let bytes = checkpoint.to_bytes(&shared.keys, pace);
    if let Err(error) = bytes.and_then(|bytes| shared.files.shelf().put_checkpoint(next, &bytes)) {
        (shared.on_event)(LogEvent::CheckpointFailed(error.to_string()));
    }
}

/// The oldest sealed segment, once a record behind it is durable, and the link that its last record has. Waits for
/// one; `None`: the end.
fn sealed(shared: &Shared) -> Option<(Arc<MemorySegment>, Link)> {
    let mut state = shared.lock();
    loop {
        if state.phase != Phase::Running {
            return None;
        }
        if let Some(ready) = sealed_and_durable(shared, &state) {
            return Some(ready);
        }
        state = shared.sealed.wait(state).expect("no holder of the log's lock panics");
    }
}

/// The oldest sealed segment, if a record behind it is durable, and the link that its last record has.
pub(crate) fn sealed_and_durable(shared: &Shared, state: &State) -> Option<(Arc<MemorySegment>, Link)> {
    let segment = state
        .sealed
        .front()
        .filter(|segment| shared.synced() > segment.next() || mutant::is(Mutant::CheckpointBeforeDurable))?;
    let following = state.sealed.get(1).map_or(&state.active, |following| following);
    Some((segment.clone(), *following.link_before()))
}

fn names_of(
    shared: &Shared,
    segment: &MemorySegment,
    fold: &mut Fold,
    pace: &mut Pace,
) -> Result<SegmentNames, ReadError> {
    let mut names = SegmentNames::new(&shared.namer);
    let Shared { namer, files, index, .. } = shared;
    let earlier = Earlier { namer, index: &**index, files, below: segment.base() };
    for position in segment.base()..segment.next() {
        let damaged = |reason: String| ReadError::Damaged { position, reason };
        let (offset, frame) =
            segment.placed_frame(position).ok_or_else(|| damaged("it is not in memory".to_owned()))?;
        let record = read_record(frame, position, Unseal::Leave)?;
        let place = Place { position, offset };
        let bank =
            fold.apply(place, &record, |key, places| earlier.read(key, places)).map_err(
                |error| match error {
                    FoldError::Broken(broken) => damaged(broken.to_string()),
                    FoldError::Earlier(error) => error,
                },
            )?;
        names.add(place, &record, bank);
        pace.done(1);
    }
    Ok(names)
}

/// Where transactions are read that are not open any more.
pub(crate) struct Earlier<'a> {
    pub(crate) namer: &'a Namer,
    pub(crate) index: &'a dyn NameIndex,
    pub(crate) files: &'a Files,
    /// Records from here on are not asked for.
    pub(crate) below: Position,
}

impl Earlier<'_> {
    /// The transaction by the places that the fold still has, or as the index knows it.
    pub(crate) fn read(&self, key: &TxKey, places: &[Place]) -> Result<Option<Placed>, ReadError> {
        let of_index;
        let places = match places {
            [] => {
                of_index = self.index.places(&self.namer.transaction(key), self.below)?;
                &of_index
            }
            known => known,
        };
        tell_places(key, places, |place| self.files.frame(place), Unseal::Leave)
    }
}
