//! What the records of a step say, and what they add to a citizen's day.

use mutant::Mutant;

use crate::advices::AdviceFact;
use crate::ids::{Code, TxKey};
use crate::io::Event;
use crate::lifecycle::{Answer, State, Step, Write};
use crate::messages;
use crate::processor::Processor;
use crate::record::{
    Advice, Body, Declined, Evidence, Intent, Kind, Outcome, Record, Reversal, Spend, Verification,
};

/// What came with a trigger, for the records of the step.
pub(crate) enum Fact {
    /// The trigger says all.
    Nothing,
    /// A refusal before the bank was asked.
    Refusal { code: Code, send_sod: bool, evidence: Option<Evidence> },
    /// The bank's 0210.
    Bank { code: Code, outcome: Box<Outcome> },
    /// 0430 with this code.
    Acknowledged(Code),
    /// A terminal's advice.
    Advice(Box<AdviceFact>),
}

impl Processor {
    /// Appends the records of a cell; gives the state that they lead to.
    pub(crate) fn write(&mut self, key: TxKey, kind: Kind, cell: &Step, fact: Fact) -> State {
        let (fact, advice) = fact.split();
        let (first, second) = match cell.write {
            Write::Nothing => return cell.to,
            Write::Intent => (self.intent(key, kind), None),
            Write::Outcome => (outcome(fact), None),
            Write::OutcomeThenClaimed => {
                if self.was_claimed_complete(key) && !mutant::is(Mutant::EarlyCompletionForgotten) {
                    (outcome(fact), Some(Body::Complete(None)))
                } else {
                    (outcome(fact), None)
                }
            }
            Write::Declined => (self.declined(key, cell, fact), None),
            Write::DeclinedAndClaim(reason) => {
                (self.declined(key, cell, fact), Some(Body::Claim(reason, advice)))
            }
            Write::Reversal => (self.reversal(key, cell, advice), None),
            Write::Reversed => (Body::Reversed(fact.code().unwrap_or(Code::APPROVED)), None),
            Write::Complete => (Body::Complete(advice), None),
            Write::CompleteAndClaim(reason) => (Body::Complete(advice), Some(Body::Claim(reason, None))),
            Write::TombstoneAndClaim(reason) => (Body::Tombstone(advice), Some(Body::Claim(reason, None))),
            Write::NoteAndClaim(note, reason) => (Body::Note(note, advice), Some(Body::Claim(reason, None))),
            Write::Claim(reason) => (Body::Claim(reason, advice), None),
            Write::Note(reason) => (Body::Note(reason, advice), None),
            Write::Tombstone => (Body::Tombstone(advice), None),
        };
        let completes = second.is_some() && cell.write == Write::OutcomeThenClaimed;
        let last = usize::from(second.is_some());
        for (index, body) in std::iter::once(first).chain(second).enumerate() {
            let spend = self.spend(key, kind, &body);
            if let Some(live) = self.live.get_mut(&key)
                && live.transaction.state == State::Unknown
                && matches!(body, Body::Tombstone(_) | Body::Claim(..))
            {
                // A burnt key keeps no request: the fold has none after a restart either.
                live.transaction.request = None;
            }
            let suspense = cell.suspense.filter(|_| index == last);
            let stands_in = matches!(&body, Body::Intent(intent) if intent.evidence.as_ref().is_some_and(Evidence::is_owed));
            self.append(
                Some(key),
                Record { at_ms: self.now.wall_ms, transaction: Some(key), suspense, spend, body },
            );
            if stands_in {
                self.event(Event::StoodIn(key));
                self.plan_ask_again();
            }
        }
        if completes {
            if let Some(live) = self.live.get_mut(&key) {
                live.answer_due = true;
            }
            return State::Completed;
        }
        cell.to
    }

    fn was_claimed_complete(&self, key: TxKey) -> bool {
        let advices = self.live.get(&key).map(|live| live.transaction.advices.as_slice()).unwrap_or_default();
        advices.iter().any(|advice| advice.key.class == crate::ids::Class::Completion)
    }

    /// What a record adds to the citizen's use of the day's limits: an INTENT takes, what ends it gives back.
    fn spend(&self, key: TxKey, kind: Kind, body: &Body) -> Option<Spend> {
        if !counts_against_limits(kind) {
            return None;
        }
        let transaction = &self.live.get(&key)?.transaction;
        if let Body::Intent(intent) = body {
            let content = &intent.request.content;
            let amount_minor = content.amount_minor as i64;
            return Some(Spend { citizen: content.citizen, day: intent.day, amount_minor, count: 1 });
        }
        let holds = matches!(transaction.state, State::Sent | State::Approved | State::Completed);
        let (request, sent) = (transaction.request.as_ref()?, transaction.sent.as_ref()?);
        let amount_minor = request.content.amount_minor as i64;
        let back = |amount_minor, count| {
            let day = if mutant::is(Mutant::LimitGivenBackOnOpenDay) { self.day() } else { sent.day };
            Some(Spend { citizen: request.content.citizen, day, amount_minor, count })
        };
        match body {
            Body::Reversal(_) if mutant::is(Mutant::LimitNotGivenBack) => None,
            Body::Declined(_) if holds => back(-amount_minor, -1),
            Body::Reversal(reversal) if holds && reversal.left_minor == 0 => back(-amount_minor, -1),
            Body::Reversal(reversal) if holds => back(reversal.left_minor as i64 - amount_minor, 0),
            _ => None,
        }
    }

    fn intent(&mut self, key: TxKey, kind: Kind) -> Body {
        let day = self.day();
        let now = self.now_seconds();
        let expires_at_ms = self.now.wall_ms + self.config.timers.reference_life_ms as i64;
        let live = self.live.get_mut(&key).expect("a verified transaction is in memory");
        let mut work = live.work.take().expect("a verified transaction has its work");
        // The fold takes the request from the record, as recovery does.
        let request = live.transaction.request.take().expect("a verified transaction has its request");
        let evidence = work.evidence.take();
        let body = if kind == Kind::Verification {
            Body::Verification(Box::new(Verification {
                request,
                reference: self.entropy.reference(),
                expires_at_ms,
                biometric_matched: work.biometric_matched,
                banks: work.accounts.iter().map(messages::linked_bank).collect(),
                evidence: evidence.expect("a verification was verified with evidence"),
            }))
        } else {
            let account = work.account.take().expect("a verified money transaction has its account");
            let bank = self.banks.entry(account.bank).or_default();
            let identity =
                self.standing.next_bank_identity(account.bank, now, |name| bank.names.contains(&name));
            bank.names.insert(identity, key);
            bank.asked.insert(key, ());
            Body::Intent(Box::new(Intent {
                request,
                bank: account.bank,
                account: Some(account.number),
                identity,
                day,
                reference: work.reference,
                evidence,
            }))
        };
        self.give_back_reservation(&work);
        body
    }

    fn declined(&mut self, key: TxKey, cell: &Step, fact: Fact) -> Body {
        let live = self.live.get_mut(&key).expect("a transaction that ends is in memory");
        let is_first = live.transaction.state == State::Unknown;
        let request = is_first.then(|| live.transaction.request.take()).flatten();
        let (code, bank_code, send_sod, evidence) = match fact {
            Fact::Refusal { code, send_sod, evidence } => (code, None, send_sod, evidence),
            Fact::Bank { code, .. } if cell.answer == Answer::Refusal => {
                (self.bank_code_for_terminal(key, code), Some(code), false, None)
            }
            Fact::Bank { code, .. } => (Code::UNSAFE, Some(code), false, None),
            Fact::Nothing | Fact::Acknowledged(_) | Fact::Advice(_) => (Code::UNAVAILABLE, None, false, None),
        };
        Body::Declined(Box::new(Declined { request, code, bank_code, send_sod, evidence }))
    }

    fn reversal(&mut self, key: TxKey, cell: &Step, advice: Option<Advice>) -> Body {
        let day = self.day();
        let now = self.now_seconds();
        let live = self.live.get_mut(&key).expect("a transaction that is reversed is in memory");
        if live.transaction.reversal.is_some() {
            // The bank has had this 0420 before: from here on it is a 0421.
            live.saf.attempts = live.saf.attempts.max(1);
        }
        let transaction = &live.transaction;
        let bank_id = transaction.bank().expect("only what was sent to a bank is reversed");
        let before = transaction.reversal.clone();
        let of_intent = transaction.sent.as_ref().map_or(day, |sent| sent.day);
        let day = if mutant::is(Mutant::ReversalOnOriginalDay) { of_intent } else { day };
        let stored = messages::stored_code(transaction)
            .filter(|code| *code != Code::APPROVED || mutant::is(Mutant::ReversedApprovalAnswersApproved));
        let answer = match cell.answer {
            Answer::Unsafe => Code::UNSAFE,
            Answer::Nothing => stored.unwrap_or(Code::UNAVAILABLE),
            Answer::Unavailable | Answer::Approved | Answer::Refusal => Code::UNAVAILABLE,
        };
        let identity = match before.as_ref().filter(|_| !mutant::is(Mutant::ReopenedUnderNewIdentity)) {
            Some(reversal) => reversal.identity,
            None => {
                let bank = self.banks.entry(bank_id).or_default();
                let identity =
                    self.standing.next_bank_identity(bank_id, now, |name| bank.names.contains(&name));
                bank.names.insert(identity, key);
                identity
            }
        };
        let left_minor = match (&before, &advice) {
            (Some(before), _) => before.left_minor,
            (None, Some(_)) if mutant::is(Mutant::PartialReversedWhole) => 0,
            (None, Some(advice)) => advice.content.left_minor.unwrap_or(0),
            (None, None) => 0,
        };
        let reason = match (&before, advice.as_ref().and_then(|advice| advice.reason)) {
            (Some(before), _) => before.reason,
            (None, Some(reason)) => reason,
            (None, None) => Code::LATE,
        };
        Body::Reversal(Reversal { identity, day, left_minor, reason, answer, advice })
    }
}

/// Withdrawals and transfers: what leaves an account.
pub(crate) fn counts_against_limits(kind: Kind) -> bool {
    match kind {
        Kind::Withdrawal | Kind::Transfer => true,
        Kind::Deposit | Kind::Balance | Kind::MiniStatement | Kind::Verification => false,
    }
}

fn outcome(fact: Fact) -> Body {
    match fact {
        Fact::Bank { outcome, .. } => Body::Outcome(*outcome),
        Fact::Nothing | Fact::Refusal { .. } | Fact::Acknowledged(_) | Fact::Advice(_) => {
            unreachable!("an OUTCOME is what a bank said")
        }
    }
}

impl Fact {
    /// The advice that it brings, and what else it says.
    fn split(self) -> (Fact, Option<Advice>) {
        match self {
            Fact::Advice(fact) => (Fact::Nothing, Some(fact.advice)),
            Fact::Nothing | Fact::Refusal { .. } | Fact::Bank { .. } | Fact::Acknowledged(_) => (self, None),
        }
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Fact::Advice(fact) => fact.kind,
            Fact::Nothing | Fact::Refusal { .. } | Fact::Bank { .. } | Fact::Acknowledged(_) => None,
        }
    }

    fn code(&self) -> Option<Code> {
        match self {
            Fact::Acknowledged(code) | Fact::Bank { code, .. } => Some(*code),
            Fact::Nothing | Fact::Refusal { .. } | Fact::Advice(_) => None,
        }
    }
}
