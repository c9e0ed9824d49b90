//! What of log, files and acts a matcher has been given, so that it goes on from there.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Digest, FileKey, FileKind, JournalFile, PostingFile, Refusal};
use processor::{Day, TerminalId};
use reconciliation::{Book, Counter, Full, Matcher, Rules};

use crate::cases::Casework;

/// What is before the days that the book holds, and was not given to the matcher.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PassedOver {
    /// Files.
    pub files: u64,
    /// Lines of other files.
    pub lines: u64,
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
    held_from: Option<Option<Day>>,
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
            held_from: None,
        }
    }

    /// For what a book holds, with a matcher that has been given nothing.
    pub(crate) fn of(book: &Book, matcher: Matcher) -> Matching {
        let new = Matching::new(matcher.rules());
        Matching { matcher, held_from: Some(book.held_from()), ..new }
    }

    /// It has what the book had, but for what has changed.
    pub(crate) fn goes_on(&self, book: &Book) -> bool {
        self.held_from == Some(book.held_from())
    }

    pub(crate) fn has(&self, digest: Digest, key: FileKey) -> bool {
        self.given.contains(&(digest, key))
    }

    /// The book holds single transactions of this day.
    pub(crate) fn holds(&self, day: Day) -> bool {
        self.held_from.flatten().is_none_or(|from| day >= from)
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
            match self.holds(line.day) {
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
        let held: Vec<Counter> = read.into_iter().filter(|counter| self.holds(counter.day)).collect();
        self.counters.extend(held);
        self.passed_over.lines += (all - (self.counters.len() - before)) as u64;
        self.given.insert((digest, key));
    }

    /// A day of which every part is here, and was read, is said to be here.
    pub(crate) fn say_what_is_whole(&mut self, casework: &Casework) {
        let is_part_of = |unread: &FileKey, key: &FileKey| FileKey { part: key.part, ..*unread } == *key;
        let is_read = |key: &FileKey| !self.unread.keys().any(|unread| is_part_of(unread, key));
        let is_whole = |key: &FileKey| casework.is_whole(*key) && is_read(key);
        let whole: Vec<FileKey> = self.parts.keys().copied().filter(is_whole).collect();
        for key in whole {
            let machines = self.parts.remove(&key).unwrap_or_default();
            let posted = key.bank.filter(|_| key.kind == FileKind::Postings);
            posted.into_iter().for_each(|bank| self.matcher.bank_file_is_here(bank, key.day));
            machines.into_iter().for_each(|(terminal, day)| self.matcher.journal_is_here(terminal, day));
        }
    }
}
