//! Rows of cells out of CSV, fixed-width text and workbooks, each with its line.

use std::io::Read as _;

use mutant::Mutant;
use reconciliation::Kind;
use serde::{Deserialize, Serialize};

use crate::mapping::Form;
use crate::reason::Reason;
use crate::refusal::{Refusal, Reject, Rejects};
use crate::sheet::{InProcess, Moment, Sheets};

/// A larger file is refused: half a day of a country in one bank.
pub const FILE_BYTES_MAX: usize = 1 << 30;
/// A file with more lines is refused.
pub const LINES_MAX: u64 = 10_000_000;
/// A row with more cells is refused.
pub const COLUMNS_MAX: usize = 100;
/// A cell with more bytes is refused.
pub const CELL_BYTES_MAX: usize = 1_000;

/// How lines of a CSV file are counted. Cases and matches by hand name them, so a file that was taken keeps for ever how its own were counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Numbering {
    /// As the first versions did, by where a line's reader stood before it: behind a line that ends with CR LF one too small, and behind blank lines the
    /// first of them.
    #[default]
    First,
    /// As an editor does: each CR LF, LF or CR ends a line.
    AsShown,
}

impl Numbering {
    /// What was taken by the first versions says nothing of it.
    pub fn is_first(&self) -> bool {
        *self == Numbering::First
    }
}

/// Who reads a file's rows, and how they are counted.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'r> {
    /// Reads workbooks.
    pub sheets: &'r dyn Sheets,
    /// Of CSV.
    pub numbering: Numbering,
}

impl Reader<'static> {
    /// Within the process, lines as they are shown: for what comes from nobody else.
    pub const IN_PROCESS: Reader<'static> = Reader { sheets: &InProcess, numbering: Numbering::AsShown };
}

/// Counts the lines of a text, going on from where it was asked last.
struct LineCount<'b> {
    bytes: &'b [u8],
    at: usize,
    line: u64,
}

impl LineCount<'_> {
    /// The line of what stands from here on, ends of lines before it left out.
    fn line_from(&mut self, from: usize) -> u64 {
        while let Some(byte) = self.bytes.get(self.at)
            && (self.at < from || matches!(byte, b'\n' | b'\r'))
        {
            let is_end = match byte {
                b'\r' => self.bytes.get(self.at + 1) != Some(&b'\n'),
                byte => *byte == b'\n',
            };
            self.line += u64::from(is_end);
            self.at += 1;
        }
        self.line
    }
}

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
                .ok_or_else(|| Refusal::whole(Kind::UnreadableLine, column, "", Reason::NoColumn)),
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
    reader: Reader<'_>,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    mut take: impl FnMut(&Row<'_>, &mut Rejects),
) -> Result<(), Refusal> {
    if bytes.len() > FILE_BYTES_MAX {
        let reason = Reason::BytesMost.of(&[&FILE_BYTES_MAX]);
        return Err(Refusal::whole(Kind::UnreadableLine, "file", &bytes.len().to_string(), reason));
    }
    match form {
        Form::Csv { delimiter, header } => {
            csv_rows(bytes, (*delimiter, *header), reader.numbering, rejects, begin, &mut take)
        }
        Form::Fixed { skip_lines } => fixed_rows(bytes, *skip_lines, rejects, begin, &mut take),
        Form::Xlsx { sheet, header } => {
            sheet_rows(bytes, reader.sheets, sheet.as_deref(), *header, rejects, begin, &mut take)
        }
    }
}

type Take<'t> = &'t mut dyn FnMut(&Row<'_>, &mut Rejects);

fn csv_rows(
    bytes: &[u8],
    (delimiter, header): (char, bool),
    numbering: Numbering,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    take: Take<'_>,
) -> Result<(), Refusal> {
    let delimiter = u8::try_from(delimiter)
        .map_err(|_| Refusal::whole(Kind::UnreadableLine, "delimiter", "", Reason::Delimiter))?;
    // Excel writes a mark in front of UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A last line without an end gets one: a quotation mark that is open there is then seen as anywhere else.
    let ended = bytes.chain(&b"\n"[..]);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(ended);
    let mut record = csv::ByteRecord::new();
    let mut begin = Some(begin);
    let mut lines = LineCount { bytes, at: 0, line: 1 };
    loop {
        let before = reader.position();
        let line = match numbering {
            Numbering::First => before.line(),
            Numbering::AsShown => lines.line_from(before.byte() as usize),
        };
        match reader.read_byte_record(&mut record) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                rejects.push(Reject::new(line, "line", "", Reason::NoCsv.of(&[&error])));
                break;
            }
        }
        if too_many(line, rejects) {
            break;
        }
        if let Some(reject) = swallowed(&record, line) {
            rejects.push(reject);
            match begin {
                // No line can be read by headings that hold lines.
                Some(_) => break,
                None => continue,
            }
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let Ok(cells) = cells else {
            rejects.push(Reject::new(
                line,
                "line",
                &String::from_utf8_lossy(record.as_slice()),
                Reason::NoUtf8,
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
            Err(Refusal::whole(Kind::UnreadableLine, "file", "", Reason::EmptyFile))
        }
        _ => Ok(()),
    }
}

/// A value that goes on in the next line: a quotation mark that nobody closes takes whole lines with it, up to the next one or the file's end.
fn swallowed(record: &csv::ByteRecord, line: u64) -> Option<Reject> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let cell = record.iter().find(|cell| cell.iter().any(is_break))?;
    let first = cell.split(is_break).next().unwrap_or_default();
    let reason = Reason::QuotationOpen;
    Some(Reject::new(line, "line", &String::from_utf8_lossy(first), reason))
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
                rejects.push(Reject::new(line, "line", &String::from_utf8_lossy(text), Reason::NoUtf8));
            }
        }
    }
    Ok(())
}

fn sheet_rows(
    bytes: &[u8],
    sheets: &dyn Sheets,
    sheet: Option<&str>,
    header: bool,
    rejects: &mut Rejects,
    begin: impl FnOnce(&Headings) -> Result<(), Refusal>,
    take: Take<'_>,
) -> Result<(), Refusal> {
    let (mut begin, mut refusal) = (Some(begin), None);
    sheets.each_row(bytes, sheet, &mut |row| {
        if too_many(row.line, rejects) {
            return false;
        }
        let texts: Vec<&str> = row.texts.iter().map(String::as_str).collect();
        if let Some(begin) = begin.take() {
            let headings = texts.iter().map(|text| text.trim().to_owned());
            refusal = begin(&Headings(if header { headings.collect() } else { Vec::new() })).err();
            if header || refusal.is_some() {
                return refusal.is_none();
            }
        }
        give(&Row { line: row.line, cells: &texts, moments: &row.moments, is_fixed: false }, rejects, take);
        true
    })?;
    match (refusal, begin) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(_)) if rejects.is_empty() => {
            Err(Refusal::whole(Kind::UnreadableLine, "sheet", "", Reason::Empty))
        }
        (None, _) => Ok(()),
    }
}

fn give(row: &Row<'_>, rejects: &mut Rejects, take: Take<'_>) {
    let Row { line, cells, .. } = *row;
    if cells.iter().all(|cell| cell.trim().is_empty()) {
        return;
    }
    if cells.len() > COLUMNS_MAX {
        return rejects.push(Reject::new(line, "line", "", Reason::ColumnsMost.of(&[&COLUMNS_MAX])));
    }
    let is_long = |cell: &&&str| cell.len() > CELL_BYTES_MAX && !mutant::is(Mutant::CellOfAnyLength);
    if let Some(long) = cells.iter().find(is_long) {
        return rejects.push(Reject::new(line, "line", long, Reason::ValueBytesMost.of(&[&CELL_BYTES_MAX])));
    }
    take(row, rejects);
}

fn too_many(line: u64, rejects: &mut Rejects) -> bool {
    if line > LINES_MAX {
        rejects.push(Reject::new(line, "file", "", Reason::LinesMost.of(&[&LINES_MAX])));
    }
    line > LINES_MAX
}
