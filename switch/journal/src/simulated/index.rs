//! The index over sealed segments as a map in memory, with the names and values that sled gets.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

use processor::{Position, Used};

use crate::filter::SegmentFilter;
use crate::frame::Link;
use crate::index::{IndexError, NameIndex, add_used, place, segment_entries};
use crate::names::{Place, SegmentNames};

/// What the disk holds of the index.
#[derive(Default)]
pub(super) struct MemoryIndex(Mutex<Entries>);

#[derive(Clone, Default)]
struct Entries {
    names: BTreeMap<Vec<u8>, Vec<u8>>,
    filters: BTreeMap<Position, SegmentFilter>,
    fed: Option<(Position, Link)>,
}

impl MemoryIndex {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("no holder of the index panics")
    }

    /// Everything is gone.
    pub(super) fn clear(&self) {
        *self.lock() = Entries::default();
    }

    /// The names of the segment that was fed last are gone, and nothing tells.
    pub(super) fn lose_end(&self) {
        let mut entries = self.lock();
        let Some(last) = entries.filters.last_key_value().map(|(base, _)| *base) else { return };
        let position = |name: &[u8]| name.last_chunk().map_or(0, |end| Position::from_be_bytes(*end));
        entries.names.retain(|name, _| position(name) < last);
    }
}

impl NameIndex for MemoryIndex {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        Ok(self.lock().fed)
    }

    fn feed(
        &self,
        base: Position,
        next: Position,
        link: &Link,
        names: SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        let mut entries = self.lock();
        entries.names.extend(segment_entries(&names, base));
        let of_records = names.entries.into_iter();
        entries.names.extend(of_records.map(|(name, offset)| (name, offset.to_be_bytes().to_vec())));
        entries.filters.insert(base, filter.clone());
        entries.fed = Some((next, *link));
        Ok(())
    }

    fn filter(&self, base: Position) -> Result<SegmentFilter, IndexError> {
        let gone = || IndexError::new(format!("the filter of segment {base:020} is gone"));
        self.lock().filters.get(&base).cloned().ok_or_else(gone)
    }

    fn places(&self, name: &[u8], below: Position) -> Result<Vec<Place>, IndexError> {
        let entries = self.lock();
        let under = under(&entries.names, name).filter_map(|(key, offset)| place(name, key, offset));
        Ok(under.filter(|place| place.position < below).collect())
    }

    fn used(&self, name: &[u8], below: Position) -> Result<Used, IndexError> {
        let mut sum = Used::default();
        for (key, value) in under(&self.lock().names, name) {
            add_used(&mut sum, name, key, value, below);
        }
        Ok(sum)
    }
}

/// All entries whose key begins with `name`.
fn under<'a>(
    names: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    name: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    let from = names.range::<[u8], _>((Bound::Included(name), Bound::Unbounded));
    from.take_while(move |(key, _)| key.starts_with(name))
}
