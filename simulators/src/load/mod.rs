//! Load on a real switch: sent open-loop, measured from the moment each message was due, audited afterwards.

mod books;
mod command;
mod compare;
mod connection;
mod cpu;
mod disk;
mod engine;
mod exporter;
mod floor;
mod floor_file;
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
mod stop;
mod template;
mod town;
mod watch;

pub use command::{LoadArguments, load};
pub use floor_peer::{FloorPeerArguments, floor_peer};

/// A line on standard error. That nobody reads it any more is no reason to leave switch and banks behind.
fn tell(line: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _nobody_reads = writeln!(std::io::stderr(), "{line}");
}
