//! Lists out: exactly the rows that are given, as CSV and as a workbook.

use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// A workbook's sheet has no more rows, the headings among them.
pub const WORKBOOK_ROWS_MAX: usize = 1_048_576;

/// One value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Text; never a formula, whatever it begins with.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Nothing.
    Empty,
}

impl<T: Into<String>> From<Option<T>> for Cell {
    fn from(text: Option<T>) -> Cell {
        text.map_or(Cell::Empty, |text| Cell::Text(text.into()))
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Number(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

/// A list: headings, and rows of as many cells.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct List {
    /// Of the columns.
    pub headings: Vec<&'static str>,
    /// In order.
    pub rows: Vec<Vec<Cell>>,
}

/// The list cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// As CSV.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// As a workbook.
    #[error("{0}")]
    Workbook(#[from] XlsxError),
    /// [`WORKBOOK_ROWS_MAX`].
    #[error("{0} rows are more than a workbook's sheet has; write CSV")]
    TooLong(usize),
}

impl List {
    /// CSV with a mark that tells Excel that it is UTF-8. A text that a spreadsheet would take for a formula stands behind an apostrophe.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn to_csv(&self) -> Result<Vec<u8>, ListError> {
        let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
        writer.write_record(&self.headings)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|cell| match cell {
                Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
                Cell::Text(text) => text.clone(),
                Cell::Number(number) => number.to_string(),
                Cell::Empty => String::new(),
            }))?;
        }
        writer.into_inner().map_err(|error| ListError::Csv(error.into_error().into()))
    }

    /// A workbook of one sheet, headings in bold and in sight. Numbers that a spreadsheet cannot hold exactly stand as text.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn to_xlsx(&self, sheet_name: &str) -> Result<Vec<u8>, ListError> {
        const EXACT_MAX: u64 = 1 << 53;
        if self.rows.len() >= WORKBOOK_ROWS_MAX {
            return Err(ListError::TooLong(self.rows.len()));
        }
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name(sheet_name)?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold();
        for (column, heading) in (0u16..).zip(&self.headings) {
            sheet.write_string_with_format(0, column, *heading, &bold)?;
        }
        for (row, cells) in (1u32..).zip(&self.rows) {
            for (column, cell) in (0u16..).zip(cells) {
                match cell {
                    Cell::Text(text) => drop(sheet.write_string(row, column, text)?),
                    Cell::Number(number) if number.unsigned_abs() <= EXACT_MAX => {
                        sheet.write_number(row, column, *number as f64)?;
                    }
                    Cell::Number(number) => drop(sheet.write_string(row, column, number.to_string())?),
                    Cell::Empty => {}
                }
            }
        }
        sheet.autofit();
        Ok(book.save_to_buffer()?)
    }
}
