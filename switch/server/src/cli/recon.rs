//! `atm-switch recon …`: files in, matching, exceptions, files out.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::{ConfigFile, MaybePersonArgs, PersonArgs};
use super::cases::{CaseArgs, CaseCommand};

/// Reconciliation.
#[derive(Subcommand, Debug)]
pub enum ReconCommand {
    /// Take a bank's or a machine's file, whole or not at all.
    #[command(after_help = "Examples:
  atm-switch recon import bidv.csv --kind postings --bank 970418 --day 2026-05-03 --config atm-switch.toml
  atm-switch recon import bidv.xlsx --kind postings --bank 970418 --day 2026-05-03 --layout bidv --preview \\
    --config atm-switch.toml
  atm-switch recon import journal.csv --kind journal --day 2026-05-03 --part 2 --config atm-switch.toml")]
    Import(ImportArgs),
    /// Keep how a bank or a make of machine writes its files, under a name.
    #[command(
        after_help = "Example:\n  atm-switch recon layout bidv bidv.toml --as lan --config atm-switch.toml < password"
    )]
    Layout {
        /// The name.
        name: String,
        /// The layout, TOML.
        file: PathBuf,
        /// Who keeps it.
        #[command(flatten)]
        by: PersonArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Match everything that is here and tell what it comes to; nothing is recorded. With a line and a transaction: lay the line to the
    /// transaction by hand, which stands before every rule.
    #[command(after_help = "Examples:
  atm-switch recon match --json --config atm-switch.toml
  atm-switch recon match 9f86d081884c7d65-12 0-4711 --as lan --config atm-switch.toml < password")]
    Match {
        /// A line of a taken file, by its id.
        #[arg(requires_all = ["ours", "person"])]
        line: Option<String>,
        /// A transaction, by its id.
        ours: Option<String>,
        /// Who lays it.
        #[command(flatten)]
        by: MaybePersonArgs,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Part a line from the transaction that it was laid to, by hand or by a rule.
    #[command(
        after_help = "Example:\n  atm-switch recon part 9f86d081884c7d65-12 0-4711 --as lan --config atm-switch.toml < password"
    )]
    Part {
        /// The line, by its id as `exceptions --json` and `match --json` print it.
        line: String,
        /// The transaction, by its id.
        ours: String,
        /// Who parts them.
        #[command(flatten)]
        by: PersonArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Propose to take a file back out of a place that is not its own, or check what somebody else has proposed: the place is free then.
    #[command(after_help = "Examples:
  atm-switch recon take-back --kind postings --bank 970418 --day 2026-05-03 --why 'it is 970415' --as lan \\
    --config atm-switch.toml
  atm-switch recon take-back --kind postings --bank 970418 --day 2026-05-03 --approve 17 --as minh \\
    --config atm-switch.toml")]
    TakeBack(TakeBackArgs),
    /// Acts on cases.
    #[command(flatten)]
    Case(CaseCommand),
    /// Have the running switch record a decision about the transaction of a case, which waits for a person: it waits no more. It moves no money.
    #[command(after_help = "Example:
  atm-switch recon resolve 0-4711 --as minh --why 'cassettes counted: no cash has left' --config atm-switch.toml < password")]
    Resolve {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// Why, 200 characters at most.
        #[arg(long)]
        why: String,
    },
    /// List exceptions.
    #[command(after_help = "Example:
  atm-switch recon exceptions --day 2026-05-03 --kind missing_at_bank --open --json --config atm-switch.toml")]
    Exceptions {
        /// Which.
        #[command(flatten)]
        filter: ExceptionsArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List what people have done on files, days and cases, newest first, each act checked against the one before it.
    #[command(
        after_help = "Example:\n  atm-switch recon acts --who lan --limit 20 --json --config atm-switch.toml"
    )]
    Acts(ActsArgs),
    /// Write a list of exceptions (CSV, or a workbook where the file ends in .xlsx), or a closed day's file for a bank.
    #[command(after_help = "Examples:
  atm-switch recon export exceptions --out open.xlsx --open --config atm-switch.toml
  atm-switch recon export settlement --day 2026-05-03 --bank 970418 --out 970418.txt --config atm-switch.toml
  atm-switch recon export camt053 --day 2026-05-03 --bank 970418 --out 970418.xml --config atm-switch.toml")]
    Export(ExportArgs),
}

/// A file, and what it is.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file.
    pub file: PathBuf,
    /// Its place.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How many files there are for the day: before all are here nothing of it is missing.
    #[arg(long, default_value_t = 1)]
    pub parts: u32,
    /// How it is read: a kept name, or a TOML file; the normal form without it.
    #[arg(long)]
    pub layout: Option<String>,
    /// Show how it would be read; take nothing.
    #[arg(long)]
    pub preview: bool,
    /// Who hands it in; the user of the command line without it.
    #[command(flatten)]
    pub by: MaybePersonArgs,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// The place that a file fills.
#[derive(Args, Debug)]
pub struct PlaceArgs {
    /// What is in it.
    #[arg(long, value_enum)]
    pub kind: ImportKind,
    /// The business day that it is for.
    #[arg(long)]
    pub day: String,
    /// Whose postings; of postings alone.
    #[arg(long)]
    pub bank: Option<String>,
    /// The machine, of a raw journal or one that has no line; of journals alone.
    #[arg(long)]
    pub terminal: Option<String>,
    /// Of several files for one day the number.
    #[arg(long, default_value_t = 1)]
    pub part: u32,
}

/// What is in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ImportKind {
    /// A bank core's postings.
    Postings,
    /// Machines' journals.
    Journal,
    /// Cash counters.
    Counters,
    /// What banks claim their totals are: `bank,element,value`.
    Totals,
}

/// A file by its place, and what is to be done about it.
#[derive(Args, Debug)]
pub struct TakeBackArgs {
    /// The place that it was taken for.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Approve: the act that proposed what was seen.
    #[arg(long)]
    pub approve: Option<u64>,
    /// Refuse: the act that proposed what was seen.
    #[arg(long, conflicts_with = "approve", requires = "why")]
    pub reject: Option<u64>,
    /// Why it is proposed or refused.
    #[arg(long, required_unless_present = "approve", conflicts_with = "approve")]
    pub why: Option<String>,
    /// Who does it.
    #[command(flatten)]
    pub by: PersonArgs,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Which exceptions.
#[derive(Args, Clone, Debug)]
pub struct ExceptionsArgs {
    /// Of this business day.
    #[arg(long)]
    pub day: Option<String>,
    /// Of this bank.
    #[arg(long)]
    pub bank: Option<String>,
    /// Of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Those that somebody still has to do something about.
    #[arg(long)]
    pub open: bool,
    /// One JSON array.
    #[arg(long)]
    pub json: bool,
}

/// Which acts are listed.
#[derive(Args, Debug)]
pub struct ActsArgs {
    /// Those of this person, or of `uid 1000` for the user of the command line.
    #[arg(long)]
    pub who: Option<String>,
    /// So many at most.
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
    /// A JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// What is written, and where.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// What.
    #[arg(value_enum)]
    pub what: ExportWhat,
    /// A file that is not there yet.
    #[arg(long)]
    pub out: PathBuf,
    /// Which exceptions, or which day and bank.
    #[command(flatten)]
    pub filter: ExceptionsArgs,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// What can be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ExportWhat {
    /// The list of exceptions.
    Exceptions,
    /// A bank's day, line by line, with counts and sums.
    Settlement,
    /// The same as an ISO 20022 statement.
    Camt053,
    /// The same as ISO 20022 notifications.
    Camt054,
}
