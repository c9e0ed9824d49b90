//! The whole log checked from its first record on: checksums, positions, chain, seals, lifecycle.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use keys::DataKeys;
use mutant::Mutant;
use processor::{Position, TxKey};

use crate::checkpoint::Checkpoint;
use crate::codec::Unseal;
use crate::error::{OpenError, ReadError};
use crate::files::Files;
use crate::fold::{Fold, FoldError, Placed};
use crate::frame::{self, Next};
use crate::heads::Vouching;
use crate::json::hex;
use crate::log::Cut;
use crate::names::Place;
use crate::reader::{read_record, tell_places};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, Shelf, read_segment_head};
use crate::walk::{Walked, walk};

/// A log's length and its chain's head. Kept elsewhere, it shows later that nothing in front of it was changed or cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many records.
    pub records: Position,
    /// The chain's link behind the last of them.
    pub link: [u8; 32],
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.records, hex(&self.link))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        let parsed = text.split_once(':').and_then(|(records, link)| {
            let key = keys::Key::from_hex(link)?;
            Some(Head { records: records.parse().ok()?, link: *key.bytes() })
        });
        parsed.ok_or_else(|| format!("`{text}` is not a head; it is a number, a colon and 64 hex digits"))
    }
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Length and head of what is good.
    pub head: Head,
    /// How many of each kind are good.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Transactions that are not at their end.
    pub open: u64,
    /// Transactions that wait for a person, open or not; as many as are listed.
    pub suspense: u64,
    /// What a start would cut, because it was never synced.
    pub tail: Option<Cut>,
    /// So many records are those that a kept head vouches for; 0 where none was reached.
    pub vouched_records: Position,
    /// The first bad record. Nothing behind it was looked at.
    pub bad: Option<Bad>,
}

/// The first bad record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Which. Of [`Harm::Replaced`] the first that may be another.
    pub position: Position,
    /// What has happened, as far as can be told.
    pub harm: Harm,
    /// The segment that it stands in, or should; the directory where there is none.
    pub path: PathBuf,
    /// What is wrong.
    pub reason: String,
}

/// What can happen to a log, as far as it can be told from what is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Harm {
    /// Bytes of the record, or of the head of its segment, are other ones.
    Changed,
    /// A whole record stands there that says that it belongs elsewhere.
    Moved,
    /// Nothing stands there, and records behind it are left.
    Gone,
    /// The log ends in front of it, though the log's own files know that it was durable.
    Cut,
    /// The log ends in front of it, and all that is left agrees: only a head that was kept elsewhere knows more. An earlier
    /// copy was put back, or the log was cut with all that its own files knew.
    RolledBack,
    /// Records follow each other up to the head and are not those that it vouches for: an earlier copy was put back and
    /// gone on with, or somebody with K_log has written them anew.
    Replaced,
}

impl Harm {
    /// In one word, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Harm::Changed => "changed",
            Harm::Moved => "moved",
            Harm::Gone => "gone",
            Harm::Cut => "cut",
            Harm::RolledBack => "rolled_back",
            Harm::Replaced => "replaced",
        }
    }
}

/// Checks a log from its files alone, also beside a switch that is running. It keeps some 100 bytes of memory for each
/// transaction. `kept` are heads that were kept elsewhere: the log has to hold each of them.
///
/// # Errors
/// [`OpenError::Io`] when the directory cannot be read, [`ReadError::NoKey`] when a record was sealed with a key that is not
/// among `keys`. What is wrong with the log itself stands in the report.
pub fn verify(dir: &Path, keys: &DataKeys, kept: &[Head]) -> Result<Report, OpenError> {
    let io = |error| OpenError::io(dir, error);
    let directory = Directory::new(dir, 0);
    let bases = directory.bases().map_err(io)?;
    let checkpoint = Checkpoint::newest(&directory, keys).map_err(io)?;
    let of_checkpoint = checkpoint.map(|it| Head { records: it.next, link: it.link });
    // What the log itself knows to have been durable.
    let own = of_checkpoint.map_or(0, |head| head.records).max(directory.noted_synced());
    let heads = Vouching::new(kept, of_checkpoint);
    let vouched = heads.longest.max(own);
    let mut check = Check {
        keys,
        files: Files::new(Arc::new(directory.clone()), bases.clone()),
        heads,
        generation: 0,
        fold: Fold::default(),
        report: Report {
            head: Head { records: 0, link: frame::genesis(keys) },
            kinds: BTreeMap::new(),
            open: 0,
            suspense: 0,
            tail: None,
            vouched_records: 0,
            bad: None,
        },
    };
    check.compare_heads(dir);
    for (index, base) in bases.iter().copied().enumerate() {
        check.segment(&directory.segment(base), base, bases.get(index + 1).copied(), vouched)?;
        if check.report.bad.is_some() {
            break;
        }
    }
    let is_short = check.report.head.records < vouched && !mutant::is(Mutant::CutLogTaken);
    if check.report.bad.is_none() && is_short {
        let (harm, reason) = if check.report.head.records < own {
            (Harm::Cut, "the log ends before it, though it was durable")
        } else {
            (Harm::RolledBack, "the log ends before it, though a head that was kept elsewhere vouches for it")
        };
        check.bad(dir, harm, reason.to_owned());
    }
    let Check { fold, mut report, heads, .. } = check;
    report.vouched_records = heads.matched;
    report.open = fold.open.len() as u64;
    report.suspense = fold.standing.suspended.len() as u64;
    Ok(report)
}

struct Check<'a> {
    keys: &'a DataKeys,
    files: Files,
    /// What the chain has to hold.
    heads: Vouching,
    /// The generation of K_log of the last record that follows.
    generation: u8,
    fold: Fold,
    report: Report,
}

impl Check<'_> {
    fn segment(
        &mut self,
        path: &Path,
        base: Position,
        following: Option<Position>,
        vouched: Position,
    ) -> Result<(), OpenError> {
        if base != self.report.head.records {
            self.bad(path, Harm::Gone, "the segment that it stood in is gone".to_owned());
            return Ok(());
        }
        let bytes = fs::read(path).map_err(|error| OpenError::io(path, error))?;
        let walked = walk(&bytes, base, following, (&self.report.head.link, self.generation), self.keys);
        self.generation = walked.generation;
        self.records(path, base, &bytes, &walked)?;
        if self.report.bad.is_some() {
            return Ok(());
        }
        if let Some(reason) = walked.broken {
            let known = frame::highest_synced(&bytes[walked.end..], walked.next).max(walked.synced);
            if walked.next < known.max(vouched) || following.is_some() || walked.is_keyless {
                let (harm, reason) = match walked.end {
                    0 => harm_to_head(&bytes, base, reason),
                    end => harm(&bytes[end..], walked.next, reason),
                };
                self.bad(path, harm, reason);
            } else {
                self.report.tail = Some(Cut { position: walked.next, reason: reason.to_owned() });
            }
        }
        Ok(())
    }

    fn records(
        &mut self,
        path: &Path,
        base: Position,
        bytes: &[u8],
        walked: &Walked,
    ) -> Result<(), OpenError> {
        let mut offset = SEGMENT_HEAD_BYTES;
        for (position, length) in (base..).zip(&walked.frames) {
            let frame = &bytes[offset..offset + *length as usize];
            let place = Place { position, offset: offset as u32 };
            if let Err(reason) = self.record(place, frame)? {
                self.bad(path, Harm::Changed, reason);
                return Ok(());
            }
            self.compare_heads(path);
            if self.report.bad.is_some() {
                return Ok(());
            }
            offset += frame.len();
        }
        Ok(())
    }

    /// Adds a record, or tells what is bad about it.
    fn record(&mut self, place: Place, bytes: &[u8]) -> Result<Result<(), String>, OpenError> {
        let record = match read_record(bytes, place.position, Unseal::Open(self.keys)) {
            Ok(record) => record,
            Err(error @ ReadError::NoKey { .. }) => return Err(error.into()),
            Err(ReadError::Damaged { reason, .. }) => return Ok(Err(reason)),
            Err(other) => return Ok(Err(other.to_string())),
        };
        let files = &self.files;
        let earlier = |key: &TxKey, places: &[Place]| -> Result<Option<Placed>, ReadError> {
            tell_places(key, places, |place| files.frame(place), Unseal::Leave)
        };
        if let Err(error) = self.fold.apply(place, &record, earlier) {
            return Ok(Err(match error {
                FoldError::Broken(broken) => broken.to_string(),
                FoldError::Earlier(error) => error.to_string(),
            }));
        }
        // The walk has found that it follows.
        self.report.head = Head { records: place.position + 1, link: frame::link(bytes) };
        *self.report.kinds.entry(record.body.name()).or_default() += 1;
        Ok(Ok(()))
    }

    /// Where a head that was kept is reached, the chain has to be the same.
    fn compare_heads(&mut self, path: &Path) {
        let now = self.report.head;
        if self.heads.contradicts(now) {
            let last = now.records.saturating_sub(1);
            let position = self.heads.matched.min(last);
            let reason = format!("of the records from it to {last} one is not what a kept head vouches for");
            self.report.bad = Some(Bad { position, harm: Harm::Replaced, path: path.to_owned(), reason });
        }
    }

    fn bad(&mut self, path: &Path, harm: Harm, reason: String) {
        let position = self.report.head.records;
        self.report.bad = Some(Bad { position, harm, path: path.to_owned(), reason });
    }
}

/// What has happened to the head of the segment that begins at `base`.
fn harm_to_head(bytes: &[u8], base: Position, reason: &str) -> (Harm, String) {
    let claimed = bytes.get(12..20).and_then(<[u8]>::first_chunk).copied().map(Position::from_be_bytes);
    match claimed.filter(|claimed| *claimed != base && read_segment_head(bytes, *claimed).is_some()) {
        Some(claimed) => (Harm::Moved, format!("the segment from record {claimed} on stands in its place")),
        None => (Harm::Changed, reason.to_owned()),
    }
}

/// What has happened to the record that should stand in front of `bytes`.
fn harm(bytes: &[u8], position: Position, reason: &str) -> (Harm, String) {
    match frame::read(bytes) {
        Next::Frame(frame) if frame.position() != position => {
            (Harm::Moved, format!("record {} stands in its place", frame.position()))
        }
        Next::Blank => (Harm::Gone, reason.to_owned()),
        Next::Frame(_) | Next::Broken(_) => (Harm::Changed, reason.to_owned()),
    }
}
