//! A log edited, cut, reordered, put back or written anew: each is found, the first bad record named, and what was done.

use std::fs;
use std::path::{Path, PathBuf};

use keys::{HeadKey, Key};
use processor::Position;

use super::open;
use crate::frame::{self, HEAD_BYTES};
use crate::samples::{self, complete, intent, outcome};
use crate::storage::SEGMENT_HEAD_BYTES;
use crate::{Bad, Harm, Head, SignedHead, SignedHeads, verify};

const NODE: &str = "switch-hn-1";
const RECORDS: u64 = 600;

fn head_key() -> HeadKey {
    HeadKey::new(&Key::new([9; 32]))
}

/// A log of several segments, closed, and the file of heads that it left.
struct Kept {
    dir: tempfile::TempDir,
    heads: String,
}

impl Kept {
    /// A head is signed every 60 records; the last vouches for all.
    fn new() -> Kept {
        let mut kept = Kept { dir: tempfile::tempdir().unwrap(), heads: String::new() };
        kept.go_on(RECORDS, 0);
        kept
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Appends up to so many records, signing heads; `first` makes transactions that no other round has.
    fn go_on(&mut self, records: u64, first: u32) {
        let mut bench = open(self.path()).unwrap();
        for number in bench.log.next()..records {
            let stan = first + (number / 3) as u32;
            let record = [intent, outcome, complete][(number % 3) as usize](stan);
            bench.append(&record);
            if (number + 1).is_multiple_of(60) {
                bench.wait_synced();
                let head = bench.log.reader().head();
                assert_eq!(head.records, number + 1);
                let signed = SignedHead { head, at_ms: number as i64, node: NODE.to_owned() };
                self.heads += &signed.line(&head_key());
            }
        }
        bench.log.close();
    }

    fn kept_heads(&self) -> Vec<Head> {
        let read = SignedHeads::read(&self.heads, NODE, &head_key().public());
        assert!(read.torn.is_empty() && read.forged.is_empty());
        read.heads.iter().map(|signed| signed.head).collect()
    }

    fn bad(&self) -> Option<(Position, Harm)> {
        self.bad_with(&self.kept_heads()).map(|bad| (bad.position, bad.harm))
    }

    fn bad_with(&self, heads: &[Head]) -> Option<Bad> {
        verify(self.path(), &samples::keys(), heads).unwrap().bad
    }

    /// All segments with their first positions, in order.
    fn segments(&self) -> Vec<(Position, PathBuf)> {
        let paths = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "segment"))
            .map(|path| (path.file_stem().unwrap().to_str().unwrap().parse().unwrap(), path))
            .collect();
        segments.sort();
        assert!(segments.len() >= 4, "{segments:?}");
        segments
    }

    /// What is found with other bytes in a file, which is then as it was.
    fn with(&self, path: &Path, bytes: &[u8]) -> Option<(Position, Harm)> {
        let before = fs::read(path).unwrap();
        fs::write(path, bytes).unwrap();
        let bad = self.bad();
        fs::write(path, before).unwrap();
        bad
    }

    /// The log's own files forget what they know of its length.
    fn forget(&self) {
        for entry in fs::read_dir(self.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".checkpoint") || name == "synced.note" {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// Where each frame of a segment stands.
fn frames(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = SEGMENT_HEAD_BYTES;
    while let frame::Next::Frame(frame) = frame::read(&bytes[at..]) {
        ranges.push(at..at + frame.len());
        at += frame.len();
    }
    ranges
}

/// What a careful forger does behind each edit.
fn mend_checksum(frame: &mut [u8]) {
    let crc = crc32fast::hash(&frame[4..]);
    frame[..4].copy_from_slice(&crc.to_be_bytes());
}

#[test]
fn a_whole_log_is_what_its_heads_vouch_for() {
    let kept = Kept::new();
    let report = verify(kept.path(), &samples::keys(), &kept.kept_heads()).unwrap();
    assert_eq!((report.bad, report.tail), (None, None));
    assert_eq!((report.head.records, report.vouched_records), (RECORDS, RECORDS));
}

/// A start holds the last head that was kept against the record that it names, wherever it stands.
#[test]
fn the_link_behind_any_number_of_records_is_that_of_its_head() {
    let kept = Kept::new();
    let bench = open(kept.path()).unwrap();
    let reader = bench.log.reader();
    for head in kept.kept_heads() {
        assert_eq!(reader.link_behind(head.records).unwrap(), Some(head.link), "{}", head.records);
    }
    assert_eq!(reader.link_behind(RECORDS + 1).unwrap(), None);
    bench.log.close();
}

#[test]
fn a_byte_edited_in_any_part_of_a_record_is_found_with_and_without_its_checksum_mended() {
    let kept = Kept::new();
    let segments = kept.segments();
    for (base, path) in [&segments[0], &segments[2], segments.last().unwrap()] {
        let whole = fs::read(path).unwrap();
        let ranges = frames(&whole);
        let place = ranges.len() / 2;
        let range = &ranges[place];
        let bad_at = base + place as u64;
        // Checksum, link, length, version, position, synced position, then fields of the record up to its last byte.
        let parts = [0, 3, 4, 20, 35, 38, 39, 40, 41, 48, 49, 56];
        let fields = [0, 1, 5, 20, 40, range.len() - HEAD_BYTES - 1].map(|at| HEAD_BYTES + at);
        for at in parts.into_iter().chain(fields) {
            let mut edited = whole.clone();
            edited[range.start + at] ^= 1;
            assert_eq!(kept.with(path, &edited), Some((bad_at, Harm::Changed)), "byte {at}");
            if at >= 4 && !(36..40).contains(&at) {
                mend_checksum(&mut edited[range.clone()]);
                // Position 41 to 48 says where it belongs.
                let harm = if (41..49).contains(&at) { Harm::Moved } else { Harm::Changed };
                assert_eq!(kept.with(path, &edited), Some((bad_at, harm)), "byte {at}, mended");
            }
        }
        for at in [0, 12, 19, 20, 51, 60] {
            let mut edited = whole.clone();
            edited[at] ^= 1;
            assert_eq!(kept.with(path, &edited), Some((*base, Harm::Changed)), "byte {at} of the head");
        }
    }
    assert_eq!(kept.bad(), None);
}

#[test]
fn a_segment_that_is_gone_or_stands_elsewhere_is_named() {
    let kept = Kept::new();
    let segments = kept.segments();
    for (number, (base, path)) in segments.iter().enumerate() {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        let is_last = number + 1 == segments.len();
        let harm = if is_last { Harm::Cut } else { Harm::Gone };
        assert_eq!(kept.bad(), Some((*base, harm)), "segment {number}");
        fs::write(path, bytes).unwrap();
    }
    let other = fs::read(&segments[2].1).unwrap();
    assert_eq!(kept.with(&segments[1].1, &other), Some((segments[1].0, Harm::Moved)));
    assert_eq!(kept.bad(), None);
}

#[test]
fn records_swapped_doubled_or_left_out_are_named() {
    let kept = Kept::new();
    for (base, path) in [&kept.segments()[1], kept.segments().last().unwrap()] {
        let whole = fs::read(path).unwrap();
        let ranges = frames(&whole);
        let [one, two] = [ranges[2].clone(), ranges[3].clone()];
        let rebuilt = |middle: &[&[u8]]| {
            let mut bytes = whole[..one.start].to_vec();
            middle.iter().for_each(|part| bytes.extend_from_slice(part));
            bytes.extend_from_slice(&whole[two.end..]);
            bytes.resize(whole.len(), 0);
            bytes
        };
        let [first, second] = [&whole[one.clone()], &whole[two.clone()]];
        assert_eq!(kept.with(path, &rebuilt(&[second, first])), Some((base + 2, Harm::Moved)), "swapped");
        assert_eq!(kept.with(path, &rebuilt(&[first])), Some((base + 3, Harm::Moved)), "left out");
        assert_eq!(kept.with(path, &rebuilt(&[first, first, second])), Some((base + 3, Harm::Moved)));
        let mut blank = whole.clone();
        blank[one.clone()].fill(0);
        assert_eq!(kept.with(path, &blank), Some((base + 2, Harm::Gone)), "blanked");
    }
    assert_eq!(kept.bad(), None);
}

#[test]
fn a_tail_cut_at_a_records_boundary_is_found_by_the_note_or_else_by_the_kept_heads() {
    let kept = Kept::new();
    let (base, path) = kept.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let last = frames(&whole).pop().unwrap();
    let bad_at = RECORDS - 1;
    assert!(bad_at > base);
    let mut cut = whole.clone();
    cut[last.start..].fill(0);
    assert_eq!(kept.with(&path, &cut), Some((bad_at, Harm::Cut)));
    kept.forget();
    assert_eq!(kept.with(&path, &cut), Some((bad_at, Harm::RolledBack)));
    fs::write(&path, &cut).unwrap();
    assert_eq!(kept.bad_with(&[]), None, "without kept heads it looks whole");
}

#[test]
fn an_older_copy_of_the_whole_log_is_rolled_back_and_one_gone_on_with_is_replaced() {
    let mut kept = Kept { dir: tempfile::tempdir().unwrap(), heads: String::new() };
    kept.go_on(150, 0);
    let copy: Vec<_> = fs::read_dir(kept.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    kept.go_on(RECORDS, 0);
    assert_eq!(kept.bad(), None);
    for entry in fs::read_dir(kept.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() { fs::remove_file(entry) } else { fs::remove_dir_all(entry) }.unwrap();
    }
    copy.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    assert_eq!(kept.bad(), Some((150, Harm::RolledBack)));
    let heads = kept.heads.clone();
    // Whoever put it back goes on with it, past all that was vouched for.
    kept.go_on(RECORDS + 60, 1_000);
    kept.heads = heads;
    let bad = kept.bad_with(&kept.kept_heads()).unwrap();
    assert_eq!((bad.position, bad.harm), (120, Harm::Replaced));
    assert_eq!(bad.reason, "of the records from it to 179 one is not what a kept head vouches for");
    assert_eq!(kept.bad_with(&[]), None, "without kept heads it looks whole");
}
