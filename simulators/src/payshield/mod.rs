//! A small payShield: answers the host commands that the switch asks (docs/simulators.md#payshield).

mod command;
mod driver;
mod machine;

pub use command::{Arguments, run};
pub use driver::{Handle, start};
pub use machine::{Machine, TokenError};
