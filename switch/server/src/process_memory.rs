//! The process's memory, where keys and passing PIN blocks are: never dumped, and locked against being swapped out where the
//! system allows it (docs/security.md#memory).

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, capabilities};

/// Takes the process out of core dumps, and out of the reach of debuggers of the same user, from here on.
///
/// # Errors
/// What the system said.
pub fn hide() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the process stays in core dumps: {error}"))
}

/// Locks all memory that the process has and will have, each page when it is first touched. Where that is not allowed it is
/// told, with the limit: under a limit that is reached later, memory would be refused to a running switch.
pub(crate) fn lock() {
    let limit_bytes = getrlimit(Resource::Memlock).current;
    let reason = if may_lock(limit_bytes, has_capability()) {
        let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
        mlockall(all).err().map(|error| error.to_string())
    } else {
        Some("it needs RLIMIT_MEMLOCK without a limit, or CAP_IPC_LOCK".to_owned())
    };
    metrics::gauge!("atm_switch_memory_locked").set(f64::from(u8::from(reason.is_none())));
    match reason {
        None => tracing::info!("memory is locked: keys are not swapped out"),
        Some(reason) => {
            tracing::warn!(limit_bytes, reason, "memory is not locked: keys may be swapped out to a disk");
        }
    }
}

/// `None` is no limit.
fn may_lock(limit_bytes: Option<u64>, has_capability: bool) -> bool {
    limit_bytes.is_none() || has_capability
}

fn has_capability() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK))
}

/// Whose process it is. Not the owner of `/proc/self`: that of a process which is not dumped is root.
pub(crate) fn user() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_is_locked_without_a_limit_or_with_the_capability_and_never_up_to_a_limit() {
        assert!(may_lock(None, false));
        assert!(may_lock(Some(65_536), true));
        assert!(!may_lock(Some(1 << 40), false));
    }

    #[test]
    fn a_hidden_process_is_not_dumped_and_still_knows_its_user() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        hide().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(user(), std::fs::metadata(dir.path()).unwrap().uid());
    }
}
