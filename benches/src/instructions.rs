//! Instruction counts: what codec, link, processor and record encoding cost, where time on a shared machine only blurs.
//!
//! A case runs under valgrind's callgrind with N and with 2 N repetitions; the difference divided by N is one repetition's
//! count, and what both runs begin with cancels out.

mod baseline;
mod callgrind;
mod cases;

pub use baseline::{BASELINE, Baseline, BaselineError};
pub use callgrind::{CallgrindError, count};
pub use cases::{CASES, Case};

/// A case that grew by more than so many hundredths of its baseline fails.
pub const GROWTH_PERCENT_MAX: u64 = 5;

/// One case beside its baseline.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Compared {
    /// [`Case::name`].
    pub name: &'static str,
    /// Instructions of one repetition as the baseline has them; `None` for a case that is not in it.
    pub baseline: Option<u64>,
    /// Instructions of one repetition now.
    pub now: u64,
}

impl Compared {
    /// The change as a share of the baseline; 0.1 is a tenth more.
    pub fn growth(&self) -> Option<f64> {
        let baseline = self.baseline.filter(|baseline| *baseline > 0)? as f64;
        Some(self.now as f64 / baseline - 1.0)
    }

    /// More than [`GROWTH_PERCENT_MAX`], or not in the baseline at all.
    pub fn fails(&self) -> bool {
        let most = self.baseline.unwrap_or(0).saturating_mul(100 + GROWTH_PERCENT_MAX) / 100;
        self.now > most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_more_is_borne_and_what_has_no_baseline_is_not() {
        let fails = |baseline, now| Compared { name: "a", baseline, now }.fails();
        assert!(!fails(Some(1_000), 1_050));
        assert!(fails(Some(1_000), 1_051));
        assert!(!fails(Some(1_000), 500));
        assert!(fails(None, 1));
        assert!(fails(Some(0), 1));
    }
}
