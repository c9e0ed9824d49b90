//! Whole transactions through the switch as its own process, held against ledger, cassettes and log.
#![allow(clippy::unwrap_used)]

use simulators::bank::{Fault as BankFault, no_faults};
use simulators::terminal::{Fault, Outcome, Steps, What, net_out_vnd};
use std::sync::Arc;
use std::time::Duration;
use tests::world::{World, number};

/// Longer than anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until every advice is answered and the ledger agrees with the notes.
async fn settled(world: &World) {
    tokio::time::timeout(PATIENCE, world.terminal.settled()).await.expect("advices are answered").unwrap();
    let cash = net_out_vnd(&world.terminal.movements()).values().sum::<i64>();
    let since = std::time::Instant::now();
    while world.net_minor() != cash {
        assert!(since.elapsed() < PATIENCE, "ledger {} and cash {cash}", world.net_minor());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How the visit ended, in one line.
async fn visit(world: &mut World, what: What, amount_vnd: u64, steps: Steps, fault: Option<Fault>) -> String {
    let mut order = world.order(0, what, amount_vnd, steps);
    order.fault = fault;
    let finished = tokio::time::timeout(PATIENCE, world.terminal.perform(order)).await;
    let finished = finished.expect("the visit ends").unwrap();
    let code = finished.code.map_or("--".to_owned(), |code| String::from_utf8_lossy(&code).into_owned());
    let told = [finished.told.amounts.as_deref(), finished.told.statement.as_deref()];
    let told =
        told.into_iter().flatten().map(|told| format!(" {} characters", told.len())).collect::<String>();
    format!("{code} {:?} {}{told}", finished.outcome, finished.net_out_vnd)
}

/// Kinds of the log's records, in order.
fn kinds(log: &[serde_json::Value]) -> Vec<&str> {
    log.iter().map(|record| record["record"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_is_carried_through_to_the_bank_and_back() {
    let mut world = World::start(no_faults()).await;
    let to = What::Transfer { to_account: "8600099999".into() };
    let table: &[(What, u64, Steps, &str)] = &[
        (What::Withdrawal, 2_000_000, Steps::Two, "00 Whole 2000000"),
        (What::Withdrawal, 500_000, Steps::One, "00 Whole 500000"),
        (What::Deposit, 1_500_000, Steps::Two, "00 Whole -1500000"),
        (What::Balance, 0, Steps::Two, "00 Whole 0 40 characters"),
        (What::MiniStatement, 0, Steps::Two, "00 Whole 0 72 characters"),
        (to, 300_000, Steps::Two, "00 Whole 0"),
    ];
    for (what, amount, steps, expected) in table {
        assert_eq!(visit(&mut world, what.clone(), *amount, *steps, None).await, *expected, "{what:?}");
    }
    settled(&world).await;
    assert_eq!(world.net_minor(), 1_000_000);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.approved, audit.declined, audit.reversed), (3, 4, 0, 0));
    let log = world.switch.log();
    let count = |kind: &str| kinds(&log).iter().filter(|name| **name == kind).count();
    assert_eq!((count("INTENT"), count("OUTCOME"), count("COMPLETE"), count("VERIFICATION")), (6, 6, 3, 5));
    assert!(world.switch.told(&["log", "verify"]).contains("records are good"));
    let secret = number(0);
    for path in [world.switch.stderr_path(), world.dir().join("log/00000000000000000000.segment")] {
        let mut bytes = std::fs::read(&path).unwrap();
        // A segment is preallocated: behind its records are zeros.
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{}: a citizen number in clear", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_leave_is_given_back() {
    let faults = |seen: &simulators::bank::Seen<'_>| {
        (seen.mti == 200 && seen.amount_minor == 700_000).then_some(BankFault::Silent)
    };
    let mut world = World::start(Arc::new(faults)).await;
    let part = Some(Fault::DispensePart { notes: 1 });
    let table: &[(u64, Option<Fault>, &str)] = &[
        (1_000_000, part, "00 Part 500000"),
        (1_000_000, Some(Fault::DispenseNothing), "00 Nothing 0"),
        (700_000, None, "91 Declined 0"),
    ];
    for (amount, fault, expected) in table {
        assert_eq!(
            visit(&mut world, What::Withdrawal, *amount, Steps::Two, *fault).await,
            *expected,
            "{amount}"
        );
    }
    settled(&world).await;
    assert_eq!(world.net_minor(), 500_000);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.approved, audit.declined, audit.reversed), (1, 0, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_request_and_answer_is_reversed_by_the_next_start() {
    let faults = |seen: &simulators::bank::Seen<'_>| {
        (seen.mti == 200 && seen.amount_minor == 700_000).then_some(BankFault::Late(1_500))
    };
    let mut world = World::start(Arc::new(faults)).await;
    let order = world.order(1, What::Withdrawal, 700_000, Steps::Two);
    let terminal = world.terminal.clone();
    let visit = tokio::spawn(async move { terminal.perform(order).await.unwrap() });
    let since = std::time::Instant::now();
    while world.entries().is_empty() {
        assert!(since.elapsed() < PATIENCE, "the bank is asked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.kill_and_restart();
    let finished = tokio::time::timeout(PATIENCE, visit).await.unwrap().unwrap();
    assert!(finished.outcome != Outcome::Whole, "{finished:?}");
    settled(&world).await;
    assert_eq!(world.net_minor(), 0);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.reversed), (0, 1));
}
