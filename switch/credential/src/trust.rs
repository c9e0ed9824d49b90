//! The authorities that a switch trusts to sign document signers, and the algorithms that it allows.

use mutant::Mutant;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::algorithm::Algorithms;
use crate::certificate::{Certificate, CertificateError, sha256};
use crate::revocation::{
    ListError, ListRule, ListTime, RevocationError, RevocationList, Revocations, StaleList,
};
use crate::sod::VerifiedSod;

/// Document signers that a store remembers as signed by one of its authorities, about 2,000 bytes each; the one that came
/// first goes. A country has a few hundred.
const SIGNERS_KNOWN_MAX: usize = 4_096;

/// Country signing CAs, allowed algorithms and revocation lists. Empty trusts nobody.
#[derive(Clone, Debug)]
pub struct TrustStore {
    authorities: Vec<Certificate>,
    algorithms: Algorithms,
    generation: [u8; 32],
    revocations: Revocations,
    /// `None` where no lists are kept: nobody is revoked.
    rule: Option<ListRule>,
    /// Shared by copies of one store, which trust the same authorities.
    signers: Arc<Mutex<KnownSigners>>,
}

/// A document signer whose certificate an authority of the store has signed.
#[derive(Debug)]
pub(crate) struct KnownSigner {
    pub(crate) certificate: Certificate,
    /// The authority's place in the store.
    pub(crate) authority: usize,
}

#[derive(Debug, Default)]
struct KnownSigners {
    by_digest: BTreeMap<[u8; 32], Arc<KnownSigner>>,
    /// Digests in the order of arrival, each once.
    arrivals: VecDeque<[u8; 32]>,
}

impl TrustStore {
    /// Trusts these certificates, in DER. Each has to be an authority's: basic constraints with CA, key usage
    /// keyCertSign. A self-signed one has to verify; a link certificate (ICAO 9303-12, 7.1.2) is trusted as it is.
    ///
    /// # Errors
    /// The place of the first certificate that is refused, and why.
    pub fn new<'a>(
        authorities: impl IntoIterator<Item = &'a [u8]>,
        algorithms: Algorithms,
    ) -> Result<TrustStore, (usize, CertificateError)> {
        let read = |(place, der)| authority(der, algorithms).map_err(|error| (place, error));
        let authorities: Vec<Certificate> =
            authorities.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let mut digests: Vec<[u8; 32]> = authorities.iter().map(|authority| authority.sha256).collect();
        digests.sort_unstable();
        digests.dedup();
        let generation = sha256(&[digests.as_flattened(), &[algorithms.bits()]].concat());
        Ok(TrustStore {
            authorities,
            algorithms,
            generation,
            revocations: Revocations::default(),
            rule: None,
            signers: Arc::default(),
        })
    }

    /// The same authorities with these revocation lists, in DER, in place of any before. Each has to be signed by one of
    /// the authorities. From here on a chip is asked for its authority's list (`rule`).
    ///
    /// # Errors
    /// The place of the first list that is refused, and why.
    pub fn with_lists<'a>(
        self,
        lists: impl IntoIterator<Item = &'a [u8]>,
        rule: ListRule,
    ) -> Result<TrustStore, (usize, ListError)> {
        let (store, refused) = self.with_good_lists(lists, rule);
        refused.into_iter().next().map_or(Ok(store), Err)
    }

    /// As [`TrustStore::with_lists`] with those of the lists that can be used, and the place of each other with why it is
    /// refused. An authority all of whose lists are refused is one without a list.
    pub fn with_good_lists<'a>(
        mut self,
        lists: impl IntoIterator<Item = &'a [u8]>,
        rule: ListRule,
    ) -> (TrustStore, Vec<(usize, ListError)>) {
        let (mut revocations, mut refused) = (Revocations::default(), Vec::new());
        for (place, der) in lists.into_iter().enumerate() {
            match RevocationList::read(der, &self.authorities, self.algorithms) {
                Ok(list) => revocations.add(list),
                Err(error) => refused.push((place, error)),
            }
        }
        (self.revocations, self.rule) = (revocations, Some(rule));
        (self, refused)
    }

    /// Whether a verified SOD's document signer is still believed. A cached verdict does not answer this: ask at each use.
    ///
    /// # Errors
    /// [`RevocationError`].
    pub fn check_revocation(&self, sod: &VerifiedSod, now_s: i64) -> Result<(), RevocationError> {
        let is_revoked = self.revocations.is_revoked(&sod.issuer, &sod.revoked_name);
        if is_revoked && !mutant::is(Mutant::RevokedSignerTaken) {
            return Err(RevocationError::Revoked);
        }
        let is_unknown = self
            .rule
            .is_some_and(|rule| rule.stale == StaleList::Refuse && self.is_stale(&sod.issuer, rule, now_s));
        if is_unknown && !mutant::is(Mutant::OldListServes) {
            return Err(RevocationError::NotKnown);
        }
        Ok(())
    }

    /// Seconds since the newest revocation list of a SOD's authority was made; `None` where there is none.
    pub fn list_age_s(&self, sod: &VerifiedSod, now_s: i64) -> Option<u64> {
        self.revocations.age_s(&sod.issuer, now_s)
    }

    /// Each authority, RFC 4514, with the age of its newest list and whether that is missing or too old. Empty where no
    /// lists are kept. An authority with several keys stands there once.
    pub fn lists(&self, now_s: i64) -> Vec<(&str, Option<u64>, bool)> {
        let Some(rule) = self.rule else { return Vec::new() };
        let by_name: BTreeMap<[u8; 32], &str> = self
            .authorities
            .iter()
            .map(|authority| (sha256(&authority.subject), authority.subject_text.as_str()))
            .collect();
        let of_each = by_name.into_iter().map(|(issuer, name)| {
            (name, self.revocations.age_s(&issuer, now_s), self.is_stale(&issuer, rule, now_s))
        });
        of_each.collect()
    }

    /// How new the revocation lists are, by the digest of their authority's name.
    pub fn list_times(&self) -> BTreeMap<[u8; 32], ListTime> {
        self.revocations.times()
    }

    /// Authorities of this store, RFC 4514, of which a newer revocation list than here is known, or one at all where there is none
    /// here: a list that was put back would give a revoked signer its life again.
    /// None where no lists are kept.
    pub fn goes_back_behind(&self, known: &BTreeMap<[u8; 32], ListTime>) -> Vec<String> {
        if self.rule.is_none() {
            return Vec::new();
        }
        let names: Vec<[u8; 32]> =
            self.authorities.iter().map(|authority| sha256(&authority.subject)).collect();
        self.revocations.goes_back_behind(known, |issuer| names.contains(issuer))
    }

    /// The same store, in which an older list than is known of counts as a missing one, but that whom it names is revoked.
    pub fn distrusting_lists_behind(mut self, known: &BTreeMap<[u8; 32], ListTime>) -> TrustStore {
        self.revocations.distrust_older(known);
        self
    }

    fn is_stale(&self, issuer: &[u8; 32], rule: ListRule, now_s: i64) -> bool {
        self.revocations.age_s(issuer, now_s).is_none_or(|age_s| age_s > rule.age_s_max)
    }

    /// A name of this set of authorities and algorithms: another set has another.
    pub fn generation(&self) -> [u8; 32] {
        self.generation
    }

    /// How many certificates are trusted.
    pub fn len(&self) -> usize {
        self.authorities.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// The allowed algorithms.
    pub fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) fn authority(&self, place: usize) -> &Certificate {
        &self.authorities[place]
    }

    /// The document signer with this certificate, where its authority's signature was checked before.
    pub(crate) fn known_signer(&self, der: &[u8]) -> Option<Arc<KnownSigner>> {
        let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        signers.by_digest.get(&sha256(der)).map(Arc::clone)
    }

    /// Remembers a document signer whose authority's signature is right.
    pub(crate) fn keep_signer(&self, signer: &Arc<KnownSigner>) {
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = signer.certificate.sha256;
        if signers.by_digest.insert(digest, Arc::clone(signer)).is_none() {
            signers.arrivals.push_back(digest);
        }
        if signers.arrivals.len() > SIGNERS_KNOWN_MAX
            && let Some(first) = signers.arrivals.pop_front()
        {
            signers.by_digest.remove(&first);
        }
    }

    /// The places of the authorities that may have signed a certificate: their name is its issuer, and their key's id the one that
    /// it names, where both say one. Whether they did, only the signature shows.
    pub(crate) fn candidates<'s>(&'s self, certificate: &'s Certificate) -> impl Iterator<Item = usize> {
        let authorities = self.authorities.iter().enumerate();
        let may_have = |authority: &Certificate| {
            let ids = (&authority.subject_key_id, &certificate.authority_key_id);
            let is_other = matches!(ids, (Some(own), Some(named)) if own != named);
            authority.subject == certificate.issuer && !is_other
        };
        authorities.filter(move |(_, authority)| may_have(authority)).map(|(place, _)| place)
    }
}

fn authority(der: &[u8], algorithms: Algorithms) -> Result<Certificate, CertificateError> {
    let authority = Certificate::parse(der)?;
    if !authority.is_authority || !authority.usage.is_some_and(|usage| usage.signs_certificates) {
        return Err(CertificateError::Usage);
    }
    if authority.subject == authority.issuer {
        authority.signed_by(&authority, algorithms)?;
    }
    Ok(authority)
}
