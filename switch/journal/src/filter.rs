//! Filters over indexed segments: they prove from memory that a name stands in none of them, or say that it may.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use processor::{Day, Position, UtcSeconds};

use crate::names::IndexName;

/// Bits for each name: with seven probes one absent name in a hundred looks present.
const BITS_A_NAME: usize = 10;
const PROBES: u64 = 7;
/// A segment with names of more hours, or of more days, may hold any.
const SPANS_MAX: usize = 256;
/// Filters take no more memory than this; the oldest lose their bits first and then say "may" for their hours. 64 MiB
/// hold the names of 10 million transactions, hours of the busiest national switch.
pub(crate) const FILTER_BYTES_MAX: usize = 64 << 20;

/// When a name was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Span {
    /// In this hour since 1970.
    Hour(i64),
    /// For this business day.
    Day(Day),
}

impl Span {
    pub(crate) fn of(at: UtcSeconds) -> Span {
        Span::Hour(at.0.div_euclid(3600))
    }
}

/// The filter of one segment.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SegmentFilter {
    pub(crate) base: Position,
    /// Empty: any name may be there.
    pub(crate) bits: Arc<[u64]>,
    /// Hours since 1970 of the names with a moment; none: any.
    pub(crate) hours: Option<Vec<i64>>,
    /// The business days that its records speak of; none: any.
    pub(crate) days: Option<Vec<Day>>,
}

impl SegmentFilter {
    /// Over the fingerprints of a segment's names.
    pub(crate) fn new(
        base: Position,
        fingerprints: &[u64],
        hours: &BTreeSet<i64>,
        days: &BTreeSet<Day>,
    ) -> SegmentFilter {
        let words = (fingerprints.len() * BITS_A_NAME).div_ceil(64).max(1);
        let mut bits = vec![0; words];
        for fingerprint in fingerprints {
            for bit in probes(*fingerprint, words) {
                bits[bit / 64] |= 1 << (bit % 64);
            }
        }
        SegmentFilter {
            base,
            bits: bits.into(),
            hours: (hours.len() <= SPANS_MAX).then(|| hours.iter().copied().collect()),
            days: (days.len() <= SPANS_MAX).then(|| days.iter().copied().collect()),
        }
    }

    /// `false`: nothing in the segment is of that hour or day.
    pub(crate) fn spans(&self, span: Span) -> bool {
        match span {
            Span::Hour(hour) => self.hours.as_ref().is_none_or(|hours| hours.binary_search(&hour).is_ok()),
            Span::Day(day) => self.days.as_ref().is_none_or(|days| days.binary_search(&day).is_ok()),
        }
    }

    fn may_hold(&self, fingerprint: u64) -> bool {
        self.bits.is_empty()
            || probes(fingerprint, self.bits.len()).all(|bit| self.bits[bit / 64] & 1 << (bit % 64) != 0)
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
            self.segments[self.bare].bits = Arc::default();
            self.bare += 1;
        }
    }

    /// `false`: no indexed segment holds this name.
    pub(crate) fn may_hold(&self, name: &IndexName) -> bool {
        let (segments, any) = self.of(name.span());
        let mut of_span = segments.into_iter().flatten().chain(any);
        of_span.any(|index| self.segments[*index].may_hold(name.fingerprint))
    }

    /// The beginnings of the segments that may hold a name, oldest first.
    pub(crate) fn segments_of(&self, name: &IndexName) -> Vec<Position> {
        let may = |segment: &&SegmentFilter| segment.spans(name.span()) && segment.may_hold(name.fingerprint);
        self.segments.iter().filter(may).map(|segment| segment.base).collect()
    }

    /// The beginnings of the segments in which something may be of an hour or day, oldest first.
    pub(crate) fn segments_in(&self, span: Span) -> Vec<Position> {
        self.segments.iter().filter(|segment| segment.spans(span)).map(|segment| segment.base).collect()
    }

    fn of(&self, span: Span) -> (Option<&Vec<usize>>, &[usize]) {
        match span {
            Span::Hour(hour) => (self.by_hour.get(&hour), &self.any_hour),
            Span::Day(day) => (self.by_day.get(&day), &self.any_day),
        }
    }
}

/// The fingerprint is stirred once more (the finish of splitmix64), for it also says where a name stands in the index.
fn probes(fingerprint: u64, words: usize) -> impl Iterator<Item = usize> {
    let mut first = fingerprint;
    first = (first ^ first >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    first = (first ^ first >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    first ^= first >> 31;
    let step = first >> 32 | 1;
    (0..PROBES).map(move |probe| {
        let mixed = first.wrapping_add(probe.wrapping_mul(step).wrapping_add(probe * probe));
        ((u128::from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) * (words as u128 * 64)) >> 64) as usize
    })
}

#[cfg(test)]
mod tests {
    use processor::TxKey;

    use super::*;
    use crate::names::Namer;
    use crate::samples;

    fn name(number: u32, at: UtcSeconds) -> IndexName {
        Namer::new(&samples::keys()).transaction(&TxKey { sent_at: at, ..samples::key(number) })
    }

    fn filter(base: Position, numbers: std::ops::Range<u32>, at: UtcSeconds) -> SegmentFilter {
        let fingerprints: Vec<u64> = numbers.map(|number| name(number, at).fingerprint).collect();
        let Span::Hour(hour) = Span::of(at) else { panic!("a moment has an hour") };
        SegmentFilter::new(base, &fingerprints, &BTreeSet::from([hour]), &BTreeSet::new())
    }

    #[test]
    fn what_was_added_may_be_there_and_little_else_is() {
        let at = UtcSeconds(3600 * 1000);
        let mut filters = Filters::default();
        filters.push(filter(0, 0..20_000, at));
        filters.push(filter(20_000, 20_000..40_000, at));
        assert!((0..40_000).all(|number| filters.may_hold(&name(number, at))));
        let wrong = (40_000..140_000).filter(|number| filters.may_hold(&name(*number, at))).count();
        assert!(wrong < 3_000, "{wrong} of 100,000 absent names look present in two segments");
        assert_eq!(filters.segments_of(&name(20_001, at)).last(), Some(&20_000));
        let other = UtcSeconds(3600 * 1001);
        let again = SegmentFilter { hours: Some(vec![1001]), ..filter(40_000, 0..1, at) };
        assert!(!filters.may_hold(&name(1, other)), "another hour");
        assert_eq!(filters.segments_in(Span::Hour(1001)), [0; 0]);
        filters.push(again);
        assert_eq!(filters.segments_in(Span::Hour(1001)), [40_000]);
    }

    #[test]
    fn bits_are_bounded_and_their_loss_only_says_may() {
        let at = UtcSeconds(0);
        let mut filters = Filters::default();
        for base in 0..3 {
            let bits = vec![0; FILTER_BYTES_MAX / 16 + 1].into();
            filters.push(SegmentFilter { bits, ..filter(base, 0..1, at) });
        }
        assert!(filters.bytes <= FILTER_BYTES_MAX);
        assert_eq!(filters.bare, 2);
        assert!(filters.may_hold(&name(7, at)));
        assert!(!filters.may_hold(&name(7, UtcSeconds(-1))));
    }
}
