//! How much of a refund or adjustment a case bears out.

use reconciliation::{CaseId, Group, Kind, LineId};

use super::Refused;
use super::case::{Case, booked_minor};
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

/// The case bears out a refund or adjustment: it goes the way of what is open, and is no more.
///
/// Of a transaction of a bank at a terminal it is known who owes more: an adjustment that goes the other way would make the difference twice as large.
/// Of cash nobody knows it, nor of what has no end: no day counts it. Totals may count pieces, and what is gone comes to nothing.
pub(super) fn is_borne_out(
    case: Option<&Case>,
    about: &About,
    resolution: Resolution,
    amount_minor: i64,
) -> Result<(), Refused> {
    let is_known =
        about.bank.is_some() && about.terminal.is_some() && !about.is_gone && about.kind != Kind::Suspense;
    let open_minor = about.difference_minor() - booked_minor(case, Resolution::Adjustment);
    let is_adjusted = is_known && resolution == Resolution::Adjustment;
    if is_adjusted && open_minor.signum() * amount_minor.signum() < 0 {
        return Err(Refused::OtherWay { amount_minor, open_minor });
    }
    let most_minor = most_minor(case, about, resolution);
    if amount_minor.saturating_abs() > most_minor {
        return Err(Refused::AboveOpen { amount_minor, most_minor });
    }
    Ok(())
}

/// The most that a case bears out, without sign: what is open of it; where the sides agree in amount, or nobody knows which of them is right, what it
/// comes to; of totals what they differ by, and there, of files and of what comes to nothing, [`UNPROVEN_MINOR_MAX`].
fn most_minor(case: Option<&Case>, about: &About, resolution: Resolution) -> i64 {
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
        _ => difference_minor.saturating_sub(booked_minor).saturating_abs(),
    }
}
