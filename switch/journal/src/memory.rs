//! A segment as memory holds it while the index does not yet know it: its bytes and the names in them.

use std::collections::HashMap;
use std::sync::Arc;

use credential::Pseudonym;
use mutant::Mutant;
use processor::{BankIdentity, Body, Day, Position, Record, TxKey, Used};

use crate::frame::Link;
use crate::storage::{SEGMENT_HEAD_BYTES, segment_head};

/// Records of one segment by their places in it. Most names stand for one record, few for more than three.
#[derive(Default)]
pub(crate) struct Places {
    first: u32,
    more: Vec<u32>,
}

impl Places {
    fn iter(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }
}

/// The segment.
pub(crate) struct MemorySegment {
    base: Position,
    link_before: Link,
    /// Where each record's frame begins.
    offsets: Vec<u32>,
    end: u32,
    /// What the syncer has taken, each with its offset; all frames are whole within one piece.
    pieces: Vec<(u32, Arc<Vec<u8>>)>,
    /// What it has not taken yet.
    tail: Vec<u8>,
    transactions: HashMap<TxKey, Places>,
    advices: HashMap<TxKey, Places>,
    /// By our name towards a bank; which bank stands in the transaction.
    identities: HashMap<BankIdentity, Places>,
    spends: HashMap<(Pseudonym, Day), Used>,
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
            offsets: Vec::new(),
            end: SEGMENT_HEAD_BYTES as u32,
            pieces,
            tail: Vec::new(),
            transactions: HashMap::new(),
            advices: HashMap::new(),
            identities: HashMap::new(),
            spends: HashMap::new(),
        }
    }

    /// Makes room for so many records, and for as many transactions as they may be of.
    pub(crate) fn reserve(&mut self, records: usize) {
        self.offsets.reserve(records);
        self.transactions.reserve(records / 2);
        self.advices.reserve(records / 4);
        self.identities.reserve(records / 2);
        self.spends.reserve(records / 2);
    }

    /// How many records it holds.
    pub(crate) fn records(&self) -> usize {
        self.offsets.len()
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
        self.base + self.offsets.len() as u64
    }

    /// Takes a framed record up, to be written.
    pub(crate) fn push(&mut self, record: &Record, frame: &[u8]) {
        self.tail.extend_from_slice(frame);
        self.push_written(record, frame.len());
    }

    /// Names a record whose frame stands in the bytes that were handed in at the start.
    pub(crate) fn push_written(&mut self, record: &Record, frame_bytes: usize) {
        let place = self.offsets.len() as u32;
        self.offsets.push(self.end);
        self.end += frame_bytes as u32;
        if let Some(key) = record.transaction {
            add(&mut self.transactions, key, place);
        }
        if let Some(advice) = record.advice() {
            add(&mut self.advices, advice.key, place);
        }
        match &record.body {
            Body::Intent(_) if mutant::is(Mutant::IntentNamesForgotten) => {}
            Body::Intent(intent) => add(&mut self.identities, intent.identity, place),
            Body::Reversal(reversal) => add(&mut self.identities, reversal.identity, place),
            Body::Outcome(_)
            | Body::Declined(_)
            | Body::Reversed(_)
            | Body::Complete(_)
            | Body::Claim(..)
            | Body::Note(..)
            | Body::Tombstone(_)
            | Body::Verification(_)
            | Body::Cutover(_)
            | Body::Block(_)
            | Body::Resolution(_) => {}
        }
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

    pub(crate) fn has_transaction(&self, key: &TxKey) -> bool {
        self.transactions.contains_key(key)
    }

    /// The transaction's records in this segment, oldest first.
    pub(crate) fn of_transaction(&self, key: &TxKey) -> impl Iterator<Item = Position> {
        self.positions(self.transactions.get(key))
    }

    /// The records that took this advice.
    pub(crate) fn of_advice(&self, key: &TxKey) -> impl Iterator<Item = Position> {
        self.positions(self.advices.get(key))
    }

    /// The records that gave out this name towards any bank.
    pub(crate) fn of_identity(&self, identity: &BankIdentity) -> impl Iterator<Item = Position> {
        self.positions(self.identities.get(identity))
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
        let start = *self.offsets.get(place)?;
        let end = self.offsets.get(place + 1).copied().unwrap_or(self.end);
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

    fn positions(&self, places: Option<&Places>) -> impl Iterator<Item = Position> {
        places.into_iter().flat_map(Places::iter).map(|place| self.base + u64::from(place))
    }
}

fn add<K: Eq + std::hash::Hash>(names: &mut HashMap<K, Places>, key: K, place: u32) {
    use std::collections::hash_map::Entry;
    match names.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(Places { first: place, more: Vec::new() });
        }
        Entry::Occupied(occupied) => occupied.into_mut().more.push(place),
    }
}
