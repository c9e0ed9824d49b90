//! Active authentication: whether the chip that signed the challenge holds the key of DG15 (ICAO 9303-11, 6.1).

use thiserror::Error;

use crate::algorithm::{Algorithm, Hash};
use crate::asn1::{Cursor, NotDer, file};
use crate::iso9796;
use crate::key::{PublicKey, verifies_ecdsa};

/// Why a chip is not the one that DG15 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ActiveError {
    /// DG15 is not tag 6F around a public key of a kind that is supported.
    #[error("DG15 holds no public key of a supported kind")]
    Key,
    /// The algorithm is known, but not allowed here.
    #[error("{} is not allowed", .0.name())]
    NotAllowed(Algorithm),
    /// The signature does not verify.
    #[error("the chip's signature is wrong")]
    Signature,
}

/// The chip's public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipKey(PublicKey);

impl ChipKey {
    /// Reads DG15: tag 6F around SubjectPublicKeyInfo (ICAO 9303-10, 4.7.15). A key on one of the four curves, named or
    /// described in every value, or of RSA with 2048 bits.
    ///
    /// # Errors
    /// [`ActiveError::Key`].
    pub fn parse(dg15: &[u8]) -> Result<ChipKey, ActiveError> {
        let key = content(dg15).and_then(PublicKey::from_spki).map_err(|_| ActiveError::Key)?;
        match &key {
            PublicKey::Rsa { modulus, .. } if modulus.len() != iso9796::BLOCK_BYTES => Err(ActiveError::Key),
            PublicKey::Rsa { .. } | PublicKey::Ec { .. } => Ok(ChipKey(key)),
        }
    }

    /// Checks a signature over the challenge: plain r‖s of ECDSA, or an RSA block of ISO/IEC 9796-2 scheme 1.
    ///
    /// # Errors
    /// [`ActiveError::Signature`].
    pub fn verify(&self, challenge: &[u8; 8], signature: &[u8], hash: Hash) -> Result<(), ActiveError> {
        let is_right = match &self.0 {
            PublicKey::Ec { curve, point } => verifies_ecdsa(*curve, point, hash, challenge, signature),
            PublicKey::Rsa { modulus, exponent } => {
                iso9796::verifies(modulus, exponent, hash, challenge, signature)
            }
        };
        if is_right { Ok(()) } else { Err(ActiveError::Signature) }
    }

    /// The algorithm that the key is for.
    pub fn algorithm(&self) -> Algorithm {
        match &self.0 {
            PublicKey::Ec { curve, .. } => curve.algorithm(),
            PublicKey::Rsa { .. } => Algorithm::RsaIso9796,
        }
    }

    /// Algorithm and hash as the registry is told of them (docs/interface.md#registry): `ecdsa-sha256`.
    pub fn algorithm_text(&self, hash: Hash) -> String {
        let kind = match &self.0 {
            PublicKey::Ec { .. } => "ecdsa",
            PublicKey::Rsa { .. } => "rsa-iso9796-2",
        };
        format!("{kind}-{}", hash.name())
    }
}

fn content(dg15: &[u8]) -> Result<&[u8], NotDer> {
    let mut outer = Cursor::new(dg15)?;
    let content = outer.take(file(15))?;
    outer.finish()?;
    Ok(content)
}
