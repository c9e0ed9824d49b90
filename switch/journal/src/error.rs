//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

use processor::{BrokenSequence, Position, TxKey};
use thiserror::Error;

use crate::index::IndexError;
use crate::wire::{DecodeError, DecodeFault};

/// Why a record was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum AppendError {
    /// Too much waits for the disk, or the disk is full: later, or not at all.
    #[error("the log takes no more at the moment")]
    Full,
    /// A first record under a key that has one: a repeat must not be executed.
    #[error("transaction {0} is in the log already")]
    KeyKnown(TxKey),
    /// Processor and log count differently: a broken invariant.
    #[error("record {position} was handed in where {next} is next")]
    NotNext {
        /// As handed in.
        position: Position,
        /// As it would have to be.
        next: Position,
    },
    /// Longer than a record may be.
    #[error("{field} is longer than the log can hold")]
    TooLong {
        /// The field, or `record`.
        field: &'static str,
    },
    /// A write or sync has failed, or the log is closed.
    #[error("the log has failed and takes nothing more")]
    Failed,
}

/// Why a log was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0}: the log is in use by another process")]
    InUse(PathBuf),
    /// The configured size is out of bounds.
    #[error("segments of {0} bytes are out of bounds")]
    SegmentBytes(u64),
    /// A record that was synced is damaged, out of order or gone. The log is left as it is.
    #[error("{path}, byte {offset}: record {position} was synced and cannot be read: {reason}")]
    Damaged {
        /// The first record that is bad.
        position: Position,
        /// Its segment.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record whose checksum and chain are right does not read: another program or key has written it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index can neither be opened nor made anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A record that no rule of the lifecycle allows where it stands.
    #[error("record {position}: {broken}")]
    Sequence {
        /// The record.
        position: Position,
        /// What is wrong.
        broken: BrokenSequence,
    },
    /// The disk's own error.
    #[error("{path}: {error}")]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl OpenError {
    pub(crate) fn damaged(position: Position, path: &Path, offset: usize, reason: &str) -> OpenError {
        OpenError::Damaged {
            position,
            path: path.to_owned(),
            offset: offset as u64,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), error }
    }
}

/// Why a look-up has no answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A record that is durable cannot be read back.
    #[error("record {position}: {reason}")]
    Damaged {
        /// The record.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
    /// What is personal in it was sealed with a key that is not at hand: that says nothing about the record.
    #[error("record {position}: the key file has no data.k_enc of generation {generation}")]
    NoKey {
        /// The record.
        position: Position,
        /// The key's generation.
        generation: u8,
    },
    /// The index cannot be asked; the next start builds it anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The disk's own error.
    #[error("{path}: {error}")]
    Io {
        /// File or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl From<DecodeError> for ReadError {
    fn from(error: DecodeError) -> ReadError {
        let DecodeError { position, field, fault } = error;
        match fault {
            DecodeFault::NoKey(generation) => ReadError::NoKey { position, generation },
            fault => ReadError::Damaged { position, reason: format!("{field}: {fault}") },
        }
    }
}
