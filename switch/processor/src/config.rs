//! What the processor is configured with: who may speak, whom it asks, how long it waits, how much it allows.

use std::collections::BTreeMap;

use crate::ids::{Code, Day, Institution, TerminalId};

/// The whole configuration. A new one takes effect at once for what comes after it; what is in flight keeps the
/// deadlines it was given.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Terminals that may speak.
    pub terminals: BTreeMap<TerminalId, TerminalConfig>,
    /// Banks that can be asked.
    pub issuers: BTreeMap<Institution, IssuerConfig>,
    /// Waits.
    pub timers: Timers,
    /// Limits.
    pub limits: Limits,
    /// The IIN of citizen PANs, 6 digits.
    pub iin: [u8; 6],
    /// The one currency that is switched, ISO 4217 numeric: 704 is VND.
    pub currency: u16,
    /// The business day that is open before the first cutover.
    pub first_day: Day,
    /// Whether and how far the switch stands in for a registry that is away; `None`: never.
    pub stand_in: Option<StandIn>,
}

impl Config {
    /// This configuration in the place of one that money in flight rests on: what of it stays as it was stands beside it.
    pub(crate) fn in_place_of(mut self, before: &Config) -> (Config, Vec<Kept>) {
        let mut kept = Vec::new();
        for (bank, old) in &before.issuers {
            let Some(issuer) = self.issuers.get_mut(bank) else {
                self.issuers.insert(*bank, old.clone());
                kept.push(Kept::Bank(*bank));
                continue;
            };
            if (issuer.amount_exponent, issuer.tombstones) != (old.amount_exponent, old.tombstones) {
                (issuer.amount_exponent, issuer.tombstones) = (old.amount_exponent, old.tombstones);
                kept.push(Kept::Issuer(*bank));
            }
        }
        for (terminal, old) in &before.terminals {
            if let Some(new) = self.terminals.get_mut(terminal)
                && new.amount_exponent != old.amount_exponent
            {
                new.amount_exponent = old.amount_exponent;
                kept.push(Kept::Terminal(*terminal));
            }
        }
        (self, kept)
    }
}

/// When a one-step withdrawal may go out though the registry is away (docs/security.md#stand-in).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StandIn {
    /// The floor limit: no larger withdrawal, minor units.
    pub amount_minor_max: u64,
    /// The registry's last word on this card is no older, milliseconds.
    pub status_age_ms_max: u64,
    /// So many may be out that the registry has not been asked about since; at the limit 91. At most
    /// [`crate::STAND_INS_MAX`].
    pub owed_max: usize,
    /// So often the registry is asked about what went out in its stead, until it has answered, milliseconds.
    pub ask_again_ms: u64,
}

/// [`StandIn::ask_again_ms`] where nothing is said.
pub const ASK_AGAIN_MS: u64 = 30_000;

/// A terminal.
#[derive(Clone, PartialEq, Debug)]
pub struct TerminalConfig {
    /// Its acquirer: DE32 must say so.
    pub acquirer: Institution,
    /// Decimal places of the amounts on its link; the switch's own minor unit of VND has 0.
    pub amount_exponent: u8,
}

/// A bank.
#[derive(Clone, PartialEq, Debug)]
pub struct IssuerConfig {
    /// Its name, for people.
    pub name: String,
    /// Decimal places of the amounts on its link.
    pub amount_exponent: u8,
    /// A reversal of an unknown original leaves a tombstone there, so that the original is refused if it comes later.
    pub tombstones: bool,
    /// So many requests wait for this bank at once; beyond it a request is answered 91 before INTENT.
    pub in_flight_max: usize,
    /// So many reversals wait for this bank at once (SAF window); the others wait in the queue.
    pub reversals_in_flight_max: usize,
    /// Its DE39 → the terminal's, where they differ.
    pub codes: BTreeMap<Code, Code>,
    /// It wants the PIN of what pays out or shows an account, under its own key.
    pub wants_pin: bool,
    /// It is asked for its totals of each business day (0520).
    pub totals: bool,
}

/// What a configuration that is read again leaves as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// A bank that is not in it any more.
    Bank(Institution),
    /// A bank's decimal places or tombstones.
    Issuer(Institution),
    /// A terminal's decimal places.
    Terminal(TerminalId),
}

/// All waits in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Timers {
    /// For chip check and registry together.
    pub registry_ms_max: u64,
    /// For the translation of a PIN; then 91.
    pub hsm_ms_max: u64,
    /// From the 0200's leaving to the bank's answer.
    pub issuer_response_ms_max: u64,
    /// From a request's arrival to its answer, everything included; below the terminal's own wait.
    pub answer_ms_max: u64,
    /// How long a terminal waits: keys that were shed are refused again for so long.
    pub terminal_wait_ms: u64,
    /// Silence after which a 0420 or 0421 is sent again: the first pause; it doubles up to the longest.
    pub reversal_repeat_ms_min: u64,
    /// The longest pause.
    pub reversal_repeat_ms_max: u64,
    /// The bank's own timer for a request, after which a second 25 ends a reversal where it keeps no tombstones.
    pub issuer_own_timer_ms: u64,
    /// APPROVED without its 0220 or 0420 for so long is flagged SUSPENSE.
    pub approved_age_ms_max: u64,
    /// Life of a verification reference.
    pub reference_life_ms: u64,
    /// A new request whose DE7 is further from the switch's clock is refused with 30.
    pub request_age_ms_max: u64,
    /// A bank link that was silent for so long is asked with 0800/301.
    pub echo_interval_ms: u64,
    /// The answer to a 0800; a link that gives none is closed.
    pub network_response_ms_max: u64,
}

impl Default for Timers {
    /// The times of docs/interface.md#timers.
    fn default() -> Timers {
        Timers {
            registry_ms_max: 3_000,
            hsm_ms_max: 1_000,
            issuer_response_ms_max: 15_000,
            answer_ms_max: 25_000,
            terminal_wait_ms: 30_000,
            reversal_repeat_ms_min: 5_000,
            reversal_repeat_ms_max: 300_000,
            issuer_own_timer_ms: 60_000,
            approved_age_ms_max: 86_400_000,
            reference_life_ms: 180_000,
            request_age_ms_max: 3_600_000,
            echo_interval_ms: 60_000,
            network_response_ms_max: 10_000,
        }
    }
}

/// What a citizen may do; amounts in minor units of the switch's currency.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// One withdrawal or transfer; above it 61.
    pub transaction_minor_max: u64,
    /// One deposit; above it 61.
    pub deposit_minor_max: u64,
    /// Withdrawals and transfers of a citizen in a business day, over all banks; above it 61.
    pub citizen_day_minor_max: u64,
    /// Their number; above it 65.
    pub citizen_day_count_max: u32,
    /// Requests between arrival and answer, over all; beyond it a request is answered 91 and not recorded.
    pub in_flight_max: usize,
    /// The same of one terminal, so that none takes the room of all.
    pub terminal_in_flight_max: usize,
}

impl Default for Limits {
    /// One withdrawal is what 40 notes of 500,000 make; a deposit what 200 make; a day 100 million (docs/interface.md#limits).
    fn default() -> Limits {
        Limits {
            transaction_minor_max: 20_000_000,
            deposit_minor_max: 100_000_000,
            citizen_day_minor_max: 100_000_000,
            citizen_day_count_max: 20,
            in_flight_max: 20_000,
            terminal_in_flight_max: 16,
        }
    }
}
