//! What one data element is: its kind of content, its length form, how it is written, who may see it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// One row of a dialect: a data element and everything that the codec knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The element's number, 2 to 128 without 65.
    pub number: u8,
    /// What people call it.
    pub name: Cow<'static, str>,
    /// What it may hold and how long it may be.
    pub form: Form,
    /// How its value stands on the wire.
    pub encoding: Encoding,
    /// What of it may be shown to people and written into logs.
    pub sensitivity: Sensitivity,
}

/// Kind and length together, in the notation of ISO 8583:1987, 4.3: `n6`, `n..19`, `ans...999`, `b8`, `x+n16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The characters, or bytes, that the element may hold.
    pub kind: Kind,
    /// How many of them.
    pub length: Length,
}

/// What an element may hold, in its canonical bytes (ISO 8583:1987, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `n`: digits.
    Numeric,
    /// `a`: letters and spaces.
    Alphabetic,
    /// `an`: letters, digits and spaces.
    Alphanumeric,
    /// `ns`: digits and special characters, spaces included: what prints and is no letter.
    NumericSpecial,
    /// `ans`: every printing character, 0x20 to 0x7E.
    Printable,
    /// `z`: the sixteen characters of tracks 2 and 3, `0` to `?` in ASCII (ISO/IEC 7811-2); `=` separates.
    Track,
    /// `b`: any bytes. Unlike in the standard a length counts bytes, not bits.
    Binary,
    /// `x+n`: `C` (credit) or `D` (debit) and digits. The length counts the digits alone.
    Signed,
}

/// How long an element may be, in digits, characters or, for binary elements, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Always this long.
    Fixed(u16),
    /// A length of two digits in front; at most this long, and at most 99 (`..`).
    Ll(u16),
    /// A length of three digits in front; at most this long, and at most 999 (`...`).
    Lll(u16),
}

/// How a value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// One ASCII character each.
    Ascii,
    /// One EBCDIC character each, code page 037.
    Ebcdic,
    /// Two digits to a byte; an odd number has one zero nibble in front. The sign of `x+n` is one ASCII character.
    Bcd,
    /// The bytes themselves.
    Binary,
    /// Two upper-case ASCII hex digits to a byte.
    Hex,
}

/// What may be shown of a value. There is no default: each row says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// All of it.
    Open,
    /// An account or card number: the first six characters (the IIN) and the last four, if enough stays hidden.
    Account,
    /// Tells of a person: only its length.
    Personal,
    /// A PIN block, a key, a whole track: only its length.
    Secret,
}

impl Length {
    /// The longest value, in the element's units.
    pub const fn max(self) -> u16 {
        match self {
            Length::Fixed(length) | Length::Ll(length) | Length::Lll(length) => length,
        }
    }
}

impl Kind {
    /// Whether `encoding` can carry this kind.
    pub(crate) fn fits(self, encoding: Encoding) -> bool {
        match self {
            Kind::Numeric | Kind::Track | Kind::Signed => {
                matches!(encoding, Encoding::Ascii | Encoding::Ebcdic | Encoding::Bcd)
            }
            Kind::Alphabetic | Kind::Alphanumeric | Kind::NumericSpecial | Kind::Printable => {
                matches!(encoding, Encoding::Ascii | Encoding::Ebcdic)
            }
            Kind::Binary => matches!(encoding, Encoding::Binary | Encoding::Hex),
        }
    }

    const fn notation(self) -> &'static str {
        match self {
            Kind::Numeric => "n",
            Kind::Alphabetic => "a",
            Kind::Alphanumeric => "an",
            Kind::NumericSpecial => "ns",
            Kind::Printable => "ans",
            Kind::Track => "z",
            Kind::Binary => "b",
            Kind::Signed => "x+n",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.notation())
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind;
        match self.length {
            Length::Fixed(length) => write!(f, "{kind}{length}"),
            Length::Ll(length) => write!(f, "{kind}..{length}"),
            Length::Lll(length) => write!(f, "{kind}...{length}"),
        }
    }
}

impl FromStr for Form {
    type Err = String;

    /// Reads the notation that [`Form`] is shown in; the error is a sentence for people.
    fn from_str(text: &str) -> Result<Form, String> {
        let kind_bytes = text
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .ok_or_else(|| format!("`{text}` has no length"))?;
        let (kind, length) = text.split_at(kind_bytes);
        let kind = match kind {
            "n" => Kind::Numeric,
            "a" => Kind::Alphabetic,
            "an" => Kind::Alphanumeric,
            "ns" => Kind::NumericSpecial,
            "ans" => Kind::Printable,
            "z" => Kind::Track,
            "b" => Kind::Binary,
            "x+n" => Kind::Signed,
            _ => return Err(format!("`{kind}` is none of n, a, an, ns, ans, z, b, x+n")),
        };
        let digits = length.trim_start_matches('.');
        let count: u16 = match digits.parse() {
            Ok(count) if digits.bytes().all(|byte| byte.is_ascii_digit()) && count > 0 => count,
            _ => return Err(format!("`{digits}` is not a length of at least 1")),
        };
        let (length, most) = match length.len() - digits.len() {
            0 => (Length::Fixed(count), 999),
            2 => (Length::Ll(count), 99),
            3 => (Length::Lll(count), 999),
            _ => return Err(format!("`{text}`: a length has no dots, two or three in front")),
        };
        if count > most {
            return Err(format!("`{text}` is longer than the {most} that its length form can say"));
        }
        Ok(Form { kind, length })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_form_reads_as_it_is_shown() {
        for text in ["n6", "n..19", "ans...999", "b8", "x+n16", "z..37", "a3", "an12", "ns..28"] {
            assert_eq!(text.parse::<Form>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_form_that_cannot_be_is_refused() {
        for text in
            ["", "n", "6", "q6", "n0", "n.6", "n....6", "n..100", "n...1000", "n1000", "n+6", "n6x", "n..+9"]
        {
            assert!(text.parse::<Form>().is_err(), "{text:?}");
        }
    }
}
