//! The bank without I/O: messages of the switch in, ledger lines and answers out.

use std::collections::BTreeMap;
use std::fmt;

use iso8583::{Message, Mti};

use super::fault::{Fault, FaultRule, Seen};
use super::identity::Identity;
use super::ledger::{Entry, Ledger, Line, OPENING, Posting, SETTLEMENT};
use super::request::{Kind, Request};
use super::totals::{DayTotals, TotalsManner};
use crate::exchange::{ExchangeKey, KeyTaker, Purpose, TakenKey};
use crate::pins::PinCheck;
use crate::terminal::Now;

/// So many late answers and held messages wait at once; one more is dropped, as if it was lost on the way.
pub const DELAYED_MAX: usize = 100_000;

/// Of so many identities it is remembered how often a fault has struck; past it all are forgotten.
pub const STRUCK_MAX: usize = 100_000;

/// A connection, as the driver numbers them.
pub type LinkId = u64;

/// What the machine is told.
#[derive(Debug)]
pub enum Input {
    /// A message came whose MAC is right, or that needs none.
    Received(LinkId, Box<Message>),
    /// A message came whose MAC is missing or wrong: answered 63.
    Forged(LinkId, Box<Message>),
    /// The moment named by [`Machine::next_deadline`] has come.
    Deadline,
}

/// What the machine wants done, in this order. A line has to be written before any later answer is sent.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Append to the ledger file.
    Append(Line),
    /// Send, on this connection or, when it is gone, on any other.
    Send(LinkId, Message),
    /// All links' MACs are under this key from here on; what is received is checked by the one before it as well.
    Rekey(TakenKey),
    /// Close all connections, and take no new ones for so many milliseconds.
    Away(u64),
}

/// What kind of bank it is.
#[derive(Clone)]
pub struct MachineConfig {
    /// Its institution, DE100.
    pub id: Box<str>,
    /// DE49: the currency of all accounts.
    pub currency: u16,
    /// Digits behind the ledger's minor unit in DE4, 54 and 95: 0 or 2 (docs/interface.md#messages).
    pub amount_exponent: u8,
    /// Accounts with their opening balances, minor units.
    pub accounts: BTreeMap<Box<str>, i64>,
    /// Every other number of digits is an account too, opened with this balance when it is first named.
    pub opening_minor: Option<i64>,
    /// A reversal of an unknown original burns the original's identity. Without it that reversal is forgotten.
    pub tombstones: bool,
    /// A repeated 0200 is answered 94 instead of with its stored answer.
    pub repeats_refused: bool,
    /// How it answers when it is asked for its totals.
    pub totals: TotalsManner,
    /// How PINs are checked; without it none is asked for.
    pub pins: Option<PinCheck>,
    /// Under which keys come from the switch; without it they are refused.
    pub exchange: Option<ExchangeKey>,
    /// Who meets which fault.
    pub faults: FaultRule,
}

impl fmt::Debug for MachineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineConfig").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A bank core. Its codes, beside 00:
///
/// | DE39 | when |
/// |---|---|
/// | 12 | a kind that it does not know, another currency, a transfer to the same account; a request whose reversal came first |
/// | 13 | an amount of 0 where money moves, any amount where none does, a fraction; DE95 above DE4; a reversal of another DE4 |
/// | 14 | an account that it does not have |
/// | 25 | a reversal whose original it does not know |
/// | 30 | an element that has to be there is not |
/// | 40 | a network message that it does not know; a key, where it has no exchange key |
/// | 55, 88 | the PIN is missing or wrong; its block cannot be read |
/// | 51 | the account does not cover it; a reversal that takes a credit back is then looked at afresh when it is repeated |
/// | 57 | DE100 is another bank |
/// | 63 | the MAC |
/// | 94 | a known identity with other content |
/// | 96 | an amount beyond what a message or the ledger can hold |
#[derive(Debug)]
pub struct Machine {
    config: MachineConfig,
    taker: KeyTaker,
    ledger: Ledger,
    /// By the moment they are due, then by arrival.
    delayed: BTreeMap<(u64, u64), Delayed>,
    delayed_count: u64,
    struck: BTreeMap<Identity, u32>,
}

#[derive(Debug)]
enum Delayed {
    Answer(LinkId, Message),
    Message(LinkId, Message),
}

impl Machine {
    /// A bank that goes on where its ledger ends.
    pub fn new(config: MachineConfig, ledger: Ledger) -> Machine {
        let taker = KeyTaker::new(config.exchange.clone());
        Machine { config, taker, ledger, delayed: BTreeMap::new(), delayed_count: 0, struck: BTreeMap::new() }
    }

    /// All that the bank knows.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Gives the bank other faults from here on.
    pub fn set_faults(&mut self, faults: FaultRule) {
        self.config.faults = faults;
    }

    /// Gives the bank another PIN key from here on.
    pub fn set_pins(&mut self, pins: PinCheck) {
        self.config.pins = Some(pins);
    }

    /// Gives the bank another exchange key from here on.
    pub fn set_exchange(&mut self, exchange: ExchangeKey) {
        self.taker.set_under(exchange);
    }

    /// When [`Input::Deadline`] is due, on the monotonic clock in microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.delayed.first_key_value().map(|((due_us, _), _)| *due_us)
    }

    /// Takes one input; appends what follows from it.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Received(link, message) => self.receive(now, link, &message, out),
            Input::Forged(link, message) => {
                if !message.mti().is_response() {
                    out.push(Output::Send(link, reply(&message, "63")));
                }
            }
            Input::Deadline => {
                while let Some(entry) = self.delayed.first_entry()
                    && entry.key().0 <= now.mono_us
                {
                    match entry.remove() {
                        Delayed::Answer(link, message) => out.push(Output::Send(link, message)),
                        Delayed::Message(link, message) => {
                            let answer = self.answer(now, &message, out);
                            out.push(Output::Send(link, answer));
                        }
                    }
                }
            }
        }
    }

    fn receive(&mut self, now: Now, link: LinkId, message: &Message, out: &mut Vec<Output>) {
        let mti = message.mti();
        if mti.is_response() {
            return;
        }
        if mti.original() == Mti::new(800) {
            let answer = self.network(now, message, out);
            // The answer is still signed with the key of before.
            let rekey = out.iter().rposition(|output| matches!(output, Output::Rekey(_)));
            out.insert(rekey.unwrap_or(out.len()), Output::Send(link, answer));
            return;
        }
        if mti.original() == Mti::new(520) {
            return self.totals(now, link, message, out);
        }
        let fault = self.fault(now, message);
        match fault {
            Some(Fault::Lost) => return,
            Some(Fault::Held(delay_ms)) => {
                return self.delay(now, delay_ms, Delayed::Message(link, message.clone()));
            }
            Some(Fault::Decline(code)) => {
                let answer = self.decline(now, message, text(&code), out);
                return out.push(Output::Send(link, answer));
            }
            Some(_) | None => {}
        }
        let answer = self.answer(now, message, out);
        let refusal = |code: [u8; 2]| reply(message, text(&code));
        match fault {
            None | Some(Fault::Lost | Fault::Held(_) | Fault::Decline(_)) => {
                out.push(Output::Send(link, answer));
            }
            Some(Fault::Silent) => {}
            Some(Fault::Late(delay_ms)) => self.delay(now, delay_ms, Delayed::Answer(link, answer)),
            Some(Fault::Echo(element)) => out.push(Output::Send(link, wrong_echo(answer, element))),
            Some(Fault::Twice) => {
                out.push(Output::Send(link, answer.clone()));
                out.push(Output::Send(link, answer));
            }
            Some(Fault::DeclineThenTruth(code, delay_ms)) => {
                out.push(Output::Send(link, refusal(code)));
                self.delay(now, delay_ms, Delayed::Answer(link, answer));
            }
            Some(Fault::TruthThenDecline(code, delay_ms)) => {
                out.push(Output::Send(link, answer));
                self.delay(now, delay_ms, Delayed::Answer(link, refusal(code)));
            }
            Some(Fault::Away(away_ms)) => out.push(Output::Away(away_ms)),
        }
    }

    fn delay(&mut self, now: Now, delay_ms: u64, delayed: Delayed) {
        if self.delayed.len() < DELAYED_MAX {
            self.delayed_count += 1;
            self.delayed.insert((now.mono_us + delay_ms * 1000, self.delayed_count), delayed);
        }
    }

    fn fault(&mut self, now: Now, message: &Message) -> Option<Fault> {
        let entry = Request::read(message, now.wall_ms, self.scale()).ok()?.entry;
        let sighting = self.struck.get(&entry.identity).map_or(1, |struck| struck + 1);
        let fault = (self.config.faults)(&Seen {
            mti: entry.mti,
            identity: entry.identity,
            sighting,
            processing: &entry.processing,
            amount_minor: entry.amount_minor,
            rrn: &entry.rrn,
            terminal: &entry.terminal,
            account: &entry.account,
        });
        if sighting > 1 || fault.is_some() {
            if self.struck.len() >= STRUCK_MAX {
                self.struck.clear();
            }
            self.struck.insert(entry.identity, sighting);
        }
        fault
    }

    /// 0800: sign-on, sign-off, echo and cutover are 00; a key is taken in.
    fn network(&mut self, now: Now, message: &Message, out: &mut Vec<Output>) -> Message {
        let mut check_value = None;
        let code = match message.text(70) {
            None => "30",
            Some("001" | "002" | "301") => "00",
            Some("201") => match message.text(15) {
                Some(day) => {
                    let line = Line::Cutover { at_ms: now.wall_ms, day: day.into() };
                    self.append(line, out).err().unwrap_or("00")
                }
                None => "30",
            },
            Some("101") => {
                let (code, value, taken) = self.taker.answer(message);
                check_value = value;
                let is_of_use = taken.is_none_or(|taken| self.take_into_use(now, taken, out));
                if is_of_use { code } else { "88" }
            }
            Some(_) => "40",
        };
        let mut answer = reply(message, code);
        if let Some(what) = message.get(70) {
            answer.set(70, what);
        }
        if let Some(check_value) = check_value.filter(|_| code == "00") {
            answer.set_text(120, &check_value);
        }
        answer
    }

    /// 0520: what the day comes to by this ledger.
    fn totals(&mut self, now: Now, link: LinkId, message: &Message, out: &mut Vec<Output>) {
        let Some(day) = message.text(15) else { return out.push(Output::Send(link, reply(message, "30"))) };
        let counted = DayTotals::of(&self.ledger, day);
        let (counted, late_ms) = match self.config.totals {
            TotalsManner::Right => (counted, None),
            TotalsManner::Off(minor) => (counted.off_by(minor), None),
            TotalsManner::Silent => return,
            TotalsManner::Late(ms) => (counted, Some(ms)),
        };
        let mut answer = reply(message, "00");
        counted.write(&mut answer, self.scale());
        let settlement = if counted.is_in(message, self.scale()) { 1 } else { 2 };
        answer.set_number(66, settlement, 1);
        match late_ms {
            Some(ms) => self.delay(now, ms, Delayed::Answer(link, answer)),
            None => out.push(Output::Send(link, answer)),
        }
    }

    /// `false`: it has no use for the key.
    fn take_into_use(&mut self, now: Now, taken: TakenKey, out: &mut Vec<Output>) -> bool {
        if taken.purpose != Purpose::Pins {
            out.push(Output::Rekey(taken));
            return true;
        }
        let next = self.config.pins.as_ref().and_then(|pins| pins.with_key(&taken.key, now.wall_ms));
        let is_of_use = next.is_some();
        self.config.pins = next.or(self.config.pins.take());
        is_of_use
    }

    /// The answer to a money message, stored or new.
    fn answer(&mut self, now: Now, message: &Message, out: &mut Vec<Output>) -> Message {
        if !matches!(message.mti().original().value(), 200 | 220 | 420) {
            return reply(message, "12");
        }
        let mut request = match Request::read(message, now.wall_ms, self.scale()) {
            Ok(request) => request,
            Err(code) => return reply(message, code),
        };
        if let Some(answer) = self.stored(message, &request) {
            return answer;
        }
        if request.institution != self.config.id {
            return reply(message, "57");
        }
        if request.currency != self.config.currency {
            return reply(message, "12");
        }
        let code = match request.entry.mti {
            420 => match self.reverse(&mut request.entry) {
                Ok(code) => code,
                Err(code) => return reply(message, code),
            },
            _ => match self.check_pin(now, message, &request) {
                Ok(()) => self.carry_out(now, &mut request, out).unwrap_or_else(|code| code),
                Err(code) => code,
            },
        };
        self.record(message, request.entry, code, out)
    }

    /// Refuses a message that is not known yet. A 0200 stays refused; a reversal is asked for again.
    fn decline(&mut self, now: Now, message: &Message, code: &str, out: &mut Vec<Output>) -> Message {
        let Ok(request) = Request::read(message, now.wall_ms, self.scale()) else {
            return self.answer(now, message, out);
        };
        if request.entry.mti == 420 {
            return reply(message, code);
        }
        if let Some(answer) = self.stored(message, &request) {
            return answer;
        }
        self.record(message, request.entry, code, out)
    }

    /// Keeps what was decided; the answer.
    fn record(&mut self, message: &Message, mut entry: Entry, code: &str, out: &mut Vec<Output>) -> Message {
        entry.code = code.into();
        let answer = answered(message, &entry);
        match self.append(Line::Entry(Box::new(entry)), out) {
            Ok(()) => answer,
            Err(code) => reply(message, code),
        }
    }

    /// The answer to an identity that is known; other content under it is 94.
    fn stored(&self, message: &Message, request: &Request) -> Option<Message> {
        let earlier = self.ledger.entry(request.entry.identity)?;
        let refused = self.config.repeats_refused && earlier.mti == 200;
        let same = !refused && request.repeats(earlier);
        Some(if same { answered(message, earlier) } else { reply(message, "94") })
    }

    /// What pays out or shows an account asks for the PIN, where this bank has PINs.
    fn check_pin(&self, now: Now, message: &Message, request: &Request) -> Result<(), &'static str> {
        match (&self.config.pins, request.kind) {
            (None, _) | (Some(_), Kind::Deposit) => Ok(()),
            (Some(pins), Kind::Withdrawal | Kind::Balance | Kind::MiniStatement | Kind::Transfer) => {
                pins.check(message, now.wall_ms)
            }
        }
    }

    /// A 0200, or a credit by 0220. The code; postings, DE38, 54 and 62 go into the entry.
    fn carry_out(
        &mut self,
        now: Now,
        request: &mut Request,
        out: &mut Vec<Output>,
    ) -> Result<&'static str, &'static str> {
        let Request { kind, entry, .. } = request;
        if self.ledger.is_tombstone(entry.identity) {
            return Err("12");
        }
        self.find_account(now, &entry.account, out)?;
        let moves_money = match kind {
            Kind::Withdrawal | Kind::Deposit | Kind::Transfer => true,
            Kind::Balance | Kind::MiniStatement => false,
        };
        if moves_money != (entry.amount_minor > 0) {
            return Err("13");
        }
        let (account, amount_minor) = (&*entry.account, entry.amount_minor);
        entry.postings = match (kind, entry.mti) {
            (Kind::Deposit, _) => Posting::pair(SETTLEMENT, account, amount_minor),
            // By advice money only comes to a customer: a debit has to be asked for.
            (_, 220) => return Err("12"),
            (Kind::Withdrawal, _) => {
                self.covers(account, amount_minor)?;
                Posting::pair(account, SETTLEMENT, amount_minor)
            }
            (Kind::Transfer, _) => {
                let to_account = entry.to_account.as_deref().unwrap_or_default();
                if to_account == account {
                    return Err("12");
                }
                self.find_account(now, to_account, out)?;
                self.covers(account, amount_minor)?;
                Posting::pair(account, to_account, amount_minor)
            }
            (Kind::Balance, _) => {
                entry.balances = Some(self.balances(&entry.processing, account)?);
                Vec::new()
            }
            (Kind::MiniStatement, _) => {
                entry.statement = Some(self.statement(now, account));
                Vec::new()
            }
        };
        if moves_money {
            entry.approval = Some(format!("{:06}", (self.ledger.entries().len() + 1) % 1_000_000).into());
        }
        Ok("00")
    }

    /// Gives back (or takes back) DE4 − DE95. `Err` is an answer that leaves nothing behind, so that the repeat is
    /// looked at afresh.
    fn reverse(&self, entry: &mut Entry) -> Result<&'static str, &'static str> {
        let identity = entry.original.ok_or("30")?;
        let original = self.ledger.entry(identity).filter(|original| {
            original.mti != 420 && original.acquirer == entry.acquirer && original.terminal == entry.terminal
        });
        let Some(original) = original else {
            return if self.config.tombstones { Ok("25") } else { Err("25") };
        };
        let left_minor = entry.left_minor.unwrap_or(0);
        if entry.amount_minor != original.amount_minor || left_minor > original.amount_minor {
            return Err("13");
        }
        // Declined, or reversed under another identity: nothing is left to be given back.
        if original.postings.is_empty() || self.ledger.is_reversed(identity) {
            return Ok("00");
        }
        let back_minor = original.amount_minor - left_minor;
        let (from, to) = match &original.postings[..] {
            [from, to] => (&*to.account, &*from.account),
            _ => return Err("96"),
        };
        if from != SETTLEMENT {
            self.covers(from, back_minor)?;
        }
        if back_minor > 0 {
            entry.postings = Posting::pair(from, to, back_minor);
        }
        Ok("00")
    }

    /// Opens the account where the bank's rules say that it exists.
    fn find_account(&mut self, now: Now, account: &str, out: &mut Vec<Output>) -> Result<(), &'static str> {
        if self.ledger.balance_minor(account).is_some() && account != SETTLEMENT && account != OPENING {
            return Ok(());
        }
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        let by_rule = self.config.opening_minor.filter(|_| is_number);
        let balance_minor = self.config.accounts.get(account).copied().or(by_rule).ok_or("14")?;
        let postings = Posting::pair(OPENING, account, balance_minor);
        self.append(Line::Opened { at_ms: now.wall_ms, postings }, out)
    }

    fn covers(&self, account: &str, amount_minor: i64) -> Result<(), &'static str> {
        let balance_minor = self.ledger.balance_minor(account).unwrap_or(0);
        if balance_minor >= amount_minor { Ok(()) } else { Err("51") }
    }

    /// DE54: the ledger balance and the available one, which are the same here.
    fn balances(&self, processing: &str, account: &str) -> Result<Box<str>, &'static str> {
        let balance_minor = self.ledger.balance_minor(account).unwrap_or(0);
        let amount =
            balance_minor.unsigned_abs().checked_mul(self.scale()).filter(|amount| *amount < AMOUNT_END);
        let amount = amount.ok_or("96")?;
        let account_type = processing.get(2..4).unwrap_or("00");
        let currency = self.config.currency;
        let sign = sign(balance_minor);
        Ok(["01", "02"]
            .map(|kind| format!("{account_type}{kind}{currency:03}{sign}{amount:012}"))
            .concat()
            .into())
    }

    /// DE62, in the currency's own minor units whatever the link says of DE4.
    fn statement(&self, now: Now, account: &str) -> Box<str> {
        let line = |line: &super::ledger::StatementLine| {
            let (date, sign) = (yymmdd(&line.day, line.at_ms.min(now.wall_ms)), sign(line.amount_minor));
            let amount = line.amount_minor.unsigned_abs() % AMOUNT_END;
            format!("{date}{}{sign}{amount:012}{:03}", line.kind, self.config.currency)
        };
        self.ledger.statement(account).map(line).collect::<String>().into()
    }

    /// Takes a line into the ledger; 96 when a balance would leave the range of what can be counted.
    fn append(&mut self, line: Line, out: &mut Vec<Output>) -> Result<(), &'static str> {
        self.ledger.apply(&line).map_err(|_| "96")?;
        out.push(Output::Append(line));
        Ok(())
    }

    fn scale(&self) -> u64 {
        10u64.pow(u32::from(self.config.amount_exponent))
    }
}

/// An amount of n12 is below it.
const AMOUNT_END: u64 = 1_000_000_000_000;

/// The answer's MTI, the elements that are echoed and DE39.
fn reply(message: &Message, code: &str) -> Message {
    let mti = message.mti();
    let mut answer = Message::new(mti.response());
    let echoed: &[u8] = match mti.class() {
        2 => &[3, 4, 7, 11, 37, 41],
        5 => &[7, 11, 15],
        8 => &[7, 11],
        _ => &[4, 7, 11, 37, 41],
    };
    for &element in echoed {
        if let Some(value) = message.get(element) {
            answer.set(element, value);
        }
    }
    answer.set_text(39, code);
    answer
}

/// The answer that an entry holds.
fn answered(message: &Message, entry: &Entry) -> Message {
    let mut answer = reply(message, &entry.code);
    for (element, value) in [(38, &entry.approval), (54, &entry.balances), (62, &entry.statement)] {
        if let Some(value) = value {
            answer.set_text(element, value);
        }
    }
    answer
}

fn wrong_echo(mut answer: Message, element: u8) -> Message {
    if let Some(mut value) = answer.get(element).map(<[u8]>::to_vec) {
        if let Some(last) = value.last_mut() {
            *last = if *last == b'1' { b'2' } else { b'1' };
        }
        answer.set(element, &value);
    }
    answer
}

fn sign(amount_minor: i64) -> char {
    if amount_minor < 0 { 'D' } else { 'C' }
}

/// A business day with the year that brings it nearest to the moment of the posting.
fn yymmdd(day: &str, at_ms: i64) -> String {
    let noon = Identity::read(format!("{day}120000").as_bytes(), b"000000", at_ms);
    let text = noon.unwrap_or(Identity { sent_at_s: at_ms / 1000, stan: 0 }).to_string();
    format!("{}{}{}", &text[2..4], &text[5..7], &text[8..10])
}

fn text(code: &[u8; 2]) -> &str {
    str::from_utf8(code).unwrap_or("96")
}
