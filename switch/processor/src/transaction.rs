//! A transaction as its records tell it: one fold for recovery, for look-ups and for live traffic.

use credential::Reference;

use crate::ids::{AccountNumber, BankIdentity, Day, Institution, TxKey};
use crate::lifecycle::State;
use crate::record::{
    Advice, Body, Declined, Evidence, Kind, NoteReason, Outcome, Record, Request, Resolution, Reversal,
    Suspense, Verification,
};

/// Of a transaction's advices so many are remembered, the newest; the repeat of an older one is recorded once more.
pub const ADVICES_MAX: usize = 32;

/// The sum of a transaction's records.
#[derive(Clone, PartialEq, Debug)]
pub struct Transaction {
    /// Its key.
    pub key: TxKey,
    /// Its state, once all its records are durable: SENT for an INTENT, APPROVED for an OUTCOME.
    pub state: State,
    /// A person has to decide.
    pub suspense: Option<Suspense>,
    /// The request; none under a TOMBSTONE.
    pub request: Option<Request>,
    /// What INTENT fixed.
    pub sent: Option<SentToBank>,
    /// The bank's approval.
    pub outcome: Option<Outcome>,
    /// The bank has approved, by OUTCOME or by a NOTE during the reversal.
    pub approval_seen: bool,
    /// The refusal.
    pub declined: Option<Declined>,
    /// The reversal, the newest.
    pub reversal: Option<Reversal>,
    /// Wall clock of the newest REVERSAL, milliseconds since 1970; 0 without one.
    pub reversing_since_ms: i64,
    /// The identity check.
    pub verification: Option<Verification>,
    /// A person has decided about it, the newest decision.
    pub resolution: Option<Resolution>,
    /// Wall clock of its newest record, milliseconds since 1970.
    pub last_at_ms: i64,
    /// The advices that it took, at most [`ADVICES_MAX`].
    pub advices: Vec<Advice>,
}

/// What INTENT fixed.
#[derive(Clone, PartialEq, Debug)]
pub struct SentToBank {
    /// The issuer.
    pub bank: Institution,
    /// The account there.
    pub account: Option<AccountNumber>,
    /// Our name for the 0200.
    pub identity: BankIdentity,
    /// The business day.
    pub day: Day,
    /// The reference that was consumed.
    pub reference: Option<Reference>,
    /// What the registry signed (one-step).
    pub evidence: Option<Evidence>,
}

/// A record that cannot follow the ones before it: the log is not of this switch, or the switch is broken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("transaction {key}: a record {record} cannot follow state {}", state.name())]
pub struct BrokenSequence {
    /// The transaction.
    pub key: TxKey,
    /// The record's kind.
    pub record: &'static str,
    /// The state before it.
    pub state: State,
}

impl Transaction {
    /// A transaction of which nothing is recorded yet.
    pub fn new(key: TxKey) -> Transaction {
        Transaction {
            key,
            state: State::Unknown,
            suspense: None,
            request: None,
            sent: None,
            outcome: None,
            approval_seen: false,
            declined: None,
            reversal: None,
            reversing_since_ms: 0,
            verification: None,
            resolution: None,
            last_at_ms: 0,
            advices: Vec::new(),
        }
    }

    /// What it asked for; `None` under a TOMBSTONE.
    pub fn kind(&self) -> Option<Kind> {
        self.request.as_ref().map(|request| request.kind)
    }

    /// The bank that was asked.
    pub fn bank(&self) -> Option<Institution> {
        self.sent.as_ref().map(|sent| sent.bank)
    }

    /// It went out in the registry's stead.
    pub fn stood_in(&self) -> bool {
        let evidence = self.sent.as_ref().and_then(|sent| sent.evidence.as_ref());
        evidence.is_some_and(Evidence::is_owed)
    }

    /// Adds the next record. Errors: [`BrokenSequence`] where no rule of the lifecycle leads from here to there.
    pub fn apply(&mut self, record: &Record) -> Result<(), BrokenSequence> {
        let broken = BrokenSequence { key: self.key, record: record.body.name(), state: self.state };
        if record.transaction != Some(self.key) {
            return Err(broken);
        }
        let before = self.state;
        self.state = self.state_after(&record.body).ok_or(broken)?;
        self.last_at_ms = record.at_ms;
        match &record.body {
            Body::Intent(intent) => {
                self.request = Some(intent.request.clone());
                self.sent = Some(SentToBank {
                    bank: intent.bank,
                    account: intent.account.clone(),
                    identity: intent.identity,
                    day: intent.day,
                    reference: intent.reference,
                    evidence: intent.evidence.clone(),
                });
            }
            Body::Outcome(outcome) => {
                self.outcome = Some(outcome.clone());
                self.approval_seen = true;
            }
            Body::Declined(declined) => {
                if self.request.is_none() {
                    self.request.clone_from(&declined.request);
                }
                self.declined = Some((**declined).clone());
            }
            Body::Reversal(reversal) => {
                // Only a late approval leads back from an end to REVERSING.
                self.approval_seen |= matches!(before, State::Declined | State::Reversed);
                self.reversal = Some(reversal.clone());
                self.reversing_since_ms = record.at_ms;
            }
            Body::Verification(verification) => {
                self.request = Some(verification.request.clone());
                self.verification = Some((**verification).clone());
            }
            Body::Note(NoteReason::ApprovalSeen, _) => self.approval_seen = true,
            Body::Complete(_) if self.suspense == Some(Suspense::Age) => self.suspense = None,
            Body::Resolution(resolution) => {
                self.suspense = None;
                self.resolution = Some(resolution.clone());
            }
            Body::Complete(_)
            | Body::Reversed(_)
            | Body::Claim(..)
            | Body::Note(..)
            | Body::Tombstone(_)
            | Body::AskedAgain(_)
            | Body::Cutover(_)
            | Body::Block(_)
            | Body::Totals(_) => {}
        }
        if self.state != State::Approved && self.suspense == Some(Suspense::Age) {
            self.suspense = None;
        }
        self.suspense = self.suspense.max(record.suspense);
        if let Some(advice) = record.advice() {
            if self.advices.len() == ADVICES_MAX {
                self.advices.remove(0);
            }
            // Nearly always there is one.
            self.advices.reserve_exact(1);
            self.advices.push(advice.clone());
        }
        Ok(())
    }

    fn state_after(&self, body: &Body) -> Option<State> {
        let is = |states: &[State]| states.contains(&self.state);
        match body {
            Body::Intent(_) => is(&[State::Unknown]).then_some(State::Sent),
            Body::Verification(_) => is(&[State::Unknown]).then_some(State::Verified),
            Body::Outcome(_) => is(&[State::Sent]).then_some(match self.kind() {
                Some(Kind::Withdrawal | Kind::Deposit) => State::Approved,
                Some(Kind::Balance | Kind::MiniStatement | Kind::Transfer | Kind::Verification) | None => {
                    State::Completed
                }
            }),
            Body::Declined(_) => is(&[State::Unknown, State::Sent]).then_some(State::Declined),
            Body::Reversal(_) => {
                is(&[State::Sent, State::Approved, State::Completed, State::Declined, State::Reversed])
                    .then_some(State::Reversing)
            }
            Body::Reversed(_) => is(&[State::Reversing]).then_some(State::Reversed),
            Body::Complete(_) => is(&[State::Approved]).then_some(State::Completed),
            Body::Tombstone(_) => is(&[State::Unknown]).then_some(State::Tombstone),
            Body::Claim(..) if self.state == State::Unknown => Some(State::Tombstone),
            Body::Claim(..) | Body::Note(..) => Some(self.state),
            Body::Resolution(_) => self.suspense.is_some().then_some(self.state),
            Body::AskedAgain(_) => self.stood_in().then_some(self.state),
            Body::Cutover(_) | Body::Block(_) | Body::Totals(_) => None,
        }
    }
}
