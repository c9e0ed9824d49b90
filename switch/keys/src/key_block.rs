//! Key blocks: TR-31 version D (ISO 20038, ANSI X9.143), one key under a key block protection key, bound to what its header
//! says. docs/security.md#key-blocks.

use std::fmt;

use mutant::Mutant;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bound_key::{BoundKey, KEY_BYTES_MAX, KeyError};
use crate::cipher::{AES_BLOCK, Aes, Cmac};
use crate::key_block_header::{Attributes, Header, KeyVersion};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// The longest key block that is read or written: what DE120 holds.
pub const KEY_BLOCK_CHARACTERS_MAX: usize = 999;
/// Random bytes that wrapping asks for: it fills up at most 30, behind the shortest AES key.
pub const KEY_BLOCK_RANDOM_BYTES: usize = 32;

/// The longest clear text: a length of two bytes, the longest key, and what fills it up.
const CLEAR_BYTES_MAX: usize = (2 + KEY_BYTES_MAX).next_multiple_of(AES_BLOCK);
const LENGTH_BYTES: usize = 2;

/// A key block protection key (ZMK, TMK), its two children ready: one encrypts, one authenticates. Cheap to clone.
#[derive(Clone)]
pub struct KeyBlockKey {
    encryption: Aes,
    authentication: Cmac,
    strength_bits: usize,
    mode: ModeOfUse,
}

/// What a received key block has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What the key has to be for.
    pub usage: KeyUsage,
    /// The lowest version number that is taken: the one behind that of the key now in use, so that none comes back.
    pub version_min: KeyVersion,
}

/// A key out of a key block.
#[derive(Clone, Debug)]
pub struct Unwrapped {
    /// The key, with the usage and mode that its block says.
    pub key: BoundKey,
    /// The rest of what the header says.
    pub attributes: Attributes,
}

/// Why a key block is refused or not made. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyBlockError {
    /// The block is no key block of this version: wrong at this character, counted from 0.
    #[error("no key block: character {position}: {reason}")]
    Form {
        /// The character.
        position: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Another version than D.
    #[error("the key block's version is not D")]
    Version,
    /// Made under another key, or changed: in its header, its key or its MAC. Which of them cannot be told.
    #[error("the key block's MAC is wrong")]
    Mac,
    /// An authentic header says what the switch has no use for.
    #[error("the key block's header: {0}")]
    Header(&'static str),
    /// An authentic key for something else than was asked for.
    #[error("the key block's key is for {usage:?}")]
    Usage {
        /// What it is for.
        usage: KeyUsage,
    },
    /// An authentic key whose version number is below the lowest that is taken.
    #[error("the key block's key has version {version}, the lowest that is taken is {version_min}")]
    Rollback {
        /// Its version.
        version: KeyVersion,
        /// The lowest.
        version_min: KeyVersion,
    },
    /// Keys are only protected by keys that are at least as strong.
    #[error("a key of {bits} bits cannot be under one of {under_bits}")]
    Strength {
        /// The key's effective bits.
        bits: usize,
        /// Those of the key block protection key.
        under_bits: usize,
    },
    /// The block would be longer than DE120.
    #[error("a key block would have {characters} characters, {KEY_BLOCK_CHARACTERS_MAX} are the most")]
    TooLong {
        /// Its length.
        characters: usize,
    },
    /// The authentic key is none of its algorithm, or the protection key does not serve.
    #[error("{0}")]
    Key(#[from] KeyError),
}

impl KeyBlockKey {
    /// Prepares a key: derives its two children (X9.143, 7.3.3).
    ///
    /// # Errors
    /// [`KeyError::Usage`] of a key that is for neither K0 nor K1; [`KeyError::Algorithm`] of one that is not for AES.
    pub fn new(key: &BoundKey) -> Result<KeyBlockKey, KeyError> {
        key.must_be(&[KeyUsage::KeyBlockProtection, KeyUsage::KeyEncryption])?;
        if key.algorithm() != KeyAlgorithm::Aes {
            return Err(KeyError::Algorithm { usage: key.usage(), algorithm: key.algorithm() });
        }
        let length = key.bytes().len();
        let parent = Cmac::new(key.bytes());
        Ok(KeyBlockKey {
            encryption: Aes::new(&child(&parent, Child::Encryption, length)[..length]),
            authentication: Cmac::new(&child(&parent, Child::Authentication, length)[..length]),
            strength_bits: key.strength_bits(),
            mode: key.mode(),
        })
    }

    /// Makes the key block of a key. Its length is hidden: triple DES keys fill up to 24 bytes, AES keys to 32. `random` has
    /// to be fresh from a random generator.
    ///
    /// # Errors
    /// [`KeyBlockError::Strength`], [`KeyBlockError::TooLong`], [`KeyBlockError::Header`] of attributes that cannot be
    /// written, [`KeyError::Forbidden`] where this key only unwraps.
    pub fn wrap(
        &self,
        key: &BoundKey,
        attributes: &Attributes,
        random: &[u8; KEY_BLOCK_RANDOM_BYTES],
    ) -> Result<String, KeyBlockError> {
        if !self.mode.may_encrypt() {
            return Err(KeyError::Forbidden { mode: self.mode }.into());
        }
        self.must_protect(key)?;
        let filled = match key.algorithm() {
            KeyAlgorithm::Tdes => 24,
            KeyAlgorithm::Aes => 32,
            KeyAlgorithm::Hmac => key.bytes().len(),
        };
        let clear_bytes = (LENGTH_BYTES + filled).next_multiple_of(AES_BLOCK);
        let mut block = Header::write(key, attributes, 2 * (clear_bytes + AES_BLOCK))?;

        let mut clear = Zeroizing::new([0; CLEAR_BYTES_MAX]);
        let clear = &mut clear[..clear_bytes];
        let key_end = LENGTH_BYTES + key.bytes().len();
        clear[..LENGTH_BYTES].copy_from_slice(&(8 * key.bytes().len() as u16).to_be_bytes());
        clear[LENGTH_BYTES..key_end].copy_from_slice(key.bytes());
        clear[key_end..].copy_from_slice(&random[..clear_bytes - key_end]);

        let mac = self.mac(block.as_bytes(), clear);
        self.encryption.encrypt_cbc(mac, clear);
        for byte in clear.iter().chain(&mac) {
            block.push_str(&format!("{byte:02X}"));
        }
        Ok(block)
    }

    /// Takes the key out of a key block, in this order: form, MAC (in constant time), usage, version, key.
    ///
    /// # Errors
    /// [`KeyBlockError`].
    pub fn unwrap(&self, block: &[u8], expected: Expected) -> Result<Unwrapped, KeyBlockError> {
        if !self.mode.may_decrypt() {
            return Err(KeyError::Forbidden { mode: self.mode }.into());
        }
        let header = Header::frame(block)?;
        let (mut clear, clear_bytes, mac) = sealed_part(block, header.length)?;
        let clear = &mut clear[..clear_bytes];
        self.encryption.decrypt_cbc(mac, clear);
        let is_authentic = bool::from(self.mac(&block[..header.length], clear).ct_eq(&mac));
        if !is_authentic && !mutant::is(Mutant::KeyBlockUnsigned) {
            return Err(KeyBlockError::Mac);
        }

        let (usage, mode, algorithm, attributes) = header.read()?;
        if usage != expected.usage && !mutant::is(Mutant::KeyUsageIgnored) {
            return Err(KeyBlockError::Usage { usage });
        }
        if attributes.version < expected.version_min && !mutant::is(Mutant::KeyComesBack) {
            let (version, version_min) = (attributes.version, expected.version_min);
            return Err(KeyBlockError::Rollback { version, version_min });
        }
        let bits = usize::from(u16::from_be_bytes([clear[0], clear[1]]));
        let bytes = clear[LENGTH_BYTES..].get(..bits / 8).filter(|_| bits.is_multiple_of(8));
        let bytes = bytes.ok_or(KeyBlockError::Header("the length of the key is not that of the block"))?;
        let key = BoundKey::new(usage, mode, algorithm, bytes)?;
        self.must_protect(&key)?;
        Ok(Unwrapped { key, attributes })
    }

    fn must_protect(&self, key: &BoundKey) -> Result<(), KeyBlockError> {
        let (bits, under_bits) = (key.strength_bits(), self.strength_bits);
        if bits <= under_bits { Ok(()) } else { Err(KeyBlockError::Strength { bits, under_bits }) }
    }

    /// Over the header as it stands and the clear text; it is also the initial vector.
    fn mac(&self, header: &[u8], clear: &[u8]) -> [u8; AES_BLOCK] {
        let mut text = Zeroizing::new(Vec::with_capacity(header.len() + clear.len()));
        text.extend_from_slice(header);
        text.extend_from_slice(clear);
        self.authentication.sign(&text)
    }
}

impl fmt::Debug for KeyBlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBlockKey")
    }
}

#[derive(Clone, Copy)]
enum Child {
    Encryption = 0,
    Authentication = 1,
}

/// X9.143, table 1: counter, usage, separator, algorithm, length in bits; CMAC of it, as often as the length asks for.
fn child(parent: &Cmac, child: Child, length: usize) -> Zeroizing<[u8; 32]> {
    let algorithm = match length {
        16 => 2,
        24 => 3,
        _ => 4,
    };
    let [bits_high, bits_low] = (8 * length as u16).to_be_bytes();
    let mut derived = Zeroizing::new([0; 32]);
    for (place, block) in derived.chunks_exact_mut(AES_BLOCK).enumerate() {
        let data = [place as u8 + 1, 0, child as u8, 0, 0, algorithm, bits_high, bits_low];
        block.copy_from_slice(&parent.sign(&data));
    }
    derived
}

type Sealed = (Zeroizing<[u8; CLEAR_BYTES_MAX]>, usize, [u8; AES_BLOCK]);

/// What stands behind the header: the sealed key, how long it is, and the MAC.
fn sealed_part(block: &[u8], header: usize) -> Result<Sealed, KeyBlockError> {
    let form = |reason| KeyBlockError::Form { position: header, reason };
    let digits = &block[header..];
    let sealed_bytes = (digits.len() / 2)
        .checked_sub(AES_BLOCK)
        .filter(|bytes| (2 * AES_BLOCK..=CLEAR_BYTES_MAX).contains(bytes) && bytes.is_multiple_of(AES_BLOCK))
        .filter(|_| digits.len().is_multiple_of(2))
        .ok_or(form("a sealed key has 32 to 80 bytes, whole blocks, and a MAC of 16"))?;
    let mut bytes = [0; CLEAR_BYTES_MAX + AES_BLOCK];
    for (place, (byte, pair)) in bytes.iter_mut().zip(digits.chunks_exact(2)).enumerate() {
        *byte = hex_byte(pair).ok_or(KeyBlockError::Form {
            position: header + 2 * place,
            reason: "two upper-case hex digits have to stand here",
        })?;
    }
    let mut sealed = Zeroizing::new([0; CLEAR_BYTES_MAX]);
    sealed[..sealed_bytes].copy_from_slice(&bytes[..sealed_bytes]);
    let mac = bytes[sealed_bytes..].first_chunk().expect("16 bytes stand behind the sealed key");
    Ok((sealed, sealed_bytes, *mac))
}

/// Two hex digits, upper case alone: each block has one spelling, so that no bit of it can be changed unnoticed.
pub(crate) fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    Some(digit(pair[0])? << 4 | digit(pair[1])?)
}
