//! The names in a segment: what the index is fed with and what look-ups ask it for.

use std::collections::BTreeSet;

use credential::Pseudonym;
use keys::DataKeys;
use mutant::Mutant;
use processor::{BankIdentity, Body, Class, Day, Institution, Position, Record, TxKey, Used};

use crate::filter::{SegmentFilter, Span};
use crate::fingerprint::Fingerprints;
use crate::fold::begins;
use crate::pace::Pace;

/// Where a record stands: its position, and its offset in its segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) offset: u32,
}

/// A name that look-ups ask for. Two names may share a fingerprint: what a place says of one is confirmed by the record
/// that stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IndexName {
    pub(crate) what: Named,
    pub(crate) fingerprint: u64,
}

/// What is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    /// The records of a transaction.
    Transaction(TxKey),
    /// Those that took an advice, by its own key.
    Advice(TxKey),
    /// Those that gave out our name towards a bank.
    Identity(Institution, BankIdentity),
    /// What a citizen has used of a business day.
    Spend(Pseudonym, Day),
}

impl IndexName {
    /// When the name was given.
    pub(crate) fn span(&self) -> Span {
        match self.what {
            Named::Transaction(key) | Named::Advice(key) => Span::of(key.sent_at),
            Named::Identity(_, identity) => Span::of(identity.sent_at),
            Named::Spend(_, day) => Span::Day(day),
        }
    }

    /// Whether a record has this name. Of a REVERSAL the identity alone is compared: its bank stands in another record,
    /// and who looks for it compares the bank.
    pub(crate) fn is_of(&self, record: &Record) -> bool {
        match self.what {
            Named::Transaction(key) => record.transaction == Some(key),
            Named::Advice(key) => record.advice().is_some_and(|advice| advice.key == key),
            Named::Identity(bank, identity) => identity_of(record).is_some_and(|(own_bank, own)| {
                own == identity && own_bank.is_none_or(|own_bank| own_bank == bank)
            }),
            Named::Spend(citizen, day) => {
                record.spend.is_some_and(|spend| spend.citizen == citizen && spend.day == day)
            }
        }
    }
}

/// The name towards a bank that a record gives out, with the bank where it says that too.
pub(crate) fn identity_of(record: &Record) -> Option<(Option<Institution>, BankIdentity)> {
    match &record.body {
        Body::Intent(intent) => Some((Some(intent.bank), intent.identity)),
        Body::Reversal(reversal) => Some((None, reversal.identity)),
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
        | Body::Resolution(_)
        | Body::Totals(_)
        | Body::AskedAgain(_) => None,
    }
}

/// The kinds of name that memory finds records by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Transaction,
    Advice,
    /// Our name towards any bank: a REVERSAL does not repeat which.
    Identity,
}

impl Kind {
    pub(crate) const COUNT: usize = 3;
}

/// The fingerprints of a record's names.
pub(crate) struct RecordNames([Option<(Kind, u64)>; Kind::COUNT]);

impl RecordNames {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.0.iter().flatten().copied()
    }
}

/// Makes names, with fingerprints under the log's own key.
#[derive(Clone)]
pub(crate) struct Namer(Fingerprints);

impl Namer {
    pub(crate) fn new(keys: &DataKeys) -> Namer {
        Namer(Fingerprints::new(keys))
    }

    /// A transaction.
    pub(crate) fn transaction(&self, key: &TxKey) -> IndexName {
        IndexName { what: Named::Transaction(*key), fingerprint: self.of_key(b't', key) }
    }

    /// An advice by its own key.
    pub(crate) fn advice(&self, key: &TxKey) -> IndexName {
        IndexName { what: Named::Advice(*key), fingerprint: self.of_key(b'a', key) }
    }

    /// Our name towards a bank.
    pub(crate) fn identity(&self, bank: Institution, identity: &BankIdentity) -> IndexName {
        let (digits, length) = bank.parts();
        let words = [tagged(b'b', length, identity.stan), digits, identity.sent_at.0 as u64];
        IndexName { what: Named::Identity(bank, *identity), fingerprint: self.0.of(&words) }
    }

    /// What a citizen has used of a day.
    pub(crate) fn spend(&self, citizen: Pseudonym, day: Day) -> IndexName {
        let halves = u128::from_be_bytes(citizen.0);
        let words = [tagged(b's', 0, day.yyyymmdd()), (halves >> 64) as u64, halves as u64];
        IndexName { what: Named::Spend(citizen, day), fingerprint: self.0.of(&words) }
    }

    /// The names of a record that memory finds it by.
    pub(crate) fn of_record(&self, record: &Record) -> RecordNames {
        let transaction = record.transaction.map(|key| (Kind::Transaction, self.of_key(b't', &key)));
        let advice = record.advice().map(|advice| (Kind::Advice, self.of_key(b'a', &advice.key)));
        let identity = identity_of(record).map(|(_, own)| (Kind::Identity, self.anywhere(&own)));
        RecordNames([transaction, advice, identity])
    }

    /// The fingerprint of our name towards any bank.
    pub(crate) fn anywhere(&self, identity: &BankIdentity) -> u64 {
        self.0.of(&[tagged(b'i', 0, identity.stan), identity.sent_at.0 as u64])
    }

    fn of_key(&self, tag: u8, key: &TxKey) -> u64 {
        let class: u64 = match key.class {
            Class::Verification => 1,
            Class::Financial => 2,
            Class::Completion => 3,
            Class::Reversal => 4,
        };
        let (digits, length) = key.acquirer.parts();
        let terminal = u64::from_be_bytes(key.terminal.0);
        // An institution has at most eleven digits: 37 bits.
        let acquirer = class << 56 | digits;
        self.0.of(&[tagged(tag, length, key.stan), acquirer, terminal, key.sent_at.0 as u64])
    }
}

/// The first word of a name: its kind, a small number, a number of 32 bits. No two names have the same words.
fn tagged(tag: u8, small: u8, number: u32) -> u64 {
    u64::from(tag) << 56 | u64::from(small) << 48 | u64::from(number)
}

/// A name's record: sorted by fingerprint, then by position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Entry {
    pub(crate) fingerprint: u64,
    pub(crate) place: Place,
}

/// What a segment says of a citizen's day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SpendEntry {
    pub(crate) citizen: Pseudonym,
    pub(crate) day: Day,
    pub(crate) used: Used,
}

/// All names of one segment.
pub(crate) struct SegmentNames {
    namer: Namer,
    pub(crate) entries: Vec<Entry>,
    pub(crate) spends: Vec<SpendEntry>,
    /// Of names with a moment, hours since 1970.
    hours: BTreeSet<i64>,
    days: BTreeSet<Day>,
}

impl SegmentNames {
    pub(crate) fn new(namer: &Namer) -> SegmentNames {
        SegmentNames {
            namer: namer.clone(),
            entries: Vec::new(),
            spends: Vec::new(),
            hours: BTreeSet::new(),
            days: BTreeSet::new(),
        }
    }

    /// Adds a record's names. `bank` is its transaction's.
    pub(crate) fn add(&mut self, place: Place, record: &Record, bank: Option<Institution>) {
        let is_named = !mutant::is(Mutant::LaterNamesForgotten) || begins(&record.body);
        if let Some(key) = record.transaction.filter(|_| is_named) {
            self.push(self.namer.transaction(&key), place);
        }
        if let Some(advice) = record.advice() {
            self.push(self.namer.advice(&advice.key), place);
        }
        if let Some((own_bank, identity)) = identity_of(record)
            && let Some(bank) = own_bank.or(bank)
        {
            self.push(self.namer.identity(bank, &identity), place);
        }
        self.days.extend(day_of(record));
        if let Some(spend) = record.spend {
            let used = Used { amount_minor: spend.amount_minor, count: spend.count.into() };
            self.days.insert(spend.day);
            self.spends.push(SpendEntry { citizen: spend.citizen, day: spend.day, used });
        }
    }

    fn push(&mut self, name: IndexName, place: Place) {
        if let Span::Hour(hour) = name.span() {
            self.hours.insert(hour);
        }
        self.entries.push(Entry { fingerprint: name.fingerprint, place });
    }

    /// Sorts them, sums each citizen's day, and builds the filter over all of them.
    pub(crate) fn finish(&mut self, base: Position, pace: &mut Pace) -> SegmentFilter {
        pace.sort(&mut self.entries, |entry| (entry.fingerprint >> 56) as u8, |entry| *entry);
        pace.sort(&mut self.spends, |spend| spend.citizen.0[0], |spend| (spend.citizen.0, spend.day));
        self.spends.dedup_by(|next, sum| {
            let same = (next.citizen, next.day) == (sum.citizen, sum.day);
            if same {
                sum.used.amount_minor += next.used.amount_minor;
                sum.used.count += next.used.count;
            }
            same
        });
        let mut fingerprints: Vec<u64> = self.entries.iter().map(|entry| entry.fingerprint).collect();
        fingerprints.dedup();
        let spends = self.spends.iter().map(|spend| self.namer.spend(spend.citizen, spend.day).fingerprint);
        fingerprints.extend(spends);
        SegmentFilter::new(base, &fingerprints, &self.hours, &self.days)
    }
}

/// The business day that a record speaks of.
pub(crate) fn day_of(record: &Record) -> Option<Day> {
    match &record.body {
        Body::Intent(intent) => Some(intent.day),
        Body::Reversal(reversal) => Some(reversal.day),
        Body::Cutover(day) => Some(*day),
        Body::Totals(totals) => Some(totals.day),
        Body::Outcome(_)
        | Body::Declined(_)
        | Body::Reversed(_)
        | Body::Complete(_)
        | Body::Claim(..)
        | Body::Note(..)
        | Body::Tombstone(_)
        | Body::Verification(_)
        | Body::Block(_)
        | Body::Resolution(_)
        | Body::AskedAgain(_) => None,
    }
}
