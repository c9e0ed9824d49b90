//! How far the wall clock is believed when a business day is opened by itself: a day that a jump of the clock would open waits
//! (docs/decisions/0018-day-clock.md). And the file by which a restart goes on believing the same.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use mutant::Mutant;
use rustix::time::{ClockId, clock_gettime};

/// A wall clock that is further ahead of what is believed than this has jumped: a cutover comes so early at most.
pub(crate) const CLOCK_JUMP_MS_MAX: i64 = 10_000;

/// What is slewed is followed as fast as a kernel slews at most, one part in so many of the time that passes.
const SLEW_PARTS: i64 = 10;

/// A wall clock that has stood further behind for so long is believed. Before that it may be put forward again to where it was.
const BEHIND_MS_MAX: i64 = 3_600_000;

/// Two clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clocks {
    /// Milliseconds since 1970: what a person or a time server may set.
    pub(crate) wall_ms: i64,
    /// Milliseconds since the machine came up, those in which it was suspended included: nobody sets it.
    pub(crate) boot_ms: i64,
}

impl Clocks {
    /// As the system has them.
    pub(crate) fn now() -> Clocks {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let boot = clock_gettime(ClockId::Boottime);
        Clocks {
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
            boot_ms: boot.tv_sec.saturating_mul(1_000).saturating_add(boot.tv_nsec / 1_000_000),
        }
    }

    fn apart_ms(self) -> i64 {
        self.wall_ms.saturating_sub(self.boot_ms)
    }
}

/// The wall clock as it was believed last, carried on by the clock that nobody sets.
#[derive(Debug)]
pub(crate) struct DayClock {
    /// By how much the two were apart then.
    apart_ms: i64,
    looked_boot_ms: i64,
    /// Since when the wall clock stands behind.
    behind_since_ms: Option<i64>,
}

/// What a look at the clocks comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Believed {
    /// The moment to go by, milliseconds since 1970: the wall clock's or, where that has jumped ahead, what it would show without.
    pub(crate) at_ms: i64,
    /// So far ahead the wall clock has jumped; 0 where it has not.
    pub(crate) ahead_ms: i64,
}

impl DayClock {
    /// Believes what the wall clock shows now.
    pub(crate) fn believing(now: Clocks) -> DayClock {
        DayClock { apart_ms: now.apart_ms(), looked_boot_ms: now.boot_ms, behind_since_ms: None }
    }

    /// Goes on believing what the process before this one believed, where the wall clock has jumped ahead of it since: a restart
    /// is nobody's word for the clock. Else believes what the wall clock shows.
    pub(crate) fn carried_on(kept: Kept, now: Clocks) -> DayClock {
        let rest_ms = now.boot_ms.saturating_sub(kept.boot_ms);
        let off_ms = now.apart_ms().saturating_sub(kept.apart_ms);
        let may_be_slewed = rest_ms < 0 || off_ms <= CLOCK_JUMP_MS_MAX.saturating_add(rest_ms / SLEW_PARTS);
        if may_be_slewed {
            return DayClock::believing(now);
        }
        DayClock { apart_ms: kept.apart_ms, looked_boot_ms: now.boot_ms, behind_since_ms: None }
    }

    /// What a restart is to go on with.
    pub(crate) fn kept(&self) -> Kept {
        Kept { apart_ms: self.apart_ms, boot_ms: self.looked_boot_ms }
    }

    /// Looks at both clocks; the more often, the less a slew that is under way looks like a jump.
    pub(crate) fn look(&mut self, now: Clocks) -> Believed {
        let slewed_ms = now.boot_ms.saturating_sub(self.looked_boot_ms).max(0) / SLEW_PARTS;
        self.looked_boot_ms = now.boot_ms;
        let off_ms = now.apart_ms().saturating_sub(self.apart_ms);
        let as_it_is = Believed { at_ms: now.wall_ms, ahead_ms: 0 };
        if off_ms > CLOCK_JUMP_MS_MAX && !mutant::is(Mutant::JumpedClockOpensDay) {
            self.behind_since_ms = None;
            return Believed { at_ms: now.wall_ms.saturating_sub(off_ms), ahead_ms: off_ms };
        }
        if off_ms < -CLOCK_JUMP_MS_MAX {
            let since_ms = *self.behind_since_ms.get_or_insert(now.boot_ms);
            if now.boot_ms.saturating_sub(since_ms) >= BEHIND_MS_MAX {
                *self = DayClock::believing(now);
            }
            return as_it_is;
        }
        self.behind_since_ms = None;
        self.apart_ms += off_ms.clamp(-slewed_ms, slewed_ms);
        as_it_is
    }
}

/// What was believed when it was looked last; holds as long as the machine is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    apart_ms: i64,
    boot_ms: i64,
}

/// What is believed is written again when it is so old, or when it has changed by more than a second: what a restart takes for a slew grows
/// with its age.
const WRITE_EVERY_MS: i64 = 60_000;
const WRITE_CHANGE_MS: i64 = 1_000;

/// The machine's word for one of its starts.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file, of one line: the start of the machine that it holds for, by how much the clocks were apart and when, milliseconds.
#[derive(Debug)]
pub(crate) struct KeptFile {
    path: PathBuf,
    boot_id: String,
    written: Option<Kept>,
    is_failing: bool,
}

impl KeptFile {
    /// In this directory.
    pub(crate) fn of_this_machine(dir: &Path) -> KeptFile {
        // Without one nothing is kept over a restart.
        KeptFile::new(dir, std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim())
    }

    fn new(dir: &Path, boot_id: &str) -> KeptFile {
        KeptFile {
            path: dir.join("day-clock"),
            boot_id: boot_id.to_owned(),
            written: None,
            is_failing: false,
        }
    }

    /// What a process before this one has left, where the machine has not been started since; none where that cannot be read.
    pub(crate) fn read(&self) -> Option<Kept> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        let mut words = text.trim_end().split(' ');
        let is_of_now = words.next()? == self.boot_id && !self.boot_id.is_empty();
        let kept = Kept { apart_ms: words.next()?.parse().ok()?, boot_ms: words.next()?.parse().ok()? };
        Some(kept).filter(|_| is_of_now && words.next().is_none())
    }

    /// Writes what is believed, where the file is old. It need not be durable: it is for this start of the machine alone. What cannot be
    /// written is told once.
    pub(crate) fn write(&mut self, kept: Kept) {
        let is_as_written = |written: Kept| {
            let changed_ms = kept.apart_ms.saturating_sub(written.apart_ms).saturating_abs();
            changed_ms <= WRITE_CHANGE_MS && kept.boot_ms.saturating_sub(written.boot_ms) < WRITE_EVERY_MS
        };
        if self.boot_id.is_empty() || self.written.is_some_and(is_as_written) {
            return;
        }
        self.written = Some(kept);
        let unfinished = self.path.with_extension("new");
        let line = format!("{} {} {}\n", self.boot_id, kept.apart_ms, kept.boot_ms);
        let written =
            std::fs::write(&unfinished, line).and_then(|()| std::fs::rename(&unfinished, &self.path));
        match written {
            Ok(()) => self.is_failing = false,
            Err(error) if !std::mem::replace(&mut self.is_failing, true) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "what is believed of the clock is not kept: a restart believes the wall clock");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND_MS: i64 = 1_000;
    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    /// 2026-05-03T00:00:00Z.
    const START_MS: i64 = 1_777_766_400_000;

    /// A machine: the time that has passed, and how far its wall clock is off.
    struct Machine {
        passed_ms: i64,
        off_ms: i64,
        clock: DayClock,
    }

    impl Machine {
        fn new() -> Machine {
            let clock = DayClock::believing(Clocks { wall_ms: START_MS, boot_ms: 77 });
            Machine { passed_ms: 0, off_ms: 0, clock }
        }

        fn look(&mut self) -> Believed {
            let wall_ms = START_MS + self.passed_ms + self.off_ms;
            self.clock.look(Clocks { wall_ms, boot_ms: 77 + self.passed_ms })
        }

        /// Looks each second for so long, while the wall clock is slewed by so many parts in a million.
        fn run(&mut self, ms: i64, slew_ppm: i64) -> Believed {
            let begin_off_ms = self.off_ms;
            for second in 1..=ms / SECOND_MS {
                self.passed_ms += SECOND_MS;
                self.off_ms = begin_off_ms + second * slew_ppm / 1_000;
                let believed = self.look();
                let shows_ms = START_MS + self.passed_ms + self.off_ms;
                assert!(believed.at_ms <= shows_ms, "nothing is later than the wall clock");
            }
            self.look()
        }

        /// How far what is believed is from the truth.
        fn error_ms(&mut self) -> i64 {
            self.look().at_ms - START_MS - self.passed_ms
        }
    }

    #[test]
    fn a_jump_ahead_is_not_believed_until_the_clock_is_back() {
        for jump_ms in [CLOCK_JUMP_MS_MAX + 1, HOUR_MS, 400 * DAY_MS, i64::MAX / 2] {
            let mut machine = Machine::new();
            machine.run(HOUR_MS, 0);
            machine.off_ms = jump_ms;
            assert_eq!(machine.look().ahead_ms, jump_ms);
            assert_eq!(machine.run(3 * DAY_MS, 0).ahead_ms, jump_ms, "however long it lasts");
            assert_eq!(machine.error_ms(), 0, "time goes on by the clock that nobody sets");
            machine.off_ms = 5;
            assert_eq!((machine.look().ahead_ms, machine.error_ms()), (0, 5));
        }
    }

    #[test]
    fn small_steps_do_not_add_up_to_a_jump_that_is_believed() {
        let mut machine = Machine::new();
        for _ in 0..60 {
            machine.off_ms += CLOCK_JUMP_MS_MAX - 1_000;
            machine.run(SECOND_MS, 0);
        }
        assert!(machine.look().ahead_ms > 8 * 60 * SECOND_MS, "{:?}", machine.look());
        assert!(machine.error_ms() < CLOCK_JUMP_MS_MAX);
    }

    /// 500 ppm over eight weeks are 40 minutes; a kernel slews by a tenth at most.
    #[test]
    fn what_is_slewed_is_followed_however_much_it_comes_to() {
        for (ms, slew_ppm) in [(56 * DAY_MS, 500), (56 * DAY_MS, -500), (DAY_MS, 99_000), (DAY_MS, -99_000)] {
            let mut machine = Machine::new();
            assert_eq!(machine.run(ms, slew_ppm).ahead_ms, 0, "{slew_ppm} ppm");
            assert_eq!(machine.error_ms(), machine.off_ms);
            machine.off_ms += HOUR_MS;
            assert_eq!(machine.look().ahead_ms / SECOND_MS, HOUR_MS / SECOND_MS, "a jump behind it is one");
        }
    }

    #[test]
    fn a_machine_that_was_suspended_has_no_clock_that_jumped() {
        let mut machine = Machine::new();
        machine.passed_ms += 9 * HOUR_MS;
        assert_eq!((machine.look().ahead_ms, machine.error_ms()), (0, 0));
    }

    #[test]
    fn a_clock_that_was_put_back_for_a_while_may_go_forward_again() {
        let mut machine = Machine::new();
        machine.off_ms = -2 * HOUR_MS;
        machine.run(BEHIND_MS_MAX - 2 * SECOND_MS, 0);
        assert_eq!(machine.error_ms(), -2 * HOUR_MS, "late is what the wall clock says");
        machine.off_ms = 0;
        assert_eq!((machine.look().ahead_ms, machine.error_ms()), (0, 0));

        // One that has stood there for long is right: the start had been ahead.
        machine.off_ms = -2 * HOUR_MS;
        machine.run(BEHIND_MS_MAX + 2 * SECOND_MS, 0);
        machine.off_ms += HOUR_MS;
        assert_eq!((machine.look().ahead_ms, machine.error_ms()), (HOUR_MS, -2 * HOUR_MS));
    }

    /// A restart once more believed whatever the clock showed.
    #[test]
    fn a_restart_goes_on_with_what_was_believed_until_the_machine_is_started_anew() {
        let dir = tempfile::tempdir().unwrap();
        let start = Clocks { wall_ms: START_MS, boot_ms: 100 * HOUR_MS };
        let later =
            |ms: i64, off_ms: i64| Clocks { wall_ms: START_MS + ms + off_ms, boot_ms: start.boot_ms + ms };
        assert_eq!(KeptFile::new(dir.path(), "one").read(), None);
        KeptFile::new(dir.path(), "one").write(DayClock::believing(start).kept());
        let ahead_ms = |boot_id: &str, now: Clocks| {
            let kept = KeptFile::new(dir.path(), boot_id).read();
            let mut clock =
                kept.map_or_else(|| DayClock::believing(now), |kept| DayClock::carried_on(kept, now));
            clock.look(now).ahead_ms
        };
        let minute = 60 * SECOND_MS;
        for (boot_id, now, expected) in [
            ("one", later(minute, 0), 0),
            ("one", later(minute, HOUR_MS), HOUR_MS),
            // What may have been slewed meanwhile, or has stood still, is believed.
            ("one", later(10 * HOUR_MS, HOUR_MS), 0),
            ("one", later(10 * HOUR_MS, 2 * HOUR_MS), 2 * HOUR_MS),
            ("one", later(minute, -2 * HOUR_MS), 0),
            ("one", later(-minute, HOUR_MS), 0),
            ("another", later(minute, HOUR_MS), 0),
            ("", later(minute, HOUR_MS), 0),
        ] {
            assert_eq!(ahead_ms(boot_id, now), expected, "{boot_id} {now:?}");
        }
        for text in ["", "one", "one 5", "one 5 x\n", "one 5 6 7\n"] {
            std::fs::write(dir.path().join("day-clock"), text).unwrap();
            assert_eq!(KeptFile::new(dir.path(), "one").read(), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_believed_is_written_when_it_changes_or_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = KeptFile::new(dir.path(), "one");
        let kept = |apart_ms, boot_ms| Kept { apart_ms, boot_ms };
        for (told, expected) in [
            (kept(5, 0), kept(5, 0)),
            (kept(1_005, 59_999), kept(5, 0)),
            (kept(1_006, 59_999), kept(1_006, 59_999)),
            (kept(1_006, 119_999), kept(1_006, 119_999)),
        ] {
            file.write(told);
            assert_eq!(file.read(), Some(expected));
        }
        let mut nowhere = KeptFile::new(&dir.path().join("gone"), "one");
        nowhere.write(kept(1, 2));
        assert_eq!(nowhere.read(), None);
    }

    #[test]
    fn the_systems_clocks_go_forward() {
        let before = Clocks::now();
        let after = Clocks::now();
        assert!(before.boot_ms > 0 && after.boot_ms >= before.boot_ms && after.wall_ms > START_MS);
    }
}
