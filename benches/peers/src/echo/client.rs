//! One client for all servers: one thread, sockets that never wait, a fixed number of requests in flight on each.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::IN_FLIGHT;
use super::process::Server;

/// Answers before the clock starts, on each connection.
const WARM_UP_ANSWERS: u64 = 2_000;

/// A round ends after so many answers, whatever its time.
const ANSWERS_MAX: u64 = 5_000_000;

/// A server that says nothing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Time is looked at this often when nothing comes.
const POLL_MAX: Duration = Duration::from_millis(100);

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// Where in the frame of an answer things stand.
#[derive(Clone, Copy, Debug)]
pub struct Offsets {
    /// DE11, six digits.
    pub stan: usize,
    /// DE39.
    pub response_code: usize,
}

/// What was seen in one round.
pub struct Load {
    /// Answers, all of them right.
    pub answers: u64,
    /// In this time.
    pub elapsed: Duration,
    /// And with this much CPU of the server.
    pub server_cpu: Duration,
    /// How long each took.
    pub latency_ns: Histogram<u32>,
}

/// Connections to one server.
pub struct Client {
    address: SocketAddr,
    poll: Poll,
    links: Vec<Link>,
}

struct Link {
    stream: TcpStream,
    /// Request number n has STAN n + 1.
    requests: Vec<Vec<u8>>,
    /// When each was sent; `None` where none is under way.
    sent: Vec<Option<Instant>>,
    next: usize,
    /// Readiness is told once: there may be something until a read says that there is nothing.
    readable: bool,
    received: Vec<u8>,
    held: usize,
    queued: Vec<u8>,
    written: usize,
}

impl Client {
    /// Without a connection yet.
    ///
    /// # Errors
    /// The system's own.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        Ok(Client { address, poll: Poll::new()?, links: Vec::new() })
    }

    /// One more connection, and what is asked on it, over and over.
    ///
    /// # Errors
    /// The system's own.
    pub fn add(&mut self, requests: Vec<Vec<u8>>) -> io::Result<()> {
        let stream = std::net::TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.links.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.links.push(Link {
            stream,
            sent: vec![None; requests.len()],
            requests,
            next: 0,
            readable: true,
            received: vec![0; READ_BYTES],
            held: 0,
            queued: Vec::new(),
            written: 0,
        });
        Ok(())
    }

    /// Sends one frame on a connection and waits for its answer, whole.
    ///
    /// # Errors
    /// The connection is lost, or silent for [`SILENCE_MAX`].
    pub fn ask(&mut self, connection: usize, frame: &[u8]) -> io::Result<Vec<u8>> {
        self.links[connection].queued.extend_from_slice(frame);
        self.links[connection].flush()?;
        let mut events = Events::with_capacity(64);
        let until = Instant::now() + SILENCE_MAX;
        loop {
            let link = &mut self.links[connection];
            while link.fill()? {}
            if let Some(length) = whole(&link.received[..link.held]) {
                let answer = link.received[..length].to_vec();
                link.consume(length);
                return Ok(answer);
            }
            if Instant::now() > until {
                return Err(silent());
            }
            self.poll.poll(&mut events, Some(POLL_MAX))?;
        }
    }

    /// Keeps [`IN_FLIGHT`] requests under way on each connection for `time`; then takes the answers that are still to come.
    ///
    /// # Errors
    /// The connection is lost or silent; an answer that is not 0810 with 00, or to no request that is under way.
    pub fn run(&mut self, server: &Server, time: Duration, offsets: Offsets) -> io::Result<Load> {
        let mut latency_ns = Histogram::new_with_max(60_000_000_000, 3).map_err(Error::other)?;
        let mut discarded = latency_ns.clone();
        let warm_up = WARM_UP_ANSWERS * self.links.len() as u64;
        for link in &mut self.links {
            link.readable = true;
            for _ in 0..IN_FLIGHT {
                link.send_next();
            }
            link.flush()?;
        }
        self.until(offsets, &mut discarded, true, |answers| answers >= warm_up)?;
        let (cpu, began) = (server.cpu()?, Instant::now());
        let ends = |answers| began.elapsed() >= time || answers >= ANSWERS_MAX;
        let answers = self.until(offsets, &mut latency_ns, true, ends)?;
        let (elapsed, server_cpu) = (began.elapsed(), server.cpu()?.saturating_sub(cpu));
        if self.links.iter().any(|link| link.under_way() > 0) {
            let rest = (IN_FLIGHT * self.links.len()) as u64;
            self.until(offsets, &mut discarded, false, |answers| answers >= rest)?;
        }
        Ok(Load { answers, elapsed, server_cpu, latency_ns })
    }

    /// Takes answers, and asks again for each where `again`, until `done` says so; gives how many they were.
    fn until(
        &mut self,
        offsets: Offsets,
        latency_ns: &mut Histogram<u32>,
        again: bool,
        done: impl Fn(u64) -> bool,
    ) -> io::Result<u64> {
        let mut events = Events::with_capacity(64);
        let (mut answers, mut heard) = (0, Instant::now());
        loop {
            let wait = if self.links.iter().any(|link| link.readable) { Duration::ZERO } else { POLL_MAX };
            self.poll.poll(&mut events, Some(wait))?;
            for event in &events {
                let link = &mut self.links[event.token().0];
                link.readable = true;
                link.flush()?;
            }
            // One read each, in turn: a link that always has something must not hold up the others.
            for link in self.links.iter_mut().filter(|link| link.readable) {
                link.readable = link.fill()?;
                if link.readable {
                    answers += link.take(offsets, latency_ns, again)?;
                    link.flush()?;
                    heard = Instant::now();
                }
            }
            if done(answers) {
                return Ok(answers);
            }
            if heard.elapsed() > SILENCE_MAX {
                return Err(silent());
            }
        }
    }
}

impl Link {
    fn send_next(&mut self) {
        let number = self.next;
        self.next = (number + 1) % self.requests.len();
        self.queued.extend_from_slice(&self.requests[number]);
        self.sent[number] = Some(Instant::now());
    }

    fn under_way(&self) -> usize {
        self.sent.iter().flatten().count()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.queued.len() {
            match self.stream.write(&self.queued[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queued.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads once; whether anything came.
    fn fill(&mut self) -> io::Result<bool> {
        match self.stream.read(&mut self.received[self.held..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.held += count;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Judges every whole answer.
    fn take(&mut self, offsets: Offsets, latency_ns: &mut Histogram<u32>, again: bool) -> io::Result<u64> {
        let now = Instant::now();
        let (mut taken, mut answers) = (0, 0);
        while let Some(length) = whole(&self.received[taken..self.held]) {
            let number = stan(&self.received[taken..taken + length], offsets)?;
            let sent = self.sent.get_mut(number).and_then(Option::take);
            let sent = sent.ok_or_else(|| Error::other(format!("STAN {} is not under way", number + 1)))?;
            latency_ns.record((now - sent).as_nanos() as u64).map_err(Error::other)?;
            taken += length;
            answers += 1;
            if again {
                self.send_next();
            }
        }
        self.consume(taken);
        Ok(answers)
    }

    fn consume(&mut self, taken: usize) {
        self.received.copy_within(taken..self.held, 0);
        self.held -= taken;
    }
}

/// How long the frame at the front is, where it is there as a whole.
fn whole(received: &[u8]) -> Option<usize> {
    let length = 2 + usize::from(u16::from_be_bytes(*received.first_chunk()?));
    (received.len() >= length).then_some(length)
}

/// Which request an answer is to.
fn stan(frame: &[u8], offsets: Offsets) -> io::Result<usize> {
    let right = frame.get(2..6) == Some(b"0810")
        && frame.get(offsets.response_code..offsets.response_code + 2) == Some(b"00");
    let digits = frame.get(offsets.stan..offsets.stan + 6).filter(|_| right);
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
    number
        .and_then(|stan| stan.checked_sub(1))
        .ok_or_else(|| Error::other(format!("no 0810 with 00: {:?}", String::from_utf8_lossy(frame))))
}

fn silent() -> Error {
    Error::new(ErrorKind::TimedOut, format!("no answer in {} s", SILENCE_MAX.as_secs()))
}
