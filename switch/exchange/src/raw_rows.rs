//! Files as rows of texts: read out of a file's bytes, and carried as bytes from a process that reads them to one that does not.
//!
//! Whoever reads files is given [`Rows`]: [`InProcess`] for tests and tools, a process of its own where somebody else's file is read beside keys.

use std::fmt::Debug;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

use calamine::{Data, DataRef, Reader, Xlsx};
use mutant::Mutant;
use processor::Day;
use reconciliation::Kind;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::reason::{Reason, Said};
use crate::refusal::Refusal;
use crate::rows::{CELL_BYTES_MAX, COLUMNS_MAX, LINES_MAX, Numbering};
use crate::text_rows::{csv_rows, fixed_rows, journal_rows};
use crate::workbook::look_through;

/// What another process says of a file; more is refused. The largest CSV that may be taken, with a hundred cells a line of next to nothing, has as much.
pub const ANSWER_BYTES_MAX: u64 = 5 << 30;

/// A line of a machine's journal with more bytes is refused.
pub const JOURNAL_LINE_BYTES_MAX: usize = 16 * 1_024;

/// Why a file or a line is refused, in bytes.
const REASON_BYTES_MAX: usize = 1_024;

/// How a file's bytes come apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowForm<'f> {
    /// CSV.
    Csv {
        /// Between values.
        delimiter: u8,
        /// How its lines are counted.
        numbering: Numbering,
    },
    /// Text of fixed width, a line a row of one cell.
    Fixed,
    /// A machine's journal, a line a row of one cell.
    Journal,
    /// A workbook's sheet.
    Sheet {
        /// The first where none is named.
        name: Option<&'f str>,
    },
}

impl RowForm<'_> {
    /// A cell that is too long is cut behind a whole character.
    fn text_bytes_max(self) -> usize {
        match self {
            RowForm::Csv { .. } | RowForm::Fixed | RowForm::Sheet { .. } => CELL_BYTES_MAX + 4,
            // What is no text takes up to three times its room.
            RowForm::Journal => 3 * JOURNAL_LINE_BYTES_MAX,
        }
    }

    /// What the file is called where it is refused as a whole.
    pub fn whole(self) -> &'static str {
        match self {
            RowForm::Csv { .. } | RowForm::Fixed | RowForm::Journal => "file",
            RowForm::Sheet { .. } => "workbook",
        }
    }
}

/// Takes files apart.
pub trait Rows: Debug + Send + Sync {
    /// Gives a file's rows in their order, until `take` wants no more.
    ///
    /// # Errors
    /// [`Refusal`]: it is no workbook, has no such sheet or too much of something, or whoever reads it could not. The rows before were given.
    fn each_row(
        &self,
        file: &[u8],
        form: RowForm<'_>,
        take: &mut dyn FnMut(RawRow) -> bool,
    ) -> Result<(), Refusal>;
}

/// Reads them within the process that asks.
#[derive(Clone, Copy, Debug)]
pub struct InProcess;

impl Rows for InProcess {
    fn each_row(
        &self,
        file: &[u8],
        form: RowForm<'_>,
        take: &mut dyn FnMut(RawRow) -> bool,
    ) -> Result<(), Refusal> {
        rows_of(Cursor::new(file), form, &mut |row| Ok(take(row))).map_err(|error| match error {
            Stopped::Refused(refusal) => refusal,
            Stopped::Io(error) => unreadable(form.whole(), error),
        })
    }
}

/// A row as its cells come. A sheet's columns are counted from its first, not from the first that is used; of those that are too many the first is
/// kept, by which the row is refused.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RawRow {
    /// From 1.
    pub(crate) line: u64,
    pub(crate) texts: Vec<String>,
    /// Of a sheet's row those cells that are dates or times.
    pub(crate) moments: Vec<Option<Moment>>,
    /// The line is none, for this reason; its text is the first.
    pub(crate) wrong: Option<Said>,
}

impl RawRow {
    pub(crate) fn of_texts<'t>(line: u64, texts: impl IntoIterator<Item = &'t str>) -> RawRow {
        let texts = texts.into_iter().map(str::to_owned).collect();
        RawRow { line, texts, ..RawRow::default() }
    }

    pub(crate) fn wrong(line: u64, text: &str, reason: impl Into<Said>) -> RawRow {
        let texts = vec![cut(text).to_owned()];
        RawRow { line, texts, moments: Vec::new(), wrong: Some(reason.into()) }
    }
}

/// What a workbook keeps as a date, a time of day or both: whatever a layout says of how dates are written, it is this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment(PrimitiveDateTime);

/// Why no more rows come.
enum Stopped {
    Refused(Refusal),
    /// Nobody takes them.
    Io(io::Error),
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Stopped {
        Stopped::Refused(refusal)
    }
}

fn refused(what: &str, reason: impl Into<Said>) -> Refusal {
    Refusal::whole(Kind::UnreadableLine, what, "", reason)
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> Refusal {
    refused(what, Reason::SheetUnreadable.of(&[&error]))
}

fn rows_of(
    mut file: impl Read + Seek,
    form: RowForm<'_>,
    take: &mut dyn FnMut(RawRow) -> io::Result<bool>,
) -> Result<(), Stopped> {
    if let RowForm::Sheet { name } = form {
        return sheet_rows(file, name, take);
    }
    let text = whole(&mut file).map_err(Stopped::Io)?;
    let read = match form {
        RowForm::Csv { delimiter, numbering } => csv_rows(&text, delimiter, numbering, take),
        RowForm::Fixed => fixed_rows(&text, take),
        RowForm::Journal | RowForm::Sheet { .. } => journal_rows(&text, take),
    };
    read.map_err(Stopped::Io)
}

fn whole(file: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    // Room for as much as there is, and no more.
    let mut text = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut text)?;
    Ok(text)
}

fn sheet_rows(
    mut workbook: impl Read + Seek,
    sheet: Option<&str>,
    take: &mut dyn FnMut(RawRow) -> io::Result<bool>,
) -> Result<(), Stopped> {
    look_through(&mut workbook).map_err(|reason| refused("workbook", reason))?;
    workbook.rewind().map_err(Stopped::Io)?;
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(workbook)
        .map_err(|error: calamine::XlsxError| unreadable("workbook", error))?;
    let name = match sheet {
        Some(name) => name.to_owned(),
        None => book.sheet_names().first().cloned().ok_or_else(|| refused("workbook", Reason::NoSheet))?,
    };
    let mut cells = book.worksheet_cells_reader(&name).map_err(|error| unreadable("sheet", error))?;
    let mut row = RawRow::default();
    loop {
        // Cell by cell: a sheet with one of them far out is no larger for it.
        let cell = cells.next_cell().map_err(|error| unreadable("sheet", error))?;
        let next = cell.as_ref().map(|cell| u64::from(cell.get_position().0) + 1);
        if row.line > 0 && next != Some(row.line) {
            if next.is_some_and(|next| next < row.line) {
                return Err(refused("sheet", Reason::SheetUnordered).into());
            }
            if !take(std::mem::take(&mut row)).map_err(Stopped::Io)? {
                return Ok(());
            }
        }
        let Some(cell) = cell else { return Ok(()) };
        row.put(cell.get_position(), cell.get_value());
    }
}

impl RawRow {
    fn put(&mut self, (row, column): (u32, u32), value: &DataRef<'_>) {
        self.line = u64::from(row) + 1;
        let column = (column as usize).min(COLUMNS_MAX);
        if self.texts.len() <= column {
            self.texts.resize(column + 1, String::new());
            self.moments.resize(column + 1, None);
        }
        (self.texts[column], self.moments[column]) = match value {
            // Many cells may have one long text, of which no copy is kept for each.
            DataRef::String(text) => (cut(text).to_owned(), None),
            DataRef::SharedString(text) => (cut(text).to_owned(), None),
            other => {
                let value = Data::from(other.clone());
                (cell_text(&value), Moment::of(&value))
            }
        };
    }
}

/// As much of a cell as shows that it is too long, where it is.
pub(crate) fn cut(text: &str) -> &str {
    let end = (CELL_BYTES_MAX + 1..text.len()).find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(text.len())]
}

impl Moment {
    fn of(cell: &Data) -> Option<Moment> {
        let Data::DateTime(at) = cell else { return None };
        let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
        let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day.max(1)).ok()?;
        let at = PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second).ok()?);
        // A part of a day is no whole number of milliseconds. Behind the calendar's last second there is none.
        let rounded = Duration::seconds(i64::from(milli >= 500));
        if mutant::is(Mutant::CalendarWithoutEnd) {
            return Some(Moment(at + rounded));
        }
        at.checked_add(rounded).map(Moment)
    }

    /// Its day.
    pub(crate) fn day(self) -> Result<Day, Said> {
        let date = self.0.date();
        let number = date.year() * 10_000 + i32::from(u8::from(date.month())) * 100 + i32::from(date.day());
        u32::try_from(number).ok().and_then(Day::new).ok_or(Reason::NoDate.into())
    }

    /// Its time of day, as `07:00:00`.
    pub(crate) fn time(self) -> String {
        let time = self.0.time();
        format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }

    fn seconds(self) -> i64 {
        self.0.assume_utc().unix_timestamp()
    }

    fn from_seconds(seconds: i64) -> Option<Moment> {
        let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        Some(Moment(PrimitiveDateTime::new(at.date(), at.time())))
    }
}

/// A number without a fraction is written as one; a date and time as ISO 8601 has them.
fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => format!("{number:.0}"),
        Data::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        other => cut(&other.to_string()).to_owned(),
    }
}

/// What stands in front of each piece of an answer: a row, a line that is none, the end, a refusal.
const ROW: u8 = b'R';
const WRONG: u8 = b'W';
const END: u8 = b'E';
const REFUSED: u8 = b'X';

/// Takes a file apart and writes what there is to say of it, for [`read_answer`] in another process. Numbers are little-endian: a row is its line (8), how
/// many cells (1), and of each cell 1 where a moment stands before it (1), the moment (8), the text's length (2), the text; a line that is none is
/// its number (8), its text and the reason, each behind its length (2).
///
/// # Errors
/// Nobody takes the answer.
pub fn write_answer(file: impl Read + Seek, form: RowForm<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    let read = rows_of(file, form, &mut |row| {
        bytes.clear();
        row.to_bytes(&mut bytes);
        out.write_all(&bytes).map(|()| true)
    });
    match read {
        Ok(()) => out.write_all(&[END])?,
        Err(Stopped::Io(error)) => return Err(error),
        Err(Stopped::Refused(refusal)) => {
            let first = refusal.rejects.first();
            let what = u8::from(first.is_some_and(|reject| reject.field == "sheet"));
            bytes.clear();
            bytes.extend([REFUSED, what]);
            text_to_bytes(short(first.map_or("", |reject| reject.reason.as_str())), &mut bytes);
            out.write_all(&bytes)?;
        }
    }
    out.flush()
}

/// As much of a reason as there is room for.
fn short(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at));
    &reason[..end.unwrap_or(0)]
}

fn text_to_bytes(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Whatever a reason says, one that nobody knows is no reason of this program's.
fn known(reason: &str) -> Said {
    match Reason::read(reason) {
        Some((known, values)) => {
            let values: Vec<&dyn std::fmt::Display> =
                values.iter().map(|value| value as &dyn std::fmt::Display).collect();
            known.of(&values)
        }
        None => Reason::SheetUnreadable.of(&[&reason]),
    }
}

/// Why an answer gives no more rows.
#[derive(Debug)]
pub enum BadAnswer {
    /// The file or sheet is refused.
    Refused(Refusal),
    /// It ends before its end: whoever wrote it is no more.
    Cut,
    /// It cannot be read, or is no answer.
    Odd(String),
}

/// Reads what [`write_answer`] has written, and believes none of it: every length has its bound, and all of it has
/// [`ANSWER_BYTES_MAX`].
///
/// # Errors
/// [`BadAnswer`]; the rows before were given.
pub fn read_answer(
    answer: impl Read,
    form: RowForm<'_>,
    take: &mut dyn FnMut(RawRow) -> bool,
) -> Result<(), BadAnswer> {
    read_answer_of(answer, ANSWER_BYTES_MAX, form, take)
}

fn read_answer_of(
    answer: impl Read,
    bytes_max: u64,
    form: RowForm<'_>,
    take: &mut dyn FnMut(RawRow) -> bool,
) -> Result<(), BadAnswer> {
    let mut answer = Answer { left: answer.take(bytes_max), bytes_max };
    let mut line_before = 0;
    loop {
        let row = match answer.byte()? {
            END => return Ok(()),
            REFUSED => {
                let what = if answer.byte()? == 0 { form.whole() } else { "sheet" };
                let reason = answer.text(REASON_BYTES_MAX)?;
                return Err(BadAnswer::Refused(refused(what, known(&reason))));
            }
            ROW => answer.row(form.text_bytes_max())?,
            WRONG => answer.wrong()?,
            other => return Err(BadAnswer::Odd(format!("{other} begins nothing"))),
        };
        // Several rows of one number were counted so by the first versions.
        if row.line < line_before {
            return Err(BadAnswer::Odd("its rows are not in their order".to_owned()));
        }
        line_before = row.line;
        if !take(row) {
            return Ok(());
        }
    }
}

impl RawRow {
    fn to_bytes(&self, bytes: &mut Vec<u8>) {
        bytes.push(if self.wrong.is_some() { WRONG } else { ROW });
        bytes.extend(self.line.to_le_bytes());
        if let Some(reason) = &self.wrong {
            text_to_bytes(self.texts.first().map_or("", String::as_str), bytes);
            return text_to_bytes(short(reason.text()), bytes);
        }
        bytes.push(self.texts.len() as u8);
        for (column, text) in self.texts.iter().enumerate() {
            let moment = self.moments.get(column).copied().flatten();
            bytes.push(u8::from(moment.is_some()));
            bytes.extend(moment.iter().flat_map(|moment| moment.seconds().to_le_bytes()));
            text_to_bytes(text, bytes);
        }
    }
}

struct Answer<R> {
    left: io::Take<R>,
    bytes_max: u64,
}

impl<R: Read> Answer<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadAnswer> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BadAnswer> {
        match self.left.read_exact(bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => match self.left.limit() {
                0 => Err(BadAnswer::Odd(format!("it has more than {} bytes", self.bytes_max))),
                _ => Err(BadAnswer::Cut),
            },
            Err(error) => Err(BadAnswer::Odd(error.to_string())),
        }
    }

    fn byte(&mut self) -> Result<u8, BadAnswer> {
        self.bytes().map(|[byte]| byte)
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, BadAnswer> {
        let length = usize::from(u16::from_le_bytes(self.bytes()?));
        if length > bytes_max {
            return Err(BadAnswer::Odd(format!("{length} bytes of one text")));
        }
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| BadAnswer::Odd("a text is not UTF-8".to_owned()))
    }

    fn line(&mut self) -> Result<u64, BadAnswer> {
        let line = u64::from_le_bytes(self.bytes()?);
        match line > LINES_MAX + 1 {
            true => Err(BadAnswer::Odd(format!("line {line}"))),
            false => Ok(line),
        }
    }

    fn wrong(&mut self) -> Result<RawRow, BadAnswer> {
        let line = self.line()?;
        let text = self.text(CELL_BYTES_MAX + 4)?;
        let reason = self.text(REASON_BYTES_MAX)?;
        Ok(RawRow::wrong(line, &text, known(&reason)))
    }

    fn row(&mut self, text_bytes_max: usize) -> Result<RawRow, BadAnswer> {
        let line = self.line()?;
        let cells = usize::from(self.byte()?);
        if cells > COLUMNS_MAX + 1 {
            return Err(BadAnswer::Odd(format!("{cells} cells in line {line}")));
        }
        let mut row = RawRow { line, ..RawRow::default() };
        for _ in 0..cells {
            let moment = match self.byte()? {
                0 => None,
                _ => {
                    let seconds = i64::from_le_bytes(self.bytes()?);
                    let moment = Moment::from_seconds(seconds);
                    Some(moment.ok_or_else(|| BadAnswer::Odd("a moment of no calendar".to_owned()))?)
                }
            };
            row.moments.push(moment);
            row.texts.push(self.text(text_bytes_max)?);
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(line: u64, cells: &[(&str, Option<i64>)]) -> RawRow {
        let texts = cells.iter().map(|(text, _)| (*text).to_owned()).collect();
        let moments = cells.iter().map(|(_, moment)| moment.and_then(Moment::from_seconds)).collect();
        RawRow { line, texts, moments, wrong: None }
    }

    fn said(bytes: &[u8]) -> (Vec<RawRow>, Option<String>) {
        let mut rows = Vec::new();
        let read = read_answer(bytes, RowForm::Sheet { name: None }, &mut |row| {
            rows.push(row);
            true
        });
        (rows, read.err().map(|error| format!("{error:?}")))
    }

    #[test]
    fn rows_are_carried_as_they_are_and_an_answer_that_is_none_is_no_row() {
        let rows = [
            row(1, &[("at", None), ("", None)]),
            row(7, &[("2026-05-03 07:00:00", Some(1_777_791_600)), ("Hà Nội", Some(-1))]),
            RawRow::wrong(7, "\"500,D", Reason::QuotationOpen),
            row(LINES_MAX + 1, &[]),
        ];
        let mut good = Vec::new();
        rows.iter().for_each(|row| row.to_bytes(&mut good));
        let with = |end: &[u8]| [&good[..], end].concat();
        assert_eq!(said(&with(b"E")), (rows.to_vec(), None));
        // Whoever dies in the middle is cut, wherever that is.
        for length in 0..good.len() {
            let (before, error) = said(&good[..length]);
            assert!(before.len() < 5 && error.as_deref() == Some("Cut"), "{length}: {error:?}");
        }
        let long = [&b"R\x09\0\0\0\0\0\0\0\x01\0"[..], &1_005u16.to_le_bytes()].concat();
        for (name, end, expected) in [
            (
                "refused",
                &b"X\x01\x03\0odd"[..],
                "Refused(Refusal { kind: UnreadableLine, rejects: [Reject { line: 0, field: \"sheet\"",
            ),
            ("no piece", b"?", "Odd(\"63 begins nothing\")"),
            ("a row again", b"R\x01\0\0\0\0\0\0\0\0", "Odd(\"its rows are not in their order\")"),
            ("a line too far", b"R\xff\xff\xff\xff\0\0\0\0\0", "Odd(\"line 4294967295\")"),
            ("too many cells", b"R\x09\0\0\0\0\0\0\0\x66", "Odd(\"102 cells in line 9\")"),
            ("a long text", &long, "Odd(\"1005 bytes of one text\")"),
            ("no text", b"R\x09\0\0\0\0\0\0\0\x01\0\x01\0\xff", "Odd(\"a text is not UTF-8\")"),
            (
                "no moment",
                b"R\x09\0\0\0\0\0\0\0\x01\x01\xff\xff\xff\xff\xff\xff\xff\x7f",
                "Odd(\"a moment of no calendar\")",
            ),
        ] {
            // The last of the rows before leaves no line behind it.
            let (before, error) = said(&[&good[..good.len() - 10], end].concat());
            let error = error.unwrap();
            assert!(before.len() == 3 && error.starts_with(expected), "{name}: {error}");
        }
    }

    /// Text was read within the process that has the keys.
    #[test]
    fn text_comes_apart_in_another_process_as_it_does_here() {
        let csv = |numbering| RowForm::Csv { delimiter: b';', numbering };
        let long = "x".repeat(CELL_BYTES_MAX + 50);
        let many = "1;".repeat(COLUMNS_MAX + 50);
        let texts: [&[u8]; 8] = [
            b"",
            b"at;amount\r\n\r\n07:00;2000\r\n",
            "Gi\u{1EDD};S\u{1ED1} ti\u{1EC1}n\n\"a;b\";c".as_bytes(),
            b"at;amount\n\"07:00;2000\n08:00;1\n",
            b"at\n\xff\xfe;1\nlast",
            long.as_bytes(),
            many.as_bytes(),
            b"TRANSACTION START\x1b\xc3\n\nTRANSACTION END\n",
        ];
        for form in [csv(Numbering::First), csv(Numbering::AsShown), RowForm::Fixed, RowForm::Journal] {
            for text in texts {
                let (mut here, mut there, mut answer) = (Vec::new(), Vec::new(), Vec::new());
                let mut take = |row| {
                    here.push(row);
                    true
                };
                InProcess.each_row(text, form, &mut take).unwrap();
                write_answer(Cursor::new(text), form, &mut answer).unwrap();
                read_answer(&answer[..], form, &mut |row| {
                    // A row of texts alone has no moment for any.
                    there.push(RawRow { moments: Vec::new(), ..row });
                    true
                })
                .unwrap();
                assert_eq!(there, here, "{form:?}: {text:?}");
                let most = |row: &RawRow| row.texts.len() <= COLUMNS_MAX + 1;
                assert!(here.iter().all(most), "{form:?}");
            }
        }
        let endless = vec![b'x'; JOURNAL_LINE_BYTES_MAX + 1];
        let mut rows = Vec::new();
        InProcess
            .each_row(&endless, RowForm::Journal, &mut |row| {
                rows.push(row);
                true
            })
            .unwrap();
        assert_eq!(rows, [RawRow::wrong(1, "", Reason::ValueBytesMost.of(&[&JOURNAL_LINE_BYTES_MAX]))]);
    }

    #[test]
    fn an_answer_without_end_is_stopped_at_its_bound() {
        let mut endless = Vec::new();
        (1..=100).for_each(|line| row(line, &[("x", None)]).to_bytes(&mut endless));
        let mut rows = 0;
        let read = read_answer_of(&endless[..], 1_000, RowForm::Fixed, &mut |_| {
            rows += 1;
            true
        });
        let error = format!("{:?}", read.unwrap_err());
        assert_eq!((rows, error.as_str()), (1_000 / 14, "Odd(\"it has more than 1000 bytes\")"));
        // Whoever wants no more reads no more.
        assert!(read_answer_of(&endless[..], 20, RowForm::Fixed, &mut |_| false).is_ok());
    }
}
