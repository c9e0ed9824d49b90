//! A log of many real records: made through the real append, then opened, asked, verified and read by day.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use credential::{CitizenNumber, Pan, Pseudonym};
use indicatif::{ProgressBar, ProgressStyle};
use journal::{AppendError, Finder, Journal, LogFiles, LogReader, Options, SegmentLog, Wanted, verify};
use keys::{DataKeys, Key};
use processor::{
    Advice, BankIdentity, Body, Carried, Class, Content, Intent, Kind, Lookup, Name, Outcome, OwnName,
    Position, Record, Request, Rrn, Spend, TerminalId, TxKey, UtcSeconds,
};
use serde::Serialize;

/// A withdrawal's: INTENT, OUTCOME, COMPLETE.
const RECORDS_A_WITHDRAWAL: u64 = 3;
/// What a busy hour of a national switch has.
const WITHDRAWALS_A_SECOND: u64 = 4_000;
const TERMINALS: u64 = 10_000;
const CITIZENS: u64 = 1_000_000;
const RECORDS_MAX: u64 = 300_000_000;
const LOOK_UPS: u64 = 2_000;
/// A log that takes nothing for so long is given up.
const FULL_MAX: Duration = Duration::from_secs(60);

/// Makes a log of whole withdrawals, and measures what a switch and its operators ask of it.
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  log_at_scale --dir target/log-at-scale\n  log_at_scale --dir /data/scale \
                        --records 100000 --json\n  log_at_scale --dir /data/scale --records 30000000 --keep --rebuild"
)]
struct Arguments {
    /// How many records; they are made in whole withdrawals.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(3..=RECORDS_MAX))]
    records: u64,
    /// The log's directory, on the disk that is measured. One that holds a log of this program is used as it is.
    #[arg(long, default_value = "target/log-at-scale")]
    dir: PathBuf,
    /// Leaves the log there; else it is removed.
    #[arg(long)]
    keep: bool,
    /// Also starts without index and checkpoints, which reads all of it.
    #[arg(long)]
    rebuild: bool,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// What was measured. Times are seconds where their name does not say otherwise.
#[derive(Serialize, Default)]
struct Figures {
    records: u64,
    write_s: f64,
    write_records_per_s: f64,
    /// CPU of the appending thread and of the log's own, for each record.
    write_cpu_us: Vec<(&'static str, f64)>,
    log_bytes: u64,
    index_bytes: u64,
    index_files: u64,
    start_s: f64,
    start_rss_bytes: u64,
    rebuild_s: Option<f64>,
    find_us: Vec<FindFigures>,
    found_rss_bytes: u64,
    day_s: f64,
    day_transactions: u64,
    rrn_s: f64,
    verify_s: f64,
    verify_records_per_s: f64,
}

#[derive(Serialize)]
struct FindFigures {
    by: &'static str,
    p50: f64,
    p99: f64,
    max: f64,
}

fn main() {
    let arguments = Arguments::parse();
    let mut figures = Figures { records: arguments.records / RECORDS_A_WITHDRAWAL * 3, ..Figures::default() };
    let log = write(&arguments, &mut figures);
    log.close();
    figures.log_bytes = bytes_in(&arguments.dir, "segment").0;
    (figures.index_bytes, figures.index_files) = bytes_in(&arguments.dir.join("index"), "run");
    ask(&arguments, &mut figures);
    if arguments.rebuild {
        fs::remove_dir_all(arguments.dir.join("index")).expect("the index is there");
        for entry in fs::read_dir(&arguments.dir).expect("the directory is there") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "checkpoint") {
                fs::remove_file(path).expect("the checkpoint is there");
            }
        }
        let (log, took) = open(&arguments.dir);
        figures.rebuild_s = Some(took);
        log.close();
    }
    by_files(&arguments, &mut figures);
    if !arguments.keep {
        fs::remove_dir_all(&arguments.dir).expect("the directory is there");
    }
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&figures).expect("figures are JSON")),
        false => print(&figures),
    }
}

fn options(dir: &Path) -> Options {
    Options::new(dir.to_owned(), keys())
}

fn open(dir: &Path) -> (SegmentLog, f64) {
    let started = Instant::now();
    let (log, _) = SegmentLog::open(options(dir), Box::new(|_| {})).expect("the log opens");
    (log, started.elapsed().as_secs_f64())
}

/// Appends what is missing, as fast as the log takes it.
fn write(arguments: &Arguments, figures: &mut Figures) -> SegmentLog {
    let (mut log, _) = open(&arguments.dir);
    let first = log.next();
    let bar = ProgressBar::new(figures.records).with_style(
        ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} records {per_sec} {eta}")
            .expect("the template is well formed"),
    );
    let data_keys = keys();
    let started = Instant::now();
    let mut full_since = None;
    let mut next = first;
    while next < figures.records {
        match log.append(next, &record(next, &data_keys)) {
            Ok(()) => {
                (next, full_since) = (next + 1, None);
                if next.is_multiple_of(10_000) {
                    bar.set_position(next);
                }
            }
            Err(AppendError::Full) => {
                assert!(
                    full_since.get_or_insert_with(Instant::now).elapsed() < FULL_MAX,
                    "the log stays full"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("record {next}: {error}"),
        }
    }
    bar.finish_and_clear();
    figures.write_s = started.elapsed().as_secs_f64();
    let written = (next - first) as f64;
    figures.write_records_per_s = written / figures.write_s;
    let threads = ["log_at_scale", "log-sync", "log-spare", "log-index", "log-merge"];
    if written > 0.0 {
        figures.write_cpu_us = threads.map(|thread| (thread, cpu_us(thread) / written)).to_vec();
    }
    log
}

/// What a switch asks: a start, look-ups, a day.
fn ask(arguments: &Arguments, figures: &mut Figures) {
    let (log, took) = open(&arguments.dir);
    (figures.start_s, figures.start_rss_bytes) = (took, rss_bytes());
    let reader = log.reader();
    let withdrawals = figures.records / RECORDS_A_WITHDRAWAL;
    let absent = |number: u64| TxKey { acquirer: "970499".parse().expect("digits"), ..key(number) };
    let names: [(&'static str, &dyn Fn(u64) -> OwnName); 4] = [
        ("transaction", &|number| OwnName::Key(key(number))),
        ("advice", &|number| OwnName::Key(advice_key(number))),
        ("name at a bank", &|number| OwnName::Bank("970415".parse().expect("digits"), identity(number))),
        ("absent", &|number| OwnName::Key(absent(number))),
    ];
    for (by, name) in names {
        let mut took: Vec<f64> = (0..LOOK_UPS)
            .map(|step| {
                // Golden-ratio steps: they come to all parts of the log.
                let number = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) % withdrawals;
                look_up(&reader, name(number), by != "absent")
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[(took.len() as f64 * share) as usize];
        figures.find_us.push(FindFigures { by, p50: at(0.5), p99: at(0.99), max: at(0.9999) });
    }
    figures.found_rss_bytes = rss_bytes();
    let started = Instant::now();
    let day = "2022-05-03".parse().expect("a day");
    for read in reader.in_day(day) {
        let (_, record) = read.expect("the log reads");
        figures.day_transactions += u64::from(matches!(record.body, Body::Intent(_)));
    }
    figures.day_s = started.elapsed().as_secs_f64();
    log.close();
}

fn look_up(reader: &LogReader, own: OwnName, is_there: bool) -> f64 {
    let lookup = Lookup { own, original: None, used: None, accounts_of: None };
    let started = Instant::now();
    let found = reader.find_quick(&lookup).map_or_else(|| reader.find(&lookup), Ok).expect("the log reads");
    let took = started.elapsed();
    assert_eq!(found.own.is_some(), is_there, "{lookup:?}");
    took.as_secs_f64() * 1e6
}

/// What tools do beside a switch, from the files alone.
fn by_files(arguments: &Arguments, figures: &mut Figures) {
    let started = Instant::now();
    let wanted = Wanted::Name(Name::Rrn(rrn(figures.records / 2 / RECORDS_A_WITHDRAWAL)));
    let found = LogFiles::new(&arguments.dir, keys()).find(&wanted).expect("the log reads");
    assert_eq!(found.len(), 1, "one transaction has this RRN");
    figures.rrn_s = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let report = verify(&arguments.dir, &keys(), &[]).expect("the directory reads");
    assert!(report.bad.is_none() && report.head.records == figures.records, "{report:?}");
    figures.verify_s = started.elapsed().as_secs_f64();
    figures.verify_records_per_s = figures.records as f64 / figures.verify_s;
}

fn print(figures: &Figures) {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    println!("{} records in {:.1} s, {:.0}/s", figures.records, figures.write_s, figures.write_records_per_s);
    for (thread, us) in &figures.write_cpu_us {
        println!("  {thread}: {us:.2} us CPU a record");
    }
    println!(
        "log {:.0} MB, index {:.0} MB in {} files",
        mb(figures.log_bytes),
        mb(figures.index_bytes),
        figures.index_files
    );
    println!("start {:.2} s, {:.0} MB resident", figures.start_s, mb(figures.start_rss_bytes));
    if let Some(rebuild_s) = figures.rebuild_s {
        println!("start without index and checkpoints {rebuild_s:.1} s");
    }
    for find in &figures.find_us {
        println!(
            "find by {}: p50 {:.1} us, p99 {:.1} us, max {:.0} us",
            find.by, find.p50, find.p99, find.max
        );
    }
    println!("  {:.0} MB resident behind them", mb(figures.found_rss_bytes));
    println!("day of {} transactions: {:.1} s", figures.day_transactions, figures.day_s);
    println!("find by RRN from the files: {:.1} s", figures.rrn_s);
    println!("verify: {:.1} s, {:.0} records/s", figures.verify_s, figures.verify_records_per_s);
}

/// Bytes and number of the files of a kind.
fn bytes_in(dir: &Path, kind: &str) -> (u64, u64) {
    let entries =
        fs::read_dir(dir).expect("the directory is there").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == kind));
    files.fold((0, 0), |(bytes, count), path| (bytes + path.metadata().map_or(0, |it| it.len()), count + 1))
}

fn rss_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU time of the threads of this name.
fn cpu_us(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let of_name = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let is_named = fs::read_to_string(path.join("comm")).ok()?.trim() == name;
        let spent = fs::read_to_string(path.join("schedstat")).ok()?;
        is_named.then(|| spent.split_whitespace().next()?.parse::<f64>().ok())?
    });
    of_name.sum::<f64>() / 1e3
}

fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

fn sent_at(withdrawal: u64) -> UtcSeconds {
    UtcSeconds(1_651_539_723 + (withdrawal / WITHDRAWALS_A_SECOND) as i64)
}

fn key(withdrawal: u64) -> TxKey {
    let mut terminal = *b"HN000000";
    let digits = format!("{:06}", withdrawal % TERMINALS);
    terminal[2..].copy_from_slice(digits.as_bytes());
    TxKey {
        class: Class::Financial,
        acquirer: "970418".parse().expect("digits"),
        terminal: TerminalId(terminal),
        sent_at: sent_at(withdrawal),
        stan: (withdrawal / TERMINALS % 1_000_000) as u32,
    }
}

fn advice_key(withdrawal: u64) -> TxKey {
    TxKey { class: Class::Completion, ..key(withdrawal) }
}

fn identity(withdrawal: u64) -> BankIdentity {
    BankIdentity { sent_at: sent_at(withdrawal), stan: (withdrawal % 1_000_000) as u32 }
}

fn rrn(withdrawal: u64) -> Rrn {
    let mut rrn = [b'0'; 12];
    rrn.copy_from_slice(format!("{withdrawal:012}").as_bytes());
    Rrn(rrn)
}

fn content(withdrawal: u64, citizen: Pseudonym) -> Content {
    Content {
        citizen,
        processing: *b"010000",
        amount_minor: 500_000 + withdrawal % 40 * 50_000,
        currency: 704,
        original: None,
        left_minor: None,
        institution: None,
        from_account: None,
        to_account: None,
    }
}

/// The record of a position: a withdrawal's three stand behind each other.
fn record(position: Position, keys: &DataKeys) -> Record {
    let withdrawal = position / RECORDS_A_WITHDRAWAL;
    let number = withdrawal.wrapping_mul(0x9e37_79b9_7f4a_7c15) % CITIZENS;
    let body = |body| Record {
        at_ms: sent_at(withdrawal).0 * 1000,
        transaction: Some(key(withdrawal)),
        suspense: None,
        spend: None,
        body,
    };
    let number = CitizenNumber::parse(format!("001203{number:06}").as_bytes()).expect("12 digits");
    match position % RECORDS_A_WITHDRAWAL {
        0 => intent(withdrawal, &number, keys),
        1 => body(Body::Outcome(Outcome { approval: Some(*b"A1B2C3"), carried: Carried::default() })),
        _ => {
            let citizen = keys.pseudonym(&number);
            let content = Content { original: Some(key(withdrawal)), ..content(withdrawal, citizen) };
            let key = advice_key(withdrawal);
            body(Body::Complete(Some(Advice { key, content, reason: None })))
        }
    }
}

fn intent(withdrawal: u64, number: &CitizenNumber, keys: &DataKeys) -> Record {
    let citizen = keys.pseudonym(number);
    let day = "2022-05-03".parse().expect("a day");
    let content = content(withdrawal, citizen);
    let spend = Spend { citizen, day, amount_minor: content.amount_minor as i64, count: 1 };
    let mut carried = Carried::default();
    carried.set(43, &[b'V'; 40]);
    let request = Request {
        kind: Kind::Withdrawal,
        pan: Pan::new(*b"970499", number),
        content,
        rrn: rrn(withdrawal),
        rrn_from_terminal: false,
        carried,
    };
    let bank = "970415".parse().expect("digits");
    let account = Some("101000012345".into());
    let identity = identity(withdrawal);
    let intent = Intent { request, bank, account, identity, day, reference: None, evidence: None };
    Record {
        at_ms: sent_at(withdrawal).0 * 1000,
        transaction: Some(key(withdrawal)),
        suspense: None,
        spend: Some(spend),
        body: Body::Intent(Box::new(intent)),
    }
}
