//! What the log needs of an index over its sealed segments. It holds nothing that the log does not, and is built anew from
//! it whenever it cannot be believed (docs/decisions/0007-index-of-runs.md).

use processor::{Position, Used};
use thiserror::Error;

use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::names::{IndexName, Place, SegmentNames};

/// What is wrong with the index, for people alone: who asks reads the log instead.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("index: {reason}")]
pub struct IndexError {
    reason: String,
}

impl IndexError {
    pub(crate) fn new(reason: String) -> IndexError {
        IndexError { reason }
    }
}

/// An index, wherever it is kept.
pub(crate) trait NameIndex: Send + Sync {
    /// How far the index is fed: the position, and the chain's link before it.
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError>;

    /// Adds a sealed segment, from the filter's base up to `next`: the one behind those that were fed. The names are
    /// finished.
    fn feed(
        &self,
        next: Position,
        link: &Link,
        names: &SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError>;

    /// The filters of all segments that were fed, oldest first; the newest have their bits, up to `bytes_max` of them.
    fn filters(&self, bytes_max: usize) -> Result<Vec<SegmentFilter>, IndexError>;

    /// The records below `below` that may have this name, oldest first; none that has it is missing.
    fn places(&self, name: &IndexName, below: Position) -> Result<Vec<Place>, IndexError>;

    /// What segments before `below` say that a citizen has used of a day.
    fn used(&self, name: &IndexName, below: Position) -> Result<Used, IndexError>;

    /// Why the segments themselves are read for look-ups from here on, where they are.
    fn out_of_use(&self) -> Option<String> {
        None
    }
}
