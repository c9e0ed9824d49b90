//! What waits for each bank: counted, told with its age and its error, sent until acknowledged, taken up on command.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{Command, Input, LinkId, SafBank, SafFault, SafRetry, SafStage};
use support::*;

fn bank(world: &World, id: &str) -> SafBank {
    world.processor.saf_banks().find(|bank| bank.bank == institution(id)).unwrap()
}

fn is_reversal(message: &Message) -> bool {
    matches!(message.mti().value(), 420 | 421)
}

fn taken_reversal(world: &mut World) -> (LinkId, Message) {
    let place = world.sent.iter().position(|(_, message)| is_reversal(message)).unwrap();
    world.sent.remove(place)
}

/// A withdrawal whose cash did not leave; the bank is asked for it, or will be.
fn reversing(world: &mut World) -> Message {
    let request = approved(world);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(430), "00");
    request
}

fn with_window(window: usize) -> World {
    let mut config = config();
    config.issuers.get_mut(&institution(BIDV)).unwrap().reversals_in_flight_max = window;
    World::with(config)
}

#[test]
fn each_bank_tells_how_many_wait_how_long_and_what_went_wrong() {
    let mut world = World::new();
    let nothing = bank(&world, BIDV);
    assert_eq!((nothing.reversals, nothing.oldest_at_ms, nothing.last_fault), (0, None, None));
    assert!(nothing.is_ready);

    let first = reversing(&mut world);
    let since_ms = world.now.wall_ms;
    world.pass_ms(1_000);
    let second = reversing(&mut world);
    let waiting = bank(&world, BIDV);
    assert_eq!((waiting.reversals, waiting.asked, waiting.resting), (2, 2, 0));
    assert_eq!(waiting.oldest_at_ms, Some(since_ms));
    assert_eq!(world.processor.reversals_open(), 2);
    assert_eq!(bank(&world, VIETCOMBANK).reversals, 0);

    let entries: Vec<_> = world.processor.saf_entries(institution(BIDV)).collect();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [key_of(&first), key_of(&second)], "the oldest first");
    let entry = &entries[0];
    let sent = world.taken(bank_link(BIDV), 420).1;
    assert_eq!(Some(&entry.rrn.0[..]), sent.get(37));
    assert_eq!(Some(u64::from(entry.identity.stan)), sent.number(11));
    assert_eq!((entry.amount_minor, entry.attempts, entry.refusals), (AMOUNT, 1, 0));
    assert_eq!((entry.stage, entry.since_ms, entry.last_fault), (SafStage::Asked, since_ms, None));
    assert_eq!(entry.next_us, Some(world.now.mono_us + 4_000_000), "the wait for its answer");

    world.pass_ms(4_000);
    let entry = world.processor.saf_entry(key_of(&first)).unwrap();
    let fault = entry.last_fault.unwrap();
    assert_eq!((fault.fault, fault.at_ms), (SafFault::Silent, world.now.wall_ms));
    assert_eq!(bank(&world, BIDV).faults.silent, 1);

    world.sent.clear();
    world.pass_ms(1_000);
    let again = taken_reversal(&mut world);
    world.bank_answers(&again, "96");
    let told = bank(&world, BIDV);
    assert_eq!(told.last_fault.unwrap().fault, SafFault::Refused(processor::Code(*b"96")));
    assert_eq!((told.faults.refused, told.faults.silent), (1, 2));
    let mut other = echo(&again.1, "00");
    other.set_number(4, 1, 12);
    world.bank(BIDV, other);
    assert_eq!(bank(&world, BIDV).last_fault.unwrap().fault, SafFault::OtherEcho);
}

#[test]
fn what_is_acknowledged_is_counted_no_more() {
    let mut world = World::new();
    let requests: Vec<Message> = (0..3).map(|_| reversing(&mut world)).collect();
    for left in [2, 1, 0] {
        let reversal = taken_reversal(&mut world);
        world.bank_answers(&reversal, "00");
        assert_eq!((bank(&world, BIDV).reversals, world.processor.reversals_open()), (left, left));
    }
    assert_eq!(bank(&world, BIDV).oldest_at_ms, None);
    assert_eq!(world.processor.saf_entry(key_of(&requests[0])), None);
}

#[test]
fn a_restart_counts_what_waits_from_its_record() {
    let mut world = World::new();
    let request = reversing(&mut world);
    let since_ms = world.now.wall_ms;
    let identity = world.processor.saf_entry(key_of(&request)).unwrap().identity;
    world.pass_ms(3_000);
    world.restart(config());
    let waiting = bank(&world, BIDV);
    assert_eq!((waiting.reversals, waiting.oldest_at_ms, waiting.is_ready), (1, Some(since_ms), false));
    assert_eq!(waiting.last_fault.unwrap().fault, SafFault::NoLink);
    let entry = world.processor.saf_entry(key_of(&request)).unwrap();
    assert_eq!((entry.identity, entry.since_ms, entry.stage), (identity, since_ms, SafStage::Queued));
    assert_eq!(entry.next_us, None, "a connection is waited for");
    world.input(Input::LinkUp(bank_link(BIDV)));
    let sign_on = world.taken(bank_link(BIDV), 800);
    world.bank_answers(&sign_on, "00");
    let again = world.taken(bank_link(BIDV), 421).1;
    assert_eq!(again.number(11), Some(u64::from(identity.stan)));
}

#[test]
fn a_lost_link_is_told_once_and_what_was_at_the_bank_waits_in_front() {
    let mut world = with_window(2);
    let requests: Vec<Message> = (0..4).map(|_| reversing(&mut world)).collect();
    world.sent.clear();
    world.input(Input::LinkDown(bank_link(BIDV)));
    let waiting = bank(&world, BIDV);
    assert_eq!((waiting.reversals, waiting.asked), (4, 0));
    assert_eq!((waiting.last_fault.unwrap().fault, waiting.faults.no_link), (SafFault::NoLink, 1));
    world.pass_ms(86_400_000);
    assert_eq!(bank(&world, BIDV).faults.no_link, 1);
    world.input(Input::LinkUp(bank_link(BIDV)));
    let sign_on = world.taken(bank_link(BIDV), 800);
    world.bank_answers(&sign_on, "00");
    let sent: Vec<_> = world.sent.iter().filter(|(_, message)| is_reversal(message)).collect();
    assert_eq!(sent.len(), 2, "the window");
    let rrn = |request: &Message| world.transaction(request).request.unwrap().rrn;
    for (request, (_, message)) in requests.iter().zip(&sent) {
        assert_eq!(message.get(37), Some(&rrn(request).0[..]));
        assert_eq!(message.mti().value(), 421, "the bank may have had it");
    }
}

/// The bank says nothing, the bank says another code: in both cases the same identity is asked again, for ever.
#[test]
fn silence_and_an_error_both_lead_to_0421_with_the_same_identity() {
    for code in [None, Some("96"), Some("30"), Some("91")] {
        let mut world = World::new();
        let request = reversing(&mut world);
        let first = taken_reversal(&mut world);
        assert_eq!(first.1.mti().value(), 420);
        let mut before = first.clone();
        for _ in 0..30 {
            if let Some(code) = code {
                world.bank_answers(&before, code);
            }
            world.sent.clear();
            world.pass_ms(310_000);
            before = taken_reversal(&mut world);
            assert_eq!(before.1.mti().value(), 421, "after {code:?}");
            for element in [2, 3, 4, 7, 11, 15, 32, 37, 39, 41, 49, 90, 95, 100, 102] {
                assert_eq!(before.1.get(element), first.1.get(element), "DE{element} after {code:?}");
            }
            assert_eq!(world.processor.reversals_open(), 1, "never dropped, after {code:?}");
        }
        world.bank_answers(&before, "00");
        assert!(world.records(&request).ends_with("REVERSED"), "after {code:?}");
        assert_eq!(world.processor.reversals_open(), 0);
    }
}

#[test]
fn a_retry_takes_up_what_rests_and_keeps_the_window() {
    let mut world = with_window(4);
    for _ in 0..10 {
        reversing(&mut world);
    }
    for _ in 0..10 {
        let reversal = taken_reversal(&mut world);
        world.bank_answers(&reversal, "96");
    }
    let resting = bank(&world, BIDV);
    assert_eq!((resting.reversals, resting.asked, resting.resting), (10, 0, 10));
    world.command(Command::SafRetry(SafRetry::Bank(institution(VIETCOMBANK))));
    world.command(Command::SafRetry(SafRetry::Bank(institution(BIDV))));
    assert_eq!(world.retried, [(0, 0), (10, 0)]);
    let again = bank(&world, BIDV);
    assert_eq!((again.asked, again.resting), (4, 0), "through the window");
    assert_eq!(world.sent.iter().filter(|(_, message)| is_reversal(message)).count(), 4);
    for _ in 0..10 {
        let reversal = taken_reversal(&mut world);
        assert_eq!(reversal.1.mti().value(), 421);
        world.bank_answers(&reversal, "00");
    }
    assert_eq!(world.processor.reversals_open(), 0);
    world.command(Command::SafRetry(SafRetry::All));
    assert_eq!(world.retried.last(), Some(&(0, 0)));
}

#[test]
fn a_retry_of_one_says_why_it_cannot_be() {
    let mut world = World::new();
    let completed = approved(&mut world);
    let request = reversing(&mut world);
    let refusal = |world: &mut World, request: &Message| {
        world.command(Command::SafRetry(SafRetry::One(key_of(request))));
        world.commanded.pop().map(|(_, result)| result.unwrap_err())
    };
    assert!(refusal(&mut world, &completed).unwrap().contains("no reversal of it is owed"));
    assert!(refusal(&mut world, &request).unwrap().contains("at the bank"));
    let reversal = taken_reversal(&mut world);
    world.bank_answers(&reversal, "96");
    assert_eq!(refusal(&mut world, &request), None);
    assert_eq!(world.retried, [(1, 0)]);
    world.taken(bank_link(BIDV), 421);
}

/// Vietcombank keeps no tombstones: its second 25 ends a reversal, but only behind its own timer. No command may ask it
/// sooner.
#[test]
fn no_retry_goes_before_a_banks_own_timer() {
    let mut world = World::new();
    let request = world.money_of(2, "01", AMOUNT);
    world.terminal(request.clone());
    world.pass_ms(15_000);
    let reversal = world.taken(bank_link(VIETCOMBANK), 420);
    world.bank_answers(&reversal, "25");
    world.command(Command::SafRetry(SafRetry::One(key_of(&request))));
    assert!(world.commanded.pop().unwrap().1.unwrap_err().contains("its own timer"));
    world.command(Command::SafRetry(SafRetry::All));
    assert_eq!(world.retried, [(0, 1)]);
    world.pass_ms(59_999);
    world.silent(bank_link(VIETCOMBANK), 421);
    world.pass_ms(1);
    world.taken(bank_link(VIETCOMBANK), 421);
}

/// However many reversals wait, a live request finds no more of them in front of it on the link than the window holds.
#[test]
fn reversals_in_front_of_a_live_request_are_no_more_than_the_window() {
    let mut world = with_window(4);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(approved(&mut world));
    }
    world.input(Input::LinkDown(bank_link(BIDV)));
    for request in &waiting {
        let advice = world.advice(420, request, None);
        world.terminal(advice);
    }
    assert_eq!(bank(&world, BIDV).reversals, 20);
    world.sent.clear();
    world.input(Input::LinkUp(bank_link(BIDV)));
    let sign_on = world.taken(bank_link(BIDV), 800);
    world.bank_answers(&sign_on, "00");
    let request = world.money("01", AMOUNT);
    world.terminal(request);
    let place = world.sent.iter().position(|(_, message)| message.mti().value() == 200).unwrap();
    let in_front = world.sent[..place].iter().filter(|(_, message)| is_reversal(message)).count();
    assert_eq!(in_front, 4);
    // Each acknowledgement lets one more go, behind the request that is there already.
    let reversal = taken_reversal(&mut world);
    world.bank_answers(&reversal, "00");
    assert!(is_reversal(&world.sent.last().unwrap().1));
    assert_eq!(bank(&world, BIDV).asked, 4);
}
