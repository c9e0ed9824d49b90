//! What a bank may rightly count that we do not: transactions whose answer was lost and that were taken back.

use std::collections::BTreeSet;

use processor::{Figures, Kind as Asked};

use crate::sheet::{Claimed, ELEMENTS, Entry};

/// So many sums of some of the amounts are tried; beyond, a sum counts as one where the smallest and the largest of as many leave room for it.
const SUMS_MAX: usize = 10_000;

/// Lost answers that come to the difference between what a bank claims and what we count. The bank may have carried out each of them, and then has its
/// debit and its reversal where we have neither; that it did is not proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explained {
    /// So many transactions.
    pub items: u64,
    /// What they come to, minor units; 0 where the bank claims numbers alone.
    pub amount_minor: i64,
    /// Of so many whose answer was lost.
    pub of_items: u64,
}

/// Elements by what they count: what was asked for, whether it was taken back, number, amount, and the amount's sign in what an issuer owes.
const CLASSES: [(Asked, bool, u8, Option<u8>, i64); 6] = [
    (Asked::Withdrawal, false, 76, Some(88), 1),
    (Asked::Withdrawal, true, 77, Some(89), -1),
    (Asked::Deposit, false, 74, Some(86), -1),
    (Asked::Deposit, true, 75, Some(87), 1),
    (Asked::Transfer, false, 78, None, 0),
    (Asked::Transfer, true, 79, None, 0),
];

/// Looks whether all that an issuer claims beside ours is transactions whose answer was lost: of each element as much as some of them come to, the net
/// follows from these, and no other element differs.
pub fn explained(ours: &Figures, claimed: &Claimed, lost: &[Entry]) -> Option<Explained> {
    let beside = |number: u8| Some(*claimed.get(&number)? - ours.get(number)?);
    let (mut begun, mut back, mut net_minor) = ((0, 0), (0, 0), 0);
    for (asked, is_reversal, number, amount, sign) in CLASSES {
        let of_class = lost.iter().filter(|entry| (entry.asked, entry.is_reversal) == (asked, is_reversal));
        let amounts: Vec<i64> = of_class.map(|entry| entry.amount_minor.abs()).collect();
        let (items, amount_minor) = some_of(amounts, beside(number), amount.and_then(beside))?;
        let all = if is_reversal { &mut back } else { &mut begun };
        *all = (all.0 + items, all.1 + amount_minor);
        net_minor += sign * amount_minor;
    }
    let is_class = |number: u8| CLASSES.iter().any(|class| class.2 == number || class.3 == Some(number));
    let others = ELEMENTS.iter().filter(|element| !is_class(element.number));
    let due = |number: u8| if number == 97 { net_minor } else { 0 };
    let is_even =
        others.into_iter().all(|it| beside(it.number).is_none_or(|beside| beside == due(it.number)));
    let (items, amount_minor) = begun.max(back);
    let of_items = lost.iter().filter(|entry| !entry.is_reversal).count();
    let of_items = of_items.max(lost.len() - of_items) as u64;
    (is_even && items > 0).then_some(Explained { items, amount_minor, of_items })
}

/// How many of the amounts, and what they come to, where some are as many as `count` and come to `sum`, as far as these are claimed.
fn some_of(mut amounts: Vec<i64>, count: Option<i64>, sum: Option<i64>) -> Option<(u64, i64)> {
    let wanted = count.map(|count| u64::try_from(count).ok().filter(|count| *count <= amounts.len() as u64));
    let count = match wanted {
        Some(None) => return None,
        Some(count) => count,
        None => None,
    };
    let Some(sum) = sum else { return Some((count.unwrap_or(0), 0)) };
    if sum == 0 && count.is_none_or(|count| count == 0) {
        return Some((0, 0));
    }
    amounts.sort_unstable();
    let mut sums = BTreeSet::from([(0_u64, 0_i64)]);
    for amount in &amounts {
        let more = sums.iter().map(|(items, before)| (items + 1, before + amount));
        let may_do =
            |(items, come_to): &(u64, i64)| count.is_none_or(|count| *items <= count) && *come_to <= sum;
        let more: Vec<(u64, i64)> = more.filter(may_do).collect();
        sums.extend(more);
        if sums.len() > SUMS_MAX {
            let items = count?;
            let few = amounts.iter().take(items as usize).sum::<i64>();
            let most = amounts.iter().rev().take(items as usize).sum::<i64>();
            return (few..=most).contains(&sum).then_some((items, sum));
        }
    }
    sums.into_iter().find(|(items, come_to)| count.is_none_or(|count| *items == count) && *come_to == sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(of: &[(Asked, i64)], is_both: bool) -> Vec<Entry> {
        let entry = |asked, amount_minor, is_reversal| Entry {
            day: "2026-05-03".parse().unwrap(),
            bank: "970415".parse().unwrap(),
            acquirer: "970418".parse().unwrap(),
            asked,
            amount_minor,
            is_reversal,
            is_whole: true,
        };
        let all = of.iter().flat_map(|(asked, minor)| [false, true].map(|back| entry(*asked, *minor, back)));
        all.filter(|entry| is_both || !entry.is_reversal).collect()
    }

    #[test]
    fn a_difference_is_explained_by_some_of_the_lost_answers_or_not_at_all() {
        let mut ours = Figures::default();
        for element in ELEMENTS {
            ours.set(element.number, 1_000_000);
        }
        const W: Asked = Asked::Withdrawal;
        let few =
            [(W, 500_000), (W, 2_000_000), (W, 3_000_000), (Asked::Deposit, -700_000), (Asked::Transfer, 9)];
        let explain = |more: &[(u8, i64)], lost: &[Entry]| {
            let claimed: Claimed = more.iter().map(|(number, more)| (*number, 1_000_000 + more)).collect();
            explained(&ours, &claimed, lost).map(|it| (it.items, it.amount_minor, it.of_items))
        };
        let two = [(76, 2), (77, 2), (88, 2_500_000), (89, 2_500_000)];
        for (name, more, is_both, expected) in [
            ("two of them", &two[..], true, Some((2, 2_500_000, 5))),
            ("and the net agrees", &[two.as_slice(), &[(97, 0)]].concat(), true, Some((2, 2_500_000, 5))),
            ("and the net does not", &[two.as_slice(), &[(97, 5)]].concat(), true, None),
            ("and something else", &[two.as_slice(), &[(80, 1)]].concat(), true, None),
            (
                "taken back in another day",
                &[(76, 1), (88, 500_000), (97, 500_000)],
                false,
                Some((1, 500_000, 5)),
            ),
            ("a deposit and its net", &[(74, 1), (86, 700_000), (97, -700_000)], true, Some((1, 700_000, 5))),
            ("a transfer", &[(78, 1), (79, 1)], true, Some((1, 0, 5))),
            ("amounts alone", &[(88, 5_000_000), (89, 5_000_000)], true, Some((2, 5_000_000, 5))),
            ("numbers alone", &[(76, 3), (77, 3)], true, Some((3, 0, 5))),
            ("no such amount", &[(76, 1), (88, 700_000)], true, None),
            ("as much, but another number", &[(76, 2), (88, 3_000_000)], true, None),
            ("more than there are", &[(76, 4), (88, 5_500_000)], true, None),
            ("fewer than ours", &[(76, -1), (88, -500_000)], true, None),
            ("nothing differs", &[(76, 0), (88, 0)], true, None),
        ] {
            assert_eq!(explain(more, &entries(&few, is_both)), expected, "{name}");
        }
        // More than are tried one by one.
        let many: Vec<(Asked, i64)> = (1..2_000).map(|number| (W, number * 10_007)).collect();
        let many = entries(&many, true);
        assert_eq!(
            explain(&[(76, 1_000), (88, 10_007 * 900_000)], &many),
            Some((1_000, 10_007 * 900_000, 1_999))
        );
        assert_eq!(explain(&[(76, 1_000), (88, 10_007 * 500_499)], &many), None, "the smallest come to more");
    }
}
