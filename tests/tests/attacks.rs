//! The tables of attacks in docs/security.md name tests and broken rules that are there.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

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

#[test]
fn every_test_and_broken_rule_that_the_tables_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut names = BTreeSet::new();
    for dir in ["switch", "simulators", "tests"] {
        named_things(&root.join(dir), &mut names);
    }
    let attacks = text.split("id=\"attacks\"").nth(1).unwrap().split("id=\"planted-values\"").next().unwrap();
    let (mut tests, mut rules) = (0, 0);
    for row in attacks.lines().filter(|line| line.starts_with('|')) {
        // The attack itself, and the result, may quote anything.
        let cells: Vec<&str> = row.split(" | ").collect();
        for cell in cells.iter().skip(1).take(cells.len().saturating_sub(2)) {
            for (before, name) in cell.split('`').step_by(2).zip(quoted(cell)) {
                if before.ends_with("mutant ") {
                    assert!(Mutant::from_name(name).is_some(), "no broken rule `{name}`: {row}");
                    rules += 1;
                } else if name.contains('_') && !name.contains('/') {
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
        }
    }
    assert!(tests > 80 && rules > 12, "{tests} tests and {rules} broken rules are named");
}
