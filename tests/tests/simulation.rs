//! A few simulated days: the same seed is the same log, to the byte; days with and without faults come out clean; so do
//! crashes at every step of a script. `simulate` (docs/reliability.md) is the same at length.
#![allow(clippy::unwrap_used)]

use tests::simulation::crash::crash;
use tests::simulation::{Fault, Outcome, Plan, run};

/// Seeds of each kind: a debug build runs some tens in a second.
const SEEDS: u64 = 25;

fn clean(plan: &Plan) -> Outcome {
    let outcome = run(plan, false);
    assert_eq!(outcome.violations, [], "seed {}: `simulate --from {} --seeds 1`", plan.seed, plan.seed);
    outcome
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 1..=SEEDS / 5 {
        let plan = Plan::of(seed);
        assert!(clean(&plan).log == clean(&plan).log, "seed {seed} has two logs");
    }
    assert!(run(&Plan::of(1), false).log != run(&Plan::of(2), false).log);
}

#[test]
fn a_trace_changes_nothing() {
    let plan = Plan::of(3);
    let traced = run(&plan, true);
    assert!(!traced.trace.is_empty());
    assert!(traced.log == run(&plan, false).log);
}

#[test]
fn days_with_faults_come_out_clean() {
    let outcomes: Vec<Outcome> = (1..=SEEDS).map(|seed| clean(&Plan::of(seed))).collect();
    let each = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>() / SEEDS;
    assert!(each(|it| it.transactions) >= 100);
    assert!(each(|it| it.faults.kinds() as u64) >= 5);
    assert!(each(|it| it.restarts) >= 2);
}

#[test]
fn a_day_without_faults_is_calm() {
    for seed in 1..=SEEDS / 5 {
        let outcome = clean(&Plan::calm(seed));
        // A day that tells totals comes to its end, and that counts as a cutover.
        let ends = usize::from(outcome.faults.of(Fault::Cutover) > 0);
        assert_eq!((outcome.restarts, outcome.faults.kinds() - ends), (0, 0));
        assert!(outcome.transactions > 50);
    }
}

/// Script 5 has totals; a start that stopped while it allocated its reserve went on before, on a disk that stood still.
#[test]
fn banks_are_asked_for_totals_behind_a_start_that_stops_while_it_allocates() {
    let crashed = crash(5, 1500);
    assert_eq!(crashed.points, 1500);
    assert!(crashed.violations.is_empty(), "{:?}", crashed.violations.first());
}

#[test]
fn a_script_survives_a_crash_at_each_of_its_steps() {
    for script in [1, 2] {
        let crashed = crash(script, 400);
        assert!(crashed.points > 100, "{}", crashed.points);
        assert!(crashed.violations.is_empty(), "{:?}", crashed.violations.first());
    }
}

#[test]
fn every_kind_of_fault_has_its_name() {
    for fault in Fault::ALL {
        assert_eq!(Fault::from_name(fault.name()), Some(*fault));
    }
    assert_eq!(Fault::from_name("rain"), None);
}
