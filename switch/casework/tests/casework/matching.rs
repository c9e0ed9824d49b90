//! Files beside the log: what is found, across the edge of the days that are held too.

use std::collections::BTreeMap;

use casework::{Deed, Matching, PassedOver, Void, by_hand};
use exchange::{Digest, FileKey, FileKind, JOURNAL_COLUMNS};
use processor::{BankIdentity, Body, Code, Day, Record, Reversal, TerminalId, UtcSeconds};
use reconciliation::{Book, Decision, FeeTable, Held, LineId, Matcher, Rules};

use crate::support::{
    ACQUIRER, FIRST, GOOD, NOW_S, SECOND, bank, cut_over, cutover, day, desk, key, take, take_as, told, uses,
};

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

/// A match by hand whose file had gone, or whose line had been laid to something else since, looked as if it counted.
#[test]
fn what_was_said_by_hand_says_what_has_made_it_void() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day(FIRST);
    let mut book = Book::new(FeeTable::default(), Some(of)).holding(Held { days: 1, ..Held::default() });
    [10, 20].into_iter().for_each(|position| told(&mut book, position, of));
    let text = GOOD.replace("612300000001", "");
    let digest = Digest::of(text.as_bytes());
    let line = LineId { file: digest.file(), line: 2 };
    let ours = |line| LineId { file: LineId::LOG, line };
    let act = |who, deed| desk.acts().act(5, who, "::1", deed).unwrap().next() - 1;
    let mut matching = Matching::new(Rules::default());
    let mut void = |book: &mut Book| {
        let casework = desk.acts().read().unwrap().0;
        desk.match_on(&casework, book, &mut matching, NOW_S).unwrap();
        by_hand(&casework, &matching).iter().map(|said| said.void).collect::<Vec<_>>()
    };
    let take_back = |key| {
        let proposal = act("lan", Deed::TakeBack { digest, key, why: "another's".into() });
        act("minh", Deed::ApproveTakeBack { digest, key, proposal })
    };
    let other = FileKey { bank: ACQUIRER.parse().ok(), ..key(1) };
    take(&desk, &text, 1).unwrap();
    act("lan", Deed::Match { line, ours: ours(10) });
    assert_eq!(void(&mut book), [None]);
    let gone = take_back(key(1));
    assert_eq!(void(&mut book), [Some(Void::TakenBack(gone))]);
    take_as(&desk, &text, other, 1).unwrap();
    assert_eq!(void(&mut book), [Some(Void::OtherBank(gone))]);
    take_back(other);
    take(&desk, &text, 1).unwrap();
    assert_eq!(void(&mut book), [None], "its file is back");
    let parted = act("lan", Deed::Part { line, ours: ours(10) });
    assert_eq!(void(&mut book), [Some(Void::Replaced(parted)), None]);
    act("lan", Deed::Match { line, ours: ours(20) });
    let parted = Some(Void::Replaced(parted));
    assert_eq!(void(&mut book), [parted, None, None], "what it does not belong to stays said");
    let again = act("lan", Deed::Match { line, ours: ours(10) });
    let again = Some(Void::Replaced(again));
    assert_eq!(void(&mut book), [parted, again, again, None]);
    cut_over(&mut book, 30, day(SECOND));
    assert_eq!(void(&mut book), [parted, again, again, Some(Void::LetGo)]);
}
