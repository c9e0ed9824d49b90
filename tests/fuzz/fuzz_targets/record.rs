//! Any bytes as a record of the log.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::record(input));
