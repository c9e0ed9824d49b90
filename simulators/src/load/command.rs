//! `simulators load`: sets all up, offers load, waits for every answer, reports and audits.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::books;
use super::compare;
use super::cpu;
use super::disk::Disk;
use super::engine::Engine;
use super::exporter::Exporter;
use super::html;
use super::machines::{ACQUIRER, name};
use super::mix::Mix;
use super::plan::{Plan, SOAK_PIECE_S};
use super::poll;
use super::report::Report;
use super::schedule::Schedule;
use super::stop::told_to_stop;
use super::tell;
use super::town::{BANKS_MAX, Size, Town};
use crate::audit::{Audit, Evidence, audit, read_log};
use crate::bank::read_lines;
use crate::terminal::write_movements;

/// No rate above this is offered.
const RATE_MAX: u64 = 100_000;

/// The audit holds all withdrawals of a load in memory, some 2 kB each: a load that would have more is refused.
const WITHDRAWALS_MAX: u64 = 20_000_000;

/// A citizen withdraws no more often than this in a load, where [`CITIZENS_MAX`] are enough for that: in the field hardly
/// anybody does so on one day, and the switch's look-ups of a day would otherwise read more than theirs.
pub(super) const VISITS_MAX: u64 = 3;

/// Citizens for each machine at least.
const CITIZENS_PER_MACHINE_MIN: u32 = 10;

/// No load chooses more citizens by itself: some 2 kB of memory each, and minting all takes half a minute.
const CITIZENS_CHOSEN_MAX: u64 = 200_000;

/// Nobody can ask for more.
const CITIZENS_MAX: u32 = 1_000_000;

/// Where Linux keeps files in memory.
const LEDGERS_IN_MEMORY: &str = "/dev/shm";

/// Bytes that a bank's ledger and its note of holds take for a withdrawal, at most.
const LEDGER_BYTES: u64 = 2_500;

/// A search offers no more withdrawals than this on any machine that it was made for.
const SEARCHED_WITHDRAWALS: u64 = 2_500_000;

/// Open files beside the terminals' connections.
const FILES: u64 = 200;

/// Offers load to a real switch and accounts for every đồng. Two-step withdrawals: references come from real 0100s before
/// the clock starts, then 0200, 0210, 0220 (one in 50: 0420), 0230, signed, over many terminals on few connections.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo run --release -p simulators -- load --rate 1000 --seconds 10
  cargo run --release -p simulators -- load --rate 1000 --seconds 10 --tls --pin
  cargo run --release -p simulators -- load --rate 1000 --seconds 20 --no-floor --export
  cargo run --release -p simulators -- load --find-max
  cargo run --release -p simulators -- load --overload --json
  cargo run --release -p simulators -- load --rate 1000 --seconds 20 --pieces 4 --compare old.json
  cargo run --release -p simulators -- load --rate 200 --soak 8
  cargo run --release -p simulators -- load --compare old.json --with new.json")]
pub struct LoadArguments {
    /// Withdrawals a second; with --find-max and --overload where the search begins
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=RATE_MAX))]
    pub rate: u64,
    /// What is asked for: two-step (a reference of a 0100 before the clock starts), one-step (the proof in the 0200), mixed
    #[arg(long, default_value = "two-step", value_parser = ["two-step", "one-step", "mixed"])]
    pub mode: String,
    /// Shares of what is asked for, TOML (docs/simulators.md#load), in place of --mode
    #[arg(long, value_name = "FILE", conflicts_with = "mode")]
    pub mix: Option<PathBuf>,
    /// How long a rate is offered and measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Seconds at the rate before its clock starts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub warm_up: u64,
    /// Seconds in which the rate grows from nothing, before the warm-up
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub ramp: u64,
    /// Pieces that --seconds are offered in, with a look at the machine's floor between
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=20))]
    pub pieces: u64,
    /// Hours at --rate, in pieces of a minute, each told; --seconds and --pieces do not count
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["find_max", "overload"])]
    pub soak: Option<f64>,
    /// Does without the looks at the machine's floor
    #[arg(long)]
    pub no_floor: bool,
    /// Searches the highest rate that holds: 99 of 100 withdrawals are answered within --p99-ms, and all but one in 1,000
    /// are approved
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
    /// Citizens that visit them, round and round, some 2 kB of memory each; without it so many that none withdraws more
    /// than 3 times in what is asked for (with --find-max and --overload at --rate-max), but no fewer than 10 a
    /// terminal and no more than 200,000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=CITIZENS_MAX as i64))]
    pub citizens: Option<u32>,
    /// Connections that they share: as many as terminals at most
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Banks, each a process of its own
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=BANKS_MAX as i64))]
    pub banks: u32,
    /// Terminals and banks speak TLS with the switch, each connection of the terminals with a certificate of its own
    #[arg(long)]
    pub tls: bool,
    /// Every 0200 carries a PIN, which the switch's security module, the software one, translates for a bank that checks it
    #[arg(long)]
    pub pin: bool,
    /// A clerk exports from the console, one export behind the other, while the load is offered
    #[arg(long)]
    pub export: bool,
    /// The switch's limits.in_flight_max: a small one makes an overload of any rate
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    pub in_flight_max: u32,
    /// One JSON object on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
    /// Where the log and all other files go: a new or empty directory on the disk that is to be measured, kept afterwards.
    /// Without it they stand in one under target/ and are removed. The banks' ledgers are written to memory where they fit,
    /// and copied here in the end
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Where the page with plots goes, instead of under target/
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Sets this run beside what --json printed of an older one
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Runs nothing: sets this one beside the older one
    #[arg(long, value_name = "NEW.json", requires = "compare")]
    pub with: Option<PathBuf>,
}

/// Offers the load; whether nothing was lost: no đồng, no advice, no answer after its deadline.
///
/// # Errors
/// What went wrong before there was something to audit.
pub async fn load(arguments: LoadArguments) -> Result<bool, Box<dyn Error>> {
    let old = arguments.compare.as_deref().map(compare::read).transpose()?;
    if let (Some(old), Some(new)) = (&old, &arguments.with) {
        write!(io::stdout(), "{}", compare::table(old, &compare::read(new)?))?;
        return Ok(true);
    }
    let mix = match &arguments.mix {
        Some(path) => Mix::file(path)?,
        None => Mix::mode(&arguments.mode).ok_or("no such mode")?,
    };
    let html = arguments.html.clone().map_or_else(page_path, Ok)?;
    let plan = arguments.plan(html.clone())?;
    // Found out now, and not when all is done.
    File::options()
        .append(true)
        .create(true)
        .open(&html)
        .map_err(|error| format!("--html {}: {error}", html.display()))?;
    let each = if arguments.no_floor { 1 } else { 2 };
    poll::open_files(u64::from(arguments.connections) * each + FILES)?;
    let (directory, disk, temporary) = place(arguments.keep.as_deref())?;
    let plan = Plan { floor: (!arguments.no_floor).then(|| directory.clone()), ..plan };
    tell(format_args!("building the switch, if that is not done yet"));
    let is_search = arguments.find_max || arguments.overload;
    let size = Size {
        machines: arguments.terminals,
        citizens: arguments
            .citizens
            .unwrap_or_else(|| citizens(arguments.terminals, plan.withdrawals_max()).max(arguments.banks)),
        connections: arguments.connections.min(arguments.terminals) as usize,
        banks: arguments.banks as usize,
        in_flight_max: arguments.in_flight_max,
        tls: arguments.tls,
        pin: arguments.pin,
        console: arguments.export,
        is_search,
    };
    let withdrawals_max = plan.withdrawals_max().min(if is_search { SEARCHED_WITHDRAWALS } else { u64::MAX });
    let in_memory = ledgers_in_memory(withdrawals_max)?;
    let ledgers_in = in_memory.as_ref().map_or(&*directory, |memory| memory.path()).to_owned();
    let ledgers_on = if in_memory.is_some() { "memory" } else { "the log's disk" };
    let report = Report {
        mode: mix.name.clone(),
        tls: arguments.tls,
        pin: arguments.pin,
        disk: Some(disk),
        ledgers_on: ledgers_on.to_owned(),
        ..Report::default()
    };
    let (mut town, engine) = tokio::select! {
        // First, so that a signal is taken also while minting keeps the other branch from giving way.
        biased;
        told = told_to_stop() => return Err(stopped(told)),
        set_up = Town::set_up(size, mix, &directory, &ledgers_in) => set_up?,
    };
    let stop = engine.stop.clone();
    let exporter = town.exporter()?;
    let load_before = cpu::load_average();
    // The engine never waits for anything but time: it has a thread to itself.
    let mut playing = tokio::task::spawn_blocking(move || plan.play(engine, report));
    let (engine, offered) = loop {
        tokio::select! {
            played = &mut playing => break played?,
            // Switch and banks end with the town; without them the engine soon ends too.
            ended = town.one_has_ended() => return Err(ended?.into()),
            told = told_to_stop(), if !stop.is_given() => {
                told?;
                stop.give();
                tell(format_args!("told to stop: nothing more is offered, and what was is accounted for"));
            }
            told = told_to_stop() => return Err(stopped(told)),
        }
    };
    let mut report = offered.map_err(|error| error as Box<dyn Error>)?;
    report.exports = exporter.map(Exporter::stop).transpose()?;
    (report.load_before, report.load_after) = (load_before, cpu::load_average());
    town.settled().await?;
    let (switch, ledgers) = town.end().await?;
    if arguments.keep.is_some() && in_memory.is_some() {
        copy_all(&ledgers, &directory)?;
    }
    report.audit = Some(examine(&directory, &engine, &switch, &ledgers).await?);
    fs::write(&html, html::page(&report))?;
    let figures = report.json();
    if arguments.json {
        writeln!(io::stdout(), "{figures}")?;
    } else {
        writeln!(io::stdout(), "{report}")?;
    }
    if let Some(old) = &old {
        tell(format_args!("{}", compare::table(old, &figures)));
    }
    tell(format_args!("plots: {}", html.display()));
    drop(temporary);
    Ok(report.is_good())
}

impl LoadArguments {
    fn plan(&self, html: PathBuf) -> Result<Plan, String> {
        let soak_pieces = match self.soak {
            Some(hours) if !(0.01..=168.0).contains(&hours) => {
                return Err(format!("--soak {hours}: from 0.01 to 168 hours"));
            }
            Some(hours) => Some((hours * 3_600.0 / SOAK_PIECE_S as f64).ceil() as u64),
            None => None,
        };
        let pieces = soak_pieces.unwrap_or(self.pieces);
        if self.pieces > self.seconds {
            return Err(format!(
                "--pieces {}: a piece has a second at least, and there are {}",
                self.pieces, self.seconds
            ));
        }
        if self.citizens.is_some_and(|citizens| citizens < self.banks) {
            return Err(format!("--citizens: each of {} banks has to have one", self.banks));
        }
        let seconds = soak_pieces.map_or(self.seconds, |pieces| pieces * SOAK_PIECE_S);
        let withdrawals = self.rate * (seconds + pieces * self.warm_up);
        if withdrawals > WITHDRAWALS_MAX {
            return Err(format!("{withdrawals} withdrawals: the audit holds {WITHDRAWALS_MAX} at most"));
        }
        Ok(Plan {
            schedule: Schedule { rate: self.rate, seconds, ramp_s: self.ramp, warm_up_s: self.warm_up },
            step_seconds: self.step_seconds,
            rate_max: self.rate_max,
            find_max: self.find_max || self.overload,
            p99_us_max: self.p99_ms * 1_000,
            times: self.overload.then_some(self.times),
            pieces,
            is_soak: self.soak.is_some(),
            floor: None,
            html,
        })
    }
}

/// How many visit so many terminals where nobody says it.
fn citizens(terminals: u32, withdrawals_max: u64) -> u32 {
    let wanted = withdrawals_max.div_ceil(VISITS_MAX).min(CITIZENS_CHOSEN_MAX) as u32;
    wanted.max(terminals * CITIZENS_PER_MACHINE_MIN)
}

/// Beside the program, which is under target/: named after the second.
fn page_path() -> Result<PathBuf, io::Error> {
    let own = std::env::current_exe()?;
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let directory = own.parent().unwrap_or(Path::new(".")).join("load-reports");
    fs::create_dir_all(&directory)?;
    Ok(directory.join(format!("load-{at_s}.html")))
}

fn stopped(told: io::Result<()>) -> Box<dyn Error> {
    told.err().map_or("told to stop".into(), Into::into)
}

/// The three sides, read from files alone but for the machines', which have no other memory.
async fn examine(
    directory: &Path,
    engine: &Engine,
    switch: &crate::pilot::switch::Switch,
    ledgers: &[PathBuf],
) -> Result<Audit, Box<dyn Error>> {
    let movements = books::movements(&engine.paid, ACQUIRER, name);
    write_movements(&movements, &mut io::BufWriter::new(File::create(directory.join("movements.jsonl"))?))?;
    let ledgers = ledgers.iter().map(|path| read_lines(path)).collect::<Result<Vec<_>, _>>()?;
    let shown = directory.join("log.jsonl");
    switch.log_to(&shown).await?;
    let log = read_log(BufReader::new(File::open(&shown)?))?;
    Ok(audit(&Evidence { movements: &movements, ledgers: &ledgers, log: &log }))
}

/// The directory, its disk, and what removes it afterwards: memory is no disk, so it never stands where temporary files do.
fn place(keep: Option<&Path>) -> Result<(PathBuf, Disk, Option<tempfile::TempDir>), Box<dyn Error>> {
    if let Some(directory) = keep {
        let is_new = !directory.exists();
        fs::create_dir_all(directory)?;
        if fs::read_dir(directory)?.next().is_some() {
            return Err(format!("{} is not empty: name a new directory", directory.display()).into());
        }
        let disk = Disk::of(directory);
        if is_new && disk.is_err() {
            fs::remove_dir(directory)?;
        }
        let disk = disk?;
        return Ok((directory.canonicalize()?, disk, None));
    }
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix("load-").tempdir_in(beside)?;
    Ok((temporary.path().to_owned(), Disk::of(temporary.path())?, Some(temporary)))
}

/// A directory in memory for the banks' ledgers, where they fit with as much again to spare. A bank writes its ledger on a
/// disk of its own, wherever that is: written back to the log's disk, some 2 kB for each withdrawal would stand in the way
/// of the log's syncs.
fn ledgers_in_memory(withdrawals_max: u64) -> io::Result<Option<tempfile::TempDir>> {
    let Ok(memory) = rustix::fs::statvfs(LEDGERS_IN_MEMORY) else { return Ok(None) };
    let free_bytes = memory.f_bavail.saturating_mul(memory.f_frsize);
    let needed_bytes = withdrawals_max.saturating_mul(LEDGER_BYTES * 2);
    let is_memory = Disk::of(Path::new(LEDGERS_IN_MEMORY)).is_err();
    if !is_memory || free_bytes < needed_bytes {
        return Ok(None);
    }
    tempfile::Builder::new().prefix("load-").tempdir_in(LEDGERS_IN_MEMORY).map(Some)
}

fn copy_all(files: &[PathBuf], directory: &Path) -> io::Result<()> {
    for file in files {
        if let Some(name) = file.file_name() {
            fs::copy(file, directory.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        load: LoadArguments,
    }

    fn chosen(flags: &str) -> u32 {
        let words = std::iter::once("load").chain(flags.split_whitespace());
        let load = Program::try_parse_from(words).unwrap().load;
        let plan = load.plan(PathBuf::new()).unwrap();
        citizens(load.terminals, plan.withdrawals_max())
    }

    #[test]
    fn nobody_withdraws_more_than_three_times_while_that_costs_a_bearable_time() {
        assert_eq!(
            chosen("--rate 1000 --seconds 10"),
            10_000,
            "11,000 withdrawals need no more than the least"
        );
        assert_eq!(chosen("--rate 6000 --seconds 10 --warm-up 2 --pieces 2"), 28_000);
        assert_eq!(chosen("--rate 6000 --seconds 10 --ramp 10 --warm-up 0"), 30_000);
        assert_eq!(chosen("--rate 60000 --seconds 100"), 200_000);
        assert_eq!(chosen("--find-max"), 200_000);
        assert_eq!(chosen("--terminals 10 --overload --rate 20 --rate-max 20 --step-seconds 2"), 760);
        assert_eq!(chosen("--terminals 10000"), 100_000);
    }
}
