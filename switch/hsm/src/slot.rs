//! What the software module holds: under each name the newest key, the one before it, and one that was offered to the other end
//! and is not taken into use yet; and their bytes in the sealed file.

use std::collections::BTreeMap;

use keys::{BoundKey, KeyAlgorithm, KeyUsage, KeyVersion, ModeOfUse, PinKey};
use zeroize::Zeroizing;

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::{KeyName, KeyRole};

/// Keys of one module; the next is refused. Five for each of 100,000 terminals, and some for banks.
pub const KEYS_MAX: usize = 600_000;

/// The key before the newest is good for so long after the newest came, or, where its owner makes MACs with it, after the first of
/// those was seen: messages under way, and a partner who has not taken the new one yet. One day.
pub const OLD_KEY_LIFE_S: i64 = 86_400;

/// One key of a slot, ready for use.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) key: BoundKey,
    pub(crate) version: KeyVersion,
    pub(crate) since_s: i64,
    /// The key schedule of a PIN key.
    pub(crate) pin: Option<PinKey>,
}

/// The keys under one name.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) newest: Held,
    pub(crate) before: Option<Held>,
    /// From when on the day of the one before counts, seconds since 1970: since the newest came; of a key with which its owner makes
    /// MACs, since one of them was seen. `None`: none was seen yet, and the answer that says that the newest is here may be lost.
    pub(crate) proven_s: Option<i64>,
}

/// All keys.
#[derive(Clone, Default)]
pub(crate) struct Slots {
    /// Those in use.
    pub(crate) held: BTreeMap<KeyName, Slot>,
    /// Those that the other end was offered: they read, and make nothing before it has said that it has them.
    pub(crate) offered: BTreeMap<KeyName, Held>,
}

impl Held {
    pub(crate) fn new(key: BoundKey, version: KeyVersion, since_s: i64) -> Result<Held, HsmError> {
        let pin = (key.usage() == KeyUsage::PinEncryption).then(|| PinKey::new(&key)).transpose()?;
        Ok(Held { key, version, since_s, pin })
    }
}

impl Slot {
    /// The keys that are good now, the newest first.
    pub(crate) fn good(&self, now_s: i64) -> impl Iterator<Item = &Held> {
        let until_s = self.before_until_s();
        std::iter::once(&self.newest).chain(self.before.as_ref().filter(move |_| now_s < until_s))
    }

    /// A new slot's, or that of one whose newest has changed.
    fn new(name: KeyName, newest: Held, before: Option<Held>) -> Slot {
        let proven_s = (name.role != KeyRole::MacToSwitch).then_some(newest.since_s);
        Slot { newest, before, proven_s }
    }

    /// Until when the key before the newest is good, seconds since 1970.
    pub(crate) fn before_until_s(&self) -> i64 {
        self.proven_s.map_or(i64::MAX, |proven_s| proven_s.saturating_add(OLD_KEY_LIFE_S))
    }

    pub(crate) fn info(&self, name: KeyName) -> KeyInfo {
        let newest = &self.newest;
        KeyInfo {
            name,
            usage: newest.key.usage(),
            algorithm: newest.key.algorithm(),
            bytes: newest.key.bytes().len(),
            version: newest.version,
            check_value: newest.key.check_value(),
            since_s: newest.since_s,
            proven_s: self.proven_s,
            before: self.before.as_ref().map(|before| (before.version, before.key.check_value())),
        }
    }
}

impl Slots {
    /// Names there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.offered.len()
    }

    /// The version behind all that were ever given to a key of this name.
    pub(crate) fn next_version(&self, name: KeyName) -> Result<KeyVersion, HsmError> {
        let newest = self.held.get(&name).map(|slot| slot.newest.version);
        let offered = self.offered.get(&name).map(|held| held.version);
        let last = newest.max(offered).unwrap_or(KeyVersion::UNUSED);
        last.next().ok_or(HsmError::VersionsUsedUp(name))
    }

    /// The keys of a name that may have made what comes in, the likeliest first.
    pub(crate) fn reading(&self, name: KeyName, now_s: i64) -> Result<Vec<&Held>, HsmError> {
        let good = self.held.get(&name).into_iter().flat_map(|slot| slot.good(now_s));
        let reading: Vec<&Held> = good.chain(self.offered.get(&name)).collect();
        if reading.is_empty() { Err(HsmError::NoKey(name)) } else { Ok(reading) }
    }
}

/// Keeps a key beside the newest of its name until it is taken into use, or another one is.
pub(crate) fn offer(slots: &mut Slots, name: KeyName, held: Held) -> Result<(), HsmError> {
    if slots.len() >= KEYS_MAX {
        return Err(HsmError::Full);
    }
    slots.offered.insert(name, held);
    Ok(())
}

/// Puts a key into its slot; the newest becomes the one before, but where nobody was seen to use it: then the one before it stays,
/// for its owner uses that. The version has to be above the newest's. What was offered and is not above it is void.
pub(crate) fn put(slots: &mut Slots, name: KeyName, held: Held) -> Result<KeyInfo, HsmError> {
    if slots.len() >= KEYS_MAX && !slots.held.contains_key(&name) {
        return Err(HsmError::Full);
    }
    if slots.offered.get(&name).is_some_and(|offered| offered.version <= held.version) {
        slots.offered.remove(&name);
    }
    let stood = slots.held.get(&name);
    if let Some(newest) = stood.map(|slot| &slot.newest).filter(|newest| held.version <= newest.version) {
        return Err(HsmError::Rollback { name, version: newest.version });
    }
    let before = match stood {
        Some(slot) if slot.proven_s.is_none() => slot.before.clone(),
        slot => slot.map(|slot| slot.newest.clone()),
    };
    let slot = Slot::new(name, held, before);
    let info = slot.info(name);
    slots.held.insert(name, slot);
    Ok(info)
}

/// A slot in the file: the name's length and text, how many keys, and of each version, usage, mode, algorithm, since when,
/// its length and bytes. A key that was offered has a slot of its own, with [`OFFERED`] in place of the number. With [`WATCHED`] in it
/// stands behind the keys from when on the day of the one before counts.
pub(crate) fn encode(slots: &Slots) -> Zeroizing<Vec<u8>> {
    // Grown vectors leave copies of keys behind: the room is there from the start.
    let mut bytes = Zeroizing::new(Vec::with_capacity(slots.len() * SLOT_BYTES_MAX));
    let held = slots.held.iter().map(|(name, slot)| {
        let count = 1 + u8::from(slot.before.is_some());
        let keys = [Some(&slot.newest), slot.before.as_ref()];
        match name.role {
            KeyRole::MacToSwitch => (name, count | WATCHED, keys, Some(slot.proven_s.unwrap_or(NOT_PROVEN))),
            _ => (name, count, keys, None),
        }
    });
    let offered = slots.offered.iter().map(|(name, held)| (name, OFFERED, [Some(held), None], None));
    for (name, what, keys, proven_s) in held.chain(offered) {
        let name = name.to_string();
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(what);
        for held in keys.into_iter().flatten() {
            bytes.push(held.version.number());
            bytes.extend_from_slice(&held.key.usage().code());
            bytes.push(held.key.mode().code());
            bytes.push(held.key.algorithm().code());
            bytes.extend_from_slice(&held.since_s.to_be_bytes());
            bytes.push(held.key.bytes().len() as u8);
            bytes.extend_from_slice(held.key.bytes());
        }
        bytes.extend_from_slice(proven_s.map(i64::to_be_bytes).as_ref().map_or(&[], |bytes| &bytes[..]));
    }
    bytes
}

/// In the place of a slot's number of keys: one key, which was offered.
const OFFERED: u8 = 3;

/// In the number of keys: it stands behind them from when on the day of the one before counts. Without it, since the newest came.
const WATCHED: u8 = 0x10;

/// In place of that time: no MAC under the newest was seen yet.
const NOT_PROVEN: i64 = i64::MAX;

/// Bytes of a slot in the file, at most: a name of 36 characters, two keys of 64 bytes, a time.
pub(crate) const SLOT_BYTES_MAX: usize = 2 + 36 + 2 * (14 + keys::KEY_BYTES_MAX) + 8;

/// Reads what [`encode`] wrote; errors name the byte. It was sealed, so that only a program could have written it wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Slots, String> {
    let mut rest = bytes;
    let mut slots = Slots::default();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (name, read) = slot(&mut rest).ok_or_else(|| format!("the sealed keys, byte {at}: no key"))?;
        let stood = match read {
            Read::Held(slot) => slots.held.insert(name, *slot).is_some(),
            Read::Offered(held) => slots.offered.insert(name, *held).is_some(),
        };
        if stood {
            return Err(format!("the sealed keys, byte {at}: {name} stands twice"));
        }
    }
    Ok(slots)
}

/// What stands in the file under a name.
enum Read {
    Held(Box<Slot>),
    Offered(Box<Held>),
}

fn slot(rest: &mut &[u8]) -> Option<(KeyName, Read)> {
    let [length] = take(rest)?;
    let name: KeyName = str::from_utf8(rest.split_off(..usize::from(length))?).ok()?.parse().ok()?;
    let [count] = take(rest)?;
    let newest = held(rest, name.role)?;
    let before = match count & !WATCHED {
        1 => None,
        2 => Some(held(rest, name.role)?),
        OFFERED if count == OFFERED => return Some((name, Read::Offered(Box::new(newest)))),
        _ => return None,
    };
    let proven_s = match count & WATCHED {
        0 => Some(newest.since_s),
        _ => Some(i64::from_be_bytes(take(rest)?)).filter(|proven_s| *proven_s != NOT_PROVEN),
    };
    Some((name, Read::Held(Box::new(Slot { newest, before, proven_s }))))
}

fn held(rest: &mut &[u8], role: KeyRole) -> Option<Held> {
    let [version, usage_front, usage_back, mode, algorithm] = take(rest)?;
    let since_s = i64::from_be_bytes(take(rest)?);
    let [length] = take(rest)?;
    let usage = KeyUsage::of_code([usage_front, usage_back]).filter(|usage| role.usages().contains(usage))?;
    let (mode, algorithm) = (ModeOfUse::of_code(mode)?, KeyAlgorithm::of_code(algorithm)?);
    let key = BoundKey::new(usage, mode, algorithm, rest.split_off(..usize::from(length))?).ok()?;
    Held::new(key, KeyVersion::new(version)?, since_s).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    rest.split_off(..N)?.try_into().ok()
}
