//! The whole check of a chip's proof: card, security object and active authentication, before the registry is asked.

use mutant::Mutant;
use std::sync::Arc;

use iso8583::Message;
use thiserror::Error;

use crate::active::{ActiveError, ChipKey};
use crate::certificate::sha256;
use crate::challenge::{challenge, seed};
use crate::dg1::{Dg1, Dg1Error};
use crate::pan::{Pan, PanError};
use crate::proof::{Proof, ProofError, Tag};
use crate::revocation::RevocationError;
use crate::sod::{SodError, VerifiedSod};
use crate::trust::TrustStore;

/// DE113 to 115: the SOD in order.
const SOD_ELEMENTS: [u8; 3] = [113, 114, 115];

/// What a proof is checked against, beside the message that carries it.
#[derive(Clone, Copy, Debug)]
pub struct ChipContext<'a> {
    /// Authorities and algorithms.
    pub trust: &'a TrustStore,
    /// The terminal's challenge key.
    pub challenge_key: &'a [u8; 32],
    /// The ids of the seeds that the terminal may have used.
    pub seed_ids: &'a [[u8; 8]],
    /// Now, in seconds since 1970.
    pub now_s: i64,
}

/// A chip that is authentic, and what the registry has to be told of it.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedChip {
    /// The card: DE2's citizen, not expired.
    pub dg1: Dg1,
    /// The security object that signs DG1 and DG15. One that was sent is new and worth keeping in a
    /// [`SodCache`](crate::SodCache).
    pub sod: Arc<VerifiedSod>,
    /// Seconds since the newest revocation list of its authority was made; `None` where there is none.
    pub crl_age_s: Option<u64>,
    /// SHA-256 of DG15.
    pub dg15_sha256: [u8; 32],
    /// Algorithm and hash of the chip's signature: `ecdsa-sha256`.
    pub algorithm: String,
    /// What the chip signed.
    pub challenge: [u8; 8],
    /// Its signature, DF22.
    pub signature: Vec<u8>,
    /// The registry's biometric session, DF32.
    pub biometric_session: Option<[u8; 16]>,
}

/// Why a proof is refused. Holds nothing of the citizen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChipRefusal {
    /// DE2 is no citizen card's PAN.
    #[error("DE2: {0}")]
    Pan(PanError),
    /// DE112 is no template E1.
    #[error("proof: {0}")]
    Proof(#[from] ProofError),
    /// A data object that has to be there, or a hash in DF23 that there is not.
    #[error("the proof has no good {0:?}")]
    Absent(Tag),
    /// DG1 is no citizen card's.
    #[error("DG1: {0}")]
    Dg1(#[from] Dg1Error),
    /// DG1's number is not DE2's.
    #[error("DG1 is another citizen's than DE2")]
    OtherCitizen,
    /// The card's last day has passed.
    #[error("the card has expired")]
    Expired,
    /// DF20 is none of the terminal's seeds.
    #[error("the challenge seed is not one of the terminal's")]
    Seed,
    /// The digest of DF12 is not known and no SOD was sent: the terminal has to send it.
    #[error("the security object is not known and was not sent")]
    NeedSod,
    /// The SOD that was sent has another digest than DF12.
    #[error("the security object is not the one of DF12")]
    OtherSod,
    /// The SOD is not authentic.
    #[error("security object: {0}")]
    Sod(#[from] SodError),
    /// The SOD's signer is revoked, or nobody knows.
    #[error("security object: {0}")]
    Revocation(#[from] RevocationError),
    /// The SOD signs another data group: DG1 or DG15.
    #[error("{0:?} is not the one that the security object signs")]
    NotSigned(Tag),
    /// The chip does not hold the key of DG15.
    #[error("chip: {0}")]
    Active(#[from] ActiveError),
}

/// Checks the proof of a request (security: "What the switch checks itself"). `known` is the verified SOD of DF12's
/// digest, where a cache has it; a SOD in DE113 to 115 is then not looked at.
///
/// # Errors
/// [`ChipRefusal`], the first thing that is wrong; what costs least is looked at first.
pub fn check_chip(
    message: &Message,
    known: Option<Arc<VerifiedSod>>,
    context: &ChipContext<'_>,
) -> Result<CheckedChip, ChipRefusal> {
    let pan = Pan::parse(message.get(2).unwrap_or_default()).map_err(ChipRefusal::Pan)?;
    let proof = Proof::parse(message.get(112).unwrap_or_default())?;
    let part = |tag| proof.get(tag).ok_or(ChipRefusal::Absent(tag));
    let (dg1_bytes, dg15, signature) = (part(Tag::Dg1)?, part(Tag::Dg15)?, part(Tag::Signature)?);
    let hash = proof.signature_hash().ok_or(ChipRefusal::Absent(Tag::SignatureHash))?;
    let digest = proof.sod_sha256().ok_or(ChipRefusal::Absent(Tag::SodSha256))?;
    let dg1 = Dg1::parse(dg1_bytes)?;
    if dg1.number != pan.citizen_number() && !mutant::is(Mutant::PanOfAnotherCard) {
        return Err(ChipRefusal::OtherCitizen);
    }
    if dg1.expiry.has_passed(context.now_s) && !mutant::is(Mutant::ExpiredCardTaken) {
        return Err(ChipRefusal::Expired);
    }
    let seed_id = proof.seed_id().filter(|id| context.seed_ids.contains(id)).ok_or(ChipRefusal::Seed)?;
    let sod = security_object(message, digest, known, context)?;
    context.trust.check_revocation(&sod, context.now_s)?;
    if !sod.signs_dg1(dg1_bytes) && !mutant::is(Mutant::Dg1Unsigned) {
        return Err(ChipRefusal::NotSigned(Tag::Dg1));
    }
    if !sod.signs_dg15(dg15) && !mutant::is(Mutant::ChipKeyUnsigned) {
        return Err(ChipRefusal::NotSigned(Tag::Dg15));
    }
    let key = ChipKey::parse(dg15)?;
    if !context.trust.algorithms().allow(key.algorithm()) {
        return Err(ActiveError::NotAllowed(key.algorithm()).into());
    }
    let challenge = challenge(&seed(context.challenge_key, &seed_id), message);
    if !mutant::is(Mutant::ChipSignatureUnchecked) {
        key.verify(&challenge, signature, hash)?;
    }
    Ok(CheckedChip {
        dg1,
        crl_age_s: context.trust.list_age_s(&sod, context.now_s),
        sod,
        dg15_sha256: sha256(dg15),
        algorithm: key.algorithm_text(hash),
        challenge,
        signature: signature.to_vec(),
        biometric_session: proof.biometric_session(),
    })
}

/// The verified SOD of this digest: the known one, while it holds, or the one in the message.
fn security_object(
    message: &Message,
    digest: [u8; 32],
    known: Option<Arc<VerifiedSod>>,
    context: &ChipContext<'_>,
) -> Result<Arc<VerifiedSod>, ChipRefusal> {
    let holds = |sod: &Arc<VerifiedSod>| sod.sod_sha256 == digest && sod.holds(context.trust, context.now_s);
    if let Some(known) = known.filter(holds) {
        return Ok(known);
    }
    let sent: Vec<u8> =
        SOD_ELEMENTS.iter().flat_map(|element| message.get(*element).unwrap_or_default()).copied().collect();
    if sent.is_empty() {
        return Err(ChipRefusal::NeedSod);
    }
    if sha256(&sent) != digest {
        return Err(ChipRefusal::OtherSod);
    }
    Ok(Arc::new(VerifiedSod::verify(&sent, context.trust, context.now_s)?))
}

impl std::fmt::Debug for CheckedChip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("CheckedChip");
        shown.field("dg1", &self.dg1).field("sod", &self.sod).field("algorithm", &self.algorithm);
        shown.finish_non_exhaustive()
    }
}
