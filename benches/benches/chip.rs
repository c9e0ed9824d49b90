//! The chip's checks with P-256, as synthetic cards have them: `cargo bench -p benches --bench chip`.

use std::sync::Arc;

use credential::{Algorithms, ChipKey, Hash, ListRule, SodCache, StaleList, TrustStore, VerifiedSod};
use criterion::{Criterion, criterion_group, criterion_main};
use simulators::citizens::Country;

/// 2026-01-01: within every synthetic certificate.
const NOW_S: i64 = 1_767_225_600;

/// Cards in the cache: as many as a switch keeps by default.
const SODS: usize = 100_000;

/// A country's own certificate, and its lists: none, which `Accept` tells and goes by.
fn trust(country: &Country) -> TrustStore {
    let trust =
        TrustStore::new([country.csca_der()], Algorithms::all()).expect("the country's own certificate");
    let rule = ListRule { age_s_max: 1, stale: StaleList::Accept };
    trust.with_lists([], rule).expect("no list is refused")
}

fn chip(criterion: &mut Criterion) {
    let country = Country::new(1);
    let chip = country.chip(5);
    let known = trust(&country);
    let mut group = criterion.benchmark_group("chip, P-256");
    // Each store is new, and has its signer's certificate to check.
    group.bench_function("passive authentication, whole", |bencher| {
        bencher.iter_batched_ref(
            || trust(&country),
            |trust| VerifiedSod::verify(chip.sod(), trust, NOW_S).expect("a good SOD").sod_sha256,
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("passive authentication, known signer", |bencher| {
        bencher.iter(|| VerifiedSod::verify(chip.sod(), &known, NOW_S).expect("a good SOD").sod_sha256);
    });
    group.bench_function("passive authentication, cached", |bencher| {
        let mut cache = SodCache::new(SODS);
        let sod = VerifiedSod::verify(chip.sod(), &known, NOW_S).expect("a good SOD");
        for other in 1..SODS as u64 {
            let mut filler = sod.clone();
            filler.sod_sha256[..8].copy_from_slice(&other.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            cache.insert(Arc::new(filler));
        }
        let digest = sod.sod_sha256;
        cache.insert(Arc::new(sod));
        // What is done for each request: the cache, revocation, DG1 and DG15 against what was signed.
        bencher.iter(|| {
            let sod = cache.get(&digest, &known, NOW_S).expect("it is cached");
            known.check_revocation(&sod, NOW_S).expect("nobody is revoked");
            assert!(sod.signs_dg1(chip.dg1()) && sod.signs_dg15(chip.dg15()));
        });
    });
    let signature = chip.sign(&[7; 8]);
    group.bench_function("active authentication", |bencher| {
        bencher.iter(|| {
            let key = ChipKey::parse(chip.dg15()).expect("a good key");
            key.verify(&[7; 8], &signature, Hash::Sha256).expect("a good signature");
        });
    });
    group.finish();
}

criterion_group!(benches, chip);
criterion_main!(benches);
