//! Whatever the order in which things come, and however often the matcher is run between them, it says the same.

#![allow(clippy::unwrap_used)]

mod world;

use proptest::prelude::*;
use reconciliation::{CashLine, Decision, Ended, LineId, Matcher, Ours, Posting, Rules};
use world::{Say, all_here, cash, day, ours, posting, rrn, tell, terminal};

const AMOUNTS: [i64; 3] = [2_000_000, 500_000, -500_000];

/// Of few terminals, references, amounts and moments, so that much collides.
fn says() -> impl Strategy<Value = Vec<Say>> {
    let our = (0..40u32, 0..3usize, 1..3u32, 0..400i64, 0..5u8, 0..12u32, 0..60i64).prop_map(
        |(number, amount, at, s, ended, reference, back_s)| {
            let gross = AMOUNTS[amount];
            let (ended, net) = match ended {
                0 => (Ended::Unknown, gross),
                1 => (Ended::Reversed, 0),
                2 => (Ended::Declined, 0),
                _ => (Ended::Completed, gross),
            };
            Ours {
                terminal: terminal(at),
                at_s: world::NOON_S + s,
                rrn: rrn(reference),
                gross_minor: gross,
                net_minor: net,
                ended,
                reversal_at_s: (ended == Ended::Reversed).then_some(world::NOON_S + s + back_s),
                reversed_at_s: (back_s % 3 != 0).then_some(world::NOON_S + s + 2 * back_s),
                ..ours(number)
            }
        },
    );
    let line = (
        0..4usize,
        1..3u32,
        0..400i64,
        proptest::option::of(0..14u32),
        proptest::option::of(0..40u32),
        0..20u32,
    );
    let bank = (line.clone(), 0..2u64, 1..4u16).prop_map(
        |((amount, at, s, reference, stan, sequence), file, count)| Posting {
            id: LineId { file: world::BANK_FILE + file, line: 0 },
            terminal: (at != 2 || s % 7 != 0).then(|| terminal(at)),
            at_s: world::NOON_S + s,
            rrn: reference.map(rrn),
            stan: stan.map(|stan| 500_000 + stan),
            sequence: Some(sequence),
            amount_minor: if amount == 3 { 4_000_000 } else { AMOUNTS[amount] },
            count: if amount == 3 { count } else { 1 },
            day: day(if s % 11 == 0 { 4 } else { 3 }),
            ..posting(1)
        },
    );
    let machine = line.prop_map(|(amount, at, s, reference, stan, sequence)| CashLine {
        id: LineId { file: world::JOURNAL_FILE + u64::from(at), line: 0 },
        terminal: terminal(at),
        at_s: world::NOON_S + s,
        rrn: reference.map(rrn),
        stan,
        sequence: Some(sequence),
        requested_minor: AMOUNTS[amount % 3],
        moved_minor: if s % 5 == 0 { 0 } else { AMOUNTS[amount % 3] },
        ..cash(1)
    });
    let says = prop_oneof![
        2 => our.prop_map(Say::Ours),
        2 => bank.prop_map(Say::Bank),
        2 => machine.prop_map(Say::Machine),
    ];
    proptest::collection::vec(says, 1..60).prop_map(|mut says| {
        // Each has a place of its own, as in a file.
        for (place, say) in says.iter_mut().enumerate() {
            match say {
                Say::Ours(ours) => ours.id.line = place as u64,
                Say::Bank(posting) => posting.id.line = place as u64,
                Say::Machine(line) => line.id.line = place as u64,
                Say::Decide(_) => {}
            }
        }
        says
    })
}

/// Of what was said some pairs that a person has matched or parted, one decision for a line.
fn decisions(says: &[Say], chosen: &[(usize, usize, bool)]) -> Vec<Say> {
    let ours: Vec<LineId> = says
        .iter()
        .filter_map(|say| match say {
            Say::Ours(ours) => Some(ours.id),
            _ => None,
        })
        .collect();
    let lines: Vec<LineId> = says
        .iter()
        .filter_map(|say| match say {
            Say::Bank(posting) => Some(posting.id),
            Say::Machine(line) => Some(line.id),
            Say::Ours(_) | Say::Decide(_) => None,
        })
        .collect();
    if ours.is_empty() || lines.is_empty() {
        return Vec::new();
    }
    let mut decided = std::collections::BTreeSet::new();
    chosen
        .iter()
        .filter_map(|(line, our, is_match)| {
            let (line, ours) = (lines[line % lines.len()], ours[our % ours.len()]);
            decided.insert(line).then_some(match is_match {
                true => Say::Decide(Decision::Match { line, ours }),
                false => Say::Decide(Decision::Part { line, ours }),
            })
        })
        .collect()
}

fn told(says: &[Say], runs_after: usize) -> Matcher {
    let mut matcher = Matcher::new(Rules::default());
    all_here(&mut matcher);
    for (place, say) in says.iter().enumerate() {
        tell(&mut matcher, say);
        if place % runs_after == 0 {
            matcher.run();
        }
    }
    matcher.run();
    matcher
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_order_of_arrival_changes_nothing(
        said in says(),
        chosen in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<bool>()), 0..4),
        shuffle in any::<u64>(),
        runs_after in 1..20usize,
    ) {
        let mut said = said;
        said.extend(decisions(&said, &chosen));
        let at_once = told(&said, usize::MAX);
        let mut other = said.clone();
        let mut state = shuffle | 1;
        for place in (1..other.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            other.swap(place, (state >> 33) as usize % (place + 1));
        }
        let bit_by_bit = told(&other, runs_after);
        prop_assert_eq!(at_once.pairs(), bit_by_bit.pairs());
        prop_assert_eq!(at_once.exceptions(), bit_by_bit.exceptions());
        prop_assert_eq!(at_once.summary(), bit_by_bit.summary());
        prop_assert_eq!(at_once.ambiguous(), bit_by_bit.ambiguous());
    }

    /// No line belongs to two, and nothing nameless is matched where another of its amount is near.
    #[test]
    fn nothing_nameless_is_matched_beside_its_like(said in says()) {
        let matcher = told(&said, usize::MAX);
        let amount_near = |posting: &Posting, at_s: i64| said.iter().filter(|say| matches!(
            say,
            Say::Ours(ours) if Some(ours.terminal) == posting.terminal
                && (ours.gross_minor == posting.amount_minor && ours.at_s.abs_diff(at_s) <= 60
                    || ours.gross_minor == -posting.amount_minor
                        && ours.reversal_at_s.is_some_and(|back_s| back_s <= at_s + 60)
                        && ours.reversed_at_s.is_none_or(|back_s| back_s >= at_s - 60))
        )).count();
        for say in &said {
            let Say::Bank(posting) = say else { continue };
            let pair = matcher.pairs().into_iter().find(|pair| pair.line == posting.id);
            if let Some(pair) = pair.filter(|pair| pair.rule == reconciliation::Rule::AmountAndTime) {
                prop_assert_eq!(amount_near(posting, posting.at_s), 1, "{:?}", pair);
            }
        }
    }
}
