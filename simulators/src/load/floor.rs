//! The floor of the machine: what syncs and round trips alone take, at the rate that is offered to the switch.

use std::error::Error;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::engine::{GROUP, GROUPED_RATE_MIN};
use super::floor_file::FloorFile;
use super::floor_peer::{COMPOSED, ECHOED, FRAME_BYTES, RECORD_BYTES, WAY_AT};
use super::measure::{histogram, note};
use super::poll::{self, Poller};

/// Rounds of which medians are taken.
pub(super) const ROUNDS: usize = 5;

/// How long a round syncs, echoes, and does both.
const SYNC: Duration = Duration::from_millis(300);
const ECHO: Duration = Duration::from_millis(400);
const SEQUENCE: Duration = Duration::from_millis(1_500);

/// What is not measured at the front of each.
const WARM_UP: Duration = Duration::from_millis(150);

/// What has not come back so long after the last was sent never does.
const DRAIN: Duration = Duration::from_secs(5);

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of the file that is synced alone.
const PROBE_BYTES: u64 = 8 << 20;

/// 50th and 99th percentile, microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Two {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Two {
    fn of(histogram: &Histogram<u64>) -> Two {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        Two { p50: at(0.5), p99: at(0.99) }
    }

    fn median(all: &[Two]) -> Two {
        Two { p50: median(all.iter().map(|it| it.p50)), p99: median(all.iter().map(|it| it.p99)) }
    }

    /// As JSON.
    pub(super) fn json(self) -> Value {
        json!({"p50": self.p50, "p99": self.p99})
    }
}

/// One look at the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    sync: Two,
    syncs_per_second: f64,
    echo: Two,
    sequence: Two,
}

/// Medians of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    /// fdatasync of one record in the log's directory, one after the other.
    pub(super) sync: Two,
    /// So many of these in a second.
    pub(super) syncs_per_second: f64,
    /// There and back on loopback, on as many sockets as the terminals have.
    pub(super) echo: Two,
    /// To the switch, sync, to the bank and back, sync, and back.
    pub(super) sequence: Two,
}

impl Figures {
    /// `None` without a round.
    pub(super) fn of(rounds: &[Round]) -> Option<Figures> {
        let two = |of: fn(&Round) -> Two| Two::median(&rounds.iter().map(of).collect::<Vec<_>>());
        (!rounds.is_empty()).then(|| Figures {
            sync: two(|it| it.sync),
            syncs_per_second: median(rounds.iter().map(|it| it.syncs_per_second)),
            echo: two(|it| it.echo),
            sequence: two(|it| it.sequence),
        })
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The peers, in processes of their own, and the sender's connections to them. They end when it is dropped.
pub(super) struct Floor {
    peers: Vec<Child>,
    connections: Vec<Connection>,
    poller: Poller,
    probe: FloorFile,
    files: Vec<PathBuf>,
}

struct Connection {
    stream: TcpStream,
    rest: Vec<u8>,
    queued: Vec<u8>,
}

impl Floor {
    /// Starts them: files stand in `directory`, which the log's directory shares its disk with.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn start(
        directory: &Path,
        sockets: usize,
        banks: usize,
    ) -> Result<Floor, Box<dyn Error + Send + Sync>> {
        let (probe_path, records) = (directory.join("floor.probe"), directory.join("floor.records"));
        let probe = FloorFile::create(&probe_path, PROBE_BYTES)?;
        let mut floor = Floor {
            peers: Vec::new(),
            connections: Vec::new(),
            poller: Poller::new()?,
            probe,
            files: vec![probe_path, records.clone()],
        };
        let bank = floor.peer(&[])?;
        let mut arguments = vec!["--file".to_owned(), records.to_string_lossy().into_owned()];
        arguments.extend((0..banks).flat_map(|_| ["--bank".to_owned(), bank.to_string()]));
        let switch = floor.peer(&arguments)?;
        for number in 0..sockets {
            let stream = TcpStream::connect(switch)?;
            stream.set_nodelay(true)?;
            floor.poller.add(&stream, number)?;
            floor.connections.push(Connection { stream, rest: Vec::new(), queued: Vec::new() });
        }
        Ok(floor)
    }

    fn peer(&mut self, arguments: &[String]) -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor-peer").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let out = child.stdout.take();
        self.peers.push(child);
        let mut line = String::new();
        BufReader::new(out.ok_or("a peer has no standard output")?).read_line(&mut line)?;
        line.trim().parse().map_err(|_| format!("where does the floor's peer listen? {line}").into())
    }

    /// One look, at a rate.
    ///
    /// # Errors
    /// The system's own; what does not come back.
    pub(super) fn round(&mut self, rate: u64) -> io::Result<Round> {
        poll::wake_in_time()?;
        let (sync, syncs_per_second) = self.syncs()?;
        let echo = Two::of(&self.offer(ECHOED, rate, ECHO)?);
        let sequence = Two::of(&self.offer(COMPOSED, rate, SEQUENCE)?);
        Ok(Round { sync, syncs_per_second, echo, sequence })
    }

    fn syncs(&mut self) -> io::Result<(Two, f64)> {
        let mut taken_us = histogram();
        let began = Instant::now();
        while began.elapsed() < SYNC {
            let before = Instant::now();
            self.probe.write_synced(RECORD_BYTES)?;
            note(&mut taken_us, before.elapsed().as_micros() as u64);
        }
        Ok((Two::of(&taken_us), taken_us.len() as f64 / began.elapsed().as_secs_f64()))
    }

    /// Open-loop, woken like the load's own sender; latency counts from the moment that a frame was due.
    fn offer(&mut self, way: u8, rate: u64, span: Duration) -> io::Result<Histogram<u64>> {
        let began = Instant::now();
        let now_us = || began.elapsed().as_micros() as u64;
        let due_us = |number: u64| number * 1_000_000 / rate;
        let warm_up_us = WARM_UP.as_micros() as u64;
        let count = ((WARM_UP + span).as_micros() as u64 * rate).div_ceil(1_000_000).max(1);
        let (mut sent, mut back) = (0, 0);
        let mut taken_us = histogram();
        let mut readable = Vec::new();
        while back < count {
            while sent < count && due_us(sent) <= now_us() {
                let connections = self.connections.len() as u64;
                let queued = &mut self.connections[(sent % connections) as usize].queued;
                let start = queued.len();
                queued.resize(start + FRAME_BYTES, b'f');
                queued[start..start + 8].copy_from_slice(&sent.to_le_bytes());
                queued[start + WAY_AT] = way;
                sent += 1;
            }
            for connection in self.connections.iter_mut().filter(|it| !it.queued.is_empty()) {
                connection.stream.write_all(&connection.queued)?;
                connection.queued.clear();
            }
            let until_us = if sent < count { due_us(sent) } else { now_us() + DRAIN.as_micros() as u64 };
            let mut wait = Duration::from_micros(until_us.saturating_sub(now_us()));
            if rate >= GROUPED_RATE_MIN && !wait.is_zero() {
                thread::sleep(GROUP);
                wait = Duration::ZERO;
            }
            readable.clear();
            self.poller.wait(wait, &mut readable)?;
            for number in readable.drain(..) {
                let connection = &mut self.connections[number];
                for sent in connection.read()? {
                    back += 1;
                    if due_us(sent) >= warm_up_us {
                        note(&mut taken_us, now_us().saturating_sub(due_us(sent)));
                    }
                }
            }
            if now_us() > due_us(count) + DRAIN.as_micros() as u64 {
                return Err(io::Error::other(format!("the floor at {rate}/s: {back} of {count} came back")));
            }
        }
        Ok(taken_us)
    }
}

impl Connection {
    /// The numbers of the frames that have come back.
    fn read(&mut self) -> io::Result<Vec<u64>> {
        let before = self.rest.len();
        self.rest.resize(before + READ_BYTES, 0);
        let count = self.stream.read(&mut self.rest[before..])?;
        self.rest.truncate(before + count);
        if count == 0 {
            return Err(io::Error::other("a peer of the floor has ended"));
        }
        let whole = self.rest.len() / FRAME_BYTES * FRAME_BYTES;
        let number = |frame: &[u8]| {
            let mut number = [0; 8];
            number.copy_from_slice(&frame[..8]);
            u64::from_le_bytes(number)
        };
        let numbers = self.rest[..whole].chunks_exact(FRAME_BYTES).map(number).collect();
        self.rest.drain(..whole);
        Ok(numbers)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        for peer in &mut self.peers {
            drop(peer.stdin.take());
            // It ends with its standard input; one that does not is killed.
            let _killed = peer.kill();
            let _ended = peer.wait();
        }
        for file in &self.files {
            let _removed = std::fs::remove_file(file);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_median_of_each_figure_is_taken_by_itself() {
        let round = |p50: f64, p99: f64| Round {
            sync: Two { p50, p99 },
            syncs_per_second: p50,
            echo: Two::default(),
            sequence: Two { p50: p99, p99: p50 },
        };
        let rounds = [(1.0, 90.0), (5.0, 70.0), (3.0, 80.0), (2.0, 99.0), (9.0, 10.0)];
        let figures = Figures::of(&rounds.map(|(p50, p99)| round(p50, p99))).unwrap();
        assert_eq!(figures.sync, Two { p50: 3.0, p99: 80.0 });
        assert_eq!(figures.sequence, Two { p50: 80.0, p99: 3.0 });
        assert_eq!(Figures::of(&[]), None);
        assert_eq!(median([1.0, 4.0].into_iter()), 2.5);
    }
}
