//! Stands between the switch and a bank and spoils what the bank says about money, for as long as it is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a 0210. A 0420 does not reach the bank, and its own bytes are spoiled for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// Bytes that are no frame.
    Garbage,
    /// A frame that holds no message.
    NoMessage,
    /// Half of its frame, and then nothing of it.
    Half,
    /// Half of its frame, and then the end of the connection.
    HalfAndGone,
    /// A length that is too small by ten.
    LengthSmall,
    /// A length above all bounds.
    LengthLarge,
    /// Its last byte, which is the MAC's, is another.
    Mac,
}

/// The front. Its connections end with the runtime.
#[derive(Debug)]
pub struct SpoiledBank {
    listener: TcpListener,
    spoil: Arc<Mutex<Option<Spoil>>>,
}

/// What is said while the front serves.
#[derive(Clone, Debug)]
pub struct Mood(Arc<Mutex<Option<Spoil>>>);

impl Mood {
    /// From now on; `None` passes everything on.
    ///
    /// # Panics
    /// When a connection has panicked.
    pub fn set(&self, spoil: Option<Spoil>) {
        *self.0.lock().expect("no connection has panicked") = spoil;
    }

    fn now(&self) -> Option<Spoil> {
        *self.0.lock().expect("no connection has panicked")
    }
}

impl SpoiledBank {
    /// Listens; nobody is served yet.
    ///
    /// # Errors
    /// The system's own.
    pub async fn bind() -> io::Result<SpoiledBank> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(SpoiledBank { listener, spoil: Arc::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves in front of a bank, and spoils nothing until it is told to.
    pub fn serve(self, bank: SocketAddr) -> Mood {
        let mood = Mood(self.spoil);
        let told = mood.clone();
        tokio::spawn(async move {
            while let Ok((switch, _)) = self.listener.accept().await {
                let mood = mood.clone();
                // A connection that fails has ended on both sides: that is all there is to tell.
                tokio::spawn(async move { connection(switch, bank, &mood).await });
            }
        });
        told
    }
}

async fn connection(switch: TcpStream, bank: SocketAddr, mood: &Mood) -> io::Result<()> {
    let (from_switch, to_switch) = switch.into_split();
    let (from_bank, to_bank) = TcpStream::connect(bank).await?.into_split();
    let to_switch = tokio::sync::Mutex::new(to_switch);
    tokio::select! {
        ended = requests(from_switch, to_bank, &to_switch, mood) => ended,
        ended = answers(from_bank, &to_switch, mood) => ended,
    }
}

async fn requests(
    mut from_switch: OwnedReadHalf,
    mut to_bank: OwnedWriteHalf,
    to_switch: &tokio::sync::Mutex<OwnedWriteHalf>,
    mood: &Mood,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut from_switch).await?;
        match mood.now() {
            Some(spoil) if frame[2..].starts_with(b"042") => {
                say(&mut *to_switch.lock().await, &frame, spoil).await?;
            }
            _ => to_bank.write_all(&frame).await?,
        }
    }
}

async fn answers(
    mut from_bank: OwnedReadHalf,
    to_switch: &tokio::sync::Mutex<OwnedWriteHalf>,
    mood: &Mood,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut from_bank).await?;
        let mut to_switch = to_switch.lock().await;
        match mood.now() {
            Some(spoil) if frame[2..].starts_with(b"0210") => say(&mut to_switch, &frame, spoil).await?,
            _ => to_switch.write_all(&frame).await?,
        }
    }
}

/// A frame, its length included.
async fn frame(half: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = half.read_u16().await?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.resize(2 + usize::from(length), 0);
    half.read_exact(&mut frame[2..]).await?;
    Ok(frame)
}

/// Errors: the connection is over, also when that is what spoils it.
async fn say(to_switch: &mut OwnedWriteHalf, frame: &[u8], spoil: Spoil) -> io::Result<()> {
    let with_length = |length: u16| [&length.to_be_bytes(), &frame[2..]].concat();
    let length = (frame.len() - 2) as u16;
    let said = match spoil {
        Spoil::Garbage => vec![0xFF; 300],
        Spoil::NoMessage => b"\x00\x03abc".to_vec(),
        Spoil::Half | Spoil::HalfAndGone => frame[..frame.len() / 2].to_vec(),
        Spoil::LengthSmall => with_length(length - 10),
        Spoil::LengthLarge => with_length(0xFFFF),
        Spoil::Mac => {
            let mut forged = frame.to_vec();
            if let Some(last) = forged.last_mut() {
                *last ^= 1;
            }
            forged
        }
    };
    to_switch.write_all(&said).await?;
    if spoil == Spoil::HalfAndGone {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
