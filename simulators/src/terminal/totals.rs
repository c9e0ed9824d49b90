//! What an acquirer says its day comes to, over this machine: 0500, and 0501 until it is answered (docs/interface.md#totals).

use iso8583::{Message, Mti};

use super::io::{Event, Now, Output};
use super::key::TxKey;
use super::machine::{Terminal, is_named};

/// A 0500 is said so often; then nobody waits for its answer any more.
pub const TOTALS_TRIES_MAX: u32 = 10;

/// Elements of a 0500 beside its name: DE15, DE50, DE74 to 89, DE97.
pub type TotalsElements = Vec<(u8, Box<str>)>;

/// A 0500 that waits for its 0510.
#[derive(Debug)]
pub(super) struct Saying {
    key: TxKey,
    message: Message,
    tries: u32,
    due_us: u64,
}

impl Terminal {
    /// Says totals as soon as there is a connection. What was said before and is not answered is given up.
    pub(super) fn say_totals(&mut self, elements: &TotalsElements, now: Now) {
        let key = self.new_key(500, now);
        let mut message = Message::new(Mti::new(500));
        message.set_text(7, &key.de7()).set_number(11, key.stan.into(), 6).set_text(41, &self.config.de41());
        for (element, value) in elements {
            message.set_text(*element, value);
        }
        let saying = Saying { key, message, tries: 0, due_us: now.mono_us };
        if self.saying.replace(saying).is_some() {
            self.outputs.push_back(Output::Totals(None));
        }
    }

    /// Totals are said, and not answered yet.
    pub(super) fn says_totals(&self) -> bool {
        self.saying.is_some()
    }

    /// When they are to be said, or said again.
    pub(super) fn totals_due_us(&self) -> Option<u64> {
        self.saying.as_ref().map(|saying| saying.due_us)
    }

    /// There is a connection.
    pub(super) fn totals_tick(&mut self, now: Now) {
        let wait_us = self.config.timers.answer_ms_max * 1_000;
        let Some(saying) = self.saying.as_mut().filter(|saying| saying.due_us <= now.mono_us) else { return };
        if saying.tries >= TOTALS_TRIES_MAX {
            self.saying = None;
            return self.outputs.push_back(Output::Totals(None));
        }
        let mut message = saying.message.clone();
        if saying.tries > 0 {
            message.set_mti(message.mti().repeat());
        }
        saying.tries += 1;
        saying.due_us = now.mono_us + wait_us;
        self.send(message, now);
    }

    /// 0510. One that says that the switch cannot count now (91, 96) is as none: the totals are said again.
    pub(super) fn totals_answer(&mut self, message: &Message, code: [u8; 2]) {
        match &self.saying {
            Some(saying) if is_named(message, &saying.key) => {
                if !matches!(&code, b"91" | b"96") {
                    self.saying = None;
                    self.outputs.push_back(Output::Totals(Some(Box::new(message.clone()))));
                }
            }
            Some(_) | None => self.event(Event::Stray),
        }
    }
}
