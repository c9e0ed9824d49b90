//! Files of lines that are only appended to, each line chained to the one before it under K_log: appended, checked, read on from where one stopped.
//!
//! What a line is, its own file says ([`Line`], [`SelfLinked`]). A [`ChainedFile`] reads it whole, or goes on with what it has [`Checked`]; whoever appends has it
//! [`Locked`].

mod checked;
mod locked;
mod self_linked;

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use keys::DataKeys;
use mutant::Mutant;

pub use checked::{Checked, Told, Work};
pub use locked::{End, LOCK_WAIT_MAX, Locked};
pub use self_linked::SelfLinked;

/// The link in front of the first line.
pub const FIRST: [u8; 32] = [0; 32];

/// A line of a kind of file.
pub trait Line: Sized {
    /// Stands in front of a line where it is chained, so that no link of another file is one of this.
    const CHAINED: &'static [u8];
    /// Bytes of one line with its end; one that would have more is refused.
    const BYTES_MAX: usize;
    /// What is said of a line that is none.
    const NONE: &'static str;

    /// Its place, from 0 without gaps.
    fn number(&self) -> u64;

    /// What is chained of it: all but its link.
    fn bare(&self) -> String;

    /// As it stands in the file behind this link's digits, without its end.
    fn written(&self, link: &str) -> String;

    /// Reads it with its link's digits.
    fn read(line: &str) -> Option<(Self, String)>;
}

/// Why a file cannot be read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The system's own.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line that is not what was written.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// No line can be appended behind the last one.
    #[error("{}: its last line {reason}", path.display())]
    End {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A link, and the generation of K_log that made it: none is older than the one before it.
pub(crate) type Link = ([u8; 32], u8);

/// A file of chained lines. Several processes may append to it.
pub struct ChainedFile<L> {
    path: PathBuf,
    keys: DataKeys,
    lines: PhantomData<fn() -> L>,
}

impl<L> Clone for ChainedFile<L> {
    fn clone(&self) -> ChainedFile<L> {
        ChainedFile { path: self.path.clone(), keys: self.keys.clone(), lines: PhantomData }
    }
}

impl<L> std::fmt::Debug for ChainedFile<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChainedFile({})", self.path.display())
    }
}

impl<L: Line> ChainedFile<L> {
    /// A file at this path; nothing is opened yet.
    pub fn new(path: PathBuf, keys: DataKeys) -> ChainedFile<L> {
        ChainedFile { path, keys, lines: PhantomData }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys that chain it.
    pub fn keys(&self) -> &DataKeys {
        &self.keys
    }

    /// Every line, checked from the first on. Without a file there is none; what a crash left of a line was told to nobody and is none.
    ///
    /// # Errors
    /// [`ChainError::Line`] names the first line that is not what was written.
    pub fn read(&self) -> Result<Vec<L>, ChainError> {
        let mut lines = Vec::new();
        self.read_on(&mut Checked::default(), |told| match told {
            Told::Anew => lines.clear(),
            Told::Line(line) => lines.push(line),
        })?;
        Ok(lines)
    }

    /// Reads and checks what has come since the last time, and gives it line by line. A file that is another one, that has shrunk, was written to without
    /// growing, or whose last known line is another, is read from the first line: [`Told::Anew`] comes before it.
    ///
    /// # Errors
    /// [`ChainError`]; the lines before the bad one were given, and the next time begins with the bad one.
    pub fn read_on(&self, checked: &mut Checked, take: impl FnMut(Told<L>)) -> Result<(), ChainError> {
        match File::open(&self.path) {
            Ok(mut file) => checked.read_on(self, &mut file, take),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                checked.begin(take);
                Ok(())
            }
            Err(error) => Err(self.io(error)),
        }
    }

    /// Checks a line against its place, the link before it and the generation that made that.
    pub(crate) fn check(&self, line: &[u8], place: u64, before: Link) -> Result<(L, Link), ChainError> {
        let text = std::str::from_utf8(line).ok().map(|text| text.trim_end_matches('\n'));
        let read = text.and_then(|text| Some((text, L::read(text)?)));
        let (text, (line, digits)) = read.ok_or_else(|| self.bad(place, L::NONE))?;
        if line.number() + 1 != place {
            return Err(self.bad(place, "has another number than its place: lines are gone or were moved"));
        }
        let (before, least) = before;
        let chained = chained(&line);
        let told = from_hex(&digits).filter(|_| line.written(&digits) == text);
        let chained_by = |told: &[u8; 32]| self.keys.chained_by(least, &before, &chained, told);
        let followed = told.and_then(|told| Some((told, chained_by(&told)?)));
        let followed = followed.or(told.filter(|_| mutant::is(Mutant::AuditChainUnchecked)).zip(Some(least)));
        let link = followed
            .ok_or_else(|| self.bad(place, "does not follow from the line before it: it was changed"))?;
        Ok((line, link))
    }

    pub(crate) fn io(&self, error: io::Error) -> ChainError {
        ChainError::Io { path: self.path.clone(), error }
    }

    pub(crate) fn bad_end(&self, reason: &'static str) -> ChainError {
        ChainError::End { path: self.path.clone(), reason }
    }

    /// What is wrong with a line, from 1.
    pub fn bad(&self, line: u64, reason: &'static str) -> ChainError {
        ChainError::Line { path: self.path.clone(), line, reason }
    }
}

pub(crate) fn chained<L: Line>(line: &L) -> Vec<u8> {
    [L::CHAINED, line.bare().as_bytes()].concat()
}

/// 64 hex digits, in digits and small letters: a link has one spelling.
pub fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_hex = digits.len() == 64 && digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)).filter(|_| is_hex) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    is_hex.then_some(bytes)
}

/// A link's digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
