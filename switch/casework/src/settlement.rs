//! What a closed day comes to for a bank, with what two people have agreed on until its close: what files out are made of.

use exchange::{Adjustment, Settlement};
use processor::{Day, Institution};
use reconciliation::{Book, Sheet};

use crate::cases::Casework;

/// There is nothing to settle yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoSettlement {
    /// The log knows no such day.
    #[error("business day {0}: the log does not know it")]
    Unknown(Day),
    /// What is open still changes.
    #[error("business day {0}: it is not closed, and may still change")]
    NotClosed(Day),
    /// Its single transactions were let go: a file would lack them.
    #[error("business day {0}: its single transactions are held no more")]
    LetGo(Day),
}

/// A bank's day, and when it was closed, seconds since 1970: the same log and acts give the same files.
///
/// # Errors
/// [`NoSettlement`].
pub fn settlement(
    casework: &Casework,
    book: &Book,
    switch: &str,
    currency: u16,
    day: Day,
    bank: Institution,
) -> Result<(Settlement, i64), NoSettlement> {
    let sheet = book.sheet(day).ok_or(NoSettlement::Unknown(day))?;
    let (_, closed_at_ms) = sheet.closed.ok_or(NoSettlement::NotClosed(day))?;
    if book.held_from().is_some_and(|from| day < from) {
        return Err(NoSettlement::LetGo(day));
    }
    let settlement = Settlement {
        switch: switch.to_owned(),
        bank,
        day,
        currency,
        totals: sheet.members.get(&bank).copied().unwrap_or_default(),
        details: book.details(day, bank),
        adjustments: adjustments(casework, book, sheet, bank),
    };
    Ok((settlement, closed_at_ms.div_euclid(1_000)))
}

/// What two people have agreed on while this day was the newest that was not closed.
fn adjustments(casework: &Casework, book: &Book, sheet: &Sheet, bank: Institution) -> Vec<Adjustment> {
    let closes: Vec<(i64, Day)> =
        book.sheets().filter_map(|sheet| Some((sheet.closed?.1, sheet.day))).collect();
    let settles_in =
        |at_ms: i64| closes.iter().filter(|(closed_ms, _)| *closed_ms > at_ms).map(|(_, day)| *day).min();
    let of_bank = casework.booked().iter().filter(|booked| booked.proposal.bank == Some(bank));
    of_bank
        .filter(|booked| settles_in(booked.at_ms) == Some(sheet.day))
        .map(|booked| Adjustment {
            act: booked.act,
            resolution: booked.proposal.resolution.name(),
            rrn: booked.proposal.about.rrn.map(|rrn| rrn.to_string()),
            of_day: booked.proposal.about.day,
            amount_minor: booked.proposal.amount_minor,
        })
        .collect()
}
