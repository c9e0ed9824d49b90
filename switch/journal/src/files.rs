//! Single records read from segment files, by their places.

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
