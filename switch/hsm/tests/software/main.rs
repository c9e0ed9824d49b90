//! The software module: PINs translated, MACs, keys exchanged between two modules, the sealed file.
#![allow(clippy::unwrap_used)]

mod exchange;
mod file;
mod life;
mod translate;

use std::path::Path;

use hsm::{Hsm, HsmError, KeyKind, KeyName, KeyRole, Owner, PinTranslation, Sealing, SoftwareHsm, Wanted};
use keys::clear_pin::{ClearPin, encipher_clear_pin};
use keys::{
    BoundKey, Expected, KeyAlgorithm, KeyBlockKey, KeyUsage, KeyVersion, ModeOfUse, PinBlock, PinFormat,
    PinKey, PinPan, translate_pin,
};
use zeroize::Zeroizing;

const NOW_S: i64 = 1_651_539_723;
const PAN: &[u8] = b"9704990012030000017";
const TDES: KeyKind = KeyKind { algorithm: KeyAlgorithm::Tdes, bytes: 16 };
const AES: KeyKind = KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 16 };

fn sealing() -> Sealing {
    Sealing::key_file(&[b'5'; 64]).unwrap()
}

fn module(dir: &Path, name: &str) -> SoftwareHsm {
    SoftwareHsm::create(&dir.join(name), sealing()).unwrap()
}

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

fn terminal() -> Owner {
    Owner::terminal(b"HN000001")
}

fn bank() -> Owner {
    Owner::bank(b"970418").unwrap()
}

/// Key parts whose exclusive or is 16 or 32 bytes of this value.
fn parts(value: u8, bytes: usize) -> Vec<Zeroizing<Vec<u8>>> {
    let one: Vec<u8> = (0..bytes).map(|place| place as u8).collect();
    let other = one.iter().enumerate().map(|(place, byte)| byte ^ value ^ (place as u8 & 8)).collect();
    vec![Zeroizing::new(one), Zeroizing::new(other)]
}

/// The key that these parts make.
fn key_of(
    parts: &[Zeroizing<Vec<u8>>],
    usage: KeyUsage,
    mode: ModeOfUse,
    algorithm: KeyAlgorithm,
) -> BoundKey {
    let whole: Vec<u8> = parts[0].iter().zip(parts[1].iter()).map(|(one, other)| one ^ other).collect();
    BoundKey::new(usage, mode, algorithm, &whole).unwrap()
}

fn pin_key(parts: &[Zeroizing<Vec<u8>>], algorithm: KeyAlgorithm) -> PinKey {
    PinKey::new(&key_of(parts, KeyUsage::PinEncryption, ModeOfUse::Both, algorithm)).unwrap()
}

fn block(key: &PinKey, format: PinFormat) -> PinBlock {
    let (pin, pan) = (ClearPin::parse(b"482915").unwrap(), PinPan::parse(PAN).unwrap());
    encipher_clear_pin(&pin, &pan, key, format, &[9; 8]).unwrap()
}

/// Whether a block holds the PIN of [`block`]: under this key, in format 0, there is one block of it.
fn holds_the_pin(answer: &PinBlock, key: &PinKey, tdes: &PinKey) -> bool {
    let pan = PinPan::parse(PAN).unwrap();
    let same = translate_pin(answer, &pan, key, tdes, PinFormat::Iso0, &[0; 8]).unwrap();
    same.bytes() == block(tdes, PinFormat::Iso0).bytes()
}

fn translate(
    module: &SoftwareHsm,
    block: &PinBlock,
    ksn: Option<&[u8]>,
    format: PinFormat,
    now_s: i64,
) -> Result<PinBlock, HsmError> {
    let pan = PinPan::parse(PAN).unwrap();
    let ask = PinTranslation { from: terminal(), ksn, block, pan: &pan, to: bank(), format };
    module.translate_pin(&ask, now_s)
}

/// What the exchange key of the bank or the terminal is made of: each has its own.
fn exchange_of(owner: Owner) -> u8 {
    if owner == bank() { 0x44 } else { 0x54 }
}

/// Opens what a module has wrapped for the other end.
fn opened(block: &str, owner: Owner, usage: KeyUsage) -> BoundKey {
    let exchange = parts(exchange_of(owner), 32);
    let exchange = key_of(&exchange, KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes);
    let expected = Expected { usage, version_min: KeyVersion::UNUSED };
    KeyBlockKey::new(&exchange).unwrap().unwrap(block.as_bytes(), expected).unwrap().key
}

/// Both ends of a bank's keys under one exchange key, made of these parts.
fn with_exchange(dir: &Path, parts_of: u8) -> [SoftwareHsm; 2] {
    ["here", "there"].map(|name| {
        let module = module(dir, name);
        new_exchange(&module, parts_of).unwrap();
        module
    })
}

fn new_exchange(module: &SoftwareHsm, parts_of: u8) -> Result<hsm::KeyInfo, HsmError> {
    module.import_parts(bank().key(KeyRole::Exchange), KeyAlgorithm::Aes, &parts(parts_of, 32), NOW_S)
}

/// Has one end make a key and the other take it in, as over a link.
fn exchanged(from: &SoftwareHsm, to: &SoftwareHsm, name: KeyName) -> Result<(u8, String), HsmError> {
    let offer = from.offer_key(name, TDES, NOW_S)?;
    let taken = to.unwrap_key(name, offer.block.as_bytes(), LINK, NOW_S)?;
    assert_eq!(taken.check_value, offer.check_value);
    from.use_offered_key(name, offer.check_value, NOW_S)?;
    Ok((offer.version.number(), offer.block))
}

const LINK: Wanted = Wanted { algorithm: Some(KeyAlgorithm::Tdes), jump_max: 10 };
