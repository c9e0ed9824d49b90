//! The link MAC: HMAC-SHA-256 cut to 8 bytes (docs/interface.md#mac), one key per direction.

use hmac::{Hmac, KeyInit, Mac};
use iso8583::View;
use mutant::Mutant;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::key::Key;

/// Bytes of a MAC: DE64 and DE128.
pub const MAC_BYTES: usize = 8;

/// A key ready for use: the hash state behind the padded key is computed once.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// Prepares a key.
    pub fn new(key: &Key) -> MacKey {
        MacKey(Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length"))
    }

    /// The MAC over `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = self.0.clone();
        mac.update(bytes);
        let whole = mac.finalize().into_bytes();
        *whole.first_chunk().expect("SHA-256 has 32 bytes")
    }

    /// Compares in constant time.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        self.sign(bytes).ct_eq(mac).into()
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

/// The two keys of one peer on a link.
#[derive(Clone, Debug)]
pub struct LinkMac {
    /// Signs what this side sends.
    pub sign: MacKey,
    /// Checks what this side receives.
    pub verify: MacKey,
}

/// Why a message is not authentic. Never holds the right value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MacError {
    /// No DE64 and no DE128, or DE64 in a message that has elements from 65 on.
    #[error("the MAC is missing")]
    Missing,
    /// DE64 and DE128 are both there: a format error, 30.
    #[error("two MACs")]
    Both,
    /// The MAC is another.
    #[error("the MAC is wrong")]
    Wrong,
}

impl LinkMac {
    /// Checks a message that was received.
    ///
    /// # Errors
    /// [`MacError`]: an absent MAC is a wrong MAC.
    pub fn check(&self, view: &View<'_>) -> Result<(), MacError> {
        if view.has(64) && view.has(128) {
            return Err(MacError::Both);
        }
        let element = view.mac_element();
        let (Some(mac), Some(offset)) = (view.raw(element), view.offset(element)) else {
            return Err(MacError::Missing);
        };
        let is_right = self.verify.verify(&view.bytes()[..offset], mac) || mutant::is(Mutant::MacNotChecked);
        if is_right { Ok(()) } else { Err(MacError::Wrong) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Against openssl (`openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f`) over "0800".
    #[test]
    fn the_front_of_hmac_sha_256() {
        let key = Key::new(std::array::from_fn(|index| index as u8));
        let mac = MacKey::new(&key).sign(b"0800");
        assert_eq!(mac, OPENSSL_0800);
        assert!(MacKey::new(&key).verify(b"0800", &mac));
        assert!(!MacKey::new(&key).verify(b"0801", &mac));
        assert!(!MacKey::new(&key).verify(b"0800", &mac[..7]));
    }

    const OPENSSL_0800: [u8; 8] = [0x54, 0x69, 0xB7, 0xE7, 0x56, 0x36, 0xD3, 0x29];
}
