//! `atm-switch day list|show|close|settle`: business days by the log and by what people have done (docs/reconciliation.md#days).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use casework::{Deed, claims, explanations, payments};
use console::Permission;
use processor::{Day, Institution, Side};
use reconciliation::{ELEMENTS, Sheet, Totals, differences};
use serde_json::{Value, json};

use crate::cli::PersonArgs;
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
        let at_risk = casework::at_risk_minor(open.clone());
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

/// Closes a day: what the log says of it from here on is an adjustment of the open day. Of a day whose single transactions are held no more it says that it
/// has no files.
///
/// # Errors
/// As [`list`]; the person may not; the day is open still, closed already, or not known, or an earlier one is not closed.
pub fn close(
    settings: &Settings,
    day: &str,
    person: &PersonArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let day = day.parse::<Day>()?;
    let seat = Seat::new(settings)?;
    let by = seat.by(person, Permission::Check, input)?;
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let book = seat.book(&casework)?;
    let fees = seat.reconciliation.fees.clone();
    let casework = seat.act(&by, casework.close(&book, day, fees).map_err(|error| error.to_string())?)?;
    let told = writeln!(out, "business day {day} is closed at record {}", book.next());
    told.map_err(|error| error.to_string())?;
    if !casework.has_files(&book, day) {
        let told = writeln!(
            out,
            "no files can be made of it: its single transactions are held no more; what was approved before stands in the files of the next day that is \
             closed and held"
        );
        told.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Says that the banks have settled a closed day.
///
/// # Errors
/// As [`list`]; the person may not; the day is not closed.
pub fn settle(
    settings: &Settings,
    day: &str,
    person: &PersonArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let day = day.parse::<Day>()?;
    let seat = Seat::new(settings)?;
    let by = seat.by(person, Permission::Check, input)?;
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    // Where a record is broken it is named here, and nothing is settled.
    seat.book(&casework)?;
    seat.act(&by, Deed::Settle { day })?;
    writeln!(out, "business day {day} is settled").map_err(|error| error.to_string())
}

pub(crate) fn sheet(joined: &Joined, day: Day) -> Result<&Sheet, String> {
    joined.book.sheet(day).ok_or_else(|| format!("business day {day}: the log does not know it"))
}

fn day_json(joined: &Joined, sheet: &Sheet) -> Value {
    let claims = claims(&joined.casework, sheet);
    let explained = explanations(&joined.casework, &joined.book, sheet.day);
    let member_json = |side: Side, member: Institution| {
        let (ours, claimed) = (sheet.figures(side, member), claims.get(&(side, member)));
        let exchanged = sheet.exchanged.get(&(side, member));
        let elements: Vec<Value> = ELEMENTS
            .iter()
            .map(|element| {
                let ours = ours.get(element.number).unwrap_or_default();
                let theirs = claimed.and_then(|claimed| claimed.get(&element.number));
                json!({
                    "element": element.number,
                    "name": element.name,
                    "ours": ours,
                    "theirs": theirs,
                    "difference": theirs.map(|theirs| theirs - ours),
                })
            })
            .collect();
        json!({
            "bank": member.to_string(),
            "net_minor": ours.get(97),
            "in_balance": claimed.map(|claimed| differences(&ours, claimed).is_empty()),
            "explained_by_lost_answers": explained.get(&member).filter(|_| side == Side::Issuer).map(|it| json!({
                "items": it.items,
                "amount_minor": it.amount_minor,
                "of_items": it.of_items,
            })),
            "asked_at": exchanged.and_then(|told| told.asked_at_ms).map(utc_ms),
            "unanswered": exchanged.is_some_and(|told| told.is_unanswered),
            "elements": elements,
        })
    };
    let of_side = |side: Side, known: &BTreeMap<Institution, Totals>| {
        let told = claims.keys().chain(sheet.exchanged.keys()).filter(|(of, _)| *of == side);
        let members: BTreeSet<Institution> =
            known.keys().copied().chain(told.map(|(_, member)| *member)).collect();
        members.into_iter().map(|member| member_json(side, member)).collect::<Vec<_>>()
    };
    let paid = payments(&joined.casework, &joined.book).remove(&sheet.day).unwrap_or_default();
    let exceptions = joined.rows.iter().filter(|row| row.exception.day == sheet.day);
    let mut by_kind = BTreeMap::new();
    exceptions.clone().for_each(|row| *by_kind.entry(row.exception.kind.name()).or_insert(0u64) += 1);
    json!({
        "day": sheet.day.to_string(),
        "state": sheet.state.name(),
        "acknowledged": sheet.acknowledged.iter().map(|(bank, at_ms)| json!({
            "bank": bank.to_string(),
            "at": utc_ms(*at_ms),
        })).collect::<Vec<_>>(),
        "banks": of_side(Side::Issuer, &sheet.members),
        "acquirers": of_side(Side::Acquirer, &sheet.acquirers),
        "net_positions": paid.iter().map(|(member, paid)| json!({
            "member": member.to_string(),
            "position_minor": paid.position_minor,
            "adjusted_minor": paid.adjusted_minor,
            "owes_minor": paid.net_minor(),
        })).collect::<Vec<_>>(),
        "adjustments": sheet.adjustments.iter().map(|((of, bank), totals)| json!({
            "of_day": of.to_string(),
            "bank": bank.to_string(),
            "net_minor": totals.net_minor(),
        })).collect::<Vec<_>>(),
        "files_in_part": joined.casework.unfinished(sheet.day).map(|(place, parts)| json!({
            "kind": place.kind,
            "bank": place.bank.map(|bank| bank.to_string()),
            "terminal": place.terminal.map(|terminal| terminal.to_string()),
            "parts_here": parts.here,
            "parts": parts.wanted,
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
    let sided = |name: &'static str, list: Vec<Value>| list.into_iter().map(move |member| (name, member));
    for (side, bank) in sided("bank", list("banks")).chain(sided("acquirer", list("acquirers"))) {
        let balance = match (&bank["in_balance"], &bank["unanswered"]) {
            (Value::Bool(true), _) => "in balance",
            (Value::Bool(false), _) => "OUT OF BALANCE",
            (_, Value::Bool(true)) => "ASKED AND NOT ANSWERED",
            (_, _) => "nothing claimed",
        };
        let explained = &bank["explained_by_lost_answers"];
        let explained = match explained["items"].as_u64() {
            Some(items) => format!(
                ", may be explained by {items} of {} transactions whose answer was lost: {}",
                explained["of_items"], explained["amount_minor"]
            ),
            None => String::new(),
        };
        text +=
            &format!("{side} {}: owes {}, {balance}{explained}\n", word(&bank, "bank"), bank["net_minor"]);
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
        text += &format!(
            "member {}: owes all others {}: position {}, approved adjustments {}\n",
            word(&member, "member"),
            member["owes_minor"],
            member["position_minor"],
            member["adjusted_minor"]
        );
    }
    for adjusted in list("adjustments") {
        text += &format!(
            "adjustment of {} for {}: {}\n",
            word(&adjusted, "of_day"),
            word(&adjusted, "bank"),
            adjusted["net_minor"]
        );
    }
    for file in list("files_in_part") {
        let whose = file["bank"].as_str().or(file["terminal"].as_str());
        let whose = whose.map_or(String::new(), |whose| format!(" of {whose}"));
        text += &format!(
            "{}{whose}: {} of {} parts are here\n",
            word(&file, "kind"),
            file["parts_here"],
            file["parts"]
        );
    }
    for (kind, count) in day["exceptions"].as_object().into_iter().flatten() {
        text += &format!("{kind}: {count}\n");
    }
    text
}
