//! What members say their totals are: one CSV line an element.

use std::collections::BTreeSet;

use processor::Institution;
use reconciliation::ELEMENTS;

use crate::mapping::Form;
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};
use crate::rows::{Headings, Reader, Row, each_row};
use crate::values;

const COLUMNS: [&str; 3] = ["bank", "element", "value"];

/// One element of one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TotalsLine {
    /// The file's line, from 1.
    pub line: u64,
    /// The member.
    pub bank: Institution,
    /// One of [`ELEMENTS`].
    pub element: u8,
    /// What the member says it is: a number, or minor units.
    pub value: i64,
}

/// Reads members' totals: columns `bank, element, value` by these headings in any order.
///
/// # Errors
/// [`Refusal`]: a column is missing, a line cannot be read, or a bank has an element twice. Nothing is taken then.
pub fn read_totals(bytes: &[u8], reader: Reader<'_>) -> Result<Vec<TotalsLine>, Refusal> {
    let form = Form::Csv { delimiter: ',', header: true };
    let mut rejects = Rejects::default();
    let places = std::cell::OnceCell::new();
    let begin = |headings: &Headings| {
        let all: Result<Vec<_>, Refusal> = COLUMNS.iter().map(|column| headings.place(column)).collect();
        let _ = places.set(all?);
        Ok(())
    };
    let (mut lines, mut seen) = (Vec::new(), BTreeSet::new());
    each_row(bytes, &form, reader, &mut rejects, begin, |row, rejects| {
        let cell = |column: usize| places.get().map_or("", |places| row.cell(places[column]));
        match line(row, &cell) {
            Ok(line) if seen.insert((line.bank, line.element)) => lines.push(line),
            Ok(_) => rejects.push(Reject::new(row.line, COLUMNS[1], cell(1), Reason::ElementTwice)),
            Err(reject) => rejects.push(reject),
        }
    })?;
    rejects.into_result()?;
    Ok(lines)
}

fn line<'a>(row: &Row<'_>, cell: &impl Fn(usize) -> &'a str) -> Result<TotalsLine, Reject> {
    let wrong =
        |column: usize| move |reason: Said| Reject::new(row.line, COLUMNS[column], cell(column), reason);
    row.check_values()?;
    let is_known = |number: &u8| ELEMENTS.iter().any(|element| element.number == *number);
    let element = cell(1).parse::<u8>().ok().filter(is_known);
    Ok(TotalsLine {
        line: row.line,
        bank: cell(0).parse().map_err(|_| wrong(0)(Reason::NoBank.into()))?,
        element: element.ok_or_else(|| wrong(1)(Reason::NoElement.into()))?,
        value: values::number(cell(2)).map_err(wrong(2))?,
    })
}
