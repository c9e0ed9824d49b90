//! The pages: each a request in, a template out.

mod acts;
mod administration;
mod assets;
mod bulk;
mod by_hand;
mod cases;
mod days;
mod evidence;
mod export;
mod files;
mod live;
mod log_in;
pub(crate) mod problem;
mod transactions;
mod upload;
mod views;
mod workbench;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use mutant::Mutant;
use processor::{Day, Institution};
use serde::Deserialize;

use crate::app::{Console, Guest, TURN_MAX, Visitor};
use crate::desk::TellError;
use crate::exports::one_at_a_time;
use crate::guard::{UPLOAD_PATH, guard};
use crate::idle;
use crate::people::Person;
use crate::role::Permission;
use crate::texts::{Language, Texts};

#[cfg(test)]
pub(crate) use cases::case_text;
use problem::{Problem, Refused};

/// All pages, behind the guard.
pub(crate) fn router(console: Arc<Console>) -> Router {
    let exports = Router::new()
        .route("/totals.csv", get(days::totals_csv))
        .route("/totals/file", get(days::file))
        .route("/exceptions.csv", get(cases::csv))
        .route("/exceptions.xlsx", get(cases::xlsx))
        .route("/cash/{name}", get(files::export))
        .route("/load/rejects.csv", get(upload::rejects))
        .route("/transactions.csv", get(transactions::csv))
        .route("/audit.csv", get(administration::audit_csv))
        .route_layer(from_fn_with_state(Arc::clone(&console), one_at_a_time));
    Router::new()
        .route("/", get(|| async { Redirect::to("/day") }))
        .route("/log-in", get(log_in::form).post(log_in::log_in))
        .route("/log-out", post(log_in::log_out))
        .route("/language/{code}", get(language))
        .route("/account", get(log_in::account).post(log_in::change_password))
        .route("/day", get(days::day))
        .route("/day/cutover", post(days::cut_over))
        .route("/totals", get(days::totals))
        .route("/day/close", post(days::close))
        .route("/day/settle", post(days::settle))
        .route("/exceptions", get(cases::exceptions))
        .route("/exceptions/act", post(bulk::act))
        .route("/approvals", get(cases::approvals))
        .route("/workbench", get(workbench::page))
        .route("/workbench/act", post(workbench::act))
        .route("/views/keep", post(views::keep))
        .route("/views/forget", post(views::forget))
        .route("/cash", get(files::page))
        .route("/cash/take-back", post(files::take_back))
        .route(UPLOAD_PATH, get(upload::form).post(upload::preview))
        .route("/load/take", post(upload::take))
        .route("/load/mapping", post(upload::keep_mapping))
        .route("/case", get(cases::case))
        .route("/case/act", post(cases::act))
        .route("/live", get(live::page))
        .route("/live/part", get(live::part))
        .route("/transactions", get(transactions::page))
        .route("/transactions/citizen", post(transactions::find_citizen))
        .route("/evidence", get(evidence::page))
        .route("/evidence/number", post(evidence::see_number))
        .route("/evidence/resolve", post(evidence::resolve))
        .route("/people", get(administration::people))
        .route("/people/disabled", post(administration::set_disabled))
        .route("/audit", get(administration::audit))
        .route("/assets/console.css", get(assets::style))
        .route("/assets/console.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .merge(exports)
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::clone(&console), guard))
        .with_state(console)
}

/// Where a page stands in the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Section {
    Day,
    Exceptions,
    Workbench,
    Approvals,
    Files,
    Totals,
    Live,
    Transactions,
    People,
    Audit,
    Other,
}

/// What stands around every page.
pub(crate) struct Shell {
    pub(crate) t: &'static Texts,
    pub(crate) title: String,
    pub(crate) section: Section,
    pub(crate) person: Option<Arc<Person>>,
    pub(crate) csrf: String,
    pub(crate) other_language: String,
    pub(crate) has_desk: bool,
    pub(crate) sees_people: bool,
    pub(crate) sees_audit: bool,
    /// Something was done.
    pub(crate) notice: Option<String>,
    /// Something was not.
    pub(crate) warning: Option<String>,
}

impl Shell {
    pub(crate) fn new(guest: &Guest, visitor: Option<&Visitor>, section: Section, title: &str) -> Shell {
        let other = match guest.language {
            Language::Vietnamese => Language::English,
            Language::English => Language::Vietnamese,
        };
        let may = |permission| visitor.is_some_and(|visitor| visitor.may(permission));
        Shell {
            t: guest.texts(),
            title: title.to_owned(),
            section,
            person: visitor.map(|visitor| Arc::clone(&visitor.person)),
            csrf: visitor.map_or(String::new(), |visitor| visitor.csrf.field()),
            other_language: format!("/language/{}?back={}", other.code(), problem::encoded(&guest.here)),
            has_desk: visitor.is_some_and(|visitor| visitor.has_desk),
            sees_people: may(Permission::SeePeople),
            sees_audit: may(Permission::SeeAudit),
            notice: None,
            warning: None,
        }
    }

    pub(crate) fn of(visitor: &Visitor, section: Section, title: &str) -> Shell {
        Shell::new(&visitor.guest, Some(visitor), section, title)
    }

    pub(crate) fn is(&self, section: Section) -> bool {
        self.section == section
    }

    /// The person's roles as words.
    pub(crate) fn roles(&self) -> String {
        let roles = self.person.iter().flat_map(|person| person.roles.iter());
        roles.map(|role| self.t.role(*role)).collect::<Vec<_>>().join(", ")
    }
}

/// A template as a page.
pub(crate) fn shown(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) if mutant::is(Mutant::TextsNotEscaped) => Html(page.replace("&#60;", "<")).into_response(),
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the console");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A permission that a page asks for first; without it the refusal is recorded and shown.
pub(crate) fn need(console: &Console, visitor: &Visitor, permission: Permission) -> Result<(), Refused> {
    if visitor.may(permission) || mutant::is(Mutant::RoleNotAsked) {
        return Ok(());
    }
    visitor.record_refusal(console, "refused for want of a role", permission.name());
    Err(Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::Role(permission))))
}

/// Does what reads much of the log or of files at its turn, on a thread that stands back. An export has had its turn already: there is one at a time.
pub(crate) async fn at_turn<T, E>(
    console: &Arc<Console>,
    visitor: &Visitor,
    work: impl FnOnce(&Console) -> Result<T, E> + Send + 'static,
) -> Result<T, Refused>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
{
    let turn = if visitor.is_exporting {
        None
    } else {
        let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&console.searching).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::Busy)));
        };
        Some(turn)
    };
    let worker = Arc::clone(console);
    let working = idle::run(move || {
        let _turn = turn;
        work(&worker)
    });
    working.await.map_err(|error| failed(visitor, error))?.map_err(|error| failed(visitor, error))
}

/// As [`at_turn`], for a list that is taken away: where the log is not read whole yet the page says how much of it is.
pub(crate) async fn whole<T: Send + 'static>(
    console: &Arc<Console>,
    visitor: &Visitor,
    work: impl FnOnce(&Console) -> Result<T, TellError> + Send + 'static,
) -> Result<T, Refused> {
    let told = at_turn(console, visitor, |console| match work(console) {
        Err(TellError::Reading(percent)) => Ok(Err(percent)),
        told => told.map(Ok),
    });
    let reading = |percent| problem::page(&visitor.guest, Some(visitor), Problem::Reading(percent));
    told.await?.map_err(|percent| Refused::from(reading(percent)))
}

/// A page that says that what was asked for was not done.
pub(crate) fn unprocessable(template: &impl Template) -> Response {
    let mut response = shown(template);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    response
}

/// There is no such page, day or case.
pub(crate) fn missing(visitor: &Visitor) -> Refused {
    Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::NotFound))
}

/// The day by the clock, in Vietnam.
pub(crate) fn today(console: &Console) -> Day {
    Day::of_unix_ms(console.clock.wall_ms() + 7 * 3_600_000)
}

/// A choice of a list.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) words: String,
    pub(crate) chosen: bool,
}

impl Choice {
    pub(crate) fn new(value: &str, words: impl Into<String>, chosen: &str) -> Choice {
        Choice { value: value.to_owned(), words: words.into(), chosen: value == chosen }
    }

    /// The banks of the switch by name.
    pub(crate) fn banks(console: &Console, chosen: &str) -> Vec<Choice> {
        Choice::institutions(console.settings.banks.keys(), console, chosen)
    }

    /// All members, by name where they have one.
    pub(crate) fn members(console: &Console, chosen: &str) -> Vec<Choice> {
        Choice::institutions(console.settings.members.iter(), console, chosen)
    }

    fn institutions<'a>(
        all: impl Iterator<Item = &'a Institution>,
        console: &Console,
        chosen: &str,
    ) -> Vec<Choice> {
        let name = |id: &str| crate::evidence::bank_name(id, &console.settings);
        all.map(ToString::to_string).map(|id| Choice::new(&id, name(&id), chosen)).collect()
    }
}

/// The filters that are set, as the query of an address.
pub(crate) fn query(fields: &[(&str, &str)]) -> String {
    let given = fields.iter().filter(|(_, value)| !value.is_empty());
    let given: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", problem::encoded(value))).collect();
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

/// Something that failed underneath, for a person and for the program's log.
pub(crate) fn failed(visitor: &Visitor, error: impl std::fmt::Display) -> Refused {
    tracing::error!(%error, "a page of the console");
    Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::Failed(error.to_string())))
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = StatusCode;

    /// The guard has put it there, or has refused.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visitor, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Guest, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

async fn not_found(visitor: Visitor) -> Response {
    problem::page(&visitor.guest, Some(&visitor), Problem::NotFound)
}

#[derive(Deserialize)]
struct Back {
    #[serde(default)]
    back: String,
}

/// Another language, kept in a cookie for a year.
async fn language(
    State(console): State<Arc<Console>>,
    Path(code): Path<String>,
    Query(Back { back }): Query<Back>,
) -> Response {
    let language = Language::parse(&code).unwrap_or_default();
    let secure = if console.settings.tls.is_some() { "; Secure" } else { "" };
    let cookie =
        format!("language={}; Path=/; Max-Age=31536000; SameSite=Strict; HttpOnly{secure}", language.code());
    let mut response = Redirect::to(problem::within(&back)).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
