//! When each request of a phase is due: a ramp, a warm-up, then the rate that is measured.

/// A phase's schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Schedule {
    /// Requests a second, once the ramp is over.
    pub(super) rate: u64,
    /// How long the phase's clock runs, seconds.
    pub(super) seconds: u64,
    /// The rate grows from nothing for so long, in a straight line, seconds.
    pub(super) ramp_s: u64,
    /// And is held for so long before the clock starts, seconds.
    pub(super) warm_up_s: u64,
}

impl Schedule {
    /// What goes before the clock starts, microseconds.
    pub(super) fn before_us(self) -> u64 {
        (self.ramp_s + self.warm_up_s) * 1_000_000
    }

    /// When a request is due, counted from 0: microseconds after the beginning of the ramp.
    pub(super) fn due_us(self, number: u64) -> u64 {
        let in_ramp = self.rate * self.ramp_s / 2;
        if number < in_ramp {
            // Half the rate's growth times the square of the time have been sent.
            let since_s = (2.0 * number as f64 * self.ramp_s as f64 / self.rate as f64).sqrt();
            return (since_s * 1e6) as u64;
        }
        self.ramp_s * 1_000_000 + (number - in_ramp) * 1_000_000 / self.rate
    }

    /// How many requests are due until the end.
    pub(super) fn requests(self) -> u64 {
        self.rate * self.ramp_s / 2 + self.rate * (self.warm_up_s + self.seconds) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_a_straight_line_and_the_rate_follows_it() {
        let schedule = Schedule { rate: 1_000, seconds: 3, ramp_s: 4, warm_up_s: 1 };
        let sent_by = |us: u64| (0..).take_while(|number| schedule.due_us(*number) < us).count();
        assert_eq!(schedule.before_us(), 5_000_000);
        for (us, sent) in [(1_000_000, 125), (2_000_000, 500), (4_000_000, 2_000), (8_000_000, 6_000)] {
            assert!(sent_by(us).abs_diff(sent) <= 1, "{us}: {}", sent_by(us));
        }
        assert_eq!(schedule.requests(), 6_001);
        assert!((0..6_000).all(|number| schedule.due_us(number) <= schedule.due_us(number + 1)));
    }
}
