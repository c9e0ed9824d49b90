//! Look-ups by any thread: transactions by their names, what a citizen has used, records in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use credential::Pseudonym;
use keys::DataKeys;
use processor::{Day, Found, Lookup, OwnName, Position, Record, Transaction, TxKey, Used};

use crate::Finder;
use crate::codec;
use crate::error::ReadError;
use crate::frame::{self, Next};
use crate::memory::MemorySegment;
use crate::shared::{Shared, State};

/// So many records a scan holds at once.
const SCAN_RECORDS: u64 = 256;

/// Answers look-ups; cheap to clone.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

/// A transaction and the records that tell of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// The sum of the records.
    pub transaction: Transaction,
    /// The records, oldest first.
    pub records: Vec<(Position, Record)>,
}

/// Frames by position: what a look-up has collected of one transaction.
pub(crate) type Frames = BTreeMap<Position, Vec<u8>>;

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> LogReader {
        LogReader { shared }
    }

    /// A transaction by its key, with its records.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn transaction(&self, key: &TxKey) -> Result<Option<Told>, ReadError> {
        let mut frames = Frames::new();
        collect(self.shared.lock().segments(), key, &mut frames);
        tell(key, &frames, &self.shared.keys)
    }

    /// Every record from `from` on, up to those appended when this is called.
    pub fn scan(&self, from: Position) -> Scan {
        let end = self.shared.lock().next();
        Scan { reader: self.clone(), next: from, end, batch: VecDeque::new() }
    }

    fn find_in_memory(&self, lookup: &Lookup) -> Result<Found, ReadError> {
        let state = self.shared.lock();
        let as_of = state.next();
        let keys = &self.shared.keys;
        let own = match &lookup.own {
            OwnName::Key(key) => match told_in_memory(&state, key, keys)? {
                Some(told) => Some(told.transaction),
                None => {
                    let takers = state.segments().flat_map(|segment| takers(segment, key, keys)).last();
                    takers
                        .map(|key| told_in_memory(&state, &key?, keys))
                        .transpose()?
                        .flatten()
                        .map(|told| told.transaction)
                }
            },
            OwnName::Bank(bank, identity) => {
                let mut own = None;
                for segment in state.segments() {
                    for position in segment.of_identity(identity) {
                        let Some(key) = record_at(segment, position, keys)?.transaction else { continue };
                        let told = told_in_memory(&state, &key, keys)?;
                        own = told
                            .map(|told| told.transaction)
                            .filter(|transaction| transaction.bank() == Some(*bank))
                            .or(own);
                    }
                }
                own
            }
        };
        let original = match &lookup.original {
            Some(key) => told_in_memory(&state, key, keys)?.map(|told| told.transaction),
            None => None,
        };
        let used = lookup.used.map_or(Used::default(), |(citizen, day)| used_in_memory(&state, citizen, day));
        Ok(Found { own, original, used, as_of, accounts: Vec::new() })
    }
}

impl Finder for LogReader {
    fn find(&self, lookup: &Lookup) -> Result<Found, ReadError> {
        self.find_in_memory(lookup)
    }

    fn find_quick(&self, lookup: &Lookup) -> Option<Found> {
        self.find_in_memory(lookup).ok()
    }
}

fn told_in_memory(state: &State, key: &TxKey, keys: &DataKeys) -> Result<Option<Told>, ReadError> {
    let mut frames = Frames::new();
    collect(state.segments(), key, &mut frames);
    tell(key, &frames, keys)
}

pub(crate) fn collect<'a>(
    segments: impl Iterator<Item = &'a MemorySegment>,
    key: &TxKey,
    frames: &mut Frames,
) {
    for segment in segments {
        for position in segment.of_transaction(key) {
            frames.extend(segment.frame(position).map(|frame| (position, frame.to_vec())));
        }
    }
}

pub(crate) fn tell(key: &TxKey, frames: &Frames, keys: &DataKeys) -> Result<Option<Told>, ReadError> {
    let mut told = Told { transaction: Transaction::new(*key), records: Vec::with_capacity(frames.len()) };
    for (position, frame) in frames {
        let record = read_record(frame, *position, keys)?;
        told.transaction
            .apply(&record)
            .map_err(|broken| ReadError::Damaged { position: *position, reason: broken.to_string() })?;
        told.records.push((*position, record));
    }
    Ok((!told.records.is_empty()).then_some(told))
}

fn takers(
    segment: &MemorySegment,
    advice: &TxKey,
    keys: &DataKeys,
) -> impl Iterator<Item = Result<TxKey, ReadError>> {
    segment.of_advice(advice).filter_map(move |position| {
        record_at(segment, position, keys).map(|record| record.transaction).transpose()
    })
}

fn used_in_memory(state: &State, citizen: Pseudonym, day: Day) -> Used {
    state.segments().map(|segment| segment.used(citizen, day)).fold(Used::default(), |sum, used| Used {
        amount_minor: sum.amount_minor + used.amount_minor,
        count: sum.count + used.count,
    })
}

fn record_at(segment: &MemorySegment, position: Position, keys: &DataKeys) -> Result<Record, ReadError> {
    let frame = segment.frame(position);
    let frame = frame.ok_or(ReadError::Damaged { position, reason: "it is not in memory".to_owned() })?;
    read_record(frame, position, keys)
}

pub(crate) fn read_record(frame: &[u8], position: Position, keys: &DataKeys) -> Result<Record, ReadError> {
    let damaged = |reason: &str| ReadError::Damaged { position, reason: reason.to_owned() };
    match frame::read(frame) {
        Next::Frame(frame) if frame.position() == position => {
            Ok(codec::decode(frame.record(), position, keys)?)
        }
        Next::Frame(_) => Err(damaged("another record stands in its place")),
        Next::Blank => Err(damaged("nothing stands in its place")),
        Next::Broken(reason) => Err(damaged(reason)),
    }
}

/// Records in order.
pub struct Scan {
    reader: LogReader,
    next: Position,
    end: Position,
    batch: VecDeque<(Position, Record)>,
}

impl Scan {
    fn fill(&mut self) -> Result<(), ReadError> {
        let to = self.end.min(self.next + SCAN_RECORDS);
        let frames: Vec<_> = {
            let state = self.reader.shared.lock();
            (self.next..to)
                .filter_map(|position| {
                    let segment = state.segments().rev().find(|segment| segment.base() <= position)?;
                    Some((position, segment.frame(position)?.to_vec()))
                })
                .collect()
        };
        for (position, frame) in frames {
            self.batch.push_back((position, read_record(&frame, position, &self.reader.shared.keys)?));
        }
        self.next = to;
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<(Position, Record), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.is_empty()
            && self.next < self.end
            && let Err(error) = self.fill()
        {
            self.next = self.end;
            return Some(Err(error));
        }
        self.batch.pop_front().map(Ok)
    }
}
