//! Revocation lists of country signers: which document signers are good no more (ICAO 9303-12, 7.1.4; RFC 5280, 5).

use std::collections::{BTreeMap, BTreeSet};

use const_oid::AssociatedOid;
use der::{Decode, Encode, Tag};
use mutant::Mutant;
use thiserror::Error;
use x509_cert::certificate::Version;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};

use crate::algorithm::{Algorithm, Algorithms, Scheme};
use crate::asn1::Cursor;
use crate::certificate::{Certificate, CertificateError, sha256};

/// The most bytes of a list: about 100,000 revoked certificates.
pub const LIST_BYTES_MAX: usize = 4 << 20;

/// Why a revocation list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Not DER of an X.509 revocation list of version 2, or more than [`LIST_BYTES_MAX`].
    #[error("not an X.509 revocation list of version 2 in DER, of at most {LIST_BYTES_MAX} bytes")]
    Form,
    /// The algorithm outside is not the one that was signed, or no known one.
    #[error("the signature algorithm is not known, or not the one that was signed")]
    Algorithm,
    /// The algorithm is known, but not allowed here.
    #[error("{} is not allowed", .0.name())]
    NotAllowed(Algorithm),
    /// A critical extension: a list that is not the whole one of its issuer, or says what is not known here.
    #[error("a critical extension: only an issuer's whole list is taken")]
    Extension,
    /// No trusted authority that may sign lists has the issuer's name and key id.
    #[error("no trusted authority that may sign lists has the issuer's name and key")]
    UnknownIssuer,
    /// No such authority's key has signed it.
    #[error("the list's signature is wrong")]
    Signature,
}

/// Why a verified document signer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RevocationError {
    /// Its authority has revoked it.
    #[error("the document signer is revoked")]
    Revoked,
    /// Its authority's newest list is too old, or there is none: whether it is revoked is not known.
    #[error("the revocation list of the document signer's authority is missing or too old")]
    NotKnown,
}

/// What holds where an authority's list is missing or too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleList {
    /// No chip under that authority is accepted.
    Refuse,
    /// What the old list says still holds; whoever runs the switch is told.
    Accept,
}

/// How old a list may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRule {
    /// From the list's thisUpdate on, seconds.
    pub age_s_max: u64,
    /// What holds beyond it.
    pub stale: StaleList,
}

/// The lists of all authorities, by the digest of the authority's name: the list that is signed with an authority's
/// newest key names what its older keys have signed too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocations {
    by_issuer: BTreeMap<[u8; 32], OfIssuer>,
}

/// How new the knowledge is that an authority's lists give.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListTime {
    /// The authority, RFC 4514.
    pub issuer: String,
    /// thisUpdate of its newest list, seconds since 1970.
    pub this_update_s: i64,
}

#[derive(Clone, Debug)]
struct OfIssuer {
    time: ListTime,
    /// A newer list was in use before: what these lists name is revoked, and what they do not name is not known.
    is_put_back: bool,
    /// [`revoked_name`] of each revoked certificate.
    revoked: BTreeSet<[u8; 32]>,
}

/// One list, read and found right.
pub(crate) struct RevocationList {
    issuer: [u8; 32],
    issuer_text: String,
    this_update_s: i64,
    revoked: BTreeSet<[u8; 32]>,
}

/// A certificate's name in lists: its issuer and the content of its serial number.
pub(crate) fn revoked_name(issuer: &[u8; 32], serial: &[u8]) -> [u8; 32] {
    sha256(&[issuer.as_slice(), serial].concat())
}

impl RevocationList {
    /// Reads a list that one of these authorities has signed.
    pub(crate) fn read(
        der: &[u8],
        authorities: &[Certificate],
        allowed: Algorithms,
    ) -> Result<RevocationList, ListError> {
        if der.len() > LIST_BYTES_MAX {
            return Err(ListError::Form);
        }
        let whole: CertificateList = CertificateList::from_der(der).map_err(|_| ListError::Form)?;
        let mut outer = Cursor::new(der).map_err(|_| ListError::Form)?;
        let mut cursor = outer.enter(Tag::Sequence).map_err(|_| ListError::Form)?;
        let mut part = |tag| cursor.take_whole(tag).map_err(|_| ListError::Form);
        let (signed, algorithm, signature) =
            (part(Tag::Sequence)?, part(Tag::Sequence)?, part(Tag::BitString)?);
        let list = &whole.tbs_cert_list;
        if list.to_der().ok().as_deref() != Some(signed) || list.version != Version::V2 {
            return Err(ListError::Form);
        }
        if list.signature.to_der().ok().as_deref() != Some(algorithm) {
            return Err(ListError::Algorithm);
        }
        let scheme = Scheme::from_certificate(algorithm).ok_or(ListError::Algorithm)?;
        let mut signature = Cursor::new(signature).map_err(|_| ListError::Form)?;
        let signature = signature.whole_bits().map_err(|_| ListError::Form)?;
        let key_id = key_id(&whole)?;
        let issuer = list.issuer.to_der().map_err(|_| ListError::Form)?;
        let signer = Signed { scheme, signed, signature, issuer: &issuer, key_id: key_id.as_deref() };
        signer.check(authorities, allowed)?;
        let issuer = sha256(&issuer);
        let revoked = list.revoked_certificates.iter().flatten();
        Ok(RevocationList {
            issuer,
            issuer_text: list.issuer.to_string(),
            this_update_s: list.this_update.to_unix_duration().as_secs() as i64,
            revoked: revoked.map(|entry| revoked_name(&issuer, entry.serial_number.as_bytes())).collect(),
        })
    }
}

/// The id of the key that has signed; refuses every critical extension, of the list and of its entries: a list of a part
/// (issuingDistributionPoint), of changes (deltaCRLIndicator) or of other issuers' certificates says so critically.
fn key_id(list: &CertificateList) -> Result<Option<Vec<u8>>, ListError> {
    let entries = list.tbs_cert_list.revoked_certificates.iter().flatten();
    let of_entries = entries.filter_map(|entry| entry.crl_entry_extensions.as_ref()).flatten();
    let of_list = list.tbs_cert_list.crl_extensions.iter().flatten();
    let is_of_a_part = of_entries.chain(of_list.clone()).any(|extension| extension.critical);
    if is_of_a_part && !mutant::is(Mutant::ListOfAPartTaken) {
        return Err(ListError::Extension);
    }
    let mut key_id = None;
    for extension in of_list {
        let value = extension.extn_value.as_bytes();
        if extension.extn_id == AuthorityKeyIdentifier::OID {
            let id = AuthorityKeyIdentifier::from_der(value).map_err(|_| ListError::Form)?;
            key_id = id.key_identifier.map(|id| id.as_bytes().to_vec());
        } else if extension.extn_id == CrlNumber::OID {
            CrlNumber::from_der(value).map_err(|_| ListError::Form)?;
        }
    }
    Ok(key_id)
}

/// What was signed, by whom it says.
struct Signed<'a> {
    scheme: Scheme,
    signed: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    key_id: Option<&'a [u8]>,
}

impl Signed<'_> {
    fn check(&self, authorities: &[Certificate], allowed: Algorithms) -> Result<(), ListError> {
        let mut refused = ListError::UnknownIssuer;
        let may_have_signed = authorities.iter().filter(|authority| {
            let ids = (authority.subject_key_id.as_deref(), self.key_id);
            let is_other = matches!(ids, (Some(own), Some(named)) if own != named);
            let signs_lists = authority.usage.is_some_and(|usage| usage.signs_lists);
            authority.subject == self.issuer && !is_other && signs_lists
        });
        for authority in may_have_signed {
            match authority.has_signed(self.scheme, self.signed, self.signature, allowed) {
                Ok(()) => return Ok(()),
                Err(_) if mutant::is(Mutant::ListOfAnybodyTaken) => return Ok(()),
                Err(CertificateError::NotAllowed(algorithm)) => refused = ListError::NotAllowed(algorithm),
                Err(_) => refused = ListError::Signature,
            }
        }
        Err(refused)
    }
}

impl Revocations {
    /// Adds a list. What any list of an authority names is revoked; the newest says how old the knowledge is.
    pub(crate) fn add(&mut self, list: RevocationList) {
        let of_issuer = self.by_issuer.entry(list.issuer).or_insert_with(|| OfIssuer {
            time: ListTime { issuer: list.issuer_text, this_update_s: list.this_update_s },
            is_put_back: false,
            revoked: BTreeSet::new(),
        });
        of_issuer.time.this_update_s = of_issuer.time.this_update_s.max(list.this_update_s);
        of_issuer.revoked.extend(list.revoked);
    }

    pub(crate) fn is_revoked(&self, issuer: &[u8; 32], name: &[u8; 32]) -> bool {
        self.by_issuer.get(issuer).is_some_and(|of_issuer| of_issuer.revoked.contains(name))
    }

    /// Age of the newest list of an authority; 0 for one from a clock ahead of ours. One that was put back has none.
    pub(crate) fn age_s(&self, issuer: &[u8; 32], now_s: i64) -> Option<u64> {
        let of_issuer = self.by_issuer.get(issuer).filter(|of_issuer| !of_issuer.is_put_back)?;
        Some(u64::try_from(now_s.saturating_sub(of_issuer.time.this_update_s)).unwrap_or(0))
    }

    /// The newest list of each authority, by the digest of its name, those that were put back left out.
    pub(crate) fn times(&self) -> BTreeMap<[u8; 32], ListTime> {
        let good = self.by_issuer.iter().filter(|(_, of_issuer)| !of_issuer.is_put_back);
        good.map(|(issuer, of_issuer)| (*issuer, of_issuer.time.clone())).collect()
    }

    /// An older list than `known` says of its authority speaks for nobody.
    pub(crate) fn distrust_older(&mut self, known: &BTreeMap<[u8; 32], ListTime>) {
        for (issuer, of_issuer) in &mut self.by_issuer {
            let newest_s = known.get(issuer).map(|time| time.this_update_s);
            of_issuer.is_put_back = newest_s.is_some_and(|newest_s| of_issuer.time.this_update_s < newest_s);
        }
    }

    /// Authorities, RFC 4514, whose newest list here is older than in `known`, or not here at all. Authorities for which
    /// `is_trusted` does not hold are left out.
    pub(crate) fn goes_back_behind(
        &self,
        known: &BTreeMap<[u8; 32], ListTime>,
        is_trusted: impl Fn(&[u8; 32]) -> bool,
    ) -> Vec<String> {
        let newest =
            |issuer: &[u8; 32]| self.by_issuer.get(issuer).map(|of_issuer| of_issuer.time.this_update_s);
        let behind = known.iter().filter(|(issuer, time)| {
            is_trusted(issuer) && newest(issuer).is_none_or(|newest_s| newest_s < time.this_update_s)
        });
        behind.map(|(_, time)| time.issuer.clone()).collect()
    }
}
