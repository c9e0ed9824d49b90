//! Dialects out of TOML: what they change, and what is refused with which line and element.

use std::fs;
use std::path::PathBuf;

use iso8583::{Dialect, DialectError, Encoding, Message, Mti, Sensitivity};

/// The example of docs/interface.md#dialects, as it stands there.
#[test]
fn the_example_of_the_interface_loads() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/interface.md");
    let docs = fs::read_to_string(docs).expect("docs/interface.md can be read");
    let (_, section) = docs.split_once("## Dialects").expect("the interface has the section");
    let (_, rest) = section.split_once("```toml\n").expect("the section has an example");
    let (example, _) = rest.split_once("```").expect("the example ends");
    let dialect = Dialect::from_toml(example).expect("the example is a dialect");
    assert_eq!(dialect.name(), "bank-of-examples");
    let shown = |number| {
        let row = dialect.element(number)?;
        Some((row.name.as_ref(), row.form.to_string(), row.encoding, row.sensitivity))
    };
    assert_eq!(shown(48), Some(("host data", "b...999".to_owned(), Encoding::Binary, Sensitivity::Personal)));
    assert_eq!(shown(52), Some(("PIN block", "b8".to_owned(), Encoding::Hex, Sensitivity::Secret)));
    assert_eq!(shown(60), Some(("branch", "an..6".to_owned(), Encoding::Ascii, Sensitivity::Open)));
    assert_eq!(shown(124), None);
    let mut message = Message::new(Mti::new(200));
    message.set(52, &[0x8F, 0x1E, 0x2D, 0x3C, 0x4B, 0x5A, 0x69, 0x78]).set_text(60, "HN0001");
    let mut bytes = Vec::new();
    assert_eq!(dialect.encode(&message, &mut bytes), Ok(()));
    assert_eq!(bytes, b"\x02\x00\0\0\0\0\0\0\x10\x108F1E2D3C4B5A6978\x06HN0001");
    assert_eq!(dialect.parse(&bytes).map(|view| view.to_message()), Ok(message));
}

#[test]
fn what_cannot_be_is_refused_at_its_line() {
    let front = "name = \"bank\"\nbase = \"bcd-1987\"\n";
    let long = "x".repeat(65);
    let long = format!("name = \"{long}\"");
    let too_much = format!("an element too much for a frame\n{}", {
        let rows = (105..=111).map(|n| {
            format!("{{ number = {n}, form = \"b999\", encoding = \"hex\", sensitivity = \"personal\" }},\n")
        });
        format!("element = [\n{}]", rows.collect::<String>())
    });
    // What is wrong and the text behind `front`'s two lines; then line, element and the reason.
    #[rustfmt::skip]
    let rows: &[(&str, usize, Option<u8>, &str)] = &[
        ("a key that is none\nmty = \"bcd\"", 3, None, "unknown field `mty`, expected"),
        ("a key that is none\n[[element]]\nnumber = 3\nlength = 6", 5, None, "unknown field `length`, expected"),
        ("no TOML\n[[element]", 3, None, ""),
        ("an encoding that is none\nmti = \"utf-8\"", 3, None, "unknown variant `utf-8`, expected"),
        ("packed bits\nbitmap = \"bcd\"", 3, None, "bitmap cannot be bcd"),
        ("lengths in bytes\nlengths = \"binary\"", 3, None, "lengths cannot be binary"),
        ("MTI in hex\nmti = \"hex\"", 3, None, "mti cannot be hex"),
        ("no number\n[[element]]\nname = \"x\"", 3, None, "missing field `number`"),
        ("a number that is text\n[[element]]\nnumber = \"3\"", 4, None, "invalid type: string \"3\", expected u8"),
        ("element 300\n[[element]]\nnumber = 300", 4, None, "invalid value: integer `300`, expected u8"),
        ("element 0\n[[element]]\nnumber = 0\nform = \"n6\"", 3, Some(0), "elements are 2 to 128"),
        ("element 129\n[[element]]\nnumber = 129\nform = \"n6\"", 3, Some(129), "elements are 2 to 128"),
        ("a bitmap\n[[element]]\nnumber = 1\nform = \"b8\"", 3, Some(1), "is a bitmap, not an element"),
        ("a bitmap\n\n\n[[element]]\nnumber = 65\nform = \"b8\"", 5, Some(65), "is a bitmap, not an element"),
        ("the MAC\n[[element]]\nnumber = 64\ndefined = false", 3, Some(64), "is the MAC, 8 raw bytes in every dialect"),
        ("the MAC\n[[element]]\nnumber = 128\nencoding = \"hex\"", 3, Some(128), "is the MAC, 8 raw bytes in every dialect"),
        ("twice\n[[element]]\nnumber = 60\nform = \"n6\"\n[[element]]\nnumber = 60\nform = \"n7\"", 6, Some(60), "described twice"),
        ("twice, once gone\n[[element]]\nnumber = 60\ndefined = false\n[[element]]\nnumber = 60\nform = \"n7\"", 6, Some(60), "described twice"),
        ("no change\n[[element]]\nnumber = 60", 3, Some(60), "nothing is changed"),
        ("gone, with a form\n[[element]]\nnumber = 60\nform = \"n6\"\ndefined = false", 3, Some(60), "an element that is not defined has nothing else"),
        ("a kind that is none\n[[element]]\nnumber = 60\nform = \"x6\"", 3, Some(60), "`x` is none of n, a, an, ns, ans, z, b, x+n"),
        ("no length\n[[element]]\nnumber = 60\nform = \"ans\"", 3, Some(60), "`ans` has no length"),
        ("length 0\n[[element]]\nnumber = 60\nform = \"n0\"", 3, Some(60), "`0` is not a length of at least 1"),
        ("LL of 100\n[[element]]\nnumber = 60\nform = \"n..100\"", 3, Some(60), "`n..100` is longer than the 99 that its length form can say"),
        ("LLL of 1000\n[[element]]\nnumber = 60\nform = \"n...1000\"", 3, Some(60), "`n...1000` is longer than the 999 that its length form can say"),
        ("one dot\n[[element]]\nnumber = 60\nform = \"n.6\"", 3, Some(60), "`n.6`: a length has no dots, two or three in front"),
        ("packed letters\n[[element]]\nnumber = 43\nencoding = \"bcd\"", 3, Some(43), "ans40 cannot be bcd"),
        ("digits in hex\n[[element]]\nnumber = 3\nencoding = \"hex\"", 3, Some(3), "n6 cannot be hex"),
        ("bytes in EBCDIC\n[[element]]\nnumber = 52\nencoding = \"ebcdic\"", 3, Some(52), "b8 cannot be ebcdic"),
        ("letters where digits were packed\n[[element]]\nnumber = 2\nform = \"an..19\"\nencoding = \"bcd\"", 3, Some(2), "an..19 cannot be bcd"),
        ("a sign and no fixed length\n[[element]]\nnumber = 28\nform = \"x+n..8\"", 3, Some(28), "x+n has a fixed length"),
        ("hex and no fixed length\n[[element]]\nnumber = 112\nencoding = \"hex\"", 3, Some(112), "hex has a fixed length: nobody agrees whether a length in front counts bytes or digits"),
        ("an account in bytes\n[[element]]\nnumber = 102\nform = \"b..28\"", 3, Some(102), "binary content cannot be masked as an account"),
        ("a PAN that all may see\n[[element]]\nnumber = 2\nsensitivity = \"open\"", 3, Some(2), "is account and cannot become open"),
        ("a PIN block that all may see\n[[element]]\nnumber = 52\nsensitivity = \"open\"", 3, Some(52), "is secret and cannot become open"),
        ("a track as an account\n[[element]]\nnumber = 35\nsensitivity = \"account\"", 3, Some(35), "is secret and cannot become account"),
        ("a proof that all may see\n[[element]]\nnumber = 112\nsensitivity = \"open\"", 3, Some(112), "is personal and cannot become open"),
        ("a proof in text that all may see\n[[element]]\nnumber = 112\nform = \"ans...999\"\nsensitivity = \"open\"", 3, Some(112), "is personal and cannot become open"),
        ("a sensitivity that is none\n[[element]]\nnumber = 60\nsensitivity = \"none\"", 5, None, "unknown variant `none`, expected"),
        ("a name of nothing\n[[element]]\nnumber = 60\nname = \"\"", 3, Some(60), "name has 1 to 64 characters"),
        ("a name of two lines\n[[element]]\nnumber = 60\nname = \"a\\nb\"", 3, Some(60), "name has 1 to 64 characters"),
        // The seventh: six elements of 999 bytes in hex still fit.
        (&too_much, 10, Some(111), "with it a message of all elements has 41"),
    ];
    for &(text, line, element, reason) in rows {
        let (what, text) = text.split_once('\n').expect("each row has a text");
        refused(what, &format!("{front}{text}"), Some(line), element, reason);
    }
    for (what, text, line, reason) in [
        ("nothing", "", 1, "missing field `name`"),
        ("no name", "base = \"bcd-1987\"", 1, "missing field `name`"),
        ("no base", "name = \"bank\"", 1, "missing field `base`"),
        ("an empty name", "base = \"bcd-1987\"\nname = \"\"", 2, "name has 1 to 64 characters"),
        ("a long name", &format!("base = \"bcd-1987\"\n{long}"), 2, "name has 1 to 64 characters"),
        (
            "a built-in name",
            "name = \"ascii-1987\"\nbase = \"bcd-1987\"",
            1,
            "name `ascii-1987` is a built-in dialect's",
        ),
        ("an unknown base", "name = \"bank\"\n\nbase = \"iso\"", 3, "base `iso` is not a built-in dialect"),
    ] {
        refused(what, text, Some(line), None, reason);
    }
}

#[test]
fn the_error_says_where() {
    let error = DialectError { line: Some(3), element: Some(60), reason: "described twice".to_owned() };
    assert_eq!(error.to_string(), "line 3: element 60: described twice");
}

fn refused(what: &str, text: &str, line: Option<usize>, element: Option<u8>, reason: &str) {
    let error = Dialect::from_toml(text).expect_err(what);
    assert_eq!((error.line, error.element), (line, element), "{what}: {error}");
    assert!(error.reason.starts_with(reason), "{what}: {error}");
}
