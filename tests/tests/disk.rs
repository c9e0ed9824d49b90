//! The real switch on a disk that fails, is slow or was tampered with, and under a clock that goes back.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use simulators::bank::{Fault as BankFault, no_faults};
use simulators::terminal::{Finished, Outcome, Steps, What};
use tests::faults::Faults;
use tests::world::{PATIENCE, World};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Withdrawals of this amount are answered late by the bank: it has debited when a test looks.
const LATE_VND: u64 = 700_000;

/// Records of the visit that a world begins with: "send the SOD", INTENT, OUTCOME.
const FIRST_RECORDS: usize = 3;

/// A world whose switch has the faults' library, none set, and knows the citizen's SOD from a first visit.
async fn world() -> (World, Faults) {
    let faults = |seen: &simulators::bank::Seen<'_>| {
        (seen.mti == 200 && seen.amount_minor == LATE_VND as i64).then_some(BankFault::Late(1_000))
    };
    let mut world = World::start(Arc::new(faults)).await;
    assert!(world.switch.end("TERM").success());
    let dir = world.dir().to_owned();
    let faults = Faults::of(&mut world.switch, &dir);
    world.switch.start();
    world.bank_ready().await;
    assert!(world.visit(What::Balance, 0, Steps::One, None).await.starts_with("00"));
    (world, faults)
}

fn begin(world: &mut World, amount_vnd: u64) -> JoinHandle<Finished> {
    let order = world.order(0, What::Withdrawal, amount_vnd, Steps::One);
    let terminal = world.terminal.clone();
    tokio::spawn(async move { terminal.perform(order).await.unwrap() })
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !tokio::task::block_in_place(&mut is_so) {
        assert!(since.elapsed() < PATIENCE, "not {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the switch and holds the three sides against each other.
async fn audited(world: &mut World) {
    world.settled().await;
    world.reversals_acknowledged().await;
    assert!(world.switch.end("TERM").success(), "{}", world.switch.stderr());
    let audit = world.audit();
    assert!(audit.is_clean(), "{:?}", audit.findings);
}

fn segment(world: &World) -> PathBuf {
    world.dir().join("log/00000000000000000000.segment")
}

/// A start that is refused; what it said.
fn refused(world: &mut World) -> String {
    let before = world.switch.stderr().len();
    world.switch.launch();
    let status = world.switch.wait_ready().unwrap_err();
    assert_eq!(status.code(), Some(1), "{}", world.switch.stderr());
    world.switch.stderr()[before..].to_owned()
}

/// Where the records of the first segment end, and where the last of them begins.
fn ends(world: &World) -> (usize, usize) {
    let bytes = fs::read(segment(world)).unwrap();
    let (mut at, mut last) = (64, 64);
    // A frame: checksum and link (36), the record's length (4), then 17 bytes more and the record (docs/log.md).
    while let Some(length) = bytes.get(at + 36..at + 40).map(|it| u32::from_be_bytes(it.try_into().unwrap()))
        && length > 0
    {
        (last, at) = (at, at + 57 + length as usize);
    }
    (at, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_stops_the_switch_at_once_and_nothing_is_answered() {
    // INTENT's sync, then OUTCOME's: how many still succeed, and what the bank then has of the withdrawal.
    for (succeed, debited) in [(0, 0), (1, 500_000)] {
        let (mut world, faults) = world().await;
        faults.fail_syncs_after(Some(succeed));
        let visit = begin(&mut world, 500_000);
        let status = tokio::task::block_in_place(|| world.switch.wait_end());
        assert_eq!(status.code(), Some(70), "{}", world.switch.stderr());
        assert_eq!(faults.syncs_failed(), (1, 0), "one failed, and none was tried again");
        assert!(!visit.is_finished(), "nothing was answered");
        assert_eq!(world.net_minor(), debited, "nothing reaches a bank before its INTENT is durable");
        faults.fail_syncs_after(None);
        world.switch.start();
        let finished = timeout(PATIENCE, visit).await.unwrap().unwrap();
        let paid = if finished.outcome == Outcome::Whole { 500_000 } else { 0 };
        assert_eq!(paid, debited as u64, "{finished:?}");
        audited(&mut world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sync_is_silence_and_then_91_behind_its_reversal() {
    let (mut world, faults) = world().await;
    let visit = begin(&mut world, LATE_VND);
    wait_for("debited", || world.net_minor() != 0).await;
    faults.hold_syncs(true);
    // INTENT, and OUTCOME that cannot become durable; the deadline appends REVERSAL behind it.
    let appended = |world: &World| {
        let status: Value = serde_json::from_str(&world.switch.told(&["status"])).unwrap();
        ["log_records", "log_synced_records"].map(|name| status[name].as_u64().unwrap() as usize)
    };
    wait_for("reversed by its deadline", || appended(&world)[0] == FIRST_RECORDS + 3).await;
    assert_eq!(appended(&world)[1], FIRST_RECORDS + 1);
    assert!(!visit.is_finished(), "silence");
    faults.hold_syncs(false);
    let finished = timeout(PATIENCE, visit).await.unwrap().unwrap();
    assert_eq!((finished.outcome, finished.code), (Outcome::Declined, Some(*b"91")));
    let kinds = world.switch.log_kinds();
    assert_eq!(kinds[FIRST_RECORDS..][..3], ["INTENT", "OUTCOME", "REVERSAL"]);
    audited(&mut world).await;
    assert_eq!(world.net_minor(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_below_what_was_synced_is_refused_and_named() {
    let mut world = World::start(no_faults()).await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    audited(&mut world).await;
    let good = fs::read(segment(&world)).unwrap();
    let (_, last) = ends(&world);
    for at in [70, last / 2, last + 60] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(segment(&world), &bad).unwrap();
        let said = refused(&mut world);
        assert!(said.contains("record") && said.contains("00000000000000000000.segment"), "{said}");
        assert!(fs::read(segment(&world)).unwrap() == bad, "nothing is changed");
    }
    fs::write(segment(&world), &good).unwrap();
    world.switch.start();
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    audited(&mut world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_cut_and_said_and_a_cut_that_the_note_knows_is_refused() {
    let mut world = World::start(no_faults()).await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    world.settled().await;
    // Its last record is the OUTCOME of an inquiry: without it the inquiry ends in DECLINED.
    assert!(world.visit(What::Balance, 0, Steps::One, None).await.starts_with("00"));
    audited(&mut world).await;
    let (good, note) = (fs::read(segment(&world)).unwrap(), world.dir().join("log/synced.note"));
    let (noted, head) = (fs::read(&note).unwrap(), world.switch.told(&["log", "verify"]));
    let (end, last) = ends(&world);
    let cut = |at: usize| [&good[..at], &vec![0; good.len() - at]].concat();
    // In the middle of the last record, and at its beginning: the note knows that it was durable.
    for at in [last + 30, last] {
        fs::write(segment(&world), cut(at)).unwrap();
        fs::write(&note, &noted).unwrap();
        assert!(refused(&mut world).contains("00000000000000000000.segment"), "cut at {at}");
    }
    // Behind all records: nobody has heard of it.
    let mut garbage = good.clone();
    garbage[end..end + 40].fill(0xA7);
    fs::write(segment(&world), &garbage).unwrap();
    world.switch.start();
    assert!(world.switch.stderr().contains("which was never synced"), "{}", world.switch.stderr());
    assert!(world.switch.end("TERM").success());
    // The note is not synced itself: a power loss may leave an older one. Then the same cut is a torn tail.
    for at in [last + 30, last] {
        fs::remove_dir_all(world.dir().join("log")).unwrap();
        fs::create_dir(world.dir().join("log")).unwrap();
        fs::write(segment(&world), cut(at)).unwrap();
        let before = world.switch.stderr().len();
        world.switch.start();
        let said = world.switch.stderr()[before..].contains("which was never synced");
        assert_eq!(said, at != last, "a cut at a record's boundary leaves nothing to say");
        assert!(world.switch.end("TERM").success());
        assert_eq!(world.switch.log_kinds().last().map(String::as_str), Some("DECLINED"));
        let audit = world.audit();
        assert!(audit.is_clean(), "{:?}", audit.findings);
    }
    // What nobody on this disk can know, a head that was noted elsewhere knows.
    let head = head.split_whitespace().find(|word| word.contains(':') && word.len() > 64).unwrap().to_owned();
    let told = world.switch.command(&["log", "verify", "--head", &head]);
    assert!(!told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_far_is_refused_and_a_little_gives_nothing_twice() {
    let (mut world, faults) = world().await;
    assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, None).await, "00 Whole 500000");
    world.settled().await;
    let day = |world: &World| {
        let status: Value = serde_json::from_str(&world.switch.told(&["status"])).unwrap();
        status["business_day"].clone()
    };
    let opened = day(&world);
    assert!(world.switch.end("TERM").success());
    faults.clock(-3_600_000);
    assert!(refused(&mut world).contains("behind the log's last record"));
    // Within the bound of 5 s, at a start and then while it runs; the second visit is reversed.
    faults.clock(-2_000);
    world.switch.start();
    world.bank_ready().await;
    let nothing = Some(simulators::terminal::Fault::DispenseNothing);
    for (clock_ms, fault, expected) in
        [(-2_000, None, "00 Whole 500000"), (-4_000, nothing, "00 Nothing 0"), (0, None, "00 Whole 500000")]
    {
        faults.clock(clock_ms);
        assert_eq!(world.visit(What::Withdrawal, 500_000, Steps::Two, fault).await, expected);
    }
    assert_eq!(day(&world), opened);
    audited(&mut world).await;
    let log = world.switch.log();
    let names: Vec<(String, String)> = log
        .iter()
        .filter(|record| matches!(record["record"].as_str(), Some("INTENT" | "REVERSAL")))
        .map(|record| {
            let part = |name: &str| record["identity"][name].as_str().unwrap().to_owned();
            (part("sent_at"), part("stan"))
        })
        .collect();
    assert_eq!(names.len(), 6);
    let mut ordered = names.clone();
    ordered.sort();
    ordered.dedup();
    assert_eq!(names, ordered, "names at the bank never fall, and none stands twice");
}
