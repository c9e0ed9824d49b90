//! Files by their places: the parts of a day, the case of one that was refused, and one that is to be taken back.

use exchange::{Digest, FileKey};
use reconciliation::{Aspect, CaseId, LineId};
use serde::Serialize;

/// A day's file that comes in parts, those with a number among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Those that were taken.
    pub here: u32,
    /// As many as the most that was told of with one that is there; 1 where nothing was told of parts.
    pub wanted: u32,
}

impl Parts {
    /// None is missing: from here on the day is held against them.
    pub fn are_all_here(self) -> bool {
        self.here == self.wanted
    }
}

/// The case of a file that was refused, or was taken and can be read no more: one for its bytes, kind, bank, machine and day, whatever the part. Its line is none that
/// a file has.
pub fn file_case(digest: Digest, key: FileKey) -> CaseId {
    let place = serde_json::to_vec(&of_all_parts(key)).expect("a place has plain values");
    let line = Digest::of(&place).file() | 1 << 63;
    CaseId { of: LineId { file: digest.file(), line }, aspect: Aspect::Bank }
}

pub(super) fn of_all_parts(key: FileKey) -> FileKey {
    FileKey { part: 0, ..key }
}

/// A file that somebody wants to take back out of its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TakingBack {
    /// The act that proposed it: what a checker names.
    pub act: u64,
    /// Who: never who approves it.
    pub maker: String,
    /// Why.
    pub why: String,
}
