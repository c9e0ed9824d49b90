//! From values to wire bytes: one quick pass that checks while it writes, and a slow one that says what is wrong.

use mutant::Mutant;

use crate::bitmap::{self, Bitmap};
use crate::check;
use crate::dialect::Dialect;
use crate::ebcdic;
use crate::element::Encoding;
use crate::error::{BuildError, BuildErrorKind};
use crate::message::Message;
use crate::mti::Mti;
use crate::slot::{Class, Prefix, Slot, Wire};

/// Appends the message to `out`, or leaves `out` as it was.
#[inline]
pub(crate) fn encode(dialect: &Dialect, message: &Message, out: &mut Vec<u8>) -> Result<(), BuildError> {
    if let Some(element) = message.not_an_element() {
        return Err(BuildError { element, kind: BuildErrorKind::NotAnElement });
    }
    let whole = Whole { mti: message.mti(), present: message.present(), value_bytes: message.value_bytes() };
    append(dialect, whole, message.elements(), out)
}

/// As [`encode`], with a MAC as the last element.
#[inline]
pub(crate) fn encode_with_mac(
    dialect: &Dialect,
    message: &Message,
    sign: impl FnOnce(&[u8]) -> [u8; 8],
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    if let Some(element) = message.not_an_element() {
        return Err(BuildError { element, kind: BuildErrorKind::NotAnElement });
    }
    let mac_element = message.mac_element();
    let mut present = message.present();
    present.remove(64);
    present.remove(128);
    present.insert(mac_element);
    let place = [0; 8];
    let values = message.elements().filter(|(element, _)| !matches!(element, 64 | 128));
    let values = values.chain(std::iter::once((mac_element, &place[..])));
    let whole = Whole { mti: message.mti(), present, value_bytes: message.value_bytes() + place.len() };
    let front = out.len();
    append(dialect, whole, values, out)?;
    let mac_at = out.len() - place.len();
    let mac = sign(&out[front..mac_at]);
    out[mac_at..].copy_from_slice(&mac);
    Ok(())
}

/// As [`encode`], out of values that lie anywhere.
#[inline]
pub(crate) fn build(
    dialect: &Dialect,
    mti: Mti,
    values: &[(u8, &[u8])],
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let (mut halves, mut value_bytes, mut last) = ([0; 2], 0, 1);
    for &(element, value) in values {
        if element <= last {
            return Err(out_of_place(element));
        }
        last = element;
        let place = bitmap::place(element);
        halves[place / 64] |= bitmap::TOP >> (place % 64);
        value_bytes += value.len();
    }
    if last > 128 {
        return Err(out_of_place(last));
    }
    if halves[1] & bitmap::TOP != 0 {
        return Err(out_of_place(65));
    }
    let whole = Whole { mti, present: Bitmap::of(halves), value_bytes };
    append(dialect, whole, values.iter().copied(), out)
}

/// Why an element cannot stand where it does: its number, or the one before.
#[cold]
fn out_of_place(element: u8) -> BuildError {
    let kind = match element {
        0 | 1 | 65 | 129.. => BuildErrorKind::NotAnElement,
        _ => BuildErrorKind::NotAscending,
    };
    BuildError { element, kind }
}

/// What is known of a message before its values are written.
struct Whole {
    mti: Mti,
    present: Bitmap,
    value_bytes: usize,
}

/// Writes into a window of `out` that is long enough for whatever its values turn into.
#[inline(always)]
fn append<'v>(
    dialect: &Dialect,
    whole: Whole,
    values: impl Iterator<Item = (u8, &'v [u8])> + Clone,
    out: &mut Vec<u8>,
) -> Result<(), BuildError> {
    let unknown = whole.present.0 & !dialect.defined().0;
    if unknown != 0 {
        let element = unknown.leading_zeros() as u8 + 1;
        return Err(BuildError { element, kind: BuildErrorKind::Undefined });
    }
    let front = out.len();
    let lengths = whole.present.0.count_ones() as usize * Prefix::BYTES_MAX;
    let most = MTI_AND_BITMAPS_BYTES_MAX + lengths + whole.value_bytes * dialect.wire_bytes_per_unit_max();
    out.resize(front + most, 0);
    let window = &mut out[front..];
    let after_mti = put_mti(dialect.style().mti, whole.mti, window);
    let at = put_bitmaps(dialect.style().bitmap, whole.present.halves().0, window, after_mti);
    let end = put_all(dialect, values.clone(), window, at)
        .map_or_else(|| put_each(dialect, values, window, at), Ok);
    out.truncate(front + end.as_ref().map_or(0, |&end| end));
    end.map(|_| ())
}

/// Writes all values; `None` where something is wrong. What is found wrong is gathered, and looked at once.
#[inline(always)]
fn put_all<'v>(
    dialect: &Dialect,
    values: impl Iterator<Item = (u8, &'v [u8])>,
    window: &mut [u8],
    mut at: usize,
) -> Option<usize> {
    let mut found = 0;
    for (element, value) in values {
        let slot = dialect.slot(element);
        at = match slot.class {
            Class::Digits => put_alike(check::digits_bad, slot, value, window, at, &mut found)?,
            Class::Alphanumeric => put_alike(check::alphanumeric_bad, slot, value, window, at, &mut found)?,
            Class::Text => put_alike(check::printable_bad, slot, value, window, at, &mut found)?,
            Class::Bytes => put_alike(|_| 0, slot, value, window, at, &mut found)?,
            Class::Packed | Class::Own => put(slot, value, window, at).ok()?,
        };
    }
    (found == 0).then_some(at)
}

/// Writes one value after the other, and says which is wrong.
#[cold]
#[inline(never)]
fn put_each<'v>(
    dialect: &Dialect,
    values: impl Iterator<Item = (u8, &'v [u8])>,
    window: &mut [u8],
    mut at: usize,
) -> Result<usize, BuildError> {
    for (element, value) in values {
        at = put(dialect.slot(element), value, window, at).map_err(|kind| BuildError { element, kind })?;
    }
    Ok(at)
}

/// Writes a value that stands on the wire as it is and gives the place behind it; `None` where its length is wrong. Bits
/// of bytes that are wrong are added to `found`.
#[inline(always)]
fn put_alike(
    bad: impl Fn(u64) -> u64,
    slot: &Slot,
    value: &[u8],
    window: &mut [u8],
    at: usize,
    found: &mut u64,
) -> Option<usize> {
    let (length, max) = (value.len(), usize::from(slot.units_max));
    if length > max || slot.prefix == Prefix::None && length < max {
        return None;
    }
    let start = if slot.prefix == Prefix::None {
        at
    } else if slot.prefix == Prefix::Ascii2 {
        put_length(Prefix::Ascii2, length, window, at)
    } else {
        put_length(Prefix::Ascii3, length, window, at)
    };
    let end = start + length;
    *found |= check::copy(bad, value, &mut window[start..end]);
    Some(end)
}

const MTI_AND_BITMAPS_BYTES_MAX: usize = 4 + 32;

fn put_mti(encoding: Encoding, mti: Mti, window: &mut [u8]) -> usize {
    let digits = mti.digits();
    match encoding {
        Encoding::Bcd => pack(&digits, &mut window[..2]),
        Encoding::Ebcdic => to_ebcdic(&digits, &mut window[..4]),
        _ => window[..4].copy_from_slice(&digits),
    }
    if encoding == Encoding::Bcd { 2 } else { 4 }
}

#[inline(always)]
fn put_bitmaps(encoding: Encoding, halves: [u64; 2], window: &mut [u8], mut at: usize) -> usize {
    let [primary, secondary] = halves;
    let second = u64::from(secondary != 0) << 63;
    let used = if secondary != 0 { &[primary | second, secondary][..] } else { &[primary][..] };
    for &half in used {
        if encoding == Encoding::Hex {
            window[at..at + 16].copy_from_slice(&bitmap::to_hex(half));
            at += 16;
        } else {
            window[at..at + 8].copy_from_slice(&half.to_be_bytes());
            at += 8;
        }
    }
    at
}

/// Checks a value and writes it at `at`; gives the place behind it, or says what is wrong.
#[inline(never)]
fn put(slot: &Slot, value: &[u8], window: &mut [u8], at: usize) -> Result<usize, BuildErrorKind> {
    let (length, max, kind) = (value.len(), usize::from(slot.units_max), slot.kind);
    if slot.prefix == Prefix::None {
        if length != max {
            return Err(BuildErrorKind::WrongLength { length, expected: max });
        }
    } else if length > max {
        return Err(BuildErrorKind::TooLong { length, max });
    }
    let start = put_length(slot.prefix, length, window, at);
    let end = start + slot.wire.bytes(length as u16);
    check::first_bad(kind, value, 0, length).map_err(|place| BuildErrorKind::Character { place, kind })?;
    convert(slot.wire, value, &mut window[start..end]);
    Ok(end)
}

/// Writes a length that was found to fit, and gives the place behind it.
#[inline(always)]
fn put_length(prefix: Prefix, length: usize, window: &mut [u8], at: usize) -> usize {
    let [hundreds, tens, ones] = [length / 100, length / 10 % 10, length % 10].map(|digit| digit as u8);
    let end = at + prefix.bytes();
    let target = &mut window[at..end];
    match prefix {
        Prefix::None => {}
        Prefix::Ascii2 => target.copy_from_slice(&[b'0' + tens, b'0' + ones]),
        Prefix::Ascii3 => target.copy_from_slice(&[b'0' + hundreds, b'0' + tens, b'0' + ones]),
        Prefix::Ebcdic2 => target.copy_from_slice(&[0xF0 + tens, 0xF0 + ones]),
        Prefix::Ebcdic3 => target.copy_from_slice(&[0xF0 + hundreds, 0xF0 + tens, 0xF0 + ones]),
        Prefix::Bcd2 => target.copy_from_slice(&[tens << 4 | ones]),
        Prefix::Bcd3 => target.copy_from_slice(&[hundreds, tens << 4 | ones]),
    }
    end
}

/// Fills `target` with a value that was checked.
fn convert(wire: Wire, value: &[u8], target: &mut [u8]) {
    match wire {
        Wire::Bcd if value.len() > 19 && mutant::is(Mutant::OriginalDataPackedBackwards) => {
            pack(value, target);
            target.iter_mut().for_each(|byte| *byte = byte.rotate_left(4));
        }
        Wire::Canonical => target.copy_from_slice(value),
        Wire::Ebcdic => to_ebcdic(value, target),
        Wire::Bcd | Wire::BcdTrack => pack(value, target),
        Wire::BcdSigned => {
            target[0] = value[0];
            pack(&value[1..], &mut target[1..]);
        }
        Wire::Hex => {
            const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
            for (pair, byte) in target.as_chunks_mut::<2>().0.iter_mut().zip(value) {
                *pair = [byte >> 4, byte & 0xF].map(|nibble| DIGITS[usize::from(nibble)]);
            }
        }
    }
}

fn to_ebcdic(characters: &[u8], target: &mut [u8]) {
    for (byte, character) in target.iter_mut().zip(characters) {
        *byte = ebcdic::from_ascii(*character);
    }
}

/// Two characters to a byte, by their low nibbles; an odd number has a zero nibble in front.
fn pack(characters: &[u8], target: &mut [u8]) {
    let (odd, pairs) = characters.split_at(characters.len() % 2);
    let (first, rest) = target.split_at_mut(odd.len());
    if let ([byte], [character]) = (first, odd) {
        *byte = character & 0xF;
    }
    for (byte, [high, low]) in rest.iter_mut().zip(pairs.as_chunks::<2>().0) {
        *byte = high << 4 | low & 0xF;
    }
}
