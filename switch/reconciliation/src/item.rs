//! What the three sides say, one item each: ours from the log, a bank's posting, a line of a machine's journal.

use std::fmt;
use std::str::FromStr;

use processor::{BankIdentity, Day, Institution, Rrn, TerminalId};
use serde::{Deserialize, Serialize};

/// Where a line stands: the file it came in (the front of its digest; 0 is the log) and its place there (a record's position in
/// the log, a line's number in a file). It is the same whenever the file arrives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LineId {
    /// The first eight bytes of the file's SHA-256, as a number; [`LineId::LOG`] is the log.
    pub file: u64,
    /// The line from 1, or the position of the transaction's INTENT.
    pub line: u64,
}

impl LineId {
    /// The file of what the log says.
    pub const LOG: u64 = 0;
    /// The file of what is about a member's totals; no digest begins so.
    pub const TOTALS: u64 = u64::MAX;
}

impl fmt::Display for LineId {
    /// `1f-2`: the file in hexadecimal digits, and the line; `0-7` is of the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.file, self.line)
    }
}

impl FromStr for LineId {
    type Err = String;

    fn from_str(text: &str) -> Result<LineId, String> {
        let read = || {
            let (file, line) = text.split_once('-')?;
            Some(LineId { file: u64::from_str_radix(file, 16).ok()?, line: line.parse().ok()? })
        };
        read().ok_or_else(|| format!("`{text}` is no line: it has a file and a line, as 1f-2"))
    }
}

/// How a transaction of ours has ended, as far as money goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// The bank was asked and nothing else is recorded, or a claim waits for a person: nobody knows.
    Unknown,
    /// The bank has approved; whether cash has left is not known.
    Approved,
    /// Cash has left (or entered) as approved, or accounts were moved between.
    Completed,
    /// No debit.
    Declined,
    /// Taken back, whole or in part.
    Reversed,
}

/// A transaction that reached a bank, as the log tells it. Amounts are minor units, positive towards the citizen: a withdrawal's are
/// positive, a deposit's negative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ours {
    /// `file` is [`LineId::LOG`], `line` its INTENT's position.
    pub id: LineId,
    /// DE37.
    pub rrn: Rrn,
    /// DE41.
    pub terminal: TerminalId,
    /// DE11 of the terminal: what a journal knows.
    pub terminal_stan: u32,
    /// The bank that was asked.
    pub bank: Institution,
    /// Whose terminal it is.
    pub acquirer: Institution,
    /// Our name there.
    pub identity: BankIdentity,
    /// Wall clock of the INTENT, seconds since 1970.
    pub at_s: i64,
    /// The business day, fixed at INTENT.
    pub day: Day,
    /// The day in which its reversal settles.
    pub reversal_day: Option<Day>,
    /// Wall clock of its REVERSAL, seconds since 1970: the bank gives back from then on.
    pub reversal_at_s: Option<i64>,
    /// Wall clock of its REVERSED, seconds since 1970: the bank has given back by then.
    pub reversed_at_s: Option<i64>,
    /// What was asked for.
    pub gross_minor: i64,
    /// What is left of it behind reversals: 0 for a decline.
    pub net_minor: i64,
    /// ISO 4217.
    pub currency: u16,
    /// How it ended.
    pub ended: Ended,
    /// Cash moves: not for a transfer.
    pub is_cash: bool,
    /// It waits for a person.
    pub is_suspense: bool,
}

/// A line of a bank's file: what its core has posted. Positive towards the citizen, as for [`Ours`]; a reversal is negative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    /// Where it stands.
    pub id: LineId,
    /// Whose file.
    pub bank: Institution,
    /// The day that the bank posted it in.
    pub day: Day,
    /// DE37, where the file has it.
    pub rrn: Option<Rrn>,
    /// DE41, where the file has it.
    pub terminal: Option<TerminalId>,
    /// DE11 of the switch's 0200, where the file has it.
    pub stan: Option<u32>,
    /// Its number in the core's own order at this terminal, where the file has one.
    pub sequence: Option<u32>,
    /// Seconds since 1970.
    pub at_s: i64,
    /// Minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: u16,
    /// So many transactions are summed up in it; 1 nearly always.
    pub count: u16,
}

/// What a machine's journal says of one transaction. Positive is cash that left, negative cash that was kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CashLine {
    /// Where it stands.
    pub id: LineId,
    /// DE41.
    pub terminal: TerminalId,
    /// The machine's day, by which its journals are kept.
    pub day: Day,
    /// DE37, where the journal has it.
    pub rrn: Option<Rrn>,
    /// DE11 of the terminal, where the journal has it.
    pub stan: Option<u32>,
    /// The machine's own transaction number, where the journal has it.
    pub sequence: Option<u32>,
    /// Seconds since 1970.
    pub at_s: i64,
    /// What was asked for, minor units.
    pub requested_minor: i64,
    /// What was taken or kept, minor units.
    pub moved_minor: i64,
    /// ISO 4217.
    pub currency: u16,
    /// Notes were presented and drawn back in.
    pub is_retracted: bool,
}
