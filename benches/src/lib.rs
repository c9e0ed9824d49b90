//! Criterion benches of codec, processor and journal.

pub mod codec_floor;
pub mod codec_message;
