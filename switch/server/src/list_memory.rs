//! How new the revocation lists were that were in use, in a file beside the log: a list that is put back is refused behind a
//! restart too (docs/operations.md#country-signers).

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use credential::{ListTime, TrustStore};
use mutant::Mutant;
use serde::{Deserialize, Serialize};

/// In the log's directory.
const FILE: &str = "revocation-lists.json";

/// Authorities that are remembered; of more the new ones are not, and each write says so.
const AUTHORITIES_MAX: usize = 4_096;

/// A longer file is none of ours: 4,096 authorities with names of 200 bytes fill a third of it.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The newest thisUpdate of each authority that was ever in use.
#[derive(Debug)]
pub(crate) struct ListMemory {
    path: PathBuf,
    times: BTreeMap<[u8; 32], ListTime>,
    /// The file says less than is known.
    is_unwritten: bool,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    lists: Vec<RememberedList>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RememberedList {
    issuer: String,
    /// Of the name as its certificates have it, hex.
    issuer_sha256: String,
    /// Seconds since 1970.
    this_update: i64,
}

impl ListMemory {
    /// Reads the file of a log's directory; without one nothing is known yet.
    ///
    /// # Errors
    /// The file, what is wrong with it, and what to do.
    pub(crate) fn open(log_dir: &Path) -> Result<ListMemory, String> {
        let path = log_dir.join(FILE);
        let times = read(&path).map_err(|error| {
            format!(
                "{}: {error}: put a copy of it back, or, if the lists in crl_dir are known to be the newest, take it away: \
                 a start without it learns from them",
                path.display()
            )
        })?;
        Ok(ListMemory { path, times, is_unwritten: false })
    }

    /// The trust store of a start, in which no list that was put back speaks for its authority; each is told.
    pub(crate) fn check(&self, trust: TrustStore) -> TrustStore {
        for issuer in trust.goes_back_behind(self.times()) {
            tracing::error!(issuer, "revocation list is older than one that was in use before, or gone");
        }
        trust.distrusting_lists_behind(self.times())
    }

    /// How new the lists were.
    pub(crate) fn times(&self) -> &BTreeMap<[u8; 32], ListTime> {
        static NONE: BTreeMap<[u8; 32], ListTime> = BTreeMap::new();
        if mutant::is(Mutant::ListPutBackTaken) { &NONE } else { &self.times }
    }

    /// Remembers how new the lists are that are in use now. What cannot be written is told, kept in memory, and written with the
    /// next look.
    pub(crate) fn learn(&mut self, trust: &TrustStore) {
        for (issuer, time) in trust.list_times() {
            let is_new = self.times.get(&issuer).is_none_or(|known| known.this_update_s < time.this_update_s);
            let has_room = self.times.len() < AUTHORITIES_MAX || self.times.contains_key(&issuer);
            if is_new && !has_room {
                tracing::error!(
                    issuer = time.issuer,
                    "too many authorities: not remembered how new its list is"
                );
            } else if is_new {
                self.times.insert(issuer, time);
                self.is_unwritten = true;
            }
        }
        if self.is_unwritten {
            match self.write() {
                Ok(()) => self.is_unwritten = false,
                Err(error) => {
                    let path = self.path.display();
                    tracing::error!(%path, %error, "how new revocation lists are cannot be kept: the next start may not know");
                }
            }
        }
    }

    /// Whole or not at all, and durable.
    fn write(&self) -> std::io::Result<()> {
        let list = |(issuer, time): (&[u8; 32], &ListTime)| RememberedList {
            issuer: time.issuer.clone(),
            issuer_sha256: issuer.iter().map(|byte| format!("{byte:02x}")).collect(),
            this_update: time.this_update_s,
        };
        let remembered = Remembered { lists: self.times.iter().map(list).collect() };
        let text = serde_json::to_vec_pretty(&remembered)?;
        let part = self.path.with_extension("part");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&text)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }
}

fn read(path: &Path) -> Result<BTreeMap<[u8; 32], ListTime>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    let remembered: Remembered = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let time = |list: RememberedList| {
        let issuer = digest(&list.issuer_sha256)
            .ok_or_else(|| format!("issuer_sha256 of {} is not 64 hex digits", list.issuer))?;
        Ok((issuer, ListTime { issuer: list.issuer, this_update_s: list.this_update }))
    };
    remembered.lists.into_iter().map(time).collect()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let is_hex = hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate().filter(|_| is_hex) {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    is_hex.then_some(digest)
}
