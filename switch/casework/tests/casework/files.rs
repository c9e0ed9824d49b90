//! Files: taken whole and once, for the place that they are of, or refused.

use std::collections::BTreeMap;
use std::fs;

use casework::{
    About, Arrival, CaseState, Casework, Deed, DeskError, FILES_DIR, Matching, Parts, Resolution, Row,
    file_case,
};
use exchange::{Digest, FileKey, FileKind, JOURNAL_COLUMNS, Layout, Mapping, Numbering, Patterns};
use processor::{Body, Day, Institution, TerminalId};
use reconciliation::{Aspect, Book, CaseId, FeeTable, Kind, LineId, Rules};

use crate::support::{
    ACQUIRER, FIRST, GOOD, NOW_S, SECOND, about, bank, cut_over, day, desk, key, rows, shown, take, take_as,
    told, uses,
};

#[test]
fn a_file_is_taken_whole_and_once_and_a_refused_one_is_a_case() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    assert_eq!(
        take(&desk, &GOOD.replace("TRAILER,1,", "TRAILER,2,"), 1).unwrap_err().to_string(),
        "control_total_wrong: line 3, count: `2`: there are 1 lines"
    );
    assert!(!dir.path().join(FILES_DIR).exists(), "nothing of a refused file is kept");
    assert_eq!(take(&desk, GOOD, 1).unwrap(), (1, 2_000_000));
    assert!(take(&desk, GOOD, 2).unwrap_err().to_string().starts_with("duplicate_file: "));
    assert!(
        take(&desk, &GOOD.replace("D,", "C,"), 1).unwrap_err().to_string().starts_with("duplicate_file: ")
    );
    let (casework, acts) = desk.acts().read().unwrap();
    assert_eq!((acts.len(), casework.files().count()), (4, 1));
    // 2026-05-03 is a Sunday; what is about a file is due on the next working day, the rest behind 45.
    let expected = [
        "missing_at_switch due 2026-07-03 open",
        "control_total_wrong due 2026-05-04 open",
        "duplicate_file due 2026-05-04 open",
        "duplicate_file due 2026-05-04 open",
    ];
    let mut rows = shown(&desk, &casework);
    rows.sort_by_key(|row| (!row.starts_with("missing"), row.clone()));
    assert_eq!(rows, expected);

    let file = fs::read_dir(dir.path().join(FILES_DIR)).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, GOOD.replace("2000000", "3000000")).unwrap();
    let mut book = Book::new(FeeTable::default(), None);
    let changed = desk.matched(&casework, &mut book, Rules::default(), NOW_S).err();
    assert!(matches!(changed, Some(DeskError::Changed(_))), "{changed:?}");
}

fn kept_names(dir: &std::path::Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir.join(FILES_DIR)).unwrap().map(name).collect();
    names.sort_unstable();
    names
}

/// Of several who handed in one file at once some were told that there is no such file, and it could be left empty.
#[test]
fn a_file_that_several_hand_in_at_once_is_taken_once_and_a_duplicate_for_the_others() {
    const CLERKS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let barrier = std::sync::Barrier::new(CLERKS);
    let files: Vec<String> = (1..=8).map(|stan| GOOD.replace(",1,1,", &format!(",{stan},1,"))).collect();
    let hand_in = || {
        let parts = 1..=files.len() as u32;
        let told = files.iter().zip(parts).map(|(file, part)| {
            barrier.wait();
            let taken = take_as(&desk, file, key(part), files.len() as u32);
            taken.map_err(|error| error.to_string())
        });
        told.collect::<Vec<_>>()
    };
    let told: Vec<_> = std::thread::scope(|scope| {
        let clerks: Vec<_> = (0..CLERKS).map(|_| scope.spawn(hand_in)).collect();
        clerks.into_iter().map(|clerk| clerk.join().unwrap()).collect()
    });
    for (at, file) in files.iter().enumerate() {
        let (taken, refused): (Vec<_>, Vec<_>) =
            told.iter().map(|of_one| &of_one[at]).partition(|it| it.is_ok());
        assert_eq!(taken, [&Ok((1, 2_000_000))], "{at}: {refused:?}");
        let is_duplicate =
            |told: &&Result<_, String>| told.as_ref().is_err_and(|it| it.starts_with("duplicate_file: "));
        assert!(refused.iter().all(is_duplicate), "{at}: {refused:?}");
        let path = dir.path().join(FILES_DIR).join(Digest::of(file.as_bytes()).to_string());
        assert_eq!(&fs::read_to_string(path).unwrap(), file);
    }
    let mut expected: Vec<String> =
        files.iter().map(|file| Digest::of(file.as_bytes()).to_string()).collect();
    expected.sort_unstable();
    assert_eq!(kept_names(dir.path()), expected, "nothing else is left");
    // Each handing in is recorded, whoever was first.
    assert_eq!(desk.acts().read().unwrap().1.len(), CLERKS * files.len());
}

/// Whoever was killed while keeping a file leaves what is written so far; whoever was just behind could empty the file that another had taken.
#[test]
fn what_was_left_of_a_file_by_whoever_was_killed_is_written_anew_and_what_is_there_is_left() {
    use std::os::unix::fs::MetadataExt as _;

    let digest = Digest::of(GOOD.as_bytes()).to_string();
    for (name, left) in [("cut", &GOOD[..40]), ("longer", &*GOOD.repeat(3)), ("empty", "")] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILES_DIR).join(&digest);
        fs::create_dir(dir.path().join(FILES_DIR)).unwrap();
        fs::write(path.with_extension("part"), left).unwrap();
        assert_eq!(take(&desk(dir.path()), GOOD, 1).unwrap(), (1, 2_000_000), "{name}");
        assert_eq!(fs::read_to_string(&path).unwrap(), GOOD, "{name}");
        assert_eq!(kept_names(dir.path()), [&*digest], "{name}");
    }
    // Somebody else is writing it, and is killed or is done.
    for is_done in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let desk = desk(dir.path());
        let path = dir.path().join(FILES_DIR).join(&digest);
        let part = path.with_extension("part");
        fs::create_dir(dir.path().join(FILES_DIR)).unwrap();
        fs::write(&part, &GOOD[..40]).unwrap();
        let other = fs::OpenOptions::new().write(true).open(&part).unwrap();
        other.lock().unwrap();
        let inode = other.metadata().unwrap().ino();
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| take(&desk, GOOD, 1).map_err(|error| error.to_string()));
            if is_done {
                fs::write(&part, GOOD).unwrap();
                fs::rename(&part, &path).unwrap();
            }
            drop(other);
            assert_eq!(taking.join().unwrap(), Ok((1, 2_000_000)), "{is_done}");
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), GOOD, "{is_done}");
        assert!(!is_done || fs::metadata(&path).unwrap().ino() == inode, "it was there already");
    }
    // What stands in its place and is not it, whole or not, is no file that was taken.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILES_DIR).join(&digest);
    fs::create_dir(dir.path().join(FILES_DIR)).unwrap();
    fs::write(&path, GOOD.replace("2000000", "3000000")).unwrap();
    take(&desk(dir.path()), GOOD, 1).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), GOOD);
}

/// Lines of a file whose lines end with CR LF were counted otherwise once: what people have said of one must not move to its neighbour.
#[test]
fn a_taken_file_keeps_how_its_lines_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let (before, new) =
        (GOOD.replace('\n', "\r\n"), GOOD.replace("2000000", "3000000").replace('\n', "\r\n"));
    let digest = Digest::of(before.as_bytes());
    take_as(&desk, &new, key(2), 2).unwrap();
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &before).unwrap();
    let taken = r#"{"digest":DIGEST,"key":KEY,"layout":null,"count":1,"sum_minor":2000000,"parts":2}"#;
    let json = |value: &dyn Fn() -> serde_json::Result<String>| value().unwrap();
    let taken = taken.replace("DIGEST", &json(&|| serde_json::to_string(&digest)));
    let taken = format!(r#"{{"take":{}}}"#, taken.replace("KEY", &json(&|| serde_json::to_string(&key(1)))));
    desk.acts().act(1, "lan", "::1", serde_json::from_str(&taken).unwrap()).unwrap();
    let lines = || {
        let casework = desk.acts().read().unwrap().0;
        let rows = rows(&desk, &casework);
        let lines = rows.iter().map(|row| (row.exception.theirs_minor, row.exception.case.of.line));
        lines.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(lines(), [(2_000_000, 1), (3_000_000, 2)].into());
    // Also where it is taken back, and taken again.
    let deed = Deed::TakeBack { digest, key: key(1), why: "wrong part".into() };
    let proposal = desk.acts().act(2, "lan", "::1", deed).unwrap().next() - 1;
    let deed = Deed::ApproveTakeBack { digest, key: key(1), proposal };
    desk.acts().act(3, "minh", "::1", deed).unwrap();
    assert_eq!(lines(), [(3_000_000, 2)].into());
    take_as(&desk, &before, key(1), 2).unwrap();
    assert_eq!(lines(), [(2_000_000, 1), (3_000_000, 2)].into());
}

/// Two banks had one case for refused files of the same bytes, and one bank had one for two days: the older one was not shown, and one that was accepted stood for both.
#[test]
fn refused_files_of_the_same_bytes_have_a_case_for_each_bank_and_day() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    // Headings alone: without a trailer it may have been cut.
    let cut = GOOD.lines().next().unwrap().to_owned() + "\n";
    let digest = Digest::of(cut.as_bytes());
    let other = FileKey { bank: ACQUIRER.parse().ok(), ..key(1) };
    let next = FileKey { day: day(SECOND), ..key(1) };
    for handed_in in [key(1), FileKey { part: 2, ..key(1) }, other, next] {
        take_as(&desk, &cut, handed_in, 2).unwrap_err();
    }
    let open = || {
        let rows = rows(&desk, &desk.acts().read().unwrap().0);
        let is_open = |row: &&Row| row.is_open();
        let mut cases: Vec<CaseId> = rows.iter().filter(is_open).map(|row| row.exception.case).collect();
        cases.sort_unstable();
        cases
    };
    let sorted = |keys: &[FileKey]| {
        let mut cases: Vec<CaseId> = keys.iter().map(|key| file_case(digest, *key)).collect();
        cases.sort_unstable();
        cases
    };
    assert_eq!(open(), sorted(&[key(1), other, next]));
    // What an earlier version has written is of the newest refusal, which is what it showed.
    let case = CaseId { of: LineId { file: digest.file(), line: 0 }, aspect: Aspect::Bank };
    let about = Box::new(About { day: next.day, ..*about(Kind::ControlTotalWrong, 0) });
    let (resolution, bank, why) = (Resolution::Accept, None, "its own".to_owned());
    let deed = Deed::Propose { case, about, resolution, amount_minor: 0, bank, why };
    let proposal = desk.acts().act(1, "lan", "::1", deed).unwrap().next() - 1;
    let stood = desk.acts().read().unwrap().0;
    assert_eq!(stood.case(file_case(digest, next)).unwrap().state, CaseState::Proposed);
    assert!(stood.case(case).is_none() && stood.case(file_case(digest, other)).is_none());
    let approve = Deed::Approve { case: file_case(digest, next), proposal };
    desk.acts().act(2, "minh", "::1", approve).unwrap();
    assert_eq!(open(), sorted(&[key(1), other]));
    // A layout that wants no trailer takes it: of a file without lines one place's refusal is made good.
    let layout = Layout::Postings(Mapping { control: None, ..Mapping::normal() });
    let (bytes, layout) = (cut.as_bytes(), Some(&layout));
    let arrival = Arrival { bytes, key: key(1), layout, parts: 1, at_ms: 3, who: "lan", from: "::1" };
    assert_eq!(desk.take(&arrival).unwrap(), (0, 0));
    assert_eq!(open(), sorted(&[other]));
}

/// Two banks without a line have files of the same bytes, and so has one bank on two days: the second was refused as a duplicate.
#[test]
fn a_file_without_lines_is_taken_from_each_bank_and_for_each_day() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let empty = GOOD.lines().next().unwrap().to_owned() + "\nTRAILER,0,0\n";
    let other: Institution = "970418".parse().unwrap();
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    for (position, mut record) in uses(11, day(FIRST), bank()) {
        if let Body::Intent(intent) = &mut record.body {
            intent.bank = other;
        }
        book.apply(position, &record).unwrap();
    }
    for key in [key(1), FileKey { bank: Some(other), ..key(1) }, FileKey { day: day(SECOND), ..key(1) }] {
        assert_eq!(take_as(&desk, &empty, key, 1).unwrap(), (0, 0), "{key:?}");
        let again = take_as(&desk, &empty, key, 1).unwrap_err().to_string();
        assert!(again.starts_with("duplicate_file: "), "{again}");
    }
    let casework = desk.acts().read().unwrap().0;
    assert_eq!(casework.files().count(), 3);
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    let missing = matching.matcher.exceptions().into_iter().map(|one| (one.kind, one.bank));
    let of = |bank| (Kind::MissingAtBank, Some(bank));
    assert_eq!(missing.collect::<Vec<_>>(), [of(bank()), of(other)], "both have said that there is nothing");
}

/// A file in a wrong place stood there for ever: its bank's own was refused, and it too in its own place.
#[test]
fn a_file_in_a_wrong_place_is_taken_back_by_two_and_taken_for_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let other = FileKey { bank: ACQUIRER.parse().ok(), ..key(1) };
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    let mut matching = Matching::new(Rules::default());
    let mut kinds = || {
        let casework = desk.acts().read().unwrap().0;
        desk.match_on(&casework, &mut book, &mut matching, NOW_S).unwrap();
        let rows = desk.rows(&casework, &book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    let digest = Digest::of(GOOD.as_bytes());
    let act = |who: &str, deed: Deed| {
        desk.acts().act(5, who, "::1", deed).map(|_| ()).map_err(|error| error.to_string())
    };
    let why = || "it is the other bank's".to_owned();
    let take_back = |key| Deed::TakeBack { digest, key, why: why() };
    let approve = |proposal| Deed::ApproveTakeBack { digest, key: other, proposal };
    let reject = |proposal| Deed::RejectTakeBack { digest, key: other, proposal, why: why() };
    take_as(&desk, GOOD, other, 2).unwrap();
    take_as(&desk, GOOD, key(1), 1).unwrap_err();
    assert_eq!(kinds(), ["duplicate_file", "missing_at_switch"]);
    const OWN: &str = "lan has proposed it and cannot check it: somebody else has to";
    for (who, deed, expected) in [
        ("lan", take_back(key(1)), Some("taking a file back: it was not taken for this place")),
        ("minh", approve(2), Some("taking a file back: nobody has proposed it")),
        ("lan", take_back(other), None),
        ("lan", take_back(other), Some("taking a file back: it is proposed already")),
        ("lan", approve(2), Some(OWN)),
        ("lan", reject(2), Some(OWN)),
        ("minh", approve(1), Some("another proposal stands there by now: look at it first")),
        ("minh", reject(2), None),
        ("lan", take_back(other), None),
    ] {
        assert_eq!(act(who, deed.clone()).err().as_deref(), expected, "{deed:?}");
    }
    assert_eq!(kinds(), ["duplicate_file", "missing_at_switch"], "nothing is taken back by one");
    act("minh", approve(4)).unwrap();
    let (casework, acts) = desk.acts().read().unwrap();
    assert_eq!((casework.files().count(), casework.taking_back().len()), (0, 0));
    assert_eq!((acts[5].before["maker"].as_str(), acts[5].after.is_null()), (Some("lan"), true));
    // Its own place, in one part: nothing is missing, and the refusal is made good.
    take_as(&desk, GOOD, key(1), 1).unwrap();
    assert_eq!(kinds(), [] as [&str; 0]);
    take_as(&desk, &GOOD.replace("2000000", "3000000"), other, 1).unwrap();
    assert_eq!(kinds(), ["missing_at_switch"], "the place is free");
}

/// An adjustment of a file that was taken for another bank closed the case of the bank that the file was taken for then: the wrong member paid.
#[test]
fn what_was_booked_of_a_file_in_a_wrong_place_closes_no_case_of_its_own_place() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let (own, other) = (key(1), FileKey { bank: ACQUIRER.parse().ok(), ..key(1) });
    let digest = Digest::of(GOOD.as_bytes());
    let act = |who: &str, deed: Deed| {
        desk.acts()
            .act(5, who, "::1", deed)
            .map(|casework| casework.next() - 1)
            .map_err(|error| error.to_string())
    };
    let why = || "it is the other bank's".to_owned();
    let look = || rows(&desk, &desk.acts().read().unwrap().0).remove(0);
    let adjust = |row: &Row| Deed::Propose {
        case: row.exception.case,
        about: Box::new(About { acquirer: "970499".parse().ok(), ..row.about() }),
        resolution: Resolution::Adjustment,
        amount_minor: row.natural_minor(Resolution::Adjustment),
        bank: row.exception.bank,
        why: why(),
    };
    let take_back = |key| {
        let proposal = act("lan", Deed::TakeBack { digest, key, why: why() }).unwrap();
        act("minh", Deed::ApproveTakeBack { digest, key, proposal }).unwrap();
    };
    // A proposal that waits while the file moves is of another exception then.
    take_as(&desk, GOOD, other, 1).unwrap();
    let row = look();
    let (case, wrong) = (row.exception.case, row.exception.bank);
    let proposal = act("lan", adjust(&row)).unwrap();
    take_back(other);
    take_as(&desk, GOOD, own, 1).unwrap();
    let row = look();
    assert_eq!((row.exception.case, row.exception.bank, wrong), (case, own.bank, other.bank));
    assert_eq!((row.is_another(), row.state()), (true, CaseState::Proposed));
    // Approved all the same: what is shown is open, and nothing is decided of it before that is taken back.
    act("minh", Deed::Approve { case, proposal }).unwrap();
    let row = look();
    assert_eq!((row.is_open(), row.is_booked_elsewhere(), row.state()), (true, true, CaseState::Open));
    assert_eq!(
        act("lan", adjust(&row)).unwrap_err(),
        "money is booked of this case for another bank or terminal: reopen the case to take it back first"
    );
    let proposal = act("lan", Deed::Reopen { case, why: why() }).unwrap();
    act("minh", Deed::Approve { case, proposal }).unwrap();
    let proposal = act("lan", adjust(&look())).unwrap();
    let casework = desk.acts().act(5, "minh", "::1", Deed::Approve { case, proposal }).unwrap();
    let booked: Vec<_> =
        casework.booked().iter().map(|one| (one.proposal.bank, one.proposal.amount_minor)).collect();
    assert_eq!(booked, [(other.bank, 2_000_000), (other.bank, -2_000_000), (own.bank, 2_000_000)]);
    let row = look();
    assert_eq!((row.is_open(), row.is_another(), row.state()), (false, false, CaseState::Resolved));
    // Of another day it is another exception too.
    let next_day = About { day: day(SECOND), ..row.about() };
    assert!(row.about().is(&row.exception) && !next_day.is(&row.exception));
}

/// A journal of another machine, of another make or in another encoding was taken as that of a machine that did nothing.
#[test]
fn a_journal_is_taken_for_the_machine_that_it_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day(FIRST);
    let line = format!("HN000002,{of},612300000001,000001,,{of} 08:00:09,2000000,2000000,704,taken\n");
    let text = JOURNAL_COLUMNS.join(",") + "\n" + &line;
    let named = |name: &[u8; 8]| {
        let terminal = Some(TerminalId(*name));
        FileKey { kind: FileKind::Journal, bank: None, terminal, ..key(1) }
    };
    let shown = desk.preview(text.as_bytes(), named(b"HN000001"), None, 5).unwrap().refusal.unwrap();
    assert_eq!(shown.rejects[0].reason, "it is of another machine than the one that is named");
    assert_eq!(take_as(&desk, &text, named(b"HN000001"), 1).unwrap_err().to_string(), shown.to_string());
    let layout = Layout::RawJournal(Patterns::default());
    let raw = "03/05/2026 07:08:30 BEGIN\n";
    let refusal = desk.preview(raw.as_bytes(), named(b"HN000001"), Some(&layout), 5).unwrap().refusal;
    assert!(refusal.unwrap().rejects[0].reason.starts_with("no transaction begins in it"));
    // In its own place the refusal is made good.
    assert_eq!(desk.acts().read().unwrap().0.refused().len(), 1);
    take_as(&desk, &text, named(b"HN000002"), 1).unwrap();
    assert_eq!(desk.acts().read().unwrap().0.refused(), []);
    // One that was taken before this was checked stays readable.
    let digest = Digest::of(b"x\n");
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), "x\n").unwrap();
    let layout = Some(Box::new(layout));
    let taken = Deed::Take {
        digest,
        key: named(b"HN000001"),
        layout,
        count: 0,
        sum_minor: 0,
        parts: 1,
        numbering: Numbering::First,
    };
    let casework = desk.acts().act(5, "lan", "::1", taken).unwrap();
    let mut book = Book::new(FeeTable::default(), Some(of));
    desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
}

/// A file that an earlier version had taken and this one refuses was an error of every page.
#[test]
fn a_taken_file_that_can_be_read_no_more_is_an_exception_and_its_day_waits() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    told(&mut book, 10, of);
    take_as(&desk, GOOD, key(1), 2).unwrap();
    let text = GOOD.replace("2000000", "500.000");
    let digest = Digest::of(text.as_bytes());
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &text).unwrap();
    let deed = Deed::Take {
        digest,
        key: key(2),
        layout: None,
        count: 1,
        sum_minor: 500,
        parts: 2,
        numbering: Numbering::First,
    };
    desk.acts().act(1, "lan", "::1", deed).unwrap();
    let casework = desk.acts().read().unwrap().0;
    let mut matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    desk.match_on(&casework, &mut book, &mut matching, NOW_S).unwrap();
    let rows = desk.rows(&casework, &book, &matching).unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.exception.kind.name(), row.exception.case)).collect();
    assert_eq!(told, [("unreadable_line", file_case(digest, key(2)))]);
    assert_eq!(matching.matcher.summary().postings, 1, "the other file is matched");
}

/// The first part of a bank's file showed as missing whatever the second had.
#[test]
fn a_day_in_parts_is_here_when_all_its_parts_are() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    (1..=3).for_each(|number| told(&mut book, 10 * number, of));
    let posted = |position: u64| GOOD.replace("612300000001", &format!("6123{position:08}"));
    let kinds = |book: &Book| {
        let casework = desk.acts().read().unwrap().0;
        let matching = desk.matched(&casework, &mut book.clone(), Rules::default(), NOW_S).unwrap();
        let rows = desk.rows(&casework, book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    let unfinished = || {
        let casework = desk.acts().read().unwrap().0;
        let told = casework.unfinished(of).map(|(place, Parts { here, wanted })| (place, here, wanted));
        assert_eq!(casework.unfinished(day("2026-05-04")).count(), 0);
        told.collect::<Vec<_>>()
    };
    take_as(&desk, &posted(10), key(1), 2).unwrap();
    assert_eq!(kinds(&book), [] as [&str; 0]);
    assert_eq!(unfinished(), [(key(0), 1, 2)]);
    take_as(&desk, &posted(20), key(2), 2).unwrap();
    assert_eq!(kinds(&book), ["missing_at_bank"]);
    assert_eq!(unfinished(), []);
    // One that was taken as of thirty hides what is missing while it is there, and no longer.
    take_as(&desk, &posted(30), key(3), 30).unwrap();
    assert_eq!(kinds(&book), [] as [&str; 0]);
    assert_eq!(unfinished(), [(key(0), 3, 30)]);
    let digest = Digest::of(posted(30).as_bytes());
    let act = |who, deed| desk.acts().act(5, who, "::1", deed).unwrap().next() - 1;
    let proposal = act("lan", Deed::TakeBack { digest, key: key(3), why: "it is of two".into() });
    act("minh", Deed::ApproveTakeBack { digest, key: key(3), proposal });
    assert_eq!(kinds(&book), ["missing_at_bank"]);
    for (part, parts) in [(3, 2), (0, 2), (5, 0), (5, 10_001)] {
        let refused = take_as(&desk, &posted(30), key(part), parts).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("part {part} of {parts}: ")), "{refused}");
    }
}

/// A machine that had done nothing was never said to have handed in its journal.
#[test]
fn the_journal_of_a_machine_that_did_nothing_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day("2026-05-03");
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    let text = JOURNAL_COLUMNS.join(",") + "\n";
    let kinds = |casework: &Casework, book: &mut Book| {
        let matching = desk.matched(casework, book, Rules::default(), NOW_S).unwrap();
        let rows = desk.rows(casework, book, &matching).unwrap();
        rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
    };
    let terminal = Some(TerminalId(*b"HN000001"));
    take_as(&desk, &text, FileKey { kind: FileKind::Journal, bank: None, terminal, ..key(1) }, 1).unwrap();
    assert_eq!(kinds(&desk.acts().read().unwrap().0, &mut book), ["missing_in_journal"]);
}

/// A line of another day in a machine's file said that that day's journal was here, and whatever else the machine had done then was missing.
#[test]
fn a_stray_line_of_another_day_says_nothing_of_that_day_s_journal() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let next = day(SECOND);
    let mut book = Book::new(FeeTable::default(), Some(day(FIRST)));
    told(&mut book, 1, day(FIRST));
    cut_over(&mut book, 9, next);
    told(&mut book, 11, next);
    let line = |of: Day, position: u64| {
        format!("HN000001,{of},6123{position:08},{position:06},,{of} 08:00:09,2000000,2000000,704,taken\n")
    };
    let text = JOURNAL_COLUMNS.join(",") + "\n" + &line(day(FIRST), 1) + &line(next, 99);
    take_as(&desk, &text, FileKey { kind: FileKind::Journal, bank: None, ..key(1) }, 1).unwrap();
    let casework = desk.acts().read().unwrap().0;
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    let rows = desk.rows(&casework, &book, &matching).unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row.exception.kind.name()).collect();
    assert_eq!(kinds, ["missing_at_switch"], "the stray line alone");
}

/// A journal that was handed in with a bank said that the bank's postings were here; postings with a machine stood beside those without.
#[test]
fn a_bank_is_named_of_postings_alone_and_a_machine_of_journals_alone() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let of = day(FIRST);
    let mut book = Book::new(FeeTable::default(), Some(of));
    told(&mut book, 1, of);
    let journal = JOURNAL_COLUMNS.join(",")
        + "\n"
        + &format!("HN000001,{of},612300000001,000001,,{of} 08:00:09,2000000,2000000,704,taken\n");
    let terminal = Some(TerminalId(*b"HN000001"));
    let of_bank = FileKey { kind: FileKind::Journal, ..key(1) };
    let of_machine = FileKey { terminal, ..key(1) };
    for (key, field, of_what) in [
        (of_bank, "bank", "postings"),
        (FileKey { kind: FileKind::Counters, ..key(1) }, "bank", "postings"),
        (of_machine, "terminal", "journals"),
        (FileKey { kind: FileKind::Counters, bank: None, ..of_machine }, "terminal", "journals"),
    ] {
        let text = if key.kind == FileKind::Postings { GOOD } else { &journal };
        let expected =
            format!("unreadable_line: line 0, {field}: ``: it is named of {of_what} alone: leave it out");
        let shown = desk.preview(text.as_bytes(), key, None, 5).unwrap().refusal.unwrap();
        assert_eq!(shown.to_string(), expected);
        assert_eq!(take_as(&desk, text, key, 1).unwrap_err().to_string(), expected);
    }
    // One that was taken before this was checked is still read, and says nothing of the bank's postings.
    let digest = Digest::of(journal.as_bytes());
    fs::create_dir_all(dir.path().join(FILES_DIR)).unwrap();
    fs::write(dir.path().join(FILES_DIR).join(digest.to_string()), &journal).unwrap();
    let taken = Deed::Take {
        digest,
        key: of_bank,
        layout: None,
        count: 1,
        sum_minor: 2_000_000,
        parts: 1,
        numbering: Numbering::First,
    };
    let casework = desk.acts().act(5, "lan", "::1", taken).unwrap();
    let matching = desk.matched(&casework, &mut book, Rules::default(), NOW_S).unwrap();
    assert_eq!((matching.matcher.summary().cash_lines, matching.matcher.exceptions()), (1, vec![]));
}
