//! From wire bytes to a view: one quick pass that finds and checks every element, and a slow one that says what is wrong.

use mutant::Mutant;

use crate::bitmap::{self, Bitmap, Ones, TOP};
use crate::check;
use crate::dialect::Dialect;
use crate::ebcdic;
use crate::element::{Encoding, Kind};
use crate::error::{ParseError, ParseErrorKind};
use crate::framing::FRAME_BYTES_MAX;
use crate::message::Message;
use crate::mti::Mti;
use crate::slot::{Class, Prefix, Slot, Wire};
use crate::view::View;

/// Checks the whole message and notes in `view`, which is empty, where each element begins.
#[inline]
pub(crate) fn parse<'a>(
    dialect: &'a Dialect,
    bytes: &'a [u8],
    view: &mut View<'a>,
) -> Result<(), ParseError> {
    if bytes.len() > FRAME_BYTES_MAX {
        let kind = ParseErrorKind::TooLarge { length: bytes.len() };
        return Err(ParseError { element: None, offset: FRAME_BYTES_MAX, kind });
    }
    let (mti, after_mti) = mti(dialect.style().mti, bytes)?;
    let (halves, at) = bitmaps(dialect, bytes, after_mti)?;
    check_bits(dialect, halves, after_mti)?;
    if locate(dialect, bytes, halves, at, view).is_none() {
        each(dialect, bytes, halves, at, view)?;
    }
    view.mti = mti;
    view.present = bitmap_of(halves);
    Ok(())
}

/// Finds and checks all elements, neighbours of one class together; `None` where something is wrong.
#[inline(always)]
fn locate(
    dialect: &Dialect,
    bytes: &[u8],
    halves: [u64; 2],
    mut at: usize,
    view: &mut View<'_>,
) -> Option<()> {
    let (mut class, mut from) = (Class::Bytes, at);
    for (base, half) in [(0, halves[0] & !TOP), (64, halves[1])] {
        for element in Ones::new(base, half) {
            let slot = dialect.slot(element);
            view.set_start(element, at);
            if slot.class != class {
                check::alike(class, bytes, from, at)?;
                (class, from) = (slot.class, at);
            }
            if class == Class::Own {
                at = value(slot, bytes, at).ok()?;
            } else if slot.prefix == Prefix::None {
                at += usize::from(slot.wire_bytes_max);
            } else {
                let start = at + slot.prefix.bytes();
                let length = characters(bytes.get(at..start)?, b'0').ok()?;
                if length > slot.units_max {
                    return None;
                }
                if class != Class::Digits {
                    check::alike(class, bytes, from, at)?;
                    from = start;
                }
                at = start + usize::from(length);
            }
        }
    }
    check::alike(class, bytes, from, at)?;
    (at == bytes.len()).then_some(())
}

/// Finds and checks one element after the other, and says which is wrong, and where.
#[cold]
#[inline(never)]
fn each(
    dialect: &Dialect,
    bytes: &[u8],
    halves: [u64; 2],
    mut at: usize,
    view: &mut View<'_>,
) -> Result<(), ParseError> {
    for element in bitmap_of(halves).iter() {
        view.set_start(element, at);
        at = value(dialect.slot(element), bytes, at).map_err(|fault| fault.of(element))?;
    }
    if at != bytes.len() && !mutant::is(Mutant::BytesBehindTaken) {
        let kind = ParseErrorKind::Trailing { extra: bytes.len() - at };
        return Err(ParseError { element: None, offset: at, kind });
    }
    Ok(())
}

/// What can be read of bytes that may be refused: the MTI, and the elements up to the first whose end is not known.
/// An element with a wrong character is passed over. `None` where even the MTI is none.
pub(crate) fn salvage(dialect: &Dialect, bytes: &[u8]) -> Option<Message> {
    let bytes = &bytes[..bytes.len().min(FRAME_BYTES_MAX)];
    let (mti, after_mti) = mti(dialect.style().mti, bytes).ok()?;
    let mut message = Message::with_capacity(mti, bytes.len() * 2);
    let Ok((halves, mut at)) = bitmaps(dialect, bytes, after_mti) else { return Some(message) };
    if halves[1] & TOP != 0 {
        return Some(message);
    }
    for element in bitmap_of(halves).iter().take_while(|&element| dialect.defined().has(element)) {
        let slot = dialect.slot(element);
        let Ok(Extent { units, start, end }) = extent(slot, bytes, at) else { break };
        if content(slot, units, bytes, start, end).is_ok() {
            message.push(element, |buffer| slot.push_canonical(units, &bytes[start..end], buffer));
        }
        at = end;
    }
    Some(message)
}

/// A mistake inside an element that its reader does not know the number of.
struct Fault {
    offset: usize,
    kind: ParseErrorKind,
}

impl Fault {
    fn of(self, element: u8) -> ParseError {
        ParseError { element: Some(element), offset: self.offset, kind: self.kind }
    }
}

fn bitmap_of(halves: [u64; 2]) -> Bitmap {
    let mut bitmap = Bitmap::of(halves);
    bitmap.remove(1);
    bitmap
}

#[inline(always)]
fn mti(encoding: Encoding, bytes: &[u8]) -> Result<(Mti, usize), ParseError> {
    let refused = |offset, kind| ParseError { element: Some(0), offset, kind };
    let bytes_needed = if encoding == Encoding::Bcd { 2 } else { 4 };
    let Some(front) = bytes.get(..bytes_needed) else {
        return Err(refused(bytes.len(), ParseErrorKind::Truncated { missing: bytes_needed - bytes.len() }));
    };
    let mut value = 0;
    for (offset, &byte) in front.iter().enumerate() {
        let digits = match encoding {
            Encoding::Bcd if check::bcd_bad(u64::from(byte)) == 0 => {
                u16::from(byte >> 4) * 10 + u16::from(byte & 0xF)
            }
            Encoding::Ascii if byte.is_ascii_digit() => u16::from(byte - b'0'),
            Encoding::Ebcdic if matches!(byte, 0xF0..=0xF9) => u16::from(byte - 0xF0),
            _ => return Err(refused(offset, ParseErrorKind::Mti)),
        };
        value = value * if encoding == Encoding::Bcd { 100 } else { 10 } + digits;
    }
    Ok((Mti::new(value), bytes_needed))
}

/// Both bitmaps, and where the first element begins.
#[inline(always)]
fn bitmaps(dialect: &Dialect, bytes: &[u8], start: usize) -> Result<([u64; 2], usize), ParseError> {
    let refused = |offset, kind| ParseError { element: Some(1), offset, kind };
    let hex = dialect.style().bitmap == Encoding::Hex;
    let half_bytes = if hex { 16 } else { 8 };
    let half = |at: usize| -> Result<u64, ParseError> {
        let rest = &bytes[at..];
        let missing = || refused(bytes.len(), ParseErrorKind::Truncated { missing: half_bytes - rest.len() });
        if hex {
            let digits = rest.first_chunk().ok_or_else(missing)?;
            bitmap::from_hex(digits).map_err(|place| refused(at + place, ParseErrorKind::BitmapDigit))
        } else {
            rest.first_chunk().map(|&eight| u64::from_be_bytes(eight)).ok_or_else(missing)
        }
    };
    let primary = half(start)?;
    if primary & TOP == 0 {
        return Ok(([primary, 0], start + half_bytes));
    }
    Ok(([primary, half(start + half_bytes)?], start + 2 * half_bytes))
}

/// Refuses bits that no message of the dialect has; `start` is where the primary bitmap begins.
#[inline(always)]
fn check_bits(dialect: &Dialect, halves: [u64; 2], start: usize) -> Result<(), ParseError> {
    let elements_per_byte = if dialect.style().bitmap == Encoding::Hex { 4 } else { 8 };
    let offset = |element: u8| start + usize::from(element - 1) / elements_per_byte;
    if halves[0] & TOP != 0 && halves[1] == 0 {
        return Err(ParseError { element: Some(1), offset: offset(1), kind: ParseErrorKind::SecondaryEmpty });
    }
    if halves[1] & TOP != 0 {
        return Err(ParseError { element: Some(65), offset: offset(65), kind: ParseErrorKind::Tertiary });
    }
    let unknown = bitmap_of(halves).0 & !dialect.defined().0;
    if unknown != 0 {
        let element = unknown.leading_zeros() as u8 + 1;
        let kind = ParseErrorKind::Undefined;
        return Err(ParseError { element: Some(element), offset: offset(element), kind });
    }
    Ok(())
}

/// Where a value lies, and how many units it has.
struct Extent {
    units: u16,
    start: usize,
    end: usize,
}

/// Checks the element that starts at `at` and gives the place behind it.
#[inline(never)]
fn value(slot: &Slot, bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let Extent { units, start, end } = extent(slot, bytes, at)?;
    content(slot, units, bytes, start, end)?;
    Ok(end)
}

#[inline(always)]
fn extent(slot: &Slot, bytes: &[u8], at: usize) -> Result<Extent, Fault> {
    if slot.prefix == Prefix::None {
        let end = at + usize::from(slot.wire_bytes_max);
        if end > bytes.len() {
            return Err(truncated(bytes, end));
        }
        return Ok(Extent { units: slot.units_max, start: at, end });
    }
    let start = at + slot.prefix.bytes();
    if start > bytes.len() {
        return Err(truncated(bytes, start));
    }
    let units = match length(slot.prefix, bytes, at) {
        Ok(units) if units <= slot.units_max => units,
        Ok(length) => {
            return Err(Fault { offset: at, kind: ParseErrorKind::TooLong { length, max: slot.units_max } });
        }
        Err(place) => return Err(Fault { offset: at + place, kind: ParseErrorKind::LengthDigit }),
    };
    let end = start + slot.wire.bytes(units);
    if end > bytes.len() {
        return Err(truncated(bytes, end));
    }
    Ok(Extent { units, start, end })
}

#[cold]
fn truncated(bytes: &[u8], end: usize) -> Fault {
    Fault { offset: bytes.len(), kind: ParseErrorKind::Truncated { missing: end - bytes.len() } }
}

/// The length that the prefix at `at` says, or the place in it that is not a digit.
#[inline(always)]
pub(crate) fn length(prefix: Prefix, bytes: &[u8], at: usize) -> Result<u16, usize> {
    match prefix {
        Prefix::None => Ok(0),
        Prefix::Ascii2 => characters(&bytes[at..at + 2], b'0'),
        Prefix::Ascii3 => characters(&bytes[at..at + 3], b'0'),
        Prefix::Ebcdic2 => characters(&bytes[at..at + 2], 0xF0),
        Prefix::Ebcdic3 => characters(&bytes[at..at + 3], 0xF0),
        Prefix::Bcd2 => packed(&bytes[at..at + 1], 0x99),
        Prefix::Bcd3 => packed(&bytes[at..at + 2], 0x09),
    }
}

#[inline(always)]
fn characters(digits: &[u8], zero: u8) -> Result<u16, usize> {
    let mut length = 0;
    for (place, &digit) in digits.iter().enumerate() {
        let digit = digit.wrapping_sub(zero);
        if digit > 9 {
            return Err(place);
        }
        length = length * 10 + u16::from(digit);
    }
    Ok(length)
}

/// `first_max`: three digits leave the first nibble of the first byte zero.
#[inline(always)]
fn packed(bytes: &[u8], first_max: u8) -> Result<u16, usize> {
    let mut length = 0;
    for (place, &byte) in bytes.iter().enumerate() {
        if check::bcd_bad(u64::from(byte)) != 0 || place == 0 && byte > first_max {
            return Err(place);
        }
        length = length * 100 + u16::from(byte >> 4) * 10 + u16::from(byte & 0xF);
    }
    Ok(length)
}

/// Checks that `bytes[start..end]` holds `units` characters of the slot's kind.
#[inline(always)]
fn content(slot: &Slot, units: u16, bytes: &[u8], start: usize, end: usize) -> Result<(), Fault> {
    let kind = slot.kind;
    let character = |place: usize| Fault { offset: start + place, kind: ParseErrorKind::Character { kind } };
    match slot.wire {
        Wire::Canonical => check::first_bad(kind, bytes, start, end).map_err(character),
        Wire::Ebcdic if kind == Kind::Numeric && check::all(bytes, start, end, check::ebcdic_digits_bad) => {
            Ok(())
        }
        Wire::Ebcdic => {
            let bad = |(place, &byte): (usize, &u8)| !check::may_hold(kind, place, ebcdic::to_ascii(byte));
            bytes[start..end].iter().enumerate().position(bad).map_or(Ok(()), |place| Err(character(place)))
        }
        Wire::Bcd => {
            padded(units, bytes, start, end)?;
            packed_digits(bytes, start, end).map_err(character)
        }
        Wire::BcdTrack => padded(units, bytes, start, end),
        Wire::BcdSigned => {
            if !matches!(bytes[start], b'C' | b'D') {
                return Err(character(0));
            }
            padded(units - 1, bytes, start + 1, end)?;
            packed_digits(bytes, start + 1, end).map_err(|place| character(place + 1))
        }
        Wire::Hex => {
            let bad = |&digit: &u8| check::hex_value(digit).is_none();
            bytes[start..end].iter().position(bad).map_or(Ok(()), |place| Err(character(place)))
        }
    }
}

fn packed_digits(bytes: &[u8], start: usize, end: usize) -> Result<(), usize> {
    if check::all(bytes, start, end, check::bcd_bad) {
        return Ok(());
    }
    Err(bytes[start..end].iter().position(|&byte| check::bcd_bad(u64::from(byte)) != 0).unwrap_or(0))
}

fn padded(units: u16, bytes: &[u8], start: usize, end: usize) -> Result<(), Fault> {
    match bytes[start..end].first() {
        Some(first) if units % 2 == 1 && first >> 4 != 0 => {
            Err(Fault { offset: start, kind: ParseErrorKind::Pad })
        }
        _ => Ok(()),
    }
}
