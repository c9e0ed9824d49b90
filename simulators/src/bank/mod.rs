//! A bank core: ledger, idempotency, tombstones; a machine without I/O and a thin socket driver.
