//! P-256 keys of everybody who signs here: by RFC 6979, so that a seed gives the same bytes, or quickly.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};

/// Uncompressed point, as certificates and DG15 carry it.
const POINT_BYTES: usize = 65;

/// How signatures are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signing {
    /// By RFC 6979: the same message has the same signature.
    Repeatable,
    /// By aws-lc, in half the time, each with chance of its own: two of one message differ, and both verify. For loads and for
    /// what stands behind sockets, where nobody expects the same bytes of a second run.
    Quick,
}

/// A private key. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    scalar: [u8; 32],
    point: [u8; POINT_BYTES],
    signer: Signer,
}

#[derive(Clone)]
enum Signer {
    Repeatable(Box<SigningKey>),
    Quick(Arc<EcdsaKeyPair>),
}

impl PrivateKey {
    /// The key of a scalar, the high byte first; `None` when it is none: one of 2^32 is above the curve's order.
    pub(crate) fn from_scalar(scalar: &[u8; 32], signing: Signing) -> Option<PrivateKey> {
        match signing {
            Signing::Repeatable => {
                let key = SigningKey::from_slice(scalar).ok()?;
                let point = key.verifying_key().to_sec1_point(false).as_bytes().try_into().ok()?;
                Some(PrivateKey { scalar: *scalar, point, signer: Signer::Repeatable(Box::new(key)) })
            }
            Signing::Quick => {
                let key = agreement::PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
                let point = key.compute_public_key().ok()?.as_ref().try_into().ok()?;
                PrivateKey { scalar: *scalar, point, signer: quick(scalar, &point)? }.into()
            }
        }
    }

    /// The same key, signing quickly.
    pub(crate) fn quick(self) -> PrivateKey {
        let signer = quick(&self.scalar, &self.point).expect("both halves are of one key");
        PrivateKey { signer, ..self }
    }

    /// r‖s over a message, with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.signer {
            Signer::Repeatable(key) => {
                let signature: Signature = key.sign(message);
                signature.to_bytes().into()
            }
            Signer::Quick(key) => {
                let signature =
                    key.sign(&SystemRandom::new(), message).expect("the system has chance to give");
                signature.as_ref().try_into().expect("a fixed signature of P-256 has 64 bytes")
            }
        }
    }

    /// The public half.
    pub(crate) fn public(&self) -> VerifyingKey {
        VerifyingKey::from_sec1_bytes(&self.point).expect("the point is the key's own")
    }

    /// The public half as an uncompressed point.
    pub(crate) fn point(&self) -> &[u8; POINT_BYTES] {
        &self.point
    }

    /// The scalar, the high byte first.
    pub(crate) fn scalar(&self) -> &[u8; 32] {
        &self.scalar
    }

    /// PKCS#8 in PEM.
    pub(crate) fn to_pkcs8_pem(&self) -> String {
        let key = SigningKey::from_slice(&self.scalar).expect("the scalar is the key's own");
        key.to_pkcs8_pem(LineEnding::LF).expect("a P-256 key has a PKCS#8 form").to_string()
    }
}

fn quick(scalar: &[u8; 32], point: &[u8; POINT_BYTES]) -> Option<Signer> {
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, scalar, point);
    Some(Signer::Quick(Arc::new(pair.ok()?)))
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
        let [slow, quick] = [Signing::Repeatable, Signing::Quick]
            .map(|signing| PrivateKey::from_scalar(&[7; 32], signing).unwrap());
        assert_eq!((slow.point(), slow.scalar()), (quick.point(), quick.scalar()));
        assert_eq!(slow.to_pkcs8_pem(), quick.to_pkcs8_pem());
        assert_eq!(slow.sign(b"a message"), slow.sign(b"a message"));
        assert_ne!(quick.sign(b"a message"), quick.sign(b"a message"));
        for signature in [&slow, &quick, &slow.clone().quick()].map(|key| key.sign(b"a message")) {
            let signature = Signature::from_slice(&signature).unwrap();
            assert!(slow.public().verify(b"a message", &signature).is_ok());
            assert!(slow.public().verify(b"another", &signature).is_err());
        }
        for signing in [Signing::Repeatable, Signing::Quick] {
            assert!(PrivateKey::from_scalar(&[0xFF; 32], signing).is_none(), "above the order");
            assert!(PrivateKey::from_scalar(&[0; 32], signing).is_none());
        }
    }
}
