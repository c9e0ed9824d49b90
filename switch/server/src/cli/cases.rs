//! `atm-switch recon …`: what is done to a case.

use clap::{Args, Subcommand};

use super::args::{ConfigFile, PersonArgs};

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
