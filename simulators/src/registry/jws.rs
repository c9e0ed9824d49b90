//! Compact JWS under ES256 (RFC 7515, RFC 7518 section 3.4), signed by RFC 6979, so that one seed gives one answer, or quickly.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::VerifyingKey;
use p256::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::signing::{PrivateKey, Signing};

/// An ES256 signing key with its `kid`. `Debug` shows the `kid` alone.
#[derive(Clone)]
pub struct SecretKey {
    key: PrivateKey,
    kid: String,
}

/// The public half, pinned by whoever verifies.
#[derive(Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    /// The same, ready to verify.
    ready: ParsedPublicKey,
}

/// Why a compact JWS is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum JwsError {
    /// Not three base64url parts with a header of `alg` and `kid` alone.
    #[error("no compact JWS with a header of alg and kid")]
    Form,
    /// The algorithm is not ES256.
    #[error("the algorithm is not ES256")]
    Algorithm,
    /// No key is pinned under this `kid`.
    #[error("the kid is not known")]
    Kid,
    /// The signature does not verify.
    #[error("the signature is wrong")]
    Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
}

/// Key bytes of a role, from a seed: HMAC-SHA-256 keyed with the seed over the role's name.
pub(super) fn derive(seed: u64, role: &str) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&seed.to_be_bytes()).expect("HMAC takes a key of any length");
    mac.update(role.as_bytes());
    mac.finalize().into_bytes().into()
}

impl SecretKey {
    /// The key of a role, the same for the same seed: `registry`, `switch` and so on.
    pub fn from_seed(seed: u64, role: &str, kid: &str) -> SecretKey {
        let key = PrivateKey::from_scalar(&derive(seed, role), Signing::Repeatable)
            .expect("a digest is above the curve's order in one of 2^32 seeds");
        SecretKey { key, kid: kid.to_owned() }
    }

    /// The name under which the public half is pinned.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The same key under another name.
    pub(super) fn clone_as(&self, kid: &str) -> SecretKey {
        SecretKey { key: self.key.clone(), kid: kid.to_owned() }
    }

    /// The same key, signing in half the time: its signatures differ from run to run.
    pub(super) fn quick(self) -> SecretKey {
        SecretKey { key: self.key.quick(), kid: self.kid }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.key.public())
    }

    /// PKCS#8 in PEM, for the other side's key file.
    pub fn to_pkcs8_pem(&self) -> String {
        self.key.to_pkcs8_pem()
    }

    /// Signs a payload; the compact form.
    pub fn sign(&self, payload: &[u8]) -> String {
        let header = Header { alg: "ES256".to_owned(), kid: self.kid.clone() };
        let header = serde_json::to_vec(&header).expect("two texts have a JSON form");
        let mut compact = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
        let signature = self.key.sign(compact.as_bytes());
        compact.push('.');
        compact.push_str(&BASE64URL.encode(signature));
        compact
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.kid)
    }
}

impl PublicKey {
    fn new(key: VerifyingKey) -> PublicKey {
        let ready = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.to_sec1_point(false).as_bytes());
        PublicKey { key, ready: ready.expect("a point of the curve is a key") }
    }

    /// Reads a SubjectPublicKeyInfo in PEM; `None` when it is no P-256 key.
    pub fn from_pem(pem: &str) -> Option<PublicKey> {
        VerifyingKey::from_public_key_pem(pem).ok().map(PublicKey::new)
    }

    /// SubjectPublicKeyInfo in PEM.
    pub fn to_pem(&self) -> String {
        self.key.to_public_key_pem(LineEnding::LF).expect("a P-256 key has an SPKI form")
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.key == other.key
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.key)
    }
}

/// Verifies a compact JWS; gives its `kid` and the payload's bytes.
///
/// # Errors
/// [`JwsError`].
pub(super) fn verify<'k>(
    compact: &[u8],
    key_of: impl Fn(&str) -> Option<&'k PublicKey>,
) -> Result<(String, Vec<u8>), JwsError> {
    let text = std::str::from_utf8(compact).map_err(|_| JwsError::Form)?;
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::Form);
    };
    let decode = |part: &str| BASE64URL.decode(part).map_err(|_| JwsError::Form);
    let signed = &text[..header.len() + 1 + payload.len()];
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| JwsError::Form)?;
    if header.alg != "ES256" {
        return Err(JwsError::Algorithm);
    }
    let key = key_of(&header.kid).ok_or(JwsError::Kid)?;
    let signature = decode(signature)?;
    key.ready.verify_sig(signed.as_bytes(), &signature).map_err(|_| JwsError::Signature)?;
    Ok((header.kid, decode(payload)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        let key = SecretKey::from_seed(7, "registry", "r1");
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        let other = SecretKey::from_seed(7, "switch", "r1").public();
        let compact = key.sign(b"{\"a\":1}");
        assert_eq!(compact, SecretKey::from_seed(7, "registry", "r1").sign(b"{\"a\":1}"));
        let check = |compact: &str, key: &PublicKey| {
            verify(compact.as_bytes(), |kid| (kid == "r1").then_some(key)).map(|(_, payload)| payload)
        };
        assert_eq!(check(&compact, &public), Ok(b"{\"a\":1}".to_vec()));
        let quick = SecretKey::from_seed(7, "registry", "r1").quick();
        let quickly = [1, 2].map(|_| quick.sign(b"{\"a\":1}"));
        assert_ne!(quickly[0], quickly[1], "a quick signature has chance of its own");
        for compact in quickly {
            assert_eq!(check(&compact, &public), Ok(b"{\"a\":1}".to_vec()));
        }
        assert_eq!(check(&compact, &other), Err(JwsError::Signature));
        assert_eq!(check(&compact[1..], &public), Err(JwsError::Form));
        assert_eq!(check(&format!("{compact}."), &public), Err(JwsError::Form));
        assert_eq!(
            check(&SecretKey::from_seed(7, "registry", "r2").sign(b"{}"), &public),
            Err(JwsError::Kid)
        );
        let none =
            format!("{}.{}.", BASE64URL.encode(br#"{"alg":"none","kid":"r1"}"#), BASE64URL.encode("{}"));
        assert_eq!(check(&none, &public), Err(JwsError::Algorithm));
    }
}
