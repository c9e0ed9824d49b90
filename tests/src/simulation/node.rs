//! The switch of the town: processor and log as one process, its crashes and its starts.

use std::path::PathBuf;

use journal::simulated::{MemoryDisk, SteppedLog, Survival};
use journal::{AppendError, Finder, Journal, LogReader, OpenError, Options};
use processor::{
    AskedAgain, Away, Body, Code, Command, Event as Told, Evidence, Found, Input, KeyVerdict, Kind,
    KnownStatus, LinkId, Output, Position, Processor, Record, RegistryWord, State, Ticket, TotalsQuestion,
    TotalsVerdict, Verdict, VerifyRequest,
};
use reconciliation::{Book, FeeTable};

use super::faults::Fault;
use super::net::End;
use super::plan::BANKS;
use super::rows::Row;
use super::world::{Event, World};

/// In a segment with fewer bytes nothing is damaged: its few records may all be of one sync.
const FLIPPED_BYTES_MIN: usize = 12_000;

/// A process that finds no room waits so long before it stops.
const FULL_WAIT_US: u64 = 20_000_000;

/// A process that lives.
pub(super) struct Process {
    pub(super) processor: Processor,
    pub(super) log: SteppedLog,
    reader: LogReader,
    pub(super) synced: Position,
    /// A write or a sync is under way.
    syncing: bool,
    /// An OUTCOME was appended since the last write.
    has_outcome: bool,
    /// As the processor knows it.
    is_disk_full: bool,
}

/// A crash and the moment at which it strikes: the next one of its kind after it was armed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Crash {
    pub(super) at: Moment,
    /// The power is lost; else only the process.
    pub(super) power: bool,
}

/// A start that the machine stops at one of its steps, and what is left then.
#[derive(Clone, Copy, Debug)]
pub(super) struct AimedStart {
    pub(super) step: u64,
    pub(super) survival: Survival,
}

/// Where a crash is aimed at: the windows in which something is said or written and not yet durable, or durable and
/// not yet said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// At once.
    Now,
    /// A record was appended; nothing of it is written.
    Appended,
    /// Records were written and not synced.
    Written,
    /// Records are durable, and nobody was told.
    Synced,
    /// Something has left for a terminal.
    SentToTerminal,
    /// A refusal has left for a terminal.
    Refused,
    /// Something has left for a bank.
    SentToBank,
    /// A 0510, 0520 or 0521 has left.
    SaysTotals,
    /// The disk is at one of its next steps.
    Disk(u64),
}

impl World {
    /// Starts the switch on what its disk holds.
    pub(super) fn start_switch(&mut self) {
        if self.process.is_some() {
            return;
        }
        if self.full_until_us > self.now_us {
            let us = self.full_until_us - self.now_us;
            return self.after_us(us, Event::Restart);
        }
        self.damage_index();
        self.damage_log();
        if !self.violations.is_empty() {
            return;
        }
        let aimed = self.aimed_start.take();
        let stops = self.faults_on
            && self.plan.faults.has(Fault::RecoveryCrash)
            && self.starts > 0
            && self.crash_chance.percent(40);
        if let Some(aimed) = aimed {
            self.disk.stop_at(Some(self.disk.steps() + aimed.step));
        } else if stops {
            let step = self.disk.steps() + u64::from(self.crash_chance.between(0, 5));
            self.disk.stop_at(Some(step));
        }
        let steps_before = self.disk.steps();
        let opened = SteppedLog::open(&self.log_options(), &self.disk);
        // Also where the log opened: what it could not allocate it takes for a full disk, on a machine that stands still.
        if self.disk.is_stopped() {
            self.count(Fault::RecoveryCrash);
            self.note(|_| "the machine stops in the middle of the start".to_owned());
            let survival = aimed.map_or_else(|| self.survival(), |aimed| aimed.survival);
            if aimed.is_some() || self.crash_chance.percent(70) {
                self.disk.lose_power(survival);
                self.crashed_by_power = true;
            } else {
                self.disk.restart();
            }
            return self.after_ms(500, Event::Restart);
        }
        let (log, recovered) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.refuses_to_start(&error),
        };
        self.disk.stop_at(None);
        self.start_steps = self.disk.steps() - steps_before;
        self.script_starts();
        self.starts += 1;
        self.restarts += u64::from(self.starts > 1);
        let entropy = std::array::from_fn(|_| self.switch_chance.bits() as u8);
        self.note(|_| {
            format!(
                "switch starts: {} records, cut {:?}, {} open",
                recovered.next,
                recovered.cut,
                recovered.open.len()
            )
        });
        self.rows_at_start(&recovered.open);
        let processor = Processor::new(
            self.config.clone(),
            entropy,
            self.switch_now(),
            recovered.standing,
            recovered.open,
            recovered.next,
        );
        let mut log = log;
        if log.upkeep().is_err() {
            self.disk.restart();
            return self.after_ms(500, Event::Restart);
        }
        let reader = log.reader();
        self.process = Some(Process {
            processor,
            log,
            reader,
            synced: recovered.next,
            syncing: false,
            has_outcome: false,
            is_disk_full: false,
        });
        self.draining = false;
        self.carry_out();
        self.disk_news();
        for bank in 0..BANKS.len() {
            for number in 0..self.plan.links[bank] {
                let us = u64::from(self.switch_chance.between(500, 50_000));
                self.after_us(us, Event::BankDial { bank, number });
            }
        }
    }

    pub(super) fn log_options(&self) -> Options {
        let options = Options::new(PathBuf::from("simulated"), self.data_keys.clone());
        Options { segment_bytes: Options::SEGMENT_BYTES_MIN, ..options }
    }

    fn damage_index(&mut self) {
        if !self.faults_on || self.starts == 0 {
            return;
        }
        if self.plan.faults.has(Fault::IndexLost) && self.crash_chance.percent(50) {
            self.count(Fault::IndexLost);
            self.disk.lose_index();
        } else if self.plan.faults.has(Fault::IndexRots) && self.crash_chance.percent(30) {
            self.count(Fault::IndexRots);
            self.disk.lose_index_end();
        }
    }

    /// A byte of what was synced is another: the start has to say so and leave all as it is. Then the disk is repaired.
    fn damage_log(&mut self) {
        let bytes = self.disk.newest_bytes();
        let is_asked = self.faults_on
            && self.starts > 0
            && self.plan.faults.has(Fault::ByteFlips)
            && bytes > FLIPPED_BYTES_MIN
            && !self.disk.is_stopped()
            && self.crash_chance.percent(60);
        if !is_asked {
            return;
        }
        // After a power loss the note of what was synced may be old: what stands at the end vouches for the beginning, if
        // it was not all of one slow sync.
        let is_vouched = !self.crashed_by_power && self.disk.is_durable();
        if !is_vouched && self.plan.faults.has(Fault::SyncSlow) {
            return;
        }
        let reach = if is_vouched { bytes } else { bytes / 4 };
        let byte = self.crash_chance.below(reach);
        self.disk.flip(byte);
        let opened = SteppedLog::open(&self.log_options(), &self.disk);
        match opened {
            Err(OpenError::Damaged { .. }) => {
                self.count(Fault::ByteFlips);
                self.note(|_| format!("byte {byte} of the newest segment is another: the start refuses it"));
                self.disk.flip(byte);
            }
            // A stop that was armed before has come first: the start itself meets it too.
            Err(_) if self.disk.is_stopped() => {
                self.disk.flip(byte);
            }
            Err(error) => self.violations.push(format!("a flipped byte is called otherwise: {error}")),
            Ok((_, recovered)) => {
                let what = format!("a log with a flipped byte is taken, cut {:?}", recovered.cut);
                self.violations.push(what);
            }
        }
    }

    fn refuses_to_start(&mut self, error: &OpenError) {
        self.violations.push(format!("the switch refuses to start: {error}"));
    }

    fn rows_at_start(&mut self, open: &[processor::Transaction]) {
        for transaction in open {
            match transaction.state {
                State::Sent => self.rows.hit(Row::CrashBetweenIntentAndOutcome),
                State::Approved => self.rows.hit(Row::CrashAfterOutcome),
                _ => {}
            }
        }
    }

    /// Has the switch decide, if it lives, and carries out what it decided.
    pub(super) fn switch(&mut self, input: Input) {
        let now = self.switch_now();
        let Some(process) = &mut self.process else { return };
        process.processor.handle(now, input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut answers: Vec<(Ticket, Found)> = Vec::new();
        loop {
            let now = self.switch_now();
            let Some(process) = &mut self.process else { return };
            match process.processor.poll_output() {
                Some(Output::Append(position, record)) => self.append(position, &record),
                Some(Output::Send(link, message)) => self.switch_sends(link, &message),
                Some(Output::Find(ticket, lookup)) => {
                    let quick = process.reader.find_quick(&lookup);
                    let found = match quick {
                        Some(found) => Ok(found),
                        None => process.reader.find(&lookup),
                    };
                    let mut found = match found {
                        Ok(found) => found,
                        Err(error) => {
                            return self.violations.push(format!("the log cannot be read: {error}"));
                        }
                    };
                    if let Some(citizen) = lookup.accounts_of {
                        found.accounts = self.enrolled.get(&citizen).cloned().unwrap_or_default();
                    }
                    if self.strikes(Fault::FindSlow) {
                        let us = u64::from(self.switch_chance.between(1_000, 4_000_000));
                        let (start, found) = (self.starts, Box::new(found));
                        self.after_us(us, Event::Found { start, ticket, found });
                    } else {
                        answers.push((ticket, found));
                    }
                }
                Some(Output::Verify(ticket, request)) => self.verify(ticket, &request),
                // No machine and no bank of the town exchanges keys.
                Some(Output::TakeKey(ticket, _)) => {
                    process.processor.handle(now, Input::KeyTaken(ticket, KeyVerdict::NotHere));
                }
                Some(Output::CountTotals(ticket, question)) => self.count_totals(ticket, question),
                Some(Output::AskAgain(ticket, _)) => self.ask_again(ticket),
                Some(Output::OfferKey(ticket, _)) => {
                    let refused = Err("no security module".to_owned());
                    process.processor.handle(now, Input::KeyOffered(ticket, refused));
                }
                Some(Output::UseKeys(..) | Output::UseOfferedKey(..)) => {}
                Some(Output::TranslatePin(ticket, request)) => self.translate_pin(ticket, &request),
                Some(Output::Close(link)) => self.switch_closes(link),
                Some(Output::Commanded(..)) => self.commanded(),
                Some(Output::Retried { .. }) => {}
                Some(Output::Event(event)) => self.told(&event),
                None if answers.is_empty() => break,
                None => {
                    let (ticket, found) = answers.remove(0);
                    process.processor.handle(now, Input::Found(ticket, Box::new(found)));
                }
            }
        }
        self.begin_write();
    }

    /// Totals are counted from what is durable when they are asked for, and told a little later.
    fn count_totals(&mut self, ticket: Ticket, question: TotalsQuestion) {
        let Some(process) = &self.process else { return };
        let mut book = Book::new(FeeTable::default(), Some(self.plan.config().first_day));
        let durable = usize::try_from(process.synced).unwrap_or(usize::MAX);
        for read in process.reader.scan(0).take(durable) {
            match read {
                Ok((position, record)) => drop(book.apply(position, &record)),
                Err(error) => return self.violations.push(format!("the log cannot be read: {error}")),
            }
        }
        let verdict = book.sheet(question.day).map(|sheet| TotalsVerdict::Counted {
            ours: sheet.figures(question.side, question.member),
            as_of: book.next(),
        });
        let verdict = verdict.unwrap_or(TotalsVerdict::DayUnknown);
        let us = u64::from(self.switch_chance.between(1_000, 300_000));
        let start = self.starts;
        self.after_us(us, Event::Counted { start, ticket, verdict });
    }

    fn append(&mut self, position: Position, record: &Record) {
        let Some(process) = &mut self.process else { return };
        process.has_outcome |= matches!(record.body, Body::Outcome(_));
        let mut appended = process.log.append(position, record);
        if appended == Err(AppendError::Full) && process.log.upkeep().is_ok() {
            appended = process.log.append(position, record);
        }
        self.note(|_| {
            let key = record.transaction.map_or_else(String::new, |key| key.to_string());
            let flag = record.suspense.map_or_else(String::new, |it| format!(" SUSPENSE {it:?}"));
            format!("  record {position} {} {key}{flag}", record.body.name())
        });
        match appended {
            Ok(()) => {
                self.script_appends(position, record);
                self.comes_to(Moment::Appended);
            }
            // The disk has no room: the process waits, then stops, and the next start goes on.
            Err(AppendError::Full) => {
                self.crash(Crash { at: Moment::Now, power: false });
                self.full_until_us = self.now_us + FULL_WAIT_US;
            }
            Err(error) => {
                self.violations.push(format!("record {position} {} is refused: {error}", record.body.name()));
            }
        }
    }

    fn switch_sends(&mut self, link: LinkId, message: &iso8583::Message) {
        let Some(conn) = self.conn_of(link) else { return };
        self.carry(conn, false, message);
        self.script_says(message);
        if matches!(message.mti().value(), 510 | 520 | 521) {
            self.comes_to(Moment::SaysTotals);
        }
        if matches!(link, LinkId::Bank(..)) {
            return self.comes_to(Moment::SentToBank);
        }
        self.comes_to(Moment::SentToTerminal);
        if message.mti().value() == 210 && message.text(39) != Some("00") {
            self.comes_to(Moment::Refused);
        }
    }

    fn switch_closes(&mut self, link: LinkId) {
        if let Some(conn) = self.conn_of(link) {
            self.reset(conn);
        }
    }

    fn verify(&mut self, ticket: Ticket, request: &VerifyRequest) {
        let verdict = self.verdict(request);
        let mut us = u64::from(self.switch_chance.between(2_000, 400_000));
        if self.strikes(Fault::RegistryLate) {
            us += 3_500_000;
        }
        let (verdict, us) = self.script_verdict(verdict, us);
        self.remember(request, &verdict);
        let (start, verdict) = (self.starts, Box::new(verdict));
        self.after_us(us, Event::Verdict { start, ticket, verdict });
    }

    fn verdict(&mut self, request: &VerifyRequest) -> Verdict {
        if self.strikes(Fault::RegistryDown) {
            self.rows.hit(Row::RegistryDown);
            return self.registry_away(request);
        }
        if self.strikes(Fault::SendSod) {
            return Verdict::SendSod;
        }
        let refused = self.strikes(Fault::RegistryRefuses);
        if let Some(verdict) = self.real_verdict(request, refused) {
            return verdict;
        }
        if refused {
            let code = *self.net_chance.pick(&[
                Code::NO_BANK,
                Code::LOST,
                Code::EXPIRED,
                Code::NOT_PERMITTED,
                Code::RESTRICTED,
                Code::PROOF,
            ]);
            return Verdict::Refused(code, Some(evidence()));
        }
        Verdict::Verified { biometric_matched: true, evidence: evidence() }
    }

    /// The registry is not there: the switch may stand in for it where it has vouched for the card before.
    fn registry_away(&mut self, request: &VerifyRequest) -> Verdict {
        if request.kind != Kind::Withdrawal || self.plan.real_cryptography {
            return Verdict::Unavailable;
        }
        let card = request.message.get(2).unwrap_or_default();
        let known = self.vouched.get(card).copied();
        Verdict::RegistryAway(Box::new(Away { evidence: owed(), has_biometric: true, known }))
    }

    /// What the registry has said of a card counts while it is away.
    fn remember(&mut self, request: &VerifyRequest, verdict: &Verdict) {
        let card: Box<[u8]> = request.message.get(2).unwrap_or_default().into();
        let at_ms = self.switch_now().wall_ms;
        match verdict {
            Verdict::Verified { biometric_matched: true, .. } => {
                self.vouched.insert(card, KnownStatus { at_ms, valid_until_ms: at_ms + 86_400_000 });
            }
            Verdict::Refused(..) => {
                self.vouched.remove(&card);
            }
            Verdict::Verified { .. } | Verdict::SendSod | Verdict::Unavailable | Verdict::RegistryAway(_) => {
            }
        }
    }

    /// The registry is asked about what went out in its stead; it may be away still, or say that it would have refused.
    fn ask_again(&mut self, ticket: Ticket) {
        let verdict = if self.strikes(Fault::RegistryDown) {
            Verdict::Unavailable
        } else if self.strikes(Fault::RegistryRefuses) {
            Verdict::Refused(Code::LOST, Some(evidence()))
        } else {
            Verdict::Verified { biometric_matched: true, evidence: evidence() }
        };
        let us = u64::from(self.switch_chance.between(2_000, 400_000));
        let (verdict, us) = self.script_verdict(verdict, us);
        let said = |refused| Some(Box::new(AskedAgain { refused, evidence: evidence() }));
        let said = match verdict {
            Verdict::Verified { .. } => said(None),
            Verdict::Refused(code, _) => said(Some(code)),
            Verdict::SendSod | Verdict::Unavailable | Verdict::RegistryAway(_) => None,
        };
        self.after_us(us, Event::AskedAgain { start: self.starts, ticket, said });
    }

    fn commanded(&mut self) {
        if std::mem::take(&mut self.draining) {
            self.count(Fault::Drain);
            self.note(|_| "drained; the switch stops and starts".to_owned());
            // A switch that is stopped in order closes its log: everything in it is durable.
            while let Some(process) = &mut self.process {
                match process.log.write().and_then(|_| process.log.sync()) {
                    Ok(None) => break,
                    Ok(Some(_)) => {}
                    Err(_) => break,
                }
            }
            self.crash(Crash { at: Moment::Now, power: false });
        }
    }

    fn begin_write(&mut self) {
        let Some(process) = &mut self.process else { return };
        if process.syncing || process.processor.next_position() == process.synced {
            return;
        }
        process.syncing = true;
        let (start, us) = (self.starts, u64::from(self.switch_chance.between(5, 60)));
        self.after_us(us, Event::LogWrite(start));
    }

    pub(super) fn log_write(&mut self) {
        let Some(process) = &mut self.process else { return };
        match process.log.write() {
            Ok(true) => {
                let has_outcome = std::mem::take(&mut process.has_outcome);
                let us = if self.sync_slow && has_outcome && self.switch_chance.percent(60) {
                    // Past the deadline of the answer that waits for it.
                    u64::from(self.switch_chance.between(9_000_000, 14_000_000))
                } else if self.sync_slow {
                    let longest = [3_000_000, 14_000_000][self.switch_chance.below(2)];
                    u64::from(self.switch_chance.between(500_000, longest))
                } else {
                    u64::from(self.switch_chance.between(80, 4_000))
                };
                let (start, us) = (self.starts, self.script_sync_us(us));
                self.after_us(us, Event::LogSync(start));
                self.comes_to(Moment::Written);
            }
            Ok(false) => process.syncing = false,
            Err(_) => self.log_failed(),
        }
    }

    pub(super) fn log_sync(&mut self) {
        let Some(process) = &mut self.process else { return };
        let position = match process.log.sync() {
            Ok(Some(position)) => position,
            Ok(None) => return,
            Err(_) => return self.log_failed(),
        };
        process.synced = position;
        process.syncing = false;
        if process.log.upkeep().is_err() {
            return self.log_failed();
        }
        self.script_synced(position);
        self.comes_to(Moment::Synced);
        self.disk_news();
        self.switch(Input::Synced(position));
        self.begin_write();
    }

    /// Tells the processor when the log's disk has become full, or has room again.
    pub(super) fn disk_news(&mut self) {
        let Some(process) = &mut self.process else { return };
        if process.log.upkeep().is_err() {
            return self.log_failed();
        }
        let is_full = process.log.is_disk_full();
        if std::mem::replace(&mut process.is_disk_full, is_full) != is_full {
            if is_full {
                self.rows.hit(Row::DiskFull);
            }
            self.switch(Input::DiskFull(is_full));
        }
    }

    /// A write or sync has failed: the process stops at once, whatever the reason.
    fn log_failed(&mut self) {
        let power = self.disk.is_stopped();
        if !power {
            self.count(Fault::SyncFails);
            self.rows.hit(Row::FsyncFails);
        }
        self.crash(Crash { at: Moment::Now, power });
    }

    /// A crash that was aimed at this moment strikes.
    fn comes_to(&mut self, moment: Moment) {
        if let Some(crash) = self.armed.filter(|crash| crash.at == moment)
            && self.faults_on
        {
            self.armed = None;
            self.count(if crash.power { Fault::PowerLoss } else { Fault::Kill });
            self.crash(crash);
        }
    }

    /// The process is gone, and what it held in memory.
    pub(super) fn crash(&mut self, crash: Crash) {
        if self.process.is_some() {
            let survival = if crash.power { Some(self.survival()) } else { None };
            self.crash_with(crash, survival);
        }
    }

    /// The same; what is left of what was not synced is given where the power is lost.
    pub(super) fn crash_with(&mut self, crash: Crash, survival: Option<Survival>) {
        let Some(process) = self.process.take() else { return };
        if process.processor.in_flight() > 0 {
            self.rows.hit(Row::CrashBeforeIntent);
        }
        if self.conns.values().filter(|conn| matches!(conn.end, End::Terminal(_))).count() > 1 {
            self.rows.hit(Row::EveryoneReconnects);
        }
        self.starts += 1;
        self.crashed_us.push(self.now_us);
        self.crashed_by_power = survival.is_some();
        self.note(|_| format!("the switch is gone: {crash:?}"));
        if let Some(survival) = survival {
            self.note(|_| format!("  what was not synced: {survival:?}"));
            self.disk.lose_power(survival);
        } else {
            self.disk.restart();
        }
        let conns: Vec<u64> = self.conns.keys().copied().collect();
        for conn in conns {
            if let Some(conn) = self.conns.get_mut(&conn) {
                conn.switch_lives = false;
            }
            // What left a process before it was killed still arrives; a machine without power sends nothing more.
            let us = if crash.power && self.crash_chance.percent(50) {
                0
            } else {
                u64::from(self.crash_chance.between(3_100, 1_500_000))
            };
            let us = if self.script.is_some() { 3_100 } else { us };
            self.after_us(us, Event::PeerDown(conn));
        }
        let ms = [300, 2_000, 15_000][self.crash_chance.below(3)];
        let ms = u64::from(self.crash_chance.between(50, ms));
        let ms = self.script_stops().unwrap_or(ms);
        self.after_ms(ms, Event::Restart);
    }

    fn survival(&mut self) -> Survival {
        if self.script.is_some() {
            return Survival::Nothing;
        }
        match self.crash_chance.below(5) {
            0 | 1 => Survival::Nothing,
            2 => Survival::Everything,
            3 => Survival::Front(self.crash_chance.between(1, 999)),
            _ => Survival::Sectors(self.crash_chance.bits()),
        }
    }

    /// A kill that no plan armed.
    pub(super) fn kill_now(&mut self) {
        self.count(Fault::Kill);
        self.crash(Crash { at: Moment::Now, power: false });
    }

    /// Strikes or arms a crash.
    pub(super) fn arm(&mut self, crash: Crash) {
        match crash.at {
            Moment::Now => {
                self.count(if crash.power { Fault::PowerLoss } else { Fault::Kill });
                self.crash(crash);
            }
            Moment::Disk(steps) => {
                self.count(Fault::PowerLoss);
                self.disk.stop_at(Some(self.disk.steps() + steps));
            }
            _ => self.armed = Some(crash),
        }
    }

    pub(super) fn operate(&mut self, command: Command) {
        self.switch(Input::Operator(Ticket(self.events), command));
    }

    /// A bank takes a connection.
    pub(super) fn bank_dial(&mut self, bank: usize, number: u8) {
        let end = End::Bank(bank, number);
        if self.process.is_none() || self.conn_of(World::link_of(0, end)).is_some() {
            return;
        }
        if self.banks[bank].away_until_us > self.now_us {
            let ms = (self.banks[bank].away_until_us - self.now_us) / 1000 + 200;
            return self.after_ms(ms, Event::BankDial { bank, number });
        }
        self.connect(end);
        self.switch(Input::LinkUp(World::link_of(0, end)));
    }

    fn told(&mut self, event: &Told) {
        self.rows.told(event);
        if event.is_alarm() {
            self.script_alarm(event);
            self.note(|_| format!("  alarm: {event:?}"));
        }
    }
}

/// The same, where the registry is still to be asked.
pub(super) fn owed() -> Evidence {
    Evidence { registry: RegistryWord::Owed((*b"simulated question").into()), ..evidence() }
}

pub(super) fn evidence() -> Evidence {
    Evidence {
        registry: RegistryWord::Signed((*b"simulated.registry.answer").into()),
        sod_sha256: [3; 32],
        dg15_sha256: [4; 32],
        passive: true,
        active: true,
    }
}

impl World {
    /// Before the first start: what an earlier year of this switch has left, so that counters are not at their beginning.
    pub(super) fn write_history(&mut self) {
        let disk: &MemoryDisk = &self.disk;
        let records = super::history::records(&self.plan, &self.data_keys, |citizen| self.pan(citizen));
        let Ok((mut log, _)) = SteppedLog::open(&self.log_options(), disk) else {
            return self.violations.push("an empty log cannot be made".to_owned());
        };
        let positions = 0..;
        for (position, record) in positions.zip(&records) {
            if let Err(error) = log.append(position, record) {
                return self.violations.push(format!("the history is refused: {error}"));
            }
        }
        if log.write().and_then(|_| log.sync()).and_then(|_| log.upkeep()).is_err() {
            self.violations.push("the history cannot be written".to_owned());
        }
    }
}
