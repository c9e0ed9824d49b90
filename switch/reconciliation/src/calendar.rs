//! Working days and the moment of cutover: which business day should be open, and when something is due.

use std::collections::BTreeSet;

use processor::Day;

/// Minutes in a day.
const DAY_MINUTES: i64 = 1_440;
/// No run of days without settlement is longer: Tết has nine.
const CLOSED_RUN_MAX: u32 = 31;

/// On which days banks settle, and when a day ends.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Calendar {
    /// Days without settlement beside weekends.
    pub holidays: BTreeSet<Day>,
    /// Saturdays and Sundays are days without settlement.
    pub weekends_closed: bool,
    /// Local time is so many minutes ahead of UTC; 420 in Việt Nam.
    pub utc_offset_minutes: i64,
    /// Minutes behind local midnight from which on the next day is open; none: by hand alone.
    pub cutover_minute: Option<i64>,
}

/// The calendar is no calendar.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCalendar {
    /// More days follow each other without settlement than a cutover may pass over.
    #[error("more than {CLOSED_RUN_MAX} days without settlement follow {0}")]
    NeverOpen(Day),
}

impl Calendar {
    /// Banks settle on this day.
    pub fn is_working(&self, day: Day) -> bool {
        !(self.holidays.contains(&day) || self.weekends_closed && is_weekend(day))
    }

    /// The first day that banks settle on, this one or a later.
    ///
    /// # Errors
    /// [`BadCalendar`].
    pub fn working_from(&self, day: Day) -> Result<Day, BadCalendar> {
        let mut candidate = day;
        for _ in 0..=CLOSED_RUN_MAX {
            if self.is_working(candidate) {
                return Ok(candidate);
            }
            candidate = next(candidate);
        }
        Err(BadCalendar::NeverOpen(day))
    }

    /// The day behind so many working days: the answer to a complaint is due then.
    ///
    /// # Errors
    /// [`BadCalendar`].
    pub fn after_working_days(&self, day: Day, working_days: u32) -> Result<Day, BadCalendar> {
        (0..working_days).try_fold(day, |day, _| self.working_from(next(day)))
    }

    /// The business day that should be open at a moment, milliseconds since 1970; none where cutovers are made by hand.
    ///
    /// # Errors
    /// [`BadCalendar`].
    pub fn due_at(&self, at_ms: i64) -> Result<Option<Day>, BadCalendar> {
        let Some(cutover_minute) = self.cutover_minute else { return Ok(None) };
        let local_minute = at_ms.div_euclid(60_000) + self.utc_offset_minutes;
        // From the minute of cutover on it is the next day; a cutover at midnight opens the day that begins.
        let ahead = if cutover_minute == 0 { 0 } else { DAY_MINUTES - cutover_minute };
        let day = Day::of_unix_ms((local_minute + ahead) * 60_000);
        self.working_from(day).map(Some)
    }
}

/// The next calendar day.
pub fn next(day: Day) -> Day {
    Day::of_unix_ms(day.begins_ms() + DAY_MINUTES * 60_000)
}

/// 1970-01-01 was a Thursday.
fn is_weekend(day: Day) -> bool {
    matches!((day.begins_ms() / (DAY_MINUTES * 60_000) + 4).rem_euclid(7), 0 | 6)
}
