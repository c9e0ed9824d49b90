//! Cash counters: one CSV line a cassette.

use reconciliation::{Counter, LineId};

use crate::intake::Digest;
use crate::mapping::Form;
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};
use crate::rows::{Headings, Reader, each_row};
use crate::values;

/// A cassette has no more notes: what says more is no count, and sums of such would have no end.
const NOTES_MAX: u64 = 1_000_000;

const COLUMNS: [&str; 9] =
    ["terminal", "day", "at", "cassette", "note", "opening", "loaded", "dispensed", "counted"];

/// Reads counters: columns `terminal, day, at, cassette, note, opening, loaded, dispensed, counted` by these headings in any order;
/// notes are counted, `note` is what one is worth in minor units, times are local.
///
/// # Errors
/// [`Refusal`]: a column is missing or a line cannot be read. Nothing is taken then.
pub fn read_counters(
    bytes: &[u8],
    utc_offset_minutes: i64,
    reader: Reader<'_>,
) -> Result<(Digest, Vec<Counter>), Refusal> {
    let digest = Digest::of(bytes);
    let form = Form::Csv { delimiter: ',', header: true };
    let mut rejects = Rejects::default();
    let places = std::cell::OnceCell::new();
    let begin = |headings: &Headings| {
        let all: Result<Vec<_>, Refusal> = COLUMNS.iter().map(|column| headings.place(column)).collect();
        let _ = places.set(all?);
        Ok(())
    };
    let mut counters = Vec::new();
    each_row(bytes, &form, reader, &mut rejects, begin, |row, rejects| {
        let cell = |column: usize| places.get().map_or("", |places| row.cell(places[column]));
        let wrong =
            |column: usize| move |reason: Said| Reject::new(row.line, COLUMNS[column], cell(column), reason);
        let read = || {
            row.check_values()?;
            let notes = |column: usize| {
                let notes = values::number::<i64>(cell(column)).map_err(wrong(column))?;
                let too_many = || wrong(column)(Reason::NotesMost.of(&[&NOTES_MAX]));
                if notes.unsigned_abs() > NOTES_MAX { Err(too_many()) } else { Ok(notes) }
            };
            let counter = Counter {
                id: LineId { file: digest.file(), line: row.line },
                terminal: values::terminal(cell(0)).map_err(wrong(0))?,
                day: values::date(cell(1), "yyyy-mm-dd").map_err(wrong(1))?,
                at_s: values::date_and_time(cell(2), "yyyy-mm-dd", utc_offset_minutes).map_err(wrong(2))?.1,
                cassette: values::number(cell(3)).map_err(wrong(3))?,
                note_minor: values::amount_minor(cell(4), None, 0).map_err(wrong(4))?,
                opening: notes(5)?,
                loaded: notes(6)?,
                dispensed: notes(7)?,
                counted: notes(8)?,
            };
            reconciliation::cash_exceptions(std::slice::from_ref(&counter))
                .map_err(|_| wrong(5)(Reason::CassetteImpossible.into()))?;
            Ok(counter)
        };
        match read() {
            Ok(counter) => counters.push(counter),
            Err(reject) => rejects.push(reject),
        }
    })?;
    rejects.into_result()?;
    Ok((digest, counters))
}
