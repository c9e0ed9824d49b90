//! The country's signers: one signing CA (CSCA) and the document signers under it (ICAO 9303-12).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::der;
use crate::signing::{PrivateKey, Signing};

/// Document signers of a country; citizens are spread over them.
pub(super) const DOCUMENT_SIGNERS: u64 = 3;

const EC_PUBLIC_KEY: [u32; 6] = [1, 2, 840, 10045, 2, 1];
const PRIME256V1: [u32; 7] = [1, 2, 840, 10045, 3, 1, 7];
const ECDSA_WITH_SHA256: [u32; 7] = [1, 2, 840, 10045, 4, 3, 2];

/// A signer and its certificate.
pub(super) struct Authority {
    key: PrivateKey,
    /// Name, as DER.
    pub(super) name: Vec<u8>,
    /// Serial number of its certificate, unsigned.
    pub(super) serial: Vec<u8>,
    /// Its certificate, DER.
    pub(super) certificate: Vec<u8>,
}

/// 32 bytes that belong to a seed and a role.
pub(super) fn derive(seed: u64, role: &str, number: u64) -> [u8; 32] {
    let mut mac: Hmac<Sha256> =
        Hmac::new_from_slice(&seed.to_be_bytes()).expect("HMAC takes a key of any length");
    mac.update(role.as_bytes());
    mac.update(&number.to_be_bytes());
    mac.finalize().into_bytes().into()
}

/// The P-256 key of a role: all but one of 2^32 digests are a scalar, and the next is taken then.
pub(super) fn key(seed: u64, role: &str, number: u64, signing: Signing) -> PrivateKey {
    (0..)
        .find_map(|again: u64| {
            let scalar = derive(seed, role, number.wrapping_add(again << 48));
            PrivateKey::from_scalar(&scalar, signing)
        })
        .expect("some digest is a scalar")
}

/// SubjectPublicKeyInfo of a P-256 key, with the named curve.
pub(super) fn public_key(key: &PrivateKey) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid(&EC_PUBLIC_KEY), &der::oid(&PRIME256V1)]);
    der::sequence(&[&algorithm, &der::bits(key.point())])
}

/// AlgorithmIdentifier of ECDSA with SHA-256.
pub(super) fn ecdsa_with_sha256() -> Vec<u8> {
    der::sequence(&[&der::oid(&ECDSA_WITH_SHA256)])
}

impl Authority {
    /// The country signing CA: it certifies itself.
    pub(super) fn csca(seed: u64, signing: Signing) -> Authority {
        let key = key(seed, "CSCA", 0, signing);
        let name = distinguished_name("Synthetic CSCA", seed);
        let serial = derive(seed, "CSCA serial", 0)[..8].to_vec();
        let id = key_id(&key);
        let extensions = [
            extension(&[2, 5, 29, 19], true, &der::sequence(&[&[1, 1, 0xFF], &[2, 1, 0]])),
            key_usage(&[0x01, 0x06]),
            extension(&[2, 5, 29, 14], false, &der::octets(&id)),
            authority_key_id(&id),
        ];
        let validity = (*b"210101000000Z", *b"460101000000Z");
        let certificate = certify(&key, &name, &name, &serial, validity, &key, &extensions);
        Authority { key, name, serial, certificate }
    }

    /// A document signer under the CSCA.
    pub(super) fn document_signer(seed: u64, number: u64, csca: &Authority, signing: Signing) -> Authority {
        let key = key(seed, "document signer", number, signing);
        let name = distinguished_name(&format!("Synthetic document signer {number}"), seed);
        let serial = derive(seed, "document signer serial", number)[..8].to_vec();
        let extensions = [
            key_usage(&[0x07, 0x80]),
            extension(&[2, 5, 29, 14], false, &der::octets(&key_id(&key))),
            authority_key_id(&key_id(&csca.key)),
        ];
        let validity = (*b"210201000000Z", *b"451201000000Z");
        let certificate = certify(&csca.key, &csca.name, &name, &serial, validity, &key, &extensions);
        Authority { key, name: csca.name.clone(), serial, certificate }
    }

    /// The revocation list of this authority, DER: serial numbers, unsigned, and when it was made, as UTCTime.
    pub(super) fn revocation_list(&self, serials: &[&[u8]], made_at: &[u8; 13]) -> Vec<u8> {
        let at = der::element(0x17, made_at);
        let entries: Vec<Vec<u8>> =
            serials.iter().map(|serial| der::sequence(&[&der::unsigned(serial), &at])).collect();
        // An empty list of entries is left out (RFC 5280, 5.1.2.6).
        let entries = if entries.is_empty() { Vec::new() } else { der::element(0x30, &entries.concat()) };
        let number = extension(&[2, 5, 29, 20], false, &der::unsigned(&[1]));
        let extensions = [authority_key_id(&key_id(&self.key)), number].concat();
        let to_be_signed = der::sequence(&[
            &der::unsigned(&[1]),
            &ecdsa_with_sha256(),
            &self.name,
            &at,
            &entries,
            &der::context(0, &der::element(0x30, &extensions)),
        ]);
        der::sequence(&[&to_be_signed, &ecdsa_with_sha256(), &der::bits(&self.sign(&to_be_signed))])
    }

    /// Signs; DER.
    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        sign(&self.key, bytes)
    }
}

fn sign(key: &PrivateKey, bytes: &[u8]) -> Vec<u8> {
    der::ecdsa_signature(&key.sign(bytes))
}

/// C=VN, O=…, CN=…; the seed tells countries apart.
fn distinguished_name(common_name: &str, seed: u64) -> Vec<u8> {
    let part = |arcs: &[u32], tag: u8, text: &str| {
        let pair = der::sequence(&[&der::oid(arcs), &der::element(tag, text.as_bytes())]);
        der::set_of(vec![pair])
    };
    der::sequence(&[
        &part(&[2, 5, 4, 6], 0x13, "VN"),
        &part(&[2, 5, 4, 10], 0x0C, &format!("Synthetic population {seed}")),
        &part(&[2, 5, 4, 3], 0x0C, common_name),
    ])
}

fn certify(
    issuer_key: &PrivateKey,
    issuer: &[u8],
    subject: &[u8],
    serial: &[u8],
    (from, until): ([u8; 13], [u8; 13]),
    subject_key: &PrivateKey,
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let to_be_signed = der::sequence(&[
        &der::context(0, &der::unsigned(&[2])),
        &der::unsigned(serial),
        &ecdsa_with_sha256(),
        issuer,
        &der::sequence(&[&der::element(0x17, &from), &der::element(0x17, &until)]),
        subject,
        &public_key(subject_key),
        &der::context(3, &der::element(0x30, &extensions.concat())),
    ]);
    let signature = sign(issuer_key, &to_be_signed);
    der::sequence(&[&to_be_signed, &ecdsa_with_sha256(), &der::bits(&signature)])
}

fn extension(arcs: &[u32], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xFF] } else { &[] };
    der::sequence(&[&der::oid(arcs), flag, &der::octets(value)])
}

/// `unused_and_bits`: unused bits, then the bits themselves.
fn key_usage(unused_and_bits: &[u8]) -> Vec<u8> {
    extension(&[2, 5, 29, 15], true, &der::element(0x03, unused_and_bits))
}

fn authority_key_id(id: &[u8]) -> Vec<u8> {
    extension(&[2, 5, 29, 35], false, &der::sequence(&[&der::element(0x80, id)]))
}

/// Twenty bytes that name a key.
fn key_id(key: &PrivateKey) -> Vec<u8> {
    Sha256::digest(public_key(key))[..20].to_vec()
}
