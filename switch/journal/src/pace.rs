//! Long work behind a running log, cut into stretches: threads that somebody waits for find a processor between them.

use std::io::{self, Write};
use std::time::Duration;

/// Steps of a stretch. A step is some microseconds at most, so a stretch is shorter than what a scheduler gives a thread in
/// one go, some milliseconds: that long a sync would wait for its processor otherwise.
const STRETCH_STEPS: u32 = 256;

/// The pause behind a stretch.
const PAUSE: Duration = Duration::from_micros(100);

/// Bytes that are written in a step.
const STEP_BYTES: usize = 256;

/// How a piece of work goes on.
pub(crate) struct Pace {
    steps: u32,
    pauses: bool,
}

impl Pace {
    /// With a pause behind each stretch.
    pub(crate) fn leaving_room() -> Pace {
        Pace { steps: 0, pauses: true }
    }

    /// As fast as it goes: somebody waits for this.
    pub(crate) fn at_once() -> Pace {
        Pace { steps: 0, pauses: false }
    }

    /// So many steps are done.
    pub(crate) fn done(&mut self, steps: u32) {
        self.steps += steps;
        if self.steps >= STRETCH_STEPS {
            self.steps = 0;
            if self.pauses {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Sorts by `key`, whose order begins with that of `front`: first apart by it, then each part for itself.
    pub(crate) fn sort<T: Copy, K: Ord>(
        &mut self,
        items: &mut Vec<T>,
        front: impl Fn(&T) -> u8,
        key: impl Fn(&T) -> K,
    ) {
        let mut parts: [Vec<T>; 256] = std::array::from_fn(|_| Vec::with_capacity(items.len() / 200));
        for stretch in items.chunks(STRETCH_STEPS as usize * 16) {
            stretch.iter().for_each(|item| parts[usize::from(front(item))].push(*item));
            self.done(STRETCH_STEPS);
        }
        items.clear();
        for part in &mut parts {
            part.sort_unstable_by_key(&key);
            items.extend_from_slice(part);
            self.done(part.len() as u32 / 16);
        }
    }
}

/// Memory that is written at a pace.
pub(crate) struct PacedBytes<'p> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pace: &'p mut Pace,
    unpaid: usize,
}

impl<'p> PacedBytes<'p> {
    pub(crate) fn new(pace: &'p mut Pace) -> PacedBytes<'p> {
        PacedBytes { bytes: Vec::new(), pace, unpaid: 0 }
    }
}

impl Write for PacedBytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.unpaid += bytes.len();
        self.pace.done((self.unpaid / STEP_BYTES) as u32);
        self.unpaid %= STEP_BYTES;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorted_in_stretches_is_sorted(mut items in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..600)) {
            let mut expected = items.clone();
            expected.sort_unstable();
            Pace::at_once().sort(&mut items, |item| (item.0 >> 8) as u8, |item| *item);
            prop_assert_eq!(items, expected);
        }
    }
}
