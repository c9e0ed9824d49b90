//! Connections to banks: held open, made again with growing pauses (docs/interface.md#bank-links).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use iso8583::Message;
use keys::{LinkCodec, MacError, Received};
use processor::{Authenticity, Input, Institution, LinkId};
use tokio::time::{Instant, sleep, timeout};

use super::door::BankDoor;
use super::outbox::{BankMac, LinkKeys, Writes};
use super::stream::{self, Ended, Reader};
use super::threads::LinkThread;
use crate::bus::{Bus, Inbound, LAST_WRITE_MAX, tell};
use crate::config::IssuerLinkSettings;
use crate::current::Current;

/// Bytes asked of a socket at once: a bank's answers come in hundreds on few connections.
const READ_BYTES: usize = 65_536;

/// A bank that does not take a connection within this time, TLS included, is not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A frame that has begun has to be whole, and a write taken, within this time.
const FRAME_MAX: Duration = Duration::from_secs(5);

/// The processor asks a silent link with 0800/301 and closes one that does not answer; this only frees what it forgot.
const IDLE_MAX: Duration = Duration::from_secs(86_400);

/// What one connection to a bank needs to know.
#[derive(Clone, Debug)]
pub struct BankLink {
    /// The bank and which of its addresses.
    pub link: LinkId,
    /// `host:port`.
    pub address: String,
    /// Which of its addresses may be talked to, and how.
    pub door: Arc<Current<BankDoor>>,
    /// How its messages are written.
    pub codec: LinkCodec,
    /// The keys, where its messages carry MACs.
    pub mac: Option<BankMac>,
    /// The first pause before another try.
    pub reconnect_ms_min: u64,
    /// The longest.
    pub reconnect_ms_max: u64,
    /// Messages that wait to be written: all that the processor may have in flight there, so that only a connection that
    /// does not write is ever full.
    pub outbox_max: usize,
}

impl BankLink {
    /// One for each address of the bank.
    pub fn all(
        bank: Institution,
        settings: &IssuerLinkSettings,
        door: &Arc<Current<BankDoor>>,
        mac: Option<&BankMac>,
        outbox_max: usize,
    ) -> Vec<BankLink> {
        let links = settings.addresses.iter().zip(0u8..).map(|(address, index)| BankLink {
            link: LinkId::Bank(bank, index),
            address: address.clone(),
            door: Arc::clone(door),
            codec: LinkCodec { dialect: settings.dialect, framing: settings.framing },
            mac: mac.filter(|_| settings.mac).cloned(),
            reconnect_ms_min: settings.reconnect_ms_min,
            reconnect_ms_max: settings.reconnect_ms_max,
            outbox_max,
        });
        links.collect()
    }

    /// Keeps the connection on this thread for as long as the process lives.
    pub async fn keep(self, thread: LinkThread, bus: Bus) {
        let mut pause_ms = self.reconnect_ms_min;
        loop {
            let began = Instant::now();
            let ended = self.once(&thread, &bus).await;
            tracing::info!(link = ?self.link, address = self.address, %ended, "bank's connection");
            if matches!(ended, Ended::Stopped) {
                return;
            }
            if began.elapsed() > CONNECT_MAX + Duration::from_millis(self.reconnect_ms_max) {
                pause_ms = self.reconnect_ms_min;
            }
            sleep(Duration::from_millis(jittered(pause_ms))).await;
            pause_ms = (pause_ms * 2).min(self.reconnect_ms_max);
        }
    }

    async fn once(&self, thread: &LinkThread, bus: &Bus) -> Ended {
        let door = self.door.get();
        let stream = match timeout(CONNECT_MAX, door.connect(&self.address)).await {
            Err(_) => return Ended::Silent,
            Ok(Err(ended)) => return ended,
            Ok(Ok(stream)) => stream,
        };
        let writes = Writes::new(self.codec.clone(), LinkKeys::Bank(self.mac.clone()), self.outbox_max);
        let writes = Arc::new(writes);
        let outbox = thread.add(Arc::clone(&writes));
        let connection = outbox.connection();
        if bus.others.send(Inbound::LinkUp(self.link, outbox)).await.is_err() {
            thread.remove(connection);
            return Ended::Stopped;
        }
        let (read, write) = stream.into_split();
        let reader = Reader::new(read, READ_BYTES, IDLE_MAX, FRAME_MAX);
        let writing = stream::write_queued(write, &writes, FRAME_MAX);
        tokio::pin!(writing);
        let (ended, still_writing) = tokio::select! {
            ended = self.read(reader, bus) => (ended, true),
            ended = &mut writing => (ended, false),
        };
        tell(&bus.others, Input::LinkDown(self.link)).await;
        if still_writing {
            let _ = timeout(LAST_WRITE_MAX, writing).await;
        }
        thread.remove(connection);
        ended
    }

    async fn read(&self, mut reader: Reader, bus: &Bus) -> Ended {
        loop {
            let mac_now = self.mac.as_ref().map(BankMac::now);
            let consumed = match self.codec.receive(&reader.buffer, |_| mac_now.as_deref()) {
                Err(error) => return error.into(),
                Ok(Received::Incomplete) => match reader.more(None).await {
                    Ok(()) => continue,
                    Err(ended) => return ended,
                },
                Ok(Received::KeepAlive { consumed }) => consumed,
                Ok(Received::Malformed { consumed, error }) => {
                    tracing::warn!(link = ?self.link, %error, "format error");
                    metrics::counter!("atm_switch_link_format_errors_total", "side" => "bank").increment(1);
                    consumed
                }
                Ok(Received::Message { consumed, message, mac }) => {
                    reader.has_secrets = message.has_secrets();
                    if !tell(&bus.others, self.received(*message, mac)).await {
                        return Ended::Stopped;
                    }
                    consumed
                }
            };
            reader.take(consumed);
        }
    }

    fn received(&self, message: Message, mac: Result<(), MacError>) -> Input {
        let authenticity = if mac.is_ok() { Authenticity::Authentic } else { Authenticity::Forged };
        Input::Received { link: self.link, message, authenticity, citizen: None }
    }
}

/// Between half and the whole of a pause: banks that come back are not met by everybody at once.
fn jittered(pause_ms: u64) -> u64 {
    let half = pause_ms / 2;
    half + RandomState::new().hash_one(pause_ms) % (pause_ms - half + 1)
}
