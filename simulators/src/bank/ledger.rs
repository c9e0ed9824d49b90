//! The double-entry ledger: the lines that a bank writes, and the one fold over them that is all its memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::identity::Identity;

/// The version in a ledger's first line.
pub const LEDGER_VERSION: u32 = 1;

/// The bank's account with the switch: what machines paid out for its customers, less what they took in. Its sum over
/// a transaction's postings is the transaction's net: positive for a withdrawal.
pub const SETTLEMENT: &str = "atm-settlement";

/// The other side of every opening balance.
pub const OPENING: &str = "opening-balances";

/// A mini statement has so many lines at most (docs/interface.md#layouts).
pub(super) const STATEMENT_LINES_MAX: usize = 10;

/// One line of a ledger file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Ledger(Header),
    /// An account came into being with its balance.
    Opened {
        /// Wall clock, milliseconds since 1970.
        at_ms: i64,
        /// Balanced to zero.
        postings: Vec<Posting>,
    },
    /// A money message was taken, whatever became of it.
    Entry(Box<Entry>),
    /// The switch told of a new business day.
    Cutover {
        /// Wall clock, milliseconds since 1970.
        at_ms: i64,
        /// DE15, `MMDD`.
        day: Box<str>,
    },
}

/// Whose ledger it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`LEDGER_VERSION`].
    pub version: u32,
    /// The bank's institution.
    pub bank: Box<str>,
    /// ISO 4217, the currency of all amounts.
    pub currency: u16,
}

/// A money message as it was taken: what its stored answer, its reversal and the audit need of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// The MTI of its first sending: 200, 220 or 420.
    pub mti: u16,
    /// DE7 and DE11.
    pub identity: Identity,
    /// DE37.
    pub rrn: Box<str>,
    /// DE32.
    pub acquirer: Box<str>,
    /// DE41.
    pub terminal: Box<str>,
    /// DE15, `MMDD`.
    pub day: Box<str>,
    /// DE3.
    pub processing: Box<str>,
    /// DE4, minor units of the ledger's currency.
    pub amount_minor: i64,
    /// DE102.
    pub account: Box<str>,
    /// DE103.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_account: Option<Box<str>>,
    /// DE90: the identity of the original. 0220 and 0420 alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Identity>,
    /// DE95: what really left or was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_minor: Option<i64>,
    /// DE39 of a 0420: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// DE39 of the answer.
    pub code: Box<str>,
    /// DE38 of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<str>>,
    /// DE54 of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Box<str>>,
    /// DE62 of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Box<str>>,
    /// Balanced to zero; none where no money moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postings: Vec<Posting>,
}

/// One side of a movement of money.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Posting {
    /// A customer's account, [`SETTLEMENT`] or [`OPENING`].
    pub account: Box<str>,
    /// Minor units; positive is a credit.
    pub amount_minor: i64,
}

impl Posting {
    /// Moves an amount from one account to another.
    pub(crate) fn pair(from: &str, to: &str, amount_minor: i64) -> Vec<Posting> {
        [(from, -amount_minor), (to, amount_minor)]
            .map(|(account, amount_minor)| Posting { account: account.into(), amount_minor })
            .into()
    }
}

/// A line that cannot follow the ones before it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BrokenLine {
    /// A header after the first line.
    #[error("a header in the middle")]
    Header,
    /// Money appeared or vanished.
    #[error("postings sum to {sum_minor}, not to zero")]
    Unbalanced {
        /// Their sum, minor units.
        sum_minor: i128,
    },
    /// An identity was taken twice.
    #[error("identity {0} stands in an earlier line")]
    Twice(Identity),
    /// A balance left the range of amounts.
    #[error("account {0} is beyond what can be counted")]
    Overflow(Box<str>),
    /// An original was reversed twice.
    #[error("{0} was reversed by an earlier line")]
    ReversedTwice(Identity),
}

/// What a bank knows: the fold over its lines. A restart folds them again.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ledger {
    accounts: BTreeMap<Box<str>, Account>,
    entries: Vec<Entry>,
    by_identity: BTreeMap<Identity, usize>,
    reversed: BTreeSet<Identity>,
    tombstones: BTreeSet<Identity>,
    day: Option<Box<str>>,
}

#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Account {
    balance_minor: i64,
    /// The newest last.
    statement: VecDeque<StatementLine>,
}

/// A line of a mini statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StatementLine {
    pub(super) at_ms: i64,
    pub(super) day: Box<str>,
    /// DE3 positions 1-2.
    pub(super) kind: Box<str>,
    /// Positive is a credit to the account.
    pub(super) amount_minor: i64,
}

impl Ledger {
    /// Takes the next line, or leaves everything as it was.
    ///
    /// # Errors
    /// [`BrokenLine`].
    pub fn apply(&mut self, line: &Line) -> Result<(), BrokenLine> {
        match line {
            Line::Ledger(_) => Err(BrokenLine::Header),
            Line::Opened { postings, .. } => self.post(postings, None),
            Line::Entry(entry) => self.enter(entry),
            Line::Cutover { day, .. } => {
                self.day = Some(day.clone());
                Ok(())
            }
        }
    }

    /// Minor units; `None` for an account that was never opened.
    pub fn balance_minor(&self, account: &str) -> Option<i64> {
        self.accounts.get(account).map(|account| account.balance_minor)
    }

    /// All accounts and their balances in minor units, the bank's own two among them.
    pub fn balances(&self) -> impl Iterator<Item = (&str, i64)> {
        self.accounts.iter().map(|(number, account)| (&**number, account.balance_minor))
    }

    /// The messages taken, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The message of this identity.
    pub fn entry(&self, identity: Identity) -> Option<&Entry> {
        self.by_identity.get(&identity).map(|index| &self.entries[*index])
    }

    /// A reversal has given back (or taken back) what this identity moved.
    pub fn is_reversed(&self, identity: Identity) -> bool {
        self.reversed.contains(&identity)
    }

    /// A reversal came before this identity, which is burnt.
    pub fn is_tombstone(&self, identity: Identity) -> bool {
        self.tombstones.contains(&identity)
    }

    /// The business day of the last cutover, `MMDD`.
    pub fn day(&self) -> Option<&str> {
        self.day.as_deref()
    }

    /// The account's newest lines, the newest first.
    pub(super) fn statement(&self, account: &str) -> impl Iterator<Item = &StatementLine> {
        self.accounts.get(account).into_iter().flat_map(|account| account.statement.iter().rev())
    }

    fn enter(&mut self, entry: &Entry) -> Result<(), BrokenLine> {
        if self.by_identity.contains_key(&entry.identity) {
            return Err(BrokenLine::Twice(entry.identity));
        }
        let reverses = entry.original.filter(|_| entry.mti == 420);
        let moves = !entry.postings.is_empty();
        if let Some(original) = reverses.filter(|original| moves && self.reversed.contains(original)) {
            return Err(BrokenLine::ReversedTwice(original));
        }
        self.post(&entry.postings, Some(entry))?;
        match reverses {
            Some(original) if &*entry.code == "00" => {
                self.reversed.insert(original);
            }
            Some(original) if !self.by_identity.contains_key(&original) => {
                self.tombstones.insert(original);
            }
            Some(_) | None => {}
        }
        self.by_identity.insert(entry.identity, self.entries.len());
        self.entries.push(entry.clone());
        Ok(())
    }

    fn post(&mut self, postings: &[Posting], entry: Option<&Entry>) -> Result<(), BrokenLine> {
        let sum_minor: i128 = postings.iter().map(|posting| i128::from(posting.amount_minor)).sum();
        if sum_minor != 0 {
            return Err(BrokenLine::Unbalanced { sum_minor });
        }
        let mut after: BTreeMap<&str, i64> = BTreeMap::new();
        for Posting { account, amount_minor } in postings {
            let before = self.balance_minor(account).unwrap_or(0);
            let balance = after.entry(account).or_insert(before);
            *balance =
                balance.checked_add(*amount_minor).ok_or_else(|| BrokenLine::Overflow(account.clone()))?;
        }
        for (account, balance_minor) in after {
            self.accounts.entry(account.into()).or_default().balance_minor = balance_minor;
        }
        let Some(entry) = entry else { return Ok(()) };
        for Posting { account, amount_minor } in postings.iter().filter(|side| &*side.account != SETTLEMENT) {
            let statement = &mut self.accounts.entry(account.clone()).or_default().statement;
            if statement.len() == STATEMENT_LINES_MAX {
                statement.pop_front();
            }
            statement.push_back(StatementLine {
                at_ms: entry.at_ms,
                day: entry.day.clone(),
                kind: entry.processing.get(..2).unwrap_or("00").into(),
                amount_minor: *amount_minor,
            });
        }
        Ok(())
    }
}
