//! Log, files and acts as clerks work on them: days, exceptions and cases, computed anew when one of them has changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use casework::{Act, Casework, Desk, DeskError, DueRules, NoSettlement, Row, settlement};
use exchange::Settlement;
use journal::{LogReader, ReadError};
use keys::DataKeys;
use processor::{Body, Day, Institution, Position, TxKey};
use reconciliation::calendar::Calendar;
use reconciliation::{Book, Counter, FeeTable, LineId, Matcher, Rules, Sheet, State as DayState, Summary};

/// What a desk goes by.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    /// Directory of taken files and of acts.
    pub dir: PathBuf,
    /// Working days, local time.
    pub calendar: Calendar,
    /// How near is near.
    pub rules: Rules,
    /// What banks owe acquirers.
    pub fees: FeeTable,
    /// When cases are due.
    pub due: DueRules,
}

/// One page waits so long for the log to be read; what is left is read by the next.
const READING_MAX: Duration = Duration::from_secs(2);

/// The clock is looked at once in so many records.
const RECORDS_BETWEEN_LOOKS: u64 = 1_024;

/// Of a day that ended before so many others single transactions are let go: what it came to stays.
const DAYS_HELD: usize = 62;

/// Exceptions are computed anew at once when a person has acted, and when the log alone has grown at most so often.
const MATCHED_EVERY: Duration = Duration::from_secs(30);

/// Why the desk cannot tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    /// The log.
    #[error("{0}")]
    Log(#[from] ReadError),
    /// Files or acts.
    #[error("{0}")]
    Desk(#[from] DeskError),
}

impl From<casework::ActError> for TellError {
    fn from(error: casework::ActError) -> TellError {
        TellError::Desk(DeskError::Act(error))
    }
}

/// The days at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The newest first.
    pub(crate) sheets: Vec<Sheet>,
    /// Records read, and records that are there.
    pub(crate) read: (Position, Position),
    /// Records that came so late that no day has them.
    pub(crate) left_out: u64,
}

impl Told {
    pub(crate) fn is_whole(&self) -> bool {
        self.read.0 >= self.read.1
    }

    /// How much of the log is read, percent.
    pub(crate) fn percent(&self) -> u64 {
        (self.read.0 * 100).checked_div(self.read.1).unwrap_or(100).min(100)
    }
}

/// Exceptions and cases at one moment.
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    pub(crate) summary: Summary,
    pub(crate) counters: Vec<Counter>,
    /// What the rules and people have brought together.
    pub(crate) matcher: Matcher,
    pub(crate) casework: Casework,
    pub(crate) acts: Vec<Act>,
    /// Records that were read for it, and how much of the log that is.
    pub(crate) percent: u64,
}

/// The desk and what it has read.
pub(crate) struct Desks {
    desk: Option<Desk>,
    settings: Option<DeskSettings>,
    first_day: Day,
    state: Mutex<State>,
}

struct State {
    book: Book,
    /// Closes that the book knows: others make it be folded anew.
    closes: Vec<(Position, Day)>,
    left_out: u64,
    seen: Option<(u64, Position, Instant, Arc<Seen>)>,
}

impl Desks {
    pub(crate) fn new(settings: Option<DeskSettings>, keys: DataKeys, first_day: Day) -> Desks {
        let desk = settings
            .as_ref()
            .map(|settings| Desk::new(&settings.dir, keys, settings.calendar.clone(), settings.due.clone()));
        let state = State { book: book(&settings, first_day), closes: Vec::new(), left_out: 0, seen: None };
        Desks { desk, settings, first_day, state: Mutex::new(state) }
    }

    /// The desk, where files are taken and cases are worked on.
    pub(crate) fn desk(&self) -> Option<&Desk> {
        self.desk.as_ref()
    }

    /// Reads on, and tells the days. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn tell(&self, log: &LogReader) -> Result<Told, TellError> {
        let casework = self.casework()?.0;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        self.read_on(&mut state, &casework, log)?;
        let mut sheets: Vec<Sheet> = state.book.sheets().cloned().collect();
        for sheet in &mut sheets {
            for ((_, bank), at_ms) in casework.acknowledged().iter().filter(|((day, _), _)| *day == sheet.day)
            {
                sheet.acknowledged.insert(*bank, *at_ms);
            }
            if sheet.state == DayState::Closed && casework.settled().contains_key(&sheet.day) {
                sheet.state = DayState::Settled;
            }
        }
        sheets.reverse();
        Ok(Told { sheets, read: (state.book.next(), log.synced()), left_out: state.left_out })
    }

    /// Exceptions and cases. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn see(&self, log: &LogReader) -> Result<Option<Arc<Seen>>, TellError> {
        let (Some(desk), Some(settings)) = (&self.desk, &self.settings) else { return Ok(None) };
        let (casework, acts) = self.casework()?;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        if let Some((number, next, at, seen)) = &state.seen
            && *number == casework.next()
            && (*next == log.synced() || at.elapsed() < MATCHED_EVERY)
        {
            return Ok(Some(Arc::clone(seen)));
        }
        self.read_on(&mut state, &casework, log)?;
        // What has changed is taken out of a copy: the next look needs all of it again.
        let mut book = state.book.clone();
        let (matcher, counters) = desk.matched(&casework, &mut book, settings.rules)?;
        let rows = desk.rows(&casework, &book, &matcher, &counters)?;
        let percent = (state.book.next() * 100).checked_div(log.synced()).unwrap_or(100).min(100);
        let number = casework.next();
        let seen =
            Arc::new(Seen { rows, summary: matcher.summary(), counters, matcher, casework, acts, percent });
        state.seen = Some((number, state.book.next(), Instant::now(), Arc::clone(&seen)));
        Ok(Some(seen))
    }

    /// A bank's closed day, and when it was closed. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`]; the inner one where there is nothing to settle.
    pub(crate) fn settlement(
        &self,
        log: &LogReader,
        switch: &str,
        currency: u16,
        day: Day,
        bank: Institution,
    ) -> Result<Result<(Settlement, i64), NoSettlement>, TellError> {
        let casework = self.casework()?.0;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        self.read_on(&mut state, &casework, log)?;
        // Single transactions of older days were let go: a file would lack them.
        let held = state.book.sheets().count().saturating_sub(DAYS_HELD);
        if state.book.sheets().take(held).any(|sheet| sheet.day == day) {
            return Ok(Err(NoSettlement::Unknown(day)));
        }
        Ok(settlement(&casework, &state.book, switch, currency, day, bank))
    }

    fn casework(&self) -> Result<(Casework, Vec<Act>), TellError> {
        match &self.desk {
            Some(desk) => Ok(desk.acts().read()?),
            None => Ok((Casework::default(), Vec::new())),
        }
    }

    fn read_on(&self, state: &mut State, casework: &Casework, log: &LogReader) -> Result<(), TellError> {
        let mut closes: Vec<(Position, Day)> =
            casework.closed().iter().map(|(day, (at, _))| (*at, *day)).collect();
        closes.sort_unstable();
        let is_old = |close: &(Position, Day)| state.closes.contains(close);
        if closes.iter().any(|close| !is_old(close) && close.0 < state.book.next()) {
            (state.book, state.left_out) = (book(&self.settings, self.first_day), 0);
            state.closes.clear();
        }
        let began = Instant::now();
        let (from, left) = (state.book.next(), log.synced().saturating_sub(state.book.next()));
        let at_ms = |day: &Day| casework.closed().get(day).map_or(0, |(_, at_ms)| *at_ms);
        for next in log.scan(from).take(usize::try_from(left).unwrap_or(usize::MAX)) {
            let (position, record) = next?;
            for (at, day) in closes.iter().filter(|(at, _)| *at <= position) {
                if !state.closes.contains(&(*at, *day)) {
                    state.book.close(*day, *at, at_ms(day));
                    state.closes.push((*at, *day));
                }
            }
            let broken = state.book.apply(position, &record).is_err();
            // A bank's acknowledgement of a reversal that was counted long ago changes no day.
            if broken && !matches!(record.body, Body::Reversed(_)) {
                state.left_out += 1;
            }
            if let Body::Cutover(_) = record.body {
                let held = state.book.sheets().map(|sheet| sheet.day).collect::<Vec<_>>();
                if let Some(day) = held.len().checked_sub(DAYS_HELD).and_then(|first| held.get(first)) {
                    state.book.forget_before(*day);
                }
            }
            if position.is_multiple_of(RECORDS_BETWEEN_LOOKS) && began.elapsed() > READING_MAX {
                return Ok(());
            }
        }
        for (at, day) in &closes {
            if !state.closes.contains(&(*at, *day)) && *at <= state.book.next() {
                state.book.close(*day, *at, at_ms(day));
                state.closes.push((*at, *day));
            }
        }
        Ok(())
    }
}

fn book(settings: &Option<DeskSettings>, first_day: Day) -> Book {
    let fees = settings.as_ref().map_or_else(FeeTable::default, |settings| settings.fees.clone());
    Book::new(fees, Some(first_day))
}

/// The transaction whose INTENT stands at a line of the log.
pub(crate) fn transaction_at(log: &LogReader, line: LineId) -> Result<Option<TxKey>, ReadError> {
    if line.file != LineId::LOG {
        return Ok(None);
    }
    Ok(log.scan(line.line).next().transpose()?.and_then(|(_, record)| record.transaction))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{LogOf, Use, data_keys, day};

    #[test]
    fn a_day_comes_to_what_the_log_says_and_nothing_is_counted_twice() {
        let log = LogOf::uses(&[
            Use { stan: 1, amount_minor: 500_000, ..Use::default() },
            Use { stan: 2, reversed: true, ..Use::default() },
            Use { stan: 3, declined: true, ..Use::default() },
        ]);
        let desks = Desks::new(None, data_keys(), day());
        let told = desks.tell(&log.reader()).unwrap();
        assert!(told.is_whole() && told.left_out == 0, "{told:?}");
        let [sheet] = told.sheets.as_slice() else { panic!("{told:?}") };
        let totals = sheet.members.values().next().unwrap();
        let values = [76, 77, 88, 89, 97].map(|number| totals.element(number));
        assert_eq!(values, [2, 1, 2_500_000, 2_000_000, 500_000]);
        assert_eq!(desks.tell(&log.reader()).unwrap().sheets, told.sheets);
        assert!(desks.see(&log.reader()).unwrap().is_none(), "without a desk there are no cases");
    }

    #[test]
    fn a_close_that_lies_behind_what_was_read_is_laid_in_where_it_belongs() {
        let log = LogOf::uses(&[
            Use { stan: 1, amount_minor: 500_000, ..Use::default() },
            Use { stan: 2, ..Use::default() },
        ]);
        let dir = tempfile::tempdir().unwrap();
        let settings = DeskSettings {
            dir: dir.path().to_owned(),
            calendar: Calendar::default(),
            rules: Rules::default(),
            fees: FeeTable::default(),
            due: DueRules::default(),
        };
        let desks = Desks::new(Some(settings), data_keys(), day());
        let paid =
            |told: &Told| told.sheets[0].members.values().map(|totals| totals.element(88)).sum::<i64>();
        assert_eq!(paid(&desks.tell(&log.reader()).unwrap()), 2_500_000);
        // Behind the first transaction's three records: what comes then is an adjustment of the day itself, the only one there is.
        let deed = casework::Deed::Close { day: day(), position: 3 };
        desks.desk().unwrap().acts().act(5, "minh", "::1", deed).unwrap();
        let told = desks.tell(&log.reader()).unwrap();
        assert_eq!(
            (told.sheets[0].state, told.sheets[0].closed.map(|(at, _)| at)),
            (DayState::Closed, Some(3))
        );
        assert_eq!(paid(&told), 2_500_000, "nothing is lost and nothing counted twice");
    }
}
