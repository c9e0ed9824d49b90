//! Opens the next business day by itself, at the calendar's time of day.

use std::time::Duration;

use processor::{Command, Day};
use reconciliation::calendar::{BadCalendar, Calendar};
use tokio::sync::{mpsc, oneshot};

use crate::bus::Inbound;
use crate::desk::now_ms;

/// The calendar is asked so often: a day is opened so late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asks for a cutover once for each day that should be open, until the event loop ends. A start asks for the day that should be open then; where it is open already the event
/// loop refuses, which is said and does no harm. What an operator has opened further ahead stays.
pub(crate) async fn keep(calendar: Calendar, loop_queue: mpsc::Sender<Inbound>) {
    if calendar.cutover_minute.is_none() {
        return;
    }
    let mut asked = None;
    loop {
        match due(&calendar, asked, now_ms()) {
            Err(error) => return tracing::error!(%error, "no business day is opened by itself"),
            Ok(None) => {}
            Ok(Some(day)) => {
                asked = Some(day);
                let (answer, done) = oneshot::channel();
                if loop_queue.send(Inbound::Operator(Command::Cutover(day), answer)).await.is_err() {
                    return;
                }
                match done.await {
                    Ok(Ok(_)) => tracing::info!(%day, "cutover: the business day is open"),
                    Ok(Err(refusal)) => tracing::info!(%day, refusal, "cutover"),
                    Err(_) => return,
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The day to be opened now, if it was not asked for before.
fn due(calendar: &Calendar, asked: Option<Day>, now_ms: i64) -> Result<Option<Day>, BadCalendar> {
    Ok(calendar.due_at(now_ms)?.filter(|day| asked.is_none_or(|asked| *day > asked)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn calendar() -> Calendar {
        Calendar { utc_offset_minutes: 420, cutover_minute: Some(23 * 60), ..Calendar::default() }
    }

    #[test]
    fn a_day_is_asked_for_once_and_never_an_earlier_one() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let at_ms = day("2026-05-03").begins_ms() + 16 * 3_600_000;
        for (asked, now_ms, expected) in [
            (None, at_ms - 1, Some("2026-05-03")),
            (Some("2026-05-03"), at_ms - 1, None),
            (Some("2026-05-03"), at_ms, Some("2026-05-04")),
            (Some("2026-05-04"), at_ms + 1, None),
            // The clock was put back.
            (Some("2026-05-04"), at_ms - 1, None),
        ] {
            let found = due(&calendar(), asked.map(day), now_ms).unwrap();
            assert_eq!(found, expected.map(day), "{asked:?} at {now_ms}");
        }
    }

    #[tokio::test]
    async fn the_event_loop_is_asked_and_its_end_ends_it() {
        let (queue, mut end) = mpsc::channel(1);
        let keeping = tokio::spawn(keep(calendar(), queue));
        let Some(Inbound::Operator(Command::Cutover(day), answer)) = end.recv().await else {
            panic!("a cutover")
        };
        assert_eq!(Some(day), calendar().due_at(now_ms()).unwrap());
        drop(answer);
        keeping.await.unwrap();
    }
}
