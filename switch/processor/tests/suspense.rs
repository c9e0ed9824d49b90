//! What waits for a person: listed, resolved by a record with who and why, flagged again by what comes later.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{Command, Event, Input, Kind, Resolution, State, Suspense, TxKey};
use support::*;

const DAY_MS: u64 = 86_400_000;

fn decision() -> Resolution {
    Resolution::new("lan (uid 1001)", "cassettes counted").unwrap()
}

/// Commands; gives what came of it, `None` while nothing has.
fn resolve(world: &mut World, key: TxKey) -> Option<Result<(), String>> {
    world.commanded.clear();
    world.command(Command::Resolve(key, decision()));
    world.commanded.pop().map(|(_, result)| result)
}

#[track_caller]
fn refused(world: &mut World, key: TxKey, reason: &str) {
    let records = world.log.len();
    let told = resolve(world, key).expect("an answer").unwrap_err();
    assert!(told.contains(reason), "{told}");
    assert_eq!(world.log.len(), records, "nothing is recorded");
}

fn listed(world: &World) -> Vec<(TxKey, Suspense)> {
    world.processor.standing().suspended.iter().map(|(key, it)| (key, it.reason)).collect()
}

/// A withdrawal that was completed, and then said to have left nothing: a person's matter, at rest in the log.
fn claimed(world: &mut World) -> Message {
    let request = approved(world);
    let completion = world.advice(220, &request, None);
    world.terminal(completion);
    let reversal = world.advice(420, &request, None);
    world.terminal(reversal);
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE CLAIM!");
    request
}

#[test]
fn a_claim_is_listed_with_what_it_is_about_until_it_is_resolved() {
    let mut world = World::new();
    assert!(world.processor.standing().suspended.is_empty());
    let request = claimed(&mut world);
    let (key, suspended) = world.processor.standing().suspended.iter().next().unwrap();
    assert_eq!(key, key_of(&request));
    assert_eq!((suspended.reason, suspended.since_ms), (Suspense::Claim, world.now.wall_ms));
    assert_eq!((suspended.kind, suspended.amount_minor), (Some(Kind::Withdrawal), Some(AMOUNT)));
    assert_eq!(suspended.rrn, Some(world.transaction(&request).request.unwrap().rrn));

    assert_eq!(resolve(&mut world, key), Some(Ok(())));
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE CLAIM! RESOLUTION");
    let transaction = world.transaction(&request);
    assert_eq!((transaction.state, transaction.suspense), (State::Completed, None), "no state is changed");
    assert_eq!(transaction.resolution, Some(decision()));
    assert_eq!(listed(&world), []);
    refused(&mut world, key, "does not wait for a person");
}

#[test]
fn what_comes_later_flags_it_again() {
    let mut world = World::new();
    let request = claimed(&mut world);
    let key = key_of(&request);
    assert_eq!(resolve(&mut world, key), Some(Ok(())));
    let again = world.advice(420, &request, Some(1_000_000));
    world.events.clear();
    world.terminal(again);
    assert!(world.has_event(|event| matches!(event, Event::Suspended(_, Suspense::Claim))));
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE CLAIM! RESOLUTION CLAIM!");
    assert_eq!(listed(&world), [(key, Suspense::Claim)]);
    assert_eq!(resolve(&mut world, key), Some(Ok(())));
    assert_eq!(listed(&world), []);
}

#[test]
fn an_age_is_cleared_too_and_not_flagged_again() {
    let mut world = World::new();
    let request = approved(&mut world);
    let key = key_of(&request);
    world.pass_ms(DAY_MS);
    assert_eq!(listed(&world), [(key, Suspense::Age)]);
    assert_eq!(resolve(&mut world, key), Some(Ok(())));
    assert_eq!(listed(&world), []);
    world.pass_ms(3 * DAY_MS);
    assert_eq!(world.records(&request), "INTENT OUTCOME NOTE! RESOLUTION");
    world.restart(config());
    world.connect();
    world.pass_ms(3 * DAY_MS);
    assert_eq!(world.records(&request), "INTENT OUTCOME NOTE! RESOLUTION", "nor after a restart");
    let advice = world.advice(220, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(230), "00");
    assert_eq!(world.transaction(&request).state, State::Completed, "its life goes on");
}

#[test]
fn an_age_that_ends_by_an_advice_is_listed_no_more() {
    let mut world = World::new();
    let request = approved(&mut world);
    world.pass_ms(DAY_MS);
    assert_eq!(listed(&world).len(), 1);
    let advice = world.advice(220, &request, None);
    world.terminal(advice);
    assert_eq!(listed(&world), []);
}

#[test]
fn a_reversal_that_is_resolved_is_sent_on() {
    let mut world = World::new();
    let request = approved(&mut world);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    for _ in 0..10 {
        world.pass_ms(300_000);
        let place = world.sent.iter().position(|(_, it)| matches!(it.mti().value(), 420 | 421)).unwrap();
        let reversal = world.sent.remove(place);
        world.bank_answers(&reversal, "96");
    }
    let key = key_of(&request);
    assert_eq!(listed(&world), [(key, Suspense::Claim)]);
    assert_eq!(resolve(&mut world, key), Some(Ok(())));
    world.pass_ms(300_000);
    let again = world.taken(bank_link(BIDV), 421);
    world.bank_answers(&again, "00");
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL NOTE! RESOLUTION REVERSED");
}

#[test]
fn a_resolution_is_durable_before_the_clerk_hears_of_it() {
    let mut world = World::new();
    let request = claimed(&mut world);
    world.syncs = false;
    assert_eq!(resolve(&mut world, key_of(&request)), None);
    world.sync();
    assert_eq!(world.commanded.pop().unwrap().1, Ok(()));
    // What is lost before it was durable was not promised either: the flag stands.
    let request = {
        world.syncs = true;
        claimed(&mut world)
    };
    world.syncs = false;
    assert_eq!(resolve(&mut world, key_of(&request)), None);
    world.restart(config());
    assert_eq!(listed(&world), [(key_of(&request), Suspense::Claim)]);
}

#[test]
fn what_is_not_there_or_not_flagged_is_refused() {
    let mut world = World::new();
    let request = approved(&mut world);
    let key = key_of(&request);
    refused(&mut world, key, "does not wait for a person");
    refused(&mut world, TxKey { stan: 999_999, ..key }, "no transaction of that key");
    let advice = world.advice(220, &request, None);
    let advice_key = key_of(&advice);
    world.terminal(advice);
    refused(&mut world, key, "does not wait for a person");
    refused(&mut world, advice_key, "no transaction of that key");
    assert_eq!(world.processor.in_flight(), 0);

    // A log that does not answer.
    let request = claimed(&mut world);
    world.holds_finds = true;
    assert_eq!(resolve(&mut world, key_of(&request)), None);
    world.pass_ms(25_000);
    assert!(world.commanded.pop().unwrap().1.unwrap_err().contains("does not answer"));
    assert_eq!(listed(&world).len(), 1);
}

/// The log is asked, and before its answer is heard the transaction has gone through memory once more: the answer is
/// old, and asked for again.
#[test]
fn an_old_answer_of_the_log_resolves_nothing_twice() {
    let mut world = World::new();
    let request = claimed(&mut world);
    let key = key_of(&request);
    world.holds_finds = true;
    assert_eq!(resolve(&mut world, key), None);
    let (ticket, lookup) = world.finds.pop().unwrap();
    let old = world.find(&lookup);
    world.command(Command::Resolve(key, decision()));
    let (other, lookup) = world.finds.pop().unwrap();
    let found = world.find(&lookup);
    world.input(Input::Found(other, Box::new(found)));
    assert_eq!(world.commanded.pop().unwrap().1, Ok(()));
    world.holds_finds = false;
    world.input(Input::Found(ticket, Box::new(old)));
    assert!(world.commanded.pop().unwrap().1.unwrap_err().contains("does not wait for a person"));
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE CLAIM! RESOLUTION");
}

#[test]
fn names_and_reasons_have_their_bounds() {
    for (by, why) in
        [("", "x"), ("x", ""), ("x", "  "), ("x", "a\nb"), (&"x".repeat(65), "x"), ("x", &"x".repeat(201))]
    {
        assert!(Resolution::new(by, why).is_err(), "{by:?} {why:?}");
    }
    assert!(Resolution::new(&"ễ".repeat(64), &"ễ".repeat(200)).is_ok());
}
