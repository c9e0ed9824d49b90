//! What the processor holds of a transaction that is in flight.

use credential::{Pan, Reference};
use iso8583::Message;

use crate::ids::Day;
use crate::io::{LinkId, LinkedAccount};
use crate::lifecycle::State;
use crate::network::Seeds;
use crate::pin::{Enciphered, PinStage};
use crate::record::{Content, Evidence, Kind, Position};
use crate::saf::SafFaultSeen;
use crate::transaction::Transaction;

/// Answers that wait for a transaction's records; the next is not given, and whoever asked repeats and is answered from
/// what is recorded.
pub(crate) const WAITING_MAX: usize = 8;

/// A transaction in memory.
pub(crate) struct Live {
    /// The sum of its records, those not yet durable included.
    pub(crate) transaction: Transaction,
    /// Its state; what the fold calls SENT or APPROVED may still be syncing.
    pub(crate) state: State,
    /// The newest record, until it is durable: nothing is sent before.
    pub(crate) unsynced: Option<Position>,
    /// The terminal that waits for the answer to its request.
    pub(crate) asker: Option<Asker>,
    /// The answer is owed as soon as everything is durable.
    pub(crate) answer_due: bool,
    /// Answers to advices, and refusals of other content, ready to leave once everything is durable; at most
    /// [`WAITING_MAX`].
    pub(crate) waiting: Vec<(LinkId, Message)>,
    /// The reversal goes to the bank's queue once everything is durable.
    pub(crate) reversal_due: bool,
    /// How the reversal gets on.
    pub(crate) saf: Saf,
    /// The request while it is being verified.
    pub(crate) work: Option<Box<Work>>,
    /// The PIN block under the bank's key, from the security module's answer until the 0200 leaves. In memory alone.
    pub(crate) pin: Option<Enciphered>,
    /// Where the time went.
    pub(crate) stages: Stages,
    /// Its one timer, microseconds.
    pub(crate) timer_us: Option<u64>,
    /// The answer is due by then, microseconds.
    pub(crate) answer_by_us: u64,
}

/// Who gets the answer, and the message that it echoes.
pub(crate) struct Asker {
    pub(crate) link: LinkId,
    pub(crate) message: Message,
}

/// A request that is not yet recorded. Its message is the asker's, for the answer echoes it.
pub(crate) struct Work {
    pub(crate) kind: Option<Kind>,
    pub(crate) pan: Option<Pan>,
    pub(crate) content: Content,
    /// DE4 has a fraction of the smallest unit.
    pub(crate) fraction: bool,
    /// As [`crate::intake::Incoming::session`].
    pub(crate) session: Option<Seeds>,
    /// Where the money is, for a 0200.
    pub(crate) account: Option<LinkedAccount>,
    /// The citizen's linked accounts, for a 0100.
    pub(crate) accounts: Vec<LinkedAccount>,
    /// The reference that vouches for the citizen (two-step).
    pub(crate) reference: Option<Reference>,
    pub(crate) biometric_matched: bool,
    pub(crate) evidence: Option<Evidence>,
    /// How far its PIN is.
    pub(crate) pin: PinStage,
    /// The business day whose limits it was reserved against; `None` when it counts against none.
    pub(crate) reserved: Option<Day>,
}

/// How a reversal gets on at the bank.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Saf {
    pub(crate) stage: SafStage,
    /// How often it was sent; above 0 it is a 0421.
    pub(crate) attempts: u32,
    /// How often the bank refused it.
    pub(crate) refusals: u32,
    /// How often the bank said 25.
    pub(crate) unknowns: u32,
    /// How often it was sent when the bank last said so.
    pub(crate) unknown_at: u32,
    /// What went wrong last.
    pub(crate) last_fault: Option<SafFaultSeen>,
}

impl Saf {
    /// The bank has said 25 to what was sent last: asked again before its own timer has run out, its second 25 would
    /// prove nothing.
    pub(crate) fn waits_for_bank_timer(&self) -> bool {
        self.unknowns > 0 && self.attempts == self.unknown_at
    }
}

/// How long a reversal rests before its next turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pause {
    /// The bank did not answer: the pause doubles from send to send, and runs from the send.
    Silence,
    /// The bank refused: the same pause, from the refusal on.
    Refusal,
    /// The bank's own timer for a request has to run out.
    BankTimer,
}

/// Where a reversal stands in its bank's queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SafStage {
    /// Not in the queue: its record is not durable yet.
    #[default]
    Idle,
    /// Waits for the window.
    Queued,
    /// At the bank.
    Asked,
    /// Waits for its next turn.
    Resting,
}

impl SafStage {
    /// The name in commands and docs.
    pub fn name(self) -> &'static str {
        match self {
            SafStage::Idle => "syncing",
            SafStage::Queued => "queued",
            SafStage::Asked => "at the bank",
            SafStage::Resting => "resting",
        }
    }
}

/// Moments of a request, microseconds; 0 where it has not come so far.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Stages {
    pub(crate) arrived: u64,
    pub(crate) taken: u64,
    pub(crate) found: u64,
    pub(crate) verified: u64,
    /// The bank was asked.
    pub(crate) asked: u64,
    pub(crate) bank_answered: u64,
    pub(crate) answered: u64,
}

impl Live {
    pub(crate) fn new(transaction: Transaction) -> Live {
        Live {
            state: transaction.state,
            transaction,
            unsynced: None,
            asker: None,
            answer_due: false,
            waiting: Vec::new(),
            reversal_due: false,
            saf: Saf::default(),
            work: None,
            pin: None,
            stages: Stages::default(),
            timer_us: None,
            answer_by_us: u64::MAX,
        }
    }

    /// Keeps an answer until everything is durable.
    pub(crate) fn owe(&mut self, link: LinkId, answer: Message) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push((link, answer));
        }
    }

    /// Nothing is owed, awaited or unsynced: the log alone knows it from here on.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.state.is_open()
            && self.unsynced.is_none()
            && !self.answer_due
            && self.waiting.is_empty()
            && !self.reversal_due
    }
}
