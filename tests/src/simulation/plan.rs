//! What a seed stands for: which faults are on, how much traffic there is, how the switch and the banks are set up.

use std::collections::BTreeMap;

use credential::{CitizenNumber, Pan, Pseudonym};
use iso8583::Dialect;
use iso8583::framing::Framing;
use keys::{Key, LinkCodec};
use processor::{
    Code, Config, Institution, IssuerConfig, Limits, LinkedAccount, StandIn, TerminalConfig, TerminalId,
    Timers,
};
use simulators::pilot::Chance;

use super::faults::{Fault, FaultSet};

/// The IIN of citizens' PANs.
pub(super) const IIN: [u8; 6] = *b"970499";
/// One thousand seconds, so that nothing underflows.
pub(super) const START_US: u64 = 1_000_000_000;
/// Longest time that the network or a bank holds a message back, milliseconds: below every wait that a rule builds on
/// ([`timers`]: a bank's own timer, a terminal's wait). [`Fault::BankHeldLong`] alone goes beyond it.
pub(super) const HELD_MS_MAX: u32 = 8_000;
/// Banks of a town.
pub(super) const BANKS: [&str; 3] = ["970418", "970436", "970405"];
/// Citizens of a town.
pub(super) const CITIZENS: u32 = 8;
/// Machines of a town.
pub(super) const TERMINALS_MAX: usize = 4;

/// All that one run needs beside chance.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// What may go wrong.
    pub faults: FaultSet,
    /// So many citizens come.
    pub visits: usize,
    /// Wall clock at the start, milliseconds since 1970.
    pub(super) start_ms: i64,
    /// How often faults strike, in thousandths, where they are drawn for each message.
    pub rate_thousandths: usize,
    pub(super) terminals: usize,
    /// Mean pause between two visits at a machine, milliseconds.
    pub(super) pause_ms: u32,
    /// Digits behind the decimal point on each bank's link.
    pub(super) exponents: [u8; 3],
    pub(super) tombstones: [bool; 3],
    pub(super) links: [u8; 3],
    /// Days end, acquirers say what they come to, and banks are asked.
    pub(super) totals: bool,
    /// Real MACs, chips and registry answers instead of verdicts.
    pub real_cryptography: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut chance = Chance::new(seed, "plan");
        let mut faults = FaultSet::NONE;
        let percent = [10, 25, 45][chance.below(3)];
        for fault in Fault::ALL {
            if chance.percent(percent) {
                faults = faults.with(*fault);
            }
        }
        // Restarts are what the promises are about.
        if chance.percent(85) {
            faults = faults.with(if chance.percent(50) { Fault::Kill } else { Fault::PowerLoss });
        }
        let visits = 110 + chance.below(80);
        let mut plan = Plan::with(seed, faults, visits);
        plan.rate_thousandths = [8, 20, 50][chance.below(3)];
        plan
    }

    /// A day on which nothing goes wrong.
    pub fn calm(seed: u64) -> Plan {
        Plan::with(seed, FaultSet::NONE, 100)
    }

    /// A plan with chosen faults.
    pub fn with(seed: u64, faults: FaultSet, visits: usize) -> Plan {
        let mut chance = Chance::new(seed, "town");
        let noon_ms = 1_773_057_600_000 + 86_400_000 * i64::from(chance.between(0, 300));
        let start_ms = match (faults.has(Fault::Midnight), chance.below(3)) {
            (false, _) => noon_ms,
            // 2026-12-31T23:58:00Z, a leap day's end, the end of any day.
            (true, 0) => 1_798_761_480_000,
            (true, 1) => 1_835_481_480_000,
            (true, _) => noon_ms + 43_080_000,
        };
        let none = faults.has(Fault::BankKeepsNoTombstones);
        Plan {
            seed,
            faults,
            visits,
            start_ms,
            rate_thousandths: 20,
            terminals: 2 + chance.below(TERMINALS_MAX - 1),
            pause_ms: [400, 2_000, 6_000][chance.below(3)],
            exponents: [0, if chance.percent(50) { 2 } else { 0 }, 0],
            tombstones: [!(none && chance.percent(70)), !none, true],
            links: [1 + chance.below(2) as u8, 1, 1],
            totals: seed % TOTALS_SEEDS == TOTALS_SEED,
            real_cryptography: false,
        }
    }

    /// Citizens who come.
    pub(super) fn citizens(&self) -> u32 {
        if self.faults.has(Fault::TightLimits) { 2 } else { CITIZENS }
    }

    /// The switch's configuration.
    pub(super) fn config(&self) -> Config {
        let terminals = (0..self.terminals).map(|number| {
            let config = TerminalConfig { acquirer: institution(acquirer(number)), amount_exponent: 0 };
            (terminal_id(number), config)
        });
        let issuers = BANKS.iter().enumerate().map(|(number, id)| {
            let config = IssuerConfig {
                name: (*id).to_owned(),
                amount_exponent: self.exponents[number],
                tombstones: self.tombstones[number],
                in_flight_max: 100,
                reversals_in_flight_max: 3,
                codes: BTreeMap::from([(Code(*b"05"), Code::NOT_PERMITTED)]),
                wants_pin: super::pins::wants_pin(number),
                totals: self.totals,
            };
            (institution(id), config)
        });
        let limits = Limits {
            citizen_day_minor_max: if self.faults.has(Fault::TightLimits) { 6_000_000 } else { 60_000_000 },
            in_flight_max: if self.faults.has(Fault::Overload) { 2 } else { 1_000 },
            ..Limits::default()
        };
        Config {
            terminals: terminals.collect(),
            issuers: issuers.collect(),
            timers: timers(),
            limits,
            iin: IIN,
            currency: 704,
            first_day: processor::Day::of_unix_ms(self.start_ms),
            stand_in: self.stand_in(),
        }
    }

    /// Every second town lets the switch stand in for a registry that is away.
    pub(super) fn stand_in(&self) -> Option<StandIn> {
        let is_on = self.faults.has(Fault::RegistryDown) && self.seed.is_multiple_of(2);
        is_on.then_some(StandIn {
            amount_minor_max: 3_000_000,
            status_age_ms_max: 86_400_000,
            owed_max: 3,
            ask_again_ms: 5_000,
        })
    }

    pub(super) fn codec(bank: usize) -> LinkCodec {
        let (dialect, framing) = match bank {
            0 => (Dialect::ascii_1987(), Framing::Length2),
            1 => (built_in("bcd-1987"), Framing::Length2Tpdu { tpdu: [0x60, 0, 0, 0, 0] }),
            _ => (built_in("ebcdic-1987"), Framing::Ascii4),
        };
        LinkCodec { dialect, framing }
    }
}

fn built_in(name: &str) -> &'static Dialect {
    Dialect::built_in(name).expect("the dialect is built in")
}

/// One seed in so many, and which, has totals: the other days are what they were before there were any.
const TOTALS_SEEDS: u64 = 8;
const TOTALS_SEED: u64 = 5;

/// Short waits, so that a seed's day is short; their order is that of the defaults.
pub(super) fn timers() -> Timers {
    Timers {
        registry_ms_max: 3_000,
        hsm_ms_max: 1_000,
        issuer_response_ms_max: 5_000,
        answer_ms_max: 10_000,
        terminal_wait_ms: 12_000,
        reversal_repeat_ms_min: 1_000,
        reversal_repeat_ms_max: 8_000,
        issuer_own_timer_ms: 25_000,
        approved_age_ms_max: 300_000,
        reference_life_ms: 180_000,
        request_age_ms_max: 3_600_000,
        echo_interval_ms: 120_000,
        network_response_ms_max: 10_000,
    }
}

pub(super) fn institution(text: &str) -> Institution {
    text.parse().expect("an institution of the town")
}

/// DE41 of a machine.
pub(super) fn terminal_name(number: usize) -> String {
    format!("HN{:06}", number + 1)
}

pub(super) fn terminal_id(number: usize) -> TerminalId {
    TerminalId::parse(terminal_name(number).as_bytes()).expect("a terminal of the town")
}

/// DE32 of a machine.
pub(super) fn acquirer(terminal: usize) -> &'static str {
    BANKS[terminal % 2]
}

/// What a machine's challenges are made with: the machine holds it, and the switch.
pub(super) fn challenge_key(terminal: usize) -> Key {
    Key::new([40 + terminal as u8; 32])
}

/// A synthetic citizen's card, where nobody checks it.
pub(super) fn pan(citizen: u32) -> Pan {
    let number = CitizenNumber::parse(format!("001203{citizen:06}").as_bytes());
    Pan::new(IIN, &number.expect("a synthetic number"))
}

/// The citizen's accounts: one or two banks each.
pub(super) fn accounts(citizen: u32) -> Vec<LinkedAccount> {
    let own = citizen as usize % BANKS.len();
    let account = |bank: usize, default| LinkedAccount {
        bank: institution(BANKS[bank]),
        number: format!("12{bank}{citizen:09}").into(),
        default,
    };
    let mut accounts = vec![account(own, true)];
    if citizen.is_multiple_of(2) {
        accounts.push(account((own + 1) % BANKS.len(), false));
    }
    accounts
}

/// Who is enrolled where.
pub(super) type Enrolled = BTreeMap<Pseudonym, Vec<LinkedAccount>>;
