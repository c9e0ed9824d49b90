//! 0800/101: a terminal or bank brings its next key, under its exchange key (docs/interface.md#key-exchange).

use std::fmt;

use iso8583::Message;
use mutant::Mutant;

use crate::ids::{Code, Institution, TerminalId};
use crate::io::{LinkId, Output, Ticket};
use crate::messages;
use crate::processor::Processor;

/// Key exchanges that wait for the security module, one of each owner; the next is answered 91.
pub const KEY_EXCHANGES_MAX: usize = 256;

/// DE70 of a key exchange.
pub(crate) const KEY_EXCHANGE: u64 = 101;

/// Whose key it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyOwner {
    /// A terminal's.
    Terminal(TerminalId),
    /// A bank's.
    Bank(Institution),
}

/// A key that the security module is to take in. Its block cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// Whose it is.
    pub owner: KeyOwner,
    /// DE120: the key block.
    pub block: Box<[u8]>,
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// What the security module says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyVerdict {
    /// Taken in; its check value in hex digits.
    Taken(Box<str>),
    /// No key block of the owner's, for something else than PINs and MACs, of another algorithm than its PIN blocks, or with a version
    /// that does not follow the one that is there: 88.
    Refused,
    /// Keys are not exchanged here: 40.
    NotHere,
    /// The module is away or has its hands full: 91.
    Unavailable,
}

/// An 0800 that waits for its answer.
pub(crate) struct Exchange {
    owner: KeyOwner,
    link: LinkId,
    message: Message,
}

impl Processor {
    /// Hands the block of an authentic 0800/101 to the security module.
    pub(crate) fn exchange_key(&mut self, link: LinkId, owner: KeyOwner, message: Message) {
        let Some(block) = message.get(120).map(Box::from) else {
            return self.send(link, messages::bare(&message, Code::FORMAT));
        };
        // One that comes while another is on its way to its sender would have its version.
        let has_one = self.is_exchanging(owner) || self.offers.contains_key(&owner);
        let has_one = has_one && !mutant::is(Mutant::OwnerExchangesAtOnce);
        if has_one || self.exchanges.len() >= KEY_EXCHANGES_MAX {
            return self.send(link, messages::bare(&message, Code::UNAVAILABLE));
        }
        let ticket = self.ticket();
        self.exchanges.insert(ticket, Exchange { owner, link, message });
        self.emit(Output::TakeKey(ticket, Box::new(KeyRequest { owner, block })));
    }

    /// Whether a key that the owner has brought waits for the security module.
    pub(crate) fn is_exchanging(&self, owner: KeyOwner) -> bool {
        self.exchanges.values().any(|exchange| exchange.owner == owner)
    }

    /// The security module's answer. The 0810 is still under the keys of before.
    pub(crate) fn key_taken(&mut self, ticket: Ticket, verdict: &KeyVerdict) {
        let Some(Exchange { owner, link, message }) = self.exchanges.remove(&ticket) else { return };
        let code = match verdict {
            KeyVerdict::Taken(_) => Code::APPROVED,
            KeyVerdict::Refused => Code::PIN_BLOCK,
            KeyVerdict::NotHere => Code::FUNCTION_UNKNOWN,
            KeyVerdict::Unavailable => Code::UNAVAILABLE,
        };
        let mut answer = messages::bare(&message, code);
        if let KeyVerdict::Taken(check_value) = verdict {
            answer.set_text(120, check_value);
        }
        self.send(link, answer);
        if matches!(verdict, KeyVerdict::Taken(_)) {
            self.emit(Output::UseKeys(link, owner));
        }
    }
}
