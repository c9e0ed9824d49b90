//! The link MAC (docs/interface.md#mac), one key per direction: HMAC-SHA-256 unless the link's policy names another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use iso8583::View;
use mutant::Mutant;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bound_key::{BoundKey, KeyError};
use crate::cipher::Cmac;
use crate::key::Key;
use crate::retail_mac::{Padding, RetailMac};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// Bytes of a MAC: DE64 and DE128.
pub const MAC_BYTES: usize = 8;

/// Bytes of an HMAC key that stands in a file.
const HMAC_KEY_BYTES: usize = 32;

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

impl MacAlgorithm {
    /// All of them.
    pub const ALL: [MacAlgorithm; 4] = [
        MacAlgorithm::HmacSha256,
        MacAlgorithm::AesCmac,
        MacAlgorithm::Retail(Padding::Zeros),
        MacAlgorithm::Retail(Padding::OneThenZeros),
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            MacAlgorithm::HmacSha256 => "hmac-sha256",
            MacAlgorithm::AesCmac => "aes-cmac",
            MacAlgorithm::Retail(Padding::Zeros) => "retail",
            MacAlgorithm::Retail(Padding::OneThenZeros) => "retail-padding-2",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<MacAlgorithm> {
        MacAlgorithm::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The usage and algorithm of its keys.
    pub fn kind(self) -> (KeyUsage, KeyAlgorithm) {
        match self {
            MacAlgorithm::HmacSha256 => (KeyUsage::Hmac, KeyAlgorithm::Hmac),
            MacAlgorithm::AesCmac => (KeyUsage::Cmac, KeyAlgorithm::Aes),
            MacAlgorithm::Retail(_) => (KeyUsage::RetailMac, KeyAlgorithm::Tdes),
        }
    }
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
    /// The first makes MACs, each of them checks.
    Several(Arc<[MacKey]>),
    /// One that notes that it has found a MAC right.
    Noting(Arc<MacKey>, Arc<AtomicBool>),
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
        key.must_be(&[algorithm.kind().0])?;
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

    /// Prepares a key that stands as bytes in a file, for one end of a direction and nothing else.
    ///
    /// # Errors
    /// [`KeyError`]: bytes that are no key of the algorithm. HMAC's has 32 bytes, CMAC's 16, 24 or 32, that of the retail MAC
    /// 16 whose halves differ.
    pub fn of_bytes(bytes: &[u8], algorithm: MacAlgorithm, purpose: MacPurpose) -> Result<MacKey, KeyError> {
        let (usage, kind) = algorithm.kind();
        let mode = match purpose {
            MacPurpose::Sign => ModeOfUse::Generate,
            MacPurpose::Verify => ModeOfUse::Verify,
        };
        if algorithm == MacAlgorithm::HmacSha256 && bytes.len() != HMAC_KEY_BYTES {
            return Err(KeyError::Length { algorithm: kind, bytes: bytes.len() });
        }
        MacKey::bound(&BoundKey::new(usage, mode, kind, bytes)?, algorithm, purpose)
    }

    /// One that checks MACs of any of these, the likeliest first, and makes those of the first; while a key is exchanged for
    /// the next.
    pub fn any_of(first: MacKey, others: impl IntoIterator<Item = MacKey>) -> MacKey {
        let keys: Arc<[MacKey]> = std::iter::once(first.clone()).chain(others).collect();
        if keys.len() == 1 { first } else { MacKey(Prepared::Several(keys)) }
    }

    /// The same key, which sets this once it has found a MAC right: the other end has it, and makes MACs with it.
    pub fn noting(self, found_one: Arc<AtomicBool>) -> MacKey {
        MacKey(Prepared::Noting(Arc::new(self), found_one))
    }

    /// The algorithm that it was prepared for.
    pub fn algorithm(&self) -> MacAlgorithm {
        match &self.0 {
            Prepared::Hmac(_) => MacAlgorithm::HmacSha256,
            Prepared::Cmac(_) => MacAlgorithm::AesCmac,
            Prepared::Retail(key) => MacAlgorithm::Retail(key.padding()),
            Prepared::Several(keys) => keys[0].algorithm(),
            Prepared::Noting(key, _) => key.algorithm(),
        }
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
            Prepared::Several(keys) => keys[0].sign(bytes),
            Prepared::Noting(key, _) => key.sign(bytes),
        }
    }

    /// Compares in constant time.
    pub fn verify(&self, bytes: &[u8], mac: &[u8]) -> bool {
        match &self.0 {
            Prepared::Several(keys) => keys.iter().any(|key| key.verify(bytes, mac)),
            Prepared::Noting(key, found_one) => {
                let is_right = key.verify(bytes, mac);
                if is_right {
                    found_one.store(true, Ordering::Relaxed);
                }
                is_right
            }
            _ => self.sign(bytes).ct_eq(mac).into(),
        }
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
    /// The keys of one end, as they stand in a file in hex.
    ///
    /// # Errors
    /// `true` where the key to sign with is none of the algorithm, `false` where that to verify with is none.
    pub fn of_hex(algorithm: MacAlgorithm, sign: &str, verify: &str) -> Result<LinkMac, bool> {
        let key = |hex: &str, purpose| {
            let bytes = hex_bytes(hex)?;
            MacKey::of_bytes(&bytes, algorithm, purpose).ok()
        };
        let sign = key(sign, MacPurpose::Sign).ok_or(true)?;
        Ok(LinkMac { sign, verify: key(verify, MacPurpose::Verify).ok_or(false)? })
    }

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
            return if mutant::is(Mutant::AbsentMacAccepted) { Ok(()) } else { Err(MacError::Missing) };
        };
        let is_right = self.verify.verify(&view.bytes()[..offset], mac) || mutant::is(Mutant::MacNotChecked);
        if is_right { Ok(()) } else { Err(MacError::Wrong) }
    }
}

/// The bytes that hex digits stand for.
pub(crate) fn hex_bytes(digits: &str) -> Option<Zeroizing<Vec<u8>>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
    pairs.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
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

    #[test]
    fn while_keys_change_each_of_them_checks_and_the_first_makes() {
        let [newest, before, other] = [1, 2, 3].map(|byte| MacKey::new(&Key::new([byte; 32])));
        let both = MacKey::any_of(newest.clone(), [before.clone()]);
        assert_eq!(both.sign(b"0800"), newest.sign(b"0800"));
        for (key, is_good) in [(&newest, true), (&before, true), (&other, false)] {
            assert_eq!(both.verify(b"0800", &key.sign(b"0800")), is_good);
        }
        assert!(!MacKey::any_of(newest, []).verify(b"0800", &before.sign(b"0800")));
        assert_eq!(both.algorithm(), MacAlgorithm::HmacSha256);
    }

    #[test]
    fn a_key_that_notes_says_when_it_was_found_in_use_itself() {
        let [newest, before] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
        let found_one = Arc::new(AtomicBool::new(false));
        let both = MacKey::any_of(newest.clone().noting(Arc::clone(&found_one)), [before.clone()]);
        for (mac, is_good, is_noted) in [
            (before.sign(b"0800"), true, false),
            ([0; MAC_BYTES], false, false),
            (newest.sign(b"0800"), true, true),
        ] {
            assert_eq!(both.verify(b"0800", &mac), is_good);
            assert_eq!(found_one.load(Ordering::Relaxed), is_noted);
        }
        assert_eq!(both.sign(b"0800"), newest.sign(b"0800"));
        assert_eq!(both.algorithm(), MacAlgorithm::HmacSha256);
    }

    const OPENSSL_0800: [u8; 8] = [0x54, 0x69, 0xB7, 0xE7, 0x56, 0x36, 0xD3, 0x29];
}
