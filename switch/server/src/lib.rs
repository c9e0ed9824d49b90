//! The program atm-switch: configuration, links, event loop, metrics.

pub mod config;
