//! What the matcher has found: exceptions with the lines they rest on, counts, and what would fit what is open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use processor::{Day, Institution, Rrn, TerminalId};
use serde::Serialize;

use crate::item::{Ended, LineId};
use crate::kind::{Group, Kind, Rule};
use crate::matcher::Matcher;
use crate::store::{NONE, Side, Verdict};

/// So many suggestions are given for one line.
pub const SUGGESTIONS_MAX: usize = 20;

/// Which side an exception is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// Ours against the bank's.
    Bank,
    /// Ours against the machine's.
    Machine,
    /// Ours alone.
    Switch,
}

/// What an exception is about: one of ours, or a line that is none of ours; by which side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, serde::Deserialize)]
pub struct CaseId {
    /// The transaction, or the line.
    pub of: LineId,
    /// The side.
    pub aspect: Aspect,
}

impl CaseId {
    /// The cases that the same transaction has by its other sides; a line has one side alone.
    pub fn beside(self) -> impl Iterator<Item = CaseId> {
        let sides = [Aspect::Bank, Aspect::Machine, Aspect::Switch].into_iter();
        let others = sides.filter(move |aspect| self.of.file == LineId::LOG && *aspect != self.aspect);
        others.map(move |aspect| CaseId { of: self.of, aspect })
    }
}

impl fmt::Display for CaseId {
    /// `1f-2-bank`: line and side.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.aspect {
            Aspect::Bank => "bank",
            Aspect::Machine => "machine",
            Aspect::Switch => "switch",
        };
        write!(f, "{}-{side}", self.of)
    }
}

impl FromStr for CaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<CaseId, String> {
        let wrong = || format!("`{text}` is no case: it has a file, a line and a side, as 1f-2-bank");
        let (line, side) = text.rsplit_once('-').ok_or_else(wrong)?;
        let aspect = match side {
            "bank" => Aspect::Bank,
            "machine" => Aspect::Machine,
            "switch" => Aspect::Switch,
            _ => return Err(wrong()),
        };
        Ok(CaseId { of: line.parse().map_err(|_| wrong())?, aspect })
    }
}

/// An exception.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exception {
    /// What it is about.
    pub case: CaseId,
    /// Its kind.
    pub kind: Kind,
    /// The business day.
    pub day: Day,
    /// The bank, where one is known.
    pub bank: Option<Institution>,
    /// Whose terminal it is, where one of ours says so.
    pub acquirer: Option<Institution>,
    /// The terminal, where one is known.
    pub terminal: Option<TerminalId>,
    /// DE37, where it is known.
    pub rrn: Option<Rrn>,
    /// Seconds since 1970.
    pub at_s: i64,
    /// What is due by the log, minor units.
    pub ours_minor: i64,
    /// What the other side has.
    pub theirs_minor: i64,
    /// The rule that brought the sides together, where one did.
    pub rule: Option<Rule>,
    /// The other side's lines.
    pub lines: Vec<LineId>,
}

impl Exception {
    /// What a member owes more where an adjustment makes the other side's word good: negative where it owes less. Nothing of totals and files: that
    /// they differ, lack or are refused proves no debt.
    pub fn adjustment_minor(&self) -> i64 {
        match self.kind.group() {
            Group::Totals | Group::File => 0,
            Group::Presence | Group::Value | Group::Terminal | Group::Timing => {
                self.theirs_minor - self.ours_minor
            }
        }
    }

    /// What is at stake: the difference, and for what agrees in amount the amount itself.
    pub fn value_minor(&self) -> i64 {
        match (self.ours_minor - self.theirs_minor).abs() {
            0 => self.ours_minor.abs(),
            difference => difference,
        }
    }
}

/// A line and a transaction that the rules or a person brought together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Pair {
    /// The line of a bank or a machine.
    pub line: LineId,
    /// The transaction.
    pub ours: LineId,
    /// By which rule.
    pub rule: Rule,
}

/// How things stand.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Summary {
    /// Transactions of ours.
    pub ours: u64,
    /// Lines of banks.
    pub postings: u64,
    /// Lines of machines.
    pub cash_lines: u64,
    /// Of ours those that agree with every side.
    pub matched: u64,
    /// Lines by the rule that matched them.
    pub by_rule: BTreeMap<Rule, u64>,
    /// Ours that wait for a file.
    pub awaiting: u64,
    /// Lines that would fit in more than one way.
    pub ambiguous_lines: u64,
    /// Ours that those might belong to.
    pub ambiguous_ours: u64,
    /// Exceptions by kind.
    pub exceptions: BTreeMap<Kind, u64>,
}

impl Matcher {
    /// Every exception, in an order that does not depend on when anything came: by day, bank, terminal, time and place.
    pub fn exceptions(&self) -> Vec<Exception> {
        let mut lines_of: BTreeMap<(u32, Side), Vec<u32>> = BTreeMap::new();
        let mut found = Vec::new();
        for item in 0..self.store.len() {
            let stored = &self.store[item];
            if stored.side != Side::Ours {
                if stored.partner != NONE && self.has_exception(stored.partner) {
                    lines_of.entry((stored.partner, stored.side)).or_default().push(item);
                }
                found.extend(self.line_kind(item).map(|(kind, rule)| self.of_line(item, kind, rule)));
            }
        }
        for item in (0..self.store.len()).filter(|item| self.has_exception(*item)) {
            for (aspect, kind, rule) in self.our_kinds(item).into_iter().flatten() {
                let side = if aspect == Aspect::Machine { Side::Machine } else { Side::Bank };
                let mut lines = lines_of.get(&(item, side)).cloned().unwrap_or_default();
                self.sort(&mut lines);
                found.push(self.of_ours(item, aspect, kind, rule, &lines));
            }
        }
        found.sort_by_key(|one| (one.day, one.bank, one.terminal, one.at_s, one.case));
        found
    }

    /// Every line that belongs to one of ours, by line. Of several of ours in one line the first is named.
    pub fn pairs(&self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = (0..self.store.len())
            .filter(|item| self.store[*item].side != Side::Ours && self.store[*item].partner != NONE)
            .filter_map(|line| {
                let rule = rule_of(self.store[line].verdict)?;
                Some(Pair { line: self.store.id(line), ours: self.store.id(self.store[line].partner), rule })
            })
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// Counts.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for item in 0..self.store.len() {
            let stored = &self.store[item];
            match stored.side {
                Side::Ours => {
                    summary.ours += 1;
                    let kinds = self.our_kinds(item);
                    kinds
                        .into_iter()
                        .flatten()
                        .for_each(|(_, kind, _)| *summary.exceptions.entry(kind).or_default() += 1);
                    let sides = [stored.verdict, stored.cash];
                    if sides.contains(&Verdict::Ambiguous) {
                        summary.ambiguous_ours += 1;
                    } else if self.has_exception(item) {
                    } else if sides.contains(&Verdict::Open) {
                        summary.awaiting += 1;
                    } else {
                        summary.matched += 1;
                    }
                }
                Side::Bank | Side::Machine => {
                    match stored.side {
                        Side::Bank => summary.postings += 1,
                        Side::Machine | Side::Ours => summary.cash_lines += 1,
                    }
                    if let Some((kind, _)) = self.line_kind(item) {
                        *summary.exceptions.entry(kind).or_default() += 1;
                    }
                    summary.ambiguous_lines += u64::from(stored.verdict == Verdict::Ambiguous);
                    if let Verdict::Matched(rule) = stored.verdict {
                        *summary.by_rule.entry(rule).or_default() += 1;
                    }
                }
            }
        }
        summary
    }

    /// Those of ours that agree with every side, by their INTENTs' positions.
    pub fn matched_ours(&self) -> Vec<u64> {
        let is_clean = |item: &u32| {
            let stored = &self.store[*item];
            let agrees = |verdict| matches!(verdict, Verdict::Matched(_) | Verdict::NothingDue);
            stored.side == Side::Ours
                && agrees(stored.verdict)
                && agrees(stored.cash)
                && !self.has_exception(*item)
        };
        let mut matched: Vec<u64> =
            (0..self.store.len()).filter(is_clean).map(|item| self.store[item].line).collect();
        matched.sort_unstable();
        matched
    }

    /// Lines that would fit in more than one way, in order.
    pub fn ambiguous(&self) -> Vec<LineId> {
        let is_ambiguous = |item: &u32| {
            self.store[*item].side != Side::Ours && self.store[*item].verdict == Verdict::Ambiguous
        };
        let mut lines: Vec<LineId> =
            (0..self.store.len()).filter(is_ambiguous).map(|item| self.store.id(item)).collect();
        lines.sort_unstable();
        lines
    }

    /// What a line that belongs to nothing might belong to: transactions of its terminal and amount that lack a line of its side, or whose reversal of
    /// that amount lacks one, the nearest in time first, [`SUGGESTIONS_MAX`] at most. A suggestion confirms nothing.
    pub fn suggestions(&self, line: LineId) -> Vec<LineId> {
        self.suggestions_of(&BTreeSet::from([line])).remove(&line).unwrap_or_default()
    }

    /// The same of several lines at once; of a line that is not here nothing.
    pub fn suggestions_of(&self, lines: &BTreeSet<LineId>) -> BTreeMap<LineId, Vec<LineId>> {
        let is_wanted =
            |item: &u32| self.store[*item].side != Side::Ours && lines.contains(&self.store.id(*item));
        let wanted = (0..self.store.len()).filter(is_wanted);
        wanted.map(|item| (self.store.id(item), self.suggestions_for(item))).collect()
    }

    fn suggestions_for(&self, line: u32) -> Vec<LineId> {
        let stored = &self.store[line];
        let lacks = |our: &u32| {
            let one = &self.store[*our];
            let is_open = |verdict| matches!(verdict, Verdict::Open | Verdict::Ambiguous);
            let fits = match stored.side {
                Side::Machine => is_open(one.cash) && one.gross == stored.gross,
                Side::Bank | Side::Ours => {
                    let lacks_back = matches!(one.verdict, Verdict::Found(Kind::MissingAtBank, _));
                    one.bank == stored.bank
                        && (is_open(one.verdict) && one.gross == stored.amount
                            || lacks_back && one.given_back() == Some(-stored.amount))
                }
            };
            one.side == Side::Ours && fits && !self.is_parted(line, *our)
        };
        let moment = |our: &u32| {
            let one = &self.store[*our];
            let is_back = stored.side == Side::Bank && one.gross != stored.amount;
            if is_back { one.reversal_at_s } else { one.at_s }
        };
        let mut near: Vec<u32> = self.store.at_terminal(&stored.terminal).filter(lacks).collect();
        near.sort_by_key(|our| (moment(our).abs_diff(stored.at_s), self.store[*our].line));
        near.into_iter().take(SUGGESTIONS_MAX).map(|our| self.store.id(our)).collect()
    }

    pub(crate) fn has_exception(&self, our: u32) -> bool {
        self.store[our].side == Side::Ours && self.our_kinds(our).iter().any(Option::is_some)
    }

    /// It has no end yet, and may have one soon.
    fn is_under_way(&self, our: u32) -> bool {
        let stored = &self.store[our];
        let until_s = i64::from(stored.at_s) + i64::from(self.rules.in_flight_s);
        let has_no_end = matches!(stored.ended, Ended::Unknown | Ended::Approved);
        has_no_end && self.now_s.is_some_and(|now_s| now_s < until_s)
    }

    /// At most one kind for each side of one of ours.
    fn our_kinds(&self, our: u32) -> [Option<(Aspect, Kind, Option<Rule>)>; 3] {
        let stored = &self.store[our];
        let bank = self.store.bank(our);
        let is_cash_unknown = matches!(stored.ended, Ended::Unknown | Ended::Approved);
        let bank_kind = match stored.verdict {
            Verdict::Found(kind, rule) => Some((kind, Some(rule))),
            // What nobody knows the end of is a matter of its own.
            Verdict::Open
                if stored.ended != Ended::Unknown
                    && !self.is_under_way(our)
                    && self.posted_days.contains(&(bank, stored.day)) =>
            {
                Some((Kind::MissingAtBank, None))
            }
            _ => None,
        };
        let terminal = TerminalId(stored.terminal);
        let no_journal_line =
            stored.cash == Verdict::Open && self.journal_days.contains(&(terminal, stored.day));
        let cash_kind = match stored.cash {
            Verdict::Found(kind, rule) => Some((kind, Some(rule))),
            Verdict::Open if no_journal_line && !is_cash_unknown => Some((Kind::MissingInJournal, None)),
            _ => None,
        };
        let is_under_way = self.is_under_way(our);
        let own_kind = if stored.is_suspense
            || !is_under_way && (stored.ended == Ended::Unknown || no_journal_line && is_cash_unknown)
        {
            Some((Kind::Suspense, None))
        } else if stored.reversal_day > stored.day {
            Some((Kind::LateReversal, None))
        } else {
            None
        };
        [(Aspect::Bank, bank_kind), (Aspect::Machine, cash_kind), (Aspect::Switch, own_kind)]
            .map(|(aspect, kind)| kind.map(|(kind, rule)| (aspect, kind, rule)))
    }

    /// All that the log can have of a day is here: the log goes day by day, and of a day without settlement it never has anything.
    fn our_day_is_here(&self, day: Day) -> bool {
        self.our_days.last().is_some_and(|last| day <= *last)
    }

    /// The day by which an item is judged: of a line the earlier of its own and its file's. What a bank or machine hands in has happened, whatever later day
    /// it gives it.
    pub(crate) fn judged_day(&self, item: u32) -> Day {
        let stored = &self.store[item];
        let file_day = self.file_days.get(&self.store.files[stored.file as usize]);
        file_day.map_or(stored.day, |day| stored.day.min(*day))
    }

    /// A line is an exception of its own when it is there too often, or belongs to nothing of ours though our day is here.
    fn line_kind(&self, line: u32) -> Option<(Kind, Option<Rule>)> {
        let stored = &self.store[line];
        match stored.verdict {
            Verdict::Found(kind, rule) => Some((kind, Some(rule))),
            // A machine writes down also what it did not do.
            Verdict::Open if stored.side == Side::Machine && stored.amount == 0 && !stored.is_retracted => {
                None
            }
            Verdict::Open if self.our_day_is_here(self.judged_day(line)) => {
                Some((Kind::MissingAtSwitch, None))
            }
            _ => None,
        }
    }

    fn of_line(&self, line: u32, kind: Kind, rule: Option<Rule>) -> Exception {
        let stored = &self.store[line];
        let partner = (stored.partner != NONE).then(|| &self.store[stored.partner]);
        let aspect = if stored.side == Side::Machine { Aspect::Machine } else { Aspect::Bank };
        let id = self.store.id(line);
        Exception {
            case: CaseId { of: id, aspect },
            kind,
            day: self.judged_day(line),
            bank: (stored.side == Side::Bank).then(|| self.store.bank(line)),
            acquirer: partner.and_then(|our| self.store.banks.get(usize::from(our.acquirer)).copied()),
            terminal: self.store.terminal(line),
            rrn: self.store.rrn(line),
            at_s: i64::from(stored.at_s),
            ours_minor: 0,
            theirs_minor: stored.amount,
            rule,
            lines: vec![id],
        }
    }

    fn of_ours(&self, our: u32, aspect: Aspect, kind: Kind, rule: Option<Rule>, lines: &[u32]) -> Exception {
        let stored = &self.store[our];
        let ours_minor = if stored.ended == Ended::Unknown { stored.gross } else { stored.amount };
        // A line too many is an exception of its own.
        let is_spare = |line: &&u32| matches!(self.store[**line].verdict, Verdict::Found(Kind::Duplicate, _));
        let counted = lines.iter().filter(|line| !is_spare(line));
        Exception {
            case: CaseId { of: self.store.id(our), aspect },
            kind,
            day: stored.day,
            bank: Some(self.store.bank(our)),
            acquirer: self.store.banks.get(usize::from(stored.acquirer)).copied(),
            terminal: self.store.terminal(our),
            rrn: self.store.rrn(our),
            at_s: i64::from(stored.at_s),
            ours_minor,
            theirs_minor: counted.map(|line| self.store[*line].amount).sum(),
            rule,
            lines: lines.iter().map(|line| self.store.id(*line)).collect(),
        }
    }
}

pub(crate) fn rule_of(verdict: Verdict) -> Option<Rule> {
    match verdict {
        Verdict::Matched(rule) | Verdict::Found(_, rule) => Some(rule),
        Verdict::Open | Verdict::NothingDue | Verdict::Ambiguous => None,
    }
}
