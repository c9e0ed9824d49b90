//! How many advices of one terminal are recorded that nothing waits for: a terminal that makes them up must not fill the disk.

use crate::ids::TerminalId;
use crate::unordered::Unordered;

/// Of a transaction whose request is known so many advices are recorded at whatever rate they come; an honest terminal has one or two.
pub const ADVICES_HEARD_MAX: usize = 8;

/// Advices of one terminal beyond that, or about nothing that is known, which are recorded at once after a rest: what an ATM can have
/// stored over a day without a link, at one transaction a minute or so.
pub const UNKNOWN_ADVICES_MAX: u64 = 1_000;

/// One more of them in so many milliseconds. An ATM takes longer for one transaction.
pub const UNKNOWN_ADVICE_EVERY_MS: u64 = 5_000;

const EVERY_US: u64 = UNKNOWN_ADVICE_EVERY_MS * 1_000;

/// What each terminal has used of it: one entry for each that has sent such an advice, and so no more than are configured. A restart
/// begins anew.
#[derive(Default)]
pub(crate) struct AdviceRate {
    used: Unordered<TerminalId, Used>,
}

struct Used {
    /// All of it is there again then, monotonic microseconds.
    whole_at_us: u64,
    /// That it is used up was told.
    is_told: bool,
}

/// Whether one more is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// It is.
    Left,
    /// It is not, the first one since there was room for all.
    FirstWithout,
    /// It is not, like others before it.
    Without,
}

impl AdviceRate {
    /// Takes room for one of a terminal's.
    pub(crate) fn take(&mut self, now_us: u64, terminal: TerminalId) -> Room {
        let used = self.used.get_or_insert_with(terminal, || Used { whole_at_us: now_us, is_told: false });
        if used.whole_at_us <= now_us {
            *used = Used { whole_at_us: now_us, is_told: false };
        }
        let whole_at_us = used.whole_at_us.saturating_add(EVERY_US);
        if whole_at_us - now_us <= UNKNOWN_ADVICES_MAX * EVERY_US {
            used.whole_at_us = whole_at_us;
            return Room::Left;
        }
        if std::mem::replace(&mut used.is_told, true) { Room::Without } else { Room::FirstWithout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TerminalId = TerminalId(*b"HN000001");
    const OTHER: TerminalId = TerminalId(*b"HN000002");

    fn left(rate: &mut AdviceRate, now_us: u64, terminal: TerminalId, tries: u64) -> u64 {
        (0..tries).filter(|_| rate.take(now_us, terminal) == Room::Left).count() as u64
    }

    #[test]
    fn there_is_room_for_a_burst_and_for_one_more_in_each_while() {
        let mut rate = AdviceRate::default();
        let start_us = 7;
        assert_eq!(left(&mut rate, start_us, ONE, UNKNOWN_ADVICES_MAX), UNKNOWN_ADVICES_MAX);
        assert_eq!(rate.take(start_us, ONE), Room::FirstWithout, "told once");
        assert_eq!(rate.take(start_us + EVERY_US - 1, ONE), Room::Without);
        assert_eq!(left(&mut rate, start_us + EVERY_US, ONE, 10), 1);
        assert_eq!(left(&mut rate, start_us + 11 * EVERY_US, ONE, 100), 10, "as many as time has passed");
        assert_eq!(rate.take(start_us + 11 * EVERY_US, ONE), Room::Without, "and told no more");
        assert_eq!(left(&mut rate, start_us, OTHER, 1), 1, "each terminal has its own");
    }

    #[test]
    fn what_was_used_comes_back_and_no_more_than_that() {
        let mut rate = AdviceRate::default();
        left(&mut rate, 0, ONE, UNKNOWN_ADVICES_MAX + 1);
        let rested_us = UNKNOWN_ADVICES_MAX * EVERY_US;
        assert_eq!(left(&mut rate, 100 * rested_us, ONE, 2 * UNKNOWN_ADVICES_MAX), UNKNOWN_ADVICES_MAX);
        let mut rate = AdviceRate::default();
        left(&mut rate, 0, ONE, UNKNOWN_ADVICES_MAX + 1);
        left(&mut rate, rested_us, ONE, UNKNOWN_ADVICES_MAX);
        assert_eq!(rate.take(rested_us, ONE), Room::FirstWithout, "another time, told anew");
    }

    /// An ATM without a link for a day, and one that times out on everything.
    #[test]
    fn an_honest_terminal_never_comes_to_the_bound() {
        let mut rate = AdviceRate::default();
        assert_eq!(left(&mut rate, 0, ONE, 400), 400, "stored over an outage");
        for transaction in 1..10_000_u64 {
            assert_eq!(rate.take(transaction * 20_000_000, ONE), Room::Left, "one each 20 s");
        }
    }
}
