//! What holds for every message and for any bytes, in all dialects.

use iso8583::{Dialect, Element, Kind, Length, Message, Mti};
use proptest::prelude::*;
use proptest::sample;

use crate::{fuzz, golden_files};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_encodes_parses_back_equal((dialect, message) in dialect_and_message()) {
        let mut bytes = b"in front".to_vec();
        dialect.encode(&message, &mut bytes)?;
        let mut built = b"in front".to_vec();
        dialect.build(message.mti(), &message.elements().collect::<Vec<_>>(), &mut built)?;
        prop_assert_eq!(&built, &bytes);
        let bytes = &bytes[b"in front".len()..];
        prop_assert!(bytes.len() <= dialect.message_bytes_max());
        prop_assert_eq!(dialect.parse(bytes)?.to_message(), message);
        fuzz::in_dialect(dialect, bytes);
    }

    /// Values of any bytes, longer and shorter than allowed: written whole or not at all.
    #[test]
    fn what_does_not_encode_leaves_nothing(
        dialect in a_dialect(),
        values in prop::collection::vec((any::<u8>(), prop::collection::vec(0x20u8..0x7F, 0..20)), 0..6),
    ) {
        let mut message = Message::new(Mti::new(200));
        for (element, value) in &values {
            message.set(*element, value);
        }
        let mut out = b"in front".to_vec();
        match dialect.encode(&message, &mut out) {
            Ok(()) => prop_assert_eq!(dialect.parse(&out[8..])?.to_message(), message),
            Err(error) => {
                prop_assert_eq!(&out, b"in front");
                prop_assert!(values.iter().any(|(element, _)| *element == error.element));
            }
        }
    }

    #[test]
    fn any_bytes_are_accepted_and_written_the_same_or_refused(
        dialect in a_dialect(),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        fuzz::in_dialect(dialect, &bytes);
    }

    /// Good messages with a few bytes of them changed, taken out or put in.
    #[test]
    fn golden_bytes_mangled_are_accepted_and_written_the_same_or_refused(
        dialect in a_dialect(),
        pick in any::<sample::Index>(),
        changes in prop::collection::vec((any::<sample::Index>(), any::<u8>(), 0..3), 1..5),
    ) {
        let goldens = golden_files::goldens(dialect.name());
        let mut bytes = pick.get(&goldens).bytes.clone();
        for (place, byte, change) in changes {
            let place = place.index(bytes.len());
            match change {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.drain(place..)),
            }
            bytes.push(byte);
        }
        fuzz::in_dialect(dialect, &bytes);
    }

    #[test]
    fn any_stream_gives_frames_or_is_refused(stream in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz::frame(&stream);
    }

    /// A message built in any order, with values replaced and taken out, is the one built straight.
    #[test]
    fn the_order_of_setting_does_not_matter(
        steps in prop::collection::vec((2u8..=12, prop::option::of("[0-9]{0,9}")), 0..40),
    ) {
        let mut message = Message::new(Mti::new(800));
        let mut last = std::collections::BTreeMap::new();
        for (element, value) in &steps {
            if let Some(value) = value {
                message.set_text(*element, value);
                last.insert(*element, value);
            } else {
                message.remove(*element);
                last.remove(element);
            }
        }
        let mut straight = Message::new(Mti::new(800));
        for (element, value) in &last {
            straight.set_text(*element, value);
        }
        prop_assert_eq!(&message, &straight);
        for element in 0..=255 {
            prop_assert_eq!(message.text(element), last.get(&element).map(|value| value.as_str()));
        }
    }
}

fn a_dialect() -> impl Strategy<Value = &'static Dialect> {
    sample::select(Dialect::all_built_in().to_vec())
}

fn dialect_and_message() -> impl Strategy<Value = (&'static Dialect, Message)> {
    a_dialect().prop_flat_map(|dialect| {
        let elements = sample::subsequence(dialect.elements(), 0..=30);
        let message =
            (0u16..=9999, elements.prop_flat_map(|rows| rows.iter().map(value).collect::<Vec<_>>()))
                .prop_map(|(mti, values)| {
                    let mut message = Message::new(Mti::new(mti));
                    for (element, value) in values {
                        message.set(element, &value);
                    }
                    message
                });
        (Just(dialect), message)
    })
}

/// A value that the element's row allows. Lengths near both ends are as likely as the many between.
fn value(row: &Element) -> impl Strategy<Value = (u8, Vec<u8>)> + use<> {
    let max = usize::from(row.form.length.max());
    let lengths = match row.form.length {
        Length::Fixed(_) => (max..=max).boxed(),
        Length::Ll(_) | Length::Lll(_) => prop_oneof![0..=max.min(9), 0..=max, max - 1..=max].boxed(),
    };
    let (number, kind) = (row.number, row.form.kind);
    let character = match kind {
        Kind::Numeric | Kind::Signed => (b'0'..=b'9').boxed(),
        Kind::Alphabetic => sample::select(b"AMZamz ".to_vec()).boxed(),
        Kind::Alphanumeric => sample::select(b"AMZamz 059".to_vec()).boxed(),
        Kind::NumericSpecial => sample::select(b"059 !/:@[`{~".to_vec()).boxed(),
        Kind::Printable => (0x20u8..=0x7E).boxed(),
        Kind::Track => (b'0'..=b'?').boxed(),
        Kind::Binary => any::<u8>().boxed(),
    };
    (lengths.prop_flat_map(move |length| prop::collection::vec(character.clone(), length)), any::<bool>())
        .prop_map(move |(mut value, credit)| {
            if kind == Kind::Signed {
                value.insert(0, if credit { b'C' } else { b'D' });
            }
            (number, value)
        })
}
