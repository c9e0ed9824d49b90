//! The switch's log as `atm-switch log show --json` prints it, and what its records make of each transaction.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde::Deserialize;
use thiserror::Error;

use super::{Finding, LAST_DIGITS, Misfit};
use crate::bank::Identity;
use crate::terminal::TxKey;

/// One record; what the audit does not need of it is left out.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(from = "Shown")]
pub struct LogRecord {
    /// Its place, from 0 without gaps.
    pub position: u64,
    /// INTENT, OUTCOME and so on.
    pub kind: Box<str>,
    /// The transaction; none for acts on the switch itself.
    pub key: Option<TxKey>,
    suspense: Option<Suspense>,
    body: Body,
}

/// A record as it is shown: what its kind holds stands beside its position, or by itself under `body`.
#[derive(Deserialize)]
struct Shown {
    position: u64,
    #[serde(alias = "record")]
    kind: Box<str>,
    key: Option<TxKey>,
    transaction: Option<Named>,
    suspense: Option<Suspense>,
    body: Option<Body>,
    #[serde(flatten)]
    beside: Body,
}

#[derive(Deserialize)]
struct Named {
    key: Option<TxKey>,
}

impl From<Shown> for LogRecord {
    fn from(shown: Shown) -> LogRecord {
        let Shown { position, kind, key, transaction, suspense, body, beside } = shown;
        let key = key.or(transaction.and_then(|named| named.key));
        LogRecord { position, kind, key, suspense, body: body.unwrap_or(beside) }
    }
}

/// Why the log cannot be read.
#[derive(Debug, Error)]
pub enum LogError {
    /// The input broke off.
    #[error("line {line}: {error}")]
    Io {
        /// The line, from 1.
        line: usize,
        /// What the system said.
        error: io::Error,
    },
    /// A line that is no record.
    #[error("line {line}: {error}")]
    Form {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        error: serde_json::Error,
    },
}

/// Reads records, one a line.
///
/// # Errors
/// [`LogError`] with the first line that cannot be read.
pub fn read_log(input: impl BufRead) -> Result<Vec<LogRecord>, LogError> {
    let lines = input.lines().zip(1..);
    let read = lines.map(|(text, line)| {
        let text = text.map_err(|error| LogError::Io { line, error })?;
        serde_json::from_str(&text).map_err(|error| LogError::Form { line, error })
    });
    read.collect()
}

/// Where a transaction stands in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum State {
    /// The log has no record of it.
    #[default]
    Unknown,
    /// The bank was asked.
    Sent,
    /// Approved, and nobody has said yet what became of it.
    Approved,
    /// Ended as approved.
    Completed,
    /// Ended without a debit or credit.
    Declined,
    /// A reversal is owed to the bank.
    Reversing,
    /// The bank has acknowledged the reversal.
    Reversed,
    /// Burnt by an advice that came first.
    Tombstone,
    /// An identity was proved.
    Verified,
}

impl State {
    /// Its name in lifecycle and reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Unknown => "unknown",
            State::Sent => "SENT",
            State::Approved => "APPROVED",
            State::Completed => "COMPLETED",
            State::Declined => "DECLINED",
            State::Reversing => "REVERSING",
            State::Reversed => "REVERSED",
            State::Tombstone => "TOMBSTONE",
            State::Verified => "VERIFIED",
        }
    }

    pub(super) fn is_final(self) -> bool {
        match self {
            State::Unknown | State::Sent | State::Approved | State::Reversing => false,
            State::Completed | State::Declined | State::Reversed | State::Tombstone | State::Verified => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Suspense {
    Age,
    Claim,
}

/// The fields of all kinds together: which of them are there, the kind says.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Body {
    request: Option<Request>,
    /// Masked but for its last digits.
    account: Option<Box<str>>,
    bank: Option<Box<str>>,
    identity: Option<AtBank>,
    left_minor: Option<i64>,
    send_sod: Option<bool>,
    reason: Option<Box<str>>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Request {
    kind: Kind,
    rrn: Box<str>,
    content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Content {
    amount_minor: i64,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "Spelled")]
struct AtBank(Identity);

#[derive(Deserialize)]
struct Spelled {
    sent_at: String,
    stan: String,
}

impl TryFrom<Spelled> for AtBank {
    type Error = String;

    fn try_from(spelled: Spelled) -> Result<AtBank, String> {
        format!("{}/{}", spelled.sent_at, spelled.stan).parse().map(AtBank)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Withdrawal,
    Deposit,
    #[serde(rename = "balance inquiry")]
    Balance,
    #[serde(rename = "mini statement")]
    MiniStatement,
    Transfer,
    Verification,
}

/// What the log says of one transaction.
#[derive(Default)]
pub(super) struct Told {
    pub(super) key: Option<TxKey>,
    pub(super) kind: Option<Kind>,
    pub(super) rrn: Option<Box<str>>,
    /// The bank, and the request's name there.
    pub(super) sent: Option<(Box<str>, Identity)>,
    /// The last digits of the account that the bank was asked about.
    pub(super) account: Option<Box<str>>,
    pub(super) state: State,
    amount_minor: i64,
    left_minor: i64,
    suspense: Option<Suspense>,
    send_sod: bool,
    /// The bank's approval is in the log.
    pub(super) approval_seen: bool,
}

/// Folds the log. What a missing record leaves behind is found by the gap in the positions and, where it changes a
/// transaction's course, by the record that cannot stand where it does.
pub(super) fn fold(log: &[LogRecord], findings: &mut Vec<Finding>) -> BTreeMap<TxKey, Told> {
    let mut transactions = BTreeMap::new();
    let mut expected = 0;
    for record in log {
        if record.position != expected {
            let what = Misfit::Gap { position: expected, count: record.position.saturating_sub(expected) };
            findings.push(Finding { key: None, rrn: None, what });
        }
        expected = record.position + 1;
        if let Some(key) = &record.key {
            let told = transactions.entry(key.clone()).or_insert_with(|| Told::unknown(key.clone()));
            let before = told.state;
            if !told.take(record) {
                let (position, kind) = (record.position, record.kind.clone());
                findings.push(told.finding(Misfit::Sequence { position, kind, state: before }));
            }
        }
    }
    transactions
}

impl Told {
    pub(super) fn unknown(key: TxKey) -> Told {
        Told { key: Some(key), ..Told::default() }
    }

    pub(super) fn finding(&self, what: Misfit) -> Finding {
        Finding { key: self.key.clone(), rrn: self.rrn.clone(), what }
    }

    /// What the log says was paid out for good, đồng; a deposit's is negative.
    pub(super) fn net_vnd(&self) -> i64 {
        let amount_minor = match self.state {
            State::Approved | State::Completed => self.amount_minor,
            State::Reversing | State::Reversed => self.left_minor,
            State::Unknown | State::Sent | State::Declined | State::Tombstone | State::Verified => 0,
        };
        match self.kind {
            Some(Kind::Withdrawal | Kind::Transfer) => amount_minor,
            Some(Kind::Deposit) => -amount_minor,
            Some(Kind::Balance | Kind::MiniStatement | Kind::Verification) | None => 0,
        }
    }

    /// It moves money, or may have been going to: of a TOMBSTONE the log knows nothing more.
    pub(super) fn is_money(&self) -> bool {
        match self.kind {
            Some(Kind::Withdrawal | Kind::Deposit | Kind::Transfer) => true,
            Some(Kind::Balance | Kind::MiniStatement | Kind::Verification) => false,
            None => self.key.as_ref().is_some_and(|key| key.mti == 200),
        }
    }

    /// It stands among the money originals that are counted: "send the SOD" is answered with a new request.
    pub(super) fn counts(&self) -> bool {
        self.is_money() && !self.send_sod && self.state != State::Unknown
    }

    pub(super) fn suspense(&self) -> bool {
        self.suspense.is_some()
    }

    /// Takes the next record; `false` where it cannot follow. It is taken all the same: later records are judged by it.
    pub(super) fn take(&mut self, record: &LogRecord) -> bool {
        let LogRecord { kind, body, suspense, .. } = record;
        let after = self.after(record);
        if let Some(request) = &body.request {
            self.kind = Some(request.kind);
            self.rrn = Some(request.rrn.clone());
            self.amount_minor = request.content.amount_minor;
        }
        if let (Some(bank), Some(AtBank(identity))) = (&body.bank, &body.identity) {
            self.sent = Some((bank.clone(), *identity));
            let shown = body.account.as_deref().map(|account| account.trim_start_matches('*'));
            self.account = shown.filter(|digits| digits.len() == LAST_DIGITS).map(Into::into);
        }
        self.left_minor = body.left_minor.unwrap_or(self.left_minor);
        self.send_sod |= body.send_sod.unwrap_or(false);
        self.approval_seen |= match &**kind {
            "OUTCOME" => true,
            "NOTE" => matches!(body.reason.as_deref(), Some("ApprovalSeen" | "approval seen")),
            // Only a late approval leads back from an end.
            "REVERSAL" => matches!(self.state, State::Declined | State::Reversed),
            _ => false,
        };
        self.state = after.unwrap_or_else(|| self.stated_by(kind));
        let left_approved = self.state != State::Approved && self.suspense == Some(Suspense::Age);
        if left_approved || &**kind == "RESOLUTION" {
            self.suspense = None;
        }
        self.suspense = self.suspense.max(*suspense);
        after.is_some()
    }

    /// docs/lifecycle.md#states, as far as records tell it.
    fn after(&self, record: &LogRecord) -> Option<State> {
        let is = |states: &[State]| states.contains(&self.state);
        let may = match &*record.kind {
            "INTENT" | "VERIFICATION" | "TOMBSTONE" => is(&[State::Unknown]),
            "OUTCOME" => is(&[State::Sent]),
            "DECLINED" => is(&[State::Sent]) || is(&[State::Unknown]) && record.body.request.is_some(),
            // Cash without an approval is a person's matter.
            "REVERSAL" if self.state == State::Sent => {
                record.body.left_minor == Some(0) || record.suspense.is_some()
            }
            "REVERSAL" => is(&[State::Approved, State::Completed, State::Declined, State::Reversed]),
            "REVERSED" => is(&[State::Reversing]),
            "COMPLETE" => is(&[State::Approved]),
            "CLAIM" | "NOTE" => true,
            "RESOLUTION" => self.suspense.is_some(),
            _ => false,
        };
        may.then(|| self.stated_by(&record.kind))
    }

    fn stated_by(&self, kind: &str) -> State {
        match kind {
            "INTENT" => State::Sent,
            "OUTCOME" => match self.kind {
                Some(Kind::Withdrawal | Kind::Deposit) | None => State::Approved,
                Some(Kind::Balance | Kind::MiniStatement | Kind::Transfer | Kind::Verification) => {
                    State::Completed
                }
            },
            "DECLINED" => State::Declined,
            "REVERSAL" => State::Reversing,
            "REVERSED" => State::Reversed,
            "COMPLETE" => State::Completed,
            "TOMBSTONE" => State::Tombstone,
            "VERIFICATION" => State::Verified,
            "CLAIM" if self.state == State::Unknown => State::Tombstone,
            _ => self.state,
        }
    }
}
