//! What lies open of one bank and day on its three sides, for a person who lays lines to transactions by hand.

use processor::{Day, Institution, Rrn, TerminalId};
use serde::Serialize;

use crate::item::LineId;
use crate::kind::Rule;
use crate::matcher::Matcher;
use crate::report::rule_of;
use crate::store::{NONE, Side, Verdict};

/// So many pieces of a side are shown, the first by time; of the others their number.
pub const BENCH_PIECES_MAX: usize = 2_000;

/// A transaction or a line that lies open, or that a person has laid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Piece {
    /// Which: what a decision names.
    pub id: LineId,
    /// The terminal, where one is known.
    pub terminal: Option<TerminalId>,
    /// DE37, where it is known.
    pub rrn: Option<Rrn>,
    /// Seconds since 1970.
    pub at_s: i64,
    /// Minor units, positive towards the citizen: of ours what is due, of a bank's line what it posted, of a machine's what left it.
    pub amount_minor: i64,
    /// Ours that lacks a bank's line; of a bank's line that it belongs to nothing.
    pub lacks_bank: bool,
    /// Ours that lacks a machine's line; of a machine's line that it belongs to nothing.
    pub lacks_machine: bool,
    /// It would fit in more than one way.
    pub is_ambiguous: bool,
    /// What a line belongs to, and by which rule.
    pub partner: Option<(LineId, Rule)>,
}

/// Three columns.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Bench {
    /// Transactions of the log.
    pub ours: Vec<Piece>,
    /// Lines of the bank.
    pub bank: Vec<Piece>,
    /// Lines of machines: those that belong to nothing are of every bank.
    pub machine: Vec<Piece>,
    /// Of each column how many more there are.
    pub more: [usize; 3],
}

impl Matcher {
    /// What lies open of this bank and day: what belongs to nothing, what has an exception, and what people have laid together.
    pub fn bench(&self, bank: Institution, day: Day) -> Bench {
        let mut columns = [const { Vec::new() }; 3];
        let bank_index = self.store.banks.iter().position(|known| *known == bank);
        let of_bank = |item: u32| Some(usize::from(self.store[item].bank)) == bank_index;
        let is_of_day = |item: &u32| self.store[*item].day == day || self.judged_day(*item) == day;
        for item in (0..self.store.len()).filter(is_of_day) {
            let stored = &self.store[item];
            let partner = (stored.partner != NONE).then_some(stored.partner);
            let is_wanted = match stored.side {
                Side::Ours => of_bank(item) && self.lies_open(item),
                Side::Bank => of_bank(item) && self.line_lies_open(item),
                Side::Machine => partner.is_none_or(of_bank) && self.line_lies_open(item),
            };
            if is_wanted {
                columns[stored.side as usize].push(item);
            }
        }
        columns.iter_mut().for_each(|column| self.sort(column));
        let more = columns.each_ref().map(|column| column.len().saturating_sub(BENCH_PIECES_MAX));
        let [ours, bank, machine] = columns.map(|column: Vec<u32>| {
            column.into_iter().take(BENCH_PIECES_MAX).map(|item| self.piece(item)).collect()
        });
        Bench { ours, bank, machine, more }
    }

    fn lies_open(&self, our: u32) -> bool {
        let stored = &self.store[our];
        let is_open = |verdict| matches!(verdict, Verdict::Open | Verdict::Ambiguous);
        let is_laid = stored.is_by_hand || stored.is_cash_by_hand;
        is_laid || is_open(stored.verdict) || is_open(stored.cash) || self.has_exception(our)
    }

    fn line_lies_open(&self, line: u32) -> bool {
        let stored = &self.store[line];
        let is_matched = matches!(stored.verdict, Verdict::Matched(_));
        let is_quiet = is_matched && (stored.partner == NONE || !self.has_exception(stored.partner));
        let says_nothing = stored.side == Side::Machine && stored.amount == 0 && stored.partner == NONE;
        stored.is_by_hand || !is_quiet && (!says_nothing || stored.is_retracted)
    }

    fn piece(&self, item: u32) -> Piece {
        let stored = &self.store[item];
        let is_open = |verdict| matches!(verdict, Verdict::Open | Verdict::Ambiguous);
        let (lacks_bank, lacks_machine) = match stored.side {
            Side::Ours => (is_open(stored.verdict), is_open(stored.cash)),
            Side::Bank => (is_open(stored.verdict), false),
            Side::Machine => (false, is_open(stored.verdict)),
        };
        let partner = (stored.partner != NONE).then_some(stored.partner);
        Piece {
            id: self.store.id(item),
            terminal: self.store.terminal(item),
            rrn: self.store.rrn(item),
            at_s: i64::from(stored.at_s),
            amount_minor: stored.amount,
            lacks_bank,
            lacks_machine,
            is_ambiguous: [stored.verdict, stored.cash].contains(&Verdict::Ambiguous),
            partner: partner.and_then(|our| Some((self.store.id(our), rule_of(stored.verdict)?))),
        }
    }
}
