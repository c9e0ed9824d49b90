//! The switch's reconciliation run over a day's files, and what it found held against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use exchange::{
    Digest, FileKey, FileKind, Intake, JournalFile, Mapping, PostingFile, Reader, read_counters,
    read_journal, read_postings,
};
use journal::LogFiles;
use processor::Side;
use reconciliation::{
    Book, Claimed, Counter, Exception, FeeTable, Kind, LineId, Matcher, Ours, Rule, Rules, cash_exceptions,
    differences,
};
use serde::Serialize;

use super::files::{Delivery, Handed, Planted, Truth};
use super::log::data_keys;
use super::plan::{Plan, Twin, bank_id};

const UTC_OFFSET_MINUTES: i64 = 420;

/// What came out.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) transactions: u64,
    pub(super) records: u64,
    /// Exceptions that were planted.
    pub(super) planted: u64,
    /// Of these, found with their kind.
    pub(super) found: u64,
    /// Found, as another kind.
    pub(super) wrong_kind: u64,
    /// Not found.
    pub(super) missed: u64,
    /// Found and not planted.
    pub(super) unplanted: u64,
    /// Lines laid to a transaction that is not theirs.
    pub(super) false_matches: u64,
    /// Lines that nobody can lay to one of ours.
    pub(super) ambiguous_planted: u64,
    /// Lines left open because they would fit in more than one way.
    pub(super) ambiguous_left_open: u64,
    /// Transactions to which nothing was done.
    pub(super) undamaged: u64,
    /// Of these, matched on all sides without a person.
    pub(super) matched_unaided: u64,
    pub(super) matched_unaided_percent: f64,
    pub(super) by_rule: BTreeMap<Rule, u64>,
    pub(super) planted_by_kind: BTreeMap<Kind, u64>,
    /// Of these, found with their kind.
    pub(super) found_by_kind: BTreeMap<Kind, u64>,
    /// The first that were missed, had another kind or were not planted.
    pub(super) amiss: Vec<String>,
    /// Log and files, the log among it.
    pub(super) reading_s: f64,
    /// The log's records, read and folded into days as `day` and `recon` commands do.
    pub(super) log_records: u64,
    pub(super) log_reading_s: f64,
    pub(super) matching_s: f64,
    /// Records of all sides taken and matched, on one core, their files read before.
    pub(super) records_per_second: f64,
    pub(super) peak_memory_bytes: u64,
}

/// So many are named.
const AMISS_MAX: usize = 20;

impl Outcome {
    /// Every planted exception is found, nothing is matched wrongly, and nearly all else is matched.
    pub(super) fn is_good(&self) -> bool {
        self.found == self.planted
            && (self.wrong_kind, self.unplanted, self.false_matches) == (0, 0, 0)
            && self.ambiguous_left_open == self.ambiguous_planted
            && self.matched_unaided_percent >= 99.9
    }
}

/// What was read of all files.
struct Sides {
    ours: Vec<Ours>,
    book: Book,
    log_reading_s: f64,
    postings: Vec<PostingFile>,
    journals: Vec<JournalFile>,
    counters: Vec<Counter>,
    /// The path of each file, by what its lines are known by.
    names: BTreeMap<u64, String>,
    /// Refused, and why.
    refused: Vec<Planted>,
    posted: Vec<FileKey>,
}

/// Runs it, files in this order.
pub(super) fn reconcile(
    plan: &Plan,
    truth: &Truth,
    deliveries: &[Delivery],
    seed: u64,
    dir: &Path,
) -> Result<(Outcome, Vec<Exception>), String> {
    let started = Instant::now();
    let sides = read(plan, deliveries, seed, dir)?;
    let reading_s = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let mut matcher = Matcher::new(Rules::default());
    let records = take(&sides, plan, &mut matcher).map_err(|full| full.to_string())?;
    matcher.run();
    let exceptions = matcher.exceptions();
    let matching_s = started.elapsed().as_secs_f64();
    let found = found(&sides, truth, &exceptions)?;
    let mut outcome = judge(plan, truth, &sides, &matcher, found);
    (outcome.records, outcome.reading_s, outcome.matching_s) = (records, reading_s, matching_s);
    outcome.records_per_second = records as f64 / matching_s;
    outcome.peak_memory_bytes = peak_memory_bytes();
    Ok((outcome, exceptions))
}

fn read(plan: &Plan, deliveries: &[Delivery], seed: u64, dir: &Path) -> Result<Sides, String> {
    let mut book = Book::new(FeeTable::default(), None);
    let log = LogFiles::new(&dir.join("log"), data_keys(seed));
    let started = Instant::now();
    for next in log.scan_sealed(0).map_err(|error| error.to_string())? {
        let (position, record) = next.map_err(|error| error.to_string())?;
        book.apply(position, &record).map_err(|error| error.to_string())?;
    }
    let log_reading_s = started.elapsed().as_secs_f64();
    let ours = book.take_changed().cloned().collect();
    let (postings, journals, counters) = (Vec::new(), Vec::new(), Vec::new());
    let (names, refused, posted) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut sides = Sides { ours, book, log_reading_s, postings, journals, counters, names, refused, posted };
    let mut intake = Intake::default();
    for Delivery { path, form } in deliveries {
        let bytes = fs::read(dir.join(path)).map_err(|error| format!("{path}: {error}"))?;
        let digest = Digest::of(&bytes);
        let key = |kind, bank, part| FileKey { kind, bank, terminal: None, day: plan.day, part };
        let taken = match form {
            Handed::Postings(bank, is_next_day) => {
                let day = if *is_next_day { plan.next_day } else { plan.day };
                let key = FileKey { day, ..key(FileKind::Postings, Some(bank_id(*bank)), 1) };
                read_postings(&bytes, &Mapping::normal(), bank_id(*bank), day, Reader::IN_PROCESS)
                    .and_then(|file| {
                        let lines = file.postings.len() as u64;
                        intake.take(digest, key, lines).map(|()| file)
                    })
                    .map(|file| {
                        sides.postings.push(file);
                        sides.posted.push(key);
                    })
            }
            Handed::Journal => read_journal(&bytes, UTC_OFFSET_MINUTES, Reader::IN_PROCESS)
                .map(|file| sides.journals.push(file)),
            Handed::Counters => read_counters(&bytes, UTC_OFFSET_MINUTES, Reader::IN_PROCESS)
                .map(|(_, counters)| sides.counters.extend(counters)),
        };
        match taken {
            Ok(()) => drop(sides.names.insert(digest.file(), path.clone())),
            Err(refusal) => sides.refused.push(Planted { kind: refusal.kind, of: path.clone() }),
        }
    }
    Ok(sides)
}

fn take(sides: &Sides, plan: &Plan, matcher: &mut Matcher) -> Result<u64, reconciliation::Full> {
    matcher.log_is_here(plan.day);
    matcher.log_is_here(plan.next_day);
    sides.ours.iter().try_for_each(|ours| matcher.add_ours(ours))?;
    for key in &sides.posted {
        key.bank.into_iter().for_each(|bank| matcher.bank_file_is_here(bank, key.day));
    }
    for file in &sides.postings {
        file.postings.iter().try_for_each(|posting| matcher.add_posting(posting))?;
    }
    for file in &sides.journals {
        file.machines.iter().for_each(|(terminal, day)| matcher.journal_is_here(*terminal, *day));
        file.lines.iter().try_for_each(|line| matcher.add_cash_line(line))?;
    }
    Ok(u64::from(matcher.len()))
}

/// Everything that was found, named as the truth names it.
fn found(sides: &Sides, truth: &Truth, exceptions: &[Exception]) -> Result<BTreeSet<Planted>, String> {
    let cash = cash_exceptions(&sides.counters).map_err(|error| error.to_string())?;
    let name = |exception: &Exception| match exception.case.of.file {
        LineId::LOG => exception.rrn.map_or_else(String::new, |rrn| rrn.to_string()),
        file => format!("{}:{}", sides.names.get(&file).map_or("", String::as_str), exception.case.of.line),
    };
    let named = |exception: &Exception| Planted { kind: exception.kind, of: name(exception) };
    let mut found: BTreeSet<Planted> = exceptions.iter().chain(&cash).map(named).collect();
    found.extend(sides.refused.iter().cloned());
    let mut claimed: BTreeMap<usize, Claimed> = BTreeMap::new();
    for (bank, element, value) in &truth.claims {
        claimed.entry(*bank).or_default().insert(*element, *value);
    }
    let sheet = sides.book.sheets().next().ok_or("the log has no day")?;
    for (bank, claimed) in claimed {
        let ours = sheet.figures(Side::Issuer, bank_id(bank));
        if !differences(&ours, &claimed).is_empty() {
            found.insert(Planted { kind: Kind::TotalsOutOfBalance, of: bank_id(bank).to_string() });
        }
    }
    let unanswered = sheet.exchanged.iter().filter(|(_, told)| told.is_unanswered && told.claimed.is_none());
    found
        .extend(unanswered.map(|((_, bank), _)| Planted { kind: Kind::TotalsMissing, of: bank.to_string() }));
    Ok(found)
}

fn judge(plan: &Plan, truth: &Truth, sides: &Sides, matcher: &Matcher, found: BTreeSet<Planted>) -> Outcome {
    let planted: BTreeSet<Planted> = truth.planted.iter().cloned().collect();
    let missing: Vec<&Planted> = planted.difference(&found).collect();
    let extra: Vec<&Planted> = found.difference(&planted).collect();
    let is_there = |one: &&&Planted| extra.iter().any(|other| other.of == one.of);
    let wrong_kind = missing.iter().filter(is_there).count() as u64;
    let of_line = |line: LineId| (sides.names.get(&line.file).cloned().unwrap_or_default(), line.line);
    let rrns: BTreeMap<u64, String> =
        sides.ours.iter().map(|ours| (ours.id.line, ours.rrn.to_string())).collect();
    let mut false_matches = Vec::new();
    for pair in matcher.pairs() {
        let (line, rrn) = (of_line(pair.line), rrns.get(&pair.ours.line));
        let is_true = match truth.summed.get(&line) {
            Some(summed) => rrn.is_some_and(|rrn| summed.contains(rrn)),
            None => truth.lines.get(&line).is_some_and(|of| of.is_some() && of.as_ref() == rrn),
        };
        if !is_true {
            false_matches.push(format!("{}:{} is not {rrn:?} ({})", line.0, line.1, pair.rule.name()));
        }
    }
    let matched: BTreeSet<String> =
        matcher.matched_ours().iter().filter_map(|position| rrns.get(position).cloned()).collect();
    let is_undamaged = |one: &&super::plan::Use| {
        one.damage.is_none() && !matches!(one.twin, Some(Twin::Nameless | Twin::Missing | Twin::Back))
    };
    let undamaged: Vec<String> = plan.uses.iter().filter(is_undamaged).map(super::plan::Use::rrn).collect();
    let unaided = undamaged.iter().filter(|rrn| matched.contains(*rrn)).count();
    let open: BTreeSet<(String, u64)> = matcher.ambiguous().into_iter().map(of_line).collect();
    let told: BTreeSet<(String, u64)> = truth.ambiguous.iter().cloned().collect();
    let amiss = missing
        .iter()
        .map(|one| format!("missed {} {}", one.kind, one.of))
        .chain(extra.iter().map(|one| format!("not planted {} {}", one.kind, one.of)))
        .chain(false_matches.iter().cloned())
        .chain(
            open.symmetric_difference(&told).map(|(file, line)| format!("ambiguous or not: {file}:{line}")),
        )
        .chain(
            undamaged.iter().filter(|rrn| !matched.contains(*rrn)).map(|rrn| format!("not matched {rrn}")),
        );
    let count = |all: &BTreeSet<Planted>| {
        let mut counts = BTreeMap::new();
        all.iter().for_each(|one| *counts.entry(one.kind).or_insert(0) += 1);
        counts
    };
    Outcome {
        transactions: plan.uses.len() as u64,
        records: 0,
        planted: planted.len() as u64,
        found: (planted.len() - missing.len()) as u64,
        wrong_kind,
        missed: missing.len() as u64 - wrong_kind,
        unplanted: extra.len() as u64 - wrong_kind.min(extra.len() as u64),
        false_matches: false_matches.len() as u64,
        ambiguous_planted: told.len() as u64,
        ambiguous_left_open: open.len() as u64,
        undamaged: undamaged.len() as u64,
        matched_unaided: unaided as u64,
        matched_unaided_percent: unaided as f64 * 100.0 / undamaged.len().max(1) as f64,
        by_rule: matcher.summary().by_rule,
        planted_by_kind: count(&planted),
        found_by_kind: count(&planted.intersection(&found).cloned().collect()),
        amiss: amiss.take(AMISS_MAX).collect(),
        reading_s: 0.0,
        log_records: sides.book.next(),
        log_reading_s: sides.log_reading_s,
        matching_s: 0.0,
        records_per_second: 0.0,
        peak_memory_bytes: 0,
    }
}

/// VmHWM of this process; 0 where the system does not tell.
fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1_024
}
