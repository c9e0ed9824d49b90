//! Whole transactions through the switch as its own process, held against ledger, cassettes and log.
#![allow(clippy::unwrap_used)]

use simulators::bank::{Fault as BankFault, no_faults};
use simulators::registry::Fault as RegistryFault;
use simulators::terminal::{Fault, Outcome, Steps, What};
use std::sync::Arc;
use std::time::Duration;
use tests::program::write_private;
use tests::world::{CITIZENS, PATIENCE, World, number};

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
        assert_eq!(world.visit(what.clone(), *amount, *steps, None).await, *expected, "{what:?}");
    }
    world.settled().await;
    assert_eq!(world.net_minor(), 1_000_000);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.approved, audit.declined, audit.reversed), (3, 4, 0, 0));
    let kinds = world.switch.log_kinds();
    let count = |kind: &str| kinds.iter().filter(|name| **name == kind).count();
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
        assert_eq!(world.visit(What::Withdrawal, *amount, Steps::Two, *fault).await, *expected, "{amount}");
    }
    world.settled().await;
    assert_eq!(world.net_minor(), 500_000);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.approved, audit.declined, audit.reversed), (1, 0, 0, 3));
}

/// With `[stand_in]`, on a card that the registry has just vouched for.
#[tokio::test(flavor = "multi_thread")]
async fn another_server_in_the_registrys_place_is_91_where_one_that_is_away_is_stood_in_for() {
    let mut world = World::start(no_faults()).await;
    let config = world.dir().join("atm-switch.toml");
    let text = std::fs::read_to_string(&config).unwrap() + "[stand_in]\n";
    write_private(&config, &text).unwrap();
    world.kill_and_restart();
    world.bank_ready().await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::One, None).await, "00 Whole 500000");
    let mut world = world.with_another_registry(true).await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::One, None).await, "91 Declined 0");
    assert!(world.switch.stderr().contains("what answers in the registry's place is refused"));
    world.status("nothing owed", |status| status["stand_ins_owed"] == 0).await;
    let mut world = world.with_another_registry(false).await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::One, None).await, "00 Whole 500000");
    world.status("one owed", |status| status["stand_ins_owed"] == 1).await;
}

/// With `[stand_in]`, on cards that the registry has just vouched for: it takes each question and says nothing. The first one is
/// waited for, and every other is due as the probe of a registry that is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_registry_is_stood_in_for_whether_it_is_asked_or_probed() {
    let mut world = World::start(no_faults()).await;
    let config = world.dir().join("atm-switch.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let breaker = "[registry]\nfailures_in_row_max = 1\npause_ms = 1\n";
    let text = text.replacen("[registry]\n", breaker, 1) + "[stand_in]\nask_again_ms = 1_000\n";
    // A tenth of it is for the word that nothing came: on a busy machine that takes its time.
    let text = text.replacen("registry_ms_max = 2000", "registry_ms_max = 4000", 1);
    let text = text.replacen("answer_ms_max = 5000", "answer_ms_max = 7000", 1);
    write_private(&config, &text).unwrap();
    world.kill_and_restart();
    world.bank_ready().await;
    for fault in [None, Some(RegistryFault::Silent)] {
        world.registry.set_fault(fault);
        for citizen in 0..CITIZENS {
            let order = world.order(citizen, What::Withdrawal, 500_000, Steps::One);
            assert_eq!(world.carried_out(order).await, "00 Whole 500000", "citizen {citizen}, {fault:?}");
        }
    }
    world.status("each owed", |status| status["stand_ins_owed"] == CITIZENS).await;
    world.registry.set_fault(None);
    world.status("none owed", |status| status["stand_ins_owed"] == 0).await;
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
    world.settled().await;
    assert_eq!(world.net_minor(), 0);
    assert!(world.switch.end("TERM").success());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!((audit.uses, audit.reversed), (0, 1));
}
