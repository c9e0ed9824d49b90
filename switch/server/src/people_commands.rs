//! `atm-switch people add|list|disable|enable|password|audit`: who may log in at the console, and what they have done.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use console::{Audit, By, PASSWORD_BYTES_MAX, Password, People, Role};
use serde_json::json;

use crate::config::Settings;
use crate::log_view::utc_ms;
use crate::process_memory::user;

/// Adds somebody; the password is the first line of `input`.
///
/// # Errors
/// There is no `[console]`; the name, the roles or the password are not taken.
pub fn add(
    settings: &Settings,
    name: &str,
    full_name: &str,
    roles: &[Role],
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let people = people(settings)?;
    let password = password(input)?;
    acting(|by| people.add(name, full_name, roles, &password, by))
        .map_err(|error| format!("{name}: {error}"))?;
    writeln!(out, "{name} may log in").map_err(|error| error.to_string())
}

/// Prints everybody, a line each.
///
/// # Errors
/// There is no `[console]`, or its file cannot be read; nobody reads the output.
pub fn list(settings: &Settings, json: bool, out: &mut impl Write) -> Result<(), String> {
    let people = people(settings)?.all().map_err(|error| error.to_string())?;
    let mut text = String::new();
    for person in people.iter() {
        let roles: Vec<&str> = person.roles.iter().map(|role| role.name()).collect();
        let (name, full_name, disabled) = (&person.name, &person.full_name, person.disabled);
        text += &if json {
            format!(
                "{}\n",
                json!({ "name": name, "full_name": full_name, "roles": roles, "disabled": disabled })
            )
        } else {
            let shut_out = if disabled { "  shut out" } else { "" };
            format!("{name}  {full_name}  {}{shut_out}\n", roles.join(","))
        };
    }
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Shuts somebody out, who is logged out at the next request, or lets somebody in again.
///
/// # Errors
/// There is no `[console]`; nobody has that name.
pub fn set_disabled(
    settings: &Settings,
    name: &str,
    disabled: bool,
    out: &mut impl Write,
) -> Result<(), String> {
    let people = people(settings)?;
    acting(|by| people.set_disabled(name, disabled, by))?;
    let said = if disabled { "is shut out and logged out" } else { "may log in again" };
    writeln!(out, "{name} {said}").map_err(|error| error.to_string())
}

/// Gives somebody the password in the first line of `input`; their sessions end.
///
/// # Errors
/// As [`add`].
pub fn set_password(
    settings: &Settings,
    name: &str,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let people = people(settings)?;
    let password = password(input)?;
    acting(|by| people.set_password(name, &password, by)).map_err(|error| format!("{name}: {error}"))?;
    writeln!(out, "{name} has another password").map_err(|error| error.to_string())
}

/// Prints what people have done, each line checked against the one before it.
///
/// # Errors
/// There is no `[console]`; the first line that is not what was written; nobody reads the output.
pub fn audit(settings: &Settings, json: bool, out: &mut impl Write) -> Result<(), String> {
    let entries = audit_of(settings)?.read().map_err(|error| error.to_string())?;
    let mut text = String::new();
    for entry in &entries {
        text += &if json {
            format!("{}\n", json!(entry))
        } else {
            let said = |value: &serde_json::Value| {
                if value.is_null() { String::new() } else { format!(" {value}") }
            };
            let (before, after) = (said(&entry.before), said(&entry.after));
            let (number, at) = (entry.number, utc_ms(entry.at_ms));
            let (who, from, act, on) = (&entry.who, &entry.from, &entry.act, &entry.on);
            format!("{number:>8} {at} {who} ({from}) {act}: {on}{before}{after}\n")
        };
    }
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

fn audit_of(settings: &Settings) -> Result<Audit, String> {
    let console = settings.console.as_ref().ok_or("the configuration has no [console]")?;
    Ok(Audit::new(&console.dir, settings.keys.data.clone()))
}

pub(crate) fn people(settings: &Settings) -> Result<People, String> {
    let audit = Arc::new(audit_of(settings)?);
    let console = settings.console.as_ref().ok_or("the configuration has no [console]")?;
    Ok(People::new(&console.dir, audit))
}

/// The user of the command line acts.
fn acting<E: std::fmt::Display>(act: impl FnOnce(By<'_>) -> Result<(), E>) -> Result<(), String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let who = format!("uid {}", user());
    act(By { who: &who, from: "command line", at_ms: now.as_millis() as i64 })
        .map_err(|error| error.to_string())
}

/// The first line, without its end.
pub(crate) fn password(input: &mut impl Read) -> Result<Password, String> {
    let mut text = String::new();
    let read = input.take(PASSWORD_BYTES_MAX as u64 + 2).read_to_string(&mut text);
    read.map_err(|error| format!("standard input: {error}"))?;
    let line = text.lines().next().unwrap_or("").to_owned();
    Ok(Password::new(line))
}
