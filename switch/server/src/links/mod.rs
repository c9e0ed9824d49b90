//! Connections: sockets on one side, the event loop's inputs on the other.

pub mod bank;
mod stream;
pub mod terminal;
