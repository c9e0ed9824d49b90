//! The real process under load, killed with SIGKILL at moments that a seed draws and started again, round for round; then
//! everything heals, and cassettes, ledgers, log and what terminals were told are held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulators::audit::{Audit, Finding, Misfit, Row};
use simulators::pilot::Chance;
use simulators::terminal::Point;
use tokio::time::{sleep, timeout};

use crate::acknowledged::Backed;
use crate::load::Load;
use crate::town::{APPROVED_AGE_MS, TERMINALS, Town, terminal_id};

/// A switch lives for so long under load before it is killed, milliseconds; where the kill is aimed, it comes behind that.
const LIFE_MS: (u32, u32) = (60, 1_300);

/// The moment that a kill is aimed at has to come in this time, or the kill comes without it.
const MOMENT_MAX: Duration = Duration::from_secs(2);

/// A start that is killed has run for so long, milliseconds: from before the log is opened to after it accepts.
const START_MS: (u32, u32) = (0, 400);

/// Before so many of a hundred starts the log's index is deleted.
const INDEX_LOST_PERCENT: usize = 15;

/// Segments so small that the log comes to a new one every few hundred visits.
const SETTINGS: &str = "segment_bytes = 1_048_576\n";

/// One machine out of so many dies for good in the whole run, whatever its length.
const MACHINES_FOR_ONE_DEATH: usize = 8;

/// The visits that are asked for behind the last kill have to end in this time.
const VISITS_MAX: Duration = Duration::from_secs(120);

/// What is owed has to be settled in this time once everything is well.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Kills under load.
    pub rounds: u32,
    /// Where chance begins. The moments follow from it; what they meet depends on the machine as well.
    pub seed: u64,
    /// The proxies delay, double, cut and reset.
    pub wild: bool,
    /// Goes on behind the last kill until so many visits have ended in all.
    pub visits_min: u64,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was played.
    pub played: Rounds,
    /// Kills of a switch that was serving.
    pub kills: u32,
    /// Kills of a switch that was starting.
    pub kills_at_start: u32,
    /// Those of them that came before it accepted terminals.
    pub kills_in_recovery: u32,
    /// Starts before which the log's index was deleted.
    pub indexes_deleted: u32,
    /// Times from a start to its accepting terminals, milliseconds, in order of size.
    pub start_ms: Vec<u64>,
    /// How visits ended.
    pub endings: BTreeMap<String, u64>,
    /// Frames through the proxies.
    pub frames: u64,
    /// What the proxies did to them.
    pub faults: BTreeMap<&'static str, u64>,
    /// What terminals were told, and whether the log backs it.
    pub backed: Backed,
    /// The audit.
    pub audit: Audit,
    /// Records of the log.
    pub records: usize,
    /// Machines that died for good.
    pub dead: BTreeSet<String>,
    /// Wall time.
    pub took: Duration,
}

/// Plays; `progress` is told after each round how many visits have ended.
///
/// # Panics
/// When a part does not start, or what is owed is not settled.
pub async fn play(rounds: Rounds, progress: impl Fn(u32, u64)) -> Report {
    let began = Instant::now();
    let mut town = Town::start(rounds.seed, rounds.wild, SETTINGS).await;
    let load = Load::start(&town, rounds.seed);
    let mut chance = Chance::new(rounds.seed, "kills");
    let mut deaths = deaths(rounds.rounds, &mut chance);
    let mut counts = Counts::default();
    for round in 0..rounds.rounds {
        for (machine, at) in deaths.remove(&round).unwrap_or_default() {
            load.let_die(machine, at);
        }
        one_round(&mut town, &mut chance, &mut counts).await;
        progress(round + 1, load.visits());
    }
    let since = Instant::now();
    while load.visits() < rounds.visits_min {
        assert!(since.elapsed() < VISITS_MAX, "{} visits in {VISITS_MAX:?}", load.visits());
        sleep(Duration::from_millis(20)).await;
    }
    town.heal();
    let endings = load.end().await;
    settle(&town).await;
    let dead = (0..TERMINALS).map(terminal_id);
    let dead = dead.filter(|id| town.fleet.get(id).is_some_and(|handle| handle.standing().dead)).collect();
    let status = tokio::task::block_in_place(|| town.switch.end("TERM"));
    assert!(status.success(), "the drained switch ended with {status}: {}", town.switch.stderr());
    let (faults, frames) = town.proxied();
    let acknowledged = town.acknowledged.clone();
    let (audit, log) = town.audit().await;
    counts.start_ms.sort_unstable();
    Report {
        played: rounds,
        kills: counts.kills,
        kills_at_start: counts.kills_at_start,
        kills_in_recovery: counts.kills_in_recovery,
        indexes_deleted: counts.indexes_deleted,
        start_ms: counts.start_ms,
        endings,
        frames,
        faults,
        backed: acknowledged.against(&log),
        audit,
        records: log.len(),
        dead,
        took: began.elapsed(),
    }
}

#[derive(Default)]
struct Counts {
    kills: u32,
    kills_at_start: u32,
    kills_in_recovery: u32,
    indexes_deleted: u32,
    start_ms: Vec<u64>,
}

/// Which machines die in which round, and at which point.
fn deaths(rounds: u32, chance: &mut Chance) -> BTreeMap<u32, Vec<(usize, Point)>> {
    let mut deaths: BTreeMap<u32, Vec<(usize, Point)>> = BTreeMap::new();
    for machine in (0..TERMINALS).step_by(MACHINES_FOR_ONE_DEATH) {
        let round = chance.below(rounds.max(1) as usize) as u32;
        let at = *chance.pick(&[Point::BeforeAdvice, Point::AfterRequest]);
        deaths.entry(round).or_default().push((machine, at));
    }
    deaths
}

/// A life under load, its end, starts that are killed, and one that is not.
async fn one_round(town: &mut Town, chance: &mut Chance, counts: &mut Counts) {
    sleep(draw(chance, LIFE_MS)).await;
    let moments = town.moments.clone();
    let aim = chance.weighted(&[30, 20, 15, 20, 15]);
    let after = Duration::from_micros(u64::from(chance.between(0, 3_000)));
    let moment = match aim {
        1 => Some(&moments.bank_asked),
        2 => Some(&moments.bank_answered),
        3 => Some(&moments.answered),
        4 => Some(&moments.advised),
        _ => None,
    };
    if let Some(moment) = moment {
        // Without traffic of that kind the kill comes all the same.
        let _ = timeout(MOMENT_MAX, moment.notified()).await;
        sleep(after).await;
    }
    tokio::task::block_in_place(|| town.switch.end("KILL"));
    counts.kills += 1;
    if chance.percent(INDEX_LOST_PERCENT) {
        // It holds nothing that the log does not.
        let _ = std::fs::remove_dir_all(town.dir().join("log/index"));
        counts.indexes_deleted += 1;
    }
    for _ in 0..chance.weighted(&[55, 25, 20]) {
        town.switch.launch();
        sleep(draw(chance, START_MS)).await;
        counts.kills_in_recovery += u32::from(!town.dir().join("addresses.json").exists());
        counts.kills_at_start += 1;
        tokio::task::block_in_place(|| town.switch.end("KILL"));
    }
    let since = Instant::now();
    tokio::task::block_in_place(|| town.switch.start());
    counts.start_ms.push(since.elapsed().as_millis() as u64);
}

fn draw(chance: &mut Chance, (first, last): (u32, u32)) -> Duration {
    Duration::from_millis(u64::from(chance.between(first, last)))
}

/// Waits until machines owe no advice and banks no acknowledgement, and until what the dead have left is flagged.
async fn settle(town: &Town) {
    let settled = timeout(SETTLE_MAX, town.fleet.settled()).await;
    settled.expect("advices are answered").expect("the machines run");
    let since = Instant::now();
    loop {
        let status = tokio::task::block_in_place(|| town.status());
        if status["reversals_open"] == 0 && status["requests_in_flight"] == 0 {
            break;
        }
        assert!(since.elapsed() < SETTLE_MAX, "not settled: {status}");
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_millis(APPROVED_AGE_MS + 500)).await;
}

impl Report {
    /// Rows of machines that died for good, and everybody else's.
    fn rows(&self) -> (Vec<&Row>, Vec<&Row>) {
        self.audit
            .rows
            .iter()
            .partition(|row| row.key.as_ref().is_some_and(|key| self.is_dead(&key.terminal)))
    }

    fn is_dead(&self, terminal: &str) -> bool {
        self.dead.contains(terminal.trim_end())
    }

    /// Where sides do not agree, of machines that live: 0.
    pub fn difference_vnd(&self) -> u64 {
        self.rows().1.iter().map(|row| row.difference_vnd()).sum()
    }

    /// What machines that died for good have left to a person.
    pub fn dead_difference_vnd(&self) -> u64 {
        self.rows().0.iter().map(|row| row.difference_vnd()).sum()
    }

    /// Transactions that wait for a person, of machines that died and of all others.
    pub fn suspense(&self) -> (usize, usize) {
        let count = |rows: Vec<&Row>| rows.iter().filter(|row| row.suspense).count();
        let (dead, living) = self.rows();
        (count(dead), count(living))
    }

    /// What does not fit, beyond what a dead machine may leave: an approval that nobody confirmed, in SUSPENSE.
    pub fn findings(&self) -> Vec<&Finding> {
        let waits = |finding: &&Finding| {
            let is_of_the_dead = finding.key.as_ref().is_some_and(|key| self.is_dead(&key.terminal));
            let row = self.audit.rows.iter().find(|row| row.key == finding.key);
            let left = matches!(finding.what, Misfit::Nets { .. } | Misfit::NotFinal(_));
            is_of_the_dead && left && row.is_some_and(|row| row.suspense)
        };
        self.audit.findings.iter().filter(|finding| !waits(finding)).collect()
    }

    /// Nothing lost, nothing doubled, nothing left to a person but by the dead.
    pub fn is_clean(&self) -> bool {
        self.difference_vnd() == 0
            && self.findings().is_empty()
            && self.backed.lost.is_empty()
            && self.suspense().1 == 0
    }

    /// One object with every figure.
    pub fn json(&self) -> Value {
        let at = |percent| percentile(&self.start_ms, percent);
        json!({
            "rounds": self.played.rounds,
            "seed": self.played.seed,
            "proxy": self.played.wild,
            "kills": self.kills,
            "kills_at_start": self.kills_at_start,
            "kills_in_recovery": self.kills_in_recovery,
            "indexes_deleted": self.indexes_deleted,
            "start_ms_median": at(50),
            "start_ms_max": at(100),
            "visits": self.endings.values().sum::<u64>(),
            "money_originals": self.audit.rows.len(),
            "approved": self.audit.approved,
            "declined": self.audit.declined,
            "reversed": self.audit.reversed,
            "log_records": self.records,
            "acknowledged": self.backed.acknowledged,
            "acknowledged_lost": self.backed.lost.len(),
            "difference_vnd": self.difference_vnd(),
            "suspense": self.suspense().1,
            "dead_terminals": self.dead.len(),
            "dead_suspense": self.suspense().0,
            "dead_difference_vnd": self.dead_difference_vnd(),
            "findings": self.findings().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "lost": self.backed.lost,
            "frames": self.frames,
            "faults_by_kind": self.faults,
            "endings": self.endings,
            "clean": self.is_clean(),
            "seconds": (self.took.as_secs_f64() * 10.0).round() / 10.0,
        })
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let mut text = format!(
            "\n# {} rounds of SIGKILL, seed {}{}\n\n{} kills under load and {} during a start ({} of them before it accepted), \
             in {:.0} s; the index was deleted {} times.\nA start took {} ms in the middle and {} ms at most.\n",
            self.played.rounds,
            self.played.seed,
            if self.played.wild { ", behind a proxy that makes faults" } else { "" },
            self.kills,
            self.kills_at_start,
            self.kills_in_recovery,
            self.took.as_secs_f64(),
            self.indexes_deleted,
            percentile(&self.start_ms, 50),
            percentile(&self.start_ms, 100),
        );
        let (dead, living) = self.suspense();
        let row = |text: &mut String, name: &str, value: String| {
            let _ = writeln!(text, "| {name} | {value} |");
        };
        text.push_str("\n| | |\n|---|---:|\n");
        row(&mut text, "visits", self.endings.values().sum::<u64>().to_string());
        row(&mut text, "money originals", self.audit.rows.len().to_string());
        row(&mut text, "approved", self.audit.approved.to_string());
        row(&mut text, "declined", self.audit.declined.to_string());
        row(&mut text, "reversed", self.audit.reversed.to_string());
        row(&mut text, "records in the log", self.records.to_string());
        row(&mut text, "answers 00 that terminals were sent", self.backed.acknowledged.to_string());
        row(&mut text, "of these without their record", self.backed.lost.len().to_string());
        row(&mut text, "difference, ₫", self.difference_vnd().to_string());
        row(&mut text, "waiting for a person", living.to_string());
        row(&mut text, "machines that died for good", self.dead.len().to_string());
        row(&mut text, "waiting for a person because of these", dead.to_string());
        for (kind, count) in &self.faults {
            row(&mut text, &format!("frames {kind}"), format!("{count} of {}", self.frames));
        }
        text.push_str("\n| visits ended | |\n|---|---:|\n");
        for (ending, count) in &self.endings {
            row(&mut text, ending, count.to_string());
        }
        self.findings().iter().for_each(|finding| text.push_str(&format!("- {finding}\n")));
        self.backed.lost.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
        text.push_str(if self.is_clean() {
            "\nEvery đồng is accounted for, and nothing that was acknowledged is lost.\n"
        } else {
            "\nNOT clean.\n"
        });
        text
    }
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0)
}
