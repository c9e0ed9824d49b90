//! Citizens at the machines of a town, one after the other at each, until they are told to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use simulators::pilot::Chance;
use simulators::terminal::{Card, Fault, Handle, Notes, Order, Outcome, Point, Steps, What};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::town::{CASSETTES, CITIZENS, TERMINALS, Town, account, terminal_id};

/// A machine's cassettes are brought back to their first contents after so many visits.
const VISITS_BEFORE_SERVICE: usize = 50;

/// The longest pause between two visits, milliseconds.
const PAUSE_MS_MAX: u32 = 40;

/// Visits to all machines.
pub struct Load {
    told: Arc<Told>,
    machines: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    stop: AtomicBool,
    visits: AtomicU64,
    endings: Mutex<BTreeMap<String, u64>>,
    /// Machines whose next visit is their last.
    dying: Mutex<BTreeMap<usize, Point>>,
}

impl Load {
    /// Sends citizens to every machine.
    pub fn start(town: &Town, seed: u64) -> Load {
        let told = Arc::new(Told::default());
        let mut machines = JoinSet::new();
        for number in 0..TERMINALS {
            let handle = town.fleet.get(&terminal_id(number)).expect("a machine of the town").clone();
            let cards = (0..CITIZENS as usize).map(|citizen| town.card(citizen)).collect();
            let chance = Chance::new(seed, &format!("visits {number}"));
            machines.spawn(Visits { number, handle, cards, chance, told: told.clone() }.run());
        }
        Load { told, machines }
    }

    /// The next withdrawal at this machine is its last: it is gone for good at this point of it.
    pub fn let_die(&self, machine: usize, at: Point) {
        self.told.dying.lock().unwrap_or_else(PoisonError::into_inner).insert(machine, at);
    }

    /// Visits that have ended so far.
    pub fn visits(&self) -> u64 {
        self.told.visits.load(Ordering::Relaxed)
    }

    /// Lets everybody who is at a machine end, and nobody come after them. Tells how visits ended, and how often.
    ///
    /// # Panics
    /// When a machine has stopped.
    pub async fn end(mut self) -> BTreeMap<String, u64> {
        self.told.stop.store(true, Ordering::Release);
        while let Some(ended) = self.machines.join_next().await {
            ended.expect("a machine serves until it is told to stop");
        }
        std::mem::take(&mut self.told.endings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Visits {
    number: usize,
    handle: Handle,
    cards: Vec<Card>,
    chance: Chance,
    told: Arc<Told>,
}

impl Visits {
    async fn run(mut self) {
        let mut count = 0;
        while !self.told.stop.load(Ordering::Acquire) {
            count += 1;
            if count % VISITS_BEFORE_SERVICE == 0 {
                self.handle.service(CASSETTES).await.expect("the machine runs");
            }
            let dying = self.told.dying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
            let mut order = self.order(count as u64);
            if let Some(at) = dying {
                (order.what, order.notes, order.amount_vnd) = (What::Withdrawal, None, 500_000);
                order.fault = Some(Fault::Die { at });
            }
            let finished = self.handle.perform(order).await.expect("the machine runs");
            let code =
                finished.code.map_or("no answer".to_owned(), |code| String::from_utf8_lossy(&code).into());
            let ending = format!("{:?} {code}", finished.outcome);
            *self.told.endings.lock().unwrap_or_else(PoisonError::into_inner).entry(ending).or_default() += 1;
            self.told.visits.fetch_add(1, Ordering::Relaxed);
            match finished.outcome {
                Outcome::Dead => return,
                // It never came to the point at which it dies.
                _ if dying.is_some() => {
                    let mut dying_now = self.told.dying.lock().unwrap_or_else(PoisonError::into_inner);
                    dying_now.extend(dying.map(|at| (self.number, at)));
                }
                _ => {}
            }
            sleep(Duration::from_millis(u64::from(self.chance.between(0, PAUSE_MS_MAX)))).await;
        }
    }

    fn order(&mut self, id: u64) -> Order {
        let chance = &mut self.chance;
        let citizen = chance.below(self.cards.len());
        let amount_vnd = u64::from(chance.between(1, 60)) * 50_000;
        let steps = if chance.percent(60) { Steps::Two } else { Steps::One };
        let (what, notes, amount_vnd) = match chance.weighted(&[55, 25, 12, 5, 3]) {
            0 => (What::Withdrawal, None, amount_vnd),
            1 => {
                let notes = Notes([chance.between(0, 9), chance.between(0, 9), chance.between(1, 9), 0]);
                (What::Deposit, Some(notes), notes.amount_vnd())
            }
            2 => (What::Transfer { to_account: account(citizen + 3).into() }, None, amount_vnd),
            3 => (What::Balance, None, 0),
            _ => (What::MiniStatement, None, 0),
        };
        let fault = chance.percent(20).then(|| fault(&what, chance)).flatten();
        let card = self.cards[citizen].clone();
        let (bank, from_account, rrn_front) = (None, None, None);
        Order { id, what, amount_vnd, notes, card, steps, bank, from_account, rrn_front, pin: None, fault }
    }
}

/// What goes wrong at the machine, where it can with this order. No jam of what was inserted: cash kept without an
/// approval is a person's matter by itself.
fn fault(what: &What, chance: &mut Chance) -> Option<Fault> {
    let points = [Point::AfterRequest, Point::BeforeAnswer, Point::BeforeAdvice];
    let link = Fault::LoseLink { at: *chance.pick(&points), give_up: chance.percent(40) };
    match (what, chance.below(6)) {
        (What::Withdrawal, 0) => Some(Fault::DispenseNothing),
        (What::Withdrawal, 1) => Some(Fault::DispensePart { notes: 1 }),
        (What::Withdrawal, 2) => Some(Fault::NotTaken),
        (What::Withdrawal | What::Deposit | What::Transfer { .. }, 3..) => Some(link),
        _ => None,
    }
}
