//! Key blocks: published vectors, wrapping and unwrapping, and every way in which one is refused.
#![allow(clippy::unwrap_used)]

mod common;

use common::{cases, hex, key};
use keys::{
    Attributes, BoundKey, Expected, Exportability, KEY_BLOCK_CHARACTERS_MAX, KEY_BLOCK_RANDOM_BYTES,
    KeyAlgorithm, KeyBlockError, KeyBlockKey, KeyError, KeyUsage, KeyVersion, ModeOfUse, OptionalBlock,
    Unwrapped,
};
use proptest::prelude::*;

fn protection(bytes: &[u8]) -> KeyBlockKey {
    KeyBlockKey::new(&key(KeyUsage::KeyBlockProtection, KeyAlgorithm::Aes, bytes)).unwrap()
}

fn any_version(usage: KeyUsage) -> Expected {
    Expected { usage, version_min: KeyVersion::UNUSED }
}

fn version(number: u8) -> Attributes {
    Attributes { version: KeyVersion::new(number).unwrap(), ..Attributes::default() }
}

/// What a test compares of a key.
fn said(unwrapped: &Unwrapped) -> (KeyUsage, ModeOfUse, KeyAlgorithm, Vec<u8>) {
    let key = &unwrapped.key;
    (key.usage(), key.mode(), key.algorithm(), key.bytes().to_vec())
}

/// TR-31:2018, A.7.4.
#[test]
fn the_block_of_tr_31_annex_a() {
    let block = b"D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03A457DC34";
    let key = protection(&hex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"));
    let unwrapped = key.unwrap(block, any_version(KeyUsage::PinEncryption)).unwrap();
    let clear = hex("3F419E1CB7079442AA37474C2EFBF8B8");
    assert_eq!(said(&unwrapped), (KeyUsage::PinEncryption, ModeOfUse::Encrypt, KeyAlgorithm::Aes, clear));
    assert_eq!(unwrapped.attributes, Attributes::default());
}

/// Two blocks of a payShield 10k, whose master key is 41…41: a TDES BDK and an AES key for data, neither exportable.
#[test]
fn blocks_of_a_payshield() {
    let key = protection(&[0x41; 32]);
    for (block, usage, algorithm, clear) in [
        (
            "D0112B0TN00N000037DB9B046B7B0048785690759580ABC3B9842AB4BB7717B49E92528E575785D8123559376A2553B27BE94F054F4E971C",
            KeyUsage::BaseDerivation,
            KeyAlgorithm::Tdes,
            "1FA1F7CEC798D91545DA8AE0C7796BD9",
        ),
        (
            "D0144D0AN00N0000127862F945C2DED04530FAF7CDBC8B0BA10C7AA79BD5E0C2C5D6AC173BF588E4B19ACF1357178D50EA0AB193228E13958304FC6149632DFDCADF3A5B3D57E814",
            KeyUsage::Data,
            KeyAlgorithm::Aes,
            "BE19E6A07A760F10EF8E83A226B63AAD141F463FDDD4F47DB244B4023EC3CACC",
        ),
    ] {
        let unwrapped = key.unwrap(block.as_bytes(), any_version(usage)).unwrap();
        assert_eq!(said(&unwrapped), (usage, ModeOfUse::Any, algorithm, hex(clear)));
        assert_eq!(unwrapped.attributes.exportability, Exportability::NonExportable);
    }
}

#[derive(Clone, Debug)]
struct Case {
    protection: Vec<u8>,
    key: BoundKey,
    attributes: Attributes,
    random: [u8; KEY_BLOCK_RANDOM_BYTES],
}

fn case() -> impl Strategy<Value = Case> {
    let kinds = [
        (KeyUsage::PinEncryption, KeyAlgorithm::Tdes, 16),
        (KeyUsage::PinEncryption, KeyAlgorithm::Tdes, 24),
        (KeyUsage::PinEncryption, KeyAlgorithm::Aes, 16),
        (KeyUsage::PinEncryption, KeyAlgorithm::Aes, 32),
        (KeyUsage::BaseDerivation, KeyAlgorithm::Aes, 24),
        (KeyUsage::DukptInitial, KeyAlgorithm::Tdes, 16),
        (KeyUsage::RetailMac, KeyAlgorithm::Tdes, 16),
        (KeyUsage::Cmac, KeyAlgorithm::Aes, 32),
        (KeyUsage::Hmac, KeyAlgorithm::Hmac, 16),
        (KeyUsage::Hmac, KeyAlgorithm::Hmac, 30),
        (KeyUsage::Hmac, KeyAlgorithm::Hmac, 64),
        (KeyUsage::KeyBlockProtection, KeyAlgorithm::Aes, 32),
    ];
    let optional = proptest::collection::vec(("[0-9A-OQ-Z][0-9A-Z]", "[ -~]{0,40}"), 0..4);
    (
        proptest::sample::select(kinds.to_vec()),
        proptest::array::uniform32(any::<u8>()),
        proptest::collection::vec(any::<u8>(), 64),
        optional,
        0..=99u8,
        any::<[u8; KEY_BLOCK_RANDOM_BYTES]>(),
    )
        .prop_filter("parts of a triple DES key differ", |(_, _, bytes, ..)| {
            bytes
                .chunks_exact(8)
                .zip(bytes[8..].chunks_exact(8))
                .all(|(one, two)| one[0] & 0xFE != two[0] & 0xFE)
        })
        .prop_map(|((usage, algorithm, length), protection, bytes, optional, number, random)| Case {
            protection: protection.to_vec(),
            key: key(usage, algorithm, &bytes[..length]),
            attributes: Attributes {
                version: KeyVersion::new(number).unwrap(),
                exportability: Exportability::NonExportable,
                optional: optional
                    .into_iter()
                    .filter(|(id, _)| id != "HM")
                    .map(|(id, content)| OptionalBlock { id: id.into_bytes().try_into().unwrap(), content })
                    .collect(),
            },
            random,
        })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_is_wrapped_is_unwrapped(case in case()) {
        let protection = protection(&case.protection);
        let block = protection.wrap(&case.key, &case.attributes, &case.random).unwrap();
        prop_assert!(block.len().is_multiple_of(16) && block.len() <= KEY_BLOCK_CHARACTERS_MAX);
        let unwrapped = protection.unwrap(block.as_bytes(), any_version(case.key.usage())).unwrap();
        prop_assert_eq!(unwrapped.key.bytes(), case.key.bytes());
        prop_assert_eq!(unwrapped.key.usage(), case.key.usage());
        prop_assert_eq!(unwrapped.key.mode(), case.key.mode());
        prop_assert_eq!(unwrapped.key.algorithm(), case.key.algorithm());
        let mut attributes = unwrapped.attributes;
        if case.key.algorithm() == KeyAlgorithm::Hmac {
            let hash = attributes.optional.remove(0);
            prop_assert_eq!((&hash.id, hash.content.as_str()), (b"HM", "21"));
        }
        prop_assert_eq!(attributes, case.attributes);
    }

    /// Whatever stands in DE120: a key block or an error, never a panic.
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let refused = protection(&[7; 32]).unwrap(&bytes, any_version(KeyUsage::PinEncryption));
        prop_assert!(refused.is_err());
    }

    /// The same behind a header that is right.
    #[test]
    fn any_sealed_part_is_refused(count in 0..9usize, rest in "[0-9A-F ]{0,400}") {
        let block = format!("D{:04}P0AB00E{count:02}00{rest}", 16 + rest.len());
        let refused = protection(&[7; 32]).unwrap(block.as_bytes(), any_version(KeyUsage::PinEncryption));
        prop_assert!(refused.is_err());
    }
}

/// Every bit of whole blocks, with and without optional blocks, of each algorithm: 0 of them can be changed unnoticed.
#[test]
fn every_single_bit_flip_is_refused() {
    let protection = protection(&[0x3C; 32]);
    let bytes: [u8; 32] = std::array::from_fn(|place| 5 * place as u8);
    let optional = vec![OptionalBlock { id: *b"KS", content: "00604B120F9292800000".to_owned() }];
    let mut flips = 0;
    for (usage, algorithm, length) in [
        (KeyUsage::PinEncryption, KeyAlgorithm::Tdes, 16),
        (KeyUsage::PinEncryption, KeyAlgorithm::Aes, 32),
        (KeyUsage::Hmac, KeyAlgorithm::Hmac, 32),
    ] {
        for optional in [Vec::new(), optional.clone()] {
            let attributes = Attributes { optional, ..version(12) };
            let own = key(usage, algorithm, &bytes[..length]);
            let block = protection.wrap(&own, &attributes, &[0x77; KEY_BLOCK_RANDOM_BYTES]).unwrap();
            assert!(protection.unwrap(block.as_bytes(), any_version(usage)).is_ok());
            for place in 0..block.len() {
                for bit in 0..8 {
                    let mut changed = block.clone().into_bytes();
                    changed[place] ^= 1 << bit;
                    let refused = protection.unwrap(&changed, any_version(usage)).map(drop);
                    let form = matches!(
                        refused,
                        Err(KeyBlockError::Mac | KeyBlockError::Version | KeyBlockError::Form { .. })
                    );
                    assert!(form, "bit {bit} of character {place}: {refused:?}");
                    flips += 1;
                }
            }
        }
    }
    assert!(flips > 5_000, "{flips}");
}

/// The header of one block before the key of another, whole blocks changed over, cut, longer: all under the same key.
#[test]
fn parts_of_authentic_blocks_do_not_mix() {
    let protection = protection(&[0x3C; 32]);
    let bytes: [u8; 32] = std::array::from_fn(|place| 5 * place as u8);
    let wrap = |usage, attributes: &Attributes| {
        let own = key(usage, KeyAlgorithm::Aes, &bytes);
        protection.wrap(&own, attributes, &[1; KEY_BLOCK_RANDOM_BYTES]).unwrap()
    };
    let pin = wrap(KeyUsage::PinEncryption, &version(3));
    let mac = wrap(KeyUsage::Cmac, &version(3));
    let newer = wrap(KeyUsage::PinEncryption, &version(4));
    let unwrap =
        |block: &str| protection.unwrap(block.as_bytes(), any_version(KeyUsage::PinEncryption)).map(drop);
    assert_eq!(unwrap(&pin), Ok(()));
    assert_eq!(unwrap(&format!("{}{}", &pin[..16], &mac[16..])), Err(KeyBlockError::Mac));
    assert_eq!(unwrap(&format!("{}{}", &newer[..16], &pin[16..])), Err(KeyBlockError::Mac));
    let mut parts: Vec<&str> = vec![&pin[..16], &pin[48..80], &pin[16..48], &pin[80..]];
    assert_eq!(unwrap(&parts.concat()), Err(KeyBlockError::Mac));
    parts = vec!["D0112", &pin[5..16], &pin[48..]];
    assert_eq!(unwrap(&parts.concat()), Err(KeyBlockError::Mac), "a block cut out");
    parts = vec!["D0176", &pin[5..16], &pin[16..48], &pin[16..]];
    assert_eq!(unwrap(&parts.concat()), Err(KeyBlockError::Mac), "a block twice");
    assert!(matches!(unwrap(&pin[..pin.len() - 2]), Err(KeyBlockError::Form { position: 1, .. })));
    assert!(matches!(unwrap(&format!("{pin}00")), Err(KeyBlockError::Form { position: 1, .. })));
    assert!(matches!(unwrap(&pin.to_lowercase()), Err(KeyBlockError::Version)));
    let lower = format!("{}{}", &pin[..16], pin[16..].to_lowercase());
    assert!(matches!(unwrap(&lower), Err(KeyBlockError::Form { .. })), "one spelling alone");
    assert_eq!(unwrap(&pin.replacen('D', "B", 1)), Err(KeyBlockError::Version));
}

#[test]
fn another_usage_is_refused_after_the_mac() {
    let (own, other) = (protection(&[0x3C; 32]), protection(&[0x3D; 32]));
    let bytes: [u8; 16] = std::array::from_fn(|place| 5 * place as u8);
    let block = own
        .wrap(
            &key(KeyUsage::PinEncryption, KeyAlgorithm::Aes, &bytes),
            &Attributes::default(),
            &[1; KEY_BLOCK_RANDOM_BYTES],
        )
        .unwrap();
    for usage in KeyUsage::ALL.into_iter().filter(|usage| *usage != KeyUsage::PinEncryption) {
        let refused = |by: &KeyBlockKey| by.unwrap(block.as_bytes(), any_version(usage)).map(drop);
        assert_eq!(refused(&own), Err(KeyBlockError::Usage { usage: KeyUsage::PinEncryption }));
        assert_eq!(refused(&other), Err(KeyBlockError::Mac));
    }
}

#[test]
fn an_older_version_is_refused() {
    let protection = protection(&[0x3C; 32]);
    let own = key(KeyUsage::Hmac, KeyAlgorithm::Hmac, &[9; 32]);
    let version_min = KeyVersion::new(7).unwrap();
    for number in 0..=99 {
        let block = protection.wrap(&own, &version(number), &[1; KEY_BLOCK_RANDOM_BYTES]).unwrap();
        let taken = protection.unwrap(block.as_bytes(), Expected { usage: KeyUsage::Hmac, version_min });
        match taken {
            Ok(unwrapped) => assert!(number >= 7 && unwrapped.attributes.version.number() == number),
            Err(error) => {
                let version = KeyVersion::new(number).unwrap();
                assert_eq!(error, KeyBlockError::Rollback { version, version_min });
                assert!(number < 7);
            }
        }
    }
    assert_eq!(KeyVersion::new(6).unwrap().next(), Some(version_min));
    assert_eq!(KeyVersion::new(99).unwrap().next(), None);
    assert_eq!(KeyVersion::new(100), None);
}

#[test]
fn what_cannot_be_wrapped() {
    let bytes: [u8; 32] = std::array::from_fn(|place| 5 * place as u8);
    let random = [1; KEY_BLOCK_RANDOM_BYTES];
    let strong = key(KeyUsage::PinEncryption, KeyAlgorithm::Aes, &bytes);
    assert_eq!(
        protection(&[1; 16]).wrap(&strong, &Attributes::default(), &random),
        Err(KeyBlockError::Strength { bits: 256, under_bits: 128 })
    );
    let wrap = |optional| {
        protection(&[1; 32])
            .wrap(&strong, &Attributes { optional, ..Attributes::default() }, &random)
            .map(drop)
    };
    let block = |id: &[u8; 2], content: &str| OptionalBlock { id: *id, content: content.to_owned() };
    assert_eq!(wrap(vec![block(b"KS", &"0".repeat(251))]), Ok(()));
    let cannot = Err(KeyBlockError::Header("an optional block cannot be written"));
    for one in [block(b"KS", &"0".repeat(252)), block(b"PB", "00"), block(b"K ", "0"), block(b"KS", "\u{e9}")]
    {
        assert_eq!(wrap(vec![one]), cannot);
    }
    let many = vec![block(b"KS", &"0".repeat(251)); 4];
    assert!(matches!(wrap(many), Err(KeyBlockError::TooLong { .. })));

    let of_mode = |mode| {
        let key = BoundKey::new(KeyUsage::KeyBlockProtection, mode, KeyAlgorithm::Aes, &bytes).unwrap();
        KeyBlockKey::new(&key).unwrap()
    };
    let (wraps, unwraps) = (of_mode(ModeOfUse::Encrypt), of_mode(ModeOfUse::Decrypt));
    let made = wraps.wrap(&strong, &Attributes::default(), &random).unwrap();
    let expected = any_version(KeyUsage::PinEncryption);
    assert!(unwraps.unwrap(made.as_bytes(), expected).is_ok());
    let forbidden = |mode| KeyBlockError::Key(KeyError::Forbidden { mode });
    assert_eq!(wraps.unwrap(made.as_bytes(), expected).map(drop), Err(forbidden(ModeOfUse::Encrypt)));
    let refused = unwraps.wrap(&strong, &Attributes::default(), &random);
    assert_eq!(refused, Err(forbidden(ModeOfUse::Decrypt)));

    for (usage, algorithm) in [
        (KeyUsage::PinEncryption, KeyAlgorithm::Aes),
        (KeyUsage::Data, KeyAlgorithm::Aes),
        (KeyUsage::RetailMac, KeyAlgorithm::Tdes),
    ] {
        let refused = KeyBlockKey::new(&key(usage, algorithm, &bytes[..16])).map(drop);
        assert_eq!(refused, Err(KeyError::Usage { usage }));
    }
    let tdes = key(KeyUsage::KeyBlockProtection, KeyAlgorithm::Tdes, &bytes[..16]);
    let refused = KeyError::Algorithm { usage: KeyUsage::KeyBlockProtection, algorithm: KeyAlgorithm::Tdes };
    assert_eq!(KeyBlockKey::new(&tdes).map(drop), Err(refused));
}

/// Blocks of psec 1.3.0 under the key 3C…3C, authentic, with what the switch has no use for, or what no key block has.
#[test]
fn authentic_blocks_without_use_here() {
    let protection = protection(&[0x3C; 32]);
    for (block, expected) in PSEC {
        let refused = protection.unwrap(block.as_bytes(), any_version(KeyUsage::PinEncryption)).map(drop);
        assert_eq!(refused, Err(*expected), "{block}");
    }
}

const PSEC: &[(&str, KeyBlockError)] = &[
    (
        "D0144P1AB00E000072B7C1FFAE53AAB08E78BAC1058E414AB51B3B0A351E898DBCBE68EE082A23130E4178EB96600BA4AE2FFCA908552437DDDF281FDEB287A2F55CEBD9455CC012",
        KeyBlockError::Header("a usage that the switch has not"),
    ),
    (
        "D0112P0RB00E00009AFD08400424CD738BACF366B07017AA807C17C4FCF19DB05CCE30442AE5189D5A26DBEB94D0EB3D0EA7D0C9892D9B5C",
        KeyBlockError::Header("an algorithm that the switch has not"),
    ),
    (
        "D0144P0AS00E0000E719EEF36ABAAB07875E4BFF903B1D954B2748224D4BA1283CDC44602C9D49AA45A2F65560F269541AF96A4F0CE1016BA0F881AB48052EC3EBD00AE4DF573BE9",
        KeyBlockError::Header("a mode of use that the switch has not"),
    ),
    (
        "D0144P0AG00E00006CFAAAA2C63F1C6FC4E1B28C24B7D878A0E83712152DD151A923258D2990ED74175BB4F4193AFE79FDAB4AC7CF749A30CC588D1CEE234CAF1020679DAD030CD0",
        KeyBlockError::Key(KeyError::Mode { usage: KeyUsage::PinEncryption, mode: ModeOfUse::Generate }),
    ),
    (
        "D0144P0ABc1E0000CF01E74BDF97CAEF39E528BB4F33462251E493F23C2B8A81274BE6C2800D3A73C1C75613153C8218BFE235DEA76000073DE5FFEAF7A747ACD6D8C28A7BB8922B",
        KeyBlockError::Header("it holds a component of a key, not a key"),
    ),
    (
        "D0144P0AB1XE00006AA84FA49A5789E4813F15693A7FDCFFC861C3011A9B82DB6DBBB2A8AF2ED5ADB1D32F3CD03C581AC84BBD79E35205D16EA5E4BE5F3B3EE9171AF10E48C8FAF0",
        KeyBlockError::Header("a key version that is not two digits"),
    ),
    (
        "D0144P0AB00Q0000DFEFE683BEABFA64B4C3884020BDD98C8B8D98A748893F5023DF3AE4B1FD18AAC6A42EF321294AF455F1B604AFE03BCAFE02FD587E42C9D0D525040DDDADAF9C",
        KeyBlockError::Header("an exportability that is not E, N or S"),
    ),
    (
        "D0144P0AB00E00004386B8AC86F3575262F4855D75CFD3472E4B16BDEF57CEA2EAC832F2A343E59A1AEE5616DD018F8AB95FC658E29830E4E6637469460137F890E1AC06ACFD369D",
        KeyBlockError::Key(KeyError::Length { algorithm: KeyAlgorithm::Aes, bytes: 15 }),
    ),
    (
        "D0112P0TB00E00000B2CE94B3869A43443F278551884A560E31F86D9076E5E190E2B37F9FB6B434E4208E87ABA129027717A2B553B761061",
        KeyBlockError::Key(KeyError::Parts),
    ),
    (
        "D0128M7HC00E0200HM0610PB0A0000007DE2315822EBF0DCE0D1AD0A4F08269E852A6F417B7A33EC7A70EF22FD3B2213751E3977E9593E5174DA219E64350F0A",
        KeyBlockError::Header("the hash of an HMAC key is not SHA-256"),
    ),
    (
        "D0112P0AB00E000161E7B14C8C72CD9A2F3CFFD34CEF482A5E90A135F14BEB303F48F0FD887768BC2CE4317C9083FFAF17B995338D8B5368",
        KeyBlockError::Form { position: 14, reason: "two zeros have to stand here" },
    ),
    (
        "D0128P0AB00E0200PB0C00000000KS046D53103DAD3F7A0898F3B2C2706B23C5A9489318681AF5D4D5C7B3CEEEDD355383D024F043689E0577641682C6E86382",
        KeyBlockError::Form { position: 28, reason: "an optional block behind the padding" },
    ),
    (
        "D0124P0AB00E0100KS0C00000000B3E9DB72E9E71590CC8DF32DBC9881DFA9D1E9DDD6A12ED3E4D091ADCECE3B32F20746329F1345573E5F8A1086DE9D60",
        KeyBlockError::Form {
            position: 16,
            reason: "the optional blocks are not filled up to 16 characters",
        },
    ),
    (
        "D0112P0AB00E000013778207E5A54A5A45C982713EDC5EAA5F6B26DE70C98B2D649AB7EC3FFC6F5D8BF1986477B81732D459655E6899608C",
        KeyBlockError::Header("the length of the key is not that of the block"),
    ),
    (
        "D0112P0AB00E0000CB58B327D1868F5570B7AC03AD2642D020488F112D1FF8DF3FC52DCDC74E47C22B4DEB87AC06D9F5D8EBAA8D6C4A7B89",
        KeyBlockError::Header("the length of the key is not that of the block"),
    ),
];
