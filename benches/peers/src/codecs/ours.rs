//! Our codec, and the floor that is written by hand for the same checks (benches/src/codec_floor.rs).

use std::hint::black_box;

use iso8583::{Dialect, Message, Mti};

use super::{Codec, message, wire};
use crate::codec_floor;
use crate::codec_message::MTI;

/// Ours.
pub struct Ours {
    dialect: &'static Dialect,
    name: &'static str,
    wire: Vec<u8>,
    values: Vec<(u8, &'static [u8])>,
}

impl Ours {
    /// In one of its dialects.
    pub fn new(dialect: &'static Dialect, name: &'static str) -> Ours {
        Ours { dialect, name, wire: wire(dialect), values: message().collect() }
    }
}

impl Codec for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        self.dialect.parse(black_box(&self.wire)).is_ok_and(|view| black_box(view).offset(128).is_some())
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let view = self.dialect.parse(&self.wire).map_err(|error| error.to_string())?;
        let message = view.to_message();
        Ok(message.elements().map(|(element, value)| (element, value.to_vec())).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.dialect.build(Mti::new(MTI), black_box(&self.values), out).map_err(|error| error.to_string())
    }
}

/// Ours, the way most peers work: values are copied out of the message, and set one by one into a new one.
pub struct Owned {
    wire: Vec<u8>,
    values: Vec<(u8, &'static [u8])>,
}

impl Owned {
    /// On the same bytes.
    pub fn new() -> Owned {
        Owned { wire: wire(Dialect::ascii_1987()), values: message().collect() }
    }

    fn message(&self) -> Result<Message, String> {
        let view = self.dialect().parse(black_box(&self.wire)).map_err(|error| error.to_string())?;
        Ok(view.to_message())
    }
}

impl Codec for Owned {
    fn name(&self) -> &'static str {
        "ours, through a `Message`"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(self.message()).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let message = self.message()?;
        Ok(message.elements().map(|(element, value)| (element, value.to_vec())).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut message = Message::new(Mti::new(MTI));
        for &(element, value) in black_box(&self.values) {
            message.set(element, value);
        }
        self.dialect().encode(&message, out).map_err(|error| error.to_string())
    }
}

/// The floor for every element of `ascii-1987`.
pub struct Floor {
    wire: Vec<u8>,
    values: Vec<(u8, &'static [u8])>,
}

impl Floor {
    /// On the same bytes.
    pub fn new() -> Floor {
        Floor { wire: wire(Dialect::ascii_1987()), values: message().collect() }
    }
}

impl Codec for Floor {
    fn name(&self) -> &'static str {
        "floor, by hand, validated"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        codec_floor::parse_wide(black_box(&self.wire)).is_some_and(|found| black_box(found).2[128] > 0)
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let (_, _, starts) = codec_floor::parse_wide(&self.wire).ok_or("refused")?;
        // It gives where an element begins, its length in front where it has one.
        let value = |(element, right): (u8, &[u8])| {
            let row = Dialect::ascii_1987().element(element)?;
            let prefix = match row.form.length {
                iso8583::Length::Fixed(_) => 0,
                iso8583::Length::Ll(_) => 2,
                iso8583::Length::Lll(_) => 3,
            };
            let start = usize::from(starts[usize::from(element)]) + prefix;
            Some((element, self.wire.get(start..start + right.len())?.to_vec()))
        };
        Ok(message().filter_map(value).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        codec_floor::build_wide(Mti::new(MTI).digits(), black_box(&self.values), out)
            .ok_or_else(|| "refused".to_owned())
    }
}
