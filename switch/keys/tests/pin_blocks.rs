//! PIN blocks: published vectors, translation between all formats, and what another PAN, key or format comes to.
#![allow(clippy::unwrap_used)]

mod common;

use common::{cases, hex, hex_array, key};
use keys::clear_pin::{ClearPin, decipher_to_clear_pin, encipher_clear_pin};
use keys::{
    AesDukptKind, AesKsn, BoundKey, DukptPurpose, KeyAlgorithm, KeyError, KeyUsage, ModeOfUse, PinBlock,
    PinError, PinFormat, PinKey, PinPan, RANDOM_BYTES, TdesKsn, aes_dukpt_key, tdes_dukpt_key, translate_pin,
};
use proptest::prelude::*;

const FORMATS: [PinFormat; 3] = [PinFormat::Iso0, PinFormat::Iso3, PinFormat::Iso4];

fn pin(digits: &str) -> ClearPin {
    ClearPin::parse(digits.as_bytes()).unwrap()
}

fn pan(digits: &str) -> PinPan {
    PinPan::parse(digits.as_bytes()).unwrap()
}

fn key_of(format: PinFormat, seed: u8) -> PinKey {
    let bytes: [u8; 32] = std::array::from_fn(|place| seed.wrapping_mul(31).wrapping_add(7 * place as u8));
    let (algorithm, length) = match format {
        PinFormat::Iso4 => (KeyAlgorithm::Aes, [16, 32][usize::from(seed % 2)]),
        _ => (KeyAlgorithm::Tdes, [16, 24][usize::from(seed % 2)]),
    };
    PinKey::new(&key(KeyUsage::PinEncryption, algorithm, &bytes[..length])).unwrap()
}

/// ANSI X9.24-1:2009, A.4: PIN 1234, PAN 4012345678909, format 0, under the PIN keys of the first KSNs and of those that
/// have the most bits set.
#[test]
fn format_0_as_in_x9_24_part_1() {
    let base = key(KeyUsage::BaseDerivation, KeyAlgorithm::Tdes, &hex("0123456789ABCDEFFEDCBA9876543210"));
    for (ksn, block) in [
        ("FFFF9876543210E00001", "1B9C1845EB993A7A"),
        ("FFFF9876543210E00002", "10A01C8D02C69107"),
        ("FFFF9876543210E00003", "18DC07B94797B466"),
        ("FFFF9876543210E00004", "0BC79509D5645DF7"),
        ("FFFF9876543210E00015", "72105C22EBC791E6"),
        ("FFFF9876543210EFF800", "33365F5CC6F23C35"),
        ("FFFF9876543210EFF801", "3A86BF003F835C9D"),
        ("FFFF9876543210EFFC00", "DEFC6F09F8927B71"),
        ("FFFF9876543210F00000", "73EC88AD0AC5830E"),
    ] {
        let ksn = TdesKsn::parse(&hex(ksn)).unwrap();
        let key = PinKey::new(&tdes_dukpt_key(&base, &ksn, DukptPurpose::Pin).unwrap()).unwrap();
        let pan = pan("4012345678909");
        let made = encipher_clear_pin(&pin("1234"), &pan, &key, PinFormat::Iso0, &[0; 8]).unwrap();
        assert_eq!(made.bytes(), hex(block));
        let came = PinBlock::new(PinFormat::Iso0, &hex(block)).unwrap();
        assert_eq!(decipher_to_clear_pin(&came, &pan, &key).unwrap().digits(), b"1234");
    }
}

/// ANSI X9.24-3:2017, supplement, "Calculation of AES PIN Block Format 4": PIN 1234, PAN 4111111111111111, PIN field
/// 441234AAAAAAAAAA2F69ADDE2E9E7ACE, under the AES-128 PIN keys of the first eight KSNs.
#[test]
fn format_4_as_in_x9_24_part_3() {
    let base = key(KeyUsage::BaseDerivation, KeyAlgorithm::Aes, &hex("FEDCBA9876543210F1F1F1F1F1F1F1F1"));
    let blocks = [
        "A912150391AB65A67E52883D81CE2D15",
        "52A00503BD34BA1383F6A7EE9FE2547F",
        "A5A27E82B43A9A866A93D7ABE89CEF93",
        "71B3D0528669498777555A8BE6698E44",
        "881A7F77A2E04E5BEA985E342FD0B628",
        "BDC1C3871AFB0B340AA5B5CEFD08695E",
        "4A8E6B8C7DBEE6CBA6DC774F0CB83396",
        "8308BB857C17F390369F761F8EB358FA",
    ];
    for (counter, block) in (1..).zip(blocks) {
        let ksn = AesKsn::parse(&hex(&format!("1234567890123456{counter:08X}"))).unwrap();
        let kind = AesDukptKind::Aes { bytes: 16 };
        let key = PinKey::new(&aes_dukpt_key(&base, &ksn, DukptPurpose::Pin, kind).unwrap()).unwrap();
        let pan = pan("4111111111111111");
        let random = hex_array("2F69ADDE2E9E7ACE");
        let made = encipher_clear_pin(&pin("1234"), &pan, &key, PinFormat::Iso4, &random).unwrap();
        assert_eq!(made.bytes(), hex(block));
        let came = PinBlock::new(PinFormat::Iso4, &hex(block)).unwrap();
        assert_eq!(decipher_to_clear_pin(&came, &pan, &key).unwrap().digits(), b"1234");
    }
}

/// As psec 1.3.0's documentation has it: `decipher_pinblock_iso_4`.
#[test]
fn format_4_as_in_psec() {
    let bytes = hex("00112233445566778899AABBCCDDEEFF");
    let key = PinKey::new(&key(KeyUsage::PinEncryption, KeyAlgorithm::Aes, &bytes)).unwrap();
    for block in ["E4BE5B623AF7E006AC319E5B93544564", "7CDF645C86CAF763AE34637A66997534"] {
        let block = PinBlock::new(PinFormat::Iso4, &hex(block)).unwrap();
        let clear = decipher_to_clear_pin(&block, &pan("1234567890123456"), &key).unwrap();
        assert_eq!(clear.digits(), b"1234");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn translation_keeps_the_pin(
        digits in "[0-9]{4,12}",
        pan_digits in "[0-9]{13,19}",
        from in 0..3usize,
        to in 0..3usize,
        seeds: (u8, u8),
        random: [[u8; RANDOM_BYTES]; 2],
    ) {
        let (from, to) = (FORMATS[from], FORMATS[to]);
        let [from_key, to_key] = [key_of(from, seeds.0), key_of(to, seeds.1)];
        let pan = pan(&pan_digits);
        let block = encipher_clear_pin(&pin(&digits), &pan, &from_key, from, &random[0]).unwrap();
        prop_assert_eq!(block.bytes().len(), from.block_bytes());
        let translated = translate_pin(&block, &pan, &from_key, &to_key, to, &random[1]).unwrap();
        prop_assert_eq!(translated.format(), to);
        let clear = decipher_to_clear_pin(&translated, &pan, &to_key).unwrap();
        prop_assert_eq!(clear.digits(), digits.as_bytes());
    }

    /// Bytes that are no block of this key are no PIN but by chance, and never anything else than a PIN or `Unreadable`.
    #[test]
    fn any_bytes_are_a_pin_or_unreadable(bytes: [u8; 16], format in 0..3usize, seed: u8) {
        let format = FORMATS[format];
        let block = PinBlock::new(format, &bytes[..format.block_bytes()]).unwrap();
        match decipher_to_clear_pin(&block, &pan("9704990012030000017"), &key_of(format, seed)) {
            Ok(clear) => prop_assert!(ClearPin::parse(&clear.digits()).is_some()),
            Err(error) => prop_assert_eq!(error, PinError::Unreadable),
        }
    }

    /// What docs/security.md and `translate_pin` say of format 0: another digit over a fill is always found out, another
    /// digit over a digit of the PIN unless a digit comes out of it.
    #[test]
    fn another_pan_in_format_0(digits in "[0-9]{4,12}", pan_digits in "[0-9]{19}", place in 0..12usize, add in 1..10u8) {
        let mut other = pan_digits.clone().into_bytes();
        let digit = &mut other[6 + place];
        *digit = b'0' + (*digit - b'0' + add) % 10;
        let changed = (*digit - b'0') ^ (pan_digits.as_bytes()[6 + place] - b'0');
        let key = key_of(PinFormat::Iso0, 1);
        let block = encipher_clear_pin(&pin(&digits), &pan(&pan_digits), &key, PinFormat::Iso0, &[0; 8]).unwrap();
        let read = decipher_to_clear_pin(&block, &PinPan::parse(&other).unwrap(), &key);
        // The PAN's first digit lies over the PIN's third.
        match digits.as_bytes().get(place + 2).map(|digit| (digit - b'0') ^ changed) {
            Some(digit @ 0..=9) => {
                let mut another = digits.into_bytes();
                another[place + 2] = b'0' + digit;
                prop_assert_eq!(read.unwrap().digits(), another);
            }
            _ => prop_assert_eq!(read.map(drop), Err(PinError::Unreadable)),
        }
    }

    /// As format 0, but another digit over a fill may leave a letter there.
    #[test]
    fn another_pan_in_format_3(digits in "[0-9]{4,12}", pan_digits in "[0-9]{19}", place in 0..12usize, add in 1..10u8, random: [u8; 8]) {
        let mut other = pan_digits.clone().into_bytes();
        let digit = &mut other[6 + place];
        *digit = b'0' + (*digit - b'0' + add) % 10;
        let key = key_of(PinFormat::Iso3, 1);
        let block = encipher_clear_pin(&pin(&digits), &pan(&pan_digits), &key, PinFormat::Iso3, &random).unwrap();
        match decipher_to_clear_pin(&block, &PinPan::parse(&other).unwrap(), &key) {
            Ok(clear) if place + 2 < digits.len() => prop_assert_ne!(clear.digits(), digits.as_bytes()),
            Ok(clear) => prop_assert_eq!(clear.digits(), digits.as_bytes()),
            Err(error) => prop_assert_eq!(error, PinError::Unreadable),
        }
    }
}

/// One digit of the PAN at a time, all nine others, PINs of all lengths: none is read in format 4.
#[test]
fn another_pan_in_format_4_is_refused() {
    let key = key_of(PinFormat::Iso4, 3);
    let right = "9704990012030000017";
    for length in 4..=12 {
        let digits = &"123456789012"[..length];
        let random = [length as u8; 8];
        let block = encipher_clear_pin(&pin(digits), &pan(right), &key, PinFormat::Iso4, &random).unwrap();
        for place in 0..right.len() {
            for add in 1..10 {
                let mut other = right.as_bytes().to_vec();
                other[place] = b'0' + (other[place] - b'0' + add) % 10;
                let other = PinPan::parse(&other).unwrap();
                let read = decipher_to_clear_pin(&block, &other, &key).map(drop);
                assert_eq!(read, Err(PinError::Unreadable), "digit {place}");
            }
        }
        let shorter = pan(&right[..18]);
        assert_eq!(decipher_to_clear_pin(&block, &shorter, &key).map(drop), Err(PinError::Unreadable));
    }
}

/// Another key, and another format under the same key, are told like another PAN.
#[test]
fn another_key_or_format_is_told_like_another_pan() {
    let pan = pan("9704990012030000017");
    let same_key = key_of(PinFormat::Iso0, 5);
    for (format, read_as) in [(PinFormat::Iso0, PinFormat::Iso3), (PinFormat::Iso3, PinFormat::Iso0)] {
        let block = encipher_clear_pin(&pin("135790"), &pan, &same_key, format, &[9; 8]).unwrap();
        let relabelled = PinBlock::new(read_as, block.bytes()).unwrap();
        let read = decipher_to_clear_pin(&relabelled, &pan, &same_key).map(drop);
        assert_eq!(read, Err(PinError::Unreadable));
    }
    for format in FORMATS {
        let block = encipher_clear_pin(&pin("135790"), &pan, &key_of(format, 5), format, &[9; 8]).unwrap();
        for seed in [6, 7, 8, 9] {
            let read = decipher_to_clear_pin(&block, &pan, &key_of(format, seed)).map(drop);
            assert_eq!(read, Err(PinError::Unreadable));
        }
    }
    assert_eq!(
        PinError::Unreadable.to_string(),
        "the PIN block cannot be read under this key, format and PAN"
    );
}

#[test]
fn a_key_serves_its_usage_its_algorithm_and_its_mode_alone() {
    let aes: [u8; 16] = std::array::from_fn(|place| place as u8);
    for (usage, algorithm) in [
        (KeyUsage::Cmac, KeyAlgorithm::Aes),
        (KeyUsage::Data, KeyAlgorithm::Aes),
        (KeyUsage::KeyBlockProtection, KeyAlgorithm::Aes),
        (KeyUsage::BaseDerivation, KeyAlgorithm::Tdes),
        (KeyUsage::RetailMac, KeyAlgorithm::Tdes),
    ] {
        let refused = PinKey::new(&key(usage, algorithm, &aes)).map(drop);
        assert_eq!(refused, Err(KeyError::Usage { usage }));
    }
    let pan = pan("9704990012030000017");
    let of_mode = |mode| {
        let key = BoundKey::new(KeyUsage::PinEncryption, mode, KeyAlgorithm::Aes, &aes).unwrap();
        PinKey::new(&key).unwrap()
    };
    let (encrypts, decrypts) = (of_mode(ModeOfUse::Encrypt), of_mode(ModeOfUse::Decrypt));
    let format = PinFormat::Iso4;
    let block = encipher_clear_pin(&pin("2468"), &pan, &encrypts, format, &[1; 8]).unwrap();
    let translate = |from, to, format| translate_pin(&block, &pan, from, to, format, &[2; 8]).map(drop);
    assert_eq!(translate(&decrypts, &encrypts, format), Ok(()));
    let forbidden = |mode| Err(PinError::Forbidden { mode });
    assert_eq!(translate(&encrypts, &encrypts, format), forbidden(ModeOfUse::Encrypt));
    assert_eq!(translate(&decrypts, &decrypts, format), forbidden(ModeOfUse::Decrypt));
    for format in [PinFormat::Iso0, PinFormat::Iso3] {
        assert_eq!(translate(&decrypts, &encrypts, format), Err(PinError::Algorithm { format }));
    }
}

#[test]
fn forms_that_are_wrong_are_named_and_nothing_prints_itself() {
    assert_eq!(
        PinBlock::new(PinFormat::Iso4, &[0; 8]).map(drop),
        Err(PinError::Length { format: PinFormat::Iso4, expected: 16, bytes: 8 })
    );
    assert_eq!(PinPan::parse(b"123456789012").map(drop), Err(PinError::Pan));
    assert_eq!(PinPan::parse(b"12345678901234567890").map(drop), Err(PinError::Pan));
    assert_eq!(PinPan::parse(b"1234567890123A").map(drop), Err(PinError::Pan));
    for digits in ["123", "1234567890123", "12A4"] {
        assert!(ClearPin::parse(digits.as_bytes()).is_none());
    }
    for format in FORMATS {
        assert_eq!(PinFormat::of_number(format.number()), Some(format));
    }
    assert_eq!(PinFormat::of_number(1), None);
    let block = PinBlock::new(PinFormat::Iso0, &hex("1B9C1845EB993A7A")).unwrap();
    let printed = format!(
        "{block:?} {:?} {:?} {:?}",
        pin("135790"),
        pan("9704990012030000017"),
        key_of(PinFormat::Iso0, 1)
    );
    assert_eq!(printed, "PinBlock(Iso0) ClearPin PinPan PinKey");
}
