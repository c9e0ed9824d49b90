//! What operators ask of the running switch: `atm-switch block`, `saf …` and `suspense …`.

use clap::{Args, Subcommand};

use super::args::ConfigFile;
use crate::operator::Subject;

/// What is blocked or unblocked.
#[derive(Args, Debug)]
pub struct BlockArgs {
    /// What it is.
    #[arg(value_enum)]
    pub subject: Subject,
    /// DE41, institution or citizen number; `-` reads it from standard input, out of other users' sight.
    pub id: String,
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// One transaction to look at.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Transaction key or RRN.
    pub transaction: String,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Looking after the reversals that wait for banks.
#[derive(Subcommand, Debug)]
pub enum SafCommand {
    /// A line for each bank, then the oldest reversals of each.
    #[command(after_help = "Examples:
  atm-switch saf list --config atm-switch.toml
  atm-switch saf list --bank 970418 --limit 100 --json --config atm-switch.toml")]
    List {
        /// This bank's alone.
        #[arg(long)]
        bank: Option<String>,
        /// At most so many reversals, 1,000 at the most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// One reversal, and the records of its transaction.
    #[command(after_help = "Examples:
  atm-switch saf show 612300000001 --config atm-switch.toml
  atm-switch saf show 0200/970418/HN000001/2026-05-03T01:02:03Z/000017 --config atm-switch.toml")]
    Show(ShowArgs),
    /// Take up reversals that rest, before their time: one, a bank's, or all. The bank's window is kept.
    #[command(after_help = "Examples:
  atm-switch saf retry --bank 970418 --config atm-switch.toml
  atm-switch saf retry 0200/970418/HN000001/2026-05-03T01:02:03Z/000017 --config atm-switch.toml
  atm-switch saf retry --config atm-switch.toml")]
    Retry {
        /// Transaction key.
        #[arg(conflicts_with = "bank")]
        transaction: Option<String>,
        /// This bank's.
        #[arg(long)]
        bank: Option<String>,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Looking after what waits for a person.
#[derive(Subcommand, Debug)]
pub enum SuspenseCommand {
    /// The transactions in SUSPENSE, the oldest flag first.
    #[command(after_help = "Examples:
  atm-switch suspense list --config atm-switch.toml
  atm-switch suspense list --since 2026-05-03 --limit 100 --json --config atm-switch.toml")]
    List {
        /// Flagged on this day (UTC) or later.
        #[arg(long, value_name = "DAY")]
        since: Option<String>,
        /// At most so many, 1,000 at the most.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Whether a transaction waits for a person, and its records; from the log's files.
    #[command(after_help = "Examples:
  atm-switch suspense show 612300000001 --config atm-switch.toml
  atm-switch suspense show 0200/970418/HN000001/2026-05-03T01:02:03Z/000017 --config atm-switch.toml")]
    Show(ShowArgs),
    /// Record a decision: the transaction waits no more. It moves no money.
    #[command(after_help = "Example:
  atm-switch suspense resolve 612300000001 --by 'Nguyen Lan' --why 'cassettes counted: no cash has left' \\
    --config atm-switch.toml")]
    Resolve {
        /// Transaction key or RRN.
        transaction: String,
        /// Who has decided, 47 characters at most; the record has the user of the socket beside it.
        #[arg(long, value_name = "NAME")]
        by: String,
        /// Why, 200 characters at most.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}
