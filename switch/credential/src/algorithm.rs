//! Which algorithms there are, how they are written in DER, and which of them a switch allows.

use std::fmt;

use aws_lc_rs::digest;
use thiserror::Error;

use crate::asn1::{Cursor, NotDer};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A way to sign. What is not listed is never taken; [`Algorithms`] says which of these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on brainpoolP256r1 (RFC 5639).
    EcdsaBrainpoolP256r1,
    /// ECDSA on brainpoolP384r1 (RFC 5639).
    EcdsaBrainpoolP384r1,
    /// RSASSA-PKCS1-v1_5 (RFC 8017), 2048 to 4096 bits.
    RsaPkcs1,
    /// RSASSA-PSS (RFC 8017), 2048 to 4096 bits; MGF1 with the same hash, salt as long as the hash.
    RsaPss,
    /// ISO/IEC 9796-2 scheme 1 with 2048 bits: active authentication alone (ICAO 9303-11, 6.1).
    RsaIso9796,
}

/// The algorithms that a switch allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Algorithms(u8);

/// A name that no algorithm has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is none of {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownAlgorithm {
    /// The name.
    pub name: String,
}

const NAMES: [(&str, Algorithm); 7] = [
    ("ecdsa-p256", Algorithm::EcdsaP256),
    ("ecdsa-p384", Algorithm::EcdsaP384),
    ("ecdsa-brainpoolp256r1", Algorithm::EcdsaBrainpoolP256r1),
    ("ecdsa-brainpoolp384r1", Algorithm::EcdsaBrainpoolP384r1),
    ("rsa-pkcs1", Algorithm::RsaPkcs1),
    ("rsa-pss", Algorithm::RsaPss),
    ("rsa-iso9796-2", Algorithm::RsaIso9796),
];

/// An elliptic curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    BrainpoolP256r1,
    BrainpoolP384r1,
}

/// How a signature is made, as its AlgorithmIdentifier says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// With the curve of the key.
    Ecdsa(Hash),
    Rsa(Padding, Hash),
}

/// How RSA pads what it signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    Pkcs1,
    Pss,
}

const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];

const OID_ECDSA_WITH: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
const OID_PKCS1: &[u8] = &[0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
const OID_SHA2: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
const NULL: &[u8] = &[0x05, 0x00];

/// The last arcs of OIDs under [`OID_PKCS1`].
const RSA_ENCRYPTION: u8 = 1;
const MGF1: u8 = 8;
const RSASSA_PSS: u8 = 10;

impl Hash {
    /// The hash of DF23: 1, 2 or 3.
    pub fn from_code(code: u8) -> Option<Hash> {
        HASHES.into_iter().find(|hash| hash.code() == code)
    }

    /// The hash as DF23 writes it.
    pub fn code(self) -> u8 {
        match self {
            Hash::Sha256 => 1,
            Hash::Sha384 => 2,
            Hash::Sha512 => 3,
        }
    }

    /// Bytes of a digest.
    pub fn digest_bytes(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    /// `sha256`, `sha384`, `sha512`.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha384 => "sha384",
            Hash::Sha512 => "sha512",
        }
    }

    /// The digest of bytes.
    pub(crate) fn digest(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }

    /// Reads the AlgorithmIdentifier of a hash; parameters are absent or NULL (RFC 5754, section 2).
    pub(crate) fn from_identifier(der: &[u8]) -> Option<Hash> {
        HASHES.into_iter().find(|hash| [true, false].into_iter().any(|null| hash.identifier(null) == der))
    }

    /// The AlgorithmIdentifier, with parameters NULL or without.
    fn identifier(self, null: bool) -> Vec<u8> {
        sequence(&[OID_SHA2, &[self.code()], if null { NULL } else { &[] }])
    }
}

impl Curve {
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Curve::P256 => Algorithm::EcdsaP256,
            Curve::P384 => Algorithm::EcdsaP384,
            Curve::BrainpoolP256r1 => Algorithm::EcdsaBrainpoolP256r1,
            Curve::BrainpoolP384r1 => Algorithm::EcdsaBrainpoolP384r1,
        }
    }

    /// Bytes of a coordinate, and of each half of a plain signature.
    pub(crate) fn field_bytes(self) -> usize {
        match self {
            Curve::P256 | Curve::BrainpoolP256r1 => 32,
            Curve::P384 | Curve::BrainpoolP384r1 => 48,
        }
    }
}

impl Algorithm {
    /// The name that configuration has for it.
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }
}

impl Algorithms {
    /// All that there are.
    pub fn all() -> Algorithms {
        Algorithms((1 << NAMES.len()) - 1)
    }

    /// The algorithms with these names, as `ecdsa-p256`.
    ///
    /// # Errors
    /// The first name that no algorithm has.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Algorithms, UnknownAlgorithm> {
        names.into_iter().try_fold(Algorithms(0), |all, name| {
            let found = NAMES.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, algorithm)| Algorithms(all.0 | algorithm.bit()))
                .ok_or_else(|| UnknownAlgorithm { name: name.to_owned() })
        })
    }

    /// Whether the algorithm is one of them.
    pub fn allow(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// The set as one byte, for digests.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }
}

impl Algorithm {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allowed = NAMES.iter().filter(|(_, algorithm)| self.allow(*algorithm)).map(|(name, _)| name);
        f.debug_set().entries(allowed).finish()
    }
}

impl Scheme {
    /// Reads the AlgorithmIdentifier of a certificate's signature. Each has one form, byte for byte (RFC 5758, RFC
    /// 4055); of PSS the NULLs of the hashes may be absent.
    pub(crate) fn from_certificate(der: &[u8]) -> Option<Scheme> {
        let pkcs1 = |hash: Hash| sequence(&[OID_PKCS1, &[10 + hash.code()], NULL]) == der;
        HASHES
            .into_iter()
            .find(|hash| pkcs1(*hash))
            .map(|hash| Scheme::Rsa(Padding::Pkcs1, hash))
            .or_else(|| Scheme::shared(der))
    }

    /// Reads the AlgorithmIdentifier of a signer info, whose hash stands beside it. PKCS#1 is `rsaEncryption` alone
    /// (RFC 5754, 3.2, MUST): were `sha256WithRSAEncryption` taken too, one byte could be changed to no effect.
    pub(crate) fn from_signer_info(der: &[u8], hash: Hash) -> Option<Scheme> {
        if sequence(&[OID_PKCS1, &[RSA_ENCRYPTION], NULL]) == der {
            return Some(Scheme::Rsa(Padding::Pkcs1, hash));
        }
        Scheme::shared(der).filter(|scheme| scheme.hash() == hash)
    }

    pub(crate) fn hash(self) -> Hash {
        match self {
            Scheme::Ecdsa(hash) | Scheme::Rsa(_, hash) => hash,
        }
    }

    fn shared(der: &[u8]) -> Option<Scheme> {
        let ecdsa = |hash: Hash| sequence(&[OID_ECDSA_WITH, &[1 + hash.code()]]) == der;
        if let Some(hash) = HASHES.into_iter().find(|hash| ecdsa(*hash)) {
            return Some(Scheme::Ecdsa(hash));
        }
        HASHES
            .into_iter()
            .find(|hash| [true, false].into_iter().any(|null| pss(*hash, null) == der))
            .map(|hash| Scheme::Rsa(Padding::Pss, hash))
    }
}

/// Whether an AlgorithmIdentifier is `rsaEncryption` with NULL: what an RSA key says of itself (RFC 3279, 2.3.1).
pub(crate) fn is_rsa_key(der: &[u8]) -> bool {
    sequence(&[OID_PKCS1, &[RSA_ENCRYPTION], NULL]) == der
}

/// The AlgorithmIdentifier of RSASSA-PSS (RFC 4055, section 3.1): the fields that are there differ from their defaults,
/// and the trailer is the default.
fn pss(hash: Hash, null: bool) -> Vec<u8> {
    let inner = hash.identifier(null);
    let mask = sequence(&[OID_PKCS1, &[MGF1], &inner]);
    let salt = [0x02, 0x01, hash.digest_bytes() as u8];
    let parameters = sequence(&[&tlv(0xA0, &[&inner]), &tlv(0xA1, &[&mask]), &tlv(0xA2, &[&salt])]);
    sequence(&[OID_PKCS1, &[RSASSA_PSS], &parameters])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

/// Identifiers are shorter than 128 bytes: a length is one byte.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, content.len() as u8], content.as_slice()].concat()
}

/// Splits an AlgorithmIdentifier into the content of its OID and the element of its parameters.
pub(crate) fn split_identifier(der: &[u8]) -> Result<(&[u8], &[u8]), NotDer> {
    let mut outer = Cursor::new(der)?;
    let content = outer.take(der::Tag::Sequence)?;
    outer.finish()?;
    let mut cursor = Cursor::new(content)?;
    let oid = cursor.take_whole(der::Tag::ObjectIdentifier)?;
    Ok((&oid[2..], &content[oid.len()..]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_those_of_the_algorithms() {
        for (name, algorithm) in NAMES {
            assert_eq!(algorithm.name(), name);
            let only = Algorithms::from_names([name]).unwrap();
            assert!(NAMES.iter().all(|(_, other)| only.allow(*other) == (*other == algorithm)), "{name}");
            assert!(Algorithms::all().allow(algorithm));
        }
        let error = Algorithms::from_names(["ecdsa-p256", "rsa"]).unwrap_err();
        assert!(error.to_string().starts_with("`rsa` is none of ecdsa-p256, ecdsa-p384, "), "{error}");
    }

    /// RFC 5754 and RFC 5758 forms, as openssl writes them.
    #[test]
    fn identifiers_have_one_form() {
        let ecdsa = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
        assert_eq!(Scheme::from_certificate(&ecdsa), Some(Scheme::Ecdsa(Hash::Sha256)));
        assert_eq!(Scheme::from_signer_info(&ecdsa, Hash::Sha256), Some(Scheme::Ecdsa(Hash::Sha256)));
        assert_eq!(Scheme::from_signer_info(&ecdsa, Hash::Sha384), None);
        let with_null = [&[0x30, 0x0C], &ecdsa[2..], &[5, 0]].concat();
        assert_eq!(Scheme::from_certificate(&with_null), None);
        let combined = sequence(&[OID_PKCS1, &[11], NULL]);
        assert_eq!(Scheme::from_certificate(&combined), Some(Scheme::Rsa(Padding::Pkcs1, Hash::Sha256)));
        assert_eq!(Scheme::from_signer_info(&combined, Hash::Sha256), None);
        assert_eq!(pss(Hash::Sha256, true).len(), 67);
        assert_eq!(
            Scheme::from_certificate(&pss(Hash::Sha512, false)),
            Some(Scheme::Rsa(Padding::Pss, Hash::Sha512))
        );
    }
}
