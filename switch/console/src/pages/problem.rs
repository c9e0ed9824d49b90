//! What a person sees when something is not there, not allowed or does not work.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use mutant::Mutant;
use processor::Institution;

use crate::app::{Guest, Visitor};
use crate::format;
use crate::pages::{Section, Shell, shown};
use crate::role::Permission;
use crate::search::Reach;
use crate::texts::with;
use crate::views::{VIEW_CHARACTERS_MAX, VIEWS_OF_ONE_MAX};

/// An answer that is not what was asked for.
pub(crate) struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Refused {
        Refused(Box::new(response))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Why there is no page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Problem {
    /// A role is missing.
    Role(Permission),
    /// A form that does not come from the console's own page.
    Form,
    /// A form that is too long.
    TooLarge,
    /// A form that took too long to come.
    Slow,
    /// No such page or transaction.
    NotFound,
    /// The configuration has no place for files and cases.
    NoDesk,
    /// A view that is not kept; there are as many as there may be.
    View(bool),
    /// Too many searches are under way.
    Busy,
    /// Too many exports wait for their turn.
    ExportsBusy,
    /// No member has this number, and so there is no file for it.
    Stranger(Institution),
    /// A filter of a list that is not understood, as the page calls it.
    Filter(&'static str),
    /// The person's export waits already.
    ExportWaits,
    /// An export of what is read to so many percent.
    Reading(u64),
    /// An export of more than it holds: so many rows, or records to look through.
    TooLong(Reach),
    /// Switch or log do not answer; with what they said.
    Failed(String),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    lead: String,
    hint: String,
    detail: String,
    back: &'static str,
}

/// The page that says so.
pub(crate) fn page(guest: &Guest, visitor: Option<&Visitor>, problem: Problem) -> Response {
    let t = guest.texts();
    let (status, title, lead, hint, detail) = match problem {
        Problem::Role(permission) => {
            let roles = permission.roles().iter().map(|role| t.role(*role)).collect::<Vec<_>>().join(", ");
            (StatusCode::FORBIDDEN, t.refused_title, with(t.refused_lead, roles), "", String::new())
        }
        Problem::Form => (StatusCode::FORBIDDEN, t.error_title, t.refused_form.to_owned(), "", String::new()),
        Problem::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, t.error_title, t.too_large.to_owned(), "", String::new())
        }
        Problem::Slow => {
            (StatusCode::REQUEST_TIMEOUT, t.error_title, t.too_slow.to_owned(), "", String::new())
        }
        Problem::NotFound => {
            (StatusCode::NOT_FOUND, t.error_title, t.not_found.to_owned(), t.not_found_hint, String::new())
        }
        Problem::NoDesk => (StatusCode::NOT_FOUND, t.no_desk, t.no_desk_lead.to_owned(), "", String::new()),
        Problem::View(is_full) => {
            let words = if is_full {
                with(t.views_full, VIEWS_OF_ONE_MAX)
            } else {
                with(t.view_bad, VIEW_CHARACTERS_MAX)
            };
            (StatusCode::UNPROCESSABLE_ENTITY, t.error_title, words, "", String::new())
        }
        Problem::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, t.error_title, t.busy.to_owned(), "", String::new())
        }
        Problem::ExportsBusy => {
            (StatusCode::SERVICE_UNAVAILABLE, t.error_title, t.exports_busy.to_owned(), "", String::new())
        }
        Problem::Stranger(bank) => {
            (StatusCode::NOT_FOUND, t.error_title, with(t.file_stranger, bank), "", String::new())
        }
        Problem::Filter(name) => {
            (StatusCode::UNPROCESSABLE_ENTITY, t.error_title, with(t.filter_bad, name), "", String::new())
        }
        Problem::ExportWaits => {
            (StatusCode::TOO_MANY_REQUESTS, t.error_title, t.export_waits.to_owned(), "", String::new())
        }
        Problem::Reading(percent) => {
            let words = with(t.export_reading, percent);
            (StatusCode::SERVICE_UNAVAILABLE, t.error_title, words, "", String::new())
        }
        Problem::TooLong(Reach { rows, records }) => {
            let words = with(t.export_too_long, format::grouped(rows as u64));
            let words = with(&words, format::grouped(records));
            (StatusCode::PAYLOAD_TOO_LARGE, t.error_title, words, "", String::new())
        }
        Problem::Failed(detail) => {
            (StatusCode::SERVICE_UNAVAILABLE, t.error_title, t.error_lead.to_owned(), t.error_hint, detail)
        }
    };
    let shell = Shell::new(guest, visitor, Section::Other, title);
    let page = ProblemPage { shell, lead, hint: hint.to_owned(), detail, back: "/" };
    let mut response = shown(&page);
    *response.status_mut() = status;
    response
}

/// A page that says with its warning alone that somebody has done too much of something.
pub(crate) fn bounded(shell: Shell) -> Response {
    let page = ProblemPage {
        shell,
        lead: String::new(),
        hint: String::new(),
        detail: String::new(),
        back: "/transactions",
    };
    let mut response = shown(&page);
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
}

/// A path and query for use in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A place of the console's own to go on to; anything else would be somebody else's page (open redirect).
pub(crate) fn within(back: &str) -> &str {
    let own = back.starts_with('/')
        && !back.starts_with("//")
        && !back.contains('\\')
        && back.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if own || mutant::is(Mutant::BackToAnywhere) { back } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_back_comes_back_to_the_console() {
        for (back, expected) in [
            ("/transactions?terminal=HN000001", "/transactions?terminal=HN000001"),
            ("//elsewhere.example", "/"),
            ("https://elsewhere.example", "/"),
            ("/\\elsewhere.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(within(back), expected, "{back}");
        }
    }

    #[test]
    fn what_is_encoded_holds_no_separator() {
        assert_eq!(encoded("/a?b=c&d=é"), "/a%3Fb%3Dc%26d%3D%C3%A9");
    }
}
