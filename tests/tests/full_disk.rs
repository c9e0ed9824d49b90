//! The real switch on a disk that becomes full: what begins is refused, what has begun ends, and nothing is lost.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::faults::{Faults, used_bytes};
use tests::load::Load;
use tests::program::Switch;
use tests::town::Town;
use tests::world::PATIENCE;
use tokio::time::{sleep, timeout};

/// The smallest that is allowed, so that a few hundred visits fill a segment.
const SEGMENT: &str = "segment_bytes = 1_048_576\n";

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !tokio::task::block_in_place(&mut is_so) {
        assert!(since.elapsed() < PATIENCE, "not {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// `status` while the switch runs; nothing once it has ended.
fn status(switch: &Switch) -> Option<Value> {
    let output = switch.command(&["status"]);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

fn is_full(switch: &Switch) -> bool {
    status(switch).is_some_and(|status| status["disk_full"] == true)
}

fn records(switch: &Switch) -> u64 {
    status(switch).unwrap()["log_records"].as_u64().unwrap()
}

fn log(dir: &Path) -> std::path::PathBuf {
    dir.join("log")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_begins_and_ends_what_has_begun() {
    let mut town = Town::start(11, false, SEGMENT).await;
    assert!(tokio::task::block_in_place(|| town.switch.end("TERM")).success());
    let dir = town.dir().to_owned();
    let faults = Faults::of(&mut town.switch, &dir);
    tokio::task::block_in_place(|| town.switch.start());
    let load = Load::start(&town, 11);
    wait_for("100 visits", || load.visits() >= 100).await;
    faults.quota(Some(used_bytes(&log(&dir))));
    wait_for("full", || is_full(&town.switch)).await;
    // What was in flight ends within the longest deadline; from then on nothing begins.
    sleep(Duration::from_secs(6)).await;
    let (from, visits) = (records(&town.switch), load.visits());
    wait_for("50 more visits", || load.visits() >= visits + 50).await;
    let until = records(&town.switch);
    // A kill at that moment, and a start that finds no room.
    tokio::task::block_in_place(|| town.switch.end("KILL"));
    tokio::task::block_in_place(|| town.switch.start());
    assert!(is_full(&town.switch), "it is known before anybody is served");
    let visits = load.visits();
    wait_for("50 more visits", || load.visits() >= visits + 50).await;
    tokio::task::block_in_place(|| town.switch.end("KILL"));
    tokio::task::block_in_place(|| town.switch.start());
    // Room again.
    faults.quota(None);
    wait_for("room", || status(&town.switch).is_some_and(|status| status["disk_full"] == false)).await;
    let approved = |town: &Town| town.fleet.movements().len();
    let before = approved(&town);
    wait_for("served again", || approved(&town) > before + 100).await;
    town.heal();
    let endings = load.end().await;
    timeout(PATIENCE, town.fleet.settled()).await.unwrap().unwrap();
    wait_for("reversed", || status(&town.switch).is_some_and(|status| status["reversals_open"] == 0)).await;
    assert!(tokio::task::block_in_place(|| town.switch.end("TERM")).success(), "{}", town.switch.stderr());
    assert!(endings.get("Declined 96").is_some_and(|count| *count >= 50), "{endings:?}");
    assert!(faults.refused() > 0);
    let acknowledged = town.acknowledged.clone();
    let (audit, log) = town.audit().await;
    assert!(audit.is_clean(), "{:?}", audit.findings);
    assert_eq!(acknowledged.against(&log).lost, [""; 0]);
    let begun = log[from as usize..until as usize].iter().filter(|record| {
        let kind = record["record"].as_str().unwrap();
        matches!(kind, "INTENT" | "VERIFICATION") || kind == "DECLINED" && !record["request"].is_null()
    });
    assert_eq!(begun.count(), 0, "nothing begins on a full disk");
}
