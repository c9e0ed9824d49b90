//! The personal identification number of a citizen: 12 digits that say where, when and as whom one was born.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;

use crate::province::Province;

/// The first code of a country of birth; the codes below are provinces'.
const COUNTRY_CODE_MIN: u16 = 100;

/// A citizen number (docs/interface.md#card): place of birth's registration 3, century and sex 1, year of birth 2,
/// serial 6. `Debug` shows the last four digits alone; there is no `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CitizenNumber([u8; 12]);

/// Where the birth was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birthplace {
    /// In Vietnam.
    Province(&'static Province),
    /// Abroad: a country's code of Circular 07/2016/TT-BCA, appendix 2. That list grows by circulars, so every code
    /// from 100 on is taken: the number alone proves nothing, and the registry knows who was born where.
    Country(u16),
}

/// The sex that a number and a card state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// An even digit; `M` in the MRZ.
    Male,
    /// An odd digit; `F` in the MRZ.
    Female,
}

/// Why a text is no citizen number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Not 12 digits.
    #[error("a citizen number is 12 digits")]
    Form,
    /// The first three digits are neither one of the 63 provinces' codes nor a country's.
    #[error("{0:03} is the code of no province and no country")]
    Place(u16),
}

impl CitizenNumber {
    /// Reads 12 ASCII digits.
    ///
    /// # Errors
    /// [`NumberError`], which never holds the number.
    pub fn parse(digits: &[u8]) -> Result<CitizenNumber, NumberError> {
        let digits: [u8; 12] = digits.try_into().map_err(|_| NumberError::Form)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(NumberError::Form);
        }
        let number = CitizenNumber(digits);
        let place = number.place();
        if place < COUNTRY_CODE_MIN && Province::by_code(place).is_none() {
            return Err(NumberError::Place(place));
        }
        Ok(number)
    }

    /// The 12 ASCII digits in clear.
    pub fn digits(&self) -> &[u8; 12] {
        &self.0
    }

    /// Where the birth was registered.
    pub fn birthplace(&self) -> Birthplace {
        let code = self.place();
        Province::by_code(code).map_or(Birthplace::Country(code), Birthplace::Province)
    }

    /// The province of the birth's registration; `None` for a birth abroad.
    pub fn province(&self) -> Option<&'static Province> {
        Province::by_code(self.place())
    }

    /// The sex that was registered.
    pub fn sex(&self) -> Sex {
        if self.value(3..4).is_multiple_of(2) { Sex::Male } else { Sex::Female }
    }

    /// The year of birth, 1900 to 2399.
    pub fn birth_year(&self) -> u16 {
        (1900 + self.value(3..4) / 2 * 100 + self.value(4..6)) as u16
    }

    /// The serial within place, sex and year.
    pub fn serial(&self) -> u32 {
        self.value(6..12)
    }

    fn place(&self) -> u16 {
        self.value(0..3) as u16
    }

    fn value(&self, digits: std::ops::Range<usize>) -> u32 {
        self.0[digits].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
    }
}

impl Zeroize for CitizenNumber {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "********{}", String::from_utf8_lossy(&self.0[8..]))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_tells_place_sex_year_and_serial() {
        for (digits, place, sex, year, serial) in [
            ("001203000001", "Hà Nội", Sex::Male, 2003, 1),
            ("022199123456", "Quảng Ninh", Sex::Female, 1999, 123_456),
            ("096000999999", "Cà Mau", Sex::Male, 1900, 999_999),
            ("079930000007", "Hồ Chí Minh", Sex::Female, 2330, 7),
        ] {
            let number = CitizenNumber::parse(digits.as_bytes()).unwrap();
            let told = (number.province().unwrap().name, number.sex(), number.birth_year(), number.serial());
            assert_eq!(told, (place, sex, year, serial));
        }
        let abroad = CitizenNumber::parse(b"101088000001").unwrap();
        assert_eq!((abroad.birthplace(), abroad.province()), (Birthplace::Country(101), None));
    }

    #[test]
    fn what_is_no_number_is_refused_by_kind() {
        for (text, error) in [
            ("00120300001", NumberError::Form),
            ("0012030000011", NumberError::Form),
            ("00120300000a", NumberError::Form),
            ("+01203000001", NumberError::Form),
            ("000203000001", NumberError::Place(0)),
            ("003203000001", NumberError::Place(3)),
            ("097203000001", NumberError::Place(97)),
            ("099203000001", NumberError::Place(99)),
        ] {
            assert_eq!(CitizenNumber::parse(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(NumberError::Place(3).to_string(), "003 is the code of no province and no country");
    }

    #[test]
    fn debug_shows_four_digits() {
        let number = CitizenNumber::parse(b"001203004321").unwrap();
        assert_eq!(format!("{number:?}"), "********4321");
    }
}
