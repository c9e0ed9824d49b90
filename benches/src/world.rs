//! A processor between one terminal and one bank, with a log that is told by hand what is durable.

use std::collections::BTreeMap;

use credential::{CitizenNumber, Pan, ProofBuilder, Pseudonym, Reference, Tag};
use iso8583::{Message, Mti};
use processor::{
    Authenticity, Config, Evidence, Found, Input, Institution, IssuerConfig, Limits, LinkId, LinkedAccount,
    Now, Output, Processor, Record, Standing, TerminalConfig, TerminalId, Ticket, Timers, UtcSeconds,
    Verdict,
};

const TERMINAL: LinkId = LinkId::Terminal(1);
const CITIZEN: Pseudonym = Pseudonym([7; 16]);

/// Does the part of a run that is measured; all else builds what goes in and looks at what came out.
pub trait Meter {
    /// Does `work` once.
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T;
}

/// Measures nothing.
pub struct Unmeasured;

impl Meter for Unmeasured {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        work()
    }
}

/// Processor, terminal, bank and log.
pub struct World {
    processor: Processor,
    now: Now,
    bank: Institution,
    pan: Pan,
    stan: u64,
    records: u64,
    /// What the processor said and nobody has looked at yet.
    outputs: Vec<Output>,
}

/// A keyed message and what the log will say of it.
struct Request {
    input: Input,
    found: Box<Found>,
}

impl World {
    /// Terminal and bank have signed on.
    pub fn new() -> World {
        let bank: Institution = "970418".parse().expect("six digits");
        let terminal = TerminalId::parse(b"HN000001").expect("eight characters");
        let issuer = IssuerConfig {
            name: "BIDV".to_owned(),
            amount_exponent: 0,
            tombstones: true,
            in_flight_max: 1_000,
            reversals_in_flight_max: 10,
            codes: BTreeMap::new(),
            wants_pin: false,
            totals: false,
        };
        let limits = Limits {
            citizen_day_minor_max: i64::MAX as u64 / 2,
            citizen_day_count_max: u32::MAX,
            terminal_in_flight_max: 1_000,
            ..Limits::default()
        };
        let config = Config {
            terminals: [(terminal, TerminalConfig { acquirer: bank, amount_exponent: 0 })].into(),
            issuers: [(bank, issuer)].into(),
            timers: Timers::default(),
            limits,
            iin: *b"970499",
            currency: 704,
            first_day: "2022-05-03".parse().expect("a day"),
            stand_in: None,
        };
        let number = CitizenNumber::parse(b"001203000001").expect("a citizen number");
        let now = Now { mono_us: 1, wall_ms: 1_651_539_723_000 };
        let processor = Processor::new(config, [1; 32], now, Standing::default(), Vec::new(), 0);
        let pan = Pan::new(*b"970499", &number);
        let outputs = Vec::with_capacity(1_024);
        let mut world = World { processor, now, bank, pan, stan: 0, records: 0, outputs };
        world.processor.handle(now, Input::LinkUp(LinkId::Bank(bank, 0)));
        world.drain();
        let sign_on = world.sends().pop().expect("a sign-on");
        let answer = world.bank_answer(&sign_on);
        world.processor.handle(now, answer);
        world.processor.handle(now, Input::LinkUp(TERMINAL));
        let mut sign_on = world.message(800);
        sign_on.set_text(70, "001");
        world.processor.handle(now, from_terminal(sign_on));
        world.drain();
        world.outputs.clear();
        world
    }

    /// 0800 to 0810, as often as told.
    pub fn echoes(&mut self, count: usize, meter: &mut impl Meter) {
        let echoes: Vec<Input> = (0..count)
            .map(|_| {
                let mut echo = self.message(800);
                echo.set_text(70, "301");
                from_terminal(echo)
            })
            .collect();
        self.tick();
        meter.measure(|| {
            for echo in echoes {
                self.processor.handle(self.now, echo);
                self.drain();
            }
        });
        self.answered(count, 810, meter);
    }

    /// 0100s to their 0110s, all together; their references.
    pub fn verifications(&mut self, count: usize, meter: &mut impl Meter) -> Vec<Reference> {
        let requests: Vec<Request> = (0..count)
            .map(|_| {
                let mut message = self.request(100, "330000");
                message.set(112, &ProofBuilder::new().with(Tag::Version, &[1]).build());
                self.with_accounts(message)
            })
            .collect();
        self.requested(requests, meter);
        self.verified(meter);
        self.synced(meter);
        let answers = self.answered(count, 110, meter);
        let reference = |answer: &Message| {
            let proof = answer.get(112).map(credential::Proof::parse).expect("DE112").expect("a template");
            proof.reference_given().expect("a reference")
        };
        answers.iter().map(reference).collect()
    }

    /// Two-step withdrawals that use one reference each, all together from 0200 to 0230. What is measured: 0200, the
    /// log's answer, `Synced`, the bank's 0210, `Synced`, 0220, the log's answer, `Synced`.
    pub fn two_step(&mut self, references: &[Reference], meter: &mut impl Meter) {
        let requests = references.iter().map(|it| self.two_step_request(it)).collect();
        self.requested(requests, meter);
        self.withdrawn(references.len(), meter);
    }

    /// One-step withdrawals, all together from 0200 to 0230.
    pub fn one_step(&mut self, count: usize, meter: &mut impl Meter) {
        let requests = (0..count)
            .map(|_| {
                let mut message = self.request(200, "010000");
                message.set_number(4, 2_000_000, 12).set_text(49, "704");
                message.set(112, &ProofBuilder::new().with(Tag::Version, &[1]).build());
                self.with_accounts(message)
            })
            .collect();
        self.requested(requests, meter);
        self.verified(meter);
        self.withdrawn(count, meter);
    }

    /// Approved withdrawals whose 0200 comes again: only that is measured, and its 0210.
    pub fn repeated(&mut self, count: usize, meter: &mut impl Meter) {
        let references = self.verifications(count, &mut Unmeasured);
        let requests: Vec<Request> = references.iter().map(|it| self.two_step_request(it)).collect();
        let mut repeats = Vec::with_capacity(count);
        for request in &requests {
            let Input::Received { message, .. } = &request.input else { continue };
            let mut message = message.clone();
            message.set_mti(Mti::new(201));
            repeats.push(from_terminal(message));
        }
        self.requested(requests, &mut Unmeasured);
        let asked = self.approved(count, &mut Unmeasured);
        self.tick();
        meter.measure(|| {
            for repeat in repeats {
                self.processor.handle(self.now, repeat);
                self.drain();
            }
        });
        self.answered(count, 210, meter);
        self.completed(asked, &mut Unmeasured);
    }

    /// The records of one two-step withdrawal: INTENT, OUTCOME, COMPLETE.
    pub fn records(&mut self) -> Vec<Record> {
        let references = self.verifications(1, &mut Unmeasured);
        let mut kept = Kept::default();
        let request = self.two_step_request(&references[0]);
        self.requested(vec![request], &mut Unmeasured);
        kept.take(&self.outputs);
        self.synced(&mut Unmeasured);
        let asked = self.answered(1, 200, &mut Unmeasured);
        let answers = asked.iter().map(|it| self.bank_answer(it)).collect();
        self.answers(answers, &mut Unmeasured);
        kept.take(&self.outputs);
        self.synced(&mut Unmeasured);
        let mut answered = self.answered(1, 210, &mut Unmeasured);
        let completion = self.completion(&answered.remove(0));
        self.requested(vec![completion], &mut Unmeasured);
        kept.take(&self.outputs);
        self.synced(&mut Unmeasured);
        kept.0
    }

    /// From INTENT's append to 0230.
    fn withdrawn(&mut self, count: usize, meter: &mut impl Meter) {
        let answered = self.approved(count, meter);
        self.completed(answered, meter);
    }

    /// From INTENT's append to 0210; the answers.
    fn approved(&mut self, count: usize, meter: &mut impl Meter) -> Vec<Message> {
        self.synced(meter);
        let asked = self.answered(count, 200, meter);
        let answers = asked.iter().map(|it| self.bank_answer(it)).collect();
        self.answers(answers, meter);
        self.synced(meter);
        let answered = self.answered(count, 210, meter);
        assert!(answered.iter().all(|answer| answer.text(39) == Some("00")), "all are approved");
        answered
    }

    fn completed(&mut self, answered: Vec<Message>, meter: &mut impl Meter) {
        let completions = answered.iter().map(|it| self.completion(it)).collect();
        self.requested(completions, meter);
        self.synced(meter);
        self.answered(answered.len(), 230, meter);
    }

    /// Keyed messages, each looked up in the log at once.
    fn requested(&mut self, requests: Vec<Request>, meter: &mut impl Meter) {
        self.tick();
        meter.measure(|| {
            for Request { input, mut found } in requests {
                self.processor.handle(self.now, input);
                while let Some(output) = self.processor.poll_output() {
                    if let Output::Find(ticket, _) = output {
                        found.as_of = self.records;
                        self.processor.handle(self.now, Input::Found(ticket, std::mem::take(&mut found)));
                    } else {
                        self.keep(output);
                    }
                }
            }
        });
    }

    /// Chip and registry say yes to all that was asked.
    fn verified(&mut self, meter: &mut impl Meter) {
        let asked = |output: &Output| match output {
            Output::Verify(ticket, _) => Some(*ticket),
            _ => None,
        };
        let tickets: Vec<Ticket> = self.outputs.iter().filter_map(asked).collect();
        let verdicts: Vec<Input> = tickets.into_iter().map(verdict).collect();
        self.answers(verdicts, meter);
    }

    fn answers(&mut self, answers: Vec<Input>, meter: &mut impl Meter) {
        self.tick();
        meter.measure(|| {
            for answer in answers {
                self.processor.handle(self.now, answer);
                self.drain();
            }
        });
    }

    /// Everything that was appended is durable.
    fn synced(&mut self, meter: &mut impl Meter) {
        self.tick();
        meter.measure(|| {
            self.processor.handle(self.now, Input::Synced(self.records));
            self.drain();
        });
    }

    /// What was sent, which has to be so many of one MTI; all else that was said is dropped, which is part of what is measured,
    /// for the deciding thread drops it.
    fn answered(&mut self, count: usize, mti: u16, meter: &mut impl Meter) -> Vec<Message> {
        let sent = self.sends();
        meter.measure(|| self.outputs.clear());
        let is_right = sent.len() == count && sent.iter().all(|message| message.mti().value() == mti);
        assert!(is_right, "{count} of {mti:04} are sent, and nothing else: {sent:?}");
        sent
    }

    fn sends(&mut self) -> Vec<Message> {
        let sent = self.outputs.extract_if(.., |output| matches!(output, Output::Send(..)));
        let message = |output| match output {
            Output::Send(_, message) => Some(message),
            _ => None,
        };
        sent.filter_map(message).collect()
    }

    fn drain(&mut self) {
        while let Some(output) = self.processor.poll_output() {
            self.keep(output);
        }
    }

    fn keep(&mut self, output: Output) {
        self.records += u64::from(matches!(output, Output::Append(..)));
        self.outputs.push(output);
    }

    fn tick(&mut self) {
        self.now.mono_us += 10;
        self.now.wall_ms += 1;
    }

    fn with_accounts(&self, message: Message) -> Request {
        let account = LinkedAccount { bank: self.bank, number: "12010000000001".into(), default: true };
        let found = Box::new(Found { accounts: vec![account], ..Found::default() });
        Request { input: from_terminal(message), found }
    }

    fn message(&mut self, mti: u16) -> Message {
        self.stan = self.stan % 999_999 + 1;
        let mut message = Message::new(Mti::new(mti));
        message
            .set(7, &UtcSeconds(self.now.wall_ms / 1000).to_de7())
            .set_number(11, self.stan, 6)
            .set_text(32, "970418")
            .set_text(41, "HN000001");
        message
    }

    fn request(&mut self, mti: u16, processing: &str) -> Message {
        let mut message = self.message(mti);
        message
            .set(2, self.pan.digits())
            .set_text(3, processing)
            .set_text(12, "080203")
            .set_text(13, "0503")
            .set_text(18, "6011")
            .set_text(22, "051")
            .set_text(25, "02")
            .set_text(42, "BIDV HOAN KIEM ")
            .set_text(43, "35 HANG VOI HANOI VN                    ");
        message
    }

    fn two_step_request(&mut self, reference: &Reference) -> Request {
        let mut message = self.request(200, "010000");
        message.set_number(4, 2_000_000, 12).set_text(49, "704");
        message.set(112, &ProofBuilder::new().with(Tag::Reference, &reference.0).build());
        self.with_accounts(message)
    }

    /// The 0220 of an approved withdrawal.
    fn completion(&mut self, answered: &Message) -> Request {
        let mut completion = self.message(220);
        for element in [2, 3, 4, 12, 13, 42, 49] {
            completion.set(element, answered.get(element).expect("an answer echoes it"));
        }
        let text = |element: u8| answered.text(element).unwrap_or_default();
        completion.set_text(90, &format!("0200{}{}00000970418{:011}", text(11), text(7), 0));
        Request { input: from_terminal(completion), found: Box::default() }
    }

    fn bank_answer(&self, request: &Message) -> Input {
        let mut answer = Message::new(request.mti().response());
        for element in [3, 4, 7, 11, 37, 41, 70] {
            if let Some(value) = request.get(element) {
                answer.set(element, value);
            }
        }
        answer.set_text(39, "00");
        let link = LinkId::Bank(self.bank, 0);
        Input::Received { link, message: answer, authenticity: Authenticity::Authentic, citizen: None }
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

/// Records that were appended.
#[derive(Default)]
struct Kept(Vec<Record>);

impl Kept {
    fn take(&mut self, outputs: &[Output]) {
        self.0.extend(outputs.iter().filter_map(|output| match output {
            Output::Append(_, record) => Some(record.clone()),
            _ => None,
        }));
    }
}

fn from_terminal(message: Message) -> Input {
    let citizen = message.has(2).then_some(CITIZEN);
    Input::Received { link: TERMINAL, message, authenticity: Authenticity::Authentic, citizen }
}

fn verdict(ticket: Ticket) -> Input {
    let evidence = Evidence {
        registry: processor::RegistryWord::Signed(vec![b'x'; 900].into()),
        sod_sha256: [1; 32],
        dg15_sha256: [2; 32],
        passive: true,
        active: true,
    };
    Input::Verified(ticket, Verdict::Verified { biometric_matched: true, evidence })
}
