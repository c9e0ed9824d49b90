//! 0500, 0520 and their answers: a member's totals of a business day beside ours (docs/interface.md#totals).
//!
//! The figures come from outside ([`Output::CountTotals`]): they are counted from the log, by whoever counts for the days' pages too.

use std::collections::{BTreeMap, VecDeque};

use iso8583::{Message, Mti};
use mutant::Mutant;

use crate::config::TerminalConfig;
use crate::figures::{self, Figures};
use crate::ids::{BankIdentity, Code, Day, Institution, TerminalId, UtcSeconds};
use crate::io::{Event, LinkId, Output, Ticket, TotalsQuestion, TotalsVerdict};
use crate::messages;
use crate::processor::{Processor, Timer};
use crate::record::{Body, Position, Record, Side, Totals, TotalsStep};

/// Totals that wait to be counted; the next 0500 or 0520 is answered 91.
pub const TOTALS_COUNTING_MAX: usize = 256;

/// Of these, one member's on one side; its next is answered 91: it takes no other's place.
pub const TOTALS_COUNTING_OF_MEMBER_MAX: usize = 4;

/// A 0520 that a bank leaves unanswered is sent so often; then it is given up, and a person has to look.
pub const TOTALS_TRIES_MAX: u32 = 10;

/// DE66: the sides agree; they do not; nothing was compared.
const IN_BALANCE: u64 = 1;
const OUT_OF_BALANCE: u64 = 2;
const NOT_COMPARED: u64 = 3;

/// What waits.
#[derive(Default)]
pub(crate) struct TotalsDesk {
    counting: BTreeMap<Ticket, Counting>,
    /// What leaves once all records below a position are durable.
    due: VecDeque<(Position, Due)>,
    asks: BTreeMap<Institution, Ask>,
    /// Days before this one a bank is not asked for: it was not to be asked then, or was no bank of ours.
    asked_from: BTreeMap<Institution, Day>,
}

enum Counting {
    /// A member has said its totals.
    Said(Box<Said>),
    /// A bank is to be asked for those of this day.
    Ask(Institution, Day),
}

struct Said {
    link: LinkId,
    message: Message,
    totals: Totals,
    exponent: u8,
}

enum Due {
    Answer(LinkId, Message),
    Ask(Institution),
}

/// A bank that is asked for its totals.
#[derive(Default)]
struct Ask {
    attempts: u32,
    at_us: Option<u64>,
    is_counting: bool,
    has_no_link: bool,
}

/// Who says totals.
struct Speaker {
    link: LinkId,
    side: Side,
    member: Institution,
    terminal: Option<TerminalId>,
    exponent: u8,
}

impl Processor {
    /// 0500 or 0501 of a terminal: the totals of its acquirer.
    pub(crate) fn acquirer_totals(
        &mut self,
        link: LinkId,
        terminal_id: TerminalId,
        terminal: &TerminalConfig,
        message: Message,
    ) {
        let speaker = Speaker {
            link,
            side: Side::Acquirer,
            member: terminal.acquirer,
            terminal: Some(terminal_id),
            exponent: terminal.amount_exponent,
        };
        self.totals_said(&speaker, message);
    }

    /// 0520 or 0521 of a bank: its totals as an issuer.
    pub(crate) fn issuer_totals(&mut self, link: LinkId, bank: Institution, message: Message) {
        let Some(exponent) = self.amount_exponent(bank) else { return };
        let speaker = Speaker { link, side: Side::Issuer, member: bank, terminal: None, exponent };
        self.totals_said(&speaker, message);
    }

    fn totals_said(&mut self, speaker: &Speaker, message: Message) {
        let link = speaker.link;
        let totals = match self.read_totals(speaker, &message) {
            Ok(totals) => totals,
            Err((code, element)) => {
                if code == Code::FORMAT {
                    self.event(Event::FormatError(link, element));
                }
                return self.send(link, not_compared(&message, code));
            }
        };
        let name = (totals.side, totals.member, totals.terminal, totals.name);
        let known = self.standing.totals.said(name.0, name.1, name.2, name.3).cloned();
        if let Some(known) = known.filter(|_| !mutant::is(Mutant::TotalsRepeatCountedAnew)) {
            let is_same_day = !message.has(15) || known.day == totals.day;
            let is_same = is_same_day && known.theirs == totals.theirs;
            let answer = match is_same {
                true => compared(&message, &known, speaker.exponent),
                false => not_compared(&message, Code::DUPLICATE),
            };
            return self.leave_below(self.next, Due::Answer(link, answer));
        }
        let is_counted = |waiting: &Counting| match waiting {
            Counting::Said(said) => {
                (said.totals.side, said.totals.member, said.totals.terminal, said.totals.name) == name
            }
            Counting::Ask(..) => false,
        };
        if self.totals.counting.values().any(is_counted) {
            // Its answer is on the way; the sender repeats where it is lost.
            return;
        }
        let is_members = |waiting: &&Counting| match waiting {
            Counting::Said(said) => (said.totals.side, said.totals.member) == (name.0, name.1),
            Counting::Ask(..) => false,
        };
        let of_member = self.totals.counting.values().filter(is_members).count();
        let is_full =
            self.totals.counting.len() >= TOTALS_COUNTING_MAX || of_member >= TOTALS_COUNTING_OF_MEMBER_MAX;
        let refusal = match self.is_disk_full {
            true => Some(Code::UNSAFE),
            false => is_full.then_some(Code::UNAVAILABLE),
        };
        if let Some(code) = refusal {
            return self.send(link, not_compared(&message, code));
        }
        let question = TotalsQuestion { day: totals.day, side: totals.side, member: totals.member };
        let said = Said { link, message, totals, exponent: speaker.exponent };
        self.count(question, Counting::Said(Box::new(said)));
    }

    /// What a 0500 or 0520 says. Errors: the code, and the element that is wrong.
    fn read_totals(&self, speaker: &Speaker, message: &Message) -> Result<Totals, (Code, u8)> {
        let sent_at = message.get(7).and_then(|de7| UtcSeconds::from_de7(de7, self.now_seconds()));
        let sent_at = sent_at.ok_or((Code::FORMAT, 7))?;
        let stan = message.number(11).ok_or((Code::FORMAT, 11))? as u32;
        let open = self.day();
        let day = match message.get(15) {
            None => open,
            Some(de15) => Day::from_de15(de15, open).ok_or((Code::FORMAT, 15))?,
        };
        if day > open {
            return Err((Code::RECONCILE, 15));
        }
        if message.number(50).is_some_and(|currency| currency != u64::from(self.config.currency)) {
            return Err((Code::NOT_SUPPORTED, 50));
        }
        Ok(Totals {
            step: TotalsStep::Said,
            side: speaker.side,
            member: speaker.member,
            terminal: speaker.terminal,
            name: BankIdentity { sent_at, stan },
            day,
            as_of: 0,
            ours: Figures::default(),
            theirs: figures::read(message, speaker.exponent)?,
        })
    }

    fn count(&mut self, question: TotalsQuestion, of: Counting) {
        let ticket = self.ticket();
        self.totals.counting.insert(ticket, of);
        let late_at_us = self.in_ms(self.config.timers.answer_ms_max);
        self.start_timer(late_at_us, Timer::Count(ticket));
        self.emit(Output::CountTotals(ticket, question));
    }

    /// Nobody has counted in time.
    pub(crate) fn count_is_late(&mut self, ticket: Ticket) {
        self.totals_counted(ticket, TotalsVerdict::Unavailable);
    }

    /// The figures that were asked for.
    pub(crate) fn totals_counted(&mut self, ticket: Ticket, verdict: TotalsVerdict) {
        match self.totals.counting.remove(&ticket) {
            None => {}
            Some(Counting::Said(said)) => self.said_counted(*said, verdict),
            Some(Counting::Ask(bank, day)) => self.ask_counted(bank, day, verdict),
        }
    }

    fn said_counted(&mut self, said: Said, verdict: TotalsVerdict) {
        let (ours, as_of) = match verdict {
            TotalsVerdict::Counted { ours, as_of } if !self.is_disk_full => (ours, as_of),
            TotalsVerdict::Counted { .. } => {
                return self.send(said.link, not_compared(&said.message, Code::UNSAFE));
            }
            TotalsVerdict::DayUnknown => {
                return self.send(said.link, not_compared(&said.message, Code::RECONCILE));
            }
            TotalsVerdict::Unavailable => {
                return self.send(said.link, not_compared(&said.message, Code::UNAVAILABLE));
            }
        };
        let totals = Totals { ours, as_of, ..said.totals };
        let answer = compared(&said.message, &totals, said.exponent);
        self.tell_balance(&totals);
        self.append_totals(totals);
        self.leave_below(self.next, Due::Answer(said.link, answer));
    }

    fn tell_balance(&mut self, totals: &Totals) {
        self.event(if totals.ours.agree_with(&totals.theirs) {
            Event::TotalsInBalance(totals.member, totals.day)
        } else {
            Event::TotalsOutOfBalance(totals.member, totals.day)
        });
    }

    fn append_totals(&mut self, totals: Totals) {
        let body = Body::Totals(Box::new(totals));
        let record = Record { at_ms: self.now.wall_ms, transaction: None, suspense: None, spend: None, body };
        self.append(None, record);
    }

    /// Has something leave once every record below a position is durable.
    fn leave_below(&mut self, below: Position, due: Due) {
        if self.durable >= below || mutant::is(Mutant::TotalsAnsweredBeforeDurable) {
            self.pay(due);
        } else {
            self.totals.due.push_back((below, due));
        }
    }

    fn pay(&mut self, due: Due) {
        match due {
            Due::Answer(link, answer) => self.send(link, answer),
            Due::Ask(bank) => self.send_ask(bank),
        }
    }

    pub(crate) fn totals_synced(&mut self) {
        while let Some((below, _)) = self.totals.due.front()
            && *below <= self.durable
        {
            if let Some((_, due)) = self.totals.due.pop_front() {
                self.pay(due);
            }
        }
    }

    /// The newest CUTOVER is durable, or was when the process began: every bank is to be asked for its totals of the days that have ended, the oldest
    /// first, each once what was in flight then has ended too.
    pub(crate) fn ask_totals(&mut self) {
        let open = self.day();
        let banks: Vec<(Institution, bool)> =
            self.config.issuers.iter().map(|(bank, issuer)| (*bank, issuer.totals)).collect();
        for (bank, is_asked) in banks {
            if is_asked {
                self.plan_ask(bank);
            } else {
                self.totals.asked_from.insert(bank, open);
            }
        }
    }

    /// As [`Processor::ask_totals`] at a start: a 0520 that was written down may have left, and a bank that is new owes nothing of days that
    /// the others are through with.
    pub(crate) fn take_up_totals(&mut self) {
        let banks: Vec<(Institution, bool)> =
            self.config.issuers.iter().map(|(bank, issuer)| (*bank, issuer.totals)).collect();
        let asked = banks.iter().filter(|(_, is_asked)| *is_asked);
        let from = asked.filter_map(|(bank, _)| Some(self.standing.totals.asked(*bank)?.day)).min();
        for (bank, _) in banks {
            match (self.standing.totals.asked(bank), from) {
                (Some(asked), _) if asked.step == TotalsStep::Asked => {
                    self.totals.asks.entry(bank).or_default().attempts = 1;
                }
                (None, Some(from)) => {
                    self.totals.asked_from.insert(bank, from);
                }
                _ => {}
            }
        }
        self.ask_totals();
    }

    /// The oldest ended day that a bank was not asked for yet, and how long what was in flight then may still take, milliseconds.
    fn day_to_ask(&self, bank: Institution) -> Option<(Day, u64)> {
        let behind = self.standing.totals.asked(bank).map(|asked| asked.day);
        let from = self.totals.asked_from.get(&bank).copied();
        let wait_ms = self.config.timers.answer_ms_max as i64;
        let ended = self.standing.totals.ended().map(|ended| {
            let left_ms = (ended.at_ms + wait_ms - self.now.wall_ms).clamp(0, wait_ms) as u64;
            (ended.day.unwrap_or(self.config.first_day), left_ms)
        });
        let mut to_ask = ended.filter(|(day, _)| {
            behind.is_none_or(|behind| *day > behind) && from.is_none_or(|from| *day >= from)
        });
        to_ask.next()
    }

    fn is_being_asked(&self, bank: Institution) -> bool {
        self.standing.totals.asked(bank).is_some_and(|asked| asked.step == TotalsStep::Asked)
    }

    /// Has a bank's turn come when the next day may be asked for, or at once where the one that it is asked for is the newest.
    fn plan_ask(&mut self, bank: Institution) {
        match self.day_to_ask(bank) {
            Some((_, left_ms)) => self.ask_again(bank, left_ms),
            None if self.is_being_asked(bank) => self.ask_again(bank, 0),
            None => {}
        }
    }

    /// A CUTOVER is about to have the oldest ended day forgotten: it is given up for whoever was not asked, or has not answered.
    pub(crate) fn give_up_forgotten_day(&mut self) {
        let Some(forgotten) = self.standing.totals.is_next_forgotten() else { return };
        let forgotten = forgotten.day.unwrap_or(self.config.first_day);
        let issuers = self.config.issuers.iter();
        let banks: Vec<Institution> =
            issuers.filter(|(_, issuer)| issuer.totals).map(|(bank, _)| *bank).collect();
        for bank in banks {
            if self.is_being_asked(bank)
                && self.standing.totals.asked(bank).is_some_and(|asked| asked.day <= forgotten)
            {
                self.give_up(bank);
                self.plan_ask(bank);
            }
            if self.day_to_ask(bank).is_some_and(|(day, _)| day <= forgotten) {
                self.event(Event::TotalsUnanswered(bank, forgotten));
                self.give_up_unasked(bank, forgotten);
            }
        }
    }

    fn ask_again(&mut self, bank: Institution, in_ms: u64) {
        let at_us = self.in_ms(in_ms);
        let before = self.totals.asks.entry(bank).or_default().at_us.replace(at_us);
        if let Some(before) = before {
            self.stop_timer(before, Timer::Totals(bank));
        }
        self.start_timer(at_us, Timer::Totals(bank));
    }

    /// A bank's turn has come: what it was asked before is given up where another day has ended since.
    pub(crate) fn totals_timer(&mut self, bank: Institution) {
        let Some(ask) = self.totals.asks.get_mut(&bank) else { return };
        ask.at_us = None;
        if ask.is_counting {
            return;
        }
        match (self.is_being_asked(bank), self.day_to_ask(bank)) {
            (true, None) => self.send_ask(bank),
            (true, Some((_, left_ms))) if left_ms > 0 => self.send_ask(bank),
            (true, Some((day, _))) => {
                self.give_up(bank);
                self.begin_ask(bank, day);
            }
            (false, Some((_, left_ms))) if left_ms > 0 => self.ask_again(bank, left_ms),
            (false, Some((day, _))) => self.begin_ask(bank, day),
            (false, None) => {
                self.totals.asks.remove(&bank);
            }
        }
    }

    fn begin_ask(&mut self, bank: Institution, day: Day) {
        self.totals.asks.entry(bank).or_default().is_counting = true;
        self.count(TotalsQuestion { day, side: Side::Issuer, member: bank }, Counting::Ask(bank, day));
    }

    fn ask_counted(&mut self, bank: Institution, day: Day, verdict: TotalsVerdict) {
        self.totals.asks.entry(bank).or_default().is_counting = false;
        let is_next = self.day_to_ask(bank).is_some_and(|(next, _)| next == day);
        let later_ms = self.config.timers.reversal_repeat_ms_max;
        let (ours, as_of) = match verdict {
            TotalsVerdict::Counted { ours, as_of } if is_next && !self.is_disk_full => (ours, as_of),
            // No record of the log is of this day: nothing can be said of it.
            TotalsVerdict::DayUnknown if is_next => {
                self.give_up_unasked(bank, day);
                return self.plan_ask(bank);
            }
            TotalsVerdict::DayUnknown => return self.plan_ask(bank),
            TotalsVerdict::Counted { .. } | TotalsVerdict::Unavailable => {
                return self.ask_again(bank, if is_next { later_ms } else { 0 });
            }
        };
        let name = self.name_for_totals(bank);
        self.totals.asks.insert(bank, Ask::default());
        self.append_totals(Totals {
            step: TotalsStep::Asked,
            side: Side::Issuer,
            member: bank,
            terminal: None,
            name,
            day,
            as_of,
            ours,
            theirs: Figures::default(),
        });
        self.leave_below(self.next, Due::Ask(bank));
    }

    fn name_for_totals(&mut self, bank: Institution) -> BankIdentity {
        let now = self.now_seconds();
        let names = &self.banks.entry(bank).or_default().names;
        self.standing.next_bank_identity(bank, now, |name| names.contains(&name))
    }

    /// Sends the 0520, or 0521; gives it up when it was sent often enough.
    fn send_ask(&mut self, bank: Institution) {
        let Some(asked) = self.standing.totals.asked(bank).filter(|asked| asked.step == TotalsStep::Asked)
        else {
            return;
        };
        let Some(exponent) = self.amount_exponent(bank) else { return };
        let attempts = self.totals.asks.get(&bank).map_or(0, |ask| ask.attempts);
        let message = question(asked, attempts > 0, self.config.currency, exponent);
        if attempts >= TOTALS_TRIES_MAX {
            self.give_up(bank);
            return self.plan_ask(bank);
        }
        let (min, max) =
            (self.config.timers.reversal_repeat_ms_min, self.config.timers.reversal_repeat_ms_max);
        let number = self.banks.get_mut(&bank).and_then(crate::banks::Bank::next_link);
        let ask = self.totals.asks.entry(bank).or_default();
        ask.has_no_link = number.is_none();
        let Some(number) = number else {
            return self.ask_again(bank, max);
        };
        ask.attempts += 1;
        let pause_ms = min.saturating_mul(1 << attempts.min(20)).min(max);
        self.send(LinkId::Bank(bank, number), message);
        self.ask_again(bank, pause_ms);
    }

    /// A connection to a bank can carry what had none.
    pub(crate) fn totals_link_is_ready(&mut self, bank: Institution) {
        if self.totals.asks.get(&bank).is_some_and(|ask| ask.has_no_link) {
            self.send_ask(bank);
        }
    }

    fn give_up(&mut self, bank: Institution) {
        let Some(asked) = self.standing.totals.asked(bank).cloned() else { return };
        self.event(Event::TotalsUnanswered(bank, asked.day));
        self.end_ask(bank);
        self.append_totals(Totals { step: TotalsStep::GivenUp, ..asked });
    }

    /// A day that a bank was not asked for, and is not going to be. Nothing was counted for it.
    fn give_up_unasked(&mut self, bank: Institution, day: Day) {
        let name = self.name_for_totals(bank);
        self.append_totals(Totals {
            step: TotalsStep::GivenUp,
            side: Side::Issuer,
            member: bank,
            terminal: None,
            name,
            day,
            as_of: 0,
            ours: Figures::default(),
            theirs: Figures::default(),
        });
    }

    fn end_ask(&mut self, bank: Institution) {
        if let Some(at_us) = self.totals.asks.remove(&bank).and_then(|ask| ask.at_us) {
            self.stop_timer(at_us, Timer::Totals(bank));
        }
    }

    /// 0530: a bank's totals, also such as come when they were given up.
    pub(crate) fn totals_answered(
        &mut self,
        link: LinkId,
        bank: Institution,
        name: BankIdentity,
        message: &Message,
    ) {
        let Some(asked) = self.standing.totals.asked(bank).filter(|asked| asked.name == name).cloned() else {
            return self.event(Event::StrayAnswer(link, name));
        };
        if asked.step == TotalsStep::Answered {
            return;
        }
        if message.get(39).is_some_and(|code| code != Code::APPROVED.0) {
            return self.event(Event::FormatError(link, 39));
        }
        let Some(exponent) = self.amount_exponent(bank) else { return };
        let theirs = match figures::read(message, exponent) {
            Ok(theirs) => theirs,
            Err((_, element)) => return self.event(Event::FormatError(link, element)),
        };
        let totals = Totals { step: TotalsStep::Answered, theirs, ..asked };
        self.tell_balance(&totals);
        self.end_ask(bank);
        self.append_totals(totals);
        // Another day may have ended meanwhile.
        self.plan_ask(bank);
    }
}

fn not_compared(message: &Message, code: Code) -> Message {
    let mut answer = messages::bare(message, code);
    answer.set_number(66, NOT_COMPARED, 1);
    answer
}

/// The answer to what a member has said: our figures beside it.
fn compared(message: &Message, totals: &Totals, exponent: u8) -> Message {
    let mut answer = messages::bare(message, Code::APPROVED);
    answer.set(15, &totals.day.to_de15());
    if let Some(currency) = message.get(50) {
        answer.set(50, currency);
    }
    let settlement = if totals.ours.agree_with(&totals.theirs) { IN_BALANCE } else { OUT_OF_BALANCE };
    answer.set_number(66, settlement, 1);
    figures::write(&mut answer, &totals.ours, exponent);
    answer
}

/// The 0520, or 0521, to a bank.
fn question(asked: &Totals, is_repeat: bool, currency: u16, exponent: u8) -> Message {
    let mti = Mti::new(520);
    let mut message = Message::new(if is_repeat { mti.repeat() } else { mti });
    message.set(7, &asked.name.sent_at.to_de7()).set_number(11, u64::from(asked.name.stan), 6);
    message.set(15, &asked.day.to_de15()).set_number(50, u64::from(currency), 3);
    figures::write(&mut message, &asked.ours, exponent);
    message
}
