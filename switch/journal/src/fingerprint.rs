//! Fingerprints of names: SipHash-1-3 under a key of the log, so that nobody outside chooses names that collide.

use keys::DataKeys;

/// The key. It comes from K_log, as the index belongs to one log.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprints([u64; 2]);

impl Fingerprints {
    pub(crate) fn new(keys: &DataKeys) -> Fingerprints {
        // No link of the chain has this in front. Names on disks keep their fingerprints when K_log gets a new generation.
        let key = keys.first_chain(b"atm-switch log index names  1   ", &[]);
        let word = |at: usize| key[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        Fingerprints([word(0), word(8)])
    }

    /// The fingerprint of a name's words, of which there is at least one kind for each length.
    pub(crate) fn of(self, words: &[u64]) -> u64 {
        let [k0, k1] = self.0;
        let mut state = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        for word in words {
            compress(&mut state, *word);
        }
        compress(&mut state, (words.len() as u64 * 8) << 56);
        state[2] ^= 0xff;
        (0..3).for_each(|_| round(&mut state));
        state[0] ^ state[1] ^ state[2] ^ state[3]
    }
}

fn compress(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32);
    *v2 = v2.wrapping_add(*v1);
    *v0 = v0.wrapping_add(*v3);
    *v1 = v1.rotate_left(17) ^ *v2;
    *v3 = v3.rotate_left(21) ^ *v0;
    *v2 = v2.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    /// The standard library's hasher without a key is SipHash-1-3.
    #[test]
    fn it_is_siphash() {
        for words in [&[][..], &[7], &[1, u64::MAX], &[0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 3, 4]] {
            let mut hasher = std::hash::DefaultHasher::new();
            words.iter().for_each(|word| hasher.write(&word.to_le_bytes()));
            assert_eq!(Fingerprints([0, 0]).of(words), hasher.finish(), "{words:?}");
        }
        assert_ne!(Fingerprints([1, 0]).of(&[7]), Fingerprints([0, 0]).of(&[7]));
    }

    #[test]
    fn it_is_the_same_in_every_process() {
        let [of_one, of_other] = [[9; 32], [8; 32]].map(|log| {
            let [encryption, pseudonym, log] = [[1; 32], [2; 32], log].map(keys::Key::new);
            Fingerprints::new(&DataKeys::new(&encryption, &pseudonym, &log)).of(&[1, 2, 3])
        });
        assert_ne!(of_one, of_other);
        assert_eq!(of_one, GOLDEN);
    }

    /// Indexes on disks hold fingerprints like this one.
    const GOLDEN: u64 = 16_321_726_078_515_349_441;
}
