//! Other people's ISO 8583 crates beside ours, in one run: `cargo run --release --manifest-path benches/peers/Cargo.toml`.
//!
//! Codecs are first held against ours on the message that is measured; one that reads or writes it otherwise has no time,
//! but a line that says what is wrong. Echo servers run in processes of their own. Rounds are interleaved.

#[path = "../../src/codec_floor.rs"]
#[allow(dead_code, reason = "the codec bench measures the narrow floor too")]
mod codec_floor;
#[path = "../../src/codec_message.rs"]
#[allow(dead_code, reason = "links are measured elsewhere")]
mod codec_message;
mod codecs;
mod echo;
#[path = "../../../tests/src/foreign_spec.rs"]
mod foreign_spec;
mod report;
mod rounds;

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use iso8583::Dialect;
use tempfile::NamedTempFile;

use crate::report::Report;

/// The variable of the environment that names the file for the report.
const REPORT_FILE: &str = "PEERS_REPORT_FILE";

/// Measures other people's ISO 8583 codecs, and an echo server built with one of them, beside ours.
#[derive(Parser, Debug)]
#[command(after_help = "Examples:
  peers                          all, 7 rounds: about 2 minutes
  peers --only codecs --json     codecs alone, for machines
  peers --only echo --switch target/release/atm-switch --rounds 5
  cargo build --release -p server && cargo run --release --manifest-path benches/peers/Cargo.toml")]
struct Arguments {
    /// Interleaved rounds; what is shown is their median.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(5..=101))]
    rounds: u32,
    /// One part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// The switch that echoes; default: target/release/atm-switch of these sources, in CARGO_TARGET_DIR where that is set.
    #[arg(long, value_name = "PATH")]
    switch: Option<PathBuf>,
    /// How long an echo server is measured in each round, milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    echo_ms: u64,
    /// JSON on standard output instead of tables.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    serve: Option<Serve>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Part {
    /// Parse and build.
    Codecs,
    /// 0800 to 0810 over loopback.
    Echo,
}

/// What this program starts of itself.
#[derive(Subcommand, Debug)]
#[command(hide = true)]
enum Serve {
    /// An echo server of `iso8583_rs`, until it is killed.
    #[command(hide = true)]
    ServePeer { address: String },
    /// The echo server written by hand, until it is killed.
    #[command(hide = true)]
    ServeFloor { address: String },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    match &arguments.serve {
        Some(Serve::ServePeer { address }) => echo::servers::serve_peer(address)?,
        Some(Serve::ServeFloor { address }) => echo::servers::serve_floor(address)?,
        // The peer's specification is what a variable of the environment names when the process begins.
        None if env::var_os(foreign_spec::SPEC_FILE).is_none() => return again_with_specification(),
        None => measure(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Standard output is for the report alone, and the peer prints where it found its specification.
fn again_with_specification() -> Result<ExitCode, Box<dyn Error>> {
    let specification = foreign_spec::write(Dialect::ascii_binary_bitmap_1987())?;
    let report = NamedTempFile::new()?;
    let status = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(foreign_spec::SPEC_FILE, specification.path())
        .env(REPORT_FILE, report.path())
        .stdout(Stdio::null())
        .status()?;
    print!("{}", fs::read_to_string(report.path())?);
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    // What is missing is told before anything is measured.
    let switch = wanted(Part::Echo).then(|| echo::switch::find(arguments.switch.as_deref())).transpose()?;
    let mut codecs = if wanted(Part::Codecs) { codecs::all() } else { Vec::new() };
    let bar = ProgressBar::new(
        u64::from(arguments.rounds) * (codecs.len() + switch.iter().len() * echo::CASES) as u64,
    );
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed} {msg}")?);
    let codecs = codecs::measure(&mut codecs, arguments.rounds, &bar);
    let echoes = match switch {
        Some(switch) => echo::measure(&switch, arguments.rounds, arguments.echo_ms, &bar)?,
        None => Vec::new(),
    };
    bar.finish_and_clear();
    let report = Report { rounds: arguments.rounds, load_average: report::load_average(), codecs, echoes };
    let text = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    fs::write(env::var_os(REPORT_FILE).ok_or("start it without SPEC_FILE in the environment")?, text)?;
    Ok(())
}
