//! Biometric sessions, DF32: what a terminal gets when the registry's service has compared a face or finger.

use std::fmt;

use credential::CitizenNumber;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::jws::derive;

/// A session is good for so many seconds after the comparison.
pub const SESSION_LIFE_S: i64 = 300;

/// A score from here on is a match.
const SCORE_MATCHED_MIN: u8 = 60;

/// Mints and checks sessions. Terminal simulators hold a copy, so that a comparison costs no connection.
///
/// A session is 4 bytes second of the comparison, 3 bytes counter, 1 byte score, and 8 bytes of HMAC-SHA-256 over
/// these, the citizen number and the terminal. The registry so knows a session again without remembering any.
#[derive(Clone)]
pub struct Sessions {
    key: Hmac<Sha256>,
}

/// What a comparison found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Comparison {
    /// The face or finger is the citizen's.
    pub matched: bool,
    /// 0 to 100.
    pub score: u8,
}

impl Sessions {
    /// The sessions of the registry with this seed.
    pub fn from_seed(seed: u64) -> Sessions {
        let key = derive(seed, "biometric sessions");
        Sessions { key: Hmac::new_from_slice(&key).expect("HMAC takes a key of any length") }
    }

    /// DF32 for a comparison done at `now_s` (seconds since 1970) at a terminal (DE41, trailing spaces cut). `counter`
    /// tells comparisons of one second apart; its lower 24 bits count. A `score` (0 to 100) from 60 on is a match.
    pub fn mint(
        &self,
        now_s: i64,
        counter: u32,
        citizen: &CitizenNumber,
        terminal: &str,
        score: u8,
    ) -> [u8; 16] {
        let mut session = [0; 16];
        session[..4].copy_from_slice(&(now_s as u32).to_be_bytes());
        session[4..7].copy_from_slice(&counter.to_be_bytes()[1..]);
        session[7] = score.min(100);
        let tag = self.tag(&session[..8], citizen, terminal);
        session[8..].copy_from_slice(&tag);
        session
    }

    /// What the comparison behind this session found; `None` when it was another citizen's, done at another terminal,
    /// too long ago, or is no session at all.
    pub(super) fn check(
        &self,
        session: &[u8; 16],
        now_s: i64,
        citizen: &CitizenNumber,
        terminal: &str,
    ) -> Option<Comparison> {
        if self.tag(&session[..8], citizen, terminal) != session[8..] {
            return None;
        }
        let at_s = i64::from(u32::from_be_bytes(*session.first_chunk()?));
        let fresh = (at_s - 30..=at_s + SESSION_LIFE_S).contains(&now_s);
        fresh.then_some(Comparison { matched: session[7] >= SCORE_MATCHED_MIN, score: session[7] })
    }

    fn tag(&self, front: &[u8], citizen: &CitizenNumber, terminal: &str) -> [u8; 8] {
        let mut mac = self.key.clone();
        mac.update(front);
        mac.update(citizen.digits());
        mac.update(terminal.as_bytes());
        *mac.finalize().into_bytes().first_chunk().expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_session_holds_for_its_citizen_its_terminal_and_its_time() {
        let sessions = Sessions::from_seed(1);
        let citizen = |digits: &[u8]| CitizenNumber::parse(digits).unwrap();
        let (one, other) = (citizen(b"001203000001"), citizen(b"001203000002"));
        let session = sessions.mint(1_000, 5, &one, "HN000001", 97);
        let found = |session: &[u8; 16], now_s, citizen: &CitizenNumber, terminal: &str| {
            sessions.check(session, now_s, citizen, terminal)
        };
        let matched = Some(Comparison { matched: true, score: 97 });
        assert_eq!(found(&session, 1_000, &one, "HN000001"), matched);
        assert_eq!(found(&session, 1_000 + SESSION_LIFE_S, &one, "HN000001"), matched);
        assert_eq!(found(&session, 1_001 + SESSION_LIFE_S, &one, "HN000001"), None);
        assert_eq!(found(&session, 1_000, &other, "HN000001"), None);
        assert_eq!(found(&session, 1_000, &one, "HN000002"), None);
        let mut raised = sessions.mint(1_000, 5, &one, "HN000001", 59);
        assert!(!found(&raised, 1_000, &one, "HN000001").unwrap().matched);
        raised[7] = 99;
        assert_eq!(found(&raised, 1_000, &one, "HN000001"), None);
        assert_ne!(session, sessions.mint(1_000, 6, &one, "HN000001", 97));
    }
}
