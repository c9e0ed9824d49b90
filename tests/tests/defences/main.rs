//! The tests of chips, proofs, registry and links, in one program in which one rule at a time is broken (docs/mutants.md): the
//! test that docs/security.md names beside a broken rule has to fail.
//!
//! The tests are those of the crates themselves, by their files: the program `atm-switch`, which the crate of links builds
//! beside its tests, refuses to be built with broken rules.
#![allow(clippy::unwrap_used)]

#[path = "../../../simulators/tests/chip.rs"]
mod chip;
#[path = "../../../switch/server/tests/links/main.rs"]
mod links;
#[path = "../../../switch/server/tests/proofs.rs"]
mod proofs;
#[path = "../../../switch/server/tests/registry.rs"]
mod registry;
#[path = "../../../switch/credential/tests/revocation.rs"]
mod revocation;
#[path = "../../../switch/credential/tests/sod.rs"]
mod sod;

use std::process::Command;

use mutant::{BROKEN_RULE, Mutant};

/// Each broken rule, and the tests that miss it.
const MISSED_BY: [(Mutant, &[&str]); 21] = [
    (Mutant::PanOfAnotherCard, &["chip::forgeries_are_refused_each_by_its_reason"]),
    (Mutant::ExpiredCardTaken, &["chip::a_card_expires_with_its_last_day"]),
    (Mutant::ChipKeyUnsigned, &["chip::forgeries_are_refused_each_by_its_reason"]),
    (Mutant::ChipSignatureUnchecked, &["chip::a_signature_is_for_one_request_alone"]),
    (Mutant::SodSignatureUnchecked, &["sod::no_byte_can_be_flipped_unnoticed"]),
    (Mutant::SignerOfAnybody, &["sod::what_stands_behind_nobody_trusted_is_refused_by_kind"]),
    (Mutant::ExpiredSignerTaken, &["sod::certificates_are_valid_on_the_day"]),
    (
        Mutant::RevokedSignerTaken,
        &[
            "revocation::a_revoked_signer_is_refused_also_from_the_cache",
            "chip::a_revoked_signer_is_refused_whether_its_sod_is_sent_or_known",
        ],
    ),
    (Mutant::ProofOfAnotherTime, &["proofs::a_proof_is_of_now_and_of_a_known_terminal"]),
    (Mutant::RegistrySignatureUnchecked, &["registry::no_wrong_answer_is_believed"]),
    (Mutant::RegistryAnswerToAnother, &["registry::no_wrong_answer_is_believed"]),
    (Mutant::RegistryAnswerOfAnotherTime, &["registry::no_wrong_answer_is_believed"]),
    (Mutant::RegistryReferenceAgain, &["registry::no_wrong_answer_is_believed"]),
    (Mutant::VerifiedThoughDead, &["registry::no_wrong_answer_is_believed"]),
    (
        Mutant::RegistryAskedForEver,
        &["registry::a_registry_that_fails_too_often_is_left_alone_until_a_probe_is_answered"],
    ),
    (Mutant::CertificateSpeaksForAll, &["links::tls::a_certificate_speaks_for_its_terminals_alone"]),
    (
        Mutant::CertificateOfNobody,
        &["links::tls::a_certificate_that_names_nobody_of_ours_or_is_anothers_is_not_let_in"],
    ),
    (
        Mutant::AddressNotLookedAt,
        &["links::attacks::an_address_that_is_not_allowed_and_one_with_its_share_are_closed_unheard"],
    ),
    (
        Mutant::AddressTakesAll,
        &["links::attacks::an_address_that_is_not_allowed_and_one_with_its_share_are_closed_unheard"],
    ),
    (
        Mutant::SlowPeerKept,
        &["links::attacks::slow_silent_half_and_flooding_peers_are_closed_and_a_good_one_goes_on"],
    ),
    (Mutant::BytesWaitUnbounded, &["links::attacks::bytes_that_wait_for_a_peer_are_bounded"]),
];

/// Runs one test of this program in a process of its own, with a rule broken; whether it has passed. That it passes with none
/// broken shows this program itself: it holds the test.
fn passes(test: &str, broken: Mutant) -> bool {
    let mut program = Command::new(std::env::current_exe().unwrap());
    let output = program.args(["--exact", test]).env(BROKEN_RULE, broken.name()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("running 1 test\n"), "no test `{test}`: {said}");
    assert_eq!(output.status.success(), said.contains("1 passed; 0 failed"), "{said}");
    output.status.success()
}

#[test]
fn each_rule_that_is_broken_is_missed() {
    let all: Vec<(Mutant, &str)> =
        MISSED_BY.iter().flat_map(|(rule, tests)| tests.iter().map(|test| (*rule, *test))).collect();
    let half = all.len().div_ceil(2);
    std::thread::scope(|scope| {
        for some in all.chunks(half) {
            scope.spawn(move || {
                for (rule, test) in some {
                    assert!(!passes(test, *rule), "`{}` is broken, and {test} passes", rule.name());
                }
            });
        }
    });
}
