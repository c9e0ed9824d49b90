//! A machine's journal as it prints it: transactions found by patterns, so that each make of machine needs a few words of configuration.

use std::collections::BTreeSet;
use std::iter::Peekable;

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
/// behind its word, up to the next blank that does not separate thousands; where digits stand behind that blank the line is wrong.
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
    /// In front of the amount of notes that left, where not all did, and of each part where they left in several.
    pub dispensed: String,
    /// Notes that were put in lie in the escrow and have been kept.
    pub stacked: String,
    /// How a line's date is written: it stands at the line's beginning, and the time behind it.
    pub date_format: String,
    /// What separates an amount's thousands, if anything. A blank stands for each kind of blank.
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

/// Behind a time that is of half a day, in English and in Vietnamese.
const HALVES: [&str; 6] = ["AM", "PM", "A.M.", "P.M.", "SA", "CH"];

#[derive(Default)]
struct Open {
    line: u64,
    at: Option<(processor::Day, i64)>,
    sequence: Option<u32>,
    stan: Option<u32>,
    rrn: Option<processor::Rrn>,
    requested_minor: Option<i64>,
    notes: Notes,
    /// A line of it was told as wrong: what it lacks behind that is no news.
    is_wrong: bool,
}

impl Open {
    /// A transaction without an amount is none of money, and none in which notes moved.
    fn closed(self, terminal: TerminalId, file: u64, currency: u16) -> Result<Option<CashLine>, Reject> {
        let wrong = |field: &str, reason: Reason| Reject::new(self.line, field, "", reason);
        let Some((requested_minor, (day, at_s))) = self.requested_minor.zip(self.at) else {
            return match self.notes.have_moved() {
                true => Err(wrong("amount", Reason::NoRequested)),
                false => Ok(None),
            };
        };
        let (requested_minor, moved_minor) = match self.notes.moved_minor(requested_minor) {
            Ok(Way::In(minor)) => (-requested_minor, -minor),
            Ok(Way::Out(minor)) => (requested_minor, minor),
            Err(reason) => return Err(wrong("notes", reason)),
        };
        Ok(Some(CashLine {
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
            is_retracted: self.notes.is_retracted,
        }))
    }
}

/// So much went out to the citizen, or came in.
enum Way {
    Out(i64),
    In(i64),
}

/// Notes that moved one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moved {
    /// Nothing stands in front that says how many.
    All,
    Minor(i64),
}

impl Moved {
    /// With those of a later time, of which it was said in front how many they are, or not.
    fn and(before: Option<Moved>, dispensed_minor: Option<i64>) -> Result<Option<Moved>, Reason> {
        match (before, dispensed_minor) {
            (None, None) => Ok(Some(Moved::All)),
            (None, Some(minor)) => Ok(Some(Moved::Minor(minor))),
            (Some(Moved::Minor(before)), Some(minor)) => {
                before.checked_add(minor).map(|sum| Some(Moved::Minor(sum))).ok_or(Reason::NoNumber)
            }
            (Some(Moved::All), _) | (Some(Moved::Minor(_)), None) => Err(Reason::NotesUnclear),
        }
    }
}

/// What a transaction says of its notes. Where they move once it is all of them, or as many as are said to have left, wherever that is said; where they
/// move several times it has to be said in front of each time.
#[derive(Default)]
struct Notes {
    /// Said to have left, and nothing said of them yet.
    dispensed_minor: Option<i64>,
    taken: Option<Moved>,
    stacked: Option<Moved>,
    is_retracted: bool,
}

type Moves = fn(&mut Notes) -> Result<(), Reason>;

impl Notes {
    fn dispensed(&mut self, minor: i64) -> Result<(), Reason> {
        match self.dispensed_minor.replace(minor) {
            Some(_) => Err(Reason::NotesUnclear),
            None => Ok(()),
        }
    }

    fn taken(&mut self) -> Result<(), Reason> {
        self.taken = Moved::and(self.taken, self.dispensed_minor.take())?;
        Ok(())
    }

    fn stacked(&mut self) -> Result<(), Reason> {
        self.stacked = Moved::and(self.stacked, self.dispensed_minor.take())?;
        Ok(())
    }

    fn retracted(&mut self) -> Result<(), Reason> {
        self.is_retracted = true;
        match (self.taken, self.dispensed_minor.take()) {
            (None, _) | (Some(Moved::Minor(_)), Some(_)) => Ok(()),
            // Part of what was taken, or something beside it.
            (Some(Moved::All), _) | (Some(Moved::Minor(_)), None) => Err(Reason::NotesUnclear),
        }
    }

    fn have_moved(&self) -> bool {
        self.taken.is_some() || self.stacked.is_some() || self.is_retracted
    }

    fn are_told_of(&self) -> bool {
        self.have_moved() || self.dispensed_minor.is_some()
    }

    /// Of what was put in, notes that were given back and taken were never counted.
    fn moved_minor(&self, requested_minor: i64) -> Result<Way, Reason> {
        let minor = |moved: Moved| match (moved, self.dispensed_minor) {
            (Moved::All, said_behind) => Ok(said_behind.unwrap_or(requested_minor)),
            (Moved::Minor(minor), None) => Ok(minor),
            (Moved::Minor(_), Some(_)) => Err(Reason::NotesUnclear),
        };
        match (self.stacked, self.taken) {
            (Some(_), Some(Moved::Minor(_))) => Err(Reason::NotesUnclear),
            (Some(stacked), _) => minor(stacked).map(Way::In),
            (None, Some(taken)) => minor(taken).map(Way::Out),
            (None, None) => Ok(Way::Out(0)),
        }
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
    let mut close = |open: Option<Open>, rejects: &mut Rejects| match open
        .filter(|open| !open.is_wrong)
        .map(|open| open.closed(terminal, digest.file(), patterns.currency))
    {
        Some(Ok(line)) => lines.extend(line),
        Some(Err(reject)) => rejects.push(reject),
        None => {}
    };
    reader.rows.each_row(bytes, RowForm::Journal, &mut |row| {
        if too_many(row.line, &mut rejects) {
            return false;
        }
        let text = row.texts.first().map_or("", String::as_str);
        if let Some(reason) = row.wrong {
            rejects.push(Reject::new(row.line, "line", text, reason));
        } else if text.contains(&patterns.start) {
            close(open.take(), &mut rejects);
            match moment(text, patterns, utc_offset_minutes) {
                Ok(at) => open = Some(Open { line: row.line, at: Some(at), ..Open::default() }),
                Err(reason) => rejects.push(Reject::new(row.line, "date and time", text.trim(), reason)),
            }
        } else if text.contains(&patterns.end) {
            close(open.take(), &mut rejects);
        } else if let Some(open) = &mut open
            && let Err(reject) = note(open, text, row.line, patterns)
        {
            open.is_wrong = true;
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
        let mut words = rest.trim_start_matches([' ', ':', '=', '\t']).split_whitespace().peekable();
        words.next().map(|first| (first, words))
    };
    let wrong = |field: &str, value: &str| {
        let (field, value) = (field.to_owned(), value.to_owned());
        move |reason: Said| Reject::new(line, &field, &value, reason)
    };
    let goes_on = |word: &&str| goes_on(word, patterns);
    // A value that digits follow behind a blank may be the beginning of one.
    let whole = |next: Option<&&str>| match next.is_some_and(goes_on) {
        true => Err(Said::from(Reason::DigitsBehind)),
        false => Ok(()),
    };
    let is_told = open.notes.are_told_of();
    if let Some((value, mut words)) = behind(&patterns.sequence) {
        let read = whole(words.peek()).and_then(|()| values::number(value));
        read.and_then(|read| keep(&mut open.sequence, read, is_told)).map_err(wrong("sequence", value))?;
    } else if let Some((value, _)) = behind(&patterns.rrn) {
        let read = values::rrn(value);
        read.and_then(|read| keep(&mut open.rrn, read, is_told)).map_err(wrong("rrn", value))?;
    } else if let Some((value, mut words)) = behind(&patterns.stan) {
        let read = whole(words.peek()).and_then(|()| values::stan(value));
        read.and_then(|read| keep(&mut open.stan, read, is_told)).map_err(wrong("stan", value))?;
    } else if let Some((first, mut words)) = behind(&patterns.dispensed) {
        let value = amount_text(first, &mut words, patterns, goes_on);
        let read = whole(words.peek()).and_then(|()| amount_minor(&value, patterns));
        read.and_then(|minor| Ok(open.notes.dispensed(minor)?)).map_err(wrong("dispensed", &value))?;
    } else if let Some((first, mut words)) = behind(&patterns.amount) {
        let value = amount_text(first, &mut words, patterns, goes_on);
        let read = whole(words.peek()).and_then(|()| amount_minor(&value, patterns));
        let kept = read.and_then(|minor| keep(&mut open.requested_minor, minor, is_told));
        kept.map_err(wrong("amount", &value))?;
    }
    // Behind the amount, where one line says both.
    let notes = &mut open.notes;
    let moves: [(&str, &str, Moves); 3] = [
        ("taken", &patterns.taken, Notes::taken),
        ("retracted", &patterns.retracted, Notes::retracted),
        ("stacked", &patterns.stacked, Notes::stacked),
    ];
    for (field, word, moved) in moves {
        if text.contains(word) {
            moved(notes).map_err(|reason| wrong(field, word)(reason.into()))?;
        }
    }
    Ok(())
}

/// Whether a word behind a value may be more of it: digits, also behind a sign that separates, and neither a date nor a time.
fn goes_on(word: &str, patterns: &Patterns) -> bool {
    let begins =
        word.trim_start_matches(['.', ',', '\'', '-', '+']).starts_with(|it: char| it.is_ascii_digit());
    begins && !word.contains([':', '/']) && values::date(word, &patterns.date_format).is_err()
}

/// An amount with what belongs to it of the words behind, where thousands are separated by blanks.
fn amount_text<'t>(
    first: &str,
    words: &mut Peekable<impl Iterator<Item = &'t str>>,
    patterns: &Patterns,
    goes_on: impl Fn(&&'t str) -> bool,
) -> String {
    let mut text = first.to_owned();
    if patterns.thousands.is_some_and(char::is_whitespace) {
        while let Some(word) = words.next_if(&goes_on) {
            text.push(' ');
            text.push_str(word);
        }
    }
    text
}

fn amount_minor(text: &str, patterns: &Patterns) -> Result<i64, Said> {
    let thousands = patterns.thousands.map(|it| if it.is_whitespace() { ' ' } else { it });
    match values::amount_minor(text, thousands, 0)? {
        minus if minus < 0 => Err(Reason::MinusInJournal.into()),
        minor => Ok(minor),
    }
}

/// Of a value that is said several times the last counts: one visit may ask for several things. Once notes are told of it is theirs, and another is
/// another transaction's.
fn keep<T: PartialEq>(known: &mut Option<T>, value: T, is_told: bool) -> Result<(), Said> {
    if is_told && known.as_ref().is_some_and(|known| *known != value) {
        return Err(Reason::AnotherBefore.into());
    }
    *known = Some(value);
    Ok(())
}

fn moment(text: &str, patterns: &Patterns, utc_offset_minutes: i64) -> Result<(processor::Day, i64), Said> {
    let mut words = text.split_whitespace();
    let (date, time) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let day = values::date(date, &patterns.date_format)?;
    let at_s = values::moment_s(day, time, utc_offset_minutes)?;
    let half = words.next().filter(|word| HALVES.iter().any(|half| word.eq_ignore_ascii_case(half)));
    match half {
        Some(half) => Err(Reason::HalfDay.of(&[&half])),
        None => Ok((day, at_s)),
    }
}
