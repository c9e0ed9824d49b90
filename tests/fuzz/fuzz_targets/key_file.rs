//! Any bytes as the text of a key file.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::key_file(input));
