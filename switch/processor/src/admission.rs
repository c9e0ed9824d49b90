//! Which new requests are let in when there is more to do than can be done, and which were turned away. Decided before a
//! request is read: a refusal has to cost as little as can be.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use crate::ids::{TerminalId, TxKey};
use crate::unordered::Unordered;

/// Requests that have waited for the switch longer than this are too many, once they have done so for
/// [`QUEUE_INTERVAL_US`]: then whatever has waited twice as long is turned away.
pub const QUEUE_WAIT_US_MAX: u64 = 10_000;

/// A burst that is over within this is no overload: everything in it is let in.
pub const QUEUE_INTERVAL_US: u64 = 100_000;

/// Keys that were shed and are refused again; beyond it a shed request gets silence instead of 91, and is not kept.
/// 33,000 refusals a second for the 30 s of a terminal's wait.
pub const SHED_KEYS_MAX: usize = 1_000_000;

/// Shed keys are forgotten in so many parts of a terminal's wait, a whole part at once.
const SHED_PARTS: u64 = 4;

/// How long requests wait for their turn, and whether that is too long: controlled delay (CoDel, RFC 8289) in the form
/// that servers use, which looks at the least wait of an interval. A queue that empties now and then is a burst; one whose
/// every request has waited is an overload, and what it has made wait longest is what nobody should work for.
#[derive(Debug, Default)]
pub(crate) struct QueueWait {
    interval_ends_us: u64,
    /// The least wait of this interval so far.
    least_us: Option<u64>,
    is_overloaded: bool,
}

impl QueueWait {
    /// Notes a request that has waited so long; whether it is let in.
    pub(crate) fn admits(&mut self, now_us: u64, waited_us: u64) -> bool {
        if now_us >= self.interval_ends_us {
            // An interval without a request says that nobody waits.
            let is_next = now_us < self.interval_ends_us.saturating_add(QUEUE_INTERVAL_US);
            self.is_overloaded =
                is_next && self.least_us.is_some_and(|least_us| least_us > QUEUE_WAIT_US_MAX);
            self.interval_ends_us = now_us.saturating_add(QUEUE_INTERVAL_US);
            self.least_us = None;
        }
        self.least_us = Some(self.least_us.map_or(waited_us, |least_us| least_us.min(waited_us)));
        !self.is_overloaded || waited_us <= 2 * QUEUE_WAIT_US_MAX
    }
}

/// Requests between arrival and answer, in all and of each terminal.
#[derive(Default)]
pub(crate) struct InFlight {
    keys: Unordered<TxKey, ()>,
    by_terminal: Unordered<TerminalId, usize>,
}

impl InFlight {
    pub(crate) fn insert(&mut self, key: TxKey) {
        if self.keys.insert(key, ()).is_none() {
            *self.by_terminal.get_or_insert_with(key.terminal, || 0) += 1;
        }
    }

    pub(crate) fn remove(&mut self, key: &TxKey) {
        if self.keys.remove(key).is_some()
            && let Some(count) = self.by_terminal.get_mut(&key.terminal)
        {
            *count -= 1;
            if *count == 0 {
                self.by_terminal.remove(&key.terminal);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn of(&self, terminal: TerminalId) -> usize {
        self.by_terminal.get(&terminal).copied().unwrap_or(0)
    }
}

/// Keys whose 91 may be under way: a repeat must not be executed meanwhile; or that have ended: a copy must not be told 91.
/// Each is held for a terminal's wait and up to a
/// quarter of it longer. Of a key only 64 bits are kept, under a secret: a million take 20 MB, and that two keys are the
/// same by chance happens once in 10^13; then a request is told 91 that need not have been.
pub(crate) struct ShedKeys {
    hashes: FixedState,
    parts: VecDeque<Part>,
    count: usize,
}

struct Part {
    /// Keys are added until then.
    open_until_us: u64,
    /// All of them are forgotten then.
    kept_until_us: u64,
    marks: Unordered<u64, ()>,
}

impl ShedKeys {
    pub(crate) fn new(secret: u64) -> ShedKeys {
        ShedKeys { hashes: FixedState::with_seed(secret), parts: VecDeque::new(), count: 0 }
    }

    /// Nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it was turned away less than a terminal's wait ago.
    pub(crate) fn holds(&mut self, now_us: u64, key: &TxKey) -> bool {
        self.forget_old(now_us);
        // Nearly always there is none, and nothing to compute.
        if self.parts.is_empty() {
            return false;
        }
        let mark = self.mark(key);
        self.parts.iter().any(|part| part.marks.contains(&mark))
    }

    /// Holds a key for `wait_us`; `false`: there is no room for it.
    pub(crate) fn insert(&mut self, now_us: u64, wait_us: u64, key: &TxKey) -> bool {
        self.forget_old(now_us);
        if self.count >= SHED_KEYS_MAX {
            return false;
        }
        let mark = self.mark(key);
        if self.parts.back().is_none_or(|part| part.open_until_us <= now_us) {
            let open_until_us = now_us.saturating_add(wait_us / SHED_PARTS + 1);
            let kept_until_us = open_until_us.saturating_add(wait_us);
            // The part before tells how many there will be: growing would move them all.
            let room = self.parts.back().map_or(0, |before| before.marks.len());
            self.parts.push_back(Part {
                open_until_us,
                kept_until_us,
                marks: Unordered::with_capacity(room),
            });
        }
        if let Some(part) = self.parts.back_mut() {
            // A reload may have made the wait longer since the part was opened.
            part.kept_until_us = part.kept_until_us.max(now_us.saturating_add(wait_us));
            self.count += usize::from(part.marks.insert(mark, ()).is_none());
        }
        true
    }

    fn forget_old(&mut self, now_us: u64) {
        while let Some(part) = self.parts.front()
            && part.kept_until_us <= now_us
        {
            self.count -= part.marks.len();
            self.parts.pop_front();
        }
    }

    fn mark(&self, key: &TxKey) -> u64 {
        self.hashes.hash_one(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::{Class, Institution, UtcSeconds};

    fn key(stan: u32) -> TxKey {
        TxKey {
            class: Class::Financial,
            acquirer: Institution::parse(b"970418").unwrap(),
            terminal: TerminalId(*b"HN000001"),
            sent_at: UtcSeconds(1_000),
            stan,
        }
    }

    /// What is let in of one request each millisecond, all of which have waited so long.
    fn admitted(wait: &mut QueueWait, from_ms: u64, to_ms: u64, waited_us: u64) -> usize {
        (from_ms..to_ms).filter(|ms| wait.admits(ms * 1_000, waited_us)).count()
    }

    #[test]
    fn a_burst_is_let_in_and_an_overload_is_not() {
        let mut wait = QueueWait::default();
        assert_eq!(admitted(&mut wait, 0, 500, 9_000), 500, "they wait, and not too long");
        assert_eq!(admitted(&mut wait, 500, 550, 80_000), 50, "a burst");
        assert_eq!(admitted(&mut wait, 550, 600, 0), 50);
        assert_eq!(admitted(&mut wait, 600, 700, 80_000), 100, "the first interval of an overload");
        assert_eq!(admitted(&mut wait, 700, 1_000, 80_000), 0);
        assert_eq!(admitted(&mut wait, 1_000, 1_100, 15_000), 100, "those that have waited least");
        assert_eq!(admitted(&mut wait, 1_100, 1_101, 0), 1);
        assert_eq!(admitted(&mut wait, 1_101, 1_200, 80_000), 0, "the interval was one of overload");
        assert_eq!(admitted(&mut wait, 1_200, 1_300, 80_000), 100, "and had one that did not wait");
    }

    #[test]
    fn silence_ends_an_overload() {
        let mut wait = QueueWait::default();
        admitted(&mut wait, 0, 200, 80_000);
        assert_eq!(admitted(&mut wait, 200, 250, 80_000), 0);
        assert_eq!(admitted(&mut wait, 10_000, 10_050, 80_000), 50);
    }

    #[test]
    fn requests_of_each_terminal_are_counted_once() {
        let mut in_flight = InFlight::default();
        for stan in [1, 2, 2] {
            in_flight.insert(key(stan));
        }
        assert_eq!((in_flight.len(), in_flight.of(key(1).terminal)), (2, 2));
        in_flight.remove(&key(2));
        in_flight.remove(&key(2));
        assert_eq!(in_flight.of(key(1).terminal), 1);
        in_flight.remove(&key(1));
        assert!(in_flight.is_empty() && in_flight.by_terminal.is_empty());
    }

    #[test]
    fn a_shed_key_is_held_for_a_terminals_wait_and_forgotten_soon_after() {
        const WAIT_US: u64 = 30_000_000;
        let mut shed = ShedKeys::new(7);
        for stan in 0..60 {
            assert!(shed.insert(u64::from(stan) * 1_000_000, WAIT_US, &key(stan)));
        }
        let now_us = 59_000_000;
        for stan in 0..60 {
            let age_us = now_us - u64::from(stan) * 1_000_000;
            let is_held = shed.holds(now_us, &key(stan));
            assert!(is_held || age_us >= WAIT_US, "{stan}");
            assert!(!is_held || age_us <= WAIT_US / 4 * 5 + 1, "{stan}");
        }
        assert!(!shed.holds(now_us, &key(99)));
        assert!(!shed.holds(200_000_000, &key(59)));
        assert_eq!((shed.count, shed.parts.len()), (0, 0));
    }

    #[test]
    fn there_is_room_for_so_many_and_room_again_later() {
        let mut shed = ShedKeys::new(7);
        let full = SHED_KEYS_MAX as u32;
        assert!((0..full).all(|stan| shed.insert(1, 1_000, &key(stan))));
        assert!(!shed.insert(1, 1_000, &key(full)));
        assert!(shed.holds(1, &key(full - 1)) && !shed.holds(1, &key(full)));
        assert!(shed.insert(10_000, 1_000, &key(full)));
    }
}
