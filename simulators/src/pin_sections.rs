//! The section `[pin]` of a terminal's and a bank's configuration file.

use keys::{BoundKey, INITIAL_KEY_ID_BYTES, KeyAlgorithm, KeyUsage, ModeOfUse, PinFormat, TDES_KSN_BYTES};
use serde::Deserialize;

use crate::pins::{PinCheck, PinPad, Pins};

/// A PIN pad: `key`, or `initial_key` and `ksn` where it derives its keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PadSection {
    /// 0, 3 or 4; a pad that derives AES keys has 4.
    format: u8,
    /// Hex: triple DES for formats 0 and 3, AES for 4.
    key: Option<String>,
    /// Hex: the pad's own DUKPT key.
    initial_key: Option<String>,
    /// Hex: the pad's id, 8 bytes, for AES; the key serial number with a counter of 0, 10 bytes, for triple DES.
    ksn: Option<String>,
}

/// A bank's PINs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckSection {
    /// 0, 3 or 4.
    format: u8,
    /// Hex, as in the switch's security module.
    key: String,
    /// The seed of the population whose PINs they are.
    population_seed: u64,
}

impl PadSection {
    /// The pad.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub(crate) fn pad(&self) -> Result<PinPad, String> {
        let format = format(self.format)?;
        match (&self.key, &self.initial_key, &self.ksn) {
            (Some(key), None, None) => {
                let key = bound(KeyUsage::PinEncryption, ModeOfUse::Both, algorithm(format), "key", key)?;
                PinPad::fixed(&key, format).map_err(|error| format!("key: {error}"))
            }
            (None, Some(initial), Some(ksn)) => {
                let algorithm = algorithm(format);
                let initial =
                    bound(KeyUsage::DukptInitial, ModeOfUse::Derive, algorithm, "initial_key", initial)?;
                let ksn = hex("ksn", ksn)?;
                match format {
                    PinFormat::Iso4 => {
                        let id: [u8; INITIAL_KEY_ID_BYTES] =
                            ksn.try_into().map_err(|_| "ksn: has 8 bytes for AES".to_owned())?;
                        Ok(PinPad::aes_dukpt(initial, id))
                    }
                    PinFormat::Iso0 | PinFormat::Iso3 => {
                        let front: [u8; TDES_KSN_BYTES] =
                            ksn.try_into().map_err(|_| "ksn: has 10 bytes for triple DES".to_owned())?;
                        Ok(PinPad::tdes_dukpt(initial, front, format))
                    }
                }
            }
            _ => Err("either key, or initial_key and ksn".to_owned()),
        }
    }
}

impl CheckSection {
    /// The check.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub(crate) fn check(&self) -> Result<PinCheck, String> {
        let format = format(self.format)?;
        let key = bound(KeyUsage::PinEncryption, ModeOfUse::Both, algorithm(format), "key", &self.key)?;
        PinCheck::new(&key, format, Pins::new(self.population_seed)).map_err(|error| format!("key: {error}"))
    }
}

fn format(number: u8) -> Result<PinFormat, String> {
    PinFormat::of_number(number).ok_or_else(|| format!("format: {number} is none of 0, 3, 4"))
}

fn algorithm(format: PinFormat) -> KeyAlgorithm {
    match format {
        PinFormat::Iso0 | PinFormat::Iso3 => KeyAlgorithm::Tdes,
        PinFormat::Iso4 => KeyAlgorithm::Aes,
    }
}

fn bound(
    usage: KeyUsage,
    mode: ModeOfUse,
    algorithm: KeyAlgorithm,
    name: &str,
    digits: &str,
) -> Result<BoundKey, String> {
    BoundKey::new(usage, mode, algorithm, &hex(name, digits)?).map_err(|error| format!("{name}: {error}"))
}

fn hex(name: &str, digits: &str) -> Result<Vec<u8>, String> {
    let pairs = digits.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect();
    bytes.filter(|_| digits.len().is_multiple_of(2)).ok_or_else(|| format!("{name}: not hex digits"))
}
