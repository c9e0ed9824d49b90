//! Appending to the log: `cargo bench -p benches --bench journal`. Rates with a disk behind it, its own floor and recovery
//! are `journal_figures`' matter.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use journal::{AppendError, Journal, LogEvent, Options, SegmentLog};
use keys::{DataKeys, Key};
use processor::{Body, Outcome, Position, Record, TxKey};

/// Records of one measured piece: what the log's buffer takes without a wait.
const PIECE: u64 = 256;

fn key(position: Position) -> TxKey {
    TxKey {
        class: processor::Class::Financial,
        acquirer: "970418".parse().expect("six digits"),
        terminal: processor::TerminalId(*b"HN000001"),
        sent_at: processor::UtcSeconds(1_651_539_723 + (position / 1_000_000) as i64),
        stan: (position % 1_000_000) as u32,
    }
}

fn record(position: Position) -> Record {
    let outcome = Outcome { approval: Some(*b"A12345"), carried: processor::Carried::default() };
    Record {
        at_ms: 1_651_539_723_000,
        transaction: Some(key(position)),
        suspense: None,
        spend: None,
        body: Body::Outcome(outcome),
    }
}

fn open(dir: &Path) -> (SegmentLog, mpsc::Receiver<LogEvent>) {
    let (told, events) = mpsc::channel();
    let key = |byte| Key::new([byte; 32]);
    let options = Options::new(dir.to_owned(), DataKeys::new(&key(1), &key(2), &key(3)));
    let on_event = Box::new(move |event| drop(told.send(event)));
    (SegmentLog::open(options, on_event).expect("an empty log opens").0, events)
}

/// The appending thread's part: encode, checksum, chain, into the buffer. What the disk takes is waited for outside the
/// measured time.
fn append(criterion: &mut Criterion) {
    let root = std::env::temp_dir().join(format!("journal-criterion-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("the directory can be made");
    let (mut log, events) = open(&root);
    let mut next: Position = 0;
    let mut synced: Position = 0;
    criterion.bench_function("journal: append an OUTCOME, no wait for the disk", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let piece = left.min(PIECE);
                let records: Vec<Record> = (next..next + piece).map(record).collect();
                let begun = Instant::now();
                for record in &records {
                    match log.append(next, record) {
                        Ok(()) => next += 1,
                        Err(AppendError::Full) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                spent += begun.elapsed();
                left = left.saturating_sub(piece);
                while synced < next {
                    match events.recv_timeout(Duration::from_secs(10)).expect("the disk syncs") {
                        LogEvent::Synced(below) => synced = below,
                        _ => continue,
                    }
                }
            }
            spent
        });
    });
    log.close();
    let _ = std::fs::remove_dir_all(&root);
}

criterion_group!(benches, append);
criterion_main!(benches);
