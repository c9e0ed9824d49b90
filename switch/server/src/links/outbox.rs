//! From the event loop to sockets: one mailbox for each link thread, one buffer of bytes for each connection.

use mutant::Mutant;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use hsm::Owner;
use iso8583::Message;
use keys::{LinkCodec, LinkMac};
use tokio::sync::Notify;

use super::macs::{ExchangedMacs, MacNow};
use super::terminal::{TerminalKeyMap, mac_of};
use crate::stages::{self, Stage};

/// Messages that wait for a link thread to put them into bytes. It does so without waiting for anything, so the mailbox is
/// full only where the thread gets no processor; the event loop then waits for it.
pub const MAILBOX_MESSAGES_MAX: usize = 65_536;

/// Bytes that may wait for a connection, for each message that may: far more than a message has, so that only one that does
/// not read is ever at it.
pub const BYTES_PER_MESSAGE_MAX: usize = 4_096;

/// One connection in the life of its link thread: a link that comes up again is another one, and gets nothing that was
/// for the last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId(pub(super) u64);

/// What the event loop has for a link thread.
#[derive(Debug)]
pub enum Outgoing {
    /// For a connection, if it is still there.
    Send(ConnectionId, Message),
    /// What waits for the connection is written, then it is closed.
    Close(ConnectionId),
    /// Behind what was sent before, an owner's MAC keys are those that the module has now.
    Rekey(Arc<ExchangedMacs>, Owner),
}

/// What waits for one link thread. The event loop fills it a turn at a time, so that the thread is woken once for all.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    outgoing: Vec<Outgoing>,
    /// When the first of them was put here.
    since: Option<Instant>,
    is_over: bool,
}

impl Mailbox {
    /// Takes all of `batch`, which keeps its memory, and wakes the thread. `false`: [`MAILBOX_MESSAGES_MAX`] wait already;
    /// the batch is as it was.
    pub fn put(&self, batch: &mut Vec<Outgoing>) -> bool {
        let mut waiting = self.lock();
        if waiting.outgoing.len() >= MAILBOX_MESSAGES_MAX {
            return false;
        }
        let wake = waiting.outgoing.is_empty();
        if wake {
            std::mem::swap(&mut waiting.outgoing, batch);
        } else {
            waiting.outgoing.append(batch);
        }
        waiting.since.get_or_insert_with(Instant::now);
        drop(waiting);
        if wake {
            self.filled.notify_one();
        }
        true
    }

    /// Nothing more comes: the thread closes its connections and ends.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.filled.notify_one();
    }

    /// All that waits, into `batch`; waits for it.
    pub(super) async fn take(&self, batch: &mut Vec<Outgoing>) -> Taken {
        loop {
            {
                let mut waiting = self.lock();
                if waiting.is_over || !waiting.outgoing.is_empty() {
                    std::mem::swap(&mut waiting.outgoing, batch);
                    let since = waiting.since.take().unwrap_or_else(Instant::now);
                    return Taken { since, is_over: waiting.is_over };
                }
            }
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while it holds the mailbox")
    }
}

/// What is to be known of a batch.
pub(super) struct Taken {
    /// When its first message left the event loop.
    pub(super) since: Instant,
    /// Nothing more comes.
    pub(super) is_over: bool,
}

/// The event loop's hold on one connection. Dropping it closes the connection, behind what was put into the mailbox before.
#[derive(Debug)]
pub struct Outbox {
    pub(super) connection: ConnectionId,
    pub(super) thread: usize,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Outbox {
    /// The connection, for [`Outgoing`].
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Which link thread has the connection, from 0.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// That thread's mailbox.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // Closing is never refused: it is one entry for each connection.
        let mut waiting = self.mailbox.lock();
        waiting.outgoing.push(Outgoing::Close(self.connection));
        drop(waiting);
        self.mailbox.filled.notify_one();
    }
}

/// The keys for what is written to a connection.
#[derive(Clone, Debug)]
pub(super) enum LinkKeys {
    /// Of the terminal that the message names.
    Terminals(Arc<TerminalKeyMap>, Arc<ExchangedMacs>),
    /// Of the bank, where its messages carry MACs.
    Bank(Option<BankMac>),
}

impl LinkKeys {
    pub(super) fn of(&self, message: &Message) -> Option<MacNow<'_>> {
        match self {
            LinkKeys::Terminals(keys, macs) => mac_of(keys, macs, message),
            LinkKeys::Bank(mac) => mac.as_ref().map(BankMac::now),
        }
    }
}

/// The keys of a bank's link.
#[derive(Clone, Debug)]
pub struct BankMac {
    /// The key file's.
    pub file: LinkMac,
    /// The bank, as the exchanged ones name it.
    pub owner: Owner,
    /// Those that were exchanged.
    pub exchanged: Arc<ExchangedMacs>,
}

impl BankMac {
    pub(super) fn now(&self) -> MacNow<'_> {
        self.exchanged.of(&self.owner, &self.file)
    }
}

/// What waits to be written to one connection, as the bytes that it will be.
#[derive(Debug)]
pub(super) struct Writes {
    codec: LinkCodec,
    keys: LinkKeys,
    /// Messages that may wait, with [`BYTES_PER_MESSAGE_MAX`] each; one above closes the connection.
    messages_max: usize,
    queued: Mutex<Queued>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queued {
    bytes: Vec<u8>,
    /// Messages in the bytes, and in those that are being written.
    messages: usize,
    writing: usize,
    /// When the first message in the bytes left the event loop.
    since: Option<Instant>,
    /// The same of those that are being written.
    writing_since: Option<Instant>,
    closing: Option<Closing>,
}

/// Why nothing more is written after what is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// The switch wants it so.
    Told,
    /// The peer does not read.
    Full,
}

/// What the writing half has to do next.
pub(super) enum Next {
    /// Bytes to be written.
    Write,
    /// Nothing is left to be written.
    Close(Closing),
}

impl Writes {
    pub(super) fn new(codec: LinkCodec, keys: LinkKeys, messages_max: usize) -> Writes {
        Writes { codec, keys, messages_max, queued: Mutex::default(), changed: Notify::new() }
    }

    /// Puts a message, decided at `since`, into bytes behind those that wait. `false`: the connection is closing and takes
    /// no more.
    pub(super) fn queue(&self, message: &Message, since: Instant) -> bool {
        let mut queued = self.lock();
        if queued.closing.is_some() {
            return false;
        }
        let bytes_max = self.messages_max * BYTES_PER_MESSAGE_MAX;
        let is_full = queued.messages == self.messages_max || queued.bytes.len() > bytes_max;
        if is_full && !mutant::is(Mutant::BytesWaitUnbounded) {
            queued.closing = Some(Closing::Full);
            drop(queued);
            self.changed.notify_one();
            return false;
        }
        let wake = queued.bytes.is_empty();
        match self.codec.send(message, self.keys.of(message).as_deref(), &mut queued.bytes) {
            Ok(()) => queued.messages += 1,
            Err(error) => tracing::error!(%error, mti = message.mti().value(), "a message cannot be written"),
        }
        queued.since.get_or_insert(since);
        drop(queued);
        if wake {
            self.changed.notify_one();
        }
        true
    }

    /// What is queued is written, and nothing after it.
    pub(super) fn close(&self) {
        self.lock().closing.get_or_insert(Closing::Told);
        self.changed.notify_one();
    }

    /// Waits for something to write and puts it into `bytes`, which was written whole and is empty.
    pub(super) async fn next(&self, bytes: &mut Vec<u8>) -> Next {
        loop {
            {
                let mut queued = self.lock();
                self.note_written(&mut queued);
                if queued.closing != Some(Closing::Full) && !queued.bytes.is_empty() {
                    std::mem::swap(&mut queued.bytes, bytes);
                    queued.writing = queued.messages;
                    queued.writing_since = queued.since.take();
                    return Next::Write;
                }
                if let Some(closing) = queued.closing {
                    return Next::Close(closing);
                }
            }
            self.changed.notified().await;
        }
    }

    /// The last bytes are gone: to a terminal, the last stage of its answers.
    fn note_written(&self, queued: &mut Queued) {
        let (written, since) = (std::mem::take(&mut queued.writing), queued.writing_since.take());
        queued.messages -= written;
        if let (LinkKeys::Terminals(..), Some(since)) = (&self.keys, since) {
            let us = since.elapsed().as_micros() as u64;
            (0..written).for_each(|_| stages::own().note(Stage::Write, us));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().expect("nothing panics while it holds the bytes")
    }
}
