//! Cash counters: opening and loaded less dispensed, against what was counted, cassette by cassette.

use processor::{Day, TerminalId};

use crate::item::LineId;
use crate::kind::Kind;
use crate::report::{Aspect, CaseId, Exception};

/// One cassette between two replenishments. Notes, not amounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counter {
    /// Where it stands.
    pub id: LineId,
    /// DE41.
    pub terminal: TerminalId,
    /// The day of the count.
    pub day: Day,
    /// The cassette, from 1.
    pub cassette: u16,
    /// What a note is worth, minor units.
    pub note_minor: i64,
    /// Notes at the beginning.
    pub opening: i64,
    /// Notes put in.
    pub loaded: i64,
    /// Notes that left, less those that came in.
    pub dispensed: i64,
    /// Notes counted at the end.
    pub counted: i64,
    /// Seconds since 1970.
    pub at_s: i64,
}

/// A counter whose amounts no machine can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {}: the amounts of the cassette are beyond any machine", .0.line)]
pub struct Impossible(pub LineId);

/// What the cassette should hold, minor units.
///
/// # Errors
/// [`Impossible`].
pub fn expected_minor(counter: &Counter) -> Result<i64, Impossible> {
    let notes =
        counter.opening.checked_add(counter.loaded).and_then(|sum| sum.checked_sub(counter.dispensed));
    notes.and_then(|notes| notes.checked_mul(counter.note_minor)).ok_or(Impossible(counter.id))
}

/// Where more or less was counted than there should be.
///
/// # Errors
/// [`Impossible`].
pub fn cash_exceptions(counters: &[Counter]) -> Result<Vec<Exception>, Impossible> {
    let mut exceptions = Vec::new();
    for counter in counters {
        let ours_minor = expected_minor(counter)?;
        let theirs_minor = counter.counted.checked_mul(counter.note_minor).ok_or(Impossible(counter.id))?;
        if ours_minor != theirs_minor {
            exceptions.push(Exception {
                case: CaseId { of: counter.id, aspect: Aspect::Machine },
                kind: if theirs_minor > ours_minor { Kind::CashOver } else { Kind::CashShort },
                day: counter.day,
                bank: None,
                acquirer: None,
                terminal: Some(counter.terminal),
                rrn: None,
                at_s: counter.at_s,
                ours_minor,
                theirs_minor,
                rule: None,
                lines: vec![counter.id],
            });
        }
    }
    exceptions.sort_by_key(|one| (one.day, one.terminal, one.at_s, one.case));
    Ok(exceptions)
}
