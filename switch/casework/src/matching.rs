//! What of log, files and acts a matcher has been given, so that it goes on from there.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Digest, FileKey, FileKind, JournalFile, PostingFile, Refusal};
use processor::{Day, TerminalId};
use reconciliation::calendar::next;
use reconciliation::{Aspect, Book, Counter, Exception, Full, LineId, Matcher, Rules, Summary};

use crate::cases::Casework;

/// What is before the days that the book holds, and was not given to the matcher.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PassedOver {
    /// Files.
    pub files: u64,
    /// Lines of other files.
    pub lines: u64,
}

/// So many days behind its own a bank's line may still be of a transaction that was let go.
const POSTED_LATE_DAYS: i64 = 7;

/// Where what is held begins: what the sides have of the first day that is held reaches into files and transactions that are not, so that nothing is
/// told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Edge {
    /// The first day that is held.
    held: Day,
    /// Journals and counters go by days of the calendar, business days may have been opened long before theirs.
    held_by_calendar: Day,
    /// The first day that is told.
    told: Day,
    /// When it was opened, seconds since 1970.
    told_at_s: i64,
}

impl Edge {
    /// None where nothing was let go.
    fn of(book: &Book, utc_offset_minutes: i64) -> Option<Edge> {
        let held = book.held_from()?;
        let opened_ms = |day: Day| Some(book.sheet(day)?.opened?.1);
        let told = book.sheets().find(|sheet| sheet.day > held).map(|sheet| sheet.day);
        let told_at_ms = told.and_then(opened_ms);
        let begun = opened_ms(held).map(|at_ms| Day::of_unix_ms(at_ms + utc_offset_minutes * 60_000));
        Some(Edge {
            held,
            held_by_calendar: begun.map_or(held, |begun| begun.min(held)),
            told: told.unwrap_or_else(|| next(held)),
            told_at_s: told_at_ms.map_or(i64::MAX, |at_ms| at_ms.div_euclid(1_000)),
        })
    }

    /// The exception's transaction, or that which its line may belong to, began before the first day that is told.
    fn is_behind(&self, exception: &Exception) -> bool {
        let is_line = exception.case.of.file != LineId::LOG;
        let may_be_late = || {
            let is_near = exception.day.days_after(self.told) < POSTED_LATE_DAYS;
            is_line && is_near && exception.at_s < self.told_at_s
        };
        exception.day < self.told || may_be_late()
    }
}

/// A matcher, the counters, and what they were given.
pub struct Matching {
    /// The matcher.
    pub matcher: Matcher,
    /// Of all files of counters.
    pub counters: Vec<Counter>,
    /// What was not given to it.
    pub passed_over: PassedOver,
    /// Files that were taken and could not be read the last time: their days wait, and each is tried again the next time.
    pub(crate) unread: BTreeMap<FileKey, (Digest, Refusal)>,
    given: BTreeSet<(Digest, FileKey)>,
    /// Files whose day is not said to be here yet, with the machines of a journal.
    parts: BTreeMap<FileKey, BTreeSet<(TerminalId, Day)>>,
    /// Of the book that it was given: nothing yet.
    edge: Option<Option<Edge>>,
    utc_offset_minutes: i64,
}

impl Matching {
    /// Nothing was given to it.
    pub fn new(rules: Rules) -> Matching {
        Matching {
            matcher: Matcher::new(rules),
            counters: Vec::new(),
            passed_over: PassedOver::default(),
            unread: BTreeMap::new(),
            given: BTreeSet::new(),
            parts: BTreeMap::new(),
            edge: None,
            utc_offset_minutes: 0,
        }
    }

    /// For what a book holds, with a matcher that has been given nothing; local time is so many minutes ahead of UTC.
    pub(crate) fn of(book: &Book, matcher: Matcher, utc_offset_minutes: i64) -> Matching {
        let edge = Some(Edge::of(book, utc_offset_minutes));
        let new = Matching::new(matcher.rules());
        Matching { matcher, edge, utc_offset_minutes, ..new }
    }

    /// It has what the book had, but for what has changed, and no file that was taken back.
    pub(crate) fn goes_on(&self, book: &Book, casework: &Casework) -> bool {
        self.edge == Some(Edge::of(book, self.utc_offset_minutes))
            && self.given.iter().all(|(digest, key)| casework.has_taken(*digest, *key))
    }

    /// Every exception of the matcher, but for what no side can be asked about any more: how a transaction ended is told whatever its age.
    pub fn exceptions(&self) -> Vec<Exception> {
        let mut exceptions = self.matcher.exceptions();
        exceptions.retain(|exception| exception.case.aspect == Aspect::Switch || !self.is_behind(exception));
        exceptions
    }

    /// The matcher's counts, with the exceptions that are told.
    pub fn summary(&self) -> Summary {
        let mut summary = self.matcher.summary();
        summary.exceptions.clear();
        for exception in self.exceptions() {
            *summary.exceptions.entry(exception.kind).or_default() += 1;
        }
        summary
    }

    /// Files that were taken and could not be read the last time.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &Digest> {
        self.unread.values().map(|(digest, _)| digest)
    }

    /// What it is about began in a day of which no side shows all any more.
    pub(crate) fn is_behind(&self, exception: &Exception) -> bool {
        self.edge.flatten().is_some_and(|edge| edge.is_behind(exception))
    }

    pub(crate) fn has(&self, digest: Digest, key: FileKey) -> bool {
        self.given.contains(&(digest, key))
    }

    /// The book holds single transactions of this business day.
    fn holds(&self, day: Day) -> bool {
        self.edge.flatten().is_none_or(|edge| day >= edge.held)
    }

    /// The book holds single transactions of this day of the calendar.
    fn holds_by_calendar(&self, day: Day) -> bool {
        self.edge.flatten().is_none_or(|edge| day >= edge.held_by_calendar)
    }

    /// The book holds single transactions of a file's day.
    pub(crate) fn holds_file(&self, key: FileKey) -> bool {
        match key.kind {
            FileKind::Postings => self.holds(key.day),
            FileKind::Journal | FileKind::Counters | FileKind::Totals => self.holds_by_calendar(key.day),
        }
    }

    pub(crate) fn log_is_here(&mut self, day: Day) {
        if self.holds(day) {
            self.matcher.log_is_here(day);
        }
    }

    pub(crate) fn decide(&mut self, casework: &Casework) -> Result<(), Full> {
        let known = self.matcher.decisions();
        casework.decisions().iter().skip(known).try_for_each(|decision| self.matcher.decide(*decision))
    }

    pub(crate) fn pass_over(&mut self, digest: Digest, key: FileKey) {
        self.passed_over.files += 1;
        self.given.insert((digest, key));
    }

    pub(crate) fn postings(&mut self, digest: Digest, key: FileKey, file: &PostingFile) -> Result<(), Full> {
        self.matcher.file_is_of(digest.file(), key.day);
        for posting in &file.postings {
            match self.holds(posting.day) {
                true => self.matcher.add_posting(posting)?,
                false => self.passed_over.lines += 1,
            }
        }
        self.parts.insert(key, BTreeSet::new());
        self.given.insert((digest, key));
        Ok(())
    }

    /// A machine that has done nothing has a journal of its day too, where the file is named by it. A line of another day says nothing of that day's
    /// journal.
    pub(crate) fn journal(&mut self, digest: Digest, key: FileKey, file: &JournalFile) -> Result<(), Full> {
        self.matcher.file_is_of(digest.file(), key.day);
        for line in &file.lines {
            match self.holds_by_calendar(line.day) {
                true => self.matcher.add_cash_line(line)?,
                false => self.passed_over.lines += 1,
            }
        }
        let named = key.terminal.map(|terminal| (terminal, key.day));
        let of_day = file.machines.iter().copied().filter(|(_, day)| *day == key.day);
        self.parts.insert(key, of_day.chain(named).collect());
        self.given.insert((digest, key));
        Ok(())
    }

    pub(crate) fn counters(&mut self, digest: Digest, key: FileKey, read: Vec<Counter>) {
        let all = read.len();
        let before = self.counters.len();
        let held: Vec<Counter> =
            read.into_iter().filter(|counter| self.holds_by_calendar(counter.day)).collect();
        self.counters.extend(held);
        self.passed_over.lines += (all - (self.counters.len() - before)) as u64;
        self.given.insert((digest, key));
    }

    /// A day of which every part is here, and was read, is said to be here.
    pub(crate) fn say_what_is_whole(&mut self, casework: &Casework) {
        let is_part_of = |unread: &FileKey, key: &FileKey| FileKey { part: key.part, ..*unread } == *key;
        let is_read = |key: &FileKey| !self.unread.keys().any(|unread| is_part_of(unread, key));
        let is_whole = |key: &FileKey| casework.parts(*key).are_all_here() && is_read(key);
        let whole: Vec<FileKey> = self.parts.keys().copied().filter(is_whole).collect();
        for key in whole {
            let machines = self.parts.remove(&key).unwrap_or_default();
            let posted = key.bank.filter(|_| key.kind == FileKind::Postings);
            posted.into_iter().for_each(|bank| self.matcher.bank_file_is_here(bank, key.day));
            machines.into_iter().for_each(|(terminal, day)| self.matcher.journal_is_here(terminal, day));
        }
    }
}
