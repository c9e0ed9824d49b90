//! The block ciphers behind one face each: triple DES by RustCrypto's `des`, AES and CMAC by aws-lc-rs
//! (docs/decisions/0010-keys.md).

use std::sync::Arc;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::cmac;
use des::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use des::{TdesEde2, TdesEde3};

/// Bytes of a DES block.
pub(crate) const DES_BLOCK: usize = 8;
/// Bytes of an AES block.
pub(crate) const AES_BLOCK: usize = 16;

/// Triple DES, its schedule ready. Overwritten when dropped.
#[derive(Clone)]
pub(crate) enum Tdes {
    Double(TdesEde2),
    Triple(TdesEde3),
}

impl Tdes {
    /// From 16 or 24 bytes, which a [`crate::BoundKey`] has checked.
    pub(crate) fn new(key: &[u8]) -> Tdes {
        match key.len() {
            16 => Tdes::Double(TdesEde2::new_from_slice(key).expect("the key has 16 bytes")),
            _ => Tdes::Triple(TdesEde3::new_from_slice(key).expect("the key has 24 bytes")),
        }
    }

    pub(crate) fn encrypt(&self, block: &mut [u8; DES_BLOCK]) {
        match self {
            Tdes::Double(cipher) => cipher.encrypt_block(block.into()),
            Tdes::Triple(cipher) => cipher.encrypt_block(block.into()),
        }
    }

    pub(crate) fn decrypt(&self, block: &mut [u8; DES_BLOCK]) {
        match self {
            Tdes::Double(cipher) => cipher.decrypt_block(block.into()),
            Tdes::Triple(cipher) => cipher.decrypt_block(block.into()),
        }
    }
}

/// AES in one direction, for what encrypts one block under each key.
pub(crate) fn aes_encrypt(key: &[u8], block: &mut [u8; AES_BLOCK]) {
    encrypting(key).encrypt(block).expect("one block is whole");
}

/// AES, its schedules ready. Overwritten when dropped. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Aes(Arc<(EncryptingKey, DecryptingKey)>);

impl Aes {
    /// From 16, 24 or 32 bytes, which a [`crate::BoundKey`] has checked.
    pub(crate) fn new(key: &[u8]) -> Aes {
        let decrypting = DecryptingKey::ecb(unbound(key)).expect("AES has ECB");
        Aes(Arc::new((encrypting(key), decrypting)))
    }

    pub(crate) fn encrypt(&self, block: &mut [u8; AES_BLOCK]) {
        self.0.0.encrypt(block).expect("one block is whole");
    }

    pub(crate) fn decrypt(&self, block: &mut [u8; AES_BLOCK]) {
        self.0.1.decrypt(block, DecryptionContext::None).expect("one block is whole");
    }

    /// CBC over whole blocks, in place.
    pub(crate) fn encrypt_cbc(&self, iv: [u8; AES_BLOCK], data: &mut [u8]) {
        let mut before = iv;
        for block in whole_blocks(data) {
            xor(block, &before);
            self.encrypt(block);
            before = *block;
        }
    }

    /// CBC over whole blocks, in place.
    pub(crate) fn decrypt_cbc(&self, iv: [u8; AES_BLOCK], data: &mut [u8]) {
        let mut before = iv;
        for block in whole_blocks(data) {
            let sealed = *block;
            self.decrypt(block);
            xor(block, &before);
            before = sealed;
        }
    }
}

/// AES-CMAC (RFC 4493, NIST SP 800-38B), its state ready. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cmac(Arc<cmac::Key>);

impl Cmac {
    /// From 16, 24 or 32 bytes, which a [`crate::BoundKey`] has checked.
    pub(crate) fn new(key: &[u8]) -> Cmac {
        let algorithm = match key.len() {
            16 => cmac::AES_128,
            24 => cmac::AES_192,
            _ => cmac::AES_256,
        };
        Cmac(Arc::new(cmac::Key::new(algorithm, key).expect("the key has 16, 24 or 32 bytes")))
    }

    /// The whole MAC.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; AES_BLOCK] {
        let mut mac = [0; AES_BLOCK];
        cmac::sign_to_buffer(&self.0, bytes, &mut mac).expect("AES-CMAC takes any length");
        mac
    }
}

/// `into` becomes the exclusive or of both.
pub(crate) fn xor(into: &mut [u8], with: &[u8]) {
    for (into, with) in into.iter_mut().zip(with) {
        *into ^= with;
    }
}

fn encrypting(key: &[u8]) -> EncryptingKey {
    EncryptingKey::ecb(unbound(key)).expect("AES has ECB")
}

fn unbound(key: &[u8]) -> UnboundCipherKey {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    UnboundCipherKey::new(algorithm, key).expect("the key has 16, 24 or 32 bytes")
}

fn whole_blocks(data: &mut [u8]) -> impl Iterator<Item = &mut [u8; AES_BLOCK]> {
    let (blocks, rest) = data.as_chunks_mut();
    debug_assert!(rest.is_empty(), "CBC is over whole blocks");
    blocks.iter_mut()
}
