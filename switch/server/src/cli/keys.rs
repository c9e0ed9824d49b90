//! `atm-switch keys …`: exchanged keys.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hsm::KeyKind;
use keys::KeyAlgorithm;

use super::args::ConfigFile;

/// Looking after exchanged keys.
#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Make the sealed file that the configuration names, without keys.
    #[command(after_help = "Example:\n  atm-switch keys create --config atm-switch.toml")]
    Create {
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// A line for each key: version, usage, check value, and the key before it while that is read; and for each that was sent, or
    /// rotated by hand, and is not in use yet.
    #[command(after_help = "Example:\n  atm-switch keys list --json --config atm-switch.toml")]
    List {
        /// One JSON object a key.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take keys in: an exchange key as parts, others as key blocks (TR-31 version D) under it.
    #[command(after_help = "Examples:
  atm-switch keys import bank.970418.exchange --part first --part second --config atm-switch.toml
  atm-switch keys import bank.970418.pin --block zpk.tr31 --config atm-switch.toml
  atm-switch keys import --blocks terminals.txt --config atm-switch.toml")]
    Import {
        /// The key's name, as bank.970418.pin or terminal.HN000001.mac-to-switch.
        #[arg(required_unless_present = "blocks", conflicts_with = "blocks")]
        name: Option<String>,
        /// A file with one part in hex; two or three of them.
        #[arg(long, value_name = "FILE")]
        part: Vec<PathBuf>,
        /// A file with its key block; `-` is standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "part")]
        block: Option<PathBuf>,
        /// A file of many: a line each, the key's name, a space, its block. All are taken or none.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["part", "block"])]
        blocks: Option<PathBuf>,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Make a key where there is none, and print its key block for the other end.
    #[command(
        after_help = "Example:\n  atm-switch keys generate bank.970418.pin --algorithm aes --bytes 16 --config atm-switch.toml"
    )]
    Generate {
        /// The key's name.
        name: String,
        /// Its kind.
        #[command(flatten)]
        kind: KindArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Make the next version of a key, and print its key block, or have the running switch send it. The one before it is read for
    /// a day more. A bank's key for PINs, and one for MACs from the switch, waits for `keys use`: its owner has to have it first.
    #[command(after_help = "Examples:
  atm-switch keys rotate bank.970418.pin --config atm-switch.toml
  atm-switch keys rotate terminal.HN000001.mac-to-switch --send --config atm-switch.toml")]
    Rotate {
        /// The key's name.
        name: String,
        /// Have the running switch send it to its owner (0800/101), and use it once that has said that it is there.
        #[arg(long, conflicts_with_all = ["algorithm", "bytes"])]
        send: bool,
        /// Its kind; otherwise that of the one before it.
        #[command(flatten)]
        kind: KindArgs,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Take a key into use that was rotated by hand, or sent with its answer lost, once its owner has it: the switch takes it up at
    /// SIGHUP.
    #[command(
        after_help = "Example:\n  atm-switch keys use bank.970418.mac-from-switch --check-value 1A2B3C --config atm-switch.toml"
    )]
    Use {
        /// The key's name.
        name: String,
        /// The whole check value of the key, as `keys list`, the audit and its owner say it.
        #[arg(long, value_name = "KCV")]
        check_value: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print the newest key's block again, under its owner's exchange key.
    #[command(after_help = "Example:\n  atm-switch keys export bank.970418.pin --config atm-switch.toml")]
    Export {
        /// The key's name.
        name: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// What kind of key is made.
#[derive(Args, Clone, Copy, Debug)]
pub struct KindArgs {
    /// Its algorithm; otherwise the role's usual kind.
    #[arg(long, value_enum, requires = "bytes")]
    pub algorithm: Option<AlgorithmArg>,
    /// Its length in bytes.
    #[arg(long, requires = "algorithm")]
    pub bytes: Option<usize>,
}

impl KindArgs {
    /// The kind, where one is named.
    pub fn kind(self) -> Option<KeyKind> {
        let algorithm = match self.algorithm? {
            AlgorithmArg::Tdes => KeyAlgorithm::Tdes,
            AlgorithmArg::Aes => KeyAlgorithm::Aes,
            AlgorithmArg::Hmac => KeyAlgorithm::Hmac,
        };
        Some(KeyKind { algorithm, bytes: self.bytes? })
    }
}

/// A key's algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum AlgorithmArg {
    /// Triple DES, 16 or 24 bytes.
    Tdes,
    /// AES, 16, 24 or 32 bytes.
    Aes,
    /// HMAC-SHA-256, 16 to 64 bytes.
    Hmac,
}
