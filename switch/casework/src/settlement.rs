//! What a closed day comes to for a bank, with what two people have agreed on until its close: what files out are made of.

use std::collections::{BTreeMap, BTreeSet};

use exchange::{Adjustment, Settlement};
use processor::{Day, Institution};
use reconciliation::{Book, Sheet};

use crate::act::Resolution;
use crate::cases::{Booked, Casework, NotDay};

/// There is nothing to settle.
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
    /// Records that no day counts: a file would lack their money.
    #[error("business day {0}: {reason}", reason = NotDay::Broken)]
    Broken(Day),
    /// Nobody who has anything to do with the day, and no member: its file would be empty, and look like one.
    #[error("{0} is no member of this switch")]
    Stranger(Institution),
}

/// What a member owes all others of a day, minor units; negative where it is owed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Payment {
    /// By the log, as issuer and as acquirer.
    pub position_minor: i64,
    /// By the adjustments between members that two people have agreed on.
    pub adjusted_minor: i64,
}

impl Payment {
    /// What is paid: the net in the trailer of the member's settlement file.
    pub fn net_minor(self) -> i64 {
        self.position_minor + self.adjusted_minor
    }
}

/// What the members of each day pay, made of what their settlement files are made of. The oldest day that is not closed and is held has the adjustments
/// that its files would have if it were closed now.
pub fn payments(casework: &Casework, book: &Book) -> BTreeMap<Day, BTreeMap<Institution, Payment>> {
    let of_log = |sheet: &Sheet| {
        let net = sheet.net_positions().into_iter();
        net.map(|(member, position_minor)| (member, Payment { position_minor, adjusted_minor: 0 })).collect()
    };
    let mut days: BTreeMap<Day, BTreeMap<Institution, Payment>> =
        book.sheets().map(|sheet| (sheet.day, of_log(sheet))).collect();
    let may_have = |day: &Day| !casework.closed().contains_key(day) && book.is_held(*day);
    let next = book.sheets().map(|sheet| sheet.day).find(may_have);
    for booked in casework.booked() {
        let day = casework.settles_in(booked.act).or(next);
        let Some(members) = day.and_then(|day| days.get_mut(&day)) else { continue };
        for member in named(booked).collect::<BTreeSet<_>>() {
            let owed_minor = adjustments(booked, member).map(|one| one.owed_minor()).sum::<i64>();
            if owed_minor != 0 {
                members.entry(member).or_default().adjusted_minor += owed_minor;
            }
        }
    }
    days
}

/// A member's day, and when it was closed, seconds since 1970: the same log and acts give the same files.
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
    is_member: impl FnOnce(Institution) -> bool,
) -> Result<(Settlement, i64), NoSettlement> {
    let sheet = book.sheet(day).ok_or(NoSettlement::Unknown(day))?;
    let (_, closed_at_ms) = sheet.closed.ok_or(NoSettlement::NotClosed(day))?;
    if !casework.has_files(book, day) {
        return Err(NoSettlement::LetGo(day));
    }
    if !settling(casework, sheet).contains(&bank) && !is_member(bank) {
        return Err(NoSettlement::Stranger(bank));
    }
    let booked = casework.booked().iter().filter(|booked| casework.settles_in(booked.act) == Some(day));
    let settlement = Settlement {
        switch: switch.to_owned(),
        bank,
        day,
        currency,
        totals: sheet.members.get(&bank).copied().unwrap_or_default(),
        position_minor: sheet.net_positions().get(&bank).copied().unwrap_or_default(),
        details: book.details(day, bank),
        adjustments: booked.flat_map(|booked| adjustments(booked, bank)).collect(),
    };
    Ok((settlement, closed_at_ms.div_euclid(1_000)))
}

/// Who has files of a day: issuers and acquirers of what the log has, whoever owes or is owed, and who is named by what was booked into the day.
pub fn settling(casework: &Casework, sheet: &Sheet) -> BTreeSet<Institution> {
    let booked = casework.booked().iter().filter(|booked| casework.settles_in(booked.act) == Some(sheet.day));
    let named = booked.flat_map(named);
    let net = sheet.net_positions();
    sheet.members.keys().chain(sheet.acquirers.keys()).chain(net.keys()).copied().chain(named).collect()
}

/// Whose files have what was booked.
fn named(booked: &Booked) -> impl Iterator<Item = Institution> {
    let proposal = &booked.proposal;
    let acquirer = proposal.about.acquirer.filter(|_| proposal.between_minor() != 0);
    proposal.bank.into_iter().chain(acquirer)
}

/// What was booked as the bank's file has it: its refund, which is its own with its citizen alone; what it owes the acquirer more; and with the other sign
/// what a bank owes it whose citizen was at its terminal.
fn adjustments(booked: &Booked, bank: Institution) -> impl Iterator<Item = Adjustment> {
    let proposal = &booked.proposal;
    let is_own = proposal.bank == Some(bank);
    let is_owed = proposal.about.acquirer == Some(bank);
    let refunded_minor = if proposal.resolution == Resolution::Refund { proposal.amount_minor } else { 0 };
    let between_minor = proposal.between_minor();
    let lines = [
        (is_own, Resolution::Refund, refunded_minor),
        (is_own, Resolution::Adjustment, between_minor),
        (is_owed, Resolution::Adjustment, -between_minor),
    ];
    let lines = lines.into_iter().filter(|(is_its, _, minor)| *is_its && *minor != 0);
    lines.map(|(_, resolution, amount_minor)| Adjustment {
        act: booked.act,
        resolution: resolution.name(),
        rrn: proposal.about.rrn.map(|rrn| rrn.to_string()),
        of_day: proposal.about.day,
        amount_minor,
    })
}
