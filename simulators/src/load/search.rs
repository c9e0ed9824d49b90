//! Which rate is tried next: up until one does not hold, then between the two, in a bounded number of steps.

/// How much faster the next rate is while all have held.
const STEP_UP: f64 = 1.5;

/// Nearer than this share of the rate the search is over.
const CLOSE_ENOUGH: f64 = 0.06;

/// A rate that did not hold is tried once more before it counts: a machine that others use has bad seconds.
const TRIES: u32 = 2;

/// A search for the highest rate that holds.
#[derive(Clone, Debug)]
pub(super) struct Search {
    next: u64,
    held: Option<u64>,
    failed: Option<u64>,
    tries: u32,
    steps_left: u32,
    max: u64,
}

impl Search {
    /// Begins at `first` requests a second, never above `max`, with so many steps at most.
    pub(super) fn new(first: u64, max: u64, steps_max: u32) -> Search {
        Search { next: first.min(max), held: None, failed: None, tries: 0, steps_left: steps_max, max }
    }

    /// The rate to try; `None`: the search is over.
    pub(super) fn next(&self) -> Option<u64> {
        let is_close = match (self.held, self.failed) {
            (Some(held), Some(failed)) => (failed - held) as f64 <= failed as f64 * CLOSE_ENOUGH,
            (Some(held), None) => held >= self.max,
            (None, Some(failed)) => failed <= 1,
            (None, None) => false,
        };
        (self.steps_left > 0 && !is_close).then_some(self.next)
    }

    /// How the rate did that was tried.
    pub(super) fn tell(&mut self, holds: bool) {
        self.steps_left = self.steps_left.saturating_sub(1);
        let tried = self.next;
        self.tries += 1;
        if !holds && self.tries < TRIES {
            return;
        }
        self.tries = 0;
        if holds {
            self.held = Some(tried);
        } else {
            self.failed = Some(tried);
        }
        self.next = match (self.held, self.failed) {
            (Some(held), Some(failed)) => held.midpoint(failed),
            (Some(held), None) => ((held as f64 * STEP_UP) as u64).min(self.max),
            (None, _) => (tried / 2).max(1),
        };
    }

    /// The highest rate that held.
    pub(super) fn best(&self) -> Option<u64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(capacity: u64, first: u64, steps: u32) -> (Option<u64>, u32) {
        let mut search = Search::new(first, 100_000, steps);
        let mut taken = 0;
        while let Some(rate) = search.next() {
            search.tell(rate <= capacity);
            taken += 1;
        }
        (search.best(), taken)
    }

    #[test]
    fn the_highest_rate_that_holds_is_found_from_both_sides() {
        for (capacity, first) in [(7_300, 2_000), (700, 2_000), (100_000, 2_000), (1, 64)] {
            let (best, _) = found(capacity, first, 40);
            let best = best.unwrap_or(0);
            assert!(best <= capacity && best as f64 >= capacity as f64 * 0.93, "{capacity}: {best}");
        }
    }

    #[test]
    fn steps_are_bounded_and_one_bad_try_is_forgiven() {
        assert_eq!(found(0, 2_000, 7), (None, 7));
        let mut search = Search::new(100, 1_000, 10);
        search.tell(false);
        assert_eq!((search.next(), search.best()), (Some(100), None));
        search.tell(true);
        assert_eq!((search.next(), search.best()), (Some(150), Some(100)));
    }
}
