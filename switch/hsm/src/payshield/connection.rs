//! The pool of connections to a payShield: each carries one command at a time, and one that has failed is closed.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::commands;

/// Characters in front of each command, which the answer gives back.
pub const PAYSHIELD_HEADER_BYTES: usize = 4;
/// A longer answer is none of ours.
pub const PAYSHIELD_ANSWER_BYTES_MAX: usize = 4_096;

/// The error code and what follows it.
pub(super) type Answer = ([u8; 2], Vec<u8>);

const LENGTH_BYTES: usize = 2;
/// Header, response code, error code.
const ANSWER_BYTES_MIN: usize = PAYSHIELD_HEADER_BYTES + 4;

/// Connections that are free, and how many there are.
pub(super) struct Pool {
    addresses: Vec<SocketAddr>,
    connections_max: usize,
    answer_max: Duration,
    held: Mutex<Held>,
    freed: Condvar,
    commands: AtomicU32,
    /// The place of the address that has answered last: a box that only accepts, or has no keys, is never it.
    good: AtomicUsize,
}

#[derive(Default)]
struct Held {
    /// Connections that stand idle, with the place of their address.
    idle: Vec<(usize, TcpStream)>,
    /// Those that are in use or stand idle.
    open: usize,
}

impl Held {
    /// Closes those that stand idle at this place.
    fn close_idle(&mut self, place: usize) {
        let before = self.idle.len();
        self.idle.retain(|(of, _)| *of != place);
        self.open -= before - self.idle.len();
    }
}

impl Pool {
    pub(super) fn new(addresses: &[SocketAddr], connections_max: usize, answer_max: Duration) -> Pool {
        Pool {
            addresses: addresses.to_vec(),
            connections_max,
            answer_max,
            held: Mutex::default(),
            freed: Condvar::new(),
            commands: AtomicU32::new(0),
            good: AtomicUsize::new(0),
        }
    }

    /// One command: error code and data. The address that has answered last is asked first, then the others, each for an equal
    /// share of what is left of the deadline: of two, the first has half of it. A command may so be done by two boxes, and has
    /// to be one that does no harm twice. A box that says how it stands itself (no LMK, not authorised) is passed over as one that is
    /// away; its answer is given only where no other has a better one.
    pub(super) fn ask(&self, command: &str, fields: &[u8]) -> Result<Answer, String> {
        let until = Instant::now() + self.answer_max;
        let good = self.good.load(Ordering::Relaxed);
        let mut failed = Vec::new();
        let mut of_a_box = None;
        for turn in 0..self.addresses.len() {
            let place = (good + turn) % self.addresses.len();
            let Some(left) = left(until) else { break };
            let share_until = Instant::now() + left / (self.addresses.len() - turn) as u32;
            match self.ask_at(place, command, fields, share_until) {
                Ok(answer) if commands::is_of_the_box(answer.0) => {
                    of_a_box.get_or_insert(answer);
                }
                Ok(answer) => {
                    self.good.store(place, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(reason) => failed.push(format!("{}: {reason}", self.addresses[place])),
            }
        }
        let reason = || if failed.is_empty() { "it has no address".to_owned() } else { failed.join("; ") };
        of_a_box.ok_or_else(reason)
    }

    /// The same of one address. A connection that has failed is closed, so that an answer that is late is nobody's. Where it
    /// had stood idle, the box may have gone and come back meanwhile: a new one is tried, once.
    fn ask_at(&self, place: usize, command: &str, fields: &[u8], until: Instant) -> Result<Answer, String> {
        loop {
            let (mut stream, was_idle) = self.take(place, until)?;
            let answered = self.exchange(&mut stream, command, fields, until);
            let mut held = self.lock();
            match &answered {
                Ok(_) => held.idle.push((place, stream)),
                Err(_) => {
                    held.open -= 1;
                    held.close_idle(place);
                }
            }
            drop(held);
            // More than one may have been closed.
            self.freed.notify_all();
            if answered.is_ok() || !was_idle || left(until).is_none() {
                return answered;
            }
        }
    }

    /// A connection that stands idle, or a new one, or what others give back in time.
    fn take(&self, place: usize, until: Instant) -> Result<(TcpStream, bool), String> {
        let mut held = self.lock();
        loop {
            if let Some(at) = held.idle.iter().position(|(of, _)| *of == place) {
                return Ok((held.idle.swap_remove(at).1, true));
            }
            // One to another address makes room.
            if held.open >= self.connections_max && held.idle.pop().is_some() {
                held.open -= 1;
            }
            if held.open < self.connections_max {
                held.open += 1;
                drop(held);
                let connected = connect(&self.addresses[place], until);
                return connected.map(|stream| (stream, false)).inspect_err(|_| {
                    self.lock().open -= 1;
                    self.freed.notify_one();
                });
            }
            let left = left(until).ok_or("all its connections are busy")?;
            held = self.freed.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn exchange(
        &self,
        stream: &mut TcpStream,
        command: &str,
        fields: &[u8],
        until: Instant,
    ) -> Result<Answer, String> {
        let number = self.commands.fetch_add(1, Ordering::Relaxed) % 10_000;
        let header = format!("{number:04}");
        let length = PAYSHIELD_HEADER_BYTES + command.len() + fields.len();
        let length = u16::try_from(length).map_err(|_| "the command is too long".to_owned())?;
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(command.as_bytes());
        bytes.extend_from_slice(fields);
        let said = |error: std::io::Error| error.to_string();
        stream.set_write_timeout(left(until)).map_err(said)?;
        stream.write_all(&bytes).map_err(said)?;
        let mut head = [0; LENGTH_BYTES];
        read(stream, &mut head, until)?;
        let length = usize::from(u16::from_be_bytes(head));
        if !(ANSWER_BYTES_MIN..=PAYSHIELD_ANSWER_BYTES_MAX).contains(&length) {
            return Err(format!("an answer of {length} bytes"));
        }
        let mut answer = vec![0; length];
        read(stream, &mut answer, until)?;
        parsed(&answer, &header, command).ok_or_else(|| "an answer to something else".to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(address: &SocketAddr, until: Instant) -> Result<TcpStream, String> {
    let left = left(until).ok_or("it cannot be connected to in time")?;
    let stream = TcpStream::connect_timeout(address, left).map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Header as it was sent, the command's second letter one further, an error code of two digits or capital letters, data.
pub(super) fn parsed(answer: &[u8], header: &str, command: &str) -> Option<Answer> {
    let (echoed, rest) = answer.split_at_checked(PAYSHIELD_HEADER_BYTES)?;
    let (response, rest) = rest.split_at_checked(2)?;
    let (code, data) = rest.split_at_checked(2)?;
    let asked: [u8; 2] = command.as_bytes().try_into().ok()?;
    let is_ours = echoed == header.as_bytes() && response == [asked[0], asked[1] + 1];
    let code: [u8; 2] = code.try_into().ok()?;
    let is_code = code.iter().all(|it| it.is_ascii_digit() || it.is_ascii_uppercase());
    (is_ours && is_code).then(|| (code, data.to_vec()))
}

/// What is left of a deadline; `None` when it is over.
fn left(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

/// Reads all of it within the deadline, however it dribbles.
fn read(stream: &mut TcpStream, mut into: &mut [u8], until: Instant) -> Result<(), String> {
    while !into.is_empty() {
        let left = left(until).ok_or("no answer in time")?;
        stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        match stream.read(into) {
            Ok(0) => return Err("it has closed the connection".to_owned()),
            Ok(count) => into = &mut into[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("no answer in time".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_is_that_of_its_command() {
        assert_eq!(parsed(b"0001CB00data", "0001", "CA"), Some((*b"00", b"data".to_vec())));
        assert_eq!(parsed(b"0001CB20", "0001", "CA"), Some((*b"20", Vec::new())));
        assert_eq!(parsed(b"0001A7B8", "0001", "A6"), Some((*b"B8", Vec::new())));
        for other in [&b"0002CB00"[..], b"0001CD00", b"0001CBx0", b"0001CB+1", b"0001CB0", b""] {
            assert_eq!(parsed(other, "0001", "CA"), None);
        }
    }

    /// A box that answers every B2 with this code, on each of its connections.
    fn answering(code: &'static [u8; 2]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut asked = [0; LENGTH_BYTES + PAYSHIELD_HEADER_BYTES + 2];
                    while stream.read_exact(&mut asked).is_ok() {
                        let mut answer = vec![0, ANSWER_BYTES_MIN as u8];
                        answer.extend_from_slice(&asked[LENGTH_BYTES..LENGTH_BYTES + PAYSHIELD_HEADER_BYTES]);
                        answer.extend_from_slice(b"B3");
                        answer.extend_from_slice(code);
                        stream.write_all(&answer).unwrap();
                    }
                });
            }
        });
        address
    }

    /// Nobody listens there.
    fn away() -> SocketAddr {
        TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
    }

    /// A box without an LMK once stayed the first to be asked, and the healthy one behind it never was.
    #[test]
    fn a_box_that_says_it_cannot_is_passed_over_for_one_that_can() {
        type Boxes = Vec<SocketAddr>;
        let cases: [(Boxes, &[u8; 2], usize); 5] = [
            (vec![answering(b"13"), answering(b"00")], b"00", 1),
            (vec![answering(b"68"), away(), answering(b"20")], b"20", 2),
            (vec![answering(b"12"), answering(b"13")], b"12", 0),
            (vec![away(), answering(b"13")], b"13", 0),
            (vec![answering(b"20"), answering(b"00")], b"20", 0),
        ];
        for (boxes, expected, good) in cases {
            let pool = Pool::new(&boxes, 4, Duration::from_secs(30));
            for _ in 0..2 {
                assert_eq!(pool.ask("B2", &[]).unwrap().0, *expected);
                assert_eq!(pool.good.load(Ordering::Relaxed), good, "{}", boxes.len());
            }
        }
    }
}
