//! The ledger on disk: JSON, one line each, appended before anything is answered, read back at a start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::ledger::{BrokenLine, Header, LEDGER_VERSION, Ledger, Line};

/// A ledger file that is open for appending.
#[derive(Debug)]
pub struct LedgerFile {
    file: File,
    fsync: bool,
    buffer: Vec<u8>,
}

/// Why a ledger file cannot be used.
#[derive(Debug, Error)]
pub enum LedgerFileError {
    /// The file system said no.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// A whole line that is not one of a ledger's.
    #[error("{path}:{number}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// Another bank's, another currency's or another version's.
    #[error("{path}: the ledger is that of {found:?}, not of {expected:?}")]
    Other {
        /// The file.
        path: PathBuf,
        /// Its header.
        found: Header,
        /// What it has to be.
        expected: Header,
    },
}

impl LedgerFile {
    /// Opens the ledger of a bank, or begins one, and folds what it holds. A last line without its end was never
    /// answered for: it is cut off. With `fsync` every append reaches the disk before it returns.
    ///
    /// # Errors
    /// [`LedgerFileError`]; the file is then as it was.
    pub fn open(
        path: &Path,
        bank: &str,
        currency: u16,
        fsync: bool,
    ) -> Result<(LedgerFile, Ledger), LedgerFileError> {
        let io = |error| LedgerFileError::Io { path: path.to_owned(), error };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let expected = Header { version: LEDGER_VERSION, bank: bank.into(), currency };
        let ledger = fold(path, &text[..whole], &expected)?;
        file.set_len(whole as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let mut file = LedgerFile { file, fsync, buffer: Vec::new() };
        if whole == 0 {
            file.append(&[Line::Ledger(expected)]).map_err(io)?;
        }
        Ok((file, ledger))
    }

    /// Appends lines in one write.
    ///
    /// # Errors
    /// What the file system said: nothing may be answered any more.
    pub fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        self.buffer.clear();
        for line in lines {
            serde_json::to_writer(&mut self.buffer, line)?;
            self.buffer.push(b'\n');
        }
        self.file.write_all(&self.buffer)?;
        if self.fsync { self.file.sync_data() } else { Ok(()) }
    }
}

/// The lines of a ledger file, header included, without folding them. A last line without its end is left out.
///
/// # Errors
/// [`LedgerFileError`].
pub fn read_lines(path: &Path) -> Result<Vec<Line>, LedgerFileError> {
    let text = std::fs::read(path).map_err(|error| LedgerFileError::Io { path: path.to_owned(), error })?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    numbered(path, &text[..whole]).map(|line| line.map(|(_, line)| line)).collect()
}

fn fold(path: &Path, text: &[u8], expected: &Header) -> Result<Ledger, LedgerFileError> {
    let mut ledger = Ledger::default();
    for line in numbered(path, text) {
        match line? {
            (1, Line::Ledger(found)) if found == *expected => {}
            (1, Line::Ledger(found)) => {
                return Err(LedgerFileError::Other {
                    path: path.to_owned(),
                    found,
                    expected: expected.clone(),
                });
            }
            (1, _) => return Err(wrong(path, 1, "the first line is no header".to_owned())),
            (number, line) => {
                ledger.apply(&line).map_err(|error: BrokenLine| wrong(path, number, error.to_string()))?;
            }
        }
    }
    Ok(ledger)
}

fn numbered<'a>(
    path: &'a Path,
    text: &'a [u8],
) -> impl Iterator<Item = Result<(usize, Line), LedgerFileError>> + 'a {
    text.split_inclusive(|byte| *byte == b'\n').zip(1..).map(move |(line, number)| {
        match serde_json::from_slice(line) {
            Ok(line) => Ok((number, line)),
            Err(error) => Err(wrong(path, number, error.to_string())),
        }
    })
}

fn wrong(path: &Path, number: usize, reason: String) -> LedgerFileError {
    LedgerFileError::Line { path: path.to_owned(), number, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::ledger::{OPENING, Posting};
    use super::*;

    fn opened(account: &str, amount_minor: i64) -> Line {
        Line::Opened { at_ms: 1, postings: Posting::pair(OPENING, account, amount_minor) }
    }

    #[test]
    fn a_line_that_was_cut_is_dropped_and_writing_goes_on_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let (mut file, _) = LedgerFile::open(&path, "970418", 704, true).unwrap();
        file.append(&[opened("1", 50), opened("2", 70)]).unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (mut file, ledger) = LedgerFile::open(&path, "970418", 704, false).unwrap();
        assert_eq!((ledger.balance_minor("1"), ledger.balance_minor("2")), (Some(50), None));
        file.append(&[opened("3", 9)]).unwrap();
        let (_, ledger) = LedgerFile::open(&path, "970418", 704, false).unwrap();
        assert_eq!(ledger.balances().collect::<Vec<_>>(), [("1", 50), ("3", 9), (OPENING, -59)]);
        assert_eq!(read_lines(&path).unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_ledger_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let header = r#"{"line":"ledger","version":1,"bank":"970418","currency":704}"#;
        let one_sided = r#"{"line":"opened","at_ms":1,"postings":[{"account":"1","amount_minor":5}]}"#;
        for (text, says) in [
            ("{}\n".to_owned(), ":1: missing field"),
            (format!("{header}\n{header}\n"), ":2: a header in the middle"),
            (format!("{header}\n{one_sided}\n"), ":2: postings sum to 5"),
            (format!("{one_sided}\n"), ":1: the first line is no header"),
            (header.replace("970418", "970436") + "\n", "the ledger is that of"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let error = LedgerFile::open(&path, "970418", 704, false).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
