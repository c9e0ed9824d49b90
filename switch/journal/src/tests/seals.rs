//! Keys that seal what is personal, through the life of a log: a new generation, one that is lost, a log of version 1.

use std::collections::BTreeMap;
use std::fs;

use keys::{DataKeys, Key};
use processor::{OwnName, State};

use super::golden::{POSITION, golden};
use super::{open, open_under, options};
use crate::frame::{self, HEAD_BYTES};
use crate::samples::{self, intent, key, outcome, request, verification};
use crate::storage::segment_head;
use crate::verify;

/// The samples' keys with these generations of K_enc; the first is the samples' own.
fn under(generations: &[u8]) -> DataKeys {
    let encryption: BTreeMap<u8, Key> = generations.iter().map(|it| (*it, Key::new([*it; 32]))).collect();
    DataKeys::with_generations(&encryption, &Key::new([2; 32]), &Key::new([3; 32])).unwrap()
}

#[test]
fn a_new_generation_seals_and_the_old_ones_open_without_a_byte_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let segment = dir.path().join("00000000000000000000.segment");
    let mut bench = open(dir.path()).unwrap();
    bench.append(&intent(1));
    bench.log.close();
    let old = fs::read(&segment).unwrap();
    let mut bench = open_under(dir.path(), under(&[1, 4])).unwrap();
    let open_ones: Vec<_> = bench.recovered.open.iter().map(|it| it.request.clone()).collect();
    assert_eq!(open_ones, [Some(request(1))]);
    bench.append(&intent(2));
    bench.wait_synced();
    for number in [1, 2] {
        let found = bench.find(OwnName::Key(key(number))).own.unwrap();
        assert_eq!(found.request, Some(request(number)));
    }
    bench.log.close();
    let report = verify(dir.path(), &under(&[1, 4]), &[]).unwrap();
    assert_eq!((report.bad, report.head.records), (None, 2));
    let used = frame::read(&old[64..]);
    let frame::Next::Frame(first) = used else { panic!("the first record") };
    let segments = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let holds_old = segments
        .filter(|path| path.extension().is_some_and(|end| end == "segment"))
        .any(|path| fs::read(path).unwrap()[64..].starts_with(&old[64..64 + first.len()]));
    assert!(holds_old, "the first record's frame is as it was");
}

#[test]
fn a_start_without_a_generation_that_sealed_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = open_under(dir.path(), under(&[1, 2])).unwrap();
    bench.append(&verification(1));
    bench.log.close();
    let refused = open(dir.path()).err().unwrap().to_string();
    assert!(refused.contains("record 0: the key file has no data.k_enc of generation 2"), "{refused}");
    let unchecked = verify(dir.path(), &samples::keys(), &[]).err().unwrap().to_string();
    assert_eq!(unchecked, "record 0: the key file has no data.k_enc of generation 2");
    assert_eq!(open_under(dir.path(), under(&[2])).unwrap().log.next(), 1);
}

/// Written by a switch that knew version 1 alone, and gone on with by this one.
#[test]
fn a_log_of_version_1_is_read_and_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let keys = samples::keys();
    let mut link = frame::genesis(&keys);
    let mut segment = segment_head(0, &link).to_vec();
    for position in 0..=POSITION {
        let name = if position == POSITION { "intent" } else { "cutover" };
        let mut frame = vec![0; HEAD_BYTES];
        frame.extend_from_slice(&golden(1, name).0);
        link = frame::close(&mut frame, position, position, &link, &keys);
        segment.extend_from_slice(&frame);
    }
    segment.resize(options(dir.path()).segment_bytes as usize, 0);
    fs::write(dir.path().join("00000000000000000000.segment"), segment).unwrap();
    let mut bench = open(dir.path()).unwrap();
    assert_eq!(bench.log.next(), POSITION + 1);
    let of_version_1 = OwnName::Key(key(1));
    assert_eq!(bench.find(of_version_1).own.unwrap().request, Some(request(1)));
    bench.append(&outcome(1));
    bench.append(&intent(2));
    bench.wait_synced();
    assert_eq!(bench.state(of_version_1), Some(State::Approved));
    bench.log.close();
    let report = verify(dir.path(), &keys, &[]).unwrap();
    assert_eq!((report.bad, report.head.records), (None, POSITION + 3));
    let refused = open_under(dir.path(), under(&[2])).err().unwrap().to_string();
    assert!(refused.contains("record 5: the key file has no data.k_enc of generation 1"), "{refused}");
}
