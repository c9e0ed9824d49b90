//! The command line of the simulators: each part alone, and the pilot.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulators::{bank, citizens, day, example, load, payshield, pilot, registry, terminal};
use tracing_subscriber::EnvFilter;

/// Terminals, bank cores and an identity registry, simulated; the pilot, replayed.
#[derive(Parser)]
#[command(name = "simulators", version)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// A bank core that answers a switch and keeps its ledger on disk.
    Bank {
        /// Its configuration, TOML.
        #[arg(long)]
        config: PathBuf,
    },
    /// A synthetic citizen's card as JSON, its chip's key included.
    Card(citizens::Arguments),
    /// A day of the switch's log, banks' files, machines' journals and counters, with planted damage and the truth beside it.
    Day(day::DayArguments),
    /// Files of one switch, bank and terminal that fit each other, for each part by hand.
    Example(example::Arguments),
    /// Load on a real switch, audited.
    Load(load::LoadArguments),
    /// A peer of a load's floor; a load starts them itself.
    #[command(hide = true)]
    FloorPeer(load::FloorPeerArguments),
    /// A payShield that answers host commands.
    Payshield(payshield::Arguments),
    /// The pilot of 2022, replayed through a real switch.
    Pilot(pilot::PilotArguments),
    /// A terminal that one citizen visits.
    Terminal(terminal::Visit),
    /// An identity registry that knows the synthetic citizens of a seed.
    Registry(registry::Arguments),
}

fn main() -> ExitCode {
    let log = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    let part = Arguments::parse().part;
    // A bank is one task and its connections: on one thread nothing has to be woken between them.
    let mut runtime = match part {
        Part::Bank { .. } => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let ended = match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(run(part)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(part: Part) -> Result<bool, Box<dyn Error>> {
    match part {
        Part::Bank { config } => run_bank(config).await.map(|()| true),
        Part::Card(arguments) => {
            println!("{}", citizens::card(&arguments));
            Ok(true)
        }
        Part::Day(arguments) => Ok(day::day(&arguments, &mut std::io::stdout().lock())?),
        Part::Example(arguments) => example::write(&arguments).map(|()| true),
        Part::Load(arguments) => load::load(arguments).await,
        Part::FloorPeer(arguments) => Ok(load::floor_peer(&arguments).map(|()| true)?),
        Part::Payshield(arguments) => payshield::run(arguments).await,
        Part::Pilot(arguments) => pilot::pilot(arguments).await,
        Part::Terminal(visit) => terminal::run(visit).await,
        Part::Registry(arguments) => run_registry(arguments).await.map(|()| true),
    }
}

async fn run_bank(config: PathBuf) -> Result<(), Box<dyn Error>> {
    let config = bank::load(&config)?;
    let id = config.machine.id.clone();
    let handle = bank::Bank::start(config).await?;
    for addr in handle.addrs() {
        println!("bank {id} listens on {addr}, ledger {}", handle.ledger_path().display());
    }
    stopped().await?;
    handle.stop().await;
    Ok(())
}

async fn run_registry(arguments: registry::Arguments) -> Result<(), Box<dyn Error>> {
    let out = arguments.out.clone();
    let handle = registry::start(arguments).await?;
    println!("registry listens on {}, files in {}", handle.url(), out.display());
    stopped().await?;
    handle.stop().await;
    Ok(())
}

/// Waits for an interrupt or a request to end.
async fn stopped() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}
