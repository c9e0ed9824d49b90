//! What a load has shown, for people and as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::measure::Phase;
use crate::audit::Audit;

/// Findings of the audit that are told one by one.
const FINDINGS_TOLD_MAX: usize = 20;

/// Everything that was measured.
#[derive(Default)]
pub(super) struct Report {
    /// The rate that was asked for, or the best that was found.
    pub(super) held: Option<(u64, Phase)>,
    /// Three times the best rate.
    pub(super) overload: Option<Overload>,
    /// Of the steps of the search: late answers, advices without an answer, connections lost.
    pub(super) search_faults: u64,
    /// Median and p99 by stage, as the switch's own metrics have them over the whole run: microseconds.
    pub(super) stages: Vec<(String, f64, f64)>,
    /// Of the machine, a minute's average.
    pub(super) load_before: f64,
    /// The same at the end.
    pub(super) load_after: f64,
    /// The audit.
    pub(super) audit: Option<Audit>,
}

/// The phase in which more was offered than can be done.
pub(super) struct Overload {
    /// Requests a second.
    pub(super) rate: u64,
    /// What came of it.
    pub(super) phase: Phase,
    /// Refusals alone: what was shed is asked for again. `None` where too little was shed.
    pub(super) refusals: Option<Phase>,
}

impl Report {
    /// What must not happen in a step of the search either.
    pub(super) fn take_search_step(&mut self, phase: &Phase) {
        self.search_faults += faults(phase);
    }

    /// Every đồng is accounted for, every advice was answered, no answer came after its deadline.
    pub(super) fn is_good(&self) -> bool {
        let phases = self.held.iter().map(|(_, phase)| phase).chain(self.overload.iter().map(|it| &it.phase));
        let faults = self.search_faults + phases.map(faults).sum::<u64>();
        faults == 0 && self.audit.as_ref().is_some_and(Audit::is_clean)
    }

    /// Goodput in overload as a share of the best.
    fn goodput_share(&self) -> Option<f64> {
        let ((_, held), overload) = (self.held.as_ref()?, self.overload.as_ref()?);
        Some(overload.phase.goodput() / held.goodput().max(f64::MIN_POSITIVE))
    }

    /// CPU of the switch for a request that it refuses.
    fn refusing_us(&self) -> Option<f64> {
        Some(self.overload.as_ref()?.refusals.as_ref()?.switch_us_refused())
    }

    /// All figures; those of an overload are absent where none was offered.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "stages_us": self.stages.iter().map(|(name, p50, p99)| json!({"stage": name, "p50": p50, "p99": p99}))
                .collect::<Vec<_>>(),
            "search_faults": self.search_faults,
            "load_average": [self.load_before, self.load_after],
        });
        if let Some((rate, phase)) = &self.held {
            value["rate"] = json!(rate);
            value["held"] = figures(phase);
            value["switch_cpu_us_per_transaction"] = json!(round(phase.switch_us_each()));
        }
        if let Some(overload) = &self.overload {
            value["overload_rate"] = json!(overload.rate);
            value["overload"] = figures(&overload.phase);
            value["goodput_share"] = json!(self.goodput_share().map(|share| (share * 1e3).round() / 1e3));
            value["switch_cpu_us_per_refused"] = json!(self.refusing_us().map(round));
        }
        if let Some(audit) = &self.audit {
            value["difference_vnd"] = json!(audit.difference_vnd);
            value["suspense"] = json!(audit.suspense);
            value["audit"] = json!({"uses": audit.uses, "approved": audit.approved, "declined": audit.declined,
                "reversed": audit.reversed, "findings": audit.findings.len()});
        }
        value
    }
}

/// What must never happen; nor may a phase end for want of references.
fn faults(phase: &Phase) -> u64 {
    phase.unsent + phase.late + phase.completions.shed() + phase.reversals.shed()
}

fn figures(phase: &Phase) -> Value {
    json!({
        "seconds": (phase.seconds * 1e3).round() / 1e3,
        "offered": phase.offered,
        "unsent": phase.unsent,
        "accepted": phase.accepted,
        "goodput_per_second": round(phase.goodput()),
        "refused_before_intent": phase.refused,
        "given_up_after_intent": phase.given_up,
        "other_codes": phase.other,
        "silent": phase.silent,
        "answered_after_deadline": phase.late,
        "shed_0220": phase.completions.shed(),
        "shed_0420": phase.reversals.shed(),
        "sent_0220": phase.completions.sent,
        "sent_0420": phase.reversals.sent,
        "accepted_us": quantiles(&phase.accepted_us),
        "refused_us": quantiles(&phase.refused_us),
        "advice_us": quantiles(&phase.advice_us),
        "connections_lost": phase.connections_lost,
        "sender_late_us_max": phase.sender_late_us_max,
        "cpu_us": {"switch": phase.switch_us, "banks": phase.banks_us, "load": phase.own_us},
        "switch_threads_cpu_us": phase.switch_threads_us,
    })
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    let at = |quantile| histogram.value_at_quantile(quantile);
    json!({"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": histogram.max()})
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        let accepted = &self.accepted_us;
        write!(
            f,
            "{:.0}/s approved, p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms; {} of {} refused (p99 {:.2} ms)",
            self.goodput(),
            ms(accepted, 0.5),
            ms(accepted, 0.99),
            accepted.max() as f64 / 1e3,
            self.refused,
            self.offered,
            ms(&self.refused_us, 0.99),
        )?;
        let share = |us: u64| us as f64 / 1e4 / self.seconds.max(f64::MIN_POSITIVE);
        write!(
            f,
            "; CPU switch {:.0} %, banks {:.0} %, load {:.0} %",
            share(self.switch_us),
            share(self.banks_us),
            share(self.own_us)
        )
    }
}

/// CPU of the switch's threads for each withdrawal, the busiest first.
struct Threads<'p>(&'p Phase);

impl fmt::Display for Threads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut threads: Vec<_> = self.0.switch_threads_us.iter().collect();
        threads.sort_by_key(|(_, us)| std::cmp::Reverse(**us));
        let each = |us: u64| us as f64 / self.0.accepted.max(1) as f64;
        for (index, (name, us)) in threads.into_iter().enumerate() {
            write!(f, "{} {name} {:.1}", if index == 0 { ", of that" } else { "," }, each(*us))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((rate, phase)) = &self.held {
            writeln!(f, "{rate}/s: {phase}")?;
            writeln!(f, "  switch CPU {:.1} µs a withdrawal{}", phase.switch_us_each(), Threads(phase))?;
            unusual(f, phase)?;
        }
        if let Some(Overload { rate, phase, .. }) = &self.overload {
            writeln!(f, "overload, {rate}/s: {phase}")?;
            writeln!(
                f,
                "  goodput {:.0} % of the best; switch CPU a refusal {}",
                self.goodput_share().unwrap_or(0.0) * 100.0,
                self.refusing_us().map_or("not measured: too few".to_owned(), |us| format!("{us:.1} µs"))
            )?;
            unusual(f, phase)?;
        }
        for (stage, p50, p99) in &self.stages {
            writeln!(f, "  {stage}: p50 {:.2} ms, p99 {:.2} ms over the whole run", p50 / 1e3, p99 / 1e3)?;
        }
        writeln!(f, "load average {:.1} before, {:.1} after", self.load_before, self.load_after)?;
        let Some(audit) = &self.audit else { return Ok(()) };
        writeln!(
            f,
            "audit: {} withdrawals paid out, {} reversed, {} declined, {} in suspense; difference {} đồng",
            audit.uses, audit.reversed, audit.declined, audit.suspense, audit.difference_vnd
        )?;
        for finding in audit.findings.iter().take(FINDINGS_TOLD_MAX) {
            writeln!(f, "  {finding}")?;
        }
        Ok(())
    }
}

fn unusual(f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    writeln!(
        f,
        "  0220 {} sent, {} not answered; 0420 {} sent, {} not answered; answered after the deadline {}; silent {}; 91 after \
         INTENT {}; not sent {}; other codes {:?}; connections lost {}; sender late at most {:.1} ms",
        phase.completions.sent,
        phase.completions.shed(),
        phase.reversals.sent,
        phase.reversals.shed(),
        phase.late,
        phase.silent,
        phase.given_up,
        phase.unsent,
        phase.other,
        phase.connections_lost,
        phase.sender_late_us_max as f64 / 1e3,
    )
}
