//! Look-ups by any thread: transactions by their names, what a citizen has used, records in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use credential::Pseudonym;
use mutant::Mutant;
use processor::{
    BankIdentity, Day, Found, Institution, Lookup, OwnName, Position, Record, Transaction, TxKey, Used,
};

use crate::Finder;
use crate::codec::{self, Unseal};
use crate::error::ReadError;
use crate::filter::Span;
use crate::fold::{Placed, begins};
use crate::frame::{self, Next};
use crate::names::{IndexName, Kind, Namer, Place, day_of, identity_of};
use crate::scan::Scan;
use crate::shared::{Shared, State};
use crate::storage::SEGMENT_HEAD_BYTES;
use crate::verify::Head;

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
type Frames = BTreeMap<Position, Vec<u8>>;

/// What one moment's memory says; the index is asked only for what is older.
#[derive(Clone, Copy)]
struct Moment {
    /// Records from here on are newer than the look-up.
    as_of: Position,
    /// Records below this are the index's.
    indexed_below: Position,
}

fn moment(state: &State) -> Moment {
    Moment { as_of: state.next(), indexed_below: state.indexed_below() }
}

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> LogReader {
        LogReader { shared }
    }

    /// Every record below is durable.
    pub fn synced(&self) -> Position {
        self.shared.synced()
    }

    /// The head of what is durable, from memory: the record in front of it is let go only when one behind it is durable.
    pub fn head(&self) -> Head {
        let state = self.shared.lock();
        let records = self.shared.synced();
        let segment = state.segments().rev().find(|segment| segment.base() <= records);
        let link = segment.and_then(|segment| match records.checked_sub(1) {
            Some(last) if last >= segment.base() => segment.frame(last).map(frame::link),
            Some(_) | None => Some(*segment.link_before()),
        });
        Head { records, link: link.expect("the last durable record is in memory") }
    }

    /// The chain's link behind the first `records` records, as a [`Head`] of so many has it; `None` where fewer are durable.
    ///
    /// # Errors
    /// The segment of the last of them cannot be read up to it.
    pub fn link_behind(&self, records: Position) -> Result<Option<[u8; 32]>, ReadError> {
        let Some(last) = records.checked_sub(1) else { return Ok(Some(frame::genesis(&self.shared.keys))) };
        if records > self.shared.synced() {
            return Ok(None);
        }
        let in_memory = {
            let state = self.shared.lock();
            let segment = state.segments().rev().find(|segment| segment.base() <= last);
            segment.and_then(|segment| segment.frame(last)).map(frame::link)
        };
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        let (base, _) = self.shared.files.segment_of(last);
        let shelf = self.shared.files.shelf();
        let bytes = shelf.read(base).map_err(|error| ReadError::Io { path: shelf.segment(base), error })?;
        let mut rest = bytes.get(SEGMENT_HEAD_BYTES..).unwrap_or_default();
        for position in base..=last {
            let Next::Frame(frame) = frame::read(rest) else {
                let reason = "a record in front of a head that was kept".to_owned();
                return Err(ReadError::Damaged { position, reason });
            };
            if position == last {
                return Ok(Some(frame::link(rest)));
            }
            rest = &rest[frame.len()..];
        }
        Ok(None)
    }

    /// A transaction by its key, with its records.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn transaction(&self, key: &TxKey) -> Result<Option<Told>, ReadError> {
        let moment = self.moment();
        self.told(key, moment)
    }

    /// The records that name a business day, in order: the INTENTs of its transactions, the REVERSALs that settle in it, the
    /// CUTOVER that opened it. Only segments in which the day stands are read.
    pub fn in_day(&self, day: Day) -> impl Iterator<Item = Result<(Position, Record), ReadError>> {
        let (moment, bases) = {
            let state = self.shared.lock();
            (moment(&state), state.filters.segments_in(Span::Day(day)))
        };
        let shared = self.shared.clone();
        let indexed = bases.into_iter().map(move |base| {
            let following = shared.files.segment_of(base).1;
            (base, following.unwrap_or(moment.indexed_below))
        });
        let shared = self.shared.clone();
        let parts = indexed.chain([(moment.indexed_below, moment.as_of)]);
        let records =
            parts.flat_map(move |(from, to)| Scan::new(shared.clone(), from, to).of(codec::may_name_day));
        records.filter(move |read| read.as_ref().map_or(true, |(_, record)| day_of(record) == Some(day)))
    }

    /// Every record from `from` on, up to those appended when this is called.
    pub fn scan(&self, from: Position) -> Scan {
        let end = self.shared.lock().next();
        Scan::new(self.shared.clone(), from, end)
    }

    /// Every record from `from` on that is durable when this is called, for who counts: what is personal is left sealed. A PAN of zeros stands for the
    /// citizen's, and accounts, carried elements, evidence and linked banks are left out.
    pub fn scan_sealed(&self, from: Position) -> Scan {
        Scan::new(self.shared.clone(), from, self.shared.synced().max(from)).sealed()
    }

    fn moment(&self) -> Moment {
        moment(&self.shared.lock())
    }

    fn told(&self, key: &TxKey, moment: Moment) -> Result<Option<Told>, ReadError> {
        let name = self.shared.namer.transaction(key);
        let mut frames = in_memory(&self.shared.lock(), &name, moment.as_of);
        // What was in memory at the moment may have gone over to the index since: it is looked for up to the end.
        for place in self.shared.index.places(&name, moment.as_of)? {
            if let std::collections::btree_map::Entry::Vacant(vacant) = frames.entry(place.position) {
                vacant.insert(self.shared.files.frame(place)?);
            }
        }
        tell(key, &frames, Unseal::Open(&self.shared.keys))
    }

    /// The records of sealed segments that have a name, oldest first. What the index gives are candidates: two names may
    /// have one fingerprint.
    fn named(&self, name: &IndexName, moment: Moment) -> Result<Vec<Record>, ReadError> {
        let mut records = Vec::new();
        for place in self.shared.index.places(name, moment.as_of)? {
            let record = read_record(&self.shared.files.frame(place)?, place.position, self.unseal())?;
            if name.is_of(&record) {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// The transaction that took this advice.
    fn by_advice(&self, advice: &TxKey, moment: Moment) -> Result<Option<Transaction>, ReadError> {
        let taker = advice_taker(&self.shared.lock(), &self.shared.namer.advice(advice), self.unseal())?;
        let taker = match taker {
            Some(taker) => Some(taker),
            None => {
                let name = self.shared.namer.advice(advice);
                let takers = self.named(&name, moment)?;
                takers.last().and_then(|record| record.transaction)
            }
        };
        let told = taker.map(|key| self.told(&key, moment)).transpose()?.flatten();
        Ok(told.map(|told| told.transaction))
    }

    fn by_identity(
        &self,
        bank: Institution,
        identity: &BankIdentity,
        moment: Moment,
    ) -> Result<Option<Transaction>, ReadError> {
        let mut candidates =
            identity_takers(&self.shared.lock(), &self.shared.namer, identity, self.unseal())?;
        let named = self.named(&self.shared.namer.identity(bank, identity), moment)?;
        candidates.extend(named.iter().filter_map(|record| record.transaction));
        for key in candidates {
            let told = self.told(&key, moment)?.map(|told| told.transaction);
            if let Some(transaction) = told.filter(|transaction| transaction.bank() == Some(bank)) {
                return Ok(Some(transaction));
            }
        }
        Ok(None)
    }

    fn unseal(&self) -> Unseal<'_> {
        Unseal::Open(&self.shared.keys)
    }

    /// What one moment's memory says of everything that is asked.
    fn in_memory(&self, lookup: &Lookup) -> Result<InMemory, ReadError> {
        let Shared { namer, .. } = &*self.shared;
        let state = self.shared.lock();
        let own = match &lookup.own {
            OwnName::Key(key) => match quick_transaction(&state, namer, key, self.unseal())? {
                Quick::Absent => match advice_taker(&state, &namer.advice(key), self.unseal())? {
                    Some(taker) => quick_transaction(&state, namer, &taker, self.unseal())?,
                    None if state.filters.may_hold(&namer.advice(key)) => Quick::Unclear,
                    None => Quick::Absent,
                },
                clear => clear,
            },
            OwnName::Bank(bank, identity) => {
                let mut own = Quick::Absent;
                if state.filters.may_hold(&namer.identity(*bank, identity)) {
                    own = Quick::Unclear;
                }
                for key in identity_takers(&state, namer, identity, self.unseal())? {
                    match quick_transaction(&state, namer, &key, self.unseal())? {
                        Quick::Is(transaction) if transaction.bank() == Some(*bank) => {
                            own = Quick::Is(transaction);
                        }
                        Quick::Unclear => own = Quick::Unclear,
                        Quick::Is(_) | Quick::Absent => {}
                    }
                }
                own
            }
        };
        let original = match &lookup.original {
            Some(key) => quick_transaction(&state, namer, key, self.unseal())?,
            None => Quick::Absent,
        };
        let may_be_older = |(citizen, day)| state.filters.may_hold(&namer.spend(citizen, day));
        Ok(InMemory {
            moment: moment(&state),
            own: own.clear(),
            original: original.clear(),
            used: used_in_memory(&state, lookup),
            older_use: lookup.used.filter(|used| may_be_older(*used)),
        })
    }
}

impl Finder for LogReader {
    fn find(&self, lookup: &Lookup) -> Result<Found, ReadError> {
        let InMemory { moment, own, original, mut used, older_use } = self.in_memory(lookup)?;
        let told = |key: &TxKey| Ok::<_, ReadError>(self.told(key, moment)?.map(|told| told.transaction));
        let read_own = || {
            let transaction = match &lookup.own {
                OwnName::Key(key) => match told(key)? {
                    Some(transaction) => Some(transaction),
                    None => self.by_advice(key, moment)?,
                },
                OwnName::Bank(bank, identity) => self.by_identity(*bank, identity, moment)?,
            };
            Ok::<_, ReadError>(transaction.map(Box::new))
        };
        let read_original = || {
            let transaction = lookup.original.as_ref().map(told).transpose()?.flatten();
            Ok::<_, ReadError>(transaction.map(Box::new))
        };
        let own = own.map_or_else(read_own, Ok)?;
        let original = original.map_or_else(read_original, Ok)?;
        if let Some((citizen, day)) = older_use {
            let name = self.shared.namer.spend(citizen, day);
            used = add(used, self.shared.index.used(&name, moment.indexed_below)?);
        }
        Ok(Found { own, original, used, as_of: moment.as_of, accounts: Vec::new() })
    }

    fn find_quick(&self, lookup: &Lookup) -> Option<Found> {
        let InMemory { moment, own, original, used, older_use } = self.in_memory(lookup).ok()?;
        if older_use.is_some() {
            return None;
        }
        Some(Found { own: own?, original: original?, used, as_of: moment.as_of, accounts: Vec::new() })
    }
}

/// A look-up as far as one moment's memory has the answers; the disk is asked for the rest alone.
struct InMemory {
    moment: Moment,
    /// `None`: not clear.
    own: Option<Option<Box<Transaction>>>,
    original: Option<Option<Box<Transaction>>>,
    /// What the segments in memory say.
    used: Used,
    /// Whose use of which day may stand in older segments.
    older_use: Option<(Pseudonym, Day)>,
}

/// What memory says of a transaction.
enum Quick {
    Is(Box<Transaction>),
    Absent,
    Unclear,
}

impl Quick {
    fn clear(self) -> Option<Option<Box<Transaction>>> {
        match self {
            Quick::Is(transaction) => Some(Some(transaction)),
            Quick::Absent => Some(None),
            Quick::Unclear => None,
        }
    }
}

fn quick_transaction(
    state: &State,
    namer: &Namer,
    key: &TxKey,
    unseal: Unseal<'_>,
) -> Result<Quick, ReadError> {
    let name = namer.transaction(key);
    let frames = in_memory(state, &name, state.next());
    // Memory has all of a transaction whose beginning it has.
    let whole = match frames.first_key_value() {
        Some((position, frame)) => begins(&read_record(frame, *position, unseal)?.body),
        None => false,
    };
    let is_old = !whole && !mutant::is(Mutant::OldKeysForgotten);
    if is_old && state.filters.may_hold(&name) {
        return Ok(Quick::Unclear);
    }
    Ok(tell(key, &frames, unseal)?.map_or(Quick::Absent, |told| Quick::Is(Box::new(told.transaction))))
}

fn in_memory(state: &State, name: &IndexName, below: Position) -> Frames {
    let mut frames = Frames::new();
    for segment in state.segments() {
        for position in segment.of_transaction(name).into_iter().filter(|position| *position < below) {
            frames.extend(segment.frame(position).map(|frame| (position, frame.to_vec())));
        }
    }
    frames
}

fn advice_taker(state: &State, advice: &IndexName, unseal: Unseal<'_>) -> Result<Option<TxKey>, ReadError> {
    for segment in state.segments().rev() {
        for position in segment.candidates(advice.fingerprint, Kind::Advice).into_iter().rev() {
            let Some(frame) = segment.frame(position) else { continue };
            let record = read_record(frame, position, unseal)?;
            if advice.is_of(&record) {
                return Ok(record.transaction);
            }
        }
    }
    Ok(None)
}

/// Transactions that have this name towards some bank.
fn identity_takers(
    state: &State,
    namer: &Namer,
    identity: &BankIdentity,
    unseal: Unseal<'_>,
) -> Result<Vec<TxKey>, ReadError> {
    let mut takers = Vec::new();
    let anywhere = namer.anywhere(identity);
    for segment in state.segments() {
        for position in segment.candidates(anywhere, Kind::Identity) {
            let Some(frame) = segment.frame(position) else { continue };
            let record = read_record(frame, position, unseal)?;
            if identity_of(&record).is_some_and(|(_, own)| own == *identity) {
                takers.extend(record.transaction);
            }
        }
    }
    Ok(takers)
}

fn used_in_memory(state: &State, lookup: &Lookup) -> Used {
    lookup.used.map_or(Used::default(), |(citizen, day)| {
        state.segments().map(|segment| segment.used(citizen, day)).fold(Used::default(), add)
    })
}

fn add(one: Used, other: Used) -> Used {
    Used { amount_minor: one.amount_minor + other.amount_minor, count: one.count + other.count }
}

/// The sum of a transaction's records. Records of others are passed over: the index may name them too.
fn tell(key: &TxKey, frames: &Frames, unseal: Unseal<'_>) -> Result<Option<Told>, ReadError> {
    let mut told = Told { transaction: Transaction::new(*key), records: Vec::with_capacity(frames.len()) };
    for (position, frame) in frames {
        let record = read_record(frame, *position, unseal)?;
        if record.transaction != Some(*key) {
            continue;
        }
        told.transaction
            .apply(&record)
            .map_err(|broken| ReadError::Damaged { position: *position, reason: broken.to_string() })?;
        told.records.push((*position, record));
    }
    Ok((!told.records.is_empty()).then_some(told))
}

/// The transaction whose records stand at these places, as `frame` reads them; `None` where there are none.
pub(crate) fn tell_places(
    key: &TxKey,
    places: &[Place],
    mut frame: impl FnMut(Place) -> Result<Vec<u8>, ReadError>,
    unseal: Unseal<'_>,
) -> Result<Option<Placed>, ReadError> {
    let frames = places.iter().map(|place| Ok((place.position, frame(*place)?)));
    let frames: Frames = frames.collect::<Result<_, ReadError>>()?;
    let Some(told) = tell(key, &frames, unseal)? else { return Ok(None) };
    let mut places = places.to_vec();
    places.retain(|place| told.records.iter().any(|(position, _)| *position == place.position));
    Ok(Some(Placed { transaction: told.transaction, places }))
}

/// The record in a frame, which has to be the one at this position.
pub(crate) fn read_record(frame: &[u8], position: Position, unseal: Unseal<'_>) -> Result<Record, ReadError> {
    let damaged = |reason: &str| ReadError::Damaged { position, reason: reason.to_owned() };
    match frame::read(frame) {
        Next::Frame(frame) if frame.position() == position => {
            Ok(codec::decode(frame.record(), position, unseal)?)
        }
        Next::Frame(_) => Err(damaged("another record stands in its place")),
        Next::Blank => Err(damaged("nothing stands in its place")),
        Next::Broken(reason) => Err(damaged(reason)),
    }
}
