//! The rules of standing in for the registry, broken on purpose (docs/mutants.md): each then lets out what it keeps back.
//! A program of its own, for a rule is broken for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

mod support;

use mutant::Mutant;
use processor::{Away, Config, Evidence, KnownStatus, RegistryWord, StandIn, Verdict};
use support::*;

const FLOOR: u64 = 2_000_000;

/// DE39 of as many withdrawals of one citizen, the registry away; `known` in front of the first.
fn codes(amount: u64, is_known: bool, withdrawals: usize) -> Vec<String> {
    let rule =
        StandIn { amount_minor_max: FLOOR, status_age_ms_max: 1_000, owed_max: 10, ask_again_ms: 1_000 };
    let mut world = World::with(Config { stand_in: Some(rule), ..config() });
    let at_ms = world.now.wall_ms;
    let withdraw = |_| {
        let request = world.request(200, "01", amount);
        world.terminal(request);
        let evidence = Evidence { registry: RegistryWord::Owed(b"question".as_slice().into()), ..evidence() };
        let known = is_known.then_some(KnownStatus { at_ms, valid_until_ms: at_ms + 1_000 });
        world.verdict(Verdict::RegistryAway(Box::new(Away { evidence, has_biometric: true, known })));
        if world.sent.iter().any(|(link, _)| *link == bank_link(BIDV)) {
            let asked = world.taken(bank_link(BIDV), 200);
            world.bank_answers(&asked, "00");
        }
        world.code(210)
    };
    (0..withdrawals).map(withdraw).collect()
}

#[test]
fn without_its_rule_each_goes_out() {
    let cases = [
        (Mutant::StandInOverFloor, FLOOR + 1, true, 1),
        (Mutant::StandInWithoutStatus, FLOOR, false, 1),
        (Mutant::StandInTwice, FLOOR, true, 2),
    ];
    for (mutant, amount, is_known, withdrawals) in cases {
        let last = || codes(amount, is_known, withdrawals).pop().unwrap();
        assert_eq!(last(), "91", "{mutant:?}");
        mutant::activate(Some(mutant));
        assert_eq!(last(), "00", "{mutant:?}");
        mutant::activate(None);
    }
}
