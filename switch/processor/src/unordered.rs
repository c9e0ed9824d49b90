//! Maps that find by hash and have no order: nothing can be decided by the place of an entry.

#![allow(clippy::disallowed_types, reason = "what is banned is their order, and no method here shows it")]

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;

/// A hash map whose hashes are the same in every run. It cannot be iterated: where an order is needed, as when all that
/// waits for a bank is told that its connection is gone, [`Unordered::keys_sorted`] gives one.
///
/// It grows by doubling, which moves its entries once; large values are kept in boxes.
#[derive(Clone, Debug)]
pub(crate) struct Unordered<K, V>(HashMap<K, V, FixedState>);

impl<K: Eq + Hash, V: PartialEq> PartialEq for Unordered<K, V> {
    fn eq(&self, other: &Unordered<K, V>) -> bool {
        self.0 == other.0
    }
}

impl<K: Eq + Hash, V: Eq> Eq for Unordered<K, V> {}

impl<K, V> Default for Unordered<K, V> {
    fn default() -> Unordered<K, V> {
        Unordered(HashMap::default())
    }
}

impl<K: Eq + Hash + Ord + Copy, V> Unordered<K, V> {
    /// Room for so many at once.
    pub(crate) fn with_capacity(capacity: usize) -> Unordered<K, V> {
        Unordered(HashMap::with_capacity_and_hasher(capacity, FixedState::default()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    /// The value, put there first where there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(value)
    }

    /// What was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    /// All keys in their own order: a copy, for what happens seldom.
    pub(crate) fn keys_sorted(&self) -> Vec<K> {
        let mut keys: Vec<K> = self.0.keys().copied().collect();
        keys.sort_unstable();
        keys
    }
}
