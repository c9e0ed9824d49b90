//! Frames without a log: what a record costs until it lies in a segment, for those who measure it.

use keys::DataKeys;
use processor::{Position, Record};

use crate::frame::{self, Link};

/// Writes records as a log does, one behind the other in its chain, and keeps none.
pub struct FrameWriter {
    keys: DataKeys,
    next: Position,
    head: Link,
    frame: Vec<u8>,
}

impl FrameWriter {
    /// Begins as an empty log does.
    pub fn new(keys: DataKeys) -> FrameWriter {
        let head = frame::genesis(&keys);
        FrameWriter { keys, next: 0, head, frame: Vec::with_capacity(frame::FRAME_BYTES_MAX) }
    }

    /// The next record's frame, as it would lie in a segment.
    ///
    /// # Errors
    /// The field that is too long; the record then has no place in the chain.
    pub fn write(&mut self, record: &Record) -> Result<&[u8], &'static str> {
        self.frame.clear();
        self.head = frame::write(record, self.next, self.next, &self.head, &self.keys, &mut self.frame)?;
        self.next += 1;
        Ok(&self.frame)
    }
}
