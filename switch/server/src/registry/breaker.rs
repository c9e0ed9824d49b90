//! The circuit breaker: a registry that has failed so often in a row is left alone for a while. No I/O.

use mutant::Mutant;
use thiserror::Error;

/// When to leave the registry alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerBounds {
    /// So many questions in a row without a verdict, and it is left alone.
    pub failures_in_row_max: u32,
    /// It is left alone for so long; then one question is put as a probe.
    pub pause_ms: u64,
}

/// The registry is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the registry is left alone for a while")]
pub struct Paused {
    /// Each failure since its last answer was that it was not there. `false`: some answers could not be believed.
    pub was_away: bool,
}

/// A question may be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// As every question.
    Asked,
    /// As the probe of a registry that is left alone: it may well have no answer.
    Probe(Paused),
}

/// What a change of the breaker is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// From here on questions have no verdict, at once.
    Opened,
    /// The registry has answered: all are asked again.
    Closed,
}

/// One registry's breaker. Times are monotonic milliseconds.
#[derive(Debug)]
pub struct Breaker {
    bounds: BreakerBounds,
    failures_in_row: u32,
    /// Among them is one that was an answer not to be believed.
    has_spoiled: bool,
    /// The next probe may go then; `None` while the registry is asked.
    probe_at_ms: Option<u64>,
}

impl Breaker {
    /// The registry is asked.
    pub fn new(bounds: BreakerBounds) -> Breaker {
        Breaker { bounds, failures_in_row: 0, has_spoiled: false, probe_at_ms: None }
    }

    /// Whether a question may be put now. One that is let through while the registry is left alone is the probe, and
    /// the next may go a pause later, whatever becomes of it.
    ///
    /// # Errors
    /// [`Paused`].
    pub fn let_through(&mut self, now_ms: u64) -> Result<Leave, Paused> {
        let Some(probe_at_ms) = self.probe_at_ms else { return Ok(Leave::Asked) };
        let paused = Paused { was_away: !self.has_spoiled };
        if now_ms < probe_at_ms {
            return Err(paused);
        }
        self.probe_at_ms = Some(now_ms + self.bounds.pause_ms);
        Ok(Leave::Probe(paused))
    }

    /// The registry has given an answer that can be believed.
    pub fn answered(&mut self) -> Option<Turn> {
        (self.failures_in_row, self.has_spoiled) = (0, false);
        self.probe_at_ms.take().map(|_| Turn::Closed)
    }

    /// It has not; `is_away`: because it was not there, and not because what it said could not be believed.
    pub fn failed(&mut self, now_ms: u64, is_away: bool) -> Option<Turn> {
        self.has_spoiled |= !is_away;
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        if mutant::is(Mutant::RegistryAskedForEver) {
            return None;
        }
        let opens = self.failures_in_row >= self.bounds.failures_in_row_max && self.probe_at_ms.is_none();
        opens.then(|| {
            self.probe_at_ms = Some(now_ms + self.bounds.pause_ms);
            Turn::Opened
        })
    }

    /// Whether the registry is left alone.
    pub fn is_open(&self) -> bool {
        self.probe_at_ms.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: Paused = Paused { was_away: true };

    #[test]
    fn so_many_failures_in_a_row_and_no_fewer_open_it() {
        let mut breaker = Breaker::new(BreakerBounds { failures_in_row_max: 3, pause_ms: 100 });
        assert_eq!(
            [breaker.failed(0, true), breaker.failed(0, true), breaker.answered()],
            [None, None, None]
        );
        assert_eq!([breaker.failed(1, true), breaker.failed(2, true)], [None, None]);
        assert_eq!((breaker.let_through(2), breaker.is_open()), (Ok(Leave::Asked), false));
        assert_eq!(breaker.failed(3, true), Some(Turn::Opened));
        assert_eq!((breaker.failed(4, true), breaker.is_open()), (None, true), "told once");
    }

    #[test]
    fn one_probe_goes_in_each_pause_and_an_answer_closes_it() {
        let mut breaker = Breaker::new(BreakerBounds { failures_in_row_max: 1, pause_ms: 100 });
        assert_eq!(breaker.failed(0, true), Some(Turn::Opened));
        assert_eq!([breaker.let_through(99), breaker.let_through(100)], [Err(AWAY), Ok(Leave::Probe(AWAY))]);
        assert_eq!([breaker.let_through(100), breaker.let_through(199)], [Err(AWAY), Err(AWAY)]);
        assert_eq!(breaker.failed(150, true), None);
        assert_eq!(
            breaker.let_through(200),
            Ok(Leave::Probe(AWAY)),
            "also when the probe before was never answered"
        );
        assert_eq!(breaker.answered(), Some(Turn::Closed));
        assert_eq!([breaker.let_through(201), breaker.let_through(201)], [Ok(Leave::Asked); 2]);
        assert_eq!(breaker.answered(), None);
    }

    #[test]
    fn it_remembers_whether_an_answer_could_not_be_believed_until_one_can() {
        let mut breaker = Breaker::new(BreakerBounds { failures_in_row_max: 2, pause_ms: 100 });
        breaker.failed(0, false);
        breaker.failed(0, true);
        assert_eq!(breaker.let_through(1), Err(Paused { was_away: false }));
        breaker.answered();
        breaker.failed(2, true);
        breaker.failed(2, true);
        assert_eq!(breaker.let_through(3), Err(AWAY));
        breaker.failed(102, false);
        assert_eq!(breaker.let_through(3), Err(Paused { was_away: false }), "the probe's counts too");
    }
}
