//! What the switch remembers of totals: answers for repeats, and the 0520 that each bank was last sent.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ids::{BankIdentity, Day, Institution, TerminalId};
use crate::record::{Side, Totals, TotalsStep};

/// So many answers to 0500 and 0520 are remembered of each member on each side; a repeat of an older one is taken as new. One member
/// lets no other's be forgotten, and members are those of the configuration.
pub const TOTALS_REMEMBERED_MAX: usize = 32;

/// So many days that have ended are remembered, for banks are asked for each in its turn. Where one more ends, the oldest is given up for whoever
/// was not asked for it yet.
pub const ENDED_DAYS_MAX: usize = 62;

/// Part of the fold over all records.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TotalsKept {
    /// What members have said by 0500 and 0520, with our figures beside it; the newest last.
    said: VecDeque<Totals>,
    /// The day that a bank was last asked for by 0520, or that was given up without, and how that went. It is through with those before.
    asked: BTreeMap<Institution, Totals>,
    ended: Option<EndedDay>,
    /// Those that ended before it, the newest last. Checkpoints that were written before there were any have none.
    #[serde(default)]
    ended_before: VecDeque<EndedDay>,
}

/// A day that a CUTOVER has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EndedDay {
    /// `None` where the log does not name it: the first day of the configuration.
    pub day: Option<Day>,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

impl TotalsKept {
    /// Adds a TOTALS record.
    pub fn apply(&mut self, totals: &Totals) {
        match totals.step {
            TotalsStep::Said => {
                let is_members = |said: &Totals| (said.side, said.member) == (totals.side, totals.member);
                while self.said.iter().filter(|said| is_members(said)).count() >= TOTALS_REMEMBERED_MAX
                    && let Some(oldest) = self.said.iter().position(is_members)
                {
                    self.said.remove(oldest);
                }
                self.said.push_back(totals.clone());
            }
            TotalsStep::Asked => {
                self.asked.insert(totals.member, totals.clone());
            }
            TotalsStep::Answered | TotalsStep::GivenUp => {
                let before = self.asked.get(&totals.member);
                let is_of_it = before.is_some_and(|asked| asked.name == totals.name);
                let is_unasked =
                    totals.step == TotalsStep::GivenUp && before.is_none_or(|asked| asked.day < totals.day);
                if is_of_it || is_unasked {
                    self.asked.insert(totals.member, totals.clone());
                }
            }
        }
    }

    /// Adds a CUTOVER.
    pub fn cut_over(&mut self, from: Option<Day>, at_ms: i64) {
        self.ended_before.extend(self.ended.replace(EndedDay { day: from, at_ms }));
        while self.ended_before.len() >= ENDED_DAYS_MAX {
            self.ended_before.pop_front();
        }
    }

    /// What was said under this name.
    pub fn said(
        &self,
        side: Side,
        member: Institution,
        terminal: Option<TerminalId>,
        name: BankIdentity,
    ) -> Option<&Totals> {
        let is_it = |said: &&Totals| {
            (said.name, said.side, said.member, said.terminal) == (name, side, member, terminal)
        };
        self.said.iter().rev().find(is_it)
    }

    /// The day that a bank was last asked for, or that was given up without.
    pub fn asked(&self, bank: Institution) -> Option<&Totals> {
        self.asked.get(&bank)
    }

    /// The days that have ended, the oldest first; [`ENDED_DAYS_MAX`] at most.
    pub fn ended(&self) -> impl DoubleEndedIterator<Item = EndedDay> + '_ {
        self.ended_before.iter().copied().chain(self.ended)
    }

    /// One more CUTOVER makes this day, the oldest, forgotten.
    pub fn is_next_forgotten(&self) -> Option<EndedDay> {
        self.ended_before.front().copied().filter(|_| self.ended_before.len() + 1 >= ENDED_DAYS_MAX)
    }
}
