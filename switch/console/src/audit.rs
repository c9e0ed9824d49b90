//! What people have done: a file that is only appended to, each line chained to the one before it under K_log.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use keys::DataKeys;
use mutant::Mutant;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// The file's name in the console's directory.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// Bytes of one line; an act that would have more is refused, and with it what it would have recorded.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What stands in front of a line where it is chained, so that no link of the transaction log is one of this file.
const CHAINED: &[u8] = b"atm-switch console audit 1\0";

/// Why an act could not be recorded or read.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The system's own.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A line that is not what was written.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Something that somebody does.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
    /// A person's name, `uid 1000` for whoever uses the command line, `-` where nobody is logged in.
    pub who: &'a str,
    /// An address, or `command line`.
    pub from: &'a str,
    /// What: a few words that are always the same.
    pub act: &'static str,
    /// On whom or what.
    pub on: &'a str,
    /// How that was before; null where there is nothing to say. Nothing secret or personal.
    pub before: Value,
    /// How it is then.
    pub after: Value,
}

/// A line of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 0 without gaps.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// A person's name, `uid 1000` for whoever uses the command line, `-` where nobody is logged in.
    pub who: String,
    /// An address, or `command line`.
    pub from: String,
    /// What: a few words that are always the same.
    pub act: String,
    /// On whom or what.
    pub on: String,
    /// How that was before; null where there is nothing to say.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// How it is then.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// HMAC-SHA-256 under K_log over the link before it and this line without it, as hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
}

/// The audit of one console. Several processes may append to it.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    keys: DataKeys,
}

/// The link in front of the first line.
const FIRST: [u8; 32] = [0; 32];

impl Audit {
    /// The audit of a console's directory; nothing is opened yet.
    pub fn new(dir: &Path, keys: DataKeys) -> Audit {
        Audit { path: dir.join(AUDIT_FILE), keys }
    }

    /// Records an act; it is durable when this returns.
    ///
    /// # Errors
    /// [`AuditError`]: what is not recorded must not be done.
    pub fn append(&self, act: &Act<'_>) -> Result<(), AuditError> {
        if let Some(dir) = self.path.parent() {
            let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
                .recursive(true)
                .create(dir);
            made.map_err(|error| self.io(error))?;
        }
        let opened = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path);
        let mut file = opened.map_err(|error| self.io(error))?;
        file.lock().map_err(|error| self.io(error))?;
        let (number, before) = self.last(&mut file)?;
        let mut entry = Entry {
            number,
            at_ms: act.at_ms,
            who: act.who.to_owned(),
            from: act.from.to_owned(),
            act: act.act.to_owned(),
            on: act.on.to_owned(),
            before: act.before.clone(),
            after: act.after.clone(),
            chain: String::new(),
        };
        entry.chain = hex(&self.link(&before, &entry));
        let line = format!("{}\n", as_line(&entry));
        if line.len() > LINE_BYTES_MAX {
            return Err(self.bad(number as usize + 1, "is longer than a line may be"));
        }
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| self.io(error))
    }

    /// Every line, checked against the chain. Without a file there is none.
    ///
    /// # Errors
    /// [`AuditError::Line`] names the first line that is not what was written.
    pub fn read(&self) -> Result<Vec<Entry>, AuditError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(error)),
        };
        let mut entries = Vec::new();
        let (mut before, mut generation) = (FIRST, 0);
        // An append that a crash has cut off was never told to anybody: it has no line's end.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let number = entries.len() as u64;
            let entry = self.check(line.trim_end_matches('\n'), number, &mut before, &mut generation)?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Checks a line against the link before it and the generation of K_log that made that, and moves both on.
    fn check(
        &self,
        line: &str,
        number: u64,
        before: &mut [u8; 32],
        generation: &mut u8,
    ) -> Result<Entry, AuditError> {
        let place = number as usize + 1;
        let entry: Entry =
            serde_json::from_str(line).map_err(|_| self.bad(place, "is no line of an audit"))?;
        if entry.number != number {
            return Err(self.bad(place, "has another number than its place: lines are gone or were moved"));
        }
        let told = unhex(&entry.chain).filter(|_| as_line(&entry) == line);
        let chained =
            |told: &[u8; 32]| self.keys.chained_by(*generation, before, &chained_text(&entry), told);
        let followed = told.and_then(|told| Some((told, chained(&told)?)));
        let followed =
            followed.or(told.filter(|_| mutant::is(Mutant::AuditChainUnchecked)).zip(Some(*generation)));
        let followed = followed
            .ok_or_else(|| self.bad(place, "does not follow from the line before it: it was changed"))?;
        (*before, *generation) = followed;
        Ok(entry)
    }

    fn link(&self, before: &[u8; 32], entry: &Entry) -> [u8; 32] {
        self.keys.chain(before, &chained_text(entry))
    }

    /// The next line's number and the link that it follows. What a crash has left of a line is taken away.
    fn last(&self, file: &mut File) -> Result<(u64, [u8; 32]), AuditError> {
        let io = |error| self.io(error);
        let length = file.seek(SeekFrom::End(0)).map_err(io)?;
        let from = length.saturating_sub(2 * LINE_BYTES_MAX as u64);
        file.seek(SeekFrom::Start(from)).map_err(io)?;
        let mut end = Vec::new();
        file.read_to_end(&mut end).map_err(io)?;
        let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        if whole < end.len() {
            file.set_len(from + whole as u64).map_err(io)?;
            end.truncate(whole);
        }
        let Some((_, lines)) = end.split_last() else { return Ok((0, FIRST)) };
        let begins = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let last: Result<Entry, _> = serde_json::from_slice(&lines[begins..]);
        let last = last.map_err(|_| self.bad(0, "the last line is no line of an audit"))?;
        let link = unhex(&last.chain).ok_or_else(|| self.bad(0, "the last line has no link"))?;
        Ok((last.number + 1, link))
    }

    fn io(&self, error: std::io::Error) -> AuditError {
        AuditError::Io { path: self.path.clone(), error }
    }

    fn bad(&self, line: usize, reason: &'static str) -> AuditError {
        AuditError::Line { path: self.path.clone(), line, reason }
    }
}

/// What is chained of an entry: all but its own link.
fn chained_text(entry: &Entry) -> Vec<u8> {
    let bare = Entry { chain: String::new(), ..entry.clone() };
    [CHAINED, as_line(&bare).as_bytes()].concat()
}

fn as_line(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("an entry has texts alone for keys")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::data_keys;

    fn with_acts(count: usize) -> (tempfile::TempDir, Audit) {
        let dir = tempfile::tempdir().unwrap();
        let audit = Audit::new(dir.path(), data_keys());
        for number in 0..count {
            let (on, after) = (format!("person {number}"), serde_json::json!({ "tries": number }));
            let act =
                Act { at_ms: 5, who: "lan", from: "::1", act: "log-in", on: &on, before: Value::Null, after };
            audit.append(&act).unwrap();
        }
        (dir, audit)
    }

    fn said_after(change: impl Fn(Vec<String>) -> Vec<String>) -> String {
        let (dir, audit) = with_acts(5);
        let path = dir.path().join(AUDIT_FILE);
        let lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        std::fs::write(&path, change(lines).join("\n") + "\n").unwrap();
        audit.read().map_or_else(|error| error.to_string(), |entries| format!("{} good", entries.len()))
    }

    #[test]
    fn what_was_appended_is_read_in_its_order() {
        let (_dir, audit) = with_acts(3);
        let entries = audit.read().unwrap();
        let seen: Vec<(u64, &str)> = entries.iter().map(|entry| (entry.number, entry.on.as_str())).collect();
        assert_eq!(seen, [(0, "person 0"), (1, "person 1"), (2, "person 2")]);
    }

    #[test]
    fn lines_are_chained_by_the_newest_k_log_and_those_before_by_their_own() {
        let (dir, audit) = with_acts(2);
        let of = |generation: u8| (generation, keys::Key::new([90 + generation; 32]));
        let lines = || std::fs::read_to_string(dir.path().join(AUDIT_FILE)).unwrap();
        let under = |generations: &[u8]| {
            let log = generations.iter().map(|generation| of(*generation)).collect();
            Audit::new(dir.path(), data_keys().with_chains(&log).unwrap())
        };
        let act = || Act {
            at_ms: 5,
            who: "lan",
            from: "::1",
            act: "log-in",
            on: "a person",
            before: Value::Null,
            after: Value::Null,
        };
        std::fs::remove_file(dir.path().join(AUDIT_FILE)).unwrap();
        under(&[1]).append(&act()).unwrap();
        let first = lines();
        under(&[1, 3]).append(&act()).unwrap();
        under(&[1, 3]).append(&act()).unwrap();
        assert_eq!(under(&[1, 3]).read().unwrap().len(), 3);
        assert!(lines().starts_with(&first), "what was there is as it was");
        assert!(under(&[1]).read().unwrap_err().to_string().contains(":2: does not follow"));
        under(&[1]).append(&act()).unwrap();
        let older = under(&[1, 3]).read().unwrap_err().to_string();
        assert!(older.contains(":4: does not follow"), "an older key goes on with nothing: {older}");
        drop(audit);
    }

    #[test]
    fn an_audit_that_was_edited_names_its_first_bad_line() {
        let changed = |mut lines: Vec<String>| {
            lines[2] = lines[2].replace("lan", "min");
            lines
        };
        assert!(said_after(changed).contains(":3: does not follow"), "{}", said_after(changed));
        let gone = |mut lines: Vec<String>| {
            lines.remove(1);
            lines
        };
        assert!(said_after(gone).contains(":2: has another number"), "{}", said_after(gone));
        let spaced = |mut lines: Vec<String>| {
            lines[0] = lines[0].replace(':', ": ");
            lines
        };
        assert!(said_after(spaced).contains(":1: "), "{}", said_after(spaced));
        assert_eq!(said_after(|lines| lines), "5 good");
    }

    #[test]
    fn a_line_that_a_crash_has_cut_off_is_no_line_and_the_next_takes_its_place() {
        let (dir, audit) = with_acts(2);
        let path = dir.path().join(AUDIT_FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"number\":2,\"at_");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(audit.read().unwrap().len(), 2);
        let act = Act {
            at_ms: 6,
            who: "lan",
            from: "::1",
            act: "log-out",
            on: "lan",
            before: Value::Null,
            after: Value::Null,
        };
        audit.append(&act).unwrap();
        assert_eq!(audit.read().unwrap().last().map(|entry| entry.number), Some(2));
    }

    #[test]
    fn appends_from_several_threads_make_one_chain() {
        let (dir, audit) = with_acts(1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let audit = Audit::new(dir.path(), data_keys());
                scope.spawn(move || {
                    for _ in 0..5 {
                        let (before, after) = (Value::Null, Value::Null);
                        let act = Act { at_ms: 7, who: "a", from: "b", act: "look", on: "c", before, after };
                        audit.append(&act).unwrap();
                    }
                });
            }
        });
        assert_eq!(audit.read().unwrap().len(), 21);
    }
}
