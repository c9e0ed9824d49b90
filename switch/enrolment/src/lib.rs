//! Which citizen has which account at which bank, as a directory on disk.
//!
//! The directory holds one *generation*: a file sorted by pseudonym, in pages of 4 KiB that each carry a checksum, with
//! the first key of every page in memory (5 MB for 73 million citizens). A look-up is a binary search there and one
//! read of one page. An import writes the next generation beside it and swaps the name in `CURRENT`; readers go on with
//! the file they hold until they [`Enrolment::refresh`]. The citizen number stands nowhere: keys are pseudonyms.
//!
//! Every citizen with an account has exactly one default over all banks:
//! - A mark sets it: a line of a change file with `default`, or a line of a whole file with default 1 for an account
//!   that the bank's file before had not marked. The mark imported last wins, over all banks. A whole file that marks
//!   what was marked already moves nothing, so that a bank's nightly file takes no citizen's choice away.
//! - Where nobody has marked one, and where the default is unlinked, it is the account that was linked first.

mod directory;
mod entry;
mod generation;
mod import;
mod line;
mod page;
mod sort;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use directory::Enrolment;
pub use entry::BANKS_MAX;
pub use import::{LINES_OF_CITIZEN_MAX, Mode, Options, Progress, REJECTED_LISTED_MAX, Report, import};
pub use line::{ACCOUNT_BYTES_MAX, LINE_BYTES_MAX, Problem};
pub use sort::RUNS_MAX;

/// Why the directory cannot be read, or an import was not taken. Never holds a citizen number or an account.
#[derive(Debug, Error)]
pub enum Error {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file is not as it was written.
    #[error("{path}: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with its place.
        what: String,
    },
    /// There is no directory here: nothing was ever imported.
    #[error("{0}: no enrolment here; import a bank's file first")]
    Missing(PathBuf),
    /// Another import is at work.
    #[error("{0}: another import is at work")]
    Busy(PathBuf),
    /// The file handed in could not be read on.
    #[error("line {line}: {source}")]
    Read {
        /// The line, from 1.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Lines were rejected, and the import was strict: nothing is taken.
    #[error("{} lines are rejected, and nothing is taken", .0.rejected_count)]
    Refused(Box<Report>),
    /// A whole file without one good line would unlink everybody.
    #[error("no line of the whole file can be taken ({} are rejected); this would unlink everybody", .0.rejected_count)]
    Empty(Box<Report>),
    /// The file has another number of lines than it was said to have.
    #[error("the file has {found} lines, not {expected}: nothing is taken")]
    Count {
        /// Said before.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// [`BANKS_MAX`] banks are in the directory already.
    #[error("the directory takes no more than {BANKS_MAX} banks")]
    Banks,
    /// The file has more lines than can be sorted: [`RUNS_MAX`] times a million.
    #[error("the file has too many lines")]
    Lines,
}

impl Error {
    fn io(path: &Path) -> impl Fn(io::Error) -> Error {
        move |source| Error::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), what: what.into() }
    }
}
