//! Reconciliation: three sides of a day held against each other, and what a day comes to. No I/O, no clock.
//!
//! [`Matcher`] takes what the log, the banks' files and the machines' journals say, in any order and as it comes, and tells what
//! agrees, what does not, and what it must leave to a person. [`Book`] folds the log into our side and into what each day comes to.

mod bench;
mod book;
mod by_reference;
mod by_terminal;
pub mod calendar;
mod cash;
mod fees;
mod item;
mod kind;
mod lost_answers;
mod matcher;
mod report;
mod sheet;
mod store;
mod unordered;

pub use bench::{BENCH_PIECES_MAX, Bench, Piece};
pub use book::{Book, Broken, DAYS_HELD, Detail, Held, MONEY_MAX, TRANSACTIONS_MAX};
pub use cash::{Counter, Impossible, cash_exceptions, expected_minor};
pub use fees::{FEES_MAX, Fee, FeeTable};
pub use item::{CashLine, Ended, LineId, Ours, Posting};
pub use kind::{Group, Kind, Rule};
pub use lost_answers::{Explained, explained};
pub use matcher::{DECISIONS_MAX, Decision, Full, ITEMS_MAX, Matcher, Misfit, Rules};
pub use report::{Aspect, CaseId, Exception, Pair, SUGGESTIONS_MAX, Summary};
pub use sheet::{
    Claimed, Difference, ELEMENTS, Element, Entry, Exchanged, Owed, Sheet, State, Tally, Totals, differences,
};
