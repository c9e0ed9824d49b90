//! The MAC keys of links: those of the key file, and in their place those that were exchanged, which change while a link is up
//! (docs/decisions/0016-exchanged-macs.md).

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hsm::{Hsm, HsmError, KeyName, KeyRole, LinkMacKeys, Owner};
use keys::{LinkMac, MacKey, MacPurpose};
use mutant::Mutant;
use processor::TerminalId;

use super::terminal::TerminalKeyStore;

/// How often it is looked for keys whose time is over, or begins: so late at most one is refused.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// MAC keys that were exchanged, by owner; whoever has none goes by the key file.
#[derive(Default)]
pub struct ExchangedMacs {
    module: Option<Arc<dyn Hsm>>,
    /// The key file's: what the first exchange of an owner starts from.
    terminals: Arc<TerminalKeyStore>,
    banks: HashMap<Owner, LinkMac>,
    exchanged: RwLock<HashMap<Owner, Exchanged>>,
    /// Held from the look into the module until what was seen stands in `exchanged`: what was read first never comes last.
    refreshing: Mutex<()>,
}

/// The keys of one owner.
struct Exchanged {
    mac: Arc<LinkMac>,
    /// When one of them is good no longer, seconds since 1970.
    until_s: Option<i64>,
    /// Whether a message was under the newest of the owner's, where the module does not know that yet.
    is_seen: Option<Arc<AtomicBool>>,
}

/// The keys of a link at one moment.
pub(super) enum MacNow<'k> {
    File(&'k LinkMac),
    Exchanged(Arc<LinkMac>),
}

impl Deref for MacNow<'_> {
    type Target = LinkMac;

    fn deref(&self) -> &LinkMac {
        match self {
            MacNow::File(mac) => mac,
            MacNow::Exchanged(mac) => mac,
        }
    }
}

impl ExchangedMacs {
    /// Those of a module, over the keys of the key file: of banks, whose messages carry MACs, and of all terminals.
    pub fn new(
        module: Option<Arc<dyn Hsm>>,
        terminals: Arc<TerminalKeyStore>,
        banks: HashMap<Owner, LinkMac>,
    ) -> ExchangedMacs {
        let macs = ExchangedMacs { module, terminals, banks, ..ExchangedMacs::default() };
        macs.refresh_all();
        macs
    }

    /// An owner's keys, where some were exchanged; else these.
    pub(super) fn of<'k>(&self, owner: &Owner, file: &'k LinkMac) -> MacNow<'k> {
        let exchanged = self.exchanged.read().unwrap_or_else(PoisonError::into_inner);
        match exchanged.get(owner) {
            Some(exchanged) => MacNow::Exchanged(Arc::clone(&exchanged.mac)),
            None => MacNow::File(file),
        }
    }

    /// An owner's keys in the key file; `None` where its messages carry no MACs, or it is not known.
    pub(crate) fn in_file(&self, owner: &Owner) -> Option<LinkMac> {
        match owner.terminal_id() {
            Some(id) => Some(self.terminals.current().get(&TerminalId::parse(&id)?)?.mac.clone()),
            None => self.banks.get(owner).cloned(),
        }
    }

    /// Takes up what the module has of an owner now. Where that cannot be had, what was in use stays.
    pub fn refresh(&self, owner: Owner) {
        let (Some(module), Some(file)) = (&self.module, self.in_file(&owner)) else { return };
        self.take_up(owner, || exchanged(&**module, owner, &file, now_s()));
    }

    fn take_up(&self, owner: Owner, look: impl FnOnce() -> Result<Option<Exchanged>, HsmError>) {
        let _refreshing = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        match look() {
            Ok(found) => {
                let mut exchanged = self.exchanged.write().unwrap_or_else(PoisonError::into_inner);
                match found {
                    Some(found) => drop(exchanged.insert(owner, found)),
                    None => drop(exchanged.remove(&owner)),
                }
            }
            Err(error) => tracing::error!(%owner, %error, "exchanged MAC keys"),
        }
    }

    /// The same of all: at a start, and when the configuration or the module was read again.
    pub fn refresh_all(&self) {
        if self.module.is_some() {
            let terminals = self.terminals.current();
            terminals.keys().for_each(|id| self.refresh(Owner::terminal(&id.0)));
            self.banks.keys().for_each(|owner| self.refresh(*owner));
        }
    }

    /// Tells the module which keys were seen, and takes those out whose time is over, for as long as the process lives.
    pub(crate) async fn keep(self: Arc<ExchangedMacs>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let macs = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                macs.note_seen(now_s());
                macs.refresh_ended(now_s());
            });
            if looked.await.is_err() {
                return;
            }
        }
    }

    /// The day of an old key begins: its owner was seen to use the new one. In one change of the module's file. Before the next key
    /// comes it has to be known, for of two that came the one that was never seen is let go.
    pub(crate) fn note_seen(&self, now_s: i64) {
        let Some(module) = &self.module else { return };
        let exchanged = self.exchanged.read().unwrap_or_else(PoisonError::into_inner);
        let is_seen = |one: &Exchanged| one.is_seen.as_ref().is_some_and(|seen| seen.load(Ordering::Relaxed));
        let seen: Vec<Owner> =
            exchanged.iter().filter(|(_, one)| is_seen(one)).map(|(owner, _)| *owner).collect();
        drop(exchanged);
        if seen.is_empty() {
            return;
        }
        let names: Vec<KeyName> = seen.iter().map(|owner| owner.key(KeyRole::MacToSwitch)).collect();
        match module.mac_keys_seen(&names, now_s) {
            Ok(()) => seen.into_iter().for_each(|owner| self.refresh(owner)),
            // The old keys stay good until the next look can say it.
            Err(error) => tracing::error!(owners = seen.len(), %error, "MAC keys that are in use"),
        }
    }

    fn refresh_ended(&self, now_s: i64) {
        let exchanged = self.exchanged.read().unwrap_or_else(PoisonError::into_inner);
        let is_over = |(_, one): &(&Owner, &Exchanged)| one.until_s.is_some_and(|until_s| until_s <= now_s);
        let ended: Vec<Owner> = exchanged.iter().filter(is_over).map(|(owner, _)| *owner).collect();
        drop(exchanged);
        ended.into_iter().for_each(|owner| self.refresh(owner));
    }
}

/// What an owner's link goes by: `None` where nothing was exchanged.
fn exchanged(
    module: &dyn Hsm,
    owner: Owner,
    file: &LinkMac,
    now_s: i64,
) -> Result<Option<Exchanged>, HsmError> {
    let algorithm = file.verify.algorithm();
    if !module.has_link_macs() {
        return Ok(None);
    }
    let of = |role, purpose| module.link_mac_keys(&owner.key(role), algorithm, purpose, now_s);
    let to_switch = of(KeyRole::MacToSwitch, MacPurpose::Verify)?;
    let from_switch = of(KeyRole::MacFromSwitch, MacPurpose::Sign)?;
    Ok(joined(file, to_switch, from_switch, now_s))
}

/// The newest exchanged key makes MACs; those are checked by it, by the one before while that is good, and by one that was
/// offered and may be in use at the other end. Before the first exchanged key stands the key file's.
fn joined(file: &LinkMac, to_switch: LinkMacKeys, from_switch: LinkMacKeys, now_s: i64) -> Option<Exchanged> {
    if to_switch.newest.is_none() && to_switch.offered.is_empty() && from_switch.newest.is_none() {
        return None;
    }
    let is_open = now_s < to_switch.before_until_s || mutant::is(Mutant::OldMacKeyForEver);
    let is_before_good = to_switch.newest.is_some() && is_open;
    let of_file = (is_before_good && !to_switch.has_before).then(|| file.verify.clone());
    let is_seen = (to_switch.newest.is_some() && !to_switch.is_seen).then(Arc::<AtomicBool>::default);
    let first = to_switch.newest.unwrap_or_else(|| file.verify.clone());
    let first = match &is_seen {
        Some(is_seen) => first.noting(Arc::clone(is_seen)),
        None => first,
    };
    let others = [to_switch.before, of_file].into_iter().flatten().chain(to_switch.offered);
    let mac = LinkMac {
        sign: from_switch.newest.unwrap_or_else(|| file.sign.clone()),
        verify: MacKey::any_of(first, others),
    };
    Some(Exchanged {
        mac: Arc::new(mac),
        until_s: is_before_good.then_some(to_switch.before_until_s),
        is_seen,
    })
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}

impl fmt::Debug for ExchangedMacs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangedMacs")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use keys::{Key, MacAlgorithm};

    use super::*;

    const NOW_S: i64 = 1_000;

    fn key(byte: u8) -> MacKey {
        MacKey::new(&Key::new([byte; 32]))
    }

    /// An old key that was read before a new one, and written behind it, once stood until the next exchange.
    #[test]
    fn of_two_looks_at_an_owners_keys_the_later_one_stands() {
        let macs = ExchangedMacs::default();
        let owner = Owner::bank(b"970418").unwrap();
        let of = |byte| Exchanged {
            mac: Arc::new(LinkMac { sign: key(5), verify: key(byte) }),
            until_s: None,
            is_seen: None,
        };
        let (is_looking, looks) = mpsc::channel();
        let (is_done, done) = mpsc::channel();
        std::thread::scope(|scope| {
            let macs = &macs;
            scope.spawn(move || {
                macs.take_up(owner, || {
                    is_looking.send(()).unwrap();
                    // Slow: the other one would be done meanwhile, if it could.
                    let _ = done.recv_timeout(Duration::from_millis(200));
                    Ok(Some(of(1)))
                });
            });
            looks.recv().unwrap();
            macs.take_up(owner, || Ok(Some(of(2))));
            let _ = is_done.send(());
        });
        let exchanged = macs.exchanged.into_inner().unwrap().remove(&owner);
        assert_eq!(told(exchanged), "2 checks, 5 makes, until None");
    }

    /// A peer whose 0810 was lost goes on with the old key: its day once began all the same, and locked the peer out.
    #[test]
    fn the_day_of_the_key_before_begins_at_the_first_message_under_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let sealing = hsm::Sealing::key_file(&[b'5'; 64]).unwrap();
        let module = Arc::new(hsm::SoftwareHsm::create(&dir.path().join("keys"), sealing).unwrap());
        let owner = Owner::bank(b"970418").unwrap();
        let kind = hsm::KeyKind { algorithm: keys::KeyAlgorithm::Hmac, bytes: 32 };
        let name = owner.key(KeyRole::MacToSwitch);
        module.generate_key(name, kind, 0).unwrap();
        let file = LinkMac { sign: key(5), verify: key(1) };
        let hsm: Arc<dyn Hsm> = Arc::clone(&module) as Arc<dyn Hsm>;
        let macs = ExchangedMacs::new(Some(hsm), Arc::default(), [(owner, file.clone())].into());
        let check = |mac: [u8; 8]| macs.of(&owner, &file).verify.verify(b"0800", &mac);
        let (old, new) =
            (key(1).sign(b"0800"), module.mac(&name, MacAlgorithm::HmacSha256, b"0800").unwrap());
        let begun_s = || module.key(&name).unwrap().unwrap().proven_s;
        for _ in 0..2 {
            assert!(check(old), "decades later");
            macs.note_seen(now_s());
            assert_eq!(begun_s(), None);
        }
        assert!(check(new));
        macs.note_seen(7);
        assert_eq!(begun_s(), Some(7));
        assert!(check(new) && !check(old), "a day behind the 7th second of 1970");
        macs.note_seen(now_s());
        assert_eq!(begun_s(), Some(7), "the first one counts");
    }

    /// Which of the keys 1 to 4 check, and which one makes MACs.
    fn told(exchanged: Option<Exchanged>) -> String {
        let Some(Exchanged { mac, until_s, .. }) = exchanged else { return "the key file's".to_owned() };
        let checks = (1..=4).filter(|byte| mac.verify.verify(b"0800", &key(*byte).sign(b"0800")));
        let checks: Vec<String> = checks.map(|byte| byte.to_string()).collect();
        let makes = (5..=6).find(|byte| mac.sign.sign(b"0800") == key(*byte).sign(b"0800")).unwrap();
        format!("{} checks, {makes} makes, until {until_s:?}", checks.join("+"))
    }

    #[test]
    fn the_key_of_before_is_good_for_its_window_and_what_was_offered_is_accepted() {
        let file = LinkMac { sign: key(5), verify: key(1) };
        let (none, open_s) = (LinkMacKeys::default, NOW_S + 1);
        let newest =
            |until_s| LinkMacKeys { newest: Some(key(3)), before_until_s: until_s, is_seen: true, ..none() };
        let second =
            |before: Option<MacKey>, until_s| LinkMacKeys { has_before: true, before, ..newest(until_s) };
        for (to_switch, expected) in [
            (none(), "the key file's"),
            (LinkMacKeys { offered: vec![key(4)], ..none() }, "1+4 checks, 5 makes, until None"),
            (LinkMacKeys { offered: vec![key(3), key(4)], ..none() }, "1+3+4 checks, 5 makes, until None"),
            (newest(open_s), "1+3 checks, 5 makes, until Some(1001)"),
            (newest(NOW_S), "3 checks, 5 makes, until None"),
            (second(Some(key(2)), open_s), "2+3 checks, 5 makes, until Some(1001)"),
            (second(None, NOW_S), "3 checks, 5 makes, until None"),
            (
                LinkMacKeys { offered: vec![key(4)], ..second(Some(key(2)), open_s) },
                "2+3+4 checks, 5 makes, until Some(1001)",
            ),
        ] {
            assert_eq!(told(joined(&file, to_switch, none(), NOW_S)), expected);
        }
        let from_switch = LinkMacKeys { newest: Some(key(6)), ..none() };
        assert_eq!(told(joined(&file, none(), from_switch, NOW_S)), "1 checks, 6 makes, until None");
        let offered = LinkMacKeys { offered: vec![key(6)], ..none() };
        assert_eq!(told(joined(&file, none(), offered, NOW_S)), "the key file's", "it makes nothing yet");
    }
}
