//! ISO/IEC 9796-2 scheme 1 with partial recovery: how an RSA chip signs a challenge (ICAO 9303-11, 6.1).

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U64, U2048};

use crate::algorithm::Hash;

/// Bytes of modulus, signature and block.
pub(crate) const BLOCK_BYTES: usize = 256;

/// First byte of a block: partial recovery, and the recovered part fills all that is there.
const HEADER: u8 = 0x6A;

/// Last byte of a block whose hash is agreed elsewhere: here by DF23.
const TRAILER_IMPLICIT: u8 = 0xBC;

/// Last byte of a block that names its hash in the byte before.
const TRAILER_EXPLICIT: u8 = 0xCC;

/// Whether the signature recovers to a block over some M1 and this M2. The exponent has at most 8 bytes.
pub(crate) fn verifies(modulus: &[u8], exponent: &[u8], hash: Hash, m2: &[u8], signature: &[u8]) -> bool {
    let Some(block) = recover(modulus, exponent, signature) else {
        return false;
    };
    let trailer_bytes = match block {
        [.., TRAILER_IMPLICIT] => 1,
        [.., named, TRAILER_EXPLICIT] if named == identifier(hash) => 2,
        _ => return false,
    };
    let digest_end = BLOCK_BYTES - trailer_bytes;
    let digest_start = digest_end - hash.digest_bytes();
    let m1 = &block[1..digest_start];
    let digest = hash.digest(&[m1, m2].concat());
    block[0] == HEADER && block[digest_start..digest_end] == *digest.as_ref()
}

/// The signature to the power of the exponent; `None` when the numbers are not of 2048 bits, or not below the modulus.
/// All of it is public, so time may depend on it.
fn recover(modulus: &[u8], exponent: &[u8], signature: &[u8]) -> Option<[u8; BLOCK_BYTES]> {
    if modulus.len() != BLOCK_BYTES || signature.len() != BLOCK_BYTES || exponent.len() > 8 {
        return None;
    }
    let number = U2048::from_be_slice(signature);
    let modulus = U2048::from_be_slice(modulus);
    if number >= modulus {
        return None;
    }
    let parameters = FixedMontyParams::new_vartime(Odd::new(modulus).into_option()?);
    let exponent = exponent.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let power = FixedMontyForm::new(&number, &parameters).pow_vartime(&U64::from_u64(exponent));
    power.retrieve().to_be_bytes().as_ref().try_into().ok()
}

/// The hash's identifier (ISO/IEC 10118-3).
fn identifier(hash: Hash) -> u8 {
    match hash {
        Hash::Sha256 => 0x34,
        Hash::Sha512 => 0x35,
        Hash::Sha384 => 0x36,
    }
}
