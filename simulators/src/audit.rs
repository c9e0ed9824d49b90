//! The audit: cash, bank ledgers and the switch's log held against each other, transaction by transaction.
//!
//! It knows what machines' movements, banks' ledgers and `atm-switch log show --json` say, and nothing else: no plan,
//! and nothing out of anybody's memory.

mod log;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use log::{LogError, LogRecord, State, read_log};

use crate::bank::{Entry, Identity, Line, Posting, SETTLEMENT};
use crate::terminal::{Contents, Impossible, Movement, MovementKind, TxKey, net_out_vnd};
use log::{Kind, Told};

/// So many digits of an account the log shows: those at its end.
const LAST_DIGITS: usize = 4;

/// What the three sides have written down.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Every movement of every machine; those of one machine in order.
    pub movements: &'a [Movement],
    /// Each bank's ledger, header first.
    pub ledgers: &'a [Vec<Line>],
    /// The switch's log, whole, oldest first.
    pub log: &'a [LogRecord],
}

/// What the audit found. Amounts are đồng.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audit {
    /// Originals whose final net is not 0. A transfer's is 0: no cash moves, and no bank owes another.
    pub uses: u64,
    /// The sum of their absolute nets.
    pub amount_vnd: u64,
    /// Money originals that ended approved.
    pub approved: u64,
    /// Money originals that ended without a debit or credit; "send the SOD" is none.
    pub declined: u64,
    /// Money originals that were taken back, whole or in part.
    pub reversed: u64,
    /// Transactions that wait for a person.
    pub suspense: u64,
    /// Over all transactions |bank − cash| + |log − cash|, and postings that do not sum to zero.
    pub difference_vnd: u64,
    /// Everything that does not fit.
    pub findings: Vec<Finding>,
    /// Every money transaction.
    pub rows: Vec<Row>,
}

/// One money transaction as the three sides have it. Nets are đồng, positive towards the citizen: a withdrawal's cash
/// that left the machine, what the bank owes the switch for it, what the log says was paid out. A deposit's are
/// negative. Of a transfer no cash moves: bank and log hold what moved between the accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its key; none when neither log nor machines know it.
    pub key: Option<TxKey>,
    /// DE37, where log or bank tell it.
    pub rrn: Option<Box<str>>,
    /// The bank's institution, where the log or a ledger tells it.
    pub bank: Option<Box<str>>,
    /// The log's state at the end.
    pub state: State,
    /// It waits for a person.
    pub suspense: bool,
    /// By the machines.
    pub cash_vnd: i64,
    /// By the banks.
    pub bank_vnd: i64,
    /// By the log.
    pub log_vnd: i64,
    /// Only accounts are moved between.
    transfer: bool,
    /// It is a money original that the log has judged.
    counts: bool,
}

/// Something that does not fit, and the transaction that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The transaction, where it is known by its key.
    pub key: Option<TxKey>,
    /// Its DE37, where it is known.
    pub rrn: Option<Box<str>>,
    /// What does not fit.
    pub what: Misfit,
}

/// What does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// Cash, bank and log do not agree.
    Nets {
        /// By the machines, đồng.
        cash_vnd: i64,
        /// By the banks.
        bank_vnd: i64,
        /// By the log.
        log_vnd: i64,
    },
    /// The transaction has not ended.
    NotFinal(State),
    /// A record that cannot follow those before it.
    Sequence {
        /// Its position.
        position: u64,
        /// Its kind.
        kind: Box<str>,
        /// The state before it.
        state: State,
    },
    /// Records from this position on are missing, so many.
    Gap {
        /// The first that is missing.
        position: u64,
        /// How many.
        count: u64,
    },
    /// A bank has approved, the log knows of no approval, and records are missing in the log.
    NoOutcome,
    /// A bank has taken a request that the log does not know.
    NotInLog {
        /// The bank.
        bank: Box<str>,
        /// Its name there.
        identity: Identity,
    },
    /// A bank has it under another DE37 than the log.
    OtherRrn(Box<str>),
    /// A bank has moved money on an account that the message does not name; its last four digits.
    OtherAccount(Box<str>),
    /// A bank was asked about one account and has taken the message for another; their last four digits.
    TakenFor {
        /// What the bank's entry names.
        bank: Box<str>,
        /// What the log names.
        log: Box<str>,
    },
    /// An entry's postings do not sum to zero.
    Unbalanced {
        /// Their sum, đồng.
        sum_vnd: i64,
    },
    /// A bank has taken the same identity twice.
    Twice(Identity),
    /// Two transactions have the same name at a bank.
    SameIdentity(Identity),
    /// A machine's notes cannot have moved so.
    Movement(Impossible),
    /// Notes that were inserted are neither the bank's nor returned.
    InEscrow {
        /// What they are worth, đồng.
        amount_vnd: i64,
    },
    /// A ledger does not begin with its header.
    NoHeader,
}

impl Audit {
    /// Nothing is missing and everything agrees.
    pub fn is_clean(&self) -> bool {
        self.difference_vnd == 0 && self.findings.is_empty()
    }
}

/// Holds the three sides against each other.
pub fn audit(evidence: &Evidence<'_>) -> Audit {
    let mut findings = Vec::new();
    let told = log::fold(evidence.log, &mut findings);
    let has_gap = findings.iter().any(|finding| matches!(finding.what, Misfit::Gap { .. }));
    let (mut banks, unbalanced_vnd) = bank_sides(evidence.ledgers, &mut findings);
    check_machines(evidence.movements, &mut findings);
    let mut cash = net_out_vnd(evidence.movements);
    let mut names = BTreeSet::new();
    let mut rows = Vec::new();
    for told in told.values() {
        let cash_vnd = told.key.as_ref().and_then(|key| cash.remove(key)).unwrap_or(0);
        let mut side = BankSide::default();
        if let Some(name) = &told.sent {
            if !names.insert(name.clone()) {
                findings.push(told.finding(Misfit::SameIdentity(name.1)));
            }
            side = banks.remove(name).unwrap_or_default();
        }
        if !told.state.is_final() {
            findings.push(told.finding(Misfit::NotFinal(told.state)));
        }
        if has_gap && side.approved && !told.approval_seen {
            findings.push(told.finding(Misfit::NoOutcome));
        }
        if let Some(other) = side.rrns.iter().find(|rrn| Some(*rrn) != told.rrn.as_ref()) {
            findings.push(told.finding(Misfit::OtherRrn(other.clone())));
        }
        findings.extend(wrong_accounts(told, &side).map(|what| told.finding(what)));
        let row = row(told, cash_vnd, &side);
        if told.is_money() || (row.cash_vnd, row.bank_vnd) != (0, 0) {
            rows.push(row);
        }
    }
    for (key, cash_vnd) in cash.into_iter().filter(|(_, cash_vnd)| *cash_vnd != 0) {
        rows.push(row(&Told::unknown(key), cash_vnd, &BankSide::default()));
    }
    for ((bank, identity), side) in banks {
        let row = Row { bank: Some(bank.clone()), ..row(&Told::default(), 0, &side) };
        findings.push(Finding { key: None, rrn: row.rrn.clone(), what: Misfit::NotInLog { bank, identity } });
        rows.push(row);
    }
    let suspense = told.values().filter(|told| told.suspense()).count() as u64;
    sum_up(rows, unbalanced_vnd, suspense, findings)
}

/// Accounts on which money moved, or that a message was taken for, and which nobody asked about.
fn wrong_accounts(told: &Told, side: &BankSide) -> impl Iterator<Item = Misfit> {
    let asked = told.account.clone();
    let moved = side.moved.difference(&side.named).map(|account| Misfit::OtherAccount(last_digits(account)));
    let taken = side.asked.iter().filter_map(move |account| {
        let bank = last_digits(account);
        let log = asked.clone().filter(|log| *log != bank)?;
        Some(Misfit::TakenFor { bank, log })
    });
    moved.chain(taken)
}

fn sum_up(rows: Vec<Row>, unbalanced_vnd: u64, suspense: u64, mut findings: Vec<Finding>) -> Audit {
    let ended =
        |state: fn(State) -> bool| rows.iter().filter(|row| row.counts && state(row.state)).count() as u64;
    let approved = ended(|state| matches!(state, State::Approved | State::Completed));
    let declined = ended(|state| matches!(state, State::Declined | State::Tombstone));
    let reversed = ended(|state| matches!(state, State::Reversing | State::Reversed));
    let (mut uses, mut amount_vnd, mut difference_vnd) = (0, 0, unbalanced_vnd);
    for row in &rows {
        uses += u64::from(row.moved_vnd() != 0);
        amount_vnd += row.moved_vnd().unsigned_abs();
        if row.difference_vnd() != 0 {
            difference_vnd += row.difference_vnd();
            let Row { cash_vnd, bank_vnd, log_vnd, .. } = *row;
            let what = Misfit::Nets { cash_vnd, bank_vnd, log_vnd };
            findings.push(Finding { key: row.key.clone(), rrn: row.rrn.clone(), what });
        }
    }
    Audit { uses, amount_vnd, approved, declined, reversed, suspense, difference_vnd, findings, rows }
}

/// What a bank did under one original's identity. The ledger's minor unit is the đồng.
#[derive(Default)]
struct BankSide {
    rrns: BTreeSet<Box<str>>,
    approved: bool,
    /// On the settlement account.
    settled_vnd: i64,
    /// Out of the account that the message names.
    debited_vnd: i64,
    /// Accounts that its 0200 names in DE102.
    asked: BTreeSet<Box<str>>,
    /// Accounts that any of its messages names: the 0420 of a transfer does without DE103.
    named: BTreeSet<Box<str>>,
    /// Accounts on which money moved, the settlement account apart.
    moved: BTreeSet<Box<str>>,
}

type BankSides = BTreeMap<(Box<str>, Identity), BankSide>;

/// The banks' sides, and the sum of all that is not balanced.
fn bank_sides(ledgers: &[Vec<Line>], findings: &mut Vec<Finding>) -> (BankSides, u64) {
    let mut sides = BankSides::new();
    let mut unbalanced_vnd = 0;
    for lines in ledgers {
        let Some((Line::Ledger(header), lines)) = lines.split_first() else {
            findings.push(Finding { key: None, rrn: None, what: Misfit::NoHeader });
            continue;
        };
        let mut seen = BTreeSet::new();
        for line in lines {
            let (postings, rrn) = match line {
                Line::Entry(entry) => (&entry.postings, Some(entry.rrn.clone())),
                Line::Opened { postings, .. } => (postings, None),
                Line::Cutover { .. } | Line::Ledger(_) => continue,
            };
            let sum_vnd: i64 = postings.iter().map(|posting| posting.amount_minor).sum();
            if sum_vnd != 0 {
                unbalanced_vnd += sum_vnd.unsigned_abs();
                findings.push(Finding { key: None, rrn, what: Misfit::Unbalanced { sum_vnd } });
            }
            let Line::Entry(entry) = line else { continue };
            if !seen.insert(entry.identity) {
                let what = Misfit::Twice(entry.identity);
                findings.push(Finding { key: None, rrn: Some(entry.rrn.clone()), what });
            }
            let original = entry.original.unwrap_or(entry.identity);
            add(sides.entry((header.bank.clone(), original)).or_default(), entry);
        }
    }
    (sides, unbalanced_vnd)
}

fn add(side: &mut BankSide, entry: &Entry) {
    side.rrns.insert(entry.rrn.clone());
    side.approved |= entry.mti == 200 && &*entry.code == "00";
    if entry.mti == 200 {
        side.asked.insert(entry.account.clone());
    }
    side.named.extend([&entry.account].into_iter().chain(&entry.to_account).cloned());
    for Posting { account, amount_minor } in &entry.postings {
        if &**account == SETTLEMENT {
            side.settled_vnd += amount_minor;
            continue;
        }
        side.moved.insert(account.clone());
        if *account == entry.account {
            side.debited_vnd -= amount_minor;
        }
    }
}

/// As much of an account as the log shows.
fn last_digits(account: &str) -> Box<str> {
    let from = account.char_indices().rev().nth(LAST_DIGITS - 1).map_or(0, |(at, _)| at);
    account[from..].into()
}

fn check_machines(movements: &[Movement], findings: &mut Vec<Finding>) {
    let mut machines: BTreeMap<&str, Vec<Movement>> = BTreeMap::new();
    for movement in movements {
        machines.entry(&movement.terminal).or_default().push(movement.clone());
    }
    for movements in machines.values() {
        if let Err(impossible) = Contents::after(movements) {
            let key = movements.get(impossible.index).and_then(|movement| movement.key.clone());
            findings.push(Finding { key, rrn: None, what: Misfit::Movement(impossible) });
        }
    }
    for (key, amount_vnd) in escrow_vnd(movements).into_iter().filter(|(_, amount_vnd)| *amount_vnd != 0) {
        let what = Misfit::InEscrow { amount_vnd };
        findings.push(Finding { key: Some(key.clone()), rrn: None, what });
    }
}

/// For each money request what was inserted for it and has not gone anywhere.
fn escrow_vnd(movements: &[Movement]) -> BTreeMap<&TxKey, i64> {
    let mut escrow = BTreeMap::new();
    for movement in movements {
        let Some(key) = &movement.key else { continue };
        let amount_vnd = movement.amount_vnd();
        *escrow.entry(key).or_insert(0) += match movement.kind {
            MovementKind::In => amount_vnd,
            MovementKind::Returned
            | MovementKind::Stored
            | MovementKind::Rejected
            | MovementKind::Rekeyed => -amount_vnd,
            MovementKind::Out | MovementKind::Retracted | MovementKind::Loaded | MovementKind::Emptied => 0,
        };
        if let Some(new_key) = &movement.new_key {
            *escrow.entry(new_key).or_insert(0) += amount_vnd;
        }
    }
    escrow
}

fn row(told: &Told, cash_vnd: i64, side: &BankSide) -> Row {
    // What the log does not know is a transfer where it does not show on the settlement account.
    let transfer = match told.kind {
        Some(kind) => kind == Kind::Transfer,
        None => side.settled_vnd == 0 && side.debited_vnd != 0,
    };
    Row {
        key: told.key.clone(),
        rrn: told.rrn.clone().or_else(|| side.rrns.first().cloned()),
        bank: told.sent.as_ref().map(|(bank, _)| bank.clone()),
        state: told.state,
        suspense: told.suspense(),
        cash_vnd,
        bank_vnd: if transfer { side.debited_vnd } else { side.settled_vnd },
        log_vnd: told.net_vnd(),
        transfer,
        counts: told.counts(),
    }
}

impl Row {
    /// Cash that moved for good: a transfer moves none.
    pub fn moved_vnd(&self) -> i64 {
        if self.transfer { 0 } else { self.cash_vnd }
    }

    /// |bank − cash| + |log − cash|; for a transfer |bank − log|, and cash has no part in it.
    pub fn difference_vnd(&self) -> u64 {
        if self.transfer {
            return self.bank_vnd.abs_diff(self.log_vnd) + self.cash_vnd.unsigned_abs();
        }
        self.bank_vnd.abs_diff(self.cash_vnd) + self.log_vnd.abs_diff(self.cash_vnd)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.rrn) {
            (Some(key), Some(rrn)) => write!(f, "{key} (RRN {rrn}): ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, Some(rrn)) => write!(f, "RRN {rrn}: ")?,
            (None, None) => {}
        }
        match &self.what {
            Misfit::Nets { cash_vnd, bank_vnd, log_vnd } => {
                write!(f, "cash {cash_vnd}, bank {bank_vnd}, log {log_vnd} đồng")
            }
            Misfit::NotFinal(state) => write!(f, "still {} at the end", state.name()),
            Misfit::Sequence { position, kind, state } => {
                write!(f, "record {position}, {kind}, cannot follow {}", state.name())
            }
            Misfit::Gap { position, count } => write!(f, "the log lacks {count} records from {position} on"),
            Misfit::NoOutcome => {
                write!(f, "the bank has approved, and the log, which has a gap, lacks the OUTCOME")
            }
            Misfit::NotInLog { bank, identity } => {
                write!(f, "bank {bank} has {identity}, which the log does not know")
            }
            Misfit::OtherRrn(rrn) => write!(f, "the bank has it under RRN {rrn}"),
            Misfit::OtherAccount(account) => {
                write!(f, "the bank has moved money on account …{account}, which no message names")
            }
            Misfit::TakenFor { bank, log } => {
                write!(f, "the bank has taken it for account …{bank}, the log for …{log}")
            }
            Misfit::Unbalanced { sum_vnd } => write!(f, "postings sum to {sum_vnd} đồng, not to zero"),
            Misfit::Twice(identity) => write!(f, "the bank has taken {identity} twice"),
            Misfit::SameIdentity(identity) => write!(f, "another transaction is {identity} at the bank, too"),
            Misfit::Movement(impossible) => write!(f, "{impossible}"),
            Misfit::InEscrow { amount_vnd } => write!(f, "{amount_vnd} đồng still lie in escrow"),
            Misfit::NoHeader => write!(f, "a ledger does not begin with its header"),
        }
    }
}
