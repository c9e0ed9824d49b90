//! The sealed file: AES-256-GCM under a key of a passphrase (argon2id) or of a key file, written whole or not at all.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::slot::{KEYS_MAX, SLOT_BYTES_MAX};

/// No sealed file is longer; a longer one is not read.
pub const SEALED_FILE_BYTES_MAX: usize = HEADER_BYTES + KEYS_MAX * SLOT_BYTES_MAX + TAG_BYTES;

const MAGIC: &[u8; 8] = b"ATMHSM1\n";
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Magic, how the key is made, salt, nonce. All of it is authenticated.
const HEADER_BYTES: usize = MAGIC.len() + 1 + SALT_BYTES + NONCE_BYTES;

/// argon2id: 64 MiB, 3 passes, 1 lane (RFC 9106, its second choice, with one lane).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// The shortest passphrase.
const PASSPHRASE_BYTES_MIN: usize = 12;

/// What the file is sealed with. Cannot be printed, and is overwritten when dropped.
#[derive(Clone)]
pub struct Sealing(Kind);

#[derive(Clone)]
enum Kind {
    Key(Zeroizing<[u8; 32]>),
    Passphrase(Zeroizing<Vec<u8>>),
}

impl Sealing {
    /// A passphrase; white space at its end is not part of it.
    ///
    /// # Errors
    /// One of fewer than 12 bytes.
    pub fn passphrase(text: &[u8]) -> Result<Sealing, String> {
        let text = text.trim_ascii_end();
        if text.len() < PASSPHRASE_BYTES_MIN {
            return Err(format!("a passphrase has {PASSPHRASE_BYTES_MIN} bytes or more"));
        }
        Ok(Sealing(Kind::Passphrase(Zeroizing::new(text.to_vec()))))
    }

    /// The content of a key file: 64 hex digits; white space at its end is not part of them.
    ///
    /// # Errors
    /// Anything else.
    pub fn key_file(text: &[u8]) -> Result<Sealing, String> {
        let digits = str::from_utf8(text.trim_ascii_end()).ok();
        let key = digits.and_then(keys::Key::from_hex).ok_or("a key file has 64 hex digits")?;
        Ok(Sealing(Kind::Key(Zeroizing::new(*key.bytes()))))
    }

    fn code(&self) -> u8 {
        match self.0 {
            Kind::Key(_) => b'K',
            Kind::Passphrase(_) => b'P',
        }
    }

    fn key(&self, salt: &[u8; SALT_BYTES]) -> Result<Zeroizing<[u8; 32]>, String> {
        match &self.0 {
            Kind::Key(key) => Ok(key.clone()),
            Kind::Passphrase(text) => {
                let mut key = Zeroizing::new([0; 32]);
                let params =
                    Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|error| error.to_string())?;
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                argon2.hash_password_into(text, salt, &mut *key).map_err(|error| error.to_string())?;
                Ok(key)
            }
        }
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealing")
    }
}

/// An open file's key with its salt, so that a passphrase is worked through once.
#[derive(Clone)]
pub(crate) struct SealKey {
    code: u8,
    salt: [u8; SALT_BYTES],
    key: Zeroizing<[u8; 32]>,
}

impl SealKey {
    /// A new file's.
    pub(crate) fn new(sealing: &Sealing) -> Result<SealKey, String> {
        let salt = random()?;
        Ok(SealKey { code: sealing.code(), salt, key: sealing.key(&salt)? })
    }

    /// That of the file that these bytes are.
    fn of(sealing: &Sealing, file: &[u8]) -> Result<SealKey, String> {
        let header = header(file)?;
        let code = header[MAGIC.len()];
        if code != sealing.code() {
            let with = if code == b'P' { "passphrase" } else { "key file" };
            return Err(format!("is sealed with a {with}"));
        }
        let salt = *header[MAGIC.len() + 1..].first_chunk().expect("the header has a salt");
        Ok(SealKey { code, salt, key: sealing.key(&salt)? })
    }

    /// Opens what [`SealKey::seal`] made. Nothing is believed before the tag.
    fn open(&self, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
        let (header, sealed) = (header(file)?, &file[HEADER_BYTES..]);
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self
            .cipher()
            .open_in_place(nonce_of(header), Aad::from(header), &mut bytes)
            .map(|clear| clear.len())
            .map_err(|_| "does not open: another key or passphrase, or changed".to_owned())?;
        bytes.truncate(opened);
        Ok(bytes)
    }

    fn seal(&self, mut clear: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, String> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let header = [&MAGIC[..], &[self.code], &self.salt, &nonce].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.cipher().seal_in_place_separate_tag(nonce, Aad::from(&header), &mut clear);
        let tag = sealed.map_err(|_| "cannot be sealed".to_owned())?;
        Ok([&header, &**clear, tag.as_ref()].concat())
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.key).expect("the key has 32 bytes"))
    }
}

fn header(file: &[u8]) -> Result<&[u8; HEADER_BYTES], String> {
    file.first_chunk()
        .filter(|header| header.starts_with(MAGIC))
        .ok_or_else(|| "is no file of sealed keys".to_owned())
}

fn nonce_of(header: &[u8; HEADER_BYTES]) -> Nonce {
    Nonce::assume_unique_for_key(*header.last_chunk().expect("the header ends with a nonce"))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    Ok(bytes)
}

/// Reads and opens a file; with `known`, its key needs no passphrase.
pub(crate) fn read(
    path: &Path,
    sealing: &Sealing,
    known: Option<&SealKey>,
) -> Result<(SealKey, Zeroizing<Vec<u8>>), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(SEALED_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > SEALED_FILE_BYTES_MAX {
        return Err(format!("has more than {SEALED_FILE_BYTES_MAX} bytes"));
    }
    let salt = header(&bytes)?[MAGIC.len() + 1..].first_chunk::<SALT_BYTES>().copied();
    let key = match known.filter(|known| Some(known.salt) == salt) {
        Some(known) => known.clone(),
        None => SealKey::of(sealing, &bytes)?,
    };
    let clear = key.open(&bytes)?;
    Ok((key, clear))
}

/// Syncs a directory: what was renamed in it is durable then.
pub(crate) type SyncDirectory = fn(&Path) -> io::Result<()>;

/// Seals what is in clear and puts it in the file's place, as [`put`] does.
pub(crate) fn write(
    path: &Path,
    key: &SealKey,
    clear: Zeroizing<Vec<u8>>,
    sync_directory: SyncDirectory,
) -> Result<(), String> {
    put(path, &key.seal(clear)?, sync_directory)
}

/// Writes a file beside it, syncs it, and puts it in its place. Where that cannot be made durable the file before it is put
/// back: an error says that nothing has changed.
pub(crate) fn put(path: &Path, bytes: &[u8], sync_directory: SyncDirectory) -> Result<(), String> {
    let (part, before) = (path.with_extension("part"), path.with_extension("before"));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        unless_missing(std::fs::remove_file(&before))?;
        let had_one = unless_missing(std::fs::hard_link(path, &before))?;
        std::fs::rename(&part, path)?;
        if let Err(error) = sync_directory(directory) {
            if had_one {
                std::fs::rename(&before, path)?
            } else {
                std::fs::remove_file(path)?
            }
            return Err(error);
        }
        // What is left of it is overwritten by the next change.
        let _ = std::fs::remove_file(&before);
        Ok(())
    };
    write().map_err(|error| error.to_string())
}

/// `false` where there was no file.
fn unless_missing(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// That of the system.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Held while a file is changed.
#[derive(Debug)]
pub(crate) struct Lock(pub(crate) File);

/// Given back, and not only closed: a program that another thread is just starting has the file open too for a moment.
impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it is what is left.
        let _ = self.0.unlock();
    }
}

/// Locks what stands beside a file: the file itself is replaced.
pub(crate) fn lock(path: &Path) -> Result<Lock, HsmError> {
    let beside = path.with_extension("lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let file = opened.map_err(|error| file_error(&beside, error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(_) => Err(file_error(path, "another process is changing it; try again")),
    }
}

pub(crate) fn file_error(path: &Path, reason: impl Into<String>) -> HsmError {
    HsmError::File { path: path.display().to_string(), reason: reason.into() }
}
