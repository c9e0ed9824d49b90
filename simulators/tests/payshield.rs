//! The switch's payShield back end beside the simulated box: PINs in all formats and by DUKPT, MACs, keys made, exchanged and
//! rotated, and a box that is away, silent or slow.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use hsm::{
    Hsm, HsmError, Import, KeyCustody, KeyKind, KeyName, OLD_KEY_LIFE_S, PayShield, PayShieldSettings,
    PinTranslation, Wanted,
};
use keys::{
    Attributes, BoundKey, Expected, Exportability, KeyAlgorithm, KeyBlockError, KeyBlockKey, KeyUsage,
    KeyVersion, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, Padding, PinBlock, PinError, PinFormat, PinKey,
    PinPan, aes_dukpt_initial_key, tdes_dukpt_initial_key, translate_pin,
};
use simulators::payshield::{Handle, Machine, start};
use simulators::pins::{PinPad, pin_key};

const PAN: &[u8] = b"9704990012030000017";
const FORMATS: [PinFormat; 3] = [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4];
const LONG: Duration = Duration::from_secs(30);

fn pad_bytes(format: PinFormat) -> [u8; 16] {
    let mut bytes = *b"a pad's PIN key.";
    bytes[0] = b'0' + format.number();
    bytes
}

fn bank_bytes(format: PinFormat) -> [u8; 16] {
    let mut bytes = *b"a bank's PIN key";
    bytes[0] = b'0' + format.number();
    bytes
}

fn mac_key(usage: KeyUsage, algorithm: KeyAlgorithm) -> BoundKey {
    BoundKey::new(usage, ModeOfUse::GenerateAndVerify, algorithm, b"a key for MACs 1").unwrap()
}

fn exchange_key() -> BoundKey {
    let (usage, mode) = (KeyUsage::KeyBlockProtection, ModeOfUse::Both);
    BoundKey::new(usage, mode, KeyAlgorithm::Aes, b"an exchange key of thirty-two by").unwrap()
}

fn base_key(algorithm: KeyAlgorithm) -> BoundKey {
    let (usage, mode) = (KeyUsage::BaseDerivation, ModeOfUse::Derive);
    BoundKey::new(usage, mode, algorithm, b"a base key of 16").unwrap()
}

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

/// One terminal and one bank for each format, by their last digit.
fn write_tokens(machine: &Machine, path: &Path) {
    let mut text = String::new();
    let mut add = |name: String, key: &BoundKey| {
        text += &format!("{name} {} {}\n", machine.token(key).unwrap(), key.check_value());
    };
    for format in FORMATS {
        let number = format.number();
        add(format!("terminal.HN00000{number}.pin"), &pin_key(format, &pad_bytes(format)).unwrap());
        add(format!("bank.97041{number}.pin"), &pin_key(format, &bank_bytes(format)).unwrap());
    }
    add("bank.970410.mac-from-switch".to_owned(), &mac_key(KeyUsage::RetailMac, KeyAlgorithm::Tdes));
    add("bank.970413.mac-from-switch".to_owned(), &mac_key(KeyUsage::Cmac, KeyAlgorithm::Aes));
    add("bank.970414.mac-from-switch".to_owned(), &mac_key(KeyUsage::Hmac, KeyAlgorithm::Hmac));
    add("bank.970418.exchange".to_owned(), &exchange_key());
    add("terminal.HN00000A.derivation".to_owned(), &base_key(KeyAlgorithm::Aes));
    add("terminal.HN00000T.derivation".to_owned(), &base_key(KeyAlgorithm::Tdes));
    let initial = aes_dukpt_initial_key(&base_key(KeyAlgorithm::Aes), b"HN00000I").unwrap();
    add("terminal.HN00000I.derivation".to_owned(), &initial);
    std::fs::write(path, text).unwrap();
}

fn back_end(dir: &Path, address: SocketAddr, answer_max: Duration, connections_max: usize) -> PayShield {
    back_end_of(dir, vec![address], answer_max, connections_max)
}

fn back_end_of(
    dir: &Path,
    addresses: Vec<SocketAddr>,
    answer_max: Duration,
    connections_max: usize,
) -> PayShield {
    let tokens = dir.join("tokens");
    write_tokens(&Machine::new(1).unwrap(), &tokens);
    PayShield::open(PayShieldSettings { addresses, connections_max, answer_max, tokens }).unwrap()
}

fn simulated() -> (tokio::runtime::Runtime, Handle) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let handle = runtime.block_on(start(Machine::new(1).unwrap(), listen)).unwrap();
    (runtime, handle)
}

/// A block of 1234 under a pad's key, and what the back end makes of it.
fn translated(hsm: &PayShield, from: PinFormat, to: PinFormat, pan: &[u8]) -> Result<PinBlock, HsmError> {
    let pin = simulators::pins::Pin::parse(b"1234").unwrap();
    let key = pin_key(from, &pad_bytes(from)).unwrap();
    let pad = PinPad::fixed(&key, from).unwrap();
    let mut message = iso8583::Message::new(iso8583::Mti::new(200));
    message.set(2, PAN);
    pad.enter(&pin, 0, b"1", &mut message).unwrap();
    let block = message.get(52).or_else(|| message.get(121)).unwrap();
    let block = PinBlock::new(from, block).unwrap();
    let ask = PinTranslation {
        from: name(&format!("terminal.HN00000{}.pin", from.number())).owner,
        ksn: None,
        block: &block,
        pan: &PinPan::parse(pan).unwrap(),
        to: name(&format!("bank.97041{}.pin", to.number())).owner,
        format: to,
    };
    hsm.translate_pin(&ask, 0)
}

#[test]
fn pins_go_from_every_format_to_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    hsm.echo().unwrap();
    let pan = PinPan::parse(PAN).unwrap();
    for from in FORMATS {
        for to in FORMATS {
            let block = translated(&hsm, from, to, PAN).unwrap();
            // Read back as a block of format 0: each format's bytes are the same but for their fill.
            let bank = PinKey::new(&pin_key(to, &bank_bytes(to)).unwrap()).unwrap();
            let plain = pin_key(PinFormat::Iso0, b"to compare with.").unwrap();
            let plain = PinKey::new(&plain).unwrap();
            let read = translate_pin(&block, &pan, &bank, &plain, PinFormat::Iso0, &[0; 8]).unwrap();
            let expected = translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
            let own = PinKey::new(&pin_key(PinFormat::Iso0, &bank_bytes(PinFormat::Iso0)).unwrap()).unwrap();
            let expected = translate_pin(&expected, &pan, &own, &plain, PinFormat::Iso0, &[0; 8]).unwrap();
            assert_eq!(read.bytes(), expected.bytes(), "{from:?} to {to:?}");
        }
        let other = translated(&hsm, from, PinFormat::Iso0, b"9704990012039999995");
        assert_eq!(other.unwrap_err(), HsmError::Pin(PinError::Unreadable), "{from:?} for another PAN");
    }
    let names: Vec<String> = hsm.keys().unwrap().iter().map(|key| key.name.to_string()).collect();
    assert_eq!(names.len(), 13);
    let without = hsm.wrap_key(&name("bank.970410.pin"));
    assert_eq!(without, Err(HsmError::NoKey(name("bank.970410.exchange"))));
    let unknown = hsm.mac(&name("bank.1.mac-from-switch"), MacAlgorithm::AesCmac, b"");
    assert_eq!(unknown, Err(HsmError::NoKey(name("bank.1.mac-from-switch"))));
}

fn kind_of(algorithm: MacAlgorithm) -> (KeyUsage, KeyAlgorithm) {
    match algorithm {
        MacAlgorithm::HmacSha256 => (KeyUsage::Hmac, KeyAlgorithm::Hmac),
        MacAlgorithm::AesCmac => (KeyUsage::Cmac, KeyAlgorithm::Aes),
        MacAlgorithm::Retail(_) => (KeyUsage::RetailMac, KeyAlgorithm::Tdes),
    }
}

/// A PIN of a pad that derives its keys, as a request carries it, and what the back end makes of it for a bank of format 0.
fn translated_of(
    hsm: &PayShield,
    terminal: &str,
    pad: &PinPad,
    format: PinFormat,
) -> Result<PinBlock, HsmError> {
    let pin = simulators::pins::Pin::parse(b"1234").unwrap();
    let mut message = iso8583::Message::new(iso8583::Mti::new(200));
    message.set(2, PAN);
    pad.enter(&pin, 5, b"unique", &mut message).unwrap();
    let element = if format == PinFormat::Iso4 { 121 } else { 52 };
    let block = PinBlock::new(format, message.get(element).unwrap()).unwrap();
    let ask = PinTranslation {
        from: name(&format!("terminal.{terminal}.derivation")).owner,
        ksn: message.get(122),
        block: &block,
        pan: &PinPan::parse(PAN).unwrap(),
        to: name("bank.970410.pin").owner,
        format: PinFormat::Iso0,
    };
    hsm.translate_pin(&ask, 0)
}

#[test]
fn pads_that_derive_their_keys_are_translated_by_both_kinds_of_dukpt() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    let expected = translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
    let front = [0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0, 0, 0];
    let initial = tdes_dukpt_initial_key(&base_key(KeyAlgorithm::Tdes), &front).unwrap();
    let tdes = PinPad::tdes_dukpt(initial, front, PinFormat::Iso0);
    let aes = |id: [u8; 8]| {
        PinPad::aes_dukpt(aes_dukpt_initial_key(&base_key(KeyAlgorithm::Aes), &id).unwrap(), id)
    };
    let by_tdes = translated_of(&hsm, "HN00000T", &tdes, PinFormat::Iso0).unwrap();
    let by_aes = translated_of(&hsm, "HN00000A", &aes(*b"HN00000A"), PinFormat::Iso4).unwrap();
    assert_eq!([by_tdes.bytes(), by_aes.bytes()], [expected.bytes(), expected.bytes()]);

    let other = translated_of(&hsm, "HN00000A", &tdes, PinFormat::Iso0).unwrap_err();
    assert!(matches!(other, HsmError::Dukpt(_)), "a serial number for another algorithm: {other}");
    let initial = translated_of(&hsm, "HN00000I", &aes(*b"HN00000I"), PinFormat::Iso4).unwrap_err();
    assert!(matches!(initial, HsmError::NotHere(_)), "the box derives from a BDK: {initial}");
    let none = translated_of(&hsm, "HN00000X", &tdes, PinFormat::Iso0).unwrap_err();
    assert_eq!(none, HsmError::NoKey(name("terminal.HN00000X.derivation")));
}

const TDES: KeyKind = KeyKind { algorithm: KeyAlgorithm::Tdes, bytes: 16 };

#[test]
fn keys_are_made_handed_over_and_rotated_and_none_comes_back() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_runtime, handle) = simulated();
    let ours = back_end(here.path(), handle.addr(), LONG, 2);
    let theirs = back_end(there.path(), handle.addr(), LONG, 2);
    let kinds = [
        ("bank.970418.pin", TDES),
        ("bank.970418.pin", KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 16 }),
        ("bank.970418.mac-to-switch", KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 }),
        ("bank.970418.mac-from-switch", KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 32 }),
        ("bank.970418.derivation", KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 16 }),
    ];
    let mut blocks = Vec::new();
    for (text, kind) in kinds {
        let made = ours.generate_key(name(text), kind, 1_000).unwrap();
        assert_eq!((made.algorithm, made.bytes, made.since_s), (kind.algorithm, kind.bytes, 1_000));
        let block = ours.wrap_key(&name(text)).unwrap();
        // The other end has the key that the box has made, and may not hand it on.
        let expected = Expected { usage: made.usage, version_min: made.version };
        let under = KeyBlockKey::new(&exchange_key()).unwrap();
        let unwrapped = under.unwrap(block.as_bytes(), expected).unwrap();
        assert!(unwrapped.key.check_value().is_told_by(made.check_value.bytes()), "{text}");
        assert_eq!(unwrapped.attributes.exportability, Exportability::NonExportable);
        let taken = theirs.unwrap_key(name(text), block.as_bytes(), Wanted::ANY, 1_000).unwrap();
        assert_eq!((taken.check_value, taken.version), (made.check_value, made.version));
        blocks.push((text, block));
    }
    let pin = name("bank.970418.pin");
    let rollback = HsmError::Rollback { name: pin, version: KeyVersion::new(2).unwrap() };
    let (first, second) = (blocks[0].1.as_bytes(), blocks[1].1.as_bytes());
    assert_eq!(theirs.unwrap_key(pin, first, Wanted::ANY, 2_000).unwrap_err(), rollback);
    let again = theirs.unwrap_key(pin, second, Wanted::ANY, 2_000).unwrap();
    assert_eq!(
        (again.version.number(), again.since_s),
        (2, 1_000),
        "the very key that is there changes nothing"
    );
    assert!(theirs.examine_key(pin, second, Wanted::ANY).unwrap().is_there);
    let strict = Wanted { algorithm: Some(KeyAlgorithm::Tdes), jump_max: 1 };
    let third = ours.generate_key(pin, kinds[1].1, 1_000).unwrap();
    let block = ours.wrap_key(&pin).unwrap();
    let refused = theirs.unwrap_key(pin, block.as_bytes(), strict, 2_000).unwrap_err();
    assert_eq!(refused, HsmError::OtherAlgorithm { name: pin, wanted: KeyAlgorithm::Tdes });
    ours.generate_key(pin, TDES, 1_000).unwrap();
    let far = theirs.unwrap_key(pin, ours.wrap_key(&pin).unwrap().as_bytes(), strict, 2_000).unwrap_err();
    assert!(matches!(far, HsmError::Jump { jump_max: 1, .. }), "{far}");
    let examined = theirs.examine_key(pin, block.as_bytes(), Wanted::ANY).unwrap();
    assert_eq!((examined.version, examined.check_value), (third.version, third.check_value));
    assert_eq!(theirs.key(&pin).unwrap().unwrap().version.number(), 2, "looked at alone");
    let reopened = reopened(there.path(), handle.addr());
    assert_eq!(reopened.keys().unwrap(), theirs.keys().unwrap(), "the file holds what is used");

    // Of a block nothing can be changed, and it serves for its usage and its owner alone.
    for at in [5, 9, 11, 40, blocks[2].1.len() - 1] {
        let mut other = blocks[2].1.clone().into_bytes();
        other[at] = if other[at] == b'1' { b'2' } else { b'1' };
        let refused =
            theirs.unwrap_key(name("bank.970418.mac-to-switch"), &other, Wanted::ANY, 2_000).unwrap_err();
        assert!(matches!(refused, HsmError::Refused { command: "A6", .. }), "character {at}: {refused}");
    }
    let refused = theirs
        .unwrap_key(name("bank.970418.derivation"), blocks[0].1.as_bytes(), Wanted::ANY, 2_000)
        .unwrap_err();
    let usage = KeyUsage::PinEncryption;
    assert_eq!(refused, HsmError::KeyBlock(KeyBlockError::Usage { usage }), "none to derive from");
    let token = std::fs::read_to_string(there.path().join("tokens")).unwrap();
    let token = token.split_ascii_whitespace().find(|word| word.starts_with("S0") || word.starts_with("SD"));
    let smuggled = theirs.unwrap_key(pin, token.unwrap().as_bytes(), Wanted::ANY, 2_000).unwrap_err();
    assert!(
        matches!(smuggled, HsmError::KeyBlock(_)),
        "over a link nothing under the LMK is taken: {smuggled}"
    );
    let longer = format!("{}00", blocks[1].1);
    let longer = theirs.unwrap_key(pin, longer.as_bytes(), Wanted::ANY, 2_000).unwrap_err();
    assert!(matches!(longer, HsmError::KeyBlock(_)), "{longer}");
}

fn reopened(dir: &Path, address: SocketAddr) -> PayShield {
    let (addresses, tokens) = (vec![address], dir.join("tokens"));
    PayShield::open(PayShieldSettings { addresses, connections_max: 1, answer_max: LONG, tokens }).unwrap()
}

#[test]
fn the_key_before_reads_pins_and_macs_for_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    let key = name("bank.970414.mac-from-switch");
    let old = hsm.mac(&key, MacAlgorithm::HmacSha256, b"0800").unwrap();
    hsm.generate_key(key, KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 }, 1_000).unwrap();
    let verified = |mac: &[u8], now_s| hsm.verify_mac(&key, MacAlgorithm::HmacSha256, b"0800", mac, now_s);
    let new = hsm.mac(&key, MacAlgorithm::HmacSha256, b"0800").unwrap();
    assert_ne!(new, old);
    assert_eq!((verified(&new, 1_001), verified(&old, 999 + OLD_KEY_LIFE_S)), (Ok(()), Ok(())));
    assert_eq!(verified(&old, 1_000 + OLD_KEY_LIFE_S), Err(HsmError::Mac));

    let pad = name("terminal.HN000000.pin");
    hsm.generate_key(pad, TDES, 1_000).unwrap();
    translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
    hsm.generate_key(pad, TDES, 1_000).unwrap();
    let gone = translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap_err();
    assert_eq!(gone, HsmError::Pin(PinError::Unreadable), "two keys back");
}

/// The other end's exchange key; each is another one.
fn exchange_key_of(value: u8) -> BoundKey {
    let (usage, mode) = (KeyUsage::KeyBlockProtection, ModeOfUse::Both);
    BoundKey::new(usage, mode, KeyAlgorithm::Aes, &[value; 32]).unwrap()
}

fn bring_exchange(hsm: &PayShield, owner: &str, key: &BoundKey) -> Result<(), HsmError> {
    let token = Machine::new(1).unwrap().token(key).unwrap();
    let import = [(name(&format!("{owner}.exchange")), Import::Block(token.into_bytes()))];
    hsm.import_all(&import, 5).map(drop).map_err(|(_, error)| error)
}

/// The key of a block under an exchange key, as its owner takes it in.
fn opened(block: &str, exchange: &BoundKey) -> BoundKey {
    let expected = Expected { usage: KeyUsage::PinEncryption, version_min: KeyVersion::UNUSED };
    KeyBlockKey::new(exchange).unwrap().unwrap(block.as_bytes(), expected).unwrap().key
}

/// A PIN under a terminal's key, and what the back end makes of it for a bank.
fn sent_on(hsm: &PayShield, key: &BoundKey, to: &str, now_s: i64) -> Result<PinBlock, HsmError> {
    let pin = simulators::pins::Pin::parse(b"1234").unwrap();
    let pad = PinPad::fixed(key, PinFormat::Iso0).unwrap();
    let mut message = iso8583::Message::new(iso8583::Mti::new(200));
    message.set(2, PAN);
    pad.enter(&pin, 0, b"1", &mut message).unwrap();
    let block = PinBlock::new(PinFormat::Iso0, message.get(52).unwrap()).unwrap();
    let ask = PinTranslation {
        from: name("terminal.HN000000.pin").owner,
        ksn: None,
        block: &block,
        pan: &PinPan::parse(PAN).unwrap(),
        to: name(&format!("{to}.pin")).owner,
        format: PinFormat::Iso0,
    };
    hsm.translate_pin(&ask, now_s)
}

#[test]
fn a_key_that_was_offered_reads_and_makes_nothing_until_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let mut hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    let exchange = exchange_key_of(0x3C);
    for owner in ["terminal.HN000000", "bank.970410"] {
        bring_exchange(&hsm, owner, &exchange).unwrap();
    }
    let (mine, theirs) = (name("terminal.HN000000.pin"), name("bank.970410.pin"));
    let old = pin_key(PinFormat::Iso0, &pad_bytes(PinFormat::Iso0)).unwrap();
    let bank = pin_key(PinFormat::Iso0, &bank_bytes(PinFormat::Iso0)).unwrap();
    let [offer, to_bank] = [mine, theirs].map(|name| hsm.offer_key(name, TDES, 1_000).unwrap());
    let (new, new_bank) = (opened(&offer.block, &exchange), opened(&to_bank.block, &exchange));
    assert_eq!(offer.version.number(), 2);
    assert!(new.check_value().is_told_by(offer.check_value.bytes()));
    // Which of the bank's keys a PIN goes on under.
    let under = |hsm: &PayShield, key: &BoundKey, now_s| {
        let block = sent_on(hsm, key, "bank.970410", now_s).ok()?;
        let pan = PinPan::parse(PAN).unwrap();
        let plain = PinKey::new(&pin_key(PinFormat::Iso0, b"to compare with.").unwrap()).unwrap();
        let reads = |key: &BoundKey| {
            translate_pin(&block, &pan, &PinKey::new(key).unwrap(), &plain, PinFormat::Iso0, &[0; 8]).is_ok()
        };
        Some((reads(&bank), reads(&new_bank)))
    };
    let file = std::fs::read(dir.path().join("tokens")).unwrap();
    for _ in 0..2 {
        assert_eq!(under(&hsm, &old, 1_000), Some((true, false)));
        assert_eq!(under(&hsm, &new, 1_000), Some((true, false)), "its owner may use it");
        let offered: Vec<_> = hsm.offered_keys().unwrap().iter().map(|key| (key.name, key.version)).collect();
        let second = KeyVersion::new(2).unwrap();
        assert_eq!(offered, [(mine, second), (theirs, second)]);
        assert_eq!(hsm.key(&mine).unwrap().unwrap().version.number(), 1);
        let again = hsm.offer_key(mine, TDES, 1_009).unwrap();
        assert_eq!(opened(&again.block, &exchange).bytes(), new.bytes(), "the same once more");
        assert_eq!(std::fs::read(dir.path().join("tokens")).unwrap(), file, "and nothing is written");
        hsm = reopened(dir.path(), handle.addr());
    }
    let used = hsm.use_offered_key(theirs, to_bank.check_value, 2_000).unwrap();
    assert_eq!((used.version.number(), used.since_s, used.bytes), (2, 2_000, 16));
    assert_eq!(under(&hsm, &new, 2_000), Some((false, true)));
    assert_eq!(hsm.use_offered_key(theirs, to_bank.check_value, 2_000), Err(HsmError::NoKey(theirs)), "once");
    hsm.use_offered_key(mine, new.check_value(), 2_000).unwrap();
    assert_eq!(hsm.offered_keys().unwrap(), []);
    for (key, now_s, is_read) in [
        (&old, 1_999 + OLD_KEY_LIFE_S, true),
        (&old, 2_000 + OLD_KEY_LIFE_S, false),
        (&new, 2_000 + OLD_KEY_LIFE_S, true),
    ] {
        assert_eq!(under(&hsm, key, now_s).is_some(), is_read);
    }
    // One above it makes it void; without an exchange key, and for links' MACs, none is made.
    let third = hsm.offer_key(mine, TDES, 2_000).unwrap();
    assert_eq!(hsm.generate_key(mine, TDES, 2_000).unwrap().version.number(), 4);
    assert_eq!(hsm.use_offered_key(mine, third.check_value, 2_000), Err(HsmError::NoKey(mine)));
    let without = name("bank.970413.pin");
    assert_eq!(hsm.offer_key(without, TDES, 1).unwrap_err(), HsmError::NoKey(name("bank.970413.exchange")));
    let mac = hsm.offer_key(name("bank.970410.mac-to-switch"), TDES, 1).unwrap_err();
    assert!(matches!(mac, HsmError::NotHere(_)) && !hsm.has_link_macs(), "{mac}");
}

/// Versions ended with 99, and nothing led back.
#[test]
fn behind_the_last_version_a_new_exchange_key_begins_them_anew() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_runtime, handle) = simulated();
    let mut hsm = back_end(here.path(), handle.addr(), LONG, 2);
    let peer = back_end(there.path(), handle.addr(), LONG, 2);
    let pin = name("bank.970410.pin");
    let link = Wanted { algorithm: Some(KeyAlgorithm::Tdes), jump_max: 10 };
    for module in [&hsm, &peer] {
        bring_exchange(module, "bank.970410", &exchange_key_of(1)).unwrap();
    }
    let mut old = Vec::new();
    for version in 2..=99 {
        let offer = hsm.offer_key(pin, TDES, 1_000).unwrap();
        assert_eq!(offer.version.number(), version);
        peer.unwrap_key(pin, offer.block.as_bytes(), link, 1_000).unwrap();
        hsm.use_offered_key(pin, offer.check_value, 1_000).unwrap();
        old.push(offer.block);
    }
    let used_up = HsmError::VersionsUsedUp(pin);
    assert_eq!(hsm.offer_key(pin, TDES, 1_000).unwrap_err(), used_up);
    assert_eq!(hsm.generate_key(pin, TDES, 1_000).unwrap_err(), used_up);
    // One whose number is that of the one before it, as a console gives it.
    for module in [&hsm, &peer] {
        bring_exchange(module, "bank.970410", &exchange_key_of(2)).unwrap();
        let back = bring_exchange(module, "bank.970410", &exchange_key_of(1)).unwrap_err();
        assert_eq!(back, HsmError::ComesBack(name("bank.970410.exchange")));
    }
    hsm = reopened(here.path(), handle.addr());
    let carried = hsm.wrap_key(&pin).unwrap_err();
    assert!(matches!(carried, HsmError::NotHere(_)), "the box would number it as before: {carried}");
    let offer = hsm.offer_key(pin, TDES, 1_000).unwrap();
    assert_eq!(offer.version.number(), 1);
    peer.unwrap_key(pin, offer.block.as_bytes(), link, 1_000).unwrap();
    hsm.use_offered_key(pin, offer.check_value, 1_000).unwrap();
    let info = hsm.key(&pin).unwrap().unwrap();
    assert_eq!((info.version.number(), info.under.unwrap().number()), (1, 2));
    // And the other way.
    let offer = peer.offer_key(pin, TDES, 1_000).unwrap();
    assert_eq!(hsm.unwrap_key(pin, offer.block.as_bytes(), link, 1_000).unwrap().version.number(), 2);
    assert!(hsm.examine_key(pin, offer.block.as_bytes(), link).unwrap().is_there, "a repeat is one");
    for block in [&old[0], &old[96]] {
        let refused = hsm.unwrap_key(pin, block.as_bytes(), Wanted::ANY, 1_000).unwrap_err();
        assert!(
            matches!(refused, HsmError::Refused { command: "A6", .. }),
            "it was under the one before: {refused}"
        );
    }
    let reopened = reopened(here.path(), handle.addr());
    assert_eq!(reopened.keys().unwrap(), hsm.keys().unwrap(), "the file holds what is used");
    // Keys of before are known by themselves under a third one.
    let before = KeyBlockKey::new(&exchange_key_of(3)).unwrap();
    let block = |key: &BoundKey, version| {
        let attributes = Attributes { version: KeyVersion::new(version).unwrap(), ..Attributes::default() };
        before.wrap(key, &attributes, &[3; 32]).unwrap()
    };
    let newest = opened(&offer.block, &exchange_key_of(2));
    bring_exchange(&hsm, "bank.970410", &exchange_key_of(3)).unwrap();
    assert!(hsm.examine_key(pin, block(&newest, 1).as_bytes(), link).unwrap().is_there);
    let next = hsm.offer_key(pin, TDES, 1_000).unwrap();
    hsm.use_offered_key(pin, next.check_value, 1_000).unwrap();
    bring_exchange(&hsm, "bank.970410", &exchange_key_of(4)).unwrap();
    let under_fourth = KeyBlockKey::new(&exchange_key_of(4)).unwrap();
    let back = under_fourth.wrap(&newest, &Attributes::default(), &[3; 32]).unwrap();
    assert_eq!(hsm.unwrap_key(pin, back.as_bytes(), link, 1_000).unwrap_err(), HsmError::ComesBack(pin));
}

#[test]
fn many_keys_come_in_at_once_or_none_and_a_consoles_own_under_the_lmk() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    let machine = Machine::new(1).unwrap();
    let token = machine.token(&exchange_key()).unwrap();
    let attributes = Attributes { version: KeyVersion::new(7).unwrap(), ..Attributes::default() };
    let pin = pin_key(PinFormat::Iso4, &bank_bytes(PinFormat::Iso4)).unwrap();
    let block = KeyBlockKey::new(&exchange_key()).unwrap().wrap(&pin, &attributes, &[3; 32]).unwrap();
    let (exchange, key) = (name("bank.970421.exchange"), name("bank.970421.pin"));
    let both = [(exchange, Import::Block(token.into_bytes())), (key, Import::Block(block.into_bytes()))];
    let before = hsm.keys().unwrap().len();
    let with_parts = Import::Parts { algorithm: KeyAlgorithm::Aes, parts: Vec::new() };
    let [one, two] = both;
    let (refused, error) = hsm.import_all(&[one, two, (exchange, with_parts)], 5).unwrap_err();
    assert!(matches!(error, HsmError::NotHere(_)) && refused == Some(exchange), "{error}");
    assert_eq!(hsm.keys().unwrap().len(), before, "nothing was taken");
    let token = machine.token(&exchange_key()).unwrap();
    let block = KeyBlockKey::new(&exchange_key()).unwrap().wrap(&pin, &attributes, &[3; 32]).unwrap();
    let both = [(exchange, Import::Block(token.into_bytes())), (key, Import::Block(block.into_bytes()))];
    let taken = hsm.import_all(&both, 5).unwrap();
    assert!(
        exchange_key().check_value().is_told_by(taken[0].check_value.bytes()),
        "which the box was asked for"
    );
    assert!(pin.check_value().is_told_by(taken[1].check_value.bytes()));
    assert_eq!((taken[1].version.number(), hsm.keys().unwrap().len()), (7, before + 2));
}

#[test]
fn macs_are_made_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (_runtime, handle) = simulated();
    let hsm = back_end(dir.path(), handle.addr(), LONG, 2);
    for (bank, algorithm) in [
        ("970410", MacAlgorithm::Retail(Padding::Zeros)),
        ("970410", MacAlgorithm::Retail(Padding::OneThenZeros)),
        ("970413", MacAlgorithm::AesCmac),
        ("970414", MacAlgorithm::HmacSha256),
    ] {
        let key = name(&format!("bank.{bank}.mac-from-switch"));
        for text in [&b"0800"[..], &[0xFF; 700], b""] {
            let mac = hsm.mac(&key, algorithm, text).unwrap();
            let (usage, kind) = kind_of(algorithm);
            let own = MacKey::bound(&mac_key(usage, kind), algorithm, MacPurpose::Sign).unwrap();
            assert_eq!(mac, own.sign(text), "{algorithm:?}");
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &mac, 0), Ok(()));
            let wrong = [mac[0] ^ 1, mac[1], mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]];
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &wrong, 0), Err(HsmError::Mac));
            assert_eq!(hsm.verify_mac(&key, algorithm, text, &mac[..4], 0), Err(HsmError::Mac));
        }
    }
    let other = hsm.mac(&name("bank.970410.mac-from-switch"), MacAlgorithm::AesCmac, b"0800");
    assert!(matches!(other, Err(HsmError::Away(_))), "a key for another algorithm");
}

#[test]
fn a_box_that_is_away_silent_or_out_of_step_is_an_error_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let is_away = |hsm: &PayShield, says: &str| match translated(hsm, PinFormat::Iso0, PinFormat::Iso0, PAN)
        .unwrap_err()
    {
        HsmError::Away(reason) => assert!(reason.contains(says), "{reason}"),
        other => panic!("{other}"),
    };
    // Its connection waits to be accepted, and nobody answers.
    is_away(&back_end(dir.path(), address, Duration::from_millis(50), 1), "no answer in time");
    let answers = std::thread::spawn(move || {
        for answer in [&b""[..], b"\x00\x089999CB00", b"", b"\xFF\xFF"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes(length))]).unwrap();
            // Who has not waited is gone.
            let _ = stream.write_all(answer);
        }
    });
    let hsm = back_end(dir.path(), address, LONG, 1);
    is_away(&hsm, "something else");
    is_away(&hsm, "closed");
    is_away(&hsm, "65535 bytes");
    answers.join().unwrap();
    is_away(&hsm, &address.to_string());
}

#[test]
fn a_box_that_accepts_and_is_silent_is_passed_over_and_the_second_answers_in_time() {
    let dir = tempfile::tempdir().unwrap();
    // Its connections are accepted by the system, as by a tunnel behind which no box is.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let (_runtime, handle) = simulated();
    let addresses = vec![silent.local_addr().unwrap(), handle.addr()];
    let hsm = back_end_of(dir.path(), addresses, Duration::from_secs(4), 1);
    for _ in 0..4 {
        translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
    }
    assert!(silent.accept().is_ok(), "it was asked first");
    assert!(silent.accept().is_err(), "and not again: good is who has answered");
}

#[test]
fn when_no_address_answers_each_is_named_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = vec![silent.local_addr().unwrap(), away];
    let hsm = back_end_of(dir.path(), addresses.clone(), Duration::from_millis(200), 1);
    for _ in 0..2 {
        let HsmError::Away(reason) = hsm.echo().unwrap_err() else { panic!("another error") };
        let parts: Vec<&str> = reason.split("; ").collect();
        assert_eq!(parts.len(), 2, "{reason}");
        assert!(parts[0].starts_with(&format!("{}: no answer in time", addresses[0])), "{reason}");
        assert!(parts[1].starts_with(&format!("{}: ", addresses[1])), "{reason}");
    }
}

#[test]
fn many_share_few_connections_and_a_box_that_comes_back_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (runtime, handle) = simulated();
    let address = handle.addr();
    let hsm = back_end(dir.path(), address, LONG, 2);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    translated(&hsm, PinFormat::Iso0, PinFormat::Iso4, PAN).unwrap();
                }
            });
        }
    });
    drop(handle);
    drop(runtime);
    assert!(matches!(translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN), Err(HsmError::Away(_))));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _handle = runtime.block_on(start(Machine::new(1).unwrap(), address)).unwrap();
    translated(&hsm, PinFormat::Iso0, PinFormat::Iso0, PAN).unwrap();
}
