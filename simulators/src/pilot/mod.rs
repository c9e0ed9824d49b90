//! The pilot of 2022, replayed: plan, run, report, audit.

mod chance;
mod command;
pub(crate) mod console;
mod draw;
pub(crate) mod metrics;
mod places;
mod plan;
mod report;
mod run;
pub(crate) mod switch;
mod town;
mod traffic;

pub use chance::Chance;
pub use command::{PilotArguments, PilotHsm, pilot};
pub use draw::{DEPOSIT_NOTES_MAX, Direction, WITHDRAWAL_NOTES_MAX, notes_with_sum};
pub use places::{BANKS, BRANCHES, Bank, Branch, Province};
pub use plan::{
    AMOUNT_VND, CASSETTES, CITIZEN_DAY_MAX, CardState, Plan, PlannedAccount, PlannedCitizen, PlannedTerminal,
    Purpose, TERMINAL_DAY_MAX, TROUBLES_EACH_MAX, TROUBLES_EACH_MIN, Trouble, USES, Visit, rrn_front,
    visit_of_rrn,
};
