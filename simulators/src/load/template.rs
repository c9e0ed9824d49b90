//! A message that is sent again and again with a few other values: bytes that are patched and signed in place.

use std::io;

use iso8583::{Dialect, Message};
use keys::{LinkCodec, LinkMac, MAC_BYTES};

/// Bytes of the frame before the message: its length.
const FRAME_BYTES: usize = 2;

/// The byte of an MTI that says that it is a repeat.
const REPEAT_AT: usize = 3;

/// The frame of a message, and where its elements' values stand in it.
pub(super) struct Template {
    frame: Vec<u8>,
    /// Element, first byte in the frame, bytes.
    places: Vec<(u8, usize, usize)>,
}

impl Template {
    /// Of a message for the terminal link. Only values of the length that they have here can be put into it.
    ///
    /// # Errors
    /// A message that the link cannot carry.
    pub(super) fn new(message: &Message, mac: &LinkMac) -> io::Result<Template> {
        let mut frame = Vec::new();
        LinkCodec::terminal().send(message, Some(mac), &mut frame).map_err(io::Error::other)?;
        let view = Dialect::ascii_1987().parse(&frame[FRAME_BYTES..]).map_err(io::Error::other)?;
        let start = view.bytes().as_ptr() as usize;
        let place = |element: u8| {
            let value = view.raw(element)?;
            Some((element, value.as_ptr() as usize - start + FRAME_BYTES, value.len()))
        };
        let places = view.elements().filter_map(place).collect();
        Ok(Template { frame, places })
    }

    /// Appends the frame with other values in it, signed; as a repeat where it is one.
    pub(super) fn write(&self, values: &[(u8, &[u8])], is_repeat: bool, mac: &LinkMac, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        for (element, value) in values {
            let place = self.places.iter().find(|(it, _, bytes)| it == element && *bytes == value.len());
            let (_, at, bytes) = place.expect("the template has the element, of this length");
            frame[*at..at + bytes].copy_from_slice(value);
        }
        if is_repeat {
            frame[FRAME_BYTES + REPEAT_AT] += 1;
        }
        let signed = frame.len() - MAC_BYTES;
        let signature = mac.sign.sign(&frame[FRAME_BYTES..signed]);
        frame[signed..].copy_from_slice(&signature);
    }
}

/// The last six digits of a number, DE11.
pub(super) fn six_digits(mut number: u32) -> [u8; 6] {
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;
    use keys::{Key, MacKey};

    use super::*;

    #[test]
    fn what_is_patched_is_what_the_codec_would_have_sent() {
        let key = MacKey::new(&Key::new([3; 32]));
        let mac = LinkMac { sign: key.clone(), verify: key };
        let message = |mti: u16, stan: u32, pan: &str| {
            let mut message = Message::new(Mti::new(mti));
            message
                .set_text(2, pan)
                .set_text(7, "0503010203")
                .set(11, &six_digits(stan))
                .set_text(41, "L0000001");
            message.set(90, &[b'7'; 42]);
            message
        };
        let template = Template::new(&message(220, 0, "9704990012030000017"), &mac).unwrap();
        let mut patched = b"before".to_vec();
        let values: [(u8, &[u8]); 2] = [(2, b"9704990012030000025"), (11, &six_digits(4_711))];
        template.write(&values, true, &mac, &mut patched);
        let mut sent = b"before".to_vec();
        LinkCodec::terminal()
            .send(&message(221, 4_711, "9704990012030000025"), Some(&mac), &mut sent)
            .unwrap();
        assert_eq!(patched, sent);
    }
}
