//! Medians over rounds, and ratios within a round.

use serde::Serialize;

/// A figure over all rounds.
#[derive(Clone, Copy, PartialEq, Serialize, Debug)]
pub struct Median {
    /// Its median.
    pub value: f64,
    /// The smallest and the largest of a round.
    pub range: [f64; 2],
    /// The median of the ratios to ours of the same round.
    pub to_ours: f64,
}

impl Median {
    /// Of the figures of a peer and of ours, one of each a round.
    ///
    /// # Panics
    /// Without a round.
    pub fn of(figures: &[f64], ours: &[f64]) -> Median {
        let ratios: Vec<f64> = figures.iter().zip(ours).map(|(figure, ours)| figure / ours).collect();
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let most = figures.iter().copied().fold(0.0, f64::max);
        Median { value: median(figures), range: [least, most], to_ours: median(&ratios) }
    }
}

/// The one in the middle; of two the mean.
///
/// # Panics
/// Of none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_a_round() {
        // The machine was slow in the second round; the peer takes twice as long throughout.
        let seen = Median::of(&[2.0, 20.0, 4.0], &[1.0, 10.0, 2.0]);
        assert_eq!(seen, Median { value: 4.0, range: [2.0, 20.0], to_ours: 2.0 });
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
