//! What keys cost: PIN blocks translated, MACs over 400 bytes, key blocks, keys of one transaction, check values.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keys::clear_pin::{ClearPin, encipher_clear_pin};
use keys::{
    AesDukptKind, AesKsn, Attributes, BoundKey, DukptPurpose, Expected, KEY_BLOCK_RANDOM_BYTES, KeyAlgorithm,
    KeyBlockKey, KeyUsage, KeyVersion, MacAlgorithm, MacKey, MacPurpose, ModeOfUse, Padding, PinFormat,
    PinKey, PinPan, RANDOM_BYTES, TdesKsn, aes_dukpt_key, tdes_dukpt_key, translate_pin,
};

fn key(usage: KeyUsage, mode: ModeOfUse, algorithm: KeyAlgorithm, bytes: usize) -> BoundKey {
    let all: [u8; 32] = std::array::from_fn(|place| 7 * place as u8 + 1);
    BoundKey::new(usage, mode, algorithm, &all[..bytes]).expect("a key")
}

fn pins(criterion: &mut Criterion) {
    let pan = PinPan::parse(b"9704990012030000017").expect("a PAN");
    let pin = ClearPin::parse(b"135790").expect("a PIN");
    let random = [0x5A; RANDOM_BYTES];
    let pin_key = |format| {
        let (algorithm, bytes) = match format {
            PinFormat::Iso4 => (KeyAlgorithm::Aes, 16),
            PinFormat::Iso0 | PinFormat::Iso3 => (KeyAlgorithm::Tdes, 16),
        };
        PinKey::new(&key(KeyUsage::PinEncryption, ModeOfUse::Both, algorithm, bytes)).expect("a PIN key")
    };
    let mut group = criterion.benchmark_group("translate_pin");
    for (from, to) in [
        (PinFormat::Iso0, PinFormat::Iso0),
        (PinFormat::Iso0, PinFormat::Iso4),
        (PinFormat::Iso4, PinFormat::Iso0),
        (PinFormat::Iso4, PinFormat::Iso4),
    ] {
        let [from_key, to_key] = [from, to].map(pin_key);
        let block = encipher_clear_pin(&pin, &pan, &from_key, from, &random).expect("a block");
        group.bench_function(format!("{}_to_{}", from.number(), to.number()), |bencher| {
            bencher.iter(|| translate_pin(black_box(&block), &pan, &from_key, &to_key, to, &random));
        });
    }
    group.finish();
}

fn macs(criterion: &mut Criterion) {
    let text: [u8; 400] = std::array::from_fn(|place| place as u8);
    let mut group = criterion.benchmark_group("mac_check_400_bytes");
    for (name, algorithm, usage, of, bytes) in [
        ("hmac_sha_256", MacAlgorithm::HmacSha256, KeyUsage::Hmac, KeyAlgorithm::Hmac, 32),
        ("aes_128_cmac", MacAlgorithm::AesCmac, KeyUsage::Cmac, KeyAlgorithm::Aes, 16),
        ("retail", MacAlgorithm::Retail(Padding::OneThenZeros), KeyUsage::RetailMac, KeyAlgorithm::Tdes, 16),
    ] {
        let key = key(usage, ModeOfUse::GenerateAndVerify, of, bytes);
        let key = MacKey::bound(&key, algorithm, MacPurpose::Verify).expect("a MAC key");
        let mac = key.sign(&text);
        group.bench_function(name, |bencher| bencher.iter(|| key.verify(black_box(&text), &mac)));
    }
    group.finish();
}

fn exchange(criterion: &mut Criterion) {
    let protection = key(KeyUsage::KeyBlockProtection, ModeOfUse::Both, KeyAlgorithm::Aes, 32);
    let protection = KeyBlockKey::new(&protection).expect("a key block protection key");
    let own = key(KeyUsage::PinEncryption, ModeOfUse::Both, KeyAlgorithm::Aes, 32);
    let random = [0x5A; KEY_BLOCK_RANDOM_BYTES];
    let block = protection.wrap(&own, &Attributes::default(), &random).expect("a key block");
    let expected = Expected { usage: KeyUsage::PinEncryption, version_min: KeyVersion::UNUSED };
    criterion.bench_function("key_block/wrap", |bencher| {
        bencher.iter(|| protection.wrap(black_box(&own), &Attributes::default(), &random));
    });
    criterion.bench_function("key_block/unwrap", |bencher| {
        bencher.iter(|| protection.unwrap(black_box(block.as_bytes()), expected));
    });
    criterion.bench_function("check_value/aes", |bencher| bencher.iter(|| black_box(&own).check_value()));
}

/// The counters have as many bits set as they can: the longest way.
fn dukpt(criterion: &mut Criterion) {
    let aes = key(KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Aes, 16);
    let aes_ksn = AesKsn::parse(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0xFF, 0xFE]).expect("a KSN");
    let kind = AesDukptKind::Aes { bytes: 16 };
    criterion.bench_function("dukpt/aes_128_pin_key", |bencher| {
        bencher.iter(|| aes_dukpt_key(black_box(&aes), &aes_ksn, DukptPurpose::Pin, kind));
    });
    let tdes = key(KeyUsage::BaseDerivation, ModeOfUse::Derive, KeyAlgorithm::Tdes, 16);
    let tdes_ksn = TdesKsn::parse(&[1, 2, 3, 4, 5, 6, 7, 0, 0x03, 0xFF]).expect("a KSN");
    criterion.bench_function("dukpt/tdes_pin_key", |bencher| {
        bencher.iter(|| tdes_dukpt_key(black_box(&tdes), &tdes_ksn, DukptPurpose::Pin));
    });
}

criterion_group!(benches, pins, macs, exchange, dukpt);
criterion_main!(benches);
