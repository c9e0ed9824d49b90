//! What people may do to cases, files and days, and that what they did is what is read back.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use casework::{
    ACTS_FILE, ActFile, Arrival, CaseState, Casework, Deed, Desk, DeskError, DueRules, FILES_DIR, Resolution,
    age_band,
};
use exchange::{FileKey, FileKind};
use keys::{DataKeys, Key};
use processor::Day;
use reconciliation::calendar::Calendar;
use reconciliation::{Aspect, Book, CaseId, FeeTable, Kind, LineId, Rules};

fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn case() -> CaseId {
    CaseId { of: LineId { file: LineId::LOG, line: 7 }, aspect: Aspect::Machine }
}

fn propose(amount_minor: i64) -> Deed {
    Deed::Propose {
        case: case(),
        resolution: Resolution::Refund,
        amount_minor,
        bank: Some("970415".parse().unwrap()),
        day: day("2026-05-03"),
        rrn: None,
        why: "no cash left".into(),
    }
}

/// Who does what, and how the case stands then, or why it is refused.
#[test]
fn a_case_goes_its_way_and_its_maker_is_never_its_checker() {
    let (approve, reject) =
        (Deed::Approve { case: case() }, Deed::Reject { case: case(), why: "wrong amount".into() });
    let dispute = Deed::Dispute { case: case(), why: "the bank denies it".into() };
    let reopen = Deed::Reopen { case: case(), why: "a mistake".into() };
    let rows: [(&str, Deed, Result<CaseState, &str>); 13] = [
        ("lan", approve.clone(), Err("the case is open, and not proposed")),
        ("lan", propose(0), Err("an amount of 0 does not fit what is proposed")),
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("lan", approve.clone(), Err("lan has proposed it and cannot check it: somebody else has to")),
        ("lan", reject.clone(), Err("lan has proposed it and cannot check it: somebody else has to")),
        ("minh", propose(1), Err("the case is proposed, and not open or disputed")),
        ("minh", reject, Ok(CaseState::Open)),
        ("lan", reopen.clone(), Err("the case is open, and not proposed, disputed or resolved")),
        ("lan", dispute, Ok(CaseState::Disputed)),
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("minh", approve, Ok(CaseState::Resolved)),
        (
            "minh",
            Deed::Note { case: case(), text: " ".into() },
            Err("note: 1 to 1000 printable characters are taken"),
        ),
        ("lan", reopen, Ok(CaseState::Open)),
    ];
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    for (step, (who, deed, expected)) in rows.into_iter().enumerate() {
        let done = acts.act(step as i64, who, "10.0.0.7", deed.clone());
        match (done, expected) {
            (Ok(casework), Ok(state)) => {
                assert_eq!(casework.case(case()).unwrap().state, state, "step {step}")
            }
            (Err(error), Err(reason)) => assert_eq!(error.to_string(), reason, "step {step}"),
            (done, _) => panic!("step {step}: {:?}", done.map(|_| ())),
        }
    }
    let (casework, told) = acts.read().unwrap();
    assert_eq!((told.len(), casework.next()), (6, 6));
    // What was approved and undone stands there twice, never not at all.
    let booked: Vec<i64> = casework.booked().iter().map(|booked| booked.proposal.amount_minor).collect();
    assert_eq!(booked, [2_000_000, -2_000_000]);
    // Each act has how the case stood before and behind it.
    let approved = &told[4];
    assert_eq!(
        (approved.before["state"].as_str(), approved.after["state"].as_str()),
        (Some("proposed"), Some("resolved"))
    );
    assert_eq!(approved.after["proposal"]["checker"], "minh");
    assert_eq!((approved.who.as_str(), approved.from.as_str()), ("minh", "10.0.0.7"));
}

#[test]
fn an_act_that_was_changed_moved_or_taken_out_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    for number in 0..4 {
        let owner = Some(format!("clerk {number}"));
        acts.act(number, "lan", "::1", Deed::Assign { case: case(), owner }).unwrap();
    }
    let path = dir.path().join(ACTS_FILE);
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let without = |gone: usize| {
        lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect::<String>()
    };
    let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
    for (name, text, expected) in [
        (
            "changed",
            good.replace("clerk 1", "clerk 9"),
            ":2: does not follow from the line before it: it was changed",
        ),
        ("gone", without(1), ":2: has another number than its place: lines are gone or were moved"),
        ("swapped", swapped, ":2: has another number than its place: lines are gone or were moved"),
        ("none", "{}\tx\n".to_owned(), ":1: is no line of acts"),
    ] {
        fs::write(&path, text).unwrap();
        let error = acts.read().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{name}: {error}");
        assert!(acts.act(9, "lan", "::1", Deed::Assign { case: case(), owner: None }).is_err(), "{name}");
    }
    // What a crash left of a line was told to nobody.
    fs::write(&path, format!("{good}{}", &lines[0][..20])).unwrap();
    assert_eq!(acts.read().unwrap().1.len(), 4);
    assert_eq!(acts.act(9, "lan", "::1", Deed::Assign { case: case(), owner: None }).unwrap().next(), 5);
    assert_eq!(acts.read().unwrap().1.len(), 5);
}

#[test]
fn days_are_closed_once_and_settled_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let close = |of: &str, position| Deed::Close { day: day(of), position };
    let settle = |of: &str| Deed::Settle { day: day(of) };
    for (deed, expected) in [
        (settle("2026-05-03"), Some("business day 2026-05-03: it is not closed")),
        (close("2026-05-03", 100), None),
        (close("2026-05-03", 200), Some("business day 2026-05-03: it is closed already")),
        (close("2026-05-04", 50), Some("business day 2026-05-04: a day was closed behind this position")),
        (settle("2026-05-03"), None),
        (settle("2026-05-03"), Some("business day 2026-05-03: it is settled already")),
    ] {
        let done = acts.act(5, "lan", "::1", deed.clone()).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(done.err().as_deref(), expected, "{deed:?}");
    }
}

#[test]
fn a_member_that_has_acknowledged_a_cutover_is_on_the_day_s_sheet() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let bank = key(1).bank.unwrap();
    let acknowledge = || Deed::Acknowledge { bank, day: day("2026-05-03") };
    acts.act(5, "bank 970415", "link", acknowledge()).unwrap();
    let casework = acts.act(9, "bank 970415", "link", acknowledge()).unwrap();
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
    Desk::fold(&casework, &mut book, std::iter::empty::<Result<_, reconciliation::Broken>>()).unwrap();
    assert_eq!(book.sheet(day("2026-05-03")).unwrap().acknowledged, BTreeMap::from([(bank, 5)]));
}

const GOOD: &str = "rrn,terminal,stan,sequence,at,amount,direction,currency,day,count
612300000001,HN000001,1,1,2026-05-03 07:00:00,2000000,D,704,2026-05-03,1
TRAILER,1,2000000
";

fn key(part: u32) -> FileKey {
    FileKey {
        kind: FileKind::Postings,
        bank: Some("970415".parse().unwrap()),
        terminal: None,
        day: day("2026-05-03"),
        part,
    }
}

fn desk(dir: &std::path::Path) -> Desk {
    let calendar = Calendar { utc_offset_minutes: 420, weekends_closed: true, ..Calendar::default() };
    Desk::new(dir, keys(), calendar, DueRules::default())
}

fn take(desk: &Desk, text: &str, part: u32) -> Result<(u64, i64), DeskError> {
    let arrival = Arrival {
        bytes: text.as_bytes(),
        key: key(part),
        layout: None,
        at_ms: 1_777_800_000_000,
        who: "lan",
        from: "::1",
    };
    desk.take(&arrival)
}

fn shown(desk: &Desk, casework: &Casework) -> Vec<String> {
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
    let (matcher, counters) = desk.matched(casework, &mut book, Rules::default()).unwrap();
    let rows = desk.rows(casework, &book, &matcher, &counters).unwrap();
    rows.iter()
        .map(|row| format!("{} due {} {}", row.exception.kind, row.due, row.case.state.name()))
        .collect()
}

#[test]
fn a_file_is_taken_whole_and_once_and_a_refused_one_is_a_case() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    assert_eq!(
        take(&desk, &GOOD.replace("TRAILER,1,", "TRAILER,2,"), 1).unwrap_err().to_string(),
        "control_total_wrong: line 3, count: `2`: there are 1 lines"
    );
    assert!(!dir.path().join(FILES_DIR).exists(), "nothing of a refused file is kept");
    assert_eq!(take(&desk, GOOD, 1).unwrap(), (1, 2_000_000));
    assert!(take(&desk, GOOD, 2).unwrap_err().to_string().starts_with("duplicate_file: "));
    assert!(
        take(&desk, &GOOD.replace("D,", "C,"), 1).unwrap_err().to_string().starts_with("duplicate_file: ")
    );
    let (casework, acts) = desk.acts().read().unwrap();
    assert_eq!((acts.len(), casework.files().count()), (4, 1));
    // 2026-05-03 is a Sunday; what is about a file is due on the next working day, the rest behind 45.
    let expected = [
        "missing_at_switch due 2026-07-03 open",
        "control_total_wrong due 2026-05-04 open",
        "duplicate_file due 2026-05-04 open",
        "duplicate_file due 2026-05-04 open",
    ];
    let mut rows = shown(&desk, &casework);
    rows.sort_by_key(|row| (!row.starts_with("missing"), row.clone()));
    assert_eq!(rows, expected);

    let file = fs::read_dir(dir.path().join(FILES_DIR)).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, GOOD.replace("2000000", "3000000")).unwrap();
    let mut book = Book::new(FeeTable::default(), None);
    assert!(matches!(desk.matched(&casework, &mut book, Rules::default()), Err(DeskError::Changed(_))));
}

#[test]
fn totals_that_a_member_claims_and_that_are_not_ours_are_a_case() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let claim = |value| Deed::Claim {
        bank: key(1).bank.unwrap(),
        day: day("2026-05-03"),
        claimed: BTreeMap::from([(88, value)]),
    };
    let casework = desk.acts().act(5, "lan", "::1", claim(0)).unwrap();
    assert_eq!(shown(&desk, &casework), [] as [&str; 0]);
    let casework = desk.acts().act(5, "lan", "::1", claim(7)).unwrap();
    assert_eq!(shown(&desk, &casework), ["totals_out_of_balance due 2026-05-04 open"]);
}

#[test]
fn what_is_offered_and_how_old_a_case_is() {
    assert_eq!(Resolution::offered(Kind::DebitedNotDispensed), Some(Resolution::Refund));
    assert_eq!(Resolution::offered(Kind::MissingAtBank), None);
    let bands = [0, 1, 2, 10, 30, 31].map(age_band);
    assert_eq!(bands, ["0-1", "0-1", "2-5", "6-10", "11-30", "31+"]);
}
