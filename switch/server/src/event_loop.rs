//! The one thread that owns processor and log: takes what has come, has it decided, carries out what was decided.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use iso8583::Message;
use journal::{AppendError, Journal, LogEvent, SegmentLog};
use processor::{Command, Event, Input, KeyOwner, LinkId, Now, Output, Position, Processor, Record, Ticket};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use crate::admin::Health;
use crate::bus::{
    ADVICE_INPUTS_MAX, BusEnd, Done, Inbound, OTHER_INPUTS_MAX, SafAnswer, SafQuestion, SuspendedAnswer,
    SuspendedQuestion,
};
use crate::clock::Clock;
use crate::cutover::{Acknowledgements, Overdue};
use crate::finder::Finders;
use crate::key_keeper::{KeyKeeper, owner_of};
use crate::key_versions::KeyVersions;
use crate::links::macs::ExchangedMacs;
use crate::links::outbox::{Mailbox, Outbox, Outgoing};
use crate::observer::{Observer, is_bank};
use crate::pins::Pins;
use crate::saf_view;
use crate::totals_count::TotalsCounter;
use crate::verifier::Verifier;

/// New requests taken in one turn. Bounds how long what ends work, and what must never be refused, waits behind what
/// begins work: both are taken whole at each turn, before it.
const REQUESTS_PER_TURN_MAX: usize = 256;

/// The log must be sure to take so many records of any size before another input is handled.
pub(crate) const ROOM_RECORDS_MIN: usize = 8;

/// How long the loop waits for a log that takes nothing more: then the process stops, and the next start recovers.
const LOG_WAIT_MAX: Duration = Duration::from_secs(20);
const LOG_WAIT_STEP: Duration = Duration::from_micros(200);

/// How often gauges are set and the loop shows that it lives.
const BEAT_US: u64 = 1_000_000;

/// What the log's threads tell the event loop, without ever waiting for it.
#[derive(Default)]
pub(crate) struct LogNews {
    synced: AtomicU64,
    disk_full: AtomicBool,
    news: Notify,
}

impl LogNews {
    /// The log's callback. A log that has failed ends the process at once: a failed fsync is never tried again, and
    /// nothing that waits for it may be answered.
    pub(crate) fn told(&self, event: LogEvent) {
        match event {
            LogEvent::Synced(position) => {
                self.synced.fetch_max(position, Ordering::AcqRel);
                metrics::counter!("atm_switch_log_syncs_total").increment(1);
                self.news.notify_one();
            }
            LogEvent::Failed(reason) => stop_at_once(&format!("the log has failed: {reason}")),
            LogEvent::DiskFull(reason) => {
                tracing::error!(reason, "the disk has no room for the log's next segment");
                self.set_disk_full(true);
            }
            LogEvent::DiskRoom => {
                tracing::info!("the disk has room for the log's next segment");
                self.set_disk_full(false);
            }
            LogEvent::IndexFailed(reason) => tracing::error!(reason, "the log's index"),
            LogEvent::CheckpointFailed(reason) => tracing::error!(reason, "the log's checkpoint"),
        }
    }

    fn set_disk_full(&self, full: bool) {
        metrics::gauge!("atm_switch_log_disk_full").set(f64::from(u8::from(full)));
        self.disk_full.store(full, Ordering::Release);
        self.news.notify_one();
    }

    /// Nothing can be allocated: what the log has is all there is.
    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Acquire)
    }
}

/// Ends the process without another word to anybody.
pub(crate) fn stop_at_once(reason: &str) -> ! {
    tracing::error!(reason, "stopping at once");
    eprintln!("atm-switch: {reason}");
    std::process::exit(STOPPED_STATUS)
}

/// Exit status after a failure that the next start recovers from.
const STOPPED_STATUS: i32 = 70;

/// The event loop and all that it owns.
pub(crate) struct EventLoop {
    pub(crate) processor: Processor,
    pub(crate) log: SegmentLog,
    /// Durable at the start: the processor may have appended since.
    pub(crate) synced: Position,
    pub(crate) log_news: Arc<LogNews>,
    pub(crate) bus: BusEnd,
    pub(crate) clock: Clock,
    pub(crate) finders: Finders,
    pub(crate) verifier: Verifier,
    pub(crate) pins: Pins,
    pub(crate) keeper: KeyKeeper,
    pub(crate) totals: TotalsCounter,
    pub(crate) macs: Arc<ExchangedMacs>,
    pub(crate) key_versions: Arc<KeyVersions>,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) overdue: Arc<Overdue>,
    pub(crate) health: Arc<Health>,
    pub(crate) stop: Arc<Notify>,
}

/// What the loop keeps for itself while it runs.
struct Running {
    owned: EventLoop,
    outboxes: HashMap<LinkId, Outbox>,
    /// What this turn has for each link thread, by its number.
    outgoing: Vec<(Arc<Mailbox>, Vec<Outgoing>)>,
    commands: HashMap<Ticket, oneshot::Sender<Result<Done, String>>>,
    last_command: u64,
    /// Inputs that the loop answers itself, within the batch.
    own_inputs: VecDeque<Input>,
    synced: Position,
    /// As the processor knows it.
    is_disk_full: bool,
    observer: Observer,
    next_beat_us: u64,
}

impl EventLoop {
    /// Runs until told to stop; then the log is closed, everything in it durable.
    pub(crate) async fn run(self) {
        let mut running = Running {
            synced: self.synced,
            owned: self,
            outboxes: HashMap::new(),
            outgoing: Vec::new(),
            commands: HashMap::new(),
            last_command: 0,
            own_inputs: VecDeque::new(),
            is_disk_full: false,
            observer: Observer::new(),
            next_beat_us: 0,
        };
        running.carry_out();
        running.take_log_news(running.owned.clock.now());
        running.run().await;
        running.hand_over();
        running.outboxes.clear();
        running.owned.log.close();
    }
}

impl Running {
    async fn run(&mut self) {
        let mut turn = Turn::default();
        let stop = Arc::clone(&self.owned.stop);
        let news = Arc::clone(&self.owned.log_news);
        loop {
            let due_us = self.owned.processor.next_deadline().unwrap_or(u64::MAX).min(self.next_beat_us);
            let due = self.owned.clock.at(due_us);
            let bus = &mut self.owned.bus;
            tokio::select! {
                biased;
                () = stop.notified() => return,
                () = news.news.notified() => {}
                first = bus.others.recv() => turn.others.extend(first),
                first = bus.advices.recv() => turn.advices.extend(first),
                first = bus.terminals.recv() => turn.requests.extend(first),
                () = tokio::time::sleep_until(due) => {}
            }
            fill(&mut turn.others, &mut bus.others, OTHER_INPUTS_MAX);
            fill(&mut turn.advices, &mut bus.advices, ADVICE_INPUTS_MAX);
            fill(&mut turn.requests, &mut bus.terminals, REQUESTS_PER_TURN_MAX);
            self.observer.batch.record(turn.len() as f64);
            let now = self.owned.clock.now();
            self.owned.log.gather();
            self.take_log_news(now);
            for inbound in turn.others.drain(..).chain(turn.advices.drain(..)) {
                self.take(now, inbound);
            }
            self.submit();
            // What was taken first has kept the requests waiting, and that counts.
            let now = self.owned.clock.now();
            self.owned.log.gather();
            for inbound in turn.requests.drain(..) {
                self.take(now, inbound);
            }
            if self.owned.processor.next_deadline().is_some_and(|due_us| due_us <= now.mono_us) {
                self.handle(now, Input::Deadline);
            }
            self.submit();
            if now.mono_us >= self.next_beat_us {
                self.beat(now);
            }
        }
    }

    fn take(&mut self, now: Now, inbound: Inbound) {
        match inbound {
            Inbound::LinkUp(link, outbox) => {
                while self.outgoing.len() <= outbox.thread() {
                    self.outgoing.push(Default::default());
                }
                self.outgoing[outbox.thread()].0 = Arc::clone(outbox.mailbox());
                self.outboxes.insert(link, outbox);
                self.handle(now, Input::LinkUp(link));
            }
            Inbound::Input(input) => {
                if let Input::LinkDown(link) = &*input {
                    self.close(*link);
                }
                self.handle(now, *input);
            }
            Inbound::Arrived(arrived_us, input) => self.handle_arrived(now, arrived_us, *input),
            Inbound::Operator(command, answer) => {
                let is_about_readiness = matches!(command, Command::Drain | Command::Resume);
                self.last_command += 1;
                let ticket = Ticket(self.last_command);
                self.commands.insert(ticket, answer);
                self.handle(now, Input::Operator(ticket, command));
                if is_about_readiness {
                    self.owned.health.set_ready(!self.owned.processor.is_draining());
                }
            }
            Inbound::Reconfigure(config) => {
                for kept in self.owned.processor.reconfigure(*config) {
                    tracing::error!(
                        ?kept,
                        "money in flight rests on it: it is kept as it was until a restart"
                    );
                }
                self.carry_out();
            }
            Inbound::Status(answer) => {
                // Whoever asked may be gone.
                let _ = answer.send(self.status(now));
            }
            Inbound::Saf(question, answer) => {
                let _ = answer.send(self.saf(now, question));
            }
            Inbound::Suspended(question, answer) => {
                let _ = answer.send(self.suspended(question));
            }
        }
    }

    fn take_log_news(&mut self, now: Now) {
        let is_disk_full = self.owned.log_news.is_disk_full();
        if is_disk_full != self.is_disk_full {
            self.is_disk_full = is_disk_full;
            self.handle(now, Input::DiskFull(is_disk_full));
        }
        let synced = self.owned.log_news.synced.load(Ordering::Acquire);
        if synced > self.synced {
            self.synced = synced;
            self.handle(now, Input::Synced(synced));
        }
    }

    /// Has one input decided, and whatever the loop itself answers on the way.
    fn handle(&mut self, now: Now, input: Input) {
        self.handle_arrived(now, now.mono_us, input);
    }

    /// The same of what came earlier and has waited.
    fn handle_arrived(&mut self, now: Now, arrived_us: u64, input: Input) {
        self.wait_for_room();
        self.owned.processor.handle_arrived(now, arrived_us, input);
        self.carry_out();
        while let Some(input) = self.own_inputs.pop_front() {
            self.wait_for_room();
            self.owned.processor.handle(now, input);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.owned.processor.poll_output() {
            match output {
                Output::Append(position, record) => self.append(position, &record),
                Output::Send(link, message) => self.send(link, message),
                Output::Find(ticket, lookup) => {
                    if let Some(found) = self.owned.finders.find(ticket, lookup) {
                        self.own_inputs.push_back(Input::Found(ticket, Box::new(found)));
                    }
                }
                Output::Verify(ticket, request) => self.owned.verifier.verify(ticket, request),
                Output::AskAgain(ticket, owed) => self.owned.verifier.ask_again(ticket, owed),
                Output::TranslatePin(ticket, request) => {
                    if let Some(verdict) = self.owned.pins.translate(ticket, request) {
                        self.own_inputs.push_back(Input::PinTranslated(ticket, verdict));
                    }
                }
                Output::TakeKey(ticket, request) => {
                    if let Some(verdict) = self.owned.keeper.take_key(ticket, request) {
                        self.own_inputs.push_back(Input::KeyTaken(ticket, verdict));
                    }
                }
                Output::CountTotals(ticket, question) => {
                    if let Some(verdict) = self.owned.totals.count(ticket, question) {
                        self.own_inputs.push_back(Input::TotalsCounted(ticket, verdict));
                    }
                }
                Output::UseKeys(link, owner) => self.use_keys(link, owner),
                Output::OfferKey(ticket, key) => {
                    if let Some(refusal) = self.owned.keeper.offer(ticket, key) {
                        self.own_inputs.push_back(Input::KeyOffered(ticket, Err(refusal)));
                    }
                }
                Output::UseOfferedKey(ticket, key, check_value) => {
                    if let Some(refusal) = self.owned.keeper.use_offered(ticket, key, check_value) {
                        self.own_inputs.push_back(Input::OfferedKeyUsed(ticket, Err(refusal)));
                    }
                }
                Output::Close(link) => self.close(link),
                Output::Commanded(ticket, result) => self.commanded(ticket, result.map(|()| Done::Done)),
                Output::Retried { ticket, taken, resting } => {
                    self.commanded(ticket, Ok(Done::Retried { taken, resting }));
                }
                Output::Event(event) => {
                    if let Event::CutoverAcknowledged(bank, day) = event {
                        self.owned.acknowledgements.note(bank, day);
                    }
                    self.observer.event(&event);
                }
            }
        }
    }

    fn commanded(&mut self, ticket: Ticket, result: Result<Done, String>) {
        if let Some(answer) = self.commands.remove(&ticket) {
            let _ = answer.send(result);
        }
    }

    /// A record that the log does not take is a broken invariant, or the end of the reserve: nothing may be decided behind
    /// it.
    fn append(&mut self, position: Position, record: &Record) {
        let mut waited = Duration::ZERO;
        loop {
            match self.owned.log.append(position, record) {
                Ok(()) => return,
                Err(AppendError::Full) if waited < LOG_WAIT_MAX => {
                    self.owned.log.submit();
                    self.stop_without_reserve(1);
                    std::thread::sleep(LOG_WAIT_STEP);
                    waited += LOG_WAIT_STEP;
                }
                Err(error) => stop_at_once(&format!("record {position} {}: {error}", record.body.name())),
            }
        }
    }

    /// The disk is slower than what comes in: everything waits, and TCP's windows with it.
    fn wait_for_room(&mut self) {
        let mut waited = Duration::ZERO;
        while self.owned.log.room() < ROOM_RECORDS_MIN && waited < LOG_WAIT_MAX {
            self.owned.log.submit();
            self.stop_without_reserve(ROOM_RECORDS_MIN);
            std::thread::sleep(LOG_WAIT_STEP);
            waited += LOG_WAIT_STEP;
        }
    }

    /// On a full disk waiting gives no room: when the reserve is used up, the process ends before anything is taken that
    /// cannot be recorded.
    fn stop_without_reserve(&self, records_min: usize) {
        if self.owned.log_news.is_disk_full() && self.owned.log.allocated_records() < records_min {
            stop_at_once("the disk is full and the log's reserve is used up");
        }
    }

    /// A message leaves at the end of the turn's part; its connection may be gone by then, like the message on any lost
    /// link.
    fn send(&mut self, link: LinkId, message: Message) {
        match self.outboxes.get(&link) {
            Some(outbox) => {
                self.outgoing[outbox.thread()].1.push(Outgoing::Send(outbox.connection(), message));
            }
            None => self.observer.undeliverable.increment(1),
        }
    }

    /// An owner's link goes by the keys that were taken in, behind the answer that says so.
    fn use_keys(&mut self, link: LinkId, owner: KeyOwner) {
        let Some(owner) = owner_of(owner) else { return };
        let macs = Arc::clone(&self.owned.macs);
        match self.outboxes.get(&link) {
            Some(outbox) => self.outgoing[outbox.thread()].1.push(Outgoing::Rekey(macs, owner)),
            None => macs.refresh(owner),
        }
    }

    /// Behind what was sent on the link.
    fn close(&mut self, link: LinkId) {
        self.hand_over();
        self.outboxes.remove(&link);
    }

    /// What was appended goes to the disk, what was sent to the links: once for all of a turn's part.
    fn submit(&mut self) {
        self.owned.log.submit();
        self.hand_over();
    }

    /// Gives the link threads what was sent meanwhile. A thread that has not taken the last
    /// [`MAILBOX_MESSAGES_MAX`](crate::links::outbox::MAILBOX_MESSAGES_MAX) messages is waited for: it waits for nobody.
    fn hand_over(&mut self) {
        for (mailbox, batch) in &mut self.outgoing {
            while !batch.is_empty() && !mailbox.put(batch) {
                std::thread::sleep(LOG_WAIT_STEP);
            }
        }
    }

    fn beat(&mut self, now: Now) {
        self.next_beat_us = now.mono_us + BEAT_US;
        self.owned.health.beat(now.mono_us);
        let (processor, gauges) = (&self.owned.processor, &self.observer.gauges);
        gauges.in_flight.set(processor.in_flight() as f64);
        let banks_up = self.outboxes.keys().filter(|link| is_bank(link)).count();
        gauges.terminals_up.set((self.outboxes.len() - banks_up) as f64);
        gauges.banks_up.set(banks_up as f64);
        gauges.reversals_open.set(processor.reversals_open() as f64);
        gauges.log_next.set(processor.next_position() as f64);
        gauges.log_synced.set(self.synced as f64);
        gauges.terminal_inputs.set(self.owned.bus.terminals.len() as f64);
        gauges.advice_inputs.set(self.owned.bus.advices.len() as f64);
        gauges.other_inputs.set(self.owned.bus.others.len() as f64);
        gauges.references.set(processor.standing().references.len() as f64);
        gauges.suspense.set(processor.standing().suspended.len() as f64);
        let is_overdue = self.owned.overdue.behind(processor.day()).is_some();
        gauges.day_overdue.set(f64::from(u8::from(is_overdue)));
        gauges.clock_ahead.set(self.owned.overdue.clock_ahead_s() as f64);
        gauges.stand_ins.set(processor.standing().stand_ins.len() as f64);
        for bank in processor.saf_banks() {
            self.observer.saf(&bank, now.wall_ms);
        }
    }

    fn saf(&self, now: Now, question: SafQuestion) -> SafAnswer {
        let processor = &self.owned.processor;
        match question {
            SafQuestion::List { bank, limit } => {
                let banks = processor.saf_banks().filter(|it| bank.is_none_or(|wanted| it.bank == wanted));
                let banks: Vec<_> = banks.collect();
                let entries = banks.iter().flat_map(|it| processor.saf_entries(it.bank)).take(limit);
                SafAnswer { now, entries: entries.collect(), banks }
            }
            SafQuestion::One(key) => {
                let entries = processor.saf_entry(key).into_iter().collect();
                SafAnswer { now, banks: Vec::new(), entries }
            }
        }
    }

    fn suspended(&self, question: SuspendedQuestion) -> SuspendedAnswer {
        let suspended = &self.owned.processor.standing().suspended;
        let mut entries: Vec<_> =
            suspended.iter().filter(|(_, it)| it.since_ms >= question.since_ms).collect();
        entries.sort_unstable_by_key(|(key, it)| (it.since_ms, *key));
        let more = entries.len().saturating_sub(question.limit);
        entries.truncate(question.limit);
        SuspendedAnswer { entries, more, is_full: suspended.is_full() }
    }

    fn status(&self, now: Now) -> Value {
        let processor = &self.owned.processor;
        let banks_up = self.outboxes.keys().filter(|link| is_bank(link)).count();
        json!({
            "business_day": processor.day().to_string(),
            "business_day_overdue": self.owned.overdue.behind(processor.day()).map(|due| due.to_string()),
            "clock_ahead_s": self.owned.overdue.clock_ahead_s(),
            "draining": processor.is_draining(),
            "requests_in_flight": processor.in_flight(),
            "reversals_open": processor.reversals_open(),
            "suspense_open": processor.standing().suspended.len(),
            "saf": processor.saf_banks().map(|bank| saf_view::bank(&bank, now)).collect::<Vec<_>>(),
            "terminal_links_up": self.outboxes.len() - banks_up,
            "bank_links_up": banks_up,
            "banks_ready": processor.banks_ready().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "log_records": processor.next_position(),
            "log_synced_records": self.synced,
            "disk_full": self.is_disk_full,
            "keys_near_end": self.owned.key_versions.near_end(),
            "stand_ins_owed": processor.standing().stand_ins.len(),
            "registry_left_alone": self.owned.verifier.is_registry_left_alone(),
            "crl_stale": self.owned.verifier.stale_lists(now),
            "blocks": processor.standing().blocks.iter().map(|subject| format!("{subject:?}")).collect::<Vec<_>>(),
        })
    }
}

/// What one turn of the loop takes, in this order. Kept from turn to turn for its memory.
#[derive(Default)]
struct Turn {
    others: Vec<Inbound>,
    advices: Vec<Inbound>,
    requests: Vec<Inbound>,
}

impl Turn {
    fn len(&self) -> usize {
        self.others.len() + self.advices.len() + self.requests.len()
    }
}

/// Takes what is there without waiting, up to so many in all.
fn fill(batch: &mut Vec<Inbound>, queue: &mut tokio::sync::mpsc::Receiver<Inbound>, max: usize) {
    while batch.len() < max
        && let Ok(inbound) = queue.try_recv()
    {
        batch.push(inbound);
    }
}
