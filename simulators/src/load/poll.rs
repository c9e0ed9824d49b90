//! Which sockets have something to read: idle ones cost nothing, and a wait ends within microseconds of its time.

use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sockets that are told of at once; the others are told of at the next look.
const EVENTS_MAX: usize = 256;

/// A wait ends so much later than it should at most, nanoseconds; 50,000 is the system's own.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Sockets that are watched.
pub(super) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    /// Watches none yet. The thread that makes it is the one that waits.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn new() -> io::Result<Poller> {
        Ok(Poller { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Watches a socket under a number, until it is closed.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
    }

    /// Waits for something to read, `max` at most; gives the sockets' numbers.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn wait(&self, max: Duration, ready: &mut Vec<usize>) -> io::Result<()> {
        let mut events = [MaybeUninit::uninit(); EVENTS_MAX];
        let max = Timespec { tv_sec: max.as_secs() as i64, tv_nsec: i64::from(max.subsec_nanos()) };
        match epoll::wait(&self.epoll, &mut events, Some(&max)) {
            Ok((events, _)) => ready.extend(events.iter().map(|event| event.data.u64() as usize)),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Lets this thread's waits end in time, not in the system's 50 µs groups.
///
/// # Errors
/// The system's own.
pub(super) fn wake_in_time() -> io::Result<()> {
    Ok(rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NS))?)
}

/// Lets this process, and those that it starts, open as many files as the system allows.
///
/// # Errors
/// The system's own; fewer than `needed` are allowed.
pub(super) fn open_files(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    match limit.maximum {
        Some(maximum) if maximum < needed => Err(io::Error::other(format!(
            "{needed} open files are needed and {maximum} are allowed (ulimit -Hn): fewer --connections, or --no-floor, which needs half"
        ))),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_sockets_with_something_to_read_are_told_of() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let poller = Poller::new().unwrap();
        let ends: Vec<_> = (0..3)
            .map(|number| {
                let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (far, _) = listener.accept().unwrap();
                poller.add(&near, number).unwrap();
                (near, far)
            })
            .collect();
        let mut ready = Vec::new();
        poller.wait(Duration::ZERO, &mut ready).unwrap();
        assert!(ready.is_empty());
        (&ends[1].1).write_all(b"x").unwrap();
        poller.wait(Duration::from_secs(10), &mut ready).unwrap();
        assert_eq!(ready, [1]);
        assert!(open_files(3).is_ok());
        assert!(open_files(u64::MAX).is_err());
    }
}
