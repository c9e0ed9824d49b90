//! The way to the event loop: three bounded queues, what ends work first, then what must never be refused, then what
//! begins work.

use std::time::Duration;

use processor::{Command, Input, Institution, LinkId, Now, SafBank, SafEntry, Suspended, TxKey};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::links::outbox::Outbox;

/// Terminals' new requests that wait for the event loop. It takes all that are there at each turn, and answers those that
/// have waited too long with 91; so the queue is full only when the loop stands still. Then a terminal's reader waits, and
/// with it the terminal: TCP's own window is the back-pressure.
pub const TERMINAL_INPUTS_MAX: usize = 4_096;

/// Terminals' advices, sign-ons and echoes that wait for the event loop; at the limit their readers wait.
pub const ADVICE_INPUTS_MAX: usize = 4_096;

/// Inputs of banks, verifier, look-ups and operators that wait for the event loop; at the limit their senders wait.
pub const OTHER_INPUTS_MAX: usize = 16_384;

/// Messages that wait to be written to a terminal's connection; one whose queue is full is closed.
pub const TERMINAL_OUTBOX_MAX: usize = 256;

/// How long a connection that is being closed may take to write what its queue still holds.
pub(crate) const LAST_WRITE_MAX: Duration = Duration::from_millis(500);

/// What the event loop is told.
#[derive(Debug)]
pub enum Inbound {
    /// A connection is open, and this holds it. It is followed by [`Input::LinkDown`].
    LinkUp(LinkId, Outbox),
    /// For the processor as it is.
    Input(Box<Input>),
    /// A terminal's message, and when it came: monotonic microseconds. It may have waited.
    Arrived(u64, Box<Input>),
    /// An operator commands; the answer goes back by the channel.
    Operator(Command, oneshot::Sender<Result<Done, String>>),
    /// The configuration was read again.
    Reconfigure(Box<processor::Config>),
    /// An operator asks how things stand.
    Status(oneshot::Sender<Value>),
    /// An operator asks what waits for the banks.
    Saf(SafQuestion, oneshot::Sender<SafAnswer>),
    /// An operator asks what waits for a person.
    Suspended(SuspendedQuestion, oneshot::Sender<SuspendedAnswer>),
}

/// Which transactions in SUSPENSE are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SuspendedQuestion {
    /// Flagged at or behind this moment, milliseconds since 1970.
    pub since_ms: i64,
    /// At most so many, the oldest.
    pub limit: usize,
}

/// What waits for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuspendedAnswer {
    /// The transactions, the oldest flag first.
    pub entries: Vec<(TxKey, Suspended)>,
    /// So many more are flagged in that time.
    pub more: usize,
    /// The list is at its bound: the log may hold others.
    pub is_full: bool,
}

/// What a command that was carried out has to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// Nothing more than that.
    Done,
    /// So many reversals were taken up, and so many rest on.
    Retried {
        /// Taken up.
        taken: usize,
        /// Resting on.
        resting: usize,
    },
}

/// Which reversals are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SafQuestion {
    /// The oldest of each bank, or of one.
    List {
        /// Of this one.
        bank: Option<Institution>,
        /// At most so many.
        limit: usize,
    },
    /// That of one transaction.
    One(TxKey),
}

/// What waits for the banks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafAnswer {
    /// When that was.
    pub now: Now,
    /// The banks that were asked for.
    pub banks: Vec<SafBank>,
    /// The reversals, by bank and age.
    pub entries: Vec<SafEntry>,
}

/// Sends to the event loop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    /// What begins work: 0100, 0200, 0201. A terminal's connection ends here too, behind what it has asked for.
    pub terminals: mpsc::Sender<Inbound>,
    /// What a terminal says beside: 0220, 0420, sign-on, echo. A terminal's connection begins here.
    pub advices: mpsc::Sender<Inbound>,
    /// What ends it.
    pub others: mpsc::Sender<Inbound>,
}

/// The event loop's end of the bus.
#[derive(Debug)]
pub struct BusEnd {
    /// What begins work.
    pub terminals: mpsc::Receiver<Inbound>,
    /// What a terminal says beside.
    pub advices: mpsc::Receiver<Inbound>,
    /// What ends it.
    pub others: mpsc::Receiver<Inbound>,
}

/// The two ends.
pub fn bus() -> (Bus, BusEnd) {
    let (terminals, terminals_end) = mpsc::channel(TERMINAL_INPUTS_MAX);
    let (advices, advices_end) = mpsc::channel(ADVICE_INPUTS_MAX);
    let (others, others_end) = mpsc::channel(OTHER_INPUTS_MAX);
    let end = BusEnd { terminals: terminals_end, advices: advices_end, others: others_end };
    (Bus { terminals, advices, others }, end)
}

/// Tells the event loop through one of its queues; waits while the queue is full. `false`: the loop has ended.
pub(crate) async fn tell(queue: &mpsc::Sender<Inbound>, input: Input) -> bool {
    queue.send(Inbound::Input(Box::new(input))).await.is_ok()
}
