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
pub struct Paused;

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
    /// The next probe may go then; `None` while the registry is asked.
    probe_at_ms: Option<u64>,
}

impl Breaker {
    /// The registry is asked.
    pub fn new(bounds: BreakerBounds) -> Breaker {
        Breaker { bounds, failures_in_row: 0, probe_at_ms: None }
    }

    /// Whether a question may be put now. One that is let through while the registry is left alone is the probe, and
    /// the next may go a pause later, whatever becomes of it.
    ///
    /// # Errors
    /// [`Paused`].
    pub fn let_through(&mut self, now_ms: u64) -> Result<(), Paused> {
        match self.probe_at_ms {
            Some(probe_at_ms) if now_ms < probe_at_ms => Err(Paused),
            Some(_) => {
                self.probe_at_ms = Some(now_ms + self.bounds.pause_ms);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The registry has given an answer that can be believed.
    pub fn answered(&mut self) -> Option<Turn> {
        self.failures_in_row = 0;
        self.probe_at_ms.take().map(|_| Turn::Closed)
    }

    /// It has not.
    pub fn failed(&mut self, now_ms: u64) -> Option<Turn> {
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

    #[test]
    fn so_many_failures_in_a_row_and_no_fewer_open_it() {
        let mut breaker = Breaker::new(BreakerBounds { failures_in_row_max: 3, pause_ms: 100 });
        assert_eq!([breaker.failed(0), breaker.failed(0), breaker.answered()], [None, None, None]);
        assert_eq!([breaker.failed(1), breaker.failed(2)], [None, None]);
        assert_eq!((breaker.let_through(2), breaker.is_open()), (Ok(()), false));
        assert_eq!(breaker.failed(3), Some(Turn::Opened));
        assert_eq!((breaker.failed(4), breaker.is_open()), (None, true), "told once");
    }

    #[test]
    fn one_probe_goes_in_each_pause_and_an_answer_closes_it() {
        let mut breaker = Breaker::new(BreakerBounds { failures_in_row_max: 1, pause_ms: 100 });
        assert_eq!(breaker.failed(0), Some(Turn::Opened));
        assert_eq!([breaker.let_through(99), breaker.let_through(100)], [Err(Paused), Ok(())]);
        assert_eq!([breaker.let_through(100), breaker.let_through(199)], [Err(Paused), Err(Paused)]);
        assert_eq!(breaker.failed(150), None);
        assert_eq!(breaker.let_through(200), Ok(()), "also when the probe before was never answered");
        assert_eq!(breaker.answered(), Some(Turn::Closed));
        assert_eq!([breaker.let_through(201), breaker.let_through(201)], [Ok(()), Ok(())]);
        assert_eq!(breaker.answered(), None);
    }
}
