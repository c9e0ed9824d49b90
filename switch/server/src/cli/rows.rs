//! `atm-switch read-rows`: what the process that takes a file apart is told of it.

use clap::{Args, ValueEnum};

/// How a file comes apart.
#[derive(Args, Clone, PartialEq, Eq, Debug)]
pub struct ReadRowsArgs {
    /// What it is.
    #[arg(long)]
    pub form: FormArg,
    /// Of CSV: what stands between values, the number of its byte.
    #[arg(long, default_value_t = b',')]
    pub delimiter: u8,
    /// Of CSV: its lines are counted as the first versions did.
    #[arg(long)]
    pub first_numbering: bool,
    /// Of a workbook: which sheet; the first without it.
    #[arg(long, allow_hyphen_values = true)]
    pub sheet: Option<String>,
}

/// What a file is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormArg {
    /// CSV.
    Csv,
    /// Text of fixed width.
    Fixed,
    /// A machine's journal.
    Journal,
    /// A workbook.
    Sheet,
}
