//! Opens the next business day by itself, at the calendar's time of day, and records which members have acknowledged it.

use std::time::Duration;

use casework::{ActFile, Deed};
use processor::{Command, Day, Institution};
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

/// Acknowledgements that wait to be recorded; one more is told in the program's own log alone.
const ACKNOWLEDGEMENTS_MAX: usize = 1_000;

/// Where the event loop leaves what members have acknowledged; it never waits.
#[derive(Default)]
pub(crate) struct Acknowledgements(Option<mpsc::Sender<(Institution, Day)>>);

impl Acknowledgements {
    /// And the end that is recorded from.
    pub(crate) fn new() -> (Acknowledgements, mpsc::Receiver<(Institution, Day)>) {
        let (queue, noted) = mpsc::channel(ACKNOWLEDGEMENTS_MAX);
        (Acknowledgements(Some(queue)), noted)
    }

    pub(crate) fn note(&self, bank: Institution, day: Day) {
        if let Some(queue) = &self.0
            && queue.try_send((bank, day)).is_err()
        {
            tracing::warn!(%bank, %day, "the acknowledgement of a cutover could not be recorded");
        }
    }
}

/// Records each acknowledgement as an act, until the event loop ends.
pub(crate) async fn record(acts: ActFile, mut noted: mpsc::Receiver<(Institution, Day)>) {
    while let Some((bank, day)) = noted.recv().await {
        let acts = acts.clone();
        let act = move || {
            acts.act(now_ms(), &format!("bank {bank}"), "link", Deed::Acknowledge { bank, day }).map(|_| ())
        };
        match tokio::task::spawn_blocking(act).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%bank, %day, %error, "the acknowledgement of a cutover could not be recorded")
            }
            Err(_) => return,
        }
    }
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
    async fn what_a_member_has_acknowledged_is_recorded() {
        use keys::{DataKeys, Key};
        let dir = tempfile::tempdir().unwrap();
        let keys = DataKeys::new(&Key::new([1; 32]), &Key::new([2; 32]), &Key::new([3; 32]));
        let acts = ActFile::new(dir.path(), keys);
        let (bank, day) = ("970418".parse().unwrap(), "2026-05-04".parse().unwrap());
        let (acknowledgements, noted) = Acknowledgements::new();
        acknowledgements.note(bank, day);
        Acknowledgements::default().note(bank, day);
        drop(acknowledgements);
        record(acts.clone(), noted).await;
        let (casework, told) = acts.read().unwrap();
        assert_eq!(casework.acknowledged().keys().copied().collect::<Vec<_>>(), [(day, bank)]);
        assert_eq!((told[0].who.as_str(), told[0].from.as_str()), ("bank 970418", "link"));
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
