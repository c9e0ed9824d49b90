//! The identity registry: a machine that answers by the contract, and its HTTPS driver.

mod certificates;
mod command;
mod contract;
mod driver;
mod fault;
mod jws;
mod machine;
mod session;

pub use certificates::Certificates;
pub use command::{Arguments, CommandError, FaultAt, OnFile, start};
pub use contract::{CardStatus, CitizenStatus};
pub use driver::{CONNECTIONS_MAX, Handle, Registry, RegistryConfig, StartError};
pub use fault::{Fault, FaultRule, RequestKey, Wrong};
pub use jws::{PublicKey, SecretKey};
pub use machine::{HttpAnswer, Machine, MachineConfig, Override, Population, Reply, SeenCard};
pub use session::{SESSION_LIFE_S, Sessions};

/// Where a switch asks (docs/interface.md#registry).
pub const VERIFICATIONS_PATH: &str = "/v1/citizen-verifications";

/// Where a simulated terminal gets a biometric session. No part of the contract: a real terminal talks to the
/// registry's own biometric service, which the switch never sees (docs/decisions/0006-registry.md).
pub const SESSIONS_PATH: &str = "/v1/biometric-sessions";
