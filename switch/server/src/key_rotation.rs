//! Sends terminals and banks their next keys by itself, when those in use are old enough (docs/operations.md#exchanged-keys).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm::{Hsm, KeyInfo, KeyName, KeyRole, Owner};
use processor::{Command, KeyOwner, OfferedKey, SentKey, TerminalId};
use tokio::sync::{mpsc, oneshot};

use crate::bus::Inbound;

/// Keys are looked through so often: one is sent so late at most, where its owner is connected.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Keys that one look sends at most, one after the other, the oldest first; the others are for the next.
const SENT_PER_LOOK_MAX: usize = 1_000;

const DAY_S: i64 = 86_400;

/// Sends what is due, until the event loop ends.
pub(crate) async fn keep(hsm: Arc<dyn Hsm>, days: u64, loop_queue: mpsc::Sender<Inbound>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let module = Arc::clone(&hsm);
        let keys = match tokio::task::spawn_blocking(move || module.keys()).await {
            Ok(Ok(keys)) => keys,
            Ok(Err(error)) => {
                tracing::error!(%error, "no key is sent by itself");
                continue;
            }
            Err(_) => return,
        };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        for name in due(&keys, now_s, days) {
            let Some(key) = offered(name) else { continue };
            let (answer, done) = oneshot::channel();
            if loop_queue.send(Inbound::Operator(Command::SendKey(key), answer)).await.is_err() {
                return;
            }
            match done.await {
                Ok(Ok(_)) => tracing::info!(%name, "a new key was sent, and is in use"),
                Ok(Err(reason)) => tracing::info!(%name, reason, "a key is due, and was not sent"),
                Err(_) => return,
            }
        }
    }
}

/// The keys that are as old as that, of owners that have an exchange key, the oldest first.
fn due(keys: &[KeyInfo], now_s: i64, days: u64) -> Vec<KeyName> {
    let reachable: BTreeSet<Owner> =
        keys.iter().filter(|key| key.name.role == KeyRole::Exchange).map(|key| key.name.owner).collect();
    let age_s_min = DAY_S.saturating_mul(days as i64);
    let is_due = |key: &&KeyInfo| {
        let is_sent = !matches!(key.name.role, KeyRole::Exchange | KeyRole::Derivation);
        is_sent && reachable.contains(&key.name.owner) && now_s - key.since_s >= age_s_min
    };
    let mut due: Vec<(i64, KeyName)> =
        keys.iter().filter(is_due).map(|key| (key.since_s, key.name)).collect();
    due.sort_unstable();
    due.truncate(SENT_PER_LOOK_MAX);
    due.into_iter().map(|(_, name)| name).collect()
}

/// A key as the processor names it; `None` of one that is not sent.
pub(crate) fn offered(name: KeyName) -> Option<OfferedKey> {
    let what = match name.role {
        KeyRole::Pin => SentKey::Pin,
        KeyRole::MacToSwitch => SentKey::MacToSwitch,
        KeyRole::MacFromSwitch => SentKey::MacFromSwitch,
        KeyRole::Exchange | KeyRole::Derivation => return None,
    };
    let owner = match name.owner.terminal_id() {
        Some(id) => KeyOwner::Terminal(TerminalId::parse(&id)?),
        None => KeyOwner::Bank(name.owner.bank_id()?.parse().ok()?),
    };
    Some(OfferedKey { owner, what })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keys::{CheckValue, KeyAlgorithm, KeyUsage, KeyVersion};

    use super::*;

    fn key(name: &str, since_s: i64) -> KeyInfo {
        KeyInfo {
            name: name.parse().unwrap(),
            usage: KeyUsage::PinEncryption,
            algorithm: KeyAlgorithm::Tdes,
            bytes: 16,
            version: KeyVersion::new(1).unwrap(),
            check_value: CheckValue::of_hex("1A2B3C").unwrap(),
            since_s,
            before: None,
        }
    }

    #[test]
    fn what_is_old_enough_is_due_and_travels_under_an_exchange_key() {
        let keys = [
            key("bank.970418.exchange", 0),
            key("bank.970418.pin", 20),
            key("bank.970418.mac-to-switch", 10),
            key("bank.970418.mac-from-switch", 21),
            key("bank.970415.pin", 0),
            key("terminal.HN000001.exchange", 0),
            key("terminal.HN000001.derivation", 0),
        ];
        let names = |days| -> Vec<String> {
            due(&keys, 20 + 7 * DAY_S, days).iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(7), ["bank.970418.mac-to-switch", "bank.970418.pin"]);
        assert!(names(8).is_empty());
    }

    #[test]
    fn names_are_the_processors() {
        let told =
            |name: &str| offered(name.parse().unwrap()).map(|key| format!("{:?} {:?}", key.owner, key.what));
        assert!(told("terminal.HN000001.pin").unwrap().ends_with(" Pin"));
        assert!(told("bank.970418.mac-from-switch").unwrap().ends_with(" MacFromSwitch"));
        assert_eq!(told("bank.970418.exchange"), None);
        assert_eq!(told("terminal.HN000001.derivation"), None);
    }
}
