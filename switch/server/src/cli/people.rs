//! `atm-switch people …`: who may log in at the console.

use clap::Subcommand;

use super::args::ConfigFile;

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
