//! Conversations of a terminal with a scripted switch: what it says, which notes move, how the visit ends.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use credential::Pan;
use iso8583::{Dialect, Message, Mti};
use keys::Key;
use sha2::{Digest, Sha256};

use super::*;

const START: Now = Now { mono_us: 5_000_000, wall_ms: 1_651_539_723_000 };
const FULL: Notes = Notes([100; 4]);

/// A chip whose signature shows the challenge.
struct Glass {
    dg1: [u8; 95],
    dg15: [u8; 91],
    sod: [u8; 1_200],
}

impl Chip for Glass {
    fn dg1(&self) -> &[u8] {
        &self.dg1
    }

    fn dg15(&self) -> &[u8] {
        &self.dg15
    }

    fn sod(&self) -> &[u8] {
        &self.sod
    }

    fn sign(&self, challenge: &[u8; 8]) -> (Vec<u8>, u8) {
        (challenge.repeat(8), 1)
    }
}

fn config() -> Config {
    let biometrics: Biometrics = Arc::new(|comparison| {
        assert_eq!(comparison.citizen.digits(), b"001203000001");
        let mut session = [0xB0; 16];
        session[..8].copy_from_slice(comparison.terminal.as_bytes());
        session
    });
    Config::new("HN000001", "970418", "Hang Bai, Ha Noi", Key::new([7; 32]), biometrics).unwrap()
}

fn order(what: What, amount_vnd: u64, steps: Steps) -> Order {
    let notes = (what == What::Deposit).then(|| mix(amount_vnd, &Notes([200; 4]), 200)).flatten();
    let chip = Glass { dg1: [1; 95], dg15: [2; 91], sod: [3; 1_200] };
    let card = Card { pan: Pan::parse(b"9704990012030000017").unwrap(), chip: Arc::new(chip) };
    let (bank, from_account, rrn_front, fault) = (None, None, None, None);
    Order { id: 7, what, amount_vnd, notes, card, steps, bank, from_account, rrn_front, pin: None, fault }
}

fn one_step(what: What, amount_vnd: u64, fault: Option<Fault>) -> Order {
    Order { fault, ..order(what, amount_vnd, Steps::One) }
}

fn transfer() -> What {
    What::Transfer { to_account: "0011223344".into() }
}

/// A terminal, the switch's side of its link, and all that came out.
struct Bench {
    terminal: Terminal,
    now: Now,
    outputs: std::collections::VecDeque<Output>,
    sent: Vec<Message>,
    movements: Vec<Movement>,
    finished: Vec<Finished>,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Terminal::new(config()).unwrap())
    }

    fn with(terminal: Terminal) -> Bench {
        let (sent, movements, finished, events) = Default::default();
        let mut bench =
            Bench { terminal, now: START, outputs: Default::default(), sent, movements, finished, events };
        bench.collect();
        bench
    }

    /// Signed on, with full cassettes.
    fn open() -> Bench {
        let mut bench = Bench::new();
        bench.input(Input::Service(FULL));
        bench.run("up\n> 0800 70=001 48=-\n< 0810 00");
        bench
    }

    fn input(&mut self, input: Input) {
        self.terminal.handle(self.now, input);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.terminal.poll_output() {
            match output {
                Output::Moved(movement) => self.movements.push(movement),
                Output::Finished(finished) => self.finished.push(finished),
                Output::Event(event) => self.events.push(event),
                Output::Send(_) | Output::Rekey(_) | Output::Hangup | Output::Totals(_) => {
                    self.outputs.push_back(output)
                }
            }
        }
    }

    /// Plays a script; afterwards nothing that was said is left over. Lines:
    /// `up`, `down` - the connection; `hangup` - the terminal closes it;
    /// `after MS` - time passes, and every deadline on the way is kept;
    /// `> MTI element=value…` - the terminal says this; `-` means absent, numbers lose their zeros, 95 its tail;
    /// `< MTI code word…` - the switch answers the newest request of that class; `sod` asks for the SOD, `first` answers
    /// the oldest request instead, `n=value` sets an element.
    fn run(&mut self, script: &str) -> &mut Bench {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            match words.next().unwrap() {
                "up" => self.input(Input::LinkUp),
                "down" => self.input(Input::LinkDown),
                "hangup" => {
                    assert_eq!(self.outputs.pop_front(), Some(Output::Hangup), "{line}");
                    self.input(Input::LinkDown);
                }
                "after" => self.pass(words.next().unwrap().parse().unwrap()),
                ">" => self.expect(line, words),
                "<" => {
                    let answer = self.answer(words);
                    self.input(Input::Received(Box::new(answer)));
                }
                _ => panic!("{line}"),
            }
        }
        assert_eq!(self.outputs, [], "after {script}");
        self
    }

    fn pass(&mut self, ms: u64) {
        let end_us = self.now.mono_us + ms * 1_000;
        while let Some(at_us) = self.terminal.next_deadline().filter(|at_us| *at_us <= end_us) {
            self.at(at_us.max(self.now.mono_us));
            self.input(Input::Deadline);
            let next_us = self.terminal.next_deadline();
            assert!(next_us.is_none_or(|next_us| next_us > at_us), "a deadline that was kept comes again");
        }
        self.at(end_us);
    }

    fn at(&mut self, mono_us: u64) {
        self.now.wall_ms += (mono_us - self.now.mono_us) as i64 / 1_000;
        self.now.mono_us = mono_us;
    }

    fn expect<'s>(&mut self, line: &str, mut words: impl Iterator<Item = &'s str>) {
        let Some(Output::Send(message)) = self.outputs.pop_front() else { panic!("nothing said: {line}") };
        assert_eq!(message.mti().to_string(), words.next().unwrap(), "{line}");
        Dialect::ascii_1987().encode(&message, &mut Vec::new()).unwrap();
        for (element, value) in words.map(|word| word.split_once('=').unwrap()) {
            let element: u8 = element.parse().unwrap();
            let found = message.text(element).map(|text| match element {
                4 => text.trim_start_matches('0').to_owned(),
                95 => text[..12].parse::<u64>().unwrap().to_string(),
                _ => text.to_owned(),
            });
            assert_eq!(found.as_deref().unwrap_or("-"), value, "{line}: element {element}");
        }
        self.sent.push(message);
    }

    fn answer<'s>(&self, mut words: impl Iterator<Item = &'s str>) -> Message {
        let mti: Mti = words.next().unwrap().parse().unwrap();
        let code = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        let mut requests = self.sent.iter().filter(|message| message.mti().response() == mti);
        let request = if words.contains(&"first") { requests.next() } else { requests.next_back() };
        let mut answer = request.unwrap().clone();
        answer.set_mti(mti);
        answer.set_text(39, code);
        for element in [12, 13, 18, 22, 25, 43, 48, 90, 95, 112, 113, 114, 115] {
            answer.remove(element);
        }
        match (mti.value(), code) {
            (810, "00") if request.unwrap().text(70) == Some("001") => {
                answer.set(112, b"\xE1\x0B\xDF\x20\x08\x01\x02\x03\x04\x05\x06\x07\x08");
            }
            (110, "00") => {
                let accounts = b"\x01\x06970418\x06**4321";
                let inner = [b"\xDF\x51\x10".as_slice(), &[5; 16], b"\xDF\x52\x0F", accounts].concat();
                answer.set(112, &[&[0xE1, inner.len() as u8], &inner[..]].concat());
            }
            _ if words.contains(&"sod") => drop(answer.set(112, b"\xE1\x03\xDF\x53\x00")),
            _ => {}
        }
        if mti.value() == 210 && answer.get(37).is_none() {
            answer.set_text(37, "212300000001");
        }
        for (element, value) in words.iter().filter_map(|word| word.split_once('=')) {
            answer.set_text(element.parse().unwrap(), value);
        }
        answer
    }

    /// What must hold at the end of every visit, whatever happened in it.
    fn check_books(&self) {
        let nets = net_out_vnd(&self.movements);
        let finished: i64 = self.finished.iter().map(|finished| finished.net_out_vnd).sum();
        assert_eq!(nets.values().sum::<i64>(), finished, "what the visits say is what the movements say");
        let contents = Contents::after(&self.movements).unwrap();
        assert_eq!(contents, self.terminal.contents());
    }
}

/// One visit at an open machine, which ends as said; and the books are right.
fn visit(order: Order, script: &str, outcome: Outcome, code: Option<&str>, net_out_vnd: i64) -> Bench {
    let mut bench = Bench::open();
    bench.input(Input::Order(Box::new(order)));
    bench.run(script);
    let [finished] = &bench.finished[..] else { panic!("{:?}", bench.finished) };
    assert_eq!((finished.order, finished.outcome), (7, outcome), "{script}");
    assert_eq!(finished.code.as_ref().map(|code| str::from_utf8(code).unwrap()), code, "{script}");
    assert_eq!(finished.net_out_vnd, net_out_vnd, "{script}");
    bench.check_books();
    bench
}

/// After the script the switch has been told all, and nothing is owed.
fn settled(bench: &Bench) {
    assert!(bench.terminal.is_settled(), "{:?}", bench.terminal);
}

#[test]
fn a_withdrawal_in_two_steps() {
    let script = "> 0100 3=330000 4=- 113=-
         < 0110 00
         > 0200 3=010000 4=2350000 7=0503010203 12=080203 13=0503 32=970418 41=HN000001 49=704 48=- 37=-
         < 0210 00
         > 0220 3=010000 4=2350000 95=2350000 39=- 37=212300000001
         < 0230 00";
    let bench =
        visit(order(What::Withdrawal, 2_350_000, Steps::Two), script, Outcome::Whole, Some("00"), 2_350_000);
    settled(&bench);
    let [_, verification, financial, completion] = &bench.sent[..] else { panic!("{:?}", bench.sent) };
    assert_eq!(financial.get(112).unwrap(), [b"\xE1\x13\xDF\x30\x10".as_slice(), &[5; 16]].concat());
    let stan = |message: &Message| message.text(11).unwrap().to_owned();
    assert_ne!(stan(verification), stan(financial));
    let de90 = format!("0200{}{}0000097041800000000000", stan(financial), financial.text(7).unwrap());
    assert_eq!(completion.text(90), Some(&*de90));
    let told = &bench.finished[0].told;
    assert_eq!((&*told.accounts[0].bank, &*told.accounts[0].alias), ("970418", "**4321"));
    let key = bench.finished[0].key.as_ref().unwrap().to_string();
    assert_eq!(key, format!("0200/970418/HN000001/2022-05-03T01:02:03Z/{}", stan(financial)));
    let out: Vec<_> = bench.movements[4..].iter().map(|m| (m.kind, m.denomination_vnd, m.count)).collect();
    let kind = MovementKind::Out;
    assert_eq!(out, [(kind, 500_000, 4), (kind, 200_000, 1), (kind, 100_000, 1), (kind, 50_000, 1)]);
}

#[test]
fn the_proof_holds_what_the_interface_says() {
    let script = "> 0200 113=-\n< 0210 63 sod\n> 0200\n< 0210 00\n> 0220\n< 0230 00";
    let bench = visit(one_step(What::Withdrawal, 500_000, None), script, Outcome::Whole, Some("00"), 500_000);
    let [first, second] = [&bench.sent[1], &bench.sent[2]];
    assert_ne!(first.text(11), second.text(11), "under a new key");
    let parts: Vec<u8> =
        (113..=115).flat_map(|element| second.get(element).unwrap_or_default().to_vec()).collect();
    assert_eq!((parts, second.get(113).unwrap().len()), (vec![3; 1_200], 999));
    for message in [first, second] {
        let proof = message.get(112).unwrap();
        let holds = |object: &[u8]| proof.windows(object.len()).any(|window| window == object);
        assert!(holds(b"\xDF\x01\x01\x01") && holds(b"\xDF\x02\x01\x0B"));
        assert!(holds(&[b"\xDF\x10\x5F".as_slice(), &[1; 95]].concat()));
        assert!(holds(&[b"\xDF\x11\x5B".as_slice(), &[2; 91]].concat()));
        assert!(holds(&[b"\xDF\x12\x20".as_slice(), &Sha256::digest([3; 1_200])].concat()));
        assert!(holds(b"\xDF\x20\x08\x01\x02\x03\x04\x05\x06\x07\x08"));
        assert!(holds(b"\xDF\x24\x07\x20\x22\x05\x03\x01\x02\x03"));
        assert!(holds(b"\xDF\x32\x10HN000001\xB0\xB0\xB0\xB0\xB0\xB0\xB0\xB0"));
        // The seed and the challenge once more, from the interface's words.
        let hmac = |key: &[u8], data: &[u8]| {
            use hmac::{Hmac, KeyInit, Mac};
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(data);
            mac.finalize().into_bytes()
        };
        let seed = hmac(&[7; 32], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let signed = format!(
            "\x09CCCD-AA-1\x08HN000001\x06{}\x0C000000500000\x03704\x0A0503010203\x00\x139704990012030000017",
            message.text(11).unwrap()
        );
        let signature = hmac(&seed, signed.as_bytes())[..8].repeat(8);
        assert!(holds(&[b"\xDF\x22\x40".as_slice(), &signature].concat()) && holds(b"\xDF\x23\x01\x01"));
    }
}

#[test]
fn the_sod_is_sent_once_and_a_second_request_for_it_is_a_refusal() {
    let twice = "> 0100 113=-\n< 0110 63 sod\n> 0100\n< 0110 63 sod";
    let bench = visit(order(What::Withdrawal, 500_000, Steps::Two), twice, Outcome::Declined, Some("63"), 0);
    assert!(bench.sent[2].has(113));
    let twice = "> 0200 113=-\n< 0210 63 sod\n> 0200\n< 0210 63 sod";
    visit(one_step(What::Withdrawal, 500_000, None), twice, Outcome::Declined, Some("63"), 0);
}

#[test]
fn every_code_ends_the_visit_without_a_note() {
    for code in [
        "12", "13", "14", "25", "30", "40", "41", "51", "54", "55", "56", "57", "61", "62", "63", "65", "68",
        "75", "88", "91", "94", "96",
    ] {
        let passing = matches!(code, "68" | "91" | "96");
        let refused = format!("> 0200\n< 0210 {code}");
        for what in [What::Withdrawal, What::Deposit, transfer()] {
            let bench = visit(one_step(what, 1_000_000, None), &refused, Outcome::Declined, Some(code), 0);
            assert_eq!(bench.finished[0].is_passing(), passing, "{code}");
            settled(&bench);
        }
        for what in [What::Balance, What::MiniStatement] {
            visit(one_step(what, 0, None), &refused, Outcome::Declined, Some(code), 0);
        }
        let refused = format!("> 0100\n< 0110 {code}");
        let two = order(What::Withdrawal, 1_000_000, Steps::Two);
        let bench = visit(two, &refused, Outcome::Declined, Some(code), 0);
        assert_eq!(bench.finished[0].is_passing(), passing, "{code}");
    }
}

#[test]
fn inquiries_tell_what_the_bank_says_and_owe_nothing() {
    let balance = "> 0200 3=310000 4= 49=704\n< 0210 00 54=1001704C000000050000";
    let bench = visit(one_step(What::Balance, 0, None), balance, Outcome::Whole, Some("00"), 0);
    assert_eq!(bench.finished[0].told.amounts.as_deref(), Some("1001704C000000050000"));
    settled(&bench);
    let line = "22050301D000000500000704";
    let statement = format!("> 0200 3=380000\n< 0210 00 62={line}");
    let bench = visit(one_step(What::MiniStatement, 0, None), &statement, Outcome::Whole, Some("00"), 0);
    assert_eq!(bench.finished[0].told.statement.as_deref(), Some(line));
    let late = "> 0200\nafter 30000\n< 0210 00";
    let bench = visit(one_step(What::Balance, 0, None), late, Outcome::NoAnswer, None, 0);
    assert_eq!(bench.events.last(), Some(&Event::Stray));
    settled(&bench);
}

#[test]
fn a_transfer_has_no_completion_and_is_taken_back_when_its_answer_is_late() {
    let done = "> 0200 3=400000 4=300000 103=0011223344\n< 0210 00";
    settled(&visit(one_step(transfer(), 300_000, None), done, Outcome::Whole, Some("00"), 0));
    let late = "> 0200\nafter 30000\n> 0420 95=0 39=68\n< 0210 00\n< 0430 00";
    let bench = visit(one_step(transfer(), 300_000, None), late, Outcome::NoAnswer, None, 0);
    assert!(bench.events.contains(&Event::LateApproval));
    settled(&bench);
}

#[test]
fn what_the_dispenser_gives_is_what_the_switch_is_told() {
    let told = |script: &str| format!("> 0200 4=1200000\n< 0210 00\n{script}\n< 0430 00");
    for (fault, script, outcome, net_out_vnd) in [
        (Fault::DispenseNothing, "> 0420 95=0 39=22 4=1200000", Outcome::Nothing, 0),
        (Fault::DispensePart { notes: 0 }, "> 0420 95=0 39=22", Outcome::Nothing, 0),
        (Fault::DispensePart { notes: 1 }, "> 0420 95=500000 39=32", Outcome::Part, 500_000),
        (Fault::DispensePart { notes: 2 }, "> 0420 95=1000000 39=32", Outcome::Part, 1_000_000),
        (Fault::NotTaken, "> 0420 95=0 39=17", Outcome::Nothing, 0),
    ] {
        let order = one_step(What::Withdrawal, 1_200_000, Some(fault));
        let bench = visit(order, &told(script), outcome, Some("00"), net_out_vnd);
        assert_eq!(bench.finished[0].is_passing(), outcome == Outcome::Nothing);
        settled(&bench);
    }
    let whole = "> 0200\n< 0210 00\n> 0220 95=1200000\n< 0230 00";
    let fault = Some(Fault::DispensePart { notes: 3 });
    visit(one_step(What::Withdrawal, 1_200_000, fault), whole, Outcome::Whole, Some("00"), 1_200_000);
}

#[test]
fn a_late_approval_is_not_paid_out() {
    for (script, event) in [
        ("> 0200\nafter 29999\nafter 1\n> 0420 95=0 39=68 37=-\n< 0210 00\n< 0430 00", Event::LateApproval),
        ("> 0200\n< 0210 00 4=000001000001\n> 0420 95=0\n< 0430 00", Event::OtherApproval),
        ("> 0200\n< 0210 00 3=210000\n> 0420 95=0\n< 0430 00", Event::OtherApproval),
    ] {
        let code = (event == Event::OtherApproval).then_some("00");
        let order = one_step(What::Withdrawal, 1_000_000, None);
        let bench = visit(order, script, Outcome::NoAnswer, code, 0);
        assert!(bench.events.contains(&event));
        assert!(bench.finished[0].is_passing());
        settled(&bench);
    }
    let refused_first = "> 0200\n< 0210 91\n< 0210 00\n> 0420 95=0 39=68\n< 0430 00\n< 0210 00";
    let order = one_step(What::Withdrawal, 1_000_000, None);
    let bench = visit(order, refused_first, Outcome::Declined, Some("91"), 0);
    assert!(bench.events.contains(&Event::ApprovalAfterRefusal));
    assert_eq!(bench.events.last(), Some(&Event::LateApproval), "one 0420 is enough");
}

#[test]
fn a_second_approval_pays_nothing_and_a_strange_answer_is_dropped() {
    let script = "> 0200\n< 0210 00\n> 0220 95=1000000\n< 0210 00\n< 0230 00\n< 0210 00";
    let bench =
        visit(one_step(What::Withdrawal, 1_000_000, None), script, Outcome::Whole, Some("00"), 1_000_000);
    assert_eq!(bench.events.iter().filter(|event| **event == Event::SecondApproval).count(), 2);
    for other in ["7=0503010204", "11=999999", "41=HN000002", "32=970436"] {
        let script = format!("> 0200\n< 0210 00 {other}\nafter 30000\n> 0420 95=0\n< 0430 00");
        let bench = visit(one_step(What::Withdrawal, 1_000_000, None), &script, Outcome::NoAnswer, None, 0);
        assert!(bench.events.contains(&Event::Stray), "{other}");
    }
}

#[test]
fn an_advice_is_sent_until_it_is_answered_with_00() {
    let script = "> 0200\n< 0210 00\n> 0220\nafter 5000\n> 0221\n< 0230 96\nafter 10000\n> 0221
         down\nafter 500000\nup\n> 0800\n< 0810 00\n> 0221\n< 0230 00\nafter 59999";
    let bench = visit(one_step(What::Withdrawal, 500_000, None), script, Outcome::Whole, Some("00"), 500_000);
    settled(&bench);
    let advices: Vec<&Message> = bench.sent.iter().filter(|message| message.mti().class() == 2).collect();
    let names: Vec<_> =
        advices[1..].iter().map(|advice| (advice.get(7), advice.get(11), advice.get(90))).collect();
    assert!(names.windows(2).all(|two| two[0] == two[1]), "a repeat keeps its name");
    assert!(bench.events.contains(&Event::AdviceRefused(*b"96")));
}

#[test]
fn a_lost_link() {
    let lose = |at, give_up| Some(Fault::LoseLink { at, give_up });
    let on = "up\n> 0800 70=001";
    for (what, advice) in [(What::Withdrawal, "0220"), (What::Deposit, "0220")] {
        let net = if what == What::Withdrawal { 1_000_000 } else { -1_000_000 };
        // Repeated on the next connection: the same name, and an approval counts.
        for (at, before) in [(Point::AfterRequest, "> 0200"), (Point::BeforeAnswer, "> 0200\n< 0210 00")] {
            let script = format!(
                "{before}\nhangup\n{on}\n< 0810 00\n> 0201\n< 0210 00\n> {advice} 95=1000000\n< 0230 00"
            );
            let order = one_step(what.clone(), 1_000_000, lose(at, false));
            let bench = visit(order, &script, Outcome::Whole, Some("00"), net);
            settled(&bench);
            let [first, again] = [&bench.sent[1], &bench.sent[3]];
            for element in [2, 3, 4, 7, 11, 41, 49, 112] {
                assert_eq!(first.get(element), again.get(element), "{element}");
            }
            let status =
                format!("{}{}{}9000000000000", "0200", first.text(11).unwrap(), first.text(7).unwrap());
            assert_eq!(bench.sent[2].text(48), Some(&*status), "not known");
            // An approval of a repeat counts; anything else has to be taken back.
            let refused =
                format!("{before}\nhangup\n{on}\n< 0810 00\n> 0201\n< 0210 91\n> 0420 95=0 39=68\n< 0430 00");
            let order = one_step(what.clone(), 1_000_000, lose(at, false));
            settled(&visit(order, &refused, Outcome::Declined, Some("91"), 0));
            // Given up at once: nothing is paid out, whatever comes.
            let given_up =
                format!("{before}\nhangup\n{on}\n< 0810 00\n> 0420 95=0 39=68\n< 0210 00\n< 0430 00");
            let order = one_step(what.clone(), 1_000_000, lose(at, true));
            let bench = visit(order, &given_up, Outcome::NoAnswer, None, 0);
            settled(&bench);
            let status = &bench.sent[2].text(48).unwrap()[20..];
            assert_eq!(status, "0000000000000", "nothing has moved");
        }
        let script = format!("> 0200\n< 0210 00\nhangup\n{on}\n< 0810 00\n> {advice} 95=1000000\n< 0230 00");
        let order = one_step(what, 1_000_000, lose(Point::BeforeAdvice, false));
        let bench = visit(order, &script, Outcome::Whole, Some("00"), net);
        assert_eq!(&bench.sent[2].text(48).unwrap()[20..], "1000001000000", "the status says it first");
        settled(&bench);
    }
}

#[test]
fn a_link_that_is_lost_by_itself() {
    let down_long = "> 0200\ndown\nafter 30000\nup\n> 0800\n< 0810 00\n> 0420 95=0 39=68\n< 0430 00";
    settled(&visit(one_step(What::Withdrawal, 500_000, None), down_long, Outcome::NoAnswer, None, 0));
    let verifying = "> 0100\ndown";
    let bench = visit(order(What::Withdrawal, 500_000, Steps::Two), verifying, Outcome::NoAnswer, None, 0);
    assert!(bench.finished[0].is_passing());
    let verifying = "> 0100\nafter 30000\n< 0110 00";
    settled(&visit(order(What::Withdrawal, 500_000, Steps::Two), verifying, Outcome::NoAnswer, None, 0));
}

#[test]
fn a_repeated_request_that_is_asked_for_the_sod_is_taken_back_too() {
    let fault = Some(Fault::LoseLink { at: Point::AfterRequest, give_up: false });
    let script = "> 0200\nhangup\nup\n> 0800\n< 0810 00\n> 0201\n< 0210 63 sod\n> 0200\n> 0420 95=0
         < 0430 00\n< 0210 00\n> 0220 95=1000000\n< 0230 00";
    settled(&visit(
        one_step(What::Deposit, 1_000_000, fault),
        script,
        Outcome::Whole,
        Some("00"),
        -1_000_000,
    ));
}

#[test]
fn deposits_return_notes_or_keep_them_and_say_so() {
    let jam = |returned| Some(Fault::JamInEscrow { returned });
    for (fault, script, outcome, code, net_out_vnd) in [
        (None, "< 0210 00\n> 0220 95=1700000\n< 0230 00", Outcome::Whole, Some("00"), -1_700_000),
        (None, "< 0210 51", Outcome::Declined, Some("51"), 0),
        (None, "< 0210 91", Outcome::Declined, Some("91"), 0),
        (None, "after 30000\n> 0420 95=0 39=68\n< 0430 00", Outcome::NoAnswer, None, 0),
        (None, "< 0210 63 sod\n> 0200\n< 0210 00\n> 0220\n< 0230 00", Outcome::Whole, Some("00"), -1_700_000),
        (None, "< 0210 63 sod\n> 0200\n< 0210 41", Outcome::Declined, Some("41"), 0),
        (jam(0), "< 0210 00\n> 0220 95=1700000\n< 0230 00", Outcome::Whole, Some("00"), -1_700_000),
        (jam(0), "< 0210 91\n> 0220 95=1700000\n< 0230 00", Outcome::Declined, Some("91"), -1_700_000),
        (jam(2), "after 30000\n> 0220 95=700000\n< 0230 00", Outcome::NoAnswer, None, -700_000),
        (jam(9), "after 30000\n> 0420 95=0\n< 0430 00", Outcome::NoAnswer, None, 0),
    ] {
        let order = one_step(What::Deposit, 1_700_000, fault);
        let script = format!("> 0200 3=210000 4=1700000\n{script}");
        let bench = visit(order, &script, outcome, code, net_out_vnd);
        settled(&bench);
        let contents = bench.terminal.contents();
        assert_eq!(contents.escrow, Notes::NONE, "{script}");
        let taken = contents.cassettes.plus(&contents.rejected).amount_vnd() - FULL.amount_vnd();
        assert_eq!(taken as i64, -net_out_vnd, "{script}");
        let kept_unapproved = outcome != Outcome::Whole && net_out_vnd != 0;
        assert!(
            !kept_unapproved || !bench.finished[0].is_passing(),
            "the citizen's notes are gone: no second try"
        );
    }
}

#[test]
fn the_books_follow_a_deposit_to_its_new_key() {
    let script = "> 0200\n< 0210 63 sod\n> 0200\n< 0210 00\n> 0220\n< 0230 00";
    let bench =
        visit(one_step(What::Deposit, 1_700_000, None), script, Outcome::Whole, Some("00"), -1_700_000);
    let nets = net_out_vnd(&bench.movements);
    let last = bench.finished[0].key.clone().unwrap();
    assert_eq!(nets.len(), 2);
    assert_eq!(nets[&last], -1_700_000);
    assert!(nets.iter().all(|(key, net)| *key == last || *net == 0));
}

#[test]
fn a_machine_that_dies_says_nothing_any_more() {
    for (at, script, net_out_vnd) in [
        (Point::AfterRequest, "> 0200\nhangup", 0),
        (Point::BeforeAnswer, "> 0200\n< 0210 00\nhangup", 0),
        (Point::BeforeAdvice, "> 0200\n< 0210 00\nhangup", 1_000_000),
    ] {
        let order = one_step(What::Withdrawal, 1_000_000, Some(Fault::Die { at }));
        let mut bench = visit(order, script, Outcome::Dead, None, net_out_vnd);
        bench.run("up\nafter 100000000\ndown");
        assert!(bench.terminal.is_dead());
        bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 1_000_000, None))));
        assert_eq!(bench.finished[1].outcome, Outcome::Dead);
        let order = one_step(What::Deposit, 1_000_000, Some(Fault::Die { at }));
        visit(order, script, Outcome::Dead, None, -1_000_000);
    }
}

#[test]
fn a_power_loss_ends_what_was_under_way_without_an_approval() {
    for (what, advice, net_out_vnd) in
        [(What::Withdrawal, "> 0420 95=0 39=68", 0), (What::Deposit, "> 0220 95=1000000", -1_000_000)]
    {
        let mut bench = Bench::open();
        bench.input(Input::Order(Box::new(one_step(what, 1_000_000, None))));
        bench.run("> 0200");
        let memory = bench.terminal.memory().clone();
        let mut again = Bench::with(Terminal::restart(config(), memory, START).unwrap());
        again.movements.splice(0..0, bench.movements);
        let mti = &advice[2..6];
        let response = if mti == "0420" { "0430" } else { "0230" };
        again.run(&format!("up\n> 0800\n< 0810 00\n{advice}\n< {response} 00"));
        settled(&again);
        assert_eq!(net_out_vnd, super::net_out_vnd(&again.movements).values().sum::<i64>());
        assert_eq!(Contents::after(&again.movements).unwrap(), again.terminal.contents());
        // What the old life was approved meanwhile is known, and not paid out.
        let stan = bench.sent[1].text(11).unwrap();
        assert!(again.sent[0].text(11).unwrap() > stan, "names go on where they were");
        again.sent.push(bench.sent[1].clone());
        again.run("< 0210 00");
        assert_eq!(again.events.last(), Some(&Event::LateApproval));
    }
    // Paid out, the advice not answered: it goes out again.
    let mut bench = Bench::open();
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    bench.run("> 0200\n< 0210 00\n> 0220");
    let mut again = Bench::with(Terminal::restart(config(), bench.terminal.memory().clone(), START).unwrap());
    again.run("up\n> 0800\n< 0810 00\n> 0221 95=500000\n< 0230 00");
    settled(&again);
}

#[test]
fn the_status_of_the_last_money_request_travels_in_the_next() {
    let mut bench = Bench::open();
    let mut next = |order: Order, script: &str| {
        bench.input(Input::Order(Box::new(order)));
        bench.run(script);
        let sent = &bench.sent;
        sent.iter().rev().find(|message| message.mti() == Mti::new(200)).unwrap().clone()
    };
    let approved = "> 0200\n< 0210 00\n> 0220\n< 0230 00";
    let first = next(one_step(What::Withdrawal, 500_000, None), approved);
    assert!(!first.has(48));
    let inquiry = next(one_step(What::Balance, 0, None), "> 0200\n< 0210 00");
    let twenty = |message: &Message| format!("0200{}{}", message.text(11).unwrap(), message.text(7).unwrap());
    assert_eq!(inquiry.text(48).unwrap(), format!("{}1000000500000", twenty(&first)));
    let part = Some(Fault::DispensePart { notes: 1 });
    let second = next(one_step(What::Withdrawal, 1_000_000, part), "> 0200\n< 0210 00\n> 0420\n< 0430 00");
    assert_eq!(second.text(48), inquiry.text(48), "an inquiry leaves no status");
    let third = next(one_step(What::Withdrawal, 1_000_000, None), "> 0200\n< 0210 51");
    assert_eq!(third.text(48).unwrap(), format!("{}2000000500000", twenty(&second)));
    let fourth = next(one_step(transfer(), 100_000, None), "> 0200\n< 0210 00");
    assert_eq!(fourth.text(48).unwrap(), format!("{}0000000000000", twenty(&third)));
    let fifth = next(one_step(What::Withdrawal, 50_000, None), "> 0200\n< 0210 51");
    assert_eq!(fifth.text(48).unwrap(), format!("{}1000000100000", twenty(&fourth)));
}

#[test]
fn orders_that_cannot_begin_send_nothing() {
    let with_notes =
        |what, amount_vnd, notes| Order { notes: Some(Notes(notes)), ..order(what, amount_vnd, Steps::One) };
    for (order, reason) in [
        (one_step(What::Withdrawal, 0, None), NotTried::BadOrder),
        (one_step(What::Withdrawal, 75_000, None), NotTried::CannotPay),
        (one_step(What::Withdrawal, 20_050_000, None), NotTried::CannotPay),
        (with_notes(What::Withdrawal, 500_000, [0, 1, 0, 0]), NotTried::BadOrder),
        (with_notes(What::Withdrawal, 2_050_000, [0, 0, 0, 41]), NotTried::CannotPay),
        (Order { notes: None, ..order(What::Deposit, 500_000, Steps::One) }, NotTried::BadOrder),
        (with_notes(What::Deposit, 100_500_000, [201, 0, 0, 0]), NotTried::BadOrder),
        (one_step(What::Balance, 1, None), NotTried::BadOrder),
    ] {
        let text = format!("{order:?}");
        let bench = visit(order, "", Outcome::NotTried(reason), None, 0);
        assert!(!bench.finished[0].is_passing(), "{text}");
    }
    let mut bench = Bench::open();
    bench.input(Input::Service(Notes([2_301, 0, 0, 0])));
    bench.input(Input::Order(Box::new(with_notes(What::Deposit, 100_000_000, [200, 0, 0, 0]))));
    bench.input(Input::Order(Box::new(with_notes(What::Withdrawal, 500_000, [0, 2, 1, 0]))));
    let outcomes: Vec<Outcome> = bench.finished.iter().map(|finished| finished.outcome).collect();
    let reasons = [NotTried::NoRoom, NotTried::CannotPay];
    assert_eq!(outcomes, reasons.map(Outcome::NotTried));
}

#[test]
fn one_citizen_at_a_time_and_service_waits_for_the_last() {
    let mut bench = Bench::open();
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    bench.input(Input::Order(Box::new(Order { id: 8, ..one_step(What::Balance, 0, None) })));
    bench.input(Input::Service(Notes::NONE));
    assert_eq!(bench.terminal.contents().cassettes, FULL);
    bench.run("> 0200\n< 0210 00\n> 0220\n< 0230 00");
    let ends: Vec<_> = bench.finished.iter().map(|finished| (finished.order, finished.outcome)).collect();
    assert_eq!(ends, [(8, Outcome::NotTried(NotTried::Busy)), (7, Outcome::Whole)]);
    assert_eq!(bench.terminal.contents().cassettes, Notes::NONE);
    bench.check_books();
}

#[test]
fn an_order_waits_for_the_link() {
    let mut bench = Bench::new();
    bench.input(Input::Service(FULL));
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    bench.run("after 20000\nup\n> 0800\n< 0810 00\n> 0200\n< 0210 00\n> 0220\n< 0230 00");
    assert_eq!(bench.finished[0].outcome, Outcome::Whole);
    bench.run("down");
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    bench.run("after 30000");
    assert_eq!(bench.finished[1].outcome, Outcome::NotTried(NotTried::NoLink));
    assert!(bench.finished[1].is_passing());
}

#[test]
fn sign_on_and_echo() {
    for script in [
        "up\n> 0800 70=001\n< 0810 57\nhangup",
        "up\n> 0800 70=001\n< 0810 00 70=002 112=x\nhangup",
        "up\n> 0800 70=001\nafter 10000\nhangup",
        "up\n> 0800\n< 0810 00\nafter 60000\n> 0800 70=301\n< 0810 00\nafter 60000\n> 0800 70=301\nafter 10000\nhangup",
        "up\n> 0800\n< 0810 00 11=000009\nafter 9999\n< 0810 00\nafter 59999",
    ] {
        Bench::new().run(script);
    }
}

#[test]
fn a_machine_that_owes_too_many_advices_takes_no_orders() {
    let mut bench = Bench::open();
    bench.input(Input::Service(Notes([2_000, 0, 0, 0])));
    let script = "> 0200\n< 0210 00\n> 0220";
    for count in 0..ADVICES_MAX {
        assert_eq!(bench.terminal.advices_owed(), count);
        bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
        bench.run(script);
    }
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    let last = bench.finished.last().unwrap();
    assert_eq!(last.outcome, Outcome::NotTried(NotTried::AdvicesFull));
    bench.run("< 0230 00");
    bench.input(Input::Order(Box::new(one_step(What::Withdrawal, 500_000, None))));
    bench.run(script);
    bench.check_books();
}

#[test]
fn requests_carry_the_front_of_de37_when_the_order_has_one() {
    let order = Order { rrn_front: Some(*b"P000000123"), ..order(What::Withdrawal, 500_000, Steps::Two) };
    let script =
        "> 0100 37=P00000012301\n< 0110 00\n> 0200 37=P00000012302\n< 0210 00\n> 0220 37=P00000012302
         < 0230 00";
    let bench = visit(order, script, Outcome::Whole, Some("00"), 500_000);
    assert_eq!(bench.finished[0].rrn, Some(*b"P00000012302"));
}

#[test]
fn a_choice_of_bank_and_account_travels() {
    let order = Order {
        bank: Some("970436".into()),
        from_account: Some("**4321".into()),
        ..one_step(What::Withdrawal, 500_000, None)
    };
    let script = "> 0200 100=970436 102=**4321\n< 0210 51";
    visit(order, script, Outcome::Declined, Some("51"), 0);
}

#[test]
fn a_setting_that_no_element_can_carry_is_named() {
    for (name, change) in [
        ("terminal", (|config| config.terminal = "HN0000001".into()) as fn(&mut Config)),
        ("terminal", |config| config.terminal = "".into()),
        ("acceptor", |config| config.acceptor = "CCCD970418 Hà Nội".into()),
        ("location", |config| config.location = "x".repeat(41).into()),
        ("acquirer", |config| config.acquirer = "97041X".into()),
    ] {
        let mut config = config();
        change(&mut config);
        let error = Terminal::new(config).unwrap_err();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

/// The 0510 that came out.
fn told(bench: &mut Bench) -> Option<Box<Message>> {
    match bench.outputs.pop_front() {
        Some(Output::Totals(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn totals_are_said_until_they_are_answered() {
    let says = || Input::Totals(vec![(15, "0503".into()), (97, "C0000000002000000".into())]);
    let mut bench = Bench::open();
    bench.input(says());
    let wait = config().timers.answer_ms_max;
    bench.run(&format!(
        "> 0500 41=HN000001 15=0503 97=C0000000002000000\n\
         < 0510 91\n\
         after {wait}\n\
         > 0501 97=C0000000002000000"
    ));
    let answer = bench.answer("0510 00 first 66=1".split(' '));
    bench.input(Input::Received(Box::new(answer)));
    assert_eq!(told(&mut bench).unwrap().text(66), Some("1"));
    // A second answer is of nothing that waits.
    bench.run("< 0510 00 first 66=1");
    assert_eq!(bench.events.last(), Some(&Event::Stray));

    // Without a connection they wait; nobody waits for ever.
    bench.run("down");
    bench.input(says());
    bench.run("up\n> 0800 70=001\n< 0810 00\n> 0500 15=0503");
    for _ in 1..TOTALS_TRIES_MAX {
        bench.run(&format!("after {wait}\n> 0501 15=0503"));
    }
    bench.pass(wait);
    assert!(told(&mut bench).is_none());
}
