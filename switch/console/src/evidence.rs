//! One transaction whole, as a clerk reads it: facts, identity, timeline, messages; all from what may be shown.
//!
//! Everything here is made of `journal::record_json`, which is the one place that masks.

use journal::{Told, record_json};
use processor::{Position, Record, State, Suspense, Transaction};
use serde_json::Value;

use crate::format;
use crate::search::bank_of;
use crate::switch::Settings;
use crate::texts::{Texts, with};

/// A line of a list of facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// Digits and letters to be compared one by one.
    pub(crate) is_code: bool,
}

/// A step of the timeline: one record.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Step {
    pub(crate) position: Position,
    pub(crate) at: String,
    pub(crate) machine_at: String,
    /// Since the step before it.
    pub(crate) after: String,
    pub(crate) record: &'static str,
    pub(crate) words: &'static str,
    pub(crate) details: Vec<Fact>,
    pub(crate) tone: &'static str,
    pub(crate) json: String,
}

/// A message that was exchanged, as far as its records know it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct MessageShown {
    pub(crate) mti: String,
    pub(crate) way: &'static str,
    pub(crate) elements: Vec<ElementShown>,
}

/// One of its elements.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ElementShown {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The whole page.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct EvidenceShown {
    pub(crate) key: String,
    pub(crate) kind: &'static str,
    pub(crate) amount: Option<String>,
    pub(crate) state: StateShown,
    pub(crate) suspense: Option<&'static str>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) identity: Vec<Fact>,
    /// Where this transaction has no check of its own.
    pub(crate) identity_note: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) messages: Vec<MessageShown>,
    /// There is a PAN whose citizen number can be shown.
    pub(crate) has_number: bool,
}

/// A state with its colour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StateShown {
    pub(crate) words: &'static str,
    pub(crate) tone: &'static str,
    /// DE39 of a refusal.
    pub(crate) code: Option<String>,
    pub(crate) code_words: &'static str,
}

impl StateShown {
    pub(crate) fn of(transaction: &Transaction, t: &Texts) -> StateShown {
        let code = transaction.declined.as_ref().map(|declined| declined.code.to_string());
        let code_words = code.as_deref().map_or("", |code| t.code(code));
        let tone = match transaction.state {
            State::Completed | State::Verified => "good",
            State::Approved
            | State::Sent
            | State::IntentSyncing
            | State::OutcomeSyncing
            | State::Verifying => "open",
            State::Reversing => "warn",
            State::Declined | State::Reversed => "quiet",
            State::Tombstone | State::Unknown => "bad",
        };
        StateShown { words: t.state(transaction.state), tone, code, code_words }
    }
}

/// The page of a transaction.
pub(crate) fn evidence(told: &Told, settings: &Settings, t: &'static Texts) -> EvidenceShown {
    let transaction = &told.transaction;
    let request = transaction.request.as_ref();
    let content = request.map(|request| &request.content);
    let suspense = transaction.suspense.map(|reason| match reason {
        Suspense::Age => t.suspense_age,
        Suspense::Claim => t.suspense_claim,
    });
    let json: Vec<Value> = told.records.iter().map(|(at, record)| record_json(*at, record)).collect();
    EvidenceShown {
        key: transaction.key.to_string(),
        kind: request.map_or(t.state_tombstone, |request| t.kind(request.kind)),
        amount: content
            .filter(|content| content.amount_minor > 0)
            .map(|content| format::amount(content.amount_minor, content.currency)),
        state: StateShown::of(transaction, t),
        suspense,
        facts: facts(told, &json, settings, t),
        identity: identity(&json, t),
        identity_note: match transaction.sent.as_ref().and_then(|sent| sent.reference) {
            Some(_) => t.verified_before,
            None => t.no_identity,
        },
        steps: steps(&told.records, &json, settings, t),
        messages: json.iter().flat_map(|record| messages(record, settings, t)).collect(),
        has_number: request.is_some(),
    }
}

/// The bank's name behind its number.
pub(crate) fn bank_name(bank: &str, settings: &Settings) -> String {
    let name = bank.parse().ok().and_then(|bank| settings.banks.get(&bank));
    name.map_or_else(|| bank.to_owned(), |name| format!("{name} ({bank})"))
}

fn facts(told: &Told, json: &[Value], settings: &Settings, t: &'static Texts) -> Vec<Fact> {
    let transaction = &told.transaction;
    let key = &transaction.key;
    let first = json.first().unwrap_or(&Value::Null);
    let find = |pointer: &str| json.iter().find_map(|record| record.pointer(pointer)?.as_str());
    let plain = |name, value: String| Fact { name, value, is_code: false };
    let code = |name, value: String| Fact { name, value, is_code: true };
    let begins_ms = told.records.first().map_or(0, |(_, record)| record.at_ms);
    let mut facts = vec![plain(t.time, format::date_time(begins_ms))];
    if let Some(day) = transaction.sent.as_ref().map(|sent| sent.day) {
        facts.push(plain(t.business_day, format::day(day)));
    }
    facts.push(code(t.terminal, key.terminal.to_string()));
    facts.push(plain(t.acquirer, bank_name(&key.acquirer.to_string(), settings)));
    if let Some(place) = first.pointer("/request/carried/43").and_then(Value::as_str) {
        facts.push(plain(t.place, place.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if let Some(bank) = bank_of(transaction) {
        facts.push(plain(t.bank, bank_name(&bank.to_string(), settings)));
    }
    facts.extend(find("/account").map(|account| code(t.account_at_bank, account.to_owned())));
    facts.extend(find("/request/pan").map(|pan| code(t.card, pan.to_owned())));
    facts.extend(find("/request/content/citizen").map(|citizen| code(t.citizen_filter, citizen.to_owned())));
    facts.extend(find("/request/rrn").map(|rrn| code(t.rrn, rrn.to_owned())));
    facts.push(code(t.stan, format!("{:06}", key.stan)));
    if let Some(sent) = &transaction.sent {
        let sent_at = format::date_time(sent.identity.sent_at.0 * 1_000);
        facts.push(code(t.at_bank_as, format!("{sent_at} / {:06}", sent.identity.stan)));
    }
    facts.extend(find("/approval").map(|approval| code(t.approval, approval.to_owned())));
    if let Some(reversal) = &transaction.reversal {
        facts.push(plain(t.left_minor, format::amount(reversal.left_minor, settings.currency)));
    }
    if let Some(resolution) = &transaction.resolution {
        facts.push(plain(t.resolution, format!("{}: {}", resolution.by, resolution.why)));
    }
    facts.push(code(t.transaction_key, key.to_string()));
    facts
}

fn identity(json: &[Value], t: &'static Texts) -> Vec<Fact> {
    let Some(record) = json.iter().find(|record| record["evidence"].is_object()) else { return Vec::new() };
    let evidence = &record["evidence"];
    let verdict = |name, value: &Value| {
        let value = if value == true { t.passed } else { t.not_passed };
        Fact { name, value: value.to_owned(), is_code: false }
    };
    let mut facts = vec![verdict(t.passive, &evidence["passive"]), verdict(t.active, &evidence["active"])];
    if record["biometric_matched"].is_boolean() {
        facts.push(verdict(t.biometric, &record["biometric_matched"]));
    }
    let bytes = evidence["registry_answer_bytes"].as_u64().unwrap_or(0);
    let answer = if evidence["stood_in"] == true { t.stood_in.to_owned() } else { with(t.bytes, bytes) };
    facts.push(Fact { name: t.registry_answer, value: answer, is_code: false });
    for (name, field) in [(t.digest_sod, "sod_sha256"), (t.digest_dg15, "dg15_sha256")] {
        let value = evidence[field].as_str().unwrap_or("").to_owned();
        facts.push(Fact { name, value, is_code: true });
    }
    facts
}

fn steps(
    records: &[(Position, Record)],
    json: &[Value],
    settings: &Settings,
    t: &'static Texts,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before_ms = None;
    for ((position, record), json) in records.iter().zip(json) {
        let since_ms: Option<i64> = before_ms.map(|before_ms| record.at_ms - before_ms);
        before_ms = Some(record.at_ms);
        let name = record.body.name();
        steps.push(Step {
            position: *position,
            at: format::clock_ms(record.at_ms),
            machine_at: format::machine(record.at_ms),
            after: since_ms.map_or(String::new(), |ms| {
                format!("+ {}", format::span_us(ms.max(0) as f64 * 1e3, t.is_vietnamese()))
            }),
            record: name,
            words: t.record(name),
            details: details(json, settings, t),
            tone: match name {
                "OUTCOME" | "COMPLETE" | "VERIFICATION" => "good",
                "REVERSAL" => "warn",
                "CLAIM" | "TOMBSTONE" => "bad",
                _ => "quiet",
            },
            json: serde_json::to_string_pretty(json).unwrap_or_default(),
        });
    }
    steps
}

fn details(record: &Value, settings: &Settings, t: &'static Texts) -> Vec<Fact> {
    let mut details = Vec::new();
    let mut say = |name, value: Option<String>, is_code| {
        details.extend(value.map(|value| Fact { name, value, is_code }));
    };
    let text = |field: &str| record[field].as_str().map(str::to_owned);
    let meant = |code: String| format!("{code} · {}", t.code(&code));
    match record["record"].as_str().unwrap_or("") {
        "INTENT" => say(t.bank, text("bank").map(|bank| bank_name(&bank, settings)), false),
        "OUTCOME" => say(t.approval, text("approval"), true),
        "DECLINED" => {
            say(t.response_code, text("code").map(meant), false);
            say(t.bank, text("bank_code").map(meant), false);
        }
        "REVERSAL" => {
            say(t.why, text("reason").map(meant), false);
            let left = record["left_minor"].as_u64().map(|left| format::amount(left, settings.currency));
            say(t.left_minor, left, false);
        }
        "REVERSED" => say(t.response_code, text("code").map(meant), false),
        "CLAIM" | "NOTE" => say(t.why, text("reason"), false),
        "ASKED-AGAIN" => {
            let refused = text("refused").map(meant);
            say(t.response_code, Some(refused.unwrap_or_else(|| t.registry_agrees.to_owned())), false);
        }
        "RESOLUTION" => {
            say(t.who, text("by"), false);
            say(t.why, text("why"), false);
        }
        _ => {}
    }
    details
}

/// What the records say of the messages on the way, in the order in which they went.
fn messages(record: &Value, settings: &Settings, t: &'static Texts) -> Vec<MessageShown> {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let mut messages = Vec::new();
    let mut message = |mti: &str, way, elements: Vec<(u8, Option<String>)>| {
        let mut elements: Vec<ElementShown> = elements
            .into_iter()
            .filter_map(|(number, value)| {
                Some(ElementShown { number, name: t.element(number), value: value? })
            })
            .collect();
        elements.sort_by_key(|element| element.number);
        messages.push(MessageShown { mti: mti.to_owned(), way, elements });
    };
    let mti = text("/transaction/mti").unwrap_or_default();
    let answer = if mti == "0100" { "0110" } else { "0210" };
    if record["request"].is_object() {
        let mut elements = request_elements(record, settings);
        elements.extend([
            (7, text("/transaction/sent_at")),
            (11, text("/transaction/stan")),
            (102, text("/request/content/from_account")),
        ]);
        message(&mti, t.terminal_to_switch, elements);
    }
    if record["advice"].is_object() {
        let amount = |pointer: &str| record.pointer(pointer).and_then(Value::as_u64);
        let elements = vec![
            (7, text("/advice/key/sent_at")),
            (11, text("/advice/key/stan")),
            (32, text("/advice/key/acquirer")),
            (39, text("/advice/reason")),
            (41, text("/advice/key/terminal")),
            (90, text("/advice/content/original/key")),
            (95, amount("/advice/content/left_minor").map(|left| format::amount(left, settings.currency))),
        ];
        message(&text("/advice/key/mti").unwrap_or_default(), t.terminal_to_switch, elements);
    }
    match record["record"].as_str().unwrap_or("") {
        "INTENT" => {
            let mut elements = request_elements(record, settings);
            elements.retain(|(number, _)| *number != 100);
            elements.extend([
                (7, text("/identity/sent_at")),
                (11, text("/identity/stan")),
                (15, text("/day")),
                (100, text("/bank")),
                (102, text("/account")),
            ]);
            message("0200", t.switch_to_bank, elements);
        }
        "OUTCOME" => {
            let carried = |number: u8| text(&format!("/carried/{number}"));
            let said = || {
                let approved = Some("00".to_owned());
                vec![(38, text("/approval")), (39, approved), (54, carried(54)), (62, carried(62))]
            };
            message("0210", t.bank_to_switch, said());
            message(answer, t.switch_to_terminal, said());
        }
        "DECLINED" => {
            if let Some(code) = text("/bank_code") {
                message("0210", t.bank_to_switch, vec![(39, Some(code))]);
            }
            message(answer, t.switch_to_terminal, vec![(39, text("/code"))]);
        }
        "VERIFICATION" => message(answer, t.switch_to_terminal, vec![(39, Some("00".to_owned()))]),
        "REVERSAL" => {
            let left = record["left_minor"].as_u64().map(|left| format::amount(left, settings.currency));
            let elements = vec![
                (7, text("/identity/sent_at")),
                (11, text("/identity/stan")),
                (15, text("/day")),
                (39, text("/reason")),
                (90, text("/transaction/key")),
                (95, left),
            ];
            message("0420", t.switch_to_bank, elements);
        }
        "REVERSED" => message("0430", t.bank_to_switch, vec![(39, text("/code"))]),
        _ => {}
    }
    messages
}

/// What a request has on both sides of the switch.
fn request_elements(record: &Value, settings: &Settings) -> Vec<(u8, Option<String>)> {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let content = &record["request"]["content"];
    let amount = content["amount_minor"].as_u64().filter(|amount| *amount > 0);
    let currency = content["currency"].as_u64().filter(|currency| *currency > 0);
    let mut elements = vec![
        (2, text("/request/pan")),
        (3, text("/request/content/processing_code")),
        (4, amount.map(|amount| format::amount(amount, settings.currency))),
        (32, text("/transaction/acquirer")),
        (37, text("/request/rrn")),
        (41, text("/transaction/terminal")),
        (49, currency.map(|currency| format!("{currency:03}"))),
        (100, text("/request/content/institution")),
        (103, text("/request/content/to_account")),
    ];
    for (number, value) in record["request"]["carried"].as_object().into_iter().flatten() {
        elements.extend(number.parse().ok().map(|number| (number, value.as_str().map(str::to_owned))));
    }
    elements
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{LogOf, Use, settings};
    use crate::texts::Language;

    fn shown(one: Use) -> EvidenceShown {
        let log = LogOf::uses(&[one]);
        let told = log.reader().transaction(&log.key(1)).unwrap().unwrap();
        evidence(&told, &settings(), Language::English.texts())
    }

    fn ways(shown: &EvidenceShown) -> Vec<String> {
        shown.messages.iter().map(|message| format!("{} {}", message.mti, message.way)).collect()
    }

    #[test]
    fn a_withdrawal_is_told_from_request_to_completion() {
        let shown = shown(Use::default());
        assert_eq!(shown.amount.as_deref(), Some("2.000.000\u{a0}₫"));
        assert_eq!((shown.state.words, shown.state.tone), ("Completed", "good"));
        let steps: Vec<(&str, &str)> =
            shown.steps.iter().map(|step| (step.record, step.after.as_str())).collect();
        assert_eq!(steps, [("INTENT", ""), ("OUTCOME", "+ 138 ms"), ("COMPLETE", "+ 7.8 s")]);
        assert_eq!(
            ways(&shown),
            ["0200 terminal → switch", "0200 switch → bank", "0210 bank → switch", "0210 switch → terminal",]
        );
        let identity: Vec<&str> = shown.identity.iter().take(2).map(|fact| fact.value.as_str()).collect();
        assert_eq!(identity, ["Passed", "Passed"]);
    }

    #[test]
    fn a_reversal_and_a_decline_say_why() {
        let reversed = shown(Use { reversed: true, ..Use::default() });
        assert_eq!(ways(&reversed)[4..], ["0420 switch → bank", "0430 bank → switch"]);
        let declined = shown(Use { declined: true, ..Use::default() });
        assert_eq!(declined.state.code.as_deref(), Some("51"));
        assert_eq!(declined.steps[0].details[0].value, "51 · Not enough funds");
    }

    #[test]
    fn no_citizen_number_account_or_registry_answer_is_shown() {
        for one in [
            Use::default(),
            Use { reversed: true, ..Use::default() },
            Use { declined: true, ..Use::default() },
        ] {
            let shown = format!("{:?}", shown(one));
            for secret in ["001203000017", "101000012345", "eyJ"] {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
            assert!(shown.contains("970499*********"), "{shown}");
        }
    }
}
