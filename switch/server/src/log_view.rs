//! Records of the log as JSON and as lines for people, masked (docs/operations.md#log).

use processor::{
    Advice, BankIdentity, Body, Carried, Content, Evidence, Record, Request, Suspense, TxKey, UtcSeconds,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Everything in a record, but what must not be shown: PANs and accounts are masked, of a reference its front is
/// shown, of what a bank said to the citizen alone nothing.
pub fn json(position: u64, record: &Record) -> Value {
    json!({
        "position": position,
        "at": utc_ms(record.at_ms),
        "at_ms": record.at_ms,
        "kind": record.body.name(),
        "key": record.transaction.map(|key| key.to_string()),
        "transaction": record.transaction.map(|key| key_fields(&key)),
        "suspense": record.suspense.map(suspense),
        "spend": record.spend.map(|spend| json!({
            "citizen": spend.citizen.to_string(),
            "day": spend.day.to_string(),
            "amount_minor": spend.amount_minor,
            "count": spend.count,
        })),
        "body": body(&record.body),
    })
}

/// One line: position, time, kind, key, and what the kind is about.
pub fn line(position: u64, record: &Record) -> String {
    let key = record.transaction.map_or_else(|| "-".to_owned(), |key| key.to_string());
    let suspense = record.suspense.map_or(String::new(), |reason| format!(" SUSPENSE({})", suspense(reason)));
    format!(
        "{position:>10} {} {:<12} {key}{}{suspense}",
        utc_ms(record.at_ms),
        record.body.name(),
        gist(&record.body)
    )
}

fn gist(body: &Body) -> String {
    let asked = |request: &Request| format!(" {} {}", request.kind.name(), request.content.amount_minor);
    match body {
        Body::Intent(intent) => {
            format!(
                "{} at {} as {} rrn {}",
                asked(&intent.request),
                intent.bank,
                identity_text(intent.identity),
                intent.request.rrn
            )
        }
        Body::Outcome(outcome) => {
            format!(" approval {}", outcome.approval.map_or_else(|| "-".into(), |code| text(&code)))
        }
        Body::Declined(declined) => {
            format!("{} {}", declined.request.as_ref().map_or(String::new(), asked), declined.code)
        }
        Body::Reversal(reversal) => format!(
            " left {} reason {} answer {} as {}",
            reversal.left_minor,
            reversal.reason,
            reversal.answer,
            identity_text(reversal.identity)
        ),
        Body::Reversed(code) => format!(" {code}"),
        Body::Complete(advice) | Body::Tombstone(advice) => advice_gist(advice),
        Body::Claim(reason, advice) => format!(" {}{}", debug_name(reason), advice_gist(advice)),
        Body::Note(reason, advice) => format!(" {}{}", debug_name(reason), advice_gist(advice)),
        Body::Verification(verification) => format!(
            " reference {:?} biometric {} rrn {}",
            verification.reference, verification.biometric_matched, verification.request.rrn
        ),
        Body::Cutover(day) => format!(" {day}"),
        Body::Block(block) => {
            format!(" {} {:?} by {}", if block.set { "set" } else { "lifted" }, block.subject, block.by)
        }
    }
}

fn advice_gist(advice: &Option<Advice>) -> String {
    advice.as_ref().map_or(String::new(), |advice| format!(" by {}", advice.key))
}

fn body(body: &Body) -> Value {
    match body {
        Body::Intent(intent) => json!({
            "request": request(&intent.request),
            "bank": intent.bank.to_string(),
            "account": intent.account.as_deref().map(masked),
            "identity": identity(intent.identity),
            "day": intent.day.to_string(),
            "reference": intent.reference.map(|reference| format!("{reference:?}")),
            "evidence": intent.evidence.as_ref().map(evidence),
        }),
        Body::Outcome(outcome) => json!({
            "approval": outcome.approval.map(|code| text(&code)),
            "carried": carried(&outcome.carried),
        }),
        Body::Declined(declined) => json!({
            "request": declined.request.as_ref().map(request),
            "code": declined.code.to_string(),
            "bank_code": declined.bank_code.map(|code| code.to_string()),
            "send_sod": declined.send_sod,
            "evidence": declined.evidence.as_ref().map(evidence),
        }),
        Body::Reversal(reversal) => json!({
            "identity": identity(reversal.identity),
            "day": reversal.day.to_string(),
            "left_minor": reversal.left_minor,
            "reason": reversal.reason.to_string(),
            "answer": reversal.answer.to_string(),
            "advice": reversal.advice.as_ref().map(advice),
        }),
        Body::Reversed(code) => json!({ "code": code.to_string() }),
        Body::Complete(taken) | Body::Tombstone(taken) => json!({ "advice": taken.as_ref().map(advice) }),
        Body::Claim(reason, taken) => {
            json!({ "reason": debug_name(reason), "advice": taken.as_ref().map(advice) })
        }
        Body::Note(reason, taken) => {
            json!({ "reason": debug_name(reason), "advice": taken.as_ref().map(advice) })
        }
        Body::Verification(verification) => json!({
            "request": request(&verification.request),
            "reference": format!("{:?}", verification.reference),
            "expires_at": utc_ms(verification.expires_at_ms),
            "biometric_matched": verification.biometric_matched,
            "banks": verification.banks.iter().map(|linked| json!({
                "bank": linked.bank.to_string(),
                "alias": linked.alias,
                "default": linked.default,
            })).collect::<Vec<_>>(),
            "evidence": evidence(&verification.evidence),
        }),
        Body::Cutover(day) => json!({ "day": day.to_string() }),
        Body::Block(block) => {
            json!({ "subject": format!("{:?}", block.subject), "set": block.set, "by": block.by })
        }
    }
}

fn request(request: &Request) -> Value {
    json!({
        "kind": request.kind.name(),
        "pan": request.pan.to_string(),
        "content": content(&request.content),
        "rrn": request.rrn.to_string(),
        "rrn_from_terminal": request.rrn_from_terminal,
        "carried": carried(&request.carried),
    })
}

fn content(content: &Content) -> Value {
    json!({
        "citizen": content.citizen.to_string(),
        "processing": text(&content.processing),
        "amount_minor": content.amount_minor,
        "currency": content.currency,
        "original": content.original.map(|key| key.to_string()),
        "left_minor": content.left_minor,
        "institution": content.institution.map(|institution| institution.to_string()),
        "from_account": content.from_account.as_deref().map(masked),
        "to_account": content.to_account.as_deref().map(masked),
    })
}

fn advice(advice: &Advice) -> Value {
    json!({
        "key": advice.key.to_string(),
        "transaction": key_fields(&advice.key),
        "content": content(&advice.content),
        "reason": advice.reason.map(|code| code.to_string()),
    })
}

fn evidence(evidence: &Evidence) -> Value {
    json!({
        "registry_answer": String::from_utf8_lossy(&evidence.registry_answer),
        "sod_sha256": hex(&evidence.sod_sha256),
        "dg15_sha256": hex(&evidence.dg15_sha256),
        "passive": evidence.passive,
        "active": evidence.active,
    })
}

/// DE54 and DE62 are for the citizen alone: only that they are there is shown.
fn carried(carried: &Carried) -> Value {
    let shown = |element: u8, value: &[u8]| match element {
        54 | 62 => format!("{} bytes", value.len()),
        _ => text(value),
    };
    let fields: Map<String, Value> =
        carried.iter().map(|(element, value)| (element.to_string(), json!(shown(element, value)))).collect();
    Value::Object(fields)
}

fn key_fields(key: &TxKey) -> Value {
    json!({
        "class": format!("{:04}", key.class.mti()),
        "acquirer": key.acquirer.to_string(),
        "terminal": key.terminal.to_string(),
        "sent_at": utc(key.sent_at),
        "de7": text(&key.sent_at.to_de7()),
        "stan": format!("{:06}", key.stan),
    })
}

fn identity(identity: BankIdentity) -> Value {
    json!({
        "sent_at": utc(identity.sent_at),
        "de7": text(&identity.sent_at.to_de7()),
        "stan": format!("{:06}", identity.stan),
    })
}

fn identity_text(identity: BankIdentity) -> String {
    format!("{}/{:06}", text(&identity.sent_at.to_de7()), identity.stan)
}

fn suspense(suspense: Suspense) -> &'static str {
    match suspense {
        Suspense::Age => "age",
        Suspense::Claim => "claim",
    }
}

/// The last four characters, and never more than half.
fn masked(account: &str) -> String {
    let characters: Vec<char> = account.chars().collect();
    let hidden = characters.len().saturating_sub(4).max(characters.len() / 2);
    characters.iter().enumerate().map(|(index, c)| if index < hidden { '*' } else { *c }).collect()
}

/// The names of plain enums are for people as they are in the code.
fn debug_name(reason: &impl std::fmt::Debug) -> String {
    format!("{reason:?}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 3339.
pub(crate) fn utc(at: UtcSeconds) -> String {
    rfc3339(OffsetDateTime::from_unix_timestamp(at.0).ok())
}

fn utc_ms(at_ms: i64) -> String {
    rfc3339(OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000).ok())
}

fn rfc3339(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "out of range".to_owned())
}
