//! `atm-switch log …`: looking into the durable log.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::args::ConfigFile;

/// Looking into the log.
#[derive(Subcommand, Debug)]
pub enum LogCommand {
    /// Print the records, oldest first. PANs and accounts are masked.
    #[command(after_help = "Examples:
  atm-switch log show --config atm-switch.toml
  atm-switch log show --config atm-switch.toml --json --from 1000 --limit 10")]
    Show {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// One JSON object a record.
        #[arg(long)]
        json: bool,
        /// The first position.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At most so many records.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Print all records of the transactions that match.
    #[command(after_help = "Examples:
  atm-switch log find --config atm-switch.toml --rrn 612300000001
  atm-switch log find --config atm-switch.toml --key 0200/970418/HN000001/2026-05-03T01:02:03Z/000017
  atm-switch log find --config atm-switch.toml --stan 17 --terminal HN000001")]
    Find {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// What to find.
        #[command(flatten)]
        by: FindBy,
        /// One JSON object a record.
        #[arg(long)]
        json: bool,
    },
    /// Check every record: checksum, place in the chain, sequence; and the audit beside the log. The exit status says what was done to
    /// a bad one.
    #[command(after_help = "Examples:
  atm-switch log verify --config atm-switch.toml
  atm-switch log verify --config atm-switch.toml --heads /mnt/witness/switch-hn-1.heads --json
Exit status: 0 good, 1 not checked, 2 configuration, 10 changed, 11 moved, 12 gone, 13 cut, 14 rolled back,
15 replaced, 16 the heads themselves are not signed by the key, 17 no head is left where some were kept,
18 the audit beside the log is not what was written.")]
    Verify {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
        /// A head that was noted before and kept elsewhere: the log has to hold it still.
        #[arg(long)]
        head: Option<String>,
        /// A file of signed heads: the log has to hold each of them.
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
        /// Believe heads that this key has signed, PEM; else that of the key file.
        #[arg(long, value_name = "FILE", requires = "heads")]
        public_key: Option<PathBuf>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Say that the log's heads are kept in `log.heads_file` from now on: once, before the first start with it.
    #[command(after_help = "Example:\n  atm-switch log begin-heads --config atm-switch.toml")]
    BeginHeads {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the public half of the key that signs heads, PEM: for whoever keeps them.
    #[command(after_help = "Example:\n  atm-switch log heads-key --config atm-switch.toml > heads-key.pem")]
    HeadsKey {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// What transactions must match; all that is given.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct FindBy {
    /// Transaction key, as `log show` prints it.
    #[arg(long)]
    pub key: Option<String>,
    /// DE37.
    #[arg(long)]
    pub rrn: Option<String>,
    /// DE11 of the terminal.
    #[arg(long)]
    pub stan: Option<u32>,
    /// DE41.
    #[arg(long)]
    pub terminal: Option<String>,
}
