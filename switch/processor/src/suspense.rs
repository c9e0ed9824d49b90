//! What waits for a person: the list of it, and a clerk's resolution, which alone clears what a CLAIM or NOTE has raised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{Rrn, TxKey, UtcSeconds};
use crate::io::{Found, Lookup, Output, OwnName, Ticket};
use crate::live::Live;
use crate::processor::{FindAsker, Processor};
use crate::record::{Body, Kind, Record, Resolution, Suspense};
use crate::transaction::Transaction;

/// So many transactions in SUSPENSE are listed; the flag of one more stands in the log alone until others are resolved
/// and it is raised again. It can be resolved all the same.
pub const SUSPENDED_MAX: usize = 100_000;

/// Of these, one terminal's of one message class: its next is flagged in the log alone, as above. It takes no other's place.
pub const SUSPENDED_OF_TERMINAL_MAX: usize = 1_000;

/// The transactions that wait for a person.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SuspendedSet(BTreeMap<TxKey, Suspended>);

/// Since when, why, and what the transaction is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Suspended {
    /// Wall clock of the record that raised the flag, milliseconds since 1970.
    pub since_ms: i64,
    /// Why.
    pub reason: Suspense,
    /// What was asked for; none under a TOMBSTONE.
    pub kind: Option<Kind>,
    /// DE4, minor units; none under a TOMBSTONE.
    pub amount_minor: Option<u64>,
    /// DE37; none under a TOMBSTONE.
    pub rrn: Option<Rrn>,
}

impl SuspendedSet {
    /// How many are listed.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At the bound: there may be more in the log.
    pub fn is_full(&self) -> bool {
        self.0.len() >= SUSPENDED_MAX
    }

    /// Each with its transaction, by key.
    pub fn iter(&self) -> impl Iterator<Item = (TxKey, Suspended)> {
        self.0.iter().map(|(key, suspended)| (*key, *suspended))
    }

    /// Takes in where a transaction stands behind a record.
    pub(crate) fn apply(&mut self, at_ms: i64, transaction: &Transaction) {
        let Some(reason) = transaction.suspense else {
            self.0.remove(&transaction.key);
            return;
        };
        let request = transaction.request.as_ref();
        let suspended = Suspended {
            since_ms: self.0.get(&transaction.key).map_or(at_ms, |before| before.since_ms),
            reason,
            kind: transaction.kind(),
            amount_minor: request.map(|request| request.content.amount_minor),
            rrn: request.map(|request| request.rrn),
        };
        if self.0.contains_key(&transaction.key) || self.has_room_for(transaction.key) {
            self.0.insert(transaction.key, suspended);
        }
    }

    fn has_room_for(&self, key: TxKey) -> bool {
        let first = TxKey { sent_at: UtcSeconds(i64::MIN), stan: 0, ..key };
        let last = TxKey { sent_at: UtcSeconds(i64::MAX), stan: u32::MAX, ..key };
        let of_terminal = self.0.range(first..=last).take(SUSPENDED_OF_TERMINAL_MAX).count();
        !self.is_full() && of_terminal < SUSPENDED_OF_TERMINAL_MAX
    }
}

impl Processor {
    /// A clerk has decided; the transaction may be in the log alone.
    pub(crate) fn resolve(&mut self, ticket: Ticket, key: TxKey, resolution: Resolution) {
        if self.live.contains(&key) {
            return self.resolve_in_memory(ticket, key, resolution);
        }
        let lookup = Lookup { own: OwnName::Key(key), original: None, used: None, accounts_of: None };
        let late_at_us = self.in_ms(self.config.timers.answer_ms_max);
        self.ask_log(lookup, FindAsker::Resolution(ticket, key, Box::new(resolution)), late_at_us);
    }

    /// The log's answer.
    pub(crate) fn resolution_found(
        &mut self,
        ticket: Ticket,
        key: TxKey,
        resolution: Resolution,
        found: Found,
    ) {
        if self.is_stale(key, found.as_of) {
            return self.resolve(ticket, key, resolution);
        }
        let Some(transaction) = found.own.filter(|transaction| transaction.key == key) else {
            let refusal = format!("{key}: no transaction of that key is in the log");
            return self.emit(Output::Commanded(ticket, Err(refusal)));
        };
        self.live.get_or_insert_with(key, || Box::new(Live::new(*transaction)));
        self.resolve_in_memory(ticket, key, resolution);
    }

    /// The log has not answered in time.
    pub(crate) fn resolution_late(&mut self, ticket: Ticket, key: TxKey) {
        let refusal = format!("{key}: the log does not answer; nothing was recorded");
        self.emit(Output::Commanded(ticket, Err(refusal)));
    }

    fn resolve_in_memory(&mut self, ticket: Ticket, key: TxKey, resolution: Resolution) {
        let is_suspended = self.live.get(&key).is_some_and(|live| live.transaction.suspense.is_some());
        if !is_suspended {
            let refusal = format!("{key}: it does not wait for a person");
            self.emit(Output::Commanded(ticket, Err(refusal)));
            return self.release(key);
        }
        let record = Record {
            at_ms: self.now.wall_ms,
            transaction: Some(key),
            suspense: None,
            spend: None,
            body: Body::Resolution(resolution),
        };
        let position = self.append(Some(key), record);
        self.commands.push_back((position, ticket, None));
    }
}
