//! The codec from outside: golden messages, what is refused, what holds for any bytes, framings, overlays.

mod corpus;
#[cfg(feature = "mutants")]
mod defences;
mod framing;
// The file is the root of a library of its own, too.
#[expect(unreachable_pub)]
#[path = "../../../../tests/fuzz/src/codec.rs"]
mod fuzz;
mod golden;
mod golden_files;
mod overlays;
mod properties;
mod refused;
