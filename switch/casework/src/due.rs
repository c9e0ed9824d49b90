//! When a case is due, and how old it is.

use std::collections::BTreeMap;

use processor::Day;
use reconciliation::calendar::{BadCalendar, Calendar};
use reconciliation::{Group, Kind};

/// Upper ends of the bands of age, in days; the last has none.
pub const AGE_BANDS: [i64; 4] = [1, 5, 10, 30];

/// Working days until an answer is due, by kind. Defaults: a complaint about a domestic card is answered within 45 working days (State Bank of
/// Vietnam), what is about files, totals and cassettes on the next working day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueRules(BTreeMap<Kind, u32>);

impl Default for DueRules {
    fn default() -> DueRules {
        let working_days = |kind: Kind| match (kind.group(), kind) {
            (Group::File | Group::Totals, _) | (_, Kind::CashOver | Kind::CashShort) => 1,
            (_, _) => 45,
        };
        DueRules(Kind::ALL.into_iter().map(|kind| (kind, working_days(kind))).collect())
    }
}

impl DueRules {
    /// The defaults, these kinds otherwise.
    pub fn with(changed: impl IntoIterator<Item = (Kind, u32)>) -> DueRules {
        let mut rules = DueRules::default();
        rules.0.extend(changed);
        rules
    }

    /// The day on which a case of a business day is due.
    ///
    /// # Errors
    /// [`BadCalendar`].
    pub fn due(&self, kind: Kind, day: Day, calendar: &Calendar) -> Result<Day, BadCalendar> {
        calendar.after_working_days(day, self.0.get(&kind).copied().unwrap_or(0))
    }
}

/// The band of an age in days, as `0-1`, `2-5`, …, `31+`.
pub fn age_band(days: i64) -> String {
    let mut from = 0;
    for end in AGE_BANDS {
        if days <= end {
            return format!("{from}-{end}");
        }
        from = end + 1;
    }
    format!("{from}+")
}
