//! The index that a start opens: sled's, and the segments themselves where sled cannot be used, as on a full disk.

use std::io;
use std::sync::{Mutex, MutexGuard, RwLock};

use processor::{Body, Position, Record, Used};

use crate::codec::{self, Unseal};
use crate::filter::{Filters, SegmentFilter};
use crate::frame::{self, Link, Next};
use crate::index::{Index, IndexError, NameIndex};
use crate::names::{Place, SegmentNames, identity_name, name_bytes, spend_name, transaction_name};
use crate::storage::{Directory, SEGMENT_HEAD_BYTES, Shelf};

/// In a name towards a bank, its tag and the bank stand in front of the identity.
const BANK_BYTES: usize = 10;

/// Answers from sled. After sled's first error it is asked no more while the process lives: every look-up then reads the
/// segments whose filter does not exclude the name, which takes a segment's reading each.
pub(crate) struct BackedIndex {
    sled: Option<Index>,
    /// Why sled is asked no more.
    failed: Mutex<Option<String>>,
    directory: Directory,
    /// Of all segments that were fed, also of those that sled did not take; bounded like those that look-ups begin with.
    filters: RwLock<Filters>,
}

impl BackedIndex {
    /// Takes sled's index over, or the reason why there is none.
    pub(crate) fn new(sled: Result<Index, IndexError>, directory: Directory) -> BackedIndex {
        let (sled, failed) = match sled {
            Ok(sled) => (Some(sled), None),
            Err(error) => (None, Some(error.to_string())),
        };
        BackedIndex { sled, failed: Mutex::new(failed), directory, filters: RwLock::default() }
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failed.lock().expect("no holder of the reason panics")
    }

    /// What sled says; `None` where it is out of use, or has just failed.
    fn ask<T>(&self, question: impl FnOnce(&Index) -> Result<T, IndexError>) -> Option<T> {
        let sled = self.sled.as_ref().filter(|_| self.failure().is_none())?;
        let answer = question(sled);
        answer.map_err(|error| *self.failure() = Some(error.to_string())).ok()
    }

    fn push(&self, filter: &SegmentFilter) {
        self.filters.write().expect("no holder of the filters panics").push(filter.clone());
    }

    /// Shows every record below `below` of the segments that may hold a name, with its place and its segment's beginning.
    fn scan(
        &self,
        name: &[u8],
        below: Position,
        mut show: impl FnMut(Position, Place, &Record),
    ) -> Result<(), IndexError> {
        let bases = self.filters.read().expect("no holder of the filters panics").segments_of(name);
        for base in bases.into_iter().filter(|base| *base < below) {
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
                show(base, Place { position, offset: offset as u32 }, &record);
                offset += frame.len();
            }
        }
        Ok(())
    }
}

impl NameIndex for BackedIndex {
    fn fed(&self) -> Result<Option<(Position, Link)>, IndexError> {
        Ok(self.ask(Index::fed).flatten())
    }

    fn feed(
        &self,
        base: Position,
        next: Position,
        link: &Link,
        names: SegmentNames,
        filter: &SegmentFilter,
    ) -> Result<(), IndexError> {
        self.push(filter);
        self.ask(|sled| sled.feed(base, next, link, names, filter));
        Ok(())
    }

    fn filter(&self, base: Position) -> Result<SegmentFilter, IndexError> {
        let sled = self.sled.as_ref().ok_or_else(|| IndexError::new("it is out of use".to_owned()))?;
        let filter = sled.filter(base)?;
        self.push(&filter);
        Ok(filter)
    }

    fn places(&self, name: &[u8], below: Position) -> Result<Vec<Place>, IndexError> {
        if let Some(places) = self.ask(|sled| sled.places(name, below)) {
            return Ok(places);
        }
        let mut places = Vec::new();
        self.scan(name, below, |base, place, record| match name.first() {
            // A day is named once for its segment.
            Some(b'd') => {
                let beginning = Place { position: base, offset: 0 };
                if is_named(record, name) && places.last() != Some(&beginning) {
                    places.push(beginning);
                }
            }
            _ => places.extend(is_named(record, name).then_some(place)),
        })?;
        Ok(places)
    }

    fn used(&self, name: &[u8], below: Position) -> Result<Used, IndexError> {
        if let Some(used) = self.ask(|sled| sled.used(name, below)) {
            return Ok(used);
        }
        let mut sum = Used::default();
        self.scan(name, below, |_, _, record| {
            if let Some(spend) = &record.spend
                && spend_name(spend.citizen, spend.day) == name
            {
                sum.amount_minor += spend.amount_minor;
                sum.count += i64::from(spend.count);
            }
        })?;
        Ok(sum)
    }

    fn out_of_use(&self) -> Option<String> {
        self.failure().clone()
    }
}

/// Whether a record has this name. Of a REVERSAL the identity alone is compared: its bank stands in another record, and
/// who looks for it compares the bank.
fn is_named(record: &Record, name: &[u8]) -> bool {
    if let (Some(key), Body::Reversal(reversal), Some(b'b')) =
        (&record.transaction, &record.body, name.first())
    {
        return identity_name(key.acquirer, &reversal.identity)[BANK_BYTES..] == name[BANK_BYTES..];
    }
    record.transaction.is_some_and(|key| transaction_name(&key) == name)
        || record.names(None).iter().any(|own| name_bytes(own) == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use processor::{Class, Name, Rrn};

    use super::*;
    use crate::samples::{advice_key, bank, citizen, day, identity, key};
    use crate::tests::index::{TRANSACTIONS, fill};
    use crate::tests::{open, options};

    #[test]
    fn the_segments_answer_as_sled_does() {
        let temporary = tempfile::tempdir().unwrap();
        let mut bench = open(temporary.path()).unwrap();
        fill(&mut bench);
        bench.log.close();
        drop(open(temporary.path()).unwrap());
        let directory = Directory::new(temporary.path(), options(temporary.path()).segment_bytes);
        let (sled, _) = Index::open(temporary.path()).unwrap();
        let below = sled.fed().unwrap().unwrap().0;
        let sled = BackedIndex::new(Ok(sled), directory.clone());
        let scanned = BackedIndex::new(Err(IndexError::new("full".to_owned())), directory.clone());
        let sealed: Vec<_> = directory.bases().unwrap().into_iter().filter(|base| *base < below).collect();
        assert!(sealed.len() > 5, "{sealed:?}");
        for base in &sealed {
            scanned.push(&sled.filter(*base).unwrap());
        }
        let mut names = vec![name_bytes(&Name::Day(day())), name_bytes(&Name::Rrn(Rrn(*b"212300000001")))];
        for stan in 1..=TRANSACTIONS + 1 {
            names.extend([
                transaction_name(&key(stan)),
                name_bytes(&Name::Advice(advice_key(Class::Completion, stan + 500_000))),
                name_bytes(&Name::Advice(advice_key(Class::Reversal, stan + 600_000))),
                identity_name(bank("970415"), &identity(stan + 500_000)),
                name_bytes(&Name::Citizen(citizen(stan))),
            ]);
        }
        let mut found = 0;
        for name in &names {
            let places = sled.places(name, below).unwrap();
            assert_eq!(scanned.places(name, below).unwrap(), places, "{name:?}");
            found += places.len();
        }
        assert!(found > 800, "{found} places");
        for stan in 1..=TRANSACTIONS {
            let name = spend_name(citizen(stan), day());
            assert_eq!(scanned.used(&name, below).unwrap(), sled.used(&name, below).unwrap());
        }
        assert_eq!((sled.out_of_use(), scanned.fed().unwrap()), (None, None));
        assert_eq!(scanned.out_of_use().as_deref(), Some("index: full"));
    }
}
