//! Public keys as SubjectPublicKeyInfo, and signatures under them.

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use bp256::elliptic_curve::sec1::FromSec1Point;
use der::Tag;
use ecdsa::hazmat::verify_prehashed;

use crate::algorithm::{self, Algorithm, Curve, Hash, Padding, Scheme};
use crate::asn1::{Cursor, NotDer};
use crate::curve::{DOMAINS, Domain, is_hex};

/// Bytes of an RSA modulus: 2048 to 4096 bits, the most that a document signer has.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Bytes of an RSA exponent.
const EXPONENT_BYTES_MAX: usize = 4;

/// Content of OIDs: id-ecPublicKey (RFC 5480), prime-field (RFC 3279).
const EC_PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const PRIME_FIELD: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x01, 0x01];

/// A public key of a kind that this crate knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PublicKey {
    /// An uncompressed point (SEC 1, 2.3.3). Whether it lies on the curve is found when a signature is verified.
    Ec { curve: Curve, point: Vec<u8> },
    /// Big-endian, without zeros in front.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo: RSA, or an elliptic curve that is named or described in every value.
    pub(crate) fn from_spki(der: &[u8]) -> Result<PublicKey, NotDer> {
        let mut outer = Cursor::new(der)?;
        let mut spki = outer.enter(Tag::Sequence)?;
        outer.finish()?;
        let identifier = spki.take_whole(Tag::Sequence)?;
        let key = spki.whole_bits()?;
        spki.finish()?;
        if algorithm::is_rsa_key(identifier) {
            return rsa(key);
        }
        let (oid, parameters) = algorithm::split_identifier(identifier)?;
        if oid != EC_PUBLIC_KEY {
            return Err(NotDer);
        }
        let curve = curve(parameters)?;
        if key.first() != Some(&4) || key.len() != 1 + 2 * curve.field_bytes() {
            return Err(NotDer);
        }
        Ok(PublicKey::Ec { curve, point: key.to_vec() })
    }

    /// What a signature of this scheme under this key is; `None` when they do not belong together.
    pub(crate) fn algorithm(&self, scheme: Scheme) -> Option<Algorithm> {
        match (self, scheme) {
            (PublicKey::Ec { curve, .. }, Scheme::Ecdsa(_)) => Some(curve.algorithm()),
            (PublicKey::Rsa { .. }, Scheme::Rsa(Padding::Pkcs1, _)) => Some(Algorithm::RsaPkcs1),
            (PublicKey::Rsa { .. }, Scheme::Rsa(Padding::Pss, _)) => Some(Algorithm::RsaPss),
            (PublicKey::Ec { .. }, Scheme::Rsa(..)) | (PublicKey::Rsa { .. }, Scheme::Ecdsa(_)) => None,
        }
    }

    /// Whether a signature, of ECDSA in DER, is this key's over the message.
    pub(crate) fn verifies(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        match (self, scheme) {
            (PublicKey::Ec { curve, point }, Scheme::Ecdsa(hash)) => plain(*curve, signature)
                .is_ok_and(|plain| verifies_ecdsa(*curve, point, hash, message, &plain)),
            (PublicKey::Rsa { modulus, exponent }, Scheme::Rsa(padding, hash)) => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(rsa_parameters(padding, hash), message, signature).is_ok()
            }
            (PublicKey::Ec { .. }, Scheme::Rsa(..)) | (PublicKey::Rsa { .. }, Scheme::Ecdsa(_)) => false,
        }
    }
}

/// Whether r and s, each as long as a coordinate, are a signature over the message.
pub(crate) fn verifies_ecdsa(curve: Curve, point: &[u8], hash: Hash, message: &[u8], plain: &[u8]) -> bool {
    if plain.len() != 2 * curve.field_bytes() {
        return false;
    }
    match curve {
        Curve::P256 | Curve::P384 => {
            let key = UnparsedPublicKey::new(ecdsa_algorithm(curve, hash), point);
            key.verify(message, &ecdsa_der(plain)).is_ok()
        }
        Curve::BrainpoolP256r1 => {
            let digest = hash.digest(message);
            let point = bp256::r1::AffinePoint::from_sec1_bytes(point);
            let signature = ecdsa::Signature::<bp256::BrainpoolP256r1>::from_slice(plain);
            matches!((point, signature), (Ok(point), Ok(signature))
                if verify_prehashed(&point.into(), digest.as_ref(), &signature).is_ok())
        }
        Curve::BrainpoolP384r1 => {
            let digest = hash.digest(message);
            let point = bp384::r1::AffinePoint::from_sec1_bytes(point);
            let signature = ecdsa::Signature::<bp384::BrainpoolP384r1>::from_slice(plain);
            matches!((point, signature), (Ok(point), Ok(signature))
                if verify_prehashed(&point.into(), digest.as_ref(), &signature).is_ok())
        }
    }
}

/// RSAPublicKey (RFC 8017, A.1.1).
fn rsa(der: &[u8]) -> Result<PublicKey, NotDer> {
    let mut outer = Cursor::new(der)?;
    let mut key = outer.enter(Tag::Sequence)?;
    outer.finish()?;
    let (modulus, exponent) = (key.unsigned()?, key.unsigned()?);
    key.finish()?;
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let is_rsa = MODULUS_BYTES.contains(&modulus.len())
        && exponent.len() <= EXPONENT_BYTES_MAX
        && exponent != [1]
        && is_odd(modulus)
        && is_odd(exponent);
    if !is_rsa {
        return Err(NotDer);
    }
    Ok(PublicKey::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

/// The curve of EcpkParameters (RFC 3279, 2.3.5): an OID, or domain parameters that are a listed curve's.
fn curve(parameters: &[u8]) -> Result<Curve, NotDer> {
    let mut cursor = Cursor::new(parameters)?;
    let found = if cursor.next_is(Tag::ObjectIdentifier) {
        let oid = cursor.take(Tag::ObjectIdentifier)?;
        DOMAINS.iter().find(|domain| domain.oid == oid)
    } else {
        let whole = cursor.take(Tag::Sequence)?;
        DOMAINS.iter().find(|domain| is_domain(whole, domain) == Ok(true))
    };
    cursor.finish()?;
    found.map(|domain| domain.curve).ok_or(NotDer)
}

/// Whether the fields of ECParameters are those of this curve, all of them.
fn is_domain(parameters: &[u8], domain: &Domain) -> Result<bool, NotDer> {
    let mut cursor = Cursor::new(parameters)?;
    let version = cursor.unsigned()?;
    let mut field = cursor.enter(Tag::Sequence)?;
    let (kind, prime) = (field.take(Tag::ObjectIdentifier)?, field.unsigned()?);
    field.finish()?;
    let mut coefficients = cursor.enter(Tag::Sequence)?;
    let (a, b) = (coefficients.take(Tag::OctetString)?, coefficients.take(Tag::OctetString)?);
    let seed = if coefficients.is_finished() { None } else { Some(coefficients.whole_bits()?) };
    coefficients.finish()?;
    let (generator, order) = (cursor.take(Tag::OctetString)?, cursor.unsigned()?);
    let cofactor = if cursor.is_finished() { &[1] } else { cursor.unsigned()? };
    cursor.finish()?;
    Ok(version == [1]
        && kind == PRIME_FIELD
        && is_hex(prime, domain.prime)
        && is_hex(a, domain.a)
        && is_hex(b, domain.b)
        && seed.is_none_or(|seed| domain.seed.is_some_and(|hex| is_hex(seed, hex)))
        && is_hex(generator, domain.generator)
        && is_hex(order, domain.order)
        && cofactor == [1])
}

/// r and s from the DER of ECDSA-Sig-Value (RFC 3279, 2.2.3), each as long as a coordinate.
fn plain(curve: Curve, der: &[u8]) -> Result<Vec<u8>, NotDer> {
    let mut outer = Cursor::new(der)?;
    let mut value = outer.enter(Tag::Sequence)?;
    outer.finish()?;
    let halves = [value.unsigned()?, value.unsigned()?];
    value.finish()?;
    let bytes = curve.field_bytes();
    let mut plain = vec![0; 2 * bytes];
    for (half, place) in halves.into_iter().zip([bytes, 2 * bytes]) {
        let start = if half.len() <= bytes { place - half.len() } else { return Err(NotDer) };
        plain[start..place].copy_from_slice(half);
    }
    Ok(plain)
}

/// The DER of r and s; both are at most 48 bytes, so that every length is one byte.
fn ecdsa_der(plain: &[u8]) -> Vec<u8> {
    let (r, s) = plain.split_at(plain.len() / 2);
    let integer = |half: &[u8]| {
        let zeros = half.iter().take_while(|byte| **byte == 0).count().min(half.len() - 1);
        let digits = &half[zeros..];
        let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
        [&[0x02, (sign.len() + digits.len()) as u8], sign, digits].concat()
    };
    let content = [integer(r), integer(s)].concat();
    [&[0x30, content.len() as u8], content.as_slice()].concat()
}

fn ecdsa_algorithm(curve: Curve, hash: Hash) -> &'static EcdsaVerificationAlgorithm {
    match (curve.field_bytes(), hash) {
        (32, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (32, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (32, Hash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (_, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (_, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (_, Hash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
    }
}

fn rsa_parameters(padding: Padding, hash: Hash) -> &'static RsaParameters {
    match (padding, hash) {
        (Padding::Pkcs1, Hash::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Padding::Pkcs1, Hash::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Padding::Pkcs1, Hash::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Padding::Pss, Hash::Sha256) => &signature::RSA_PSS_2048_8192_SHA256,
        (Padding::Pss, Hash::Sha384) => &signature::RSA_PSS_2048_8192_SHA384,
        (Padding::Pss, Hash::Sha512) => &signature::RSA_PSS_2048_8192_SHA512,
    }
}
