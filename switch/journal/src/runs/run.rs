//! One run: the names of one segment or of several that follow each other, in a file that is written once.
//!
//! Names, what citizens have used, the filters' bits, then what is kept in memory (each segment's filter without its
//! bits, the fences of both tables), then a trailer with a checksum over that (docs/log.md#runs).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use credential::Pseudonym;
use processor::{Day, Position, Used};

use super::output::Output;
use super::table::{Entry, Table, TableWriter};
use crate::filter::{SegmentFilter, Span};
use crate::frame::Link;
use crate::names::{IndexName, Named, Place};

/// Format and version; another version has another number here, and is built anew.
const MAGIC: [u8; 8] = *b"ATMRUN\x00\x01";
const TRAILER_BYTES: usize = 96;
pub(super) const SUFFIX: &str = ".run";
/// No segment has so many hours or days: any may be there.
const ANY: u16 = u16::MAX;

/// Fingerprint (8), position above the run's first (4), offset in its segment (4).
pub(super) const NAME_BYTES: usize = 16;
/// Pseudonym (16), day (4), the segment's first position above the run's (4), minor units (8), uses (8).
pub(super) const SPEND_BYTES: usize = 40;
/// Where the position stands in an entry.
pub(super) const NAME_POSITION_AT: usize = 8;
pub(super) const SPEND_POSITION_AT: usize = 20;
const SPEND_KEY_BYTES: usize = 20;

/// A run as its file has it.
pub(super) struct Run {
    path: PathBuf,
    file: File,
    pub(super) base: Position,
    pub(super) next: Position,
    /// The chain's link behind its last record.
    pub(super) link: Link,
    names: Table<NAME_BYTES>,
    spends: Table<SPEND_BYTES>,
    segments: Vec<Segment>,
}

/// A segment's filter; its bits stand in the file.
struct Segment {
    filter: SegmentFilter,
    words: u32,
    bits_crc: u32,
}

/// A run that is written: names first, then spends, then filters.
pub(super) struct RunWriter {
    out: Output,
    base: Position,
    names: TableWriter<NAME_BYTES>,
    spends: TableWriter<SPEND_BYTES>,
}

impl RunWriter {
    pub(super) fn new(out: Output, base: Position) -> RunWriter {
        RunWriter { out, base, names: TableWriter::new(), spends: TableWriter::new() }
    }

    /// Adds the next name; all of them stand in front of all spends.
    pub(super) fn name(&mut self, entry: &Entry<NAME_BYTES>) -> io::Result<()> {
        self.names.push(entry, &mut self.out)
    }

    /// Ends the names.
    pub(super) fn names_end(&mut self) -> io::Result<(u64, Vec<u64>)> {
        std::mem::replace(&mut self.names, TableWriter::new()).finish(&mut self.out)
    }

    /// Adds the next spend.
    pub(super) fn spend(&mut self, entry: &Entry<SPEND_BYTES>) -> io::Result<()> {
        self.spends.push(entry, &mut self.out)
    }

    /// Ends the file; it is durable then, its name excepted.
    pub(super) fn finish(
        self,
        (names, name_fences): (u64, Vec<u64>),
        filters: &[SegmentFilter],
        next: Position,
        link: &Link,
    ) -> io::Result<()> {
        let RunWriter { mut out, base, spends, .. } = self;
        let (spends, spend_fences) = spends.finish(&mut out)?;
        let mut kept = Vec::new();
        for filter in filters {
            let bits: Vec<u8> = filter.bits.iter().flat_map(|word| word.to_be_bytes()).collect();
            out.write(&bits)?;
            put_filter(&mut kept, filter, crc32fast::hash(&bits));
        }
        for fence in name_fences.iter().chain(&spend_fences) {
            kept.extend_from_slice(&fence.to_be_bytes());
        }
        out.write(&kept)?;
        let mut trailer = MAGIC.to_vec();
        for number in [base, next, names, spends, filters.len() as u64, kept.len() as u64] {
            trailer.extend_from_slice(&number.to_be_bytes());
        }
        trailer.extend_from_slice(link);
        trailer.extend_from_slice(&crc32fast::hash(&kept).to_be_bytes());
        trailer.extend_from_slice(&crc32fast::hash(&trailer).to_be_bytes());
        out.write(&trailer)?;
        out.finish()
    }
}

fn put_filter(kept: &mut Vec<u8>, filter: &SegmentFilter, bits_crc: u32) {
    kept.extend_from_slice(&filter.base.to_be_bytes());
    kept.extend_from_slice(&(filter.bits.len() as u32).to_be_bytes());
    kept.extend_from_slice(&bits_crc.to_be_bytes());
    let count = |count: Option<usize>| count.map_or(ANY, |count| count as u16).to_be_bytes();
    kept.extend_from_slice(&count(filter.hours.as_ref().map(Vec::len)));
    kept.extend_from_slice(&count(filter.days.as_ref().map(Vec::len)));
    filter.hours.iter().flatten().for_each(|hour| kept.extend_from_slice(&hour.to_be_bytes()));
    filter.days.iter().flatten().for_each(|day| kept.extend_from_slice(&day.yyyymmdd().to_be_bytes()));
}

/// What stands in front of a run's trailer, read from the front.
struct Kept<'a>(&'a [u8]);

impl Kept<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<Option<u16>> {
        let count = u16::from_be_bytes(self.take()?);
        Some((count != ANY).then_some(count))
    }

    fn segment(&mut self) -> Option<Segment> {
        let base = Position::from_be_bytes(self.take()?);
        let (words, bits_crc) = (u32::from_be_bytes(self.take()?), u32::from_be_bytes(self.take()?));
        let (hours, days) = (self.count()?, self.count()?);
        let mut hour = || Some(i64::from_be_bytes(self.take()?));
        let hours = hours.map(|count| (0..count).map(|_| hour()).collect::<Option<_>>());
        let hours = hours.map_or(Some(None), |hours| hours.map(Some))?;
        let mut day = || Day::new(u32::from_be_bytes(self.take()?));
        let days = days.map(|count| (0..count).map(|_| day()).collect::<Option<_>>());
        let days = days.map_or(Some(None), |days| days.map(Some))?;
        let filter = SegmentFilter { base, bits: Arc::default(), hours, days };
        Some(Segment { filter, words, bits_crc })
    }

    fn fences(&mut self, count: u64) -> Option<Vec<u64>> {
        (0..count).map(|_| Some(u64::from_be_bytes(self.take()?))).collect()
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Run {
    /// The name of a run's file.
    pub(super) fn file_name(base: Position, next: Position) -> String {
        format!("{base:020}-{next:020}{SUFFIX}")
    }

    /// Opens a run, checking what is kept in memory; the blocks are checked when they are read.
    pub(super) fn open(path: &Path) -> io::Result<Run> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let trailer_at = bytes.checked_sub(TRAILER_BYTES as u64).ok_or_else(|| bad("it is cut short"))?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, trailer_at)?;
        let (checked, crc) = trailer.split_at(TRAILER_BYTES - 4);
        if !trailer.starts_with(&MAGIC) || crc != crc32fast::hash(checked).to_be_bytes() {
            return Err(bad("its trailer is bad"));
        }
        let mut fields = Kept(&trailer[MAGIC.len()..]);
        let mut number = || fields.take().map_or(0, u64::from_be_bytes);
        let [base, next, names, spends, segments, kept_bytes] = std::array::from_fn(|_| number());
        let link = fields.take().unwrap_or_default();
        let kept_crc = fields.take().map_or(0, u32::from_be_bytes);
        let kept_at = trailer_at.checked_sub(kept_bytes).ok_or_else(|| bad("it is cut short"))?;
        let mut kept = vec![0; kept_bytes as usize];
        file.read_exact_at(&mut kept, kept_at)?;
        if crc32fast::hash(&kept) != kept_crc {
            return Err(bad("what leads into it is bad"));
        }
        let mut rest = Kept(&kept);
        let segments: Option<Vec<Segment>> = (0..segments).map(|_| rest.segment()).collect();
        let names = rest.fences(Table::<NAME_BYTES>::fences(names)).and_then(|it| Table::new(0, names, it));
        let spends_at = names.as_ref().map_or(0, Table::bytes);
        let fences = rest.fences(Table::<SPEND_BYTES>::fences(spends));
        let spends = fences.and_then(|it| Table::new(spends_at, spends, it));
        let (Some(segments), Some(names), Some(spends), []) = (segments, names, spends, rest.0) else {
            return Err(bad("what leads into it does not fit together"));
        };
        let run = Run { path: path.to_owned(), file, base, next, link, names, spends, segments };
        let words: u64 = run.segments.iter().map(|segment| u64::from(segment.words)).sum();
        if run.bits_at() + words * 8 != kept_at || run.segments.first().map(|it| it.filter.base) != Some(base)
        {
            return Err(bad("its parts are not as long as it says"));
        }
        Ok(run)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many segments.
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Something in it may be of this hour or day.
    pub(super) fn spans(&self, span: Span) -> bool {
        self.segments.iter().any(|segment| segment.filter.spans(span))
    }

    /// The filters of its segments, the oldest first: with their bits, the newest first, as long as there are so many
    /// bytes left.
    pub(super) fn filters(&self, bytes_left: &mut usize) -> io::Result<Vec<SegmentFilter>> {
        let mut filters = Vec::with_capacity(self.segments.len());
        let words: u64 = self.segments.iter().map(|segment| u64::from(segment.words)).sum();
        let mut end = self.bits_at() + words * 8;
        for segment in self.segments.iter().rev() {
            let mut bytes = vec![0; segment.words as usize * 8];
            end -= bytes.len() as u64;
            let mut filter = segment.filter.clone();
            *bytes_left = bytes_left.checked_sub(bytes.len()).unwrap_or_default();
            if *bytes_left > 0 {
                self.file.read_exact_at(&mut bytes, end)?;
                if crc32fast::hash(&bytes) != segment.bits_crc {
                    return Err(bad("the bits of a filter are bad"));
                }
                filter.bits = bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word)).collect();
            }
            filters.push(filter);
        }
        filters.reverse();
        Ok(filters)
    }

    /// The places below `below` that this name may have, oldest first.
    pub(super) fn places(&self, name: &IndexName, below: Position) -> io::Result<Vec<Place>> {
        let mut places = Vec::new();
        self.names.find(&self.file, &name.fingerprint.to_be_bytes(), |entry| {
            let place = name_place(entry, self.base);
            places.extend((place.position < below).then_some(place));
        })?;
        Ok(places)
    }

    /// Adds what its segments before `below` say of a citizen's day.
    pub(super) fn add_used(&self, sum: &mut Used, name: &IndexName, below: Position) -> io::Result<()> {
        let Named::Spend(citizen, day) = name.what else { return Ok(()) };
        self.spends.find(&self.file, &spend_key(citizen, day), |entry| {
            let number = |at: usize| entry[at..].first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
            if self.base + u64::from(position(entry, SPEND_POSITION_AT)) < below {
                sum.amount_minor += number(24);
                sum.count += number(32);
            }
        })
    }

    /// All names and all spends in order.
    pub(super) fn names(&self) -> super::table::Cursor<'_, NAME_BYTES> {
        self.names.cursor(&self.file)
    }

    pub(super) fn spends(&self) -> super::table::Cursor<'_, SPEND_BYTES> {
        self.spends.cursor(&self.file)
    }

    /// Where the filters' bits stand.
    fn bits_at(&self) -> u64 {
        self.names.bytes() + self.spends.bytes()
    }
}

/// A name's entry in a run that begins at `base`.
pub(super) fn name_entry(fingerprint: u64, place: Place, base: Position) -> Entry<NAME_BYTES> {
    let place = (place.position - base) << 32 | u64::from(place.offset);
    (u128::from(fingerprint) << 64 | u128::from(place)).to_be_bytes()
}

fn name_place(entry: &Entry<NAME_BYTES>, base: Position) -> Place {
    let place = u128::from_be_bytes(*entry) as u64;
    Place { position: base + (place >> 32), offset: place as u32 }
}

/// The entry of a citizen's day in a run that begins with its segment.
pub(super) fn spend_entry(citizen: Pseudonym, day: Day, used: Used) -> Entry<SPEND_BYTES> {
    let mut entry = [0; SPEND_BYTES];
    entry[..SPEND_KEY_BYTES].copy_from_slice(&spend_key(citizen, day));
    entry[24..32].copy_from_slice(&used.amount_minor.to_be_bytes());
    entry[32..].copy_from_slice(&used.count.to_be_bytes());
    entry
}

fn spend_key(citizen: Pseudonym, day: Day) -> [u8; SPEND_KEY_BYTES] {
    let mut key = [0; SPEND_KEY_BYTES];
    key[..16].copy_from_slice(&citizen.0);
    key[16..].copy_from_slice(&day.yyyymmdd().to_be_bytes());
    key
}

/// The position in an entry, above its run's first.
fn position(entry: &[u8], at: usize) -> u32 {
    entry[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Moves an entry into a run that begins `more` positions before its own.
pub(super) fn moved<const W: usize>(mut entry: Entry<W>, at: usize, more: u32) -> Entry<W> {
    let moved = position(&entry, at) + more;
    entry[at..at + 4].copy_from_slice(&moved.to_be_bytes());
    entry
}
