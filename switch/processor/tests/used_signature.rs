//! A chip's signature in a second request: refused without a question to registry or bank, also behind a restart.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::{Message, Mti};
use processor::{Code, Event, State, TxKey, USED_PROOFS_OF_ONE_MAX, Verdict};
use support::*;

const AMOUNT: u64 = 2_000_000;

/// A 0100 whose signature is over an amount, and the 0200 that it would vouch for too: the challenge is of DE41, DE11, DE4,
/// DE49, DE7, DE37 and DE2, and these are alike.
fn pair(world: &mut World) -> (Message, Message) {
    let withdrawal = world.request(200, "01", AMOUNT);
    let mut verification = withdrawal.clone();
    verification.set_mti(Mti::new(100));
    verification.set_text(3, "330000");
    for element in [2, 4, 7, 11, 37, 41, 49, 112] {
        assert_eq!(verification.get(element), withdrawal.get(element), "DE{element}");
    }
    (verification, withdrawal)
}

fn is_refused_unasked(world: &mut World, replay: &Message) {
    let asked_before = world.verifies.len();
    world.terminal(replay.clone());
    assert_eq!(world.verifies.len(), asked_before, "the registry is not asked");
    world.silent(bank_link(BIDV), 200);
    let mti = if replay.mti().value() == 100 { 110 } else { 210 };
    assert_eq!(world.code(mti), "63");
    assert!(world.has_event(|event| matches!(event, Event::SignatureUsedBefore(_))));
    assert_eq!(world.transaction(replay).state, State::Declined);
}

#[test]
fn a_replayed_signature_is_63_without_a_question() {
    let mut world = World::new();
    let (verification, withdrawal) = pair(&mut world);
    world.terminal(verification.clone());
    is_refused_unasked(&mut world, &withdrawal);
    world.verdict(verified());
    assert_eq!(world.code(110), "00", "the one that came first");

    let mut world = World::new();
    let (verification, withdrawal) = pair(&mut world);
    world.terminal(withdrawal.clone());
    world.verdict(verified());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    is_refused_unasked(&mut world, &verification);
}

#[test]
fn a_replayed_signature_is_63_behind_a_restart() {
    let cases = [
        (verified(), "00"),
        (Verdict::Refused(Code::LOST, Some(evidence())), "41"),
        (Verdict::Unavailable, "91"),
    ];
    for (verdict, code) in cases {
        let mut world = World::new();
        let (verification, withdrawal) = pair(&mut world);
        world.terminal(verification);
        world.verdict(verdict);
        assert_eq!(world.code(110), code);
        world.restart(config());
        world.connect();
        is_refused_unasked(&mut world, &withdrawal);
    }
}

#[test]
fn the_same_request_may_use_it_again_behind_a_restart_that_has_forgotten_it() {
    let mut world = World::new();
    let (_, withdrawal) = pair(&mut world);
    world.terminal(withdrawal.clone());
    assert!(world.log.is_empty(), "nothing is recorded while the registry is asked");
    world.restart(config());
    world.connect();
    world.terminal(withdrawal);
    world.verdict(verified());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
}

#[test]
fn past_its_time_it_is_forgotten_and_refused_by_its_time() {
    let mut world = World::new();
    let (verification, _) = pair(&mut world);
    world.terminal(verification);
    world.verdict(verified());
    assert_eq!(world.processor.standing().proofs.len(), 1);
    world.pass_ms(2 * processor::PROOF_AGE_MS_MAX as u64 + 1);
    let next = world.request(200, "01", AMOUNT);
    world.terminal(next);
    assert_eq!(world.processor.standing().proofs.len(), 1, "the new one alone");
}

/// Attack: whoever has one terminal's keys sends signatures that are worth nothing until no other terminal's is taken.
#[test]
fn one_terminal_takes_its_share_of_the_memory_alone() {
    let mut world = World::new();
    let (verification, _) = pair(&mut world);
    world.terminal(verification);
    world.verdict(Verdict::Refused(Code::PROOF, Some(evidence())));
    assert_eq!(world.code(110), "63");
    // As many more as there may be: what each leaves in the log is told to a new start.
    let mut refused = world.log.last().unwrap().clone();
    let mut standing = world.processor.standing().clone();
    for stan in 1..USED_PROOFS_OF_ONE_MAX {
        refused.transaction = refused.transaction.map(|key| TxKey { stan: 900_000 - stan, ..key });
        standing.apply(&refused, None);
    }
    world.start(config(), standing, Default::default());
    world.connect();
    let (verification, _) = pair(&mut world);
    world.terminal(verification);
    assert!(world.verifies.is_empty(), "the registry is not asked");
    assert_eq!(world.code(110), "91");
    world.pass_ms(2 * processor::PROOF_AGE_MS_MAX as u64 + 1_000);
    let (verification, _) = pair(&mut world);
    world.terminal(verification);
    world.verdict(verified());
    assert_eq!(world.code(110), "00");
}
