//! The index over sealed segments as a map in memory, with the entries that a run on disk gets.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use processor::{Position, Used};

use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::index::{IndexError, NameIndex};
use crate::names::{Entry, IndexName, Named, Place, SegmentNames, SpendEntry};

/// What the disk holds of the index.
#[derive(Default)]
pub(super) struct MemoryIndex(Mutex<Segments>);

#[derive(Default)]
struct Segments {
    segments: BTreeMap<Position, Segment>,
    fed: Option<(Position, Link)>,
}

struct Segment {
    entries: Vec<Entry>,
    spends: Vec<SpendEntry>,
    filter: SegmentFilter,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.0.lock().expect("no holder of the index panics")
    }

    /// Everything is gone.
    pub(super) fn clear(&self) {
        *self.lock() = Segments::default();
    }

    /// The names of the segment that was fed last are gone, and nothing tells.
    pub(super) fn lose_end(&self) {
        if let Some((_, segment)) = self.lock().segments.iter_mut().next_back() {
            segment.entries.clear();
            segment.spends.clear();
        }
    }
}

impl NameIndex for MemoryIndex {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        Ok(self.lock().fed)
    }

    fn feed(
        &self,
        next: Position,
        link: &Link,
        names: &SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        let mut index = self.lock();
        let (entries, spends) = (names.entries.clone(), names.spends.clone());
        index.segments.insert(filter.base, Segment { entries, spends, filter: filter.clone() });
        index.fed = Some((next, *link));
        Ok(())
    }

    fn filters(&self, _bytes_max: usize) -> Result<Vec<SegmentFilter>, IndexError> {
        Ok(self.lock().segments.values().map(|segment| segment.filter.clone()).collect())
    }

    fn places(&self, name: &IndexName, below: Position) -> Result<Vec<Place>, IndexError> {
        let mut places = Vec::new();
        for segment in self.lock().segments.values() {
            let from = segment.entries.partition_point(|entry| entry.fingerprint < name.fingerprint);
            let same = segment.entries[from..].iter().take_while(|it| it.fingerprint == name.fingerprint);
            places.extend(same.map(|entry| entry.place).filter(|place| place.position < below));
        }
        Ok(places)
    }

    fn used(&self, name: &IndexName, below: Position) -> Result<Used, IndexError> {
        let mut sum = Used::default();
        let index = self.lock();
        for segment in index.segments.range(..below).map(|(_, segment)| segment) {
            let of_name = |spend: &&SpendEntry| Named::Spend(spend.citizen, spend.day) == name.what;
            for spend in segment.spends.iter().filter(of_name) {
                sum.amount_minor += spend.used.amount_minor;
                sum.count += spend.used.count;
            }
        }
        Ok(sum)
    }
}
