//! What surrounds a transaction: links, log, limits, days, operators, overload.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{Authenticity, Block, BlockSubject, Code, Command, Event, Input, TerminalId, Verdict};
use support::*;

#[test]
fn limits_count_what_is_durable_and_what_is_in_flight() {
    let mut config = config();
    config.limits.citizen_day_minor_max = 5_000_000;
    config.limits.citizen_day_count_max = 3;
    let mut world = World::with(config.clone());
    let (_first, _) = withdrawal(&mut world);
    let second = world.request(200, "01", AMOUNT);
    world.terminal(second);
    let third = world.request(200, "01", AMOUNT);
    world.terminal(third.clone());
    assert_eq!(world.code(210), "61", "two are in flight");
    world.verdict(Verdict::Refused(Code::PROOF, None));
    assert_eq!(world.code(210), "63");
    let again = approved(&mut world);
    let fourth = world.request(200, "01", AMOUNT);
    world.terminal(fourth);
    assert_eq!(world.code(210), "61");
    let advice = world.advice(420, &again, None);
    world.terminal(advice);
    let _ = approved(&mut world);
    // After a restart the sums come from the log.
    world.restart(config.clone());
    world.connect();
    let fifth = world.request(200, "01", 3_000_001);
    world.terminal(fifth);
    assert_eq!(world.code(210), "61");
    // A new day begins from nothing.
    world.command(Command::Cutover("2022-05-04".parse().unwrap()));
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    assert_eq!(asked.1.text(15), Some("0504"));
}

#[test]
fn the_number_of_withdrawals_a_day_is_limited() {
    let mut config = config();
    config.limits.citizen_day_count_max = 2;
    let mut world = World::with(config);
    let _ = (approved(&mut world), approved(&mut world));
    let third = world.request(200, "01", 50_000);
    world.terminal(third);
    assert_eq!(world.code(210), "65");
    let balance = world.money("31", 0);
    world.terminal(balance);
    world.taken(bank_link(BIDV), 200);
}

#[test]
fn a_cutover_while_a_request_is_verified_counts_against_the_new_day() {
    let mut world = World::new();
    let request = world.request(200, "01", AMOUNT);
    world.terminal(request.clone());
    let ticket = world.command(Command::Cutover("2022-05-04".parse().unwrap()));
    assert_eq!(world.commanded, [(ticket, Ok(()))]);
    for bank in [BIDV, VIETCOMBANK] {
        let told = world.taken(bank_link(bank), 800);
        assert_eq!((told.1.number(70), told.1.text(15)), (Some(201), Some("0504")));
        world.bank_answers(&told, "00");
    }
    assert!(world.has_event(|event| matches!(event, Event::CutoverAcknowledged(..))));
    world.verdict(verified());
    let asked = world.taken(bank_link(BIDV), 200);
    assert_eq!(asked.1.text(15), Some("0504"));
    let day = used(&world.log).into_keys().next().unwrap().1;
    assert_eq!(day.to_string(), "2022-05-04");
    for wrong in ["2022-05-04", "2022-05-03", "2099-05-05", "2022-06-05"] {
        world.command(Command::Cutover(wrong.parse().unwrap()));
        assert!(world.commanded.pop().unwrap().1.is_err(), "{wrong} does not open");
    }
    world.restart(config());
    assert_eq!(world.processor.day().to_string(), "2022-05-04");
}

/// A switch whose first day lay long ago stayed in it for ever, and nobody was told.
#[test]
fn where_nothing_is_recorded_yet_any_later_day_is_opened() {
    let mut world = World::new();
    let ticket = world.command(Command::Cutover("2022-12-01".parse().unwrap()));
    assert_eq!(world.commanded, [(ticket, Ok(()))]);
    assert_eq!(world.processor.day().to_string(), "2022-12-01");
    world.command(Command::Cutover("2023-12-01".parse().unwrap()));
    assert!(world.commanded.pop().unwrap().1.is_err(), "the cutover is recorded");
}

#[test]
fn a_reversal_settles_in_the_day_that_is_open_when_it_is_appended() {
    let mut world = World::new();
    let request = approved(&mut world);
    world.command(Command::Cutover("2022-05-04".parse().unwrap()));
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    let answer = world.taken(TERMINAL, 430).1;
    assert_eq!(answer.text(15), Some("0503"), "the original's day");
    let reversal = world.taken(bank_link(BIDV), 420);
    assert_eq!(reversal.1.text(15), Some("0504"));
}

#[test]
fn operators_block_and_drain() {
    let mut world = World::new();
    let block = |subject, set| Command::Block(Block { subject, set, by: "lan".into() });
    let terminal = BlockSubject::Terminal(TerminalId::parse(b"HN000001").unwrap());
    for (subject, code) in [
        (terminal, "57"),
        (BlockSubject::Bank(institution(BIDV)), "91"),
        (BlockSubject::Citizen(citizen(1).1), "62"),
    ] {
        let reference = world.verified_reference(1);
        world.command(block(subject, true));
        for restarts in [false, true] {
            if restarts {
                world.restart(config());
                world.connect();
            }
            let mut request = world.request(200, "01", AMOUNT);
            set_reference(&mut request, reference);
            world.terminal(request);
            assert_eq!(world.code(210), code, "{subject:?}");
        }
        world.command(block(subject, false));
    }
    let (running, asked) = withdrawal(&mut world);
    let ticket = world.command(Command::Drain);
    assert!(world.commanded.iter().all(|(done, _)| *done != ticket), "somebody waits for an answer");
    let refused = world.request(200, "01", AMOUNT);
    world.terminal(refused.clone());
    assert_eq!(world.code(210), "91");
    assert_eq!(world.records(&refused), "DECLINED");
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert_eq!(world.commanded.last(), Some(&(ticket, Ok(()))));
    assert_eq!(world.records(&running), "INTENT OUTCOME");
}

#[test]
fn requests_are_taken_again_once_a_drain_is_over_and_somebody_says_so() {
    let mut world = World::new();
    let told = |world: &mut World, command| {
        let ticket = world.command(command);
        world.commanded.iter().find(|(done, _)| *done == ticket).map(|(_, result)| result.is_ok())
    };
    assert_eq!(told(&mut world, Command::Resume), Some(false), "there is nothing to resume");
    let (_, asked) = withdrawal(&mut world);
    assert_eq!(told(&mut world, Command::Drain), None);
    assert_eq!(told(&mut world, Command::Resume), Some(false), "somebody waits for an answer");
    world.bank_answers(&asked, "00");
    assert!(world.processor.is_draining());
    assert_eq!(told(&mut world, Command::Resume), Some(true));
    assert!(!world.processor.is_draining());
    withdrawal(&mut world);
}

#[test]
fn nobody_is_blocked_who_is_not_in_the_configuration() {
    let mut world = World::new();
    let stranger = BlockSubject::Terminal(TerminalId(*b"HN999999"));
    let bank = BlockSubject::Bank(institution("970499"));
    for (subject, set, is_done) in [(stranger, true, false), (bank, true, false), (stranger, false, true)] {
        let ticket = world.command(Command::Block(Block { subject, set, by: "lan".into() }));
        let result =
            world.commanded.iter().find(|(done, _)| *done == ticket).map(|(_, result)| result.is_ok());
        assert_eq!(result, Some(is_done), "{subject:?} {set}");
    }
    assert!(world.processor.standing().blocks.is_empty());
}

#[test]
fn what_has_no_key_is_answered_and_not_recorded() {
    let mut world = World::new();
    for element in [2, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 42, 43, 49, 112] {
        let mut request = world.request(200, "01", AMOUNT);
        request.remove(element);
        world.terminal(request);
        assert_eq!(world.code(210), "30", "without DE{element}");
    }
    let mut old = world.request(200, "01", AMOUNT);
    old.set_text(7, "0502010203");
    world.terminal(old);
    assert_eq!(world.code(210), "30", "a day old");
    let forged = Input::Received {
        link: TERMINAL,
        message: world.request(200, "01", AMOUNT),
        authenticity: Authenticity::Forged,
        citizen: None,
    };
    world.input(forged.clone());
    assert_eq!(world.code(210), "63");
    // Whoever is connected there could take an answer that is signed for another terminal elsewhere.
    let Input::Received { link, message, citizen, .. } = forged else { unreachable!() };
    world.events.clear();
    world.input(Input::Received { link, message, authenticity: Authenticity::Foreign, citizen });
    world.silent(TERMINAL, 210);
    assert_eq!(world.events, [Event::Forged(TERMINAL)]);
    let mut unknown = world.request(200, "01", AMOUNT);
    unknown.set_text(41, "XX000001");
    world.terminal(unknown);
    assert_eq!(world.closed, [TERMINAL]);
    let not_signed_on = { world.request(200, "01", AMOUNT).set_text(41, "HN000002").clone() };
    world.terminal(not_signed_on);
    assert_eq!(world.code(210), "57");
    assert_eq!(world.log.len(), 1, "only the last one has begun");
    assert_eq!(world.processor.in_flight(), 0);
}

#[test]
fn too_much_at_once_is_shed_and_stays_shed() {
    let mut config = config();
    config.limits.in_flight_max = 1;
    let mut world = World::with(config);
    let running = world.request(200, "01", AMOUNT);
    world.terminal(running);
    let shed = world.request(200, "01", AMOUNT);
    world.terminal(shed.clone());
    assert_eq!(world.code(210), "91");
    world.verdict(Verdict::Unavailable);
    assert_eq!(world.code(210), "91");
    world.terminal(shed.clone());
    assert_eq!(world.code(210), "91", "its 91 may be under way");
    assert_eq!(world.records(&shed), "");
    let reversal = world.advice(420, &shed, None);
    world.terminal(reversal);
    assert_eq!(world.code(430), "00", "advices are never shed");
    world.pass_ms(30_000);
    let other = world.request(200, "01", AMOUNT);
    world.terminal(other);
    assert_eq!(world.verifies.len(), 1);
}

#[test]
fn on_a_full_disk_only_what_has_begun_is_recorded() {
    let mut world = World::new();
    let reference = world.verified_reference(1);
    let (sent, asked) = withdrawal(&mut world);
    let approved = approved(&mut world);
    let verifying = world.request(200, "01", AMOUNT);
    world.terminal(verifying.clone());
    world.input(Input::DiskFull(true));
    let before = world.log.len();
    // Neither a new one-step request nor a live reference begins anything, not even under the MTI of a repeat.
    let mut with_reference = world.request(200, "01", AMOUNT);
    set_reference(&mut with_reference, reference);
    let mut repeat = world.request(200, "01", AMOUNT);
    repeat.set_mti(repeat.mti().repeat());
    let verification = world.request(100, "00", 0);
    for (request, mti) in [(&with_reference, 210), (&repeat, 210), (&verification, 110)] {
        world.terminal(request.clone());
        assert_eq!(world.code(mti), "96");
    }
    assert_eq!(world.log.len(), before, "and nothing is recorded of them");
    assert_eq!(world.processor.in_flight(), 2);
    // What has begun ends.
    world.verdict(verified());
    assert_eq!((world.code(210), world.records(&verifying)), ("96".into(), "DECLINED".into()));
    world.bank_answers(&asked, "00");
    assert_eq!((world.code(210), world.records(&sent)), ("00".into(), "INTENT OUTCOME".into()));
    let completion = world.advice(220, &sent, None);
    world.terminal(completion);
    let reversal = world.advice(420, &approved, None);
    world.terminal(reversal);
    assert_eq!((world.code(230), world.code(430)), ("00".into(), "00".into()));
    let unknown = world.request(200, "01", AMOUNT);
    let advice = world.advice(420, &unknown, None);
    world.terminal(advice);
    assert_eq!((world.code(430), world.records(&unknown)), ("00".into(), "TOMBSTONE".into()));
    let mut repeat = approved.clone();
    repeat.set_mti(repeat.mti().repeat());
    world.terminal(repeat);
    assert_eq!(world.code(210), "91", "what is known is answered: this one was approved and reversed");
    // With room again, what was shed stays shed as long as its answer may be under way; the rest is served.
    world.input(Input::DiskFull(false));
    world.terminal(with_reference.clone());
    assert_eq!(world.code(210), "96");
    world.pass_ms(40_000);
    world.terminal(with_reference.clone());
    assert_eq!(world.records(&with_reference), "INTENT");
}

#[test]
fn answers_of_the_log_may_come_late_and_out_of_order() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.holds_finds = true;
    world.terminal(request.clone());
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    let mut repeat = request.clone();
    repeat.set_mti(repeat.mti().repeat());
    world.terminal(repeat);
    assert_eq!(world.finds.len(), 1, "one question about one transaction at a time");
    world.holds_finds = false;
    let (ticket, lookup) = world.finds.remove(0);
    let found = world.find(&lookup);
    world.input(Input::Found(ticket, Box::new(found)));
    assert_eq!((world.code(210), world.code(430)), ("91".to_owned(), "00".to_owned()));
    assert_eq!(world.records(&request), "INTENT DECLINED", "the 0420 came before INTENT was durable");
    world.silent(bank_link(BIDV), 200);
    // A log that does not answer: 91, and nothing is recorded.
    world.sent.clear();
    world.holds_finds = true;
    let unanswered = world.request(200, "01", AMOUNT);
    world.terminal(unanswered.clone());
    world.pass_ms(25_000);
    assert_eq!(world.code(210), "91");
    assert_eq!(world.processor.in_flight(), 0);
    assert_eq!(world.records(&unanswered), "");
}

/// What is in memory is not looked up; an original that leaves memory meanwhile is.
#[test]
fn an_original_that_leaves_memory_while_its_advice_is_looked_up_is_asked_for() {
    let mut world = World::new();
    let (request, _) = withdrawal(&mut world);
    world.pass_ms(25_000);
    let reversal = world.taken(bank_link(BIDV), 420);
    world.holds_finds = true;
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    world.bank_answers(&reversal, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED");
    let (ticket, lookup) = world.finds.remove(0);
    assert_eq!(lookup.original, None, "it was in memory");
    let found = world.find(&lookup);
    world.holds_finds = false;
    world.input(Input::Found(ticket, Box::new(found)));
    assert_eq!(world.code(430), "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED NOTE");
}

/// A terminal that loses its connection right behind its 0200 was told 57, for the log's answer came after the loss.
#[test]
fn a_connection_lost_behind_a_request_takes_nothing_from_it() {
    for processing in ["01", "31"] {
        let mut world = World::new();
        let request = world.request(200, processing, if processing == "01" { AMOUNT } else { 0 });
        world.holds_finds = true;
        world.terminal(request.clone());
        world.input(Input::LinkDown(TERMINAL));
        world.holds_finds = false;
        let (ticket, lookup) = world.finds.remove(0);
        let found = world.find(&lookup);
        world.input(Input::Found(ticket, Box::new(found)));
        world.verdict(verified());
        let asked = world.taken(bank_link(BIDV), 200);
        world.bank_answers(&asked, "00");
        assert_eq!(world.records(&request), "INTENT OUTCOME");
    }
}

/// A 0200 that was being verified when the process was killed has no record; its repeat was told 63, for the seed of
/// its challenge was forgotten.
#[test]
fn a_repeat_of_what_a_crash_cut_off_is_executed() {
    let proof = [0xE1, 11, 0xDF, 0x20, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    for (after_ms, is_good) in [(2_000, true), (121_000, false)] {
        let mut world = World::new();
        let mut request = world.request(200, "01", AMOUNT);
        request.set(112, &proof);
        world.terminal(request.clone());
        world.restart(config());
        world.connect();
        world.pass_ms(after_ms);
        request.set_mti(request.mti().repeat());
        world.terminal(request.clone());
        assert_eq!(world.seed_ids.contains(&[1, 2, 3, 4, 5, 6, 7, 8]), is_good);
        world.verdict(verified());
        let asked = world.taken(bank_link(BIDV), 200);
        world.bank_answers(&asked, "00");
        assert_eq!(world.records(&request), "INTENT OUTCOME");
    }
}

#[test]
fn a_bank_link_is_kept_alive_and_closed_when_it_does_not_answer() {
    let mut world = World::new();
    world.pass_ms(60_000);
    let echo_asked = world.taken(bank_link(BIDV), 800);
    assert_eq!(echo_asked.1.number(70), Some(301));
    world.bank_answers(&echo_asked, "00");
    world.pass_ms(10_000);
    assert!(!world.closed.contains(&bank_link(BIDV)));
    assert!(world.closed.contains(&bank_link(VIETCOMBANK)), "it was silent");
    let mut asked = Message::new(iso8583::Mti::new(800));
    asked.set_text(7, "0503010203").set_text(11, "000009").set_text(70, "301");
    world.bank(BIDV, asked);
    let answer = world.taken(bank_link(BIDV), 810).1;
    assert_eq!((answer.text(39), answer.text(70)), (Some("00"), Some("301")));
}

#[test]
fn nothing_leaves_before_its_record_is_durable() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.syncs = false;
    world.terminal(request.clone());
    world.silent(bank_link(BIDV), 200);
    world.sync();
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    world.silent(TERMINAL, 210);
    // The log does not come back in time: silence, and a 91 only behind a durable REVERSAL.
    world.pass_ms(25_000);
    world.silent(TERMINAL, 210);
    world.silent(bank_link(BIDV), 420);
    world.sync();
    assert_eq!(world.code(210), "91");
    world.taken(bank_link(BIDV), 420);
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL");
}

#[test]
fn a_log_that_is_slow_before_the_bank_is_asked_is_a_decline() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.syncs = false;
    world.terminal(request.clone());
    world.pass_ms(25_000);
    world.sync();
    assert_eq!(world.code(210), "91");
    world.silent(bank_link(BIDV), 200);
    assert_eq!(world.records(&request), "INTENT DECLINED");
    used_is(&world, 0, 0);
}

#[test]
fn reversals_go_out_through_a_window() {
    let mut world = World::new();
    for _ in 0..10 {
        let request = approved(&mut world);
        let advice = world.advice(420, &request, None);
        world.terminal(advice);
    }
    let count = |world: &World| {
        world.sent.iter().filter(|(_, message)| matches!(message.mti().value(), 420 | 421)).count()
    };
    assert_eq!(count(&world), 4, "reversals_in_flight_max");
    let first = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&first, "00");
    assert_eq!(count(&world), 4, "one acknowledged, the next one sent");
    let live = approved(&mut world);
    assert_eq!(world.records(&live), "INTENT OUTCOME", "live traffic goes by");
    for _ in 0..9 {
        let place = world.sent.iter().position(|(_, message)| message.mti().value() == 420).unwrap();
        let reversal = world.sent.remove(place);
        world.bank_answers(&reversal, "00");
    }
    assert_eq!(count(&world), 0);
    assert_eq!(world.processor.reversals_open(), 0);
}

#[test]
fn a_bank_that_is_away_is_91_before_intent_and_its_reversals_wait() {
    let mut world = World::new();
    let (first, _) = withdrawal(&mut world);
    world.input(Input::LinkDown(bank_link(BIDV)));
    world.silent(TERMINAL, 210);
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    assert_eq!(world.code(210), "91");
    assert_eq!(world.records(&request), "DECLINED");
    world.pass_ms(15_000);
    assert_eq!(world.code(210), "91");
    world.silent(bank_link(BIDV), 420);
    world.pass_ms(3_600_000);
    world.input(Input::LinkUp(bank_link(BIDV)));
    let sign_on = world.taken(bank_link(BIDV), 800);
    world.bank_answers(&sign_on, "00");
    world.taken(bank_link(BIDV), 420);
    assert_eq!(world.records(&first), "INTENT REVERSAL");
}

#[test]
fn a_link_lost_between_intent_and_the_bank_is_a_decline() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    world.syncs = false;
    world.terminal(request.clone());
    world.input(Input::LinkDown(bank_link(BIDV)));
    world.sync();
    assert_eq!(world.code(210), "91");
    assert_eq!(world.records(&request), "INTENT DECLINED");
    world.silent(bank_link(BIDV), 200);
}
