//! Rows about banks and the registry: silent, late, down, wrong, doubled.

use processor::{Config, StandIn, Suspense, Verdict};
use simulators::bank::Fault;
use tests::simulation::script::{Bend, Setup, Step, Way, away, refused, verified};

use super::{AMOUNT, AMOUNT_VND, Expected, bank, check, lost, on, withdrawal, withdrawal_at};

#[test]
fn nothing_goes_wrong() {
    check(
        [withdrawal()],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            order: &[
                "append INTENT",
                "durable INTENT",
                "says 0200",
                "append OUTCOME",
                "durable OUTCOME",
                "says 0210 00",
            ],
            ..Expected::default()
        },
    );
}

#[test]
fn bank_silent_past_its_deadline() {
    check(
        [bank(200, Fault::Silent), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            order: &["says 0200", "append REVERSAL", "durable REVERSAL", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn bank_that_never_got_the_request_keeps_a_tombstone() {
    check(
        [bank(200, Fault::Lost), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 25",
            log: "INTENT REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn late_approval_while_reversing() {
    check(
        [bank(200, Fault::Late(7_000)), Step::Bank(420, 2, Fault::Lost), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 00, 0420 B 68, 0421 B 68, 0421 B 68 -> 00",
            log: "INTENT REVERSAL NOTE REVERSED",
            alarms: "ReversalSilent, LateApproval",
            ..Expected::default()
        },
    );
}

#[test]
fn late_approval_of_a_reversed_transaction_reopens_its_reversal() {
    check(
        [bank(200, Fault::Late(7_000)), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 00, 0420 B 68 -> 00, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED REVERSAL REVERSED",
            alarms: "LateApproval",
            ..Expected::default()
        },
    );
}

#[test]
fn late_approval_of_a_declined_transaction() {
    check(
        [bank(200, Fault::DeclineThenTruth(*b"05", 3_000)), withdrawal()],
        Expected {
            terminal: "0210 57",
            bank: "0200 A -> 05 00, 0420 B 68 -> 00",
            log: "INTENT DECLINED REVERSAL REVERSED",
            alarms: "LateApproval",
            ..Expected::default()
        },
    );
}

#[test]
fn late_decline_while_reversing() {
    check(
        [
            bank(200, Fault::Decline(*b"05")),
            Step::Net(Way::BankToSwitch, 210, 1, Bend::Late(7_000)),
            Step::Bank(420, 2, Fault::Lost),
            withdrawal(),
        ],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 05, 0420 B 68, 0421 B 68, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "ReversalSilent, StrayAnswer",
            ..Expected::default()
        },
    );
}

#[test]
fn late_decline_of_a_reversed_transaction() {
    check(
        [
            bank(200, Fault::Decline(*b"05")),
            Step::Net(Way::BankToSwitch, 210, 1, Bend::Late(7_000)),
            withdrawal(),
        ],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 05, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "StrayAnswer",
            ..Expected::default()
        },
    );
}

#[test]
fn bank_link_down_before_the_request() {
    check(
        [Step::BankAway(0, 30_000), withdrawal()],
        Expected { terminal: "0210 91", log: "DECLINED", ..Expected::default() },
    );
}

#[test]
fn bank_link_down_between_intent_and_send() {
    check(
        [on("append INTENT", Step::BankAway(0, 30_000)), withdrawal()],
        Expected {
            terminal: "0210 91",
            log: "INTENT DECLINED",
            order: &["append INTENT", "append DECLINED", "durable DECLINED", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn link_lost_after_the_send() {
    check(
        [bank(200, Fault::Away(1_000)), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn link_lost_after_the_send_and_the_answer_comes_on_another() {
    check(
        (
            Setup { links: 2, ..Setup::default() },
            [bank(200, Fault::Late(1_000)), withdrawal(), Step::Wait(700), Step::LinkBreaks(0)],
        ),
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn registry_late() {
    check(
        [Step::Registry(verified(), 4_000), withdrawal()],
        Expected { terminal: "0210 91", log: "DECLINED", ..Expected::default() },
    );
}

#[test]
fn registry_down() {
    check(
        [Step::Registry(Verdict::Unavailable, 1), withdrawal()],
        Expected { terminal: "0210 91", log: "DECLINED", ..Expected::default() },
    );
}

/// Withdrawals of what the scenarios withdraw may go out while the registry is away.
fn stands_in(config: &mut Config) {
    config.stand_in = Some(StandIn {
        amount_minor_max: AMOUNT,
        status_age_ms_max: 3_600_000,
        owed_max: 1,
        ask_again_ms: 5_000,
    });
}

#[test]
fn registry_away_and_the_switch_stands_in() {
    check(
        [
            Step::Reconfigure(stands_in),
            Step::Registry(away(), 1),
            withdrawal(),
            Step::Wait(4_000),
            Step::Registry(Verdict::Unavailable, 1),
            Step::Wait(5_000),
            Step::Registry(verified(), 1),
        ],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE ASKED-AGAIN",
            alarms: "StoodIn",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn registry_that_was_away_refuses_afterwards() {
    check(
        [
            Step::Reconfigure(stands_in),
            Step::Registry(away(), 1),
            withdrawal(),
            Step::Wait(4_000),
            Step::Registry(refused("41"), 1),
        ],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE ASKED-AGAIN",
            alarms: "StoodIn, AskedAgain, Suspended",
            suspense: Some(Suspense::Claim),
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

fn registry_refuses(code: &str, terminal: &'static str) {
    check(
        [Step::Registry(refused(code), 1), withdrawal()],
        Expected { terminal, log: "DECLINED", ..Expected::default() },
    );
}

#[test]
fn registry_does_not_know_the_citizen() {
    registry_refuses("56", "0210 56");
}

#[test]
fn registry_refuses_a_lost_card() {
    registry_refuses("41", "0210 41");
}

#[test]
fn registry_refuses_an_expired_card() {
    registry_refuses("54", "0210 54");
}

#[test]
fn registry_refuses_what_is_not_permitted() {
    registry_refuses("57", "0210 57");
}

#[test]
fn registry_refuses_a_restricted_citizen() {
    registry_refuses("62", "0210 62");
}

#[test]
fn registry_refuses_the_proof() {
    registry_refuses("63", "0210 63");
}

#[test]
fn second_answer_that_says_the_same() {
    check(
        [bank(200, Fault::Twice), withdrawal()],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00 00",
            log: "INTENT OUTCOME COMPLETE",
            alarms: "StrayAnswer",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// A person decides whom to believe.
#[test]
fn second_answer_that_says_otherwise() {
    check(
        [bank(200, Fault::TruthThenDecline(*b"05", 3_000)), withdrawal()],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00 05",
            log: "INTENT OUTCOME COMPLETE NOTE",
            suspense: Some(Suspense::Claim),
            alarms: "BankSaysOtherwise, Suspended",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// A bank that refuses repeats with 94 has still its first answer to give.
#[test]
fn answer_that_the_request_was_seen_twice() {
    check(
        (
            Setup { repeats_refused: true, ..Setup::default() },
            [
                bank(200, Fault::Late(2_000)),
                Step::Net(Way::SwitchToBank, 200, 1, Bend::Doubled(500)),
                withdrawal(),
            ],
        ),
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A, 0200 A -> 94 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn answer_that_matches_nothing() {
    check(
        [
            bank(200, Fault::Silent),
            withdrawal(),
            Step::Wait(2_000),
            Step::BankSays(0, "00", |answer| {
                answer.set_text(11, "777777");
            }),
        ],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "StrayAnswer",
            order: &["hears 0210 00", "append REVERSAL", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn answer_from_another_bank() {
    check(
        [bank(200, Fault::Silent), withdrawal(), Step::Wait(2_000), Step::BankSays(1, "00", |_| ())],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "StrayAnswer",
            order: &["hears 0210 00", "append REVERSAL", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn answer_with_a_wrong_mac() {
    check(
        [Step::Net(Way::BankToSwitch, 210, 1, Bend::Forged), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 00, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "Forged",
            order: &["hears 0210 00", "append REVERSAL", "says 0210 91"],
            ..Expected::default()
        },
    );
}

fn other_echo(element: u8) {
    check(
        [bank(200, Fault::Echo(element)), withdrawal()],
        Expected {
            terminal: "0210 96",
            bank: "0200 A -> 00, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "OtherEcho",
            ..Expected::default()
        },
    );
}

#[test]
fn answer_with_another_amount() {
    other_echo(4);
}

#[test]
fn answer_with_another_rrn() {
    other_echo(37);
}

#[test]
fn answer_with_another_terminal() {
    other_echo(41);
}

#[test]
fn acknowledgement_of_the_reversal_is_lost() {
    check(
        [bank(200, Fault::Silent), lost(Way::BankToSwitch, 430), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "ReversalSilent",
            ..Expected::default()
        },
    );
}

#[test]
fn reversal_that_is_refused_is_sent_again() {
    check(
        [bank(200, Fault::Silent), bank(420, Fault::Decline(*b"96")), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 96, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "ReversalRefused",
            ..Expected::default()
        },
    );
}

/// Four reversals wait for a day; meanwhile the answer is 91. When the bank is back they go out through a window of three,
/// and who comes then is served between them.
#[test]
fn bank_down_for_a_day() {
    const DAY_MS: u64 = 86_400_000;
    check(
        (
            Setup { terminals: 4, ..Setup::default() },
            [
                Step::Bank(200, 1, Fault::Silent),
                withdrawal_at(0),
                withdrawal_at(1),
                withdrawal_at(2),
                withdrawal_at(3),
                Step::Wait(600),
                Step::BankAway(0, DAY_MS),
                Step::Wait(60_000),
                withdrawal(),
                Step::Wait(DAY_MS - 61_000),
                Step::Bank(200, 0, Fault::Silent),
                on("says 0420", withdrawal()),
                Step::Wait(10_000),
            ],
        ),
        Expected {
            terminal: "0210 91, 0210 91, 0210 91, 0210 91, 0210 91, 0210 00, 0230 00",
            bank: "0200 A, 0200 B, 0200 C, 0200 D, 0420 E 68 -> 00, 0420 F 68 -> 00, 0420 G 68 -> 00, 0420 H 68 -> 00, \
                   0200 I -> 00",
            log: "INTENT REVERSAL REVERSED / INTENT REVERSAL REVERSED / INTENT REVERSAL REVERSED / INTENT REVERSAL REVERSED / \
                  DECLINED / INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            order: &["says 0420", "says 0420", "says 0420", "hears 0430 00", "says 0420", "hears 0430 00"],
            ..Expected::default()
        },
    );
}
