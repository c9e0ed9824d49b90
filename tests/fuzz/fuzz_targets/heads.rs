//! Any bytes as a file of signed heads.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::heads(input));
