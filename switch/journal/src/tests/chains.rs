//! Keys that chain, through the life of a log: a new generation, one that is lost, one that somebody has kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keys::{DataKeys, Key};
use processor::OwnName;

use super::{Bench, open_under};
use crate::frame;
use crate::samples::{self, intent, key, request};
use crate::{Harm, verify};

/// The samples' keys with these generations of K_log; the first is the samples' own.
fn under(generations: &[u8]) -> DataKeys {
    let log = generations.iter().map(|it| (*it, Key::new([2 + *it; 32])));
    samples::keys().with_chains(&log.collect::<BTreeMap<_, _>>()).unwrap()
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "segment")).collect();
    segments.sort();
    segments
}

/// The generation that each record names, in order.
fn generations(dir: &Path) -> Vec<u8> {
    let mut of_all = Vec::new();
    for segment in segments(dir) {
        let bytes = fs::read(segment).unwrap();
        let mut rest = &bytes[crate::storage::SEGMENT_HEAD_BYTES..];
        while let frame::Next::Frame(frame) = frame::read(rest) {
            of_all.push(frame.generation());
            rest = &rest[frame.len()..];
        }
    }
    of_all
}

fn appended(mut bench: Bench, numbers: std::ops::Range<u32>) {
    for number in numbers {
        bench.append(&intent(number));
    }
    bench.wait_synced();
    bench.log.close();
}

#[test]
fn a_new_k_log_chains_what_comes_and_nothing_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    // More than a segment: the start behind it has a checkpoint under the old key, and an index.
    appended(open_under(dir.path(), under(&[1])).unwrap(), 0..200);
    let first = fs::read(&segments(dir.path())[0]).unwrap();
    let head_before = verify(dir.path(), &under(&[1]), &[]).unwrap().head;
    let bench = open_under(dir.path(), under(&[1, 2])).unwrap();
    assert_eq!((bench.log.next(), bench.log.reader().head()), (200, head_before));
    appended(bench, 200..280);
    appended(open_under(dir.path(), under(&[1, 2, 7])).unwrap(), 280..290);
    assert!(fs::read(&segments(dir.path())[0]).unwrap() == first, "the first segment is as it was");
    let expected = [vec![1; 200], vec![2; 80], vec![7; 10]].concat();
    assert_eq!(generations(dir.path()), expected);

    let report = verify(dir.path(), &under(&[1, 2, 7]), &[head_before]).unwrap();
    assert_eq!((report.bad, report.head.records, report.vouched_records), (None, 290, 200));
    let bench = open_under(dir.path(), under(&[1, 2, 7])).unwrap();
    assert_eq!(bench.recovered.index_rebuilt, None, "names keep their fingerprints");
    for number in [0, 199, 200, 289] {
        assert_eq!(bench.find(OwnName::Key(key(number))).own.unwrap().request, Some(request(number)));
    }
}

#[test]
fn without_a_generation_that_chained_nothing_is_cut_and_the_start_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    appended(open_under(dir.path(), under(&[1])).unwrap(), 0..3);
    appended(open_under(dir.path(), under(&[1, 2])).unwrap(), 3..6);
    let files = |dir: &Path| segments(dir).iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>();
    let before = files(dir.path());
    let refused = open_under(dir.path(), under(&[1])).err().unwrap().to_string();
    assert!(
        refused.contains("record 3") && refused.contains("has no data.k_log of its generation"),
        "{refused}"
    );
    let bad = verify(dir.path(), &under(&[1]), &[]).unwrap().bad.unwrap();
    assert_eq!((bad.position, bad.harm), (3, Harm::Changed));
    assert_eq!(files(dir.path()), before);
    assert_eq!(open_under(dir.path(), under(&[1, 2])).unwrap().log.next(), 6);
}

/// Whoever has an old K_log and the disk can go on with no log that a newer one has chained.
#[test]
fn what_an_old_k_log_chains_behind_a_newer_one_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    appended(open_under(dir.path(), under(&[1])).unwrap(), 0..3);
    appended(open_under(dir.path(), under(&[1, 2])).unwrap(), 3..6);
    let head = verify(dir.path(), &under(&[1, 2]), &[]).unwrap().head;
    let last = segments(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let mut end = crate::storage::SEGMENT_HEAD_BYTES;
    while let frame::Next::Frame(frame) = frame::read(&bytes[end..]) {
        end += frame.len();
    }
    let mut forged = Vec::new();
    let mut link = head.link;
    for position in 6..9 {
        link = frame::write(&intent(position as u32), position, position, &link, &under(&[1]), &mut forged)
            .unwrap();
    }
    bytes[end..end + forged.len()].copy_from_slice(&forged);
    fs::write(&last, bytes).unwrap();
    let report = verify(dir.path(), &under(&[1, 2]), &[]).unwrap();
    let reason = report.bad.map(|bad| (bad.position, bad.reason));
    assert_eq!(
        reason,
        Some((6, "it is chained under an older data.k_log than the record before it".to_owned()))
    );
    assert!(open_under(dir.path(), under(&[1, 2])).is_err(), "it says of itself that it was durable");
}
