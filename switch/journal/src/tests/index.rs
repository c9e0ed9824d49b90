//! Starts with and without checkpoint and index, or with broken ones: the same answers every time.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use processor::{Class, Lookup, OwnName, Standing, State, Transaction};

use super::{Bench, open};
use crate::Finder;
use crate::samples::{
    advice_key, bank, citizen, complete, day, declined, identity, intent, key, outcome, reversal, reversed,
};

/// Enough transactions for a dozen segments: every one is completed, reversed, refused or open, by its number.
pub(crate) const TRANSACTIONS: u32 = 400;

pub(crate) fn fill(bench: &mut Bench) {
    for stan in 1..=TRANSACTIONS {
        match stan % 5 {
            0 => {
                bench.append(&declined(stan));
                continue;
            }
            1 => drop(bench.append(&intent(stan))),
            _ => {
                bench.append(&intent(stan));
                bench.append(&outcome(stan));
            }
        }
        // What follows a transaction's beginning stands some segments behind it.
        if let Some(old) = stan.checked_sub(150).filter(|old| *old > 0) {
            match old % 5 {
                2 => drop(bench.append(&complete(old))),
                3 => {
                    bench.append(&reversal(old));
                    bench.append(&reversed(old));
                }
                _ => {}
            }
        }
    }
    bench.wait_synced();
}

/// Everything that a caller can see, in one value.
#[derive(PartialEq, Debug)]
struct Seen {
    standing: Standing,
    open: Vec<Transaction>,
    states: Vec<Option<State>>,
    by_advice: Vec<Option<State>>,
    by_bank: Vec<Option<State>>,
    used: Vec<(i64, i64)>,
    scanned: usize,
    in_day: usize,
}

fn see(bench: &Bench) -> Seen {
    let states = |name: &dyn Fn(u32) -> OwnName| {
        (1..=TRANSACTIONS + 1).map(|stan| bench.state(name(stan))).collect::<Vec<_>>()
    };
    let reader = bench.log.reader();
    let used = |stan| {
        let used = Some((citizen(stan), day()));
        let lookup = Lookup { own: OwnName::Key(key(stan)), original: None, used, accounts_of: None };
        let found = reader.find(&lookup).unwrap();
        if let Some(quick) = reader.find_quick(&lookup) {
            assert_eq!(quick, found, "{stan}");
        }
        (found.used.amount_minor, found.used.count)
    };
    Seen {
        standing: bench.recovered.standing.clone(),
        open: bench.recovered.open.clone(),
        states: states(&|stan| OwnName::Key(key(stan))),
        by_advice: states(&|stan| {
            OwnName::Key(match stan % 5 {
                2 => advice_key(Class::Completion, stan + 500_000),
                _ => advice_key(Class::Reversal, stan + 600_000),
            })
        }),
        by_bank: states(&|stan| OwnName::Bank(bank("970415"), identity(stan + 500_000))),
        used: (1..=TRANSACTIONS).map(used).collect(),
        scanned: reader.scan(0).filter(|scanned| scanned.is_ok()).count(),
        in_day: reader.in_day(day()).filter(|read| read.is_ok()).count(),
    }
}

fn paths(dir: &Path, matches: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| matches(path.file_name().unwrap().to_str().unwrap()));
    paths.sort();
    paths
}

fn checkpoints(dir: &Path) -> Vec<PathBuf> {
    paths(dir, |name| name.ends_with(".checkpoint"))
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    paths(&dir.join("index"), |name| name.ends_with(".run"))
}

#[test]
fn answers_do_not_hang_on_checkpoint_or_index() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut bench = open(dir).unwrap();
    fill(&mut bench);
    bench.log.close();
    let bench = open(dir).unwrap();
    let seen = see(&bench);
    assert_eq!(bench.recovered.index_rebuilt, None);
    bench.log.close();

    let count = |state| seen.states.iter().filter(|seen| **seen == Some(state)).count();
    assert_eq!(count(State::Completed) + count(State::Reversed), 100, "{:?}", seen.states);
    assert_eq!(count(State::Declined), 80);
    assert_eq!(seen.open.len(), 220);
    assert_eq!(seen.by_advice.iter().flatten().count(), 100);
    assert_eq!(seen.by_bank.iter().flatten().count(), 50);
    assert_eq!(seen.in_day, 370, "all INTENTs and REVERSALs");
    let other = "2022-05-04".parse().unwrap();
    assert_eq!(open(dir).unwrap().log.reader().in_day(other).count(), 0);
    assert!(!checkpoints(dir).is_empty());
    assert!(paths(dir, |name| name.ends_with(".segment")).len() > 5);

    let index = dir.join("index");
    let cases: [(&str, &dyn Fn(), bool); 8] = [
        ("no checkpoint", &|| checkpoints(dir).iter().for_each(|path| fs::remove_file(path).unwrap()), false),
        ("no index", &|| fs::remove_dir_all(&index).unwrap(), true),
        (
            "a checkpoint of another key or with a flipped bit",
            &|| {
                let newest = checkpoints(dir).pop().unwrap();
                let mut bytes = fs::read(&newest).unwrap();
                bytes[40] ^= 1;
                fs::write(&newest, bytes).unwrap();
            },
            false,
        ),
        ("index of noise", &|| runs(dir).iter().for_each(|path| overwrite_all(path)), true),
        ("the first run gone", &|| fs::remove_file(runs(dir).remove(0)).unwrap(), true),
        ("another layout of the index", &|| fs::write(index.join("db"), b"sled").unwrap(), true),
        ("a run begun and not ended", &|| fs::write(index.join("merged.part"), b"x").unwrap(), false),
        ("a spare and a part left behind", &|| fs::write(dir.join("unfinished.part"), b"x").unwrap(), false),
    ];
    for (name, damage, rebuilt) in cases {
        damage();
        let bench = open(dir).unwrap();
        assert_eq!(bench.recovered.index_rebuilt.is_some(), rebuilt, "{name}");
        let now = see(&bench);
        assert_eq!(now, seen, "{name}");
        bench.log.close();
        assert!(!checkpoints(dir).is_empty(), "{name}");
    }
}

fn overwrite_all(path: &Path) {
    let bytes = fs::metadata(path).unwrap().len() as usize;
    fs::write(path, vec![0xa5; bytes]).unwrap();
}

#[test]
fn a_segment_in_the_middle_that_is_gone_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut bench = open(dir).unwrap();
    fill(&mut bench);
    bench.log.close();
    checkpoints(dir).iter().for_each(|path| fs::remove_file(path).unwrap());
    let segments = paths(dir, |name| name.ends_with(".segment"));
    let number = |path: &Path| path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    fs::remove_file(&segments[2]).unwrap();
    let error = open(dir).err().unwrap();
    assert!(
        matches!(error, crate::OpenError::Damaged { position, .. } if position == number(&segments[2])),
        "{error}"
    );
}

/// Where the index is damaged matters to nobody: a run is refused at the start or when it is read, and the answers stay.
#[test]
fn a_damaged_index_never_gives_another_answer() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let mut bench = open(dir).unwrap();
    fill(&mut bench);
    bench.log.close();
    let bench = open(dir).unwrap();
    let seen = see(&bench);
    bench.log.close();
    let (mut refused, mut found_out) = (0, 0);
    for tenth in 0..10 {
        for cut in [false, true] {
            let run = runs(dir).remove(tenth % 2);
            let bytes = fs::metadata(&run).unwrap().len();
            let file = OpenOptions::new().write(true).open(&run).unwrap();
            if cut {
                file.set_len(bytes * tenth as u64 / 10).unwrap();
            } else {
                file.write_all_at(&[0xff; 64], bytes * tenth as u64 / 10).unwrap();
            }
            drop(file);
            let bench = open(dir).unwrap();
            refused += usize::from(bench.recovered.index_rebuilt.is_some());
            let damage = if cut { "cut" } else { "overwritten" };
            assert_eq!(see(&bench), seen, "{damage} at {tenth}/10");
            // What was found out only while it was read is answered by the segments, and built anew by the next start.
            let bad = bench.log.shared.index.out_of_use();
            bench.log.close();
            let bench = open(dir).unwrap();
            assert_eq!(
                bench.recovered.index_rebuilt.is_some(),
                bad.is_some(),
                "{damage} at {tenth}/10: {bad:?}"
            );
            found_out += usize::from(bad.is_some());
            assert_eq!(bench.log.shared.index.out_of_use(), None);
            bench.log.close();
        }
    }
    assert!(refused > 0 && found_out > 0, "{refused} refused, {found_out} found out");
}
