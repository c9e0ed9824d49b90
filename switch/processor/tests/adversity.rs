//! What peers, clocks and the log do that nobody plans for: each test is a way in which money or time was once lost.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use iso8583::{Message, Mti};
use processor::{
    BankIdentity, Config, Event, Institution, Kept, LinkId, LiveReference, Processor, REFERENCES_MAX,
    References, SUSPENDED_OF_TERMINAL_MAX, Standing, UNKNOWN_ADVICE_EVERY_MS, UNKNOWN_ADVICES_MAX,
    UtcSeconds, Verdict,
};
use support::*;

/// A network that doubles a bank's 25 ended the reversal before the bank's own timer had run out: an original that came
/// to the bank later stayed debited.
#[test]
fn a_25_that_comes_twice_ends_no_reversal() {
    let mut world = World::new();
    let request = world.money_of(2, "01", AMOUNT);
    world.terminal(request.clone());
    world.taken(bank_link(VIETCOMBANK), 200);
    world.pass_ms(15_000);
    let reversal = world.taken(bank_link(VIETCOMBANK), 420);
    for _ in 0..3 {
        world.bank_answers(&reversal, "25");
    }
    assert_eq!(world.records(&request), "INTENT REVERSAL");
    world.pass_ms(60_000);
    let again = world.taken(bank_link(VIETCOMBANK), 421);
    world.bank_answers(&again, "25");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED!");
}

/// A 0210 without DE39 was taken for a decline: what the bank had debited was not given back.
#[test]
fn an_answer_without_a_code_is_no_decline() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let (_, asked) = world.taken(bank_link(BIDV), 200);
    let mut answer = Message::new(Mti::new(210));
    for element in [3, 4, 7, 11, 37, 41] {
        answer.set(element, asked.get(element).unwrap());
    }
    world.bank(BIDV, answer);
    assert_eq!(world.code(210), "96");
    assert_eq!(world.records(&request), "INTENT REVERSAL");
    world.taken(bank_link(BIDV), 420);
    assert!(world.has_event(|event| matches!(event, Event::OtherEcho(_))));
}

/// While a clock that was set back catches up, DE7 towards a bank stands still: STANs came round under the same DE7.
#[test]
fn names_towards_a_bank_differ_while_the_clock_is_behind() {
    let bank: Institution = BIDV.parse().unwrap();
    let mut standing = Standing::default();
    let mut given = BTreeSet::new();
    standing.next_bank_identity(bank, UtcSeconds(1_000), |_| false);
    for _ in 0..1_100_000 {
        let name = standing.next_bank_identity(bank, UtcSeconds(900), |_| false);
        assert!(given.insert((name.sent_at, name.stan)), "{name:?} is given twice");
    }
}

/// STANs come round in 17 minutes at 1,000 a second, and what waits for its bank for longer keeps its own.
#[test]
fn stans_come_round_past_those_in_flight() {
    let bank: Institution = BIDV.parse().unwrap();
    let mut standing = Standing::default();
    standing.banks.insert(bank, BankIdentity { sent_at: UtcSeconds(1_000), stan: 999_998 });
    let in_flight = [1, 2].map(|stan| BankIdentity { sent_at: UtcSeconds(1_001), stan });
    let mut next = || {
        let name = standing.next_bank_identity(bank, UtcSeconds(1_000), |name| in_flight.contains(&name));
        (name.sent_at.0, name.stan)
    };
    assert_eq!([next(), next(), next()], [(1_000, 999_999), (1_001, 3), (1_001, 4)]);
}

/// A reversal that was reopened within the second of its name set the counter back to it: the name that was given next
/// had been given before, and two transactions were one for the bank.
#[test]
fn a_reopened_reversal_brings_no_name_round_again() {
    let mut world = World::new();
    let mut names = BTreeSet::new();
    let mut name = |(_, message): &(LinkId, Message)| {
        let name = (message.get(7).unwrap().to_vec(), message.number(11).unwrap());
        assert!(names.insert(name.clone()), "{name:?} is given twice");
    };
    let first = world.money("01", 500_000);
    world.terminal(first.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    name(&asked);
    world.bank_answers(&asked, "00");
    let advice = world.advice(420, &first, None);
    world.terminal(advice);
    let reversal = world.taken(bank_link(BIDV), 420);
    name(&reversal);
    world.bank_answers(&reversal, "00");
    for reopened in [false, true] {
        if reopened {
            world.bank_answers(&asked, "00");
            let again = world.taken(bank_link(BIDV), 421);
            assert_eq!(again.1.get(11), reversal.1.get(11), "one identity for ever");
            world.bank_answers(&again, "00");
        }
        let next = world.money("01", 100_000);
        world.terminal(next.clone());
        let asked = world.taken(bank_link(BIDV), 200);
        name(&asked);
        world.bank_answers(&asked, "00");
        // At its end it leaves memory, and its name with it.
        let completion = world.advice(220, &next, None);
        world.terminal(completion);
    }
}

fn live_reference() -> LiveReference {
    LiveReference {
        citizen: citizen(2).1,
        terminal: "HN000001".as_bytes().try_into().map(processor::TerminalId).unwrap(),
        acquirer: institution(BIDV),
        expires_at_ms: START_MS - 1,
        biometric_matched: true,
        uses: Vec::new(),
    }
}

/// A switch that was full of references answered 91 to every verification, also when all of them had expired.
#[test]
fn references_that_have_expired_make_room() {
    let mut world = World::new();
    let reference = |number: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        (credential::Reference(bytes), live_reference())
    };
    let references: References = (0..REFERENCES_MAX).map(reference).collect::<Vec<_>>().into();
    let standing = Standing { references, ..Standing::default() };
    world.processor = Processor::new(config(), [9; 32], world.now, standing, Vec::new(), 0);
    world.connect();
    world.verified_reference(1);
}

/// RRNs that were given while the clock stood before midnight again were given once more after a restart.
#[test]
fn rrns_differ_across_a_restart_behind_a_clock_that_was_set_back() {
    let mut world = World::new();
    let first = world.request(200, "31", 0);
    world.terminal(first.clone());
    world.verdict(Verdict::Unavailable);
    world.skew_ms = -7_200_000;
    world.pass_ms(1);
    let mut given = BTreeSet::from([world.taken(TERMINAL, 210).1.get(37).unwrap().to_vec()]);
    for _ in 0..2 {
        let request = world.request(200, "31", 0);
        world.terminal(request);
        world.verdict(Verdict::Unavailable);
        let rrn = world.taken(TERMINAL, 210).1.get(37).unwrap().to_vec();
        assert!(given.insert(rrn.clone()), "{} is given twice", String::from_utf8_lossy(&rrn));
        world.restart(config());
        world.connect();
    }
}

/// A repeat that came while too much was in flight was told 91 of what had been approved before.
#[test]
fn a_repeat_that_there_is_no_room_for_is_told_nothing_else_than_before() {
    let mut config = config();
    config.limits.in_flight_max = 1;
    let mut world = World::with(config);
    let mut transfer = world.money("40", AMOUNT);
    transfer.set_text(103, "12010000000009");
    world.terminal(transfer.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    let running = world.request(200, "01", AMOUNT);
    world.terminal(running);
    transfer.set_mti(transfer.mti().repeat());
    world.terminal(transfer.clone());
    world.silent(TERMINAL, 210);
    world.verdict(Verdict::Unavailable);
    assert_eq!(world.code(210), "91");
    world.terminal(transfer);
    assert_eq!(world.code(210), "00");
}

/// A configuration that was read again once left reversals unsent, and money in flight was read and said in its decimal places:
/// of a bank that had gone from it the 0210 was that of another amount, though the account was debited.
#[test]
fn a_new_configuration_leaves_what_money_in_flight_rests_on() {
    let bank = institution(BIDV);
    let first_terminal = Kept::Terminal(*config().terminals.keys().next().unwrap());
    type Change = fn(&mut Config);
    let changes: [(&str, Change, Kept); 4] = [
        ("a bank is gone", |it| drop(it.issuers.remove(&institution(BIDV))), Kept::Bank(bank)),
        (
            "more places",
            |it| it.issuers.get_mut(&institution(BIDV)).unwrap().amount_exponent = 9,
            Kept::Issuer(bank),
        ),
        (
            "tombstones",
            |it| it.issuers.get_mut(&institution(BIDV)).unwrap().tombstones ^= true,
            Kept::Issuer(bank),
        ),
        (
            "a terminal's places",
            |it| it.terminals.values_mut().for_each(|it| it.amount_exponent = 2),
            first_terminal,
        ),
    ];
    for (what, change, kept) in changes {
        let mut world = World::new();
        let mut other = config();
        change(&mut other);
        let (request, asked) = withdrawal(&mut world);
        assert_eq!(world.processor.reconfigure(other)[0], kept, "{what}");
        world.bank_answers(&asked, "00");
        assert_eq!(world.code(210), "00", "{what}");
        let advice = world.advice(420, &request, None);
        world.terminal(advice);
        assert_eq!(world.code(430), "00", "{what}");
        let reversal = world.taken(bank_link(BIDV), 420);
        assert_eq!(reversal.1.get(4), asked.1.get(4), "{what}");
        world.bank_answers(&reversal, "00");
        assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL REVERSED", "{what}");
    }
    let mut world = World::new();
    let mut other = config();
    other.limits.transaction_minor_max = 1;
    assert_eq!(world.processor.reconfigure(other), []);
}

/// A clock that ran ahead for seconds left names that it took for a year ago: no answer of the bank belonged to anything.
#[test]
fn a_clock_that_was_ahead_for_a_moment_leaves_answers_readable() {
    let mut world = World::new();
    world.skew_ms += 190 * 86_400_000;
    let (_, asked) = withdrawal(&mut world);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    world.skew_ms -= 190 * 86_400_000;
    let (request, asked) = withdrawal(&mut world);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert_eq!(world.records(&request), "INTENT OUTCOME");
}

/// Nor did it forget references behind one that expires in half a year.
#[test]
fn a_reference_of_a_clock_ahead_does_not_keep_those_behind_it() {
    let live = |expires_at_ms| LiveReference { expires_at_ms, ..live_reference() };
    let of_a_clock_ahead = credential::Reference([1; 16]);
    let references = vec![
        (of_a_clock_ahead, live(START_MS + 190 * 86_400_000)),
        (credential::Reference([2; 16]), live(START_MS - 1)),
    ];
    let mut references = References::from(references);
    references.forget_expired(START_MS);
    assert_eq!(references.len(), 1);
    assert!(references.get(&of_a_clock_ahead).is_some());
}

/// One terminal's reversals of what nobody knows once filled the list of all.
#[test]
fn one_terminal_takes_no_others_place_among_what_waits_for_people() {
    let mut world = World::new();
    for number in 0..SUSPENDED_OF_TERMINAL_MAX + 10 {
        let unknown = world.money("01", AMOUNT);
        let advice = world.advice(420, &unknown, Some(1));
        world.terminal(advice);
        // So many are recorded at once, and then one in a while.
        let is_burst = number + 1 < UNKNOWN_ADVICES_MAX as usize;
        world.pass_ms(if is_burst { 1 } else { UNKNOWN_ADVICE_EVERY_MS });
    }
    assert_eq!(world.processor.standing().suspended.len(), SUSPENDED_OF_TERMINAL_MAX);
    world.sign_on("HN000002");
    let mut unknown = world.money("01", AMOUNT);
    unknown.set_text(41, "HN000002");
    let advice = world.advice(420, &unknown, Some(1));
    world.terminal(advice);
    assert_eq!(world.processor.standing().suspended.len(), SUSPENDED_OF_TERMINAL_MAX + 1);
}

/// The table marks cells that a person has to see; each of them tells an event that alarms.
#[test]
fn every_alarm_of_the_table_is_told() {
    let is_told = |world: &World| world.has_event(Event::is_alarm);
    let reversing = |world: &mut World| {
        let (request, asked) = withdrawal(world);
        world.pass_ms(15_000);
        let reversal = world.taken(bank_link(BIDV), 420);
        world.events.clear();
        (request, asked, reversal)
    };
    let mut world = World::new();
    let (_, asked) = withdrawal(&mut world);
    let mut other = echo(&asked.1, "00");
    other.set_number(4, 1, 12);
    world.events.clear();
    world.bank(BIDV, other);
    assert!(is_told(&world), "an approval of another amount");

    let mut world = World::new();
    let (_, asked, reversal) = reversing(&mut world);
    world.bank_answers(&reversal, "96");
    assert!(is_told(&world), "a reversal that is refused");
    world.events.clear();
    world.bank_answers(&asked, "00");
    world.events.clear();
    world.bank_answers(&reversal, "25");
    assert!(is_told(&world), "a bank that does not know what it approved");

    let mut world = World::new();
    let _ = reversing(&mut world);
    world.pass_ms(5_000);
    assert!(is_told(&world), "a reversal without an answer");

    let mut world = World::new();
    let (_, asked, reversal) = reversing(&mut world);
    world.bank_answers(&reversal, "00");
    world.events.clear();
    world.bank_answers(&asked, "00");
    assert!(is_told(&world), "an approval of what was reversed");

    let mut world = World::new();
    let (_, asked) = withdrawal(&mut world);
    world.bank_answers(&asked, "51");
    world.events.clear();
    world.bank_answers(&asked, "00");
    assert!(is_told(&world), "an approval of what was declined");
}

/// The loop that kills the real switch found it, behind a proxy that doubles a bank's approval and holds it back: the next
/// start began below the last name, and a citizen was debited for somebody else's withdrawal.
#[test]
fn a_reopened_reversal_gives_no_name_at_a_bank_twice() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    let reversal = world.taken(bank_link(BIDV), 420);
    // More names than the next start gives to its sign-ons.
    let mut named = Vec::new();
    for _ in 0..8 {
        let (completed, other) = withdrawal(&mut world);
        world.bank_answers(&other, "00");
        let completion = world.advice(220, &completed, None);
        world.terminal(completion);
        named.push(other.1);
    }
    world.bank_answers(&reversal, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED");
    // Its approval comes after all, in the same second: the reversal is owed again under its old name.
    world.bank_answers(&asked, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED REVERSAL");
    let again = world.taken(bank_link(BIDV), 421);
    let name = |message: &Message| (message.text(7).unwrap().to_owned(), message.number(11).unwrap());
    assert_eq!(name(&again.1), name(&reversal.1));
    world.restart(config());
    world.connect();
    let (_, next) = withdrawal(&mut world);
    assert!(named.iter().all(|before| name(before) < name(&next.1)), "{:?}", name(&next.1));
}
