//! Any bytes as the text of a dialect.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::dialect(input));
