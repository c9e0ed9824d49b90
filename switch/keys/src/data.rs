//! Keys of data at rest: sealed PANs, pseudonyms, the log's chain (docs/architecture.md#keys).

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use credential::{CitizenNumber, Pan, Pseudonym};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::key::Key;

/// Bytes of a sealed PAN: 19 digits and a tag of 16.
pub const SEALED_BYTES: usize = PAN_DIGITS + 16;

const PAN_DIGITS: usize = 19;

/// K_enc, K_pseudonym and K_log.
#[derive(Clone)]
pub struct DataKeys {
    seal: Arc<LessSafeKey>,
    pseudonym: Hmac<Sha256>,
    log: Hmac<Sha256>,
}

/// A sealed PAN that does not open: another key, another place, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sealed PAN does not open with this key at this place")]
pub struct OpenError;

impl DataKeys {
    /// Prepares the three keys.
    pub fn new(encryption: &Key, pseudonym: &Key, log: &Key) -> DataKeys {
        let hmac = |key: &Key| Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length");
        DataKeys {
            seal: Arc::new(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM_SIV, encryption.bytes()).expect("the key has 32 bytes"),
            )),
            pseudonym: hmac(pseudonym),
            log: hmac(log),
        }
    }

    /// The citizen's pseudonym: HMAC-SHA-256 under K_pseudonym, cut to 16 bytes.
    pub fn pseudonym(&self, number: &CitizenNumber) -> Pseudonym {
        let mut mac = self.pseudonym.clone();
        mac.update(number.digits());
        Pseudonym(*mac.finalize().into_bytes().first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// Seals a PAN for one place: `nonce` must never be used twice under one key for different PANs (AES-256-GCM-SIV,
    /// RFC 8452, then only shows that two PANs are equal); `place` is authenticated with it.
    pub fn seal_pan(&self, pan: &Pan, nonce: [u8; 12], place: &[u8]) -> [u8; SEALED_BYTES] {
        let mut sealed = [0; SEALED_BYTES];
        let (digits, tag) = sealed.split_at_mut(PAN_DIGITS);
        digits.copy_from_slice(pan.digits());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let made = self
            .seal
            .seal_in_place_separate_tag(nonce, Aad::from(place), digits)
            .expect("19 bytes are within the cipher's bounds");
        tag.copy_from_slice(made.as_ref());
        sealed
    }

    /// Opens a sealed PAN.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_pan(
        &self,
        sealed: &[u8; SEALED_BYTES],
        nonce: [u8; 12],
        place: &[u8],
    ) -> Result<Pan, OpenError> {
        let mut opened = *sealed;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let digits = self.seal.open_in_place(nonce, Aad::from(place), &mut opened).map_err(|_| OpenError)?;
        Pan::parse(digits).map_err(|_| OpenError)
    }

    /// The next link of the log's chain: HMAC-SHA-256 under K_log over the link before it and the record's bytes.
    pub fn chain(&self, before: &[u8; 32], record: &[u8]) -> [u8; 32] {
        let mut mac = self.log.clone();
        mac.update(before);
        mac.update(record);
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKeys")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sealed_pan_opens_only_in_its_place() {
        let keys = DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]));
        let pan = Pan::parse(b"9704990012030000017").unwrap();
        let sealed = keys.seal_pan(&pan, [7; 12], b"position 5");
        assert_eq!(keys.open_pan(&sealed, [7; 12], b"position 5"), Ok(pan));
        assert_eq!(keys.open_pan(&sealed, [7; 12], b"position 6"), Err(OpenError));
        assert_eq!(keys.open_pan(&sealed, [8; 12], b"position 5"), Err(OpenError));
        let mut changed = sealed;
        changed[0] ^= 1;
        assert_eq!(keys.open_pan(&changed, [7; 12], b"position 5"), Err(OpenError));
    }

    #[test]
    fn pseudonyms_depend_on_number_and_key() {
        let keys = |byte| DataKeys::new(&Key::new([1; 32]), &Key::new([byte; 32]), &Key::new([3; 32]));
        let number = |text: &[u8]| CitizenNumber::parse(text).unwrap();
        let one = keys(2).pseudonym(&number(b"001203000001"));
        assert_ne!(one, keys(2).pseudonym(&number(b"001203000002")));
        assert_ne!(one, keys(4).pseudonym(&number(b"001203000001")));
    }
}
