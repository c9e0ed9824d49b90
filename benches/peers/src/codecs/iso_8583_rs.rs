//! iso_8583_rs 0.2.2: ASCII with hex bitmaps, a table of its user's, values borrowed.

use std::hint::black_box;

use iso_8583_rs::{Builder, CompiledSpec, ContentType, FieldDef, LenType, Message};
use iso8583::{Dialect, Kind, Length};

use super::{Codec, message, wire};

/// The crate, on our table.
pub struct Peer {
    spec: CompiledSpec,
    wire: Vec<u8>,
    values: Vec<(usize, &'static [u8])>,
}

impl Peer {
    /// On the message that is measured.
    pub fn new() -> Peer {
        let dialect = Dialect::ascii_1987();
        let values = message().map(|(element, value)| (usize::from(element), value));
        Peer { spec: compiled(dialect), wire: wire(dialect), values: values.collect() }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        "iso_8583_rs 0.2.2, our table"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(Message::parse(&self.spec, black_box(&self.wire))).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let message = Message::parse(&self.spec, &self.wire).map_err(|error| format!("{error:?}"))?;
        Ok(message.fields().map(|(element, value)| (element as u8, value.to_vec())).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut builder = Builder::new(&self.spec, b"0200").map_err(|error| format!("{error:?}"))?;
        for &(element, value) in black_box(&self.values) {
            builder.set(element, value).map_err(|error| format!("{error:?}"))?;
        }
        builder.pack_into(out);
        Ok(())
    }
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
