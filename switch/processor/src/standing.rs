//! What the switch knows beyond single transactions: business day, counters, blocks, live references.

use std::collections::{BTreeMap, BTreeSet};

use credential::{Pseudonym, Reference};
use mutant::Mutant;
use serde::{Deserialize, Serialize, Serializer};

use crate::ids::{BankIdentity, Code, Day, Institution, Rrn, TerminalId, TxKey, UtcSeconds};
use crate::intake::decimal;
use crate::record::{BlockSubject, Body, Evidence, Intent, Record, TotalsStep};
use crate::stand_in::StandIns;
use crate::suspense::SuspendedSet;
use crate::totals_kept::TotalsKept;
use crate::transaction::Transaction;
use crate::unordered::Unordered;
use crate::used_proofs::UsedProofs;

/// So many references live at once; at the limit a verification is answered 91. 180 s at 5,000 verifications a second.
pub const REFERENCES_MAX: usize = 900_000;

/// One fold over all records; written into checkpoints, so that a start need not read the whole log.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The open business day; `None` before the first CUTOVER.
    pub day: Option<Day>,
    /// Wall clock of the newest record, milliseconds since 1970.
    pub last_at_ms: i64,
    /// The highest RRN given out: calendar day and number within it.
    pub rrn: Option<(Day, u32)>,
    /// The newest identity used at each bank; DE7 never falls below it.
    pub banks: BTreeMap<Institution, BankIdentity>,
    /// What operators have blocked.
    pub blocks: BTreeSet<BlockSubject>,
    /// References not yet expired when last looked at.
    pub references: References,
    /// Chips' signatures that were used and could still pass. Checkpoints that were written before there were any have none.
    #[serde(default)]
    pub proofs: UsedProofs,
    /// What waits for a person.
    pub suspended: SuspendedSet,
    /// Totals that members and the switch have told each other.
    #[serde(default)]
    pub totals: TotalsKept,
    /// Withdrawals that went out in the registry's stead and that it has not been asked about since. Checkpoints that were
    /// written before there were any have none.
    #[serde(default)]
    pub stand_ins: StandIns,
}

/// The references that may still serve; `order` has the one that expires first in front.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(from = "Vec<(Reference, LiveReference)>")]
pub struct References {
    live: Unordered<Reference, LiveReference>,
    order: BTreeSet<(i64, Reference)>,
}

/// A reference that may still serve.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveReference {
    /// Bound to this citizen.
    pub citizen: Pseudonym,
    /// Bound to this terminal.
    pub terminal: TerminalId,
    /// Bound to this acquirer.
    pub acquirer: Institution,
    /// Wall clock, milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The registry signed a biometric match.
    pub biometric_matched: bool,
    /// The money transactions that consumed it, and how the newest was declined, if it was.
    pub uses: Vec<(TxKey, Option<Code>)>,
}

impl Standing {
    /// Adds the next record. `transaction` is the sum of its transaction's records, this one included.
    pub fn apply(&mut self, record: &Record, transaction: Option<&Transaction>) {
        self.last_at_ms = self.last_at_ms.max(record.at_ms);
        if let Some(transaction) = transaction {
            self.suspended.apply(record.at_ms, transaction);
        }
        if let Some(request) = record.request().filter(|request| !request.rrn_from_terminal) {
            self.raise_rrn(request.rrn, record.at_ms);
        }
        if let Some(key) = record.transaction.filter(|_| may_have_used_a_signature(&record.body)) {
            self.proofs.note(key, record.at_ms);
        }
        match &record.body {
            Body::Intent(intent) => {
                self.raise_bank(intent.bank, intent.identity);
                if let (Some(reference), Some(key)) = (intent.reference, record.transaction) {
                    self.references.consume(reference, key);
                }
                if let Some(key) = record.transaction.filter(|_| is_owed(intent)) {
                    self.stand_ins.begin(key, intent.request.content.citizen);
                }
            }
            Body::Reversal(reversal) => {
                if let Some(bank) = transaction.and_then(Transaction::bank) {
                    self.raise_bank(bank, reversal.identity);
                }
            }
            Body::Declined(declined) => {
                if let Some(sent) = transaction.and_then(|transaction| transaction.sent.as_ref())
                    && let (Some(reference), Some(key)) = (sent.reference, record.transaction)
                {
                    self.references.note_decline(reference, key, declined.code);
                }
            }
            Body::Verification(verification) => {
                if let Some(key) = record.transaction {
                    let live = LiveReference {
                        citizen: verification.request.content.citizen,
                        terminal: key.terminal,
                        acquirer: key.acquirer,
                        expires_at_ms: verification.expires_at_ms,
                        biometric_matched: verification.biometric_matched,
                        uses: Vec::new(),
                    };
                    self.references.forget_expired(record.at_ms);
                    self.references.give_out(verification.reference, live);
                }
            }
            Body::Cutover(day) => {
                self.totals.cut_over(self.day, record.at_ms);
                self.day = Some(*day);
            }
            Body::Totals(totals) => {
                if matches!(totals.step, TotalsStep::Asked | TotalsStep::GivenUp) {
                    self.raise_bank(totals.member, totals.name);
                }
                self.totals.apply(totals);
            }
            Body::Block(block) => {
                if block.set {
                    self.blocks.insert(block.subject);
                } else {
                    self.blocks.remove(&block.subject);
                }
            }
            Body::AskedAgain(_) => {
                if let Some(key) = record.transaction {
                    self.stand_ins.end(&key);
                }
            }
            Body::Outcome(_)
            | Body::Reversed(_)
            | Body::Complete(_)
            | Body::Claim(..)
            | Body::Note(..)
            | Body::Tombstone(_)
            | Body::Resolution(_) => {}
        }
    }

    /// The next RRN: last digit of the year, day of the year, eight digits counted within the day. Never below one
    /// that is durable, also when the clock steps back.
    pub fn next_rrn(&mut self, now_ms: i64) -> Rrn {
        let today = Day::of_unix_ms(now_ms);
        let (day, number) = match self.rrn {
            Some((day, number)) if day >= today => (day, number + 1),
            Some(_) | None => (today, 1),
        };
        self.rrn = Some((day, number));
        let (year, ordinal) = (u64::from(day.yyyymmdd() / 10_000 % 10), u64::from(day.ordinal()));
        let mut rest = (year * 1_000 + ordinal) * 100_000_000 + u64::from(number % 100_000_000);
        let mut rrn = [b'0'; 12];
        for digit in rrn.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Rrn(rrn)
    }

    /// The next identity at a bank that `in_flight` does not hold. A STAN that comes round while DE7 stands still, as
    /// it does behind a clock that was set back, takes the next second: no name is ever given twice.
    pub fn next_bank_identity(
        &mut self,
        bank: Institution,
        now: UtcSeconds,
        in_flight: impl Fn(BankIdentity) -> bool,
    ) -> BankIdentity {
        let last = self.banks.get(&bank).copied().unwrap_or(BankIdentity { sent_at: now, stan: 0 });
        if last.stan == 999_999 && mutant::is(Mutant::StanWrapReusesIdentity) {
            return last;
        }
        let sent_at = if mutant::is(Mutant::BankTimeFallsWithClock) { now } else { last.sent_at.max(now) };
        let mut next = BankIdentity { sent_at, stan: last.stan };
        loop {
            next.stan += 1;
            if next.stan > 999_999 {
                next.stan = 1;
                next.sent_at = next.sent_at.max(UtcSeconds(last.sent_at.0 + 1));
            }
            if !in_flight(next) {
                self.banks.insert(bank, next);
                return next;
            }
        }
    }

    /// The day stands in the RRN itself: a record may be of another one, across midnight or behind a clock that was set
    /// back.
    fn raise_rrn(&mut self, rrn: Rrn, at_ms: i64) {
        let digits = |range: std::ops::Range<usize>| decimal(&rrn.0[range]);
        let (Some(year), Some(ordinal), Some(number)) = (digits(0..1), digits(1..4), digits(4..12)) else {
            return;
        };
        if let Some(day) = Day::of_rrn(year, ordinal, Day::of_unix_ms(at_ms)) {
            self.rrn = self.rrn.max(Some((day, number)));
        }
    }

    /// Within one second STANs only rise: one that comes round takes the next second. A reversal that is reopened brings
    /// an old name, also one of this second.
    fn raise_bank(&mut self, bank: Institution, identity: BankIdentity) {
        let newest = self.banks.entry(bank).or_insert(identity);
        *newest = (*newest).max(identity);
    }
}

/// A request that a reference does not vouch for comes with a chip's signature; of one that was declined it is not recorded,
/// and remembered all the same.
fn may_have_used_a_signature(body: &Body) -> bool {
    match body {
        Body::Intent(intent) => intent.reference.is_none(),
        Body::Declined(declined) => declined.request.is_some(),
        Body::Verification(_) => true,
        Body::Outcome(_)
        | Body::Reversal(_)
        | Body::Reversed(_)
        | Body::Complete(_)
        | Body::Claim(..)
        | Body::Note(..)
        | Body::Tombstone(_)
        | Body::Cutover(_)
        | Body::Block(_)
        | Body::Resolution(_)
        | Body::Totals(_)
        | Body::AskedAgain(_) => false,
    }
}

fn is_owed(intent: &Intent) -> bool {
    intent.evidence.as_ref().is_some_and(Evidence::is_owed)
}

impl References {
    /// The reference, if it was given out and not yet dropped.
    pub fn get(&self, reference: &Reference) -> Option<&LiveReference> {
        self.live.get(reference)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// None is held.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Drops those past their life, also behind one that a clock ahead of itself gave out.
    pub fn forget_expired(&mut self, now_ms: i64) {
        while let Some(&(expires_at_ms, oldest)) = self.order.first()
            && expires_at_ms < now_ms
        {
            self.live.remove(&oldest);
            self.order.pop_first();
        }
    }

    fn give_out(&mut self, reference: Reference, live: LiveReference) {
        self.order.insert((live.expires_at_ms, reference));
        self.live.insert(reference, live);
    }

    fn consume(&mut self, reference: Reference, by: TxKey) {
        if let Some(live) = self.live.get_mut(&reference) {
            live.uses.push((by, None));
        }
    }

    fn note_decline(&mut self, reference: Reference, by: TxKey, code: Code) {
        let uses = self.live.get_mut(&reference).into_iter().flat_map(|live| live.uses.iter_mut());
        for (_, declined) in uses.filter(|(user, _)| *user == by) {
            *declined = Some(code);
        }
    }
}

impl From<Vec<(Reference, LiveReference)>> for References {
    fn from(pairs: Vec<(Reference, LiveReference)>) -> References {
        let mut references = References::default();
        pairs.into_iter().for_each(|(reference, live)| references.give_out(reference, live));
        references
    }
}

/// The pairs in their order, as they stand: there may be [`REFERENCES_MAX`], and none is copied for it.
impl Serialize for References {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(self.order.iter().filter_map(|(_, id)| self.live.get(id).map(|live| (id, live))))
    }
}
