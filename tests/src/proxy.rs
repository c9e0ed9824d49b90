//! A proxy on loopback that knows frames: it passes them on, shows them to who wants to see, and from a seed delays them,
//! doubles them, cuts them and resets connections.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use simulators::pilot::Chance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Out of ten thousand frames so many are held back, doubled, cut, or lost with their connection.
const DELAYED: usize = 400;
const DOUBLED: usize = 300;
const CUT: usize = 60;
const RESET: usize = 60;
const OF: usize = 10_000;

/// A frame is held back for so long, milliseconds; what goes over other connections meanwhile overtakes it.
const DELAY_MS: (u32, u32) = (5, 150);

/// The far end has to take a connection in this time.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Connections that are passed on at once; the next waits in the listener's queue.
const CONNECTIONS_MAX: usize = 1_024;

/// Which way a frame goes: a connection is opened by the near end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Near to far.
    There,
    /// Far to near.
    Back,
}

/// Sees every whole frame that comes in, without its length, before it goes on.
pub type Tap = Arc<dyn Fn(Way, &[u8]) + Send + Sync>;

/// A running proxy; its connections end with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    told: Arc<Told>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    /// Faults happen.
    wild: AtomicBool,
    frames: AtomicU64,
    faults: Mutex<BTreeMap<&'static str, u64>>,
}

/// What happens to a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passed,
    Delayed(Duration),
    Doubled,
    /// Half of it goes on, then the connection is reset.
    Cut,
    Reset,
}

impl Proxy {
    /// Listens on a free port and passes all connections on to `far`. With a seed it makes faults, drawn for each
    /// connection and way by itself; which frame meets them depends on when it comes.
    ///
    /// # Errors
    /// The system's own.
    pub async fn start(far: SocketAddr, seed: Option<u64>, tap: Tap) -> io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let told = Arc::new(Told { wild: AtomicBool::new(seed.is_some()), ..Told::default() });
        let task = tokio::spawn(serve(listener, far, seed.unwrap_or(0), told.clone(), tap));
        Ok(Proxy { address, told, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes everything on from now on as it comes.
    pub fn heal(&self) {
        self.told.wild.store(false, Ordering::Release);
    }

    /// Frames that came in so far.
    pub fn frames(&self) -> u64 {
        self.told.frames.load(Ordering::Relaxed)
    }

    /// Faults by kind so far.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.told.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Told {
    fn fate(&self, chance: &mut Chance) -> Fate {
        if !self.wild.load(Ordering::Acquire) {
            return Fate::Passed;
        }
        let weights = [DELAYED, DOUBLED, CUT, RESET, OF - DELAYED - DOUBLED - CUT - RESET];
        let delay_ms = u64::from(chance.between(DELAY_MS.0, DELAY_MS.1));
        let (fate, name) = match chance.weighted(&weights) {
            0 => (Fate::Delayed(Duration::from_millis(delay_ms)), "delayed"),
            1 => (Fate::Doubled, "doubled"),
            2 => (Fate::Cut, "cut"),
            3 => (Fate::Reset, "reset"),
            _ => return Fate::Passed,
        };
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
        fate
    }
}

async fn serve(listener: TcpListener, far: SocketAddr, seed: u64, told: Arc<Told>, tap: Tap) {
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that was gone before it was taken has nothing to pass on.
                let Ok((near, _)) = accepted else { continue };
                number += 1;
                let chance = |way: &str| Chance::new(seed, &format!("{way} {number}"));
                let chances = (chance("there"), chance("back"));
                connections.spawn(pass(near, far, told.clone(), tap.clone(), chances));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, both ways, until one end is gone or a fault has ended it. It ends on both sides at once.
async fn pass(mut near: TcpStream, far: SocketAddr, told: Arc<Told>, tap: Tap, chances: (Chance, Chance)) {
    let connected = timeout(CONNECT_MAX, TcpStream::connect(far)).await;
    let Ok(Ok(mut far)) = connected else {
        let _ = near.set_zero_linger();
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let is_reset = {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let (there, back) = chances;
        tokio::select! {
            reset = pump(near_in, far_out, &told, there, |frame| tap(Way::There, frame)) => reset,
            reset = pump(far_in, near_out, &told, back, |frame| tap(Way::Back, frame)) => reset,
        }
    };
    if is_reset {
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Frames in one direction; whether the connection is to be reset at the end.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    told: &Told,
    mut chance: Chance,
    tap: impl Fn(&[u8]) + Send,
) -> bool {
    let mut frame = vec![0; 2];
    loop {
        frame.truncate(2);
        if from.read_exact(&mut frame).await.is_err() {
            return false;
        }
        let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
        frame.resize(2 + length, 0);
        if from.read_exact(&mut frame[2..]).await.is_err() {
            return false;
        }
        told.frames.fetch_add(1, Ordering::Relaxed);
        tap(&frame[2..]);
        let fate = told.fate(&mut chance);
        if let Fate::Delayed(delay) = fate {
            sleep(delay).await;
        }
        let written = match fate {
            Fate::Reset => return true,
            Fate::Cut => to.write_all(&frame[..frame.len() / 2]).await,
            Fate::Passed | Fate::Delayed(_) | Fate::Doubled => to.write_all(&frame).await,
        };
        let written = match fate {
            Fate::Doubled if written.is_ok() => to.write_all(&frame).await,
            _ => written,
        };
        if written.is_err() || fate == Fate::Cut {
            return fate == Fate::Cut;
        }
    }
}
