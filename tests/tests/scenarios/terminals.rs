//! Rows about terminals: what they say again, take back, claim, and what they do no more.

use iso8583::Message;
use processor::Suspense;
use simulators::bank::Fault;
use simulators::terminal::{self, Point};
use tests::simulation::script::{Bend, Hand, Step, Way};

use super::{AMOUNT, AMOUNT_VND, Expected, bank, check, lost, on, withdrawal, withdrawal_with};

fn unchanged(_: &mut Message) {}

fn another_amount(message: &mut Message) {
    message.set_number(4, AMOUNT + 50_000, 12);
}

/// The hand-held terminal says the 0200 again.
fn says_0201() -> Step {
    Step::Hand(Hand::Again(200, 201, unchanged))
}

fn says_0200() -> Step {
    Step::Hand(Hand::Again(200, 200, unchanged))
}

#[test]
fn terminal_gone_for_good_before_its_answer() {
    check(
        [withdrawal_with(terminal::Fault::Die { at: Point::BeforeAnswer })],
        Expected {
            terminal: "0210 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME NOTE",
            suspense: Some(Suspense::Age),
            alarms: "Suspended",
            net_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// Its advice comes after the age and clears the flag.
fn gone_past_the_age(advice: u16, hand: &'static str, bank: &'static str, log: &'static str, net_vnd: i64) {
    check(
        [
            withdrawal_with(terminal::Fault::Die { at: Point::BeforeAnswer }),
            Step::Wait(400_000),
            Step::Hand(Hand::Advice(advice, None, unchanged)),
        ],
        Expected {
            terminal: "0210 00",
            hand,
            bank,
            log,
            alarms: "Suspended",
            net_vnd,
            // The hand-held terminal has no cassettes.
            judged: false,
            ..Expected::default()
        },
    );
}

#[test]
fn completion_past_the_age() {
    gone_past_the_age(220, "0230 00", "0200 A -> 00", "INTENT OUTCOME NOTE COMPLETE", AMOUNT_VND);
}

#[test]
fn reversal_past_the_age() {
    gone_past_the_age(
        420,
        "0430 00",
        "0200 A -> 00, 0420 B 22 -> 00",
        "INTENT OUTCOME NOTE REVERSAL REVERSED",
        0,
    );
}

#[test]
fn terminal_gone_before_its_answer_asks_again() {
    check(
        [withdrawal_with(terminal::Fault::LoseLink { at: Point::BeforeAnswer, give_up: false })],
        Expected {
            terminal: "0210 00, 0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// Its sign-on says in DE48 that nothing has left, and counts as the 0420; the 0420 itself comes after it.
#[test]
fn terminal_gone_before_its_answer_takes_it_back() {
    check(
        [withdrawal_with(terminal::Fault::LoseLink { at: Point::BeforeAnswer, give_up: true })],
        Expected {
            terminal: "0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 22 -> 00",
            log: "INTENT OUTCOME REVERSAL NOTE REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn no_cash_dispensed() {
    check(
        [withdrawal_with(terminal::Fault::DispenseNothing)],
        Expected {
            terminal: "0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 22 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn cash_not_taken() {
    check(
        [withdrawal_with(terminal::Fault::NotTaken)],
        Expected {
            terminal: "0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 17 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn part_dispensed() {
    check(
        [withdrawal_with(terminal::Fault::DispensePart { notes: 2 })],
        Expected {
            terminal: "0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 32 left 700000 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            net_vnd: 700_000,
            cash_vnd: 700_000,
            ..Expected::default()
        },
    );
}

#[test]
fn reversal_before_the_bank_has_answered() {
    check(
        [
            bank(200, Fault::Late(4_000)),
            withdrawal_with(terminal::Fault::LoseLink { at: Point::AfterRequest, give_up: true }),
        ],
        Expected {
            terminal: "0430 00",
            bank: "0200 A -> 00, 0420 B 68 -> 00, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED REVERSAL REVERSED",
            alarms: "LateApproval",
            order: &["append REVERSAL", "says 0430 00", "hears 0210 00"],
            ..Expected::default()
        },
    );
}

#[test]
fn reversal_while_the_registry_is_asked() {
    check(
        [on("asks the registry", Step::Hand(Hand::Advice(420, None, unchanged))), withdrawal()],
        Expected { terminal: "0430 00", hand: "0430 00", log: "TOMBSTONE NOTE", ..Expected::default() },
    );
}

#[test]
fn reversal_of_a_declined_transaction() {
    check(
        [
            bank(200, Fault::Decline(*b"51")),
            withdrawal(),
            Step::Wait(2_000),
            Step::Hand(Hand::Advice(420, None, unchanged)),
        ],
        Expected {
            terminal: "0210 51",
            hand: "0430 00",
            bank: "0200 A -> 51",
            log: "INTENT DECLINED NOTE",
            ..Expected::default()
        },
    );
}

#[test]
fn reversal_of_a_completed_transaction() {
    check(
        [withdrawal(), Step::Wait(2_000), Step::Hand(Hand::Advice(420, None, unchanged))],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0430 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE CLAIM",
            suspense: Some(Suspense::Claim),
            alarms: "Suspended",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// Its request comes later: the key is burnt.
#[test]
fn reversal_whose_original_is_unknown() {
    check(
        [lost(Way::TerminalToSwitch, 200), withdrawal(), Step::Wait(15_000), says_0200()],
        Expected { terminal: "0430 00", hand: "0210 94", log: "TOMBSTONE", ..Expected::default() },
    );
}

#[test]
fn reversal_said_again() {
    check(
        [lost(Way::SwitchToTerminal, 430), withdrawal_with(terminal::Fault::DispenseNothing)],
        Expected {
            terminal: "0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 22 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            order: &["hears 0420", "says 0430 00", "hears 0421", "says 0430 00"],
            ..Expected::default()
        },
    );
}

#[test]
fn completion_said_again() {
    check(
        [lost(Way::SwitchToTerminal, 230), withdrawal()],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            order: &["hears 0220", "says 0230 00", "hears 0221", "says 0230 00"],
            ..Expected::default()
        },
    );
}

/// Silence until the answer is there, and then one.
#[test]
fn request_said_again_while_it_runs() {
    check(
        [
            bank(200, Fault::Late(3_000)),
            Step::Net(Way::TerminalToSwitch, 200, 1, Bend::Doubled(2_000)),
            withdrawal(),
        ],
        Expected {
            terminal: "0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            order: &["says 0200", "hears 0200", "hears 0210 00", "says 0210 00"],
            ..Expected::default()
        },
    );
}

/// The answer goes where the question came from last; the machine itself hears none, and takes back what it does not know.
#[test]
fn request_said_again_as_0201_while_it_runs() {
    check(
        [bank(200, Fault::Silent), withdrawal(), Step::Wait(2_000), says_0201()],
        Expected {
            terminal: "0430 00",
            hand: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED NOTE",
            ..Expected::default()
        },
    );
}

#[test]
fn request_said_again_after_its_completion() {
    check(
        [withdrawal(), Step::Wait(2_000), says_0201(), says_0200()],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0210 00, 0210 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn request_said_again_after_its_decline() {
    check(
        [bank(200, Fault::Decline(*b"51")), withdrawal(), Step::Wait(2_000), says_0201()],
        Expected {
            terminal: "0210 51",
            hand: "0210 51",
            bank: "0200 A -> 51",
            log: "INTENT DECLINED",
            ..Expected::default()
        },
    );
}

#[test]
fn request_said_again_while_it_is_reversed() {
    check(
        [
            bank(200, Fault::Echo(4)),
            Step::Bank(420, 3, Fault::Silent),
            withdrawal(),
            Step::Wait(1_000),
            says_0201(),
        ],
        Expected {
            terminal: "0210 96",
            hand: "0210 96",
            bank: "0200 A -> 00, 0420 B 68, 0421 B 68, 0421 B 68, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "OtherEcho, ReversalSilent",
            ..Expected::default()
        },
    );
}

#[test]
fn request_said_again_after_its_reversal() {
    check(
        [bank(200, Fault::Echo(4)), withdrawal(), Step::Wait(2_000), says_0201()],
        Expected {
            terminal: "0210 96",
            hand: "0210 96",
            bank: "0200 A -> 00, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            alarms: "OtherEcho",
            ..Expected::default()
        },
    );
}

/// The terminal heard 00, took it back, and asks once more: 91.
#[test]
fn request_said_again_after_its_approval_was_taken_back() {
    check(
        [withdrawal_with(terminal::Fault::DispenseNothing), Step::Wait(2_000), says_0201()],
        Expected {
            terminal: "0210 00, 0430 00",
            hand: "0210 91",
            bank: "0200 A -> 00, 0420 B 22 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn request_said_again_after_a_restart() {
    check(
        [withdrawal(), Step::Wait(2_000), Step::PowerLoss, Step::Wait(2_000), says_0201()],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0210 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn request_with_other_content_under_a_known_key() {
    check(
        [withdrawal(), Step::Wait(2_000), Step::Hand(Hand::Again(200, 201, another_amount))],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0210 94",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            alarms: "OtherContent",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn request_with_other_content_while_the_first_runs() {
    check(
        [
            bank(200, Fault::Late(3_000)),
            withdrawal(),
            Step::Wait(1_000),
            Step::Hand(Hand::Again(200, 200, another_amount)),
        ],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0210 94",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            alarms: "OtherContent",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

#[test]
fn advice_with_other_content_under_a_known_key() {
    check(
        [
            withdrawal(),
            Step::Wait(2_000),
            Step::Hand(Hand::Again(220, 221, |advice| {
                advice.set_text(95, &format!("{:012}{:030}", 400_000, 0));
            })),
        ],
        Expected {
            terminal: "0210 00, 0230 00",
            hand: "0230 94",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            alarms: "OtherContent",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}
