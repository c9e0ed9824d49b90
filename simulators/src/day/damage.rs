//! What is done to a day, kind by kind: how much of it, and to whom.

use std::collections::BTreeMap;
use std::path::Path;

use reconciliation::Kind;
use serde::Deserialize;

use super::plan::{Names, Retry, Twin, Use, Way, What};
use crate::pilot::Chance;

/// One in so many transactions is damaged in each way, where no file says otherwise.
const ONE_IN: usize = 2_000;
/// And no fewer.
const EACH_MIN: usize = 3;

/// How many of each kind are planted, and pairs of twins.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Damages {
    /// By the kind's name; of a kind that is not named none.
    #[serde(default)]
    pub(super) planted: BTreeMap<Kind, usize>,
    /// Pairs of equal amount in one minute at one terminal whose lines at the bank have no name.
    #[serde(default)]
    pub(super) twins: usize,
    /// Withdrawals whose dispense was tried again: the journal has several lines of each.
    #[serde(default)]
    pub(super) retried: usize,
    /// Reversals that the bank posts without a name, each beside a deposit of its amount that the bank has not posted.
    #[serde(default)]
    pub(super) nameless_reversals: usize,
}

/// Kinds that are about a transaction; the others are about a cassette, a member or a file.
pub(super) const OF_TRANSACTIONS: [Kind; 15] = [
    Kind::MissingAtBank,
    Kind::MissingAtSwitch,
    Kind::MissingInJournal,
    Kind::Duplicate,
    Kind::AmountOver,
    Kind::AmountUnder,
    Kind::Currency,
    Kind::DataMismatch,
    Kind::DebitedNotDispensed,
    Kind::PartDispensed,
    Kind::DispensedNotDebited,
    Kind::Retracted,
    Kind::OtherDay,
    Kind::LateReversal,
    Kind::Suspense,
];

impl Damages {
    /// Some of every kind.
    pub(super) fn of_every_kind(transactions: usize) -> Damages {
        let each = (transactions / ONE_IN).max(EACH_MIN);
        let count = |kind: Kind| match kind {
            Kind::CashOver | Kind::CashShort => each.min(5),
            Kind::TotalsOutOfBalance
            | Kind::TotalsMissing
            | Kind::UnreadableLine
            | Kind::ControlTotalWrong
            | Kind::DuplicateFile => 1,
            _ => each,
        };
        Damages {
            planted: Kind::ALL.into_iter().map(|kind| (kind, count(kind))).collect(),
            twins: each * 2,
            retried: each * 4,
            nameless_reversals: each,
        }
    }

    /// As a TOML file says: `twins = 10`, `retried = 8`, `nameless_reversals = 4`, and `[planted]` with a number for each kind by name.
    pub(super) fn read(path: &Path) -> Result<Damages, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.planted.get(&kind).copied().unwrap_or(0)
    }
}

/// Damages plain transactions, each in one way, and adds twins to others.
pub(super) fn plant(
    uses: &mut Vec<Use>,
    damages: &Damages,
    chance: &mut Chance,
    is_plain: impl Fn(&Use) -> bool,
) {
    let mut plain: Vec<usize> = (0..uses.len()).filter(|index| is_plain(&uses[*index])).collect();
    chance.shuffle(&mut plain);
    for kind in OF_TRANSACTIONS {
        for variant in 0..damages.count(kind) {
            let Some(index) = plain.pop() else { return };
            let one = &mut uses[index];
            (one.damage, one.variant) = (Some(kind), variant);
            match kind {
                // Cash has left though it was taken back; taken back a day late.
                Kind::DispensedNotDebited | Kind::LateReversal => one.what = What::Reversed,
                _ => {}
            }
        }
    }
    for pair in 0..damages.twins {
        let Some(index) = plain.pop() else { return };
        let second = uses[index].clone();
        add_twins(uses, index, second, pair, chance);
    }
    for variant in 0..damages.retried {
        let Some(index) = plain.pop() else { return };
        let retry = Retry::of(variant);
        uses[index].damage = (retry.way == Way::InVain).then_some(Kind::DebitedNotDispensed);
        uses[index].retry = Some(retry);
    }
    for pair in 0..damages.nameless_reversals {
        let Some(index) = plain.pop() else { return };
        add_nameless_reversal(uses, index, pair, chance);
    }
}

/// What was taken back, of which the bank's second line has no name, and behind it a deposit of as much that the bank has forgotten: the line might
/// be either's.
fn add_nameless_reversal(uses: &mut Vec<Use>, index: usize, pair: usize, chance: &mut Chance) {
    let reversed = &mut uses[index];
    (reversed.what, reversed.twin, reversed.variant) = (What::Reversed, Some(Twin::Back), pair);
    let at_s = reversed.at_s + i64::from(chance.between(25, 50));
    let deposit = Use { at_s, what: What::Deposit, twin: Some(Twin::Missing), ..reversed.clone() };
    let number = uses.len() as u32 + 1;
    uses.push(Use { number, ..deposit });
}

/// A second of the same amount less than a minute later; in every third pair one line is missing, in another one a transaction with a
/// name stands between them and others around them.
fn add_twins(uses: &mut Vec<Use>, index: usize, mut second: Use, pair: usize, chance: &mut Chance) {
    let kind = pair % 3;
    let apart_s = i64::from(chance.between(20, 50));
    let number = |uses: &Vec<Use>| uses.len() as u32 + 1;
    second.number = number(uses);
    second.at_s += apart_s;
    let (first_twin, second_twin) = match kind {
        0 => (Twin::Nameless, Twin::Nameless),
        1 if pair.is_multiple_of(2) => (Twin::Missing, Twin::Nameless),
        1 => (Twin::Nameless, Twin::Missing),
        _ => (Twin::Proven, Twin::Proven),
    };
    let names = |one: &mut Use, twin| {
        one.twin = Some(twin);
        one.bank_names = if twin == Twin::Proven { Names::Sequence } else { Names::None };
    };
    names(&mut uses[index], first_twin);
    names(&mut second, second_twin);
    let around = |uses: &mut Vec<Use>, at_s: i64, amount: i64| {
        let between = Use {
            at_s,
            amount,
            number: number(uses),
            bank_names: Names::All,
            twin: Some(Twin::Between),
            ..second.clone()
        };
        uses.push(between);
    };
    let (first_at_s, amount) = (uses[index].at_s, second.amount);
    uses.push(second.clone());
    if second_twin == Twin::Proven {
        around(uses, first_at_s - 8, amount + 50_000);
        around(uses, first_at_s + apart_s / 2, amount + 100_000);
        around(uses, first_at_s + apart_s + 8, amount + 150_000);
    }
}
