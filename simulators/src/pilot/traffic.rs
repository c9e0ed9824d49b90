//! Draws a plan from a seed: first what each use moves, then where and when, then what goes wrong.

use std::collections::BTreeMap;

use time::{Date, Duration, Month, Weekday};

use crate::terminal::{Notes, Steps};

use super::chance::Chance;
use super::draw::{Direction, WITHDRAWAL_NOTES_MAX, notes_with_sum};
use super::places::{BANKS, BRANCHES};
use super::plan::{
    AMOUNT_VND, CITIZEN_DAY_MAX, CardState, Plan, PlannedAccount, PlannedCitizen, PlannedTerminal, Purpose,
    TERMINAL_DAY_MAX, TROUBLES_EACH_MAX, TROUBLES_EACH_MIN, Trouble, USES, Visit,
};

/// So many of a hundred uses are deposits: with what the two are worth on average, 22.73 billion lie near the middle
/// of what can be drawn.
const DEPOSITS_PERCENT: usize = 43;

/// The Wednesday after the May holidays of 2022, and three months from it.
const FIRST_DAY: (i32, Month, u8) = (2022, Month::May, 4);
const CALENDAR_DAYS: i64 = 92;

/// Citizens with a card in order.
const CITIZENS: usize = 420;

/// So many of a hundred citizens have a second account at another bank.
const SECOND_ACCOUNT_PERCENT: usize = 20;

/// So many of a hundred visits are made by customers of the machine's own bank.
const OWN_CUSTOMER_PERCENT: usize = 75;

/// Visits without cash, between the uses.
const BALANCES: usize = 60;
const MINI_STATEMENTS: usize = 40;
const TRANSFERS: usize = 40;

/// Most that one transfer moves, đồng; what it moves is a multiple of 50,000.
const TRANSFER_VND_MAX: u32 = 10_000_000;

/// A part dispense asks for so many notes of 50,000 more than it gives, at most.
const NOT_DISPENSED_MAX: u32 = 4;

/// One withdrawal moves at most this, also what it asks for: the switch's limit.
const WITHDRAWAL_VND_MAX: u64 = 20_000_000;

/// So often day and citizen are drawn for a visit; then every day is tried in turn.
const REDRAWS_MAX: usize = 100;

impl Plan {
    /// The plan of a seed; the same on every machine.
    pub fn draw(seed: u64) -> Plan {
        let mut citizens = citizens(&mut Chance::new(seed, "citizens"));
        let places = Places { days: days(), terminals: terminals() };
        let mut visits =
            Visits { places: &places, citizens: &citizens, drawn: Vec::new(), busy: BTreeMap::new() };
        visits.draw_uses(seed);
        visits.draw_bad_cards(&mut Chance::new(seed, "bad cards"));
        visits.draw_others(&mut Chance::new(seed, "others"));
        let mut drawn = visits.drawn;
        draw_troubles(&mut drawn, &mut Chance::new(seed, "troubles"));
        number(&mut drawn, &mut Chance::new(seed, "order"));
        fill_accounts(&mut citizens, &drawn, &mut Chance::new(seed, "balances"));
        Plan { seed, days: places.days, terminals: places.terminals, citizens, visits: drawn }
    }
}

struct Places {
    days: Vec<Date>,
    terminals: Vec<PlannedTerminal>,
}

fn days() -> Vec<Date> {
    let (year, month, day) = FIRST_DAY;
    let first = Date::from_calendar_date(year, month, day).expect("a day of the calendar");
    let all = (0..CALENDAR_DAYS).map(|days| first + Duration::days(days));
    all.filter(|day| day.weekday() != Weekday::Sunday).collect()
}

fn terminals() -> Vec<PlannedTerminal> {
    let machines = BRANCHES.iter().enumerate().flat_map(|(branch, place)| {
        [true, false].map(|recycler| {
            let number = branch * 2 + usize::from(recycler);
            let id = format!("{}{:06}", place.province.letters(), 101 + number).into();
            PlannedTerminal { id, branch, recycler }
        })
    });
    machines.collect()
}

fn citizens(chance: &mut Chance) -> Vec<PlannedCitizen> {
    let mut cards = vec![CardState::Valid; CITIZENS];
    for bad in [CardState::Revoked, CardState::Lost] {
        cards.extend(vec![bad; how_many(chance)]);
    }
    let people = cards.into_iter().enumerate().map(|(index, card)| {
        let mut banks = vec![bank(chance)];
        if chance.percent(SECOND_ACCOUNT_PERCENT) {
            let second = bank(chance);
            banks.extend((second != banks[0]).then_some(second));
        }
        let accounts = banks.into_iter().map(|bank| {
            let number = format!("1{bank}{:010}", 1_000_000 + 7_919 * index).into();
            PlannedAccount { bank, number, opening_vnd: 0 }
        });
        PlannedCitizen { index: index as u64, card, accounts: accounts.collect() }
    });
    people.collect()
}

fn bank(chance: &mut Chance) -> usize {
    chance.weighted(&BANKS.map(|bank| bank.share_percent))
}

fn how_many(chance: &mut Chance) -> usize {
    chance.between(TROUBLES_EACH_MIN as u32, TROUBLES_EACH_MAX as u32) as usize
}

/// A machine, or a citizen, on a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Busy {
    Terminal(usize, usize),
    Citizen(usize, usize),
}

struct Visits<'p> {
    places: &'p Places,
    citizens: &'p [PlannedCitizen],
    drawn: Vec<Visit>,
    busy: BTreeMap<Busy, usize>,
}

impl Visits<'_> {
    fn draw_uses(&mut self, seed: u64) {
        let mut chance = Chance::new(seed, "uses");
        let directions: Vec<Direction> = (0..USES)
            .map(|_| if chance.percent(DEPOSITS_PERCENT) { Direction::In } else { Direction::Out })
            .collect();
        let all = notes_with_sum(&directions, AMOUNT_VND, &mut Chance::new(seed, "notes"));
        for (direction, notes) in directions.into_iter().zip(all) {
            let purpose = match direction {
                Direction::Out => Purpose::Withdrawal(notes),
                Direction::In => Purpose::Deposit(notes),
            };
            self.add(purpose, None, true, &mut chance);
        }
    }

    /// One visit each: the card is refused, and nothing is tried again.
    fn draw_bad_cards(&mut self, chance: &mut Chance) {
        for citizen in CITIZENS..self.citizens.len() {
            let notes = Notes([chance.between(1, 10), 0, 0, 0]);
            let purpose =
                if chance.percent(30) { Purpose::Deposit(notes) } else { Purpose::Withdrawal(notes) };
            self.add(purpose, Some(citizen), false, chance);
        }
    }

    fn draw_others(&mut self, chance: &mut Chance) {
        for _ in 0..BALANCES {
            self.add(Purpose::Balance, None, false, chance);
        }
        for _ in 0..MINI_STATEMENTS {
            self.add(Purpose::MiniStatement, None, false, chance);
        }
        for _ in 0..TRANSFERS {
            let amount_vnd = u64::from(chance.between(1, TRANSFER_VND_MAX / 50_000)) * 50_000;
            let from = chance.below(CITIZENS);
            let bank = self.citizens[from].accounts[0].bank;
            let others = self.citizens.iter().take(CITIZENS).enumerate().filter(|(other, _)| *other != from);
            let accounts =
                others.flat_map(|(_, other)| &other.accounts).filter(|account| account.bank == bank);
            let accounts: Vec<&PlannedAccount> = accounts.collect();
            let to_account = chance.pick(&accounts).number.clone();
            self.add(Purpose::Transfer { amount_vnd, to_account }, Some(from), false, chance);
        }
    }

    /// Finds place, day and citizen. A transfer is made from the default account, which its partner's bank shares.
    fn add(&mut self, purpose: Purpose, citizen: Option<usize>, is_use: bool, chance: &mut Chance) {
        let bank = bank(chance);
        let needs_recycler = matches!(purpose, Purpose::Deposit(_));
        let machines: Vec<usize> = (0..self.places.terminals.len())
            .filter(|index| {
                let terminal = &self.places.terminals[*index];
                BRANCHES[terminal.branch].bank == bank && (terminal.recycler || !needs_recycler)
            })
            .collect();
        let terminal = *chance.pick(&machines);
        let (day, citizen) = self.find_time(terminal, bank, citizen, chance);
        for busy in [Busy::Terminal(terminal, day), Busy::Citizen(citizen, day)] {
            *self.busy.entry(busy).or_insert(0) += 1;
        }
        let default_only = matches!(purpose, Purpose::Transfer { .. });
        let accounts = if default_only { 1 } else { self.citizens[citizen].accounts.len() };
        let account = chance.below(accounts);
        self.drawn.push(Visit {
            id: 0,
            use_number: is_use.then_some(0),
            day,
            terminal,
            citizen,
            account,
            names_bank: account > 0 || chance.percent(30),
            steps: if chance.percent(70) { Steps::Two } else { Steps::One },
            purpose,
            trouble: None,
        });
    }

    /// A day on which the bank takes part, and the machine and the citizen have room.
    fn find_time(
        &self,
        terminal: usize,
        bank: usize,
        citizen: Option<usize>,
        chance: &mut Chance,
    ) -> (usize, usize) {
        let (first_day, days) = (BANKS[bank].first_day, self.places.days.len());
        let room = |day: usize, citizen: usize| {
            let used = |busy: Busy| self.busy.get(&busy).copied().unwrap_or(0);
            used(Busy::Terminal(terminal, day)) < TERMINAL_DAY_MAX
                && used(Busy::Citizen(citizen, day)) < CITIZEN_DAY_MAX
        };
        for _ in 0..REDRAWS_MAX {
            let day = first_day + chance.below(days - first_day);
            let citizen = citizen.unwrap_or_else(|| self.customer(bank, chance));
            if room(day, citizen) {
                return (day, citizen);
            }
        }
        let citizen = citizen.unwrap_or_else(|| self.customer(bank, chance));
        let day = (first_day..days).find(|day| room(*day, citizen));
        (day.expect("a machine has room for far more visits than are drawn for it"), citizen)
    }

    fn customer(&self, bank: usize, chance: &mut Chance) -> usize {
        let own = chance.percent(OWN_CUSTOMER_PERCENT);
        let has_account =
            |citizen: usize| self.citizens[citizen].accounts.iter().any(|account| account.bank == bank);
        let mut citizen = chance.below(CITIZENS);
        for _ in 0..REDRAWS_MAX {
            if !own || has_account(citizen) {
                break;
            }
            citizen = chance.below(CITIZENS);
        }
        citizen
    }
}

/// Hangs each kind of trouble on uses that it can happen to and that have none yet.
fn draw_troubles(visits: &mut [Visit], chance: &mut Chance) {
    for kind in 0..Trouble::KINDS.len() {
        let mut left = how_many(chance);
        let mut order: Vec<usize> = (0..visits.len()).collect();
        chance.shuffle(&mut order);
        for index in order {
            let visit = &mut visits[index];
            if left == 0 {
                break;
            }
            if visit.use_number.is_some() && visit.trouble.is_none() {
                visit.trouble = trouble(kind, &visit.purpose, chance);
                left -= usize::from(visit.trouble.is_some());
            }
        }
    }
}

/// A trouble of this kind, where it can happen to this purpose.
fn trouble(kind: usize, purpose: &Purpose, chance: &mut Chance) -> Option<Trouble> {
    let withdrawn = match purpose {
        Purpose::Withdrawal(notes) => Some(notes),
        Purpose::Deposit(_) | Purpose::Balance | Purpose::MiniStatement | Purpose::Transfer { .. } => None,
    };
    let give_up = chance.percent(50);
    let not_dispensed = chance.between(1, NOT_DISPENSED_MAX);
    match kind {
        0 => withdrawn.map(|_| Trouble::DispenseNothing),
        1 => {
            let asked = withdrawn?.plus(&Notes([0, 0, 0, not_dispensed]));
            let fits = asked.count() <= WITHDRAWAL_NOTES_MAX && asked.amount_vnd() <= WITHDRAWAL_VND_MAX;
            fits.then_some(Trouble::DispensePart { asked })
        }
        2 => withdrawn.map(|_| Trouble::NotTaken),
        3 => Some(Trouble::LinkAfterRequest { give_up }),
        4 => Some(Trouble::LinkBeforeAnswer { give_up }),
        5 => Some(Trouble::LinkBeforeAdvice),
        6 => Some(Trouble::BankSlow),
        7 => Some(Trouble::BankSilent),
        8 => Some(Trouble::BankAway),
        9 => Some(Trouble::BankAnswersLate),
        10 => Some(Trouble::RegistrySlow),
        11 => Some(Trouble::RegistryAway),
        _ => None,
    }
}

/// Puts the visits into the order of days, at random within a day, and numbers them.
fn number(visits: &mut [Visit], chance: &mut Chance) {
    chance.shuffle(visits);
    visits.sort_by_key(|visit| visit.day);
    let mut uses = 0;
    for (visit, id) in visits.iter_mut().zip(1..) {
        visit.id = id;
        if let Some(use_number) = &mut visit.use_number {
            uses += 1;
            *use_number = uses;
        }
    }
}

/// Twice what the plan debits, and something to show in a balance.
fn fill_accounts(citizens: &mut [PlannedCitizen], visits: &[Visit], chance: &mut Chance) {
    for account in citizens.iter_mut().flat_map(|citizen| &mut citizen.accounts) {
        account.opening_vnd = u64::from(chance.between(1, 1_000)) * 50_000;
    }
    for visit in visits {
        let debited_vnd = match (&visit.purpose, &visit.trouble) {
            (_, Some(Trouble::DispensePart { asked })) => asked.amount_vnd(),
            (Purpose::Withdrawal(notes), _) => notes.amount_vnd(),
            (Purpose::Transfer { amount_vnd, .. }, _) => *amount_vnd,
            (Purpose::Deposit(_) | Purpose::Balance | Purpose::MiniStatement, _) => 0,
        };
        citizens[visit.citizen].accounts[visit.account].opening_vnd += 2 * debited_vnd;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::super::draw::DEPOSIT_NOTES_MAX;
    use super::*;

    /// All that a runner relies on.
    fn check(plan: &Plan) {
        let seed = plan.seed;
        let uses: Vec<&Visit> = plan.uses().collect();
        assert_eq!(uses.len(), USES, "seed {seed}");
        let sum: u64 = uses.iter().map(|visit| visit.purpose.notes().unwrap().amount_vnd()).sum();
        assert_eq!(sum, AMOUNT_VND, "seed {seed}");
        let numbers: Vec<u32> = uses.iter().filter_map(|visit| visit.use_number).collect();
        assert_eq!(numbers, (1..=USES as u32).collect::<Vec<_>>(), "seed {seed}");
        let mut troubles = [0; Trouble::KINDS.len()];
        let mut bad_cards = BTreeMap::new();
        let (mut at_terminal, mut of_citizen) = (BTreeMap::new(), BTreeMap::new());
        for (visit, id) in plan.visits.iter().zip(1..) {
            let at = format!("seed {seed}: {visit:?}");
            assert_eq!(visit.id, id, "{at}");
            let terminal = &plan.terminals[visit.terminal];
            let citizen = &plan.citizens[visit.citizen];
            assert!(visit.day >= BANKS[BRANCHES[terminal.branch].bank].first_day, "{at}");
            assert!(visit.names_bank || visit.account == 0, "{at}");
            *at_terminal.entry((visit.terminal, visit.day)).or_insert(0) += 1;
            *of_citizen.entry((visit.citizen, visit.day)).or_insert(0) += 1;
            match &visit.purpose {
                Purpose::Withdrawal(notes) => {
                    assert!((1..=WITHDRAWAL_NOTES_MAX).contains(&notes.count()), "{at}");
                    assert!(notes.amount_vnd() <= WITHDRAWAL_VND_MAX, "{at}");
                }
                Purpose::Deposit(notes) => {
                    assert!((1..=DEPOSIT_NOTES_MAX).contains(&notes.count()) && terminal.recycler, "{at}");
                }
                Purpose::Transfer { to_account, .. } => {
                    let all = plan.citizens.iter().flat_map(|citizen| &citizen.accounts);
                    let to = all.into_iter().find(|account| account.number == *to_account).unwrap();
                    let from = plan.account(visit);
                    assert!(to.bank == from.bank && to.number != from.number, "{at}");
                }
                Purpose::Balance | Purpose::MiniStatement => {}
            }
            if citizen.card == CardState::Valid {
                assert!(visit.use_number.is_some() || visit.purpose.notes().is_none(), "{at}");
            } else {
                assert!(visit.use_number.is_none() && visit.trouble.is_none(), "{at}");
                *bad_cards.entry(citizen.card).or_insert(0) += 1;
            }
            if let Some(trouble) = &visit.trouble {
                troubles[trouble.kind()] += 1;
                check_trouble(trouble, visit, &at);
            }
        }
        let enough = |count: &usize| (TROUBLES_EACH_MIN..=TROUBLES_EACH_MAX).contains(count);
        assert!(troubles.iter().all(enough), "seed {seed}: {troubles:?}");
        assert!(bad_cards.len() == 2 && bad_cards.values().all(enough), "seed {seed}: {bad_cards:?}");
        assert!(at_terminal.values().all(|count| *count <= TERMINAL_DAY_MAX), "seed {seed}");
        assert!(of_citizen.values().all(|count| *count <= CITIZEN_DAY_MAX), "seed {seed}");
        assert!(plan.visits.is_sorted_by_key(|visit| visit.day), "seed {seed}");
        let deposits = uses.iter().filter(|visit| matches!(visit.purpose, Purpose::Deposit(_))).count();
        assert!((240..420).contains(&deposits), "seed {seed}: {deposits} deposits");
    }

    fn check_trouble(trouble: &Trouble, visit: &Visit, at: &str) {
        let planned = visit.purpose.notes().unwrap();
        match trouble {
            Trouble::DispensePart { asked } => {
                assert!(
                    asked.count() <= WITHDRAWAL_NOTES_MAX && asked.amount_vnd() <= WITHDRAWAL_VND_MAX,
                    "{at}"
                );
                assert!(asked.amount_vnd() > planned.amount_vnd(), "{at}");
                assert_eq!(asked.first(planned.count()), *planned, "{at}");
            }
            Trouble::DispenseNothing | Trouble::NotTaken => {
                assert!(matches!(visit.purpose, Purpose::Withdrawal(_)), "{at}");
            }
            Trouble::LinkAfterRequest { .. }
            | Trouble::LinkBeforeAnswer { .. }
            | Trouble::LinkBeforeAdvice
            | Trouble::BankSlow
            | Trouble::BankSilent
            | Trouble::BankAway
            | Trouble::BankAnswersLate
            | Trouble::RegistrySlow
            | Trouble::RegistryAway => {}
        }
    }

    #[test]
    fn every_seed_has_its_uses_its_sum_and_its_troubles() {
        for seed in (0..150).chain([u64::MAX, 1 << 40]) {
            check(&Plan::draw(seed));
        }
    }

    #[test]
    fn a_seed_is_one_plan_and_another_seed_another() {
        assert_eq!(Plan::draw(7), Plan::draw(7));
        let [one, other] = [7, 8].map(Plan::draw);
        let visits = one.visits.iter().zip(&other.visits);
        let same = visits.filter(|(one, other)| one.purpose == other.purpose).count();
        assert!(same < one.visits.len() / 5, "{same} visits are the same");
    }

    #[test]
    fn machines_and_accounts_have_names_of_their_own() {
        let plan = Plan::draw(1);
        let terminals: BTreeSet<&str> = plan.terminals.iter().map(|terminal| &*terminal.id).collect();
        assert_eq!(terminals.len(), BRANCHES.len() * 2);
        assert!(terminals.iter().all(|id| id.len() == 8 && (id.starts_with("HN") || id.starts_with("QN"))));
        let accounts: Vec<&PlannedAccount> =
            plan.citizens.iter().flat_map(|citizen| &citizen.accounts).collect();
        let numbers: BTreeSet<&str> = accounts.iter().map(|account| &*account.number).collect();
        assert_eq!(numbers.len(), accounts.len());
        assert!(numbers.iter().all(|number| number.len() == 12));
        assert_eq!(plan.days.first().unwrap().to_string(), "2022-05-04");
        assert_eq!(plan.days.last().unwrap().to_string(), "2022-08-03");
        assert!(BANKS.iter().all(|bank| bank.first_day < plan.days.len()));
        assert_eq!(BANKS.map(|bank| bank.share_percent).iter().sum::<usize>(), 100);
    }

    #[test]
    fn every_bank_and_both_provinces_are_used() {
        let plan = Plan::draw(1);
        let mut banks = [0; BANKS.len()];
        let mut provinces = BTreeMap::new();
        for visit in plan.uses() {
            let branch = &BRANCHES[plan.terminals[visit.terminal].branch];
            banks[branch.bank] += 1;
            *provinces.entry(branch.province).or_insert(0) += 1;
        }
        assert!(banks.iter().all(|uses| *uses > 40), "{banks:?}");
        assert!(provinces.len() == 2 && provinces.values().all(|uses| *uses > 150), "{provinces:?}");
    }
}
