//! The citizen card's PAN: IIN, citizen number, Luhn digit.

use std::fmt;

use thiserror::Error;

use crate::number::{CitizenNumber, NumberError};

/// A PAN of 19 digits: IIN of 6, the citizen number of 12, the Luhn digit (docs/interface.md#card). `Debug` and
/// `Display` mask: IIN and last four.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pan([u8; 19]);

/// Why a text is no citizen card's PAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PanError {
    /// Not 19 digits.
    #[error("a citizen card's PAN is 19 digits")]
    Form,
    /// The last digit is not the Luhn digit (ISO/IEC 7812-1, annex B).
    #[error("the PAN's check digit is wrong")]
    Luhn,
    /// The digits behind the IIN are no citizen number.
    #[error("the PAN holds no citizen number: {0}")]
    Number(NumberError),
}

impl Pan {
    /// The PAN of a citizen under an IIN of 6 ASCII digits.
    pub fn new(iin: [u8; 6], number: &CitizenNumber) -> Pan {
        let mut digits = [b'0'; 19];
        digits[..6].copy_from_slice(&iin);
        digits[6..18].copy_from_slice(number.digits());
        digits[18] = luhn(&digits[..18]);
        Pan(digits)
    }

    /// Reads DE2.
    ///
    /// # Errors
    /// [`PanError`], which never holds the PAN.
    pub fn parse(digits: &[u8]) -> Result<Pan, PanError> {
        let digits: [u8; 19] = digits.try_into().map_err(|_| PanError::Form)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(PanError::Form);
        }
        if luhn(&digits[..18]) != digits[18] {
            return Err(PanError::Luhn);
        }
        CitizenNumber::parse(&digits[6..18]).map_err(PanError::Number)?;
        Ok(Pan(digits))
    }

    /// The 19 ASCII digits in clear.
    pub fn digits(&self) -> &[u8; 19] {
        &self.0
    }

    /// The IIN, 6 ASCII digits.
    pub fn iin(&self) -> [u8; 6] {
        self.0.first_chunk().copied().unwrap_or([b'0'; 6])
    }

    /// The citizen number that the PAN carries.
    pub fn citizen_number(&self) -> CitizenNumber {
        CitizenNumber::parse(&self.0[6..18]).expect("a PAN was built from a citizen number")
    }
}

/// The digit that makes the whole divisible by ten (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

impl fmt::Display for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        write!(f, "{}*********{}", text(&self.0[..6]), text(&self.0[15..]))
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_of_the_interface() {
        let number = CitizenNumber::parse(b"001203000001").unwrap();
        let pan = Pan::new(*b"970499", &number);
        assert_eq!(pan.digits(), b"9704990012030000017");
        assert_eq!(Pan::parse(b"9704990012030000017").unwrap(), pan);
        assert_eq!(Pan::parse(b"9704990012030000018"), Err(PanError::Luhn));
        assert_eq!(Pan::parse(b"970499001203000001"), Err(PanError::Form));
        assert_eq!(format!("{pan}"), "970499*********0017");
    }

    #[test]
    fn a_pan_without_a_citizen_number_is_refused() {
        let luhn = |front: &str| [front.as_bytes(), &[luhn(front.as_bytes())]].concat();
        for (front, place) in
            [("970499000203000001", 0), ("970499003203000001", 3), ("970499097203000001", 97)]
        {
            assert_eq!(Pan::parse(&luhn(front)), Err(PanError::Number(NumberError::Place(place))));
        }
        assert!(Pan::parse(&luhn("970499101203000001")).is_ok());
    }
}
