//! What the registry last signed of cards that were verified lately: without it the switch does not stand in for a registry
//! that is away (docs/security.md#stand-in). In memory alone: behind a start nothing is known.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use processor::KnownStatus;

/// Cards that are kept at most: some 20 MB. At the limit the half that was verified longest ago goes.
pub(crate) const CARDS_MAX: usize = 262_144;

/// A card, by SHA-256 of its SOD.
type Card = [u8; 32];

/// The cache.
#[derive(Default)]
pub(crate) struct StatusCache(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Card, KnownStatus>,
    old: HashMap<Card, KnownStatus>,
}

impl StatusCache {
    /// The registry has vouched for the card, or has not: then nothing older counts.
    pub(crate) fn put(&self, card: Card, status: Option<KnownStatus>) {
        let mut halves = self.lock();
        halves.old.remove(&card);
        match status {
            None => {
                halves.young.remove(&card);
            }
            Some(status) => {
                if halves.young.len() >= CARDS_MAX / 2 {
                    halves.old = std::mem::take(&mut halves.young);
                }
                halves.young.insert(card, status);
            }
        }
    }

    /// What is known of the card.
    pub(crate) fn get(&self, card: &Card) -> Option<KnownStatus> {
        let halves = self.lock();
        halves.young.get(card).or_else(|| halves.old.get(card)).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().expect("nothing panics while it holds the statuses")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize) -> Card {
        let mut card = [0; 32];
        card[..8].copy_from_slice(&number.to_be_bytes());
        card
    }

    fn status(at_ms: i64) -> Option<KnownStatus> {
        Some(KnownStatus { at_ms, valid_until_ms: at_ms + 1 })
    }

    #[test]
    fn a_refusal_takes_away_what_was_known_before() {
        let cache = StatusCache::default();
        cache.put(card(1), status(1));
        cache.put(card(1), status(2));
        assert_eq!(cache.get(&card(1)), status(2));
        cache.put(card(1), None);
        assert_eq!((cache.get(&card(1)), cache.get(&card(2))), (None, None));
    }

    #[test]
    fn cards_are_bounded_and_the_oldest_go() {
        let cache = StatusCache::default();
        (0..CARDS_MAX * 2).for_each(|number| cache.put(card(number), status(number as i64)));
        assert_eq!(cache.get(&card(0)), None);
        assert_eq!(cache.get(&card(CARDS_MAX * 2 - 1)), status((CARDS_MAX * 2 - 1) as i64));
        // One that went to the old half, and is refused there.
        let old = CARDS_MAX * 2 - CARDS_MAX / 2 - 1;
        assert_eq!(cache.get(&card(old)), status(old as i64));
        cache.put(card(old), None);
        assert_eq!(cache.get(&card(old)), None);
        let halves = cache.lock();
        assert!(halves.young.len() + halves.old.len() <= CARDS_MAX);
    }
}
