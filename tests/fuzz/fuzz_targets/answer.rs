//! Any bytes as a registry's answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::answer(input));
