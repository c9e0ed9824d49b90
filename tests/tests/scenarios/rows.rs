//! The table of docs/reliability.md names a test for every row of docs/lifecycle.md, each of them is there, and no
//! scenario's test is left out of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The rows of the table under a heading, as columns.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
    let section = text.split_once(&format!("\n{heading}\n")).unwrap().1;
    let lines =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let columns =
        |line: &str| line.trim_matches('|').split('|').map(|column| column.trim().to_owned()).collect();
    // Behind its head and the line under it.
    lines.skip(2).map(columns).collect()
}

/// The names of tests in a file.
fn tests_in(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().map(str::trim);
    let mut names = BTreeSet::new();
    while let Some(line) = lines.next() {
        if !matches!(line, "#[test]" | "#[tokio::test]") && !line.starts_with("#[tokio::test(") {
            continue;
        }
        let signature = lines.find(|line| line.starts_with("fn ") || line.starts_with("async fn ")).unwrap();
        let name = signature.split_once("fn ").unwrap().1.split_once('(').unwrap().0;
        names.insert(name.to_owned());
    }
    names
}

fn scenarios() -> BTreeSet<String> {
    let files = ["banks.rs", "crashes.rs", "operators.rs", "terminals.rs", "totals.rs"];
    files.iter().flat_map(|file| tests_in(&root().join("tests/tests/scenarios").join(file))).collect()
}

/// What stands in backticks.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_is_shown() {
    let rows = |page, heading| {
        let rows = table(page, heading);
        rows.into_iter().map(|columns| columns[0].clone()).collect::<Vec<String>>()
    };
    let promised = rows("lifecycle.md", "## Scenarios and what must come out");
    assert!(promised.len() > 30, "{promised:?}");
    assert_eq!(rows("reliability.md", "## Scenarios"), promised);
}

#[test]
fn every_test_that_is_named_is_there_and_none_is_left_out() {
    let scenarios = scenarios();
    let mut shown = BTreeSet::new();
    for columns in table("reliability.md", "## Scenarios") {
        let (row, cell) = (&columns[0], &columns[1]);
        assert!(named(cell).any(|name| !name.contains('/')), "no test shows `{row}`");
        for group in cell.split("; ") {
            let file = named(group).find(|name| name.ends_with(".rs"));
            let there = file.map_or_else(|| scenarios.clone(), |file| tests_in(&root().join(file)));
            for name in named(group).filter(|name| !name.ends_with(".rs")) {
                assert!(there.contains(name), "`{row}` names {name}, which is not in {file:?}");
                shown.insert(name.to_owned());
            }
        }
    }
    let left_out: Vec<&String> =
        scenarios.difference(&shown).filter(|name| *name != "nothing_goes_wrong").collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}
