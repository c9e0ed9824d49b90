//! Keys that know what they are for. What encrypts, MACs or derives is made from one of these and asks it first.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// The longest key: HMAC-SHA-256's block.
pub const KEY_BYTES_MAX: usize = 64;

/// A key with its algorithm, usage and mode of use, none of which can be changed. It cannot be printed, and its bytes are
/// overwritten when it is dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BoundKey {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
    #[zeroize(skip)]
    algorithm: KeyAlgorithm,
    #[zeroize(skip)]
    usage: KeyUsage,
    #[zeroize(skip)]
    mode: ModeOfUse,
}

/// Why bytes are no key of this kind, or a key does not serve. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The algorithm has no keys of this length.
    #[error("a key for {algorithm:?} cannot have {bytes} bytes")]
    Length {
        /// The algorithm.
        algorithm: KeyAlgorithm,
        /// The bytes there were.
        bytes: usize,
    },
    /// The usage is not one of this algorithm's.
    #[error("a key for {algorithm:?} cannot be for {usage:?}")]
    Algorithm {
        /// The usage.
        usage: KeyUsage,
        /// The algorithm.
        algorithm: KeyAlgorithm,
    },
    /// The mode of use is not one of this usage's.
    #[error("a key for {usage:?} has no mode of use {mode:?}")]
    Mode {
        /// The usage.
        usage: KeyUsage,
        /// The mode.
        mode: ModeOfUse,
    },
    /// Two neighbouring parts of a triple DES key are alike, so that it is a single DES key.
    #[error("a triple DES key whose parts are alike is a single DES key")]
    Parts,
    /// The key is for something else.
    #[error("the key is for {usage:?}")]
    Usage {
        /// What it is for.
        usage: KeyUsage,
    },
    /// The key's mode of use forbids it.
    #[error("the key's mode of use, {mode:?}, forbids it")]
    Forbidden {
        /// Its mode of use.
        mode: ModeOfUse,
    },
}

impl BoundKey {
    /// Copies a key's bytes. The parity bits of a triple DES key are neither looked at nor set.
    ///
    /// # Errors
    /// [`KeyError::Length`], [`KeyError::Algorithm`], [`KeyError::Mode`], [`KeyError::Parts`].
    pub fn new(
        usage: KeyUsage,
        mode: ModeOfUse,
        algorithm: KeyAlgorithm,
        bytes: &[u8],
    ) -> Result<BoundKey, KeyError> {
        if !algorithm.takes(bytes.len()) {
            return Err(KeyError::Length { algorithm, bytes: bytes.len() });
        }
        // ISO 9797-1 algorithm 3 has two DES keys, not three.
        if usage == KeyUsage::RetailMac && bytes.len() != 16 {
            return Err(KeyError::Length { algorithm, bytes: bytes.len() });
        }
        if !usage.goes_with(algorithm) {
            return Err(KeyError::Algorithm { usage, algorithm });
        }
        if !usage.has(mode) {
            return Err(KeyError::Mode { usage, mode });
        }
        if algorithm == KeyAlgorithm::Tdes && has_parts_alike(bytes) {
            return Err(KeyError::Parts);
        }
        let mut key = BoundKey { bytes: [0; KEY_BYTES_MAX], length: bytes.len(), algorithm, usage, mode };
        key.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(key)
    }

    /// Makes a new key of random bytes, fresh from a random generator. A triple DES key gets odd parity, which HSMs ask for.
    ///
    /// # Errors
    /// As [`BoundKey::new`]; [`KeyError::Parts`] by chance, once in 2^56 times.
    pub fn from_random(
        usage: KeyUsage,
        mode: ModeOfUse,
        algorithm: KeyAlgorithm,
        random: &[u8],
    ) -> Result<BoundKey, KeyError> {
        let mut key = BoundKey::new(usage, mode, algorithm, random)?;
        if algorithm == KeyAlgorithm::Tdes {
            for byte in &mut key.bytes[..key.length] {
                *byte ^= u8::from(byte.count_ones().is_multiple_of(2));
            }
        }
        Ok(key)
    }

    /// What it is for.
    pub fn usage(&self) -> KeyUsage {
        self.usage
    }

    /// Which half of its usage it may do.
    pub fn mode(&self) -> ModeOfUse {
        self.mode
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The bytes in clear: for sealing it at rest and for nothing else.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Effective bits, at most 256: NIST SP 800-57 part 1, table 2.
    pub(crate) fn strength_bits(&self) -> usize {
        match (self.algorithm, self.length) {
            (KeyAlgorithm::Tdes, 16) => 80,
            (KeyAlgorithm::Tdes, _) => 112,
            (KeyAlgorithm::Aes | KeyAlgorithm::Hmac, bytes) => (8 * bytes).min(256),
        }
    }

    /// The usage has to be one of these.
    pub(crate) fn must_be(&self, usages: &[KeyUsage]) -> Result<(), KeyError> {
        if usages.contains(&self.usage) { Ok(()) } else { Err(KeyError::Usage { usage: self.usage }) }
    }

    /// The mode of use has to allow it.
    pub(crate) fn must_allow(&self, allows: fn(ModeOfUse) -> bool) -> Result<(), KeyError> {
        if allows(self.mode) { Ok(()) } else { Err(KeyError::Forbidden { mode: self.mode }) }
    }
}

/// DES ignores the lowest bit of each byte.
fn has_parts_alike(bytes: &[u8]) -> bool {
    let alike = |one: &[u8], two: &[u8]| one.iter().zip(two).all(|(one, two)| (one ^ two) & 0xFE == 0);
    bytes.chunks_exact(8).zip(bytes[8..].chunks_exact(8)).any(|(one, two)| alike(one, two))
}

impl fmt::Debug for BoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BoundKey { algorithm, usage, mode, length, .. } = self;
        write!(f, "BoundKey({usage:?}, {mode:?}, {algorithm:?}, {length} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_algorithm_one_usage_and_a_mode_that_fits() {
        let new = |usage, mode, algorithm, bytes: &[u8]| {
            BoundKey::new(usage, mode, algorithm, bytes).map(drop).err()
        };
        let (aes, tdes, hmac) = (KeyAlgorithm::Aes, KeyAlgorithm::Tdes, KeyAlgorithm::Hmac);
        let bytes: [u8; 64] = std::array::from_fn(|place| place as u8);
        assert_eq!(new(KeyUsage::PinEncryption, ModeOfUse::Both, aes, &bytes[..16]), None);
        assert_eq!(
            new(KeyUsage::PinEncryption, ModeOfUse::Both, aes, &bytes[..20]),
            Some(KeyError::Length { algorithm: aes, bytes: 20 })
        );
        assert_eq!(
            new(KeyUsage::RetailMac, ModeOfUse::Verify, tdes, &bytes[..24]),
            Some(KeyError::Length { algorithm: tdes, bytes: 24 })
        );
        for (usage, algorithm) in [
            (KeyUsage::RetailMac, aes),
            (KeyUsage::Cmac, hmac),
            (KeyUsage::Hmac, aes),
            (KeyUsage::Data, hmac),
        ] {
            let expected = KeyError::Algorithm { usage, algorithm };
            assert_eq!(new(usage, ModeOfUse::Any, algorithm, &bytes[..16]), Some(expected));
        }
        for (usage, mode) in [
            (KeyUsage::PinEncryption, ModeOfUse::Generate),
            (KeyUsage::Cmac, ModeOfUse::Encrypt),
            (KeyUsage::BaseDerivation, ModeOfUse::Both),
        ] {
            assert_eq!(new(usage, mode, aes, &bytes[..16]), Some(KeyError::Mode { usage, mode }));
        }
    }

    #[test]
    fn a_triple_des_key_that_is_a_single_one_is_refused() {
        let new = |bytes: &[u8]| {
            BoundKey::new(KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Tdes, bytes).map(drop)
        };
        let [one, two, parity] = [[0x10; 8], [0x20; 8], [0x11; 8]];
        assert_eq!(new(&[one, two].concat()), Ok(()));
        assert_eq!(new(&[one, two, one].concat()), Ok(()));
        for parts in [vec![one, one], vec![one, parity], vec![one, two, two], vec![two, two, one]] {
            assert_eq!(new(&parts.concat()), Err(KeyError::Parts));
        }
    }

    #[test]
    fn a_new_triple_des_key_has_odd_parity() {
        let new = |algorithm, random: &[u8]| {
            let (usage, mode) = (KeyUsage::PinEncryption, ModeOfUse::Both);
            BoundKey::from_random(usage, mode, algorithm, random).expect("a key").bytes().to_vec()
        };
        let random: [u8; 16] = std::array::from_fn(|place| 16 * place as u8);
        let key = new(KeyAlgorithm::Tdes, &random);
        assert!(key.iter().all(|byte| byte.count_ones() % 2 == 1));
        assert!(key.iter().zip(random).all(|(byte, random)| (byte ^ random) & 0xFE == 0));
        assert_eq!(new(KeyAlgorithm::Aes, &random), random);
    }

    #[test]
    fn it_does_not_print_itself() {
        let key =
            BoundKey::new(KeyUsage::Cmac, ModeOfUse::Verify, KeyAlgorithm::Aes, &[0xAB; 32]).expect("a key");
        assert_eq!(format!("{key:?}"), "BoundKey(Cmac, Verify, Aes, 32 bytes)");
    }

    #[test]
    fn codes_are_read_back() {
        for usage in KeyUsage::ALL {
            assert_eq!(KeyUsage::of_code(usage.code()), Some(usage));
        }
        for code in b"BCDEGNVX" {
            assert_eq!(ModeOfUse::of_code(*code).map(ModeOfUse::code), Some(*code));
        }
        for code in b"TAH" {
            assert_eq!(KeyAlgorithm::of_code(*code).map(KeyAlgorithm::code), Some(*code));
        }
        assert_eq!(KeyUsage::of_code(*b"P1"), None);
        assert_eq!(ModeOfUse::of_code(b'S'), None);
        assert_eq!(KeyAlgorithm::of_code(b'R'), None);
    }
}
