//! A server in a process of its own: started, watched, ended by its id.

use std::env;
use std::fs;
use std::io::{self, Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often a server that was started is looked for, and the pause between two looks.
pub const LOOKS_MAX: usize = 400;
/// The same.
pub const LOOK_PAUSE: Duration = Duration::from_millis(25);

/// A server; it is killed when dropped.
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// One that runs already.
    pub fn new(process: Child, address: SocketAddr) -> Server {
        Server { process, address }
    }

    /// This program again, as one of its servers, on a free port.
    ///
    /// # Errors
    /// It does not start, or does not listen in [`LOOKS_MAX`] looks.
    pub fn of_this_program(serve: &str) -> io::Result<Server> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let process = Command::new(env::current_exe()?)
            .args([serve, &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Server { process, address };
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            sleep(LOOK_PAUSE);
        }
        Err(Error::new(ErrorKind::TimedOut, format!("{serve}: nothing listens on {address}")))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where it listens, once that is known.
    pub fn set_address(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// The system's own.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.process.try_wait()?.is_some())
    }

    /// User and system time of all its threads so far, as the scheduler has it. Threads that have ended are not in it: a
    /// round begins when all of its threads have been started, and none of them ends in it.
    ///
    /// # Errors
    /// The process is gone, or /proc is not there.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut on_cpu_ns = 0;
        for entry in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            // A thread of an earlier round may end while it is looked at.
            let Ok(text) = fs::read_to_string(entry?.path().join("schedstat")) else { continue };
            let first = text.split_ascii_whitespace().next().and_then(|field| field.parse::<u64>().ok());
            on_cpu_ns += first.ok_or_else(|| Error::other("schedstat has no time in it"))?;
        }
        Ok(Duration::from_nanos(on_cpu_ns))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either it is killed or it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
