//! The chip's checks with P-256, as synthetic cards have them: `cargo bench -p benches --bench chip`.

use credential::{Algorithms, ChipKey, Hash, TrustStore, VerifiedSod};
use criterion::{Criterion, criterion_group, criterion_main};
use simulators::citizens::Country;

/// 2026-01-01: within every synthetic certificate.
const NOW_S: i64 = 1_767_225_600;

fn chip(criterion: &mut Criterion) {
    let country = Country::new(1);
    let chip = country.chip(5);
    let trust =
        TrustStore::new([country.csca_der()], Algorithms::all()).expect("the country's own certificate");
    let mut group = criterion.benchmark_group("chip, P-256");
    group.bench_function("passive authentication, whole", |bencher| {
        bencher.iter(|| VerifiedSod::verify(chip.sod(), &trust, NOW_S).expect("a good SOD").sod_sha256);
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
