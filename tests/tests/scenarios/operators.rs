//! Rows about clocks, days, numbers, configuration, keys, load and operators.

use simulators::bank::Fault;
use simulators::terminal;
use tests::simulation::script::{Bend, Blocked, Hand, Setup, Step, Way};

use super::{AMOUNT_VND, Expected, bank, check, withdrawal, withdrawal_at, withdrawal_with};

/// A withdrawal as it goes when nothing is the matter.
fn normal() -> Expected {
    Expected {
        terminal: "0210 00, 0230 00",
        bank: "0200 A -> 00",
        log: "INTENT OUTCOME COMPLETE",
        net_vnd: AMOUNT_VND,
        cash_vnd: AMOUNT_VND,
        ..Expected::default()
    }
}

/// The bank takes three seconds, and this happens after one.
fn in_flight(what: Step, expected: Expected) {
    check([bank(200, Fault::Late(3_000)), withdrawal(), Step::Wait(1_000), what], expected);
}

#[test]
fn wall_clock_jumps_ahead_in_flight() {
    in_flight(Step::Clock(600_000), normal());
}

#[test]
fn wall_clock_jumps_back_in_flight() {
    in_flight(Step::Clock(-600_000), normal());
}

/// The deadline comes in its own time, and what goes to the bank afterwards has no name from before.
#[test]
fn wall_clock_jumps_back_while_a_bank_is_silent() {
    check(
        [
            bank(200, Fault::Silent),
            withdrawal(),
            Step::Wait(1_000),
            Step::Clock(-600_000),
            Step::Wait(10_000),
            withdrawal(),
        ],
        Expected {
            terminal: "0210 91, 0210 91",
            bank: "0200 A, 0420 B 68 -> 00, 0200 C, 0420 D 68 -> 00",
            log: "INTENT REVERSAL REVERSED / INTENT REVERSAL REVERSED",
            ..Expected::default()
        },
    );
}

fn begins_at(start_ms: i64) {
    let town = Setup { start_ms, ..Setup::default() };
    check((town, [bank(200, Fault::Late(3_000)), withdrawal()]), normal());
}

/// Five seconds before it; the withdrawal begins after three.
#[test]
fn midnight_in_flight() {
    // 2026-03-10T23:59:55Z.
    begins_at(1_773_187_195_000);
}

#[test]
fn year_ends_in_flight() {
    // 2026-12-31T23:59:55Z.
    begins_at(1_798_761_595_000);
}

#[test]
fn leap_day_ends_in_flight() {
    // 2028-02-29T23:59:55Z.
    begins_at(1_835_481_595_000);
}

/// Local time is DE12 and DE13 alone, which are carried on and decide nothing.
#[test]
fn daylight_saving_sets_local_time_back() {
    check(
        [
            withdrawal(),
            Step::Wait(2_000),
            Step::Hand(Hand::Again(800, 800, |_| ())),
            Step::Wait(100),
            Step::Hand(Hand::Again(200, 200, |request| {
                request.set_text(11, "800001").set_text(12, "180003");
            })),
            Step::Wait(2_000),
            Step::Hand(Hand::Advice(220, None, |_| ())),
        ],
        Expected {
            hand: "0210 00, 0230 00",
            bank: "0200 A -> 00, 0200 B -> 00",
            log: "INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE",
            net_vnd: 2 * AMOUNT_VND,
            judged: false,
            ..normal()
        },
    );
}

/// That the bank's ledger and the log have the day of INTENT is for the judge.
#[test]
fn cutover_in_flight() {
    in_flight(Step::Cutover, Expected { log: "INTENT OUTCOME COMPLETE / CUTOVER", ..normal() });
}

#[test]
fn cutover_before_a_reversal() {
    check(
        [bank(200, Fault::Silent), withdrawal(), Step::Wait(1_000), Step::Cutover],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED / CUTOVER",
            ..Expected::default()
        },
    );
}

#[test]
fn stan_wraps() {
    let steps: Vec<Step> = (0..18).flat_map(|_| [withdrawal(), Step::Wait(1_500)]).collect();
    let scenario = super::Scenario { town: Setup { stan_wraps: true, ..Setup::default() }, steps };
    check(
        scenario,
        Expected {
            terminal: "0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, \
                       0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, \
                       0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, 0230 00, 0210 00, \
                       0230 00, 0210 00, 0230 00",
            bank: "0200 A -> 00, 0200 B -> 00, 0200 C -> 00, 0200 D -> 00, 0200 E -> 00, 0200 F -> 00, 0200 G -> 00, \
                   0200 H -> 00, 0200 I -> 00, 0200 J -> 00, 0200 K -> 00, 0200 L -> 00, 0200 M -> 00, 0200 N -> 00, \
                   0200 O -> 00, 0200 P -> 00, 0200 Q -> 00, 0200 R -> 00",
            log: "INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / \
                  INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / \
                  INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / \
                  INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE / \
                  INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE",
            net_vnd: 18 * AMOUNT_VND,
            cash_vnd: 18 * AMOUNT_VND,
            order: &["STANs come round"],
            ..Expected::default()
        },
    );
}

/// What is in flight keeps the five seconds that it was given; who comes after it meets the new limit.
#[test]
fn configuration_read_again_in_flight() {
    check(
        [
            bank(200, Fault::Late(3_000)),
            withdrawal(),
            Step::Wait(1_000),
            Step::Reconfigure(|config| {
                config.timers.issuer_response_ms_max = 1_000;
                config.limits.transaction_minor_max = 100_000;
            }),
            Step::Wait(5_000),
            withdrawal(),
        ],
        Expected {
            terminal: "0210 00, 0230 00, 0210 61",
            log: "INTENT OUTCOME COMPLETE / DECLINED",
            ..normal()
        },
    );
}

/// Nothing is recorded, and 63 itself is not believed, as long as the two ends have different keys; then all is as before.
#[test]
fn key_changed_at_one_end() {
    check(
        [
            Step::OtherKey(true),
            withdrawal(),
            Step::Wait(20_000),
            Step::OtherKey(false),
            Step::Wait(20_000),
            withdrawal(),
        ],
        Expected {
            terminal: "0430 00, 0210 00, 0230 00",
            log: "TOMBSTONE / INTENT OUTCOME COMPLETE",
            alarms: "Forged",
            ..normal()
        },
    );
}

#[test]
fn terminals_wrong_mac() {
    check(
        [Step::Net(Way::TerminalToSwitch, 200, 1, Bend::Forged), withdrawal()],
        Expected { terminal: "0210 63", alarms: "Forged", ..Expected::default() },
    );
}

fn room_for_one() -> Step {
    Step::Reconfigure(|config| config.limits.in_flight_max = 1)
}

/// The second request is refused before anything is recorded, and so are its repeats, also when there is room again.
#[test]
fn overload() {
    check(
        (
            Setup { terminals: 2, ..Setup::default() },
            [
                room_for_one(),
                bank(200, Fault::Late(3_000)),
                withdrawal(),
                Step::Wait(1_000),
                withdrawal_at(1),
                Step::Wait(500),
                Step::Hand(Hand::Again(200, 201, |_| ())),
                Step::Wait(5_000),
                Step::Hand(Hand::Again(200, 201, |_| ())),
            ],
        ),
        Expected { terminal: "0210 91, 0210 00, 0230 00", hand: "0210 91, 0210 91", ..normal() },
    );
}

#[test]
fn overload_and_a_completion() {
    check(
        (
            Setup { terminals: 2, ..Setup::default() },
            [
                room_for_one(),
                Step::Net(Way::TerminalToSwitch, 220, 1, Bend::Lost),
                withdrawal(),
                Step::Wait(1_000),
                bank(200, Fault::Late(3_000)),
                withdrawal_at(1),
            ],
        ),
        Expected {
            terminal: "0210 00, 0230 00, 0210 00, 0230 00",
            bank: "0200 A -> 00, 0200 B -> 00",
            log: "INTENT OUTCOME COMPLETE / INTENT OUTCOME COMPLETE",
            net_vnd: 2 * AMOUNT_VND,
            cash_vnd: 2 * AMOUNT_VND,
            order: &["says 0200", "says 0200", "hears 0221", "says 0230 00", "hears 0210 00"],
            ..Expected::default()
        },
    );
}

#[test]
fn overload_and_a_reversal() {
    check(
        (
            Setup { terminals: 2, ..Setup::default() },
            [
                room_for_one(),
                Step::Net(Way::TerminalToSwitch, 420, 1, Bend::Lost),
                withdrawal_with(terminal::Fault::DispenseNothing),
                Step::Wait(1_000),
                bank(200, Fault::Late(3_000)),
                withdrawal_at(1),
            ],
        ),
        Expected {
            terminal: "0210 00, 0430 00, 0210 00, 0230 00",
            bank: "0200 A -> 00, 0200 B -> 00, 0420 C 22 -> 00",
            log: "INTENT OUTCOME REVERSAL REVERSED / INTENT OUTCOME COMPLETE",
            order: &["says 0200", "says 0200", "hears 0421", "says 0430 00", "hears 0210 00"],
            ..normal()
        },
    );
}

fn blocked(what: Blocked, terminal: &'static str) {
    check(
        [
            Step::Block(what, true),
            Step::Wait(100),
            withdrawal(),
            Step::Wait(2_000),
            Step::Block(what, false),
            withdrawal(),
        ],
        Expected { terminal, log: "BLOCK / DECLINED / BLOCK / INTENT OUTCOME COMPLETE", ..normal() },
    );
}

#[test]
fn terminal_blocked() {
    blocked(Blocked::Terminal, "0210 57, 0210 00, 0230 00");
}

#[test]
fn bank_blocked() {
    blocked(Blocked::Bank, "0210 91, 0210 00, 0230 00");
}

#[test]
fn citizen_blocked() {
    blocked(Blocked::Citizen(3), "0210 62, 0210 00, 0230 00");
}

#[test]
fn terminal_blocked_in_flight() {
    in_flight(
        Step::Block(Blocked::Terminal, true),
        Expected { log: "INTENT OUTCOME COMPLETE / BLOCK", ..normal() },
    );
}

#[test]
fn bank_blocked_in_flight() {
    in_flight(
        Step::Block(Blocked::Bank, true),
        Expected { log: "INTENT OUTCOME COMPLETE / BLOCK", ..normal() },
    );
}

#[test]
fn citizen_blocked_in_flight() {
    in_flight(
        Step::Block(Blocked::Citizen(3), true),
        Expected { log: "INTENT OUTCOME COMPLETE / BLOCK", ..normal() },
    );
}

/// What is owed to a blocked bank goes on.
#[test]
fn bank_blocked_and_a_reversal() {
    check(
        [bank(200, Fault::Silent), withdrawal(), Step::Wait(1_000), Step::Block(Blocked::Bank, true)],
        Expected {
            terminal: "0210 91",
            bank: "0200 A, 0420 B 68 -> 00",
            log: "INTENT REVERSAL REVERSED / BLOCK",
            ..Expected::default()
        },
    );
}

/// The machine that was served last tells of its cash twice after the start: in DE48, then by its 0221. Hence the NOTE.
#[test]
fn drained() {
    check(
        (
            Setup { terminals: 2, ..Setup::default() },
            [bank(200, Fault::Late(3_000)), withdrawal(), Step::Wait(1_000), Step::Drain, withdrawal_at(1)],
        ),
        Expected {
            terminal: "0210 91, 0210 00, 0230 00",
            log: "INTENT OUTCOME COMPLETE NOTE / DECLINED",
            order: &["says 0210 91", "hears 0210 00", "says 0210 00", "stops", "starts", "says 0230 00"],
            ..normal()
        },
    );
}
