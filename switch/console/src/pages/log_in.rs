//! Logging in and out, and one's own password.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Extension, Form};
use mutant::Mutant;
use serde::Deserialize;
use serde_json::Value;

use crate::address::Network;
use crate::app::{Console, Guest, TURN_MAX, Visitor};
use crate::guard::{cookie, cookie_name, place};
use crate::pages::problem::{Refused, within};
use crate::pages::{Section, Shell, failed, shown};
use crate::password::{Password, PasswordHash};
use crate::people::{NAME_CHARACTERS_MAX, PeopleError};
use crate::sessions::SessionId;
use crate::texts::with;

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogInPage {
    shell: Shell,
    name: String,
    back: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    back: String,
    ended: Option<String>,
    out: Option<String>,
}

pub(crate) async fn form(
    guest: Guest,
    visitor: Option<Extension<Visitor>>,
    Query(asked): Query<Asked>,
) -> Response {
    let back = within(&asked.back).to_owned();
    if visitor.is_some() {
        return Redirect::to(&back).into_response();
    }
    let t = guest.texts();
    let mut shell = Shell::new(&guest, None, Section::Other, t.log_in);
    shell.notice = asked.out.map(|_| t.logged_out.to_owned());
    let was_here = asked.ended.is_some() && back != "/";
    shell.warning = was_here.then(|| t.session_ended.to_owned());
    shown(&LogInPage { shell, name: String::new(), back })
}

#[derive(Deserialize)]
pub(crate) struct LogIn {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    back: String,
}

/// Each try is counted before the password is looked at, and waits are looked at again when its turn has come, so that many at
/// once are no way around them.
pub(crate) async fn log_in(
    State(console): State<Arc<Console>>,
    guest: Guest,
    headers: HeaderMap,
    Form(typed): Form<LogIn>,
) -> Response {
    let t = guest.texts();
    let now_ms = console.clock.mono_ms();
    // What is longer is nobody's, and is not kept.
    let name: String = typed.name.trim().to_lowercase().chars().take(NAME_CHARACTERS_MAX + 1).collect();
    let again = |status: StatusCode, warning: String| {
        let mut shell = Shell::new(&guest, None, Section::Other, t.log_in);
        shell.warning = Some(warning);
        let back = within(&typed.back).to_owned();
        // Whoever types the password into the field of the name shall not see it on the page.
        let mut response = shown(&LogInPage { shell, name: String::new(), back });
        *response.status_mut() = status;
        response
    };
    let network = Network::of(guest.address);
    let too_soon = || {
        let waits_ms = [console.by_name.wait_ms(&name, now_ms), console.by_address.wait_ms(&network, now_ms)];
        let wait_s = waits_ms.into_iter().max().filter(|wait_ms| *wait_ms > 0)?.div_ceil(1_000);
        let mut response = again(StatusCode::TOO_MANY_REQUESTS, with(t.log_in_wait, wait_s));
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        Some(response)
    };
    if let Some(response) = too_soon() {
        return response;
    }
    let Ok(Ok(turn)) = tokio::time::timeout(TURN_MAX, Arc::clone(&console.hashing).acquire_owned()).await
    else {
        return again(StatusCode::SERVICE_UNAVAILABLE, t.log_in_busy.to_owned());
    };
    if let Some(response) = too_soon() {
        return response;
    }
    let person = match console.people.get(&name) {
        Ok(person) => person,
        Err(error) => {
            tracing::error!(%error, "the console's people cannot be read: nobody is let in");
            return again(StatusCode::SERVICE_UNAVAILABLE, t.error_lead.to_owned());
        }
    };
    console.by_name.failed(&name, now_ms);
    let password = Password::new(typed.password);
    let hash = person.as_ref().map_or_else(PasswordHash::of_nobody, |person| person.password.clone());
    let right = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        hash.is_of(&password)
    });
    let right = right.await.unwrap_or(false);
    let Some(person) = person.clone().filter(|person| right && !person.disabled) else {
        if !mutant::is(Mutant::FailuresOfAddressUncounted) {
            console.by_address.failed(&network, now_ms);
        }
        // A name that nobody has may be a password that was typed into the wrong field.
        let nobody = if mutant::is(Mutant::UnknownNameRecorded) { name.as_str() } else { "-" };
        let who = person.as_ref().map_or(nobody, |person| person.name.as_str());
        console.record_refusal(
            person.as_ref().map(|person| person.name.as_str()),
            guest.address,
            "log-in failed",
            who,
        );
        let is_told = person.is_none() && mutant::is(Mutant::UnknownNameTold);
        let status = if is_told { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
        return again(status, t.log_in_failed.to_owned());
    };
    console.by_name.succeeded(&name);
    // Whatever id the browser came with is of no use any more: the new one is nobody else's choice.
    let old = cookie(&headers, cookie_name(&console)).and_then(SessionId::parse);
    if let Some(old) = old.filter(|_| !mutant::is(Mutant::OldSessionKept)) {
        console.sessions.end(&old);
    }
    if let Err(error) = console.record(&person.name, guest.address, "log-in", &person.name, Value::Null) {
        tracing::error!(%error, "the console's audit takes nothing: nobody is let in");
        return again(StatusCode::SERVICE_UNAVAILABLE, t.error_lead.to_owned());
    }
    let begun = console.sessions.begin(&person, place(guest.address, &headers), console.clock.mono_ms());
    let Some(id) = begun else {
        return again(StatusCode::SERVICE_UNAVAILABLE, t.error_lead.to_owned());
    };
    let mut response = Redirect::to(within(&typed.back)).into_response();
    set_cookie(&console, &mut response, &id.cookie(), "");
    response
}

pub(crate) async fn log_out(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Response {
    let id = cookie(&headers, cookie_name(&console)).and_then(SessionId::parse);
    if let Some(id) = id.filter(|_| !mutant::is(Mutant::LogOutKeepsSession)) {
        console.sessions.end(&id);
    }
    if let Err(error) = visitor.record(&console, "log-out", &visitor.person.name, Value::Null) {
        tracing::error!(%error, "the console's audit takes nothing");
    }
    let mut response = Redirect::to("/log-in?out=1").into_response();
    set_cookie(&console, &mut response, "", "; Max-Age=0");
    response
}

fn set_cookie(console: &Console, response: &mut Response, value: &str, more: &str) {
    let secure = if console.settings.tls.is_some() { "; Secure" } else { "" };
    let name = cookie_name(console);
    let bounds =
        if mutant::is(Mutant::CookieInReach) { "SameSite=None" } else { "HttpOnly; SameSite=Strict" };
    let cookie = format!("{name}={value}; Path=/; {bounds}{secure}{more}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
}

#[derive(Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
}

pub(crate) async fn account(visitor: Visitor, Query(Done { done }): Query<Done>) -> Response {
    let mut shell = Shell::of(&visitor, Section::Other, visitor.t().account);
    shell.notice = done.map(|_| visitor.t().password_changed.to_owned());
    shown(&AccountPage { shell })
}

#[derive(Deserialize)]
pub(crate) struct NewPassword {
    #[serde(default)]
    old: String,
    #[serde(default)]
    new: String,
    #[serde(default)]
    again: String,
}

/// The present password is asked for, with the same bound as a log-in: a browser that was left open is not enough.
pub(crate) async fn change_password(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<NewPassword>,
) -> Result<Response, Refused> {
    let t = visitor.t();
    let name = visitor.person.name.clone();
    let now_ms = console.clock.mono_ms();
    let again = |status: StatusCode, warning: String| {
        let mut shell = Shell::of(&visitor, Section::Other, t.account);
        shell.warning = Some(warning);
        let mut response = shown(&AccountPage { shell });
        *response.status_mut() = status;
        response
    };
    let wait_ms = console.by_name.wait_ms(&name, now_ms);
    if wait_ms > 0 {
        return Ok(again(StatusCode::TOO_MANY_REQUESTS, with(t.log_in_wait, wait_ms.div_ceil(1_000))));
    }
    if typed.new != typed.again {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, t.passwords_differ.to_owned()));
    }
    let new = Password::new(typed.new);
    if new.check_new(&name).is_err() {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, t.password_bad.to_owned()));
    }
    let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&console.hashing).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Ok(again(StatusCode::SERVICE_UNAVAILABLE, t.log_in_busy.to_owned()));
    };
    if console.by_name.wait_ms(&name, now_ms) > 0 {
        return Ok(again(StatusCode::SERVICE_UNAVAILABLE, t.log_in_busy.to_owned()));
    }
    console.by_name.failed(&name, now_ms);
    let (old, hash) = (Password::new(typed.old), visitor.person.password.clone());
    let (worker, acting) = (Arc::clone(&console), visitor.clone());
    let changed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        if !hash.is_of(&old) {
            return Ok(false);
        }
        let name = acting.person.name.clone();
        acting.with_by(&worker, |by| worker.people.set_password(&name, &new, by)).map(|()| true)
    });
    let changed: Result<bool, PeopleError> = changed.await.map_err(|error| failed(&visitor, error))?;
    if !changed.map_err(|error| failed(&visitor, error))? {
        visitor.record_refusal(&console, "password not changed", &name);
        return Ok(again(StatusCode::UNAUTHORIZED, t.log_in_failed.to_owned()));
    }
    console.by_name.succeeded(&name);
    console.sessions.end_all_of(&name);
    let person = console.people.get(&name).map_err(|error| failed(&visitor, error))?;
    let place = place(visitor.guest.address, &headers);
    let id = person.and_then(|person| console.sessions.begin(&person, place, console.clock.mono_ms()));
    let mut response = Redirect::to("/account?done=1").into_response();
    if let Some(id) = id {
        set_cookie(&console, &mut response, &id.cookie(), "");
    }
    Ok(response)
}
