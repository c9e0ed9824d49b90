//! Simulates days of the whole switch, seed by seed, over all cores; finds broken rules; repeats and shrinks a seed.

use std::process::ExitCode;

use clap::Parser;
use tests::simulation::command::{Arguments, simulate};

fn main() -> ExitCode {
    simulate(&Arguments::parse())
}
