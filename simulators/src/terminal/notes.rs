//! Banknotes: the four denominations, counts of them, and the mix that pays an amount.

use std::fmt;
use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// What the cassettes hold, đồng, the largest first; [`Notes`] counts in this order.
pub const DENOMINATIONS_VND: [u64; 4] = [500_000, 200_000, 100_000, 50_000];

/// So many notes of each denomination, in the order of [`DENOMINATIONS_VND`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notes(pub [u32; 4]);

impl Notes {
    /// No notes.
    pub const NONE: Notes = Notes([0; 4]);

    /// What they are worth, đồng.
    pub fn amount_vnd(&self) -> u64 {
        self.each().map(|(denomination, count)| denomination * u64::from(count)).sum()
    }

    /// How many they are.
    pub fn count(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Denomination (đồng) and count, the largest first, without those that are 0.
    pub fn each(&self) -> impl Iterator<Item = (u64, u32)> + use<> {
        DENOMINATIONS_VND.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// Both together.
    pub fn plus(&self, other: &Notes) -> Notes {
        Notes(std::array::from_fn(|index| self.0[index] + other.0[index]))
    }

    /// What is left; `None` when there are too few of any.
    pub fn minus(&self, other: &Notes) -> Option<Notes> {
        let mut left = *self;
        for (have, take) in left.0.iter_mut().zip(other.0) {
            *have = have.checked_sub(take)?;
        }
        Some(left)
    }

    /// The first `count` of them, the largest first: how far a dispenser came before it stopped.
    pub fn first(&self, count: u32) -> Notes {
        let mut left = count;
        Notes(self.0.map(|have| {
            let take = have.min(left);
            left -= take;
            take
        }))
    }
}

impl Index<usize> for Notes {
    type Output = u32;

    fn index(&self, denomination: usize) -> &u32 {
        &self.0[denomination]
    }
}

impl IndexMut<usize> for Notes {
    fn index_mut(&mut self, denomination: usize) -> &mut u32 {
        &mut self.0[denomination]
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.each().map(|(vnd, count)| format!("{count}×{vnd}")).collect();
        f.write_str(if parts.is_empty() { "no notes" } else { "" })?;
        f.write_str(&parts.join("+"))
    }
}

/// The fewest notes out of `have` that make `amount_vnd`, at most `count_max` of them; `None` when none do. Of mixes
/// with as many notes the one with more large notes.
pub fn mix(amount_vnd: u64, have: &Notes, count_max: u32) -> Option<Notes> {
    let [d500, d200, d100, d50] = DENOMINATIONS_VND;
    let at_most = |rest: u64, denomination: u64, have: u32| {
        u64::from(have.min(count_max)).min(rest / denomination) as u32
    };
    let mut best: Option<Notes> = None;
    for n500 in (0..=at_most(amount_vnd, d500, have[0])).rev() {
        let rest = amount_vnd - d500 * u64::from(n500);
        for n200 in (0..=at_most(rest, d200, have[1])).rev() {
            let rest = rest - d200 * u64::from(n200);
            // 50 divides 100: here the largest first is also the fewest.
            let n100 = at_most(rest, d100, have[2]);
            let rest = rest - d100 * u64::from(n100);
            let n50 = at_most(rest, d50, have[3]);
            let notes = Notes([n500, n200, n100, n50]);
            let pays = rest == d50 * u64::from(n50) && notes.count() <= count_max;
            if pays && best.is_none_or(|best| notes.count() < best.count()) {
                best = Some(notes);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mixes() {
        let full = Notes([100; 4]);
        for (amount_vnd, have, expected) in [
            (2_000_000, full, Some([4, 0, 0, 0])),
            (1_350_000, full, Some([2, 1, 1, 1])),
            (600_000, Notes([1, 3, 0, 0]), Some([0, 3, 0, 0])),
            (800_000, Notes([1, 4, 1, 0]), Some([1, 1, 1, 0])),
            (20_000_000, full, Some([40, 0, 0, 0])),
            (20_050_000, full, None),
            (50_000, Notes([9, 9, 9, 0]), None),
            (2_025_000, full, None),
            (0, full, Some([0; 4])),
        ] {
            assert_eq!(mix(amount_vnd, &have, 40), expected.map(Notes), "{amount_vnd} out of {have:?}");
        }
    }

    /// All mixes out of few notes, by counting.
    fn fewest(amount_vnd: u64, have: &Notes, count_max: u32) -> Option<u32> {
        let mut best = None;
        for a in 0..=have[0] {
            for b in 0..=have[1] {
                for c in 0..=have[2] {
                    for d in 0..=have[3] {
                        let notes = Notes([a, b, c, d]);
                        if notes.amount_vnd() == amount_vnd && notes.count() <= count_max {
                            best = Some(best.map_or(notes.count(), |best: u32| best.min(notes.count())));
                        }
                    }
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn a_mix_is_found_when_there_is_one_and_is_the_smallest(
            have in proptest::array::uniform4(0u32..5),
            steps in 0u64..80,
            count_max in 1u32..12,
        ) {
            let (have, amount_vnd) = (Notes(have), steps * 50_000);
            let found = mix(amount_vnd, &have, count_max);
            prop_assert_eq!(found.map(|notes| notes.count()), fewest(amount_vnd, &have, count_max));
            if let Some(notes) = found {
                prop_assert_eq!(notes.amount_vnd(), amount_vnd);
                prop_assert!(have.minus(&notes).is_some());
            }
        }
    }

    #[test]
    fn the_first_notes_are_the_largest() {
        let notes = Notes([2, 0, 3, 1]);
        assert_eq!(notes.first(0), Notes::NONE);
        assert_eq!(notes.first(4), Notes([2, 0, 2, 0]));
        assert_eq!(notes.first(99), notes);
        assert_eq!(format!("{:?} {:?}", notes, Notes::NONE), "2×500000+3×100000+1×50000 no notes");
    }
}
