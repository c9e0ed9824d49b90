//! `atm-switch day list|show|close|settle`: business days by the log and by what people have done (docs/reconciliation.md#days).

use std::io::Write;

use casework::Deed;
use processor::Day;
use reconciliation::{ELEMENTS, Sheet, State, differences};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::desk::{Joined, Seat};
use crate::log_view::utc_ms;

/// Prints the business days, oldest first.
///
/// # Errors
/// There is no `[reconciliation]`, log, acts or files cannot be read, or nobody reads the output.
pub fn list(settings: &Settings, json: bool, out: &mut impl Write) -> Result<(), String> {
    let Joined { book, rows, .. } = Seat::new(settings)?.joined()?;
    let day_json = |sheet: &Sheet| {
        let open = rows.iter().filter(|row| row.exception.day == sheet.day && row.is_open());
        let at_risk: i64 = open.clone().map(|row| row.exception.value_minor()).sum();
        json!({
            "day": sheet.day.to_string(),
            "state": sheet.state.name(),
            "opened_at": sheet.opened.map(|(_, at_ms)| utc_ms(at_ms)),
            "closed_at": sheet.closed.map(|(_, at_ms)| utc_ms(at_ms)),
            "banks": sheet.members.len(),
            "open_exceptions": open.count(),
            "at_risk_minor": at_risk,
        })
    };
    let days: Vec<Value> = book.sheets().map(day_json).collect();
    let text = if json {
        format!("{:#}\n", Value::Array(days))
    } else {
        let line = |day: &Value| {
            let word = |name: &str| day[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {}: {} open exceptions, {} at risk\n",
                word("day"),
                word("state"),
                day["open_exceptions"],
                day["at_risk_minor"]
            )
        };
        days.iter().map(line).collect()
    };
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Prints one day: totals of each bank beside what it claims, net positions, adjustments, exceptions.
///
/// # Errors
/// As [`list`]; the log knows no such day.
pub fn show(settings: &Settings, day: &str, json: bool, out: &mut impl Write) -> Result<(), String> {
    let day = day.parse::<Day>()?;
    let joined = Seat::new(settings)?.joined()?;
    let sheet = sheet(&joined, day)?;
    let shown = day_json(&joined, sheet);
    let text = if json { format!("{shown:#}\n") } else { day_text(&shown) };
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Closes a day: what the log says of it from here on is an adjustment of the open day.
///
/// # Errors
/// As [`list`]; the day is open still, closed already, or not known.
pub fn close(settings: &Settings, day: &str, out: &mut impl Write) -> Result<(), String> {
    let day = day.parse::<Day>()?;
    let seat = Seat::new(settings)?;
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let book = seat.book(&casework)?;
    match book.sheet(day).map(|sheet| sheet.state) {
        None => return Err(format!("business day {day}: the log does not know it")),
        Some(State::Open) => return Err(format!("business day {day}: it is open; cut over first")),
        Some(State::CuttingOver | State::Closed | State::Settled) => {}
    }
    seat.act(Deed::Close { day, position: book.next() })?;
    writeln!(out, "business day {day} is closed at record {}", book.next()).map_err(|error| error.to_string())
}

/// Says that the banks have settled a closed day.
///
/// # Errors
/// As [`list`]; the day is not closed.
pub fn settle(settings: &Settings, day: &str, out: &mut impl Write) -> Result<(), String> {
    let day = day.parse::<Day>()?;
    Seat::new(settings)?.act(Deed::Settle { day })?;
    writeln!(out, "business day {day} is settled").map_err(|error| error.to_string())
}

pub(crate) fn sheet(joined: &Joined, day: Day) -> Result<&Sheet, String> {
    joined.book.sheet(day).ok_or_else(|| format!("business day {day}: the log does not know it"))
}

fn day_json(joined: &Joined, sheet: &Sheet) -> Value {
    let claims = joined.casework.claims();
    let bank_json = |(bank, totals): (&processor::Institution, &reconciliation::Totals)| {
        let claimed = claims.get(&(sheet.day, *bank));
        let elements: Vec<Value> = ELEMENTS
            .iter()
            .map(|element| {
                json!({
                    "element": element.number,
                    "name": element.name,
                    "ours": totals.element(element.number),
                    "theirs": claimed.and_then(|claimed| claimed.get(&element.number)),
                })
            })
            .collect();
        json!({
            "bank": bank.to_string(),
            "net_minor": totals.net_minor(),
            "in_balance": claimed.map(|claimed| differences(totals, claimed).is_empty()),
            "elements": elements,
        })
    };
    let net = sheet.net_positions();
    let exceptions = joined.rows.iter().filter(|row| row.exception.day == sheet.day);
    let mut by_kind = std::collections::BTreeMap::new();
    exceptions.clone().for_each(|row| *by_kind.entry(row.exception.kind.name()).or_insert(0u64) += 1);
    json!({
        "day": sheet.day.to_string(),
        "state": sheet.state.name(),
        "acknowledged": sheet.acknowledged.iter().map(|(bank, at_ms)| json!({
            "bank": bank.to_string(),
            "at": utc_ms(*at_ms),
        })).collect::<Vec<_>>(),
        "banks": sheet.members.iter().map(bank_json).collect::<Vec<_>>(),
        "net_positions": net.iter().map(|(member, minor)| json!({ "member": member.to_string(), "owes_minor": minor })).collect::<Vec<_>>(),
        "adjustments": sheet.adjustments.iter().map(|((of, bank), totals)| json!({
            "of_day": of.to_string(),
            "bank": bank.to_string(),
            "net_minor": totals.net_minor(),
        })).collect::<Vec<_>>(),
        "exceptions": by_kind,
        "open_exceptions": exceptions.filter(|row| row.is_open()).count(),
    })
}

fn day_text(day: &Value) -> String {
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or("-").to_owned();
    let list = |name: &str| day[name].as_array().cloned().unwrap_or_default();
    let mut text = format!("business day {} {}\n", word(day, "day"), word(day, "state"));
    for bank in list("acknowledged") {
        text += &format!("bank {} acknowledged the cutover at {}\n", word(&bank, "bank"), word(&bank, "at"));
    }
    for bank in list("banks") {
        let balance = match &bank["in_balance"] {
            Value::Bool(true) => "in balance",
            Value::Bool(false) => "OUT OF BALANCE",
            _ => "nothing claimed",
        };
        text += &format!("bank {}: owes {}, {balance}\n", word(&bank, "bank"), bank["net_minor"]);
        for element in bank["elements"].as_array().into_iter().flatten() {
            let (ours, theirs) = (&element["ours"], &element["theirs"]);
            if *ours != json!(0) || !matches!(theirs, Value::Null) {
                let theirs = if theirs.is_null() { "-".to_owned() } else { theirs.to_string() };
                text += &format!(
                    "  DE{:<3} {:<34} {ours:>18} {theirs:>18}\n",
                    element["element"],
                    word(element, "name")
                );
            }
        }
    }
    for member in list("net_positions") {
        text += &format!("member {}: owes all others {}\n", word(&member, "member"), member["owes_minor"]);
    }
    for adjusted in list("adjustments") {
        text += &format!(
            "adjustment of {} for {}: {}\n",
            word(&adjusted, "of_day"),
            word(&adjusted, "bank"),
            adjusted["net_minor"]
        );
    }
    for (kind, count) in day["exceptions"].as_object().into_iter().flatten() {
        text += &format!("{kind}: {count}\n");
    }
    text
}
