//! A start: what the directory holds, checked record by record, made durable before anything is acted on.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

use keys::DataKeys;
use processor::{Position, TxKey};

use crate::error::{OpenError, ReadError};
use crate::fold::{Fold, FoldError, Placed};
use crate::frame::{self, Link, Next};
use crate::log::Cut;
use crate::memory::MemorySegment;
use crate::reader::{Frames, collect, read_record, tell};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, read_segment_head, segment_head};

/// A log as a start found it, ready to be appended to.
pub(crate) struct Start {
    pub(crate) fold: Fold,
    pub(crate) active: MemorySegment,
    pub(crate) sealed: VecDeque<Arc<MemorySegment>>,
    pub(crate) head: Link,
    pub(crate) cut: Option<Cut>,
}

/// Makes the directory where it is not there, and keeps other processes out of it until the file is closed.
pub(crate) fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |error| OpenError::io(dir, error);
    fs::create_dir_all(dir).map_err(io)?;
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Reads the log, cuts what was never synced, and leaves all the rest durable.
pub(crate) fn recover(directory: &Directory, keys: &DataKeys) -> Result<Start, OpenError> {
    let io = |error| OpenError::io(directory.path(), error);
    directory.remove_unfinished().map_err(io)?;
    let mut bases = directory.bases().map_err(io)?;
    if bases.is_empty() {
        directory.put_segment(0, &segment_head(0, &frame::genesis(keys))).map_err(io)?;
        bases.push(0);
    }
    let mut start = Start {
        fold: Fold::default(),
        active: MemorySegment::written(0, Arc::default()),
        sealed: VecDeque::new(),
        head: frame::genesis(keys),
        cut: None,
    };
    let mut synced = 0;
    for (index, base) in bases.iter().copied().enumerate() {
        let path = directory.segment(base);
        if base != start.active.next() {
            let reason = "the segment that it stood in is gone";
            return Err(OpenError::damaged(start.active.next(), &path, 0, reason));
        }
        let bytes = fs::read(&path).map_err(|error| OpenError::io(&path, error))?;
        let following = bases.get(index + 1).copied();
        let walked = walk(&bytes, base, following, &start.head, keys);
        // A following segment was made only when everything in front of it was synced.
        synced = synced.max(walked.synced).max(following.unwrap_or(0));
        if walked.broken.is_some() {
            synced = synced.max(frame::highest_synced(&bytes[walked.end..], walked.next));
        }
        if walked.next < synced {
            let reason = walked.broken.unwrap_or("nothing stands in its place");
            return Err(OpenError::damaged(walked.next, &path, walked.end, reason));
        }
        start.cut = walked.broken.map(|reason| Cut { position: walked.next, reason: reason.to_owned() });
        if following.is_some() || (walked.broken.is_none() && walked.next <= synced) {
            start.add(base, bytes, walked, keys)?;
        } else {
            settle(&mut start, bytes, walked, base, synced, directory, keys)?;
        }
    }
    let path = directory.segment(start.active.base());
    File::open(&path).and_then(|file| file.sync_all()).map_err(|error| OpenError::io(&path, error))?;
    directory.sync().map_err(io)?;
    Ok(start)
}

/// Takes up a last segment whose end is not known to have been synced. That end is written anew, into a segment of its
/// own, and nothing is left behind it: a page that a failed sync left in memory is read back as if it were on the
/// disk, and no later sync would write it.
fn settle(
    start: &mut Start,
    bytes: Vec<u8>,
    whole: Walked,
    base: Position,
    synced: Position,
    directory: &Directory,
    keys: &DataKeys,
) -> Result<(), OpenError> {
    let io = |error| OpenError::io(directory.path(), error);
    let from = synced.clamp(base, whole.next);
    let kept = walk(&bytes, base, Some(from), &start.head, keys);
    let mut anew = segment_head(from, &kept.link).to_vec();
    anew.extend_from_slice(&bytes[kept.end.min(whole.end)..whole.end]);
    directory.put_segment(from, &anew).map_err(io)?;
    if from != base {
        directory.truncate_segment(base, kept.end as u64).map_err(io)?;
        start.add(base, bytes, kept, keys)?;
    }
    let walked = walk(&anew, from, None, &start.head, keys);
    start.add(from, anew, walked, keys)
}

impl Start {
    /// Adds the good records of the next segment, which becomes the active one.
    fn add(
        &mut self,
        base: Position,
        mut bytes: Vec<u8>,
        walked: Walked,
        keys: &DataKeys,
    ) -> Result<(), OpenError> {
        bytes.truncate(walked.end);
        let bytes = Arc::new(bytes);
        let segment = MemorySegment::written(base, bytes.clone());
        let before = std::mem::replace(&mut self.active, segment);
        if before.next() > before.base() {
            self.sealed.push_back(Arc::new(before));
        }
        let mut offset = SEGMENT_HEAD_BYTES;
        for length in walked.frames {
            let position = self.active.next();
            let record = read_record(&bytes[offset..offset + length as usize], position, keys)?;
            let Start { fold, active, sealed, .. } = self;
            let earlier =
                |key: &TxKey| earlier(sealed.iter().map(|segment| &**segment).chain([&*active]), key, keys);
            fold.apply(position, &record, earlier).map_err(|error| match error {
                FoldError::Broken(broken) => OpenError::Sequence { position, broken },
                FoldError::Earlier(error) => OpenError::Read(error),
            })?;
            self.active.push_written(&record, length as usize);
            offset += length as usize;
        }
        self.head = walked.link;
        Ok(())
    }
}

fn earlier<'a>(
    segments: impl Iterator<Item = &'a MemorySegment>,
    key: &TxKey,
    keys: &DataKeys,
) -> Result<Option<Placed>, ReadError> {
    let mut frames = Frames::new();
    collect(segments, key, &mut frames);
    Ok(tell(key, &frames, keys)?.map(|told| Placed {
        transaction: told.transaction,
        positions: told.records.iter().map(|(position, _)| *position).collect(),
    }))
}

/// A segment's frames as far as they follow from each other.
struct Walked {
    /// Bytes of head and good frames; 0 where the head is bad.
    end: usize,
    next: Position,
    link: Link,
    /// The highest synced position that a good frame states.
    synced: Position,
    /// Length of each good frame.
    frames: Vec<u32>,
    /// Why the walk ended where something still stands, or where something is missing.
    broken: Option<&'static str>,
}

fn walk(bytes: &[u8], base: Position, following: Option<Position>, before: &Link, keys: &DataKeys) -> Walked {
    let mut walked =
        Walked { end: 0, next: base, link: *before, synced: 0, frames: Vec::new(), broken: None };
    if read_segment_head(bytes, base) != Some(*before) {
        walked.broken = Some("its segment's head does not follow from the record before it");
        return walked;
    }
    walked.end = SEGMENT_HEAD_BYTES;
    while Some(walked.next) != following {
        let rest = &bytes[walked.end..];
        let frame = match frame::read(rest) {
            Next::Frame(frame) => frame,
            Next::Broken(reason) => {
                walked.broken = Some(reason);
                break;
            }
            Next::Blank => {
                let blank = following.is_none() && rest.iter().all(|byte| *byte == 0);
                walked.broken = (!blank).then_some("nothing stands in its place");
                break;
            }
        };
        let link = frame.link_after(&walked.link, keys).filter(|_| frame.position() == walked.next);
        let Some(link) = link else {
            walked.broken = Some("it does not follow from the record before it");
            break;
        };
        walked.frames.push(frame.len() as u32);
        walked.synced = walked.synced.max(frame.synced());
        walked.link = link;
        walked.end += frame.len();
        walked.next += 1;
    }
    walked
}
