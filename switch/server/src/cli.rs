//! The command line (docs/operations.md#command-line).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hsm::KeyKind;
use keys::KeyAlgorithm;

use crate::operator::Subject;

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
    /// Read the workbook that is standard input, within bounds, for the process that has started this one.
    #[command(hide = true)]
    ReadSheet {
        /// Which sheet; the first without it.
        #[arg(long, allow_hyphen_values = true)]
        sheet: Option<String>,
    },
}

/// The configuration of the switch that is meant.
#[derive(Args, Clone, Debug)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(id = "config", long = "config", value_name = "FILE")]
    pub file: PathBuf,
}

/// Who does something that is recorded.
#[derive(Args, Clone, Debug)]
pub struct PersonArgs {
    /// Who does it, by the name in the console's file of people, whose roles count.
    #[arg(id = "person", long = "as", value_name = "NAME")]
    pub name: String,
    /// The person's password is the first line of this file, which nobody else can read; of standard input without it.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// Who does something, where it may be nobody.
#[derive(Args, Clone, Debug)]
pub struct MaybePersonArgs {
    /// Who does it, by the name in the console's file of people, whose roles count.
    #[arg(id = "person", long = "as", value_name = "NAME")]
    pub name: Option<String>,
    /// The person's password is the first line of this file, which nobody else can read; of standard input without it.
    #[arg(long, value_name = "FILE", requires = "person")]
    pub password_file: Option<PathBuf>,
}

impl MaybePersonArgs {
    /// The person, where there is one.
    pub fn person(&self) -> Option<PersonArgs> {
        let name = self.name.clone()?;
        Some(PersonArgs { name, password_file: self.password_file.clone() })
    }
}

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
    Show {
        /// Transaction key or RRN.
        transaction: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
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
    Show {
        /// Transaction key or RRN.
        transaction: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
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
    /// A line for each key: version, usage, check value, and the key before it while that is read; and for each that was sent and
    /// is not in use yet.
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
    /// a day more.
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
    /// Take a key into use that was sent to its owner, who has it, and whose answer was lost: the switch takes it up at SIGHUP.
    #[command(
        after_help = "Example:\n  atm-switch keys use bank.970418.mac-from-switch --check-value 1A2B3C --config atm-switch.toml"
    )]
    Use {
        /// The key's name.
        name: String,
        /// The whole check value of the key, as `keys list`, audit.log and its owner say it.
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

/// A case, and who does something to it.
#[derive(Args, Clone, Debug)]
pub struct CaseArgs {
    /// The case, by its id as `exceptions --json` prints it.
    pub case: String,
    /// Who does it.
    #[command(flatten)]
    pub by: PersonArgs,
    /// The switch that is meant.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// What is done to a case: an act; the case is printed as it stands then, JSON.
#[derive(Subcommand, Clone, Debug)]
pub enum CaseCommand {
    /// Propose how a case is to end; somebody else has to approve it.
    #[command(after_help = "Example:
  atm-switch recon propose 0-4711-machine --as lan --resolution refund --why 'no cash left' --config atm-switch.toml < password")]
    Propose {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// `refund`, `adjustment` or `accept`.
        #[arg(long)]
        resolution: String,
        /// Minor units, with a sign; what the exception comes to without it.
        #[arg(long, allow_hyphen_values = true)]
        amount: Option<i64>,
        /// The bank that pays or is paid; the exception's own without it.
        #[arg(long)]
        bank: Option<String>,
        /// The acquirer on the other side of an adjustment, where the case does not say whose terminal it was.
        #[arg(long)]
        acquirer: Option<String>,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Approve what somebody else has proposed.
    #[command(after_help = "Example:
  atm-switch recon approve 0-4711-machine --as minh --proposal 17 --config atm-switch.toml < password")]
    Approve {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// The act that proposed what was seen.
        #[arg(long)]
        proposal: u64,
    },
    /// Refuse what somebody else has proposed.
    #[command(
        after_help = "Example:\n  atm-switch recon reject 0-4711-machine --as minh --proposal 17 --why 'the journal says otherwise' --config atm-switch.toml < password"
    )]
    Reject {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// The act that proposed what was seen.
        #[arg(long)]
        proposal: u64,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Dispute a case with the member.
    #[command(
        after_help = "Example:\n  atm-switch recon dispute 0-4711-machine --as lan --why 'the bank says it has paid' --config atm-switch.toml < password"
    )]
    Dispute {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Open a case again; of what was booked the undo is proposed.
    #[command(
        after_help = "Example:\n  atm-switch recon reopen 0-4711-machine --as lan --why 'the bank has written' --config atm-switch.toml < password"
    )]
    Reopen {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Give a case to somebody, or to nobody.
    #[command(
        after_help = "Example:\n  atm-switch recon assign 0-4711-machine --as lan --owner lan --config atm-switch.toml < password"
    )]
    Assign {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// Whom.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Write something down beside a case.
    #[command(
        after_help = "Example:\n  atm-switch recon note 0-4711-machine --as lan --text 'asked the branch' --config atm-switch.toml < password"
    )]
    Note {
        /// The case.
        #[command(flatten)]
        on: CaseArgs,
        /// What.
        #[arg(long)]
        text: String,
    },
}

impl CaseCommand {
    /// The case, and who does something to it.
    pub fn on(&self) -> &CaseArgs {
        match self {
            CaseCommand::Propose { on, .. }
            | CaseCommand::Approve { on, .. }
            | CaseCommand::Reject { on, .. }
            | CaseCommand::Dispute { on, .. }
            | CaseCommand::Reopen { on, .. }
            | CaseCommand::Assign { on, .. }
            | CaseCommand::Note { on, .. } => on,
        }
    }
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
    /// Check every record: checksum, place in the chain, sequence. The exit status says what was done to a bad one.
    #[command(after_help = "Examples:
  atm-switch log verify --config atm-switch.toml
  atm-switch log verify --config atm-switch.toml --heads /mnt/witness/switch-hn-1.heads --json
Exit status: 0 good, 1 not checked, 2 configuration, 10 changed, 11 moved, 12 gone, 13 cut, 14 rolled back,
15 replaced, 16 the heads themselves are not signed by the key, 17 no head is left where some were kept.")]
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
    /// Print a citizen's linked accounts, masked. Every look is recorded in `audit.log` beside the log.
    #[command(after_help = "Example:\n  atm-switch enrolment show - --config atm-switch.toml < number")]
    Show {
        /// The citizen number; `-` reads it from standard input, out of other users' sight.
        number: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Looking after the people of the console. Passwords are read from standard input, out of other users' sight.
#[derive(Subcommand, Debug)]
pub enum PeopleCommand {
    /// Let somebody log in; the password is the first line of standard input.
    #[command(after_help = "Examples:
  atm-switch people add lan --full-name 'Nguyễn Thị Lan' --role clerk --config atm-switch.toml < password
  atm-switch people add minh --full-name 'Trần Minh' --role checker --role clerk --config atm-switch.toml < password")]
    Add {
        /// The name to log in with: small letters, digits, `.` and `-`.
        name: String,
        /// The name for people.
        #[arg(long)]
        full_name: String,
        /// clerk, checker, operator or auditor. May be repeated.
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<console::Role>,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print everybody.
    #[command(after_help = "Example:\n  atm-switch people list --config atm-switch.toml")]
    List {
        /// One object a line.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Shut somebody out; whoever is logged in is logged out.
    #[command(after_help = "Example:\n  atm-switch people disable lan --config atm-switch.toml")]
    Disable {
        /// The name to log in with.
        name: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Let somebody in again.
    #[command(after_help = "Example:\n  atm-switch people enable lan --config atm-switch.toml")]
    Enable {
        /// The name to log in with.
        name: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Give somebody another password, the first line of standard input; their sessions end.
    #[command(after_help = "Example:\n  atm-switch people password lan --config atm-switch.toml < password")]
    Password {
        /// The name to log in with.
        name: String,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print what people have done, each line checked against the one before it.
    #[command(after_help = "Example:\n  atm-switch people audit --config atm-switch.toml")]
    Audit {
        /// One object a line.
        #[arg(long)]
        json: bool,
        /// The switch that is meant.
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// What stands on the command line, or the first line of `input` where that is `-`.
///
/// # Errors
/// The input cannot be read.
pub fn or_standard_input(text: String, input: &mut impl std::io::Read) -> Result<String, String> {
    if text != "-" {
        return Ok(text);
    }
    let mut line = String::new();
    input.read_to_string(&mut line).map_err(|error| format!("standard input: {error}"))?;
    Ok(line.lines().next().unwrap_or("").trim().to_owned())
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
