//! Sends terminals and banks their next keys by itself, when those in use are old enough (docs/operations.md#exchanged-keys).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm::{Hsm, KeyInfo, KeyName, KeyRole, OLD_KEY_LIFE_S, Owner};
use processor::{Command, KEY_OWNER_AWAY, KEY_REFUSED, KeyOwner, OfferedKey, SentKey, TerminalId};
use tokio::sync::{mpsc, oneshot};

use crate::bus::Inbound;

/// Keys are looked through so often: one is sent so late at most, where its owner is connected.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// The first look comes so long after the start: owners have connected by then.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(20);

/// Keys that one look sends at most, one after the other, the oldest first; the others are for the next, which goes on behind them.
const SENT_PER_LOOK_MAX: usize = 1_000;

/// Owners that one look asks for at most, those included that are not connected.
const ASKED_PER_LOOK_MAX: usize = 20_000;

/// An owner that was sent a key in vain is left alone for so long: others are not kept waiting by it. It may have the key, its 0810
/// lost or the key not taken into use here, and drops the one before a day after it took it in: there have to be many tries within that.
const REST_S: i64 = 3_600;

/// One that has refused the key has not taken it in: nothing of its own comes to an end.
const REFUSED_REST_S: i64 = DAY_S;

const _: () = assert!(REST_S * 12 <= OLD_KEY_LIFE_S);

const DAY_S: i64 = 86_400;

/// A key by its age: since when it is used, seconds since 1970.
type Aged = (i64, KeyName);

/// Sends what is due, until the event loop ends.
pub(crate) async fn keep(hsm: Arc<dyn Hsm>, days: u64, loop_queue: mpsc::Sender<Inbound>) {
    let mut round = Round { has_link_macs: hsm.has_link_macs(), ..Round::default() };
    let mut wait = FIRST_LOOK_AFTER;
    loop {
        tokio::time::sleep(std::mem::replace(&mut wait, LOOK_EVERY)).await;
        let module = Arc::clone(&hsm);
        let keys = match tokio::task::spawn_blocking(move || module.keys()).await {
            Ok(Ok(keys)) => keys,
            Ok(Err(error)) => {
                tracing::error!(%error, "no key is sent by itself");
                continue;
            }
            Err(_) => return,
        };
        let mut sent = 0;
        for aged in round.due(&keys, now_s(), days) {
            if sent >= SENT_PER_LOOK_MAX {
                break;
            }
            if round.resting.contains_key(&aged.1.owner) {
                continue;
            }
            let Some(key) = offered(aged.1) else { continue };
            let (answer, done) = oneshot::channel();
            if loop_queue.send(Inbound::Operator(Command::SendKey(key), answer)).await.is_err() {
                return;
            }
            let Ok(outcome) = done.await else { return };
            sent += usize::from(round.told(aged, outcome.map(drop), now_s()));
        }
    }
}

/// How far the keys were gone through, and whom to leave alone.
#[derive(Default)]
struct Round {
    /// The key that was asked for last: the next look begins behind it.
    last: Option<Aged>,
    /// Owners that rest, and until when, seconds since 1970.
    resting: BTreeMap<Owner, i64>,
    /// Keys for MACs are sent too.
    has_link_macs: bool,
}

impl Round {
    /// The keys that are as old as that, of owners that have an exchange key and do not rest: the oldest first, from where the last
    /// look ended, and around.
    fn due(&mut self, keys: &[KeyInfo], now_s: i64, days: u64) -> Vec<Aged> {
        self.resting.retain(|_, until_s| now_s < *until_s);
        let reachable: BTreeSet<Owner> =
            keys.iter().filter(|key| key.name.role == KeyRole::Exchange).map(|key| key.name.owner).collect();
        let age_s_min = DAY_S.saturating_mul(days as i64);
        let is_due = |key: &&KeyInfo| {
            let (owner, role) = (key.name.owner, key.name.role);
            let is_sent = match role {
                KeyRole::Exchange | KeyRole::Derivation => false,
                KeyRole::Pin => true,
                KeyRole::MacToSwitch | KeyRole::MacFromSwitch => self.has_link_macs,
            };
            let is_reached = reachable.contains(&owner) && !self.resting.contains_key(&owner);
            is_sent && is_reached && now_s - key.since_s >= age_s_min
        };
        let mut due: Vec<Aged> = keys.iter().filter(is_due).map(|key| (key.since_s, key.name)).collect();
        due.sort_unstable();
        let begin = due.partition_point(|aged| self.last.is_some_and(|last| *aged <= last));
        due.rotate_left(begin);
        due.truncate(ASKED_PER_LOOK_MAX);
        due
    }

    /// Notes what became of a key; `true`: it was sent, in vain or not.
    fn told(&mut self, aged: Aged, outcome: Result<(), String>, now_s: i64) -> bool {
        let name = aged.1;
        self.last = Some(aged);
        match outcome {
            Ok(_) => tracing::info!(%name, "a new key was sent, and is in use"),
            Err(reason) if reason == KEY_OWNER_AWAY => return false,
            Err(reason) => {
                let rest_s = if reason.starts_with(KEY_REFUSED) { REFUSED_REST_S } else { REST_S };
                self.resting.insert(name.owner, now_s.saturating_add(rest_s));
                tracing::info!(%name, reason, rest_s, "a key is due, and was not sent; its owner rests");
            }
        }
        true
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
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
            under: None,
            check_value: CheckValue::of_hex("1A2B3C").unwrap(),
            since_s,
            proven_s: Some(since_s),
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
        let names = |days, has_link_macs| -> Vec<String> {
            let due = Round { has_link_macs, ..Round::default() }.due(&keys, 20 + 7 * DAY_S, days);
            due.iter().map(|(_, name)| name.to_string()).collect()
        };
        assert_eq!(names(7, true), ["bank.970418.mac-to-switch", "bank.970418.pin"]);
        assert_eq!(names(7, false), ["bank.970418.pin"], "a payShield has no part in links' MACs");
        assert!(names(8, true).is_empty());
    }

    /// Those that are away, or never answer, once stood in front of all others at each look.
    #[test]
    fn nobody_is_kept_waiting_by_those_that_are_away_or_do_not_answer() {
        let mut keys = Vec::new();
        for (bank, since_s) in [("1", 0), ("2", 1), ("3", 2), ("4", 3)] {
            keys.push(key(&format!("bank.{bank}.exchange"), 0));
            keys.push(key(&format!("bank.{bank}.pin"), since_s));
        }
        let mut round = Round::default();
        let banks = |due: &[Aged]| -> Vec<String> {
            due.iter().map(|(_, name)| name.owner.bank_id().unwrap().to_owned()).collect()
        };
        let now_s = 9 * DAY_S;
        let due = round.due(&keys, now_s, 7);
        assert_eq!(banks(&due), ["1", "2", "3", "4"]);
        assert!(!round.told(due[0], Err(KEY_OWNER_AWAY.to_owned()), now_s), "it counts for nothing");
        assert!(round.told(due[1], Err("no answer after 3 times".to_owned()), now_s));
        let due = round.due(&keys, now_s + 1, 7);
        assert_eq!(banks(&due), ["3", "4", "1"], "from there on, and the one that was given up rests");
        assert!(round.told(due[0], Ok(()), now_s + 1));
        assert_eq!(banks(&round.due(&keys, now_s + REST_S - 1, 7)), ["4", "1", "3"]);
        assert_eq!(banks(&round.due(&keys, now_s + REST_S, 7)), ["4", "1", "2", "3"]);
    }

    /// It rested a day: the bank had dropped its old key by then, and could read no PIN.
    #[test]
    fn an_owner_that_may_have_the_key_is_asked_again_within_the_day_of_its_old_one() {
        let keys = [key("bank.1.exchange", 0), key("bank.1.pin", 0)];
        let now_s = 9 * DAY_S;
        let rest_s = |reason: &str| {
            let mut round = Round::default();
            let due = round.due(&keys, now_s, 7);
            assert!(round.told(due[0], Err(reason.to_owned()), now_s));
            (0..=DAY_S).find(|rest_s| !round.due(&keys, now_s + rest_s, 7).is_empty())
        };
        for reason in ["no answer after 3 times", "its owner has it, and it was not taken into use: no space"]
        {
            assert_eq!(rest_s(reason), Some(3_600), "{reason}");
        }
        assert_eq!(rest_s("refused with 40: its owner takes no keys"), Some(DAY_S), "it has not taken it in");
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
