//! A segment as memory holds it while the index does not yet know it: its bytes and the names in them.

use std::collections::HashMap;
use std::sync::Arc;

use credential::Pseudonym;
use foldhash::fast::RandomState;
use mutant::Mutant;
use processor::{Body, Day, Position, Record, Used};

use crate::codec;
use crate::frame::{HEAD_BYTES, Link};
use crate::names::{IndexName, Kind, Named, RecordNames};
use crate::storage::{SEGMENT_HEAD_BYTES, segment_head};

/// A record in its segment.
#[derive(Clone, Copy)]
struct Slot {
    /// Where its frame begins.
    offset: u32,
    /// The record in front that has the same name, for each kind of name; [`NONE`]: it is the first.
    before: [u32; Kind::COUNT],
}

const NONE: u32 = u32::MAX;

/// The segment.
pub(crate) struct MemorySegment {
    base: Position,
    link_before: Link,
    slots: Vec<Slot>,
    end: u32,
    /// What the syncer has taken, each with its offset; all frames are whole within one piece.
    pieces: Vec<(u32, Arc<Vec<u8>>)>,
    /// What it has not taken yet.
    tail: Vec<u8>,
    /// The last record that has a name, by the name's fingerprint.
    last: HashMap<u64, u32, RandomState>,
    spends: HashMap<(Pseudonym, Day), Used, RandomState>,
}

impl MemorySegment {
    /// A segment without records, whose head waits to be written.
    pub(crate) fn new(base: Position, before: &Link) -> MemorySegment {
        let tail = segment_head(base, before).to_vec();
        MemorySegment { tail, ..MemorySegment::written(base, before, Arc::default()) }
    }

    /// A segment whose head and frames are on the disk already; the frames are then named by [`Self::push_written`].
    pub(crate) fn written(base: Position, before: &Link, bytes: Arc<Vec<u8>>) -> MemorySegment {
        let pieces = if bytes.is_empty() { Vec::new() } else { vec![(0, bytes)] };
        MemorySegment {
            base,
            link_before: *before,
            slots: Vec::new(),
            end: SEGMENT_HEAD_BYTES as u32,
            pieces,
            tail: Vec::new(),
            last: HashMap::default(),
            spends: HashMap::default(),
        }
    }

    /// Makes room for so many records, and for as many transactions as they may be of.
    pub(crate) fn reserve(&mut self, records: usize) {
        self.slots.reserve(records);
        self.last.reserve(records);
        self.spends.reserve(records / 2);
    }

    /// How many records it holds.
    pub(crate) fn records(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn base(&self) -> Position {
        self.base
    }

    /// The chain's link before the first record.
    pub(crate) fn link_before(&self) -> &Link {
        &self.link_before
    }

    /// Bytes that head and frames fill.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    pub(crate) fn next(&self) -> Position {
        self.base + self.slots.len() as u64
    }

    /// Takes a framed record up, to be written.
    pub(crate) fn push(&mut self, record: &Record, names: &RecordNames, frame: &[u8]) {
        self.tail.extend_from_slice(frame);
        self.push_written(record, names, frame.len());
    }

    /// Names a record whose frame stands in the bytes that were handed in at the start.
    pub(crate) fn push_written(&mut self, record: &Record, names: &RecordNames, frame_bytes: usize) {
        let place = self.slots.len() as u32;
        let mut before = [NONE; Kind::COUNT];
        for (kind, name) in names.iter() {
            let forgotten = kind == Kind::Identity
                && matches!(record.body, Body::Intent(_))
                && mutant::is(Mutant::IntentNamesForgotten);
            if !forgotten {
                before[kind as usize] = self.last.insert(name, place).unwrap_or(NONE);
            }
        }
        self.slots.push(Slot { offset: self.end, before });
        self.end += frame_bytes as u32;
        if let Some(spend) = record.spend {
            let used = self.spends.entry((spend.citizen, spend.day)).or_default();
            used.amount_minor += spend.amount_minor;
            used.count += i64::from(spend.count);
        }
    }

    /// Bytes that wait for the syncer.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.tail.len()
    }

    /// Hands the waiting bytes to the syncer, with their offset.
    pub(crate) fn take_waiting(&mut self) -> Option<(u64, Arc<Vec<u8>>)> {
        if self.tail.is_empty() {
            return None;
        }
        let offset = self.end - self.tail.len() as u32;
        // The next group is likely to be as long as this one.
        let next = Vec::with_capacity(self.tail.len());
        let piece = Arc::new(std::mem::replace(&mut self.tail, next));
        self.pieces.push((offset, piece.clone()));
        Some((u64::from(offset), piece))
    }

    pub(crate) fn has_transaction(&self, name: &IndexName) -> bool {
        !self.of_transaction(name).is_empty()
    }

    /// The transaction's records in this segment, oldest first.
    pub(crate) fn of_transaction(&self, name: &IndexName) -> Vec<Position> {
        let mut positions = self.candidates(name.fingerprint, Kind::Transaction);
        positions.retain(|position| {
            let frame = self.frame(*position).and_then(|frame| frame.get(HEAD_BYTES..));
            let key = frame.and_then(codec::transaction_of);
            key.is_some_and(|key| name.what == Named::Transaction(key))
        });
        positions
    }

    /// The records that may have a name of this kind, oldest first: two names may share a fingerprint, so that each is
    /// confirmed by its record.
    pub(crate) fn candidates(&self, fingerprint: u64, kind: Kind) -> Vec<Position> {
        let mut positions = Vec::new();
        let mut place = self.last.get(&fingerprint).copied();
        while let Some(slot) = place.and_then(|place| self.slots.get(place as usize)) {
            positions.extend(place.map(|place| self.base + u64::from(place)));
            place = Some(slot.before[kind as usize]).filter(|before| *before != NONE);
        }
        positions.reverse();
        positions
    }

    /// What this segment adds to a citizen's use of a day.
    pub(crate) fn used(&self, citizen: Pseudonym, day: Day) -> Used {
        self.spends.get(&(citizen, day)).copied().unwrap_or_default()
    }

    /// A record's frame.
    pub(crate) fn frame(&self, position: Position) -> Option<&[u8]> {
        self.placed_frame(position).map(|(_, frame)| frame)
    }

    /// A record's frame and its offset.
    pub(crate) fn placed_frame(&self, position: Position) -> Option<(u32, &[u8])> {
        let place = usize::try_from(position.checked_sub(self.base)?).ok()?;
        let start = self.slots.get(place)?.offset;
        let end = self.slots.get(place + 1).map_or(self.end, |next| next.offset);
        let tail_from = self.end - self.tail.len() as u32;
        let (from, bytes) = if start >= tail_from {
            (tail_from, &self.tail)
        } else {
            let after = self.pieces.partition_point(|(offset, _)| *offset <= start);
            let (offset, piece) = self.pieces.get(after.checked_sub(1)?)?;
            (*offset, &**piece)
        };
        Some((start, bytes.get((start - from) as usize..(end - from) as usize)?))
    }
}
