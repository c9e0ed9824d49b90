//! The durable transaction log: records, segments, index, recovery.
