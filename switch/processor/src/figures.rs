//! What a business day comes to, by the elements of 0500 and 0520, and those elements in a message (docs/interface.md#totals).

use iso8583::Message;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::ids::Code;

/// The elements, in order: numbers, fees, amounts, net.
pub const TOTALS_ELEMENTS: [u8; 17] = [74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, NET];

/// DE97: positive where the member owes (D), negative where it is owed (C).
const NET: u8 = 97;

/// Values of [`TOTALS_ELEMENTS`], amounts in minor units; one that nobody has said is absent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures([Option<i64>; TOTALS_ELEMENTS.len()]);

impl Figures {
    /// The value of an element; `None` of one that is absent, or that is none of [`TOTALS_ELEMENTS`].
    pub fn get(&self, element: u8) -> Option<i64> {
        self.0[place(element)?]
    }

    /// Sets the value of an element; of one that is none of [`TOTALS_ELEMENTS`] nothing is kept.
    pub fn set(&mut self, element: u8, value: i64) {
        if let Some(place) = place(element) {
            self.0[place] = Some(value);
        }
    }

    /// Those that are there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, i64)> {
        TOTALS_ELEMENTS.into_iter().zip(self.0).filter_map(|(element, value)| Some((element, value?)))
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether everything that a member says is so.
    pub fn agree_with(&self, theirs: &Figures) -> bool {
        theirs.iter().all(|(element, value)| self.get(element) == Some(value))
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn place(element: u8) -> Option<usize> {
    TOTALS_ELEMENTS.iter().position(|known| *known == element)
}

/// Digits of an element, and whether it is an amount.
fn form(element: u8) -> (usize, bool) {
    match element {
        74..=81 => (10, false),
        82..=85 => (12, true),
        _ => (16, true),
    }
}

/// What a message says, from a link with `exponent` decimal places. Errors: the code, and the element that is wrong.
pub(crate) fn read(message: &Message, exponent: u8) -> Result<Figures, (Code, u8)> {
    let mut figures = Figures::default();
    for element in TOTALS_ELEMENTS.into_iter().filter(|element| message.has(*element)) {
        let value = message.get(element).unwrap_or_default();
        let (is_owed, digits) = match value.split_first() {
            Some((sign, digits)) if element == NET => (*sign == b'C', digits),
            _ => (false, value),
        };
        let number = decimal(digits).ok_or((Code::FORMAT, element))?;
        let (_, is_amount) = form(element);
        let number = if is_amount {
            amount::from_link(number, exponent).map_err(|_| (Code::BAD_AMOUNT, element))?
        } else {
            number
        };
        let number = i64::try_from(number).map_err(|_| (Code::FORMAT, element))?;
        figures.set(element, if is_owed { -number } else { number });
    }
    if figures.is_empty() { Err((Code::FORMAT, NET)) } else { Ok(figures) }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let digit = |digit: u8| digit.is_ascii_digit().then(|| u64::from(digit - b'0'));
    digits.iter().try_fold(0, |sum: u64, it| sum.checked_mul(10)?.checked_add(digit(*it)?))
}

/// Writes figures into a message on a link with `exponent` decimal places. What has no form there, a negative sum of fees or a
/// number with more digits than its element, stays away: it is not claimed.
pub(crate) fn write(message: &mut Message, figures: &Figures, exponent: u8) {
    for (element, value) in figures.iter() {
        let (digits, is_amount) = form(element);
        let factor = if is_amount { 10_u64.checked_pow(u32::from(exponent)) } else { Some(1) };
        let scaled = factor.and_then(|factor| value.unsigned_abs().checked_mul(factor));
        let Some(scaled) = scaled.filter(|scaled| *scaled < 10_u64.pow(digits as u32)) else { continue };
        if element == NET {
            let sign = if value > 0 { 'D' } else { 'C' };
            message.set_text(NET, &format!("{sign}{scaled:0digits$}"));
        } else if value >= 0 {
            message.set_number(element, scaled, digits);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;

    use super::*;

    fn of(values: &[(u8, i64)]) -> Figures {
        let mut figures = Figures::default();
        values.iter().for_each(|(element, value)| figures.set(*element, *value));
        figures
    }

    #[test]
    fn figures_read_back_as_they_were_written_whatever_the_decimal_places() {
        let figures = of(&[(74, 3), (76, 12), (85, 39_600), (86, 900_000), (88, 22_730_000_000), (97, -5)]);
        for (exponent, de88, de97) in
            [(0, "0000022730000000", "C0000000000000005"), (2, "0002273000000000", "C0000000000000500")]
        {
            let mut message = Message::new(Mti::new(510));
            write(&mut message, &figures, exponent);
            assert_eq!(message.text(74), Some("0000000003"));
            assert_eq!(message.text(88), Some(de88));
            assert_eq!(message.text(97), Some(de97), "exponent {exponent}");
            assert_eq!(read(&message, exponent), Ok(figures));
        }
        let mut message = Message::new(Mti::new(510));
        write(&mut message, &of(&[(85, -1), (74, 10_000_000_000), (97, 7)]), 0);
        assert_eq!(message.elements().map(|(element, _)| element).collect::<Vec<_>>(), [97]);
        assert_eq!(message.text(97), Some("D0000000000000007"));
    }

    #[test]
    fn what_is_no_figure_is_named() {
        for (element, value, exponent, expected) in [
            (88, "000000000000001x", 0, (Code::FORMAT, 88)),
            (88, "0000000000000150", 2, (Code::BAD_AMOUNT, 88)),
            (97, "C000000000000000x", 0, (Code::FORMAT, 97)),
            (70, "001", 0, (Code::FORMAT, 97)),
        ] {
            let mut message = Message::new(Mti::new(500));
            message.set_text(element, value);
            assert_eq!(read(&message, exponent), Err(expected), "DE{element} {value}");
        }
    }

    #[test]
    fn what_is_not_said_is_not_compared() {
        let ours = of(&[(76, 2), (97, 4)]);
        for (theirs, agree) in
            [(of(&[(97, 4)]), true), (of(&[(76, 2), (97, 5)]), false), (of(&[(74, 0)]), false)]
        {
            assert_eq!(ours.agree_with(&theirs), agree, "{theirs:?}");
        }
    }
}
