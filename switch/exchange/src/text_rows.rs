//! Text as rows: CSV, lines of fixed width, and lines of a machine's journal, each with its number.

use std::io;

use crate::raw_rows::{JOURNAL_LINE_BYTES_MAX, RawRow, cut};
use crate::reason::Reason;
use crate::rows::{COLUMNS_MAX, LINES_MAX, Numbering};

type Take<'t> = &'t mut dyn FnMut(RawRow) -> io::Result<bool>;

/// Rows of CSV. Behind a line too many none comes.
pub(crate) fn csv_rows(bytes: &[u8], delimiter: u8, numbering: Numbering, take: Take<'_>) -> io::Result<()> {
    // Excel writes a mark in front of UTF-8.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A last line without an end gets one: a quotation mark that is open there is then seen as anywhere else.
    let ended = io::Read::chain(bytes, &b"\n"[..]);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(ended);
    let mut record = csv::ByteRecord::new();
    let mut lines = LineCount { bytes, at: 0, line: 1 };
    loop {
        let before = reader.position();
        let line = match numbering {
            Numbering::First => before.line(),
            Numbering::AsShown => lines.line_from(before.byte() as usize),
        };
        let line = line.min(LINES_MAX + 1);
        let row = match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => row_of(&record, line),
            Err(error) => return take(RawRow::wrong(line, "", Reason::NoCsv.of(&[&error]))).map(drop),
        };
        if !take(row)? || line > LINES_MAX {
            return Ok(());
        }
    }
}

fn row_of(record: &csv::ByteRecord, line: u64) -> RawRow {
    if let Some(first) = swallowed(record) {
        return RawRow::wrong(line, &String::from_utf8_lossy(first), Reason::QuotationOpen);
    }
    let cells: Result<Vec<&str>, _> = record.iter().take(COLUMNS_MAX + 1).map(std::str::from_utf8).collect();
    match cells {
        Ok(cells) => RawRow::of_texts(line, cells.into_iter().map(cut)),
        Err(_) => RawRow::wrong(line, &String::from_utf8_lossy(record.as_slice()), Reason::NoUtf8),
    }
}

/// The beginning of a value that goes on in the next line: a quotation mark that nobody closes takes whole lines with it, up to the next one or the
/// file's end.
fn swallowed(record: &csv::ByteRecord) -> Option<&[u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let cell = record.iter().find(|cell| cell.iter().any(is_break))?;
    cell.split(is_break).next()
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

/// Lines of fixed width, one cell each. Behind a line too many none comes.
pub(crate) fn fixed_rows(bytes: &[u8], take: Take<'_>) -> io::Result<()> {
    let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..=LINES_MAX + 1).peekable();
    while let Some((text, line)) = lines.next() {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() && lines.peek().is_none() {
            break;
        }
        let row = match std::str::from_utf8(text) {
            Ok(text) => RawRow::of_texts(line, [cut(text)]),
            Err(_) => RawRow::wrong(line, &String::from_utf8_lossy(text), Reason::NoUtf8),
        };
        if !take(row)? {
            break;
        }
    }
    Ok(())
}

/// Lines of a machine's journal, one cell each: machines print control characters and bytes of their own, and what is no text is no value either. Behind
/// a line too many none comes.
pub(crate) fn journal_rows(bytes: &[u8], take: Take<'_>) -> io::Result<()> {
    for (text, line) in bytes.split(|byte| *byte == b'\n').zip(1..=LINES_MAX + 1) {
        let row = match text.len() > JOURNAL_LINE_BYTES_MAX {
            true => RawRow::wrong(line, "", Reason::ValueBytesMost.of(&[&JOURNAL_LINE_BYTES_MAX])),
            false => RawRow::of_texts(line, [&*String::from_utf8_lossy(text)]),
        };
        if !take(row)? {
            break;
        }
    }
    Ok(())
}
