//! Fees (DE28): what a bank owes the acquirer for each transaction, per bank and kind.

use processor::{Institution, Kind as Asked};
use serde::{Deserialize, Serialize};

use crate::sheet::Entry;

/// So many lines a fee table has at most: it stands whole in the record of a close.
pub const FEES_MAX: usize = 500;

/// One line of the fee table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fee {
    /// This bank's citizens; every bank's without a line of its own where it is absent.
    pub bank: Option<Institution>,
    /// What was done.
    pub asked: Asked,
    /// For each, minor units.
    pub fixed_minor: i64,
    /// And of the amount, in hundredths of a percent, rounded down to a minor unit.
    pub basis_points: u32,
}

/// All fees.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct FeeTable(Vec<Fee>);

impl FeeTable {
    /// Its lines, as they were given.
    pub fn lines(&self) -> &[Fee] {
        &self.0
    }

    /// A table.
    ///
    /// # Errors
    /// Two lines for one bank and kind, a negative fee, or more than [`FEES_MAX`] lines.
    pub fn new(fees: Vec<Fee>) -> Result<FeeTable, String> {
        if fees.len() > FEES_MAX {
            return Err(format!("{FEES_MAX} fees are the most"));
        }
        for (index, fee) in fees.iter().enumerate() {
            let whose = fee.bank.map_or("every bank".to_owned(), |bank| bank.to_string());
            if fee.fixed_minor < 0 || fee.basis_points > 10_000 {
                return Err(format!("fee {} of {whose} is negative or above the amount", fee.asked.name()));
            }
            if fees[..index].iter().any(|other| (other.bank, other.asked) == (fee.bank, fee.asked)) {
                return Err(format!("{} of {whose} has two fees", fee.asked.name()));
            }
        }
        Ok(FeeTable(fees))
    }

    /// What the bank owes the acquirer for an entry that is no reversal: what one gives back is what was taken, whatever the table says by then.
    pub fn fee_minor(&self, entry: &Entry) -> i64 {
        let of = |bank| self.0.iter().find(|fee| (fee.bank, fee.asked) == (bank, entry.asked));
        let Some(fee) = of(Some(entry.bank)).or_else(|| of(None)) else { return 0 };
        let share = i128::from(entry.amount_minor.unsigned_abs()) * i128::from(fee.basis_points) / 10_000;
        fee.fixed_minor.saturating_add(i64::try_from(share).unwrap_or(i64::MAX))
    }
}
