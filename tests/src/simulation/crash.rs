//! Crash points: short scripts, crashed at every one of their steps with every kind of what survives, and crashed once
//! more at every step of the start that follows.
//!
//! Two points differ when the script, the step, the bytes that survived of what was not synced, the step of the second
//! crash or what survives that differ (docs/lifecycle.md#how-it-is-shown).

use journal::simulated::Survival;

use super::faults::{Fault, FaultSet};
use super::node::{AimedStart, Crash, Moment};
use super::oracle::{self, Violation};
use super::plan::Plan;
use super::world::World;

/// Citizens of a script.
const VISITS: usize = 3;

/// What goes wrong in scripts beside the crash; each script has at most two of them.
const TROUBLES: [Fault; 14] = [
    Fault::BankLate,
    Fault::BankSilent,
    Fault::BankHeld,
    Fault::BankEcho,
    Fault::BankTwice,
    Fault::BankDecline,
    Fault::BankKeepsNoTombstones,
    Fault::DispensePart,
    Fault::DispenseNothing,
    Fault::TerminalLink,
    Fault::NetLoss,
    Fault::NetDouble,
    Fault::Cutover,
    Fault::StanWrap,
];

/// A point at which a script was crashed.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The script's seed.
    pub script: u64,
    /// So many things had happened.
    pub step: u64,
    /// What survived of what was not synced; the process alone was killed where nothing is said.
    pub survival: Option<Survival>,
    /// The step of the start at which the machine stopped again, and what survived then.
    pub start: Option<(u64, Survival)>,
}

/// What the points of a script came to.
#[derive(Clone, Debug, Default)]
pub struct Crashed {
    /// Points that were tried.
    pub points: u64,
    /// Those after which something was wrong.
    pub violations: Vec<(Point, Violation)>,
}

/// The script of a seed: three visits at two machines, and up to two kinds of trouble.
fn script(seed: u64) -> Plan {
    let faults = [seed % 14, seed / 14 % 14].into_iter().filter(|_| !seed.is_multiple_of(5));
    let faults = faults.fold(FaultSet::NONE, |set, at| set.with(TROUBLES[at as usize]));
    let mut plan = Plan::with(seed, faults, VISITS);
    plan.terminals = 2;
    plan.rate_thousandths = 150;
    plan.pause_ms = 300;
    plan
}

/// Crashes a script at each of its steps, but at no more than `points_max` points.
pub fn crash(seed: u64, points_max: u64) -> Crashed {
    let plan = script(seed);
    let mut crashed = Crashed::default();
    for step in 1.. {
        let mut world = World::new(plan.clone(), false);
        if !world.run_events(step) {
            return crashed;
        }
        if world.process.is_none() {
            continue;
        }
        for survival in survivals(&world) {
            let (start_steps, violations) = play(&plan, step, survival, None);
            let first = Point { script: seed, step, survival, start: None };
            crashed.add(first, violations);
            for second in 0..start_steps {
                for left in [Survival::Nothing, Survival::Everything] {
                    if crashed.points >= points_max {
                        return crashed;
                    }
                    let start = Some((second, left));
                    let (_, violations) = play(&plan, step, survival, start);
                    crashed.add(Point { start, ..first }, violations);
                }
            }
            if crashed.points >= points_max {
                return crashed;
            }
        }
    }
    crashed
}

/// The kinds of survival that leave different bytes.
fn survivals(world: &World) -> Vec<Option<Survival>> {
    let mut kinds = vec![None, Some(Survival::Nothing)];
    if world.disk.unsynced_bytes() > 0 {
        kinds.extend([
            Some(Survival::Everything),
            Some(Survival::Front(250)),
            Some(Survival::Front(500)),
            Some(Survival::Front(900)),
            Some(Survival::Sectors(0x5555_5555_5555_5555)),
        ]);
    }
    kinds
}

/// Plays a script up to a point, crashes it there, lets it go on and heals it: the steps of the start that followed,
/// and what is wrong.
fn play(
    plan: &Plan,
    step: u64,
    survival: Option<Survival>,
    start: Option<(u64, Survival)>,
) -> (u64, Vec<Violation>) {
    let mut world = World::new(plan.clone(), false);
    world.run_events(step);
    world.aimed_start = start.map(|(step, survival)| AimedStart { step, survival });
    world.crash_with(Crash { at: Moment::Now, power: survival.is_some() }, survival);
    while world.process.is_none() && world.violations.is_empty() && world.step(u64::MAX) {}
    let steps = world.start_steps;
    world.run();
    (steps, oracle::judge(&mut world))
}

impl Crashed {
    fn add(&mut self, point: Point, violations: Vec<Violation>) {
        self.points += 1;
        self.violations.extend(violations.into_iter().map(|violation| (point, violation)));
    }
}
