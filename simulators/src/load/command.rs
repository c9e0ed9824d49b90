//! `simulators load`: sets all up, offers load, waits for every answer, reports and audits.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::books;
use super::cpu;
use super::engine::{Engine, WARM_UP_S};
use super::machines::{ACQUIRER, name};
use super::measure::Phase;
use super::report::{Overload, Report};
use super::search::Search;
use super::town::{BANKS, Size, Town};
use crate::audit::{Audit, Evidence, audit, read_log};
use crate::bank::read_lines;
use crate::pilot::metrics;
use crate::terminal::write_movements;

/// Steps of a search for the best rate at most.
const STEPS_MAX: u32 = 12;

/// How long refusals alone are measured.
const REFUSALS_S: u64 = 2;

/// No rate above this is offered.
const RATE_MAX: u64 = 100_000;

/// The switch gives out no more references than this at once.
const REFERENCES_MAX: u64 = 850_000;

/// The switch indexes what was verified before the next clock starts; longer than this is not waited for.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Offers load to a real switch and accounts for every đồng. Two-step withdrawals: references come from real 0100s before
/// the clock starts, then 0200, 0210, 0220 (one in 50: 0420), 0230, signed, over many terminals on few connections.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo run --release -p simulators -- load --rate 1000 --seconds 10
  cargo run --release -p simulators -- load --find-max
  cargo run --release -p simulators -- load --overload --json")]
pub struct LoadArguments {
    /// Withdrawals a second; with --find-max and --overload where the search begins
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate: u64,
    /// How long a rate is offered, after a second to warm up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Searches the highest rate that holds: 99 of 100 withdrawals are answered within --p99-ms, and all are approved
    #[arg(long)]
    pub find_max: bool,
    /// The slowest hundredth of a rate that holds is answered within this
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub p99_ms: u64,
    /// Searches, then offers --times that rate
    #[arg(long)]
    pub overload: bool,
    /// How many times the best rate an overload offers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=20))]
    pub times: u64,
    /// How long a rate is offered in the search
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub step_seconds: u64,
    /// The search goes no higher
    #[arg(long, default_value_t = RATE_MAX, value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate_max: u64,
    /// Terminals
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub terminals: u32,
    /// Connections that they share
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub connections: u32,
    /// Banks, each a process of its own
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=BANKS.len() as i64))]
    pub banks: u32,
    /// The switch's limits.in_flight_max: a small one makes an overload of any rate
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub in_flight_max: u32,
    /// One JSON object on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
    /// Where log, ledgers and all other files go: a new or empty directory on the disk that is to be measured, kept
    /// afterwards. Without it they stand in one under target/ and are removed
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Offers the load; whether nothing was lost: no đồng, no advice, no answer after its deadline.
///
/// # Errors
/// What went wrong before there was something to audit.
pub async fn load(arguments: LoadArguments) -> Result<bool, Box<dyn Error>> {
    let (directory, temporary) = place(arguments.keep.as_deref())?;
    eprintln!("building the switch, if that is not done yet");
    let size = Size {
        machines: arguments.terminals,
        connections: arguments.connections.min(arguments.terminals) as usize,
        banks: arguments.banks as usize,
        in_flight_max: arguments.in_flight_max,
    };
    let (town, engine) = Town::set_up(size, &directory).await?;
    let plan = Plan {
        rate: arguments.rate,
        seconds: arguments.seconds,
        step_seconds: arguments.step_seconds,
        rate_max: arguments.rate_max,
        find_max: arguments.find_max || arguments.overload,
        p99_us_max: arguments.p99_ms * 1_000,
        times: arguments.overload.then_some(arguments.times),
    };
    let load_before = cpu::load_average();
    // The engine never waits for anything but time: it has a thread to itself.
    let playing = tokio::task::spawn_blocking(move || plan.play(engine));
    let (engine, offered) = tokio::select! {
        played = playing => played?,
        // Switch and banks end with the town; without them the engine soon ends too.
        told = told_to_stop() => {
            drop(town);
            return Err(told.err().map_or("told to stop".into(), Into::into));
        }
    };
    let mut report = offered.map_err(|error| error as Box<dyn Error>)?;
    (report.load_before, report.load_after) = (load_before, cpu::load_average());
    town.settled().await?;
    report.stages = metrics::stages(&town.switch.metrics().await?);
    let (switch, ledgers) = town.end().await?;
    report.audit = Some(examine(&directory, &engine, &switch, &ledgers).await?);
    if arguments.json {
        println!("{}", report.json());
    } else {
        println!("{report}");
    }
    drop(temporary);
    Ok(report.is_good())
}

/// An interrupt, or a request to end.
async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

/// What is offered, one after the other.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rate: u64,
    seconds: u64,
    step_seconds: u64,
    rate_max: u64,
    find_max: bool,
    p99_us_max: u64,
    /// How many times the best rate is offered in the end.
    times: Option<u64>,
}

impl Plan {
    fn play(self, mut engine: Engine) -> (Engine, Result<Report, Box<dyn Error + Send + Sync>>) {
        let played = self.play_with(&mut engine);
        (engine, played)
    }

    fn play_with(self, engine: &mut Engine) -> Result<Report, Box<dyn Error + Send + Sync>> {
        let mut report = Report::default();
        engine.sign_on_all()?;
        if !self.find_max {
            report.held = Some((self.rate, offer(engine, self.rate, self.seconds)?));
            return Ok(report);
        }
        let mut search = Search::new(self.rate, self.rate_max, STEPS_MAX);
        while let Some(rate) = search.next() {
            let phase = offer(engine, rate, self.step_seconds)?;
            let holds = phase.holds(self.p99_us_max);
            eprintln!("{rate}/s: {phase}{}", if holds { ", holds" } else { "" });
            report.take_search_step(&phase);
            search.tell(holds);
            if holds && report.held.as_ref().is_none_or(|(held, _)| *held < rate) {
                report.held = Some((rate, phase));
            }
        }
        let Some(best) = search.best() else {
            return Err("no rate holds on this machine: it is busy, or --rate is far too high".into());
        };
        if let Some(times) = self.times {
            let phase = offer(engine, best * times, self.seconds)?;
            let refusals = engine.refuse(best * times, REFUSALS_S)?;
            report.overload = Some(Overload { rate: best * times, phase, refusals });
        }
        Ok(report)
    }
}

/// One phase; as many references are ready before as it can use up if all is approved.
fn offer(engine: &mut Engine, rate: u64, seconds: u64) -> Result<Phase, Box<dyn Error + Send + Sync>> {
    let wanted = (rate * (WARM_UP_S + seconds) + 1).min(REFERENCES_MAX);
    let bar = ProgressBar::new(wanted);
    let style = ProgressStyle::with_template("verifying citizens {bar:40} {pos}/{len}, {elapsed} gone");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    engine.verify(wanted as usize, |ready| bar.set_position(ready as u64))?;
    bar.finish_and_clear();
    engine.settle(SETTLE_MAX)?;
    Ok(engine.offer(rate, seconds)?)
}

/// The three sides, read from files alone but for the machines', which have no other memory.
async fn examine(
    directory: &Path,
    engine: &Engine,
    switch: &crate::pilot::switch::Switch,
    ledgers: &[PathBuf],
) -> Result<Audit, Box<dyn Error>> {
    let movements = books::movements(&engine.paid, ACQUIRER, name);
    write_movements(
        &movements,
        &mut std::io::BufWriter::new(File::create(directory.join("movements.jsonl"))?),
    )?;
    let ledgers = ledgers.iter().map(|path| read_lines(path)).collect::<Result<Vec<_>, _>>()?;
    let shown = directory.join("log.jsonl");
    switch.log_to(&shown).await?;
    let log = read_log(BufReader::new(File::open(&shown)?))?;
    Ok(audit(&Evidence { movements: &movements, ledgers: &ledgers, log: &log }))
}

/// The directory, and what removes it afterwards: memory is no disk, so it never stands where temporary files do.
fn place(keep: Option<&Path>) -> Result<(PathBuf, Option<tempfile::TempDir>), Box<dyn Error>> {
    if let Some(directory) = keep {
        fs::create_dir_all(directory)?;
        if fs::read_dir(directory)?.next().is_some() {
            return Err(format!("{} is not empty: name a new directory", directory.display()).into());
        }
        return Ok((directory.canonicalize()?, None));
    }
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix("load-").tempdir_in(beside)?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}
