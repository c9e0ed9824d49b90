//! The message type indicator: four digits that say what a message is.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A message type indicator (MTI), `0000` to `9999` (ISO 8583:1987, 4.1): version, class, function, origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mti(u16);

/// A text or number that is not four decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an MTI is four digits")]
pub struct MtiError;

impl Mti {
    /// The MTI whose four digits are `value` in decimal: `0200` is `Mti::new(200)`.
    ///
    /// # Panics
    /// Above 9999: this form is for numbers written in the source; [`Mti::try_from`] is for input.
    pub const fn new(value: u16) -> Mti {
        assert!(value <= 9999, "an MTI is four digits");
        Mti(value)
    }

    /// The four digits as a number: `0200` is 200.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The four digits as ASCII characters.
    pub const fn digits(self) -> [u8; 4] {
        [
            b'0' + (self.0 / 1000) as u8,
            b'0' + (self.0 / 100 % 10) as u8,
            b'0' + (self.0 / 10 % 10) as u8,
            b'0' + (self.0 % 10) as u8,
        ]
    }

    /// The class, the second digit: 1 authorization, 2 financial, 4 reversal, 5 reconciliation, 8 network management.
    pub const fn class(self) -> u8 {
        (self.0 / 100 % 10) as u8
    }

    /// The MTI of the answer: 0200 and 0201 give 0210, 0420 and 0421 give 0430. An answer gives itself.
    pub const fn response(self) -> Mti {
        if self.is_response() {
            return self;
        }
        Mti(self.original().0 + 10)
    }

    /// The MTI without its repeat mark: 0201 gives 0200, 0421 gives 0420.
    pub const fn original(self) -> Mti {
        Mti(self.0 & !1)
    }

    /// The MTI with its repeat mark: 0200 gives 0201, 0420 gives 0421.
    pub const fn repeat(self) -> Mti {
        Mti(self.0 | 1)
    }

    /// Whether the sender says that it has sent this message before (origin 1, 3 or 5).
    pub const fn is_repeat(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether an answer decides what happens (function 0): 0100, 0200, 0800.
    pub const fn is_request(self) -> bool {
        self.function() == 0
    }

    /// Whether this tells of what has happened already (function 2): 0220, 0420, 0520.
    pub const fn is_advice(self) -> bool {
        self.function() == 2
    }

    /// Whether this answers another message (function 1 or 3): 0210, 0430.
    pub const fn is_response(self) -> bool {
        self.function() & 1 == 1
    }

    const fn function(self) -> u8 {
        (self.0 / 10 % 10) as u8
    }
}

impl TryFrom<u16> for Mti {
    type Error = MtiError;

    fn try_from(value: u16) -> Result<Mti, MtiError> {
        if value <= 9999 { Ok(Mti(value)) } else { Err(MtiError) }
    }
}

impl FromStr for Mti {
    type Err = MtiError;

    fn from_str(text: &str) -> Result<Mti, MtiError> {
        if text.len() != 4 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MtiError);
        }
        text.parse().map(Mti).map_err(|_| MtiError)
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers() {
        for (request, answer) in [
            ("0100", "0110"),
            ("0200", "0210"),
            ("0201", "0210"),
            ("0220", "0230"),
            ("0221", "0230"),
            ("0420", "0430"),
            ("0421", "0430"),
            ("0500", "0510"),
            ("0520", "0530"),
            ("0800", "0810"),
            ("0202", "0212"),
            ("0203", "0212"),
            ("0210", "0210"),
        ] {
            let request: Mti = request.parse().unwrap();
            assert_eq!(request.response().to_string(), answer);
        }
    }

    #[test]
    fn only_four_digits_are_an_mti() {
        for text in ["", "200", "00200", "+200", "02 0", "020A", "-100"] {
            assert_eq!(text.parse::<Mti>(), Err(MtiError), "{text:?}");
        }
        assert_eq!(Mti::try_from(10_000), Err(MtiError));
        assert_eq!("0421".parse::<Mti>().unwrap().value(), 421);
        assert_eq!(Mti::new(421).digits(), *b"0421");
        assert_eq!(Mti::new(421).original().repeat(), Mti::new(421));
    }
}
