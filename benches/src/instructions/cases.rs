//! What is counted.

use std::hint::black_box;

use iso8583::{Dialect, Message, Mti};
use journal::FrameWriter;
use keys::{DataKeys, Key, LinkCodec, LinkMac, MacKey, Received};

use crate::codec_floor::ELEMENTS;
use crate::codec_message::{MTI, VALUES, WIRE_BYTES, unsigned};
use crate::world::{Meter, Unmeasured, World};

const GOOD: &str = "the message is good";

/// Transactions that are under way together.
const TOGETHER: usize = 50;

/// Something with a cost.
#[derive(Debug)]
pub struct Case {
    /// Its name in tables and in the baseline.
    pub name: &'static str,
    /// The difference is taken between so many and twice as many.
    pub repetitions: usize,
    /// Does it so many times.
    pub run: fn(usize),
}

/// All of them, in the order of the table.
pub const CASES: [Case; 13] = [
    Case { name: "codec: parse, 22 elements", repetitions: 1_000, run: parse },
    Case { name: "codec: build from values, 22 elements", repetitions: 1_000, run: build },
    Case { name: "codec: set in a message and encode, 22 elements", repetitions: 1_000, run: set },
    Case { name: "link: receive 429 bytes with MAC", repetitions: 1_000, run: receive },
    Case { name: "link: send 429 bytes with MAC", repetitions: 1_000, run: send },
    Case { name: "processor: echo", repetitions: 1_000, run: echo },
    Case { name: "processor: two-step withdrawal, verified before", repetitions: 500, run: two_step },
    Case { name: "processor: one-step withdrawal", repetitions: 500, run: one_step },
    Case { name: "processor: verification", repetitions: 500, run: verification },
    Case { name: "processor: repeated 0200", repetitions: 500, run: repeated },
    Case { name: "log: frame of an INTENT", repetitions: 500, run: intent },
    Case { name: "log: frame of an OUTCOME", repetitions: 500, run: outcome },
    Case { name: "log: frame of a COMPLETE", repetitions: 500, run: complete },
];

/// Does `work`: callgrind counts between entry and end of this function alone.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    // Behind the work, so that it is no jump out of here.
    black_box(work())
}

struct Counted;

impl Meter for Counted {
    #[inline(always)]
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        counted(work)
    }
}

fn values() -> Vec<(u8, &'static [u8])> {
    ELEMENTS.into_iter().zip(VALUES).collect()
}

fn parse(repetitions: usize) {
    let mut bytes = Vec::new();
    let dialect = Dialect::ascii_1987();
    dialect.build(Mti::new(MTI), &values(), &mut bytes).expect(GOOD);
    counted(|| {
        for _ in 0..repetitions {
            black_box(dialect.parse(black_box(&bytes)).expect(GOOD).offset(128));
        }
    });
}

fn build(repetitions: usize) {
    let (dialect, values) = (Dialect::ascii_1987(), values());
    let mut out = Vec::with_capacity(2 * WIRE_BYTES);
    counted(|| {
        for _ in 0..repetitions {
            out.clear();
            dialect.build(Mti::new(MTI), black_box(&values), &mut out).expect(GOOD);
            black_box(&out);
        }
    });
}

fn set(repetitions: usize) {
    let (dialect, values) = (Dialect::ascii_1987(), values());
    let mut out = Vec::with_capacity(2 * WIRE_BYTES);
    counted(|| {
        for _ in 0..repetitions {
            out.clear();
            let mut message = Message::new(Mti::new(MTI));
            for &(element, value) in black_box(&values) {
                message.set(element, value);
            }
            dialect.encode(&message, &mut out).expect(GOOD);
            black_box(&out);
        }
    });
}

/// The message without its MAC, and the keys of both ends.
fn ends() -> (Message, LinkMac, LinkMac) {
    let [there, back] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
    let near = LinkMac { sign: there.clone(), verify: back.clone() };
    (unsigned(), near, LinkMac { sign: back, verify: there })
}

fn receive(repetitions: usize) {
    let (message, near, far) = ends();
    let codec = LinkCodec::terminal();
    let mut bytes = Vec::new();
    codec.send(&message, Some(&near), &mut bytes).expect(GOOD);
    counted(|| {
        for _ in 0..repetitions {
            let received = codec.receive(black_box(&bytes), |_| Some(&far)).expect(GOOD);
            assert!(matches!(&received, Received::Message { mac: Ok(()), .. }), "its MAC is right");
            black_box(received);
        }
    });
}

fn send(repetitions: usize) {
    let (message, near, _) = ends();
    let codec = LinkCodec::terminal();
    let mut bytes = Vec::with_capacity(2 * WIRE_BYTES);
    counted(|| {
        for _ in 0..repetitions {
            bytes.clear();
            codec.send(black_box(&message), Some(&near), &mut bytes).expect(GOOD);
            black_box(&bytes);
        }
    });
}

/// Pieces of [`TOGETHER`] transactions.
fn pieces(repetitions: usize, mut piece: impl FnMut(&mut World)) {
    assert!(repetitions.is_multiple_of(TOGETHER), "whole pieces alone can be counted");
    let mut world = World::new();
    (0..repetitions / TOGETHER).for_each(|_| piece(&mut world));
}

fn echo(repetitions: usize) {
    pieces(repetitions, |world| world.echoes(TOGETHER, &mut Counted));
}

fn verification(repetitions: usize) {
    pieces(repetitions, |world| drop(world.verifications(TOGETHER, &mut Counted)));
}

fn two_step(repetitions: usize) {
    pieces(repetitions, |world| {
        let references = world.verifications(TOGETHER, &mut Unmeasured);
        world.two_step(&references, &mut Counted);
    });
}

fn one_step(repetitions: usize) {
    pieces(repetitions, |world| world.one_step(TOGETHER, &mut Counted));
}

fn repeated(repetitions: usize) {
    pieces(repetitions, |world| world.repeated(TOGETHER, &mut Counted));
}

fn intent(repetitions: usize) {
    frame(0, repetitions);
}

fn outcome(repetitions: usize) {
    frame(1, repetitions);
}

fn complete(repetitions: usize) {
    frame(2, repetitions);
}

/// One record of a two-step withdrawal: encoded, PAN sealed, chained, with its checksum.
fn frame(record: usize, repetitions: usize) {
    let key = |byte| Key::new([byte; 32]);
    let mut writer = FrameWriter::new(DataKeys::new(&key(1), &key(2), &key(3)));
    let record = World::new().records().swap_remove(record);
    counted(|| {
        for _ in 0..repetitions {
            black_box(writer.write(black_box(&record)).expect("the record fits"));
        }
    });
}
