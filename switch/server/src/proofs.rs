//! What a proof has to pass, without I/O: the chip's checks, what the registry is asked, and what its answer comes to.

use mutant::Mutant;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use credential::{
    CheckedChip, ChipContext, ChipRefusal, Proof, RevocationError, SodCache, TrustStore, VerifiedSod,
    check_chip,
};
use processor::{
    AskedAgain, Away, Code, Evidence, KnownStatus, PROOF_AGE_MS_MAX, RegistryWord, Verdict, VerifyRequest,
};
use thiserror::Error;

use crate::registry::{ActiveProof, Answer, Modality, Outcome, Reason, RegistryQuestion};

/// The card is on the reader now: DE7 of a request that a chip has signed lies so near to the switch's clock, either
/// way (docs/interface.md#proof).
const PROOF_AGE_S_MAX: i64 = PROOF_AGE_MS_MAX / 1_000;

/// Checks chips: the authorities that are trusted, and the security objects that were found good.
pub struct Proofs {
    trust: RwLock<Arc<TrustStore>>,
    sods: Mutex<SodCache>,
}

/// Why a proof is refused before the registry is asked. Holds nothing of the citizen.
#[derive(Debug, Error)]
pub enum Refusal {
    /// DE7 lies too far from the switch's clock, by so many seconds.
    #[error("DE7 is {0} s from the switch's clock")]
    Stale(i64),
    /// Nobody has given the switch the terminal's challenge key.
    #[error("the terminal has no challenge key")]
    NoKey,
    /// The chip's own checks.
    #[error(transparent)]
    Chip(#[from] ChipRefusal),
}

impl Proofs {
    /// Nothing is known yet. `sods` bounds how many security objects are kept.
    pub fn new(trust: TrustStore, sods: SodCache) -> Proofs {
        Proofs { trust: RwLock::new(Arc::new(trust)), sods: Mutex::new(sods) }
    }

    /// What is trusted now.
    pub fn trust(&self) -> Arc<TrustStore> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Trusts this from here on; a check that is under way ends with what it began with. Security objects that were
    /// found good under other authorities are not believed any more, also those that such a check keeps later.
    pub fn replace_trust(&self, trust: TrustStore) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// Checks the proof of a request at `now_s` (seconds since 1970) with the challenge key of its terminal, and keeps a
    /// security object that was sent and is good.
    ///
    /// # Errors
    /// [`Refusal`], the first thing that is wrong.
    pub fn check(
        &self,
        request: &VerifyRequest,
        challenge_key: Option<&[u8; 32]>,
        now_s: i64,
    ) -> Result<CheckedChip, Refusal> {
        let off_s = request.key.sent_at.0 - now_s;
        if off_s.abs() > PROOF_AGE_S_MAX && !mutant::is(Mutant::ProofOfAnotherTime) {
            return Err(Refusal::Stale(off_s));
        }
        let challenge_key = challenge_key.ok_or(Refusal::NoKey)?;
        let trust = self.trust();
        let context = ChipContext { trust: &trust, challenge_key, seed_ids: &request.seed_ids, now_s };
        let known = self.known(request, &trust, now_s);
        let is_known = known.is_some();
        let chip = check_chip(&request.message, known, &context)?;
        if !is_known {
            self.sods.lock().expect("nothing panics while it holds the cache").insert(Arc::clone(&chip.sod));
        }
        Ok(chip)
    }

    fn known(&self, request: &VerifyRequest, trust: &TrustStore, now_s: i64) -> Option<Arc<VerifiedSod>> {
        let digest = Proof::parse(request.message.get(112)?).ok()?.sod_sha256()?;
        self.sods.lock().expect("nothing panics while it holds the cache").get(&digest, trust, now_s)
    }
}

impl Refusal {
    /// What the terminal is told: DE39, or that it has to send the SOD.
    pub fn verdict(&self) -> Verdict {
        match self {
            Refusal::Chip(ChipRefusal::NeedSod) => Verdict::SendSod,
            Refusal::Chip(ChipRefusal::Pan(_)) => Verdict::Refused(Code::BAD_PAN, None),
            Refusal::Chip(ChipRefusal::Expired) => Verdict::Refused(Code::EXPIRED, None),
            Refusal::Chip(ChipRefusal::Revocation(RevocationError::NotKnown)) => Verdict::Unavailable,
            Refusal::Stale(_) | Refusal::NoKey | Refusal::Chip(_) => Verdict::Refused(Code::PROOF, None),
        }
    }
}

/// What the registry is asked about a chip that was found good.
pub fn question(request: &VerifyRequest, chip: &CheckedChip) -> RegistryQuestion {
    let by_finger = request
        .message
        .get(112)
        .is_some_and(|de112| Proof::parse(de112).is_ok_and(|proof| proof.says_finger()));
    let modality = if by_finger { Modality::Finger } else { Modality::Face };
    RegistryQuestion {
        key: request.key,
        rrn: request.rrn,
        kind: request.kind,
        amount_minor: request.amount_minor,
        currency: request.currency,
        citizen: chip.dg1.number,
        document_number: String::from_utf8_lossy(&chip.dg1.document_number()).into_owned(),
        expiry: String::from_utf8_lossy(&chip.dg1.expiry.digits()).into_owned(),
        sod_sha256: chip.sod.sod_sha256,
        dg15_sha256: chip.dg15_sha256,
        dsc_issuer: chip.sod.dsc_issuer.clone(),
        dsc_serial: chip.sod.dsc_serial.clone(),
        passive: true,
        active: true,
        csca_id: chip.sod.csca_id,
        crl_age_s: chip.crl_age_s,
        active_proof: Some(ActiveProof {
            algorithm: chip.algorithm.clone(),
            challenge: chip.challenge.to_vec(),
            signature: chip.signature.clone(),
        }),
        biometric: chip.biometric_session.map(|session| (session, modality)),
    }
}

/// What is known of a chip that was found good while the registry is away: `kept` of the question, to be put again.
pub fn away(chip: &CheckedChip, kept: Box<[u8]>, known: Option<KnownStatus>) -> Verdict {
    let evidence = Evidence {
        registry: RegistryWord::Owed(kept),
        sod_sha256: chip.sod.sod_sha256,
        dg15_sha256: chip.dg15_sha256,
        passive: true,
        active: true,
    };
    Verdict::RegistryAway(Box::new(Away { evidence, has_biometric: chip.biometric_session.is_some(), known }))
}

/// What the registry's answer says of the card for the time that it is away: a status, none any more, or nothing at all.
pub fn status(answer: &Answer, now_ms: i64) -> Option<Option<KnownStatus>> {
    match answer.outcome {
        Outcome::Verified { biometric_matched: true } => {
            let valid_until_ms = answer.status_valid_until_s?.saturating_mul(1_000);
            Some(Some(KnownStatus { at_ms: now_ms, valid_until_ms }))
        }
        // It vouches for the card, and not for who holds it: what it said of that before stands.
        Outcome::Verified { biometric_matched: false } => None,
        Outcome::Refused(_) => Some(None),
        Outcome::Unavailable(Reason::Contradiction) => Some(None),
        Outcome::Unavailable(_) => None,
    }
}

/// What the registry said about a withdrawal that went out in its stead; `None` while it is away or somebody else is in its
/// place. Where it is there and says nothing that can be believed, a person has to find out: 91, and nothing signed.
pub fn asked_again(answer: Answer, of: &Evidence) -> Option<AskedAgain> {
    let refused = match &answer.outcome {
        Outcome::Verified { .. } => None,
        Outcome::Refused(code) => Some(*code),
        Outcome::Unavailable(reason)
            if reason.is_away()
                || matches!(reason, Reason::Overload | Reason::Paused(_) | Reason::Tls(_)) =>
        {
            return None;
        }
        Outcome::Unavailable(_) => Some(Code::UNAVAILABLE),
    };
    let evidence = Evidence { registry: RegistryWord::Signed(answer.jws.unwrap_or_default()), ..of.clone() };
    Some(AskedAgain { refused, evidence })
}

/// What the registry's judged answer about a chip comes to: a verdict that is not `Unavailable` holds what proves it.
pub fn verdict(answer: Answer, chip: &CheckedChip) -> Verdict {
    let evidence = answer.jws.map(|registry_answer| Evidence {
        registry: RegistryWord::Signed(registry_answer),
        sod_sha256: chip.sod.sod_sha256,
        dg15_sha256: chip.dg15_sha256,
        passive: true,
        active: true,
    });
    match (answer.outcome, evidence) {
        (Outcome::Verified { biometric_matched }, Some(evidence)) => {
            Verdict::Verified { biometric_matched, evidence }
        }
        (Outcome::Refused(code), evidence) => Verdict::Refused(code, evidence),
        (Outcome::Verified { .. }, None) | (Outcome::Unavailable(_), _) => Verdict::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use credential::PanError;

    use super::*;

    const NOW_S: i64 = 1_651_543_323;

    #[test]
    fn what_the_registry_said_last_counts_while_it_is_away() {
        let said = |outcome| {
            let answer = Answer {
                outcome,
                status_valid_until_s: Some(NOW_S + 60),
                ..Answer::unavailable(Reason::Late)
            };
            status(&answer, NOW_S * 1_000)
        };
        let good = KnownStatus { at_ms: NOW_S * 1_000, valid_until_ms: (NOW_S + 60) * 1_000 };
        let cases = [
            (Outcome::Verified { biometric_matched: true }, Some(Some(good))),
            (Outcome::Verified { biometric_matched: false }, None),
            (Outcome::Refused(Code::LOST), Some(None)),
            (Outcome::Unavailable(Reason::Contradiction), Some(None)),
            (Outcome::Unavailable(Reason::Late), None),
            (Outcome::Unavailable(Reason::Kid), None),
            (Outcome::Unavailable(Reason::Tls(String::new())), None),
        ];
        for (outcome, expected) in cases {
            assert_eq!(said(outcome.clone()), expected, "{outcome:?}");
        }
    }

    #[test]
    fn each_refusal_has_its_code() {
        let cases = [
            (Refusal::Stale(121), Verdict::Refused(Code::PROOF, None)),
            (Refusal::NoKey, Verdict::Refused(Code::PROOF, None)),
            (ChipRefusal::NeedSod.into(), Verdict::SendSod),
            (ChipRefusal::Pan(PanError::Form).into(), Verdict::Refused(Code::BAD_PAN, None)),
            (ChipRefusal::Expired.into(), Verdict::Refused(Code::EXPIRED, None)),
            (ChipRefusal::OtherCitizen.into(), Verdict::Refused(Code::PROOF, None)),
            (ChipRefusal::Revocation(RevocationError::Revoked).into(), Verdict::Refused(Code::PROOF, None)),
            (ChipRefusal::Revocation(RevocationError::NotKnown).into(), Verdict::Unavailable),
            (ChipRefusal::Seed.into(), Verdict::Refused(Code::PROOF, None)),
        ];
        for (refusal, expected) in cases {
            assert_eq!(refusal.verdict(), expected, "{refusal}");
        }
    }
}
