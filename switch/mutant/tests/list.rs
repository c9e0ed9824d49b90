//! The list against its table in docs/mutants.md, and against the places where the rules are broken.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mutant::Mutant;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_table_in_the_docs_is_the_list() {
    let docs = fs::read_to_string(root().join("docs/mutants.md")).unwrap();
    let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = Mutant::ALL
        .iter()
        .map(|it| {
            let rule = it.rule().trim_end_matches('.');
            format!("| `{}` | {rule} | {} | {} |", it.name(), it.fault(), it.shows())
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn each_name_finds_its_mutant_and_is_the_variant_s() {
    for mutant in Mutant::ALL {
        assert_eq!(Mutant::from_name(mutant.name()), Some(*mutant));
        let spelt: String = mutant
            .name()
            .split('-')
            .flat_map(|word| {
                let (first, rest) = word.split_at(1);
                [first.to_uppercase(), rest.to_owned()]
            })
            .collect();
        assert_eq!(spelt, format!("{mutant:?}"));
    }
    assert_eq!(Mutant::from_name("no-such-rule"), None);
}

#[test]
fn each_rule_is_broken_in_one_place_of_the_switch() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut dirs = vec![root().join("switch")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let is_own = path.ends_with("switch/mutant");
            if path.is_dir() && !is_own && !path.ends_with("tests") {
                dirs.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                    for after in line.split("mutant::is(Mutant::").skip(1) {
                        let name = after.split(|it: char| !it.is_alphanumeric()).next().unwrap();
                        let place = format!("{}:{}", path.display(), number + 1);
                        places.entry(name.to_owned()).or_default().push(place);
                    }
                }
            }
        }
    }
    let listed = Mutant::ALL.iter().map(|mutant| format!("{mutant:?}"));
    let wrong: Vec<_> = listed
        .map(|name| (places.remove(&name).unwrap_or_default(), name))
        .filter(|(places, _)| places.len() != 1)
        .collect();
    assert!(wrong.is_empty(), "broken nowhere or in several places: {wrong:?}");
    assert!(places.is_empty(), "not in the list: {places:?}");
}

#[cfg(not(feature = "mutants"))]
#[test]
fn nothing_is_broken_in_what_serves() {
    const { assert!(!mutant::COMPILED) };
    assert!(!Mutant::ALL.iter().any(|it| mutant::is(*it)));
}

#[cfg(feature = "mutants")]
#[test]
fn one_rule_at_a_time_is_broken() {
    const { assert!(mutant::COMPILED) };
    for mutant in Mutant::ALL {
        mutant::activate(Some(*mutant));
        let broken: Vec<Mutant> = Mutant::ALL.iter().copied().filter(|it| mutant::is(*it)).collect();
        assert_eq!(broken, [*mutant]);
    }
    mutant::activate(None);
    assert!(!Mutant::ALL.iter().any(|it| mutant::is(*it)));
}
