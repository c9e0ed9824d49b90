//! How the running switch does: a moment every two seconds, five minutes of them, and what asks for a person's eye.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use processor::ALARMS;
use serde_json::Value;

use crate::metrics_page::Counts;
use crate::switch::Switch;

/// Between two moments.
pub(crate) const MOMENT_EVERY: Duration = Duration::from_secs(2);

/// Moments that are kept: five minutes.
pub(crate) const MOMENTS_MAX: usize = 150;

/// Latencies are those of so many moments: half a minute, so that a percentile means something.
const LATENCY_MOMENTS: usize = 15;

/// A reversal that has waited for its bank longer than this asks for a person's eye.
const OLD_REVERSAL_MS: u64 = 10 * 60_000;

/// The stages of an answer's way, in its order, and the whole.
pub(crate) const STAGES: [&str; 8] =
    ["read", "find", "verify", "intent_sync", "bank", "outcome_sync", "write", "total"];

struct Moment {
    mono_ms: u64,
    counts: Counts,
}

/// The last five minutes.
#[derive(Default)]
pub(crate) struct Moments {
    kept: Mutex<VecDeque<Moment>>,
}

/// What happened between two moments.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rate {
    /// Answers a second.
    pub(crate) answers: f64,
    /// Of these with another code than 00.
    pub(crate) refusals: f64,
}

/// A stage's times.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct StageTimes {
    pub(crate) stage: &'static str,
    /// Median, 95th and 99th percentile, microseconds; `None` when nothing passed.
    pub(crate) us: Option<[f64; 3]>,
}

/// What the Live page shows of the moments.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Shown {
    /// The oldest first.
    pub(crate) rates: Vec<Rate>,
    pub(crate) stages: Vec<StageTimes>,
    /// Answers by code over the kept time, the most first.
    pub(crate) codes: Vec<(String, u64)>,
    /// Events that are alarms over the kept time.
    pub(crate) alarms: Vec<(&'static str, u64)>,
}

impl Moments {
    pub(crate) fn take(&self, page: &str, mono_ms: u64) {
        let mut kept = self.lock();
        if kept.len() >= MOMENTS_MAX {
            kept.pop_front();
        }
        kept.push_back(Moment { mono_ms, counts: Counts::read(page) });
    }

    pub(crate) fn shown(&self) -> Shown {
        let kept = self.lock();
        let refused = |counts: &Counts| {
            counts.answered() - counts.answers.get("00").copied().unwrap_or(0).min(counts.answered())
        };
        let rates = kept.iter().zip(kept.iter().skip(1)).map(|(before, now)| {
            let seconds = (now.mono_ms.saturating_sub(before.mono_ms) as f64 / 1e3).max(1e-3);
            let a_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            Rate {
                answers: a_second(now.counts.answered(), before.counts.answered()),
                refusals: a_second(refused(&now.counts), refused(&before.counts)),
            }
        });
        let rates = rates.collect();
        let nothing = Counts::default();
        let last = kept.back().map_or(&nothing, |moment| &moment.counts);
        let first = kept.front().map_or(&nothing, |moment| &moment.counts);
        let recent = kept.iter().rev().nth(LATENCY_MOMENTS).map_or(first, |moment| &moment.counts);
        let stages = STAGES.map(|stage| {
            let us = |share| last.quantile_us(recent, stage, share);
            let us = us(0.5).zip(us(0.95)).zip(us(0.99)).map(|((median, p95), p99)| [median, p95, p99]);
            StageTimes { stage, us }
        });
        let since = |now: u64, then: Option<&u64>| now.saturating_sub(then.copied().unwrap_or(0));
        let codes =
            last.answers.iter().map(|(code, now)| (code.clone(), since(*now, first.answers.get(code))));
        let mut codes: Vec<(String, u64)> = codes.filter(|(_, count)| *count > 0).collect();
        codes.sort_by(|(one, few), (other, many)| many.cmp(few).then(one.cmp(other)));
        let alarms = ALARMS.iter().map(|event| {
            let now = last.events.get(*event).copied().unwrap_or(0);
            (*event, since(now, first.events.get(*event)))
        });
        let alarms = alarms.filter(|(_, count)| *count > 0).collect();
        Shown { rates, stages: stages.to_vec(), codes, alarms }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Moment>> {
        self.kept.lock().expect("nobody panics while counting")
    }
}

/// Takes moments until the process ends.
pub(crate) async fn watch(moments: Arc<Moments>, switch: Arc<dyn Switch>, mono_ms: impl Fn() -> u64) {
    let mut every = tokio::time::interval(MOMENT_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        moments.take(&switch.metrics(), mono_ms());
    }
}

/// What asks for a person's eye, from the switch's status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Alarm {
    Draining,
    DiskFull,
    /// The business day that is due and not open.
    DayOverdue(String),
    /// The same, where a wall clock that has jumped ahead of its time is why.
    DayHeld {
        day: String,
        clock_ahead_s: u64,
    },
    RegistryLeftAlone,
    RevocationListsStale(u64),
    /// Exchanged keys whose versions come to their end.
    KeysNearEnd(u64),
    BankAway(String),
    ReversalsOld {
        bank: String,
        oldest_ms: u64,
    },
    Suspense(u64),
}

/// Reads the alarms off a status; `banks` are those that should be ready.
pub(crate) fn alarms<'a>(status: &Value, banks: impl Iterator<Item = &'a str>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if status["draining"] == true {
        alarms.push(Alarm::Draining);
    }
    if status["disk_full"] == true {
        alarms.push(Alarm::DiskFull);
    }
    if let Some(due) = status["business_day_overdue"].as_str() {
        let day = due.to_owned();
        alarms.push(match status["clock_ahead_s"].as_u64().unwrap_or(0) {
            0 => Alarm::DayOverdue(day),
            clock_ahead_s => Alarm::DayHeld { day, clock_ahead_s },
        });
    }
    if status["registry_left_alone"] == true {
        alarms.push(Alarm::RegistryLeftAlone);
    }
    let stale = status["crl_stale"].as_array().map_or(0, |lists| lists.len() as u64);
    if stale > 0 {
        alarms.push(Alarm::RevocationListsStale(stale));
    }
    let near_end = status["keys_near_end"].as_u64().unwrap_or(0);
    if near_end > 0 {
        alarms.push(Alarm::KeysNearEnd(near_end));
    }
    let ready: Vec<&str> =
        status["banks_ready"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    alarms.extend(banks.filter(|bank| !ready.contains(bank)).map(|bank| Alarm::BankAway(bank.to_owned())));
    for bank in status["saf"].as_array().into_iter().flatten() {
        let name = bank["bank"].as_str().unwrap_or("-").to_owned();
        if let Some(oldest_ms) = bank["oldest_age_ms"].as_u64().filter(|age_ms| *age_ms > OLD_REVERSAL_MS) {
            alarms.push(Alarm::ReversalsOld { bank: name, oldest_ms });
        }
    }
    let suspense = status["suspense_open"].as_u64().unwrap_or(0);
    if suspense > 0 {
        alarms.push(Alarm::Suspense(suspense));
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(approved: u64, refused: u64, forged: u64) -> String {
        format!(
            "atm_switch_answers_total{{kind=\"withdrawal\",code=\"00\"}} {approved}\n\
             atm_switch_answers_total{{kind=\"withdrawal\",code=\"51\"}} {refused}\n\
             atm_switch_events_total{{event=\"forged\"}} {forged}\n"
        )
    }

    #[test]
    fn rates_are_of_the_time_between_two_moments() {
        let moments = Moments::default();
        for (at_ms, approved, refused, forged) in [(0, 10, 0, 1), (2_000, 30, 4, 1), (4_000, 30, 4, 3)] {
            moments.take(&page(approved, refused, forged), at_ms);
        }
        let shown = moments.shown();
        assert_eq!(
            shown.rates,
            [Rate { answers: 12.0, refusals: 2.0 }, Rate { answers: 0.0, refusals: 0.0 }]
        );
        assert_eq!(shown.codes, [("00".to_owned(), 20), ("51".to_owned(), 4)]);
        assert_eq!(shown.alarms, [("forged", 2)]);
    }

    #[test]
    fn five_minutes_are_kept() {
        let moments = Moments::default();
        (0..200).for_each(|number| moments.take(&page(number, 0, 0), number * 2_000));
        assert_eq!(moments.shown().rates.len(), MOMENTS_MAX - 1);
    }

    #[test]
    fn alarms_are_read_off_a_status() {
        let bank = |name: &str, age_ms: Value| json!({ "bank": name, "oldest_age_ms": age_ms });
        let quiet = json!({ "draining": false, "disk_full": false, "registry_left_alone": false, "crl_stale": [], "keys_near_end": 0, "suspense_open": 0,
            "banks_ready": ["970415", "970418"], "saf": [bank("970418", Value::Null)] });
        let banks = || ["970415", "970418"].into_iter();
        assert_eq!(alarms(&quiet, banks()), []);
        let loud = json!({ "draining": true, "disk_full": true, "business_day_overdue": "2026-12-01", "registry_left_alone": true, "crl_stale": ["x"], "keys_near_end": 2, "suspense_open": 3,
            "banks_ready": ["970415"], "saf": [bank("970418", json!(700_000)), bank("970415", json!(1_000))] });
        assert_eq!(
            alarms(&loud, banks()),
            [
                Alarm::Draining,
                Alarm::DiskFull,
                Alarm::DayOverdue("2026-12-01".to_owned()),
                Alarm::RegistryLeftAlone,
                Alarm::RevocationListsStale(1),
                Alarm::KeysNearEnd(2),
                Alarm::BankAway("970418".to_owned()),
                Alarm::ReversalsOld { bank: "970418".to_owned(), oldest_ms: 700_000 },
                Alarm::Suspense(3),
            ]
        );
        let held = json!({ "banks_ready": ["970415", "970418"], "business_day_overdue": "2026-12-01", "clock_ahead_s": 14_400 });
        let day = "2026-12-01".to_owned();
        assert_eq!(alarms(&held, banks()), [Alarm::DayHeld { day, clock_ahead_s: 14_400 }]);
    }
}
