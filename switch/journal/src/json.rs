//! Records as people and scripts may see them: PANs, accounts, references masked; balances and evidence left out.

use processor::{
    AccountNumber, Advice, BankIdentity, BlockSubject, Body, Carried, ClaimReason, Content, Evidence,
    Figures, NoteReason, Position, Record, Request, Spend, Suspense, TxKey, UtcSeconds,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Balances and mini statements are the citizen's alone: of these elements only the number is shown.
const HIDDEN_ELEMENTS: [u8; 2] = [54, 62];

/// A record as one JSON object. Absent fields are left out; amounts are in minor units, as numbers.
pub fn record_json(position: Position, record: &Record) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    };
    put("position", json!(position));
    put("record", json!(record.body.name()));
    put("at", json!(time_text(i128::from(record.at_ms) * 1_000_000)));
    put("transaction", record.transaction.as_ref().map_or(Value::Null, key_json));
    put(
        "suspense",
        match record.suspense {
            None => Value::Null,
            Some(Suspense::Age) => json!("age"),
            Some(Suspense::Claim) => json!("claim"),
        },
    );
    put("spend", record.spend.as_ref().map_or(Value::Null, spend_json));
    match body_json(&record.body) {
        Value::Object(body) => body.into_iter().for_each(|(name, value)| put(&name, value)),
        other => put("body", other),
    }
    Value::Object(object)
}

fn body_json(body: &Body) -> Value {
    let advice = |advice: &Option<Advice>| json!({ "advice": advice.as_ref().map(advice_json) });
    match body {
        Body::Intent(intent) => json!({
            "request": request_json(&intent.request),
            "bank": intent.bank.to_string(),
            "account": intent.account.as_ref().map(AccountNumber::masked),
            "identity": identity_json(&intent.identity),
            "day": intent.day.to_string(),
            "reference": intent.reference.map(|reference| format!("{reference:?}")),
            "evidence": intent.evidence.as_ref().map(evidence_json),
        }),
        Body::Outcome(outcome) => json!({
            "approval": outcome.approval.map(|approval| text(&approval)),
            "carried": carried_json(&outcome.carried),
        }),
        Body::Declined(declined) => json!({
            "request": declined.request.as_ref().map(request_json),
            "code": declined.code.to_string(),
            "bank_code": declined.bank_code.map(|code| code.to_string()),
            "send_sod": declined.send_sod,
            "evidence": declined.evidence.as_ref().map(evidence_json),
        }),
        Body::Reversal(reversal) => json!({
            "identity": identity_json(&reversal.identity),
            "day": reversal.day.to_string(),
            "left_minor": reversal.left_minor,
            "reason": reversal.reason.to_string(),
            "answer": reversal.answer.to_string(),
            "advice": reversal.advice.as_ref().map(advice_json),
        }),
        Body::Reversed(code) => json!({ "code": code.to_string() }),
        Body::Complete(taken) | Body::Tombstone(taken) => advice(taken),
        Body::Claim(reason, taken) => {
            json!({ "reason": claim_name(*reason), "advice": taken.as_ref().map(advice_json) })
        }
        Body::Note(reason, taken) => {
            json!({ "reason": note_name(*reason), "advice": taken.as_ref().map(advice_json) })
        }
        Body::Verification(verification) => json!({
            "request": request_json(&verification.request),
            "reference": format!("{:?}", verification.reference),
            "expires_at": time_text(i128::from(verification.expires_at_ms) * 1_000_000),
            "biometric_matched": verification.biometric_matched,
            "banks": verification.banks.iter().map(|linked| json!({
                "bank": linked.bank.to_string(),
                "alias": linked.alias,
                "default": linked.default,
            })).collect::<Vec<_>>(),
            "evidence": evidence_json(&verification.evidence),
        }),
        Body::Cutover(day) => json!({ "day": day.to_string() }),
        Body::Block(block) => {
            let (kind, subject) = match block.subject {
                BlockSubject::Terminal(terminal) => ("terminal", terminal.to_string()),
                BlockSubject::Bank(bank) => ("bank", bank.to_string()),
                BlockSubject::Citizen(citizen) => ("citizen", citizen.to_string()),
            };
            json!({ "subject": { kind: subject }, "set": block.set, "by": block.by })
        }
        Body::Resolution(resolution) => json!({ "by": resolution.by, "why": resolution.why }),
        Body::Totals(totals) => json!({
            "step": totals.step.name(),
            "side": totals.side.name(),
            "member": totals.member.to_string(),
            "terminal": totals.terminal.map(|terminal| terminal.to_string()),
            "identity": identity_json(&totals.name),
            "day": totals.day.to_string(),
            "as_of": totals.as_of,
            "ours": figures_json(&totals.ours),
            "theirs": figures_json(&totals.theirs),
        }),
        Body::AskedAgain(asked) => json!({
            "refused": asked.refused.map(|code| code.to_string()),
            "evidence": evidence_json(&asked.evidence),
        }),
    }
}

fn request_json(request: &Request) -> Value {
    json!({
        "kind": request.kind.name(),
        "pan": request.pan.to_string(),
        "content": content_json(&request.content),
        "rrn": request.rrn.to_string(),
        "rrn_from_terminal": request.rrn_from_terminal,
        "carried": carried_json(&request.carried),
    })
}

fn content_json(content: &Content) -> Value {
    let mut object = Map::new();
    let fields = [
        ("citizen", json!(content.citizen.to_string())),
        ("processing_code", json!(text(&content.processing))),
        ("amount_minor", json!(content.amount_minor)),
        ("currency", json!(content.currency)),
        ("original", content.original.as_ref().map_or(Value::Null, key_json)),
        ("left_minor", json!(content.left_minor)),
        ("institution", json!(content.institution.map(|institution| institution.to_string()))),
        ("from_account", json!(content.from_account.as_ref().map(AccountNumber::masked))),
        ("to_account", json!(content.to_account.as_ref().map(AccountNumber::masked))),
    ];
    for (name, value) in fields {
        if !value.is_null() {
            object.insert(name.to_owned(), value);
        }
    }
    Value::Object(object)
}

fn advice_json(advice: &Advice) -> Value {
    json!({
        "key": key_json(&advice.key),
        "content": content_json(&advice.content),
        "reason": advice.reason.map(|code| code.to_string()),
    })
}

fn key_json(key: &TxKey) -> Value {
    json!({
        "key": key.to_string(),
        "mti": format!("{:04}", key.class.mti()),
        "acquirer": key.acquirer.to_string(),
        "terminal": key.terminal.to_string(),
        "sent_at": seconds_text(key.sent_at),
        "stan": format!("{:06}", key.stan),
    })
}

fn identity_json(identity: &BankIdentity) -> Value {
    json!({ "sent_at": seconds_text(identity.sent_at), "stan": format!("{:06}", identity.stan) })
}

fn spend_json(spend: &Spend) -> Value {
    json!({
        "citizen": spend.citizen.to_string(),
        "day": spend.day.to_string(),
        "amount_minor": spend.amount_minor,
        "count": spend.count,
    })
}

/// By element.
fn figures_json(figures: &Figures) -> Value {
    Value::Object(figures.iter().map(|(element, value)| (element.to_string(), json!(value))).collect())
}

fn evidence_json(evidence: &Evidence) -> Value {
    let mut shown = json!({
        "registry_answer_bytes": if evidence.is_owed() { 0 } else { evidence.registry.bytes().len() },
        "sod_sha256": hex(&evidence.sod_sha256),
        "dg15_sha256": hex(&evidence.dg15_sha256),
        "passive": evidence.passive,
        "active": evidence.active,
    });
    if evidence.is_owed() {
        shown["stood_in"] = json!(true);
    }
    shown
}

fn carried_json(carried: &Carried) -> Value {
    let shown = |(element, value): (u8, &[u8])| {
        let value = if HIDDEN_ELEMENTS.contains(&element) { "…".to_owned() } else { text(value) };
        (element.to_string(), json!(value))
    };
    Value::Object(carried.iter().map(shown).collect())
}

fn claim_name(reason: ClaimReason) -> &'static str {
    match reason {
        ClaimReason::CompletionBeforeOutcome => "completion before outcome",
        ClaimReason::CompletionWithoutApproval => "completion without approval",
        ClaimReason::CashAfterReversal => "cash after reversal",
        ClaimReason::CashWithoutApproval => "cash without approval",
        ClaimReason::ReversalAfterCompletion => "reversal after completion",
        ClaimReason::OtherAmount => "other amount",
        ClaimReason::MoreThanAsked => "more than asked",
    }
}

fn note_name(reason: NoteReason) -> &'static str {
    match reason {
        NoteReason::ApprovalSeen => "approval seen",
        NoteReason::PastItsAge => "past its age",
        NoteReason::BankSaysOtherwise => "bank says otherwise",
        NoteReason::AdviceAgain => "advice again",
        NoteReason::ReversalRefused => "reversal refused",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds_text(at: UtcSeconds) -> String {
    time_text(i128::from(at.0) * 1_000_000_000)
}

/// A moment outside the calendar is shown as its number.
pub(crate) fn time_text(nanoseconds: i128) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{nanoseconds} ns"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{each_kind, intent};

    #[test]
    fn nothing_personal_is_shown() {
        for (name, record) in each_kind() {
            let shown = record_json(5, &record).to_string();
            for secret in ["001203", "101000012345", "eyJ", "abababab\"", "cdcdcdcdcd"] {
                assert!(!shown.contains(secret), "{name} shows {secret}: {shown}");
            }
        }
        let shown = record_json(5, &intent(1)).to_string();
        for open in
            ["970499*********0017", "********2345", "\"0200/970418/HN000001/2022-05-03T01:02:03Z/000001\""]
        {
            assert!(shown.contains(open), "{open} is not in {shown}");
        }
    }
}
