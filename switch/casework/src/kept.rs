//! Taken files on disk, by their digests: each is there whole or not at all, whoever hands it in at once.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use exchange::Digest;

/// Where taken files are kept, by their digests.
pub const FILES_DIR: &str = "files";

/// Whoever hands in a file that somebody else is just writing waits so long at most, and is then told that it is locked: the largest file is written within it.
pub const KEEP_WAIT_MAX: Duration = Duration::from_secs(60);

/// The lock is looked at so often meanwhile.
const KEEP_LOOK_EVERY: Duration = Duration::from_millis(5);

/// The place of a taken file beside the acts of `dir`.
pub(crate) fn path_of(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join(FILES_DIR).join(digest.to_string())
}

/// Keeps a file, durable when this returns; one that is there already is left as it is.
///
/// It is written beside its place by whoever has that name locked, and then renamed. What somebody who was killed has left there is written anew.
pub(crate) fn keep(dir: &Path, digest: Digest, bytes: &[u8]) -> Result<()> {
    let files = dir.join(FILES_DIR);
    DirBuilder::new().recursive(true).mode(0o700).create(&files)?;
    let path = path_of(dir, &digest);
    let part = path.with_extension("part");
    let until = Instant::now() + KEEP_WAIT_MAX;
    while !is_there(&path, digest, bytes)? {
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&part)?;
        // Whoever had it locked may have renamed it: then this is the taken file itself, and not to be touched.
        if !is_locked(&file, until)? || !is_at(&file, &part)? {
            continue;
        }
        // It may have come since this was looked at, and then the name was made anew.
        if is_there(&path, digest, bytes)? {
            fs::remove_file(&part)?;
            continue;
        }
        file.set_len(0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
    }
    File::open(&files)?.sync_all()
}

fn is_there(path: &Path, digest: Digest, bytes: &[u8]) -> Result<bool> {
    let is_as_long = match fs::metadata(path) {
        Ok(there) => there.len() == bytes.len() as u64,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    Ok(is_as_long && Digest::of(&fs::read(path)?) == digest)
}

/// Locks it, or says after a while that somebody else still has it: it is opened anew then, for it may be another one by now.
fn is_locked(file: &File, until: Instant) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) if Instant::now() < until => {
            std::thread::sleep(KEEP_LOOK_EVERY);
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::WouldBlock, "somebody else holds it locked"))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether it still has this name.
fn is_at(file: &File, path: &Path) -> Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
