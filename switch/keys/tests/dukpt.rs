//! Keys of one transaction: published vectors of both kinds of DUKPT, counters and keys that are refused. The PIN blocks of
//! both standards are in pin_blocks.rs, intermediate keys beside the code.
#![allow(clippy::unwrap_used)]

mod common;

use common::{cases, hex, hex_array, key};
use keys::{
    AesDukptKind, AesKsn, BoundKey, DukptError, DukptPurpose, KeyAlgorithm, KeyError, KeyUsage, MacAlgorithm,
    MacKey, MacPurpose, Padding, TdesKsn, aes_dukpt_initial_key, aes_dukpt_key, tdes_dukpt_initial_key,
    tdes_dukpt_key,
};
use proptest::prelude::*;

const ID: &str = "1234567890123456";

fn aes_base(bytes: usize) -> BoundKey {
    let half = hex("FEDCBA9876543210F1F1F1F1F1F1F1F1");
    key(KeyUsage::BaseDerivation, KeyAlgorithm::Aes, &half.repeat(2)[..bytes])
}

fn tdes_base() -> BoundKey {
    key(KeyUsage::BaseDerivation, KeyAlgorithm::Tdes, &hex("0123456789ABCDEFFEDCBA9876543210"))
}

fn aes_ksn(counter: u32) -> AesKsn {
    AesKsn::parse(&hex(&format!("{ID}{counter:08X}"))).unwrap()
}

/// ANSI X9.24-3:2017, B.1 and supplement: initial keys.
#[test]
fn initial_keys_as_in_x9_24_part_3() {
    for (bytes, expected) in [
        (16, "1273671EA26AC29AFA4D1084127652A1"),
        (32, "CE9CE0C101D1138F97FB6CAD4DF045A7083D4EAE2D35A31789D01CCF0949550F"),
    ] {
        let initial = aes_dukpt_initial_key(&aes_base(bytes), &hex_array(ID)).unwrap();
        assert_eq!(initial.bytes(), hex(expected));
        assert_eq!(initial.usage(), KeyUsage::DukptInitial);
    }
}

/// ANSI X9.24-3:2017, supplement: PIN and MAC generation keys of the first eight counters, BDK of 128 bits.
#[test]
fn keys_of_a_transaction_as_in_x9_24_part_3() {
    let rows = [
        ("AF8CB133A78F8DC2D1359F18527593FB", "A2DC23DE6FDE0824A2BC321E08E4B8B7"),
        ("D30BDC73EC9714B000BEC66BDB7B6D09", "484C3B06E8562704528CD5B46FB12FB6"),
        ("7D69F01F3B45449F62C7816ECE723268", "A5DF7D9D800CA769766F0C77CA4E6E6C"),
        ("91A0588318EC2673214271F70137896E", "E6E4679647D8A9057C1FC15537CB4C4E"),
        ("35A43BC9EFEB09C756204B57E3FB7D4D", "0588185FE1FF8C7E22FAD78C1C61F065"),
        ("02DCC6CD1201A3A2CA7099559C862123", "7B60F72A5639C0EE7EB2100FA80BB793"),
        ("6ECF912F3B18CA11A7A27BB60705FD09", "BAA08CA263C69525BC6B1BA8F4275D69"),
        ("4D9DF3FBEE3448FC3E676D04320A90F5", "6FD572E5D59E618875F193484F9178FB"),
    ];
    let kind = AesDukptKind::Aes { bytes: 16 };
    for (counter, (pin, mac)) in (1..).zip(rows) {
        let ksn = aes_ksn(counter);
        let base = aes_base(16);
        let initial = aes_dukpt_initial_key(&base, &ksn.initial_key_id()).unwrap();
        for from in [&base, &initial] {
            let made = |purpose| aes_dukpt_key(from, &ksn, purpose, kind).unwrap();
            assert_eq!(made(DukptPurpose::Pin).bytes(), hex(pin));
            assert_eq!(made(DukptPurpose::Pin).usage(), KeyUsage::PinEncryption);
            assert_eq!(made(DukptPurpose::MacFromTerminal).bytes(), hex(mac));
            assert_eq!(made(DukptPurpose::MacFromTerminal).usage(), KeyUsage::Cmac);
        }
    }
}

/// ANSI X9.24-3:2017, supplement: BDK of 256 bits, keys of 128 and 256.
#[test]
fn keys_from_256_bits_as_in_x9_24_part_3() {
    let rows = [
        (
            1,
            "09C9C432966811D6B2C3336BAC1B1202",
            "8C1AB7BEE973829E30242E0BBBDD4946D540C98FC1B5BDCF94790001A23FD502",
            "F04A1FABD4176E15490CEC82E217A96D",
            "61DABDF4B340CF461EE860B1D1AB55357142BD2D6977306859CF49AEFE8F1549",
        ),
        (
            2,
            "D632226A80795D13A80AFE66A3E97B01",
            "3583D6CD02FC38822CC71A8D7678E04F4A8556335E6CC66863D3DADC5AEE2C62",
            "DD99D77B4E2AB538B26BB6A8B3FB0BE3",
            "4417356219B2F93CE3F2671623DDCAB58A8B85AD80662A8D628024000956D426",
        ),
        (
            8,
            "53C1C60A65532313141A102AD720E967",
            "173A45284262A3E292D86D08FD6DE9167963214450D1D48F6103BD2EB08E61B5",
            "6E94A9283EA9AEB7EAA77C3FF55FF2D1",
            "949A3FEF12DBD273DD25BB60E29BBE313C872A9DE3BE03A7E29626ACA0A42880",
        ),
    ];
    for (counter, pin_128, pin_256, mac_128, mac_256) in rows {
        let made = |purpose, bytes| {
            let kind = AesDukptKind::Aes { bytes };
            aes_dukpt_key(&aes_base(32), &aes_ksn(counter), purpose, kind).unwrap().bytes().to_vec()
        };
        assert_eq!(made(DukptPurpose::Pin, 16), hex(pin_128));
        assert_eq!(made(DukptPurpose::Pin, 32), hex(pin_256));
        assert_eq!(made(DukptPurpose::MacFromTerminal, 16), hex(mac_128));
        assert_eq!(made(DukptPurpose::MacFromTerminal, 32), hex(mac_256));
    }
}

/// ANSI X9.24-1:2009, A.4: the initial key.
#[test]
fn the_initial_key_as_in_x9_24_part_1() {
    let initial = tdes_dukpt_initial_key(&tdes_base(), &hex_array("FFFF9876543210E00000")).unwrap();
    assert_eq!(initial.bytes(), hex("6AC292FAA1315B4D858AB3A3D7D5933A"));
    let counted = tdes_dukpt_initial_key(&tdes_base(), &hex_array("FFFF9876543210F5A5A5")).unwrap();
    assert_eq!(counted.bytes(), initial.bytes(), "the counter does not count");
}

/// ANSI X9.24-1:2009, A.4: the MAC of the first transaction (KSN FFFF9876543210E00001), whose first half is told there, over
/// "4012345678909D987" with zeros behind it.
#[test]
fn the_first_mac_as_in_x9_24_part_1() {
    let ksn = TdesKsn::parse(&hex("FFFF9876543210E00001")).unwrap();
    for (purpose, mac) in [
        (DukptPurpose::MacFromTerminal, "9CCC78173FC4FB64"),
        (DukptPurpose::MacToTerminal, "20364223C1FF00FA"),
    ] {
        let key = tdes_dukpt_key(&tdes_base(), &ksn, purpose).unwrap();
        let algorithm = MacAlgorithm::Retail(Padding::Zeros);
        let made = MacKey::bound(&key, algorithm, MacPurpose::Sign).unwrap().sign(b"4012345678909D987");
        let made: String = made.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(made, mac);
    }
}

#[test]
fn counters_that_no_terminal_has_are_refused() {
    let aes = |counter: &str| AesKsn::parse(&hex(&format!("{ID}{counter}"))).map(|ksn| ksn.counter());
    assert_eq!(aes("00000000"), Err(DukptError::Counter { bits_set: 0, bits_max: 16 }));
    assert_eq!(aes("0001FFFF"), Err(DukptError::Counter { bits_set: 17, bits_max: 16 }));
    assert_eq!(aes("FFFFFFFF"), Err(DukptError::Counter { bits_set: 32, bits_max: 16 }));
    assert_eq!(aes("FFFF0000"), Ok(0xFFFF_0000));
    assert_eq!(AesKsn::parse(&[1; 10]), Err(DukptError::Length { expected: 12, bytes: 10 }));
    let tdes = |ksn: &str| TdesKsn::parse(&hex(ksn)).map(|ksn| ksn.counter());
    assert_eq!(tdes("FFFF9876543210E00000"), Err(DukptError::Counter { bits_set: 0, bits_max: 10 }));
    assert_eq!(tdes("FFFF9876543210E007FF"), Err(DukptError::Counter { bits_set: 11, bits_max: 10 }));
    assert_eq!(tdes("FFFF9876543210FFE000"), Ok(0x1F_E000));
    assert_eq!(TdesKsn::parse(&[1; 12]), Err(DukptError::Length { expected: 10, bytes: 12 }));
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let (ksn, pin) = (aes_ksn(1), DukptPurpose::Pin);
    let aes = |from: &BoundKey, purpose, kind| aes_dukpt_key(from, &ksn, purpose, kind).map(drop);
    assert_eq!(
        aes(&aes_base(16), pin, AesDukptKind::Aes { bytes: 32 }),
        Err(DukptError::Strength { bytes: 32, from_bytes: 16 })
    );
    assert_eq!(
        aes(&aes_base(16), pin, AesDukptKind::Aes { bytes: 15 }),
        Err(DukptError::Key(KeyError::Length { algorithm: KeyAlgorithm::Aes, bytes: 15 }))
    );
    assert_eq!(
        aes(&aes_base(16), pin, AesDukptKind::Hmac { bytes: 16 }),
        Err(DukptError::Purpose { purpose: pin })
    );
    let wrong_usage = key(KeyUsage::PinEncryption, KeyAlgorithm::Aes, &[7; 16]);
    let refused = Err(DukptError::Key(KeyError::Usage { usage: KeyUsage::PinEncryption }));
    assert_eq!(aes(&wrong_usage, pin, AesDukptKind::Aes { bytes: 16 }), refused);
    assert_eq!(aes_dukpt_initial_key(&wrong_usage, &[0; 8]).map(drop), refused);
    let wrong_algorithm = Err(DukptError::Key(KeyError::Algorithm {
        usage: KeyUsage::BaseDerivation,
        algorithm: KeyAlgorithm::Tdes,
    }));
    assert_eq!(aes(&tdes_base(), pin, AesDukptKind::Aes { bytes: 16 }), wrong_algorithm);

    let ksn = TdesKsn::parse(&hex("FFFF9876543210E00001")).unwrap();
    let both = DukptPurpose::MacBothWays;
    assert_eq!(
        tdes_dukpt_key(&tdes_base(), &ksn, both).map(drop),
        Err(DukptError::Purpose { purpose: both })
    );
    let pin_key = key(KeyUsage::PinEncryption, KeyAlgorithm::Tdes, tdes_base().bytes());
    assert_eq!(tdes_dukpt_key(&pin_key, &ksn, pin).map(drop), refused);
    assert_eq!(tdes_dukpt_initial_key(&pin_key, &[1; 10]).map(drop), refused);
    let triple = [tdes_base().bytes(), &[9; 8]].concat();
    let triple = key(KeyUsage::BaseDerivation, KeyAlgorithm::Tdes, &triple);
    let of_24 = Err(DukptError::Key(KeyError::Length { algorithm: KeyAlgorithm::Tdes, bytes: 24 }));
    assert_eq!(tdes_dukpt_key(&triple, &ksn, pin).map(drop), of_24);
    let wrong_algorithm = Err(DukptError::Key(KeyError::Algorithm {
        usage: KeyUsage::BaseDerivation,
        algorithm: KeyAlgorithm::Aes,
    }));
    assert_eq!(tdes_dukpt_key(&aes_base(16), &ksn, pin).map(drop), wrong_algorithm);
}

proptest! {
    #![proptest_config(cases(100))]

    /// No two of a transaction's keys are alike, nor those of two counters.
    #[test]
    fn every_purpose_has_a_key_of_its_own(one in 1..0xFFFFu32, two in 1..0xFFFFu32) {
        let purposes = [
            DukptPurpose::Pin,
            DukptPurpose::MacFromTerminal,
            DukptPurpose::MacToTerminal,
            DukptPurpose::MacBothWays,
        ];
        let counters = if one == two { vec![one] } else { vec![one, two] };
        let mut keys = Vec::new();
        for counter in counters {
            for purpose in purposes {
                let kinds: &[AesDukptKind] = match purpose {
                    DukptPurpose::Pin => &[AesDukptKind::Aes { bytes: 32 }],
                    _ => &[AesDukptKind::Aes { bytes: 32 }, AesDukptKind::Hmac { bytes: 32 }],
                };
                for kind in kinds {
                    let key = aes_dukpt_key(&aes_base(32), &aes_ksn(counter), purpose, *kind).unwrap();
                    keys.push(key.bytes().to_vec());
                }
            }
        }
        let made = keys.len();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), made);
    }
}
