//! `simulators pilot`: sets all up, plays, settles, reports and audits.

use std::error::Error;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::audit::{Audit, Evidence, audit, read_log};
use crate::bank::read_lines;
use crate::terminal::{Fleet, Movement, write_movements};

use super::console::People;
use super::plan::{AMOUNT_VND, Plan, USES};
use super::report::{Facts, audit_lines, report};
use super::run::{Run, Stage};
use super::switch::Switch;
use super::town::{Town, keep_address};
use super::{BANKS, Visit};

/// Replays the pilot of 2022 through a real switch and accounts for every đồng.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  cargo run --release -p simulators -- pilot
  cargo run --release -p simulators -- pilot --seed 7 --json
  cargo run --release -p simulators -- pilot --console
  cargo run --release -p simulators -- pilot --kill-switch-at 100 --kill-switch-at 400 --keep pilot-files
  cargo run --release -p simulators -- pilot --hsm payshield")]
pub struct PilotArguments {
    /// What is drawn: the same seed gives the same plan and the same figures.
    #[arg(long, default_value_t = 2022)]
    pub seed: u64,
    /// Kill the switch (SIGKILL) while this use stands between INTENT and OUTCOME, and start it again. May be repeated.
    #[arg(long = "kill-switch-at", value_name = "USE")]
    pub kill_switch_at: Vec<u32>,
    /// Which security module the switch has.
    #[arg(long, value_enum, default_value_t = PilotHsm::Software)]
    pub hsm: PilotHsm,
    /// One JSON object on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Open the clerks' console: its address and who may log in are told when the pilot begins, and it stays until Ctrl-C
    /// when all has been played; the report and the audit follow.
    #[arg(long)]
    pub console: bool,
    /// Keep log, ledgers, movements and all other files in this directory, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// The security modules that a pilot can be played with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PilotHsm {
    /// Keys in a sealed file.
    Software,
    /// A simulated payShield, asked by host commands.
    Payshield,
}

/// Plays; whether every đồng is accounted for.
///
/// # Errors
/// What went wrong before there was something to audit.
pub async fn pilot(arguments: PilotArguments) -> Result<bool, Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let directory = match &arguments.keep {
        Some(directory) => new_directory(directory)?,
        None => temporary.path().to_owned(),
    };
    let plan = Arc::new(Plan::draw(arguments.seed));
    let stage = Stage::new(plan.clone(), &arguments.kill_switch_at)?;
    eprintln!("building the switch, if that is not done yet");
    let program = Switch::find().await?;
    let begun = Instant::now();
    let town = Town::set_up(&plan, stage.waits, &directory, stage.faults(), arguments.hsm).await?;
    let mut switch = Switch::new(program, town.config.clone());
    for (bank, file) in BANKS.iter().zip(&town.enrolment) {
        let file = file.as_os_str();
        switch
            .command(&[
                "enrolment".as_ref(),
                "import".as_ref(),
                file,
                "--bank".as_ref(),
                bank.institution.as_ref(),
            ])
            .await?;
    }
    let people = if arguments.console { Some(People::let_in(&town.config, &switch).await?) } else { None };
    switch.command(&["log", "begin-heads"]).await?;
    let address = switch.start().await?;
    keep_address(&town.config, address)?;
    if let Some(people) = &people {
        eprint!("{}", people.invitation(switch.console()?));
    }
    let fleet = Fleet::start(town.terminals(&plan, address)?)?;
    let run = Run::new(stage, town.country.clone(), fleet, switch, progress(&plan));
    let (seen, mut switch, fleet) = Arc::new(run).play().await?;
    let movements = fleet.movements();
    fleet.stop();
    if let Some(people) = &people {
        eprintln!(
            "{}the pilot is played. Ctrl-C ends the console; the report follows.",
            people.invitation(switch.console()?)
        );
        tokio::signal::ctrl_c().await?;
    }
    let stages = super::metrics::stages(switch.metrics().await?.as_str());
    switch.end().await?;
    let ledgers = town.stop().await;
    let audit = examine(&directory, &movements, &ledgers, &switch).await?;
    let took_s = begun.elapsed().as_secs_f64();
    if arguments.json {
        println!("{}", figures(&arguments, &audit, took_s));
        audit.findings.iter().for_each(|finding| eprintln!("{finding}"));
    } else {
        let facts = Facts { plan: &plan, audit: &audit, seen: &seen, stages: &stages, took_s };
        println!("{}{}", report(&facts), audit_lines(&audit));
    }
    Ok(audit.is_clean() && audit.uses == USES as u64 && audit.amount_vnd == AMOUNT_VND)
}

/// The three sides, read from files alone.
async fn examine(
    directory: &Path,
    movements: &[Movement],
    ledgers: &[PathBuf],
    switch: &Switch,
) -> Result<Audit, Box<dyn Error>> {
    let mut file = fs::File::create(directory.join("movements.jsonl"))?;
    write_movements(movements, &mut file)?;
    let ledgers = ledgers.iter().map(|path| read_lines(path)).collect::<Result<Vec<_>, _>>()?;
    let text = switch.command(&["log", "show", "--json"]).await?;
    fs::write(directory.join("log.jsonl"), &text)?;
    let log = read_log(BufReader::new(text.as_slice()))?;
    Ok(audit(&Evidence { movements, ledgers: &ledgers, log: &log }))
}

fn figures(arguments: &PilotArguments, audit: &Audit, took_s: f64) -> serde_json::Value {
    json!({
        "seed": arguments.seed,
        "uses": audit.uses,
        "amount_vnd": audit.amount_vnd,
        "approved": audit.approved,
        "declined": audit.declined,
        "reversed": audit.reversed,
        "suspense": audit.suspense,
        "difference_vnd": audit.difference_vnd,
        "findings": audit.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "kills": arguments.kill_switch_at,
        "seconds": (took_s * 10.0).round() / 10.0,
    })
}

fn new_directory(directory: &Path) -> Result<PathBuf, Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    if fs::read_dir(directory)?.next().is_some() {
        return Err(format!("{} is not empty: name a new directory", directory.display()).into());
    }
    Ok(directory.canonicalize()?)
}

fn progress(plan: &Plan) -> Box<dyn Fn(&Visit) + Send + Sync> {
    let bar = ProgressBar::new(plan.visits.len() as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} visits, {msg}, {elapsed} gone");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let days = plan.days.clone();
    Box::new(move |visit| {
        bar.set_message(days[visit.day].to_string());
        bar.inc(1);
        if bar.position() == bar.length().unwrap_or(0) {
            bar.finish_and_clear();
        }
    })
}
