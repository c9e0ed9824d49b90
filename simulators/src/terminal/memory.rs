//! What of a terminal outlives a power loss: its notes, its advices, and how its last requests ended.

use std::collections::VecDeque;

use super::advice::Advices;
use super::key::TxKey;
use super::message::Original;
use super::vault::Vault;
use crate::pins::PinPad;

/// So many ended requests are remembered: an answer to an older one is counted and dropped.
const RECENT_MAX: usize = 256;

/// STAN goes from 1 to this.
const STAN_MAX: u32 = 999_999;

/// A terminal's store. A driver that keeps a copy of it before it carries out the outputs of an input can start the
/// terminal again from that copy.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(super) vault: Vault,
    pub(super) advices: Advices,
    /// The money request that was sent and has not ended.
    pub(super) open: Option<Original>,
    /// The last money request that has ended.
    pub(super) status: Option<Status>,
    recent: VecDeque<Ended>,
    stan: u32,
    /// PINs entered so far, as a pad that derives its keys counts them.
    pin_counter: u32,
    last_sent_s: i64,
}

/// What DE48 says of a money request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) key: TxKey,
    pub(super) amount_vnd: u64,
    pub(super) moved_vnd: u64,
}

/// A request that has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) original: Original,
    pub(super) end: End,
}

/// How a request ended, as far as a later answer to it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Carried out after an approval.
    CarriedOut,
    /// Not carried out, and the switch is told so; or cash was kept, and the switch is told so.
    Told,
    /// Refused, and nothing more was to be said.
    Refused,
    /// No money in it.
    Inquiry,
}

impl Memory {
    pub(super) fn new(terminal: &str) -> Memory {
        Memory {
            vault: Vault::new(terminal),
            advices: Advices::default(),
            open: None,
            status: None,
            recent: VecDeque::new(),
            stan: 0,
            pin_counter: 0,
            last_sent_s: 0,
        }
    }

    /// Begins STANs at the microsecond of the second that the wall clock shows, and one: for a terminal that has no memory of what it used before, perhaps
    /// within this very second.
    pub(super) fn begin_stan_by_clock(&mut self, wall_us: i64) {
        self.stan = wall_us.rem_euclid(1_000_000) as u32;
    }

    /// A name that this terminal has never used: DE7 does not fall when the clock does, and STAN goes round.
    pub(super) fn new_key(&mut self, mti: u16, acquirer: &str, de41: &str, wall_ms: i64) -> TxKey {
        self.stan = self.stan % STAN_MAX + 1;
        self.last_sent_s = self.last_sent_s.max(wall_ms.div_euclid(1_000));
        let (acquirer, terminal) = (acquirer.into(), de41.into());
        TxKey { mti, acquirer, terminal, sent_at_s: self.last_sent_s, stan: self.stan }
    }

    /// The counter of one more PIN: never the same twice.
    pub(super) fn next_pin_counter(&mut self) -> u32 {
        self.pin_counter = PinPad::next_counter(self.pin_counter);
        self.pin_counter
    }

    /// DE48: of a request under way nothing is known.
    pub(super) fn de48(&self) -> Option<String> {
        let (key, outcome, amount_vnd) = match (&self.open, &self.status) {
            (Some(open), _) => (&open.key, 9, 0),
            (None, Some(status)) => {
                let outcome = match status.moved_vnd {
                    0 => 0,
                    moved_vnd if moved_vnd == status.amount_vnd => 1,
                    _ => 2,
                };
                (&status.key, outcome, status.moved_vnd)
            }
            (None, None) => return None,
        };
        Some(format!("{}{outcome}{amount_vnd:012}", key.twenty_digits()))
    }

    pub(super) fn remember(&mut self, original: Original, end: End) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Ended { original, end });
    }

    /// The newest ended request of this name.
    pub(super) fn ended(&mut self, is_it: impl Fn(&TxKey) -> bool) -> Option<&mut Ended> {
        self.recent.iter_mut().rev().find(|ended| is_it(&ended.original.key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_never_used_twice_though_the_clock_steps_back_and_stan_goes_round() {
        let mut memory = Memory::new("HN000001");
        memory.stan = 999_997;
        let names: Vec<(i64, u32)> = [5_000, 5_999, 3_000, 6_000]
            .into_iter()
            .map(|wall_ms| memory.new_key(200, "970418", "HN000001", wall_ms))
            .map(|key| (key.sent_at_s, key.stan))
            .collect();
        assert_eq!(names, [(5, 999_998), (5, 999_999), (5, 1), (6, 2)]);
    }

    /// Two visits of `simulators terminal` within a second had one transaction's name: the second was answered as a repeat.
    #[test]
    fn terminals_that_begin_within_one_second_have_names_of_their_own() {
        let first_of = |wall_us: i64| {
            let mut memory = Memory::new("HN000001");
            memory.begin_stan_by_clock(wall_us);
            memory.new_key(200, "970418", "HN000001", wall_us / 1_000)
        };
        let names = [5_000_000, 5_000_900, 5_999_998].map(first_of).map(|key| (key.sent_at_s, key.stan));
        assert_eq!(names, [(5, 1), (5, 901), (5, 999_999)]);
    }

    #[test]
    fn the_status_says_what_is_known() {
        let mut memory = Memory::new("HN000001");
        assert_eq!(memory.de48(), None);
        let key = memory.new_key(200, "970418", "HN000001", 1_651_539_723_000);
        for (moved_vnd, expected) in
            [(0, "0000000000000"), (50_000, "2000000050000"), (90_000, "1000000090000")]
        {
            memory.status = Some(Status { key: key.clone(), amount_vnd: 90_000, moved_vnd });
            assert_eq!(memory.de48().unwrap(), format!("02000000010503010203{expected}"));
        }
        let processing_code = "010000".into();
        let open =
            Original { key, pan: *b"9704990012030000017", processing_code, amount_vnd: 90_000, rrn: None };
        memory.open = Some(open);
        assert_eq!(memory.de48().unwrap(), "020000000105030102039000000000000");
    }
}
