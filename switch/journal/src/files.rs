//! Single records read from segment files, by their places.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, RwLock};

use processor::Position;

use crate::error::ReadError;
use crate::frame::{self, FRAME_BYTES_MAX};
use crate::names::Place;
use crate::storage::Shelf;

/// Most records end within so many bytes: one read is enough for them.
const READ_BYTES: usize = 1024;

/// The log's segment files.
pub(crate) struct Files {
    shelf: Arc<dyn Shelf>,
    bases: RwLock<Vec<Position>>,
}

impl Files {
    pub(crate) fn new(shelf: Arc<dyn Shelf>, bases: Vec<Position>) -> Files {
        Files { shelf, bases: RwLock::new(bases) }
    }

    pub(crate) fn shelf(&self) -> &dyn Shelf {
        &*self.shelf
    }

    /// A segment begins here: the newest of all.
    pub(crate) fn push(&self, base: Position) {
        self.bases.write().expect("no holder of the bases panics").push(base);
    }

    /// Where the segment that holds this position begins, and where the next one does.
    pub(crate) fn segment_of(&self, position: Position) -> (Position, Option<Position>) {
        let bases = self.bases.read().expect("no holder of the bases panics");
        let after = bases.partition_point(|base| *base <= position);
        let base = after.checked_sub(1).and_then(|index| bases.get(index));
        (base.copied().unwrap_or(0), bases.get(after).copied())
    }

    /// The bytes of a record's frame, as they stand there.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub(crate) fn frame(&self, place: Place) -> Result<Vec<u8>, ReadError> {
        let base = self.segment_of(place.position).0;
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = self.shelf.read_at(base, place.offset.into(), READ_BYTES)?;
            let length = frame::length(&bytes).min(FRAME_BYTES_MAX);
            if length > bytes.len() {
                bytes = self.shelf.read_at(base, place.offset.into(), length)?;
            }
            bytes.truncate(length);
            Ok(bytes)
        };
        read().map_err(|error| ReadError::Io { path: self.shelf.segment(base), error })
    }
}

/// Bytes read at once by [`Nearby`].
const BLOCK_BYTES: usize = 65_536;

/// Blocks that [`Nearby`] keeps: a transaction's records stand at a few distances from each other.
const BLOCKS_MAX: usize = 4;

/// Reads many records whose places rise: those that stand near each other share a read. A start with a hundred thousand
/// open transactions reads each of their records.
pub(crate) struct Nearby<'f> {
    files: &'f Files,
    /// The newest in front.
    blocks: VecDeque<Block>,
}

struct Block {
    base: Position,
    offset: u64,
    bytes: Vec<u8>,
}

impl<'f> Nearby<'f> {
    pub(crate) fn new(files: &'f Files) -> Nearby<'f> {
        Nearby { files, blocks: VecDeque::with_capacity(BLOCKS_MAX) }
    }

    /// The frame of a record; as [`Files::frame`].
    ///
    /// # Errors
    /// [`ReadError::Io`].
    pub(crate) fn frame(&mut self, place: Place) -> Result<Vec<u8>, ReadError> {
        let (base, offset) = (self.files.segment_of(place.position).0, u64::from(place.offset));
        if let Some(frame) = self.blocks.iter().find_map(|block| block.frame(base, offset)) {
            return Ok(frame);
        }
        let shelf = &self.files.shelf;
        let bytes = shelf
            .read_at(base, offset, BLOCK_BYTES)
            .map_err(|error| ReadError::Io { path: shelf.segment(base), error })?;
        self.blocks.truncate(BLOCKS_MAX - 1);
        let block = Block { base, offset, bytes };
        let frame = block.frame(base, offset);
        self.blocks.push_front(block);
        frame.map_or_else(|| self.files.frame(place), Ok)
    }
}

impl Block {
    /// The frame, where the whole of it is here.
    fn frame(&self, base: Position, offset: u64) -> Option<Vec<u8>> {
        let from = usize::try_from(offset.checked_sub(self.offset).filter(|_| self.base == base)?).ok()?;
        let rest = self.bytes.get(from..).filter(|rest| rest.len() >= READ_BYTES)?;
        let length = frame::length(rest).min(FRAME_BYTES_MAX);
        rest.get(..length).map(<[u8]>::to_vec)
    }
}
