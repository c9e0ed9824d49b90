//! What the switch remembers of totals: answers for repeats, and the 0520 that each bank was last sent.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::ids::{BankIdentity, Day, Institution, TerminalId};
use crate::record::{Side, Totals, TotalsStep};

/// So many answers to 0500 and 0520 are remembered of each member on each side; a repeat of an older one is taken as new. One member
/// lets no other's be forgotten, and members are those of the configuration.
pub const TOTALS_REMEMBERED_MAX: usize = 32;

/// Part of the fold over all records.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TotalsKept {
    /// What members have said by 0500 and 0520, with our figures beside it; the newest last.
    said: VecDeque<Totals>,
    /// The 0520 that a bank was last sent, and how that went.
    asked: BTreeMap<Institution, Totals>,
    ended: Option<EndedDay>,
}

/// The day that the newest CUTOVER has ended.
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
                if let Some(asked) = self.asked.get_mut(&totals.member)
                    && asked.name == totals.name
                {
                    *asked = totals.clone();
                }
            }
        }
    }

    /// Adds a CUTOVER.
    pub fn cut_over(&mut self, from: Option<Day>, at_ms: i64) {
        self.ended = Some(EndedDay { day: from, at_ms });
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

    /// The 0520 that a bank was last sent.
    pub fn asked(&self, bank: Institution) -> Option<&Totals> {
        self.asked.get(&bank)
    }

    /// The day that was ended last.
    pub fn ended(&self) -> Option<EndedDay> {
        self.ended
    }
}
