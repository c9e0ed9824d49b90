//! Verified SODs by digest, so that a card that was seen costs no signature and no kilobyte.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::sod::VerifiedSod;
use crate::trust::TrustStore;

/// A bounded cache. When it is full the entry that came first goes.
#[derive(Debug)]
pub struct SodCache {
    capacity: usize,
    by_digest: BTreeMap<[u8; 32], Arc<VerifiedSod>>,
    /// Digests in the order of arrival, each once.
    arrivals: VecDeque<[u8; 32]>,
}

impl SodCache {
    /// A cache of at most `capacity` entries, about 500 bytes each; 0 keeps nothing.
    pub fn new(capacity: usize) -> SodCache {
        SodCache { capacity, by_digest: BTreeMap::new(), arrivals: VecDeque::new() }
    }

    /// The verified SOD with this digest. One that no longer holds, because a certificate has expired or the trusted
    /// authorities have changed, is dropped.
    pub fn get(&mut self, digest: &[u8; 32], trust: &TrustStore, now_s: i64) -> Option<Arc<VerifiedSod>> {
        let found = self.by_digest.get(digest)?;
        if found.holds(trust, now_s) {
            return Some(Arc::clone(found));
        }
        self.by_digest.remove(digest);
        self.arrivals.retain(|arrival| arrival != digest);
        None
    }

    /// Keeps a verified SOD, in place of one with the same digest.
    pub fn insert(&mut self, sod: Arc<VerifiedSod>) {
        if self.capacity == 0 {
            return;
        }
        let digest = sod.sod_sha256;
        if self.by_digest.insert(digest, sod).is_none() {
            self.arrivals.push_back(digest);
        }
        if self.by_digest.len() > self.capacity
            && let Some(first) = self.arrivals.pop_front()
        {
            self.by_digest.remove(&first);
        }
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.by_digest.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }
}
