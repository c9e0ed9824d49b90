//! Machines' journals in the normalised form: one CSV line a transaction.

use std::collections::BTreeSet;

use processor::{Day, TerminalId};
use reconciliation::{CashLine, LineId};

use crate::intake::Digest;
use crate::mapping::Form;
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};
use crate::rows::{Headings, Reader, Row, each_row};
use crate::values::{self, optional};

/// The columns, by these headings in any order; `rrn`, `stan` and `sequence` may be empty. Amounts are whole minor units, negative where
/// cash was kept; `outcome` is `taken`, `none`, `kept` or `retracted`.
pub const JOURNAL_COLUMNS: [&str; 10] =
    ["terminal", "day", "rrn", "stan", "sequence", "at", "requested", "moved", "currency", "outcome"];

/// A whole journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalFile {
    /// What it is known by.
    pub digest: Digest,
    /// In the file's order.
    pub lines: Vec<CashLine>,
    /// Which machine's which days are in it.
    pub machines: BTreeSet<(TerminalId, Day)>,
}

impl JournalFile {
    /// Looks whether a journal that is named by a machine is that machine's: to be asked where it is handed in.
    ///
    /// # Errors
    /// [`Refusal`] with each line of another machine.
    pub fn check_machine(&self, terminal: TerminalId) -> Result<(), Refusal> {
        let mut rejects = Rejects::default();
        for line in self.lines.iter().filter(|line| line.terminal != terminal) {
            let terminal = line.terminal.to_string();
            rejects.push(Reject::new(line.id.line, "terminal", &terminal, Reason::OtherMachine));
        }
        rejects.into_result()
    }
}

/// Reads a journal in the normalised form; times are local.
///
/// # Errors
/// [`Refusal`]: a column is missing or a line cannot be read. Nothing is taken then.
pub fn read_journal(
    bytes: &[u8],
    utc_offset_minutes: i64,
    reader: Reader<'_>,
) -> Result<JournalFile, Refusal> {
    let digest = Digest::of(bytes);
    let form = Form::Csv { delimiter: ',', header: true };
    let mut rejects = Rejects::default();
    let places = std::cell::OnceCell::new();
    let begin = |headings: &Headings| {
        let all: Result<Vec<_>, Refusal> =
            JOURNAL_COLUMNS.iter().map(|column| headings.place(column)).collect();
        let _ = places.set(all?);
        Ok(())
    };
    let (mut lines, mut machines) = (Vec::new(), BTreeSet::new());
    each_row(bytes, &form, reader, &mut rejects, begin, |row, rejects| {
        let cell = |column: usize| places.get().map_or("", |places| row.cell(places[column]));
        match line(row, &cell, digest.file(), utc_offset_minutes) {
            Ok(line) => {
                machines.insert((line.terminal, line.day));
                lines.push(line);
            }
            Err(reject) => rejects.push(reject),
        }
    })?;
    rejects.into_result()?;
    Ok(JournalFile { digest, lines, machines })
}

fn line<'a>(
    row: &Row<'_>,
    cell: &impl Fn(usize) -> &'a str,
    file: u64,
    utc_offset_minutes: i64,
) -> Result<CashLine, Reject> {
    let wrong = |column: usize| {
        move |reason: Said| Reject::new(row.line, JOURNAL_COLUMNS[column], cell(column), reason)
    };
    row.check_values()?;
    let requested_minor = values::amount_minor(cell(6), None, 0).map_err(wrong(6))?;
    let moved_minor = values::amount_minor(cell(7), None, 0).map_err(wrong(7))?;
    let is_retracted = match (cell(9), moved_minor.signum()) {
        ("taken", 1) | ("none", 0) | ("kept", -1) => false,
        ("retracted", 0 | 1) => true,
        ("taken" | "none" | "kept" | "retracted", _) => {
            return Err(wrong(9)(Reason::OtherMoved.of(&[&moved_minor])));
        }
        _ => return Err(wrong(9)(Reason::NoOutcome.into())),
    };
    Ok(CashLine {
        id: LineId { file, line: row.line },
        terminal: values::terminal(cell(0)).map_err(wrong(0))?,
        day: values::date(cell(1), "yyyy-mm-dd").map_err(wrong(1))?,
        rrn: optional(cell(2), values::rrn).map_err(wrong(2))?,
        stan: optional(cell(3), values::stan).map_err(wrong(3))?,
        sequence: optional(cell(4), values::number).map_err(wrong(4))?,
        at_s: values::date_and_time(cell(5), "yyyy-mm-dd", utc_offset_minutes).map_err(wrong(5))?.1,
        requested_minor,
        moved_minor,
        currency: values::currency(cell(8)).map_err(wrong(8))?,
        is_retracted,
    })
}
