//! iso8583-codec-rs 0.1.0: a table in JSON, messages as JSON, binary values as hex digits.

use std::hint::black_box;

use iso8583::{Dialect, Kind, Length};
use iso8583_codec_rs::LoadedSpec;
use iso8583_codec_rs::iso8583::{parse_bytes, publish_bytes};
use serde_json::{Map, Value, json};

use super::{Codec, from_hex, hex, message, wire};

/// The crate, on our table.
pub struct Peer {
    spec: LoadedSpec,
    wire: Vec<u8>,
    message: Value,
}

impl Peer {
    /// On the message that is measured.
    pub fn new() -> Peer {
        let dialect = Dialect::ascii_1987();
        let fields: Map<String, Value> =
            message().map(|(element, value)| (key(element), Value::String(text(element, value)))).collect();
        let table = table(dialect).to_string();
        Peer {
            spec: LoadedSpec::from_json(&table).expect("the table is in the crate's form"),
            wire: wire(dialect),
            message: json!({ "mti": "0200", "fields": fields }),
        }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        "iso8583-codec-rs 0.1.0, our table"
    }

    fn dialect(&self) -> &'static Dialect {
        Dialect::ascii_1987()
    }

    fn wire(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    fn parse(&mut self) -> bool {
        black_box(parse_bytes(black_box(&self.wire), &self.spec)).is_ok()
    }

    fn read(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let message = parse_bytes(&self.wire, &self.spec).map_err(|error| error.to_string())?;
        let fields = message["fields"].as_object().ok_or("no fields")?;
        fields
            .iter()
            .map(|(key, value)| {
                let element = key.get(2..5).and_then(|digits| digits.parse().ok()).ok_or("no element")?;
                let value = value.as_str().ok_or_else(|| format!("{key} is no text"))?;
                let value = if is_binary(element) { from_hex(value)? } else { value.as_bytes().to_vec() };
                Ok((element, value))
            })
            .collect()
    }

    fn build(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let bytes = publish_bytes(black_box(&self.message), &self.spec);
        out.append(&mut bytes.map_err(|error| error.to_string())?);
        Ok(())
    }
}

fn key(element: u8) -> String {
    format!("de{element:03}_de{element}")
}

fn text(element: u8, value: &[u8]) -> String {
    if is_binary(element) { hex(value) } else { String::from_utf8_lossy(value).into_owned() }
}

fn is_binary(element: u8) -> bool {
    Dialect::ascii_1987().element(element).is_some_and(|row| row.form.kind == Kind::Binary)
}

fn table(dialect: &Dialect) -> Value {
    let rows = dialect.elements().iter().map(|row| {
        let (prefix, length) = match row.form.length {
            Length::Fixed(length) => ("fixed", length + u16::from(row.form.kind == Kind::Signed)),
            Length::Ll(max) => ("LLVAR", max),
            Length::Lll(max) => ("LLLVAR", max),
        };
        let (kind, encoding) = match row.form.kind {
            Kind::Binary => ("binary", "binary"),
            Kind::Numeric => ("numeric", "ascii"),
            _ => ("string", "ascii"),
        };
        json!({
            "de": row.number, "name": format!("de{}", row.number), "type": kind, "length": length,
            "prefix": prefix, "encoding": encoding,
        })
    });
    json!({ "version": "1987", "fields": rows.collect::<Vec<_>>() })
}
