//! What the pilot tells people when it is over: by bank, by province, by outcome, where the time went, what went wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::audit::{Audit, Row, State};

use super::plan::{Plan, Purpose, Trouble, Visit, visit_of_rrn};
use super::run::Seen;
use super::{BANKS, BRANCHES};

/// Everything that the report is written from.
pub(super) struct Facts<'a> {
    /// What was to happen.
    pub(super) plan: &'a Plan,
    /// What the books say happened.
    pub(super) audit: &'a Audit,
    /// What was seen on the way.
    pub(super) seen: &'a Seen,
    /// Stages of requests at the switch: name, median and 99th percentile in microseconds.
    pub(super) stages: &'a [(String, f64, f64)],
    /// Wall time, seconds.
    pub(super) took_s: f64,
}

/// The report, Markdown that reads well as it is.
pub(super) fn report(facts: &Facts<'_>) -> String {
    let Facts { plan, audit, seen, stages, took_s } = facts;
    let mut text = format!(
        "\n# The pilot, seed {}\n\n{} days from {} to {}, {} visits by {} citizens at {} machines of {} branches, played in {took_s:.0} s.\n",
        plan.seed,
        plan.days.len(),
        plan.days.first().map(ToString::to_string).unwrap_or_default(),
        plan.days.last().map(ToString::to_string).unwrap_or_default(),
        plan.visits.len(),
        plan.citizens.len(),
        plan.terminals.len(),
        BRANCHES.len()
    );
    let visits = uses(plan, audit);
    table(&mut text, "By bank of the machine", &visits, |visit| {
        BANKS[BRANCHES[plan.terminals[visit.terminal].branch].bank].name.to_owned()
    });
    table(&mut text, "By province", &visits, |visit| {
        BRANCHES[plan.terminals[visit.terminal].branch].province.name().to_owned()
    });
    table(&mut text, "By kind", &visits, |visit| kind(visit).to_owned());
    let _ = writeln!(
        text,
        "\n## Money originals by final state\n\n| approved | declined | reversed | waiting for a person |\n|---:|---:|---:|---:|\n| {} | {} | {} | {} |",
        audit.approved, audit.declined, audit.reversed, audit.suspense
    );
    troubles(&mut text, plan, audit);
    let _ =
        write!(text, "\n## Attempts by how they ended at the machine\n\n| ended | attempts |\n|---|---:|\n");
    for (ending, count) in &seen.endings {
        let _ = writeln!(text, "| {ending} | {count} |");
    }
    let _ = writeln!(text, "\n{} attempts were made again under a new key.", seen.again);
    for (number, in_flight) in &seen.kills {
        let _ = writeln!(
            text,
            "The switch was killed at use {number} with {in_flight} uses in flight, and started again."
        );
    }
    latency(&mut text, seen, stages);
    text
}

/// The end of the report: cassettes, ledgers and log.
pub(super) fn audit_lines(audit: &Audit) -> String {
    let mut text = format!(
        "\n## Audit: cassettes, bank ledgers, log\n\n| uses | amount | difference |\n|---:|---:|---:|\n| {} | {} ₫ | {} ₫ |\n",
        audit.uses,
        dong(audit.amount_vnd as i64),
        dong(audit.difference_vnd as i64)
    );
    for finding in &audit.findings {
        let _ = writeln!(text, "- {finding}");
    }
    if audit.is_clean() {
        text.push_str("\nEvery đồng is accounted for.\n");
    }
    text
}

/// `22.730.000.000`: as it is written in Vietnam.
pub(super) fn dong(amount: i64) -> String {
    let digits = rust_decimal::Decimal::from(amount.unsigned_abs()).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    if amount < 0 { format!("-{text}") } else { text }
}

/// The visits whose cash moved for good, with what moved.
fn uses<'a>(plan: &'a Plan, audit: &Audit) -> Vec<(&'a Visit, i64)> {
    let moved = audit.rows.iter().filter(|row| row.moved_vnd() != 0);
    moved.filter_map(|row| Some((visit_of(plan, row)?.0, row.moved_vnd()))).collect()
}

fn visit_of<'a>(plan: &'a Plan, row: &Row) -> Option<(&'a Visit, u32)> {
    let (id, attempt) = visit_of_rrn(row.rrn.as_deref()?)?;
    Some((plan.visits.get(id as usize - 1)?, attempt))
}

fn kind(visit: &Visit) -> &'static str {
    match visit.purpose {
        Purpose::Withdrawal(_) => "withdrawal",
        Purpose::Deposit(_) => "deposit",
        Purpose::Balance => "balance inquiry",
        Purpose::MiniStatement => "mini statement",
        Purpose::Transfer { .. } => "transfer",
    }
}

fn table(text: &mut String, title: &str, uses: &[(&Visit, i64)], group: impl Fn(&Visit) -> String) {
    let mut groups: BTreeMap<String, (u64, i64, i64)> = BTreeMap::new();
    for (visit, moved) in uses {
        let sums = groups.entry(group(visit)).or_default();
        sums.0 += 1;
        if *moved > 0 { sums.1 += moved } else { sums.2 -= moved }
    }
    let _ = write!(text, "\n## {title}\n\n| | uses | paid out, ₫ | paid in, ₫ |\n|---|---:|---:|---:|\n");
    for (name, (count, out, paid_in)) in groups {
        let _ = writeln!(text, "| {name} | {count} | {} | {} |", dong(out), dong(paid_in));
    }
}

/// Each kind of trouble, and where its originals ended.
fn troubles(text: &mut String, plan: &Plan, audit: &Audit) {
    let mut ends: BTreeMap<usize, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for row in &audit.rows {
        let Some((visit, attempt)) = visit_of(plan, row) else { continue };
        if let Some(trouble) = visit.trouble.filter(|_| attempt == 1) {
            *ends.entry(trouble.kind()).or_default().entry(settled(row.state)).or_default() += 1;
        }
    }
    let _ = write!(
        text,
        "\n## What went wrong, and how it was settled\n\n| trouble | times | first attempt ended |\n|---|---:|---|\n"
    );
    for (kind, name) in Trouble::KINDS.into_iter().enumerate() {
        let times =
            plan.visits.iter().filter(|visit| visit.trouble.is_some_and(|it| it.kind() == kind)).count();
        let ended = ends.get(&kind).map(|ends| {
            ends.iter().map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", ")
        });
        let _ = writeln!(
            text,
            "| {name} | {times} | {} |",
            ended.unwrap_or_else(|| "no bank was asked".to_owned())
        );
    }
}

fn settled(state: State) -> &'static str {
    match state {
        State::Approved | State::Completed => "approved",
        State::Declined => "declined",
        State::Tombstone => "stopped before it began",
        State::Reversed => "reversed",
        State::Reversing => "reversal not acknowledged",
        _ => "open",
    }
}

fn latency(text: &mut String, seen: &Seen, stages: &[(String, f64, f64)]) {
    let mut visit_us = seen.visit_us.clone();
    visit_us.sort_unstable();
    let at =
        |percent: usize| visit_us.get((visit_us.len() * percent / 100).min(visit_us.len().saturating_sub(1)));
    let ms = |us: Option<&u64>| us.map_or(0.0, |us| *us as f64 / 1000.0);
    let _ = write!(
        text,
        "\n## Where the time went\n\n| | median, ms | 99 of 100 within, ms |\n|---|---:|---:|\n"
    );
    let _ =
        writeln!(text, "| visit without trouble, all its messages | {:.1} | {:.1} |", ms(at(50)), ms(at(99)));
    for (name, median_us, p99_us) in stages {
        let _ = writeln!(text, "| switch: {name} | {:.2} | {:.2} |", median_us / 1000.0, p99_us / 1000.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_in_vietnam() {
        assert_eq!(dong(22_730_000_000), "22.730.000.000");
        assert_eq!([dong(0), dong(999), dong(1_000), dong(-50_000)].join(" "), "0 999 1.000 -50.000");
    }
}
