//! A simulated day with known truth: the switch's log, banks' files, machines' journals and counters, with planted damage.
//!
//! Every side is drawn from one plan. Banks' and machines' files are written here, by what banks and machines would have done; of the switch
//! the records alone are used, to write a log that is one.

mod command;
mod config;
mod damage;
mod files;
mod log;
mod plan;
mod reconcile;
#[cfg(test)]
mod tests;

pub use command::{DayArguments, day, write_day};
