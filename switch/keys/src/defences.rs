//! The tests beside this crate's sources that docs/security.md names, with one rule at a time broken (docs/mutants.md): each has
//! to fail. Those of its directory `tests` are in tests/tests/defences/main.rs.

use mutant::{Mutant, each_is_missed};

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(&[
        (Mutant::AbsentMacAccepted, &["link::tests::an_absent_mac_and_two_macs_are_refused"]),
        (Mutant::MacNotChecked, &["link::tests::every_byte_is_covered_in_both_places_of_the_mac"]),
    ]);
}
