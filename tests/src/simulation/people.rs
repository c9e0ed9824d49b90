//! Everybody around the switch: citizens at machines, bank cores, operators, and a stranger on the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use iso8583::Message;
use simulators::bank::{self, Ledger, Line};
use simulators::pilot::Chance;
use simulators::terminal::{
    self, Card, Chip, Comparison, Movement, Notes, Order, Output, Point, Steps, Terminal, TxKey, What, mix,
};

use super::faults::Fault;
use super::net::End;
use super::plan::{
    BANKS, CITIZENS, HELD_MS_MAX, Plan, acquirer, challenge_key, institution, terminal_name, timers,
};
use super::rows::Row;
use super::world::{Event, World};

/// What each machine's cassettes hold at first.
const CASSETTES: Notes = Notes([400, 300, 300, 400]);
/// A second 25 behind the bank's own timer has ended the reversal by then.
const HELD_LONG_MS: u64 = 60_000;
/// Messages of terminals that are remembered to come again.
const SAID_MAX: usize = 64;

/// A machine, and what of it can be counted.
pub(super) struct TerminalSite {
    pub(super) machine: Terminal,
    pub(super) config: terminal::Config,
    pub(super) conn: Option<u64>,
    pub(super) movements: Vec<Movement>,
    pub(super) is_serving: bool,
    /// Notes stayed in the machine that the citizen had put in.
    pub(super) jammed: bool,
}

/// A bank core, and what it has written.
pub(super) struct BankSite {
    pub(super) machine: bank::Machine,
    pub(super) away_until_us: u64,
    pub(super) lines: Vec<Line>,
    /// How often each of [`BANK_FAULTS`] struck.
    pub(super) struck: Arc<[AtomicU64; BANK_FAULTS.len()]>,
}

/// The faults that hang on what a bank sees.
pub(super) const BANK_FAULTS: [Fault; 11] = [
    Fault::BankHeldLong,
    Fault::BankLate,
    Fault::BankSilent,
    Fault::BankLost,
    Fault::BankHeld,
    Fault::BankEcho,
    Fault::BankDecline,
    Fault::BankTwice,
    Fault::BankDeclineThenTruth,
    Fault::BankTruthThenDecline,
    Fault::BankAway,
];

/// An answer that a terminal took in.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) terminal: usize,
    pub(super) mti: u16,
    /// STAN and DE7 of the answer.
    pub(super) stan: u32,
    pub(super) de7: [u8; 10],
    pub(super) code: [u8; 2],
    /// When it left the switch, and which process it was that said it.
    pub(super) sent_us: u64,
    pub(super) start: u64,
}

/// A message of a terminal that could come again.
#[derive(Clone, Debug)]
pub(super) struct Said {
    message: Message,
    at_us: u64,
    /// The terminal has heard 00 to it.
    approved: bool,
}

/// A chip whose signatures nobody checks: verdicts are drawn.
pub(super) struct Unread;

impl Chip for Unread {
    fn dg1(&self) -> &[u8] {
        &[0x61; 95]
    }

    fn dg15(&self) -> &[u8] {
        &[0x6F; 120]
    }

    fn sod(&self) -> &[u8] {
        &[0x77; 64]
    }

    fn sign(&self, _: &[u8; 8]) -> (Vec<u8>, u8) {
        (vec![0x5A; 64], 1)
    }
}

impl World {
    /// Machines and banks, as they stand in the morning.
    pub(super) fn move_in(&mut self) {
        for number in 0..self.plan.terminals {
            let config = self.terminal_config(number);
            let machine = Terminal::new(config.clone()).expect("the town's terminals can be set up");
            self.terminals.push(TerminalSite {
                machine,
                config,
                conn: None,
                movements: Vec::new(),
                is_serving: false,
                jammed: false,
            });
            self.terminal(number, terminal::Input::Service(CASSETTES));
            let ms = u64::from(self.people_chance.between(1, 400));
            self.after_ms(ms, Event::Dial(number));
            self.schedule_visit(number);
        }
        for number in 0..BANKS.len() {
            let struck: Arc<[AtomicU64; BANK_FAULTS.len()]> = Arc::default();
            let (machine, line) = bank_of(&self.plan, number, Arc::clone(&struck));
            self.banks.push(BankSite { machine, away_until_us: 0, lines: vec![line], struck });
        }
    }

    fn terminal_config(&self, number: usize) -> terminal::Config {
        let biometrics = Arc::new(move |it: &Comparison| {
            let mut session = [0; 16];
            session[..8].copy_from_slice(&it.at_s.to_be_bytes());
            session[8..12].copy_from_slice(&it.number.to_be_bytes());
            session
        });
        let biometrics: terminal::Biometrics = match &self.crypto {
            Some(crypto) => crypto.biometrics(),
            None => biometrics,
        };
        let (name, place) = (terminal_name(number), "Ha Noi");
        let mut config =
            terminal::Config::new(&name, acquirer(number), place, challenge_key(number), biometrics)
                .expect("the town's terminals can be set up");
        config.pin_pad = Some(super::pins::pad());
        config.timers = terminal::Timers {
            answer_ms_max: timers().terminal_wait_ms,
            link_ms_max: 20_000,
            advice_repeat_ms_min: 2_000,
            advice_repeat_ms_max: 16_000,
            echo_interval_ms: 120_000,
            network_answer_ms_max: 5_000,
        };
        config
    }

    /// Hands a machine its input and carries out what it wants.
    pub(super) fn terminal(&mut self, number: usize, input: terminal::Input) {
        let now = self.town_now();
        self.terminals[number].machine.handle(now, input);
        loop {
            let site = &mut self.terminals[number];
            let Some(output) = site.machine.poll_output() else { return };
            match output {
                Output::Send(message) => {
                    if let Some(conn) = site.conn {
                        self.carry(conn, true, &message);
                    }
                }
                // Nor does a machine.
                Output::Rekey(_) => {}
                Output::Hangup => {
                    if let Some(conn) = site.conn.take() {
                        self.peer_closes(conn);
                    }
                    self.redial(number);
                    let now = self.town_now();
                    self.terminals[number].machine.handle(now, terminal::Input::LinkDown);
                }
                Output::Moved(movement) => {
                    self.note(|_| {
                        format!("  {} {:?} {} vnd", movement.terminal, movement.kind, movement.amount_vnd())
                    });
                    let site = &mut self.terminals[number];
                    site.jammed |= movement.kind == terminal::MovementKind::Rejected;
                    site.movements.push(movement);
                }
                Output::Finished(finished) => {
                    self.note(|_| {
                        format!(
                            "  visit {} ends: {:?} {:?}",
                            finished.order,
                            finished.outcome,
                            finished.code.map(|it| String::from_utf8_lossy(&it).into_owned())
                        )
                    });
                    site_free(&mut self.terminals[number]);
                    if !self.terminals[number].machine.is_dead() {
                        self.schedule_visit(number);
                    }
                }
                Output::Totals(_) | Output::Event(_) => {}
            }
        }
    }

    pub(super) fn redial(&mut self, number: usize) {
        if !self.terminals[number].machine.is_dead() {
            let ms = u64::from(self.people_chance.between(200, 1_500));
            self.after_ms(ms, Event::Dial(number));
        }
    }

    pub(super) fn dial(&mut self, number: usize) {
        if self.terminals[number].conn.is_some() || self.terminals[number].machine.is_dead() {
            return;
        }
        if self.process.is_none() {
            return self.redial(number);
        }
        let end = End::Terminal(number);
        let conn = self.connect(end);
        self.terminals[number].conn = Some(conn);
        self.switch(processor::Input::LinkUp(World::link_of(conn, end)));
        self.terminal(number, terminal::Input::LinkUp);
    }

    /// The machine's connection is gone.
    pub(super) fn terminal_loses(&mut self, number: usize, conn: u64) {
        if self.terminals[number].conn == Some(conn) {
            self.terminals[number].conn = None;
            self.redial(number);
            self.terminal(number, terminal::Input::LinkDown);
        }
    }

    pub(super) fn terminal_receives(
        &mut self,
        number: usize,
        message: Message,
        forged: bool,
        (sent_us, start): (u64, u64),
    ) {
        // What is not authentic decides nothing: the timers do.
        if forged || self.terminals[number].machine.is_dead() {
            return;
        }
        if message.mti().value() == 510 {
            return self.hears_totals(number, &message);
        }
        let (de7, code) = (message.get(7).and_then(|it| it.try_into().ok()), message.get(39));
        if let (Some(de7), Some(code)) = (de7, code.and_then(|it| it.try_into().ok())) {
            let stan = message.number(11).unwrap_or(0) as u32;
            let mti = message.mti().value();
            self.heard.push(Heard { terminal: number, mti, stan, de7, code, sent_us, start });
            if (mti, code) == (210, *b"00") {
                self.approved_rrns.extend(message.get(37).map(<[u8]>::to_vec));
                let is_it = |said: &&mut Said| {
                    said.message.get(7) == message.get(7)
                        && said.message.get(11) == message.get(11)
                        && said.message.get(41) == message.get(41)
                };
                self.said.iter_mut().filter(is_it).for_each(|said| said.approved = true);
            }
        }
        self.terminal(number, terminal::Input::Received(Box::new(message)));
    }

    pub(super) fn schedule_visit(&mut self, number: usize) {
        let pause = self.plan.pause_ms;
        let ms = u64::from(self.people_chance.between(pause / 4, pause * 7 / 4));
        self.after_ms(ms, Event::Visit(number));
    }

    /// A citizen comes to a machine.
    pub(super) fn visit(&mut self, number: usize) {
        let site = &self.terminals[number];
        if self.visits_left == 0 || site.is_serving || site.machine.is_dead() {
            return;
        }
        self.visits_left -= 1;
        self.next_order += 1;
        self.terminals[number].is_serving = true;
        let order = self.draw_order(number);
        self.note(|_| {
            format!(
                "visit {} at {}: {:?} {} vnd, {:?}",
                order.id,
                terminal_name(number),
                order.what,
                order.amount_vnd,
                order.fault
            )
        });
        self.terminal(number, terminal::Input::Order(Box::new(order)));
    }

    fn draw_order(&mut self, number: usize) -> Order {
        let chance = &mut self.people_chance;
        let citizen = chance.between(0, self.plan.citizens() - 1);
        let accounts = super::plan::accounts(citizen);
        let account = chance.pick(&accounts).clone();
        let what = match chance.weighted(&[60, 16, 8, 4, 8]) {
            0 => What::Withdrawal,
            1 => What::Deposit,
            2 => What::Balance,
            3 => What::MiniStatement,
            _ => {
                What::Transfer { to_account: format!("12{}{:09}", &account.bank.to_string()[5..], 77).into() }
            }
        };
        if self.faults_on && self.plan.faults.has(Fault::TightLimits) {
            self.counts.add(Fault::TightLimits);
        }
        let mut amount_vnd = 50_000 * u64::from(chance.between(1, 60));
        if chance.percent(4) {
            amount_vnd *= 20;
        }
        let notes = match what {
            What::Deposit => mix(amount_vnd, &Notes([1_000; 4]), 150),
            _ => None,
        };
        let amount_vnd = match what {
            What::Balance | What::MiniStatement => 0,
            _ => amount_vnd,
        };
        let steps = if chance.percent(50) { Steps::Two } else { Steps::One };
        let names_bank = chance.percent(60);
        let chip: Arc<dyn Chip> = match &self.crypto {
            Some(crypto) => crypto.chip(citizen),
            None => Arc::new(Unread),
        };
        let pan = self.pan(citizen);
        let pin = super::pins::PINS.of(pan.digits());
        let fault = self.draw_terminal_fault(number, &what);
        Order {
            id: self.next_order,
            what,
            amount_vnd,
            notes,
            card: Card { pan, chip },
            steps,
            bank: names_bank.then(|| account.bank.to_string().into()),
            from_account: (names_bank && self.people_chance.percent(50)).then(|| (*account.number).into()),
            rrn_front: None,
            pin: Some(pin),
            fault,
        }
    }

    fn draw_terminal_fault(&mut self, number: usize, what: &What) -> Option<terminal::Fault> {
        let cash_out = matches!(what, What::Withdrawal);
        let points = [Point::AfterRequest, Point::BeforeAnswer, Point::BeforeAdvice];
        for (fault, percent) in [
            (Fault::DispenseNothing, 8),
            (Fault::DispensePart, 10),
            (Fault::NotTaken, 6),
            (Fault::Jam, 10),
            (Fault::TerminalLink, 10),
            (Fault::TerminalDies, 2),
        ] {
            if !self.faults_on || !self.plan.faults.has(fault) || !self.people_chance.percent(percent) {
                continue;
            }
            let point = *self.people_chance.pick(&points);
            let struck = match fault {
                Fault::DispenseNothing if cash_out => terminal::Fault::DispenseNothing,
                Fault::DispensePart if cash_out => {
                    terminal::Fault::DispensePart { notes: self.people_chance.between(1, 4) }
                }
                Fault::NotTaken if cash_out => terminal::Fault::NotTaken,
                Fault::Jam if matches!(what, What::Deposit) => {
                    terminal::Fault::JamInEscrow { returned: self.people_chance.between(0, 3) }
                }
                Fault::TerminalLink => {
                    terminal::Fault::LoseLink { at: point, give_up: self.people_chance.percent(40) }
                }
                // One machine of the town at most: the others go on.
                Fault::TerminalDies if number == 0 => terminal::Fault::Die { at: point },
                _ => continue,
            };
            self.count(fault);
            return Some(struck);
        }
        None
    }

    /// Hands a bank its input and carries out what it wants.
    pub(super) fn bank(&mut self, number: usize, input: bank::Input) {
        let now = self.town_now();
        let mut outputs = Vec::new();
        self.banks[number].machine.handle(now, input, &mut outputs);
        for output in outputs {
            match output {
                bank::Output::Append(line) => {
                    if let Line::Entry(entry) = &line {
                        self.note(|_| {
                            format!(
                                "  bank {} takes {} {} {}: {}",
                                BANKS[number], entry.mti, entry.identity, entry.amount_minor, entry.code
                            )
                        });
                    }
                    self.banks[number].lines.push(line);
                }
                bank::Output::Send(conn, message) => {
                    let is_its = |id: &u64| {
                        self.conns
                            .get(id)
                            .is_some_and(|it| matches!(it.end, End::Bank(bank, _) if bank == number))
                    };
                    let any = || self.conns.keys().copied().find(is_its);
                    if let Some(conn) = Some(conn).filter(is_its).or_else(any) {
                        self.note_approved(number, &message);
                        self.carry(conn, true, &message);
                    }
                }
                // No bank of the town exchanges keys.
                bank::Output::Rekey(_) => {}
                bank::Output::Away(ms) => {
                    self.count(Fault::BankAway);
                    self.bank_goes(number, ms);
                }
            }
        }
    }

    /// What a bank says of what it has approved: a refusal, which only its own truth can mend when it arrives, or an
    /// approval whose echo is right or wrong.
    fn note_approved(&mut self, number: usize, answer: &Message) {
        let (Some(de7), Some(de11)) = (answer.get(7), answer.get(11)) else { return };
        if answer.mti().value() != 210 || answer.text(39) == Some("94") {
            return;
        }
        let identity = bank::Identity::read(de7, de11, self.wall_ms());
        let Some(identity) = identity else { return };
        let ledger = self.banks[number].machine.ledger();
        let Some(entry) = ledger.entry(identity).filter(|entry| &*entry.code == "00") else { return };
        if answer.text(39) != Some("00") {
            self.lies.entry((number, de7.to_vec(), de11.to_vec())).or_insert(None);
            return;
        }
        let amount = entry.amount_minor as u64 * 10_u64.pow(self.plan.exponents[number].into());
        let echoes = answer.number(4).unwrap_or(0) == amount
            && answer.text(37) == Some(&*entry.rrn)
            && answer.text(41) == Some(&*entry.terminal);
        *self.echoes.entry((number, identity)).or_insert(false) |= echoes;
    }

    /// An answer of a bank has reached the switch.
    pub(super) fn note_truth(&mut self, number: usize, answer: &Message) {
        let (Some(de7), Some(de11)) = (answer.get(7), answer.get(11)) else { return };
        if answer.mti().value() == 210 && answer.text(39) == Some("00") {
            let name = (number, de7.to_vec(), de11.to_vec());
            if let Some(truth) = self.lies.get_mut(&name) {
                *truth = Some(self.now_us);
            }
            self.approvals.insert(name, self.now_us);
        }
    }

    pub(super) fn bank_goes(&mut self, number: usize, ms: u64) {
        self.banks[number].away_until_us = self.now_us + ms * 1000;
        let conns: Vec<u64> = self
            .conns
            .iter()
            .filter(|(_, it)| matches!(it.end, End::Bank(bank, _) if bank == number))
            .map(|(id, _)| *id)
            .collect();
        for conn in conns {
            self.reset(conn);
        }
    }

    pub(super) fn bank_receives(&mut self, number: usize, conn: u64, message: Message, forged: bool) {
        if self.banks[number].away_until_us > self.now_us {
            return;
        }
        self.see_at_bank(number, &message);
        self.see_totals_at_bank(number, &message);
        self.see_pin(number, &message);
        // It has forgotten what it approved, for the moment, and what the citizen has in hand.
        if !forged
            && matches!(message.mti().value(), 420 | 421)
            && message.get(37).is_some_and(|rrn| self.approved_rrns.contains(rrn))
            && self.strikes(Fault::BankDecline)
        {
            let mut answer = Message::new(iso8583::Mti::new(430));
            for element in [4, 7, 11, 37, 41] {
                if let Some(value) = message.get(element) {
                    answer.set(element, value);
                }
            }
            answer.set_text(39, "25");
            return self.carry(conn, true, &answer);
        }
        if !forged {
            self.stale_answer(number, conn, &message);
        }
        let message = Box::new(message);
        let input =
            if forged { bank::Input::Forged(conn, message) } else { bank::Input::Received(conn, message) };
        self.bank(number, input);
    }

    /// A bank that wants PINs is never asked for money or for an account without one.
    fn see_pin(&mut self, number: usize, message: &Message) {
        let takes_none = message.text(3).is_some_and(|processing| processing.starts_with("21"));
        let has_one = message.has(52) != message.has(121);
        if super::pins::wants_pin(number) && message.mti().value() == 200 && !takes_none && !has_one {
            self.violations
                .push(format!("a 0200 without the PIN that its bank wants, STAN {:?}", message.text(11)));
        }
    }

    /// An answer of another day comes in, whose STAN is that of a request under way: it must match nothing.
    fn stale_answer(&mut self, number: usize, conn: u64, request: &Message) {
        if request.mti().value() != 200 || !self.strikes(Fault::BankCrossed) {
            return;
        }
        let sent_at = request.get(7).and_then(|de7| {
            bank::Identity::read(de7, b"000001", self.wall_ms()).map(|identity| identity.sent_at_s)
        });
        let Some(sent_at) = sent_at else { return };
        let mut answer = Message::new(iso8583::Mti::new(210));
        for element in [3, 4, 11, 37, 41] {
            if let Some(value) = request.get(element) {
                answer.set(element, value);
            }
        }
        answer.set(7, &processor::UtcSeconds(sent_at - 86_400).to_de7());
        answer.set_text(38, "000001").set_text(39, "00");
        self.switch_receives(conn, End::Bank(number, 0), answer, false);
    }

    fn see_at_bank(&mut self, number: usize, message: &Message) {
        if message.mti().value() == 421 {
            self.rows.hit(Row::ReversalRepeated);
        }
        if self.faults_on
            && self.plan.faults.has(Fault::BankKeepsNoTombstones)
            && !self.plan.tombstones[number]
        {
            self.count(Fault::BankKeepsNoTombstones);
        }
    }

    /// What a stranger hears to a message that it has overheard and changed: never an approval of the changed one.
    pub(super) fn stranger_hears(&mut self, conn: u64, answer: &Message, sent: (u64, u64)) {
        if self.changed.contains(&conn) && answer.text(39) == Some("00") {
            self.violations
                .push(format!("other content is taken for the first: {}", super::net::told(answer)));
        }
        if let (210, Some(stan), Some(de7)) = (answer.mti().value(), answer.number(11), answer.get(7)) {
            let terminal = (0..self.plan.terminals)
                .find(|number| answer.text(41).map(str::trim_end) == Some(&terminal_name(*number)));
            if let (Some(terminal), Some(code), Ok(de7)) = (terminal, answer.get(39), de7.try_into())
                && let Ok(code) = code.try_into()
                && !self.changed.contains(&conn)
            {
                let (sent_us, start) = sent;
                let heard = Heard { terminal, mti: 210, stan: stan as u32, de7, code, sent_us, start };
                self.overheard.push(heard);
            }
        }
        if answer.text(39) == Some("94") {
            self.rows.hit(Row::OtherContent);
        }
    }

    pub(super) fn remember_said(&mut self, number: usize, message: &Message) {
        if let (Some(de90), Some(de7)) = (message.get(90), message.get(7)) {
            let stan = std::str::from_utf8(&de90[4..10]).ok().and_then(|it| it.parse().ok()).unwrap_or(0);
            let own = (number, (message.number(11).unwrap_or(0) as u32, de7.to_vec()));
            self.originals.insert(own, (stan, de90[10..20].to_vec()));
        }
        if !self.faults_on || message.mti().value() == 800 {
            return;
        }
        if self.said.len() == SAID_MAX {
            self.said.remove(0);
        }
        self.said.push(Said { message: message.clone(), at_us: self.now_us, approved: false });
    }

    /// An old message comes again over a connection of nobody: the same, or with another amount where the first one was
    /// approved, so that the switch must know it.
    pub(super) fn replay(&mut self) {
        if self.said.is_empty() || self.process.is_none() {
            return;
        }
        let chance = &mut self.people_chance;
        let said = chance.pick(&self.said).clone();
        let changes = self.plan.faults.has(Fault::OtherContent) && said.approved;
        let mut message = said.message;
        if changes {
            let amount = message.number(4).unwrap_or(0);
            message.set_number(4, amount + 50_000, 12);
            self.count(Fault::OtherContent);
        } else if self.plan.faults.has(Fault::Replay)
            && (said.approved || self.now_us - said.at_us < u64::from(HELD_MS_MAX) * 1000)
        {
            self.count(Fault::Replay);
        } else {
            return;
        }
        let conn = self.connect(End::Stranger);
        if changes {
            self.changed.insert(conn);
        }
        self.switch(processor::Input::LinkUp(World::link_of(conn, End::Stranger)));
        self.carry(conn, true, &message);
    }

    /// A machine sends a request that has served once more under a new name, with the reference of the first: another
    /// withdrawal, for which nobody stood before the camera.
    pub(super) fn reuse_reference(&mut self) {
        let has_reference = |said: &&Said| {
            let template = said.message.get(112).unwrap_or_default();
            said.approved && said.message.mti().value() == 200 && (1..64).contains(&template.len())
        };
        let Some(said) = self.said.iter().rev().find(has_reference).cloned() else { return };
        let number = (0..self.plan.terminals)
            .find(|number| said.message.text(41).map(str::trim_end) == Some(&terminal_name(*number)));
        let Some((number, conn)) = number.and_then(|number| Some((number, self.terminals[number].conn?)))
        else {
            return;
        };
        self.count(Fault::ReferenceReused);
        self.next_order += 1;
        let sent_at = processor::UtcSeconds(self.wall_ms() / 1000);
        let mut message = said.message;
        message.remove(48).set(7, &sent_at.to_de7()).set_number(11, 800_000 + self.next_order, 6);
        self.note(|_| format!("{} uses a reference again", terminal_name(number)));
        self.carry_quietly(conn, &message);
    }
}

pub(super) fn site_free(site: &mut TerminalSite) {
    site.is_serving = false;
}

/// A bank with its accounts, and the first line of its ledger.
fn bank_of(plan: &Plan, number: usize, struck: Arc<[AtomicU64; BANK_FAULTS.len()]>) -> (bank::Machine, Line) {
    let accounts = (0..CITIZENS).flat_map(super::plan::accounts);
    let own = accounts.filter(|account| account.bank == institution(BANKS[number]));
    let mut opened: std::collections::BTreeMap<Box<str>, i64> =
        own.map(|account| ((*account.number).into(), 40_000_000)).collect();
    opened.insert(format!("12{}{:09}", &BANKS[number][5..], 77).into(), 0);
    let config = bank::MachineConfig {
        id: BANKS[number].into(),
        currency: 704,
        amount_exponent: plan.exponents[number],
        accounts: opened,
        opening_minor: None,
        tombstones: plan.tombstones[number],
        repeats_refused: plan.seed.is_multiple_of(3),
        totals: if plan.totals { super::totals::manner(plan, number) } else { Default::default() },
        pins: super::pins::check(number),
        exchange: None,
        faults: bank_faults(plan, number, struck),
    };
    let line = Line::Ledger(bank::Header {
        version: bank::LEDGER_VERSION,
        bank: BANKS[number].into(),
        currency: 704,
    });
    (bank::Machine::new(config, Ledger::default()), line)
}

/// Faults hang on what a bank sees, never on timing.
fn bank_faults(plan: &Plan, number: usize, struck: Arc<[AtomicU64; BANK_FAULTS.len()]>) -> bank::FaultRule {
    let keeps_none = !plan.tombstones[number];
    let on: Vec<usize> = (0..BANK_FAULTS.len())
        .filter(|fault| plan.faults.has(BANK_FAULTS[*fault]))
        .filter(|fault| BANK_FAULTS[*fault] != Fault::BankHeldLong || keeps_none)
        .collect();
    let (seed, rate) = (plan.seed ^ number as u64, plan.rate_thousandths * 2);
    Arc::new(move |seen| {
        let mut chance = Chance::new(seed ^ seen.identity.sent_at_s as u64, "bank");
        let mut chance = Chance::new(
            chance.bits()
                ^ u64::from(seen.identity.stan) << 32
                ^ u64::from(seen.sighting)
                ^ u64::from(seen.mti) << 20,
            "bank",
        );
        // A reversal that meets trouble for ever would never be over: after so many it gets through.
        if on.is_empty() || seen.sighting > 6 || chance.below(1000) >= rate * on.len().min(4) {
            return None;
        }
        let ms = u64::from(chance.between(200, HELD_MS_MAX));
        let reversal = seen.mti == 420;
        let fault = *chance.pick(&on);
        if reversal && BANK_FAULTS[fault] == Fault::BankHeldLong {
            return None;
        }
        struck[fault].fetch_add(1, Ordering::Relaxed);
        Some(match BANK_FAULTS[fault] {
            Fault::BankLate => bank::Fault::Late(ms),
            Fault::BankSilent => bank::Fault::Silent,
            Fault::BankLost => bank::Fault::Lost,
            Fault::BankHeld => bank::Fault::Held(ms),
            Fault::BankHeldLong => bank::Fault::Held(HELD_LONG_MS + ms),
            Fault::BankEcho => bank::Fault::Echo([4, 37, 41][chance.below(3)]),
            Fault::BankDecline if reversal => bank::Fault::Decline(*b"96"),
            Fault::BankDecline => bank::Fault::Decline(*b"05"),
            Fault::BankTwice => bank::Fault::Twice,
            Fault::BankDeclineThenTruth => bank::Fault::DeclineThenTruth(*b"05", ms),
            Fault::BankTruthThenDecline => bank::Fault::TruthThenDecline(*b"05", ms),
            _ => bank::Fault::Away(ms),
        })
    })
}

/// The transaction key of an answer that a terminal heard.
pub(super) fn key_of(heard: &Heard, near_ms: i64) -> Option<TxKey> {
    let identity = bank::Identity::read(&heard.de7, format!("{:06}", heard.stan).as_bytes(), near_ms)?;
    Some(TxKey {
        mti: heard.mti - 10,
        acquirer: acquirer(heard.terminal).into(),
        terminal: terminal_name(heard.terminal).into(),
        sent_at_s: identity.sent_at_s,
        stan: heard.stan,
    })
}
