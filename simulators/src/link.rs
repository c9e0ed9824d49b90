//! One connection, in clear or in TLS, as messages: bytes in and out through a link codec, with the MACs of one peer.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use iso8583::{Message, ParseError};
use keys::{LinkCodec, LinkError, LinkMac, MacAlgorithm, MacError, MacKey, MacPurpose, Received};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsStream;

use crate::exchange::{Purpose, TakenKey};
use crate::tls::{Answerer, Dialler};

/// Bytes asked of the socket at once. The reader holds at most this much more than one frame.
const READ_BYTES: usize = 16 * 1024;

/// The MAC keys of a peer's end, as its configuration file has them.
///
/// # Errors
/// The key that is none of the algorithm, or an algorithm that is not known.
pub(crate) fn mac(algorithm: &str, to_switch: &str, from_switch: &str) -> Result<LinkMac, String> {
    let known = MacAlgorithm::of_name(algorithm);
    let known = known.ok_or_else(|| format!("mac_algorithm: `{algorithm}` is not known"))?;
    LinkMac::of_hex(known, to_switch, from_switch).map_err(|is_sign| {
        let place = if is_sign { "mac_to_switch" } else { "mac_from_switch" };
        format!("{place}: no key of {algorithm} in hex digits")
    })
}

/// The default of `mac_algorithm`.
pub(crate) fn hmac() -> String {
    MacAlgorithm::HmacSha256.name().to_owned()
}

/// The MAC keys of a peer's end, which an exchange changes for all of its connections. Clones are the same keys.
#[derive(Clone, Debug)]
pub struct PeerMac(Arc<RwLock<Arc<LinkMac>>>);

impl From<LinkMac> for PeerMac {
    fn from(mac: LinkMac) -> PeerMac {
        PeerMac(Arc::new(RwLock::new(Arc::new(mac))))
    }
}

impl PeerMac {
    fn now(&self) -> Arc<LinkMac> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes by a key that was taken in; what is received is checked by the one before it as well. A key of another algorithm
    /// than the link's changes nothing.
    pub(crate) fn rekey(&self, taken: &TakenKey) {
        let before = self.now();
        let bound = |purpose| MacKey::bound(&taken.key, before.sign.algorithm(), purpose);
        let next = match taken.purpose {
            Purpose::Pins => return,
            Purpose::Sign => {
                bound(MacPurpose::Sign).map(|sign| LinkMac { sign, verify: before.verify.clone() })
            }
            Purpose::Verify => bound(MacPurpose::Verify).map(|newest| {
                let verify = MacKey::any_of(newest, [before.verify.clone()]);
                LinkMac { sign: before.sign.clone(), verify }
            }),
        };
        match next {
            Ok(next) => *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next),
            Err(error) => tracing::warn!(%error, "a MAC key that is none of the link's"),
        }
    }
}

/// What came on a connection.
#[derive(Debug)]
pub enum Arrival {
    /// A message whose MAC is right, or that needs none.
    Message(Box<Message>),
    /// A message whose MAC is absent or wrong.
    Forged(Box<Message>, MacError),
    /// A frame that holds no message; the connection can go on.
    Malformed(ParseError),
    /// A frame of length zero.
    KeepAlive,
}

/// Why a connection is over.
#[derive(Debug, Error)]
pub enum Broken {
    /// The socket failed.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// The peer's bytes are out of step, or our message cannot be written.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The peer closed inside a frame.
    #[error("closed inside a frame, after {0} bytes of it")]
    Cut(usize),
}

/// A connection, in clear or in TLS.
#[derive(Debug)]
pub enum Socket {
    /// As it came.
    Clear(TcpStream),
    /// Behind its handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket::Clear(stream)
    }
}

impl Socket {
    /// What was dialled, in TLS where there is a dialler.
    ///
    /// # Errors
    /// The handshake's.
    pub async fn dialled(stream: TcpStream, tls: Option<&Dialler>) -> io::Result<Socket> {
        Ok(match tls {
            None => Socket::Clear(stream),
            Some(tls) => Socket::Tls(Box::new(tls.shake(stream).await?)),
        })
    }

    /// What was accepted, in TLS where there is an answerer.
    ///
    /// # Errors
    /// The handshake's.
    pub async fn accepted(stream: TcpStream, tls: Option<&Answerer>) -> io::Result<Socket> {
        Ok(match tls {
            None => Socket::Clear(stream),
            Some(tls) => Socket::Tls(Box::new(tls.shake(stream).await?)),
        })
    }
}

#[derive(Debug)]
enum Reading {
    Clear(OwnedReadHalf),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

#[derive(Debug)]
enum Writing {
    Clear(OwnedWriteHalf),
    Tls(WriteHalf<TlsStream<TcpStream>>),
}

/// The receiving half.
#[derive(Debug)]
pub struct LinkReader {
    stream: Reading,
    codec: LinkCodec,
    mac: Option<PeerMac>,
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were handed out already.
    taken: usize,
}

/// The sending half.
#[derive(Debug)]
pub struct LinkWriter {
    stream: Writing,
    codec: LinkCodec,
    mac: Option<PeerMac>,
    buffer: Vec<u8>,
}

/// Takes a connection over. `mac` holds this side's keys; without them nothing is signed or checked.
///
/// # Errors
/// A socket that cannot be told to send small segments at once.
pub fn open(
    socket: impl Into<Socket>,
    codec: LinkCodec,
    mac: Option<impl Into<PeerMac>>,
) -> io::Result<(LinkReader, LinkWriter)> {
    let mac = mac.map(Into::into);
    let (read, write) = match socket.into() {
        Socket::Clear(stream) => {
            stream.set_nodelay(true)?;
            let (read, write) = stream.into_split();
            (Reading::Clear(read), Writing::Clear(write))
        }
        Socket::Tls(stream) => {
            stream.get_ref().0.set_nodelay(true)?;
            let (read, write) = split(*stream);
            (Reading::Tls(read), Writing::Tls(write))
        }
    };
    let reader =
        LinkReader { stream: read, codec: codec.clone(), mac: mac.clone(), buffer: Vec::new(), taken: 0 };
    Ok((reader, LinkWriter { stream: write, codec, mac, buffer: Vec::new() }))
}

impl LinkReader {
    /// The next arrival; `None` when the peer has closed between two frames. Can be dropped while it waits, without
    /// loss.
    ///
    /// # Errors
    /// [`Broken`]: the connection is of no more use.
    pub async fn receive(&mut self) -> Result<Option<Arrival>, Broken> {
        loop {
            let keys = self.mac.as_ref().map(PeerMac::now);
            match self.codec.receive(&self.buffer[self.taken..], |_| keys.as_deref())? {
                Received::Incomplete => {}
                Received::KeepAlive { consumed } => {
                    self.taken += consumed;
                    return Ok(Some(Arrival::KeepAlive));
                }
                Received::Malformed { consumed, error } => {
                    self.taken += consumed;
                    return Ok(Some(Arrival::Malformed(error)));
                }
                Received::Message { consumed, message, mac } => {
                    self.taken += consumed;
                    return Ok(Some(match mac {
                        Ok(()) => Arrival::Message(message),
                        Err(error) => Arrival::Forged(message, error),
                    }));
                }
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            self.buffer.reserve(READ_BYTES);
            let count = match &mut self.stream {
                Reading::Clear(stream) => stream.read_buf(&mut self.buffer).await?,
                Reading::Tls(stream) => stream.read_buf(&mut self.buffer).await?,
            };
            if count == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Cut(self.buffer.len())) };
            }
        }
    }
}

impl LinkWriter {
    /// Signs and queues a message; nothing leaves before [`LinkWriter::flush`]. The queue is the caller's to bound.
    ///
    /// # Errors
    /// [`Broken::Link`] when the dialect cannot carry the message; what was queued before stays queued.
    pub fn queue(&mut self, message: &Message) -> Result<(), Broken> {
        let keys = self.mac.as_ref().map(PeerMac::now);
        Ok(self.codec.send(message, keys.as_deref(), &mut self.buffer)?)
    }

    /// Writes what is queued. Dropped while it waits it leaves half a frame behind: then drop the link too.
    ///
    /// # Errors
    /// [`Broken::Socket`].
    pub async fn flush(&mut self) -> Result<(), Broken> {
        match &mut self.stream {
            Writing::Clear(stream) => stream.write_all(&self.buffer).await?,
            Writing::Tls(stream) => {
                stream.write_all(&self.buffer).await?;
                stream.flush().await?;
            }
        }
        self.buffer.clear();
        Ok(())
    }

    /// Queues and writes one message.
    ///
    /// # Errors
    /// As [`LinkWriter::queue`] and [`LinkWriter::flush`].
    pub async fn send(&mut self, message: &Message) -> Result<(), Broken> {
        self.queue(message)?;
        self.flush().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use iso8583::Mti;
    use keys::Key;
    use tokio::net::TcpListener;

    use super::*;

    async fn connected(near: Option<LinkMac>, far: Option<LinkMac>) -> [(LinkReader, LinkWriter); 2] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        [(dialled, near), (accepted, far)]
            .map(|(stream, mac)| open(stream, LinkCodec::terminal(), mac).unwrap())
    }

    fn echo(stan: u64) -> Message {
        let mut message = Message::new(Mti::new(800));
        message.set_number(11, stan, 6).set_text(70, "301");
        message
    }

    #[tokio::test]
    async fn messages_arrive_in_order_and_a_close_between_frames_is_an_end() {
        let [(mut reader, _keep), (_, mut writer)] = connected(None, None).await;
        for stan in 0..300 {
            writer.queue(&echo(stan)).unwrap();
        }
        writer.flush().await.unwrap();
        drop(writer);
        for stan in 0..300 {
            match reader.receive().await.unwrap().unwrap() {
                Arrival::Message(message) => assert_eq!(message.number(11), Some(stan)),
                other => panic!("{other:?}"),
            }
        }
        assert!(reader.receive().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn macs_are_checked_and_a_cut_frame_is_named() {
        let [one, two] = [1, 2].map(|byte| MacKey::new(&Key::new([byte; 32])));
        let near = LinkMac { sign: one.clone(), verify: two.clone() };
        let far = LinkMac { sign: two, verify: one };
        let [(_, mut writer), (mut reader, _keep)] = connected(Some(near.clone()), Some(far)).await;
        writer.send(&echo(1)).await.unwrap();
        assert!(matches!(reader.receive().await.unwrap(), Some(Arrival::Message(_))));
        writer.mac = None;
        writer.send(&echo(2)).await.unwrap();
        assert!(matches!(reader.receive().await.unwrap(), Some(Arrival::Forged(_, MacError::Missing))));
        writer.buffer.extend_from_slice(&[0, 0, 0, 3, b'x', b'x', b'x', 0, 9, b'0']);
        writer.flush().await.unwrap();
        assert!(matches!(reader.receive().await.unwrap(), Some(Arrival::KeepAlive)));
        assert!(matches!(reader.receive().await.unwrap(), Some(Arrival::Malformed(_))));
        drop(writer);
        assert!(matches!(reader.receive().await, Err(Broken::Cut(3))));
    }
}
