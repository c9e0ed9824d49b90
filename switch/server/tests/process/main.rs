//! The program as a process: started, signed on to, commanded, watched, drained, killed, looked into.
#![allow(clippy::unwrap_used)]

mod audit;
mod configuration;
mod console;
mod exchanged_keys;
mod heads;
mod operators;
mod running;
mod switch;
#[path = "../terminal/mod.rs"]
mod terminal;
