//! What a day comes to by the log: which day, which totals, what is late, and that it is the same each time.

#![allow(clippy::unwrap_used)]

use credential::{CitizenNumber, Pan, Pseudonym};
use processor::{
    BankIdentity, Body, Carried, ClaimReason, Class, Code, Content, Day, Declined, Figures, Institution,
    Intent, Kind, NoteReason, Outcome, Record, Request, Resolution, Reversal, Rrn, Side, State, Suspense,
    TerminalId, Totals, TotalsStep, Transaction, TxKey, UtcSeconds,
};
use reconciliation::calendar::Calendar;
use reconciliation::{
    Book, Claimed, Detail, Ended, Fee, FeeTable, Held, ITEMS_MAX, MONEY_MAX, Ours, State as DayState,
    differences,
};

const AT_MS: i64 = 1_777_777_200_000;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn bank(digits: &str) -> Institution {
    digits.parse().unwrap()
}

fn key(stan: u32) -> TxKey {
    TxKey {
        class: Class::Financial,
        acquirer: bank("970418"),
        terminal: TerminalId(*b"HN000001"),
        sent_at: UtcSeconds(AT_MS / 1000),
        stan,
    }
}

fn intent(kind: Kind, amount_minor: u64, of: &str) -> Body {
    let citizen_number = CitizenNumber::parse(b"001203000017").unwrap();
    let content = Content {
        citizen: Pseudonym([7; 16]),
        processing: *b"010000",
        amount_minor,
        currency: 704,
        original: None,
        left_minor: None,
        institution: None,
        from_account: None,
        to_account: None,
    };
    let request = Request {
        kind,
        pan: Pan::new(*b"970499", &citizen_number),
        content,
        rrn: Rrn(*b"612300000001"),
        rrn_from_terminal: false,
        carried: Carried::default(),
    };
    Body::Intent(Box::new(Intent {
        request,
        bank: bank("970415"),
        account: None,
        identity: BankIdentity { sent_at: UtcSeconds(AT_MS / 1000), stan: 1 },
        day: day(of),
        reference: None,
        evidence: None,
    }))
}

fn withdrawal(of: &str) -> Body {
    intent(Kind::Withdrawal, 2_000_000, of)
}

fn outcome() -> Body {
    Body::Outcome(Outcome { approval: None, carried: Carried::default() })
}

fn declined() -> Body {
    Body::Declined(Box::new(Declined {
        request: None,
        code: Code::FUNDS,
        bank_code: None,
        send_sod: false,
        evidence: None,
    }))
}

fn reversal(of: &str, left_minor: u64) -> Body {
    Body::Reversal(Reversal {
        identity: BankIdentity { sent_at: UtcSeconds(AT_MS / 1000), stan: 2 },
        day: day(of),
        left_minor,
        reason: Code::LATE,
        answer: Code::UNAVAILABLE,
        advice: None,
    })
}

fn fees() -> FeeTable {
    let fee =
        |bank, fixed_minor, basis_points| Fee { bank, asked: Kind::Withdrawal, fixed_minor, basis_points };
    FeeTable::new(vec![fee(None, 3_300, 0), fee(Some(bank("970415")), 1_000, 10)]).unwrap()
}

/// Records of numbered transactions, 0 for acts on the switch, in the order of the log.
fn log(records: Vec<(u32, Body)>) -> Vec<Record> {
    let record = |(stan, body): (u32, Body)| {
        let suspense = match body {
            Body::Claim(..) => Some(Suspense::Claim),
            Body::Note(NoteReason::PastItsAge, _) => Some(Suspense::Age),
            _ => None,
        };
        Record { at_ms: AT_MS, transaction: (stan != 0).then(|| key(stan)), suspense, spend: None, body }
    };
    records.into_iter().map(record).collect()
}

fn read(records: &[Record], close: Option<(&str, usize)>) -> Book {
    let mut book = Book::new(fees(), None);
    for (position, record) in records.iter().enumerate() {
        if let Some((closed, at)) = close
            && at == position
        {
            book.close(day(closed), at as u64, AT_MS);
        }
        book.apply(position as u64, record).unwrap();
    }
    book
}

fn element(book: &Book, of: &str, number: u8) -> i64 {
    book.sheet(day(of)).unwrap().members.get(&bank("970415")).map_or(0, |totals| totals.element(number))
}

#[test]
fn our_side_of_a_transaction_is_that_of_its_own_fold() {
    const D: &str = "2026-05-03";
    let note = |reason| Body::Note(reason, None);
    let claim = || Body::Claim(ClaimReason::OtherAmount, None);
    let resolution = || Body::Resolution(Resolution::new("lan", "counted").unwrap());
    let rows: Vec<(Vec<Body>, i64)> = vec![
        (vec![withdrawal(D)], 2_000_000),
        (vec![withdrawal(D), outcome()], 2_000_000),
        (vec![withdrawal(D), outcome(), Body::Complete(None)], 2_000_000),
        (vec![withdrawal(D), declined()], 0),
        (vec![withdrawal(D), declined(), reversal(D, 0)], 0),
        (vec![withdrawal(D), outcome(), reversal(D, 500_000), Body::Reversed(Code::APPROVED)], 500_000),
        (vec![withdrawal(D), reversal(D, 0), note(NoteReason::ApprovalSeen)], 0),
        (vec![withdrawal(D), outcome(), note(NoteReason::PastItsAge)], 2_000_000),
        (vec![withdrawal(D), outcome(), note(NoteReason::PastItsAge), Body::Complete(None)], 2_000_000),
        (vec![withdrawal(D), outcome(), note(NoteReason::PastItsAge), reversal(D, 0)], 0),
        (vec![withdrawal(D), claim(), outcome(), Body::Complete(None)], 2_000_000),
        (vec![withdrawal(D), claim(), outcome(), Body::Complete(None), resolution()], 2_000_000),
        (vec![intent(Kind::Deposit, 500_000, D), outcome()], -500_000),
        (vec![intent(Kind::Transfer, 500_000, D), outcome()], 500_000),
    ];
    for (bodies, net_minor) in rows {
        let records = log(bodies.into_iter().map(|body| (1, body)).collect());
        let mut transaction = Transaction::new(key(1));
        records.iter().for_each(|record| transaction.apply(record).unwrap());
        let ours: Vec<Ours> = read(&records, None).take_changed().cloned().collect();
        let names: Vec<&str> = records.iter().map(|record| record.body.name()).collect();
        let ended = match transaction.state {
            State::Approved => Ended::Approved,
            State::Completed => Ended::Completed,
            State::Declined => Ended::Declined,
            State::Reversing | State::Reversed => Ended::Reversed,
            _ => Ended::Unknown,
        };
        assert_eq!(ours[0].ended, ended, "{names:?}");
        assert_eq!(ours[0].is_suspense, transaction.suspense.is_some(), "{names:?}");
        assert_eq!(ours[0].net_minor, net_minor, "{names:?}");
    }
}

/// Transaction 1 is approved in the first day and reversed in the second; 2 was begun in the first and approved behind the cutover; 3 is a
/// deposit; 4 is an inquiry; 5 is reversed and was never approved; 6 is reversed, and its approval was seen.
fn two_days() -> Vec<Record> {
    const FIRST: &str = "2026-05-03";
    const SECOND: &str = "2026-05-04";
    log(vec![
        (0, Body::Cutover(day(FIRST))),
        (1, withdrawal(FIRST)),
        (1, outcome()),
        (2, withdrawal(FIRST)),
        (3, intent(Kind::Deposit, 500_000, FIRST)),
        (3, outcome()),
        (4, intent(Kind::Balance, 0, FIRST)),
        (4, outcome()),
        (0, Body::Cutover(day(SECOND))),
        (2, outcome()),
        (1, reversal(SECOND, 500_000)),
        (5, withdrawal(SECOND)),
        (5, reversal(SECOND, 0)),
        (6, withdrawal(SECOND)),
        (6, reversal(SECOND, 0)),
        (6, Body::Note(NoteReason::ApprovalSeen, None)),
    ])
}

#[test]
fn a_day_is_fixed_at_intent_and_a_reversal_settles_in_the_day_that_is_open() {
    let book = read(&two_days(), None);
    for (of, number, expected) in [
        ("2026-05-03", 76, 2),
        ("2026-05-03", 88, 4_000_000),
        ("2026-05-03", 77, 0),
        ("2026-05-03", 74, 1),
        ("2026-05-03", 86, 500_000),
        ("2026-05-03", 80, 1),
        ("2026-05-03", 85, 2 * (1_000 + 2_000)),
        ("2026-05-03", 97, 4_000_000 - 500_000 + 6_000),
        ("2026-05-04", 76, 1),
        ("2026-05-04", 77, 2),
        ("2026-05-04", 89, 1_500_000 + 2_000_000),
        // The fee of what is reversed whole is given back, of a part it is kept.
        ("2026-05-04", 85, 0),
        ("2026-05-04", 97, -1_500_000),
    ] {
        assert_eq!(element(&book, of, number), expected, "{of} DE{number}");
    }
    let sheet = book.sheet(day("2026-05-03")).unwrap();
    assert_eq!((sheet.state, book.open_day()), (DayState::CuttingOver, Some(day("2026-05-04"))));
    assert_eq!(sheet.net_positions().values().sum::<i64>(), 0);
}

/// The bank may count what we do not: told as out of balance, and nothing said why.
#[test]
fn lost_answers_are_known_by_the_day_that_began_and_the_day_that_took_back() {
    let (first, second) = ("2026-05-03", "2026-05-04");
    let begun = |number, of| {
        [(number, withdrawal(of)), (number, reversal(of, 0)), (number, Body::Reversed(Code::APPROVED))]
    };
    let mut records = vec![(0, Body::Cutover(day(first)))];
    records.extend(begun(1, first));
    records.extend(begun(2, first));
    // Approved and taken back, declined, and under way: we count the one as the bank does, and it counts none of the others.
    records.extend([(3, withdrawal(first)), (3, outcome()), (3, reversal(first, 0))]);
    records.extend([(4, withdrawal(first)), (4, declined()), (5, withdrawal(first)), (6, withdrawal(first))]);
    records.extend([(0, Body::Cutover(day(second))), (6, reversal(second, 0))]);
    let lost = |book: &Book, of: &str| {
        let lost = book.lost_answers(day(of), bank("970415"));
        (
            lost.iter().filter(|one| !one.is_reversal).count(),
            lost.iter().filter(|one| one.is_reversal).count(),
        )
    };
    let mut book = read(&log(records), None);
    assert_eq!((lost(&book, first), lost(&book, second)), ((3, 2), (0, 1)));
    assert_eq!(book.lost_answers(day(first), bank("970418")), []);
    // What the bank says in the end we count too.
    let seen = log(vec![(2, Body::Note(NoteReason::ApprovalSeen, None))]);
    book.apply(book.next(), &seen[0]).unwrap();
    assert_eq!((lost(&book, first), element(&book, first, 76)), ((2, 1), 2));
}

#[test]
fn what_comes_behind_the_close_is_an_adjustment_of_the_open_day() {
    let records = two_days();
    let book = read(&records, Some(("2026-05-03", 9)));
    assert_eq!(element(&book, "2026-05-03", 76), 1);
    assert_eq!(element(&book, "2026-05-04", 76), 2);
    let adjustments = &book.sheet(day("2026-05-04")).unwrap().adjustments;
    let adjusted = adjustments.get(&(day("2026-05-03"), bank("970415"))).unwrap();
    assert_eq!((adjusted.debits.count, adjusted.debits.amount_minor), (1, 2_000_000));
    // Both days together are what they are without a close.
    let both = |book: &Book| element(book, "2026-05-03", 97) + element(book, "2026-05-04", 97);
    assert_eq!(both(&book), both(&read(&records, None)));
}

/// What the lines of a day come to.
fn listed(book: &Book, of: Day) -> i64 {
    let owed = |detail: &Detail| match (detail.entry.asked, detail.entry.is_reversal) {
        (Kind::Withdrawal | Kind::Deposit, false) => detail.entry.amount_minor,
        (Kind::Withdrawal | Kind::Deposit, true) => -detail.entry.amount_minor,
        _ => 0,
    };
    book.details(of, bank("970415")).iter().map(|detail| owed(detail) + detail.fee_minor).sum()
}

/// What the settlement file lists comes to what the sheet says, day by day.
#[test]
fn details_come_to_the_totals() {
    for close in [None, Some(("2026-05-03", 9))] {
        let book = read(&two_days(), close);
        for sheet in book.sheets() {
            assert_eq!(listed(&book, sheet.day), sheet.members[&bank("970415")].net_minor(), "{}", sheet.day);
        }
    }
}

/// What began in a day before those that are held, and was reversed or settled in one of them, was let go: that day's file lacked its lines.
#[test]
fn what_settles_in_a_day_that_is_held_is_held_whatever_day_it_began_in() {
    let mut records = two_days();
    records.extend(log(vec![(0, Body::Cutover(day("2026-05-05")))]));
    for close in [None, Some(("2026-05-03", 9))] {
        let mut book = Book::new(fees(), None).holding(Held { days: 2, ..Held::default() });
        for (position, record) in (0..).zip(&records) {
            if let Some((of, at)) = close.filter(|(_, at)| *at == position) {
                book.close(day(of), at, AT_MS);
            }
            if close.is_some() && record.body == Body::Cutover(day("2026-05-05")) {
                book.close(day("2026-05-04"), position, AT_MS);
            }
            book.apply(position, record).unwrap();
        }
        let second = day("2026-05-04");
        assert_eq!(book.held_from(), Some(second));
        assert_eq!(listed(&book, second), book.sheet(second).unwrap().members[&bank("970415")].net_minor());
    }
}

/// A day was let go before its files were made: they could not be made any more. The day before it is held with it, whose files reach into it.
#[test]
fn a_day_that_is_not_closed_is_not_let_go_where_days_are_closed() {
    let days = ["2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06", "2026-05-07"];
    let unread = || Book::new(fees(), None).holding(Held { days: 2, ..Held::default() });
    let held_from = |mut book: Book, closed: &[&str]| {
        let mut seen = Vec::new();
        for (position, of) in (0..).zip(days) {
            book.apply(position, &log(vec![(0, Body::Cutover(day(of)))])[0]).unwrap();
            // Each as soon as it is over, but for the last.
            let over = closed.iter().filter(|one| **one < of);
            over.for_each(|one| book.close(day(one), position, AT_MS));
            seen.push(book.held_from().map(|from| from.to_string()));
        }
        seen
    };
    let told = |rows: [Option<&str>; 5]| rows.map(|row| row.map(str::to_owned)).to_vec();
    let [first, second, third, fourth, _] = days.map(Some);
    assert_eq!(
        held_from(unread(), &[]),
        told([None, None, second, third, fourth]),
        "nobody closes days here"
    );
    assert_eq!(held_from(unread().holding_unclosed(), &[]), told([None; 5]), "none is closed yet");
    assert_eq!(held_from(unread(), &days[..4]), told([None, None, None, second, third]));
    assert_eq!(held_from(unread(), &days[..2]), told([None, None, None, second, second]));
    assert_eq!(held_from(unread(), &days[..1]), told([None; 5]), "{first:?} is held with the second");
}

#[test]
fn the_same_log_gives_the_same_days() {
    let days = |book: &Book| book.sheets().map(|sheet| format!("{sheet:?}")).collect::<Vec<_>>();
    let once = read(&two_days(), Some(("2026-05-03", 9)));
    assert_eq!(days(&once), days(&read(&two_days(), Some(("2026-05-03", 9)))));
}

#[test]
fn a_member_s_totals_are_held_against_ours_element_by_element() {
    let book = read(&two_days(), None);
    let ours = book.sheet(day("2026-05-03")).unwrap().figures(Side::Issuer, bank("970415"));
    let mut claimed: Claimed = ours.iter().filter(|(number, _)| *number < 90).collect();
    assert_eq!(differences(&ours, &claimed), []);
    claimed.insert(88, 6_000_000);
    claimed.insert(76, 3);
    let found: Vec<(u8, i64, i64)> = differences(&ours, &claimed)
        .iter()
        .map(|difference| (difference.element.number, difference.ours, difference.theirs))
        .collect();
    assert_eq!(found, [(76, 2, 3), (88, 4_000_000, 6_000_000)]);
}

/// A TOTALS record in which a member says one figure, or none.
fn totals(step: TotalsStep, side: Side, of: &str, net_minor: Option<i64>) -> Body {
    let mut theirs = Figures::default();
    net_minor.into_iter().for_each(|minor| theirs.set(97, minor));
    let name = BankIdentity { sent_at: UtcSeconds(AT_MS / 1000), stan: 900_000 };
    Body::Totals(Box::new(Totals {
        step,
        side,
        member: bank("970415"),
        terminal: None,
        name,
        day: day(of),
        as_of: 0,
        ours: Figures::default(),
        theirs,
    }))
}

fn read_on(book: &mut Book, body: Body) {
    let record = Record { at_ms: AT_MS, transaction: None, suspense: None, spend: None, body };
    book.apply(book.next(), &record).unwrap();
}

#[test]
fn what_a_member_says_over_its_link_claims_something_once_the_day_has_ended() {
    const FIRST: &str = "2026-05-03";
    let mut book = read(&two_days(), None);
    let open = book.open_day().unwrap().to_string();
    let who = (Side::Issuer, bank("970415"));
    for (step, of, net_minor, claimed, is_unanswered) in [
        (TotalsStep::Said, open.as_str(), Some(7), None, false),
        (TotalsStep::Asked, FIRST, None, None, false),
        (TotalsStep::GivenUp, FIRST, None, None, true),
        (TotalsStep::Answered, FIRST, Some(8), Some(8), false),
        (TotalsStep::Said, FIRST, Some(9), Some(9), false),
    ] {
        read_on(&mut book, totals(step, who.0, of, net_minor));
        let told = &book.sheet(day(of)).unwrap().exchanged[&who];
        let said = told.claimed.as_ref().map(|(_, claimed)| claimed[&97]);
        assert_eq!((said, told.is_unanswered), (claimed, is_unanswered), "{step:?} of {of}");
    }
    assert!(!book.sheet(day(FIRST)).unwrap().exchanged.contains_key(&(Side::Acquirer, who.1)));
}

#[test]
fn an_acquirer_has_what_all_banks_citizens_did_at_its_terminals_with_the_other_sign() {
    let book = read(&two_days(), None);
    for sheet in book.sheets() {
        let sum = |side: Side, members: Vec<Institution>, number: u8| -> i64 {
            members.iter().filter_map(|member| sheet.figures(side, *member).get(number)).sum()
        };
        let issuers = || sheet.members.keys().copied().collect::<Vec<_>>();
        let acquirers = || sheet.acquirers.keys().copied().collect::<Vec<_>>();
        for number in (74..=89).chain([97]) {
            let sign = if number == 97 { -1 } else { 1 };
            assert_eq!(
                sum(Side::Acquirer, acquirers(), number),
                sign * sum(Side::Issuer, issuers(), number),
                "DE{number} of {}",
                sheet.day
            );
        }
    }
}

#[test]
fn letting_go_of_what_is_completed_changes_no_day() {
    let records = two_days();
    let whole = read(&records, None);
    for at in 0..records.len() {
        let mut book = Book::new(fees(), None);
        for (position, record) in (0..).zip(&records) {
            // Of what was let go a repeated end says nothing new.
            let _ = book.apply(position, record);
            if position == at as u64 {
                book.forget_completed();
            }
        }
        let days = |book: &Book| book.sheets().map(|sheet| format!("{sheet:?}")).collect::<Vec<_>>();
        assert_eq!(days(&book), days(&whole), "behind record {at}");
    }
}

#[test]
fn a_record_that_follows_nothing_is_named() {
    let mut book = Book::new(fees(), None);
    let records = log(vec![(1, outcome())]);
    assert_eq!(
        book.apply(41, &records[0]).unwrap_err().to_string(),
        "record 41: it does not follow from the records before it"
    );
}

/// The book ended at its bound, and what it had let go was an error for ever.
#[test]
fn the_oldest_days_are_let_go_for_new_ones_and_what_comes_too_late_is_counted() {
    let (first, second) = ("2026-05-03", "2026-05-04");
    let records = log(vec![
        (0, Body::Cutover(day(first))),
        (1, withdrawal(first)),
        (1, outcome()),
        (1, Body::Complete(None)),
        (2, withdrawal(first)),
        (0, Body::Cutover(day(second))),
        (3, withdrawal(second)),
        // Of 1 single records are held no more; 2 has no end, and is held.
        (1, reversal(second, 0)),
        (1, Body::Reversed(Code::APPROVED)),
        (2, outcome()),
    ]);
    let read = |held| {
        let mut book = Book::new(fees(), None).holding(held);
        let told: Vec<_> =
            (0..).zip(&records).map(|(position, record)| book.apply(position, record)).collect();
        let told: Result<Vec<()>, _> = told.into_iter().collect();
        (told.map(|_| ()).map_err(|error| error.to_string()), book)
    };
    let (told, book) = read(Held { transactions: 2, ..Held::default() });
    assert_eq!((told, book.left_out(), book.held_from()), (Ok(()), 1, Some(day(second))));
    assert_eq!(element(&book, first, 76), 2, "what a day came to stays");
    assert_eq!(book.ours().count(), 2);
    let (told, book) = read(Held { days: 1, ..Held::default() });
    assert_eq!((told, book.left_out(), book.held_from()), (Ok(()), 1, Some(day(second))));
    let (told, book) = read(Held::default());
    assert_eq!((told, book.left_out(), book.held_from()), (Ok(()), 0, None));
    let (told, _) = read(Held { transactions: 1, ..Held::default() });
    assert_eq!(told, Err("record 4: the open day has more transactions than are held".to_owned()));
}

/// A reversal gave back the fee of the day in which it settles: one that had never been taken.
#[test]
fn a_reversal_gives_back_the_fee_that_was_taken() {
    let (first, second) = ("2026-05-03", "2026-05-04");
    let records = log(vec![
        (0, Body::Cutover(day(first))),
        (1, withdrawal(first)),
        (1, outcome()),
        (2, withdrawal(first)),
        (2, outcome()),
        (0, Body::Cutover(day(second))),
        (1, reversal(second, 0)),
        (2, reversal(second, 500_000)),
        (3, withdrawal(second)),
        (3, outcome()),
        (3, reversal(second, 0)),
    ]);
    let fee = Fee { bank: None, asked: Kind::Withdrawal, fixed_minor: 11_000, basis_points: 0 };
    let mut book = Book::new(FeeTable::new(vec![fee]).unwrap(), None);
    book.fix_fees(day(first), fees());
    (0..).zip(&records).for_each(|(position, record)| book.apply(position, record).unwrap());
    let told = |of: &str| {
        let details = book.details(day(of), bank("970415"));
        let told = details.iter().map(|detail| (detail.position, detail.entry.is_reversal, detail.fee_minor));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(first), [(1, false, 3_000), (3, false, 3_000)]);
    assert_eq!(told(second), [(1, true, -3_000), (3, true, 0), (8, false, 11_000), (8, true, -11_000)]);
    assert_eq!((element(&book, first, 85), element(&book, second, 85)), (6_000, -3_000));
}

/// A matcher takes three items and more of each: a book that held more than fit filled it, and it stopped for good.
#[test]
fn days_are_let_go_while_a_matcher_has_room_for_what_is_held() {
    let days = ["2026-05-03", "2026-05-04", "2026-05-05"];
    let mut records = Vec::new();
    for (number, of) in (1..).zip(days) {
        records.push((0, Body::Cutover(day(of))));
        for stan in [number * 10, number * 10 + 1] {
            records.extend([(stan, withdrawal(of)), (stan, outcome()), (stan, Body::Complete(None))]);
        }
        // What moves no money is no item of a matcher.
        records.extend([(number * 10 + 2, intent(Kind::Balance, 0, of)), (number * 10 + 2, outcome())]);
    }
    let records = log(records);
    let read = |of_money| {
        let mut book = Book::new(fees(), None).holding(Held { of_money, ..Held::default() });
        (0..).zip(&records).for_each(|(position, record)| book.apply(position, record).unwrap());
        book
    };
    for (of_money, from, held) in
        [(6, None, 6), (4, Some(days[1]), 4), (3, Some(days[2]), 2), (1, Some(days[2]), 2)]
    {
        let book = read(of_money);
        assert_eq!((book.held_from(), book.ours().count()), (from.map(day), held), "{of_money}");
        assert_eq!(element(&book, days[0], 76), 2, "what a day came to stays");
    }
    let mut book = read(6);
    let let_go: Vec<bool> = (0..3).map(|_| book.let_go_oldest()).collect();
    assert_eq!(
        (let_go, book.held_from()),
        (vec![true, true, false], Some(day(days[2]))),
        "never the open one"
    );
    assert!(3 * MONEY_MAX < ITEMS_MAX as usize);
}

#[test]
fn cutovers_pass_over_days_without_settlement() {
    let calendar = Calendar {
        // The first three days of Tết 2026, a Tuesday to a Thursday.
        holidays: ["2026-02-17", "2026-02-18", "2026-02-19"].map(day).into(),
        weekends_closed: true,
        utc_offset_minutes: 420,
        cutover_minute: Some(23 * 60),
    };
    // Moments are UTC: 16:00 is 23:00 in Hà Nội.
    for (day_utc, minute, open) in [
        ("2026-02-12", 15 * 60 + 59, "2026-02-12"),
        ("2026-02-12", 16 * 60, "2026-02-13"),
        ("2026-02-13", 16 * 60, "2026-02-16"),
        ("2026-02-16", 15 * 60 + 59, "2026-02-16"),
        ("2026-02-16", 16 * 60, "2026-02-20"),
        ("2026-02-18", 3 * 60, "2026-02-20"),
    ] {
        let at_ms = day(day_utc).begins_ms() + minute * 60_000;
        assert_eq!(calendar.due_at(at_ms), Ok(Some(day(open))), "{day_utc} {minute}");
    }
    let midnight = Calendar { cutover_minute: Some(0), ..Calendar::default() };
    assert_eq!(midnight.due_at(day("2026-05-04").begins_ms()), Ok(Some(day("2026-05-04"))));
    assert_eq!(Calendar::default().due_at(AT_MS), Ok(None));
    assert_eq!(calendar.after_working_days(day("2026-02-13"), 2), Ok(day("2026-02-20")));
    let never = Calendar {
        holidays: (0..60)
            .map(|ahead| Day::of_unix_ms(day("2026-01-01").begins_ms() + ahead * 86_400_000))
            .collect(),
        ..calendar
    };
    assert!(never.working_from(day("2026-01-01")).is_err());
}
