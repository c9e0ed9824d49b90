//! The loop that sends what is due, reads what has come, and never waits for either.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use credential::Pan;
use iso8583::{Message, View};
use keys::LinkCodec;

use super::books::Paid;
use super::connection::{Connection, Scratch};
use super::cpu;
use super::live::Live;
use super::machines::{self, Advice, Citizens, Machine, REFERENCE_BYTES, Second};
use super::measure::{Answered, Phase, note};
use super::mix::{Kind, Mix, Slot};
use super::poll::{self, Poller};
use super::schedule::Schedule;
use super::stop::Stop;
use super::tell;
use super::watch::Processes;
use crate::tls::Dialler;

/// From this rate on the loop wakes once in [`GROUP`] for all that is due and all that has come, and not for each: beside
/// a switch on the same cores its own cost would be measured otherwise. Below it wakes in time for each.
pub(super) const GROUPED_RATE_MIN: u64 = 4_000;
pub(super) const GROUP: Duration = Duration::from_micros(250);

/// Requests sent in one turn at most: answers are read in between.
const TURN_MAX: usize = 128;

/// While nothing is due the loop looks at the clock so often.
const LOOK_US: u64 = 20_000;

/// An advice without an answer is sent again after this, up to so many times in all.
const ADVICE_REPEAT_US: u64 = 5_000_000;
const ADVICE_SENDINGS_MAX: u32 = 4;

/// Refused requests that are kept, to be asked for again.
const SHED_KEPT_MAX: usize = 200_000;

/// How often what waits is looked through.
const SWEEP_US: u64 = 500_000;

/// After the terminal's own wait nothing is waited for but advices' repeats.
const DRAIN_US_MAX: u64 = 60_000_000;

/// A verification reference, bound to its machine and citizen.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    pub(super) machine: u32,
    pub(super) citizen: u32,
    pub(super) reference: [u8; REFERENCE_BYTES],
    /// When it was given out, or before.
    pub(super) since_us: u64,
}

/// A 0200 with its proof, signed.
pub(super) struct Signed {
    pub(super) machine: u32,
    pub(super) citizen: u32,
    pub(super) stan: u32,
    pub(super) second: Second,
    pub(super) frame: Box<[u8]>,
}

/// A request that was told 91, as it has to be repeated.
#[derive(Clone, Copy)]
struct Shed {
    machine: u32,
    stan: u32,
    citizen: u32,
    second: Second,
    kind: Kind,
    reference: [u8; REFERENCE_BYTES],
    refused_us: u64,
}

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) what: What,
    pub(super) citizen: u32,
    /// When it was due.
    pub(super) due_us: u64,
    /// When it was handed to the connection.
    pub(super) sent_us: u64,
    pub(super) second: Second,
    /// It was due while the phase's clock ran.
    pub(super) counts: bool,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    SignOn,
    Verification,
    Request {
        kind: Kind,
        /// `None`: the proof travelled with it.
        reference: Option<[u8; REFERENCE_BYTES]>,
    },
    /// A 0201 of what was approved: the answer has to be the same.
    Repeat,
    /// A 0201 of a key that was shed.
    ShedAgain,
    Advice {
        kind: Kind,
        advice: Advice,
        original: (Second, u32),
        sendings: u32,
    },
}

/// What an answer says, as far as a load looks at it.
pub(super) struct Answer {
    pub(super) machine: u32,
    stan: u32,
    code: [u8; 2],
    /// DE15 or DE100: a bank was asked.
    names_bank: bool,
    /// DE37; 0 where there is none.
    rrn: u64,
    /// Of what answers no withdrawal and no advice.
    pub(super) whole: Option<Box<Message>>,
}

impl Answer {
    /// `None`: it names no machine or no STAN.
    fn read(view: &View<'_>) -> Option<Answer> {
        let mti = view.mti().value();
        let stan = view.raw(11)?.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Some(Answer {
            machine: machines::number(view)?,
            stan,
            code: view.raw(39).and_then(|code| code.try_into().ok()).unwrap_or(*b"??"),
            names_bank: view.has(15),
            rrn: view.raw(37).and_then(|rrn| str::from_utf8(rrn).ok()?.parse().ok()).unwrap_or(0),
            whole: (!matches!(mti, 210 | 230 | 430)).then(|| Box::new(view.to_message())),
        })
    }

    /// DE39.
    pub(super) fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("??")
    }
}

/// Terminals' and switch's waits, microseconds, and how much is waited for before a clock starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// The switch's deadline for an answer.
    pub(super) answer_us_max: u64,
    /// The terminal's own.
    pub(super) terminal_us: u64,
    /// Verifications under way at once.
    pub(super) window: usize,
    /// A reference that is older is not relied on when more are asked for.
    pub(super) reference_us_max: u64,
}

/// All machines, on all connections.
pub(super) struct Engine {
    switch: SocketAddr,
    start: Instant,
    pub(super) connections: Vec<Connection>,
    pub(super) machines: Vec<Machine>,
    pub(super) citizens: Citizens,
    pub(super) second: Second,
    pub(super) ready: VecDeque<Ready>,
    pub(super) asked: HashMap<(u32, u32), Asked>,
    pub(super) paid: Vec<Paid>,
    processes: Processes,
    pub(super) waits: Waits,
    mix: Mix,
    /// Requests so far: the mix says what each is.
    requests: u64,
    pub(super) signed: VecDeque<Signed>,
    /// Verifications asked for so far.
    pub(super) visits: u64,
    /// Requests that were refused before INTENT: the newest [`SHED_KEPT_MAX`].
    shed: VecDeque<Shed>,
    inbox: Vec<Answer>,
    next_sweep_us: u64,
    poller: Poller,
    /// The poller's answer, kept for its memory.
    readable: Vec<usize>,
    scratch: Scratch,
    /// Connections with something to be written.
    dirty: Vec<usize>,
    is_grouped: bool,
    /// Of the phase whose clock runs.
    live: Option<Live>,
    /// Given: nothing more is offered or prepared, and what is under way is waited for.
    pub(super) stop: Stop,
}

impl Engine {
    /// Makes so many connections, each in TLS where it has a dialler; the machines have to sign on next.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn new(
        switch: SocketAddr,
        connections: Vec<Option<Dialler>>,
        machines: Vec<Machine>,
        citizens: Citizens,
        processes: Processes,
        waits: Waits,
        mix: Mix,
    ) -> io::Result<Engine> {
        let connections = connections
            .into_iter()
            .map(|tls| Connection::open(switch, tls))
            .collect::<io::Result<Vec<_>>>()?;
        let poller = Poller::new()?;
        for (number, connection) in connections.iter().enumerate() {
            poller.add(connection, number)?;
        }
        Ok(Engine {
            switch,
            start: Instant::now(),
            connections,
            machines,
            citizens,
            second: Second::new(wall_s()),
            ready: VecDeque::new(),
            asked: HashMap::new(),
            paid: Vec::new(),
            processes,
            waits,
            mix,
            requests: 0,
            signed: VecDeque::new(),
            visits: 0,
            shed: VecDeque::new(),
            inbox: Vec::new(),
            next_sweep_us: 0,
            poller,
            readable: Vec::new(),
            scratch: Scratch::new(),
            dirty: Vec::new(),
            is_grouped: false,
            live: None,
            stop: Stop::default(),
        })
    }

    /// CPU of the switch and of this process so far, microseconds.
    ///
    /// # Errors
    /// The switch has ended.
    pub(super) fn cpu_us(&self) -> io::Result<[u64; 2]> {
        Ok([cpu::used_us(self.processes.switch)?, cpu::used_us(std::process::id())?])
    }

    /// How many references and proofs so many requests need, at most.
    pub(super) fn needs(&self, requests: u64) -> (u64, u64) {
        (self.mix.two_steps(requests), self.mix.one_steps(requests))
    }

    /// How many banks there are.
    pub(super) fn banks(&self) -> usize {
        self.processes.banks.len()
    }

    pub(super) fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Offers requests by a schedule, whatever comes back, and waits for all answers. Told to stop it ends the schedule there.
    ///
    /// # Errors
    /// The switch cannot be reached any more, or says what it must never say.
    pub(super) fn offer(&mut self, schedule: Schedule) -> io::Result<Phase> {
        poll::wake_in_time()?;
        let Schedule { rate, seconds, .. } = schedule;
        self.is_grouped = rate >= GROUPED_RATE_MIN;
        let mut phase = Phase::new();
        let began_us = self.now_us();
        let clock_us = began_us + schedule.before_us();
        let mut end_us = clock_us + seconds * 1_000_000;
        let mut before = None;
        let mut after = None;
        let mut sent = 0;
        let due = |number: u64| began_us + schedule.due_us(number);
        let mut wait_us = began_us;
        while after.is_none() {
            let now_us = self.turn(&mut phase, clock_us..end_us, wait_us)?;
            if before.is_none() && now_us >= clock_us {
                tell(format_args!("offering {rate}/s for {seconds} s"));
                before = Some(self.processes.look(now_us)?);
                self.live = Some(Live::new(now_us, rate, seconds));
            }
            if let Some(live) = &mut self.live {
                live.tick(now_us, |span| self.processes.shares(span));
            }
            if self.stop.is_given() {
                end_us = end_us.min(now_us);
            }
            if now_us >= end_us {
                after = Some(self.processes.look(now_us)?);
            }
            let mut in_turn = 0;
            while due(sent) <= now_us && due(sent) < end_us && in_turn < TURN_MAX {
                self.request(&mut phase, due(sent), due(sent) >= clock_us);
                sent += 1;
                in_turn += 1;
            }
            wait_us = if in_turn == TURN_MAX { now_us } else { due(sent).min(end_us) };
        }
        phase.points = self.live.take().map(Live::end).unwrap_or_default();
        let until_us = end_us + self.waits.terminal_us + DRAIN_US_MAX;
        while !self.asked.is_empty() && self.now_us() < until_us {
            self.turn(&mut phase, clock_us..end_us, until_us)?;
        }
        self.asked.clear();
        if let (Some(before), Some(after)) = (before, after) {
            self.processes.between(before, after, &mut phase)?;
        }
        self.processes.take_off_holds(&mut phase)?;
        Ok(phase)
    }

    /// Asks again for what was shed, at `rate` a second for `seconds` seconds at most: nothing but refusals, so that their
    /// cost shows. `None` where too little was shed less than half a terminal's wait ago.
    ///
    /// # Errors
    /// As [`Engine::offer`].
    pub(super) fn refuse(&mut self, rate: u64, seconds: u64) -> io::Result<Option<Phase>> {
        let mut phase = Phase::new();
        let began_us = self.now_us();
        let kept_us = self.waits.terminal_us / 2;
        self.shed.retain(|shed| shed.refused_us + kept_us > began_us);
        let count = self.shed.len().min((rate * seconds) as usize);
        if (count as u64) < rate / 2 {
            return Ok(None);
        }
        let before = self.processes.look(began_us)?;
        let due = |number: usize| began_us + number as u64 * 1_000_000 / rate;
        let until_us = began_us + kept_us;
        let mut sent = 0;
        while (sent < count || !self.asked.is_empty()) && self.now_us() < until_us {
            let wait_us = if sent < count { due(sent) } else { until_us };
            let now_us = self.turn(&mut phase, 0..u64::MAX, wait_us)?;
            while sent < count && due(sent) <= now_us {
                let Some(shed) = self.shed.pop_back() else { break };
                self.ask_again(shed, due(sent))?;
                phase.offered += 1;
                sent += 1;
            }
        }
        let after = self.processes.look(self.now_us())?;
        self.processes.between(before, after, &mut phase)?;
        self.asked.clear();
        Ok(Some(phase))
    }

    fn ask_again(&mut self, shed: Shed, due_us: u64) -> io::Result<()> {
        let Shed { machine, stan, citizen, second, kind, reference, .. } = shed;
        let sent_us = self.now_us();
        let asked = Asked { what: What::ShedAgain, citizen, due_us, sent_us, second, counts: true };
        self.queue(machine, stan, asked, |it, pan, out| {
            it.request(kind, (second, stan), pan, &reference, true, out);
        });
        Ok(())
    }

    /// Writes, waits for something to read until `wait_us` at most, reads, and acts on what was read; gives the time at which
    /// it began to act.
    fn turn(&mut self, phase: &mut Phase, clock: Range<u64>, wait_us: u64) -> io::Result<u64> {
        phase.connections_lost += self.exchange(wait_us)?;
        let now_us = self.now_us();
        let mut inbox = std::mem::take(&mut self.inbox);
        for answer in inbox.drain(..) {
            self.take(phase, &answer, now_us, clock.contains(&now_us))?;
        }
        self.inbox = inbox;
        if now_us >= self.next_sweep_us {
            self.next_sweep_us = now_us + SWEEP_US;
            self.sweep(phase, now_us)?;
        }
        Ok(now_us)
    }

    /// Writes what is queued, waits for something to read until `wait_us` at most, and reads what is there, into the inbox;
    /// gives the number of connections that were lost.
    pub(super) fn exchange(&mut self, wait_us: u64) -> io::Result<u64> {
        let mut lost = self.flush()?;
        let now_us = self.now_us();
        let wait_us = wait_us.min(now_us + LOOK_US);
        let mut wait = Duration::from_micros(wait_us.saturating_sub(now_us));
        if self.is_grouped && !wait.is_zero() {
            thread::sleep(GROUP);
            wait = Duration::ZERO;
        } else if !self.dirty.is_empty() {
            wait = wait.min(GROUP);
        }
        self.readable.clear();
        self.poller.wait(wait, &mut self.readable)?;
        self.set_second();
        for index in 0..self.readable.len() {
            let number = self.readable[index];
            let (machines, inbox) = (&self.machines, &mut self.inbox);
            let keys = |view: &View<'_>| {
                let machine = machines.get(machines::number(view)? as usize)?;
                Some(&machine.mac)
            };
            let received = self.connections[number]
                .receive(&mut self.scratch, keys, |view| inbox.extend(Answer::read(view)));
            lost += self.connect_again_if_lost(number, received.map(|()| true))?;
        }
        Ok(lost)
    }

    pub(super) fn take_inbox(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.inbox)
    }

    /// Writes what the sockets take; gives the number of connections that were lost.
    fn flush(&mut self) -> io::Result<u64> {
        let mut lost = 0;
        for number in std::mem::take(&mut self.dirty) {
            let flushed = self.connections[number].flush();
            if matches!(flushed, Ok(false)) {
                self.dirty.push(number);
            }
            lost += self.connect_again_if_lost(number, flushed)?;
        }
        Ok(lost)
    }

    /// Gives 1 for a connection that was lost.
    fn connect_again_if_lost(&mut self, number: usize, outcome: io::Result<bool>) -> io::Result<u64> {
        match outcome {
            Ok(_) => Ok(0),
            Err(error) if is_lost(&error) => {
                self.connect_again(number)?;
                Ok(1)
            }
            Err(error) => Err(error),
        }
    }

    fn connect_again(&mut self, number: usize) -> io::Result<()> {
        self.connections[number] = self.connections[number].open_again(self.switch)?;
        self.poller.add(&self.connections[number], number)?;
        let (second, now_us) = (self.second, self.now_us());
        let own = (0..self.machines.len()).filter(|index| self.machines[*index].connection == number);
        for index in own.collect::<Vec<_>>() {
            self.sign_on(index as u32, second, now_us)?;
        }
        Ok(())
    }

    pub(super) fn sign_on(&mut self, machine: u32, second: Second, now_us: u64) -> io::Result<()> {
        let message = self.machines[machine as usize].sign_on(second);
        let asked =
            Asked { what: What::SignOn, citizen: 0, due_us: now_us, sent_us: now_us, second, counts: false };
        self.send(machine, &message, asked)
    }

    /// A message that is made whole, before a phase.
    pub(super) fn send(&mut self, machine: u32, message: &Message, asked: Asked) -> io::Result<()> {
        let it = &self.machines[machine as usize];
        let connection = &mut self.connections[it.connection];
        if connection.queued.is_empty() {
            self.dirty.push(it.connection);
        }
        let queued = &mut connection.queued;
        LinkCodec::terminal().send(message, Some(&it.mac), queued).map_err(io::Error::other)?;
        let stan = message.number(11).unwrap_or(0) as u32;
        self.asked.insert((machine, stan), asked);
        Ok(())
    }

    /// One out of a template.
    fn queue(
        &mut self,
        machine: u32,
        stan: u32,
        asked: Asked,
        write: impl FnOnce(&Machine, &Pan, &mut Vec<u8>),
    ) {
        let it = &self.machines[machine as usize];
        let connection = &mut self.connections[it.connection];
        if connection.queued.is_empty() {
            self.dirty.push(it.connection);
        }
        write(it, self.citizens.pan(asked.citizen), &mut connection.queued);
        self.asked.insert((machine, stan), asked);
    }

    fn request(&mut self, phase: &mut Phase, due_us: u64, counts: bool) {
        phase.offered += u64::from(counts);
        let slot = self.mix.slot(self.requests);
        self.requests += 1;
        let sent_us = self.now_us();
        let is_sent = match slot {
            Slot::TwoStep(kind) => self.with_reference(kind, due_us, sent_us, counts),
            Slot::OneStep => self.with_proof(due_us, sent_us, counts),
        };
        if is_sent {
            phase.sender_late_us_max = phase.sender_late_us_max.max(sent_us.saturating_sub(due_us));
        } else {
            phase.unsent += u64::from(counts);
        }
    }

    fn with_reference(&mut self, kind: Kind, due_us: u64, sent_us: u64, counts: bool) -> bool {
        let Some(Ready { machine, citizen, reference, .. }) = self.ready.pop_front() else { return false };
        let second = self.second;
        let stan = self.machines[machine as usize].next_stan();
        let what = What::Request { kind, reference: Some(reference) };
        let asked = Asked { what, citizen, due_us, sent_us, second, counts };
        self.queue(machine, stan, asked, |it, pan, out| {
            it.request(kind, (second, stan), pan, &reference, false, out);
        });
        true
    }

    fn with_proof(&mut self, due_us: u64, sent_us: u64, counts: bool) -> bool {
        let Some(Signed { machine, citizen, stan, second, frame }) = self.signed.pop_front() else {
            return false;
        };
        let what = What::Request { kind: Kind::Withdrawal, reference: None };
        let asked = Asked { what, citizen, due_us, sent_us, second, counts };
        self.queue(machine, stan, asked, |_, _, out| out.extend_from_slice(&frame));
        true
    }

    fn advise(
        &mut self,
        phase: &mut Phase,
        (kind, advice): (Kind, Advice),
        machine: u32,
        original: (Second, u32),
        citizen: u32,
        now_us: u64,
    ) {
        answered(phase, advice).sent += 1;
        let second = self.second;
        let stan = self.machines[machine as usize].next_stan();
        let what = What::Advice { kind, advice, original, sendings: 1 };
        let asked = Asked { what, citizen, due_us: now_us, sent_us: now_us, second, counts: true };
        self.queue(machine, stan, asked, |it, pan, out| {
            it.advice((kind, advice), (second, stan), original, pan, false, out);
        });
    }

    fn take(&mut self, phase: &mut Phase, answer: &Answer, now_us: u64, in_time: bool) -> io::Result<()> {
        let Some((machine, stan, asked)) = self.asked_by(answer) else { return Ok(()) };
        let code = answer.code();
        match asked.what {
            What::SignOn => {
                self.machines[machine as usize].signed_on(answer);
            }
            // Answers to verifications are taken before a phase begins.
            What::Verification => {}
            What::Request { kind, reference } => {
                phase.late += u64::from(now_us - asked.sent_us > self.waits.answer_us_max);
                let waited_us = now_us - asked.due_us;
                match code {
                    "00" => self.approved(phase, answer, asked, (kind, reference), now_us, in_time),
                    // A bank that was asked is told of in DE15 and DE100.
                    "91" if !answer.names_bank => {
                        phase.refused += u64::from(asked.counts);
                        if asked.counts {
                            note(&mut phase.refused_us, waited_us);
                        }
                        if let Some(reference) = reference {
                            self.shed(kind, (machine, stan), &asked, reference, now_us);
                        }
                    }
                    "91" => phase.given_up += u64::from(asked.counts),
                    other => *phase.other.entry(other.to_owned()).or_default() += u64::from(asked.counts),
                }
            }
            What::Repeat => {
                phase.repeats += 1;
                if code != "00" {
                    *phase.other.entry(format!("{code} to 0201")).or_default() += 1;
                }
            }
            What::ShedAgain => {
                if code == "91" {
                    phase.refused += 1;
                    note(&mut phase.refused_us, now_us - asked.due_us);
                } else {
                    *phase.other.entry(code.to_owned()).or_default() += 1;
                }
            }
            What::Advice { advice, .. } => {
                if code == "00" {
                    answered(phase, advice).answered += 1;
                    note(&mut phase.advice_us, now_us - asked.due_us);
                }
            }
        }
        Ok(())
    }

    /// Its reference serves again, and it is kept to be asked for again.
    fn shed(
        &mut self,
        kind: Kind,
        (machine, stan): (u32, u32),
        asked: &Asked,
        reference: [u8; REFERENCE_BYTES],
        refused_us: u64,
    ) {
        let Asked { citizen, second, .. } = *asked;
        // Nothing tells how old it is: as old as the load at most.
        self.ready.push_back(Ready { machine, citizen, reference, since_us: 0 });
        if self.shed.len() == SHED_KEPT_MAX {
            self.shed.pop_front();
        }
        self.shed.push_back(Shed { machine, stan, citizen, second, kind, reference, refused_us });
    }

    /// Whose answer it is, and what was asked.
    pub(super) fn asked_by(&mut self, answer: &Answer) -> Option<(u32, u32, Asked)> {
        let Answer { machine, stan, .. } = *answer;
        let asked = self.asked.remove(&(machine, stan))?;
        Some((machine, stan, asked))
    }

    fn approved(
        &mut self,
        phase: &mut Phase,
        answer: &Answer,
        asked: Asked,
        (kind, reference): (Kind, Option<[u8; REFERENCE_BYTES]>),
        now_us: u64,
        in_time: bool,
    ) {
        let Answer { machine, stan, rrn, .. } = *answer;
        phase.accepted += u64::from(asked.counts);
        phase.accepted_in_time += u64::from(in_time);
        if asked.counts {
            note(&mut phase.accepted_us, now_us - asked.due_us);
            phase.approvals.push((rrn, now_us - asked.due_us));
            self.live.iter_mut().for_each(|live| live.approved(now_us - asked.due_us));
        }
        let Asked { citizen, second, .. } = asked;
        if let Some(reference) = reference.filter(|_| self.mix.is_repeated()) {
            let repeat = Asked { what: What::Repeat, due_us: now_us, sent_us: now_us, ..asked };
            self.queue(machine, stan, repeat, |it, pan, out| {
                it.request(kind, (second, stan), pan, &reference, true, out);
            });
        }
        if kind == Kind::Inquiry {
            return;
        }
        let advice = if self.mix.is_reversed() {
            Advice::Reversal
        } else {
            let is_deposit = kind == Kind::Deposit;
            self.paid.push(Paid { is_deposit, machine, sent_at_s: second.at_s, stan });
            Advice::Completion
        };
        self.advise(phase, (kind, advice), machine, (second, stan), citizen, now_us);
    }

    /// Requests that the terminal no longer waits for are taken back; advices without an answer are sent again.
    fn sweep(&mut self, phase: &mut Phase, now_us: u64) -> io::Result<()> {
        let waits = self.waits;
        let is_over = |asked: &Asked| match asked.what {
            What::SignOn | What::Verification | What::Request { .. } | What::Repeat | What::ShedAgain => {
                now_us.saturating_sub(asked.sent_us) > waits.terminal_us
            }
            What::Advice { sendings, .. } => {
                now_us.saturating_sub(asked.sent_us) > ADVICE_REPEAT_US * u64::from(sendings)
            }
        };
        let over: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, asked)| is_over(asked))
            .map(|(name, asked)| (*name, *asked))
            .collect();
        for ((machine, stan), asked) in over {
            match asked.what {
                What::SignOn | What::Verification | What::Repeat | What::ShedAgain => {
                    self.asked.remove(&(machine, stan));
                }
                What::Request { kind, .. } => {
                    self.asked.remove(&(machine, stan));
                    phase.silent += 1;
                    let original = (asked.second, stan);
                    if kind != Kind::Inquiry {
                        let advice = (kind, Advice::Reversal);
                        self.advise(phase, advice, machine, original, asked.citizen, now_us);
                    }
                }
                What::Advice { sendings, .. } if sendings >= ADVICE_SENDINGS_MAX => {
                    self.asked.remove(&(machine, stan));
                }
                What::Advice { kind, advice, original, sendings } => {
                    let what = What::Advice { kind, advice, original, sendings: sendings + 1 };
                    self.queue(machine, stan, Asked { what, ..asked }, |it, pan, out| {
                        it.advice((kind, advice), (asked.second, stan), original, pan, true, out);
                    });
                }
            }
        }
        Ok(())
    }

    pub(super) fn set_second(&mut self) {
        let at_s = wall_s();
        if at_s != self.second.at_s {
            self.second = Second::new(at_s);
        }
    }

    /// Waits until the switch has nothing to do, as when it has indexed what came before; at most `max`.
    ///
    /// # Errors
    /// The switch has ended.
    pub(super) fn settle(&self, max: Duration) -> io::Result<()> {
        const LOOK: Duration = Duration::from_millis(500);
        /// A twenty-fifth of a core.
        const QUIET_US: u64 = 20_000;
        let until = Instant::now() + max;
        let mut before_us = cpu::used_us(self.processes.switch)?;
        while Instant::now() < until {
            thread::sleep(LOOK);
            let now_us = cpu::used_us(self.processes.switch)?;
            if now_us - before_us <= QUIET_US {
                break;
            }
            before_us = now_us;
        }
        Ok(())
    }
}

fn answered(phase: &mut Phase, advice: Advice) -> &mut Answered {
    match advice {
        Advice::Completion => &mut phase.completions,
        Advice::Reversal => &mut phase.reversals,
    }
}

fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof, WriteZero};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof | WriteZero)
}

fn wall_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
