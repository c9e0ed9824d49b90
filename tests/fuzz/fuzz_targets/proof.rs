//! Any bytes as a proof template, DE112.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::proof(input));
