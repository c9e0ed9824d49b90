//! The turn of exports: one at a time, each followed by a rest, so that what they cost a switch on the same machine has a bound, however fast they are
//! asked for.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use mutant::Mutant;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use crate::app::{Console, Visitor};
use crate::idle;
use crate::pages::failed;
use crate::pages::problem::{self, Problem};

/// After each export no other begins for so many times as long as it took: all of them together have a tenth of one processor.
const REST_TIMES: u32 = 9;

/// The shortest rest. An export is an act that is synced to the disk which the log writes to: so many a second, and no more.
const REST_MIN: Duration = Duration::from_millis(200);

/// The longest rest: of an export that takes longer than a second.
const REST_MAX: Duration = Duration::from_secs(10);

/// How long an export waits for its turn; then its person is asked to come again.
const EXPORT_TURN_MAX: Duration = Duration::from_secs(30);

/// Whose turn it is. Who waits longest is next.
pub(crate) struct Exports {
    /// When the last one's rest is over.
    free_at: Arc<Mutex<Instant>>,
}

impl Exports {
    pub(crate) fn new() -> Exports {
        Exports { free_at: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Does the work at its turn; nothing where the turn does not come in time. Work that has begun goes on, and has its rest, also when nobody waits for
    /// it any more.
    pub(crate) async fn at_turn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let mut free_at = tokio::time::timeout(EXPORT_TURN_MAX, self.turn()).await.ok()?;
        let working = tokio::spawn(async move {
            let began = Instant::now();
            let done = work.await;
            let rest = (began.elapsed() * REST_TIMES).clamp(REST_MIN, REST_MAX);
            if !mutant::is(Mutant::ExportsWithoutRest) {
                *free_at = Instant::now() + rest;
            }
            done
        });
        working.await.ok()
    }

    /// Waits for the turn, which ends where this is dropped.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<Instant> {
        let free_at = Arc::clone(&self.free_at).lock_owned().await;
        tokio::time::sleep_until(*free_at).await;
        free_at
    }
}

/// Lets an export through at its turn.
pub(crate) async fn one_at_a_time(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    request: Request,
    next: Next,
) -> Response {
    let runtime = Handle::current();
    let exporting = idle::run(move || runtime.block_on(next.run(request)));
    match console.exports.at_turn(exporting).await {
        Some(Ok(response)) => response,
        Some(Err(error)) => failed(&visitor, error).into_response(),
        None => problem::page(&visitor.guest, Some(&visitor), Problem::ExportsBusy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many exports ends that are asked for together and take so long each, in milliseconds; `None` where its turn did not come.
    async fn ends(exports: usize, each: Duration) -> Vec<Option<u64>> {
        let turns = Arc::new(Exports::new());
        let began = Instant::now();
        let one = |_| {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move {
                let done = turns.at_turn(async move { tokio::time::sleep(each).await }).await;
                done.map(|()| began.elapsed().as_millis() as u64)
            })
        };
        let mut ends = Vec::new();
        for asked in (0..exports).map(one).collect::<Vec<_>>() {
            ends.push(asked.await.unwrap_or(None));
        }
        ends
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_waits_for_the_one_before_it_and_for_its_rest() {
        let small = ends(4, Duration::from_millis(3)).await;
        assert_eq!(small, [Some(3), Some(206), Some(409), Some(612)], "the shortest rest");
        let middle = ends(3, Duration::from_millis(500)).await;
        assert_eq!(middle, [Some(500), Some(5_500), Some(10_500)], "nine times as long");
        let large = ends(4, Duration::from_secs(4)).await;
        assert_eq!(
            large,
            [Some(4_000), Some(18_000), Some(32_000), None],
            "the longest rest, and who waits too long"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_that_nobody_waits_for_any_more_has_its_rest_too() {
        let turns = Exports::new();
        let gone = tokio::time::timeout(
            Duration::from_millis(1),
            turns.at_turn(tokio::time::sleep(Duration::from_millis(500))),
        );
        assert!(gone.await.is_err());
        let began = Instant::now();
        assert!(turns.at_turn(async {}).await.is_some());
        assert_eq!(began.elapsed().as_millis(), 4_999);
    }
}
