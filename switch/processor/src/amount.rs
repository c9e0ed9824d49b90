//! Amounts between a link's decimal places and the switch's minor units. VND has none: 1 is one đồng.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// An amount on a link that is no whole number of the switch's minor units: 13.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fraction;

/// From a link with `exponent` decimal places.
pub(crate) fn from_link(amount: u64, exponent: u8) -> Result<u64, Fraction> {
    if exponent == 0 {
        return Ok(amount);
    }
    let exact = Decimal::from_i128_with_scale(i128::from(amount), u32::from(exponent));
    if exact.fract().is_zero() { exact.trunc().to_u64().ok_or(Fraction) } else { Err(Fraction) }
}

/// To a link with `exponent` decimal places; `None` when it does not fit n12.
pub(crate) fn to_link(minor: u64, exponent: u8) -> Option<u64> {
    let factor = 10_u64.checked_pow(u32::from(exponent))?;
    minor.checked_mul(factor).filter(|&amount| amount <= AMOUNT_MAX)
}

/// n12.
pub(crate) const AMOUNT_MAX: u64 = 999_999_999_999;

/// DE95: the amount that really left (or was kept) and 30 zeros.
pub(crate) fn to_de95(amount: u64) -> String {
    format!("{amount:012}{:030}", 0)
}

/// The first 12 digits of DE95 as they stand on the link; `None` when they are no digits.
pub(crate) fn from_de95(de95: &[u8]) -> Option<u64> {
    let digits = de95.get(..12)?;
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// DE54 or DE62 of a bank, entries of `entry_bytes` whose amount of 12 digits begins at `amount_at`, from one link's
/// decimal places to another's. `None` when an entry is malformed or its amount has no form there.
pub(crate) fn rescale(
    value: &[u8],
    (entry_bytes, amount_at): (usize, usize),
    from_exponent: u8,
    to_exponent: u8,
) -> Option<Vec<u8>> {
    if !value.len().is_multiple_of(entry_bytes) {
        return None;
    }
    let mut scaled = value.to_vec();
    if from_exponent == to_exponent {
        return Some(scaled);
    }
    for entry in scaled.chunks_exact_mut(entry_bytes) {
        let digits = entry.get_mut(amount_at..amount_at + 12)?;
        let amount = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let amount = to_link(from_link(amount, from_exponent).ok()?, to_exponent)?;
        digits.copy_from_slice(format!("{amount:012}").as_bytes());
    }
    Some(scaled)
}

/// DE54: entries of 20, the amount behind account type, amount type, currency and sign.
pub(crate) const DE54_ENTRY: (usize, usize) = (20, 8);
/// DE62 of a mini statement: lines of 24, the amount behind date, processing code and sign.
pub(crate) const DE62_LINE: (usize, usize) = (24, 9);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_are_exact() {
        assert_eq!(from_link(2_000_000, 0), Ok(2_000_000));
        assert_eq!(from_link(200_000_000, 2), Ok(2_000_000));
        assert_eq!(from_link(200_000_001, 2), Err(Fraction));
        assert_eq!(to_link(2_000_000, 2), Some(200_000_000));
        assert_eq!(to_link(10_000_000_000, 2), None);
        assert_eq!(from_de95(to_de95(150_000).as_bytes()), Some(150_000));
        let de54 = b"1001704C000000050000";
        assert_eq!(rescale(de54, DE54_ENTRY, 0, 2).unwrap(), b"1001704C000005000000");
        assert_eq!(rescale(&de54[1..], DE54_ENTRY, 0, 2), None);
        assert_eq!(rescale(b"220503", DE62_LINE, 0, 0), None);
    }
}
