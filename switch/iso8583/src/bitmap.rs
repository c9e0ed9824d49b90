//! Which elements a message has, as 128 bits, and the same as hex digits.

use crate::check;

/// A set of element numbers 1 to 128. Element 1 is the highest bit, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bitmap(pub(crate) u128);

impl Bitmap {
    pub(crate) const fn has(self, element: u8) -> bool {
        self.0 & bit(element) != 0
    }

    pub(crate) const fn insert(&mut self, element: u8) {
        self.0 |= bit(element);
    }

    pub(crate) const fn remove(&mut self, element: u8) {
        self.0 &= !bit(element);
    }

    /// Those of these elements that are also in the other set.
    #[inline(always)]
    pub(crate) const fn and(self, other: Bitmap) -> Bitmap {
        Bitmap(self.0 & other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The elements in ascending order.
    pub(crate) fn iter(self) -> impl Iterator<Item = u8> + Clone {
        let Halves(halves) = self.halves();
        [(0, halves[0]), (64, halves[1])].into_iter().flat_map(|(base, half)| Ones::new(base, half))
    }

    /// The lowest element above `element`.
    #[inline(always)]
    pub(crate) const fn first_above(self, element: u8) -> Option<u8> {
        let above = self.above(element).0;
        if above == 0 { None } else { Some(above.leading_zeros() as u8 + 1) }
    }

    /// The highest element below `element`.
    pub(crate) const fn last_below(self, element: u8) -> Option<u8> {
        let below = self.below(element).0;
        if below == 0 { None } else { Some(128 - below.trailing_zeros() as u8) }
    }

    /// The elements above `element`.
    #[inline(always)]
    pub(crate) const fn above(self, element: u8) -> Bitmap {
        if element >= 128 { Bitmap(0) } else { Bitmap(self.0 & (u128::MAX >> element)) }
    }

    /// Where a MAC belongs: DE128 when any other element from 65 on is there, else DE64.
    pub(crate) const fn mac_element(self) -> u8 {
        let others = Bitmap(self.0 & !bit(128));
        if others.above(64).0 == 0 { 64 } else { 128 }
    }

    /// The elements below `element`.
    pub(crate) const fn below(self, element: u8) -> Bitmap {
        if element <= 1 { Bitmap(0) } else { Bitmap(self.0 & !(u128::MAX >> (element - 1))) }
    }

    pub(crate) const fn of(halves: [u64; 2]) -> Bitmap {
        Bitmap((halves[0] as u128) << 64 | halves[1] as u128)
    }

    pub(crate) const fn halves(self) -> Halves {
        Halves([(self.0 >> 64) as u64, self.0 as u64])
    }
}

/// A table with a place for each element has this many.
pub(crate) const ELEMENTS: usize = 128;

/// The place of an element in a table of [`ELEMENTS`]. Within bounds for any number, so that none has to be checked;
/// numbers that are no element's share the places of others, and are kept out by the bitmaps.
#[inline(always)]
pub(crate) const fn place(element: u8) -> usize {
    element.wrapping_sub(1) as usize % ELEMENTS
}

/// The primary and the secondary bitmap.
pub(crate) struct Halves(pub(crate) [u64; 2]);

/// The bits of one half, highest first, as element numbers above `base`. They are kept in reverse: the lowest bit is
/// found and taken away in fewer steps than the highest.
#[derive(Clone)]
pub(crate) struct Ones {
    base: u8,
    reversed: u64,
}

impl Ones {
    #[inline(always)]
    pub(crate) const fn new(base: u8, half: u64) -> Ones {
        Ones { base, reversed: half.reverse_bits() }
    }
}

impl Iterator for Ones {
    type Item = u8;

    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        if self.reversed == 0 {
            return None;
        }
        let place = self.reversed.trailing_zeros();
        self.reversed &= self.reversed - 1;
        Some(self.base + place as u8 + 1)
    }
}

/// The bit of the first element of a half.
pub(crate) const TOP: u64 = 1 << 63;

/// A set of these elements.
pub(crate) const fn set_of(elements: &[u8]) -> Bitmap {
    let (mut set, mut index) = (Bitmap(0), 0);
    while index < elements.len() {
        set.insert(elements[index]);
        index += 1;
    }
    set
}

const fn bit(element: u8) -> u128 {
    if element == 0 || element > 128 { 0 } else { 1 << (128 - element) }
}

/// The half that 16 upper-case hex digits say, or the place of the first character that is none.
#[inline(always)]
pub(crate) fn from_hex(digits: &[u8; 16]) -> Result<u64, usize> {
    let (high, low) = digits.split_at(8);
    let (high, low) = (check::word(high, 0), check::word(low, 0));
    if check::hex_bad(high) | check::hex_bad(low) != 0 {
        return Err(digits.iter().position(|&digit| check::hex_value(digit).is_none()).unwrap_or(0));
    }
    Ok(u64::from(packed(high)) << 32 | u64::from(packed(low)))
}

/// The 16 upper-case hex digits of a half.
#[inline(always)]
pub(crate) fn to_hex(half: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&spread((half >> 32) as u32).to_be_bytes());
    digits[8..].copy_from_slice(&spread(half as u32).to_be_bytes());
    digits
}

/// Eight hex digits, already found good, as the number they say: three halvings bring the nibbles together.
fn packed(word: u64) -> u32 {
    let word = word.swap_bytes();
    let letters = word >> 6 & 0x0101_0101_0101_0101;
    let nibbles = (word & 0x0F0F_0F0F_0F0F_0F0F) + letters * 9;
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (pairs | pairs >> 16) as u32
}

/// A number as eight hex digits, first digit highest: the way back of [`packed`].
fn spread(number: u32) -> u64 {
    let pairs = (u64::from(number) | u64::from(number) << 16) & 0x0000_FFFF_0000_FFFF;
    let bytes = (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF;
    let nibbles = (bytes | bytes << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    nibbles + 0x3030_3030_3030_3030 + letters * 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_there_and_back() {
        for half in [0, 1, TOP, u64::MAX, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210] {
            let digits = to_hex(half);
            assert_eq!(digits, *format!("{half:016X}").as_bytes());
            assert_eq!(from_hex(&digits), Ok(half));
        }
    }

    #[test]
    fn every_other_character_is_refused_at_its_place() {
        for place in 0..16 {
            for byte in 0..=255 {
                let mut digits = *b"0123456789ABCDEF";
                digits[place] = byte;
                let good = byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
                assert_eq!(from_hex(&digits).err(), (!good).then_some(place), "{byte:#x}");
            }
        }
    }

    #[test]
    fn sets() {
        let mut bitmap = Bitmap::default();
        for element in [2, 64, 65, 128] {
            bitmap.insert(element);
        }
        bitmap.remove(65);
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [2, 64, 128]);
        assert_eq!(bitmap.first_above(2), Some(64));
        assert_eq!(bitmap.first_above(128), None);
        assert_eq!(bitmap.last_below(64), Some(2));
        assert_eq!(bitmap.last_below(128), Some(64));
        assert_eq!(bitmap.last_below(2), None);
        assert_eq!(bitmap.below(64).iter().collect::<Vec<_>>(), [2]);
        assert_eq!(bitmap.above(64).iter().collect::<Vec<_>>(), [128]);
        assert!(!bitmap.has(0) && !bitmap.has(129));
    }
}
