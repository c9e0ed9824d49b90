//! Keys that the switch sends by 0800/101: when they are used, repeated and given up (docs/interface.md#key-exchange).
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::{Message, Mti};
use processor::{
    Code, Command, Event, Input, KEY_OFFER_TRIES_MAX, KeyNotSent, KeyOffer, KeyOwner, LinkId, OfferedKey,
    SentKey, TerminalId, Ticket, Timers,
};
use support::*;

fn terminal() -> KeyOwner {
    KeyOwner::Terminal(TerminalId::parse(b"HN000001").unwrap())
}

fn bank() -> KeyOwner {
    KeyOwner::Bank(institution(BIDV))
}

fn link_of(owner: KeyOwner) -> LinkId {
    if owner == terminal() { TERMINAL } else { bank_link(BIDV) }
}

fn pin(owner: KeyOwner) -> OfferedKey {
    OfferedKey { owner, what: SentKey::Pin }
}

/// Commands a key for an owner.
fn command(world: &mut World, key: OfferedKey) {
    world.input(Input::Operator(Ticket(7), Command::SendKey(key)));
}

/// The module has made what it was asked for.
fn made(world: &mut World) {
    let (ticket, _) = world.offers.remove(0);
    let offer = KeyOffer { block: "D0112BLOCK".into(), check_value: "1A2B3C".into() };
    world.input(Input::KeyOffered(ticket, Ok(offer)));
}

/// A key that has left, as its 0800.
fn sent(world: &mut World, owner: KeyOwner) -> Message {
    command(world, pin(owner));
    made(world);
    world.taken(link_of(owner), 800).1
}

/// The owner's 0810.
fn answer(world: &mut World, owner: KeyOwner, request: &Message, code: &str, check_value: Option<&str>) {
    let mut answer = Message::new(Mti::new(810));
    for element in [7, 11, 41, 70] {
        if let Some(value) = request.get(element) {
            answer.set(element, value);
        }
    }
    answer.set_text(39, code);
    if let Some(check_value) = check_value {
        answer.set_text(120, check_value);
    }
    if owner == terminal() { world.terminal(answer) } else { world.bank(BIDV, answer) }
}

/// What the command was told, where it is over.
fn ended(world: &mut World) -> Option<Result<(), String>> {
    world.commanded.pop().map(|(ticket, result)| {
        assert_eq!(ticket, Ticket(7));
        result
    })
}

#[test]
fn a_key_is_used_at_the_answer_that_says_its_check_value() {
    for owner in [terminal(), bank()] {
        let mut world = World::new();
        let request = sent(&mut world, owner);
        assert_eq!((request.text(70), request.text(120)), (Some("101"), Some("D0112BLOCK")));
        assert_eq!(request.text(41), (owner == terminal()).then_some("HN000001"));
        assert!(world.uses.is_empty() && ended(&mut world).is_none());
        answer(&mut world, owner, &request, "00", Some("1a2b3c"));
        let (ticket, key, check_value) = world.uses.remove(0);
        assert_eq!((key, &*check_value), (pin(owner), "1A2B3C"));
        assert_eq!(ended(&mut world), None, "the module has not done it yet");
        world.input(Input::OfferedKeyUsed(ticket, Ok(())));
        assert_eq!(ended(&mut world), Some(Ok(())));
        assert_eq!(world.events, [Event::KeySent(pin(owner))]);
        answer(&mut world, owner, &request, "00", Some("1A2B3C"));
        assert!(world.uses.is_empty() && world.log.is_empty(), "an answer that comes twice");
        world.pass_ms(120_000);
        assert!(ended(&mut world).is_none());
    }
}

/// The audit alone said so, and at the end of its day for the old key the bank could read no PIN any more.
#[test]
fn a_key_that_its_owner_has_and_the_module_does_not_use_is_an_alarm() {
    for owner in [terminal(), bank()] {
        let mut world = World::new();
        let request = sent(&mut world, owner);
        answer(&mut world, owner, &request, "00", Some("1A2B3C"));
        let (ticket, ..) = world.uses.remove(0);
        world.input(Input::OfferedKeyUsed(ticket, Err("hsm.keys: no space".to_owned())));
        let told = "its owner has it, and it was not taken into use: hsm.keys: no space";
        assert_eq!(ended(&mut world), Some(Err(told.to_owned())));
        let not_used = Event::KeyNotSent(pin(owner), KeyNotSent::NotUsed);
        assert!(not_used.is_alarm());
        assert_eq!(world.events, [not_used]);
        // The next try offers it anew.
        command(&mut world, pin(owner));
        assert_eq!(world.offers.len(), 1);
    }
}

#[test]
fn silence_is_asked_again_so_often_and_then_given_up() {
    for owner in [terminal(), bank()] {
        let mut world = World::new();
        sent(&mut world, owner);
        let wait_ms = Timers::default().network_response_ms_max;
        for _ in 1..KEY_OFFER_TRIES_MAX {
            world.pass_ms(wait_ms - 1);
            assert!(world.sent.iter().all(|(_, message)| message.text(70) != Some("101")));
            world.pass_ms(1);
            let again = world.sent.iter().find(|(_, message)| message.text(70) == Some("101"));
            assert_eq!(again.unwrap().1.text(120), Some("D0112BLOCK"), "the same key");
            world.sent.clear();
        }
        world.pass_ms(wait_ms);
        assert_eq!(ended(&mut world), Some(Err("no answer after 3 times".to_owned())));
        let given_up = Event::KeyNotSent(pin(owner), KeyNotSent::Unanswered);
        assert!(given_up.is_alarm() && world.events.contains(&given_up));
        assert!(world.uses.is_empty(), "the old one stays in use");
        // The next command offers it anew.
        command(&mut world, pin(owner));
        assert_eq!(world.offers.len(), 1);
    }
}

#[test]
fn the_answer_to_a_repeat_counts_and_one_to_an_earlier_0800_is_nobodys() {
    let mut world = World::new();
    let first = sent(&mut world, terminal());
    world.pass_ms(Timers::default().network_response_ms_max);
    let second = world.taken(TERMINAL, 800).1;
    answer(&mut world, terminal(), &first, "00", Some("1A2B3C"));
    assert!(world.uses.is_empty());
    answer(&mut world, terminal(), &second, "00", Some("1A2B3C"));
    assert_eq!(world.uses.len(), 1);
}

#[test]
fn an_owner_that_refuses_or_has_another_key_is_told_of() {
    let refused = |code: &[u8; 2]| KeyNotSent::Refused(Code(*code));
    for (code, check_value, why) in [
        ("88", None, refused(b"88")),
        ("40", Some("1A2B3C"), refused(b"40")),
        ("00", Some("1A2B3D"), KeyNotSent::OtherCheckValue),
        ("00", Some("1A2B"), KeyNotSent::OtherCheckValue),
        ("00", Some("1A2B3D4D5E"), KeyNotSent::OtherCheckValue),
        ("00", None, KeyNotSent::OtherCheckValue),
    ] {
        for owner in [terminal(), bank()] {
            let mut world = World::new();
            let request = sent(&mut world, owner);
            answer(&mut world, owner, &request, code, check_value);
            assert_eq!(ended(&mut world), Some(Err(why.to_string())));
            assert_eq!(world.events, [Event::KeyNotSent(pin(owner), why)]);
            assert!(world.uses.is_empty());
        }
    }
}

/// A security module may tell 3 bytes of a key whose owner tells 5.
#[test]
fn a_check_value_is_the_same_when_one_end_tells_more_of_it() {
    for said in ["1A2B3C", "1a2b3c4d5e"] {
        let mut world = World::new();
        let request = sent(&mut world, bank());
        answer(&mut world, bank(), &request, "00", Some(said));
        assert_eq!(&*world.uses.remove(0).2, "1A2B3C", "the module's own");
    }
}

#[test]
fn who_has_his_hands_full_is_asked_again() {
    let mut world = World::new();
    let request = sent(&mut world, terminal());
    answer(&mut world, terminal(), &request, "91", None);
    assert_eq!(ended(&mut world), None);
    world.pass_ms(Timers::default().network_response_ms_max);
    let again = world.taken(TERMINAL, 800).1;
    answer(&mut world, terminal(), &again, "00", Some("1A2B3C"));
    assert_eq!(world.uses.len(), 1);
}

#[test]
fn an_owner_has_one_key_on_its_way_in_either_direction() {
    let mut world = World::new();
    let request = sent(&mut world, terminal());
    command(&mut world, OfferedKey { owner: terminal(), what: SentKey::MacToSwitch });
    assert_eq!(ended(&mut world), Some(Err("a key of this owner is on its way already".to_owned())));
    let mut own = request.clone();
    own.set_text(11, "000777");
    world.terminal(own.clone());
    assert_eq!(world.taken(TERMINAL, 810).1.text(39), Some("91"));
    assert!(world.keys.is_empty());
    answer(&mut world, terminal(), &request, "88", None);
    assert!(ended(&mut world).is_some());
    world.terminal(own);
    assert_eq!(world.keys.len(), 1, "and then it may bring one");
    command(&mut world, pin(terminal()));
    assert!(ended(&mut world).unwrap().is_err());
}

#[test]
fn nobody_is_sent_a_key_that_is_not_there_and_a_module_without_one_says_why() {
    let mut world = World::new();
    let away = KeyOwner::Terminal(TerminalId::parse(b"HN000002").unwrap());
    command(&mut world, pin(away));
    assert_eq!(ended(&mut world), Some(Err("not connected and signed on".to_owned())));
    command(&mut world, pin(bank()));
    let (ticket, _) = world.offers.remove(0);
    world.input(Input::KeyOffered(ticket, Err("there is no exchange key".to_owned())));
    assert_eq!(ended(&mut world), Some(Err("there is no exchange key".to_owned())));
    command(&mut world, pin(bank()));
    assert_eq!(world.offers.len(), 1);
}

#[test]
fn who_takes_no_keys_over_its_link_is_told_of_with_what_to_do() {
    let mut world = World::new();
    let offered = sent(&mut world, terminal());
    answer(&mut world, terminal(), &offered, "40", None);
    let Some(Err(told)) = ended(&mut world) else { panic!("it is not sent") };
    assert!(told.starts_with("refused with 40: ") && told.contains("without --send"), "{told}");
}
