//! Any bytes as a TR-31 key block.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::key_block(input));
