//! CPU time of the processes of a run, from /proc.

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
}
