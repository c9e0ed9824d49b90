//! The Evidence page: one transaction whole; a full citizen number only as an act with a reason; decisions.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use journal::Told;
use mutant::Mutant;
use processor::{Body, Resolution, TxKey};
use reconciliation::LineId;
use serde::Deserialize;
use serde_json::json;

use crate::app::{Console, Visitor};
use crate::evidence::{EvidenceShown, evidence};
use crate::pages::by_hand::SaidByHand;
use crate::pages::cases::seen;
use crate::pages::problem::{self, Problem, Refused, encoded};
use crate::pages::{Section, Shell, failed, need, shown};
use crate::role::Permission;

#[derive(Template)]
#[template(path = "evidence.html")]
struct EvidencePage {
    shell: Shell,
    evidence: EvidenceShown,
    /// The full number, for this answer alone.
    number: Option<String>,
    may_see_number: bool,
    may_resolve: bool,
    why_is_bad: bool,
    /// What was said of it by hand; on the page that is looked at alone.
    by_hand: SaidByHand,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    key: String,
    done: Option<String>,
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let told = told(&console, &visitor, &asked.key).await?;
    let mut page = EvidencePage::new(&console, &visitor, &told);
    page.shell.notice = asked.done.map(|_| visitor.t().resolved.to_owned());
    page.by_hand = said_by_hand(&console, &visitor, &told).await?;
    Ok(shown(&page))
}

impl EvidencePage {
    fn new(console: &Console, visitor: &Visitor, told: &Told) -> EvidencePage {
        let evidence = evidence(told, &console.settings, visitor.t());
        EvidencePage {
            shell: Shell::of(visitor, Section::Transactions, visitor.t().evidence),
            number: None,
            may_see_number: evidence.has_number && visitor.may(Permission::SeeCitizenNumber),
            may_resolve: told.transaction.suspense.is_some() && visitor.may(Permission::Resolve),
            why_is_bad: false,
            by_hand: SaidByHand::default(),
            evidence,
        }
    }

    fn bad_reason(mut self) -> Response {
        self.why_is_bad = true;
        let mut response = shown(&self);
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        response
    }
}

/// What was said of the transaction by hand. Of one that nobody has said anything of nothing is matched for it.
async fn said_by_hand(console: &Arc<Console>, visitor: &Visitor, told: &Told) -> Result<SaidByHand, Refused> {
    let intent = told.records.iter().find(|(_, record)| matches!(record.body, Body::Intent(_)));
    let Some((position, _)) = intent.filter(|_| visitor.has_desk) else { return Ok(SaidByHand::default()) };
    let ours = LineId { file: LineId::LOG, line: *position };
    let worker = Arc::clone(console);
    let reading = tokio::task::spawn_blocking(move || worker.days.has_said(ours)).await;
    let has_said =
        reading.map_err(|error| failed(visitor, error))?.map_err(|error| failed(visitor, error))?;
    match has_said {
        true => {
            let seen = seen(console, visitor).await?;
            Ok(SaidByHand::of(&seen, |said| said.decision.ours() == ours, visitor.t()))
        }
        false => Ok(SaidByHand::default()),
    }
}

async fn told(console: &Arc<Console>, visitor: &Visitor, key: &str) -> Result<Told, Refused> {
    let not_found = || Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::NotFound));
    let key: TxKey = key.parse().map_err(|_| not_found())?;
    let log = console.log.clone();
    let reading = tokio::task::spawn_blocking(move || log.transaction(&key)).await;
    let told = reading.map_err(|error| failed(visitor, error))?.map_err(|error| failed(visitor, error))?;
    told.ok_or_else(not_found)
}

#[derive(Deserialize)]
pub(crate) struct WithReason {
    #[serde(default)]
    key: String,
    #[serde(default)]
    why: String,
}

impl WithReason {
    /// As a RESOLUTION takes it.
    fn reason(&self) -> Option<&str> {
        let why = self.why.trim();
        let is_good = Resolution::new("-", why).is_ok() || mutant::is(Mutant::LookWithoutReason);
        is_good.then_some(why)
    }
}

/// The look is recorded first; without the record there is no look. Looks are bounded by the hour, whatever the session.
pub(crate) async fn see_number(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(form): Form<WithReason>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::SeeCitizenNumber)?;
    let told = told(&console, &visitor, &form.key).await?;
    let mut page = EvidencePage::new(&console, &visitor, &told);
    let (Some(why), Some(request)) = (form.reason(), &told.transaction.request) else {
        return Ok(page.bad_reason());
    };
    let key = told.transaction.key.to_string();
    if !console.numbers.take(&visitor.person.name, console.clock.mono_ms()) {
        visitor.record_refusal(&console, "citizen number refused: too many", &key);
        page.shell.warning = Some(visitor.t().looks_over.to_owned());
        return Ok(problem::bounded(page.shell));
    }
    let citizen = request.content.citizen.to_string();
    if !mutant::is(Mutant::LookNotRecorded) {
        let recorded =
            visitor.record(&console, "citizen number seen", &key, json!({ "citizen": citizen, "why": why }));
        recorded.map_err(|error| failed(&visitor, error))?;
    }
    let number = request.pan.citizen_number();
    page.number = Some(String::from_utf8_lossy(number.digits()).into_owned());
    Ok(shown(&page))
}

/// A RESOLUTION in the log; it is durable when the page comes.
pub(crate) async fn resolve(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(form): Form<WithReason>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Resolve)?;
    let told = told(&console, &visitor, &form.key).await?;
    let page = EvidencePage::new(&console, &visitor, &told);
    let Some(why) = form.reason() else { return Ok(page.bad_reason()) };
    let key = told.transaction.key;
    let suspense = page.evidence.suspense;
    let recorded = visitor.record(
        &console,
        "suspense resolved",
        &key.to_string(),
        json!({ "why": why, "was": suspense.is_some() }),
    );
    recorded.map_err(|error| failed(&visitor, error))?;
    let resolved = console.switch.resolve(key, &visitor.person.name, why).await;
    resolved.map_err(|error| failed(&visitor, error))?;
    Ok(Redirect::to(&format!("/evidence?done=1&key={}", encoded(&key.to_string()))).into_response())
}
