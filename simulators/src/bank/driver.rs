//! The bank's sockets and its file: the switch connects, the machine decides, the ledger is written, then answers leave.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use iso8583::Message;
use keys::{LinkCodec, LinkMac};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::fault::FaultRule;
use super::file::{LedgerFile, LedgerFileError};
use super::holds::HoldsFile;
use super::machine::{Input, LinkId, Machine, MachineConfig, Output};
use crate::exchange::ExchangeKey;
use crate::link::{self, Arrival, PeerMac, Socket};
use crate::pins::PinCheck;
use crate::terminal::Now;
use crate::tls::Answerer;

/// So many connections are open at once on an address; the next waits in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 256;

/// Arrivals that wait for the machine; a full queue makes the connections wait, and so the switch.
const EVENTS_MAX: usize = 4_096;

/// Answers that wait for a connection's peer to read; one more closes the connection.
const ANSWERS_MAX: usize = 8_192;

/// So many arrivals at most share one write to the ledger.
const BATCH_MAX: usize = 256;

/// A TLS handshake that takes longer ends the connection.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);

/// An address that could not be listened on again is tried again after so long.
const REOPEN_MS: u64 = 100;

/// How a bank is started.
#[derive(Debug)]
pub struct BankConfig {
    /// The bank itself.
    pub machine: MachineConfig,
    /// Where it listens, one or more; port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// How messages stand on its links.
    pub codec: LinkCodec,
    /// TLS with the bank's certificate; `None` in clear.
    pub tls: Option<Answerer>,
    /// The bank's ends of the keys; without them nothing is signed or checked.
    pub mac: Option<LinkMac>,
    /// The ledger file, read back when it exists.
    pub ledger: PathBuf,
    /// Every line reaches the disk before its answer leaves.
    pub fsync: bool,
    /// Where it is noted how long each 0200 was held, from its arrival until its answer was ready (`holds.rs`); a
    /// load takes that off what it measures.
    pub holds: Option<PathBuf>,
}

/// Starts banks.
#[derive(Debug)]
pub struct Bank;

/// A running bank; stops when dropped.
#[derive(Debug)]
pub struct Handle {
    addrs: Vec<SocketAddr>,
    ledger: PathBuf,
    events: mpsc::Sender<Event>,
    core: JoinHandle<()>,
}

/// Why a bank did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {error}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    /// The file of holds cannot be made.
    #[error("file of holds: {0}")]
    Holds(#[from] io::Error),
    /// No address is named.
    #[error("a bank listens on one address at least")]
    NoAddress,
}

/// What the core is told.
enum Event {
    Opened(LinkId, mpsc::Sender<Box<Message>>),
    Arrived(LinkId, Instant, Arrival),
    Closed(LinkId),
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<io::Result<()>>),
    Faults(FaultRule),
    Pins(PinCheck),
    Exchange(ExchangeKey),
    /// Nothing came before a deadline.
    Due,
    Stop,
}

impl Bank {
    /// Reads the ledger back, listens and answers until the handle is stopped or dropped. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: BankConfig) -> Result<Handle, StartError> {
        let MachineConfig { id, currency, .. } = &config.machine;
        let (file, ledger) = LedgerFile::open(&config.ledger, id, *currency, config.fsync)?;
        let machine = Machine::new(config.machine, ledger);
        let holds = config.holds.map(|path| HoldsFile::create(&path)).transpose()?;
        let (events, arrivals) = mpsc::channel(EVENTS_MAX);
        let peer = Peer {
            codec: config.codec,
            tls: config.tls,
            mac: config.mac.map(PeerMac::from),
            events: events.clone(),
        };
        let doors = Doors::open(config.listen, peer).await?;
        let (addrs, ledger) = (doors.addrs.clone(), config.ledger);
        let core = Core {
            machine,
            file,
            doors,
            links: BTreeMap::new(),
            outputs: Vec::new(),
            reopen_us: None,
            start: Instant::now(),
            holds,
            arrived: Vec::new(),
        };
        Ok(Handle { addrs, ledger, events, core: tokio::spawn(core.run(arrivals)) })
    }
}

impl Handle {
    /// Where it listens; the first address where there are several.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// Everywhere that it listens.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Its ledger file.
    pub fn ledger_path(&self) -> &Path {
        &self.ledger
    }

    /// Away: closes every connection, and refuses new ones until [`Handle::resume`].
    pub async fn pause(&self) {
        let (done, wait) = oneshot::channel();
        if self.events.send(Event::Pause(done)).await.is_ok() {
            // An error says that the bank has stopped, and then it is away for good.
            let _stopped = wait.await;
        }
    }

    /// Back again, on the same addresses.
    ///
    /// # Errors
    /// An address that was taken meanwhile, or a bank that has stopped.
    pub async fn resume(&self) -> io::Result<()> {
        let stopped = || io::Error::other("the bank has stopped");
        let (done, wait) = oneshot::channel();
        self.events.send(Event::Resume(done)).await.map_err(|_| stopped())?;
        wait.await.map_err(|_| stopped())?
    }

    /// Gives the bank other faults from here on.
    pub async fn set_faults(&self, faults: FaultRule) {
        // An error says that the bank has stopped: it has no more faults to make.
        let _stopped = self.events.send(Event::Faults(faults)).await;
    }

    /// Gives the bank another PIN key from here on.
    pub async fn set_pins(&self, pins: PinCheck) {
        // An error says that the bank has stopped: it checks no more PINs.
        let _stopped = self.events.send(Event::Pins(pins)).await;
    }

    /// Gives the bank another exchange key from here on.
    pub async fn set_exchange(&self, exchange: ExchangeKey) {
        // An error says that the bank has stopped: it takes no more keys in.
        let _stopped = self.events.send(Event::Exchange(exchange)).await;
    }

    /// Closes everything; the ledger is complete when this returns.
    pub async fn stop(mut self) {
        let _stopped = self.events.send(Event::Stop).await;
        let _ended = (&mut self.core).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.abort();
    }
}

/// The one task that owns machine and ledger.
struct Core {
    machine: Machine,
    file: LedgerFile,
    doors: Doors,
    links: BTreeMap<LinkId, mpsc::Sender<Box<Message>>>,
    outputs: Vec<Output>,
    /// When a bank that went away by a fault comes back.
    reopen_us: Option<u64>,
    start: Instant,
    holds: Option<HoldsFile>,
    /// Of the 0200 in hand: DE37 and when it came, where holds are noted.
    arrived: Vec<(u64, Instant)>,
}

impl Core {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        loop {
            let deadline_us = self.machine.next_deadline().into_iter().chain(self.reopen_us).min();
            let first = match deadline_us {
                None => events.recv().await,
                Some(deadline_us) => {
                    let at = self.start + Duration::from_micros(deadline_us);
                    tokio::time::timeout_at(at.into(), events.recv()).await.unwrap_or(Some(Event::Due))
                }
            };
            let Some(first) = first else { return };
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(event) = events.try_recv()
            {
                batch.push(event);
            }
            let mut stops = false;
            for event in batch {
                stops |= matches!(event, Event::Stop);
                self.take(event).await;
            }
            self.tick();
            if let Err(error) = self.flush().await {
                return tracing::error!(%error, "the ledger cannot be written: the bank stops");
            }
            if stops {
                return;
            }
        }
    }

    async fn take(&mut self, event: Event) {
        let now = self.now();
        let input = match event {
            Event::Opened(link, answers) => {
                self.links.insert(link, answers);
                return;
            }
            Event::Closed(link) => {
                self.links.remove(&link);
                return;
            }
            Event::Arrived(link, at, Arrival::Message(message)) => {
                if self.holds.is_some() && message.mti().value() == 200 {
                    self.arrived.extend(message.number(37).map(|rrn| (rrn, at)));
                }
                Input::Received(link, message)
            }
            Event::Arrived(link, _, Arrival::Forged(message, error)) => {
                tracing::warn!(%error, "bank: not authentic");
                Input::Forged(link, message)
            }
            Event::Arrived(_, _, Arrival::Malformed(error)) => {
                return tracing::warn!(%error, "bank: a frame that holds no message");
            }
            Event::Arrived(_, _, Arrival::KeepAlive) => return,
            Event::Pause(done) => {
                self.reopen_us = None;
                self.close().await;
                // Nobody waits any more: the pause holds all the same.
                let _unheard = done.send(());
                return;
            }
            Event::Resume(done) => {
                let _unheard = done.send(self.doors.reopen());
                return;
            }
            Event::Faults(faults) => return self.machine.set_faults(faults),
            Event::Pins(pins) => return self.machine.set_pins(pins),
            Event::Exchange(exchange) => return self.machine.set_exchange(exchange),
            Event::Due | Event::Stop => return,
        };
        self.machine.handle(now, input, &mut self.outputs);
    }

    fn tick(&mut self) {
        let now = self.now();
        if self.machine.next_deadline().is_some_and(|due_us| due_us <= now.mono_us) {
            self.machine.handle(now, Input::Deadline, &mut self.outputs);
        }
        if self.reopen_us.is_some_and(|due_us| due_us <= now.mono_us) {
            self.reopen_us = None;
            if let Err(error) = self.doors.reopen() {
                tracing::warn!(%error, "bank: cannot listen again yet");
                self.reopen_us = Some(now.mono_us + REOPEN_MS * 1000);
            }
        }
    }

    /// Lines first, then what they allow to leave.
    async fn flush(&mut self) -> io::Result<()> {
        let outputs = std::mem::take(&mut self.outputs);
        let (mut lines, mut sends, mut rekeys, mut away_ms) = (Vec::new(), Vec::new(), Vec::new(), None);
        for output in outputs {
            match output {
                Output::Append(line) => lines.push(line),
                Output::Send(link, message) => sends.push((link, message)),
                Output::Rekey(taken) => rekeys.push(taken),
                Output::Away(ms) => away_ms = away_ms.max(Some(ms)),
            }
        }
        if !lines.is_empty() {
            self.file.append(&lines)?;
        }
        for (link, message) in sends {
            self.send(link, Box::new(message));
        }
        if let Some(mac) = &self.doors.peer.mac {
            rekeys.iter().for_each(|taken| mac.rekey(taken));
        }
        if let Some(holds) = &mut self.holds {
            holds.note(&mut self.arrived)?;
        }
        if let Some(away_ms) = away_ms {
            self.close().await;
            self.reopen_us = Some(self.now().mono_us + away_ms * 1000);
        }
        Ok(())
    }

    /// An answer whose connection is gone leaves on another one, or is lost.
    fn send(&mut self, link: LinkId, mut message: Box<Message>) {
        let mut chosen = self.links.contains_key(&link).then_some(link);
        while let Some(link) = chosen.or_else(|| self.links.keys().last().copied()) {
            let sent = self.links.get(&link).map(|answers| answers.try_send(message));
            match sent {
                None | Some(Ok(())) => return,
                // The connection ends when its queue has no sender any more.
                Some(Err(mpsc::error::TrySendError::Full(_))) => {
                    self.links.remove(&link);
                    return;
                }
                Some(Err(mpsc::error::TrySendError::Closed(back))) => {
                    self.links.remove(&link);
                    (message, chosen) = (back, None);
                }
            }
        }
    }

    async fn close(&mut self) {
        self.doors.close().await;
        self.links.clear();
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            mono_us: self.start.elapsed().as_micros() as u64,
            wall_ms: wall.map_or(0, |since| since.as_millis() as i64),
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Peer {
    codec: LinkCodec,
    tls: Option<Answerer>,
    mac: Option<PeerMac>,
    events: mpsc::Sender<Event>,
}

/// The addresses, listened on or not.
struct Doors {
    addrs: Vec<SocketAddr>,
    peer: Peer,
    /// Listeners and, in them, connections; dropped, they close.
    accepting: JoinSet<()>,
    /// While away: bound and not listening, so that nobody else gets the ports.
    reserved: Vec<Option<TcpSocket>>,
}

impl Doors {
    async fn open(listen: Vec<SocketAddr>, peer: Peer) -> Result<Doors, StartError> {
        let (mut addrs, mut listeners) = (Vec::new(), Vec::new());
        for addr in listen {
            let fail = |error| StartError::Listen { addr, error };
            let listener = TcpListener::bind(addr).await.map_err(fail)?;
            addrs.push(listener.local_addr().map_err(fail)?);
            listeners.push(listener);
        }
        if addrs.is_empty() {
            return Err(StartError::NoAddress);
        }
        let mut doors = Doors { addrs, peer, accepting: JoinSet::new(), reserved: Vec::new() };
        doors.accept(listeners);
        Ok(doors)
    }

    async fn close(&mut self) {
        if !self.accepting.is_empty() {
            self.accepting.shutdown().await;
            self.reserved = self.addrs.iter().map(|addr| bound(*addr).ok()).collect();
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if !self.accepting.is_empty() {
            return Ok(());
        }
        let mut listeners = Vec::new();
        let mut reserved = std::mem::take(&mut self.reserved).into_iter();
        for addr in &self.addrs {
            let socket = match reserved.next().flatten() {
                Some(socket) => socket,
                None => bound(*addr)?,
            };
            listeners.push(socket.listen(1024)?);
        }
        self.accept(listeners);
        Ok(())
    }

    fn accept(&mut self, listeners: Vec<TcpListener>) {
        let doors = listeners.len() as LinkId;
        for (door, listener) in listeners.into_iter().enumerate() {
            // Links of one door never have the number of another's; 0 is nobody's.
            let links = (door as LinkId + 1..).step_by(doors as usize);
            self.accepting.spawn(accept(listener, links, self.peer.clone()));
        }
    }
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Connections are tasks of this one: when it is aborted, they are.
async fn accept(listener: TcpListener, links: impl Iterator<Item = LinkId>, peer: Peer) {
    let mut connections = JoinSet::new();
    for link in links {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, link, peer.clone()));
            }
            Err(error) => {
                // Out of descriptors: waiting for some to be closed is all that helps.
                tracing::warn!(%error, "bank cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, link: LinkId, peer: Peer) {
    let Peer { codec, tls, mac, events } = peer;
    let shaking = Socket::accepted(stream, tls.as_ref());
    let socket = tokio::time::timeout(HANDSHAKE_TIME_MAX, shaking).await;
    let socket = socket.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let (mut reader, mut writer) = match socket.and_then(|socket| link::open(socket, codec, mac)) {
        Ok(ends) => ends,
        Err(error) => return tracing::warn!(%error, "bank: connection"),
    };
    let (sender, mut answers) = mpsc::channel::<Box<Message>>(ANSWERS_MAX);
    if events.send(Event::Opened(link, sender)).await.is_err() {
        return;
    }
    let reading = async {
        while let Some(arrival) = reader.receive().await? {
            if events.send(Event::Arrived(link, Instant::now(), arrival)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let writing = async {
        while let Some(message) = answers.recv().await {
            writer.queue(&message)?;
            while let Ok(message) = answers.try_recv() {
                writer.queue(&message)?;
            }
            writer.flush().await?;
        }
        Ok::<(), link::Broken>(())
    };
    let ended = tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    };
    if let Err(error) = ended {
        tracing::info!(%error, "bank: connection ended");
    }
    // An error says that the bank has stopped.
    let _stopped = events.send(Event::Closed(link)).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use iso8583::framing::Framing;
    use iso8583::{Dialect, Mti};
    use keys::{Key, MacKey};

    use super::super::fault::Fault;
    use super::super::tests::{config, request, reversal};
    use super::*;
    use crate::link::{LinkReader, LinkWriter};

    /// The switch's end of a connection to a bank.
    struct Switch {
        reader: LinkReader,
        writer: LinkWriter,
    }

    impl Switch {
        async fn connect(addr: SocketAddr, codec: &LinkCodec, mac: Option<LinkMac>) -> io::Result<Switch> {
            let stream = TcpStream::connect(addr).await?;
            let (reader, writer) = link::open(stream, codec.clone(), mac)?;
            Ok(Switch { reader, writer })
        }

        /// `None` when the bank closes instead of answering.
        async fn next(&mut self) -> Option<Message> {
            match self.reader.receive().await {
                Ok(Some(Arrival::Message(message))) => Some(*message),
                Ok(None) | Err(link::Broken::Socket(_)) => None,
                other => panic!("{other:?}"),
            }
        }

        async fn ask(&mut self, message: &Message) -> Option<Message> {
            self.writer.send(message).await.unwrap();
            self.next().await
        }

        async fn code(&mut self, message: &Message) -> String {
            self.ask(message).await.unwrap().text(39).unwrap().to_owned()
        }
    }

    fn bank(directory: &Path, codec: LinkCodec, mac: Option<LinkMac>) -> BankConfig {
        let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        BankConfig {
            machine: config(),
            listen,
            codec,
            tls: None,
            mac,
            ledger: directory.join("ledger.jsonl"),
            holds: None,
            fsync: true,
        }
    }

    /// The test's messages, under the clock that the driver has.
    fn today(mut message: Message) -> Message {
        let now = time::OffsetDateTime::now_utc();
        let de7 = format!("{:02}{:02}010203", u8::from(now.month()), now.day());
        message.set_text(7, &de7);
        message
    }

    fn ends() -> (LinkMac, LinkMac) {
        let [one, two] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
        (LinkMac { sign: one.clone(), verify: two.clone() }, LinkMac { sign: two, verify: one })
    }

    #[tokio::test]
    async fn every_dialect_in_every_frame_with_and_without_macs() {
        let (near, far) = ends();
        let tpdu = [0x60, 0, 1, 0, 2];
        for dialect in Dialect::all_built_in() {
            for framing in [Framing::Length2, Framing::Ascii4, Framing::Length2Tpdu { tpdu }] {
                for mac in [false, true] {
                    let directory = tempfile::tempdir().unwrap();
                    let codec = LinkCodec { dialect, framing };
                    let config = bank(directory.path(), codec.clone(), mac.then(|| far.clone()));
                    let handle = Bank::start(config).await.unwrap();
                    let keys = mac.then(|| near.clone());
                    let mut switch = Switch::connect(handle.addr(), &codec, keys).await.unwrap();
                    let out = today(request(1, "01", "1111", 2_000_000));
                    let answer = switch.ask(&out).await.unwrap();
                    assert_eq!((answer.mti(), answer.text(39)), (Mti::new(210), Some("00")), "{codec:?}");
                    for element in [3, 4, 7, 11, 37, 41] {
                        assert_eq!(answer.get(element), out.get(element), "{codec:?} DE{element}");
                    }
                    let balance = switch.ask(&today(request(2, "31", "1111", 0))).await.unwrap();
                    assert_eq!(balance.text(54), Some("2001704C0000030000002002704C000003000000"));
                    let statement = switch.ask(&today(request(3, "38", "1111", 0))).await.unwrap();
                    assert_eq!(statement.text(62).map(str::len), Some(24));
                    assert_eq!(switch.code(&today(reversal(4, &out, 0))).await, "00");
                    handle.stop().await;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_message_that_is_not_authentic_is_answered_63_and_moves_nothing() {
        let (near, far) = ends();
        let directory = tempfile::tempdir().unwrap();
        let codec = LinkCodec::terminal();
        let handle = Bank::start(bank(directory.path(), codec.clone(), Some(far.clone()))).await.unwrap();
        let wrong = LinkMac { sign: far.sign.clone(), verify: near.verify.clone() };
        let mut switch = Switch::connect(handle.addr(), &codec, Some(wrong)).await.unwrap();
        assert_eq!(switch.code(&today(request(1, "01", "1111", 2_000_000))).await, "63");
        handle.stop().await;
        assert_eq!(super::super::read_lines(&directory.path().join("ledger.jsonl")).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_is_in_the_file_before_it_leaves_and_a_new_bank_goes_on_from_it() {
        let directory = tempfile::tempdir().unwrap();
        let codec = LinkCodec::terminal();
        let out = today(request(1, "01", "1111", 2_000_000));
        let mut answers = Vec::new();
        for _ in 0..2 {
            let handle = Bank::start(bank(directory.path(), codec.clone(), None)).await.unwrap();
            let mut switch = Switch::connect(handle.addr(), &codec, None).await.unwrap();
            answers.push(switch.ask(&out).await.unwrap());
            let text = std::fs::read_to_string(handle.ledger_path()).unwrap();
            assert_eq!(text.matches("212300000001").count(), 1);
            drop(handle);
            assert_eq!(switch.next().await, None, "a bank that is dropped is gone");
        }
        assert_eq!(answers[0], answers[1]);
    }

    #[tokio::test]
    async fn a_bank_that_is_away_refuses_and_comes_back_on_the_same_address() {
        let directory = tempfile::tempdir().unwrap();
        let codec = LinkCodec::terminal();
        let mut config = bank(directory.path(), codec.clone(), None);
        config.listen.push(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.machine.faults = Arc::new(|seen| (seen.rrn == "212300000002").then_some(Fault::Away(50)));
        let handle = Bank::start(config).await.unwrap();
        assert_eq!(handle.addrs().len(), 2);
        let mut switch = Switch::connect(handle.addrs()[1], &codec, None).await.unwrap();
        assert_eq!(switch.code(&today(request(1, "01", "1111", 50_000))).await, "00");
        for _ in 0..2 {
            handle.pause().await;
        }
        assert_eq!(switch.next().await, None);
        for addr in handle.addrs() {
            assert!(Switch::connect(*addr, &codec, None).await.is_err());
        }
        handle.resume().await.unwrap();
        let mut switch = Switch::connect(handle.addr(), &codec, None).await.unwrap();
        assert_eq!(switch.ask(&today(request(2, "01", "1111", 50_000))).await, None, "away by a fault");
        let mut back = None;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if let Ok(switch) = Switch::connect(handle.addr(), &codec, None).await {
                back = Some(switch);
                break;
            }
        }
        let mut switch = back.expect("the bank is back");
        assert_eq!(switch.code(&today(request(3, "01", "1111", 50_000))).await, "00");
    }

    #[tokio::test]
    async fn late_answers_leave_on_whatever_connection_there_is() {
        let directory = tempfile::tempdir().unwrap();
        let codec = LinkCodec::terminal();
        let handle = Bank::start(bank(directory.path(), codec.clone(), None)).await.unwrap();
        handle.set_faults(Arc::new(|seen| (seen.mti == 200).then_some(Fault::Late(100)))).await;
        let mut switch = Switch::connect(handle.addr(), &codec, None).await.unwrap();
        switch.writer.send(&today(request(1, "01", "1111", 50_000))).await.unwrap();
        let mut other = Switch::connect(handle.addr(), &codec, None).await.unwrap();
        assert_eq!(other.code(&today(reversal(2, &today(request(1, "01", "1111", 50_000)), 0))).await, "00");
        drop(switch);
        assert_eq!(other.next().await.unwrap().text(39), Some("00"));
    }
}
