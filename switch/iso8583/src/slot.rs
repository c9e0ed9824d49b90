//! What reading and writing a value need of its row, worked out once when a dialect is made.

use crate::check;
use crate::dialect::Style;
use crate::ebcdic;
use crate::element::{Element, Encoding, Kind, Length};

/// What parse and encode need of a row, in eight bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) class: Class,
    pub(crate) prefix: Prefix,
    pub(crate) wire: Wire,
    pub(crate) kind: Kind,
    /// The longest value in the element's units: digits, characters or bytes.
    pub(crate) units_max: u16,
    /// The bytes of the longest value on the wire, without a prefix.
    pub(crate) wire_bytes_max: u16,
}

/// Values of which neighbours can be checked in one go, since the wire holds the same bytes in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// ASCII digits; a length in front is made of the same.
    Digits,
    /// Packed digits, an even number of them; as above.
    Packed,
    /// ASCII letters, digits and spaces.
    Alphanumeric,
    /// Printing ASCII characters.
    Text,
    /// Any bytes.
    Bytes,
    /// None of these: each value is checked on its own.
    Own,
}

/// How a length stands in front of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    None,
    Ascii2,
    Ascii3,
    Ebcdic2,
    Ebcdic3,
    Bcd2,
    Bcd3,
}

/// How a value stands on the wire: what differs between kind and encoding when it is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The canonical bytes themselves: ASCII and raw binary.
    Canonical,
    /// Each character in code page 037.
    Ebcdic,
    /// Packed digits.
    Bcd,
    /// Packed characters of a track, 0x30 to 0x3F as a nibble each.
    BcdTrack,
    /// An ASCII sign and packed digits.
    BcdSigned,
    /// Bytes as hex digits.
    Hex,
}

impl Slot {
    pub(crate) const NONE: Slot = Slot {
        class: Class::Own,
        prefix: Prefix::None,
        wire: Wire::Canonical,
        kind: Kind::Binary,
        units_max: 0,
        wire_bytes_max: 0,
    };

    pub(crate) fn new(element: &Element, style: &Style) -> Slot {
        let kind = element.form.kind;
        let prefix = match (element.form.length, style.lengths) {
            (Length::Fixed(_), _) => Prefix::None,
            (Length::Ll(_), Encoding::Bcd) => Prefix::Bcd2,
            (Length::Lll(_), Encoding::Bcd) => Prefix::Bcd3,
            (Length::Ll(_), Encoding::Ebcdic) => Prefix::Ebcdic2,
            (Length::Lll(_), Encoding::Ebcdic) => Prefix::Ebcdic3,
            (Length::Ll(_), _) => Prefix::Ascii2,
            (Length::Lll(_), _) => Prefix::Ascii3,
        };
        let wire = match (element.encoding, kind) {
            (Encoding::Ascii | Encoding::Binary, _) => Wire::Canonical,
            (Encoding::Ebcdic, _) => Wire::Ebcdic,
            (Encoding::Bcd, Kind::Track) => Wire::BcdTrack,
            (Encoding::Bcd, Kind::Signed) => Wire::BcdSigned,
            (Encoding::Bcd, _) => Wire::Bcd,
            (Encoding::Hex, _) => Wire::Hex,
        };
        let units_max = element.form.length.max() + u16::from(kind == Kind::Signed);
        let class = match (wire, kind) {
            (Wire::Canonical, Kind::Numeric) => Class::Digits,
            (Wire::Canonical, Kind::Alphanumeric) => Class::Alphanumeric,
            (Wire::Canonical, Kind::Printable) => Class::Text,
            (Wire::Canonical, Kind::Binary) => Class::Bytes,
            (Wire::Bcd, Kind::Numeric) if prefix == Prefix::None && units_max.is_multiple_of(2) => {
                Class::Packed
            }
            _ => Class::Own,
        };
        let ascii_length = matches!(prefix, Prefix::None | Prefix::Ascii2 | Prefix::Ascii3);
        let class = if ascii_length { class } else { Class::Own };
        Slot { class, prefix, wire, kind, units_max, wire_bytes_max: wire.bytes(units_max) as u16 }
    }

    /// Appends a value that was checked on the wire, in canonical form.
    pub(crate) fn push_canonical(&self, units: u16, raw: &[u8], out: &mut Vec<u8>) {
        match self.wire {
            Wire::Canonical => out.extend_from_slice(raw),
            Wire::Ebcdic => out.extend(raw.iter().map(|&byte| ebcdic::to_ascii(byte))),
            Wire::Bcd | Wire::BcdTrack => push_nibbles(units, raw, out),
            Wire::BcdSigned => {
                out.extend_from_slice(&raw[..1]);
                push_nibbles(units - 1, &raw[1..], out);
            }
            Wire::Hex => out.extend(raw.as_chunks::<2>().0.iter().map(|pair| {
                let value = |digit| check::hex_value(digit).expect("the digit was checked");
                value(pair[0]) << 4 | value(pair[1])
            })),
        }
    }
}

impl Prefix {
    /// The longest of them.
    pub(crate) const BYTES_MAX: usize = 3;

    pub(crate) const fn bytes(self) -> usize {
        match self {
            Prefix::None => 0,
            Prefix::Bcd2 => 1,
            Prefix::Ascii2 | Prefix::Ebcdic2 | Prefix::Bcd3 => 2,
            Prefix::Ascii3 | Prefix::Ebcdic3 => 3,
        }
    }
}

impl Wire {
    /// The bytes on the wire of a value of so many canonical bytes.
    pub(crate) const fn bytes(self, canonical_bytes: u16) -> usize {
        let count = canonical_bytes as usize;
        match self {
            Wire::Canonical | Wire::Ebcdic => count,
            Wire::Bcd | Wire::BcdTrack => count.div_ceil(2),
            Wire::BcdSigned => 1 + (count - 1).div_ceil(2),
            Wire::Hex => count * 2,
        }
    }
}

fn push_nibbles(units: u16, raw: &[u8], out: &mut Vec<u8>) {
    let nibbles = raw.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    out.extend(nibbles.skip(usize::from(units % 2)).map(|nibble| 0x30 + nibble));
}
