//! Standing in for a registry that is away: which withdrawal may go out without its word, and asking it again later
//! (docs/security.md#stand-in).

use std::collections::BTreeMap;

use credential::Pseudonym;
use mutant::Mutant;
use serde::{Deserialize, Serialize, Serializer};

use crate::config::{ASK_AGAIN_MS, StandIn};
use crate::ids::{Code, TxKey};
use crate::io::{Away, Event, Found, Lookup, Output, OwnName, Ticket};
use crate::live::Live;
use crate::processor::{FindAsker, Processor, Timer};
use crate::record::{AskedAgain, Body, Evidence, Kind, Record, Suspense};
use crate::transaction::Transaction;

/// So many withdrawals at most may be out that the registry has not been asked about since.
pub const STAND_INS_MAX: usize = 4_096;

/// So many questions in one round.
pub const ASKED_AGAIN_AT_ONCE_MAX: usize = 64;

/// The withdrawals that the registry has still to be asked about, each with its citizen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(from = "Vec<(TxKey, Pseudonym)>")]
pub struct StandIns(BTreeMap<TxKey, Pseudonym>);

impl StandIns {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn begin(&mut self, key: TxKey, citizen: Pseudonym) {
        self.0.insert(key, citizen);
    }

    pub(crate) fn end(&mut self, key: &TxKey) {
        self.0.remove(key);
    }

    fn owes(&self, citizen: &Pseudonym) -> bool {
        self.0.values().any(|owing| owing == citizen)
    }
}

impl From<Vec<(TxKey, Pseudonym)>> for StandIns {
    fn from(pairs: Vec<(TxKey, Pseudonym)>) -> StandIns {
        StandIns(pairs.into_iter().collect())
    }
}

impl Serialize for StandIns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

/// Whether the switch may stand in, by what is configured and what is known of the card. That nothing else of this citizen
/// is out is looked at right before INTENT.
fn may_stand_in(rule: &StandIn, kind: Kind, amount_minor: u64, away: &Away, now_ms: i64) -> bool {
    let has_status = away.known.is_some_and(|known| {
        let age_ms = now_ms.saturating_sub(known.at_ms);
        known.valid_until_ms >= now_ms && (0..=rule.status_age_ms_max as i64).contains(&age_ms)
    });
    is_small_withdrawal(rule, kind, amount_minor)
        && away.evidence.passive
        && away.evidence.active
        && away.evidence.is_owed()
        && away.has_biometric
        && (has_status || mutant::is(Mutant::StandInWithoutStatus))
}

fn is_small_withdrawal(rule: &StandIn, kind: Kind, amount_minor: u64) -> bool {
    let is_small = amount_minor <= rule.amount_minor_max || mutant::is(Mutant::StandInOverFloor);
    kind == Kind::Withdrawal && is_small
}

impl Processor {
    /// Whether a request may go out in the registry's stead by what it asks for; the card and what is out are looked at later.
    pub(crate) fn may_ask_for_stand_in(&self, kind: Kind, amount_minor: u64) -> bool {
        self.config.stand_in.is_some_and(|rule| is_small_withdrawal(&rule, kind, amount_minor))
    }

    /// The chip is authentic and the registry away: 91, or the switch stands in.
    pub(crate) fn registry_away(&mut self, key: TxKey, away: Away) {
        let rule = self.config.stand_in;
        let now_ms = self.now.wall_ms;
        let work = self.work(key);
        let (kind, amount_minor) = (work.kind.unwrap_or(Kind::Withdrawal), work.content.amount_minor);
        if !rule.is_some_and(|rule| may_stand_in(&rule, kind, amount_minor, &away, now_ms)) {
            return self.refuse(key, Code::UNAVAILABLE);
        }
        work.evidence = Some(away.evidence);
        self.go_on(key);
    }

    /// One at a time of each citizen, and so many in all: what is at stake while the registry is away is bounded.
    pub(crate) fn may_stand_in_for(&self, citizen: Pseudonym) -> bool {
        let owed_max = self.config.stand_in.map_or(0, |rule| rule.owed_max.min(STAND_INS_MAX));
        let owed = &self.standing.stand_ins;
        owed.len() < owed_max && (!owed.owes(&citizen) || mutant::is(Mutant::StandInTwice))
    }

    /// A round of questions is planned while any is owed.
    pub(crate) fn plan_ask_again(&mut self) {
        if self.ask_again_at_us.is_none() && !self.standing.stand_ins.is_empty() {
            let at_us = self.in_ms(self.config.stand_in.map_or(ASK_AGAIN_MS, |rule| rule.ask_again_ms));
            self.ask_again_at_us = Some(at_us);
            self.start_timer(at_us, Timer::AskAgain);
        }
    }

    /// Reads what the registry is to be asked; those under way are left.
    pub(crate) fn ask_again_round(&mut self) {
        self.ask_again_at_us = None;
        let free = ASKED_AGAIN_AT_ONCE_MAX.saturating_sub(self.asks_again.len());
        let under_way: Vec<TxKey> = self.asks_again.values().copied().collect();
        // Behind the last one that was asked: what the registry never answers does not keep the others from being asked.
        let last = self.asked_again_last;
        let keys = || self.standing.stand_ins.0.keys().copied();
        let behind = keys().filter(|key| Some(*key) > last).chain(keys().filter(|key| Some(*key) <= last));
        let owing = behind.filter(|key| !under_way.contains(key));
        let next: Vec<TxKey> = owing.take(free).collect();
        self.asked_again_last = next.last().copied().or(self.asked_again_last);
        for key in next {
            match self.live.get(&key).and_then(|live| owed(&live.transaction)) {
                Some(evidence) => self.put_again(key, evidence),
                None => self.look_up(key, FindAsker::Owed(key)),
            }
        }
        self.plan_ask_again();
    }

    /// The log's answer: what is to be asked.
    pub(crate) fn owed_found(&mut self, key: TxKey, found: &Found) {
        if let Some(evidence) = found.own.as_deref().and_then(owed) {
            self.put_again(key, evidence);
        }
    }

    fn put_again(&mut self, key: TxKey, owed: Box<Evidence>) {
        let ticket = self.ticket();
        self.asks_again.insert(ticket, key);
        self.emit(Output::AskAgain(ticket, owed));
    }

    /// The registry's word, or that it is still away: then the next round asks.
    pub(crate) fn asked_again(&mut self, ticket: Ticket, said: Option<AskedAgain>) {
        let Some(key) = self.asks_again.remove(&ticket) else { return };
        let Some(said) = said else { return };
        if self.live.contains(&key) {
            return self.record_asked_again(key, said);
        }
        self.look_up(key, FindAsker::AskedAgain(key, Box::new(said)));
    }

    /// The log's answer: the transaction that the registry spoke of.
    pub(crate) fn asked_again_found(&mut self, key: TxKey, said: AskedAgain, found: Found) {
        if self.is_stale(key, found.as_of) {
            return self.look_up(key, FindAsker::AskedAgain(key, Box::new(said)));
        }
        let Some(transaction) = found.own.filter(|transaction| transaction.key == key) else { return };
        self.live.get_or_insert_with(key, || Box::new(Live::new(*transaction)));
        self.record_asked_again(key, said);
    }

    fn record_asked_again(&mut self, key: TxKey, said: AskedAgain) {
        if !self.standing.stand_ins.0.contains_key(&key) {
            // A slow look-up had it asked twice.
            return self.release(key);
        }
        let refused = said.refused;
        let suspense = refused.map(|_| Suspense::Claim);
        let suspense = suspense.filter(|_| !mutant::is(Mutant::RefusalAfterwardsIgnored));
        let record = Record {
            at_ms: self.now.wall_ms,
            transaction: Some(key),
            suspense,
            spend: None,
            body: Body::AskedAgain(Box::new(said)),
        };
        self.append(Some(key), record);
        self.event(Event::AskedAgain(key, refused));
        if let Some(suspense) = suspense {
            self.event(Event::Suspended(key, suspense));
        }
    }

    fn look_up(&mut self, key: TxKey, asker: FindAsker) {
        let lookup = Lookup { own: OwnName::Key(key), original: None, used: None, accounts_of: None };
        let late_at_us = self.in_ms(self.config.timers.answer_ms_max);
        self.ask_log(lookup, asker, late_at_us);
    }
}

/// What the registry is to be asked about a withdrawal that went out in its stead.
fn owed(transaction: &Transaction) -> Option<Box<Evidence>> {
    let evidence = transaction.sent.as_ref()?.evidence.as_ref()?;
    evidence.is_owed().then(|| Box::new(evidence.clone()))
}
