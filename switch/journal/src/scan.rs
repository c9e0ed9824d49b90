//! Records in order, from segment files and from memory.

use std::collections::VecDeque;
use std::sync::Arc;

use processor::{Position, Record};

use crate::codec::Unseal;
use crate::error::ReadError;
use crate::frame::{self, HEAD_BYTES, Next};
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
    /// Whether a record is wanted, by its bytes; of the others only the frames are checked.
    wanted: fn(&[u8]) -> bool,
    /// What is personal is left sealed.
    is_sealed: bool,
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
        let source = Source::Memory(VecDeque::new());
        Scan { shared, next: from, end, wanted: |_| true, is_sealed: false, source }
    }

    /// Only the records whose bytes are wanted.
    pub(crate) fn of(self, wanted: fn(&[u8]) -> bool) -> Scan {
        Scan { wanted, ..self }
    }

    /// The same without what is personal.
    pub(crate) fn sealed(self) -> Scan {
        Scan { is_sealed: true, ..self }
    }

    /// The next record, if it is wanted.
    fn read_next(&mut self) -> Result<Option<Record>, ReadError> {
        let shared = Arc::clone(&self.shared);
        let wanted = self.wanted;
        let unseal = if self.is_sealed { Unseal::Leave } else { Unseal::Open(&shared.keys) };
        let read = |frame: &[u8], position| match wanted(frame.get(HEAD_BYTES..).unwrap_or_default()) {
            true => read_record(frame, position, unseal).map(Some),
            false => check(frame, position).map(|()| None),
        };
        loop {
            match &mut self.source {
                Source::Memory(frames) => {
                    if let Some(frame) = frames.pop_front() {
                        return read(&frame, self.next);
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
                        return read(frame, at);
                    }
                    check(frame, at)?;
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

/// Whether this is the whole frame of a record that is passed over.
fn check(frame: &[u8], position: Position) -> Result<(), ReadError> {
    match frame::read(frame) {
        Next::Frame(frame) if frame.position() == position => Ok(()),
        Next::Frame(_) | Next::Blank | Next::Broken(_) => {
            let reason = "a record among those that are passed over".to_owned();
            Err(ReadError::Damaged { position, reason })
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(Position, Record), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.end {
            let read = self.read_next().transpose();
            let position = self.next;
            self.next = if matches!(read, Some(Err(_))) { self.end } else { position + 1 };
            if let Some(read) = read {
                return Some(read.map(|record| (position, record)));
            }
        }
        None
    }
}
