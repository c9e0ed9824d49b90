//! The software module: PINs translated, MACs, keys exchanged between two modules, the sealed file.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use hsm::{
    Examined, Hsm, HsmError, Import, KeyCustody, KeyKind, KeyName, KeyRole, LinkMacKeys, OLD_KEY_LIFE_S,
    Owner, PinTranslation, Sealing, SoftwareHsm, Wanted,
};
use keys::clear_pin::{ClearPin, encipher_clear_pin};
use keys::{
    AesDukptKind, AesKsn, Attributes, BoundKey, CheckValue, DukptPurpose, Expected, Exportability,
    KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockError, KeyBlockKey, KeyError, KeyUsage, KeyVersion,
    MAC_BYTES, MacAlgorithm, MacPurpose, ModeOfUse, Padding, PinBlock, PinError, PinFormat, PinKey, PinPan,
    TdesKsn, aes_dukpt_key, tdes_dukpt_key, translate_pin,
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

#[test]
fn a_pin_goes_from_a_terminals_key_to_a_banks_in_any_two_formats() {
    let dir = tempfile::tempdir().unwrap();
    let algorithm = |format| if format == PinFormat::Iso4 { KeyAlgorithm::Aes } else { KeyAlgorithm::Tdes };
    let tdes = pin_key(&parts(0x77, 16), KeyAlgorithm::Tdes);
    for from in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
        for to in [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4] {
            let module = module(dir.path(), &format!("{from:?}{to:?}"));
            let none = translate(&module, &block(&tdes, PinFormat::Iso0), None, to, NOW_S);
            assert_eq!(none.unwrap_err(), HsmError::NoKey(bank().key(KeyRole::Pin)));
            module.import_parts(bank().key(KeyRole::Pin), algorithm(to), &parts(0x33, 16), NOW_S).unwrap();
            let none = translate(&module, &block(&tdes, PinFormat::Iso0), None, to, NOW_S);
            assert_eq!(none.unwrap_err(), HsmError::NoKey(terminal().key(KeyRole::Pin)));
            module
                .import_parts(terminal().key(KeyRole::Pin), algorithm(from), &parts(0x11, 16), NOW_S)
                .unwrap();

            let asked = block(&pin_key(&parts(0x11, 16), algorithm(from)), from);
            let answer = translate(&module, &asked, None, to, NOW_S).unwrap();
            assert_eq!(answer.format(), to);
            assert!(
                holds_the_pin(&answer, &pin_key(&parts(0x33, 16), algorithm(to)), &tdes),
                "{from:?} {to:?}"
            );
            let other = block(&pin_key(&parts(0x12, 16), algorithm(from)), from);
            let refused = translate(&module, &other, None, to, NOW_S).unwrap_err();
            assert_eq!(refused, HsmError::Pin(PinError::Unreadable));
        }
    }
}

#[test]
fn a_terminal_that_derives_its_keys_is_translated_by_its_serial_number() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let tdes = pin_key(&parts(0x77, 16), KeyAlgorithm::Tdes);
    module.import_parts(bank().key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(0x33, 16), NOW_S).unwrap();
    let to_key = pin_key(&parts(0x33, 16), KeyAlgorithm::Tdes);
    let base = terminal().key(KeyRole::Derivation);

    let ksn = [0xFF, 0xFF, 0x98, 0x76, 0x54, 0x32, 0x10, 0xE0, 0x00, 0x01];
    module.import_parts(base, KeyAlgorithm::Tdes, &parts(0x21, 16), NOW_S).unwrap();
    let bdk = key_of(&parts(0x21, 16), KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Tdes);
    let key = tdes_dukpt_key(&bdk, &TdesKsn::parse(&ksn).unwrap(), DukptPurpose::Pin).unwrap();
    let asked = block(&PinKey::new(&key).unwrap(), PinFormat::Iso0);
    let answer = translate(&module, &asked, Some(&ksn), PinFormat::Iso0, NOW_S).unwrap();
    assert!(holds_the_pin(&answer, &to_key, &tdes));
    let mut other = ksn;
    other[9] = 2;
    let refused = translate(&module, &asked, Some(&other), PinFormat::Iso0, NOW_S).unwrap_err();
    assert_eq!(refused, HsmError::Pin(PinError::Unreadable));
    assert!(matches!(
        translate(&module, &asked, Some(&ksn[..9]), PinFormat::Iso0, NOW_S),
        Err(HsmError::Dukpt(_))
    ));

    let ksn = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5];
    module.import_parts(base, KeyAlgorithm::Aes, &parts(0x22, 16), NOW_S).unwrap();
    let bdk = key_of(&parts(0x22, 16), KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Aes);
    let kind = AesDukptKind::Aes { bytes: 16 };
    let key = aes_dukpt_key(&bdk, &AesKsn::parse(&ksn).unwrap(), DukptPurpose::Pin, kind).unwrap();
    let asked = block(&PinKey::new(&key).unwrap(), PinFormat::Iso4);
    let answer = translate(&module, &asked, Some(&ksn), PinFormat::Iso0, NOW_S).unwrap();
    assert!(holds_the_pin(&answer, &to_key, &tdes));
}

#[test]
fn the_key_before_the_newest_is_good_for_its_window_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let mine = terminal().key(KeyRole::Pin);
    let algorithm = KeyAlgorithm::Tdes;
    module.import_parts(bank().key(KeyRole::Pin), algorithm, &parts(0x33, 16), NOW_S).unwrap();
    let first = module.import_parts(mine, algorithm, &parts(0x11, 16), NOW_S).unwrap();
    let second = module.import_parts(mine, algorithm, &parts(0x12, 16), NOW_S + 5).unwrap();
    assert_eq!((first.version.number(), second.version.number()), (1, 2));
    assert_eq!(second.before, Some((first.version, first.check_value)));
    let of = |value| block(&pin_key(&parts(value, 16), algorithm), PinFormat::Iso0);
    let ends_s = second.before_until_s().unwrap();
    assert_eq!(ends_s, NOW_S + 5 + OLD_KEY_LIFE_S);
    for (value, now_s, is_good) in
        [(0x12, NOW_S, true), (0x11, ends_s - 1, true), (0x11, ends_s, false), (0x12, ends_s, true)]
    {
        let answer = translate(&module, &of(value), None, PinFormat::Iso0, now_s);
        assert_eq!(answer.is_ok(), is_good, "{value:x} at {now_s}");
    }
    module.import_parts(mine, algorithm, &parts(0x13, 16), NOW_S + 6).unwrap();
    let answer = translate(&module, &of(0x11), None, PinFormat::Iso0, NOW_S + 6);
    assert_eq!(answer.unwrap_err(), HsmError::Pin(PinError::Unreadable), "two before the newest");
}

#[test]
fn keys_travel_between_two_modules_and_none_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (module(dir.path(), "here"), module(dir.path(), "there"));
    let pin = bank().key(KeyRole::Pin);
    assert_eq!(here.generate_key(pin, TDES, NOW_S).unwrap().version.number(), 1);
    assert_eq!(here.wrap_key(&pin).unwrap_err(), HsmError::NoKey(bank().key(KeyRole::Exchange)));
    for module in [&here, &there] {
        let zmk =
            module.import_parts(bank().key(KeyRole::Exchange), KeyAlgorithm::Aes, &parts(0x44, 32), NOW_S);
        assert_eq!(zmk.unwrap().usage, KeyUsage::KeyBlockProtection);
    }
    let first = here.wrap_key(&pin).unwrap();
    let taken = there.unwrap_key(pin, first.as_bytes(), Wanted::ANY, NOW_S).unwrap();
    assert_eq!(taken.check_value, here.keys().unwrap()[1].check_value);

    let second = here.generate_key(pin, TDES, NOW_S).unwrap();
    let block = here.wrap_key(&pin).unwrap();
    let taken = there.unwrap_key(pin, block.as_bytes(), Wanted::ANY, NOW_S).unwrap();
    assert_eq!(taken.check_value, second.check_value);
    // The very key that is there is a repeat, whose answer was lost.
    let again = there.unwrap_key(pin, block.as_bytes(), Wanted::ANY, NOW_S + 1).unwrap();
    assert_eq!(again, taken, "since then, and not since now");
    let refused = there.unwrap_key(pin, first.as_bytes(), Wanted::ANY, NOW_S).unwrap_err();
    assert!(matches!(refused, HsmError::KeyBlock(KeyBlockError::Rollback { .. })), "{refused}");
    let mac = bank().key(KeyRole::MacToSwitch);
    let swapped = there.unwrap_key(mac, block.as_bytes(), Wanted::ANY, NOW_S).unwrap_err();
    let usage = KeyUsage::PinEncryption;
    assert_eq!(swapped, HsmError::KeyBlock(KeyBlockError::Usage { usage }), "a PIN key is no MAC key");
    assert_eq!(there.keys().unwrap().len(), 2, "what is refused changes nothing");
}

/// What the exchange key of the bank or the terminal is made of: each has its own.
fn exchange_of(owner: Owner) -> u8 {
    if owner == bank() { 0x44 } else { 0x54 }
}

/// A key block of the bank's or terminal's, as the other end would make it.
fn brought(
    owner: Owner,
    version: u8,
    mode: ModeOfUse,
    algorithm: KeyAlgorithm,
    value: u8,
) -> (KeyName, String) {
    let exchange = parts(exchange_of(owner), 32);
    let exchange = key_of(&exchange, KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes);
    let attributes = Attributes {
        version: KeyVersion::new(version).unwrap(),
        exportability: Exportability::NonExportable,
        optional: Vec::new(),
    };
    let key = key_of(&parts(value, 16), KeyUsage::PinEncryption, mode, algorithm);
    let block = KeyBlockKey::new(&exchange).unwrap().wrap(&key, &attributes, &[7; KEY_BLOCK_RANDOM_BYTES]);
    (owner.key(KeyRole::Pin), block.unwrap())
}

/// A bank's key of the wrong algorithm or mode was once taken in over its link: all its PINs were then 88.
#[test]
fn a_key_that_could_not_serve_or_leaves_none_behind_it_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    for owner in [bank(), terminal()] {
        let zmk = owner.key(KeyRole::Exchange);
        module.import_parts(zmk, KeyAlgorithm::Aes, &parts(exchange_of(owner), 32), NOW_S).unwrap();
    }
    let (tdes, aes) = (KeyAlgorithm::Tdes, KeyAlgorithm::Aes);
    let wanted = Wanted { algorithm: Some(tdes), jump_max: 10 };
    let before = std::fs::metadata(dir.path().join("keys")).unwrap().modified().unwrap();
    type IsExpected = fn(&HsmError) -> bool;
    let refused: [((KeyName, String), IsExpected); 4] = [
        (brought(bank(), 1, ModeOfUse::Both, aes, 1), |error| {
            matches!(error, HsmError::OtherAlgorithm { wanted: KeyAlgorithm::Tdes, .. })
        }),
        (brought(bank(), 1, ModeOfUse::Decrypt, tdes, 1), |error| {
            *error == HsmError::Key(KeyError::Forbidden { mode: ModeOfUse::Decrypt })
        }),
        (brought(terminal(), 1, ModeOfUse::Encrypt, tdes, 1), |error| {
            *error == HsmError::Key(KeyError::Forbidden { mode: ModeOfUse::Encrypt })
        }),
        (brought(bank(), 11, ModeOfUse::Both, tdes, 1), |error| matches!(error, HsmError::Jump { .. })),
    ];
    for ((name, block), is_expected) in refused {
        let examined = module.examine_key(name, block.as_bytes(), wanted).unwrap_err();
        let error = module.unwrap_key(name, block.as_bytes(), wanted, NOW_S).unwrap_err();
        assert!(is_expected(&error) && examined == error, "{error}");
    }
    assert_eq!(module.keys().unwrap().len(), 2);
    assert_eq!(std::fs::metadata(dir.path().join("keys")).unwrap().modified().unwrap(), before);

    for (owner, mode, value) in [(bank(), ModeOfUse::Encrypt, 2), (terminal(), ModeOfUse::Decrypt, 4)] {
        let (name, block) = brought(owner, 10, mode, tdes, value);
        let examined = module.examine_key(name, block.as_bytes(), wanted).unwrap();
        assert_eq!(module.key(&name).unwrap(), None, "looked at alone");
        let taken = module.unwrap_key(name, block.as_bytes(), wanted, NOW_S).unwrap();
        assert_eq!(Some(&taken), module.key(&name).unwrap().as_ref());
        assert_eq!((examined.version, examined.check_value), (taken.version, taken.check_value));
        assert!(!examined.is_there);
        let again = module.examine_key(name, block.as_bytes(), wanted).unwrap();
        assert_eq!(again, Examined { is_there: true, ..examined });
    }
    let (name, block) = brought(bank(), 10, ModeOfUse::Encrypt, tdes, 3);
    let other = module.unwrap_key(name, block.as_bytes(), wanted, NOW_S).unwrap_err();
    assert!(matches!(other, HsmError::Rollback { .. }), "another key of the same version: {other}");
}

#[test]
fn a_banks_key_that_makes_no_block_of_its_format_is_told_from_a_block_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    module.import_parts(bank().key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(0x33, 16), NOW_S).unwrap();
    module.import_parts(terminal().key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(0x11, 16), NOW_S).unwrap();
    let asked = block(&pin_key(&parts(0x11, 16), KeyAlgorithm::Tdes), PinFormat::Iso0);
    let name = bank().key(KeyRole::Pin);
    let reason = PinError::Algorithm { format: PinFormat::Iso4 };
    let unfit = translate(&module, &asked, None, PinFormat::Iso4, NOW_S).unwrap_err();
    assert_eq!(unfit, HsmError::Unfit { name, reason });
}

/// The first of two keys of 16 bytes that reads a PIN block of the terminal's.
fn reads(module: &SoftwareHsm, key: &BoundKey, now_s: i64) -> bool {
    let asked = block(&PinKey::new(key).unwrap(), PinFormat::Iso0);
    translate(module, &asked, None, PinFormat::Iso0, now_s).is_ok()
}

/// Opens what a module has wrapped for the other end.
fn opened(block: &str, owner: Owner, usage: KeyUsage) -> BoundKey {
    let exchange = parts(exchange_of(owner), 32);
    let exchange = key_of(&exchange, KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes);
    let expected = Expected { usage, version_min: KeyVersion::UNUSED };
    KeyBlockKey::new(&exchange).unwrap().unwrap(block.as_bytes(), expected).unwrap().key
}

#[test]
fn a_key_that_was_offered_reads_and_makes_nothing_until_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let (mine, theirs) = (terminal().key(KeyRole::Pin), bank().key(KeyRole::Pin));
    assert!(matches!(module.offer_key(mine, TDES, NOW_S), Err(HsmError::NoKey(_))), "no exchange key");
    for (owner, value) in [(bank(), 0x33), (terminal(), 0x11)] {
        let exchange = owner.key(KeyRole::Exchange);
        module.import_parts(exchange, KeyAlgorithm::Aes, &parts(exchange_of(owner), 32), NOW_S).unwrap();
        module.import_parts(owner.key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(value, 16), NOW_S).unwrap();
    }
    let usage = KeyUsage::PinEncryption;
    let old = key_of(&parts(0x11, 16), usage, ModeOfUse::Both, KeyAlgorithm::Tdes);
    let offer = module.offer_key(mine, TDES, NOW_S).unwrap();
    let bank_offer = module.offer_key(theirs, TDES, NOW_S).unwrap();
    assert!(!format!("{offer:?}").contains(&offer.block));
    let new = opened(&offer.block, terminal(), usage);
    assert_eq!((offer.version.number(), offer.check_value), (2, new.check_value()));
    let again = module.offer_key(mine, TDES, NOW_S + 9).unwrap();
    assert_eq!((again.version, again.check_value), (offer.version, offer.check_value), "the same once more");

    // A process that ends between the 0800 and its answer.
    drop(module);
    let module = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    assert!(reads(&module, &old, NOW_S) && reads(&module, &new, NOW_S));
    let answer = translate(
        &module,
        &block(&PinKey::new(&old).unwrap(), PinFormat::Iso0),
        None,
        PinFormat::Iso0,
        NOW_S,
    );
    let tdes = pin_key(&parts(0x77, 16), KeyAlgorithm::Tdes);
    assert!(
        holds_the_pin(&answer.unwrap(), &pin_key(&parts(0x33, 16), KeyAlgorithm::Tdes), &tdes),
        "to the bank under the old one"
    );

    let other = CheckValue::of_hex("1A2B3C").unwrap();
    assert_eq!(module.use_offered_key(theirs, other, NOW_S), Err(HsmError::NoKey(theirs)));
    let used = module.use_offered_key(theirs, bank_offer.check_value, NOW_S + 5).unwrap();
    assert_eq!((used.version, used.since_s), (bank_offer.version, NOW_S + 5));
    let to_bank = PinKey::new(&opened(&bank_offer.block, bank(), usage)).unwrap();
    let answer = translate(
        &module,
        &block(&PinKey::new(&new).unwrap(), PinFormat::Iso0),
        None,
        PinFormat::Iso0,
        NOW_S,
    );
    assert!(holds_the_pin(&answer.unwrap(), &to_bank, &tdes), "from then on under the new one");
    assert!(module.use_offered_key(theirs, bank_offer.check_value, NOW_S).is_err(), "once");

    module.use_offered_key(mine, offer.check_value, NOW_S).unwrap();
    let end_s = NOW_S + OLD_KEY_LIFE_S;
    for (key, now_s, is_read) in [(&old, end_s - 1, true), (&old, end_s, false), (&new, end_s, true)] {
        assert_eq!(reads(&module, key, now_s), is_read);
    }
    // Another key above it makes what was offered void, and none comes twice.
    let third = module.offer_key(mine, TDES, NOW_S).unwrap();
    let fourth = module.generate_key(mine, TDES, NOW_S).unwrap();
    assert_eq!((third.version.number(), fourth.version.number()), (3, 4));
    assert!(module.use_offered_key(mine, third.check_value, NOW_S).is_err());
    assert!(!reads(&module, &opened(&third.block, terminal(), usage), NOW_S));
}

#[test]
fn the_mode_of_use_in_a_block_says_which_directions_macs_a_key_is_for() {
    let dir = tempfile::tempdir().unwrap();
    let with_exchange = |name: &str| {
        let module = module(dir.path(), name);
        let exchange = bank().key(KeyRole::Exchange);
        module.import_parts(exchange, KeyAlgorithm::Aes, &parts(0x44, 32), NOW_S).unwrap();
        module
    };
    let here = with_exchange("here");
    let kind = KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 };
    let (to, from) = (bank().key(KeyRole::MacToSwitch), bank().key(KeyRole::MacFromSwitch));
    // What goes to the one comes from the other.
    for (name, opposite, purpose) in [(to, from, MacPurpose::Verify), (from, to, MacPurpose::Sign)] {
        let there = with_exchange(name.role.name());
        let keys = |at_s| here.link_mac_keys(&name, MacAlgorithm::HmacSha256, purpose, at_s).unwrap();
        assert!(keys(NOW_S).newest.is_none());
        let offer = here.offer_key(name, kind, NOW_S).unwrap();
        assert!(keys(NOW_S).newest.is_none() && keys(NOW_S).offered.len() == 1);
        assert_eq!(KeyRole::brought(offer.block.as_bytes()), Some(opposite.role));
        let taken = there.unwrap_key(opposite, offer.block.as_bytes(), Wanted::ANY, NOW_S).unwrap();
        assert_eq!(taken.check_value, offer.check_value);
        let swapped = there.unwrap_key(name, offer.block.as_bytes(), Wanted::ANY, NOW_S).unwrap_err();
        assert!(matches!(swapped, HsmError::Key(KeyError::Forbidden { .. })), "{swapped}");
        let mac = here.mac(&name, MacAlgorithm::HmacSha256, b"0800");
        assert_eq!(mac, Err(HsmError::NoKey(name)), "one that was only offered makes nothing");
        here.use_offered_key(name, offer.check_value, NOW_S).unwrap();
        assert!(keys(NOW_S).newest.is_some() && !keys(NOW_S).has_before && keys(NOW_S).offered.is_empty());
        here.mac_keys_seen(&[name], NOW_S).unwrap();
        here.generate_key(name, kind, NOW_S).unwrap();
        assert!(keys(NOW_S).has_before && keys(NOW_S).before.is_some());
        here.mac_keys_seen(&[name], NOW_S).unwrap();
        let end_s = NOW_S + OLD_KEY_LIFE_S;
        assert!(keys(end_s).has_before && keys(end_s).before.is_none());
        assert_eq!(keys(end_s).before_until_s, end_s);
    }
    for other in ["x", "D0112P0TB00N0000", "D0112M7HC00N0000", "D0112K1AB00N0000"] {
        let expected = other.contains("P0").then_some(KeyRole::Pin);
        assert_eq!(KeyRole::brought(other.as_bytes()), expected, "{other}");
    }
}

/// One of an algorithm that the link had once kept all of an owner's keys from being taken up, and locked it out.
#[test]
fn a_links_keys_of_another_algorithm_are_left_out_but_for_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let exchange = bank().key(KeyRole::Exchange);
    module.import_parts(exchange, KeyAlgorithm::Aes, &parts(0x44, 32), NOW_S).unwrap();
    let name = bank().key(KeyRole::MacToSwitch);
    let hmac = KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 };
    let keys = |algorithm| module.link_mac_keys(&name, algorithm, MacPurpose::Verify, NOW_S);
    module.generate_key(name, hmac, NOW_S).unwrap();
    module.mac_keys_seen(&[name], NOW_S).unwrap();
    assert!(matches!(keys(MacAlgorithm::AesCmac), Err(HsmError::Key(_))), "the newest has to serve");
    module.generate_key(name, AES, NOW_S).unwrap();
    module.offer_key(name, hmac, NOW_S).unwrap();
    let told = |keys: LinkMacKeys| {
        (keys.newest.is_some(), keys.has_before, keys.before.is_some(), keys.offered.len())
    };
    assert_eq!(told(keys(MacAlgorithm::AesCmac).unwrap()), (true, false, false, 0));
    module.offer_key(name, AES, NOW_S).unwrap();
    module.mac_keys_seen(&[name], NOW_S).unwrap();
    module.generate_key(name, AES, NOW_S).unwrap();
    module.offer_key(name, AES, NOW_S).unwrap();
    assert_eq!(told(keys(MacAlgorithm::AesCmac).unwrap()), (true, true, true, 1));
}

/// A peer whose 0810 was lost, and that went on with the old key, was once locked out after a day.
#[test]
fn the_day_of_an_old_mac_key_begins_when_its_owner_is_seen_to_use_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let mut module = module(dir.path(), "keys");
    let kind = KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 };
    let (to, from) = (bank().key(KeyRole::MacToSwitch), bank().key(KeyRole::MacFromSwitch));
    let algorithm = MacAlgorithm::HmacSha256;
    module.generate_key(to, kind, NOW_S).unwrap();
    let old = module.mac(&to, algorithm, b"0800").unwrap();
    module.mac_keys_seen(&[to], NOW_S).unwrap();
    // The second to the switch is never seen in use: the first stays until the third is.
    for name in [to, to, from, from] {
        module.generate_key(name, kind, NOW_S).unwrap();
    }
    let is_good = |module: &SoftwareHsm, now_s| {
        let keys = module.link_mac_keys(&to, algorithm, MacPurpose::Verify, now_s).unwrap();
        assert_eq!(keys.before.is_some(), module.verify_mac(&to, algorithm, b"0800", &old, now_s).is_ok());
        keys.before.is_some()
    };
    let until_s = |module: &SoftwareHsm, name| module.key(&name).unwrap().unwrap().before_until_s();
    let later_s = NOW_S + 30 * OLD_KEY_LIFE_S;
    for _ in 0..2 {
        assert!(is_good(&module, later_s));
        assert_eq!((until_s(&module, to), until_s(&module, from)), (None, Some(NOW_S + OLD_KEY_LIFE_S)));
        module = SoftwareHsm::open(&path, sealing()).unwrap();
    }
    // Another process brings the next: it is not that one that was seen.
    let other = SoftwareHsm::open(&path, sealing()).unwrap();
    other.generate_key(from, kind, NOW_S).unwrap();
    for at_s in [later_s, later_s + 9] {
        module.mac_keys_seen(&[to, from, terminal().key(KeyRole::MacToSwitch)], at_s).unwrap();
        for module in [&module, &SoftwareHsm::open(&path, sealing()).unwrap()] {
            assert_eq!(until_s(module, to), Some(later_s + OLD_KEY_LIFE_S), "the first one counts");
            assert!(is_good(module, later_s + OLD_KEY_LIFE_S - 1));
            assert!(!is_good(module, later_s + OLD_KEY_LIFE_S));
        }
    }
    other.reload().unwrap();
    other.generate_key(to, kind, later_s).unwrap();
    module.mac_keys_seen(&[to], later_s).unwrap();
    assert_eq!(until_s(&SoftwareHsm::open(&path, sealing()).unwrap(), to), None, "its next was not seen");
}

/// A key that another process has taken into use, or made void, was once sent again.
#[test]
fn a_key_is_offered_by_what_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let running = module(dir.path(), "keys");
    let exchange = bank().key(KeyRole::Exchange);
    running.import_parts(exchange, KeyAlgorithm::Aes, &parts(0x44, 32), NOW_S).unwrap();
    let name = bank().key(KeyRole::Pin);
    let first = running.offer_key(name, TDES, NOW_S).unwrap();
    let other = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    other.use_offered_key(name, first.check_value, NOW_S).unwrap();
    let second = running.offer_key(name, TDES, NOW_S).unwrap();
    assert_eq!((first.version.number(), second.version.number()), (1, 2));
    let in_use = running.key(&name).unwrap().unwrap();
    assert_eq!((in_use.version, in_use.check_value), (first.version, first.check_value));
    let file = std::fs::read(dir.path().join("keys")).unwrap();
    let again = other.offer_key(name, TDES, NOW_S).unwrap();
    assert_eq!(again.check_value, second.check_value, "what the one has offered, the other offers again");
    assert_eq!(std::fs::read(dir.path().join("keys")).unwrap(), file, "and writes nothing");
    let usage = KeyUsage::PinEncryption;
    assert_eq!(opened(&again.block, bank(), usage).bytes(), opened(&second.block, bank(), usage).bytes());
    let used = running.use_offered_key(name, second.check_value, NOW_S).unwrap();
    assert_eq!(used.before, Some((first.version, first.check_value)));
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

/// Versions ended with 99, and nothing led back.
#[test]
fn behind_the_last_version_a_new_exchange_key_begins_them_anew_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let [mut here, mut there] = with_exchange(dir.path(), 0x44);
    let pin = bank().key(KeyRole::Pin);
    let mut old = Vec::new();
    for version in 1..=99 {
        let (given, block) = exchanged(&here, &there, pin).unwrap();
        assert_eq!(given, version);
        old.push(block);
    }
    let is_used_up = |refused: HsmError| {
        assert_eq!(refused, HsmError::VersionsUsedUp(pin));
        let says = refused.to_string();
        assert!(says.contains("version 99") && says.contains("bring a new bank.970418.exchange"), "{says}");
    };
    is_used_up(here.offer_key(pin, TDES, NOW_S).unwrap_err());
    is_used_up(there.generate_key(pin, TDES, NOW_S).unwrap_err());

    // Each end takes the new exchange key when its people bring it, and comes up again.
    for (path, module) in [("here", &mut here), ("there", &mut there)] {
        new_exchange(module, 0x45).unwrap();
        *module = SoftwareHsm::open(&dir.path().join(path), sealing()).unwrap();
        let info = module.key(&pin).unwrap().unwrap();
        assert_eq!((info.version.number(), info.under.unwrap().number()), (99, 1), "it goes on as it was");
    }
    // The switch sends the first one, its peer brings the second.
    assert_eq!(exchanged(&here, &there, pin).unwrap().0, 1);
    let (second, block) = exchanged(&there, &here, pin).unwrap();
    assert_eq!(second, 2);
    for module in [&here, &there] {
        let info = module.key(&pin).unwrap().unwrap();
        assert_eq!((info.version.number(), info.under.unwrap().number()), (2, 2));
        for block in &old {
            let refused = module.unwrap_key(pin, block.as_bytes(), Wanted::ANY, NOW_S).unwrap_err();
            assert_eq!(
                refused,
                HsmError::KeyBlock(KeyBlockError::Mac),
                "it was under the exchange key before"
            );
        }
        let again = module.examine_key(pin, block.as_bytes(), LINK).unwrap();
        assert!(again.is_there, "a repeat is one");
    }
    assert_eq!(exchanged(&there, &here, pin).unwrap().0, 3);
    let refused = here.unwrap_key(pin, block.as_bytes(), LINK, NOW_S).unwrap_err();
    assert!(matches!(refused, HsmError::KeyBlock(KeyBlockError::Rollback { .. })), "{refused}");
}

/// An exchange key of before would open the blocks of before again.
#[test]
fn no_exchange_key_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut module = module(dir.path(), "keys");
    let exchange = bank().key(KeyRole::Exchange);
    for (parts_of, is_taken) in
        [(1, true), (1, false), (2, true), (1, false), (3, true), (1, false), (2, false), (4, true)]
    {
        let taken = new_exchange(&module, parts_of);
        let expected = if is_taken { None } else { Some(HsmError::ComesBack(exchange)) };
        assert_eq!(taken.err(), expected, "{parts_of}");
        module = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    }
    // Others' are not concerned, whose were never there.
    let other = terminal().key(KeyRole::Exchange);
    module.import_parts(other, KeyAlgorithm::Aes, &parts(200, 32), NOW_S).unwrap();
    for parts_of in 5..=98 {
        new_exchange(&module, parts_of).unwrap();
    }
    let reopened = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    for parts_of in 1..=98 {
        assert_eq!(new_exchange(&reopened, parts_of).unwrap_err(), HsmError::ComesBack(exchange));
    }
    assert_eq!(new_exchange(&reopened, 99).unwrap().version, KeyVersion::LAST);
    let used_up = new_exchange(&reopened, 100).unwrap_err();
    assert_eq!(used_up, HsmError::VersionsUsedUp(exchange));
    assert_eq!(used_up.to_string(), "bank.970418.exchange has version 99, the last one");
}

/// Under a new exchange key versions say nothing of the keys of before: these are known by themselves.
#[test]
fn a_key_of_before_does_not_come_back_under_a_new_exchange_key() {
    let dir = tempfile::tempdir().unwrap();
    let [here, there] = with_exchange(dir.path(), 0x44);
    let pin = bank().key(KeyRole::Pin);
    for _ in 0..2 {
        exchanged(&here, &there, pin).unwrap();
    }
    let newest = here.key(&pin).unwrap().unwrap();
    for module in [&here, &there] {
        new_exchange(module, 0x45).unwrap();
    }
    // The one in use may be carried over, and is a repeat; its version is not, so that the next is above it.
    let carried = here.wrap_key(&pin).unwrap();
    let examined = there.examine_key(pin, carried.as_bytes(), LINK).unwrap();
    assert_eq!((examined.version.number(), examined.is_there), (0, true));
    assert_eq!(there.unwrap_key(pin, carried.as_bytes(), LINK, NOW_S + 9).unwrap(), newest);
    exchanged(&here, &there, pin).unwrap();
    let back = there.unwrap_key(pin, carried.as_bytes(), Wanted::ANY, NOW_S).unwrap_err();
    assert!(matches!(back, HsmError::KeyBlock(KeyBlockError::Rollback { .. })), "{back}");
    // The one before the newest is known too, whatever version it is given.
    let third = here.wrap_key(&pin).unwrap();
    exchanged(&here, &there, pin).unwrap();
    let usage = KeyUsage::PinEncryption;
    let exchange = |of| {
        let key = key_of(&parts(of, 32), KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes);
        KeyBlockKey::new(&key).unwrap()
    };
    let expected = Expected { usage, version_min: KeyVersion::UNUSED };
    let key = exchange(0x45).unwrap(third.as_bytes(), expected).unwrap().key;
    let attributes = Attributes { version: KeyVersion::new(5).unwrap(), ..Attributes::default() };
    let block = exchange(0x46).wrap(&key, &attributes, &[7; KEY_BLOCK_RANDOM_BYTES]).unwrap();
    new_exchange(&there, 0x46).unwrap();
    let back = there.unwrap_key(pin, block.as_bytes(), LINK, NOW_S).unwrap_err();
    assert_eq!(back, HsmError::ComesBack(pin));
}

/// An end that does not begin anew under a new exchange key, as all did before.
#[test]
fn under_a_new_exchange_key_a_peer_may_count_on_as_well() {
    for (version, is_taken) in
        [(0, true), (1, true), (10, true), (11, false), (42, false), (43, true), (52, true), (53, false)]
    {
        let dir = tempfile::tempdir().unwrap();
        let module = module(dir.path(), "keys");
        new_exchange(&module, 0x43).unwrap();
        let pin = bank().key(KeyRole::Pin);
        for _ in 1..=42 {
            module.generate_key(pin, TDES, NOW_S).unwrap();
        }
        new_exchange(&module, 0x44).unwrap();
        let (name, block) = brought(bank(), version, ModeOfUse::Both, KeyAlgorithm::Tdes, 7);
        let taken = module.unwrap_key(name, block.as_bytes(), LINK, NOW_S);
        assert_eq!(taken.is_ok(), is_taken, "{version}: {taken:?}");
        assert!(is_taken || matches!(taken, Err(HsmError::Jump { jump_max: 10, .. })), "{taken:?}");
    }
}

/// What was sent before the exchange key changed may be in use at the other end, and is read beside the next one.
#[test]
fn a_key_that_was_offered_under_an_exchange_key_of_before_is_read_until_one_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let mut module = module(dir.path(), "keys");
    let (mine, usage) = (terminal().key(KeyRole::Pin), KeyUsage::PinEncryption);
    let exchange = |module: &SoftwareHsm, of| {
        let name = terminal().key(KeyRole::Exchange);
        module.import_parts(name, KeyAlgorithm::Aes, &parts(of, 32), NOW_S).unwrap();
    };
    module.import_parts(bank().key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(0x33, 16), NOW_S).unwrap();
    exchange(&module, 0x43);
    let opened_by = |block: &str, of| {
        let key = key_of(&parts(of, 32), KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes);
        let expected = Expected { usage, version_min: KeyVersion::UNUSED };
        KeyBlockKey::new(&key).unwrap().unwrap(block.as_bytes(), expected).unwrap().key
    };
    let first = module.offer_key(mine, TDES, NOW_S).unwrap();
    let first_key = opened_by(&first.block, 0x43);
    // Another process brings the new exchange key: this one goes by the one in use until it is told.
    exchange(&SoftwareHsm::open(&path, sealing()).unwrap(), 0x44);
    assert_eq!(
        opened_by(&module.offer_key(mine, TDES, NOW_S).unwrap().block, 0x43).bytes(),
        first_key.bytes()
    );
    module.reload().unwrap();
    let second = module.offer_key(mine, TDES, NOW_S).unwrap();
    let second_key = opened_by(&second.block, 0x44);
    assert_eq!((first.version.number(), second.version.number()), (1, 1));
    let told = |module: &SoftwareHsm| -> Vec<(u8, u8, CheckValue)> {
        let offered = module.offered_keys().unwrap();
        offered.iter().map(|it| (it.under.unwrap().number(), it.version.number(), it.check_value)).collect()
    };
    let both = [(1, 1, first.check_value), (2, 1, second.check_value)];
    for _ in 0..2 {
        assert!(reads(&module, &first_key, NOW_S) && reads(&module, &second_key, NOW_S));
        assert_eq!(told(&module), both);
        assert_eq!(module.key(&mine).unwrap(), None, "neither is in use");
        module = SoftwareHsm::open(&path, sealing()).unwrap();
    }
    let third = module.offer_key(mine, TDES, NOW_S).unwrap();
    assert_eq!(third.check_value, second.check_value, "the same once more");
    module.use_offered_key(mine, first.check_value, NOW_S).unwrap();
    assert_eq!(told(&module), both[1..], "the one above it may still be used");
    module.use_offered_key(mine, second.check_value, NOW_S).unwrap();
    assert_eq!(told(&module), []);
    assert!(reads(&module, &first_key, NOW_S) && reads(&module, &second_key, NOW_S));
    // A third exchange key: of those offered the last two are kept.
    let fourth = module.offer_key(mine, TDES, NOW_S).unwrap();
    for of in [0x45, 0x46] {
        exchange(&module, of);
        module.offer_key(mine, TDES, NOW_S).unwrap();
    }
    assert_eq!(told(&module).iter().map(|(under, ..)| *under).collect::<Vec<_>>(), [3, 4]);
    assert!(!reads(&module, &opened_by(&fourth.block, 0x44), NOW_S));
}

/// A key that was made under the newer exchange key, of which a running process does not know yet.
#[test]
fn keys_under_an_exchange_key_that_is_not_taken_up_yet_are_not_overtaken() {
    let dir = tempfile::tempdir().unwrap();
    let [running, peer] = with_exchange(dir.path(), 0x44);
    let pin = bank().key(KeyRole::Pin);
    exchanged(&running, &peer, pin).unwrap();
    let other = SoftwareHsm::open(&dir.path().join("here"), sealing()).unwrap();
    new_exchange(&other, 0x45).unwrap();
    exchanged(&running, &peer, pin).unwrap();
    other.reload().unwrap();
    let made = other.generate_key(pin, TDES, NOW_S).unwrap();
    assert_eq!((made.version.number(), made.under.unwrap().number()), (1, 2));
    let refused = running.offer_key(pin, TDES, NOW_S).unwrap_err();
    assert_eq!(refused, HsmError::ExchangeKeyChanged(pin));
    let offer = peer.offer_key(pin, TDES, NOW_S).unwrap();
    let refused = running.unwrap_key(pin, offer.block.as_bytes(), LINK, NOW_S).unwrap_err();
    assert_eq!(refused, HsmError::ExchangeKeyChanged(pin));
}

#[test]
fn macs_are_made_and_checked_by_keys_of_their_algorithm() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let kinds = [
        (KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 }, MacAlgorithm::HmacSha256),
        (AES, MacAlgorithm::AesCmac),
        (TDES, MacAlgorithm::Retail(Padding::OneThenZeros)),
    ];
    let mut macs: Vec<[u8; MAC_BYTES]> = Vec::new();
    for (place, (kind, algorithm)) in kinds.into_iter().enumerate() {
        let key = Owner::bank(&[b'1' + place as u8]).unwrap().key(KeyRole::MacToSwitch);
        module.generate_key(key, kind, NOW_S).unwrap();
        let mac = module.mac(&key, algorithm, b"text").unwrap();
        assert_eq!(module.verify_mac(&key, algorithm, b"text", &mac, NOW_S), Ok(()));
        assert_eq!(module.verify_mac(&key, algorithm, b"texts", &mac, NOW_S), Err(HsmError::Mac));
        module.mac_keys_seen(&[key], NOW_S).unwrap();
        module.generate_key(key, kind, NOW_S).unwrap();
        assert_ne!(module.mac(&key, algorithm, b"text").unwrap(), mac, "the newest signs");
        assert_eq!(module.verify_mac(&key, algorithm, b"text", &mac, NOW_S), Ok(()));
        module.mac_keys_seen(&[key], NOW_S).unwrap();
        let late_s = NOW_S + OLD_KEY_LIFE_S;
        assert_eq!(module.verify_mac(&key, algorithm, b"text", &mac, late_s), Err(HsmError::Mac));
        for (_, other) in kinds.into_iter().filter(|(_, other)| *other != algorithm) {
            assert!(matches!(module.mac(&key, other, b"text"), Err(HsmError::Key(_))));
        }
        macs.push(mac);
    }
}

#[test]
fn the_file_opens_with_its_key_alone_and_no_byte_of_it_can_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let module = module(dir.path(), "keys");
    module.import_parts(bank().key(KeyRole::Pin), KeyAlgorithm::Tdes, &parts(0x33, 16), NOW_S).unwrap();
    let known = module.keys().unwrap();
    assert_eq!(SoftwareHsm::open(&path, sealing()).unwrap().keys().unwrap(), known);
    let refused = |path: &PathBuf, sealing| match SoftwareHsm::open(path, sealing).map(drop) {
        Err(HsmError::File { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let other_key = Sealing::key_file(&[b'6'; 64]).unwrap();
    assert!(refused(&path, other_key).contains("does not open"));
    assert!(refused(&path, Sealing::passphrase(b"a long passphrase").unwrap()).contains("with a key file"));

    let bytes = std::fs::read(&path).unwrap();
    let key = key_of(&parts(0x33, 16), KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Tdes);
    assert!(!bytes.windows(8).any(|window| key.bytes().windows(8).any(|part| part == window)));
    let spoiled = dir.path().join("spoiled");
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        std::fs::write(&spoiled, &bytes).unwrap();
        refused(&spoiled, sealing());
        std::fs::write(&spoiled, &bytes[..place]).unwrap();
        refused(&spoiled, sealing());
    }
    assert!(SoftwareHsm::create(&path, sealing()).is_err(), "a file that is there is left alone");
}

#[test]
fn a_passphrase_opens_what_it_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    let with = |text: &[u8]| Sealing::passphrase(text).unwrap();
    SoftwareHsm::create(&path, with(b"correct horse battery\n")).unwrap();
    assert!(SoftwareHsm::open(&path, with(b"correct horse battery")).is_ok());
    assert!(SoftwareHsm::open(&path, with(b"correct horse batterz")).is_err());
    assert!(Sealing::passphrase(b"too short\n").is_err());
    assert!(Sealing::key_file(b"55").is_err());
}

#[test]
fn a_change_by_another_process_is_seen_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let one = module(dir.path(), "keys");
    let two = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    two.generate_key(name("bank.970418.pin"), TDES, NOW_S).unwrap();
    assert!(one.keys().unwrap().is_empty());
    one.generate_key(name("terminal.HN000001.pin"), AES, NOW_S).unwrap();
    let names = |module: &SoftwareHsm| -> Vec<String> {
        module.keys().unwrap().iter().map(|info| info.name.to_string()).collect()
    };
    assert_eq!(names(&one), ["terminal.HN000001.pin"]);
    one.reload().unwrap();
    assert_eq!(names(&one), ["terminal.HN000001.pin", "bank.970418.pin"]);
    two.reload().unwrap();
    assert_eq!(names(&two), names(&one));

    let lock = std::fs::File::open(dir.path().join("keys.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(one.generate_key(name("bank.1.pin"), TDES, NOW_S), Err(HsmError::File { .. })));
}

/// A bank's key that was rotated, and that the bank has not loaded yet, was once taken into use by the next change of any
/// other key.
#[test]
fn a_change_takes_nothing_into_use_but_what_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let one = module(dir.path(), "keys");
    let bank = name("bank.970418.pin");
    let first = one.generate_key(bank, TDES, NOW_S).unwrap();
    let two = SoftwareHsm::open(&dir.path().join("keys"), sealing()).unwrap();
    let rotated = two.generate_key(bank, TDES, NOW_S).unwrap();
    one.generate_key(name("terminal.HN000001.pin"), AES, NOW_S).unwrap();
    let version = |module: &SoftwareHsm| {
        module.keys().unwrap().iter().find(|info| info.name == bank).unwrap().version.to_string()
    };
    assert_eq!(version(&one), first.version.to_string());
    one.reload().unwrap();
    assert_eq!(version(&one), rotated.version.to_string());
}

#[test]
fn nothing_prints_a_key_and_names_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    assert!(!format!("{module:?} {:?}", sealing()).contains("55"));
    for role in KeyRole::ALL {
        for owner in [terminal(), bank()] {
            assert_eq!(name(&owner.key(role).to_string()), owner.key(role));
        }
    }
    for bad in
        ["bank.97041A.pin", "bank..pin", "bank.123456789012.pin", "terminal.HN1.pin", "bank.1.key", "pin"]
    {
        assert!(bad.parse::<KeyName>().is_err(), "{bad}");
    }
}

#[test]
fn kinds_that_a_role_has_not_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    for (key, kind) in [
        ("bank.1.exchange", TDES),
        ("bank.1.pin", KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: 32 }),
        ("bank.1.pin", KeyKind { algorithm: KeyAlgorithm::Aes, bytes: 65 }),
        ("bank.1.mac-to-switch", KeyKind { algorithm: KeyAlgorithm::Tdes, bytes: 24 }),
    ] {
        assert!(module.generate_key(name(key), kind, NOW_S).is_err(), "{key} {kind:?}");
    }
    let uneven = [parts(1, 16), parts(2, 32)].concat();
    let exchange = name("bank.1.exchange");
    let alike = [parts(1, 16), parts(1, 16)].concat();
    for parts in [[&alike[..1], &alike[..1]].concat(), alike[..3].to_vec()] {
        let refused = module.import_parts(exchange, KeyAlgorithm::Aes, &parts, NOW_S);
        assert!(matches!(refused, Err(HsmError::PartsAlike)), "{refused:?}");
    }
    assert!(module.import_parts(exchange, KeyAlgorithm::Aes, &uneven, NOW_S).is_err());
    assert!(module.import_parts(exchange, KeyAlgorithm::Aes, &parts(1, 32)[..1], NOW_S).is_err());
    assert!(module.keys().unwrap().is_empty());
}

/// One exchange key for two banks once let the one read the keys that were sent to the other.
#[test]
fn a_key_that_another_owner_has_or_had_is_refused_whichever_way_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let [mine, theirs] = ["bank.970418.exchange", "bank.970415.exchange"].map(name);
    let aes = KeyAlgorithm::Aes;
    let bring = |name, of| module.import_parts(name, aes, &parts(of, 32), NOW_S);
    bring(mine, 1).unwrap();
    bring(theirs, 2).unwrap();
    let file = std::fs::read(dir.path().join("keys")).unwrap();
    for of in [1, 2] {
        let (name, owner) = if of == 1 { (theirs, "bank.970415") } else { (mine, "bank.970418") };
        let refused = bring(name, of).unwrap_err();
        assert_eq!(refused, HsmError::OfAnotherOwner(name));
        let says = format!(
            "{owner}.exchange: another owner has this key: have another one made, and bring that: keys import {owner}.exchange"
        );
        assert_eq!(refused.to_string(), says, "and not which");
    }
    assert_eq!(std::fs::read(dir.path().join("keys")).unwrap(), file, "nothing was taken");

    // The one before the newest, and those before it, which are known by their check values alone.
    for of in 3..=5 {
        bring(mine, of).unwrap();
    }
    for of in [1, 3, 4, 5] {
        assert_eq!(bring(theirs, of).unwrap_err(), HsmError::OfAnotherOwner(theirs), "{of}");
    }

    // Over a link, and by hand, in a block; also one that its owner was only offered. 5 and 2 are in use.
    let under = |of| {
        let key = key_of(&parts(of, 32), KeyUsage::KeyBlockProtection, ModeOfUse::Both, aes);
        KeyBlockKey::new(&key).unwrap()
    };
    let expected = |usage| Expected { usage, version_min: KeyVersion::UNUSED };
    let moved = |block: &str, usage| {
        let key = under(5).unwrap(block.as_bytes(), expected(usage)).unwrap().key;
        let attributes = Attributes { version: KeyVersion::new(1).unwrap(), ..Attributes::default() };
        under(2).wrap(&key, &attributes, &[7; KEY_BLOCK_RANDOM_BYTES]).unwrap()
    };
    let pin = KeyUsage::PinEncryption;
    let [to_me, to_them] = [mine, theirs].map(|name| name.owner.key(KeyRole::Pin));
    let offered = module.offer_key(to_me, TDES, NOW_S).unwrap();
    let is_refused = |block: &str| {
        let refused = HsmError::OfAnotherOwner(to_them);
        assert_eq!(module.examine_key(to_them, block.as_bytes(), LINK).unwrap_err(), refused);
        assert_eq!(module.unwrap_key(to_them, block.as_bytes(), LINK, NOW_S).unwrap_err(), refused);
        let all = [(to_them, Import::Block(block.as_bytes().to_vec()))];
        assert_eq!(module.import_all(&all, NOW_S).unwrap_err(), (None, refused));
    };
    is_refused(&moved(&offered.block, pin));
    module.use_offered_key(to_me, offered.check_value, NOW_S).unwrap();
    is_refused(&moved(&offered.block, pin));
    module.generate_key(to_me, TDES, NOW_S).unwrap();
    is_refused(&moved(&offered.block, pin));
    let other = under(2).wrap(
        &key_of(&parts(9, 16), pin, ModeOfUse::Both, KeyAlgorithm::Tdes),
        &Attributes { version: KeyVersion::new(1).unwrap(), ..Attributes::default() },
        &[7; KEY_BLOCK_RANDOM_BYTES],
    );
    module.unwrap_key(to_them, other.unwrap().as_bytes(), LINK, NOW_S).unwrap();
    assert!(module.shared_keys().unwrap().names.is_empty());

    // Two of one change are two owners', too, and neither is taken.
    let [one, two] = ["bank.970410.exchange", "bank.970411.exchange"].map(name);
    let both = [one, two].map(|name| (name, Import::Parts { algorithm: aes, parts: parts(8, 32) }));
    assert_eq!(module.import_all(&both, NOW_S).unwrap_err(), (None, HsmError::OfAnotherOwner(one)));
    assert_eq!(module.key(&one).unwrap(), None);
}

#[test]
fn no_key_of_a_terminals_is_anothers() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path(), "keys");
    let other = Owner::terminal(b"HN000002");
    for (role, algorithm, bytes, is_one_owners) in [
        (KeyRole::Exchange, KeyAlgorithm::Aes, 32, true),
        (KeyRole::Pin, KeyAlgorithm::Tdes, 16, true),
        (KeyRole::MacToSwitch, KeyAlgorithm::Hmac, 32, true),
        (KeyRole::MacFromSwitch, KeyAlgorithm::Aes, 16, true),
        // The base key of a set of terminals: each derives other keys from it.
        (KeyRole::Derivation, KeyAlgorithm::Aes, 16, false),
    ] {
        let bring = |owner: Owner, of| {
            module.import_parts(owner.key(role), algorithm, &parts(of, bytes), NOW_S).map(drop)
        };
        let of = 0x20 + role as u8;
        bring(terminal(), of).unwrap();
        let expected = if is_one_owners { Err(HsmError::OfAnotherOwner(other.key(role))) } else { Ok(()) };
        assert_eq!(bring(other, of), expected, "{role:?}");
        assert_eq!(bring(other, of + 0x40), Ok(()), "{role:?}");
    }
}
