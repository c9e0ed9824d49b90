//! The tables of attacks in docs/security.md name tests and broken rules that are there.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mutant::Mutant;

/// All that can be named: functions, and what stands in `switch`, `simulators` and `tests` by its file or directory.
fn named_things(dir: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            named_things(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                if let Some((_, after)) = line.split_once("fn ") {
                    names.insert(
                        after.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap().to_owned(),
                    );
                }
            }
        }
        names.insert(stem);
    }
}

/// What stands between backticks.
fn quoted(row: &str) -> impl Iterator<Item = &str> {
    row.split('`').skip(1).step_by(2)
}

/// The broken rules that a row names.
fn rules(row: &str) -> impl Iterator<Item = &str> {
    row.split('`')
        .step_by(2)
        .zip(quoted(row))
        .filter(|(before, _)| before.ends_with("mutant "))
        .map(|(_, name)| name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn security() -> String {
    fs::read_to_string(root().join("docs/security.md")).unwrap()
}

/// Rows of the tables between two of the page's anchors.
fn rows<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    let (_, part) = text.split_once(&format!("id=\"{from}\"")).unwrap();
    let (part, _) = part.split_once(&format!("id=\"{to}\"")).unwrap();
    part.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| attack |")).collect()
}

#[test]
fn every_test_and_broken_rule_that_the_tables_name_is_there() {
    let text = security();
    let mut names = BTreeSet::new();
    for dir in ["switch", "simulators", "tests"] {
        named_things(&root().join(dir), &mut names);
    }
    let (mut tests, mut broken) = (0, 0);
    for row in rows(&text, "attacks", "planted-values") {
        for name in rules(row) {
            assert!(Mutant::from_name(name).is_some(), "no broken rule `{name}`: {row}");
            broken += 1;
        }
        // The attack itself, and the result, may quote anything.
        let cells: Vec<&str> = row.split(" | ").collect();
        let middle = cells.iter().skip(1).take(cells.len().saturating_sub(2));
        for name in
            middle.flat_map(|cell| quoted(cell)).filter(|name| name.contains('_') && !name.contains('/'))
        {
            let name = name.rsplit("::").next().unwrap();
            let (front, end) = name.split_once('…').unwrap_or((name, ""));
            let end = end.trim_end_matches('…');
            let is_there = match (front, end) {
                (front, "") if name.contains('…') => names.iter().any(|it| it.starts_with(front)),
                ("", end) => names.iter().any(|it| it.contains(end)),
                (name, _) => names.contains(name),
            };
            assert!(is_there, "no test `{name}`: {row}");
            tests += 1;
        }
    }
    assert!(tests > 120 && broken > 100, "{tests} tests and {broken} broken rules are named");
}

/// So that no attack is called defeated by a test that would pass without the defence.
#[test]
fn every_attack_has_a_broken_rule_or_says_why_none() {
    let text = security();
    // The section of standing in, between, has a table of something else.
    let sections = [("attacks", "stand-in"), ("console-attacks", "planted-values")];
    let all: Vec<&str> = sections.iter().flat_map(|(from, to)| rows(&text, from, to)).collect();
    let bare = |row: &&&str| rules(row).next().is_none() && !row.contains("no mutant: ");
    assert_eq!(all.iter().filter(bare).collect::<Vec<_>>(), [&""; 0]);
    assert!(all.len() > 90, "{} attacks", all.len());
}

/// The lists of what a broken rule has to make fail, by the rule: each test by its path in its program.
fn missed_by() -> BTreeMap<&'static str, Vec<String>> {
    let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in [
        "tests/tests/defences/main.rs",
        "switch/casework/tests/casework/main.rs",
        "switch/console/src/broken_rules.rs",
        "switch/exchange/tests/files_in.rs",
        "switch/iso8583/tests/codec/defences.rs",
        "switch/journal/src/tests/defences.rs",
        "switch/keys/src/defences.rs",
        "switch/server/src/defences.rs",
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for part in text.split("Mutant::").skip(1) {
            let (variant, rest) = part.split_once(',').unwrap();
            let rule = Mutant::ALL.iter().find(|it| format!("{it:?}") == variant).unwrap();
            let (tests, _) = rest.split_once(']').unwrap();
            let tests = tests.split('"').skip(1).step_by(2).map(str::to_owned);
            lists.entry(rule.name()).or_default().extend(tests);
        }
    }
    lists
}

#[test]
fn what_a_broken_rule_makes_fail_is_named_beside_it() {
    let text = security();
    let lists = missed_by();
    let mut checked = 0;
    for row in rows(&text, "attacks", "planted-values") {
        let names: BTreeSet<&str> = quoted(row)
            .filter_map(|name| name.rsplit("::").next())
            .map(|it| it.trim_start_matches('…'))
            .collect();
        for (rule, tests) in rules(row).filter_map(|rule| Some((rule, lists.get(rule)?))) {
            // By its own name, or by its file's.
            let is_named = |test: &String| {
                test.rsplit("::").take(2).any(|part| names.contains(part.trim_start_matches("hsm_")))
            };
            assert!(tests.iter().any(is_named), "`{rule}` makes {tests:?} fail, none of them is in: {row}");
            checked += 1;
        }
    }
    assert!(checked > 90, "{checked} broken rules beside attacks");
}
