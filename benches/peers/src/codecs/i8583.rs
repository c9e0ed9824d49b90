//! i8583 0.1.0: ASCII with hex bitmaps, a table of its own for 1987 or one of its user's; it looks at lengths alone.

use std::borrow::Cow;
use std::hint::black_box;

use i8583::data::{Size, Spec, Type};
use i8583::{Packer, Unpacker, v1987};
use iso8583::{Dialect, Length};

use super::{Codec, message, wire};

/// The crate, on one table.
pub struct Peer {
    name: &'static str,
    table: [Option<Spec>; 129],
    wire: Vec<u8>,
    values: Vec<(usize, &'static [u8])>,
}

impl Peer {
    /// With what it takes to be the elements of 1987.
    pub fn with_its_table() -> Peer {
        Peer::new("i8583 0.1.0, its table", v1987::SPEC)
    }

    /// With ours.
    pub fn with_our_table() -> Peer {
        let mut table = std::array::from_fn(|_| None);
        table[0] = Some(Spec { data_type: Type::NUM, data_size: Size::FIXED(4) });
        table[1] = Some(Spec { data_type: Type::AN, data_size: Size::BMP });
        for row in Dialect::ascii_1987().elements() {
            let sign_bytes = u16::from(row.form.kind == iso8583::Kind::Signed);
            let data_size = match row.form.length {
                Length::Fixed(length) => Size::FIXED(length + sign_bytes),
                Length::Ll(max) => Size::LL(max),
                Length::Lll(max) => Size::LLL(max),
            };
            // The crate does not look at the type.
            table[usize::from(row.number)] = Some(Spec { data_type: Type::ANS, data_size });
        }
        Peer::new("i8583 0.1.0, our table", table)
    }

    fn new(name: &'static str, table: [Option<Spec>; 129]) -> Peer {
        let values = message().map(|(element, value)| (usize::from(element), value)).collect();
        Peer { name, table, wire: wire(Dialect::ascii_1987()), values }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(Unpacker::new(black_box(&self.wire)).unpack(&self.table)).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let mut unpacker = Unpacker::new(&self.wire);
        // The first two are MTI and bitmaps.
        let elements = unpacker.unpack(&self.table)?.iter().enumerate().skip(2);
        Ok(elements.filter_map(|(element, value)| Some((element as u8, value.as_ref()?.to_vec()))).collect())
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut packer = Packer::new(&self.table);
        packer.set_field(0, Cow::Borrowed(b"0200"))?;
        for &(element, value) in black_box(&self.values) {
            packer.set_field(element, Cow::Borrowed(value))?;
        }
        *out = packer.pack(std::mem::take(out))?;
        Ok(())
    }
}
