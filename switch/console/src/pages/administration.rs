//! Administration: who may log in, and what people have done.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::app::{Console, Visitor};
use crate::audit::{AuditError, Entry};
use crate::format;
use crate::pages::export::Csv;
use crate::pages::problem::{Refused, encoded};
use crate::pages::{Section, Shell, failed, need, shown};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Lines of the audit on one page.
const PAGE_LINES: usize = 100;

struct PersonRow {
    name: String,
    full_name: String,
    roles: String,
    disabled: bool,
    sessions: usize,
    is_oneself: bool,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    shell: Shell,
    people: Vec<PersonRow>,
    may_change: bool,
}

#[derive(Deserialize)]
pub(crate) struct Done {
    disabled: Option<String>,
    enabled: Option<String>,
    oneself: Option<String>,
}

pub(crate) async fn people(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(done): Query<Done>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeePeople)?;
    let t = visitor.t();
    let people = console.people.all().map_err(|error| failed(&visitor, error))?;
    let now_ms = console.clock.mono_ms();
    let rows = people.iter().map(|person| PersonRow {
        name: person.name.clone(),
        full_name: person.full_name.clone(),
        roles: person.roles.iter().map(|role| t.role(*role)).collect::<Vec<_>>().join(", "),
        disabled: person.disabled,
        sessions: console.sessions.count_of(&person.name, now_ms),
        is_oneself: person.name == visitor.person.name,
    });
    let mut shell = Shell::of(&visitor, Section::People, t.people);
    let known = |name: Option<String>| name.filter(|name| people.iter().any(|person| person.name == *name));
    let done_text = known(done.disabled).map(|name| with(t.disabled_done, name));
    shell.notice = done_text.or_else(|| known(done.enabled).map(|name| with(t.enabled_done, name)));
    shell.warning = done.oneself.map(|_| t.not_oneself.to_owned());
    let may_change = visitor.may(Permission::ChangePeople);
    Ok(shown(&PeoplePage { shell, people: rows.collect(), may_change }))
}

#[derive(Deserialize)]
pub(crate) struct SetDisabled {
    name: String,
    disabled: bool,
}

/// Whoever is shut out is logged out at once.
pub(crate) async fn set_disabled(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(SetDisabled { name, disabled }): Form<SetDisabled>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::ChangePeople)?;
    if name == visitor.person.name {
        return Ok(Redirect::to("/people?oneself=1").into_response());
    }
    let (worker, acting, whom) = (Arc::clone(&console), visitor.clone(), name.clone());
    let changing = tokio::task::spawn_blocking(move || {
        acting.with_by(&worker, |by| worker.people.set_disabled(&whom, disabled, by))
    });
    let changed = changing.await.map_err(|error| failed(&visitor, error))?;
    changed.map_err(|error| failed(&visitor, error))?;
    if disabled {
        console.sessions.end_all_of(&name);
    }
    let done = if disabled { "disabled" } else { "enabled" };
    Ok(Redirect::to(&format!("/people?{done}={}", encoded(&name))).into_response())
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditFilters {
    who: String,
    act: String,
    before: String,
}

impl AuditFilters {
    fn fits(&self, entry: &Entry, t: &Texts) -> bool {
        (self.who.is_empty() || entry.who == self.who.trim() || entry.on == self.who.trim())
            && (self.act.is_empty()
                || (entry.act.contains(self.act.trim()) || t.act(&entry.act).contains(self.act.trim())))
            && self.before.parse().map_or(true, |before: u64| entry.number < before)
    }

    fn query(&self, before: Option<u64>) -> String {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        format!("?who={}&act={}&before={before}", encoded(&self.who), encoded(&self.act))
    }
}

struct AuditRow {
    number: u64,
    time: String,
    machine_time: String,
    who: String,
    from: String,
    act: String,
    on: String,
    before: String,
    after: String,
}

impl AuditRow {
    fn new(entry: &Entry, t: &Texts) -> AuditRow {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| std::format!("{name}: {}", plain(value)));
                fields.collect::<Vec<_>>().join("\n")
            }
            other => plain(other),
        };
        AuditRow {
            number: entry.number,
            time: format::date_time(entry.at_ms),
            machine_time: format::machine(entry.at_ms),
            who: entry.who.clone(),
            from: entry.from.clone(),
            act: t.act(&entry.act).to_owned(),
            on: entry.on.clone(),
            before: text(&entry.before),
            after: text(&entry.after),
        }
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    filters: AuditFilters,
    /// What is said of the chain, and whether that is good.
    chain: (bool, String),
    rows: Vec<AuditRow>,
    older: Option<String>,
    csv: String,
}

async fn entries(
    console: &Arc<Console>,
    visitor: &Visitor,
) -> Result<Result<Vec<Entry>, AuditError>, Refused> {
    let audit = Arc::clone(&console.audit);
    tokio::task::spawn_blocking(move || audit.read()).await.map_err(|error| failed(visitor, error))
}

pub(crate) async fn audit(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<AuditFilters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeeAudit)?;
    let t = visitor.t();
    let (chain, entries) = match entries(&console, &visitor).await? {
        Ok(entries) => ((true, with(t.audit_good, format::grouped(entries.len() as u64))), entries),
        Err(AuditError::Line { line, reason, .. }) => {
            ((false, with(t.audit_bad, std::format!("{line}: {reason}"))), Vec::new())
        }
        Err(error) => return Err(failed(&visitor, error)),
    };
    let mut fitting = entries.iter().rev().filter(|entry| filters.fits(entry, t));
    let rows: Vec<AuditRow> =
        fitting.by_ref().take(PAGE_LINES).map(|entry| AuditRow::new(entry, t)).collect();
    let older = fitting
        .next()
        .and(rows.last())
        .map(|last| std::format!("/audit{}", filters.query(Some(last.number))));
    let shell = Shell::of(&visitor, Section::Audit, t.audit);
    let csv = std::format!("/audit.csv{}", filters.query(filters.before.parse().ok()));
    Ok(shown(&AuditPage { shell, filters, chain, rows, older, csv }))
}

pub(crate) async fn audit_csv(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<AuditFilters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeeAudit)?;
    let t = visitor.t();
    let entries = entries(&console, &visitor).await?.map_err(|error| failed(&visitor, error))?;
    let mut csv = Csv::new(&["#", t.time, t.who, t.from_where, t.act, t.on, t.before, t.after]);
    for entry in entries.iter().rev().filter(|entry| filters.fits(entry, t)) {
        let row = AuditRow::new(entry, t);
        let number = row.number.to_string();
        csv.row([
            number.as_str(),
            &row.machine_time,
            &row.who,
            &row.from,
            &row.act,
            &row.on,
            &row.before,
            &row.after,
        ]);
    }
    Ok(csv.download("audit.csv"))
}
