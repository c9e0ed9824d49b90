//! How long a bank's reversals take when it comes back after a day, and what other banks' customers feel of it.

use std::process::ExitCode;

use clap::Parser;
use tests::drain::Drain;

/// Lets a bank come back to which reversals are owed, with the real atm-switch between simulated banks and machines.
#[derive(Parser)]
#[command(after_help = "Examples:
  cargo run --release -p tests --bin saf_drain
  cargo run --release -p tests --bin saf_drain -- --reversals 10000 --json")]
struct Arguments {
    /// Reversals that are owed.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    reversals: u32,
    /// Visits of another bank's customers before it comes back.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    visits: u32,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let drain = Drain { reversals: arguments.reversals, visits_before: arguments.visits as usize };
    let report = drain.run().await;
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
