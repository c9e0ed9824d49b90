//! The threads that own sockets: each polls its own connections, and writes what the event loop has for them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, sleep};

use super::outbox::{ConnectionId, Mailbox, Outbox, Outgoing, Taken, Writes};

/// How often the end looks whether all connections are closed.
const CLOSED_LOOK: Duration = Duration::from_millis(5);

/// The threads. Dropping them ends them at once.
#[derive(Debug)]
pub struct LinkThreads {
    threads: Vec<LinkThread>,
    joins: Vec<JoinHandle<()>>,
}

/// One thread, for those who bring it connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LinkThread {
    number: usize,
    handle: Handle,
    mailbox: Arc<Mailbox>,
    connections: Arc<Connections>,
}

/// A thread's connections.
#[derive(Default, Debug)]
struct Connections(Mutex<Open>);

#[derive(Default, Debug)]
struct Open {
    last: u64,
    writes: HashMap<ConnectionId, Arc<Writes>>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().expect("nothing panics while it holds the connections")
    }
}

impl LinkThreads {
    /// Starts so many threads. What a connection still has to write when they end may take `last_writes_max`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(count: usize, last_writes_max: Duration) -> std::io::Result<LinkThreads> {
        let mut started = LinkThreads { threads: Vec::new(), joins: Vec::new() };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let mailbox = Arc::<Mailbox>::default();
            let connections = Arc::<Connections>::default();
            let handle = runtime.handle().clone();
            started.threads.push(LinkThread {
                number,
                handle,
                mailbox: Arc::clone(&mailbox),
                connections: Arc::clone(&connections),
            });
            let thread = std::thread::Builder::new().name(format!("links-{number}"));
            let run = move || runtime.block_on(carry_out(&mailbox, &connections, last_writes_max));
            started.joins.push(thread.spawn(run)?);
        }
        Ok(started)
    }

    /// The threads, to be given connections in turn.
    pub fn all(&self) -> &[LinkThread] {
        &self.threads
    }

    /// Writes what waits, closes all connections and ends the threads; whoever waits here waits for them.
    pub fn end(mut self) {
        self.end_all();
        for join in self.joins.drain(..) {
            join.join().expect("a link thread does not panic");
        }
    }

    fn end_all(&self) {
        self.threads.iter().for_each(|thread| thread.mailbox.end());
    }
}

impl Drop for LinkThreads {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl LinkThread {
    /// Runs a task on the thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Makes a connection known to the thread; [`Self::remove`] follows.
    pub(super) fn add(&self, writes: Arc<Writes>) -> Outbox {
        let mut open = self.connections.lock();
        open.last += 1;
        let connection = ConnectionId(open.last);
        open.writes.insert(connection, writes);
        Outbox { connection, thread: self.number, mailbox: Arc::clone(&self.mailbox) }
    }

    /// The connection takes no more.
    pub(super) fn remove(&self, connection: ConnectionId) {
        self.connections.lock().writes.remove(&connection);
    }
}

/// Puts into bytes what the event loop has, until it has no more to say.
async fn carry_out(mailbox: &Mailbox, connections: &Connections, last_writes_max: Duration) {
    let mut batch = Vec::new();
    loop {
        let Taken { since, is_over } = mailbox.take(&mut batch).await;
        queue_all(&mut batch, since, connections);
        if is_over {
            break;
        }
    }
    connections.lock().writes.values().for_each(|writes| writes.close());
    let until = Instant::now() + last_writes_max;
    while !connections.lock().writes.is_empty() && Instant::now() < until {
        sleep(CLOSED_LOOK).await;
    }
}

/// Reversals behind the rest: nobody stands in front of a machine and waits for them.
fn queue_all(batch: &mut Vec<Outgoing>, since: std::time::Instant, connections: &Connections) {
    let open = connections.lock();
    let is_last = |outgoing: &Outgoing| match outgoing {
        Outgoing::Send(_, message) => matches!(message.mti().value(), 420 | 421),
        Outgoing::Close(_) => true,
        Outgoing::Rekey(..) => false,
    };
    for last in [false, true] {
        for outgoing in batch.iter().filter(|outgoing| is_last(outgoing) == last) {
            match outgoing {
                Outgoing::Send(connection, message) => match open.writes.get(connection) {
                    Some(writes) if writes.queue(message, since) => {}
                    Some(_) | None => {
                        metrics::counter!("atm_switch_messages_undeliverable_total").increment(1);
                    }
                },
                Outgoing::Rekey(macs, owner) => macs.refresh(*owner),
                Outgoing::Close(connection) => {
                    open.writes.get(connection).into_iter().for_each(|writes| writes.close());
                }
            }
        }
    }
    batch.clear();
}
