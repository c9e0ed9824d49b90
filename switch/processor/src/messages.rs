//! The messages that the switch sends, built from what is recorded and from the message that is answered.

use credential::{ProofBuilder, Reference, Tag};
use iso8583::{Message, Mti};
use mutant::Mutant;

use crate::amount::{self, DE54_ENTRY, DE62_LINE};
use crate::config::Config;
use crate::ids::{BankIdentity, Code, Day, Institution, TxKey};
use crate::io::{Answered, LinkedAccount};
use crate::lifecycle::State;
use crate::live::Stages;
use crate::record::{Kind, LinkedBank};
use crate::transaction::Transaction;

/// Echoed in every answer on a terminal link, where the message has them.
const ECHOED: [u8; 12] = [2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49];

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

/// An answer that says no more than a code.
pub(crate) fn bare(message: &Message, code: Code) -> Message {
    let keeps_mark = message.mti().is_repeat() && mutant::is(Mutant::RepeatAnsweredAsRepeat);
    let mti = message.mti().response();
    let mut answer = Message::new(if keeps_mark { mti.repeat() } else { mti });
    for element in ECHOED {
        if let Some(value) = message.get(element) {
            answer.set(element, value);
        }
    }
    if let Some(value) = message.get(70) {
        answer.set(70, value);
    }
    answer.set(39, &code.0);
    answer
}

/// The answer to a request, from its records.
pub(crate) fn answer(message: &Message, transaction: &Transaction, code: Code, config: &Config) -> Message {
    let mut answer = bare(message, code);
    if let Some(request) = &transaction.request {
        answer.set(37, &request.rrn.0);
    }
    if let Some(sent) = &transaction.sent {
        answer.set(15, &sent.day.to_de15());
        answer.set_text(100, &sent.bank.to_string());
    }
    if transaction.declined.as_ref().is_some_and(|declined| declined.send_sod) {
        answer.set(112, &ProofBuilder::new().with(Tag::SendSod, &[]).build());
    }
    if code != Code::APPROVED {
        return answer;
    }
    if let Some(outcome) = &transaction.outcome {
        if let Some(approval) = outcome.approval {
            answer.set(38, &approval);
        }
        let exponent = |bank: Option<Institution>| {
            bank.and_then(|bank| config.issuers.get(&bank)).map_or(0, |issuer| issuer.amount_exponent)
        };
        let there = exponent(transaction.bank());
        let here =
            config.terminals.get(&transaction.key.terminal).map_or(0, |terminal| terminal.amount_exponent);
        for (element, value) in outcome.carried.iter() {
            let layout = if element == 54 { DE54_ENTRY } else { DE62_LINE };
            if let Some(value) = amount::rescale(value, layout, there, here) {
                answer.set(element, &value);
            }
        }
    }
    if let Some(verification) = &transaction.verification {
        answer.set(112, &verified(verification.reference, &verification.banks));
    }
    answer
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
    let mut answer = bare(message, Code::APPROVED);
    if let Some(request) = &original.request {
        answer.set(37, &request.rrn.0);
    }
    if let Some(sent) = &original.sent {
        answer.set(15, &sent.day.to_de15());
    }
    answer
}

/// The 0200 to the bank.
pub(crate) fn bank_request(transaction: &Transaction, exponent: u8) -> Option<Message> {
    let mut message = bank_message(Mti::new(200), transaction, exponent)?;
    let (request, sent) = (transaction.request.as_ref()?, transaction.sent.as_ref()?);
    name(&mut message, sent.identity);
    message.set(15, &sent.day.to_de15());
    for (element, value) in request.carried.iter() {
        message.set(element, value);
    }
    if let Some(account) = &request.content.to_account {
        message.set_text(103, account);
    }
    Some(message)
}

/// The 0420, or 0421, to the bank.
pub(crate) fn bank_reversal(transaction: &Transaction, exponent: u8, is_repeat: bool) -> Option<Message> {
    let mti = if is_repeat { Mti::new(421) } else { Mti::new(420) };
    let mut message = bank_message(mti, transaction, exponent)?;
    let (sent, reversal) = (transaction.sent.as_ref()?, transaction.reversal.as_ref()?);
    name(&mut message, reversal.identity);
    message.set(15, &reversal.day.to_de15());
    message.set(39, &reversal.reason.0);
    if let Some((_, acceptor)) =
        transaction.request.as_ref()?.carried.iter().find(|(element, _)| *element == 42)
    {
        message.set(42, acceptor);
    }
    let is_misnamed = mutant::is(Mutant::OriginalDataNamesReversal);
    let original = if is_misnamed { reversal.identity } else { sent.identity };
    let de90 = format!(
        "0200{:06}{}{}{:011}",
        original.stan,
        String::from_utf8_lossy(&original.sent_at.to_de7()),
        String::from_utf8_lossy(&transaction.key.acquirer.to_eleven()),
        0
    );
    message.set_text(90, &de90);
    let (left_minor, asked_minor) = (reversal.left_minor, transaction.request.as_ref()?.content.amount_minor);
    let left_minor =
        if mutant::is(Mutant::LeftAmountSwapped) { asked_minor - left_minor } else { left_minor };
    let exponent = if mutant::is(Mutant::LeftAmountWithoutDecimals) { 0 } else { exponent };
    message.set_text(95, &amount::to_de95(amount::to_link(left_minor, exponent)?));
    Some(message)
}

/// What requests and reversals to a bank have in common. `None` where an amount has no form on its link; limits keep
/// such a request from being recorded.
fn bank_message(mti: Mti, transaction: &Transaction, exponent: u8) -> Option<Message> {
    let (request, sent) = (transaction.request.as_ref()?, transaction.sent.as_ref()?);
    let mut message = Message::new(mti);
    message.set(2, request.pan.digits());
    message.set(3, &request.content.processing);
    message.set_number(4, amount::to_link(request.content.amount_minor, exponent)?, 12);
    message.set_text(32, &transaction.key.acquirer.to_string());
    message.set(37, &request.rrn.0);
    message.set(41, &transaction.key.terminal.0);
    message.set_number(49, u64::from(request.content.currency), 3);
    message.set_text(100, &sent.bank.to_string());
    if let Some(account) = &sent.account {
        message.set_text(102, account);
    }
    Some(message)
}

fn name(message: &mut Message, identity: BankIdentity) {
    message.set(7, &identity.sent_at.to_de7());
    message.set_number(11, u64::from(identity.stan), 6);
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
    let mut message = Message::new(Mti::new(800));
    name(&mut message, identity);
    message.set_number(70, code, 3);
    if let Some(day) = day {
        message.set(15, &day.to_de15());
    }
    message
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
