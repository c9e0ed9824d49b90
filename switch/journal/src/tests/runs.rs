//! Runs as files: merged, left half merged, doubled, colliding; always the same places.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use credential::Pseudonym;
use processor::{Position, Used};

use crate::filter::SegmentFilter;
use crate::index::IndexError;
use crate::names::{Entry, IndexName, Named, Namer, Place, SegmentNames, SpendEntry};
use crate::pace::Pace;
use crate::runs::Runs;
use crate::samples::{self, citizen, day, key};

/// Enough for two tables of several blocks in a run, and for two merges and a rest.
const SEGMENTS: u64 = 20;
const RECORDS: u64 = 600;
/// Every citizen stands in every segment.
const CITIZENS: u64 = 300;

fn namer() -> Namer {
    Namer::new(&samples::keys())
}

fn who(number: u64) -> Pseudonym {
    citizen(number as u32)
}

/// The names of one segment; every tenth record has a fingerprint that the one of another name ten segments on has too.
fn names(segment: u64) -> (SegmentNames, SegmentFilter) {
    let base = segment * RECORDS;
    let mut names = SegmentNames::new(&namer());
    for position in base..base + RECORDS {
        let place = Place { position, offset: (position - base) as u32 * 100 + 64 };
        names.add(place, &samples::intent(position as u32), None);
        names.entries.push(Entry { fingerprint: position % 10, place });
    }
    names.spends.clear();
    let used = Used { amount_minor: 1_000 + base as i64, count: 1 };
    for number in 0..CITIZENS {
        names.spends.push(SpendEntry { citizen: who(number), day: day(), used });
    }
    let filter = names.finish(base, &mut Pace::at_once());
    (names, filter)
}

fn feed(runs: &Runs, segment: u64) -> Result<(), IndexError> {
    let (names, filter) = names(segment);
    runs.feed((segment + 1) * RECORDS, &[segment as u8; 32], &names, &filter)
}

/// A run of segments that is read while it is compared.
fn check(runs: &Runs, segments: u64) {
    let snapshot = runs.snapshot();
    assert_eq!(snapshot.fed(), Some((segments * RECORDS, [segments as u8 - 1; 32])));
    let filters = snapshot.filters(usize::MAX).unwrap();
    assert_eq!(filters, (0..segments).map(|segment| names(segment).1).collect::<Vec<_>>());
    let below = segments * RECORDS - RECORDS / 2;
    for position in (0..segments * RECORDS).step_by(97) {
        let places = snapshot.places(&namer().transaction(&key(position as u32)), below).unwrap();
        let place = Place { position, offset: (position % RECORDS) as u32 * 100 + 64 };
        assert_eq!(places, if position < below { vec![place] } else { vec![] }, "{position}");
    }
    let absent = namer().transaction(&key(segments as u32 * RECORDS as u32 + 7));
    assert_eq!(snapshot.places(&absent, below).unwrap(), []);
    let shared = IndexName { fingerprint: 7, ..absent };
    let places = snapshot.places(&shared, below).unwrap();
    assert_eq!(places.len() as u64, (0..below).filter(|position| position % 10 == 7).count() as u64);
    assert!(places.is_sorted(), "oldest first");
    for number in (0..CITIZENS).step_by(13) {
        let name = namer().spend(who(number), day());
        let used = snapshot.used(&name, below).unwrap();
        let sum: Position = (0..segments).map(|segment| 1_000 + segment * RECORDS).sum();
        assert_eq!((used.amount_minor, used.count), (sum as i64, segments as i64));
        let before_last = snapshot.used(&name, (segments - 1) * RECORDS).unwrap();
        assert_eq!(before_last.count, segments as i64 - 1);
    }
    let stranger = namer().spend(who(CITIZENS + 1), day());
    assert!(matches!(stranger.what, Named::Spend(..)));
    assert_eq!(snapshot.used(&stranger, below).unwrap(), Used::default());
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn wait_for_files(dir: &Path, count: usize) {
    for _ in 0..10_000 {
        if files(dir).len() == count {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{:?}", files(dir));
}

#[test]
fn merged_runs_answer_as_single_ones() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let (runs, missed) = Runs::open(dir).unwrap();
    assert_eq!((missed, runs.snapshot().fed()), (None, None));
    for segment in 0..SEGMENTS {
        feed(&runs, segment).unwrap();
        check(&runs, segment + 1);
    }
    // Two of eight segments each, and four of one.
    wait_for_files(dir, 6);
    check(&runs, SEGMENTS);
    drop(runs);
    let (runs, missed) = Runs::open(dir).unwrap();
    assert_eq!(missed, None);
    check(&runs, SEGMENTS);
    assert_eq!(runs.failure(), None);
}

/// A crash may leave what a merge read beside what it wrote, and files that were not ended.
#[test]
fn what_a_crash_leaves_of_a_merge_is_sorted_out() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let (runs, _) = Runs::open(dir).unwrap();
    for segment in 0..7 {
        feed(&runs, segment).unwrap();
    }
    let singles: Vec<(PathBuf, Vec<u8>)> =
        files(dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert_eq!(singles.len(), 7);
    feed(&runs, 7).unwrap();
    wait_for_files(dir, 1);
    drop(runs);
    let merged = files(dir).remove(0);
    singles.iter().skip(2).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    fs::write(dir.join("index/fed.part"), b"begun").unwrap();
    let (runs, missed) = Runs::open(dir).unwrap();
    assert_eq!(missed, None);
    check(&runs, 8);
    assert_eq!(files(dir), std::slice::from_ref(&merged));
    drop(runs);

    // The merged one is bad: what it was made of serves as far as it is there.
    let mut bytes = fs::read(&merged).unwrap();
    let end = bytes.len();
    bytes[end - 1] ^= 1;
    fs::write(&merged, bytes).unwrap();
    singles.iter().take(4).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    singles.iter().skip(5).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let (runs, missed) = Runs::open(dir).unwrap();
    assert!(missed.is_some_and(|missed| missed.contains("its trailer is bad")));
    check(&runs, 4);
    assert_eq!(files(dir).len(), 4);
}

/// Every byte of a run matters to somebody, and none gives another answer.
#[test]
fn a_flipped_bit_is_found_where_it_is_read() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let (runs, _) = Runs::open(dir).unwrap();
    feed(&runs, 0).unwrap();
    drop(runs);
    let path = files(dir).remove(0);
    let whole = fs::read(&path).unwrap();
    for offset in (0..whole.len()).step_by(41) {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (offset % 8);
        fs::write(&path, &bytes).unwrap();
        let (runs, missed) = Runs::open(dir).unwrap();
        let is_found = missed.is_some() || {
            let snapshot = runs.snapshot();
            let own = (0..RECORDS).map(|number| namer().transaction(&key(number as u32)));
            let of_all = namer().transaction(&key(0));
            let shared = (0..10).map(|fingerprint| IndexName { fingerprint, ..of_all });
            let names = own.chain(shared);
            let is_bad = names.map(|name| snapshot.places(&name, RECORDS)).any(|places| places.is_err());
            let spends = (0..CITIZENS).map(|number| namer().spend(who(number), day()));
            let is_bad = is_bad || spends.map(|name| snapshot.used(&name, RECORDS)).any(|used| used.is_err());
            is_bad || snapshot.filters(usize::MAX).is_err()
        };
        assert!(is_found, "byte {offset} of {}", whole.len());
        assert!(!path.exists(), "the next start misses it");
    }
}
