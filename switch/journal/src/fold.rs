//! The sum of the log's records: the switch's standing and the transactions that are not at their end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use mutant::Mutant;
use processor::{Body, BrokenSequence, Institution, Record, Standing, Transaction, TxKey};

use crate::names::Place;

/// A transaction and where its records stand. It is no more than [`crate::codec::Unseal::Leave`] lets see.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) transaction: Transaction,
    pub(crate) places: Vec<Place>,
}

/// The sum.
#[derive(Clone, Default)]
pub(crate) struct Fold {
    pub(crate) standing: Standing,
    pub(crate) open: HashMap<TxKey, Box<Placed>, RandomState>,
    /// Transactions that ended in segments that the index does not know yet.
    ended: HashMap<TxKey, Vec<Place>, RandomState>,
}

/// Why a record cannot be added.
pub(crate) enum FoldError<E> {
    /// No rule of the lifecycle leads there.
    Broken(BrokenSequence),
    /// The transaction's earlier records could not be read.
    Earlier(E),
}

impl Fold {
    /// Adds the next record and gives its transaction's bank. `earlier` reads transactions that are not open, for the
    /// few records that may follow an end; it is handed their places where they are known here, else none.
    pub(crate) fn apply<E>(
        &mut self,
        place: Place,
        record: &Record,
        earlier: impl FnOnce(&TxKey, &[Place]) -> Result<Option<Placed>, E>,
    ) -> Result<Option<Institution>, FoldError<E>> {
        let Some(key) = record.transaction else {
            self.standing.apply(record, None);
            return Ok(None);
        };
        let placed = match self.open.entry(key) {
            Entry::Occupied(occupied) => occupied.into_mut(),
            Entry::Vacant(vacant) => {
                let known = self.ended.get(&key);
                let placed = if begins(&record.body) && known.is_none() {
                    None
                } else {
                    earlier(&key, known.map_or(&[], Vec::as_slice)).map_err(FoldError::Earlier)?
                };
                let new = || Placed { transaction: Transaction::new(key), places: Vec::new() };
                vacant.insert(Box::new(placed.unwrap_or_else(new)))
            }
        };
        if matches!(record.body, Body::Complete(_)) && mutant::is(Mutant::CompleteForgotten) {
            return Ok(placed.transaction.bank());
        }
        let applied = placed.transaction.apply(record);
        placed.places.push(place);
        let bank = placed.transaction.bank();
        self.standing.apply(record, Some(&placed.transaction));
        if !placed.transaction.state.is_open()
            && let Some(placed) = self.open.remove(&key)
            && !mutant::is(Mutant::EndedTransactionsForgotten)
        {
            self.ended.insert(key, placed.places);
        }
        applied.map(|()| bank).map_err(FoldError::Broken)
    }

    /// The index knows all that was added so far.
    pub(crate) fn forget_ended(&mut self) {
        self.ended.clear();
    }
}

/// Nothing of the same transaction can stand before this record.
pub(crate) fn begins(body: &Body) -> bool {
    match body {
        Body::Intent(_) | Body::Verification(_) | Body::Tombstone(_) => true,
        Body::Declined(declined) => declined.request.is_some(),
        Body::Outcome(_)
        | Body::Reversal(_)
        | Body::Reversed(_)
        | Body::Complete(_)
        | Body::Claim(..)
        | Body::Note(..)
        | Body::Cutover(_)
        | Body::Block(_)
        | Body::Resolution(_)
        | Body::Totals(_)
        | Body::AskedAgain(_) => false,
    }
}
