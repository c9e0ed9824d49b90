//! A terminal's socket: one TCP connection to the switch, dialled again when it breaks, around the machine.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use iso8583::Message;
use keys::{LinkCodec, LinkMac};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout};

use crate::link::{self, Arrival, LinkReader, LinkWriter, PeerMac, Socket};
use crate::tls::Dialler;

use super::config::{Config, ConfigError};
use super::io::{Event, Input, Now, Output};
use super::machine::Terminal;
use super::notes::Notes;
use super::order::{Finished, Order};
use super::totals::TotalsElements;
use super::vault::{Contents, Movement};

/// So many citizens queue at one machine; the next waits in [`Handle::perform`].
pub const QUEUE_MAX: usize = 64;

/// A connection that is not made in this time is tried again.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A write that takes longer ends the connection.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);

/// A machine sleeps no longer than this, so that every wait has an end.
const SLEEP_TIME_MAX: Duration = Duration::from_secs(3_600);

/// How a terminal is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where the switch listens for terminals.
    pub switch: SocketAddr,
    /// TLS with the terminal's certificate; `None` in clear.
    pub tls: Option<Dialler>,
    /// The terminal's end of the link's keys; `None` on a link without MACs.
    pub mac: Option<LinkMac>,
    /// The machine.
    pub config: Config,
    /// What the cassettes hold at the start.
    pub cassettes: Notes,
    /// The pause before the first dialling after a connection broke; it doubles up to the longest until a sign-on.
    pub redial_ms_min: u64,
    /// The longest pause.
    pub redial_ms_max: u64,
    /// Keep the list of movements. An audit needs it; a load of many millions has no room for it.
    pub keep_movements: bool,
}

/// The driver has ended: stopped, or with its runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the terminal is stopped")]
pub struct Stopped;

/// A running terminal. Clones are the same terminal; it stops with [`Handle::stop`] or with its last clone.
#[derive(Clone, Debug)]
pub struct Handle {
    terminal: Arc<str>,
    jobs: mpsc::Sender<Job>,
    standing: watch::Receiver<Standing>,
    told: Arc<Mutex<Told>>,
    task: Arc<Task>,
}

/// Where a terminal stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nobody is served, and nothing is owed to the switch.
    pub settled: bool,
    /// Advices not answered yet.
    pub advices_owed: usize,
    /// Gone for good.
    pub dead: bool,
    /// What lies where.
    pub contents: Contents,
}

#[derive(Debug, Default)]
struct Told {
    movements: Vec<Movement>,
    events: BTreeMap<Event, u64>,
}

#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
enum Job {
    Order(Box<Order>, oneshot::Sender<Finished>),
    Service(Notes, oneshot::Sender<()>),
    Totals(TotalsElements, oneshot::Sender<Option<Box<Message>>>),
}

/// Starts a terminal inside the tokio runtime around the call.
///
/// # Errors
/// [`ConfigError`].
pub fn start(setup: Setup) -> Result<Handle, ConfigError> {
    let machine = Terminal::new(setup.config.clone())?;
    Ok(begin(setup, machine))
}

/// The same, of a terminal that is started anew for each visit: its STANs begin by the clock, so that two visits within a second do not have one name.
///
/// # Errors
/// [`ConfigError`].
pub(super) fn start_anew(setup: Setup) -> Result<Handle, ConfigError> {
    let mut machine = Terminal::new(setup.config.clone())?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    machine.begin_stan_by_clock(since.as_micros() as i64);
    Ok(begin(setup, machine))
}

fn begin(setup: Setup, mut machine: Terminal) -> Handle {
    let (jobs, queue) = mpsc::channel(QUEUE_MAX);
    let (standing_out, standing) = watch::channel(Standing::default());
    let told = Arc::new(Mutex::new(Told::default()));
    let terminal = Arc::from(&*setup.config.terminal);
    let clock = Clock { started: Instant::now() };
    machine.handle(clock.now(), Input::Service(setup.cassettes));
    let driver = Driver {
        redial_ms: setup.redial_ms_min,
        mac: setup.mac.clone().map(PeerMac::from),
        setup,
        machine,
        clock,
        queue,
        served: None,
        said: None,
        standing: standing_out,
        told: Arc::clone(&told),
    };
    let task = Arc::new(Task(tokio::spawn(driver.run())));
    Handle { terminal, jobs, standing, told, task }
}

impl Handle {
    /// DE41 without trailing spaces.
    pub fn terminal(&self) -> &str {
        &self.terminal
    }

    /// Queues a citizen and waits until the visit is over. Its advice may still be under way then.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn perform(&self, order: Order) -> Result<Finished, Stopped> {
        let (done, finished) = oneshot::channel();
        self.jobs.send(Job::Order(Box::new(order), done)).await.map_err(|_| Stopped)?;
        finished.await.map_err(|_| Stopped)
    }

    /// Queues a service team that fills and empties the cassettes until they hold this.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn service(&self, notes: Notes) -> Result<(), Stopped> {
        let (done, finished) = oneshot::channel();
        self.jobs.send(Job::Service(notes, done)).await.map_err(|_| Stopped)?;
        finished.await.map_err(|_| Stopped)
    }

    /// Says totals of the acquirer's day; the 0510, or none where the switch does not answer.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn say_totals(&self, elements: TotalsElements) -> Result<Option<Box<Message>>, Stopped> {
        let (done, answered) = oneshot::channel();
        self.jobs.send(Job::Totals(elements, done)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// Waits until nobody is served and the switch has answered every advice. Visits that still queue are not waited
    /// for: their callers are.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn settled(&self) -> Result<(), Stopped> {
        let mut standing = self.standing.clone();
        standing.wait_for(|standing| standing.settled).await.map_err(|_| Stopped)?;
        Ok(())
    }

    /// Where it stands now.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Every movement of notes so far, in order.
    pub fn movements(&self) -> Vec<Movement> {
        self.with_told(|told| told.movements.clone())
    }

    /// What has happened so far, and how often.
    pub fn events(&self) -> BTreeMap<Event, u64> {
        self.with_told(|told| told.events.clone())
    }

    /// Ends the terminal as a power loss does.
    pub fn stop(&self) {
        self.task.0.abort();
    }

    fn with_told<T>(&self, read: impl FnOnce(&Told) -> T) -> T {
        read(&self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Clock {
    started: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_us: self.started.elapsed().as_micros() as u64, wall_ms: wall.as_millis() as i64 }
    }

    fn at(&self, mono_us: Option<u64>) -> tokio::time::Instant {
        let latest = Instant::now() + SLEEP_TIME_MAX;
        let at = mono_us.map(|mono_us| self.started + Duration::from_micros(mono_us));
        at.map_or(latest, |at| at.min(latest)).into()
    }
}

struct Driver {
    /// The keys that the setup begins with, and those that came since.
    mac: Option<PeerMac>,
    setup: Setup,
    machine: Terminal,
    clock: Clock,
    queue: mpsc::Receiver<Job>,
    /// Who waits for the end of the visit that is under way.
    served: Option<oneshot::Sender<Finished>>,
    /// Who waits for the answer to totals.
    said: Option<oneshot::Sender<Option<Box<Message>>>>,
    standing: watch::Sender<Standing>,
    told: Arc<Mutex<Told>>,
    /// The next pause before dialling.
    redial_ms: u64,
}

type Dialling = Pin<Box<dyn Future<Output = io::Result<Socket>> + Send>>;

enum Wire {
    Dialling(Dialling),
    Open(LinkReader, LinkWriter),
    /// The machine is gone for good.
    Closed,
}

enum Woken {
    Connected(io::Result<Socket>),
    Arrival(Result<Option<Arrival>, link::Broken>),
    Job(Option<Job>),
    Deadline,
}

impl Driver {
    async fn run(mut self) {
        let mut wire = Wire::Dialling(self.dial(Duration::ZERO));
        loop {
            self.carry_out(&mut wire).await;
            let deadline = sleep_until(self.clock.at(self.machine.next_deadline()));
            let woken = tokio::select! {
                job = self.queue.recv(), if self.served.is_none() => Woken::Job(job),
                woken = wait(&mut wire) => woken,
                () = deadline => Woken::Deadline,
            };
            let input = match woken {
                Woken::Deadline => Input::Deadline,
                Woken::Job(None) => return,
                Woken::Job(Some(Job::Order(order, done))) => {
                    self.served = Some(done);
                    Input::Order(order)
                }
                Woken::Job(Some(Job::Totals(elements, done))) => {
                    // Whoever waited for others is told that nobody answers.
                    self.said.replace(done).into_iter().for_each(|before| drop(before.send(None)));
                    Input::Totals(elements)
                }
                Woken::Job(Some(Job::Service(notes, done))) => {
                    // Nobody is served, so it is done when the machine has taken it.
                    self.machine.handle(self.clock.now(), Input::Service(notes));
                    self.carry_out(&mut wire).await;
                    // A caller that no longer waits needs no word.
                    let _unheard = done.send(());
                    continue;
                }
                Woken::Connected(connected) => {
                    let opened = connected
                        .and_then(|stream| link::open(stream, LinkCodec::terminal(), self.mac.clone()));
                    match opened {
                        Ok((reader, writer)) => {
                            wire = Wire::Open(reader, writer);
                            Input::LinkUp
                        }
                        Err(error) => {
                            tracing::debug!(terminal = %self.setup.config.terminal, %error, "cannot connect");
                            wire = Wire::Dialling(self.redial());
                            continue;
                        }
                    }
                }
                Woken::Arrival(Ok(Some(Arrival::Message(message)))) => Input::Received(message),
                Woken::Arrival(Ok(Some(Arrival::KeepAlive))) => continue,
                // What is not authentic, or no message, decides nothing: the timers do.
                Woken::Arrival(Ok(Some(Arrival::Forged(_, error)))) => {
                    tracing::warn!(terminal = %self.setup.config.terminal, %error, "dropped a message");
                    continue;
                }
                Woken::Arrival(Ok(Some(Arrival::Malformed(error)))) => {
                    tracing::warn!(terminal = %self.setup.config.terminal, %error, "dropped a frame");
                    continue;
                }
                Woken::Arrival(end) => {
                    self.log_end(end);
                    wire = Wire::Dialling(self.redial());
                    Input::LinkDown
                }
            };
            self.machine.handle(self.clock.now(), input);
        }
    }

    /// Does all that the machine wants, and says where it stands then.
    async fn carry_out(&mut self, wire: &mut Wire) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Send(message) => {
                    let Wire::Open(_, writer) = wire else { continue };
                    let sent = timeout(WRITE_TIME_MAX, writer.send(&message)).await;
                    if let Err(broken) =
                        sent.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
                    {
                        self.log_end(Err(broken));
                        self.lose(wire);
                    }
                }
                Output::Rekey(taken) => {
                    if let Some(mac) = &self.mac {
                        mac.rekey(&taken);
                    }
                }
                Output::Hangup => self.lose(wire),
                Output::Moved(movement) => {
                    if self.setup.keep_movements {
                        self.tell(|told| told.movements.push(movement));
                    }
                }
                Output::Event(event) => {
                    if event == Event::SignedOn {
                        self.redial_ms = self.setup.redial_ms_min;
                    }
                    self.tell(|told| *told.events.entry(event).or_insert(0) += 1);
                }
                Output::Totals(answer) => {
                    if let Some(said) = self.said.take_if(|_| answer.is_some() || !self.machine.says_totals())
                    {
                        let _unheard = said.send(answer);
                    }
                }
                Output::Finished(finished) => {
                    if let Some(served) = self.served.take() {
                        // A caller that no longer waits has lost interest, not the notes: they are in the movements.
                        let _unheard = served.send(finished);
                    }
                }
            }
        }
        let machine = &self.machine;
        let standing = Standing {
            settled: machine.is_settled() && self.served.is_none(),
            advices_owed: machine.advices_owed(),
            dead: machine.is_dead(),
            contents: machine.contents(),
        };
        self.standing
            .send_if_modified(|before| std::mem::replace(before, standing) != standing || standing.settled);
    }

    fn lose(&mut self, wire: &mut Wire) {
        *wire = if self.machine.is_dead() { Wire::Closed } else { Wire::Dialling(self.redial()) };
        self.machine.handle(self.clock.now(), Input::LinkDown);
    }

    fn redial(&mut self) -> Dialling {
        let pause = Duration::from_millis(self.redial_ms);
        self.redial_ms = (self.redial_ms * 2).min(self.setup.redial_ms_max);
        self.dial(pause.mul_f64(self.spread()))
    }

    fn dial(&self, pause: Duration) -> Dialling {
        let (switch, tls) = (self.setup.switch, self.setup.tls.clone());
        let connecting =
            async move { Socket::dialled(TcpStream::connect(switch).await?, tls.as_ref()).await };
        Box::pin(async move {
            sleep(pause).await;
            match timeout(CONNECT_TIME_MAX, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }

    /// From 0.75 to 1.25, by the terminal's name, so that a fleet does not come back all at once.
    fn spread(&self) -> f64 {
        let bytes = self.setup.config.terminal.bytes();
        let hash = bytes.fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        0.75 + f64::from(hash % 101) / 200.0
    }

    fn log_end(&self, end: Result<Option<Arrival>, link::Broken>) {
        let terminal = &self.setup.config.terminal;
        match end {
            Ok(_) => tracing::debug!(%terminal, "the switch has closed the connection"),
            Err(error) => tracing::debug!(%terminal, %error, "the connection broke"),
        }
    }

    fn tell(&self, write: impl FnOnce(&mut Told)) {
        write(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn wait(wire: &mut Wire) -> Woken {
    match wire {
        Wire::Dialling(dialling) => Woken::Connected(dialling.await),
        Wire::Open(reader, _) => Woken::Arrival(reader.receive().await),
        Wire::Closed => std::future::pending().await,
    }
}
