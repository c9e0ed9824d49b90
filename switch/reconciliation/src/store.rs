//! All items in memory, small and of one size, found by reference and by terminal.

use std::ops::{Index, IndexMut};

use processor::{Day, Institution, Rrn, TerminalId};

use crate::item::{CashLine, Ended, LineId, Ours, Posting};
use crate::kind::{Kind, Rule};
use crate::unordered::Heads;

/// No item, no STAN, no sequence.
pub(crate) const NONE: u32 = u32::MAX;
/// So many items are in one piece of memory: the store grows by pieces, and nothing is moved.
const PIECE: usize = 1 << 16;
const NO_RRN: [u8; 12] = [0; 12];
const NO_TERMINAL: [u8; 8] = [0; 8];

/// Which side an item is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Side {
    Ours,
    Bank,
    Machine,
}

/// Where an item, or one aspect of one of ours, stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// No counterpart has been found.
    Open,
    /// Nothing is expected of the other side, and it has nothing.
    NothingDue,
    Matched(Rule),
    /// Several counterparts would do: nobody but a person or later evidence can tell.
    Ambiguous,
    Found(Kind, Rule),
}

/// One item. An `Ours` has two aspects, what the bank did and what the machine did.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// [`LineId::line`].
    pub(crate) line: u64,
    /// Net of ours; amount of a posting; cash that moved.
    pub(crate) amount: i64,
    /// Gross of ours; what a journal says was asked for.
    pub(crate) gross: i64,
    pub(crate) rrn: [u8; 12],
    pub(crate) terminal: [u8; 8],
    pub(crate) at_s: u32,
    /// The terminal's, for ours and journals; the switch's for postings.
    pub(crate) stan: u32,
    /// The switch's STAN at the bank, for ours.
    pub(crate) bank_stan: u32,
    pub(crate) sequence: u32,
    pub(crate) day: Day,
    /// Of ours; its own day where it has no reversal.
    pub(crate) reversal_day: Day,
    /// From when a bank gives back what is ours; [`NONE`] where it does not.
    pub(crate) reversal_at_s: u32,
    /// Until when, [`NONE`] while it has not acknowledged that.
    pub(crate) reversed_at_s: u32,
    /// In [`Store::files`].
    pub(crate) file: u32,
    pub(crate) next_rrn: u32,
    pub(crate) next_terminal: u32,
    /// The one of ours that a line belongs to.
    pub(crate) partner: u32,
    /// In [`Store::banks`].
    pub(crate) bank: u16,
    /// In [`Store::banks`], of ours.
    pub(crate) acquirer: u16,
    pub(crate) currency: u16,
    pub(crate) count: u16,
    pub(crate) side: Side,
    pub(crate) ended: Ended,
    pub(crate) is_cash: bool,
    pub(crate) is_suspense: bool,
    pub(crate) is_retracted: bool,
    /// A run has to look at its group.
    pub(crate) is_new: bool,
    /// A person has said what this line, or this one of ours by its bank's side, belongs to.
    pub(crate) is_by_hand: bool,
    /// The same for the machine's side of one of ours.
    pub(crate) is_cash_by_hand: bool,
    /// Ours by the bank's side; a line by its own.
    pub(crate) verdict: Verdict,
    /// Ours by the machine's side.
    pub(crate) cash: Verdict,
    /// The verdict was given by reference, so the terminal's round leaves it.
    pub(crate) is_settled: bool,
    pub(crate) is_cash_settled: bool,
    /// Of ours that is settled by the machine's side: the terminal's round has judged it with lines beside those that a reference has settled.
    pub(crate) has_cash_beside: bool,
}

impl Stored {
    /// Money should have moved at the bank, or may have.
    pub(crate) fn is_due(&self) -> bool {
        self.amount != 0 || self.ended == Ended::Unknown
    }

    /// What a reversal of ours gives back: the bank posts it with the other sign.
    pub(crate) fn given_back(&self) -> Option<i64> {
        let is_back = self.side == Side::Ours && self.ended == Ended::Reversed && self.gross != self.amount;
        is_back.then_some(self.gross - self.amount)
    }

    pub(crate) fn has_rrn(&self) -> bool {
        self.rrn != NO_RRN
    }

    pub(crate) fn has_terminal(&self) -> bool {
        self.terminal != NO_TERMINAL
    }

    /// The order in which a group is looked at: it does not depend on when an item came.
    pub(crate) fn order(&self, files: &[u64]) -> (Side, u32, i64, u64, u64) {
        (self.side, self.at_s, self.amount, files[self.file as usize], self.line)
    }
}

/// The items.
#[derive(Clone)]
pub(crate) struct Store {
    pieces: Vec<Vec<Stored>>,
    length: u32,
    pub(crate) files: Vec<u64>,
    pub(crate) banks: Vec<Institution>,
    by_digest: Heads<u64>,
    by_rrn: Heads<[u8; 12]>,
    by_terminal: Heads<[u8; 8]>,
}

impl Index<u32> for Store {
    type Output = Stored;

    fn index(&self, item: u32) -> &Stored {
        &self.pieces[item as usize / PIECE][item as usize % PIECE]
    }
}

impl IndexMut<u32> for Store {
    fn index_mut(&mut self, item: u32) -> &mut Stored {
        &mut self.pieces[item as usize / PIECE][item as usize % PIECE]
    }
}

impl Default for Store {
    fn default() -> Store {
        Store {
            pieces: Vec::new(),
            length: 0,
            files: vec![LineId::LOG],
            banks: Vec::new(),
            by_digest: Heads::default(),
            by_rrn: Heads::default(),
            by_terminal: Heads::default(),
        }
    }
}

impl Store {
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    pub(crate) fn id(&self, item: u32) -> LineId {
        let stored = &self[item];
        LineId { file: self.files[stored.file as usize], line: stored.line }
    }

    pub(crate) fn bank(&self, item: u32) -> Institution {
        self.banks[usize::from(self[item].bank)]
    }

    /// Puts an item at the front of its chains.
    fn push(&mut self, mut stored: Stored) -> u32 {
        let item = self.length;
        if stored.has_rrn() {
            stored.next_rrn = self.by_rrn.put(stored.rrn, item).unwrap_or(NONE);
        }
        stored.next_terminal = self.by_terminal.put(stored.terminal, item).unwrap_or(NONE);
        if (item as usize).is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        self.pieces.last_mut().expect("a piece with room").push(stored);
        self.length += 1;
        item
    }

    /// What the log says of a transaction: again when it says more.
    pub(crate) fn put_ours(&mut self, ours: &Ours) -> u32 {
        let (bank, acquirer) = (self.bank_index(ours.bank), self.bank_index(ours.acquirer));
        let stored = Stored {
            line: ours.id.line,
            acquirer,
            amount: ours.net_minor,
            gross: ours.gross_minor,
            rrn: ours.rrn.0,
            terminal: ours.terminal.0,
            at_s: seconds(ours.at_s),
            stan: ours.terminal_stan,
            bank_stan: ours.identity.stan,
            reversal_day: ours.reversal_day.unwrap_or(ours.day),
            reversal_at_s: ours.reversal_at_s.map_or(NONE, seconds),
            reversed_at_s: ours.reversed_at_s.map_or(NONE, seconds),
            ended: ours.ended,
            is_cash: ours.is_cash,
            is_suspense: ours.is_suspense,
            ..blank(Side::Ours, 0, bank, ours.day, ours.currency)
        };
        match self.find_ours(ours) {
            None => self.push(stored),
            Some(item) => {
                let Stored { next_rrn, next_terminal, .. } = self[item];
                self[item] = Stored { next_rrn, next_terminal, ..stored };
                item
            }
        }
    }

    /// What was said of a transaction before.
    pub(crate) fn find_ours(&self, ours: &Ours) -> Option<u32> {
        self.with_rrn(&ours.rrn.0).find(|item| {
            let known = &self[*item];
            known.side == Side::Ours && known.line == ours.id.line
        })
    }

    pub(crate) fn put_posting(&mut self, posting: &Posting) -> u32 {
        let file = self.file(posting.id.file);
        let bank = self.bank_index(posting.bank);
        self.push(Stored {
            line: posting.id.line,
            amount: posting.amount_minor,
            rrn: posting.rrn.map_or(NO_RRN, |rrn| rrn.0),
            terminal: posting.terminal.map_or(NO_TERMINAL, |terminal| terminal.0),
            at_s: seconds(posting.at_s),
            stan: posting.stan.unwrap_or(NONE),
            sequence: posting.sequence.unwrap_or(NONE),
            count: posting.count,
            ..blank(Side::Bank, file, bank, posting.day, posting.currency)
        })
    }

    pub(crate) fn put_cash_line(&mut self, line: &CashLine) -> u32 {
        let file = self.file(line.id.file);
        self.push(Stored {
            line: line.id.line,
            amount: line.moved_minor,
            gross: line.requested_minor,
            rrn: line.rrn.map_or(NO_RRN, |rrn| rrn.0),
            terminal: line.terminal.0,
            at_s: seconds(line.at_s),
            stan: line.stan.unwrap_or(NONE),
            sequence: line.sequence.unwrap_or(NONE),
            is_retracted: line.is_retracted,
            ..blank(Side::Machine, file, u16::MAX, line.day, line.currency)
        })
    }

    /// All items with this reference, the newest first.
    pub(crate) fn with_rrn(&self, rrn: &[u8; 12]) -> impl Iterator<Item = u32> {
        chain(self.by_rrn.get(rrn), |item| self[item].next_rrn)
    }

    /// All items of this terminal, the newest first.
    pub(crate) fn at_terminal(&self, terminal: &[u8; 8]) -> impl Iterator<Item = u32> {
        chain(self.by_terminal.get(terminal), |item| self[item].next_terminal)
    }

    fn file(&mut self, digest: u64) -> u32 {
        if let Some(known) = self.by_digest.get(&digest) {
            return known;
        }
        self.files.push(digest);
        let file = self.files.len() as u32 - 1;
        self.by_digest.put(digest, file);
        file
    }

    fn bank_index(&mut self, bank: Institution) -> u16 {
        let known = self.banks.iter().position(|known| *known == bank);
        known.unwrap_or_else(|| {
            self.banks.push(bank);
            self.banks.len() - 1
        }) as u16
    }

    pub(crate) fn rrn(&self, item: u32) -> Option<Rrn> {
        self[item].has_rrn().then_some(Rrn(self[item].rrn))
    }

    pub(crate) fn terminal(&self, item: u32) -> Option<TerminalId> {
        self[item].has_terminal().then_some(TerminalId(self[item].terminal))
    }
}

fn chain(head: Option<u32>, next: impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
    std::iter::successors(head, move |item| Some(next(*item)).filter(|next| *next != NONE))
}

/// Moments outside 1970 to 2106 are put at the nearer end: no day of a switch is there.
fn seconds(at_s: i64) -> u32 {
    at_s.clamp(0, i64::from(u32::MAX)) as u32
}

fn blank(side: Side, file: u32, bank: u16, day: Day, currency: u16) -> Stored {
    Stored {
        line: 0,
        amount: 0,
        gross: 0,
        rrn: NO_RRN,
        terminal: NO_TERMINAL,
        at_s: 0,
        stan: NONE,
        bank_stan: NONE,
        sequence: NONE,
        day,
        reversal_day: day,
        reversal_at_s: NONE,
        reversed_at_s: NONE,
        file,
        next_rrn: NONE,
        next_terminal: NONE,
        partner: NONE,
        bank,
        acquirer: u16::MAX,
        currency,
        count: 1,
        side,
        ended: Ended::Completed,
        is_cash: true,
        is_suspense: false,
        is_retracted: false,
        is_new: true,
        is_by_hand: false,
        is_cash_by_hand: false,
        verdict: Verdict::Open,
        cash: Verdict::Open,
        is_settled: false,
        is_cash_settled: false,
        has_cash_beside: false,
    }
}
