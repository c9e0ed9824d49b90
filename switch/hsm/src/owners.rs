//! A key has one owner: whoever else had it could read what travels under it, and pass it off as their own
//! (docs/security.md#one-owner).

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use keys::{BoundKey, KeyAlgorithm, KeyUsage};
use mutant::Mutant;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::name::{KeyName, KeyRole, Owner};
use crate::slot::{Held, Slots};

const TDES_PART_BYTES: usize = 8;
const TDES_TWO_PARTS_BYTES: usize = 2 * TDES_PART_BYTES;
/// No key has more, so that none is copied to another place while it is put together.
const KEY_BYTES_MAX: usize = 64;

/// How keys of one kind are told apart.
pub(crate) struct Told<'a, K> {
    /// Spread over buckets by a hash under a key of this look alone; what shares a bucket is compared by `is_same`.
    pub(crate) hash: &'a dyn Fn(&RandomState, &K) -> u64,
    /// Whether two are one key.
    pub(crate) is_same: &'a dyn Fn(&K, &K) -> bool,
}

/// Names of those asked about whose key another owner has, among those that are there or are asked about. One pass over both,
/// however many there are of either.
pub(crate) fn shared<'a, K: 'a>(
    asked: &[(KeyName, &'a K)],
    there: impl Iterator<Item = (KeyName, &'a K)>,
    told: &Told<'_, K>,
) -> BTreeSet<KeyName> {
    struct Bucket<'a, K> {
        key: &'a K,
        owner: Owner,
        is_shared: bool,
    }
    let state = RandomState::new();
    let mut buckets: HashMap<u64, Bucket<'a, K>> = HashMap::with_capacity(asked.len());
    let look = |bucket: &mut Bucket<'a, K>, owner: Owner, key: &K| {
        bucket.is_shared |= bucket.owner != owner && (told.is_same)(bucket.key, key);
    };
    for (name, key) in asked {
        match buckets.entry((told.hash)(&state, key)) {
            Entry::Occupied(mut bucket) => look(bucket.get_mut(), name.owner, key),
            Entry::Vacant(empty) => drop(empty.insert(Bucket { key, owner: name.owner, is_shared: false })),
        }
    }
    for (name, key) in there {
        if let Some(bucket) = buckets.get_mut(&(told.hash)(&state, key)) {
            look(bucket, name.owner, key);
        }
    }
    let is_shared = |(_, key): &&(KeyName, &K)| {
        let bucket = buckets.get(&(told.hash)(&state, key));
        bucket.is_some_and(|bucket| bucket.is_shared && (told.is_same)(bucket.key, key))
    };
    asked.iter().filter(is_shared).map(|(name, _)| *name).collect()
}

/// Of keys whose bytes are there: compared in constant time.
const BY_VALUE: Told<'static, BoundKey> = Told {
    hash: &|state, key| state.hash_one((key.algorithm().code(), value(key).as_slice())),
    is_same: &|one, other| one.algorithm() == other.algorithm() && value(one).ct_eq(&value(other)).into(),
};

/// A key's bytes as one key has them: of triple DES without parity, which some owners set and others do not, and two parts with the
/// first once more behind them.
fn value(key: &BoundKey) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(KEY_BYTES_MAX));
    value.extend_from_slice(key.bytes());
    if key.algorithm() == KeyAlgorithm::Tdes {
        value.iter_mut().for_each(|byte| *byte &= !1);
        if value.len() == TDES_TWO_PARTS_BYTES {
            value.extend_from_within(..TDES_PART_BYTES);
        }
    }
    value
}

/// A base derivation key is a set's of terminals, and no one owner's.
fn has_one_owner(key: &BoundKey) -> bool {
    key.usage() != KeyUsage::BaseDerivation
}

/// Refuses keys that another owner has, as its newest, the one before it or one that it was offered, and exchange keys that another
/// owner ever had.
///
/// # Errors
/// [`HsmError::OfAnotherOwner`] with the first of them.
pub(crate) fn must_have_one_owner(slots: &Slots, came: &[(KeyName, &BoundKey)]) -> Result<(), HsmError> {
    let came: Vec<(KeyName, &BoundKey)> =
        came.iter().copied().filter(|(_, key)| has_one_owner(key)).collect();
    // Most changes bring none, and a look goes over all keys.
    if came.is_empty() {
        return Ok(());
    }
    let there = slots.all().map(|(name, held)| (name, &held.key)).filter(|(_, key)| has_one_owner(key));
    let refused = shared(&came, there, &BY_VALUE).first().copied().or_else(|| was_anothers(slots, &came));
    match refused.filter(|_| !mutant::is(Mutant::ExchangeKeyOfTwo)) {
        Some(name) => Err(HsmError::OfAnotherOwner(name)),
        None => Ok(()),
    }
}

/// The first exchange key that another owner had: of those of before the check values alone are known.
fn was_anothers(slots: &Slots, came: &[(KeyName, &BoundKey)]) -> Option<KeyName> {
    let came = came.iter().filter(|(name, _)| name.role == KeyRole::Exchange);
    let came: Vec<(KeyName, Vec<u8>)> =
        came.map(|(name, key)| (*name, key.check_value().bytes().to_vec())).collect();
    let wanted: HashSet<&[u8]> = came.iter().map(|(_, value)| value.as_slice()).collect();
    let passed = slots.passed.iter().flat_map(|(owner, of)| of.iter().map(move |value| (owner, value)));
    let mut alike = passed.filter(|(_, value)| wanted.contains(value.bytes()));
    alike.find_map(|(owner, value)| {
        let is_anothers =
            |(name, came): &&(KeyName, Vec<u8>)| name.owner != *owner && came.as_slice() == value.bytes();
        came.iter().find(is_anothers).map(|(name, _)| *name)
    })
}

/// Names whose key, the newest or one that was offered, another owner has too: a file may be older than the rule.
pub(crate) fn shared_keys(slots: &Slots) -> BTreeSet<KeyName> {
    let newest = slots.held.iter().map(|(name, slot)| (*name, &slot.newest.key));
    let offered = slots.offered.iter().flat_map(|(name, of)| of.iter().map(move |held| (*name, &held.key)));
    let asked: Vec<(KeyName, &BoundKey)> =
        newest.chain(offered).filter(|(_, key)| has_one_owner(key)).collect();
    let before = slots.held.iter().filter_map(|(name, slot)| Some((*name, &slot.before.as_ref()?.key)));
    shared(&asked, before.filter(|(_, key)| has_one_owner(key)), &BY_VALUE)
}

/// The keys of a change: newest ones in other places than before, and those that were offered.
pub(crate) fn came<'a>(before: &Slots, after: &'a Slots) -> Vec<(KeyName, &'a BoundKey)> {
    let place = |name| before.held.get(name).map(|slot| slot.newest.place);
    let newest = after.held.iter().map(|(name, slot)| (name, &slot.newest));
    let newest = newest.filter(|(name, held)| place(name) != Some(held.place));
    let is_known = |name: &KeyName, held: &Held| {
        before.offered.get(name).into_iter().flatten().any(|known| known.place == held.place)
    };
    let offered = after.offered.iter().flat_map(|(name, of)| of.iter().map(move |held| (name, held)));
    let offered = offered.filter(|(name, held)| !is_known(name, held));
    newest.chain(offered).map(|(name, held)| (*name, &held.key)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keys::{KeyAlgorithm, KeyVersion};

    use super::*;
    use crate::place::Place;
    use crate::slot::Slot;

    fn held(name: KeyName, value: u8) -> Held {
        let bytes: Vec<u8> = (0..32).map(|place| place * 8 + value).collect();
        let mode = crate::software::mode_of_new(name.role);
        let key = BoundKey::new(name.role.usages()[0], mode, KeyAlgorithm::Aes, &bytes).unwrap();
        let version = KeyVersion::new(value).unwrap();
        Held::new(key, Place { under: KeyVersion::UNUSED, version }, 7).unwrap()
    }

    /// Keys that came before this was refused: name, newest, the one before it.
    fn slots(keys: &[(&str, u8, Option<u8>)]) -> Slots {
        let mut slots = Slots::default();
        for (name, newest, before) in keys {
            let name: KeyName = name.parse().unwrap();
            let before = before.map(|value| held(name, value));
            slots.held.insert(name, Slot { newest: held(name, *newest), before, proven_s: Some(7) });
        }
        slots
    }

    #[test]
    fn keys_of_two_owners_that_are_there_are_told_until_each_has_its_own() {
        let told = |keys: &[(&str, u8, Option<u8>)]| -> Vec<String> {
            shared_keys(&slots(keys)).iter().map(ToString::to_string).collect()
        };
        let [one, two, three] = ["bank.1.exchange", "bank.2.exchange", "bank.3.exchange"];
        assert!(
            told(&[(one, 1, None), (two, 2, None), ("bank.1.pin", 1, None)]).is_empty(),
            "one owner's own"
        );
        assert_eq!(told(&[(one, 1, None), (two, 1, None), (three, 3, None)]), [one, two]);
        assert_eq!(told(&[(one, 1, None), (two, 1, None), (three, 1, None)]), [one, two, three]);
        assert_eq!(
            told(&[(one, 4, Some(1)), (two, 1, None), (three, 3, None)]),
            [two],
            "who had it knows it"
        );
        assert!(told(&[(one, 4, Some(1)), (two, 5, Some(1))]).is_empty());
        assert_eq!(
            told(&[(one, 1, None), ("terminal.HN000001.pin", 1, None)]).len(),
            2,
            "whatever it is for"
        );
        let derivation =
            [("terminal.HN000001.derivation", 1, None), ("terminal.HN000002.derivation", 1, None)];
        assert!(told(&derivation).is_empty(), "a set's");
    }

    #[test]
    fn a_triple_des_key_is_the_same_with_other_parity_and_with_its_first_part_once_more() {
        let key = |bytes: &[u8]| {
            let mode = crate::software::mode_of_new(KeyRole::Pin);
            BoundKey::new(KeyUsage::PinEncryption, mode, KeyAlgorithm::Tdes, bytes).unwrap()
        };
        let two: Vec<u8> = (0..16).map(|place| place * 16 + 2).collect();
        let odd: Vec<u8> = two.iter().map(|byte| byte | 1).collect();
        let three = [&odd[..], &two[..8]].concat();
        let another: Vec<u8> = two.iter().map(|byte| byte ^ 4).collect();
        let state = RandomState::new();
        for (other, is_same) in [(&odd, true), (&three, true), (&another, false)] {
            let (one, other) = (key(&two), key(other));
            assert_eq!((BY_VALUE.is_same)(&one, &other), is_same);
            assert_eq!((BY_VALUE.hash)(&state, &one) == (BY_VALUE.hash)(&state, &other), is_same);
        }
    }

    /// The rule holds for what comes, and nothing that is there stands in its way.
    #[test]
    fn a_change_beside_keys_of_two_owners_is_made() {
        let before = slots(&[("bank.1.exchange", 1, None), ("bank.2.exchange", 1, None)]);
        let mut after = before.clone();
        assert_eq!(must_have_one_owner(&after, &came(&before, &after)), Ok(()));
        let new = slots(&[("bank.1.exchange", 2, Some(1)), ("bank.2.pin", 3, None)]);
        after.held.extend(new.held);
        assert_eq!(came(&before, &after).len(), 2);
        assert_eq!(must_have_one_owner(&after, &came(&before, &after)), Ok(()));
        after.held.extend(slots(&[("bank.1.pin", 3, None)]).held);
        let refused = must_have_one_owner(&after, &came(&before, &after)).unwrap_err();
        assert_eq!(refused, HsmError::OfAnotherOwner("bank.1.pin".parse().unwrap()));
    }
}
