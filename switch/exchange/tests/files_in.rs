//! Files as banks and machines send them: read whole, or refused with a list that people can read.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read as _, Write as _};

use exchange::{
    Columns, Control, Digest, FileKey, FileKind, Form, Intake, Mapping, Numbering, Patterns, REJECTS_MAX,
    Reader, Refusal, WORKBOOK_BYTES_MAX, WORKBOOK_STYLES_BYTES_MAX, WORKBOOK_TEXTS_BYTES_MAX,
    preview_postings, read_counters, read_journal, read_postings, read_raw_journal, read_totals,
};
use processor::{Day, Institution};
use reconciliation::{Kind, Posting};
use rust_xlsxwriter::{Format, Workbook};

fn bank() -> Institution {
    "970415".parse().unwrap()
}

fn day() -> Day {
    "2026-05-03".parse().unwrap()
}

const NORMAL: &str = "\
rrn,terminal,stan,sequence,at,amount,direction,currency,day,count
612300000001,HN000001,500001,1,2026-05-03 07:00:00,2000000,D,704,2026-05-03,1
,HN000001,,2,2026-05-03 07:01:00,500000,C,,,
TRAILER,2,2500000
";

fn normal(text: &str) -> Result<exchange::PostingFile, Refusal> {
    read_postings(text.as_bytes(), &Mapping::normal(), bank(), day(), Reader::IN_PROCESS)
}

/// Lines behind an end of CR LF, or behind blank ones, were told by the number of a line before them; of lines that end with CR alone all were the first.
#[test]
fn a_line_has_the_number_that_an_editor_shows_or_that_it_was_taken_with() {
    let blank = NORMAL.replace("count\n", "count\n\n").replace("TRAILER", "\n\nTRAILER");
    let marked = "\u{feff}\n".to_owned() + NORMAL;
    for (end, text, first, shown) in [
        ("\n", NORMAL, [2, 3], [2, 3]),
        ("\r\n", NORMAL, [1, 2], [2, 3]),
        ("\r", NORMAL, [1, 1], [2, 3]),
        ("\n", &blank, [2, 4], [3, 4]),
        ("\r\n", &blank, [1, 3], [3, 4]),
        ("\r\n", &marked, [2, 3], [3, 4]),
    ] {
        let text = text.replace('\n', end);
        let wrong = text.replace("500000,C", "500000,X").replace("TRAILER,2", "TRAILER,1");
        let uneven = text.replace("TRAILER,2", "TRAILER,7");
        for (numbering, expected) in [(Numbering::First, first), (Numbering::AsShown, shown)] {
            let reader = Reader { numbering, ..Reader::IN_PROCESS };
            let read = |text: &str| read_postings(text.as_bytes(), &Mapping::normal(), bank(), day(), reader);
            let lines =
                read(&text).unwrap().postings.iter().map(|posting| posting.id.line).collect::<Vec<_>>();
            assert_eq!(lines, expected, "{text:?}");
            let told = read(&wrong).unwrap_err().rejects[0].line;
            assert_eq!(told, expected[1], "{wrong:?}");
            let behind = read(&uneven).unwrap_err().rejects[0].line;
            assert!(
                behind > expected[1] || (end, numbering) == ("\r", Numbering::First),
                "{behind}: {uneven:?}"
            );
        }
    }
}

fn told(refusal: &Refusal) -> Vec<String> {
    let word = |reject: &exchange::Reject| {
        format!("{} {} `{}`: {}", reject.line, reject.field, reject.value, reject.reason)
    };
    refusal.rejects.iter().map(word).collect()
}

#[test]
fn a_normal_file_is_read_whole() {
    let file = normal(NORMAL).unwrap();
    let [first, second] = &file.postings[..] else { panic!("two lines") };
    assert_eq!((first.amount_minor, first.stan, first.at_s), (2_000_000, Some(500_001), 1_777_766_400));
    let named = |posting: &Posting| (posting.rrn.is_some(), posting.stan, posting.sequence, posting.count);
    assert_eq!((second.amount_minor, named(second)), (-500_000, (false, None, Some(2), 1)));
    assert_eq!((second.currency, second.day, second.id.line), (704, day(), 3));
    assert_eq!((first.id.file, file.sum_minor), (Digest::of(NORMAL.as_bytes()).file(), 2_500_000));
}

/// The normal form could not be written from the docs: which words, which dates.
#[test]
fn the_samples_of_the_docs_are_read() {
    let page = include_str!("../../../docs/reconciliation.md");
    let samples = page.split("```csv\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let [postings, journal, counters, totals] = samples.collect::<Vec<_>>()[..] else { panic!("{page}") };
    let read = normal(postings).unwrap();
    let amounts: Vec<i64> = read.postings.iter().map(|posting| posting.amount_minor).collect();
    // 07:00:00 in Vietnam is midnight in UTC.
    assert_eq!((amounts, read.postings[0].at_s % 86_400), (vec![2_000_000, -500_000], 0));
    let cash = read_journal(journal.as_bytes(), 420, Reader::IN_PROCESS).unwrap();
    let moved: Vec<(i64, i64)> =
        cash.lines.iter().map(|line| (line.requested_minor, line.moved_minor)).collect();
    assert_eq!(moved, [(2_000_000, 2_000_000), (500_000, 0)]);
    let (_, counted) = read_counters(counters.as_bytes(), 420, Reader::IN_PROCESS).unwrap();
    assert_eq!((counted.len(), counted[0].counted), (1, 19_996));
    assert_eq!(read_totals(totals.as_bytes(), Reader::IN_PROCESS).unwrap().len(), 2);
}

#[test]
fn what_is_wrong_is_told_line_by_line_and_nothing_is_taken() {
    let with = |from: &str, to: &str| normal(&NORMAL.replace(from, to)).unwrap_err();
    for (from, to, kind, expected) in [
        ("2000000", "2.000.000", Kind::UnreadableLine, "2 amount `2.000.000`: it is not an amount"),
        ("2000000", "0", Kind::UnreadableLine, "2 amount `0`: nothing is posted"),
        (
            ",D,",
            ",X,",
            Kind::UnreadableLine,
            "2 direction `X`: it is neither a debit (D, DR, N) nor a credit (C, CR)",
        ),
        ("612300000001", "6123", Kind::UnreadableLine, "2 rrn `6123`: an RRN has 12 characters"),
        ("500001", "1000000", Kind::UnreadableLine, "2 stan `1000000`: a STAN is a number up to 999999"),
        (
            "2026-05-03 07:00:00",
            "03/05/2026",
            Kind::UnreadableLine,
            "2 at `03/05/2026`: there is no time behind the date, as in yyyy-mm-dd hh:mm:ss",
        ),
        ("TRAILER,2,", "TRAILER,3,", Kind::ControlTotalWrong, "4 count `3`: there are 2 lines"),
        ("2,2500000", "2,2500001", Kind::ControlTotalWrong, "4 sum `2500001`: the lines come to 2500000"),
        (
            "TRAILER,2,2500000\n",
            "",
            Kind::ControlTotalWrong,
            "0 trailer ``: the file has no trailer: it may have been cut",
        ),
        ("amount,", "betrag,", Kind::UnreadableLine, "0 amount ``: the file has no column of this name"),
        (
            "TRAILER,2,2500000",
            "TRAILER,2,2500000\n,,,,,,,x",
            Kind::UnreadableLine,
            "5 line ``: it stands behind the trailer",
        ),
    ] {
        let refusal = with(from, to);
        assert_eq!((refusal.kind, told(&refusal)), (kind, vec![expected.to_owned()]), "{from} -> {to}");
    }
    // All of them at once, the list bounded.
    let bad = "x,HN000001,,,2026-05-03 07:00:00,1,D,,,\n".repeat(REJECTS_MAX + 7);
    let refusal = normal(&NORMAL.replace("TRAILER", &format!("{bad}TRAILER"))).unwrap_err();
    assert_eq!((refusal.rejects.len(), refusal.more), (REJECTS_MAX, 7));
    assert!(normal("").is_err());
}

/// A remark with one quotation mark took the lines behind it with it, and the file was taken without them.
#[test]
fn a_quotation_mark_that_is_not_closed_swallows_no_line() {
    let mapping = Mapping {
        columns: Columns {
            at: "at".into(),
            amount: "amount".into(),
            rrn: Some("rrn".into()),
            ..Columns::default()
        },
        control: None,
        ..Mapping::normal()
    };
    let file = |lines: [&str; 5], end: &str| {
        let text = lines.join("\n") + end;
        read_postings(text.as_bytes(), &mapping, bank(), day(), Reader::IN_PROCESS)
    };
    let line = "2026-05-03 07:00:00,500000,ok,612300000001";
    let (open, closed) = (line.replace("ok", "\"ATM Ha Noi"), line.replace("ok", "\"so 5\""));
    let headings = "at,amount,remark,rrn";
    let reason = "it goes on in the next line: a quotation mark is not closed";
    for (name, lines, end, expected) in [
        ("to the next one", [headings, line, &open, line, &closed], "\n", "3 line `ATM Ha Noi,********0001`"),
        ("to the end", [headings, line, line, line, &open], "\n", "5 line `ATM Ha Noi,********0001`"),
        (
            "to the end, which has none",
            [headings, line, line, line, &open],
            "",
            "5 line `ATM Ha Noi,********0001`",
        ),
        ("in the headings", ["at,amount,\"remark,rrn", line, line, line, line], "\n", "1 line `remark,rrn`"),
    ] {
        let refusal = file(lines, end).unwrap_err();
        assert_eq!(told(&refusal), [format!("{expected}: {reason}")], "{name}");
    }
    let read = file([headings, line, &closed, line, line], "").unwrap();
    assert_eq!((read.postings.len(), read.postings[1].rrn.is_some()), (4, true), "a pair of them");
}

/// `500.000` was taken as 500 wherever no layout said that thousands are separated by points; beyond a million the same file was refused.
#[test]
fn three_zeros_behind_a_point_are_no_fraction() {
    let reason = "more than 2 digits stand behind its point: they may be thousands";
    let refusal = normal(&NORMAL.replace("2000000,D", "500.000,D")).unwrap_err();
    assert_eq!(told(&refusal), [format!("2 amount `500.000`: {reason}")]);
    assert_eq!(normal(&NORMAL.replace("2000000,D", "2000000.00,D")).unwrap().sum_minor, 2_500_000);

    let raw = "03/05/2026 07:00:00 TRANSACTION START\n AMOUNT 500.000\n NOTES TAKEN\n03/05/2026 07:00:40 TRANSACTION END\n";
    let terminal = processor::TerminalId(*b"HN000001");
    let refusal = read_raw_journal(raw.as_bytes(), &Patterns::default(), terminal, 420, Reader::IN_PROCESS)
        .unwrap_err();
    assert_eq!(told(&refusal), [format!("2 amount `500.000`: {reason}")]);
    let points = Patterns { thousands: Some('.'), ..Patterns::default() };
    let file = read_raw_journal(raw.as_bytes(), &points, terminal, 420, Reader::IN_PROCESS).unwrap();
    assert_eq!(file.lines[0].moved_minor, 500_000);

    let counters = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\nHN000001,2026-05-03,2026-05-03 23:00:00,1,500.000,100,900,250,750\n";
    let refusal = read_counters(counters.as_bytes(), 420, Reader::IN_PROCESS).unwrap_err();
    assert_eq!(told(&refusal), [format!("2 note `500.000`: {reason}")]);
}

#[test]
fn each_bank_has_a_mapping_of_its_own() {
    let columns = Columns {
        at: "Ngay".into(),
        time: Some("Gio".into()),
        amount: "So tien".into(),
        ..Columns::default()
    };
    let named = Columns {
        rrn: Some("So tham chieu".into()),
        terminal: Some("May".into()),
        direction: Some("No/Co".into()),
        ..columns
    };
    let semicolons = Mapping {
        form: Form::Csv { delimiter: ';', header: true },
        columns: named,
        date_format: "dd/mm/yyyy".into(),
        thousands: Some('.'),
        debit_words: vec!["NO".into()],
        credit_words: vec!["CO".into()],
        control: None,
        ..Mapping::normal()
    };
    let text = "\u{feff}May;So tham chieu;Ngay;Gio;So tien;No/Co\r\nHN000001;612300000001;03/05/2026;07:00:00;2.000.000;NO\r\n";
    let fixed = Mapping {
        form: Form::Fixed { skip_lines: 1 },
        columns: Columns {
            at: "21-28".into(),
            time: Some("29-34".into()),
            amount: "35-46".into(),
            rrn: Some("1-12".into()),
            terminal: Some("13-20".into()),
            ..Columns::default()
        },
        date_format: "yyyymmdd".into(),
        amount_decimals: 2,
        control: Some(Control { marker: "T".into(), count: "2-7".into(), amount: "8-20".into() }),
        ..Mapping::normal()
    };
    let lines = "HEADER\n612300000001HN00000120260503070000000200000000\nT0000010000200000000\n";
    let expected = normal(NORMAL).unwrap().postings[0].clone();
    for (name, mapping, text) in [("csv", &semicolons, text), ("fixed", &fixed, lines)] {
        let file = read_postings(text.as_bytes(), mapping, bank(), day(), Reader::IN_PROCESS).unwrap();
        assert_eq!(file.postings.len(), 1, "{name}");
        let read = &file.postings[0];
        assert_eq!(
            (read.rrn, read.terminal, read.at_s, read.amount_minor),
            (expected.rrn, expected.terminal, expected.at_s, expected.amount_minor),
            "{name}"
        );
    }
}

#[test]
fn a_workbook_is_read_as_a_clerk_sees_it() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let headings = ["rrn", "terminal", "at", "amount", "direction"];
    for (column, heading) in (0u16..).zip(headings) {
        sheet.write_string(0, column, heading).unwrap();
    }
    sheet.write_string(1, 0, "612300000001").unwrap();
    sheet.write_string(1, 1, "HN000001").unwrap();
    sheet.write_string(1, 2, "2026-05-03 07:00:00").unwrap();
    sheet.write_number(1, 3, 2_000_000.0).unwrap();
    sheet.write_string(1, 4, "D").unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let normal_mapping = Mapping::normal();
    let named = normal_mapping.columns.clone();
    let mapping = Mapping {
        form: Form::Xlsx { sheet: None, header: true },
        columns: Columns { stan: None, sequence: None, day: None, currency: None, count: None, ..named },
        control: None,
        ..normal_mapping
    };
    let file = read_postings(&bytes, &mapping, bank(), day(), Reader::IN_PROCESS).unwrap();
    assert_eq!((file.postings[0].amount_minor, file.postings[0].at_s), (2_000_000, 1_777_766_400));
    assert!(read_postings(b"PK no workbook", &mapping, bank(), day(), Reader::IN_PROCESS).is_err());
}

/// A workbook whose cells are dates and times, under a layout that writes dates otherwise, was refused.
#[test]
fn a_date_or_a_time_of_a_workbook_is_read_whatever_the_layout_says() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in (0u16..).zip(["ngay", "gio", "so tien", "ngay hach toan"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let clock = Format::new().set_num_format("hh:mm:ss");
    // 2026-05-03 is day 46145 of Excel; 07:00:07 a part of a day that no binary number is.
    let part = (7.0 * 3_600.0 + 7.0) / 86_400.0;
    for (row, at, time) in [(1, 46_145.0, part), (2, 46_145.0, part)] {
        sheet.write_number_with_format(row, 0, at, &date).unwrap();
        sheet.write_number_with_format(row, 1, time, &clock).unwrap();
        sheet.write_number(row, 2, 2_000_000.0).unwrap();
        sheet.write_number_with_format(row, 3, 46_146.0, &date).unwrap();
    }
    let bytes = book.save_to_buffer().unwrap();
    let normal = Mapping::normal();
    let mapping = |time: Option<&str>| Mapping {
        form: Form::Xlsx { sheet: None, header: true },
        date_format: "dd/mm/yyyy".to_owned(),
        columns: Columns {
            at: "ngay".to_owned(),
            time: time.map(str::to_owned),
            amount: "so tien".to_owned(),
            day: Some("ngay hach toan".to_owned()),
            rrn: None,
            terminal: None,
            stan: None,
            sequence: None,
            direction: None,
            currency: None,
            count: None,
        },
        control: None,
        ..normal.clone()
    };
    for (time, at_s) in [(Some("gio"), 1_777_766_407), (None, 1_777_741_200)] {
        let file = read_postings(&bytes, &mapping(time), bank(), day(), Reader::IN_PROCESS).unwrap();
        let told: Vec<(i64, String)> =
            file.postings.iter().map(|one| (one.at_s, one.day.to_string())).collect();
        assert_eq!(told, [(at_s, "2026-05-04".to_owned()), (at_s, "2026-05-04".to_owned())], "{time:?}");
    }
}

/// One cell in the last corner of a sheet made room for all before it.
#[test]
fn a_cell_far_out_takes_no_room_and_its_row_is_refused() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in (0u16..).zip(["at", "amount"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    sheet.write_string(1, 0, "2026-05-03 07:00:00").unwrap();
    sheet.write_number(1, 1, 2_000_000.0).unwrap();
    sheet.write_string(1_048_575, 16_383, "x").unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let normal = Mapping::normal();
    let columns = Columns {
        direction: None,
        rrn: None,
        terminal: None,
        stan: None,
        sequence: None,
        day: None,
        currency: None,
        count: None,
        ..normal.columns.clone()
    };
    let mapping =
        Mapping { form: Form::Xlsx { sheet: None, header: true }, columns, control: None, ..normal };
    let refusal = read_postings(&bytes, &mapping, bank(), day(), Reader::IN_PROCESS).unwrap_err();
    assert_eq!(told(&refusal), ["1048576 line ``: 100 columns are the most"]);
}

/// A workbook of one good line, one of whose parts is another, added or in place of its own, with so many blanks behind it. Packed lightly.
fn workbook_with(name: &str, blanks: u64, part: impl FnOnce(String) -> String) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in (0u16..).zip(["at", "amount"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    sheet.write_string(1, 0, "2026-05-03 07:00:00").unwrap();
    sheet.write_number(1, 1, 2_000_000.0).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let mut from = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(1));
    let mut own = String::new();
    for index in 0..from.len() {
        let part = from.by_index(index).unwrap();
        if part.name().unwrap() == name {
            own = std::io::read_to_string(part).unwrap();
        } else {
            to.raw_copy_file(part).unwrap();
        }
    }
    to.start_file(name, options).unwrap();
    to.write_all(part(own).as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(b' ').take(blanks), &mut to).unwrap();
    to.finish().unwrap().into_inner()
}

fn read_at_and_amount(bytes: &[u8]) -> Result<exchange::PostingFile, Refusal> {
    let normal = Mapping::normal();
    let columns = Columns {
        direction: None,
        rrn: None,
        terminal: None,
        stan: None,
        sequence: None,
        day: None,
        currency: None,
        count: None,
        ..normal.columns.clone()
    };
    let mapping =
        Mapping { form: Form::Xlsx { sheet: None, header: true }, columns, control: None, ..normal };
    read_postings(bytes, &mapping, bank(), day(), Reader::IN_PROCESS)
}

const TEXTS: &str = "xl/sharedStrings.xml";
const STYLES: &str = "xl/styles.xml";

/// Room was made for as many texts as the workbook said, and there is no such room: the program ended.
#[test]
fn a_workbook_that_says_it_has_more_texts_than_it_may_is_refused() {
    let stating = |count: &str| {
        workbook_with(TEXTS, 0, |own| {
            assert!(own.contains("uniqueCount=\"3\""), "{own}");
            own.replace("uniqueCount=\"3\"", &format!("uniqueCount = '{count}'"))
        })
    };
    assert_eq!(read_at_and_amount(&stating("4000000")).unwrap().postings.len(), 1);
    for count in ["4000001", "1152921504606846975", "00018446744073709551615", "99999999999999999999999"] {
        let refusal = read_at_and_amount(&stating(count)).unwrap_err();
        let reason = "0 workbook ``: it says that it has more than 4000000 texts";
        assert_eq!(told(&refusal), [reason], "{count}");
    }
}

/// A few kilobytes unpacked to all of the memory.
#[test]
fn a_workbook_that_unpacks_to_more_than_it_may_is_refused() {
    for (name, bytes_max, reason) in [
        (TEXTS, WORKBOOK_TEXTS_BYTES_MAX, "its texts unpack to more than 134217728 bytes"),
        (STYLES, WORKBOOK_STYLES_BYTES_MAX, "its styles unpack to more than 8388608 bytes"),
        ("xl/media/image1.png", WORKBOOK_BYTES_MAX, "it unpacks to more than 536870912 bytes"),
    ] {
        let bytes = workbook_with(name, bytes_max + 1, |own| own);
        assert!(bytes.len() < 8 << 20, "{name}: {}", bytes.len());
        let refusal = read_at_and_amount(&bytes).unwrap_err();
        assert_eq!(told(&refusal), [format!("0 workbook ``: {reason}")], "{name}");
    }
    let bytes = workbook_with("xl/media/image1.png", 1 << 20, |own| own);
    assert_eq!(read_at_and_amount(&bytes).unwrap().postings.len(), 1);
}

/// Each format of a cell took copies of its names, and names had no end.
#[test]
fn a_workbook_with_too_many_formats_or_too_long_a_name_of_one_is_refused() {
    let styled = |more: String| {
        workbook_with(STYLES, 0, |own| own.replace("</cellXfs>", &format!("{more}</cellXfs>")))
    };
    for (more, reason) in [
        ("<xf fontId=\"0\"/>".repeat(65_536), "it has more than 65536 formats of cells"),
        (format!("<xf numFmtId=\"{}\"/>", "1".repeat(2_048)), "a tag of its styles has more than 2048 bytes"),
    ] {
        let refusal = read_at_and_amount(&styled(more)).unwrap_err();
        assert_eq!(told(&refusal), [format!("0 workbook ``: {reason}")]);
    }
    assert!(read_at_and_amount(&styled("<xf fontId=\"0\"/>".repeat(1_000))).is_ok());
}

/// A second behind the last of the calendar ended the program.
#[test]
fn the_last_second_of_the_calendar_has_none_behind_it() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (column, heading) in (0u16..).zip(["at", "amount"]) {
        sheet.write_string(0, column, heading).unwrap();
    }
    let date = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
    sheet.write_number_with_format(1, 0, 2_958_465.999_998, &date).unwrap();
    sheet.write_number(1, 1, 2_000_000.0).unwrap();
    let read = read_at_and_amount(&book.save_to_buffer().unwrap()).unwrap();
    // 9999-12-31 23:59:59 in Việt Nam.
    assert_eq!(read.postings[0].at_s, 253_402_275_599);
}

/// Of a text that is too long a copy was kept for each of its cells.
#[test]
fn a_cell_of_a_workbook_that_is_too_long_is_refused_with_its_row() {
    let long = "đ".repeat(600);
    let bytes = workbook_with(TEXTS, 0, |own| own.replace("2026-05-03 07:00:00", &long));
    let reasons = [format!("2 line `{}`: 1000 bytes are the most of a value", "đ".repeat(40))];
    assert_eq!(told(&read_at_and_amount(&bytes).unwrap_err()), reasons);
}

#[test]
fn a_preview_shows_the_first_lines_and_all_that_is_wrong() {
    let text = NORMAL.replace(",C,", ",?,").replace("TRAILER,2", "TRAILER,1");
    let preview =
        preview_postings(text.as_bytes(), &Mapping::normal(), bank(), day(), Reader::IN_PROCESS, 1).unwrap();
    assert_eq!((preview.postings.len(), preview.count, preview.rejects.0.len()), (1, 1, 1));
    assert_eq!(preview.rejects.0[0].field, "direction");
}

#[test]
fn a_file_is_taken_once() {
    let key =
        |part| FileKey { kind: FileKind::Postings, bank: Some(bank()), terminal: None, day: day(), part };
    let mut intake = Intake::default();
    let (first, second) = (Digest::of(b"first"), Digest::of(b"second"));
    intake.take(first, key(1), 5).unwrap();
    for (digest, part, reason) in [
        (first, 1, "the same file was taken for 2026-05-03, part 1"),
        (first, 2, "the same file was taken for 2026-05-03, part 1"),
        (second, 1, "another file was taken for 2026-05-03, part 1: a7937b64b8ca…"),
    ] {
        let refusal = intake.take(digest, key(part), 5).unwrap_err();
        assert_eq!((refusal.kind, refusal.rejects[0].reason.as_str()), (Kind::DuplicateFile, reason));
    }
    let another_bank = FileKey { bank: "970418".parse().ok(), ..key(1) };
    assert!(intake.take(first, another_bank, 5).is_err(), "its lines would count twice");
    intake.take(second, key(2), 5).unwrap();
    assert_eq!(intake.files().count(), 2);
    assert_eq!(first.to_string().parse(), Ok(first));
}

#[test]
fn a_normalised_journal_says_what_left_the_machine() {
    let text = "\
terminal,day,rrn,stan,sequence,at,requested,moved,currency,outcome
HN000001,2026-05-03,612300000001,17,1,2026-05-03 07:00:05,2000000,2000000,704,taken
HN000001,2026-05-03,,18,2,2026-05-03 07:05:05,2000000,0,704,retracted
HN000001,2026-05-03,,19,3,2026-05-03 07:09:05,-500000,-500000,VND,kept
";
    let file = read_journal(text.as_bytes(), 420, Reader::IN_PROCESS).unwrap();
    let lines: Vec<_> =
        file.lines.iter().map(|line| (line.stan, line.moved_minor, line.is_retracted)).collect();
    assert_eq!(lines, [(Some(17), 2_000_000, false), (Some(18), 0, true), (Some(19), -500_000, false)]);
    assert_eq!(file.machines.len(), 1);
    let refusal =
        read_journal(text.replace("2000000,0,704", "2000000,-1,704").as_bytes(), 420, Reader::IN_PROCESS)
            .unwrap_err();
    assert_eq!(told(&refusal), ["3 outcome `retracted`: the amount that moved is -1"]);
}

#[test]
fn a_raw_journal_is_read_by_its_machine_s_words() {
    let text = "\
03/05/2026 07:00:00 TRANSACTION START
  TRACE NO: 41
  STAN 000017 RRN\u{1}
  RRN: 612300000001
  AMOUNT 2,000,000
  NOTES PRESENTED 0,4,0,0
  NOTES TAKEN
03/05/2026 07:00:40 TRANSACTION END
03/05/2026 07:05:00 TRANSACTION START
  STAN 000018
  AMOUNT 2,000,000
  NOTES PRESENTED
  NOTES RETRACTED
03/05/2026 07:06:00 TRANSACTION END
03/05/2026 07:08:00 TRANSACTION START
  STAN 000019
  AMOUNT 2,000,000
  DISPENSED 1,500,000
  NOTES TAKEN
03/05/2026 07:08:30 TRANSACTION START
  STAN 000020
  AMOUNT 500,000
  NOTES STACKED
03/05/2026 07:09:00 TRANSACTION END
03/05/2026 07:10:00 TRANSACTION START
  BALANCE INQUIRY
03/05/2026 07:10:30 TRANSACTION END
";
    let text = text.replace(" RRN\u{1}", "");
    let terminal = processor::TerminalId(*b"HN000001");
    let file =
        read_raw_journal(text.as_bytes(), &Patterns::default(), terminal, 420, Reader::IN_PROCESS).unwrap();
    let lines: Vec<_> = file
        .lines
        .iter()
        .map(|line| (line.stan, line.requested_minor, line.moved_minor, line.is_retracted))
        .collect();
    let expected = [
        (Some(17), 2_000_000, 2_000_000, false),
        (Some(18), 2_000_000, 0, true),
        (Some(19), 2_000_000, 1_500_000, false),
        (Some(20), -500_000, -500_000, false),
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        (file.lines[0].sequence, file.lines[0].rrn.map(|rrn| rrn.to_string())),
        (Some(41), Some("612300000001".into()))
    );
    let cut = text.rsplit_once("03/05").unwrap().0;
    let refusal = read_raw_journal(cut.as_bytes(), &Patterns::default(), terminal, 420, Reader::IN_PROCESS)
        .unwrap_err();
    assert_eq!(told(&refusal), ["25 end ``: the last transaction has no end: the journal may have been cut"]);
}

fn raw(patterns: &Patterns, lines: &[&str]) -> Result<Vec<(i64, i64, bool)>, Vec<String>> {
    let inner: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    let text = format!("03/05/2026 07:00:00 TRANSACTION START\n{inner}03/05/2026 07:00:40 TRANSACTION END\n");
    let terminal = processor::TerminalId(*b"HN000001");
    let file = read_raw_journal(text.as_bytes(), patterns, terminal, 420, Reader::IN_PROCESS);
    let line = |line: &reconciliation::CashLine| (line.requested_minor, line.moved_minor, line.is_retracted);
    file.map(|file| file.lines.iter().map(line).collect()).map_err(|refusal| told(&refusal))
}

/// `AMOUNT 2 400 000` was read as 2 wherever thousands were separated by blanks, and nearly all of it offered as a refund.
#[test]
fn a_value_of_a_raw_journal_is_read_whole_or_its_line_is_wrong() {
    let commas = Patterns::default();
    let blanks = Patterns { thousands: Some(' '), ..Patterns::default() };
    let hard_blanks = Patterns { thousands: Some('\u{a0}'), ..Patterns::default() };
    for (patterns, line, amount_minor) in [
        (&blanks, "AMOUNT 2 400 000", 2_400_000),
        (&blanks, "AMOUNT: 2 400 000.00 VND", 2_400_000),
        (&blanks, "AMOUNT 400000", 400_000),
        (&blanks, "AMOUNT 2\u{a0}400\u{a0}000", 2_400_000),
        (&hard_blanks, "AMOUNT 2\u{a0}400\u{a0}000", 2_400_000),
        (&blanks, "AMOUNT 2 400 000 07:00:09", 2_400_000),
        (&commas, "AMOUNT=2,400,000 VND", 2_400_000),
        (&commas, "AMOUNT 2,400,000 03/05/2026 07:00", 2_400_000),
    ] {
        let read = raw(patterns, &[line, "NOTES TAKEN"]);
        assert_eq!(read, Ok(vec![(amount_minor, amount_minor, false)]), "{line}");
    }
    let goes_on = "digits follow behind a blank: where they belong to it, a layout with thousands = \" \" reads amounts so";
    let groups = "its thousands are not separated by three digits";
    let minus = "a minus: whether notes left or were put in is said by the journal's words for it";
    for (patterns, line, expected) in [
        (&commas, "AMOUNT 2 400 000", format!("2 amount `2`: {goes_on}")),
        (&commas, "AMOUNT 2 400,000", format!("2 amount `2`: {goes_on}")),
        (&commas, "AMOUNT 2,400 ,000", format!("2 amount `2,400`: {goes_on}")),
        (&commas, "DISPENSED 2 400 000", format!("2 dispensed `2`: {goes_on}")),
        (&commas, "STAN 000 017", format!("2 stan `000`: {goes_on}")),
        (&commas, "TRACE NO: 4 711", format!("2 sequence `4`: {goes_on}")),
        (&blanks, "AMOUNT 2 400 00", format!("2 amount `2 400 00`: {groups}")),
        (&blanks, "DISPENSED 2 400 000 1", format!("2 dispensed `2 400 000 1`: {groups}")),
        (&blanks, "AMOUNT 2 400 000VND", format!("2 amount `2 400 000VND`: {groups}")),
        (&commas, "AMOUNT: -2,400,000", format!("2 amount `-2,400,000`: {minus}")),
        (&commas, "DISPENSED -400,000", format!("2 dispensed `-400,000`: {minus}")),
        (&commas, "RRN 6123 0000 0001", "2 rrn `6123`: an RRN has 12 characters".to_owned()),
    ] {
        assert_eq!(raw(patterns, &[line, "AMOUNT 5000"]).err(), Some(vec![expected]), "{line}");
    }
    let half = "03/05/2026 07:00:00 PM TRANSACTION START\n03/05/2026 07:00:40 TRANSACTION END\n";
    let terminal = processor::TerminalId(*b"HN000001");
    let refusal = read_raw_journal(half.as_bytes(), &commas, terminal, 420, Reader::IN_PROCESS).unwrap_err();
    let reason = "a time of 24 hours is read, and PM stands behind it";
    let value = "03/05/2026 07:00:00 PM TRANSACTION START";
    assert_eq!(told(&refusal), [format!("1 date and time `{value}`: {reason}")]);
}

/// Of notes that left in parts the last part alone counted, and a refund of the others followed.
#[test]
fn notes_that_move_several_times_in_a_raw_transaction_are_summed_up_or_refused() {
    const ALL: &str = "AMOUNT 500000";
    let plain = Patterns::default();
    for (name, lines, expected) in [
        (
            "in two parts",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "DISPENSED 200000", "NOTES TAKEN"][..],
            (500_000, 500_000, false),
        ),
        (
            "the rest drawn back",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "DISPENSED 200000", "NOTES RETRACTED"],
            (500_000, 300_000, true),
        ),
        (
            "the first drawn back",
            &[ALL, "DISPENSED 300000", "NOTES RETRACTED", "DISPENSED 200000", "NOTES TAKEN"],
            (500_000, 200_000, true),
        ),
        ("tried again", &[ALL, "NOTES RETRACTED", "NOTES TAKEN"], (500_000, 500_000, true)),
        ("said behind", &[ALL, "NOTES TAKEN", "DISPENSED 300000"], (500_000, 300_000, false)),
        ("in one line", &[ALL, "DISPENSED 300000 NOTES TAKEN"], (500_000, 300_000, false)),
        ("left lying", &[ALL, "DISPENSED 300000"], (500_000, 0, false)),
        (
            "put in twice",
            &[ALL, "DISPENSED 300000", "NOTES STACKED", "DISPENSED 200000", "NOTES STACKED"],
            (-500_000, -500_000, false),
        ),
        ("a note given back", &[ALL, "NOTES TAKEN", "NOTES STACKED"], (-500_000, -500_000, false)),
        (
            "asked for less",
            &["STAN 16", "AMOUNT 900000", "STAN 17", ALL, "NOTES TAKEN"],
            (500_000, 500_000, false),
        ),
        ("said again", &[ALL, "STAN 17", "NOTES TAKEN", ALL, "STAN 17"], (500_000, 500_000, false)),
    ] {
        assert_eq!(raw(&plain, lines), Ok(vec![expected]), "{name}");
    }
    let unclear = "notes move more than once in this transaction, and how many is not in front of each time: hand the day in as a normalised journal, or name other words in the layout";
    let other = "another one is in front of it in this transaction: an end between two of them is missing, or the layout's word stands for two things";
    let unasked = "notes moved, and no amount that was asked for is in the transaction: look at the layout's word for it";
    for (name, lines, expected) in [
        (
            "twice taken",
            &[ALL, "NOTES TAKEN", "NOTES TAKEN"][..],
            format!("4 taken `NOTES TAKEN`: {unclear}"),
        ),
        (
            "a part, and the rest",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "NOTES TAKEN"],
            format!("5 taken `NOTES TAKEN`: {unclear}"),
        ),
        (
            "all, and a part",
            &[ALL, "NOTES TAKEN", "DISPENSED 200000", "NOTES TAKEN"],
            format!("5 taken `NOTES TAKEN`: {unclear}"),
        ),
        (
            "some of them drawn back",
            &[ALL, "NOTES TAKEN", "NOTES RETRACTED"],
            format!("4 retracted `NOTES RETRACTED`: {unclear}"),
        ),
        (
            "some of a part drawn back",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "NOTES RETRACTED"],
            format!("5 retracted `NOTES RETRACTED`: {unclear}"),
        ),
        (
            "two parts at once",
            &[ALL, "DISPENSED 300000", "DISPENSED 200000", "NOTES TAKEN"],
            format!("4 dispensed `200000`: {unclear}"),
        ),
        (
            "a part of which nothing is said",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "DISPENSED 200000"],
            format!("1 notes ``: {unclear}"),
        ),
        (
            "out and in",
            &[ALL, "DISPENSED 300000", "NOTES TAKEN", "NOTES STACKED"],
            format!("1 notes ``: {unclear}"),
        ),
        (
            "put in twice",
            &[ALL, "NOTES STACKED", "NOTES STACKED"],
            format!("4 stacked `NOTES STACKED`: {unclear}"),
        ),
        ("another amount", &[ALL, "NOTES TAKEN", "AMOUNT 300000"], format!("4 amount `300000`: {other}")),
        ("another STAN", &["STAN 17", ALL, "NOTES TAKEN", "STAN 18"], format!("5 stan `18`: {other}")),
        ("no amount", &["STAN 17 AMOUNT 500000", "NOTES TAKEN"], format!("1 amount ``: {unasked}")),
        ("an empty amount", &["AMOUNT:", "NOTES TAKEN"], format!("1 amount ``: {unasked}")),
    ] {
        assert_eq!(raw(&plain, lines), Err(vec![expected]), "{name}");
    }
}

/// `2,000,000` without quotation marks, as the last value of a line, was read as 2, and what was behind it passed over.
#[test]
fn a_value_of_csv_that_its_delimiter_cuts_is_a_wrong_line() {
    let reason = |values: usize, first: usize| {
        format!(
            "it has {values} values, and the first row has {first}: one with the delimiter in it has to be in quotation marks"
        )
    };
    let columns =
        |at: &str, amount: &str| Columns { at: at.into(), amount: amount.into(), ..Columns::default() };
    let mapping = |header: bool, columns: Columns| Mapping {
        form: Form::Csv { delimiter: ',', header },
        columns,
        thousands: Some('.'),
        control: Some(Control { marker: "TRAILER".into(), count: "2".into(), amount: "3".into() }),
        ..Mapping::normal()
    };
    let (named, numbered) = (mapping(true, columns("at", "amount")), mapping(false, columns("1", "2")));
    let good = "2026-05-03 07:00:00,5.000";
    let file = |mapping: &Mapping, text: &str| {
        read_postings(text.as_bytes(), mapping, bank(), day(), Reader::IN_PROCESS).map_err(|it| told(&it))
    };
    let wrong = "2026-05-03 07:00:00,2,000,000";
    for (name, mapping, first) in [("by headings", &named, "at,amount"), ("by number", &numbered, good)] {
        let lines = if first == good { 2 } else { 1 };
        let text = format!("{first}\n{good},, \nTRAILER,{lines},{}\n", lines * 5_000);
        assert_eq!(file(mapping, &text).map(|file| file.postings.len()), Ok(lines), "{name}");
        let expected = vec![format!("2 line ``: {}", reason(4, 2))];
        assert_eq!(file(mapping, &format!("{first}\n{wrong}\n")), Err(expected), "{name}");
    }
    let expected = [format!("2 line ``: {}", reason(5, 3))];
    let totals = read_totals(b"bank,element,value\n970415,88,2,000,000\n", Reader::IN_PROCESS).unwrap_err();
    assert_eq!(told(&totals), expected);
    let counters = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\nHN000001,2026-05-03,2026-05-03 23:00:00,1,500000,20000,0,4,19,996\n";
    let counters = read_counters(counters.as_bytes(), 420, Reader::IN_PROCESS).unwrap_err();
    assert_eq!(counters.rejects[0].reason, reason(10, 9));
    let journal = "outcome,terminal,day,rrn,stan,sequence,at,currency,moved,requested\ntaken,HN000001,2026-05-03,,17,,2026-05-03 07:00:09,704,500,500,000\n";
    let journal = read_journal(journal.as_bytes(), 420, Reader::IN_PROCESS).unwrap_err();
    assert_eq!((journal.rejects[0].line, &journal.rejects[0].reason), (2, &reason(11, 10)));
}

/// A line of fixed width that was cut within its amount was read as a smaller one.
#[test]
fn a_number_of_fixed_width_that_the_line_s_end_cuts_is_a_wrong_line() {
    let mapping = |amount: &str| Mapping {
        form: Form::Fixed { skip_lines: 0 },
        columns: Columns { at: "1-19".into(), amount: amount.into(), ..Columns::default() },
        control: None,
        ..Mapping::normal()
    };
    let read = |amount: &str, text: &str| {
        let line = format!("2026-05-03 07:00:00{text}\n");
        let file = read_postings(line.as_bytes(), &mapping(amount), bank(), day(), Reader::IN_PROCESS);
        file.map(|file| file.postings[0].amount_minor).map_err(|refusal| told(&refusal))
    };
    for (amount, text) in [
        ("20-31", "     2000000"),
        ("20-31", "2000000     "),
        ("20-31", "2000000  "),
        ("20-31", "000002000000"),
        ("20-", "2000000"),
        ("20-", "     2000000"),
    ] {
        assert_eq!(read(amount, text), Ok(2_000_000), "{amount} {text}");
    }
    let reason = "the line ends within its columns, and it may have been cut: fill the line up with blanks, or name the columns as 20- where its end is the value's";
    for (text, value) in [("     2000", "2000"), ("0000020000", "0000020000"), ("2000000", "2000000")] {
        assert_eq!(read("20-31", text), Err(vec![format!("1 20-31 `{value}`: {reason}")]), "{text}");
    }
}

/// A journal in UTF-16, one of another make and one of another machine were taken as that of a machine that did nothing.
#[test]
fn a_journal_that_is_not_the_one_that_is_named_is_told() {
    let begins = |bytes: &[u8]| Patterns::default().check_begins(bytes).map_err(|refusal| told(&refusal));
    let text = "03/05/2026 07:08:30 TRANSACTION START\n03/05/2026 07:09:00 TRANSACTION END\n";
    let utf_16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let none = "0 start `TRANSACTION START`: no transaction begins in it: its words are another make's, or it is not UTF-8";
    for (bytes, is_good) in [
        (text.as_bytes(), true),
        (b"".as_slice(), true),
        (b" \r\n\n".as_slice(), true),
        (&utf_16, false),
        (b"03/05/2026 07:08:30 BEGIN TXN\n".as_slice(), false),
    ] {
        assert_eq!(begins(bytes).err(), (!is_good).then(|| vec![none.to_owned()]));
    }
    let terminal = |name: &[u8; 8]| processor::TerminalId(*name);
    let line = |of: &str| format!("{of},2026-05-03,,000001,,2026-05-03 08:00:09,2000000,2000000,704,taken\n");
    let file = exchange::JOURNAL_COLUMNS.join(",") + "\n" + &line("HN000001") + &line("HN000002");
    let file = read_journal(file.as_bytes(), 420, Reader::IN_PROCESS).unwrap();
    assert_eq!(
        told(&file.check_machine(terminal(b"HN000001")).unwrap_err()),
        ["3 terminal `HN000002`: it is of another machine than the one that is named"]
    );
    assert_eq!(file.check_machine(terminal(b"HN000003")).unwrap_err().rejects.len(), 2);
}

/// The second bank that had nothing to say was told that its file had been taken.
#[test]
fn files_without_lines_are_alike_and_each_is_of_its_place() {
    let own = FileKey { kind: FileKind::Postings, bank: Some(bank()), terminal: None, day: day(), part: 1 };
    let mut intake = Intake::default();
    let empty = Digest::of(b"at,amount\nTRAILER,0,0\n");
    intake.take(empty, own, 0).unwrap();
    for (name, key, is_taken) in [
        ("another bank", FileKey { bank: "970418".parse().ok(), ..own }, true),
        ("another day", FileKey { day: "2026-05-04".parse().unwrap(), ..own }, true),
        ("another kind", FileKey { kind: FileKind::Counters, bank: None, ..own }, true),
        ("the same place", own, false),
        ("another part of the same day", FileKey { part: 2, ..own }, false),
    ] {
        let taken = intake.take(empty, key, 0).map_err(|refusal| refusal.rejects[0].reason.clone());
        let expected =
            if is_taken { Ok(()) } else { Err("the same file was taken for 2026-05-03, part 1".to_owned()) };
        assert_eq!(taken, expected, "{name}");
    }
    assert!(intake.take(Digest::of(b"late"), own, 5).is_err(), "what has come late is another for a place");
}

#[test]
fn totals_are_read_whole_or_told_line_by_line() {
    let good = "element,bank,value\n76,970415,3\n88,970415,6000000\n97,970418,-5\n";
    let read = read_totals(good.as_bytes(), Reader::IN_PROCESS).unwrap();
    let lines: Vec<_> = read.iter().map(|it| (it.line, it.bank.to_string(), it.element, it.value)).collect();
    let bank = |digits: &str| digits.to_owned();
    let expected =
        [(2, bank("970415"), 76, 3), (3, bank("970415"), 88, 6_000_000), (4, bank("970418"), 97, -5)];
    assert_eq!(lines, expected);
    let bad = "bank,element,value\n970415,76,3\n970415,76,3\n970415,90,3\nVietinBank,76,3\n970415,77,two\n";
    let expected = [
        "3 element `76`: the bank has it twice",
        "4 element `90`: it is not an element of 74 to 89, or 97",
        "5 bank `VietinBank`: it is not a bank's number",
        "6 value `two`: it is not a whole number, or too large",
    ];
    assert_eq!(told(&read_totals(bad.as_bytes(), Reader::IN_PROCESS).unwrap_err()), expected);
    let refusal = read_totals(b"bank,value\n", Reader::IN_PROCESS).unwrap_err();
    assert_eq!(told(&refusal), ["0 element ``: the file has no column of this name"]);
}

#[test]
fn counters_are_read_in_notes() {
    let text = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\nHN000001,2026-05-03,2026-05-03 23:00:00,1,500000,100,900,250,750\n";
    let (_, counters) = read_counters(text.as_bytes(), 420, Reader::IN_PROCESS).unwrap();
    assert_eq!(reconciliation::expected_minor(&counters[0]), Ok(375_000_000));
    assert!(reconciliation::cash_exceptions(&counters).unwrap().is_empty());
    let absurd =
        read_counters(text.replace("250", "99999999999999").as_bytes(), 420, Reader::IN_PROCESS).unwrap_err();
    assert!(
        absurd.to_string().contains("notes are the most")
            || format!("{absurd:?}").contains("notes are the most")
    );
    let refusal = read_counters(text.replace("250", "x").as_bytes(), 420, Reader::IN_PROCESS).unwrap_err();
    assert_eq!(told(&refusal), ["2 dispensed `x`: it is not a whole number, or too large"]);
}

/// Rules that are broken one at a time (docs/mutants.md), and the tests here that miss them.
#[cfg(feature = "mutants")]
#[test]
fn each_rule_that_is_broken_is_missed() {
    use mutant::Mutant;

    mutant::each_is_missed(&[
        (Mutant::WorkbookOfAnySize, &["a_workbook_that_unpacks_to_more_than_it_may_is_refused"]),
        (Mutant::WorkbookCountBelieved, &["a_workbook_that_says_it_has_more_texts_than_it_may_is_refused"]),
        (
            Mutant::WorkbookStylesUnbounded,
            &["a_workbook_with_too_many_formats_or_too_long_a_name_of_one_is_refused"],
        ),
        (Mutant::CellOfAnyLength, &["a_cell_of_a_workbook_that_is_too_long_is_refused_with_its_row"]),
        (Mutant::CalendarWithoutEnd, &["the_last_second_of_the_calendar_has_none_behind_it"]),
    ]);
}
