//! 0100, 0200 and 0201: from arrival to the question put to verifier or bank.

use credential::{Proof, Pseudonym, Reference};
use iso8583::Message;
use mutant::Mutant;

use crate::amount;
use crate::config::TerminalConfig;
use crate::ids::{Class, Code, Day, Institution, TerminalId, TxKey};
use crate::intake::{self, Incoming};
use crate::io::{
    Authenticity, Event, Found, LinkId, LinkedAccount, Lookup, Output, OwnName, Ticket, Used, Verdict,
    VerifyRequest,
};
use crate::key_exchange::KeyOwner;
use crate::lifecycle::{State, Trigger};
use crate::live::{Asker, Live, Work};
use crate::messages;
use crate::pin::PinStage;
use crate::processor::{BLOCKED_PER_TRANSACTION_MAX, FindAsker, Processor, Timer};
use crate::record::{BlockSubject, Evidence, Kind};
use crate::standing::{LiveReference, REFERENCES_MAX};
use crate::transaction::Transaction;
use crate::used_proofs::{PROOF_AGE_MS_MAX, ProofRefusal};
use crate::writes::{Fact, counts_against_limits};

/// A reference whose money transaction was declined with one of these serves again: a wrong PIN or too large an amount
/// does not send the citizen back to the camera.
const SERVES_AGAIN_AFTER: [Code; 3] = [Code::FUNDS, Code::WRONG_PIN, Code::OVER_AMOUNT];
/// For so long after a start requests may come that were signed before it: DE7 of a proof is no older
/// (docs/interface.md#proof).
const FORGOTTEN_SEEDS_MS: u64 = PROOF_AGE_MS_MAX as u64;
/// INTENTs that one reference can be consumed by, in all.
const REFERENCE_INTENTS_MAX: usize = 3;

impl Processor {
    /// A message from any link.
    pub(crate) fn received(
        &mut self,
        link: LinkId,
        message: Message,
        authenticity: Authenticity,
        citizen: Option<Pseudonym>,
    ) {
        match authenticity {
            Authenticity::Authentic => {}
            Authenticity::Forged if mutant::is(Mutant::ForgedAnswerAccepted) => {}
            Authenticity::Foreign if !mutant::is(Mutant::ForeignAnswered) => {
                return self.event(Event::Forged(link));
            }
            Authenticity::Forged | Authenticity::Foreign => {
                self.event(Event::Forged(link));
                if matches!(link, LinkId::Terminal(_)) && !message.mti().is_response() {
                    self.send(link, messages::bare(&message, Code::PROOF));
                }
                return;
            }
        }
        match link {
            LinkId::Terminal(_) => self.terminal_says(link, message, citizen),
            LinkId::Bank(bank, _) => self.bank_says(link, bank, message),
        }
    }

    fn terminal_says(&mut self, link: LinkId, message: Message, citizen: Option<Pseudonym>) {
        let terminal_id = message.get(41).and_then(TerminalId::parse);
        let Some((terminal_id, terminal)) =
            terminal_id.and_then(|id| Some((id, self.config.terminals.get(&id)?.clone())))
        else {
            self.event(Event::FormatError(link, 41));
            self.emit(Output::Close(link));
            return;
        };
        if message.mti().value() == 810 && self.key_answered(KeyOwner::Terminal(terminal_id), &message) {
            return;
        }
        if message.mti().is_response() {
            self.event(Event::FormatError(link, 0));
            return;
        }
        if message.mti().value() == 800 {
            return self.terminal_network(link, terminal_id, &terminal, message);
        }
        if matches!(message.mti().value(), 500 | 501) {
            return self.acquirer_totals(link, terminal_id, &terminal, message);
        }
        let Some(class) = Class::of_mti(message.mti().value()) else {
            let answer = messages::bare(&message, Code::FUNCTION_UNKNOWN);
            return self.send(link, answer);
        };
        if matches!(class, Class::Verification | Class::Financial)
            && self.turns_away(link, &message, class, terminal_id, &terminal)
        {
            return;
        }
        match intake::read(message, link, citizen, &terminal, self.now, self.arrived_us) {
            Ok(mut incoming) => {
                incoming.session = self.session(terminal_id, link);
                if incoming.key.class == Class::Financial {
                    self.status_of_last(&incoming.message, incoming.key, &terminal);
                }
                self.admit(incoming);
            }
            Err((element, message)) => {
                self.event(Event::FormatError(link, element));
                self.send(link, messages::bare(&message, Code::FORMAT));
            }
        }
    }

    /// Lets a keyed message in: to what is in memory, behind what is being looked up, or to the log.
    pub(crate) fn admit(&mut self, incoming: Box<Incoming>) {
        let subject = incoming.subject();
        if let Some(queue) = self.blocked.get_mut(&subject) {
            if queue.len() < BLOCKED_PER_TRANSACTION_MAX {
                queue.push_back(incoming);
            }
            return;
        }
        let is_request = incoming.content.original.is_none();
        if is_request && self.live.contains(&incoming.key) {
            return self.repeated_request(incoming);
        }
        if !is_request && self.is_known_advice(&incoming) {
            return self.repeated_advice(incoming);
        }
        let is_shed = is_request
            && (self.is_shed(&incoming.key) || self.refused_full.holds(self.now.mono_us, &incoming.key));
        let needs_room = is_request || mutant::is(Mutant::AdviceShed);
        if is_shed || needs_room && !self.has_room_for(incoming.key.terminal) {
            return self.shed_request(incoming.key, incoming.link, &incoming.message);
        }
        let wants_use = incoming.kind.is_some_and(counts_against_limits) && is_request;
        let lookup = Lookup {
            own: OwnName::Key(incoming.key),
            // What is in memory is newer than all that the log could say of it.
            original: incoming.content.original.filter(|original| !self.live.contains(original)),
            used: wants_use.then_some((incoming.content.citizen, self.day())),
            accounts_of: (is_request && incoming.pan.is_some()).then_some(incoming.content.citizen),
        };
        if is_request {
            self.in_flight.insert(incoming.key);
        }
        self.blocked.insert(subject, Default::default());
        let late_at_us = incoming.arrived_us.saturating_add(self.config.timers.answer_ms_max * 1000);
        self.ask_log(lookup, FindAsker::Incoming(incoming), late_at_us);
    }

    /// Its 91 may be under way still: it is refused again.
    fn is_shed(&mut self, key: &TxKey) -> bool {
        self.shed.holds(self.now.mono_us, key) && !mutant::is(Mutant::ShedKeyExecuted)
    }

    /// Answers a new request with 91 before it is read, where there is more to do than can be done. What is known in memory
    /// goes on: it is no new work, and may have another answer.
    fn turns_away(
        &mut self,
        link: LinkId,
        message: &Message,
        class: Class,
        terminal_id: TerminalId,
        terminal: &TerminalConfig,
    ) -> bool {
        let waited_us = self.now.mono_us - self.arrived_us;
        let is_let_in = self.queue_wait.admits(self.now.mono_us, waited_us) && self.has_room_for(terminal_id);
        if is_let_in && self.shed.is_empty() {
            return false;
        }
        let Ok(key) = intake::key(message, class, self.now_seconds()) else { return false };
        if is_let_in && !self.is_shed(&key) {
            return false;
        }
        if self.live.contains(&key) || self.blocked.contains(&key) {
            return false;
        }
        // What a 0200 says of the transaction before it is an advice, and never shed.
        if class == Class::Financial {
            self.status_of_last(message, key, terminal);
        }
        self.shed_request(key, Some(link), message);
        true
    }

    fn has_room_for(&self, terminal: TerminalId) -> bool {
        let limits = &self.config.limits;
        self.in_flight.len() < limits.in_flight_max
            && self.in_flight.of(terminal) < limits.terminal_in_flight_max
    }

    /// Refuses a request that there is no room for, with 91 and unrecorded: nothing keyed has begun. Its key is refused
    /// again for as long as its terminal may repeat it, with the code that it was refused with first.
    fn shed_request(&mut self, key: TxKey, link: Option<LinkId>, message: &Message) {
        let now_us = self.now.mono_us;
        if self.refused_full.holds(now_us, &key) {
            return self.answer_unrecorded(key, link, message, Code::UNSAFE);
        }
        if self.ended.holds(now_us, &key) {
            // Its answer stands in the log, which has not been asked.
            return;
        }
        if !self.shed.holds(now_us, &key) {
            // A repeat may have its answer in the log, which has not been asked: silence contradicts none.
            let wait_us = self.config.timers.terminal_wait_ms.saturating_mul(1000);
            if message.mti().is_repeat() || !self.shed.insert(now_us, wait_us, &key) {
                return;
            }
        }
        self.answer_unrecorded(key, link, message, Code::UNAVAILABLE);
    }

    /// Refuses a request of which the log knows nothing while it takes only what ends transactions.
    fn refuse_on_full_disk(&mut self, key: TxKey, link: Option<LinkId>, message: &Message) {
        let wait_us = self.config.timers.terminal_wait_ms.saturating_mul(1000);
        if self.refused_full.insert(self.now.mono_us, wait_us, &key) {
            self.answer_unrecorded(key, link, message, Code::UNSAFE);
        }
    }

    fn answer_unrecorded(&mut self, key: TxKey, link: Option<LinkId>, message: &Message, code: Code) {
        self.event(Event::Shed(key));
        if let Some(link) = link {
            self.send(link, messages::bare(message, code));
        }
    }

    /// The log's answer.
    pub(crate) fn found(&mut self, ticket: Ticket, found: Found) {
        let Some(find) = self.finds.remove(&ticket) else { return };
        self.stop_find_timer(ticket, &find.asker);
        match find.asker {
            FindAsker::Incoming(incoming) => {
                let subject = incoming.subject();
                let original = incoming.content.original;
                // An original that was in memory when the log was asked can have left it since.
                let is_missed =
                    original.is_some() && find.lookup.original.is_none() && !self.live.contains(&subject);
                if is_missed || self.is_stale(subject, found.as_of) {
                    let late_at_us = incoming.arrived_us + self.config.timers.answer_ms_max * 1000;
                    let lookup = Lookup { original, ..find.lookup };
                    return self.ask_log(lookup, FindAsker::Incoming(incoming), late_at_us);
                }
                let waiting = self.blocked.remove(&subject).unwrap_or_default();
                if incoming.content.original.is_some() {
                    self.advice_found(incoming, found);
                } else {
                    self.request_found(incoming, found, self.now.mono_us.saturating_sub(find.asked_us));
                }
                for next in waiting {
                    self.admit(next);
                }
            }
            FindAsker::Limits(key) => self.limits_found(key, &found),
            FindAsker::BankAnswer(link, message) => self.bank_answer_found(link, *message, found),
            FindAsker::Owed(key) => self.owed_found(key, &found),
            FindAsker::AskedAgain(key, said) => self.asked_again_found(key, *said, found),
            FindAsker::Resolution(ticket, key, resolution) => {
                self.resolution_found(ticket, key, *resolution, found);
            }
        }
        self.forget_answered_finds();
    }

    fn stop_find_timer(&mut self, ticket: Ticket, asker: &FindAsker) {
        if let FindAsker::Incoming(incoming) = asker {
            let late_at_us = incoming.arrived_us.saturating_add(self.config.timers.answer_ms_max * 1000);
            self.stop_timer(late_at_us, Timer::Find(ticket));
        }
    }

    /// The log has not answered in time: 91 for a request, silence for the others, whose senders repeat.
    pub(crate) fn find_is_late(&mut self, ticket: Ticket) {
        let Some(find) = self.finds.remove(&ticket) else { return };
        match find.asker {
            FindAsker::Incoming(incoming) => {
                self.in_flight.remove(&incoming.key);
                let waiting = self.blocked.remove(&incoming.subject()).unwrap_or_default();
                if incoming.content.original.is_none() {
                    self.shed_request(incoming.key, incoming.link, &incoming.message);
                }
                for next in waiting {
                    self.admit(next);
                }
            }
            FindAsker::Limits(key) => self.refuse(key, Code::UNAVAILABLE),
            // The next round asks again.
            FindAsker::BankAnswer(..) | FindAsker::Owed(_) | FindAsker::AskedAgain(..) => {}
            FindAsker::Resolution(ticket, key, _) => self.resolution_late(ticket, key),
        }
        self.forget_answered_finds();
    }

    fn request_found(&mut self, incoming: Box<Incoming>, mut found: Found, waited_us: u64) {
        if self.live.contains(&incoming.key) {
            return self.repeated_request(incoming);
        }
        found.own.take_if(|_| mutant::is(Mutant::RepeatsExecuted));
        let is_burnt = |own: &mut Box<Transaction>| own.state == State::Tombstone;
        found.own.take_if(|own| is_burnt(own) && mutant::is(Mutant::TombstoneDoesNotStopRequest));
        if let Some(transaction) = found.own {
            self.in_flight.remove(&incoming.key);
            self.live.insert(incoming.key, Box::new(Live::new(*transaction)));
            return self.repeated_request(incoming);
        }
        let age_ms = (incoming.key.sent_at.0 * 1000 - self.now.wall_ms).unsigned_abs();
        if age_ms > self.config.timers.request_age_ms_max {
            self.in_flight.remove(&incoming.key);
            if let Some(link) = incoming.link {
                self.event(Event::FormatError(link, 7));
                self.send(link, messages::bare(&incoming.message, Code::FORMAT));
            }
            return;
        }
        let key = incoming.key;
        if !self.find_wait.admits(self.now.mono_us, waited_us) {
            self.in_flight.remove(&key);
            return self.shed_request(key, incoming.link, &incoming.message);
        }
        if self.is_disk_full {
            // The log knows nothing of it, so nothing keyed has begun: what is left of the disk is for what has.
            self.in_flight.remove(&key);
            return self.refuse_on_full_disk(key, incoming.link, &incoming.message);
        }
        self.begin(incoming, &found);
        match self.check_request(key, &found) {
            Ok(()) => self.wait_for_verdict(key),
            Err(code) => self.refuse(key, code),
        }
    }

    /// VERIFYING: in memory only.
    fn begin(&mut self, incoming: Box<Incoming>, found: &Found) {
        let key = incoming.key;
        let rrn = incoming.message.get(37).and_then(crate::ids::Rrn::parse);
        let rrn = rrn.unwrap_or_else(|| self.standing.next_rrn(self.now.wall_ms));
        let mut transaction = Transaction::new(key);
        transaction.request = incoming.request(rrn, &self.config);
        let mut live = Live::new(transaction);
        live.state = State::Verifying;
        live.answer_by_us = incoming.arrived_us.saturating_add(self.config.timers.answer_ms_max * 1000);
        live.stages.arrived = incoming.arrived_us;
        live.stages.taken = incoming.taken_us;
        live.stages.found = self.now.mono_us;
        let Incoming { link, message, kind, pan, content, fraction, session, .. } = *incoming;
        live.asker = link.map(|link| Asker { link, message });
        live.work = Some(Box::new(Work {
            kind,
            pan,
            content,
            fraction,
            session,
            account: None,
            accounts: if kind == Some(Kind::Verification) { found.accounts.clone() } else { Vec::new() },
            reference: None,
            biometric_matched: false,
            evidence: None,
            pin: PinStage::NotAsked,
            reserved: None,
        }));
        self.live.insert(key, Box::new(live));
    }

    /// The wait of a request that is still being verified; a reference has verified it at once, and its PIN has a wait of its
    /// own.
    fn wait_for_verdict(&mut self, key: TxKey) {
        let registry_by_us = self.in_ms(self.config.timers.registry_ms_max);
        let live = self.live.get(&key).filter(|live| live.state == State::Verifying);
        let waits_for_pin = live
            .and_then(|live| live.work.as_ref())
            .is_some_and(|work| matches!(work.pin, PinStage::Asked(_)));
        let live = live.filter(|_| !waits_for_pin);
        if let Some(answer_by_us) = live.map(|live| live.answer_by_us) {
            self.wait_until(key, Some(answer_by_us.min(registry_by_us)));
        }
    }

    /// Everything that can be judged before the verifier is asked; then asks it, or goes on with a reference.
    fn check_request(&mut self, key: TxKey, found: &Found) -> Result<(), Code> {
        if self.is_draining {
            return Err(Code::UNAVAILABLE);
        }
        let work = self.work(key);
        let kind = work.kind.ok_or(Code::NOT_SUPPORTED)?;
        let pan = work.pan.ok_or(Code::BAD_PAN)?;
        let content = work.content.clone();
        let (is_signed_on, has_fraction) = (work.session.is_some(), work.fraction);
        if pan.iin() != self.config.iin {
            return Err(Code::BAD_PAN);
        }
        if !is_signed_on {
            return Err(Code::NOT_PERMITTED);
        }
        self.check_permission(key, content.citizen)?;
        if kind != Kind::Verification {
            if content.currency != self.config.currency {
                return Err(Code::NOT_SUPPORTED);
            }
            self.check_amount(kind, content.amount_minor, has_fraction)?;
            if kind == Kind::Transfer && content.to_account.is_none() {
                return Err(Code::FORMAT);
            }
        }
        self.reserve(key, kind, found)?;
        if found.accounts.is_empty() {
            return Err(Code::NO_BANK);
        }
        if kind != Kind::Verification {
            let account = choose_account(&found.accounts, &content)?;
            self.check_bank(account.bank, content.amount_minor)?;
            self.check_pin(key, account.bank, kind)?;
            self.work(key).account = Some(account);
        }
        let template = self.asked(key).and_then(|message| message.get(112)).unwrap_or_default();
        let reference = Proof::parse(template).map_err(|_| Code::PROOF)?.reference();
        match reference {
            Some(_) if kind == Kind::Verification => Err(Code::PROOF),
            Some(reference) => self.verified_by_reference(key, kind, reference),
            None => self.ask_verifier(key, kind),
        }
    }

    fn check_permission(&self, key: TxKey, citizen: Pseudonym) -> Result<(), Code> {
        let is_blocked = |subject| self.standing.blocks.contains(&subject);
        let is_acquirer =
            self.config.terminals.get(&key.terminal).is_some_and(|it| it.acquirer == key.acquirer);
        if !is_acquirer || is_blocked(BlockSubject::Terminal(key.terminal)) {
            return Err(Code::NOT_PERMITTED);
        }
        if is_blocked(BlockSubject::Citizen(citizen)) { Err(Code::RESTRICTED) } else { Ok(()) }
    }

    fn check_amount(&self, kind: Kind, amount_minor: u64, has_fraction: bool) -> Result<(), Code> {
        let limits = &self.config.limits;
        if has_fraction {
            return Err(Code::BAD_AMOUNT);
        }
        let max = match kind {
            Kind::Withdrawal | Kind::Transfer => limits.transaction_minor_max,
            Kind::Deposit => limits.deposit_minor_max,
            Kind::Balance | Kind::MiniStatement | Kind::Verification => return Ok(()),
        };
        match amount_minor {
            0 => Err(Code::BAD_AMOUNT),
            amount if amount > max => Err(Code::OVER_AMOUNT),
            _ => Ok(()),
        }
    }

    /// Counts a request against the citizen's day, as in flight, or refuses it.
    fn reserve(&mut self, key: TxKey, kind: Kind, found: &Found) -> Result<(), Code> {
        if !counts_against_limits(kind) {
            return Ok(());
        }
        let day = self.day();
        let content = &self.work(key).content;
        let (citizen, amount_minor) = (content.citizen, content.amount_minor as i64);
        let pending = self.used_since(citizen, day, found.as_of);
        let pending = if mutant::is(Mutant::LimitIgnoresInFlight) { Default::default() } else { pending };
        let limits = &self.config.limits;
        let amount_after = found.used.amount_minor + pending.amount_minor + amount_minor;
        if amount_after > limits.citizen_day_minor_max as i64 {
            return Err(Code::OVER_AMOUNT);
        }
        if found.used.count + pending.count + 1 > i64::from(limits.citizen_day_count_max) {
            return Err(Code::OVER_COUNT);
        }
        let reserved = self.reserved.get_or_insert_with((citizen, day), Used::default);
        reserved.amount_minor += amount_minor;
        reserved.count += 1;
        self.work(key).reserved = Some(day);
        Ok(())
    }

    /// The INTENT counts from here on, or nothing does.
    pub(crate) fn give_back_reservation(&mut self, work: &Work) {
        let Some(day) = work.reserved else { return };
        let name = (work.content.citizen, day);
        if let Some(reserved) = self.reserved.get_mut(&name) {
            reserved.amount_minor -= work.content.amount_minor as i64;
            reserved.count -= 1;
            if reserved.count == 0 {
                self.reserved.remove(&name);
            }
        }
    }

    /// What a request held while it was verified.
    pub(crate) fn drop_work(&mut self, key: TxKey) {
        if let Some(work) = self.live.get_mut(&key).and_then(|live| live.work.take()) {
            self.give_back_reservation(&work);
            if let PinStage::Asked(ticket) = work.pin {
                self.pins.remove(&ticket);
            }
        }
    }

    fn verified_by_reference(&mut self, key: TxKey, kind: Kind, reference: Reference) -> Result<(), Code> {
        self.standing.references.forget_expired(self.now.wall_ms);
        let citizen = self.work(key).content.citizen;
        let live = self.standing.references.get(&reference).ok_or(Code::PROOF)?;
        let is_bound =
            live.citizen == citizen && live.terminal == key.terminal && live.acquirer == key.acquirer;
        if !is_bound || live.expires_at_ms < self.now.wall_ms || is_money(kind) && !serves(live) {
            return Err(Code::PROOF);
        }
        let biometric_matched = live.biometric_matched;
        let work = self.work(key);
        work.biometric_matched = biometric_matched;
        work.reference = is_money(kind).then_some(reference);
        self.go_on(key);
        Ok(())
    }

    fn ask_verifier(&mut self, key: TxKey, kind: Kind) -> Result<(), Code> {
        self.take_signature(key)?;
        let seeds = self.work(key).session.unwrap_or_default();
        let seed_ids = seeds.into_iter().flatten().chain(self.seed_before_the_start(key)).collect();
        let message = self.asked(key).cloned().ok_or(Code::UNAVAILABLE)?;
        let rrn =
            self.live.get(&key).and_then(|live| live.transaction.request.as_ref()).map(|request| request.rrn);
        let amount_minor = self.work(key).content.amount_minor;
        let may_stand_in = self.may_ask_for_stand_in(kind, amount_minor);
        let work = self.work(key);
        let request = VerifyRequest {
            key,
            kind,
            rrn: rrn.expect("a request with a PAN has its RRN"),
            amount_minor,
            currency: work.content.currency,
            seed_ids,
            message,
            may_stand_in,
        };
        let ticket = self.ticket();
        self.verifies.insert(ticket, key);
        self.emit(Output::Verify(ticket, Box::new(request)));
        Ok(())
    }

    /// The chip's signature serves this request and no other: neither verifier nor registry is asked about one that was
    /// used before.
    fn take_signature(&mut self, key: TxKey) -> Result<(), Code> {
        match self.standing.proofs.take(key, self.now.wall_ms) {
            Err(ProofRefusal::UsedBefore) if !mutant::is(Mutant::SignatureServesTwice) => {
                self.event(Event::SignatureUsedBefore(key));
                Err(Code::PROOF)
            }
            Err(ProofRefusal::Full) => Err(Code::UNAVAILABLE),
            Ok(()) | Err(ProofRefusal::UsedBefore) => Ok(()),
        }
    }

    /// A request that was sent before this process took over was signed under a seed that only the process before knew.
    /// Its repeat is executed all the same: the seed is derived from its id with the terminal's key, and the challenge
    /// holds key, amount and time of this very request.
    fn seed_before_the_start(&mut self, key: TxKey) -> Option<[u8; 8]> {
        if self.now.mono_us.saturating_sub(self.started_us) > FORGOTTEN_SEEDS_MS * 1000 {
            return None;
        }
        Proof::parse(self.asked(key)?.get(112)?).ok()?.seed_id()
    }

    /// The verifier's answer.
    pub(crate) fn verified(&mut self, ticket: Ticket, verdict: Verdict) {
        let Some(key) = self.verifies.remove(&ticket) else { return };
        let Some(live) = self.live.get_mut(&key).filter(|live| live.state == State::Verifying) else {
            return;
        };
        live.stages.verified = self.now.mono_us;
        match verdict {
            Verdict::Verified { biometric_matched, evidence } => {
                let work = self.work(key);
                work.biometric_matched = biometric_matched;
                work.evidence = Some(evidence);
                self.go_on(key);
            }
            Verdict::Refused(code, evidence) => {
                self.advance(key, Trigger::Refused, Fact::Refusal { code, send_sod: false, evidence });
            }
            Verdict::SendSod => {
                let fact = Fact::Refusal { code: Code::PROOF, send_sod: true, evidence: None };
                self.advance(key, Trigger::Refused, fact);
            }
            Verdict::Unavailable if mutant::is(Mutant::SilenceVouches) => {
                self.work(key).biometric_matched = true;
                self.go_on(key);
            }
            Verdict::Unavailable => self.refuse(key, Code::UNAVAILABLE),
            Verdict::RegistryAway(away) => self.registry_away(key, *away),
        }
    }

    /// Card and citizen are in order: the last look before INTENT, and the PIN's way to the bank's key.
    pub(crate) fn go_on(&mut self, key: TxKey) {
        if self.is_disk_full {
            return self.refuse(key, Code::UNSAFE);
        }
        let day = self.day();
        let work = self.work(key);
        let kind = work.kind.unwrap_or(Kind::Withdrawal);
        let citizen = work.content.citizen;
        let amount_minor = work.content.amount_minor;
        let may_cash_leave = matches!(kind, Kind::Withdrawal | Kind::Transfer);
        let stands_in = work.evidence.as_ref().is_some_and(Evidence::is_owed);
        if stands_in && !self.may_stand_in_for(citizen) {
            return self.refuse(key, Code::UNAVAILABLE);
        }
        let work = self.work(key);
        let is_matched = work.biometric_matched || mutant::is(Mutant::CashWithoutMatch);
        if may_cash_leave && !is_matched && !stands_in {
            let fact = Fact::Refusal { code: Code::PROOF, send_sod: false, evidence: work.evidence.take() };
            return self.advance(key, Trigger::Refused, fact);
        }
        let bank = work.account.as_ref().map(|account| account.bank);
        if work.reserved.is_some_and(|reserved| reserved != day) {
            return self.ask_limits_again(key, citizen, day);
        }
        if let Some(Err(code)) = bank.map(|bank| self.check_bank(bank, amount_minor)) {
            return self.refuse(key, code);
        }
        if kind == Kind::Verification {
            self.standing.references.forget_expired(self.now.wall_ms);
            if self.standing.references.len() >= REFERENCES_MAX {
                return self.refuse(key, Code::UNAVAILABLE);
            }
        }
        match self.waits_for_pin(key, kind) {
            Ok(false) => {}
            Ok(true) => return,
            Err(code) => return self.refuse(key, code),
        }
        if let Some(live) = self.live.get_mut(&key) {
            live.stages.verified = self.now.mono_us;
        }
        self.advance(key, Trigger::Verified, Fact::Nothing);
    }

    fn ask_limits_again(&mut self, key: TxKey, citizen: Pseudonym, day: Day) {
        let late_at_us = self.live.get(&key).map_or(0, |live| live.answer_by_us);
        let lookup =
            Lookup { own: OwnName::Key(key), original: None, used: Some((citizen, day)), accounts_of: None };
        self.ask_log(lookup, FindAsker::Limits(key), late_at_us);
    }

    fn limits_found(&mut self, key: TxKey, found: &Found) {
        let Some(live) = self.live.get_mut(&key).filter(|live| live.state == State::Verifying) else {
            return;
        };
        let Some(mut work) = live.work.take() else { return };
        self.give_back_reservation(&work);
        work.reserved = None;
        let kind = work.kind.unwrap_or(Kind::Withdrawal);
        if let Some(live) = self.live.get_mut(&key) {
            live.work = Some(work);
        }
        match self.reserve(key, kind, found) {
            Ok(()) => self.go_on(key),
            Err(code) => self.refuse(key, code),
        }
    }

    /// Ends a request that is being verified.
    pub(crate) fn refuse(&mut self, key: TxKey, code: Code) {
        if self.live.get(&key).is_some_and(|live| live.state == State::Verifying) {
            self.advance(key, Trigger::Refused, Fact::Refusal { code, send_sod: false, evidence: None });
        }
    }

    /// A request whose key is in memory: silence while it runs, else the answer that its records hold.
    fn repeated_request(&mut self, incoming: Box<Incoming>) {
        let key = incoming.key;
        let Some(live) = self.live.get_mut(&key) else { return };
        let known = match &live.work {
            Some(work) => Some(&work.content),
            None => live.transaction.request.as_ref().map(|request| &request.content),
        };
        if known.is_some_and(|known| *known != incoming.content) && !mutant::is(Mutant::OtherContentAccepted)
        {
            self.event(Event::OtherContent(key));
            self.refuse_other_content(key, incoming);
            return;
        }
        let Some(link) = incoming.link else { return };
        let is_running = matches!(
            live.state,
            State::Verifying | State::IntentSyncing | State::Sent | State::OutcomeSyncing
        );
        if is_running {
            // The terminal may have come back on another connection. One that an advice has overtaken stays silent.
            if live.asker.is_some() {
                live.asker = Some(Asker { link, message: incoming.message });
            }
            return;
        }
        live.asker = Some(Asker { link, message: incoming.message });
        live.answer_due = true;
        live.stages = Default::default();
        self.event(Event::Repeated(key));
        if mutant::is(Mutant::StoredAnswerBeforeDurable) {
            self.answer_request(key);
        }
        self.release(key);
    }

    /// 94 for a known key with other content; it waits, as all that is said of a transaction does.
    pub(crate) fn refuse_other_content(&mut self, subject: TxKey, incoming: Box<Incoming>) {
        let Some(link) = incoming.link else { return };
        let answer = messages::bare(&incoming.message, Code::DUPLICATE);
        match self.live.get_mut(&subject) {
            Some(live) => {
                live.owe(link, answer);
                self.release(subject);
            }
            None => self.send(link, answer),
        }
    }

    /// The message of a request that waits for its answer.
    pub(crate) fn asked(&self, key: TxKey) -> Option<&Message> {
        self.live.get(&key)?.asker.as_ref().map(|asker| &asker.message)
    }

    pub(crate) fn work(&mut self, key: TxKey) -> &mut Work {
        let live = self.live.get_mut(&key).expect("a request that is being verified is in memory");
        live.work.as_mut().expect("a request that is being verified has its work")
    }

    /// 91 before INTENT: the bank is not there, blocked, or has its hands full.
    fn check_bank(&self, bank: Institution, amount_minor: u64) -> Result<(), Code> {
        let issuer = self.config.issuers.get(&bank).ok_or(Code::UNAVAILABLE)?;
        if self.standing.blocks.contains(&BlockSubject::Bank(bank)) {
            return Err(Code::UNAVAILABLE);
        }
        if amount::to_link(amount_minor, issuer.amount_exponent).is_none() {
            return Err(Code::BAD_AMOUNT);
        }
        let bank = self.banks.get(&bank).ok_or(Code::UNAVAILABLE)?;
        if bank.is_ready() && bank.asked.len() < issuer.in_flight_max {
            Ok(())
        } else {
            Err(Code::UNAVAILABLE)
        }
    }
}

/// What consumes a reference.
fn is_money(kind: Kind) -> bool {
    match kind {
        Kind::Withdrawal | Kind::Deposit | Kind::Transfer => true,
        Kind::Balance | Kind::MiniStatement | Kind::Verification => false,
    }
}

/// Whether a reference may vouch for one more money transaction.
fn serves(reference: &LiveReference) -> bool {
    reference.uses.len() < REFERENCE_INTENTS_MAX
        && reference.uses.iter().all(|(_, declined)| {
            mutant::is(Mutant::ReferenceServesTwice)
                || declined.is_some_and(|code| SERVES_AGAIN_AFTER.contains(&code))
        })
}

/// The account at the bank that DE100 names, else at the default account's bank; DE102 names one by number or alias
/// (docs/interface.md#messages). 56 where none is linked, 57 where DE102 names another's.
fn choose_account(
    accounts: &[LinkedAccount],
    content: &crate::record::Content,
) -> Result<LinkedAccount, Code> {
    let default =
        accounts.iter().find(|account| account.default).or(accounts.first()).ok_or(Code::NO_BANK)?;
    let bank = content.institution.unwrap_or(default.bank);
    let mut there = accounts.iter().filter(|account| account.bank == bank).peekable();
    let first = *there.peek().ok_or(Code::NO_BANK)?;
    let chosen = match &content.from_account {
        Some(named) => there
            .find(|account| account.number == *named || account.alias() == **named)
            .ok_or(Code::NOT_PERMITTED)?,
        None => there.find(|account| account.default).unwrap_or(first),
    };
    Ok(chosen.clone())
}
