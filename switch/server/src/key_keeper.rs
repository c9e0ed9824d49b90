//! Has the security module take in the keys that terminals and banks bring, on a thread of its own and in a queue of its own:
//! no PIN waits behind a key (docs/interface.md#key-exchange).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use hsm::{Examined, Hsm, HsmError, KeyName, KeyRole, Owner, Wanted};
use keys::{KeyAlgorithm, PinFormat};
use metrics::counter;
use processor::{Input, KEY_EXCHANGES_MAX, KeyOwner, KeyRequest, KeyVerdict, Ticket};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::audit_file::{AUDIT_FILE, audit};
use crate::bus::Inbound;
use crate::clock::Clock;
use crate::config::PinFormats;
use crate::current::Current;

/// A key that comes over a link is at most so many versions above the one that is there: a peer that counts wrongly must not
/// use up the 99 that there are. People may bring any (`atm-switch keys import`).
pub(crate) const VERSION_JUMP_MAX: u8 = 10;

/// Questions about keys that wait for the module; one more is answered 91.
pub(crate) struct KeyKeeper {
    queue: Option<SyncSender<Asked>>,
}

struct Asked {
    ticket: Ticket,
    request: Box<KeyRequest>,
    at: Instant,
}

/// What the thread works with.
pub(crate) struct Keeping {
    /// The module.
    pub(crate) hsm: Arc<dyn Hsm>,
    /// A bank's key has the algorithm of its format.
    pub(crate) formats: Arc<Current<PinFormats>>,
    /// The wall clock of what is taken in.
    pub(crate) clock: Clock,
    /// Where the audit file is.
    pub(crate) log_dir: PathBuf,
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
        let (queue, waiting) = sync_channel(KEY_EXCHANGES_MAX);
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
        match queue.try_send(Asked { ticket, request, at: Instant::now() }) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(KeyVerdict::Unavailable),
            Err(TrySendError::Disconnected(_)) => unreachable!("the thread lives as long as the process"),
        }
    }
}

impl Keeping {
    fn answer_all(&self, waiting: &Receiver<Asked>, answers: &mpsc::Sender<Inbound>) {
        while let Ok(Asked { ticket, request, at }) = waiting.recv() {
            let is_late = at.elapsed() > self.wait_max;
            let verdict = if is_late { KeyVerdict::Unavailable } else { self.verdict(&request) };
            let input = Input::KeyTaken(ticket, verdict);
            if answers.blocking_send(Inbound::Input(Box::new(input))).is_err() {
                return;
            }
        }
    }

    /// A PIN key of its owner's, above the one that is there; nobody else's and nothing else.
    fn verdict(&self, request: &KeyRequest) -> KeyVerdict {
        let Some(owner) = owner_of(request.owner) else { return KeyVerdict::Refused };
        let name = owner.key(KeyRole::Pin);
        match self.take(name, request) {
            Ok(Examined { check_value, version, is_there }) => {
                let (check_value, version) = (check_value.to_string(), version.to_string());
                tracing::info!(%name, version, check_value, is_repeat = is_there, "a key came over its link");
                counter!("atm_switch_keys_exchanged_total").increment(u64::from(!is_there));
                KeyVerdict::Taken(check_value.into())
            }
            Err(HsmError::NotHere(_)) => KeyVerdict::NotHere,
            Err(error @ (HsmError::File { .. } | HsmError::Away(_) | HsmError::Full)) => {
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
        let now_s = self.clock.now().wall_ms.div_euclid(1_000);
        let taken = self.hsm.unwrap_key(name, &request.block, wanted, now_s);
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

    /// What a PIN key of this owner has to be: a bank's for its format; else as the one that is there, and any where there is
    /// none.
    fn algorithm(&self, name: &KeyName, owner: KeyOwner) -> Result<Option<KeyAlgorithm>, HsmError> {
        let format = match owner {
            KeyOwner::Bank(bank) => self.formats.get().banks.get(&bank).copied(),
            KeyOwner::Terminal(_) => None,
        };
        match format.map(PinFormat::algorithm) {
            Some(algorithm) => Ok(Some(algorithm)),
            None => Ok(self.hsm.key(name)?.map(|key| key.algorithm)),
        }
    }

    fn audit(&self, act: Value) -> Result<(), HsmError> {
        let failed = |reason| HsmError::File { path: AUDIT_FILE.to_owned(), reason };
        audit(Path::new(&self.log_dir), act).map_err(failed)
    }
}

/// The owner's name in the security module.
pub(crate) fn owner_of(owner: KeyOwner) -> Option<Owner> {
    match owner {
        KeyOwner::Terminal(terminal) => Some(Owner::terminal(&terminal.0)),
        KeyOwner::Bank(bank) => Owner::bank(bank.to_string().as_bytes()),
    }
}
