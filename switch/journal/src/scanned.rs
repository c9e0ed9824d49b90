//! The index that a start opens: its runs, and the segments themselves where runs cannot be used, as on a full disk.

use std::io;
use std::sync::{Mutex, MutexGuard, RwLock};

use processor::{Position, Record, Used};

use crate::codec::{self, Unseal};
use crate::filter::{Filters, SegmentFilter};
use crate::frame::{self, Link, Next};
use crate::index::{IndexError, NameIndex};
use crate::names::{IndexName, Place, SegmentNames};
use crate::runs::{Runs, Snapshot};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, Shelf};

/// Answers from runs. What they cannot be fed with any more, or cannot be read of, is read from the segments whose filter
/// does not exclude the name while the process lives, which takes a segment's reading each.
pub(crate) struct BackedIndex {
    runs: Runs,
    trouble: Mutex<Trouble>,
    directory: Directory,
    /// Of all segments that were fed, also of those that the runs did not take; their bits are shared with those that
    /// look-ups begin with.
    filters: RwLock<Filters>,
}

/// What is wrong with the runs.
#[derive(Default)]
struct Trouble {
    reason: Option<String>,
    /// They could not be read, and are asked no more.
    unreadable: bool,
}

impl BackedIndex {
    pub(crate) fn new(runs: Runs, directory: Directory) -> BackedIndex {
        BackedIndex { runs, trouble: Mutex::default(), directory, filters: RwLock::default() }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().expect("no holder of the reason panics")
    }

    /// What the runs say, and from which position on the segments have to be read; `None`: from none.
    fn ask<T: Default>(
        &self,
        question: impl FnOnce(&Snapshot<'_>) -> Result<T, IndexError>,
    ) -> (T, Option<Position>) {
        if self.trouble().unreadable {
            return (T::default(), Some(0));
        }
        let runs = self.runs.snapshot();
        match question(&runs) {
            Ok(answer) => (answer, self.out_of_use().map(|_| runs.fed().map_or(0, |(fed, _)| fed))),
            Err(error) => {
                let mut trouble = self.trouble();
                trouble.unreadable = true;
                trouble.reason.get_or_insert(error.to_string());
                (T::default(), Some(0))
            }
        }
    }

    fn push(&self, filter: &SegmentFilter) {
        self.filters.write().expect("no holder of the filters panics").push(filter.clone());
    }

    /// Shows every record with this name, with its place, of the segments between two positions.
    fn scan(
        &self,
        name: &IndexName,
        from: Option<Position>,
        below: Position,
        mut show: impl FnMut(Place, &Record),
    ) -> Result<(), IndexError> {
        let Some(from) = from else { return Ok(()) };
        let bases = self.filters.read().expect("no holder of the filters panics").segments_of(name);
        for base in bases.into_iter().filter(|base| (from..below).contains(base)) {
            let failed = |error: io::Error| IndexError::new(format!("segment {base:020}: {error}"));
            let bytes = self.directory.read(base).map_err(failed)?;
            let mut offset = SEGMENT_HEAD_BYTES;
            while let Some(rest) = bytes.get(offset..)
                && let Next::Frame(frame) = frame::read(rest)
                && frame.position() < below
            {
                let position = frame.position();
                let record = codec::decode(frame.record(), position, Unseal::Leave);
                let record =
                    record.map_err(|error| IndexError::new(format!("record {position}: {error}")))?;
                if name.is_of(&record) {
                    show(Place { position, offset: offset as u32 }, &record);
                }
                offset += frame.len();
            }
        }
        Ok(())
    }
}

impl NameIndex for BackedIndex {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        Ok(self.runs.snapshot().fed())
    }

    fn feed(
        &self,
        next: Position,
        link: &Link,
        names: &SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        self.push(filter);
        // Behind a gap nothing is fed: the next start feeds all of it.
        if self.out_of_use().is_none()
            && let Err(error) = self.runs.feed(next, link, names, filter)
        {
            self.trouble().reason = Some(error.to_string());
        }
        Ok(())
    }

    fn filters(&self, bytes_max: usize) -> Result<Vec<SegmentFilter>, IndexError> {
        let filters = self.runs.snapshot().filters(bytes_max)?;
        filters.iter().for_each(|filter| self.push(filter));
        Ok(filters)
    }

    fn places(&self, name: &IndexName, below: Position) -> Result<Vec<Place>, IndexError> {
        let (mut places, from) = self.ask(|runs| runs.places(name, below));
        self.scan(name, from, below, |place, _| places.push(place))?;
        Ok(places)
    }

    fn used(&self, name: &IndexName, below: Position) -> Result<Used, IndexError> {
        let (mut sum, from) = self.ask(|runs| runs.used(name, below));
        self.scan(name, from, below, |_, record| {
            if let Some(spend) = &record.spend {
                sum.amount_minor += spend.amount_minor;
                sum.count += i64::from(spend.count);
            }
        })?;
        Ok(sum)
    }

    fn out_of_use(&self) -> Option<String> {
        self.trouble().reason.clone().or_else(|| self.runs.failure())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use processor::Class;

    use super::*;
    use crate::names::Namer;
    use crate::samples::{self, advice_key, bank, citizen, day, identity, key};
    use crate::tests::index::{TRANSACTIONS, fill};
    use crate::tests::{open, options};

    #[test]
    fn the_segments_answer_as_the_runs_do() {
        let temporary = tempfile::tempdir().unwrap();
        let mut bench = open(temporary.path()).unwrap();
        fill(&mut bench);
        bench.log.close();
        drop(open(temporary.path()).unwrap());
        let directory = Directory::new(temporary.path(), options(temporary.path()).segment_bytes);
        let (runs, missed) = Runs::open(temporary.path()).unwrap();
        assert_eq!(missed, None);
        let runs = BackedIndex::new(runs, directory.clone());
        let below = runs.fed().unwrap().unwrap().0;
        let filters = runs.filters(usize::MAX).unwrap();
        assert!(filters.len() >= 5, "{} segments", filters.len());
        let without = tempfile::tempdir().unwrap();
        // All of it is scanned here, and there what stands behind the first merged run.
        let scanned = BackedIndex::new(Runs::open(without.path()).unwrap().0, directory.clone());
        scanned.trouble().reason = Some("full".to_owned());
        filters.iter().for_each(|filter| scanned.push(filter));
        let half = tempfile::tempdir().unwrap();
        let half = BackedIndex::new(Runs::open(half.path()).unwrap().0, directory);
        for (filter, next) in filters.iter().zip(filters.iter().skip(1).map(|next| next.base)) {
            if half.fed().unwrap().is_none() {
                let names = SegmentNames::new(&Namer::new(&samples::keys()));
                half.feed(next, &[0; 32], &names, filter).unwrap();
                half.trouble().reason = Some("full".to_owned());
            } else {
                half.push(filter);
            }
        }
        let namer = Namer::new(&samples::keys());
        let mut names = Vec::new();
        for stan in 1..=TRANSACTIONS + 1 {
            names.extend([
                namer.transaction(&key(stan)),
                namer.advice(&advice_key(Class::Completion, stan + 500_000)),
                namer.advice(&advice_key(Class::Reversal, stan + 600_000)),
                namer.identity(bank("970415"), &identity(stan + 500_000)),
            ]);
        }
        let mut found = 0;
        let first = filters[1].base;
        for name in &names {
            let places = runs.places(name, below).unwrap();
            assert_eq!(scanned.places(name, below).unwrap(), places, "{name:?}");
            let behind: Vec<Place> = places.iter().copied().filter(|place| place.position >= first).collect();
            let last = filters[filters.len() - 1].base;
            assert_eq!(
                half.places(name, last).unwrap().len(),
                behind.iter().filter(|it| it.position < last).count()
            );
            found += places.len();
        }
        assert!(found > 700, "{found} places");
        for stan in 1..=TRANSACTIONS {
            let name = namer.spend(citizen(stan), day());
            assert_eq!(scanned.used(&name, below).unwrap(), runs.used(&name, below).unwrap());
        }
        assert_eq!(runs.out_of_use(), None);
        assert_eq!(scanned.out_of_use().as_deref(), Some("full"));
    }
}
