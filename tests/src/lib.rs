//! What needs more than one crate: flows, crash, interop.

pub mod foreign_bank;
pub mod foreign_spec;
pub mod program;
pub mod world;
