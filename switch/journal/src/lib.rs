//! The durable transaction log: records, segments, index, recovery.
//!
//! [`SegmentLog::open`] reads a log back and says what is open; [`Journal::append`] takes records and never waits;
//! [`LogEvent::Synced`] tells from when on they are durable; [`LogReader`] answers look-ups from any thread.

mod checkpoint;
mod codec;
mod direct;
mod error;
mod files;
mod filter;
mod fingerprint;
mod fold;
mod frame;
mod frames;
mod heads;
mod index;
mod indexer;
mod json;
mod log;
mod memory;
mod names;
mod offline;
mod pace;
mod reader;
mod recover;
mod runs;
#[cfg(test)]
mod samples;
mod scan;
mod scanned;
mod shared;
pub mod simulated;
mod storage;
mod syncer;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod wire;

use processor::{Found, Lookup, Position, Record};

pub use codec::{RECORD_BYTES_MAX, RECORD_VERSION};
pub use error::{AppendError, OpenError, ReadError};
pub use frames::{FrameWriter, decode_record, encode_record};
pub use heads::{SignedHead, SignedHeads};
pub use index::IndexError;
pub use json::record_json;
pub use log::{Cut, Options, Recovered, SegmentLog};
pub use offline::{FileScan, LogFiles, Wanted};
pub use reader::{LogReader, Told};
pub use scan::Scan;
pub use shared::LogEvent;
pub use verify::{Bad, Harm, Head, Report, verify};
pub use wire::{DecodeError, DecodeFault};

/// What the switch needs of a durable log, wherever it is kept.
pub trait Journal: Send {
    /// Takes the next record over, to be made durable; never waits for a disk. Every record that was taken comes back
    /// as [`LogEvent::Synced`], or [`LogEvent::Failed`] does.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was taken then.
    fn append(&mut self, position: Position, record: &Record) -> Result<(), AppendError>;

    /// What is appended from here on is made durable together, from [`Journal::submit`] on: whoever has more to append at
    /// once saves syncs. Records may be made durable before. Does nothing where a log has no use for it.
    fn gather(&mut self) {}

    /// Ends [`Journal::gather`]. Nothing that was gathered may be waited for before.
    fn submit(&mut self) {}

    /// So many records of any size will be taken for sure.
    fn room(&self) -> usize;
}

/// Look-ups in a log, from any thread.
pub trait Finder: Send + Sync {
    /// Answers a look-up, with a disk where it has to; `accounts` stays empty. It has seen every record below
    /// `as_of`, also those that are not durable yet.
    ///
    /// # Errors
    /// [`ReadError`]: the log cannot be read; no answer may be given then.
    fn find(&self, lookup: &Lookup) -> Result<Found, ReadError>;

    /// The same, from memory alone; `None` where memory cannot tell.
    fn find_quick(&self, lookup: &Lookup) -> Option<Found>;
}
