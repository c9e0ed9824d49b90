//! A small day of every damage: all of it is found, nothing else is, whatever the order of the files.

#![allow(clippy::unwrap_used)]

use reconciliation::Kind;

use super::damage::{Damages, OF_TRANSACTIONS};
use super::plan::{Plan, Twin};
use super::{files, log, reconcile};
use crate::pilot::Chance;

#[test]
fn every_planted_exception_is_found_and_nothing_is_matched_wrongly() {
    for seed in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::new(seed, 3_000, Damages::of_every_kind(3_000));
        log::write(&plan, seed, &dir.path().join("log")).unwrap();
        let truth = files::write(&plan, dir.path()).unwrap();
        assert_eq!(plan.uses.iter().filter(|one| one.retry.is_some()).count(), 12);
        assert_eq!(plan.uses.iter().filter(|one| one.twin == Some(Twin::Back)).count(), 3);
        assert!(Kind::ALL.iter().all(|kind| truth.planted.iter().any(|planted| planted.kind == *kind)));
        let (outcome, exceptions) =
            reconcile::reconcile(&plan, &truth, &truth.deliveries, seed, dir.path()).unwrap();
        assert!(outcome.is_good(), "seed {seed}: {outcome:#?}");
        assert!(outcome.ambiguous_planted > 0);

        // In another order: of the deliveries of one place the good file stays behind the bad one.
        let mut other = truth.deliveries.clone();
        let mut chance = Chance::new(seed, "order");
        chance.shuffle(&mut other);
        other.sort_by_key(|delivery| {
            !delivery.path.contains("-unreadable") && !delivery.path.contains("-wrong")
        });
        other.sort_by_key(|delivery| delivery.path.contains("-again"));
        let (again, exceptions_again) =
            reconcile::reconcile(&plan, &truth, &other, seed, dir.path()).unwrap();
        assert!(again.is_good(), "seed {seed}: {again:#?}");
        assert_eq!(exceptions, exceptions_again);
    }
}

#[test]
fn a_day_without_damage_has_no_exception() {
    let dir = tempfile::tempdir().unwrap();
    let plan =
        Plan::new(9, 2_000, Damages { planted: [].into(), twins: 0, retried: 0, nameless_reversals: 0 });
    log::write(&plan, 9, &dir.path().join("log")).unwrap();
    let truth = files::write(&plan, dir.path()).unwrap();
    let (outcome, exceptions) =
        reconcile::reconcile(&plan, &truth, &truth.deliveries, 9, dir.path()).unwrap();
    assert_eq!((outcome.planted, exceptions.len(), outcome.matched_unaided), (0, 0, 2_000), "{outcome:#?}");
}

/// The truth is of the plan: the same seed draws the same day.
#[test]
fn the_same_seed_draws_the_same_day() {
    let uses = |seed| format!("{:?}", Plan::new(seed, 500, Damages::of_every_kind(500)).uses);
    assert_eq!(uses(1), uses(1));
    assert_ne!(uses(1), uses(2));
    assert_eq!(OF_TRANSACTIONS.len() + 7, Kind::ALL.len());
}
