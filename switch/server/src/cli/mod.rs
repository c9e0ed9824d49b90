//! The command line (docs/operations.md#command-line).

mod args;
mod cases;
mod days;
mod enrolment;
mod keys;
mod log;
mod operators;
mod people;
mod recon;
mod rows;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub use self::args::{ConfigFile, MaybePersonArgs, PersonArgs, or_standard_input};
pub use self::cases::{CaseArgs, CaseCommand};
pub use self::days::DayCommand;
pub use self::enrolment::EnrolmentCommand;
pub use self::keys::{AlgorithmArg, KeysCommand, KindArgs};
pub use self::log::{FindBy, LogCommand};
pub use self::operators::{BlockArgs, SafCommand, ShowArgs, SuspenseCommand};
pub use self::people::PeopleCommand;
pub use self::recon::{
    ActsArgs, ExceptionsArgs, ExportArgs, ExportWhat, ImportArgs, ImportKind, PlaceArgs, ReconCommand,
    TakeBackArgs,
};
pub use self::rows::{FormArg, ReadRowsArgs};

/// A payment switch for ATMs where the chip citizen card is the bank card.
#[derive(Parser, Debug)]
#[command(
    name = "atm-switch",
    version,
    after_help = "Examples:
  atm-switch check atm-switch.toml
  atm-switch run --config atm-switch.toml
  atm-switch log show --config atm-switch.toml --json
  atm-switch cutover 2026-05-04 --config atm-switch.toml"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How the program's own log is written, to standard error. RUST_LOG says how much of it (info).
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Lines for people or for machines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the switch until SIGTERM or SIGINT.
    #[command(after_help = "Example:\n  atm-switch run --config atm-switch.toml --addresses addresses.json")]
    Run {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// Write the real addresses here, as JSON, once terminals are accepted.
        #[arg(long, value_name = "FILE")]
        addresses: Option<PathBuf>,
    },
    /// Check a configuration file: names every mistake with its path and line.
    #[command(after_help = "Example:\n  atm-switch check atm-switch.toml")]
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Look into the durable log.
    #[command(
        subcommand,
        after_help = "Example:\n  atm-switch log find --rrn 612300000001 --config atm-switch.toml"
    )]
    Log(LogCommand),
    /// The directory of citizens' accounts.
    #[command(
        subcommand,
        after_help = "Example:\n  atm-switch enrolment import bidv.csv --bank 970418 --config atm-switch.toml"
    )]
    Enrolment(EnrolmentCommand),
    /// Open a business day.
    #[command(after_help = "Example:\n  atm-switch cutover 2026-05-04 --config atm-switch.toml")]
    Cutover {
        /// The day, as 2026-05-04.
        day: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Refuse a terminal, bank or citizen from now on.
    #[command(after_help = "Examples:
  atm-switch block terminal HN000001 --config atm-switch.toml
  atm-switch block citizen - --config atm-switch.toml < number")]
    Block(BlockArgs),
    /// Take a terminal, bank or citizen again.
    #[command(after_help = "Example:\n  atm-switch unblock bank 970418 --config atm-switch.toml")]
    Unblock(BlockArgs),
    /// What waits for the banks: reversals, sent until acknowledged.
    #[command(subcommand, after_help = "Example:\n  atm-switch saf list --config atm-switch.toml")]
    Saf(SafCommand),
    /// What waits for a person to decide.
    #[command(subcommand, after_help = "Example:\n  atm-switch suspense list --config atm-switch.toml")]
    Suspense(SuspenseCommand),
    /// Exchanged keys in the security module's sealed file, told by check values and never shown.
    #[command(subcommand, after_help = "Example:\n  atm-switch keys list --config atm-switch.toml")]
    Keys(KeysCommand),
    /// Who may log in at the clerks' console.
    #[command(subcommand, after_help = "Example:\n  atm-switch people list --config atm-switch.toml")]
    People(PeopleCommand),
    /// Business days: what they come to, and closing them.
    #[command(subcommand, after_help = "Example:\n  atm-switch day list --config atm-switch.toml")]
    Day(DayCommand),
    /// Reconciliation: files in, matching, exceptions, files out.
    #[command(
        subcommand,
        after_help = "Example:\n  atm-switch recon exceptions --open --config atm-switch.toml"
    )]
    Recon(ReconCommand),
    /// Take no new requests; returns when nothing is in flight. The process goes on, until `resume` takes requests again or it is restarted.
    #[command(after_help = "Example:\n  atm-switch drain --config atm-switch.toml")]
    Drain {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take requests again behind a drain.
    #[command(after_help = "Example:\n  atm-switch resume --config atm-switch.toml")]
    Resume {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// How things stand, as JSON.
    #[command(after_help = "Example:\n  atm-switch status --config atm-switch.toml")]
    Status {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take the file that is standard input apart, within bounds, for the process that has started this one.
    #[command(hide = true)]
    ReadRows(ReadRowsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_has_examples_in_its_help_that_it_takes() {
        fn walk(command: &clap::Command, path: &str, seen: &mut Vec<String>) {
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
            {
                let path = format!("{path} {}", sub.get_name());
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                let lines = help.replace("\\\n", " ");
                let examples: Vec<&str> =
                    lines.lines().map(str::trim).filter(|line| line.starts_with("atm-switch ")).collect();
                assert!(!examples.is_empty(), "{path} has no example");
                for example in examples {
                    assert!(example.starts_with(&path), "{path}: {example}");
                    let words = words(example);
                    if let Err(error) = Cli::try_parse_from(words) {
                        panic!("{example}: {error}");
                    }
                }
                walk(sub, &path, seen);
                seen.push(path);
            }
        }
        let mut seen = Vec::new();
        walk(&Cli::command(), "atm-switch", &mut seen);
        assert!(seen.len() > 40, "{seen:?}");
    }

    /// What a shell makes of a line: words, some of them in quotes, up to a redirection.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, piece) in line.split('\'').enumerate() {
            if index % 2 == 1 {
                words.push(piece.to_owned());
            } else {
                words.extend(piece.split_whitespace().map(str::to_owned));
            }
        }
        words.into_iter().take_while(|word| word != "<" && word != ">").collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
