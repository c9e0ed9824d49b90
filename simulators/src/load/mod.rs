//! Load on a real switch: sent open-loop, measured from the moment each message was due, audited afterwards.

mod books;
mod command;
mod connection;
mod cpu;
mod engine;
mod machines;
mod measure;
mod prepare;
mod report;
mod search;
mod town;

pub use command::{LoadArguments, load};
