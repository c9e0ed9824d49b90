//! Kills the real switch under load, round for round, and accounts for every đồng afterwards.

use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::rounds::{Rounds, play};

/// Kills atm-switch with SIGKILL under load, again and again, and audits cassettes, ledgers and log.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release -p tests --bin kill_loop -- --rounds 200
  cargo run --release -p tests --bin kill_loop -- --rounds 30 --seed 7 --proxy --json")]
struct Arguments {
    /// Kills under load.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let the proxies on all links delay, double, cut and reset.
    #[arg(long)]
    proxy: bool,
    /// One JSON object on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bar = ProgressBar::new(u64::from(arguments.rounds));
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {msg} visits, {elapsed} gone");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let rounds =
        Rounds { rounds: arguments.rounds, seed: arguments.seed, wild: arguments.proxy, visits_min: 0 };
    let report = play(rounds, |round, visits| {
        bar.set_message(visits.to_string());
        bar.set_position(u64::from(round));
    })
    .await;
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
