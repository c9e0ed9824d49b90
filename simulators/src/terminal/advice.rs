//! The advices that a terminal owes the switch: each is sent until it is answered with 00, and none is dropped.

use iso8583::Message;

use super::config::Timers;
use super::key::TxKey;

/// A terminal that holds so many advices takes no more orders. A late approval may add one still, so a few more than
/// this can be held: at most one for each request that is remembered.
pub const ADVICES_MAX: usize = 100;

/// An advice that waits for its answer.
#[derive(Clone, Debug, PartialEq)]
struct Owed {
    key: TxKey,
    /// As it is sent first: 0220 or 0420.
    message: Message,
    /// How often it was sent.
    sendings: u32,
    /// When it is sent next; monotonic, microseconds.
    next_us: u64,
}

/// All advices of a terminal, oldest first. Part of what a power loss leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Advices(Vec<Owed>);

impl Advices {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes an advice; it is due at once.
    pub(super) fn add(&mut self, key: TxKey, message: Message) {
        self.0.push(Owed { key, message, sendings: 0, next_us: 0 });
    }

    /// A new connection: whatever waits is due at once.
    pub(super) fn all_due(&mut self) {
        self.0.iter_mut().for_each(|owed| owed.next_us = 0);
    }

    /// What is due, marked as sent. From the second sending on it is a repeat.
    pub(super) fn take_due(&mut self, now_us: u64, timers: &Timers) -> Vec<Message> {
        let due = self.0.iter_mut().filter(|owed| owed.next_us <= now_us);
        due.map(|owed| {
            let doublings = owed.sendings.min(20);
            let pause_ms = (timers.advice_repeat_ms_min << doublings).min(timers.advice_repeat_ms_max);
            owed.next_us = now_us + pause_ms * 1_000;
            owed.sendings = owed.sendings.saturating_add(1);
            let mut message = owed.message.clone();
            if owed.sendings > 1 {
                message.set_mti(message.mti().repeat());
            }
            message
        })
        .collect()
    }

    /// When the next one is due.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.0.iter().map(|owed| owed.next_us).min()
    }

    /// The key of the one that this is the name of.
    pub(super) fn find(&self, is_it: impl Fn(&TxKey) -> bool) -> Option<TxKey> {
        self.0.iter().map(|owed| &owed.key).find(|key| is_it(key)).cloned()
    }

    /// Its answer has come.
    pub(super) fn forget(&mut self, key: &TxKey) {
        self.0.retain(|owed| owed.key != *key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_repeats_say_so() {
        let timers = Timers { advice_repeat_ms_min: 10, advice_repeat_ms_max: 35, ..Timers::default() };
        let key: TxKey = "0420/970418/HN000001/2022-05-03T01:02:03Z/000017".parse().unwrap();
        let mut advices = Advices::default();
        advices.add(key.clone(), Message::new(Mti::new(420)));
        let mut sent = Vec::new();
        for _ in 0..5 {
            let at_us = advices.next_us().unwrap();
            assert!(at_us == 0 || advices.take_due(at_us - 1, &timers).is_empty());
            let due = advices.take_due(at_us, &timers);
            sent.extend(due.iter().map(|message| (at_us / 1_000, message.mti().value())));
        }
        assert_eq!(sent, [(0, 420), (10, 421), (30, 421), (65, 421), (100, 421)]);
        advices.all_due();
        assert_eq!(advices.take_due(101_000, &timers).len(), 1);
        assert_eq!(advices.find(|owed| owed.stan == 17), Some(key.clone()));
        advices.forget(&key);
        assert_eq!((advices.len(), advices.next_us()), (0, None));
    }
}
