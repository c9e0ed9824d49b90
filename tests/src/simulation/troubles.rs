//! Troubles that are drawn for moments of the day: crashes, breaks, operators, clocks; and how everything heals.

use std::sync::atomic::Ordering;

use processor::{Block, BlockSubject, Command, Day};
use simulators::bank;
use simulators::pilot::Chance;
use simulators::terminal::{self, Terminal};

use super::faults::Fault;
use super::node::{Crash, Moment};
use super::people::{BANK_FAULTS, site_free};
use super::plan::{BANKS, CITIZENS, Plan, institution, terminal_id};
use super::rows::Row;
use super::world::{Event, Trouble, World};

impl World {
    /// What is drawn for moments of the day.
    pub(super) fn draw_troubles(&mut self) {
        let day_ms = self.day_ms();
        let mut chance = Chance::new(self.plan.seed, "troubles");
        let mut all: Vec<Trouble> = Vec::new();
        let crashes = 1 + chance.below(5);
        for _ in 0..crashes {
            let (kill, power) = (self.plan.faults.has(Fault::Kill), self.plan.faults.has(Fault::PowerLoss));
            let moments = [
                Moment::Now,
                Moment::Appended,
                Moment::Written,
                Moment::Synced,
                Moment::SentToTerminal,
                Moment::Refused,
                Moment::SentToBank,
                Moment::Disk(u64::from(chance.between(0, 12))),
            ];
            let at = *chance.pick(&moments);
            let is_power = chance.percent(50);
            if kill || power {
                let power = if kill && power { is_power } else { power };
                let at = if matches!(at, Moment::Disk(_)) && !power { Moment::Written } else { at };
                all.push(Trouble::Arm(Crash { at, power }));
            }
        }
        for (fault, times, trouble) in [
            (Fault::NetReset, 4, Trouble::Reset),
            (Fault::TerminalPower, 2, Trouble::TerminalPower),
            (Fault::BankDown, 1, Trouble::BankDown),
            (Fault::ClockJump, 2, Trouble::ClockJump),
            (Fault::SyncSlow, 2, Trouble::SyncSlow(true)),
            (Fault::SyncFails, 1, Trouble::SyncFails),
            (Fault::Reload, 2, Trouble::Reload),
            (Fault::KeyChange, 1, Trouble::KeyChange(true)),
            (Fault::Block, 2, Trouble::Block),
            (Fault::Cutover, 3, Trouble::Cutover),
            (Fault::Drain, 1, Trouble::Drain),
            (Fault::DiskFull, 1, Trouble::DiskFull(true)),
            (Fault::Replay, 6, Trouble::Replay),
            (Fault::OtherContent, 6, Trouble::Replay),
            (Fault::ReferenceReused, 5, Trouble::ReuseReference),
        ] {
            if self.plan.faults.has(fault) {
                all.extend(std::iter::repeat_n(trouble, times));
            }
        }
        for trouble in all {
            let ms = 500 + u64::from(chance.between(0, day_ms as u32));
            self.after_ms(ms, Event::Trouble(trouble));
        }
    }

    pub(super) fn strike(&mut self, trouble: Trouble) {
        self.note(|_| format!("trouble: {trouble:?}"));
        match trouble {
            Trouble::Arm(crash) => self.arm(crash),
            Trouble::Reset => {
                let conns: Vec<u64> = self.conns.keys().copied().collect();
                if !conns.is_empty() {
                    self.count(Fault::NetReset);
                    let conn = *self.net_chance.pick(&conns);
                    self.reset(conn);
                }
            }
            Trouble::TerminalPower => self.terminal_power(),
            Trouble::BankDown => {
                self.count(Fault::BankDown);
                let bank = self.people_chance.below(BANKS.len());
                let ms = u64::from(self.people_chance.between(20_000, 180_000));
                self.bank_goes(bank, ms);
            }
            Trouble::ClockJump => {
                self.count(Fault::ClockJump);
                let before_ms = self.skew_ms;
                self.skew_ms = [0, -4_000, 3_000, 600_000, -900][self.people_chance.below(5)];
                if self.skew_ms != before_ms {
                    self.rows.hit(Row::ClockJumps);
                }
            }
            Trouble::SyncSlow(on) => {
                self.sync_slow = on;
                if on {
                    self.count(Fault::SyncSlow);
                    self.rows.hit(Row::FsyncSlow);
                    // What leaves while syncs are slow is looked at closely.
                    let power = self.plan.faults.has(Fault::PowerLoss);
                    if (power || self.plan.faults.has(Fault::Kill)) && self.armed.is_none() {
                        let at = [Moment::Refused, Moment::Refused, Moment::SentToTerminal]
                            [self.crash_chance.below(3)];
                        self.armed = Some(Crash { at, power });
                    }
                    let ms = u64::from(self.people_chance.between(2_000, 30_000));
                    self.after_ms(ms, Event::Trouble(Trouble::SyncSlow(false)));
                }
            }
            Trouble::SyncFails => self.disk.fail_syncs(true),
            Trouble::Reload => self.reload(),
            Trouble::KeyChange(on) => {
                self.key_change = on.then(|| self.people_chance.below(self.plan.terminals));
                if on {
                    self.count(Fault::KeyChange);
                    let ms = u64::from(self.people_chance.between(500, 8_000));
                    self.after_ms(ms, Event::Trouble(Trouble::KeyChange(false)));
                }
            }
            Trouble::Block => self.block(),
            Trouble::Cutover => self.cutover(),
            Trouble::Drain => {
                if self.process.is_some() {
                    self.draining = true;
                    self.operate(Command::Drain);
                }
            }
            Trouble::DiskFull(full) => {
                self.disk.fill(full);
                self.disk_news();
                if full {
                    self.count(Fault::DiskFull);
                    let ms = u64::from(self.people_chance.between(5_000, 60_000));
                    self.after_ms(ms, Event::Trouble(Trouble::DiskFull(false)));
                }
            }
            Trouble::Replay => self.replay(),
            Trouble::ReuseReference => self.reuse_reference(),
            Trouble::SayTotals => self.say_totals(),
        }
    }

    /// A machine loses its power and starts again from what it keeps.
    fn terminal_power(&mut self) {
        let number = self.people_chance.below(self.plan.terminals);
        if self.terminals[number].machine.is_dead() {
            return;
        }
        self.count(Fault::TerminalPower);
        if let Some(conn) = self.terminals[number].conn.take() {
            self.peer_closes(conn);
        }
        let now = self.town_now();
        let site = &mut self.terminals[number];
        let memory = site.machine.memory().clone();
        let config = site.config.clone();
        site.machine = Terminal::restart(config, memory, now).expect("the town's terminals can be set up");
        site_free(site);
        self.terminal(number, terminal::Input::Deadline);
        self.redial(number);
        self.schedule_visit(number);
    }

    fn reload(&mut self) {
        self.count(Fault::Reload);
        self.rows.hit(Row::Reload);
        let mut config = self.plan.config();
        if self.people_chance.percent(50) {
            config.limits.transaction_minor_max = 2_000_000;
            config.limits.in_flight_max = 3;
            config.issuers.values_mut().for_each(|issuer| issuer.reversals_in_flight_max = 1);
        }
        self.set_config(config);
    }

    pub(super) fn set_config(&mut self, config: processor::Config) {
        self.config = config.clone();
        if let Some(process) = &mut self.process {
            process.processor.reconfigure(config);
        }
        self.switch(processor::Input::Deadline);
    }

    fn block(&mut self) {
        self.count(Fault::Block);
        let subject = match self.people_chance.below(3) {
            0 => BlockSubject::Terminal(terminal_id(self.people_chance.below(self.plan.terminals))),
            1 => BlockSubject::Bank(institution(BANKS[self.people_chance.below(BANKS.len())])),
            _ => {
                let citizen = self.people_chance.between(0, CITIZENS - 1);
                BlockSubject::Citizen(self.data_keys.pseudonym(&self.pan(citizen).citizen_number()))
            }
        };
        self.operate(Command::Block(Block { subject, set: true, by: "operator".into() }));
        let ms = u64::from(self.people_chance.between(1_000, 20_000));
        let lifted = Command::Block(Block { subject, set: false, by: "operator".into() });
        self.after_ms(ms, Event::Operate(lifted));
    }

    pub(super) fn cutover(&mut self) {
        let Some(process) = &self.process else { return };
        let (open, in_flight) = (process.processor.day(), process.processor.in_flight());
        self.count(Fault::Cutover);
        if in_flight > 0 {
            self.rows.hit(Row::CutoverInFlight);
        }
        let day = (1..=100).find_map(|more| Day::new(open.yyyymmdd() + more)).unwrap_or(open);
        self.operate(Command::Cutover(day));
    }

    /// Everything works again.
    pub(super) fn heal(&mut self) {
        self.note(|_| "everything heals".to_owned());
        for site in &self.banks {
            for (fault, struck) in BANK_FAULTS.into_iter().zip(&*site.struck) {
                (0..struck.load(Ordering::Relaxed)).for_each(|_| self.counts.add(fault));
            }
        }
        self.faults_on = false;
        self.armed = None;
        self.sync_slow = false;
        self.skew_ms = 0;
        self.key_change = None;
        self.disk.fill(false);
        self.disk_news();
        self.disk.fail_syncs(false);
        if !self.disk.is_stopped() {
            self.disk.stop_at(None);
        }
        for number in 0..BANKS.len() {
            self.banks[number].away_until_us = 0;
            self.banks[number].machine.set_faults(bank::no_faults());
        }
        let config = Plan { faults: self.plan.faults.without(Fault::Overload), ..self.plan.clone() }.config();
        self.set_config(config);
    }
}
