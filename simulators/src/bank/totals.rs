//! What the bank's day comes to by its own ledger, for 0520 of the switch (docs/interface.md#totals).

use std::str::FromStr;

use iso8583::Message;

use super::ledger::{Entry, Ledger};

/// How a bank answers when it is asked for its totals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum TotalsManner {
    /// As its ledger says.
    #[default]
    Right,
    /// So much more withdrawn than its ledger says, minor units: out of balance.
    Off(u64),
    /// Not at all.
    Silent,
    /// So many milliseconds late.
    Late(u64),
}

impl FromStr for TotalsManner {
    type Err = String;

    /// Reads `right`, `off:1000000`, `silent` or `late:2000`.
    fn from_str(text: &str) -> Result<TotalsManner, String> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let number = number.map(str::parse::<u64>).transpose().map_err(|_| format!("`{text}`: no number"))?;
        match (name, number) {
            ("right", None) => Ok(TotalsManner::Right),
            ("off", Some(minor)) => Ok(TotalsManner::Off(minor)),
            ("silent", None) => Ok(TotalsManner::Silent),
            ("late", Some(ms)) => Ok(TotalsManner::Late(ms)),
            _ => Err(format!("`{text}` is none of right, off:MINOR, silent, late:MS")),
        }
    }
}

/// Counts and sums of a day. A bank knows no fees: it claims neither them nor the net.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct DayTotals {
    /// DE74 to DE80.
    counts: [u64; 7],
    /// DE86 to DE89, minor units.
    amounts_minor: [u64; 4],
}

impl DayTotals {
    /// Of a day, `MMDD`: what was approved, and what was taken back.
    pub(crate) fn of(ledger: &Ledger, day: &str) -> DayTotals {
        let mut totals = DayTotals::default();
        let of_day = ledger.entries().iter().filter(|entry| &*entry.day == day && &*entry.code == "00");
        of_day.for_each(|entry| totals.add(entry));
        totals
    }

    fn add(&mut self, entry: &Entry) {
        let moved_minor = entry.postings.first().map_or(0, |posting| posting.amount_minor.unsigned_abs());
        let is_back = entry.mti == 420;
        if is_back && moved_minor == 0 {
            return;
        }
        let (place, amount) = match entry.processing.get(..2) {
            Some("21") => (0, Some(0)),
            Some("01") => (2, Some(2)),
            Some("40") => (4, None),
            _ => (6, None),
        };
        self.counts[place + usize::from(is_back)] += 1;
        if let Some(amount) = amount {
            self.amounts_minor[amount + usize::from(is_back)] += moved_minor;
        }
    }

    /// Writes them into an answer, on a link with `scale` of its minor units to one of the ledger's.
    pub(crate) fn write(&self, answer: &mut Message, scale: u64) {
        for (element, count) in (74..).zip(self.counts) {
            answer.set_number(element, count, 10);
        }
        for (element, amount_minor) in (86..).zip(self.amounts_minor) {
            answer.set_number(element, amount_minor * scale, 16);
        }
    }

    /// Whether a message says the same of everything that it says.
    pub(crate) fn is_in(&self, message: &Message, scale: u64) -> bool {
        let counts = (74..).zip(self.counts);
        let amounts = (86..).zip(self.amounts_minor.map(|minor| minor * scale));
        counts.chain(amounts).all(|(element, value)| message.number(element).is_none_or(|said| said == value))
    }

    /// So much more was withdrawn.
    pub(crate) fn off_by(mut self, minor: u64) -> DayTotals {
        self.amounts_minor[2] += minor;
        self
    }
}
