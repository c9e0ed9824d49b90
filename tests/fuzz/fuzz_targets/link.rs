//! Any bytes as a terminal's stream under its MAC keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::link(input));
