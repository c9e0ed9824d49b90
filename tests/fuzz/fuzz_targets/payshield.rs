//! Any bytes as a payShield's answer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::payshield(input));
