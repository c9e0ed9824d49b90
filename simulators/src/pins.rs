//! Synthetic PINs: who has which, how a machine's pad enciphers one, how a bank checks it (docs/interface.md#pin).

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use iso8583::Message;
use keys::clear_pin::{ClearPin, decipher_to_clear_pin, encipher_clear_pin};
use keys::{
    AesDukptKind, AesKsn, BoundKey, DukptError, DukptPurpose, INITIAL_KEY_ID_BYTES, KeyAlgorithm, KeyError,
    PinBlock, PinError, PinFormat, PinKey, PinPan, RANDOM_BYTES, TDES_KSN_BYTES, TdesKsn, aes_dukpt_key,
    tdes_dukpt_key,
};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The transaction counter of a pad that derives its keys goes up to this (21 bits, ANSI X9.24-1), then begins anew.
const COUNTER_MAX: u32 = (1 << 21) - 1;
/// Counters with more bits set are left out (ANSI X9.24-1: 10; X9.24-3 would allow 16).
const COUNTER_BITS_MAX: u32 = 10;

/// The PINs of a population: each card has one, and the same in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    seed: u64,
}

/// A PIN in a citizen's head. Cheap to clone; it cannot print itself.
#[derive(Clone, Debug)]
pub struct Pin(Arc<ClearPin>);

impl Pins {
    /// The PINs that go with a seed.
    pub const fn new(seed: u64) -> Pins {
        Pins { seed }
    }

    /// The PIN of the card with this PAN: 4 digits, or 6 for one card in four.
    pub fn of(&self, pan: &[u8]) -> Pin {
        let mut mac: Hmac<Sha256> =
            Hmac::new_from_slice(&self.seed.to_be_bytes()).expect("HMAC takes a key of any length");
        mac.update(b"pin ");
        mac.update(pan);
        let chance = mac.finalize().into_bytes();
        let length = if chance[31] < 64 { 6 } else { 4 };
        let digits: Vec<u8> = chance[..length].iter().map(|byte| b'0' + byte % 10).collect();
        Pin::parse(&digits).expect("4 or 6 digits")
    }
}

impl Pin {
    /// 4 to 12 digits; `None` otherwise.
    pub fn parse(digits: &[u8]) -> Option<Pin> {
        ClearPin::parse(digits).map(|pin| Pin(Arc::new(pin)))
    }

    /// The same with another last digit.
    pub fn mistyped(&self) -> Pin {
        let mut digits = self.0.digits();
        if let Some(last) = digits.last_mut() {
            *last = if *last == b'9' { b'0' } else { *last + 1 };
        }
        Pin::parse(&digits).expect("as many digits")
    }

    /// Its digits, for tests that look for them where they must not be.
    pub fn digits(&self) -> Vec<u8> {
        self.0.digits()
    }
}

/// How a machine's PIN pad enciphers.
#[derive(Clone)]
pub struct PinPad {
    format: PinFormat,
    key: PadKey,
}

#[derive(Clone)]
enum PadKey {
    /// One key for all PINs.
    Fixed(PinKey),
    /// A key for each PIN, derived from the pad's own initial key.
    AesDukpt { initial: Arc<BoundKey>, id: [u8; INITIAL_KEY_ID_BYTES] },
    /// The same with triple DES.
    TdesDukpt { initial: Arc<BoundKey>, front: [u8; TDES_KSN_BYTES] },
}

/// Why a pad gives no block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PadError {
    /// The block.
    #[error("{0}")]
    Pin(#[from] PinError),
    /// The key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Its derivation.
    #[error("{0}")]
    Dukpt(#[from] DukptError),
}

impl PinPad {
    /// A pad with one key.
    ///
    /// # Errors
    /// [`KeyError`] of a key that is not for PINs.
    pub fn fixed(key: &BoundKey, format: PinFormat) -> Result<PinPad, KeyError> {
        Ok(PinPad { format, key: PadKey::Fixed(PinKey::new(key)?) })
    }

    /// A pad that derives AES keys; its blocks have format 4. `initial` has the usage B1, or B0.
    pub fn aes_dukpt(initial: BoundKey, id: [u8; INITIAL_KEY_ID_BYTES]) -> PinPad {
        PinPad { format: PinFormat::Iso4, key: PadKey::AesDukpt { initial: Arc::new(initial), id } }
    }

    /// A pad that derives triple DES keys. `front` is a key serial number whose counter is 0.
    pub fn tdes_dukpt(initial: BoundKey, front: [u8; TDES_KSN_BYTES], format: PinFormat) -> PinPad {
        PinPad { format, key: PadKey::TdesDukpt { initial: Arc::new(initial), front } }
    }

    /// The counter behind this one, for pads that derive.
    pub fn next_counter(counter: u32) -> u32 {
        let next = (counter + 1..=COUNTER_MAX).find(|next| next.count_ones() <= COUNTER_BITS_MAX);
        next.unwrap_or(1)
    }

    /// Enciphers a PIN and puts it into a request: DE52 or DE121, and DE122 where the key is derived. `unique` differs from
    /// request to request: the fill of formats 3 and 4 is made of it.
    ///
    /// # Errors
    /// [`PadError`].
    pub fn enter(
        &self,
        pin: &Pin,
        counter: u32,
        unique: &[u8],
        message: &mut Message,
    ) -> Result<(), PadError> {
        let pan = PinPan::parse(message.get(2).unwrap_or_default())?;
        let fill = Sha256::digest(unique);
        let random: [u8; RANDOM_BYTES] = *fill.first_chunk().expect("a digest has 32 bytes");
        let (key, ksn) = self.key(counter)?;
        let block = encipher_clear_pin(&pin.0, &pan, &key, self.format, &random)?;
        message.set(element(self.format), block.bytes());
        if let Some(ksn) = ksn {
            message.set(122, &ksn);
        }
        Ok(())
    }

    /// The same with the next key; `None` of a pad that derives its keys, or for a key that is not of its kind.
    pub(crate) fn with_key(&self, key: &BoundKey) -> Option<PinPad> {
        let is_fixed = matches!(self.key, PadKey::Fixed(_)) && key.algorithm() == self.format.algorithm();
        PinPad::fixed(key, self.format).ok().filter(|_| is_fixed)
    }

    fn key(&self, counter: u32) -> Result<(PinKey, Option<Vec<u8>>), PadError> {
        match &self.key {
            PadKey::Fixed(key) => Ok((key.clone(), None)),
            PadKey::AesDukpt { initial, id } => {
                let ksn = [&id[..], &counter.to_be_bytes()].concat();
                let kind = AesDukptKind::Aes { bytes: initial.bytes().len() };
                let key = aes_dukpt_key(initial, &AesKsn::parse(&ksn)?, DukptPurpose::Pin, kind)?;
                Ok((PinKey::new(&key)?, Some(ksn)))
            }
            PadKey::TdesDukpt { initial, front } => {
                let mut ksn = *front;
                let [.., b0, b1, b2] = &mut ksn;
                let [_, c0, c1, c2] = (counter & COUNTER_MAX).to_be_bytes();
                (*b0, *b1, *b2) = (*b0 | c0, *b1 | c1, *b2 | c2);
                let key = tdes_dukpt_key(initial, &TdesKsn::parse(&ksn)?, DukptPurpose::Pin)?;
                Ok((PinKey::new(&key)?, Some(ksn.to_vec())))
            }
        }
    }
}

impl fmt::Debug for PinPad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinPad({:?})", self.format)
    }
}

/// A bank reads PINs under the key of before for so long after it took the next one in (docs/interface.md#key-exchange). One day.
const OLD_KEY_LIFE_MS: i64 = 86_400_000;

/// How a bank checks PINs: what its own module does.
#[derive(Clone)]
pub struct PinCheck {
    key: PinKey,
    /// Of what was under way when the next one came, and until when it is read: milliseconds since 1970.
    before: Option<(PinKey, i64)>,
    format: PinFormat,
    pins: Pins,
}

impl PinCheck {
    /// With the key that the bank shares with the switch.
    ///
    /// # Errors
    /// [`KeyError`] of a key that is not for PINs.
    pub fn new(key: &BoundKey, format: PinFormat, pins: Pins) -> Result<PinCheck, KeyError> {
        Ok(PinCheck { key: PinKey::new(key)?, before: None, format, pins })
    }

    /// The same with the next key, and for a day the one before it as well; `None` for a key that is not of its kind. `now_ms` is the
    /// bank's clock, milliseconds since 1970.
    pub(crate) fn with_key(&self, key: &BoundKey, now_ms: i64) -> Option<PinCheck> {
        let next = PinKey::new(key).ok().filter(|_| key.algorithm() == self.format.algorithm())?;
        let before = Some((self.key.clone(), now_ms.saturating_add(OLD_KEY_LIFE_MS)));
        Some(PinCheck { key: next, before, ..self.clone() })
    }

    /// Whether the PIN of a request is the card's: DE39 where it is not. 55 without one and for a wrong one, 88 where none
    /// comes out. `now_ms` is the bank's clock.
    pub(crate) fn check(&self, message: &Message, now_ms: i64) -> Result<(), &'static str> {
        let element = element(self.format);
        let other = if element == 52 { 121 } else { 52 };
        let block = message.get(element).ok_or("55")?;
        if message.has(other) {
            return Err("30");
        }
        let pan = message.get(2).unwrap_or_default();
        let read = |key: &PinKey| -> Result<ClearPin, PinError> {
            let block = PinBlock::new(self.format, block)?;
            decipher_to_clear_pin(&block, &PinPan::parse(pan)?, key)
        };
        let before = self.before.as_ref().filter(|(_, until_ms)| now_ms < *until_ms);
        let before = || before.map_or(Err(PinError::Unreadable), |(key, _)| read(key));
        let entered = read(&self.key).or_else(|_| before()).map_err(|_| "88")?;
        if entered.digits() == self.pins.of(pan).digits() { Ok(()) } else { Err("55") }
    }
}

impl fmt::Debug for PinCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinCheck({:?})", self.format)
    }
}

/// Where a block of a format travels.
fn element(format: PinFormat) -> u8 {
    match format {
        PinFormat::Iso0 | PinFormat::Iso3 => 52,
        PinFormat::Iso4 => 121,
    }
}

/// A PIN key of a format: triple DES of 16 bytes, or AES of 16, made of these bytes.
///
/// # Errors
/// [`KeyError`] of bytes that make no key.
pub fn pin_key(format: PinFormat, bytes: &[u8; 16]) -> Result<BoundKey, KeyError> {
    let algorithm = match format {
        PinFormat::Iso0 | PinFormat::Iso3 => KeyAlgorithm::Tdes,
        PinFormat::Iso4 => KeyAlgorithm::Aes,
    };
    BoundKey::from_random(keys::KeyUsage::PinEncryption, keys::ModeOfUse::Both, algorithm, bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;
    use keys::{KeyUsage, ModeOfUse, aes_dukpt_initial_key, tdes_dukpt_initial_key};

    use super::*;

    const PAN: &str = "9704990012030000017";

    fn request() -> Message {
        let mut message = Message::new(Mti::new(200));
        message.set_text(2, PAN);
        message
    }

    fn derivation(algorithm: KeyAlgorithm) -> BoundKey {
        BoundKey::from_random(KeyUsage::BaseDerivation, ModeOfUse::Derive, algorithm, &[0x5A; 16]).unwrap()
    }

    #[test]
    fn a_bank_knows_the_pin_that_a_pad_took() {
        let pins = Pins::new(1);
        let pin = pins.of(PAN.as_bytes());
        for format in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
            let key = pin_key(format, &[7; 16]).unwrap_or_else(|_| pin_key(format, &PAIR).unwrap());
            let (pad, check) =
                (PinPad::fixed(&key, format).unwrap(), PinCheck::new(&key, format, pins).unwrap());
            let mut message = request();
            assert_eq!(check.check(&message, 0), Err("55"), "none");
            pad.enter(&pin, 0, b"1", &mut message).unwrap();
            assert_eq!(check.check(&message, 0), Ok(()), "{format:?}");
            pad.enter(&pin.mistyped(), 0, b"2", &mut message).unwrap();
            assert_eq!(check.check(&message, 0), Err("55"));
            let other = pin_key(format, &OTHER_PAIR).unwrap();
            let check = PinCheck::new(&other, format, pins).unwrap();
            assert_eq!(check.check(&message, 0), Err("88"), "{format:?}");
        }
    }

    /// It read them for good: nothing showed what a switch that never took the next one into use costs.
    #[test]
    fn a_bank_reads_pins_under_the_key_of_before_for_a_day() {
        let pins = Pins::new(1);
        let keys = [PAIR, OTHER_PAIR].map(|bytes| pin_key(PinFormat::Iso0, &bytes).unwrap());
        let taken_ms = 1_000;
        let check = PinCheck::new(&keys[0], PinFormat::Iso0, pins).unwrap();
        let check = check.with_key(&keys[1], taken_ms).unwrap();
        let [before, next] = keys.map(|key| {
            let mut message = request();
            let pad = PinPad::fixed(&key, PinFormat::Iso0).unwrap();
            pad.enter(&pins.of(PAN.as_bytes()), 0, b"1", &mut message).unwrap();
            message
        });
        for (at_ms, under_before) in
            [(taken_ms, Ok(())), (taken_ms + 86_399_999, Ok(())), (taken_ms + 86_400_000, Err("88"))]
        {
            assert_eq!(check.check(&before, at_ms), under_before, "{at_ms}");
            assert_eq!(check.check(&next, at_ms), Ok(()), "{at_ms}");
        }
    }

    /// Two halves that differ: a key with two alike is a single DES key.
    const PAIR: [u8; 16] = *b"first16secondkey";
    const OTHER_PAIR: [u8; 16] = *b"another keys two";

    #[test]
    fn pads_that_derive_name_their_key_and_never_the_same_one() {
        let pin = Pins::new(1).of(PAN.as_bytes());
        let id = *b"HN000001";
        let initial = aes_dukpt_initial_key(&derivation(KeyAlgorithm::Aes), &id).unwrap();
        let aes = PinPad::aes_dukpt(initial, id);
        let front = [0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0, 0, 0];
        let base =
            BoundKey::from_random(KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Tdes, &PAIR);
        let initial = tdes_dukpt_initial_key(&base.unwrap(), &front).unwrap();
        let tdes = PinPad::tdes_dukpt(initial, front, PinFormat::Iso0);
        let mut seen = std::collections::BTreeSet::new();
        let mut counter = 0;
        for _ in 0..2_100 {
            counter = PinPad::next_counter(counter);
            for pad in [&aes, &tdes] {
                let mut message = request();
                pad.enter(&pin, counter, b"", &mut message).unwrap();
                assert!(seen.insert(message.get(122).unwrap().to_vec()));
            }
        }
        assert_eq!(PinPad::next_counter(COUNTER_MAX - 1), 1);
    }

    #[test]
    fn each_card_has_its_pin_and_none_is_printed() {
        let pin = Pins::new(1).of(PAN.as_bytes());
        assert_eq!(pin.digits(), Pins::new(1).of(PAN.as_bytes()).digits());
        assert_ne!(pin.digits(), pin.mistyped().digits());
        let texts: Vec<String> =
            (0..40u32).map(|seed| format!("{:?}", Pins::new(seed.into()).of(b"1"))).collect();
        assert!(texts.iter().all(|text| text == "Pin(ClearPin)"), "{texts:?}");
        let lengths: Vec<usize> =
            (0..40).map(|seed| Pins::new(seed).of(PAN.as_bytes()).digits().len()).collect();
        assert!(lengths.contains(&4) && lengths.contains(&6));
    }
}
