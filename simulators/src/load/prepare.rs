//! Before the clock of a phase starts: terminals sign on, and citizens are verified by real 0100s, in a closed loop.

use std::io;

use keys::LinkCodec;

use super::engine::{Asked, Engine, Ready, Signed, What};
use crate::terminal::card::Answered;

/// Verifications under way at once: enough to keep both cores busy, too few to be refused.
pub(super) const WINDOW: usize = 160;

/// Bytes of a 0200 with its proof, about.
const FRAME_BYTES: usize = 1_000;

/// Without an answer for so long the switch is taken for gone, microseconds.
const SILENCE_US_MAX: u64 = 60_000_000;

/// Nothing is waited for longer than this without a look at the clock, microseconds.
const WAIT_US: u64 = 1_000_000;

/// Answers other than 00 that are borne: a busy machine misses deadlines.
const REFUSALS_MAX: usize = 10_000;

/// Nothing is asked for so long after one, microseconds: a switch that leaves its registry alone, or that has
/// given out all references it can, refuses at once and for a while.
const REFUSED_PAUSE_US: u64 = 1_000_000;

impl Engine {
    /// Every machine signs on.
    ///
    /// # Errors
    /// One is not let in, or nothing is answered.
    pub(super) fn sign_on_all(&mut self) -> io::Result<()> {
        let mut silent_since_us = self.now_us();
        let mut next = 0;
        let mut signed_on = 0;
        while signed_on < self.machines.len() {
            while next < self.machines.len() && self.asked.len() < WINDOW {
                let (second, now_us) = (self.second, self.now_us());
                self.sign_on(next as u32, second, now_us)?;
                next += 1;
            }
            self.exchange(self.now_us() + WAIT_US)?;
            for answer in self.take_inbox() {
                silent_since_us = self.now_us();
                let Some((machine, _, _)) = self.asked_by(&answer) else { continue };
                if !self.machines[machine as usize].signed_on(&answer) {
                    return Err(io::Error::other("a terminal was not let in"));
                }
                signed_on += 1;
            }
            self.wait(silent_since_us)?;
        }
        Ok(())
    }

    /// Verifies citizens until `count` references are ready, or the word to stop is given; `told` hears how many are.
    ///
    /// # Errors
    /// Too many are refused, or nothing is answered.
    pub(super) fn verify(&mut self, count: usize, mut told: impl FnMut(usize)) -> io::Result<()> {
        let mut silent_since_us = self.now_us();
        let mut refusals = 0;
        let mut next_us = 0;
        let (now_us, kept_us) = (self.now_us(), self.waits.reference_us_max);
        self.ready.retain(|ready| ready.since_us + kept_us > now_us);
        while self.ready.len() < count && !self.stop.is_given() {
            while self.asked.len() < self.waits.window
                && self.ready.len() + self.asked.len() < count
                && self.now_us() >= next_us
            {
                self.ask_verification()?;
            }
            self.exchange(self.now_us() + WAIT_US)?;
            for answer in self.take_inbox() {
                silent_since_us = self.now_us();
                let Some((machine, _, asked)) = self.asked_by(&answer) else { continue };
                match answer.whole.as_deref().and_then(|whole| Answered::read(whole).reference) {
                    Some(reference) => {
                        self.citizens.known[asked.citizen as usize] = true;
                        let (citizen, since_us) = (asked.citizen, silent_since_us);
                        self.ready.push_back(Ready { machine, citizen, reference, since_us });
                    }
                    None => {
                        refusals += 1;
                        next_us = silent_since_us + REFUSED_PAUSE_US;
                    }
                }
                if refusals > REFUSALS_MAX {
                    let code = answer.code();
                    return Err(io::Error::other(format!("verifications are refused, the last with {code}")));
                }
            }
            told(self.ready.len());
            self.wait(silent_since_us)?;
        }
        Ok(())
    }

    /// Each visit is the next citizen's at the next machine, round and round.
    fn ask_verification(&mut self) -> io::Result<()> {
        let machine = (self.visits % self.machines.len() as u64) as u32;
        let citizen = (self.visits % self.citizens.count() as u64) as u32;
        self.visits += 1;
        let (second, now_us) = (self.second, self.now_us());
        let it = &mut self.machines[machine as usize];
        let stan = it.next_stan();
        let message = it
            .verification(second, stan, &self.citizens, citizen)
            .ok_or_else(|| io::Error::other("a terminal has not signed on"))?;
        let what = What::Verification;
        self.send(
            machine,
            &message,
            Asked { what, citizen, due_us: now_us, sent_us: now_us, second, counts: false },
        )
    }

    /// Makes 0200 with their proofs, as many as `count` in all, new ones: a proof is good for two minutes only. Their citizens
    /// are those whose cards the switch has seen by then, in turn.
    ///
    /// # Errors
    /// A terminal has not signed on, or a message that the link cannot carry.
    pub(super) fn sign(&mut self, count: usize) -> io::Result<()> {
        self.set_second();
        self.signed.clear();
        let second = self.second;
        let seen: Vec<u32> =
            (0..).zip(&self.citizens.known).filter(|(_, known)| **known).map(|(it, _)| it).collect();
        for (number, &citizen) in (0..count).zip(seen.iter().cycle()) {
            let machine = number % self.machines.len();
            let it = &mut self.machines[machine];
            let stan = it.next_stan();
            let message = it
                .one_step(second, stan, &self.citizens, citizen)
                .ok_or_else(|| io::Error::other("a terminal has not signed on"))?;
            let mut frame = Vec::with_capacity(FRAME_BYTES);
            LinkCodec::terminal().send(&message, Some(&it.mac), &mut frame).map_err(io::Error::other)?;
            let (machine, frame) = (machine as u32, frame.into());
            self.signed.push_back(Signed { machine, citizen, stan, second, frame });
        }
        Ok(())
    }

    fn wait(&self, silent_since_us: u64) -> io::Result<()> {
        let now_us = self.now_us();
        if now_us - silent_since_us > SILENCE_US_MAX {
            return Err(io::Error::other("the switch does not answer"));
        }
        Ok(())
    }
}
