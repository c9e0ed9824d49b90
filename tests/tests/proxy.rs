//! A proxy on every link of the switch that delays, doubles, cuts and resets, and the audit behind it.
#![allow(clippy::unwrap_used)]

use tests::rounds::{Rounds, play};

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_late_twice_halved_or_lost_cost_no_money() {
    let report = play(Rounds { rounds: 0, seed: 3, wild: true, visits_min: 600 }, |_, _| {}).await;
    assert!(report.is_clean(), "{}", report.text());
    assert_eq!(report.faults.keys().copied().collect::<Vec<_>>(), ["cut", "delayed", "doubled", "reset"]);
    assert!(report.audit.approved > 100 && report.audit.reversed > 0, "{}", report.text());
}
