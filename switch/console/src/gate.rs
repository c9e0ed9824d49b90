//! Bounds on trying: log-ins that fail, looks at citizens' numbers, refusals that are recorded. All of it in memory.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Mutex;

use mutant::Mutant;

/// Log-ins of one person that may fail in a row before the next has to wait.
pub const FAILURES_FREE: u32 = 5;

/// Log-ins from one address that may fail before the next has to wait: a house may have one address.
pub const ADDRESS_FAILURES_FREE: u32 = 20;

/// The first wait; it doubles with each failure, up to the longest.
pub const WAIT_MS_MIN: u64 = 30_000;
/// The longest wait.
pub const WAIT_MS_MAX: u64 = 15 * 60_000;

/// Without a try for so long it is forgotten.
const FORGOTTEN_AFTER_MS: u64 = 24 * 3_600_000;

/// Names and addresses that are remembered; at the limit the one that failed longest ago is forgotten.
pub(crate) const REMEMBERED_MAX: usize = 10_000;

struct Tries {
    failed: u32,
    last_ms: u64,
}

/// Counts failures by name or address and says how long the next try has to wait.
pub(crate) struct Gate<K> {
    free: u32,
    tries: Mutex<HashMap<K, Tries>>,
}

impl<K: Eq + Hash + Clone> Gate<K> {
    pub(crate) fn new(free: u32) -> Gate<K> {
        Gate { free, tries: Mutex::default() }
    }

    /// How long to wait before the next try; 0: not at all.
    pub(crate) fn wait_ms(&self, who: &K, now_ms: u64) -> u64 {
        let tries = self.tries.lock().expect("nobody panics while counting");
        let Some(tries) = tries.get(who) else { return 0 };
        let Some(over) = tries.failed.checked_sub(self.free) else { return 0 };
        if mutant::is(Mutant::GuessesUnbounded) {
            return 0;
        }
        let wait_ms = (WAIT_MS_MIN << over.min(16)).min(WAIT_MS_MAX);
        (tries.last_ms + wait_ms).saturating_sub(now_ms)
    }

    pub(crate) fn failed(&self, who: &K, now_ms: u64) {
        let mut tries = self.tries.lock().expect("nobody panics while counting");
        if tries.len() >= REMEMBERED_MAX && !tries.contains_key(who) {
            tries.retain(|_, tries| now_ms.saturating_sub(tries.last_ms) < FORGOTTEN_AFTER_MS);
            let oldest = tries.iter().min_by_key(|(_, tries)| tries.last_ms).map(|(who, _)| who.clone());
            if let Some(oldest) = oldest.filter(|_| tries.len() >= REMEMBERED_MAX) {
                tries.remove(&oldest);
            }
        }
        let own = tries.entry(who.clone()).or_insert(Tries { failed: 0, last_ms: now_ms });
        if now_ms.saturating_sub(own.last_ms) >= FORGOTTEN_AFTER_MS {
            own.failed = 0;
        }
        own.failed = own.failed.saturating_add(1);
        own.last_ms = now_ms;
    }

    pub(crate) fn succeeded(&self, who: &K) {
        self.tries.lock().expect("nobody panics while counting").remove(who);
    }
}

/// So many in so long for each.
pub(crate) struct Pace<K> {
    count_max: usize,
    within_ms: u64,
    times: Mutex<HashMap<K, VecDeque<u64>>>,
}

impl<K: Eq + Hash + Clone> Pace<K> {
    pub(crate) fn new(count_max: usize, within_ms: u64) -> Pace<K> {
        Pace { count_max, within_ms, times: Mutex::default() }
    }

    /// Takes one, or says that it is one too many.
    pub(crate) fn take(&self, who: &K, now_ms: u64) -> bool {
        let mut times = self.times.lock().expect("nobody panics while counting");
        let is_old = |at_ms: u64| now_ms.saturating_sub(at_ms) >= self.within_ms;
        if times.len() >= REMEMBERED_MAX && !times.contains_key(who) {
            times.retain(|_, times| times.back().is_some_and(|at_ms| !is_old(*at_ms)));
            if times.len() >= REMEMBERED_MAX {
                return false;
            }
        }
        let own = times.entry(who.clone()).or_default();
        while own.front().is_some_and(|at_ms| is_old(*at_ms)) {
            own.pop_front();
        }
        let room = own.len() < self.count_max || mutant::is(Mutant::LooksUnbounded);
        if room {
            own.push_back(now_ms);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_after_the_free_failures_and_doubles_up_to_the_longest() {
        let gate = Gate::new(FAILURES_FREE);
        let mut waits = Vec::new();
        for _ in 0..12 {
            gate.failed(&"lan", 1_000);
            waits.push(gate.wait_ms(&"lan", 1_000) / 1_000);
        }
        assert_eq!(waits, [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(gate.wait_ms(&"lan", 1_000 + WAIT_MS_MAX), 0);
        assert_eq!(gate.wait_ms(&"minh", 1_000), 0);
        gate.succeeded(&"lan");
        assert_eq!(gate.wait_ms(&"lan", 1_000), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_is_forgotten() {
        let gate = Gate::new(0);
        for number in 0..REMEMBERED_MAX as u64 + 3 {
            gate.failed(&number, number);
        }
        assert_eq!(gate.tries.lock().map(|tries| tries.len()).unwrap_or(0), REMEMBERED_MAX);
        assert_eq!(gate.wait_ms(&0, REMEMBERED_MAX as u64), 0);
        assert!(gate.wait_ms(&(REMEMBERED_MAX as u64), REMEMBERED_MAX as u64) > 0);
    }

    #[test]
    fn a_pace_lets_so_many_through_in_its_time() {
        let pace = Pace::new(2, 100);
        let taken: Vec<bool> = [0, 10, 20, 99, 100, 105, 110].map(|at_ms| pace.take(&"lan", at_ms)).to_vec();
        assert_eq!(taken, [true, true, false, false, true, false, true]);
        assert!(pace.take(&"minh", 20));
    }
}
