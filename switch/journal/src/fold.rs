//! The sum of the log's records: the switch's standing and the transactions that are not at their end.

use std::collections::HashMap;

use processor::{Body, BrokenSequence, Position, Record, Standing, Transaction, TxKey};

/// A transaction and where its records stand.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) transaction: Transaction,
    pub(crate) positions: Vec<Position>,
}

/// The sum.
#[derive(Clone, Default)]
pub(crate) struct Fold {
    pub(crate) standing: Standing,
    pub(crate) open: HashMap<TxKey, Placed>,
}

/// Why a record cannot be added.
pub(crate) enum FoldError<E> {
    /// No rule of the lifecycle leads there.
    Broken(BrokenSequence),
    /// The transaction's earlier records could not be read.
    Earlier(E),
}

impl Fold {
    /// Adds the next record. `earlier` gives the transactions that are not open, for the few records that may follow
    /// an end.
    pub(crate) fn apply<E>(
        &mut self,
        position: Position,
        record: &Record,
        earlier: impl FnOnce(&TxKey) -> Result<Option<Placed>, E>,
    ) -> Result<(), FoldError<E>> {
        let Some(key) = record.transaction else {
            self.standing.apply(record, None);
            return Ok(());
        };
        if let Some(placed) = self.open.get_mut(&key) {
            placed.transaction.apply(record).map_err(FoldError::Broken)?;
            placed.positions.push(position);
            self.standing.apply(record, Some(&placed.transaction));
            if !placed.transaction.state.is_open() {
                self.open.remove(&key);
            }
            return Ok(());
        }
        let known = if begins(&record.body) { None } else { earlier(&key).map_err(FoldError::Earlier)? };
        let mut placed =
            known.unwrap_or_else(|| Placed { transaction: Transaction::new(key), positions: Vec::new() });
        placed.transaction.apply(record).map_err(FoldError::Broken)?;
        placed.positions.push(position);
        self.standing.apply(record, Some(&placed.transaction));
        if placed.transaction.state.is_open() {
            self.open.insert(key, placed);
        }
        Ok(())
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
        | Body::Block(_) => false,
    }
}
