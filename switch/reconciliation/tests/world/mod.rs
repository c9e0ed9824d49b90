//! A small day in a few words, for tests that read like tables.

#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use processor::{BankIdentity, Day, Rrn, TerminalId, UtcSeconds};
use reconciliation::{CashLine, Decision, Ended, LineId, Matcher, Ours, Posting, Rules};

pub const NOON_S: i64 = 1_777_777_200;
pub const BANK_FILE: u64 = 0xb0;
pub const JOURNAL_FILE: u64 = 0x70;

pub fn day(of_may: u32) -> Day {
    Day::new(20_260_500 + of_may).unwrap()
}

pub fn rrn(number: u32) -> Rrn {
    Rrn(*format!("6123{number:08}").as_bytes().first_chunk().unwrap())
}

pub fn terminal(number: u32) -> TerminalId {
    TerminalId(*format!("HN{number:06}").as_bytes().first_chunk().unwrap())
}

/// A completed withdrawal of 2,000,000 at terminal 1, numbered: its RRN, STANs and minute follow from the number.
pub fn ours(number: u32) -> Ours {
    Ours {
        id: LineId { file: LineId::LOG, line: u64::from(number) },
        rrn: rrn(number),
        terminal: terminal(1),
        terminal_stan: number,
        bank: "970415".parse().unwrap(),
        acquirer: "970418".parse().unwrap(),
        identity: BankIdentity { sent_at: UtcSeconds(NOON_S), stan: 500_000 + number },
        at_s: NOON_S + i64::from(number) * 600,
        day: day(3),
        reversal_day: None,
        reversal_at_s: None,
        reversed_at_s: None,
        gross_minor: 2_000_000,
        net_minor: 2_000_000,
        currency: 704,
        ended: Ended::Completed,
        is_cash: true,
        is_suspense: false,
    }
}

/// What the bank has posted for it.
pub fn posting(number: u32) -> Posting {
    let ours = ours(number);
    Posting {
        id: LineId { file: BANK_FILE, line: u64::from(number) },
        bank: ours.bank,
        day: ours.day,
        rrn: Some(ours.rrn),
        terminal: Some(ours.terminal),
        stan: Some(ours.identity.stan),
        sequence: Some(number),
        at_s: ours.at_s + 1,
        amount_minor: ours.net_minor,
        currency: 704,
        count: 1,
    }
}

/// What the machine has written down of it.
pub fn cash(number: u32) -> CashLine {
    let ours = ours(number);
    CashLine {
        id: LineId { file: JOURNAL_FILE, line: u64::from(number) },
        terminal: ours.terminal,
        day: ours.day,
        rrn: Some(ours.rrn),
        stan: Some(ours.terminal_stan),
        sequence: Some(number),
        at_s: ours.at_s + 5,
        requested_minor: ours.gross_minor,
        moved_minor: ours.net_minor,
        currency: 704,
        is_retracted: false,
    }
}

/// Without names: what is left is amount, terminal and time.
pub fn nameless(posting: Posting) -> Posting {
    Posting { rrn: None, stan: None, ..posting }
}

/// The line stands there again.
pub fn again(posting: Posting) -> Posting {
    Posting { id: LineId { line: posting.id.line + 1_000, ..posting.id }, at_s: posting.at_s + 1, ..posting }
}

/// What the three sides say, and what people do.
#[derive(Clone, Debug)]
pub enum Say {
    Ours(Ours),
    Bank(Posting),
    Machine(CashLine),
    Decide(Decision),
}

pub fn tell(matcher: &mut Matcher, say: &Say) {
    match say {
        Say::Ours(ours) => matcher.add_ours(ours),
        Say::Bank(posting) => matcher.add_posting(posting),
        Say::Machine(line) => matcher.add_cash_line(line),
        Say::Decide(decision) => matcher.decide(*decision),
    }
    .unwrap();
}

/// Everything of the third of May is here.
pub fn all_here(matcher: &mut Matcher) {
    matcher.log_is_here(day(3));
    for bank in ["970415", "970418"] {
        matcher.bank_file_is_here(bank.parse().unwrap(), day(3));
    }
    for number in 1..=9 {
        matcher.journal_is_here(terminal(number), day(3));
    }
}

pub fn matched(says: &[Say]) -> Matcher {
    let mut matcher = Matcher::new(Rules::default());
    all_here(&mut matcher);
    says.iter().for_each(|say| tell(&mut matcher, say));
    matcher.run();
    matcher
}

/// `bank missing_at_bank 7`: side, kind, and the number of the transaction or line.
pub fn exceptions(matcher: &Matcher) -> Vec<String> {
    let word = |exception: &reconciliation::Exception| {
        let aspect = format!("{:?}", exception.case.aspect).to_lowercase();
        format!("{aspect} {} {}", exception.kind, exception.case.of.line)
    };
    matcher.exceptions().iter().map(word).collect()
}
