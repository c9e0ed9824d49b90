//! The simulation with real MACs, real chips and a registry whose answers are signed.

use tests::simulation::{Fault, FaultSet, Plan, run};

/// More run by hand and in `tests/run`: `simulate --real-cryptography` (docs/reliability.md#real-cryptography).
const SEEDS: std::ops::RangeInclusive<u64> = 1..=2;

/// Most visits end in an INTENT: what drops below this share was refused by a check that all should pass.
const SHARE_PERCENT_MIN: u64 = 60;

fn with_keys(mut plan: Plan) -> Plan {
    plan.real_cryptography = true;
    plan
}

#[test]
fn no_seed_breaks_a_rule() {
    for seed in SEEDS {
        let outcome = run(&with_keys(Plan::of(seed)), false);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.transactions > 0, "seed {seed}: nobody was served");
    }
}

#[test]
fn proofs_and_macs_are_accepted_on_a_day_without_faults() {
    let mut plan = with_keys(Plan::calm(1));
    plan.visits = 40;
    let outcome = run(&plan, false);
    assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
    let share_percent = outcome.transactions * 100 / plan.visits as u64;
    assert!(share_percent >= SHARE_PERCENT_MIN, "only {share_percent} of a hundred visits came to an INTENT");
}

#[test]
fn forged_messages_and_a_changed_key_do_no_harm() {
    let faults = FaultSet::NONE.with(Fault::Forged).with(Fault::KeyChange).with(Fault::RegistryRefuses);
    let mut plan = with_keys(Plan::with(5, faults, 60));
    plan.rate_thousandths = 60;
    let outcome = run(&plan, false);
    assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
    for fault in faults.iter() {
        assert!(outcome.faults.of(fault) > 0, "{} never struck", fault.name());
    }
}

#[test]
fn a_seed_gives_the_same_bytes_in_the_log() {
    let mut plan = with_keys(Plan::of(7));
    plan.visits = 30;
    let [one, again] = [1, 2].map(|_| run(&plan, false).log);
    assert!(one == again, "two runs of one seed have written different logs");
    plan.real_cryptography = false;
    let drawn = run(&plan, false).log;
    assert!(one != drawn, "signed answers of the registry stand in no record");
}
