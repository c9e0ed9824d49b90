//! Key check values (KCV): what two people read to each other to see that they hold the same key. Not secret.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::bound_key::BoundKey;
use crate::cipher::{AES_BLOCK, Cmac, DES_BLOCK, Tdes};
use crate::usage::KeyAlgorithm;

/// The fewest bytes of a check value that are compared.
pub const CHECK_VALUE_BYTES_MIN: usize = 3;

/// A check value; prints as upper-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CheckValue {
    bytes: [u8; 5],
    length: usize,
}

impl BoundKey {
    /// Its check value:
    ///
    /// - triple DES: 8 zero bytes encrypted, 3 bytes (X9.24-1:2009, 7.7.1);
    /// - AES: CMAC over 16 zero bytes, 5 bytes (X9.24-1:2017, A.2), of which many systems show 3;
    /// - HMAC: HMAC-SHA-256 over 16 zero bytes, 3 bytes. No standard says one for HMAC keys; this is the switch's own.
    pub fn check_value(&self) -> CheckValue {
        let mut value = CheckValue { bytes: [0; 5], length: CHECK_VALUE_BYTES_MIN };
        match self.algorithm() {
            KeyAlgorithm::Tdes => {
                let mut block = [0; DES_BLOCK];
                Tdes::new(self.bytes()).encrypt(&mut block);
                value.bytes[..3].copy_from_slice(&block[..3]);
            }
            KeyAlgorithm::Aes => {
                value.bytes.copy_from_slice(&Cmac::new(self.bytes()).sign(&[0; AES_BLOCK])[..5]);
                value.length = 5;
            }
            KeyAlgorithm::Hmac => {
                let mac =
                    Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes a key of any length");
                let mac = mac.chain_update([0; AES_BLOCK]).finalize().into_bytes();
                value.bytes[..3].copy_from_slice(&mac[..3]);
            }
        }
        value
    }
}

impl CheckValue {
    /// One that another module has told: 6 to 10 hex digits.
    pub fn of_hex(digits: &str) -> Option<CheckValue> {
        CheckValue::of_bytes(&crate::mac::hex_bytes(digits)?)
    }

    /// The same of 3 to 5 bytes.
    pub fn of_bytes(told: &[u8]) -> Option<CheckValue> {
        let length = told.len();
        let mut value = CheckValue { bytes: [0; 5], length };
        value.bytes.get_mut(..length).filter(|_| length >= CHECK_VALUE_BYTES_MIN)?.copy_from_slice(told);
        Some(value)
    }

    /// Its bytes: 5 for AES, else 3.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether the other side told the same: its whole or its front, at least 3 bytes.
    pub fn is_told_by(&self, told: &[u8]) -> bool {
        told.len() >= CHECK_VALUE_BYTES_MIN && self.bytes().starts_with(told)
    }

    /// Whether two may be of one key: one of them is the other's front.
    pub fn agrees_with(&self, other: &CheckValue) -> bool {
        self.is_told_by(other.bytes()) || other.is_told_by(self.bytes())
    }
}

impl fmt::Display for CheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for CheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
