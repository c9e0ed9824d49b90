//! TDES-DUKPT (ANSI X9.24-1:2009, annex A): the key of one transaction from the base derivation key and the key serial
//! number, for terminals that know no AES.

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::bound_key::{BoundKey, KeyError};
use crate::cipher::{DES_BLOCK, Tdes, xor};
use crate::dukpt_aes::{DukptError, DukptPurpose};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// Bytes of a key serial number (DE122): key set, terminal, and a counter of 21 bits.
pub const TDES_KSN_BYTES: usize = 10;
/// A counter has no more bits set than these: a terminal skips the others (X9.24-1:2009, A.1).
pub const TDES_COUNTER_BITS_MAX: u32 = 10;

const COUNTER_MASK: u32 = 0x1F_FFFF;
const KEY_BYTES: usize = 16;
/// Makes the right half of an initial key, and the left half of each step's.
const OTHER_HALF: [u8; KEY_BYTES] = [0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0, 0xC0, 0xC0, 0xC0, 0xC0, 0, 0, 0, 0];

/// A key serial number whose counter a terminal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TdesKsn([u8; TDES_KSN_BYTES]);

impl TdesKsn {
    /// Reads the 10 bytes.
    ///
    /// # Errors
    /// [`DukptError::Length`], [`DukptError::Counter`].
    pub fn parse(bytes: &[u8]) -> Result<TdesKsn, DukptError> {
        let ksn = TdesKsn(
            bytes
                .try_into()
                .map_err(|_| DukptError::Length { expected: TDES_KSN_BYTES, bytes: bytes.len() })?,
        );
        let (bits_set, bits_max) = (ksn.counter().count_ones(), TDES_COUNTER_BITS_MAX);
        if bits_set == 0 || bits_set > bits_max {
            return Err(DukptError::Counter { bits_set, bits_max });
        }
        Ok(ksn)
    }

    /// The key serial number with its counter at 0, which names the terminal's key.
    pub fn initial(&self) -> [u8; TDES_KSN_BYTES] {
        let mut initial = self.0;
        initial[7] &= 0xE0;
        initial[8..].fill(0);
        initial
    }

    /// The transaction counter: a terminal never uses one twice.
    pub fn counter(&self) -> u32 {
        u32::from_be_bytes([0, self.0[7], self.0[8], self.0[9]]) & COUNTER_MASK
    }
}

/// The initial key of one terminal (IPEK): what is put into it. The counter in `ksn` does not count.
///
/// # Errors
/// [`DukptError::Key`] unless `base` is a double-length triple DES key for B0.
pub fn tdes_dukpt_initial_key(base: &BoundKey, ksn: &[u8; TDES_KSN_BYTES]) -> Result<BoundKey, DukptError> {
    must_derive(base, KeyUsage::BaseDerivation)?;
    let mut serial = [0; DES_BLOCK];
    serial.copy_from_slice(&ksn[..DES_BLOCK]);
    serial[7] &= 0xE0;
    let mut other = Zeroizing::new([0; KEY_BYTES]);
    other.copy_from_slice(base.bytes());
    xor(&mut *other, &OTHER_HALF);
    let mut initial = Zeroizing::new([0; KEY_BYTES]);
    let (halves, _) = initial.as_chunks_mut::<DES_BLOCK>();
    for (half, key) in halves.iter_mut().zip([base.bytes(), &*other]) {
        *half = serial;
        Tdes::new(key).encrypt(half);
    }
    Ok(BoundKey::new(KeyUsage::DukptInitial, ModeOfUse::Derive, KeyAlgorithm::Tdes, &*initial)?)
}

/// The key of one transaction, from the base derivation key (B0) or the terminal's initial key (B1): a PIN key, or a key of
/// the retail MAC.
///
/// # Errors
/// [`DukptError::Key`]; [`DukptError::Purpose`] for [`DukptPurpose::MacBothWays`].
pub fn tdes_dukpt_key(from: &BoundKey, ksn: &TdesKsn, purpose: DukptPurpose) -> Result<BoundKey, DukptError> {
    // X9.24-1:2009, table A-1: which byte of each half is turned over.
    let (place, usage, mode) = match purpose {
        DukptPurpose::Pin => (7, KeyUsage::PinEncryption, ModeOfUse::Both),
        DukptPurpose::MacFromTerminal => (6, KeyUsage::RetailMac, ModeOfUse::GenerateAndVerify),
        DukptPurpose::MacToTerminal => (4, KeyUsage::RetailMac, ModeOfUse::GenerateAndVerify),
        DukptPurpose::MacBothWays => return Err(DukptError::Purpose { purpose }),
    };
    let initial = match from.usage() {
        KeyUsage::BaseDerivation => &tdes_dukpt_initial_key(from, &ksn.initial())?,
        _ => from,
    };
    must_derive(initial, KeyUsage::DukptInitial)?;
    let mut key = transaction_key(initial.bytes(), ksn);
    key[place] ^= 0xFF;
    key[DES_BLOCK + place] ^= 0xFF;
    Ok(BoundKey::new(usage, mode, KeyAlgorithm::Tdes, &*key)?)
}

fn must_derive(key: &BoundKey, usage: KeyUsage) -> Result<(), DukptError> {
    key.must_be(&[usage])?;
    match (key.algorithm(), key.bytes().len()) {
        (KeyAlgorithm::Tdes, KEY_BYTES) => Ok(()),
        (KeyAlgorithm::Tdes, bytes) => Err(KeyError::Length { algorithm: KeyAlgorithm::Tdes, bytes }.into()),
        (algorithm, _) => Err(KeyError::Algorithm { usage, algorithm }.into()),
    }
}

/// The intermediate key of a counter: one step for each bit that is set, from the left.
fn transaction_key(initial: &[u8], ksn: &TdesKsn) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key.copy_from_slice(initial);
    let mut serial = [0; DES_BLOCK];
    serial.copy_from_slice(&ksn.initial()[2..]);
    for bit in (0..21).rev().map(|place| 1 << place).filter(|bit| ksn.counter() & bit != 0) {
        xor(&mut serial[4..], &u32::to_be_bytes(bit));
        key = step(&key, serial);
    }
    key
}

/// The non-reversible key generation of A.2: the right half from the key, the left half from the key turned over.
fn step(key: &[u8; KEY_BYTES], serial: [u8; DES_BLOCK]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut turned = Zeroizing::new(*key);
    xor(&mut *turned, &OTHER_HALF);
    let mut next = Zeroizing::new([0; KEY_BYTES]);
    let (halves, _) = next.as_chunks_mut::<DES_BLOCK>();
    for (half, key) in halves.iter_mut().zip([&*turned, key]) {
        let (left, right) = key.split_at(DES_BLOCK);
        *half = serial;
        xor(half, right);
        Des::new_from_slice(left).expect("a half has 8 bytes").encrypt_block(half.into());
        xor(half, right);
    }
    next
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// ANSI X9.24-1:2009, A.4.2 and A.4.3: intermediate keys at the beginning and where the counter turns over.
    #[test]
    fn intermediate_keys_as_in_x9_24_part_1() {
        let base = BoundKey::new(
            KeyUsage::BaseDerivation,
            ModeOfUse::Derive,
            KeyAlgorithm::Tdes,
            &hex("0123456789ABCDEFFEDCBA9876543210"),
        )
        .unwrap();
        for (counter, expected) in [
            ("E00001", "042666B49184CFA368DE9628D0397BC9"),
            ("E00002", "C46551CEF9FD24B0AA9AD834130D3BC7"),
            ("E00003", "0DF3D9422ACA56E547676D07AD6BADFA"),
            ("E00015", "E161D1956A61F6D2F37AFD7F9CC3699A"),
            ("EFF800", "F9CDFEBF4F5B1D9EB3EC12454527E176"),
            ("EFFC00", "F9430DF975082491C77BE4EF4FDB91EE"),
            ("F00000", "AA4D58DB653EC74A48C75F2F047DD2B5"),
        ] {
            let ksn = TdesKsn::parse(&hex(&format!("FFFF9876543210{counter}"))).unwrap();
            let initial = tdes_dukpt_initial_key(&base, &ksn.initial()).unwrap();
            assert_eq!(transaction_key(initial.bytes(), &ksn)[..], hex(expected), "{counter}");
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes().chunks_exact(2).map(|pair| crate::key_block::hex_byte(pair).unwrap()).collect()
    }
}
