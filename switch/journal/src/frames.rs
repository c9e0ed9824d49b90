//! Frames and records without a log: what a record costs until it lies in a segment, and what becomes of any bytes in its
//! place, for those who measure and try it.

use keys::DataKeys;
use processor::{Position, Record};

use crate::codec::{self, Unseal};
use crate::frame::{self, Link};
use crate::wire::DecodeError;

/// The record that these bytes are at this position of a log (docs/log.md#records).
///
/// # Errors
/// The field that is wrong, and how.
pub fn decode_record(bytes: &[u8], position: Position, keys: &DataKeys) -> Result<Record, DecodeError> {
    codec::decode(bytes, position, Unseal::Open(keys))
}

/// A record's bytes at this position of a log.
///
/// # Errors
/// The field that is too long.
pub fn encode_record(record: &Record, position: Position, keys: &DataKeys) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::new();
    codec::encode(record, position, keys, &mut bytes)?;
    Ok(bytes)
}

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
