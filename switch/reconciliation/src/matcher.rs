//! The matcher: takes what the sides say as it comes, and judges anew whatever that touches.

use std::collections::{BTreeMap, BTreeSet};

use processor::{Day, Institution, TerminalId};
use serde::{Deserialize, Serialize};

use crate::item::{CashLine, LineId, Ours, Posting};
use crate::kind::Rule;
use crate::store::{NONE, Side, Store, Verdict};

/// So many items are taken: one more is refused, until whoever gives them lets go of older days ([`crate::Book::let_go_oldest`]). At 132 bytes each, indexes included, they fill 4 GB.
pub const ITEMS_MAX: u32 = 30_000_000;

/// So many decisions of people are kept: one more is refused.
pub const DECISIONS_MAX: usize = 1_000_000;

/// How near is near.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// A line with our STAN is ours only so many seconds from us: STANs come again.
    pub stan_window_s: u32,
    /// A line without a name is laid to one of ours only so many seconds from it.
    pub near_window_s: u32,
    /// A transaction that began so many seconds ago may still be under way: that nobody knows its end is no exception yet.
    pub in_flight_s: u32,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { stan_window_s: 600, near_window_s: 60, in_flight_s: 300 }
    }
}

/// What a person has said of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It belongs to this one of ours.
    Match {
        /// The line of a bank or a machine.
        line: LineId,
        /// The transaction.
        ours: LineId,
    },
    /// It does not belong to this one of ours: a match, also one that the rules made, is taken back.
    Part {
        /// The line.
        line: LineId,
        /// The transaction.
        ours: LineId,
    },
}

impl Decision {
    /// The line that it is about.
    pub fn line(self) -> LineId {
        let (Decision::Match { line, .. } | Decision::Part { line, .. }) = self;
        line
    }

    /// The transaction that it is about.
    pub fn ours(self) -> LineId {
        let (Decision::Match { ours, .. } | Decision::Part { ours, .. }) = self;
        ours
    }
}

/// Why a line and a transaction cannot be laid together, or parted, by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Misfit {
    /// No file that is here has the line.
    #[error("no file that is here has this line")]
    Line,
    /// The days that are here have no such transaction.
    #[error("the days that are here have no such transaction")]
    Ours,
    /// The line is of a bank that the transaction was not sent to.
    #[error("the line is another bank's")]
    Bank,
    /// A machine's line, and no cash moves by the transaction.
    #[error("no cash moves by the transaction")]
    NoCash,
    /// Nothing has laid them together.
    #[error("the line does not belong to the transaction")]
    Apart,
}

/// Nothing was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Full {
    /// [`ITEMS_MAX`].
    #[error("no more items are held; there is room once older days are let go")]
    Items,
    /// [`DECISIONS_MAX`].
    #[error("{DECISIONS_MAX} decisions are held")]
    Decisions,
}

/// Three sides held against each other. What it says depends on what it has been given, never on the order.
#[derive(Clone, Default)]
pub struct Matcher {
    pub(crate) store: Store,
    pub(crate) rules: Rules,
    items_max: u32,
    pub(crate) posted_days: BTreeSet<(Institution, Day)>,
    pub(crate) journal_days: BTreeSet<(TerminalId, Day)>,
    pub(crate) our_days: BTreeSet<Day>,
    /// Of which day each file is, by the front of its digest.
    pub(crate) file_days: BTreeMap<u64, Day>,
    pub(crate) now_s: Option<i64>,
    pins: BTreeMap<LineId, LineId>,
    parted: BTreeSet<(LineId, LineId)>,
    decisions: usize,
    /// Lines and transactions of which people have said something, as far as they are here.
    decided: BTreeMap<LineId, Option<u32>>,
    /// Of these, those that were said something of behind the last run: what is here of them is looked for once, in the next.
    sought: BTreeSet<LineId>,
    /// Lines that people have laid to one of ours.
    pub(crate) laid: BTreeMap<u32, Vec<u32>>,
    new_items: Vec<u32>,
    touched: BTreeSet<[u8; 8]>,
}

impl Matcher {
    /// A matcher that has been given nothing.
    pub fn new(rules: Rules) -> Matcher {
        Matcher { rules, items_max: ITEMS_MAX, ..Matcher::default() }
    }

    /// The same, and no more than so many items are taken: [`ITEMS_MAX`] at most.
    pub fn holding(self, items: u32) -> Matcher {
        Matcher { items_max: items.min(ITEMS_MAX), ..self }
    }

    /// A matcher with the same rules and bounds that has been given nothing.
    pub fn emptied(&self) -> Matcher {
        Matcher::new(self.rules).holding(self.items_max)
    }

    /// How near is near.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// How many items are held.
    pub fn len(&self) -> u32 {
        self.store.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes what the log says of a transaction; what it said before is replaced.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_ours(&mut self, ours: &Ours) -> Result<(), Full> {
        if self.store.find_ours(ours).is_none() {
            self.room()?;
        }
        let item = self.store.put_ours(ours);
        self.added(item);
        Ok(())
    }

    /// Takes a bank's posting.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_posting(&mut self, posting: &Posting) -> Result<(), Full> {
        self.room()?;
        let item = self.store.put_posting(posting);
        self.added(item);
        Ok(())
    }

    /// Takes a journal's line.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add_cash_line(&mut self, line: &CashLine) -> Result<(), Full> {
        self.room()?;
        let item = self.store.put_cash_line(line);
        self.added(item);
        Ok(())
    }

    /// The bank's postings of this day are all here: what it has not posted is missing from here on.
    pub fn bank_file_is_here(&mut self, bank: Institution, day: Day) {
        self.posted_days.insert((bank, day));
    }

    /// The machine's journal of this day is here.
    pub fn journal_is_here(&mut self, terminal: TerminalId, day: Day) {
        self.journal_days.insert((terminal, day));
    }

    /// The log of this day is here.
    pub fn log_is_here(&mut self, day: Day) {
        self.our_days.insert(day);
    }

    /// The file whose lines have this [`LineId::file`] is of this day: what it has is judged from then on, also where a line says a later day of itself.
    pub fn file_is_of(&mut self, file: u64, day: Day) {
        self.file_days.insert(file, day);
    }

    /// Which moment it is, seconds since 1970: what began [`Rules::in_flight_s`] before is not judged by its end. Without a moment nothing is under way.
    pub fn now_is(&mut self, now_s: i64) {
        self.now_s = Some(now_s);
    }

    /// Takes what a person has said. Of one line the newest match counts, so decisions are given in their order; a match takes back the
    /// parting of the same pair.
    ///
    /// # Errors
    /// [`Full`].
    pub fn decide(&mut self, decision: Decision) -> Result<(), Full> {
        if self.decisions >= DECISIONS_MAX {
            return Err(Full::Decisions);
        }
        self.decisions += 1;
        let (line, ours) = (decision.line(), decision.ours());
        match decision {
            Decision::Match { .. } => {
                self.parted.remove(&(line, ours));
                self.pins.insert(line, ours);
            }
            Decision::Part { .. } => {
                if self.pins.get(&line) == Some(&ours) {
                    self.pins.remove(&line);
                }
                self.parted.insert((line, ours));
            }
        }
        for id in [line, ours] {
            match *self.decided.entry(id).or_default() {
                Some(item) => self.renew(item),
                None => drop(self.sought.insert(id)),
            }
        }
        Ok(())
    }

    /// How many decisions were taken: a person's next one has this number.
    pub fn decisions(&self) -> usize {
        self.decisions
    }

    /// Whether a person may say this of what is here.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn may_decide(&self, decision: Decision) -> Result<(), Misfit> {
        let find = |id| (0..self.store.len()).find(|item| self.store.id(*item) == id);
        let line = find(decision.line()).filter(|line| self.store[*line].side != Side::Ours);
        let our = find(decision.ours()).filter(|our| self.store[*our].side == Side::Ours);
        let (line, our) = (line.ok_or(Misfit::Line)?, our.ok_or(Misfit::Ours)?);
        match decision {
            Decision::Part { .. } if self.store[line].partner != our => Err(Misfit::Apart),
            Decision::Part { .. } => Ok(()),
            Decision::Match { .. } => self.may_lay(line, our),
        }
    }

    /// Whether what a person has said counts, by what was here in the last run.
    ///
    /// # Errors
    /// [`Misfit`]: what is not here, or cannot belong together as it is here.
    pub fn counts(&self, decision: Decision) -> Result<(), Misfit> {
        let (line, our) = (self.decided_item(decision.line()), self.decided_item(decision.ours()));
        let (line, our) = (line.ok_or(Misfit::Line)?, our.ok_or(Misfit::Ours)?);
        match decision {
            Decision::Match { .. } => self.may_lay(line, our),
            Decision::Part { .. } => Ok(()),
        }
    }

    /// Bank and business day of a transaction that a person has said something of, where it is here.
    pub fn place_of(&self, ours: LineId) -> Option<(Institution, Day)> {
        let our = self.decided_item(ours)?;
        Some((self.store.bank(our), self.store[our].day))
    }

    /// Where a line or transaction is that people have said something of.
    fn decided_item(&self, id: LineId) -> Option<u32> {
        self.decided.get(&id).copied().flatten()
    }

    /// A line and one of ours that may belong together, where somebody says so.
    fn may_lay(&self, line: u32, our: u32) -> Result<(), Misfit> {
        let (line, our) = (&self.store[line], &self.store[our]);
        match line.side {
            Side::Bank if line.bank != our.bank => Err(Misfit::Bank),
            Side::Machine if !our.is_cash => Err(Misfit::NoCash),
            Side::Bank | Side::Machine | Side::Ours => Ok(()),
        }
    }

    /// Judges anew whatever was touched since the last time.
    pub fn run(&mut self) {
        let mut group = Vec::new();
        self.seek();
        self.lay_by_hand();
        for item in std::mem::take(&mut self.new_items) {
            if !self.store[item].has_rrn() {
                self.store[item].is_new = false;
            } else if self.store[item].is_new {
                let rrn = self.store[item].rrn;
                self.by_reference(&rrn, &mut group);
                self.touched.extend(group.iter().map(|item| self.store[*item].terminal));
            }
            self.touched.insert(self.store[item].terminal);
        }
        for terminal in std::mem::take(&mut self.touched) {
            self.at_terminal(&terminal, &mut group);
        }
    }

    fn room(&self) -> Result<(), Full> {
        if self.store.len() < self.items_max { Ok(()) } else { Err(Full::Items) }
    }

    fn added(&mut self, item: u32) {
        if !self.decided.is_empty() {
            let id = self.store.id(item);
            if let Some(known) = self.decided.get_mut(&id) {
                *known = Some(item);
            }
        }
        self.store[item].is_new = true;
        self.new_items.push(item);
    }

    /// Finds what is here of what people have said something of: once through all items, for all of it.
    fn seek(&mut self) {
        let sought = std::mem::take(&mut self.sought);
        if sought.is_empty() {
            return;
        }
        for item in 0..self.store.len() {
            let id = self.store.id(item);
            if sought.contains(&id) {
                self.decided.insert(id, Some(item));
                self.renew(item);
            }
        }
    }

    fn renew(&mut self, item: u32) {
        self.store[item].is_new = true;
        self.new_items.push(item);
    }

    /// What people have said stands before every rule. Not what could not be said of what is here: a file that was taken back and taken for another bank has the
    /// same lines, and they are not of the first one's transactions.
    fn lay_by_hand(&mut self) {
        let decided: Vec<u32> = self.decided.values().copied().flatten().collect();
        for item in &decided {
            if self.store[*item].is_by_hand || self.store[*item].is_cash_by_hand {
                (self.store[*item].is_by_hand, self.store[*item].is_cash_by_hand) = (false, false);
                self.reset(*item);
                self.renew(*item);
            }
        }
        self.laid.clear();
        for (line, ours) in self.pins.clone() {
            let (Some(line), Some(our)) = (self.decided_item(line), self.decided_item(ours)) else {
                continue;
            };
            if self.may_lay(line, our).is_err() {
                continue;
            }
            let side = self.store[line].side;
            let stored = &mut self.store[line];
            (stored.is_by_hand, stored.partner) = (true, our);
            stored.verdict = Verdict::Matched(Rule::ByHand);
            self.laid.entry(our).or_default().push(line);
            // What they come to together is judged with the others of its reference.
            let stored = &mut self.store[our];
            match side {
                Side::Machine => stored.is_cash_by_hand = true,
                Side::Bank | Side::Ours => stored.is_by_hand = true,
            }
            self.renew(line);
            self.renew(our);
        }
    }

    pub(crate) fn is_parted(&self, line: u32, our: u32) -> bool {
        !self.parted.is_empty() && self.parted.contains(&(self.store.id(line), self.store.id(our)))
    }

    /// In an order that does not depend on when an item came.
    pub(crate) fn sort(&self, items: &mut [u32]) {
        items.sort_unstable_by_key(|item| self.store[*item].order(&self.store.files));
    }

    /// As if nothing had been said about it but by hand.
    pub(crate) fn reset(&mut self, item: u32) {
        let stored = &mut self.store[item];
        (stored.is_settled, stored.is_cash_settled, stored.has_cash_beside) = (false, false, false);
        self.reset_unsettled(item);
    }

    /// As [`Matcher::reset`], of what no reference has settled.
    pub(crate) fn reset_unsettled(&mut self, item: u32) {
        let stored = &mut self.store[item];
        let open =
            if stored.side != Side::Ours || stored.is_due() { Verdict::Open } else { Verdict::NothingDue };
        if !stored.is_settled && !stored.is_by_hand {
            (stored.verdict, stored.partner) = (open, NONE);
        }
        if stored.side == Side::Ours && !stored.is_cash_settled && !stored.is_cash_by_hand {
            stored.cash = if stored.is_cash { open } else { Verdict::NothingDue };
        }
    }
}
