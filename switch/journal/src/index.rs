//! The index in sled: names of sealed segments. It holds nothing that the log does not, and is built anew from it
//! whenever it cannot be believed (docs/decisions/0002-sled-index.md).

use std::cell::Cell;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once};

use processor::{Name, Position, Used};
use thiserror::Error;

use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::names::{Place, SegmentNames, name_bytes};

/// Memory for sled's cache.
const CACHE_BYTES: u64 = 64 << 20;
/// Another layout of entries has another number here: an index of a different one is built anew.
const LAYOUT: &[u8] = b"1";
/// So many entries go into sled at once; look-ups wait meanwhile.
const BATCH_ENTRIES: usize = 256;
const BAD_MARK: &str = "index.bad";

/// sled's own error, or its panic. What it says is for people alone.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("index: {reason}")]
pub struct IndexError {
    reason: String,
    /// The disk is full: nothing is wrong with what stands there.
    is_full: bool,
}

impl IndexError {
    pub(crate) fn new(reason: String) -> IndexError {
        IndexError { reason, is_full: false }
    }

    fn of_sled(error: &sled::Error) -> IndexError {
        let is_full = matches!(error, sled::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull);
        IndexError { reason: error.to_string(), is_full }
    }

    /// The disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }
}

/// What the log needs of an index over its sealed segments, wherever that is kept.
pub(crate) trait NameIndex: Send + Sync {
    /// How far the index is fed: the position, and the chain's link before it.
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError>;

    /// Adds a sealed segment, from `base` up to `next`. Feeding one again changes nothing.
    fn feed(
        &self,
        base: Position,
        next: Position,
        link: &Link,
        names: SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError>;

    /// The filter of a segment that was fed.
    fn filter(&self, base: Position) -> Result<SegmentFilter, IndexError>;

    /// The records with this name, of segments before `below`, oldest first; for a day the beginnings of its segments.
    fn places(&self, name: &[u8], below: Position) -> Result<Vec<Place>, IndexError>;

    /// What segments before `below` say that was used under this name.
    fn used(&self, name: &[u8], below: Position) -> Result<Used, IndexError>;

    /// Why the segments themselves are read for every look-up from here on, where they are.
    fn out_of_use(&self) -> Option<String> {
        None
    }
}

/// The index in sled.
pub(crate) struct Index {
    /// There until the index is dropped.
    trees: Option<Trees>,
    mark: Mark,
}

struct Trees {
    db: sled::Db,
    names: sled::Tree,
    meta: sled::Tree,
}

impl Index {
    /// Opens the index in the log's directory. One that sled cannot open, or that a panic has marked as bad, is thrown
    /// away first; `Some` says why.
    ///
    /// # Errors
    /// [`IndexError`] when even an empty one cannot be made.
    pub(crate) fn open(dir: &Path) -> Result<(Index, Option<String>), IndexError> {
        let mark = Mark::new(dir.join(BAD_MARK));
        let reason = if fs::exists(dir.join(BAD_MARK)).unwrap_or(true) {
            "sled had panicked".to_owned()
        } else {
            match Index::open_once(dir, mark) {
                Ok(index) => return Ok((index, None)),
                // What stands there is good: it is used again once there is room.
                Err(error) if error.is_full => return Err(error),
                Err(error) => error.reason,
            }
        };
        Index::remove(dir)?;
        Ok((Index::open_once(dir, mark)?, Some(reason)))
    }

    /// Throws an index away that nothing has open.
    pub(crate) fn remove(dir: &Path) -> Result<(), IndexError> {
        for removed in [fs::remove_dir_all(dir.join("index")), fs::remove_file(dir.join(BAD_MARK))] {
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(IndexError::new(error.to_string()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn open_once(dir: &Path, mark: Mark) -> Result<Index, IndexError> {
        guarded(mark, || {
            let config = sled::Config::new()
                .path(dir.join("index"))
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(None)
                .mode(sled::Mode::HighThroughput);
            let db = config.open()?;
            let (names, meta) = (db.open_tree(b"names")?, db.open_tree(b"meta")?);
            match meta.get(b"layout")? {
                Some(layout) if layout == LAYOUT => {}
                Some(_) => return Err(sled::Error::Unsupported("another layout of the index".to_owned())),
                None => {
                    meta.insert(b"layout", LAYOUT)?;
                }
            }
            Ok(Index { trees: Some(Trees { db, names, meta }), mark })
        })
    }
}

impl NameIndex for Index {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        self.guarded(|trees| {
            let fed = trees.meta.get(b"fed")?;
            Ok(fed.and_then(|fed| {
                let (position, link) = fed.split_first_chunk()?;
                Some((Position::from_be_bytes(*position), link.try_into().ok()?))
            }))
        })
    }

    fn feed(
        &self,
        base: Position,
        next: Position,
        link: &Link,
        mut names: SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        names.entries.sort_unstable();
        let mut filter_bytes = Vec::new();
        ciborium::into_writer(filter, &mut filter_bytes)
            .map_err(|error| IndexError::new(error.to_string()))?;
        self.guarded(|trees| {
            for chunk in names.entries.chunks(BATCH_ENTRIES) {
                let mut batch = sled::Batch::default();
                for (name, offset) in chunk {
                    batch.insert(&**name, &offset.to_be_bytes());
                }
                trees.names.apply_batch(batch)?;
            }
            for (name, value) in segment_entries(&names, base) {
                trees.names.insert(name, value)?;
            }
            trees.meta.insert(filter_name(base), filter_bytes)?;
            trees.db.flush()?;
            let mut fed = next.to_be_bytes().to_vec();
            fed.extend_from_slice(link);
            trees.meta.insert(b"fed", fed)?;
            trees.db.flush().map(|_| ())
        })
    }

    fn filter(&self, base: Position) -> Result<SegmentFilter, IndexError> {
        let bytes = self.guarded(|trees| trees.meta.get(filter_name(base)))?;
        let bytes =
            bytes.ok_or_else(|| IndexError::new(format!("the filter of segment {base:020} is gone")))?;
        ciborium::from_reader(&*bytes).map_err(|error| IndexError::new(error.to_string()))
    }

    fn places(&self, name: &[u8], below: Position) -> Result<Vec<Place>, IndexError> {
        self.guarded(|trees| {
            let mut places = Vec::new();
            for entry in trees.names.scan_prefix(name) {
                let (key, offset) = entry?;
                places.extend(place(name, &key, &offset).filter(|place| place.position < below));
            }
            Ok(places)
        })
    }

    fn used(&self, name: &[u8], below: Position) -> Result<Used, IndexError> {
        self.guarded(|trees| {
            let mut sum = Used::default();
            for entry in trees.names.scan_prefix(name) {
                let (key, value) = entry?;
                add_used(&mut sum, name, &key, &value, below);
            }
            Ok(sum)
        })
    }
}

/// The entries that a segment has once, not for each record: its days, and what citizens have used.
pub(crate) fn segment_entries(names: &SegmentNames, base: Position) -> Vec<(Vec<u8>, Vec<u8>)> {
    let of_segment = |mut name: Vec<u8>| {
        name.extend_from_slice(&base.to_be_bytes());
        name
    };
    let days = names.days.iter().map(|day| name_bytes(&Name::Day(*day)));
    let days = days.map(|name| (of_segment(name), 0_u32.to_be_bytes().to_vec()));
    let spends = names.spends.iter().map(|(name, used)| {
        let mut value = used.amount_minor.to_be_bytes().to_vec();
        value.extend_from_slice(&used.count.to_be_bytes());
        (of_segment(name.clone()), value)
    });
    days.chain(spends).collect()
}

/// What an entry under `name` says of a record's place.
pub(crate) fn place(name: &[u8], key: &[u8], offset: &[u8]) -> Option<Place> {
    let position = Position::from_be_bytes(key.get(name.len()..)?.try_into().ok()?);
    Some(Place { position, offset: u32::from_be_bytes(offset.try_into().ok()?) })
}

/// Adds what an entry under `name` says was used in a segment before `below`.
pub(crate) fn add_used(sum: &mut Used, name: &[u8], key: &[u8], value: &[u8], below: Position) {
    let base = key.get(name.len()..).and_then(|rest| rest.try_into().ok());
    let before = base.is_some_and(|base| Position::from_be_bytes(base) < below);
    if let Some((amount, count)) = value.split_first_chunk().filter(|_| before) {
        sum.amount_minor += i64::from_be_bytes(*amount);
        sum.count += count.try_into().map_or(0, i64::from_be_bytes);
    }
}

impl Index {
    fn guarded<T>(&self, run: impl FnOnce(&Trees) -> sled::Result<T>) -> Result<T, IndexError> {
        let trees = self.trees.as_ref().expect("the trees are there until the index is dropped");
        guarded(self.mark, || run(trees))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let trees = self.trees.take();
        // sled writes when it is dropped, and may panic over it: the mark is all that has to be left.
        let _ = guarded(self.mark, || {
            drop(trees);
            Ok(())
        });
    }
}

fn filter_name(base: Position) -> Vec<u8> {
    let mut name = b"filter".to_vec();
    name.extend_from_slice(&base.to_be_bytes());
    name
}

/// The file that says that sled has panicked over an index, by its place in [`MARKS`].
#[derive(Clone, Copy)]
struct Mark(usize);

/// One for each log that this process has opened.
static MARKS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

thread_local! {
    static IN_SLED: Cell<Option<Mark>> = const { Cell::new(None) };
}

impl Mark {
    fn new(path: PathBuf) -> Mark {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                mark_bad();
                before(panic);
            }));
        });
        let mut marks = MARKS.lock().expect("no holder of the marks panics");
        let known = marks.iter().position(|known| *known == path);
        Mark(known.unwrap_or_else(|| {
            marks.push(path);
            marks.len() - 1
        }))
    }
}

/// Runs what calls sled. Its panic is an error here where panics unwind; where they end the process, the mark that
/// the hook leaves lets the next start throw the index away.
fn guarded<T>(mark: Mark, run: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    IN_SLED.set(Some(mark));
    let ran = catch_unwind(AssertUnwindSafe(run));
    IN_SLED.set(None);
    match ran {
        Ok(result) => result.map_err(|error| IndexError::of_sled(&error)),
        Err(_) => Err(IndexError::new("sled has panicked".to_owned())),
    }
}

/// sled's own threads belong to none of the indexes by name: their panic marks all.
fn mark_bad() {
    let own_thread = std::thread::current().name().is_some_and(|name| name.starts_with("sled"));
    let inside = IN_SLED.get();
    if !own_thread && inside.is_none() {
        return;
    }
    if let Ok(marks) = MARKS.lock() {
        let bad = marks.iter().enumerate().filter(|(index, _)| inside.is_none_or(|mark| mark.0 == *index));
        for (_, path) in bad {
            // Nothing more can be done for an index whose mark cannot be written: it will panic again.
            let _ = fs::write(path, b"");
        }
    }
}
