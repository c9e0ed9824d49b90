//! Totals of the town's days: acquirers say theirs, right or wrong, and again; banks are asked for theirs. And what the judge says of it.

use std::collections::BTreeSet;

use iso8583::{Message, Mti};
use processor::{BankIdentity, Body, Day, Record, Side, TerminalId, Totals, TotalsStep, UtcSeconds};
use reconciliation::{Book, FeeTable};
use simulators::bank::TotalsManner;
use simulators::pilot::Chance;

use super::faults::{Fault, FaultSet};
use super::node::{Crash, Moment};
use super::oracle::Violation;
use super::plan::{BANKS, Plan, institution, terminal_id, terminal_name, timers};
use super::world::{Event, Trouble, World};

/// In a day of totals acquirers say theirs so often, and so many days end.
const SAYINGS: usize = 6;
const CUTOVERS: usize = 2;
/// Nobody says the same totals more often.
const TRIES_MAX: u32 = 60;
/// STANs of what is said begin here.
const STAN: u64 = 850_000;

/// A 0500 of an acquirer.
pub(super) struct Said {
    terminal: usize,
    message: Message,
    /// The first 0510 with 00.
    answer: Option<Message>,
    tries: u32,
}

/// A 0520 or 0521 that came to a bank.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Asked {
    bank: usize,
    de7: Vec<u8>,
    stan: u32,
}

/// How a bank answers when it is asked.
pub(super) fn manner(plan: &Plan, bank: usize) -> TotalsManner {
    let mut chance = Chance::new(plan.seed ^ bank as u64, "manner of totals");
    match chance.weighted(&[50, 20, 15, 15]) {
        0 => TotalsManner::Right,
        1 => TotalsManner::Off(1_000_000),
        2 => TotalsManner::Late(u64::from(chance.between(500, 90_000))),
        _ => TotalsManner::Silent,
    }
}

impl World {
    pub(super) fn draw_totals(&mut self) {
        if !self.plan.totals {
            return;
        }
        let troubles = [(SAYINGS, Trouble::SayTotals), (CUTOVERS, Trouble::Cutover)];
        for trouble in troubles.into_iter().flat_map(|(times, trouble)| std::iter::repeat_n(trouble, times)) {
            let ms = 500 + u64::from(self.totals_chance.between(0, self.day_ms() as u32));
            self.after_ms(ms, Event::Trouble(trouble));
        }
    }

    /// An acquirer says what a day comes to.
    pub(super) fn say_totals(&mut self) {
        let Some(open) = self.process.as_ref().map(|process| process.processor.day()) else { return };
        let terminal = self.totals_chance.below(self.plan.terminals);
        let sent_at = UtcSeconds(self.wall_ms().div_euclid(1000));
        let mut message = Message::new(Mti::new(500));
        message.set(7, &sent_at.to_de7()).set_number(11, STAN + self.totals_said.len() as u64, 6);
        message.set_text(41, &terminal_name(terminal));
        let day = match self.totals_chance.below(3) {
            0 => None,
            1 => Some(open),
            _ => Day::new(open.yyyymmdd() - 1),
        };
        if let Some(day) = day {
            message.set(15, &day.to_de15());
        }
        let (count, minor) = (self.totals_chance.between(0, 3), 50_000 * self.totals_chance.between(0, 40));
        message.set_number(76, count.into(), 10).set_text(97, &format!("C{minor:016}"));
        self.totals_said.push(Said { terminal, message, answer: None, tries: 0 });
        let (kill, power) = (self.plan.faults.has(Fault::Kill), self.plan.faults.has(Fault::PowerLoss));
        if (kill || power) && self.armed.is_none() && self.totals_chance.percent(50) {
            self.armed = Some(Crash { at: Moment::SaysTotals, power });
        }
        self.say_totals_again(self.totals_said.len() - 1);
    }

    /// Until it is answered, and sometimes once more.
    pub(super) fn say_totals_again(&mut self, index: usize) {
        let once_more = self.plan.faults != FaultSet::NONE && self.totals_chance.percent(40);
        let Some(said) = self.totals_said.get_mut(index) else { return };
        if said.answer.is_some() && !once_more || said.tries >= TRIES_MAX {
            return;
        }
        let (mut message, terminal) = (said.message.clone(), said.terminal);
        if said.tries > 0 {
            message.set_mti(Mti::new(501));
        }
        if let Some(conn) = self.terminals[terminal].conn {
            self.totals_said[index].tries += 1;
            self.carry_quietly(conn, &message);
        }
        if !self.terminals[terminal].machine.is_dead() {
            self.after_ms(timers().terminal_wait_ms, Event::TotalsAgain(index));
        }
    }

    /// A 0510 that is authentic.
    pub(super) fn hears_totals(&mut self, terminal: usize, answer: &Message) {
        let is_it = |said: &&mut Said| {
            said.terminal == terminal && [7, 11].iter().all(|it| said.message.get(*it) == answer.get(*it))
        };
        let Some(said) = self.totals_said.iter_mut().find(is_it) else { return };
        match answer.text(39) {
            Some("00") => {}
            Some("94") => return self.violations.push("totals said again are taken for others".to_owned()),
            _ => return,
        }
        let content = |message: &Message| {
            let own = message.elements().filter(|(element, _)| !matches!(element, 64 | 128));
            own.map(|(element, value)| (element, value.to_vec())).collect::<Vec<_>>()
        };
        match &said.answer {
            None => said.answer = Some(answer.clone()),
            Some(first) if content(first) == content(answer) => {}
            Some(_) => self.violations.push("totals said again are answered otherwise".to_owned()),
        }
    }

    pub(super) fn see_totals_at_bank(&mut self, bank: usize, message: &Message) {
        if matches!(message.mti().value(), 520 | 521) {
            let de7 = message.get(7).unwrap_or_default().to_vec();
            self.totals_asked.insert(Asked { bank, de7, stan: message.number(11).unwrap_or(0) as u32 });
        }
    }
}

/// What members have said and heard is in the log, once, with what the log comes to; and every bank was asked for every day that has ended.
pub(super) fn judge(world: &World, records: &[Record], found: &mut Vec<Violation>) {
    let mut broken = |rule: &'static str, what: String| found.push(Violation { rule, what });
    let totals: Vec<(usize, &Totals)> = records
        .iter()
        .enumerate()
        .filter_map(|(position, record)| match &record.body {
            Body::Totals(totals) => Some((position, &**totals)),
            _ => None,
        })
        .collect();
    let mut said: BTreeSet<(Option<TerminalId>, BankIdentity)> = BTreeSet::new();
    for (position, totals) in &totals {
        let what = || format!("record {position}: {totals:?}");
        let of_member = (totals.terminal, totals.name);
        if totals.step == TotalsStep::Said && totals.side == Side::Acquirer && !said.insert(of_member) {
            broken("totals are taken once", what());
        }
        let as_of = usize::try_from(totals.as_of).unwrap_or(usize::MAX);
        let mut book = Book::new(FeeTable::default(), Some(world.plan.config().first_day));
        for (place, record) in (0..).zip(records.iter().take(as_of)) {
            // What follows nothing changes no day.
            let _ = book.apply(place, record);
        }
        let counted = book.sheet(totals.day).map(|sheet| sheet.figures(totals.side, totals.member));
        // Of a day that is given up unasked nothing was counted.
        let is_uncounted = totals.step == TotalsStep::GivenUp && totals.as_of == 0;
        if as_of > *position || (counted != Some(totals.ours) && !is_uncounted) {
            broken("totals are what the log comes to", format!("{}, counted {counted:?}", what()));
        }
    }
    for heard in world.totals_said.iter().filter(|heard| heard.answer.is_some()) {
        let sent_at = heard.message.get(7).and_then(|it| UtcSeconds::from_de7(it, start(world)));
        let stan = heard.message.number(11).unwrap_or(0) as u32;
        let is_there = sent_at.is_some_and(|sent_at| {
            said.contains(&(Some(terminal_id(heard.terminal)), BankIdentity { sent_at, stan }))
        });
        if !is_there {
            let what = format!("0500 {stan:06} of {}", terminal_name(heard.terminal));
            broken("an answer to totals is in the log", what);
        }
    }
    for asked in &world.totals_asked {
        let sent_at = UtcSeconds::from_de7(&asked.de7, start(world));
        let is_it = |totals: &&(usize, &Totals)| {
            totals.1.step == TotalsStep::Asked
                && totals.1.member == institution(BANKS[asked.bank])
                && (Some(totals.1.name.sent_at), totals.1.name.stan) == (sent_at, asked.stan)
        };
        if !totals.iter().any(|totals| is_it(&totals)) {
            broken("a question for totals leaves when it is durable", format!("{asked:?}"));
        }
    }
    let mut days = vec![world.plan.config().first_day];
    days.extend(records.iter().filter_map(|record| match &record.body {
        Body::Cutover(day) => Some(*day),
        _ => None,
    }));
    days.pop();
    for ended in days.iter().filter(|_| world.plan.totals) {
        for bank in BANKS {
            let of = totals.iter().rfind(|(_, totals)| {
                totals.step != TotalsStep::Said && totals.member == institution(bank) && totals.day == *ended
            });
            let step = of.map(|(_, totals)| totals.step);
            if !matches!(step, Some(TotalsStep::Answered | TotalsStep::GivenUp)) {
                let what = format!("{bank} and {ended}: {step:?}");
                broken(
                    "every bank is asked for the totals of every day that has ended, or they are given up",
                    what,
                );
            }
        }
    }
}

fn start(world: &World) -> UtcSeconds {
    UtcSeconds(world.plan.start_ms.div_euclid(1000))
}
