//! A case on its way: proposed, checked by somebody else, booked, taken back.

use std::sync::Arc;

use casework::{
    About, Act, ActFile, CaseState, Casework, Deed, Desk, DueRules, Matching, Refused, Resolution, Row,
    UNPROVEN_MINOR_MAX, age_band,
};
use exchange::{FileKey, FileKind, InProcess};
use processor::{Institution, Rrn, TerminalId};
use reconciliation::{Aspect, Book, CaseId, Exception, FeeTable, Held, Kind, LineId, Rules};

use crate::support::{
    ACQUIRER, FIRST, GOOD, NOW_S, SECOND, about, approve, bank, calendar, case, cut_over, day, desk, key,
    keys, propose, reject, rows, take, take_as, told, told_at,
};

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
        ("lan", propose(1_000_000), Ok(CaseState::Proposed)),
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
    let unnamed_refund = Deed::Propose {
        case: case(),
        about: about(Kind::DebitedNotDispensed, 500_000),
        resolution: Resolution::Refund,
        amount_minor: 500_000,
        bank: None,
        why: "no cash left".into(),
    };
    const NOBODY_TO_REFUND: &str = "a refund needs a citizen's transaction with its RRN: the case has none";
    const NO_BANK: &str = "a refund or an adjustment names the bank that pays or is paid";
    // It stood in the file of one member alone.
    const NOBODY: &str =
        "an adjustment names the acquirer on its other side: the case does not say whose terminal it was";
    let rows = vec![
        ("lan", unnamed_refund, Err(NO_BANK)),
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
        // No citizen is behind a cassette.
        ("lan", with(Resolution::Refund, Some(bank())), Err(NOBODY_TO_REFUND)),
        ("lan", propose(500_000), Ok(CaseState::Proposed)),
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
    let again = acts.act(7, "lan", "::1", propose(&exception, 5)).unwrap_err().to_string();
    assert_eq!(again, "the case is resolved, and not open or disputed");

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
        ("lan", propose(of(0, 7, None, false), -7), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Open)),
        ("lan", propose(no_cash(), 2_050_000), Err(over(2_050_000, -2_050_000, more))),
        ("lan", propose(of(0, 500_000, terminal, false), -1), Err(over(-1, 500_000, less))),
        ("lan", propose(no_cash(), -2_050_000), Ok(CaseState::Proposed)),
        ("minh", approve(2), Ok(CaseState::Resolved)),
        // A part was dispensed after all: what is booked already counts.
        ("lan", propose(of(2_050_000, 50_000, terminal, false), -10), Err(over(-10, 50_000, less))),
        ("lan", propose(of(2_050_000, 50_000, terminal, false), 50_000), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        // Nobody knows who owes: of what has no end, and of what is gone; nor of what has no terminal, above.
        ("lan", propose(About { kind: Kind::Suspense, ..no_cash() }, 5), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
        ("lan", propose(of(0, 7, terminal, true), -7), Ok(CaseState::Proposed)),
    ];
    let rows = rows.iter().map(|(who, deed, expected)| {
        (*who, deed.clone(), expected.as_ref().copied().map_err(String::as_str))
    });
    walk(&acts, rows.collect());
}

fn side(aspect: Aspect) -> CaseId {
    CaseId { of: LineId { file: LineId::LOG, line: 17 }, aspect }
}

/// The bank's and the machine's case of one transaction, in the order in which they are adjusted: what each has, how much is proposed, and why not.
#[test]
fn one_debt_is_booked_once_whichever_case_shows_it() {
    const BESIDE: &str =
        "the same debt is booked or proposed of the transaction's other case: accept this one";
    let (bank_has, machine_has) = (Aspect::Bank, Aspect::Machine);
    let above = |amount: i64, most: i64| {
        format!("an amount of {amount} is more than the case bears out: {most} at most, without sign")
    };
    type Step = (Aspect, i64, i64, Option<String>);
    let table: [(i64, Vec<Step>); 6] = [
        // Both say that the log is wrong, and the same.
        (0, vec![(bank_has, 900, 900, None), (machine_has, 900, 900, Some(BESIDE.to_owned()))]),
        (250, vec![(machine_has, 0, -250, None), (bank_has, 0, -250, Some(BESIDE.to_owned()))]),
        // They differ: no more than the widest of both is owed in all, in either order.
        (0, vec![(bank_has, 500, 500, None), (machine_has, 900, 401, Some(above(401, 400)))]),
        (0, vec![(bank_has, 500, 500, None), (machine_has, 900, 400, None)]),
        (0, vec![(machine_has, 900, 900, None), (bank_has, 500, 500, Some(BESIDE.to_owned()))]),
        // They go different ways: each is a debt of its own.
        (500, vec![(bank_has, 900, 400, None), (machine_has, 300, -200, None)]),
    ];
    for (number, (ours_minor, steps)) in table.into_iter().enumerate() {
        for is_approved in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let acts = ActFile::new(dir.path(), keys());
            let mut proposal = 0;
            for (aspect, theirs_minor, amount_minor, expected) in steps.clone() {
                let kind = if aspect == Aspect::Bank { Kind::AmountOver } else { Kind::PartDispensed };
                let (acquirer, terminal) = (ACQUIRER.parse().ok(), Some(TerminalId(*b"HN000001")));
                let about = About { theirs_minor, acquirer, terminal, ..*about(kind, ours_minor) };
                let id = side(aspect);
                let deed = Deed::Propose {
                    case: id,
                    about: Box::new(about),
                    resolution: Resolution::Adjustment,
                    amount_minor,
                    bank: Some(bank()),
                    why: "both agree".into(),
                };
                let done = acts.act(1, "lan", "10.0.0.7", deed).err().map(|error| error.to_string());
                assert_eq!(done, expected, "row {number}, {aspect:?}, approved: {is_approved}");
                if done.is_none() && is_approved {
                    acts.act(2, "minh", "10.0.0.8", Deed::Approve { case: id, proposal }).unwrap();
                    proposal += 1;
                }
                proposal += 1;
            }
        }
    }
}

/// Versions before took a proposal upon each case of a transaction, and a checker could book both.
#[test]
fn of_two_proposals_that_wait_for_one_debt_the_first_that_is_approved_is_booked() {
    let mut casework = Casework::default();
    let (acquirer, terminal) = (ACQUIRER.parse().ok(), Some(TerminalId(*b"HN000001")));
    let about = About { theirs_minor: 900, acquirer, terminal, ..*about(Kind::AmountOver, 0) };
    let propose = |aspect| Deed::Propose {
        case: side(aspect),
        about: Box::new(about.clone()),
        resolution: Resolution::Adjustment,
        amount_minor: 900,
        bank: Some(bank()),
        why: "both agree".into(),
    };
    let approve = |aspect, proposal| Deed::Approve { case: side(aspect), proposal };
    let act = |number, who: &str, deed| Act {
        number,
        at_ms: 1,
        who: who.to_owned(),
        from: "::1".to_owned(),
        deed,
        before: serde_json::Value::Null,
        after: serde_json::Value::Null,
    };
    casework.apply(&act(0, "lan", propose(Aspect::Bank)));
    casework.apply(&act(1, "lan", propose(Aspect::Machine)));
    casework.check("minh", &approve(Aspect::Bank, 0)).unwrap();
    casework.check("minh", &approve(Aspect::Machine, 1)).unwrap();
    casework.apply(&act(2, "minh", approve(Aspect::Machine, 1)));
    assert_eq!(casework.check("minh", &approve(Aspect::Bank, 0)), Err(Refused::BookedBeside));
    let reject = Deed::Reject { case: side(Aspect::Bank), proposal: 0, why: "booked already".into() };
    casework.check("minh", &reject).unwrap();
}

/// What was known of the bank's debit when a case was decided, how, what its file says later, and whether the case is open again.
#[test]
fn a_posting_that_comes_late_opens_what_was_decided_without_it() {
    let (accept, refund) = (Resolution::Accept, Resolution::Refund);
    for (then, resolution, amount_minor, later, is_open_again) in [
        (Some(0), accept, 0, Some(0), false),
        (Some(0), accept, 0, None, true),
        (Some(0), accept, 0, Some(100), true),
        (None, accept, 0, Some(0), false),
        (None, refund, 250, None, false),
        (None, refund, 250, Some(0), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let acts = ActFile::new(dir.path(), keys());
        let of = |debited_minor| About {
            debited_minor,
            acquirer: ACQUIRER.parse().ok(),
            ..*about(Kind::PartDispensed, 250)
        };
        let case = side(Aspect::Machine);
        let propose = |about, resolution, amount_minor| Deed::Propose {
            case,
            about: Box::new(about),
            resolution,
            amount_minor,
            bank: Some(bank()),
            why: "as the files say".into(),
        };
        acts.act(1, "lan", "10.0.0.7", propose(of(then), resolution, amount_minor)).unwrap();
        acts.act(2, "minh", "10.0.0.8", Deed::Approve { case, proposal: 0 }).unwrap();
        let again = acts.act(3, "lan", "10.0.0.7", propose(of(later), accept, 0));
        assert_eq!(again.is_ok(), is_open_again, "{then:?}, {resolution:?}, then {later:?}");
    }
}

/// What the bank has debited by its file, what left the machine, and how much is given back at most.
#[test]
fn no_more_is_given_back_than_the_bank_has_debited() {
    const NOTHING: &str =
        "a refund gives back what was debited: the bank has debited no more than the cash that left";
    let above = |amount: i64, most: i64| {
        format!("an amount of {amount} is more than the case bears out: {most} at most, without sign")
    };
    for (debited_minor, dispensed_minor, amount_minor, expected) in [
        (None, 0, 250, None),
        (None, 0, 251, Some(above(251, 250))),
        (Some(0), 0, 250, Some(NOTHING.to_owned())),
        (Some(100), 100, 150, Some(NOTHING.to_owned())),
        (Some(200), 100, 101, Some(above(101, 100))),
        (Some(200), 100, 100, None),
        // What the bank has debited too much is its own case's.
        (Some(500), 100, 151, Some(above(151, 150))),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let acts = ActFile::new(dir.path(), keys());
        let about = About {
            theirs_minor: dispensed_minor,
            debited_minor,
            acquirer: ACQUIRER.parse().ok(),
            ..*about(Kind::PartDispensed, 250)
        };
        let deed = Deed::Propose {
            case: side(Aspect::Machine),
            about: Box::new(about),
            resolution: Resolution::Refund,
            amount_minor,
            bank: Some(bank()),
            why: "no cash left".into(),
        };
        let done = acts.act(1, "lan", "10.0.0.7", deed).err().map(|error| error.to_string());
        assert_eq!(done, expected, "{debited_minor:?} debited, {dispensed_minor} dispensed");
    }
}

/// A refund of a difference of totals and of cash, and -99,000,000,000,000 on a case of nothing, were approved.
#[test]
fn no_more_is_proposed_than_a_case_bears_out_and_no_refund_where_there_is_no_citizen() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let line = CaseId { of: LineId { file: 9, line: 2 }, aspect: Aspect::Bank };
    let acquirer = ACQUIRER.parse().ok();
    let (refund, adjustment) = (Resolution::Refund, Resolution::Adjustment);
    let of = |kind, ours_minor, theirs_minor| About { theirs_minor, acquirer, ..*about(kind, ours_minor) };
    let nobody = "a refund needs a citizen's transaction with its RRN: the case has none".to_owned();
    let above = |amount: i64, most: i64| {
        format!("an amount of {amount} is more than the case bears out: {most} at most, without sign")
    };
    let named = About { rrn: Some(Rrn(*b"612300000001")), ..of(Kind::MissingAtSwitch, 0, 7) };
    let gone = About { is_gone: true, ..of(Kind::MissingAtBank, 2_000, 0) };
    for (id, about, resolution, amount_minor, expected) in [
        (line, of(Kind::TotalsOutOfBalance, 5, 4), refund, 1, Some(nobody.clone())),
        (line, of(Kind::TotalsOutOfBalance, 5, 4), refund, 0, Some(nobody.clone())),
        (line, of(Kind::UnreadableLine, 0, 0), refund, 1, Some(nobody.clone())),
        (case(), of(Kind::CashShort, 500, 0), refund, 500, Some(nobody.clone())),
        (line, of(Kind::MissingAtSwitch, 0, 7), refund, 7, Some(nobody)),
        (line, named.clone(), refund, 8, Some(above(8, 7))),
        (line, named, refund, 7, None),
        (case(), of(Kind::PartDispensed, 2_000, 500), refund, 1_501, Some(above(1_501, 1_500))),
        (case(), of(Kind::PartDispensed, 2_000, 500), refund, 1_500, None),
        (case(), of(Kind::AmountOver, 2_000, 3_000), adjustment, 1_001, Some(above(1_001, 1_000))),
        (case(), of(Kind::Suspense, 2_000, 0), adjustment, -2_001, Some(above(-2_001, 2_000))),
        (case(), of(Kind::OtherDay, 2_000, 2_000), adjustment, 2_000, None),
        (case(), of(Kind::OtherDay, 2_000, 2_000), adjustment, 2_001, Some(above(2_001, 2_000))),
        (case(), gone.clone(), adjustment, 2_001, Some(above(2_001, 2_000))),
        (case(), gone, adjustment, 2_000, None),
        (
            line,
            of(Kind::UnreadableLine, 0, 0),
            adjustment,
            -99_000_000_000_000,
            Some(above(-99_000_000_000_000, UNPROVEN_MINOR_MAX)),
        ),
        (
            line,
            of(Kind::UnreadableLine, 0, 0),
            adjustment,
            i64::MIN,
            Some(above(i64::MIN, UNPROVEN_MINOR_MAX)),
        ),
        (
            line,
            of(Kind::TotalsOutOfBalance, 0, 2 * UNPROVEN_MINOR_MAX),
            adjustment,
            2 * UNPROVEN_MINOR_MAX,
            None,
        ),
    ] {
        let (kind, bank, why) = (about.kind, about.bank, "as it is".into());
        let deed = Deed::Propose { case: id, about: Box::new(about), resolution, amount_minor, bank, why };
        let done = acts.act(5, "lan", "::1", deed).map(drop).map_err(|error| error.to_string());
        assert_eq!(done.clone().err(), expected, "{kind} {amount_minor}");
        if done.is_ok() {
            acts.act(5, "lan", "::1", Deed::Reopen { case: id, why: "x".into() }).unwrap();
        }
    }
}

const HEADINGS: &str = "rrn,terminal,stan,sequence,at,amount,direction,currency,day,count\n";

const JOURNAL: &str = "terminal,day,rrn,stan,sequence,at,requested,moved,currency,outcome
HN000001,2026-05-03,612300000010,10,,2026-05-03 10:00:00,2000000,0,704,none
";

/// A citizen of whom nothing was taken was to get 2,000,000 back, and the acquirer to pay it beside the adjustment of the bank's case.
#[test]
fn no_refund_is_offered_of_what_the_bank_has_not_debited_and_what_is_adjusted_is_accepted() {
    const POSTED: &str = "612300000010,HN000001,10,,2026-05-03 10:00:00,2000000,D,704,2026-05-03,1\n";
    let machine_s = |postings: &str, is_adjusted: bool| {
        let dir = tempfile::tempdir().unwrap();
        let desk = desk(dir.path());
        let acts = desk.acts();
        let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
        told_at(&mut book, 10, day("2026-05-03"), ACQUIRER.parse().unwrap());
        take(&desk, &format!("{HEADINGS}{postings}"), 1).unwrap();
        take_as(&desk, JOURNAL, FileKey { kind: FileKind::Journal, bank: None, ..key(1) }, 1).unwrap();
        let mut look = || {
            let casework = acts.read().unwrap().0;
            let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
            desk.rows(&casework, &book, &matching).unwrap()
        };
        if is_adjusted {
            let row = look().into_iter().find(|row| row.exception.case.aspect == Aspect::Bank).unwrap();
            let case = row.exception.case;
            let deed = Deed::Propose {
                case,
                about: Box::new(row.about()),
                resolution: Resolution::Adjustment,
                amount_minor: row.natural_minor(Resolution::Adjustment),
                bank: row.exception.bank,
                why: "nothing was debited".into(),
            };
            acts.act(2, "lan", "::1", deed).unwrap();
            acts.act(3, "minh", "::1", Deed::Approve { case, proposal: 2 }).unwrap();
        }
        let rows = look();
        let at_risk_minor = casework::at_risk_minor(rows.iter());
        let row = rows.iter().find(|row| row.exception.case.aspect == Aspect::Machine).unwrap();
        assert_eq!(row.exception.kind, Kind::DebitedNotDispensed);
        let comes_to = Resolution::PROPOSED.map(|resolution| row.natural_minor(resolution));
        (row.offered(), comes_to, at_risk_minor)
    };
    let debited = machine_s(&format!("{POSTED}TRAILER,1,2000000\n"), false);
    assert_eq!(debited, (Some(Resolution::Refund), [2_000_000, -2_000_000, 0], 2_000_000));
    // Both sides show one difference: it is at stake once.
    assert_eq!(machine_s("TRAILER,0,0\n", false), (None, [0, -2_000_000, 0], 2_000_000));
    let adjusted = machine_s("TRAILER,0,0\n", true);
    assert_eq!(adjusted, (Some(Resolution::Accept), [0, 0, 0], 2_000_000));
}

/// A refund was proposed before the bank's file was here, which then said that nothing was debited: nobody told the checker.
#[test]
fn a_refund_that_the_bank_s_file_bears_out_no_more_is_told_while_it_waits() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let acts = desk.acts();
    let mut book = Book::new(FeeTable::default(), Some(day("2026-05-03")));
    told_at(&mut book, 10, day("2026-05-03"), ACQUIRER.parse().unwrap());
    let mut machine_s = || {
        let casework = acts.read().unwrap().0;
        let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
        let rows = desk.rows(&casework, &book, &matching).unwrap();
        rows.into_iter().find(|row| row.exception.case.aspect == Aspect::Machine).unwrap()
    };
    take_as(&desk, JOURNAL, FileKey { kind: FileKind::Journal, bank: None, ..key(1) }, 1).unwrap();
    let row = machine_s();
    let case = row.exception.case;
    let refund = Deed::Propose {
        case,
        about: Box::new(row.about()),
        resolution: Resolution::Refund,
        amount_minor: row.natural_minor(Resolution::Refund),
        bank: row.exception.bank,
        why: "no cash left".into(),
    };
    acts.act(2, "lan", "::1", refund).unwrap();
    assert!(!machine_s().is_refund_undebited());
    take(&desk, &format!("{HEADINGS}TRAILER,0,0\n"), 1).unwrap();
    assert!(machine_s().is_refund_undebited());
    acts.act(3, "minh", "::1", Deed::Reject { case, proposal: 1, why: "not debited".into() }).unwrap();
    assert!(!machine_s().is_refund_undebited());
}

/// The undo of an adjustment that two people had accepted as it was came to nothing, and the case was open again: their acceptance was gone.
#[test]
fn an_undo_that_comes_to_nothing_leaves_what_two_have_agreed_on_last() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let is_gone = About { is_gone: true, ..*about(Kind::DebitedNotDispensed, 2_000_000) };
    let accept = Deed::Propose {
        case: case(),
        about: Box::new(is_gone.clone()),
        resolution: Resolution::Accept,
        amount_minor: 0,
        bank: None,
        why: "it stays so".into(),
    };
    let rows = vec![
        ("lan", propose(2_000_000), Ok(CaseState::Proposed)),
        ("minh", approve(0), Ok(CaseState::Resolved)),
        ("lan", accept, Ok(CaseState::Proposed)),
        ("minh", approve(2), Ok(CaseState::Resolved)),
        ("lan", reopen(), Ok(CaseState::Proposed)),
        ("minh", reject(4), Ok(CaseState::Resolved)),
        ("lan", reopen(), Ok(CaseState::Proposed)),
        ("lan", reopen(), Ok(CaseState::Resolved)),
    ];
    walk(&acts, rows);
    let casework = acts.read().unwrap().0;
    let stands = casework.case(case()).unwrap();
    assert_eq!(stands.about, Some(is_gone));
    let agreed = stands.proposal.as_ref().map(|proposal| (proposal.act, proposal.resolution));
    assert_eq!(agreed, Some((2, Resolution::Accept)));
    assert_eq!((booked(&casework), stands.standing.len()), (vec![2_000_000], 1));
}

#[test]
fn what_is_offered_and_how_old_a_case_is() {
    assert_eq!(Resolution::offered(Kind::DebitedNotDispensed), Some(Resolution::Refund));
    assert_eq!(Resolution::offered(Kind::MissingAtBank), None);
    let bands = [0, 1, 2, 10, 30, 31].map(age_band);
    assert_eq!(bands, ["0-1", "0-1", "2-5", "6-10", "11-30", "31+"]);
}
