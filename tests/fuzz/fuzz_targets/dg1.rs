//! Any bytes as DG1.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::data_group_1(input));
