//! Any bytes as a stream of frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::codec::frame(input));
