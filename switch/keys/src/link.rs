//! One end of a link: frames, dialect and MAC between bytes and messages. No I/O.

use iso8583::framing::{Decoded, FrameError, Framing};
use iso8583::{BuildError, Dialect, Message, ParseError};
use thiserror::Error;

use crate::mac::{LinkMac, MacError};

/// How messages stand on one link. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkCodec {
    /// The dialect.
    pub dialect: &'static Dialect,
    /// The frame around each message.
    pub framing: Framing,
}

/// What stands at the front of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// Not a whole frame yet.
    Incomplete,
    /// A frame without a message.
    KeepAlive {
        /// Bytes to drop from the buffer.
        consumed: usize,
    },
    /// A message; the link's MAC policy is not yet applied.
    Message {
        /// Bytes to drop from the buffer.
        consumed: usize,
        /// The message, canonical, its MAC included.
        message: Box<Message>,
        /// The verdict of the key that was handed in; `Ok` without one.
        mac: Result<(), MacError>,
    },
    /// A whole frame that holds no message of the dialect. The link can go on behind it.
    Malformed {
        /// Bytes to drop from the buffer.
        consumed: usize,
        /// What is wrong.
        error: ParseError,
    },
}

/// Why nothing can be sent or received any more.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LinkError {
    /// The bytes are no frame: the link is out of step and has to be closed.
    #[error("frame: {0}")]
    Frame(#[from] FrameError),
    /// The message cannot be written in the link's dialect.
    #[error("message: {0}")]
    Build(#[from] BuildError),
}

impl LinkCodec {
    /// The terminal link: `ascii-1987` behind a length of 2 bytes (docs/interface.md#messages-on-the-terminal-link).
    pub fn terminal() -> LinkCodec {
        LinkCodec { dialect: Dialect::ascii_1987(), framing: Framing::Length2 }
    }

    /// Reads the front of `buffer`. `mac` gives the keys of the peer that the message says it is from (by DE41 on a
    /// terminal link); `None` where the link's policy asks for no MAC.
    ///
    /// # Errors
    /// [`LinkError::Frame`]: close the link.
    pub fn receive<'k>(
        &self,
        buffer: &[u8],
        mac: impl FnOnce(&Message) -> Option<&'k LinkMac>,
    ) -> Result<Received, LinkError> {
        let (payload, consumed) = match self.framing.decode(buffer)? {
            Decoded::Incomplete { .. } => return Ok(Received::Incomplete),
            Decoded::KeepAlive { consumed } => return Ok(Received::KeepAlive { consumed }),
            Decoded::Frame { payload, consumed } => (payload, consumed),
        };
        let view = match self.dialect.parse(&buffer[payload]) {
            Ok(view) => view,
            Err(error) => return Ok(Received::Malformed { consumed, error }),
        };
        let message = view.to_message();
        let mac = mac(&message).map_or(Ok(()), |keys| keys.check(&view));
        Ok(Received::Message { consumed, message: Box::new(message), mac })
    }

    /// Appends the frame of a message, signed where there are keys.
    ///
    /// # Errors
    /// [`LinkError`]; `out` is then as it was.
    pub fn send(&self, message: &Message, mac: Option<&LinkMac>, out: &mut Vec<u8>) -> Result<(), LinkError> {
        self.framing.encode_with(out, |out| match mac {
            Some(keys) => Ok(self.dialect.encode_with_mac(message, |signed| keys.sign.sign(signed), out)?),
            None => Ok(self.dialect.encode(message, out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;

    use super::*;
    use crate::key::Key;
    use crate::mac::MacKey;

    fn ends() -> (LinkMac, LinkMac) {
        let [there, back] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
        let near = LinkMac { sign: there.clone(), verify: back.clone() };
        (near, LinkMac { sign: back, verify: there })
    }

    fn verdict(bytes: &[u8], keys: &LinkMac) -> Result<(), MacError> {
        match LinkCodec::terminal().receive(bytes, |_| Some(keys)).unwrap() {
            Received::Message { mac, consumed, .. } => {
                assert_eq!(consumed, bytes.len());
                mac
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_byte_is_covered_in_both_places_of_the_mac() {
        let (near, far) = ends();
        for more in [None, Some(102)] {
            let mut message = Message::new(Mti::new(200));
            message.set_number(11, 17, 6).set_text(41, "HN000001");
            if let Some(element) = more {
                message.set_text(element, "12");
            }
            let mut bytes = Vec::new();
            LinkCodec::terminal().send(&message, Some(&near), &mut bytes).unwrap();
            assert_eq!(verdict(&bytes, &far), Ok(()));
            assert_eq!(verdict(&bytes, &near), Err(MacError::Wrong), "the other direction's key");
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            assert_eq!(verdict(&bytes, &far), Err(MacError::Wrong));
            bytes[last] ^= 1;
            let place = bytes.windows(8).position(|eight| eight == b"HN000001").unwrap();
            bytes[place + 7] = b'2';
            assert_eq!(verdict(&bytes, &far), Err(MacError::Wrong));
        }
    }

    #[test]
    fn an_absent_mac_and_two_macs_are_refused() {
        let (near, far) = ends();
        let mut message = Message::new(Mti::new(800));
        message.set_number(70, 301, 3);
        let mut bytes = Vec::new();
        LinkCodec::terminal().send(&message, None, &mut bytes).unwrap();
        assert_eq!(verdict(&bytes, &far), Err(MacError::Missing));
        message.set(64, &[1; 8]);
        bytes.clear();
        LinkCodec::terminal().send(&message, None, &mut bytes).unwrap();
        assert_eq!(verdict(&bytes, &far), Err(MacError::Missing), "DE64 where DE128 belongs");
        message.set(128, &[1; 8]);
        bytes.clear();
        LinkCodec::terminal().send(&message, None, &mut bytes).unwrap();
        assert_eq!(verdict(&bytes, &far), Err(MacError::Both));
        let _ = near;
    }
}
