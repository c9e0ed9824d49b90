//! The link MAC (docs/interface.md#mac), one key per direction: HMAC-SHA-256 unless the link's policy names another.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use iso8583::View;
use mutant::Mutant;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::bound_key::{BoundKey, KeyError};
use crate::cipher::Cmac;
use crate::key::Key;
use crate::retail_mac::{Padding, RetailMac};
use crate::usage::{KeyUsage, ModeOfUse};

/// Bytes of a MAC: DE64 and DE128.
pub const MAC_BYTES: usize = 8;

/// The MAC algorithms, each cut to its first 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC-SHA-256 (RFC 4231), usage M7: the default.
    HmacSha256,
    /// AES-CMAC (RFC 4493), usage M6.
    AesCmac,
    /// ISO 9797-1 algorithm 3 over DES with this padding, usage M3; it has 8 bytes and is not cut.
    Retail(Padding),
}

/// Which end of a direction a MAC key stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacPurpose {
    /// It generates the MACs of what is sent.
    Sign,
    /// It verifies the MACs of what is received.
    Verify,
}

/// A key ready for use: what can be computed from the key alone is computed once. Cheap to clone.
#[derive(Clone)]
pub struct MacKey(Prepared);

#[derive(Clone)]
enum Prepared {
    Hmac(Hmac<Sha256>),
    Cmac(Cmac),
    Retail(Arc<RetailMac>),
}

impl MacKey {
    /// Prepares a key of the default algorithm, HMAC-SHA-256.
    pub fn new(key: &Key) -> MacKey {
        MacKey(Prepared::Hmac(hmac(key.bytes())))
    }

    /// Prepares a key for the algorithm of the link and one end of a direction.
    ///
    /// # Errors
    /// [`KeyError::Usage`] of a key for another algorithm or for no MAC at all; [`KeyError::Forbidden`] where its mode
    /// of use has not this end.
    pub fn bound(key: &BoundKey, algorithm: MacAlgorithm, purpose: MacPurpose) -> Result<MacKey, KeyError> {
        key.must_be(&[match algorithm {
            MacAlgorithm::HmacSha256 => KeyUsage::Hmac,
            MacAlgorithm::AesCmac => KeyUsage::Cmac,
            MacAlgorithm::Retail(_) => KeyUsage::RetailMac,
        }])?;
        key.must_allow(match purpose {
            MacPurpose::Sign => ModeOfUse::may_generate,
            MacPurpose::Verify => ModeOfUse::may_verify,
        })?;
        Ok(MacKey(match algorithm {
            MacAlgorithm::HmacSha256 => Prepared::Hmac(hmac(key.bytes())),
            MacAlgorithm::AesCmac => Prepared::Cmac(Cmac::new(key.bytes())),
            MacAlgorithm::Retail(padding) => Prepared::Retail(Arc::new(RetailMac::new(key.bytes(), padding))),
        }))
    }

    /// The MAC over `bytes`.
    pub fn sign(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        match &self.0 {
            Prepared::Hmac(prepared) => {
                let mut mac = prepared.clone();
                mac.update(bytes);
                let whole = mac.finalize().into_bytes();
                *whole.first_chunk().expect("SHA-256 has 32 bytes")
            }
            Prepared::Cmac(key) => *key.sign(bytes).first_chunk().expect("AES-CMAC has 16 bytes"),
            Prepared::Retail(key) => key.sign(bytes),
        }
    }

    /// Compares in constant time.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        self.sign(bytes).ct_eq(mac).into()
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
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
