//! The program atm-switch: configuration, links, event loop, metrics.

mod account_cache;
pub mod admin;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
pub mod current;
pub mod enrolment_commands;
mod event_loop;
mod finder;
pub mod heads;
pub mod links;
pub mod log_commands;
pub mod log_view;
mod observer;
pub mod operator;
pub mod proofs;
pub mod registry;
pub mod run;
pub mod saf_commands;
mod saf_view;
mod stages;
pub mod suspense_commands;
pub mod tls;
pub mod trust;
mod verifier;
pub mod verify_command;
