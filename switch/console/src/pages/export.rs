//! Lists as CSV (RFC 4180), as spreadsheets open them: UTF-8 with its mark, and no cell that is a formula.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use mutant::Mutant;

pub(crate) const CSV: &str = "text/csv; charset=utf-8";
pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

pub(crate) const XML: &str = "application/xml";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// A file for the person's disk, under a name of the console's own.
pub(crate) fn download(kind: &'static str, name: &str, bytes: impl Into<Body>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let head = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (head, bytes.into()).into_response()
}

/// A table as it is written.
pub(crate) struct Csv(String);

impl Csv {
    pub(crate) fn new(head: &[&str]) -> Csv {
        let mut csv = Csv("\u{feff}".to_owned());
        csv.row(head.iter().copied());
        csv
    }

    pub(crate) fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            self.cell(cell);
        }
        self.0.push_str("\r\n");
    }

    /// As [`Csv::row`], of cells that are all the console's own: a minus is a number's sign.
    pub(crate) fn row_of_numbers<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace(',', ";")).collect();
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }

    /// A cell that a spreadsheet would compute gets a ' in front: what terminals and banks send may stand in it.
    fn cell(&mut self, cell: &str) {
        let computed =
            cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !mutant::is(Mutant::FormulaInACell);
        if computed || cell.contains([',', '"', '\n', '\r']) {
            self.0.push('"');
            if computed {
                self.0.push('\'');
            }
            self.0.push_str(&cell.replace('"', "\"\""));
            self.0.push('"');
        } else {
            self.0.push_str(cell);
        }
    }

    pub(crate) fn download(self, name: &str) -> Response {
        download(CSV, name, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_none_is_a_formula() {
        let mut csv = Csv::new(&["a", "b"]);
        csv.row(["plain", "with, comma"]);
        csv.row(["say \"no\"", "=HYPERLINK(\"http://x\")"]);
        csv.row(["-5", "@x"]);
        assert_eq!(
            csv.0,
            "\u{feff}a,b\r\nplain,\"with, comma\"\r\n\"say \"\"no\"\"\",\"'=HYPERLINK(\"\"http://x\"\")\"\r\n\"'-5\",\"'@x\"\r\n"
        );
    }
}
