//! CPU time of the processes of a run, from /proc.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// The kernel counts in hundredths of a second: USER_HZ is 100 on every Linux that the switch runs on.
const TICK_US: u64 = 10_000;

/// User and system time of a process and all its threads so far, microseconds; no finer than [`TICK_US`].
///
/// # Errors
/// The process is gone, or /proc is not there.
pub(super) fn used_us(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&text)
        .map(|ticks| ticks * TICK_US)
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat: no times in it")))
}

/// The same by thread: microseconds by the threads' names, those of one name added up. Threads that have ended are not
/// in it.
///
/// # Errors
/// The process is gone, or /proc is not there.
pub(super) fn by_thread_us(pid: u32) -> io::Result<BTreeMap<String, u64>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = entry?.path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(stat)) =
            (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("stat")))
        else {
            continue;
        };
        let exact_us = fs::read_to_string(task.join("schedstat")).ok().and_then(|text| on_cpu_us(&text));
        let us = exact_us.or_else(|| ticks(&stat).map(|ticks| ticks * TICK_US)).unwrap_or(0);
        *threads.entry(name.trim_end().to_owned()).or_default() += us;
    }
    Ok(threads)
}

/// What each thread used between two looks; those that used nothing are left out.
pub(super) fn difference(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let used = |(name, us): (&String, &u64)| {
        let us = us.saturating_sub(before.get(name).copied().unwrap_or(0));
        (us > 0).then(|| (name.clone(), us))
    };
    after.iter().filter_map(used).collect()
}

/// The first number in a thread's `schedstat`: nanoseconds on a CPU.
fn on_cpu_us(schedstat: &str) -> Option<u64> {
    Some(schedstat.split_ascii_whitespace().next()?.parse::<u64>().ok()? / 1_000)
}

/// The machine's load over the last minute, as it stands in /proc; 0 where there is none.
pub(super) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// utime and stime: the 12th and 13th field behind the program's name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_the_name() {
        let stat = "17 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 31 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("17 a S 1"), None);
        assert!(used_us(std::process::id()).is_ok());
    }

    #[test]
    fn threads_are_told_apart_by_name() {
        let at = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, us)| ((*name).to_owned(), *us)).collect();
        let (before, after) =
            (at(&[("loop", 10), ("sync", 7)]), at(&[("loop", 25), ("new", 3), ("sync", 7)]));
        assert_eq!(difference(&before, &after), at(&[("loop", 15), ("new", 3)]));
        assert_eq!(on_cpu_us("1234567 89 3"), Some(1_234));
        assert!(!by_thread_us(std::process::id()).unwrap_or_default().is_empty());
    }
}
