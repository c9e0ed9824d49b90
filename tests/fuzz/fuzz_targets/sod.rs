//! Any bytes as a security object.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::sod(input));
