//! The bank as the switch sees it: tables of messages in and out, invariants under any order, restarts.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use iso8583::{Message, Mti};
use proptest::prelude::*;

use super::fault::{Fault, no_faults};
use super::identity::Identity;
use super::ledger::{Ledger, Line, OPENING, SETTLEMENT};
use super::machine::{Input, Machine, MachineConfig, Output};
use crate::terminal::Now;

/// 2022-05-03T01:02:03Z.
const NOW_MS: i64 = 1_651_539_723_000;
const DE7: &str = "0503010203";

pub(crate) fn config() -> MachineConfig {
    MachineConfig {
        id: "970418".into(),
        currency: 704,
        amount_exponent: 0,
        accounts: BTreeMap::from([("1111".into(), 5_000_000), ("2222".into(), 100_000)]),
        opening_minor: None,
        tombstones: true,
        repeats_refused: false,
        totals: Default::default(),
        pins: None,
        exchange: None,
        faults: no_faults(),
    }
}

/// A request of the switch under this STAN; DE3 by its first two positions.
pub(crate) fn request(stan: u64, kind: &str, account: &str, amount: u64) -> Message {
    let mut message = Message::new(Mti::new(200));
    message.set_text(2, "9704990012030000017").set_text(3, &format!("{kind}2000")).set_number(4, amount, 12);
    message.set_text(7, DE7).set_number(11, stan, 6).set_text(12, "080203").set_text(13, "0503");
    message.set_text(15, "0503").set_text(18, "6011").set_text(22, "051").set_text(25, "00");
    message.set_text(32, "970436").set_text(37, &format!("2123{stan:08}")).set_text(41, "HN000001");
    message.set_text(42, "BRANCH 1       ").set_text(43, "HANOI                                 VN");
    message.set_text(49, "704").set_text(100, "970418").set_text(102, account);
    message
}

fn transfer(stan: u64, from: &str, to: &str, amount: u64) -> Message {
    let mut message = request(stan, "40", from, amount);
    message.set_text(103, to);
    message
}

/// The reversal of a request, under a STAN of its own.
pub(crate) fn reversal(stan: u64, of: &Message, left: u64) -> Message {
    let mut message = Message::new(Mti::new(420));
    for element in [2, 3, 4, 7, 15, 32, 37, 41, 42, 49, 100, 102] {
        message.set(element, of.get(element).unwrap());
    }
    let original =
        format!("0200{}{}{:0>11}{:011}", of.text(11).unwrap(), of.text(7).unwrap(), of.text(32).unwrap(), 0);
    message.set_number(11, stan, 6).set_text(39, "68").set_text(90, &original);
    message.set_text(95, &format!("{left:012}{:030}", 0));
    message
}

fn repeat(message: &Message) -> Message {
    let mut message = message.clone();
    message.set_mti(message.mti().repeat());
    message
}

fn network(code: &str) -> Message {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, DE7).set_text(11, "000001").set_text(70, code);
    message
}

/// A bank, its file (the lines that it has written) and its clock.
struct Desk {
    machine: Machine,
    lines: Vec<Line>,
    mono_us: u64,
}

impl Desk {
    fn new(config: MachineConfig) -> Desk {
        Desk { machine: Machine::new(config, Ledger::default()), lines: Vec::new(), mono_us: 0 }
    }

    fn take(&mut self, input: Input) -> Vec<Message> {
        let mut out = Vec::new();
        self.machine.handle(Now { mono_us: self.mono_us, wall_ms: NOW_MS }, input, &mut out);
        let mut answers = Vec::new();
        for output in out {
            match output {
                Output::Append(line) => self.lines.push(line),
                Output::Send(_, message) => answers.push(message),
                Output::Rekey(_) => {}
                Output::Away(ms) => answers.push(network(&ms.to_string())),
            }
        }
        answers
    }

    fn all(&mut self, message: &Message) -> Vec<Message> {
        self.take(Input::Received(1, Box::new(message.clone())))
    }

    fn ask(&mut self, message: &Message) -> Message {
        let answers = self.all(message);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.into_iter().next().unwrap()
    }

    fn code(&mut self, message: &Message) -> String {
        self.ask(message).text(39).unwrap().to_owned()
    }

    fn after_ms(&mut self, ms: u64) -> Vec<Message> {
        self.mono_us += ms * 1000;
        if self.machine.next_deadline().is_some_and(|due_us| due_us <= self.mono_us) {
            self.take(Input::Deadline)
        } else {
            Vec::new()
        }
    }

    fn balance(&self, account: &str) -> i64 {
        self.machine.ledger().balance_minor(account).unwrap()
    }

    /// Everything is gone but the file.
    fn restart(&mut self, config: MachineConfig) {
        let mut ledger = Ledger::default();
        for line in &self.lines {
            let text = serde_json::to_string(line).unwrap();
            ledger.apply(&serde_json::from_str(&text).unwrap()).unwrap();
        }
        assert_eq!(&ledger, self.machine.ledger());
        self.machine = Machine::new(config, ledger);
    }
}

fn with_fault(fault: Fault) -> MachineConfig {
    MachineConfig {
        faults: std::sync::Arc::new(move |seen| {
            (seen.sighting == 1 && seen.rrn == "212300000007").then_some(fault)
        }),
        ..config()
    }
}

#[test]
fn money_moves_and_every_answer_echoes_what_it_has_to() {
    let mut desk = Desk::new(config());
    for (message, code, customer, settlement) in [
        (request(1, "01", "1111", 2_000_000), "00", 3_000_000, 2_000_000),
        (request(2, "01", "1111", 3_000_001), "51", 3_000_000, 2_000_000),
        (request(3, "21", "1111", 500_000), "00", 3_500_000, 1_500_000),
        (transfer(4, "1111", "2222", 500_000), "00", 3_000_000, 1_500_000),
        (transfer(5, "1111", "1111", 5), "12", 3_000_000, 1_500_000),
        (transfer(6, "1111", "9999", 5), "14", 3_000_000, 1_500_000),
        (request(7, "01", "9999", 5), "14", 3_000_000, 1_500_000),
        (request(8, "01", SETTLEMENT, 5), "14", 3_000_000, 1_500_000),
        (request(9, "01", "1111", 0), "13", 3_000_000, 1_500_000),
        (request(10, "31", "1111", 0), "00", 3_000_000, 1_500_000),
        (request(11, "31", "1111", 5), "13", 3_000_000, 1_500_000),
        (request(12, "55", "1111", 5), "12", 3_000_000, 1_500_000),
    ] {
        let answer = desk.ask(&message);
        assert_eq!(answer.mti(), Mti::new(210));
        assert_eq!(answer.text(39), Some(code), "{message:?}");
        assert_eq!((desk.balance("1111"), desk.balance(SETTLEMENT)), (customer, settlement), "{message:?}");
        for element in [3, 4, 7, 11, 37, 41] {
            assert_eq!(answer.get(element), message.get(element), "DE{element}");
        }
        let moved = code == "00" && message.number(4) != Some(0);
        assert_eq!(answer.has(38), moved, "{message:?}");
    }
    assert_eq!(desk.balance("2222"), 600_000);
}

#[test]
fn a_balance_and_a_mini_statement_have_the_layout_of_the_interface() {
    let mut desk = Desk::new(MachineConfig { amount_exponent: 2, ..config() });
    for (message, code) in [
        (request(1, "01", "1111", 200_000_000), "00"),
        (request(2, "21", "1111", 50_000_000), "00"),
        (request(3, "01", "1111", 50_000_050), "13"),
    ] {
        assert_eq!(desk.code(&message), code);
    }
    let balance = desk.ask(&request(4, "31", "1111", 0));
    assert_eq!(balance.text(54), Some("2001704C0003500000002002704C000350000000"));
    let statement = desk.ask(&request(5, "38", "1111", 0));
    assert_eq!(statement.text(62), Some("22050321C00000050000070422050301D000002000000704"));
    for stan in 10..30 {
        desk.ask(&request(stan, "21", "1111", 100));
    }
    let statement = desk.ask(&request(40, "38", "1111", 0));
    assert_eq!(statement.text(62).unwrap().len(), 10 * 24);
}

#[test]
fn what_has_to_be_there_is_30_when_it_is_not() {
    let mut desk = Desk::new(config());
    let original = request(1, "01", "1111", 50_000);
    for element in [2, 3, 4, 7, 11, 12, 13, 15, 18, 22, 25, 32, 37, 41, 42, 43, 49, 100, 102] {
        let mut message = original.clone();
        message.remove(element);
        assert_eq!(desk.code(&message), "30", "DE{element}");
    }
    assert_eq!(desk.code(&request(2, "40", "1111", 5)), "30", "a transfer without DE103");
    for element in [4, 7, 11, 15, 32, 37, 41, 90, 95, 100] {
        let mut message = reversal(3, &original, 0);
        message.remove(element);
        assert_eq!(desk.code(&message), "30", "DE{element}");
    }
    for (element, value, code) in [(49, "840", "12"), (100, "970436", "57"), (7, "0230000000", "30")] {
        let mut message = original.clone();
        message.set_text(element, value);
        assert_eq!(desk.code(&message), code, "DE{element}");
    }
    assert!(desk.lines.is_empty());
}

#[test]
fn a_repeat_gets_the_stored_answer_also_after_a_restart() {
    let mut desk = Desk::new(config());
    let (out, refused, inquiry) =
        (request(1, "01", "1111", 50_000), request(2, "01", "2222", 200_000), request(3, "31", "1111", 0));
    let back = reversal(4, &out, 20_000);
    let answers = [&out, &refused, &inquiry, &back].map(|message| desk.ask(message));
    for restart in [false, true] {
        if restart {
            desk.restart(config());
        }
        for (message, answer) in [&out, &refused, &inquiry, &back].into_iter().zip(&answers) {
            assert_eq!(desk.ask(message), *answer);
            assert_eq!(desk.ask(&repeat(message)), *answer);
        }
        assert_eq!(desk.balance("1111"), 4_980_000);
    }
    for change in [(4, "000000050001"), (3, "210000"), (37, "212300000009"), (102, "2222")] {
        let mut message = out.clone();
        message.set_text(change.0, change.1);
        assert_eq!(desk.code(&message), "94", "DE{}", change.0);
    }
    desk.restart(MachineConfig { repeats_refused: true, ..config() });
    assert_eq!(desk.code(&out), "94");
    assert_eq!(desk.code(&back), "00");
}

#[test]
fn a_reversal_gives_back_what_did_not_leave_and_only_once() {
    for (kind, left, customer) in [
        ("01", 0, 5_000_000),
        ("01", 300_000, 4_700_000),
        ("01", 500_000, 4_500_000),
        ("21", 0, 5_000_000),
        ("21", 300_000, 5_300_000),
    ] {
        let mut desk = Desk::new(config());
        let original = request(1, kind, "1111", 500_000);
        desk.ask(&original);
        let answer = desk.ask(&reversal(2, &original, left));
        assert_eq!((answer.mti(), answer.text(39)), (Mti::new(430), Some("00")));
        for element in [4, 7, 11, 37, 41] {
            assert_eq!(answer.get(element), reversal(2, &original, left).get(element), "DE{element}");
        }
        assert_eq!(desk.balance("1111"), customer);
        assert_eq!(desk.code(&reversal(3, &original, 0)), "00", "under another identity");
        assert_eq!(desk.balance("1111"), customer);
        assert_eq!(desk.balance(SETTLEMENT) + customer, 5_000_000);
    }
}

#[test]
fn a_reversal_that_does_not_fit_moves_nothing() {
    let mut desk = Desk::new(config());
    let original = request(1, "01", "1111", 500_000);
    desk.ask(&original);
    let other = |element, value: &str| {
        let mut message = reversal(2, &original, 0);
        message.set_text(element, value);
        message
    };
    assert_eq!(desk.code(&reversal(2, &original, 500_001)), "13");
    assert_eq!(desk.code(&other(4, "000000400000")), "13");
    for (stan, element, value) in [(10, 41, "HN000002"), (11, 32, "970415")] {
        let mut message = other(element, value);
        message.set_number(11, stan, 6);
        assert_eq!(desk.code(&message), "25", "DE{element}");
    }
    assert_eq!(desk.balance("1111"), 4_500_000);
    assert_eq!(desk.code(&reversal(2, &original, 0)), "00");
    let declined = request(3, "01", "2222", 500_000);
    assert_eq!(desk.code(&declined), "51");
    assert_eq!(desk.code(&reversal(4, &declined, 0)), "00");
    assert_eq!(desk.balance("2222"), 100_000);
}

#[test]
fn a_credit_that_is_spent_is_taken_back_once_there_is_money() {
    let mut desk = Desk::new(config());
    let deposit = request(1, "21", "2222", 400_000);
    desk.ask(&deposit);
    desk.ask(&request(2, "01", "2222", 300_000));
    assert_eq!(desk.code(&reversal(3, &deposit, 0)), "51");
    desk.ask(&request(4, "21", "2222", 300_000));
    assert_eq!(desk.code(&reversal(3, &deposit, 0)), "00");
    assert_eq!(desk.balance("2222"), 100_000);
}

#[test]
fn a_transfer_goes_back_whole() {
    let mut desk = Desk::new(config());
    let original = transfer(1, "1111", "2222", 400_000);
    desk.ask(&original);
    assert_eq!(desk.code(&reversal(2, &original, 0)), "00");
    assert_eq!((desk.balance("1111"), desk.balance("2222")), (5_000_000, 100_000));
}

#[test]
fn a_reversal_before_its_original_burns_it_where_the_bank_keeps_tombstones() {
    for (tombstones, code, customer) in [(true, "12", None), (false, "00", Some(4_500_000))] {
        let mut desk = Desk::new(MachineConfig { tombstones, ..config() });
        let original = request(1, "01", "1111", 500_000);
        assert_eq!(desk.code(&reversal(2, &original, 0)), "25");
        desk.restart(MachineConfig { tombstones, ..config() });
        assert_eq!(desk.code(&original), code);
        assert_eq!(desk.machine.ledger().balance_minor("1111"), customer);
        let (again, rest) = if tombstones { ("25", None) } else { ("00", Some(5_000_000)) };
        assert_eq!(desk.code(&repeat(&reversal(2, &original, 0))), again);
        assert_eq!(desk.machine.ledger().balance_minor("1111"), rest);
    }
}

#[test]
fn a_credit_by_advice_is_booked_once_and_a_debit_is_not() {
    let mut desk = Desk::new(config());
    let mut credit = request(1, "21", "1111", 700_000);
    credit.set_mti(Mti::new(220));
    credit.set_text(90, &format!("02000000090503010203{:022}", 0));
    for message in [credit.clone(), repeat(&credit)] {
        let answer = desk.ask(&message);
        assert_eq!((answer.mti(), answer.text(39)), (Mti::new(230), Some("00")));
        assert_eq!(desk.balance("1111"), 5_700_000);
    }
    let mut debit = request(2, "01", "1111", 700_000);
    debit.set_mti(Mti::new(220));
    debit.set(90, credit.get(90).unwrap());
    assert_eq!(desk.code(&debit), "12");
}

#[test]
fn network_messages() {
    let mut desk = Desk::new(config());
    let mut cutover = network("201");
    cutover.set_text(15, "0504");
    for (message, code) in [
        (network("001"), "00"),
        (network("002"), "00"),
        (network("301"), "00"),
        (network("101"), "40"),
        (network("201"), "30"),
        (cutover, "00"),
    ] {
        let answer = desk.ask(&message);
        assert_eq!((answer.mti(), answer.text(39)), (Mti::new(810), Some(code)));
        for element in [7, 11, 70] {
            assert_eq!(answer.get(element), message.get(element));
        }
    }
    assert_eq!(desk.machine.ledger().day(), Some("0504"));
    assert!(desk.all(&desk_answer()).is_empty(), "an answer is not answered");
    let forged = desk.take(Input::Forged(1, Box::new(request(1, "01", "1111", 50_000))));
    assert_eq!(forged[0].text(39), Some("63"));
    assert!(desk.machine.ledger().entries().is_empty());
}

#[test]
fn a_bank_says_what_its_day_comes_to_in_the_manner_that_it_has() {
    let mut asked = Message::new(Mti::new(520));
    asked.set_text(7, DE7).set_text(11, "000900").set_text(15, "0503").set_text(88, "0000000001500000");
    for (manner, scale, debits, settlement, late_ms) in [
        ("right", 1, 1_500_000, "1", 0),
        ("off:1000000", 1, 2_500_000, "2", 0),
        ("late:2000", 1, 1_500_000, "1", 2_000),
        ("right", 100, 150_000_000, "2", 0),
    ] {
        let exponent = if scale == 100 { 2 } else { 0 };
        let totals = manner.parse().unwrap();
        let mut desk = Desk::new(MachineConfig { totals, amount_exponent: exponent, ..config() });
        let of = |stan, kind, minor: u64| request(stan, kind, "1111", minor * scale);
        let withdrawn = [of(1, "01", 500_000), of(2, "01", 1_000_000)];
        let mut of_other_day = of(5, "01", 50_000);
        of_other_day.set_text(15, "0504");
        let others = [of(3, "21", 700_000), of(4, "31", 0), of(6, "01", 9_000_000), of_other_day];
        withdrawn.iter().chain(&others).for_each(|message| drop(desk.ask(message)));
        desk.ask(&reversal(7, &withdrawn[1], 400_000 * scale));
        let mut answers = desk.all(&asked);
        if late_ms > 0 {
            assert!(answers.is_empty() && desk.after_ms(late_ms - 1).is_empty());
            answers = desk.after_ms(1);
        }
        let [answer] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!([7, 11, 15, 39].map(|it| answer.text(it)), [DE7, "000900", "0503", "00"].map(Some));
        let said = [74, 75, 76, 77, 80, 86, 88, 89].map(|element| answer.number(element).unwrap());
        assert_eq!(said, [1, 0, 2, 1, 1, 700_000 * scale, debits, 600_000 * scale], "{manner} {scale}");
        assert_eq!((answer.text(66), answer.has(97)), (Some(settlement), false));
    }
    let mut desk = Desk::new(MachineConfig { totals: "silent".parse().unwrap(), ..config() });
    assert!(desk.all(&asked).is_empty());
    for wrong in ["off", "off:x", "late", "right:1", ""] {
        assert!(wrong.parse::<super::TotalsManner>().is_err(), "{wrong}");
    }
}

fn desk_answer() -> Message {
    Message::new(Mti::new(210))
}

#[test]
fn every_fault_does_what_it_says() {
    let original = request(7, "01", "1111", 500_000);
    let codes = |answers: &[Message]| -> Vec<String> {
        answers.iter().map(|answer| answer.text(39).unwrap_or("away").to_owned()).collect()
    };
    for (fault, at_once, after_a_second, customer) in [
        (Fault::Late(1000), vec![], vec!["00"], 4_500_000),
        (Fault::Silent, vec![], vec![], 4_500_000),
        (Fault::Held(1000), vec![], vec!["00"], 4_500_000),
        (Fault::Echo(4), vec!["00"], vec![], 4_500_000),
        (Fault::Twice, vec!["00", "00"], vec![], 4_500_000),
        (Fault::DeclineThenTruth(*b"05", 1000), vec!["05"], vec!["00"], 4_500_000),
        (Fault::TruthThenDecline(*b"05", 1000), vec!["00"], vec!["05"], 4_500_000),
        (Fault::Away(70), vec!["away"], vec![], 4_500_000),
    ] {
        let mut desk = Desk::new(with_fault(fault));
        let answers = desk.all(&original);
        assert_eq!(codes(&answers), at_once, "{fault:?}");
        assert!(desk.after_ms(999).is_empty(), "{fault:?}");
        assert_eq!(codes(&desk.after_ms(1)), after_a_second, "{fault:?}");
        assert_eq!(desk.balance("1111"), customer, "{fault:?}");
        let wrong = matches!(fault, Fault::Echo(_));
        assert!(
            answers
                .iter()
                .all(|answer| wrong == (answer.get(4) != original.get(4)) || answer.get(39).is_none())
        );
        assert_eq!(desk.code(&original), "00", "{fault:?}: the second sighting is answered with the truth");
        assert_eq!(desk.balance("1111"), customer, "{fault:?}");
    }
    let mut desk = Desk::new(with_fault(Fault::Lost));
    assert!(desk.all(&original).is_empty() && desk.lines.is_empty());
    assert_eq!(desk.code(&original), "00");
    let mut desk = Desk::new(with_fault(Fault::Decline(*b"61")));
    assert_eq!([desk.code(&original), desk.code(&original)], ["61", "61"]);
    assert_eq!(desk.machine.ledger().balance_minor("1111"), None);
}

#[test]
fn a_reversal_overtakes_a_request_that_is_held_and_is_refused_no_more_than_asked() {
    let original = request(7, "01", "1111", 500_000);
    let mut desk = Desk::new(with_fault(Fault::Held(1000)));
    assert!(desk.all(&original).is_empty());
    let mut back = reversal(8, &original, 0);
    back.set_text(37, "212300000008");
    assert_eq!(desk.code(&back), "25");
    assert_eq!(desk.after_ms(1000)[0].text(39), Some("12"));

    let refuses =
        |seen: &super::Seen<'_>| (seen.mti == 420 && seen.sighting <= 2).then_some(Fault::Decline(*b"96"));
    let mut desk = Desk::new(MachineConfig { faults: std::sync::Arc::new(refuses), ..config() });
    desk.ask(&original);
    let back = reversal(8, &original, 0);
    let codes: Vec<String> = (0..4).map(|_| desk.code(&back)).collect();
    assert_eq!(codes, ["96", "96", "00", "00"]);
    assert_eq!(desk.balance("1111"), 5_000_000);
}

#[test]
fn accounts_open_by_rule_when_they_are_first_named() {
    let mut desk = Desk::new(MachineConfig { opening_minor: Some(1_000_000), ..config() });
    assert_eq!(desk.code(&request(1, "01", "777", 400_000)), "00");
    assert_eq!((desk.balance("777"), desk.balance(OPENING)), (600_000, -1_000_000));
    assert_eq!(desk.code(&request(2, "01", "seven", 400_000)), "14");
}

/// What a network can do to a handful of transactions: any of their messages, in any order, any number of times.
fn traffic() -> impl Strategy<Value = (bool, Vec<(usize, bool, bool)>, usize)> {
    let step = (0usize..6, any::<bool>(), any::<bool>());
    (any::<bool>(), prop::collection::vec(step, 1..60), 0usize..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Postings sum to zero, a transaction is applied and taken back at most once, and the file holds everything.
    #[test]
    fn no_order_and_no_repetition_moves_money_twice((tombstones, steps, restart_at) in traffic()) {
        let config = || MachineConfig { tombstones, ..config() };
        let mut desk = Desk::new(config());
        let plan = [("01", 300_000, 0), ("01", 200_000, 50_000), ("21", 400_000, 0), ("21", 100_000, 100_000),
            ("40", 50_000, 0), ("01", 9_000_000, 0)];
        let originals: Vec<Message> = plan.iter().zip(1..).map(|(&(kind, amount, _), stan)| {
            if kind == "40" { transfer(stan, "1111", "2222", amount) } else { request(stan, kind, "1111", amount) }
        }).collect();
        let mut first: BTreeMap<(usize, bool), Message> = BTreeMap::new();
        for (index, (which, reverses, again)) in steps.iter().enumerate() {
            if index == restart_at {
                desk.restart(config());
            }
            let original = &originals[*which];
            let message = if *reverses { reversal(100 + *which as u64, original, plan[*which].2) } else { original.clone() };
            let message = if *again { repeat(&message) } else { message };
            let answer = desk.ask(&message);
            let code = answer.text(39).unwrap();
            if code == "00" || (code != "51" && tombstones) {
                let known = first.entry((*which, *reverses)).or_insert_with(|| answer.clone());
                prop_assert_eq!(&*known, &answer, "the answer of an identity never changes");
            }
        }
        desk.restart(config());
        let ledger = desk.machine.ledger();
        prop_assert_eq!(ledger.balances().map(|(_, balance)| balance).sum::<i64>(), 0);
        for (which, &(_, amount, left)) in plan.iter().enumerate() {
            let identity = |stan| Identity { sent_at_s: NOW_MS / 1000, stan };
            let nets = [which as u32 + 1, which as u32 + 100].map(|stan| {
                let postings = ledger.entry(identity(stan)).map(|entry| entry.postings.clone()).unwrap_or_default();
                postings.iter().map(|posting| posting.amount_minor.max(0)).sum::<i64>()
            });
            prop_assert!(nets == [0, 0] || nets == [amount as i64, 0] || nets == [amount as i64, (amount - left) as i64]);
            let reversed_late = ledger.is_tombstone(identity(which as u32 + 1));
            prop_assert!(!reversed_late || nets == [0, 0]);
        }
    }
}
