//! Segment files in a directory: names, heads, preallocation, and the order in which they become part of the log.
//!
//! [`Storage`] is what a running log needs of a disk, [`Shelf`] what a start and look-ups need; [`Directory`] is both.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use processor::Position;

use crate::direct::{AlignedBytes, BLOCK_BYTES, DirectFile, direct};
use crate::frame::Link;
use crate::index::{IndexError, NameIndex};
use crate::runs::Runs;
use crate::scanned::BackedIndex;

/// Bytes of a segment's head: CRC-32 (4), name and version of the format (8), position of its first record (8), the
/// chain's link before that (32), zeros.
pub(crate) const SEGMENT_HEAD_BYTES: usize = 64;

const MAGIC: [u8; 8] = *b"ATMLOG\x00\x01";
const SUFFIX: &str = ".segment";
const SPARE: &str = "spare.ready";
const RESERVE: &str = "reserve.ready";
const SYNCED: &str = "synced.note";
const UNFINISHED: &str = "unfinished.part";
const CHECKPOINT_SUFFIX: &str = ".checkpoint";
const UNFINISHED_CHECKPOINT: &str = "checkpoint.part";
/// The newest, and the one before it.
pub(crate) const CHECKPOINTS_KEPT: usize = 2;
const ZEROS_BYTES: usize = 1 << 20;
/// A segment is zeroed at 250 MB/s at most: a segment of 64 MiB within a third of a second or more.
const ZEROS_PAUSE: Duration = Duration::from_millis(4);

/// What the log needs of a disk. Tests put one in front that fails.
pub(crate) trait Storage: Send + Sync {
    /// Makes the next segment ready: all its bytes are written as zeros and durable, so that later writes change no
    /// metadata. Does nothing where it is ready already.
    fn prepare_spare(&self) -> io::Result<()>;

    /// Makes one more segment ready behind the spare, in the same way: what ends transactions is written to it when the
    /// disk is full.
    fn prepare_reserve(&self) -> io::Result<()>;

    /// Makes the reserve the spare, where there is no spare; whether there is one then.
    fn spend_reserve(&self) -> io::Result<bool>;

    /// Makes the spare the segment that begins at `base`; its name is durable before this returns.
    fn adopt_spare(&self, base: Position) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens a segment for writing on.
    fn open(&self, base: Position) -> io::Result<Box<dyn SegmentFile>>;

    /// Notes that every record below `position` is durable. The note itself is not synced: it reaches the disk late,
    /// but never says too much.
    fn note_synced(&self, position: Position);
}

/// What a start and look-ups need of the place where segments stand. The simulation puts one in memory.
pub(crate) trait Shelf: Send + Sync {
    /// The directory, for messages.
    fn path(&self) -> &Path;

    /// Where the segment that begins at `base` stands, for messages.
    fn segment(&self, base: Position) -> PathBuf {
        self.path().join(format!("{base:020}{SUFFIX}"))
    }

    /// The first positions of all segments, in order.
    fn bases(&self) -> io::Result<Vec<Position>>;

    /// At most `bytes_max` bytes of a segment from `offset` on: fewer where it ends before.
    fn read_at(&self, base: Position, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>>;

    /// A whole segment.
    fn read(&self, base: Position) -> io::Result<Vec<u8>>;

    /// The head of a segment.
    fn head(&self, base: Position) -> io::Result<[u8; SEGMENT_HEAD_BYTES]> {
        let head = self.read_at(base, 0, SEGMENT_HEAD_BYTES)?;
        head.try_into().map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }

    /// Removes what a start or an allocation had begun and not ended.
    fn remove_unfinished(&self) -> io::Result<()>;

    /// Puts a segment with these first bytes in place, durable as a whole or not there at all. One that begins at the
    /// same position is replaced.
    fn put_segment(&self, base: Position, bytes: &[u8]) -> io::Result<()>;

    /// Writes a segment's end anew where it stands, from `offset` on, with zeros behind it up to the segment's end; durable.
    /// For a disk that has no room for [`Shelf::put_segment`].
    fn rewrite_end(&self, base: Position, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a segment that is followed by another, to give back what it does not use; durable.
    fn truncate_segment(&self, base: Position, bytes: u64) -> io::Result<()>;

    /// Makes a segment, and the names of all, durable.
    fn sync_segment(&self, base: Position) -> io::Result<()>;

    /// Opens the file that [`Storage::note_synced`] writes to.
    fn open_note(&self) -> io::Result<()>;

    /// What [`Storage::note_synced`] has left; 0 where nothing whole is there.
    fn noted_synced(&self) -> Position;

    /// The bytes of all checkpoints that are kept, the newest first.
    fn checkpoints(&self) -> io::Result<Vec<Vec<u8>>>;

    /// Keeps a checkpoint of the records before `next`, durable before older ones are removed.
    fn put_checkpoint(&self, next: Position, bytes: &[u8]) -> io::Result<()>;

    /// Opens the index that stands beside the segments; `Some` says why one was thrown away.
    fn open_index(&self) -> Result<(Box<dyn NameIndex>, Option<String>), IndexError>;

    /// Throws an index away that nothing has open.
    fn remove_index(&self) -> Result<(), IndexError>;
}

/// A segment that is written to.
pub(crate) trait SegmentFile: Send {
    /// Writes all the bytes at this offset.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when everything written is durable.
    fn sync(&self) -> io::Result<()>;
}

/// A directory on a real disk.
#[derive(Clone)]
pub(crate) struct Directory {
    path: PathBuf,
    segment_bytes: u64,
    note: Arc<OnceLock<File>>,
}

impl Directory {
    pub(crate) fn new(path: &Path, segment_bytes: u64) -> Directory {
        Directory { path: path.to_owned(), segment_bytes, note: Arc::default() }
    }

    /// Makes the directory's names durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// A file of zeros of a segment's size, whole and durable or not there at all.
    fn prepare(&self, name: &str) -> io::Result<()> {
        let ready = self.path.join(name);
        if fs::exists(&ready)? {
            return Ok(());
        }
        let unfinished = self.path.join(UNFINISHED);
        let written = write_zeros(&unfinished, self.segment_bytes);
        if written.is_err() {
            // A disk that is full gets the space back at once: others need it.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        fs::rename(&unfinished, &ready)?;
        self.sync()
    }

    /// All checkpoints, the oldest first.
    fn checkpoint_paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let digits = name.and_then(|name| name.strip_suffix(CHECKPOINT_SUFFIX));
            if digits.is_some_and(|digits| digits.len() == 20) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

impl Shelf for Directory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bases(&self) -> io::Result<Vec<Position>> {
        let mut bases = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            bases.extend(
                digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse::<Position>().ok()),
            );
        }
        bases.sort_unstable();
        Ok(bases)
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        remove_if_there(&self.path.join(UNFINISHED))?;
        // One of another size was made under another configuration.
        for ready in [SPARE, RESERVE].map(|name| self.path.join(name)) {
            match fs::metadata(&ready) {
                Ok(metadata) if metadata.len() != self.segment_bytes => fs::remove_file(&ready)?,
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn put_segment(&self, base: Position, bytes: &[u8]) -> io::Result<()> {
        self.prepare_spare()?;
        let unfinished = self.path.join(UNFINISHED);
        fs::rename(self.path.join(SPARE), &unfinished)?;
        let file = OpenOptions::new().write(true).open(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.segment(base))?;
        self.sync()
    }

    fn rewrite_end(&self, base: Position, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.segment(base))?;
        let end = file.metadata()?.len();
        file.write_all_at(bytes, offset)?;
        zero(&file, offset + bytes.len() as u64, end)?;
        file.sync_all()?;
        self.sync()
    }

    fn truncate_segment(&self, base: Position, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.segment(base))?;
        file.set_len(bytes)?;
        file.sync_all()
    }

    fn read_at(&self, base: Position, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.segment(base))?;
        let mut bytes = vec![0; bytes_max];
        let mut filled = 0;
        while filled < bytes_max {
            match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn read(&self, base: Position) -> io::Result<Vec<u8>> {
        fs::read(self.segment(base))
    }

    fn sync_segment(&self, base: Position) -> io::Result<()> {
        File::open(self.segment(base))?.sync_all()?;
        self.sync()
    }

    fn open_note(&self) -> io::Result<()> {
        let path = self.path.join(SYNCED);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let _ = self.note.set(file);
        Ok(())
    }

    fn noted_synced(&self) -> Position {
        let note = fs::read(self.path.join(SYNCED)).unwrap_or_default();
        let position =
            note.get(..8).and_then(|position| position.try_into().ok()).map(Position::from_be_bytes);
        position.filter(|position| note == synced_note(*position)).unwrap_or(0)
    }

    fn checkpoints(&self) -> io::Result<Vec<Vec<u8>>> {
        self.checkpoint_paths()?.into_iter().rev().map(fs::read).collect()
    }

    fn put_checkpoint(&self, next: Position, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path.join(UNFINISHED_CHECKPOINT);
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path.join(format!("{next:020}{CHECKPOINT_SUFFIX}")))?;
        self.sync()?;
        for old in self.checkpoint_paths()?.into_iter().rev().skip(CHECKPOINTS_KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    fn open_index(&self) -> Result<(Box<dyn NameIndex>, Option<String>), IndexError> {
        let (runs, missed) = Runs::open(&self.path)?;
        Ok((Box::new(BackedIndex::new(runs, self.clone())), missed))
    }

    fn remove_index(&self) -> Result<(), IndexError> {
        Runs::remove(&self.path)
    }
}

impl Storage for Directory {
    fn prepare_spare(&self) -> io::Result<()> {
        self.prepare(SPARE)
    }

    fn prepare_reserve(&self) -> io::Result<()> {
        self.prepare(RESERVE)
    }

    fn spend_reserve(&self) -> io::Result<bool> {
        if fs::exists(self.path.join(SPARE))? {
            return Ok(true);
        }
        match fs::rename(self.path.join(RESERVE), self.path.join(SPARE)) {
            Ok(()) => self.sync().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn adopt_spare(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        fs::rename(self.path.join(SPARE), self.segment(base))?;
        self.sync()?;
        self.open(base)
    }

    fn open(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        let path = self.segment(base);
        if let Some(file) = DirectFile::open(&path)? {
            return Ok(Box::new(file));
        }
        Ok(Box::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn note_synced(&self, position: Position) {
        if let Some(note) = self.note.get() {
            // A note that is missing costs only sharpness in telling a torn tail from damage.
            let _ = note.write_all_at(&synced_note(position), 0);
        }
    }
}

fn synced_note(position: Position) -> [u8; 12] {
    let mut note = [0; 12];
    note[..8].copy_from_slice(&position.to_be_bytes());
    let crc = crc32fast::hash(&note[..8]);
    note[8..].copy_from_slice(&crc.to_be_bytes());
    note
}

impl SegmentFile for File {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

fn write_zeros(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    if bytes.is_multiple_of(BLOCK_BYTES as u64) {
        // Around the page cache, which is full of what is asked for.
        file = direct(path)?.unwrap_or(file);
    }
    zero(&file, 0, bytes)?;
    file.sync_all()
}

fn zero(file: &File, mut offset: u64, end: u64) -> io::Result<()> {
    let zeros = AlignedBytes::new(ZEROS_BYTES);
    while offset < end {
        let part = (end - offset).min(ZEROS_BYTES as u64);
        file.write_all_at(&zeros.bytes()[..part as usize], offset)?;
        // Piece by piece, and the disk left to others in between: a sync of the log never waits behind the whole.
        file.sync_data()?;
        std::thread::sleep(ZEROS_PAUSE);
        offset += part;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A segment's head.
pub(crate) fn segment_head(base: Position, before: &Link) -> [u8; SEGMENT_HEAD_BYTES] {
    let mut head = [0; SEGMENT_HEAD_BYTES];
    head[4..12].copy_from_slice(&MAGIC);
    head[12..20].copy_from_slice(&base.to_be_bytes());
    head[20..52].copy_from_slice(before);
    let crc = crc32fast::hash(&head[4..]);
    head[..4].copy_from_slice(&crc.to_be_bytes());
    head
}

/// The link before the first record of the segment that begins at `base`; `None` when this is not its head.
pub(crate) fn read_segment_head(bytes: &[u8], base: Position) -> Option<Link> {
    let head: &[u8; SEGMENT_HEAD_BYTES] = bytes.first_chunk()?;
    let link = *head[20..].first_chunk()?;
    (*head == segment_head(base, &link)).then_some(link)
}
