//! The command `simulate`: many seeds over all cores, one failing seed shrunk, broken rules found one by one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use mutant::Mutant;
use serde_json::{Value, json};

use super::crash::crash;
use super::{Fault, FaultCounts, Outcome, Plan, Row, Rows, run};

/// A run of so many seeds has to come to every scenario.
const SEEDS_FOR_ALL_ROWS: u64 = 20_000;
/// A broken rule has to pass so many days on which nothing goes wrong.
const CALM_SEEDS: u64 = 30;
/// Real cryptography is slow: so many days of it at most for each broken rule.
const REAL_SEEDS_MAX: u64 = 100;
/// Of a trace so many lines are shown.
const TRACE_LINES_MAX: usize = 400;

/// Simulates days of the whole switch and judges them by ledgers, cassettes and log alone.
///
/// Examples:
///   simulate --from 1 --seeds 20000          20,000 days with faults, over all cores
///   simulate --from 4711 --seeds 1           one day, with its trace where it fails
///   simulate --from 4711 --seeds 1 --trace   one day, with its trace in any case
///   simulate --calm --seeds 500              days without faults
///   simulate --mutant reversal-skipped       one broken rule, until it is found
///   simulate --mutants --json                all broken rules
///   simulate --crash-points 1000000          scripts crashed at every step, and again while they start
#[derive(Parser, Clone, Debug)]
#[command(name = "simulate", verbatim_doc_comment)]
pub struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// How many seeds; with --mutants and --mutant the most that are tried.
    #[arg(long, default_value_t = 1_000)]
    pub seeds: u64,
    /// Days on which nothing goes wrong.
    #[arg(long)]
    pub calm: bool,
    /// Breaks this rule (docs/mutants.md) and looks for it.
    #[arg(long, value_name = "NAME")]
    pub mutant: Option<String>,
    /// Breaks every rule in turn.
    #[arg(long)]
    pub mutants: bool,
    /// Faults that are off, by name, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "FAULTS")]
    pub without: Vec<String>,
    /// Crashes short scripts at so many different points instead.
    #[arg(long, value_name = "N")]
    pub crash_points: Option<u64>,
    /// Citizens that come, instead of the seed's own number.
    #[arg(long, value_name = "N")]
    pub visits: Option<usize>,
    /// Real MACs, chips and registry answers.
    #[arg(long)]
    pub real_cryptography: bool,
    /// Threads; all cores by default.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Prints what happened, for a single seed.
    #[arg(long)]
    pub trace: bool,
    /// Does not shrink a seed that fails.
    #[arg(long)]
    pub no_shrink: bool,
    /// One JSON object instead of a report.
    #[arg(long)]
    pub json: bool,
}

/// What many seeds came to.
#[derive(Default)]
struct Sum {
    seeds: u64,
    transactions: u64,
    restarts: u64,
    kinds: u64,
    busy: Duration,
    faults: FaultCounts,
    rows: Rows,
    /// Seed, rule, what.
    violations: Vec<(u64, &'static str, String)>,
}

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// Runs the command.
pub fn simulate(arguments: &Arguments) -> ExitCode {
    if (arguments.mutants || arguments.mutant.is_some()) && !mutant::COMPILED {
        return with_mutants();
    }
    if arguments.mutants {
        return all_mutants(arguments);
    }
    let broken = match arguments.mutant.as_deref().map(Mutant::from_name) {
        Some(None) => {
            eprintln!("no broken rule has this name; docs/mutants.md lists them");
            return ExitCode::FAILURE;
        }
        Some(Some(mutant)) => Some(mutant),
        None => None,
    };
    activate(broken);
    told_panics(arguments.clone());
    if arguments.seeds == 1 && arguments.trace {
        return one(arguments);
    }
    if let Some(points) = arguments.crash_points {
        return crash_points(arguments, points);
    }
    let sum = many(arguments, broken.is_some());
    report(arguments, &sum);
    let missed = missed(arguments, &sum);
    let failing = sum.violations.first().map(|(seed, ..)| *seed);
    if let Some(seed) = failing.filter(|_| broken.is_none() && !arguments.no_shrink) {
        shrink(arguments, seed);
    }
    let is_good = match broken {
        Some(_) => failing.is_some(),
        None => failing.is_none() && missed.is_empty(),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(feature = "mutants")]
fn activate(broken: Option<Mutant>) {
    mutant::activate(broken);
}

#[cfg(not(feature = "mutants"))]
fn activate(_: Option<Mutant>) {}

/// Builds this program with the broken rules in it, beside the one without, and runs that.
fn with_mutants() -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let run = Command::new(cargo)
        .args(["run", "--quiet", "--release", "-p", "tests", "--features", "mutants", "--bin", "simulate"])
        .args(["--target-dir", &format!("{target}/mutants"), "--"])
        .args(std::env::args_os().skip(1))
        .status();
    match run {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan_of(arguments: &Arguments, seed: u64) -> Plan {
    let mut plan = if arguments.calm { Plan::calm(seed) } else { Plan::of(seed) };
    for name in &arguments.without {
        if let Some(fault) = Fault::from_name(name) {
            plan.faults = plan.faults.without(fault);
        }
    }
    plan.visits = arguments.visits.unwrap_or(plan.visits);
    plan.real_cryptography = arguments.real_cryptography;
    plan
}

/// An invariant that breaks ends the program, as it ends the switch: the seed is told first.
fn told_panics(arguments: Arguments) {
    std::panic::set_hook(Box::new(move |panic| {
        let seed = SEED.get();
        if arguments.json {
            println!(
                "{}",
                json!({"violations": 1, "seed": seed, "rule": "no invariant breaks", "what": panic.to_string()})
            );
        } else {
            eprintln!("seed {seed}: no invariant breaks: {panic}");
            eprintln!("repeat: {}", repeat(&arguments, seed));
        }
        if !arguments.no_shrink && arguments.mutant.is_none() {
            shrink(&arguments, seed);
        }
        std::process::exit(if arguments.mutant.is_some() { 0 } else { 1 });
    }));
}

fn one(arguments: &Arguments) -> ExitCode {
    SEED.set(arguments.from);
    let plan = plan_of(arguments, arguments.from);
    let outcome = run(&plan, true);
    println!("seed {}: {} citizens, {:?}", plan.seed, plan.visits, plan.faults);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    for violation in &outcome.violations {
        println!("VIOLATION {}: {}", violation.rule, violation.what);
    }
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(arguments: &Arguments, until_found: bool) -> Sum {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    let (next, found) = (AtomicU64::new(arguments.from), AtomicBool::new(false));
    let end = arguments.from.saturating_add(arguments.seeds);
    let sum = Mutex::new(Sum::default());
    let bar = bar(arguments);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !(until_found && found.load(Ordering::Relaxed)) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    SEED.set(seed);
                    let began = Instant::now();
                    let outcome = run(&plan_of(arguments, seed), false);
                    found.fetch_or(!outcome.violations.is_empty(), Ordering::Relaxed);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, outcome, began.elapsed());
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.violations.sort();
    sum
}

/// Each script is crashed at no more points than this, so that many scripts have their turn.
const POINTS_OF_A_SCRIPT_MAX: u64 = 5_000;

fn crash_points(arguments: &Arguments, wanted: u64) -> ExitCode {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(arguments.from);
    let sum = Mutex::new((0_u64, 0_u64, Vec::new()));
    let began = Instant::now();
    let bar = bar(&Arguments { seeds: wanted, ..arguments.clone() });
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.unwrap_or(cores).max(1) {
            scope.spawn(|| {
                loop {
                    let left = wanted.saturating_sub(sum.lock().unwrap_or_else(PoisonError::into_inner).0);
                    if left == 0 {
                        return;
                    }
                    let script = next.fetch_add(1, Ordering::Relaxed);
                    SEED.set(script);
                    let crashed = crash(script, POINTS_OF_A_SCRIPT_MAX.min(left));
                    bar.inc(crashed.points);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.0 += crashed.points;
                    sum.1 += 1;
                    sum.2.extend(crashed.violations);
                }
            });
        }
    });
    bar.finish_and_clear();
    let (points, scripts, violations) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    let first = violations.first().map(|(point, it)| format!("{point:?}: {}: {}", it.rule, it.what));
    if arguments.json {
        let value = json!({
            "crash_points": points,
            "scripts": scripts,
            "violations": violations.len(),
            "first_violation": first,
            "seconds": seconds,
        });
        println!("{value}");
    } else {
        println!(
            "{points} crash points of {scripts} scripts, {} violations, {seconds:.0} s",
            violations.len()
        );
        first.iter().for_each(|first| println!("{first}"));
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn bar(arguments: &Arguments) -> ProgressBar {
    if arguments.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(arguments.seeds).with_style(style)
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome, busy: Duration) {
        self.seeds += 1;
        self.transactions += outcome.transactions;
        self.restarts += outcome.restarts;
        self.kinds += outcome.faults.kinds() as u64;
        self.busy += busy;
        self.faults.merge(&outcome.faults);
        self.rows.merge(&outcome.rows);
        self.violations.extend(outcome.violations.into_iter().map(|it| (seed, it.rule, it.what)));
    }

    /// Transactions in a second of one core.
    fn transactions_per_second(&self) -> f64 {
        self.transactions as f64 / self.busy.as_secs_f64().max(1e-9)
    }

    fn each(&self, what: u64) -> f64 {
        what as f64 / self.seeds.max(1) as f64
    }
}

/// Scenarios that a run of many seeds should have come to and did not.
fn missed(arguments: &Arguments, sum: &Sum) -> Vec<&'static str> {
    if arguments.calm || sum.seeds < SEEDS_FOR_ALL_ROWS {
        return Vec::new();
    }
    Row::ALL.iter().filter(|row| sum.rows.of(**row) == 0).map(|row| row.name()).collect()
}

fn report(arguments: &Arguments, sum: &Sum) {
    let missed = missed(arguments, sum);
    if arguments.json {
        let counts = |pairs: Vec<(&'static str, u64)>| pairs.into_iter().collect::<BTreeMap<_, _>>();
        let faults = Fault::ALL.iter().map(|fault| (fault.name(), sum.faults.of(*fault))).collect();
        let rows = Row::ALL.iter().map(|row| (row.name(), sum.rows.of(*row))).collect();
        let first: Option<Value> = sum
            .violations
            .first()
            .map(|(seed, rule, what)| json!({"seed": seed, "rule": rule, "what": what}));
        let value = json!({
            "from": arguments.from,
            "seeds": sum.seeds,
            "transactions": sum.transactions,
            "transactions_per_seed": sum.each(sum.transactions),
            "transactions_per_second": sum.transactions_per_second().round(),
            "violations": sum.violations.len(),
            "first_violation": first,
            "fault_kinds_per_seed": sum.each(sum.kinds),
            "restarts_per_seed": sum.each(sum.restarts),
            "faults_by_kind": counts(faults),
            "scenario_rows_hit": counts(rows),
            "scenario_rows_missed": missed,
        });
        println!("{value}");
        return;
    }
    println!(
        "{} seeds, {} transactions ({:.0} a seed), {:.1} kinds of fault and {:.1} restarts a seed, {:.0} transactions a \
         second and core",
        sum.seeds,
        sum.transactions,
        sum.each(sum.transactions),
        sum.each(sum.kinds),
        sum.each(sum.restarts),
        sum.transactions_per_second()
    );
    let mut rules: BTreeMap<&str, (u64, u64, &str)> = BTreeMap::new();
    for (seed, rule, what) in &sum.violations {
        rules.entry(rule).or_insert((0, *seed, what)).0 += 1;
    }
    for (rule, (count, seed, what)) in &rules {
        println!(
            "VIOLATED {count} times: {rule}\n    seed {seed}: {what}\n    repeat: {}",
            repeat(arguments, *seed)
        );
    }
    for row in missed {
        println!("NEVER COME TO: {row}");
    }
    if rules.is_empty() {
        println!("no violation");
    }
}

fn repeat(arguments: &Arguments, seed: u64) -> String {
    let mut line = format!("simulate --from {seed} --seeds 1 --trace");
    if arguments.calm {
        line.push_str(" --calm");
    }
    if arguments.real_cryptography {
        line.push_str(" --real-cryptography");
    }
    if let Some(mutant) = &arguments.mutant {
        line.push_str(&format!(" --mutant {mutant}"));
    }
    if !arguments.without.is_empty() {
        line.push_str(&format!(" --without {}", arguments.without.join(",")));
    }
    if let Some(visits) = arguments.visits {
        line.push_str(&format!(" --visits {visits}"));
    }
    line
}

/// Takes faults and citizens away from a failing seed as long as it still fails, and shows what is left.
fn shrink(arguments: &Arguments, seed: u64) {
    let mut smaller = Arguments { from: seed, seeds: 1, no_shrink: true, json: true, ..arguments.clone() };
    if !fails(&smaller) {
        return;
    }
    let plan = plan_of(&smaller, seed);
    for fault in plan.faults.iter() {
        let mut without = smaller.without.clone();
        without.push(fault.name().to_owned());
        let tried = Arguments { without, ..smaller.clone() };
        if fails(&tried) {
            smaller = tried;
        }
    }
    let (mut low, mut high) = (1, plan.visits);
    while low < high {
        let middle = (low + high) / 2;
        if fails(&Arguments { visits: Some(middle), ..smaller.clone() }) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let last = Arguments { visits: Some(high), ..smaller.clone() };
    let smallest = if fails(&last) { last } else { smaller };
    eprintln!("shrunk: {}", repeat(&smallest, seed));
    if let Ok(output) = child(&Arguments { trace: true, json: false, ..smallest }).output() {
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TRACE_LINES_MAX);
        lines[from..].iter().for_each(|line| eprintln!("{line}"));
    }
}

fn fails(arguments: &Arguments) -> bool {
    child(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| !status.success())
}

/// This program once more, with these arguments: what breaks there breaks only itself.
fn child(arguments: &Arguments) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| "simulate".into());
    let mut command = Command::new(program);
    command.args(["--from", &arguments.from.to_string(), "--seeds", &arguments.seeds.to_string()]);
    if let Some(visits) = arguments.visits {
        command.args(["--visits", &visits.to_string()]);
    }
    if !arguments.without.is_empty() {
        command.args(["--without", &arguments.without.join(",")]);
    }
    if let Some(mutant) = &arguments.mutant {
        command.args(["--mutant", mutant]);
    }
    if let Some(threads) = arguments.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    for (flag, is_on) in [
        ("--calm", arguments.calm),
        ("--real-cryptography", arguments.real_cryptography),
        ("--trace", arguments.trace),
        ("--no-shrink", arguments.no_shrink),
        ("--json", arguments.json),
    ] {
        if is_on {
            command.arg(flag);
        }
    }
    command
}

/// Broken rules of which nothing can be seen from outside, and why.
const EQUIVALENT: [(Mutant, &str); 0] = [];

/// Broken rules that no fault of the simulation touches, and the test that finds them instead (run by `tests/run mutants`).
const FOUND_BY_A_TEST: &[(Mutant, &str)] = &[
    (Mutant::AdvicesUnbounded, "tests/tests/defences/main.rs"),
    (Mutant::JumpedClockOpensDay, "switch/server/src/defences.rs"),
    (Mutant::SignatureServesTwice, "switch/processor/tests/used_signature_mutant.rs"),
    (Mutant::TerminalTakesAllProofs, "tests/tests/defences/main.rs"),
    (Mutant::StandInOverFloor, "switch/processor/tests/stand_in_mutant.rs"),
    (Mutant::StandInWithoutStatus, "switch/processor/tests/stand_in_mutant.rs"),
    (Mutant::StandInTwice, "switch/processor/tests/stand_in_mutant.rs"),
    (Mutant::RecordFollowsNothing, "switch/journal/src/tests/defences.rs"),
    (Mutant::CutLogTaken, "switch/journal/src/tests/defences.rs"),
    (Mutant::ReplacedLogTaken, "switch/journal/src/tests/defences.rs"),
    (Mutant::OlderLogStarted, "switch/server/src/defences.rs"),
    (Mutant::EmptyPlaceIsFirstStart, "switch/server/src/defences.rs"),
    (Mutant::OldChainKeyTaken, "switch/journal/src/tests/defences.rs"),
    (Mutant::PersonalInClear, "switch/journal/src/tests/defences.rs"),
    (Mutant::HeadSignatureUnchecked, "switch/journal/src/tests/defences.rs"),
    (Mutant::PlainAuditUnchecked, "switch/server/src/defences.rs"),
    (Mutant::BytesBehindTaken, "switch/iso8583/tests/codec/defences.rs"),
    (Mutant::PaidOutReversed, "tests/tests/defences/main.rs"),
    (Mutant::ReversalOfMoreTaken, "tests/tests/defences/main.rs"),
    (Mutant::AbsentMacAccepted, "switch/keys/tests/link_mutants.rs"),
    (Mutant::KeyUsageIgnored, "switch/keys/tests/link_mutants.rs"),
    (Mutant::KeyComesBack, "switch/keys/tests/link_mutants.rs"),
    (Mutant::KeyUsedUnconfirmed, "switch/processor/tests/key_mutants.rs"),
    (Mutant::ForeignAnswered, "switch/processor/tests/key_mutants.rs"),
    (Mutant::SealedOpensAnywhere, "switch/journal/tests/sealed_mutant.rs"),
    (Mutant::PinBlockOfAnything, "tests/tests/defences/main.rs"),
    (Mutant::PinLeftOutTaken, "tests/tests/defences/main.rs"),
    (Mutant::KeyBlockUnsigned, "tests/tests/defences/main.rs"),
    (Mutant::ExchangeKeyComesBack, "tests/tests/defences/main.rs"),
    (Mutant::ExchangeKeyOfTwo, "tests/tests/defences/main.rs"),
    (Mutant::KeyOfAnotherAlgorithm, "tests/tests/defences/main.rs"),
    (Mutant::KeyThatMayNotServe, "tests/tests/defences/main.rs"),
    (Mutant::KeyVersionJumps, "tests/tests/defences/main.rs"),
    (Mutant::VersionStandsStill, "tests/tests/defences/main.rs"),
    (Mutant::VersionsNeverAnew, "tests/tests/defences/main.rs"),
    (Mutant::KeyRollsBack, "tests/tests/defences/main.rs"),
    (Mutant::OldKeyEndsUnseen, "switch/server/src/defences.rs"),
    (Mutant::OldMacKeyForEver, "switch/server/src/defences.rs"),
    (Mutant::OwnerExchangesAtOnce, "tests/tests/defences/main.rs"),
    (Mutant::PanOfAnotherCard, "tests/tests/defences/main.rs"),
    (Mutant::ExpiredCardTaken, "tests/tests/defences/main.rs"),
    (Mutant::ChipKeyUnsigned, "tests/tests/defences/main.rs"),
    (Mutant::ChipSignatureUnchecked, "tests/tests/defences/main.rs"),
    (Mutant::SodSignatureUnchecked, "tests/tests/defences/main.rs"),
    (Mutant::SignerOfAnybody, "tests/tests/defences/main.rs"),
    (Mutant::ExpiredSignerTaken, "tests/tests/defences/main.rs"),
    (Mutant::RevokedSignerTaken, "tests/tests/defences/main.rs"),
    (Mutant::ProofOfAnotherTime, "tests/tests/defences/main.rs"),
    (Mutant::RegistrySignatureUnchecked, "tests/tests/defences/main.rs"),
    (Mutant::RegistryAnswerToAnother, "tests/tests/defences/main.rs"),
    (Mutant::RegistryAnswerOfAnotherTime, "tests/tests/defences/main.rs"),
    (Mutant::RegistryReferenceAgain, "tests/tests/defences/main.rs"),
    (Mutant::VerifiedThoughDead, "tests/tests/defences/main.rs"),
    (Mutant::RegistryAskedForEver, "tests/tests/defences/main.rs"),
    (Mutant::Dg1Unsigned, "tests/tests/defences/main.rs"),
    (Mutant::ListOfAnybodyTaken, "tests/tests/defences/main.rs"),
    (Mutant::ListOfAPartTaken, "tests/tests/defences/main.rs"),
    (Mutant::ListPutBackTaken, "switch/server/src/defences.rs"),
    (Mutant::OldListServes, "tests/tests/defences/main.rs"),
    (Mutant::VerdictOfBeforeHolds, "tests/tests/defences/main.rs"),
    (Mutant::CitizenStatusIgnored, "switch/server/src/defences.rs"),
    (Mutant::CardStatusIgnored, "switch/server/src/defences.rs"),
    (Mutant::RegistryMatchNotAsked, "switch/server/src/defences.rs"),
    (Mutant::CashWithoutMatch, "tests/tests/defences/main.rs"),
    (Mutant::SilenceVouches, "tests/tests/defences/main.rs"),
    (Mutant::RegistryWaitedFor, "tests/tests/defences/main.rs"),
    (Mutant::SpoiledIsAway, "tests/tests/defences/main.rs"),
    (Mutant::RefusalAfterwardsIgnored, "tests/tests/defences/main.rs"),
    (Mutant::RegistryOfAnybody, "tests/tests/defences/main.rs"),
    (Mutant::CertificateSpeaksForAll, "tests/tests/defences/main.rs"),
    (Mutant::CertificateOfNobody, "tests/tests/defences/main.rs"),
    (Mutant::AddressNotLookedAt, "tests/tests/defences/main.rs"),
    (Mutant::AddressTakesAll, "tests/tests/defences/main.rs"),
    (Mutant::SlowPeerKept, "tests/tests/defences/main.rs"),
    (Mutant::BytesWaitUnbounded, "tests/tests/defences/main.rs"),
    (Mutant::CertificateNotAsked, "tests/tests/defences/main.rs"),
    (Mutant::BankOfAnybody, "tests/tests/defences/main.rs"),
    (Mutant::OldDoorKept, "tests/tests/defences/main.rs"),
    (Mutant::BadCertificatePassedOver, "tests/tests/defences/main.rs"),
    (Mutant::ClearLinkAnywhere, "tests/tests/defences/main.rs"),
    (Mutant::RoleNotAsked, "switch/console/src/broken_rules.rs"),
    (Mutant::OwnProposalChecked, "switch/console/src/broken_rules.rs"),
    (Mutant::OtherProposalChecked, "switch/console/src/broken_rules.rs"),
    (Mutant::BookedUndoneByOne, "switch/casework/tests/casework/main.rs"),
    (Mutant::DebtBookedTwice, "switch/casework/tests/casework/main.rs"),
    (Mutant::ProposalNotShown, "switch/console/src/broken_rules.rs"),
    (Mutant::GoneApprovedInBulk, "switch/console/src/broken_rules.rs"),
    (Mutant::PageWithoutSession, "switch/console/src/broken_rules.rs"),
    (Mutant::FormFromElsewhere, "switch/console/src/broken_rules.rs"),
    (Mutant::FormWithoutToken, "switch/console/src/broken_rules.rs"),
    (Mutant::HostNotLookedAt, "switch/console/src/broken_rules.rs"),
    (Mutant::SessionOfAnyPlace, "switch/console/src/broken_rules.rs"),
    (Mutant::CookieInReach, "switch/console/src/broken_rules.rs"),
    (Mutant::OldSessionKept, "switch/console/src/broken_rules.rs"),
    (Mutant::SessionWithoutEnd, "switch/console/src/broken_rules.rs"),
    (Mutant::SessionKeptByPage, "switch/console/src/broken_rules.rs"),
    (Mutant::LogOutKeepsSession, "switch/console/src/broken_rules.rs"),
    (Mutant::ShutOutStaysIn, "switch/console/src/broken_rules.rs"),
    (Mutant::GuessesUnbounded, "switch/console/src/broken_rules.rs"),
    (Mutant::FailuresOfAddressUncounted, "switch/console/src/broken_rules.rs"),
    (Mutant::UnknownNameTold, "switch/console/src/broken_rules.rs"),
    (Mutant::UnknownNameRecorded, "switch/console/src/broken_rules.rs"),
    (Mutant::LooksUnbounded, "switch/console/src/broken_rules.rs"),
    (Mutant::ExportsWithoutRest, "switch/console/src/broken_rules.rs"),
    (Mutant::LookWithoutReason, "switch/console/src/broken_rules.rs"),
    (Mutant::LookNotRecorded, "switch/console/src/broken_rules.rs"),
    (Mutant::NumberInAddress, "switch/console/src/broken_rules.rs"),
    (Mutant::RrnShownAsItIs, "switch/console/src/broken_rules.rs"),
    (Mutant::FileNameShown, "switch/console/src/broken_rules.rs"),
    (Mutant::TextsNotEscaped, "switch/console/src/broken_rules.rs"),
    (Mutant::PolicyLeftOut, "switch/console/src/broken_rules.rs"),
    (Mutant::FormulaInACell, "switch/console/src/broken_rules.rs"),
    (Mutant::BackToAnywhere, "switch/console/src/broken_rules.rs"),
    (Mutant::BodyWaitedFor, "switch/console/src/broken_rules.rs"),
    (Mutant::FormOfAnySize, "switch/console/src/broken_rules.rs"),
    (Mutant::FileOfAnySize, "switch/console/src/broken_rules.rs"),
    (Mutant::BrowserTakesAll, "switch/console/src/broken_rules.rs"),
    (Mutant::HouseOfManyAddresses, "switch/console/src/broken_rules.rs"),
    (Mutant::WorkbookOfAnySize, "switch/exchange/tests/files_in.rs"),
    (Mutant::WorkbookCountBelieved, "switch/exchange/tests/files_in.rs"),
    (Mutant::WorkbookStylesUnbounded, "switch/exchange/tests/files_in.rs"),
    (Mutant::CellOfAnyLength, "switch/exchange/tests/files_in.rs"),
    (Mutant::CalendarWithoutEnd, "switch/exchange/tests/files_in.rs"),
    (Mutant::WaitingFileOfAnybody, "switch/console/src/broken_rules.rs"),
    (Mutant::AuditChainUnchecked, "switch/console/src/broken_rules.rs"),
];

/// Broken rules at a place that drawn verdicts go round.
const NEED_KEYS: [Mutant; 1] = [Mutant::MacNotChecked];

/// What became of a broken rule.
struct Hunt {
    mutant: Mutant,
    /// It shows on days without faults: then it is no test of the simulation.
    calm: Option<Value>,
    found: Option<Value>,
}

fn all_mutants(arguments: &Arguments) -> ExitCode {
    let mut hunts = Vec::new();
    let by_a_test = |mutant: &Mutant| FOUND_BY_A_TEST.iter().any(|(it, _)| it == mutant);
    for mutant in Mutant::ALL.iter().copied().filter(|mutant| !by_a_test(mutant)) {
        let own = Arguments {
            mutants: false,
            mutant: Some(mutant.name().to_owned()),
            json: true,
            no_shrink: true,
            trace: false,
            real_cryptography: arguments.real_cryptography || NEED_KEYS.contains(&mutant),
            ..arguments.clone()
        };
        let calm = found(&Arguments { calm: true, from: 1, seeds: CALM_SEEDS, ..own.clone() });
        // Only real keys tell a MAC that is right from one that is not.
        let with_keys = || {
            let seeds = own.seeds.min(REAL_SEEDS_MAX);
            found(&Arguments { real_cryptography: true, seeds, ..own.clone() })
        };
        let hunt = Hunt { mutant, calm, found: found(&own).or_else(with_keys) };
        if !arguments.json {
            println!("{}", line(&hunt));
        }
        hunts.push(hunt);
    }
    let is_equivalent = |hunt: &&Hunt| EQUIVALENT.iter().any(|(mutant, _)| *mutant == hunt.mutant);
    let found = hunts.iter().filter(|hunt| hunt.found.is_some() && hunt.calm.is_none()).count();
    let equivalent = hunts.iter().filter(|hunt| hunt.found.is_none()).filter(is_equivalent).count();
    let alive: Vec<&str> = hunts
        .iter()
        .filter(|hunt| hunt.found.is_none() && !is_equivalent(hunt))
        .map(|hunt| hunt.mutant.name())
        .collect();
    let calm: Vec<&str> =
        hunts.iter().filter(|hunt| hunt.calm.is_some()).map(|hunt| hunt.mutant.name()).collect();
    if arguments.json {
        let each: Vec<Value> = hunts.iter().map(told).collect();
        println!(
            "{}",
            json!({
                "mutants": hunts.len(),
                "found": found,
                "equivalent": equivalent,
                "alive": alive,
                "visible_without_faults": calm,
                "each": each,
            })
        );
    } else {
        println!(
            "{} broken rules: {found} found, {equivalent} equivalent, alive: {alive:?}, visible without faults: {calm:?}",
            hunts.len()
        );
    }
    if alive.is_empty() && calm.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(hunt: &Hunt) -> Value {
    let violation = |value: &Value| {
        let first = value.get("first_violation").filter(|first| !first.is_null()).unwrap_or(value);
        json!({"seed": first.get("seed"), "rule": first.get("rule")})
    };
    json!({
        "mutant": hunt.mutant.name(),
        "found": hunt.found.as_ref().map(violation),
        "visible_without_faults": hunt.calm.as_ref().map(violation),
    })
}

fn line(hunt: &Hunt) -> String {
    let name = hunt.mutant.name();
    let told = told(hunt);
    let at = |name: &str| {
        let seed = told.pointer(&format!("/{name}/seed")).and_then(Value::as_u64);
        let rule = told.pointer(&format!("/{name}/rule")).and_then(Value::as_str);
        seed.zip(rule).map(|(seed, rule)| format!("seed {seed}: {rule}"))
    };
    let found = at("found").unwrap_or_else(|| "ALIVE".to_owned());
    let calm =
        at("visible_without_faults").map_or_else(String::new, |at| format!("  SHOWS WITHOUT FAULTS, {at}"));
    format!("{name:<48} {found}{calm}")
}

/// The report of a run that found something.
fn found(arguments: &Arguments) -> Option<Value> {
    let output = child(arguments).stderr(Stdio::null()).output().ok()?;
    let value: Value = serde_json::from_slice(&output.stdout).ok()?;
    value.get("violations").and_then(Value::as_u64).filter(|count| *count > 0).map(|_| value)
}
