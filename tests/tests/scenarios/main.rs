//! Every row of the scenario table of docs/lifecycle.md, each alternative a test of its own: what goes wrong, then DE39
//! at the terminal, what the bank got, the records, the money.
//!
//! The simulated town plays them (`tests::simulation::script`): real codec, processor, log and recovery. Which test shows
//! which row stands in docs/reliability.md#scenarios, and `every_row_is_shown` holds that table against the rows and the
//! tests. Shown elsewhere, by the real process or real links: poison and oversize messages, slow clients, half-open TCP,
//! everyone reconnecting at once. Without a test because the switch has no such part yet: an unreadable PIN block (88), and
//! TLS in front of a link.
#![allow(clippy::unwrap_used)]

mod banks;
mod crashes;
mod operators;
mod rows;
mod terminals;
mod totals;

use processor::Suspense;
use simulators::bank::Fault;
use simulators::terminal::{self, Steps, What};
use tests::simulation::script::{Bend, Setup, Step, Visit, Way, play};

/// What is played.
struct Scenario {
    town: Setup,
    steps: Vec<Step>,
}

impl<const N: usize> From<[Step; N]> for Scenario {
    fn from(steps: [Step; N]) -> Scenario {
        Scenario { town: Setup::default(), steps: steps.into() }
    }
}

impl<const N: usize> From<(Setup, [Step; N])> for Scenario {
    fn from((town, steps): (Setup, [Step; N])) -> Scenario {
        Scenario { town, steps: steps.into() }
    }
}

/// What must come out; each as `Seen` of the script writes it.
struct Expected {
    /// DE39 of what the machines heard.
    terminal: &'static str,
    /// DE39 of what the hand-held terminal heard.
    hand: &'static str,
    /// What banks got, and what they said.
    bank: &'static str,
    /// Records of each transaction.
    log: &'static str,
    suspense: Option<Suspense>,
    alarms: &'static str,
    /// At the bank.
    net_vnd: i64,
    /// Out of the machines.
    cash_vnd: i64,
    /// These stand in the timeline, in this order.
    order: &'static [&'static str],
    /// The simulation's judge finds nothing. Off where the hand-held terminal speaks of cash that no machine has.
    judged: bool,
}

impl Default for Expected {
    fn default() -> Expected {
        Expected {
            terminal: "",
            hand: "",
            bank: "",
            log: "",
            suspense: None,
            alarms: "",
            net_vnd: 0,
            cash_vnd: 0,
            order: &[],
            judged: true,
        }
    }
}

/// Plays a scenario and compares all that can be seen from outside with what must come out.
fn check(scenario: impl Into<Scenario>, expected: Expected) {
    let Scenario { town, steps } = scenario.into();
    let seen = play(&town, &steps);
    let mut wrong = Vec::new();
    for (what, seen, expected) in [
        ("terminal", seen.terminal, expected.terminal),
        ("hand", seen.hand, expected.hand),
        ("bank", seen.bank, expected.bank),
        ("log", seen.log, expected.log),
        ("alarms", seen.alarms, expected.alarms),
    ] {
        if seen != expected {
            wrong.push(format!("{what}: `{seen}`, expected `{expected}`"));
        }
    }
    if seen.suspense != expected.suspense {
        wrong.push(format!("suspense: {:?}, expected {:?}", seen.suspense, expected.suspense));
    }
    for (what, seen, expected) in
        [("net", seen.net_vnd, expected.net_vnd), ("cash", seen.cash_vnd, expected.cash_vnd)]
    {
        if seen != expected {
            wrong.push(format!("{what}: {seen} vnd, expected {expected}"));
        }
    }
    let mut rest = seen.timeline.iter();
    for moment in expected.order {
        if !rest.any(|it| it == moment) {
            wrong.push(format!("`{moment}` does not come in its place: {:?}", seen.timeline));
        }
    }
    if expected.judged && !seen.judged.is_empty() {
        wrong.push(format!("the judge: {:?}", seen.judged));
    }
    assert!(wrong.is_empty(), "{}\n\n{}", wrong.join("\n"), trace(&seen.trace));
}

/// Without the echoes and sign-ons of links.
fn trace(lines: &[String]) -> String {
    let told: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.contains(" DE70 ")).collect();
    told.join("\n")
}

/// What most scenarios are about, đồng; three notes.
const AMOUNT: u64 = 800_000;
const AMOUNT_VND: i64 = AMOUNT as i64;

/// A withdrawal in one step at the first machine, at the first bank.
fn withdrawal() -> Step {
    visit(What::Withdrawal, None)
}

/// The same with a fault of the machine.
fn withdrawal_with(fault: terminal::Fault) -> Step {
    visit(What::Withdrawal, Some(fault))
}

/// A withdrawal at another machine.
fn withdrawal_at(terminal: usize) -> Step {
    Step::Visit(Visit {
        terminal,
        citizen: 3,
        what: What::Withdrawal,
        amount_vnd: AMOUNT,
        steps: Steps::One,
        fault: None,
    })
}

/// Asks for the balance at this machine.
fn balance_at(terminal: usize) -> Step {
    Step::Visit(Visit {
        terminal,
        citizen: 3,
        what: What::Balance,
        amount_vnd: 0,
        steps: Steps::One,
        fault: None,
    })
}

fn visit(what: What, fault: Option<terminal::Fault>) -> Step {
    Step::Visit(Visit { terminal: 0, citizen: 3, what, amount_vnd: AMOUNT, steps: Steps::One, fault })
}

/// The bank does this once to a message of this MTI.
fn bank(mti: u16, fault: Fault) -> Step {
    Step::Bank(mti, 1, fault)
}

/// The next message of this MTI does not arrive.
fn lost(way: Way, mti: u16) -> Step {
    Step::Net(way, mti, 1, Bend::Lost)
}

/// This happens at that moment.
fn on(moment: &'static str, step: Step) -> Step {
    Step::On(moment, Box::new(step))
}
