//! Any bytes as a message of any dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::codec::message(input));
