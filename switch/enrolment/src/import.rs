//! An import: a bank's file, whole or of changes, made into the next generation.

use std::fs;
use std::io::BufRead;
use std::path::Path;

use credential::{CitizenNumber, Pseudonym};
use processor::Institution;

use crate::Error;
use crate::directory::{Lock, open_for_import, publish};
use crate::entry::{BANKS_MAX, BODY_BYTES_MAX, Effect, Entry, survey};
use crate::generation::{Cursor, Generation, Writer};
use crate::line::{self, Account, Action, LINE_BYTES_MAX, Problem};
use crate::page::Key;
use crate::sort::{LINES_IN_MEMORY_MAX, Line, Sorted, Sorter};

/// So many rejected lines are listed; the others are counted.
pub const REJECTED_LISTED_MAX: usize = 1_000;

/// Lines of a whole file for one citizen: beyond it they are rejected. Four times what a citizen can have.
pub const LINES_OF_CITIZEN_MAX: usize = 4 * processor::ACCOUNTS_MAX;

/// Progress is told once in so many lines or citizens.
const PROGRESS_EVERY: u64 = 1 << 16;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// All accounts of the bank, `citizen_number,account,default`: what is not in it is unlinked. A citizen whose line
    /// is rejected so loses the account; a strict import refuses the file instead.
    Whole,
    /// `action,citizen_number,account` with `link`, `unlink` or `default`, applied in the file's order.
    Changes,
}

/// How a file is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What the file is.
    pub mode: Mode,
    /// One rejected line refuses all.
    pub strict: bool,
    /// Lines that the file must have, heading and empty ones not counted: shows that it was not cut between two lines.
    pub lines_expected: Option<u64>,
}

/// Told while an import runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// So many lines are read.
    Read {
        /// Lines.
        lines: u64,
    },
    /// So many citizens are written.
    Merged {
        /// Citizens.
        citizens: u64,
    },
    /// The next generation is on the disk, under a name of its own.
    Written,
    /// It has its name.
    Named,
    /// It is current.
    Current,
}

/// What an import has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// The generation that is current now.
    pub generation: u64,
    /// Lines read, heading and empty ones not counted.
    pub lines: u64,
    /// Accounts linked that were not before.
    pub linked: u64,
    /// Accounts unlinked.
    pub unlinked: u64,
    /// Defaults that a line has moved to another account.
    pub changed: u64,
    /// Rejected lines with their numbers, from 1; the first [`REJECTED_LISTED_MAX`] that were found, by number.
    pub rejected: Vec<(u64, Problem)>,
    /// How many were rejected.
    pub rejected_count: u64,
}

impl Report {
    fn reject(&mut self, line: u64, problem: Problem) {
        self.rejected_count += 1;
        if self.rejected.len() < REJECTED_LISTED_MAX {
            self.rejected.push((line, problem));
        }
    }

    fn count(&mut self, effect: Effect) {
        self.linked += effect.linked;
        self.unlinked += effect.unlinked;
        self.changed += effect.changed;
    }

    fn sorted(mut self) -> Report {
        self.rejected.sort_unstable_by_key(|(line, _)| *line);
        self
    }
}

/// Takes a bank's file into the directory, which is made where there is none. Lines are CSV without quotes, ended by
/// LF or CRLF; a heading with the columns' names may stand first; empty lines are passed over. A bank that knows a
/// citizen by an old number of 9 digits adds a column with the 12.
///
/// Readers see all of it or nothing, also after a crash. Memory: 58 MB for the sort and at most 64 MB for its merge, 8
/// bytes for each 4 KiB of both generations. Disk: 54 bytes a line, and a second generation.
///
/// # Errors
/// [`enum@Error`]; whatever it is, the directory stays as it was.
pub fn import(
    dir: &Path,
    bank: Institution,
    reader: impl BufRead,
    options: Options,
    pseudonym: impl Fn(&CitizenNumber) -> Pseudonym,
    progress: impl FnMut(Progress),
) -> Result<Report, Error> {
    import_in_memory_of(LINES_IN_MEMORY_MAX, dir, bank, reader, options, pseudonym, progress)
}

pub(crate) fn import_in_memory_of(
    lines_in_memory_max: usize,
    dir: &Path,
    bank: Institution,
    reader: impl BufRead,
    options: Options,
    pseudonym: impl Fn(&CitizenNumber) -> Pseudonym,
    mut progress: impl FnMut(Progress),
) -> Result<Report, Error> {
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let lock = Lock::take(dir)?;
    let current = open_for_import(dir, &lock)?;
    let mut banks = current.banks().to_vec();
    if !banks.contains(&bank) {
        banks.push(bank);
    }
    if banks.len() > BANKS_MAX {
        return Err(Error::Banks);
    }
    let bank = banks.iter().position(|known| *known == bank).unwrap_or_default() as u8;

    let mut report = Report { generation: current.number(), ..Report::default() };
    let mut sorter = Sorter::new(dir, lines_in_memory_max);
    read_lines(reader, options.mode, pseudonym, &mut sorter, &mut report, &mut progress)?;
    if let Some(expected) = options.lines_expected.filter(|expected| *expected != report.lines) {
        return Err(Error::Count { expected, found: report.lines });
    }
    if options.strict && report.rejected_count > 0 {
        return Err(Error::Refused(Box::new(report.sorted())));
    }
    if report.rejected_count == report.lines {
        return match options.mode {
            Mode::Whole => Err(Error::Empty(Box::new(report.sorted()))),
            Mode::Changes => Ok(report.sorted()),
        };
    }
    let next = current.number() + 1;
    let mut merge = Merge { current: &current, mode: options.mode, bank, report };
    let mut sorted = sorter.finish()?;
    let write = |writer: &mut Writer, progress: &mut dyn FnMut(Progress)| {
        merge.write(&mut sorted, writer, progress)?;
        match options.strict && merge.report.rejected_count > 0 {
            true => Err(Error::Refused(Box::new(std::mem::take(&mut merge.report).sorted()))),
            false => Ok(()),
        }
    };
    publish(dir, next, &banks, write, &mut progress)?;
    Ok(Report { generation: next, ..merge.report.sorted() })
}

fn read_lines(
    mut reader: impl BufRead,
    mode: Mode,
    pseudonym: impl Fn(&CitizenNumber) -> Pseudonym,
    sorter: &mut Sorter,
    report: &mut Report,
    progress: &mut impl FnMut(Progress),
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    for number in 1.. {
        let read = |source| Error::Read { line: number, source };
        let ended = read_line(&mut reader, &mut bytes).map_err(read)?;
        let line = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            match ended {
                true => continue,
                false => break,
            }
        }
        if number == 1 && ended && line::is_heading(mode, line) {
            continue;
        }
        report.lines += 1;
        let parsed = match ended {
            _ if bytes.len() > LINE_BYTES_MAX => Err(Problem::TooLong),
            true => line::parse(mode, line),
            false => Err(Problem::Cut),
        };
        match parsed {
            Ok((citizen, account, action)) => {
                sorter.push(Line { key: pseudonym(&citizen).0, number, account, action })?;
            }
            Err(problem) => report.reject(number, problem),
        }
        if report.lines.is_multiple_of(PROGRESS_EVERY) {
            progress(Progress::Read { lines: report.lines });
        }
    }
    progress(Progress::Read { lines: report.lines });
    Ok(())
}

/// Reads a line without its LF, and no more than one byte above [`LINE_BYTES_MAX`] of it. `false` when the file ends
/// without an LF.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let bytes_max = LINE_BYTES_MAX as u64 + 1;
    std::io::Read::take(&mut *reader, bytes_max).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(true);
    }
    if line.len() as u64 == bytes_max {
        reader.skip_until(b'\n')?;
        return Ok(true);
    }
    Ok(false)
}

/// The current generation and the sorted lines, walked together.
struct Merge<'g> {
    current: &'g Generation,
    mode: Mode,
    bank: u8,
    report: Report,
}

impl Merge<'_> {
    fn write(
        &mut self,
        lines: &mut Sorted,
        writer: &mut Writer,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let mut cursor = Cursor::new(self.current);
        let mut line = lines.next()?;
        let mut citizens: u64 = 0;
        let mut body = Vec::with_capacity(BODY_BYTES_MAX);
        loop {
            let held = cursor.peek()?;
            let key = match (held, line) {
                (None, None) => return Ok(()),
                (Some((key, _)), None) => *key,
                (None, Some(line)) => line.key,
                (Some((key, _)), Some(line)) => (*key).min(line.key),
            };
            let held = held.filter(|(here, _)| **here == key).map(|(_, body)| body);
            let named = line.is_some_and(|line| line.key == key);
            if let Some(held) = held
                && !named
                && let Some((accounts, of_bank)) = survey(held, self.bank)
                && (self.mode == Mode::Changes || !of_bank)
            {
                writer.push(&key, held, accounts)?;
            } else {
                let entry = held.map_or(Some(Entry::default()), Entry::decode);
                let mut entry = entry.ok_or_else(|| self.current.nonsense(cursor.page_number()))?;
                match self.mode {
                    Mode::Whole => self.whole(&key, &mut entry, &mut line, lines)?,
                    Mode::Changes => self.changes(&key, &mut entry, &mut line, lines)?,
                }
                if !entry.0.is_empty() {
                    body.clear();
                    entry.encode(&mut body);
                    writer.push(&key, &body, entry.0.len() as u64)?;
                }
            }
            if cursor.peek()?.is_some_and(|(here, _)| *here == key) {
                cursor.advance();
            }
            citizens += 1;
            if citizens.is_multiple_of(PROGRESS_EVERY) {
                progress(Progress::Merged { citizens });
            }
        }
    }

    fn whole(
        &mut self,
        key: &Key,
        entry: &mut Entry,
        line: &mut Option<Line>,
        lines: &mut Sorted,
    ) -> Result<(), Error> {
        let mut named: Vec<(u64, Account, bool)> = Vec::new();
        while let Some(Line { number, account, action, .. }) = line.filter(|line| line.key == *key) {
            if named.len() >= LINES_OF_CITIZEN_MAX {
                self.report.reject(number, Problem::TooManyLines);
            } else {
                named.push((number, account, action == Action::Held { marked: true }));
            }
            *line = lines.next()?;
        }
        let report = &mut self.report;
        let effect = entry.replace(self.bank, &named, |number, problem| report.reject(number, problem));
        self.report.count(effect);
        Ok(())
    }

    fn changes(
        &mut self,
        key: &Key,
        entry: &mut Entry,
        line: &mut Option<Line>,
        lines: &mut Sorted,
    ) -> Result<(), Error> {
        while let Some(Line { number, account, action, .. }) = line.filter(|line| line.key == *key) {
            match entry.change(self.bank, account, action) {
                Ok(effect) => self.report.count(effect),
                Err(problem) => self.report.reject(number, problem),
            }
            *line = lines.next()?;
        }
        Ok(())
    }
}
