//! iso8583-core 0.1.0: ASCII with binary bitmaps, a table of its own that cannot be changed.

use std::hint::black_box;

use iso8583::{Dialect, Kind};
use iso8583_core::{Field, ISO8583Message, MessageType};

use super::{Codec, message, wire};

/// The crate.
pub struct Peer {
    wire: Vec<u8>,
    values: Vec<(Field, bool, &'static [u8])>,
}

impl Peer {
    /// On the message that is measured.
    pub fn new() -> Peer {
        let dialect = Dialect::ascii_binary_bitmap_1987();
        let value = |(element, value)| {
            let binary = dialect.element(element).is_some_and(|row| row.form.kind == Kind::Binary);
            Some((Field::from_number(element).ok()?, binary, value))
        };
        Peer { wire: wire(dialect), values: message().filter_map(value).collect() }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        "iso8583-core 0.1.0, its table"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_binary_bitmap_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(ISO8583Message::from_bytes(black_box(&self.wire))).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let message = ISO8583Message::from_bytes(&self.wire).map_err(|error| error.to_string())?;
        let numbers = message.get_field_numbers();
        let value = |element| {
            let value = message.get_field(Field::from_number(element).ok()?)?;
            let text = value.as_string().map(|text| text.as_bytes().to_vec());
            Some((element, text.or_else(|| value.as_binary().map(<[u8]>::to_vec))?))
        };
        Ok(numbers.into_iter().filter_map(value).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut builder = ISO8583Message::builder()
            .mti(MessageType::from_bytes(b"0200").map_err(|error| error.to_string())?);
        for &(field, binary, value) in black_box(&self.values) {
            builder = if binary {
                builder.binary_field(field, value.to_vec())
            } else {
                builder.field(field, String::from_utf8_lossy(value))
            };
        }
        let message = builder.build().map_err(|error| error.to_string())?;
        out.extend_from_slice(&message.to_bytes());
        Ok(())
    }
}
