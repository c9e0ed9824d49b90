//! Active authentication: whether the chip that signed the challenge holds the key of DG15 (ICAO 9303-11, 6.1).

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, UnparsedPublicKey};
use thiserror::Error;

use crate::proof::SignatureHash;

/// SubjectPublicKeyInfo in front of the point, named curve and uncompressed form (RFC 5480).
const P256_FRONT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86,
    0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384_FRONT: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x05, 0x2B, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// Why a chip is not the one that DG15 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ActiveError {
    /// DG15 is not tag 6F around a public key of a kind that is supported.
    #[error("DG15 holds no public key of a supported kind")]
    Key,
    /// The hash of DF23 does not go with the key.
    #[error("the signature's hash does not go with the key")]
    Hash,
    /// The signature does not verify.
    #[error("the chip's signature is wrong")]
    Signature,
}

/// The chip's key, by its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChipKey<'a> {
    /// ECDSA on P-256: the uncompressed point.
    P256(&'a [u8]),
    /// ECDSA on P-384: the uncompressed point.
    P384(&'a [u8]),
}

impl<'a> ChipKey<'a> {
    /// Reads DG15: tag 6F around SubjectPublicKeyInfo (ICAO 9303-10, 4.7.15).
    ///
    /// # Errors
    /// [`ActiveError::Key`].
    pub fn parse(dg15: &'a [u8]) -> Result<ChipKey<'a>, ActiveError> {
        let key = match *dg15 {
            [0x6F, length @ 0..=0x7F, ref key @ ..] if key.len() == usize::from(length) => key,
            [0x6F, 0x81, length @ 0x80..=0xFF, ref key @ ..] if key.len() == usize::from(length) => key,
            [0x6F, 0x82, high @ 1..=0xFF, low, ref key @ ..]
                if key.len() == usize::from(high) << 8 | usize::from(low) =>
            {
                key
            }
            _ => return Err(ActiveError::Key),
        };
        let point = |front: &[u8], bytes: usize| {
            key.strip_prefix(front).filter(|point| point.len() == bytes && point[0] == 4)
        };
        let p256 = point(&P256_FRONT, 65).map(ChipKey::P256);
        p256.or_else(|| point(&P384_FRONT, 97).map(ChipKey::P384)).ok_or(ActiveError::Key)
    }

    /// Checks a signature over the challenge. ECDSA signatures are plain r‖s.
    ///
    /// # Errors
    /// [`ActiveError`].
    pub fn verify(
        &self,
        challenge: &[u8; 8],
        signature: &[u8],
        hash: SignatureHash,
    ) -> Result<(), ActiveError> {
        let (algorithm, point): (&'static EcdsaVerificationAlgorithm, &[u8]) = match (self, hash) {
            (ChipKey::P256(point), SignatureHash::Sha256) => (&signature::ECDSA_P256_SHA256_FIXED, point),
            (ChipKey::P384(point), SignatureHash::Sha384) => (&signature::ECDSA_P384_SHA384_FIXED, point),
            (ChipKey::P256(_) | ChipKey::P384(_), _) => return Err(ActiveError::Hash),
        };
        let key = UnparsedPublicKey::new(algorithm, point);
        key.verify(challenge, signature).map_err(|_| ActiveError::Signature)
    }

    /// The algorithm as the registry is told of it (docs/interface.md#registry).
    pub fn algorithm(&self) -> &'static str {
        match self {
            ChipKey::P256(_) => "ecdsa-sha256",
            ChipKey::P384(_) => "ecdsa-sha384",
        }
    }
}
