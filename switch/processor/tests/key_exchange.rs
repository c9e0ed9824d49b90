//! 0800/101 of terminals and banks: what the module is asked, and how each of its answers is told (docs/interface.md#key-exchange).
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::{Message, Mti};
use processor::{KEY_EXCHANGES_MAX, KeyOwner, KeyVerdict, LinkId, TerminalId};
use support::*;

fn exchange(world: &mut World, terminal: Option<&str>, block: Option<&str>) -> Message {
    let mut message = Message::new(Mti::new(800));
    let stan = world.stan();
    message.set(7, &world.de7()).set_number(11, stan, 6).set_number(70, 101, 3);
    if let Some(terminal) = terminal {
        message.set_text(41, terminal);
    }
    if let Some(block) = block {
        message.set_text(120, block);
    }
    message
}

/// DE39 and DE120 of the oldest 0810 there.
fn told(world: &mut World, link: LinkId) -> (String, Option<String>) {
    let answer = world.taken(link, 810).1;
    (answer.text(39).unwrap().to_owned(), answer.text(120).map(str::to_owned))
}

#[test]
fn each_answer_of_the_module_has_its_code() {
    for (verdict, code, check_value) in [
        (KeyVerdict::Taken("1A2B3C".into()), "00", Some("1A2B3C")),
        (KeyVerdict::Refused, "88", None),
        (KeyVerdict::NotHere, "40", None),
        (KeyVerdict::Unavailable, "91", None),
    ] {
        for is_bank in [false, true] {
            let mut world = World::new();
            let link = if is_bank { bank_link(BIDV) } else { TERMINAL };
            if is_bank {
                let message = exchange(&mut world, None, Some("D0112"));
                world.bank(BIDV, message);
            } else {
                let message = exchange(&mut world, Some("HN000001"), Some("D0112"));
                world.terminal(message);
            }
            world.silent(link, 810);
            let asked = &world.keys[0].1;
            let is_owner = match asked.owner {
                KeyOwner::Bank(bank) => is_bank && bank == institution(BIDV),
                KeyOwner::Terminal(terminal) => !is_bank && terminal.to_string() == "HN000001",
            };
            assert!(is_owner && *asked.block == *b"D0112", "{asked:?}");
            world.key_verdict(verdict.clone());
            assert_eq!(told(&mut world, link), (code.to_owned(), check_value.map(str::to_owned)));
            assert_eq!(world.rekeyed.len(), usize::from(code == "00"), "behind the answer");
            assert!(world.log.is_empty());
        }
    }
}

/// A world with so many terminals beside HN000001: `T0000000` and so on.
fn crowd(terminals: usize) -> World {
    let mut config = config();
    let one = config.terminals.values().next().unwrap().clone();
    config.terminals.extend((0..terminals).map(|number| {
        let id = TerminalId::parse(format!("T{number:07}").as_bytes()).unwrap();
        (id, one.clone())
    }));
    World::with(config)
}

#[test]
fn without_a_block_it_is_30_and_what_waits_is_bounded() {
    let mut world = crowd(KEY_EXCHANGES_MAX);
    let message = exchange(&mut world, Some("HN000001"), None);
    world.terminal(message);
    assert_eq!(told(&mut world, TERMINAL), ("30".to_owned(), None));
    for number in 0..KEY_EXCHANGES_MAX {
        let message = exchange(&mut world, Some(&format!("T{number:07}")), Some("D0112"));
        world.terminal(message);
    }
    let message = exchange(&mut world, Some("HN000001"), Some("D0112"));
    world.terminal(message);
    assert_eq!(told(&mut world, TERMINAL), ("91".to_owned(), None));
    assert_eq!(world.keys.len(), KEY_EXCHANGES_MAX);
    world.key_verdict(KeyVerdict::Refused);
    let message = exchange(&mut world, Some("HN000001"), Some("D0112"));
    world.terminal(message);
    assert_eq!(world.keys.len(), KEY_EXCHANGES_MAX);
}

/// One terminal's exchanges once took the places of all.
#[test]
fn an_owner_has_one_exchange_at_a_time() {
    let mut world = World::new();
    for terminal in ["HN000001", "HN000001", "HN000002"] {
        let message = exchange(&mut world, Some(terminal), Some("D0112"));
        world.terminal(message);
    }
    assert_eq!(told(&mut world, TERMINAL), ("91".to_owned(), None));
    assert_eq!(world.keys.len(), 2);
    world.key_verdict(KeyVerdict::Taken("1A2B3C".into()));
    assert_eq!(told(&mut world, TERMINAL).0, "00");
    let message = exchange(&mut world, Some("HN000001"), Some("D0112"));
    world.terminal(message);
    assert_eq!(world.keys.len(), 2, "and the next behind it");
}

#[test]
fn a_key_block_prints_nowhere() {
    let mut world = World::new();
    let message = exchange(&mut world, Some("HN000001"), Some("D0112PLANTED"));
    assert!(!format!("{message:?}").contains("PLANTED"));
    world.terminal(message);
    assert!(!format!("{:?}", world.keys).contains("PLANTED"));
}
