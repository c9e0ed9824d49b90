//! The whole system simulated on one thread from one seed: the real codec, processor, log and recovery, the real
//! machines of terminals and banks, and between them a network, a disk and people that fail (docs/reliability.md).

pub mod command;
pub mod crash;
mod crypto;
mod faults;
mod history;
mod net;
mod node;
mod oracle;
mod people;
mod pins;
mod plan;
mod rows;
pub mod script;
mod totals;
mod troubles;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use faults::{Fault, FaultCounts, FaultSet};
pub use oracle::Violation;
pub use plan::Plan;
pub use rows::{Row, Rows};

use world::World;

/// What came of a seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Transactions with an INTENT (a verification's record stands in its place).
    pub transactions: u64,
    /// Starts of the switch after the first.
    pub restarts: u64,
    /// How often each kind of fault struck.
    pub faults: FaultCounts,
    /// How often each scenario was come to.
    pub rows: Rows,
    /// The bytes of the log at the end.
    pub log: Vec<u8>,
    /// What happened, where it was asked for.
    pub trace: Vec<String>,
}

/// Runs a plan. The same plan gives the same outcome, to the byte.
pub fn run(plan: &Plan, traced: bool) -> Outcome {
    let mut world = World::new(plan.clone(), traced);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        world.run();
        oracle::judge(&mut world)
    }));
    let violations = match ran {
        Ok(violations) => violations,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            let what = text.unwrap_or_else(|| "it says nothing".to_owned());
            vec![Violation { rule: "no invariant breaks", what }]
        }
    };
    Outcome {
        violations,
        transactions: oracle::transactions(&world),
        restarts: world.restarts,
        faults: world.counts.clone(),
        rows: world.rows.clone(),
        log: world.disk.bytes(),
        trace: world.trace.take().unwrap_or_default(),
    }
}
