//! A terminal: cassettes, chip reader, its duties; a machine without I/O and a thin socket driver.

mod advice;
pub(crate) mod card;
mod command;
mod config;
mod driver;
mod fleet;
mod io;
mod key;
mod machine;
mod memory;
pub(crate) mod message;
mod notes;
mod order;
mod settings;
mod settle;
#[cfg(test)]
mod tests;
mod totals;
mod vault;

pub use advice::ADVICES_MAX;
pub use card::Chip;
pub use command::{Visit, run};
pub use config::{Biometrics, Comparison, Config, ConfigError, Timers};
pub use driver::{Handle, QUEUE_MAX, Setup, Standing, Stopped, start};
pub use fleet::{Fleet, FleetError};
pub use io::{Event, Input, Now, Output};
pub use key::TxKey;
pub use machine::Terminal;
pub use memory::Memory;
pub use notes::{DENOMINATIONS_VND, Notes, mix};
pub use order::{Card, Fault, Finished, LinkedAccount, NotTried, Order, Outcome, Point, Steps, Told, What};
pub use settings::{Settings, SettingsError, load, matching_faces};
pub use totals::{TOTALS_TRIES_MAX, TotalsElements};
pub use vault::{Contents, Impossible, Movement, MovementKind, net_out_vnd, read_movements, write_movements};
