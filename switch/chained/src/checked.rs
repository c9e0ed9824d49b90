//! How far a file was read and checked, so that the next time begins there.

use std::fs::{File, Metadata};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;

use crate::{ChainError, ChainedFile, FIRST, Line, Link};

/// What was read and checked of a file.
///
/// What stands before the end of it is not read again while the file grows alone. Whoever changes a line there and lets the file grow in the same
/// moment is found by whoever reads it from the first line: the next start, and each command.
#[derive(Default, Debug)]
pub struct Checked {
    links: Vec<Link>,
    /// Bytes of whole lines; what a crash left of one more was told to nobody.
    bytes: u64,
    /// The last of those lines, with its end.
    last: Vec<u8>,
    seen: Option<Seen>,
    work: Work,
}

/// A file as it was when it was last read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    /// When it was last written to or renamed: seconds and nanoseconds. Nobody sets it back without the system's clock.
    changed_at: (i64, i64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Seen {
        Seen {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What is told of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told<L> {
    /// What was told before is void: it comes again from the first line.
    Anew,
    /// The next line.
    Line(L),
}

/// What reading has cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Work {
    /// Bytes read.
    pub bytes_read: u64,
    /// Lines checked against the chain.
    pub lines_checked: u64,
}

impl Checked {
    /// Lines that were checked.
    pub fn lines(&self) -> u64 {
        self.links.len() as u64
    }

    /// The last link, and the generation of K_log that made it.
    pub fn last_link(&self) -> ([u8; 32], u8) {
        self.links.last().copied().unwrap_or((FIRST, 0))
    }

    /// The link behind so many lines, and the generation of K_log that made it; `None` where there are fewer.
    pub fn link_behind(&self, lines: u64) -> Option<([u8; 32], u8)> {
        match lines.checked_sub(1) {
            None => Some((FIRST, 0)),
            Some(last) => self.links.get(usize::try_from(last).ok()?).copied(),
        }
    }

    /// What reading has cost so far.
    pub fn work(&self) -> Work {
        self.work
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets all, and says so where there was something.
    pub(crate) fn begin<L>(&mut self, mut take: impl FnMut(Told<L>)) {
        if self.bytes > 0 {
            take(Told::Anew);
        }
        *self = Checked { work: self.work, ..Checked::default() };
    }

    pub(crate) fn read_on<L: Line>(
        &mut self,
        of: &ChainedFile<L>,
        file: &mut File,
        mut take: impl FnMut(Told<L>),
    ) -> Result<(), ChainError> {
        let now = Seen::of(&file.metadata().map_err(|error| of.io(error))?);
        if self.seen == Some(now) {
            return Ok(());
        }
        let tail = if self.grew_alone(now) { self.tail(file).map_err(|error| of.io(error))? } else { None };
        let tail = match tail {
            Some(tail) => tail,
            None => {
                self.begin(&mut take);
                self.read_from(file, 0).map_err(|error| of.io(error))?
            }
        };
        // Only once all of it was checked: what is bad is found again the next time.
        self.seen = None;
        for line in tail.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            self.work.lines_checked += 1;
            let (read, link) = of.check(line, self.lines() + 1, self.last_link())?;
            self.follow(line, link);
            take(Told::Line(read));
        }
        self.seen = Some(now);
        Ok(())
    }

    /// A line that stands behind those that were checked.
    pub(crate) fn follow(&mut self, line: &[u8], link: Link) {
        self.links.push(link);
        self.bytes += line.len() as u64;
        self.last = line.to_vec();
    }

    /// The file as whoever has appended to it leaves it.
    pub(crate) fn see(&mut self, metadata: Option<&Metadata>) {
        self.seen = metadata.map(Seen::of);
    }

    /// What is known may stand as it was: the file is the same one and longer than it was, or its last reading has ended at a bad line.
    fn grew_alone(&self, now: Seen) -> bool {
        let grew = self.seen.is_none_or(|seen| {
            (seen.device, seen.inode) == (now.device, now.inode) && seen.bytes < now.bytes
        });
        self.bytes > 0 && grew && self.bytes <= now.bytes
    }

    /// What stands behind the last known line; nothing where another one stands in its place.
    fn tail(&mut self, file: &mut File) -> std::io::Result<Option<Vec<u8>>> {
        let last = self.last.len();
        let mut read = self.read_from(file, self.bytes - last as u64)?;
        Ok(read.starts_with(&self.last).then(|| read.split_off(last)))
    }

    fn read_from(&mut self, file: &mut File, from: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)?;
        self.work.bytes_read += bytes.len() as u64;
        Ok(bytes)
    }
}
