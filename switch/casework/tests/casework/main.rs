//! What people may do to cases, files and days, and that what they did is what is read back.

#![allow(clippy::unwrap_used)]

mod acts;
mod cases;
mod days;
mod files;
mod matching;
mod support;

/// Rules that are broken one at a time (docs/mutants.md), and the tests here that miss them.
#[cfg(feature = "mutants")]
#[test]
fn each_rule_that_is_broken_is_missed() {
    use mutant::Mutant;

    mutant::each_is_missed(&[
        (Mutant::OwnProposalChecked, &["cases::what_was_booked_is_taken_back_by_two"]),
        (Mutant::BookedUndoneByOne, &["cases::what_was_booked_is_taken_back_by_two"]),
        (Mutant::DebtBookedTwice, &["cases::one_debt_is_booked_once_whichever_case_shows_it"]),
    ]);
}
