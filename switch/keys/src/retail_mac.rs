//! The retail MAC: ISO 9797-1 algorithm 3 over DES.

use des::Des;
use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use crate::cipher::{DES_BLOCK, xor};

/// How a text is filled up to whole blocks of 8 bytes (ISO 9797-1, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Method 1: as few zero bytes as needed, none if it is whole already; one block of them for an empty text. A text and
    /// the same with zero bytes behind it have one MAC: ISO 8583's lengths have to tell them apart, and do.
    Zeros,
    /// Method 2: 80, then as few zero bytes as needed.
    OneThenZeros,
}

/// A key of algorithm 3, its schedules ready. Overwritten when dropped.
pub(crate) struct RetailMac {
    left: Des,
    right: Des,
    padding: Padding,
}

impl RetailMac {
    /// From 16 bytes, which a [`crate::BoundKey`] has checked.
    pub(crate) fn new(key: &[u8], padding: Padding) -> RetailMac {
        let des = |half: &[u8]| Des::new_from_slice(half).expect("a half has 8 bytes");
        RetailMac { left: des(&key[..8]), right: des(&key[8..]), padding }
    }

    /// How it fills texts up.
    pub(crate) fn padding(&self) -> Padding {
        self.padding
    }

    /// CBC under the left key, then the last block through the right and the left again.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; DES_BLOCK] {
        let (blocks, rest) = bytes.as_chunks::<DES_BLOCK>();
        let mut state = [0; DES_BLOCK];
        for block in blocks {
            self.chain(&mut state, block);
        }
        let is_padded = !rest.is_empty() || bytes.is_empty() || self.padding == Padding::OneThenZeros;
        if is_padded {
            let mut last = [0; DES_BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            if self.padding == Padding::OneThenZeros {
                last[rest.len()] = 0x80;
            }
            self.chain(&mut state, &last);
        }
        self.right.decrypt_block((&mut state).into());
        self.left.encrypt_block((&mut state).into());
        state
    }

    fn chain(&self, state: &mut [u8; DES_BLOCK], block: &[u8; DES_BLOCK]) {
        xor(state, block);
        self.left.encrypt_block(state.into());
    }
}
