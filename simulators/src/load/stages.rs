//! Latency by stage, of one phase alone: the difference of two pages of the switch's metrics.

use std::collections::BTreeMap;

/// Stages in the order of a request's way, as the switch calls them, and for people.
pub(super) const STAGES: [(&str, &str); 8] = [
    ("read", "read: waiting to be taken"),
    ("find", "find: look-up"),
    ("verify", "verify: chip and registry"),
    ("intent_sync", "INTENT sync"),
    ("bank", "bank, its links included"),
    ("outcome_sync", "OUTCOME sync"),
    ("write", "write: answer to the socket"),
    ("total", "arrival to answer"),
];

/// Passages of one stage: by the upper bound of their bucket, nanoseconds.
pub(super) type Counts = BTreeMap<u64, u64>;

/// What a load reads of the switch's metrics.
#[derive(Clone, Default, Debug)]
pub(super) struct Page {
    stages: BTreeMap<String, Counts>,
    /// Syncs of the log so far.
    pub(super) syncs: u64,
}

impl Page {
    /// What is not there counts as nothing.
    pub(super) fn read(text: &str) -> Page {
        let mut page = Page::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("atm_switch_log_syncs_total ") {
                page.syncs = rest.trim().parse().unwrap_or(0);
            } else if let Some((stage, bound_ns, count)) = bucket(line) {
                page.stages.entry(stage.to_owned()).or_default().insert(bound_ns, count);
            }
        }
        page.stages.values_mut().for_each(apart);
        page
    }

    /// What came since another page.
    pub(super) fn since(&self, before: &Page) -> BTreeMap<String, Counts> {
        let mut stages = self.stages.clone();
        for (stage, counts) in &mut stages {
            let before = before.stages.get(stage);
            for (bound_ns, count) in counts.iter_mut() {
                let earlier = before.and_then(|before| before.get(bound_ns)).copied().unwrap_or(0);
                *count = count.saturating_sub(earlier);
            }
            counts.retain(|_, count| *count > 0);
        }
        stages
    }
}

/// Cumulative counts become those of each bucket.
fn apart(counts: &mut Counts) {
    let mut below = 0;
    for count in counts.values_mut() {
        let own = count.saturating_sub(below);
        below = *count;
        *count = own;
    }
}

fn bucket(line: &str) -> Option<(&str, u64, u64)> {
    let labels = line.strip_prefix("atm_switch_stage_seconds_bucket{")?;
    let label = |name: &str| labels.split(name).nth(1)?.split('"').nth(1);
    let seconds: f64 = label("le=")?.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
    Some((label("stage=")?, (seconds * 1e9).round() as u64, line.rsplit(' ').next()?.parse().ok()?))
}

/// The time within which `quantile` of the passages were over, microseconds: within its bucket by a straight line. A bucket
/// begins at eight ninths of its bound at least.
pub(super) fn quantile_us(counts: &Counts, quantile: f64) -> f64 {
    let wanted = (counts.values().sum::<u64>() as f64 * quantile).max(1.0);
    let mut below = 0.0;
    for (bound_ns, count) in counts {
        let count = *count as f64;
        if below + count >= wanted {
            let lower_us = (*bound_ns as f64 * 8.0 / 9.0) / 1e3;
            let upper_us = *bound_ns as f64 / 1e3;
            return lower_us + (upper_us - lower_us) * (wanted - below) / count;
        }
        below += count;
    }
    0.0
}

/// The upper bound of the slowest passage's bucket, microseconds.
pub(super) fn max_us(counts: &Counts) -> f64 {
    counts.last_key_value().map_or(0.0, |(bound_ns, _)| *bound_ns as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page(bank: [u64; 3], syncs: u64) -> Page {
        Page::read(&format!(
            "x 1\natm_switch_log_syncs_total {syncs}\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"0.0009\"}} {}\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"0.0018\"}} {}\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"+Inf\"}} {}\n",
            bank[0], bank[1], bank[2]
        ))
    }

    #[test]
    fn only_what_came_between_two_pages_counts() {
        let (before, after) = (page([5, 5, 5], 7), page([5, 105, 105], 107));
        assert_eq!(after.syncs - before.syncs, 100);
        let stages = after.since(&before);
        assert_eq!(stages["bank"], Counts::from([(1_800_000, 100)]));
        assert_eq!(max_us(&stages["bank"]), 1_800.0);
        assert_eq!(quantile_us(&stages["bank"], 0.5), 1_700.0);
        assert_eq!(quantile_us(&stages["bank"], 1.0), 1_800.0);
        assert_eq!((quantile_us(&Counts::new(), 0.5), max_us(&Counts::new())), (0.0, 0.0));
    }
}
