//! `atm-switch enrolment …`: the directory of citizens' accounts.

use std::path::PathBuf;

use clap::Subcommand;

use super::args::ConfigFile;

/// The enrolment.
#[derive(Subcommand, Debug)]
pub enum EnrolmentCommand {
    /// Take in a bank's file. Bad lines are listed with number and reason.
    #[command(
        after_help = "Example:\n  atm-switch enrolment import bidv.csv --bank 970418 --config atm-switch.toml"
    )]
    Import {
        /// The bank's file.
        file: PathBuf,
        /// The bank's institution id.
        #[arg(long)]
        bank: String,
        /// The file holds changes (link, unlink, default), not the whole.
        #[arg(long)]
        changes: bool,
        /// Take nothing if a line is bad.
        #[arg(long)]
        strict: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print a citizen's linked accounts, masked. Every look is recorded in `switch-audit.jsonl` beside the log.
    #[command(after_help = "Example:\n  atm-switch enrolment show - --config atm-switch.toml < number")]
    Show {
        /// The citizen number; `-` reads it from standard input, out of other users' sight.
        number: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}
