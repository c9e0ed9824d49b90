//! Which bytes a kind may hold, eight at a time.
//!
//! A `…_bad` function takes eight bytes as one little-endian word and sets bits in each byte that may not be there.

use crate::element::Kind;
use crate::slot::Class;

/// The place, counted from `start`, of the first byte of `bytes[start..end]` that `kind` may not hold.
#[inline(always)]
pub(crate) fn first_bad(kind: Kind, bytes: &[u8], start: usize, end: usize) -> Result<(), usize> {
    let clean = match kind {
        Kind::Numeric => all(bytes, start, end, digits_bad),
        Kind::Alphabetic => all(bytes, start, end, alphabetic_bad),
        Kind::Alphanumeric => all(bytes, start, end, alphanumeric_bad),
        Kind::NumericSpecial => all(bytes, start, end, numeric_special_bad),
        Kind::Printable => all(bytes, start, end, printable_bad),
        Kind::Track => all(bytes, start, end, track_bad),
        Kind::Binary => true,
        Kind::Signed => {
            matches!(bytes[start..end].first(), Some(b'C' | b'D')) && all(bytes, start + 1, end, digits_bad)
        }
    };
    if clean { Ok(()) } else { Err(place_of_bad(kind, &bytes[start..end])) }
}

/// Checks neighbours of one class, `bytes[from..to]`; `None` where a byte is wrong or there are not as many.
#[inline(always)]
pub(crate) fn alike(class: Class, bytes: &[u8], from: usize, to: usize) -> Option<()> {
    if to > bytes.len() {
        return None;
    }
    let good = match class {
        Class::Digits => all(bytes, from, to, digits_bad),
        Class::Packed => all(bytes, from, to, bcd_bad),
        Class::Alphanumeric => all(bytes, from, to, alphanumeric_bad),
        Class::Text => all(bytes, from, to, printable_bad),
        Class::Bytes | Class::Own => true,
    };
    good.then_some(())
}

/// Whether `kind` may hold `byte` at `place` of a value, in canonical form.
pub(crate) fn may_hold(kind: Kind, place: usize, byte: u8) -> bool {
    match kind {
        Kind::Numeric => byte.is_ascii_digit(),
        Kind::Alphabetic => byte.is_ascii_alphabetic() || byte == b' ',
        Kind::Alphanumeric => byte.is_ascii_alphanumeric() || byte == b' ',
        Kind::NumericSpecial => matches!(byte, 0x20..=0x7E) && !byte.is_ascii_alphabetic(),
        Kind::Printable => matches!(byte, 0x20..=0x7E),
        Kind::Track => matches!(byte, 0x30..=0x3F),
        Kind::Binary => true,
        Kind::Signed if place == 0 => matches!(byte, b'C' | b'D'),
        Kind::Signed => byte.is_ascii_digit(),
    }
}

/// The place of the first byte that `kind` may not hold; 0 where there is none.
#[cold]
pub(crate) fn place_of_bad(kind: Kind, value: &[u8]) -> usize {
    value.iter().enumerate().position(|(place, &byte)| !may_hold(kind, place, byte)).unwrap_or(0)
}

/// Whether `bad` finds nothing in `bytes[start..end]`. The last word is the eight bytes that end where the value
/// ends, so that no value needs a loop over its last bytes.
#[inline(always)]
pub(crate) fn all(bytes: &[u8], start: usize, end: usize, bad: impl Fn(u64) -> u64) -> bool {
    let length = end - start;
    if length < 8 {
        if length == 0 {
            return true;
        }
        if end < 8 {
            return all_near_front(&bytes[start..end], bad);
        }
        let unused_bits = 64 - 8 * length as u32;
        return bad(word(bytes, end - 8) >> unused_bits) & (u64::MAX >> unused_bits) == 0;
    }
    let mut found = bad(word(bytes, end - 8));
    for eight in bytes[start..end].as_chunks::<8>().0 {
        found |= bad(u64::from_le_bytes(*eight));
    }
    found == 0
}

/// As [`all`], for a value that has fewer than eight bytes of buffer up to its end.
fn all_near_front(value: &[u8], bad: impl Fn(u64) -> u64) -> bool {
    value.iter().all(|&byte| bad(u64::from(byte)) & 0xFF == 0)
}

/// Copies `value` to `target`, which is as long, and gives the bits that `bad` finds in it. The last word is the one that
/// ends where the value ends, as in [`all`]; it may overlap the one before. Words and bytes of a value that is shorter
/// overlap too, so that there is no loop over its bytes.
#[inline(always)]
pub(crate) fn copy(bad: impl Fn(u64) -> u64, value: &[u8], target: &mut [u8]) -> u64 {
    if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        let mut found = bad(u64::from_le_bytes(*first)) | bad(u64::from_le_bytes(*last));
        if value.len() > 16 {
            for (eight, eight_target) in value.as_chunks::<8>().0.iter().zip(target.as_chunks_mut::<8>().0) {
                found |= bad(u64::from_le_bytes(*eight));
                *eight_target = *eight;
            }
        } else {
            target[..8].copy_from_slice(first);
        }
        target[value.len() - 8..].copy_from_slice(last);
        return found;
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        target[..4].copy_from_slice(first);
        target[value.len() - 4..].copy_from_slice(last);
        let both = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        return bad(both);
    }
    let [Some(&first), Some(&middle), Some(&last)] =
        [value.first(), value.get(value.len() / 2), value.last()]
    else {
        return 0;
    };
    target[0] = first;
    target[value.len() / 2] = middle;
    target[value.len() - 1] = last;
    let three = u64::from(first) | u64::from(middle) << 8 | u64::from(last) << 16;
    bad(three) & 0xFF_FFFF
}

/// Eight bytes from `at` as one word, the first byte lowest.
#[inline(always)]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes[at..at + 8].first_chunk().expect("the slice has eight bytes");
    u64::from_le_bytes(*eight)
}

const HIGH: u64 = each(0x80);
const LOW_SEVEN: u64 = each(0x7F);

/// `byte` in each place.
const fn each(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

#[inline(always)]
pub(crate) fn digits_bad(word: u64) -> u64 {
    let offset = word ^ each(b'0');
    (offset | offset.wrapping_add(each(6))) & each(0xF0)
}

#[inline(always)]
pub(crate) fn printable_bad(word: u64) -> u64 {
    let seven = word & LOW_SEVEN;
    (word | (seven + each(1)) | !(seven + each(0x80 - 0x20))) & HIGH
}

#[inline(always)]
fn alphabetic_bad(word: u64) -> u64 {
    (word | !(letters(word) | within(word, b' ', b' '))) & HIGH
}

#[inline(always)]
pub(crate) fn alphanumeric_bad(word: u64) -> u64 {
    (word | !(letters(word) | within(word, b' ', b' ') | within(word, b'0', b'9'))) & HIGH
}

#[inline(always)]
fn numeric_special_bad(word: u64) -> u64 {
    printable_bad(word) | letters(word) & HIGH
}

#[inline(always)]
fn track_bad(word: u64) -> u64 {
    (word ^ each(0x30)) & each(0xF0)
}

#[inline(always)]
pub(crate) fn hex_bad(word: u64) -> u64 {
    (word | !(within(word, b'0', b'9') | within(word, b'A', b'F'))) & HIGH
}

/// Two digits in each byte: a nibble above nine has its highest bit and one of the next two.
#[inline(always)]
pub(crate) fn bcd_bad(word: u64) -> u64 {
    word & (word << 1 | word << 2) & each(0x88)
}

#[inline(always)]
pub(crate) fn ebcdic_digits_bad(word: u64) -> u64 {
    digits_bad(word ^ each(0xC0))
}

/// The high bit of each byte whose lower seven bits lie between `first` and `last`; the other bits mean nothing.
#[inline(always)]
fn within(word: u64, first: u8, last: u8) -> u64 {
    let seven = word & LOW_SEVEN;
    (seven + each(0x80 - first)) & !(seven + each(0x7F - last))
}

/// As [`within`], for the letters of both cases, which differ in one bit.
#[inline(always)]
fn letters(word: u64) -> u64 {
    within(word | each(0x20), b'a', b'z')
}

/// The number that an upper-case hex digit stands for.
pub(crate) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(Kind, u8); 7] = [
        (Kind::Numeric, b'5'),
        (Kind::Alphabetic, b'k'),
        (Kind::Alphanumeric, b'K'),
        (Kind::NumericSpecial, b'/'),
        (Kind::Printable, b'~'),
        (Kind::Track, b'='),
        (Kind::Signed, b'0'),
    ];

    /// Every byte value at every place of values of every length up to 25, between bytes of all sorts.
    #[test]
    fn eight_at_a_time_says_what_one_at_a_time_says() {
        for (kind, filler) in KINDS {
            for length in 1..=25 {
                for start in [0, 1, 9] {
                    let mut bytes = vec![0xFF; start + length + 9];
                    bytes[start..start + length].fill(filler);
                    if kind == Kind::Signed {
                        bytes[start] = b'D';
                    }
                    for place in 0..length {
                        let kept = bytes[start + place];
                        for byte in 0..=255 {
                            bytes[start + place] = byte;
                            let found = first_bad(kind, &bytes, start, start + length);
                            let expected = if may_hold(kind, place, byte) { Ok(()) } else { Err(place) };
                            let value = &bytes[start..start + length];
                            let mut target = vec![0; length];
                            let words_bad = match kind {
                                Kind::Numeric => digits_bad,
                                Kind::Alphanumeric => alphanumeric_bad,
                                _ => printable_bad,
                            };
                            let good = copy(words_bad, value, &mut target) == 0;
                            if matches!(kind, Kind::Numeric | Kind::Alphanumeric | Kind::Printable) {
                                assert_eq!(good, expected.is_ok());
                            }
                            assert_eq!(target, value);
                            assert_eq!(found, expected, "{kind} {byte:#x} at {place} of {length}");
                        }
                        bytes[start + place] = kept;
                    }
                }
            }
        }
    }

    #[test]
    fn packed_and_ebcdic_digits() {
        for byte in 0..=255u8 {
            assert_eq!(bcd_bad(u64::from(byte)) == 0, byte & 0xF < 10 && byte >> 4 < 10, "{byte:#x}");
            let digit = all(&[0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, byte, 0xFF], 0, 8, ebcdic_digits_bad);
            assert_eq!(digit, (0xF0..=0xF9).contains(&byte), "{byte:#x}");
        }
    }
}
