//! What the software module holds: under each name the newest key and the one before it; and their bytes in the sealed file.

use std::collections::BTreeMap;

use keys::{BoundKey, KeyAlgorithm, KeyUsage, KeyVersion, ModeOfUse, PinKey};
use zeroize::Zeroizing;

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::{KeyName, KeyRole};

/// Keys of one module; the next is refused. Five for each of 100,000 terminals, and some for banks.
pub const KEYS_MAX: usize = 600_000;

/// The key before the newest is good for so long after the newest came: messages under way, and a partner who has not
/// taken the new one yet. One day.
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
}

/// All keys.
pub(crate) type Slots = BTreeMap<KeyName, Slot>;

impl Held {
    pub(crate) fn new(key: BoundKey, version: KeyVersion, since_s: i64) -> Result<Held, HsmError> {
        let pin = (key.usage() == KeyUsage::PinEncryption).then(|| PinKey::new(&key)).transpose()?;
        Ok(Held { key, version, since_s, pin })
    }
}

impl Slot {
    /// The keys that are good now, the newest first.
    pub(crate) fn good(&self, now_s: i64) -> impl Iterator<Item = &Held> {
        let until_s = self.newest.since_s.saturating_add(OLD_KEY_LIFE_S);
        std::iter::once(&self.newest).chain(self.before.as_ref().filter(move |_| now_s < until_s))
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
            before: self.before.as_ref().map(|before| (before.version, before.key.check_value())),
        }
    }
}

/// Puts a key into its slot; the newest becomes the one before. The version has to be above the newest's.
pub(crate) fn put(slots: &mut Slots, name: KeyName, held: Held) -> Result<KeyInfo, HsmError> {
    if slots.len() >= KEYS_MAX && !slots.contains_key(&name) {
        return Err(HsmError::Full);
    }
    let before = slots.get(&name).map(|slot| slot.newest.clone());
    if let Some(before) = before.as_ref().filter(|before| held.version <= before.version) {
        return Err(HsmError::Rollback { name, version: before.version });
    }
    let slot = Slot { newest: held, before };
    let info = slot.info(name);
    slots.insert(name, slot);
    Ok(info)
}

/// A slot in the file: the name's length and text, how many keys, and of each version, usage, mode, algorithm, since when,
/// its length and bytes.
pub(crate) fn encode(slots: &Slots) -> Zeroizing<Vec<u8>> {
    // Grown vectors leave copies of keys behind: the room is there from the start.
    let mut bytes = Zeroizing::new(Vec::with_capacity(slots.len() * SLOT_BYTES_MAX));
    for (name, slot) in slots {
        let name = name.to_string();
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(1 + u8::from(slot.before.is_some()));
        for held in std::iter::once(&slot.newest).chain(&slot.before) {
            bytes.push(held.version.number());
            bytes.extend_from_slice(&held.key.usage().code());
            bytes.push(held.key.mode().code());
            bytes.push(held.key.algorithm().code());
            bytes.extend_from_slice(&held.since_s.to_be_bytes());
            bytes.push(held.key.bytes().len() as u8);
            bytes.extend_from_slice(held.key.bytes());
        }
    }
    bytes
}

/// Bytes of a slot in the file, at most: a name of 36 characters and two keys of 64 bytes.
pub(crate) const SLOT_BYTES_MAX: usize = 2 + 36 + 2 * (14 + keys::KEY_BYTES_MAX);

/// Reads what [`encode`] wrote; errors name the byte. It was sealed, so that only a program could have written it wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Slots, String> {
    let mut rest = bytes;
    let mut slots = Slots::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (name, slot) = slot(&mut rest).ok_or_else(|| format!("the sealed keys, byte {at}: no key"))?;
        if slots.insert(name, slot).is_some() {
            return Err(format!("the sealed keys, byte {at}: {name} stands twice"));
        }
    }
    Ok(slots)
}

fn slot(rest: &mut &[u8]) -> Option<(KeyName, Slot)> {
    let [length] = take(rest)?;
    let name: KeyName = str::from_utf8(rest.split_off(..usize::from(length))?).ok()?.parse().ok()?;
    let [count] = take(rest)?;
    let newest = held(rest, name.role)?;
    let before = match count {
        1 => None,
        2 => Some(held(rest, name.role)?),
        _ => return None,
    };
    Some((name, Slot { newest, before }))
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
