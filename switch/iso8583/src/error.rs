//! What can be wrong with bytes, messages and dialects.

use std::fmt;

use thiserror::Error;

use crate::element::Kind;

/// Why bytes are no message of a dialect, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}, byte {offset}: {kind}", Place(*element))]
pub struct ParseError {
    /// The element that is wrong: 0 is the MTI, 1 the bitmaps; `None` is what lies behind the last element.
    pub element: Option<u8>,
    /// The byte, counted from the start of the MTI, at which it is wrong.
    pub offset: usize,
    /// What is wrong.
    pub kind: ParseErrorKind,
}

/// What is wrong with a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The message ends inside this element: so many bytes are missing.
    #[error("the message ends {missing} bytes too early")]
    Truncated {
        /// Bytes missing from this element.
        missing: usize,
    },
    /// The message goes on behind its last element.
    #[error("{extra} bytes behind the last element")]
    Trailing {
        /// Bytes that belong to no element.
        extra: usize,
    },
    /// More bytes than [`FRAME_BYTES_MAX`](crate::framing::FRAME_BYTES_MAX).
    #[error("{length} bytes are more than any message has")]
    TooLarge {
        /// Bytes of the message.
        length: usize,
    },
    /// A character of the MTI that is no digit.
    #[error("not a digit of an MTI")]
    Mti,
    /// A character of a hex bitmap that is no upper-case hex digit.
    #[error("not an upper-case hex digit of a bitmap")]
    BitmapDigit,
    /// Bit 1 is set, but the secondary bitmap is empty.
    #[error("a secondary bitmap without an element")]
    SecondaryEmpty,
    /// Bit 65, a third bitmap, is set: ISO 8583:1987 knows none.
    #[error("a third bitmap")]
    Tertiary,
    /// The dialect does not have this element.
    #[error("not an element of this dialect")]
    Undefined,
    /// A length prefix that is not made of digits: `+5`.
    #[error("the length is not made of digits")]
    LengthDigit,
    /// A length prefix above the element's longest value.
    #[error("length {length} is above {max}")]
    TooLong {
        /// The length that the prefix says, in the element's units.
        length: u16,
        /// The longest that the element may be.
        max: u16,
    },
    /// A character that the element's kind does not have: a letter in `n`.
    #[error("not a character of {kind}")]
    Character {
        /// The kind of the element.
        kind: Kind,
    },
    /// An odd number of packed digits, and the nibble in front is not zero.
    #[error("the nibble in front of an odd number of digits is not zero")]
    Pad,
}

/// Why a message cannot be written in a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("element {element}: {kind}")]
pub struct BuildError {
    /// The element that is wrong.
    pub element: u8,
    /// What is wrong.
    pub kind: BuildErrorKind,
}

/// What is wrong with an element of a message that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// 0, 1, 65 and numbers above 128 are no data elements.
    #[error("no data element has this number")]
    NotAnElement,
    /// It stands behind an element with the same or a higher number.
    #[error("not in ascending order")]
    NotAscending,
    /// The dialect does not have this element.
    #[error("not an element of this dialect")]
    Undefined,
    /// The value has another length than the one that the element always has.
    #[error("{length} characters or bytes instead of {expected}")]
    WrongLength {
        /// Bytes of the value.
        length: usize,
        /// Bytes that it must have.
        expected: usize,
    },
    /// The value is longer than the element may be.
    #[error("{length} characters or bytes are more than {max}")]
    TooLong {
        /// Bytes of the value.
        length: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// A character that the element's kind does not have.
    #[error("byte {place} is not a character of {kind}")]
    Character {
        /// Its place in the value, from 0.
        place: usize,
        /// The kind of the element.
        kind: Kind,
    },
}

/// Why a text is no dialect.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{reason}", Where { line: *line, element: *element })]
pub struct DialectError {
    /// The line of the text, from 1, where it is known.
    pub line: Option<usize>,
    /// The element that is wrong, where it is one.
    pub element: Option<u8>,
    /// What is wrong, for people.
    pub reason: String,
}

struct Place(Option<u8>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(0) => f.write_str("MTI"),
            Some(1) => f.write_str("bitmap"),
            Some(element) => write!(f, "element {element}"),
            None => f.write_str("end of message"),
        }
    }
}

struct Where {
    line: Option<usize>,
    element: Option<u8>,
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(element) = self.element {
            write!(f, "element {element}: ")?;
        }
        Ok(())
    }
}
