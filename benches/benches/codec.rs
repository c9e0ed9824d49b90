//! The codec beside its hand-written floors, in one run: `cargo bench -p benches --bench codec`.

use std::hint::black_box;

use benches::codec_floor::{self, ELEMENTS};
use benches::codec_message::{MTI, VALUES, WIRE_BYTES};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iso8583::{Dialect, Message, Mti};

const GOOD: &str = "the message is good";

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Bytes(WIRE_BYTES as u64));
    let bytes = written(Dialect::ascii_1987());
    group.bench_function("floor, wide", |bencher| {
        bencher.iter(|| codec_floor::parse_wide(black_box(&bytes)).expect(GOOD).2[128]);
    });
    group.bench_function("floor, narrow", |bencher| {
        bencher.iter(|| codec_floor::parse_narrow(black_box(&bytes)).expect(GOOD).1[0].map(<[u8]>::len));
    });
    for dialect in Dialect::all_built_in() {
        let bytes = written(dialect);
        group.bench_function(format!("codec, {}", dialect.name()), |bencher| {
            bencher.iter(|| dialect.parse(black_box(&bytes)).expect(GOOD).offset(128));
        });
    }
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.throughput(Throughput::Bytes(WIRE_BYTES as u64));
    let (mti, values) = (Mti::new(MTI), values());
    let mut out = Vec::with_capacity(2 * WIRE_BYTES);
    group.bench_function("floor, wide", |bencher| {
        bencher.iter(|| {
            out.clear();
            codec_floor::build_wide(mti.digits(), black_box(&values), &mut out).expect(GOOD);
            out.len()
        });
    });
    let known = VALUES.map(Some);
    group.bench_function("floor, narrow", |bencher| {
        bencher.iter(|| {
            out.clear();
            codec_floor::build_narrow(mti.digits(), black_box(&known), &mut out).expect(GOOD);
            out.len()
        });
    });
    let mut message = Message::new(mti);
    group.bench_function("codec, message set and written in ascii-1987", |bencher| {
        bencher.iter(|| {
            out.clear();
            message.clear(mti);
            for &(element, value) in black_box(&values) {
                message.set(element, value);
            }
            Dialect::ascii_1987().encode(&message, &mut out).expect(GOOD);
            out.len()
        });
    });
    for dialect in Dialect::all_built_in() {
        group.bench_function(format!("codec, {}", dialect.name()), |bencher| {
            bencher.iter(|| {
                out.clear();
                dialect.build(mti, black_box(&values), &mut out).expect(GOOD);
                out.len()
            });
        });
    }
}

fn values() -> Vec<(u8, &'static [u8])> {
    ELEMENTS.into_iter().zip(VALUES).collect()
}

fn written(dialect: &Dialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    dialect.build(Mti::new(MTI), &values(), &mut bytes).expect(GOOD);
    bytes
}

criterion_group!(benches, parse, build);
criterion_main!(benches);
