//! `atm-switch recon propose|approve|reject|dispute|reopen|assign|note`, and lines laid and parted by hand: acts on cases, as in the console.

use std::io::{Read, Write};

use casework::{Deed, Refused, Resolution, Row};
use console::Permission;
use journal::ReadError;
use processor::{Day, Institution};
use reconciliation::{CaseId, Decision, LineId};
use serde_json::{Value, json};

use crate::cli::{CaseArgs, CaseCommand, PersonArgs, TakeBackArgs};
use crate::config::Settings;
use crate::desk::{Joined, Seat, now_ms};
use crate::log_commands::files;
use crate::operator::{self, Request};
use crate::people_commands::people;
use crate::recon_commands::{is_member, place_of, row_json};

/// Does something to a case: checked against all acts, recorded and durable when this returns. Prints how the case stands then, as `exceptions` does.
///
/// Whoever acts has proved to be a person of the console, by a password in the first line of a file or of `input`: the command line's user is all of them,
/// or none.
///
/// # Errors
/// Whoever acts may not; the case is no exception; the act is refused; as
/// [`crate::recon_commands::matched`].
pub fn act(
    settings: &Settings,
    command: &CaseCommand,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let seat = Seat::new(settings)?;
    let permission = match command {
        CaseCommand::Approve { .. } | CaseCommand::Reject { .. } => Permission::Check,
        CaseCommand::Propose { .. }
        | CaseCommand::Reopen { .. }
        | CaseCommand::Dispute { .. }
        | CaseCommand::Assign { .. }
        | CaseCommand::Note { .. } => Permission::Work,
    };
    let by = seat.by(&command.on().by, permission, input)?;
    let case: CaseId = command.on().case.parse()?;
    let before = row_of(seat.joined()?, case)?;
    let deed = deed_of(settings, command, case, &before)?;
    let done = seat.acts().act(now_ms(), &by.who, &by.from, deed).map_err(|error| error.to_string())?;
    let row = Row { case: done.case(case).cloned().unwrap_or_default(), ..before };
    print(&row_json(&row, Day::of_unix_ms(now_ms())), out)
}

fn deed_of(settings: &Settings, command: &CaseCommand, case: CaseId, row: &Row) -> Result<Deed, String> {
    let about = || Box::new(row.about());
    let deed = match command {
        CaseCommand::Propose { resolution, amount, bank, acquirer, why, .. } => {
            let known = Resolution::PROPOSED.into_iter().find(|known| known.name() == resolution);
            let resolution =
                known.ok_or_else(|| format!("`{resolution}` is none of refund, adjustment, accept"))?;
            let named = member(settings, bank.as_deref())?;
            let opposite = member(settings, acquirer.as_deref())?;
            if opposite.is_some() && row.exception.acquirer.is_some() {
                return Err("the case says itself whose terminal it was: leave --acquirer out".to_owned());
            }
            let amount_minor = amount.unwrap_or_else(|| row.natural_minor(resolution));
            if amount.is_none() && amount_minor == 0 && resolution != Resolution::Accept {
                if row.is_booked_beside() {
                    return Err(Refused::BookedBeside.to_string());
                }
                let name = resolution.name();
                return Err(format!("the case comes to no {name} by itself: --amount says how much"));
            }
            let bank = named.or(row.exception.bank);
            let mut about = about();
            about.acquirer = about.acquirer.or(opposite);
            Deed::Propose { case, about, resolution, amount_minor, bank, why: why.clone() }
        }
        CaseCommand::Approve { proposal, .. } => Deed::Approve { case, proposal: *proposal },
        CaseCommand::Reject { proposal, why, .. } => {
            Deed::Reject { case, proposal: *proposal, why: why.clone() }
        }
        CaseCommand::Dispute { why, .. } => Deed::Dispute { case, about: about(), why: why.clone() },
        CaseCommand::Reopen { why, .. } => Deed::Reopen { case, why: why.clone() },
        CaseCommand::Assign { owner, .. } => {
            if let Some(owner) = owner {
                let found = people(settings)?.get(owner).map_err(|error| error.to_string())?;
                found.ok_or_else(|| format!("nobody is called {owner}: `people list` shows who is"))?;
            }
            Deed::Assign { case, owner: owner.clone() }
        }
        CaseCommand::Note { text, .. } => Deed::Note { case, text: text.clone() },
    };
    Ok(deed)
}

/// Proposes to take a file back out of its place, or checks it; prints what stands there then, JSON.
///
/// # Errors
/// As [`act`]; no file was taken for this place.
pub fn take_back(
    settings: &Settings,
    args: &TakeBackArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let seat = Seat::new(settings)?;
    let permission = match (args.approve, args.reject) {
        (None, None) => Permission::Work,
        (_, _) => Permission::Check,
    };
    let by = seat.by(&args.by, permission, input)?;
    let key = place_of(&args.place)?;
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let found = casework.files().find(|(_, place, _)| **place == key);
    let digest = *found.ok_or("no file was taken for this place")?.0;
    let why = args.why.clone().unwrap_or_default();
    let deed = match (args.approve, args.reject) {
        (Some(proposal), _) => Deed::ApproveTakeBack { digest, key, proposal },
        (None, Some(proposal)) => Deed::RejectTakeBack { digest, key, proposal, why },
        (None, None) => Deed::TakeBack { digest, key, why },
    };
    let done = seat.act(&by, deed)?;
    let told = json!({
        "file": digest.to_string(),
        "taken": done.has_taken(digest, key),
        "proposal": done.taking_back().get(&(digest, key)),
    });
    print(&told, out)
}

fn member(settings: &Settings, text: Option<&str>) -> Result<Option<Institution>, String> {
    let named = text.map(str::parse::<Institution>).transpose()?;
    match named.filter(|member| !is_member(settings, *member)) {
        Some(stranger) => Err(format!("{stranger} is no member of this switch")),
        None => Ok(named),
    }
}

/// Only what is an exception, or was one that something hangs on, can be a case.
fn row_of(joined: Joined, case: CaseId) -> Result<Row, String> {
    let found = joined.rows.into_iter().find(|row| row.exception.case == case);
    found.ok_or_else(|| format!("case {case}: it is no exception"))
}

/// A line and a transaction by their ids, and whether they belong together.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The line.
    pub line: &'a str,
    /// The transaction.
    pub ours: &'a str,
    /// They do.
    pub is_match: bool,
}

/// Lays a line to a transaction, or parts them. Prints what was said.
///
/// # Errors
/// As [`act`]; they are not here or cannot belong together.
pub fn by_hand(
    settings: &Settings,
    pair: Pair<'_>,
    person: &PersonArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let seat = Seat::new(settings)?;
    let by = seat.by(person, Permission::Work, input)?;
    let (line, ours): (LineId, LineId) = (pair.line.parse()?, pair.ours.parse()?);
    let decision = match pair.is_match {
        true => Decision::Match { line, ours },
        false => Decision::Part { line, ours },
    };
    let matching = seat.joined()?.matching;
    let done = seat.desk.by_hand(&matching.matcher, decision, now_ms(), &by.who, &by.from);
    let act = done.map_err(|error| error.to_string())?.next() - 1;
    let what = if pair.is_match { "match" } else { "part" };
    print(&json!({ "act": act, "deed": what, "line": line.to_string(), "ours": ours.to_string() }), out)
}

/// Has the running switch record a person's decision about the transaction of a case: it waits no more. It is durable when this returns.
///
/// # Errors
/// Whoever acts may not; the case is of no transaction; the switch does not run, or the transaction does not wait for a person.
pub async fn resolve(
    settings: &Settings,
    on: &CaseArgs,
    why: &str,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let by = Seat::new(settings)?.by(&on.by, Permission::Resolve, input)?;
    let case: CaseId = on.case.parse()?;
    let log = files(settings);
    let told = |error: ReadError| error.to_string();
    let record = match case.of.file == LineId::LOG {
        true => log.scan(case.of.line).map_err(told)?.next().transpose().map_err(told)?,
        false => None,
    };
    let key = record.and_then(|(_, record)| record.transaction);
    let key = key.ok_or_else(|| format!("case {case}: it is of no transaction"))?.to_string();
    let request = Request::SuspenseResolve { key, by: by.who, why: why.to_owned() };
    operator::ask(&settings.operator_socket, &request).await?;
    writeln!(out, "done").map_err(|error| error.to_string())
}

fn print(value: &Value, out: &mut impl Write) -> Result<(), String> {
    out.write_all(format!("{value:#}\n").as_bytes()).map_err(|error| error.to_string())
}
