//! Tells of keys that have to be changed: in time of those whose versions come to their end (docs/operations.md#key-versions), and of
//! those that two owners have (docs/operations.md#one-owner).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hsm::{Hsm, KeyInfo, KeyName, KeyRole, Owner, SharedKeys};
use keys::KeyVersion;
use metrics::gauge;

/// A key is warned of from this version on; 99 is the last.
pub(crate) const VERSION_WARNING: u8 = 90;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Those that were told of are told of again so often.
const TELL_EVERY: Duration = Duration::from_secs(86_400);

/// Names that are written out at once; the others are counted.
const TOLD_MAX: usize = 20;

/// How many keys are near their end, for whoever asks.
#[derive(Default)]
pub(crate) struct KeyVersions {
    near_end: AtomicUsize,
    told: Mutex<Option<Told>>,
    told_shared: Mutex<Option<Told>>,
}

/// What was told last.
struct Told {
    names: BTreeSet<KeyName>,
    at: Instant,
}

/// Whether nothing of these was told, or not lately.
fn must_be_told(told: Option<&Told>, names: &BTreeSet<KeyName>) -> bool {
    let is_told = told.is_some_and(|told| told.at.elapsed() < TELL_EVERY && names.is_subset(&told.names));
    !names.is_empty() && !is_told
}

impl KeyVersions {
    /// As of the last look.
    pub(crate) fn near_end(&self) -> usize {
        self.near_end.load(Ordering::Relaxed)
    }

    /// Looks through the module's keys; tells of those that nothing was told of yet, and of all once a day.
    pub(crate) fn look(&self, hsm: &dyn Hsm) {
        self.look_for_ends(hsm);
        self.look_for_shared(hsm);
    }

    fn look_for_ends(&self, hsm: &dyn Hsm) {
        let keys = match hsm.keys() {
            Ok(keys) => keys,
            Err(error) => return tracing::error!(%error, "the security module's keys"),
        };
        let near: BTreeMap<KeyName, KeyVersion> =
            near_their_end(&keys).map(|key| (key.name, key.version)).collect();
        self.near_end.store(near.len(), Ordering::Relaxed);
        gauge!("atm_switch_keys_near_end").set(near.len() as f64);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeSet<KeyName> = near.keys().copied().collect();
        if !must_be_told(told.as_ref(), &names) {
            return;
        }
        for (name, version) in near.iter().take(TOLD_MAX) {
            match name.role {
                KeyRole::Exchange => tracing::warn!(%name, %version, "the last exchange key is version 99"),
                _ => tracing::warn!(
                    %name, %version, "versions end with 99: bring a new {}.exchange, they begin anew under it", name.owner
                ),
            }
        }
        if near.len() > TOLD_MAX {
            tracing::warn!(keys = near.len(), "keys are near their last version: keys list tells which");
        }
        *told = Some(Told { names, at: Instant::now() });
    }

    /// None comes in any more; those of before go on being used until people have brought others.
    fn look_for_shared(&self, hsm: &dyn Hsm) {
        let shared = match hsm.shared_keys() {
            Ok(shared) => shared,
            Err(error) => return tracing::error!(%error, "the security module's keys"),
        };
        gauge!("atm_switch_keys_shared").set(shared.names.len() as f64);
        let mut told = self.told_shared.lock().unwrap_or_else(PoisonError::into_inner);
        if !must_be_told(told.as_ref(), &shared.names) {
            return;
        }
        for name in shared.names.iter().take(TOLD_MAX) {
            let (reason, next) = (shared.reason(), SharedKeys::next(*name));
            if shared.by_check_value {
                tracing::warn!(%name, "{reason}: if it is the same one, {next}");
            } else {
                tracing::error!(%name, "{reason}: {next}");
            }
        }
        if shared.names.len() > TOLD_MAX {
            tracing::warn!(keys = shared.names.len(), "{}: keys list tells which", shared.reason());
        }
        *told = Some(Told { names: shared.names, at: Instant::now() });
    }

    /// Looks for as long as the process lives.
    pub(crate) async fn keep(self: Arc<KeyVersions>, hsm: Arc<dyn Hsm>) {
        loop {
            let (versions, module) = (Arc::clone(&self), Arc::clone(&hsm));
            if tokio::task::spawn_blocking(move || versions.look(&*module)).await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Keys that have few versions left. Those whose exchange key has changed begin anew, and are none.
pub(crate) fn near_their_end(keys: &[KeyInfo]) -> impl Iterator<Item = &KeyInfo> {
    let exchange = keys.iter().filter(|key| key.name.role == KeyRole::Exchange);
    let exchange: BTreeMap<Owner, KeyVersion> = exchange.map(|key| (key.name.owner, key.version)).collect();
    keys.iter().filter(move |key| {
        let counts_on = match key.name.role {
            KeyRole::Exchange => true,
            _ => key.under == exchange.get(&key.name.owner).copied(),
        };
        counts_on && key.version.number() >= VERSION_WARNING
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keys::{CheckValue, KeyAlgorithm, KeyUsage};

    use super::*;

    /// A key by its version, and that of the exchange key under which it counts; 0: under none.
    fn key(name: &str, under: u8, version: u8) -> KeyInfo {
        KeyInfo {
            name: name.parse().unwrap(),
            usage: KeyUsage::PinEncryption,
            algorithm: KeyAlgorithm::Tdes,
            bytes: 16,
            version: KeyVersion::new(version).unwrap(),
            under: KeyVersion::new(under).filter(|under| *under != KeyVersion::UNUSED),
            check_value: CheckValue::of_hex("1A2B3C").unwrap(),
            since_s: 0,
            proven_s: Some(0),
            before: None,
        }
    }

    #[test]
    fn keys_are_near_their_end_from_version_90_on_until_there_is_a_new_exchange_key() {
        let keys = [
            key("bank.1.exchange", 0, 2),
            key("bank.1.pin", 2, 89),
            key("bank.1.mac-to-switch", 2, 90),
            key("bank.1.mac-from-switch", 1, 99),
            key("bank.2.exchange", 0, 90),
            key("bank.2.pin", 90, 99),
            key("terminal.HN000001.derivation", 0, 95),
        ];
        let names: Vec<String> = near_their_end(&keys).map(|key| key.name.to_string()).collect();
        let expected =
            ["bank.1.mac-to-switch", "bank.2.exchange", "bank.2.pin", "terminal.HN000001.derivation"];
        assert_eq!(names, expected);
    }
}
