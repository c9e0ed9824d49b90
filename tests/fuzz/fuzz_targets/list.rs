//! Any bytes as a revocation list or an authority's certificate.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::others::list(input));
