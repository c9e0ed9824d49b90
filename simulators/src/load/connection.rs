//! One connection to the switch that never waits: what cannot be written yet stays queued, and the clock runs on.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use iso8583::Message;
use keys::{LinkCodec, LinkMac, Received};

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A signed-on terminals' connection.
pub(super) struct Connection {
    stream: TcpStream,
    codec: LinkCodec,
    received: Vec<u8>,
    queued: Vec<u8>,
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
        Ok(Connection {
            stream,
            codec: LinkCodec::terminal(),
            received: Vec::new(),
            queued: Vec::new(),
            written: 0,
        })
    }

    /// Signs a message and puts it behind what is to be written.
    ///
    /// # Errors
    /// A message that the link cannot carry.
    pub(super) fn queue(&mut self, message: &Message, mac: &LinkMac) -> io::Result<()> {
        self.codec.send(message, Some(mac), &mut self.queued).map_err(io::Error::other)
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.queued.len() {
            match self.stream.write(&self.queued[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queued.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads what is there and hands out each message whose MAC is right.
    ///
    /// # Errors
    /// The connection is lost; or something came that the switch must never send: no message, a wrong MAC.
    pub(super) fn receive<'k>(
        &mut self,
        keys: impl Fn(&Message) -> Option<&'k LinkMac>,
        mut take: impl FnMut(Message),
    ) -> io::Result<()> {
        let before = self.received.len();
        self.received.resize(before + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[before..]);
        self.received.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let mut taken = 0;
        loop {
            let front = &self.received[taken..];
            match self.codec.receive(front, |message| keys(message)).map_err(io::Error::other)? {
                Received::Incomplete => break,
                Received::KeepAlive { consumed } => taken += consumed,
                Received::Malformed { error, .. } => return Err(io::Error::other(error)),
                Received::Message { consumed, message, mac } => {
                    taken += consumed;
                    mac.map_err(io::Error::other)?;
                    take(*message);
                }
            }
        }
        self.received.drain(..taken);
        Ok(())
    }
}
