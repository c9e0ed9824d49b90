//! Sorted entries of one width in checked blocks, and the fences in memory that lead to a block.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::output::Output;

/// A block is what one look-up reads.
pub(super) const BLOCK_BYTES: usize = 4096;
/// Entries, zeros behind them.
const PAYLOAD_BYTES: usize = 4080;
/// The block's number stands here, and behind it the CRC-32 over all in front.
const NUMBER_AT: usize = 4088;
const CRC_AT: usize = 4092;
/// Blocks read at once where all are read.
const READ_AHEAD_BLOCKS: usize = 64;

/// An entry: its bytes sort as it does.
pub(super) type Entry<const W: usize> = [u8; W];

fn entries_a_block<const W: usize>() -> usize {
    PAYLOAD_BYTES / W
}

fn blocks_of<const W: usize>(entries: u64) -> u64 {
    entries.div_ceil(entries_a_block::<W>() as u64)
}

/// The first eight bytes, as they sort.
fn front(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
}

/// A table that is written, from its first entry to its last.
pub(super) struct TableWriter<const W: usize> {
    block: Vec<u8>,
    fences: Vec<u64>,
    entries: u64,
}

impl<const W: usize> TableWriter<W> {
    pub(super) fn new() -> TableWriter<W> {
        TableWriter { block: Vec::with_capacity(BLOCK_BYTES), fences: Vec::new(), entries: 0 }
    }

    /// Adds the next entry.
    pub(super) fn push(&mut self, entry: &Entry<W>, out: &mut Output) -> io::Result<()> {
        if self.block.len() == entries_a_block::<W>() * W {
            self.end_block(out)?;
        }
        if self.block.is_empty() {
            self.fences.push(front(entry));
        }
        self.block.extend_from_slice(entry);
        self.entries += 1;
        Ok(())
    }

    /// How many entries there are, and the first of each block by its front.
    pub(super) fn finish(mut self, out: &mut Output) -> io::Result<(u64, Vec<u64>)> {
        if !self.block.is_empty() {
            self.end_block(out)?;
        }
        Ok((self.entries, self.fences))
    }

    fn end_block(&mut self, out: &mut Output) -> io::Result<()> {
        self.block.resize(NUMBER_AT, 0);
        self.block.extend_from_slice(&(self.fences.len() as u32 - 1).to_be_bytes());
        let crc = crc32fast::hash(&self.block);
        self.block.extend_from_slice(&crc.to_be_bytes());
        out.write(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

/// A table in a file.
pub(super) struct Table<const W: usize> {
    /// Where its first block stands.
    offset: u64,
    entries: u64,
    fences: Vec<u64>,
}

impl<const W: usize> Table<W> {
    /// `None`: there are not as many fences as blocks, or they do not rise.
    pub(super) fn new(offset: u64, entries: u64, fences: Vec<u64>) -> Option<Table<W>> {
        let fits = fences.len() as u64 == blocks_of::<W>(entries) && fences.is_sorted();
        fits.then_some(Table { offset, entries, fences })
    }

    /// How many fences a table of so many entries has.
    pub(super) fn fences(entries: u64) -> u64 {
        blocks_of::<W>(entries)
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.fences.len() as u64 * BLOCK_BYTES as u64
    }

    /// Shows every entry that begins with `prefix`, of eight bytes at least, in order.
    pub(super) fn find(&self, file: &File, prefix: &[u8], mut show: impl FnMut(&Entry<W>)) -> io::Result<()> {
        let wanted = front(prefix);
        let from = self.fences.partition_point(|fence| *fence < wanted).saturating_sub(1);
        let mut bytes = [0; BLOCK_BYTES];
        for (number, _) in self.fences.iter().enumerate().skip(from).take_while(|(_, it)| **it <= wanted) {
            self.read(file, number, &mut bytes)?;
            let entries = self.entries_of(&bytes, number)?;
            let begin = entries.partition_point(|entry| entry[..prefix.len()] < *prefix);
            let same = entries[begin..].iter().take_while(|entry| entry.starts_with(prefix));
            same.for_each(&mut show);
        }
        Ok(())
    }

    /// All entries, from the first on.
    pub(super) fn cursor<'a>(&'a self, file: &'a File) -> Cursor<'a, W> {
        Cursor { table: self, file, block: 0, bytes: Vec::new(), at: 0, left: 0 }
    }

    fn read(&self, file: &File, number: usize, bytes: &mut [u8]) -> io::Result<()> {
        file.read_exact_at(bytes, self.offset + (number * BLOCK_BYTES) as u64)
    }

    /// The entries in a block's bytes, which have to be those of this block.
    fn entries_of<'a>(&self, bytes: &'a [u8], number: usize) -> io::Result<&'a [Entry<W>]> {
        let crc = crc32fast::hash(&bytes[..CRC_AT]).to_be_bytes();
        if bytes[NUMBER_AT..CRC_AT] != (number as u32).to_be_bytes() || bytes[CRC_AT..] != crc {
            let place = self.offset + (number * BLOCK_BYTES) as u64;
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the block at {place} is bad")));
        }
        let before = number * entries_a_block::<W>();
        let here = (self.entries as usize - before).min(entries_a_block::<W>());
        Ok(&bytes.as_chunks().0[..here])
    }
}

/// The entries of a table one after the other.
pub(super) struct Cursor<'a, const W: usize> {
    table: &'a Table<W>,
    file: &'a File,
    /// The block that is read next.
    block: usize,
    bytes: Vec<u8>,
    /// In `bytes`, the next entry; and how many are left in its block.
    at: usize,
    left: usize,
}

impl<const W: usize> Cursor<'_, W> {
    /// The next entry; `None`: the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry<W>>> {
        if self.left == 0 && !self.next_block()? {
            return Ok(None);
        }
        let entry = self.bytes[self.at..].first_chunk().copied();
        self.at += W;
        self.left -= 1;
        Ok(entry)
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let blocks = self.table.fences.len();
        if self.block == blocks {
            return Ok(false);
        }
        let ahead = self.block % READ_AHEAD_BLOCKS;
        if ahead == 0 {
            self.bytes.resize((blocks - self.block).min(READ_AHEAD_BLOCKS) * BLOCK_BYTES, 0);
            self.table.read(self.file, self.block, &mut self.bytes)?;
        }
        self.at = ahead * BLOCK_BYTES;
        let block = &self.bytes[self.at..self.at + BLOCK_BYTES];
        self.left = self.table.entries_of(block, self.block)?.len();
        self.block += 1;
        Ok(true)
    }
}
