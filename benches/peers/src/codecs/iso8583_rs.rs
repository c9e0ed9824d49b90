//! iso8583_rs 0.1.10: ASCII with binary bitmaps, a table of its user's; values are texts, binary ones as hex digits.

use std::hint::black_box;

use iso8583::{Dialect, Kind};
use iso8583_rs::iso8583::iso_spec::Spec;

use super::{Codec, from_hex, message, wire};
use crate::foreign_spec;

/// The crate, on the specification that foreign_spec writes of our table.
pub struct Peer {
    spec: &'static Spec,
    wire: Vec<u8>,
    values: Vec<(u32, String)>,
}

impl Peer {
    /// Where the environment names the specification.
    pub fn new() -> Peer {
        let dialect = Dialect::ascii_binary_bitmap_1987();
        let value = |(element, value)| (u32::from(element), foreign_spec::value(dialect, element, value));
        Peer { spec: foreign_spec::layout().0, wire: wire(dialect), values: message().map(value).collect() }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        "iso8583_rs 0.1.10, our table"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_binary_bitmap_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(self.spec.parse(black_box(&mut self.wire))).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let message = self.spec.parse(&mut self.wire).map_err(|error| error.to_string())?;
        let there = (2..=128u8).filter(|&element| element != 65 && message.bmp.is_on(u32::from(element)));
        there
            .map(|element| {
                let text = message.bmp_child_value(u32::from(element)).map_err(|error| error.msg)?;
                let row = self.dialect().element(element);
                let binary = row.is_some_and(|row| row.form.kind == Kind::Binary);
                Ok((element, if binary { from_hex(&text)? } else { text.into_bytes() }))
            })
            .collect()
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut message = foreign_spec::message("0200");
        for (element, value) in black_box(&self.values) {
            message.set_on(*element, value).map_err(|error| error.msg)?;
        }
        out.append(&mut message.assemble().map_err(|error| error.msg)?);
        Ok(())
    }
}
