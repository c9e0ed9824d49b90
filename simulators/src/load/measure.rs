//! What was counted and timed in one phase of a load.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::live::{self, Point};
use super::stages::Counts;

/// Latencies are kept up to this; a longer one counts as this. Microseconds.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Decimal digits that a latency keeps.
const DIGITS: u8 = 3;

/// One phase: a rate held for so long.
pub(super) struct Phase {
    /// Requests that were due in the measured time.
    pub(super) offered: u64,
    /// Of these, those that could not be sent: no verification reference was left.
    pub(super) unsent: u64,
    /// 0210 with 00.
    pub(super) accepted: u64,
    /// Of these, those that came while the phase's clock ran.
    pub(super) accepted_in_time: u64,
    /// 91 without a bank having been asked.
    pub(super) refused: u64,
    /// 91 after INTENT.
    pub(super) given_up: u64,
    /// Other codes.
    pub(super) other: BTreeMap<String, u64>,
    /// 0201 that were answered, after an approval.
    pub(super) repeats: u64,
    /// Requests without an answer within the terminal's wait.
    pub(super) silent: u64,
    /// Answers that came after the switch's deadline for them.
    pub(super) late: u64,
    /// From the moment that a request was due to its 00, microseconds.
    pub(super) accepted_us: Histogram<u64>,
    /// The same to its 91.
    pub(super) refused_us: Histogram<u64>,
    /// From the moment that an advice was due to its answer.
    pub(super) advice_us: Histogram<u64>,
    /// 0220 that were sent, and answered 00.
    pub(super) completions: Answered,
    /// 0420 that were sent, and answered 00.
    pub(super) reversals: Answered,
    /// Connections that the switch closed.
    pub(super) connections_lost: u64,
    /// How long the phase's clock ran, seconds.
    pub(super) seconds: f64,
    /// How late the sender itself was, at most: microseconds behind the schedule.
    pub(super) sender_late_us_max: u64,
    /// CPU of the switch in this time, microseconds.
    pub(super) switch_us: u64,
    /// CPU of each bank.
    pub(super) banks_us: Vec<u64>,
    /// CPU of this process.
    pub(super) own_us: u64,
    /// CPU of the switch by its threads' names, microseconds.
    pub(super) switch_threads_us: BTreeMap<String, u64>,
    /// What the switch had at the end of it.
    pub(super) switch_memory_bytes: u64,
    /// What the switch has written to files in this time.
    pub(super) written_bytes: u64,
    /// Syncs of its log in this time.
    pub(super) syncs: u64,
    /// Passages of each stage in this time.
    pub(super) stages: BTreeMap<String, Counts>,
    /// DE37 and time of the approvals whose bank's hold is still to be taken off.
    pub(super) approvals: Vec<(u64, u64)>,
    /// How long the banks held what they approved.
    pub(super) held_us: Histogram<u64>,
    /// From the moment that a request was due to its 00, less its bank's hold.
    pub(super) added_us: Histogram<u64>,
    /// Second by second.
    pub(super) points: Vec<Point>,
}

/// Advices of one kind.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Sent, repeats not counted.
    pub(super) sent: u64,
    /// Answered 00.
    pub(super) answered: u64,
}

impl Answered {
    /// Neither refused nor left without an answer.
    pub(super) fn shed(self) -> u64 {
        self.sent - self.answered
    }
}

impl Phase {
    /// Nothing happened yet.
    pub(super) fn new() -> Phase {
        Phase {
            offered: 0,
            unsent: 0,
            accepted: 0,
            accepted_in_time: 0,
            refused: 0,
            given_up: 0,
            other: BTreeMap::new(),
            repeats: 0,
            silent: 0,
            late: 0,
            accepted_us: histogram(),
            refused_us: histogram(),
            advice_us: histogram(),
            completions: Answered::default(),
            reversals: Answered::default(),
            connections_lost: 0,
            seconds: 0.0,
            sender_late_us_max: 0,
            switch_us: 0,
            banks_us: Vec::new(),
            own_us: 0,
            switch_threads_us: BTreeMap::new(),
            switch_memory_bytes: 0,
            written_bytes: 0,
            syncs: 0,
            stages: BTreeMap::new(),
            approvals: Vec::new(),
            held_us: histogram(),
            added_us: histogram(),
            points: Vec::new(),
        }
    }

    /// Adds another of the same rate to it.
    pub(super) fn add(&mut self, other: Phase) {
        self.offered += other.offered;
        self.unsent += other.unsent;
        self.accepted += other.accepted;
        self.accepted_in_time += other.accepted_in_time;
        self.refused += other.refused;
        self.given_up += other.given_up;
        self.repeats += other.repeats;
        self.silent += other.silent;
        self.late += other.late;
        self.connections_lost += other.connections_lost;
        self.seconds += other.seconds;
        self.sender_late_us_max = self.sender_late_us_max.max(other.sender_late_us_max);
        self.switch_us += other.switch_us;
        self.own_us += other.own_us;
        self.switch_memory_bytes = self.switch_memory_bytes.max(other.switch_memory_bytes);
        self.written_bytes += other.written_bytes;
        self.syncs += other.syncs;
        live::join(&mut self.points, other.points);
        self.banks_us.resize(self.banks_us.len().max(other.banks_us.len()), 0);
        self.banks_us.iter_mut().zip(&other.banks_us).for_each(|(sum, us)| *sum += us);
        add_counts(&mut self.other, other.other);
        add_counts(&mut self.switch_threads_us, other.switch_threads_us);
        for (stage, counts) in other.stages {
            add_counts(self.stages.entry(stage).or_default(), counts);
        }
        for (sum, more) in
            [(&mut self.completions, other.completions), (&mut self.reversals, other.reversals)]
        {
            sum.sent += more.sent;
            sum.answered += more.answered;
        }
        for (sum, more) in [
            (&mut self.accepted_us, &other.accepted_us),
            (&mut self.refused_us, &other.refused_us),
            (&mut self.advice_us, &other.advice_us),
            (&mut self.held_us, &other.held_us),
            (&mut self.added_us, &other.added_us),
        ] {
            sum.add(more).expect("all have the same bounds");
        }
    }

    /// Approvals a second while the clock ran.
    pub(super) fn goodput(&self) -> f64 {
        self.accepted_in_time as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// The rate was held: nearly everything approved, the slowest hundredth within `p99_us_max`.
    pub(super) fn holds(&self, p99_us_max: u64) -> bool {
        let missed = self.offered - self.accepted.min(self.offered);
        missed * 1_000 <= self.offered && self.accepted_us.value_at_quantile(0.99) <= p99_us_max
    }

    /// CPU of the switch for each approved withdrawal, where nothing else was asked, microseconds.
    pub(super) fn switch_us_each(&self) -> f64 {
        self.each(self.switch_us)
    }

    /// A sum by each approved withdrawal.
    pub(super) fn each(&self, sum: u64) -> f64 {
        sum as f64 / self.accepted.max(1) as f64
    }

    /// A sum by each second of the phase's clock.
    pub(super) fn per_second(&self, sum: u64) -> f64 {
        sum as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// CPU of the switch for each refusal, where nothing else was asked, microseconds.
    pub(super) fn switch_us_refused(&self) -> f64 {
        self.switch_us as f64 / self.refused.max(1) as f64
    }
}

fn add_counts<K: Ord>(sum: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (name, count) in more {
        *sum.entry(name).or_default() += count;
    }
}

/// A histogram of latencies, microseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("the bounds are a histogram's")
}

/// Records a latency, within the histogram's bounds.
pub(super) fn note(histogram: &mut Histogram<u64>, us: u64) {
    histogram.saturating_record(us.max(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_holds_when_nearly_all_is_approved_and_quick() {
        let mut phase = Phase::new();
        (phase.offered, phase.accepted) = (1_000, 999);
        (0..985).for_each(|_| note(&mut phase.accepted_us, 900));
        (0..14).for_each(|_| note(&mut phase.accepted_us, 20_000));
        assert!(phase.holds(25_000) && !phase.holds(10_000));
        phase.accepted = 998;
        assert!(!phase.holds(25_000));
    }
}
