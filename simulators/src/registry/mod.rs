//! The identity registry: a machine that answers by the contract, and its HTTPS driver.
