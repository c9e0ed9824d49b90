//! `simulators day`: writes a day, and on demand reconciles it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::damage::Damages;
use super::files::Truth;
use super::plan::Plan;
use super::{config, files, log, reconcile};

/// No day has more: the plan holds all of them in memory.
const TRANSACTIONS_MAX: u64 = 5_000_000;

/// Which day, and what is done with it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  simulators day --seed 1 --transactions 100000 --out target/day --reconcile --json
  simulators day --seed 1 --transactions 1000 --out target/day --damage damage.toml
damage.toml: `twins = 10`, `retried = 8`, `nameless_reversals = 4`, and `[planted]` with a number for each kind by name, `missing_at_bank = 3`.")]
pub struct DayArguments {
    /// What the day is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many transactions; twins come beside them.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=TRANSACTIONS_MAX))]
    transactions: u64,
    /// Where the files go: a directory that is not there yet, or empty.
    #[arg(long)]
    out: PathBuf,
    /// How much of which damage, TOML; some of every kind without it.
    #[arg(long)]
    damage: Option<PathBuf>,
    /// Reconciles the day and holds what is found against the truth.
    #[arg(long)]
    reconcile: bool,
    /// One JSON object.
    #[arg(long, requires = "reconcile")]
    json: bool,
}

/// Writes a day of so many transactions with some of every damage into a directory that is not there yet, or empty; the files in the order in which they
/// are handed in, below the directory.
///
/// # Errors
/// A file cannot be written.
pub fn write_day(seed: u64, transactions: usize, dir: &Path) -> Result<Vec<String>, String> {
    let plan = Plan::new(seed, transactions, Damages::of_every_kind(transactions));
    write(&plan, seed, dir)
        .map(|(_, truth)| truth.deliveries.into_iter().map(|delivery| delivery.path).collect())
}

/// Gives the number of records too.
fn write(plan: &Plan, seed: u64, dir: &Path) -> Result<(u64, Truth), String> {
    let records = log::write(plan, seed, &dir.join("log"))?;
    let truth = files::write(plan, dir)?;
    config::write(plan, seed, dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok((records, truth))
}

/// Writes the day. `false`: its reconciliation is not what it has to be.
///
/// # Errors
/// A file cannot be read or written, or the damage is none.
pub fn day(arguments: &DayArguments, out: &mut impl Write) -> Result<bool, String> {
    let dir = &arguments.out;
    let io = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(io)?;
    if fs::read_dir(dir).map_err(io)?.next().is_some() {
        return Err(format!("{}: it is not empty", dir.display()));
    }
    let transactions = usize::try_from(arguments.transactions).map_err(|error| error.to_string())?;
    let damages = match &arguments.damage {
        Some(path) => Damages::read(path)?,
        None => Damages::of_every_kind(transactions),
    };
    let plan = Plan::new(arguments.seed, transactions, damages);
    let (records, truth) = write(&plan, arguments.seed, dir)?;
    if !arguments.reconcile {
        let told = writeln!(
            out,
            "{}: {} transactions, {records} records, {} files, {} planted exceptions",
            dir.display(),
            plan.uses.len(),
            truth.deliveries.len(),
            truth.planted.len()
        );
        return told.map(|()| true).map_err(|error| error.to_string());
    }
    let (outcome, _) = reconcile::reconcile(&plan, &truth, &truth.deliveries, arguments.seed, dir)?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&outcome).map_err(|error| error.to_string())?
    } else {
        format!(
            "{} transactions, {} records: {} of {} planted exceptions found, {} of the wrong kind, {} not planted, {} false \
             matches\n{} ambiguous lines left open of {}; {:.3} % of {} undamaged matched unaided; {:.0} records a second{}",
            outcome.transactions,
            outcome.records,
            outcome.found,
            outcome.planted,
            outcome.wrong_kind,
            outcome.unplanted,
            outcome.false_matches,
            outcome.ambiguous_left_open,
            outcome.ambiguous_planted,
            outcome.matched_unaided_percent,
            outcome.undamaged,
            outcome.records_per_second,
            outcome.amiss.iter().map(|line| format!("\n{line}")).collect::<String>()
        )
    };
    writeln!(out, "{text}").map_err(|error| error.to_string())?;
    Ok(outcome.is_good())
}
