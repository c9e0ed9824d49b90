//! Opens the next business day by itself, at the calendar's time of day, and records which members have acknowledged it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use casework::{ActFile, Deed};
use processor::{Command, Day, Institution};
use reconciliation::calendar::{BadCalendar, Calendar};
use tokio::sync::{mpsc, oneshot};

use crate::bus::Inbound;
use crate::desk::now_ms;

/// The calendar is asked so often: a day is opened so late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A cutover that was refused is asked for again so often: an operator may have come nearer to the day meanwhile.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// The business day that should be open and could not be opened: for status and metrics, which compare it with the open one.
#[derive(Default)]
pub(crate) struct Overdue(Mutex<Option<Day>>);

impl Overdue {
    /// The day that should be open, where it is later than this one, which is.
    pub(crate) fn behind(&self, open: Day) -> Option<Day> {
        self.0.lock().expect("nobody panics with it").filter(|due| *due > open)
    }

    /// Whether it is another than before.
    fn set(&self, due: Option<Day>) -> bool {
        std::mem::replace(&mut *self.0.lock().expect("nobody panics with it"), due) != due
    }
}

/// Opens each day that should be open, until the event loop ends; what is open already is left as it is, and what an operator has opened further ahead
/// stays. A cutover that is refused is an error that is told, and an alarm for as long as it lasts.
pub(crate) async fn keep(calendar: Calendar, loop_queue: mpsc::Sender<Inbound>, overdue: Arc<Overdue>) {
    keep_asking(calendar, loop_queue, overdue, ASK_AGAIN_EVERY).await
}

async fn keep_asking(
    calendar: Calendar,
    loop_queue: mpsc::Sender<Inbound>,
    overdue: Arc<Overdue>,
    ask_again_every: Duration,
) {
    if calendar.cutover_minute.is_none() {
        return;
    }
    let mut open = None;
    loop {
        let wait = match due(&calendar, open, now_ms()) {
            Err(error) => return tracing::error!(%error, "no business day is opened by itself"),
            Ok(None) => LOOK_EVERY,
            Ok(Some(day)) => match cut_over_to(day, &loop_queue).await {
                None => return,
                Some(Ok(opened)) => {
                    open = Some(opened);
                    overdue.set(None);
                    LOOK_EVERY
                }
                Some(Err(refusal)) => {
                    if overdue.set(Some(day)) {
                        tracing::error!(%day, refusal, "the business day that is due is not opened by itself: open it by `cutover`");
                    }
                    ask_again_every
                }
            },
        };
        tokio::time::sleep(wait).await;
    }
}

/// Opens a day where an earlier one is open, and gives the day that is open then; none where the event loop has ended.
async fn cut_over_to(day: Day, loop_queue: &mpsc::Sender<Inbound>) -> Option<Result<Day, String>> {
    let (answer, asked) = oneshot::channel();
    loop_queue.send(Inbound::Status(answer)).await.ok()?;
    let status = asked.await.ok()?;
    let open = status["business_day"].as_str().and_then(|open| open.parse::<Day>().ok());
    if let Some(open) = open.filter(|open| *open >= day) {
        return Some(Ok(open));
    }
    let (answer, done) = oneshot::channel();
    loop_queue.send(Inbound::Operator(Command::Cutover(day), answer)).await.ok()?;
    Some(match done.await.ok()? {
        Ok(_) => {
            tracing::info!(%day, "cutover: the business day is open");
            Ok(day)
        }
        Err(refusal) => Err(refusal),
    })
}

/// The day to be opened now, where it is later than the one that is known to be open.
fn due(calendar: &Calendar, open: Option<Day>, now_ms: i64) -> Result<Option<Day>, BadCalendar> {
    Ok(calendar.due_at(now_ms)?.filter(|day| open.is_none_or(|open| *day > open)))
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

    /// The event loop's end: it says which day is open, and is asked for another or not.
    async fn open_is(end: &mut mpsc::Receiver<Inbound>, open: &str) {
        let Some(Inbound::Status(answer)) = end.recv().await else { panic!("a question for the status") };
        answer.send(serde_json::json!({ "business_day": open })).unwrap();
    }

    #[tokio::test]
    async fn the_event_loop_is_asked_and_its_end_ends_it() {
        let (queue, mut end) = mpsc::channel(1);
        let keeping = tokio::spawn(keep(calendar(), queue, Arc::default()));
        open_is(&mut end, "2026-05-03").await;
        let Some(Inbound::Operator(Command::Cutover(day), answer)) = end.recv().await else {
            panic!("a cutover")
        };
        assert_eq!(Some(day), calendar().due_at(now_ms()).unwrap());
        drop(answer);
        keeping.await.unwrap();
    }

    /// Behind a long rest the day stayed what it was, for ever, with one line for information: no alarm, and no further try.
    #[tokio::test]
    async fn a_day_that_is_due_and_cannot_be_opened_is_an_alarm_and_tried_again() {
        let (queue, mut end) = mpsc::channel(1);
        let overdue = Arc::new(Overdue::default());
        let soon = Duration::from_millis(1);
        let keeping = tokio::spawn(keep_asking(calendar(), queue, Arc::clone(&overdue), soon));
        let due = calendar().due_at(now_ms()).unwrap().unwrap();
        let old: Day = "2026-01-05".parse().unwrap();
        for tries in 0..3 {
            open_is(&mut end, "2026-01-05").await;
            assert_eq!(overdue.behind(old), (tries > 0).then_some(due));
            let Some(Inbound::Operator(Command::Cutover(day), answer)) = end.recv().await else {
                panic!("a cutover")
            };
            assert_eq!(day, due);
            answer.send(Err("more than 31 days".to_owned())).unwrap();
        }
        assert_eq!(overdue.behind(due), None, "an operator has opened it: nothing is due");
        // An operator has come near, and it goes through.
        open_is(&mut end, "2026-01-31").await;
        let Some(Inbound::Operator(Command::Cutover(_), answer)) = end.recv().await else {
            panic!("a cutover")
        };
        answer.send(Ok(crate::bus::Done::Done)).unwrap();
        let opened = async {
            while overdue.behind(old).is_some() {
                tokio::task::yield_now().await;
            }
        };
        opened.await;
        drop(end);
        keeping.abort();
    }

    #[tokio::test]
    async fn a_day_that_is_open_already_is_not_asked_for() {
        let (queue, mut end) = mpsc::channel(1);
        let keeping = tokio::spawn(keep(calendar(), queue, Arc::default()));
        open_is(&mut end, "9999-12-31").await;
        assert!(end.try_recv().is_err());
        keeping.abort();
    }
}
