//! Each exception of the design, and each rule: what the sides say, and what must come out.

#![allow(clippy::unwrap_used)]

mod world;

use processor::Rrn;
use reconciliation::{
    Aspect, CashLine, Decision, Ended, Full, Kind, LineId, Matcher, Misfit, Ours, Posting, Rule, Rules,
};
use world::{Say, again, cash, day, exceptions, matched, nameless, ours, posting, rrn, terminal};

/// One transaction whose sides may be changed or missing, and the exceptions that must come out.
struct Case {
    name: &'static str,
    ours: Option<Ours>,
    bank: Vec<Posting>,
    machine: Vec<CashLine>,
    expected: &'static [&'static str],
}

fn case(name: &'static str, expected: &'static [&'static str]) -> Case {
    Case { name, ours: Some(ours(1)), bank: vec![posting(1)], machine: vec![cash(1)], expected }
}

fn reversed(left_minor: i64) -> Ours {
    Ours { ended: Ended::Reversed, net_minor: left_minor, reversal_day: Some(day(3)), ..ours(1) }
}

fn back(amount_minor: i64) -> Posting {
    Posting { amount_minor: -amount_minor, ..again(posting(1)) }
}

fn moved(moved_minor: i64) -> Vec<CashLine> {
    vec![CashLine { moved_minor, ..cash(1) }]
}

#[test]
fn each_exception_has_its_kind() {
    let cases = [
        case("all agree", &[]),
        Case { bank: vec![], ..case("not posted", &["bank missing_at_bank 1"]) },
        Case { ours: None, machine: vec![], ..case("posted alone", &["bank missing_at_switch 1"]) },
        Case { ours: None, bank: vec![], ..case("dispensed alone", &["machine missing_at_switch 1"]) },
        Case { machine: vec![], ..case("no journal line", &["machine missing_in_journal 1"]) },
        Case { bank: vec![posting(1), again(posting(1))], ..case("posted twice", &["bank duplicate 1001"]) },
        Case {
            machine: vec![cash(1), CashLine { id: LineId { file: 0x70, line: 9 }, ..cash(1) }],
            ..case("journal line twice", &["machine duplicate 9"])
        },
        Case {
            bank: vec![Posting { amount_minor: 2_500_000, ..posting(1) }],
            ..case("posted too much", &["bank amount_over 1"])
        },
        Case {
            bank: vec![Posting { amount_minor: 500_000, ..posting(1) }],
            ..case("posted too little", &["bank amount_under 1"])
        },
        Case { bank: vec![Posting { currency: 840, ..posting(1) }], ..case("dollars", &["bank currency 1"]) },
        Case {
            bank: vec![Posting { terminal: Some(terminal(2)), ..posting(1) }],
            ..case("another terminal", &["bank data_mismatch 1"])
        },
        Case {
            bank: vec![Posting { rrn: Some(rrn(77)), ..posting(1) }],
            ..case("another reference", &["bank data_mismatch 1"])
        },
        Case { machine: moved(0), ..case("no cash", &["machine debited_not_dispensed 1"]) },
        Case { machine: moved(500_000), ..case("part of the cash", &["machine part_dispensed 1"]) },
        Case {
            ours: Some(reversed(0)),
            bank: vec![posting(1), back(2_000_000)],
            ..case("cash though reversed", &["machine dispensed_not_debited 1"])
        },
        Case {
            machine: vec![CashLine { moved_minor: 0, is_retracted: true, ..cash(1) }],
            ..case("drawn back in", &["machine retracted 1"])
        },
        Case { bank: vec![Posting { day: day(4), ..posting(1) }], ..case("next day", &["bank other_day 1"]) },
        Case {
            ours: Some(Ours { reversal_day: Some(day(4)), ..reversed(0) }),
            bank: vec![posting(1), Posting { day: day(4), ..back(2_000_000) }],
            machine: moved(0),
            ..case("reversed the next day", &["switch late_reversal 1"])
        },
        Case {
            ours: Some(Ours { ended: Ended::Unknown, ..ours(1) }),
            bank: vec![],
            machine: vec![],
            ..case("nobody knows", &["switch suspense 1"])
        },
        Case {
            ours: Some(Ours { ended: Ended::Approved, ..ours(1) }),
            machine: vec![],
            ..case("approved, and the machine is silent", &["switch suspense 1"])
        },
        Case {
            ours: Some(reversed(0)),
            machine: moved(0),
            ..case("the bank has no reversal", &["bank missing_at_bank 1"])
        },
        Case {
            bank: vec![posting(1), back(2_000_000)],
            ..case("a reversal of the bank's own", &["bank missing_at_switch 1"])
        },
        Case {
            ours: Some(Ours { ended: Ended::Declined, net_minor: 0, ..ours(1) }),
            machine: moved(0),
            ..case("posted though declined", &["bank missing_at_switch 1"])
        },
        Case {
            ours: Some(reversed(500_000)),
            bank: vec![posting(1), back(1_500_000)],
            machine: moved(500_000),
            ..case("part reversed, in two postings", &[])
        },
        Case {
            ours: Some(reversed(500_000)),
            bank: vec![Posting { amount_minor: 500_000, ..posting(1) }],
            machine: moved(500_000),
            ..case("part reversed, netted by the bank", &[])
        },
        Case {
            ours: Some(reversed(0)),
            bank: vec![],
            machine: moved(0),
            ..case("reversed, never posted", &[])
        },
        Case {
            bank: vec![
                Posting { amount_minor: 1_200_000, ..posting(1) },
                Posting { amount_minor: 800_000, ..again(posting(1)) },
            ],
            ..case("posted in two parts", &[])
        },
        Case { bank: vec![Posting { rrn: None, ..posting(1) }], ..case("by STAN alone", &[]) },
        Case { bank: vec![nameless(posting(1))], ..case("without a name, and alone", &[]) },
        Case {
            bank: vec![Posting { terminal: None, ..posting(1) }],
            ..case("by reference, without a terminal", &[])
        },
    ];
    for Case { name, ours, bank, machine, expected } in cases {
        let mut says: Vec<Say> = bank.into_iter().map(Say::Bank).collect();
        says.extend(machine.into_iter().map(Say::Machine));
        says.extend(ours.map(Say::Ours));
        assert_eq!(exceptions(&matched(&says)), expected, "{name}");
    }
}

/// Only the first line was judged: a dispense that went wrong and was tried again proved that no cash had left, and a refund was offered.
#[test]
fn a_dispense_that_was_tried_again_is_judged_by_all_its_lines() {
    let at = |line: u64, seconds: i64, moved_minor: i64| CashLine {
        id: LineId { file: world::JOURNAL_FILE, line },
        sequence: Some(line as u32),
        at_s: cash(1).at_s + seconds,
        moved_minor,
        ..cash(1)
    };
    let drawn_back = |line| CashLine { is_retracted: true, ..line };
    let bare = |line| CashLine { rrn: None, ..line };
    let half = Ours { net_minor: 500_000, ..reversed(500_000) };
    let deposit = Ours { gross_minor: -2_000_000, net_minor: -2_000_000, ..ours(1) };
    let kept = |line| CashLine { requested_minor: -2_000_000, ..line };
    let elsewhere = |line: CashLine| CashLine { id: LineId { file: 0x71, line: 9 }, ..line };
    for (name, ours, lines, expected) in [
        ("none, then all", ours(1), vec![at(1, 0, 0), at(2, 20, 2_000_000)], vec![]),
        ("in parts", ours(1), vec![at(1, 0, 1_200_000), at(2, 20, 800_000)], vec![]),
        ("in equal parts", ours(1), vec![at(1, 0, 1_000_000), at(2, 20, 1_000_000)], vec![]),
        ("drawn back in, then all", ours(1), vec![drawn_back(at(1, 0, 0)), at(2, 20, 2_000_000)], vec![]),
        ("none, then what is left of it", half, vec![at(1, 0, 0), at(2, 20, 500_000)], vec![]),
        ("a deposit in parts", deposit, vec![kept(at(1, 0, -500_000)), kept(at(2, 20, -1_500_000))], vec![]),
        ("none, twice", ours(1), vec![at(1, 0, 0), at(2, 20, 0)], vec!["debited_not_dispensed 1: 2000000 0"]),
        (
            "none, then a part",
            ours(1),
            vec![at(1, 0, 0), at(2, 20, 500_000)],
            vec!["part_dispensed 1: 2000000 500000"],
        ),
        (
            "twice all",
            ours(1),
            vec![at(1, 0, 2_000_000), at(2, 20, 2_000_000)],
            vec!["duplicate 2: 0 2000000"],
        ),
        (
            "more than was debited",
            ours(1),
            vec![at(1, 0, 2_000_000), at(2, 20, 500_000)],
            vec!["dispensed_not_debited 1: 2000000 2500000"],
        ),
        (
            "a part, in two journals that overlap",
            ours(1),
            vec![at(1, 0, 500_000), elsewhere(at(1, 0, 500_000))],
            vec!["duplicate 9: 0 500000", "part_dispensed 1: 2000000 500000"],
        ),
        ("by STAN, none, then all", ours(1), vec![bare(at(1, 0, 0)), bare(at(2, 20, 2_000_000))], vec![]),
        (
            "none by reference, then all by STAN",
            ours(1),
            vec![at(1, 0, 0), bare(at(2, 20, 2_000_000))],
            vec![],
        ),
        (
            "all by reference, and again by STAN",
            ours(1),
            vec![at(1, 0, 2_000_000), bare(at(2, 20, 2_000_000))],
            vec!["duplicate 2: 0 2000000"],
        ),
    ] {
        let mut says = vec![Say::Ours(ours.clone())];
        says.extend(lines.into_iter().map(Say::Machine));
        let found = matched(&says).exceptions().into_iter().filter(|one| one.case.aspect == Aspect::Machine);
        let mut found: Vec<String> = found
            .map(|one| format!("{} {}: {} {}", one.kind, one.case.of.line, one.ours_minor, one.theirs_minor))
            .collect();
        found.sort();
        assert_eq!(found, expected, "{name}");
    }
}

/// What a round has laid beside a transaction's own lines stayed there when a person parted it.
#[test]
fn a_line_beside_those_of_a_reference_is_parted_again() {
    let none = CashLine { moved_minor: 0, ..cash(1) };
    let all =
        CashLine { id: LineId { line: 2, ..cash(1).id }, rrn: None, at_s: cash(1).at_s + 20, ..cash(1) };
    let mut matcher =
        matched(&[Say::Ours(ours(1)), Say::Bank(posting(1)), Say::Machine(none), Say::Machine(all.clone())]);
    assert_eq!(exceptions(&matcher), [] as [&str; 0]);
    let log = LineId { file: LineId::LOG, line: 1 };
    world::tell(&mut matcher, &Say::Decide(Decision::Part { line: all.id, ours: log }));
    matcher.run();
    assert_eq!(exceptions(&matcher), ["machine missing_at_switch 2", "machine debited_not_dispensed 1"]);
}

/// A bank's reversal without a name was laid to a deposit of its amount that the bank had not posted: the lost credit was on no list.
#[test]
fn a_reversal_without_a_name_is_not_laid_to_a_deposit() {
    let back_at_s = world::NOON_S + 3_000;
    let taken_back = |(from_s, to_s): (i64, Option<i64>)| Ours {
        at_s: world::NOON_S,
        reversal_at_s: Some(from_s),
        reversed_at_s: to_s,
        gross_minor: 500_000,
        ..reversed(0)
    };
    let deposit = Ours { at_s: back_at_s + 40, gross_minor: -500_000, net_minor: -500_000, ..ours(2) };
    let posted = Posting { at_s: world::NOON_S + 1, amount_minor: 500_000, ..posting(1) };
    let bare =
        Posting { at_s: back_at_s + 20, amount_minor: -500_000, sequence: Some(5), ..nameless(posting(3)) };
    let says = |given_back| {
        let ours = [taken_back(given_back), deposit.clone()].map(Say::Ours);
        let lines = [posted.clone(), bare.clone()].map(Say::Bank);
        ours.into_iter().chain(lines).collect::<Vec<Say>>()
    };
    let of_bank = |matcher: &Matcher| {
        let found = exceptions(matcher).into_iter();
        found.filter(|one| one.starts_with("bank")).collect::<Vec<String>>()
    };
    let log = |line| LineId { file: LineId::LOG, line };

    let promptly = (back_at_s, Some(back_at_s + 1));
    for (name, given_back) in [
        ("promptly", promptly),
        ("after an hour", (back_at_s - 3_600, Some(back_at_s + 30))),
        ("not as far as the log knows", (back_at_s - 3_600, None)),
    ] {
        let matcher = matched(&says(given_back));
        let summary = matcher.summary();
        assert_eq!((summary.ambiguous_lines, summary.ambiguous_ours), (1, 1), "{name}");
        assert_eq!(of_bank(&matcher), ["bank missing_at_bank 1"], "{name}");
        let mut suggested = matcher.suggestions(bare.id);
        suggested.sort();
        assert_eq!(suggested, [log(1), log(2)], "{name}");
    }

    // Neighbours in the file's sequence prove nothing: a reversal is posted when the bank hears of it.
    let (before, behind) = (
        Ours { at_s: back_at_s + 30, gross_minor: 100_000, net_minor: 100_000, ..ours(4) },
        Ours { at_s: back_at_s + 50, gross_minor: 100_000, net_minor: 100_000, ..ours(6) },
    );
    let mut between = says(promptly);
    for ours in [before, behind] {
        let number = ours.id.line as u32;
        let line = Posting { at_s: ours.at_s, amount_minor: 100_000, ..posting(number) };
        between.extend([Say::Ours(ours), Say::Bank(line)]);
    }
    assert_eq!(matched(&between).summary().ambiguous_lines, 1);

    // One that was acknowledged long ago, or began later, is another.
    let matcher = matched(&says((back_at_s - 3_600, Some(back_at_s - 3_599))));
    assert_eq!(matcher.summary().by_rule.get(&Rule::AmountAndTime), Some(&1));
    let matcher = matched(&says((back_at_s + 600, None)));
    assert_eq!(matcher.summary().by_rule.get(&Rule::AmountAndTime), Some(&1));
}

/// A line was judged by its own day alone: one that said a day to come, unknown to the log, was on no list.
#[test]
fn a_line_dated_ahead_is_judged_by_its_file_s_day() {
    let ahead = Posting { day: "2206-05-03".parse().unwrap(), ..posting(1) };
    let line = CashLine { day: "2027-05-03".parse().unwrap(), ..cash(2) };
    let mut matcher = matched(&[Say::Bank(ahead), Say::Machine(line)]);
    assert_eq!(exceptions(&matcher), [] as [&str; 0], "nothing says of which day their files are");
    matcher.file_is_of(world::BANK_FILE, day(3));
    matcher.file_is_of(world::JOURNAL_FILE, day(3));
    let found = matcher.exceptions();
    assert!(found.iter().all(|one| one.day == day(3)), "{found:?}");
    let mut found = exceptions(&matcher);
    found.sort();
    assert_eq!(found, ["bank missing_at_switch 1", "machine missing_at_switch 2"]);
    let bench = matcher.bench(ours(1).bank, day(3));
    assert_eq!((bench.bank.len(), bench.machine.len()), (1, 1));
    // The file of a day to come waits for the log.
    matcher.file_is_of(world::BANK_FILE, day(4));
    assert_eq!(exceptions(&matcher), ["machine missing_at_switch 2"]);
}

/// A matcher that was full took nothing more of what it had, and was told to match fewer days, which nobody could.
#[test]
fn a_full_matcher_goes_on_with_what_it_has() {
    let mut matcher = Matcher::new(Rules::default()).holding(2);
    world::all_here(&mut matcher);
    let approved = Ours { ended: Ended::Approved, ..ours(1) };
    assert_eq!((matcher.add_ours(&approved), matcher.add_posting(&posting(1))), (Ok(()), Ok(())));
    assert_eq!(matcher.add_cash_line(&cash(1)), Err(Full::Items));
    assert_eq!(matcher.add_ours(&ours(1)), Ok(()), "it is told anew");
    matcher.run();
    assert_eq!(exceptions(&matcher), ["machine missing_in_journal 1"]);
    assert_eq!((matcher.emptied().len(), matcher.emptied().add_ours(&ours(1))), (0, Ok(())));
}

/// A line of its own said never whose terminal it was: an adjustment of it stood in one member's file alone.
#[test]
fn a_line_s_exception_has_the_acquirer_of_its_transaction() {
    let acquirer = |says: &[Say]| {
        let found = matched(says).exceptions();
        let [exception] = found.as_slice() else { panic!("{found:?}") };
        exception.acquirer
    };
    let machine = Say::Machine(cash(1));
    let twice = [Say::Ours(ours(1)), machine, Say::Bank(posting(1)), Say::Bank(again(posting(1)))];
    assert_eq!(acquirer(&twice), Some(ours(1).acquirer));
    assert_eq!(acquirer(&[Say::Bank(posting(1))]), None, "it belongs to nothing");
}

/// Two of one amount at one terminal in one minute.
fn twins() -> Vec<Say> {
    let second = Ours { at_s: ours(5).at_s + 30, ..ours(6) };
    vec![Say::Ours(ours(5)), Say::Ours(second), Say::Machine(cash(5)), Say::Machine(cash(6))]
}

fn twin_postings() -> [Posting; 2] {
    let second = Posting { at_s: posting(5).at_s + 30, ..posting(6) };
    [posting(5), second].map(|posting| Posting { sequence: None, ..nameless(posting) })
}

#[test]
fn twins_without_a_name_are_left_open() {
    let mut says = twins();
    says.extend(twin_postings().map(Say::Bank));
    let matcher = matched(&says);
    assert_eq!(exceptions(&matcher), [] as [&str; 0]);
    let summary = matcher.summary();
    assert_eq!((summary.ambiguous_lines, summary.ambiguous_ours, summary.matched), (2, 2, 0));
    assert_eq!(matcher.suggestions(matcher.ambiguous()[0]).len(), 2);
}

/// One of the twins' postings is missing: which one nobody can tell.
#[test]
fn one_line_for_two_twins_is_left_open() {
    let mut says = twins();
    says.push(Say::Bank(twin_postings()[0].clone()));
    let summary = matched(&says).summary();
    assert_eq!((summary.ambiguous_lines, summary.ambiguous_ours), (1, 2));
}

/// A nameless line beside a twin that its name has settled may be that twin's own, doubled.
#[test]
fn a_nameless_line_near_a_settled_twin_is_left_open() {
    let mut says = twins();
    let [_, nameless] = twin_postings();
    says.extend([Say::Bank(posting(5)), Say::Bank(nameless)]);
    let summary = matched(&says).summary();
    assert_eq!((summary.ambiguous_lines, summary.ambiguous_ours), (1, 1));
}

#[test]
fn a_sequence_between_matched_neighbours_proves_twins() {
    let at = |number: u32, seconds: i64| (number, world::NOON_S + seconds);
    let moments = [at(1, 0), at(2, 20), at(3, 30), at(4, 50), at(5, 58)];
    let amount = |number: u32| if number.is_multiple_of(2) { 2_000_000 } else { 100_000 + i64::from(number) };
    let mut says = Vec::new();
    for (number, at_s) in moments {
        let amount_minor = amount(number);
        says.push(Say::Ours(Ours {
            at_s,
            gross_minor: amount_minor,
            net_minor: amount_minor,
            ..ours(number)
        }));
        let posted = Posting { at_s: at_s + 1, amount_minor, ..posting(number) };
        says.push(Say::Bank(if number.is_multiple_of(2) { nameless(posted) } else { posted }));
        says.push(Say::Machine(CashLine {
            requested_minor: amount_minor,
            moved_minor: amount_minor,
            ..cash(number)
        }));
    }
    let matcher = matched(&says);
    assert_eq!(matcher.summary().by_rule.get(&Rule::Sequence), Some(&2));
    assert!(matcher.pairs().iter().all(|pair| pair.line.line == pair.ours.line));

    // Without the one between them both have the same neighbours.
    says.retain(|say| !matches!(say, Say::Bank(posting) if posting.rrn == Some(rrn(3))));
    assert_eq!(matched(&says).summary().ambiguous_lines, 2);
}

/// The neighbours of a line once vouched for a transaction hours away.
#[test]
fn a_sequence_does_not_lay_to_a_transaction_what_is_far_from_it() {
    let at = |number: u32, minutes: i64| Ours { at_s: world::NOON_S + minutes * 60, ..ours(number) };
    let (first, ours_alone, last) = (at(1, 0), at(2, 180), at(3, 210));
    let mut says = Vec::new();
    for ours in [&first, &ours_alone, &last] {
        let line = cash(ours.terminal_stan);
        says.extend([Say::Ours(ours.clone()), Say::Machine(CashLine { at_s: ours.at_s + 5, ..line })]);
    }
    for (ours, number) in [(&first, 1), (&last, 3)] {
        says.push(Say::Bank(Posting { at_s: ours.at_s + 1, ..posting(number) }));
    }
    says.push(Say::Bank(Posting { at_s: world::NOON_S + 60, ..nameless(posting(2)) }));
    let expected = ["bank missing_at_bank 2", "bank missing_at_switch 2"];
    let mut found = exceptions(&matched(&says));
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn one_line_that_sums_up_several_is_matched_by_count_and_sum() {
    let mut says: Vec<Say> = (1..=3).flat_map(|n| [Say::Ours(ours(n)), Say::Machine(cash(n))]).collect();
    let summed = Posting { count: 3, amount_minor: 6_000_000, at_s: posting(9).at_s, ..nameless(posting(9)) };
    says.push(Say::Bank(summed.clone()));
    let matcher = matched(&says);
    assert_eq!((exceptions(&matcher), matcher.summary().matched), (vec![], 3));

    *says.last_mut().unwrap() = Say::Bank(Posting { amount_minor: 6_000_001, ..summed });
    let expected = [
        "bank missing_at_bank 1",
        "bank missing_at_bank 2",
        "bank missing_at_bank 3",
        "bank missing_at_switch 9",
    ];
    assert_eq!(exceptions(&matched(&says)), expected);
}

#[test]
fn a_file_that_is_not_here_makes_no_exception_and_one_that_comes_late_ends_it() {
    let mut matcher =
        matched(&[Say::Ours(Ours { day: day(4), ..ours(1) }), Say::Ours(ours(2)), Say::Machine(cash(2))]);
    assert_eq!(exceptions(&matcher), ["bank missing_at_bank 2"]);
    assert_eq!(matcher.summary().awaiting, 1);
    world::tell(&mut matcher, &Say::Bank(Posting { day: day(4), ..posting(2) }));
    matcher.run();
    assert_eq!(exceptions(&matcher), ["bank other_day 2"]);
}

#[test]
fn a_transaction_that_goes_on_is_judged_anew() {
    let approved = Ours { ended: Ended::Approved, ..ours(1) };
    let mut matcher = matched(&[Say::Ours(approved), Say::Bank(posting(1))]);
    assert_eq!(exceptions(&matcher), ["switch suspense 1"]);
    world::tell(&mut matcher, &Say::Machine(cash(1)));
    world::tell(&mut matcher, &Say::Ours(ours(1)));
    matcher.run();
    assert_eq!((exceptions(&matcher), matcher.summary().ours), (vec![], 1));
}

#[test]
fn people_match_and_part() {
    let mut says = twins();
    says.extend(twin_postings().map(Say::Bank));
    let id = |line| LineId { file: world::BANK_FILE, line };
    let log = |line| LineId { file: LineId::LOG, line };
    says.push(Say::Decide(Decision::Match { line: id(5), ours: log(5) }));
    says.push(Say::Decide(Decision::Match { line: id(6), ours: log(6) }));
    let mut matcher = matched(&says);
    assert_eq!((matcher.summary().matched, matcher.summary().ambiguous_lines), (2, 0));

    world::tell(&mut matcher, &Say::Decide(Decision::Part { line: id(5), ours: log(5) }));
    matcher.run();
    assert_eq!((matcher.summary().matched, matcher.summary().ambiguous_lines), (1, 0));

    // A match by reference can be taken back too.
    let mut matcher = matched(&[Say::Ours(ours(1)), Say::Bank(posting(1)), Say::Machine(cash(1))]);
    world::tell(&mut matcher, &Say::Decide(Decision::Part { line: id(1), ours: log(1) }));
    matcher.run();
    assert_eq!(exceptions(&matcher), ["bank missing_at_bank 1", "bank missing_at_switch 1"]);
}

/// A line that a person laid to a transaction made its amount right, and hid the lines of its reference.
#[test]
fn what_is_laid_by_hand_is_judged_with_the_others_of_its_transaction() {
    let log = |line| LineId { file: LineId::LOG, line };
    let id = |line| LineId { file: world::BANK_FILE, line };
    let lay = |line, ours| Say::Decide(Decision::Match { line: id(line), ours: log(ours) });
    let bare = |number: u32, amount_minor| Posting { amount_minor, ..nameless(posting(number)) };
    let half = Ours { net_minor: 500_000, ended: Ended::Reversed, ..ours(1) };
    for (name, says, expected) in [
        (
            "less than due",
            vec![Say::Ours(ours(1)), Say::Bank(bare(2, 1_500_000)), lay(2, 1)],
            vec!["bank amount_under 1"],
        ),
        (
            "in two parts",
            vec![
                Say::Ours(ours(1)),
                Say::Bank(bare(2, 1_500_000)),
                Say::Bank(bare(3, 500_000)),
                lay(2, 1),
                lay(3, 1),
            ],
            vec![],
        ),
        // The debit has its reference, what was given back has none.
        (
            "debit and what is back",
            vec![Say::Ours(half), Say::Bank(posting(1)), Say::Bank(bare(3, -1_500_000)), lay(3, 1)],
            vec![],
        ),
        (
            "another terminal",
            vec![
                Say::Ours(ours(1)),
                Say::Bank(Posting { terminal: Some(terminal(2)), ..bare(2, 2_000_000) }),
                lay(2, 1),
            ],
            vec![],
        ),
    ] {
        let says: Vec<Say> = says.into_iter().chain([Say::Machine(cash(1))]).collect();
        let of_bank: Vec<String> =
            exceptions(&matched(&says)).into_iter().filter(|one| one.starts_with("bank")).collect();
        assert_eq!(of_bank, expected, "{name}");
    }
}

#[test]
fn a_person_lays_only_what_is_here_and_can_belong_together() {
    let log = |line| LineId { file: LineId::LOG, line };
    let id = |line| LineId { file: world::BANK_FILE, line };
    let transfer = Ours { is_cash: false, ..ours(3) };
    let other = Posting { bank: "970418".parse().unwrap(), ..posting(2) };
    let matcher = matched(&[
        Say::Ours(ours(1)),
        Say::Bank(posting(1)),
        Say::Bank(other),
        Say::Machine(cash(4)),
        Say::Ours(transfer),
    ]);
    let lay = |line, ours| Decision::Match { line, ours };
    let journal = LineId { file: world::JOURNAL_FILE, line: 4 };
    for (decision, expected) in [
        (lay(id(1), log(1)), Ok(())),
        (lay(id(9), log(1)), Err(Misfit::Line)),
        (lay(log(1), log(1)), Err(Misfit::Line)),
        (lay(id(1), log(9)), Err(Misfit::Ours)),
        (lay(id(2), log(1)), Err(Misfit::Bank)),
        (lay(journal, log(3)), Err(Misfit::NoCash)),
        (lay(journal, log(1)), Ok(())),
        (Decision::Part { line: id(1), ours: log(1) }, Ok(())),
        (Decision::Part { line: journal, ours: log(1) }, Err(Misfit::Apart)),
    ] {
        assert_eq!(matcher.may_decide(decision), expected, "{decision:?}");
    }
}

/// A file that was taken for another bank has the same lines: what a person had laid stayed laid, and joined one bank's line to another's transaction.
#[test]
fn what_was_laid_by_hand_is_void_where_the_file_is_another_bank_s_now() {
    let log = |line| LineId { file: LineId::LOG, line };
    let line = LineId { file: world::BANK_FILE, line: 2 };
    let lay = Say::Decide(Decision::Match { line, ours: log(1) });
    let posted = |bank: &str| Say::Bank(Posting { bank: bank.parse().unwrap(), ..nameless(posting(2)) });
    let own = ours(1).bank.to_string();
    let with = |posted| matched(&[Say::Ours(ours(1)), Say::Machine(cash(1)), posted, lay.clone()]);
    let by_hand = |matcher: &Matcher| matcher.summary().by_rule.get(&Rule::ByHand).copied();
    assert_eq!(by_hand(&with(posted(&own))), Some(1));
    let moved = with(posted("970418"));
    assert_eq!(by_hand(&moved), None);
    let mut found = exceptions(&moved);
    found.sort();
    assert_eq!(found, ["bank missing_at_bank 1", "bank missing_at_switch 2"]);
    // What a machine says is laid to nothing that moves no cash.
    let journal = LineId { file: world::JOURNAL_FILE, line: 4 };
    let lay = Say::Decide(Decision::Match { line: journal, ours: log(3) });
    let transfer = Ours { is_cash: false, ..ours(3) };
    let cashless = matched(&[Say::Ours(transfer), Say::Machine(cash(4)), Say::Bank(posting(3)), lay]);
    assert_eq!(exceptions(&cashless), ["machine missing_at_switch 4"]);
}

/// Three columns: what belongs to nothing, what has an exception, what people have laid; what agrees is not there.
#[test]
fn the_bench_shows_what_lies_open_of_a_bank_and_day() {
    let log = |line| LineId { file: LineId::LOG, line };
    let id = |line| LineId { file: world::BANK_FILE, line };
    let matcher = matched(&[
        Say::Ours(ours(1)),
        Say::Bank(posting(1)),
        Say::Machine(cash(1)),
        Say::Ours(ours(2)),
        Say::Machine(cash(2)),
        Say::Bank(Posting { amount_minor: 1_500_000, ..nameless(posting(3)) }),
        Say::Ours(ours(4)),
        Say::Bank(Posting { terminal: Some(terminal(2)), ..nameless(posting(5)) }),
        Say::Machine(cash(4)),
        Say::Decide(Decision::Match { line: id(5), ours: log(4) }),
        Say::Machine(CashLine { moved_minor: 0, ..cash(6) }),
        Say::Machine(cash(7)),
        Say::Ours(Ours { day: day(4), ..ours(8) }),
    ]);
    let bank = ours(1).bank;
    let bench = matcher.bench(bank, day(3));
    let lines =
        |column: &[reconciliation::Piece]| column.iter().map(|piece| piece.id.line).collect::<Vec<_>>();
    assert_eq!(
        (lines(&bench.ours), lines(&bench.bank), lines(&bench.machine)),
        (vec![2, 4], vec![3, 5], vec![2, 7])
    );
    assert_eq!((bench.ours[0].lacks_bank, bench.ours[0].lacks_machine), (true, false));
    assert_eq!(bench.bank[1].partner, Some((log(4), Rule::ByHand)));
    assert_eq!(bench.more, [0, 0, 0]);
    assert_eq!(lines(&matcher.bench("970418".parse().unwrap(), day(3)).ours), [] as [u64; 0]);
}

/// Terminals that give references of their own give the same one: terminals tell them apart.
#[test]
fn one_reference_of_two_terminals_is_two_transactions() {
    let shared = Rrn(*b"000000000001");
    let other = |number| Ours { rrn: shared, terminal: terminal(number), ..ours(number) };
    let posted = |number| Posting { rrn: Some(shared), terminal: Some(terminal(number)), ..posting(number) };
    let says: Vec<Say> =
        (1..=2).flat_map(|number| [Say::Ours(other(number)), Say::Bank(posted(number))]).collect();
    let matcher = matched(&says);
    assert!(
        matcher.pairs().iter().all(|pair| pair.line.line == pair.ours.line && pair.rule == Rule::Reference)
    );
    assert_eq!(matcher.pairs().len(), 2);
}

#[test]
fn kinds_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    assert!("missing".parse::<Kind>().is_err());
}

/// What people have said was taken up anew with every run, and what a reference had settled was forgotten.
#[test]
fn a_decision_is_still_settled_behind_the_next_run() {
    let id = LineId { file: world::BANK_FILE, line: 9 };
    let mut matcher = matched(&[
        Say::Ours(ours(1)),
        Say::Bank(posting(1)),
        Say::Machine(cash(1)),
        Say::Decide(Decision::Part { line: id, ours: LineId { file: LineId::LOG, line: 1 } }),
    ]);
    matcher.run();
    matcher.run();
    assert_eq!((exceptions(&matcher), matcher.summary().matched), (vec![], 1));
}
