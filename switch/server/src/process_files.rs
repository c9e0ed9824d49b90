//! The process's files: nobody else reads what it makes, and there are enough descriptors for the log whatever comes in over links.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Descriptors that connections of terminals leave to the rest: the console's 256, 128 of registry, security module, operators and
/// metrics, and 384 of log, index, enrolment and threads. Banks' links come on top.
pub const DESCRIPTORS_RESERVED: u64 = 768;

/// Everything that this process makes from here on is its user's alone.
pub fn be_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the soft limit of descriptors as far as connections need it and the hard one allows, and returns how many connections of
/// terminals there is room for: no more than `wanted`. One that the log cannot open its next segment behind would stop the switch.
///
/// # Errors
/// There is room for none.
pub(crate) fn room_for_connections(wanted: usize, bank_links: usize) -> Result<usize, String> {
    let others = DESCRIPTORS_RESERVED + bank_links as u64;
    let needed = others + wanted as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        // Where the system refuses, the limit stays and is counted with.
        setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).ok();
    }
    let limit = getrlimit(Resource::Nofile).current;
    let room = room(limit, others, wanted);
    if room == 0 {
        return Err(format!(
            "the process may have {} files open (RLIMIT_NOFILE) and needs {others} beside terminals: give it LimitNOFILE={needed}",
            limit.unwrap_or_default()
        ));
    }
    if room < wanted {
        tracing::warn!(
            limit,
            wanted,
            room,
            "fewer files may be open than terminals.connections_max needs: LimitNOFILE={needed} makes room, until then fewer come in"
        );
    }
    Ok(room)
}

/// `None` is no limit.
fn room(limit: Option<u64>, others: u64, wanted: usize) -> usize {
    limit.map_or(wanted, |limit| wanted.min(limit.saturating_sub(others) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_log() {
        for (limit, others, wanted, expected) in [
            (None, 800, 20_000, 20_000),
            (Some(30_000), 800, 20_000, 20_000),
            (Some(1_024), 800, 20_000, 224),
            (Some(800), 800, 20_000, 0),
            (Some(100), 800, 20_000, 0),
        ] {
            assert_eq!(room(limit, others, wanted), expected, "{limit:?}");
        }
    }
}
