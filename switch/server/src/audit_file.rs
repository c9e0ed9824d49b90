//! The audit file: acts of people and keys that change or look at what the log does not record, chained lines beside it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chained::{ChainError, ChainedFile, Checked, End, SelfLinked, Told, to_hex};
use keys::DataKeys;
use mutant::Mutant;
use processor::UtcSeconds;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::process_memory::user;

/// Its name in the log's directory.
pub const AUDIT_FILE: &str = "switch-audit.jsonl";

/// What was kept there before its lines were chained: never written to any more, and vouched for by the first chained line.
pub const PLAIN_FILE: &str = "audit.log";

/// So much of what was cut away is told, in characters.
const CUT_TOLD_MAX: usize = 200;

/// The plain file is read in pieces of this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// A line of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Entry {
    /// From 0 without gaps.
    number: u64,
    /// RFC 3339.
    at: String,
    /// The user whose process it was.
    by: u32,
    /// What was done, on what: `act`, and what belongs to it.
    #[serde(flatten)]
    act: Map<String, Value>,
    /// HMAC-SHA-256 under K_log over the link before it and this line without it, as hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    chain: String,
}

impl SelfLinked for Entry {
    const CHAINED: &'static [u8] = b"atm-switch audit 1\0";
    // The longest name of a file, each byte of it escaped, has room twice. What would have more is refused, and with it the act.
    const BYTES_MAX: usize = 64 * 1024;
    const NONE: &'static str = "is no line of an audit";

    fn number(&self) -> u64 {
        self.number
    }

    fn link(&mut self) -> &mut String {
        &mut self.chain
    }
}

/// What the chained lines vouch for of [`PLAIN_FILE`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Vouched {
    bytes: u64,
    sha256: String,
}

/// What a check of the audit has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audited {
    /// Lines that follow from each other.
    pub lines: u64,
    /// Bytes of [`PLAIN_FILE`] that no line vouches for: written by a version that did not chain.
    pub unvouched_bytes: u64,
    /// The first that is not what was written: path, line, and what is wrong.
    pub bad: Option<String>,
}

/// The audit of one switch. Several processes may append to it.
#[derive(Clone, Debug)]
pub struct AuditFile {
    file: ChainedFile<Entry>,
    plain: PathBuf,
}

impl AuditFile {
    /// The audit beside a log; nothing is opened yet.
    pub fn new(log_dir: &Path, keys: DataKeys) -> AuditFile {
        AuditFile { file: ChainedFile::new(log_dir.join(AUDIT_FILE), keys), plain: log_dir.join(PLAIN_FILE) }
    }

    /// The audit of a configuration's switch.
    pub fn of(settings: &Settings) -> AuditFile {
        AuditFile::new(&settings.switch.log_dir, settings.keys.data.clone())
    }

    /// Appends an act, an object with `act`; time and user are added. It is durable when this returns.
    ///
    /// # Errors
    /// It was not recorded: what is not recorded must not be done.
    pub(crate) fn record(&self, act: Value) -> Result<(), String> {
        self.record_all(vec![act])
    }

    /// The same of many, durable together.
    ///
    /// # Errors
    /// None of them was recorded.
    pub(crate) fn record_all(&self, acts: Vec<Value>) -> Result<(), String> {
        self.append(acts).map_err(|error| error.to_string())
    }

    /// Mends the end that an act torn by a crash or a full disk has left, and says so in the file and in the program's log; every
    /// act does the same before it is written. Where there are plain lines alone, it begins the chained ones.
    ///
    /// # Errors
    /// A file cannot be read or written, or its end is none.
    pub(crate) fn mend(&self) -> Result<(), String> {
        let is_there = |path: &Path| {
            path.try_exists().map_err(|error| ChainError::Io { path: path.to_owned(), error }.to_string())
        };
        if is_there(self.file.path())? || is_there(&self.plain)? {
            self.record_all(Vec::new())
        } else {
            Ok(())
        }
    }

    /// Checks every line against the chain, and the plain lines against what is vouched for of them. Without a file there is none.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn check(&self) -> Result<Audited, String> {
        let mut checked = Checked::default();
        let mut vouched = None;
        let read = self.file.read_on(&mut checked, |told| {
            if let Told::Line(Entry { number: 0, act, .. }) = told {
                vouched = act.get("before").and_then(|before| Vouched::deserialize(before).ok());
            }
        });
        let bad_line = match read {
            Ok(()) => None,
            Err(error @ ChainError::Io { .. }) => return Err(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let is_held =
            |vouched: &Vouched| Ok(self.plain(Some(vouched.bytes))?.is_some_and(|it| it == *vouched));
        let is_plain_changed = match &vouched {
            Some(vouched) => !is_held(vouched).map_err(|error: ChainError| error.to_string())?,
            None => false,
        };
        let is_plain_changed = is_plain_changed && !mutant::is(Mutant::PlainAuditUnchecked);
        let bad_plain = is_plain_changed.then(|| {
            format!(
                "{}: is not what line 1 of {AUDIT_FILE} vouches for: it was changed",
                self.plain.display()
            )
        });
        let plain_bytes = std::fs::metadata(&self.plain).map_or(0, |metadata| metadata.len());
        Ok(Audited {
            lines: checked.lines(),
            unvouched_bytes: plain_bytes.saturating_sub(vouched.map_or(0, |vouched| vouched.bytes)),
            bad: bad_line.or(bad_plain),
        })
    }

    /// Mends the end, then appends. Whoever else writes waits meanwhile.
    fn append(&self, acts: Vec<Value>) -> Result<(), ChainError> {
        let mut locked = self.file.lock()?;
        let end = locked.end()?;
        let mut all = Vec::new();
        if end.number == 0
            && let Some(vouched) = self.plain(None)?
        {
            all.push(json!({ "act": "audit begins", "file": PLAIN_FILE, "before": vouched }));
        }
        let torn = locked.torn(end)?;
        if !torn.is_empty() {
            let cut: String = String::from_utf8_lossy(&torn).chars().take(CUT_TOLD_MAX).collect();
            tracing::warn!(cut, "the last line of the audit file was torn, and is cut away");
            all.push(json!({ "act": "audit mended", "cut": cut }));
        }
        all.extend(acts);
        if all.is_empty() {
            return Ok(());
        }
        if end.bytes == 0 {
            locked.sync_dir()?;
        }
        locked.append_all(end, &entries(end, all))
    }

    /// What stands in the plain file, or in so many bytes at its beginning; `None` where nothing does.
    fn plain(&self, bytes_max: Option<u64>) -> Result<Option<Vouched>, ChainError> {
        let failed = |error| ChainError::Io { path: self.plain.clone(), error };
        let mut file = match File::open(&self.plain) {
            Ok(file) => file.take(bytes_max.unwrap_or(u64::MAX)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let (mut digest, mut bytes) = (Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = file.read(&mut chunk).map_err(failed)?;
            if read == 0 {
                break;
            }
            digest.update(&chunk[..read]);
            bytes += read as u64;
        }
        Ok((bytes > 0).then(|| Vouched { bytes, sha256: to_hex(&digest.finalize()) }))
    }
}

/// Acts as the lines behind an end, with time and user.
fn entries(end: End, acts: Vec<Value>) -> Vec<Entry> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    let at = crate::log_view::utc(UtcSeconds(now_s));
    let entry = |(number, act): (u64, Value)| {
        let Value::Object(act) = act else { unreachable!("an act is an object") };
        Entry { number, at: at.clone(), by: user(), act, chain: String::new() }
    };
    (end.number..).zip(acts).map(entry).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use keys::Key;

    use super::*;

    fn audit_in(dir: &Path) -> AuditFile {
        let key = |byte| Key::new([byte; 32]);
        AuditFile::new(dir, DataKeys::new(&key(1), &key(2), &key(3)))
    }

    /// An audit of these acts.
    fn audit_of(acts: &[&str]) -> (tempfile::TempDir, AuditFile) {
        let dir = tempfile::tempdir().unwrap();
        let audit = audit_in(dir.path());
        acts.iter().for_each(|act| audit.record(json!({ "act": act })).unwrap());
        (dir, audit)
    }

    /// What the acts' lines say; each follows from the one before it.
    fn acts(audit: &AuditFile) -> Vec<String> {
        let entries = audit.file.read().unwrap();
        entries.iter().map(|entry| entry.act["act"].as_str().unwrap().to_owned()).collect()
    }

    /// What a check says of five acts once their lines were changed.
    fn said_after(change: impl Fn(&mut Vec<String>)) -> String {
        let (dir, audit) = audit_of(&["one", "two", "three", "four", "five"]);
        let path = dir.path().join(AUDIT_FILE);
        let mut lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let audited = audit.check().unwrap();
        let said = audited.bad.unwrap_or_else(|| "good".to_owned()).replace(&path.display().to_string(), "");
        format!("{} lines{said}", audited.lines)
    }

    #[test]
    fn a_line_that_was_changed_cut_out_or_moved_is_named() {
        let unfollowed = "does not follow from the line before it: it was changed";
        let moved = "has another number than its place: lines are gone or were moved";
        assert_eq!(said_after(|_| ()), "5 linesgood");
        assert_eq!(
            said_after(|lines| lines[2] = lines[2].replace("three", "other")),
            format!("2 lines:3: {unfollowed}")
        );
        assert_eq!(said_after(|lines| drop(lines.remove(1))), format!("1 lines:2: {moved}"));
        assert_eq!(said_after(|lines| lines.swap(0, 4)), format!("0 lines:1: {moved}"));
        assert_eq!(
            said_after(|lines| {
                lines.remove(3);
                lines[3] = lines[3].replace("\"number\":4", "\"number\":3");
            }),
            format!("3 lines:4: {unfollowed}")
        );
        assert_eq!(said_after(|lines| lines[4] = "{}".to_owned()), "4 lines:5: is no line of an audit");
    }

    #[test]
    fn many_acts_are_as_many_lines_and_one_that_is_too_long_keeps_all_out() {
        let (_dir, audit) = audit_of(&["one"]);
        let act = |act: &str| json!({ "act": act });
        audit.record_all(vec![act("two"), act("three")]).unwrap();
        let refused = audit.record_all(vec![act("four"), act(&"x".repeat(Entry::BYTES_MAX))]).unwrap_err();
        assert!(refused.ends_with(":5: would be longer than a line may be"), "{refused}");
        assert_eq!(acts(&audit), ["one", "two", "three"]);
    }

    #[test]
    fn a_lock_that_another_process_keeps_is_not_waited_for_without_end() {
        let (dir, audit) = audit_of(&["one"]);
        let other = File::open(dir.path().join(AUDIT_FILE)).unwrap();
        other.lock().unwrap();
        for refused in [audit.mend(), audit.record(json!({ "act": "two" }))] {
            assert!(refused.unwrap_err().ends_with("another process holds it locked"));
        }
        drop(other);
        audit.record(json!({ "act": "three" })).unwrap();
        assert_eq!(acts(&audit), ["one", "three"]);
    }

    #[test]
    fn a_torn_last_line_is_cut_away_and_said_so() {
        let (dir, audit) = audit_of(&[]);
        audit.mend().unwrap();
        let path = dir.path().join(AUDIT_FILE);
        assert!(!path.exists(), "nothing to mend");
        for act in ["one", "two"] {
            audit.record(json!({ "act": act })).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for length in first..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            audit.mend().unwrap();
            let expected: &[&str] = match length {
                _ if length == whole.len() => &["one", "two"],
                _ if length == first => &["one"],
                // Also one that lacks its end of line alone: it was told to nobody.
                _ => &["one", "audit mended"],
            };
            assert_eq!(acts(&audit), expected, "cut at {length}");
            // An act finds it mended, and mends it itself where nothing has started since.
            std::fs::write(&path, &whole[..length]).unwrap();
            audit.record(json!({ "act": "three" })).unwrap();
            assert_eq!(acts(&audit), [expected, &["three"]].concat(), "cut at {length}");
        }
        let cut = std::fs::read_to_string(&path).unwrap();
        assert!(!cut.contains("audit mended"), "the last one was whole: {cut}");
    }

    /// A torn end that is longer than what is looked through was taken for the beginning of the file, and cut from there on.
    #[test]
    fn an_end_that_is_longer_than_a_line_may_be_is_refused_and_left() {
        let (dir, audit) = audit_of(&["one"]);
        let path = dir.path().join(AUDIT_FILE);
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend(vec![b'x'; 2 * Entry::BYTES_MAX]);
        std::fs::write(&path, &torn).unwrap();
        for refused in [audit.mend(), audit.record(json!({ "act": "two" }))] {
            assert!(refused.unwrap_err().ends_with("its last line is longer than a line may be"));
        }
        assert_eq!(std::fs::read(&path).unwrap(), torn);
    }

    #[test]
    fn plain_lines_of_before_stay_and_are_vouched_for() {
        let (dir, audit) = audit_of(&[]);
        let plain = dir.path().join(PLAIN_FILE);
        let before = "{\"act\":\"keys create\",\"at\":\"2026-05-03T00:00:00Z\",\"by\":0}\n{\"act\":\"torn";
        std::fs::write(&plain, before).unwrap();
        assert_eq!(audit.check().unwrap().unvouched_bytes, before.len() as u64);
        audit.mend().unwrap();
        audit.record(json!({ "act": "one" })).unwrap();
        assert_eq!(acts(&audit), ["audit begins", "one"]);
        assert_eq!(std::fs::read_to_string(&plain).unwrap(), before, "nothing of it is touched");
        let good = Audited { lines: 2, unvouched_bytes: 0, bad: None };
        assert_eq!(audit.check().unwrap(), good);

        // A version of before has gone on with it meanwhile.
        std::fs::write(&plain, format!("{before}more")).unwrap();
        assert_eq!(audit.check().unwrap(), Audited { unvouched_bytes: 4, ..good });

        for changed in [before.replace("create", "rotate"), before[1..].to_owned(), String::new()] {
            std::fs::write(&plain, changed).unwrap();
            let bad = audit.check().unwrap().bad.unwrap();
            assert!(
                bad.starts_with(&plain.display().to_string()) && bad.ends_with("it was changed"),
                "{bad}"
            );
        }
        std::fs::remove_file(&plain).unwrap();
        assert!(audit.check().unwrap().bad.is_some(), "it is gone");
    }
}
