//! The plan of a day: who did what where, what each side knows of it, and what was done to it.

use processor::{Day, Institution, TerminalId};
use reconciliation::Kind;

use super::damage::{self, Damages};
use crate::pilot::Chance;

/// Local time is UTC + 7 h.
pub(super) const UTC_OFFSET_S: i64 = 7 * 3_600;
/// The first banks of the pilot, and whose terminals they are.
pub(super) const BANKS: [&str; 4] = ["970418", "970415", "970454", "970436"];
/// This one sums up what some machines did for it.
pub(super) const SUMMING_BANK: usize = 3;
/// So many transactions a machine has at most: the next customer comes at least 160 s later.
const TERMINAL_DAY_MAX: usize = 200;
/// Machines do business from 00:10 to 22:10 local time, cutover is at 23:00.
const BUSINESS_S: i64 = 22 * 3_600;
const OPENS_S: i64 = 600;
/// The last seconds of a turn at a machine are left free, so that two do not come near each other by chance.
const BETWEEN_S: i64 = 150;

/// What happened at the machine, before any damage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Withdrawal,
    Deposit,
    Transfer,
    /// The bank declined.
    Declined,
    /// No cash came out; the bank has debited and given back.
    Reversed,
    /// 500,000 came out.
    PartReversed,
    /// The bank did not answer in time and has posted nothing.
    TimedOut,
}

/// How a side names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Names {
    All,
    /// No RRN.
    Stan,
    /// Neither RRN nor STAN, but its number in the side's own order.
    Sequence,
    /// Nothing at all.
    None,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// From 1; its RRN, STANs and citizen follow from it.
    pub(super) number: u32,
    pub(super) terminal: usize,
    pub(super) bank: usize,
    pub(super) acquirer: usize,
    pub(super) what: What,
    pub(super) amount: i64,
    /// UTC, seconds since 1970.
    pub(super) at_s: i64,
    pub(super) bank_names: Names,
    pub(super) machine_names: Names,
    /// The bank posts it in two parts.
    pub(super) is_split: bool,
    /// It is in a line that sums up several.
    pub(super) is_summed: bool,
    /// What was done to it.
    pub(super) damage: Option<Kind>,
    /// Which of several ways.
    pub(super) variant: usize,
    /// It is one of two that cannot be told apart, or would be if nothing proved them.
    pub(super) twin: Option<Twin>,
    /// Its dispense was tried again.
    pub(super) retry: Option<Retry>,
}

/// How a dispense was tried again, and what the journal calls each of its lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Retry {
    pub(super) way: Way,
    /// Of the first line and of the second.
    pub(super) names: [Names; 2],
}

/// What came out first and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Nothing, then all.
    NoneThenAll,
    /// A part and the rest, where it can be parted.
    InParts,
    /// Notes that nobody took were drawn back in, then all.
    RetractedThenAll,
    /// Nothing, twice.
    InVain,
}

impl Retry {
    /// Each way with each pair of names in its turn.
    pub(super) fn of(variant: usize) -> Retry {
        const WAYS: [Way; 4] = [Way::NoneThenAll, Way::InParts, Way::RetractedThenAll, Way::InVain];
        const NAMES: [[Names; 2]; 3] =
            [[Names::All, Names::All], [Names::Stan, Names::Stan], [Names::All, Names::Stan]];
        Retry { way: WAYS[variant % WAYS.len()], names: NAMES[variant / WAYS.len() % NAMES.len()] }
    }
}

/// What the bank's file has of a twin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Twin {
    /// A line without a name, which nothing proves.
    Nameless,
    /// Nothing: its like's line might be its own.
    Missing,
    /// A line without a name, which its matched neighbours prove.
    Proven,
    /// A line with its name: the neighbour that proves.
    Between,
    /// A line with its name, and of what was given back one without, which nothing proves.
    Back,
}

impl Use {
    pub(super) fn rrn(&self) -> String {
        format!("6123{:08}", self.number)
    }

    pub(super) fn terminal_id(&self) -> TerminalId {
        terminal_id(self.terminal)
    }

    pub(super) fn terminal_stan(&self) -> u32 {
        self.number % 999_983 + 1
    }

    pub(super) fn bank_stan(&self) -> u32 {
        self.number % 999_979 + 1
    }

    pub(super) fn bank_id(&self) -> Institution {
        bank_id(self.bank)
    }

    /// Towards the citizen, as postings have it.
    pub(super) fn gross(&self) -> i64 {
        if self.what == What::Deposit { -self.amount } else { self.amount }
    }

    /// What is left of it.
    pub(super) fn net(&self) -> i64 {
        match self.what {
            What::Withdrawal | What::Deposit | What::Transfer => self.gross(),
            What::PartReversed => 500_000,
            What::Declined | What::Reversed | What::TimedOut => 0,
        }
    }

    pub(super) fn is_cash(&self) -> bool {
        self.what != What::Transfer
    }

    /// Nothing is special about it, so that something can be done to it.
    fn is_plain(&self) -> bool {
        self.what == What::Withdrawal
            && (self.bank_names, self.machine_names) == (Names::All, Names::All)
            && !self.is_split
            && !self.is_summed
            && self.damage.is_none()
            && self.twin.is_none()
            && self.retry.is_none()
    }
}

pub(super) fn terminal_id(terminal: usize) -> TerminalId {
    TerminalId(*format!("HN{terminal:06}").as_bytes().first_chunk().expect("eight characters"))
}

pub(super) fn bank_id(bank: usize) -> Institution {
    BANKS[bank].parse().expect("digits")
}

/// The day.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) day_before: Day,
    pub(super) day: Day,
    pub(super) next_day: Day,
    pub(super) terminals: usize,
    /// In order of number.
    pub(super) uses: Vec<Use>,
    pub(super) damages: Damages,
}

/// UTC midnight of the local day's date, less the offset: local midnight.
pub(super) fn midnight_s(day: Day) -> i64 {
    day.begins_ms() / 1_000 - UTC_OFFSET_S
}

impl Plan {
    /// The switch asks this bank for its totals in vain.
    pub(super) fn is_silent_about_totals(&self, bank: usize) -> bool {
        bank >= BANKS.len() - self.damages.count(Kind::TotalsMissing).min(BANKS.len())
    }

    /// Draws the day of a seed: so many transactions, and twins beside them.
    pub(super) fn new(seed: u64, transactions: usize, damages: Damages) -> Plan {
        let day: Day = "2026-05-03".parse().expect("a day");
        let terminals = transactions.div_ceil(TERMINAL_DAY_MAX).max(10);
        let turns = transactions.div_ceil(terminals);
        let turn_s = BUSINESS_S / turns as i64;
        let mut chance = Chance::new(seed, "uses");
        let mut uses: Vec<Use> = (0..transactions)
            .map(|index| {
                let (terminal, turn) = (index % terminals, (index / terminals) as i64);
                let within = chance.below((turn_s - BETWEEN_S).max(1) as usize) as i64;
                let at_s = midnight_s(day) + OPENS_S + turn * turn_s + within;
                draw(&mut chance, index as u32 + 1, terminal, at_s)
            })
            .collect();
        let [day_before, next_day] = ["2026-05-02", "2026-05-04"].map(|day| day.parse().expect("a day"));
        damage::plant(&mut uses, &damages, &mut Chance::new(seed, "damage"), Use::is_plain);
        Plan { day_before, day, next_day, terminals, uses, damages }
    }
}

fn draw(chance: &mut Chance, number: u32, terminal: usize, at_s: i64) -> Use {
    const WHATS: [(What, usize); 7] = [
        (What::Withdrawal, 740),
        (What::Deposit, 100),
        (What::Transfer, 40),
        (What::Declined, 50),
        (What::Reversed, 40),
        (What::PartReversed, 10),
        (What::TimedOut, 20),
    ];
    let (what, _) = WHATS[chance.weighted(&WHATS.map(|(_, weight)| weight))];
    let bank = chance.below(BANKS.len());
    let amount = match what {
        What::PartReversed => 2_000_000,
        _ => i64::from(chance.between(1, 60)) * 50_000,
    };
    let is_plain = matches!(what, What::Withdrawal | What::Deposit);
    let is_summed = what == What::Withdrawal && bank == SUMMING_BANK && terminal % 10 == 7;
    let mut names = |weights: [usize; 3]| match chance.weighted(&weights) {
        0 => Names::All,
        1 => Names::Stan,
        _ if is_plain => Names::Sequence,
        _ => Names::All,
    };
    let bank_names =
        if what == What::Reversed || what == What::PartReversed { Names::All } else { names([94, 4, 2]) };
    let machine_names = names([20, 79, 1]);
    let is_split =
        is_plain && !is_summed && bank_names == Names::All && amount > 100_000 && chance.below(200) == 0;
    Use {
        number,
        terminal,
        bank,
        acquirer: terminal % BANKS.len(),
        what,
        amount,
        at_s,
        bank_names,
        machine_names,
        is_split,
        is_summed,
        damage: None,
        variant: 0,
        twin: None,
        retry: None,
    }
}
