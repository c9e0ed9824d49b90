//! Records as bytes against tests/golden/records: what was written once must read for ever.

use std::fs;
use std::path::PathBuf;

use processor::{Body, Evidence, Record};
use serde_json::json;

use crate::codec::{RECORD_VERSION, Unseal, decode, encode};
use crate::json::hex;
use crate::record_json;
use crate::samples::{each_kind, keys};

/// Golden records stand at this position, sealed and chained with the keys of 32 times 01, 02 and 03.
pub(crate) const POSITION: u64 = 5;

fn path(version: u8, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/golden/records/v{version}-{name}.json"))
}

/// A golden file's bytes, and the record as it is shown.
pub(crate) fn golden(version: u8, name: &str) -> (Vec<u8>, serde_json::Value) {
    let path = path(version, name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    (bytes_of(golden["bytes"].as_str().unwrap()), golden["shown"].clone())
}

fn bytes_of(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// What no record of version 1 was.
const SINCE_VERSION_2: [&str; 4] = ["intent-stood-in", "asked-again", "totals-said", "totals-asked"];

/// `GOLDEN=write` writes the files of kinds that have none; one that is there is never changed.
#[test]
fn every_kind_is_written_as_its_golden_file_says() {
    for (name, record) in each_kind() {
        let mut bytes = Vec::new();
        encode(&record, POSITION, &keys(), &mut bytes).unwrap();
        let path = path(RECORD_VERSION, name);
        if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") && !path.exists() {
            let file = json!({ "bytes": hex(&bytes), "shown": record_json(POSITION, &record) });
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
        }
        let (golden_bytes, _) = golden(RECORD_VERSION, name);
        assert_eq!(hex(&bytes), hex(&golden_bytes), "{name} is written otherwise than before");
    }
}

#[test]
fn every_kind_is_read_as_its_golden_files_of_each_version_say() {
    for (name, record) in each_kind() {
        let since = if SINCE_VERSION_2.contains(&name) { 2 } else { 1 };
        for version in since..=RECORD_VERSION {
            let (bytes, shown) = golden(version, name);
            assert_eq!(bytes[0], version, "{name}");
            let read = decode(&bytes, POSITION, Unseal::Open(&keys())).unwrap();
            assert_eq!(read, record, "{name} of version {version} is read otherwise than before");
            assert_eq!(record_json(POSITION, &read), shown, "{name} of version {version} is shown otherwise");
            let sketch = decode(&bytes, POSITION, Unseal::Leave).unwrap();
            let names = |record: &Record| (record.transaction, record.spend, record.names(None));
            assert_eq!(names(&sketch), names(&record), "{name} of version {version}");
            let stands_in = |record: &Record| match &record.body {
                Body::Intent(intent) => intent.evidence.as_ref().is_some_and(Evidence::is_owed),
                _ => false,
            };
            assert_eq!(stands_in(&sketch), stands_in(&record), "{name} of version {version}");
        }
    }
}
