//! Accounts of citizens who were looked up lately: a withdrawal follows its verification within minutes and finds them here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use credential::Pseudonym;
use processor::LinkedAccount;

/// Citizens that are kept at most: some 60 MB. At the limit the half that was not asked for lately goes, so half of them stay for sure:
/// what 700 verifications a second leave behind while their references live, 180 s.
pub(crate) const CITIZENS_MAX: usize = 262_144;

/// The cache. What it holds is of one generation of the enrolment.
#[derive(Default)]
pub(crate) struct AccountCache(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    generation: u64,
    young: HashMap<Pseudonym, Vec<LinkedAccount>>,
    old: HashMap<Pseudonym, Vec<LinkedAccount>>,
}

impl AccountCache {
    /// The citizen's accounts as they are in this generation, if they are known.
    pub(crate) fn get(&self, generation: u64, citizen: &Pseudonym) -> Option<Vec<LinkedAccount>> {
        let mut halves = self.lock();
        if halves.generation != generation {
            return None;
        }
        if let Some(accounts) = halves.young.get(citizen) {
            return Some(accounts.clone());
        }
        let accounts = halves.old.remove(citizen)?;
        halves.keep(*citizen, accounts.clone());
        Some(accounts)
    }

    /// Keeps what this generation says of a citizen; what an older one said goes.
    pub(crate) fn put(&self, generation: u64, citizen: Pseudonym, accounts: Vec<LinkedAccount>) {
        let mut halves = self.lock();
        if halves.generation > generation {
            return;
        }
        if halves.generation < generation {
            *halves = Halves { generation, ..Halves::default() };
        }
        halves.keep(citizen, accounts);
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().expect("nothing panics while it holds the accounts")
    }
}

impl Halves {
    fn keep(&mut self, citizen: Pseudonym, accounts: Vec<LinkedAccount>) {
        if self.young.len() == CITIZENS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(citizen, accounts);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use processor::Institution;

    use super::*;

    fn citizen(number: usize) -> Pseudonym {
        let mut bytes = Pseudonym([0; 16]);
        bytes.0[..8].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn account(number: &str) -> Vec<LinkedAccount> {
        let bank = Institution::parse(b"970418").unwrap();
        vec![LinkedAccount { bank, number: number.into(), default: true }]
    }

    #[test]
    fn another_generation_knows_nothing_of_the_last() {
        let cache = AccountCache::default();
        cache.put(1, citizen(1), account("old"));
        assert_eq!(cache.get(1, &citizen(1)), Some(account("old")));
        assert_eq!(cache.get(2, &citizen(1)), None);
        cache.put(2, citizen(1), account("new"));
        // A look-up that began before the change ends after it.
        cache.put(1, citizen(1), account("old"));
        assert_eq!(cache.get(2, &citizen(1)), Some(account("new")));
        assert_eq!(cache.get(1, &citizen(1)), None);
    }

    #[test]
    fn who_was_asked_for_stays_and_the_rest_goes() {
        let cache = AccountCache::default();
        for number in 0..CITIZENS_MAX * 2 {
            cache.put(1, citizen(number), Vec::new());
            assert!(cache.get(1, &citizen(0)).is_some(), "asked for all the time, lost at {number}");
        }
        assert_eq!(cache.get(1, &citizen(1)), None);
        let halves = cache.lock();
        assert!(halves.young.len() + halves.old.len() <= CITIZENS_MAX);
    }
}
