//! What is offered, one after the other, with looks at the machine's floor before, between and after.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::command::VISITS_MAX;
use super::engine::Engine;
use super::floor::{Floor, ROUNDS};
use super::html;
use super::measure::Phase;
use super::report::{Overload, Report};
use super::schedule::Schedule;
use super::search::Search;
use super::tell;

/// Steps of a search for the best rate at most.
const STEPS_MAX: u32 = 12;

/// The best rate is offered so often again in the end; the median counts.
const CONFIRMATIONS: usize = 3;

/// A best rate that is not confirmed is lowered by a sixteenth, so often at most.
const LOWERED_MAX: u32 = 4;

/// How long refusals alone are measured.
const REFUSALS_S: u64 = 2;

/// More references are never ready: the switch gives out 900,000 at once.
const REFERENCES_MAX: u64 = 850_000;

/// The switch indexes what was verified before the next clock starts; longer than this is not waited for.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// A soak is offered in pieces of so many seconds: between them citizens are verified, a line is told and the page is
/// written again.
pub(super) const SOAK_PIECE_S: u64 = 60;

/// A proof is good for two minutes: what carries proofs is offered in pieces of so many seconds at most.
const PROOF_PIECE_S: u64 = 80;

/// An error of the thread that sends.
pub(super) type Failed = Box<dyn Error + Send + Sync>;

/// What is offered.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) schedule: Schedule,
    pub(super) step_seconds: u64,
    pub(super) rate_max: u64,
    pub(super) find_max: bool,
    pub(super) p99_us_max: u64,
    /// How many times the best rate is offered in the end.
    pub(super) times: Option<u64>,
    /// Pieces that the measured time is offered in, with a look at the floor between.
    pub(super) pieces: u64,
    pub(super) is_soak: bool,
    /// Where the floor's files go; `None`: it is not looked at.
    pub(super) floor: Option<PathBuf>,
    /// Where the page goes.
    pub(super) html: PathBuf,
}

impl Plan {
    /// Offers all; gives the engine back.
    pub(super) fn play(self, mut engine: Engine, report: Report) -> (Engine, Result<Report, Failed>) {
        let played = self.play_with(&mut engine, report);
        (engine, played)
    }

    /// Withdrawals that are offered at most, whatever a search finds.
    pub(super) fn withdrawals_max(&self) -> u64 {
        let Schedule { seconds, warm_up_s, .. } = self.schedule;
        if !self.find_max {
            let ramp = self.schedule.rate * self.schedule.ramp_s / 2;
            return ramp + self.schedule.rate * (seconds + self.pieces * warm_up_s);
        }
        let steps = u64::from(STEPS_MAX) + CONFIRMATIONS as u64 * u64::from(LOWERED_MAX + 1);
        let overload = self.times.map_or(0, |times| times * (seconds + warm_up_s));
        self.rate_max * (steps * (self.step_seconds + warm_up_s) + overload)
    }

    fn play_with(&self, engine: &mut Engine, mut report: Report) -> Result<Report, Failed> {
        engine.sign_on_all()?;
        if self.find_max {
            self.search(engine, &mut report)?;
        } else {
            self.hold(engine, &mut report)?;
        }
        report.stopped = engine.stop.is_given();
        Ok(report)
    }

    /// One rate, in pieces.
    fn hold(&self, engine: &mut Engine, report: &mut Report) -> Result<(), Failed> {
        let pieces = match engine.needs(1_000) {
            (_, 0) => self.pieces,
            _ => self.pieces.max(self.schedule.seconds.div_ceil(PROOF_PIECE_S)),
        };
        let piece = Schedule { seconds: (self.schedule.seconds / pieces).max(1), ..self.schedule };
        if !self.is_soak {
            prepare(engine, piece.requests() * pieces)?;
        }
        let mut floor = self.floor(engine)?;
        for number in 0..pieces {
            if engine.stop.is_given() {
                break;
            }
            look(&mut floor, report, piece.rate, looks(number, pieces));
            if self.is_soak {
                prepare(engine, piece.requests())?;
            }
            sign(engine, piece)?;
            let ramp_s = if number == 0 { piece.ramp_s } else { 0 };
            let phase = engine.offer(Schedule { ramp_s, ..piece })?;
            if self.is_soak {
                tell(format_args!("piece {} of {pieces}: {phase}", number + 1));
            }
            match &mut report.held {
                Some((_, held)) => held.add(phase),
                None => report.held = Some((piece.rate, phase)),
            }
            if self.is_soak {
                std::fs::write(&self.html, html::page(report))?;
            }
        }
        if !engine.stop.is_given() {
            look(&mut floor, report, piece.rate, looks(pieces, pieces));
        }
        Ok(())
    }

    /// The highest rate that holds, confirmed; then, where that was asked for, more than can be done.
    fn search(&self, engine: &mut Engine, report: &mut Report) -> Result<(), Failed> {
        let step = |rate: u64| Schedule { rate, seconds: self.step_seconds, ramp_s: 0, ..self.schedule };
        let mut search = Search::new(self.schedule.rate, self.rate_max, STEPS_MAX);
        while let Some(rate) = search.next() {
            let phase = self.step(engine, report, step(rate))?;
            search.tell(phase.holds(self.p99_us_max));
            if engine.stop.is_given() {
                return Ok(());
            }
        }
        let no_rate = "no rate holds on this machine: it is busy, or --rate is far too high";
        let mut best = search.best().ok_or(no_rate)?;
        let mut floor = self.floor(engine)?;
        for lowered in 0..=LOWERED_MAX {
            report.floor.clear();
            let mut confirmed = Vec::new();
            for number in 0..CONFIRMATIONS as u64 {
                look(&mut floor, report, best, looks(number, CONFIRMATIONS as u64));
                confirmed.push(self.step(engine, report, step(best))?);
                if engine.stop.is_given() {
                    return Ok(());
                }
            }
            look(&mut floor, report, best, looks(CONFIRMATIONS as u64, CONFIRMATIONS as u64));
            confirmed.sort_by_key(|phase| phase.accepted_us.value_at_quantile(0.99));
            let median = confirmed.swap_remove(CONFIRMATIONS / 2);
            if median.holds(self.p99_us_max) {
                report.held = Some((best, median));
                break;
            }
            if lowered == LOWERED_MAX {
                return Err(no_rate.into());
            }
            best -= best / 16;
        }
        let Some(times) = self.times else { return Ok(()) };
        let rate = best * times;
        let schedule = Schedule { rate, ramp_s: 0, ..self.schedule };
        prepare(engine, schedule.requests())?;
        sign(engine, schedule)?;
        let phase = engine.offer(schedule)?;
        let refusals = engine.refuse(rate, REFUSALS_S)?;
        report.overload = Some(Overload { rate, phase, refusals });
        Ok(())
    }

    fn step(&self, engine: &mut Engine, report: &mut Report, schedule: Schedule) -> Result<Phase, Failed> {
        prepare(engine, schedule.requests())?;
        sign(engine, schedule)?;
        let phase = engine.offer(schedule)?;
        let holds = phase.holds(self.p99_us_max);
        tell(format_args!("{}/s: {phase}{}", schedule.rate, if holds { ", holds" } else { "" }));
        report.take_search_step(&phase);
        Ok(phase)
    }

    fn floor(&self, engine: &Engine) -> Result<Option<Floor>, Failed> {
        let start = |directory: &PathBuf| Floor::start(directory, engine.connections.len(), engine.banks());
        self.floor.as_ref().map(start).transpose()
    }
}

/// How many looks at the floor stand before piece `number`, or behind the last: [`ROUNDS`] in all, spread evenly.
fn looks(number: u64, pieces: u64) -> usize {
    let by = |number: u64| ROUNDS as u64 * number / (pieces + 1);
    (by(number + 1) - by(number)) as usize
}

/// A machine that cannot do syncs and round trips alone at this rate has no floor there: that is told, and the load goes on.
fn look(floor: &mut Option<Floor>, report: &mut Report, rate: u64, rounds: usize) {
    for _ in 0..rounds {
        match floor.as_mut().map(|floor| floor.round(rate)) {
            Some(Ok(round)) => report.floor.push(round),
            Some(Err(error)) => {
                tell(format_args!("{error}"));
                *floor = None;
            }
            None => {}
        }
    }
}

/// As many references are ready as can be used up if all is approved.
fn prepare(engine: &mut Engine, requests: u64) -> Result<(), Failed> {
    let (references, proofs) = engine.needs(requests);
    // Whoever proves himself on the way has been seen once before: the switch then knows his card's security object.
    let seen = proofs.div_ceil(VISITS_MAX).min(engine.citizens.count() as u64);
    let wanted = references.max(seen).min(REFERENCES_MAX);
    let bar = ProgressBar::new(wanted);
    let style = ProgressStyle::with_template("verifying citizens {bar:40} {pos}/{len}, {elapsed} gone");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (began, missing) = (Instant::now(), wanted.saturating_sub(engine.ready.len() as u64));
    let before_us = engine.cpu_us()?;
    engine.verify(wanted as usize, |ready| bar.set_position(ready as u64))?;
    bar.finish_and_clear();
    if missing > 0 {
        let took_s = began.elapsed().as_secs_f64();
        let after_us = engine.cpu_us()?;
        let [switch, own] =
            std::array::from_fn(|index| (after_us[index] - before_us[index]) as f64 / missing as f64);
        tell(format_args!(
            "verified {missing} citizens in {took_s:.1} s, {:.0}/s; CPU each: switch {switch:.0} µs, load and registry {own:.0} µs",
            missing as f64 / took_s
        ));
    }
    Ok(engine.settle(SETTLE_MAX)?)
}

/// As many proofs as a piece needs, made just before it.
fn sign(engine: &mut Engine, piece: Schedule) -> Result<(), Failed> {
    let (_, proofs) = engine.needs(piece.requests());
    Ok(engine.sign(proofs as usize)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_the_floor_stand_before_between_and_behind() {
        let spread = |pieces: u64| (0..=pieces).map(|number| looks(number, pieces)).collect::<Vec<_>>();
        assert_eq!(spread(1), [2, 3]);
        assert_eq!(spread(3), [1, 1, 1, 2]);
        assert_eq!(spread(4), [1; 5]);
        assert_eq!(spread(5), [0, 1, 1, 1, 1, 1], "more gaps than looks: the first goes without");
        assert_eq!(spread(60).iter().sum::<usize>(), ROUNDS);
    }
}
