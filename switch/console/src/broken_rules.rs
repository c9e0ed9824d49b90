//! Rules of the console, broken one at a time (docs/mutants.md): the test that docs/security.md names beside each has to fail.

use mutant::{Mutant, each_is_missed};

/// Each broken rule, and the tests of this crate that miss it.
const MISSED_BY: &[(Mutant, &[&str])] = &[
    (
        Mutant::RoleNotAsked,
        &[
            "tests::attacks::a_role_cannot_be_jumped_and_each_try_is_recorded",
            "tests::attacks::an_operator_cannot_follow_a_citizen_by_an_address",
            "tests::files::a_file_that_waits_is_its_persons_alone_and_is_read_for_those_who_may_hand_it_in",
        ],
    ),
    (
        Mutant::OwnProposalChecked,
        &["tests::cases::a_maker_never_checks_whatever_the_roles_and_the_try_is_recorded"],
    ),
    (Mutant::OtherProposalChecked, &["tests::cases::a_checker_approves_what_the_page_showed_or_nothing"]),
    (
        Mutant::BookedUndoneByOne,
        &["tests::cases::an_exception_is_worked_to_its_end_by_two_people_and_each_act_is_kept"],
    ),
    (
        Mutant::ProposalNotShown,
        &["tests::cases::a_checker_sees_of_each_proposal_what_it_comes_to_before_approving_many"],
    ),
    (Mutant::GoneApprovedInBulk, &["tests::cases::what_is_gone_is_left_out_of_a_bulk_approval_and_said"]),
    (Mutant::PageWithoutSession, &["tests::attacks::nobody_sees_a_page_without_a_session"]),
    (
        Mutant::FormFromElsewhere,
        &[
            "tests::attacks::a_form_from_elsewhere_or_without_its_token_is_refused_and_recorded",
            "tests::attacks::a_log_in_from_elsewhere_is_refused",
        ],
    ),
    (
        Mutant::FormWithoutToken,
        &["tests::attacks::a_form_from_elsewhere_or_without_its_token_is_refused_and_recorded"],
    ),
    (Mutant::HostNotLookedAt, &["tests::attacks::a_host_that_is_not_ours_gets_nothing"]),
    (Mutant::SessionOfAnyPlace, &["tests::attacks::a_stolen_session_is_no_use_elsewhere_and_ends"]),
    (Mutant::CookieInReach, &["tests::attacks::the_cookie_is_out_of_reach_of_scripts_and_of_other_sites"]),
    (
        Mutant::OldSessionKept,
        &["tests::attacks::a_session_id_that_somebody_else_has_chosen_is_not_taken_over"],
    ),
    (Mutant::SessionWithoutEnd, &["tests::attacks::a_session_ends_by_itself_and_by_logging_out"]),
    (Mutant::SessionKeptByPage, &["tests::attacks::a_session_ends_by_itself_and_by_logging_out"]),
    (Mutant::LogOutKeepsSession, &["tests::attacks::a_session_ends_by_itself_and_by_logging_out"]),
    (Mutant::ShutOutStaysIn, &["tests::attacks::whoever_is_shut_out_or_gets_another_password_is_logged_out"]),
    (
        Mutant::GuessesUnbounded,
        &[
            "tests::attacks::log_ins_are_bounded_for_each_person_with_a_stated_wait",
            "tests::attacks::guesses_for_many_names_from_one_house_wait_too",
        ],
    ),
    (Mutant::FailuresOfAddressUncounted, &["tests::attacks::guesses_for_many_names_from_one_house_wait_too"]),
    (Mutant::UnknownNameTold, &["tests::attacks::a_failed_log_in_does_not_tell_who_is_there"]),
    (Mutant::UnknownNameRecorded, &["tests::attacks::a_failed_log_in_does_not_tell_who_is_there"]),
    (
        Mutant::LooksUnbounded,
        &["tests::attacks::looks_and_searches_are_bounded_by_the_hour_and_a_new_session_is_no_way_around"],
    ),
    (Mutant::ExportsWithoutRest, &["exports::tests::an_export_waits_for_the_one_before_it_and_for_its_rest"]),
    (Mutant::LookWithoutReason, &["tests::attacks::a_full_number_is_shown_for_a_reason_and_recorded_first"]),
    (Mutant::LookNotRecorded, &["tests::attacks::a_full_number_is_shown_for_a_reason_and_recorded_first"]),
    (Mutant::NumberInAddress, &["tests::attacks::a_citizen_is_found_by_number_and_the_number_goes_nowhere"]),
    (
        Mutant::RrnShownAsItIs,
        &["tests::files::what_may_be_a_citizens_number_in_a_banks_column_of_rrns_is_masked"],
    ),
    (Mutant::FileNameShown, &["tests::files::what_may_be_a_citizens_number_in_a_files_name_is_masked"]),
    (Mutant::TextsNotEscaped, &["tests::attacks::what_terminals_send_cannot_become_a_tag"]),
    (Mutant::PolicyLeftOut, &["tests::pages::every_page_comes_in_both_languages_with_a_strict_policy"]),
    (
        Mutant::FormulaInACell,
        &["pages::export::tests::cells_are_quoted_where_they_must_be_and_none_is_a_formula"],
    ),
    (Mutant::BackToAnywhere, &["pages::problem::tests::whoever_comes_back_comes_back_to_the_console"]),
    (Mutant::BodyWaitedFor, &["tests::files::a_form_or_file_that_does_not_come_or_is_too_large_is_dropped"]),
    (Mutant::FormOfAnySize, &["tests::files::a_form_or_file_that_does_not_come_or_is_too_large_is_dropped"]),
    (Mutant::FileOfAnySize, &["tests::files::a_form_or_file_that_does_not_come_or_is_too_large_is_dropped"]),
    (Mutant::BrowserTakesAll, &["serve::tests::an_address_with_its_share_of_connections_gets_no_more"]),
    (
        Mutant::HouseOfManyAddresses,
        &[
            "address::tests::one_house_of_ipv6_is_one_network_and_an_ipv4_address_is_one_however_it_is_written",
            "tests::attacks::guesses_for_many_names_from_one_house_wait_too",
        ],
    ),
    (
        Mutant::WaitingFileOfAnybody,
        &["tests::files::a_file_that_waits_is_its_persons_alone_and_is_read_for_those_who_may_hand_it_in"],
    ),
    (
        Mutant::AuditChainUnchecked,
        &[
            "audit::tests::an_audit_that_was_edited_names_its_first_bad_line",
            "tests::attacks::the_audit_page_says_when_the_chain_is_broken",
        ],
    ),
];

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(MISSED_BY);
}
