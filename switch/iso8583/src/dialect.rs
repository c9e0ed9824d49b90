//! A dialect: which data elements there are, and how each stands on the wire.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::bitmap::{Bitmap, ELEMENTS, place};
use crate::describe;
use crate::element::{Element, Encoding, Form, Kind, Length};
use crate::encode;
use crate::error::{BuildError, DialectError, ParseError};
use crate::framing::FRAME_BYTES_MAX;
use crate::message::Message;
use crate::mti::Mti;
use crate::overlay;
use crate::parse;
use crate::slot::Slot;
use crate::table::ROWS;
use crate::view::View;

/// One way of writing ISO 8583:1987. Immutable, and shared freely between threads.
#[derive(Clone, Debug)]
pub struct Dialect {
    name: String,
    style: Style,
    elements: Vec<Element>,
    slots: [Slot; ELEMENTS],
    defined: Bitmap,
    /// 2 where an element is written in hex, else 1.
    wire_bytes_per_unit_max: usize,
}

impl Dialect {
    /// `ascii-1987`: ASCII characters, hex bitmaps, raw binary elements. The terminal link, and the canonical form.
    pub fn ascii_1987() -> &'static Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(|| built_in("ascii-1987", ASCII));
        &DIALECT
    }

    /// `ascii-binary-bitmap-1987`: as `ascii-1987`, but each bitmap is its 8 bytes.
    pub fn ascii_binary_bitmap_1987() -> &'static Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(|| {
            built_in("ascii-binary-bitmap-1987", Style { bitmap: Encoding::Binary, ..ASCII })
        });
        &DIALECT
    }

    /// `bcd-1987`: `n`, `z`, the MTI and lengths packed two digits to a byte, other characters ASCII, binary bitmaps.
    /// A length counts digits (bytes in binary elements); an odd number of digits has one zero nibble in front.
    pub fn bcd_1987() -> &'static Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(|| built_in("bcd-1987", BCD));
        &DIALECT
    }

    /// `ebcdic-1987`: EBCDIC characters (code page 037), lengths and MTI included, and binary bitmaps.
    pub fn ebcdic_1987() -> &'static Dialect {
        static DIALECT: LazyLock<Dialect> = LazyLock::new(|| built_in("ebcdic-1987", EBCDIC));
        &DIALECT
    }

    /// The built-in dialect of this name.
    pub fn built_in(name: &str) -> Option<&'static Dialect> {
        Dialect::all_built_in().into_iter().find(|dialect| dialect.name == name)
    }

    /// The four built-in dialects.
    pub fn all_built_in() -> [&'static Dialect; 4] {
        [
            Dialect::ascii_1987(),
            Dialect::ascii_binary_bitmap_1987(),
            Dialect::bcd_1987(),
            Dialect::ebcdic_1987(),
        ]
    }

    /// A dialect that changes elements of a built-in one; docs/interface.md#dialects has the form of the text.
    ///
    /// # Errors
    /// A text that is not TOML, has unknown keys, or describes what cannot be; with its line and element.
    pub fn from_toml(text: &str) -> Result<Dialect, DialectError> {
        overlay::read(text)
    }

    /// The name: of a built-in dialect its own, of an overlay the one that its text gives.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The row of a data element, if the dialect has it.
    pub fn element(&self, number: u8) -> Option<&Element> {
        let index = self.elements.binary_search_by_key(&number, |element| element.number).ok()?;
        self.elements.get(index)
    }

    /// All rows, in ascending order.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Finds every element of a message and checks each: lengths, characters, bitmaps, the message's end. Allocates
    /// nothing.
    ///
    /// # Errors
    /// The first thing that is wrong, with its element and byte. What [`Dialect::encode`] would not write is refused.
    #[inline]
    pub fn parse<'a>(&'a self, bytes: &'a [u8]) -> Result<View<'a>, ParseError> {
        let mut view = View::empty(self, bytes);
        parse::parse(self, bytes, &mut view)?;
        Ok(view)
    }

    /// What can be read of bytes that [`Dialect::parse`] refuses, so that they can be answered: the MTI, and the
    /// elements up to the first whose end is not known, without those that hold a wrong character. Good bytes give
    /// all. `None` where even the MTI is none.
    pub fn salvage(&self, bytes: &[u8]) -> Option<Message> {
        parse::salvage(self, bytes)
    }

    /// Appends the message as this dialect writes it. Allocates only what `out` lacks in capacity for the message and a few
    /// bytes more.
    ///
    /// # Errors
    /// The first element that the dialect cannot carry; `out` is then as it was.
    #[inline]
    pub fn encode(&self, message: &Message, out: &mut Vec<u8>) -> Result<(), BuildError> {
        encode::encode(self, message, out)
    }

    /// As [`Dialect::encode`], with the MAC that `sign` gives over all bytes before it: in DE128 when any other element from
    /// 65 on is there, else in DE64. What the message has in these two is left out.
    ///
    /// # Errors
    /// As [`Dialect::encode`]'s.
    #[inline]
    pub fn encode_with_mac(
        &self,
        message: &Message,
        sign: impl FnOnce(&[u8]) -> [u8; 8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        encode::encode_with_mac(self, message, sign, out)
    }

    /// As [`Dialect::encode`], straight from values in canonical form that lie anywhere: the shortest way from values to
    /// bytes. Elements stand in ascending order.
    ///
    /// # Errors
    /// As [`Dialect::encode`]'s, and [`BuildErrorKind::NotAscending`](crate::BuildErrorKind::NotAscending).
    #[inline]
    pub fn build(&self, mti: Mti, values: &[(u8, &[u8])], out: &mut Vec<u8>) -> Result<(), BuildError> {
        encode::build(self, mti, values, out)
    }

    /// A message's bytes for people, one element a line; what is sensitive is masked. Of bytes that are refused only
    /// lengths are shown: behind a length that lies, a card number can stand in any element.
    pub fn describe(&self, bytes: &[u8]) -> String {
        describe::describe(self, bytes)
    }

    /// The most bytes that a message of this dialect has.
    pub fn message_bytes_max(&self) -> usize {
        let bitmaps = match self.style.bitmap {
            Encoding::Hex => 32,
            _ => 16,
        };
        let elements = self.elements.iter().map(|element| {
            let slot = &self.slots[place(element.number)];
            slot.prefix.bytes() + slot.wire.bytes(slot.units_max)
        });
        self.style.mti_bytes() + bitmaps + elements.sum::<usize>()
    }

    pub(crate) fn new(name: String, style: Style, elements: Vec<Element>) -> Dialect {
        let mut slots = [Slot::NONE; ELEMENTS];
        let mut defined = Bitmap::default();
        for element in &elements {
            slots[place(element.number)] = Slot::new(element, &style);
            defined.insert(element.number);
        }
        let hex = elements.iter().any(|element| element.encoding == Encoding::Hex);
        let wire_bytes_per_unit_max = if hex { 2 } else { 1 };
        Dialect { name, style, elements, slots, defined, wire_bytes_per_unit_max }
    }

    pub(crate) fn style(&self) -> &Style {
        &self.style
    }

    #[inline(always)]
    pub(crate) fn slot(&self, element: u8) -> &Slot {
        &self.slots[place(element)]
    }

    pub(crate) fn wire_bytes_per_unit_max(&self) -> usize {
        self.wire_bytes_per_unit_max
    }

    pub(crate) fn defined(&self) -> Bitmap {
        self.defined
    }
}

/// How a dialect writes what belongs to no element, and each kind of element unless its row says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) mti: Encoding,
    pub(crate) bitmap: Encoding,
    pub(crate) lengths: Encoding,
    pub(crate) digits: Encoding,
    pub(crate) text: Encoding,
}

const ASCII: Style = Style {
    mti: Encoding::Ascii,
    bitmap: Encoding::Hex,
    lengths: Encoding::Ascii,
    digits: Encoding::Ascii,
    text: Encoding::Ascii,
};

const BCD: Style = Style {
    mti: Encoding::Bcd,
    bitmap: Encoding::Binary,
    lengths: Encoding::Bcd,
    digits: Encoding::Bcd,
    text: Encoding::Ascii,
};

const EBCDIC: Style = Style {
    mti: Encoding::Ebcdic,
    bitmap: Encoding::Binary,
    lengths: Encoding::Ebcdic,
    digits: Encoding::Ebcdic,
    text: Encoding::Ebcdic,
};

impl Style {
    /// How this style writes a kind.
    pub(crate) fn encoding(&self, kind: Kind) -> Encoding {
        match kind {
            Kind::Numeric | Kind::Track | Kind::Signed => self.digits,
            Kind::Alphabetic | Kind::Alphanumeric | Kind::NumericSpecial | Kind::Printable => self.text,
            Kind::Binary => Encoding::Binary,
        }
    }

    pub(crate) fn mti_bytes(&self) -> usize {
        match self.mti {
            Encoding::Bcd => 2,
            _ => 4,
        }
    }
}

fn built_in(name: &str, style: Style) -> Dialect {
    let elements = ROWS.iter().map(|row| Element {
        number: row.number,
        name: Cow::Borrowed(row.name),
        form: row.form,
        encoding: style.encoding(row.form.kind),
        sensitivity: row.sensitivity,
    });
    Dialect::new(name.to_owned(), style, elements.collect())
}

/// The most bytes of all elements in the widest built-in style, one byte a unit: what a frame must be able to hold.
const _: () = {
    let mut bytes = 4 + 32;
    let mut index = 0;
    while index < ROWS.len() {
        let Form { kind, length } = ROWS[index].form;
        bytes += length.max() as usize;
        bytes += match length {
            Length::Fixed(_) => 0,
            Length::Ll(_) => 2,
            Length::Lll(_) => 3,
        };
        bytes += matches!(kind, Kind::Signed) as usize;
        index += 1;
    }
    assert!(bytes <= FRAME_BYTES_MAX);
};
