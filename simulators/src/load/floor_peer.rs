//! The peers of the floor: what a switch without any work would be, and a bank that answers at once. Frames of one size go
//! in and come back; on their way through the switch two syncs stand, shared by all that wait for one.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use clap::Args;

use super::floor_file::FloorFile;
use super::poll::{self, Poller};

/// Bytes of a frame: as many as a 0200 with its reference and MAC has.
pub(super) const FRAME_BYTES: usize = 320;

/// Bytes of a record: between an INTENT's and an OUTCOME's.
pub(super) const RECORD_BYTES: usize = 320;

/// The file of records.
pub(super) const FILE_BYTES: u64 = 64 << 20;

/// Where a frame says what is to be done with it.
pub(super) const WAY_AT: usize = 8;
/// Straight back.
pub(super) const ECHOED: u8 = 0;
/// Sync, bank, sync, back.
pub(super) const COMPOSED: u8 = 1;

/// Where the switch notes on which connection a frame came.
const CONNECTION_AT: usize = 12;

/// Bytes asked of a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A peer looks so often whether it still has a parent.
const LOOK: Duration = Duration::from_millis(500);

/// Numbers of the poller's that are no connection's.
const LISTENER: usize = usize::MAX;
const PARENT: usize = usize::MAX - 1;

/// A peer, which ends with its standard input.
#[derive(Args, Debug)]
pub struct FloorPeerArguments {
    /// Where the banks listen, once for each connection to one: the peer is a switch. Without any it is a bank
    #[arg(long)]
    bank: Vec<SocketAddr>,
    /// The switch's file of records, a new one
    #[arg(long)]
    file: Option<PathBuf>,
}

/// Listens, prints where, and does its work until standard input ends.
///
/// # Errors
/// The system's own.
pub fn floor_peer(arguments: &FloorPeerArguments) -> io::Result<()> {
    poll::open_files(0)?;
    poll::wake_in_time()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let switch = match &arguments.file {
        Some(file) => Some(Switch::start(file, &arguments.bank)?),
        None => None,
    };
    println!("{}", listener.local_addr()?);
    Peer::new(listener, switch)?.run()
}

/// The sockets of one peer. Reads only what is there; writes block, for what is under way always fits a socket's buffer.
struct Peer {
    poller: Poller,
    listener: TcpListener,
    connections: Vec<Incoming>,
    switch: Option<Switch>,
}

struct Incoming {
    stream: Arc<TcpStream>,
    rest: Vec<u8>,
}

impl Peer {
    fn new(listener: TcpListener, switch: Option<Switch>) -> io::Result<Peer> {
        let poller = Poller::new()?;
        poller.add(&listener, LISTENER)?;
        poller.add(io::stdin(), PARENT)?;
        let mut peer = Peer { poller, listener, connections: Vec::new(), switch };
        let banks = peer.switch.as_ref().map(|switch| switch.banks.clone()).unwrap_or_default();
        banks.into_iter().try_for_each(|bank| peer.add(bank))?;
        Ok(peer)
    }

    fn add(&mut self, stream: Arc<TcpStream>) -> io::Result<()> {
        self.poller.add(&stream, self.connections.len())?;
        self.connections.push(Incoming { stream, rest: Vec::new() });
        Ok(())
    }

    fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        loop {
            self.poller.wait(LOOK, &mut ready)?;
            for number in ready.drain(..) {
                match number {
                    PARENT if io::stdin().lock().fill_buf()?.is_empty() => return Ok(()),
                    PARENT => {}
                    LISTENER => {
                        let (stream, _) = self.listener.accept()?;
                        stream.set_nodelay(true)?;
                        self.add(Arc::new(stream))?;
                    }
                    number => self.read(number)?,
                }
            }
        }
    }

    fn read(&mut self, number: usize) -> io::Result<()> {
        let it = &mut self.connections[number];
        let before = it.rest.len();
        it.rest.resize(before + READ_BYTES, 0);
        let count = (&*it.stream).read(&mut it.rest[before..])?;
        it.rest.truncate(before + count);
        if count == 0 {
            // Whoever measures has done so; its next connection is another.
            return it.stream.shutdown(std::net::Shutdown::Both).or(Ok(()));
        }
        let whole = it.rest.len() / FRAME_BYTES * FRAME_BYTES;
        let mut frames: Vec<u8> = it.rest.drain(..whole).collect();
        let Some(switch) = &self.switch else { return (&*it.stream).write_all(&frames) };
        let mut echoed = Vec::new();
        let mut composed = Vec::new();
        for frame in frames.chunks_exact_mut(FRAME_BYTES) {
            if frame[WAY_AT] == ECHOED {
                echoed.extend_from_slice(frame);
                continue;
            }
            let from_bank = number < switch.banks.len();
            if !from_bank {
                frame[CONNECTION_AT..CONNECTION_AT + 4].copy_from_slice(&(number as u32).to_le_bytes());
            }
            let mut at = [0; 4];
            at.copy_from_slice(&frame[CONNECTION_AT..CONNECTION_AT + 4]);
            let to = if from_bank { u32::from_le_bytes(at) as usize } else { number % switch.banks.len() };
            composed.push(Synced { to: Arc::clone(&self.connections[to].stream), frame: frame.to_vec() });
        }
        switch.sync(composed);
        (&*self.connections[number].stream).write_all(&echoed)
    }
}

/// What goes on to `to` when a record for it is durable.
struct Synced {
    to: Arc<TcpStream>,
    frame: Vec<u8>,
}

/// The switch's thread that syncs, and its banks.
struct Switch {
    banks: Vec<Arc<TcpStream>>,
    waiting: Arc<(Mutex<Vec<Synced>>, Condvar)>,
}

impl Switch {
    fn start(file: &Path, banks: &[SocketAddr]) -> io::Result<Switch> {
        if banks.is_empty() {
            return Err(io::Error::other("a switch needs a --bank"));
        }
        let mut file = FloorFile::create(file, FILE_BYTES)?;
        let connect = |bank: &SocketAddr| {
            let stream = TcpStream::connect(bank)?;
            stream.set_nodelay(true)?;
            Ok(Arc::new(stream))
        };
        let banks = banks.iter().map(connect).collect::<io::Result<_>>()?;
        let waiting = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let own = Arc::clone(&waiting);
        std::thread::Builder::new().name("floor-sync".to_owned()).spawn(move || {
            // Without its records the peer is of no use, and whoever measures sees it end.
            if let Err(error) = sync_all(&mut file, &own) {
                eprintln!("floor: {error}");
                std::process::exit(1);
            }
        })?;
        Ok(Switch { banks, waiting })
    }

    fn sync(&self, more: Vec<Synced>) {
        if more.is_empty() {
            return;
        }
        self.waiting.0.lock().expect("nothing panics while it holds what waits").extend(more);
        self.waiting.1.notify_one();
    }
}

fn sync_all(file: &mut FloorFile, (waiting, news): &(Mutex<Vec<Synced>>, Condvar)) -> io::Result<()> {
    loop {
        let mut group = {
            let waiting = waiting.lock().expect("nothing panics while it holds what waits");
            let mut waiting = news
                .wait_while(waiting, |waiting| waiting.is_empty())
                .expect("nothing panics while it holds what waits");
            std::mem::take(&mut *waiting)
        };
        file.write_synced(group.len() * RECORD_BYTES)?;
        group.sort_by_key(|it| Arc::as_ptr(&it.to) as usize);
        for frames in group.chunk_by(|one, other| Arc::ptr_eq(&one.to, &other.to)) {
            let bytes: Vec<u8> = frames.iter().flat_map(|it| &it.frame).copied().collect();
            // A connection whose other end has gone loses what was for it.
            let _gone = (&*frames[0].to).write_all(&bytes);
        }
    }
}
