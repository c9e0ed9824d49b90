//! What is asked for, in which shares: the modes, or a file's.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// What one request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Cash out.
    Withdrawal,
    /// Cash in.
    Deposit,
    /// The balance.
    Inquiry,
}

/// All of them, in the order of their numbers.
pub(super) const KINDS: [Kind; 3] = [Kind::Withdrawal, Kind::Deposit, Kind::Inquiry];

/// One request: what for, and whether its proof was verified before or travels with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    /// With the reference of a 0100.
    TwoStep(Kind),
    /// A withdrawal with its proof.
    OneStep,
}

/// Requests after which the pattern begins again.
const PATTERN: usize = 1_000;

/// Requests of one kind are spread over the pattern: this has no divisor in common with [`PATTERN`].
const SPREAD: usize = 617;

/// Shares of what is asked for; any whole numbers, of which the sum counts as the whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shares {
    withdrawal_two_step: u32,
    withdrawal_one_step: u32,
    deposit: u32,
    inquiry: u32,
    /// Of a thousand approved withdrawals and deposits: 0420 instead of 0220.
    reversals_per_thousand: u32,
    /// Of a thousand approvals: the request is sent again as 0201.
    repeats_per_thousand: u32,
}

/// What is asked for, request by request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mix {
    /// Its name in the report.
    pub(super) name: String,
    slots: Vec<Slot>,
    reversed: Share,
    repeated: Share,
}

/// So many of a thousand, evenly spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Share {
    per_thousand: u32,
    counted: u32,
}

impl Share {
    fn next(&mut self) -> bool {
        self.counted += self.per_thousand;
        let is_one = self.counted >= 1_000;
        self.counted -= if is_one { 1_000 } else { 0 };
        is_one
    }
}

const TWO_STEP: Shares = Shares {
    withdrawal_two_step: 1,
    withdrawal_one_step: 0,
    deposit: 0,
    inquiry: 0,
    reversals_per_thousand: 20,
    repeats_per_thousand: 0,
};
const ONE_STEP: Shares = Shares { withdrawal_two_step: 0, withdrawal_one_step: 1, ..TWO_STEP };

/// As at a machine in a street: docs/simulators.md has it as a file.
const MIXED: Shares = Shares {
    withdrawal_two_step: 50,
    withdrawal_one_step: 10,
    deposit: 10,
    inquiry: 30,
    reversals_per_thousand: 20,
    repeats_per_thousand: 10,
};

impl Mix {
    /// `two-step`, `one-step` or `mixed`; `None` for another name.
    pub(super) fn mode(name: &str) -> Option<Mix> {
        let shares = match name {
            "two-step" => TWO_STEP,
            "one-step" => ONE_STEP,
            "mixed" => MIXED,
            _ => return None,
        };
        Mix::new(name, shares).ok()
    }

    /// A file's.
    ///
    /// # Errors
    /// The file, and what is wrong with it.
    pub(super) fn file(path: &Path) -> Result<Mix, String> {
        let failed = |reason: String| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let shares: Shares = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        Mix::new(&path.display().to_string(), shares).map_err(failed)
    }

    fn new(name: &str, shares: Shares) -> Result<Mix, String> {
        let Shares { withdrawal_two_step, withdrawal_one_step, deposit, inquiry, .. } = shares;
        let weights = [
            (Slot::TwoStep(Kind::Withdrawal), withdrawal_two_step),
            (Slot::OneStep, withdrawal_one_step),
            (Slot::TwoStep(Kind::Deposit), deposit),
            (Slot::TwoStep(Kind::Inquiry), inquiry),
        ];
        let whole: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if whole == 0 {
            return Err("nothing is asked for: name a share above 0".to_owned());
        }
        for (name, per_thousand) in [
            ("reversals_per_thousand", shares.reversals_per_thousand),
            ("repeats_per_thousand", shares.repeats_per_thousand),
        ] {
            if per_thousand > 1_000 {
                return Err(format!("{name} = {per_thousand}: 1,000 at most"));
            }
        }
        let mut slots = Vec::with_capacity(PATTERN);
        let mut weighed = 0;
        for (slot, weight) in weights {
            weighed += u64::from(weight);
            slots.resize((weighed * PATTERN as u64 / whole) as usize, slot);
        }
        let share = |per_thousand| Share { per_thousand, counted: 0 };
        Ok(Mix {
            name: name.to_owned(),
            slots,
            reversed: share(shares.reversals_per_thousand),
            repeated: share(shares.repeats_per_thousand),
        })
    }

    /// What a request is, by its number.
    pub(super) fn slot(&self, number: u64) -> Slot {
        self.slots[(number as usize % PATTERN) * SPREAD % PATTERN]
    }

    /// Whether the next approval is reversed.
    pub(super) fn is_reversed(&mut self) -> bool {
        self.reversed.next()
    }

    /// Whether the next approval's request is sent again.
    pub(super) fn is_repeated(&mut self) -> bool {
        self.repeated.next()
    }

    /// How many of so many requests carry their proof, at most.
    pub(super) fn one_steps(&self, requests: u64) -> u64 {
        let of_pattern = self.slots.iter().filter(|slot| **slot == Slot::OneStep).count() as u64;
        requests.div_ceil(PATTERN as u64) * of_pattern
    }

    /// How many carry a reference, at most.
    pub(super) fn two_steps(&self, requests: u64) -> u64 {
        let of_pattern = self.slots.iter().filter(|slot| **slot != Slot::OneStep).count() as u64;
        (requests.div_ceil(PATTERN as u64) * of_pattern).min(requests)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_are_kept_and_spread() {
        let mix = Mix::mode("mixed").unwrap();
        let count =
            |slot: Slot, from: u64, to: u64| (from..to).filter(|number| mix.slot(*number) == slot).count();
        for (slot, of_thousand) in [
            (Slot::TwoStep(Kind::Withdrawal), 500),
            (Slot::OneStep, 100),
            (Slot::TwoStep(Kind::Deposit), 100),
            (Slot::TwoStep(Kind::Inquiry), 300),
        ] {
            assert_eq!(count(slot, 7_000, 8_000), of_thousand);
            assert!(count(slot, 40, 140).abs_diff(of_thousand / 10) <= 5, "{slot:?}");
        }
        assert_eq!((mix.one_steps(2_500), mix.two_steps(2_500)), (300, 2_500));
        let mut mix = Mix::mode("two-step").unwrap();
        assert_eq!((0..1_000).filter(|_| mix.is_reversed()).count(), 20);
        assert!((0..1_000).all(|_| !mix.is_repeated()));
        assert_eq!((mix.one_steps(9), mix.two_steps(9)), (0, 9));
        assert_eq!(Mix::mode("one-step").unwrap().two_steps(9_000), 0);
        assert_eq!(Mix::mode("three-step"), None);
    }

    #[test]
    fn the_file_in_the_docs_is_the_mixed_mode() {
        let page = include_str!("../../../docs/simulators.md");
        let file = page.split("```toml").find(|block| block.contains("withdrawal_two_step")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mix.toml");
        fs::write(&path, file.split("```").next().unwrap()).unwrap();
        let read = Mix::file(&path).unwrap();
        assert_eq!(Mix { name: "mixed".to_owned(), ..read }, Mix::mode("mixed").unwrap());
        for (text, reason) in [
            ("deposits = 5", "deposits"),
            ("deposit = 0", "share above 0"),
            ("deposit = 1\nrepeats_per_thousand = 1001", "1,000 at most"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Mix::file(&path).unwrap_err();
            assert!(error.contains("mix.toml") && error.contains(reason), "{error}");
        }
    }
}
