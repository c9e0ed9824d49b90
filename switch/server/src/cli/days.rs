//! `atm-switch day …`: business days.

use clap::Subcommand;

use super::args::{ConfigFile, PersonArgs};

/// Business days.
#[derive(Subcommand, Debug)]
pub enum DayCommand {
    /// A line for each day, with its state, open exceptions and what is at risk.
    #[command(after_help = "Example:\n  atm-switch day list --json --config atm-switch.toml")]
    List {
        /// One JSON array.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// One day: each bank's totals beside what it claims, net positions, adjustments, exceptions by kind.
    #[command(after_help = "Example:\n  atm-switch day show 2026-05-03 --config atm-switch.toml")]
    Show {
        /// The day.
        day: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Close a day behind its cutover: what the log says of it from here on is an adjustment of the open day.
    #[command(
        after_help = "Example:\n  atm-switch day close 2026-05-03 --as minh --config atm-switch.toml < password"
    )]
    Close {
        /// The day.
        day: String,
        /// Who closes it.
        #[command(flatten)]
        by: PersonArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Say that the banks have settled a closed day.
    #[command(
        after_help = "Example:\n  atm-switch day settle 2026-05-03 --as minh --config atm-switch.toml < password"
    )]
    Settle {
        /// The day.
        day: String,
        /// Who says it.
        #[command(flatten)]
        by: PersonArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}
