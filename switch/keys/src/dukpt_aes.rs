//! AES-DUKPT (ANSI X9.24-3:2017): the key of one transaction from the base derivation key and the key serial number.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::bound_key::{BoundKey, KeyError};
use crate::cipher::{AES_BLOCK, aes_encrypt};
use crate::usage::{KeyAlgorithm, KeyUsage, ModeOfUse};

/// Bytes of an initial key's id: BDK id and derivation id.
pub const INITIAL_KEY_ID_BYTES: usize = 8;
/// Bytes of a key serial number: the initial key's id and the transaction counter (DE122).
pub const AES_KSN_BYTES: usize = INITIAL_KEY_ID_BYTES + 4;
/// A counter has no more bits set than these: no key takes more than so many steps (X9.24-3, 6.3.2).
pub const AES_COUNTER_BITS_MAX: u32 = 16;

/// A key serial number whose counter a terminal can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AesKsn {
    initial_key_id: [u8; INITIAL_KEY_ID_BYTES],
    counter: u32,
}

/// What a key of one transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DukptPurpose {
    /// The terminal's PIN block.
    Pin,
    /// MACs that the terminal generates and the switch verifies.
    MacFromTerminal,
    /// MACs that the switch generates and the terminal verifies.
    MacToTerminal,
    /// MACs both ways under one key; AES-DUKPT alone has it.
    MacBothWays,
}

/// What kind of key AES-DUKPT is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AesDukptKind {
    /// AES: a PIN key for format 4, or a MAC key for CMAC.
    Aes {
        /// 16, 24 or 32.
        bytes: usize,
    },
    /// A MAC key for HMAC-SHA-256.
    Hmac {
        /// 16, 24 or 32.
        bytes: usize,
    },
}

/// Why there is no key. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DukptError {
    /// Another length.
    #[error("a key serial number has {expected} bytes, not {bytes}")]
    Length {
        /// What it has to have.
        expected: usize,
        /// The bytes there were.
        bytes: usize,
    },
    /// The counter is 0, or has more bits set than a terminal counts.
    #[error("the key serial number's counter has {bits_set} bits set; 1 to {bits_max} can be")]
    Counter {
        /// Bits set.
        bits_set: u32,
        /// The most.
        bits_max: u32,
    },
    /// A derived key is never longer than the key that it comes from (X9.24-3, 6.2).
    #[error("a key of {bytes} bytes cannot come from one of {from_bytes}")]
    Strength {
        /// The length asked for.
        bytes: usize,
        /// That of the base derivation key.
        from_bytes: usize,
    },
    /// This kind of DUKPT has no key for this purpose.
    #[error("there is no such key for {purpose:?}")]
    Purpose {
        /// The purpose.
        purpose: DukptPurpose,
    },
    /// The key that is derived from does not serve, or what came out is no key.
    #[error("{0}")]
    Key(#[from] KeyError),
}

impl AesKsn {
    /// Reads the 12 bytes.
    ///
    /// # Errors
    /// [`DukptError::Length`], [`DukptError::Counter`].
    pub fn parse(bytes: &[u8]) -> Result<AesKsn, DukptError> {
        let whole: [u8; AES_KSN_BYTES] = bytes
            .try_into()
            .map_err(|_| DukptError::Length { expected: AES_KSN_BYTES, bytes: bytes.len() })?;
        let [i0, i1, i2, i3, i4, i5, i6, i7, c0, c1, c2, c3] = whole;
        let counter = u32::from_be_bytes([c0, c1, c2, c3]);
        let (bits_set, bits_max) = (counter.count_ones(), AES_COUNTER_BITS_MAX);
        if bits_set == 0 || bits_set > bits_max {
            return Err(DukptError::Counter { bits_set, bits_max });
        }
        Ok(AesKsn { initial_key_id: [i0, i1, i2, i3, i4, i5, i6, i7], counter })
    }

    /// The initial key's id, which names the terminal's key.
    pub fn initial_key_id(&self) -> [u8; INITIAL_KEY_ID_BYTES] {
        self.initial_key_id
    }

    /// The transaction counter: a terminal never uses one twice.
    pub fn counter(&self) -> u32 {
        self.counter
    }
}

/// The initial key of one terminal: what is put into it.
///
/// # Errors
/// [`DukptError::Key`] unless `base` is an AES key for B0.
pub fn aes_dukpt_initial_key(
    base: &BoundKey,
    initial_key_id: &[u8; INITIAL_KEY_ID_BYTES],
) -> Result<BoundKey, DukptError> {
    must_derive(base, KeyUsage::BaseDerivation)?;
    let data = Derivation::of(Indicator::INITIAL_KEY, KeyAlgorithm::Aes, base.bytes().len(), *initial_key_id);
    let bytes = data.derive(base.bytes());
    Ok(BoundKey::new(
        KeyUsage::DukptInitial,
        ModeOfUse::Derive,
        KeyAlgorithm::Aes,
        &bytes[..base.bytes().len()],
    )?)
}

/// The key of one transaction, from the base derivation key (B0) or the terminal's initial key (B1).
///
/// # Errors
/// [`DukptError::Key`], [`DukptError::Strength`]; [`DukptError::Purpose`] for a PIN key of HMAC.
pub fn aes_dukpt_key(
    from: &BoundKey,
    ksn: &AesKsn,
    purpose: DukptPurpose,
    kind: AesDukptKind,
) -> Result<BoundKey, DukptError> {
    let initial = match from.usage() {
        KeyUsage::BaseDerivation => &aes_dukpt_initial_key(from, &ksn.initial_key_id)?,
        _ => from,
    };
    must_derive(initial, KeyUsage::DukptInitial)?;
    let length = initial.bytes().len();
    let (algorithm, bytes) = match kind {
        AesDukptKind::Aes { bytes } => (KeyAlgorithm::Aes, bytes),
        AesDukptKind::Hmac { bytes } => (KeyAlgorithm::Hmac, bytes),
    };
    if !matches!(bytes, 16 | 24 | 32) {
        return Err(KeyError::Length { algorithm, bytes }.into());
    }
    if bytes > length {
        return Err(DukptError::Strength { bytes, from_bytes: length });
    }
    let (usage, mode) = match (purpose, algorithm) {
        (DukptPurpose::Pin, KeyAlgorithm::Aes) => (KeyUsage::PinEncryption, ModeOfUse::Both),
        (DukptPurpose::Pin, _) => return Err(DukptError::Purpose { purpose }),
        (_, KeyAlgorithm::Aes) => (KeyUsage::Cmac, ModeOfUse::GenerateAndVerify),
        (_, _) => (KeyUsage::Hmac, ModeOfUse::GenerateAndVerify),
    };
    let transaction = transaction_key(initial.bytes(), ksn);
    let data = Derivation::of(Indicator::of(purpose), algorithm, bytes, ksn.context(ksn.counter));
    let key = data.derive(&transaction[..length]);
    Ok(BoundKey::new(usage, mode, algorithm, &key[..bytes])?)
}

fn must_derive(key: &BoundKey, usage: KeyUsage) -> Result<(), DukptError> {
    key.must_be(&[usage])?;
    match key.algorithm() {
        KeyAlgorithm::Aes => Ok(()),
        algorithm => Err(KeyError::Algorithm { usage, algorithm }.into()),
    }
}

/// The intermediate key of a counter: one step for each bit that is set, from the left.
fn transaction_key(initial: &[u8], ksn: &AesKsn) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    key[..initial.len()].copy_from_slice(initial);
    let mut counted = 0;
    for bit in (0..u32::BITS).rev().map(|place| 1 << place).filter(|bit| ksn.counter & bit != 0) {
        counted |= bit;
        let data =
            Derivation::of(Indicator::KEY_DERIVATION, KeyAlgorithm::Aes, initial.len(), ksn.context(counted));
        key = data.derive(&key[..initial.len()]);
    }
    key
}

impl AesKsn {
    fn context(&self, counter: u32) -> [u8; 8] {
        let mut context = [0; 8];
        context[..4].copy_from_slice(&self.initial_key_id[4..]);
        context[4..].copy_from_slice(&counter.to_be_bytes());
        context
    }
}

/// Key usage indicators (X9.24-3, table 2).
struct Indicator;

impl Indicator {
    const KEY_DERIVATION: u16 = 0x8000;
    const INITIAL_KEY: u16 = 0x8001;

    fn of(purpose: DukptPurpose) -> u16 {
        match purpose {
            DukptPurpose::Pin => 0x1000,
            DukptPurpose::MacFromTerminal => 0x2000,
            DukptPurpose::MacToTerminal => 0x2001,
            DukptPurpose::MacBothWays => 0x2002,
        }
    }
}

/// Derivation data (X9.24-3, 6.3.1).
struct Derivation([u8; AES_BLOCK]);

impl Derivation {
    fn of(indicator: u16, algorithm: KeyAlgorithm, bytes: usize, context: [u8; 8]) -> Derivation {
        let code: u16 = match (algorithm, bytes) {
            (KeyAlgorithm::Hmac, _) => 5,
            (_, 16) => 2,
            (_, 24) => 3,
            (_, _) => 4,
        };
        let mut data = [0; AES_BLOCK];
        data[0] = 1;
        data[2..4].copy_from_slice(&indicator.to_be_bytes());
        data[4..6].copy_from_slice(&code.to_be_bytes());
        data[6..8].copy_from_slice(&(8 * bytes as u16).to_be_bytes());
        data[8..].copy_from_slice(&context);
        Derivation(data)
    }

    /// Both blocks, of which a short key uses the front.
    fn derive(&self, key: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut derived = Zeroizing::new([0; 32]);
        let (blocks, _) = derived.as_chunks_mut::<AES_BLOCK>();
        for (place, block) in blocks.iter_mut().enumerate() {
            *block = self.0;
            block[1] = place as u8 + 1;
            aes_encrypt(key, block);
        }
        derived
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// ANSI X9.24-3:2017, supplement: intermediate keys from the initial keys of 128 and 256 bits; the counters have the most
    /// bits that can be set, and the last ones that there are.
    #[test]
    fn intermediate_keys_as_in_x9_24_part_3() {
        let base = hex("FEDCBA9876543210F1F1F1F1F1F1F1F1");
        for (base, rows) in [
            (
                base.clone(),
                [
                    (0x0000_0001, "4F21B565BAD9835E112B6465635EAE44"),
                    (0x0000_0007, "A8253CEED9AC042C54F75D35C8352278"),
                    (0x0001_FFFE, "E21E8C8D347F8561A2BE752DAA85A111"),
                    (0x0002_0000, "F7AE9025468A25D37B7249CFFED224C8"),
                    (0x0002_0001, "692C8EA4013645135B36497131DF9D2C"),
                    (0xFFFE_8000, "0387625F189B58AE03EF0E8CCA41105E"),
                    (0xFFFF_0000, "F6BA59389BD14A9855BE9727E7C52E3C"),
                ],
            ),
            (
                base.repeat(2),
                [
                    (0x0000_0001, "54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3"),
                    (0x0000_0007, "88D0ACA287B3066F5DE0C93396337D4C2DA8D92C1F720A576D62CEB4C979E01E"),
                    (0x0001_FFFE, "A289508CBF1228452CD86AB77B15CB35577AC828C18BB66681E5A16D6C9CCED3"),
                    (0x0002_0000, "D62DDA94A47D7DA5D763443B4ECB15EA8DD62E0E4F915958BA459591F8312E37"),
                    (0x0002_0001, "44110A1102748D4A3AC326F53D8CAC650212590CA7126D54546DDE0F20E89CEE"),
                    (0xFFFE_2000, "4625EB06E4886D4AFCC9AE37ED4F4E4E1653C9E60E3F24742A87A26AA96AB7A6"),
                    (0xFFFE_4000, "FF20E1BB575539ACCB44E3111BE8757F83AE8549A2DD71B441A4A424F7FFD4B1"),
                ],
            ),
        ] {
            let base =
                BoundKey::new(KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Aes, &base).unwrap();
            for (counter, expected) in rows {
                let serial = [hex("1234567890123456"), u32::to_be_bytes(counter).to_vec()].concat();
                let ksn = AesKsn::parse(&serial).unwrap();
                let initial = aes_dukpt_initial_key(&base, &ksn.initial_key_id()).unwrap();
                let key = transaction_key(initial.bytes(), &ksn);
                assert_eq!(key[..base.bytes().len()], hex(expected), "{counter:08X}");
            }
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        text.as_bytes().chunks_exact(2).map(|pair| crate::key_block::hex_byte(pair).unwrap()).collect()
    }
}
