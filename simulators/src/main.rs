//! The command line of the simulators: each part alone, and the pilot.

use clap::Parser;

/// Terminals, bank cores and an identity registry, simulated; the pilot, replayed.
#[derive(Parser)]
#[command(name = "simulators", version)]
struct Arguments {}

fn main() {
    let Arguments {} = Arguments::parse();
}
