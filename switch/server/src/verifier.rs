//! What stands between a proof and a verdict: the chip's checks here, then the registry's word.

use std::sync::Arc;

use credential::{CheckedChip, SodCache, TrustStore};
use processor::{AskedAgain, Evidence, Input, Kind, Now, Ticket, Verdict, VerifyRequest};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::bus::{Inbound, tell};
use crate::chip_threads::ChipThreads;
use crate::clock::Clock;
use crate::config::Settings;
use crate::links::terminal::TerminalKeyStore;
use crate::proofs::{self, Proofs, Refusal};
use crate::registry::{
    Answer, Leave, Outcome, Reason, RegistryBounds, RegistryClient, RegistryQuestion, Surroundings,
};
use crate::status_cache::StatusCache;

/// Connections to the registry; HTTP/2 needs one alone.
const REGISTRY_CONNECTIONS_MAX: usize = 64;

/// How much of `registry_ms_max` a question may take. The rest is for the chip's check before it and for the word that it was late: where
/// the switch may stand in, that word has to come before nobody waits for it any more.
const QUESTION_PERCENT: u64 = 90;

/// Checks proofs.
pub(crate) struct Verifier {
    shared: Arc<Shared>,
    chips: ChipThreads,
    runtime: Handle,
    answers: mpsc::Sender<Inbound>,
}

struct Shared {
    registry: RegistryClient,
    keys: Arc<TerminalKeyStore>,
    proofs: Arc<Proofs>,
    statuses: StatusCache,
    clock: Clock,
}

impl Verifier {
    /// Inside the runtime that will carry its tasks. Chips are checked with `trust`, so many at once.
    ///
    /// # Errors
    /// No client of the registry can be made, or the system gives no thread.
    pub(crate) fn start(
        settings: &Settings,
        trust: TrustStore,
        chip_threads: usize,
        keys: &Arc<TerminalKeyStore>,
        clock: Clock,
        answers: &mpsc::Sender<Inbound>,
    ) -> Result<Verifier, String> {
        let bounds = RegistryBounds {
            timeout_ms: settings.processor.timers.registry_ms_max * QUESTION_PERCENT / 100,
            in_flight_max: settings.processor.limits.in_flight_max,
            connections_max: REGISTRY_CONNECTIONS_MAX,
            breaker: settings.registry.breaker,
        };
        let registry =
            RegistryClient::new(&settings.registry, &settings.switch.id, bounds, Surroundings::system());
        let shared = Shared {
            registry: registry.map_err(|error| error.to_string())?,
            keys: Arc::clone(keys),
            proofs: Arc::new(Proofs::new(trust, SodCache::new(settings.credential.sods_cached_max))),
            statuses: StatusCache::default(),
            clock,
        };
        let (runtime, answers) = (Handle::current(), answers.clone());
        Ok(Verifier { shared: Arc::new(shared), chips: ChipThreads::start(chip_threads)?, runtime, answers })
    }

    /// What chips are checked with, for whoever keeps it up to date.
    pub(crate) fn proofs(&self) -> Arc<Proofs> {
        Arc::clone(&self.shared.proofs)
    }

    /// Whether the registry is left alone, because it has failed too often in a row.
    pub(crate) fn is_registry_left_alone(&self) -> bool {
        self.shared.registry.is_left_alone()
    }

    /// Country signers whose revocation list is missing or too old, RFC 4514.
    pub(crate) fn stale_lists(&self, now: Now) -> Vec<String> {
        let trust = self.shared.proofs.trust();
        let lists = trust.lists(now.wall_ms.div_euclid(1000));
        lists.into_iter().filter(|(.., is_stale)| *is_stale).map(|(issuer, ..)| issuer.to_owned()).collect()
    }

    /// The verdict comes through the bus. How many are under way the processor bounds: its requests in flight.
    pub(crate) fn verify(&self, ticket: Ticket, request: Box<VerifyRequest>) {
        let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
        let checking = Arc::clone(&self.shared);
        let checked = self.chips.run(move || checking.check(&request).map(|chip| (request, chip)));
        self.runtime.spawn(async move {
            let verdict = match checked.await {
                Ok(Ok((request, chip))) => shared.ask(&request, chip).await,
                Ok(Err(refusal)) => refused(&refusal),
                Err(failed) => {
                    tracing::error!(%failed, "chip check");
                    Verdict::Unavailable
                }
            };
            tell(&answers, Input::Verified(ticket, verdict)).await;
        });
    }
}

impl Verifier {
    /// Puts the question that an evidence owes to the registry; its word comes through the bus. How many are under way the
    /// processor bounds.
    pub(crate) fn ask_again(&self, ticket: Ticket, owed: Box<Evidence>) {
        let (shared, answers) = (Arc::clone(&self.shared), self.answers.clone());
        self.runtime.spawn(async move {
            let said = shared.ask_again(&owed).await;
            tell(&answers, Input::AskedAgain(ticket, said)).await;
        });
    }
}

impl Shared {
    fn check(&self, request: &VerifyRequest) -> Result<CheckedChip, Refusal> {
        let now_s = self.clock.now().wall_ms.div_euclid(1000);
        let keys = self.keys.current();
        let challenge_key = keys.get(&request.key.terminal).map(|keys| keys.challenge.bytes());
        self.proofs.check(request, challenge_key, now_s)
    }

    async fn ask(self: &Arc<Self>, request: &VerifyRequest, chip: CheckedChip) -> Verdict {
        let question = proofs::question(request, &chip);
        let answer = match self.registry.leave() {
            Err(paused) => Answer::unavailable(Reason::Paused(paused)),
            Ok(Leave::Probe(paused)) if paused.was_away && self.may_stand_in(request, &chip) => {
                self.probe(proofs::question(request, &chip));
                Answer::unavailable(Reason::Paused(paused))
            }
            Ok(Leave::Asked | Leave::Probe(_)) => self.asked(&question).await,
        };
        match &answer.outcome {
            Outcome::Unavailable(reason) if reason.is_away() && request.kind == Kind::Withdrawal => {
                proofs::away(&chip, self.registry.keep(&question), self.statuses.get(&chip.sod.sod_sha256))
            }
            Outcome::Unavailable(_) | Outcome::Verified { .. } | Outcome::Refused(_) => {
                proofs::verdict(answer, &chip)
            }
        }
    }

    /// By what is asked for, and by what is known of the card: whoever is 91 while the registry is away had better find out whether it is back.
    fn may_stand_in(&self, request: &VerifyRequest, chip: &CheckedChip) -> bool {
        let now_ms = self.clock.now().wall_ms;
        let known = self.statuses.get(&chip.sod.sod_sha256);
        let has_status = known.is_some_and(|known| known.valid_until_ms >= now_ms);
        request.may_stand_in && chip.biometric_session.is_some() && has_status
    }

    /// Puts a question for which nobody waits: the switch may stand in for the registry, so no citizen has to find out whether it is back.
    fn probe(self: &Arc<Self>, question: RegistryQuestion) {
        let probing = Arc::clone(self);
        tokio::spawn(async move { probing.asked(&question).await });
    }

    async fn asked(&self, question: &RegistryQuestion) -> Answer {
        let answer = self.registry.put(question).await;
        self.remember(&answer, question.sod_sha256);
        self.note(&answer);
        answer
    }

    async fn ask_again(&self, owed: &Evidence) -> Option<AskedAgain> {
        let answer = self.registry.verify_again(owed.registry.bytes()).await;
        self.remember(&answer, owed.sod_sha256);
        self.note(&answer);
        proofs::asked_again(answer, owed)
    }

    fn remember(&self, answer: &Answer, card: [u8; 32]) {
        if let Some(status) = proofs::status(answer, self.clock.now().wall_ms) {
            self.statuses.put(card, status);
        }
    }

    fn note(&self, answer: &Answer) {
        if let Outcome::Unavailable(reason) = &answer.outcome {
            match reason {
                // That it is left alone was told once.
                Reason::Paused(_) => {}
                Reason::Tls(_) => {
                    tracing::error!(%reason, "what answers in the registry's place is refused: 91");
                    metrics::counter!("atm_switch_registry_tls_failures_total").increment(1);
                }
                _ => tracing::warn!(%reason, "the registry gives no verdict"),
            }
            metrics::counter!("atm_switch_registry_unavailable_total").increment(1);
        }
    }
}

fn refused(refusal: &Refusal) -> Verdict {
    let verdict = refusal.verdict();
    match &verdict {
        Verdict::Refused(code, _) => {
            tracing::info!(%refusal, %code, "proof refused");
            metrics::counter!("atm_switch_proofs_refused_total").increment(1);
        }
        Verdict::Unavailable => metrics::counter!("atm_switch_proofs_not_judged_total").increment(1),
        Verdict::SendSod | Verdict::Verified { .. } | Verdict::RegistryAway(_) => {}
    }
    verdict
}
