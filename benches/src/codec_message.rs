//! The message that the codec is measured on: 22 elements, 429 bytes in `ascii-1987`.

use iso8583::{Message, Mti};

use crate::codec_floor::ELEMENTS;

/// Its MTI.
pub const MTI: u16 = 200;

/// The value of each element of [`ELEMENTS`].
pub const VALUES: [&[u8]; ELEMENTS.len()] = [
    b"9704990012030000017",
    b"010000",
    b"000002000000",
    b"0315021531",
    b"004711",
    b"091530",
    b"0315",
    b"0315",
    b"6011",
    b"051",
    b"02",
    b"970418",
    b"607409000123",
    b"HN000017",
    b"BIDV HANOI 0001",
    b"1 TRANG TIEN          HA NOI        VN  ",
    b"020000012203150214041000002000000",
    b"704",
    b"970418",
    b"19001234567890",
    &[0xE1; 158],
    b"\xA1\xB2\xC3\xD4\xE5\xF6\x07\x18",
];

/// Its bytes on the wire.
pub const WIRE_BYTES: usize = 429;

/// It without its MAC: what a link signs.
pub fn unsigned() -> Message {
    let mut message = Message::new(Mti::new(MTI));
    for (element, value) in ELEMENTS.into_iter().zip(VALUES).filter(|(element, _)| *element != 128) {
        message.set(element, value);
    }
    message
}
