//! Matches many records on one core and prints how fast, and in how much memory: `at_scale RECORDS`.

#![allow(clippy::disallowed_types, reason = "it measures, which takes a clock")]

use std::time::Instant;

use processor::{BankIdentity, Day, Rrn, TerminalId, UtcSeconds};
use reconciliation::{CashLine, Ended, LineId, Matcher, Ours, Posting, Rules};

const TERMINALS: u64 = 10_000;
const BANKS: [&str; 4] = ["970418", "970415", "970454", "970436"];
/// 2026-05-03T00:00:00Z.
const BEGINS_S: i64 = 1_777_766_400;
const DAY_S: u64 = 86_400;
/// One bank line in so many has no RRN, and one in so many no name at all.
const WITHOUT_RRN: u64 = 10;
const WITHOUT_NAME: u64 = 100;

fn main() {
    let records: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let transactions = records / 3;
    let day = Day::new(20_260_503).expect("a day");
    let mut matcher = Matcher::new(Rules::default());
    let started = Instant::now();
    for number in 0..transactions {
        matcher.add_ours(&ours(number, transactions, day)).expect("room");
    }
    for number in 0..transactions {
        matcher.add_posting(&posting(number, &ours(number, transactions, day))).expect("room");
    }
    for number in 0..transactions {
        matcher.add_cash_line(&cash(number, &ours(number, transactions, day))).expect("room");
    }
    let taken_s = started.elapsed().as_secs_f64();
    matcher.run();
    let seconds = started.elapsed().as_secs_f64();
    let summary = matcher.summary();
    let held = matcher.len();
    println!("records {held}, taken in {taken_s:.2} s, matched in {:.2} s more", seconds - taken_s);
    println!("{:.0} records a second on one core", f64::from(held) / seconds);
    println!("matched {} of {}, ambiguous lines {}", summary.matched, summary.ours, summary.ambiguous_lines);
    let peak = peak_bytes();
    println!("peak memory {} MB, {} bytes a record", peak / 1_000_000, peak / u64::from(held.max(1)));
    // One small file behind all that: what an arrival costs.
    let started = Instant::now();
    for number in 0..1_000.min(transactions) {
        let line = LineId { file: 99, line: number };
        let again = Posting { id: line, ..posting(number, &ours(number, transactions, day)) };
        matcher.add_posting(&again).expect("room");
    }
    matcher.run();
    println!("a file of 1,000 lines behind them: {:.3} s", started.elapsed().as_secs_f64());
}

/// Terminals take turns, so that one has a customer every few minutes at most.
fn ours(number: u64, transactions: u64, day: Day) -> Ours {
    let at_s = BEGINS_S + (number * DAY_S / transactions) as i64;
    let amount_minor = (1 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 40) as i64 * 50_000;
    Ours {
        id: LineId { file: LineId::LOG, line: number * 3 },
        rrn: Rrn(*format!("6123{number:08}").as_bytes().first_chunk().expect("twelve digits")),
        terminal: terminal(number),
        terminal_stan: (number / TERMINALS % 1_000_000) as u32,
        bank: BANKS[(number % 4) as usize].parse().expect("digits"),
        acquirer: BANKS[(number % 4) as usize].parse().expect("digits"),
        identity: BankIdentity { sent_at: UtcSeconds(at_s), stan: (number % 1_000_000) as u32 },
        at_s,
        day,
        reversal_day: None,
        reversal_at_s: None,
        reversed_at_s: None,
        gross_minor: amount_minor,
        net_minor: amount_minor,
        currency: 704,
        ended: Ended::Completed,
        is_cash: true,
        is_suspense: false,
    }
}

fn terminal(number: u64) -> TerminalId {
    TerminalId(*format!("HN{:06}", number % TERMINALS).as_bytes().first_chunk().expect("eight characters"))
}

fn posting(number: u64, ours: &Ours) -> Posting {
    Posting {
        id: LineId { file: 1 + number % 4, line: number },
        bank: ours.bank,
        day: ours.day,
        rrn: (!number.is_multiple_of(WITHOUT_RRN)).then_some(ours.rrn),
        terminal: Some(ours.terminal),
        stan: (!number.is_multiple_of(WITHOUT_NAME)).then_some(ours.identity.stan),
        sequence: None,
        at_s: ours.at_s + 1,
        amount_minor: ours.net_minor,
        currency: ours.currency,
        count: 1,
    }
}

fn cash(number: u64, ours: &Ours) -> CashLine {
    CashLine {
        id: LineId { file: 1_000 + number % TERMINALS, line: number },
        terminal: ours.terminal,
        day: ours.day,
        rrn: Some(ours.rrn),
        stan: Some(ours.terminal_stan),
        sequence: None,
        at_s: ours.at_s + 5,
        requested_minor: ours.gross_minor,
        moved_minor: ours.net_minor,
        currency: ours.currency,
        is_retracted: false,
    }
}

/// VmHWM of this process; 0 where the system does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    kilobytes * 1024
}
