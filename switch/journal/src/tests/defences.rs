//! The tests of this crate that docs/security.md names, with one rule at a time broken (docs/mutants.md): each has to fail.

use mutant::{Mutant, each_is_missed};

#[test]
fn each_rule_that_is_broken_is_missed() {
    each_is_missed(&[
        (
            Mutant::RecordFollowsNothing,
            &[
                "tests::harm::a_byte_edited_in_any_part_of_a_record_is_found_with_and_without_its_checksum_mended",
                "tests::harm::records_swapped_doubled_or_left_out_are_named",
            ],
        ),
        (
            Mutant::CutLogTaken,
            &[
                "tests::harm::a_tail_cut_at_a_records_boundary_is_found_by_the_note_or_else_by_the_kept_heads",
                "tests::harm::a_segment_that_is_gone_or_stands_elsewhere_is_named",
                "tests::harm::an_older_copy_of_the_whole_log_is_rolled_back_and_one_gone_on_with_is_replaced",
            ],
        ),
        (
            Mutant::ReplacedLogTaken,
            &["tests::harm::an_older_copy_of_the_whole_log_is_rolled_back_and_one_gone_on_with_is_replaced"],
        ),
        (
            Mutant::OldChainKeyTaken,
            &["tests::chains::what_an_old_k_log_chains_behind_a_newer_one_is_not_believed"],
        ),
        (Mutant::PersonalInClear, &["codec::tests::nothing_personal_stands_in_clear"]),
        (Mutant::SealedOpensAnywhere, &["codec::tests::what_is_sealed_opens_in_its_own_record_alone"]),
        (
            Mutant::HeadSignatureUnchecked,
            &["heads::tests::lines_are_read_as_they_are_written_and_no_byte_of_them_can_be_another"],
        ),
    ]);
}
