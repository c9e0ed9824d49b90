//! What the pilot plays: who comes when to which machine, with which notes, and what goes wrong. Drawn from a seed.

use time::Date;

use crate::terminal::{Fault, Notes, Point, Steps};

use super::draw::{DEPOSIT_NOTES_MAX, WITHDRAWAL_NOTES_MAX};

/// Uses of the citizen card in the pilot of 2022.
pub const USES: usize = 762;

/// Đồng that these uses moved.
pub const AMOUNT_VND: u64 = 22_730_000_000;

/// So many uses, at least, meet each kind of trouble; so many visits, at least, are made with each kind of bad card.
pub const TROUBLES_EACH_MIN: usize = 5;

/// And at most.
pub const TROUBLES_EACH_MAX: usize = 10;

/// So many visits with cash at one machine on one day at most.
pub const TERMINAL_DAY_MAX: usize = 5;

/// A citizen withdraws, deposits or transfers so often on one day at most: 60 million out, below the switch's limit of
/// 100 million also when a part dispense asks for more.
pub const CITIZEN_DAY_MAX: usize = 3;

/// What a service team puts into each machine's cassettes before every day.
pub const CASSETTES: Notes = Notes([1_000; 4]);

/// A cassette that is filled each day can neither run over nor dry, whatever is drawn.
const _: () = {
    let day = TERMINAL_DAY_MAX as u32;
    assert!(CASSETTES.0[0] + day * DEPOSIT_NOTES_MAX <= 2_500);
    assert!(CASSETTES.0[0] >= day * WITHDRAWAL_NOTES_MAX);
};

/// The whole plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// The days of the pilot, each one a business day of the switch, in order.
    pub days: Vec<Date>,
    /// The machines, two at each of [`BRANCHES`](super::BRANCHES).
    pub terminals: Vec<PlannedTerminal>,
    /// The citizens, those with bad cards last.
    pub citizens: Vec<PlannedCitizen>,
    /// What happens, in the order of days; [`Visit::id`] counts it from 1.
    pub visits: Vec<Visit>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTerminal {
    /// DE41.
    pub id: Box<str>,
    /// Index into [`BRANCHES`](super::BRANCHES).
    pub branch: usize,
    /// Takes deposits.
    pub recycler: bool,
}

/// A citizen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCitizen {
    /// Number in the synthetic population of the plan's seed.
    pub index: u64,
    /// What the registry says of the card.
    pub card: CardState,
    /// One or two, at different banks; the first is the default.
    pub accounts: Vec<PlannedAccount>,
}

/// What the registry says of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CardState {
    /// In order.
    Valid,
    /// Revoked: every attempt is refused with 41.
    Revoked,
    /// Reported lost: 41 too.
    Lost,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAccount {
    /// Index into [`BANKS`](super::BANKS).
    pub bank: usize,
    /// Its number there, 12 digits.
    pub number: Box<str>,
    /// Balance before the pilot, đồng: twice what the plan debits and more, so that a debit that is not taken back
    /// yet never refuses the next.
    pub opening_vnd: u64,
}

/// One citizen at one machine, until it has worked or cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// From 1, in the order of days. With the number of the attempt it makes DE37: [`rrn_front`].
    pub id: u32,
    /// Which use it is, from 1 to [`USES`], in the order of days; `None` when it is none: an inquiry, a transfer, a bad
    /// card.
    pub use_number: Option<u32>,
    /// Index into [`Plan::days`].
    pub day: usize,
    /// Index into [`Plan::terminals`].
    pub terminal: usize,
    /// Index into [`Plan::citizens`].
    pub citizen: usize,
    /// Index into the citizen's accounts.
    pub account: usize,
    /// DE100 names the account's bank; otherwise the account is the citizen's default.
    pub names_bank: bool,
    /// One step or two.
    pub steps: Steps,
    /// What is wanted.
    pub purpose: Purpose,
    /// What goes wrong at the first attempt, and only there.
    pub trouble: Option<Trouble>,
}

/// What a citizen wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The net of a use: these notes leave.
    Withdrawal(Notes),
    /// The net of a use: these notes are taken in.
    Deposit(Notes),
    /// No cash.
    Balance,
    /// No cash.
    MiniStatement,
    /// No cash; to another citizen's account at the same bank.
    Transfer {
        /// Đồng.
        amount_vnd: u64,
        /// The account's number.
        to_account: Box<str>,
    },
}

/// What goes wrong at the first attempt of a use. "Tried again" is under a new key, and then nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The machine pays out nothing: reversed whole, tried again.
    DispenseNothing,
    /// The machine pays out a part, and the part is what the plan says: reversed in part, not tried again.
    DispensePart {
        /// What is asked for: the plan's notes and some of 50,000 more, which do not come.
        asked: Notes,
    },
    /// The notes are not taken and drawn in again: reversed whole, tried again.
    NotTaken,
    /// The terminal loses its link after its 0200. It repeats it as 0201, or gives up with 0420 and tries again.
    LinkAfterRequest {
        /// It gives up.
        give_up: bool,
    },
    /// The terminal loses its link as the 0210 arrives, and does not see it. As above.
    LinkBeforeAnswer {
        /// It gives up.
        give_up: bool,
    },
    /// The terminal loses its link before its 0220: the cash has moved, the advice comes later. Not tried again.
    LinkBeforeAdvice,
    /// The bank answers late, but in time.
    BankSlow,
    /// The bank does what it is asked and never answers: 91, reversed, tried again.
    BankSilent,
    /// The bank closes its links instead of answering: 91, reversed when it is back, tried again.
    BankAway,
    /// The bank approves after the switch's deadline: 91, the approval is not forwarded, reversed, tried again.
    BankAnswersLate,
    /// The registry answers after the switch's deadline: 91, no bank is asked, tried again.
    RegistrySlow,
    /// The registry closes the connection instead of answering: 91, no bank is asked, tried again.
    RegistryAway,
}

impl Plan {
    /// The visits that are uses, in order.
    pub fn uses(&self) -> impl Iterator<Item = &Visit> {
        self.visits.iter().filter(|visit| visit.use_number.is_some())
    }

    /// The account that a visit is about.
    pub fn account(&self, visit: &Visit) -> &PlannedAccount {
        &self.citizens[visit.citizen].accounts[visit.account]
    }
}

impl Trouble {
    /// The kinds, in the order in which [`Trouble::kind`] counts them.
    pub const KINDS: [&'static str; 12] = [
        "machine dispenses nothing",
        "machine dispenses a part",
        "notes not taken",
        "link lost after the 0200",
        "link lost before the 0210",
        "link lost before the 0220",
        "bank slow",
        "bank silent",
        "bank away",
        "bank answers late",
        "registry slow",
        "registry away",
    ];

    /// Index into [`Trouble::KINDS`].
    pub fn kind(&self) -> usize {
        match self {
            Trouble::DispenseNothing => 0,
            Trouble::DispensePart { .. } => 1,
            Trouble::NotTaken => 2,
            Trouble::LinkAfterRequest { .. } => 3,
            Trouble::LinkBeforeAnswer { .. } => 4,
            Trouble::LinkBeforeAdvice => 5,
            Trouble::BankSlow => 6,
            Trouble::BankSilent => 7,
            Trouble::BankAway => 8,
            Trouble::BankAnswersLate => 9,
            Trouble::RegistrySlow => 10,
            Trouble::RegistryAway => 11,
        }
    }

    /// What the machine has to be told of it, where it is the machine's trouble. `planned` are the plan's notes.
    pub fn terminal_fault(&self, planned: &Notes) -> Option<Fault> {
        match *self {
            Trouble::DispenseNothing => Some(Fault::DispenseNothing),
            Trouble::DispensePart { .. } => Some(Fault::DispensePart { notes: planned.count() }),
            Trouble::NotTaken => Some(Fault::NotTaken),
            Trouble::LinkAfterRequest { give_up } => {
                Some(Fault::LoseLink { at: Point::AfterRequest, give_up })
            }
            Trouble::LinkBeforeAnswer { give_up } => {
                Some(Fault::LoseLink { at: Point::BeforeAnswer, give_up })
            }
            Trouble::LinkBeforeAdvice => Some(Fault::LoseLink { at: Point::BeforeAdvice, give_up: false }),
            Trouble::BankSlow
            | Trouble::BankSilent
            | Trouble::BankAway
            | Trouble::BankAnswersLate
            | Trouble::RegistrySlow
            | Trouble::RegistryAway => None,
        }
    }
}

impl Purpose {
    /// The plan's notes, for a use.
    pub fn notes(&self) -> Option<&Notes> {
        match self {
            Purpose::Withdrawal(notes) | Purpose::Deposit(notes) => Some(notes),
            Purpose::Balance | Purpose::MiniStatement | Purpose::Transfer { .. } => None,
        }
    }
}

/// The front of DE37 for an attempt at a visit (attempts count from 1): what [`crate::terminal::Order::rrn_front`]
/// takes, and what bank and registry hang their faults on.
///
/// # Panics
/// Above 9,999,999 visits or 99 attempts.
pub fn rrn_front(visit: u32, attempt: u32) -> [u8; 10] {
    assert!(visit <= 9_999_999 && attempt <= 99, "visit {visit}, attempt {attempt}");
    let text = format!("P{visit:07}{attempt:02}");
    text.as_bytes().try_into().expect("one letter, seven digits, two digits")
}

/// Visit and attempt of a DE37 that [`rrn_front`] began.
pub fn visit_of_rrn(rrn: &str) -> Option<(u32, u32)> {
    let digits = rrn.strip_prefix('P').filter(|rest| rest.len() == 11 && rest.is_ascii())?;
    Some((digits[..7].parse().ok()?, digits[7..9].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn de37_leads_back_to_its_visit() {
        let front = String::from_utf8_lossy(&rrn_front(762, 3)).into_owned();
        assert_eq!(front, "P000076203");
        assert_eq!(visit_of_rrn(&format!("{front}01")), Some((762, 3)));
        for other in ["212300000001", "P0000762", "P00007620301x", "Pđ00007620"] {
            assert_eq!(visit_of_rrn(other), None, "{other}");
        }
    }
}
