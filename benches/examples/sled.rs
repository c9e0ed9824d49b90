//! The names of withdrawals into sled, as the index once was: `cargo run --release -p benches --example sled -- DIR`.
//! Beside it stands what `journal_figures DIR indexed` says of the runs that took its place.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a segment of 64 MiB holds of withdrawals.
const SEGMENT_RECORDS: u64 = 230_000;
const SEGMENTS: u64 = 4;
/// As the index fed it.
const BATCH_ENTRIES: usize = 256;
const CACHE_BYTES: u64 = 64 << 20;
const NAME_BYTES: usize = 31;

fn main() {
    let root = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = root.join(format!("sled-{}", std::process::id()));
    let config = sled::Config::new().path(&dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let db = config.mode(sled::Mode::HighThroughput).open().expect("an empty database opens");
    let names = db.open_tree(b"names").expect("a tree opens");
    for segment in 0..SEGMENTS {
        let (started, before) = (Instant::now(), cpu());
        let mut entries: Vec<_> =
            (0..SEGMENT_RECORDS).flat_map(|record| names_of(segment * SEGMENT_RECORDS + record)).collect();
        entries.sort_unstable();
        for chunk in entries.chunks(BATCH_ENTRIES) {
            let mut batch = sled::Batch::default();
            chunk.iter().for_each(|name| batch.insert(name.as_slice(), &[0; 4]));
            names.apply_batch(batch).expect("sled takes a batch");
        }
        db.flush().expect("sled flushes");
        let (took, used) = (started.elapsed(), cpu() - before);
        println!(
            "segment {segment}: {:.0} records/s, {:.2} us CPU a record, {} MB on disk for each million records",
            SEGMENT_RECORDS as f64 / took.as_secs_f64(),
            used.as_micros() as f64 / SEGMENT_RECORDS as f64,
            db.size_on_disk().expect("sled knows its size") / ((segment + 1) * SEGMENT_RECORDS),
        );
    }
    drop((names, db));
    fs::remove_dir_all(&dir).expect("the directory is there");
}

/// The names of one of a withdrawal's three records, each with the record's position: the transaction's in all three; in
/// INTENT also that at the bank, the RRN, the citizen and the citizen's day, in COMPLETE the advice.
fn names_of(position: u64) -> Vec<Vec<u8>> {
    let transaction = position / 3;
    let tags: &[u8] = match position % 3 {
        0 => b"tbrcs",
        1 => b"t",
        _ => b"ta",
    };
    let name = |tag: &u8| {
        let mut name = vec![*tag; NAME_BYTES - 8];
        // Citizens come in any order, all others as the clock goes.
        let number = match tag {
            b'c' | b's' => transaction.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            _ => transaction,
        };
        name[1..9].copy_from_slice(&number.to_be_bytes());
        name.extend_from_slice(&position.to_be_bytes());
        name
    };
    tags.iter().map(name).collect()
}

/// CPU time of this process, all threads.
fn cpu() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u32 = fields[11..=12].iter().map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}
