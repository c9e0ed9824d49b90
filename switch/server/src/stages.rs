//! Where answers' time went: a histogram for each stage, fine enough for a 99th percentile, and a few nanoseconds to fill.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A part of an answer's way, in its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// From the request's arrival to the moment that the event loop takes it.
    Read,
    /// Look-up in log and enrolment.
    Find,
    /// Chip and registry.
    Verify,
    /// INTENT's way to the disk.
    IntentSync,
    /// The bank.
    Bank,
    /// The last record's way to the disk.
    OutcomeSync,
    /// From the answer's leaving the event loop to its bytes' being written.
    Write,
    /// From the request's arrival to the answer's leaving the event loop.
    Total,
}

/// All of them, and what the metrics call them.
const STAGES: [(Stage, &str); 8] = [
    (Stage::Read, "read"),
    (Stage::Find, "find"),
    (Stage::Verify, "verify"),
    (Stage::IntentSync, "intent_sync"),
    (Stage::Bank, "bank"),
    (Stage::OutcomeSync, "outcome_sync"),
    (Stage::Write, "write"),
    (Stage::Total, "total"),
];

/// Each doubling of time has so many buckets: a bucket is an eighth of its time wide at most.
const PER_DOUBLING: usize = 8;

/// From 1 µs on, singly up to 8 µs, then by doublings; what is above [`US_MAX`] counts in the last.
const BUCKETS: usize = PER_DOUBLING * 23;

/// The last bucket's upper bound, microseconds: 33.6 s, more than a terminal waits.
const US_MAX: u64 = upper_us(BUCKETS - 1);

/// The process's own stages.
static OWN: Stages = Stages::new();

/// The process's own stages.
pub(crate) fn own() -> &'static Stages {
    &OWN
}

/// Counts by stage and time, since the process began.
#[derive(Debug)]
pub(crate) struct Stages {
    counts: [[AtomicU64; BUCKETS]; STAGES.len()],
    sums_us: [AtomicU64; STAGES.len()],
}

impl Stages {
    const fn new() -> Stages {
        Stages {
            counts: [const { [const { AtomicU64::new(0) }; BUCKETS] }; STAGES.len()],
            sums_us: [const { AtomicU64::new(0) }; STAGES.len()],
        }
    }

    /// Counts one passage of a stage that took `us` microseconds; 0 counts as 1.
    pub(crate) fn note(&self, stage: Stage, us: u64) {
        self.counts[stage as usize][bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.sums_us[stage as usize].fetch_add(us, Ordering::Relaxed);
    }

    /// As Prometheus reads it: cumulative, bounds in seconds.
    pub(crate) fn render(&self) -> String {
        let mut page = String::from("# TYPE atm_switch_stage_seconds histogram\n");
        for (stage, name) in STAGES {
            let mut count = 0;
            for (index, bucket) in self.counts[stage as usize].iter().enumerate() {
                count += bucket.load(Ordering::Relaxed);
                let bound = upper_us(index) as f64 / 1e6;
                let _ = writeln!(
                    page,
                    "atm_switch_stage_seconds_bucket{{stage=\"{name}\",le=\"{bound}\"}} {count}"
                );
            }
            let sum = self.sums_us[stage as usize].load(Ordering::Relaxed) as f64 / 1e6;
            let _ = writeln!(
                page,
                "atm_switch_stage_seconds_bucket{{stage=\"{name}\",le=\"+Inf\"}} {count}\n\
                 atm_switch_stage_seconds_sum{{stage=\"{name}\"}} {sum}\n\
                 atm_switch_stage_seconds_count{{stage=\"{name}\"}} {count}"
            );
        }
        page
    }
}

/// The bucket of a time: the first whose upper bound is not below it.
const fn bucket(us: u64) -> usize {
    let below = if us == 0 { 0 } else { us - 1 };
    let below = if below < US_MAX { below } else { US_MAX - 1 };
    if below < PER_DOUBLING as u64 {
        return below as usize;
    }
    let shift = below.ilog2() - PER_DOUBLING.ilog2();
    (shift as usize) * PER_DOUBLING + (below >> shift) as usize
}

/// A bucket's upper bound, within it, microseconds.
const fn upper_us(bucket: usize) -> u64 {
    if bucket < PER_DOUBLING {
        return bucket as u64 + 1;
    }
    let shift = bucket / PER_DOUBLING - 1;
    ((bucket % PER_DOUBLING + PER_DOUBLING + 1) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_between_the_bounds_of_its_bucket_and_buckets_are_an_eighth_wide() {
        for us in (1..5_000).chain((1..1_000).map(|step| step * 33_001)) {
            let index = bucket(us);
            let lower = if index == 0 { 0 } else { upper_us(index - 1) };
            assert!(lower < us && us <= upper_us(index), "{us}: {lower} to {}", upper_us(index));
            assert!((upper_us(index) - lower) * PER_DOUBLING as u64 <= us + 7, "{us}: {lower}");
        }
        assert_eq!((bucket(0), bucket(US_MAX), bucket(u64::MAX)), (0, BUCKETS - 1, BUCKETS - 1));
        const { assert!(US_MAX > 30_000_000) };
    }

    #[test]
    fn the_page_counts_up() {
        let stages = Stages::new();
        for us in [3, 40, 40, 90_000_000] {
            stages.note(Stage::Bank, us);
        }
        let page = stages.render();
        for line in [
            "atm_switch_stage_seconds_bucket{stage=\"bank\",le=\"0.000002\"} 0",
            "atm_switch_stage_seconds_bucket{stage=\"bank\",le=\"0.000003\"} 1",
            "atm_switch_stage_seconds_bucket{stage=\"bank\",le=\"0.00004\"} 3",
            "atm_switch_stage_seconds_bucket{stage=\"bank\",le=\"+Inf\"} 4",
            "atm_switch_stage_seconds_count{stage=\"bank\"} 4",
            "atm_switch_stage_seconds_count{stage=\"read\"} 0",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
    }
}
