//! Plays a plan: opens days, sends citizens to machines, tries again what failed for a passing reason, kills the switch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Barrier, Mutex as AsyncMutex, Notify, OwnedMutexGuard, RwLock, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bank;
use crate::citizens::Country;
use crate::pins::Pins;
use crate::registry;
use crate::terminal::{Card, Finished, Fleet, Order, Outcome, What};

use super::BANKS;
use super::plan::{CASSETTES, CardState, Plan, Purpose, Trouble, Visit, rrn_front, visit_of_rrn};
use super::switch::{Switch, SwitchError};
use super::town::{Faults, IIN, Waits};

/// So many days are played at once at most: troubles of one day pass while the next has begun.
const DAYS_OPEN_MAX: usize = 4;
/// Uses that a kill finds in flight, the named one included; at least eight are needed.
const KILL_USES: usize = 10;
const KILL_USES_MIN: usize = 8;
/// They have to be at their banks so many milliseconds before the switch gives the first of them up.
const KILL_MARGIN_MS: u64 = 500;
/// A visit that has not worked after so many attempts is an error of the pilot.
const ATTEMPTS_MAX: u32 = 20;
/// A bank that was away has to be back in so many milliseconds.
const BANK_BACK_MS_MAX: u64 = 10_000;
/// Everything that is owed has to be settled in so many seconds at the end.
const SETTLE_S_MAX: u64 = 60;

/// How long a bank is away, milliseconds.
const AWAY_MS: u64 = 500;
/// An answer in time, milliseconds.
const SLOW_MS: u64 = 600;
/// How far an answer misses the deadline, milliseconds.
const LATE_MS: u64 = 700;

/// Why a pilot ends early.
#[derive(Debug, Error)]
pub(super) enum RunError {
    /// The switch's process.
    #[error("{0}")]
    Switch(#[from] SwitchError),
    /// A visit that does not come to its end.
    #[error("visit {visit}: {reason}")]
    Visit {
        /// [`Visit::id`].
        visit: u32,
        /// What it came to.
        reason: String,
    },
    /// A kill that cannot be made as it has to be.
    #[error("--kill-switch-at {number}: {reason}")]
    Kill {
        /// The use.
        number: u32,
        /// Why not.
        reason: String,
    },
    /// Something is still owed.
    #[error("not settled after {SETTLE_S_MAX} s: {0}")]
    Unsettled(String),
    /// A part of the pilot broke.
    #[error("{0}")]
    Broken(String),
}

/// What was seen on the way; for the report, never for the audit.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Attempts by how they ended: outcome and code.
    pub(super) endings: BTreeMap<String, u64>,
    /// Attempts that were repeated under a new key.
    pub(super) again: u64,
    /// Wall time of visits without trouble, microseconds.
    pub(super) visit_us: Vec<u64>,
    /// Kills, and the uses that were in flight at each.
    pub(super) kills: Vec<(u32, usize)>,
}

/// One kill: who has to be at the bank when it comes.
struct Kill {
    number: u32,
    visits: BTreeSet<u32>,
    /// They begin together: each waits here three times.
    start: Barrier,
    /// Those whose 0200 a bank holds.
    held: Mutex<BTreeSet<u32>>,
    news: Notify,
}

/// Faults and kills as banks and registry have to know them before they start.
pub(super) struct Stage {
    plan: Arc<Plan>,
    kills: Vec<Arc<Kill>>,
    /// The switch's deadlines.
    pub(super) waits: Waits,
}

impl Stage {
    /// Who meets what. `kill_at` are numbers of uses, in any order.
    ///
    /// # Errors
    /// [`RunError::Kill`].
    pub(super) fn new(plan: Arc<Plan>, kill_at: &[u32]) -> Result<Stage, RunError> {
        let mut kills = Vec::new();
        let mut taken = BTreeSet::new();
        for &number in kill_at.iter().collect::<BTreeSet<_>>() {
            let kill = gather(&plan, number, &taken)?;
            taken.extend(kill.visits.iter().copied());
            kills.push(Arc::new(kill));
        }
        let waits = Waits::new(!kills.is_empty());
        Ok(Stage { plan, kills, waits })
    }

    /// The faults of a plan, hung on DE37.
    pub(super) fn faults(&self) -> Faults {
        let banks = BANKS.iter().map(|_| self.bank_rule()).collect();
        Faults { banks, registry: self.registry_rule() }
    }

    fn bank_rule(&self) -> bank::FaultRule {
        let (plan, kills) = (self.plan.clone(), self.kills.clone());
        let late_ms = self.waits.issuer_response_ms_max + LATE_MS;
        Arc::new(move |seen| {
            let (visit, attempt) = visit_of_rrn(seen.rrn)?;
            if seen.mti != 200 || seen.sighting != 1 {
                return None;
            }
            if let Some(kill) = kills.iter().find(|kill| attempt == 1 && kill.visits.contains(&visit)) {
                lock(&kill.held).insert(visit);
                kill.news.notify_one();
                // Carried out, and answered to nobody: the switch is killed, or its deadline passes.
                return Some(bank::Fault::Silent);
            }
            match trouble_at(&kills, visit_named(&plan, visit)?, attempt)? {
                Trouble::BankSlow => Some(bank::Fault::Late(SLOW_MS)),
                Trouble::BankSilent => Some(bank::Fault::Silent),
                Trouble::BankAway => Some(bank::Fault::Away(AWAY_MS)),
                Trouble::BankAnswersLate => Some(bank::Fault::Late(late_ms)),
                _ => None,
            }
        })
    }

    fn registry_rule(&self) -> registry::FaultRule {
        let (plan, kills) = (self.plan.clone(), self.kills.clone());
        let late_ms = self.waits.registry_ms_max + LATE_MS;
        Box::new(move |request| {
            let (visit, attempt) = visit_of_rrn(&request.rrn)?;
            match trouble_at(&kills, visit_named(&plan, visit)?, attempt)? {
                Trouble::RegistrySlow => Some(registry::Fault::Slow(late_ms)),
                Trouble::RegistryAway => Some(registry::Fault::Gone),
                _ => None,
            }
        })
    }
}

/// Chooses the uses that are in flight at a kill: the named one and its neighbours without trouble, each at another
/// machine and by another citizen, all within days that can be open at once. Kills follow each other: whoever waits for
/// one never stands before somebody who waits for an earlier one.
fn gather(plan: &Plan, number: u32, taken: &BTreeSet<u32>) -> Result<Kill, RunError> {
    let refuse = |reason: &str| RunError::Kill { number, reason: reason.to_owned() };
    let named = plan.visits.iter().find(|visit| visit.use_number == Some(number));
    let named = named.ok_or_else(|| refuse("there is no such use; uses are 1 to 762"))?;
    let first_free = taken.last().map_or(0, |last| last + 1);
    if named.id < first_free {
        return Err(refuse("stands too near to another kill; leave 20 uses between them"));
    }
    let mut chosen = vec![named];
    let (before, after): (Vec<&Visit>, Vec<&Visit>) = plan
        .visits
        .iter()
        .filter(|visit| visit.use_number.is_some() && visit.trouble.is_none() && visit.id != named.id)
        .partition(|visit| visit.id < named.id);
    for visit in after.into_iter().chain(before.into_iter().rev()) {
        let days = chosen.iter().map(|it| it.day).chain([visit.day]);
        let (first, last) = (days.clone().min().unwrap_or(0), days.max().unwrap_or(0));
        let is_apart = chosen.iter().all(|it| it.terminal != visit.terminal && it.citizen != visit.citizen);
        if visit.id >= first_free && last - first < DAYS_OPEN_MAX && is_apart && chosen.len() < KILL_USES {
            chosen.push(visit);
        }
    }
    if chosen.len() < KILL_USES_MIN {
        return Err(refuse("fewer than eight uses can be in flight with it; leave 20 uses between kills"));
    }
    Ok(Kill {
        number,
        visits: chosen.iter().map(|visit| visit.id).collect(),
        start: Barrier::new(chosen.len()),
        held: Mutex::default(),
        news: Notify::new(),
    })
}

/// What goes wrong at an attempt: a visit's trouble strikes the first, or the one behind a kill.
fn trouble_at(kills: &[Arc<Kill>], visit: &Visit, attempt: u32) -> Option<Trouble> {
    let is_killed = kills.iter().any(|kill| kill.visits.contains(&visit.id));
    visit.trouble.filter(|_| attempt == if is_killed { 2 } else { 1 })
}

fn visit_named(plan: &Plan, id: u32) -> Option<&Visit> {
    plan.visits.get(usize::try_from(id).ok()?.checked_sub(1)?)
}

/// A pilot under way.
pub(super) struct Run {
    plan: Arc<Plan>,
    stage: Stage,
    country: Arc<Country>,
    fleet: Fleet,
    switch: AsyncMutex<Switch>,
    /// Everybody is at one machine at a time.
    citizens: Vec<AsyncMutex<()>>,
    /// A bank that goes away does so with nobody else's request in flight there.
    banks: Vec<RwLock<()>>,
    /// No bank goes away while a kill gathers its uses.
    calm: Arc<AsyncMutex<()>>,
    /// Held by the kill that is under way.
    killing: AsyncMutex<Option<OwnedMutexGuard<()>>>,
    /// Days that are open: those below.
    open: watch::Sender<usize>,
    /// Visits of each day that are not over.
    left: Vec<AtomicUsize>,
    over: Notify,
    seen: Mutex<Seen>,
    /// Told after each visit: id, and whether it was a use.
    progress: Box<dyn Fn(&Visit) + Send + Sync>,
}

impl Run {
    /// A run of a stage whose switch is running and whose terminals are connecting.
    pub(super) fn new(
        stage: Stage,
        country: Arc<Country>,
        fleet: Fleet,
        switch: Switch,
        progress: Box<dyn Fn(&Visit) + Send + Sync>,
    ) -> Run {
        let plan = stage.plan.clone();
        let count = |day: usize| plan.visits.iter().filter(|visit| visit.day == day).count();
        Run {
            left: (0..plan.days.len()).map(|day| AtomicUsize::new(count(day))).collect(),
            citizens: plan.citizens.iter().map(|_| AsyncMutex::default()).collect(),
            banks: BANKS.iter().map(|_| RwLock::default()).collect(),
            calm: Arc::default(),
            killing: AsyncMutex::default(),
            open: watch::Sender::new(0),
            over: Notify::new(),
            seen: Mutex::default(),
            plan,
            stage,
            country,
            fleet,
            switch: AsyncMutex::new(switch),
            progress,
        }
    }

    /// Plays the whole plan and settles everything.
    ///
    /// # Errors
    /// [`RunError`].
    pub(super) async fn play(self: Arc<Run>) -> Result<(Seen, Switch, Fleet), RunError> {
        self.wait_for_banks(BANKS.map(|bank| bank.institution).as_slice()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(open_days(self.clone()));
        for kill in self.stage.kills.clone() {
            tasks.spawn(kill_once(self.clone(), kill));
        }
        for terminal in 0..self.plan.terminals.len() {
            tasks.spawn(serve(self.clone(), terminal));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| RunError::Broken(error.to_string()))??;
        }
        drop(tasks);
        self.settle().await?;
        let run = Arc::into_inner(self)
            .ok_or_else(|| RunError::Broken("a part of the pilot runs on".to_owned()))?;
        let seen = run.seen.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok((seen, run.switch.into_inner(), run.fleet))
    }

    /// Every advice is answered and every reversal acknowledged.
    async fn settle(&self) -> Result<(), RunError> {
        let limit = Duration::from_secs(SETTLE_S_MAX);
        match timeout(limit, self.fleet.settled()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(RunError::Broken(error.to_string())),
            Err(_) => return Err(RunError::Unsettled("terminals still owe advices".to_owned())),
        }
        let until = Instant::now() + limit;
        loop {
            let status = self.switch.lock().await.status().await?;
            if status.reversals_open == 0 && status.requests_in_flight == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(RunError::Unsettled(format!("{status:?}")));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn wait_for_banks(&self, wanted: &[&str]) -> Result<(), RunError> {
        let until = Instant::now() + Duration::from_millis(BANK_BACK_MS_MAX);
        loop {
            let status = self.switch.lock().await.status().await?;
            if wanted.iter().all(|bank| status.banks_ready.iter().any(|ready| ready == bank)) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(RunError::Broken(format!("banks {wanted:?} are not back: {status:?}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// One visit, tried again until it has worked or cannot.
    async fn visit(&self, visit: &Visit) -> Result<(), RunError> {
        let kill = self.stage.kills.iter().find(|kill| kill.visits.contains(&visit.id));
        if let Some(kill) = kill {
            kill.start.wait().await;
        }
        let _citizen = self.citizens[visit.citizen].lock().await;
        if let Some(kill) = kill {
            // Everybody is here and owns their citizen, so nothing that still runs needs any of them.
            kill.start.wait().await;
            if visit.use_number == Some(kill.number) {
                *self.killing.lock().await = Some(self.calm.clone().lock_owned().await);
            }
            kill.start.wait().await;
        }
        let citizen = &self.plan.citizens[visit.citizen];
        let bank = citizen.accounts[visit.account].bank;
        let terminal = &self.plan.terminals[visit.terminal].id;
        for attempt in 1..=ATTEMPTS_MAX {
            let order = self.order(visit, attempt);
            let mut begun = Instant::now();
            let trouble = trouble_at(&self.stage.kills, visit, attempt);
            let finished = if trouble == Some(Trouble::BankAway) {
                let _calm = self.calm.lock().await;
                let _alone = self.banks[bank].write().await;
                let finished = self.fleet.perform(terminal, order).await;
                sleep(Duration::from_millis(AWAY_MS)).await;
                self.wait_for_banks(&[BANKS[bank].institution]).await?;
                finished
            } else {
                let _beside = self.banks[bank].read().await;
                begun = Instant::now();
                self.fleet.perform(terminal, order).await
            };
            let finished = finished.map_err(|error| RunError::Broken(error.to_string()))?;
            let took_us = begun.elapsed().as_micros() as u64;
            self.note(visit, attempt, &finished, took_us);
            if is_over(visit, citizen.card, &finished) {
                (self.progress)(visit);
                return Ok(());
            }
            if !finished.is_passing() {
                return Err(RunError::Visit { visit: visit.id, reason: format!("{finished:?}") });
            }
        }
        Err(RunError::Visit { visit: visit.id, reason: format!("not done after {ATTEMPTS_MAX} attempts") })
    }

    fn order(&self, visit: &Visit, attempt: u32) -> Order {
        let citizen = &self.plan.citizens[visit.citizen];
        let account = &citizen.accounts[visit.account];
        let number = self.country.citizen(citizen.index).number;
        let pan = credential::Pan::new(IIN, &number);
        let trouble = trouble_at(&self.stage.kills, visit, attempt);
        let (what, notes) = match &visit.purpose {
            Purpose::Withdrawal(notes) => (What::Withdrawal, Some(*notes)),
            Purpose::Deposit(notes) => (What::Deposit, Some(*notes)),
            Purpose::Balance => (What::Balance, None),
            Purpose::MiniStatement => (What::MiniStatement, None),
            Purpose::Transfer { to_account, .. } => (What::Transfer { to_account: to_account.clone() }, None),
        };
        let asked = match trouble {
            Some(Trouble::DispensePart { asked }) => Some(asked),
            _ => notes,
        };
        let amount_vnd = match (&visit.purpose, asked) {
            (Purpose::Transfer { amount_vnd, .. }, _) => *amount_vnd,
            (_, Some(notes)) => notes.amount_vnd(),
            (_, None) => 0,
        };
        Order {
            id: u64::from(visit.id),
            what,
            amount_vnd,
            notes: asked,
            card: Card { pan, chip: Arc::new(self.country.chip(citizen.index)) },
            steps: visit.steps,
            bank: visit.names_bank.then(|| BANKS[account.bank].institution.into()),
            from_account: None,
            rrn_front: Some(rrn_front(visit.id, attempt)),
            pin: Some(Pins::new(self.plan.seed).of(pan.digits())),
            fault: trouble.and_then(|trouble| trouble.terminal_fault(notes.as_ref().unwrap_or(&CASSETTES))),
        }
    }

    fn note(&self, visit: &Visit, attempt: u32, finished: &Finished, took_us: u64) {
        let code = finished
            .code
            .map_or_else(|| "no answer".to_owned(), |code| String::from_utf8_lossy(&code).into());
        let mut seen = lock(&self.seen);
        *seen.endings.entry(format!("{:?} ({code})", finished.outcome)).or_default() += 1;
        seen.again += u64::from(attempt > 1);
        if visit.trouble.is_none() && attempt == 1 {
            seen.visit_us.push(took_us);
        }
    }

    fn day_over(&self, day: usize) {
        self.left[day].fetch_sub(1, Ordering::AcqRel);
        self.over.notify_one();
    }
}

/// A bad card is refused for good; everybody else is served.
fn is_over(visit: &Visit, card: CardState, finished: &Finished) -> bool {
    match card {
        CardState::Valid => match finished.outcome {
            Outcome::Whole => true,
            Outcome::Part => matches!(visit.trouble, Some(Trouble::DispensePart { .. })),
            Outcome::Nothing
            | Outcome::Declined
            | Outcome::NoAnswer
            | Outcome::NotTried(_)
            | Outcome::Dead => false,
        },
        CardState::Revoked | CardState::Lost => {
            finished.outcome == Outcome::Declined && finished.code == Some(*b"41")
        }
    }
}

/// Opens one business day after the other, a few at once.
async fn open_days(run: Arc<Run>) -> Result<(), RunError> {
    for day in 0..run.plan.days.len() {
        while day >= DAYS_OPEN_MAX
            && run.left[..=day - DAYS_OPEN_MAX].iter().any(|left| left.load(Ordering::Acquire) > 0)
        {
            run.over.notified().await;
        }
        if day > 0 {
            // A kill may take the switch away under the command, or its answer: the day may be open already.
            let date = run.plan.days[day].to_string();
            for attempt in 1.. {
                let told = run.switch.lock().await.command(&["cutover", date.as_str()]).await;
                match told {
                    Ok(_) => break,
                    Err(SwitchError::Command { reason, .. })
                        if reason.contains("not later than") && attempt > 1 =>
                    {
                        break;
                    }
                    Err(_) if attempt < 5 && !run.stage.kills.is_empty() => {
                        sleep(Duration::from_millis(200)).await
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        run.open.send_replace(day + 1);
    }
    Ok(())
}

/// One machine: a service team before each day, then the day's visits one by one.
async fn serve(run: Arc<Run>, terminal: usize) -> Result<(), RunError> {
    let plan = run.plan.clone();
    let mut open = run.open.subscribe();
    let handle = run.fleet.get(&plan.terminals[terminal].id).cloned();
    let handle =
        handle.ok_or_else(|| RunError::Broken("a terminal of the plan is not in the fleet".to_owned()))?;
    let mut day_before = None;
    for visit in plan.visits.iter().filter(|visit| visit.terminal == terminal) {
        let opened = open.wait_for(|open| *open > visit.day).await;
        drop(opened.map_err(|error| RunError::Broken(error.to_string()))?);
        if day_before.replace(visit.day) != Some(visit.day) {
            handle.service(CASSETTES).await.map_err(|error| RunError::Broken(error.to_string()))?;
        }
        run.visit(visit).await?;
        run.day_over(visit.day);
    }
    Ok(())
}

/// Waits until the named use and enough others stand between INTENT and OUTCOME, kills the switch, starts it again.
async fn kill_once(run: Arc<Run>, kill: Arc<Kill>) -> Result<(), RunError> {
    let named =
        run.plan.visits.iter().find(|visit| visit.use_number == Some(kill.number)).map(|visit| visit.id);
    let named = named.unwrap_or_default();
    loop {
        kill.news.notified().await;
        if lock(&kill.held).contains(&named) {
            break;
        }
    }
    let until =
        Instant::now() + Duration::from_millis(run.stage.waits.issuer_response_ms_max - KILL_MARGIN_MS);
    while lock(&kill.held).len() < kill.visits.len() && Instant::now() < until {
        let _ = timeout(Duration::from_millis(20), kill.news.notified()).await;
    }
    let in_flight = lock(&kill.held).len();
    if in_flight < KILL_USES_MIN {
        let reason = format!("{in_flight} uses in flight when it came");
        return Err(RunError::Kill { number: kill.number, reason });
    }
    let mut switch = run.switch.lock().await;
    switch.kill().await?;
    switch.start().await?;
    drop(switch);
    *run.killing.lock().await = None;
    lock(&run.seen).kills.push((kill.number, in_flight));
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
