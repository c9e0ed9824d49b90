//! The two clocks, read once for each batch of inputs.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use processor::Now;

/// Monotonic time from a fixed start, and the wall's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at 0.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono_us: self.mono_us(), wall_ms: since.as_millis() as i64 }
    }

    /// The monotonic clock alone, microseconds.
    pub fn mono_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// The moment at which the monotonic clock shows `mono_us`.
    pub(crate) fn at(&self, mono_us: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + std::time::Duration::from_micros(mono_us))
    }
}
