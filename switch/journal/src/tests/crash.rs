//! What a crash, a disk or a hand leaves behind: cut, torn, flipped at every byte; below what was synced refused by
//! name, above it cut.

use std::fs;
use std::path::{Path, PathBuf};

use processor::{Body, Position, Record};

use super::open;
use crate::frame::{self, Next};
use crate::samples::{self, day, intent, key, outcome, record};
use crate::storage::SEGMENT_HEAD_BYTES;
use crate::{AppendError, Head, Journal, OpenError, verify};

/// A log of small records, each synced before the next is appended: record n knows that those below n are durable.
fn small_log(dir: &Path, records: u64) -> PathBuf {
    let mut bench = open(dir).unwrap();
    for _ in 0..records {
        bench.append(&small_record());
        bench.wait_synced();
    }
    bench.log.close();
    let segment = dir.join("00000000000000000000.segment");
    // What a power loss leaves: the note of what was synced reaches the disk late or never.
    fs::remove_file(dir.join("synced.note")).unwrap();
    segment
}

fn small_record() -> Record {
    record(None, Body::Cutover(day()))
}

/// Where each record's frame begins, and where the last one ends.
fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![SEGMENT_HEAD_BYTES];
    let mut offset = SEGMENT_HEAD_BYTES;
    while let Next::Frame(frame) = frame::read(&bytes[offset..]) {
        offset += frame.len();
        starts.push(offset);
    }
    starts
}

/// How a start on these bytes ends: how many records are left, or which one it refuses to go on without.
#[derive(PartialEq, Debug)]
enum Ends {
    With(Position),
    Cut(Position),
    Refused(Position),
}

fn start_on(dir: &Path, bytes: &[u8]) -> Ends {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.file_name().is_some_and(|name| name != "spare.ready") {
            fs::remove_file(path).unwrap();
        }
    }
    fs::write(dir.join("00000000000000000000.segment"), bytes).unwrap();
    let ends = match open(dir) {
        Ok(bench) => {
            let next = bench.recovered.next;
            assert_eq!(bench.log.reader().scan(0).count() as u64, next);
            match bench.recovered.cut {
                Some(cut) => {
                    assert_eq!(cut.position, next);
                    Ends::Cut(next)
                }
                None => Ends::With(next),
            }
        }
        Err(OpenError::Damaged { position, .. }) => Ends::Refused(position),
        Err(error) => panic!("{error}"),
    };
    if let Ends::Cut(next) = ends {
        let again = open(dir).unwrap();
        assert_eq!((again.recovered.next, again.recovered.cut), (next, None), "a cut is made once");
    }
    ends
}

#[test]
fn a_flipped_bit_is_refused_below_what_was_synced_and_cut_above() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let whole = fs::read(small_log(dir, 4)).unwrap();
    let starts = frame_starts(&whole);
    let end = *starts.last().unwrap();
    for offset in 0..end + 3 {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (offset % 8);
        let bad = starts.partition_point(|start| *start <= offset).saturating_sub(1) as u64;
        // The last record knows that the three in front of it are durable. When it is bad itself, the one before it
        // still knows of two.
        let expected = if bad < 3 { Ends::Refused(bad) } else { Ends::Cut(bad) };
        assert_eq!(start_on(dir, &bytes), expected, "byte {offset}");
    }
}

#[test]
fn a_log_cut_at_any_byte_keeps_what_is_whole() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let whole = fs::read(small_log(dir, 3)).unwrap();
    let starts = frame_starts(&whole);
    for length in 0..=*starts.last().unwrap() {
        let mut lost = whole.clone();
        lost[length..].fill(0);
        let kept = starts.iter().filter(|start| **start <= length).count().saturating_sub(1) as u64;
        // Zeros behind a record's end look like a log that ends there; anything else is a torn record. The last bytes
        // of a link or of a length may be zeros themselves.
        let zeros_or_torn = [Ends::With(kept), Ends::Cut(kept)];
        let ends = start_on(dir, &lost);
        assert!(zeros_or_torn.contains(&ends), "zeros from byte {length}: {ends:?}");
        let ends = start_on(dir, &whole[..length]);
        assert!(zeros_or_torn.contains(&ends), "cut to {length} bytes: {ends:?}");
    }
}

#[test]
fn records_that_change_places_are_named() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let whole = fs::read(small_log(dir, 4)).unwrap();
    let starts = frame_starts(&whole);
    let frame = |index: usize| whole[starts[index]..starts[index + 1]].to_vec();
    let rebuilt = |frames: &[usize]| {
        let mut bytes = whole[..SEGMENT_HEAD_BYTES].to_vec();
        frames.iter().for_each(|index| bytes.extend(frame(*index)));
        bytes.resize(whole.len(), 0);
        bytes
    };
    for (frames, refused) in [
        (&[0, 2, 1, 3][..], 1),
        (&[0, 2, 3], 1),
        (&[0, 0, 1, 2, 3], 1),
        (&[1, 2, 3], 0),
        (&[0, 1, 1, 2, 3], 2),
    ] {
        assert_eq!(start_on(dir, &rebuilt(frames)), Ends::Refused(refused), "{frames:?}");
    }
}

#[test]
fn a_noted_sync_vouches_for_the_last_record_too() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut bench = open(dir).unwrap();
    bench.append(&small_record());
    bench.log.close();
    let segment = dir.join("00000000000000000000.segment");
    let whole = fs::read(&segment).unwrap();
    let mut bytes = whole.clone();
    bytes[SEGMENT_HEAD_BYTES..].fill(0);
    fs::write(&segment, bytes).unwrap();
    let error = open(dir).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { position: 0, .. }), "{error}");
    fs::write(&segment, whole).unwrap();
    assert_eq!(open(dir).unwrap().recovered.next, 1);
}

#[test]
fn a_thousand_starts_change_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut bench = open(dir).unwrap();
    bench.append(&intent(1));
    bench.append(&outcome(1));
    bench.log.close();
    let files = || {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !["spare.ready", "reserve.ready", "unfinished.part"].contains(&&**name)).count()
    };
    let before = files();
    for start in 0..1000 {
        let bench = open(dir).unwrap();
        assert_eq!((bench.recovered.next, bench.recovered.open.len()), (2, 1), "start {start}");
    }
    assert_eq!(files(), before);
}

#[test]
fn verify_names_the_first_bad_record() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let segment = small_log(dir, 4);
    let whole = fs::read(&segment).unwrap();
    let starts = frame_starts(&whole);
    let check = |bytes: &[u8], expected: Option<Head>| {
        fs::write(&segment, bytes).unwrap();
        let report = verify(dir, &samples::keys(), expected.as_slice()).unwrap();
        (report.head.records, report.bad.map(|bad| bad.position), report.tail.map(|tail| tail.position))
    };
    let report = verify(dir, &samples::keys(), &[]).unwrap();
    assert_eq!((report.head.records, &report.bad, &report.tail), (4, &None, &None));
    assert_eq!(report.kinds.get("CUTOVER"), Some(&4));
    let head: Head = report.head.to_string().parse().unwrap();
    assert_eq!(head, report.head);

    let flipped = |record: usize| {
        let mut bytes = whole.clone();
        bytes[starts[record] + 60] ^= 1;
        bytes
    };
    let mut cut = whole.clone();
    cut[starts[3]..].fill(0);
    let other = Head { records: 2, link: [7; 32] };
    assert_eq!(check(&flipped(1), None), (1, Some(1), None));
    assert_eq!(check(&flipped(3), None), (3, None, Some(3)));
    assert_eq!(check(&flipped(3), Some(head)), (3, Some(3), None));
    assert_eq!(check(&cut, None), (3, None, None), "a cut at a record's end looks whole from inside");
    assert_eq!(check(&cut, Some(head)), (3, Some(3), None), "a head kept elsewhere shows it");
    assert_eq!(check(&whole, Some(other)), (2, Some(0), None), "one of the first two is another");
    assert_eq!(check(&whole, Some(head)), (4, None, None));
}

#[test]
fn verify_finds_what_the_lifecycle_does_not_allow() {
    let temporary = tempfile::tempdir().unwrap();
    let mut bench = open(temporary.path()).unwrap();
    bench.append(&intent(1));
    bench.append(&outcome(1));
    bench.append(&outcome(1));
    bench.log.close();
    let report = verify(temporary.path(), &samples::keys(), &[]).unwrap();
    let bad = report.bad.unwrap();
    assert_eq!(bad.position, 2);
    assert_eq!(bad.reason, format!("transaction {}: a record OUTCOME cannot follow state APPROVED", key(1)));
    let error = open(temporary.path()).err().unwrap();
    assert!(matches!(error, OpenError::Sequence { position: 2, .. }), "{error}");
}

/// The same program once more, as a process that appends until it is killed.
#[test]
fn what_a_killed_process_said_was_durable_is_there() {
    const CHILD: &str = "JOURNAL_TEST_APPENDS_IN";
    if let Ok(dir) = std::env::var(CHILD) {
        append_until_killed(Path::new(&dir));
    }
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut acknowledged = 0;
    for round in 0..5_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::crash::what_a_killed_process_said_was_durable_is_there", "--nocapture"])
            .env(CHILD, dir)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let wanted = acknowledged + 300 + 97 * round;
        while acknowledged < wanted {
            let line = lines.next().unwrap().unwrap();
            acknowledged = line.strip_prefix("synced ").map_or(acknowledged, |said| said.parse().unwrap());
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged =
                line.strip_prefix("synced ").and_then(|said| said.parse().ok()).unwrap_or(acknowledged);
        }
        child.wait().unwrap();
        let bench = open(dir).unwrap();
        assert!(bench.recovered.next >= acknowledged, "{} < {acknowledged}", bench.recovered.next);
        assert_eq!(bench.recovered.next, bench.log.reader().scan(0).filter(Result::is_ok).count() as u64);
        acknowledged = bench.recovered.next;
        bench.log.close();
        let report = verify(dir, &samples::keys(), &[]).unwrap();
        assert_eq!((report.bad, report.tail), (None, None));
    }
}

fn append_until_killed(dir: &Path) -> ! {
    let on_event = Box::new(|event| {
        if let crate::LogEvent::Synced(position) = event {
            println!("synced {position}");
        }
    });
    let (mut log, recovered) = crate::SegmentLog::open(super::options(dir), on_event).unwrap();
    let mut position = recovered.next;
    loop {
        match log.append(position, &intent(position as u32)) {
            Ok(()) => position += 1,
            Err(AppendError::Full) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}
