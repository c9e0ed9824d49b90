//! One connection to the switch that never waits: what cannot be written yet stays queued, and the clock runs on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use iso8583::View;
use iso8583::framing::Decoded;
use keys::{LinkCodec, LinkMac};

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// What was read of one connection or another: memory that they share.
pub(super) type Scratch = Vec<u8>;

/// A signed-on terminals' connection.
pub(super) struct Connection {
    stream: TcpStream,
    codec: LinkCodec,
    /// The front of a frame that has not come whole.
    rest: Vec<u8>,
    /// Signed frames that wait to be written.
    pub(super) queued: Vec<u8>,
    /// Of `queued`, what has been written.
    written: usize,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn open(switch: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(switch)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let codec = LinkCodec::terminal();
        Ok(Connection { stream, codec, rest: Vec::new(), queued: Vec::new(), written: 0 })
    }

    /// Writes what the socket takes; whether that is all.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while self.written < self.queued.len() {
            match self.stream.write(&self.queued[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queued.clear();
        self.written = 0;
        Ok(true)
    }

    /// Reads what is there and hands out each message whose MAC is right.
    ///
    /// # Errors
    /// The connection is lost; or something came that the switch must never send: no message, a wrong MAC.
    pub(super) fn receive<'k>(
        &mut self,
        scratch: &mut Scratch,
        keys: impl Fn(&View<'_>) -> Option<&'k LinkMac>,
        mut take: impl FnMut(&View<'_>),
    ) -> io::Result<()> {
        let before = self.rest.len();
        scratch.resize(before + READ_BYTES, 0);
        scratch[..before].copy_from_slice(&self.rest);
        let count = match self.stream.read(&mut scratch[before..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut front = &scratch[..before + count];
        loop {
            match self.codec.framing.decode(front).map_err(io::Error::other)? {
                Decoded::Incomplete { .. } => break,
                Decoded::KeepAlive { consumed } => front = &front[consumed..],
                Decoded::Frame { payload, consumed } => {
                    let view = self.codec.dialect.parse(&front[payload]).map_err(io::Error::other)?;
                    keys(&view).map_or(Ok(()), |keys| keys.check(&view)).map_err(io::Error::other)?;
                    take(&view);
                    front = &front[consumed..];
                }
            }
        }
        self.rest.clear();
        self.rest.extend_from_slice(front);
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
