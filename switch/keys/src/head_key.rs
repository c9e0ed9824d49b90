//! The key that signs heads of the log (docs/log.md#heads): Ed25519, so that whoever has the public half alone can check.

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::key::Key;

/// Bytes of a head's signature.
pub const HEAD_SIGNATURE_BYTES: usize = 64;

/// Signs heads. The 32 bytes of the key file are the seed of RFC 8032.
#[derive(Clone)]
pub struct HeadKey(Arc<Ed25519KeyPair>);

/// The public half of a [`HeadKey`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadPublicKey([u8; 32]);

impl HeadKey {
    /// Prepares the key.
    pub fn new(seed: &Key) -> HeadKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes());
        HeadKey(Arc::new(pair.expect("any 32 bytes are a seed")))
    }

    /// Signs a head's text.
    pub fn sign(&self, text: &[u8]) -> [u8; HEAD_SIGNATURE_BYTES] {
        let signature = self.0.sign(text);
        *signature.as_ref().first_chunk().expect("a signature of Ed25519 has 64 bytes")
    }

    /// The half that may be given away.
    pub fn public(&self) -> HeadPublicKey {
        let public = self.0.public_key().as_ref().first_chunk();
        HeadPublicKey(*public.expect("a public key of Ed25519 has 32 bytes"))
    }
}

impl std::fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeadKey")
    }
}

/// What stands in front of the 32 bytes in a SubjectPublicKeyInfo (RFC 8410).
const SPKI_FRONT: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];

impl HeadPublicKey {
    /// Reads a SubjectPublicKeyInfo, DER; `None` where it is no key of Ed25519.
    pub fn from_spki(der: &[u8]) -> Option<HeadPublicKey> {
        let (front, key) = der.split_first_chunk()?;
        (*front == SPKI_FRONT).then_some(HeadPublicKey(key.try_into().ok()?))
    }

    /// As a SubjectPublicKeyInfo, DER.
    pub fn to_spki(&self) -> Vec<u8> {
        [&SPKI_FRONT[..], &self.0].concat()
    }

    /// Whether this key's owner has signed the text.
    pub fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(text, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn signs_as_the_rfc_says() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key = HeadKey::new(&Key::from_hex(seed).unwrap());
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(key.public().to_spki()[12..], bytes(public));
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(key.sign(&[0x72]).to_vec(), bytes(signature));
    }

    #[test]
    fn only_its_own_text_and_key_verify() {
        let keys = [1, 2].map(|byte| HeadKey::new(&Key::new([byte; 32])));
        let signature = keys[0].sign(b"text");
        let public = HeadPublicKey::from_spki(&keys[0].public().to_spki()).unwrap();
        assert!(public.has_signed(b"text", &signature));
        assert!(!public.has_signed(b"texu", &signature));
        assert!(!public.has_signed(b"text", &signature[..63]));
        assert!(!keys[1].public().has_signed(b"text", &signature));
        assert_eq!(HeadPublicKey::from_spki(&public.to_spki()[..43]), None);
        assert_eq!(format!("{:?}", keys[0]), "HeadKey");
    }
}
