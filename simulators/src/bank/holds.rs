//! How long a bank held each 0200: what a load takes off the time that it has measured.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

/// Bytes of an entry: DE37 as a number and microseconds, both 8 bytes, the least significant first.
pub const HOLD_BYTES: usize = 16;

/// A file of holds that is being written.
#[derive(Debug)]
pub(super) struct HoldsFile {
    file: File,
    buffer: Vec<u8>,
}

impl HoldsFile {
    /// A new file.
    pub(super) fn create(path: &Path) -> io::Result<HoldsFile> {
        Ok(HoldsFile { file: File::create(path)?, buffer: Vec::new() })
    }

    /// Notes those that are answered now, and forgets them.
    pub(super) fn note(&mut self, arrived: &mut Vec<(u64, Instant)>) -> io::Result<()> {
        if arrived.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        for (rrn, at) in arrived.drain(..) {
            let held_us = at.elapsed().as_micros() as u64;
            self.buffer.extend_from_slice(&rrn.to_le_bytes());
            self.buffer.extend_from_slice(&held_us.to_le_bytes());
        }
        self.file.write_all(&self.buffer)
    }
}

/// The entries in a piece of such a file: DE37, and microseconds. What is not a whole entry at its end is left out.
pub fn read_holds(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    bytes.chunks_exact(HOLD_BYTES).map(|entry| {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&entry[at..at + 8]);
            u64::from_le_bytes(number)
        };
        (number(0), number(8))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_noted_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("holds");
        let mut file = HoldsFile::create(&path).unwrap();
        let now = Instant::now();
        let before = now.checked_sub(Duration::from_millis(7)).unwrap_or(now);
        file.note(&mut vec![(632_800_000_001, before), (632_800_000_002, now)]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.push(9);
        let holds: Vec<_> = read_holds(&bytes).collect();
        assert_eq!(holds.iter().map(|(rrn, _)| *rrn).collect::<Vec<_>>(), [632_800_000_001, 632_800_000_002]);
        assert!(holds[0].1 >= 7_000 && holds[1].1 <= holds[0].1);
    }
}
