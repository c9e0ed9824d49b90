//! The second round, terminal by terminal: what no reference has settled, by STAN, by amount and time, by sequence, by sums.

use std::collections::{BTreeMap, BTreeSet};

use processor::Day;

use crate::by_reference::only;
use crate::kind::{Kind, Rule};
use crate::matcher::Matcher;
use crate::store::{NONE, Side, Store, Verdict};

/// Everything at one terminal that one side's lines are held against, in order of time.
struct Round {
    side: Side,
    /// Of ours those that a line of this side may belong to, settled or not, by bank and amount and then time.
    ours: BTreeMap<(u16, i64), Vec<u32>>,
    /// Of ours those that the bank gives back, settled or not, by bank and the amount that it posts then.
    backs: BTreeMap<(u16, i64), Vec<u32>>,
    /// Lines of this side that say one transaction each, settled or not.
    lines: BTreeMap<(u16, i64), Vec<u32>>,
}

impl Round {
    /// A journal's lines are of no bank, and tell what was asked for.
    fn key(&self, store: &Store, item: u32) -> (u16, i64) {
        let stored = &store[item];
        match (self.side, stored.side) {
            (Side::Bank, Side::Ours) => (stored.bank, stored.gross),
            (Side::Bank, _) => (stored.bank, stored.amount),
            (_, _) => (u16::MAX, stored.gross),
        }
    }

    fn of<'a>(
        map: &'a BTreeMap<(u16, i64), Vec<u32>>,
        key: (u16, i64),
        store: &'a Store,
        (from_s, to_s): (u32, u32),
    ) -> impl Iterator<Item = u32> + 'a {
        let all = map.get(&key).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|item| store[*item].at_s < from_s);
        all[first..].iter().copied().take_while(move |item| store[*item].at_s <= to_s)
    }
}

impl Matcher {
    /// Looks at all items of one terminal anew that no reference has settled.
    pub(crate) fn at_terminal(&mut self, terminal: &[u8; 8], group: &mut Vec<u32>) {
        group.clear();
        group.extend(self.store.at_terminal(terminal));
        for item in group.iter() {
            self.reset_unsettled(*item);
            self.without_beside(*item);
        }
        let is_left = |item: &u32, side| self.store[*item].side == side && !self.is_done(*item);
        let postings_left = group.iter().any(|item| is_left(item, Side::Bank));
        let cash_left = group.iter().any(|item| is_left(item, Side::Machine));
        if !postings_left && !cash_left {
            return;
        }
        self.sort(group);
        if postings_left {
            self.round(group, Side::Bank);
            self.sums(group);
        }
        if cash_left {
            self.round(group, Side::Machine);
        }
    }

    fn round(&mut self, group: &[u32], side: Side) {
        self.by_stan(group, side);
        let (ours, backs, lines) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut round = Round { side, ours, backs, lines };
        for item in group.iter().copied() {
            let key = round.key(&self.store, item);
            let stored = &self.store[item];
            if stored.side == Side::Ours && (side == Side::Bank || stored.is_cash) {
                round.ours.entry(key).or_default().push(item);
                if let Some(back) = stored.given_back().filter(|_| side == Side::Bank) {
                    round.backs.entry((stored.bank, -back)).or_default().push(item);
                }
            } else if stored.side == side && stored.count == 1 {
                round.lines.entry(key).or_default().push(item);
            }
        }
        let nameless: Vec<u32> = group
            .iter()
            .copied()
            .filter(|item| self.is_nameless(*item) && self.store[*item].side == side)
            .collect();
        for line in &nameless {
            self.by_amount_and_time(&round, *line);
        }
        self.by_sequence(&round, group, &nameless);
        self.leave_open(&round, &nameless);
    }

    /// A line of a side that names nothing and that nothing has settled.
    fn is_nameless(&self, item: u32) -> bool {
        let stored = &self.store[item];
        stored.side != Side::Ours
            && !self.is_done(item)
            && !stored.has_rrn()
            && stored.stan == NONE
            && stored.count == 1
    }

    fn is_done(&self, line: u32) -> bool {
        let stored = &self.store[line];
        stored.is_settled || stored.is_by_hand || stored.partner != NONE
    }

    /// One of ours waits for a line of this side.
    fn waits(&self, our: u32, side: Side) -> bool {
        let stored = &self.store[our];
        match side {
            Side::Machine => {
                stored.is_cash
                    && !stored.is_cash_settled
                    && !stored.is_cash_by_hand
                    && matches!(stored.cash, Verdict::Open | Verdict::NothingDue)
            }
            Side::Bank | Side::Ours => {
                !stored.is_settled
                    && !stored.is_by_hand
                    && matches!(stored.verdict, Verdict::Open | Verdict::NothingDue)
            }
        }
    }

    fn join(&mut self, our: u32, line: u32, rule: Rule) {
        match self.store[line].side {
            Side::Machine => self.judge_cash(our, &[line], rule),
            Side::Bank | Side::Ours => self.judge_bank(our, &[line], rule),
        }
    }

    /// STAN and nearness, if nothing else has that STAN on either side. A line that names another reference is the same transaction
    /// only where its amount is.
    fn by_stan(&mut self, group: &[u32], side: Side) {
        let mut ours: BTreeMap<(u16, u32), Vec<u32>> = BTreeMap::new();
        let mut lines: BTreeMap<(u16, u32), Vec<u32>> = BTreeMap::new();
        for item in group.iter().copied() {
            let stored = &self.store[item];
            match (stored.side, side) {
                (Side::Ours, Side::Bank) => {
                    ours.entry((stored.bank, stored.bank_stan)).or_default().push(item);
                }
                (Side::Ours, _) if stored.is_cash => {
                    ours.entry((u16::MAX, stored.stan)).or_default().push(item);
                }
                (of, _) if of == side && stored.stan != NONE && !self.is_done(item) => {
                    lines.entry((stored.bank, stored.stan)).or_default().push(item);
                }
                (_, _) => {}
            }
        }
        for (stan, lines) in &lines {
            let candidates = ours.get(stan).map_or(&[][..], Vec::as_slice);
            match side {
                Side::Machine => self.cash_by_stan(candidates, lines),
                Side::Bank | Side::Ours => self.posting_by_stan(candidates, lines),
            }
        }
    }

    fn is_near_by_stan(&self, one: u32, other: u32) -> bool {
        self.store[one].at_s.abs_diff(self.store[other].at_s) <= self.rules.stan_window_s
    }

    fn posting_by_stan(&mut self, candidates: &[u32], lines: &[u32]) {
        for line in lines.iter().copied() {
            let near = candidates.iter().copied().filter(|our| self.is_near_by_stan(*our, line));
            let Some(our) = only(near) else { continue };
            let is_only_line = lines.iter().filter(|other| self.is_near_by_stan(**other, our)).count() == 1;
            let same_amount = self.store[line].amount == self.store[our].gross;
            let names_another = self.store[line].has_rrn() && !same_amount;
            if !is_only_line || names_another || self.is_parted(line, our) {
                continue;
            }
            if self.waits(our, Side::Bank) {
                self.join(our, line, Rule::Stan);
            } else if same_amount && !self.store[line].has_rrn() {
                let stored = &mut self.store[line];
                (stored.partner, stored.verdict) = (our, Verdict::Found(Kind::Duplicate, Rule::Stan));
            }
        }
    }

    /// All lines of a journal that have the STAN near one of ours, and no other, say together what the machine did: of several each has to ask for as
    /// much. Beside lines that have its reference they are judged with these.
    fn cash_by_stan(&mut self, candidates: &[u32], lines: &[u32]) {
        for our in candidates.iter().copied() {
            let is_other = |line: u32| {
                candidates.iter().any(|other| *other != our && self.is_near_by_stan(*other, line))
            };
            let near = lines.iter().copied().filter(|line| self.is_near_by_stan(*line, our));
            let near: Vec<u32> = near.filter(|line| !self.is_parted(*line, our)).collect();
            let same_amount = near.iter().all(|line| self.store[*line].gross == self.store[our].gross);
            let has_rrn = near.iter().any(|line| self.store[*line].has_rrn());
            let fits = same_amount || near.len() == 1 && !has_rrn;
            if near.is_empty() || near.iter().any(|line| is_other(*line)) || !fits {
                continue;
            }
            if self.waits(our, Side::Machine) {
                self.judge_cash(our, &near, Rule::Stan);
            } else if same_amount && !has_rrn && self.store[our].is_cash_settled {
                let mut all = self.settled_cash_lines(our);
                all.extend(near);
                self.sort(&mut all);
                let by_hand = self.store[our].is_cash_by_hand;
                self.judge_cash(our, &all, if by_hand { Rule::ByHand } else { Rule::Stan });
                self.store[our].has_cash_beside = true;
            }
        }
    }

    /// As its reference has settled it, without what a round before this one has laid beside.
    fn without_beside(&mut self, our: u32) {
        if std::mem::take(&mut self.store[our].has_cash_beside) {
            let lines = self.settled_cash_lines(our);
            self.judge_cash(our, &lines, self.settled_cash_rule(our));
        }
    }

    /// Amount and nearness, if there is nothing else of that amount near on either side, whether settled or not.
    fn by_amount_and_time(&mut self, round: &Round, line: u32) {
        let Some(our) = only(self.near_ours(round, line)) else { return };
        let is_only_line = only(self.near_lines(round, our)) == Some(line);
        if is_only_line
            && !self.may_give_back(round, line)
            && self.waits(our, round.side)
            && self.is_possible(our, round.side)
            && !self.is_parted(line, our)
        {
            self.join(our, line, Rule::AmountAndTime);
        }
    }

    fn near_ours<'a>(&'a self, round: &'a Round, line: u32) -> impl Iterator<Item = u32> + 'a {
        let window = self.window(line);
        Round::of(&round.ours, round.key(&self.store, line), &self.store, window)
    }

    /// The line may be what a bank gives back of one of ours: from its reversal on until the bank has acknowledged that.
    fn may_give_back(&self, round: &Round, line: u32) -> bool {
        let (from_s, to_s) = self.window(line);
        let backs = round.backs.get(&round.key(&self.store, line)).map_or(&[][..], Vec::as_slice);
        backs
            .iter()
            .any(|our| self.store[*our].reversal_at_s <= to_s && self.store[*our].reversed_at_s >= from_s)
    }

    fn near_lines<'a>(&'a self, round: &'a Round, our: u32) -> impl Iterator<Item = u32> + 'a {
        let window = self.window(our);
        Round::of(&round.lines, round.key(&self.store, our), &self.store, window)
    }

    fn window(&self, item: u32) -> (u32, u32) {
        let at_s = self.store[item].at_s;
        (at_s.saturating_sub(self.rules.near_window_s), at_s.saturating_add(self.rules.near_window_s))
    }

    /// What has no name is never laid to one of ours that should have no posting.
    fn is_possible(&self, our: u32, side: Side) -> bool {
        let stored = &self.store[our];
        side == Side::Machine || stored.is_due() && stored.amount == stored.gross
    }

    /// A line between two neighbours of its own file that are matched belongs between theirs: if there is one place and one line for
    /// it, that is proof.
    fn by_sequence(&mut self, round: &Round, group: &[u32], nameless: &[u32]) {
        let in_sequence = |item: &u32| {
            let stored = &self.store[*item];
            stored.side == round.side && stored.sequence != NONE
        };
        let mut ordered: Vec<u32> = group.iter().copied().filter(in_sequence).collect();
        ordered.sort_by_key(|item| (self.store[*item].file, self.store[*item].sequence));
        let anchors = self.anchors(&ordered);
        let open: BTreeSet<u32> =
            nameless.iter().copied().filter(|line| self.store[*line].partner == NONE).collect();
        let proven: Vec<(u32, u32)> = ordered
            .iter()
            .zip(anchors)
            .filter(|(line, _)| open.contains(line))
            .filter_map(|(line, (before, after))| Some((self.proven(round, *line, before?, after?)?, *line)))
            .collect();
        for (our, line) in proven {
            if self.waits(our, round.side) && !self.is_parted(line, our) {
                self.join(our, line, Rule::Sequence);
            }
        }
    }

    /// The matched neighbour in front of each line and the one behind it, within its file.
    fn anchors(&self, ordered: &[u32]) -> Vec<(Option<u32>, Option<u32>)> {
        let is_anchor = |item: u32| {
            let stored = &self.store[item];
            stored.partner != NONE && matches!(stored.verdict, Verdict::Matched(_))
        };
        let newest = |seen: &mut Option<u32>, item: u32| {
            let here = seen.filter(|anchor| self.store[*anchor].file == self.store[item].file);
            *seen = if is_anchor(item) { Some(item) } else { here };
            here
        };
        let before = ordered.iter().scan(None, |seen, item| Some(newest(seen, *item)));
        let mut after: Vec<_> =
            ordered.iter().rev().scan(None, |seen, item| Some(newest(seen, *item))).collect();
        after.reverse();
        before.zip(after).collect()
    }

    fn proven(&self, round: &Round, line: u32, before: u32, after: u32) -> Option<u32> {
        let moment = |anchor: u32| self.store[self.store[anchor].partner].at_s;
        let (from_s, to_s) = (moment(before), moment(after));
        if from_s >= to_s {
            return None;
        }
        let key = round.key(&self.store, line);
        let inside = (from_s + 1, to_s - 1);
        let our = only(Round::of(&round.ours, key, &self.store, inside))?;
        let window_s = self.rules.near_window_s;
        // The sequence says which of several that are near, and not that far is near.
        if self.store[our].at_s.abs_diff(self.store[line].at_s) > window_s {
            return None;
        }
        // What a bank gives back it posts when it hears of it, and has no place among what began before and behind it.
        if self.may_give_back(round, line) {
            return None;
        }
        let around = (from_s.saturating_sub(window_s), to_s.saturating_add(window_s));
        let open_lines = Round::of(&round.lines, key, &self.store, around)
            .filter(|other| self.store[*other].partner == NONE && !self.store[*other].is_by_hand);
        let is_only_line = self.only_between(open_lines, line, (before, after));
        (is_only_line && self.waits(our, round.side) && self.is_possible(our, round.side)).then_some(our)
    }

    /// No other open line could have this place: those of the file stand before or behind it, and there are none of other files.
    fn only_between(&self, lines: impl Iterator<Item = u32>, line: u32, (before, after): (u32, u32)) -> bool {
        let mine = &self.store[line];
        let (first, last) = (self.store[before].sequence, self.store[after].sequence);
        lines.into_iter().all(|other| {
            let stored = &self.store[other];
            let is_outside = stored.file == mine.file
                && stored.sequence != NONE
                && (stored.sequence < first || stored.sequence > last);
            other == line || is_outside
        })
    }

    /// What would fit in more than one way, or might, stays open on both sides, and says so.
    fn leave_open(&mut self, round: &Round, nameless: &[u32]) {
        let mut ambiguous = BTreeSet::new();
        for line in nameless.iter().copied() {
            if self.store[line].partner != NONE {
                continue;
            }
            let candidates: Vec<u32> = self
                .near_ours(round, line)
                .filter(|our| self.waits(*our, round.side) && self.is_possible(*our, round.side))
                .filter(|our| !self.is_parted(line, *our))
                .collect();
            if !candidates.is_empty() {
                ambiguous.extend(candidates);
                self.store[line].verdict = Verdict::Ambiguous;
            }
        }
        for our in ambiguous {
            match round.side {
                Side::Machine => self.store[our].cash = Verdict::Ambiguous,
                Side::Bank | Side::Ours => self.store[our].verdict = Verdict::Ambiguous,
            }
        }
    }

    /// A bank's line that says how many it sums up is ours if what is open of that bank and day is as many and as much.
    fn sums(&mut self, group: &[u32]) {
        let mut summed: BTreeMap<(u16, Day), Vec<u32>> = BTreeMap::new();
        for item in group.iter().copied() {
            let stored = &self.store[item];
            if stored.side == Side::Bank && stored.count > 1 && !self.is_done(item) {
                summed.entry((stored.bank, stored.day)).or_default().push(item);
            }
        }
        for ((bank, day), lines) in summed {
            let Some(line) = only(lines.into_iter()) else { continue };
            let is_open = |our: &u32| {
                let stored = &self.store[*our];
                stored.side == Side::Ours
                    && (stored.bank, stored.day) == (bank, day)
                    && self.waits(*our, Side::Bank)
                    && stored.is_due()
            };
            let open: Vec<u32> = group.iter().copied().filter(is_open).collect();
            let is_ambiguous = |our: &u32| {
                let stored = &self.store[*our];
                stored.side == Side::Ours
                    && (stored.bank, stored.day) == (bank, day)
                    && stored.verdict == Verdict::Ambiguous
            };
            let sum: i64 = open.iter().map(|our| self.store[*our].amount).sum();
            let fits = open.len() == usize::from(self.store[line].count)
                && sum == self.store[line].amount
                && open.iter().all(|our| self.store[*our].currency == self.store[line].currency)
                && !group.iter().any(is_ambiguous)
                && !open.iter().any(|our| self.is_parted(line, *our));
            if fits {
                for our in &open {
                    let stored = &mut self.store[*our];
                    (stored.partner, stored.verdict) = (line, Verdict::Matched(Rule::ManyToOne));
                }
                let stored = &mut self.store[line];
                (stored.partner, stored.verdict) = (open[0], Verdict::Matched(Rule::ManyToOne));
            }
        }
    }
}
