//! 0220, 0221, 0420, 0421, and the status of the last transaction in DE48: taken at any load, and never lost. Of those that nothing
//! waits for only so many are recorded in a time.

use iso8583::Message;
use mutant::Mutant;

use crate::advice_rate::{ADVICES_HEARD_MAX, Room};
use crate::amount;
use crate::config::TerminalConfig;
use crate::ids::{Class, Code, TxKey};
use crate::intake::{self, Incoming};
use crate::io::{Event, Found};
use crate::lifecycle::{State, Trigger};
use crate::live::Live;
use crate::messages;
use crate::processor::Processor;
use crate::record::{Advice, Content, Kind};
use crate::transaction::Transaction;
use crate::writes::Fact;

/// What an advice brings to its original.
pub(crate) struct AdviceFact {
    pub(crate) advice: Advice,
    /// DE3 of the advice: all that is known of an original that never came.
    pub(crate) kind: Option<Kind>,
}

impl Processor {
    /// An advice that the original in memory has taken already.
    pub(crate) fn is_known_advice(&self, incoming: &Incoming) -> bool {
        let live = self.live.get(&incoming.subject()).filter(|_| !mutant::is(Mutant::AdviceTakenTwice));
        live.is_some_and(|live| taken(&live.transaction, incoming.key).is_some())
    }

    /// The stored answer: 00, or 94 for other content under its key.
    pub(crate) fn repeated_advice(&mut self, incoming: Box<Incoming>) {
        let subject = incoming.subject();
        let Some(live) = self.live.get_mut(&subject) else { return };
        let Some(advice) = taken(&live.transaction, incoming.key) else { return };
        if advice.content != incoming.content {
            self.event(Event::OtherContent(incoming.key));
            return self.refuse_other_content(subject, incoming);
        }
        if let Some(link) = incoming.link {
            let answer = messages::advice_answer(&incoming.message, &live.transaction);
            live.owe(link, answer);
            self.event(Event::Repeated(incoming.key));
        }
        self.release(subject);
    }

    pub(crate) fn advice_found(&mut self, incoming: Box<Incoming>, found: Found) {
        let subject = incoming.subject();
        if let Some(transaction) = found.own
            && transaction.key != subject
        {
            // The key was taken by an advice about another original: other content, whatever else it says.
            self.event(Event::OtherContent(incoming.key));
            return self.refuse_other_content(subject, incoming);
        }
        let original = found.original;
        let load = || Box::new(Live::new(original.map_or_else(|| Transaction::new(subject), |it| *it)));
        self.live.get_or_insert_with(subject, load);
        if self.is_known_advice(&incoming) {
            return self.repeated_advice(incoming);
        }
        self.new_advice(incoming);
    }

    fn new_advice(&mut self, incoming: Box<Incoming>) {
        let subject = incoming.subject();
        let Some(live) = self.live.get(&subject) else { return };
        if incoming.link.is_none() && !matches!(live.state, State::OutcomeSyncing | State::Approved) {
            // A status is an advice only where none came: an original at rest, or unknown, has nothing to learn from it.
            return self.forget_untouched(subject);
        }
        if !is_heard_at_once(live) && !self.has_room_for_advice(incoming.key) {
            // Its terminal keeps it until it is answered, and says it again.
            return self.forget_untouched(subject);
        }
        let Some(live) = self.live.get(&subject) else { return };
        let trigger = trigger(&incoming, live);
        let answer = messages::advice_answer(&incoming.message, &live.transaction);
        if matches!(trigger, Trigger::ReversalPart | Trigger::ReversalNothing | Trigger::ReversalOver)
            && !matches!(live.state, State::OutcomeSyncing | State::Approved)
        {
            self.event(Event::CashUnexplained(subject));
        }
        let key = incoming.key;
        match (self.live.get_mut(&subject), incoming.link) {
            (_, Some(link)) if mutant::is(Mutant::AdviceAnsweredBeforeDurable) => self.send(link, answer),
            (Some(live), Some(link)) => live.owe(link, answer),
            (None, _) | (_, None) => {}
        }
        let fact = AdviceFact { kind: incoming.kind, advice: incoming.into_advice() };
        self.advance(subject, trigger, Fact::Advice(Box::new(fact)));
        self.event(Event::AdviceAnswered(key));
    }

    /// Takes the terminal's room for one more advice that nothing waits for; `false`: there is none.
    fn has_room_for_advice(&mut self, advice: TxKey) -> bool {
        let room = self.advice_rate.take(self.now.mono_us, advice.terminal);
        if room == Room::Left || mutant::is(Mutant::AdvicesUnbounded) {
            return true;
        }
        if room == Room::FirstWithout {
            self.event(Event::AdviceFlood(advice.terminal));
        }
        self.event(Event::AdviceNotTaken(advice));
        false
    }

    /// Lets go of an original that was only looked at.
    fn forget_untouched(&mut self, subject: TxKey) {
        if self.live.get(&subject).is_some_and(|live| live.state == State::Unknown) {
            self.live.remove(&subject);
        } else {
            self.release(subject);
        }
    }

    /// DE48 of a terminal's 0200 or sign-on counts as the 0220 or 0420 of its last money transaction, when none came
    /// (docs/interface.md#layouts). A status that cannot be read is left out of account: its 0200 is as good without.
    pub(crate) fn status_of_last(
        &mut self,
        carrier: &Message,
        carrier_key: TxKey,
        terminal: &TerminalConfig,
    ) {
        let Some(status) = carrier.get(48).filter(|status| status.len() == 33) else { return };
        let (twenty, outcome) = (&status[..20], status[20]);
        let left = amount::from_de95(&status[21..])
            .and_then(|left| amount::from_link(left, terminal.amount_exponent).ok());
        let original =
            intake::original_of_status(twenty, terminal.acquirer, carrier_key.terminal, self.now_seconds());
        let (Some(left), Some(original)) = (left, original) else { return };
        let Some(live) = self.live.get(&original) else { return };
        let Some(request) = live.transaction.request.as_ref() else { return };
        let asked = request.content.amount_minor;
        let (class, left_minor) = match outcome {
            b'0' => (Class::Reversal, 0),
            b'1' => (Class::Completion, asked),
            b'2' if request.kind == Kind::Deposit => (Class::Completion, left),
            b'2' => (Class::Reversal, left),
            _ => return,
        };
        let mut message = carrier.clone();
        message.set_mti(iso8583::Mti::new(class.mti()));
        message.set(39, &if left_minor == asked { Code::APPROVED.0 } else { *b"22" });
        let content = Content {
            original: Some(original),
            left_minor: Some(left_minor),
            institution: None,
            from_account: None,
            to_account: None,
            ..request.content.clone()
        };
        let incoming = Box::new(Incoming {
            link: None,
            key: TxKey { class, ..carrier_key },
            kind: Some(request.kind),
            pan: Some(request.pan),
            content,
            fraction: false,
            arrived_us: self.now.mono_us,
            taken_us: self.now.mono_us,
            session: None,
            message,
        });
        self.admit(incoming);
    }
}

/// A transaction whose request is known, and that few advices were about: what ends it never waits.
fn is_heard_at_once(live: &Live) -> bool {
    let is_known = !matches!(live.state, State::Unknown | State::Tombstone);
    is_known && live.transaction.advices.len() < ADVICES_HEARD_MAX
}

fn taken(transaction: &Transaction, key: TxKey) -> Option<&Advice> {
    transaction.advices.iter().find(|advice| advice.key == key)
}

/// What an advice says, measured against its original where there is one.
fn trigger(incoming: &Incoming, live: &Live) -> Trigger {
    let said = &incoming.content;
    let request = match &live.work {
        Some(work) => Some(&work.content),
        None => live.transaction.request.as_ref().map(|request| &request.content),
    };
    let is_other =
        |original: &Content| original.citizen != said.citizen || original.amount_minor != said.amount_minor;
    if live.state != State::Tombstone && request.is_some_and(is_other) {
        return Trigger::AdviceMismatch;
    }
    let (asked, left) = (said.amount_minor, said.left_minor.unwrap_or(0));
    if incoming.key.class == Class::Completion {
        return match said.left_minor {
            Some(left) if left != asked => Trigger::CompletionOther,
            Some(_) | None => Trigger::Completion,
        };
    }
    let recorded = live
        .transaction
        .reversal
        .as_ref()
        .filter(|_| matches!(live.state, State::Reversing | State::Reversed));
    if recorded.is_some_and(|reversal| reversal.left_minor == left) {
        return Trigger::ReversalSame;
    }
    match left {
        0 => Trigger::ReversalWhole,
        left if left < asked => Trigger::ReversalPart,
        left if left == asked => Trigger::ReversalNothing,
        _ if mutant::is(Mutant::ReversalOfMoreTaken) => Trigger::ReversalWhole,
        _ => Trigger::ReversalOver,
    }
}
