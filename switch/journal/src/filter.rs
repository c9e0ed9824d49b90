//! Filters over indexed segments: they prove from memory that a name stands in none of them, or say that it may.

use std::collections::{BTreeMap, BTreeSet};

use processor::{Day, Position, UtcSeconds};
use serde::{Deserialize, Serialize};

/// Bits for each name: with seven probes one absent name in a hundred looks present.
const BITS_A_NAME: usize = 10;
const PROBES: u64 = 7;
/// The tags of the names that filters know: transactions, advices, names at banks, spends.
const FILTERED: [u8; 4] = *b"tabs";
/// A segment with names of more hours, or of more days, may hold any.
const SPANS_MAX: usize = 256;
/// Filters take no more memory than this; the oldest lose their bits first and then say "may" for their hours. 64 MiB
/// hold the names of 10 million transactions, hours of the busiest national switch.
pub(crate) const FILTER_BYTES_MAX: usize = 64 << 20;

/// Collects the names of a segment.
pub(crate) struct FilterBuilder {
    hashes: Vec<u64>,
    hours: BTreeSet<i64>,
    days: BTreeSet<Day>,
}

impl FilterBuilder {
    pub(crate) fn new() -> FilterBuilder {
        FilterBuilder { hashes: Vec::new(), hours: BTreeSet::new(), days: BTreeSet::new() }
    }

    /// A name that carries a moment.
    pub(crate) fn add_at(&mut self, name: &[u8], at: UtcSeconds) {
        self.hashes.push(hash(name));
        self.hours.insert(hour(at));
    }

    /// A name that carries a business day.
    pub(crate) fn add_on(&mut self, name: &[u8], day: Day) {
        self.hashes.push(hash(name));
        self.days.insert(day);
    }

    pub(crate) fn build(&self, base: Position) -> SegmentFilter {
        let words = (self.hashes.len() * BITS_A_NAME).div_ceil(64).max(1);
        let mut bits = vec![0; words];
        for hash in &self.hashes {
            for bit in probes(*hash, words) {
                bits[bit / 64] |= 1 << (bit % 64);
            }
        }
        SegmentFilter {
            base,
            bits,
            hours: (self.hours.len() <= SPANS_MAX).then(|| self.hours.iter().copied().collect()),
            days: (self.days.len() <= SPANS_MAX).then(|| self.days.iter().copied().collect()),
        }
    }
}

/// The filter of one segment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct SegmentFilter {
    base: Position,
    /// Empty: any name may be there.
    bits: Vec<u64>,
    /// Hours since 1970 of the names with a moment; none: any.
    hours: Option<Vec<i64>>,
    days: Option<Vec<Day>>,
}

impl SegmentFilter {
    fn may_hold(&self, hash: u64) -> bool {
        self.bits.is_empty()
            || probes(hash, self.bits.len()).all(|bit| self.bits[bit / 64] & 1 << (bit % 64) != 0)
    }

    fn bytes(&self) -> usize {
        self.bits.len() * 8
    }
}

/// The filters of all indexed segments.
#[derive(Default)]
pub(crate) struct Filters {
    segments: Vec<SegmentFilter>,
    by_hour: BTreeMap<i64, Vec<usize>>,
    by_day: BTreeMap<Day, Vec<usize>>,
    any_hour: Vec<usize>,
    any_day: Vec<usize>,
    bytes: usize,
    /// Segments in front of this one have lost their bits.
    bare: usize,
}

impl Filters {
    /// Adds the filter of the next segment.
    pub(crate) fn push(&mut self, filter: SegmentFilter) {
        let index = self.segments.len();
        match &filter.hours {
            Some(hours) => hours.iter().for_each(|hour| self.by_hour.entry(*hour).or_default().push(index)),
            None => self.any_hour.push(index),
        }
        match &filter.days {
            Some(days) => days.iter().for_each(|day| self.by_day.entry(*day).or_default().push(index)),
            None => self.any_day.push(index),
        }
        self.bytes += filter.bytes();
        self.segments.push(filter);
        while self.bytes > FILTER_BYTES_MAX && self.bare < index {
            self.bytes -= self.segments[self.bare].bytes();
            self.segments[self.bare].bits = Vec::new();
            self.bare += 1;
        }
    }

    /// `false`: no indexed segment holds this name, whose moment is `at`.
    pub(crate) fn may_hold_at(&self, name: &[u8], at: UtcSeconds) -> bool {
        self.may_hold(name, self.by_hour.get(&hour(at)), &self.any_hour)
    }

    /// `false`: no indexed segment holds this name, whose business day is `day`.
    pub(crate) fn may_hold_on(&self, name: &[u8], day: Day) -> bool {
        self.may_hold(name, self.by_day.get(&day), &self.any_day)
    }

    /// The beginnings of the segments that may hold a name, oldest first. Of names that stand in no filter all may.
    pub(crate) fn segments_of(&self, name: &[u8]) -> Vec<Position> {
        let is_filtered = name.first().is_some_and(|tag| FILTERED.contains(tag));
        let hash = hash(name);
        let may = self.segments.iter().filter(|segment| !is_filtered || segment.may_hold(hash));
        may.map(|segment| segment.base).collect()
    }

    fn may_hold(&self, name: &[u8], segments: Option<&Vec<usize>>, any: &[usize]) -> bool {
        let hash = hash(name);
        segments.into_iter().flatten().chain(any).any(|index| self.segments[*index].may_hold(hash))
    }
}

fn hour(at: UtcSeconds) -> i64 {
    at.0.div_euclid(3600)
}

/// FNV-1a, then the finish of splitmix64: stable, because filters are kept on disk. Whoever finds names that collide
/// wins nothing but a look-up on disk.
fn hash(name: &[u8]) -> u64 {
    let mut hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

fn probes(hash: u64, words: usize) -> impl Iterator<Item = usize> {
    let (first, step) = (hash, hash >> 32 | 1);
    (0..PROBES).map(move |probe| {
        let mixed = first.wrapping_add(probe.wrapping_mul(step).wrapping_add(probe * probe));
        ((u128::from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) * (words as u128 * 64)) >> 64) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(base: Position, names: impl Iterator<Item = u64>, at: UtcSeconds) -> SegmentFilter {
        let mut builder = FilterBuilder::new();
        names.for_each(|name| builder.add_at(&name.to_be_bytes(), at));
        builder.build(base)
    }

    #[test]
    fn what_was_added_may_be_there_and_little_else_is() {
        let at = UtcSeconds(3600 * 1000);
        let mut filters = Filters::default();
        filters.push(filter(0, 0..20_000, at));
        filters.push(filter(20_000, 20_000..40_000, at));
        assert!((0..40_000_u64).all(|name| filters.may_hold_at(&name.to_be_bytes(), at)));
        let absent = 40_000..140_000_u64;
        let wrong = absent.filter(|name| filters.may_hold_at(&name.to_be_bytes(), at)).count();
        assert!(wrong < 3_000, "{wrong} of 100,000 absent names look present in two segments");
        assert!(!filters.may_hold_at(&1_u64.to_be_bytes(), UtcSeconds(3600 * 1001)), "another hour");
    }

    #[test]
    fn bits_are_bounded_and_their_loss_only_says_may() {
        let at = UtcSeconds(0);
        let mut filters = Filters::default();
        for base in 0..3 {
            let mut filter = filter(base, base..base + 1, at);
            filter.bits = vec![0; FILTER_BYTES_MAX / 16 + 1];
            filters.push(filter);
        }
        assert!(filters.bytes <= FILTER_BYTES_MAX);
        assert_eq!(filters.bare, 2);
        assert!(filters.may_hold_at(b"any", at));
        assert!(!filters.may_hold_at(b"any", UtcSeconds(-1)));
    }
}
