//! Acts on disk: chained, read once, missed where they are gone.

use std::fs;

use casework::{ACTS_FILE, ActFile, Deed, HEAD_FILE};
use keys::Key;

use crate::support::{case, keys, propose, reject};

#[test]
fn acts_are_chained_by_the_newest_k_log_and_by_no_older_one_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let under = |generations: &[u8]| {
        let log = generations.iter().map(|it| (*it, Key::new([2 + *it; 32])));
        ActFile::new(dir.path(), keys().with_chains(&log.collect()).unwrap())
    };
    let act = |generations: &[u8], who: &str, deed| under(generations).act(5, who, "::1", deed).unwrap();
    act(&[1], "lan", propose(2_000_000));
    act(&[1, 2], "minh", reject(0));
    assert_eq!(under(&[1, 2]).read().unwrap().1.len(), 2);
    let lost = under(&[1]).read().unwrap_err().to_string();
    assert!(lost.contains(":2: does not follow"), "{lost}");

    let text = fs::read_to_string(dir.path().join(ACTS_FILE)).unwrap();
    let link = |line: &str| Key::from_hex(line.rsplit_once('\t').unwrap().1).unwrap();
    let (body, _) = text.lines().next_back().unwrap().rsplit_once('\t').unwrap();
    let third = body.replacen("\"number\":1", "\"number\":2", 1);
    let chained = [b"atm-switch casework 1\0", third.as_bytes()].concat();
    let before = *link(text.lines().next_back().unwrap()).bytes();
    let forged = keys().chain(&before, &chained).map(|byte| format!("{byte:02x}")).concat();
    fs::write(dir.path().join(ACTS_FILE), format!("{text}{third}\t{forged}\n")).unwrap();
    let refused = under(&[1, 2]).read().unwrap_err().to_string();
    assert!(refused.contains(":3: does not follow"), "by the old key: {refused}");
}

#[test]
fn an_act_that_was_changed_moved_or_taken_out_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    for number in 0..4 {
        let owner = Some(format!("clerk {number}"));
        acts.act(number, "lan", "::1", Deed::Assign { case: case(), owner }).unwrap();
    }
    let path = dir.path().join(ACTS_FILE);
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let without = |gone: usize| {
        lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect::<String>()
    };
    let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
    for (name, text, expected) in [
        (
            "changed",
            good.replace("clerk 1", "clerk 9"),
            ":2: does not follow from the line before it: it was changed",
        ),
        ("gone", without(1), ":2: has another number than its place: lines are gone or were moved"),
        ("swapped", swapped, ":2: has another number than its place: lines are gone or were moved"),
        ("none", "{}\tx\n".to_owned(), ":1: is no line of acts"),
    ] {
        fs::write(&path, text).unwrap();
        let acts = ActFile::new(dir.path(), keys());
        let error = acts.read().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{name}: {error}");
        assert!(acts.act(9, "lan", "::1", Deed::Assign { case: case(), owner: None }).is_err(), "{name}");
    }
    // What a crash left of a line was told to nobody.
    fs::write(&path, format!("{good}{}", &lines[0][..20])).unwrap();
    assert_eq!(acts.read().unwrap().1.len(), 4);
    assert_eq!(acts.act(9, "lan", "::1", Deed::Assign { case: case(), owner: None }).unwrap().next(), 5);
    assert_eq!(acts.read().unwrap().1.len(), 5);
}

/// Every page of the console read and checked the whole file again.
#[test]
fn acts_are_read_and_checked_once_and_again_where_the_file_is_not_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(ACTS_FILE);
    // The one goes on, as the console does; the other is another process.
    let (acts, other) = (ActFile::new(dir.path(), keys()), ActFile::new(dir.path(), keys()));
    let assign = |acts: &ActFile| {
        acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner: None }).map(|casework| casework.next())
    };
    let checked = |reads: &dyn Fn()| {
        let before = acts.work();
        reads();
        let after = acts.work();
        (after.lines_checked - before.lines_checked, after.bytes_read - before.bytes_read)
    };
    let read = || assert_eq!(acts.read().unwrap().1.len() as u64, acts.read().unwrap().0.next());
    (1..=100).for_each(|number| assert_eq!(assign(&other).unwrap(), number));
    let bytes = || fs::metadata(&path).unwrap().len();
    let line_bytes = |text: String, line: usize| text.split_inclusive('\n').nth(line).unwrap().len() as u64;
    assert_eq!(checked(&read), (100, bytes()));
    assert_eq!(checked(&read), (0, 0));
    assert_eq!(assign(&other).unwrap(), 101);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(checked(&read), (1, line_bytes(text.clone(), 99) + line_bytes(text, 100)));
    // What it does itself is known to it.
    assert_eq!(checked(&|| assert_eq!(assign(&acts).unwrap(), 102)), (0, 0));
    assert_eq!(checked(&read), (0, 0));
    assert_eq!(acts.read().unwrap().1.len(), 102);

    // Another file in its place, with the same lines.
    let copy = dir.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    fs::rename(&copy, &path).unwrap();
    assert_eq!(checked(&read), (102, bytes()));
    // Written to without growing.
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good).unwrap();
    assert_eq!(checked(&read), (102, bytes()));
    // Its last line is another, and more behind it.
    let mut changed = good.clone();
    *changed.iter_mut().rev().find(|byte| **byte == b'f').unwrap() = b'e';
    changed.extend_from_slice(b"x\n");
    fs::write(&path, &changed).unwrap();
    let bad = || acts.read().unwrap_err().to_string();
    let (lines, bytes_read) = checked(&|| {
        assert!(bad().ends_with(":102: does not follow from the line before it: it was changed"))
    });
    assert_eq!((lines, bytes_read > good.len() as u64), (102, true));
    // Put back, it goes on from where it was good; cut, what is gone is missed.
    fs::write(&path, &good).unwrap();
    assert_eq!((checked(&read).0, acts.read().unwrap().1.len()), (1, 102));
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(bad().ends_with("is gone, and what came behind it: the head tells of more acts"), "{}", bad());
    fs::remove_file(&path).unwrap();
    assert!(
        bad().ends_with(":1: is gone, and what came behind it: the head tells of more acts"),
        "{}",
        bad()
    );
}

/// Lines cut from the end were not missed.
#[test]
fn acts_that_were_cut_from_the_end_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let assign = |number: u64| Deed::Assign { case: case(), owner: Some(format!("clerk {number}")) };
    for number in 0..4 {
        acts.act(5, "lan", "::1", assign(number)).unwrap();
    }
    let (path, head) = (dir.path().join(ACTS_FILE), dir.path().join(HEAD_FILE));
    let (good, told) = (fs::read_to_string(&path).unwrap(), fs::read_to_string(&head).unwrap());
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let cut = lines[..3].concat();
    const GONE: &str = ":4: is gone, and what came behind it: the head tells of more acts";
    for (name, text, head_text, expected) in [
        ("the last", cut.clone(), Some(told.clone()), GONE),
        ("its head too", cut.clone(), None, ":3: has no head beside it: it may be cut"),
        (
            "a head that was written by hand",
            cut,
            Some("3\t00\n".to_owned()),
            ":3: is not the line that the head was written behind",
        ),
        ("no head", good.clone(), Some("x\n".to_owned()), ":4: has a head that is none"),
    ] {
        fs::write(&path, text).unwrap();
        match head_text {
            Some(text) => fs::write(&head, text).unwrap(),
            None => fs::remove_file(&head).unwrap(),
        }
        let error = acts.read().unwrap_err().to_string();
        assert!(error.ends_with(expected), "{name}: {error}");
        assert!(acts.act(9, "lan", "::1", assign(9)).is_err(), "{name}");
    }
    // A crash came behind the act and before its head.
    fs::write(&path, &good).unwrap();
    fs::write(&head, &told).unwrap();
    acts.act(6, "lan", "::1", assign(4)).unwrap();
    fs::write(&head, &told).unwrap();
    assert_eq!(acts.read().unwrap().1.len(), 5);
    assert_eq!(acts.act(7, "lan", "::1", assign(5)).unwrap().next(), 6);
}

/// An act was told as not recorded when its head could not be written, though it stood there; two of them on a new installation, and all was refused.
#[test]
fn an_act_whose_head_cannot_be_written_stands_and_the_next_one_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let acts = ActFile::new(dir.path(), keys());
    let assign = |number: u64| {
        let owner = Some(format!("clerk {number}"));
        acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner }).map(|casework| casework.next())
    };
    let head = || fs::read_to_string(dir.path().join(HEAD_FILE)).unwrap();
    // Where the head's part would be written stands a directory.
    let in_the_way = dir.path().join("casework.part");
    fs::create_dir(&in_the_way).unwrap();
    assert!(assign(0).is_err() && assign(0).is_err());
    assert_eq!(acts.read().unwrap().1.len(), 0, "what was told as not recorded is not");
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(assign(0).unwrap(), 1);
    let of_one = head();
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!((assign(1).unwrap(), assign(2).unwrap()), (2, 3));
    assert_eq!((acts.read().unwrap().1.len(), head()), (3, of_one));
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(assign(3).unwrap(), 4);
    assert!(head().starts_with("4\t"), "{}", head());
    // A head of none is as good as any: what follows from it is taken, and it is not written by hand.
    let other = tempfile::tempdir().unwrap();
    let acts = ActFile::new(other.path(), keys());
    acts.act(5, "lan", "::1", Deed::Assign { case: case(), owner: None }).unwrap();
    fs::write(other.path().join(HEAD_FILE), "0\t00\n").unwrap();
    let error = acts.read().unwrap_err().to_string();
    assert!(error.ends_with(":0: is not the line that the head was written behind"), "{error}");
}
