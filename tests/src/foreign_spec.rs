//! A dialect's elements as the specification that the crate iso8583_rs wants.

use std::fmt::Write as _;
use std::{fs, io};

use iso8583::{Dialect, Kind, Length};
use iso8583_rs::iso8583::iso_spec::{IsoMsg, MessageSegment, Spec, new_msg, spec};
use tempfile::NamedTempFile;

/// The variable of the environment in which the crate looks for its one specification: a process has one, for good.
pub const SPEC_FILE: &str = "SPEC_FILE";

/// Writes the specification of a dialect to a file, which lives as long as what is given back.
///
/// All MTIs share one layout: every element of the dialect, text as ASCII and binary raw. The crate reads bitmaps as raw
/// bytes whatever it is told, so only `ascii-binary-bitmap-1987` is understood.
///
/// # Errors
/// When the file cannot be written.
pub fn write(dialect: &Dialect) -> io::Result<NamedTempFile> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), yaml(dialect))?;
    Ok(file)
}

/// The specification that [`SPEC_FILE`] names, and its one layout.
///
/// # Panics
/// When the variable is not set or its file is none of [`write()`].
pub fn layout() -> (&'static Spec, &'static MessageSegment) {
    let spec = spec("");
    (spec, spec.get_message("all").expect("the layout that `write` writes"))
}

/// A message of [`layout`] without elements.
pub fn message(mti: &str) -> IsoMsg {
    let (spec, layout) = layout();
    let mut message = new_msg(spec, layout);
    message.set("message_type", mti).expect("the layout has the field");
    message
}

/// A canonical value as the crate takes and gives it: binary as hex digits.
pub fn value(dialect: &Dialect, element: u8, value: &[u8]) -> String {
    let binary = dialect.element(element).is_some_and(|row| row.form.kind == Kind::Binary);
    if binary {
        value.iter().map(|byte| format!("{byte:02x}")).collect()
    } else {
        String::from_utf8_lossy(value).into_owned()
    }
}

fn yaml(dialect: &Dialect) -> String {
    let mut text = String::from(
        "name: all\nid: 1\nheader_fields:\n\
         \x20 - {name: header, id: 1, type: Fixed, len: 4, data_encoding: ASCII}\n\
         messages:\n  - name: all\n    id: 1\n    selector: [",
    );
    for mti in [100, 110, 200, 201, 210, 220, 221, 230, 420, 421, 430, 500, 510, 520, 530, 800, 810] {
        let _ = write!(text, "\"{mti:04}\", ");
    }
    text.push_str(
        "]\n    fields:\n\
         \x20     - {name: message_type, id: 1, type: Fixed, len: 4, data_encoding: ASCII}\n\
         \x20     - name: bitmap\n        id: 2\n        type: Bitmapped\n        len: 0\n\
         \x20       data_encoding: BINARY\n        children:\n",
    );
    for row in dialect.elements() {
        let number = row.number;
        let encoding = if row.form.kind == Kind::Binary { "BINARY" } else { "ASCII" };
        let sign_bytes = u16::from(row.form.kind == Kind::Signed);
        let form = match row.form.length {
            Length::Fixed(length) => format!("type: Fixed, len: {}", length + sign_bytes),
            Length::Ll(_) => "type: Variable, len: 2, len_encoding: ASCII".to_owned(),
            Length::Lll(_) => "type: Variable, len: 3, len_encoding: ASCII".to_owned(),
        };
        let _ = writeln!(
            text,
            "          - {{name: DE{number}, id: {number}, position: {number}, {form}, data_encoding: {encoding}}}"
        );
    }
    text
}
