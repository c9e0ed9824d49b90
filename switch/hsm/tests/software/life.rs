//! How long a key is good, and that none comes back.

use hsm::{Hsm, HsmError, KeyKind, KeyRole, OLD_KEY_LIFE_S, SoftwareHsm, Wanted};
use keys::{
    Attributes, BoundKey, CheckValue, Expected, KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm, KeyBlockError,
    KeyBlockKey, KeyUsage, KeyVersion, MacAlgorithm, MacPurpose, ModeOfUse, PinError, PinFormat, PinKey,
};

use super::{
    LINK, NOW_S, TDES, bank, block, exchange_of, exchanged, holds_the_pin, key_of, module, new_exchange,
    opened, parts, pin_key, sealing, terminal, translate, with_exchange,
};

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

/// The first of two keys of 16 bytes that reads a PIN block of the terminal's.
fn reads(module: &SoftwareHsm, key: &BoundKey, now_s: i64) -> bool {
    let asked = block(&PinKey::new(key).unwrap(), PinFormat::Iso0);
    translate(module, &asked, None, PinFormat::Iso0, now_s).is_ok()
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
