//! What a load has shown, for people and as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::disk::Disk;
use super::exporter::Exports;
use super::floor::{Figures, Round};
use super::measure::Phase;
use super::stages::{STAGES, max_us, quantile_us};
use crate::audit::Audit;

/// Findings of the audit that are told one by one.
const FINDINGS_TOLD_MAX: usize = 20;

/// Everything that was measured.
#[derive(Default)]
pub(super) struct Report {
    /// What was asked for: two-step, one-step or mixed.
    pub(super) mode: String,
    /// Links in TLS.
    pub(super) tls: bool,
    /// Each 0200 had a PIN.
    pub(super) pin: bool,
    /// The rate that was asked for, or the best that was found.
    pub(super) held: Option<(u64, Phase)>,
    /// A multiple of the best rate.
    pub(super) overload: Option<Overload>,
    /// Of the steps of the search: late answers, advices without an answer, requests unsent.
    pub(super) search_faults: u64,
    /// Looks at the machine's floor, at the rate of `held`.
    pub(super) floor: Vec<Round>,
    /// Of the log.
    pub(super) disk: Option<Disk>,
    /// Where the banks' ledgers are written.
    pub(super) ledgers_on: String,
    /// It was told to stop before its time: what it had offered by then is accounted for.
    pub(super) stopped: bool,
    /// What a clerk has exported meanwhile.
    pub(super) exports: Option<Exports>,
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

    /// Medians of the machine's floor.
    pub(super) fn floor(&self) -> Option<Figures> {
        Figures::of(&self.floor)
    }

    /// All figures; those of what was not done are null or absent.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "mode": self.mode,
            "tls": self.tls,
            "pin": self.pin,
            "stopped": self.stopped,
            "search_faults": self.search_faults,
            "load_average": [self.load_before, self.load_after],
        });
        if let Some(exports) = self.exports {
            value["exports"] = json!({ "count": exports.count, "bytes": exports.bytes });
        }
        if let Some(disk) = &self.disk {
            value["log_file_system"] = json!(disk.file_system);
            value["log_device"] = json!(disk.device);
            value["ledgers_on"] = json!(self.ledgers_on);
        }
        if let Some((rate, phase)) = &self.held {
            value["offered_per_second"] = json!(rate);
            value["goodput_per_second"] = json!(round(phase.goodput()));
            value["latency_us"] = quantiles(&phase.accepted_us);
            value["added_us"] = quantiles(&phase.added_us);
            value["bank_held_us"] = quantiles(&phase.held_us);
            value["stages_us"] = stages(phase);
            value["switch_cpu_us_per_transaction"] = json!(round(phase.switch_us_each()));
            value["banks_cpu_us_per_transaction"] = json!(round(phase.each(phase.banks_us.iter().sum())));
            value["load_cpu_us_per_transaction"] = json!(round(phase.each(phase.own_us)));
            value["written_bytes_per_second"] = json!(round(phase.per_second(phase.written_bytes)));
            value["syncs_per_second"] = json!(round(phase.per_second(phase.syncs)));
            value["switch_memory_bytes"] = json!(phase.switch_memory_bytes);
            value["held"] = figures(phase);
            if let Some(floor) = self.floor() {
                value["floor_us"] = floor.sequence.json();
                value["floor_sync_us"] = floor.sync.json();
                value["floor_syncs_per_second"] = json!(round(floor.syncs_per_second));
                value["floor_echo_us"] = floor.echo.json();
                value["floor_rounds"] = json!(self.floor.len());
                let [p50, p99] = ratios(phase, &floor).map(|ratio| (ratio * 1e3).round() / 1e3);
                value["added_by_floor"] = json!({"p50": p50, "p99": p99});
            }
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

/// What the switch adds by what syncs and round trips alone take: p50 by p50, p99 by p99.
fn ratios(phase: &Phase, floor: &Figures) -> [f64; 2] {
    let added = |quantile| phase.added_us.value_at_quantile(quantile) as f64;
    [added(0.5) / floor.sequence.p50.max(1.0), added(0.99) / floor.sequence.p99.max(1.0)]
}

fn stages(phase: &Phase) -> Value {
    let stage = |name: &str| {
        let counts = phase.stages.get(name).filter(|counts| !counts.is_empty())?;
        let at = |quantile| round(quantile_us(counts, quantile));
        Some(json!({"stage": name, "count": counts.values().sum::<u64>(), "p50": at(0.5), "p90": at(0.9),
            "p99": at(0.99), "p999": at(0.999), "max": round(max_us(counts))}))
    };
    STAGES.iter().filter_map(|(name, _)| stage(name)).collect()
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
        "repeats_answered": phase.repeats,
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
            share(self.banks_us.iter().sum()),
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
        for (index, (name, us)) in threads.into_iter().enumerate() {
            write!(f, "{} {name} {:.1}", if index == 0 { ", of that" } else { "," }, self.0.each(*us))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((rate, phase)) = &self.held {
            writeln!(f, "{rate}/s {}: {phase}", self.mode)?;
            writeln!(f, "  CPU a withdrawal: switch {:.1} µs{}", phase.switch_us_each(), Threads(phase))?;
            writeln!(
                f,
                "  CPU a withdrawal: banks {:.1} µs, load and registry {:.1} µs; memory of the switch {} MB",
                phase.each(phase.banks_us.iter().sum()),
                phase.each(phase.own_us),
                phase.switch_memory_bytes / 1_000_000
            )?;
            unusual(f, phase)?;
            by_stage(f, phase)?;
            self.beside_floor(f, phase)?;
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
        if self.stopped {
            writeln!(f, "told to stop before its time: the figures are of what was offered until then")?;
        }
        if let Some(Exports { count, bytes }) = self.exports {
            writeln!(f, "  {count} exports from the console meanwhile, {:.1} MB", bytes as f64 / 1e6)?;
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

impl Report {
    fn beside_floor(&self, f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
        let per_second = |count| phase.per_second(count);
        write!(
            f,
            "  disk: {:.1} MB/s, {:.0} syncs/s",
            per_second(phase.written_bytes) / 1e6,
            per_second(phase.syncs)
        )?;
        if let Some(disk) = &self.disk {
            write!(
                f,
                ", {} on {}; the banks' ledgers on {}",
                disk.file_system, disk.device, self.ledgers_on
            )?;
        }
        writeln!(f)?;
        let Some(floor) = self.floor() else { return Ok(()) };
        writeln!(
            f,
            "  {:32} {:>10} {:>10}",
            format!("floor, medians of {}, µs", self.floor.len()),
            "p50",
            "p99"
        )?;
        let mut line = |name: &str, p50: f64, p99: f64| writeln!(f, "  {name:32} {p50:>10.0} {p99:>10.0}");
        line("fdatasync", floor.sync.p50, floor.sync.p99)?;
        line("loopback and back", floor.echo.p50, floor.echo.p99)?;
        line("two syncs and two round trips", floor.sequence.p50, floor.sequence.p99)?;
        let added = |quantile| phase.added_us.value_at_quantile(quantile) as f64;
        line("0210, less what the bank held it", added(0.5), added(0.99))?;
        let [p50, p99] = ratios(phase, &floor);
        writeln!(f, "  {:32} {p50:>10.2} {p99:>10.2}", "ours / floor")?;
        writeln!(f, "  the disk alone: {:.0} syncs/s, one after the other", floor.syncs_per_second)
    }
}

fn by_stage(f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    writeln!(
        f,
        "  {:32} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "stage, µs", "p50", "p90", "p99", "p99.9", "max"
    )?;
    for (key, name) in STAGES {
        let Some(counts) = phase.stages.get(key).filter(|counts| !counts.is_empty()) else { continue };
        let at = |quantile| quantile_us(counts, quantile);
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        writeln!(f, "  {name:32} {p50:>10.0} {p90:>10.0} {p99:>10.0} {p999:>10.0} {:>10.0}", max_us(counts))?;
    }
    Ok(())
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
