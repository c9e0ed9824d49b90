//! The processor: what is in flight, who waits for what, and the one rule for sending.
//!
//! The rule: nothing leaves for a transaction before every record appended so far for it is durable. It is written
//! once, in [`Processor::release`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use credential::Pseudonym;
use iso8583::Message;
use mutant::Mutant;

use crate::admission::{InFlight, QueueWait, ShedKeys};
use crate::advice_rate::AdviceRate;
use crate::banks::Bank;
use crate::config::{Config, Kept};
use crate::entropy::Entropy;
use crate::ids::{Day, Institution, TerminalId, TxKey, UtcSeconds};
use crate::intake::Incoming;
use crate::io::{Event, Input, LinkId, Now, Output, Ticket, Used};
use crate::key_exchange::{Exchange, KeyOwner};
use crate::key_offers::Offering;
use crate::lifecycle::{Answer, Ask, State, Step, Trigger, step};
use crate::live::{Live, Pause, SafStage};
use crate::network::Session;
use crate::record::{AskedAgain, Kind, Position, Record, Resolution, Spend};
use crate::saf::SafFault;
use crate::standing::Standing;
use crate::totals::TotalsDesk;
use crate::transaction::Transaction;
use crate::unordered::Unordered;
use crate::writes::Fact;
use crate::{broken, messages};

/// Messages that wait while the log is asked about their transaction; the next one is dropped, and its sender repeats.
pub(crate) const BLOCKED_PER_TRANSACTION_MAX: usize = 8;

/// Transactions in memory that there is room for from the start: no bound.
const LIVE_ROOM: usize = 4_096;

/// The deciding heart of the switch. One thread owns it.
pub struct Processor {
    pub(crate) config: Config,
    pub(crate) entropy: Entropy,
    pub(crate) now: Now,
    /// When what is being handled came, monotonic microseconds.
    pub(crate) arrived_us: u64,
    /// When this process took over, monotonic microseconds.
    pub(crate) started_us: u64,
    pub(crate) standing: Standing,
    /// The position of the next record.
    pub(crate) next: Position,
    /// Every record below is durable.
    pub(crate) durable: Position,
    /// Records whose durability somebody waits for, oldest first.
    unsynced: VecDeque<(Position, TxKey)>,
    pub(crate) live: Unordered<TxKey, Box<Live>>,
    /// Requests between arrival and answer.
    pub(crate) in_flight: InFlight,
    /// Advices that nothing waits for.
    pub(crate) advice_rate: AdviceRate,
    /// How long requests wait until they are handled.
    pub(crate) queue_wait: QueueWait,
    /// How long they wait until the log has answered.
    pub(crate) find_wait: QueueWait,
    pub(crate) finds: BTreeMap<Ticket, Find>,
    /// Messages about a transaction that the log is being asked about.
    pub(crate) blocked: Unordered<TxKey, VecDeque<Box<Incoming>>>,
    /// Transactions that left memory while a question to the log was open: an older answer about them is stale.
    evicted: VecDeque<(Ticket, TxKey, Position)>,
    pub(crate) verifies: BTreeMap<Ticket, TxKey>,
    /// Questions to the registry about withdrawals that went out in its stead.
    pub(crate) asks_again: BTreeMap<Ticket, TxKey>,
    /// The next round of such questions, monotonic microseconds.
    pub(crate) ask_again_at_us: Option<u64>,
    /// Where the last round ended.
    pub(crate) asked_again_last: Option<TxKey>,
    /// Questions to the security module.
    pub(crate) pins: BTreeMap<Ticket, TxKey>,
    /// Key exchanges that wait for it.
    pub(crate) exchanges: BTreeMap<Ticket, Exchange>,
    /// Totals that are counted, answered and asked for.
    pub(crate) totals: TotalsDesk,
    /// Keys on their way to their owners.
    pub(crate) offers: BTreeMap<KeyOwner, Offering>,
    /// DE11 of the last 0800 to a terminal.
    pub(crate) last_key_stan: u32,
    pub(crate) banks: BTreeMap<Institution, Bank>,
    pub(crate) sessions: BTreeMap<TerminalId, Session>,
    /// Day's use of the limits that an open question to the log may not have seen.
    recent_spends: VecDeque<(Position, Spend)>,
    pub(crate) reserved: Unordered<(Pseudonym, Day), Used>,
    pub(crate) shed: ShedKeys,
    /// Keys that were refused on a full disk, and are again as long as their 96 may be under way.
    pub(crate) refused_full: ShedKeys,
    /// Requests that have ended and left memory: a copy of one is not told that it was not done.
    pub(crate) ended: ShedKeys,
    /// The log takes only what ends transactions.
    pub(crate) is_disk_full: bool,
    pub(crate) commands: VecDeque<(Position, Ticket, Option<Day>)>,
    pub(crate) draining: Option<Ticket>,
    pub(crate) is_draining: bool,
    timers: BTreeSet<(u64, Timer)>,
    last_ticket: u64,
    outputs: VecDeque<Output>,
}

/// What a moment is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// The log has not answered.
    Find(Ticket),
    /// A transaction's one wait; its state says for what.
    Transaction(TxKey),
    /// A bank's connection: the answer to a 0800, or its next echo.
    BankLink(LinkId),
    /// A bank is to be asked for its totals, once more.
    Totals(Institution),
    /// Totals were not counted in time.
    Count(Ticket),
    /// The registry is asked about what went out in its stead.
    AskAgain,
    /// The answer to a key that was sent.
    KeyOffer(KeyOwner),
}

/// A question to the log.
pub(crate) struct Find {
    pub(crate) asker: FindAsker,
    pub(crate) lookup: crate::io::Lookup,
    asked_at: Position,
    /// When it was asked, monotonic microseconds.
    pub(crate) asked_us: u64,
}

/// Why the log was asked.
pub(crate) enum FindAsker {
    /// A terminal's keyed message.
    Incoming(Box<Incoming>),
    /// The business day changed while a request was verified: its limits are those of the new day.
    Limits(TxKey),
    /// A bank's answer to nothing that is in memory.
    BankAnswer(LinkId, Box<Message>),
    /// What the registry is to be asked about a withdrawal that went out in its stead.
    Owed(TxKey),
    /// The registry's word about one that is not in memory.
    AskedAgain(TxKey, Box<AskedAgain>),
    /// A clerk has decided about a transaction that is not in memory.
    Resolution(Ticket, TxKey, Box<Resolution>),
}

impl Processor {
    /// A processor that goes on where the log ends: `standing`, `open` and `next` are what recovery found, `entropy`
    /// is new for each start. What a restart has to do is in the outputs at once: an INTENT without an end is reversed,
    /// reversals go on with their identity.
    pub fn new(
        config: Config,
        entropy: [u8; 32],
        now: Now,
        standing: Standing,
        open: Vec<Transaction>,
        next: Position,
    ) -> Processor {
        let entropy = Entropy::new(entropy);
        let secret = entropy.secret();
        let mut processor = Processor {
            config,
            shed: ShedKeys::new(secret),
            refused_full: ShedKeys::new(secret),
            ended: ShedKeys::new(secret),
            entropy,
            now,
            arrived_us: now.mono_us,
            started_us: now.mono_us,
            standing: broken::at_start(standing),
            next,
            durable: next,
            unsynced: VecDeque::new(),
            live: Unordered::with_capacity(LIVE_ROOM),
            in_flight: InFlight::default(),
            advice_rate: AdviceRate::default(),
            queue_wait: QueueWait::default(),
            find_wait: QueueWait::default(),
            finds: BTreeMap::new(),
            blocked: Unordered::default(),
            evicted: VecDeque::new(),
            verifies: BTreeMap::new(),
            asks_again: BTreeMap::new(),
            ask_again_at_us: None,
            asked_again_last: None,
            pins: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            totals: TotalsDesk::default(),
            offers: BTreeMap::new(),
            last_key_stan: 0,
            banks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            recent_spends: VecDeque::new(),
            reserved: Unordered::default(),
            is_disk_full: false,
            commands: VecDeque::new(),
            draining: None,
            is_draining: false,
            timers: BTreeSet::new(),
            last_ticket: 0,
            outputs: VecDeque::new(),
        };
        for transaction in open {
            processor.take_up(transaction);
        }
        processor.take_up_totals();
        processor.plan_ask_again();
        processor
    }

    /// No new requests are taken, by [`crate::Command::Drain`].
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Takes one input in; then drain [`Processor::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.handle_arrived(now, now.mono_us, input);
    }

    /// The same for a message that came at `arrived_us`, monotonic microseconds, and has waited since: its deadline counts
    /// from then, and a new request that has waited too long while all others do is answered 91.
    pub fn handle_arrived(&mut self, now: Now, arrived_us: u64, input: Input) {
        self.now = now;
        self.arrived_us = arrived_us.min(now.mono_us);
        match input {
            Input::LinkUp(link) => self.link_up(link),
            Input::LinkDown(link) => self.link_down(link),
            Input::Received { link, message, authenticity, citizen } => {
                self.received(link, message, authenticity, citizen);
            }
            Input::Synced(position) => self.synced(position),
            Input::Found(ticket, found) => self.found(ticket, *found),
            Input::Verified(ticket, verdict) => self.verified(ticket, verdict),
            Input::AskedAgain(ticket, said) => self.asked_again(ticket, said),
            Input::PinTranslated(ticket, verdict) => self.pin_translated(ticket, verdict),
            Input::KeyTaken(ticket, verdict) => self.key_taken(ticket, &verdict),
            Input::TotalsCounted(ticket, verdict) => self.totals_counted(ticket, verdict),
            Input::KeyOffered(ticket, offered) => self.key_offered(ticket, offered),
            Input::OfferedKeyUsed(ticket, used) => self.offered_key_used(ticket, used),
            Input::Deadline => self.deadline(),
            Input::DiskFull(is_full) => self.is_disk_full = is_full,
            Input::Operator(ticket, command) => self.command(ticket, command),
        }
        self.finish_drain();
    }

    /// The next thing to do, in order; `None` when all is said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due, monotonic microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|(at_us, _)| *at_us)
    }

    /// Takes a new configuration; what is in flight keeps the deadlines it was given. What money in flight rests on stays as it
    /// was, and is returned: a bank that is not there any more, its decimal places and tombstones, a terminal's decimal places. That
    /// changes with a restart, when nothing is open. Reversals that had no bank, or no form on its link, are tried again.
    pub fn reconfigure(&mut self, config: Config) -> Vec<Kept> {
        let (config, kept) = config.in_place_of(&self.config);
        self.config = config;
        let banks: Vec<Institution> = self.banks.keys().copied().collect();
        banks.into_iter().for_each(|bank| self.pump(bank));
        kept
    }

    /// Decimal places of the amounts on a bank's link; `None` for one that is not configured: no amount is said to it or read from it.
    pub(crate) fn amount_exponent(&self, bank: Institution) -> Option<u8> {
        self.config.issuers.get(&bank).map(|issuer| issuer.amount_exponent)
    }

    /// The open business day.
    pub fn day(&self) -> Day {
        self.standing.day.unwrap_or(self.config.first_day)
    }

    /// What the log must hold at any moment beyond single transactions; for reports.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Requests between arrival and answer.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Banks with a connection that can carry transactions.
    pub fn banks_ready(&self) -> Vec<Institution> {
        self.banks.iter().filter(|(_, bank)| bank.is_ready()).map(|(id, _)| *id).collect()
    }

    /// The position of the next record.
    pub fn next_position(&self) -> Position {
        self.next
    }

    pub(crate) fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(crate) fn send(&mut self, link: LinkId, message: Message) {
        self.outputs.push_back(Output::Send(link, message));
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub(crate) fn now_seconds(&self) -> UtcSeconds {
        UtcSeconds(self.now.wall_ms.div_euclid(1000))
    }

    pub(crate) fn in_ms(&self, ms: u64) -> u64 {
        self.now.mono_us.saturating_add(ms.saturating_mul(1000))
    }

    pub(crate) fn start_timer(&mut self, at_us: u64, timer: Timer) {
        self.timers.insert((at_us, timer));
    }

    pub(crate) fn stop_timer(&mut self, at_us: u64, timer: Timer) {
        self.timers.remove(&(at_us, timer));
    }

    /// Gives a transaction another wait, or none.
    pub(crate) fn wait_until(&mut self, key: TxKey, at_us: Option<u64>) {
        let Some(live) = self.live.get_mut(&key) else { return };
        let before = std::mem::replace(&mut live.timer_us, at_us);
        if before == at_us {
            return;
        }
        if let Some(before) = before {
            self.stop_timer(before, Timer::Transaction(key));
        }
        if let Some(at_us) = at_us {
            self.start_timer(at_us, Timer::Transaction(key));
        }
    }

    fn deadline(&mut self) {
        while let Some(&(at_us, timer)) = self.timers.first()
            && at_us <= self.now.mono_us
        {
            self.timers.pop_first();
            match timer {
                Timer::Find(ticket) => self.find_is_late(ticket),
                Timer::Transaction(key) => self.transaction_timer(key),
                Timer::BankLink(link) => self.bank_link_timer(link),
                Timer::Totals(bank) => self.totals_timer(bank),
                Timer::Count(ticket) => self.count_is_late(ticket),
                Timer::AskAgain => self.ask_again_round(),
                Timer::KeyOffer(owner) => self.key_offer_timer(owner),
            }
        }
    }

    fn transaction_timer(&mut self, key: TxKey) {
        let Some(live) = self.live.get_mut(&key) else { return };
        live.timer_us = None;
        if live.state == State::Sent {
            // What was waited for was the bank, though it has not answered.
            live.stages.bank_answered = self.now.mono_us;
        }
        match live.state {
            State::Verifying | State::IntentSyncing | State::Sent | State::OutcomeSyncing => {
                self.advance(key, Trigger::Deadline, Fact::Nothing);
            }
            State::Approved => self.advance(key, Trigger::Aged, Fact::Nothing),
            State::Reversing => match live.saf.stage {
                SafStage::Asked => {
                    self.saf_fault(key, SafFault::Silent);
                    self.advance(key, Trigger::ReversalSilence, Fact::Nothing);
                }
                SafStage::Resting => self.enqueue_reversal(key),
                SafStage::Idle | SafStage::Queued => {}
            },
            State::Unknown
            | State::Completed
            | State::Declined
            | State::Reversed
            | State::Tombstone
            | State::Verified => {}
        }
    }

    /// Asks the log; its answer comes back under a ticket.
    pub(crate) fn ask_log(&mut self, lookup: crate::io::Lookup, asker: FindAsker, late_at_us: u64) {
        let ticket = self.ticket();
        self.finds.insert(
            ticket,
            Find { asker, lookup: lookup.clone(), asked_at: self.next, asked_us: self.now.mono_us },
        );
        self.start_timer(late_at_us, Timer::Find(ticket));
        self.emit(Output::Find(ticket, lookup));
    }

    /// Whether an answer that has seen the records below `as_of` misses one of a transaction that has since left
    /// memory.
    pub(crate) fn is_stale(&self, key: TxKey, as_of: Position) -> bool {
        !mutant::is(Mutant::StaleLookUpBelieved)
            && self.evicted.iter().any(|(_, evicted, newest)| *evicted == key && *newest >= as_of)
    }

    /// What the answer to a question does not show yet of a citizen's day.
    pub(crate) fn used_since(&self, citizen: Pseudonym, day: Day, as_of: Position) -> Used {
        let mut used = self.reserved.get(&(citizen, day)).copied().unwrap_or_default();
        for (position, spend) in &self.recent_spends {
            if *position >= as_of && spend.citizen == citizen && spend.day == day {
                used.amount_minor += spend.amount_minor;
                used.count += i64::from(spend.count);
            }
        }
        used
    }

    /// Drops what only open questions to the log needed.
    pub(crate) fn forget_answered_finds(&mut self) {
        let Some((oldest_ticket, oldest)) = self.finds.first_key_value() else {
            self.evicted.clear();
            self.recent_spends.clear();
            return;
        };
        while self.evicted.front().is_some_and(|(ticket, ..)| ticket < oldest_ticket) {
            self.evicted.pop_front();
        }
        while self.recent_spends.front().is_some_and(|(position, _)| *position < oldest.asked_at) {
            self.recent_spends.pop_front();
        }
    }

    /// Appends a record and folds it into everything that is derived from records.
    pub(crate) fn append(&mut self, transaction: Option<TxKey>, record: Record) -> Position {
        let position = self.next;
        self.next += 1;
        let live = transaction.and_then(|key| self.live.get_mut(&key));
        let folded = live.map(|live| {
            live.transaction.apply(&record).expect("the table leads only to records that may follow");
            live.unsynced = Some(position).filter(|_| !broken::is_not_waited_for(&record.body));
            &live.transaction
        });
        self.standing.apply(&record, folded);
        if let Some(spend) = record.spend
            && !self.finds.is_empty()
        {
            self.recent_spends.push_back((position, spend));
        }
        if let Some(key) = transaction {
            self.unsynced.push_back((position, key));
        }
        self.outputs.push_back(Output::Append(position, record));
        position
    }

    fn synced(&mut self, below: Position) {
        while let Some(&(position, key)) = self.unsynced.front()
            && position < below
        {
            self.unsynced.pop_front();
            if let Some(live) = self.live.get_mut(&key)
                && live.unsynced == Some(position)
            {
                live.unsynced = None;
                self.release(key);
            }
        }
        self.durable = self.durable.max(below);
        self.commands_synced(below);
        self.totals_synced();
    }

    /// Sends what is owed for a transaction, if all its records are durable; and lets go of one at rest.
    pub(crate) fn release(&mut self, key: TxKey) {
        let Some(live) = self.live.get_mut(&key) else { return };
        if live.unsynced.is_some() {
            return;
        }
        match live.state {
            State::IntentSyncing => return self.advance(key, Trigger::IntentSynced, Fact::Nothing),
            State::OutcomeSyncing => return self.advance(key, Trigger::OutcomeSynced, Fact::Nothing),
            State::Unknown
            | State::Verifying
            | State::Sent
            | State::Approved
            | State::Completed
            | State::Declined
            | State::Reversing
            | State::Reversed
            | State::Tombstone
            | State::Verified => {}
        }
        if std::mem::take(&mut live.answer_due) {
            self.answer_request(key);
        }
        let Some(live) = self.live.get_mut(&key) else { return };
        let waiting = std::mem::take(&mut live.waiting);
        let reversal_due = std::mem::take(&mut live.reversal_due);
        for (link, message) in waiting {
            self.send(link, message);
        }
        if reversal_due {
            self.enqueue_reversal(key);
        }
        self.evict_at_rest(key);
    }

    fn evict_at_rest(&mut self, key: TxKey) {
        let Some(live) = self.live.get(&key).filter(|live| live.is_at_rest()) else { return };
        let names = live.transaction.bank().map(|bank| {
            let own = live.transaction.sent.as_ref().map(|sent| sent.identity);
            (bank, [own, live.transaction.reversal.as_ref().map(|reversal| reversal.identity)])
        });
        if let Some((bank, identities)) = names
            && let Some(bank) = self.banks.get_mut(&bank)
        {
            for identity in identities.into_iter().flatten() {
                bank.names.remove(&identity);
            }
        }
        self.wait_until(key, None);
        self.live.remove(&key);
        self.in_flight.remove(&key);
        let wait_us = self.config.timers.terminal_wait_ms.saturating_mul(1000);
        self.ended.insert(self.now.mono_us, wait_us, &key);
        if !self.finds.is_empty() {
            let newest = self.next.saturating_sub(1);
            self.evicted.push_back((Ticket(self.last_ticket), key, newest));
        }
    }

    pub(crate) fn answer_request(&mut self, key: TxKey) {
        self.in_flight.remove(&key);
        let Some(live) = self.live.get_mut(&key) else { return };
        live.stages.answered = self.now.mono_us;
        let Some(asker) = live.asker.take() else { return };
        let Some(code) = messages::stored_code(&live.transaction) else { return };
        let stages = live.stages;
        let kind = live.transaction.kind().unwrap_or(Kind::Withdrawal);
        let answer = messages::answer(&asker.message, &live.transaction, code, &self.config);
        self.send(asker.link, answer);
        self.event(Event::Answered(messages::stages(key, kind, code, stages)));
    }

    /// The one way in which a transaction goes on: the table's cell, its records, what it owes, its next wait.
    pub(crate) fn advance(&mut self, key: TxKey, trigger: Trigger, fact: Fact) {
        let Some(live) = self.live.get_mut(&key) else { return };
        let kind = match &live.work {
            Some(work) => work.kind.unwrap_or(Kind::Withdrawal),
            None => live.transaction.kind().or(fact.kind()).unwrap_or(Kind::Withdrawal),
        };
        let before = live.state;
        let cell = step(kind, before, trigger);
        let cell = cell
            .unwrap_or_else(|| panic!("{key}: no rule for {trigger:?} of a {kind:?} in {}", before.name()));
        let to = self.write(key, kind, &cell, fact);
        self.owe(key, before, &cell, trigger);
        if broken::answers_early(kind, before, trigger, to) {
            self.answer_request(key);
        }
        if trigger == Trigger::ReversalSilence {
            self.event(Event::ReversalSilent(key));
        }
        if let Some(suspense) = cell.suspense {
            self.event(Event::Suspended(key, suspense));
        }
        self.enter(key, before, to);
        if let Some(live) = self.live.get_mut(&key)
            && live.unsynced.is_none()
            && !matches!(to, State::IntentSyncing | State::OutcomeSyncing)
        {
            self.release(key);
        }
    }

    /// Notes what the step owes; [`Processor::release`] pays it.
    fn owe(&mut self, key: TxKey, before: State, cell: &Step, trigger: Trigger) {
        let late = trigger == Trigger::Deadline && cell.to == before;
        let pause = if trigger == Trigger::ReversalSilence { Pause::Silence } else { Pause::Refusal };
        let Some(live) = self.live.get_mut(&key) else { return };
        match cell.answer {
            Answer::Nothing => {
                // A request that an advice has overtaken, or whose wait is over, is no longer owed an answer.
                let is_overtaken =
                    before != cell.to && matches!(cell.to, State::Tombstone | State::Reversing);
                if late || is_overtaken && !live.answer_due {
                    live.answer_due = false;
                    live.asker = None;
                }
            }
            Answer::Approved | Answer::Refusal | Answer::Unavailable | Answer::Unsafe => {
                live.answer_due = true
            }
        }
        match cell.ask {
            Ask::Nothing => {}
            Ask::Verifier => {}
            Ask::Request => self.ask_bank(key),
            Ask::Reversal => live.reversal_due = true,
            Ask::ReversalAgain => self.rest_reversal(key, pause),
            Ask::ReversalAfterBankTimer => self.rest_reversal(key, Pause::BankTimer),
        }
    }

    /// What begins and ends with a state.
    fn enter(&mut self, key: TxKey, before: State, to: State) {
        if before == to {
            return;
        }
        let asked = |state| matches!(state, State::IntentSyncing | State::Sent);
        let Some(live) = self.live.get_mut(&key) else { return };
        live.state = to;
        if to != State::IntentSyncing {
            // The 0200 has left with it, or never will.
            live.pin = None;
        }
        let bank = live.transaction.bank();
        let answer_by_us = live.answer_by_us;
        let has_answer_due = live.answer_due;
        if before == State::Verifying {
            self.drop_work(key);
        }
        if asked(before)
            && !asked(to)
            && let Some(bank) = bank.and_then(|bank| self.banks.get_mut(&bank))
        {
            bank.asked.remove(&key);
        }
        if before == State::Reversing {
            self.leave_queue(key, bank);
        }
        match to {
            State::Sent => {
                let bank_by_us = self.in_ms(self.config.timers.issuer_response_ms_max);
                self.wait_until(key, Some(answer_by_us.min(bank_by_us)));
            }
            State::IntentSyncing | State::OutcomeSyncing => self.wait_until(key, Some(answer_by_us)),
            State::Approved => {
                let aged_us = self.in_ms(self.config.timers.approved_age_ms_max);
                self.wait_until(key, Some(aged_us));
            }
            State::Completed | State::Declined | State::Reversed | State::Tombstone | State::Verified => {
                self.wait_until(key, None);
                if to == State::Reversed {
                    self.event(Event::Reversed(key));
                }
            }
            State::Reversing => {
                self.wait_until(key, None);
                self.join_owed(key);
            }
            State::Unknown | State::Verifying => {}
        }
        if !has_answer_due
            && !matches!(to, State::Verifying | State::IntentSyncing | State::Sent | State::OutcomeSyncing)
        {
            self.in_flight.remove(&key);
        }
    }

    /// Takes up what was open when the process ended.
    fn take_up(&mut self, transaction: Transaction) {
        let key = transaction.key;
        let age_ms = self.config.timers.approved_age_ms_max as i64;
        let aged_in_ms = (transaction.last_at_ms + age_ms - self.now.wall_ms).clamp(0, age_ms) as u64;
        // What a person has decided about is not flagged for its age once more.
        let is_flagged = transaction.suspense.is_some() || transaction.resolution.is_some();
        let names = [
            transaction.sent.as_ref().map(|sent| sent.identity),
            transaction.reversal.as_ref().map(|reversal| reversal.identity),
        ];
        if let Some(bank) = transaction.bank() {
            let bank = self.banks.entry(bank).or_default();
            for name in names.into_iter().flatten() {
                bank.names.insert(name, key);
            }
        }
        let state = transaction.state;
        let mut live = Live::new(transaction);
        // Whether the 0420 left before the end is not known: from here on it is a 0421.
        live.saf.attempts = u32::from(state == State::Reversing);
        self.live.insert(key, Box::new(live));
        match state {
            State::Sent if mutant::is(Mutant::UnresolvedIntentIgnored) => {}
            State::Sent => self.advance(key, Trigger::Deadline, Fact::Nothing),
            State::Reversing if mutant::is(Mutant::SafForgottenAtRestart) => {}
            State::Reversing => {
                self.join_owed(key);
                self.enqueue_reversal(key);
            }
            State::Approved if mutant::is(Mutant::ApprovedAgeForgotten) => {}
            State::Approved if !is_flagged => {
                let at_us = self.in_ms(aged_in_ms);
                self.wait_until(key, Some(at_us));
            }
            State::Approved
            | State::Unknown
            | State::Verifying
            | State::IntentSyncing
            | State::OutcomeSyncing
            | State::Completed
            | State::Declined
            | State::Reversed
            | State::Tombstone
            | State::Verified => self.evict_at_rest(key),
        }
    }
}
