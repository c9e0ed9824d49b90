//! Sorts the lines of a file by pseudonym and line number in bounded memory: sorted runs on disk, then one merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::generation::create_private;
use crate::line::{Account, Action};
use crate::page::Key;

/// Runs of one sort. With a million lines each and 64 KiB of buffer at the merge: a billion lines in 64 MiB.
pub const RUNS_MAX: usize = 1_024;

/// Lines sorted in memory at once: 58 MB.
pub(crate) const LINES_IN_MEMORY_MAX: usize = 1 << 20;

const BUFFER_BYTES: usize = 1 << 16;

/// Key of 16, line of 8, action of 1, length of 1, account of 28.
const LINE_BYTES: usize = 54;

/// A line that can be taken. Sorts by citizen, then by its place in the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Line {
    pub(crate) key: Key,
    pub(crate) number: u64,
    pub(crate) account: Account,
    pub(crate) action: Action,
}

/// Takes lines in any order.
pub(crate) struct Sorter {
    dir: PathBuf,
    lines: Vec<Line>,
    lines_max: usize,
    runs: Vec<Run>,
}

/// Gives them back in order.
pub(crate) struct Sorted {
    memory: std::vec::IntoIter<Line>,
    heap: BinaryHeap<Reverse<(Line, usize)>>,
    runs: Vec<Run>,
}

/// A file of sorted lines, removed with its owner.
struct Run {
    path: PathBuf,
    reader: Option<BufReader<File>>,
}

impl Sorter {
    /// Runs are written into `dir`.
    pub(crate) fn new(dir: &Path, lines_max: usize) -> Sorter {
        Sorter { dir: dir.to_owned(), lines: Vec::new(), lines_max, runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, line: Line) -> Result<(), Error> {
        if self.lines.len() >= self.lines_max {
            self.spill()?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// Begins the merge.
    pub(crate) fn finish(mut self) -> Result<Sorted, Error> {
        if !self.runs.is_empty() {
            self.spill()?;
        }
        self.lines.sort_unstable();
        let mut sorted = Sorted { memory: self.lines.into_iter(), heap: BinaryHeap::new(), runs: self.runs };
        for index in 0..sorted.runs.len() {
            sorted.refill(index)?;
        }
        Ok(sorted)
    }

    fn spill(&mut self) -> Result<(), Error> {
        if self.runs.len() >= RUNS_MAX {
            return Err(Error::Lines);
        }
        self.lines.sort_unstable();
        let path = self.dir.join(format!("run-{:04}.tmp", self.runs.len()));
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, create_private(&path)?);
        self.runs.push(Run { path: path.clone(), reader: None });
        for line in &self.lines {
            file.write_all(&line.encode()).map_err(Error::io(&path))?;
        }
        file.flush().map_err(Error::io(&path))?;
        self.lines.clear();
        Ok(())
    }
}

impl Sorted {
    /// The next line in order.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Error> {
        if self.runs.is_empty() {
            return Ok(self.memory.next());
        }
        let Some(Reverse((line, run))) = self.heap.pop() else {
            return Ok(None);
        };
        self.refill(run)?;
        Ok(Some(line))
    }

    fn refill(&mut self, index: usize) -> Result<(), Error> {
        if let Some(line) = self.runs[index].next()? {
            self.heap.push(Reverse((line, index)));
        }
        Ok(())
    }
}

impl Run {
    fn next(&mut self) -> Result<Option<Line>, Error> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let file = File::open(&self.path).map_err(Error::io(&self.path))?;
                none.insert(BufReader::with_capacity(BUFFER_BYTES, file))
            }
        };
        let mut bytes = [0; LINE_BYTES];
        match reader.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(Error::io(&self.path)(error)),
        }
        let line = Line::decode(&bytes);
        line.map(Some)
            .ok_or_else(|| Error::damaged(&self.path, "a line of the sort is not as it was written"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // What stays behind is removed by the next import.
        let _removed = std::fs::remove_file(&self.path);
    }
}

impl Line {
    fn encode(&self) -> [u8; LINE_BYTES] {
        let mut bytes = [0; LINE_BYTES];
        bytes[..16].copy_from_slice(&self.key);
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24] = match self.action {
            Action::Link => 0,
            Action::Unlink => 1,
            Action::Default => 2,
            Action::Held { marked: false } => 3,
            Action::Held { marked: true } => 4,
        };
        let account = self.account.text().as_bytes();
        bytes[25] = account.len() as u8;
        bytes[26..26 + account.len()].copy_from_slice(account);
        bytes
    }

    fn decode(bytes: &[u8; LINE_BYTES]) -> Option<Line> {
        let action = match bytes[24] {
            0 => Action::Link,
            1 => Action::Unlink,
            2 => Action::Default,
            3 => Action::Held { marked: false },
            4 => Action::Held { marked: true },
            _ => return None,
        };
        Some(Line {
            key: *bytes.first_chunk()?,
            number: u64::from_le_bytes(*bytes[16..].first_chunk()?),
            account: Account::new(bytes[26..].get(..usize::from(bytes[25]))?)?,
            action,
        })
    }
}
