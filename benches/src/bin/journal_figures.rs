//! Journal figures: synced records a second beside the disk's own floor, CPU for each, evidence in MB/s, recovery.
//!
//! `cargo run --release -p benches --bin journal_figures [DIR [PART]]`: medians of five rounds; DIR is on the disk to be measured,
//! PART one of floor, money, flow, evidence, indexed, paced, recovery.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use credential::{CitizenNumber, Pan};
use journal::{Journal, LogEvent, Options, SegmentLog};
use keys::{DataKeys, Key};
use processor::{
    Advice, BankIdentity, Body, Carried, Class, Code, Content, Declined, Evidence, Intent, Kind, Outcome,
    Position, Record, Request, Rrn, Spend, TerminalId, TxKey, UtcSeconds,
};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const WRITERS: u64 = 64;
/// What a frame adds to a record's own bytes.
const FRAME_BYTES: usize = 57;
const MONEY_BYTES: usize = 500;
/// Of the three records of a withdrawal on average.
const FLOW_BYTES: usize = 232;
const EVIDENCE_BYTES: usize = 2_048;
/// What no round fills.
const WIDE_SEGMENT_BYTES: u64 = 256 << 20;
const ROUND_RECORDS: u64 = 360_000;
const PACED_RECORDS_A_SECOND: u64 = 36_000;
const RECOVERED_RECORDS: u64 = 600_000;

/// The record of a position.
type Draw = fn(Position) -> Record;

fn main() {
    let argument = std::env::args_os().nth(1).map(PathBuf::from);
    let root =
        argument.unwrap_or_else(std::env::temp_dir).join(format!("journal-bench-{}", std::process::id()));
    fs::create_dir_all(&root).expect("the directory can be made");
    let part = std::env::args().nth(2);
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    println!("{WRITERS} writers, each waits for its record; {ROUNDS} rounds of {ROUND:?}, medians");
    if wanted("floor") {
        let group = WRITERS as usize * (MONEY_BYTES + FRAME_BYTES);
        let floors: Vec<f64> = (0..ROUNDS).map(|_| floor(&root, group)).collect();
        let floor = median(&floors);
        println!(
            "disk's floor: {floor:.0} syncs/s of one such group, {:.0} records/s",
            floor * WRITERS as f64
        );
    }
    let rates: [(&str, &str, Draw, usize, u64); 4] = [
        ("money", "money, 500 bytes each, no segment sealed", money_record, MONEY_BYTES, WIDE_SEGMENT_BYTES),
        ("flow", "withdrawals: INTENT, OUTCOME, COMPLETE", flow_record, FLOW_BYTES, WIDE_SEGMENT_BYTES),
        ("evidence", "evidence, 2 kB each", evidence_record, EVIDENCE_BYTES, 3 * WIDE_SEGMENT_BYTES),
        (
            "indexed",
            "withdrawals, segments of 8 MiB sealed and indexed meanwhile",
            flow_record,
            FLOW_BYTES,
            8 << 20,
        ),
    ];
    for (name, title, record, bytes, segment_bytes) in rates {
        if wanted(name) {
            // Seals have to be in it, also where the disk is busy with others.
            let length = if name == "indexed" { 5 * ROUND } else { ROUND };
            let run = |round| synced(&root.join(format!("{name}-{round}")), record, segment_bytes, length);
            report(title, &(0..ROUNDS).map(run).collect::<Vec<_>>(), bytes);
        }
    }
    if wanted("paced") {
        let rounds: Vec<Paced> =
            (0..ROUNDS).map(|round| paced(&root.join(format!("paced-{round}")))).collect();
        let of = |value: fn(&Paced) -> f64| median(&rounds.iter().map(value).collect::<Vec<_>>());
        println!(
            "withdrawals, {PACED_RECORDS_A_SECOND} records/s whatever the disk does: {:.0} syncs/s, log-sync {:.2} us CPU a record, \
             wait p50 {:.0} us p99 {:.0} us",
            of(|round| round.syncs_per_s),
            of(|round| round.sync_us),
            of(|round| round.wait_us_p50),
            of(|round| round.wait_us_p99),
        );
    }
    if wanted("recovery") {
        recovery(&root.join("recovery"));
    }
    let _ = fs::remove_dir_all(&root);
}

struct Round {
    records_per_s: f64,
    cpu_us: f64,
    wait_us_p50: f64,
    wait_us_p99: f64,
    /// CPU of the log's own threads for each record, as in [`THREADS`].
    threads_us: [f64; THREADS.len()],
}

/// They end with their log, so that each round counts its own.
const THREADS: [&str; 4] = ["log-sync", "log-spare", "log-index", "log-merge"];

fn report(name: &str, rounds: &[Round], bytes: usize) {
    let of = |value: fn(&Round) -> f64| median(&rounds.iter().map(value).collect::<Vec<_>>());
    let rate = of(|round| round.records_per_s);
    println!(
        "{name}: {rate:.0} records/s, {:.0} MB/s, {:.2} us CPU each, wait p50 {:.0} us p99 {:.0} us",
        rate * bytes as f64 / 1e6,
        of(|round| round.cpu_us),
        of(|round| round.wait_us_p50),
        of(|round| round.wait_us_p99),
    );
    for (thread, name) in THREADS.iter().enumerate() {
        let mut of_thread: Vec<f64> = rounds.iter().map(|round| round.threads_us[thread]).collect();
        of_thread.sort_by(f64::total_cmp);
        print!("  {name} {:.2} us", of_thread[of_thread.len() / 2]);
    }
    println!();
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Syncs a second of a preallocated file, one group of records written before each.
fn floor(root: &Path, group_bytes: usize) -> f64 {
    const FILE_BYTES: usize = 64 << 20;
    let path = root.join("floor");
    fs::write(&path, vec![0; FILE_BYTES]).expect("the disk has room");
    let file = OpenOptions::new().write(true).open(&path).expect("the file is there");
    file.sync_all().expect("the disk syncs");
    let group = vec![0x5a; group_bytes];
    let (started, mut syncs) = (Instant::now(), 0_u64);
    while started.elapsed() < Duration::from_secs(1) {
        let offset = (syncs as usize * group_bytes) % (FILE_BYTES - group_bytes);
        file.write_all_at(&group, offset as u64).expect("the disk writes");
        file.sync_data().expect("the disk syncs");
        syncs += 1;
    }
    let rate = syncs as f64 / started.elapsed().as_secs_f64();
    fs::remove_file(&path).expect("the file is there");
    rate
}

fn synced(dir: &Path, record: Draw, segment_bytes: u64, round: Duration) -> Round {
    let (told, events) = mpsc::channel();
    let on_event = Box::new(move |event| drop(told.send(event)));
    let options = Options::new(dir.to_owned(), keys());
    let options = Options { segment_bytes, unindexed_segments_max: 64, ..options };
    let (mut log, _) = SegmentLog::open(options, on_event).expect("an empty log opens");
    // The first spare is allocated before the clock starts, as in a switch that has been up for a while.
    while !dir.join("spare.ready").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Records are drawn before the clock starts; their keys stay distinct.
    let records: Vec<Record> = (0..ROUND_RECORDS).map(record).collect();
    let mut appended_at = Vec::with_capacity(records.len());
    let mut waits = Vec::with_capacity(records.len());
    let (started, cpu_before) = (Instant::now(), cpu());
    let (mut next, mut synced): (Position, Position) = (0, 0);
    let mut running = true;
    while running || synced < next {
        running = started.elapsed() < round && (next as usize) < records.len();
        while running && next - synced < WRITERS && (next as usize) < records.len() {
            match log.append(next, &records[next as usize]) {
                Ok(()) => next += 1,
                Err(journal::AppendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
            appended_at.push(Instant::now());
        }
        match events.recv_timeout(Duration::from_millis(10)) {
            Ok(LogEvent::Synced(position)) => {
                let now = Instant::now();
                waits
                    .extend((synced..position).map(|record| (now - appended_at[record as usize]).as_nanos()));
                synced = position;
            }
            Ok(LogEvent::Failed(reason)) => panic!("{reason}"),
            Ok(_) | Err(_) => {}
        }
    }
    let (elapsed, used) = (started.elapsed(), cpu() - cpu_before);
    let threads_us = THREADS.map(|name| cpu_of(name) / synced as f64);
    waits.sort_unstable();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize] as f64 / 1e3;
    let round = Round {
        records_per_s: synced as f64 / elapsed.as_secs_f64(),
        cpu_us: used.as_micros() as f64 / synced as f64,
        wait_us_p50: at(0.5),
        wait_us_p99: at(0.99),
        threads_us,
    };
    log.close();
    fs::remove_dir_all(dir).expect("the log's directory is there");
    round
}

struct Paced {
    syncs_per_s: f64,
    sync_us: f64,
    wait_us_p50: f64,
    wait_us_p99: f64,
}

/// Records come as the clock says, nine at a time: what 12,000 withdrawals a second are.
fn paced(dir: &Path) -> Paced {
    const TURN: Duration = Duration::from_micros(250);
    let (told, events) = mpsc::channel();
    let on_event = Box::new(move |event| drop(told.send((Instant::now(), event))));
    let options = Options::new(dir.to_owned(), keys());
    let (mut log, _) = SegmentLog::open(options, on_event).expect("an empty log opens");
    while !dir.join("reserve.ready").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let turns = (ROUND.as_micros() / TURN.as_micros()) as u64;
    let a_turn = PACED_RECORDS_A_SECOND * TURN.as_micros() as u64 / 1_000_000;
    let records: Vec<Record> = (0..turns * a_turn).map(flow_record).collect();
    let mut appended_at = Vec::with_capacity(records.len());
    let started = Instant::now();
    for (turn, records) in (0_u32..).zip(records.chunks(a_turn as usize)) {
        std::thread::sleep((TURN * turn).saturating_sub(started.elapsed()));
        for record in records {
            log.append(appended_at.len() as Position, record).expect("the log has room");
            appended_at.push(Instant::now());
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let (mut synced, mut syncs, mut waits) = (0, 0_u32, Vec::with_capacity(records.len()));
    while synced < records.len() {
        if let (at, LogEvent::Synced(position)) =
            events.recv_timeout(Duration::from_secs(10)).expect("the disk syncs")
        {
            waits.extend(
                appended_at[synced..position as usize].iter().map(|before| (at - *before).as_nanos()),
            );
            (synced, syncs) = (position as usize, syncs + 1);
        }
    }
    waits.sort_unstable();
    let at = |share: f64| waits[(waits.len() as f64 * share) as usize] as f64 / 1e3;
    let paced = Paced {
        syncs_per_s: f64::from(syncs) / elapsed,
        sync_us: cpu_of("log-sync") / records.len() as f64,
        wait_us_p50: at(0.5),
        wait_us_p99: at(0.99),
    };
    log.close();
    fs::remove_dir_all(dir).expect("the log's directory is there");
    paced
}

/// Reads a log of whole withdrawals back, its index in place: once as a start does, once from the first record on.
fn recovery(dir: &Path) {
    let open = || {
        let started = Instant::now();
        let options = Options { unindexed_segments_max: 64, ..Options::new(dir.to_owned(), keys()) };
        let (log, recovered) = SegmentLog::open(options, Box::new(|_| {})).expect("the log opens");
        (log, recovered, started.elapsed())
    };
    let (mut log, _, _) = open();
    let mut next = 0;
    while next < RECOVERED_RECORDS {
        match log.append(next, &flow_record(next)) {
            Ok(()) => next += 1,
            Err(journal::AppendError::Full) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
    log.close();
    let (log, _, first) = open();
    drop(log);
    let (log, recovered, again) = open();
    drop(log);
    println!(
        "start, {next} records: {first:?} with segments left to index, then {again:?} ({} open)",
        recovered.open.len()
    );
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        for entry in fs::read_dir(dir).expect("the log's directory is there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "checkpoint") {
                fs::remove_file(path).expect("the checkpoint is there");
            }
        }
        let (log, recovered, took) = open();
        assert_eq!(recovered.next, next);
        drop(log);
        rates.push(next as f64 / took.as_secs_f64());
    }
    println!("recovery from the first record on: {:.0} records/s", median(&rates));
}

/// CPU time of the threads whose names begin so.
fn cpu_of(name: &str) -> f64 {
    let mut us = 0.0;
    for task in fs::read_dir("/proc/self/task").expect("Linux") {
        let path = task.expect("an entry").path();
        let named = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if named.starts_with(name) {
            let schedstat = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            let ns = schedstat.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok());
            us += ns.unwrap_or(0.0) / 1e3;
        }
    }
    us
}

/// CPU time of this process, all threads.
fn cpu() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u32 = fields[11..=12].iter().map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}

fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

fn key(number: u64) -> TxKey {
    TxKey {
        class: Class::Financial,
        acquirer: "970418".parse().expect("digits"),
        terminal: TerminalId(*b"HN000001"),
        sent_at: UtcSeconds(1_651_539_723 + (number / 1_000) as i64),
        stan: (number % 1_000_000) as u32,
    }
}

fn request(number: u64, carried_bytes: usize) -> Request {
    let citizen =
        CitizenNumber::parse(format!("001203{:06}", number % 1_000_000).as_bytes()).expect("12 digits");
    let mut carried = Carried::default();
    carried.set(43, &vec![b'V'; carried_bytes]);
    Request {
        kind: Kind::Withdrawal,
        pan: Pan::new(*b"970499", &citizen),
        content: Content {
            citizen: keys().pseudonym(&citizen),
            processing: *b"010000",
            amount_minor: 2_000_000,
            currency: 704,
            original: None,
            left_minor: None,
            institution: None,
            from_account: None,
            to_account: None,
        },
        rrn: Rrn(*b"212300000001"),
        rrn_from_terminal: false,
        carried,
    }
}

fn intent(number: u64, carried_bytes: usize) -> Record {
    let request = request(number, carried_bytes);
    let day = "2022-05-03".parse().expect("a day");
    let spend = Spend { citizen: request.content.citizen, day, amount_minor: 2_000_000, count: 1 };
    let identity = BankIdentity { sent_at: key(number).sent_at, stan: (number % 1_000_000) as u32 };
    let bank = "970415".parse().expect("digits");
    let account = Some("101000012345".into());
    let intent = Intent { request, bank, account, identity, day, reference: None, evidence: None };
    Record {
        at_ms: 1_651_539_723_000 + number as i64,
        transaction: Some(key(number)),
        suspense: None,
        spend: Some(spend),
        body: Body::Intent(Box::new(intent)),
    }
}

fn money_record(position: Position) -> Record {
    intent(position, 247)
}

/// INTENT, OUTCOME, COMPLETE in turn.
fn flow_record(position: Position) -> Record {
    let begun = position - position % 3;
    let body = match position % 3 {
        0 => return intent(begun, 100),
        1 => Body::Outcome(Outcome { approval: Some(*b"A1B2C3"), carried: Carried::default() }),
        _ => {
            let content = Content { original: Some(key(begun)), ..request(begun, 0).content };
            let key = TxKey { class: Class::Completion, ..key(begun + 2) };
            Body::Complete(Some(Advice { key, content, reason: None }))
        }
    };
    Record { spend: None, body, ..intent(begun, 0) }
}

fn evidence_record(position: Position) -> Record {
    let evidence = Evidence {
        registry: processor::RegistryWord::Signed(vec![b'e'; EVIDENCE_BYTES - 300].into()),
        sod_sha256: [1; 32],
        dg15_sha256: [2; 32],
        passive: true,
        active: true,
    };
    let declined = Declined {
        request: Some(request(position, 50)),
        code: Code::PROOF,
        bank_code: None,
        send_sod: false,
        evidence: Some(evidence),
    };
    Record { spend: None, body: Body::Declined(Box::new(declined)), ..intent(position, 0) }
}
