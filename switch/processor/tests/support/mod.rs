//! A world around one processor: a log in memory, a terminal, banks that a test plays by hand.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;

use credential::{CitizenNumber, Pan, Pseudonym, Reference};
use iso8583::{Message, Mti};
use processor::{
    Authenticity, Body, Code, Command, Config, Day, Event, Evidence, Found, Input, Institution, IssuerConfig,
    KeyOwner, KeyRequest, KeyVerdict, LinkId, LinkedAccount, Lookup, Now, OfferedKey, Output, OwnName,
    PinRequest, PinVerdict, Processor, Record, RegistryWord, Standing, TerminalConfig, TerminalId, Ticket,
    Timers, TotalsQuestion, TotalsVerdict, Transaction, TxKey, UtcSeconds, Verdict,
};

pub const BIDV: &str = "970418";
pub const VIETCOMBANK: &str = "970436";
pub const TERMINAL: LinkId = LinkId::Terminal(1);
/// 2022-05-03T01:02:03Z.
pub const START_MS: i64 = 1_651_539_723_000;

pub fn institution(text: &str) -> Institution {
    text.parse().unwrap()
}

pub fn bank_link(bank: &str) -> LinkId {
    LinkId::Bank(institution(bank), 0)
}

pub fn citizen(serial: u32) -> (Pan, Pseudonym) {
    let number = CitizenNumber::parse(format!("001203{serial:06}").as_bytes()).unwrap();
    let mut pseudonym = [7; 16];
    pseudonym[12..].copy_from_slice(&serial.to_be_bytes());
    (Pan::new(*b"970499", &number), Pseudonym(pseudonym))
}

pub fn config() -> Config {
    let terminals = ["HN000001", "HN000002"].into_iter().map(|id| {
        let config = TerminalConfig { acquirer: institution(BIDV), amount_exponent: 0 };
        (TerminalId::parse(id.as_bytes()).unwrap(), config)
    });
    let issuers = [(BIDV, true), (VIETCOMBANK, false)].into_iter().map(|(id, tombstones)| {
        let config = IssuerConfig {
            name: id.to_owned(),
            amount_exponent: 0,
            tombstones,
            in_flight_max: 100,
            reversals_in_flight_max: 4,
            codes: BTreeMap::from([(Code(*b"05"), Code::NOT_PERMITTED)]),
            wants_pin: false,
            totals: false,
        };
        (institution(id), config)
    });
    Config {
        terminals: terminals.collect(),
        issuers: issuers.collect(),
        timers: Timers::default(),
        limits: processor::Limits::default(),
        iin: *b"970499",
        currency: 704,
        first_day: "2022-05-03".parse().unwrap(),
        stand_in: None,
    }
}

/// Everything around the processor, under the test's hand.
pub struct World {
    pub processor: Processor,
    pub now: Now,
    pub log: Vec<Record>,
    /// Records below are durable.
    pub synced: u64,
    /// Every append is synced at once.
    pub syncs: bool,
    pub accounts: BTreeMap<Pseudonym, Vec<LinkedAccount>>,
    pub sent: Vec<(LinkId, Message)>,
    pub events: Vec<Event>,
    pub verifies: Vec<Ticket>,
    /// Questions to the registry about what went out in its stead.
    pub asks_again: Vec<(Ticket, Box<Evidence>)>,
    /// Questions to the security module.
    pub pins: Vec<(Ticket, PinRequest)>,
    /// Keys that it is to take in.
    pub keys: Vec<(Ticket, KeyRequest)>,
    /// Totals that are to be counted.
    pub counts: Vec<(Ticket, TotalsQuestion)>,
    /// Owners whose links use the keys that were taken in.
    pub rekeyed: Vec<(LinkId, KeyOwner)>,
    /// Keys that it is to make.
    pub offers: Vec<(Ticket, OfferedKey)>,
    /// Keys that it is to take into use, with their check values.
    pub uses: Vec<(Ticket, OfferedKey, Box<str>)>,
    /// The seeds that the newest question to the verifier may use.
    pub seed_ids: Vec<[u8; 8]>,
    pub commanded: Vec<(Ticket, Result<(), String>)>,
    /// Of each retry: reversals taken up, and those that rest on.
    pub retried: Vec<(usize, usize)>,
    pub closed: Vec<LinkId>,
    /// Questions to the log that the test answers by hand.
    pub holds_finds: bool,
    pub finds: Vec<(Ticket, Lookup)>,
    /// How far the wall clock is off.
    pub skew_ms: i64,
    next_stan: u32,
    starts: u8,
}

impl World {
    /// Two banks signed on, one terminal signed on, three citizens enrolled.
    pub fn new() -> World {
        World::with(config())
    }

    pub fn with(config: Config) -> World {
        let now = Now { mono_us: 1_000_000, wall_ms: START_MS };
        let account = |bank: &str, number: &str, default| LinkedAccount {
            bank: institution(bank),
            number: number.into(),
            default,
        };
        let accounts = [
            (
                citizen(1).1,
                vec![account(BIDV, "12010000000001", true), account(VIETCOMBANK, "0011000000001", false)],
            ),
            (citizen(2).1, vec![account(VIETCOMBANK, "0011000000002", true)]),
        ];
        let mut world = World {
            processor: Processor::new(config, [1; 32], now, Standing::default(), Vec::new(), 0),
            now,
            log: Vec::new(),
            synced: 0,
            syncs: true,
            accounts: accounts.into(),
            sent: Vec::new(),
            events: Vec::new(),
            verifies: Vec::new(),
            asks_again: Vec::new(),
            pins: Vec::new(),
            keys: Vec::new(),
            counts: Vec::new(),
            rekeyed: Vec::new(),
            offers: Vec::new(),
            uses: Vec::new(),
            seed_ids: Vec::new(),
            commanded: Vec::new(),
            retried: Vec::new(),
            closed: Vec::new(),
            holds_finds: false,
            finds: Vec::new(),
            skew_ms: 0,
            next_stan: 0,
            starts: 1,
        };
        world.connect();
        world
    }

    /// Links up, everybody signs on.
    pub fn connect(&mut self) {
        for bank in [BIDV, VIETCOMBANK] {
            self.input(Input::LinkUp(bank_link(bank)));
            let sign_on = self.taken(bank_link(bank), 800);
            self.bank_answers(&sign_on, "00");
        }
        self.input(Input::LinkUp(TERMINAL));
        self.sign_on("HN000001");
        self.sent.clear();
        self.events.clear();
    }

    pub fn sign_on(&mut self, terminal: &str) {
        self.sign_on_on(TERMINAL, terminal);
    }

    pub fn sign_on_on(&mut self, link: LinkId, terminal: &str) {
        let mut message = Message::new(Mti::new(800));
        let stan = self.stan();
        message.set(7, &self.de7()).set_number(11, stan, 6).set_text(41, terminal).set_number(70, 1, 3);
        self.terminal_on(link, message);
    }

    /// The process ends; another goes on with what is durable.
    pub fn restart(&mut self, config: Config) {
        self.log.truncate(self.synced as usize);
        let (standing, open) = fold(&self.log);
        self.start(config, standing, open);
    }

    /// A new process, which the log has told this.
    pub fn start(&mut self, config: Config, standing: Standing, open: Vec<Transaction>) {
        self.starts += 1;
        self.sent.clear();
        self.events.clear();
        self.verifies.clear();
        self.asks_again.clear();
        self.pins.clear();
        self.counts.clear();
        self.finds.clear();
        let entropy = [self.starts; 32];
        self.processor = Processor::new(config, entropy, self.now, standing, open, self.log.len() as u64);
        self.drain();
    }

    pub fn input(&mut self, input: Input) {
        self.processor.handle(self.now, input);
        self.drain();
    }

    /// Time passes; every deadline on the way is told at its moment.
    pub fn pass_ms(&mut self, ms: u64) {
        let until_us = self.now.mono_us + ms * 1000;
        while let Some(at_us) = self.processor.next_deadline().filter(|at_us| *at_us <= until_us) {
            let step_us = at_us.max(self.now.mono_us) - self.now.mono_us;
            self.step_us(step_us);
            self.input(Input::Deadline);
        }
        self.step_us(until_us - self.now.mono_us);
    }

    fn step_us(&mut self, us: u64) {
        self.now.mono_us += us;
        self.now.wall_ms = START_MS + self.skew_ms + ((self.now.mono_us - 1_000_000) / 1000) as i64;
    }

    /// Everything appended becomes durable.
    pub fn sync(&mut self) {
        self.synced = self.log.len() as u64;
        self.input(Input::Synced(self.synced));
    }

    fn drain(&mut self) {
        loop {
            while let Some(output) = self.processor.poll_output() {
                self.output(output);
            }
            if self.syncs && self.synced < self.log.len() as u64 {
                self.synced = self.log.len() as u64;
                self.processor.handle(self.now, Input::Synced(self.synced));
                continue;
            }
            return;
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Append(position, record) => {
                assert_eq!(position, self.log.len() as u64);
                self.log.push(record);
            }
            Output::Send(link, message) => {
                // The one rule for sending, seen from outside: nothing leaves for a transaction whose records are not
                // all durable.
                self.check_durable(&message);
                self.sent.push((link, message));
            }
            Output::Find(ticket, lookup) if self.holds_finds => self.finds.push((ticket, lookup)),
            Output::Find(ticket, lookup) => {
                let found = self.find(&lookup);
                self.processor.handle(self.now, Input::Found(ticket, Box::new(found)));
            }
            Output::Verify(ticket, request) => {
                self.verifies.push(ticket);
                self.seed_ids = request.seed_ids;
            }
            Output::AskAgain(ticket, question) => self.asks_again.push((ticket, question)),
            Output::TranslatePin(ticket, request) => self.pins.push((ticket, *request)),
            Output::TakeKey(ticket, request) => self.keys.push((ticket, *request)),
            Output::CountTotals(ticket, question) => self.counts.push((ticket, question)),
            Output::UseKeys(link, owner) => self.rekeyed.push((link, owner)),
            Output::OfferKey(ticket, key) => self.offers.push((ticket, key)),
            Output::UseOfferedKey(ticket, key, value) => self.uses.push((ticket, key, value)),
            Output::Close(link) => self.closed.push(link),
            Output::Commanded(ticket, result) => self.commanded.push((ticket, result)),
            Output::Retried { taken, resting, .. } => self.retried.push((taken, resting)),
            Output::Event(event) => self.events.push(event),
        }
    }

    fn check_durable(&self, message: &Message) {
        let Some(rrn) = message.get(37) else { return };
        let keys: Vec<TxKey> = self
            .log
            .iter()
            .filter(|record| record.request().is_some_and(|request| request.rrn.0 == rrn))
            .filter_map(|record| record.transaction)
            .collect();
        let unsynced = self.log.iter().skip(self.synced as usize);
        let is_early = unsynced.filter_map(|record| record.transaction).any(|key| keys.contains(&key));
        assert!(!is_early, "sent before its records are durable: {message:?}");
    }

    /// What a log would answer.
    pub fn find(&self, lookup: &Lookup) -> Found {
        let all = transactions(&self.log);
        let by_name = |name: &OwnName| {
            all.values().find(|it| match name {
                OwnName::Key(key) => it.key == *key || it.advices.iter().any(|advice| advice.key == *key),
                OwnName::Bank(bank, identity) => {
                    it.bank() == Some(*bank)
                        && (it.sent.as_ref().is_some_and(|sent| sent.identity == *identity)
                            || it.reversal.as_ref().is_some_and(|reversal| reversal.identity == *identity))
                }
            })
        };
        let mut used = processor::Used::default();
        if let Some((citizen, day)) = lookup.used {
            for spend in self.log.iter().filter_map(|record| record.spend) {
                if spend.citizen == citizen && spend.day == day {
                    used.amount_minor += spend.amount_minor;
                    used.count += i64::from(spend.count);
                }
            }
        }
        Found {
            own: by_name(&lookup.own).cloned().map(Box::new),
            original: lookup.original.and_then(|key| all.get(&key).cloned()).map(Box::new),
            used,
            as_of: self.log.len() as u64,
            accounts: lookup.accounts_of.and_then(|who| self.accounts.get(&who).cloned()).unwrap_or_default(),
        }
    }

    pub fn stan(&mut self) -> u64 {
        self.next_stan += 1;
        u64::from(self.next_stan)
    }

    pub fn de7(&self) -> [u8; 10] {
        UtcSeconds(self.now.wall_ms / 1000).to_de7()
    }

    /// A request of citizen 1 at HN000001, with all that the interface asks for; `processing` is DE3's front.
    pub fn request(&mut self, mti: u16, processing: &str, amount: u64) -> Message {
        self.request_of(1, mti, processing, amount)
    }

    pub fn request_of(&mut self, who: u32, mti: u16, processing: &str, amount: u64) -> Message {
        let mut message = Message::new(Mti::new(mti));
        let stan = self.stan();
        message
            .set(2, citizen(who).0.digits())
            .set_text(3, &format!("{processing}0000"))
            .set(7, &self.de7())
            .set_number(11, stan, 6)
            .set_text(12, "080203")
            .set_text(13, "0503")
            .set_text(18, "6011")
            .set_text(22, "051")
            .set_text(25, "02")
            .set_text(32, BIDV)
            .set_text(41, "HN000001")
            .set_text(42, "BIDV HOAN KIEM ")
            .set_text(43, &format!("{:<40}", "35 HANG VOI HANOI VN"))
            .set(112, &[0xE1, 4, 0xDF, 0x01, 1, 1]);
        if mti != 100 {
            message.set_number(4, amount, 12).set_text(49, "704");
        }
        message
    }

    /// A verification that succeeds; its reference.
    pub fn verified_reference(&mut self, who: u32) -> Reference {
        let request = self.request_of(who, 100, "33", 0);
        self.terminal(request);
        self.verdict(verified());
        let answer = self.taken(TERMINAL, 110).1;
        assert_eq!(answer.text(39), Some("00"));
        let template = answer.get(112).unwrap();
        let place = template.windows(3).position(|three| three == [0xDF, 0x51, 16]).unwrap() + 3;
        Reference(template[place..place + 16].try_into().unwrap())
    }

    /// A two-step 0200 with a reference just given out.
    pub fn money(&mut self, processing: &str, amount: u64) -> Message {
        self.money_of(1, processing, amount)
    }

    pub fn money_of(&mut self, who: u32, processing: &str, amount: u64) -> Message {
        let reference = self.verified_reference(who);
        let mut request = self.request_of(who, 200, processing, amount);
        set_reference(&mut request, reference);
        request
    }

    /// An advice about a request.
    pub fn advice(&mut self, mti: u16, original: &Message, left: Option<u64>) -> Message {
        let mut message = Message::new(Mti::new(mti));
        for element in [2, 3, 4, 12, 13, 32, 41, 42, 49] {
            message.set(element, original.get(element).unwrap());
        }
        let stan = self.stan();
        let text = |element: u8| original.text(element).unwrap().to_owned();
        let de90 = format!("0200{}{}{:0>11}{:011}", text(11), text(7), text(32), 0);
        message.set(7, &self.de7()).set_number(11, stan, 6).set_text(90, &de90);
        if let Some(left) = left {
            message.set_text(95, &format!("{left:012}{:030}", 0));
        }
        message
    }

    pub fn terminal(&mut self, message: Message) {
        self.terminal_on(TERMINAL, message);
    }

    pub fn terminal_on(&mut self, link: LinkId, message: Message) {
        let digits = message.get(2).unwrap_or_default();
        let citizen = Pan::parse(digits).ok().map(|pan| {
            let serial = std::str::from_utf8(&pan.digits()[12..18]).unwrap().parse().unwrap();
            citizen(serial).1
        });
        self.input(Input::Received { link, message, authenticity: Authenticity::Authentic, citizen });
    }

    /// A message that came so long ago and has waited since.
    pub fn terminal_waited(&mut self, message: Message, waited_ms: u64) {
        let who = citizen(1).1;
        let input = Input::Received {
            link: TERMINAL,
            message,
            authenticity: Authenticity::Authentic,
            citizen: Some(who),
        };
        self.processor.handle_arrived(self.now, self.now.mono_us - waited_ms * 1000, input);
        self.drain();
    }

    pub fn bank(&mut self, bank: &str, message: Message) {
        self.input(Input::Received {
            link: bank_link(bank),
            message,
            authenticity: Authenticity::Authentic,
            citizen: None,
        });
    }

    /// A bank answers what it was sent, with everything echoed.
    pub fn bank_answers(&mut self, request: &(LinkId, Message), code: &str) {
        let LinkId::Bank(bank, _) = request.0 else { panic!("{:?} is no bank", request.0) };
        self.bank(&bank.to_string(), echo(&request.1, code));
    }

    /// The verifier answers the oldest question.
    pub fn verdict(&mut self, verdict: Verdict) {
        let ticket = self.verifies.remove(0);
        self.input(Input::Verified(ticket, verdict));
    }

    /// The oldest count comes to this.
    pub fn counted(&mut self, verdict: TotalsVerdict) -> TotalsQuestion {
        let (ticket, question) = self.counts.remove(0);
        self.input(Input::TotalsCounted(ticket, verdict));
        question
    }

    /// The security module answers the oldest question.
    pub fn pin_verdict(&mut self, verdict: PinVerdict) {
        let (ticket, _) = self.pins.remove(0);
        self.input(Input::PinTranslated(ticket, verdict));
    }

    /// The security module has taken the oldest key in, or not.
    pub fn key_verdict(&mut self, verdict: KeyVerdict) {
        let (ticket, _) = self.keys.remove(0);
        self.input(Input::KeyTaken(ticket, verdict));
    }

    pub fn command(&mut self, command: Command) -> Ticket {
        let ticket = Ticket(1_000_000 + self.commanded.len() as u64);
        self.input(Input::Operator(ticket, command));
        ticket
    }

    /// Takes the oldest message of this type that was sent on a link.
    #[track_caller]
    pub fn taken(&mut self, link: LinkId, mti: u16) -> (LinkId, Message) {
        let place = self.sent.iter().position(|(to, message)| *to == link && message.mti().value() == mti);
        let place = place.unwrap_or_else(|| panic!("no {mti:04} to {link:?} in {:#?}", self.sent));
        self.sent.remove(place)
    }

    /// Nothing of this type was sent there.
    #[track_caller]
    pub fn silent(&self, link: LinkId, mti: u16) {
        let found = self.sent.iter().find(|(to, message)| *to == link && message.mti().value() == mti);
        assert!(found.is_none(), "{found:?}");
    }

    /// DE39 of the oldest answer to the terminal.
    #[track_caller]
    pub fn code(&mut self, mti: u16) -> String {
        self.taken(TERMINAL, mti).1.text(39).unwrap().to_owned()
    }

    /// The kinds of the records of a request, `!` where SUSPENSE is raised.
    pub fn records(&self, of: &Message) -> String {
        let key = key_of(of);
        let names = self.log.iter().filter(|record| record.transaction == Some(key)).map(|record| {
            let flag = if record.suspense.is_some() { "!" } else { "" };
            format!("{}{flag}", record.body.name())
        });
        names.collect::<Vec<_>>().join(" ")
    }

    pub fn transaction(&self, of: &Message) -> Transaction {
        transactions(&self.log).remove(&key_of(of)).unwrap()
    }

    pub fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}

pub fn set_reference(request: &mut Message, reference: Reference) {
    let mut template = vec![0xE1, 19, 0xDF, 0x30, 16];
    template.extend_from_slice(&reference.0);
    request.set(112, &template);
}

pub fn echo(request: &Message, code: &str) -> Message {
    let mut answer = Message::new(request.mti().response());
    for element in [3, 4, 7, 11, 37, 41, 70] {
        if let Some(value) = request.get(element) {
            answer.set(element, value);
        }
    }
    answer.set_text(39, code);
    if code == "00" && answer.mti().value() == 210 {
        answer.set_text(38, "A12345");
    }
    answer
}

pub fn verified() -> Verdict {
    Verdict::Verified { biometric_matched: true, evidence: evidence() }
}

pub fn evidence() -> Evidence {
    Evidence {
        registry: RegistryWord::Signed(b"signed".as_slice().into()),
        sod_sha256: [1; 32],
        dg15_sha256: [2; 32],
        passive: true,
        active: true,
    }
}

pub fn key_of(message: &Message) -> TxKey {
    TxKey {
        class: processor::Class::of_mti(message.mti().value()).unwrap(),
        acquirer: Institution::parse(message.get(32).unwrap()).unwrap(),
        terminal: TerminalId::parse(message.get(41).unwrap()).unwrap(),
        sent_at: UtcSeconds::from_de7(message.get(7).unwrap(), UtcSeconds(START_MS / 1000)).unwrap(),
        stan: message.number(11).unwrap() as u32,
    }
}

pub fn transactions(log: &[Record]) -> BTreeMap<TxKey, Transaction> {
    let mut all = BTreeMap::new();
    for record in log {
        if let Some(key) = record.transaction {
            all.entry(key).or_insert_with(|| Transaction::new(key)).apply(record).unwrap();
        }
    }
    all
}

/// What recovery finds.
pub fn fold(log: &[Record]) -> (Standing, Vec<Transaction>) {
    let mut standing = Standing::default();
    let mut all: BTreeMap<TxKey, Transaction> = BTreeMap::new();
    for record in log {
        let transaction = record.transaction.map(|key| {
            let transaction = all.entry(key).or_insert_with(|| Transaction::new(key));
            transaction.apply(record).unwrap();
            &*transaction
        });
        standing.apply(record, transaction);
    }
    (standing, all.into_values().filter(|it| it.state.is_open()).collect())
}

/// Sum of all uses of limits, by citizen and day: must come to the sum of what banks were debited.
pub fn used(log: &[Record]) -> BTreeMap<(Pseudonym, Day), (i64, i64)> {
    let mut used = BTreeMap::new();
    for spend in log.iter().filter_map(|record| record.spend) {
        let sum: &mut (i64, i64) = used.entry((spend.citizen, spend.day)).or_default();
        sum.0 += spend.amount_minor;
        sum.1 += i64::from(spend.count);
    }
    used
}

pub fn is(body: &Body, name: &str) -> bool {
    body.name() == name
}

pub const AMOUNT: u64 = 2_000_000;

/// Sends a two-step withdrawal; gives the request and the bank's 0200.
pub fn withdrawal(world: &mut World) -> (Message, (LinkId, Message)) {
    let request = world.money("01", AMOUNT);
    world.terminal(request.clone());
    let asked = world.taken(bank_link(BIDV), 200);
    (request, asked)
}

/// A withdrawal whose 00 the terminal has.
pub fn approved(world: &mut World) -> Message {
    let (request, asked) = withdrawal(world);
    world.bank_answers(&asked, "00");
    assert_eq!(world.code(210), "00");
    request
}

/// The use of the limits, all citizens and days together.
#[track_caller]
pub fn used_is(world: &World, amount: i64, count: i64) {
    let sum = used(&world.log).into_values().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(sum, (amount, count), "use of the day's limits");
}
