//! Files that a browser has handed in and nobody has taken yet: on disk, for a quarter of an hour, few of them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use exchange::{FileKey, Layout};
use mutant::Mutant;

use crate::audit::hex;
use crate::people::make_directory;

/// Files of one person that wait at once; one more takes the place of the oldest.
pub const WAITING_OF_ONE_MAX: usize = 2;

/// Files that wait at once; one more takes the place of the oldest.
pub const WAITING_MAX: usize = 16;

/// A file that nobody takes for so long is gone.
pub const WAITING_MS_MAX: u64 = 15 * 60_000;

/// The directory in the console's own.
const WAITING_DIR: &str = "waiting";

/// A file that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Waiter {
    /// 32 hexadecimal digits that nobody guesses.
    pub(crate) id: String,
    /// Whose: nobody else sees or takes it.
    pub(crate) person: String,
    /// The name that the browser gave, as it may be shown.
    pub(crate) name: String,
    /// The place that it is to fill.
    pub(crate) key: FileKey,
    /// The day comes in so many parts.
    pub(crate) parts: u32,
    /// How it is read, where it is not in its normal form: as it was when the file was shown.
    pub(crate) layout: Option<Layout>,
    /// Monotonic milliseconds.
    began_ms: u64,
}

/// All files that wait. A restart forgets them.
pub(crate) struct Waiting {
    dir: PathBuf,
    list: Mutex<Vec<Waiter>>,
}

impl Waiting {
    /// Those of a console's directory: none at first, whatever a process before has left there.
    pub(crate) fn new(dir: &Path) -> Waiting {
        let dir = dir.join(WAITING_DIR);
        if let Err(error) = fs::remove_dir_all(&dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(%error, dir = %dir.display(), "files that waited cannot be taken away");
        }
        Waiting { dir, list: Mutex::default() }
    }

    /// Keeps a file for a person. Waits for a disk.
    ///
    /// # Errors
    /// The file cannot be written, or the system gives no randomness.
    pub(crate) fn put(
        &self,
        person: &str,
        name: &str,
        (key, parts): (FileKey, u32),
        layout: Option<Layout>,
        bytes: &[u8],
        now_ms: u64,
    ) -> io::Result<Waiter> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("there is no randomness"))?;
        let (person, name) = (person.to_owned(), name.to_owned());
        let waiter = Waiter { id: hex(&random), person, name, key, parts, layout, began_ms: now_ms };
        make_directory(&self.dir).map_err(|error| io::Error::other(error.to_string()))?;
        let mut list = self.lock();
        self.forget_old(&mut list, now_ms);
        while list.iter().filter(|one| one.person == waiter.person).count() >= WAITING_OF_ONE_MAX {
            let oldest = list.iter().position(|one| one.person == waiter.person);
            oldest.into_iter().for_each(|at| self.forget(&list.remove(at)));
        }
        while list.len() >= WAITING_MAX {
            self.forget(&list.remove(0));
        }
        let path = self.path_of(&waiter);
        let written = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        if let Err(error) = written.and_then(|mut file| file.write_all(bytes)) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        list.push(waiter.clone());
        Ok(waiter)
    }

    /// A person's file and its bytes. Waits for a disk.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn get(&self, id: &str, person: &str, now_ms: u64) -> io::Result<Option<(Waiter, Vec<u8>)>> {
        let found = {
            let mut list = self.lock();
            self.forget_old(&mut list, now_ms);
            let is_of = |own: &str| own == person || mutant::is(Mutant::WaitingFileOfAnybody);
            list.iter().find(|one| one.id == id && is_of(&one.person)).cloned()
        };
        let Some(waiter) = found else { return Ok(None) };
        let bytes = fs::read(self.path_of(&waiter))?;
        Ok(Some((waiter, bytes)))
    }

    /// It waits no longer.
    pub(crate) fn end(&self, id: &str) {
        let mut list = self.lock();
        let at = list.iter().position(|one| one.id == id);
        at.into_iter().for_each(|at| self.forget(&list.remove(at)));
    }

    /// The oldest stand in front: each is pushed with a later moment than those before it.
    fn forget_old(&self, list: &mut Vec<Waiter>, now_ms: u64) {
        while list.first().is_some_and(|one| now_ms.saturating_sub(one.began_ms) >= WAITING_MS_MAX) {
            self.forget(&list.remove(0));
        }
    }

    fn forget(&self, waiter: &Waiter) {
        if let Err(error) = fs::remove_file(self.path_of(waiter)) {
            tracing::warn!(%error, "a file that waited cannot be taken away");
        }
    }

    fn path_of(&self, waiter: &Waiter) -> PathBuf {
        self.dir.join(&waiter.id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiter>> {
        self.list.lock().expect("nobody panics while files wait")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::day;
    use exchange::FileKind;

    fn put(waiting: &Waiting, person: &str, now_ms: u64) -> String {
        let key = FileKey { kind: FileKind::Journal, bank: None, terminal: None, day: day(), part: 1 };
        waiting.put(person, "journal.csv", (key, 1), None, person.as_bytes(), now_ms).unwrap().id
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir.join(WAITING_DIR)).map_or(0, Iterator::count)
    }

    #[test]
    fn a_file_waits_for_its_person_alone_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = Waiting::new(dir.path());
        let id = put(&waiting, "lan", 5);
        assert_eq!(waiting.get(&id, "lan", 6).unwrap().unwrap().1, b"lan");
        assert!(waiting.get(&id, "minh", 6).unwrap().is_none());
        assert!(waiting.get("../people.toml", "lan", 6).unwrap().is_none());
        assert!(waiting.get(&id, "lan", 5 + WAITING_MS_MAX).unwrap().is_none());
        assert_eq!(files(dir.path()), 0);
    }

    #[test]
    fn those_that_wait_are_few_and_a_restart_forgets_them() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = Waiting::new(dir.path());
        let ids: Vec<String> = (0..4).map(|at| put(&waiting, "lan", at)).collect();
        let there: Vec<bool> = ids.iter().map(|id| waiting.get(id, "lan", 9).unwrap().is_some()).collect();
        assert_eq!(there, [false, false, true, true]);
        (0..2 * WAITING_MAX).for_each(|number| drop(put(&waiting, &format!("p{number}"), 20)));
        assert_eq!((waiting.lock().len(), files(dir.path())), (WAITING_MAX, WAITING_MAX));
        Waiting::new(dir.path());
        assert_eq!(files(dir.path()), 0);
    }
}
