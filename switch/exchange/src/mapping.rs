//! How a bank writes its file: kept by name, so that the next day's file needs no thought.

use serde::{Deserialize, Serialize};

use crate::raw_journal::Patterns;

/// How a bank core's postings are laid out. Columns are named by their heading, by their number from 1, or in a fixed-width file by their
/// characters, `1-12`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The file's form.
    pub form: Form,
    /// Where what stands.
    pub columns: Columns,
    /// How dates are written, of `yyyy`, `mm`, `dd` and what is between them.
    #[serde(default = "iso_date")]
    pub date_format: String,
    /// Local time of the file is so many minutes ahead of UTC.
    #[serde(default = "vietnam")]
    pub utc_offset_minutes: i64,
    /// So many of an amount's last digits stand behind a point that is not written; they have to be zeros.
    #[serde(default)]
    pub amount_decimals: u8,
    /// What separates thousands, if anything: `.` or `,` or a space.
    #[serde(default)]
    pub thousands: Option<char>,
    /// Words in the direction's column that mean the citizen is debited.
    #[serde(default = "debit_words")]
    pub debit_words: Vec<String>,
    /// Words that mean the citizen is credited.
    #[serde(default = "credit_words")]
    pub credit_words: Vec<String>,
    /// ISO 4217 of what has no currency column.
    #[serde(default = "dong")]
    pub currency: u16,
    /// The line at the end that counts and sums up the others; a file without it is refused where it is set.
    #[serde(default)]
    pub control: Option<Control>,
}

/// How a file is read, where it is not in its normal form; kept by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A bank core's postings.
    Postings(Mapping),
    /// A journal as one make of machine prints it.
    RawJournal(Patterns),
}

/// A file's form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Form {
    /// Values between delimiters, quoted where needed, UTF-8.
    Csv {
        /// `,`, `;` or a tab.
        delimiter: char,
        /// The first line names the columns.
        header: bool,
    },
    /// Values at fixed places, counted in characters.
    Fixed {
        /// So many lines at the beginning are none of the values.
        skip_lines: u32,
    },
    /// A sheet of a workbook.
    Xlsx {
        /// Its name; the first sheet where it is absent.
        #[serde(default)]
        sheet: Option<String>,
        /// The first row names the columns.
        header: bool,
    },
}

/// Where what stands. `at` and `amount` every file has.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Date, and time behind a space or a `T` where there is no column of its own for it.
    pub at: String,
    /// Time, `hh:mm:ss` or `hhmmss`.
    #[serde(default)]
    pub time: Option<String>,
    /// The amount.
    pub amount: String,
    /// Debit or credit; without it a minus is a credit.
    #[serde(default)]
    pub direction: Option<String>,
    /// DE37.
    #[serde(default)]
    pub rrn: Option<String>,
    /// DE41.
    #[serde(default)]
    pub terminal: Option<String>,
    /// DE11 of the switch's request.
    #[serde(default)]
    pub stan: Option<String>,
    /// The core's own number.
    #[serde(default)]
    pub sequence: Option<String>,
    /// The business day; the file's where it is absent.
    #[serde(default)]
    pub day: Option<String>,
    /// Currency, three digits or letters.
    #[serde(default)]
    pub currency: Option<String>,
    /// So many transactions are summed up in the line.
    #[serde(default)]
    pub count: Option<String>,
}

/// The line that counts and sums up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The line begins with this.
    pub marker: String,
    /// Where the number of lines stands, by number or characters.
    pub count: String,
    /// Where the sum of all amounts without sign stands.
    pub amount: String,
}

fn iso_date() -> String {
    "yyyy-mm-dd".to_owned()
}

fn vietnam() -> i64 {
    420
}

fn dong() -> u16 {
    704
}

fn debit_words() -> Vec<String> {
    ["D", "DR", "N"].map(str::to_owned).into()
}

fn credit_words() -> Vec<String> {
    ["C", "CR"].map(str::to_owned).into()
}

impl Mapping {
    /// A CSV file with a heading whose columns have the names of [`Columns`], and a trailer `TRAILER,COUNT,SUM`.
    pub fn normal() -> Mapping {
        let column = |name: &str| Some(name.to_owned());
        Mapping {
            form: Form::Csv { delimiter: ',', header: true },
            columns: Columns {
                at: "at".to_owned(),
                time: None,
                amount: "amount".to_owned(),
                direction: column("direction"),
                rrn: column("rrn"),
                terminal: column("terminal"),
                stan: column("stan"),
                sequence: column("sequence"),
                day: column("day"),
                currency: column("currency"),
                count: column("count"),
            },
            date_format: iso_date(),
            utc_offset_minutes: vietnam(),
            amount_decimals: 0,
            thousands: None,
            debit_words: debit_words(),
            credit_words: credit_words(),
            currency: dong(),
            control: Some(Control {
                marker: "TRAILER".to_owned(),
                count: "2".to_owned(),
                amount: "3".to_owned(),
            }),
        }
    }
}
