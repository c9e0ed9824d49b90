//! What is refused: bytes with their element and byte, values with their element, and good messages cut and flipped.

use iso8583::ParseErrorKind::{
    BitmapDigit, Character, LengthDigit, Mti, Pad, SecondaryEmpty, Tertiary, TooLarge, TooLong, Trailing,
    Truncated, Undefined,
};
use iso8583::{
    BuildError, BuildErrorKind, Dialect, FRAME_BYTES_MAX, Kind, Message, ParseError, ParseErrorKind,
};

use crate::golden_files;

const N: Kind = Kind::Numeric;

/// What is wrong, the bytes, and the element, byte and reason that are named.
type Row<'a> = (&'a str, &'a str, Option<u8>, usize, ParseErrorKind);

/// The bytes are the text without `|`.
#[test]
fn ascii() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("nothing", "", Some(0), 0, Truncated { missing: 4 }),
        ("half an MTI", "08", Some(0), 2, Truncated { missing: 2 }),
        ("letter in the MTI", "08O0|0020000000000000|000001", Some(0), 2, Mti),
        ("sign in the MTI", "+800|0020000000000000|000001", Some(0), 0, Mti),
        ("no bitmap", "0800", Some(1), 4, Truncated { missing: 16 }),
        ("half a bitmap", "0800|00200000", Some(1), 12, Truncated { missing: 8 }),
        ("lower case in the bitmap", "0800|002000000000000a|000001", Some(1), 19, BitmapDigit),
        ("no hex digit in the bitmap", "0800|0G20000000000000|000001", Some(1), 5, BitmapDigit),
        ("no secondary bitmap", "0800|8220000000000000", Some(1), 20, Truncated { missing: 16 }),
        ("wrong secondary bitmap", "0800|8220000000000000|040000000000000+", Some(1), 35, BitmapDigit),
        ("bit 1, nothing above 64", "0800|8020000000000000|0000000000000000|000001", Some(1), 4, SecondaryEmpty),
        ("bit 65 alone", "0800|8020000000000000|8000000000000000|000001", Some(65), 20, Tertiary),
        ("bit 65 too", "0800|8020000000000000|8400000000000000|000001|001", Some(65), 20, Tertiary),
        ("elements without a bit", "0800|0000000000000000|000001", None, 20, Trailing { extra: 6 }),
        ("DE11 not there", "0800|8020000000000000|0400000000000000", Some(11), 36, Truncated { missing: 6 }),
        ("DE11 cut", "0800|8020000000000000|0400000000000000|00000", Some(11), 41, Truncated { missing: 1 }),
        ("DE70 cut", "0800|8020000000000000|0400000000000000|000001|30", Some(70), 44, Truncated { missing: 1 }),
        ("a byte behind", "0800|8020000000000000|0400000000000000|000001|301|0", None, 45, Trailing { extra: 1 }),
        ("a newline behind", "0800|0020000000000000|000001\n", None, 26, Trailing { extra: 1 }),
        ("letter in n", "0800|0020000000000000|00000A", Some(11), 25, Character { kind: N }),
        ("sign in n", "0800|0020000000000000|+00001", Some(11), 20, Character { kind: N }),
        ("letter in a PAN", "0200|4000000000000000|19|97049900l2030000017", Some(2), 30, Character { kind: N }),
        ("LL +5", "0200|4000000000000000|+5|97049", Some(2), 20, LengthDigit),
        ("LL 5 and a space", "0200|4000000000000000|5 |97049", Some(2), 21, LengthDigit),
        ("LL -1", "0200|4000000000000000|-1", Some(2), 20, LengthDigit),
        ("LL cut", "0200|4000000000000000|1", Some(2), 21, Truncated { missing: 1 }),
        ("LL above the element's", "0200|4000000000000000|20|97049900120300000170", Some(2), 20, TooLong { length: 20, max: 19 }),
        ("LL above what is there", "0200|4000000000000000|19|970499001203", Some(2), 34, Truncated { missing: 7 }),
        ("LL below what is there", "0200|4000000000000000|03|970499", None, 25, Trailing { extra: 3 }),
        ("LLL +33", "0800|0000000000010000|+33", Some(48), 20, LengthDigit),
        ("LLL with a letter last", "0800|0000000000010000|01O|0123456789", Some(48), 22, LengthDigit),
        ("LLL above the element's", "0200|0000000000000400|121", Some(54), 20, TooLong { length: 121, max: 120 }),
        ("sign in DE39", "0810|0000000002000000|0-", Some(39), 21, Character { kind: Kind::Alphanumeric }),
        ("tab in DE41", "0810|0000000000800000|HN00\t017", Some(41), 24, Character { kind: Kind::Printable }),
        ("DEL in DE41", "0810|0000000000800000|HN00001\x7F", Some(41), 27, Character { kind: Kind::Printable }),
        ("letter in a track", "0200|0000000020000000|07|9704=A0", Some(35), 27, Character { kind: Kind::Track }),
        ("letter in ns", "0200|0000000040000000|05|97/4a", Some(34), 26, Character { kind: Kind::NumericSpecial }),
        ("DE28 without a sign", "0200|0000001000000000|000001100", Some(28), 20, Character { kind: Kind::Signed }),
        ("DE28 with two signs", "0200|0000001000000000|CD0001100", Some(28), 21, Character { kind: Kind::Signed }),
        ("MAC cut", "0200|0000000000000001|1234567", Some(64), 27, Truncated { missing: 1 }),
    ];
    for row in rows {
        check(Dialect::ascii_1987(), row, row.1.replace('|', "").as_bytes());
    }
}

/// The bytes are hex digits.
#[test]
fn binary_bitmap() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("half a bitmap", "30383030 00200000", Some(1), 8, Truncated { missing: 4 }),
        ("half a secondary bitmap", "30383030 8020000000000000 0400", Some(1), 14, Truncated { missing: 6 }),
        ("bit 1, nothing above 64", "30383030 8020000000000000 0000000000000000 303030303031", Some(1), 4, SecondaryEmpty),
        ("bit 65", "30383030 8020000000000000 8000000000000000 303030303031", Some(65), 12, Tertiary),
        ("packed digits", "30383030 0020000000000000 000001", Some(11), 15, Truncated { missing: 3 }),
        ("a byte behind", "30383030 0020000000000000 303030303031 00", None, 18, Trailing { extra: 1 }),
    ];
    check_hex(Dialect::ascii_binary_bitmap_1987(), rows);
}

/// The bytes are hex digits.
#[test]
fn bcd() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("half an MTI", "08", Some(0), 1, Truncated { missing: 1 }),
        ("no digit in the MTI", "080A 0020000000000000 000001", Some(0), 1, Mti),
        ("no bitmap", "0800", Some(1), 2, Truncated { missing: 8 }),
        ("no digit in n, low", "0800 0020000000000000 00000A", Some(11), 12, Character { kind: N }),
        ("no digit in n, high", "0800 0020000000000000 00F001", Some(11), 11, Character { kind: N }),
        ("LL 1F", "0200 4000000000000000 1F 09", Some(2), 10, LengthDigit),
        ("LL above the element's", "0200 4000000000000000 20 97049900120300000170", Some(2), 10, TooLong { length: 20, max: 19 }),
        ("a pad that is a digit", "0200 4000000000000000 03 1970", Some(2), 11, Pad),
        ("a pad that is none", "0200 4000000000000000 03 F970", Some(2), 11, Pad),
        ("a pad behind", "0200 4000000000000000 03 970F", Some(2), 11, Pad),
        ("a pad in n3", "0200 0000040000000000 1051", Some(22), 10, Pad),
        ("LL in bytes", "0200 4000000000000000 10 09704990012030000017", None, 16, Trailing { extra: 5 }),
        ("LLL with four digits", "0800 0000000000010000 1033", Some(48), 10, LengthDigit),
        ("LLL cut", "0800 0000000000010000 00", Some(48), 11, Truncated { missing: 1 }),
        ("pad of an odd track", "0200 0000000020000000 03 D970", Some(35), 11, Pad),
        ("packed sign", "0200 0000001000000000 0C 00001100", Some(28), 10, Character { kind: Kind::Signed }),
        ("no digit behind the sign", "0200 0000001000000000 43 000011A0", Some(28), 14, Character { kind: Kind::Signed }),
        ("a digit behind", "0800 0020000000000000 000001 00", None, 13, Trailing { extra: 1 }),
    ];
    check_hex(Dialect::bcd_1987(), rows);
}

/// The bytes are hex digits.
#[test]
fn ebcdic() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("ASCII MTI", "30383030 0020000000000000 F0F0F0F0F0F1", Some(0), 0, Mti),
        ("ASCII digits in n", "F0F8F0F0 0020000000000000 F0F0F0303031", Some(11), 15, Character { kind: N }),
        ("letter in n", "F0F8F0F0 0020000000000000 F0F0C1F0F0F1", Some(11), 14, Character { kind: N }),
        ("ASCII LL", "F0F2F0F0 4000000000000000 3035 F9F7F0F4F9", Some(2), 12, LengthDigit),
        ("LL +5", "F0F2F0F0 4000000000000000 4EF5 F9F7F0F4F9", Some(2), 12, LengthDigit),
        ("no printing character", "F0F8F1F0 0000000000800000 C8D500F0F0F0F1F7", Some(41), 14, Character { kind: Kind::Printable }),
        ("a cent sign, which ASCII lacks", "F0F8F1F0 0000000000800000 C8D54AF0F0F0F1F7", Some(41), 14, Character { kind: Kind::Printable }),
        ("a space behind", "F0F8F0F0 0020000000000000 F0F0F0F0F0F1 40", None, 18, Trailing { extra: 1 }),
    ];
    check_hex(Dialect::ebcdic_1987(), rows);
}

#[test]
fn what_an_overlay_changed() {
    let text = r#"
        name = "bank"
        base = "ascii-1987"
        element = [
            { number = 52, encoding = "hex" },
            { number = 63, defined = false },
            { number = 100, defined = false },
        ]
    "#;
    let dialect = Dialect::from_toml(text).expect("the text is a dialect");
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("a hex digit of a PIN block", "0200|0000000000001000|0123456789ABCDEf", Some(52), 35, Character { kind: Kind::Binary }),
        ("half a PIN block", "0200|0000000000001000|01234567", Some(52), 28, Truncated { missing: 8 }),
        ("an element taken away", "0200|0020000000000002|000001|001|X", Some(63), 19, Undefined),
        ("one above 64", "0200|8020000000000000|0000000010000000|000001|00", Some(100), 28, Undefined),
    ];
    for row in rows {
        check(&dialect, row, row.1.replace('|', "").as_bytes());
    }
}

#[test]
fn more_than_any_message_has() {
    let mut bytes = b"08000000000000010000999".to_vec();
    bytes.resize(FRAME_BYTES_MAX, b'x');
    let trailing = Trailing { extra: FRAME_BYTES_MAX - 1022 };
    check(Dialect::ascii_1987(), &("a frame full", "", None, 1022, trailing), &bytes);
    bytes.push(b'x');
    let too_large = TooLarge { length: FRAME_BYTES_MAX + 1 };
    check(Dialect::ascii_1987(), &("one more", "", None, FRAME_BYTES_MAX, too_large), &bytes);
}

/// Every message cut at each byte names the element that is cut, and the end of the bytes.
#[test]
fn golden_messages_cut() {
    for dialect in Dialect::all_built_in() {
        for golden in golden_files::goldens(dialect.name()) {
            let view = dialect.parse(&golden.bytes).expect("golden bytes are good");
            for end in 0..golden.bytes.len() {
                let error = dialect.parse(&golden.bytes[..end]).expect_err("a message cut is no message");
                let cut = view.elements().take_while(|&element| view.offset(element) <= Some(end)).last();
                let at_front = end < view.offset(view.elements().next().unwrap_or(2)).unwrap_or(0);
                let named = if at_front { u8::from(end >= mti_bytes(dialect)) } else { cut.unwrap_or(0) };
                assert_eq!(error.element, Some(named), "{} cut at {end}: {error}", golden.name);
                assert_eq!(error.offset, end, "{} cut at {end}: {error}", golden.name);
                assert!(matches!(error.kind, Truncated { missing: 1.. }), "{error}");
            }
        }
    }
}

/// Every byte of every message, with each of its bits flipped: another message, or refused where it or a later byte is.
#[test]
fn golden_messages_flipped() {
    for dialect in Dialect::all_built_in() {
        for golden in golden_files::goldens(dialect.name()) {
            for place in 0..golden.bytes.len() {
                for bit in 0..8 {
                    let mut bytes = golden.bytes.clone();
                    bytes[place] ^= 1 << bit;
                    match dialect.parse(&bytes) {
                        Ok(view) => {
                            let mut again = Vec::new();
                            assert_eq!(dialect.encode(&view.to_message(), &mut again), Ok(()));
                            assert_eq!(again, bytes, "{} flipped at {place}", golden.name);
                        }
                        Err(error) => {
                            let from = length_or_bitmap_front(dialect, &golden.bytes, place);
                            assert!((from..=bytes.len()).contains(&error.offset), "{}: {error}", golden.name);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn values_that_cannot_be_written() {
    use BuildErrorKind::{Character, NotAnElement, TooLong, WrongLength};
    #[rustfmt::skip]
    let rows: &[(&str, u8, &[u8], BuildErrorKind)] = &[
        ("no element", 0, b"1", NotAnElement),
        ("a bitmap", 1, b"1", NotAnElement),
        ("a third bitmap", 65, b"1", NotAnElement),
        ("above 128", 129, b"1", NotAnElement),
        ("far above 128", 255, b"1", NotAnElement),
        ("empty n6", 11, b"", WrongLength { length: 0, expected: 6 }),
        ("short n6", 11, b"12345", WrongLength { length: 5, expected: 6 }),
        ("long n6", 11, b"1234567", WrongLength { length: 7, expected: 6 }),
        ("letter in n6", 11, b"12345x", Character { place: 5, kind: N }),
        ("sign in n..19", 2, b"+5", Character { place: 0, kind: N }),
        ("long n..19", 2, b"97049900120300000170", TooLong { length: 20, max: 19 }),
        ("b7 for b8", 52, &[0; 7], WrongLength { length: 7, expected: 8 }),
        ("x+n without its sign", 28, b"000001100", Character { place: 0, kind: Kind::Signed }),
        ("x+n without a digit", 28, b"C0000110", WrongLength { length: 8, expected: 9 }),
        ("UTF-8", 43, "1 Tràng Tiền, Hà Nội                ".as_bytes(), WrongLength { length: 42, expected: 40 }),
        ("UTF-8 of the right length", 41, "HÀ NỘI".as_bytes(), WrongLength { length: 9, expected: 8 }),
        ("letter outside ASCII", 41, "HÀ NOI7".as_bytes(), Character { place: 1, kind: Kind::Printable }),
        ("1,000 bytes in LLL", 112, &[0; 1000], TooLong { length: 1000, max: 999 }),
    ];
    for dialect in Dialect::all_built_in() {
        for &(what, element, value, kind) in rows {
            let mut message = Message::new(iso8583::Mti::new(200));
            message.set_text(3, "010000").set(element, value);
            let mut out = b"in front".to_vec();
            let result = dialect.encode(&message, &mut out);
            assert_eq!(result, Err(BuildError { element, kind }), "{what} in {}", dialect.name());
            assert_eq!(out, b"in front", "{what} in {}", dialect.name());
            let mut values: Vec<(u8, &[u8])> = vec![(3, b"010000"), (element, value)];
            values.sort();
            let result = dialect.build(iso8583::Mti::new(200), &values, &mut out);
            assert_eq!(result, Err(BuildError { element, kind }), "{what} in {}", dialect.name());
            assert_eq!(out, b"in front", "{what} in {}", dialect.name());
        }
    }
}

#[test]
fn values_out_of_order() {
    let refused = Err(BuildError { element: 4, kind: BuildErrorKind::NotAscending });
    for last in [(4, &b"000000000001"[..]), (4, b"")] {
        let values = [(4, &b"000000000000"[..]), last];
        let mut out = Vec::new();
        assert_eq!(Dialect::bcd_1987().build(iso8583::Mti::new(200), &values, &mut out), refused);
        let values = [(11, &b"000001"[..]), last];
        assert_eq!(Dialect::bcd_1987().build(iso8583::Mti::new(200), &values, &mut out), refused);
        assert!(out.is_empty());
    }
}

/// What is answered with 30 is answered as far as it could be read.
#[test]
fn what_can_be_salvaged() {
    #[rustfmt::skip]
    let rows = [
        ("no MTI", "08O0|0020000000000000|000001", None),
        ("no bitmap", "0800|00200000", Some("0800 { }")),
        ("a third bitmap", "0800|8020000000000000|8400000000000000|000001|001", Some("0800 { }")),
        ("bit 1, nothing above 64", "0800|8020000000000000|0000000000000000|000001", Some("0800 { 11: \"000001\" }")),
        ("letter in DE7", "0800|8220000000000000|0400000000000000|03150215O0|000001|301", Some("0800 { 11: \"000001\", 70: \"301\" }")),
        ("LL +5", "0200|4020000000000000|+5|97049|000001", Some("0200 { }")),
        ("LL in DE32", "0200|0020000100800000|000001|+5|HN000017", Some("0200 { 11: \"000001\" }")),
        ("a byte behind", "0800|0020000000000000|000001|0", Some("0800 { 11: \"000001\" }")),
    ];
    for (what, text, expected) in rows {
        let bytes = text.replace('|', "");
        assert!(Dialect::ascii_1987().parse(bytes.as_bytes()).is_err(), "{what}");
        let salvaged = Dialect::ascii_1987().salvage(bytes.as_bytes());
        assert_eq!(salvaged.map(|message| format!("{message:?}")).as_deref(), expected, "{what}");
    }
}

/// Behind a length that lies the number would stand in DE3, which is open.
#[test]
fn a_description_of_refused_bytes_shows_no_values() {
    let text = "0200|7000000000000000|03|970|499001|203000001700";
    let description = Dialect::ascii_1987().describe(text.replace('|', "").as_bytes());
    assert!(description.contains("  3 n6        processing code                              \"499001\""));
    let description = Dialect::ascii_1987().describe(format!("{}0", text.replace('|', "")).as_bytes());
    assert!(
        description.contains("  3 n6        processing code                              (6 characters)")
    );
    assert!(description.ends_with("refused: end of message, byte 43: 1 bytes behind the last element\n"));
}

fn check(dialect: &Dialect, &(what, _, element, offset, kind): &Row<'_>, bytes: &[u8]) {
    assert_eq!(dialect.parse(bytes).err(), Some(ParseError { element, offset, kind }), "{what}");
}

fn check_hex(dialect: &Dialect, rows: &[Row<'_>]) {
    for row in rows {
        let digits = row.1.replace(' ', "");
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("pairs of hex digits");
        check(dialect, row, &(0..digits.len()).step_by(2).map(byte).collect::<Vec<u8>>());
    }
}

fn mti_bytes(dialect: &Dialect) -> usize {
    if dialect.name() == "bcd-1987" { 2 } else { 4 }
}

/// The first byte that may be named when the byte at `place` is wrong: where its element begins, for a length is told at
/// its first byte, and where the bitmap does, for what two bits say together.
fn length_or_bitmap_front(dialect: &Dialect, bytes: &[u8], place: usize) -> usize {
    let view = dialect.parse(bytes).expect("golden bytes are good");
    let starts = view.elements().filter_map(|element| view.offset(element));
    starts.take_while(|&start| start <= place).last().unwrap_or(place.min(mti_bytes(dialect)))
}
