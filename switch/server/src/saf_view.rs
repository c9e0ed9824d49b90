//! What waits for the banks as JSON and as lines for people (docs/operations.md#saf).

use processor::{Now, SafBank, SafEntry, SafFault, SafFaultSeen};
use serde_json::{Value, json};

use crate::log_view::{identity_text, utc_ms};

/// A bank's queue as a whole.
pub(crate) fn bank(bank: &SafBank, now: Now) -> Value {
    json!({
        "bank": bank.bank.to_string(),
        "ready": bank.is_ready,
        "reversals": bank.reversals,
        "at_the_bank": bank.asked,
        "resting": bank.resting,
        "oldest_age_ms": bank.oldest_at_ms.map(|oldest_ms| (now.wall_ms - oldest_ms).max(0)),
        "last_error": bank.last_fault.map(fault),
    })
}

/// One reversal.
pub(crate) fn entry(entry: &SafEntry, now: Now) -> Value {
    json!({
        "transaction": entry.key.to_string(),
        "rrn": entry.rrn.to_string(),
        "bank": entry.bank.to_string(),
        "identity": identity_text(entry.identity),
        "amount_minor": entry.amount_minor,
        "since": utc_ms(entry.since_ms),
        "age_ms": (now.wall_ms - entry.since_ms).max(0),
        "attempts": entry.attempts,
        "refusals": entry.refusals,
        "stage": entry.stage.name(),
        "next_in_ms": entry.next_us.map(|next_us| next_us.saturating_sub(now.mono_us) / 1000),
        "last_error": entry.last_fault.map(fault),
    })
}

fn fault(seen: SafFaultSeen) -> Value {
    let code = match seen.fault {
        SafFault::Refused(code) => Some(code.to_string()),
        SafFault::Silent | SafFault::OtherEcho | SafFault::Unsendable | SafFault::NoLink => None,
    };
    json!({ "error": seen.fault.name(), "code": code, "at": utc_ms(seen.at_ms) })
}

/// A line of what [`bank`] says.
pub(crate) fn bank_line(bank: &Value) -> String {
    format!(
        "{} {}: {} reversals, {} at the bank, {} resting, oldest {}, last error {}",
        text(&bank["bank"]),
        if bank["ready"] == true { "ready" } else { "no link" },
        bank["reversals"],
        bank["at_the_bank"],
        bank["resting"],
        age(&bank["oldest_age_ms"]),
        error(&bank["last_error"])
    )
}

/// A line of what [`entry`] says.
pub(crate) fn entry_line(entry: &Value) -> String {
    let next = match entry["next_in_ms"].as_u64() {
        Some(next_ms) => format!("{}.{:03} s", next_ms / 1000, next_ms % 1000),
        None => "-".to_owned(),
    };
    format!(
        "{} rrn {} bank {} as {} amount {} since {} age {} sent {} times, refused {}, {}, next {next}, last error {}",
        text(&entry["transaction"]),
        text(&entry["rrn"]),
        text(&entry["bank"]),
        text(&entry["identity"]),
        entry["amount_minor"],
        text(&entry["since"]),
        age(&entry["age_ms"]),
        entry["attempts"],
        entry["refusals"],
        text(&entry["stage"]),
        error(&entry["last_error"])
    )
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn age(ms: &Value) -> String {
    ms.as_u64().map_or_else(|| "-".to_owned(), |ms| format!("{} s", ms / 1000))
}

fn error(error: &Value) -> String {
    match (error["error"].as_str(), error["code"].as_str()) {
        (None, _) => "-".to_owned(),
        (Some(name), None) => format!("{name} at {}", text(&error["at"])),
        (Some(name), Some(code)) => format!("{name} {code} at {}", text(&error["at"])),
    }
}
