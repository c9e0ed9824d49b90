//! Bank links: sign-on and echo, requests and their answers, and the reversals that wait for each bank (SAF).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iso8583::Message;
use mutant::Mutant;

use crate::broken;
use crate::ids::{BankIdentity, Code, Day, Institution, TxKey, UtcSeconds};
use crate::io::{Event, Found, LinkId, Lookup, Output, OwnName};
use crate::key_exchange::{KEY_EXCHANGE, KeyOwner};
use crate::lifecycle::{State, Trigger};
use crate::live::{Live, Pause, SafStage};
use crate::messages;
use crate::processor::{FindAsker, Processor, Timer};
use crate::record::{BlockSubject, Carried, Outcome};
use crate::saf::{SafFault, SafFaultSeen, SafFaults};
use crate::unordered::Unordered;
use crate::writes::Fact;

/// A reversal that a bank has refused so often is flagged SUSPENSE; it is sent on all the same.
pub(crate) const REFUSALS_TOLD: u32 = 10;
/// Cutovers, echoes and sign-ons that wait for their 0810 on one connection; beyond it none is asked.
const NETWORK_ASKED_MAX: usize = 8;

const YEAR_S: i64 = 365 * 86_400;

const SIGN_ON: u64 = 1;
const CUTOVER: u64 = 201;
const ECHO: u64 = 301;

/// What the processor holds of a bank.
#[derive(Default)]
pub(crate) struct Bank {
    links: BTreeMap<u8, BankLink>,
    /// Names towards the bank of what is in memory.
    pub(crate) names: Unordered<BankIdentity, TxKey>,
    /// Requests between INTENT and answer.
    pub(crate) asked: Unordered<TxKey, ()>,
    /// Reversals that wait for the window, in the order in which they became durable.
    queue: VecDeque<TxKey>,
    /// Reversals at the bank.
    pub(crate) window: BTreeSet<TxKey>,
    /// All that are owed, by the wall clock of their REVERSAL record: the oldest first.
    pub(crate) owed: BTreeSet<(i64, TxKey)>,
    /// Of these, the ones that rest until their next turn.
    pub(crate) resting: BTreeSet<(i64, TxKey)>,
    /// What went wrong last with a reversal.
    pub(crate) last_fault: Option<SafFaultSeen>,
    /// All that went wrong with reversals since the start.
    pub(crate) faults: SafFaults,
    /// That no connection is there for them is told once, until one is.
    pub(crate) has_told_no_link: bool,
    /// The connection that was used last.
    turn: u8,
}

#[derive(Default)]
struct BankLink {
    is_ready: bool,
    heard_us: u64,
    asked: BTreeMap<BankIdentity, NetworkAsk>,
    timer_us: Option<u64>,
}

struct NetworkAsk {
    code: u64,
    day: Option<Day>,
    by_us: u64,
}

impl Bank {
    /// Some connection can carry transactions.
    pub(crate) fn is_ready(&self) -> bool {
        self.links.values().any(|link| link.is_ready)
    }

    /// The ready connections in turn.
    pub(crate) fn next_link(&mut self) -> Option<u8> {
        let ready = |(number, link): (&u8, &BankLink)| link.is_ready.then_some(*number);
        let after = self.links.range(self.turn.saturating_add(1)..).find_map(ready);
        let next = after.or_else(|| self.links.iter().find_map(ready))?;
        self.turn = next;
        Some(next)
    }
}

impl Processor {
    pub(crate) fn bank_link_up(&mut self, bank: Institution, number: u8) {
        let link = BankLink { heard_us: self.now.mono_us, ..BankLink::default() };
        self.banks.entry(bank).or_default().links.insert(number, link);
        self.ask_network(bank, number, SIGN_ON, None);
    }

    pub(crate) fn bank_link_down(&mut self, bank_id: Institution, number: u8) {
        let Some(bank) = self.banks.get_mut(&bank_id) else { return };
        let Some(link) = bank.links.remove(&number) else { return };
        let is_last = link.is_ready && !bank.is_ready();
        let (asked, window) = if is_last {
            (bank.asked.keys_sorted(), std::mem::take(&mut bank.window))
        } else {
            (Vec::new(), BTreeSet::new())
        };
        if let Some(at_us) = link.timer_us {
            self.stop_timer(at_us, Timer::BankLink(LinkId::Bank(bank_id, number)));
        }
        if link.is_ready {
            self.event(Event::BankAway(LinkId::Bank(bank_id, number)));
        }
        let now_ms = self.now.wall_ms;
        let lost = self.banks.get_mut(&bank_id).filter(|bank| is_last && !bank.owed.is_empty());
        let fault = lost.map(|bank| bank.no_link(now_ms));
        for key in window.into_iter().rev() {
            self.wait_until(key, None);
            self.set_saf_stage(key, SafStage::Queued);
            if let (Some(live), Some(bank)) = (self.live.get_mut(&key), self.banks.get_mut(&bank_id)) {
                live.saf.last_fault = fault;
                if !mutant::is(Mutant::SafWindowLostWithLink) {
                    bank.queue.push_front(key);
                }
            }
        }
        for key in asked {
            let state = self.live.get(&key).map(|live| live.state);
            if state == Some(State::IntentSyncing) {
                self.advance(key, Trigger::BankLinkDown, Fact::Nothing);
            } else if state == Some(State::Sent) && mutant::is(Mutant::LinkDownDeclinesSent) {
                self.advance(key, Trigger::BankDeclines, Fact::Nothing);
            }
        }
    }

    pub(crate) fn bank_says(&mut self, link: LinkId, bank: Institution, message: Message) {
        let LinkId::Bank(_, number) = link else { return };
        let now_us = self.now.mono_us;
        match self.banks.get_mut(&bank).and_then(|bank| bank.links.get_mut(&number)) {
            Some(known) => known.heard_us = now_us,
            None => return,
        }
        let mti = message.mti().value();
        if mti == 800 && message.number(70) == Some(KEY_EXCHANGE) {
            return self.exchange_key(link, KeyOwner::Bank(bank), message);
        }
        if mti == 800 {
            return self.send(link, messages::bare(&message, Code::APPROVED));
        }
        if matches!(mti, 520 | 521) {
            return self.issuer_totals(link, bank, message);
        }
        let Some(identity) = self.bank_identity(bank, &message) else {
            return self.event(Event::FormatError(link, if message.has(11) { 7 } else { 11 }));
        };
        match mti {
            810 if self.key_answered(KeyOwner::Bank(bank), &message) => {}
            810 => self.network_answer(bank, number, identity, &message),
            530 => self.totals_answered(link, bank, identity, &message),
            210 | 430 => self.bank_answer(link, bank, identity, message),
            _ => self.event(Event::FormatError(link, 0)),
        }
    }

    /// A name towards a bank that nothing else has.
    pub(crate) fn new_bank_identity(&mut self, bank_id: Institution) -> BankIdentity {
        let now = self.now_seconds();
        let names = self.banks.get(&bank_id).map(|bank| &bank.names);
        let is_taken = |name: BankIdentity| names.is_some_and(|names| names.contains(&name));
        self.standing.next_bank_identity(bank_id, now, is_taken)
    }

    /// A connection that can carry what is for a bank.
    pub(crate) fn ready_link(&mut self, bank_id: Institution) -> Option<LinkId> {
        let number = self.banks.get_mut(&bank_id)?.next_link()?;
        Some(LinkId::Bank(bank_id, number))
    }

    /// Its DE7 has no year. No name lies above the one that the bank was last given, also where a clock that ran ahead has put that
    /// one ahead of the clock: it is the latest one up to there, or one of the year before where such a name waits, for a reversal
    /// may be owed for longer.
    fn bank_identity(&self, bank_id: Institution, message: &Message) -> Option<BankIdentity> {
        let (de7, stan) = (message.get(7)?, message.number(11)? as u32);
        let last = self.standing.banks.get(&bank_id).map_or_else(|| self.now_seconds(), |last| last.sent_at);
        let near = |at: i64| Some(BankIdentity { sent_at: UtcSeconds::from_de7(de7, UtcSeconds(at))?, stan });
        let names = [near(last.0), near(last.0 - YEAR_S), near(last.0 - 2 * YEAR_S)];
        let mut names = names.into_iter().flatten().filter(|name| name.sent_at <= last);
        let latest = names.next().or_else(|| near(last.0))?;
        let is_waited_for = |name: &BankIdentity| self.waits_at_bank(bank_id, *name);
        Some(if is_waited_for(&latest) { latest } else { names.find(is_waited_for).unwrap_or(latest) })
    }

    /// Whether an answer of that name is waited for.
    fn waits_at_bank(&self, bank_id: Institution, name: BankIdentity) -> bool {
        let of_network = |bank: &Bank| bank.links.values().any(|link| link.asked.contains_key(&name));
        self.banks.get(&bank_id).is_some_and(|bank| bank.names.contains(&name) || of_network(bank))
            || self.standing.totals.asked(bank_id).is_some_and(|asked| asked.name == name)
    }

    /// Sends a 0800 and waits for its 0810.
    fn ask_network(&mut self, bank_id: Institution, number: u8, code: u64, day: Option<Day>) {
        let now = self.now_seconds();
        let by_us = self.in_ms(self.config.timers.network_response_ms_max);
        let Some(bank) = self.banks.get_mut(&bank_id) else { return };
        let identity = self.standing.next_bank_identity(bank_id, now, |name| bank.names.contains(&name));
        let Some(link) = bank.links.get_mut(&number).filter(|link| link.asked.len() < NETWORK_ASKED_MAX)
        else {
            return;
        };
        link.asked.insert(identity, NetworkAsk { code, day, by_us });
        self.send(LinkId::Bank(bank_id, number), messages::network(code, identity, day));
        self.set_bank_link_timer(bank_id, number);
    }

    fn network_answer(
        &mut self,
        bank_id: Institution,
        number: u8,
        identity: BankIdentity,
        message: &Message,
    ) {
        let id = LinkId::Bank(bank_id, number);
        let Some(link) = self.banks.get_mut(&bank_id).and_then(|bank| bank.links.get_mut(&number)) else {
            return;
        };
        let Some(ask) = link.asked.remove(&identity) else {
            return self.event(Event::StrayAnswer(id, identity));
        };
        let is_approved = message.get(39) == Some(&Code::APPROVED.0);
        match (ask.code, is_approved) {
            (SIGN_ON, true) => {
                link.is_ready = true;
                if let Some(bank) = self.banks.get_mut(&bank_id) {
                    bank.has_told_no_link = false;
                }
                self.event(Event::BankReady(id));
                self.pump(bank_id);
                self.totals_link_is_ready(bank_id);
            }
            (SIGN_ON, false) => self.emit(Output::Close(id)),
            (CUTOVER, true) => {
                if let Some(day) = ask.day {
                    self.event(Event::CutoverAcknowledged(bank_id, day));
                }
            }
            (_, _) => {}
        }
        self.set_bank_link_timer(bank_id, number);
    }

    /// Tells every bank that can be reached of the new business day, once.
    pub(crate) fn tell_cutover(&mut self, day: Day) {
        let reached: Vec<(Institution, u8)> =
            self.banks.iter_mut().filter_map(|(id, bank)| Some((*id, bank.next_link()?))).collect();
        for (bank, number) in reached {
            self.ask_network(bank, number, CUTOVER, Some(day));
        }
    }

    fn set_bank_link_timer(&mut self, bank_id: Institution, number: u8) {
        let echo_us = self.config.timers.echo_interval_ms * 1000;
        let timer = Timer::BankLink(LinkId::Bank(bank_id, number));
        let Some(link) = self.banks.get_mut(&bank_id).and_then(|bank| bank.links.get_mut(&number)) else {
            return;
        };
        let answer_us = link.asked.values().map(|ask| ask.by_us).min();
        let at_us = answer_us.unwrap_or(u64::MAX).min(link.heard_us + echo_us);
        let before = link.timer_us.replace(at_us);
        if let Some(before) = before {
            self.stop_timer(before, timer);
        }
        self.start_timer(at_us, timer);
    }

    /// A 0800 without its answer closes the connection; one that was silent is asked with an echo.
    pub(crate) fn bank_link_timer(&mut self, id: LinkId) {
        let LinkId::Bank(bank_id, number) = id else { return };
        let echo_us = self.config.timers.echo_interval_ms * 1000;
        let now_us = self.now.mono_us;
        let Some(link) = self.banks.get_mut(&bank_id).and_then(|bank| bank.links.get_mut(&number)) else {
            return;
        };
        link.timer_us = None;
        if link.asked.values().any(|ask| ask.by_us <= now_us) {
            return self.emit(Output::Close(id));
        }
        if link.heard_us + echo_us <= now_us {
            // The next echo is an interval away whether or not this one is answered: its own deadline stands beside it.
            link.heard_us = now_us;
            self.ask_network(bank_id, number, ECHO, None);
        }
        self.set_bank_link_timer(bank_id, number);
    }

    /// INTENT is durable: the 0200 leaves.
    pub(crate) fn ask_bank(&mut self, key: TxKey) {
        let now_us = self.now.mono_us;
        let Some(live) = self.live.get_mut(&key) else { return };
        let Some(bank_id) = live.transaction.bank() else { return };
        live.stages.asked = now_us;
        let issuer = self.config.issuers.get(&bank_id);
        let pin = live.pin.take();
        let mut message = issuer.and_then(|issuer| {
            messages::bank_request(&live.transaction, issuer.amount_exponent, pin.as_ref())
        });
        if mutant::is(Mutant::DayOfSending) {
            message = message.map(|message| broken::with_day(message, self.day()));
        }
        let number = self.banks.get_mut(&bank_id).and_then(Bank::next_link);
        // Without a connection the deadline decides, as for a message that is lost on its way.
        if let (Some(message), Some(number)) = (message, number) {
            self.send(LinkId::Bank(bank_id, number), message);
        }
    }

    /// 0210 or 0430.
    fn bank_answer(&mut self, link: LinkId, bank_id: Institution, identity: BankIdentity, message: Message) {
        let by_stan = mutant::is(Mutant::AnswersByStanAlone);
        let identity = if by_stan { self.named_by_stan(bank_id, identity) } else { identity };
        let known = self.banks.get(&bank_id).and_then(|bank| bank.names.get(&identity)).copied();
        let of_any = mutant::is(Mutant::AnswerFromAnotherBank);
        let known = if of_any { known.or(self.named_by_any_bank(identity)) } else { known };
        match known {
            Some(key) => self.bank_answer_for(key, link, identity, message),
            None => {
                let own = OwnName::Bank(bank_id, identity);
                let lookup = Lookup { own, original: None, used: None, accounts_of: None };
                let late_at_us = self.in_ms(self.config.timers.answer_ms_max);
                self.ask_log(lookup, FindAsker::BankAnswer(link, Box::new(message)), late_at_us);
            }
        }
    }

    pub(crate) fn bank_answer_found(&mut self, link: LinkId, message: Message, found: Found) {
        let LinkId::Bank(bank_id, _) = link else { return };
        let Some(identity) = self.bank_identity(bank_id, &message) else { return };
        let Some(transaction) = found.own.filter(|transaction| transaction.bank() == Some(bank_id)) else {
            return self.event(Event::StrayAnswer(link, identity));
        };
        let key = transaction.key;
        if self.is_stale(key, found.as_of) {
            return self.bank_answer(link, bank_id, identity, message);
        }
        self.live.get_or_insert_with(key, || Box::new(Live::new(*transaction)));
        self.bank_answer_for(key, link, identity, message);
        self.release(key);
    }

    fn bank_answer_for(&mut self, key: TxKey, link: LinkId, identity: BankIdentity, message: Message) {
        let Some(live) = self.live.get(&key) else { return };
        let transaction = &live.transaction;
        let is_request = transaction.sent.as_ref().is_some_and(|sent| sent.identity == identity);
        let is_reversal = transaction.reversal.as_ref().is_some_and(|reversal| reversal.identity == identity);
        match message.mti().value() {
            210 if is_request && live.state != State::IntentSyncing => {
                self.request_answered(key, link, &message)
            }
            430 if is_reversal => self.reversal_answered(key, link, &message),
            _ => self.event(Event::StrayAnswer(link, identity)),
        }
    }

    fn request_answered(&mut self, key: TxKey, link: LinkId, message: &Message) {
        let LinkId::Bank(bank_id, _) = link else { return };
        let Some(exponent) = self.amount_exponent(bank_id) else { return };
        let Some(live) = self.live.get_mut(&key) else { return };
        let echoes = messages::echoes(message, &live.transaction, exponent);
        // What names no code refuses nothing either: it is no answer of this request's, as one with another amount.
        let code = message.get(39).and_then(Code::parse);
        let (code, echoes) = (code.unwrap_or(Code::UNSAFE), echoes && code.is_some());
        let trigger = match (code, echoes) {
            (Code::APPROVED, true) => Trigger::BankApproves,
            (Code::APPROVED, false) => Trigger::BankApprovesOther,
            (Code::DUPLICATE, true) if !mutant::is(Mutant::SawTwiceIsDecline) => Trigger::BankSawTwice,
            (_, true) => Trigger::BankDeclines,
            (_, false) => Trigger::BankDeclinesOther,
        };
        let says_the_same = trigger == Trigger::BankApproves && live.transaction.approval_seen;
        let state = live.state;
        if state == State::Sent {
            live.stages.bank_answered = self.now.mono_us;
        }
        if !echoes {
            self.event(Event::OtherEcho(key));
        }
        let has_ended = !matches!(state, State::Sent);
        if says_the_same && state != State::Reversed {
            return self.stray(link, message);
        }
        if has_ended && trigger != Trigger::BankSawTwice {
            match (state, trigger) {
                (State::OutcomeSyncing | State::Approved | State::Completed, _) => {
                    self.event(Event::BankSaysOtherwise(key));
                }
                (_, Trigger::BankApproves | Trigger::BankApprovesOther) => {
                    self.event(Event::LateApproval(key))
                }
                (_, _) => self.stray(link, message),
            }
        }
        let mut carried = Carried::default();
        for element in [54, 62] {
            if let Some(value) = message.get(element) {
                carried.set(element, value);
            }
        }
        let approval = message.get(38).and_then(|approval| approval.try_into().ok());
        let outcome = Box::new(Outcome { approval, carried });
        self.advance(key, trigger, Fact::Bank { code, outcome });
    }

    fn stray(&mut self, link: LinkId, message: &Message) {
        let LinkId::Bank(bank_id, _) = link else { return };
        if let Some(identity) = self.bank_identity(bank_id, message) {
            self.event(Event::StrayAnswer(link, identity));
        }
    }

    fn reversal_answered(&mut self, key: TxKey, link: LinkId, message: &Message) {
        let LinkId::Bank(bank_id, _) = link else { return };
        let Some(issuer) = self.config.issuers.get(&bank_id) else { return };
        let (exponent, has_tombstones) = (issuer.amount_exponent, issuer.tombstones);
        let Some(live) = self.live.get_mut(&key) else { return };
        if !messages::echoes(message, &live.transaction, exponent) {
            self.saf_fault(key, SafFault::OtherEcho);
            return self.event(Event::OtherEcho(key));
        }
        let code = message.get(39).and_then(Code::parse).unwrap_or(Code::UNSAFE);
        let is_approval_seen =
            live.transaction.approval_seen && !mutant::is(Mutant::UnknownBelievedThoughApproved);
        let saf = &mut live.saf;
        let trigger = match code {
            Code::APPROVED => Trigger::Acknowledged,
            Code::ORIGINAL_UNKNOWN if is_approval_seen => Trigger::UnknownThoughApproved,
            Code::ORIGINAL_UNKNOWN if has_tombstones => Trigger::UnknownTombstoned,
            Code::ORIGINAL_UNKNOWN if mutant::is(Mutant::UnknownEndsReversal) => Trigger::UnknownTombstoned,
            // Said twice of what was sent once: the second 25 has to answer a 0421 behind the bank's own timer.
            Code::ORIGINAL_UNKNOWN if saf.waits_for_bank_timer() => {
                return self.stray(link, message);
            }
            Code::ORIGINAL_UNKNOWN => {
                saf.unknowns += 1;
                saf.unknown_at = saf.attempts;
                if saf.unknowns == 1 { Trigger::UnknownFirst } else { Trigger::UnknownSecond }
            }
            _ => {
                saf.refusals += 1;
                if saf.refusals == REFUSALS_TOLD {
                    Trigger::ReversalRefusedOften
                } else {
                    Trigger::ReversalRefused
                }
            }
        };
        if matches!(
            trigger,
            Trigger::ReversalRefused | Trigger::ReversalRefusedOften | Trigger::UnknownThoughApproved
        ) {
            self.event(Event::ReversalRefused(key, code));
        }
        let is_owed = self.live.get(&key).is_some_and(|live| live.state == State::Reversing);
        if is_owed && !matches!(trigger, Trigger::Acknowledged | Trigger::UnknownTombstoned) {
            self.saf_fault(key, SafFault::Refused(code));
        }
        self.advance(key, trigger, Fact::Acknowledged(code));
    }

    /// The bank's code as the terminal is told it: by the bank's table, as it is where the terminal knows it, else 57.
    pub(crate) fn bank_code_for_terminal(&self, key: TxKey, code: Code) -> Code {
        let bank = self.live.get(&key).and_then(|live| live.transaction.bank());
        let mapped =
            bank.and_then(|bank| self.config.issuers.get(&bank)).and_then(|issuer| issuer.codes.get(&code));
        match mapped {
            Some(mapped) => *mapped,
            None if Code::FROM_BANKS.contains(&code) => code,
            None => Code::NOT_PERMITTED,
        }
    }

    /// A durable reversal joins its bank's queue, or comes back to it.
    pub(crate) fn enqueue_reversal(&mut self, key: TxKey) {
        let Some(live) = self.live.get_mut(&key).filter(|live| live.state == State::Reversing) else {
            return;
        };
        let Some(bank_id) = live.transaction.bank() else { return };
        self.set_saf_stage(key, SafStage::Queued);
        let now_ms = self.now.wall_ms;
        let bank = self.banks.entry(bank_id).or_default();
        bank.queue.push_back(key);
        if !bank.is_ready() {
            let fault = bank.no_link(now_ms);
            if let Some(live) = self.live.get_mut(&key) {
                live.saf.last_fault = live.saf.last_fault.or(Some(fault));
            }
        }
        self.pump(bank_id);
    }

    /// Sends reversals as far as the window and the connections allow.
    pub(crate) fn pump(&mut self, bank_id: Institution) {
        let Some(issuer) = self.config.issuers.get(&bank_id) else { return };
        if mutant::is(Mutant::BlockStopsReversals)
            && self.standing.blocks.contains(&BlockSubject::Bank(bank_id))
        {
            return;
        }
        let (window_max, exponent) = (issuer.reversals_in_flight_max, issuer.amount_exponent);
        let now = self.now_seconds();
        let silence_us = self.in_ms(self.config.timers.reversal_repeat_ms_min);
        let again_us = self.in_ms(self.config.timers.reversal_repeat_ms_max);
        loop {
            let Some(bank) = self.banks.get_mut(&bank_id) else { return };
            if bank.window.len() >= window_max || !bank.is_ready() {
                return;
            }
            let Some(key) = bank.queue.pop_front() else { return };
            let Some(live) = self.live.get_mut(&key) else { continue };
            if live.state != State::Reversing || live.saf.stage != SafStage::Queued {
                continue;
            }
            if live.unsynced.is_some() {
                live.reversal_due = true;
                self.set_saf_stage(key, SafStage::Idle);
                continue;
            }
            let is_repeat = live.saf.attempts > 0;
            if is_repeat && mutant::is(Mutant::FreshReversalIdentity) {
                let identity = self.standing.next_bank_identity(bank_id, now, |_| false);
                broken::rename_reversal(live, bank, identity);
            }
            let Some(message) = messages::bank_reversal(&live.transaction, exponent, is_repeat) else {
                self.saf_fault(key, SafFault::Unsendable);
                self.set_saf_stage(key, SafStage::Resting);
                self.event(Event::ReversalUnsendable(key));
                self.wait_until(key, Some(again_us));
                continue;
            };
            let Some(number) = bank.next_link() else { return };
            bank.window.insert(key);
            live.saf.attempts += 1;
            self.set_saf_stage(key, SafStage::Asked);
            self.send(LinkId::Bank(bank_id, number), message);
            self.wait_until(key, Some(silence_us));
        }
    }

    /// The next 0421 comes after a pause.
    pub(crate) fn rest_reversal(&mut self, key: TxKey, pause: Pause) {
        let timers = &self.config.timers;
        let (min, max) = (timers.reversal_repeat_ms_min, timers.reversal_repeat_ms_max);
        let issuer_own_timer_ms = timers.issuer_own_timer_ms;
        let Some(live) = self.live.get_mut(&key) else { return };
        let doubled = min.saturating_mul(1 << live.saf.attempts.saturating_sub(1).min(20)).min(max);
        let pause_ms = match pause {
            Pause::Silence => doubled.saturating_sub(min),
            Pause::Refusal => doubled,
            Pause::BankTimer => issuer_own_timer_ms,
        };
        let bank = live.transaction.bank();
        let is_dropped = live.saf.attempts >= 3 && mutant::is(Mutant::ReversalDroppedAfterTries);
        let at_us = self.in_ms(pause_ms);
        self.set_saf_stage(key, SafStage::Resting);
        if let Some(bank_id) = bank {
            if let Some(bank) = self.banks.get_mut(&bank_id) {
                bank.window.remove(&key);
            }
            self.pump(bank_id);
        }
        self.wait_until(key, Some(at_us).filter(|_| !is_dropped));
    }

    /// The reversal is over.
    pub(crate) fn leave_queue(&mut self, key: TxKey, bank: Option<Institution>) {
        self.leave_owed(key);
        if let Some(live) = self.live.get_mut(&key) {
            live.saf = Default::default();
        }
        let Some(bank_id) = bank else { return };
        if let Some(bank) = self.banks.get_mut(&bank_id) {
            bank.window.remove(&key);
        }
        self.pump(bank_id);
    }
}
