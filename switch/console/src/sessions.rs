//! Who is logged in: sessions by the hash of a random id, bounded in number and in time, each bound to where it began.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use mutant::Mutant;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::audit::{hex, unhex};
use crate::people::Person;

/// Sessions at once; at the limit the one that has been idle longest ends.
pub const SESSIONS_MAX: usize = 1_000;

/// Sessions of one person; at the limit the oldest ends.
pub const SESSIONS_OF_ONE_MAX: usize = 4;

/// How long sessions last, milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionBounds {
    /// Without a request for so long it ends.
    pub idle_ms_max: u64,
    /// After so long it ends in any case.
    pub whole_ms_max: u64,
}

impl Default for SessionBounds {
    /// A quarter of an hour without a request; a shift of ten hours.
    fn default() -> SessionBounds {
        SessionBounds { idle_ms_max: 15 * 60_000, whole_ms_max: 10 * 3_600_000 }
    }
}

/// Where requests come from: a session that is used from elsewhere was stolen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The other end of the connection.
    pub(crate) address: IpAddr,
    /// SHA-256 of the browser's name for itself.
    pub(crate) agent: [u8; 32],
}

impl Place {
    pub(crate) fn new(address: IpAddr, agent: &[u8]) -> Place {
        Place { address, agent: Sha256::digest(agent).into() }
    }
}

/// What a browser holds: the id in its cookie, 64 hex digits. Cannot be printed.
pub(crate) struct SessionId([u8; 32]);

impl SessionId {
    pub(crate) fn cookie(&self) -> String {
        hex(&self.0)
    }

    pub(crate) fn parse(cookie: &str) -> Option<SessionId> {
        unhex(cookie).map(SessionId)
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// One log-in.
#[derive(Clone)]
struct Session {
    person: String,
    /// The password's mark at the log-in: another password ends it.
    mark: [u8; 32],
    csrf: [u8; 32],
    place: Place,
    began_ms: u64,
    seen_ms: u64,
}

/// How a request stands to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// The person's; with what forms have to bring.
    Yes { person: String, mark: [u8; 32], csrf: CsrfToken },
    /// No such session, or it has ended.
    No,
    /// Somebody else has the id: the session of this person has ended now.
    Stolen { person: String },
}

/// What every form of a session has to bring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CsrfToken([u8; 32]);

impl CsrfToken {
    pub(crate) fn field(&self) -> String {
        hex(&self.0)
    }

    pub(crate) fn is(&self, field: &str) -> bool {
        unhex(field).is_some_and(|bytes: [u8; 32]| bytes.ct_eq(&self.0).into())
            || mutant::is(Mutant::FormWithoutToken)
    }
}

impl std::fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CsrfToken")
    }
}

/// All sessions. Only hashes of ids are kept: what memory holds lets nobody in.
pub(crate) struct Sessions {
    bounds: SessionBounds,
    by_hash: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(crate) fn new(bounds: SessionBounds) -> Sessions {
        Sessions { bounds, by_hash: Mutex::default() }
    }

    /// A new session with a new id; `None` when the system gives no randomness.
    pub(crate) fn begin(&self, person: &Person, place: Place, now_ms: u64) -> Option<SessionId> {
        let (mut id, mut csrf) = ([0; 32], [0; 32]);
        aws_lc_rs::rand::fill(&mut id).ok()?;
        aws_lc_rs::rand::fill(&mut csrf).ok()?;
        let id = SessionId(id);
        let mut sessions = self.lock();
        sessions.retain(|_, session| !has_ended(session, &self.bounds, now_ms));
        let own = |session: &Session| session.person == person.name;
        let oldest_own =
            sessions.iter().filter(|(_, session)| own(session)).min_by_key(|(_, session)| session.began_ms);
        let own_count = sessions.values().filter(|session| own(session)).count();
        if let Some(hash) = oldest_own.map(|(hash, _)| *hash).filter(|_| own_count >= SESSIONS_OF_ONE_MAX) {
            sessions.remove(&hash);
        }
        let idlest = sessions.iter().min_by_key(|(_, session)| session.seen_ms).map(|(hash, _)| *hash);
        if let Some(hash) = idlest.filter(|_| sessions.len() >= SESSIONS_MAX) {
            sessions.remove(&hash);
        }
        let session = Session {
            person: person.name.clone(),
            mark: person.password.mark(),
            csrf,
            place,
            began_ms: now_ms,
            seen_ms: now_ms,
        };
        sessions.insert(id.hash(), session);
        Some(id)
    }

    /// Whose session it is. `stays_idle`: a request that a page makes by itself keeps nobody logged in.
    pub(crate) fn look(&self, id: &SessionId, place: Place, now_ms: u64, stays_idle: bool) -> Known {
        let mut sessions = self.lock();
        let hash = id.hash();
        let Some(session) = sessions.get_mut(&hash) else { return Known::No };
        if has_ended(session, &self.bounds, now_ms) {
            sessions.remove(&hash);
            return Known::No;
        }
        if session.place != place && !mutant::is(Mutant::SessionOfAnyPlace) {
            let person = session.person.clone();
            sessions.remove(&hash);
            return Known::Stolen { person };
        }
        if !stays_idle || mutant::is(Mutant::SessionKeptByPage) {
            session.seen_ms = now_ms;
        }
        Known::Yes { person: session.person.clone(), mark: session.mark, csrf: CsrfToken(session.csrf) }
    }

    /// Ends one session; whose it was.
    pub(crate) fn end(&self, id: &SessionId) -> Option<String> {
        self.lock().remove(&id.hash()).map(|session| session.person)
    }

    /// Ends all sessions of a person.
    pub(crate) fn end_all_of(&self, person: &str) {
        self.lock().retain(|_, session| session.person != person);
    }

    /// How many each person has.
    pub(crate) fn count_of(&self, person: &str, now_ms: u64) -> usize {
        let sessions = self.lock();
        let own = sessions.values().filter(|session| session.person == person);
        own.filter(|session| !has_ended(session, &self.bounds, now_ms)).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.by_hash.lock().expect("nobody panics while looking at sessions")
    }
}

fn has_ended(session: &Session, bounds: &SessionBounds, now_ms: u64) -> bool {
    let is_over = now_ms.saturating_sub(session.seen_ms) >= bounds.idle_ms_max
        || now_ms.saturating_sub(session.began_ms) >= bounds.whole_ms_max;
    is_over && !mutant::is(Mutant::SessionWithoutEnd)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::password::PasswordHash;
    use crate::role::Role;

    fn person(name: &str) -> Person {
        let password = PasswordHash::of_nobody();
        Person {
            name: name.into(),
            full_name: name.into(),
            roles: vec![Role::Clerk],
            disabled: false,
            password,
        }
    }

    fn desk(last: u8) -> Place {
        Place::new(IpAddr::from([10, 0, 0, last]), b"browser")
    }

    fn is_in(sessions: &Sessions, id: &SessionId, now_ms: u64) -> bool {
        matches!(sessions.look(id, desk(1), now_ms, false), Known::Yes { .. })
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_after_a_shift() {
        let bounds = SessionBounds { idle_ms_max: 100, whole_ms_max: 1_000 };
        let sessions = Sessions::new(bounds);
        let id = sessions.begin(&person("lan"), desk(1), 0).unwrap();
        for now_ms in (0..1_000).step_by(99) {
            assert!(is_in(&sessions, &id, now_ms), "{now_ms}");
        }
        assert!(!is_in(&sessions, &id, 1_000));
        let id = sessions.begin(&person("lan"), desk(1), 2_000).unwrap();
        assert!(is_in(&sessions, &id, 2_099) && !is_in(&sessions, &id, 2_199));
    }

    #[test]
    fn what_a_page_asks_by_itself_keeps_nobody_logged_in() {
        let sessions = Sessions::new(SessionBounds { idle_ms_max: 100, whole_ms_max: 1_000 });
        let id = sessions.begin(&person("lan"), desk(1), 0).unwrap();
        assert!(matches!(sessions.look(&id, desk(1), 60, true), Known::Yes { .. }));
        assert_eq!(sessions.look(&id, desk(1), 110, true), Known::No);
    }

    #[test]
    fn sessions_are_bounded_for_one_person_and_in_all() {
        let sessions = Sessions::new(SessionBounds::default());
        let ids: Vec<SessionId> =
            (0..6).map(|now_ms| sessions.begin(&person("lan"), desk(1), now_ms).unwrap()).collect();
        let alive: Vec<bool> = ids.iter().map(|id| is_in(&sessions, id, 10)).collect();
        assert_eq!(alive, [false, false, true, true, true, true]);
        for number in 0..SESSIONS_MAX as u64 {
            sessions.begin(&person(&format!("p{number}")), desk(1), 20 + number).unwrap();
        }
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
        assert_eq!(sessions.count_of("lan", 2_000), 0, "those that were idle longest ended first");
    }
}
