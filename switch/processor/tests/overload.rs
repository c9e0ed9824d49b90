//! Overload: who is turned away, what never is, and what a refusal promises.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{
    ADVICES_HEARD_MAX, Event, QUEUE_INTERVAL_US, QUEUE_WAIT_US_MAX, UNKNOWN_ADVICE_EVERY_MS,
    UNKNOWN_ADVICES_MAX,
};
use support::*;

const AMOUNT: u64 = 2_000_000;

/// Longer than any request may wait while all do.
const TOO_LONG_MS: u64 = 2 * QUEUE_WAIT_US_MAX / 1000 + 1;

/// A world in which every request has waited too long for a whole interval.
fn overloaded() -> World {
    let mut world = World::new();
    world.pass_ms(1_000);
    for _ in 0..2 {
        let inquiry = world.request(200, "31", 0);
        world.terminal_waited(inquiry, TOO_LONG_MS);
        assert_eq!(world.verifies.len(), 1, "within an interval all are let in");
        world.verdict(processor::Verdict::Unavailable);
        world.pass_ms(QUEUE_INTERVAL_US / 2000);
        world.sent.clear();
    }
    world.pass_ms(20);
    world.events.clear();
    world
}

fn repeated(mut message: Message) -> Message {
    message.set_mti(message.mti().repeat());
    message
}

#[test]
fn a_request_that_has_waited_while_all_do_is_told_91_and_leaves_no_record() {
    let mut world = overloaded();
    let records = world.log.len();
    for (mti, processing) in [(200, "01"), (100, "33")] {
        let request = world.request(mti, processing, AMOUNT);
        world.terminal_waited(request, TOO_LONG_MS);
        assert_eq!(world.code(mti + 10), "91");
    }
    assert_eq!((world.log.len(), world.processor.in_flight()), (records, 0));
    let quick = world.request(200, "31", 0);
    world.terminal_waited(quick, 1);
    world.silent(TERMINAL, 210);
    assert_eq!(world.verifies.len(), 1, "one that has not waited is let in");
}

#[test]
fn a_shed_key_is_refused_again_for_a_terminals_wait_also_when_there_is_room() {
    let mut world = overloaded();
    let request = world.request(200, "01", AMOUNT);
    world.terminal_waited(request.clone(), TOO_LONG_MS);
    assert_eq!(world.code(210), "91");
    for _ in 0..2 {
        world.pass_ms(14_000);
        world.terminal(repeated(request.clone()));
        assert_eq!(world.code(210), "91", "its 91 may be under way");
    }
    assert_eq!(world.records(&request), "");
    world.pass_ms(12_000);
    world.terminal(repeated(request.clone()));
    world.silent(TERMINAL, 210);
    assert_eq!(world.verifies.len(), 1, "then it is a request like any other");
}

#[test]
fn a_repeat_that_is_not_known_to_be_shed_is_told_nothing() {
    let mut world = overloaded();
    let request = world.request(200, "01", AMOUNT);
    world.terminal_waited(repeated(request.clone()), TOO_LONG_MS);
    world.silent(TERMINAL, 210);
    assert_eq!(world.records(&request), "");
}

#[test]
fn what_is_in_memory_is_answered_however_long_it_has_waited() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    for _ in 0..12 {
        world.pass_ms(10);
        world.terminal_waited(repeated(request.clone()), TOO_LONG_MS);
        world.silent(TERMINAL, 210);
    }
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    world.terminal_waited(repeated(request.clone()), TOO_LONG_MS);
    assert_eq!(world.code(210), "00", "APPROVED is open, and so in memory");
}

#[test]
fn advices_and_the_status_in_a_shed_request_are_never_shed() {
    for what in ["0220", "0420", "status"] {
        let mut world = World::new();
        let request = world.money("01", AMOUNT);
        world.terminal(request.clone());
        let asked = world.taken(bank_link(BIDV), 200);
        world.bank_answers(&asked, "00");
        world.code(210);
        for _ in 0..12 {
            let inquiry = world.request(200, "31", 0);
            world.terminal_waited(inquiry, TOO_LONG_MS);
            world.pass_ms(20);
        }
        assert!(world.has_event(|event| matches!(event, Event::Shed(_))), "there is an overload");
        world.sent.clear();
        match what {
            "status" => {
                let mut next = world.request(200, "31", 0);
                let (stan, de7) = (request.text(11).unwrap(), request.text(7).unwrap());
                next.set_text(48, &format!("0200{stan}{de7}1{AMOUNT:012}"));
                world.terminal_waited(next, TOO_LONG_MS);
                assert_eq!(world.code(210), "91");
            }
            "0220" => {
                let advice = world.advice(220, &request, Some(AMOUNT));
                world.terminal_waited(advice, TOO_LONG_MS);
                assert_eq!(world.code(230), "00");
            }
            _ => {
                let advice = world.advice(420, &request, None);
                world.terminal_waited(advice, TOO_LONG_MS);
                assert_eq!(world.code(430), "00");
            }
        }
        let last = if what == "0420" { "REVERSAL" } else { "COMPLETE" };
        assert_eq!(world.records(&request), format!("INTENT OUTCOME {last}"), "{what}");
    }
}

/// An answer is due by its deadline from the arrival on, however long the message has waited behind others.
#[test]
fn the_wait_counts_against_the_deadline() {
    let mut world = World::new();
    world.pass_ms(60_000);
    let request = world.money("01", AMOUNT);
    world.terminal_waited(request.clone(), 24_000);
    world.taken(bank_link(BIDV), 200);
    world.pass_ms(999);
    world.silent(TERMINAL, 210);
    world.pass_ms(1);
    assert_eq!(world.code(210), "91");
    assert_eq!(world.records(&request), "INTENT REVERSAL");
}

#[test]
fn one_terminal_does_not_take_the_room_of_all() {
    let mut config = config();
    config.limits.terminal_in_flight_max = 3;
    let mut world = World::with(config);
    world.sign_on("HN000002");
    world.sent.clear();
    for _ in 0..3 {
        let request = world.request(200, "31", 0);
        world.terminal(request);
        world.silent(TERMINAL, 210);
    }
    let fourth = world.request(200, "31", 0);
    world.terminal(fourth.clone());
    assert_eq!(world.code(210), "91");
    assert_eq!(world.records(&fourth), "");
    let mut other = world.request(200, "31", 0);
    other.set_text(41, "HN000002");
    world.terminal(other);
    world.silent(TERMINAL, 210);
    world.verdict(processor::Verdict::Unavailable);
    world.code(210);
    let next = world.request(200, "31", 0);
    world.terminal(next);
    world.silent(TERMINAL, 210);
}

/// The log is slow: what it has kept waiting while all wait is turned away before anything is recorded.
#[test]
fn a_log_that_keeps_all_waiting_lets_in_less() {
    let mut world = World::new();
    world.holds_finds = true;
    let mut shed = 0;
    for _ in 0..12 {
        let inquiry = world.request(200, "31", 0);
        world.terminal(inquiry.clone());
        world.pass_ms(TOO_LONG_MS);
        let (ticket, lookup) = world.finds.pop().unwrap();
        let found = world.find(&lookup);
        world.input(processor::Input::Found(ticket, Box::new(found)));
        if world.verifies.is_empty() {
            assert_eq!(world.code(210), "91");
            assert_eq!(world.records(&inquiry), "");
            shed += 1;
        } else {
            world.verdict(processor::Verdict::Unavailable);
            world.sent.clear();
        }
    }
    assert!((1..12).contains(&shed), "{shed}");
    assert_eq!(world.processor.in_flight(), 0);
}

/// Answers that wait for one transaction's records are bounded: whoever got none repeats, and is answered then.
#[test]
fn repeats_of_an_advice_do_not_pile_up_while_the_disk_is_slow() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    world.code(210);
    world.syncs = false;
    let advice = world.advice(220, &request, Some(AMOUNT));
    world.terminal(advice.clone());
    for _ in 0..50 {
        world.terminal(repeated(advice.clone()));
    }
    world.silent(TERMINAL, 230);
    world.sync();
    assert_eq!(world.sent.iter().filter(|(_, sent)| sent.mti().value() == 230).count(), 8);
    world.sent.clear();
    world.terminal(repeated(advice));
    assert_eq!(world.code(230), "00");
}

/// A doubled 0200 that came while there was no room was told 91, though the log had its 00: a transfer whose 00 was lost
/// stood behind a 91 with nobody to take it back.
#[test]
fn a_copy_of_what_has_ended_is_told_nothing_while_there_is_no_room() {
    let mut config = config();
    config.limits.in_flight_max = 1;
    let mut world = World::with(config);
    let mut transfer = world.money("40", 500_000);
    transfer.set_text(103, "12010000000009");
    world.terminal(transfer.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    let next = world.request(200, "01", 100_000);
    world.terminal(next);
    world.sent.clear();
    world.terminal(transfer.clone());
    world.silent(TERMINAL, 210);
    world.verdict(processor::Verdict::Unavailable);
    world.sent.clear();
    world.terminal(transfer);
    assert_eq!(world.code(210), "00", "there is room again, and the log is asked");
}

/// An authentic terminal that made reversals up once filled the disk, as fast as they came.
#[test]
fn advices_of_nothing_known_are_bounded_and_what_ends_a_transaction_never_is() {
    let mut world = World::new();
    let open: Vec<Message> = (0..3)
        .map(|_| {
            let request = world.money("01", AMOUNT);
            world.terminal(request.clone());
            let asked = world.taken(bank_link(BIDV), 200);
            world.bank_answers(&asked, "00");
            assert_eq!(world.code(210), "00");
            request
        })
        .collect();
    let unknown = |world: &mut World| {
        let never_sent = world.request(200, "01", AMOUNT);
        world.advice(420, &never_sent, None)
    };
    for _ in 0..UNKNOWN_ADVICES_MAX {
        let advice = unknown(&mut world);
        world.terminal(advice);
        assert_eq!(world.code(430), "00", "what was stored over an outage comes through");
    }
    let records = world.log.len();
    let floods = |world: &World| world.events.iter().filter(|it| matches!(it, Event::AdviceFlood(_))).count();
    assert_eq!(floods(&world), 0);
    let held = unknown(&mut world);
    for advice in [held.clone(), repeated(held.clone()), unknown(&mut world)] {
        world.terminal(advice);
        world.silent(TERMINAL, 430);
    }
    let not_taken = world.events.iter().filter(|it| matches!(it, Event::AdviceNotTaken(_))).count();
    assert_eq!(
        (world.log.len(), floods(&world), not_taken),
        (records, 1, 3),
        "unanswered, unrecorded, told once"
    );

    // What the switch knows goes on, by 0220, 0420 and status alike; and so does every other terminal.
    let paid = world.advice(220, &open[0], Some(AMOUNT));
    world.terminal(paid);
    assert_eq!(world.code(230), "00");
    let taken_back = world.advice(420, &open[1], None);
    world.terminal(taken_back);
    assert_eq!(world.code(430), "00");
    let mut next = world.request(200, "31", 0);
    next.set_text(48, &format!("0200{}{}1{AMOUNT:012}", open[2].text(11).unwrap(), open[2].text(7).unwrap()));
    world.terminal(next);
    let ends: Vec<String> = open.iter().map(|request| world.records(request)).collect();
    assert_eq!(ends, ["INTENT OUTCOME COMPLETE", "INTENT OUTCOME REVERSAL", "INTENT OUTCOME COMPLETE"]);
    world.sign_on("HN000002");
    let mut other = unknown(&mut world);
    other.set_text(41, "HN000002");
    world.terminal(other);
    assert_eq!(world.code(430), "00");

    // The terminal keeps what was not answered, and says it again.
    world.pass_ms(UNKNOWN_ADVICE_EVERY_MS);
    world.terminal(repeated(held));
    assert_eq!(world.code(430), "00");
    let again = unknown(&mut world);
    world.terminal(again);
    world.silent(TERMINAL, 430);
}

/// Advices about one known transaction are no way around it, and its own few always come through.
#[test]
fn of_one_transaction_so_many_advices_are_heard_at_any_rate() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    for _ in 0..UNKNOWN_ADVICES_MAX {
        let never_sent = world.request(200, "01", AMOUNT);
        let advice = world.advice(420, &never_sent, None);
        world.terminal(advice);
        assert_eq!(world.code(430), "00");
    }
    for _ in 0..ADVICES_HEARD_MAX {
        let advice = world.advice(220, &request, Some(AMOUNT));
        world.terminal(advice);
        assert_eq!(world.code(230), "00");
    }
    let records = world.log.len();
    let more = world.advice(220, &request, Some(AMOUNT));
    world.terminal(more);
    world.silent(TERMINAL, 230);
    assert_eq!(world.log.len(), records);
}
