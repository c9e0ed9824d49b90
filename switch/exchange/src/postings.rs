//! A bank core's postings, by a mapping.

use processor::{Day, Institution};
use reconciliation::{Kind, LineId, Posting};

use crate::intake::Digest;
use crate::mapping::{Control, Mapping};
use crate::raw_rows::Moment;
use crate::reason::{Reason, Said};
use crate::refusal::{Refusal, Reject, Rejects};
use crate::rows::{Headings, Place, Reader, Row, each_row};
use crate::values::{self, optional};

/// A preview shows so many lines at most.
pub const PREVIEW_LINES_MAX: usize = 200;

/// A whole file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostingFile {
    /// What it is known by.
    pub digest: Digest,
    /// In the file's order.
    pub postings: Vec<Posting>,
    /// The sum of all amounts without sign, minor units.
    pub sum_minor: i64,
}

/// How a mapping would read a file: its first lines, and what is wrong with any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    /// The first lines.
    pub postings: Vec<Posting>,
    /// All lines.
    pub count: u64,
    /// The sum of all amounts without sign, minor units.
    pub sum_minor: i64,
    /// What is wrong, and how much more.
    pub rejects: (Vec<Reject>, u64),
}

/// Reads the postings of a bank's day.
///
/// # Errors
/// [`Refusal`]: a line cannot be read, or count or sum are not those of the trailer. Nothing is taken then.
pub fn read_postings(
    bytes: &[u8],
    mapping: &Mapping,
    bank: Institution,
    day: Day,
    reader: Reader<'_>,
) -> Result<PostingFile, Refusal> {
    let digest = Digest::of(bytes);
    let mut reading = Reading::new(mapping, bank, day, digest.file());
    reading.read(bytes, reader, usize::MAX)?;
    std::mem::take(&mut reading.rejects).into_result()?;
    reading.check_control()?;
    Ok(PostingFile { digest, postings: reading.postings, sum_minor: reading.sum_minor })
}

/// Shows how a mapping would read a file; nothing is taken.
///
/// # Errors
/// [`Refusal`]: the file has not the mapping's form, or lacks a column.
pub fn preview_postings(
    bytes: &[u8],
    mapping: &Mapping,
    bank: Institution,
    day: Day,
    reader: Reader<'_>,
    lines: usize,
) -> Result<Preview, Refusal> {
    let mut reading = Reading::new(mapping, bank, day, Digest::of(bytes).file());
    reading.read(bytes, reader, lines.min(PREVIEW_LINES_MAX))?;
    if reading.rejects.is_empty()
        && let Err(refusal) = reading.check_control()
    {
        refusal.rejects.into_iter().for_each(|reject| reading.rejects.push(reject));
    }
    let Reading { postings, count, sum_minor, rejects, .. } = reading;
    Ok(Preview { postings, count, sum_minor, rejects: rejects.into_list() })
}

struct Reading<'m> {
    mapping: &'m Mapping,
    bank: Institution,
    day: Day,
    file: u64,
    postings: Vec<Posting>,
    count: u64,
    sum_minor: i64,
    /// Line, count and sum of the trailer.
    told: Option<(u64, u64, i64)>,
    rejects: Rejects,
}

struct Places {
    at: Place,
    amount: Place,
    time: Option<Place>,
    direction: Option<Place>,
    rrn: Option<Place>,
    terminal: Option<Place>,
    stan: Option<Place>,
    sequence: Option<Place>,
    day: Option<Place>,
    currency: Option<Place>,
    count: Option<Place>,
}

impl Places {
    fn of(headings: &Headings, mapping: &Mapping) -> Result<Places, Refusal> {
        let columns = &mapping.columns;
        let optional = |column: &Option<String>| headings.optional(column.as_ref());
        Ok(Places {
            at: headings.place(&columns.at)?,
            amount: headings.place(&columns.amount)?,
            time: optional(&columns.time)?,
            direction: optional(&columns.direction)?,
            rrn: optional(&columns.rrn)?,
            terminal: optional(&columns.terminal)?,
            stan: optional(&columns.stan)?,
            sequence: optional(&columns.sequence)?,
            day: optional(&columns.day)?,
            currency: optional(&columns.currency)?,
            count: optional(&columns.count)?,
        })
    }
}

impl<'m> Reading<'m> {
    fn new(mapping: &'m Mapping, bank: Institution, day: Day, file: u64) -> Reading<'m> {
        let (postings, rejects) = (Vec::new(), Rejects::default());
        Reading { mapping, bank, day, file, postings, count: 0, sum_minor: 0, told: None, rejects }
    }

    fn read(&mut self, bytes: &[u8], reader: Reader<'_>, lines_kept: usize) -> Result<(), Refusal> {
        let mut rejects = std::mem::take(&mut self.rejects);
        let mapping = self.mapping;
        let places = std::cell::OnceCell::new();
        let control = mapping.control.as_ref();
        let begin = |headings: &Headings| {
            let control = control.map(|control| control_places(headings, control)).transpose()?;
            let _ = places.set((Places::of(headings, mapping)?, control));
            Ok(())
        };
        let result = each_row(bytes, &mapping.form, reader, &mut rejects, begin, |row, rejects| {
            let Some((places, control_places)) = places.get() else { return };
            if let (Some(control), Some((count, amount))) = (control, control_places)
                && row.first().trim_start().starts_with(&control.marker)
            {
                return match self.trailer(row, *count, *amount) {
                    Ok(()) => {}
                    Err(reject) => rejects.push(reject),
                };
            }
            if self.told.is_some() {
                return rejects.push(Reject::new(row.line, "line", "", Reason::BehindTrailer));
            }
            match self.posting(row, places) {
                Ok(posting) => {
                    self.count += 1;
                    self.sum_minor = self.sum_minor.saturating_add(posting.amount_minor.abs());
                    if self.postings.len() < lines_kept {
                        self.postings.push(posting);
                    }
                }
                Err(reject) => rejects.push(reject),
            }
        });
        self.rejects = rejects;
        result
    }

    fn posting(&self, row: &Row<'_>, places: &Places) -> Result<Posting, Reject> {
        let mapping = self.mapping;
        let cell = |place: Option<Place>| place.map_or("", |place| row.cell(place));
        let columns = &mapping.columns;
        let wrong = |column: &str, value: &str| {
            let (line, column, value) = (row.line, column.to_owned(), value.to_owned());
            move |reason: Said| Reject::new(line, &column, &value, reason)
        };
        let named = |column: &Option<String>, value: &str| wrong(column.as_deref().unwrap_or(""), value);
        row.check_values()?;
        let at = row.cell(places.at);
        let offset = mapping.utc_offset_minutes;
        let day_of = |place: Place| match row.moment(place) {
            Some(moment) => moment.day(),
            None => values::date(row.cell(place), &mapping.date_format),
        };
        let moment = match (places.time, row.moment(places.at)) {
            (None, Some(moment)) => {
                moment.day().and_then(|day| values::moment_s(day, &moment.time(), offset))
            }
            (None, None) => values::date_and_time(at, &mapping.date_format, offset).map(|(_, at_s)| at_s),
            (Some(time), _) => {
                let clock = row.moment(time).map_or_else(|| row.cell(time).to_owned(), Moment::time);
                day_of(places.at).and_then(|day| values::moment_s(day, &clock, offset))
            }
        };
        let amount = row.cell(places.amount);
        let amount_minor = row
            .check_whole(Some(places.amount))
            .and_then(|()| values::amount_minor(amount, mapping.thousands, mapping.amount_decimals))
            .map_err(wrong(&columns.amount, amount))?;
        let direction = cell(places.direction);
        let amount_minor = match places.direction {
            None => amount_minor,
            Some(_) if amount_minor < 0 => {
                return Err(wrong(&columns.amount, amount)(Reason::MinusBesideDirection.into()));
            }
            Some(_) if mapping.debit_words.iter().any(|word| word == direction) => amount_minor,
            Some(_) if mapping.credit_words.iter().any(|word| word == direction) => -amount_minor,
            Some(_) => {
                let words = |words: &[String]| words.join(", ");
                let (debits, credits) = (words(&mapping.debit_words), words(&mapping.credit_words));
                let reason = Reason::NoDirection.of(&[&debits, &credits]);
                return Err(named(&columns.direction, direction)(reason));
            }
        };
        if amount_minor == 0 {
            return Err(wrong(&columns.amount, amount)(Reason::NothingPosted.into()));
        }
        let day = cell(places.day);
        let currency = cell(places.currency);
        let count = cell(places.count);
        let whole_count = |text: &str| row.check_whole(places.count).and_then(|()| values::number(text));
        let count = optional(count, whole_count).map_err(named(&columns.count, count))?.unwrap_or(1);
        if count == 0 {
            return Err(named(&columns.count, "0")(Reason::NoCount.into()));
        }
        let (rrn, terminal) = (cell(places.rrn), cell(places.terminal));
        let (stan, sequence) = (cell(places.stan), cell(places.sequence));
        let whole_stan = |text: &str| row.check_whole(places.stan).and_then(|()| values::stan(text));
        let whole_sequence =
            |text: &str| row.check_whole(places.sequence).and_then(|()| values::number(text));
        Ok(Posting {
            id: LineId { file: self.file, line: row.line },
            bank: self.bank,
            day: match places.day.filter(|_| !day.is_empty()) {
                Some(place) => day_of(place).map_err(named(&columns.day, day))?,
                None => self.day,
            },
            rrn: optional(rrn, values::rrn).map_err(named(&columns.rrn, rrn))?,
            terminal: optional(terminal, values::terminal).map_err(named(&columns.terminal, terminal))?,
            stan: optional(stan, whole_stan).map_err(named(&columns.stan, stan))?,
            sequence: optional(sequence, whole_sequence).map_err(named(&columns.sequence, sequence))?,
            at_s: moment.map_err(wrong(&columns.at, at))?,
            amount_minor,
            currency: optional(currency, values::currency)
                .map_err(named(&columns.currency, currency))?
                .unwrap_or(mapping.currency),
            count,
        })
    }

    fn trailer(&mut self, row: &Row<'_>, count_place: Place, amount_place: Place) -> Result<(), Reject> {
        let (count, amount) = (row.cell(count_place), row.cell(amount_place));
        let wrong = |value: &str, reason: Said| Reject::new(row.line, "trailer", value, reason);
        if self.told.is_some() {
            return Err(wrong("", Reason::TwoTrailers.into()));
        }
        let told_count = values::number(count).map_err(|reason| wrong(count, reason))?;
        let told_minor = values::amount_minor(amount, self.mapping.thousands, self.mapping.amount_decimals)
            .map_err(|reason| wrong(amount, reason))?;
        self.told = Some((row.line, told_count, told_minor));
        Ok(())
    }

    fn check_control(&self) -> Result<(), Refusal> {
        if self.mapping.control.is_none() {
            return Ok(());
        }
        let refused = |field: &str, value: String, reason: Said| {
            let line = self.told.map_or(0, |(line, _, _)| line);
            let rejects = vec![Reject::new(line, field, &value, reason)];
            Err(Refusal { kind: Kind::ControlTotalWrong, rejects, more: 0 })
        };
        match self.told {
            None => refused("trailer", String::new(), Reason::NoTrailer.into()),
            Some((_, count, _)) if count != self.count => {
                refused("count", count.to_string(), Reason::OtherCount.of(&[&self.count]))
            }
            Some((_, _, sum)) if sum != self.sum_minor => {
                refused("sum", sum.to_string(), Reason::OtherSum.of(&[&self.sum_minor]))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The trailer has columns of its own: they are never named by the headings.
fn control_places(headings: &Headings, control: &Control) -> Result<(Place, Place), Refusal> {
    Ok((headings.place(&control.count)?, headings.place(&control.amount)?))
}
