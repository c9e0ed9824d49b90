//! The pilot of 2022, replayed: plan, run, report, audit.
