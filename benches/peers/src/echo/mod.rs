//! Echo servers: 0800 in, 0810 out, over loopback; each a process of its own, measured in turn by one client.

mod client;
mod process;
pub mod servers;
pub mod switch;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use iso8583::{Dialect, Message, Mti};
use keys::{LinkCodec, LinkMac, Received};
use serde::Serialize;

use self::client::{Client, Load};
use self::process::Server;
use crate::rounds::Median;

/// Requests under way on each connection.
pub const IN_FLIGHT: usize = 64;

/// How many connections, one case each.
const CONNECTIONS: [usize; 2] = [1, 8];

/// Cases in a round: servers times numbers of connections.
pub const CASES: usize = 3 * CONNECTIONS.len();

/// Requests made beforehand for each connection, told apart by their STAN; more than [`IN_FLIGHT`].
const REQUESTS: u32 = 1_024;

/// What came out for one server and number of connections.
#[derive(Clone, Serialize, Debug)]
pub struct Row {
    /// The server.
    pub name: &'static str,
    /// Connections, with [`IN_FLIGHT`] requests on each.
    pub connections: usize,
    /// Answers a second.
    pub rate_per_second: Median,
    /// CPU of the server's process for each answer, all threads, microseconds.
    pub server_cpu_us: Median,
    /// From before a request's write to behind its answer's read, microseconds.
    pub p50_us: Median,
    /// The same.
    pub p99_us: Median,
}

/// What a server is asked, and where in its answers things stand.
struct Kind {
    name: &'static str,
    server: Server,
    dialect: &'static Dialect,
    /// Keys of each connection's terminal; none where the server knows no MAC.
    macs: Vec<LinkMac>,
}

/// The figures of a case, one a round.
#[derive(Clone, Default, Debug)]
struct Figures {
    rate_per_second: Vec<f64>,
    server_cpu_us: Vec<f64>,
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
}

/// Starts the servers, measures them in turn, and ends them.
///
/// # Errors
/// A server that does not start, or answers anything but 0810 with 00 to the STAN that it was asked with.
pub fn measure(
    switch: &Path,
    rounds: u32,
    echo_ms: u64,
    bar: &ProgressBar,
) -> Result<Vec<Row>, Box<dyn Error>> {
    let directory =
        tempfile::tempdir_in(std::env::current_exe()?.parent().ok_or("a program lies somewhere")?)?;
    let most = CONNECTIONS.into_iter().max().unwrap_or(1);
    let (switch, macs) = switch::start(switch, directory.path(), most)?;
    let ascii = Dialect::ascii_1987();
    // Ours first: the others are divided by it.
    let kinds = [
        Kind { name: "atm-switch, MAC both ways", server: switch, dialect: ascii, macs },
        Kind {
            name: "floor, by hand, no MAC",
            server: Server::of_this_program("serve-floor")?,
            dialect: ascii,
            macs: Vec::new(),
        },
        Kind {
            name: "iso8583_rs 0.1.10, its server, no MAC",
            server: Server::of_this_program("serve-peer")?,
            dialect: Dialect::ascii_binary_bitmap_1987(),
            macs: Vec::new(),
        },
    ];
    let mut figures = vec![vec![Figures::default(); kinds.len()]; CONNECTIONS.len()];
    for _ in 0..rounds {
        for (connections, figures) in CONNECTIONS.into_iter().zip(&mut figures) {
            for (kind, figures) in kinds.iter().zip(figures) {
                bar.set_message(format!("{} on {connections}", kind.name));
                let seen = kind.round(connections, Duration::from_millis(echo_ms));
                figures.push(&seen.map_err(|error| format!("{}: {error}", kind.name))?);
                bar.inc(1);
            }
        }
    }
    let mut rows = Vec::new();
    for (connections, figures) in CONNECTIONS.into_iter().zip(&figures) {
        rows.extend(
            kinds.iter().zip(figures).map(|(kind, its)| its.row(kind.name, connections, &figures[0])),
        );
    }
    Ok(rows)
}

impl Kind {
    fn round(&self, connections: usize, time: Duration) -> Result<Load, Box<dyn Error>> {
        let mut client = Client::connect(self.server.address())?;
        for number in 0..connections {
            let requests = (1..=REQUESTS).map(|stan| self.framed(&request(number, stan, "301"), number));
            client.add(requests.collect::<Result<_, _>>()?)?;
        }
        // Before the clock: a terminal signs on, and one answer of each connection is looked at in full.
        for number in 0..connections {
            let network = if self.macs.is_empty() { "301" } else { "001" };
            let answer =
                client.ask(number, &self.framed(&request(number, REQUESTS + 1, network), number)?)?;
            self.judge(&answer, number, network)?;
        }
        Ok(client.run(&self.server, time, offsets(self.dialect))?)
    }

    /// A request as the server takes it, its length in front.
    fn framed(&self, message: &Message, number: usize) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut frame = Vec::new();
        if let Some(mac) = self.macs.get(number) {
            LinkCodec::terminal().send(message, Some(mac), &mut frame)?;
            return Ok(frame);
        }
        frame.extend_from_slice(&[0, 0]);
        let mut message = message.clone();
        // As long as one with a MAC.
        message.set(128, &[0; keys::MAC_BYTES]);
        self.dialect.encode(&message, &mut frame)?;
        let length = u16::try_from(frame.len() - 2)?;
        frame[..2].copy_from_slice(&length.to_be_bytes());
        Ok(frame)
    }

    fn judge(&self, answer: &[u8], number: usize, network: &str) -> Result<(), Box<dyn Error>> {
        let message = match self.macs.get(number) {
            Some(mac) => match LinkCodec::terminal().receive(answer, |_| Some(mac))? {
                Received::Message { message, mac, .. } => {
                    mac?;
                    *message
                }
                other => return Err(format!("no answer: {other:?}").into()),
            },
            None => self.dialect.parse(&answer[2..])?.to_message(),
        };
        let stan = format!("{:06}", REQUESTS + 1);
        let right = message.mti() == Mti::new(810)
            && message.text(39) == Some("00")
            && message.text(11) == Some(&stan)
            && message.text(70) == Some(network);
        if right { Ok(()) } else { Err(format!("answered otherwise: {message:?}").into()) }
    }
}

impl Figures {
    fn push(&mut self, load: &Load) {
        let answers = load.answers as f64;
        self.rate_per_second.push(answers / load.elapsed.as_secs_f64());
        self.server_cpu_us.push(load.server_cpu.as_nanos() as f64 / 1_000.0 / answers);
        self.p50_us.push(load.latency_ns.value_at_quantile(0.5) as f64 / 1_000.0);
        self.p99_us.push(load.latency_ns.value_at_quantile(0.99) as f64 / 1_000.0);
    }

    fn row(&self, name: &'static str, connections: usize, ours: &Figures) -> Row {
        Row {
            name,
            connections,
            rate_per_second: Median::of(&self.rate_per_second, &ours.rate_per_second),
            server_cpu_us: Median::of(&self.server_cpu_us, &ours.server_cpu_us),
            p50_us: Median::of(&self.p50_us, &ours.p50_us),
            p99_us: Median::of(&self.p99_us, &ours.p99_us),
        }
    }
}

/// 0800 of a terminal, one terminal to a connection.
fn request(number: usize, stan: u32, network: &str) -> Message {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, &transmission_time());
    message.set_number(11, u64::from(stan), 6);
    message.set_text(41, &terminal(number)).set_text(70, network);
    message
}

/// What a connection's terminal is called, DE41.
fn terminal(number: usize) -> String {
    format!("P{number:07}")
}

/// DE7 of now.
fn transmission_time() -> String {
    let format = time::macros::format_description!("[month][day][hour][minute][second]");
    time::OffsetDateTime::now_utc().format(format).expect("a time can be written in digits")
}

/// Where DE11 and DE39 stand in a frame of an 0810: behind its length, MTI, both bitmaps, and DE7 of 10 digits.
fn offsets(dialect: &Dialect) -> client::Offsets {
    let bitmap_bytes = if dialect.name() == Dialect::ascii_1987().name() { 32 } else { 16 };
    let stan = 2 + 4 + bitmap_bytes + 10;
    client::Offsets { stan, response_code: stan + 6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_where_their_elements_stand() {
        for dialect in [Dialect::ascii_1987(), Dialect::ascii_binary_bitmap_1987()] {
            let mut answer = request(0, 4_711, "301");
            answer.set_mti(Mti::new(810));
            answer.set_text(39, "00");
            let mut frame = vec![0, 0];
            dialect.encode(&answer, &mut frame).expect("an answer can be written");
            let offsets = offsets(dialect);
            assert_eq!(&frame[offsets.stan..offsets.stan + 6], b"004711");
            assert_eq!(&frame[offsets.response_code..offsets.response_code + 2], b"00");
        }
    }
}
