//! Chips' signatures that were used: none serves a second request.

use std::collections::BTreeSet;

use mutant::Mutant;
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{TerminalId, TxKey, UtcSeconds};
use crate::unordered::Unordered;

/// DE7 of a request that a chip has signed lies so near to the switch's clock, either way (docs/interface.md#proof): who
/// checks proofs refuses any other.
pub const PROOF_AGE_MS_MAX: i64 = 120_000;

/// A signature is remembered until its DE7 is so old. One whose DE7 lies further from the switch's clock, either way, is not: who checks proofs refuses
/// it, and a clock that is ahead for a moment leaves nothing behind that would stay until its time comes.
const REMEMBERED_MS: i64 = 2 * PROOF_AGE_MS_MAX;

/// So many are remembered at once; at the limit a request with a signature is answered 91. 240 s at 5,000 a second.
pub const USED_PROOFS_MAX: usize = 1_200_000;

/// So many are remembered of one terminal; at the limit its requests with a signature are answered 91. A signature is taken before it is checked, so
/// that whoever has one terminal's keys could use up the memory of all. 240 s at 50 a second; a machine does one transaction at a time.
pub const USED_PROOFS_OF_ONE_MAX: u32 = 12_000;

/// What a challenge is of: DE41, DE7 and DE11 stand in it, so two requests that differ in one of them never have the same,
/// and a signature over one is wrong for the other. Of two that have all three alike the second would pass. The signature's
/// own bytes would not do as a name: who knows one of ECDSA can write it in a second way.
type Challenged = (TerminalId, UtcSeconds, u32);

/// The signatures that could still pass, by what they are over.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(from = "Vec<(TxKey, i64)>")]
pub struct UsedProofs {
    by_challenge: Unordered<Challenged, TxKey>,
    /// Who used them, the oldest DE7 first.
    by_age: BTreeSet<(UtcSeconds, TxKey)>,
    of_terminal: Unordered<TerminalId, u32>,
}

/// Why a signature may not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProofRefusal {
    /// Another request has used it.
    UsedBefore,
    /// [`USED_PROOFS_MAX`], or [`USED_PROOFS_OF_ONE_MAX`] of its terminal.
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
        if !is_near(&key, now_ms) {
            return Ok(());
        }
        self.forget_stale(now_ms);
        match self.by_challenge.get(&challenged(&key)) {
            Some(user) if *user == key => Ok(()),
            Some(_) => Err(ProofRefusal::UsedBefore),
            None if self.is_full_for(key.terminal) => Err(ProofRefusal::Full),
            None => {
                self.remember(key);
                Ok(())
            }
        }
    }

    /// What a record says: this request has used its signature.
    pub(crate) fn note(&mut self, key: TxKey, at_ms: i64) {
        if !is_near(&key, at_ms) {
            return;
        }
        self.forget_stale(at_ms);
        if !self.by_challenge.contains(&challenged(&key)) {
            self.remember(key);
        }
    }

    fn is_full_for(&self, terminal: TerminalId) -> bool {
        let of_terminal = self.of_terminal.get(&terminal).copied().unwrap_or(0);
        self.len() >= USED_PROOFS_MAX
            || of_terminal >= USED_PROOFS_OF_ONE_MAX && !mutant::is(Mutant::TerminalTakesAllProofs)
    }

    fn remember(&mut self, key: TxKey) {
        self.by_challenge.insert(challenged(&key), key);
        self.by_age.insert((key.sent_at, key));
        *self.of_terminal.get_or_insert_with(key.terminal, || 0) += 1;
    }

    /// A clock that is ahead for a moment forgets nothing: no key is near to it then, but for what it was ahead with before.
    fn forget_stale(&mut self, now_ms: i64) {
        while let Some((sent_at, key)) = self.by_age.first()
            && sent_at.0.saturating_mul(1_000).saturating_add(REMEMBERED_MS) < now_ms
        {
            self.by_challenge.remove(&challenged(key));
            if let Some(of_terminal) = self.of_terminal.get_mut(&key.terminal) {
                *of_terminal -= 1;
                if *of_terminal == 0 {
                    self.of_terminal.remove(&key.terminal);
                }
            }
            self.by_age.pop_first();
        }
    }
}

/// Whether who checks proofs could take it: its clock and this one are read within a moment.
fn is_near(key: &TxKey, now_ms: i64) -> bool {
    let off_ms = key.sent_at.0.saturating_mul(1_000).saturating_sub(now_ms);
    off_ms.saturating_abs() <= REMEMBERED_MS
}

fn challenged(key: &TxKey) -> Challenged {
    (key.terminal, key.sent_at, key.stan)
}

impl From<Vec<(TxKey, i64)>> for UsedProofs {
    fn from(uses: Vec<(TxKey, i64)>) -> UsedProofs {
        let mut used = UsedProofs::default();
        uses.into_iter().for_each(|(key, _)| used.remember(key));
        used
    }
}

/// The oldest first, each with its DE7 in milliseconds since 1970.
impl Serialize for UsedProofs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(self.by_age.iter().map(|(sent_at, key)| (key, sent_at.0.saturating_mul(1_000))))
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
        let copy: UsedProofs = used.by_age.iter().map(|(_, key)| (*key, 0)).collect::<Vec<_>>().into();
        assert_eq!(copy, used, "what a checkpoint keeps");
        let last_ms = NOW_MS + REMEMBERED_MS;
        assert_eq!(used.take(second, last_ms), Err(ProofRefusal::UsedBefore));
        let later = TxKey { sent_at: UtcSeconds(NOW_MS / 1000 + 100), ..second };
        assert_eq!(used.take(later, last_ms), Ok(()));
        assert_eq!((used.take(later, last_ms + 1), used.len()), (Ok(()), 1), "the others are forgotten");
    }

    #[test]
    fn a_record_remembers_it_and_the_number_is_bounded() {
        let mut used = UsedProofs::default();
        used.note(key(Class::Verification, 7), NOW_MS);
        used.note(key(Class::Verification, 7), NOW_MS);
        assert_eq!((used.len(), used.by_age.len()), (1, 1));
        assert_eq!(used.take(key(Class::Financial, 7), NOW_MS), Err(ProofRefusal::UsedBefore));
        (0..USED_PROOFS_MAX as u32).for_each(|stan| used.note(key(Class::Financial, stan), NOW_MS));
        assert_eq!(used.len(), USED_PROOFS_MAX);
        let next = TxKey { terminal: TerminalId(*b"HN000002"), ..key(Class::Financial, 1) };
        assert_eq!(used.take(next, NOW_MS), Err(ProofRefusal::Full));
        let later = TxKey { sent_at: UtcSeconds(NOW_MS / 1000 + 241), ..next };
        assert_eq!(used.take(later, NOW_MS + REMEMBERED_MS + 1), Ok(()));
        assert_eq!((used.len(), used.of_terminal.len()), (1, 1));
    }

    /// Attack: whoever has one terminal's keys uses up the memory of all.
    #[test]
    fn one_terminal_takes_its_share_of_the_memory_alone() {
        let mut used = UsedProofs::default();
        for stan in 0..USED_PROOFS_OF_ONE_MAX {
            assert_eq!(used.take(key(Class::Financial, stan), NOW_MS), Ok(()));
        }
        let next = key(Class::Financial, USED_PROOFS_OF_ONE_MAX);
        assert_eq!(used.take(next, NOW_MS), Err(ProofRefusal::Full));
        assert_eq!(used.take(TxKey { terminal: TerminalId(*b"HN000002"), ..next }, NOW_MS), Ok(()));
        let later = TxKey { sent_at: UtcSeconds(NOW_MS / 1000 + 241), ..next };
        assert_eq!(
            used.take(later, NOW_MS + REMEMBERED_MS + 1),
            Ok(()),
            "its own are forgotten with their time"
        );
    }

    /// Before, one entry of a clock that stood hours ahead kept all behind it in memory until that hour came, and no chip was taken any more; and
    /// the jump forgot what had been used just before it.
    #[test]
    fn a_clock_that_was_ahead_for_a_moment_leaves_and_forgets_nothing() {
        const AHEAD_MS: i64 = 4 * 3_600_000;
        let at =
            |at_ms: i64, stan| TxKey { sent_at: UtcSeconds(at_ms / 1000), ..key(Class::Financial, stan) };
        let mut used = UsedProofs::default();
        assert_eq!(used.take(at(NOW_MS, 1), NOW_MS), Ok(()));
        assert_eq!(used.take(at(NOW_MS, 2), NOW_MS + AHEAD_MS), Ok(()), "refused by its time elsewhere");
        used.note(at(NOW_MS, 2), NOW_MS + AHEAD_MS);
        let again = TxKey { class: Class::Verification, ..at(NOW_MS, 1) };
        assert_eq!(used.take(again, NOW_MS + 60_000), Err(ProofRefusal::UsedBefore));
        for second in 1..1_000 {
            let now_ms = NOW_MS + second * 1_000;
            assert_eq!(used.take(at(now_ms, 100 + second as u32), now_ms), Ok(()));
        }
        assert_eq!(used.len(), 241, "those of the last 240 s");
    }
}
