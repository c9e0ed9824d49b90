//! What a key may be used for: algorithm, usage and mode of use, with their codes in a key block (X9.143, tables 6 to 8).

/// The algorithm that a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// T: triple DES, 16 or 24 bytes.
    Tdes,
    /// A: AES, 16, 24 or 32 bytes.
    Aes,
    /// H: HMAC-SHA-256, 16 to 64 bytes.
    Hmac,
}

/// What a key is for. One key has one usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUsage {
    /// B0: base derivation key of DUKPT (BDK).
    BaseDerivation,
    /// B1: initial key of DUKPT, the BDK's child for one terminal.
    DukptInitial,
    /// D0: encryption of data.
    Data,
    /// K0: encryption of keys.
    KeyEncryption,
    /// K1: protection of key blocks (KBPK): a ZMK or TMK.
    KeyBlockProtection,
    /// M3: MAC by ISO 9797-1 algorithm 3, the retail MAC.
    RetailMac,
    /// M6: MAC by ISO 9797-1 algorithm 5, CMAC.
    Cmac,
    /// M7: MAC by HMAC.
    Hmac,
    /// P0: encryption of PIN blocks: a ZPK or TPK.
    PinEncryption,
}

/// Which half of its usage a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeOfUse {
    /// B: encrypt and decrypt, wrap and unwrap.
    Both,
    /// C: generate and verify MACs.
    GenerateAndVerify,
    /// D: decrypt or unwrap.
    Decrypt,
    /// E: encrypt or wrap.
    Encrypt,
    /// G: generate MACs.
    Generate,
    /// N: all that its usage has.
    Any,
    /// V: verify MACs.
    Verify,
    /// X: derive keys.
    Derive,
}

impl KeyAlgorithm {
    /// The letter in a key block.
    pub fn code(self) -> u8 {
        match self {
            KeyAlgorithm::Tdes => b'T',
            KeyAlgorithm::Aes => b'A',
            KeyAlgorithm::Hmac => b'H',
        }
    }

    /// The algorithm of a letter; `None` for one that the switch has no use for.
    pub fn of_code(code: u8) -> Option<KeyAlgorithm> {
        [KeyAlgorithm::Tdes, KeyAlgorithm::Aes, KeyAlgorithm::Hmac].into_iter().find(|one| one.code() == code)
    }

    /// Whether a key of this algorithm can have so many bytes.
    pub(crate) fn takes(self, bytes: usize) -> bool {
        match self {
            KeyAlgorithm::Tdes => matches!(bytes, 16 | 24),
            KeyAlgorithm::Aes => matches!(bytes, 16 | 24 | 32),
            KeyAlgorithm::Hmac => (16..=64).contains(&bytes),
        }
    }
}

impl KeyUsage {
    /// All that the switch has a use for.
    pub const ALL: [KeyUsage; 9] = [
        KeyUsage::BaseDerivation,
        KeyUsage::DukptInitial,
        KeyUsage::Data,
        KeyUsage::KeyEncryption,
        KeyUsage::KeyBlockProtection,
        KeyUsage::RetailMac,
        KeyUsage::Cmac,
        KeyUsage::Hmac,
        KeyUsage::PinEncryption,
    ];

    /// The two characters in a key block.
    pub fn code(self) -> [u8; 2] {
        *match self {
            KeyUsage::BaseDerivation => b"B0",
            KeyUsage::DukptInitial => b"B1",
            KeyUsage::Data => b"D0",
            KeyUsage::KeyEncryption => b"K0",
            KeyUsage::KeyBlockProtection => b"K1",
            KeyUsage::RetailMac => b"M3",
            KeyUsage::Cmac => b"M6",
            KeyUsage::Hmac => b"M7",
            KeyUsage::PinEncryption => b"P0",
        }
    }

    /// The usage of two characters; `None` for one that the switch has no use for.
    pub fn of_code(code: [u8; 2]) -> Option<KeyUsage> {
        KeyUsage::ALL.into_iter().find(|one| one.code() == code)
    }

    /// Whether keys of this algorithm can have this usage.
    pub(crate) fn goes_with(self, algorithm: KeyAlgorithm) -> bool {
        match self {
            KeyUsage::RetailMac => algorithm == KeyAlgorithm::Tdes,
            KeyUsage::Cmac => algorithm == KeyAlgorithm::Aes,
            KeyUsage::Hmac => algorithm == KeyAlgorithm::Hmac,
            _ => algorithm != KeyAlgorithm::Hmac,
        }
    }

    /// Whether a key of this usage can have this mode.
    pub(crate) fn has(self, mode: ModeOfUse) -> bool {
        let modes: &[ModeOfUse] = match self {
            KeyUsage::BaseDerivation | KeyUsage::DukptInitial => &[ModeOfUse::Derive],
            KeyUsage::RetailMac | KeyUsage::Cmac | KeyUsage::Hmac => {
                &[ModeOfUse::GenerateAndVerify, ModeOfUse::Generate, ModeOfUse::Verify]
            }
            KeyUsage::Data
            | KeyUsage::KeyEncryption
            | KeyUsage::KeyBlockProtection
            | KeyUsage::PinEncryption => &[ModeOfUse::Both, ModeOfUse::Decrypt, ModeOfUse::Encrypt],
        };
        mode == ModeOfUse::Any || modes.contains(&mode)
    }
}

impl ModeOfUse {
    const ALL: [ModeOfUse; 8] = [
        ModeOfUse::Both,
        ModeOfUse::GenerateAndVerify,
        ModeOfUse::Decrypt,
        ModeOfUse::Encrypt,
        ModeOfUse::Generate,
        ModeOfUse::Any,
        ModeOfUse::Verify,
        ModeOfUse::Derive,
    ];

    /// The letter in a key block.
    pub fn code(self) -> u8 {
        match self {
            ModeOfUse::Both => b'B',
            ModeOfUse::GenerateAndVerify => b'C',
            ModeOfUse::Decrypt => b'D',
            ModeOfUse::Encrypt => b'E',
            ModeOfUse::Generate => b'G',
            ModeOfUse::Any => b'N',
            ModeOfUse::Verify => b'V',
            ModeOfUse::Derive => b'X',
        }
    }

    /// The mode of a letter; `None` for one that the switch has no use for.
    pub fn of_code(code: u8) -> Option<ModeOfUse> {
        ModeOfUse::ALL.into_iter().find(|one| one.code() == code)
    }

    /// Whether a key may encrypt or wrap.
    pub fn may_encrypt(self) -> bool {
        matches!(self, ModeOfUse::Both | ModeOfUse::Encrypt | ModeOfUse::Any)
    }

    /// Whether a key may decrypt or unwrap.
    pub fn may_decrypt(self) -> bool {
        matches!(self, ModeOfUse::Both | ModeOfUse::Decrypt | ModeOfUse::Any)
    }

    /// Whether a key may generate MACs.
    pub fn may_generate(self) -> bool {
        matches!(self, ModeOfUse::GenerateAndVerify | ModeOfUse::Generate | ModeOfUse::Any)
    }

    /// Whether a key may verify MACs.
    pub fn may_verify(self) -> bool {
        matches!(self, ModeOfUse::GenerateAndVerify | ModeOfUse::Verify | ModeOfUse::Any)
    }
}
