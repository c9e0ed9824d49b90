//! From a message to wire bytes: every value is checked, then written.

use crate::bitmap;
use crate::check;
use crate::dialect::Dialect;
use crate::ebcdic;
use crate::element::Encoding;
use crate::error::{BuildError, BuildErrorKind};
use crate::message::Message;
use crate::mti::Mti;
use crate::slot::{Prefix, Slot, Wire};

/// Appends the message to `out`, or leaves `out` as it was.
#[inline]
pub(crate) fn encode(dialect: &Dialect, message: &Message, out: &mut Vec<u8>) -> Result<(), BuildError> {
    let front = out.len();
    let result = append(dialect, message, out);
    if result.is_err() {
        out.truncate(front);
    }
    result
}

#[inline(always)]
fn append(dialect: &Dialect, message: &Message, out: &mut Vec<u8>) -> Result<(), BuildError> {
    if let Some(element) = message.not_an_element() {
        return Err(BuildError { element, kind: BuildErrorKind::NotAnElement });
    }
    let present = message.present();
    let unknown = present.0 & !dialect.defined().0;
    if unknown != 0 {
        let element = unknown.leading_zeros() as u8 + 1;
        return Err(BuildError { element, kind: BuildErrorKind::Undefined });
    }
    push_mti(dialect.style().mti, message.mti(), out);
    push_bitmaps(dialect.style().bitmap, present.halves().0, out);
    let values = message.buffer();
    let mut start = 0;
    for element in present.iter() {
        let end = message.end(element);
        let slot = dialect.slot(element);
        if let Err(kind) = check_value(slot, values, start, end) {
            return Err(BuildError { element, kind });
        }
        push_length(slot.prefix, end - start, out);
        push_value(slot.wire, &values[start..end], out);
        start = end;
    }
    Ok(())
}

fn push_mti(encoding: Encoding, mti: Mti, out: &mut Vec<u8>) {
    let digits = mti.digits();
    match encoding {
        Encoding::Bcd => push_nibbles(&digits, out),
        Encoding::Ebcdic => out.extend(digits.map(ebcdic::from_ascii)),
        _ => out.extend_from_slice(&digits),
    }
}

fn push_bitmaps(encoding: Encoding, halves: [u64; 2], out: &mut Vec<u8>) {
    let [primary, secondary] = halves;
    let second = u64::from(secondary != 0) << 63;
    let used = if secondary != 0 { &[primary | second, secondary][..] } else { &[primary][..] };
    for &half in used {
        match encoding {
            Encoding::Hex => out.extend_from_slice(&bitmap::to_hex(half)),
            _ => out.extend_from_slice(&half.to_be_bytes()),
        }
    }
}

#[inline(always)]
fn check_value(slot: &Slot, values: &[u8], start: usize, end: usize) -> Result<(), BuildErrorKind> {
    let length = end - start;
    let max = usize::from(slot.units_max);
    if slot.prefix == Prefix::None {
        if length != max {
            return Err(BuildErrorKind::WrongLength { length, expected: max });
        }
    } else if length > max {
        return Err(BuildErrorKind::TooLong { length, max });
    }
    let kind = slot.kind;
    check::first_bad(kind, values, start, end).map_err(|place| BuildErrorKind::Character { place, kind })
}

/// Writes a length that was found to fit.
#[inline(always)]
fn push_length(prefix: Prefix, length: usize, out: &mut Vec<u8>) {
    let [hundreds, tens, ones] = [length / 100, length / 10 % 10, length % 10].map(|digit| digit as u8);
    match prefix {
        Prefix::None => {}
        Prefix::Ascii2 => out.extend_from_slice(&[b'0' + tens, b'0' + ones]),
        Prefix::Ascii3 => out.extend_from_slice(&[b'0' + hundreds, b'0' + tens, b'0' + ones]),
        Prefix::Ebcdic2 => out.extend_from_slice(&[0xF0 + tens, 0xF0 + ones]),
        Prefix::Ebcdic3 => out.extend_from_slice(&[0xF0 + hundreds, 0xF0 + tens, 0xF0 + ones]),
        Prefix::Bcd2 => out.push(tens << 4 | ones),
        Prefix::Bcd3 => out.extend_from_slice(&[hundreds, tens << 4 | ones]),
    }
}

#[inline(always)]
fn push_value(wire: Wire, value: &[u8], out: &mut Vec<u8>) {
    match wire {
        Wire::Canonical => out.extend_from_slice(value),
        Wire::Ebcdic => out.extend(value.iter().map(|&byte| ebcdic::from_ascii(byte))),
        Wire::Bcd | Wire::BcdTrack => push_nibbles(value, out),
        Wire::BcdSigned => {
            let (sign, digits) = value.split_at(1);
            out.extend_from_slice(sign);
            push_nibbles(digits, out);
        }
        Wire::Hex => {
            const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
            out.extend(
                value
                    .iter()
                    .flat_map(|byte| [byte >> 4, byte & 0xF].map(|nibble| DIGITS[usize::from(nibble)])),
            );
        }
    }
}

/// Two characters to a byte, by their low nibbles; an odd number has a zero nibble in front.
fn push_nibbles(characters: &[u8], out: &mut Vec<u8>) {
    let (odd, pairs) = characters.split_at(characters.len() % 2);
    out.extend(odd.iter().map(|character| character & 0xF));
    out.extend(pairs.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low & 0xF));
}
