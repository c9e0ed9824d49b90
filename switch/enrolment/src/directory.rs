//! The directory: which generation is current, look-ups in it, and how the next takes its place.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use credential::Pseudonym;
use processor::{Institution, LinkedAccount};

use crate::Error;
use crate::generation::{Generation, Writer, create_private};
use crate::import::Progress;

/// A reader that finds the named generation gone looks for a newer name so often: two imports have to end between two
/// system calls for it to be needed once.
const OPEN_TRIES: usize = 3;

/// The directory, open for look-ups. Cheap to share between threads.
pub struct Enrolment {
    dir: PathBuf,
    current: RwLock<Arc<Generation>>,
}

impl Enrolment {
    /// Opens what was imported last.
    ///
    /// # Errors
    /// [`Error::Missing`] where nothing ever was; [`Error::Damaged`] names the file.
    pub fn open(dir: &Path) -> Result<Enrolment, Error> {
        Ok(Enrolment { dir: dir.to_owned(), current: RwLock::new(Arc::new(open_current(dir)?)) })
    }

    /// The citizen's accounts at all banks in the order in which they were linked, at most
    /// [`processor::ACCOUNTS_MAX`]; exactly one is the default. Empty when the citizen has none.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Damaged`]; what is damaged elsewhere does not matter.
    pub fn accounts(&self, citizen: &Pseudonym) -> Result<Vec<LinkedAccount>, Error> {
        self.current().find(citizen)
    }

    /// Takes the current generation up, where an import has ended since; `true` when it was another. Costs one read of
    /// a file of one line: to be called about once a second.
    ///
    /// # Errors
    /// As [`Enrolment::open`]; look-ups go on in the generation that was open before.
    pub fn refresh(&self) -> Result<bool, Error> {
        if read_current(&self.dir)? == Some(self.generation()) {
            return Ok(false);
        }
        let newest = Arc::new(open_current(&self.dir)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(true)
    }

    /// The number of the generation that look-ups see; each import makes the next.
    pub fn generation(&self) -> u64 {
        self.current().number()
    }

    /// How many citizens have an account.
    pub fn citizens(&self) -> u64 {
        self.current().citizens()
    }

    /// How many accounts there are.
    pub fn accounts_count(&self) -> u64 {
        self.current().accounts_count()
    }

    /// The banks that have ever imported a file.
    pub fn banks(&self) -> Vec<Institution> {
        self.current().banks().to_vec()
    }

    /// Reads all of the generation and holds it against its checksums, its order and its header.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the first place that is not as it was written.
    pub fn check(&self) -> Result<(), Error> {
        self.current().check()
    }

    fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolment({}, generation {})", self.dir.display(), self.generation())
    }
}

/// The right to write into a directory, held by one import at a time.
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] File);

impl Lock {
    pub(crate) fn take(dir: &Path) -> Result<Lock, Error> {
        let path = dir.join("LOCK");
        let file = create_private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Error::Busy(dir.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(Error::io(&path)(error)),
        }
    }
}

/// The current generation for an import, under the lock: makes the directory and an empty generation 0 where there is
/// nothing yet, and removes what a crashed import has left.
pub(crate) fn open_for_import(dir: &Path, _lock: &Lock) -> Result<Generation, Error> {
    let current = match read_current(dir)? {
        Some(current) => current,
        // Generation 0 is always empty: an import that crashed before the first CURRENT has lost nothing.
        None if newest_file(dir)?.unwrap_or(0) == 0 => {
            publish(dir, 0, &[], |_, _| Ok(()), &mut |_| {})?;
            0
        }
        None => return Err(gone(dir)),
    };
    remove_files(dir, |name| {
        name.ends_with(".tmp") || number_of(name).is_some_and(|number| number > current)
    })?;
    open_current(dir)
}

/// Writes the next generation and makes it current. Until the very last step the one before is; each step is told.
pub(crate) fn publish(
    dir: &Path,
    number: u64,
    banks: &[Institution],
    write: impl FnOnce(&mut Writer, &mut dyn FnMut(Progress)) -> Result<(), Error>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let temporary = dir.join("next.tmp");
    let mut writer = Writer::create(&temporary, number, banks)?;
    if let Err(error) = write(&mut writer, progress).and_then(|()| writer.finish()) {
        // The first error is the one to tell; what stays behind is removed by the next import.
        let _removed = fs::remove_file(&temporary);
        return Err(error);
    }
    progress(Progress::Written);
    rename(dir, &temporary, &name_of(number))?;
    progress(Progress::Named);
    write_current(dir, number)?;
    progress(Progress::Current);
    // The one before stays: a reader may have read its name and not yet opened it.
    remove_files(dir, |name| number_of(name).is_some_and(|old| old + 1 < number))
}

fn open_current(dir: &Path) -> Result<Generation, Error> {
    let mut tries = OPEN_TRIES;
    loop {
        let number = match read_current(dir)? {
            Some(number) => number,
            None if newest_file(dir)?.unwrap_or(0) == 0 => return Err(Error::Missing(dir.to_owned())),
            None => return Err(gone(dir)),
        };
        tries -= 1;
        match Generation::open(&dir.join(name_of(number)), number) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound && tries > 0 => {}
            opened => return opened,
        }
    }
}

fn gone(dir: &Path) -> Error {
    Error::damaged(&dir.join("CURRENT"), "it is gone, but generations are there")
}

fn name_of(number: u64) -> String {
    format!("generation-{number:010}")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("generation-")?;
    digits.parse().ok().filter(|number| name_of(*number) == name)
}

/// The newest generation's file, current or not; `None` also where there is no directory.
fn newest_file(dir: &Path) -> Result<Option<u64>, Error> {
    match fs::read_dir(dir) {
        Ok(files) => {
            let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
            Ok(names.filter_map(|name| number_of(&name)).max())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(dir)(error)),
    }
}

/// `CURRENT` is one line: the name of a generation and the checksum of that name.
fn current_line(number: u64) -> String {
    let name = name_of(number);
    format!("{name} {:08x}\n", crc32fast::hash(name.as_bytes()))
}

fn read_current(dir: &Path) -> Result<Option<u64>, Error> {
    let path = dir.join("CURRENT");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let name = std::str::from_utf8(&text).ok().and_then(|text| text.split(' ').next());
    let number = name.and_then(number_of).filter(|number| current_line(*number).as_bytes() == text);
    number.map(Some).ok_or_else(|| Error::damaged(&path, "it names no generation"))
}

fn write_current(dir: &Path, number: u64) -> Result<(), Error> {
    let temporary = dir.join("CURRENT.tmp");
    let mut file = create_private(&temporary)?;
    let write = file.write_all(current_line(number).as_bytes()).and_then(|()| file.sync_all());
    write.map_err(Error::io(&temporary))?;
    rename(dir, &temporary, "CURRENT")
}

/// Renames within the directory, durably.
fn rename(dir: &Path, from: &Path, name: &str) -> Result<(), Error> {
    fs::rename(from, dir.join(name)).map_err(Error::io(from))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io(dir))
}

fn remove_files(dir: &Path, which: impl Fn(&str) -> bool) -> Result<(), Error> {
    for file in fs::read_dir(dir).map_err(Error::io(dir))? {
        let file = file.map_err(Error::io(dir))?;
        if file.file_name().to_str().is_some_and(&which) {
            fs::remove_file(file.path()).map_err(Error::io(&file.path()))?;
        }
    }
    Ok(())
}
