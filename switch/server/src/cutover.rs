//! Opens the next business day by itself, at the calendar's time of day, and records which members have acknowledged it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use casework::{ActFile, Deed};
use processor::{Command, Day, Institution};
use reconciliation::calendar::{BadCalendar, Calendar};
use tokio::sync::{mpsc, oneshot};

use crate::bus::Inbound;
use crate::day_clock::{Clocks, DayClock, KeptFile};
use crate::desk::now_ms;

/// The calendar is asked so often: a day is opened so late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A cutover that was refused is asked for again so often: an operator may have come nearer to the day meanwhile. So often it is also
/// looked whether one has opened the day that a clock ahead keeps waiting.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// The business day that should be open and is not: for status and metrics, which compare it with the open one.
#[derive(Default)]
pub(crate) struct Overdue(Mutex<Due>);

/// What is due, and how far the wall clock has jumped ahead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Due {
    day: Option<Day>,
    clock_ahead_ms: i64,
}

impl Overdue {
    /// The day that should be open by the wall clock, where it is later than this one, which is.
    pub(crate) fn behind(&self, open: Day) -> Option<Day> {
        self.due().day.filter(|due| *due > open)
    }

    /// So many seconds the wall clock has jumped ahead of what is believed, rounded up; 0 where it is believed.
    pub(crate) fn clock_ahead_s(&self) -> i64 {
        self.due().clock_ahead_ms.saturating_add(999) / 1_000
    }

    fn due(&self) -> Due {
        self.change(|due| *due)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Due) -> T) -> T {
        change(&mut self.0.lock().expect("nobody panics with it"))
    }
}

/// Opens each day that should be open, until the event loop ends; what is open already is left as it is, and what an operator has opened further ahead
/// stays. A cutover that is refused is an error that is told, and an alarm for as long as it lasts; so is one that waits because the wall clock has
/// jumped ahead of it.
pub(crate) async fn keep(
    calendar: Calendar,
    loop_queue: mpsc::Sender<Inbound>,
    overdue: Arc<Overdue>,
    kept: KeptFile,
) {
    Keeper::new(calendar, loop_queue, overdue, Clocks::now, kept).keep().await;
}

struct Keeper<Read> {
    calendar: Calendar,
    loop_queue: mpsc::Sender<Inbound>,
    overdue: Arc<Overdue>,
    /// Reads the clocks.
    read: Read,
    clock: DayClock,
    /// What a restart goes on with.
    kept: KeptFile,
    /// The day that is known to be open: it may be a later one.
    open: Option<Day>,
    /// The day that a clock ahead keeps waiting, once it was seen that it is not open.
    held: Option<Day>,
    /// No cutover is asked for before, by the clock that nobody sets.
    try_at_ms: i64,
    /// Nor which day is open, while one is held.
    ask_at_ms: i64,
    look_every: Duration,
    ask_again_every: Duration,
}

/// The event loop has ended, or the calendar opens no day.
struct Ended;

impl<Read: Fn() -> Clocks> Keeper<Read> {
    fn new(
        calendar: Calendar,
        loop_queue: mpsc::Sender<Inbound>,
        overdue: Arc<Overdue>,
        read: Read,
        kept: KeptFile,
    ) -> Keeper<Read> {
        let now = read();
        let carried_on = |before| DayClock::carried_on(before, now);
        let clock = kept.read().map_or_else(|| DayClock::believing(now), carried_on);
        Keeper {
            calendar,
            loop_queue,
            overdue,
            read,
            clock,
            kept,
            open: None,
            held: None,
            try_at_ms: i64::MIN,
            ask_at_ms: i64::MIN,
            look_every: LOOK_EVERY,
            ask_again_every: ASK_AGAIN_EVERY,
        }
    }

    async fn keep(mut self) {
        while self.calendar.cutover_minute.is_some() && self.look().await.is_ok() {
            tokio::time::sleep(self.look_every).await;
        }
    }

    /// One look at the clocks, and what follows from it: the day that is due by what is believed is opened; one that is due by the wall
    /// clock alone waits.
    async fn look(&mut self) -> Result<(), Ended> {
        let now = (self.read)();
        let believed = self.clock.look(now);
        self.kept.write(self.clock.kept());
        self.tell_of_clock(believed.ahead_ms);
        if let Some(day) = self.due(believed.at_ms)? {
            if now.boot_ms < self.try_at_ms {
                return Ok(());
            }
            if let Err(refusal) = self.cut_over_to(day).await? {
                if self.set_overdue(Some(day)) {
                    tracing::error!(%day, refusal, "the business day that is due is not opened by itself: open it by `cutover`");
                }
                self.try_at_ms = self.behind_a_while(now);
                return Ok(());
            }
        }
        match self.due(now.wall_ms)? {
            Some(day) => self.hold(day, now, believed.ahead_ms).await?,
            None => {
                self.held = None;
                self.set_overdue(None);
            }
        }
        Ok(())
    }

    /// The day to be opened at a moment, where it is later than the one that is known to be open.
    fn due(&self, at_ms: i64) -> Result<Option<Day>, Ended> {
        due(&self.calendar, self.open, at_ms).map_err(|error| {
            tracing::error!(%error, "no business day is opened by itself");
            Ended
        })
    }

    /// A day that is due by a wall clock that has jumped ahead is an alarm, until the clock is back, or what is believed has come there. Where a
    /// person opens it meanwhile, that is their word for the clock.
    async fn hold(&mut self, day: Day, now: Clocks, ahead_ms: i64) -> Result<(), Ended> {
        if now.boot_ms < self.ask_at_ms && self.held == Some(day) {
            return Ok(());
        }
        self.ask_at_ms = self.behind_a_while(now);
        let open = self.open_day().await?;
        if open < Some(day) {
            self.held = Some(day);
            if self.set_overdue(Some(day)) {
                let ahead_s = ahead_ms / 1_000;
                tracing::error!(%day, ahead_s, "the wall clock has jumped ahead, and by it a business day is due: it is opened when its time has come; set the clock right or, if it is right, open the day by `cutover`");
            }
            return Ok(());
        }
        if self.held == Some(day) {
            tracing::warn!(%day, "the business day was opened by hand: the wall clock is believed again");
            self.clock = DayClock::believing(now);
            self.tell_of_clock(0);
        }
        self.is_open(open);
        Ok(())
    }

    /// Opens a day where an earlier one is open; the refusal, where it is refused.
    async fn cut_over_to(&mut self, day: Day) -> Result<Result<(), String>, Ended> {
        let open = self.open_day().await?;
        if open >= Some(day) {
            self.is_open(open);
            return Ok(Ok(()));
        }
        let (answer, done) = oneshot::channel();
        let asked = self.loop_queue.send(Inbound::Operator(Command::Cutover(day), answer)).await;
        asked.map_err(|_| Ended)?;
        Ok(match done.await.map_err(|_| Ended)? {
            Ok(_) => {
                tracing::info!(%day, "cutover: the business day is open");
                self.is_open(Some(day));
                Ok(())
            }
            Err(refusal) => Err(refusal),
        })
    }

    /// The day that is open, as the event loop says it.
    async fn open_day(&self) -> Result<Option<Day>, Ended> {
        let (answer, asked) = oneshot::channel();
        self.loop_queue.send(Inbound::Status(answer)).await.map_err(|_| Ended)?;
        let status = asked.await.map_err(|_| Ended)?;
        Ok(status["business_day"].as_str().and_then(|open| open.parse().ok()))
    }

    fn is_open(&mut self, day: Option<Day>) {
        self.open = day;
        self.held = None;
        self.set_overdue(None);
    }

    /// Whether it is another than before.
    fn set_overdue(&self, day: Option<Day>) -> bool {
        self.overdue.change(|due| std::mem::replace(&mut due.day, day)) != day
    }

    fn tell_of_clock(&self, ahead_ms: i64) {
        let before_ms = self.overdue.change(|due| std::mem::replace(&mut due.clock_ahead_ms, ahead_ms));
        if ahead_ms > 0 && before_ms == 0 {
            tracing::error!(
                ahead_s = ahead_ms / 1_000,
                "the wall clock has jumped ahead: no business day is opened by it"
            );
        }
        if ahead_ms == 0 && before_ms > 0 {
            tracing::info!("the wall clock is believed again");
        }
    }

    fn behind_a_while(&self, now: Clocks) -> i64 {
        now.boot_ms.saturating_add(self.ask_again_every.as_millis() as i64)
    }
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

    /// A file that is in no directory.
    fn nothing_kept() -> KeptFile {
        KeptFile::of_this_machine(std::path::Path::new("/dev/null"))
    }

    /// The event loop's end: it says which day is open, and is asked for another or not.
    async fn open_is(end: &mut mpsc::Receiver<Inbound>, open: &str) {
        let Some(Inbound::Status(answer)) = end.recv().await else { panic!("a question for the status") };
        answer.send(serde_json::json!({ "business_day": open })).unwrap();
    }

    #[tokio::test]
    async fn the_event_loop_is_asked_and_its_end_ends_it() {
        let (queue, mut end) = mpsc::channel(1);
        let keeping = tokio::spawn(keep(calendar(), queue, Arc::default(), nothing_kept()));
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
        let mut keeper = Keeper::new(calendar(), queue, Arc::clone(&overdue), Clocks::now, nothing_kept());
        (keeper.look_every, keeper.ask_again_every) = (soon, soon);
        let keeping = tokio::spawn(keeper.keep());
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

    /// A keeper of which the test has the clocks and the event loop's end; the wall clock is `off_ms` ahead of the truth.
    struct Desk {
        keeper: Keeper<Box<dyn Fn() -> Clocks + Send>>,
        end: mpsc::Receiver<Inbound>,
        clocks: Arc<Mutex<Clocks>>,
        dir: tempfile::TempDir,
        open: Day,
        cutovers: Vec<Day>,
    }

    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    impl Desk {
        /// At 12:00 local time on 2026-05-03, which is open.
        async fn new() -> Desk {
            let (queue, end) = mpsc::channel(1);
            let start = Clocks { wall_ms: day("2026-05-03").begins_ms() + 5 * HOUR_MS, boot_ms: 1_000 };
            let clocks = Arc::new(Mutex::new(start));
            let read = Arc::clone(&clocks);
            let read: Box<dyn Fn() -> Clocks + Send> = Box::new(move || *read.lock().unwrap());
            let dir = tempfile::tempdir().unwrap();
            let kept = KeptFile::of_this_machine(dir.path());
            let keeper = Keeper::new(calendar(), queue, Arc::default(), read, kept);
            let mut desk = Desk { keeper, end, clocks, dir, open: day("2026-05-03"), cutovers: Vec::new() };
            desk.pass(0).await;
            desk
        }

        /// Another process goes on.
        fn restart(&mut self) {
            let (queue, end) = mpsc::channel(1);
            let read = Arc::clone(&self.clocks);
            let read: Box<dyn Fn() -> Clocks + Send> = Box::new(move || *read.lock().unwrap());
            let kept = KeptFile::of_this_machine(self.dir.path());
            (self.keeper, self.end) = (Keeper::new(calendar(), queue, Arc::default(), read, kept), end);
        }

        /// Time passes, a look each minute.
        async fn pass(&mut self, ms: i64) {
            for _ in 0..=ms / MINUTE_MS {
                let (keeper, end) = (&mut self.keeper, &mut self.end);
                let (open, cutovers) = (&mut self.open, &mut self.cutovers);
                let answering = async {
                    loop {
                        match end.recv().await {
                            Some(Inbound::Status(answer)) => {
                                answer.send(serde_json::json!({ "business_day": open.to_string() })).unwrap();
                            }
                            Some(Inbound::Operator(Command::Cutover(day), answer)) => {
                                *open = day;
                                cutovers.push(day);
                                answer.send(Ok(crate::bus::Done::Done)).unwrap();
                            }
                            _ => panic!("no other question"),
                        }
                    }
                };
                tokio::select! {
                    biased;
                    looked = keeper.look() => assert!(looked.is_ok()),
                    () = answering => {}
                }
                let mut clocks = self.clocks.lock().unwrap();
                clocks.wall_ms += MINUTE_MS.min(ms);
                clocks.boot_ms += MINUTE_MS.min(ms);
            }
        }

        fn jump(&self, ms: i64) {
            self.clocks.lock().unwrap().wall_ms += ms;
        }

        fn overdue(&self) -> (Option<Day>, i64) {
            (self.keeper.overdue.behind(self.open), self.keeper.overdue.clock_ahead_s())
        }
    }

    /// A clock that ran ahead over 23:00 once opened the next day, and that day stayed open.
    #[tokio::test]
    async fn a_clock_that_jumps_ahead_opens_no_day_before_its_time() {
        let mut desk = Desk::new().await;
        desk.pass(8 * HOUR_MS).await;
        desk.jump(4 * HOUR_MS);
        desk.pass(2 * MINUTE_MS).await;
        assert_eq!(desk.overdue(), (Some(day("2026-05-04")), 4 * 3_600), "an alarm that says by how much");
        // The clock is put right: nothing is due.
        desk.jump(-4 * HOUR_MS);
        desk.pass(MINUTE_MS).await;
        assert_eq!((desk.overdue(), desk.cutovers.len()), ((None, 0), 0));
        // At 23:00 the day is opened, as if nothing had been.
        desk.pass(3 * HOUR_MS).await;
        assert_eq!((desk.overdue(), desk.cutovers), ((None, 0), vec![day("2026-05-04")]));
    }

    #[tokio::test]
    async fn a_day_that_a_clock_ahead_keeps_waiting_is_opened_when_its_time_has_come() {
        let mut desk = Desk::new().await;
        desk.jump(50 * HOUR_MS);
        desk.pass(10 * HOUR_MS).await;
        assert_eq!(desk.overdue(), (Some(day("2026-05-06")), 50 * 3_600));
        assert_eq!(desk.cutovers, []);
        desk.pass(2 * HOUR_MS).await;
        assert_eq!(desk.cutovers, [day("2026-05-04")], "23:00 has come by what is believed");
        assert_eq!(desk.overdue(), (Some(day("2026-05-06")), 50 * 3_600), "and the clock is no better");
        desk.pass(24 * HOUR_MS).await;
        assert_eq!(desk.cutovers, [day("2026-05-04"), day("2026-05-05")]);
    }

    /// Whoever sees the alarm may well start the switch anew.
    #[tokio::test]
    async fn a_restart_opens_no_day_that_a_clock_ahead_keeps_waiting() {
        let mut desk = Desk::new().await;
        desk.jump(12 * HOUR_MS);
        for _ in 0..2 {
            desk.pass(2 * MINUTE_MS).await;
            assert_eq!(desk.overdue(), (Some(day("2026-05-04")), 12 * 3_600));
            assert_eq!(desk.cutovers, []);
            desk.restart();
        }
        desk.jump(-12 * HOUR_MS);
        desk.pass(11 * HOUR_MS).await;
        assert_eq!((desk.overdue(), desk.cutovers), ((None, 0), vec![day("2026-05-04")]));
    }

    /// The machine stood still without its clocks noticing, and the wall clock was put right since.
    #[tokio::test]
    async fn a_person_who_opens_the_day_by_hand_gives_their_word_for_the_clock() {
        let mut desk = Desk::new().await;
        desk.jump(12 * HOUR_MS);
        desk.pass(2 * MINUTE_MS).await;
        assert_eq!(desk.overdue(), (Some(day("2026-05-04")), 12 * 3_600));
        desk.open = day("2026-05-04");
        desk.pass(2 * MINUTE_MS).await;
        assert_eq!((desk.overdue(), desk.cutovers.len()), ((None, 0), 0));
        desk.pass(23 * HOUR_MS).await;
        assert_eq!(desk.cutovers, [day("2026-05-05")], "and the next one opens by the wall clock");
    }

    /// A day that somebody has opened ahead before the clock jumped is nobody's word for the clock.
    #[tokio::test]
    async fn a_day_that_was_open_ahead_says_nothing_about_the_clock() {
        let mut desk = Desk::new().await;
        desk.open = day("2026-05-04");
        desk.jump(12 * HOUR_MS);
        desk.pass(2 * MINUTE_MS).await;
        assert_eq!(desk.overdue(), (None, 12 * 3_600));
    }

    #[tokio::test]
    async fn a_day_that_is_open_already_is_not_asked_for() {
        let (queue, mut end) = mpsc::channel(1);
        let keeping = tokio::spawn(keep(calendar(), queue, Arc::default(), nothing_kept()));
        open_is(&mut end, "9999-12-31").await;
        assert!(end.try_recv().is_err());
        keeping.abort();
    }
}
