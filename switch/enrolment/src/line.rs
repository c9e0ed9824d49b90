//! One line of a bank's file, read and judged on its own.

use std::fmt;

use credential::{CitizenNumber, NumberError};
use thiserror::Error;

use crate::import::Mode;

/// An account's number: DE102 takes no more (ISO 8583:1987, ans..28).
pub const ACCOUNT_BYTES_MAX: usize = 28;

/// A longer line is rejected: more than twice what the longest good one has.
pub const LINE_BYTES_MAX: usize = 128;

/// Why a line is rejected. Never holds what the line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// The last line has no line end: the file may have been cut.
    #[error("the last line has no line end: the file may have been cut")]
    Cut,
    /// Not three or four columns.
    #[error("not 3 columns, or 4 where the first number is an old one")]
    Columns,
    /// Neither 12 nor 9 digits.
    #[error("{0}")]
    Number(NumberError),
    /// 9 digits, and no column with the 12 of the same citizen.
    #[error("an old number of 9 digits needs the citizen's number of 12 digits in column 4")]
    OldNumber,
    /// 12 digits, and a fourth column.
    #[error("column 4 is for lines with an old number of 9 digits")]
    NotOld,
    /// Not 1 to 28 printable ASCII characters.
    #[error("an account is 1 to {ACCOUNT_BYTES_MAX} printable ASCII characters, no space, comma or quote")]
    Account,
    /// Not 0 or 1.
    #[error("default is 0 or 1")]
    Default,
    /// Not link, unlink or default.
    #[error("the action is link, unlink or default")]
    Action,
    /// The account stood in an earlier line of the whole file for the same citizen.
    #[error("the same account stands in line {0}")]
    Twice(u64),
    /// Unlink or default of an account that is not linked.
    #[error("the account is not linked")]
    NotLinked,
    /// The citizen has as many accounts as one can have.
    #[error("the citizen has {} accounts already", processor::ACCOUNTS_MAX)]
    TooMany,
    /// More lines for one citizen than anyone can need.
    #[error("more than {} lines for one citizen", crate::import::LINES_OF_CITIZEN_MAX)]
    TooManyLines,
}

/// An account's number at its bank. `Debug` shows its length alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Account {
    bytes: [u8; ACCOUNT_BYTES_MAX],
    length: u8,
}

/// What a line wants for the account that it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Action {
    Link,
    Unlink,
    Default,
    /// A whole file's line.
    Held {
        marked: bool,
    },
}

impl Account {
    /// `None` unless it is 1 to 28 printable ASCII characters without space, comma and quote.
    pub(crate) fn new(text: &[u8]) -> Option<Account> {
        let good = |byte: &u8| (b'!'..=b'~').contains(byte) && *byte != b',' && *byte != b'"';
        if text.is_empty() || text.len() > ACCOUNT_BYTES_MAX || !text.iter().all(good) {
            return None;
        }
        let mut bytes = [0; ACCOUNT_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        Some(Account { bytes, length: text.len() as u8 })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("an account is ASCII")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({} characters)", self.length)
    }
}

/// The first line of a file that names its columns, which may be there and is passed over.
pub(crate) fn is_heading(mode: Mode, line: &[u8]) -> bool {
    let columns: &[u8] = match mode {
        Mode::Whole => b"citizen_number,account,default",
        Mode::Changes => b"action,citizen_number,account",
    };
    line == columns
}

/// Reads one line without its line end.
pub(crate) fn parse(mode: Mode, line: &[u8]) -> Result<(CitizenNumber, Account, Action), Problem> {
    let mut columns = line.split(|byte| *byte == b',');
    let (Some(one), Some(two), Some(three), four, None) =
        (columns.next(), columns.next(), columns.next(), columns.next(), columns.next())
    else {
        return Err(Problem::Columns);
    };
    let (number, account, action) = match mode {
        Mode::Whole => {
            let marked = match three {
                b"0" => Ok(false),
                b"1" => Ok(true),
                _ => Err(Problem::Default),
            };
            (one, two, marked.map(|marked| Action::Held { marked }))
        }
        Mode::Changes => {
            let action = match one {
                b"link" => Ok(Action::Link),
                b"unlink" => Ok(Action::Unlink),
                b"default" => Ok(Action::Default),
                _ => Err(Problem::Action),
            };
            (two, three, action)
        }
    };
    let old = number.len() == 9 && number.iter().all(u8::is_ascii_digit);
    let number = match (old, four) {
        (true, Some(number)) => number,
        (true, None) => return Err(Problem::OldNumber),
        (false, Some(_)) => return Err(Problem::NotOld),
        (false, None) => number,
    };
    let number = CitizenNumber::parse(number).map_err(Problem::Number)?;
    let account = Account::new(account).ok_or(Problem::Account)?;
    Ok((number, account, action?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_taken_or_rejected_with_a_reason() {
        use Mode::{Changes, Whole};
        let held = |marked| Ok(Action::Held { marked });
        let cases: [(Mode, &str, Result<Action, Problem>); 22] = [
            (Whole, "001203000001,0011004400001,1", held(true)),
            (Whole, "001203000001,0011004400001,0", held(false)),
            (Whole, "012345678,0011004400001,0,001203000001", held(false)),
            (Whole, "012345678,0011004400001,0", Err(Problem::OldNumber)),
            (Whole, "012345678,0011004400001,0,", Err(Problem::Number(NumberError::Form))),
            (Whole, "001203000001,0011004400001,0,001203000001", Err(Problem::NotOld)),
            (Whole, "001203000001,0011004400001,0,", Err(Problem::NotOld)),
            (Whole, "00120300001,0011004400001,0", Err(Problem::Number(NumberError::Form))),
            (Whole, "001203000001 ,0011004400001,0", Err(Problem::Number(NumberError::Form))),
            (Whole, "001203000001,,0", Err(Problem::Account)),
            (Whole, "001203000001,00110044 00001,0", Err(Problem::Account)),
            (Whole, "001203000001,\"0011004400001\",0", Err(Problem::Account)),
            (Whole, "001203000001,12345678901234567890123456789,0", Err(Problem::Account)),
            (Whole, "001203000001,1234567890123456789012345678,0", held(false)),
            (Whole, "001203000001,1,yes", Err(Problem::Default)),
            (Whole, "001203000001,1", Err(Problem::Columns)),
            (Whole, "001203000001,1,1,1,1", Err(Problem::Columns)),
            (Changes, "link,001203000001,1", Ok(Action::Link)),
            (Changes, "unlink,001203000001,1", Ok(Action::Unlink)),
            (Changes, "default,012345678,1,001203000001", Ok(Action::Default)),
            (Changes, "remove,001203000001,1", Err(Problem::Action)),
            (Changes, "001203000001,1,1", Err(Problem::Number(NumberError::Form))),
        ];
        for (mode, text, expected) in cases {
            let parsed = parse(mode, text.as_bytes());
            assert_eq!(parsed.map(|(_, _, action)| action), expected, "{text}");
        }
        let (number, account, _) = parse(Whole, b"012345678,77,0,001203000001").unwrap();
        assert_eq!((number.digits(), account.text()), (b"001203000001", "77"));
    }
}
