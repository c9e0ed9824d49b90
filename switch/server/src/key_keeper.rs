//! Has the security module take in the keys that terminals and banks bring, and make those that they are sent, on a thread of its
//! own and in a queue of its own: no PIN waits behind a key (docs/interface.md#key-exchange).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use hsm::{Examined, Hsm, HsmError, KeyKind, KeyName, KeyRole, Offer, Owner, Wanted};
use keys::{CheckValue, KeyAlgorithm, PinFormat};
use metrics::counter;
use processor::{
    Input, KEY_EXCHANGES_MAX, KEY_OFFERS_MAX, KeyOffer, KeyOwner, KeyRequest, KeyVerdict, OfferedKey,
    SentKey, Ticket,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::audit_file::{AUDIT_FILE, AuditFile};
use crate::bus::Inbound;
use crate::clock::Clock;
use crate::config::PinFormats;
use crate::current::Current;
use crate::links::macs::ExchangedMacs;

/// The first triple DES or AES key of an owner's has so many bytes.
const NEW_KEY_BYTES: usize = 16;

/// A key that comes over a link is at most so many versions above the one that is there: a peer that counts wrongly must not
/// use up the 99 that there are. People may bring any (`atm-switch keys import`).
pub(crate) const VERSION_JUMP_MAX: u8 = 10;

/// A key that its owner has is tried to be taken into use so often: its owner drops the one before after a day.
const USE_TRIES_MAX: u32 = 10;

/// The wait before each of these tries but the first: for another process that changes the file, as `atm-switch keys` does. Other
/// questions about keys wait meanwhile; what comes over links is 91 then.
const USE_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Questions that wait for the module: all that the processor may have open.
const WAITING_MAX: usize = KEY_EXCHANGES_MAX + KEY_OFFERS_MAX;

/// Questions about keys that wait for the module; one more is answered 91.
pub(crate) struct KeyKeeper {
    queue: Option<SyncSender<Asked>>,
}

struct Asked {
    ticket: Ticket,
    what: What,
    at: Instant,
}

enum What {
    Take(Box<KeyRequest>),
    Offer(OfferedKey),
    Use(OfferedKey, Box<str>),
}

/// What the thread works with.
pub(crate) struct Keeping {
    /// The module.
    pub(crate) hsm: Arc<dyn Hsm>,
    /// A bank's key has the algorithm of its format.
    pub(crate) formats: Arc<Current<PinFormats>>,
    /// A MAC key has the algorithm of its link.
    pub(crate) macs: Arc<ExchangedMacs>,
    /// The wall clock of what is taken in.
    pub(crate) clock: Clock,
    /// What is taken in, made and used is recorded there.
    pub(crate) audit: AuditFile,
    /// What has waited longer is answered 91, and not begun.
    pub(crate) wait_max: Duration,
}

impl KeyKeeper {
    /// A switch without a module.
    pub(crate) fn none() -> KeyKeeper {
        KeyKeeper { queue: None }
    }

    /// Starts the thread; it ends with the process.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(keeping: Keeping, answers: &mpsc::Sender<Inbound>) -> Result<KeyKeeper, String> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let answers = answers.clone();
        let thread = std::thread::Builder::new().name("hsm-keys".to_owned());
        thread
            .spawn(move || keeping.answer_all(&waiting, &answers))
            .map_err(|error| format!("threads: {error}"))?;
        Ok(KeyKeeper { queue: Some(queue) })
    }

    /// The verdict comes through the bus; at once where too many wait.
    pub(crate) fn take_key(&self, ticket: Ticket, request: Box<KeyRequest>) -> Option<KeyVerdict> {
        let Some(queue) = &self.queue else { return Some(KeyVerdict::NotHere) };
        if put(queue, ticket, What::Take(request)) { None } else { Some(KeyVerdict::Unavailable) }
    }

    /// The key, or why there is none, comes through the bus; at once where there can be none.
    pub(crate) fn offer(&self, ticket: Ticket, key: OfferedKey) -> Option<String> {
        let Some(queue) = &self.queue else { return Some("the configuration has no [hsm]".to_owned()) };
        if put(queue, ticket, What::Offer(key)) { None } else { Some(TOO_MANY.to_owned()) }
    }

    /// The same of what becomes of a key that its owner has.
    pub(crate) fn use_offered(
        &self,
        ticket: Ticket,
        key: OfferedKey,
        check_value: Box<str>,
    ) -> Option<String> {
        let Some(queue) = &self.queue else { return Some("the configuration has no [hsm]".to_owned()) };
        if put(queue, ticket, What::Use(key, check_value)) { None } else { Some(TOO_MANY.to_owned()) }
    }
}

/// `false`: too many wait.
fn put(queue: &SyncSender<Asked>, ticket: Ticket, what: What) -> bool {
    match queue.try_send(Asked { ticket, what, at: Instant::now() }) {
        Ok(()) => true,
        Err(TrySendError::Full(_)) => false,
        Err(TrySendError::Disconnected(_)) => unreachable!("the thread lives as long as the process"),
    }
}

const TOO_MANY: &str = "too many keys wait for the security module";

impl Keeping {
    fn answer_all(&self, waiting: &Receiver<Asked>, answers: &mpsc::Sender<Inbound>) {
        while let Ok(Asked { ticket, what, at }) = waiting.recv() {
            let is_late = at.elapsed() > self.wait_max;
            let input = match what {
                What::Take(_) if is_late => Input::KeyTaken(ticket, KeyVerdict::Unavailable),
                What::Take(request) => Input::KeyTaken(ticket, self.verdict(&request)),
                // Nobody at the other end waits for these yet, or it has the key already: late is better than not.
                What::Offer(key) => Input::KeyOffered(ticket, self.offer(key)),
                What::Use(key, check_value) => {
                    Input::OfferedKeyUsed(ticket, self.use_offered(key, &check_value))
                }
            };
            if answers.blocking_send(Inbound::Input(Box::new(input))).is_err() {
                return;
            }
        }
    }

    /// A key of its owner's for PINs or MACs, above the one that is there; nobody else's and nothing else.
    fn verdict(&self, request: &KeyRequest) -> KeyVerdict {
        let owner = owner_of(request.owner);
        let Some((owner, role)) = owner.zip(KeyRole::brought(&request.block)) else {
            tracing::warn!(owner = ?request.owner, "a key is refused: no block of a key for PINs or one direction's MACs");
            counter!("atm_switch_keys_refused_total").increment(1);
            return KeyVerdict::Refused;
        };
        let name = owner.key(role);
        match self.take(name, request) {
            Ok(Examined { check_value, version, is_there }) => {
                let (check_value, version) = (check_value.to_string(), version.to_string());
                tracing::info!(%name, version, check_value, is_repeat = is_there, "a key came over its link");
                counter!("atm_switch_keys_exchanged_total").increment(u64::from(!is_there));
                KeyVerdict::Taken(check_value.into())
            }
            Err(HsmError::NotHere(_)) => KeyVerdict::NotHere,
            Err(
                error @ (HsmError::File { .. }
                | HsmError::Away(_)
                | HsmError::Full
                | HsmError::ExchangeKeyChanged(_)),
            ) => {
                tracing::error!(%name, %error, "a key was not taken in");
                KeyVerdict::Unavailable
            }
            Err(error) => {
                tracing::warn!(%name, %error, "a key is refused");
                counter!("atm_switch_keys_refused_total").increment(1);
                KeyVerdict::Refused
            }
        }
    }

    fn take(&self, name: KeyName, request: &KeyRequest) -> Result<Examined, HsmError> {
        let wanted = Wanted { algorithm: self.algorithm(&name, request.owner)?, jump_max: VERSION_JUMP_MAX };
        let examined = self.hsm.examine_key(name, &request.block, wanted)?;
        if examined.is_there {
            return Ok(examined);
        }
        let act = |stage: &str| {
            json!({
                "act": "keys exchange",
                "stage": stage,
                "key": name.to_string(),
                "version": examined.version.to_string(),
                "check_value": examined.check_value.to_string(),
            })
        };
        self.audit(act("intent"))?;
        self.macs.note_seen(self.now_s());
        let taken = self.hsm.unwrap_key(name, &request.block, wanted, self.now_s());
        let mut outcome = act(if taken.is_ok() { "done" } else { "failed" });
        if let Err(error) = &taken {
            outcome["error"] = json!(error.to_string());
        }
        // The key is there or is not: an audit that cannot be written any more changes nothing in what the peer is told.
        if let Err(error) = self.audit(outcome) {
            tracing::error!(%error, "the outcome of a key exchange");
        }
        taken.map(|_| examined)
    }

    /// What a key of this owner has to be: for its link's MACs; for its bank's PIN format; else as the one that is there, and any
    /// where there is none.
    fn algorithm(&self, name: &KeyName, owner: KeyOwner) -> Result<Option<KeyAlgorithm>, HsmError> {
        if name.role != KeyRole::Pin {
            let mac = self.macs.in_file(&name.owner).ok_or(HsmError::NoLinkMac(name.owner))?;
            if !self.hsm.has_link_macs() {
                return Err(HsmError::NotHere("links' MACs, which stay under the keys of the key file"));
            }
            return Ok(Some(mac.verify.algorithm().kind().1));
        }
        let format = match owner {
            KeyOwner::Bank(bank) => self.formats.get().banks.get(&bank).copied(),
            KeyOwner::Terminal(_) => None,
        };
        match format.map(PinFormat::algorithm) {
            Some(algorithm) => Ok(Some(algorithm)),
            None => Ok(self.hsm.key(name)?.map(|key| key.algorithm)),
        }
    }

    /// Makes the next key of an owner's, durable beside the one in use, and wraps it.
    fn offer(&self, key: OfferedKey) -> Result<KeyOffer, String> {
        let name = name_of(key).ok_or("no owner of keys")?;
        let failed = |error: HsmError| format!("{name}: {error}");
        let kind = self.kind(name, key.owner)?;
        let act = |stage: &str| json!({ "act": "keys send", "stage": stage, "key": name.to_string() });
        self.audit(act("intent")).map_err(failed)?;
        let offered = self.hsm.offer_key(name, kind, self.now_s());
        let mut outcome = act(if offered.is_ok() { "offered" } else { "failed" });
        match &offered {
            Ok(offer) => {
                outcome["version"] = json!(offer.version.to_string());
                outcome["check_value"] = json!(offer.check_value.to_string());
            }
            Err(error) => outcome["error"] = json!(error.to_string()),
        }
        self.audit(outcome).map_err(failed)?;
        let Offer { block, check_value, .. } = offered.map_err(failed)?;
        // Its owner may use it from the moment that it has it.
        self.macs.refresh(name.owner);
        Ok(KeyOffer { block: block.into(), check_value: check_value.to_string().into() })
    }

    fn use_offered(&self, key: OfferedKey, check_value: &str) -> Result<(), String> {
        let name = name_of(key).ok_or("no owner of keys")?;
        let failed = |error: HsmError| format!("{name}: {error}");
        let value = CheckValue::of_hex(check_value).ok_or("no check value")?;
        let act = |stage: &str| json!({ "act": "keys use", "stage": stage, "key": name.to_string(), "check_value": check_value });
        self.audit(act("intent")).map_err(failed)?;
        self.macs.note_seen(self.now_s());
        let pause = || std::thread::sleep(USE_AGAIN_AFTER);
        let used = until_used(pause, || self.hsm.use_offered_key(name, value, self.now_s()));
        let mut outcome = act(if used.is_ok() { "done" } else { "failed" });
        if let Err(error) = &used {
            outcome["error"] = json!(error.to_string());
            tracing::error!(
                %name, %error,
                "its owner has the key, and it is not in use here: send it again, or keys use {name} --check-value {value}, and SIGHUP"
            );
        }
        if let Err(error) = self.audit(outcome) {
            tracing::error!(%error, "the outcome of a key that was sent");
        }
        used.map_err(failed)?;
        self.macs.refresh(name.owner);
        Ok(())
    }

    /// As the one in use; the first one of an owner's for its bank's PIN format, or for its link's MACs.
    fn kind(&self, name: KeyName, owner: KeyOwner) -> Result<KeyKind, String> {
        let failed = |error: HsmError| format!("{name}: {error}");
        let exchange = self.hsm.key(&name.owner.key(KeyRole::Exchange)).map_err(failed)?;
        let exchange = exchange.ok_or_else(|| {
            format!("{name}: {}.exchange is missing, under which it would leave", name.owner)
        })?;
        let newest = self.hsm.key(&name).map_err(failed)?;
        let wanted = self.algorithm(&name, owner).map_err(failed)?;
        match (newest, wanted) {
            (Some(key), wanted) if wanted.is_none_or(|wanted| wanted == key.algorithm) => {
                Ok(KeyKind { algorithm: key.algorithm, bytes: key.bytes })
            }
            // None is stronger than the key that it travels under.
            (_, Some(KeyAlgorithm::Hmac)) => {
                Ok(KeyKind { algorithm: KeyAlgorithm::Hmac, bytes: exchange.bytes })
            }
            (_, Some(algorithm)) => Ok(KeyKind { algorithm, bytes: NEW_KEY_BYTES }),
            (_, None) => {
                Err(format!("{name}: there is none whose kind it could have; import or generate the first"))
            }
        }
    }

    fn now_s(&self) -> i64 {
        self.clock.now().wall_ms.div_euclid(1_000)
    }

    fn audit(&self, act: Value) -> Result<(), HsmError> {
        let failed = |reason| HsmError::File { path: AUDIT_FILE.to_owned(), reason };
        self.audit.record(act).map_err(failed)
    }
}

/// Tries again what may pass by itself: a file that another process changes or that cannot be written just now, a module that is away.
fn until_used<T>(
    mut pause: impl FnMut(),
    mut try_to_use: impl FnMut() -> Result<T, HsmError>,
) -> Result<T, HsmError> {
    for _ in 1..USE_TRIES_MAX {
        match try_to_use() {
            Err(HsmError::File { .. } | HsmError::Away(_)) => pause(),
            done => return done,
        }
    }
    try_to_use()
}

/// The key's name in the security module.
fn name_of(key: OfferedKey) -> Option<KeyName> {
    let role = match key.what {
        SentKey::Pin => KeyRole::Pin,
        SentKey::MacToSwitch => KeyRole::MacToSwitch,
        SentKey::MacFromSwitch => KeyRole::MacFromSwitch,
    };
    owner_of(key.owner).map(|owner| owner.key(role))
}

/// The owner's name in the security module.
pub(crate) fn owner_of(owner: KeyOwner) -> Option<Owner> {
    match owner {
        KeyOwner::Terminal(terminal) => Some(Owner::terminal(&terminal.0)),
        KeyOwner::Bank(bank) => Owner::bank(bank.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use hsm::{Import, KeyCustody, Sealing, SoftwareHsm};
    use zeroize::Zeroizing;

    use super::*;

    /// It failed at once where `atm-switch keys` changed the file as the 0810 came, and nobody tried again.
    #[test]
    fn a_key_is_taken_into_use_behind_another_process_that_changes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let sealing = Sealing::key_file("35".repeat(32).as_bytes()).unwrap();
        let module = SoftwareHsm::create(&dir.path().join("hsm.keys"), sealing).unwrap();
        let name: KeyName = "bank.970418.pin".parse().unwrap();
        let parts = [0x5A, 0x3C].map(|byte| Zeroizing::new(vec![byte; 32])).to_vec();
        let parts = Import::Parts { algorithm: KeyAlgorithm::Aes, parts };
        module.import_all(&[(name.owner.key(KeyRole::Exchange), parts)], 1).unwrap();
        let kind = KeyKind { algorithm: KeyAlgorithm::Tdes, bytes: 16 };
        let offer = module.offer_key(name, kind, 1).unwrap();

        let other = std::fs::File::open(dir.path().join("hsm.lock")).unwrap();
        other.lock().unwrap();
        let mut pauses = 0;
        let refused = until_used(|| pauses += 1, || module.use_offered_key(name, offer.check_value, 2));
        assert!(matches!(refused, Err(HsmError::File { .. })), "{refused:?}");
        assert_eq!(pauses, USE_TRIES_MAX - 1, "not without end");
        assert!(module.key(&name).unwrap().is_none());

        let mut pauses = 0;
        let pause = || {
            pauses += 1;
            if pauses == 3 {
                other.unlock().unwrap();
            }
        };
        let used = until_used(pause, || module.use_offered_key(name, offer.check_value, 2)).unwrap();
        assert_eq!((used.check_value, pauses), (offer.check_value, 3));

        let mut pauses = 0;
        let gone = until_used(|| pauses += 1, || module.use_offered_key(name, offer.check_value, 2));
        assert_eq!((gone.unwrap_err(), pauses), (HsmError::NoKey(name), 0), "that does not pass by itself");
    }
}
