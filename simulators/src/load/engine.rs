//! The loop that sends what is due, reads what has come, and never waits for either.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use iso8583::Message;

use super::books::Paid;
use super::connection::Connection;
use super::cpu;
use super::machines::{self, Advice, Citizens, Machine, Second};
use super::measure::{Answered, Phase, note};

/// So long a phase's rate is sent before its clock starts, seconds.
pub(super) const WARM_UP_S: u64 = 1;

/// The loop sleeps so long at most while nothing is due and nothing has come.
const SLEEP: Duration = Duration::from_micros(150);

/// Requests sent in one turn at most: answers are read in between.
const TURN_MAX: usize = 128;

/// One of so many approvals finds a dispenser that gives nothing: 0420 instead of 0220.
const REVERSED_ONE_OF: u64 = 50;

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
    pub(super) reference: [u8; 16],
}

/// A request that was told 91, as it has to be repeated.
#[derive(Clone, Copy)]
struct Shed {
    machine: u32,
    stan: u32,
    citizen: u32,
    second: Second,
    reference: [u8; 16],
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
    Withdrawal {
        reference: [u8; 16],
    },
    /// A 0201 of a key that was shed.
    ShedAgain,
    Advice {
        advice: Advice,
        original: (Second, u32),
        sendings: u32,
    },
}

/// The processes whose CPU time is told apart.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    pub(super) switch: u32,
    pub(super) banks: Vec<u32>,
}

/// Terminals' and switch's waits, microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// The switch's deadline for an answer.
    pub(super) answer_us_max: u64,
    /// The terminal's own.
    pub(super) terminal_us: u64,
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
    waits: Waits,
    /// Verifications under way at once.
    pub(super) window: usize,
    approvals: u64,
    /// Requests that were refused before INTENT: the newest [`SHED_KEPT_MAX`].
    shed: VecDeque<Shed>,
    inbox: Vec<Message>,
    next_sweep_us: u64,
}

impl Engine {
    /// Connects; the machines have to sign on next.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn new(
        switch: SocketAddr,
        connections: usize,
        machines: Vec<Machine>,
        citizens: Citizens,
        processes: Processes,
        waits: Waits,
        window: usize,
    ) -> io::Result<Engine> {
        let connections = (0..connections).map(|_| Connection::open(switch)).collect::<io::Result<_>>()?;
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
            window,
            approvals: 0,
            shed: VecDeque::new(),
            inbox: Vec::new(),
            next_sweep_us: 0,
        })
    }

    pub(super) fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// Offers `rate` requests a second for `seconds` seconds, whatever comes back, and waits for all answers.
    ///
    /// # Errors
    /// The switch cannot be reached any more, or says what it must never say.
    pub(super) fn offer(&mut self, rate: u64, seconds: u64) -> io::Result<Phase> {
        let mut phase = Phase::new();
        let began_us = self.now_us();
        let (clock_us, end_us) =
            (began_us + WARM_UP_S * 1_000_000, began_us + WARM_UP_S * 1_000_000 + seconds * 1_000_000);
        let mut before = None;
        let mut after = None;
        let mut sent = 0;
        let due = |number: u64| began_us + number * 1_000_000 / rate;
        while after.is_none() {
            let now_us = self.turn(&mut phase, clock_us..end_us)?;
            if before.is_none() && now_us >= clock_us {
                eprintln!("offering {rate}/s for {seconds} s");
                before = Some((now_us, self.cpu_us()?, self.switch_threads_us()?));
            }
            if now_us >= end_us {
                after = Some((now_us, self.cpu_us()?, self.switch_threads_us()?));
            }
            let mut in_turn = 0;
            while due(sent) <= now_us && due(sent) < end_us && in_turn < TURN_MAX {
                self.withdraw(&mut phase, due(sent), due(sent) >= clock_us)?;
                sent += 1;
                in_turn += 1;
            }
            if in_turn < TURN_MAX && self.inbox.is_empty() {
                self.rest(due(sent).min(end_us));
            }
        }
        let until_us = end_us + self.waits.terminal_us + DRAIN_US_MAX;
        while !self.asked.is_empty() && self.now_us() < until_us {
            self.turn(&mut phase, clock_us..end_us)?;
            self.rest(until_us);
        }
        self.asked.clear();
        if let (Some((from_us, before, threads_before)), Some((to_us, after, threads))) = (before, after) {
            phase.seconds = (to_us - from_us) as f64 / 1e6;
            phase.switch_threads_us = cpu::difference(&threads_before, &threads);
            [phase.switch_us, phase.banks_us, phase.own_us] =
                std::array::from_fn(|index| after[index] - before[index]);
        }
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
        let before = self.cpu_us()?;
        let due = |number: usize| began_us + number as u64 * 1_000_000 / rate;
        let until_us = began_us + kept_us;
        let mut sent = 0;
        while (sent < count || !self.asked.is_empty()) && self.now_us() < until_us {
            let now_us = self.turn(&mut phase, 0..u64::MAX)?;
            while sent < count && due(sent) <= now_us {
                let Some(shed) = self.shed.pop_back() else { break };
                self.ask_again(shed, due(sent))?;
                phase.offered += 1;
                sent += 1;
            }
            self.rest(due(sent));
        }
        phase.seconds = (self.now_us() - began_us) as f64 / 1e6;
        let after = self.cpu_us()?;
        [phase.switch_us, phase.banks_us, phase.own_us] =
            std::array::from_fn(|index| after[index] - before[index]);
        self.asked.clear();
        Ok(Some(phase))
    }

    fn ask_again(&mut self, shed: Shed, due_us: u64) -> io::Result<()> {
        let Shed { machine, stan, citizen, second, reference, .. } = shed;
        let machine_at = &self.machines[machine as usize];
        let message = machine_at.withdrawal(second, stan, &self.citizens, citizen, &reference);
        let sent_us = self.now_us();
        let asked = Asked { what: What::ShedAgain, citizen, due_us, sent_us, second, counts: true };
        self.send(machine, &machines::repeated(message), asked)
    }

    /// Writes, reads, and acts on what was read; gives the time at which it began.
    fn turn(&mut self, phase: &mut Phase, clock: std::ops::Range<u64>) -> io::Result<u64> {
        phase.connections_lost += self.exchange()?;
        let now_us = self.now_us();
        let mut inbox = std::mem::take(&mut self.inbox);
        let is_idle = inbox.is_empty();
        for message in inbox.drain(..) {
            self.take(phase, &message, now_us, clock.contains(&now_us))?;
        }
        if !is_idle {
            // What answers made due leaves at once.
            self.inbox = inbox;
            self.flush()?;
        }
        if now_us >= self.next_sweep_us {
            self.next_sweep_us = now_us + SWEEP_US;
            self.sweep(phase, now_us)?;
        }
        Ok(now_us)
    }

    /// Writes what is queued and reads what is there, into the inbox; gives the number of connections that were lost.
    pub(super) fn exchange(&mut self) -> io::Result<u64> {
        self.set_second();
        let mut lost = 0;
        for number in 0..self.connections.len() {
            let (machines, inbox) = (&self.machines, &mut self.inbox);
            let keys = |message: &Message| {
                let machine = machines.get(machines::number(message)? as usize)?;
                Some(&machine.mac)
            };
            let connection = &mut self.connections[number];
            let exchanged =
                connection.flush().and_then(|()| connection.receive(keys, |message| inbox.push(message)));
            match exchanged {
                Ok(()) => {}
                Err(error) if is_lost(&error) => {
                    lost += 1;
                    self.connect_again(number)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    pub(super) fn take_inbox(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.inbox)
    }

    fn flush(&mut self) -> io::Result<()> {
        for connection in &mut self.connections {
            match connection.flush() {
                Err(error) if !is_lost(&error) => return Err(error),
                // Reading finds a lost connection.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn connect_again(&mut self, number: usize) -> io::Result<()> {
        self.connections[number] = Connection::open(self.switch)?;
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

    pub(super) fn send(&mut self, machine: u32, message: &Message, asked: Asked) -> io::Result<()> {
        let it = &self.machines[machine as usize];
        self.connections[it.connection].queue(message, &it.mac)?;
        let stan = message.number(11).unwrap_or(0) as u32;
        self.asked.insert((machine, stan), asked);
        Ok(())
    }

    fn withdraw(&mut self, phase: &mut Phase, due_us: u64, counts: bool) -> io::Result<()> {
        phase.offered += u64::from(counts);
        let Some(Ready { machine, citizen, reference }) = self.ready.pop_front() else {
            phase.unsent += u64::from(counts);
            return Ok(());
        };
        let second = self.second;
        let stan = self.machines[machine as usize].next_stan();
        let message =
            self.machines[machine as usize].withdrawal(second, stan, &self.citizens, citizen, &reference);
        let sent_us = self.now_us();
        phase.sender_late_us_max = phase.sender_late_us_max.max(sent_us.saturating_sub(due_us));
        let what = What::Withdrawal { reference };
        self.send(machine, &message, Asked { what, citizen, due_us, sent_us, second, counts })
    }

    fn advise(
        &mut self,
        phase: &mut Phase,
        machine: u32,
        advice: Advice,
        original: (Second, u32),
        citizen: u32,
        now_us: u64,
    ) -> io::Result<()> {
        answered(phase, advice).sent += 1;
        let second = self.second;
        let stan = self.machines[machine as usize].next_stan();
        let message =
            self.machines[machine as usize].advice(advice, (second, stan), original, &self.citizens, citizen);
        let what = What::Advice { advice, original, sendings: 1 };
        let asked = Asked { what, citizen, due_us: now_us, sent_us: now_us, second, counts: true };
        self.send(machine, &message, asked)
    }

    fn take(&mut self, phase: &mut Phase, message: &Message, now_us: u64, in_time: bool) -> io::Result<()> {
        let Some((machine, stan, asked)) = self.asked_by(message) else { return Ok(()) };
        let code = message.text(39).unwrap_or("none");
        match asked.what {
            What::SignOn => {
                self.machines[machine as usize].signed_on(message);
            }
            // Answers to verifications are taken before a phase begins.
            What::Verification => {}
            What::Withdrawal { reference } => {
                phase.late += u64::from(now_us - asked.sent_us > self.waits.answer_us_max);
                let waited_us = now_us - asked.due_us;
                match code {
                    "00" => return self.approved(phase, (machine, stan), asked, now_us, in_time),
                    // A bank that was asked is told of in DE15 and DE100.
                    "91" if !message.has(15) => {
                        phase.refused += 1;
                        if asked.counts {
                            note(&mut phase.refused_us, waited_us);
                        }
                        self.ready.push_back(Ready { machine, citizen: asked.citizen, reference });
                        if self.shed.len() == SHED_KEPT_MAX {
                            self.shed.pop_front();
                        }
                        let Asked { citizen, second, .. } = asked;
                        let refused_us = now_us;
                        self.shed.push_back(Shed { machine, stan, citizen, second, reference, refused_us });
                    }
                    "91" => phase.given_up += 1,
                    other => *phase.other.entry(other.to_owned()).or_default() += 1,
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

    /// Whose answer it is, and what was asked.
    pub(super) fn asked_by(&mut self, message: &Message) -> Option<(u32, u32, Asked)> {
        let (machine, stan) = (machines::number(message)?, message.number(11)? as u32);
        let asked = self.asked.remove(&(machine, stan))?;
        Some((machine, stan, asked))
    }

    fn approved(
        &mut self,
        phase: &mut Phase,
        (machine, stan): (u32, u32),
        asked: Asked,
        now_us: u64,
        in_time: bool,
    ) -> io::Result<()> {
        self.approvals += 1;
        phase.accepted += u64::from(asked.counts);
        phase.accepted_in_time += u64::from(in_time);
        if asked.counts {
            note(&mut phase.accepted_us, now_us - asked.due_us);
        }
        let original = (asked.second, stan);
        let advice = if self.approvals.is_multiple_of(REVERSED_ONE_OF) {
            Advice::Reversal
        } else {
            self.paid.push(Paid { machine, sent_at_s: asked.second.at_s, stan });
            Advice::Completion
        };
        self.advise(phase, machine, advice, original, asked.citizen, now_us)
    }

    /// Requests that the terminal no longer waits for are taken back; advices without an answer are sent again.
    fn sweep(&mut self, phase: &mut Phase, now_us: u64) -> io::Result<()> {
        let waits = self.waits;
        let is_over = |asked: &Asked| match asked.what {
            What::SignOn | What::Verification | What::Withdrawal { .. } | What::ShedAgain => {
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
                What::SignOn | What::Verification | What::ShedAgain => {
                    self.asked.remove(&(machine, stan));
                }
                What::Withdrawal { .. } => {
                    self.asked.remove(&(machine, stan));
                    phase.silent += 1;
                    let original = (asked.second, stan);
                    self.advise(phase, machine, Advice::Reversal, original, asked.citizen, now_us)?;
                }
                What::Advice { sendings, .. } if sendings >= ADVICE_SENDINGS_MAX => {
                    self.asked.remove(&(machine, stan));
                }
                What::Advice { advice, original, sendings } => {
                    let message = self.machines[machine as usize].advice(
                        advice,
                        (asked.second, stan),
                        original,
                        &self.citizens,
                        asked.citizen,
                    );
                    let what = What::Advice { advice, original, sendings: sendings + 1 };
                    self.send(machine, &machines::repeated(message), Asked { what, ..asked })?;
                }
            }
        }
        Ok(())
    }

    fn set_second(&mut self) {
        let at_s = wall_s();
        if at_s != self.second.at_s {
            self.second = Second::new(at_s);
        }
    }

    pub(super) fn rest(&self, due_us: u64) {
        let left = Duration::from_micros(due_us.saturating_sub(self.now_us()));
        if !left.is_zero() {
            thread::sleep(left.min(SLEEP));
        }
    }

    /// Switch, banks, this process.
    fn cpu_us(&self) -> io::Result<[u64; 3]> {
        let banks = self.processes.banks.iter().map(|bank| cpu::used_us(*bank)).sum::<io::Result<u64>>()?;
        Ok([cpu::used_us(self.processes.switch)?, banks, cpu::used_us(std::process::id())?])
    }

    fn switch_threads_us(&self) -> io::Result<BTreeMap<String, u64>> {
        cpu::by_thread_us(self.processes.switch)
    }

    /// Waits until the switch has nothing to do, as when it has indexed what came before; at most `max`.
    ///
    /// # Errors
    /// The switch has ended.
    pub(super) fn settle(&self, max: Duration) -> io::Result<()> {
        const LOOK: Duration = Duration::from_millis(500);
        /// A hundredth of a core.
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
