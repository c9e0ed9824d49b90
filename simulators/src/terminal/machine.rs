//! The terminal's decisions: what it sends, which notes it moves, what it owes the switch. No I/O, no clock, no chance.

use std::collections::VecDeque;

use iso8583::Message;

use crate::exchange::{KeyTaker, Purpose, TakenKey};

use super::advice::ADVICES_MAX;
use super::card::{self, Answered, Seed};
use super::config::{Comparison, Config, ConfigError};
use super::io::{Event, Input, Now, Output};
use super::key::TxKey;
use super::memory::{End, Memory};
use super::message::{self, Original, Reason};
use super::notes::{Notes, mix};
use super::order::{Fault, Finished, NotTried, Order, Outcome, Point, Steps, Told, What};
use super::totals::Saying;
use super::vault::{Contents, MovementKind};

pub(super) const APPROVED: [u8; 2] = *b"00";
pub(super) const PROOF: [u8; 2] = *b"63";

/// One machine that serves one citizen at a time.
///
/// After each [`Terminal::handle`] the outputs are drained with [`Terminal::poll_output`] and carried out in order, and
/// [`Terminal::next_deadline`] says when [`Input::Deadline`] is due.
#[derive(Debug)]
pub struct Terminal {
    taker: KeyTaker,
    pub(super) config: Config,
    pub(super) memory: Memory,
    link: Link,
    seed: Option<Seed>,
    pub(super) serving: Option<Serving>,
    /// What the cassettes shall hold once the citizen has gone.
    service: Option<Notes>,
    /// Totals that are being said.
    pub(super) saying: Option<Saying>,
    pub(super) dead: bool,
    pub(super) outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum Link {
    Down,
    SigningOn { key: TxKey, deadline_us: u64 },
    Up { quiet_since_us: u64, echo: Option<(TxKey, u64)> },
}

/// The visit that is under way.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) order: Order,
    /// What is to leave, or has been inserted.
    pub(super) notes: Notes,
    /// Taken out when it strikes.
    pub(super) fault: Option<Fault>,
    pub(super) stage: Stage,
    deadline_us: u64,
    /// The switch wants the SOD.
    pub(super) with_sod: bool,
    /// Requests so far: they number DE37.
    requests: u8,
    pub(super) reference: Option<[u8; 16]>,
    pub(super) told: Told,
    /// Moved so far.
    pub(super) net_out_vnd: i64,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing is sent: there is no signed-on connection.
    NoLink,
    /// 0100.
    Verifying(Asked),
    /// 0200.
    Asked(Asked),
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) original: Original,
    pub(super) message: Message,
    /// It went out again as 0201.
    pub(super) repeated: bool,
}

impl Terminal {
    /// An empty machine.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: Config) -> Result<Terminal, ConfigError> {
        config.check()?;
        let memory = Memory::new(&config.terminal);
        Ok(Terminal::with(config, memory))
    }

    /// It remembers nothing of what it sent before: its STANs begin by the wall clock, microseconds since 1970.
    pub fn begin_stan_by_clock(&mut self, wall_us: i64) {
        self.memory.begin_stan_by_clock(wall_us);
    }

    /// A machine that has lost its power, from what [`Terminal::memory`] was. A request that was under way is given up:
    /// no cash has left for it, and what lies in escrow cannot be returned any more.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn restart(config: Config, memory: Memory, now: Now) -> Result<Terminal, ConfigError> {
        config.check()?;
        let mut terminal = Terminal::with(config, memory);
        if let Some(original) = terminal.memory.open.take() {
            let kept = terminal.memory.vault.contents().escrow;
            terminal.shift(MovementKind::Rejected, &kept, &original.key, now);
            terminal.close_request(&original, kept.amount_vnd(), End::Told);
            let reason = (kept == Notes::NONE).then_some(Reason::Late);
            terminal.advise(&original, kept.amount_vnd(), reason, now);
        }
        Ok(terminal)
    }

    fn with(config: Config, memory: Memory) -> Terminal {
        Terminal {
            taker: KeyTaker::new(config.exchange.clone()),
            config,
            memory,
            link: Link::Down,
            seed: None,
            serving: None,
            service: None,
            saying: None,
            dead: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what has happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Order(order) => self.begin(*order, now),
            _ if self.dead => {}
            Input::LinkUp => self.sign_on(now),
            Input::LinkDown => self.link_lost(),
            Input::Received(message) => self.received(&message, now),
            Input::Service(notes) => self.service = Some(notes),
            Input::Totals(elements) => self.say_totals(&elements, now),
            Input::Deadline => {}
        }
        if !self.dead {
            self.tick(now);
        }
    }

    /// The next thing to do; `None` when all is said.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due; monotonic, microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        if self.dead {
            return None;
        }
        let (link, advices) = match &self.link {
            Link::Down => (None, None),
            Link::SigningOn { deadline_us, .. } => (Some(*deadline_us), None),
            Link::Up { echo: Some((_, deadline_us)), .. } => {
                (Some(*deadline_us), self.memory.advices.next_us())
            }
            Link::Up { quiet_since_us, echo: None } => (
                Some(quiet_since_us + self.config.timers.echo_interval_ms * 1_000),
                self.memory.advices.next_us(),
            ),
        };
        let serving = self.serving.as_ref().map(|serving| serving.deadline_us);
        let totals = self.totals_due_us().filter(|_| matches!(self.link, Link::Up { .. }));
        [link, advices, serving, totals].into_iter().flatten().min()
    }

    /// What lies where.
    pub fn contents(&self) -> Contents {
        self.memory.vault.contents()
    }

    /// What outlives a power loss.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Advices that the switch has not answered yet.
    pub fn advices_owed(&self) -> usize {
        self.memory.advices.len()
    }

    /// The machine is gone for good.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// No citizen is served, and nothing is owed to the switch; a machine that is gone for good owes nothing any more.
    pub fn is_settled(&self) -> bool {
        self.dead || (self.serving.is_none() && self.memory.advices.len() == 0)
    }

    fn begin(&mut self, order: Order, now: Now) {
        let refusal = if self.dead {
            Some(Outcome::Dead)
        } else if self.serving.is_some() {
            Some(Outcome::NotTried(NotTried::Busy))
        } else if self.memory.advices.len() >= ADVICES_MAX {
            Some(Outcome::NotTried(NotTried::AdvicesFull))
        } else {
            None
        };
        let notes = match refusal.map_or_else(|| self.notes_of(&order).map_err(Outcome::NotTried), Err) {
            Ok(notes) => notes,
            Err(outcome) => {
                return self.outputs.push_back(Output::Finished(Finished::untried(order.id, outcome)));
            }
        };
        self.serving = Some(Serving {
            fault: order.fault,
            order,
            notes,
            stage: Stage::NoLink,
            deadline_us: now.mono_us + self.config.timers.link_ms_max * 1_000,
            with_sod: false,
            requests: 0,
            reference: None,
            told: Told::default(),
            net_out_vnd: 0,
        });
        if matches!(self.link, Link::Up { .. }) {
            self.proceed(now);
        }
    }

    /// The notes that will move when all goes well.
    fn notes_of(&self, order: &Order) -> Result<Notes, NotTried> {
        let wanted = order.notes;
        if wanted.is_some_and(|notes| notes.amount_vnd() != order.amount_vnd) {
            return Err(NotTried::BadOrder);
        }
        let cassettes = self.memory.vault.contents().cassettes;
        match order.what {
            What::Balance | What::MiniStatement if order.amount_vnd == 0 => Ok(Notes::NONE),
            What::Balance | What::MiniStatement => Err(NotTried::BadOrder),
            _ if order.amount_vnd == 0 => Err(NotTried::BadOrder),
            What::Transfer { .. } => Ok(Notes::NONE),
            What::Withdrawal => {
                let most = self.config.withdrawal_notes_max;
                let notes = wanted.map_or_else(|| mix(order.amount_vnd, &cassettes, most), Some);
                let pays = |notes: &Notes| notes.count() <= most && cassettes.minus(notes).is_some();
                notes.filter(pays).ok_or(NotTried::CannotPay)
            }
            What::Deposit => {
                let notes = wanted.ok_or(NotTried::BadOrder)?;
                if notes.count() > self.config.deposit_notes_max {
                    return Err(NotTried::BadOrder);
                }
                let full =
                    cassettes.plus(&notes).0.iter().any(|count| *count > self.config.cassette_notes_max);
                if full { Err(NotTried::NoRoom) } else { Ok(notes) }
            }
        }
    }

    /// The connection is signed on, and the citizen has waited for it.
    fn proceed(&mut self, now: Now) {
        match self.serving.as_ref().map(|serving| serving.order.steps) {
            Some(Steps::Two) => self.send_verification(now),
            Some(Steps::One) => self.send_financial(now),
            None => {}
        }
    }

    fn send_verification(&mut self, now: Now) {
        let key = self.new_key(100, now);
        let (Some(serving), Some(seed)) = (&mut self.serving, &self.seed) else { return };
        let rrn = serving.next_rrn();
        let mut message = message::verification(&self.config, &key, &serving.order, rrn.as_ref());
        prove(&self.config, seed, serving, &key, &mut message);
        let original = original_of(&key, &message);
        serving.stage = Stage::Verifying(Asked { original, message: message.clone(), repeated: false });
        serving.deadline_us = now.mono_us + self.config.timers.answer_ms_max * 1_000;
        self.send(message, now);
    }

    pub(super) fn send_financial(&mut self, now: Now) {
        let key = self.new_key(200, now);
        let status = self.memory.de48();
        let (Some(serving), Some(seed)) = (&mut self.serving, &self.seed) else { return };
        let rrn = serving.next_rrn();
        let mut message =
            message::financial(&self.config, &key, &serving.order, rrn.as_ref(), status.as_deref());
        if let Some(reference) = &serving.reference {
            message.set(112, &card::reference_template(reference));
        } else {
            prove(&self.config, seed, serving, &key, &mut message);
        }
        enter_pin(&self.config, &mut self.memory, &serving.order, &key, &mut message);
        let original = original_of(&key, &message);
        let asked = Asked { original: original.clone(), message: message.clone(), repeated: false };
        let before = std::mem::replace(&mut serving.stage, Stage::Asked(asked));
        serving.deadline_us = now.mono_us + self.config.timers.answer_ms_max * 1_000;
        if serving.order.what == What::Deposit {
            match before {
                Stage::Asked(before) => self.rekey(&before.original.key, &key, now),
                Stage::NoLink | Stage::Verifying(_) => {
                    let notes = serving.notes;
                    self.shift(MovementKind::In, &notes, &key, now);
                }
            }
        }
        if self.is_money() {
            self.memory.open = Some(original);
        }
        self.send(message, now);
        if let Some(struck) = self.strike(Point::AfterRequest) {
            self.suffer(struck, now);
        }
    }

    fn received(&mut self, message: &Message, now: Now) {
        if matches!(self.link, Link::Down) {
            return self.event(Event::Stray);
        }
        if let Link::Up { quiet_since_us, .. } = &mut self.link {
            *quiet_since_us = now.mono_us;
        }
        let code = message.get(39).and_then(|code| code.try_into().ok());
        match (message.mti().value(), code) {
            (800, _) if message.text(70) == Some("101") => self.take_key(message),
            (810, Some(code)) => self.network_answer(message, code, now),
            (110, Some(code)) => self.verification_answer(message, code, now),
            (210, Some(code)) => self.financial_answer(message, code, now),
            (230 | 430, Some(code)) => self.advice_answer(message, code),
            (510, Some(code)) => self.totals_answer(message, code),
            _ => self.event(Event::Stray),
        }
    }

    /// The switch sends a key: taken in, it is used from the next message on.
    fn take_key(&mut self, message: &Message) {
        let (code, check_value, taken) = self.taker.answer(message);
        let taken = taken.map(|taken| self.take_into_use(taken));
        let code = if taken == Some(false) { "88" } else { code };
        let mut answer = Message::new(message.mti().response());
        for element in [7, 11, 41, 70] {
            if let Some(value) = message.get(element) {
                answer.set(element, value);
            }
        }
        answer.set_text(39, code);
        if let Some(check_value) = check_value.filter(|_| code == "00") {
            answer.set_text(120, &check_value);
        }
        // The answer is still signed with the key of before.
        let rekey = self.outputs.iter().rposition(|output| matches!(output, Output::Rekey(_)));
        self.outputs.insert(rekey.unwrap_or(self.outputs.len()), Output::Send(answer));
    }

    /// `false`: the pad has no use for it.
    fn take_into_use(&mut self, taken: TakenKey) -> bool {
        if taken.purpose != Purpose::Pins {
            self.outputs.push_back(Output::Rekey(taken));
            return true;
        }
        let next = self.config.pin_pad.as_ref().and_then(|pad| pad.with_key(&taken.key));
        let is_of_use = next.is_some();
        self.config.pin_pad = next.or(self.config.pin_pad.take());
        is_of_use
    }

    fn sign_on(&mut self, now: Now) {
        let key = self.new_key(800, now);
        let message = message::network(&self.config, &key, "001", self.memory.de48().as_deref());
        let deadline_us = now.mono_us + self.config.timers.network_answer_ms_max * 1_000;
        self.link = Link::SigningOn { key, deadline_us };
        self.outputs.push_back(Output::Send(message));
    }

    fn network_answer(&mut self, message: &Message, code: [u8; 2], now: Now) {
        match &mut self.link {
            Link::SigningOn { key, .. } if is_named(message, key) => {
                let seed =
                    message.get(112).and_then(|de112| Seed::from_sign_on(de112, &self.config.challenge));
                if code != APPROVED || seed.is_none() {
                    self.event(Event::SignOnRefused(code));
                    return self.hang_up();
                }
                self.seed = seed;
                self.link = Link::Up { quiet_since_us: now.mono_us, echo: None };
                self.event(Event::SignedOn);
                self.memory.advices.all_due();
                self.take_up(now);
            }
            Link::Up { echo, .. } if echo.as_ref().is_some_and(|(key, _)| is_named(message, key)) => {
                *echo = None
            }
            Link::Down | Link::SigningOn { .. } | Link::Up { .. } => self.event(Event::Stray),
        }
    }

    /// A connection is there again: what waited for one goes on. An answer that was lost with the last connection is
    /// asked for once more.
    fn take_up(&mut self, now: Now) {
        let Some(serving) = &mut self.serving else { return };
        match &mut serving.stage {
            Stage::NoLink => self.proceed(now),
            Stage::Verifying(_) => {}
            Stage::Asked(asked) => {
                asked.repeated = true;
                let mut message = asked.message.clone();
                message.set_mti(message.mti().repeat());
                self.event(Event::Repeated);
                self.send(message, now);
            }
        }
    }

    fn verification_answer(&mut self, message: &Message, code: [u8; 2], now: Now) {
        let Some(serving) = &mut self.serving else { return self.event(Event::Stray) };
        let Stage::Verifying(asked) = &serving.stage else { return self.event(Event::Stray) };
        if !is_answer_to(message, &asked.original.key) {
            return self.event(Event::Stray);
        }
        let answered = Answered::read(message);
        match (code, answered.reference) {
            (APPROVED, Some(reference)) => {
                serving.reference = Some(reference);
                serving.told.accounts = answered.accounts;
                self.send_financial(now);
            }
            (PROOF, _) if answered.send_sod && !serving.with_sod => {
                serving.with_sod = true;
                self.send_verification(now);
            }
            _ => self.finish(Outcome::Declined, Some(code)),
        }
    }

    fn financial_answer(&mut self, message: &Message, code: [u8; 2], now: Now) {
        let is_awaited = self.asked().is_some_and(|asked| is_answer_to(message, &asked.original.key));
        if !is_awaited {
            return self.late_answer(message, code, now);
        }
        if let Some(struck) = self.strike(Point::BeforeAnswer) {
            return self.suffer(struck, now);
        }
        let Some(asked) = self.asked() else { return };
        let rrn = message.get(37).and_then(|rrn| rrn.try_into().ok());
        asked.original.rrn = rrn.or(asked.original.rrn);
        let same = [3, 4].into_iter().all(|element| message.get(element) == asked.message.get(element));
        if code != APPROVED {
            self.refused(message, code, now);
        } else if same {
            self.approved(message, now);
        } else {
            self.event(Event::OtherApproval);
            self.not_carried_out(Outcome::NoAnswer, Some(code), true, now);
        }
    }

    fn advice_answer(&mut self, message: &Message, code: [u8; 2]) {
        let mti = message.mti().value() - 10;
        let Some(key) = self.memory.advices.find(|key| key.mti == mti && is_answer_to(message, key)) else {
            return self.event(Event::Stray);
        };
        if code == APPROVED {
            self.memory.advices.forget(&key);
            self.event(Event::AdviceAnswered);
        } else {
            self.event(Event::AdviceRefused(code));
        }
    }

    /// What time brings.
    fn tick(&mut self, now: Now) {
        if self.serving.as_ref().is_some_and(|serving| serving.deadline_us <= now.mono_us) {
            self.give_up(now);
        }
        if self.serving.is_none()
            && let Some(wanted) = self.service.take()
        {
            self.memory.vault.service(&wanted, now.wall_ms);
            self.push_moved();
        }
        let timers = self.config.timers;
        match &self.link {
            Link::Down => {}
            Link::SigningOn { deadline_us, .. } | Link::Up { echo: Some((_, deadline_us)), .. } => {
                if *deadline_us <= now.mono_us {
                    self.hang_up();
                }
            }
            Link::Up { quiet_since_us, echo: None } => {
                if quiet_since_us + timers.echo_interval_ms * 1_000 <= now.mono_us {
                    let key = self.new_key(800, now);
                    let message = message::network(&self.config, &key, "301", None);
                    self.send(message, now);
                    let echo = Some((key, now.mono_us + timers.network_answer_ms_max * 1_000));
                    self.link = Link::Up { quiet_since_us: now.mono_us, echo };
                }
            }
        }
        if matches!(self.link, Link::Up { .. }) {
            for message in self.memory.advices.take_due(now.mono_us, &timers) {
                self.send(message, now);
            }
            self.totals_tick(now);
        }
    }

    /// Closes the connection; what was under way on it is lost as if the peer had closed it.
    pub(super) fn hang_up(&mut self) {
        if !matches!(self.link, Link::Down) {
            self.outputs.push_back(Output::Hangup);
        }
        self.link_lost();
    }

    /// Nothing is at stake in a verification, so it is not asked again; a 0200 waits for the next connection.
    fn link_lost(&mut self) {
        self.link = Link::Down;
        if self.serving.as_ref().is_some_and(|serving| matches!(serving.stage, Stage::Verifying(_))) {
            self.finish(Outcome::NoAnswer, None);
        }
    }

    /// The request that waits for a 0210.
    pub(super) fn asked(&mut self) -> Option<&mut Asked> {
        match &mut self.serving.as_mut()?.stage {
            Stage::Asked(asked) => Some(asked),
            Stage::NoLink | Stage::Verifying(_) => None,
        }
    }

    /// Moves notes and tells of it.
    pub(super) fn shift(&mut self, kind: MovementKind, notes: &Notes, key: &TxKey, now: Now) {
        self.memory.vault.shift(kind, notes, Some(key), now.wall_ms);
        self.push_moved();
        if let Some(serving) = &mut self.serving {
            serving.net_out_vnd += kind.out_sign() * notes.amount_vnd() as i64;
        }
    }

    fn rekey(&mut self, key: &TxKey, new_key: &TxKey, now: Now) {
        self.memory.vault.rekey(key, new_key, now.wall_ms);
        self.push_moved();
    }

    fn push_moved(&mut self) {
        self.outputs.extend(self.memory.vault.take_moved().into_iter().map(Output::Moved));
    }

    pub(super) fn new_key(&mut self, mti: u16, now: Now) -> TxKey {
        self.memory.new_key(mti, &self.config.acquirer, &self.config.de41(), now.wall_ms)
    }

    pub(super) fn send(&mut self, message: Message, now: Now) {
        if let Link::Up { quiet_since_us, .. } = &mut self.link {
            *quiet_since_us = now.mono_us;
        }
        self.outputs.push_back(Output::Send(message));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl Serving {
    /// DE37 of the next request of this visit.
    fn next_rrn(&mut self) -> Option<[u8; 12]> {
        self.requests += 1;
        let front = self.order.rrn_front?;
        let mut rrn = [0; 12];
        rrn[..10].copy_from_slice(&front);
        rrn[10..].copy_from_slice(&[b'0' + self.requests / 10, b'0' + self.requests % 10]);
        Some(rrn)
    }
}

fn prove(config: &Config, seed: &Seed, serving: &Serving, key: &TxKey, message: &mut Message) {
    let card = &serving.order.card;
    let session = (config.biometrics)(&Comparison {
        citizen: card.pan.citizen_number(),
        terminal: config.terminal.clone(),
        at_s: key.sent_at_s,
        number: key.stan,
    });
    card::prove(message, &*card.chip, seed, &session, key.sent_at_s, serving.with_sod);
}

/// The citizen types the PIN, unless money is paid in. A pad whose key does not serve gives none, as one that is broken.
fn enter_pin(config: &Config, memory: &mut Memory, order: &Order, key: &TxKey, message: &mut Message) {
    let (Some(pad), Some(pin)) = (&config.pin_pad, &order.pin) else { return };
    if order.what == What::Deposit {
        return;
    }
    let unique = format!("{}{}", key.terminal, key.twenty_digits());
    let _no_block = pad.enter(pin, memory.next_pin_counter(), unique.as_bytes(), message);
}

fn original_of(key: &TxKey, message: &Message) -> Original {
    Original {
        key: key.clone(),
        pan: message.get(2).and_then(|pan| pan.try_into().ok()).unwrap_or([b'0'; 19]),
        processing_code: message.text(3).unwrap_or_default().into(),
        amount_vnd: message.number(4).unwrap_or(0),
        rrn: message.get(37).and_then(|rrn| rrn.try_into().ok()),
    }
}

/// DE7, DE11 and DE41 are the key's.
pub(super) fn is_named(message: &Message, key: &TxKey) -> bool {
    message.number(11) == Some(key.stan.into())
        && message.text(7) == Some(&key.de7())
        && message.text(41) == Some(&key.terminal)
}

pub(super) fn is_answer_to(message: &Message, key: &TxKey) -> bool {
    is_named(message, key) && message.text(32) == Some(&key.acquirer)
}
