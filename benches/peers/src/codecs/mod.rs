//! Codecs: each is held against ours on the message that is measured, and those that agree are timed in turn.

mod codec_rs;
mod core;
mod i8583;
mod iso8583_rs;
mod iso_8583_rs;
mod ours;

use std::fmt::Write as _;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use ::iso8583::{Dialect, Mti};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::codec_floor::ELEMENTS;
use crate::codec_message::{MTI, VALUES};
use crate::rounds::{Median, median};

/// Parse and build of one codec in one round: so many batches of so many microseconds each; the batch in the middle counts. They
/// are shorter than a turn on a core, so that most of them are whole where the machine has other things to do.
const BATCHES: usize = 250;
const BATCH_US: u64 = 200;

/// How often a number of repetitions is tried, of which the fastest tells whether it fills a batch.
const TRIES: usize = 3;

/// How many differences a verdict names.
const DIFFERENCES_MAX: usize = 3;

/// A codec on the message of [`codec_message`](crate::codec_message).
pub trait Codec {
    /// Crate, version, and whose table of elements it works on.
    fn name(&self) -> &'static str;

    /// The dialect of ours that its bytes are in.
    fn dialect(&self) -> &'static Dialect;

    /// The bytes that it parses: the message of [`codec_message`](crate::codec_message) at first.
    fn wire(&mut self) -> &mut Vec<u8>;

    /// Parses the message so that all of its values can be asked for; that it can be, is all that is given back.
    fn parse(&mut self) -> bool;

    /// Parses the message and asks for every value: canonical bytes, in ascending order.
    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String>;

    /// Writes the message from its values: appends to `out`, which is empty.
    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String>;

    /// Parses so many times.
    fn parse_many(&mut self, times: u64) {
        for _ in 0..times {
            black_box(self.parse());
        }
    }

    /// Builds so many times.
    fn build_many(&mut self, times: u64, out: &mut Vec<u8>) {
        for _ in 0..times {
            out.clear();
            // Whether it works at all was judged before.
            let _ = black_box(self.build(out));
            black_box(&*out);
        }
    }
}

/// What came out for one codec.
#[derive(Clone, Serialize, Debug)]
pub struct Row {
    /// [`Codec::name`].
    pub name: String,
    /// The dialect that it spoke.
    pub dialect: String,
    /// What it reads otherwise than ours; `None` where all values are the same.
    pub parse_wrong: Option<String>,
    /// What it writes otherwise than ours; `None` where all bytes are the same.
    pub build_wrong: Option<String>,
    /// What it does with the message cut short, at each length: refusing it is right.
    pub cut_short: CutShort,
    /// Nanoseconds for a message; none where it is wrong.
    pub parse_ns: Option<Median>,
    /// Nanoseconds for a message; none where it is wrong.
    pub build_ns: Option<Median>,
}

/// How many lengths of a message that is cut short end how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Debug)]
pub struct CutShort {
    /// An error.
    pub refused: usize,
    /// Values, as if it were whole.
    pub taken: usize,
    /// A panic.
    pub panics: usize,
}

/// What was found out about a codec before it is timed.
struct Verdict {
    parse_wrong: Option<String>,
    build_wrong: Option<String>,
    cut_short: CutShort,
}

/// All of them, ours before others of the same dialect.
pub fn all() -> Vec<Box<dyn Codec>> {
    vec![
        Box::new(ours::Ours::new(Dialect::ascii_1987(), "ours, ascii-1987")),
        Box::new(ours::Ours::new(Dialect::ascii_binary_bitmap_1987(), "ours, binary bitmap")),
        Box::new(ours::Owned::new()),
        Box::new(ours::Floor::new()),
        Box::new(iso_8583_rs::Peer::new()),
        Box::new(iso8583_rs::Peer::new()),
        Box::new(i8583::Peer::with_our_table()),
        Box::new(i8583::Peer::with_its_table()),
        Box::new(codec_rs::Peer::new()),
        Box::new(core::Peer::new()),
    ]
}

/// Judges all, and times those that are right.
pub fn measure(codecs: &mut [Box<dyn Codec>], rounds: u32, bar: &ProgressBar) -> Vec<Row> {
    let verdicts: Vec<_> = codecs.iter_mut().map(|codec| judge(codec.as_mut())).collect();
    let mut figures = vec![(Vec::new(), Vec::new()); codecs.len()];
    for _ in 0..rounds {
        for ((codec, verdict), figures) in codecs.iter_mut().zip(&verdicts).zip(&mut figures) {
            bar.set_message(codec.name());
            if verdict.parse_wrong.is_none() {
                figures.0.push(batch_ns(|times| codec.parse_many(times)));
            }
            if verdict.build_wrong.is_none() {
                let mut out = Vec::with_capacity(1_024);
                figures.1.push(batch_ns(|times| codec.build_many(times, &mut out)));
            }
            bar.inc(1);
        }
    }
    let ours = |dialect: &Dialect| {
        codecs.iter().position(|codec| codec.dialect().name() == dialect.name()).map(|at| &figures[at])
    };
    let rows = codecs.iter().zip(verdicts).zip(&figures);
    rows.map(|((codec, verdict), (parse, build))| {
        let (our_parse, our_build) = ours(codec.dialect()).expect("each dialect begins with ours");
        Row {
            name: codec.name().to_owned(),
            dialect: codec.dialect().name().to_owned(),
            cut_short: verdict.cut_short,
            parse_ns: verdict.parse_wrong.is_none().then(|| Median::of(parse, our_parse)),
            build_ns: verdict.build_wrong.is_none().then(|| Median::of(build, our_build)),
            parse_wrong: verdict.parse_wrong,
            build_wrong: verdict.build_wrong,
        }
    })
    .collect()
}

/// Nanoseconds of one repetition, in the batch in the middle.
fn batch_ns(mut run: impl FnMut(u64)) -> f64 {
    let mut times = 16;
    // Doubles at most to 2^40, which no message is fast enough for.
    while fastest(&mut run, times) < Duration::from_micros(BATCH_US) && times < 1 << 40 {
        times *= 2;
    }
    let batches: Vec<f64> =
        (0..BATCHES).map(|_| timed(&mut run, times).as_nanos() as f64 / times as f64).collect();
    median(&batches)
}

fn fastest(run: &mut impl FnMut(u64), times: u64) -> Duration {
    (0..TRIES).map(|_| timed(run, times)).min().unwrap_or_default()
}

fn timed(run: &mut impl FnMut(u64), times: u64) -> Duration {
    let began = Instant::now();
    run(times);
    began.elapsed()
}

fn judge(codec: &mut dyn Codec) -> Verdict {
    // A peer's panic is a verdict, and not to be printed in the middle of the table.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let read = caught(|| codec.read());
    let written = caught(|| {
        let mut out = Vec::new();
        codec.build(&mut out).map(|()| out)
    });
    let cut_short = cut_short(codec);
    panic::set_hook(hook);
    let parse_wrong = read.map_or_else(Some, |values| different_values(&values));
    let build_wrong = written.map_or_else(Some, |bytes| different_bytes(&bytes, &wire(codec.dialect())));
    Verdict { parse_wrong, build_wrong, cut_short }
}

fn cut_short(codec: &mut dyn Codec) -> CutShort {
    let whole = codec.wire().clone();
    let mut seen = CutShort::default();
    for length in 0..whole.len() {
        *codec.wire() = whole[..length].to_vec();
        match caught(|| codec.read()) {
            Ok(_) => seen.taken += 1,
            Err(error) if error.starts_with(PANICS) => seen.panics += 1,
            Err(_) => seen.refused += 1,
        }
    }
    *codec.wire() = whole;
    seen
}

/// What a verdict that is a panic begins with.
const PANICS: &str = "panics: ";

fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text");
        Err(format!("{PANICS}{text}"))
    })
}

fn different_values(values: &[(u8, Vec<u8>)]) -> Option<String> {
    let seen = |element| values.iter().find(|value| value.0 == element).map(|value| value.1.as_slice());
    let mut differences: Vec<String> = message()
        .filter_map(|(element, right)| match seen(element) {
            Some(value) if value == right => None,
            Some(value) => Some(format!("DE{element} is read as {}, not {}", shown(value), shown(right))),
            None => Some(format!("DE{element} is not read")),
        })
        .collect();
    let more = values.iter().filter(|value| !ELEMENTS.contains(&value.0));
    differences.extend(more.map(|value| format!("DE{} is read, which is not there", value.0)));
    let left_out = differences.len().saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    let mut text = differences.join("; ");
    if left_out > 0 {
        let _ = write!(text, "; {left_out} more");
    }
    (!text.is_empty()).then_some(text)
}

fn different_bytes(bytes: &[u8], right: &[u8]) -> Option<String> {
    let at = bytes.iter().zip(right).position(|(byte, right)| byte != right);
    match at {
        None if bytes.len() == right.len() => None,
        None => Some(format!("writes {} bytes, not {}", bytes.len(), right.len())),
        Some(at) => Some(format!(
            "byte {at} is {:02X}, not {:02X}; {} bytes in all, not {}",
            bytes[at],
            right[at],
            bytes.len(),
            right.len()
        )),
    }
}

/// A value of the message, which is nobody's.
fn shown(value: &[u8]) -> String {
    let front = &value[..value.len().min(20)];
    let dots = if front.len() < value.len() { "…" } else { "" };
    if front.iter().all(|byte| matches!(byte, 0x20..=0x7E)) {
        format!("\"{}{dots}\"", String::from_utf8_lossy(front))
    } else {
        format!("X'{}{dots}'", hex(front))
    }
}

/// The elements and values of the message.
fn message() -> impl Iterator<Item = (u8, &'static [u8])> {
    ELEMENTS.into_iter().zip(VALUES)
}

/// The message as ours writes it.
fn wire(dialect: &Dialect) -> Vec<u8> {
    let mut bytes = Vec::new();
    let values: Vec<_> = message().collect();
    dialect.build(Mti::new(MTI), &values, &mut bytes).expect("the message can be written");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or(""));
    digits.map(|pair| u8::from_str_radix(pair, 16).map_err(|error| format!("{pair}: {error}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_and_a_wrong_byte_are_named() {
        let mut values: Vec<_> = message().map(|(element, value)| (element, value.to_vec())).collect();
        assert_eq!(different_values(&values), None);
        values[1].1 = b"010001".to_vec();
        values.remove(21);
        values.push((127, Vec::new()));
        assert_eq!(
            different_values(&values).as_deref(),
            Some(
                "DE3 is read as \"010001\", not \"010000\"; DE128 is not read; DE127 is read, which is not there"
            )
        );
        assert_eq!(different_bytes(b"0200", b"0200"), None);
        assert_eq!(different_bytes(b"020", b"0200").as_deref(), Some("writes 3 bytes, not 4"));
        assert_eq!(
            different_bytes(b"0210", b"0200").as_deref(),
            Some("byte 2 is 31, not 30; 4 bytes in all, not 4")
        );
    }

    #[test]
    fn ours_and_the_floor_are_right_and_refuse_what_is_cut_short() {
        let ours: [Box<dyn Codec>; 4] = [
            Box::new(ours::Ours::new(Dialect::ascii_1987(), "ours")),
            Box::new(ours::Ours::new(Dialect::ascii_binary_bitmap_1987(), "ours")),
            Box::new(ours::Owned::new()),
            Box::new(ours::Floor::new()),
        ];
        for mut codec in ours {
            let lengths = codec.wire().len();
            let verdict = judge(codec.as_mut());
            assert_eq!((verdict.parse_wrong, verdict.build_wrong), (None, None), "{}", codec.name());
            assert_eq!(verdict.cut_short, CutShort { refused: lengths, ..CutShort::default() });
        }
    }

    /// What docs/performance.md says of it.
    #[test]
    fn iso8583_core_loses_the_second_bitmap() {
        let verdict = judge(&mut core::Peer::new());
        let wrong = verdict.parse_wrong.unwrap_or_default();
        assert!(wrong.starts_with("DE100 is not read; DE102 is not read; DE112 is not read"), "{wrong}");
        assert!(verdict.build_wrong.is_some());
    }

    /// What docs/performance.md says of it.
    #[test]
    fn i8583_panics_on_what_is_cut_short() {
        let verdict = judge(&mut i8583::Peer::with_our_table());
        assert_eq!((verdict.parse_wrong, verdict.build_wrong), (None, None));
        assert!(verdict.cut_short.panics > 0, "{:?}", verdict.cut_short);
    }

    #[test]
    fn a_panic_is_told() {
        assert_eq!(caught::<()>(|| panic!("{} of {}", 3, 4)), Err("panics: 3 of 4".to_owned()));
    }
}
