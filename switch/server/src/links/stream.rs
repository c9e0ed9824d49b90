//! What every connection does: bytes into frames with deadlines, queued messages into few writes.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use iso8583::Message;
use keys::{LinkCodec, LinkError, LinkMac};
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// Bytes asked of a socket at once: ten usual messages, and little enough for many thousand idle connections.
const READ_BYTES: usize = 4_096;

/// Messages that are put into one write.
const WRITE_MESSAGES_MAX: usize = 256;

/// Sent bytes that the peer has not acknowledged for so long end the connection (RFC 5482): a half-open peer.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// Why a connection is over.
#[derive(Debug, Error)]
pub(crate) enum Ended {
    #[error("closed by the peer")]
    Closed,
    #[error("closed by the peer inside a frame")]
    Cut,
    #[error("closed by the switch")]
    Told,
    #[error("the event loop has ended")]
    Stopped,
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("silent for too long")]
    Silent,
    #[error("a frame took too long")]
    SlowFrame,
    #[error("nothing authentic came in time")]
    NothingAuthentic,
    #[error("a write took too long")]
    SlowWrite,
    #[error("a flood of keep-alives")]
    Flood,
    #[error("a message that names no terminal of ours")]
    Nameless,
    #[error("it does not read its answers")]
    QueueFull,
}

/// Sets what every connection needs: small messages leave at once, and a peer that is gone is noticed.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))
}

/// The receiving half: a buffer that holds at most one frame and one read more.
pub(crate) struct Reader {
    half: OwnedReadHalf,
    pub(crate) buffer: BytesMut,
    idle: Duration,
    frame: Duration,
    /// When the last byte came.
    heard_at: Instant,
    /// When the first byte came of the frame that is not whole yet.
    began_at: Option<Instant>,
}

impl Reader {
    pub(crate) fn new(half: OwnedReadHalf, idle: Duration, frame: Duration) -> Reader {
        Reader { half, buffer: BytesMut::new(), idle, frame, heard_at: Instant::now(), began_at: None }
    }

    /// Waits for more bytes; call it when the buffer holds no whole frame. `until` is a deadline of the caller's.
    pub(crate) async fn more(&mut self, until: Option<Instant>) -> Result<(), Ended> {
        // Whoever sends byte by byte has as long for the frame as everybody else.
        self.began_at = match self.began_at {
            _ if self.buffer.is_empty() => None,
            Some(began) => Some(began),
            None => Some(self.heard_at),
        };
        let (deadline, late) = match self.began_at {
            Some(began) => (began + self.frame, Ended::SlowFrame),
            None => (self.heard_at + self.idle, Ended::Silent),
        };
        let (deadline, late) = match until {
            Some(until) if until < deadline => (until, Ended::NothingAuthentic),
            Some(_) | None => (deadline, late),
        };
        self.buffer.reserve(READ_BYTES);
        match timeout_at(deadline, self.half.read_buf(&mut self.buffer)).await {
            Err(_) => Err(late),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(0)) if self.buffer.is_empty() => Err(Ended::Closed),
            Ok(Ok(0)) => Err(Ended::Cut),
            Ok(Ok(_)) => {
                self.heard_at = Instant::now();
                Ok(())
            }
        }
    }

    /// A frame was taken: what follows it in the buffer began with the last bytes that came.
    pub(crate) fn frame_taken(&mut self) {
        self.began_at = None;
    }
}

/// Writes what is queued until the queue is dropped: all that waits goes into one write, reversals behind the rest of it:
/// nobody stands in front of a machine and waits for them.
pub(crate) async fn write_queued<'k>(
    mut half: OwnedWriteHalf,
    mut queue: mpsc::Receiver<Box<Message>>,
    codec: &LinkCodec,
    keys: impl Fn(&Message) -> Option<&'k LinkMac>,
    write_max: Duration,
) -> Ended {
    let mut messages = Vec::new();
    let mut bytes = Vec::new();
    while queue.recv_many(&mut messages, WRITE_MESSAGES_MAX).await > 0 {
        messages.sort_by_key(|message| matches!(message.mti().value(), 420 | 421));
        for message in messages.drain(..) {
            if let Err(error) = codec.send(&message, keys(&message), &mut bytes) {
                tracing::error!(%error, mti = message.mti().value(), "a message cannot be written");
            }
        }
        match timeout(write_max, half.write_all(&bytes)).await {
            Err(_) => return Ended::SlowWrite,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(())) => bytes.clear(),
        }
    }
    Ended::Told
}
