//! The rule about used signatures, broken on purpose (docs/mutants.md): then one signature pays twice. A program of its own,
//! for a rule is broken for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Mti;
use mutant::Mutant;
use support::*;

#[test]
fn without_the_rule_one_signature_vouches_for_two_requests() {
    mutant::activate(Some(Mutant::SignatureServesTwice));
    let mut world = World::new();
    let withdrawal = world.request(200, "01", 2_000_000);
    let mut verification = withdrawal.clone();
    verification.set_mti(Mti::new(100));
    verification.set_text(3, "330000");
    world.terminal(verification.clone());
    world.verdict(verified());
    assert_eq!(world.code(110), "00");
    world.terminal(withdrawal.clone());
    world.verdict(verified());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert_eq!(world.records(&verification), "VERIFICATION");
    assert!(world.records(&withdrawal).starts_with("INTENT"));
    mutant::activate(None);
}
