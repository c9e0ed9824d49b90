//! What the tests of this crate share: hex digits, keys, proptest's settings.
#![allow(dead_code)]

use keys::{BoundKey, KeyAlgorithm, KeyUsage, ModeOfUse};
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

/// Reads hex digits; spaces are for the eye.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|one| *one != ' ')
        .map(|one| one.to_digit(16).unwrap_or_else(|| panic!("{one} is no hex digit")) as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The same as an array.
pub(crate) fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap_or_else(|_| panic!("{text} has not {N} bytes"))
}

/// A key in its usage's whole mode.
pub(crate) fn key(usage: KeyUsage, algorithm: KeyAlgorithm, bytes: &[u8]) -> BoundKey {
    let mode = match usage {
        KeyUsage::BaseDerivation | KeyUsage::DukptInitial => ModeOfUse::Derive,
        KeyUsage::RetailMac | KeyUsage::Cmac | KeyUsage::Hmac => ModeOfUse::GenerateAndVerify,
        _ => ModeOfUse::Both,
    };
    BoundKey::new(usage, mode, algorithm, bytes).unwrap_or_else(|error| panic!("{error}"))
}

/// The same cases in every run.
pub(crate) fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(6),
        ..Config::default()
    }
}
