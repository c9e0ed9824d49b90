//! Rows about totals of a business day: said twice, lost with a crash, asked in vain, answered late.

use iso8583::Message;
use tests::simulation::script::{Bend, Hand, Step, Way};

use super::{AMOUNT_VND, Expected, check, withdrawal};

/// The hand-held terminal says what its acquirer's day comes to: one withdrawal, as the switch has it.
fn said() -> Step {
    Step::Hand(Hand::Again(800, 500, |message| {
        message.remove(48).remove(70).set_text(11, "800001").set_text(76, "0000000001");
        message.set_text(97, &format!("C{AMOUNT_VND:016}"));
    }))
}

fn said_again() -> Step {
    Step::Hand(Hand::Again(500, 501, |_: &mut Message| ()))
}

/// One withdrawal, and what else is seen.
fn one(expected: Expected) -> Expected {
    Expected {
        terminal: "0210 00, 0230 00",
        bank: if expected.bank.is_empty() { "0200 A -> 00" } else { expected.bank },
        net_vnd: AMOUNT_VND,
        cash_vnd: AMOUNT_VND,
        ..expected
    }
}

#[test]
fn totals_said_twice() {
    check(
        [withdrawal(), Step::Wait(3_000), said(), Step::Wait(1_000), said_again()],
        one(Expected {
            hand: "0510 00, 0510 00",
            log: "INTENT OUTCOME COMPLETE / TOTALS",
            ..Expected::default()
        }),
    );
}

#[test]
fn totals_said_twice_while_they_are_counted() {
    check(
        [withdrawal(), Step::Wait(3_000), said(), said_again()],
        one(Expected { hand: "0510 00", log: "INTENT OUTCOME COMPLETE / TOTALS", ..Expected::default() }),
    );
}

#[test]
fn power_lost_before_totals_are_durable() {
    check(
        [
            withdrawal(),
            Step::Wait(3_000),
            Step::On("append TOTALS", Box::new(Step::PowerLoss)),
            said(),
            Step::Wait(5_000),
            said_again(),
        ],
        one(Expected {
            hand: "0510 00",
            log: "INTENT OUTCOME COMPLETE / TOTALS",
            order: &["append TOTALS", "stops", "starts", "append TOTALS", "says 0510 00"],
            ..Expected::default()
        }),
    );
}

#[test]
fn killed_between_totals_and_their_answer() {
    check(
        [
            withdrawal(),
            Step::Wait(3_000),
            Step::On("durable TOTALS", Box::new(Step::Kill)),
            said(),
            Step::Wait(5_000),
            said_again(),
        ],
        one(Expected {
            hand: "0510 00",
            log: "INTENT OUTCOME COMPLETE / TOTALS",
            order: &["durable TOTALS", "stops", "starts", "says 0510 00"],
            ..Expected::default()
        }),
    );
}

/// The first bank is asked for its totals; behind a withdrawal its day ends.
fn day_ends<const N: usize>(before: [Step; N], behind: &[Step]) -> super::Scenario {
    let mut steps: Vec<Step> = before.into();
    steps.push(Step::Reconfigure(|config| {
        let is_first = |id: &processor::Institution| id.to_string() == "970418";
        let mut issuers = config.issuers.iter_mut();
        issuers.find(|(id, _)| is_first(id)).unwrap().1.totals = true;
    }));
    steps.extend([withdrawal(), Step::Wait(3_000), Step::Cutover, Step::Wait(500)]);
    steps.extend(behind.iter().cloned());
    super::Scenario { town: Default::default(), steps }
}

#[test]
fn bank_is_asked_for_its_totals() {
    check(
        day_ends([], &[]),
        one(Expected {
            bank: "0200 A -> 00, 0520 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS",
            order: &["append CUTOVER", "append TOTALS", "durable TOTALS", "says 0520", "hears 0530 00"],
            ..Expected::default()
        }),
    );
}

#[test]
fn answer_with_a_bank_s_totals_is_lost() {
    check(
        day_ends([Step::Net(Way::BankToSwitch, 530, 1, Bend::Lost)], &[]),
        one(Expected {
            bank: "0200 A -> 00, 0520 B -> 00, 0521 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS",
            ..Expected::default()
        }),
    );
}

/// Nine 0521 later it is given up; its answer comes all the same.
#[test]
fn bank_s_totals_come_late() {
    let rest = (2..=10).map(|number| Step::Net(Way::BankToSwitch, 530, number, Bend::Lost));
    let bends: Vec<Step> =
        std::iter::once(Step::Net(Way::BankToSwitch, 530, 1, Bend::Late(120_000))).chain(rest).collect();
    let mut scenario = day_ends([], &[Step::Wait(150_000)]);
    scenario.steps.splice(0..0, bends);
    check(
        scenario,
        one(Expected {
            bank: "0200 A -> 00, 0520 B -> 00, 0521 B -> 00, 0521 B -> 00, 0521 B -> 00, 0521 B -> 00, \
                   0521 B -> 00, 0521 B -> 00, 0521 B -> 00, 0521 B -> 00, 0521 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS / TOTALS",
            alarms: "TotalsUnanswered",
            ..Expected::default()
        }),
    );
}

#[test]
fn killed_between_cutover_and_the_question_for_totals() {
    check(
        day_ends([], &[Step::Kill]),
        one(Expected {
            bank: "0200 A -> 00, 0520 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS",
            order: &["append CUTOVER", "stops", "starts", "append TOTALS", "says 0520"],
            ..Expected::default()
        }),
    );
}

#[test]
fn power_lost_before_the_question_for_totals_is_durable() {
    check(
        day_ends([Step::On("append TOTALS", Box::new(Step::PowerLoss))], &[]),
        one(Expected {
            bank: "0200 A -> 00, 0520 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS",
            order: &["append TOTALS", "stops", "starts", "append TOTALS", "says 0520"],
            ..Expected::default()
        }),
    );
}

#[test]
fn killed_before_the_question_for_totals_is_sent() {
    check(
        day_ends([Step::On("durable TOTALS", Box::new(Step::Kill))], &[]),
        one(Expected {
            bank: "0200 A -> 00, 0521 B -> 00",
            log: "INTENT OUTCOME COMPLETE / CUTOVER / TOTALS / TOTALS",
            order: &["durable TOTALS", "stops", "starts", "says 0521", "hears 0530 00"],
            ..Expected::default()
        }),
    );
}
