//! Verified SODs by digest, so that a card that was seen costs no signature and no kilobyte.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sod::VerifiedSod;
use crate::trust::TrustStore;

/// A bounded cache. When it is full the entry that came first goes. Every step costs the logarithm of its size: when an
/// authority comes or goes each entry is dropped by the next look at its card, under the lock that all cards wait for.
#[derive(Debug)]
pub struct SodCache {
    capacity: usize,
    by_digest: BTreeMap<[u8; 32], Kept>,
    /// Digest of each entry, by the number of its arrival.
    arrivals: BTreeMap<u64, [u8; 32]>,
    next_arrival: u64,
}

#[derive(Debug)]
struct Kept {
    arrival: u64,
    sod: Arc<VerifiedSod>,
}

impl SodCache {
    /// A cache of at most `capacity` entries, about 600 bytes each; 0 keeps nothing.
    pub fn new(capacity: usize) -> SodCache {
        SodCache { capacity, by_digest: BTreeMap::new(), arrivals: BTreeMap::new(), next_arrival: 0 }
    }

    /// The verified SOD with this digest. One that no longer holds, because a certificate has expired or the trusted
    /// authorities have changed, is dropped.
    pub fn get(&mut self, digest: &[u8; 32], trust: &TrustStore, now_s: i64) -> Option<Arc<VerifiedSod>> {
        let found = self.by_digest.get(digest)?;
        if found.sod.holds(trust, now_s) {
            return Some(Arc::clone(&found.sod));
        }
        self.arrivals.remove(&found.arrival);
        self.by_digest.remove(digest);
        None
    }

    /// Keeps a verified SOD, in place of one with the same digest, whose place in the order of arrivals it takes.
    pub fn insert(&mut self, sod: Arc<VerifiedSod>) {
        if self.capacity == 0 {
            return;
        }
        let digest = sod.sod_sha256;
        if let Some(kept) = self.by_digest.get_mut(&digest) {
            kept.sod = sod;
            return;
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.by_digest.insert(digest, Kept { arrival, sod });
        self.arrivals.insert(arrival, digest);
        if self.by_digest.len() > self.capacity
            && let Some((_, first)) = self.arrivals.pop_first()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::algorithm::Algorithms;

    const SOD: &[u8] = include_bytes!("../tests/fixtures/p256.sod");
    const CSCA: &[u8] = include_bytes!("../tests/fixtures/p256.csca.der");
    const OTHER_CSCA: &[u8] = include_bytes!("../tests/fixtures/p384.csca.der");
    /// 2027-01-15: the fixtures' certificates are valid.
    const NOW_S: i64 = 1_800_000_000;
    const CARDS: u64 = 1_000;

    /// A SOD that these authorities stand behind, as that of the card with this number.
    fn of_card(verified: &VerifiedSod, card: u64) -> Arc<VerifiedSod> {
        let mut sod = verified.clone();
        sod.sod_sha256[..8].copy_from_slice(&card.to_be_bytes());
        Arc::new(sod)
    }

    #[test]
    fn an_authority_that_comes_leaves_no_entry_and_no_arrival_behind() {
        let stores =
            [vec![CSCA], vec![CSCA, OTHER_CSCA]].map(|of| TrustStore::new(of, Algorithms::all()).unwrap());
        let mut cache = SodCache::new(CARDS as usize);
        // Each round stands under the other store, which makes all of the round before void.
        for round in 0..4 {
            let trust = &stores[round % 2];
            let verified = VerifiedSod::verify(SOD, trust, NOW_S).unwrap();
            for card in 0..CARDS {
                let sod = of_card(&verified, card);
                assert_eq!(cache.get(&sod.sod_sha256, trust, NOW_S), None, "void or new");
                cache.insert(Arc::clone(&sod));
                assert_eq!(cache.get(&sod.sod_sha256, trust, NOW_S), Some(sod));
            }
            assert_eq!((cache.len(), cache.arrivals.len()), (CARDS as usize, CARDS as usize));
        }
        let trust = &stores[1];
        let verified = VerifiedSod::verify(SOD, trust, NOW_S).unwrap();
        let is_kept = |cache: &mut SodCache, card| {
            cache.get(&of_card(&verified, card).sod_sha256, trust, NOW_S).is_some()
        };
        for card in CARDS..CARDS + 3 {
            cache.insert(of_card(&verified, card));
        }
        assert_eq!((cache.len(), cache.arrivals.len()), (CARDS as usize, CARDS as usize));
        let kept = [0, 2, 3, CARDS + 2].map(|card| is_kept(&mut cache, card));
        assert_eq!(kept, [false, false, true, true], "those that came first went");
    }
}
