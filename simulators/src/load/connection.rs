//! One connection to the switch that never waits: what cannot be written yet stays queued, and the clock runs on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use iso8583::View;
use iso8583::framing::Decoded;
use keys::{LinkCodec, LinkMac};
use tokio_rustls::rustls::ClientConnection;

use crate::tls::Dialler;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A handshake that takes longer is given up.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(30);

/// What was read of one connection or another: memory that they share.
pub(super) type Scratch = Vec<u8>;

/// A signed-on terminals' connection.
pub(super) struct Connection {
    stream: TcpStream,
    tls: Option<(Dialler, Box<ClientConnection>)>,
    codec: LinkCodec,
    /// The front of a frame that has not come whole.
    rest: Vec<u8>,
    /// Signed frames that wait to be written.
    pub(super) queued: Vec<u8>,
    /// Of `queued`, what has been written, or in TLS handed over for it.
    written: usize,
}

impl Connection {
    /// Connects, and shakes hands where there is a dialler.
    ///
    /// # Errors
    /// The system's own; the switch's refusal of a handshake.
    pub(super) fn open(switch: SocketAddr, dialler: Option<Dialler>) -> io::Result<Connection> {
        let mut stream = TcpStream::connect(switch)?;
        stream.set_nodelay(true)?;
        let shake = |dialler: Dialler| {
            let config = Arc::clone(&dialler.config);
            let mut tls = ClientConnection::new(config, dialler.name.clone()).map_err(io::Error::other)?;
            tls.set_buffer_limit(None);
            stream.set_read_timeout(Some(HANDSHAKE_TIME_MAX))?;
            while tls.is_handshaking() {
                tls.complete_io(&mut stream)?;
            }
            Ok::<_, io::Error>((dialler, Box::new(tls)))
        };
        let tls = dialler.map(shake).transpose()?;
        stream.set_nonblocking(true)?;
        let codec = LinkCodec::terminal();
        Ok(Connection { stream, tls, codec, rest: Vec::new(), queued: Vec::new(), written: 0 })
    }

    /// Another in its place.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(super) fn open_again(&self, switch: SocketAddr) -> io::Result<Connection> {
        Connection::open(switch, self.tls.as_ref().map(|(dialler, _)| dialler.clone()))
    }

    /// Writes what the socket takes; whether that is all.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        if let Some((_, tls)) = &mut self.tls {
            tls.writer().write_all(&self.queued[self.written..])?;
            self.written = self.queued.len();
            while tls.wants_write() {
                match tls.write_tls(&mut self.stream) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
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
        let read = match &mut self.tls {
            Some((_, tls)) => read_tls(tls, &mut self.stream, &mut scratch[before..]),
            None => self.stream.read(&mut scratch[before..]),
        };
        let count = match read {
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

/// What is there of one read: less than [`READ_BYTES`], for rustls takes no more at once.
fn read_tls(tls: &mut ClientConnection, stream: &mut TcpStream, plain: &mut [u8]) -> io::Result<usize> {
    if tls.read_tls(stream)? == 0 {
        return Ok(0);
    }
    let state = tls.process_new_packets().map_err(io::Error::other)?;
    let count = state.plaintext_bytes_to_read();
    if count == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    let plain = plain.get_mut(..count).ok_or_else(|| io::Error::other("more than one read of TLS"))?;
    tls.reader().read_exact(plain)?;
    Ok(count)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
