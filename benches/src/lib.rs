//! Criterion benches of codec, processor and journal.
