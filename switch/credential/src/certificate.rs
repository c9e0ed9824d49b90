//! Certificates of document signers and of the authority over them (ICAO 9303-12, section 7.1; RFC 5280).

use aws_lc_rs::digest;
use const_oid::AssociatedOid;
use der::{Decode, Encode, Tag};
use thiserror::Error;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectKeyIdentifier};

use crate::algorithm::{Algorithm, Algorithms, Scheme};
use crate::asn1::Cursor;
use crate::key::PublicKey;

/// The most bytes of a certificate: a SOD, which holds one, has 2,997.
const CERTIFICATE_BYTES_MAX: usize = 8_192;

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not DER of an X.509 certificate of version 3, or more than 8,192 bytes.
    #[error("not an X.509 certificate of version 3 in DER")]
    Form,
    /// The algorithm outside is not the one that was signed, or no known one.
    #[error("the signature algorithm is not known, or not the one that was signed")]
    Algorithm,
    /// The public key is of no known kind.
    #[error("the public key is of no known kind")]
    Key,
    /// An extension is malformed, stands twice, or is critical and not known.
    #[error("an extension is malformed, stands twice, or is critical and not known")]
    Extension,
    /// Basic constraints or key usage do not fit what the certificate is for.
    #[error("basic constraints or key usage do not fit")]
    Usage,
    /// A self-signed certificate whose signature does not verify.
    #[error("the certificate's own signature is wrong")]
    Signature,
    /// The algorithm is known, but not allowed here.
    #[error("{} is not allowed", .0.name())]
    NotAllowed(Algorithm),
}

/// A certificate whose parts were read and whose form was checked; its signature was not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Certificate {
    pub(crate) sha256: [u8; 32],
    /// DER of the names.
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    /// RFC 4514.
    pub(crate) issuer_text: String,
    pub(crate) subject_text: String,
    /// Content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    /// Seconds since 1970, both included.
    pub(crate) valid_from_s: i64,
    pub(crate) valid_to_s: i64,
    pub(crate) key: PublicKey,
    pub(crate) is_authority: bool,
    pub(crate) usage: Option<Usage>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    pub(crate) authority_key_id: Option<Vec<u8>>,
    /// What was signed, how, and the signature.
    signed: Vec<u8>,
    scheme: Scheme,
    signature: Vec<u8>,
}

/// The key usages that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    pub(crate) signs_data: bool,
    pub(crate) signs_certificates: bool,
    pub(crate) signs_lists: bool,
}

impl Certificate {
    /// Reads a certificate; nothing may follow it.
    pub(crate) fn parse(der: &[u8]) -> Result<Certificate, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Form);
        }
        let whole = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError::Form)?;
        let mut cursor = Cursor::new(der).and_then(|mut outer| outer.enter(Tag::Sequence));
        let mut part = |tag| {
            let cursor = cursor.as_mut().map_err(|_| CertificateError::Form)?;
            cursor.take_whole(tag).map_err(|_| CertificateError::Form)
        };
        let (signed, algorithm, signature) =
            (part(Tag::Sequence)?, part(Tag::Sequence)?, part(Tag::BitString)?);
        let tbs = whole.tbs_certificate();
        // A decoder that is lax anywhere would make two byte strings one certificate.
        if tbs.to_der().ok().as_deref() != Some(signed) || tbs.version() != Version::V3 {
            return Err(CertificateError::Form);
        }
        if tbs.signature().to_der().ok().as_deref() != Some(algorithm) {
            return Err(CertificateError::Algorithm);
        }
        let scheme = Scheme::from_certificate(algorithm).ok_or(CertificateError::Algorithm)?;
        let signature = Cursor::new(signature).and_then(|mut cursor| cursor.whole_bits());
        let spki = tbs.subject_public_key_info().to_der().map_err(|_| CertificateError::Key)?;
        let extensions = Extensions::read(tbs)?;
        let name = |name: &x509_cert::name::Name| name.to_der().map_err(|_| CertificateError::Form);
        let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs() as i64;
        Ok(Certificate {
            sha256: sha256(der),
            issuer: name(tbs.issuer())?,
            subject: name(tbs.subject())?,
            issuer_text: tbs.issuer().to_string(),
            subject_text: tbs.subject().to_string(),
            serial: tbs.serial_number().as_bytes().to_vec(),
            valid_from_s: seconds(&tbs.validity().not_before),
            valid_to_s: seconds(&tbs.validity().not_after),
            key: PublicKey::from_spki(&spki).map_err(|_| CertificateError::Key)?,
            is_authority: extensions.constraints.is_some_and(|constraints| constraints.ca),
            usage: extensions.usage.map(|usage| Usage {
                signs_data: usage.digital_signature(),
                signs_certificates: usage.key_cert_sign(),
                signs_lists: usage.crl_sign(),
            }),
            subject_key_id: extensions.subject_key_id.map(|id| id.0.as_bytes().to_vec()),
            authority_key_id: extensions
                .authority_key_id
                .and_then(|id| id.key_identifier.map(|id| id.as_bytes().to_vec())),
            signed: signed.to_vec(),
            scheme,
            signature: signature.map_err(|_| CertificateError::Form)?.to_vec(),
        })
    }

    /// Whether another certificate's key signed this one, and by which algorithm.
    pub(crate) fn signed_by(
        &self,
        issuer: &Certificate,
        allowed: Algorithms,
    ) -> Result<(), CertificateError> {
        issuer.has_signed(self.scheme, &self.signed, &self.signature, allowed)
    }

    /// Whether this certificate's key has signed bytes, by an allowed algorithm.
    pub(crate) fn has_signed(
        &self,
        scheme: Scheme,
        signed: &[u8],
        signature: &[u8],
        allowed: Algorithms,
    ) -> Result<(), CertificateError> {
        let algorithm = self.key.algorithm(scheme).ok_or(CertificateError::Algorithm)?;
        if !allowed.allow(algorithm) {
            return Err(CertificateError::NotAllowed(algorithm));
        }
        if self.key.verifies(scheme, signed, signature) { Ok(()) } else { Err(CertificateError::Signature) }
    }

    /// Whether a second lies within the validity.
    pub(crate) fn is_valid_at(&self, now_s: i64) -> bool {
        (self.valid_from_s..=self.valid_to_s).contains(&now_s)
    }
}

/// The extensions that are read. Others are taken unread unless they are critical.
struct Extensions {
    constraints: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
    subject_key_id: Option<SubjectKeyIdentifier>,
    authority_key_id: Option<AuthorityKeyIdentifier>,
}

impl Extensions {
    fn read(tbs: &x509_cert::certificate::TbsCertificate) -> Result<Extensions, CertificateError> {
        let known =
            [BasicConstraints::OID, KeyUsage::OID, SubjectKeyIdentifier::OID, AuthorityKeyIdentifier::OID];
        let all = tbs.extensions().map(Vec::as_slice).unwrap_or_default();
        if all.iter().any(|extension| extension.critical && !known.contains(&extension.extn_id)) {
            return Err(CertificateError::Extension);
        }
        fn one<'a, T: Decode<'a> + AssociatedOid>(
            tbs: &'a x509_cert::certificate::TbsCertificate,
        ) -> Result<Option<T>, CertificateError> {
            let found = tbs.get_extension::<T>().map_err(|_| CertificateError::Extension)?;
            Ok(found.map(|(_, extension)| extension))
        }
        Ok(Extensions {
            constraints: one(tbs)?,
            usage: one(tbs)?,
            subject_key_id: one(tbs)?,
            authority_key_id: one(tbs)?,
        })
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
