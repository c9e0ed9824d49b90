//! The index on a disk: runs that are sorted, written once and never changed, eight of a size merged into one
//! (docs/decisions/0007-index-of-runs.md).

mod output;
mod run;
mod table;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use processor::{Position, Used};

use self::output::Output;
use self::run::{
    NAME_POSITION_AT, Run, RunWriter, SPEND_POSITION_AT, SUFFIX, moved, name_entry, spend_entry,
};
use self::table::{Cursor, Entry};
use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::index::IndexError;
use crate::log::stand_back;
use crate::names::{IndexName, Place, SegmentNames};

/// So many runs of a size that follow each other become one.
const MERGED_RUNS: usize = 8;
/// A run of so many segments is not merged any more: 32 GiB of log.
const MERGED_SEGMENTS_MAX: usize = 512;
/// Positions in a run are numbers of 32 bits.
const RUN_RECORDS_MAX: u64 = 1 << 32;
/// A merge leaves the disk to the log for so long after each MiB: it writes 100 MB/s at most.
const MERGE_PAUSE: Duration = Duration::from_millis(10);
/// A merge looks so often whether it has to end.
const ENTRIES_BETWEEN_LOOKS: u64 = 16_384;
const UNFINISHED_FED: &str = "fed.part";
const UNFINISHED_MERGED: &str = "merged.part";

/// The runs of a log, from its first record on without a gap.
pub(crate) struct Runs {
    shelf: Arc<Shelf>,
    merger: Option<JoinHandle<()>>,
}

/// What feeding, look-ups and merging share.
struct Shelf {
    dir: PathBuf,
    runs: RwLock<Vec<Arc<Run>>>,
    merger: Mutex<Merger>,
    news: Condvar,
}

/// What the merging thread is told.
#[derive(Default)]
struct Merger {
    /// A run has come since it looked.
    fed: bool,
    ends: bool,
    /// Why it has given up: a run could not be read.
    failed: Option<String>,
}

impl Runs {
    /// Opens the runs in a log's directory as far as they follow each other, and throws the rest away; `Some` says why
    /// there was a rest that is missed.
    ///
    /// # Errors
    /// [`IndexError`] when the directory cannot be read or made.
    pub(crate) fn open(log_dir: &Path) -> Result<(Runs, Option<String>), IndexError> {
        let dir = Runs::dir(log_dir);
        let failed = |error: io::Error| IndexError::new(format!("{}: {error}", dir.display()));
        fs::create_dir_all(&dir).map_err(failed)?;
        let (runs, missed) = sort_out(&dir).map_err(failed)?;
        let shelf = Shelf {
            dir,
            runs: RwLock::new(runs),
            merger: Mutex::new(Merger { fed: true, ..Merger::default() }),
            news: Condvar::new(),
        };
        let shelf = Arc::new(shelf);
        let of_thread = Arc::clone(&shelf);
        let thread = std::thread::Builder::new().name("log-merge".to_owned()).spawn(move || {
            stand_back();
            of_thread.merge_all();
        });
        let merger = thread.map_err(|error| IndexError::new(error.to_string()))?;
        Ok((Runs { shelf, merger: Some(merger) }, missed))
    }

    /// Throws an index away that nothing has open.
    pub(crate) fn remove(log_dir: &Path) -> Result<(), IndexError> {
        match fs::remove_dir_all(Runs::dir(log_dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IndexError::new(error.to_string())),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn dir(log_dir: &Path) -> PathBuf {
        log_dir.join("index")
    }

    /// The runs of this moment.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { shelf: &self.shelf, runs: self.shelf.runs() }
    }

    /// Adds a segment as a run of its own.
    pub(crate) fn feed(
        &self,
        next: Position,
        link: &Link,
        names: &SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        let base = filter.base;
        let written = self.shelf.put(UNFINISHED_FED, (base, next), Duration::ZERO, |writer| {
            for entry in &names.entries {
                writer.name(&name_entry(entry.fingerprint, entry.place, base))?;
            }
            let counted = writer.names_end()?;
            for spend in &names.spends {
                writer.spend(&spend_entry(spend.citizen, spend.day, spend.used))?;
            }
            Ok((counted, vec![filter.clone()], *link))
        });
        let run = written.map_err(|error| IndexError::new(format!("segment {base:020}: {error}")))?;
        self.shelf.runs.write().expect("no holder of the runs panics").push(Arc::new(run));
        self.shelf.tell(|merger| merger.fed = true);
        Ok(())
    }

    /// Why no more is merged; a run has been found bad then.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shelf.merger.lock().expect("no holder of the merger panics").failed.clone()
    }
}

/// The runs of one moment; what is merged meanwhile stays readable.
pub(crate) struct Snapshot<'r> {
    shelf: &'r Shelf,
    runs: Vec<Arc<Run>>,
}

impl Snapshot<'_> {
    /// How far they reach, and the chain's link there.
    pub(crate) fn fed(&self) -> Option<(Position, Link)> {
        self.runs.last().map(|run| (run.next, run.link))
    }

    /// The filters of all segments, the oldest first; the newest have their bits.
    pub(crate) fn filters(&self, mut bytes_max: usize) -> Result<Vec<SegmentFilter>, IndexError> {
        let mut filters = Vec::new();
        for run in self.runs.iter().rev() {
            let mut of_run = self.shelf.asked(run, run.filters(&mut bytes_max))?;
            of_run.append(&mut filters);
            filters = of_run;
        }
        Ok(filters)
    }

    /// The places below `below` that a name may have, oldest first.
    pub(crate) fn places(&self, name: &IndexName, below: Position) -> Result<Vec<Place>, IndexError> {
        let mut places = Vec::new();
        for run in self.runs.iter().filter(|run| run.base < below && run.spans(name.span())) {
            places.append(&mut self.shelf.asked(run, run.places(name, below))?);
        }
        Ok(places)
    }

    /// What segments before `below` say that a citizen has used of a day.
    pub(crate) fn used(&self, name: &IndexName, below: Position) -> Result<Used, IndexError> {
        let mut sum = Used::default();
        for run in self.runs.iter().filter(|run| run.base < below && run.spans(name.span())) {
            self.shelf.asked(run, run.add_used(&mut sum, name, below))?;
        }
        Ok(sum)
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.shelf.tell(|merger| merger.ends = true);
        if let Some(merger) = self.merger.take() {
            merger.join().expect("the merger does not panic");
        }
    }
}

/// The runs that follow each other from the first record on, the longest first where several begin alike, for a merge
/// that a crash interrupted leaves both what it read and what it wrote. All other files are removed.
fn sort_out(dir: &Path) -> io::Result<(Vec<Arc<Run>>, Option<String>)> {
    let mut found = Vec::new();
    let mut missed = None;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_run = path.extension().is_some_and(|it| it == &SUFFIX[1..]);
        let is_unfinished = [UNFINISHED_FED, UNFINISHED_MERGED].iter().any(|name| path.ends_with(name));
        match Run::open(&path) {
            Ok(run) if path.ends_with(Run::file_name(run.base, run.next)) => found.push(run),
            _ if is_unfinished => fs::remove_file(&path)?,
            Ok(_) | Err(_) if path.is_dir() => fs::remove_dir_all(&path)?,
            Ok(_) => {
                missed = Some("a run had another's name".to_owned());
                fs::remove_file(&path)?;
            }
            Err(error) => {
                missed = Some(match is_run {
                    true => format!("{}: {error}", path.display()),
                    false => "it was of another layout".to_owned(),
                });
                fs::remove_file(&path)?;
            }
        }
    }
    found.sort_by_key(|run| (run.base, std::cmp::Reverse(run.next)));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for run in found {
        let next = runs.last().map_or(0, |last| last.next);
        if run.base == next {
            runs.push(Arc::new(run));
            continue;
        }
        if run.base > next {
            missed = missed.or_else(|| Some(format!("the run from record {next} on was gone")));
        }
        fs::remove_file(run.path())?;
    }
    Ok((runs, missed))
}

impl Shelf {
    fn runs(&self) -> Vec<Arc<Run>> {
        self.runs.read().expect("no holder of the runs panics").clone()
    }

    fn tell(&self, news: impl FnOnce(&mut Merger)) {
        news(&mut self.merger.lock().expect("no holder of the merger panics"));
        self.news.notify_all();
    }

    /// What was read of a run. One that cannot be read is not there for the next start, which builds it anew.
    fn asked<T>(&self, run: &Run, read: io::Result<T>) -> Result<T, IndexError> {
        read.map_err(|error| {
            // It is missed by the next start also where its name cannot be taken away.
            let _ = fs::remove_file(run.path());
            IndexError::new(format!("{}: {error}", run.path().display()))
        })
    }

    /// Writes a run under a name that a start removes, and gives it its own once it is durable.
    fn put(
        &self,
        unfinished: &str,
        (base, next): (Position, Position),
        pause: Duration,
        fill: impl FnOnce(&mut RunWriter) -> io::Result<((u64, Vec<u64>), Vec<SegmentFilter>, Link)>,
    ) -> io::Result<Run> {
        let unfinished = self.dir.join(unfinished);
        let path = self.dir.join(Run::file_name(base, next));
        let write = || {
            let mut writer = RunWriter::new(Output::new(File::create(&unfinished)?, pause), base);
            let (names, filters, link) = fill(&mut writer)?;
            writer.finish(names, &filters, next, &link)?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.dir)?.sync_all()?;
            Run::open(&path)
        };
        let written = write();
        if written.is_err() {
            // A disk that is full gets the space back at once: others need it.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Merges what there is to be merged, whenever a run has come, until the index is dropped.
    fn merge_all(&self) {
        loop {
            let mut merger = self.merger.lock().expect("no holder of the merger panics");
            while !merger.fed && !merger.ends {
                merger = self.news.wait(merger).expect("no holder of the merger panics");
            }
            if merger.ends {
                return;
            }
            merger.fed = false;
            drop(merger);
            while let Some(runs) = mergeable(&self.runs()) {
                match self.merge(&runs) {
                    Ok(true) => {}
                    Ok(false) => return,
                    // A disk without room: the runs answer as they are, and the next one that comes tries again.
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return self.tell(|merger| merger.failed = Some(error.to_string())),
                }
            }
        }
    }

    /// Merges runs that follow each other into one that takes their place; `false`: the index is being dropped.
    fn merge(&self, runs: &[Arc<Run>]) -> io::Result<bool> {
        let [first, .., last] = runs else { return Ok(true) };
        let (base, next) = (first.base, last.next);
        let merged = self.put(UNFINISHED_MERGED, (base, next), MERGE_PAUSE, |writer| {
            let names = runs.iter().map(|run| (run.names(), (run.base - base) as u32)).collect();
            self.merge_tables(runs, names, NAME_POSITION_AT, |entry| writer.name(entry))?;
            let counted = writer.names_end()?;
            let spends = runs.iter().map(|run| (run.spends(), (run.base - base) as u32)).collect();
            self.merge_tables(runs, spends, SPEND_POSITION_AT, |entry| writer.spend(entry))?;
            let mut filters = Vec::new();
            for run in runs {
                let mut all_bytes = usize::MAX;
                filters.append(&mut self.readable(run, run.filters(&mut all_bytes))?);
            }
            Ok((counted, filters, last.link))
        });
        let merged = match merged {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            merged => Arc::new(merged?),
        };
        let mut all = self.runs.write().expect("no holder of the runs panics");
        let at = all.partition_point(|run| run.base < base);
        all.splice(at..at + runs.len(), [merged]);
        drop(all);
        // A run that cannot be removed is thrown away by the next start.
        runs.iter().for_each(|run| drop(fs::remove_file(run.path())));
        Ok(true)
    }

    /// Hands on the entries of all tables in order. Each table's positions move by what stands beside it.
    fn merge_tables<const W: usize>(
        &self,
        runs: &[Arc<Run>],
        mut tables: Vec<(Cursor<'_, W>, u32)>,
        position_at: usize,
        mut take: impl FnMut(&Entry<W>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut next = |table: usize| -> io::Result<Option<Entry<W>>> {
            let (cursor, more) = &mut tables[table];
            let entry = self.readable(&runs[table], cursor.next())?;
            Ok(entry.map(|entry| moved(entry, position_at, *more)))
        };
        let mut heads = (0..runs.len()).map(&mut next).collect::<io::Result<Vec<_>>>()?;
        let mut taken = 0_u64;
        while let Some((entry, table)) = least(&heads) {
            take(&entry)?;
            heads[table] = next(table)?;
            taken += 1;
            if taken.is_multiple_of(ENTRIES_BETWEEN_LOOKS) && self.ends() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    }

    fn readable<T>(&self, run: &Run, read: io::Result<T>) -> io::Result<T> {
        self.asked(run, read).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    fn ends(&self) -> bool {
        self.merger.lock().expect("no holder of the merger panics").ends
    }
}

/// The least of the entries, and where it stands.
fn least<const W: usize>(heads: &[Option<Entry<W>>]) -> Option<(Entry<W>, usize)> {
    let there = heads.iter().enumerate().filter_map(|(table, head)| head.map(|entry| (entry, table)));
    there.min()
}

/// The oldest runs that follow each other, are of one size and are enough for a merge.
fn mergeable(runs: &[Arc<Run>]) -> Option<Vec<Arc<Run>>> {
    let size = |run: &Arc<Run>| run.segments().ilog(MERGED_RUNS);
    let fits = |runs: &&[Arc<Run>]| {
        let [first, .., last] = runs else { return false };
        let segments: usize = runs.iter().map(|run| run.segments()).sum();
        runs.iter().all(|run| size(run) == size(first))
            && segments <= MERGED_SEGMENTS_MAX
            && last.next - first.base < RUN_RECORDS_MAX
    };
    runs.windows(MERGED_RUNS).find(fits).map(<[_]>::to_vec)
}
