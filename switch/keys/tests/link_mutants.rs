//! Rules about links and exchanged keys, broken on purpose (docs/mutants.md): then an attack succeeds that fails without. A
//! program of its own, for a rule is broken for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

use iso8583::{Dialect, Message, Mti};
use keys::{
    Attributes, BoundKey, Expected, Exportability, KEY_BLOCK_RANDOM_BYTES, Key, KeyAlgorithm, KeyBlockKey,
    KeyUsage, KeyVersion, LinkMac, MacKey, ModeOfUse,
};
use mutant::Mutant;

/// A message without a MAC is taken.
fn absent_mac() -> bool {
    let key = |byte: u8| MacKey::new(&Key::new([byte; 32]));
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, "0315021530").set_number(11, 1, 6).set_text(41, "HN000001").set_text(70, "001");
    let mut bytes = Vec::new();
    Dialect::ascii_1987().encode(&message, &mut bytes).unwrap();
    let view = Dialect::ascii_1987().parse(&bytes).unwrap();
    LinkMac { sign: key(1), verify: key(2) }.check(&view).is_ok()
}

/// A key block of a PIN key, version 3, taken where something is asked for.
fn block_taken_as(usage: KeyUsage, version_min: u8) -> bool {
    let version = |number| KeyVersion::new(number).unwrap();
    let exchange = BoundKey::new(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, &[7; 32]);
    let exchange = KeyBlockKey::new(&exchange.unwrap()).unwrap();
    let key = BoundKey::new(KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Aes, &[9; 16]).unwrap();
    let attributes =
        Attributes { version: version(3), exportability: Exportability::NonExportable, optional: Vec::new() };
    let block = exchange.wrap(&key, &attributes, &[5; KEY_BLOCK_RANDOM_BYTES]).unwrap();
    exchange.unwrap(block.as_bytes(), Expected { usage, version_min: version(version_min) }).is_ok()
}

#[test]
fn each_attack_succeeds_without_its_defence_alone() {
    type Attack = (Mutant, fn() -> bool);
    let attacks: [Attack; 3] = [
        (Mutant::AbsentMacAccepted, absent_mac),
        (Mutant::KeyUsageIgnored, || block_taken_as(KeyUsage::Cmac, 3)),
        (Mutant::KeyComesBack, || block_taken_as(KeyUsage::PinEncryption, 4)),
    ];
    assert!(block_taken_as(KeyUsage::PinEncryption, 3), "what is right is taken");
    for (mutant, attack) in attacks {
        assert!(!attack(), "{} without its being broken", mutant.name());
        mutant::activate(Some(mutant));
        assert!(attack(), "{}", mutant.name());
        mutant::activate(None);
    }
}
