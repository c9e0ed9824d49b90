//! The town under one virtual clock: what happens next, and to whom.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use credential::Pan;
use journal::simulated::MemoryDisk;
use keys::{DataKeys, Key};
use processor::{AskedAgain, Command, Found, KnownStatus, PinVerdict, Ticket, TotalsVerdict, Verdict};
use simulators::pilot::Chance;

use super::faults::{Fault, FaultCounts};
use super::net::{Conn, Delivery};
use super::node::{AimedStart, Crash, Process};
use super::people::{BankSite, Heard, TerminalSite};
use super::plan::{CITIZENS, Enrolled, Plan, START_US, accounts, pan};
use super::rows::Rows;
use super::script::{Script, Step};

/// After the last fault the town has so long to come to rest, milliseconds of its own time.
pub(super) const REST_MS_MAX: u64 = 7_200_000;
/// It is not looked at before so long: an APPROVED that nobody confirms is flagged by then.
pub(super) const REST_MS_MIN: u64 = 420_000;
/// No seed needs so many events; one that does goes round in circles.
const EVENTS_MAX: u64 = 400_000;

/// Something that happens at a moment.
pub(super) enum Event {
    Deliver(Delivery),
    /// An end of a connection learns that it is gone.
    PeerDown(u64),
    SwitchSeesDown(u64),
    Dial(usize),
    BankDial {
        bank: usize,
        number: u8,
    },
    Visit(usize),
    LogWrite(u64),
    LogSync(u64),
    Found {
        start: u64,
        ticket: Ticket,
        found: Box<Found>,
    },
    Verdict {
        start: u64,
        ticket: Ticket,
        verdict: Box<Verdict>,
    },
    AskedAgain {
        start: u64,
        ticket: Ticket,
        said: Option<Box<AskedAgain>>,
    },
    PinVerdict {
        start: u64,
        ticket: Ticket,
        verdict: PinVerdict,
    },
    Counted {
        start: u64,
        ticket: Ticket,
        verdict: TotalsVerdict,
    },
    Restart,
    /// An operator commands.
    Operate(Command),
    Trouble(Trouble),
    /// An acquirer may say again what it has said.
    TotalsAgain(usize),
    /// A script has this happen.
    Script(Box<Step>),
}

/// What is drawn for a moment of the day instead of for a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Arm(Crash),
    Reset,
    TerminalPower,
    BankDown,
    ClockJump,
    SyncSlow(bool),
    SyncFails,
    Reload,
    KeyChange(bool),
    Block,
    Cutover,
    Drain,
    DiskFull(bool),
    Replay,
    ReuseReference,
    SayTotals,
}

/// A message's own name at its machine.
pub(super) type StanAndDe7 = (u32, Vec<u8>);

struct Scheduled {
    at_us: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest: the heap gives it first.
    fn cmp(&self, other: &Scheduled) -> Ordering {
        (other.at_us, other.order).cmp(&(self.at_us, self.order))
    }
}

/// What goes on, and who is told that its moment has come.
enum Turn {
    Event(Event),
    Switch,
    Terminal(usize),
    Bank(usize),
}

/// The town.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now_us: u64,
    /// How far the switch's wall clock is off.
    pub(super) skew_ms: i64,
    queue: BinaryHeap<Scheduled>,
    orders: u64,
    pub(super) events: u64,
    pub(super) disk: MemoryDisk,
    pub(super) data_keys: DataKeys,
    pub(super) process: Option<Process>,
    /// Counts starts of the switch: what belongs to an earlier process is dropped.
    pub(super) starts: u64,
    pub(super) restarts: u64,
    pub(super) armed: Option<Crash>,
    pub(super) aimed_start: Option<AimedStart>,
    /// So many steps of the disk the last start took.
    pub(super) start_steps: u64,
    pub(super) config: processor::Config,
    pub(super) sync_slow: bool,
    pub(super) key_change: Option<usize>,
    pub(super) draining: bool,
    /// The disk had no room: the process that found none stops only then.
    pub(super) full_until_us: u64,
    pub(super) crashed_us: Vec<u64>,
    pub(super) crashed_by_power: bool,
    /// Where a bank has refused what it had carried out: when the truth came, if it came.
    pub(super) lies: BTreeMap<(usize, Vec<u8>, Vec<u8>), Option<u64>>,
    /// When a bank's approval last reached the switch, by its name.
    pub(super) approvals: BTreeMap<(usize, Vec<u8>, Vec<u8>), u64>,
    /// What banks have approved and answered so: whether one answer at least echoed it rightly.
    pub(super) echoes: BTreeMap<(usize, simulators::bank::Identity), bool>,
    /// Connections over which a message came with other content.
    pub(super) changed: BTreeSet<u64>,
    /// What was answered to a stranger who said again what a terminal had said.
    pub(super) overheard: Vec<Heard>,
    /// DE37 of the approvals that terminals have heard.
    pub(super) approved_rrns: BTreeSet<Vec<u8>>,
    /// Originals of the advices that terminals have sent: DE90's STAN and DE7, by the advice's own.
    pub(super) originals: BTreeMap<(usize, StanAndDe7), StanAndDe7>,
    pub(super) terminals: Vec<TerminalSite>,
    pub(super) banks: Vec<BankSite>,
    pub(super) enrolled: Arc<Enrolled>,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) next_conn: u64,
    pub(super) visits_left: usize,
    pub(super) next_order: u64,
    /// Faults strike.
    pub(super) faults_on: bool,
    pub(super) counts: FaultCounts,
    pub(super) rows: Rows,
    /// Answers that terminals took in.
    pub(super) heard: Vec<Heard>,
    /// Messages of terminals that could come again.
    pub(super) said: Vec<super::people::Said>,
    /// What acquirers have said of their days.
    pub(super) totals_said: Vec<super::totals::Said>,
    /// What banks were asked of theirs.
    pub(super) totals_asked: BTreeSet<super::totals::Asked>,
    /// What cannot be, as it was seen to happen.
    pub(super) violations: Vec<String>,
    /// What the registry last said of the cards that it vouches for, by PAN.
    pub(super) vouched: BTreeMap<Box<[u8]>, KnownStatus>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) net_chance: Chance,
    pub(super) crash_chance: Chance,
    pub(super) people_chance: Chance,
    pub(super) switch_chance: Chance,
    pub(super) totals_chance: Chance,
    pub(super) crypto: Option<super::crypto::Crypto>,
    /// What goes wrong is written down instead of drawn.
    pub(super) script: Option<Box<Script>>,
}

impl World {
    /// A town whose switch is about to start.
    pub(super) fn new(plan: Plan, traced: bool) -> World {
        let key = |byte| Key::new([byte; 32]);
        let data_keys = DataKeys::new(&key(1), &key(2), &key(3));
        let chance = |purpose| Chance::new(plan.seed, purpose);
        let crypto = plan.real_cryptography.then(|| super::crypto::Crypto::new(&plan));
        let mut world = World {
            now_us: START_US,
            skew_ms: 0,
            queue: BinaryHeap::new(),
            orders: 0,
            events: 0,
            disk: MemoryDisk::new(),
            data_keys,
            process: None,
            starts: 0,
            restarts: 0,
            armed: None,
            aimed_start: None,
            start_steps: 0,
            config: plan.config(),
            sync_slow: false,
            key_change: None,
            draining: false,
            full_until_us: 0,
            crashed_us: Vec::new(),
            crashed_by_power: false,
            lies: BTreeMap::new(),
            echoes: BTreeMap::new(),
            approvals: BTreeMap::new(),
            changed: BTreeSet::new(),
            overheard: Vec::new(),
            approved_rrns: BTreeSet::new(),
            originals: BTreeMap::new(),
            terminals: Vec::new(),
            banks: Vec::new(),
            enrolled: Arc::default(),
            conns: BTreeMap::new(),
            next_conn: 0,
            visits_left: plan.visits,
            next_order: 0,
            faults_on: true,
            counts: FaultCounts::default(),
            rows: Rows::default(),
            heard: Vec::new(),
            said: Vec::new(),
            totals_said: Vec::new(),
            totals_asked: BTreeSet::new(),
            violations: Vec::new(),
            vouched: BTreeMap::new(),
            trace: traced.then(Vec::new),
            net_chance: chance("net"),
            crash_chance: chance("crash"),
            people_chance: chance("people"),
            switch_chance: chance("switch"),
            totals_chance: chance("totals"),
            crypto,
            script: None,
            plan,
        };
        world.enrol();
        world.write_history();
        world.move_in();
        world.after_ms(0, Event::Restart);
        world.draw_troubles();
        world.draw_totals();
        world
    }

    fn enrol(&mut self) {
        let enrolled = (0..CITIZENS).map(|citizen| {
            (self.data_keys.pseudonym(&self.pan(citizen).citizen_number()), accounts(citizen))
        });
        self.enrolled = Arc::new(enrolled.collect());
    }

    /// The PAN of a citizen's card.
    pub(super) fn pan(&self, citizen: u32) -> Pan {
        self.crypto.as_ref().map_or_else(|| pan(citizen), |crypto| crypto.pan(citizen))
    }

    /// Runs the day, then heals everything and waits for rest.
    pub(super) fn run(&mut self) {
        let day_ms = self.day_ms() * 3;
        let until_us = START_US + day_ms * 1000;
        while self.violations.is_empty() && self.traffic_goes_on() && self.now_us < until_us {
            if !self.step(until_us) {
                break;
            }
        }
        self.heal();
        let healed_us = self.now_us;
        self.run_until(healed_us + REST_MS_MIN * 1000);
        if self.plan.faults.has(Fault::Kill) && self.crash_chance.percent(30) {
            self.kill_now();
        }
        let last_us = healed_us + REST_MS_MAX * 1000;
        while self.violations.is_empty() && !self.is_at_rest() && self.now_us < last_us {
            self.run_until((self.now_us + 10_000_000).min(last_us));
        }
        if self.violations.is_empty() && !self.is_at_rest() {
            let left = self.unrest();
            self.violations.push(format!("does not come to rest: {left}"));
        }
    }

    /// Lets so many things happen, counted from the first; `false` where fewer do.
    pub(super) fn run_events(&mut self, events: u64) -> bool {
        let until_us = START_US + self.day_ms() * 3_000;
        while self.events < events && self.violations.is_empty() && self.traffic_goes_on() {
            if !self.step(until_us) {
                break;
            }
        }
        self.events == events
    }

    /// Lets everything happen up to a moment.
    pub(super) fn run_until(&mut self, until_us: u64) {
        while self.violations.is_empty() && self.step(until_us) {}
    }

    /// The next thing happens, if it does before `until_us`; else that moment comes.
    pub(super) fn step(&mut self, until_us: u64) -> bool {
        let Some(turn) = self.next_turn(until_us) else {
            self.now_us = self.now_us.max(until_us);
            return false;
        };
        self.events += 1;
        if self.events > EVENTS_MAX {
            self.violations.push("goes round in circles".to_owned());
            return false;
        }
        match turn {
            Turn::Switch => self.switch(processor::Input::Deadline),
            Turn::Terminal(number) => self.terminal(number, simulators::terminal::Input::Deadline),
            Turn::Bank(number) => self.bank(number, simulators::bank::Input::Deadline),
            Turn::Event(event) => self.happen(event),
        }
        true
    }

    /// Whose turn it is next, with the clock set to that moment; `None` where nothing happens before `until_us`.
    fn next_turn(&mut self, until_us: u64) -> Option<Turn> {
        let mut next = (u64::MAX, Turn::Switch);
        let mut consider = |at_us: Option<u64>, turn: Turn| {
            if let Some(at_us) = at_us.filter(|at_us| *at_us < next.0) {
                next = (at_us, turn);
            }
        };
        consider(self.process.as_ref().and_then(|it| it.processor.next_deadline()), Turn::Switch);
        for (number, site) in self.terminals.iter().enumerate() {
            consider(site.machine.next_deadline(), Turn::Terminal(number));
        }
        for (number, site) in self.banks.iter().enumerate() {
            consider(site.machine.next_deadline(), Turn::Bank(number));
        }
        let queued_us = self.queue.peek().map_or(u64::MAX, |scheduled| scheduled.at_us);
        let (at_us, is_queued) = (next.0.min(queued_us), queued_us <= next.0);
        if at_us > until_us || at_us == u64::MAX {
            return None;
        }
        self.now_us = self.now_us.max(at_us);
        if is_queued { self.queue.pop().map(|scheduled| Turn::Event(scheduled.event)) } else { Some(next.1) }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(delivery) => self.deliver(delivery),
            Event::PeerDown(conn) => self.peer_down(conn),
            Event::SwitchSeesDown(conn) => self.switch_sees_down(conn),
            Event::Dial(number) => self.dial(number),
            Event::BankDial { bank, number } => self.bank_dial(bank, number),
            Event::Visit(number) => self.visit(number),
            Event::LogWrite(start) if start == self.starts => self.log_write(),
            Event::LogSync(start) if start == self.starts => self.log_sync(),
            Event::LogWrite(_) | Event::LogSync(_) => {}
            Event::Found { start, ticket, found } if start == self.starts => {
                self.switch(processor::Input::Found(ticket, found));
            }
            Event::Verdict { start, ticket, verdict } if start == self.starts => {
                self.switch(processor::Input::Verified(ticket, *verdict));
            }
            Event::PinVerdict { start, ticket, verdict } if start == self.starts => {
                self.switch(processor::Input::PinTranslated(ticket, verdict));
            }
            Event::Counted { start, ticket, verdict } if start == self.starts => {
                self.switch(processor::Input::TotalsCounted(ticket, verdict));
            }
            Event::AskedAgain { start, ticket, said } if start == self.starts => {
                self.switch(processor::Input::AskedAgain(ticket, said.map(|said| *said)));
            }
            Event::Found { .. }
            | Event::Verdict { .. }
            | Event::PinVerdict { .. }
            | Event::Counted { .. }
            | Event::AskedAgain { .. } => {}
            Event::Restart => self.start_switch(),
            Event::Operate(command) => self.operate(command),
            Event::TotalsAgain(index) => self.say_totals_again(index),
            Event::Script(step) => self.perform(*step),
            Event::Trouble(trouble) => {
                if self.faults_on {
                    self.strike(trouble);
                }
            }
        }
    }

    /// Schedules something.
    pub(super) fn after_us(&mut self, us: u64, event: Event) {
        self.orders += 1;
        let (at_us, order) = (self.now_us + us, self.orders);
        self.queue.push(Scheduled { at_us, order, event });
    }

    pub(super) fn after_ms(&mut self, ms: u64, event: Event) {
        self.after_us(ms * 1000, event);
    }

    /// What clocks on a wall show that are right.
    pub(super) fn wall_ms(&self) -> i64 {
        self.plan.start_ms + ((self.now_us - START_US) / 1000) as i64
    }

    /// The switch's clocks.
    pub(super) fn switch_now(&self) -> processor::Now {
        processor::Now { mono_us: self.now_us, wall_ms: self.wall_ms() + self.skew_ms }
    }

    /// Everybody else's.
    pub(super) fn town_now(&self) -> simulators::terminal::Now {
        simulators::terminal::Now { mono_us: self.now_us, wall_ms: self.wall_ms() }
    }

    /// How long the visits take, about, milliseconds.
    pub(super) fn day_ms(&self) -> u64 {
        self.plan.visits as u64 * (u64::from(self.plan.pause_ms) + 1_500) / self.plan.terminals as u64
    }

    /// Whether a fault that is drawn for each message strikes now.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.faults_on
            && self.plan.faults.has(fault)
            && self.net_chance.below(1000) < self.plan.rate_thousandths;
        if strikes {
            self.count(fault);
        }
        strikes
    }

    pub(super) fn count(&mut self, fault: Fault) {
        self.counts.add(fault);
    }

    /// Writes into the trace, where there is one.
    pub(super) fn note(&mut self, says: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>12.6} {}", (self.now_us - START_US) as f64 / 1e6, says(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn traffic_goes_on(&self) -> bool {
        let served = self.terminals.iter().any(|site| site.is_serving);
        (self.visits_left > 0 || served) && self.terminals.iter().any(|site| !site.machine.is_dead())
    }

    /// Nothing is owed by anybody.
    fn is_at_rest(&self) -> bool {
        self.unrest().is_empty()
    }

    pub(super) fn unrest(&self) -> String {
        let mut left = Vec::new();
        for (number, site) in self.terminals.iter().enumerate() {
            if !site.machine.is_settled() {
                left.push(format!("terminal {number} owes {} advices", site.machine.advices_owed()));
            }
        }
        match &self.process {
            None => left.push("the switch is down".to_owned()),
            Some(process) => {
                let (reversals, in_flight) =
                    (process.processor.reversals_open(), process.processor.in_flight());
                if reversals > 0 {
                    left.push(format!("{reversals} reversals are open"));
                }
                if in_flight > 0 {
                    left.push(format!("{in_flight} requests are in flight"));
                }
                if process.synced < process.processor.next_position() {
                    left.push("records are not durable".to_owned());
                }
            }
        }
        left.join(", ")
    }
}
