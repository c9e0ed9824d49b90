//! Records in order, from segment files and from memory.

use std::collections::VecDeque;
use std::sync::Arc;

use processor::{Position, Record};

use crate::codec::Unseal;
use crate::error::ReadError;
use crate::frame::{self, Next};
use crate::reader::read_record;
use crate::shared::Shared;
use crate::storage::SEGMENT_HEAD_BYTES;

/// So many records are copied from memory at once, under the log's lock.
const MEMORY_RECORDS: u64 = 64;

/// Records in order; an error is the last item.
pub struct Scan {
    shared: Arc<Shared>,
    next: Position,
    end: Position,
    source: Source,
}

enum Source {
    /// Frames of records from `next` on.
    Memory(VecDeque<Vec<u8>>),
    /// A segment file, read up to here, and the position behind its last record.
    File { bytes: Vec<u8>, offset: usize, position: Position, until: Position },
}

impl Scan {
    pub(crate) fn new(shared: Arc<Shared>, from: Position, end: Position) -> Scan {
        Scan { shared, next: from, end, source: Source::Memory(VecDeque::new()) }
    }

    fn read_next(&mut self) -> Result<Record, ReadError> {
        loop {
            match &mut self.source {
                Source::Memory(frames) => {
                    if let Some(frame) = frames.pop_front() {
                        return read_record(&frame, self.next, Unseal::Open(&self.shared.keys));
                    }
                    self.refill()?;
                }
                Source::File { bytes, offset, position, until } if *position < *until => {
                    let rest = bytes.get(*offset..).unwrap_or_default();
                    let frame = &rest[..frame::length(rest).min(rest.len())];
                    let at = *position;
                    *offset += frame.len();
                    *position += 1;
                    if at == self.next {
                        return read_record(frame, at, Unseal::Open(&self.shared.keys));
                    }
                    if !matches!(frame::read(frame), Next::Frame(frame) if frame.position() == at) {
                        let reason = "a record in front of those looked for".to_owned();
                        return Err(ReadError::Damaged { position: at, reason });
                    }
                }
                Source::File { .. } => self.refill()?,
            }
        }
    }

    fn refill(&mut self) -> Result<(), ReadError> {
        let mut frames = VecDeque::new();
        {
            let state = self.shared.lock();
            if self.next >= state.indexed_below() {
                for position in self.next..self.end.min(self.next + MEMORY_RECORDS) {
                    let segment = state.segments().rev().find(|segment| segment.base() <= position);
                    let frame = segment.and_then(|segment| segment.frame(position));
                    frames.extend(frame.map(<[u8]>::to_vec));
                }
                if frames.is_empty() {
                    let reason = "it is not in memory".to_owned();
                    return Err(ReadError::Damaged { position: self.next, reason });
                }
            }
        }
        self.source = if frames.is_empty() {
            let (base, following) = self.shared.files.segment_of(self.next);
            let shelf = self.shared.files.shelf();
            let read = shelf.read(base);
            let bytes = read.map_err(|error| ReadError::Io { path: shelf.segment(base), error })?;
            let until = following.unwrap_or(self.end);
            Source::File { bytes, offset: SEGMENT_HEAD_BYTES, position: base, until }
        } else {
            Source::Memory(frames)
        };
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<(Position, Record), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let read = self.read_next();
        let position = self.next;
        self.next = if read.is_ok() { position + 1 } else { self.end };
        Some(read.map(|record| (position, record)))
    }
}
