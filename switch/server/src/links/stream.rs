//! What every connection does: bytes into frames with deadlines, queued messages into few writes.

use mutant::Mutant;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use keys::LinkError;
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsStream;
use zeroize::Zeroize;

use super::outbox::{Closing, Next, Writes};

/// Sent bytes that the peer has not acknowledged for so long end the connection (RFC 5482): a half-open peer.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(20);

/// For so long a broken rule waits for a peer.
const DAY: Duration = Duration::from_secs(86_400);

/// Bytes that are taken out of a TLS connection at once: what one record holds at most (RFC 8446, 5.1).
const RECORD_BYTES_MAX: usize = 16_384;

/// Memory for what is written that a connection keeps from one write to the next; what a burst took above it is given
/// back.
const WRITE_BYTES_KEPT: usize = 65_536;

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
    #[error("TLS: {0}")]
    Handshake(io::Error),
    #[error("a TLS handshake took too long")]
    SlowHandshake,
    #[error("its certificate has no common name, or several")]
    Unnamed,
    #[error("its certificate names `{0}`, which speaks for no terminal of ours")]
    SpeaksForNobody(String),
    #[error("no address of it is in the list of allowed networks")]
    NotAllowed,
    #[error("{0} is not loopback, and the link has no TLS")]
    InClear(SocketAddr),
}

/// A connection as it came, or inside TLS.
pub(crate) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The half that is read from.
pub(crate) enum ReadHalf {
    Clear(OwnedReadHalf),
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
}

/// The half that is written to.
pub(crate) enum WriteHalf {
    Clear(OwnedWriteHalf),
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Clear(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Clear(read), WriteHalf::Clear(write))
            }
            Stream::Tls(stream) => {
                let (read, write) = split(*stream);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
        }
    }
}

impl WriteHalf {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            WriteHalf::Clear(half) => half.write_all(bytes).await,
            WriteHalf::Tls(half) => {
                half.write_all(bytes).await?;
                half.flush().await
            }
        }
    }

    /// Says in TLS that nothing more comes, so that the other side can tell an end from a cut.
    async fn close(&mut self) {
        if let WriteHalf::Tls(half) = self {
            // It is over either way.
            let _ = half.shutdown().await;
        }
    }
}

/// Sets what every connection needs: small messages leave at once, and a peer that is gone is noticed.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(TCP_USER_TIMEOUT))
}

/// The receiving half: a buffer that holds at most one frame and one read more.
pub(crate) struct Reader {
    half: ReadHalf,
    pub(crate) buffer: BytesMut,
    /// The frame at its front holds a PIN block or a key block.
    pub(crate) has_secrets: bool,
    /// Bytes asked of the socket at once.
    read_bytes: usize,
    idle: Duration,
    frame: Duration,
    /// When the last byte came.
    heard_at: Instant,
    /// When the first byte came of the frame that is not whole yet.
    began_at: Option<Instant>,
}

impl Reader {
    pub(crate) fn new(half: ReadHalf, read_bytes: usize, idle: Duration, frame: Duration) -> Reader {
        let heard_at = Instant::now();
        Reader {
            half,
            buffer: BytesMut::new(),
            has_secrets: false,
            read_bytes,
            idle,
            frame,
            heard_at,
            began_at: None,
        }
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
        let deadline = if mutant::is(Mutant::SlowPeerKept) { deadline + DAY } else { deadline };
        match timeout_at(deadline, self.read_some()).await {
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

    /// Whoever says nothing has no buffer: there may be ten thousand of them.
    async fn read_some(&mut self) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        match &mut self.half {
            ReadHalf::Clear(half) => loop {
                half.readable().await?;
                self.buffer.reserve(self.read_bytes);
                match half.try_read_buf(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
            },
            ReadHalf::Tls(half) => {
                poll_fn(|context| {
                    let mut record = [MaybeUninit::uninit(); RECORD_BYTES_MAX];
                    let mut read = ReadBuf::uninit(&mut record);
                    ready!(Pin::new(&mut *half).poll_read(context, &mut read))?;
                    self.buffer.extend_from_slice(read.filled());
                    Poll::Ready(Ok(read.filled().len()))
                })
                .await
            }
        }
    }

    /// A frame was taken, and leaves no PIN block behind: what follows it in the buffer began with the last bytes that came.
    pub(crate) fn take(&mut self, consumed: usize) {
        if std::mem::take(&mut self.has_secrets) {
            self.buffer[..consumed].zeroize();
        }
        self.buffer.advance(consumed);
        self.began_at = None;
    }
}

/// Writes what is queued until the connection is to be closed: all that waits goes into one write.
pub(crate) async fn write_queued(mut half: WriteHalf, writes: &Writes, write_max: Duration) -> Ended {
    let mut bytes = Vec::new();
    loop {
        match writes.next(&mut bytes).await {
            Next::Write => {}
            Next::Close(Closing::Told) => {
                let _ = timeout(write_max, half.close()).await;
                return Ended::Told;
            }
            Next::Close(Closing::Full) => return Ended::QueueFull,
        }
        match timeout(write_max, half.write_all(&bytes)).await {
            Err(_) => return Ended::SlowWrite,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(())) => {
                bytes.clear();
                bytes.shrink_to(WRITE_BYTES_KEPT);
            }
        }
    }
}
