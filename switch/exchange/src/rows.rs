//! Rows of cells out of CSV, fixed-width text and workbooks, each with its line.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, Xlsx};
use mutant::Mutant;
use processor::Day;
use reconciliation::Kind;
use time::{Date, Duration, Month, PrimitiveDateTime, Time};

use crate::mapping::Form;
use crate::refusal::{Refusal, Reject, Rejects};
use crate::workbook::look_through;

/// A larger file is refused: half a day of a country in one bank.
pub const FILE_BYTES_MAX: usize = 1 << 30;
/// A file with more lines is refused.
pub const LINES_MAX: u64 = 10_000_000;
/// A row with more cells is refused.
pub const COLUMNS_MAX: usize = 100;
/// A cell with more bytes is refused.
pub const CELL_BYTES_MAX: usize = 1_000;

/// One row, and how its columns are found.
pub(crate) struct Row<'a> {
    pub(crate) line: u64,
    cells: &'a [&'a str],
    /// Of a workbook's row those cells that are no text.
    moments: &'a [Option<Moment>],
    is_fixed: bool,
}

impl<'a> Row<'a> {
    /// The cell of a place, without what is blank around it; nothing where the row is shorter.
    pub(crate) fn cell(&self, place: Place) -> &'a str {
        let cell = match (place, self.is_fixed) {
            (Place::Cell(index), _) => self.cells.get(index).copied().unwrap_or(""),
            (Place::Characters(from, to), _) => {
                let text = self.cells.first().copied().unwrap_or("");
                let at =
                    |character: usize| text.char_indices().nth(character).map_or(text.len(), |(at, _)| at);
                &text[at(from)..at(to)]
            }
        };
        cell.trim()
    }

    /// The date or time of a place, where a workbook keeps it as one.
    pub(crate) fn moment(&self, place: Place) -> Option<Moment> {
        match place {
            Place::Cell(index) => self.moments.get(index).copied().flatten(),
            Place::Characters(..) => None,
        }
    }

    pub(crate) fn first(&self) -> &'a str {
        self.cells.first().copied().unwrap_or("")
    }
}

/// Where a column stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// From 0.
    Cell(usize),
    /// Characters from 0, the second not included.
    Characters(usize, usize),
}

/// The headings of a file, where it has any.
pub(crate) struct Headings(Vec<String>);

impl Headings {
    /// Finds a column by heading, number from 1, or characters from 1.
    pub(crate) fn place(&self, column: &str) -> Result<Place, Refusal> {
        let unknown = |reason: &str| Refusal::whole(Kind::UnreadableLine, column, "", reason);
        if let Some(index) = self.0.iter().position(|heading| heading == column) {
            return Ok(Place::Cell(index));
        }
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number >= 1);
        match column.split_once('-') {
            Some((from, to)) if number(from).is_some() && number(to) >= number(from) => {
                let (from, to) = (number(from).unwrap_or(1), number(to).unwrap_or(1));
                Ok(Place::Characters(from - 1, to))
            }
            _ => number(column)
                .map(|index| Place::Cell(index - 1))
                .ok_or_else(|| unknown("the file has no column of this name")),
        }
    }

    pub(crate) fn optional(&self, column: Option<&String>) -> Result<Option<Place>, Refusal> {
        column.map(|column| self.place(column)).transpose()
    }
}

/// Gives every row behind the headings, in order. What is no row at all is collected in `rejects`.
pub(crate) fn each_row(
    bytes: &[u8],
    form: &Form,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    mut take: impl FnMut(&Row<'_>, &mut Rejects),
) -> Result<(), Refusal> {
    if bytes.len() > FILE_BYTES_MAX {
        let reason = format!("{FILE_BYTES_MAX} bytes are the most");
        return Err(Refusal::whole(Kind::UnreadableLine, "file", &bytes.len().to_string(), reason));
    }
    match form {
        Form::Csv { delimiter, header } => csv_rows(bytes, *delimiter, *header, rejects, begin, &mut take),
        Form::Fixed { skip_lines } => fixed_rows(bytes, *skip_lines, rejects, begin, &mut take),
        Form::Xlsx { sheet, header } => {
            sheet_rows(bytes, sheet.as_deref(), *header, rejects, begin, &mut take)
        }
    }
}

type Take<'t> = &'t mut dyn FnMut(&Row<'_>, &mut Rejects);

fn csv_rows(
    bytes: &[u8],
    delimiter: char,
    header: bool,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    take: Take<'_>,
) -> Result<(), Refusal> {
    let delimiter = u8::try_from(delimiter)
        .map_err(|_| Refusal::whole(Kind::UnreadableLine, "delimiter", "", "one ASCII character is taken"))?;
    // Excel writes a mark in front of UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut begin = Some(begin);
    loop {
        let line_before = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                rejects.push(Reject::new(line_before, "line", "", error.to_string()));
                break;
            }
        }
        let line = record.position().map_or(line_before, csv::Position::line);
        if too_many(line, rejects) {
            break;
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let Ok(cells) = cells else {
            rejects.push(Reject::new(
                line,
                "line",
                &String::from_utf8_lossy(record.as_slice()),
                "it is not UTF-8",
            ));
            continue;
        };
        if let Some(begin) = begin.take() {
            let headings =
                if header { cells.iter().map(|cell| cell.trim().to_owned()).collect() } else { Vec::new() };
            begin(&Headings(headings))?;
            if header {
                continue;
            }
        }
        give(&Row { line, cells: &cells, moments: &[], is_fixed: false }, rejects, take);
    }
    match begin {
        Some(_) if rejects.is_empty() => {
            Err(Refusal::whole(Kind::UnreadableLine, "file", "", "the file is empty"))
        }
        _ => Ok(()),
    }
}

fn fixed_rows(
    bytes: &[u8],
    skip_lines: u32,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    take: Take<'_>,
) -> Result<(), Refusal> {
    begin(&Headings(Vec::new()))?;
    let mut lines = bytes.split(|byte| *byte == b'\n').zip(1u64..).skip(skip_lines as usize).peekable();
    while let Some((text, line)) = lines.next() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_end = text.is_empty() && lines.peek().is_none();
        if is_end || too_many(line, rejects) {
            break;
        }
        match std::str::from_utf8(text) {
            Ok(text) => give(&Row { line, cells: &[text], moments: &[], is_fixed: true }, rejects, take),
            Err(_) => {
                rejects.push(Reject::new(line, "line", &String::from_utf8_lossy(text), "it is not UTF-8"));
            }
        }
    }
    Ok(())
}

fn sheet_rows(
    bytes: &[u8],
    sheet: Option<&str>,
    header: bool,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    take: Take<'_>,
) -> Result<(), Refusal> {
    let refused = |what: &str, reason: String| Refusal::whole(Kind::UnreadableLine, what, "", reason);
    look_through(bytes).map_err(|reason| refused("workbook", reason))?;
    let mut book: Xlsx<_> = calamine::open_workbook_from_rs(Cursor::new(bytes))
        .map_err(|error: calamine::XlsxError| refused("workbook", error.to_string()))?;
    let name = match sheet {
        Some(name) => name.to_owned(),
        None => book
            .sheet_names()
            .first()
            .cloned()
            .ok_or_else(|| refused("workbook", "it has no sheet".to_owned()))?,
    };
    let mut cells =
        book.worksheet_cells_reader(&name).map_err(|error| refused("sheet", error.to_string()))?;
    let (mut begin, mut sheet_row) = (Some(begin), SheetRow::default());
    loop {
        // Cell by cell: a sheet with one of them far out is no larger for it.
        let cell = cells.next_cell().map_err(|error| refused("sheet", error.to_string()))?;
        let next = cell.as_ref().map(calamine::Cell::get_position);
        if sheet_row.line.is_some_and(|line| next.is_none_or(|(row, _)| u64::from(row) + 1 != line)) {
            let done = std::mem::take(&mut sheet_row);
            let line = done.line.unwrap_or(0);
            if next.is_some_and(|(row, _)| u64::from(row) < line) {
                return Err(refused("sheet", "its rows are not in their order".to_owned()));
            }
            if too_many(line, rejects) {
                break;
            }
            let texts: Vec<&str> = done.texts.iter().map(String::as_str).collect();
            let is_headings = header && begin.is_some();
            if let Some(begin) = begin.take() {
                let headings = texts.iter().map(|text| text.trim().to_owned());
                begin(&Headings(if header { headings.collect() } else { Vec::new() }))?;
            }
            if !is_headings {
                give(&Row { line, cells: &texts, moments: &done.moments, is_fixed: false }, rejects, take);
            }
        }
        let Some(cell) = cell else { break };
        sheet_row.put(cell.get_position(), cell.get_value());
    }
    match begin {
        Some(_) => Err(refused("sheet", "it is empty".to_owned())),
        None => Ok(()),
    }
}

/// A row of a sheet as its cells come. Columns are counted from the sheet's first, not from the first that is used; of those that are too many
/// the first is kept, by which the row is refused.
#[derive(Default)]
struct SheetRow {
    line: Option<u64>,
    texts: Vec<String>,
    moments: Vec<Option<Moment>>,
}

impl SheetRow {
    fn put(&mut self, (row, column): (u32, u32), value: &DataRef<'_>) {
        self.line = Some(u64::from(row) + 1);
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
fn cut(text: &str) -> &str {
    let end = (CELL_BYTES_MAX + 1..text.len()).find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(text.len())]
}

/// What a workbook keeps as a date, a time of day or both: whatever a layout says of how dates are written, it is this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment(PrimitiveDateTime);

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
    pub(crate) fn day(self) -> Result<Day, String> {
        let date = self.0.date();
        let number = date.year() * 10_000 + i32::from(u8::from(date.month())) * 100 + i32::from(date.day());
        u32::try_from(number).ok().and_then(Day::new).ok_or_else(|| "it is not a date".to_owned())
    }

    /// Its time of day, as `07:00:00`.
    pub(crate) fn time(self) -> String {
        let time = self.0.time();
        format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }
}

/// A number without a fraction is written as one; a date and time as ISO 8601 has them.
fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Float(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => format!("{number:.0}"),
        Data::DateTime(at) => at.as_datetime_text(),
        other => other.to_string(),
    }
}

/// How a workbook's date is written as text.
trait DateTimeText {
    fn as_datetime_text(&self) -> String;
}

impl DateTimeText for calamine::ExcelDateTime {
    fn as_datetime_text(&self) -> String {
        let (year, month, day, hour, minute, second, _) = self.to_ymd_hms_milli();
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

fn give(row: &Row<'_>, rejects: &mut Rejects, take: Take<'_>) {
    let Row { line, cells, .. } = *row;
    if cells.iter().all(|cell| cell.trim().is_empty()) {
        return;
    }
    if cells.len() > COLUMNS_MAX {
        return rejects.push(Reject::new(line, "line", "", format!("{COLUMNS_MAX} columns are the most")));
    }
    let is_long = |cell: &&&str| cell.len() > CELL_BYTES_MAX && !mutant::is(Mutant::CellOfAnyLength);
    if let Some(long) = cells.iter().find(is_long) {
        return rejects.push(Reject::new(
            line,
            "line",
            long,
            format!("{CELL_BYTES_MAX} bytes are the most of a value"),
        ));
    }
    take(row, rejects);
}

fn too_many(line: u64, rejects: &mut Rejects) -> bool {
    if line > LINES_MAX {
        rejects.push(Reject::new(line, "file", "", format!("{LINES_MAX} lines are the most")));
    }
    line > LINES_MAX
}
