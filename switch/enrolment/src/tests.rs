//! Imports held against a model, generations against flipped bytes, and a directory of a million.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use credential::{CitizenNumber, Pseudonym};
use processor::Institution;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::import::import_in_memory_of;
use crate::{Enrolment, Error, Mode, Options, Problem, REJECTED_LISTED_MAX, Report};

fn bank(digits: &str) -> Institution {
    digits.parse().unwrap()
}

/// Keys whose first 8 bytes are alike for every two citizens.
fn pseudonym(number: &CitizenNumber) -> Pseudonym {
    let last: u64 = std::str::from_utf8(&number.digits()[6..]).unwrap().parse().unwrap();
    let mut key = [0; 16];
    key[..8].copy_from_slice(&(last / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..].copy_from_slice(&last.to_be_bytes());
    Pseudonym(key)
}

fn number(citizen: u64) -> String {
    format!("001203{citizen:06}")
}

fn take(dir: &Path, issuer: &str, mode: Mode, strict: bool, file: &str) -> Result<Report, Error> {
    let options = Options { mode, strict, lines_expected: None };
    import_in_memory_of(5, dir, bank(issuer), file.as_bytes(), options, pseudonym, |_| {})
}

/// Accounts as `bank/account`, the default with a star.
fn accounts(enrolment: &Enrolment, citizen: u64) -> Vec<String> {
    let citizen = pseudonym(&CitizenNumber::parse(number(citizen).as_bytes()).unwrap());
    let accounts = enrolment.accounts(&citizen).unwrap();
    let text = |star: bool| if star { "*" } else { "" };
    accounts.iter().map(|held| format!("{}/{}{}", held.bank, &*held.number, text(held.default))).collect()
}

/// Plays imports, given as bank, mode and lines, and shows what citizen 1 has then.
fn play(imports: &[(&str, Mode, &str)]) -> Vec<String> {
    let dir = TempDir::new().unwrap();
    for (issuer, mode, lines) in imports {
        let file = lines.replace(' ', "\n").replace('C', &number(1)) + "\n";
        take(dir.path(), issuer, *mode, true, &file).unwrap();
    }
    accounts(&Enrolment::open(dir.path()).unwrap(), 1)
}

#[test]
fn the_default_is_the_last_mark_over_all_banks() {
    use Mode::{Changes, Whole};
    type Case = (&'static [(&'static str, Mode, &'static str)], &'static [&'static str]);
    let cases: [Case; 9] = [
        (&[("11", Whole, "C,a,0 C,b,0")], &["11/a*", "11/b"]),
        (&[("11", Whole, "C,a,0 C,b,1")], &["11/a", "11/b*"]),
        (&[("11", Whole, "C,a,1"), ("22", Whole, "C,x,1")], &["11/a", "22/x*"]),
        (&[("11", Whole, "C,a,1"), ("22", Whole, "C,x,1"), ("11", Whole, "C,a,1")], &["11/a", "22/x*"]),
        (
            &[("11", Whole, "C,a,1 C,b,0"), ("22", Whole, "C,x,1"), ("11", Whole, "C,a,0 C,b,1")],
            &["11/a", "11/b*", "22/x"],
        ),
        (
            &[("11", Whole, "C,a,1"), ("22", Whole, "C,x,0"), ("22", Changes, "default,C,x")],
            &["11/a", "22/x*"],
        ),
        (&[("11", Whole, "C,a,1 C,b,0"), ("11", Changes, "unlink,C,a")], &["11/b*"]),
        (&[("11", Whole, "C,a,1"), ("22", Changes, "link,C,x"), ("11", Changes, "unlink,C,a")], &["22/x*"]),
        (
            &[("11", Whole, "C,a,1"), ("11", Changes, "unlink,C,a link,C,a link,C,b default,C,b")],
            &["11/a", "11/b*"],
        ),
    ];
    for (imports, expected) in cases {
        assert_eq!(play(imports), expected, "{imports:?}");
    }
}

#[test]
fn bad_lines_are_listed_and_the_others_taken_or_none() {
    let dir = TempDir::new().unwrap();
    let file = "citizen_number,account,default\r\n001203000001,a,1\r\n\r\n00120300000,b,0\r\n001203000002,c,2\r\n\
        012345678,d,0,001203000003\r\n012345678,e,0\r\n001203000001,a,0\r\n001203000004,cut,0";
    let form = Problem::Number(credential::NumberError::Form);
    let rejected = vec![
        (4, form),
        (5, Problem::Default),
        (7, Problem::OldNumber),
        (8, Problem::Twice(2)),
        (9, Problem::Cut),
    ];
    let refused = take(dir.path(), "11", Mode::Whole, true, file).unwrap_err();
    assert!(matches!(&refused, Error::Refused(report) if report.rejected.len() == 4), "{refused}");
    assert_eq!(Enrolment::open(dir.path()).unwrap().citizens(), 0);
    let report = take(dir.path(), "11", Mode::Whole, false, file).unwrap();
    let expected =
        Report { generation: 1, lines: 7, linked: 2, rejected, rejected_count: 5, ..Report::default() };
    assert_eq!(report, expected);
    let enrolment = Enrolment::open(dir.path()).unwrap();
    assert_eq!(accounts(&enrolment, 1), ["11/a*"]);
    assert_eq!(accounts(&enrolment, 3), ["11/d*"]);
    assert_eq!(accounts(&enrolment, 4), [""; 0]);
}

#[test]
fn a_strict_import_is_refused_also_by_what_only_the_directory_knows() {
    let dir = TempDir::new().unwrap();
    take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n").unwrap();
    let changes = "link,001203000001,b\nunlink,001203000001,c\ndefault,001203000002,a\n";
    let refused = take(dir.path(), "11", Mode::Changes, true, changes).unwrap_err();
    let Error::Refused(report) = refused else { panic!("{refused}") };
    assert_eq!(report.rejected, [(2, Problem::NotLinked), (3, Problem::NotLinked)]);
    assert_eq!(accounts(&Enrolment::open(dir.path()).unwrap(), 1), ["11/a*"]);
    let names: BTreeSet<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["CURRENT", "LOCK", "generation-0000000000", "generation-0000000001"];
    assert_eq!(names, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn what_would_unlink_everybody_is_refused() {
    let dir = TempDir::new().unwrap();
    take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n").unwrap();
    for file in ["", "citizen_number,account,default\n", "<html>\n"] {
        assert!(matches!(take(dir.path(), "11", Mode::Whole, false, file), Err(Error::Empty(_))), "{file}");
    }
    let options = Options { mode: Mode::Whole, strict: false, lines_expected: Some(2) };
    let file = "001203000002,b,1\n".as_bytes();
    let cut = import_in_memory_of(5, dir.path(), bank("11"), file, options, pseudonym, |_| {});
    assert!(matches!(cut, Err(Error::Count { expected: 2, found: 1 })));
    assert_eq!(accounts(&Enrolment::open(dir.path()).unwrap(), 1), ["11/a*"]);
}

#[test]
fn everything_is_bounded() {
    let dir = TempDir::new().unwrap();
    let mut file = "x".repeat(100_000) + "\n";
    (0..20).for_each(|account| writeln!(file, "001203000001,account-{account:02},0").unwrap());
    (0..90).for_each(|account| writeln!(file, "001203000002,account-{},0", account % 10).unwrap());
    (0..2_000).for_each(|_| file.push_str("bad\n"));
    file += &"y".repeat(500);
    let report = take(dir.path(), "11", Mode::Whole, false, &file).unwrap();
    assert_eq!(report.lines, 1 + 20 + 90 + 2_000 + 1);
    assert_eq!(report.linked, 16 + 10);
    assert_eq!(report.rejected_count, 1 + 4 + 80 + 2_000 + 1);
    assert_eq!(report.rejected.len(), REJECTED_LISTED_MAX);
    assert_eq!(report.rejected[0], (1, Problem::TooLong));
    let enrolment = Enrolment::open(dir.path()).unwrap();
    assert_eq!(accounts(&enrolment, 1).len(), processor::ACCOUNTS_MAX);
    let longest = "l".repeat(28);
    take(dir.path(), "22", Mode::Changes, true, &format!("link,001203000003,{longest}\n")).unwrap();
    enrolment.refresh().unwrap();
    assert_eq!(accounts(&enrolment, 3), [format!("22/{longest}*")]);
}

#[test]
fn readers_go_on_until_they_refresh_and_writers_exclude_each_other() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(Enrolment::open(dir.path()), Err(Error::Missing(_))));
    take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n").unwrap();
    let enrolment = Enrolment::open(dir.path()).unwrap();
    assert!(!enrolment.refresh().unwrap());
    for account in ["b", "c", "d"] {
        let link = format!("link,001203000001,{account}\n");
        take(dir.path(), "11", Mode::Changes, true, &link).unwrap();
    }
    assert_eq!(accounts(&enrolment, 1), ["11/a*"]);
    assert!(enrolment.refresh().unwrap());
    assert_eq!(accounts(&enrolment, 1), ["11/a*", "11/b", "11/c", "11/d"]);
    assert_eq!((enrolment.generation(), enrolment.citizens(), enrolment.accounts_count()), (4, 1, 4));
    assert_eq!(enrolment.banks(), [bank("11")]);

    let options = Options { mode: Mode::Changes, strict: true, lines_expected: None };
    let second = |_: &CitizenNumber| {
        let refused = take(dir.path(), "22", Mode::Changes, true, "link,001203000001,x\n");
        assert!(matches!(refused, Err(Error::Busy(_))));
        Pseudonym([0; 16])
    };
    let file = "link,001203000001,e\n".as_bytes();
    import_in_memory_of(5, dir.path(), bank("11"), file, options, second, |_| {}).unwrap();
}

#[test]
fn a_lost_or_changed_file_is_named_and_an_empty_beginning_is_not_lost() {
    let dir = TempDir::new().unwrap();
    let current = dir.path().join("CURRENT");
    take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n").unwrap();
    let line = fs::read(&current).unwrap();
    for (place, _) in line.iter().enumerate() {
        let mut changed = line.clone();
        changed[place] ^= 1;
        fs::write(&current, changed).unwrap();
        let refused = Enrolment::open(dir.path()).unwrap_err();
        assert!(matches!(&refused, Error::Damaged { path, .. } if *path == current), "{place}: {refused}");
    }
    fs::remove_file(&current).unwrap();
    assert!(matches!(Enrolment::open(dir.path()), Err(Error::Damaged { .. })));
    let refused = take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n");
    assert!(matches!(refused, Err(Error::Damaged { .. })));

    fs::remove_file(dir.path().join("generation-0000000001")).unwrap();
    assert!(matches!(Enrolment::open(dir.path()), Err(Error::Missing(_))));
    take(dir.path(), "11", Mode::Whole, true, "001203000001,a,1\n").unwrap();
    assert_eq!(accounts(&Enrolment::open(dir.path()).unwrap(), 1), ["11/a*"]);
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let dir = TempDir::new().unwrap();
    let lines: String =
        (0..300).map(|citizen| format!("{},00110044{citizen:05},0\n", number(citizen))).collect();
    take(dir.path(), "970418", Mode::Whole, true, &lines).unwrap();
    let path = dir.path().join("generation-0000000001");
    let good = fs::read(&path).unwrap();
    Enrolment::open(dir.path()).unwrap().check().unwrap();
    let found = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let checked = Enrolment::open(dir.path()).and_then(|enrolment| enrolment.check());
        matches!(checked, Err(Error::Damaged { path: named, .. }) if named == path)
    };
    for place in 0..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 0x10;
        let flip = |bytes: &[u8]| {
            let file = fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes[place..=place], place as u64).unwrap();
        };
        flip(&bytes);
        let checked = Enrolment::open(dir.path()).and_then(|enrolment| enrolment.check());
        assert!(matches!(checked, Err(Error::Damaged { path: named, .. }) if named == path), "byte {place}");
        flip(&good);
    }
    for length in (0..good.len()).step_by(512).chain([good.len() - 1]) {
        assert!(found(&good[..length]), "cut at {length}");
    }
    let mut swapped = good.clone();
    swapped[4_096..12_288].rotate_left(4_096);
    assert!(found(&swapped), "two pages in each other's place");
    let mut bytes = good.clone();
    bytes[5_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let enrolment = Enrolment::open(dir.path()).unwrap();
    let citizens = (0..300).map(|citizen| CitizenNumber::parse(number(citizen).as_bytes()).unwrap());
    let answers: Vec<_> = citizens.map(|citizen| enrolment.accounts(&pseudonym(&citizen))).collect();
    assert!(answers.iter().any(|answer| answer.is_err()), "what lies in the page is refused");
    assert!(answers.iter().any(|answer| answer.is_ok()), "what lies elsewhere is found");
    assert!(answers.iter().flatten().all(|accounts| accounts.len() == 1));
}

#[test]
fn a_million() {
    let dir = TempDir::new().unwrap();
    let mut lines = String::new();
    for citizen in 0..1_000_000_u64 {
        writeln!(lines, "{},00110044{citizen:05},0", number(citizen * 7 % 1_000_000)).unwrap();
    }
    let options = Options { mode: Mode::Whole, strict: true, lines_expected: Some(1_000_000) };
    let file = lines.as_bytes();
    let report =
        import_in_memory_of(100_000, dir.path(), bank("970418"), file, options, pseudonym, |_| {}).unwrap();
    assert_eq!((report.lines, report.linked), (1_000_000, 1_000_000));
    let enrolment = Enrolment::open(dir.path()).unwrap();
    enrolment.check().unwrap();
    for citizen in (0..1_000_000_u64).step_by(997) {
        let expected = format!("970418/00110044{citizen:05}*");
        assert_eq!(accounts(&enrolment, citizen * 7 % 1_000_000), [expected]);
    }
    assert_eq!(enrolment.accounts(&Pseudonym([0xff; 16])).unwrap(), []);
}

/// What the rules say, in the plainest form: links in their order, marks, defaults.
#[derive(Default)]
struct Model {
    links: Vec<(u64, u8, u8)>,
    marks: BTreeMap<(u64, u8), u8>,
    defaults: BTreeMap<u64, (u8, u8)>,
}

const CITIZENS: u64 = 4;

#[derive(Clone, Debug)]
enum File {
    Whole(u8, bool, Vec<(u64, u8, bool)>),
    Changes(u8, bool, Vec<(u8, u64, u8)>),
}

impl Model {
    fn has(&self, link: (u64, u8, u8)) -> bool {
        self.links.contains(&link)
    }

    fn link(&mut self, link: (u64, u8, u8)) -> bool {
        let room = self.links.iter().filter(|(citizen, ..)| *citizen == link.0).count() < 16;
        if room {
            self.links.push(link);
        }
        room
    }

    fn settle(&mut self) {
        for citizen in 0..CITIZENS {
            let default = self.defaults.get(&citizen).map(|(issuer, account)| (citizen, *issuer, *account));
            if default.is_none_or(|default| !self.has(default)) {
                let first = self.links.iter().find(|(linked, ..)| *linked == citizen);
                self.defaults.remove(&citizen);
                self.defaults.extend(first.map(|(citizen, issuer, account)| (*citizen, (*issuer, *account))));
            }
        }
        let links = self.links.clone();
        self.marks.retain(|(citizen, issuer), account| links.contains(&(*citizen, *issuer, *account)));
    }

    /// Numbers of the rejected lines.
    fn apply(&mut self, file: &File) -> BTreeSet<u64> {
        let mut rejected = BTreeSet::new();
        match file {
            File::Whole(issuer, _, lines) => {
                self.links.retain(|(citizen, bank, account)| {
                    bank != issuer || lines.iter().any(|line| (line.0, line.1) == (*citizen, *account))
                });
                let mut marks = BTreeMap::new();
                for (index, (citizen, account, mark)) in lines.iter().enumerate() {
                    let link = (*citizen, *issuer, *account);
                    let twice = lines[..index].iter().any(|line| (line.0, line.1) == (*citizen, *account));
                    if twice || (!self.has(link) && !self.link(link)) {
                        rejected.insert(index as u64 + 1);
                    } else if *mark {
                        marks.insert(*citizen, *account);
                    }
                }
                for citizen in 0..CITIZENS {
                    let before = self.marks.remove(&(citizen, *issuer));
                    if let Some(account) = marks.get(&citizen) {
                        self.marks.insert((citizen, *issuer), *account);
                        if before != Some(*account) {
                            self.defaults.insert(citizen, (*issuer, *account));
                        }
                    }
                }
                self.settle();
            }
            File::Changes(issuer, _, lines) => {
                for (index, (action, citizen, account)) in lines.iter().enumerate() {
                    let link = (*citizen, *issuer, *account);
                    let taken = match (action, self.has(link)) {
                        (0, true) => true,
                        (0, false) => self.link(link),
                        (_, false) => false,
                        (1, true) => {
                            self.links.retain(|held| *held != link);
                            true
                        }
                        (_, true) => {
                            self.marks.insert((*citizen, *issuer), *account);
                            self.defaults.insert(*citizen, (*issuer, *account));
                            true
                        }
                    };
                    if !taken {
                        rejected.insert(index as u64 + 1);
                    }
                    self.settle();
                }
            }
        }
        rejected
    }

    fn accounts(&self, citizen: u64) -> Vec<String> {
        let links = self.links.iter().filter(|(linked, ..)| *linked == citizen);
        let star = |link: (u8, u8)| if self.defaults[&citizen] == link { "*" } else { "" };
        links
            .map(|(_, issuer, account)| format!("9{issuer}/a{account}{}", star((*issuer, *account))))
            .collect()
    }
}

impl File {
    fn text(&self) -> (u8, Mode, bool, String) {
        match self {
            File::Whole(issuer, strict, lines) => {
                let line = |(citizen, account, mark): &(u64, u8, bool)| {
                    format!("{},a{account},{}\n", number(*citizen), u8::from(*mark))
                };
                (*issuer, Mode::Whole, *strict, lines.iter().map(line).collect())
            }
            File::Changes(issuer, strict, lines) => {
                let line = |(action, citizen, account): &(u8, u64, u8)| {
                    let action = ["link", "unlink", "default"][usize::from(*action)];
                    format!("{action},{},a{account}\n", number(*citizen))
                };
                (*issuer, Mode::Changes, *strict, lines.iter().map(line).collect())
            }
        }
    }
}

fn file() -> impl Strategy<Value = File> {
    let whole = prop::collection::vec((0..CITIZENS, 0..8_u8, any::<bool>()), 1..24);
    let changes = prop::collection::vec((0..3_u8, 0..CITIZENS, 0..8_u8), 1..24);
    let strict = || prop::bool::weighted(0.3);
    prop_oneof![
        (0..3_u8, strict(), whole).prop_map(|(issuer, strict, lines)| File::Whole(issuer, strict, lines)),
        (0..3_u8, strict(), changes).prop_map(|(issuer, strict, lines)| File::Changes(issuer, strict, lines)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn imports_do_what_the_model_does(files in prop::collection::vec(file(), 1..8)) {
        let dir = TempDir::new().unwrap();
        let mut model = Model::default();
        for file in files {
            let (issuer, mode, strict, text) = file.text();
            let mut next = Model {
                links: model.links.clone(),
                marks: model.marks.clone(),
                defaults: model.defaults.clone(),
            };
            let rejected = next.apply(&file);
            let taken = take(dir.path(), &format!("9{issuer}"), mode, strict, &text);
            if strict && !rejected.is_empty() {
                prop_assert!(matches!(taken, Err(Error::Refused(_))), "{:?}", taken);
            } else {
                let report = taken.unwrap();
                let lines: BTreeSet<u64> = report.rejected.iter().map(|(line, _)| *line).collect();
                prop_assert_eq!(lines, rejected);
                let grown = next.links.len() as i64 - model.links.len() as i64;
                prop_assert_eq!(report.linked as i64 - report.unlinked as i64, grown);
                model = next;
            }
            let enrolment = Enrolment::open(dir.path()).unwrap();
            enrolment.check().unwrap();
            for citizen in 0..CITIZENS {
                prop_assert_eq!(accounts(&enrolment, citizen), model.accounts(citizen));
            }
        }
    }
}
