//! A log, and a bank's ledger, as a day without the bank leaves them: so many reversals owed, each of a debit that stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use credential::{CitizenNumber, Pan};
use iso8583::{Message, Mti};
use journal::{AppendError, Journal, Options, SegmentLog};
use keys::DataKeys;
use processor::{
    Authenticity, Config, Evidence, Found, Input, IssuerConfig, KeyVerdict, Limits, LinkId, LinkedAccount,
    Now, Output, PinVerdict, Processor, RegistryWord, Standing, TerminalConfig, TerminalId, Ticket, Timers,
    TotalsVerdict, UtcSeconds, Verdict,
};
use simulators::bank::{self, LedgerFile, Line, Machine, MachineConfig};
use simulators::terminal;

/// The bank that was away.
pub const BANK: &str = "970436";

/// The machine that stood there.
pub const TERMINAL: &str = "HN000900";

/// What each of the citizens wanted, minor units.
pub const AMOUNT_MINOR: u64 = 500_000;

/// The bank was away for so long.
const AWAY_MS: i64 = 86_400_000;

/// How often the log may say that it is full before it has failed: each time is a millisecond.
const WAITS_MAX: usize = 60_000;

const CONNECTION: LinkId = LinkId::Terminal(1);

/// What fills a log.
struct Filler {
    processor: Processor,
    log: SegmentLog,
    machine: Machine,
    lines: Vec<Line>,
    bank: LinkId,
    now: Now,
    account: LinkedAccount,
    citizen: credential::Pseudonym,
    appended: u64,
    told_synced: u64,
}

/// Fills an empty `log_dir`, through the processor, with withdrawals that [`BANK`] has debited and whose cash did
/// not leave; and writes the bank's ledger. `until_ms` is the wall clock behind the last of them.
///
/// # Panics
/// When files cannot be written: a test cannot go on.
pub fn fill(
    log_dir: &Path,
    keys: &DataKeys,
    ledger: &Path,
    bank: MachineConfig,
    reversals: u32,
    until_ms: i64,
) {
    let id: processor::Institution = bank.id.parse().expect("an institution");
    let (mut file, books) = LedgerFile::open(ledger, &bank.id, bank.currency, false).expect("a ledger");
    let options = Options::new(log_dir.to_owned(), keys.clone());
    let (log, recovered) = SegmentLog::open(options, Box::new(|_| ())).expect("an empty log");
    let now = Now { mono_us: 1_000_000, wall_ms: until_ms - AWAY_MS };
    let number = citizen();
    let pan = Pan::new(*b"970499", &number);
    let mut filler = Filler {
        processor: Processor::new(config(id), [7; 32], now, Standing::default(), Vec::new(), recovered.next),
        log,
        machine: Machine::new(bank, books),
        lines: Vec::new(),
        bank: LinkId::Bank(id, 0),
        now,
        account: LinkedAccount { bank: id, number: "8600000001".into(), default: true },
        citizen: keys.pseudonym(&number),
        appended: recovered.next,
        told_synced: recovered.next,
    };
    filler.input(Input::LinkUp(filler.bank));
    filler.input(Input::LinkUp(CONNECTION));
    filler.terminal(network());
    for number in 0..reversals {
        filler.now.mono_us += 1_000;
        filler.now.wall_ms = until_ms - AWAY_MS + AWAY_MS * i64::from(number) / i64::from(reversals);
        let request = request(number, filler.now, &pan);
        filler.terminal(request.clone());
        filler.terminal(reversal(number, &request));
        if filler.lines.len() >= 1_000 {
            file.append(&filler.lines).expect("the ledger is written");
            filler.lines.clear();
        }
    }
    file.append(&filler.lines).expect("the ledger is written");
    assert_eq!(filler.processor.reversals_open(), reversals as usize, "all of them are owed");
    filler.log.close();
}

impl Filler {
    fn terminal(&mut self, message: Message) {
        let (authenticity, citizen) = (Authenticity::Authentic, Some(self.citizen));
        self.input(Input::Received { link: CONNECTION, message, authenticity, citizen });
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.processor.handle(self.now, input);
            while let Some(output) = self.processor.poll_output() {
                inputs.extend(self.carry_out(output));
            }
            if inputs.is_empty() && self.appended > self.told_synced {
                self.told_synced = self.appended;
                inputs.push(Input::Synced(self.appended));
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Append(position, record) => {
                self.append(position, &record);
                None
            }
            Output::Find(ticket, _) => Some(self.found(ticket)),
            Output::Verify(ticket, _) => Some(Input::Verified(ticket, verified())),
            Output::TakeKey(ticket, _) => Some(Input::KeyTaken(ticket, KeyVerdict::NotHere)),
            Output::CountTotals(ticket, _) => Some(Input::TotalsCounted(ticket, TotalsVerdict::Unavailable)),
            Output::AskAgain(ticket, _) => Some(Input::AskedAgain(ticket, None)),
            Output::TranslatePin(ticket, _) => Some(Input::PinTranslated(ticket, PinVerdict::Unavailable)),
            Output::Send(link, message) if link == self.bank => self.at_the_bank(&message),
            Output::OfferKey(ticket, _) => Some(Input::KeyOffered(ticket, Err(String::new()))),
            Output::UseOfferedKey(ticket, ..) => Some(Input::OfferedKeyUsed(ticket, Err(String::new()))),
            Output::Send(..)
            | Output::UseKeys(..)
            | Output::Close(_)
            | Output::Commanded(..)
            | Output::Retried { .. }
            | Output::Event(_) => None,
        }
    }

    fn append(&mut self, position: u64, record: &processor::Record) {
        for _ in 0..WAITS_MAX {
            match self.log.append(position, record) {
                Ok(()) => {
                    self.appended = position + 1;
                    return;
                }
                Err(AppendError::Full) => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("record {position}: {error}"),
            }
        }
        panic!("the log takes nothing");
    }

    fn found(&self, ticket: Ticket) -> Input {
        let accounts = vec![self.account.clone()];
        Input::Found(ticket, Box::new(Found { as_of: self.appended, accounts, ..Found::default() }))
    }

    /// The bank signs on and debits; then it is away: no answer of its reaches the switch, and no reversal reaches it.
    fn at_the_bank(&mut self, message: &Message) -> Option<Input> {
        let now = terminal::Now { mono_us: self.now.mono_us, wall_ms: self.now.wall_ms };
        let mut outputs = Vec::new();
        if matches!(message.mti().value(), 200 | 800) {
            self.machine.handle(now, bank::Input::Received(0, Box::new(message.clone())), &mut outputs);
        }
        let mut answer = None;
        for output in outputs {
            match output {
                bank::Output::Append(line) => self.lines.push(line),
                bank::Output::Send(_, said) if said.mti().value() == 810 => {
                    let authenticity = Authenticity::Authentic;
                    answer =
                        Some(Input::Received { link: self.bank, message: said, authenticity, citizen: None });
                }
                bank::Output::Send(..) | bank::Output::Away(_) | bank::Output::Rekey(_) => {}
            }
        }
        answer
    }
}

fn citizen() -> CitizenNumber {
    CitizenNumber::parse(b"001203000001").expect("a citizen number")
}

fn verified() -> Verdict {
    let evidence = Evidence {
        registry: RegistryWord::Signed(b"signed".as_slice().into()),
        sod_sha256: [1; 32],
        dg15_sha256: [2; 32],
        passive: true,
        active: true,
    };
    Verdict::Verified { biometric_matched: true, evidence }
}

fn config(bank: processor::Institution) -> Config {
    let terminal = TerminalId::parse(TERMINAL.as_bytes()).expect("a terminal");
    let issuer = IssuerConfig {
        name: "away".to_owned(),
        amount_exponent: 0,
        tombstones: true,
        in_flight_max: usize::MAX,
        reversals_in_flight_max: 50,
        codes: BTreeMap::new(),
        wants_pin: false,
        totals: false,
    };
    Config {
        terminals: BTreeMap::from([(terminal, TerminalConfig { acquirer: bank, amount_exponent: 0 })]),
        issuers: BTreeMap::from([(bank, issuer)]),
        timers: Timers::default(),
        limits: Limits {
            citizen_day_minor_max: 1_000_000_000_000_000,
            citizen_day_count_max: u32::MAX,
            ..Limits::default()
        },
        iin: *b"970499",
        currency: 704,
        first_day: "2026-05-01".parse().expect("a day"),
        stand_in: None,
    }
}

fn network() -> Message {
    let mut message = Message::new(Mti::new(800));
    message.set_text(7, "0503010203").set_number(11, 1, 6).set_text(41, TERMINAL).set_number(70, 1, 3);
    message
}

fn request(number: u32, now: Now, pan: &Pan) -> Message {
    let mut message = Message::new(Mti::new(200));
    message
        .set(2, pan.digits())
        .set_text(3, "010000")
        .set_number(4, AMOUNT_MINOR, 12)
        .set(7, &UtcSeconds(now.wall_ms / 1000).to_de7())
        .set_number(11, u64::from(number % 1_000_000), 6)
        .set_text(12, "080203")
        .set_text(13, "0503")
        .set_text(18, "6011")
        .set_text(22, "051")
        .set_text(25, "02")
        .set_text(32, BANK)
        .set_text(41, TERMINAL)
        .set_text(42, "BRANCH         ")
        .set_text(43, &format!("{:<40}", "35 HANG VOI HANOI VN"))
        .set_text(49, "704")
        .set(112, &[0xE1, 4, 0xDF, 0x01, 1, 1]);
    message
}

/// No cash left.
fn reversal(number: u32, request: &Message) -> Message {
    let mut message = Message::new(Mti::new(420));
    for element in [2, 3, 4, 7, 12, 13, 32, 41, 42, 49] {
        if let Some(value) = request.get(element) {
            message.set(element, value);
        }
    }
    let text = |element: u8| request.text(element).unwrap_or_default().to_owned();
    let de90 = format!("0200{}{}{:0>11}{:011}", text(11), text(7), text(32), 0);
    message.set_number(11, u64::from(number % 1_000_000), 6).set_text(39, "22").set_text(90, &de90);
    message
}
