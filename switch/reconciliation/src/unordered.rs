//! A map that finds by hash and has no order: nothing can be decided by the place of an entry.

#![allow(clippy::disallowed_types, reason = "what is banned is their order, and no method here shows it")]

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;

/// The newest item of each chain.
#[derive(Clone, Debug)]
pub(crate) struct Heads<K>(HashMap<K, u32, FixedState>);

impl<K> Default for Heads<K> {
    fn default() -> Heads<K> {
        Heads(HashMap::default())
    }
}

impl<K: Eq + Hash> Heads<K> {
    pub(crate) fn get(&self, key: &K) -> Option<u32> {
        self.0.get(key).copied()
    }

    /// What was there before.
    pub(crate) fn put(&mut self, key: K, item: u32) -> Option<u32> {
        self.0.insert(key, item)
    }
}
