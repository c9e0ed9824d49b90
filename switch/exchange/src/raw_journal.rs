//! A machine's journal as it prints it: transactions found by patterns, so that each make of machine needs a few words of configuration.

use std::collections::BTreeSet;

use processor::TerminalId;
use reconciliation::{CashLine, Kind, LineId};
use serde::{Deserialize, Serialize};

use crate::intake::Digest;
use crate::journal::JournalFile;
use crate::raw_rows::RowForm;
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};
use crate::rows::{Reader, check_bytes, too_many};
use crate::values;

/// The words of one make of machine. A line means what the first of these that it holds says; other lines are passed over. A value stands
/// behind its word, up to the next blank.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patterns {
    /// A transaction begins.
    pub start: String,
    /// It ends.
    pub end: String,
    /// In front of its own number.
    pub sequence: String,
    /// In front of DE11.
    pub stan: String,
    /// In front of DE37.
    pub rrn: String,
    /// In front of the amount that was asked for.
    pub amount: String,
    /// They were taken.
    pub taken: String,
    /// They were drawn back in.
    pub retracted: String,
    /// In front of the amount of notes that left, where not all did.
    pub dispensed: String,
    /// Notes that were put in lie in the escrow and have been kept.
    pub stacked: String,
    /// How a line's date is written: it stands at the line's beginning, and the time behind it.
    pub date_format: String,
    /// Thousands of amounts.
    pub thousands: Option<char>,
    /// ISO 4217.
    pub currency: u16,
}

impl Default for Patterns {
    fn default() -> Patterns {
        Patterns {
            start: "TRANSACTION START".to_owned(),
            end: "TRANSACTION END".to_owned(),
            sequence: "TRACE NO".to_owned(),
            stan: "STAN".to_owned(),
            rrn: "RRN".to_owned(),
            amount: "AMOUNT".to_owned(),
            taken: "NOTES TAKEN".to_owned(),
            retracted: "NOTES RETRACTED".to_owned(),
            dispensed: "DISPENSED".to_owned(),
            stacked: "NOTES STACKED".to_owned(),
            date_format: "dd/mm/yyyy".to_owned(),
            thousands: Some(','),
            currency: 704,
        }
    }
}

impl Patterns {
    /// Looks whether a journal has the beginning of a transaction anywhere: one of another make, or in another encoding, has none, and would be taken for
    /// that of a machine that did nothing. To be asked where it is handed in.
    ///
    /// # Errors
    /// [`Refusal`]: it has not, and it is not empty.
    pub fn check_begins(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let is_empty = bytes.iter().all(u8::is_ascii_whitespace);
        let begins = |line: &[u8]| String::from_utf8_lossy(line).contains(&self.start);
        match is_empty || bytes.split(|byte| *byte == b'\n').any(begins) {
            true => Ok(()),
            false => Err(Refusal::whole(Kind::UnreadableLine, "start", &self.start, Reason::NothingBegins)),
        }
    }
}

#[derive(Default)]
struct Open {
    line: u64,
    at: Option<(processor::Day, i64)>,
    sequence: Option<u32>,
    stan: Option<u32>,
    rrn: Option<processor::Rrn>,
    requested_minor: Option<i64>,
    dispensed_minor: Option<i64>,
    is_taken: bool,
    is_retracted: bool,
    is_stacked: bool,
}

impl Open {
    /// A transaction without an amount is none of money.
    fn closed(self, terminal: TerminalId, file: u64, currency: u16) -> Option<CashLine> {
        let (requested_minor, (day, at_s)) = (self.requested_minor?, self.at?);
        let whole = self.dispensed_minor.unwrap_or(requested_minor);
        let (requested_minor, moved_minor) = match (self.is_stacked, self.is_taken) {
            (true, _) => (-requested_minor, -whole),
            (false, true) => (requested_minor, whole),
            (false, false) => (requested_minor, 0),
        };
        Some(CashLine {
            id: LineId { file, line: self.line },
            terminal,
            day,
            rrn: self.rrn,
            stan: self.stan,
            sequence: self.sequence,
            at_s,
            requested_minor,
            moved_minor,
            currency,
            is_retracted: self.is_retracted,
        })
    }
}

/// Reads the raw journal of one machine; times are local.
///
/// # Errors
/// [`Refusal`]: a value cannot be read, a line is too long, or the last transaction has no end. Nothing is taken then.
pub fn read_raw_journal(
    bytes: &[u8],
    patterns: &Patterns,
    terminal: TerminalId,
    utc_offset_minutes: i64,
    reader: Reader<'_>,
) -> Result<JournalFile, Refusal> {
    let digest = Digest::of(bytes);
    check_bytes(bytes)?;
    let mut rejects = Rejects::default();
    let (mut lines, mut open): (Vec<CashLine>, Option<Open>) = (Vec::new(), None);
    reader.rows.each_row(bytes, RowForm::Journal, &mut |row| {
        if too_many(row.line, &mut rejects) {
            return false;
        }
        let text = row.texts.first().map_or("", String::as_str);
        if let Some(reason) = row.wrong {
            rejects.push(Reject::new(row.line, "line", text, reason));
        } else if text.contains(&patterns.start) {
            if let Some(unended) = open.take() {
                lines.extend(unended.closed(terminal, digest.file(), patterns.currency));
            }
            match moment(text, patterns, utc_offset_minutes) {
                Ok(at) => open = Some(Open { line: row.line, at: Some(at), ..Open::default() }),
                Err(reason) => rejects.push(Reject::new(row.line, "date and time", text.trim(), reason)),
            }
        } else if text.contains(&patterns.end) {
            lines
                .extend(open.take().and_then(|open| open.closed(terminal, digest.file(), patterns.currency)));
        } else if let Some(open) = &mut open
            && let Err(reject) = note(open, text, row.line, patterns)
        {
            rejects.push(reject);
        }
        true
    })?;
    if let Some(open) = open {
        rejects.push(Reject::new(open.line, "end", "", Reason::NoEnd));
    }
    rejects.into_result()?;
    let machines: BTreeSet<_> = lines.iter().map(|line| (terminal, line.day)).collect();
    Ok(JournalFile { digest, lines, machines })
}

fn note(open: &mut Open, text: &str, line: u64, patterns: &Patterns) -> Result<(), Reject> {
    let behind = |word: &str| {
        let (_, rest) = text.split_once(word)?;
        rest.trim_start_matches([' ', ':', '=', '\t']).split_whitespace().next()
    };
    let reject = |field: &str, value: &str| {
        let (field, value) = (field.to_owned(), value.to_owned());
        move |reason: Said| Reject::new(line, &field, &value, reason)
    };
    open.is_taken |= text.contains(&patterns.taken);
    open.is_retracted |= text.contains(&patterns.retracted);
    open.is_stacked |= text.contains(&patterns.stacked);
    let amount = |text: &str| values::amount_minor(text, patterns.thousands, 0);
    if let Some(value) = behind(&patterns.sequence) {
        open.sequence = Some(values::number(value).map_err(reject("sequence", value))?);
    } else if let Some(value) = behind(&patterns.rrn) {
        open.rrn = Some(values::rrn(value).map_err(reject("rrn", value))?);
    } else if let Some(value) = behind(&patterns.stan) {
        open.stan = Some(values::stan(value).map_err(reject("stan", value))?);
    } else if let Some(value) = behind(&patterns.dispensed) {
        open.dispensed_minor = Some(amount(value).map_err(reject("dispensed", value))?);
    } else if let Some(value) = behind(&patterns.amount) {
        open.requested_minor = Some(amount(value).map_err(reject("amount", value))?);
    }
    Ok(())
}

fn moment(text: &str, patterns: &Patterns, utc_offset_minutes: i64) -> Result<(processor::Day, i64), Said> {
    let mut words = text.split_whitespace();
    let (date, time) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let day = values::date(date, &patterns.date_format)?;
    Ok((day, values::moment_s(day, time, utc_offset_minutes)?))
}
