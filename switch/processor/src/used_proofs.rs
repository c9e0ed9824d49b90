//! Chips' signatures that were used: none serves a second request.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{TerminalId, TxKey, UtcSeconds};
use crate::unordered::Unordered;

/// DE7 of a request that a chip has signed lies so near to the switch's clock, either way (docs/interface.md#proof): who
/// checks proofs refuses any other.
pub const PROOF_AGE_MS_MAX: i64 = 120_000;

/// For so long a signature that was used is remembered: one whose DE7 stands at the far end of what lies ahead is stale
/// afterwards.
const REMEMBERED_MS: i64 = 2 * PROOF_AGE_MS_MAX;

/// So many are remembered at once; at the limit a request with a signature is answered 91. 240 s at 5,000 a second.
pub const USED_PROOFS_MAX: usize = 1_200_000;

/// What a challenge is of: DE41, DE7 and DE11 stand in it, so two requests that differ in one of them never have the same,
/// and a signature over one is wrong for the other. Of two that have all three alike the second would pass. The signature's
/// own bytes would not do as a name: who knows one of ECDSA can write it in a second way.
type Challenged = (TerminalId, UtcSeconds, u32);

/// The signatures that could still pass, by what they are over, oldest use first in `order`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(from = "Vec<(TxKey, i64)>")]
pub struct UsedProofs {
    by_challenge: Unordered<Challenged, TxKey>,
    /// Who used it, and when: wall clock, milliseconds since 1970.
    order: VecDeque<(TxKey, i64)>,
}

/// Why a signature may not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProofRefusal {
    /// Another request has used it.
    UsedBefore,
    /// [`USED_PROOFS_MAX`].
    Full,
}

impl UsedProofs {
    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_challenge.len()
    }

    /// None is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_challenge.is_empty()
    }

    /// Takes a signature for this request: no other one may use it from here on. The same may again, as it does behind a
    /// restart that has forgotten it in the middle.
    pub(crate) fn take(&mut self, key: TxKey, now_ms: i64) -> Result<(), ProofRefusal> {
        self.forget_stale(now_ms);
        match self.by_challenge.get(&challenged(&key)) {
            Some(user) if *user == key => Ok(()),
            Some(_) => Err(ProofRefusal::UsedBefore),
            None if self.len() >= USED_PROOFS_MAX => Err(ProofRefusal::Full),
            None => {
                self.remember(key, now_ms);
                Ok(())
            }
        }
    }

    /// What a record says: this request has used its signature.
    pub(crate) fn note(&mut self, key: TxKey, at_ms: i64) {
        self.forget_stale(at_ms);
        if !self.by_challenge.contains(&challenged(&key)) {
            self.remember(key, at_ms);
        }
    }

    fn remember(&mut self, key: TxKey, at_ms: i64) {
        self.by_challenge.insert(challenged(&key), key);
        self.order.push_back((key, at_ms));
    }

    fn forget_stale(&mut self, now_ms: i64) {
        while let Some((key, used_at_ms)) = self.order.front()
            && used_at_ms.saturating_add(REMEMBERED_MS) < now_ms
        {
            self.by_challenge.remove(&challenged(key));
            self.order.pop_front();
        }
    }
}

fn challenged(key: &TxKey) -> Challenged {
    (key.terminal, key.sent_at, key.stan)
}

impl From<Vec<(TxKey, i64)>> for UsedProofs {
    fn from(uses: Vec<(TxKey, i64)>) -> UsedProofs {
        let mut used = UsedProofs::default();
        uses.into_iter().for_each(|(key, at_ms)| used.remember(key, at_ms));
        used
    }
}

/// In their order, as they stand.
impl Serialize for UsedProofs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.order)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::{Class, Institution};

    const NOW_MS: i64 = 1_651_543_323_000;

    fn key(class: Class, stan: u32) -> TxKey {
        TxKey {
            class,
            acquirer: Institution::parse(b"970418").unwrap(),
            terminal: TerminalId(*b"HN000001"),
            sent_at: UtcSeconds(NOW_MS / 1000),
            stan,
        }
    }

    #[test]
    fn a_signature_serves_one_request_until_its_time_refuses_it() {
        let (first, second) = (key(Class::Verification, 7), key(Class::Financial, 7));
        let mut used = UsedProofs::default();
        assert_eq!(used.take(first, NOW_MS), Ok(()));
        assert_eq!(used.take(first, NOW_MS + 1), Ok(()), "the same request");
        assert_eq!(used.take(second, NOW_MS + 1), Err(ProofRefusal::UsedBefore));
        assert_eq!(used.take(key(Class::Financial, 8), NOW_MS + 2), Ok(()));
        let copy: UsedProofs = used.order.iter().copied().collect::<Vec<_>>().into();
        assert_eq!(copy, used, "what a checkpoint keeps");
        let last_ms = NOW_MS + REMEMBERED_MS;
        assert_eq!(used.take(second, last_ms), Err(ProofRefusal::UsedBefore));
        assert_eq!((used.take(second, last_ms + 1), used.len()), (Ok(()), 2));
    }

    #[test]
    fn a_record_remembers_it_and_the_number_is_bounded() {
        let mut used = UsedProofs::default();
        used.note(key(Class::Verification, 7), NOW_MS);
        used.note(key(Class::Verification, 7), NOW_MS);
        assert_eq!((used.len(), used.order.len()), (1, 1));
        assert_eq!(used.take(key(Class::Financial, 7), NOW_MS), Err(ProofRefusal::UsedBefore));
        (0..USED_PROOFS_MAX as u32).for_each(|stan| used.note(key(Class::Financial, stan), NOW_MS));
        assert_eq!(used.len(), USED_PROOFS_MAX);
        let next = key(Class::Financial, USED_PROOFS_MAX as u32);
        assert_eq!(used.take(next, NOW_MS), Err(ProofRefusal::Full));
        assert_eq!(used.take(next, NOW_MS + REMEMBERED_MS + 1), Ok(()));
        assert_eq!(used.len(), 1);
    }
}
