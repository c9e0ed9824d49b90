//! What needs more than one crate: flows, crash, interop.
