//! PINs translated from key to key, MACs made and checked.

use hsm::{Hsm, HsmError, KeyKind, KeyRole, LinkMacKeys, OLD_KEY_LIFE_S, Owner};
use keys::{
    AesDukptKind, AesKsn, DukptPurpose, KeyAlgorithm, KeyUsage, MAC_BYTES, MacAlgorithm, MacPurpose,
    ModeOfUse, Padding, PinError, PinFormat, PinKey, TdesKsn, aes_dukpt_key, tdes_dukpt_key,
};

use super::{
    AES, NOW_S, TDES, bank, block, holds_the_pin, key_of, module, parts, pin_key, terminal, translate,
};

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
