//! What is measured of codec, links, processor and journal: criterion benches and instruction counts.

pub mod codec_floor;
pub mod codec_message;
pub mod instructions;
pub mod world;
