//! The tests beside this crate's sources that docs/security.md names, with one rule at a time broken (docs/mutants.md): each has
//! to fail. Those of its directory `tests` are in tests/tests/defences/main.rs.

use mutant::{Mutant, each_is_missed};

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(&[
        (
            Mutant::JumpedClockOpensDay,
            &[
                "cutover::tests::a_clock_that_jumps_ahead_opens_no_day_before_its_time",
                "cutover::tests::a_restart_opens_no_day_that_a_clock_ahead_keeps_waiting",
                "day_clock::tests::a_jump_ahead_is_not_believed_until_the_clock_is_back",
            ],
        ),
        (
            Mutant::OlderLogStarted,
            &["heads::tests::a_start_refuses_what_is_shorter_or_other_than_was_signed"],
        ),
        (
            Mutant::EmptyPlaceIsFirstStart,
            &["heads::tests::a_second_place_that_is_not_mounted_is_an_alarm_and_no_first_start"],
        ),
        (Mutant::PlainAuditUnchecked, &["audit_file::tests::plain_lines_of_before_stay_and_are_vouched_for"]),
        (
            Mutant::AuditChainUnchecked,
            &["audit_file::tests::a_line_that_was_changed_cut_out_or_moved_is_named"],
        ),
        (
            Mutant::ListPutBackTaken,
            &[
                "trust::tests::a_list_that_is_put_there_is_taken_and_never_taken_away",
                "trust::tests::a_list_that_is_put_back_is_not_taken_behind_a_restart",
            ],
        ),
        (Mutant::CitizenStatusIgnored, &["registry::contract::tests::judged_in_the_order_of_the_contract"]),
        (Mutant::CardStatusIgnored, &["registry::contract::tests::judged_in_the_order_of_the_contract"]),
        (Mutant::RegistryMatchNotAsked, &["registry::contract::tests::judged_in_the_order_of_the_contract"]),
        (
            Mutant::OldKeyEndsUnseen,
            &["links::macs::tests::the_day_of_the_key_before_begins_at_the_first_message_under_the_new_one"],
        ),
        (
            Mutant::OldMacKeyForEver,
            &[
                "links::macs::tests::the_key_of_before_is_good_for_its_window_and_what_was_offered_is_accepted",
            ],
        ),
    ]);
}
