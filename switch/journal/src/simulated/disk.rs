//! A disk in memory: it knows what is in the page cache and what is durable, stops at any step, and loses what was not
//! synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use keys::DataKeys;
use processor::{Position, Used};

use super::index::MemoryIndex;
use crate::LogFiles;
use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::index::{IndexError, NameIndex};
use crate::names::{IndexName, Place, SegmentNames};
use crate::storage::{CHECKPOINTS_KEPT, SEGMENT_HEAD_BYTES, SegmentFile, Shelf, Storage};

/// What reaches the disk reaches it in pieces of so many bytes.
const SECTOR_BYTES: usize = 512;

/// A disk; cheap to clone, all clones are the same disk.
#[derive(Clone)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

/// What a power loss leaves of what was written and not synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// All of it.
    Everything,
    /// The first so many thousandths of the bytes, cut anywhere.
    Front(u32),
    /// Some sectors and others not, as the bits of this number say, again and again.
    Sectors(u64),
}

#[derive(Default)]
struct Disk {
    segments: BTreeMap<Position, Segment>,
    has_spare: bool,
    has_reserve: bool,
    noted: Position,
    noted_durable: Position,
    checkpoints: BTreeMap<Position, Vec<u8>>,
    index: Arc<MemoryIndex>,
    steps: u64,
    /// The machine stops at the step of this number.
    stops_at: Option<u64>,
    is_stopped: bool,
    fails_syncs: bool,
    is_full: bool,
}

/// A segment file as the page cache and as the disk has it.
#[derive(Clone, Default)]
struct Segment {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Written and not synced: from, to.
    dirty: Vec<(usize, usize)>,
    /// What stands on the disk under this name: not this file as long as the directory is not synced.
    name: Name,
}

#[derive(Clone, Default)]
enum Name {
    #[default]
    Durable,
    Unsynced(Option<Box<Segment>>),
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> MemoryDisk {
        MemoryDisk(Arc::default())
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("no holder of the disk panics")
    }

    /// Steps so far: each write, sync, rename and feeding of the index is one.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// The machine stops when it comes to the step of this number, counted as [`MemoryDisk::steps`] does: a write is
    /// then half done, anything else not at all, and nothing works until [`MemoryDisk::restart`].
    pub fn stop_at(&self, step: Option<u64>) {
        self.lock().stops_at = step;
    }

    /// Bytes that were written and not synced.
    pub fn unsynced_bytes(&self) -> usize {
        let disk = self.lock();
        let dirty = disk.segments.values().flat_map(|segment| &segment.dirty);
        dirty.map(|(from, to)| to - from).sum()
    }

    /// Everything that is read back is on the disk: nothing waits for a sync, and none has failed.
    pub fn is_durable(&self) -> bool {
        self.lock().segments.values().all(|segment| segment.cached == segment.durable)
    }

    /// Whether it has stopped.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Every sync fails from here on, and what it should have made durable is believed clean by the page cache.
    pub fn fail_syncs(&self, fails: bool) {
        self.lock().fails_syncs = fails;
    }

    /// No segment can be allocated.
    pub fn fill(&self, full: bool) {
        self.lock().is_full = full;
    }

    /// The process has ended and the machine goes on: what was written is still there.
    pub fn restart(&self) {
        let mut disk = self.lock();
        disk.is_stopped = false;
        disk.stops_at = None;
        disk.fails_syncs = false;
    }

    /// The machine has lost its power and has it again.
    pub fn lose_power(&self, survival: Survival) {
        self.restart();
        let mut disk = self.lock();
        let segments = std::mem::take(&mut disk.segments);
        for (base, segment) in segments {
            if let Some(left) = segment.after_power_loss(survival) {
                disk.segments.insert(base, left);
            }
        }
        if survival == Survival::Nothing {
            disk.noted = disk.noted_durable;
        }
        disk.noted_durable = disk.noted;
    }

    /// The index is gone.
    pub fn lose_index(&self) {
        self.lock().index.clear();
    }

    /// The index has lost the names of the newest segment that it had, and nothing tells.
    pub fn lose_index_end(&self) {
        self.lock().index.lose_end();
    }

    /// The log as its bytes tell it.
    pub fn files(&self, keys: DataKeys) -> LogFiles {
        LogFiles::on(Arc::new(self.clone()), keys)
    }

    /// The bytes of all segments, in order.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().segments.values().flat_map(|segment| segment.cached.iter().copied()).collect()
    }

    /// Bytes behind the head of the newest segment.
    pub fn newest_bytes(&self) -> usize {
        let disk = self.lock();
        let newest = disk.segments.last_key_value();
        newest.map_or(0, |(_, segment)| segment.cached.len().saturating_sub(SEGMENT_HEAD_BYTES))
    }

    /// Changes a bit of a byte behind the head of the newest segment; a second time changes it back. `false` where there
    /// is no such byte.
    pub fn flip(&self, byte: usize) -> bool {
        let mut disk = self.lock();
        let offset = SEGMENT_HEAD_BYTES + byte;
        let newest = disk.segments.values_mut().next_back();
        let Some(segment) = newest.filter(|segment| segment.cached.len() > offset) else { return false };
        segment.cached[offset] ^= 1;
        if let Some(byte) = segment.durable.get_mut(offset) {
            *byte ^= 1;
        }
        true
    }

    /// Counts a step; an error where the machine stops.
    fn step(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.lock();
        if disk.is_stopped || disk.stops_at.is_some_and(|at| disk.steps >= at) {
            disk.is_stopped = true;
            return Err(stopped());
        }
        disk.steps += 1;
        Ok(disk)
    }

    fn file(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(MemoryFile { disk: self.clone(), base }))
    }
}

impl Default for MemoryDisk {
    fn default() -> MemoryDisk {
        MemoryDisk::new()
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine has stopped")
}

impl Segment {
    fn new(bytes: &[u8], name: Name) -> Segment {
        Segment { cached: bytes.to_vec(), durable: bytes.to_vec(), dirty: Vec::new(), name }
    }

    fn after_power_loss(mut self, survival: Survival) -> Option<Segment> {
        if let Name::Unsynced(before) = std::mem::take(&mut self.name) {
            let took_its_name = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Front(thousandths) => thousandths % 2 == 0,
                Survival::Sectors(bits) => bits % 2 == 0,
            };
            if !took_its_name {
                return before.and_then(|before| before.after_power_loss(survival));
            }
        }
        let total: usize = self.dirty.iter().map(|(from, to)| to - from).sum();
        let mut seen = 0;
        for (from, to) in std::mem::take(&mut self.dirty) {
            let mut at = from;
            while at < to {
                let end = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(to);
                let kept = match survival {
                    Survival::Nothing => 0,
                    Survival::Everything => end - at,
                    Survival::Front(thousandths) => {
                        (total * thousandths as usize / 1000).saturating_sub(seen).min(end - at)
                    }
                    Survival::Sectors(bits) => {
                        if bits >> (at / SECTOR_BYTES % 64) & 1 == 1 {
                            end - at
                        } else {
                            0
                        }
                    }
                };
                if kept > 0 {
                    self.durable.resize(self.durable.len().max(at + kept), 0);
                    self.durable[at..at + kept].copy_from_slice(&self.cached[at..at + kept]);
                }
                seen += end - at;
                at = end;
            }
        }
        self.cached.clone_from(&self.durable);
        Some(self)
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    base: Position,
}

impl SegmentFile for MemoryFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (bytes, stops) = match self.disk.step() {
            Ok(_) => (bytes, false),
            Err(_) => (&bytes[..bytes.len() / 2], true),
        };
        let mut disk = self.disk.lock();
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let segment = disk.segments.get_mut(&self.base).ok_or_else(gone)?;
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        segment.cached.resize(segment.cached.len().max(to), 0);
        segment.cached[from..to].copy_from_slice(bytes);
        segment.dirty.push((from, to));
        if stops { Err(stopped()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.step()?;
        let fails = disk.fails_syncs;
        if let Some(segment) = disk.segments.get_mut(&self.base) {
            segment.sync(fails);
        }
        if fails { Err(io::Error::other("the disk does not answer")) } else { Ok(()) }
    }
}

impl Segment {
    /// A sync that fails leaves nothing to sync behind: the page cache calls its pages clean.
    fn sync(&mut self, fails: bool) {
        for (from, to) in std::mem::take(&mut self.dirty) {
            if !fails {
                self.durable.resize(self.durable.len().max(to), 0);
                self.durable[from..to].copy_from_slice(&self.cached[from..to]);
            }
        }
    }
}

impl Storage for MemoryDisk {
    fn prepare_spare(&self) -> io::Result<()> {
        if self.lock().is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.step()?.has_spare = true;
        Ok(())
    }

    fn prepare_reserve(&self) -> io::Result<()> {
        if self.lock().has_reserve {
            return Ok(());
        }
        if self.lock().is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.step()?.has_reserve = true;
        Ok(())
    }

    fn spend_reserve(&self) -> io::Result<bool> {
        let (has_spare, has_reserve) = {
            let disk = self.lock();
            (disk.has_spare, disk.has_reserve)
        };
        if has_spare || !has_reserve {
            return Ok(has_spare);
        }
        let mut disk = self.step()?;
        (disk.has_spare, disk.has_reserve) = (true, false);
        Ok(true)
    }

    fn adopt_spare(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        {
            let mut disk = self.step()?;
            if !std::mem::take(&mut disk.has_spare) {
                return Err(io::ErrorKind::NotFound.into());
            }
            disk.segments.insert(base, Segment::new(&[], Name::Unsynced(None)));
        }
        if let Some(segment) = self.step()?.segments.get_mut(&base) {
            segment.name = Name::Durable;
        }
        self.file(base)
    }

    fn open(&self, base: Position) -> io::Result<Box<dyn SegmentFile>> {
        self.file(base)
    }

    fn note_synced(&self, position: Position) {
        let mut disk = self.lock();
        if !disk.is_stopped {
            disk.noted = position;
        }
    }
}

impl Shelf for MemoryDisk {
    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn segment(&self, base: Position) -> PathBuf {
        self.path().join(format!("{base:020}"))
    }

    fn bases(&self) -> io::Result<Vec<Position>> {
        Ok(self.lock().segments.keys().copied().collect())
    }

    fn read_at(&self, base: Position, offset: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        let disk = self.lock();
        let segment = disk.segments.get(&base).ok_or(io::ErrorKind::NotFound)?;
        let rest = segment.cached.get(offset as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(bytes_max)].to_vec())
    }

    fn read(&self, base: Position) -> io::Result<Vec<u8>> {
        self.read_at(base, 0, usize::MAX)
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        self.step().map(|_| ())
    }

    fn put_segment(&self, base: Position, bytes: &[u8]) -> io::Result<()> {
        {
            let mut disk = self.step()?;
            if !std::mem::take(&mut disk.has_spare) && disk.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let before = disk.segments.remove(&base).map(Box::new);
            disk.segments.insert(base, Segment::new(bytes, Name::Unsynced(before)));
        }
        if let Some(segment) = self.step()?.segments.get_mut(&base) {
            segment.name = Name::Durable;
        }
        Ok(())
    }

    fn rewrite_end(&self, base: Position, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.step()?;
        if let Some(segment) = disk.segments.get_mut(&base) {
            segment.cached.truncate(offset as usize);
            segment.cached.extend_from_slice(bytes);
            segment.sync(false);
            segment.durable.clone_from(&segment.cached);
        }
        Ok(())
    }

    fn truncate_segment(&self, base: Position, bytes: u64) -> io::Result<()> {
        let mut disk = self.step()?;
        if let Some(segment) = disk.segments.get_mut(&base) {
            segment.cached.truncate(bytes as usize);
            segment.dirty.clear();
            segment.durable.clone_from(&segment.cached);
        }
        Ok(())
    }

    fn sync_segment(&self, base: Position) -> io::Result<()> {
        let mut disk = self.step()?;
        if let Some(segment) = disk.segments.get_mut(&base) {
            segment.sync(false);
            segment.name = Name::Durable;
        }
        Ok(())
    }

    fn open_note(&self) -> io::Result<()> {
        Ok(())
    }

    fn noted_synced(&self) -> Position {
        self.lock().noted
    }

    fn checkpoints(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(self.lock().checkpoints.values().rev().cloned().collect())
    }

    fn put_checkpoint(&self, next: Position, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.step()?;
        disk.checkpoints.insert(next, bytes.to_vec());
        while disk.checkpoints.len() > CHECKPOINTS_KEPT {
            disk.checkpoints.pop_first();
        }
        Ok(())
    }

    fn open_index(&self) -> Result<(Box<dyn NameIndex>, Option<String>), IndexError> {
        Ok((Box::new(OpenIndex { disk: self.clone(), index: self.lock().index.clone() }), None))
    }

    fn remove_index(&self) -> Result<(), IndexError> {
        self.step().map_err(|error| IndexError::new(error.to_string()))?.index.clear();
        Ok(())
    }
}

/// The index as one process has it open: feeding it is a step.
struct OpenIndex {
    disk: MemoryDisk,
    index: Arc<MemoryIndex>,
}

impl NameIndex for OpenIndex {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        self.index.fed()
    }

    fn feed(
        &self,
        next: Position,
        link: &Link,
        names: &SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        drop(self.disk.step().map_err(|error| IndexError::new(error.to_string()))?);
        self.index.feed(next, link, names, filter)
    }

    fn filters(&self, bytes_max: usize) -> Result<Vec<SegmentFilter>, IndexError> {
        self.index.filters(bytes_max)
    }

    fn places(&self, name: &IndexName, below: Position) -> Result<Vec<Place>, IndexError> {
        self.index.places(name, below)
    }

    fn used(&self, name: &IndexName, below: Position) -> Result<Used, IndexError> {
        self.index.used(name, below)
    }
}
