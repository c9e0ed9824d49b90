//! A peer's end of a key exchange: takes in what the switch sends by 0800/101, and says its check value
//! (docs/interface.md#key-exchange).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use iso8583::Message;
use keys::{BoundKey, Expected, KeyAlgorithm, KeyBlockKey, KeyError, KeyUsage, KeyVersion, ModeOfUse};

/// The exchange key that a terminal or bank shares with the switch. Cheap to clone; it cannot print itself.
#[derive(Clone)]
pub struct ExchangeKey(Arc<KeyBlockKey>);

impl ExchangeKey {
    /// An AES key of 32 bytes.
    ///
    /// # Errors
    /// Never of 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Result<ExchangeKey, KeyError> {
        let key = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, bytes)?;
        Ok(ExchangeKey(Arc::new(KeyBlockKey::new(&key)?)))
    }

    /// From 64 hex digits; `None` otherwise.
    pub(crate) fn of_hex(digits: &str) -> Option<ExchangeKey> {
        let key = keys::Key::from_hex(digits)?;
        ExchangeKey::new(key.bytes()).ok()
    }
}

impl fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeKey")
    }
}

/// The exchange key of a configuration file, where it has one.
pub(crate) fn exchange(digits: Option<&str>) -> Result<Option<ExchangeKey>, String> {
    let key = |digits: &str| ExchangeKey::of_hex(digits).ok_or("a key is 64 hex digits".to_owned());
    digits.map(key).transpose()
}

/// What a key that was taken in is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Purpose {
    /// PIN blocks.
    Pins,
    /// MACs of what this end sends.
    Sign,
    /// MACs of what it receives.
    Verify,
}

/// A key that was taken in. It cannot print itself.
#[derive(Clone, Debug)]
pub struct TakenKey {
    /// What it is for.
    pub purpose: Purpose,
    /// The key.
    pub key: BoundKey,
}

impl PartialEq for TakenKey {
    fn eq(&self, other: &TakenKey) -> bool {
        self.purpose == other.purpose && self.key.check_value() == other.key.check_value()
    }
}

/// The answer to an 0800/101: DE39, DE120, and the key where it is a new one.
pub(crate) type Answer = (&'static str, Option<String>, Option<TakenKey>);

/// Takes keys in: none twice, none below one that is there. The newest again is answered again.
#[derive(Debug)]
pub(crate) struct KeyTaker {
    under: Option<ExchangeKey>,
    taken: BTreeMap<Purpose, (KeyVersion, String)>,
}

impl KeyTaker {
    /// Without an exchange key each is answered 40.
    pub(crate) fn new(under: Option<ExchangeKey>) -> KeyTaker {
        KeyTaker { under, taken: BTreeMap::new() }
    }

    /// Another exchange key from here on, under which versions begin anew.
    pub(crate) fn set_under(&mut self, under: ExchangeKey) {
        *self = KeyTaker::new(Some(under));
    }

    /// The answer.
    pub(crate) fn answer(&mut self, message: &Message) -> Answer {
        let Some(under) = &self.under else { return ("40", None, None) };
        let Some(block) = message.get(120) else { return ("30", None, None) };
        self.take(&under.0.clone(), block).unwrap_or(("88", None, None))
    }

    fn take(&mut self, under: &KeyBlockKey, block: &[u8]) -> Option<Answer> {
        let (usage, purpose) = said(block)?;
        let known = self.taken.get(&purpose);
        let version_min = known.map_or(KeyVersion::UNUSED, |(version, _)| *version);
        let opened = under.unwrap(block, Expected { usage, version_min }).ok()?;
        let (version, check_value) = (opened.attributes.version, opened.key.check_value().to_string());
        if let Some((last, last_value)) = known.filter(|(last, _)| *last == version) {
            let is_repeat = *last == version && *last_value == check_value;
            return is_repeat.then_some(("00", Some(check_value), None));
        }
        self.taken.insert(purpose, (version, check_value.clone()));
        Some(("00", Some(check_value), Some(TakenKey { purpose, key: opened.key })))
    }
}

/// By usage and mode of use at this end.
fn said(block: &[u8]) -> Option<(KeyUsage, Purpose)> {
    let usage = KeyUsage::of_code(*block.get(5..)?.first_chunk()?)?;
    let purpose = match (usage, ModeOfUse::of_code(*block.get(8)?)?) {
        (KeyUsage::PinEncryption, _) => Purpose::Pins,
        (KeyUsage::Hmac | KeyUsage::Cmac | KeyUsage::RetailMac, ModeOfUse::Generate) => Purpose::Sign,
        (KeyUsage::Hmac | KeyUsage::Cmac | KeyUsage::RetailMac, ModeOfUse::Verify) => Purpose::Verify,
        (_, _) => return None,
    };
    Some((usage, purpose))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;
    use keys::{Attributes, Exportability, KEY_BLOCK_RANDOM_BYTES};

    use super::*;

    const EXCHANGE: [u8; 32] = [0x3C; 32];

    fn sent(usage: KeyUsage, mode: ModeOfUse, version: u8, value: u8) -> Message {
        let bytes: Vec<u8> = (0..16).map(|place| place * 16 + value).collect();
        let algorithm =
            if usage == KeyUsage::PinEncryption { KeyAlgorithm::Tdes } else { KeyAlgorithm::Hmac };
        let key = BoundKey::new(usage, mode, algorithm, &bytes).unwrap();
        let attributes = Attributes {
            version: KeyVersion::new(version).unwrap(),
            exportability: Exportability::NonExportable,
            optional: Vec::new(),
        };
        let under = ExchangeKey::new(&EXCHANGE).unwrap().0;
        let block = under.wrap(&key, &attributes, &[9; KEY_BLOCK_RANDOM_BYTES]).unwrap();
        let mut message = Message::new(Mti::new(800));
        message.set_number(70, 101, 3).set_text(120, &block);
        message
    }

    #[test]
    fn each_key_is_taken_once_and_answered_again() {
        let mut taker = KeyTaker::new(Some(ExchangeKey::new(&EXCHANGE).unwrap()));
        let (pin, hmac) = (KeyUsage::PinEncryption, KeyUsage::Hmac);
        let (both, sign, verify) = (ModeOfUse::Both, ModeOfUse::Generate, ModeOfUse::Verify);
        for (usage, mode, version, value, code, new) in [
            (pin, both, 2, 1, "00", Some(Purpose::Pins)),
            (pin, both, 2, 1, "00", None),
            (pin, both, 2, 2, "88", None),
            (pin, both, 1, 2, "88", None),
            (hmac, sign, 1, 1, "00", Some(Purpose::Sign)),
            (hmac, verify, 1, 2, "00", Some(Purpose::Verify)),
            (hmac, ModeOfUse::GenerateAndVerify, 2, 3, "88", None),
            (pin, both, 3, 3, "00", Some(Purpose::Pins)),
        ] {
            let (answered, check_value, taken) = taker.answer(&sent(usage, mode, version, value));
            assert_eq!(
                (answered, taken.map(|taken| taken.purpose)),
                (code, new),
                "{usage:?} {version} {value}"
            );
            assert_eq!(check_value.is_some(), code == "00");
        }
        taker.set_under(ExchangeKey::new(&[0x3D; 32]).unwrap());
        assert_eq!(taker.answer(&sent(pin, both, 4, 4)).0, "88", "under the exchange key before");
        taker.set_under(ExchangeKey::new(&EXCHANGE).unwrap());
        assert_eq!(taker.answer(&sent(pin, both, 1, 5)).0, "00", "versions begin anew");
        assert_eq!(taker.answer(&Message::new(Mti::new(800))).0, "30");
        assert_eq!(KeyTaker::new(None).answer(&sent(pin, both, 1, 1)).0, "40");
    }
}
