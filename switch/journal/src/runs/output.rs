//! A file that is written behind a running log: in pieces, each synced, so that the log's own syncs never wait for much.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

/// Written and synced at once.
const PIECE_BYTES: usize = 1 << 20;

/// The file.
pub(super) struct Output {
    file: File,
    piece: Vec<u8>,
    /// After each piece the disk is left to others for so long.
    pause: Duration,
}

impl Output {
    pub(super) fn new(file: File, pause: Duration) -> Output {
        Output { file, piece: Vec::with_capacity(PIECE_BYTES), pause }
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.end_piece()?;
            std::thread::sleep(self.pause);
        }
        Ok(())
    }

    /// All of it durable, the file's name excepted.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_piece()?;
        self.file.sync_all()
    }

    fn end_piece(&mut self) -> io::Result<()> {
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        self.file.sync_data()
    }
}
