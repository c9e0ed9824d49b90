//! Where a message ends in a stream of bytes.

use std::ops::Range;

use thiserror::Error;

/// The most bytes of a message, without its frame's header: above every message that a built-in dialect can write.
/// A longer length is refused before anything is kept of the frame.
pub const FRAME_BYTES_MAX: usize = 40_960;

/// Bytes of a transport protocol data unit's header (ISO 8583 over X.25 and its heirs): an id and two addresses.
pub const TPDU_BYTES: usize = 5;

/// What stands in front of each message on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A length of two bytes, the high one first.
    Length2,
    /// A length of four ASCII digits.
    Ascii4,
    /// A length of two bytes, then a TPDU header that the length counts.
    Length2Tpdu {
        /// The header that is written. One that is read must have the same first byte, the protocol's id; its
        /// addresses are the peer's matter.
        tpdu: [u8; TPDU_BYTES],
    },
}

/// What the front of a buffer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The beginning of a frame.
    Incomplete {
        /// Bytes that have to be read, at least, before another look can tell more. Never 0.
        needed: usize,
    },
    /// A whole frame.
    Frame {
        /// Where the message lies in the buffer.
        payload: Range<usize>,
        /// Bytes of the buffer that the frame takes up, header included.
        consumed: usize,
    },
    /// A frame without a message: the peer is there.
    KeepAlive {
        /// Bytes of the buffer that the frame takes up.
        consumed: usize,
    },
}

/// Why bytes are not a frame, or a message cannot be one. After it nothing tells where the next frame begins: the
/// connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A length above what the framing and [`FRAME_BYTES_MAX`] allow.
    #[error("a message of {length} bytes is above {max}")]
    TooLong {
        /// Bytes of the message.
        length: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// A length of four characters that are not all digits.
    #[error("byte {offset} of the frame is not a digit of its length")]
    LengthDigit {
        /// The byte, from the start of the frame.
        offset: usize,
    },
    /// A length that is too short for the TPDU header that it counts.
    #[error("a length of {length} bytes has no room for the TPDU header")]
    TpduCut {
        /// Bytes that the length says.
        length: usize,
    },
    /// A TPDU header of another protocol.
    #[error("TPDU protocol id {found:#04x} instead of {expected:#04x}")]
    TpduId {
        /// The first byte of the header.
        found: u8,
        /// What it has to be.
        expected: u8,
    },
}

impl Framing {
    /// The most bytes of a message in this framing.
    pub const fn payload_bytes_max(&self) -> usize {
        match self {
            Framing::Ascii4 => 9_999,
            Framing::Length2 | Framing::Length2Tpdu { .. } => FRAME_BYTES_MAX,
        }
    }

    /// What the front of `buffer` is. Only a length that is within bounds makes a reader wait for more.
    ///
    /// # Errors
    /// What can never become a frame, told as soon as the bytes that show it are there.
    pub fn decode(&self, buffer: &[u8]) -> Result<Decoded, FrameError> {
        match self {
            Framing::Length2 => match buffer.first_chunk() {
                Some(&length) => self.frame(buffer, 2, usize::from(u16::from_be_bytes(length))),
                None => Ok(Decoded::Incomplete { needed: 2 - buffer.len() }),
            },
            Framing::Ascii4 => self.decode_ascii4(buffer),
            Framing::Length2Tpdu { tpdu } => self.decode_tpdu(buffer, tpdu[0]),
        }
    }

    /// Appends `payload` as a frame; an empty one is a keep-alive.
    ///
    /// # Errors
    /// [`FrameError::TooLong`]; `out` is then as it was.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if payload.is_empty() && matches!(self, Framing::Length2Tpdu { .. }) {
            out.extend_from_slice(&[0, 0]);
            return Ok(());
        }
        self.encode_with(out, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
    }

    /// Appends a frame around the message that `write` appends: nothing is copied.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], and what `write` says; `out` is then as it was.
    pub fn encode_with<E: From<FrameError>>(
        &self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        out.extend_from_slice(&[0; 2 + TPDU_BYTES][..self.header_bytes()]);
        let written = write(out).and_then(|()| Ok(self.put_header(&mut out[start..])?));
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    const fn header_bytes(&self) -> usize {
        match self {
            Framing::Length2 => 2,
            Framing::Ascii4 => 4,
            Framing::Length2Tpdu { .. } => 2 + TPDU_BYTES,
        }
    }

    /// Fills the place in front of a message.
    fn put_header(&self, frame: &mut [u8]) -> Result<(), FrameError> {
        let (length, max) = (frame.len() - self.header_bytes(), self.payload_bytes_max());
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        match self {
            Framing::Length2 => frame[..2].copy_from_slice(&(length as u16).to_be_bytes()),
            Framing::Ascii4 => {
                let digits = [length / 1000, length / 100 % 10, length / 10 % 10, length % 10];
                frame[..4].copy_from_slice(&digits.map(|digit| b'0' + digit as u8));
            }
            Framing::Length2Tpdu { tpdu } => {
                frame[..2].copy_from_slice(&((length + TPDU_BYTES) as u16).to_be_bytes());
                frame[2..2 + TPDU_BYTES].copy_from_slice(tpdu);
            }
        }
        Ok(())
    }

    fn decode_ascii4(&self, buffer: &[u8]) -> Result<Decoded, FrameError> {
        let digits = &buffer[..buffer.len().min(4)];
        if let Some(offset) = digits.iter().position(|digit| !digit.is_ascii_digit()) {
            return Err(FrameError::LengthDigit { offset });
        }
        if digits.len() < 4 {
            return Ok(Decoded::Incomplete { needed: 4 - digits.len() });
        }
        let length = digits.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        self.frame(buffer, 4, length)
    }

    /// A length of 0, and one that counts a TPDU header alone, are keep-alives.
    fn decode_tpdu(&self, buffer: &[u8], expected: u8) -> Result<Decoded, FrameError> {
        let Some(&length) = buffer.first_chunk() else {
            return Ok(Decoded::Incomplete { needed: 2 - buffer.len() });
        };
        let length = usize::from(u16::from_be_bytes(length));
        if length == 0 {
            return Ok(Decoded::KeepAlive { consumed: 2 });
        }
        if length < TPDU_BYTES {
            return Err(FrameError::TpduCut { length });
        }
        let frame = self.frame(buffer, 2 + TPDU_BYTES, length - TPDU_BYTES)?;
        match buffer.get(2) {
            Some(&found) if found != expected => Err(FrameError::TpduId { found, expected }),
            _ => Ok(frame),
        }
    }

    fn frame(&self, buffer: &[u8], header_bytes: usize, length: usize) -> Result<Decoded, FrameError> {
        let max = self.payload_bytes_max();
        if length > max {
            return Err(FrameError::TooLong { length, max });
        }
        let consumed = header_bytes + length;
        if buffer.len() < consumed {
            return Ok(Decoded::Incomplete { needed: consumed - buffer.len() });
        }
        if length == 0 {
            return Ok(Decoded::KeepAlive { consumed });
        }
        Ok(Decoded::Frame { payload: header_bytes..consumed, consumed })
    }
}
