//! An import that dies at each of its steps: the directory holds what was before or what comes after, never between.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use credential::{CitizenNumber, Pseudonym};
use enrolment::{Enrolment, Mode, Options, Progress, Report, import};

const STEP: &str = "ENROLMENT_CRASH_STEP";
const DIR: &str = "ENROLMENT_CRASH_DIR";
const STEPS_MAX: usize = 64;

fn take(dir: &Path, file: &str, progress: impl FnMut(Progress)) -> Report {
    let options = Options { mode: Mode::Whole, strict: true, lines_expected: None };
    import(dir, "970418".parse().unwrap(), file.as_bytes(), options, pseudonym, progress).unwrap()
}

fn pseudonym(number: &CitizenNumber) -> Pseudonym {
    let mut key = [7; 16];
    key[..12].copy_from_slice(number.digits());
    key.reverse();
    Pseudonym(key)
}

fn lines(account: &str, count: u32) -> String {
    (0..count).map(|citizen| format!("001203{citizen:06},{account},0\n")).collect()
}

/// The account of the first citizen, after all of the generation is held against its checksums.
fn held(dir: &Path) -> String {
    let enrolment = Enrolment::open(dir).unwrap();
    enrolment.check().unwrap();
    let citizen = pseudonym(&CitizenNumber::parse(b"001203000000").unwrap());
    enrolment.accounts(&citizen).unwrap()[0].number.to_string()
}

/// Runs in a process of its own: aborts at the step that the environment names.
#[test]
fn child_that_dies() {
    let (Ok(step), Ok(dir)) = (std::env::var(STEP), std::env::var(DIR)) else {
        return;
    };
    let mut left: usize = step.parse().unwrap();
    take(Path::new(&dir), &lines("after", 140_000), |_| {
        if left == 0 {
            std::process::abort();
        }
        left -= 1;
    });
}

#[test]
fn an_import_that_dies_leaves_the_old_or_the_new() {
    let mut seen = Vec::new();
    for step in 0..STEPS_MAX {
        let dir = tempfile::tempdir().unwrap();
        take(dir.path(), &lines("before", 3), |_| {});
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_that_dies"]).env(STEP, step.to_string()).env(DIR, dir.path());
        let ended = child.output().unwrap().status.success();
        seen.push(held(dir.path()));
        take(dir.path(), &lines("again", 3), |_| {});
        assert_eq!(held(dir.path()), "again", "step {step}");
        let left = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_str().unwrap().ends_with(".tmp")).collect();
        assert!(left.is_empty(), "step {step}: {left:?}");
        if ended {
            break;
        }
    }
    let steps = seen.len();
    assert!((7..STEPS_MAX).contains(&steps), "{steps} steps");
    let (before, after) = seen.split_at(steps - 2);
    assert!(before.iter().all(|account| account == "before"), "{seen:?}");
    assert!(after.iter().all(|account| account == "after"), "{seen:?}");
}
