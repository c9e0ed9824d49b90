//! The tests of cards, registry, PINs, keys and links, in one program in which one rule at a time is broken (docs/mutants.md): the
//! tests that docs/security.md names beside a broken rule have to fail.
//!
//! The tests are those of the crates themselves, by their files: the program `atm-switch`, which the crate of links builds
//! beside its tests, refuses to be built with broken rules.
#![allow(clippy::unwrap_used)]
// What the tests of one crate share is in each of them.
#![allow(clippy::duplicate_mod)]

#[path = "../../../simulators/tests/chip.rs"]
mod chip;
#[path = "../../../switch/server/tests/config.rs"]
mod config;
#[path = "../../../switch/hsm/tests/software/main.rs"]
mod hsm_software;
#[path = "../../../switch/keys/tests/key_blocks.rs"]
mod key_blocks;
#[path = "../../../switch/processor/tests/key_exchange.rs"]
mod key_exchange;
#[path = "../../../switch/processor/tests/key_offers.rs"]
mod key_offers;
#[path = "../../../switch/server/tests/links/main.rs"]
mod links;
#[path = "../../../switch/processor/tests/money.rs"]
mod money;
#[path = "../../../switch/processor/tests/overload.rs"]
mod overload;
#[path = "../../../simulators/tests/payshield.rs"]
mod payshield;
#[path = "../../../switch/processor/tests/pin.rs"]
mod pin;
#[path = "../../../switch/keys/tests/pin_blocks.rs"]
mod pin_blocks;
#[path = "../../../switch/server/tests/proofs.rs"]
mod proofs;
#[path = "../../../switch/server/tests/registry.rs"]
mod registry;
#[path = "../../../switch/credential/tests/revocation.rs"]
mod revocation;
#[path = "../scenarios/main.rs"]
mod scenarios;
#[path = "../../../switch/credential/tests/sod.rs"]
mod sod;
#[path = "../../../switch/processor/tests/stand_in.rs"]
mod stand_in;
#[path = "../../../switch/processor/tests/surroundings.rs"]
mod surroundings;
#[path = "../../../switch/processor/tests/used_signature.rs"]
mod used_signature;

use mutant::{Mutant, each_is_missed};

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(MISSED_BY);
}

/// Each broken rule, and the tests that miss it.
const MISSED_BY: &[(Mutant, &[&str])] = &[
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
    (Mutant::Dg1Unsigned, &["chip::forgeries_are_refused_each_by_its_reason"]),
    (Mutant::ListOfAnybodyTaken, &["revocation::no_byte_of_a_list_can_be_flipped_unnoticed"]),
    (Mutant::ListOfAPartTaken, &["revocation::only_an_authoritys_whole_list_is_taken"]),
    (Mutant::OldListServes, &["revocation::a_missing_or_old_list_refuses_or_is_told_but_never_unsaid"]),
    (
        Mutant::VerdictOfBeforeHolds,
        &[
            "sod::the_cache_is_bounded_and_forgets_what_no_longer_holds",
            "chip::a_known_sod_counts_only_for_its_digest_and_its_authorities",
        ],
    ),
    (Mutant::CitizenStatusIgnored, &["registry::refusals_carry_their_code_and_their_evidence"]),
    (Mutant::CardStatusIgnored, &["registry::refusals_carry_their_code_and_their_evidence"]),
    (Mutant::CashWithoutMatch, &["money::the_verifiers_verdict_becomes_the_code"]),
    (Mutant::SilenceVouches, &["money::the_verifiers_verdict_becomes_the_code"]),
    (
        Mutant::RegistryWaitedFor,
        &["registry::a_registry_that_is_slow_or_silent_is_waited_for_no_longer_than_configured"],
    ),
    (
        Mutant::SpoiledIsAway,
        &[
            "registry::only_a_registry_that_is_not_there_is_away",
            "registry::whoever_is_not_the_registry_is_not_away",
            "registry::a_registry_that_was_left_alone_for_spoiled_answers_is_not_away",
        ],
    ),
    (Mutant::RefusalAfterwardsIgnored, &["stand_in::a_refusal_afterwards_waits_for_a_person"]),
    (
        Mutant::PinBlockOfAnything,
        &[
            "pin_blocks::another_pan_in_format_4_is_refused",
            "pin_blocks::another_key_or_format_is_told_like_another_pan",
            "hsm_software::translate::a_pin_goes_from_a_terminals_key_to_a_banks_in_any_two_formats",
        ],
    ),
    (Mutant::PinLeftOutTaken, &["pin::what_has_no_pin_is_55_and_what_has_two_is_30_before_anybody_is_asked"]),
    (Mutant::PinPassedOver, &["pin::a_pin_that_cannot_be_translated_ends_without_a_debit"]),
    (
        Mutant::KeyBlockUnsigned,
        &[
            "key_blocks::every_single_bit_flip_is_refused",
            "hsm_software::life::behind_the_last_version_a_new_exchange_key_begins_them_anew_at_both_ends",
        ],
    ),
    (Mutant::ExchangeKeyComesBack, &["hsm_software::life::no_exchange_key_comes_back"]),
    (
        Mutant::KeyUsageIgnored,
        &[
            "key_blocks::another_usage_is_refused_after_the_mac",
            "hsm_software::exchange::keys_travel_between_two_modules_and_none_comes_back",
        ],
    ),
    (
        Mutant::KeyComesBack,
        &[
            "key_blocks::an_older_version_is_refused",
            "hsm_software::exchange::keys_travel_between_two_modules_and_none_comes_back",
        ],
    ),
    (
        Mutant::ExchangeKeyOfTwo,
        &[
            "hsm_software::exchange::a_key_that_another_owner_has_or_had_is_refused_whichever_way_it_comes",
            "hsm_software::exchange::no_key_of_a_terminals_is_anothers",
        ],
    ),
    (
        Mutant::KeyOfAnotherAlgorithm,
        &["hsm_software::exchange::a_key_that_could_not_serve_or_leaves_none_behind_it_is_not_taken"],
    ),
    (
        Mutant::KeyThatMayNotServe,
        &[
            "hsm_software::exchange::a_key_that_could_not_serve_or_leaves_none_behind_it_is_not_taken",
            "hsm_software::exchange::the_mode_of_use_in_a_block_says_which_directions_macs_a_key_is_for",
        ],
    ),
    (
        Mutant::KeyVersionJumps,
        &["hsm_software::exchange::a_key_that_could_not_serve_or_leaves_none_behind_it_is_not_taken"],
    ),
    (
        Mutant::VersionStandsStill,
        &[
            "hsm_software::life::behind_the_last_version_a_new_exchange_key_begins_them_anew_at_both_ends",
            "payshield::keys_are_made_handed_over_and_rotated_and_none_comes_back",
        ],
    ),
    (
        Mutant::VersionsNeverAnew,
        &[
            "hsm_software::life::behind_the_last_version_a_new_exchange_key_begins_them_anew_at_both_ends",
            "payshield::behind_the_last_version_a_new_exchange_key_begins_them_anew",
        ],
    ),
    (
        Mutant::KeyRollsBack,
        &[
            "hsm_software::exchange::a_key_that_could_not_serve_or_leaves_none_behind_it_is_not_taken",
            "payshield::keys_are_made_handed_over_and_rotated_and_none_comes_back",
        ],
    ),
    (
        Mutant::OldKeyEndsUnseen,
        &["hsm_software::life::the_day_of_an_old_mac_key_begins_when_its_owner_is_seen_to_use_the_new_one"],
    ),
    (Mutant::OwnerExchangesAtOnce, &["key_exchange::an_owner_has_one_exchange_at_a_time"]),
    (Mutant::CertificateNotAsked, &["links::tls::openssl_is_let_in_with_tls_1_3_and_a_certificate_alone"]),
    (
        Mutant::RegistryOfAnybody,
        &["registry::tls_is_checked_on_both_ends", "registry::whoever_is_not_the_registry_is_not_away"],
    ),
    (Mutant::BankOfAnybody, &["links::tls::a_bank_has_to_be_who_it_is_said_to_be"]),
    (Mutant::OldDoorKept, &["links::tls::another_door_lets_in_others_and_leaves_open_connections_alone"]),
    (Mutant::BadCertificatePassedOver, &["config::each_mistake_in_tls_files_is_named_with_its_place"]),
    (Mutant::ClearLinkAnywhere, &["config::each_mistake_is_named_with_its_place"]),
    (
        Mutant::RepeatsExecuted,
        &[
            "money::repeats_are_silence_while_it_runs_and_the_stored_answer_after",
            "scenarios::terminals::request_said_again_after_a_restart",
        ],
    ),
    (
        Mutant::OtherContentAccepted,
        &[
            "money::other_content_under_a_known_key_is_94",
            "scenarios::terminals::request_with_other_content_under_a_known_key",
        ],
    ),
    (
        Mutant::ForgedAnswerAccepted,
        &["scenarios::banks::answer_with_a_wrong_mac", "scenarios::operators::terminals_wrong_mac"],
    ),
    (Mutant::EchoSkipsAmount, &["money::an_answer_with_another_echo_is_96_and_a_reversal"]),
    (Mutant::AnswerFromAnotherBank, &["money::answers_that_belong_to_nothing_change_nothing"]),
    (
        Mutant::AdvicesUnbounded,
        &["overload::advices_of_nothing_known_are_bounded_and_what_ends_a_transaction_never_is"],
    ),
    (
        Mutant::UnknownOriginalWithoutTombstone,
        &[
            "money::a_reversal_without_an_original_burns_the_key",
            "scenarios::terminals::reversal_whose_original_is_unknown",
        ],
    ),
    (Mutant::AdviceTakenTwice, &["scenarios::terminals::reversal_said_again"]),
    (
        Mutant::PaidOutReversed,
        &[
            "money::advices_against_the_state_are_taken_and_flagged",
            "scenarios::terminals::reversal_of_a_completed_transaction",
        ],
    ),
    (Mutant::ReversalOfMoreTaken, &["money::advices_against_the_state_are_taken_and_flagged"]),
    (Mutant::ReferenceServesTwice, &["money::a_reference_is_bound_and_consumed"]),
    (
        Mutant::NoReversalOnTimeout,
        &["money::a_bank_that_is_silent_is_91_and_a_reversal_until_it_acknowledges"],
    ),
    (Mutant::LimitIgnoresInFlight, &["surroundings::limits_count_what_is_durable_and_what_is_in_flight"]),
    (Mutant::StandInOverFloor, &["stand_in::what_is_out_of_one_bound_is_91_without_a_debit"]),
    (Mutant::StandInWithoutStatus, &["stand_in::what_is_out_of_one_bound_is_91_without_a_debit"]),
    (Mutant::StandInTwice, &["stand_in::one_at_a_time_of_each_citizen_and_so_many_in_all"]),
    (
        Mutant::SignatureServesTwice,
        &[
            "used_signature::a_replayed_signature_is_63_without_a_question",
            "used_signature::a_replayed_signature_is_63_behind_a_restart",
        ],
    ),
    (Mutant::TerminalTakesAllProofs, &["used_signature::one_terminal_takes_its_share_of_the_memory_alone"]),
    (Mutant::ForeignAnswered, &["surroundings::what_has_no_key_is_answered_and_not_recorded"]),
    (Mutant::KeyUsedUnconfirmed, &["key_offers::an_owner_that_refuses_or_has_another_key_is_told_of"]),
];
