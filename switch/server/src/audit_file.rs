//! The audit file: acts of people that change or look at what the log does not record, a JSON line each.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use processor::UtcSeconds;
use serde_json::{Value, json};

use crate::process_memory::user;

/// Its name in the log's directory.
pub const AUDIT_FILE: &str = "audit.log";

/// No act's line is longer: so much of the file's end is looked through for the beginning of a torn line.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Whoever else writes is waited for so long; then the act is refused. An act takes a sync, a full disk's longer ones included.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

/// The file's lock is looked at so often meanwhile.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(5);

/// So much of what was cut away is told, in characters.
const CUT_TOLD_MAX: usize = 200;

/// Appends one JSON line with time and user, durable before this returns.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn audit(log_dir: &Path, act: Value) -> Result<(), String> {
    audit_all(log_dir, vec![act])
}

/// The same of many, durable together.
///
/// # Errors
/// As [`audit`].
pub(crate) fn audit_all(log_dir: &Path, acts: Vec<Value>) -> Result<(), String> {
    let path = log_dir.join(AUDIT_FILE);
    let write = || {
        std::fs::create_dir_all(log_dir)?;
        let mut file = OpenOptions::new().read(true).create(true).append(true).mode(0o600).open(&path)?;
        append(&mut file, acts)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

/// Mends the end that an act torn by a crash or a full disk has left, and says so in the file and in the log; every act does
/// the same before it is written.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn mend(log_dir: &Path) -> Result<(), String> {
    let path = log_dir.join(AUDIT_FILE);
    let mend = || match OpenOptions::new().read(true).append(true).open(&path) {
        Ok(mut file) => append(&mut file, Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    mend().map_err(|error| format!("{}: {error}", path.display()))
}

/// Mends the end, then appends. Whoever else writes waits meanwhile.
fn append(file: &mut File, acts: Vec<Value>) -> std::io::Result<()> {
    lock(file)?;
    let mut text = String::new();
    match torn(file)? {
        Torn::Nothing => {}
        Torn::Newline => text.push('\n'),
        Torn::Act { begins, cut } => {
            tracing::warn!(cut, "the last line of the audit file was torn, and is cut away");
            file.set_len(begins)?;
            text += &line(json!({ "act": "audit mended", "cut": cut }));
        }
    }
    acts.into_iter().for_each(|act| text += &line(act));
    if text.is_empty() {
        return Ok(());
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Locks the file until it is closed.
fn lock(file: &File) -> std::io::Result<()> {
    let until = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_LOOK_EVERY),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::WouldBlock, "another process holds it locked"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What is wrong with the file's end.
enum Torn {
    Nothing,
    /// The last act is whole, but for its end of line.
    Newline,
    /// It is not whole.
    Act {
        begins: u64,
        cut: String,
    },
}

fn torn(file: &mut File) -> std::io::Result<Torn> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE_BYTES_MAX);
    file.seek(SeekFrom::Start(length.saturating_sub(1)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    if end.is_empty() || end == b"\n" {
        return Ok(Torn::Nothing);
    }
    file.seek(SeekFrom::Start(from))?;
    end.clear();
    file.read_to_end(&mut end)?;
    let begins = match end.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => newline + 1,
        None if from == 0 => 0,
        None => return Err(Error::new(ErrorKind::InvalidData, "its last line is longer than any act's")),
    };
    let last = &end[begins..];
    if serde_json::from_slice::<Value>(last).is_ok_and(|act| act.is_object()) {
        return Ok(Torn::Newline);
    }
    let cut = String::from_utf8_lossy(last).chars().take(CUT_TOLD_MAX).collect();
    Ok(Torn::Act { begins: from + begins as u64, cut })
}

/// An act with time and user.
fn line(mut act: Value) -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    act["at"] = json!(crate::log_view::utc(UtcSeconds(now_s)));
    act["by"] = json!(user());
    format!("{act}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What the acts' lines say.
    fn acts(dir: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(dir.join(AUDIT_FILE)).unwrap();
        assert!(text.ends_with('\n'), "{text}");
        let act =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["act"].as_str().unwrap().to_owned();
        text.lines().map(act).collect()
    }

    #[test]
    fn a_lock_that_another_process_keeps_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().unwrap();
        audit(dir.path(), json!({ "act": "one" })).unwrap();
        let other = File::open(dir.path().join(AUDIT_FILE)).unwrap();
        other.lock().unwrap();
        for refused in [mend(dir.path()), audit(dir.path(), json!({ "act": "two" }))] {
            assert!(refused.unwrap_err().ends_with("another process holds it locked"));
        }
        drop(other);
        audit(dir.path(), json!({ "act": "three" })).unwrap();
        assert_eq!(acts(dir.path()), ["one", "three"]);
    }

    #[test]
    fn a_torn_last_line_is_cut_away_and_said_so() {
        let dir = tempfile::tempdir().unwrap();
        mend(dir.path()).unwrap();
        assert!(!dir.path().join(AUDIT_FILE).exists(), "nothing to mend");
        for act in ["one", "two"] {
            audit(dir.path(), json!({ "act": act })).unwrap();
        }
        let path = dir.path().join(AUDIT_FILE);
        let whole = std::fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for length in first..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            mend(dir.path()).unwrap();
            let expected: &[&str] = match whole.len() - length {
                0 | 1 => &["one", "two"],
                _ if length == first => &["one"],
                _ => &["one", "audit mended"],
            };
            assert_eq!(acts(dir.path()), expected, "cut at {length}");
            // An act finds it mended, and mends it itself where nothing has started since.
            std::fs::write(&path, &whole[..length]).unwrap();
            audit(dir.path(), json!({ "act": "three" })).unwrap();
            assert_eq!(acts(dir.path()), [expected, &["three"]].concat(), "cut at {length}");
        }
        std::fs::write(&path, vec![b'x'; LINE_BYTES_MAX as usize + 1]).unwrap();
        assert!(mend(dir.path()).unwrap_err().ends_with("its last line is longer than any act's"));
    }
}
