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

/// CPU time of threads so far, microseconds, with their names, by number.
pub(super) type Threads = BTreeMap<u32, (String, u64)>;

/// The same by thread. Threads that have ended are not in it.
///
/// # Errors
/// The process is gone, or /proc is not there.
pub(super) fn by_thread_us(pid: u32) -> io::Result<Threads> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = entry?.path();
        let number = task.file_name().and_then(|name| name.to_str()?.parse().ok());
        // A thread may end while it is looked at.
        let (Some(number), Ok(name), Ok(stat)) =
            (number, fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("stat")))
        else {
            continue;
        };
        let exact_us = fs::read_to_string(task.join("schedstat")).ok().and_then(|text| on_cpu_us(&text));
        let us = exact_us.or_else(|| ticks(&stat).map(|ticks| ticks * TICK_US)).unwrap_or(0);
        threads.insert(number, (name.trim_end().to_owned(), us));
    }
    Ok(threads)
}

/// What threads used between two looks, by their names; those that used nothing are left out.
pub(super) fn difference(before: &Threads, after: &Threads) -> BTreeMap<String, u64> {
    let mut used: BTreeMap<String, u64> = BTreeMap::new();
    for (number, (name, us)) in after {
        let us = us.saturating_sub(before.get(number).map_or(0, |(_, us)| *us));
        if us > 0 {
            *used.entry(name.clone()).or_default() += us;
        }
    }
    used
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
        let at = |threads: &[(u32, &str, u64)]| {
            threads.iter().map(|(number, name, us)| (*number, ((*name).to_owned(), *us))).collect::<Threads>()
        };
        let before = at(&[(1, "loop", 10), (2, "pool", 7), (3, "pool", 900)]);
        let after = at(&[(1, "loop", 25), (2, "pool", 9), (4, "pool", 3), (5, "idle", 0)]);
        let used = difference(&before, &after);
        assert_eq!(used, BTreeMap::from([("loop".to_owned(), 15), ("pool".to_owned(), 5)]));
        assert_eq!(on_cpu_us("1234567 89 3"), Some(1_234));
        assert!(!by_thread_us(std::process::id()).unwrap_or_default().is_empty());
    }
}
