//! A PIN between two ciphers: the clear PIN field of ISO 9564-1 formats 0, 3 and 4. What is done takes the same steps
//! whatever the PIN's digits and length are.

use mutant::Mutant;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::pin_block::{PIN_DIGITS_MAX, PIN_DIGITS_MIN, PinFormat, RANDOM_BYTES};

/// A PIN in clear. It cannot be printed and is overwritten when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Pin {
    /// Each 0 to 9; what lies behind `length` is 0.
    pub(crate) digits: [u8; PIN_DIGITS_MAX],
    pub(crate) length: u8,
}

/// Half bytes of a field: control, length, 14 for digits and fill.
const NIBBLES: usize = 16;
const DIGIT_PLACES: usize = 14;

/// Writes the field: control, length, digits, fill (F, random A to F, or A), and for format 4 eight random bytes behind it.
pub(crate) fn write(pin: &Pin, format: PinFormat, random: &[u8; RANDOM_BYTES], field: &mut [u8; 16]) {
    let mut nibbles = [0; NIBBLES];
    nibbles[0] = format.number();
    nibbles[1] = pin.length;
    let mut chance = u64::from_be_bytes(*random);
    for place in 0..DIGIT_PLACES {
        let fill = match format {
            PinFormat::Iso0 => 0xF,
            // 64 bits hold 14 digits to the base of 6 with room to spare: no value is seen to come more often.
            PinFormat::Iso3 => 0xA + (chance % 6) as u8,
            PinFormat::Iso4 => 0xA,
        };
        chance /= 6;
        let digit = pin.digits.get(place).copied().unwrap_or(0);
        nibbles[2 + place] = u8::conditional_select(&fill, &digit, (place as u8).ct_lt(&pin.length));
    }
    *field = [0; 16];
    for (byte, pair) in field.iter_mut().zip(nibbles.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    if format == PinFormat::Iso4 {
        field[8..].copy_from_slice(random);
    }
    nibbles.zeroize();
    chance.zeroize();
}

/// Reads a field; `None` if control, length, a digit or a fill is not what the format says.
pub(crate) fn read(format: PinFormat, field: &[u8; 16]) -> Option<Pin> {
    let nibble =
        |place: usize| if place.is_multiple_of(2) { field[place / 2] >> 4 } else { field[place / 2] & 0xF };
    let mut pin = Pin { digits: [0; PIN_DIGITS_MAX], length: nibble(1) };
    let mut is_right = nibble(0).ct_eq(&format.number());
    is_right &= !pin.length.ct_lt(&(PIN_DIGITS_MIN as u8)) & !pin.length.ct_gt(&(PIN_DIGITS_MAX as u8));
    for place in 0..DIGIT_PLACES {
        let value = nibble(2 + place);
        let is_digit_place = (place as u8).ct_lt(&pin.length);
        let is_digit = value.ct_lt(&10);
        let is_fill: Choice = match format {
            PinFormat::Iso0 => value.ct_eq(&0xF),
            PinFormat::Iso3 => !is_digit,
            PinFormat::Iso4 => value.ct_eq(&0xA),
        };
        is_right &= Choice::conditional_select(&is_fill, &is_digit, is_digit_place);
        if let Some(digit) = pin.digits.get_mut(place) {
            *digit = u8::conditional_select(&0, &value, is_digit_place & is_digit);
        }
    }
    (bool::from(is_right) || mutant::is(Mutant::PinBlockOfAnything)).then_some(pin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pin(digits: &[u8]) -> Pin {
        let mut pin = Pin { digits: [0; PIN_DIGITS_MAX], length: digits.len() as u8 };
        pin.digits[..digits.len()].copy_from_slice(digits);
        pin
    }

    /// ISO 9564-1:2017, 9.3: fields of PIN 1234 and of a PIN of 12 digits.
    #[test]
    fn fields_as_in_iso_9564() {
        let field = |digits: &[u8], format| {
            let mut field = [0; 16];
            write(&pin(digits), format, &[0x5A; 8], &mut field);
            field
        };
        let (short, long) = ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]);
        assert_eq!(field(&short, PinFormat::Iso0)[..8], [0x04, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(field(&long, PinFormat::Iso0)[..8], [0x0C, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0xFF]);
        let with_fill = field(&short, PinFormat::Iso3);
        assert_eq!(with_fill[..3], [0x34, 0x12, 0x34]);
        assert!(with_fill[3..8].iter().all(|byte| byte >> 4 >= 0xA && byte & 0xF >= 0xA));
        let whole = field(&short, PinFormat::Iso4);
        assert_eq!(whole[..8], [0x44, 0x12, 0x34, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA]);
        assert_eq!(whole[8..], [0x5A; 8]);
    }

    /// Every value of every half byte that the format says something about: none but the right ones is read.
    #[test]
    fn a_field_with_one_wrong_half_byte_is_not_read() {
        for format in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
            for length in PIN_DIGITS_MIN..=PIN_DIGITS_MAX {
                let mut right = [0; 16];
                write(&pin(&[7; PIN_DIGITS_MAX][..length]), format, &[0xC3; 8], &mut right);
                for place in 0..NIBBLES {
                    for value in 0..16 {
                        let mut field = right;
                        let (shift, keep) = if place.is_multiple_of(2) { (4, 0x0F) } else { (0, 0xF0) };
                        field[place / 2] = field[place / 2] & keep | value << shift;
                        let is_right = match place {
                            0 => value == format.number(),
                            1 => usize::from(value) == length,
                            _ if place - 2 < length => value < 10,
                            _ if format == PinFormat::Iso3 => value >= 10,
                            _ => field == right,
                        };
                        assert_eq!(read(format, &field).is_some(), is_right, "{format:?} {place} {value}");
                    }
                }
            }
        }
    }

    /// PINs of 0 to 15 digits with the right fill behind them.
    #[test]
    fn a_field_of_a_pin_too_short_or_too_long_is_not_read() {
        for format in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
            for length in 0..=15 {
                let mut nibbles = [if format == PinFormat::Iso0 { 0xF } else { 0xA }; NIBBLES];
                nibbles[0] = format.number();
                nibbles[1] = length as u8;
                nibbles[2..(2 + length).min(NIBBLES)].fill(7);
                let mut field = [0; 16];
                for (byte, pair) in field.iter_mut().zip(nibbles.chunks_exact(2)) {
                    *byte = pair[0] << 4 | pair[1];
                }
                let is_right = (PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&length);
                assert_eq!(read(format, &field).is_some(), is_right, "{format:?} {length}");
            }
        }
    }

    /// The fill of format 3 has all six letters, each about as often.
    #[test]
    fn the_fill_of_format_3_is_even() {
        let mut seen = [0; 6];
        for round in 0..6_000u64 {
            let random = round.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
            let mut field = [0; 16];
            write(&pin(&[0; 4]), PinFormat::Iso3, &random, &mut field);
            for byte in &field[3..8] {
                seen[usize::from(byte >> 4) - 10] += 1;
                seen[usize::from(byte & 0xF) - 10] += 1;
            }
        }
        assert!(seen.iter().all(|times| (9_500..10_500).contains(times)), "{seen:?}");
    }
}
