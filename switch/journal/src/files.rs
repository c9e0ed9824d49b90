//! Single records read from segment files, by their places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::RwLock;

use processor::Position;

use crate::error::ReadError;
use crate::frame::{self, FRAME_BYTES_MAX};
use crate::names::Place;
use crate::storage::Directory;

/// Most records end within so many bytes: one read is enough for them.
const READ_BYTES: usize = 1024;

/// The log's segment files.
pub(crate) struct Files {
    directory: Directory,
    bases: RwLock<Vec<Position>>,
}

impl Files {
    pub(crate) fn new(directory: Directory, bases: Vec<Position>) -> Files {
        Files { directory, bases: RwLock::new(bases) }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
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
        let path = self.directory.segment(self.segment_of(place.position).0);
        let read = || -> io::Result<Vec<u8>> {
            let file = File::open(&path)?;
            let mut bytes = read_at(&file, READ_BYTES, place.offset)?;
            let length = frame::length(&bytes).min(FRAME_BYTES_MAX);
            if length > bytes.len() {
                bytes = read_at(&file, length, place.offset)?;
            }
            bytes.truncate(length);
            Ok(bytes)
        };
        read().map_err(|error| ReadError::Io { path: path.clone(), error })
    }
}

fn read_at(file: &File, length: usize, offset: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], u64::from(offset) + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
