//! The authorities that a switch trusts to sign document signers, and the algorithms that it allows.

use crate::algorithm::Algorithms;
use crate::certificate::{Certificate, CertificateError, sha256};

/// Country signing CAs and allowed algorithms. Empty trusts nobody.
#[derive(Clone, Debug)]
pub struct TrustStore {
    authorities: Vec<Certificate>,
    algorithms: Algorithms,
    generation: [u8; 32],
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
        Ok(TrustStore { authorities, algorithms, generation })
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

    /// The authorities that may have signed a certificate: their name is its issuer, and their key's id the one that
    /// it names, where both say one. Whether they did, only the signature shows.
    pub(crate) fn candidates<'s>(
        &'s self,
        certificate: &'s Certificate,
    ) -> impl Iterator<Item = &'s Certificate> {
        self.authorities.iter().filter(|authority| {
            let ids = (&authority.subject_key_id, &certificate.authority_key_id);
            let is_other = matches!(ids, (Some(own), Some(named)) if own != named);
            authority.subject == certificate.issuer && !is_other
        })
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
