//! Keys of data at rest: what is personal sealed, pseudonyms, the log's chain (docs/architecture.md#keys).

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use credential::{CitizenNumber, Pan, Pseudonym};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::key::Key;

/// Digits of a PAN.
pub const PAN_DIGITS: usize = 19;

/// Bytes that sealing adds.
pub const SEAL_TAG_BYTES: usize = 16;

/// Bytes of a PAN that is sealed by itself, in records of version 1.
pub const SEALED_PAN_BYTES: usize = PAN_DIGITS + SEAL_TAG_BYTES;

/// Generations of K_enc and of K_log are numbered from 1 to this.
pub const GENERATION_MAX: u8 = u8::MAX;

/// K_enc and K_log in their generations, and K_pseudonym.
#[derive(Clone)]
pub struct DataKeys {
    seals: Arc<BTreeMap<u8, LessSafeKey>>,
    /// The newest of them.
    sealing: (u8, Arc<LessSafeKey>),
    pseudonym: Hmac<Sha256>,
    chains: Arc<BTreeMap<u8, Hmac<Sha256>>>,
    /// The newest of them.
    chaining: (u8, Hmac<Sha256>),
}

/// What is sealed does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another key, another nonce, other text beside it, or changed bytes.
    #[error("what is sealed does not open with this key in this place")]
    Sealed,
    /// There is no key of this generation.
    #[error("there is no key of generation {0}")]
    NoKey(u8),
}

impl DataKeys {
    /// Prepares the three keys; K_enc and K_log are the first of their generations.
    pub fn new(encryption: &Key, pseudonym: &Key, log: &Key) -> DataKeys {
        DataKeys::with_generations(&BTreeMap::from([(1, encryption.clone())]), pseudonym, log)
            .expect("there is one generation")
    }

    /// Prepares the keys: K_enc of the highest generation seals, each opens what it sealed; K_log is the first of its
    /// generations. `None` where there is no generation, or one 0.
    pub fn with_generations(encryption: &BTreeMap<u8, Key>, pseudonym: &Key, log: &Key) -> Option<DataKeys> {
        let hmac = |key: &Key| Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length");
        let seals: BTreeMap<u8, LessSafeKey> =
            encryption.iter().map(|(generation, key)| (*generation, seal_of(key))).collect();
        let (newest, key) = encryption.last_key_value()?;
        (!encryption.contains_key(&0)).then(|| DataKeys {
            seals: Arc::new(seals),
            sealing: (*newest, Arc::new(seal_of(key))),
            pseudonym: hmac(pseudonym),
            chains: Arc::new(BTreeMap::from([(1, hmac(log))])),
            chaining: (1, hmac(log)),
        })
    }

    /// The same with K_log in these generations: the highest chains what comes, each shows what it has chained. The lowest begins
    /// the log. `None` where there is none, or one 0.
    pub fn with_chains(self, log: &BTreeMap<u8, Key>) -> Option<DataKeys> {
        let chains: BTreeMap<u8, Hmac<Sha256>> = log
            .iter()
            .map(|(generation, key)| {
                let hmac = Hmac::new_from_slice(key.bytes()).expect("HMAC takes a key of any length");
                (*generation, hmac)
            })
            .collect();
        let (newest, hmac) = chains.last_key_value()?;
        let chaining = (*newest, hmac.clone());
        (!log.contains_key(&0)).then(|| DataKeys { chains: Arc::new(chains), chaining, ..self })
    }

    /// The generation of K_log that chains.
    pub fn chaining_generation(&self) -> u8 {
        self.chaining.0
    }

    /// The generation of K_enc that seals.
    pub fn sealing_generation(&self) -> u8 {
        self.sealing.0
    }

    /// Whether there is a K_enc of this generation.
    pub fn has(&self, generation: u8) -> bool {
        self.seals.contains_key(&generation)
    }

    /// The citizen's pseudonym: HMAC-SHA-256 under K_pseudonym, cut to 16 bytes.
    pub fn pseudonym(&self, number: &CitizenNumber) -> Pseudonym {
        let mut mac = self.pseudonym.clone();
        mac.update(number.digits());
        Pseudonym(*mac.finalize().into_bytes().first_chunk().expect("SHA-256 has 32 bytes"))
    }

    /// Seals `text` where it stands with AES-256-GCM-SIV (RFC 8452) under the newest K_enc, and gives the tag that belongs
    /// behind it. It opens with the same `nonce` and `beside` alone. A nonce that is used twice under one key shows whether
    /// text and what is beside it were the same, and nothing else.
    ///
    /// # Panics
    /// When there is more than the cipher takes, 64 GiB.
    pub fn seal(&self, nonce: [u8; 12], beside: &[u8], text: &mut [u8]) -> [u8; SEAL_TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.sealing.1.seal_in_place_separate_tag(nonce, Aad::from(beside), text);
        let tag = tag.expect("within the cipher's bounds");
        tag.as_ref().try_into().expect("a tag has 16 bytes")
    }

    /// Opens what the K_enc of a generation has sealed, its tag behind it, where it stands; gives the text.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<'t>(
        &self,
        generation: u8,
        nonce: [u8; 12],
        beside: &[u8],
        sealed: &'t mut [u8],
    ) -> Result<&'t [u8], OpenError> {
        let key = self.seals.get(&generation).ok_or(OpenError::NoKey(generation))?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        match key.open_in_place(nonce, Aad::from(beside), sealed) {
            Ok(text) => Ok(text),
            Err(_) => Err(OpenError::Sealed),
        }
    }

    /// Opens a PAN that was sealed by itself, as records of version 1 have it: always under the first generation.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_pan(
        &self,
        sealed: &[u8; SEALED_PAN_BYTES],
        nonce: [u8; 12],
        place: &[u8],
    ) -> Result<Pan, OpenError> {
        let mut opened = *sealed;
        Pan::parse(self.open(1, nonce, place, &mut opened)?).map_err(|_| OpenError::Sealed)
    }

    /// The next link of the log's chain: HMAC-SHA-256 under the newest K_log over the link before it and the record's bytes.
    pub fn chain(&self, before: &[u8; 32], record: &[u8]) -> [u8; 32] {
        link(&self.chaining.1, before, record)
    }

    /// The same under the K_log of a generation; `None` where there is none.
    pub fn chain_of(&self, generation: u8, before: &[u8; 32], record: &[u8]) -> Option<[u8; 32]> {
        self.chains.get(&generation).map(|hmac| link(hmac, before, record))
    }

    /// The same under the lowest generation: for what has to stay as long as the log does.
    pub fn first_chain(&self, before: &[u8; 32], record: &[u8]) -> [u8; 32] {
        let first = self.chains.first_key_value().map_or(&self.chaining.1, |(_, hmac)| hmac);
        link(first, before, record)
    }

    /// Which generation of K_log, `least` or a higher one, makes this link: for lines that do not say it. `None`: none does.
    pub fn chained_by(&self, least: u8, before: &[u8; 32], record: &[u8], told: &[u8; 32]) -> Option<u8> {
        let mut from = self.chains.range(least..);
        from.find(|(_, hmac)| link(hmac, before, record) == *told).map(|(generation, _)| *generation)
    }
}

fn link(hmac: &Hmac<Sha256>, before: &[u8; 32], record: &[u8]) -> [u8; 32] {
    let mut mac = hmac.clone();
    mac.update(before);
    mac.update(record);
    mac.finalize().into_bytes().into()
}

fn seal_of(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key.bytes()).expect("the key has 32 bytes"))
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

    fn keys(generations: &[u8]) -> DataKeys {
        let encryption = generations.iter().map(|generation| (*generation, Key::new([*generation; 32])));
        DataKeys::with_generations(&encryption.collect(), &Key::new([102; 32]), &Key::new([103; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_place_alone() {
        let mut sealed = b"account 101000012345".to_vec();
        let tag = keys(&[1, 3]).seal([7; 12], b"record", &mut sealed);
        sealed.extend_from_slice(&tag);
        let opened = |keys: DataKeys, generation, nonce, beside: &[u8], mut sealed: Vec<u8>| {
            keys.open(generation, [nonce; 12], beside, &mut sealed).map(<[u8]>::to_vec)
        };
        let text = Ok(b"account 101000012345".to_vec());
        assert_eq!(opened(keys(&[1, 3]), 3, 7, b"record", sealed.clone()), text);
        assert_eq!(opened(keys(&[1, 3, 9]), 3, 7, b"record", sealed.clone()), text, "a newer key beside it");
        assert_eq!(opened(keys(&[1]), 3, 7, b"record", sealed.clone()), Err(OpenError::NoKey(3)));
        assert_eq!(opened(keys(&[1, 3]), 1, 7, b"record", sealed.clone()), Err(OpenError::Sealed));
        assert_eq!(opened(keys(&[1, 3]), 3, 8, b"record", sealed.clone()), Err(OpenError::Sealed));
        assert_eq!(opened(keys(&[1, 3]), 3, 7, b"recore", sealed.clone()), Err(OpenError::Sealed));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened(keys(&[1, 3]), 3, 7, b"record", changed), Err(OpenError::Sealed), "bit {bit}");
        }
        assert_eq!(opened(keys(&[1, 3]), 3, 7, b"record", sealed[..15].to_vec()), Err(OpenError::Sealed));
    }

    #[test]
    fn the_highest_generation_seals_and_none_is_0() {
        assert_eq!(keys(&[2, 7, 5]).sealing_generation(), 7);
        for generations in [&[][..], &[0, 1]] {
            let encryption = generations.iter().map(|generation| (*generation, Key::new([*generation; 32])));
            let key = Key::new([102; 32]);
            assert!(DataKeys::with_generations(&encryption.collect(), &key, &key).is_none());
        }
    }

    #[test]
    fn the_highest_generation_chains_and_each_shows_what_it_has_chained() {
        let under = |generations: &[u8]| {
            let log = generations.iter().map(|generation| (*generation, Key::new([*generation; 32])));
            keys(&[1]).with_chains(&log.collect()).unwrap()
        };
        let (old, both) = (under(&[2]), under(&[2, 5]));
        let [first, next] = [&old, &both].map(|keys| keys.chain(&[7; 32], b"record"));
        assert_eq!((both.chaining_generation(), both.first_chain(&[7; 32], b"record")), (5, first));
        assert_eq!(both.chain_of(2, &[7; 32], b"record"), Some(first));
        assert_eq!(
            (both.chain_of(5, &[7; 32], b"record"), old.chain_of(5, &[7; 32], b"")),
            (Some(next), None)
        );
        assert_eq!(both.chained_by(0, &[7; 32], b"record", &first), Some(2));
        assert_eq!(both.chained_by(3, &[7; 32], b"record", &first), None, "older than the line before it");
        assert_eq!(both.chained_by(2, &[7; 32], b"record", &next), Some(5));
        for generations in [&[][..], &[0, 1]] {
            let log = generations.iter().map(|generation| (*generation, Key::new([*generation; 32])));
            assert!(keys(&[1]).with_chains(&log.collect()).is_none());
        }
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
