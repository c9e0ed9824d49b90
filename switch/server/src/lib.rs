//! The program atm-switch: configuration, links, event loop, metrics.

pub mod bus;
pub mod config;
pub mod links;
pub mod registry;
