//! `atm-switch suspense list|show|resolve`: what waits for a person, and the decision (docs/operations.md#suspense).

use std::io::Write;

use journal::record_json;
use processor::{Suspended, TxKey};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::log_commands::{files, print};
use crate::log_view::{suspense, utc_ms};
use crate::operator::{self, Request};
use crate::saf_commands::one;

/// Prints the transactions in SUSPENSE, the oldest flag first.
///
/// # Errors
/// The switch does not answer or refuses; nobody reads the output.
pub async fn list(
    settings: &Settings,
    since: Option<String>,
    limit: usize,
    json: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let answer = operator::ask(&settings.operator_socket, &Request::SuspenseList { since, limit }).await?;
    let mut text = String::new();
    if json {
        text += &format!(
            "{:#}\n",
            json!({
                "suspense": answer["suspense"],
                "more": answer["more"],
                "list_full": answer["list_full"],
            })
        );
    } else {
        let entries = answer["suspense"].as_array().into_iter().flatten();
        entries.for_each(|entry| text += &format!("{}\n", line(entry)));
        if answer["more"] != 0 {
            text += &format!("and {} more\n", answer["more"]);
        }
        if answer["list_full"] == true {
            text += "the list is full: the log may hold others\n";
        }
    }
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Prints whether a transaction waits for a person, and its records.
///
/// # Errors
/// No transaction of that name is in the log, or the log cannot be read; nobody reads the output.
pub fn show(settings: &Settings, transaction: &str, json: bool, out: &mut impl Write) -> Result<(), String> {
    let told = one(&files(settings), transaction)?;
    let reason = told.transaction.suspense.map(suspense);
    if json {
        let records: Vec<Value> = told.records.iter().map(|(at, record)| record_json(*at, record)).collect();
        let shown = json!({
            "transaction": told.transaction.key.to_string(),
            "state": told.transaction.state.name(),
            "suspense": reason,
            "records": records,
        });
        return writeln!(out, "{shown:#}").map_err(|error| error.to_string());
    }
    let waits =
        reason.map_or("waits for nobody".to_owned(), |reason| format!("waits for a person ({reason})"));
    let state = told.transaction.state.name();
    writeln!(out, "{} {state}, {waits}", told.transaction.key).map_err(|error| error.to_string())?;
    told.records.iter().try_for_each(|(position, record)| print(*position, record, false, out))
}

/// Has a decision recorded; it is durable when this returns.
///
/// # Errors
/// As [`list`]; the transaction is not there or does not wait for a person.
pub async fn resolve(
    settings: &Settings,
    transaction: &str,
    by: String,
    why: String,
    out: &mut impl Write,
) -> Result<(), String> {
    let key = one(&files(settings), transaction)?.transaction.key.to_string();
    operator::ask(&settings.operator_socket, &Request::SuspenseResolve { key, by, why }).await?;
    writeln!(out, "done").map_err(|error| error.to_string())
}

/// One transaction that waits.
pub(crate) fn entry(key: &TxKey, suspended: &Suspended) -> Value {
    json!({
        "transaction": key.to_string(),
        "rrn": suspended.rrn.map(|rrn| rrn.to_string()),
        "since": utc_ms(suspended.since_ms),
        "reason": suspense(suspended.reason),
        "kind": suspended.kind.map(|kind| kind.name()),
        "amount_minor": suspended.amount_minor,
    })
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
    let amount = entry["amount_minor"].as_u64().map_or_else(|| "-".to_owned(), |amount| amount.to_string());
    format!(
        "{} rrn {} {} {amount} since {} ({})",
        text("transaction"),
        text("rrn"),
        text("kind"),
        text("since"),
        text("reason")
    )
}
