//! Unguessable values from one seed that is handed in: the same seed gives the same log.

use credential::Reference;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 over a counter.
pub(crate) struct Entropy {
    key: Hmac<Sha256>,
    drawn: u64,
}

impl Entropy {
    /// `seed` has to be new for each start of a process.
    pub(crate) fn new(seed: [u8; 32]) -> Entropy {
        let key = Hmac::new_from_slice(&seed).expect("HMAC takes a key of any length");
        Entropy { key, drawn: 0 }
    }

    /// A verification reference.
    pub(crate) fn reference(&mut self) -> Reference {
        Reference(self.draw())
    }

    /// The id of a challenge seed, DF20.
    pub(crate) fn seed_id(&mut self) -> [u8; 8] {
        self.draw()
    }

    /// A secret that never leaves the process. It is drawn beside the others: what they give does not depend on it.
    pub(crate) fn secret(&self) -> u64 {
        let mut mac = self.key.clone();
        mac.update(b"secret of the process");
        let whole = mac.finalize().into_bytes();
        u64::from_be_bytes(std::array::from_fn(|index| whole[index]))
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        self.drawn += 1;
        let mut mac = self.key.clone();
        mac.update(&self.drawn.to_be_bytes());
        let whole = mac.finalize().into_bytes();
        std::array::from_fn(|index| whole[index])
    }
}
