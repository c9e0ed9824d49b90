//! Keys on their way: in blocks between two modules, offered, refused.

use hsm::{
    Examined, Hsm, HsmError, Import, KeyCustody, KeyKind, KeyName, KeyRole, OLD_KEY_LIFE_S, Owner,
    SoftwareHsm, Wanted,
};
use keys::{
    Attributes, Expected, Exportability, KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockError, KeyBlockKey,
    KeyError, KeyUsage, KeyVersion, MacAlgorithm, MacPurpose, ModeOfUse,
};

use super::{
    LINK, NOW_S, TDES, bank, exchange_of, exchanged, key_of, module, name, new_exchange, opened, parts,
    sealing, terminal, with_exchange,
};

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
