//! Passive authentication: the chip's security object, whether an authority stands behind it, and what it signs.
//!
//! Every byte is either signed, equal to a signed copy, or a constant: none can be changed unnoticed.

use mutant::Mutant;
use std::fmt;
use std::sync::Arc;

use der::Tag;
use thiserror::Error;

use crate::algorithm::{Algorithm, Hash, Scheme};
use crate::asn1::{Cursor, NotDer, context, file};
use crate::certificate::{Certificate, CertificateError, sha256};
use crate::revocation::revoked_name;
use crate::trust::{KnownSigner, TrustStore};

/// The most bytes of a SOD: what DE113 to 115 carry (docs/interface.md).
pub const SOD_BYTES_MAX: usize = 2_997;

/// Data groups that a SOD can name (ICAO 9303-10, 4.6.2.1).
const GROUPS: std::ops::RangeInclusive<u8> = 1..=16;

/// Contents of OBJECT IDENTIFIERs: signedData, contentType, messageDigest (RFC 5652); ldsSecurityObject (ICAO 9303-10).
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
const CONTENT_TYPE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
const LDS_SECURITY_OBJECT: &[u8] = &[0x67, 0x81, 0x08, 0x01, 0x01, 0x01];

/// What a verified SOD says.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedSod {
    /// SHA-256 of the SOD, as DF12 has it.
    pub sod_sha256: [u8; 32],
    /// The issuer of the document signer's certificate (RFC 4514).
    pub dsc_issuer: String,
    /// Its serial number, high byte first, without zeros in front.
    pub dsc_serial: Vec<u8>,
    /// The authority behind it: the first 8 bytes of SHA-256 of its certificate.
    pub csca_id: [u8; 8],
    /// The last second, since 1970, at which both certificates are valid.
    pub valid_until_s: i64,
    hash: Hash,
    dg1: Vec<u8>,
    dg15: Vec<u8>,
    generation: [u8; 32],
    /// SHA-256 of the authority's name, DER, and the signer's name in revocation lists.
    pub(crate) issuer: [u8; 32],
    pub(crate) revoked_name: [u8; 32],
}

/// Why a SOD is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SodError {
    /// Longer than DE113 to 115 can carry.
    #[error("more than {SOD_BYTES_MAX} bytes")]
    TooLong,
    /// Not the DER of a SOD, or more in it than a SOD has.
    #[error("the SOD is malformed in its {0}")]
    Form(SodPart),
    /// An algorithm that is not known, or that does not fit what stands beside it.
    #[error("an algorithm of the {0} is not known or does not fit")]
    Algorithm(SodPart),
    /// The algorithm is known, but not allowed here.
    #[error("{} is not allowed", .0.name())]
    NotAllowed(Algorithm),
    /// The digest that was signed is not the content's.
    #[error("the content is not the one that was signed")]
    Content,
    /// The document signer's signature is wrong.
    #[error("the document signer's signature is wrong")]
    Signature,
    /// The document signer's certificate is refused.
    #[error("document signer: {0}")]
    Signer(CertificateError),
    /// No trusted authority has the issuer's name and key id.
    #[error("no trusted authority has the name and key of the document signer's issuer")]
    UnknownAuthority,
    /// The document signer's certificate is not valid now.
    #[error("the document signer's certificate is not valid now")]
    SignerExpired,
    /// The authority's certificate is not valid now.
    #[error("the authority's certificate is not valid now")]
    AuthorityExpired,
    /// DG1 or DG15 is not among what is signed.
    #[error("data group {0} is not signed")]
    Group(u8),
}

/// A part of a SOD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SodPart {
    /// ContentInfo and the file's tag around it.
    Envelope,
    /// SignedData.
    SignedData,
    /// The LDS security object: the digests of the data groups.
    Content,
    /// SignerInfo.
    SignerInfo,
    /// Its signed attributes.
    Attributes,
}

impl VerifiedSod {
    /// Verifies a SOD at a second since 1970: form, signature, chain, validity, key usage, algorithms. Whether its signer
    /// is revoked says [`TrustStore::check_revocation`], at each use.
    ///
    /// # Errors
    /// [`SodError`], the first thing that is wrong.
    pub fn verify(sod: &[u8], trust: &TrustStore, now_s: i64) -> Result<VerifiedSod, SodError> {
        if sod.len() > SOD_BYTES_MAX {
            return Err(SodError::TooLong);
        }
        let parts = Parts::split(sod)?;
        let known = known_signer(parts.certificate, trust)?;
        let (signer, authority) = (&known.certificate, trust.authority(known.authority));
        let scheme = parts.check_signer_info(signer)?;
        let content = Content::read(parts.content)?;
        let algorithm = signer.key.algorithm(scheme).ok_or(SodError::Algorithm(SodPart::SignerInfo))?;
        if !trust.algorithms().allow(algorithm) {
            return Err(SodError::NotAllowed(algorithm));
        }
        if !signer.is_valid_at(now_s) && !mutant::is(Mutant::ExpiredSignerTaken) {
            return Err(SodError::SignerExpired);
        }
        if !authority.is_valid_at(now_s) {
            return Err(SodError::AuthorityExpired);
        }
        let is_signed = signer.key.verifies(scheme, &parts.signed_bytes(), parts.signature);
        if !is_signed && !mutant::is(Mutant::SodSignatureUnchecked) {
            return Err(SodError::Signature);
        }
        let issuer = sha256(&signer.issuer);
        let group = |number: u8| content.group(number).map(<[u8]>::to_vec).ok_or(SodError::Group(number));
        Ok(VerifiedSod {
            sod_sha256: sha256(sod),
            dsc_issuer: signer.issuer_text.clone(),
            dsc_serial: signer.serial.strip_prefix(&[0]).unwrap_or(&signer.serial).to_vec(),
            csca_id: *authority.sha256.first_chunk().expect("SHA-256 has 32 bytes"),
            valid_until_s: signer.valid_to_s.min(authority.valid_to_s),
            hash: content.hash,
            dg1: group(1)?,
            dg15: group(15)?,
            generation: trust.generation(),
            issuer,
            revoked_name: revoked_name(&issuer, &signer.serial),
        })
    }

    /// Whether this is the DG1 that was signed.
    pub fn signs_dg1(&self, dg1: &[u8]) -> bool {
        self.hash.digest(dg1).as_ref() == self.dg1
    }

    /// Whether this is the DG15 that was signed.
    pub fn signs_dg15(&self, dg15: &[u8]) -> bool {
        self.hash.digest(dg15).as_ref() == self.dg15
    }

    /// Whether the verdict still holds: same authorities and algorithms, certificates valid.
    pub fn holds(&self, trust: &TrustStore, now_s: i64) -> bool {
        let is_of_these = self.generation == trust.generation() || mutant::is(Mutant::VerdictOfBeforeHolds);
        is_of_these && now_s <= self.valid_until_s
    }
}

impl fmt::Debug for VerifiedSod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedSod")
            .field("dsc_issuer", &self.dsc_issuer)
            .field("dsc_serial", &self.dsc_serial)
            .field("csca_id", &self.csca_id)
            .field("valid_until_s", &self.valid_until_s)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SodPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SodPart::Envelope => "envelope",
            SodPart::SignedData => "SignedData",
            SodPart::Content => "LDS security object",
            SodPart::SignerInfo => "SignerInfo",
            SodPart::Attributes => "signed attributes",
        })
    }
}

/// A SOD taken apart: one signer, one certificate, no revocation lists, no unsigned attributes.
struct Parts<'a> {
    /// AlgorithmIdentifier of the one digest algorithm.
    digest_algorithm: &'a [u8],
    content: &'a [u8],
    certificate: &'a [u8],
    signer: SignerId<'a>,
    signer_digest_algorithm: &'a [u8],
    attributes: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

/// How a signer info names its certificate (RFC 5652, 5.3).
enum SignerId<'a> {
    /// DER of the issuer's name, content of the serial number.
    IssuerAndSerial(&'a [u8], &'a [u8]),
    KeyId(&'a [u8]),
}

impl<'a> Parts<'a> {
    fn split(sod: &'a [u8]) -> Result<Parts<'a>, SodError> {
        let signed_data = envelope(sod).map_err(|_| SodError::Form(SodPart::Envelope))?;
        Parts::signed_data(signed_data)
    }

    fn signed_data(mut cursor: Cursor<'a>) -> Result<Parts<'a>, SodError> {
        let malformed = |_: NotDer| SodError::Form(SodPart::SignedData);
        // RFC 5652, 5.1: 3, as the content is not plain data.
        if cursor.unsigned().map_err(malformed)? != [3] {
            return Err(SodError::Form(SodPart::SignedData));
        }
        let digest_algorithm = one(cursor.enter(Tag::Set), Tag::Sequence).map_err(malformed)?;
        let content = encapsulated(cursor.enter(Tag::Sequence)).map_err(malformed)?;
        let certificate = one(cursor.enter(context(0, true)), Tag::Sequence).map_err(malformed)?;
        let signer_info = one(cursor.enter(Tag::Set), Tag::Sequence).map_err(malformed)?;
        cursor.finish().map_err(malformed)?;
        Parts::signer_info(signer_info, digest_algorithm, content, certificate)
            .map_err(|_| SodError::Form(SodPart::SignerInfo))
    }

    fn signer_info(
        signer_info: &'a [u8],
        digest_algorithm: &'a [u8],
        content: &'a [u8],
        certificate: &'a [u8],
    ) -> Result<Parts<'a>, NotDer> {
        let mut cursor = Cursor::new(signer_info)?.enter(Tag::Sequence)?;
        let version = cursor.unsigned()?;
        let signer = if cursor.next_is(Tag::Sequence) {
            let mut id = cursor.enter(Tag::Sequence)?;
            let (issuer, serial) = (id.take_whole(Tag::Sequence)?, id.take(Tag::Integer)?);
            id.finish()?;
            SignerId::IssuerAndSerial(issuer, serial)
        } else {
            SignerId::KeyId(cursor.take(context(0, false))?)
        };
        let version_due = match signer {
            SignerId::IssuerAndSerial(..) => [1],
            SignerId::KeyId(_) => [3],
        };
        if version != version_due {
            return Err(NotDer);
        }
        let parts = Parts {
            digest_algorithm,
            content,
            certificate,
            signer,
            signer_digest_algorithm: cursor.take_whole(Tag::Sequence)?,
            attributes: cursor.take_whole(context(0, true))?,
            signature_algorithm: cursor.take_whole(Tag::Sequence)?,
            signature: cursor.take(Tag::OctetString)?,
        };
        cursor.finish()?;
        Ok(parts)
    }

    /// Checks all that the signer info says, but for the signature itself, and gives how it was made.
    fn check_signer_info(&self, signer: &Certificate) -> Result<Scheme, SodError> {
        let is_named = match self.signer {
            SignerId::IssuerAndSerial(issuer, serial) => issuer == signer.issuer && serial == signer.serial,
            SignerId::KeyId(id) => signer.subject_key_id.as_deref() == Some(id),
        };
        if !is_named {
            return Err(SodError::Form(SodPart::SignerInfo));
        }
        if self.digest_algorithm != self.signer_digest_algorithm {
            return Err(SodError::Algorithm(SodPart::SignerInfo));
        }
        let hash =
            Hash::from_identifier(self.digest_algorithm).ok_or(SodError::Algorithm(SodPart::SignedData))?;
        let scheme = Scheme::from_signer_info(self.signature_algorithm, hash)
            .ok_or(SodError::Algorithm(SodPart::SignerInfo))?;
        let digest = signed_digest(self.attributes).map_err(|_| SodError::Form(SodPart::Attributes))?;
        if hash.digest(self.content).as_ref() != digest {
            return Err(SodError::Content);
        }
        Ok(scheme)
    }

    /// The attributes as they were signed: a SET, in place of the tag that carries them (RFC 5652, 5.4).
    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.attributes.to_vec();
        bytes[0] = 0x31;
        bytes
    }
}

/// The LDS security object (ICAO 9303-10, 4.6.2.1).
struct Content<'a> {
    hash: Hash,
    groups: Vec<(u8, &'a [u8])>,
}

impl<'a> Content<'a> {
    fn read(der: &'a [u8]) -> Result<Content<'a>, SodError> {
        let malformed = |_: NotDer| SodError::Form(SodPart::Content);
        let mut outer = Cursor::new(der).map_err(malformed)?;
        let mut cursor = outer.enter(Tag::Sequence).map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        let version = cursor.unsigned().map_err(malformed)?;
        let algorithm = cursor.take_whole(Tag::Sequence).map_err(malformed)?;
        let hash = Hash::from_identifier(algorithm).ok_or(SodError::Algorithm(SodPart::Content))?;
        let groups = groups(cursor.enter(Tag::Sequence), hash).map_err(malformed)?;
        // Version 1 names the versions of LDS and Unicode; nothing hangs on them.
        if version == [1] {
            cursor.take(Tag::Sequence).map_err(malformed)?;
        } else if version != [0] {
            return Err(SodError::Form(SodPart::Content));
        }
        cursor.finish().map_err(malformed)?;
        Ok(Content { hash, groups })
    }

    fn group(&self, number: u8) -> Option<&'a [u8]> {
        self.groups.iter().find(|(group, _)| *group == number).map(|(_, digest)| *digest)
    }
}

/// SignedData inside ContentInfo inside the file's tag.
fn envelope(sod: &[u8]) -> Result<Cursor<'_>, NotDer> {
    let mut outer = Cursor::new(sod)?;
    let mut inside = outer.enter(file(23))?;
    outer.finish()?;
    let mut info = inside.enter(Tag::Sequence)?;
    inside.finish()?;
    if info.take(Tag::ObjectIdentifier)? != SIGNED_DATA {
        return Err(NotDer);
    }
    let mut explicit = info.enter(context(0, true))?;
    info.finish()?;
    let signed_data = explicit.enter(Tag::Sequence)?;
    explicit.finish()?;
    Ok(signed_data)
}

/// The one element of a set.
fn one<'a>(set: Result<Cursor<'a>, NotDer>, tag: Tag) -> Result<&'a [u8], NotDer> {
    let mut set = set?;
    let element = set.take_whole(tag)?;
    set.finish()?;
    Ok(element)
}

fn encapsulated<'a>(content: Result<Cursor<'a>, NotDer>) -> Result<&'a [u8], NotDer> {
    let mut content = content?;
    if content.take(Tag::ObjectIdentifier)? != LDS_SECURITY_OBJECT {
        return Err(NotDer);
    }
    let mut explicit = content.enter(context(0, true))?;
    content.finish()?;
    let octets = explicit.take(Tag::OctetString)?;
    explicit.finish()?;
    Ok(octets)
}

/// The message digest among the signed attributes. Others, as the signing time, are signed and not read.
fn signed_digest(attributes: &[u8]) -> Result<&[u8], NotDer> {
    let mut cursor = Cursor::new(attributes)?.enter(context(0, true))?;
    let (mut content_type, mut digest) = (None, None);
    while !cursor.is_finished() {
        let mut attribute = cursor.enter(Tag::Sequence)?;
        let kind = attribute.take(Tag::ObjectIdentifier)?;
        let mut values = attribute.enter(Tag::Set)?;
        attribute.finish()?;
        let seen = match kind {
            CONTENT_TYPE => content_type.replace(values.take(Tag::ObjectIdentifier)?),
            MESSAGE_DIGEST => digest.replace(values.take(Tag::OctetString)?),
            _ => continue,
        };
        values.finish()?;
        if seen.is_some() {
            return Err(NotDer);
        }
    }
    if content_type != Some(LDS_SECURITY_OBJECT) {
        return Err(NotDer);
    }
    digest.ok_or(NotDer)
}

fn groups<'a>(groups: Result<Cursor<'a>, NotDer>, hash: Hash) -> Result<Vec<(u8, &'a [u8])>, NotDer> {
    let mut groups = groups?;
    let mut read: Vec<(u8, &[u8])> = Vec::new();
    while !groups.is_finished() {
        let mut group = groups.enter(Tag::Sequence)?;
        let (number, digest) = (group.unsigned()?, group.take(Tag::OctetString)?);
        group.finish()?;
        let &[number] = number else { return Err(NotDer) };
        let is_new = read.iter().all(|(other, _)| *other != number);
        if !GROUPS.contains(&number) || !is_new || digest.len() != hash.digest_bytes() {
            return Err(NotDer);
        }
        read.push((number, digest));
    }
    Ok(read)
}

/// The document signer with this certificate and its authority: known since an earlier SOD, or found now.
fn known_signer(der: &[u8], trust: &TrustStore) -> Result<Arc<KnownSigner>, SodError> {
    if let Some(known) = trust.known_signer(der) {
        return Ok(known);
    }
    let certificate = Certificate::parse(der).map_err(SodError::Signer)?;
    let authority = authority_of(&certificate, trust)?;
    let signer = Arc::new(KnownSigner { certificate, authority });
    trust.keep_signer(&signer);
    Ok(signer)
}

/// The place of the trusted authority whose key signed the document signer's certificate.
fn authority_of(signer: &Certificate, trust: &TrustStore) -> Result<usize, SodError> {
    let signs_documents = signer.usage.is_some_and(|usage| usage.signs_data && !usage.signs_certificates);
    if signer.is_authority || !signs_documents {
        return Err(SodError::Signer(CertificateError::Usage));
    }
    let mut refused = SodError::UnknownAuthority;
    for place in trust.candidates(signer) {
        match signer.signed_by(trust.authority(place), trust.algorithms()) {
            Ok(()) => return Ok(place),
            Err(_) if mutant::is(Mutant::SignerOfAnybody) => return Ok(place),
            Err(error) => refused = SodError::Signer(error),
        }
    }
    Err(refused)
}
