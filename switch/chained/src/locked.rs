//! Appending: one process at a time, and a line that is told as appended is durable.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{ChainError, ChainedFile, Checked, FIRST, Line, Told, chained, from_hex, to_hex};

/// Whoever else appends is waited for so long; then the line is refused. A line takes a sync, a full disk's longer ones included.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

/// The lock is looked at so often meanwhile.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(2);

/// A file that nobody else appends to while this is there.
pub struct Locked<'a, L> {
    of: &'a ChainedFile<L>,
    file: File,
}

/// Where the next line goes, and what it follows from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// The next line's number.
    pub number: u64,
    /// The link before it.
    pub link: [u8; 32],
    /// Bytes of whole lines: what a crash left behind them is taken away.
    pub bytes: u64,
}

impl<L: Line> ChainedFile<L> {
    /// Opens and locks the file for whoever appends; it is made, with its directory, where it is not there.
    ///
    /// # Errors
    /// [`ChainError::Io`], also where another process keeps it locked for longer than [`LOCK_WAIT_MAX`].
    pub fn lock(&self) -> Result<Locked<'_, L>, ChainError> {
        let dir = self.path().parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| self.io(error))?;
        let opened = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(self.path());
        let file = opened.map_err(|error| self.io(error))?;
        lock(&file).map_err(|error| self.io(error))?;
        Ok(Locked { of: self, file })
    }
}

fn lock(file: &File) -> std::io::Result<()> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_LOOK_EVERY),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::WouldBlock, "another process holds it locked"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

impl<L: Line> Locked<'_, L> {
    /// As [`ChainedFile::read_on`], and where the next line goes.
    ///
    /// # Errors
    /// As there.
    pub fn read_on(&mut self, checked: &mut Checked, take: impl FnMut(Told<L>)) -> Result<End, ChainError> {
        checked.read_on(self.of, &mut self.file, take)?;
        Ok(End { number: checked.lines(), link: checked.last_link().0, bytes: checked.bytes() })
    }

    /// Where the next line goes by the last line alone, which is believed: for who records what has happened whatever stands before it.
    ///
    /// # Errors
    /// [`ChainError`]; there is no last line to follow from.
    pub fn end(&mut self) -> Result<End, ChainError> {
        let (from, read) = self.last_bytes().map_err(|error| self.of.io(error))?;
        let behind = |bytes: &[u8]| match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => Ok(newline + 1),
            None if from == 0 => Ok(0),
            // What stands before it was not read: it is no beginning of the file.
            None => Err(self.of.bad_end("is longer than a line may be")),
        };
        let whole = behind(&read)?;
        let bytes = from + whole as u64;
        let Some((_, lines)) = read[..whole].split_last() else {
            return Ok(End { number: 0, link: FIRST, bytes });
        };
        let last = std::str::from_utf8(&lines[behind(lines)?..]).ok().and_then(L::read);
        let (last, digits) = last.ok_or_else(|| self.of.bad_end(L::NONE))?;
        let link = from_hex(&digits).ok_or_else(|| self.of.bad_end("has no link"))?;
        Ok(End { number: last.number() + 1, link, bytes })
    }

    /// What a crash or a full disk has left behind the last whole line: the next line takes it away.
    ///
    /// # Errors
    /// [`ChainError::Io`].
    pub fn torn(&mut self, end: End) -> Result<Vec<u8>, ChainError> {
        let mut torn = Vec::new();
        let read = self.file.seek(SeekFrom::Start(end.bytes)).and_then(|_| self.file.read_to_end(&mut torn));
        read.map(|_| torn).map_err(|error| self.of.io(error))
    }

    /// As much of the file as the last line may have, and a torn one behind it.
    fn last_bytes(&mut self) -> std::io::Result<(u64, Vec<u8>)> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let from = length.saturating_sub(2 * L::BYTES_MAX as u64);
        self.file.seek(SeekFrom::Start(from))?;
        let mut read = Vec::new();
        self.file.read_to_end(&mut read)?;
        Ok((from, read))
    }

    /// Appends a line and gives its link; it is durable when this returns, and known where there is somebody who has checked up to `end`.
    ///
    /// # Errors
    /// [`ChainError`]; it was not appended.
    pub fn append(
        &mut self,
        end: End,
        line: &L,
        checked: Option<&mut Checked>,
    ) -> Result<[u8; 32], ChainError> {
        let (text, link) = self.append_chained(end, std::slice::from_ref(line))?;
        if let Some(checked) = checked {
            checked.follow(text.as_bytes(), (link, self.of.keys().chaining_generation()));
            checked.see(self.file.metadata().ok().as_ref());
        }
        Ok(link)
    }

    /// Appends lines with one sync; they are durable when this returns. A crash may leave the first of them alone.
    ///
    /// # Errors
    /// [`ChainError`]; none was appended.
    pub fn append_all(&mut self, end: End, lines: &[L]) -> Result<(), ChainError> {
        self.append_chained(end, lines).map(drop)
    }

    /// Gives what was appended, and the last link.
    fn append_chained(&mut self, end: End, lines: &[L]) -> Result<(String, [u8; 32]), ChainError> {
        let mut text = String::new();
        let mut link = end.link;
        for line in lines {
            link = self.of.keys().chain(&link, &chained(line));
            let written = line.written(&to_hex(&link));
            if written.len() >= L::BYTES_MAX {
                return Err(self.of.bad(line.number() + 1, "would be longer than a line may be"));
            }
            text += &written;
            text.push('\n');
        }
        if let Err(error) = self.write(end.bytes, text.as_bytes()) {
            // It is told as not appended, and must not be read back.
            self.file.set_len(end.bytes).ok();
            return Err(self.of.io(error));
        }
        Ok((text, link))
    }

    fn write(&mut self, behind_bytes: u64, text: &[u8]) -> std::io::Result<()> {
        if self.file.metadata()?.len() > behind_bytes {
            self.file.set_len(behind_bytes)?;
        }
        self.file.write_all(text)?;
        self.file.sync_all()
    }

    /// Makes the file's own name durable: before the first line.
    ///
    /// # Errors
    /// [`ChainError::Io`].
    pub fn sync_dir(&self) -> Result<(), ChainError> {
        let dir = self.of.path().parent().unwrap_or(Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| self.of.io(error))
    }
}
