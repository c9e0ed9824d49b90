//! The messages that the switch sends, built from what is recorded and from the message that is answered.

use credential::{ProofBuilder, Reference, Tag};
use iso8583::{Message, Mti};
use mutant::Mutant;

use crate::amount::{self, DE54_ENTRY, DE62_LINE};
use crate::config::Config;
use crate::ids::{BankIdentity, Code, Day, TxKey};
use crate::io::{Answered, LinkedAccount};
use crate::lifecycle::State;
use crate::live::Stages;
use crate::pin::Enciphered;
use crate::record::{Kind, LinkedBank, Outcome, Request};
use crate::transaction::{SentToBank, Transaction};

/// Echoed in every answer on a terminal link, where the message has them; each element is the bit of its number.
const ECHOED_ELEMENTS: u128 = {
    let elements = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 70];
    let (mut bits, mut index) = (0, 0);
    while index < elements.len() {
        bits |= 1 << elements[index];
        index += 1;
    }
    bits
};

/// The answer to the request that a transaction's records hold; `None` while it has none.
pub(crate) fn stored_code(transaction: &Transaction) -> Option<Code> {
    match transaction.state {
        State::Approved | State::Completed | State::Verified | State::OutcomeSyncing => Some(Code::APPROVED),
        State::Declined => transaction.declined.as_ref().map(|declined| declined.code),
        State::Reversing if transaction.approval_seen && mutant::is(Mutant::LateApprovalForwarded) => {
            Some(Code::APPROVED)
        }
        State::Reversing | State::Reversed => transaction.reversal.as_ref().map(|reversal| reversal.answer),
        State::Tombstone => Some(Code::DUPLICATE),
        State::Unknown | State::Verifying | State::IntentSyncing | State::Sent => None,
    }
}

/// Elements and values of a message that is being put together, in ascending order whatever order they come in: a message is
/// then built from front to back.
pub(crate) struct Values<'a> {
    list: [(u8, &'a [u8]); VALUES_MAX],
    count: usize,
}

/// No message of the switch has more elements: ten more than it echoes.
const VALUES_MAX: usize = 32;

impl<'a> Values<'a> {
    fn new() -> Values<'a> {
        Values { list: [(0, &[]); VALUES_MAX], count: 0 }
    }

    /// Sets or replaces an element.
    fn put(&mut self, element: u8, value: &'a [u8]) {
        let mut place = self.count;
        if place == 0 || self.list[place - 1].0 < element {
            self.list[place] = (element, value);
            self.count += 1;
            return;
        }
        while place > 0 && self.list[place - 1].0 >= element {
            place -= 1;
        }
        if self.list[place].0 != element {
            self.list.copy_within(place..self.count, place + 1);
            self.count += 1;
        }
        self.list[place] = (element, value);
    }

    fn put_some(&mut self, element: u8, value: Option<&'a [u8]>) {
        if let Some(value) = value {
            self.put(element, value);
        }
    }

    fn message(&self, mti: Mti) -> Message {
        Message::of(mti, &self.list[..self.count])
    }
}

/// A number with zeros in front, `digits` in all where it has no more itself.
struct Decimal {
    text: [u8; 20],
    start: usize,
}

impl Decimal {
    fn new(value: u64, digits: usize) -> Decimal {
        let (mut text, mut start, mut rest) = ([b'0'; 20], 20, value);
        while rest > 0 {
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Decimal { text, start: start.min(20 - digits) }
    }

    fn digits(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// An answer that says no more than a code.
pub(crate) fn bare(message: &Message, code: Code) -> Message {
    echoed(message, &code).message(answer_mti(message))
}

fn answer_mti(message: &Message) -> Mti {
    let keeps_mark = message.mti().is_repeat() && mutant::is(Mutant::RepeatAnsweredAsRepeat);
    let mti = message.mti().response();
    if keeps_mark { mti.repeat() } else { mti }
}

/// What an answer has of the message that it answers, and its code.
fn echoed<'a>(message: &'a Message, code: &'a Code) -> Values<'a> {
    let mut values = Values::new();
    for (element, value) in message.elements() {
        if element < 128 && ECHOED_ELEMENTS >> element & 1 == 1 {
            values.put(element, value);
        }
    }
    values.put(39, &code.0);
    values
}

/// The answer to a request, from its records.
pub(crate) fn answer(message: &Message, transaction: &Transaction, code: Code, config: &Config) -> Message {
    let mut eleven = [0; 11];
    let mut values = echoed(message, &code);
    values.put_some(37, transaction.request.as_ref().map(|request| request.rrn.0.as_slice()));
    let day = transaction.sent.as_ref().map(|sent| sent.day.to_de15());
    values.put_some(15, day.as_ref().map(<[u8; 4]>::as_slice));
    values.put_some(100, transaction.bank().map(|bank| bank.digits_in(&mut eleven)));
    let is_approved = code == Code::APPROVED;
    let verification = transaction.verification.as_ref().filter(|_| is_approved);
    let has_to_send_sod = transaction.declined.as_ref().is_some_and(|declined| declined.send_sod);
    let proof = match verification {
        Some(verification) => Some(verified(verification.reference, &verification.banks)),
        None if has_to_send_sod => Some(ProofBuilder::new().with(Tag::SendSod, &[]).build()),
        None => None,
    };
    values.put_some(112, proof.as_deref());
    let outcome = transaction.outcome.as_ref().filter(|_| is_approved);
    let carried = outcome.map(|outcome| rescaled(outcome, transaction, config)).unwrap_or_default();
    for (element, value) in &carried {
        values.put(*element, value);
    }
    values.put_some(38, outcome.and_then(|outcome| outcome.approval.as_ref()).map(<[u8; 6]>::as_slice));
    values.message(answer_mti(message))
}

/// What a bank's approval carries, in the decimal places of the terminal's link; nothing where either is not known any more.
fn rescaled(outcome: &Outcome, transaction: &Transaction, config: &Config) -> Vec<(u8, Vec<u8>)> {
    let issuer = transaction.bank().and_then(|bank| config.issuers.get(&bank));
    let (Some(issuer), Some(terminal)) = (issuer, config.terminals.get(&transaction.key.terminal)) else {
        return Vec::new();
    };
    let (there, here) = (issuer.amount_exponent, terminal.amount_exponent);
    let rescale = |(element, value): (u8, &[u8])| {
        let layout = if element == 54 { DE54_ENTRY } else { DE62_LINE };
        Some((element, amount::rescale(value, layout, there, here)?))
    };
    outcome.carried.iter().filter_map(rescale).collect()
}

/// DE112 of the answer to a 0100: DF50 (verified), DF51, DF52.
fn verified(reference: Reference, banks: &[LinkedBank]) -> Vec<u8> {
    let banks: Vec<(String, &LinkedBank)> = banks.iter().map(|it| (it.bank.to_string(), it)).collect();
    let linked = banks.iter().map(|(institution, it)| (institution.as_str(), &*it.alias, it.default));
    let proof = ProofBuilder::new().with(Tag::Verdict, &[1]).with(Tag::ReferenceGiven, &reference.0);
    proof.with_linked(linked).build()
}

/// The answer to an advice: always 00, for it is recorded.
pub(crate) fn advice_answer(message: &Message, original: &Transaction) -> Message {
    let mut values = echoed(message, &Code::APPROVED);
    values.put_some(37, original.request.as_ref().map(|request| request.rrn.0.as_slice()));
    let day = original.sent.as_ref().map(|sent| sent.day.to_de15());
    values.put_some(15, day.as_ref().map(<[u8; 4]>::as_slice));
    values.message(answer_mti(message))
}

/// The 0200 to the bank, with the PIN where it wants one. `None` where an amount has no form on its link; limits keep such a request from being recorded.
pub(crate) fn bank_request(
    transaction: &Transaction,
    exponent: u8,
    pin: Option<&Enciphered>,
) -> Option<Message> {
    let (request, sent) = (transaction.request.as_ref()?, transaction.sent.as_ref()?);
    let common = Common::new(transaction, exponent)?;
    let (de7, stan, day) = (sent.identity.sent_at.to_de7(), stan(sent.identity), sent.day.to_de15());
    let mut values = Values::new();
    common.put_front(&mut values, request);
    values.put(7, &de7);
    values.put(11, stan.digits());
    for (element, value) in request.carried.iter() {
        values.put(element, value);
    }
    values.put(15, &day);
    common.put_rest(&mut values, request, sent, transaction);
    if let Some(pin) = pin {
        values.put(pin.element(), pin.bytes());
    }
    values.put_some(103, request.content.to_account.as_ref().map(|account| account.as_bytes()));
    Some(values.message(Mti::new(200)))
}

/// The 0420, or 0421, to the bank.
pub(crate) fn bank_reversal(transaction: &Transaction, exponent: u8, is_repeat: bool) -> Option<Message> {
    let (request, sent) = (transaction.request.as_ref()?, transaction.sent.as_ref()?);
    let reversal = transaction.reversal.as_ref()?;
    let common = Common::new(transaction, exponent)?;
    let is_misnamed = mutant::is(Mutant::OriginalDataNamesReversal);
    let original = if is_misnamed { reversal.identity } else { sent.identity };
    let de90 = format!(
        "0200{:06}{}{}{:011}",
        original.stan,
        String::from_utf8_lossy(&original.sent_at.to_de7()),
        String::from_utf8_lossy(&transaction.key.acquirer.to_eleven()),
        0
    );
    let (left_minor, asked_minor) = (reversal.left_minor, request.content.amount_minor);
    let left_minor =
        if mutant::is(Mutant::LeftAmountSwapped) { asked_minor - left_minor } else { left_minor };
    let exponent = if mutant::is(Mutant::LeftAmountWithoutDecimals) { 0 } else { exponent };
    let de95 = amount::to_de95(amount::to_link(left_minor, exponent)?);
    let (de7, stan, day) =
        (reversal.identity.sent_at.to_de7(), stan(reversal.identity), reversal.day.to_de15());
    let mut values = Values::new();
    common.put_front(&mut values, request);
    common.put_rest(&mut values, request, sent, transaction);
    values.put(7, &de7);
    values.put(11, stan.digits());
    values.put(15, &day);
    values.put(39, &reversal.reason.0);
    let acceptor = request.carried.iter().find(|(element, _)| *element == 42);
    values.put_some(42, acceptor.map(|(_, acceptor)| acceptor));
    values.put(90, de90.as_bytes());
    values.put(95, de95.as_bytes());
    Some(values.message(if is_repeat { Mti::new(421) } else { Mti::new(420) }))
}

/// What requests and reversals to a bank have in common, and is not recorded as it stands in a message.
struct Common {
    amount: Decimal,
    currency: Decimal,
    acquirer: [u8; 11],
    bank: [u8; 11],
}

impl Common {
    fn new(transaction: &Transaction, exponent: u8) -> Option<Common> {
        let content = &transaction.request.as_ref()?.content;
        Some(Common {
            amount: Decimal::new(amount::to_link(content.amount_minor, exponent)?, 12),
            currency: Decimal::new(u64::from(content.currency), 3),
            acquirer: transaction.key.acquirer.to_eleven(),
            bank: transaction.bank()?.to_eleven(),
        })
    }

    /// DE2, 3, 4.
    fn put_front<'a>(&'a self, values: &mut Values<'a>, request: &'a Request) {
        values.put(2, request.pan.digits());
        values.put(3, &request.content.processing);
        values.put(4, self.amount.digits());
    }

    /// DE32 and what comes behind it.
    fn put_rest<'a>(
        &'a self,
        values: &mut Values<'a>,
        request: &'a Request,
        sent: &'a SentToBank,
        transaction: &'a Transaction,
    ) {
        values.put(32, transaction.key.acquirer.without_zeros(&self.acquirer));
        values.put(37, &request.rrn.0);
        values.put(41, &transaction.key.terminal.0);
        values.put(49, self.currency.digits());
        values.put(100, sent.bank.without_zeros(&self.bank));
        values.put_some(102, sent.account.as_ref().map(|account| account.as_bytes()));
    }
}

fn stan(identity: BankIdentity) -> Decimal {
    Decimal::new(u64::from(identity.stan), 6)
}

/// Whether a bank's answer echoes what it was asked: DE4, 37 and 41. DE7 and 11 are how it was found.
pub(crate) fn echoes(answer: &Message, transaction: &Transaction, exponent: u8) -> bool {
    let Some(request) = &transaction.request else { return false };
    (answer.number(4) == amount::to_link(request.content.amount_minor, exponent)
        || mutant::is(Mutant::EchoSkipsAmount))
        && answer.get(37) == Some(&request.rrn.0)
        && answer.get(41) == Some(&transaction.key.terminal.0)
}

/// A 0800 to a bank. DE15 only in a cutover.
pub(crate) fn network(code: u64, identity: BankIdentity, day: Option<Day>) -> Message {
    let (de7, stan, code) = (identity.sent_at.to_de7(), stan(identity), Decimal::new(code, 3));
    let day = day.map(Day::to_de15);
    let mut values = Values::new();
    values.put(7, &de7);
    values.put(11, stan.digits());
    values.put_some(15, day.as_ref().map(<[u8; 4]>::as_slice));
    values.put(70, code.digits());
    values.message(Mti::new(800))
}

/// A linked account as the terminal is told of it.
pub(crate) fn linked_bank(account: &LinkedAccount) -> LinkedBank {
    LinkedBank { bank: account.bank, alias: account.alias().into(), default: account.default }
}

/// Where a request's time went.
pub(crate) fn stages(key: TxKey, kind: Kind, code: Code, stages: Stages) -> Answered {
    let between = |from: u64, to: u64| if from == 0 || to == 0 { 0 } else { to.saturating_sub(from) };
    let from = |moments: &[u64]| moments.iter().copied().max().unwrap_or(0);
    Answered {
        key,
        kind,
        code,
        read_us: between(stages.arrived, stages.taken),
        find_us: between(stages.taken, stages.found),
        verify_us: between(stages.found, stages.verified),
        intent_sync_us: between(from(&[stages.verified]), stages.asked),
        bank_us: between(stages.asked, stages.bank_answered),
        outcome_sync_us: between(from(&[stages.bank_answered, stages.verified]), stages.answered),
        total_us: between(stages.arrived, stages.answered),
    }
}
