//! Messages for people, with what is sensitive masked.

use std::fmt::{self, Write as _};

use crate::dialect::Dialect;
use crate::element::{Element, Kind, Sensitivity};
use crate::message::Message;
use crate::mti::Mti;
use crate::parse;

/// One line for the MTI, one for each element, and one for the mistake if there is one.
pub(crate) fn describe(dialect: &Dialect, bytes: &[u8]) -> String {
    let refused = dialect.parse(bytes).err();
    let message = parse::salvage(dialect, bytes);
    let mti = message.as_ref().map_or("no MTI".to_owned(), |message| message.mti().to_string());
    let mut text = format!("{mti} in {}, {} bytes\n", dialect.name(), bytes.len());
    for (element, value) in message.iter().flat_map(Message::elements) {
        let Some(row) = dialect.element(element) else { continue };
        let form = row.form.to_string();
        let _ = write!(text, "{element:>3} {form:<9} {:<44} ", row.name);
        let _ = match refused {
            None => writeln!(text, "{}", Masked { row, value }),
            Some(_) => writeln!(text, "{}", Hidden { row, value }),
        };
    }
    if let Some(error) = refused {
        let _ = writeln!(text, "refused: {error}");
    }
    text
}

/// The one-line form behind `Debug`.
pub(crate) fn debug(f: &mut fmt::Formatter<'_>, mti: Mti, message: &Message, rows: &Dialect) -> fmt::Result {
    write!(f, "{mti} {{")?;
    for (index, (element, value)) in message.elements().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        match rows.element(element) {
            Some(row) => write!(f, "{comma} {element}: {}", Masked { row, value })?,
            None => write!(f, "{comma} {element}: {} bytes", value.len())?,
        }
    }
    f.write_str(" }")
}

/// A canonical value as its row lets people see it.
struct Masked<'a> {
    row: &'a Element,
    value: &'a [u8],
}

/// Characters of an account number that stay hidden before its first six are shown, and before its last four are.
const HIDDEN_CHARACTERS_MIN: usize = 6;

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.value.len();
        match self.row.sensitivity {
            Sensitivity::Open if self.row.form.kind == Kind::Binary => {
                self.value.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
            }
            Sensitivity::Open => write!(f, "\"{}\"", self.value.escape_ascii()),
            Sensitivity::Account if length >= 4 + HIDDEN_CHARACTERS_MIN => {
                let shown_front = if length >= 10 + HIDDEN_CHARACTERS_MIN { 6 } else { 0 };
                let (front, rest) = self.value.split_at(shown_front);
                let (hidden, back) = rest.split_at(rest.len() - 4);
                let stars = "*".repeat(hidden.len());
                write!(f, "\"{}{stars}{}\"", front.escape_ascii(), back.escape_ascii())
            }
            Sensitivity::Account | Sensitivity::Personal | Sensitivity::Secret => {
                Hidden { row: self.row, value: self.value }.fmt(f)
            }
        }
    }
}

/// A canonical value's length, whatever its row lets people see.
struct Hidden<'a> {
    row: &'a Element,
    value: &'a [u8],
}

impl fmt::Display for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.row.form.kind == Kind::Binary { "bytes" } else { "characters" };
        write!(f, "({} {unit})", self.value.len())
    }
}
