//! The personal identification number of a citizen: 12 digits that say where, when and as whom one was born.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroize;

/// A citizen number (docs/interface.md#card). `Debug` shows the last four digits alone; there is no `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CitizenNumber([u8; 12]);

/// Why a text is no citizen number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// Not 12 digits.
    #[error("a citizen number is 12 digits")]
    Form,
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
        Ok(CitizenNumber(digits))
    }

    /// The 12 ASCII digits in clear.
    pub fn digits(&self) -> &[u8; 12] {
        &self.0
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
