//! Connections: sockets on one side, the event loop's inputs on the other.

pub mod bank;
pub mod door;
pub mod macs;
pub mod networks;
pub mod outbox;
mod stream;
pub mod terminal;
pub mod threads;
