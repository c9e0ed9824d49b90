//! A bank that was away for a day comes back: each of its reversals is taken exactly once, and nobody else is refused.
#![allow(clippy::unwrap_used)]

use tests::drain::Drain;

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_comes_back_takes_each_reversal_once() {
    let drain = Drain { reversals: 2_000, visits_before: 20 };
    let report = drain.run().await;
    assert_eq!(report.applied_once, 2_000);
    assert_eq!((report.left_minor, report.open, report.refused), (0, 0, 0));
    assert!(report.is_good());
    let banks = report.listed["banks"].as_array().unwrap();
    let away = banks.iter().find(|bank| bank["bank"] == "970436").unwrap();
    assert_eq!((&away["reversals"], &away["ready"]), (&2_000.into(), &false.into()));
    assert_eq!(away["last_error"]["error"], "no_link");
    assert!(away["oldest_age_ms"].as_u64().unwrap() >= 86_400_000, "{away}");
    assert_eq!(report.listed["reversals"].as_array().unwrap().len(), 20);
    assert_eq!(report.listed["more"], 1_980);
    for line in [
        "atm_switch_saf_reversals{bank=\"970436\"} 2000",
        "atm_switch_saf_reversals{bank=\"970418\"} 0",
        "atm_switch_saf_errors_total{bank=\"970436\",error=\"no_link\"} 1",
    ] {
        assert!(report.metrics.contains(line), "{line} is not in {}", report.metrics);
    }
    let reversed = report.verified.lines().find(|line| line.ends_with(" REVERSED")).unwrap();
    assert_eq!(reversed.trim(), "2000 REVERSED");
}
