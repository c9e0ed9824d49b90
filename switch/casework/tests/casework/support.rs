//! What the tests of this directory share: keys, a desk, files that come in, transactions of the log.

use std::sync::Arc;

use casework::{About, Arrival, Casework, Deed, Desk, DeskError, DueRules, Resolution, Row};
use credential::{CitizenNumber, Pan, Pseudonym};
use exchange::{FileKey, FileKind, InProcess};
use keys::{DataKeys, Key};
use processor::{
    BankIdentity, Body, Carried, Class, Content, Day, Institution, Intent, Kind as Asked, Outcome, Record,
    Request, Rrn, TerminalId, TxKey, UtcSeconds,
};
use reconciliation::calendar::Calendar;
use reconciliation::{Aspect, Book, CaseId, FeeTable, Kind, LineId, Rules};

pub(crate) fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

pub(crate) fn case() -> CaseId {
    CaseId { of: LineId { file: LineId::LOG, line: 7 }, aspect: Aspect::Machine }
}

pub(crate) fn about(kind: Kind, ours_minor: i64) -> Box<About> {
    Box::new(About {
        kind,
        day: day("2026-05-03"),
        bank: Some(bank()),
        acquirer: None,
        terminal: None,
        rrn: None,
        at_s: 1_777_777_200,
        ours_minor,
        theirs_minor: 0,
        is_gone: false,
        acquirer_owes_refund: false,
        debited_minor: None,
    })
}

pub(crate) fn bank() -> Institution {
    "970415".parse().unwrap()
}

pub(crate) fn propose(amount_minor: i64) -> Deed {
    Deed::Propose {
        case: case(),
        about: about(Kind::DebitedNotDispensed, 2_000_000),
        resolution: Resolution::Refund,
        amount_minor,
        bank: Some(bank()),
        why: "no cash left".into(),
    }
}

pub(crate) fn approve(proposal: u64) -> Deed {
    Deed::Approve { case: case(), proposal }
}

pub(crate) fn reject(proposal: u64) -> Deed {
    Deed::Reject { case: case(), proposal, why: "wrong amount".into() }
}

pub(crate) const GOOD: &str = "rrn,terminal,stan,sequence,at,amount,direction,currency,day,count
612300000001,HN000001,1,1,2026-05-03 07:00:00,2000000,D,704,2026-05-03,1
TRAILER,1,2000000
";

pub(crate) fn key(part: u32) -> FileKey {
    FileKey {
        kind: FileKind::Postings,
        bank: Some("970415".parse().unwrap()),
        terminal: None,
        day: day("2026-05-03"),
        part,
    }
}

pub(crate) fn desk(dir: &std::path::Path) -> Desk {
    Desk::new(dir, keys(), calendar(), DueRules::default(), Arc::new(InProcess))
}

pub(crate) fn calendar() -> Calendar {
    Calendar { utc_offset_minutes: 420, weekends_closed: true, ..Calendar::default() }
}

pub(crate) const NOW_S: i64 = 1_777_900_000;

pub(crate) fn take(desk: &Desk, text: &str, part: u32) -> Result<(u64, i64), DeskError> {
    take_as(desk, text, key(part), 1)
}

pub(crate) fn take_as(desk: &Desk, text: &str, key: FileKey, parts: u32) -> Result<(u64, i64), DeskError> {
    let arrival = Arrival {
        bytes: text.as_bytes(),
        key,
        layout: None,
        parts,
        at_ms: 1_777_800_000_000,
        who: "lan",
        from: "::1",
    };
    desk.take(&arrival)
}

pub(crate) fn rows(desk: &Desk, casework: &Casework) -> Vec<Row> {
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
    let matching = desk.matched(casework, &mut book, Rules::default(), NOW_S).unwrap();
    desk.rows(casework, &book, &matching).unwrap()
}

pub(crate) fn shown(desk: &Desk, casework: &Casework) -> Vec<String> {
    rows(desk, casework)
        .iter()
        .map(|row| format!("{} due {} {}", row.exception.kind, row.due, row.case.state.name()))
        .collect()
}

/// One transaction of the log, of a terminal and day, completed.
pub(crate) fn told(book: &mut Book, position: u64, of: Day) {
    told_at(book, position, of, bank());
}

/// The same at a terminal of this acquirer.
pub(crate) fn told_at(book: &mut Book, position: u64, of: Day, acquirer: Institution) {
    for (position, record) in uses(position, of, acquirer) {
        book.apply(position, &record).unwrap();
    }
}

pub(crate) fn uses(position: u64, of: Day, acquirer: Institution) -> Vec<(u64, Record)> {
    let terminal = TerminalId(*b"HN000001");
    let key = TxKey {
        class: Class::Financial,
        acquirer,
        terminal,
        sent_at: UtcSeconds(1_777_777_200),
        stan: position as u32,
    };
    let content = Content {
        citizen: Pseudonym([7; 16]),
        processing: *b"010000",
        amount_minor: 2_000_000,
        currency: 704,
        original: None,
        left_minor: None,
        institution: None,
        from_account: None,
        to_account: None,
    };
    let request = Request {
        kind: Asked::Withdrawal,
        pan: Pan::new(*b"970499", &CitizenNumber::parse(b"001203000017").unwrap()),
        content,
        rrn: Rrn(*format!("6123{position:08}").as_bytes().first_chunk().unwrap()),
        rrn_from_terminal: false,
        carried: Carried::default(),
    };
    let intent = Intent {
        request,
        bank: bank(),
        account: None,
        identity: BankIdentity { sent_at: UtcSeconds(1_777_777_200), stan: position as u32 },
        day: of,
        reference: None,
        evidence: None,
    };
    let outcome = Outcome { approval: None, carried: Carried::default() };
    let bodies = [Body::Intent(Box::new(intent)), Body::Outcome(outcome), Body::Complete(None)];
    let record = |body| {
        let at_ms = of.begins_ms() + 3_600_000;
        Record { at_ms, transaction: Some(key), suspense: None, spend: None, body }
    };
    (position..).zip(bodies.map(record)).collect()
}

pub(crate) fn cut_over(book: &mut Book, position: u64, to: Day) {
    book.apply(position, &cutover(to)).unwrap();
}

pub(crate) fn cutover(to: Day) -> Record {
    let body = Body::Cutover(to);
    Record { at_ms: to.begins_ms(), transaction: None, suspense: None, spend: None, body }
}

pub(crate) const FIRST: &str = "2026-05-03";

pub(crate) const SECOND: &str = "2026-05-04";

pub(crate) const ACQUIRER: &str = "970418";
