//! What people may do to cases, files and days, and that what they did is what is read back.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::sync::Arc;

use casework::{
    ACTS_FILE, About, ActFile, Arrival, CaseState, Casework, Days, Deed, Desk, DeskError, DueRules,
    FILES_DIR, HEAD_FILE, Matching, PassedOver, Payment, Resolution, Row, age_band, file_case, payments,
    settlement,
};
use credential::{CitizenNumber, Pan, Pseudonym};
use exchange::{Digest, FileKey, FileKind, InProcess, JOURNAL_COLUMNS, Layout, Mapping, Numbering, Patterns};
use keys::{DataKeys, Key};
use processor::{
    BankIdentity, Body, Carried, Class, Code, Content, Day, Institution, Intent, Kind as Asked, Outcome,
    Record, Request, Reversal, Rrn, TerminalId, TxKey, UtcSeconds,
};
use reconciliation::calendar::Calendar;
use reconciliation::{
    Aspect, Book, CaseId, Decision, Exception, Fee, FeeTable, Held, Kind, LineId, Matcher, Rules,
};

fn keys() -> DataKeys {
    DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]))
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn case() -> CaseId {
    CaseId { of: LineId { file: LineId::LOG, line: 7 }, aspect: Aspect::Machine }
}

fn about(kind: Kind, ours_minor: i64) -> Box<About> {
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
    })
}

fn bank() -> Institution {
    "970415".parse().unwrap()
}

fn propose(amount_minor: i64) -> Deed {
    Deed::Propose {
        case: case(),
        about: about(Kind::DebitedNotDispensed, 2_000_000),
        resolution: Resolution::Refund,
        amount_minor,
        bank: Some(bank()),
        why: "no cash left".into(),
    }
}

fn approve(proposal: u64) -> Deed {
    Deed::Approve { case: case(), proposal }
}

fn reject(proposal: u64) -> Deed {
    Deed::Reject { case: case(), proposal, why: "wrong amount".into() }
}

fn reopen() -> Deed {
    Deed::Reopen { case: case(), why: "a mistake".into() }
}

fn dispute() -> Deed {
    let about = about(Kind::DebitedNotDispensed, 2_000_000);
    Deed::Dispute { case: case(), about, why: "the bank denies it".into() }
}

/// Who does what, and how the case stands then, or why it is refused.
fn walk(acts: &ActFile, rows: Vec<(&str, Deed, Result<CaseState, &str>)>) {
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
}

fn booked(casework: &Casework) -> Vec<i64> {
    casework.booked().iter().map(|booked| booked.proposal.amount_minor).collect()
}

#[test]
fn a_case_goes_its_way_and_its_maker_is_never_its_checker() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    const OWN: &str = "lan has proposed it and cannot check it: somebody else has to";
    let rows = vec![
        ("lan", approve(0), Err("the case is open, and not proposed")),
        ("lan", propose(0), Err("an amount of 0 does not fit what is proposed")),
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("lan", approve(0), Err(OWN)),
        ("lan", reject(0), Err(OWN)),
        ("minh", propose(1), Err("the case is proposed, and not open or disputed")),
        ("minh", reject(0), Ok(CaseState::Open)),
        ("lan", reopen(), Err("the case is open, and not proposed, disputed or resolved")),
        ("lan", dispute(), Ok(CaseState::Disputed)),
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("minh", approve(3), Ok(CaseState::Resolved)),
        (
            "minh",
            Deed::Note { case: case(), text: " ".into() },
            Err("note: 1 to 1000 printable characters are taken"),
        ),
    ];
    walk(&acts, rows);
    let (casework, told) = acts.read().unwrap();
    assert_eq!((told.len(), casework.next()), (5, 5));
    // Each act has how the case stood before and behind it.
    let approved = &told[4];
    assert_eq!(
        (approved.before["state"].as_str(), approved.after["state"].as_str()),
        (Some("proposed"), Some("resolved"))
    );
    assert_eq!(approved.after["proposal"]["checker"], "minh");
    assert_eq!((approved.who.as_str(), approved.from.as_str()), ("minh", "10.0.0.7"));
    assert_eq!(booked(&casework), [2_000_000]);
}

/// A maker could put another proposal under the checker's click: the checker approves what was seen, or nothing.
#[test]
fn a_checker_approves_the_proposal_that_was_seen_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    const OTHER: &str = "another proposal stands there by now: look at it first";
    let rows = vec![
        ("lan", propose(1_000), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Open)),
        ("lan", propose(9_000_000), Ok(CaseState::Proposed)),
        ("minh", approve(0), Err(OTHER)),
        ("minh", reject(0), Err(OTHER)),
        ("minh", approve(2), Ok(CaseState::Resolved)),
    ];
    walk(&ActFile::new(dir.path(), keys()), rows);
}

/// One person could take back what two had booked.
#[test]
fn what_was_booked_is_taken_back_by_two() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let rows = vec![
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("minh", approve(0), Ok(CaseState::Resolved)),
        ("minh", reopen(), Ok(CaseState::Proposed)),
        ("minh", approve(2), Err("minh has proposed it and cannot check it: somebody else has to")),
        ("lan", reject(2), Ok(CaseState::Resolved)),
        ("lan", reopen(), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        ("minh", reopen(), Ok(CaseState::Proposed)),
    ];
    walk(&acts, rows);
    assert_eq!(booked(&acts.read().unwrap().0), [2_000_000], "nothing is taken back by one");
    let casework = acts.act(9, "lan", "::1", approve(6)).unwrap();
    assert_eq!(casework.case(case()).unwrap().state, CaseState::Open);
    // What was approved and undone stands there twice, never not at all.
    assert_eq!(booked(&casework), [2_000_000, -2_000_000]);
    // What accepts books nothing: whoever finds out reopens it.
    let accept = Deed::Propose {
        case: case(),
        about: about(Kind::DebitedNotDispensed, 2_000_000),
        resolution: Resolution::Accept,
        amount_minor: 0,
        bank: None,
        why: "paid by hand".into(),
    };
    let rows = vec![
        ("lan", accept, Ok(CaseState::Proposed)),
        ("minh", approve(8), Ok(CaseState::Resolved)),
        ("lan", reopen(), Ok(CaseState::Open)),
    ];
    walk(&acts, rows);
}

#[test]
fn a_refund_or_an_adjustment_names_a_bank_and_an_undo_is_not_proposed() {
    let dir = tempfile::tempdir().unwrap();
    let opposite = |resolution, bank, acquirer: Option<Institution>| Deed::Propose {
        case: case(),
        about: Box::new(About { acquirer, ..*about(Kind::CashShort, 500_000) }),
        resolution,
        amount_minor: 500_000,
        bank,
        why: "counted".into(),
    };
    let with = |resolution, bank| opposite(resolution, bank, None);
    const NO_BANK: &str = "a refund or an adjustment names the bank that pays or is paid";
    // It stood in the file of one member alone.
    const NOBODY: &str =
        "an adjustment names the acquirer on its other side: the case does not say whose terminal it was";
    let rows = vec![
        ("lan", with(Resolution::Refund, None), Err(NO_BANK)),
        ("lan", with(Resolution::Adjustment, None), Err(NO_BANK)),
        (
            "lan",
            with(Resolution::Undo, Some(bank())),
            Err("what was booked is taken back by reopening its case"),
        ),
        ("lan", with(Resolution::Adjustment, Some(bank())), Err(NOBODY)),
        (
            "lan",
            opposite(Resolution::Adjustment, Some(bank()), ACQUIRER.parse().ok()),
            Ok(CaseState::Proposed),
        ),
        ("lan", reopen(), Ok(CaseState::Open)),
        ("lan", with(Resolution::Refund, Some(bank())), Ok(CaseState::Proposed)),
    ];
    walk(&ActFile::new(dir.path(), keys()), rows);
}

/// A case that was resolved hid whatever was found in its place later, and one that was booked and found no more could not be reached.
#[test]
fn what_was_resolved_hides_no_other_exception_and_what_was_booked_stays_in_sight() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let acts = desk.acts();
    assert_eq!(take(&desk, GOOD, 1).unwrap(), (1, 2_000_000));
    let casework = acts.read().unwrap().0;
    let exception = rows(&desk, &casework).remove(0).exception;
    let id = exception.case;
    let propose = |exception: &Exception, amount_minor| Deed::Propose {
        case: id,
        about: Box::new(About { acquirer: ACQUIRER.parse().ok(), ..About::of(exception) }),
        resolution: Resolution::Adjustment,
        amount_minor,
        bank: Some(bank()),
        why: "the bank is right".into(),
    };
    acts.act(5, "lan", "::1", propose(&exception, exception.adjustment_minor())).unwrap();
    let casework = acts.act(6, "minh", "::1", Deed::Approve { case: id, proposal: 1 }).unwrap();
    let row = rows(&desk, &casework).remove(0);
    assert_eq!((row.is_open(), row.is_gone, row.state()), (false, false, CaseState::Resolved));
    assert!(acts.act(7, "lan", "::1", propose(&exception, 5)).is_err(), "the same one is resolved");

    // Another in the same place: the case that was resolved was of other amounts.
    let other = Exception { theirs_minor: 3_000_000, ..exception.clone() };
    let casework = acts.act(7, "lan", "::1", propose(&other, 1_000_000)).unwrap();
    let row = rows(&desk, &casework).remove(0);
    assert_eq!((row.is_open(), row.is_another(), row.state()), (true, true, CaseState::Proposed));
    let casework = acts.act(8, "minh", "::1", Deed::Approve { case: id, proposal: 3 }).unwrap();
    let row = rows(&desk, &casework).remove(0);
    assert_eq!((row.is_open(), row.state()), (true, CaseState::Open), "what is shown was not resolved last");
    assert_eq!(booked(&casework), [2_000_000, 1_000_000]);

    // No side shows it: without any file the line is not there.
    let bare = Desk::new(dir.path(), keys(), calendar(), DueRules::default(), Arc::new(InProcess));
    let empty = Matching::new(Rules::default());
    let book = Book::new(FeeTable::default(), None);
    let row = bare.rows(&casework, &book, &empty).unwrap().remove(0);
    assert_eq!((row.exception.case, row.is_gone, row.is_open()), (id, true, true));
    assert_eq!(row.exception.bank, Some(bank()));
    let casework =
        acts.act(9, "lan", "::1", Deed::Reopen { case: id, why: "both were wrong".into() }).unwrap();
    assert_eq!(casework.case(id).unwrap().proposal.as_ref().unwrap().amount_minor, -3_000_000);
    let casework = acts.act(9, "minh", "::1", Deed::Approve { case: id, proposal: 5 }).unwrap();
    assert_eq!(booked(&casework), [2_000_000, 1_000_000, -2_000_000, -1_000_000]);
    assert!(bare.rows(&casework, &book, &empty).unwrap().is_empty(), "nothing hangs on it any more");
}

/// A correction was booked, then the bank's late part or a late reversal made the same good: both stood, and nothing was open.
#[test]
fn what_is_booked_of_an_exception_that_is_gone_is_open_until_it_is_taken_back_or_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let acts = desk.acts();
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    (1..=2).for_each(|number| told(&mut book, 10 * number, of));
    let posted = |position: u64| GOOD.replace("612300000001", &format!("6123{position:08}"));
    let look = || {
        let casework = acts.read().unwrap().0;
        let matching = desk.matched(&casework, &mut book.clone(), Rules::default(), NOW_S).unwrap();
        desk.rows(&casework, &book, &matching).unwrap()
    };
    let act = |who: &str, deed: Deed| acts.act(5, who, "::1", deed).map(|casework| casework.next() - 1);
    let propose = |row: &Row, resolution, amount_minor| Deed::Propose {
        case: row.exception.case,
        about: Box::new(row.about()),
        resolution,
        amount_minor,
        bank: row.exception.bank,
        why: "as it is".into(),
    };
    let stands = |row: &Row| (row.is_gone, row.is_open(), row.state());
    take_as(&desk, &posted(10), key(1), 1).unwrap();
    let row = look().remove(0);
    assert_eq!(row.exception.kind, Kind::MissingAtBank);
    let case = row.exception.case;
    let proposal =
        act("lan", propose(&row, Resolution::Adjustment, row.exception.adjustment_minor())).unwrap();
    act("minh", Deed::Approve { case, proposal }).unwrap();
    assert_eq!(stands(&look()[0]), (false, false, CaseState::Resolved));

    take_as(&desk, &posted(20), key(2), 1).unwrap();
    let row = look().remove(0);
    assert_eq!(stands(&row), (true, true, CaseState::Open));
    // Accepted as it is by two; a refusal leaves it open.
    let proposal = act("lan", propose(&row, Resolution::Accept, 0)).unwrap();
    assert_eq!(stands(&look()[0]), (true, true, CaseState::Proposed));
    act("minh", Deed::Reject { case, proposal, why: "twice".into() }).unwrap();
    assert_eq!(stands(&look()[0]), (true, true, CaseState::Open));
    let proposal = act("lan", propose(&row, Resolution::Accept, 0)).unwrap();
    act("minh", Deed::Approve { case, proposal }).unwrap();
    assert_eq!(stands(&look()[0]), (true, false, CaseState::Resolved));
    assert!(act("lan", propose(&row, Resolution::Accept, 0)).is_err(), "it is accepted already");
    // What was accepted can still be taken back, by two.
    let proposal = act("lan", Deed::Reopen { case, why: "twice".into() }).unwrap();
    let casework = acts.act(6, "minh", "::1", Deed::Approve { case, proposal }).unwrap();
    assert_eq!(booked(&casework), [-2_000_000, 2_000_000]);
    assert!(look().is_empty(), "nothing hangs on it any more");
}

/// After 62 business days each booked refund and adjustment was open again, and the page said to take it back: it was booked twice.
#[test]
fn what_was_booked_in_a_day_that_is_let_go_is_done_and_only_what_waits_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let acts = desk.acts();
    let first = day(FIRST);
    let mut book = Book::new(FeeTable::default(), Some(first)).holding(Held { days: 2, ..Held::default() });
    (1..=4).for_each(|number| told_at(&mut book, 10 * number, first, ACQUIRER.parse().unwrap()));
    take_as(&desk, &GOOD.replace("612300000001", "612300000040"), key(1), 1).unwrap();
    let look = |book: &Book| {
        let casework = acts.read().unwrap().0;
        let matching = desk.matched(&casework, &mut book.clone(), Rules::default(), NOW_S).unwrap();
        desk.rows(&casework, book, &matching).unwrap()
    };
    let act = |who: &str, deed: Deed| acts.act(5, who, "::1", deed).unwrap().next() - 1;
    let [booked_row, proposed, disputed] = look(&book).try_into().unwrap();
    let adjust = |row: &Row| Deed::Propose {
        case: row.exception.case,
        about: Box::new(row.about()),
        resolution: Resolution::Adjustment,
        amount_minor: row.natural_minor(Resolution::Adjustment),
        bank: row.exception.bank,
        why: "nothing was posted".into(),
    };
    let case = |row: &Row| row.exception.case;
    let proposal = act("lan", adjust(&booked_row));
    act("minh", Deed::Approve { case: case(&booked_row), proposal });
    act("lan", adjust(&proposed));
    let about = Box::new(disputed.about());
    act("lan", Deed::Dispute { case: case(&disputed), about, why: "the bank denies it".into() });
    let listed = |book: &Book| {
        let shown = |row: Row| (case(&row), row.is_let_go, row.stands_alone(), row.state());
        look(book).into_iter().map(shown).collect::<Vec<_>>()
    };
    let waiting = |is_let_go| {
        let states = [(&proposed, CaseState::Proposed), (&disputed, CaseState::Disputed)];
        states.map(|(row, state)| (case(row), is_let_go, false, state))
    };
    let held = listed(&book);
    assert_eq!(
        (held[0], &held[1..]),
        ((case(&booked_row), false, false, CaseState::Resolved), &waiting(false)[..])
    );
    for (position, to) in [(100, SECOND), (101, "2026-05-05"), (102, "2026-05-06")] {
        cut_over(&mut book, position, day(to));
    }
    assert_eq!(book.held_from(), Some(day("2026-05-05")));
    assert_eq!(listed(&book), waiting(true));
    assert_eq!(booked(&acts.read().unwrap().0), [-2_000_000]);
}

/// A refund's amount was left standing when the resolution was changed: the bank would have owed twice the difference instead of none of it.
#[test]
fn an_adjustment_that_goes_the_other_way_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let of = |ours_minor, theirs_minor, terminal: Option<TerminalId>, is_gone| {
        let acquirer = ACQUIRER.parse().ok();
        let about = *about(Kind::DebitedNotDispensed, ours_minor);
        About { theirs_minor, terminal, acquirer, is_gone, ..about }
    };
    let terminal = Some(TerminalId(*b"HN000001"));
    let propose = |about: About, amount_minor| Deed::Propose {
        case: case(),
        about: Box::new(about),
        resolution: Resolution::Adjustment,
        amount_minor,
        bank: Some(bank()),
        why: "no cash left".into(),
    };
    let over = |amount_minor, open_minor, ends: &str| {
        format!("an adjustment of {amount_minor} goes the other way than what is open, {open_minor}: {ends}")
    };
    let (more, less) = ("the member would owe more", "the member would owe less");
    let no_cash = || of(2_050_000, 0, terminal, false);
    let rows = vec![
        ("lan", propose(no_cash(), 2_050_000), Err(over(2_050_000, -2_050_000, more))),
        ("lan", propose(of(0, 500_000, terminal, false), -1), Err(over(-1, 500_000, less))),
        ("lan", propose(no_cash(), -2_050_000), Ok(CaseState::Proposed)),
        ("minh", approve(0), Ok(CaseState::Resolved)),
        // A part was dispensed after all: what is booked already counts.
        ("lan", propose(of(2_050_000, 50_000, terminal, false), -10), Err(over(-10, 50_000, less))),
        ("lan", propose(of(2_050_000, 50_000, terminal, false), 50_000), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        // Nobody knows who owes: of what has no end, of totals, and of what is gone.
        ("lan", propose(About { kind: Kind::Suspense, ..no_cash() }, 5), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        ("lan", propose(of(0, 7, None, false), -7), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        ("lan", propose(of(0, 7, terminal, true), -7), Ok(CaseState::Proposed)),
    ];
    let rows = rows.iter().map(|(who, deed, expected)| {
        (*who, deed.clone(), expected.as_ref().copied().map_err(String::as_str))
    });
    walk(&acts, rows.collect());
}

#[test]
fn a_line_is_laid_to_a_transaction_and_parted_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    take(&desk, GOOD, 1).unwrap();
    let (line, ours) =
        (LineId { file: Digest::of(GOOD.as_bytes()).file(), line: 2 }, LineId { file: LineId::LOG, line: 7 });
    let act = |deed| desk.acts().act(5, "lan", "::1", deed).map(|_| ()).map_err(|error| error.to_string());
    const NO_PAIR: &str = "by hand: a line of a taken file and a transaction of the log are named";
    const SAID: &str = "by hand: it was said already";
    let nowhere = LineId { file: 77, line: 2 };
    for (deed, expected) in [
        (Deed::Match { line: nowhere, ours }, Some(NO_PAIR)),
        (Deed::Match { line: ours, ours: line }, Some(NO_PAIR)),
        (Deed::Match { line, ours }, None),
        (Deed::Match { line, ours }, Some(SAID)),
        (Deed::Part { line, ours }, None),
        (Deed::Part { line, ours }, Some(SAID)),
        (Deed::Match { line, ours }, None),
    ] {
        assert_eq!(act(deed.clone()).err().as_deref(), expected, "{deed:?}");
    }
    let casework = desk.acts().read().unwrap().0;
    let decisions: Vec<bool> =
        casework.decisions().iter().map(|one| matches!(one, Decision::Match { .. })).collect();
    assert_eq!(decisions, [true, false, true]);
    // What is not here is not laid.
    let matcher = Matcher::new(Rules::default());
    let by_hand = desk.by_hand(&matcher, Decision::Match { line, ours }, 5, "lan", "::1");
    assert_eq!(by_hand.unwrap_err().to_string(), "no file that is here has this line");
}

#[test]
fn acts_are_chained_by_the_newest_k_log_and_by_no_older_one_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let under = |generations: &[u8]| {
        let log = generations.iter().map(|it| (*it, Key::new([2 + *it; 32])));
        ActFile::new(dir.path(), keys().with_chains(&log.collect()).unwrap())
    };
    let act = |generations: &[u8], who: &str, deed| under(generations).act(5, who, "::1", deed).unwrap();
    act(&[1], "lan", propose(2_000_000));
    act(&[1, 2], "minh", reject(0));
    assert_eq!(under(&[1, 2]).read().unwrap().1.len(), 2);
    let lost = under(&[1]).read().unwrap_err().to_string();
    assert!(lost.contains(":2: does not follow"), "{lost}");

    let text = fs::read_to_string(dir.path().join(ACTS_FILE)).unwrap();
    let link = |line: &str| Key::from_hex(line.rsplit_once('\t').unwrap().1).unwrap();
    let (body, _) = text.lines().next_back().unwrap().rsplit_once('\t').unwrap();
    let third = body.replacen("\"number\":1", "\"number\":2", 1);
    let chained = [b"atm-switch casework 1\0", third.as_bytes()].concat();
    let before = *link(text.lines().next_back().unwrap()).bytes();
    let forged = keys().chain(&before, &chained).map(|byte| format!("{byte:02x}")).concat();
    fs::write(dir.path().join(ACTS_FILE), format!("{text}{third}\t{forged}\n")).unwrap();
    let refused = under(&[1, 2]).read().unwrap_err().to_string();
    assert!(refused.contains(":3: does not follow"), "by the old key: {refused}");
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
        let acts = ActFile::new(dir.path(), keys());
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

/// Every page of the console read and checked the whole file again.
#[test]
fn acts_are_read_and_checked_once_and_again_where_the_file_is_not_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(ACTS_FILE);
    // The one goes on, as the console does; the other is another process.
    let (acts, other) = (ActFile::new(dir.path(), keys()), ActFile::new(dir.path(), keys()));
    let assign = |acts: &ActFile| {
        acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner: None }).map(|casework| casework.next())
    };
    let checked = |reads: &dyn Fn()| {
        let before = acts.work();
        reads();
        let after = acts.work();
        (after.lines_checked - before.lines_checked, after.bytes_read - before.bytes_read)
    };
    let read = || assert_eq!(acts.read().unwrap().1.len() as u64, acts.read().unwrap().0.next());
    (1..=100).for_each(|number| assert_eq!(assign(&other).unwrap(), number));
    let bytes = || fs::metadata(&path).unwrap().len();
    let line_bytes = |text: String, line: usize| text.split_inclusive('\n').nth(line).unwrap().len() as u64;
    assert_eq!(checked(&read), (100, bytes()));
    assert_eq!(checked(&read), (0, 0));
    assert_eq!(assign(&other).unwrap(), 101);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(checked(&read), (1, line_bytes(text.clone(), 99) + line_bytes(text, 100)));
    // What it does itself is known to it.
    assert_eq!(checked(&|| assert_eq!(assign(&acts).unwrap(), 102)), (0, 0));
    assert_eq!(checked(&read), (0, 0));
    assert_eq!(acts.read().unwrap().1.len(), 102);

    // Another file in its place, with the same lines.
    let copy = dir.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    assert_eq!(checked(&read), (102, bytes()));
    // Written to without growing.
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good).unwrap();
    assert_eq!(checked(&read), (102, bytes()));
    // Its last line is another, and more behind it.
    let mut changed = good.clone();
    *changed.iter_mut().rev().find(|byte| **byte == b'f').unwrap() = b'e';
    changed.extend_from_slice(b"x\n");
    fs::write(&path, &changed).unwrap();
    let bad = || acts.read().unwrap_err().to_string();
    let (lines, bytes_read) = checked(&|| {
        assert!(bad().ends_with(":102: does not follow from the line before it: it was changed"))
    });
    assert_eq!((lines, bytes_read > good.len() as u64), (102, true));
    // Put back, it goes on from where it was good; cut, what is gone is missed.
    fs::write(&path, &good).unwrap();
    assert_eq!((checked(&read).0, acts.read().unwrap().1.len()), (1, 102));
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(bad().ends_with("is gone, and what came behind it: the head tells of more acts"), "{}", bad());
    fs::remove_file(&path).unwrap();
    assert!(
        bad().ends_with(":1: is gone, and what came behind it: the head tells of more acts"),
        "{}",
        bad()
    );
}

/// Lines cut from the end were not missed.
#[test]
fn acts_that_were_cut_from_the_end_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let assign = |number: u64| Deed::Assign { case: case(), owner: Some(format!("clerk {number}")) };
    for number in 0..4 {
        acts.act(5, "lan", "::1", assign(number)).unwrap();
    }
    let (path, head) = (dir.path().join(ACTS_FILE), dir.path().join(HEAD_FILE));
    let (good, told) = (fs::read_to_string(&path).unwrap(), fs::read_to_string(&head).unwrap());
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let cut = lines[..3].concat();
    const GONE: &str = ":4: is gone, and what came behind it: the head tells of more acts";
    for (name, text, head_text, expected) in [
        ("the last", cut.clone(), Some(told.clone()), GONE),
        ("its head too", cut.clone(), None, ":3: has no head beside it: it may be cut"),
        (
            "a head that was written by hand",
            cut,
            Some("3\t00\n".to_owned()),
            ":3: is not the line that the head was written behind",
        ),
        ("no head", good.clone(), Some("x\n".to_owned()), ":4: has a head that is none"),
    ] {
        fs::write(&path, text).unwrap();
        match head_text {
            Some(text) => fs::write(&head, text).unwrap(),
            None => fs::remove_file(&head).unwrap(),
        }
        let error = acts.read().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{name}: {error}");
        assert!(acts.act(9, "lan", "::1", assign(9)).is_err(), "{name}");
    }
    // A crash came behind the act and before its head.
    fs::write(&path, &good).unwrap();
    fs::write(&head, &told).unwrap();
    acts.act(6, "lan", "::1", assign(4)).unwrap();
    fs::write(&head, &told).unwrap();
    assert_eq!(acts.read().unwrap().1.len(), 5);
    assert_eq!(acts.act(7, "lan", "::1", assign(5)).unwrap().next(), 6);
}

/// An act was told as not recorded when its head could not be written, though it stood there; two of them on a new installation, and all was refused.
#[test]
fn an_act_whose_head_cannot_be_written_stands_and_the_next_one_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let assign = |number: u64| {
        let owner = Some(format!("clerk {number}"));
        acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner }).map(|casework| casework.next())
    };
    let head = || fs::read_to_string(dir.path().join(HEAD_FILE)).unwrap();
    // Where the head's part would be written stands a directory.
    let in_the_way = dir.path().join("casework.part");
    fs::create_dir(&in_the_way).unwrap();
    assert!(assign(0).is_err() && assign(0).is_err());
    assert_eq!(acts.read().unwrap().1.len(), 0, "what was told as not recorded is not");
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(assign(0).unwrap(), 1);
    let of_one = head();
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!((assign(1).unwrap(), assign(2).unwrap()), (2, 3));
    assert_eq!((acts.read().unwrap().1.len(), head()), (3, of_one));
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(assign(3).unwrap(), 4);
    assert!(head().starts_with("4\t"), "{}", head());
    // A head of none is as good as any: what follows from it is taken, and it is not written by hand.
    let other = tempfile::tempdir().unwrap();
    let acts = ActFile::new(other.path(), keys());
    acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner: None }).unwrap();
    fs::write(other.path().join(HEAD_FILE), "0\t00\n").unwrap();
    let error = acts.read().unwrap_err().to_string();
    assert!(error.ends_with(":0: is not the line that the head was written behind"), "{error}");
}

#[test]
fn days_are_closed_once_and_settled_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let close = |of: &str, position| Deed::Close { day: day(of), position, fees: Box::default() };
    let settle = |of: &str| Deed::Settle { day: day(of) };
    for (deed, expected) in [
        (settle("2026-05-03"), Some("business day 2026-05-03: it is not closed")),
        (close("2026-05-03", 100), None),
        (close("2026-05-03", 200), Some("business day 2026-05-03: it is closed already")),
        (close("2026-05-04", 50), Some("business day 2026-05-04: a day was closed behind this position")),
        (close("2026-05-02", 200), Some("business day 2026-05-02: a later day is closed already")),
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
    let book = read(&casework, Book::new(FeeTable::default(), Some(day("2026-05-03"))), Vec::new());
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
    Desk::new(dir, keys(), calendar(), DueRules::default(), Arc::new(InProcess))
}

fn calendar() -> Calendar {
    Calendar { utc_offset_minutes: 420, weekends_closed: true, ..Calendar::default() }
}

const NOW_S: i64 = 1_777_900_000;

fn take(desk: &Desk, text: &str, part: u32) -> Result<(u64, i64), DeskError> {
    take_as(desk, text, key(part), 1)
}

fn take_as(desk: &Desk, text: &str, key: FileKey, parts: u32) -> Result<(u64, i64), DeskError> {
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

fn rows(desk: &Desk, casework: &Casework) -> Vec<Row> {
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
    let matching = desk.matched(casework, &mut book, Rules::default(), NOW_S).unwrap();
    desk.rows(casework, &book, &matching).unwrap()
}

fn shown(desk: &Desk, casework: &Casework) -> Vec<String> {
    rows(desk, casework)
        .iter()
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
    let changed = desk.matched(&casework, &mut book, Rules::default(), NOW_S).err();
    assert!(matches!(changed, Some(DeskError::Changed(_))), "{changed:?}");
}

/// Lines of a file whose lines end with CR LF were counted otherwise once: what people have said of one must not move to its neighbour.
#[test]
fn a_taken_file_keeps_how_its_lines_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let (before, new) =
        (GOOD.replace('\n', "\r\n"), GOOD.replace("2000000", "3000000").replace('\n', "\r\n"));
    let digest = Digest::of(before.as_bytes());
    take_as(&desk, &new, key(2), 2).unwrap();
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &before).unwrap();
    let taken = r#"{"digest":DIGEST,"key":KEY,"layout":null,"count":1,"sum_minor":2000000,"parts":2}"#;
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap();
    let taken = taken.replace("DIGEST", &json(&|| serde_json::to_string(&digest)));
    let taken = format!(r#"{{"take":{}}}"#, taken.replace("KEY", &json(&|| serde_json::to_string(&key(1)))));
    desk.acts().act(1, "lan", "::1", serde_json::from_str(&taken).unwrap()).unwrap();
    let lines = || {
        let casework = desk.acts().read().unwrap().0;
        let rows = rows(&desk, &casework);
        let lines = rows.iter().map(|row| (row.exception.theirs_minor, row.exception.case.of.line));
        lines.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(lines(), [(2_000_000, 1), (3_000_000, 2)].into());
    // Also where it is taken back, and taken again.
    let deed = Deed::TakeBack { digest, key: key(1), why: "wrong part".into() };
    let proposal = desk.acts().act(2, "lan", "::1", deed).unwrap().next() - 1;
    let deed = Deed::ApproveTakeBack { digest, key: key(1), proposal };
    desk.acts().act(3, "minh", "::1", deed).unwrap();
    assert_eq!(lines(), [(3_000_000, 2)].into());
    take_as(&desk, &before, key(1), 2).unwrap();
    assert_eq!(lines(), [(2_000_000, 1), (3_000_000, 2)].into());
}

/// Two banks had one case for refused files of the same bytes, and one bank had one for two days: the older one was not shown, and one that was accepted stood for both.
#[test]
fn refused_files_of_the_same_bytes_have_a_case_for_each_bank_and_day() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    // Headings alone: without a trailer it may have been cut.
    let cut = GOOD.lines().next().unwrap().to_owned() + "\n";
    let digest = Digest::of(cut.as_bytes());
    let other = FileKey { bank: ACQUIRER.parse().ok(), ..key(1) };
    let next = FileKey { day: day(SECOND), ..key(1) };
    for handed_in in [key(1), FileKey { part: 2, ..key(1) }, other, next] {
        take_as(&desk, &cut, handed_in, 2).unwrap_err();
    }
    let open = || {
        let rows = rows(&desk, &desk.acts().read().unwrap().0);
        let is_open = |row: &&Row| row.is_open();
        let mut cases: Vec<CaseId> = rows.iter().filter(is_open).map(|row| row.exception.case).collect();
        cases.sort_unstable();
        cases
    };
    let sorted = |keys: &[FileKey]| {
        let mut cases: Vec<CaseId> = keys.iter().map(|key| file_case(digest, *key)).collect();
        cases.sort_unstable();
        cases
    };
    assert_eq!(open(), sorted(&[key(1), other, next]));
    // What an earlier version has written is of the newest refusal, which is what it showed.
    let case = CaseId { of: LineId { file: digest.file(), line: 0 }, aspect: Aspect::Bank };
    let about = Box::new(About { ours_minor: 0, ..*about(Kind::ControlTotalWrong, 0) });
    let (resolution, bank, why) = (Resolution::Accept, None, "its own".to_owned());
    let deed = Deed::Propose { case, about, resolution, amount_minor: 0, bank, why };
    let proposal = desk.acts().act(1, "lan", "::1", deed).unwrap().next() - 1;
    let stood = desk.acts().read().unwrap().0;
    assert_eq!(stood.case(file_case(digest, next)).unwrap().state, CaseState::Proposed);
    assert!(stood.case(case).is_none() && stood.case(file_case(digest, other)).is_none());
    let approve = Deed::Approve { case: file_case(digest, next), proposal };
    desk.acts().act(2, "minh", "::1", approve).unwrap();
    assert_eq!(open(), sorted(&[key(1), other]));
    // A layout that wants no trailer takes it: of a file without lines one place's refusal is made good.
    let layout = Layout::Postings(Mapping { control: None, ..Mapping::normal() });
    let (bytes, layout) = (cut.as_bytes(), Some(&layout));
    let arrival = Arrival { bytes, key: key(1), layout, parts: 1, at_ms: 3, who: "lan", from: "::1" };
    assert_eq!(desk.take(&arrival).unwrap(), (0, 0));
    assert_eq!(open(), sorted(&[other]));
}

/// Two banks without a line have files of the same bytes, and so has one bank on two days: the second was refused as a duplicate.
#[test]
fn a_file_without_lines_is_taken_from_each_bank_and_for_each_day() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let empty = GOOD.lines().next().unwrap().to_owned() + "\nTRAILER,0,0\n";
    let other: Institution = "970418".parse().unwrap();
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    for (position, mut record) in uses(11, day(FIRST), bank()) {
        if let Body::Intent(intent) = &mut record.body {
            intent.bank = other;
        }
        book.apply(position, &record).unwrap();
    }
    for key in [key(1), FileKey { bank: Some(other), ..key(1) }, FileKey { day: day(SECOND), ..key(1) }] {
        assert_eq!(take_as(&desk, &empty, key, 1).unwrap(), (0, 0), "{key:?}");
        let again = take_as(&desk, &empty, key, 1).unwrap_err().to_string();
        assert!(again.starts_with("duplicate_file: "), "{again}");
    }
    let casework = desk.acts().read().unwrap().0;
    assert_eq!(casework.files().count(), 3);
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    let missing = matching.matcher.exceptions().into_iter().map(|one| (one.kind, one.bank));
    let of = |bank| (Kind::MissingAtBank, Some(bank));
    assert_eq!(missing.collect::<Vec<_>>(), [of(bank()), of(other)], "both have said that there is nothing");
}

/// One transaction of the log, of a terminal and day, completed.
fn told(book: &mut Book, position: u64, of: Day) {
    told_at(book, position, of, bank());
}

/// The same at a terminal of this acquirer.
fn told_at(book: &mut Book, position: u64, of: Day, acquirer: Institution) {
    for (position, record) in uses(position, of, acquirer) {
        book.apply(position, &record).unwrap();
    }
}

fn uses(position: u64, of: Day, acquirer: Institution) -> Vec<(u64, Record)> {
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

fn cut_over(book: &mut Book, position: u64, to: Day) {
    book.apply(position, &cutover(to)).unwrap();
}

fn cutover(to: Day) -> Record {
    let body = Body::Cutover(to);
    Record { at_ms: to.begins_ms(), transaction: None, suspense: None, spend: None, body }
}

const FIRST: &str = "2026-05-03";
const SECOND: &str = "2026-05-04";
const ACQUIRER: &str = "970418";

fn fee(fixed_minor: i64) -> FeeTable {
    FeeTable::new(vec![Fee { bank: None, asked: Asked::Withdrawal, fixed_minor, basis_points: 0 }]).unwrap()
}

/// Two days of two members: a citizen at the other's terminal and one at the own one's in the first, one at the other's in the second.
fn two_days() -> Vec<(u64, Record)> {
    let other = ACQUIRER.parse().unwrap();
    let mut records = uses(1, day(FIRST), other);
    records.extend(uses(11, day(FIRST), bank()));
    records.push((20, cutover(day(SECOND))));
    records.extend(uses(21, day(SECOND), other));
    records.push((30, cutover(day("2026-05-05"))));
    records
}

fn read(casework: &Casework, book: Book, records: Vec<(u64, Record)>) -> Book {
    let mut days = Days::new(book);
    assert!(read_on(&mut days, casework, &records));
    assert_eq!(days.broken(), 0);
    days.book().clone()
}

/// Whether all of the records was read that was not read before.
fn read_on(days: &mut Days, casework: &Casework, records: &[(u64, Record)]) -> bool {
    let from = |from| records.iter().filter(move |(at, _)| *at >= from).cloned().map(Ok::<_, Infallible>);
    days.read_on(casework, from, |_, _| true).unwrap()
}

/// The book of the two days as people have closed them, whatever fees are in force today.
fn folded(casework: &Casework, fees: FeeTable) -> Book {
    read(casework, Book::new(fees, Some(day(FIRST))), two_days())
}

/// What a member owes for a day by its file, and how many of its lines are details and adjustments.
fn file_of(casework: &Casework, book: &Book, member: &str, of: &str) -> (i64, usize, usize) {
    let (made, _) = settlement(casework, book, "switch", 704, day(of), member.parse().unwrap()).unwrap();
    (made.net_minor(), made.details.len(), made.adjustments.len())
}

/// A close that came to be known behind its place was laid in by the console alone: the counter of members' totals knew none.
#[test]
fn a_close_comes_to_the_same_whenever_it_comes_to_be_known() {
    // A third use of the first day is approved in the second, behind its close or before it.
    let [begun, approved, _] = <[_; 3]>::try_from(uses(15, day(FIRST), ACQUIRER.parse().unwrap())).unwrap();
    let mut records = two_days();
    records.extend([begun, (25, approved.1)]);
    records.sort_by_key(|(position, _)| *position);
    let unread = || Book::new(fee(1_000), Some(day(FIRST)));
    for (name, position, fees, begun) in [
        ("nothing was counted since", 26, fee(1_000), 1),
        ("something was counted since", 24, fee(1_000), 2),
        ("the close fixed other fees", 26, fee(7), 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let acts = ActFile::new(dir.path(), keys());
        let mut days = Days::new(unread());
        assert!(read_on(&mut days, &acts.read().unwrap().0, &records));
        let close = Deed::Close { day: day(FIRST), position, fees: Box::new(fees) };
        let casework = acts.act(5, "minh", "::1", close).unwrap();
        let at_once: Vec<_> = read(&casework, unread(), records.clone()).sheets().cloned().collect();
        let late = position <= 25;
        assert_eq!(at_once[1].adjustments.len(), usize::from(late), "{name}");
        for _ in 0..2 {
            assert!(read_on(&mut days, &casework, &records));
            assert_eq!(days.book().sheets().cloned().collect::<Vec<_>>(), at_once, "{name}");
            assert_eq!(days.times_begun(), begun, "{name}");
        }
        // Acts that were put back to what they were before: the close is none.
        assert!(read_on(&mut days, &Casework::default(), &records));
        assert!(days.book().sheets().all(|sheet| sheet.closed.is_none()), "{name}");
    }
}

/// A bank that is an acquirer alone had a file of nothing, and no file netted to a position.
#[test]
fn a_member_s_file_has_both_its_sides_and_all_files_come_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let adjusted = Deed::Propose {
        case: case(),
        about: Box::new(About { acquirer: ACQUIRER.parse().ok(), ..*about(Kind::PartDispensed, 2_000_000) }),
        resolution: Resolution::Adjustment,
        amount_minor: -500_000,
        bank: Some(bank()),
        why: "a part left".into(),
    };
    acts.act(1, "lan", "::1", adjusted).unwrap();
    let casework = acts.act(2, "minh", "::1", approve(0)).unwrap();
    let open = payments(&casework, &folded(&casework, fee(1_000)));
    assert_eq!(
        open[&day(FIRST)][&bank()].adjusted_minor,
        -500_000,
        "the oldest day that is not closed will have it"
    );
    let close = casework.close(&folded(&casework, fee(1_000)), day(FIRST), fee(1_000)).unwrap();
    let casework = acts.act(3, "minh", "::1", close).unwrap();
    let book = folded(&casework, fee(1_000));
    // Its own citizen at its own terminal stands in both its sides, and comes to nothing.
    assert_eq!(file_of(&casework, &book, "970415", FIRST), (2_001_000 - 500_000, 3, 1));
    assert_eq!(file_of(&casework, &book, ACQUIRER, FIRST), (-2_001_000 + 500_000, 1, 1));
    // Pages and commands told the position alone, and the file another net.
    let paid = |of: &str| payments(&casework, &book).remove(&day(of)).unwrap();
    let nets: Vec<_> =
        paid(FIRST).into_iter().map(|(member, paid)| (member.to_string(), paid.net_minor())).collect();
    assert_eq!(nets, [("970415".to_owned(), 1_501_000), (ACQUIRER.to_owned(), -1_501_000)]);
    assert_eq!(paid(FIRST)[&bank()], Payment { position_minor: 2_001_000, adjusted_minor: -500_000 });
    assert!(paid(SECOND).values().all(|paid| paid.adjusted_minor == 0), "it is in one file alone");
    let early = settlement(&casework, &book, "switch", 704, day(SECOND), bank()).unwrap_err();
    assert_eq!(early.to_string(), "business day 2026-05-04: it is not closed, and may still change");
}

/// A closed day followed the fees of today.
#[test]
fn a_closed_day_keeps_the_fees_that_were_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let casework = acts.read().unwrap().0;
    let close = casework.close(&folded(&casework, fee(1_000)), day(FIRST), fee(1_000)).unwrap();
    let casework = acts.act(3, "minh", "::1", close).unwrap();
    let fees = |book: &Book, of: &str| book.sheet(day(of)).unwrap().members[&bank()].element(85);
    for (today, first, second) in [(1_000, 2_000, 1_000), (7_000, 2_000, 7_000), (0, 2_000, 0)] {
        let book = folded(&casework, fee(today));
        assert_eq!((fees(&book, FIRST), fees(&book, SECOND)), (first, second), "{today}");
    }
}

/// A day could be closed in front of an earlier one, and what was booked went by clocks into two files, or none.
#[test]
fn days_are_closed_in_their_order_and_what_is_booked_goes_into_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let book = |casework: &Casework| folded(casework, FeeTable::default());
    let close = |at_ms, of: &str| {
        let casework = acts.read().unwrap().0;
        let deed = casework
            .close(&book(&casework), day(of), FeeTable::default())
            .map_err(|error| error.to_string())?;
        acts.act(at_ms, "minh", "::1", deed).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |of: &str, reason: &str| Err(format!("business day {of}: {reason}"));
    assert_eq!(close(1, SECOND), refused(SECOND, "an earlier day is not closed"));
    assert_eq!(close(1, "2026-05-05"), refused("2026-05-05", "it is open; cut over first"));
    assert_eq!(close(1, "2026-06-01"), refused("2026-06-01", "the log does not know it"));
    // The clock is put back between: acts go by their numbers.
    assert_eq!(close(9_000, FIRST), Ok(()));
    acts.act(5, "lan", "::1", propose(2_000_000)).unwrap();
    acts.act(6, "minh", "::1", approve(1)).unwrap();
    assert_eq!(close(7, SECOND), Ok(()));
    let casework = acts.read().unwrap().0;
    let book = book(&casework);
    assert_eq!(file_of(&casework, &book, "970415", FIRST).2, 0);
    assert_eq!(file_of(&casework, &book, "970415", SECOND).2, 1);
    assert_eq!(casework.settles_in(9), None, "what is booked now is of no closed day");
}

/// A file in a wrong place stood there for ever: its bank's own was refused, and it too in its own place.
#[test]
fn a_file_in_a_wrong_place_is_taken_back_by_two_and_taken_for_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let other = FileKey { bank: ACQUIRER.parse().ok(), ..key(1) };
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    let mut matching = Matching::new(Rules::default());
    let mut kinds = || {
        let casework = desk.acts().read().unwrap().0;
        desk.match_on(&casework, &mut book, &mut matching, NOW_S).unwrap();
        let rows = desk.rows(&casework, &book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    let digest = Digest::of(GOOD.as_bytes());
    let act = |who: &str, deed: Deed| {
        desk.acts().act(5, who, "::1", deed).map(|_| ()).map_err(|error| error.to_string())
    };
    let why = || "it is the other bank's".to_owned();
    let take_back = |key| Deed::TakeBack { digest, key, why: why() };
    let approve = |proposal| Deed::ApproveTakeBack { digest, key: other, proposal };
    let reject = |proposal| Deed::RejectTakeBack { digest, key: other, proposal, why: why() };
    take_as(&desk, GOOD, other, 2).unwrap();
    take_as(&desk, GOOD, key(1), 1).unwrap_err();
    assert_eq!(kinds(), ["duplicate_file", "missing_at_switch"]);
    const OWN: &str = "lan has proposed it and cannot check it: somebody else has to";
    for (who, deed, expected) in [
        ("lan", take_back(key(1)), Some("taking a file back: it was not taken for this place")),
        ("minh", approve(2), Some("taking a file back: nobody has proposed it")),
        ("lan", take_back(other), None),
        ("lan", take_back(other), Some("taking a file back: it is proposed already")),
        ("lan", approve(2), Some(OWN)),
        ("lan", reject(2), Some(OWN)),
        ("minh", approve(1), Some("another proposal stands there by now: look at it first")),
        ("minh", reject(2), None),
        ("lan", take_back(other), None),
    ] {
        assert_eq!(act(who, deed.clone()).err().as_deref(), expected, "{deed:?}");
    }
    assert_eq!(kinds(), ["duplicate_file", "missing_at_switch"], "nothing is taken back by one");
    act("minh", approve(4)).unwrap();
    let (casework, acts) = desk.acts().read().unwrap();
    assert_eq!((casework.files().count(), casework.taking_back().len()), (0, 0));
    assert_eq!((acts[5].before["maker"].as_str(), acts[5].after.is_null()), (Some("lan"), true));
    // Its own place, in one part: nothing is missing, and the refusal is made good.
    take_as(&desk, GOOD, key(1), 1).unwrap();
    assert_eq!(kinds(), [] as [&str; 0]);
    take_as(&desk, &GOOD.replace("2000000", "3000000"), other, 1).unwrap();
    assert_eq!(kinds(), ["missing_at_switch"], "the place is free");
}

/// A journal of another machine, of another make or in another encoding was taken as that of a machine that did nothing.
#[test]
fn a_journal_is_taken_for_the_machine_that_it_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day(FIRST);
    let line = format!("HN000002,{of},612300000001,000001,,{of} 08:00:09,2000000,2000000,704,taken\n");
    let text = JOURNAL_COLUMNS.join(",") + "\n" + &line;
    let named = |name: &[u8; 8]| {
        let terminal = Some(TerminalId(*name));
        FileKey { kind: FileKind::Journal, bank: None, terminal, ..key(1) }
    };
    let shown = desk.preview(text.as_bytes(), named(b"HN000001"), None, 5).unwrap().refusal.unwrap();
    assert_eq!(shown.rejects[0].reason, "it is of another machine than the one that is named");
    assert_eq!(take_as(&desk, &text, named(b"HN000001"), 1).unwrap_err().to_string(), shown.to_string());
    let layout = Layout::RawJournal(Patterns::default());
    let raw = "03/05/2026 07:08:30 BEGIN\n";
    let refusal = desk.preview(raw.as_bytes(), named(b"HN000001"), Some(&layout), 5).unwrap().refusal;
    assert!(refusal.unwrap().rejects[0].reason.starts_with("no transaction begins in it"));
    // In its own place the refusal is made good.
    assert_eq!(desk.acts().read().unwrap().0.refused().len(), 1);
    take_as(&desk, &text, named(b"HN000002"), 1).unwrap();
    assert_eq!(desk.acts().read().unwrap().0.refused(), []);
    // One that was taken before this was checked stays readable.
    let digest = Digest::of(b"x\n");
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), "x\n").unwrap();
    let layout = Some(Box::new(layout));
    let taken = Deed::Take {
        digest,
        key: named(b"HN000001"),
        layout,
        count: 0,
        sum_minor: 0,
        parts: 1,
        numbering: Numbering::First,
    };
    let casework = desk.acts().act(5, "lan", "::1", taken).unwrap();
    let mut book = Book::new(FeeTable::default(), Some(of));
    desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
}

/// What the book had let go stood in old files as missing at the switch.
#[test]
fn files_and_lines_before_the_days_that_are_held_are_passed_over_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let first = day("2026-05-03");
    let days: Vec<Day> =
        (0..4).map(|ahead| Day::of_unix_ms(first.begins_ms() + ahead * 86_400_000)).collect();
    let posted = |of: Day, position: u64| {
        GOOD.replace("612300000001", &format!("6123{position:08}")).replace(FIRST, &of.to_string())
    };
    let mut book = Book::new(FeeTable::default(), Some(first)).holding(Held { days: 2, ..Held::default() });
    let mut matching = Matching::new(Rules::default());
    let mut kinds = |book: &mut Book| {
        let casework = desk.acts().read().unwrap().0;
        desk.match_on(&casework, book, &mut matching, NOW_S).unwrap();
        let rows = desk.rows(&casework, book, &matching).unwrap();
        let kinds: Vec<&str> = rows.iter().map(|row| row.exception.kind.name()).collect();
        (kinds, matching.matcher.summary().ours, matching.passed_over)
    };
    for (number, of) in days.iter().enumerate() {
        let position = 10 * number as u64;
        told(&mut book, position + 1, *of);
        take_as(&desk, &posted(*of, position + 1), FileKey { day: *of, ..key(1) }, 1).unwrap();
        let held = number.min(1) as u64 + 1;
        let passed_over = PassedOver { files: (number as u64).saturating_sub(1), lines: 0 };
        assert_eq!(kinds(&mut book), (vec![], held, passed_over), "{of}");
        if let Some(next) = days.get(number + 1) {
            cut_over(&mut book, position + 9, *next);
        }
    }
    assert_eq!(book.held_from(), Some(days[2]));
    assert_eq!(book.sheets().count(), 4, "what days came to is held");
    // A line of an old day in a new file, and one that is nowhere.
    let late = posted(days[0], 1).replace("07:00:00", "07:00:01");
    take_as(&desk, &late, FileKey { day: days[3], ..key(2) }, 1).unwrap();
    let nowhere = posted(days[3], 99);
    take_as(&desk, &nowhere, FileKey { day: days[3], ..key(3) }, 1).unwrap();
    let passed_over = PassedOver { files: 2, lines: 1 };
    assert_eq!(kinds(&mut book), (vec!["missing_at_switch"], 2, passed_over));
}

/// A file that an earlier version had taken and this one refuses was an error of every page.
#[test]
fn a_taken_file_that_can_be_read_no_more_is_an_exception_and_its_day_waits() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    told(&mut book, 10, of);
    take_as(&desk, GOOD, key(1), 2).unwrap();
    let text = GOOD.replace("2000000", "500.000");
    let digest = Digest::of(text.as_bytes());
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &text).unwrap();
    let deed = Deed::Take {
        digest,
        key: key(2),
        layout: None,
        count: 1,
        sum_minor: 500,
        parts: 2,
        numbering: Numbering::First,
    };
    desk.acts().act(1, "lan", "::1", deed).unwrap();
    let casework = desk.acts().read().unwrap().0;
    let mut matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    desk.match_on(&casework, &mut book, &mut matching, NOW_S).unwrap();
    let rows = desk.rows(&casework, &book, &matching).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.exception.kind.name(), row.exception.case)).collect();
    assert_eq!(told, [("unreadable_line", file_case(digest, key(2)))]);
    assert_eq!(matching.matcher.summary().postings, 1, "the other file is matched");
}

/// A matcher that was full was an error for good: no page and no command came behind it.
#[test]
fn a_matcher_that_is_full_has_the_oldest_day_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let days = ["2026-05-03", "2026-05-04", "2026-05-05"].map(day);
    let mut book = Book::new(FeeTable::default(), Some(days[0]));
    for (number, of) in days.iter().enumerate() {
        let position = 10 * number as u64 + 1;
        told(&mut book, position, *of);
        let posted = GOOD.replace("612300000001", &format!("6123{position:08}"));
        let posted = posted.replace("2026-05-03,1", &format!("{of},1"));
        take_as(&desk, &posted, FileKey { day: *of, ..key(1) }, 1).unwrap();
        if let Some(next) = days.get(number + 1) {
            cut_over(&mut book, position + 8, *next);
        }
    }
    let casework = desk.acts().read().unwrap().0;
    let matched = |items: u32| {
        let (mut book, mut matching) = (book.clone(), Matching::new(Rules::default()));
        matching.matcher = matching.matcher.holding(items);
        let done = desk.match_on(&casework, &mut book, &mut matching, NOW_S);
        let items = matching.matcher.len();
        (done.map_err(|error| error.to_string()), book.held_from(), items, matching.passed_over.files)
    };
    // Each day has a transaction and what the bank posted.
    for (room, from, items, passed_over) in
        [(6, None, 6, 0), (5, Some(days[1]), 4, 1), (3, Some(days[2]), 2, 2), (2, Some(days[2]), 2, 2)]
    {
        assert_eq!(matched(room), (Ok(()), from, items, passed_over), "{room}");
    }
    let full = "no more items are held; there is room once older days are let go".to_owned();
    assert_eq!(matched(1), (Err(full), Some(days[2]), 0, 0), "the open day alone");
}

/// A posting of a day to come that the log does not know was on no list.
#[test]
fn a_posting_dated_ahead_is_missing_at_the_switch() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    take_as(&desk, &GOOD.replace("2026-05-03,1", "2206-05-03,1"), key(1), 1).unwrap();
    let casework = desk.acts().read().unwrap().0;
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    let rows = desk.rows(&casework, &book, &matching).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.exception.kind.name(), row.exception.day)).collect();
    assert_eq!(told, [("missing_at_switch", of)]);
}

/// As soon as a day was let go, what was reversed in the day behind it was missing at the switch, and what a bank had posted a day late too: its other
/// half stood in files that were passed over. They were past due at once.
#[test]
fn what_reaches_across_the_edge_of_the_days_that_are_held_is_no_exception() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let days = ["2026-05-04", "2026-05-05", "2026-05-06", "2026-05-07", "2026-05-08"].map(day);
    let mut book = Book::new(FeeTable::default(), Some(days[0])).holding(Held { days: 3, ..Held::default() });
    let line = |of: Day, position: u64, amount: &str| {
        format!("6123{position:08},HN000001,{position},{position},{of} 08:00:00,{amount},704,{of},1\n")
    };
    let head = GOOD.lines().next().unwrap().to_owned() + "\n";
    let post = |of: Day, lines: &[String]| {
        let (text, count) = (head.clone() + &lines.concat(), lines.len());
        let text = text + &format!("TRAILER,{count},{}\n", 2_000_000 * count);
        take_as(&desk, &text, FileKey { day: of, ..key(1) }, 1).unwrap();
    };
    let look = |book: &Book| {
        let casework = desk.acts().read().unwrap().0;
        let matching = desk.matched(&casework, &mut book.clone(), Rules::default(), NOW_S * 2).unwrap();
        let told = matching.summary().exceptions.values().sum::<u64>();
        let rows = desk.rows(&casework, book, &matching).unwrap();
        assert_eq!(rows.len() as u64, told);
        rows.iter().map(|row| (row.exception.kind.name(), row.exception.day)).collect::<Vec<_>>()
    };
    // One is reversed in the next day, one is posted with the next day's file, one has no end.
    for position in [1, 11] {
        told(&mut book, position, days[0]);
    }
    let endless = uses(21, days[0], bank());
    book.apply(21, &endless[0].1).unwrap();
    cut_over(&mut book, 30, days[1]);
    let key_of_first = uses(1, days[0], bank())[0].1.transaction;
    let reversal = Reversal {
        identity: BankIdentity { sent_at: UtcSeconds(1_777_777_300), stan: 31 },
        day: days[1],
        left_minor: 0,
        reason: Code(*b"17"),
        answer: Code(*b"00"),
        advice: None,
    };
    let at_ms = days[1].begins_ms() + 3_600_000;
    let body = Body::Reversal(reversal);
    book.apply(31, &Record { at_ms, transaction: key_of_first, suspense: None, spend: None, body }).unwrap();
    told(&mut book, 32, days[1]);
    post(days[0], &[line(days[0], 1, "2000000,D")]);
    let late =
        line(days[0], 11, "2000000,D").replace(&format!("{},1\n", days[0]), &format!("{},1\n", days[1]));
    post(days[1], &[line(days[1], 1, "2000000,C"), late, line(days[1], 32, "2000000,D")]);
    for (number, of) in days.iter().enumerate().skip(2) {
        cut_over(&mut book, 40 + 10 * number as u64, *of);
        told(&mut book, 41 + 10 * number as u64, *of);
        post(*of, &[line(*of, 41 + 10 * number as u64, "2000000,D")]);
        let held_from = (number > 2).then(|| days[number - 2]);
        assert_eq!(book.held_from(), held_from);
        let unknown = ("suspense", days[0]);
        let all = vec![("late_reversal", days[0]), ("other_day", days[0]), unknown];
        let expected = match number {
            // All of the first day is told.
            2 => all,
            // The first day is let go, but for what settles later or has no end.
            3 => vec![("late_reversal", days[0]), unknown],
            _ => vec![unknown],
        };
        let mut found = look(&book);
        found.sort();
        assert_eq!(found, expected, "{of}");
    }
}

/// Journals go by days of the calendar: what was taken in the last hour before midnight, or on a weekend, was missing in the journal.
#[test]
fn a_journal_of_the_calendar_s_day_before_is_held_with_the_business_day_that_began_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    // Friday, Monday, Tuesday, Wednesday; a day is opened at 23:00 local time of the working day before.
    let opened = [
        ("2026-05-01", None),
        ("2026-05-04", Some("2026-05-01")),
        ("2026-05-05", Some("2026-05-04")),
        ("2026-05-06", Some("2026-05-05")),
    ];
    let at_23 = |on: &str| day(on).begins_ms() + 16 * 3_600_000;
    let mut book =
        Book::new(FeeTable::default(), Some(day("2026-05-01"))).holding(Held { days: 3, ..Held::default() });
    let mut journals: BTreeMap<Day, String> = BTreeMap::new();
    for (number, (of, on)) in opened.into_iter().enumerate() {
        let position = 1 + 10 * number as u64;
        if let Some(on) = on {
            book.apply(position, &Record { at_ms: at_23(on), ..cutover(day(of)) }).unwrap();
            // A minute behind the cutover, on the day before by the calendar.
            for (position, record) in uses(position + 1, day(of), bank()) {
                book.apply(position, &Record { at_ms: at_23(on) + 60_000, ..record }).unwrap();
            }
            let line = format!(
                "HN000001,{on},6123{0:08},{0:06},,{on} 23:01:09,2000000,2000000,704,taken\n",
                position + 1
            );
            journals.entry(day(on)).or_default().push_str(&line);
        }
    }
    for (of, lines) in journals {
        let text = JOURNAL_COLUMNS.join(",") + "\n" + &lines;
        let terminal = Some(TerminalId(*b"HN000001"));
        let key = FileKey { kind: FileKind::Journal, bank: None, terminal, day: of, part: 1 };
        take_as(&desk, &text, key, 1).unwrap();
    }
    assert_eq!(book.held_from(), Some(day("2026-05-04")));
    let casework = desk.acts().read().unwrap().0;
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S * 2).unwrap();
    assert_eq!(matching.matcher.summary().cash_lines, 3, "Friday's last hour is Monday's");
    assert_eq!(desk.rows(&casework, &book, &matching).unwrap(), []);
}

/// The first part of a bank's file showed as missing whatever the second had.
#[test]
fn a_day_in_parts_is_here_when_all_its_parts_are() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    (1..=3).for_each(|number| told(&mut book, 10 * number, of));
    let posted = |position: u64| GOOD.replace("612300000001", &format!("6123{position:08}"));
    let kinds = |book: &Book| {
        let casework = desk.acts().read().unwrap().0;
        let matching = desk.matched(&casework, &mut book.clone(), Rules::default(), NOW_S).unwrap();
        let rows = desk.rows(&casework, book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    take_as(&desk, &posted(10), key(1), 2).unwrap();
    assert_eq!(kinds(&book), [] as [&str; 0]);
    take_as(&desk, &posted(20), key(2), 2).unwrap();
    assert_eq!(kinds(&book), ["missing_at_bank"]);
    for (part, parts) in [(3, 2), (0, 2), (5, 0), (5, 10_001)] {
        let refused = take_as(&desk, &posted(30), key(part), parts).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("part {part} of {parts}: ")), "{refused}");
    }
}

/// A machine that had done nothing was never said to have handed in its journal.
#[test]
fn the_journal_of_a_machine_that_did_nothing_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    let text = JOURNAL_COLUMNS.join(",") + "\n";
    let kinds = |casework: &Casework, book: &mut Book| {
        let matching = desk.matched(casework, book, Rules::default(), NOW_S).unwrap();
        let rows = desk.rows(casework, book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    let terminal = Some(TerminalId(*b"HN000001"));
    take_as(&desk, &text, FileKey { kind: FileKind::Journal, bank: None, terminal, ..key(1) }, 1).unwrap();
    assert_eq!(kinds(&desk.acts().read().unwrap().0, &mut book), ["missing_in_journal"]);
}

/// A line of another day in a machine's file said that that day's journal was here, and whatever else the machine had done then was missing.
#[test]
fn a_stray_line_of_another_day_says_nothing_of_that_day_s_journal() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let next = day(SECOND);
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    cut_over(&mut book, 9, next);
    told(&mut book, 11, next);
    let line = |of: Day, position: u64| {
        format!("HN000001,{of},6123{position:08},{position:06},,{of} 08:00:09,2000000,2000000,704,taken\n")
    };
    let text = JOURNAL_COLUMNS.join(",") + "\n" + &line(day(FIRST), 1) + &line(next, 99);
    take_as(&desk, &text, FileKey { kind: FileKind::Journal, bank: None, ..key(1) }, 1).unwrap();
    let casework = desk.acts().read().unwrap().0;
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    let rows = desk.rows(&casework, &book, &matching).unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row.exception.kind.name()).collect();
    assert_eq!(kinds, ["missing_at_switch"], "the stray line alone");
}

/// A journal that was handed in with a bank said that the bank's postings were here; postings with a machine stood beside those without.
#[test]
fn a_bank_is_named_of_postings_alone_and_a_machine_of_journals_alone() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day(FIRST);
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    let journal = JOURNAL_COLUMNS.join(",")
        + "\n"
        + &format!("HN000001,{of},612300000001,000001,,{of} 08:00:09,2000000,2000000,704,taken\n");
    let terminal = Some(TerminalId(*b"HN000001"));
    let of_bank = FileKey { kind: FileKind::Journal, ..key(1) };
    let of_machine = FileKey { terminal, ..key(1) };
    for (key, field, of_what) in [
        (of_bank, "bank", "postings"),
        (FileKey { kind: FileKind::Counters, ..key(1) }, "bank", "postings"),
        (of_machine, "terminal", "journals"),
        (FileKey { kind: FileKind::Counters, bank: None, ..of_machine }, "terminal", "journals"),
    ] {
        let text = if key.kind == FileKind::Postings { GOOD } else { &journal };
        let expected =
            format!("unreadable_line: line 0, {field}: ``: it is named of {of_what} alone: leave it out");
        let shown = desk.preview(text.as_bytes(), key, None, 5).unwrap().refusal.unwrap();
        assert_eq!(shown.to_string(), expected);
        assert_eq!(take_as(&desk, text, key, 1).unwrap_err().to_string(), expected);
    }
    // One that was taken before this was checked is still read, and says nothing of the bank's postings.
    let digest = Digest::of(journal.as_bytes());
    fs::create_dir_all(dir.path().join(FILES_DIR)).unwrap();
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &journal).unwrap();
    let taken = Deed::Take {
        digest,
        key: of_bank,
        layout: None,
        count: 1,
        sum_minor: 2_000_000,
        parts: 1,
        numbering: Numbering::First,
    };
    let casework = desk.acts().act(5, "lan", "::1", taken).unwrap();
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    assert_eq!((matching.matcher.summary().cash_lines, matching.matcher.exceptions()), (1, vec![]));
}

/// No business day is opened on a Sunday: what a bank posted on one was never an exception.
#[test]
fn a_line_of_a_day_without_settlement_is_missing_at_the_switch() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-01")));
    let kinds = |book: &mut Book| {
        let casework = desk.acts().read().unwrap().0;
        let matching = desk.matched(&casework, book, Rules::default(), NOW_S).unwrap();
        desk.rows(&casework, book, &matching).unwrap().len()
    };
    take(&desk, GOOD, 1).unwrap();
    assert_eq!(kinds(&mut book), 0, "Friday is open: the log has not come so far");
    cut_over(&mut book, 1, day("2026-05-04"));
    assert_eq!(kinds(&mut book), 1);
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
    let row = &rows(&desk, &casework)[0];
    let comes_to = Resolution::PROPOSED.map(|resolution| row.natural_minor(resolution));
    assert_eq!(comes_to, [0, 0, 0], "that totals differ proves no debt");
}

#[test]
fn what_is_offered_and_how_old_a_case_is() {
    assert_eq!(Resolution::offered(Kind::DebitedNotDispensed), Some(Resolution::Refund));
    assert_eq!(Resolution::offered(Kind::MissingAtBank), None);
    let bands = [0, 1, 2, 10, 30, 31].map(age_band);
    assert_eq!(bands, ["0-1", "0-1", "2-5", "6-10", "11-30", "31+"]);
}

/// Rules that are broken one at a time (docs/mutants.md), and the tests here that miss them.
#[cfg(feature = "mutants")]
#[test]
fn each_rule_that_is_broken_is_missed() {
    use mutant::Mutant;

    mutant::each_is_missed(&[
        (Mutant::OwnProposalChecked, &["what_was_booked_is_taken_back_by_two"]),
        (Mutant::BookedUndoneByOne, &["what_was_booked_is_taken_back_by_two"]),
    ]);
}
