//! A bank core: ledger, idempotency, tombstones; a machine without I/O and a thin socket driver.

mod driver;
mod fault;
mod file;
mod holds;
mod identity;
mod ledger;
mod machine;
mod request;
mod settings;
#[cfg(test)]
pub(crate) mod tests;
mod totals;

pub use driver::{Bank, BankConfig, CONNECTIONS_MAX, Handle, StartError};
pub use fault::{Fault, FaultRule, Rule, Seen, no_faults, rules};
pub use file::{LedgerFile, LedgerFileError, read_lines};
pub use holds::{HOLD_BYTES, read_holds};
pub use identity::Identity;
pub use ledger::{BrokenLine, Entry, Header, LEDGER_VERSION, Ledger, Line, OPENING, Posting, SETTLEMENT};
pub use machine::{DELAYED_MAX, Input, LinkId, Machine, MachineConfig, Output, STRUCK_MAX};
pub use settings::{SettingsError, load};
pub use totals::TotalsManner;
