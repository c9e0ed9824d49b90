//! Files of banks and machines: read and written as bytes, checked whole, nothing half taken.
//!
//! Reading gives all of a file, or a [`Refusal`] with a list that people can read. No file is opened here.

mod camt;
mod counters;
mod currency;
mod intake;
mod journal;
mod list;
mod mapping;
mod postings;
mod raw_journal;
mod raw_rows;
mod reason;
mod refusal;
mod rows;
mod settlement;
mod text_rows;
mod totals;
mod values;
mod workbook;

pub use camt::{Camt, CamtError, write_camt};
pub use counters::read_counters;
pub use currency::{CURRENCIES, Currency};
pub use intake::{Digest, FileKey, FileKind, Intake};
pub use journal::{JOURNAL_COLUMNS, JournalFile, read_journal};
pub use list::{Cell, List, ListError, WORKBOOK_ROWS_MAX};
pub use mapping::{Columns, Control, Form, Layout, Mapping};
pub use postings::{PREVIEW_LINES_MAX, PostingFile, Preview, preview_postings, read_postings};
pub use raw_journal::{Patterns, read_raw_journal};
pub use raw_rows::{
    ANSWER_BYTES_MAX, BadAnswer, InProcess, JOURNAL_LINE_BYTES_MAX, RawRow, RowForm, Rows, read_answer,
    write_answer,
};
pub use reason::{Reason, Said, values_of};
pub use refusal::{REJECTS_MAX, Refusal, Reject, masked};
pub use rows::{CELL_BYTES_MAX, COLUMNS_MAX, FILE_BYTES_MAX, LINES_MAX, Numbering, Reader};
pub use settlement::{Adjustment, Settlement};
pub use totals::{TotalsLine, read_totals};
pub use workbook::{
    WORKBOOK_BYTES_MAX, WORKBOOK_STYLES_BYTES_MAX, WORKBOOK_TEXTS_BYTES_MAX, WORKBOOK_TEXTS_MAX,
};
