//! What sled 0.34 does with a damaged file of its own: the reproduction behind docs/decisions/0002-sled-index.md.
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

const KEYS: u32 = 2_000;

fn open(dir: &Path) -> sled::Result<sled::Db> {
    sled::Config::new().path(dir).flush_every_ms(None).open()
}

/// A database whose every key was acknowledged by a flush, one tenth at a time.
fn acknowledged(dir: &Path) -> PathBuf {
    let db = open(dir).unwrap();
    for key in 0..KEYS {
        db.insert(key.to_be_bytes(), vec![0x5a; 400]).unwrap();
        if key % (KEYS / 10) == KEYS / 10 - 1 {
            db.flush().unwrap();
        }
    }
    drop(db);
    dir.join("db")
}

/// How many of the acknowledged keys are still there; an error or a panic in words.
fn left(dir: &Path) -> Result<usize, String> {
    let counted = catch_unwind(|| -> sled::Result<usize> {
        let db = open(dir)?;
        let mut left = 0;
        for key in 0..KEYS {
            left += usize::from(db.get(key.to_be_bytes())?.is_some());
        }
        Ok(left)
    });
    match counted {
        Ok(Ok(left)) => Ok(left),
        Ok(Err(error)) => Err(format!("error: {error}")),
        Err(panic) => Err(format!(
            "panic: {}",
            panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "without a text".to_owned())
        )),
    }
}

#[test]
fn flipped_bytes_make_it_panic_and_a_cut_tail_is_lost_without_a_word() {
    let mut panics = 0;
    let mut silent = 0;
    for tenth in 1..10_u64 {
        let temporary = tempfile::tempdir().unwrap();
        let file = acknowledged(temporary.path());
        let bytes = fs::metadata(&file).unwrap().len();
        let flipped = OpenOptions::new().write(true).open(&file).unwrap();
        flipped.write_all_at(&[0xff; 64], bytes * tenth / 10).unwrap();
        let after = left(temporary.path());
        println!("64 bytes at {tenth}/10 of {bytes} overwritten: {after:?}");
        panics += usize::from(after.is_err_and(|said| said.starts_with("panic")));

        let temporary = tempfile::tempdir().unwrap();
        let file = acknowledged(temporary.path());
        let bytes = fs::metadata(&file).unwrap().len();
        OpenOptions::new().write(true).open(&file).unwrap().set_len(bytes * tenth / 10).unwrap();
        let after = left(temporary.path());
        println!("cut to {tenth}/10 of {bytes}: {after:?}");
        silent += usize::from(after.is_ok_and(|left| left < KEYS as usize));
    }
    println!("{panics} panics, {silent} silent losses");
    assert!(panics > 0, "sled has learnt to refuse: the decision can be looked at again");
    assert!(silent > 0, "sled has learnt to notice: the decision can be looked at again");
}
