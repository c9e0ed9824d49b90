//! The log folded into days as people and members have acted on them: the one function by which console, command line and the counter of members'
//! totals know what a day comes to.

use std::collections::BTreeMap;

use processor::{Day, Position, Record};
use reconciliation::{Book, Broken};

use crate::cases::{Casework, Closed};

/// A book that goes on from where it stopped, with each close laid in where it belongs.
#[derive(Clone, Debug)]
pub struct Days {
    /// As it is before the first record.
    unread: Book,
    book: Book,
    /// The closes that the book knows.
    closes: BTreeMap<Day, Position>,
    broken: u64,
    first_broken: Option<Broken>,
    times_begun: u64,
}

impl Days {
    /// Days of a book that has read nothing.
    pub fn new(unread: Book) -> Days {
        let (book, closes) = (unread.clone(), BTreeMap::new());
        Days { unread, book, closes, broken: 0, first_broken: None, times_begun: 1 }
    }

    /// The days as far as they are read.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The same, for who drains what has changed.
    pub fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// The days, which read no further.
    pub fn into_book(self) -> Book {
        self.book
    }

    /// Records that do not follow from those before them, and are counted by no day.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    /// The first of them.
    pub fn first_broken(&self) -> Option<Broken> {
        self.first_broken
    }

    /// How often the log was read from its first record: another number tells that all that the book had told before is void.
    pub fn times_begun(&self) -> u64 {
        self.times_begun
    }

    /// Reads on: `scan` gives the records from a position on, `goes_on` is asked behind each of them whether there is time for the next. Gives whether
    /// all were read.
    ///
    /// A close that comes to be known when the log is read beyond it is laid in behind: only where something was counted in the day since, or the close
    /// fixed other fees than it was counted with, all is read anew.
    ///
    /// # Errors
    /// What `scan` says; the records before it are counted.
    pub fn read_on<E, R>(
        &mut self,
        casework: &Casework,
        scan: impl FnOnce(Position) -> R,
        mut goes_on: impl FnMut(&mut Book, Position) -> bool,
    ) -> Result<bool, E>
    where
        R: IntoIterator<Item = Result<(Position, Record), E>>,
    {
        self.learn_closes(casework);
        // Days are closed in their order, and none ahead of the close before it.
        let mut closes = casework.closed().iter().skip(self.closes.len()).peekable();
        for next in scan(self.book.next()) {
            let (position, record) = next?;
            while let Some((day, closed)) = closes.next_if(|(_, closed)| closed.position <= position) {
                self.close(*day, closed);
            }
            if let Err(broken) = self.book.apply(position, &record) {
                self.broken += 1;
                self.first_broken = self.first_broken.or(Some(broken));
            }
            if !goes_on(&mut self.book, position) {
                self.say_what_was_said(casework);
                return Ok(false);
            }
        }
        let end = self.book.next();
        closes
            .take_while(|(_, closed)| closed.position <= end)
            .for_each(|(day, closed)| self.close(*day, closed));
        self.say_what_was_said(casework);
        Ok(true)
    }

    /// Fixes the fees of closed days, and begins anew where what was counted so far would have been counted otherwise.
    fn learn_closes(&mut self, casework: &Casework) {
        let closed = casework.closed();
        let is_gone =
            |(day, at): (&Day, &Position)| closed.get(day).map(|closed| closed.position) != Some(*at);
        let is_counted_otherwise = |(day, closed): (&Day, &Closed)| {
            let has_other_fees = closed.fees != *self.book.fees(*day);
            self.book.has_counted_from(*day, closed.position)
                || has_other_fees && self.book.has_counted_from(*day, 0)
        };
        let is_new = |(day, _): &(&Day, &Closed)| !self.closes.contains_key(day);
        if self.closes.iter().any(is_gone) || closed.iter().filter(is_new).any(is_counted_otherwise) {
            self.book = self.unread.clone();
            self.closes.clear();
            (self.broken, self.first_broken) = (0, None);
            self.times_begun += 1;
        }
        for (day, closed) in closed.iter().filter(|(day, _)| !self.closes.contains_key(*day)) {
            self.book.fix_fees(*day, closed.fees.clone());
        }
    }

    fn close(&mut self, day: Day, closed: &Closed) {
        self.book.close(day, closed.position, closed.at_ms);
        self.closes.insert(day, closed.position);
    }

    fn say_what_was_said(&mut self, casework: &Casework) {
        casework.settled().keys().for_each(|day| self.book.settle(*day));
        for ((day, bank), at_ms) in casework.acknowledged() {
            self.book.acknowledge(*day, *bank, *at_ms);
        }
    }
}
