//! Days: closed in their order, with what was booked, fees and what members claim.

use std::collections::BTreeMap;
use std::convert::Infallible;

use casework::{About, ActFile, Casework, Days, Deed, Payment, Resolution, payments, settlement};
use processor::{Kind as Asked, Record, TerminalId};
use reconciliation::{Aspect, Book, CaseId, Fee, FeeTable, Held, Kind};

use crate::support::{
    ACQUIRER, FIRST, SECOND, about, approve, bank, case, cutover, day, desk, key, keys, propose, rows, shown,
    uses,
};

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
    let (made, _) =
        settlement(casework, book, "switch", 704, day(of), member.parse().unwrap(), |_| false).unwrap();
    (made.net_minor(), made.details.len(), made.adjustments.len())
}

#[test]
fn days_are_closed_once_and_settled_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let close =
        |of: &str, position| Deed::Close { day: day(of), position, fees: Box::default(), is_let_go: false };
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
        let close = Deed::Close { day: day(FIRST), position, fees: Box::new(fees), is_let_go: false };
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
    let early = settlement(&casework, &book, "switch", 704, day(SECOND), bank(), |_| true).unwrap_err();
    assert_eq!(early.to_string(), "business day 2026-05-04: it is not closed, and may still change");
}

/// A day that its transactions' number lets go before it is closed has no files, and what was approved before its close stood in none.
#[test]
fn what_was_approved_before_a_day_without_files_was_closed_stands_in_those_of_the_next() {
    for (transactions, is_let_go) in [(2, true), (20, false)] {
        let dir = tempfile::tempdir().unwrap();
        let acts = ActFile::new(dir.path(), keys());
        let holding = |casework: &Casework, transactions| {
            let unread = Book::new(fee(1_000), Some(day(FIRST))).holding_unclosed();
            read(casework, unread.holding(Held { transactions, ..Held::default() }), two_days())
        };
        let adjusted = Deed::Propose {
            case: case(),
            about: Box::new(About {
                acquirer: ACQUIRER.parse().ok(),
                ..*about(Kind::PartDispensed, 2_000_000)
            }),
            resolution: Resolution::Adjustment,
            amount_minor: -500_000,
            bank: Some(bank()),
            why: "a part left".into(),
        };
        acts.act(1, "lan", "::1", adjusted).unwrap();
        let mut casework = acts.act(2, "minh", "::1", approve(0)).unwrap();
        let of = if is_let_go { SECOND } else { FIRST };
        let adjusted_in = |casework: &Casework| {
            let days = payments(casework, &holding(casework, transactions)).into_iter();
            let has_it = |(_, members): &(_, BTreeMap<_, Payment>)| {
                members.get(&bank()).is_some_and(|paid| paid.adjusted_minor == -500_000)
            };
            days.filter(has_it).map(|(day, _)| day.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(adjusted_in(&casework), [of], "before any close");
        for closing in [FIRST, SECOND] {
            let book = holding(&casework, transactions);
            assert_eq!(book.is_held(day(FIRST)), !is_let_go);
            let close = casework.close(&book, day(closing), fee(1_000)).unwrap();
            casework = acts.act(3, "minh", "::1", close).unwrap();
            assert_eq!(adjusted_in(&casework), [of], "{closing} is closed");
        }
        // What was said of the day when it was closed stays, whatever is held by whoever asks.
        for transactions in [transactions, 20] {
            let book = holding(&casework, transactions);
            let made = |member: &str, of: &str| {
                let member = member.parse().unwrap();
                settlement(&casework, &book, "switch", 704, day(of), member, |_| false)
            };
            let gone = made("970415", FIRST).err().map(|error| error.to_string());
            let told = "business day 2026-05-03: its single transactions are held no more".to_owned();
            assert_eq!(gone, is_let_go.then_some(told));
            let file = |member: &str| {
                let (made, _) = made(member, of).unwrap();
                let text = String::from_utf8(made.to_bytes()).unwrap();
                let lines = text.lines().filter(|line| line.starts_with("A|")).map(str::to_owned);
                (lines.collect::<Vec<_>>(), made.net_minor())
            };
            let (bank_s, net_minor) = file("970415");
            let (other_s, other_net_minor) = file(ACQUIRER);
            assert_eq!(bank_s, ["A|1|adjustment||2026-05-03|-500000"]);
            assert_eq!(other_s, ["A|1|adjustment||2026-05-03|500000"]);
            assert_eq!(net_minor + other_net_minor, 0);
        }
    }
}

/// The bank of the citizen paid twice: a refund gave the citizen the money back, and the bank whose machine kept the cash was paid for it all the same.
#[test]
fn what_a_bank_refunds_the_acquirer_whose_machine_has_the_cash_owes_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let line_of = |casework: &Casework, bank: &str| {
        let book = folded(casework, fee(1_000));
        let (file, _) =
            settlement(casework, &book, "switch", 704, day(FIRST), bank.parse().unwrap(), |_| false).unwrap();
        let text = String::from_utf8(file.to_bytes()).unwrap();
        text.lines().filter(|line| line.starts_with("A|")).map(str::to_owned).collect::<Vec<_>>()
    };
    let refund = |acquirer_owes_refund, amount_minor| Deed::Propose {
        case: case(),
        about: Box::new(About {
            acquirer: ACQUIRER.parse().ok(),
            terminal: Some(TerminalId(*b"HN000001")),
            acquirer_owes_refund,
            ..*about(Kind::DebitedNotDispensed, 2_000_000)
        }),
        resolution: Resolution::Refund,
        amount_minor,
        bank: Some(bank()),
        why: "no cash left".into(),
    };
    acts.act(1, "lan", "::1", refund(true, 2_000_000)).unwrap();
    let casework = acts.act(2, "minh", "::1", approve(0)).unwrap();
    let close = casework.close(&folded(&casework, fee(1_000)), day(FIRST), fee(1_000)).unwrap();
    let casework = acts.act(3, "minh", "::1", close).unwrap();
    assert_eq!(
        line_of(&casework, "970415"),
        ["A|1|refund||2026-05-03|2000000", "A|1|adjustment||2026-05-03|-2000000"]
    );
    assert_eq!(line_of(&casework, ACQUIRER), ["A|1|adjustment||2026-05-03|2000000"]);
    let paid = payments(&casework, &folded(&casework, fee(1_000))).remove(&day(FIRST)).unwrap();
    assert_eq!(paid[&bank()], Payment { position_minor: 2_001_000, adjusted_minor: -2_000_000 });
    assert_eq!(paid.values().map(|paid| paid.net_minor()).sum::<i64>(), 0);
    // What the acquirer owes already is not adjusted once more, and an undo takes both back.
    let again = Deed::Propose {
        case: case(),
        about: Box::new(About {
            acquirer: ACQUIRER.parse().ok(),
            terminal: Some(TerminalId(*b"HN000001")),
            ..*about(Kind::Retracted, 2_000_000)
        }),
        resolution: Resolution::Adjustment,
        amount_minor: -2_000_000,
        bank: Some(bank()),
        why: "no cash left".into(),
    };
    acts.act(4, "lan", "::1", again).unwrap_err();
    acts.act(4, "lan", "::1", Deed::Reopen { case: case(), why: "cash left".into() }).unwrap();
    let casework = acts.act(5, "minh", "::1", approve(3)).unwrap();
    let undone = payments(&casework, &folded(&casework, fee(1_000))).remove(&day(SECOND)).unwrap();
    assert_eq!(undone[&bank()].adjusted_minor, 2_000_000);
    // A refund that was recorded before acquirers owed for it stays as it was: closed days keep their files.
    let before = tempfile::tempdir().unwrap();
    let acts = ActFile::new(before.path(), keys());
    acts.act(1, "lan", "::1", refund(false, 2_000_000)).unwrap();
    let casework = acts.act(2, "minh", "::1", approve(0)).unwrap();
    let close = casework.close(&folded(&casework, fee(1_000)), day(FIRST), fee(1_000)).unwrap();
    let casework = acts.act(3, "minh", "::1", close).unwrap();
    assert_eq!(line_of(&casework, "970415"), ["A|1|refund||2026-05-03|2000000"]);
    assert_eq!(line_of(&casework, ACQUIRER), [] as [&str; 0]);
}

/// The bank's case and the machine's of one transaction knew nothing of each other: the bank paid 1,800,000 for 900,000 of cash.
#[test]
fn one_debt_stands_once_in_the_files_of_a_day() {
    let (bank_s, machine_s) = (CaseId { aspect: Aspect::Bank, ..case() }, case());
    let about = |kind, theirs_minor| About {
        acquirer: ACQUIRER.parse().ok(),
        terminal: Some(TerminalId(*b"HN000001")),
        theirs_minor,
        ..*about(kind, 0)
    };
    let adjust = |case, about: About, amount_minor| Deed::Propose {
        case,
        about: Box::new(about),
        resolution: Resolution::Adjustment,
        amount_minor,
        bank: Some(bank()),
        why: "cash left".into(),
    };
    let posted = || about(Kind::MissingAtBank, 900_000);
    let moved = |theirs_minor| about(Kind::DispensedNotDebited, theirs_minor);
    let approve = |case, proposal| Deed::Approve { case, proposal };
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let act = |who: &str, deed: Deed| acts.act(1, who, "::1", deed).map_err(|error| error.to_string());
    const BESIDE: &str =
        "the same debt is booked or proposed of the transaction's other case: accept this one";
    // Of what has no end, and of what agrees in amount, the whole may be booked, and what the other case has is part of it.
    let unknown = |kind| About { kind, ours_minor: 900_000, ..about(kind, 900_000) };
    act("lan", adjust(bank_s, posted(), 900_000)).unwrap();
    for about in [moved(900_000), unknown(Kind::Suspense), unknown(Kind::LateReversal)] {
        assert_eq!(act("lan", adjust(machine_s, about, 900_000)).unwrap_err(), BESIDE);
    }
    act("minh", approve(bank_s, 0)).unwrap();
    assert_eq!(act("lan", adjust(machine_s, moved(900_000), 900_000)).unwrap_err(), BESIDE);
    // The other way is another debt, and what is taken back makes room again.
    act("lan", adjust(machine_s, About { ours_minor: 500_000, ..moved(0) }, -500_000)).unwrap();
    act("lan", Deed::Reopen { case: machine_s, why: "a mistake".into() }).unwrap();
    act("lan", Deed::Reopen { case: bank_s, why: "the machine's is the one".into() }).unwrap();
    assert_eq!(act("lan", adjust(machine_s, moved(900_000), 900_000)).unwrap_err(), BESIDE);
    act("minh", approve(bank_s, 4)).unwrap();
    act("lan", adjust(machine_s, moved(900_000), 900_000)).unwrap();
    let casework = act("minh", approve(machine_s, 6)).unwrap();

    let close = casework.close(&folded(&casework, fee(1_000)), day(FIRST), fee(1_000)).unwrap();
    let casework = act("minh", close).unwrap();
    let book = folded(&casework, fee(1_000));
    let lines = |member: &str| {
        let member = member.parse().unwrap();
        let (file, _) = settlement(&casework, &book, "switch", 704, day(FIRST), member, |_| false).unwrap();
        let text = String::from_utf8(file.to_bytes()).unwrap();
        text.lines().filter(|line| line.starts_with("A|")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lines("970415"),
        [
            "A|1|adjustment||2026-05-03|900000",
            "A|5|adjustment||2026-05-03|-900000",
            "A|7|adjustment||2026-05-03|900000"
        ]
    );
    let paid = payments(&casework, &book).remove(&day(FIRST)).unwrap();
    assert_eq!(paid[&bank()].adjusted_minor, 900_000);
    assert_eq!(paid.values().map(|paid| paid.net_minor()).sum::<i64>(), 0);
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
