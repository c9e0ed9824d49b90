//! How much of a refund or adjustment a case bears out.

use mutant::Mutant;
use reconciliation::{CaseId, Group, Kind, LineId};

use super::case::{Case, Proposal, booked_minor};
use super::{CaseState, Refused};
use crate::act::{About, Resolution};

/// A refund or adjustment of what proves no amount itself (totals, files, and what comes to nothing) is no more than this without sign, minor units; or
/// than what a member's totals differ by.
pub const UNPROVEN_MINOR_MAX: i64 = 1_000_000_000;

/// There is somebody to give back to: a transaction of the log, or a line that names one.
pub(crate) fn has_citizen(case: CaseId, about: &About) -> bool {
    let is_of_cash_or_papers = matches!(about.kind, Kind::CashOver | Kind::CashShort)
        || matches!(about.kind.group(), Group::Totals | Group::File);
    !is_of_cash_or_papers && (case.of.file == LineId::LOG || about.rrn.is_some())
}

/// What is left to adjust of a case, minor units: the difference, less what is booked of it, and less what is booked or proposed of the transaction's
/// other cases the same way. One debt is booked once, whichever of the sides shows it: of several differences that go one way no more than the
/// widest is owed in all.
pub(crate) fn open_minor(case: Option<&Case>, beside: &[Case], difference_minor: i64) -> i64 {
    let own_minor = booked_minor(case, Resolution::Adjustment);
    let left_minor = difference_minor.saturating_sub(own_minor);
    let way = difference_minor.signum();
    let along = |minor: i64| minor.saturating_mul(way).max(0);
    let others_minor = along(beside.iter().map(booked_or_proposed_minor).sum());
    if others_minor == 0 || along(left_minor) == 0 || mutant::is(Mutant::DebtBookedTwice) {
        return left_minor;
    }
    let is_of_a_side = |about: &&About| about.kind != Kind::Suspense && !about.is_gone;
    let others = beside.iter().filter_map(|other| other.about.as_ref()).filter(is_of_a_side);
    let widest_minor = others.map(About::difference_minor).map(along).fold(along(difference_minor), i64::max);
    let room_minor = (widest_minor - others_minor - along(own_minor)).max(0);
    way * along(left_minor).min(room_minor)
}

fn booked_or_proposed_minor(case: &Case) -> i64 {
    let waits = case.proposal.as_ref().filter(|_| case.state == CaseState::Proposed);
    booked_minor(Some(case), Resolution::Adjustment) + waits.map_or(0, Proposal::between_minor)
}

/// The most that may be given back, where it is known what the bank has debited: no more than that less the cash that left.
pub(crate) fn refund_minor_max(about: &About) -> Option<i64> {
    about.debited_minor.map(|debited_minor| debited_minor.saturating_sub(about.theirs_minor).max(0))
}

/// The case bears out a refund or adjustment: it goes the way of what is open, and is no more.
///
/// Of a transaction of a bank at a terminal it is known who owes more: an adjustment that goes the other way would make the difference twice as large.
/// Of cash nobody knows it, nor of what has no end: no day counts it. Totals may count pieces, and what is gone comes to nothing.
pub(super) fn is_borne_out(
    case: Option<&Case>,
    beside: &[Case],
    about: &About,
    resolution: Resolution,
    amount_minor: i64,
) -> Result<(), Refused> {
    let is_known =
        about.bank.is_some() && about.terminal.is_some() && !about.is_gone && about.kind != Kind::Suspense;
    let open_minor = open_minor(case, beside, about.difference_minor());
    let is_adjusted = is_known && resolution == Resolution::Adjustment;
    if is_adjusted && open_minor == 0 && open_minor != self::open_minor(case, &[], about.difference_minor()) {
        return Err(Refused::BookedBeside);
    }
    if is_adjusted && open_minor.signum() * amount_minor.signum() < 0 {
        return Err(Refused::OtherWay { amount_minor, open_minor });
    }
    if resolution == Resolution::Refund && refund_minor_max(about).is_some_and(|most_minor| most_minor == 0) {
        return Err(Refused::NothingDebited);
    }
    let whole_minor = most_minor(case, beside, about, resolution);
    let most_minor = match resolution {
        Resolution::Adjustment => {
            room_of_whole_minor(beside, about, whole_minor, amount_minor).ok_or(Refused::BookedBeside)?
        }
        Resolution::Accept | Resolution::Refund | Resolution::Undo => whole_minor,
    };
    if amount_minor.saturating_abs() > most_minor {
        return Err(Refused::AboveOpen { amount_minor, most_minor });
    }
    Ok(())
}

/// What may still be booked this way of what a case bears out. Where the sides agree in amount, nobody knows which is right, or it is gone, that is the
/// whole of it, and what the transaction's other cases book or propose the same way is part of it: `None` where they have all of it. Else
/// [`open_minor`] has left that out already.
fn room_of_whole_minor(beside: &[Case], about: &About, whole_minor: i64, amount_minor: i64) -> Option<i64> {
    let is_whole = about.is_gone || about.kind == Kind::Suspense || about.difference_minor() == 0;
    let others_minor: i64 = beside.iter().map(booked_or_proposed_minor).sum();
    let along_minor = others_minor.saturating_mul(amount_minor.signum()).max(0);
    match is_whole && along_minor > 0 {
        true => Some(whole_minor - along_minor).filter(|room_minor| *room_minor > 0),
        false => Some(whole_minor),
    }
}

/// The most that a case bears out, without sign: what is open of it; where the sides agree in amount, or nobody knows which of them is right, what it
/// comes to; of totals what they differ by, and there, of files and of what comes to nothing, [`UNPROVEN_MINOR_MAX`].
fn most_minor(case: Option<&Case>, beside: &[Case], about: &About, resolution: Resolution) -> i64 {
    let refund_minor_max = refund_minor_max(about).filter(|_| resolution == Resolution::Refund);
    let most_minor = most_of_the_sides_minor(case, beside, about, resolution);
    refund_minor_max.map_or(most_minor, |refund_minor_max| {
        most_minor.min((refund_minor_max - booked_minor(case, resolution)).max(0))
    })
}

fn most_of_the_sides_minor(
    case: Option<&Case>,
    beside: &[Case],
    about: &About,
    resolution: Resolution,
) -> i64 {
    let difference_minor = about.difference_minor();
    let whole_minor = about.ours_minor.saturating_abs().max(about.theirs_minor.saturating_abs());
    let booked_minor = booked_minor(case, resolution);
    let is_unknown = about.is_gone || about.kind == Kind::Suspense;
    match about.kind.group() {
        Group::Totals | Group::File => difference_minor.saturating_abs().max(UNPROVEN_MINOR_MAX),
        _ if whole_minor == 0 => UNPROVEN_MINOR_MAX,
        _ if is_unknown || (difference_minor == 0 && booked_minor == 0) => whole_minor,
        _ if resolution == Resolution::Refund && difference_minor == 0 => (whole_minor - booked_minor).max(0),
        _ if resolution == Resolution::Refund => (difference_minor.saturating_abs() - booked_minor).max(0),
        _ => open_minor(case, beside, difference_minor).saturating_abs(),
    }
}
