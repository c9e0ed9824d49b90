//! The names in a segment, as bytes: what the index is fed with and what look-ups ask it for.

use std::collections::{BTreeMap, BTreeSet};

use credential::Pseudonym;
use mutant::Mutant;
use processor::{BankIdentity, Day, Institution, Name, Position, Record, TxKey, Used};

use crate::codec::{bank_bytes, key_bytes};
use crate::filter::{FilterBuilder, SegmentFilter};
use crate::fold::begins;

/// Where a record stands: its position, and its offset in its segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) offset: u32,
}

/// A name as its bytes, one kind never in front of another.
pub(crate) fn transaction_name(key: &TxKey) -> Vec<u8> {
    tagged(b't', &key_bytes(key))
}

/// An advice by its own key.
pub(crate) fn advice_name(key: &TxKey) -> Vec<u8> {
    tagged(b'a', &key_bytes(key))
}

/// Our name towards a bank.
pub(crate) fn identity_name(bank: Institution, identity: &BankIdentity) -> Vec<u8> {
    tagged(b'b', &bank_bytes(bank, identity))
}

/// What a citizen has used of a day.
pub(crate) fn spend_name(citizen: Pseudonym, day: Day) -> Vec<u8> {
    let mut bytes = tagged(b's', &citizen.0);
    bytes.extend_from_slice(&day.yyyymmdd().to_be_bytes());
    bytes
}

/// Any other name.
pub(crate) fn name_bytes(name: &Name) -> Vec<u8> {
    match name {
        Name::Advice(key) => advice_name(key),
        Name::Rrn(rrn) => tagged(b'r', &rrn.0),
        Name::Bank(bank, identity) => identity_name(*bank, identity),
        Name::Reference(reference) => tagged(b'v', &reference.0),
        Name::Citizen(citizen) => tagged(b'c', &citizen.0),
        Name::Day(day) => tagged(b'd', &day.yyyymmdd().to_be_bytes()),
    }
}

fn tagged(tag: u8, name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 13);
    bytes.push(tag);
    bytes.extend_from_slice(name);
    bytes
}

/// All names of one segment.
pub(crate) struct SegmentNames {
    /// Name and position; the record's offset.
    pub(crate) entries: Vec<(Vec<u8>, u32)>,
    pub(crate) spends: BTreeMap<Vec<u8>, Used>,
    /// Business days, once for the segment: a day's transactions are read in order, not one by one.
    pub(crate) days: BTreeSet<Day>,
    filter: FilterBuilder,
}

impl SegmentNames {
    pub(crate) fn new() -> SegmentNames {
        SegmentNames {
            entries: Vec::new(),
            spends: BTreeMap::new(),
            days: BTreeSet::new(),
            filter: FilterBuilder::new(),
        }
    }

    /// Adds a record's names. `bank` is its transaction's.
    pub(crate) fn add(&mut self, place: Place, record: &Record, bank: Option<Institution>) {
        let is_named = !mutant::is(Mutant::LaterNamesForgotten) || begins(&record.body);
        if let Some(key) = record.transaction.filter(|_| is_named) {
            let name = transaction_name(&key);
            self.filter.add_at(&name, key.sent_at);
            self.push(name, place);
        }
        for name in record.names(bank) {
            let bytes = name_bytes(&name);
            match name {
                Name::Advice(key) => self.filter.add_at(&bytes, key.sent_at),
                Name::Bank(_, identity) => self.filter.add_at(&bytes, identity.sent_at),
                Name::Day(day) => {
                    self.days.insert(day);
                    continue;
                }
                Name::Rrn(_) | Name::Reference(_) | Name::Citizen(_) => {}
            }
            self.push(bytes, place);
        }
        if let Some(spend) = record.spend {
            let name = spend_name(spend.citizen, spend.day);
            self.filter.add_on(&name, spend.day);
            let used = self.spends.entry(name).or_default();
            used.amount_minor += spend.amount_minor;
            used.count += i64::from(spend.count);
        }
    }

    /// The filter over the names that look-ups ask for.
    pub(crate) fn filter(&self, base: Position) -> SegmentFilter {
        self.filter.build(base)
    }

    fn push(&mut self, mut name: Vec<u8>, place: Place) {
        name.extend_from_slice(&place.position.to_be_bytes());
        self.entries.push((name, place.offset));
    }
}
