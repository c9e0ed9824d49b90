//! PINs in clear: for machines that have one in their hands (the simulated terminal's PIN pad, a simulated bank) and for
//! tests. The switch has none, and clippy.toml of `switch/server` forbids it these functions.

use std::fmt;

use crate::pin_block::{
    self, PIN_DIGITS_MAX, PIN_DIGITS_MIN, PinBlock, PinError, PinFormat, PinKey, PinPan, RANDOM_BYTES,
};
use crate::pin_field::Pin;

/// A PIN in clear, 4 to 12 digits. It cannot print itself and is overwritten when dropped.
pub struct ClearPin(Pin);

impl ClearPin {
    /// Reads 4 to 12 ASCII digits; `None` otherwise.
    pub fn parse(digits: &[u8]) -> Option<ClearPin> {
        let is_good = (PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit);
        is_good.then(|| {
            let mut pin = Pin { digits: [0; PIN_DIGITS_MAX], length: digits.len() as u8 };
            for (own, digit) in pin.digits.iter_mut().zip(digits) {
                *own = digit - b'0';
            }
            ClearPin(pin)
        })
    }

    /// Its ASCII digits.
    pub fn digits(&self) -> Vec<u8> {
        self.0.digits[..usize::from(self.0.length)].iter().map(|digit| digit + b'0').collect()
    }
}

impl fmt::Debug for ClearPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClearPin")
    }
}

/// Enciphers a PIN: what a PIN pad does. `random` has to be fresh from a random generator.
///
/// # Errors
/// [`PinError::Algorithm`], [`PinError::Forbidden`].
pub fn encipher_clear_pin(
    pin: &ClearPin,
    pan: &PinPan,
    key: &PinKey,
    format: PinFormat,
    random: &[u8; RANDOM_BYTES],
) -> Result<PinBlock, PinError> {
    pin_block::encipher(&pin.0, pan, key, format, random)
}

/// Deciphers a PIN: what a bank's HSM does.
///
/// # Errors
/// [`PinError::Algorithm`], [`PinError::Forbidden`], [`PinError::Unreadable`].
pub fn decipher_to_clear_pin(block: &PinBlock, pan: &PinPan, key: &PinKey) -> Result<ClearPin, PinError> {
    pin_block::decipher(block, pan, key).map(ClearPin)
}
