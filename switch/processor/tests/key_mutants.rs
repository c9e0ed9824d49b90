//! Rules of key exchange and of foreign messages, broken on purpose (docs/mutants.md). A program of its own, for a rule is broken
//! for the whole process.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::{Message, Mti};
use mutant::Mutant;
use processor::{Authenticity, Command, Input, KeyOffer, KeyOwner, OfferedKey, SentKey, TerminalId, Ticket};
use support::*;

/// Whether a key is used whose owner has answered with another key's check value.
fn another_key_is_used() -> bool {
    let mut world = World::new();
    let owner = KeyOwner::Terminal(TerminalId::parse(b"HN000001").unwrap());
    let key = OfferedKey { owner, what: SentKey::Pin };
    world.input(Input::Operator(Ticket(7), Command::SendKey(key)));
    let (ticket, _) = world.offers.remove(0);
    let offer = KeyOffer { block: "D0112BLOCK".into(), check_value: "1A2B3C".into() };
    world.input(Input::KeyOffered(ticket, Ok(offer)));
    let mut answer = world.taken(TERMINAL, 800).1;
    answer.set_mti(Mti::new(810));
    answer.set_text(39, "00").set_text(120, "4D5E6F");
    world.terminal(answer);
    !world.uses.is_empty()
}

/// Whether a connection gets an answer to a message for another terminal.
fn a_foreign_message_is_answered() -> bool {
    let mut world = World::new();
    let message: Message = world.request(200, "01", 2_000_000);
    let (link, authenticity) = (TERMINAL, Authenticity::Foreign);
    world.input(Input::Received { link, message, authenticity, citizen: None });
    world.sent.iter().any(|(_, message)| message.mti().value() == 210)
}

#[test]
fn each_rule_broken_shows_and_none_does_whole() {
    type Shows = fn() -> bool;
    let rules: [(Mutant, Shows); 2] = [
        (Mutant::KeyUsedUnconfirmed, another_key_is_used),
        (Mutant::ForeignAnswered, a_foreign_message_is_answered),
    ];
    for (mutant, shows) in rules {
        assert!(!shows(), "{} whole", mutant.name());
        mutant::activate(Some(mutant));
        assert!(shows(), "{} broken", mutant.name());
        mutant::activate(None);
    }
}
