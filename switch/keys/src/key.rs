//! Key bytes that cannot be printed and do not outlive their owner.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key of 32 bytes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// Takes the bytes over.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Reads 64 hex digits; `None` otherwise.
    pub fn from_hex(text: &str) -> Option<Key> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Some(Key(bytes))
    }

    /// The bytes in clear.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(32 bytes)")
    }
}
