//! A clerk who exports from the console for as long as a load is offered: one export behind the other, as fast as the console gives them.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is exported in turn: as many transactions as one export has, and every exception as a workbook.
const EXPORTS: [&str; 2] = ["/transactions.csv", "/exceptions.xlsx?state=all"];

/// An export has to come within this time.
const EXPORT_MAX: Duration = Duration::from_secs(120);

/// Bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// What was exported.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct Exports {
    /// Whole exports.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// The clerk at work.
pub(super) struct Exporter {
    stop: Arc<AtomicBool>,
    working: JoinHandle<io::Result<Exports>>,
}

impl Exporter {
    /// Logs in and begins.
    ///
    /// # Errors
    /// The clerk is not let in.
    pub(super) fn start(at: SocketAddr, name: &str, password: &str) -> io::Result<Exporter> {
        let session = log_in(at, name, password)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let working = std::thread::Builder::new().name("clerk".to_owned()).spawn(move || {
            let mut exports = Exports::default();
            while !told.load(Ordering::Relaxed) {
                let path = EXPORTS[exports.count as usize % EXPORTS.len()];
                exports.bytes += export(at, &session, path)?;
                exports.count += 1;
            }
            Ok(exports)
        })?;
        Ok(Exporter { stop, working })
    }

    /// Lets the export under way end, and tells how many there were.
    ///
    /// # Errors
    /// An export was refused.
    pub(super) fn stop(self) -> io::Result<Exports> {
        self.stop.store(true, Ordering::Relaxed);
        self.working.join().map_err(|_| io::Error::other("the clerk's thread has panicked"))?
    }
}

/// The session's cookie.
fn log_in(at: SocketAddr, name: &str, password: &str) -> io::Result<String> {
    let fields = format!("name={name}&password={password}");
    let head = format!(
        "POST /log-in HTTP/1.1\r\nHost: {at}\r\nOrigin: http://{at}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{fields}",
        fields.len()
    );
    let (head, _) = asked(at, &head)?;
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    cookie.map(str::to_owned).ok_or_else(|| io::Error::other("the console lets the clerk not in"))
}

fn export(at: SocketAddr, session: &str, path: &str) -> io::Result<u64> {
    let (head, bytes) = asked(
        at,
        &format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nCookie: {session}\r\nConnection: close\r\n\r\n"),
    )?;
    let first = head.lines().next().unwrap_or("");
    if first.starts_with("HTTP/1.1 200") {
        Ok(bytes)
    } else {
        Err(io::Error::other(format!("{path}: {first}")))
    }
}

/// The answer's head, and the bytes behind it.
fn asked(at: SocketAddr, request: &str) -> io::Result<(String, u64)> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(EXPORT_MAX))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let head = head.ok_or_else(|| io::Error::other("the console's answer has no head"))?;
    let bytes = (answer.len() - head - 4) as u64;
    Ok((String::from_utf8_lossy(&answer[..head]).into_owned(), bytes))
}
