//! What people have done: a file that is only appended to, each line chained to the one before it under K_log.

use std::path::Path;

use chained::{ChainedFile, SelfLinked};
use keys::DataKeys;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file's name in the console's directory.
pub const AUDIT_FILE: &str = "audit.jsonl";

/// Why an act could not be recorded or read.
pub type AuditError = chained::ChainError;

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

impl SelfLinked for Entry {
    const CHAINED: &'static [u8] = b"atm-switch console audit 1\0";
    // An act that would have more is refused, and with it what it would have recorded.
    const BYTES_MAX: usize = 16 * 1024;
    const NONE: &'static str = "is no line of an audit";

    fn number(&self) -> u64 {
        self.number
    }

    fn link(&mut self) -> &mut String {
        &mut self.chain
    }
}

/// The audit of one console. Several processes may append to it.
#[derive(Debug)]
pub struct Audit(ChainedFile<Entry>);

impl Audit {
    /// The audit of a console's directory; nothing is opened yet.
    pub fn new(dir: &Path, keys: DataKeys) -> Audit {
        Audit(ChainedFile::new(dir.join(AUDIT_FILE), keys))
    }

    /// Records an act behind the last line, whatever stands before that; it is durable when this returns.
    ///
    /// # Errors
    /// [`AuditError`]: what is not recorded must not be done.
    pub fn append(&self, act: &Act<'_>) -> Result<(), AuditError> {
        let mut locked = self.0.lock()?;
        let end = locked.end()?;
        let entry = Entry {
            number: end.number,
            at_ms: act.at_ms,
            who: act.who.to_owned(),
            from: act.from.to_owned(),
            act: act.act.to_owned(),
            on: act.on.to_owned(),
            before: act.before.clone(),
            after: act.after.clone(),
            chain: String::new(),
        };
        locked.append(end, &entry, None)?;
        Ok(())
    }

    /// Every line, checked against the chain. Without a file there is none.
    ///
    /// # Errors
    /// [`AuditError::Line`] names the first line that is not what was written.
    pub fn read(&self) -> Result<Vec<Entry>, AuditError> {
        self.0.read()
    }
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
