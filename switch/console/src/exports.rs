//! The turn of exports: one at a time, each followed by a rest, so that what they cost a switch on the same machine has a bound, however fast they are
//! asked for.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mutant::Mutant;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::app::{Console, Visitor};
use crate::idle;
use crate::pages::failed;
use crate::pages::problem::{self, Problem};

/// After each export no other begins for so many times as long as it took: all of them together have a tenth of one processor.
const REST_TIMES: u32 = 9;

/// The shortest rest, and that of a request that was refused. An export is an act that is synced to the disk which the log writes to: so many a
/// second, and no more.
const REST_MIN: Duration = Duration::from_millis(200);

/// The longest rest: of an export that takes longer than a second.
const REST_MAX: Duration = Duration::from_secs(10);

/// How long an export waits for its turn; then its person is asked to come again.
const EXPORT_TURN_MAX: Duration = Duration::from_secs(30);

/// Whose turn it is. One export of a person waits at a time, and stands behind those of others where the last one was the same person's.
#[derive(Clone)]
pub(crate) struct Exports(Arc<Queue>);

struct Queue {
    line: Mutex<Line>,
    /// Somebody has come, gone or ended.
    changed: Notify,
}

struct Line {
    is_working: bool,
    /// When the last one's rest is over.
    free_at: Instant,
    /// Whose the last one was.
    last: String,
    /// Who waits, by the order in which they came.
    waiting: BTreeMap<String, u64>,
    /// So many have come.
    came: u64,
}

/// Why an export has no turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoTurn {
    /// Another one of the same person waits.
    Waits,
    /// It did not come within [`EXPORT_TURN_MAX`].
    Late,
    /// The work has panicked.
    Panicked,
}

impl Line {
    /// From when on it is this person's turn; none while an export is at work, or another person goes first.
    fn begins(&self, person: &str) -> Option<Instant> {
        let first = self.waiting.iter().min_by_key(|(name, came)| (**name == self.last, **came));
        let is_first = first.is_some_and(|(name, _)| name == person);
        (is_first && !self.is_working).then_some(self.free_at)
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().expect("nobody panics while exports wait")
    }
}

impl Exports {
    pub(crate) fn new() -> Exports {
        let line = Line {
            is_working: false,
            free_at: Instant::now(),
            last: String::new(),
            waiting: BTreeMap::new(),
            came: 0,
        };
        Exports(Arc::new(Queue { line: Mutex::new(line), changed: Notify::new() }))
    }

    /// Does the work at its person's turn. Work that has begun goes on, and has its rest, also when nobody waits for it any more: the shortest one where
    /// by `has_worked` what came of it is a refusal.
    ///
    /// # Errors
    /// [`NoTurn`].
    pub(crate) async fn at_turn<T: Send + 'static>(
        &self,
        person: &str,
        work: impl Future<Output = T> + Send + 'static,
        has_worked: impl FnOnce(&T) -> bool + Send + 'static,
    ) -> Result<T, NoTurn> {
        let mut turn = timeout(EXPORT_TURN_MAX, self.turn(person)).await.map_err(|_| NoTurn::Late)??;
        let working = tokio::spawn(async move {
            let began = Instant::now();
            let done = work.await;
            if has_worked(&done) {
                turn.rest = (began.elapsed() * REST_TIMES).clamp(REST_MIN, REST_MAX);
            }
            drop(turn);
            done
        });
        working.await.map_err(|_| NoTurn::Panicked)
    }

    /// Waits for the turn, which ends where this is dropped.
    ///
    /// # Errors
    /// [`NoTurn::Waits`].
    pub(crate) async fn turn(&self, person: &str) -> Result<Turn, NoTurn> {
        let waiting = Waiting::begin(self, person)?;
        loop {
            let mut changed = pin!(self.0.changed.notified());
            // What changes from here on wakes it.
            changed.as_mut().enable();
            match waiting.try_turn() {
                Ok(turn) => return Ok(turn),
                // Whichever comes first: its own moment, or somebody who goes before it.
                Err(Some(at)) => timeout_at(at, changed).await.unwrap_or_default(),
                Err(None) => changed.await,
            }
        }
    }
}

/// Somebody who waits, for as long as this lives.
struct Waiting<'a> {
    exports: &'a Exports,
    person: &'a str,
}

impl<'a> Waiting<'a> {
    fn begin(exports: &'a Exports, person: &'a str) -> Result<Waiting<'a>, NoTurn> {
        let mut line = exports.0.lock();
        if line.waiting.contains_key(person) {
            return Err(NoTurn::Waits);
        }
        line.came += 1;
        let came = line.came;
        line.waiting.insert(person.to_owned(), came);
        drop(line);
        exports.0.changed.notify_waiters();
        Ok(Waiting { exports, person })
    }

    /// The turn, or from when on it is this person's as things are now.
    fn try_turn(&self) -> Result<Turn, Option<Instant>> {
        let mut line = self.exports.0.lock();
        let begins = line.begins(self.person);
        if begins.is_none_or(|at| at > Instant::now()) {
            return Err(begins);
        }
        line.is_working = true;
        self.person.clone_into(&mut line.last);
        Ok(Turn { exports: self.exports.clone(), rest: REST_MIN })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.exports.0.lock().waiting.remove(self.person);
        self.exports.0.changed.notify_waiters();
    }
}

/// The turn, and the rest behind it.
pub(crate) struct Turn {
    exports: Exports,
    rest: Duration,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.exports.0.lock();
        line.is_working = false;
        if !mutant::is(Mutant::ExportsWithoutRest) {
            line.free_at = Instant::now() + self.rest;
        }
        drop(line);
        self.exports.0.changed.notify_waiters();
    }
}

/// Lets an export through at its turn.
pub(crate) async fn one_at_a_time(
    State(console): State<Arc<Console>>,
    mut visitor: Visitor,
    mut request: Request,
    next: Next,
) -> Response {
    let runtime = Handle::current();
    visitor.is_exporting = true;
    request.extensions_mut().insert(visitor.clone());
    let exporting = idle::run(move || runtime.block_on(next.run(request)));
    // What is too long was looked through before it was refused.
    let is_refused = |status: StatusCode| status.is_client_error() && status != StatusCode::PAYLOAD_TOO_LARGE;
    let has_worked =
        move |done: &std::io::Result<Response>| !done.as_ref().is_ok_and(|it| is_refused(it.status()));
    let refused = |problem| problem::page(&visitor.guest, Some(&visitor), problem);
    match console.exports.at_turn(&visitor.person.name, exporting, has_worked).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => failed(&visitor, error).into_response(),
        Err(NoTurn::Waits) => refused(Problem::ExportWaits),
        Err(NoTurn::Late) => refused(Problem::ExportsBusy),
        Err(NoTurn::Panicked) => failed(&visitor, "an export of the console has panicked").into_response(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// When each person's export ends, all asked for in this order at the same moment, in milliseconds; or why it has no turn. The work takes so long,
    /// and has come to something or was refused.
    async fn ends(asked: &[&'static str], each: Duration, has_worked: bool) -> Vec<Result<u64, NoTurn>> {
        let turns = Exports::new();
        let began = Instant::now();
        let one = |person: &&'static str| {
            let (turns, person) = (turns.clone(), *person);
            tokio::spawn(async move {
                let work = async move { tokio::time::sleep(each).await };
                let done = turns.at_turn(person, work, move |()| has_worked).await;
                done.map(|()| began.elapsed().as_millis() as u64)
            })
        };
        let mut ends = Vec::new();
        for asked in asked.iter().map(one).collect::<Vec<_>>() {
            ends.push(asked.await.unwrap());
        }
        ends
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_waits_for_the_one_before_it_and_for_its_rest() {
        let people = ["a", "b", "c", "d"];
        let small = ends(&people, Duration::from_millis(3), true).await;
        assert_eq!(small, [Ok(3), Ok(206), Ok(409), Ok(612)], "the shortest rest");
        let middle = ends(&people[..3], Duration::from_millis(500), true).await;
        assert_eq!(middle, [Ok(500), Ok(5_500), Ok(10_500)], "nine times as long");
        let large = ends(&people, Duration::from_secs(4), true).await;
        assert_eq!(
            large,
            [Ok(4_000), Ok(18_000), Ok(32_000), Err(NoTurn::Late)],
            "the longest rest, and who waits too long"
        );
    }

    /// Three slips of one person held everybody up as long as three large lists.
    #[tokio::test(start_paused = true)]
    async fn an_export_that_is_refused_has_the_shortest_rest() {
        let refused = ends(&["a", "b"], Duration::from_millis(500), false).await;
        assert_eq!(refused, [Ok(500), Ok(1_200)]);
    }

    /// One person's exports, one behind the other, kept everybody else from theirs.
    #[tokio::test(start_paused = true)]
    async fn one_export_of_a_person_waits_and_stands_behind_those_of_others() {
        let ends = ends(&["a", "a", "a", "b"], Duration::from_millis(100), true).await;
        assert_eq!(ends, [Ok(100), Ok(2_100), Err(NoTurn::Waits), Ok(1_100)]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_the_turn_to_the_next() {
        let turns = Exports::new();
        let turn = turns.turn("a").await.unwrap();
        let gone = timeout(Duration::from_millis(1), turns.turn("b"));
        assert!(gone.await.is_err());
        drop(turn);
        assert!(turns.at_turn("b", async {}, |()| true).await.is_ok(), "none of b waits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_that_nobody_waits_for_any_more_has_its_rest_too() {
        let turns = Exports::new();
        let work = tokio::time::sleep(Duration::from_millis(500));
        let gone = timeout(Duration::from_millis(1), turns.at_turn("a", work, |()| true));
        assert!(gone.await.is_err());
        let began = Instant::now();
        assert!(turns.at_turn("a", async {}, |()| true).await.is_ok());
        assert_eq!(began.elapsed().as_millis(), 4_999);
    }
}
