//! Broken rules, compiled for tests alone: each breaks one rule of docs/lifecycle.md or docs/security.md in one place, and
//! the simulation, or the tests that stand for it, have to find it.
//!
//! Without the feature `mutants` nothing is left of them: [`is`] is the constant `false`. With it one rule at a time is
//! broken, for the whole process, by `activate`.

#[cfg(feature = "mutants")]
mod missed;
mod rules;

#[cfg(feature = "mutants")]
pub use missed::each_is_missed;
pub use rules::Mutant;

/// Whether broken rules are compiled in. The program that serves asserts that they are not.
pub const COMPILED: bool = cfg!(feature = "mutants");

/// Whether this rule is the broken one.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is(_: Mutant) -> bool {
    false
}

/// Whether this rule is the broken one.
#[cfg(feature = "mutants")]
#[inline(always)]
pub fn is(mutant: Mutant) -> bool {
    active::NUMBER.load(std::sync::atomic::Ordering::Relaxed) == mutant as usize + 1
}

/// Breaks a rule, in all threads from here on, or none. What runs meanwhile may see either: change it between runs.
#[cfg(feature = "mutants")]
pub fn activate(mutant: Option<Mutant>) {
    let number = mutant.map_or(0, |mutant| mutant as usize + 1);
    active::NUMBER.store(number, std::sync::atomic::Ordering::Relaxed);
}

/// A program with broken rules compiled in begins with the one that this variable of its environment names.
#[cfg(feature = "mutants")]
pub const BROKEN_RULE: &str = "BROKEN_RULE";

#[cfg(feature = "mutants")]
mod active {
    use std::sync::LazyLock;
    use std::sync::atomic::AtomicUsize;

    use crate::Mutant;

    /// 0: none; else one more than the rule's place in [`Mutant::ALL`].
    pub(crate) static NUMBER: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let name = std::env::var(crate::BROKEN_RULE).ok();
        let rule =
            name.map(|name| Mutant::from_name(&name).unwrap_or_else(|| panic!("no broken rule `{name}`")));
        AtomicUsize::new(rule.map_or(0, |rule| rule as usize + 1))
    });
}
