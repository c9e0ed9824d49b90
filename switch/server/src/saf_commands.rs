//! `atm-switch saf list|show|retry`: asks a running switch what waits for the banks (docs/operations.md#saf).

use std::io::Write;

use journal::{LogFiles, Told, Wanted, record_json};
use processor::{Name, Rrn, TxKey};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::log_commands::{files, print};
use crate::operator::{self, Request};
use crate::saf_view;

/// Prints a line for each bank and the oldest of what waits.
///
/// # Errors
/// The switch does not answer or refuses; nobody reads the output.
pub async fn list(
    settings: &Settings,
    bank: Option<String>,
    limit: usize,
    json: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let answer = operator::ask(&settings.operator_socket, &Request::SafList { bank, limit }).await?;
    let mut text = String::new();
    if json {
        text += &format!(
            "{:#}\n",
            json!({ "banks": answer["banks"], "reversals": answer["reversals"], "more": answer["more"] })
        );
    } else {
        each(&answer["banks"]).for_each(|bank| text += &format!("{}\n", saf_view::bank_line(bank)));
        each(&answer["reversals"]).for_each(|entry| text += &format!("{}\n", saf_view::entry_line(entry)));
        if answer["more"] != 0 {
            text += &format!("and {} more\n", answer["more"]);
        }
    }
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Prints what a transaction's reversal waits for, and the transaction's records.
///
/// # Errors
/// No transaction of that name is in the log; as [`list`].
pub async fn show(
    settings: &Settings,
    transaction: &str,
    json: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let told = one(&files(settings), transaction)?;
    let key = told.transaction.key.to_string();
    let answer = operator::ask(&settings.operator_socket, &Request::SafShow { key }).await?;
    let entry = each(&answer["reversals"]).next();
    if json {
        let records: Vec<Value> = told.records.iter().map(|(at, record)| record_json(*at, record)).collect();
        let shown = json!({ "reversal": entry, "records": records });
        return writeln!(out, "{shown:#}").map_err(|error| error.to_string());
    }
    let line = entry.map_or_else(|| "no reversal of it is owed".to_owned(), saf_view::entry_line);
    writeln!(out, "{line}").map_err(|error| error.to_string())?;
    told.records.iter().try_for_each(|(position, record)| print(*position, record, false, out))
}

/// Takes resting reversals up now, and prints how many.
///
/// # Errors
/// As [`list`]; the reversal that is named does not rest.
pub async fn retry(
    settings: &Settings,
    key: Option<String>,
    bank: Option<String>,
    out: &mut impl Write,
) -> Result<(), String> {
    let answer = operator::ask(&settings.operator_socket, &Request::SafRetry { key, bank }).await?;
    let (taken, resting) = (&answer["taken_up"], &answer["resting"]);
    writeln!(out, "{taken} taken up, {resting} rest on").map_err(|error| error.to_string())
}

/// The one transaction under a key or an RRN, from the log's files.
///
/// # Errors
/// None or several are there; the log cannot be read; the name is neither.
pub(crate) fn one(log: &LogFiles, name: &str) -> Result<Told, String> {
    let wanted = match (name.parse(), Rrn::parse(name.as_bytes())) {
        (Ok(key), _) => Wanted::Key(key),
        (Err(_), Some(rrn)) => Wanted::Name(Name::Rrn(rrn)),
        (Err(_), None) => return Err(format!("`{name}` is no transaction key and no RRN")),
    };
    let mut found = log.find(&wanted).map_err(|error| error.to_string())?;
    let keys: Vec<TxKey> = found.iter().map(|told| told.transaction.key).collect();
    match (found.pop(), keys.as_slice()) {
        (Some(told), [_]) => Ok(told),
        (_, []) => Err(format!("{name}: no transaction of that name is in the log")),
        (_, keys) => {
            let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
            Err(format!("{name}: several transactions have it, name one by its key: {}", keys.join(" ")))
        }
    }
}

fn each(values: &Value) -> impl Iterator<Item = &Value> {
    values.as_array().into_iter().flatten()
}
