//! The tests of this program that docs/security.md names, with a rule broken (docs/mutants.md): each has to fail.

use mutant::{Mutant, each_is_missed};

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(&[(Mutant::BytesBehindTaken, &["refused::ascii", "corpus::messages"])]);
}
