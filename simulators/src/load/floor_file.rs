//! The floor's file of records: whole blocks around the page cache, as the switch writes its log
//! (docs/decisions/0008-direct-writes.md), and through it where a file system knows nothing else.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Writes around the page cache begin, end and lie in memory at multiples of this.
const BLOCK_BYTES: usize = 4096;

/// Bytes of one write at most; more are several.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// A file that is written once before, so that a sync has only data to write, and then round and round.
pub(super) struct FloorFile {
    file: File,
    memory: Vec<u8>,
    /// Where in the memory a block begins.
    front: usize,
    at: u64,
    bytes: u64,
}

impl FloorFile {
    /// A new one of `bytes`, a multiple of [`WRITE_BYTES_MAX`], all written and durable.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn create(path: &Path, bytes: u64) -> io::Result<FloorFile> {
        let plain = OpenOptions::new().write(true).create_new(true).open(path)?;
        let direct = OpenOptions::new().write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path);
        let memory = vec![b'r'; WRITE_BYTES_MAX + BLOCK_BYTES];
        let front = memory.as_ptr().align_offset(BLOCK_BYTES);
        let mut it = FloorFile { file: plain.try_clone()?, memory, front, at: 0, bytes };
        if let Ok(direct) = direct {
            it.file = direct;
            if it.write(BLOCK_BYTES).is_err() {
                it.file = plain;
            }
        }
        it.at = 0;
        for _ in 0..bytes / WRITE_BYTES_MAX as u64 {
            it.write(WRITE_BYTES_MAX)?;
        }
        it.file.sync_all()?;
        Ok(it)
    }

    /// Writes so many bytes, in whole blocks behind those before them or again from the start, and syncs them.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn write_synced(&mut self, bytes: usize) -> io::Result<()> {
        let mut left = bytes.next_multiple_of(BLOCK_BYTES);
        while left > 0 {
            let now = left.min(WRITE_BYTES_MAX);
            self.write(now)?;
            left -= now;
        }
        self.file.sync_data()
    }

    fn write(&mut self, bytes: usize) -> io::Result<()> {
        if self.at + bytes as u64 > self.bytes {
            self.at = 0;
        }
        self.file.write_all_at(&self.memory[self.front..self.front + bytes], self.at)?;
        self.at += bytes as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_written_round_and_round_in_whole_blocks() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("records");
        let bytes = 2 << 20;
        let mut file = FloorFile::create(&path, bytes).unwrap();
        for (written, at) in
            [(320, 4096), (4096, 8192), (5000, 16_384), (2 << 20, 1 << 20), (1, (1 << 20) + 4096)]
        {
            file.write_synced(written).unwrap();
            assert_eq!(file.at, at, "after {written}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
        assert!(FloorFile::create(&path, bytes).is_err(), "never over what is there");
    }
}
