//! The first round: what carries our reference is brought to the one transaction that has it, and judged there.

use crate::item::Ended;
use crate::kind::{Kind, Rule};
use crate::matcher::Matcher;
use crate::store::{NONE, Side, Stored, Verdict};

impl Matcher {
    /// Looks at all items of one reference anew.
    pub(crate) fn by_reference(&mut self, rrn: &[u8; 12], group: &mut Vec<u32>) {
        group.clear();
        group.extend(self.store.with_rrn(rrn));
        self.sort(group);
        for item in group.iter() {
            self.reset(*item);
            self.store[*item].is_new = false;
        }
        let ours = group.partition_point(|item| self.store[*item].side == Side::Ours);
        let (ours, lines) = group.split_at(ours);
        for line in lines {
            if !self.store[*line].is_by_hand {
                self.store[*line].partner = self.named_partner(*line, ours).unwrap_or(NONE);
            }
        }
        for our in ours {
            let store = &self.store;
            let laid = self.laid.get(our).map_or(&[][..], Vec::as_slice);
            let belongs = |side| {
                let by_name = |line: &&u32| store[**line].partner == *our && !store[**line].is_by_hand;
                let all = lines.iter().filter(by_name).chain(laid);
                all.copied().filter(|line| store[*line].side == side).collect()
            };
            let (mut postings, mut cash_lines): (Vec<u32>, Vec<u32>) =
                (belongs(Side::Bank), belongs(Side::Machine));
            if !postings.is_empty() {
                self.sort(&mut postings);
                let rule = match postings.len() {
                    _ if self.store[*our].is_by_hand => Rule::ByHand,
                    1 => Rule::Reference,
                    _ => Rule::ReferenceOneToMany,
                };
                self.judge_bank(*our, &postings, rule);
                self.store[*our].is_settled = true;
                postings.iter().for_each(|line| self.store[*line].is_settled = true);
            }
            if !cash_lines.is_empty() {
                self.sort(&mut cash_lines);
                self.judge_cash(*our, &cash_lines, self.settled_cash_rule(*our));
                self.store[*our].is_cash_settled = true;
                cash_lines.iter().for_each(|line| self.store[*line].is_settled = true);
            }
        }
    }

    pub(crate) fn settled_cash_rule(&self, our: u32) -> Rule {
        if self.store[our].is_cash_by_hand { Rule::ByHand } else { Rule::Reference }
    }

    /// The journal's lines that a reference, or a person, has brought to one of ours, in their order.
    pub(crate) fn settled_cash_lines(&self, our: u32) -> Vec<u32> {
        let by_name = self.store.with_rrn(&self.store[our].rrn).filter(|line| {
            let stored = &self.store[*line];
            stored.is_settled && stored.partner == our && !stored.is_by_hand
        });
        let laid = self.laid.get(&our).map_or(&[][..], Vec::as_slice);
        let all = by_name.chain(laid.iter().copied());
        let mut lines: Vec<u32> = all.filter(|line| self.store[*line].side == Side::Machine).collect();
        self.sort(&mut lines);
        lines
    }

    /// The one of ours that a line names: by reference, terminal and bank; by the reference with another terminal only where all
    /// else agrees. `None` where there is none, or where more than one would do.
    fn named_partner(&self, line: u32, ours: &[u32]) -> Option<u32> {
        let stored = &self.store[line];
        let may_be = |our: &u32| {
            let of_bank = stored.side == Side::Machine || self.store[*our].bank == stored.bank;
            of_bank && !self.is_parted(line, *our)
        };
        let same_terminal = |our: &u32| {
            may_be(our) && (!stored.has_terminal() || self.store[*our].terminal == stored.terminal)
        };
        let all_else = |our: &u32| {
            let our_one = &self.store[*our];
            let amount = if stored.side == Side::Machine { stored.gross } else { stored.amount };
            let near = our_one.at_s.abs_diff(stored.at_s) <= self.rules.stan_window_s;
            may_be(our) && near && our_one.gross.abs() == amount.abs() && amount != 0
        };
        only(ours.iter().copied().filter(same_terminal)).or_else(|| {
            let is_elsewhere = !ours.iter().any(same_terminal);
            is_elsewhere.then(|| only(ours.iter().copied().filter(all_else))).flatten()
        })
    }

    /// What the bank did with one of ours, by the postings that belong to it, in their order.
    pub(crate) fn judge_bank(&mut self, our: u32, postings: &[u32], rule: Rule) {
        let (verdict, doubled) = self.bank_verdict(our, postings, rule);
        self.store[our].verdict = verdict;
        for line in postings {
            let stored = &mut self.store[*line];
            stored.partner = our;
            stored.verdict = if doubled == Some(*line) {
                Verdict::Found(Kind::Duplicate, rule)
            } else {
                Verdict::Matched(rule)
            };
        }
    }

    /// And the posting that is there once too often.
    fn bank_verdict(&self, our: u32, postings: &[u32], rule: Rule) -> (Verdict, Option<u32>) {
        let our_one = &self.store[our];
        let (net, gross) = (our_one.amount, our_one.gross);
        let found = |kind| (Verdict::Found(kind, rule), None);
        if postings.iter().any(|line| self.store[*line].currency != our_one.currency) {
            return found(Kind::Currency);
        }
        let sum: i64 = postings.iter().map(|line| self.store[*line].amount).sum();
        let is_even = sum == net || our_one.ended == Ended::Unknown && (sum == gross || sum == 0);
        if is_even {
            return (self.names_and_days(our, postings, rule), None);
        }
        if let Some(doubled) = self.doubled(postings, sum, net) {
            let others: Vec<u32> = postings.iter().copied().filter(|line| *line != doubled).collect();
            return (self.names_and_days(our, &others, rule), Some(doubled));
        }
        if our_one.ended == Ended::Reversed && sum == gross {
            return found(Kind::MissingAtBank);
        }
        if net == 0 || sum == 0 {
            return found(Kind::MissingAtSwitch);
        }
        found(if sum.abs() > net.abs() { Kind::AmountOver } else { Kind::AmountUnder })
    }

    /// Amounts agree: do terminal, reference and day? A person who has laid them together has seen these.
    fn names_and_days(&self, our: u32, postings: &[u32], rule: Rule) -> Verdict {
        if rule == Rule::ByHand {
            return Verdict::Matched(rule);
        }
        let our_one = &self.store[our];
        let differs = |line: &u32| {
            let line = &self.store[*line];
            line.has_terminal() && line.terminal != our_one.terminal
                || line.has_rrn() && line.rrn != our_one.rrn
        };
        if postings.iter().any(differs) {
            return Verdict::Found(Kind::DataMismatch, rule);
        }
        let is_other_day = |line: &u32| {
            let line = &self.store[*line];
            let takes_back = line.amount.signum() == -our_one.gross.signum();
            let due = if takes_back { our_one.reversal_day } else { our_one.day };
            line.day != due
        };
        if postings.iter().any(is_other_day) {
            return Verdict::Found(Kind::OtherDay, rule);
        }
        Verdict::Matched(rule)
    }

    /// The later of two equal lines without which the sum would be right.
    fn doubled(&self, lines: &[u32], sum: i64, due: i64) -> Option<u32> {
        let amount = |line: &u32| self.store[*line].amount;
        lines.iter().enumerate().rev().find_map(|(index, line)| {
            let is_twice = lines[..index].iter().any(|earlier| amount(earlier) == amount(line));
            (is_twice && sum - amount(line) == due).then_some(*line)
        })
    }

    /// What the machine did with one of ours, by the journal's lines that belong to it, in their order: what they come to together. A dispense that
    /// was tried again, or went in parts, has a line for each.
    pub(crate) fn judge_cash(&mut self, our: u32, lines: &[u32], rule: Rule) {
        let spare = self.spare_lines(our, lines);
        let counted: Vec<u32> = lines.iter().copied().filter(|line| !spare.contains(line)).collect();
        self.store[our].cash = self.cash_verdict(our, &counted, rule);
        for line in lines {
            let stored = &mut self.store[*line];
            stored.partner = our;
            stored.verdict = if spare.contains(line) {
                Verdict::Found(Kind::Duplicate, rule)
            } else {
                Verdict::Matched(rule)
            };
        }
    }

    /// What should have moved by the log; nobody knows of what has no end.
    fn cash_due(&self, our: u32) -> Option<i64> {
        let stored = &self.store[our];
        (stored.ended != Ended::Unknown).then_some(stored.amount)
    }

    /// The journal's lines that are there once too often: the later of two equal ones without which all would be right, and where nothing is, those that
    /// say word for word what one before them says, as journals that overlap do.
    fn spare_lines(&self, our: u32, lines: &[u32]) -> Vec<u32> {
        let sum: i64 = lines.iter().map(|line| self.store[*line].amount).sum();
        let due = self.cash_due(our).unwrap_or(if sum == 0 { 0 } else { self.store[our].gross });
        if sum == due {
            return Vec::new();
        }
        if let Some(doubled) = self.doubled(lines, sum, due) {
            return vec![doubled];
        }
        let words = |line: &u32| {
            let stored = &self.store[*line];
            (stored.at_s, stored.stan, stored.sequence, stored.gross, stored.amount, stored.is_retracted)
        };
        let is_repeated = |(index, line): &(usize, &u32)| {
            lines[..*index].iter().any(|earlier| words(earlier) == words(line))
        };
        lines.iter().enumerate().filter(is_repeated).map(|(_, line)| *line).collect()
    }

    fn cash_verdict(&self, our: u32, lines: &[u32], rule: Rule) -> Verdict {
        let our_one = &self.store[our];
        let any = |is: &dyn Fn(&Stored) -> bool| lines.iter().any(|line| is(&self.store[*line]));
        let found = |kind| Verdict::Found(kind, rule);
        if any(&|line| line.currency != our_one.currency) {
            return found(Kind::Currency);
        }
        // A deposit's amounts are negative: cash kept against cash credited.
        let sign = if our_one.gross < 0 { -1 } else { 1 };
        let sum: i64 = lines.iter().map(|line| self.store[*line].amount).sum();
        let (moved, due) = (sum * sign, self.cash_due(our).unwrap_or(sum) * sign);
        if moved < due && any(&|line| line.is_retracted) {
            return found(Kind::Retracted);
        }
        if moved == due {
            let differs =
                any(&|line| line.has_rrn() && line.rrn != our_one.rrn || line.terminal != our_one.terminal);
            let is_seen = rule == Rule::ByHand;
            return if differs && !is_seen { found(Kind::DataMismatch) } else { Verdict::Matched(rule) };
        }
        match (sign, moved < due) {
            (1, true) if moved == 0 => found(Kind::DebitedNotDispensed),
            (1, true) => found(Kind::PartDispensed),
            (1, false) => found(Kind::DispensedNotDebited),
            // Of a deposit more was credited than kept, or less.
            (_, true) => found(Kind::AmountOver),
            (_, false) => found(Kind::AmountUnder),
        }
    }
}

/// The only one.
pub(crate) fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
