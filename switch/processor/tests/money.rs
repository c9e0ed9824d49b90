//! A transaction's whole life, played against one processor: DE39, what the bank got, what the log holds.
#![allow(clippy::unwrap_used)]

mod support;

use iso8583::Message;
use processor::{Authenticity, Code, Event, Input, State, Verdict};
use support::*;

#[test]
fn a_withdrawal_is_asked_approved_and_completed() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    let bank = &asked.1;
    assert_eq!(bank.text(2), Some("9704990012030000017"));
    assert_eq!(bank.number(4), Some(AMOUNT));
    assert_eq!(bank.text(102), Some("12010000000001"));
    assert_eq!(bank.text(15), Some("0503"));
    assert_eq!(bank.text(100), Some(BIDV));
    assert_ne!(bank.get(11), request.get(11), "the bank knows us by our own STAN");
    world.bank_answers(&asked, "00");
    let answer = world.taken(TERMINAL, 210).1;
    for element in [2, 3, 4, 7, 11, 12, 13, 32, 41, 42, 49] {
        assert_eq!(answer.get(element), request.get(element), "DE{element}");
    }
    assert_eq!(
        (answer.text(39), answer.text(38), answer.text(15)),
        (Some("00"), Some("A12345"), Some("0503"))
    );
    assert_eq!(answer.get(37), bank.get(37));
    let advice = world.advice(220, &request, None);
    world.terminal(advice);
    let answer = world.taken(TERMINAL, 230).1;
    assert_eq!((answer.text(39), answer.get(37)), (Some("00"), bank.get(37)));
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE");
    assert_eq!(world.transaction(&request).state, State::Completed);
    used_is(&world, AMOUNT as i64, 1);
}

#[test]
fn one_step_asks_the_verifier_and_keeps_the_evidence() {
    let mut world = World::new();
    let request = world.request(200, "01", AMOUNT);
    world.terminal(request.clone());
    world.silent(bank_link(BIDV), 200);
    assert!(world.log.is_empty(), "nothing is recorded while the registry is asked");
    world.verdict(verified());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert!(world.transaction(&request).sent.unwrap().evidence.is_some());
}

#[test]
fn refusals_are_recorded_with_their_code_and_no_bank_hears_of_them() {
    type Change = fn(&mut Message);
    let cases: [(&str, u64, Change, &str); 12] = [
        ("01", 20_000_001, |_| (), "61"),
        ("21", 100_000_001, |_| (), "61"),
        ("01", 0, |_| (), "13"),
        ("77", AMOUNT, |_| (), "12"),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(49, "840");
            },
            "12",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(2, "9704990012030000018");
            },
            "14",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(2, "9704980012030000019");
            },
            "14",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(100, "970415");
            },
            "56",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(102, "999");
            },
            "57",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set_text(32, "970436");
            },
            "57",
        ),
        (
            "01",
            AMOUNT,
            |m| {
                m.set(112, &[0xDF, 0x30, 16, 1]);
            },
            "63",
        ),
        ("40", AMOUNT, |_| (), "30"),
    ];
    for (processing, amount, change, code) in cases {
        let mut world = World::new();
        let mut request = world.request(200, processing, amount);
        change(&mut request);
        world.terminal(request.clone());
        assert_eq!(world.code(210), code, "{processing} {amount}");
        assert_eq!(world.records(&request), "DECLINED");
        world.silent(bank_link(BIDV), 200);
        assert_eq!(world.processor.in_flight(), 0);
        used_is(&world, 0, 0);
        // The repeat is answered from the record.
        request.set_mti(request.mti().repeat());
        world.terminal(request.clone());
        assert_eq!(world.code(210), code, "repeat of {processing} {amount}");
        assert_eq!(world.records(&request), "DECLINED");
    }
}

#[test]
fn the_verifiers_verdict_becomes_the_code() {
    let refused = |code| Verdict::Refused(code, Some(evidence()));
    let unmatched = Verdict::Verified { biometric_matched: false, evidence: evidence() };
    let cases = [
        (refused(Code::LOST), "41"),
        (refused(Code::EXPIRED), "54"),
        (refused(Code::RESTRICTED), "62"),
        (refused(Code::PROOF), "63"),
        (refused(Code::NO_BANK), "56"),
        (Verdict::Unavailable, "91"),
        (Verdict::SendSod, "63"),
        (unmatched, "63"),
    ];
    for (verdict, code) in cases {
        let mut world = World::new();
        let request = world.request(200, "01", AMOUNT);
        world.terminal(request.clone());
        let asks_for_sod = verdict == Verdict::SendSod;
        world.verdict(verdict);
        let answer = world.taken(TERMINAL, 210).1;
        assert_eq!(answer.text(39), Some(code));
        assert_eq!(answer.get(112) == Some(&[0xE1, 3, 0xDF, 0x53, 0]), asks_for_sod);
        assert_eq!(world.records(&request), "DECLINED");
        world.silent(bank_link(BIDV), 200);
    }
}

#[test]
fn a_registry_that_is_late_is_91_and_its_verdict_then_changes_nothing() {
    let mut world = World::new();
    let request = world.request(200, "01", AMOUNT);
    world.terminal(request.clone());
    world.pass_ms(3_000);
    assert_eq!(world.code(210), "91");
    world.verdict(verified());
    assert_eq!(world.records(&request), "DECLINED");
    world.silent(bank_link(BIDV), 200);
}

#[test]
fn a_reference_is_bound_and_consumed() {
    let mut world = World::new();
    let reference = world.verified_reference(1);
    let use_of = |world: &mut World, who: u32, terminal: &str, processing: &str| {
        let mut request = world.request_of(who, 200, processing, AMOUNT);
        request.set_text(41, terminal);
        set_reference(&mut request, reference);
        world.terminal(request);
    };
    use_of(&mut world, 2, "HN000001", "01");
    assert_eq!(world.code(210), "63", "another citizen's");
    world.sign_on("HN000002");
    use_of(&mut world, 1, "HN000002", "01");
    assert_eq!(world.code(210), "63", "another terminal's");
    use_of(&mut world, 1, "HN000001", "31");
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00", "an inquiry does not consume it");
    for code in ["51", "61"] {
        use_of(&mut world, 1, "HN000001", "01");
        let asked = world.taken(bank_link(BIDV), 200);
        world.bank_answers(&asked, code);
        assert_eq!(world.code(210), code, "and after it the reference serves again");
    }
    use_of(&mut world, 1, "HN000001", "01");
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    use_of(&mut world, 1, "HN000001", "01");
    assert_eq!(world.code(210), "63", "consumed");
    // One use is enough: above, the bound on uses says the same.
    let other = world.verified_reference(1);
    for code in ["00", "63"] {
        let mut request = world.request(200, "01", AMOUNT);
        set_reference(&mut request, other);
        world.terminal(request);
        if code == "00" {
            let asked = world.taken(bank_link(BIDV), 200);
            world.bank_answers(&asked, "00");
        }
        assert_eq!(world.code(210), code);
    }
    let late = world.verified_reference(1);
    world.pass_ms(180_001);
    let mut request = world.request(200, "01", AMOUNT);
    set_reference(&mut request, late);
    world.terminal(request);
    assert_eq!(world.code(210), "63", "past its life");
}

#[test]
fn a_reference_survives_a_restart_and_so_does_its_use() {
    let mut world = World::new();
    let reference = world.verified_reference(1);
    world.restart(config());
    world.connect();
    for code in ["00", "63"] {
        let mut request = world.request(200, "01", AMOUNT);
        set_reference(&mut request, reference);
        world.terminal(request);
        if code == "00" {
            let asked = world.taken(bank_link(BIDV), 200);
            world.bank_answers(&asked, "00");
        }
        assert_eq!(world.code(210), code);
        world.restart(config());
        world.connect();
    }
}

#[test]
fn a_bank_that_is_silent_is_91_and_a_reversal_until_it_acknowledges() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    world.pass_ms(15_000);
    assert_eq!(world.code(210), "91");
    let first = world.taken(bank_link(BIDV), 420);
    assert_eq!(first.1.text(90).unwrap()[..10], format!("0200{}", asked.1.text(11).unwrap()));
    assert_eq!(first.1.text(39), Some("68"));
    assert_eq!(first.1.text(95).unwrap()[..12], *"000000000000");
    world.pass_ms(5_000);
    assert!(world.has_event(|event| matches!(event, Event::ReversalSilent(_)) && event.is_alarm()));
    let again = world.taken(bank_link(BIDV), 421);
    for element in [7, 11, 15, 37, 90, 95] {
        assert_eq!(again.1.get(element), first.1.get(element), "DE{element} of the 0421");
    }
    world.pass_ms(600_000);
    assert!(world.sent.iter().any(|(_, message)| message.mti().value() == 421), "never dropped");
    world.bank_answers(&again, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED");
    world.sent.clear();
    world.pass_ms(3_600_000);
    world.silent(bank_link(BIDV), 421);
    used_is(&world, 0, 0);
}

#[test]
fn late_answers_of_a_bank() {
    for (late, after_ack, records) in [
        ("00", false, "INTENT REVERSAL NOTE REVERSED"),
        ("51", false, "INTENT REVERSAL REVERSED"),
        ("00", true, "INTENT REVERSAL REVERSED REVERSAL REVERSED"),
        ("51", true, "INTENT REVERSAL REVERSED"),
    ] {
        let mut world = World::new();
        let (request, asked) = withdrawal(&mut world);
        world.pass_ms(15_000);
        assert_eq!(world.code(210), "91");
        let reversal = world.taken(bank_link(BIDV), 420);
        if after_ack {
            world.bank_answers(&reversal, "00");
        }
        world.bank_answers(&asked, late);
        world.silent(TERMINAL, 210);
        if !after_ack {
            world.bank_answers(&reversal, "00");
        }
        if after_ack && late == "00" {
            let again = world.taken(bank_link(BIDV), 421);
            assert_eq!(again.1.get(11), reversal.1.get(11), "one identity");
            world.bank_answers(&again, "00");
        }
        assert_eq!(world.records(&request), records, "late {late}, after the acknowledgement: {after_ack}");
        used_is(&world, 0, 0);
    }
}

#[test]
fn declines_are_mapped_and_a_late_approval_of_one_is_reversed() {
    for (code, told) in [("51", "51"), ("05", "57"), ("55", "55"), ("99", "57")] {
        let mut world = World::new();
        let (request, asked) = withdrawal(&mut world);
        world.bank_answers(&asked, code);
        assert_eq!(world.code(210), told);
        assert_eq!(world.records(&request), "INTENT DECLINED");
        used_is(&world, 0, 0);
        world.bank_answers(&asked, "00");
        let reversal = world.taken(bank_link(BIDV), 420);
        world.bank_answers(&reversal, "00");
        assert_eq!(world.records(&request), "INTENT DECLINED REVERSAL REVERSED");
        used_is(&world, 0, 0);
    }
}

#[test]
fn an_answer_with_another_echo_is_96_and_a_reversal() {
    type Change = fn(&mut Message);
    let changes: [Change; 4] = [
        |m| {
            m.set_number(4, 1, 12);
        },
        |m| {
            m.set_text(37, "999999999999");
        },
        |m| {
            m.set_text(41, "HN000009");
        },
        |m| {
            m.remove(41);
        },
    ];
    for change in changes {
        let mut world = World::new();
        let (request, asked) = withdrawal(&mut world);
        let mut answer = echo(&asked.1, "00");
        change(&mut answer);
        world.bank(BIDV, answer);
        assert_eq!(world.code(210), "96");
        world.taken(bank_link(BIDV), 420);
        assert_eq!(world.records(&request), "INTENT REVERSAL");
        assert!(world.has_event(|event| matches!(event, Event::OtherEcho(_))));
    }
}

#[test]
fn answers_that_belong_to_nothing_change_nothing() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    // From another bank, forged, of an unknown name, 94.
    world.bank(VIETCOMBANK, echo(&asked.1, "00"));
    let forged = Input::Received {
        link: bank_link(BIDV),
        message: echo(&asked.1, "00"),
        authenticity: Authenticity::Forged,
        citizen: None,
    };
    world.input(forged);
    let mut unknown = echo(&asked.1, "00");
    unknown.set_text(11, "999999");
    world.bank(BIDV, unknown);
    world.bank_answers(&asked, "94");
    world.silent(TERMINAL, 210);
    assert_eq!(world.records(&request), "INTENT");
    let strays = world.events.iter().filter(|event| matches!(event, Event::StrayAnswer(..))).count();
    assert_eq!(strays, 2);
    world.bank_answers(&asked, "00");
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    world.silent(TERMINAL, 210);
    world.bank_answers(&asked, "51");
    assert_eq!(world.records(&request), "INTENT OUTCOME NOTE!");
}

#[test]
fn repeats_are_silence_while_it_runs_and_the_stored_answer_after() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    let mut repeat = request.clone();
    repeat.set_mti(repeat.mti().repeat());
    world.terminal(repeat.clone());
    world.silent(TERMINAL, 210);
    world.bank_answers(&asked, "00");
    let first = world.taken(TERMINAL, 210).1;
    for restarts in [false, true] {
        if restarts {
            world.restart(config());
            world.connect();
        }
        world.terminal(repeat.clone());
        assert_eq!(world.taken(TERMINAL, 210).1, first);
        world.terminal(request.clone());
        assert_eq!(world.taken(TERMINAL, 210).1, first, "byte for byte, whatever its mark");
    }
    assert_eq!(world.records(&request), "INTENT OUTCOME");
    let reversal = world.advice(420, &request, None);
    world.terminal(reversal.clone());
    world.terminal(repeat.clone());
    assert_eq!(world.code(210), "91", "an APPROVED that was reversed since");
    world.terminal(reversal);
    assert_eq!((world.code(430), world.code(430)), ("00".to_owned(), "00".to_owned()));
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL");
    let asked = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&asked, "00");
    // Nothing of it is in memory any more.
    world.terminal(repeat);
    assert_eq!(world.code(210), "91", "behind its end");
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL REVERSED");
    world.silent(bank_link(BIDV), 200);
}

#[test]
fn other_content_under_a_known_key_is_94() {
    type Change = fn(&mut Message);
    let changes: [Change; 5] = [
        |m| {
            m.set(2, citizen(2).0.digits());
        },
        |m| {
            m.set_text(3, "210000");
        },
        |m| {
            m.set_number(4, 1, 12);
        },
        |m| {
            m.set_text(100, VIETCOMBANK);
        },
        |m| {
            m.set_text(103, "1");
        },
    ];
    for change in changes {
        let mut world = World::new();
        let (request, asked) = withdrawal(&mut world);
        let mut other = request.clone();
        change(&mut other);
        world.terminal(other.clone());
        assert_eq!(world.code(210), "94", "while it runs");
        world.bank_answers(&asked, "00");
        assert_eq!(world.code(210), "00");
        let completion = world.advice(220, &request, None);
        world.terminal(completion);
        world.terminal(other);
        assert_eq!(world.code(210), "94", "once it is over");
        assert!(world.has_event(|event| matches!(event, Event::OtherContent(_))));
        assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE");
    }
}

#[test]
fn reversals_give_back_what_did_not_leave() {
    for (left, de95, records, used_after) in [
        (None, "000000000000", "INTENT OUTCOME REVERSAL REVERSED", (0, 0)),
        (Some(0), "000000000000", "INTENT OUTCOME REVERSAL REVERSED", (0, 0)),
        (Some(500_000), "000000500000", "INTENT OUTCOME REVERSAL REVERSED", (500_000, 1)),
    ] {
        let mut world = World::new();
        let request = approved(&mut world);
        let mut advice = world.advice(420, &request, left);
        advice.set_text(39, "22");
        world.terminal(advice.clone());
        assert_eq!(world.code(430), "00");
        let reversal = world.taken(bank_link(BIDV), 420);
        assert_eq!(reversal.1.text(95).unwrap()[..12], *de95);
        assert_eq!(reversal.1.text(39), Some("22"), "the reason is carried");
        world.bank_answers(&reversal, "00");
        assert_eq!(world.records(&request), records);
        used_is(&world, used_after.0, used_after.1);
        advice.set_mti(advice.mti().repeat());
        world.terminal(advice);
        assert_eq!(world.code(430), "00", "0421 gets the stored answer");
        assert_eq!(world.records(&request), records);
    }
    let mut world = World::new();
    let request = approved(&mut world);
    let whole = world.advice(420, &request, Some(AMOUNT));
    world.terminal(whole);
    assert_eq!(world.code(430), "00");
    assert_eq!(world.records(&request), "INTENT OUTCOME COMPLETE", "all the cash has left");
    world.silent(bank_link(BIDV), 420);
}

#[test]
fn advices_against_the_state_are_taken_and_flagged() {
    let mut world = World::new();
    let request = approved(&mut world);
    let over = world.advice(420, &request, Some(AMOUNT + 1));
    world.terminal(over);
    assert_eq!(world.code(430), "00");
    assert_eq!(world.records(&request), "INTENT OUTCOME CLAIM!");
    let completion = world.advice(220, &request, None);
    world.terminal(completion);
    let late = world.advice(420, &request, None);
    world.terminal(late);
    assert_eq!((world.code(230), world.code(430)), ("00".to_owned(), "00".to_owned()));
    assert_eq!(world.records(&request), "INTENT OUTCOME CLAIM! COMPLETE CLAIM!");
    world.silent(bank_link(BIDV), 420);
    assert_eq!(world.transaction(&request).suspense, Some(processor::Suspense::Claim));
}

#[test]
fn a_reversal_without_an_original_burns_the_key() {
    let mut world = World::new();
    let request = world.money("01", AMOUNT);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(430), "00");
    assert_eq!(world.records(&request), "TOMBSTONE");
    world.terminal(request.clone());
    assert_eq!(world.code(210), "94");
    world.silent(bank_link(BIDV), 200);
    assert_eq!(world.records(&request), "TOMBSTONE");
    let claimed = world.request(200, "01", AMOUNT);
    let completion = world.advice(220, &claimed, None);
    world.terminal(completion);
    assert_eq!(world.code(230), "00");
    assert_eq!(world.records(&claimed), "CLAIM!", "cash is said to have left that nobody approved");
}

#[test]
fn a_reversal_overtakes_its_request() {
    let mut world = World::new();
    let request = world.request(200, "01", AMOUNT);
    world.terminal(request.clone());
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(430), "00");
    world.verdict(verified());
    assert_eq!(world.records(&request), "TOMBSTONE");
    world.silent(bank_link(BIDV), 200);
    world.silent(TERMINAL, 210);

    let (request, asked) = withdrawal(&mut world);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    assert_eq!(world.code(430), "00");
    let reversal = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&asked, "00");
    world.silent(TERMINAL, 210);
    world.bank_answers(&reversal, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL NOTE REVERSED");
}

#[test]
fn a_completion_before_the_banks_answer_completes_with_it() {
    let mut world = World::new();
    let (request, asked) = withdrawal(&mut world);
    let completion = world.advice(220, &request, None);
    world.terminal(completion);
    assert_eq!(world.code(230), "00");
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert_eq!(world.records(&request), "INTENT CLAIM! OUTCOME COMPLETE");
}

#[test]
fn a_restart_reverses_what_has_no_end_and_keeps_what_was_approved() {
    let mut world = World::new();
    let (sent, _) = withdrawal(&mut world);
    let done = approved(&mut world);
    world.restart(config());
    world.connect();
    assert_eq!(world.records(&sent), "INTENT REVERSAL");
    world.pass_ms(1);
    let reversal = world.sent.iter().position(|(_, message)| message.mti().value() == 420);
    assert!(reversal.is_none() || world.sent[reversal.unwrap()].0 == bank_link(BIDV));
    world.terminal(sent.clone());
    assert_eq!(world.code(210), "91");
    world.terminal(done.clone());
    assert_eq!(world.code(210), "00");
    world.pass_ms(86_400_000);
    assert_eq!(world.records(&done), "INTENT OUTCOME NOTE!", "flagged by age, never reversed by a timer");
    let completion = world.advice(220, &done, None);
    world.terminal(completion);
    assert_eq!(world.transaction(&done).suspense, None, "a later 0220 clears it");
}

#[test]
fn a_reversal_goes_on_after_a_restart_with_its_identity() {
    let mut world = World::new();
    let (request, _) = withdrawal(&mut world);
    world.pass_ms(15_000);
    let first = world.taken(bank_link(BIDV), 420);
    world.restart(config());
    for bank in [BIDV, VIETCOMBANK] {
        world.input(Input::LinkUp(bank_link(bank)));
        let sign_on = world.taken(bank_link(bank), 800);
        world.silent(bank_link(bank), 421);
        world.bank_answers(&sign_on, "00");
    }
    let again = world.taken(bank_link(BIDV), 421);
    assert_eq!((again.1.get(7), again.1.get(11)), (first.1.get(7), first.1.get(11)));
    world.bank_answers(&again, "00");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED");
}

#[test]
fn twenty_five_ends_a_reversal_only_where_it_may() {
    // BIDV keeps tombstones; Vietcombank (citizen 2) keeps none.
    let mut world = World::new();
    let (request, _) = withdrawal(&mut world);
    world.pass_ms(15_000);
    let reversal = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&reversal, "25");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED");

    let request = world.money_of(2, "01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(VIETCOMBANK), 200);
    world.pass_ms(15_000);
    let reversal = world.taken(bank_link(VIETCOMBANK), 420);
    world.bank_answers(&reversal, "25");
    world.pass_ms(59_999);
    world.silent(bank_link(VIETCOMBANK), 421);
    world.pass_ms(1);
    let again = world.taken(bank_link(VIETCOMBANK), 421);
    world.bank_answers(&again, "25");
    assert_eq!(world.records(&request), "INTENT REVERSAL REVERSED!");
    let _ = asked;

    let request = world.money_of(2, "01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(VIETCOMBANK), 200);
    world.bank_answers(&asked, "00");
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    for _ in 0..12 {
        world.pass_ms(300_000);
        let place =
            world.sent.iter().position(|(_, message)| matches!(message.mti().value(), 420 | 421)).unwrap();
        let reversal = world.sent.remove(place);
        world.bank_answers(&reversal, "25");
    }
    assert_eq!(
        world.records(&request),
        "INTENT OUTCOME REVERSAL",
        "an approval was seen: it goes on for ever"
    );
}

#[test]
fn a_bank_that_refuses_a_reversal_is_asked_again_and_a_person_told() {
    let mut world = World::new();
    let request = approved(&mut world);
    let advice = world.advice(420, &request, None);
    world.terminal(advice);
    for _ in 0..12 {
        world.pass_ms(300_000);
        let place =
            world.sent.iter().position(|(_, message)| matches!(message.mti().value(), 420 | 421)).unwrap();
        let reversal = world.sent.remove(place);
        world.bank_answers(&reversal, "96");
    }
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL NOTE!");
    world.pass_ms(300_000);
    let again = world.taken(bank_link(BIDV), 421);
    world.bank_answers(&again, "00");
    assert_eq!(world.records(&request), "INTENT OUTCOME REVERSAL NOTE! REVERSED");
}

#[test]
fn deposits_inquiries_and_transfers() {
    let mut world = World::new();
    let deposit = world.money("21", 100_000_000);
    world.terminal(deposit.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    let kept = world.advice(220, &deposit, None);
    world.terminal(kept);
    assert_eq!(world.records(&deposit), "INTENT OUTCOME COMPLETE");
    used_is(&world, 0, 0);

    for (processing, element, value) in
        [("31", 54, "1001704C000000050000"), ("38", 62, "22050301D000002000000704")]
    {
        let inquiry = world.money(processing, 0);
        world.terminal(inquiry.clone());
        let asked = world.taken(bank_link(BIDV), 200);
        let mut answer = echo(&asked.1, "00");
        answer.set_text(element, value);
        world.bank(BIDV, answer);
        let told = world.taken(TERMINAL, 210).1;
        assert_eq!((told.text(39), told.text(element)), (Some("00"), Some(value)));
        assert_eq!(world.records(&inquiry), "INTENT OUTCOME");
        assert_eq!(world.transaction(&inquiry).state, State::Completed);
        let silent = world.money(processing, 0);
        world.terminal(silent.clone());
        world.pass_ms(15_000);
        assert_eq!(world.code(210), "91");
        assert_eq!(world.records(&silent), "INTENT DECLINED", "no reversal for what moves no money");
        world.silent(bank_link(BIDV), 420);
        world.sent.clear();
    }

    let mut transfer = world.money("40", AMOUNT);
    transfer.set_text(103, "12010000000009");
    world.terminal(transfer.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    assert_eq!(asked.1.text(103), Some("12010000000009"));
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    assert_eq!(world.transaction(&transfer).state, State::Completed);
    let back = world.advice(420, &transfer, None);
    world.terminal(back);
    let reversal = world.taken(bank_link(BIDV), 420);
    world.bank_answers(&reversal, "00");
    assert_eq!(world.records(&transfer), "INTENT OUTCOME REVERSAL REVERSED");
    used_is(&world, 0, 0);
}

#[test]
fn the_status_of_the_last_transaction_counts_as_its_advice() {
    for (outcome, left, records) in [
        ("1", AMOUNT, "INTENT OUTCOME COMPLETE"),
        ("0", 0, "INTENT OUTCOME REVERSAL"),
        ("2", 500_000, "INTENT OUTCOME REVERSAL"),
        ("9", 0, "INTENT OUTCOME"),
    ] {
        let mut world = World::new();
        let request = approved(&mut world);
        let status =
            format!("0200{}{}{outcome}{left:012}", request.text(11).unwrap(), request.text(7).unwrap());
        let mut next = world.request(200, "31", 0);
        next.set_text(48, &status);
        world.terminal(next.clone());
        assert_eq!(world.records(&request), records, "outcome {outcome}");
        world.silent(TERMINAL, 230);
        world.silent(TERMINAL, 430);
        if outcome == "2" {
            let reversal = world.taken(bank_link(BIDV), 420);
            assert_eq!(reversal.1.text(95).unwrap()[..12], *"000000500000");
        }
        let mut later = world.request(200, "31", 0);
        later.set_text(48, &status);
        world.terminal(later);
        assert_eq!(world.records(&request), records, "said once is enough");
    }
}
