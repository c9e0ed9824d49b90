//! PIN blocks (ISO 9564-1 formats 0, 3 and 4) and their translation from one key to another.

use std::fmt;

use credential::Pan;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::bound_key::{BoundKey, KeyError};
use crate::cipher::{AES_BLOCK, Aes, DES_BLOCK, Tdes, xor};
use crate::pin_field::{self, Pin};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// The shortest PIN (ISO 9564-1).
pub const PIN_DIGITS_MIN: usize = 4;
/// The longest PIN (ISO 9564-1).
pub const PIN_DIGITS_MAX: usize = 12;
/// Random bytes that a new PIN block asks for: the fill of format 3, the second half of format 4; format 0 takes none.
pub const RANDOM_BYTES: usize = 8;

const PAN_DIGITS_MIN: usize = 13;
const PAN_DIGITS_MAX: usize = 19;

/// How a PIN block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinFormat {
    /// Format 0: PIN field and PAN by exclusive or, under triple DES; 8 bytes (DE52). The same PIN, PAN and key always give
    /// the same block.
    Iso0,
    /// Format 3: as 0 with a random fill; 8 bytes (DE52).
    Iso3,
    /// Format 4: PIN field under AES, the PAN by exclusive or, AES again; 16 bytes (DE121).
    Iso4,
}

/// A PIN block under its key. It cannot print itself, and is overwritten when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PinBlock {
    #[zeroize(skip)]
    format: PinFormat,
    bytes: [u8; AES_BLOCK],
}

/// The PAN that a PIN block is bound to: 13 to 19 digits. It cannot print itself.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PinPan {
    digits: [u8; PAN_DIGITS_MAX],
    length: usize,
}

/// A key that encrypts or decrypts PIN blocks and does nothing else, its schedule ready. Cheap to clone.
#[derive(Clone)]
pub struct PinKey {
    cipher: Cipher,
    mode: ModeOfUse,
}

#[derive(Clone)]
enum Cipher {
    Tdes(Tdes),
    Aes(Aes),
}

/// Why there is no PIN block. None says anything about the PIN, the PAN or a key; DE39 is 88 for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PinError {
    /// Another length than the format's.
    #[error("a PIN block of format {format:?} has {expected} bytes, not {bytes}")]
    Length {
        /// The format.
        format: PinFormat,
        /// The format's length.
        expected: usize,
        /// The bytes there were.
        bytes: usize,
    },
    /// Not 13 to 19 digits.
    #[error("a PIN block's PAN has 13 to 19 digits")]
    Pan,
    /// Formats 0 and 3 are for triple DES, format 4 is for AES.
    #[error("the key's algorithm is not that of format {format:?}")]
    Algorithm {
        /// The format.
        format: PinFormat,
    },
    /// The key's mode of use forbids it.
    #[error("the key's mode of use, {mode:?}, forbids it")]
    Forbidden {
        /// Its mode of use.
        mode: ModeOfUse,
    },
    /// No PIN under this key, in this format, for this PAN. Which of them it was cannot be told from a block, and is not
    /// told.
    #[error("the PIN block cannot be read under this key, format and PAN")]
    Unreadable,
}

/// Translates a PIN block from a terminal's key to a bank's: deciphers, checks, enciphers anew, in `format`, for the same
/// PAN. The clear PIN does not leave this function. `random` has to be fresh from a random generator.
///
/// How surely another PAN than the block's is found out depends on the format of `block`:
///
/// - Format 4: for another PAN the field is as if random, and passes for one with a chance of about 1 in 17 million.
/// - Format 0: the digits of the PAN lie over digits of the PIN and fill. Of the 12 digits that count (the rightmost, without
///   the check digit), another digit over a fill is always found out: for a PIN of n digits these are the last 14 − n, so the last
///   10 for a PIN of 4. Another digit over a digit of the PIN (the first n − 2) is found out only when no digit comes out of
///   it; else another PIN comes out, which the bank has to refuse.
/// - Format 3: as format 0, but over a fill, too, another digit is found out only when no letter A to F comes out of it.
///
/// The digits of the PAN before those 12, and its check digit, are in no block of formats 0 and 3.
///
/// # Errors
/// [`PinError::Algorithm`], [`PinError::Forbidden`], [`PinError::Unreadable`].
pub fn translate_pin(
    block: &PinBlock,
    pan: &PinPan,
    from: &PinKey,
    to: &PinKey,
    format: PinFormat,
    random: &[u8; RANDOM_BYTES],
) -> Result<PinBlock, PinError> {
    // What the second key forbids is said before the first is used.
    to.makes(format)?;
    let pin = decipher(block, pan, from)?;
    encipher(&pin, pan, to, format, random)
}

/// The PIN of a block.
pub(crate) fn decipher(block: &PinBlock, pan: &PinPan, key: &PinKey) -> Result<Pin, PinError> {
    key.check(block.format, ModeOfUse::may_decrypt)?;
    let mut field = Zeroizing::new(block.bytes);
    match &key.cipher {
        Cipher::Tdes(cipher) => {
            cipher.decrypt(des_half(&mut field));
            xor(des_half(&mut field), &*pan.field_of_12());
        }
        Cipher::Aes(cipher) => {
            cipher.decrypt(&mut field);
            xor(&mut *field, &*pan.field_of_19());
            cipher.decrypt(&mut field);
        }
    }
    pin_field::read(block.format, &field).ok_or(PinError::Unreadable)
}

/// A block of a PIN.
pub(crate) fn encipher(
    pin: &Pin,
    pan: &PinPan,
    key: &PinKey,
    format: PinFormat,
    random: &[u8; RANDOM_BYTES],
) -> Result<PinBlock, PinError> {
    key.check(format, ModeOfUse::may_encrypt)?;
    let mut block = PinBlock { format, bytes: [0; AES_BLOCK] };
    pin_field::write(pin, format, random, &mut block.bytes);
    match &key.cipher {
        Cipher::Tdes(cipher) => {
            xor(&mut block.bytes[..DES_BLOCK], &*pan.field_of_12());
            cipher.encrypt(des_half(&mut block.bytes));
        }
        Cipher::Aes(cipher) => {
            cipher.encrypt(&mut block.bytes);
            xor(&mut block.bytes, &*pan.field_of_19());
            cipher.encrypt(&mut block.bytes);
        }
    }
    Ok(block)
}

fn des_half(field: &mut [u8; AES_BLOCK]) -> &mut [u8; DES_BLOCK] {
    field.first_chunk_mut().expect("the field has 16 bytes")
}

impl PinFormat {
    /// Its number, 0, 3 or 4, which is also the first half byte of its field.
    pub fn number(self) -> u8 {
        match self {
            PinFormat::Iso0 => 0,
            PinFormat::Iso3 => 3,
            PinFormat::Iso4 => 4,
        }
    }

    /// The format of a number; `None` for another than 0, 3 and 4.
    pub fn of_number(number: u8) -> Option<PinFormat> {
        [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4].into_iter().find(|one| one.number() == number)
    }

    /// The bytes of its blocks: 8 or 16.
    pub fn block_bytes(self) -> usize {
        match self {
            PinFormat::Iso0 | PinFormat::Iso3 => DES_BLOCK,
            PinFormat::Iso4 => AES_BLOCK,
        }
    }

    /// The algorithm of its keys.
    pub fn algorithm(self) -> KeyAlgorithm {
        match self {
            PinFormat::Iso0 | PinFormat::Iso3 => KeyAlgorithm::Tdes,
            PinFormat::Iso4 => KeyAlgorithm::Aes,
        }
    }
}

impl PinBlock {
    /// Takes a block as it came, in DE52 or DE121.
    ///
    /// # Errors
    /// [`PinError::Length`].
    pub fn new(format: PinFormat, bytes: &[u8]) -> Result<PinBlock, PinError> {
        let expected = format.block_bytes();
        if bytes.len() != expected {
            return Err(PinError::Length { format, expected, bytes: bytes.len() });
        }
        let mut block = PinBlock { format, bytes: [0; AES_BLOCK] };
        block.bytes[..expected].copy_from_slice(bytes);
        Ok(block)
    }

    /// Its format.
    pub fn format(&self) -> PinFormat {
        self.format
    }

    /// The 8 or 16 bytes for DE52 or DE121.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.format.block_bytes()]
    }
}

impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinBlock({:?})", self.format)
    }
}

impl PinPan {
    /// Reads 13 to 19 ASCII digits. The check digit is not checked.
    ///
    /// # Errors
    /// [`PinError::Pan`].
    pub fn parse(digits: &[u8]) -> Result<PinPan, PinError> {
        let is_good = (PAN_DIGITS_MIN..=PAN_DIGITS_MAX).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_digit);
        if !is_good {
            return Err(PinError::Pan);
        }
        let mut pan = PinPan { digits: [0; PAN_DIGITS_MAX], length: digits.len() };
        for (own, digit) in pan.digits.iter_mut().zip(digits) {
            *own = digit - b'0';
        }
        Ok(pan)
    }

    /// Its ASCII digits, for a hardware module: they are part of the command that has the block translated.
    pub fn digits_for_module(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.digits[..self.length].iter().map(|digit| b'0' + digit).collect())
    }

    /// The PAN field of formats 0 and 3: four zeros, the 12 rightmost digits without the check digit.
    fn field_of_12(&self) -> Zeroizing<[u8; DES_BLOCK]> {
        let end = self.length - 1;
        let mut field = Zeroizing::new([0; DES_BLOCK]);
        for (byte, pair) in field[2..].iter_mut().zip(self.digits[end - 12..end].chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        field
    }

    /// The PAN field of format 4: how many digits there are beyond 12, all digits, zeros.
    fn field_of_19(&self) -> Zeroizing<[u8; AES_BLOCK]> {
        let mut nibbles = Zeroizing::new([0; 2 * AES_BLOCK]);
        nibbles[0] = (self.length - 12) as u8;
        nibbles[1..=PAN_DIGITS_MAX].copy_from_slice(&self.digits);
        let mut field = Zeroizing::new([0; AES_BLOCK]);
        for (byte, pair) in field.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        field
    }
}

impl From<&Pan> for PinPan {
    fn from(pan: &Pan) -> PinPan {
        PinPan::parse(pan.digits()).expect("a citizen card's PAN has 19 digits")
    }
}

impl fmt::Debug for PinPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinPan")
    }
}

impl PinKey {
    /// Prepares a key.
    ///
    /// # Errors
    /// [`KeyError::Usage`] of a key that is not for PINs (P0).
    pub fn new(key: &BoundKey) -> Result<PinKey, KeyError> {
        key.must_be(&[KeyUsage::PinEncryption])?;
        let cipher = match key.algorithm() {
            KeyAlgorithm::Aes => Cipher::Aes(Aes::new(key.bytes())),
            KeyAlgorithm::Tdes | KeyAlgorithm::Hmac => Cipher::Tdes(Tdes::new(key.bytes())),
        };
        Ok(PinKey { cipher, mode: key.mode() })
    }

    /// Whether it makes blocks of this format.
    ///
    /// # Errors
    /// [`PinError::Algorithm`], [`PinError::Forbidden`].
    pub fn makes(&self, format: PinFormat) -> Result<(), PinError> {
        self.check(format, ModeOfUse::may_encrypt)
    }

    fn check(&self, format: PinFormat, allows: fn(ModeOfUse) -> bool) -> Result<(), PinError> {
        let algorithm = match self.cipher {
            Cipher::Tdes(_) => KeyAlgorithm::Tdes,
            Cipher::Aes(_) => KeyAlgorithm::Aes,
        };
        if algorithm != format.algorithm() {
            return Err(PinError::Algorithm { format });
        }
        if allows(self.mode) { Ok(()) } else { Err(PinError::Forbidden { mode: self.mode }) }
    }
}

impl fmt::Debug for PinKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinKey")
    }
}
