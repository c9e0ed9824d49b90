//! What several commands take: the configuration, who does something, a word that may stand in standard input.

use std::path::PathBuf;

use clap::Args;

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
