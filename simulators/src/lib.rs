//! Terminals, bank cores and an identity registry, simulated; the pilot, replayed.

pub mod audit;
pub mod bank;
pub mod citizens;
pub mod day;
pub mod example;
pub mod exchange;
pub mod link;
mod link_certificates;
pub mod load;
pub mod module_keys;
pub mod payshield;
pub mod pilot;
mod pin_sections;
pub mod pins;
pub mod registry;
mod signing;
pub mod terminal;
pub mod tls;
