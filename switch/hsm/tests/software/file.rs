//! The sealed file: made, opened, changed by two processes; what keys are taken at all.

use std::path::PathBuf;

use hsm::{Hsm, HsmError, KeyKind, KeyName, KeyRole, Sealing, SoftwareHsm};
use keys::{KeyAlgorithm, KeyUsage, ModeOfUse};

use super::{AES, NOW_S, TDES, bank, key_of, module, name, parts, sealing, terminal};

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
