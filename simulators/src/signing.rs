//! P-256 keys of everybody who signs here: by RFC 6979, so that a seed gives the same bytes, or quickly.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};

/// Uncompressed point, as certificates and DG15 carry it.
pub(crate) const POINT_BYTES: usize = 65;

/// A private key. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    key: SigningKey,
    /// The same key, where signatures need not be repeatable.
    quick: Option<Arc<EcdsaKeyPair>>,
}

impl PrivateKey {
    /// The key of a scalar, the high byte first; `None` when it is none: one of 2^32 is above the curve's order.
    pub(crate) fn from_scalar(scalar: &[u8; 32]) -> Option<PrivateKey> {
        Some(PrivateKey { key: SigningKey::from_slice(scalar).ok()?, quick: None })
    }

    /// The same key, signing in half the time, each signature with chance of its own: two of one message differ, and both
    /// verify. For loads and for what stands behind sockets, where nobody expects the same bytes of a second run.
    pub(crate) fn quick(self) -> PrivateKey {
        let (scalar, point) = (self.key.to_bytes(), self.point());
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &scalar, &point);
        PrivateKey { quick: Some(Arc::new(pair.expect("both halves are of one key"))), ..self }
    }

    /// r‖s over a message, with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let Some(quick) = &self.quick else {
            let signature: Signature = self.key.sign(message);
            return signature.to_bytes().into();
        };
        let signature = quick.sign(&SystemRandom::new(), message).expect("the system has chance to give");
        signature.as_ref().try_into().expect("a fixed signature of P-256 has 64 bytes")
    }

    /// The public half.
    pub(crate) fn public(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// The public half as an uncompressed point.
    pub(crate) fn point(&self) -> [u8; POINT_BYTES] {
        let point = self.key.verifying_key().to_sec1_point(false);
        point.as_bytes().try_into().expect("an uncompressed point of P-256 has 65 bytes")
    }

    /// The scalar, the high byte first.
    pub(crate) fn scalar(&self) -> [u8; 32] {
        self.key.to_bytes().into()
    }

    /// PKCS#8 in PEM.
    pub(crate) fn to_pkcs8_pem(&self) -> String {
        self.key.to_pkcs8_pem(LineEnding::LF).expect("a P-256 key has a PKCS#8 form").to_string()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use p256::ecdsa::signature::Verifier as _;

    use super::*;

    #[test]
    fn both_ways_of_signing_verify_under_one_key_and_one_of_them_is_repeatable() {
        let slow = PrivateKey::from_scalar(&[7; 32]).unwrap();
        let quick = slow.clone().quick();
        assert_eq!(slow.public(), quick.public());
        assert_eq!(slow.sign(b"a message"), slow.sign(b"a message"));
        assert_ne!(quick.sign(b"a message"), quick.sign(b"a message"));
        for signature in [slow.sign(b"a message"), quick.sign(b"a message")] {
            let signature = Signature::from_slice(&signature).unwrap();
            assert!(slow.public().verify(b"a message", &signature).is_ok());
            assert!(slow.public().verify(b"another", &signature).is_err());
        }
        assert!(PrivateKey::from_scalar(&[0xFF; 32]).is_none());
    }
}
