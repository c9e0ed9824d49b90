//! P-256 signatures that cost a tenth, for those who need thousands a second and not the same bytes from the same seed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use p256::ecdsa::{SigningKey, VerifyingKey};

/// A key that signs quickly: two signatures over the same bytes differ.
pub(crate) struct QuickKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl QuickKey {
    /// The same key.
    pub(crate) fn new(key: &SigningKey) -> QuickKey {
        let public = key.verifying_key().to_sec1_point(false);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &key.to_bytes(),
            public.as_bytes(),
        );
        QuickKey { pair: pair.expect("a P-256 key is one everywhere"), random: SystemRandom::new() }
    }

    /// r and s over the bytes, with SHA-256.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(&self.random, bytes).expect("the system has random bytes");
        *signature.as_ref().first_chunk().expect("a fixed signature has 64 bytes")
    }
}

/// Whether r and s are of this key, over the bytes with SHA-256.
pub(crate) fn verifies(key: &VerifyingKey, bytes: &[u8], signature: &[u8]) -> bool {
    let point = key.to_sec1_point(false);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.as_bytes()).verify(bytes, signature).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use p256::ecdsa::Signature;
    use p256::ecdsa::signature::{Signer as _, Verifier as _};

    use super::*;

    #[test]
    fn both_implementations_take_each_others_signatures() {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        let quick = QuickKey::new(&key).sign(b"this");
        key.verifying_key().verify(b"this", &Signature::from_slice(&quick).unwrap()).unwrap();
        let exact: Signature = key.sign(b"this");
        assert!(verifies(key.verifying_key(), b"this", &exact.to_bytes()));
        assert!(!verifies(key.verifying_key(), b"that", &quick));
        assert!(!verifies(key.verifying_key(), b"this", &quick[1..]));
    }
}
