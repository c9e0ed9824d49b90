//! MACs and key check values: published vectors, and what a wrong key, text or MAC comes to.
#![allow(clippy::unwrap_used)]

mod common;

use common::{cases, hex, key};
use keys::{
    BoundKey, Key, KeyAlgorithm, KeyError, KeyUsage, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, Padding,
};
use proptest::prelude::*;

const ALGORITHMS: [MacAlgorithm; 4] = [
    MacAlgorithm::HmacSha256,
    MacAlgorithm::AesCmac,
    MacAlgorithm::Retail(Padding::Zeros),
    MacAlgorithm::Retail(Padding::OneThenZeros),
];

fn kind(algorithm: MacAlgorithm) -> (KeyUsage, KeyAlgorithm) {
    match algorithm {
        MacAlgorithm::HmacSha256 => (KeyUsage::Hmac, KeyAlgorithm::Hmac),
        MacAlgorithm::AesCmac => (KeyUsage::Cmac, KeyAlgorithm::Aes),
        MacAlgorithm::Retail(_) => (KeyUsage::RetailMac, KeyAlgorithm::Tdes),
    }
}

fn mac_key(algorithm: MacAlgorithm, bytes: &[u8]) -> MacKey {
    let (usage, of) = kind(algorithm);
    MacKey::bound(&key(usage, of, bytes), algorithm, MacPurpose::Sign).unwrap()
}

/// RFC 4231, test cases 1, 2, 3, 4, 6 and 7, the front of HMAC-SHA-256. Keys of cases 2 (4 bytes) and 6, 7 (131 bytes) are
/// no keys here: the former with zeros behind it, the latter as its SHA-256, are the same key by RFC 2104.
#[test]
fn hmac_sha_256_as_in_rfc_4231() {
    let jefe = [b"Jefe".as_slice(), &[0; 12]].concat();
    let of_131 = hex("45AD4B37C6E2FC0A2CFCC1B5DA524132EC707615C2CAE1DBBC43C97AA521DB81");
    for (key, text, mac) in [
        (vec![0x0B; 20], b"Hi There".to_vec(), "B0344C61D8DB3853"),
        (jefe, b"what do ya want for nothing?".to_vec(), "5BDCC146BF60754E"),
        (vec![0xAA; 20], vec![0xDD; 50], "773EA91E36800E46"),
        ((1..=25).collect(), vec![0xCD; 50], "82558A389A443C0E"),
        (of_131.clone(), b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(), "60E431591EE0B67F"),
        (
            of_131,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."
                .to_vec(),
            "9B09FFA71B942FCB",
        ),
    ] {
        assert_eq!(mac_key(MacAlgorithm::HmacSha256, &key).sign(&text), hex(mac)[..]);
    }
}

/// RFC 4493, 4 (AES-128), and NIST SP 800-38B, D.2 and D.3 (AES-192, AES-256), the front of each.
#[test]
fn aes_cmac_as_in_rfc_4493_and_sp_800_38b() {
    let text = hex("6BC1BEE22E409F96E93D7E117393172A AE2D8A571E03AC9C9EB76FAC45AF8E51
         30C81C46A35CE411E5FBC1191A0A52EF F69F2445DF4F9B17AD2B417BE66C3710"
        .replace('\n', "")
        .as_str());
    for (key, length, mac) in [
        ("2B7E151628AED2A6ABF7158809CF4F3C", 0, "BB1D6929E9593728"),
        ("2B7E151628AED2A6ABF7158809CF4F3C", 16, "070A16B46B4D4144"),
        ("2B7E151628AED2A6ABF7158809CF4F3C", 40, "DFA66747DE9AE630"),
        ("2B7E151628AED2A6ABF7158809CF4F3C", 64, "51F0BEBF7E3B9D92"),
        ("8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B", 0, "D17DDF46ADAACDE5"),
        ("8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B", 64, "A1D5DF0EED790F79"),
        ("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4", 0, "028962F61B7BF89E"),
        ("603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4", 64, "E1992190549F6ED5"),
    ] {
        assert_eq!(mac_key(MacAlgorithm::AesCmac, &hex(key)).sign(&text[..length]), hex(mac)[..]);
    }
}

/// ISO/IEC 9797-1:1999, annex A, algorithm 3 with paddings 1 and 2 over the texts of that annex, without truncation.
#[test]
fn retail_mac_as_in_iso_9797_1() {
    let key = hex("0123456789ABCDEFFEDCBA9876543210");
    let now = b"Now is the time for all ".as_slice();
    let it = b"Now is the time for it".as_slice();
    for (padding, text, mac) in [
        (Padding::Zeros, now, "A1C72E74EA3FA9B6"),
        (Padding::OneThenZeros, now, "E9086230CA3BE796"),
        (Padding::Zeros, it, "2E2B1428CC78254F"),
        (Padding::OneThenZeros, it, "5A692CE64F404145"),
    ] {
        let mac_key = mac_key(MacAlgorithm::Retail(padding), &key);
        let made: String = mac_key.sign(text).iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(made, mac, "{padding:?} {}", text.len());
    }
}

#[test]
fn the_key_of_32_bytes_is_hmac() {
    let bytes: [u8; 32] = std::array::from_fn(|place| place as u8);
    let old = MacKey::new(&Key::new(bytes));
    assert_eq!(old.sign(b"0800"), mac_key(MacAlgorithm::HmacSha256, &bytes).sign(b"0800"));
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_mac_is_of_its_key_and_text(bytes in proptest::collection::vec(any::<u8>(), 0..600), flip: usize, bit in 0..8u8) {
        let key: [u8; 16] = std::array::from_fn(|place| 3 * place as u8);
        for algorithm in ALGORITHMS {
            let one = mac_key(algorithm, &key);
            let mac = one.sign(&bytes);
            prop_assert!(one.verify(&bytes, &mac));
            prop_assert!(!one.verify(&bytes, &mac[..7]));
            prop_assert!(!one.verify(&bytes, &[]));
            let mut wrong = mac;
            wrong[flip % 8] ^= 1 << bit;
            prop_assert!(!one.verify(&bytes, &wrong));
            let mut other_key = key;
            // Bit 0 of a DES key's byte is parity.
            other_key[flip % 16] ^= 2;
            prop_assert!(!mac_key(algorithm, &other_key).verify(&bytes, &mac));
            if !bytes.is_empty() {
                let mut text = bytes.clone();
                text[flip % bytes.len()] ^= 1 << bit;
                prop_assert!(!one.verify(&text, &mac));
            }
        }
    }
}

/// Padding 1 does not tell a text from the same with zeros behind it; padding 2 does.
#[test]
fn what_the_paddings_tell_apart() {
    let bytes = hex("0123456789ABCDEFFEDCBA9876543210");
    let [zeros, one_then_zeros] =
        [Padding::Zeros, Padding::OneThenZeros].map(|padding| mac_key(MacAlgorithm::Retail(padding), &bytes));
    assert_eq!(zeros.sign(b"0200"), zeros.sign(b"0200\0"));
    assert_eq!(zeros.sign(b""), zeros.sign(&[0; 8]));
    assert_ne!(one_then_zeros.sign(b"0200"), one_then_zeros.sign(b"0200\0"));
    assert_eq!(one_then_zeros.sign(b"0200"), zeros.sign(b"0200\x80"));
}

#[test]
fn a_key_serves_its_algorithm_and_its_end_alone() {
    let bytes: [u8; 16] = std::array::from_fn(|place| place as u8);
    for own in ALGORITHMS {
        let (usage, of) = kind(own);
        for other in ALGORITHMS.into_iter().filter(|other| kind(*other).0 != usage) {
            let refused = MacKey::bound(&key(usage, of, &bytes), other, MacPurpose::Verify).map(drop);
            assert_eq!(refused, Err(KeyError::Usage { usage }));
        }
        for (mode, purpose) in
            [(ModeOfUse::Verify, MacPurpose::Sign), (ModeOfUse::Generate, MacPurpose::Verify)]
        {
            let key = BoundKey::new(usage, mode, of, &bytes).unwrap();
            let refused = MacKey::bound(&key, own, purpose).map(drop);
            assert_eq!(refused, Err(KeyError::Forbidden { mode }));
        }
    }
    let pin = key(KeyUsage::PinEncryption, KeyAlgorithm::Aes, &bytes);
    for algorithm in ALGORITHMS {
        let refused = MacKey::bound(&pin, algorithm, MacPurpose::Sign).map(drop);
        assert_eq!(refused, Err(KeyError::Usage { usage: KeyUsage::PinEncryption }), "a PIN key cannot MAC");
    }
}

/// TDES: psec 1.3.0's documentation, TR-31:2018 A.7.2.1 and A.7.2.2. AES: TR-31:2018 A.7.4, and a key of a payShield 10k.
/// tests/interop/keys.py has more, and those of HMAC keys.
#[test]
fn check_values() {
    let pin = KeyUsage::PinEncryption;
    for (usage, algorithm, bytes, value) in [
        (pin, KeyAlgorithm::Tdes, "0123456789ABCDEFFEDCBA9876543210", "08D7B4"),
        (pin, KeyAlgorithm::Tdes, "F039121BEC83D26B169BDCD5B22AAF8F", "CB9DEA"),
        (pin, KeyAlgorithm::Tdes, "3F419E1CB7079442AA37474C2EFBF8B8", "57C409"),
        (pin, KeyAlgorithm::Aes, "3F419E1CB7079442AA37474C2EFBF8B8", "08793E"),
        (
            KeyUsage::Data,
            KeyAlgorithm::Aes,
            "BE19E6A07A760F10EF8E83A226B63AAD141F463FDDD4F47DB244B4023EC3CACC",
            "0A00E3",
        ),
    ] {
        let own = key(usage, algorithm, &hex(bytes)).check_value();
        assert!(own.is_told_by(&hex(value)), "{own} and not {value}");
        assert!(!own.is_told_by(&hex(value)[..2]), "two bytes are too few");
        let mut wrong = hex(value);
        wrong[2] ^= 1;
        assert!(!own.is_told_by(&wrong));
        assert!(!own.is_told_by(&[own.bytes(), &[0]].concat()), "longer than it is");
        assert_eq!(own.to_string().len(), if algorithm == KeyAlgorithm::Aes { 10 } else { 6 });
    }
}
