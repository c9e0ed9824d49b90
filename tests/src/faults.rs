//! Faults of disk and clock for the real process: a small C library, built with `cc`, that it loads before its own
//! (`faults/faults.c`), and the words through which a test tells it what to do.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::Switch;

/// As many 64-bit words as the library has.
const WORDS: u64 = 8;

/// What a switch is told of its disk and clock; it may change while the switch runs.
#[derive(Debug)]
pub struct Faults {
    file: File,
}

/// The words, by their places.
#[derive(Clone, Copy)]
enum Word {
    SyncsLeft = 0,
    SyncsHeld = 1,
    QuotaBytes = 2,
    ClockMs = 3,
    Syncs = 4,
    SyncsFailed = 5,
    SyncsAfter = 6,
    Refused = 7,
}

impl Faults {
    /// Has the switch of a directory start with the library from now on. No fault is set.
    ///
    /// # Panics
    /// When `cc` does not build it.
    pub fn of(switch: &mut Switch, dir: &Path) -> Faults {
        let path = dir.join("faults.words");
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = file.expect("the directory can be written");
        file.set_len(WORDS * 8).expect("the words have room");
        let log = dir.join("log");
        std::fs::create_dir_all(&log).expect("the log's directory");
        switch.set("LD_PRELOAD", build(dir));
        switch.set("FAULTS_FILE", &path);
        switch.set("FAULTS_DIR", log);
        Faults { file }
    }

    /// So many more syncs of segments succeed; those behind them fail. `None`: all succeed.
    pub fn fail_syncs_after(&self, left: Option<u32>) {
        self.write(Word::SyncsLeft, left.map_or(0, |left| i64::from(left) + 1));
    }

    /// Syncs of segments wait as long as this is set.
    pub fn hold_syncs(&self, held: bool) {
        self.write(Word::SyncsHeld, i64::from(held));
    }

    /// All files of the log's directory together may hold so many bytes; `None`: as the disk says.
    pub fn quota(&self, bytes: Option<u64>) {
        self.write(Word::QuotaBytes, bytes.map_or(0, |bytes| bytes as i64));
    }

    /// The wall clock shows so much more, milliseconds.
    pub fn clock(&self, ms: i64) {
        self.write(Word::ClockMs, ms);
    }

    /// Syncs of segments so far.
    pub fn syncs(&self) -> i64 {
        self.read(Word::Syncs)
    }

    /// Syncs of segments that failed, and those that came behind the first such on the same open file.
    pub fn syncs_failed(&self) -> (i64, i64) {
        (self.read(Word::SyncsFailed), self.read(Word::SyncsAfter))
    }

    /// Writes that found no room.
    pub fn refused(&self) -> i64 {
        self.read(Word::Refused)
    }

    fn write(&self, word: Word, value: i64) {
        self.file.write_all_at(&value.to_ne_bytes(), word as u64 * 8).expect("a word is written");
    }

    fn read(&self, word: Word) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, word as u64 * 8).expect("a word is read");
        i64::from_ne_bytes(bytes)
    }
}

/// What the files of a directory hold together, bytes, as the library counts.
///
/// # Panics
/// When it cannot be read.
pub fn used_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("a directory");
    let entries = entries.map(|entry| entry.expect("an entry"));
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed meanwhile.
        Err(_) => 0,
    });
    bytes.sum()
}

/// Builds the library into a directory.
fn build(dir: &Path) -> PathBuf {
    let path = dir.join("faults.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/faults/faults.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&path).arg(source);
    let built = cc.args(["-ldl", "-lpthread"]).status();
    assert!(built.is_ok_and(|status| status.success()), "cc does not build {source}");
    path
}
