//! What needs more than one crate: flows, crash, interop.

pub mod acknowledged;
pub mod drain;
pub mod faults;
pub mod foreign_bank;
pub mod foreign_spec;
pub mod goldens;
pub mod load;
pub mod owed;
pub mod planted;
pub mod program;
pub mod proxy;
pub mod rounds;
pub mod simulation;
pub mod spoiled_bank;
pub mod town;
pub mod world;
