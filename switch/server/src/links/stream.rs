//! What every connection does: bytes into frames with deadlines, queued messages into few writes.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use keys::LinkError;
use socket2::SockRef;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};

use super::outbox::{Closing, Next, Writes};

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
    pub(crate) fn new(half: OwnedReadHalf, read_bytes: usize, idle: Duration, frame: Duration) -> Reader {
        let heard_at = Instant::now();
        Reader { half, buffer: BytesMut::new(), read_bytes, idle, frame, heard_at, began_at: None }
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
        loop {
            self.half.readable().await?;
            self.buffer.reserve(self.read_bytes);
            match self.half.try_read_buf(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// A frame was taken: what follows it in the buffer began with the last bytes that came.
    pub(crate) fn frame_taken(&mut self) {
        self.began_at = None;
    }
}

/// Writes what is queued until the connection is to be closed: all that waits goes into one write.
pub(crate) async fn write_queued(mut half: OwnedWriteHalf, writes: &Writes, write_max: Duration) -> Ended {
    let mut bytes = Vec::new();
    loop {
        match writes.next(&mut bytes).await {
            Next::Write => {}
            Next::Close(Closing::Told) => return Ended::Told,
            Next::Close(Closing::Full) => return Ended::QueueFull,
        }
        match timeout(write_max, half.write_all(&bytes)).await {
            Err(_) => return Ended::SlowWrite,
            Ok(Err(error)) => return error.into(),
            Ok(Ok(())) => bytes.clear(),
        }
    }
}
