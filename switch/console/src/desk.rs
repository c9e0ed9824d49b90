//! Log, files and acts as clerks work on them: days, exceptions and cases, computed anew when one of them has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use casework::{
    Acts, ByHand, Casework, Days, Deed, Desk, DeskError, DueRules, Matching, NoSettlement, NoTotals, NotDay,
    PassedOver, Payment, Refused, Row, by_hand, claims, explanations, payments, settlement, settling,
};
use exchange::{Rows, Settlement};
use journal::{LogReader, ReadError};
use keys::DataKeys;
use processor::{Day, Institution, Position, Side, TxKey};
use reconciliation::calendar::Calendar;
use reconciliation::{
    Bench, Book, Broken, Claimed, Counter, Decision, Explained, FeeTable, LineId, Rules, Sheet,
    State as DayState, Summary,
};

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
    /// Takes files apart.
    pub rows: Arc<dyn Rows>,
}

/// One page waits so long for the log to be read; what is left is read by the next.
const READING_MAX: Duration = Duration::from_secs(2);

/// The clock is looked at once in so many records.
const RECORDS_BETWEEN_LOOKS: u64 = 1_024;

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
    /// So much of the log is read, percent, and what was asked for is told of all of it or not at all.
    #[error("the log is being read: {0} %")]
    Reading(u64),
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
    /// What members claim of each day.
    pub(crate) claims: BTreeMap<Day, BTreeMap<(Side, Institution), Claimed>>,
    /// Whose files each closed day has that is held.
    pub(crate) settling: BTreeMap<Day, BTreeSet<Institution>>,
    /// What the members of each day pay: its position by the log and the adjustments in its files.
    pub(crate) payments: BTreeMap<Day, BTreeMap<Institution, Payment>>,
    /// Records read, and records that are there.
    read: (Position, Position),
    /// All is read that was there when the reading began.
    is_whole: bool,
    /// Records that came so late that no day has them.
    pub(crate) left_out: u64,
    /// The first of the records that do not follow from those before them: nothing is closed, settled or written out before that is cleared up.
    pub(crate) broken: Option<Broken>,
}

impl Told {
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The day to work on: the oldest that is over, not closed and has something in it; else the newest.
    pub(crate) fn to_work(&self) -> Option<&Sheet> {
        let is_over = |sheet: &&Sheet| sheet.state == DayState::CuttingOver && !sheet.members.is_empty();
        self.sheets.iter().rev().find(is_over).or(self.sheets.first())
    }

    /// How much of the log is read, percent.
    pub(crate) fn percent(&self) -> u64 {
        percent(self.read, self.is_whole)
    }
}

/// Exceptions and cases at one moment.
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    pub(crate) summary: Summary,
    pub(crate) counters: Vec<Counter>,
    /// Matches and partings by hand, oldest first.
    pub(crate) by_hand: Vec<ByHand>,
    /// Files and lines that are before the days that are held.
    pub(crate) passed_over: PassedOver,
    pub(crate) casework: Arc<Casework>,
    pub(crate) acts: Acts,
    /// Records that were read for it, and how much of the log that is.
    pub(crate) percent: u64,
}

/// What each line that belongs to nothing might belong to.
pub(crate) type Suggestions = BTreeMap<LineId, Vec<LineId>>;

/// The desk and what it has read.
pub(crate) struct Desks {
    desk: Option<Desk>,
    settings: Option<DeskSettings>,
    pub(crate) reading_max: Duration,
    state: Mutex<State>,
}

struct State {
    days: Days,
    /// Of these days, by how often they were begun.
    matching: (u64, Matching),
    seen: Option<(u64, Position, Instant, Arc<Seen>)>,
}

impl Desks {
    pub(crate) fn new(settings: Option<DeskSettings>, keys: DataKeys, first_day: Day) -> Desks {
        let desk = settings
            .as_ref()
            .map(|of| Desk::new(&of.dir, keys, of.calendar.clone(), of.due.clone(), Arc::clone(&of.rows)));
        let fees = settings.as_ref().map_or_else(FeeTable::default, |settings| settings.fees.clone());
        let unread = Book::new(fees, Some(first_day));
        // Without a desk nobody closes days.
        let days = Days::new(if desk.is_some() { unread.holding_unclosed() } else { unread });
        let state = State { days, matching: (0, Matching::new(rules(&settings))), seen: None };
        Desks { desk, settings, reading_max: READING_MAX, state: Mutex::new(state) }
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
        let is_whole = self.read_on(&mut state, &casework, log)?;
        let sheets: Vec<Sheet> = state.days.book().sheets().rev().cloned().collect();
        let claims = sheets.iter().map(|sheet| (sheet.day, claims(&casework, sheet))).collect();
        let has_files = |day| casework.has_files(state.days.book(), day);
        let closed = sheets.iter().filter(|sheet| sheet.closed.is_some() && has_files(sheet.day));
        let settling = closed.map(|sheet| (sheet.day, settling(&casework, sheet))).collect();
        Ok(Told {
            sheets,
            claims,
            settling,
            payments: payments(&casework, state.days.book()),
            read: (state.days.book().next(), log.synced()),
            is_whole,
            left_out: state.days.book().left_out() + state.days.broken(),
            broken: state.days.first_broken(),
        })
    }

    /// As [`Desks::tell`], for a list that is taken away: nobody sees later that it was of half a log.
    ///
    /// # Errors
    /// [`TellError`]; [`TellError::Reading`] before the log is read whole.
    pub(crate) fn tell_whole(&self, log: &LogReader) -> Result<Told, TellError> {
        let told = self.tell(log)?;
        if told.is_whole() { Ok(told) } else { Err(TellError::Reading(told.percent())) }
    }

    /// Of what banks claim of a day what transactions whose answer was lost may explain, by what was read when days were told last. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn explained(&self, day: Day) -> Result<BTreeMap<Institution, Explained>, TellError> {
        let casework = self.casework()?.0;
        let state = self.state.lock().expect("nobody panics while reading days");
        Ok(explanations(&casework, state.days.book(), day))
    }

    /// Exceptions and cases at a moment, seconds since 1970: none before the log is read whole. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn see(&self, log: &LogReader, now_s: i64) -> Result<Option<Arc<Seen>>, TellError> {
        Ok(self.look(log, now_s)?.map(|(seen, _)| seen))
    }

    /// As [`Desks::see`], for a list that is taken away: nobody sees later that it was of half a log, or of what was seen before the reading began.
    ///
    /// # Errors
    /// [`TellError`]; [`TellError::Reading`] before the log is read whole.
    pub(crate) fn see_whole(&self, log: &LogReader, now_s: i64) -> Result<Option<Arc<Seen>>, TellError> {
        match self.look(log, now_s)? {
            Some((_, percent @ ..100)) => Err(TellError::Reading(percent)),
            seen => Ok(seen.map(|(seen, _)| seen)),
        }
    }

    /// Exceptions and cases as they were when the log was read whole last, and how much of it is read now, percent.
    fn look(&self, log: &LogReader, now_s: i64) -> Result<Option<(Arc<Seen>, u64)>, TellError> {
        let Some(desk) = &self.desk else { return Ok(None) };
        let (casework, acts) = self.casework()?;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        if let Some((number, next, at, seen)) = &state.seen
            && *number == casework.next()
            && (*next == log.synced() || at.elapsed() < MATCHED_EVERY)
        {
            return Ok(Some((Arc::clone(seen), 100)));
        }
        let is_whole = self.read_on(&mut state, &casework, log)?;
        let percent = percent((state.days.book().next(), log.synced()), is_whole);
        // Half a log would show as missing what is only not read yet.
        if !is_whole {
            let seen = state.seen.as_ref().map(|(.., seen)| Arc::clone(seen));
            let seen = seen.unwrap_or_else(|| Arc::new(Seen::reading(casework, acts, percent)));
            return Ok(Some((seen, percent)));
        }
        let State { days, matching: (begun, matching), .. } = &mut *state;
        if *begun != days.times_begun() {
            (*begun, *matching) = (days.times_begun(), Matching::new(rules(&self.settings)));
        }
        let book = days.book_mut();
        desk.match_on(&casework, book, matching, now_s)?;
        let rows = desk.rows(&casework, book, matching)?;
        let (summary, counters) = (matching.summary(), matching.counters.clone());
        let (passed_over, number) = (matching.passed_over, casework.next());
        let by_hand = by_hand(&casework, matching);
        let seen = Arc::new(Seen { rows, summary, counters, by_hand, passed_over, casework, acts, percent });
        state.seen = Some((number, state.days.book().next(), Instant::now(), Arc::clone(&seen)));
        Ok(Some((seen, percent)))
    }

    /// What lies open of a bank and day, with what each of its lines might belong to. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn bench(
        &self,
        log: &LogReader,
        now_s: i64,
        bank: Institution,
        day: Day,
    ) -> Result<Option<(Bench, Suggestions)>, TellError> {
        if self.see(log, now_s)?.is_none() {
            return Ok(None);
        }
        let state = self.state.lock().expect("nobody panics while reading days");
        let matcher = &state.matching.1.matcher;
        let bench = matcher.bench(bank, day);
        let lines = bench.bank.iter().chain(&bench.machine).filter(|piece| piece.partner.is_none());
        let wanted: BTreeSet<LineId> = lines.map(|piece| piece.id).collect();
        let suggestions = matcher.suggestions_of(&wanted);
        Ok(Some((bench, suggestions)))
    }

    /// Something was said by hand of this transaction, whether or not it counts. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`].
    pub(crate) fn has_said(&self, ours: LineId) -> Result<bool, TellError> {
        Ok(self.casework()?.0.decisions().iter().any(|decision| decision.ours() == ours))
    }

    /// Lays a line to a transaction, or parts them, in a person's name; durable when this returns. Without a desk nothing is done.
    ///
    /// # Errors
    /// [`DeskError`].
    pub(crate) fn by_hand(
        &self,
        decision: Decision,
        at_ms: i64,
        who: &str,
        from: &str,
    ) -> Result<(), DeskError> {
        let Some(desk) = &self.desk else { return Ok(()) };
        let state = self.state.lock().expect("nobody panics while reading days");
        desk.by_hand(&state.matching.1.matcher, decision, at_ms, who, from).map(|_| ())
    }

    /// A bank's closed day, and when it was closed. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`]; [`TellError::Reading`] before the log is read whole; the inner one where there is nothing to settle.
    pub(crate) fn settlement(
        &self,
        log: &LogReader,
        switch: &str,
        currency: u16,
        day: Day,
        bank: Institution,
        members: &BTreeSet<Institution>,
    ) -> Result<Result<(Settlement, i64), NoSettlement>, TellError> {
        let casework = self.casework()?.0;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        self.read_whole(&mut state, &casework, log)?;
        if state.days.first_broken().is_some() {
            return Ok(Err(NoSettlement::Broken(day)));
        }
        let is_member = |bank| members.contains(&bank);
        Ok(settlement(&casework, state.days.book(), switch, currency, day, bank, is_member))
    }

    /// Whether members' totals are of a day of the log and of members. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`]; [`TellError::Reading`] before the log is read whole; the inner one where they are not.
    pub(crate) fn check_totals(
        &self,
        log: &LogReader,
        bytes: &[u8],
        day: Day,
        members: &BTreeSet<Institution>,
    ) -> Result<Result<(), NoTotals>, TellError> {
        let Some(desk) = &self.desk else { return Ok(Ok(())) };
        let casework = self.casework()?.0;
        let is_known = {
            let mut state = self.state.lock().expect("nobody panics while reading days");
            self.read_whole(&mut state, &casework, log)?;
            state.days.book().sheet(day).is_some()
        };
        Ok(desk.check_totals(bytes, day, is_known, |bank| members.contains(&bank)))
    }

    /// The act that closes a day at the end of the log. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`]; refused where the log is not read to its end: what is not read yet would come too late for its own day. And where a record does
    /// not follow from those before it, as the command line does: the day would be closed without its money.
    pub(crate) fn close(&self, log: &LogReader, day: Day) -> Result<Deed, TellError> {
        let casework = self.casework()?.0;
        let mut state = self.state.lock().expect("nobody panics while reading days");
        if !self.read_on(&mut state, &casework, log)? {
            return refused(day, NotDay::Reading);
        }
        if state.days.first_broken().is_some() {
            return refused(day, NotDay::Broken);
        }
        let fees = self.settings.as_ref().map_or_else(FeeTable::default, |settings| settings.fees.clone());
        Ok(casework.close(state.days.book(), day, fees).map_err(casework::ActError::Refused)?)
    }

    /// The act that says that the banks have settled a day. Waits for a disk.
    ///
    /// # Errors
    /// [`TellError`]; refused where a record does not follow from those before it.
    pub(crate) fn settle(&self, log: &LogReader, day: Day) -> Result<Deed, TellError> {
        match self.tell(log)?.broken {
            Some(_) => refused(day, NotDay::Broken),
            None => Ok(Deed::Settle { day }),
        }
    }

    fn casework(&self) -> Result<(Arc<Casework>, Acts), TellError> {
        match &self.desk {
            Some(desk) => Ok(desk.acts().read()?),
            None => Ok((Arc::default(), Arc::default())),
        }
    }

    /// # Errors
    /// [`TellError::Reading`] where something of it is left to read.
    fn read_whole(&self, state: &mut State, casework: &Casework, log: &LogReader) -> Result<(), TellError> {
        match self.read_on(state, casework, log)? {
            true => Ok(()),
            false => Err(TellError::Reading(percent((state.days.book().next(), log.synced()), false))),
        }
    }

    /// Whether all is read that was there when it began.
    fn read_on(&self, state: &mut State, casework: &Casework, log: &LogReader) -> Result<bool, TellError> {
        let began = Instant::now();
        let goes_on = |_: &mut Book, position: Position| {
            !position.is_multiple_of(RECORDS_BETWEEN_LOOKS) || began.elapsed() <= self.reading_max
        };
        Ok(state.days.read_on(casework, |from| log.scan_sealed(from), goes_on)?)
    }
}

impl Seen {
    /// Before the log is read whole.
    fn reading(casework: Arc<Casework>, acts: Acts, percent: u64) -> Seen {
        Seen {
            rows: Vec::new(),
            summary: Summary::default(),
            counters: Vec::new(),
            by_hand: Vec::new(),
            passed_over: PassedOver::default(),
            casework,
            acts,
            percent,
        }
    }
}

/// How much of the log is read: 100 is all of it, whatever has come since.
fn percent((read, there): (Position, Position), is_whole: bool) -> u64 {
    match is_whole {
        true => 100,
        false => (read * 100).checked_div(there).unwrap_or(0).min(99),
    }
}

fn refused(day: Day, reason: NotDay) -> Result<Deed, TellError> {
    Err(casework::ActError::Refused(Refused::Day { day, reason }).into())
}

fn rules(settings: &Option<DeskSettings>) -> Rules {
    settings.as_ref().map_or_else(Rules::default, |settings| settings.rules)
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
        assert!(desks.see(&log.reader(), 0).unwrap().is_none(), "without a desk there are no cases");
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
            rows: Arc::new(exchange::InProcess),
        };
        let desks = Desks::new(Some(settings), data_keys(), day());
        let paid =
            |told: &Told| told.sheets[0].members.values().map(|totals| totals.element(88)).sum::<i64>();
        assert_eq!(paid(&desks.tell(&log.reader()).unwrap()), 2_500_000);
        // Behind the first transaction's three records: what comes then is an adjustment of the day itself, the only one there is.
        let deed = Deed::Close { day: day(), position: 3, fees: Box::default(), is_let_go: false };
        desks.desk().unwrap().acts().act(5, "minh", "::1", deed).unwrap();
        let told = desks.tell(&log.reader()).unwrap();
        assert_eq!(
            (told.sheets[0].state, told.sheets[0].closed.map(|(at, _)| at)),
            (DayState::Closed, Some(3))
        );
        assert_eq!(paid(&told), 2_500_000, "nothing is lost and nothing counted twice");
    }

    /// Each page read and checked all acts again.
    #[test]
    fn pages_check_no_act_that_was_checked_before() {
        let log = LogOf::uses(&[Use { stan: 1, ..Use::default() }]);
        let dir = tempfile::tempdir().unwrap();
        let (desks, elsewhere) = (desks(dir.path()), desks(dir.path()));
        let layout = || Box::new(exchange::Layout::Postings(exchange::Mapping::normal()));
        for number in 0..20 {
            let deed = Deed::KeepLayout { name: format!("bank {number}"), layout: layout() };
            elsewhere.desk().unwrap().acts().act(5, "minh", "::1", deed).unwrap();
        }
        let checked = || desks.desk().unwrap().acts().work().lines_checked;
        desks.see(&log.reader(), 0).unwrap();
        assert_eq!(checked(), 20);
        for _ in 0..5 {
            desks.tell(&log.reader()).unwrap();
            assert_eq!(desks.see(&log.reader(), 0).unwrap().unwrap().acts.len(), 20);
        }
        assert_eq!(checked(), 20);
    }

    fn desks(dir: &std::path::Path) -> Desks {
        let settings = DeskSettings {
            dir: dir.to_owned(),
            calendar: Calendar::default(),
            rules: Rules::default(),
            fees: FeeTable::default(),
            due: DueRules::default(),
            rows: Arc::new(exchange::InProcess),
        };
        Desks::new(Some(settings), data_keys(), day())
    }

    /// Half of a log showed as missing what was only not read yet.
    #[test]
    fn before_the_log_is_read_whole_nothing_is_an_exception() {
        let uses: Vec<Use> = (1..=500).map(|stan| Use { stan, bare: stan == 1, ..Use::default() }).collect();
        let log = LogOf::uses(&uses);
        let dir = tempfile::tempdir().unwrap();
        let now_s = i64::MAX / 2;
        let slow = Desks { reading_max: Duration::ZERO, ..desks(dir.path()) };
        let seen = slow.see(&log.reader(), now_s).unwrap().unwrap();
        assert!(seen.rows.is_empty() && seen.percent < 100, "{} of {}", seen.rows.len(), seen.percent);
        let whole = loop {
            let seen = slow.see(&log.reader(), now_s).unwrap().unwrap();
            if seen.percent == 100 {
                break seen;
            }
        };
        assert_eq!((whole.rows.len(), whole.summary.ours), (1, 500));
    }

    /// A day was closed at the end of what had been read of it, and the rest of its records came too late.
    #[test]
    fn no_day_is_closed_before_the_log_is_read_whole() {
        let uses: Vec<Use> = (1..=500).map(|stan| Use { stan, ..Use::default() }).collect();
        let next = Day::of_unix_ms(day().begins_ms() + 86_400_000);
        let log = LogOf::uses_and_then(&uses, &[next]);
        let dir = tempfile::tempdir().unwrap();
        let slow = Desks { reading_max: Duration::ZERO, ..desks(dir.path()) };
        let mut refused = 0;
        let position = loop {
            match slow.close(&log.reader(), day()) {
                Ok(Deed::Close { position, .. }) => break position,
                Ok(other) => panic!("{other:?}"),
                Err(error) => {
                    let expected = format!(
                        "business day {}: the log is not read to its end yet; try again in a moment",
                        day()
                    );
                    assert_eq!(error.to_string(), expected);
                    refused += 1;
                }
            }
        };
        assert!(refused > 0 && position == log.reader().synced(), "{refused} {position}");
    }

    /// The command line refused such a log; the console closed the day and wrote its files, without that money.
    #[test]
    fn no_day_is_closed_settled_or_written_out_while_a_record_of_the_log_is_broken() {
        let next = Day::of_unix_ms(day().begins_ms() + 86_400_000);
        for stray in [false, true] {
            let log = LogOf::uses_and_then(
                &[Use { stan: 1, ..Use::default() }, Use { stan: 2, stray, ..Use::default() }],
                &[next],
            );
            let dir = tempfile::tempdir().unwrap();
            let desks = desks(dir.path());
            let reader = log.reader();
            assert_eq!(desks.tell(&reader).unwrap().broken.is_some(), stray);
            let close = desks.close(&reader, day()).map_err(|error| error.to_string());
            let expected = format!("business day {}: {}", day(), NotDay::Broken);
            assert_eq!(close.as_ref().err(), stray.then_some(&expected));
            // Closed before, by whatever: it has no files, and is not settled.
            let deed =
                Deed::Close { day: day(), position: reader.synced(), fees: Box::default(), is_let_go: false };
            desks.desk().unwrap().acts().act(5, "minh", "::1", deed).unwrap();
            let bank = "970415".parse().unwrap();
            let file = desks.settlement(&reader, "switch", 704, day(), bank, &BTreeSet::new()).unwrap();
            assert_eq!(file.err().map(|error| error.to_string()), stray.then(|| expected.clone()));
            let settle = desks.settle(&reader, day()).map_err(|error| error.to_string());
            assert_eq!(settle.err(), stray.then_some(expected));
        }
    }

    /// What was begun a moment ago was shown as if nobody knew its end.
    #[test]
    fn what_is_under_way_is_no_exception_yet() {
        let log = LogOf::uses(&[Use { stan: 1, bare: true, ..Use::default() }]);
        let dir = tempfile::tempdir().unwrap();
        let desks = desks(dir.path());
        let record = log.reader().scan(0).next().unwrap().unwrap().1;
        let began_s = record.at_ms / 1_000;
        let kinds = |now_s| {
            desks.state.lock().unwrap().seen = None;
            let seen = desks.see(&log.reader(), now_s).unwrap().unwrap();
            seen.rows.iter().map(|row| row.exception.kind.name()).collect::<Vec<_>>()
        };
        assert_eq!(kinds(began_s + 299), [] as [&str; 0]);
        assert_eq!(kinds(began_s + 300), ["suspense"]);
    }
}
