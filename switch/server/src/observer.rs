//! What the event loop counts and tells: metrics for machines, warnings for people (docs/operations.md#metrics).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use processor::{Answered, Code, Event, Institution, Kind, LinkId, SafBank};

use crate::stages::{self, Stage};

/// Alarms that are written out in a second; those above are counted and their number is told once.
const ALARM_LINES_MAX: u32 = 100;

/// Handles of all metrics that the event loop touches, looked up once.
pub(crate) struct Observer {
    answered: HashMap<(Kind, Code), Counter>,
    events: HashMap<&'static str, Counter>,
    saf: HashMap<Institution, SafMetrics>,
    pub(crate) gauges: Gauges,
    pub(crate) batch: Histogram,
    pub(crate) undeliverable: Counter,
    alarms: AlarmPace,
}

/// What is as it is at a moment.
pub(crate) struct Gauges {
    pub(crate) in_flight: Gauge,
    pub(crate) terminals_up: Gauge,
    pub(crate) banks_up: Gauge,
    pub(crate) reversals_open: Gauge,
    pub(crate) log_next: Gauge,
    pub(crate) log_synced: Gauge,
    pub(crate) terminal_inputs: Gauge,
    pub(crate) advice_inputs: Gauge,
    pub(crate) other_inputs: Gauge,
    pub(crate) references: Gauge,
    pub(crate) suspense: Gauge,
    pub(crate) stand_ins: Gauge,
    pub(crate) day_overdue: Gauge,
    pub(crate) clock_ahead: Gauge,
}

/// What waits for one bank.
struct SafMetrics {
    reversals: Gauge,
    oldest_age: Gauge,
    faults: Vec<Counter>,
}

struct AlarmPace {
    since: Instant,
    told: u32,
    kept_back: u32,
}

impl Observer {
    pub(crate) fn new() -> Observer {
        Observer {
            answered: HashMap::new(),
            events: HashMap::new(),
            saf: HashMap::new(),
            gauges: Gauges {
                in_flight: gauge!("atm_switch_requests_in_flight"),
                terminals_up: gauge!("atm_switch_links_up", "side" => "terminal"),
                banks_up: gauge!("atm_switch_links_up", "side" => "bank"),
                reversals_open: gauge!("atm_switch_reversals_open"),
                log_next: gauge!("atm_switch_log_records"),
                log_synced: gauge!("atm_switch_log_synced_records"),
                terminal_inputs: gauge!("atm_switch_queue_inputs", "queue" => "terminals"),
                advice_inputs: gauge!("atm_switch_queue_inputs", "queue" => "advices"),
                other_inputs: gauge!("atm_switch_queue_inputs", "queue" => "others"),
                references: gauge!("atm_switch_references_live"),
                suspense: gauge!("atm_switch_suspense_open"),
                stand_ins: gauge!("atm_switch_stand_ins_owed"),
                day_overdue: gauge!("atm_switch_business_day_overdue"),
                clock_ahead: gauge!("atm_switch_clock_ahead_seconds"),
            },
            batch: histogram!("atm_switch_batch_inputs"),
            undeliverable: counter!("atm_switch_messages_undeliverable_total"),
            alarms: AlarmPace { since: Instant::now(), told: 0, kept_back: 0 },
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        if let Event::Answered(answered) = event {
            self.answered(answered);
        }
        let name = event.name();
        let counter = |name| counter!("atm_switch_events_total", "event" => name);
        self.events.entry(name).or_insert_with(|| counter(name)).increment(1);
        if event.is_alarm() {
            self.alarms.tell(name, event);
        } else {
            tracing::debug!(event = name, detail = ?event);
        }
    }

    /// Sets what waits for a bank.
    pub(crate) fn saf(&mut self, bank: &SafBank, now_ms: i64) {
        let metrics = self.saf.entry(bank.bank).or_insert_with(|| SafMetrics::new(bank));
        metrics.reversals.set(bank.reversals as f64);
        let age_ms = bank.oldest_at_ms.map_or(0, |oldest_ms| (now_ms - oldest_ms).max(0));
        metrics.oldest_age.set(age_ms as f64 / 1000.0);
        for (counter, (_, count)) in metrics.faults.iter().zip(bank.faults.each()) {
            counter.absolute(count);
        }
    }

    fn answered(&mut self, answered: &Answered) {
        let (kind, code) = (answered.kind, answered.code);
        let counter =
            || counter!("atm_switch_answers_total", "kind" => kind.name(), "code" => code.to_string());
        self.answered.entry((kind, code)).or_insert_with(counter).increment(1);
        let stages = [
            (Stage::Read, answered.read_us),
            (Stage::Find, answered.find_us),
            (Stage::Verify, answered.verify_us),
            (Stage::IntentSync, answered.intent_sync_us),
            (Stage::Bank, answered.bank_us),
            (Stage::OutcomeSync, answered.outcome_sync_us),
            (Stage::Total, answered.total_us),
        ];
        for (stage, us) in stages.into_iter().filter(|(_, us)| *us > 0) {
            stages::own().note(stage, us);
        }
    }
}

impl SafMetrics {
    fn new(bank: &SafBank) -> SafMetrics {
        let id = bank.bank.to_string();
        let fault =
            |(name, _)| counter!("atm_switch_saf_errors_total", "bank" => id.clone(), "error" => name);
        SafMetrics {
            reversals: gauge!("atm_switch_saf_reversals", "bank" => id.clone()),
            oldest_age: gauge!("atm_switch_saf_oldest_age_seconds", "bank" => id.clone()),
            faults: bank.faults.each().into_iter().map(fault).collect(),
        }
    }
}

impl AlarmPace {
    fn tell(&mut self, name: &'static str, event: &Event) {
        if self.since.elapsed() > Duration::from_secs(1) {
            if self.kept_back > 0 {
                tracing::warn!(count = self.kept_back, "more alarms than lines for them");
            }
            *self = AlarmPace { since: Instant::now(), told: 0, kept_back: 0 };
        }
        if self.told < ALARM_LINES_MAX {
            self.told += 1;
            tracing::warn!(event = name, detail = ?event, "alarm");
        } else {
            self.kept_back += 1;
        }
    }
}

/// The side of a connection, as the metrics call it.
pub(crate) fn is_bank(link: &LinkId) -> bool {
    matches!(link, LinkId::Bank(..))
}
