//! Receiving and sending with MAC, beside the MAC alone: `cargo bench -p benches --bench link`.

use std::hint::black_box;

use benches::codec_message::{WIRE_BYTES, unsigned};
use criterion::{Criterion, criterion_group, criterion_main};
use keys::{Key, LinkCodec, LinkMac, MAC_BYTES, MacKey};

const GOOD: &str = "the message is good";

fn link(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("link");
    let [there, back] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
    let near = LinkMac { sign: there.clone(), verify: back.clone() };
    let far = LinkMac { sign: back, verify: there };
    let codec = LinkCodec::terminal();
    let message = unsigned();
    let mut bytes = Vec::with_capacity(2 * WIRE_BYTES);
    codec.send(&message, Some(&near), &mut bytes).expect(GOOD);
    let signed = bytes.clone();
    group.bench_function("MAC alone", |bencher| {
        bencher.iter(|| near.sign.sign(black_box(&signed[2..signed.len() - MAC_BYTES])));
    });
    group.bench_function("receive", |bencher| {
        bencher.iter(|| codec.receive(black_box(&signed), |_| Some(&far)).expect(GOOD));
    });
    group.bench_function("send", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            codec.send(black_box(&message), Some(&near), &mut bytes).expect(GOOD);
            bytes.len()
        });
    });
    group.finish();
}

criterion_group!(benches, link);
criterion_main!(benches);
