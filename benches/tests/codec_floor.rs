//! The floors are worth a comparison: they take and refuse what the codec does, and write the same bytes.

use benches::codec_floor::{ELEMENTS, build_narrow, build_wide, parse_narrow, parse_wide};
use benches::codec_message::{MTI, VALUES, WIRE_BYTES};
use iso8583::{Dialect, Mti, ParseErrorKind};

fn message() -> Vec<u8> {
    let values: Vec<(u8, &[u8])> = ELEMENTS.into_iter().zip(VALUES).collect();
    let mut bytes = Vec::new();
    assert_eq!(Dialect::ascii_1987().build(Mti::new(MTI), &values, &mut bytes), Ok(()));
    bytes
}

#[test]
fn the_floors_write_the_same() {
    let bytes = message();
    assert_eq!(bytes.len(), WIRE_BYTES);
    let values: Vec<(u8, &[u8])> = ELEMENTS.into_iter().zip(VALUES).collect();
    let (mut wide, mut narrow) = (Vec::new(), Vec::new());
    assert_eq!(build_wide(Mti::new(MTI).digits(), &values, &mut wide), Some(()));
    assert_eq!(build_narrow(Mti::new(MTI).digits(), &VALUES.map(Some), &mut narrow), Some(()));
    assert!(wide == bytes && narrow == bytes);
}

/// Each byte changed to each other, and the message cut at each.
#[test]
fn the_floors_take_and_refuse_the_same() {
    let whole = message();
    let (mut taken, mut refused) = (0, 0);
    let mut compare = |bytes: &[u8]| {
        let codec = Dialect::ascii_1987().parse(bytes);
        assert_eq!(parse_wide(bytes).is_some(), codec.is_ok(), "{codec:?}");
        let other_elements = match &codec {
            Ok(view) => view.elements().any(|element| !ELEMENTS.contains(&element)),
            Err(error) => error.kind == ParseErrorKind::Undefined,
        };
        assert_eq!(parse_narrow(bytes).is_some(), codec.is_ok() && !other_elements, "{codec:?}");
        *if codec.is_ok() { &mut taken } else { &mut refused } += 1;
    };
    for place in 0..whole.len() {
        compare(&whole[..place]);
        let mut bytes = whole.clone();
        for byte in 0..=255 {
            bytes[place] = byte;
            compare(&bytes);
        }
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} {refused}");
}
