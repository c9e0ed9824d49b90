//! A start: what the directory holds, checked record by record, made durable before anything is acted on.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use keys::DataKeys;
use mutant::Mutant;
use processor::{Position, TxKey};

use crate::checkpoint::Checkpoint;
use crate::codec::Unseal;
use crate::error::{OpenError, ReadError};
use crate::files::{Files, Nearby};
use crate::filter::{FILTER_BYTES_MAX, Filters};
use crate::fold::{Fold, FoldError, Placed};
use crate::frame::{self, Link};
use crate::index::NameIndex;
use crate::indexer::Earlier;
use crate::log::Cut;
use crate::memory::MemorySegment;
use crate::names::{Namer, Place, SegmentNames};
use crate::pace::Pace;
use crate::reader::{read_record, tell_places};
use crate::storage::{SEGMENT_HEAD_BYTES, Shelf, read_segment_head, segment_head};
use crate::walk::{Walked, walk};

/// So many records of the segment that was fed last are looked up again at a start: an index that has lost its end without
/// a word is found out.
const PROBED_RECORDS: usize = 16;

/// So many segments are read and checked ahead of the one that is folded, each with a segment's memory.
const WALKED_AHEAD: usize = 1;

/// A log as a start found it, ready to be appended to.
pub(crate) struct Start {
    /// The sum over all records.
    pub(crate) fold: Fold,
    /// The sum over the sealed segments.
    pub(crate) sealed_fold: Fold,
    pub(crate) active: MemorySegment,
    /// The generation of K_log of the record before the active segment; 0 where there is none.
    pub(crate) generation_before: u8,
    pub(crate) head: Link,
    pub(crate) cut: Option<Cut>,
    pub(crate) index: Box<dyn NameIndex>,
    pub(crate) filters: Filters,
    pub(crate) files: Files,
    /// Why the index was thrown away.
    pub(crate) index_rebuilt: Option<String>,
    /// A checkpoint at the active segment's beginning would spare the next start work.
    pub(crate) checkpoint_due: bool,
}

/// Keeps other processes out of a log as long as it lives.
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that was forked and has not begun its own program yet may share the file: closing it is not enough.
        let _ = self.0.unlock();
    }
}

/// Makes the directory where it is not there, and locks it. The lock is a file of the switch's user alone: whoever may open it may hold it.
pub(crate) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let io = |error| OpenError::io(dir, error);
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    let mut options = OpenOptions::new();
    let file =
        options.create(true).truncate(false).write(true).mode(0o600).open(dir.join("lock")).map_err(io)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Reads the log, cuts what was never synced, and leaves all the rest durable.
pub(crate) fn recover(shelf: &Arc<dyn Shelf>, keys: &DataKeys) -> Result<Start, OpenError> {
    let io = |error| OpenError::io(shelf.path(), error);
    shelf.remove_unfinished().map_err(io)?;
    let mut bases = shelf.bases().map_err(io)?;
    let checkpoint = Checkpoint::newest(&**shelf, keys).map_err(io)?;
    let noted = shelf.noted_synced();
    shelf.open_note().map_err(io)?;
    if bases.is_empty() && checkpoint.is_none() && noted == 0 {
        shelf.put_segment(0, &segment_head(0, &frame::genesis(keys))).map_err(io)?;
        bases.push(0);
    }
    let namer = Namer::new(keys);
    let fed = FedIndex::open(shelf, &bases, &namer)?;
    // A checkpoint is written only when a record behind it is durable.
    let synced = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.next + 1).max(noted);
    let mut reading = Reading {
        shelf,
        keys,
        namer,
        fed: fed.below,
        began: 0,
        next: 0,
        link: frame::genesis(keys),
        generation: 0,
        fold: Fold::default(),
        index: fed.index,
        filters: fed.filters,
        files: Files::new(shelf.clone(), bases.clone()),
    };
    if let Some(checkpoint) =
        checkpoint.filter(|it| it.next <= fed.below || mutant::is(Mutant::LostIndexNotRebuilt))
    {
        reading.begin_at(checkpoint)?;
    }
    bases.retain(|base| *base >= reading.next);
    reading.read(&bases, synced, fed.rebuilt)
}

/// The index, as far as it can be believed.
struct FedIndex {
    index: Box<dyn NameIndex>,
    /// It knows the segments before this one.
    below: Position,
    filters: Filters,
    rebuilt: Option<String>,
}

impl FedIndex {
    fn open(shelf: &Arc<dyn Shelf>, bases: &[Position], namer: &Namer) -> Result<FedIndex, OpenError> {
        let (index, rebuilt) = shelf.open_index()?;
        match FedIndex::believe(&*index, shelf, bases, namer) {
            Ok((below, filters)) => Ok(FedIndex { index, below, filters, rebuilt }),
            Err(reason) => {
                drop(index);
                shelf.remove_index()?;
                let (index, _) = shelf.open_index()?;
                let rebuilt = rebuilt.or(Some(reason.to_string()));
                Ok(FedIndex { index, below: 0, filters: Filters::default(), rebuilt })
            }
        }
    }

    /// How far the index is fed, where that and what it says of its last segment is what the log says.
    fn believe(
        index: &dyn NameIndex,
        shelf: &Arc<dyn Shelf>,
        bases: &[Position],
        namer: &Namer,
    ) -> Result<(Position, Filters), Box<dyn std::error::Error>> {
        let mut filters = Filters::default();
        let Some((below, link)) = index.fed()? else {
            let due = bases.len() > 1;
            return if due { Err("it was not there, or empty".into()) } else { Ok((0, filters)) };
        };
        if read_segment_head(&shelf.head(below)?, below) != Some(link) {
            return Err("it was fed from another log".into());
        }
        let files = Files::new(shelf.clone(), bases.to_vec());
        let of_index = index.filters(FILTER_BYTES_MAX)?;
        let fed = || bases.iter().copied().filter(|base| *base < below);
        if !of_index.iter().map(|filter| filter.base).eq(fed()) {
            return Err("it was fed from other segments".into());
        }
        of_index.into_iter().for_each(|filter| filters.push(filter));
        let last = fed().next_back().ok_or("the segments that it was fed from are gone")?;
        let mut offset = SEGMENT_HEAD_BYTES as u32;
        for position in (last..below).take(PROBED_RECORDS) {
            let place = Place { position, offset };
            let frame = files.frame(place)?;
            let record = read_record(&frame, position, Unseal::Leave)?;
            if let Some(key) = record.transaction
                && !index.places(&namer.transaction(&key), below)?.contains(&place)
                && !mutant::is(Mutant::RottenIndexBelieved)
            {
                return Err(format!("it has lost record {position}").into());
            }
            offset += frame.len() as u32;
        }
        Ok((below, filters))
    }
}

/// The log while it is read, segment by segment.
struct Reading<'a> {
    shelf: &'a Arc<dyn Shelf>,
    keys: &'a DataKeys,
    namer: Namer,
    /// The index knows the segments before this one already.
    fed: Position,
    /// What the checkpoint says of stands in front of this.
    began: Position,
    /// The record that has to come next, and the chain's link before it.
    next: Position,
    link: Link,
    /// The generation of K_log of the record before; 0 where it is not known.
    generation: u8,
    fold: Fold,
    index: Box<dyn NameIndex>,
    filters: Filters,
    files: Files,
}

impl Reading<'_> {
    /// Takes over what a checkpoint says of everything before it.
    fn begin_at(&mut self, checkpoint: Checkpoint<'_>) -> Result<(), OpenError> {
        (self.began, self.next) = (checkpoint.next, checkpoint.next);
        (self.link, self.generation) = (checkpoint.link, checkpoint.generation);
        self.fold.standing = checkpoint.standing.into_owned();
        let mut open = checkpoint.open;
        open.sort_unstable_by_key(|places| places.first().copied());
        let mut nearby = Nearby::new(&self.files);
        for places in open {
            let Some(first) = places.first() else { continue };
            let record = read_record(&nearby.frame(*first)?, first.position, Unseal::Leave)?;
            let Some(key) = record.transaction else { continue };
            let told = tell_places(&key, &places, |place| nearby.frame(place), Unseal::Leave)?;
            if let Some(placed) = told {
                self.fold.open.insert(key, Box::new(placed));
            }
        }
        Ok(())
    }

    fn read(
        mut self,
        bases: &[Position],
        mut synced: Position,
        index_rebuilt: Option<String>,
    ) -> Result<Start, OpenError> {
        let Some(last) = bases.last().copied() else {
            return Err(missing(self.next, self.shelf.path()));
        };
        // A last segment was made only when everything in front of it was synced.
        synced = synced.max(last);
        let Reading { shelf, keys, next, link, generation, .. } = self;
        let walk = Walk { shelf, keys, next, link, generation };
        let (bytes, walked) = self.read_segments(walk, bases, last, synced)?;
        let cut = walked.broken.map(|reason| Cut { position: walked.next, reason: reason.to_owned() });
        let synced = synced.max(walked.synced);
        let acts_at_once = mutant::is(Mutant::RestartActsBeforeSync);
        let is_believed = walked.next <= synced || acts_at_once || mutant::is(Mutant::FailedSyncTailBelieved);
        let (base, bytes, walked) = if cut.is_none() && is_believed {
            (last, bytes, walked)
        } else {
            self.settle(last, bytes, &walked, synced)?
        };
        let sealed_fold = self.fold.clone();
        let checkpoint_due = base != self.began && walked.next > base;
        let (link_before, generation_before, link) = (self.link, self.generation, walked.link);
        let mut active = MemorySegment::written(base, &link_before, bytes.clone());
        active.reserve(walked.frames.len());
        let namer = self.namer.clone();
        self.fold_segment(base, &bytes, &walked, |place, record, _| {
            let end = walked.frames.get((place.position - base) as usize);
            let names = namer.of_record(record);
            active.push_written(record, &names, end.map_or(0, |length| *length as usize));
        })?;
        if !acts_at_once {
            self.sync(base)?;
        }
        Ok(Start {
            fold: self.fold,
            sealed_fold,
            active,
            generation_before,
            head: link,
            cut,
            index: self.index,
            filters: self.filters,
            files: self.files,
            index_rebuilt,
            checkpoint_due,
        })
    }

    /// Adds all segments but the last, which is given back as it was walked. The walk is a thread of its own, ahead of
    /// what is folded, where there is anything to be ahead of.
    fn read_segments(
        &mut self,
        mut walk: Walk<'_>,
        bases: &[Position],
        last: Position,
        synced: Position,
    ) -> Result<(Arc<Vec<u8>>, Walked), OpenError> {
        if bases == [last] {
            return walk.segment(last, None, synced);
        }
        let (walker, walks) = sync_channel(WALKED_AHEAD);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for (index, base) in bases.iter().enumerate() {
                    let following = bases.get(index + 1).copied();
                    let walked = walk.segment(*base, following, following.unwrap_or(synced));
                    let ended = walked.is_err();
                    // Who reads has failed and gone away when this cannot be sent.
                    if walker.send(walked).is_err() || ended {
                        return;
                    }
                }
            });
            // Gone when this returns, whatever it returns: a walker that waits for room then ends too.
            let walks = walks;
            for base in bases {
                let (bytes, walked) = walks.recv().expect("the walker sends one for each or an error")?;
                if *base == last {
                    return Ok((bytes, walked));
                }
                self.add_sealed(*base, &bytes, walked)?;
            }
            Err(missing(self.next, self.shelf.path()))
        })
    }

    fn add_sealed(&mut self, base: Position, bytes: &[u8], walked: Walked) -> Result<(), OpenError> {
        let mut names = SegmentNames::new(&self.namer);
        let feeds = base >= self.fed;
        self.fold_segment(base, bytes, &walked, |place, record, bank| {
            if feeds {
                names.add(place, record, bank);
            }
        })?;
        if feeds {
            let filter = names.finish(base, &mut Pace::at_once());
            self.index.feed(walked.next, &walked.link, &names, &filter)?;
            self.filters.push(filter);
        }
        self.fold.forget_ended();
        (self.next, self.link, self.generation) = (walked.next, walked.link, walked.generation);
        Ok(())
    }

    fn fold_segment(
        &mut self,
        base: Position,
        bytes: &[u8],
        walked: &Walked,
        mut added: impl FnMut(Place, &processor::Record, Option<processor::Institution>),
    ) -> Result<(), OpenError> {
        let mut offset = SEGMENT_HEAD_BYTES;
        for (position, length) in (base..).zip(&walked.frames) {
            let frame = &bytes[offset..offset + *length as usize];
            let record = read_record(frame, position, Unseal::LeaveOurs(self.keys))?;
            let place = Place { position, offset: offset as u32 };
            let Reading { fold, index, files, namer, .. } = self;
            let earlier = Earlier { namer, index: &**index, files, below: base };
            let read = |key: &TxKey, places: &[Place]| earlier.read(key, places);
            let bank = fold.apply(place, &record, read).map_err(|error| match error {
                FoldError::Broken(broken) => OpenError::Sequence { position, broken },
                FoldError::Earlier(error) => OpenError::Read(error),
            })?;
            added(place, &record, bank);
            offset += frame.len();
        }
        Ok(())
    }

    /// Takes up a last segment whose end is not known to have been synced. That end is written anew, into a segment of
    /// its own, and nothing is left behind it: a page that a failed sync left in memory is read back as if it were on
    /// the disk, and no later sync would write it.
    fn settle(
        &mut self,
        base: Position,
        bytes: Arc<Vec<u8>>,
        whole: &Walked,
        synced: Position,
    ) -> Result<(Position, Arc<Vec<u8>>, Walked), OpenError> {
        let failed = |error| OpenError::io(self.shelf.path(), error);
        let from = synced.clamp(base, whole.next);
        let kept = walk(&bytes, base, Some(from), (&self.link, self.generation), self.keys);
        let mut anew = segment_head(from, &kept.link).to_vec();
        anew.extend_from_slice(&bytes[kept.end..]);
        match self.shelf.put_segment(from, &anew) {
            // What is allocated ahead is gone and the disk is full: the same bytes are written where they stand.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.shelf.rewrite_end(base, kept.end as u64, &bytes[kept.end..]).map_err(failed)?;
                let walked = walk(&bytes, base, None, (&self.link, self.generation), self.keys);
                return Ok((base, bytes, walked));
            }
            put => put.map_err(failed)?,
        }
        if from != base {
            self.shelf.truncate_segment(base, kept.end as u64).map_err(failed)?;
            self.add_sealed(base, &bytes[..kept.end], kept)?;
            self.files.push(from);
        }
        let walked = walk(&anew, from, None, (&self.link, self.generation), self.keys);
        Ok((from, Arc::new(anew), walked))
    }

    fn sync(&self, base: Position) -> Result<(), OpenError> {
        self.shelf.sync_segment(base).map_err(|error| OpenError::io(&self.shelf.segment(base), error))
    }
}

fn missing(position: Position, path: &Path) -> OpenError {
    OpenError::damaged(position, path, 0, "the segment that it stood in is gone")
}

/// The chain as it is followed from segment to segment, ahead of what is folded.
struct Walk<'a> {
    shelf: &'a Arc<dyn Shelf>,
    keys: &'a DataKeys,
    next: Position,
    link: Link,
    generation: u8,
}

impl Walk<'_> {
    /// The next segment's bytes up to the end of its good records. Refuses one in which a record below `synced`, or
    /// below what any later record in it knew to be synced, is bad.
    fn segment(
        &mut self,
        base: Position,
        following: Option<Position>,
        mut synced: Position,
    ) -> Result<(Arc<Vec<u8>>, Walked), OpenError> {
        let path = self.shelf.segment(base);
        if base != self.next {
            return Err(missing(self.next, &path));
        }
        let mut bytes = self.shelf.read(base).map_err(|error| OpenError::io(&path, error))?;
        let walked = walk(&bytes, base, following, (&self.link, self.generation), self.keys);
        if let Some(reason) = walked.broken.filter(|_| walked.is_keyless) {
            return Err(OpenError::damaged(walked.next, &path, walked.end, reason));
        }
        if walked.broken.is_some() && !mutant::is(Mutant::LaterRecordsNotBelieved) {
            synced = synced.max(frame::highest_synced(&bytes[walked.end..], walked.next));
        }
        if walked.next < synced && !mutant::is(Mutant::CutAtAnyBadRecord) {
            let reason = walked.broken.unwrap_or("nothing stands in its place");
            return Err(OpenError::damaged(walked.next, &path, walked.end, reason));
        }
        bytes.truncate(walked.end);
        (self.next, self.link, self.generation) = (walked.next, walked.link, walked.generation);
        Ok((Arc::new(bytes), walked))
    }
}

/// The open transactions with their PANs, in the order in which they began.
pub(crate) fn opened(
    fold: &Fold,
    files: &Files,
    keys: &DataKeys,
) -> Result<Vec<processor::Transaction>, ReadError> {
    let mut placed: Vec<(&TxKey, &Box<Placed>)> = fold.open.iter().collect();
    placed.sort_unstable_by_key(|(_, placed)| placed.places.first().copied());
    let mut open = Vec::with_capacity(placed.len());
    let mut nearby = Nearby::new(files);
    for (key, placed) in placed {
        let told = tell_places(key, &placed.places, |place| nearby.frame(place), Unseal::Open(keys))?;
        open.extend(told.map(|placed| placed.transaction));
    }
    Ok(open)
}
