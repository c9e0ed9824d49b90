//! A test program against itself: with one rule broken, the tests that stand for the rule have to fail.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::{BROKEN_RULE, Mutant};

/// A test that has not ended by then waits for what the broken rule keeps from coming, and has failed.
const RUN_MAX: Duration = Duration::from_secs(120);

/// How often it is looked whether it has.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Runs at once.
const RUNS_MAX: usize = 2;

/// Runs tests of the program that calls this, by their names in it, each in a process of its own with the rule broken that stands
/// before it. That they pass with none broken shows the program itself: it holds them.
///
/// # Panics
/// A test passes, or is not there; all of them are named.
pub fn each_is_missed(missed_by: &[(Mutant, &[&str])]) {
    let all = missed_by.iter().flat_map(|(rule, tests)| tests.iter().map(|test| (*rule, *test)));
    let left = Mutex::new(all);
    let passed = Mutex::new(Vec::new());
    let runs = || {
        // The lock is given back before the run.
        let next = || left.lock().expect("nothing panics while it holds the list").next();
        while let Some((rule, test)) = next() {
            if passes(test, rule) {
                let told = format!("`{}` is broken, and {test} passes", rule.name());
                passed.lock().expect("nothing panics while it holds the list").push(told);
            }
        }
    };
    thread::scope(|scope| {
        (0..RUNS_MAX).for_each(|_| drop(scope.spawn(runs)));
    });
    let passed = passed.into_inner().expect("nothing panics while it holds the list");
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

fn passes(test: &str, broken: Mutant) -> bool {
    let program = std::env::current_exe().expect("the program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", test]).env(BROKEN_RULE, broken.name());
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut output = run.stdout.take().expect("it is piped");
    let reading = thread::spawn(move || {
        let mut said = String::new();
        output.read_to_string(&mut said).map(|_| said)
    });
    let began = Instant::now();
    let status = loop {
        match run.try_wait().expect("it is a child") {
            None if began.elapsed() > RUN_MAX => {
                run.kill().expect("it is a child");
                run.wait().expect("it is a child");
                return false;
            }
            None => thread::sleep(LOOK_PAUSE),
            Some(status) => break status,
        }
    };
    let said = reading.join().expect("it only reads").expect("it is text");
    assert!(said.contains("running 1 test\n"), "no test `{test}`: {said}");
    assert_eq!(status.success(), said.contains("1 passed; 0 failed"), "{said}");
    status.success()
}
