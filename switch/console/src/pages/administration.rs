//! Administration: who may log in, and what people have done.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{Act, ActError, Acts, Deed};
use serde::Deserialize;
use serde_json::Value;

use crate::app::{Console, Visitor};
use crate::audit::{AuditError, Entry};
use crate::format;
use crate::pages::acts::ActTold;
use crate::pages::cases::case_text;
use crate::pages::export::Csv;
use crate::pages::problem::{Refused, encoded};
use crate::pages::{Choice, Section, Shell, failed, need, query, shown};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Lines of the audit on one page.
const PAGE_LINES: usize = 100;

/// Lines of a list of the audit to download.
const EXPORTED_LINES_MAX: usize = 100_000;

/// Characters of what stood before and stands then, on a page.
const CHARACTERS_SHOWN: usize = 600;

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
pub(crate) struct WhatWasDone {
    disabled: Option<String>,
    enabled: Option<String>,
    oneself: Option<String>,
}

pub(crate) async fn people(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(done): Query<WhatWasDone>,
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
    /// One of the two chains, by its name in addresses.
    of: String,
    /// Lines of both chains before this one, counted from the oldest.
    before: String,
}

/// A chain of what people have done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// The console's own audit: people and pages.
    People,
    /// Acts on files, days and cases.
    Desk,
}

impl Chain {
    const ALL: [Chain; 2] = [Chain::People, Chain::Desk];

    /// In addresses.
    fn name(self) -> &'static str {
        match self {
            Chain::People => "people",
            Chain::Desk => "desk",
        }
    }

    fn words(self, t: &Texts) -> &'static str {
        match self {
            Chain::People => t.chain_people,
            Chain::Desk => t.chain_desk,
        }
    }
}

/// A line of one of the chains.
enum Done<'a> {
    Entry(&'a Entry),
    Act(&'a Act),
}

impl Done<'_> {
    fn chain(&self) -> Chain {
        match self {
            Done::Entry(_) => Chain::People,
            Done::Act(_) => Chain::Desk,
        }
    }

    fn at_ms(&self) -> i64 {
        match self {
            Done::Entry(entry) => entry.at_ms,
            Done::Act(act) => act.at_ms,
        }
    }
}

/// Both chains in the order of their moments, each in its own order whatever its clock has said, oldest first.
fn merged<'a>(entries: &'a [Entry], acts: &'a [Arc<Act>]) -> Vec<Done<'a>> {
    let mut entries = entries.iter().map(Done::Entry).peekable();
    let mut acts = acts.iter().map(|act| Done::Act(act)).peekable();
    let mut all = Vec::with_capacity(entries.len() + acts.len());
    while let (Some(entry), Some(act)) = (entries.peek(), acts.peek()) {
        let is_entry = entry.at_ms() <= act.at_ms();
        all.extend(if is_entry { entries.next() } else { acts.next() });
    }
    all.extend(entries.chain(acts));
    all
}

impl AuditFilters {
    fn fits(&self, done: &Done<'_>, t: &Texts) -> bool {
        let (who, act) = (self.who.trim(), self.act.trim());
        let is_who = match done {
            Done::Entry(entry) => entry.who == who || entry.on == who,
            Done::Act(done) => {
                done.who == who
                    || matches!(&done.deed, Deed::Assign { owner: Some(owner), .. } if owner == who)
            }
        };
        let names = match done {
            Done::Entry(entry) => [entry.act.as_str(), t.act(&entry.act)],
            Done::Act(done) => [done.deed.name(), t.deed(&done.deed)],
        };
        (self.of.is_empty() || done.chain().name() == self.of)
            && (who.is_empty() || is_who)
            && (act.is_empty() || names.iter().any(|name| name.contains(act)))
    }

    /// The lines that fit with their places, newest first.
    fn newest<'d, 'a>(&self, all: &'d [Done<'a>], t: &Texts) -> impl Iterator<Item = (usize, &'d Done<'a>)> {
        let end = self.before.parse().map_or(all.len(), |before: usize| before.min(all.len()));
        all[..end].iter().enumerate().rev().filter(|(_, done)| self.fits(done, t))
    }

    fn query(&self, before: Option<usize>) -> String {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        query(&[("who", &self.who), ("act", &self.act), ("of", &self.of), ("before", &before)])
    }
}

struct AuditRow {
    chain: &'static str,
    number: u64,
    time: String,
    machine_time: String,
    who: String,
    from: String,
    act: String,
    on: String,
    /// The case's page.
    link: Option<String>,
    before: String,
    after: String,
}

impl AuditRow {
    fn new(done: &Done<'_>, console: &Console, t: &'static Texts) -> AuditRow {
        match done {
            Done::Entry(entry) => AuditRow::of_entry(entry, t),
            Done::Act(act) => AuditRow::of_act(act, console, t),
        }
    }

    fn of_act(act: &Act, console: &Console, t: &'static Texts) -> AuditRow {
        let told = ActTold::new(act, console, t);
        AuditRow {
            chain: Chain::Desk.words(t),
            number: act.number,
            time: format::date_time(act.at_ms),
            machine_time: format::machine(act.at_ms),
            who: act.who.clone(),
            from: act.from.clone(),
            act: told.act.to_owned(),
            on: told.on,
            link: told.case.map(|case| std::format!("/case{}", query(&[("id", &case_text(case))]))),
            before: told.before,
            after: told.after,
        }
    }

    fn of_entry(entry: &Entry, t: &Texts) -> AuditRow {
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
            chain: Chain::People.words(t),
            number: entry.number,
            time: format::date_time(entry.at_ms),
            machine_time: format::machine(entry.at_ms),
            who: entry.who.clone(),
            from: entry.from.clone(),
            act: t.act(&entry.act).to_owned(),
            on: entry.on.clone(),
            link: None,
            before: text(&entry.before),
            after: text(&entry.after),
        }
    }

    /// As a page shows it: what is long is cut, and whole in the list to download.
    fn cut(mut self) -> AuditRow {
        for text in [&mut self.before, &mut self.after] {
            if let Some((at, _)) = text.char_indices().nth(CHARACTERS_SHOWN) {
                text.truncate(at);
                text.push('…');
            }
        }
        self
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    filters: AuditFilters,
    of: Vec<Choice>,
    /// What is said of each chain, and whether that is good.
    chains: Vec<(bool, String)>,
    rows: Vec<AuditRow>,
    older: Option<String>,
    csv: String,
}

/// Both chains, and what is said of each: one that is broken has no lines and does not hide the other.
struct Chains {
    entries: Result<Vec<Entry>, AuditError>,
    /// None without a desk.
    acts: Option<Result<Acts, AuditError>>,
}

impl Chains {
    async fn read(console: &Arc<Console>, visitor: &Visitor) -> Result<Chains, Refused> {
        let worker = Arc::clone(console);
        let reading = tokio::task::spawn_blocking(move || {
            let acts = worker.days.desk().map(|desk| match desk.acts().read() {
                Ok((_, acts)) => Ok(acts),
                Err(ActError::Chain(error)) => Err(error),
                // Reading does nothing that could be refused.
                Err(ActError::Refused(_)) => Ok(Acts::default()),
            });
            Chains { entries: worker.audit.read(), acts }
        });
        reading.await.map_err(|error| failed(visitor, error))
    }

    fn entries(&self) -> &[Entry] {
        self.entries.as_ref().map_or(&[], Vec::as_slice)
    }

    fn acts(&self) -> &[Arc<Act>] {
        self.acts.as_ref().and_then(|acts| acts.as_ref().ok()).map_or(&[], |acts| acts.as_slice())
    }

    /// # Errors
    /// One of them cannot be read at all.
    fn told(&self, visitor: &Visitor) -> Result<Vec<(bool, String)>, Refused> {
        let t = visitor.t();
        let tell = |chain: Chain, read: Result<usize, &AuditError>| {
            let name = chain.words(t);
            match read {
                Ok(lines) => Ok((true, with(&with(t.audit_good, name), format::grouped(lines as u64)))),
                Err(AuditError::Line { line, reason, .. }) => {
                    Ok((false, with(&with(t.audit_bad, name), std::format!("{line}: {reason}"))))
                }
                Err(error) => Err(failed(visitor, error)),
            }
        };
        let people = tell(Chain::People, self.entries.as_ref().map(Vec::len));
        let desk = self.acts.as_ref().map(|acts| tell(Chain::Desk, acts.as_ref().map(|acts| acts.len())));
        std::iter::once(people).chain(desk).collect()
    }
}

pub(crate) async fn audit(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<AuditFilters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeeAudit)?;
    let t = visitor.t();
    let read = Chains::read(&console, &visitor).await?;
    let chains = read.told(&visitor)?;
    let all = merged(read.entries(), read.acts());
    let asked = filters.clone();
    let mut fitting = asked.newest(&all, t);
    let page: Vec<(usize, &Done<'_>)> = fitting.by_ref().take(PAGE_LINES).collect();
    let older = fitting.next().and(page.last()).map(|(last, _)| filters.query(Some(*last)));
    let rows = page.into_iter().map(|(_, done)| AuditRow::new(done, &console, t).cut()).collect();
    let older = older.map(|query| std::format!("/audit{query}"));
    let shell = Shell::of(&visitor, Section::Audit, t.audit);
    let csv = std::format!("/audit.csv{}", filters.query(filters.before.parse().ok()));
    let of = Chain::ALL.map(|chain| Choice::new(chain.name(), chain.words(t), &filters.of)).into();
    Ok(shown(&AuditPage { shell, filters, of, chains, rows, older, csv }))
}

/// The lines that fit, newest first, [`EXPORTED_LINES_MAX`] at most: of what is left out the last line tells.
pub(crate) async fn audit_csv(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<AuditFilters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeeAudit)?;
    let t = visitor.t();
    let read = Chains::read(&console, &visitor).await?;
    if read.told(&visitor)?.iter().any(|(is_good, _)| !is_good) {
        return Err(failed(&visitor, "a chain of acts is broken: the page says where"));
    }
    let all = merged(read.entries(), read.acts());
    let mut fitting = filters.newest(&all, t);
    let mut csv = Csv::new(&[t.chain, "#", t.time, t.who, t.from_where, t.act, t.on, t.before, t.after]);
    for (_, done) in fitting.by_ref().take(EXPORTED_LINES_MAX) {
        let row = AuditRow::new(done, &console, t);
        let number = row.number.to_string();
        csv.row([
            row.chain,
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
    let left = fitting.count();
    if left > 0 {
        csv.row(["", "", "", "", "", "", "", "", &with(t.audit_cut, format::grouped(left as u64))]);
    }
    Ok(csv.download("audit.csv"))
}
