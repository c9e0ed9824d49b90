//! What the software module holds: under each name the newest key, the one before it, and what was offered to the other end and
//! is not taken into use yet; and their bytes in the sealed file.

use std::collections::BTreeMap;

use keys::{BoundKey, CheckValue, KeyAlgorithm, KeyUsage, KeyVersion, ModeOfUse, PinKey};
use mutant::Mutant;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::KeyInfo;
use crate::error::HsmError;
use crate::name::{KeyName, KeyRole, Owner};
use crate::place::{OFFERED_MAX, Place};

/// Keys of one module; the next is refused. Five for each of 100,000 terminals, and some for banks.
pub const KEYS_MAX: usize = 600_000;

/// The key before the newest is good for so long after the newest came, or, where its owner makes MACs with it, after the first of
/// those was seen: messages under way, and a partner who has not taken the new one yet. One day.
pub const OLD_KEY_LIFE_S: i64 = 86_400;

/// One key of a slot, ready for use.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) key: BoundKey,
    pub(crate) place: Place,
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
    /// Those that the other end was offered, the newest last: they read, and make nothing before it has said that it has them.
    pub(crate) offered: BTreeMap<KeyName, Vec<Held>>,
    /// Exchange keys that were there before the one in use, by their check values: none of them comes back.
    pub(crate) passed: BTreeMap<Owner, Vec<CheckValue>>,
}

impl Held {
    pub(crate) fn new(key: BoundKey, place: Place, since_s: i64) -> Result<Held, HsmError> {
        let pin = (key.usage() == KeyUsage::PinEncryption).then(|| PinKey::new(&key)).transpose()?;
        Ok(Held { key, place, since_s, pin })
    }

    /// It is this very key.
    pub(crate) fn is(&self, key: &BoundKey) -> bool {
        self.key.algorithm() == key.algorithm() && self.key.bytes().ct_eq(key.bytes()).into()
    }

    pub(crate) fn info(&self, name: KeyName) -> KeyInfo {
        KeyInfo {
            name,
            usage: self.key.usage(),
            algorithm: self.key.algorithm(),
            bytes: self.key.bytes().len(),
            version: self.place.version,
            under: self.place.exchange_version(),
            check_value: self.key.check_value(),
            since_s: self.since_s,
            proven_s: None,
            before: None,
        }
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
        let waits_for_its_owner = name.role == KeyRole::MacToSwitch && !mutant::is(Mutant::OldKeyEndsUnseen);
        let proven_s = (!waits_for_its_owner).then_some(newest.since_s);
        Slot { newest, before, proven_s }
    }

    /// Until when the key before the newest is good, seconds since 1970.
    pub(crate) fn before_until_s(&self) -> i64 {
        self.proven_s.map_or(i64::MAX, |proven_s| proven_s.saturating_add(OLD_KEY_LIFE_S))
    }

    pub(crate) fn info(&self, name: KeyName) -> KeyInfo {
        KeyInfo {
            proven_s: self.proven_s,
            before: self.before.as_ref().map(|before| (before.place.version, before.key.check_value())),
            ..self.newest.info(name)
        }
    }
}

impl Slots {
    /// Names there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.offered.len()
    }

    /// The version of an owner's exchange key, under which those of its other keys count; 0 where it has none.
    pub(crate) fn exchange_version(&self, owner: Owner) -> KeyVersion {
        let exchange = self.held.get(&owner.key(KeyRole::Exchange));
        exchange.map_or(KeyVersion::UNUSED, |slot| slot.newest.place.version)
    }

    /// The place behind all that were ever given to a key of this name, counted under this version of its exchange key.
    pub(crate) fn next_place(&self, name: KeyName, under: KeyVersion) -> Result<Place, HsmError> {
        let newest = self.held.get(&name).map(|slot| slot.newest.place);
        let offered = self.offered.get(&name).and_then(|offered| offered.last()).map(|held| held.place);
        Place::behind(newest.max(offered), name, under)
    }

    /// No key comes back under another exchange key's count either.
    fn must_be_new(&self, name: KeyName, held: &Held) -> Result<(), HsmError> {
        let Some(slot) = self.held.get(&name) else { return Ok(()) };
        let value = held.key.check_value();
        let is_back = if name.role == KeyRole::Exchange {
            let passed = self.passed.get(&name.owner);
            slot.newest.key.check_value() == value || passed.is_some_and(|passed| passed.contains(&value))
        } else {
            let is_counted_anew = held.place.under > slot.newest.place.under;
            is_counted_anew
                && std::iter::once(&slot.newest).chain(&slot.before).any(|known| known.is(&held.key))
        };
        if is_back && !mutant::is(Mutant::ExchangeKeyComesBack) {
            return Err(HsmError::ComesBack(name));
        }
        Ok(())
    }

    /// Each key: the newest of a name, the one before it, those that were offered.
    pub(crate) fn all(&self) -> impl Iterator<Item = (KeyName, &Held)> {
        let held = self.held.iter().flat_map(|(name, slot)| {
            std::iter::once(&slot.newest).chain(&slot.before).map(move |held| (*name, held))
        });
        let offered = self.offered.iter().flat_map(|(name, of)| of.iter().map(move |held| (*name, held)));
        held.chain(offered)
    }

    /// The keys of a name that may have made what comes in, the likeliest first.
    pub(crate) fn reading(&self, name: KeyName, now_s: i64) -> Result<Vec<&Held>, HsmError> {
        let good = self.held.get(&name).into_iter().flat_map(|slot| slot.good(now_s));
        let reading: Vec<&Held> = good.chain(self.offered.get(&name).into_iter().flatten()).collect();
        if reading.is_empty() { Err(HsmError::NoKey(name)) } else { Ok(reading) }
    }
}

/// Keeps a key beside the newest of its name until it is taken into use, or another one is; in place of one that was offered under
/// the same exchange key, and beside the last one that was offered under another.
pub(crate) fn offer(slots: &mut Slots, name: KeyName, held: Held) -> Result<(), HsmError> {
    if slots.len() >= KEYS_MAX {
        return Err(HsmError::Full);
    }
    let offered = slots.offered.entry(name).or_default();
    offered.retain(|other| other.place.under != held.place.under);
    offered.push(held);
    let too_many = offered.len().saturating_sub(OFFERED_MAX);
    offered.drain(..too_many);
    Ok(())
}

/// Puts a key into its slot; the newest becomes the one before, but where nobody was seen to use it: then the one before it stays,
/// for its owner uses that. Its place has to be above the newest's. What was offered and is not above it is void.
pub(crate) fn put(slots: &mut Slots, name: KeyName, held: Held) -> Result<KeyInfo, HsmError> {
    if slots.len() >= KEYS_MAX && !slots.held.contains_key(&name) {
        return Err(HsmError::Full);
    }
    let stood = slots.held.get(&name);
    if let Some(newest) = stood.map(|slot| slot.newest.place).filter(|newest| !held.place.is_above(*newest)) {
        return Err(HsmError::Rollback { name, version: newest.version });
    }
    slots.must_be_new(name, &held)?;
    let before = match stood {
        Some(slot) if slot.proven_s.is_none() => slot.before.clone(),
        slot => slot.map(|slot| slot.newest.clone()),
    };
    if let Some(stood) = stood.filter(|_| name.role == KeyRole::Exchange) {
        let value = stood.newest.key.check_value();
        slots.passed.entry(name.owner).or_default().push(value);
    }
    if let Some(offered) = slots.offered.get_mut(&name) {
        offered.retain(|other| other.place > held.place);
        if offered.is_empty() {
            slots.offered.remove(&name);
        }
    }
    let slot = Slot::new(name, held, before);
    let info = slot.info(name);
    slots.held.insert(name, slot);
    Ok(info)
}

/// A slot in the file: the name's length and text, what it holds, and of each key the version of the exchange key that it counts
/// under, its own version, usage, mode, algorithm, since when, its length and bytes. A key that was offered has a slot of its own.
/// Behind the keys stands, with [`WATCHED`], from when on the day of the one before counts; with [`PASSED`], how many exchange keys
/// were there before, and of each the length and bytes of its check value.
pub(crate) fn encode(slots: &Slots) -> Zeroizing<Vec<u8>> {
    let offered = || slots.offered.iter().flat_map(|(name, of)| of.iter().map(move |held| (name, held)));
    let passed: usize = slots.passed.values().map(Vec::len).sum();
    let entries = slots.held.len() + offered().count();
    // Grown vectors leave copies of keys behind: the room is there from the start.
    let room = entries * SLOT_KEYS_BYTES_MAX + passed * PASSED_BYTES_MAX;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    for (name, slot) in &slots.held {
        let count = 1 + u8::from(slot.before.is_some());
        let passed = slots.passed.get(&name.owner).filter(|_| name.role == KeyRole::Exchange);
        let watched = if name.role == KeyRole::MacToSwitch { WATCHED } else { 0 };
        let with_passed = if passed.is_some() { PASSED } else { 0 };
        put_name(&mut bytes, *name, count | PLACED | watched | with_passed);
        put_key(&mut bytes, &slot.newest);
        slot.before.iter().for_each(|before| put_key(&mut bytes, before));
        if watched != 0 {
            bytes.extend_from_slice(&slot.proven_s.unwrap_or(NOT_PROVEN).to_be_bytes());
        }
        if let Some(passed) = passed {
            bytes.push(passed.len() as u8);
            for value in passed {
                bytes.push(value.bytes().len() as u8);
                bytes.extend_from_slice(value.bytes());
            }
        }
    }
    for (name, held) in offered() {
        put_name(&mut bytes, *name, OFFERED | PLACED);
        put_key(&mut bytes, held);
    }
    bytes
}

fn put_name(bytes: &mut Vec<u8>, name: KeyName, what: u8) {
    let name = name.to_string();
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(what);
}

fn put_key(bytes: &mut Vec<u8>, held: &Held) {
    bytes.push(held.place.under.number());
    bytes.push(held.place.version.number());
    bytes.extend_from_slice(&held.key.usage().code());
    bytes.push(held.key.mode().code());
    bytes.push(held.key.algorithm().code());
    bytes.extend_from_slice(&held.since_s.to_be_bytes());
    bytes.push(held.key.bytes().len() as u8);
    bytes.extend_from_slice(held.key.bytes());
}

/// What a slot holds is its number of keys, or this: one key, which was offered.
const OFFERED: u8 = 3;

/// Added to it: it stands behind the keys from when on the day of the one before counts. Without it, since the newest came.
const WATCHED: u8 = 0x10;

/// Added to it: each key says under which exchange key it counts. Without it, under the one that is there.
const PLACED: u8 = 0x20;

/// Added to it: exchange keys that were there before.
const PASSED: u8 = 0x40;

/// In place of that time: no MAC under the newest was seen yet.
const NOT_PROVEN: i64 = i64::MAX;

/// Bytes of a slot's keys in the file, at most: a name of 36 characters, two keys of 64 bytes, a time, a number.
const SLOT_KEYS_BYTES_MAX: usize = 2 + 36 + 2 * (15 + keys::KEY_BYTES_MAX) + 8 + 1;

/// Bytes of the check value of an exchange key that was there before.
const PASSED_BYTES_MAX: usize = 6;

/// Bytes of a slot in the file, at most: exchange keys have versions 1 to 99.
pub(crate) const SLOT_BYTES_MAX: usize = SLOT_KEYS_BYTES_MAX + 99 * PASSED_BYTES_MAX;

/// Reads what [`encode`] wrote; errors name the byte. It was sealed, so that only a program could have written it wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Slots, String> {
    let mut rest = bytes;
    let mut slots = Slots::default();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let read = slot(&mut rest, &slots);
        let (name, read) = read.ok_or_else(|| format!("the sealed keys, byte {at}: no key"))?;
        let is_new = match read {
            Read::Held(slot, passed) => {
                if !passed.is_empty() {
                    slots.passed.insert(name.owner, passed);
                }
                slots.held.insert(name, *slot).is_none()
            }
            Read::Offered(held) => {
                let offered = slots.offered.entry(name).or_default();
                let is_new = offered.last().is_none_or(|last| last.place < held.place);
                offered.push(*held);
                is_new && offered.len() <= OFFERED_MAX
            }
        };
        if !is_new {
            return Err(format!("the sealed keys, byte {at}: {name} stands twice"));
        }
    }
    Ok(slots)
}

/// What stands in the file under a name.
enum Read {
    Held(Box<Slot>, Vec<CheckValue>),
    Offered(Box<Held>),
}

fn slot(rest: &mut &[u8], slots: &Slots) -> Option<(KeyName, Read)> {
    let [length] = take(rest)?;
    let name: KeyName = str::from_utf8(rest.split_off(..usize::from(length))?).ok()?.parse().ok()?;
    let [what] = take(rest)?;
    // An owner's exchange key stands in front of its other keys.
    let unplaced = match name.role {
        KeyRole::Exchange => KeyVersion::UNUSED,
        _ => slots.exchange_version(name.owner),
    };
    let unplaced = (what & PLACED == 0).then_some(unplaced);
    let newest = held(rest, name.role, unplaced)?;
    let before = match what & !(WATCHED | PLACED | PASSED) {
        1 => None,
        2 => Some(held(rest, name.role, unplaced)?),
        OFFERED if what & (WATCHED | PASSED) == 0 => return Some((name, Read::Offered(Box::new(newest)))),
        _ => return None,
    };
    let proven_s = match what & WATCHED {
        0 => Some(newest.since_s),
        _ => Some(i64::from_be_bytes(take(rest)?)).filter(|proven_s| *proven_s != NOT_PROVEN),
    };
    let passed = match what & PASSED {
        0 => match &before {
            // As it was written before: the last one alone is known.
            Some(before) if name.role == KeyRole::Exchange => vec![before.key.check_value()],
            _ => Vec::new(),
        },
        _ => passed(rest)?,
    };
    Some((name, Read::Held(Box::new(Slot { newest, before, proven_s }), passed)))
}

fn passed(rest: &mut &[u8]) -> Option<Vec<CheckValue>> {
    let [count] = take(rest)?;
    let mut values = Vec::with_capacity(count.into());
    for _ in 0..count {
        let [length] = take(rest)?;
        values.push(CheckValue::of_bytes(rest.split_off(..usize::from(length))?)?);
    }
    Some(values)
}

fn held(rest: &mut &[u8], role: KeyRole, unplaced: Option<KeyVersion>) -> Option<Held> {
    let under = match unplaced {
        Some(under) => under,
        None => KeyVersion::new(take::<1>(rest)?[0])?,
    };
    let [version, usage_front, usage_back, mode, algorithm] = take(rest)?;
    let since_s = i64::from_be_bytes(take(rest)?);
    let [length] = take(rest)?;
    let usage = KeyUsage::of_code([usage_front, usage_back]).filter(|usage| role.usages().contains(usage))?;
    let (mode, algorithm) = (ModeOfUse::of_code(mode)?, KeyAlgorithm::of_code(algorithm)?);
    let key = BoundKey::new(usage, mode, algorithm, rest.split_off(..usize::from(length))?).ok()?;
    Held::new(key, Place { under, version: KeyVersion::new(version)? }, since_s).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    rest.split_off(..N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn held(name: KeyName, [under, version]: [u8; 2], value: u8) -> Held {
        let bytes: Vec<u8> = (0..16).map(|place| place * 16 + value).collect();
        let mode = crate::software::mode_of_new(name.role);
        let key = BoundKey::new(name.role.usages()[0], mode, KeyAlgorithm::Aes, &bytes).unwrap();
        let [under, version] = [under, version].map(|number| KeyVersion::new(number).unwrap());
        Held::new(key, Place { under, version }, 7).unwrap()
    }

    /// As files were written before keys said under which exchange key they count.
    #[test]
    fn a_file_of_before_is_read_with_all_keys_under_the_exchange_key_that_is_there() {
        let [exchange, pin] = ["bank.970418.exchange", "bank.970418.pin"].map(|name| name.parse().unwrap());
        let mut bytes = Vec::new();
        for (name, what, keys) in [
            (exchange, 2, vec![held(exchange, [0, 3], 1), held(exchange, [0, 2], 2)]),
            (pin, 2, vec![held(pin, [0, 41], 3), held(pin, [0, 40], 4)]),
            (pin, OFFERED, vec![held(pin, [0, 42], 5)]),
        ] {
            put_name(&mut bytes, name, what);
            for key in keys {
                let start = bytes.len();
                put_key(&mut bytes, &key);
                bytes.remove(start);
            }
        }
        let read = decode(&bytes).unwrap();
        let place = |under, version| held(pin, [under, version], 1).place;
        let slot = &read.held[&pin];
        assert_eq!((slot.newest.place, slot.before.as_ref().unwrap().place), (place(3, 41), place(3, 40)));
        assert_eq!(read.offered[&pin][0].place, place(3, 42));
        assert_eq!(read.held[&exchange].newest.place, place(0, 3));
        assert_eq!(read.passed[&exchange.owner], [held(exchange, [0, 2], 2).key.check_value()]);
        let written = encode(&read);
        assert_eq!(*encode(&decode(&written).unwrap()), *written);
        for length in (0..written.len()).filter(|length| decode(&written[..*length]).is_ok()) {
            assert!(*encode(&decode(&written[..length]).unwrap()) == written[..length], "a slot's end");
        }
    }
}
