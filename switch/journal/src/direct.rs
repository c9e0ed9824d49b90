//! A segment file written around the page cache, in whole blocks: a sync then takes half the CPU
//! (docs/decisions/0008-direct-writes.md).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::storage::SegmentFile;

/// Writes begin and end at multiples of this: no disk has larger sectors, no file system of ours larger blocks.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// One write is no longer than this; a longer group is several.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// Bytes that begin at a multiple of a block in memory, as writes around the page cache want them.
pub(crate) struct AlignedBytes {
    bytes: Vec<u8>,
    front: usize,
    length: usize,
}

impl AlignedBytes {
    /// Zeros.
    pub(crate) fn new(length: usize) -> AlignedBytes {
        let bytes = vec![0; length + BLOCK_BYTES];
        let front = bytes.as_ptr().align_offset(BLOCK_BYTES);
        AlignedBytes { bytes, front, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.front..self.front + self.length]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.front..self.front + self.length]
    }
}

/// Opens a file for writes around the page cache; `None`: its file system has none.
pub(crate) fn direct(path: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file.
pub(crate) struct DirectFile {
    file: File,
    /// What stands on the disk from `from` on, up to where the last write ended, and what is written next.
    block: AlignedBytes,
    from: u64,
    filled: usize,
}

impl DirectFile {
    /// Opens a file of whole blocks; `None`: it is to be written through the page cache.
    pub(crate) fn open(path: &Path) -> io::Result<Option<DirectFile>> {
        let Some(file) = direct(path)? else { return Ok(None) };
        let length = file.metadata()?.len();
        if length == 0 || !length.is_multiple_of(BLOCK_BYTES as u64) {
            return Ok(None);
        }
        let mut opened = DirectFile { file, block: AlignedBytes::new(WRITE_BYTES_MAX), from: 0, filled: 0 };
        match opened.load(0, BLOCK_BYTES) {
            Ok(()) => Ok(Some(opened)),
            // It takes the flag and not such accesses.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes up the bytes in front of what is written next, which share its block.
    fn load(&mut self, from: u64, filled: usize) -> io::Result<()> {
        if filled > 0 {
            self.file.read_exact_at(&mut self.block.bytes_mut()[..BLOCK_BYTES], from)?;
        }
        (self.from, self.filled) = (from, filled);
        Ok(())
    }
}

impl SegmentFile for DirectFile {
    fn write_at(&mut self, mut bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.from + self.filled as u64 != offset {
            let front = offset % BLOCK_BYTES as u64;
            self.load(offset - front, front as usize)?;
        }
        while !bytes.is_empty() {
            let now = bytes.len().min(WRITE_BYTES_MAX - self.filled);
            let end = self.filled + now;
            let whole = end.next_multiple_of(BLOCK_BYTES);
            let block = self.block.bytes_mut();
            block[self.filled..end].copy_from_slice(&bytes[..now]);
            // Nothing is written behind a log's end yet.
            block[end..whole].fill(0);
            self.file.write_all_at(&block[..whole], self.from)?;
            let kept = end - end % BLOCK_BYTES;
            block.copy_within(kept..end, 0);
            (self.from, self.filled) = (self.from + kept as u64, end - kept);
            bytes = &bytes[now..];
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Writes of many lengths, one behind the other and after a new start, read back as through the page cache.
    #[test]
    fn what_is_written_in_blocks_reads_back_as_bytes() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        let mut expected = vec![0; 4 << 20];
        std::fs::write(&path, &expected).unwrap();
        let mut offset = 64;
        for (round, length) in
            [1, 4031, 4096, 4097, 8192, 100, (1 << 20) + 5, 2 << 20, 17, 3].iter().enumerate()
        {
            let Some(mut file) = DirectFile::open(&path).unwrap() else { return };
            for part in 0..3 {
                let bytes = vec![(round * 3 + part + 1) as u8; length / 3 + part];
                file.write_at(&bytes, offset as u64).unwrap();
                expected[offset..offset + bytes.len()].copy_from_slice(&bytes);
                offset += bytes.len();
            }
            assert!(std::fs::read(&path).unwrap() == expected, "{length}");
        }
    }

    #[test]
    fn a_file_of_broken_blocks_goes_through_the_page_cache() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        std::fs::write(&path, [1; 5000]).unwrap();
        assert!(DirectFile::open(&path).unwrap().is_none());
    }
}
