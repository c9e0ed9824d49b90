//! What needs more than one crate: flows, crash, interop.

pub mod foreign_bank;
pub mod foreign_spec;
pub mod goldens;
pub mod program;
pub mod spoiled_bank;
pub mod world;
