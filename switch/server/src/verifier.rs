//! What stands between a proof and a verdict: the chip's checks here, then the registry's word.

use std::sync::{Arc, Mutex};

use credential::{
    CheckedChip, ChipContext, ChipRefusal, Proof, SodCache, TrustStore, VerifiedSod, check_chip,
};
use processor::{Code, Evidence, Input, Ticket, Verdict, VerifyRequest};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::bus::{Inbound, tell};
use crate::clock::Clock;
use crate::config::Settings;
use crate::links::terminal::TerminalKeyStore;
use crate::registry::{
    ActiveProof, Answer, Modality, Outcome, RegistryBounds, RegistryClient, RegistryQuestion, Surroundings,
};

/// Connections to the registry; HTTP/2 needs one alone.
const REGISTRY_CONNECTIONS_MAX: usize = 64;

/// The card is on the reader now: DE7 of a request that a chip has signed lies so near to the switch's clock, either
/// way (docs/interface.md#proof).
const PROOF_AGE_S_MAX: i64 = 120;

/// Checks proofs.
pub(crate) struct Verifier {
    shared: Arc<Shared>,
    runtime: Handle,
    answers: mpsc::Sender<Inbound>,
}

struct Shared {
    registry: RegistryClient,
    keys: Arc<TerminalKeyStore>,
    trust: TrustStore,
    sods: Mutex<SodCache>,
    clock: Clock,
}

/// Why a proof is refused before the registry is asked. Holds nothing of the citizen.
#[derive(Debug, Error)]
enum Refusal {
    #[error("DE7 is {0} s from the switch's clock")]
    Stale(i64),
    #[error("the terminal has no challenge key")]
    NoKey,
    #[error(transparent)]
    Chip(#[from] ChipRefusal),
}

impl Verifier {
    /// Inside the runtime that will carry its tasks.
    ///
    /// # Errors
    /// No client of the registry can be made.
    pub(crate) fn start(
        settings: &Settings,
        keys: &Arc<TerminalKeyStore>,
        clock: Clock,
        answers: &mpsc::Sender<Inbound>,
    ) -> Result<Verifier, String> {
        let bounds = RegistryBounds {
            timeout_ms: settings.processor.timers.registry_ms_max,
            in_flight_max: settings.processor.limits.in_flight_max,
            connections_max: REGISTRY_CONNECTIONS_MAX,
        };
        let registry =
            RegistryClient::new(&settings.registry, &settings.switch.id, bounds, Surroundings::system());
        let shared = Shared {
            registry: registry.map_err(|error| error.to_string())?,
            keys: Arc::clone(keys),
            trust: settings.credential.trust.clone(),
            sods: Mutex::new(SodCache::new(settings.credential.sods_cached_max)),
            clock,
        };
        Ok(Verifier { shared: Arc::new(shared), runtime: Handle::current(), answers: answers.clone() })
    }

    /// The verdict comes through the bus. How many are under way the processor bounds: its requests in flight.
    /// Signatures are checked on the runtime's blocking threads, one for each core.
    pub(crate) fn verify(&self, ticket: Ticket, request: Box<VerifyRequest>) {
        let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
        self.runtime.spawn(async move {
            let checking = Arc::clone(&shared);
            let checked =
                tokio::task::spawn_blocking(move || checking.check(&request).map(|chip| (request, chip)));
            let verdict = match checked.await {
                Ok(Ok((request, chip))) => shared.ask(&request, chip).await,
                Ok(Err(refusal)) => refusal.verdict(),
                Err(failed) => {
                    tracing::error!(%failed, "chip check");
                    Verdict::Unavailable
                }
            };
            tell(&answers, Input::Verified(ticket, verdict)).await;
        });
    }
}

impl Shared {
    fn check(&self, request: &VerifyRequest) -> Result<CheckedChip, Refusal> {
        let now_s = self.clock.now().wall_ms.div_euclid(1000);
        let off_s = request.key.sent_at.0 - now_s;
        if off_s.abs() > PROOF_AGE_S_MAX {
            return Err(Refusal::Stale(off_s));
        }
        let keys = self.keys.current();
        let keys = keys.get(&request.key.terminal).ok_or(Refusal::NoKey)?;
        let context = ChipContext {
            trust: &self.trust,
            challenge_key: keys.challenge.bytes(),
            seed_ids: &request.seed_ids,
            now_s,
        };
        let known = self.known(request, now_s);
        let is_known = known.is_some();
        let chip = check_chip(&request.message, known, &context)?;
        if !is_known {
            self.sods.lock().expect("nothing panics while it holds the cache").insert(Arc::clone(&chip.sod));
        }
        Ok(chip)
    }

    fn known(&self, request: &VerifyRequest, now_s: i64) -> Option<Arc<VerifiedSod>> {
        let digest = Proof::parse(request.message.get(112)?).ok()?.sod_sha256()?;
        self.sods.lock().expect("nothing panics while it holds the cache").get(&digest, &self.trust, now_s)
    }

    async fn ask(&self, request: &VerifyRequest, chip: CheckedChip) -> Verdict {
        let by_finger = request
            .message
            .get(112)
            .is_some_and(|de112| Proof::parse(de112).is_ok_and(|proof| proof.says_finger()));
        let modality = if by_finger { Modality::Finger } else { Modality::Face };
        let question = RegistryQuestion {
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
            crl_age_s: None,
            active_proof: Some(ActiveProof {
                algorithm: chip.algorithm,
                challenge: chip.challenge.to_vec(),
                signature: chip.signature,
            }),
            biometric: chip.biometric_session.map(|session| (session, modality)),
        };
        judged(self.registry.verify(question).await, chip.sod.sod_sha256, chip.dg15_sha256)
    }
}

fn judged(answer: Answer, sod_sha256: [u8; 32], dg15_sha256: [u8; 32]) -> Verdict {
    let evidence = answer.jws.map(|registry_answer| Evidence {
        registry_answer,
        sod_sha256,
        dg15_sha256,
        passive: true,
        active: true,
    });
    match (answer.outcome, evidence) {
        (Outcome::Verified { biometric_matched }, Some(evidence)) => {
            Verdict::Verified { biometric_matched, evidence }
        }
        (Outcome::Refused(code), evidence) => Verdict::Refused(code, evidence),
        (Outcome::Verified { .. }, None) => Verdict::Unavailable,
        (Outcome::Unavailable(reason), _) => {
            tracing::warn!(%reason, "the registry gives no verdict");
            metrics::counter!("atm_switch_registry_unavailable_total").increment(1);
            Verdict::Unavailable
        }
    }
}

impl Refusal {
    fn verdict(&self) -> Verdict {
        let code = match self {
            Refusal::Chip(ChipRefusal::NeedSod) => return Verdict::SendSod,
            Refusal::Chip(ChipRefusal::Pan(_)) => Code::BAD_PAN,
            Refusal::Chip(ChipRefusal::Expired) => Code::EXPIRED,
            Refusal::Stale(_) | Refusal::NoKey | Refusal::Chip(_) => Code::PROOF,
        };
        tracing::info!(refusal = %self, code = %code, "proof refused");
        metrics::counter!("atm_switch_proofs_refused_total").increment(1);
        Verdict::Refused(code, None)
    }
}
