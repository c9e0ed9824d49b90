//! Terminals, bank cores and an identity registry, simulated; the pilot, replayed.
