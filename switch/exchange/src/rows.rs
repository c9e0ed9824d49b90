//! Rows of cells out of CSV, fixed-width text and workbooks, each with its line.

use mutant::Mutant;
use reconciliation::Kind;
use serde::{Deserialize, Serialize};

use crate::mapping::Form;
use crate::raw_rows::{InProcess, Moment, RowForm, Rows};
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};

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
    /// Takes the bytes apart.
    pub rows: &'r dyn Rows,
    /// Of CSV.
    pub numbering: Numbering,
}

impl Reader<'static> {
    /// Within the process, lines as they are shown: for what comes from nobody else.
    pub const IN_PROCESS: Reader<'static> = Reader { rows: &InProcess, numbering: Numbering::AsShown };
}

/// One row, and how its columns are found.
pub(crate) struct Row<'a> {
    pub(crate) line: u64,
    cells: &'a [&'a str],
    /// Of a workbook's row those cells that are no text.
    moments: &'a [Option<Moment>],
    is_fixed: bool,
    /// Of CSV so many values at most.
    cells_max: usize,
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

    /// A row of CSV with more values than the first has one that its delimiter cuts: `2,000,000` without quotation marks would be read as 2.
    pub(crate) fn check_values(&self) -> Result<(), Reject> {
        let filled = self.cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
        match filled > self.cells_max {
            // Without a value: columns that nobody names are shown to nobody.
            true => {
                let reason = Reason::MoreValues.of(&[&filled, &self.cells_max]);
                Err(Reject::new(self.line, "line", "", reason))
            }
            false => Ok(()),
        }
    }

    /// A number of fixed width that the line's end cuts would be read as a smaller one; a blank before that end is the number's own end.
    ///
    /// # Errors
    /// That it may be cut.
    pub(crate) fn check_whole(&self, place: Option<Place>) -> Result<(), Said> {
        let Some(Place::Characters(from, to)) = place else { return Ok(()) };
        let text = self.first();
        let is_within = (from + 1..to).contains(&text.chars().count());
        match to != LINE_END && is_within && !text.ends_with(char::is_whitespace) {
            true => Err(Reason::LineEnds.of(&[&(from + 1)])),
            false => Ok(()),
        }
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
    /// Characters from 0, the second not included; or up to [`LINE_END`].
    Characters(usize, usize),
}

/// However long the line is.
const LINE_END: usize = usize::MAX;

/// The headings of a file, where it has any.
pub(crate) struct Headings(Vec<String>);

impl Headings {
    /// Finds a column by heading, number from 1, or characters from 1: `1-12`, or `35-` up to the line's end.
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
            Some((from, "")) if number(from).is_some() => {
                Ok(Place::Characters(number(from).unwrap_or(1) - 1, LINE_END))
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
    check_bytes(bytes)?;
    let (raw, has_header, skip_lines) = match form {
        Form::Csv { delimiter, header } => {
            let delimiter = u8::try_from(*delimiter)
                .map_err(|_| Refusal::whole(Kind::UnreadableLine, "delimiter", "", Reason::Delimiter))?;
            (RowForm::Csv { delimiter, numbering: reader.numbering }, *header, 0)
        }
        Form::Fixed { skip_lines } => (RowForm::Fixed, false, u64::from(*skip_lines)),
        Form::Xlsx { sheet, header } => (RowForm::Sheet { name: sheet.as_deref() }, *header, 0),
    };
    let is_fixed = raw == RowForm::Fixed;
    let (mut begin, mut refusal) = (Some(begin), None);
    let mut cells_max = usize::MAX;
    if let Some(begin) = begin.take_if(|_| is_fixed) {
        begin(&Headings(Vec::new()))?;
    }
    reader.rows.each_row(bytes, raw, &mut |row| {
        if row.line <= skip_lines {
            return true;
        }
        if too_many(row.line, rejects) {
            return false;
        }
        let texts: Vec<&str> = row.texts.iter().map(String::as_str).collect();
        if let Some(reason) = row.wrong {
            let text = texts.first().copied().unwrap_or_default();
            // No line can be read by headings that hold lines.
            let goes_on = begin.is_none() || reason != Reason::QuotationOpen.into();
            rejects.push(Reject::new(row.line, "line", text, reason));
            return goes_on;
        }
        if let Some(begin) = begin.take() {
            if matches!(raw, RowForm::Csv { .. }) {
                cells_max = texts.len();
            }
            let headings = texts.iter().map(|text| text.trim().to_owned());
            refusal = begin(&Headings(if has_header { headings.collect() } else { Vec::new() })).err();
            if has_header || refusal.is_some() {
                return refusal.is_none();
            }
        }
        let row = Row { line: row.line, cells: &texts, moments: &row.moments, is_fixed, cells_max };
        give(&row, rejects, &mut take);
        true
    })?;
    let (what, reason) = match form {
        Form::Xlsx { .. } => ("sheet", Reason::Empty),
        Form::Csv { .. } | Form::Fixed { .. } => ("file", Reason::EmptyFile),
    };
    match (refusal, begin) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(_)) if rejects.is_empty() => Err(Refusal::whole(Kind::UnreadableLine, what, "", reason)),
        (None, _) => Ok(()),
    }
}

/// # Errors
/// [`FILE_BYTES_MAX`].
pub(crate) fn check_bytes(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() <= FILE_BYTES_MAX {
        return Ok(());
    }
    let reason = Reason::BytesMost.of(&[&FILE_BYTES_MAX]);
    Err(Refusal::whole(Kind::UnreadableLine, "file", &bytes.len().to_string(), reason))
}

type Take<'t> = &'t mut dyn FnMut(&Row<'_>, &mut Rejects);

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

pub(crate) fn too_many(line: u64, rejects: &mut Rejects) -> bool {
    if line > LINES_MAX {
        rejects.push(Reject::new(line, "file", "", Reason::LinesMost.of(&[&LINES_MAX])));
    }
    line > LINES_MAX
}
