//! The PIN between verification and INTENT: what the bank gets, and what becomes of a request whose PIN cannot be
//! translated (docs/interface.md#pin).
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{Config, Enciphered, PinVerdict, State};
use support::*;

const FROM_TERMINAL: [u8; 8] = [0x11; 8];
const FOR_BANK: [u8; 8] = [0x22; 8];
const FOR_BANK_LONG: [u8; 16] = [0x33; 16];

/// BIDV wants PINs, Vietcombank none.
fn with_pins() -> Config {
    let mut config = config();
    config.issuers.get_mut(&institution(BIDV)).unwrap().wants_pin = true;
    config
}

fn translated(block: &[u8]) -> PinVerdict {
    PinVerdict::Translated(Enciphered::new(block).unwrap())
}

/// A two-step request of this kind with a PIN block.
fn with_pin(world: &mut World, processing: &str, amount: u64) -> Message {
    let mut request = world.money(processing, amount);
    request.set(52, &FROM_TERMINAL);
    request
}

#[test]
fn the_pin_goes_to_the_bank_under_its_key_and_nowhere_else() {
    for block in [&FOR_BANK[..], &FOR_BANK_LONG] {
        let mut world = World::with(with_pins());
        let request = with_pin(&mut world, "01", AMOUNT);
        let records = world.log.len();
        world.terminal(request.clone());
        world.silent(bank_link(BIDV), 200);
        assert_eq!(world.log.len(), records, "nothing is recorded while the PIN is translated");
        let asked = &world.pins[0].1;
        assert_eq!((asked.block.bytes(), asked.ksn.is_none()), (&FROM_TERMINAL[..], true));
        assert_eq!((asked.pan.digits(), asked.bank), (citizen(1).0.digits(), institution(BIDV)));
        world.pin_verdict(translated(block));
        let to_bank = world.taken(bank_link(BIDV), 200);
        let (own, other) = if block.len() == 8 { (52, 121) } else { (121, 52) };
        assert_eq!((to_bank.1.get(own), to_bank.1.get(other)), (Some(block), None));
        world.bank_answers(&to_bank, "00");
        let answer = world.taken(TERMINAL, 210).1;
        assert_eq!(answer.text(39), Some("00"));
        assert!(!answer.has(52) && !answer.has(121));
        let advice = world.advice(420, &request, None);
        world.terminal(advice);
        let reversal = world.taken(bank_link(BIDV), 420).1;
        assert!(!reversal.has(52) && !reversal.has(121));
        let log = format!("{:?}", world.log);
        for bytes in [&FROM_TERMINAL[..], block] {
            assert!(!log.contains(&format!("{bytes:?}")), "the log holds a PIN block");
        }
    }
}

#[test]
fn one_step_asks_for_the_verdict_first_and_for_the_pin_then() {
    let mut world = World::with(with_pins());
    let mut request = world.request(200, "01", AMOUNT);
    request.set(121, &FOR_BANK_LONG).set(122, &[7; 12]);
    world.terminal(request.clone());
    assert!(world.pins.is_empty(), "a PIN is for a citizen who is there");
    world.verdict(verified());
    let asked = &world.pins[0].1;
    assert_eq!((asked.block.bytes(), asked.ksn.as_deref()), (&FOR_BANK_LONG[..], Some(&[7; 12][..])));
    world.pin_verdict(translated(&FOR_BANK));
    assert_eq!(world.taken(bank_link(BIDV), 200).1.get(52), Some(&FOR_BANK[..]));
}

#[test]
fn a_pin_that_cannot_be_translated_ends_without_a_debit() {
    for (verdict, code) in [(PinVerdict::Unreadable, "88"), (PinVerdict::Unavailable, "91")] {
        let mut world = World::with(with_pins());
        let request = with_pin(&mut world, "01", AMOUNT);
        world.terminal(request.clone());
        world.pin_verdict(verdict);
        assert_eq!(world.code(210), code);
        assert_eq!(world.records(&request), "DECLINED");
        world.silent(bank_link(BIDV), 200);
        used_is(&world, 0, 0);
        // The repeat gets the same, and the module is not asked again.
        world.terminal(request);
        assert_eq!((world.code(210).as_str(), world.pins.len()), (code, 0));
    }
}

#[test]
fn a_module_that_is_late_is_91_and_its_answer_then_changes_nothing() {
    let mut world = World::with(with_pins());
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request.clone());
    world.pass_ms(999);
    world.silent(TERMINAL, 210);
    world.pass_ms(1);
    assert_eq!((world.code(210).as_str(), world.records(&request).as_str()), ("91", "DECLINED"));
    world.pin_verdict(translated(&FOR_BANK));
    world.silent(bank_link(BIDV), 200);
    assert_eq!(world.records(&request), "DECLINED");
}

#[test]
fn what_has_no_pin_is_55_and_what_has_two_is_30_before_anybody_is_asked() {
    let mut world = World::with(with_pins());
    for kind in ["01", "40", "31", "38"] {
        let amount = if matches!(kind, "01" | "40") { AMOUNT } else { 0 };
        let mut request = world.request(200, kind, amount);
        if kind == "40" {
            request.set_text(103, "12010000000009");
        }
        world.terminal(request.clone());
        assert_eq!((world.code(210).as_str(), world.verifies.len()), ("55", 0), "{kind}");
        assert_eq!(world.records(&request), "DECLINED");
    }
    let mut request = world.request(200, "01", AMOUNT);
    request.set(52, &FROM_TERMINAL).set(121, &FOR_BANK_LONG);
    world.terminal(request);
    assert_eq!(world.code(210), "30");
    // A reference is not consumed by it: the same citizen goes on with a PIN.
    let mut request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    assert_eq!(world.code(210), "55");
    let stan = world.stan();
    request.set_number(11, stan, 6).set(52, &FROM_TERMINAL);
    world.terminal(request);
    world.pin_verdict(translated(&FOR_BANK));
    world.taken(bank_link(BIDV), 200);
}

#[test]
fn a_deposit_and_a_bank_that_wants_no_pin_get_none() {
    let mut world = World::with(with_pins());
    let deposit = with_pin(&mut world, "21", AMOUNT);
    world.terminal(deposit);
    assert!(!world.taken(bank_link(BIDV), 200).1.has(52));
    let mut elsewhere = with_pin(&mut world, "01", AMOUNT);
    elsewhere.set_text(100, VIETCOMBANK);
    world.terminal(elsewhere);
    assert!(!world.taken(bank_link(VIETCOMBANK), 200).1.has(52));
    assert!(world.pins.is_empty());
}

#[test]
fn what_happens_while_the_pin_is_translated() {
    // The terminal takes it back.
    let mut world = World::with(with_pins());
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request.clone());
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(430), "00");
    world.pin_verdict(translated(&FOR_BANK));
    world.silent(bank_link(BIDV), 200);
    assert_eq!(world.transaction(&request).state, State::Tombstone);
    // The bank goes away.
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request.clone());
    world.input(processor::Input::LinkDown(bank_link(BIDV)));
    world.pin_verdict(translated(&FOR_BANK));
    assert_eq!((world.code(210).as_str(), world.records(&request).as_str()), ("91", "DECLINED"));
    used_is(&world, 0, 0);
    // A restart forgets it: nothing was recorded, so there is no debit and nothing to reverse.
    let mut world = World::with(with_pins());
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request.clone());
    world.restart(with_pins());
    assert!(world.records(&request).is_empty());
    world.connect();
    world.terminal(request.clone());
    world.pin_verdict(translated(&FOR_BANK));
    world.taken(bank_link(BIDV), 200);
}

#[test]
fn a_new_business_day_during_the_translation_asks_the_limits_again_and_not_the_pin() {
    let mut world = World::with(with_pins());
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request.clone());
    world.command(processor::Command::Cutover("2022-05-04".parse().unwrap()));
    world.pin_verdict(translated(&FOR_BANK));
    assert!(world.pins.is_empty());
    let asked = world.taken(bank_link(BIDV), 200).1;
    assert_eq!((asked.text(15), asked.get(52)), (Some("0504"), Some(&FOR_BANK[..])));
}

#[test]
fn a_pin_block_cannot_be_printed() {
    let block = Enciphered::new(&FROM_TERMINAL).unwrap();
    assert_eq!(format!("{block:?}"), "Enciphered(DE52)");
    let mut world = World::with(with_pins());
    let request = with_pin(&mut world, "01", AMOUNT);
    world.terminal(request);
    let shown = format!("{:?} {:?}", world.pins, translated(&FROM_TERMINAL));
    assert!(!shown.contains("17, 17") && !shown.contains("1111"), "{shown}");
    assert!(Enciphered::new(&[1; 9]).is_none());
}
