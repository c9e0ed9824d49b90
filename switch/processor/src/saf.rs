//! What waits for each bank (SAF), as operators and metrics see it, and taking it up before its time.

use crate::banks::Bank;
use crate::ids::{BankIdentity, Code, Institution, Rrn, TxKey};
use crate::io::{Output, Ticket};
use crate::lifecycle::State;
use crate::live::{Live, SafStage};
use crate::processor::Processor;

/// One command takes up so many resting reversals, the oldest first; the others rest on, and their number is told.
pub const RETRIED_MAX: usize = 10_000;

/// Why a reversal is still owed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SafFault {
    /// The bank refused it with this code.
    Refused(Code),
    /// The bank did not answer.
    Silent,
    /// The bank's answer echoed other elements.
    OtherEcho,
    /// It has no form on the bank's link.
    Unsendable,
    /// No connection to the bank could carry it.
    NoLink,
}

impl SafFault {
    /// The name in metrics and docs.
    pub fn name(self) -> &'static str {
        match self {
            SafFault::Refused(_) => "refused",
            SafFault::Silent => "silent",
            SafFault::OtherEcho => "other_echo",
            SafFault::Unsendable => "unsendable",
            SafFault::NoLink => "no_link",
        }
    }
}

/// A fault and when it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SafFaultSeen {
    /// What.
    pub fault: SafFault,
    /// Wall clock, milliseconds since 1970.
    pub at_ms: i64,
}

/// Faults since the start, by kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SafFaults {
    /// Answers with a code that ends no reversal.
    pub refused: u64,
    /// Sendings without an answer.
    pub silent: u64,
    /// Answers with another echo.
    pub other_echo: u64,
    /// Tries to send what has no form on the link.
    pub unsendable: u64,
    /// Times that reversals were there and the last connection was not.
    pub no_link: u64,
}

impl SafFaults {
    /// Each kind with its number, by [`SafFault::name`].
    pub fn each(self) -> [(&'static str, u64); 5] {
        [
            ("refused", self.refused),
            ("silent", self.silent),
            ("other_echo", self.other_echo),
            ("unsendable", self.unsendable),
            ("no_link", self.no_link),
        ]
    }

    fn count(&mut self, fault: SafFault) {
        match fault {
            SafFault::Refused(_) => self.refused += 1,
            SafFault::Silent => self.silent += 1,
            SafFault::OtherEcho => self.other_echo += 1,
            SafFault::Unsendable => self.unsendable += 1,
            SafFault::NoLink => self.no_link += 1,
        }
    }
}

/// A bank's queue as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafBank {
    /// Whose.
    pub bank: Institution,
    /// Some connection can carry transactions.
    pub is_ready: bool,
    /// Reversals that it has not acknowledged.
    pub reversals: usize,
    /// Of these, at the bank now; [`crate::IssuerConfig::reversals_in_flight_max`] at most.
    pub asked: usize,
    /// Of these, resting until their next turn.
    pub resting: usize,
    /// Wall clock of the oldest one's REVERSAL record, milliseconds since 1970.
    pub oldest_at_ms: Option<i64>,
    /// What went wrong last, if anything has since the start.
    pub last_fault: Option<SafFaultSeen>,
    /// All that went wrong since the start.
    pub faults: SafFaults,
}

/// One reversal that is owed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SafEntry {
    /// Whose.
    pub key: TxKey,
    /// DE37.
    pub rrn: Rrn,
    /// The bank that has to acknowledge it.
    pub bank: Institution,
    /// Its name there, the same in every repeat.
    pub identity: BankIdentity,
    /// What the bank has to give back: DE4 less DE95, minor units.
    pub amount_minor: u64,
    /// Wall clock of its REVERSAL record, milliseconds since 1970.
    pub since_ms: i64,
    /// How often it was sent; after a restart counted anew, from 1.
    pub attempts: u32,
    /// How often the bank refused it, since the start.
    pub refusals: u32,
    /// Where it stands.
    pub stage: SafStage,
    /// When it goes on by itself, monotonic microseconds: the next 0421 of a resting one, the end of the wait for the
    /// bank. `None` where it waits for the window or a connection.
    pub next_us: Option<u64>,
    /// What went wrong last, if anything has since the start.
    pub last_fault: Option<SafFaultSeen>,
}

/// Which resting reversals are to be taken up now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SafRetry {
    /// Those of all banks.
    All,
    /// Those of this bank.
    Bank(Institution),
    /// This one.
    One(TxKey),
}

impl Processor {
    /// Every bank that is configured or that something is owed to.
    pub fn saf_banks(&self) -> impl Iterator<Item = SafBank> {
        let untouched = self.config.issuers.keys().filter(|id| !self.banks.contains_key(id));
        let untouched = untouched.map(|id| Bank::default().saf(*id));
        self.banks.iter().map(|(id, bank)| bank.saf(*id)).chain(untouched)
    }

    /// What waits for a bank, the oldest first.
    pub fn saf_entries(&self, bank: Institution) -> impl Iterator<Item = SafEntry> {
        let owed = self.banks.get(&bank).into_iter().flat_map(|bank| bank.owed.iter());
        owed.filter_map(|(_, key)| self.saf_entry(*key))
    }

    /// The reversal that is owed for a transaction, if one is.
    pub fn saf_entry(&self, key: TxKey) -> Option<SafEntry> {
        let live = self.live.get(&key).filter(|live| live.state == State::Reversing)?;
        let transaction = &live.transaction;
        let (request, reversal) = (transaction.request.as_ref()?, transaction.reversal.as_ref()?);
        Some(SafEntry {
            key,
            rrn: request.rrn,
            bank: transaction.bank()?,
            identity: reversal.identity,
            amount_minor: request.content.amount_minor.saturating_sub(reversal.left_minor),
            since_ms: transaction.reversing_since_ms,
            attempts: live.saf.attempts,
            refusals: live.saf.refusals,
            stage: live.saf.stage,
            next_us: live.timer_us,
            last_fault: live.saf.last_fault,
        })
    }

    /// Reversals that a bank has not acknowledged, in all.
    pub fn reversals_open(&self) -> usize {
        self.banks.values().map(|bank| bank.owed.len()).sum()
    }

    /// Takes resting reversals up before their time; the window is kept.
    pub(crate) fn retry_reversals(&mut self, ticket: Ticket, which: SafRetry) {
        let banks: Vec<Institution> = match which {
            SafRetry::All => self.banks.keys().copied().collect(),
            SafRetry::Bank(bank) => vec![bank],
            SafRetry::One(key) => {
                let result = self.retry_one(key);
                return self.retried(ticket, result.map(|()| (1, 0)));
            }
        };
        let (mut taken, mut resting) = (0, 0);
        for bank_id in banks {
            let Some(bank) = self.banks.get(&bank_id) else { continue };
            let due: Vec<TxKey> = bank
                .resting
                .iter()
                .filter(|(_, key)| self.live.get(key).is_some_and(|live| !live.saf.waits_for_bank_timer()))
                .map(|(_, key)| *key)
                .take(RETRIED_MAX - taken)
                .collect();
            taken += due.len();
            resting += bank.resting.len() - due.len();
            for key in due {
                self.wait_until(key, None);
                self.enqueue_reversal(key);
            }
        }
        self.retried(ticket, Ok((taken, resting)));
    }

    fn retry_one(&mut self, key: TxKey) -> Result<(), String> {
        let live = self.live.get(&key).filter(|live| live.state == State::Reversing);
        let live = live.ok_or_else(|| format!("{key}: no reversal of it is owed"))?;
        match live.saf.stage {
            SafStage::Resting if live.saf.waits_for_bank_timer() => Err(format!(
                "{key}: the bank said 25, and its own timer has to run out before it is asked again"
            )),
            SafStage::Resting => {
                self.wait_until(key, None);
                self.enqueue_reversal(key);
                Ok(())
            }
            SafStage::Idle | SafStage::Queued | SafStage::Asked => {
                Err(format!("{key}: it does not rest, it is {}", live.saf.stage.name()))
            }
        }
    }

    fn retried(&mut self, ticket: Ticket, result: Result<(usize, usize), String>) {
        match result {
            Ok((taken, resting)) => self.emit(Output::Retried { ticket, taken, resting }),
            Err(refusal) => self.emit(Output::Commanded(ticket, Err(refusal))),
        }
    }

    /// Keeps what went wrong with a reversal, for those who ask.
    pub(crate) fn saf_fault(&mut self, key: TxKey, fault: SafFault) {
        let seen = SafFaultSeen { fault, at_ms: self.now.wall_ms };
        let Some(live) = self.live.get_mut(&key) else { return };
        live.saf.last_fault = Some(seen);
        let bank = live.transaction.bank();
        if let Some(bank) = bank.and_then(|bank| self.banks.get_mut(&bank)) {
            bank.fault(seen);
        }
    }

    /// A reversal is owed from here on.
    pub(crate) fn join_owed(&mut self, key: TxKey) {
        if let Some((bank, owed)) = self.owed_name(key) {
            self.banks.entry(bank).or_default().owed.insert(owed);
        }
    }

    /// It is owed no longer.
    pub(crate) fn leave_owed(&mut self, key: TxKey) {
        if let Some((bank, owed)) = self.owed_name(key)
            && let Some(bank) = self.banks.get_mut(&bank)
        {
            bank.owed.remove(&owed);
            bank.resting.remove(&owed);
        }
    }

    /// Notes where a reversal stands in its bank's queue.
    pub(crate) fn set_saf_stage(&mut self, key: TxKey, stage: SafStage) {
        let Some((bank, owed)) = self.owed_name(key) else { return };
        if let Some(live) = self.live.get_mut(&key) {
            live.saf.stage = stage;
        }
        let Some(bank) = self.banks.get_mut(&bank) else { return };
        if stage == SafStage::Resting {
            bank.resting.insert(owed);
        } else {
            bank.resting.remove(&owed);
        }
    }

    fn owed_name(&self, key: TxKey) -> Option<(Institution, (i64, TxKey))> {
        let live: &Live = self.live.get(&key)?;
        Some((live.transaction.bank()?, (live.transaction.reversing_since_ms, key)))
    }
}

impl Bank {
    fn saf(&self, id: Institution) -> SafBank {
        SafBank {
            bank: id,
            is_ready: self.is_ready(),
            reversals: self.owed.len(),
            asked: self.window.len(),
            resting: self.resting.len(),
            oldest_at_ms: self.owed.first().map(|(since_ms, _)| *since_ms),
            last_fault: self.last_fault,
            faults: self.faults,
        }
    }

    pub(crate) fn fault(&mut self, seen: SafFaultSeen) {
        self.last_fault = Some(seen);
        self.faults.count(seen.fault);
    }

    /// Reversals are there and no connection is: told once until something else goes wrong or a connection is back.
    pub(crate) fn no_link(&mut self, at_ms: i64) -> SafFaultSeen {
        let seen = SafFaultSeen { fault: SafFault::NoLink, at_ms };
        if self.has_told_no_link {
            return self.last_fault.unwrap_or(seen);
        }
        self.has_told_no_link = true;
        self.fault(seen);
        seen
    }
}
