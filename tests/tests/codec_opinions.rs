//! The codec against codecs that others wrote: the same values, the same bytes, and where they differ in what they refuse.

#[path = "../../switch/iso8583/tests/codec/golden_files.rs"]
mod golden_files;

use std::collections::BTreeMap;
use std::env;
use std::process::Command;

use iso_8583_rs::{Builder, CompiledSpec, ContentType, FieldDef, LenType, Message as TheirMessage};
use iso8583::{Dialect, Kind, Length, Message};
use tests::foreign_spec;

/// Golden messages, and the same with another value in each element: the shortest and the longest that it may have.
fn messages() -> Vec<(String, Message)> {
    let mut messages = Vec::new();
    for source in golden_files::sources() {
        for row in Dialect::ascii_1987().elements() {
            let lengths = match row.form.length {
                Length::Fixed(length) => vec![length],
                Length::Ll(max) | Length::Lll(max) => vec![0, max],
            };
            for length in lengths {
                let mut message = source.message.clone();
                let filler = match row.form.kind {
                    Kind::Numeric | Kind::NumericSpecial | Kind::Track | Kind::Signed => b'7',
                    Kind::Alphabetic | Kind::Alphanumeric | Kind::Printable => b'k',
                    Kind::Binary => 0xFE,
                };
                let mut value = vec![filler; usize::from(length)];
                if row.form.kind == Kind::Signed {
                    value.insert(0, b'D');
                }
                message.set(row.number, &value);
                messages.push((format!("{} with DE{} of {length}", source.name, row.number), message));
            }
        }
        messages.push((source.name, source.message));
    }
    messages
}

fn written(dialect: &Dialect, message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    dialect.encode(message, &mut bytes).expect("the message can be written");
    bytes
}

/// Binary bitmaps. The crate takes its specification from the environment once, so the test runs itself again with it.
#[test]
fn iso8583_rs_reads_and_writes_the_same() {
    let dialect = Dialect::ascii_binary_bitmap_1987();
    if env::var_os(foreign_spec::SPEC_FILE).is_none() {
        let spec = foreign_spec::write(dialect).expect("the specification can be written");
        let program = env::current_exe().expect("a test knows its program");
        let status = Command::new(program)
            .args(["--exact", "iso8583_rs_reads_and_writes_the_same"])
            .env(foreign_spec::SPEC_FILE, spec.path())
            .status();
        assert!(status.expect("a test can run itself").success());
        return;
    }
    let (spec, _) = foreign_spec::layout();
    for (name, message) in messages() {
        let mut bytes = written(dialect, &message);
        let theirs = spec.parse(&mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut again = foreign_spec::message(&message.mti().to_string());
        for (element, value) in message.elements() {
            let value = foreign_spec::value(dialect, element, value);
            assert_eq!(theirs.bmp_child_value(u32::from(element)).ok(), Some(value.clone()), "{name}");
            again.set_on(u32::from(element), &value).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        let there = (2..=128).filter(|&element| element != 65 && theirs.bmp.is_on(element)).count();
        assert_eq!(there, message.elements().count(), "{name}");
        assert_eq!(again.assemble().ok(), Some(bytes), "{name}");
    }
}

/// Hex bitmaps.
#[test]
fn iso_8583_rs_reads_and_writes_the_same() {
    let dialect = Dialect::ascii_1987();
    let spec = compiled(dialect);
    for (name, message) in messages() {
        let bytes = written(dialect, &message);
        let theirs = TheirMessage::parse(&spec, &bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(theirs.mti, message.mti().digits());
        let elements = theirs.fields().map(|(element, value)| (element as u8, value));
        assert!(elements.eq(message.elements()), "{name}");
        let mti = message.mti().digits();
        let mut builder = Builder::new(&spec, &mti).expect("four digits are an MTI");
        for (element, value) in message.elements() {
            builder.set(usize::from(element), value).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        let mut again = Vec::new();
        builder.pack_into(&mut again);
        assert_eq!(again, bytes, "{name}");
    }
}

/// Golden messages with each byte changed to bytes of all sorts: both take it or both refuse it, but for the reasons
/// listed, where the other crate says in its documentation that it does not look.
#[test]
fn iso_8583_rs_refuses_the_same() {
    let dialect = Dialect::ascii_1987();
    let spec = compiled(dialect);
    let mut differences: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut both_take, mut both_refuse) = (0, 0);
    for golden in golden_files::goldens(dialect.name()) {
        for place in 0..golden.bytes.len() {
            for byte in *b"+-059ABCDEFafz =\x00\x7F\x80\xFF" {
                let mut bytes = golden.bytes.clone();
                bytes[place] = byte;
                match (dialect.parse(&bytes), TheirMessage::parse(&spec, &bytes)) {
                    (Ok(_), Ok(_)) => both_take += 1,
                    (Err(_), Err(_)) => both_refuse += 1,
                    (Ok(_), Err(error)) => panic!("{} at {place}: only they refuse: {error:?}", golden.name),
                    (Err(error), Ok(_)) => {
                        let reason = match error.kind {
                            iso8583::ParseErrorKind::BitmapDigit => "lower-case hex digits",
                            iso8583::ParseErrorKind::Character {
                                kind: Kind::Track | Kind::NumericSpecial | Kind::Signed,
                            } => "z, ns and x+n",
                            _ => panic!("{} at {place}: only we refuse: {error}", golden.name),
                        };
                        *differences.entry(reason).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(both_take > 10_000 && both_refuse > 10_000, "{both_take} {both_refuse}");
    assert!(differences.keys().eq(&["lower-case hex digits", "z, ns and x+n"]), "{differences:?}");
}

fn compiled(dialect: &Dialect) -> CompiledSpec {
    let absent = FieldDef {
        max_len: 0,
        min_len: 0,
        len_type: LenType::Fixed,
        content: ContentType::Any,
        present: false,
    };
    let mut fields = [absent; 129];
    for row in dialect.elements() {
        let (len_type, max_len) = match row.form.length {
            Length::Fixed(length) => (LenType::Fixed, length),
            Length::Ll(max) => (LenType::Llvar, max),
            Length::Lll(max) => (LenType::Lllvar, max),
        };
        let content = match row.form.kind {
            Kind::Numeric => ContentType::Numeric,
            Kind::Alphabetic => ContentType::Alpha,
            Kind::Alphanumeric => ContentType::AlphaNumeric,
            Kind::Printable => ContentType::Printable,
            Kind::NumericSpecial | Kind::Track | Kind::Binary | Kind::Signed => ContentType::Any,
        };
        let max_len = max_len + u16::from(row.form.kind == Kind::Signed);
        fields[usize::from(row.number)] = FieldDef { max_len, min_len: 0, len_type, content, present: true };
    }
    CompiledSpec { fields }
}
