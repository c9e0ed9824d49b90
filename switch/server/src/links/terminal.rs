//! The terminals' listener and what a terminal's connection does (docs/interface.md#messages-on-the-terminal-link).

use mutant::Mutant;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use credential::Pan;
use hsm::Owner;
use iso8583::Message;
use iso8583::framing::Decoded;
use keys::{DataKeys, LinkCodec, MacError, Received, TerminalKeys};
use processor::{Authenticity, Input, LinkId, TerminalId};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::door::{Caller, Callers, Handshakes, Speaker, TerminalDoor};
use super::macs::{ExchangedMacs, MacNow};
use super::outbox::{LinkKeys, Writes};
use super::stream::{self, Ended, Reader};
use super::threads::LinkThread;
use crate::bus::{Bus, Inbound, LAST_WRITE_MAX, TERMINAL_OUTBOX_MAX, tell};
use crate::clock::Clock;
use crate::config::TerminalLinkSettings;
use crate::current::Current;

/// Keep-alives without a message between them that a connection may send in [`KEEP_ALIVE_WINDOW`].
const KEEP_ALIVES_MAX: u32 = 100;
const KEEP_ALIVE_WINDOW: Duration = Duration::from_secs(1);

/// Bytes asked of a socket at once: ten usual messages, and little enough for many thousand idle connections.
const READ_BYTES: usize = 4_096;

/// A failed accept (no file descriptor left) is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All terminals' keys at one moment, by DE41.
pub type TerminalKeyMap = HashMap<TerminalId, TerminalKeys>;

/// The terminals' keys, which a reload of the configuration replaces: a connection keeps those that it began with.
#[derive(Debug, Default)]
pub struct TerminalKeyStore(RwLock<Arc<TerminalKeyMap>>);

impl TerminalKeyStore {
    /// The keys as they are now.
    pub fn current(&self) -> Arc<TerminalKeyMap> {
        Arc::clone(&self.0.read().expect("nothing panics while it holds the lock"))
    }

    /// Other keys from now on.
    pub fn replace(&self, keys: TerminalKeyMap) {
        *self.0.write().expect("nothing panics while it holds the lock") = Arc::new(keys);
    }
}

/// What every terminal's connection needs to know.
#[derive(Debug)]
pub struct Shared {
    /// `[terminals]`.
    pub settings: TerminalLinkSettings,
    /// Keys by DE41.
    pub keys: Arc<TerminalKeyStore>,
    /// MAC keys that were exchanged since.
    pub macs: Arc<ExchangedMacs>,
    /// Who may come in.
    pub door: Arc<Current<TerminalDoor>>,
    /// Handshakes under way.
    pub handshakes: Handshakes,
    /// For pseudonyms.
    pub data: DataKeys,
    /// The IIN of citizen PANs.
    pub iin: [u8; 6],
    /// To the event loop.
    pub bus: Bus,
    /// When messages came.
    pub clock: Clock,
}

/// So many connections wait to be accepted, where the system allows it (`net.core.somaxconn`). After a restart all terminals
/// come at once, and one that finds no room tries again only a second later.
const BACKLOG_MAX: u32 = 4_096;

/// Binds the listener. Inside a runtime.
///
/// # Errors
/// The address, and why it cannot be bound.
pub fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG_MAX)
    };
    listening().map_err(|error| format!("{address}: {error}"))
}

/// Accepts terminals for as long as the process lives: at most so many at once, at most so many in a second and of one
/// address; each thread gets one in turn. Whom the door does not let in is closed unheard.
pub async fn listen(listener: TcpListener, threads: Vec<LinkThread>, shared: Arc<Shared>) {
    let free = Arc::new(Semaphore::new(shared.settings.connections_max));
    let callers = Callers::new(shared.settings.connections_per_address_max);
    let mut pace = Pace::new(shared.settings.accepts_per_second_max);
    let mut turns = (1..).zip(threads.iter().cycle());
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(caller) = let_in(peer, &callers, &shared) else { continue };
        pace.wait().await;
        let (Ok(stream), Some((number, thread))) = (stream.into_std(), turns.next()) else { continue };
        let (own, shared, link) = (thread.clone(), Arc::clone(&shared), LinkId::Terminal(number));
        thread.spawn(async move {
            // A socket belongs to the thread that polls it.
            match TcpStream::from_std(stream) {
                Ok(stream) => connection(stream, peer, link, &own, &shared, (permit, caller)).await,
                Err(error) => tracing::warn!(%peer, %error, "socket"),
            }
        });
    }
}

/// `None`: the address is not allowed, or has its share of connections.
fn let_in(peer: SocketAddr, callers: &Callers, shared: &Shared) -> Option<Caller> {
    let allowed = shared.door.get().allows(peer.ip());
    let caller = allowed.then(|| callers.let_in(peer.ip())).flatten();
    if caller.is_none() {
        let reason = if allowed { "address_full" } else { "address_not_allowed" };
        refused(reason);
        tracing::debug!(%peer, reason, "a terminal's connection was not let in");
    }
    caller
}

fn refused(reason: &'static str) {
    metrics::counter!("atm_switch_connections_refused_total", "reason" => reason).increment(1);
}

/// Lets so many pass in a second, in bursts of a hundredth: timers are no finer than a millisecond.
struct Pace {
    ticks: Interval,
    burst: u64,
    left: u64,
}

impl Pace {
    fn new(per_second: u64) -> Pace {
        let burst = (per_second / 100).max(1);
        let mut ticks = interval(Duration::from_micros(burst * 1_000_000 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Pace { ticks, burst, left: 0 }
    }

    async fn wait(&mut self) {
        if self.left == 0 {
            self.ticks.tick().await;
            self.left = self.burst;
        }
        self.left -= 1;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    link: LinkId,
    thread: &LinkThread,
    shared: &Shared,
    _counted: (OwnedSemaphorePermit, Caller),
) {
    if let Err(error) = stream::prepare(&stream) {
        tracing::debug!(%peer, %error, "socket options");
        return;
    }
    let door = shared.door.get();
    let (stream, speaker) = match door.enter(stream, &shared.handshakes).await {
        Ok(entered) => entered,
        Err(ended) => {
            refused("tls");
            tracing::info!(%peer, %ended, "a terminal's connection was not let in");
            return;
        }
    };
    drop(door);
    let keys = shared.keys.current();
    let codec = LinkCodec::terminal();
    let link_keys = LinkKeys::Terminals(Arc::clone(&keys), Arc::clone(&shared.macs));
    let writes = Writes::new(codec.clone(), link_keys, TERMINAL_OUTBOX_MAX);
    let writes = Arc::new(writes);
    let outbox = thread.add(Arc::clone(&writes));
    let connection = outbox.connection();
    if shared.bus.advices.send(Inbound::LinkUp(link, outbox)).await.is_err() {
        thread.remove(connection);
        return;
    }
    let (read, write) = stream.into_split();
    let frame = Duration::from_millis(shared.settings.frame_ms_max);
    let idle = Duration::from_millis(shared.settings.idle_ms_max);
    let reader = Reader::new(read, READ_BYTES, idle, frame);
    let incoming = Incoming { link, shared, keys: &keys, speaker, codec, writes: &writes, reader };
    let writing = stream::write_queued(write, &writes, frame);
    tokio::pin!(writing);
    let (ended, still_writing) = tokio::select! {
        ended = incoming.read() => (ended, true),
        ended = &mut writing => (ended, false),
    };
    tracing::debug!(%peer, ?link, %ended, "terminal's connection");
    tell(&shared.bus.terminals, Input::LinkDown(link)).await;
    if still_writing {
        // The event loop closes the queue; what is in it may still reach a peer that closed its half alone.
        let _ = tokio::time::timeout(LAST_WRITE_MAX, writing).await;
    }
    thread.remove(connection);
}

/// The receiving side of one connection.
struct Incoming<'s> {
    link: LinkId,
    shared: &'s Shared,
    keys: &'s TerminalKeyMap,
    /// In TLS: the terminals that the certificate speaks for.
    speaker: Option<Speaker>,
    codec: LinkCodec,
    /// The connection's own queue, for what never reaches the processor.
    writes: &'s Writes,
    reader: Reader,
}

impl Incoming<'_> {
    async fn read(mut self) -> Ended {
        match self.read_on().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn read_on(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut first_until =
            Some(Instant::now() + Duration::from_millis(self.shared.settings.first_message_ms_max));
        let mut keep_alives = KeepAlives { since: Instant::now(), count: 0 };
        // Of what stands in the buffer the last part came then: a message may have waited there for a full queue.
        let mut arrived_us = self.shared.clock.mono_us();
        loop {
            // The keys live for as long as the look at the message.
            let (keys, macs, mut mac_now) = (self.keys, &self.shared.macs, None);
            let slot = &mut mac_now;
            let received = self.codec.receive(&self.reader.buffer, move |message| {
                *slot = mac_of(keys, macs, message);
                let found: &Option<MacNow<'_>> = slot;
                found.as_deref()
            })?;
            let consumed = match received {
                Received::Incomplete => {
                    self.reader.more(first_until).await?;
                    arrived_us = self.shared.clock.mono_us();
                    continue;
                }
                Received::KeepAlive { consumed } => {
                    keep_alives.count_one()?;
                    consumed
                }
                Received::Message { consumed, message, mac: Err(MacError::Both) } => {
                    drop(message);
                    self.answer_format_error()?;
                    consumed
                }
                Received::Message { consumed, message, mac } => {
                    keep_alives.count = 0;
                    self.reader.has_secrets = message.has_secrets();
                    if !self.knows(&message) {
                        return Err(Ended::Nameless);
                    }
                    // One terminal behind a concentrator does not cost the others their connection.
                    let authenticity = match mac {
                        _ if !self.may_speak_for(&message) => Authenticity::Foreign,
                        Ok(()) => Authenticity::Authentic,
                        Err(_) => Authenticity::Forged,
                    };
                    if authenticity == Authenticity::Authentic {
                        first_until = None;
                    }
                    self.pass_on(arrived_us, *message, authenticity).await?;
                    consumed
                }
                Received::Malformed { consumed, error } => {
                    tracing::debug!(link = ?self.link, %error, "format error");
                    metrics::counter!("atm_switch_link_format_errors_total", "side" => "terminal")
                        .increment(1);
                    self.answer_format_error()?;
                    consumed
                }
            };
            self.reader.take(consumed);
        }
    }

    /// Whether a message names a terminal of ours.
    fn knows(&self, message: &Message) -> bool {
        message.get(41).and_then(TerminalId::parse).is_some_and(|terminal| self.keys.contains_key(&terminal))
    }

    /// Whether the connection's certificate speaks for the terminal that a message names.
    fn may_speak_for(&self, message: &Message) -> bool {
        let Some(speaker) = &self.speaker else { return true };
        let speaks =
            message.get(41).and_then(TerminalId::parse).is_some_and(|terminal| speaker.contains(&terminal));
        if !speaks && mutant::is(Mutant::CertificateSpeaksForAll) {
            return true;
        }
        if !speaks {
            metrics::counter!("atm_switch_link_other_terminal_total").increment(1);
        }
        speaks
    }

    /// A new request goes where it may be refused, and so does what is forged; everything else is never refused.
    async fn pass_on(
        &self,
        arrived_us: u64,
        message: Message,
        authenticity: Authenticity,
    ) -> Result<(), Ended> {
        let is_authentic = authenticity == Authenticity::Authentic;
        let citizen = if is_authentic { self.shared.citizen(&message) } else { None };
        let begins_work = matches!(message.mti().value(), 100 | 200 | 201);
        let bus = &self.shared.bus;
        let queue = if begins_work || !is_authentic { &bus.terminals } else { &bus.advices };
        let input = Input::Received { link: self.link, message, authenticity, citizen };
        let told = queue.send(Inbound::Arrived(arrived_us, Box::new(input))).await;
        told.map_err(|_| Ended::Stopped)
    }

    /// Answers 30 to the frame at the front of the buffer, as far as it can be read, signed for the terminal that it
    /// names; where it names none of ours, or none of the certificate's, nobody could check the answer, and the connection
    /// is closed.
    fn answer_format_error(&self) -> Result<(), Ended> {
        let Ok(Decoded::Frame { payload, .. }) = self.codec.framing.decode(&self.reader.buffer) else {
            return Ok(());
        };
        let read = self.codec.dialect.salvage(&self.reader.buffer[payload]);
        let Some(answer) = read.as_ref().and_then(format_error) else { return Err(Ended::Nameless) };
        if !self.knows(&answer) || !self.may_speak_for(&answer) {
            return Err(Ended::Nameless);
        }
        if self.writes.queue(&answer, std::time::Instant::now()) { Ok(()) } else { Err(Ended::QueueFull) }
    }
}

/// 30 on the answer's own MTI, with what of a message names it; nothing to what is an answer itself.
fn format_error(read: &Message) -> Option<Message> {
    if read.mti().is_response() {
        return None;
    }
    let mut answer = Message::new(read.mti().response());
    answer.set_text(39, "30");
    for element in [7, 11, 37, 41] {
        if let Some(value) = read.get(element) {
            answer.set(element, value);
        }
    }
    Some(answer)
}

/// The keys of the terminal that a message names.
pub(super) fn mac_of<'k>(
    keys: &'k TerminalKeyMap,
    macs: &ExchangedMacs,
    message: &Message,
) -> Option<MacNow<'k>> {
    let terminal = TerminalId::parse(message.get(41)?)?;
    keys.get(&terminal).map(|keys| macs.of(&Owner::terminal(&terminal.0), &keys.mac))
}

impl Shared {
    fn citizen(&self, message: &Message) -> Option<credential::Pseudonym> {
        let pan = Pan::parse(message.get(2)?).ok()?;
        (pan.iin() == self.iin).then(|| self.data.pseudonym(&pan.citizen_number()))
    }
}

struct KeepAlives {
    since: Instant,
    count: u32,
}

impl KeepAlives {
    fn count_one(&mut self) -> Result<(), Ended> {
        if self.since.elapsed() > KEEP_ALIVE_WINDOW {
            *self = KeepAlives { since: Instant::now(), count: 0 };
        }
        self.count += 1;
        if self.count > KEEP_ALIVES_MAX { Err(Ended::Flood) } else { Ok(()) }
    }
}
