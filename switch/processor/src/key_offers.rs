//! Keys that the switch itself sends: 0800/101 to a terminal or bank, taken into use at the 0810 that says its check value
//! (docs/interface.md#key-exchange).

use std::fmt;

use iso8583::{Message, Mti};
use mutant::Mutant;

use crate::ids::{BankIdentity, Code, UtcSeconds};
use crate::io::{Event, LinkId, Output, Ticket};
use crate::key_exchange::{KEY_EXCHANGE, KeyOwner};
use crate::processor::{Processor, Timer};

/// Keys that are on their way to their owners, one to each; the next command is refused.
pub const KEY_OFFERS_MAX: usize = 256;

/// A key is sent so often at most, each time with a wait of `network_response_ms_max`; then it is given up, and the old one
/// stays in use.
pub const KEY_OFFER_TRIES_MAX: u32 = 3;

/// Why a command to send a key is refused where its owner cannot be reached; nothing has been made then.
pub const KEY_OWNER_AWAY: &str = "not connected and signed on";

/// So begins why a key was not sent where its owner has said that it did not take it in. With any other reason it may have it.
pub const KEY_REFUSED: &str = "refused with";

/// What a key that is sent is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SentKey {
    /// PIN blocks.
    Pin,
    /// MACs of what the owner sends.
    MacToSwitch,
    /// MACs of what the switch sends.
    MacFromSwitch,
}

/// A key that the security module is to make, or to take into use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OfferedKey {
    /// Whose it is.
    pub owner: KeyOwner,
    /// What it is for.
    pub what: SentKey,
}

/// A key in a block for its owner. The block cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyOffer {
    /// DE120 of the 0800.
    pub block: Box<str>,
    /// What DE120 of the 0810 has to say: the check value in hex digits.
    pub check_value: Box<str>,
}

impl fmt::Debug for KeyOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyOffer").field("check_value", &self.check_value).finish_non_exhaustive()
    }
}

/// Why a key that was sent is not in use. The one before it is, and the other one is accepted as well: its owner may have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyNotSent {
    /// No 0810 after [`KEY_OFFER_TRIES_MAX`] times, or its owner had its hands full each time (91).
    Unanswered,
    /// Refused with this code.
    Refused(Code),
    /// 00, and another check value than the key's: its owner has taken another key in.
    OtherCheckValue,
    /// Its owner has it, and the module did not take it into use: its owner drops the one before a day after it took this one in.
    NotUsed,
}

impl fmt::Display for KeyNotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyNotSent::Unanswered => write!(f, "no answer after {KEY_OFFER_TRIES_MAX} times"),
            // What a peer answers to a function that it does not know.
            KeyNotSent::Refused(code @ Code::FUNCTION_UNKNOWN) => write!(
                f,
                "{KEY_REFUSED} {code}: its owner takes no keys over its link; rotate without --send, and bring it the block"
            ),
            KeyNotSent::Refused(code) => write!(f, "{KEY_REFUSED} {code}"),
            KeyNotSent::OtherCheckValue => f.write_str("answered with the check value of another key"),
            KeyNotSent::NotUsed => f.write_str("its owner has it, and it was not taken into use"),
        }
    }
}

/// A key on its way.
pub(crate) struct Offering {
    what: SentKey,
    /// The command's.
    command: Ticket,
    stage: Stage,
}

enum Stage {
    /// The module was asked to make the key.
    Making(Ticket),
    /// Sent; the 0810 is waited for.
    Sent(Sent),
    /// The 0810 has come; the module was asked to take the key into use.
    Using(Ticket),
}

struct Sent {
    offer: KeyOffer,
    name: BankIdentity,
    tries: u32,
    until_us: u64,
}

/// Digits of a check value that an answer has to say at least.
const CHECK_VALUE_DIGITS_MIN: usize = 6;

/// Three bytes of a check value or more may be told, by its owner as by the module: one of them has to be the other's front.
fn is_check_value(said: &str, known: &str) -> bool {
    let digits = said.len().min(known.len());
    let fronts = said.get(..digits).zip(known.get(..digits));
    digits >= CHECK_VALUE_DIGITS_MIN && fronts.is_some_and(|(said, known)| said.eq_ignore_ascii_case(known))
}

impl Processor {
    /// An operator, or the calendar, wants a new key.
    pub(crate) fn send_key(&mut self, command: Ticket, key: OfferedKey) {
        let owner = key.owner;
        let refusal = if self.offers.contains_key(&owner) || self.is_exchanging(owner) {
            Some("a key of this owner is on its way already".to_owned())
        } else if self.offers.len() >= KEY_OFFERS_MAX {
            Some(format!("{KEY_OFFERS_MAX} keys are on their way"))
        } else if self.link_to(owner).is_none() {
            Some(KEY_OWNER_AWAY.to_owned())
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.emit(Output::Commanded(command, Err(refusal)));
        }
        let ticket = self.ticket();
        self.offers.insert(owner, Offering { what: key.what, command, stage: Stage::Making(ticket) });
        self.emit(Output::OfferKey(ticket, key));
    }

    /// The module's new key, or why there is none.
    pub(crate) fn key_offered(&mut self, ticket: Ticket, offered: Result<KeyOffer, String>) {
        let is_asked =
            |offering: &Offering| matches!(offering.stage, Stage::Making(asked) if asked == ticket);
        let Some(owner) = self.offers.iter().find_map(|(owner, it)| is_asked(it).then_some(*owner)) else {
            return;
        };
        match offered {
            Ok(offer) => self.send_offer(owner, offer, 1),
            Err(reason) => self.end_offer(owner, Err(reason)),
        }
    }

    /// 0800, and the wait for its 0810. Without a connection it is lost, like any message on its way.
    fn send_offer(&mut self, owner: KeyOwner, offer: KeyOffer, tries: u32) {
        let name = self.next_name(owner);
        let link = self.link_to(owner);
        let until_us = self.in_ms(self.config.timers.network_response_ms_max);
        let mut message = Message::new(Mti::new(800));
        message.set(7, &name.sent_at.to_de7()).set_number(11, name.stan.into(), 6);
        if let KeyOwner::Terminal(terminal) = owner {
            message.set(41, &terminal.0);
        }
        message.set_number(70, KEY_EXCHANGE, 3).set_text(120, &offer.block);
        let Some(offering) = self.offers.get_mut(&owner) else { return };
        offering.stage = Stage::Sent(Sent { offer, name, tries, until_us });
        self.start_timer(until_us, Timer::KeyOffer(owner));
        if let Some(link) = link {
            self.send(link, message);
        }
    }

    /// A bank's names are its own; a terminal's have the time before them, so that the next 0800 has another one.
    fn next_name(&mut self, owner: KeyOwner) -> BankIdentity {
        let now = self.now_seconds();
        match owner {
            KeyOwner::Bank(bank) => self.new_bank_identity(bank),
            KeyOwner::Terminal(_) => {
                self.last_key_stan = self.last_key_stan % 999_999 + 1;
                BankIdentity { sent_at: now, stan: self.last_key_stan }
            }
        }
    }

    /// An 0810; `false`: it answers no key of ours.
    pub(crate) fn key_answered(&mut self, owner: KeyOwner, message: &Message) -> bool {
        let now = self.now_seconds();
        let sent_at = message.get(7).and_then(|de7| UtcSeconds::from_de7(de7, now));
        let stan = message.number(11);
        let Some(Offering { stage: Stage::Sent(sent), what, .. }) = self.offers.get(&owner) else {
            return false;
        };
        if sent_at != Some(sent.name.sent_at) || stan != Some(sent.name.stan.into()) {
            return false;
        }
        let (what, until_us) = (*what, sent.until_us);
        let is_same = message.text(120).is_some_and(|said| is_check_value(said, &sent.offer.check_value))
            || mutant::is(Mutant::KeyUsedUnconfirmed);
        match message.get(39).and_then(Code::parse) {
            Some(Code::APPROVED) if is_same => {
                let check_value = sent.offer.check_value.clone();
                self.stop_timer(until_us, Timer::KeyOffer(owner));
                let ticket = self.ticket();
                if let Some(offering) = self.offers.get_mut(&owner) {
                    offering.stage = Stage::Using(ticket);
                }
                self.emit(Output::UseOfferedKey(ticket, OfferedKey { owner, what }, check_value));
            }
            Some(Code::APPROVED) => self.give_up_key(owner, KeyNotSent::OtherCheckValue),
            // It has its hands full: the next time comes with the wait's end.
            Some(Code::UNAVAILABLE) => {}
            code => self.give_up_key(owner, KeyNotSent::Refused(code.unwrap_or(Code::UNSAFE))),
        }
        true
    }

    /// No answer in time.
    pub(crate) fn key_offer_timer(&mut self, owner: KeyOwner) {
        let Some(Offering { stage: Stage::Sent(sent), .. }) = self.offers.get(&owner) else { return };
        if sent.tries >= KEY_OFFER_TRIES_MAX {
            return self.give_up_key(owner, KeyNotSent::Unanswered);
        }
        let (offer, tries) = (sent.offer.clone(), sent.tries + 1);
        self.send_offer(owner, offer, tries);
    }

    fn give_up_key(&mut self, owner: KeyOwner, why: KeyNotSent) {
        if let Some(Offering { stage: Stage::Sent(sent), .. }) = self.offers.get(&owner) {
            let until_us = sent.until_us;
            self.stop_timer(until_us, Timer::KeyOffer(owner));
        }
        if let Some(offering) = self.offers.get(&owner) {
            let what = offering.what;
            self.event(Event::KeyNotSent(OfferedKey { owner, what }, why));
        }
        self.end_offer(owner, Err(why.to_string()));
    }

    /// The module's answer to the 0810.
    pub(crate) fn offered_key_used(&mut self, ticket: Ticket, used: Result<(), String>) {
        let is_asked = |offering: &Offering| matches!(offering.stage, Stage::Using(asked) if asked == ticket);
        let Some(owner) = self.offers.iter().find_map(|(owner, it)| is_asked(it).then_some(*owner)) else {
            return;
        };
        if let Some(offering) = self.offers.get(&owner) {
            let key = OfferedKey { owner, what: offering.what };
            self.event(match used {
                Ok(()) => Event::KeySent(key),
                Err(_) => Event::KeyNotSent(key, KeyNotSent::NotUsed),
            });
        }
        self.end_offer(owner, used.map_err(|reason| format!("{}: {reason}", KeyNotSent::NotUsed)));
    }

    fn end_offer(&mut self, owner: KeyOwner, result: Result<(), String>) {
        if let Some(offering) = self.offers.remove(&owner) {
            self.emit(Output::Commanded(offering.command, result));
        }
    }

    /// The connection on which an owner's 0800 leaves.
    fn link_to(&mut self, owner: KeyOwner) -> Option<LinkId> {
        match owner {
            KeyOwner::Terminal(terminal) => self.sessions.get(&terminal).map(|session| session.link()),
            KeyOwner::Bank(bank) => self.ready_link(bank),
        }
    }
}
