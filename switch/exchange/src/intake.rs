//! Which files were taken: the same one, or another for the same place, is refused.

use std::collections::BTreeMap;
use std::fmt;

use processor::{Day, Institution, TerminalId};
use reconciliation::Kind;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::reason::Reason;
use crate::refusal::Refusal;

/// SHA-256 of a file: what it is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// Its first eight bytes as a number: [`reconciliation::LineId::file`]. The first and the last number are taken, so that one digest in 2^63
    /// has its neighbour's.
    pub fn file(&self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().expect("32 bytes")).clamp(1, u64::MAX - 1)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let pair =
            |at: usize| text.get(at * 2..at * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..32).map(pair).collect();
        let bytes = bytes.filter(|_| text.len() == 64).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Digest).ok_or_else(|| "a digest has 64 hexadecimal digits".to_owned())
    }
}

/// What is in a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A bank core's postings.
    Postings,
    /// A machine's journal.
    Journal,
    /// Cash counters.
    Counters,
    /// What members say their totals are. Such a file fills no place: what it claims stands until the next claim.
    Totals,
}

/// The place that a file fills: there is one for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FileKey {
    /// What is in it.
    pub kind: FileKind,
    /// The bank, of postings.
    pub bank: Option<Institution>,
    /// The machine, of a journal of one machine.
    pub terminal: Option<TerminalId>,
    /// The business day.
    pub day: Day,
    /// Of several files for one day the number, from 1.
    pub part: u32,
}

impl FileKey {
    /// A bank is named of postings alone and a machine of journals alone: named elsewhere it would make another place of the same one.
    ///
    /// # Errors
    /// [`Refusal`] of what is named and does not belong there.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.kind {
            FileKind::Journal | FileKind::Counters | FileKind::Totals if self.bank.is_some() => {
                Err(Refusal::place("bank", Reason::BankNotWanted))
            }
            FileKind::Postings | FileKind::Counters | FileKind::Totals if self.terminal.is_some() => {
                Err(Refusal::place("terminal", Reason::TerminalNotWanted))
            }
            FileKind::Postings | FileKind::Journal | FileKind::Counters | FileKind::Totals => Ok(()),
        }
    }
}

/// The files that were taken.
///
/// One with lines is known by its bytes, whoever hands it in and for whatever place: taken again its lines would count twice. One without
/// lines has the bytes of every other one without: it is known among those of its kind, bank, machine and day.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Intake {
    with_lines: BTreeMap<Digest, FileKey>,
    by_key: BTreeMap<FileKey, Digest>,
}

impl Intake {
    /// Takes note of a file of so many lines.
    ///
    /// # Errors
    /// [`Refusal`] of kind [`Kind::DuplicateFile`]: it, or another for its place, was taken.
    pub fn take(&mut self, digest: Digest, key: FileKey, lines: u64) -> Result<(), Refusal> {
        self.check(digest, key, lines)?;
        if lines > 0 {
            self.with_lines.insert(digest, key);
        }
        self.by_key.insert(key, digest);
        Ok(())
    }

    /// As [`Intake::take`], noting nothing.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self, digest: Digest, key: FileKey, lines: u64) -> Result<(), Refusal> {
        let known = match lines {
            0 => self.of_day(key).find(|(_, known)| **known == digest).map(|(key, _)| key),
            _ => self.with_lines.get(&digest),
        };
        if let Some(known) = known {
            let reason = Reason::SameFile.of(&[&known.day, &known.part]);
            return Err(Refusal::whole(Kind::DuplicateFile, "file", "", reason));
        }
        if let Some(known) = self.by_key.get(&key) {
            let front: String = known.to_string().chars().take(12).collect();
            let reason = Reason::OtherFile.of(&[&key.day, &key.part, &format!("{front}…")]);
            return Err(Refusal::whole(Kind::DuplicateFile, "part", &key.part.to_string(), reason));
        }
        Ok(())
    }

    /// Of a file's kind, bank, machine and day all parts.
    fn of_day(&self, key: FileKey) -> impl Iterator<Item = (&FileKey, &Digest)> {
        let (first, last) = (FileKey { part: 0, ..key }, FileKey { part: u32::MAX, ..key });
        self.by_key.range(first..=last)
    }

    /// Which parts of a file's kind, bank, machine and day were taken, in order.
    pub fn parts(&self, key: FileKey) -> impl Iterator<Item = u32> {
        self.of_day(key).map(|(key, _)| key.part)
    }

    /// Forgets a file: its place is free, and it may be taken for another.
    pub fn give_back(&mut self, digest: Digest, key: FileKey) {
        self.by_key.retain(|known, taken| (*taken, *known) != (digest, key));
        self.with_lines.retain(|known, place| (*known, *place) != (digest, key));
    }

    /// What was taken, by place.
    pub fn files(&self) -> impl Iterator<Item = (&FileKey, &Digest)> {
        self.by_key.iter()
    }
}
