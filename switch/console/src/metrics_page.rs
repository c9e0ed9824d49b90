//! Reads the switch's page of metrics (Prometheus text): counters by their labels, stages as histograms.

use std::collections::BTreeMap;

/// What the Live page needs of the page of metrics, at one moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Counts {
    /// Answers by DE39.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Everything else that happened, by its name.
    pub(crate) events: BTreeMap<String, u64>,
    /// For each stage how many took at most so many microseconds, cumulative, by bound; as the page has it.
    pub(crate) stages: BTreeMap<String, Vec<(f64, u64)>>,
}

impl Counts {
    /// A line that is not understood is passed over: the page has many that are of no use here.
    pub(crate) fn read(page: &str) -> Counts {
        let mut counts = Counts::default();
        for line in page.lines() {
            let Some((name, rest)) = line.split_once('{') else { continue };
            let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
            let label = |wanted: &str| {
                let parts = labels.split(',').filter_map(|label| label.split_once("=\""));
                let found = parts.into_iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value.trim_end_matches('"'))
            };
            let Ok(value) = value.trim().parse::<u64>() else { continue };
            match name {
                "atm_switch_answers_total" => {
                    if let Some(code) = label("code") {
                        *counts.answers.entry(code.to_owned()).or_default() += value;
                    }
                }
                "atm_switch_events_total" => {
                    if let Some(event) = label("event") {
                        *counts.events.entry(event.to_owned()).or_default() += value;
                    }
                }
                "atm_switch_stage_seconds_bucket" => {
                    let bound = label("le").and_then(|le| le.parse::<f64>().ok());
                    if let (Some(stage), Some(bound)) = (label("stage"), bound) {
                        counts.stages.entry(stage.to_owned()).or_default().push((bound * 1e6, value));
                    }
                }
                _ => {}
            }
        }
        counts
    }

    /// All answers.
    pub(crate) fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    /// What a stage took between two moments, microseconds: the bound below which a share of its passages lies. `None`
    /// when nothing passed.
    pub(crate) fn quantile_us(&self, before: &Counts, stage: &str, share: f64) -> Option<f64> {
        let now = self.stages.get(stage)?;
        let then = before.stages.get(stage);
        let since = |index: usize| {
            let earlier = then.and_then(|then| then.get(index)).map_or(0, |(_, count)| *count);
            now.get(index).map_or(0, |(_, count)| count.saturating_sub(earlier))
        };
        let all = since(now.len().checked_sub(1)?);
        if all == 0 {
            return None;
        }
        let wanted = (all as f64 * share).ceil() as u64;
        let found = (0..now.len()).find(|index| since(*index) >= wanted)?;
        // The last bucket has no bound: what lies there took at least as long as the one before it.
        let bounds = now.get(found).map(|(bound, _)| *bound).filter(|bound| bound.is_finite());
        bounds.or_else(|| now.get(found.checked_sub(1)?).map(|(bound, _)| *bound))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page(bank: [u64; 3], approved: u64) -> String {
        format!(
            "# TYPE atm_switch_answers_total counter\n\
             atm_switch_answers_total{{kind=\"withdrawal\",code=\"00\"}} {approved}\n\
             atm_switch_answers_total{{kind=\"balance inquiry\",code=\"00\"}} 2\n\
             atm_switch_answers_total{{kind=\"withdrawal\",code=\"51\"}} 1\n\
             atm_switch_events_total{{event=\"forged\"}} 4\n\
             atm_switch_log_records 17\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"0.001\"}} {}\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"0.1\"}} {}\n\
             atm_switch_stage_seconds_bucket{{stage=\"bank\",le=\"+Inf\"}} {}\n",
            bank[0], bank[1], bank[2]
        )
    }

    #[test]
    fn counters_are_read_by_their_labels() {
        let counts = Counts::read(&page([1, 2, 2], 5));
        assert_eq!(counts.answers, BTreeMap::from([("00".to_owned(), 7), ("51".to_owned(), 1)]));
        assert_eq!((counts.answered(), counts.events.get("forged")), (8, Some(&4)));
    }

    #[test]
    fn quantiles_are_of_what_passed_between_two_moments() {
        let (before, now) =
            (Counts::read(&page([100, 100, 100], 0)), Counts::read(&page([101, 199, 200], 0)));
        assert_eq!(now.quantile_us(&before, "bank", 0.01), Some(1_000.0));
        assert_eq!(now.quantile_us(&before, "bank", 0.5), Some(100_000.0));
        assert_eq!(now.quantile_us(&before, "bank", 1.0), Some(100_000.0));
        assert_eq!(now.quantile_us(&now, "bank", 0.5), None);
        assert_eq!(now.quantile_us(&before, "nowhere", 0.5), None);
    }
}
