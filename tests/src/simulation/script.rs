//! The town with nothing left to chance: exactly what a script says goes wrong, and what came of it as a test compares it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use iso8583::{Message, Mti};
use journal::Journal;
use journal::simulated::SteppedLog;
use processor::{
    Away, Block, BlockSubject, Body, Command, Config, KnownStatus, Position, Record, Suspense, Verdict,
};
use simulators::bank::{self, Line, SETTLEMENT};
use simulators::terminal::{self, Card, Notes, Order, Steps, What, mix, net_out_vnd};

use super::faults::{Fault, FaultSet};
use super::net::{Delivery, End};
use super::node::{Crash, Moment, evidence, owed};
use super::oracle;
use super::people::Unread;
use super::plan::{BANKS, Plan, institution, pan, terminal_id};
use super::world::{Event, REST_MS_MAX, REST_MS_MIN, World};

/// By then bank links and terminals are signed on, milliseconds.
const SIGNED_ON_MS: u64 = 3_000;
/// After its last step a scenario has so long before everything heals, milliseconds.
const PLAYED_MS: u64 = 60_000;
/// A switch that has stopped starts again so much later, milliseconds.
const RESTART_MS: u64 = 500;
/// What travels normally takes so long, microseconds.
const WAY_US: u64 = 1_000;
/// STANs of a hand-held terminal begin here.
const HAND_STAN: u32 = 900_001;
/// A segment that is nearly full has room for less than this.
const SEGMENT_REST_BYTES: u64 = 300;
/// 2026-03-10T12:00:00Z.
const NOON_MS: i64 = 1_773_144_000_000;

/// How a scenario's town is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Machines.
    pub terminals: usize,
    /// Connections to the first bank.
    pub links: u8,
    /// The first bank keeps tombstones.
    pub tombstones: bool,
    /// Wall clock at the start, milliseconds since 1970.
    pub start_ms: i64,
    /// STANs towards banks are close to their end.
    pub stan_wraps: bool,
    /// The log's segment has room for hardly a record more.
    pub log_nearly_full: bool,
    /// The first bank answers a repeated 0200 with 94.
    pub repeats_refused: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            terminals: 1,
            links: 1,
            tombstones: true,
            start_ms: NOON_MS,
            stan_wraps: false,
            log_nearly_full: false,
            repeats_refused: false,
        }
    }
}

/// A direction of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From a terminal to the switch.
    TerminalToSwitch,
    /// From the switch to a terminal.
    SwitchToTerminal,
    /// From the switch to a bank.
    SwitchToBank,
    /// From a bank to the switch.
    BankToSwitch,
}

/// What the network does to a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bend {
    /// It does not arrive.
    Lost,
    /// It arrives a second time, so many milliseconds later.
    Doubled(u64),
    /// It arrives so many milliseconds late.
    Late(u64),
    /// It arrives with a wrong MAC.
    Forged,
}

/// A citizen at a machine.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Number of the machine.
    pub terminal: usize,
    /// Number of the citizen: 3 has one account, at the first bank; 1 one at the second.
    pub citizen: u32,
    /// What is wanted.
    pub what: What,
    /// Đồng.
    pub amount_vnd: u64,
    /// In one step or two.
    pub steps: Steps,
    /// What goes wrong at the machine.
    pub fault: Option<terminal::Fault>,
}

/// A change of a message before it is said.
pub type Change = fn(&mut Message);

/// What a hand-held terminal says on a connection of its own.
#[derive(Clone, Debug)]
pub enum Hand {
    /// The newest message of this MTI that any terminal has said, under an MTI, changed.
    Again(u16, u16, Change),
    /// An advice (MTI) about the newest 0200: DE95 in đồng, changed.
    Advice(u16, Option<u64>, Change),
}

/// What is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// The first machine.
    Terminal,
    /// The first bank.
    Bank,
    /// The citizen of this number.
    Citizen(u32),
}

/// One thing that happens. All but [`Step::Wait`] take no time.
#[derive(Clone, Debug)]
pub enum Step {
    /// The banks meet this fault at a message of this MTI, at so many first sightings of it.
    Bank(u16, u32, bank::Fault),
    /// The network does this to the message of this MTI and number, counted from 1 and from here, on this way.
    Net(Way, u16, u32, Bend),
    /// The registry's next verdict, and after how many milliseconds.
    Registry(Verdict, u64),
    /// The sync that covers the next record of this kind takes so many milliseconds.
    SyncSlow(&'static str, u64),
    /// When this stands in the timeline for the next time, the step is carried out: a crash there and then, all else
    /// before anything else happens.
    On(&'static str, Box<Step>),
    /// Time passes, milliseconds.
    Wait(u64),
    /// A citizen comes.
    Visit(Visit),
    /// The hand-held terminal speaks.
    Hand(Hand),
    /// The bank of this number sends what its answer to the newest 0200 would be, with this DE39, changed.
    BankSays(usize, &'static str, Change),
    /// The process is killed.
    Kill,
    /// The machine loses its power, and all that was not synced.
    PowerLoss,
    /// Every sync fails until the process has stopped.
    SyncFails,
    /// The disk has no room for a further segment, or has it again.
    DiskFull(bool),
    /// All connections of the bank of this number break, and none is taken for so many milliseconds.
    BankAway(usize, u64),
    /// The first connection of the bank of this number breaks.
    LinkBreaks(usize),
    /// The switch's wall clock is off by so many milliseconds from here on.
    Clock(i64),
    /// The next business day is opened.
    Cutover,
    /// A block is set, or lifted.
    Block(Blocked, bool),
    /// The switch is drained, stopped and started.
    Drain,
    /// The configuration is read again with this change.
    Reconfigure(fn(&mut Config)),
    /// The first machine's key is another one than the switch has for it, or the same again.
    OtherKey(bool),
}

/// What is going on in a script.
pub(super) struct Script {
    bank_rules: Arc<Mutex<Vec<(u16, u32, bank::Fault)>>>,
    bends: Vec<(Way, u16, u32, Bend)>,
    registry: Vec<(Verdict, u64)>,
    slow: Vec<(&'static str, u64)>,
    on: Vec<(&'static str, Step)>,
    /// Appended and not known to be durable.
    undurable: Vec<(Position, &'static str)>,
    said: Vec<Message>,
    hand: Option<u64>,
    hand_stan: u32,
    /// Records that were there before the day.
    history: usize,
    /// The newest STAN towards each bank.
    stans: [u64; BANKS.len()],
    /// A bank's answer that the script says.
    is_put_in: bool,
    bank_got: Vec<AtBank>,
    heard: Vec<String>,
    hand_heard: Vec<String>,
    alarms: Vec<String>,
    timeline: Vec<String>,
}

/// A message that came to a bank.
struct AtBank {
    bank: usize,
    message: Message,
    answers: Vec<String>,
}

/// What came of a scenario.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Answers that machines took in, in order: `0210 91, 0430 00`.
    pub terminal: String,
    /// Answers that the hand-held terminal took in.
    pub hand: String,
    /// What banks got and what they said to it: `0200 A -> 00, 0420 B 68 -> 00`. A letter is an identity; behind that of
    /// a 0420 stand its reason and, where it is not 0, what has left.
    pub bank: String,
    /// Kinds of record of each transaction, in order: `INTENT OUTCOME COMPLETE / DECLINED`.
    pub log: String,
    /// The greatest flag that was raised and not cleared.
    pub suspense: Option<Suspense>,
    /// Alarms, each kind once, by name.
    pub alarms: String,
    /// Net debit at the banks.
    pub net_vnd: i64,
    /// Cash that has left the machines, less what entered.
    pub cash_vnd: i64,
    /// What happened at the switch, in order.
    pub timeline: Vec<String>,
    /// What the simulation's judge says of ledgers, cassettes, answers and log.
    pub judged: Vec<String>,
    /// Everything, for a test that fails.
    pub trace: Vec<String>,
}

/// Plays steps in a town, lets everything heal and come to rest, and says what came of it.
pub fn play(setup: &Setup, steps: &[Step]) -> Seen {
    let mut world = World::new(plan(setup), true);
    world.script = Some(Box::new(Script::new()));
    if setup.log_nearly_full {
        world.fill_segment();
    }
    let history = world.records().len();
    if let Some(script) = &mut world.script {
        script.history = history;
    }
    world.set_rules();
    world.pass_ms(SIGNED_ON_MS);
    for step in steps {
        match step {
            Step::Wait(ms) => world.pass_ms(*ms),
            step => world.perform(step.clone()),
        }
    }
    world.pass_ms(PLAYED_MS);
    world.heal();
    world.pass_ms(REST_MS_MIN);
    let until_us = world.now_us + REST_MS_MAX * 1000;
    while !world.unrest().is_empty() && world.now_us < until_us && world.violations.is_empty() {
        world.pass_ms(10_000);
    }
    let unrest = world.unrest();
    if !unrest.is_empty() {
        world.violations.push(format!("does not come to rest: {unrest}"));
    }
    world.seen()
}

fn plan(setup: &Setup) -> Plan {
    let faults = if setup.stan_wraps { FaultSet::NONE.with(Fault::StanWrap) } else { FaultSet::NONE };
    // Banks of every third seed refuse repeats.
    let seed = if setup.repeats_refused { 3 } else { 1 };
    Plan {
        start_ms: setup.start_ms,
        terminals: setup.terminals,
        exponents: [0; 3],
        tombstones: [setup.tombstones, true, true],
        links: [setup.links, 1, 1],
        ..Plan::with(seed, faults, 0)
    }
}

impl Script {
    fn new() -> Script {
        Script {
            bank_rules: Arc::default(),
            bends: Vec::new(),
            registry: Vec::new(),
            slow: Vec::new(),
            on: Vec::new(),
            undurable: Vec::new(),
            said: Vec::new(),
            hand: None,
            hand_stan: HAND_STAN,
            history: 0,
            stans: [0; BANKS.len()],
            is_put_in: false,
            bank_got: Vec::new(),
            heard: Vec::new(),
            hand_heard: Vec::new(),
            alarms: Vec::new(),
            timeline: Vec::new(),
        }
    }
}

/// What a script does.
impl World {
    fn pass_ms(&mut self, ms: u64) {
        self.run_until(self.now_us + ms * 1000);
    }

    /// Blocks that were lifted long ago fill the first segment but for less than an INTENT.
    fn fill_segment(&mut self) {
        let lifted =
            Block { subject: BlockSubject::Terminal(terminal_id(0)), set: false, by: "operator".into() };
        let record = Record {
            at_ms: self.plan.start_ms - 1_000,
            transaction: None,
            suspense: None,
            spend: None,
            body: Body::Block(lifted),
        };
        let options = self.log_options();
        let Ok((mut log, recovered)) = SteppedLog::open(&options, &self.disk) else {
            return self.violations.push("the log cannot be filled".to_owned());
        };
        let mut next = recovered.next;
        while (self.disk.bytes().len() as u64) + SEGMENT_REST_BYTES < options.segment_bytes {
            let appended = log.append(next, &record).is_ok() && log.write().is_ok() && log.sync().is_ok();
            if !appended {
                return self.violations.push("the log cannot be filled".to_owned());
            }
            next += 1;
        }
    }

    fn set_rules(&mut self) {
        let Some(script) = &self.script else { return };
        for number in 0..BANKS.len() {
            let rules = Arc::clone(&script.bank_rules);
            self.banks[number].machine.set_faults(Arc::new(move |seen| {
                let rules = rules.lock().expect("no holder of the rules panics");
                let holds = |rule: &&(u16, u32, bank::Fault)| rule.0 == seen.mti && seen.sighting <= rule.1;
                rules.iter().find(holds).map(|(_, _, fault)| *fault)
            }));
        }
    }

    /// Carries out a step now.
    pub(super) fn perform(&mut self, step: Step) {
        self.note(|_| format!("script: {step:?}"));
        match step {
            Step::Visit(visit) => self.order(visit),
            Step::Hand(hand) => self.hand_says(hand),
            Step::BankSays(bank, code, change) => self.bank_is_made_to_say(bank, code, change),
            Step::Kill => self.crash(Crash { at: Moment::Now, power: false }),
            Step::PowerLoss => self.crash(Crash { at: Moment::Now, power: true }),
            Step::SyncFails => self.disk.fail_syncs(true),
            Step::DiskFull(full) => {
                self.disk.fill(full);
                self.disk_news();
            }
            Step::BankAway(bank, ms) => self.bank_goes(bank, ms),
            Step::LinkBreaks(bank) => {
                if let Some(conn) = self.conn_of(World::link_of(0, End::Bank(bank, 0))) {
                    self.reset(conn);
                }
            }
            Step::Clock(skew_ms) => self.skew_ms = skew_ms,
            Step::Cutover => self.cutover(),
            Step::Block(blocked, set) => {
                let subject = match blocked {
                    Blocked::Terminal => BlockSubject::Terminal(terminal_id(0)),
                    Blocked::Bank => BlockSubject::Bank(institution(BANKS[0])),
                    Blocked::Citizen(citizen) => {
                        BlockSubject::Citizen(self.data_keys.pseudonym(&pan(citizen).citizen_number()))
                    }
                };
                self.operate(Command::Block(Block { subject, set, by: "operator".into() }));
            }
            Step::Drain => {
                self.draining = true;
                self.operate(Command::Drain);
            }
            Step::Reconfigure(change) => {
                let mut config = self.config.clone();
                change(&mut config);
                self.set_config(config);
            }
            Step::OtherKey(other) => self.key_change = other.then_some(0),
            Step::Bank(mti, times, fault) => {
                if let Some(script) = &self.script {
                    let mut rules = script.bank_rules.lock().expect("no holder of the rules panics");
                    rules.retain(|rule| rule.0 != mti);
                    rules.push((mti, times, fault));
                }
            }
            Step::Net(way, mti, number, bend) => {
                if let Some(script) = &mut self.script {
                    script.bends.push((way, mti, number, bend));
                }
            }
            Step::Registry(verdict, ms) => {
                if let Some(script) = &mut self.script {
                    script.registry.push((verdict, ms));
                }
            }
            Step::SyncSlow(record, ms) => {
                if let Some(script) = &mut self.script {
                    script.slow.push((record, ms));
                }
            }
            Step::On(moment, step) => {
                if let Some(script) = &mut self.script {
                    script.on.push((moment, *step));
                }
            }
            Step::Wait(_) => self.violations.push("a wait that is no step of its own".to_owned()),
        }
    }

    fn order(&mut self, visit: Visit) {
        let notes = match visit.what {
            What::Deposit => mix(visit.amount_vnd, &Notes([1_000; 4]), 150),
            _ => None,
        };
        self.next_order += 1;
        self.terminals[visit.terminal].is_serving = true;
        let order = Order {
            id: self.next_order,
            what: visit.what,
            amount_vnd: visit.amount_vnd,
            notes,
            card: Card { pan: pan(visit.citizen), chip: Arc::new(Unread) },
            steps: visit.steps,
            bank: None,
            from_account: None,
            rrn_front: None,
            pin: Some(super::pins::PINS.of(pan(visit.citizen).digits())),
            fault: visit.fault,
        };
        self.terminal(visit.terminal, terminal::Input::Order(Box::new(order)));
    }

    fn hand_says(&mut self, hand: Hand) {
        let wall_ms = self.wall_ms();
        let Some(script) = &mut self.script else { return };
        let newest = |mti: u16| script.said.iter().rev().find(|said| said.mti().value() == mti).cloned();
        let message = match hand {
            Hand::Again(of, mti, change) => newest(of).map(|mut message| {
                message.set_mti(Mti::new(mti));
                change(&mut message);
                message
            }),
            Hand::Advice(mti, left_vnd, change) => newest(200).or_else(|| newest(201)).map(|original| {
                let stan = script.hand_stan;
                script.hand_stan += 1;
                let mut message = advice(mti, &original, stan, wall_ms, left_vnd);
                change(&mut message);
                message
            }),
        };
        let Some(message) = message else {
            return self.violations.push("the hand-held terminal has nothing to repeat".to_owned());
        };
        script.said.push(message.clone());
        let conn = script.hand;
        let conn = match conn.filter(|conn| self.conns.get(conn).is_some_and(|conn| conn.switch_lives)) {
            Some(conn) => conn,
            None => {
                let conn = self.connect(End::Stranger);
                self.switch(processor::Input::LinkUp(World::link_of(conn, End::Stranger)));
                conn
            }
        };
        if let Some(script) = &mut self.script {
            script.hand = Some(conn);
        }
        self.carry(conn, true, &message);
    }

    fn bank_is_made_to_say(&mut self, bank: usize, code: &str, change: Change) {
        let Some(script) = &mut self.script else { return };
        let asked = script.bank_got.iter().rev().find(|got| got.message.mti().value() == 200);
        let Some(mut answer) = asked.map(|got| got.message.clone()) else {
            return self.violations.push("no bank was asked anything".to_owned());
        };
        answer.set_mti(Mti::new(210));
        answer.set_text(39, code);
        change(&mut answer);
        script.is_put_in = true;
        if let Some(conn) = self.conn_of(World::link_of(0, End::Bank(bank, 0))) {
            self.carry(conn, true, &answer);
        }
        if let Some(script) = &mut self.script {
            script.is_put_in = false;
        }
    }
}

/// A 0220 or 0420 about a 0200.
fn advice(mti: u16, original: &Message, stan: u32, wall_ms: i64, left_vnd: Option<u64>) -> Message {
    let mut message = Message::new(Mti::new(mti));
    for element in [2, 3, 4, 12, 13, 32, 41, 42, 49] {
        if let Some(value) = original.get(element) {
            message.set(element, value);
        }
    }
    let text = |element: u8| original.text(element).unwrap_or_default().to_owned();
    let de90 = format!("0200{}{}{:0>11}{:011}", text(11), text(7), text(32), 0);
    let de7 = processor::UtcSeconds(wall_ms.div_euclid(1000)).to_de7();
    message.set(7, &de7).set_number(11, stan.into(), 6).set_text(90, &de90);
    if mti == 420 {
        message.set_text(39, "22");
    }
    if let Some(left_vnd) = left_vnd {
        message.set_text(95, &format!("{left_vnd:012}{:030}", 0));
    }
    message
}

/// What a script is told by the town.
impl World {
    /// Something happened at the switch; what waits for it is done.
    fn comes_about(&mut self, what: String) {
        let Some(script) = &mut self.script else { return };
        let place = script.on.iter().position(|(moment, _)| *moment == what);
        script.timeline.push(what);
        match place.map(|place| script.on.remove(place).1) {
            Some(step @ (Step::Kill | Step::PowerLoss | Step::SyncFails)) => self.perform(step),
            Some(step) => self.after_us(0, Event::Script(Box::new(step))),
            None => {}
        }
    }

    pub(super) fn script_appends(&mut self, position: Position, record: &Record) {
        if let Some(script) = &mut self.script {
            let name = record.body.name();
            script.undurable.push((position, name));
            self.comes_about(format!("append {name}"));
        }
    }

    pub(super) fn script_synced(&mut self, below: Position) {
        let Some(script) = &mut self.script else { return };
        let (durable, left) = script.undurable.drain(..).partition(|(position, _)| *position < below);
        script.undurable = left;
        let durable: Vec<(Position, &'static str)> = durable;
        for (_, name) in durable {
            self.comes_about(format!("durable {name}"));
        }
    }

    pub(super) fn script_says(&mut self, message: &Message) {
        if self.script.is_some() && !matches!(message.mti().value(), 800 | 810) {
            self.comes_about(format!("says {}", shortly(message)));
        }
    }

    pub(super) fn script_starts(&mut self) {
        if self.script.is_some() {
            self.comes_about("starts".to_owned());
        }
    }

    /// The process has stopped; how soon the next one starts, milliseconds.
    pub(super) fn script_stops(&mut self) -> Option<u64> {
        let script = self.script.as_mut()?;
        script.undurable.clear();
        script.timeline.push("stops".to_owned());
        Some(RESTART_MS)
    }

    pub(super) fn script_alarm(&mut self, event: &processor::Event) {
        if let Some(script) = &mut self.script {
            let told = format!("{event:?}");
            let name = told.split('(').next().unwrap_or_default().to_owned();
            if !script.alarms.contains(&name) {
                script.alarms.push(name);
            }
        }
    }

    pub(super) fn script_verdict(&mut self, verdict: Verdict, us: u64) -> (Verdict, u64) {
        if self.script.is_none() {
            return (verdict, us);
        }
        self.comes_about("asks the registry".to_owned());
        match &mut self.script {
            Some(script) if !script.registry.is_empty() => {
                let (verdict, ms) = script.registry.remove(0);
                (verdict, ms * 1000)
            }
            Some(_) | None => (verdict, us),
        }
    }

    pub(super) fn script_sync_us(&mut self, us: u64) -> u64 {
        let Some(script) = &mut self.script else { return us };
        let is_covered = |name: &str| script.undurable.iter().any(|(_, undurable)| *undurable == name);
        match script.slow.iter().position(|(name, _)| is_covered(name)) {
            Some(place) => script.slow.remove(place).1 * 1000,
            None => us,
        }
    }

    /// What the network does to a message of the script's; also what terminals and banks say is kept.
    pub(super) fn bend(&mut self, end: End, to_switch: bool, message: &Message) -> Option<Bend> {
        let script = self.script.as_mut()?;
        let mti = message.mti().value();
        let way = match (end, to_switch) {
            (End::Bank(..), true) => Way::BankToSwitch,
            (End::Bank(..), false) => Way::SwitchToBank,
            (End::Terminal(_) | End::Stranger, true) => Way::TerminalToSwitch,
            (End::Terminal(_) | End::Stranger, false) => Way::SwitchToTerminal,
        };
        match end {
            End::Terminal(_) if to_switch => script.said.push(message.clone()),
            End::Bank(bank, _) if to_switch && !script.is_put_in => {
                let is_asked = |got: &&mut AtBank| {
                    got.bank == bank
                        && got.message.get(7) == message.get(7)
                        && got.message.get(11) == message.get(11)
                };
                if let Some(got) = script.bank_got.iter_mut().rev().find(is_asked) {
                    got.answers.push(message.text(39).unwrap_or("-").to_owned());
                }
            }
            End::Terminal(_) | End::Stranger | End::Bank(..) => {}
        }
        let mut bend = None;
        script.bends.retain_mut(|rule| {
            if (rule.0, rule.1) == (way, mti) {
                rule.2 -= 1;
                if rule.2 == 0 {
                    bend = Some(rule.3);
                    return false;
                }
            }
            true
        });
        bend
    }

    pub(super) fn carry_bent(&mut self, delivery: Delivery, bend: Bend) {
        self.note(|_| format!("  {bend:?} on the way"));
        let Delivery { conn, to_switch, bytes, sent, .. } = delivery;
        let (ms, again_ms, forged) = match bend {
            Bend::Lost => return,
            Bend::Doubled(again_ms) => (0, Some(again_ms), false),
            Bend::Late(ms) => (ms, None, false),
            Bend::Forged => (0, None, true),
        };
        if let Some(again_ms) = again_ms {
            let bytes = Rc::clone(&bytes);
            let again = Delivery { conn, to_switch, bytes, forged: false, sent };
            self.after_us(WAY_US + again_ms * 1000, Event::Deliver(again));
        }
        let first = Delivery { conn, to_switch, bytes, forged, sent };
        self.after_us(WAY_US + ms * 1000, Event::Deliver(first));
    }

    /// A message arrives.
    pub(super) fn overhear(&mut self, end: End, to_switch: bool, message: &Message, forged: bool) {
        if matches!(message.mti().value(), 800 | 810) {
            return;
        }
        let Some(script) = &mut self.script else { return };
        let heard = shortly(message);
        match (end, to_switch) {
            (_, true) => self.comes_about(format!("hears {heard}")),
            (End::Terminal(_), false) if !forged => script.heard.push(heard),
            (End::Terminal(_), false) => {}
            (End::Stranger, false) => script.hand_heard.push(heard),
            (End::Bank(bank, _), false) => {
                let stan = message.number(11).unwrap_or(0);
                let before = std::mem::replace(&mut script.stans[bank], stan);
                script.bank_got.push(AtBank { bank, message: message.clone(), answers: Vec::new() });
                if stan < before {
                    self.comes_about("STANs come round".to_owned());
                }
            }
        }
    }
}

/// MTI, and DE39 of an answer.
fn shortly(message: &Message) -> String {
    let mti = message.mti();
    match message.text(39) {
        Some(code) if mti.is_response() => format!("{:04} {code}", mti.value()),
        Some(_) | None => format!("{:04}", mti.value()),
    }
}

/// What came of it.
impl World {
    fn seen(mut self) -> Seen {
        let judged = oracle::judge(&mut self);
        let judged = judged.into_iter().map(|found| format!("{}: {}", found.rule, found.what)).collect();
        let (log, suspense) = self.log_seen();
        let cash = net_out_vnd(self.terminals.iter().flat_map(|site| &site.movements));
        let lines = self.banks.iter().flat_map(|site| &site.lines);
        let postings = lines.flat_map(|line| match line {
            Line::Entry(entry) => entry.postings.as_slice(),
            Line::Ledger(_) | Line::Opened { .. } | Line::Cutover { .. } => &[],
        });
        let net_vnd =
            postings.filter(|posting| &*posting.account == SETTLEMENT).map(|it| it.amount_minor).sum();
        let Some(script) = self.script else { return Seen::default() };
        Seen {
            terminal: script.heard.join(", "),
            hand: script.hand_heard.join(", "),
            bank: at_banks(&script.bank_got),
            log,
            suspense,
            alarms: script.alarms.join(", "),
            net_vnd,
            cash_vnd: cash.values().sum(),
            timeline: script.timeline,
            judged,
            trace: self.trace.unwrap_or_default(),
        }
    }

    fn records(&self) -> Vec<Record> {
        let files = self.disk.files(self.data_keys.clone());
        let scan = files.scan(0).into_iter().flatten();
        scan.filter_map(|read| read.ok().map(|(_, record)| record)).collect()
    }

    /// The kinds of record of each transaction of the day, and the flag that is left.
    fn log_seen(&self) -> (String, Option<Suspense>) {
        let before = self.script.as_ref().map_or(0, |script| script.history);
        let records: Vec<Record> = self.records().into_iter().skip(before).collect();
        let mut groups: Vec<(Option<processor::TxKey>, Vec<&'static str>, Option<Suspense>)> = Vec::new();
        for record in &records {
            let place = groups
                .iter()
                .position(|(key, _, _)| key.is_some() && *key == record.transaction)
                .unwrap_or_else(|| {
                    groups.push((record.transaction, Vec::new(), None));
                    groups.len() - 1
                });
            let (_, kinds, suspense) = &mut groups[place];
            kinds.push(record.body.name());
            // A flag of age is cleared by what leads out of APPROVED.
            if matches!(record.body, Body::Complete(_) | Body::Reversal(_))
                && *suspense == Some(Suspense::Age)
            {
                *suspense = None;
            }
            *suspense = (*suspense).max(record.suspense);
        }
        let log: Vec<String> = groups.iter().map(|(_, kinds, _)| kinds.join(" ")).collect();
        (log.join(" / "), groups.iter().filter_map(|(_, _, suspense)| *suspense).max())
    }
}

fn at_banks(got: &[AtBank]) -> String {
    let mut letters: BTreeMap<(usize, Vec<u8>, Vec<u8>), char> = BTreeMap::new();
    let mut told = Vec::new();
    for AtBank { bank, message, answers } in got {
        let value = |element: u8| message.get(element).unwrap_or_default().to_vec();
        let next = (b'A' + letters.len() as u8) as char;
        let letter = letters.entry((*bank, value(7), value(11))).or_insert(next);
        let mut line = format!("{:04} {letter}", message.mti().value());
        if let Some(reason) = message.text(39) {
            line.push_str(&format!(" {reason}"));
        }
        let left = message.text(95).and_then(|de95| de95.get(..12)?.parse::<u64>().ok()).unwrap_or(0);
        if left > 0 {
            line.push_str(&format!(" left {left}"));
        }
        if !answers.is_empty() {
            line.push_str(&format!(" -> {}", answers.join(" ")));
        }
        told.push(line);
    }
    told.join(", ")
}

/// A registry's answer that vouches for card and person.
pub fn verified() -> Verdict {
    Verdict::Verified { biometric_matched: true, evidence: evidence() }
}

/// A registry that is away, and has vouched for the card when the day began.
pub fn away() -> Verdict {
    let known = Some(KnownStatus { at_ms: NOON_MS, valid_until_ms: i64::MAX });
    Verdict::RegistryAway(Box::new(Away { evidence: owed(), has_biometric: true, known }))
}

/// A registry's signed refusal.
pub fn refused(code: &str) -> Verdict {
    let code = processor::Code::parse(code.as_bytes()).expect("a code has two characters");
    Verdict::Refused(code, Some(evidence()))
}
