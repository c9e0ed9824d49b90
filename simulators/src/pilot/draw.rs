//! Draws the notes of all uses so that they make one sum exactly, and every use keeps within its bounds.

use crate::terminal::{DENOMINATIONS_VND, Notes};

use super::chance::Chance;

/// Whether cash goes out or in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A withdrawal.
    Out,
    /// A deposit.
    In,
}

/// Most notes of one withdrawal.
pub const WITHDRAWAL_NOTES_MAX: u32 = 40;

/// Most notes of one deposit.
pub const DEPOSIT_NOTES_MAX: u32 = 200;

/// How often a note is of each denomination, in the order of [`DENOMINATIONS_VND`], in a hundred.
const WEIGHTS: [usize; 4] = [88, 7, 3, 2];

/// So many notes are put or taken at most to meet the sum. A draw that misses it by four standard deviations
/// (3 billion) needs some 7,000; most tries at the very end are refused because the note is too large.
const MOVES_MAX: usize = 10_000_000;

impl Direction {
    /// Most notes of one use.
    pub fn notes_max(self) -> u32 {
        match self {
            Direction::Out => WITHDRAWAL_NOTES_MAX,
            Direction::In => DEPOSIT_NOTES_MAX,
        }
    }
}

/// The notes of each use, together worth `sum_vnd`.
///
/// First every use is drawn by itself. Then notes are put into, or taken out of, uses that are picked at random, one
/// note at a time, each use as likely as any other, until the sum is met: what a use is changed by does not depend on
/// its place.
///
/// # Panics
/// When no draw can meet the sum: it is no multiple of 50,000, or lies outside what the bounds allow.
pub fn notes_with_sum(directions: &[Direction], sum_vnd: u64, chance: &mut Chance) -> Vec<Notes> {
    let mut all: Vec<Notes> = directions.iter().map(|direction| notes_of_one(*direction, chance)).collect();
    let mut missing_vnd = sum_vnd as i64 - all.iter().map(|notes| notes.amount_vnd() as i64).sum::<i64>();
    for _ in 0..MOVES_MAX {
        if missing_vnd == 0 {
            return all;
        }
        let at = chance.below(all.len());
        let place = chance.weighted(&WEIGHTS);
        let denomination_vnd = DENOMINATIONS_VND[place] as i64;
        let notes = &mut all[at];
        if missing_vnd >= denomination_vnd && notes.count() < directions[at].notes_max() {
            notes[place] += 1;
            missing_vnd -= denomination_vnd;
        } else if -missing_vnd >= denomination_vnd && notes[place] > 0 && notes.count() > 1 {
            notes[place] -= 1;
            missing_vnd += denomination_vnd;
        }
    }
    panic!("{sum_vnd} đồng cannot be made of {} uses", directions.len())
}

/// Withdrawals have few notes more often than many, deposits many more often than few: of two draws the smaller, the
/// larger.
fn notes_of_one(direction: Direction, chance: &mut Chance) -> Notes {
    let [one, other] = [0, 1].map(|_| chance.between(1, direction.notes_max()));
    let count = match direction {
        Direction::Out => one.min(other),
        Direction::In => one.max(other),
    };
    let mut notes = Notes::NONE;
    for _ in 0..count {
        notes[chance.weighted(&WEIGHTS)] += 1;
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directions(count: usize) -> Vec<Direction> {
        (0..count).map(|index| if index % 9 < 4 { Direction::In } else { Direction::Out }).collect()
    }

    #[test]
    fn the_sum_is_met_and_the_bounds_are_kept() {
        for (seed, sum_vnd) in
            [(1, 22_730_000_000), (2, 22_730_050_000), (3, 17_000_000_000), (4, 30_000_000_000)]
        {
            let directions = directions(762);
            let all = notes_with_sum(&directions, sum_vnd, &mut Chance::new(seed, "notes"));
            assert_eq!(all.iter().map(Notes::amount_vnd).sum::<u64>(), sum_vnd);
            for (notes, direction) in all.iter().zip(&directions) {
                assert!((1..=direction.notes_max()).contains(&notes.count()), "{notes:?} {direction:?}");
            }
        }
    }

    /// Over many seeds the uses at the end of the list are worth what the uses at its front are.
    #[test]
    fn no_place_in_the_list_is_bent_to_fit() {
        const SEEDS: u64 = 400;
        let directions = vec![Direction::In; 40];
        let mut sums = vec![0; directions.len()];
        for seed in 0..SEEDS {
            let all = notes_with_sum(&directions, 2_400_000_000, &mut Chance::new(seed, "notes"));
            for (sum, notes) in sums.iter_mut().zip(&all) {
                *sum += notes.amount_vnd();
            }
        }
        let mean = 60_000_000.0;
        // One use deviates by some 22 million, so the mean of 400 by 1.1 million: five times that.
        for (place, sum) in sums.iter().enumerate() {
            let deviation = (*sum as f64 / SEEDS as f64 - mean).abs();
            assert!(deviation < 5_500_000.0, "place {place}: {deviation}");
        }
    }

    #[test]
    #[should_panic(expected = "cannot be made of 2 uses")]
    fn a_sum_out_of_bounds_is_refused() {
        notes_with_sum(&[Direction::Out; 2], 40_050_000, &mut Chance::new(1, "notes"));
    }
}
