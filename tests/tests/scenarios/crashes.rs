//! Rows about the switch's own machine: crashes, the disk, its syncs.

use simulators::bank::Fault;
use simulators::terminal::{self, Steps, What};
use tests::simulation::script::{Setup, Step, Visit};

use super::{
    AMOUNT, AMOUNT_VND, Expected, balance_at, bank, check, on, withdrawal, withdrawal_at, withdrawal_with,
};

/// What comes to nothing before INTENT is executed when it is said again.
fn executed() -> Expected {
    Expected {
        terminal: "0210 00, 0230 00",
        bank: "0200 A -> 00",
        log: "INTENT OUTCOME COMPLETE",
        net_vnd: AMOUNT_VND,
        cash_vnd: AMOUNT_VND,
        ..Expected::default()
    }
}

#[test]
fn crash_while_the_registry_is_asked() {
    check([on("asks the registry", Step::Kill), withdrawal()], executed());
}

#[test]
fn power_loss_before_intent_is_durable() {
    check([on("append INTENT", Step::PowerLoss), withdrawal()], executed());
}

/// A terminal that has asked again takes back whatever is not 00: hence the 0430.
fn reversed_at_the_restart(bank: &'static str) -> Expected {
    Expected {
        terminal: "0210 91, 0430 00",
        bank,
        log: "INTENT REVERSAL REVERSED NOTE",
        order: &[
            "durable INTENT",
            "stops",
            "starts",
            "append REVERSAL",
            "durable REVERSAL",
            "hears 0201",
            "says 0210 91",
        ],
        ..Expected::default()
    }
}

#[test]
fn crash_between_intent_and_send() {
    check([on("durable INTENT", Step::Kill), withdrawal()], reversed_at_the_restart("0420 A 68 -> 25"));
}

#[test]
fn crash_between_intent_and_outcome() {
    check(
        [on("says 0200", Step::Kill), withdrawal()],
        reversed_at_the_restart("0200 A -> 00, 0420 B 68 -> 00"),
    );
}

#[test]
fn power_loss_between_intent_and_outcome() {
    check(
        [on("says 0200", Step::PowerLoss), withdrawal()],
        reversed_at_the_restart("0200 A -> 00, 0420 B 68 -> 00"),
    );
}

#[test]
fn power_loss_before_outcome_is_durable() {
    check(
        [on("append OUTCOME", Step::PowerLoss), withdrawal()],
        reversed_at_the_restart("0200 A -> 00, 0420 B 68 -> 00"),
    );
}

#[test]
fn crash_after_outcome() {
    check([on("durable OUTCOME", Step::Kill), withdrawal()], executed());
}

#[test]
fn power_loss_after_outcome() {
    check([on("durable OUTCOME", Step::PowerLoss), withdrawal()], executed());
}

#[test]
fn crash_while_a_reversal_is_under_way() {
    check(
        [bank(200, Fault::Silent), on("says 0420", Step::PowerLoss), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00, 0421 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

#[test]
fn fsync_slow_and_the_terminal_still_waits() {
    check(
        [Step::SyncSlow("OUTCOME", 11_000), withdrawal()],
        Expected {
            terminal: "0210 91",
            bank: "0200 A -> 00, 0420 B 68 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            order: &[
                "append OUTCOME",
                "append REVERSAL",
                "durable OUTCOME",
                "durable REVERSAL",
                "says 0210 91",
            ],
            ..Expected::default()
        },
    );
}

/// Its 0420 and the two repeats of it wait for the disk as everything does, and each has its answer.
#[test]
fn fsync_slow_and_the_terminal_takes_it_back() {
    check(
        [Step::SyncSlow("OUTCOME", 20_000), withdrawal()],
        Expected {
            terminal: "0210 91, 0430 00, 0430 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 68 -> 00",
            log: "INTENT OUTCOME REVERSAL NOTE REVERSED",
            order: &["append OUTCOME", "append REVERSAL", "hears 0420", "durable REVERSAL", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn fsync_slow_before_the_bank_is_asked() {
    check(
        [Step::SyncSlow("INTENT", 11_000), withdrawal()],
        Expected {
            terminal: "0210 91",
            log: "INTENT DECLINED",
            order: &["append INTENT", "append DECLINED", "durable DECLINED", "says 0210 91"],
            ..Expected::default()
        },
    );
}

#[test]
fn fsync_fails_before_the_bank_is_asked() {
    check(
        [on("append INTENT", Step::SyncFails), withdrawal()],
        Expected {
            order: &["append INTENT", "stops", "starts", "append REVERSAL", "says 0210 91"],
            ..reversed_at_the_restart("0420 A 68 -> 25")
        },
    );
}

#[test]
fn fsync_fails_after_the_bank_has_approved() {
    check(
        [on("append OUTCOME", Step::SyncFails), withdrawal()],
        Expected { order: &["append OUTCOME", "stops", "starts", "says 0210 00"], ..executed() },
    );
}

/// A log whose segment is as good as full, on a disk that has no room for another one behind the next.
fn nearly_full() -> Setup {
    Setup { terminals: 2, log_nearly_full: true, ..Setup::default() }
}

#[test]
fn disk_full_and_a_new_request() {
    check(
        (
            nearly_full(),
            [
                Step::DiskFull(true),
                withdrawal(),
                Step::Wait(3_000),
                withdrawal(),
                Step::Wait(3_000),
                balance_at(1),
            ],
        ),
        Expected {
            terminal: "0210 00, 0230 00, 0210 96, 0210 96",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            ..Expected::default()
        },
    );
}

/// What was under way when the disk filled is approved, completed or reversed in what is left of the log.
#[test]
fn disk_full_and_a_reversal() {
    check(
        (
            nearly_full(),
            [
                Step::DiskFull(true),
                bank(200, Fault::Late(3_000)),
                withdrawal_with(terminal::Fault::DispensePart { notes: 1 }),
                Step::Wait(1_500),
                balance_at(1),
            ],
        ),
        Expected {
            terminal: "0210 96, 0210 00, 0430 00",
            bank: "0200 A -> 00, 0420 B 32 left 500000 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED",
            net_vnd: 500_000,
            cash_vnd: 500_000,
            order: &[
                "says 0210 96",
                "append OUTCOME",
                "says 0210 00",
                "append REVERSAL",
                "says 0430 00",
                "durable REVERSED",
            ],
            ..Expected::default()
        },
    );
}

#[test]
fn disk_full_and_a_completion() {
    check(
        (
            nearly_full(),
            [
                Step::DiskFull(true),
                bank(200, Fault::Late(3_000)),
                withdrawal(),
                Step::Wait(1_500),
                balance_at(1),
            ],
        ),
        Expected {
            terminal: "0210 96, 0210 00, 0230 00",
            bank: "0200 A -> 00",
            log: "INTENT OUTCOME COMPLETE",
            net_vnd: AMOUNT_VND,
            cash_vnd: AMOUNT_VND,
            order: &["says 0210 96", "append OUTCOME", "says 0210 00", "append COMPLETE", "says 0230 00"],
            ..Expected::default()
        },
    );
}

/// Who was verified before is refused like anybody new, and nothing is recorded of it: what is left of the log is for what
/// was asked of a bank.
#[test]
fn disk_full_between_the_two_steps() {
    let steps = |terminal| {
        Step::Visit(Visit {
            terminal,
            citizen: 3,
            what: What::Withdrawal,
            amount_vnd: AMOUNT,
            steps: Steps::Two,
            fault: None,
        })
    };
    check(
        (nearly_full(), [Step::DiskFull(true), steps(0), Step::Wait(3_000), steps(1)]),
        Expected {
            terminal: "0110 00, 0210 96, 0110 96",
            bank: "",
            log: "VERIFICATION",
            ..Expected::default()
        },
    );
}

/// Four machines come back at once to a switch that was killed while it had asked the bank for all four: it has recovered
/// before it hears any.
#[test]
fn everyone_reconnects_at_once() {
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
                Step::Kill,
            ],
        ),
        Expected {
            terminal: "0210 91, 0430 00, 0210 91, 0430 00, 0210 91, 0430 00, 0210 91, 0430 00",
            bank: "0200 A, 0200 B, 0200 C, 0200 D, 0420 E 68 -> 00, 0420 F 68 -> 00, 0420 G 68 -> 00, 0420 H 68 -> 00",
            log: "INTENT REVERSAL REVERSED NOTE / INTENT REVERSAL REVERSED NOTE / INTENT REVERSAL REVERSED NOTE / INTENT \
                  REVERSAL REVERSED NOTE",
            order: &[
                "stops",
                "starts",
                "append REVERSAL",
                "append REVERSAL",
                "append REVERSAL",
                "append REVERSAL",
                "hears 0201",
                "hears 0201",
                "hears 0201",
                "hears 0201",
            ],
            ..Expected::default()
        },
    );
}
