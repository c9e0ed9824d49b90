//! What the business days come to, by the log: read on from where the last look has ended.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use journal::{LogReader, ReadError};
use processor::{Body, Day, Position};
use reconciliation::{Book, FeeTable, Sheet};

/// One page waits so long for the log to be read; what is left is read by the next.
const READING_MAX: Duration = Duration::from_secs(2);

/// The clock is looked at once in so many records.
const RECORDS_BETWEEN_LOOKS: u64 = 1_024;

/// Of a day that ended before so many others, single transactions are let go: what it came to stays.
const DAYS_HELD: usize = 7;

/// The days as far as the log has been read.
pub(crate) struct Days {
    read: Mutex<Read>,
}

struct Read {
    book: Book,
    /// Of these records the days know nothing: they belong to transactions that were let go.
    left_out: u64,
}

/// The days at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The newest first.
    pub(crate) sheets: Vec<Sheet>,
    /// Records read, and records that are there.
    pub(crate) read: (Position, Position),
    /// Records that came so late that no day has them.
    pub(crate) left_out: u64,
}

impl Told {
    pub(crate) fn is_whole(&self) -> bool {
        self.read.0 >= self.read.1
    }

    /// How much of the log is read, percent.
    pub(crate) fn percent(&self) -> u64 {
        (self.read.0 * 100).checked_div(self.read.1).unwrap_or(100).min(100)
    }
}

impl Days {
    pub(crate) fn new(first_day: Day) -> Days {
        let book = Book::new(FeeTable::default(), Some(first_day));
        Days { read: Mutex::new(Read { book, left_out: 0 }) }
    }

    /// Reads on, and tells the days. Waits for a disk.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn tell(&self, log: &LogReader) -> Result<Told, ReadError> {
        let mut read = self.read.lock().expect("nobody panics while reading days");
        let end = log.synced();
        let began = Instant::now();
        let (from, left) = (read.book.next(), end.saturating_sub(read.book.next()));
        for next in log.scan(from).take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let (position, record) = next?;
            let broken = read.book.apply(position, &record).is_err();
            // A bank's acknowledgement of a reversal that was counted long ago changes no day.
            if broken && !matches!(record.body, Body::Reversed(_)) {
                read.left_out += 1;
            }
            if let Body::Cutover(_) = record.body {
                let held = read.book.sheets().map(|sheet| sheet.day).collect::<Vec<_>>();
                if let Some(day) = held.len().checked_sub(DAYS_HELD).and_then(|first| held.get(first)) {
                    read.book.forget_before(*day);
                }
            }
            if position.is_multiple_of(RECORDS_BETWEEN_LOOKS) && began.elapsed() > READING_MAX {
                break;
            }
        }
        let mut sheets: Vec<Sheet> = read.book.sheets().cloned().collect();
        sheets.reverse();
        Ok(Told { sheets, read: (read.book.next(), end), left_out: read.left_out })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{LogOf, Use, day};

    #[test]
    fn a_day_comes_to_what_the_log_says_and_is_read_on() {
        let log = LogOf::uses(&[
            Use { stan: 1, amount_minor: 500_000, ..Use::default() },
            Use { stan: 2, reversed: true, ..Use::default() },
            Use { stan: 3, declined: true, ..Use::default() },
        ]);
        let days = Days::new(day());
        let told = days.tell(&log.reader()).unwrap();
        assert!(told.is_whole() && told.left_out == 0, "{told:?}");
        let [sheet] = told.sheets.as_slice() else { panic!("{told:?}") };
        let totals = sheet.members.values().next().unwrap();
        assert_eq!(
            [76, 77, 88, 89, 97].map(|number| totals.element(number)),
            [2, 1, 2_500_000, 2_000_000, 500_000]
        );
        assert_eq!(days.tell(&log.reader()).unwrap().sheets, told.sheets, "nothing is counted twice");
    }
}
