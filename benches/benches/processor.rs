//! The processor's steps without link and log: `cargo bench -p benches --bench processor`.

use std::collections::BTreeMap;

use credential::{CitizenNumber, Pan, ProofBuilder, Pseudonym, Reference, Tag};
use criterion::{Criterion, criterion_group, criterion_main};
use iso8583::{Message, Mti};
use processor::{
    Authenticity, Config, Evidence, Found, Input, Institution, IssuerConfig, Limits, LinkId, LinkedAccount,
    Now, Output, Processor, Standing, TerminalConfig, TerminalId, Ticket, Timers, UtcSeconds, Verdict,
};

const TERMINAL: LinkId = LinkId::Terminal(1);
const CITIZEN: Pseudonym = Pseudonym([7; 16]);

/// A processor between one terminal and one bank, and a log that syncs at once.
struct World {
    processor: Processor,
    now: Now,
    bank: Institution,
    pan: Pan,
    stan: u64,
    records: u64,
    sent: Vec<(LinkId, Message)>,
}

impl World {
    fn new() -> World {
        let bank: Institution = "970418".parse().expect("six digits");
        let terminal = TerminalId::parse(b"HN000001").expect("eight characters");
        let issuer = IssuerConfig {
            name: "BIDV".to_owned(),
            amount_exponent: 0,
            tombstones: true,
            in_flight_max: 1_000,
            reversals_in_flight_max: 10,
            codes: BTreeMap::new(),
        };
        let limits = Limits {
            citizen_day_minor_max: i64::MAX as u64 / 2,
            citizen_day_count_max: u32::MAX,
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
        };
        let number = CitizenNumber::parse(b"001203000001").expect("a citizen number");
        let now = Now { mono_us: 1, wall_ms: 1_651_539_723_000 };
        let processor = Processor::new(config, [1; 32], now, Standing::default(), Vec::new(), 0);
        let pan = Pan::new(*b"970499", &number);
        let mut world = World { processor, now, bank, pan, stan: 0, records: 0, sent: Vec::new() };
        world.input(Input::LinkUp(LinkId::Bank(bank, 0)));
        world.bank_answers(800);
        world.input(Input::LinkUp(TERMINAL));
        let mut sign_on = world.message(800);
        sign_on.set_text(70, "001");
        world.terminal(sign_on);
        world.sent.clear();
        world
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

    fn input(&mut self, input: Input) {
        self.now.mono_us += 10;
        self.now.wall_ms += 1;
        self.processor.handle(self.now, input);
        let mut synced = self.records;
        loop {
            while let Some(output) = self.processor.poll_output() {
                self.output(output);
            }
            if synced == self.records {
                return;
            }
            synced = self.records;
            self.processor.handle(self.now, Input::Synced(synced));
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Append(..) => self.records += 1,
            Output::Send(link, message) => self.sent.push((link, message)),
            Output::Find(ticket, lookup) => {
                let account =
                    LinkedAccount { bank: self.bank, number: "12010000000001".into(), default: true };
                let accounts = lookup.accounts_of.map(|_| account).into_iter().collect();
                let found = Found { as_of: self.records, accounts, ..Found::default() };
                self.processor.handle(self.now, Input::Found(ticket, Box::new(found)));
            }
            Output::Verify(ticket, _) => self.verify(ticket),
            Output::Close(_) | Output::Commanded(..) | Output::Retried { .. } | Output::Event(_) => {}
        }
    }

    fn verify(&mut self, ticket: Ticket) {
        let registry_answer = vec![b'x'; 900].into();
        let evidence = Evidence {
            registry_answer,
            sod_sha256: [1; 32],
            dg15_sha256: [2; 32],
            passive: true,
            active: true,
        };
        let verdict = Verdict::Verified { biometric_matched: true, evidence };
        self.processor.handle(self.now, Input::Verified(ticket, verdict));
    }

    fn terminal(&mut self, message: Message) {
        let citizen = message.has(2).then_some(CITIZEN);
        self.input(Input::Received {
            link: TERMINAL,
            message,
            authenticity: Authenticity::Authentic,
            citizen,
        });
    }

    fn bank_answers(&mut self, mti: u16) {
        let link = LinkId::Bank(self.bank, 0);
        let place =
            self.sent.iter().position(|(to, it)| *to == link && it.mti().value() == mti).expect("was sent");
        let request = self.sent.swap_remove(place).1;
        let mut answer = Message::new(request.mti().response());
        for element in [3, 4, 7, 11, 37, 41, 70] {
            if let Some(value) = request.get(element) {
                answer.set(element, value);
            }
        }
        answer.set_text(39, "00");
        self.input(Input::Received {
            link,
            message: answer,
            authenticity: Authenticity::Authentic,
            citizen: None,
        });
    }

    fn verification(&mut self) -> Reference {
        let mut request = self.request(100, "330000");
        request.set(112, &ProofBuilder::new().with(Tag::Version, &[1]).build());
        self.terminal(request);
        let answer = self.sent.pop().expect("0110").1;
        let proof = answer.get(112).map(credential::Proof::parse).expect("DE112").expect("a template");
        proof.reference_given().expect("a reference")
    }

    fn withdrawal(&mut self, reference: Reference) {
        let mut request = self.request(200, "010000");
        request.set_number(4, 2_000_000, 12).set_text(49, "704");
        request.set(112, &ProofBuilder::new().with(Tag::Reference, &reference.0).build());
        self.terminal(request.clone());
        self.bank_answers(200);
        let answer = self.sent.pop().expect("0210").1;
        assert_eq!(answer.text(39), Some("00"));
        let mut completion = self.message(220);
        for element in [2, 3, 4, 12, 13, 42, 49] {
            completion.set(element, request.get(element).expect("a request has it"));
        }
        let text = |element: u8| request.text(element).unwrap_or_default().to_owned();
        completion.set_text(90, &format!("0200{}{}00000970418{:011}", text(11), text(7), 0));
        self.terminal(completion);
        let answer = self.sent.pop().expect("0230").1;
        assert_eq!(answer.text(39), Some("00"));
    }
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("processor");
    let mut world = World::new();
    group.bench_function("verification: 0100 to 0110", |bencher| bencher.iter(|| world.verification()));
    let mut world = World::new();
    group.bench_function("verification and withdrawal: 0100, 0200, the bank's 0210, 0220", |bencher| {
        bencher.iter(|| {
            let reference = world.verification();
            world.withdrawal(reference);
        });
    });
    let mut world = World::new();
    group.bench_function("echo: 0800 to 0810", |bencher| {
        bencher.iter(|| {
            let mut echo = world.message(800);
            echo.set_text(70, "301");
            world.terminal(echo);
            world.sent.pop()
        });
    });
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
