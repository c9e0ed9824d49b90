//! A registry that is away, and the switch in its stead: what may go out, and that the registry is asked again.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{
    ASK_AGAIN_MS, ASKED_AGAIN_AT_ONCE_MAX, AskedAgain, Away, Code, Config, Event, Evidence, Input,
    KnownStatus, RegistryWord, StandIn, State, Suspense, Verdict,
};
use support::*;

const FLOOR: u64 = 2_000_000;
const AGE_MS: u64 = 3_600_000;

fn rule() -> StandIn {
    StandIn { amount_minor_max: FLOOR, status_age_ms_max: AGE_MS, owed_max: 2, ask_again_ms: ASK_AGAIN_MS }
}

fn standing_in() -> Config {
    Config { stand_in: Some(rule()), ..config() }
}

fn owed() -> Evidence {
    Evidence { registry: RegistryWord::Owed(b"question".as_slice().into()), ..evidence() }
}

/// The registry vouched for the card an hour ago, to the moment, and its word holds to this one.
fn away(world: &World) -> Away {
    let now_ms = world.now.wall_ms;
    let known = Some(KnownStatus { at_ms: now_ms - AGE_MS as i64, valid_until_ms: now_ms });
    Away { evidence: owed(), has_biometric: true, known }
}

fn registry_is_away(world: &mut World) {
    let away = away(world);
    world.verdict(Verdict::RegistryAway(Box::new(away)));
}

/// A withdrawal that went out in the registry's stead, to its end.
fn stood_in(world: &mut World, who: u32, bank: &str) -> Message {
    let request = world.request_of(who, 200, "01", FLOOR);
    world.terminal(request.clone());
    registry_is_away(world);
    let asked = world.taken(bank_link(bank), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    request
}

fn is_91_without_a_bank(world: &mut World, request: &Message, case: &str) {
    world.silent(bank_link(BIDV), 200);
    assert_eq!(world.code(210), "91", "{case}");
    assert_eq!(world.transaction(request).state, State::Declined, "{case}");
    assert!(world.processor.standing().stand_ins.is_empty(), "{case}");
}

#[test]
fn within_all_its_bounds_a_withdrawal_goes_out_marked() {
    let mut world = World::with(standing_in());
    let request = stood_in(&mut world, 1, BIDV);
    assert!(world.transaction(&request).stood_in());
    assert!(world.has_event(|event| matches!(event, Event::StoodIn(_)) && event.is_alarm()));
    assert_eq!(world.processor.standing().stand_ins.len(), 1);
}

#[test]
fn what_is_out_of_one_bound_is_91_without_a_debit() {
    type Case = (&'static str, fn(&mut Config), u64, fn(&mut Away));
    let cases: [Case; 10] = [
        ("not configured", |config| config.stand_in = None, FLOOR, |_| ()),
        ("above the floor limit", |_| (), FLOOR + 1, |_| ()),
        ("nothing known of the card", |_| (), FLOOR, |away| away.known = None),
        ("known too long ago", |_| (), FLOOR, |away| away.known.as_mut().unwrap().at_ms -= 1),
        (
            "the registry's word is over",
            |_| (),
            FLOOR,
            |away| away.known.as_mut().unwrap().valid_until_ms -= 1,
        ),
        ("known of a time to come", |_| (), FLOOR, |away| away.known.as_mut().unwrap().at_ms += 1 << 40),
        ("passive authentication not passed", |_| (), FLOOR, |away| away.evidence.passive = false),
        ("active authentication not passed", |_| (), FLOOR, |away| away.evidence.active = false),
        ("no biometric session", |_| (), FLOOR, |away| away.has_biometric = false),
        ("none may be out", |config| config.stand_in.as_mut().unwrap().owed_max = 0, FLOOR, |_| ()),
    ];
    for (case, configure, amount, change) in cases {
        let mut config = standing_in();
        configure(&mut config);
        let mut world = World::with(config);
        let request = world.request(200, "01", amount);
        world.terminal(request.clone());
        let mut away = away(&world);
        change(&mut away);
        world.verdict(Verdict::RegistryAway(Box::new(away)));
        is_91_without_a_bank(&mut world, &request, case);
    }
}

#[test]
fn nothing_but_a_withdrawal_goes_out_in_the_registrys_stead() {
    for (mti, processing, answer) in [(100, "33", 110), (200, "21", 210), (200, "31", 210), (200, "40", 210)]
    {
        let mut world = World::with(standing_in());
        let mut request = world.request(mti, processing, FLOOR);
        if processing == "40" {
            request.set_text(103, "12010000000009");
        }
        world.terminal(request.clone());
        registry_is_away(&mut world);
        world.silent(bank_link(BIDV), 200);
        assert_eq!(world.code(answer), "91", "{processing}");
    }
}

#[test]
fn one_at_a_time_of_each_citizen_and_so_many_in_all() {
    let mut world = World::with(standing_in());
    stood_in(&mut world, 1, BIDV);
    let second = world.request(200, "01", FLOOR);
    world.terminal(second.clone());
    registry_is_away(&mut world);
    assert_eq!(world.code(210), "91", "the registry has not been asked about the first");
    stood_in(&mut world, 2, VIETCOMBANK);
    assert_eq!(world.processor.standing().stand_ins.len(), rule().owed_max);
    let mut config = standing_in();
    config.stand_in.as_mut().unwrap().owed_max = 1;
    world.processor.reconfigure(config);
    // The first citizen's is settled; the second's alone fills what is allowed now.
    world.pass_ms(ASK_AGAIN_MS);
    say(&mut world, 0, None);
    let third = world.request(200, "01", FLOOR);
    world.terminal(third);
    registry_is_away(&mut world);
    assert_eq!(world.code(210), "91");
}

/// The registry's word on the question that was put as the given one.
fn say(world: &mut World, index: usize, refused: Option<Code>) {
    let (ticket, asked) = world.asks_again.remove(index);
    assert_eq!(*asked, owed());
    let said = AskedAgain { refused, evidence: evidence() };
    world.input(Input::AskedAgain(ticket, Some(said)));
}

#[test]
fn the_registry_is_asked_again_until_it_answers() {
    let mut world = World::with(standing_in());
    let request = stood_in(&mut world, 1, BIDV);
    world.pass_ms(ASK_AGAIN_MS - 1);
    assert!(world.asks_again.is_empty());
    for round in 0..3 {
        world.pass_ms(ASK_AGAIN_MS);
        assert_eq!(world.asks_again.len(), 1, "round {round}");
        world.pass_ms(ASK_AGAIN_MS);
        assert_eq!(world.asks_again.len(), 1, "one question at a time");
        let (ticket, _) = world.asks_again.remove(0);
        world.input(Input::AskedAgain(ticket, None));
    }
    world.pass_ms(ASK_AGAIN_MS);
    say(&mut world, 0, None);
    assert!(world.processor.standing().stand_ins.is_empty());
    assert!(world.records(&request).ends_with("ASKED-AGAIN"));
    assert_eq!(world.transaction(&request).suspense, None);
    world.pass_ms(10 * ASK_AGAIN_MS);
    assert!(world.asks_again.is_empty(), "never once more");
}

#[test]
fn a_refusal_afterwards_waits_for_a_person() {
    let mut world = World::with(standing_in());
    let request = stood_in(&mut world, 1, BIDV);
    world.pass_ms(ASK_AGAIN_MS);
    say(&mut world, 0, Some(Code::LOST));
    assert_eq!(world.transaction(&request).suspense, Some(Suspense::Claim));
    assert_eq!(world.processor.standing().suspended.len(), 1);
    assert!(world.has_event(|event| matches!(event, Event::AskedAgain(_, Some(Code::LOST)))));
    assert!(world.has_event(|event| matches!(event, Event::Suspended(_, Suspense::Claim))));
}

#[test]
fn what_is_owed_survives_a_restart() {
    let mut world = World::with(standing_in());
    let request = stood_in(&mut world, 1, BIDV);
    world.pass_ms(ASK_AGAIN_MS);
    assert_eq!(world.asks_again.len(), 1);
    // The configuration that allowed it may be gone.
    world.restart(config());
    world.connect();
    assert_eq!(world.processor.standing().stand_ins.len(), 1);
    world.pass_ms(ASK_AGAIN_MS);
    say(&mut world, 0, None);
    assert!(world.records(&request).ends_with("ASKED-AGAIN"));
    world.restart(config());
    assert!(world.processor.standing().stand_ins.is_empty());
}

#[test]
fn a_round_is_bounded_and_the_next_goes_on() {
    let owed_max = ASKED_AGAIN_AT_ONCE_MAX + 5;
    let mut config = standing_in();
    config.stand_in.as_mut().unwrap().owed_max = owed_max;
    let mut world = World::with(config);
    let accounts = world.accounts[&citizen(1).1].clone();
    for who in 10..10 + owed_max as u32 {
        world.accounts.insert(citizen(who).1, accounts.clone());
        stood_in(&mut world, who, BIDV);
    }
    world.pass_ms(ASK_AGAIN_MS);
    assert_eq!(world.asks_again.len(), ASKED_AGAIN_AT_ONCE_MAX);
    (0..ASKED_AGAIN_AT_ONCE_MAX).for_each(|_| say(&mut world, 0, None));
    world.pass_ms(ASK_AGAIN_MS);
    assert_eq!(world.asks_again.len(), 5);
}

#[test]
fn an_answer_while_the_transaction_is_still_under_way_is_recorded_too() {
    let mut world = World::with(standing_in());
    let request = world.request(200, "01", FLOOR);
    world.terminal(request.clone());
    registry_is_away(&mut world);
    let asked = world.taken(bank_link(BIDV), 200);
    // The bank is silent; the reversal goes on while the registry is asked.
    world.pass_ms(ASK_AGAIN_MS);
    say(&mut world, 0, None);
    let reversal = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&reversal, "00");
    assert_eq!(asked.1.get(37), reversal.1.get(37));
    assert_eq!(world.transaction(&request).state, State::Reversed);
    assert!(world.records(&request).contains("ASKED-AGAIN"));
}

#[test]
fn what_the_registry_never_answers_keeps_no_other_from_being_asked() {
    let owed_max = ASKED_AGAIN_AT_ONCE_MAX + 5;
    let mut config = standing_in();
    config.stand_in.as_mut().unwrap().owed_max = owed_max;
    let mut world = World::with(config);
    let accounts = world.accounts[&citizen(1).1].clone();
    for who in 10..10 + owed_max as u32 {
        world.accounts.insert(citizen(who).1, accounts.clone());
        stood_in(&mut world, who, BIDV);
    }
    world.pass_ms(ASK_AGAIN_MS);
    // None of the first round has an answer.
    for (ticket, _) in std::mem::take(&mut world.asks_again) {
        world.input(Input::AskedAgain(ticket, None));
    }
    world.pass_ms(ASK_AGAIN_MS);
    (0..5).for_each(|_| say(&mut world, 0, None));
    assert_eq!(
        world.processor.standing().stand_ins.len(),
        ASKED_AGAIN_AT_ONCE_MAX,
        "the last five were asked first"
    );
}

#[test]
fn an_answer_that_comes_twice_is_recorded_once() {
    let mut world = World::with(standing_in());
    let request = stood_in(&mut world, 1, BIDV);
    world.holds_finds = true;
    world.pass_ms(ASK_AGAIN_MS);
    world.pass_ms(ASK_AGAIN_MS);
    world.holds_finds = false;
    for (ticket, lookup) in std::mem::take(&mut world.finds) {
        let found = world.find(&lookup);
        world.input(Input::Found(ticket, Box::new(found)));
    }
    while !world.asks_again.is_empty() {
        say(&mut world, 0, None);
    }
    assert_eq!(world.records(&request).matches("ASKED-AGAIN").count(), 1);
}
