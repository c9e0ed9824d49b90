//! Load on a real switch: sent open-loop, measured from the moment each message was due, audited afterwards.

mod books;
mod command;
mod compare;
mod connection;
mod cpu;
mod disk;
mod engine;
mod floor;
mod floor_peer;
mod html;
mod live;
mod machines;
mod measure;
mod mix;
mod plan;
mod poll;
mod prepare;
mod report;
mod schedule;
mod search;
mod stages;
mod template;
mod town;
mod watch;

pub use command::{LoadArguments, load};
pub use floor_peer::{FloorPeerArguments, floor_peer};
