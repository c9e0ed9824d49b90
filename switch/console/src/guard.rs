//! What stands in front of every page: the host that is meant, where a form comes from, whose session it is, and the headers
//! of every answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use multer::{Constraints, Multipart, SizeLimit};
use mutant::Mutant;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::{Console, Guest, TURN_MAX, Visitor};
use crate::pages::need;
use crate::pages::problem::{self, Problem, Refused};
use crate::role::Permission;
use crate::sessions::{Known, Place, SessionId};
use crate::texts::Language;

/// Bytes of a form.
pub(crate) const FORM_BYTES_MAX: usize = 64 * 1024;

/// A form has to be whole within this time.
const FORM_MAX: Duration = Duration::from_secs(10);

/// Where files of banks and machines are handed in: the one form that may be long.
pub(crate) const UPLOAD_PATH: &str = "/load";

/// Bytes of a file that a browser hands in; a larger one is taken on the command line.
pub const UPLOAD_BYTES_MAX: usize = 64 << 20;

/// A file has to be whole within this time.
const UPLOAD_MAX: Duration = Duration::from_secs(120);

/// Bytes of each field beside a file.
const UPLOAD_FIELD_BYTES_MAX: usize = 1_024;

/// Bytes of a path and its query that are kept to come back to.
const HERE_BYTES_MAX: usize = 2_048;

/// No script or style but the console's own files, nothing from elsewhere, no frame around it, forms to itself alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// What a page asks by itself: it keeps nobody logged in, and gets no page for an answer.
pub(crate) const BY_ITSELF: &str = "x-console-by-itself";

/// The session's cookie. Over TLS its name has the browser insist on Secure, Path=/ and this host (RFC 6265bis, __Host-).
pub(crate) fn cookie_name(console: &Console) -> &'static str {
    if console.settings.tls.is_some() { "__Host-console" } else { "console" }
}

/// Lets through what may go on, as [`Guest`] and, where somebody is logged in, [`Visitor`].
pub(crate) async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let is_asset = request.uri().path().starts_with("/assets/");
    let mut response = match guarded(&console, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal,
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    if !mutant::is(Mutant::PolicyLeftOut) {
        set(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    if !is_asset {
        set(header::CACHE_CONTROL, "no-store");
    }
    if console.settings.tls.is_some() {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

async fn guarded(console: &Arc<Console>, request: Request) -> Result<Request, Response> {
    let Some(Peer(address)) = request.extensions().get::<Peer>().copied() else {
        return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let headers = request.headers();
    if !is_known_host(console, headers) {
        // A name that somebody else has pointed here (DNS rebinding): nothing is said but that.
        return Err((StatusCode::MISDIRECTED_REQUEST, "unknown host\n").into_response());
    }
    let path = request.uri().path().to_owned();
    let language = cookie(headers, "language").and_then(Language::parse).unwrap_or_default();
    let here = request.uri().path_and_query().map_or("/", |here| here.as_str());
    let here = if here.len() <= HERE_BYTES_MAX && request.method() == Method::GET { here } else { "/" };
    let guest = Guest { language, address, here: here.to_owned() };
    let by_itself = headers.contains_key(BY_ITSELF);
    let visitor = visitor(console, &guest, headers, by_itself).map_err(Refused::into_response)?;
    let mut request = request;
    if request.method() == Method::POST {
        request = checked_form(console, &guest, visitor.as_ref(), &path, request).await?;
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    match visitor {
        Some(visitor) => {
            request.extensions_mut().insert(visitor);
        }
        None if is_public(&path) || mutant::is(Mutant::PageWithoutSession) => {}
        None if by_itself => return Err(StatusCode::UNAUTHORIZED.into_response()),
        None => {
            let back = problem::encoded(&guest.here);
            return Err(Redirect::to(&format!("/log-in?ended=1&back={back}")).into_response());
        }
    }
    request.extensions_mut().insert(guest);
    Ok(request)
}

fn is_public(path: &str) -> bool {
    path == "/log-in" || path.starts_with("/assets/") || path.starts_with("/language/")
}

/// Whoever the cookie's session belongs to, as the file of people has them now.
fn visitor(
    console: &Arc<Console>,
    guest: &Guest,
    headers: &HeaderMap,
    by_itself: bool,
) -> Result<Option<Visitor>, Refused> {
    let Some(id) = cookie(headers, cookie_name(console)).and_then(SessionId::parse) else { return Ok(None) };
    let place = place(guest.address, headers);
    let (person, mark, csrf) = match console.sessions.look(&id, place, console.clock.mono_ms(), by_itself) {
        Known::Yes { person, mark, csrf } => (person, mark, csrf),
        Known::No => return Ok(None),
        Known::Stolen { person } => {
            console.record_refusal(
                Some(&person),
                guest.address,
                "session used from elsewhere, ended",
                &person,
            );
            return Ok(None);
        }
    };
    let found = console.people.get(&person).map_err(|error| {
        tracing::error!(%error, "the console's people cannot be read: nobody is let in");
        Refused::from(problem::page(guest, None, Problem::Failed(String::new())))
    })?;
    let still = found.filter(|person| {
        !person.disabled && person.password.mark() == mark || mutant::is(Mutant::ShutOutStaysIn)
    });
    if still.is_none() {
        console.sessions.end(&id);
    }
    Ok(still.map(|person| Visitor {
        guest: guest.clone(),
        person: Arc::new(person),
        csrf,
        has_desk: console.days.desk().is_some(),
        is_exporting: false,
    }))
}

pub(crate) fn place(address: IpAddr, headers: &HeaderMap) -> Place {
    Place::new(address, headers.get(header::USER_AGENT).map_or(b"", |agent| agent.as_bytes()))
}

/// A file with the fields beside it, as its form brought them.
#[derive(Clone)]
pub(crate) struct Upload {
    fields: BTreeMap<String, String>,
    /// The name that the browser gave it.
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    /// Until it is dropped one other may be handed in at once, and no more.
    _turn: Arc<OwnedSemaphorePermit>,
}

impl Upload {
    /// A field's text without what is blank around it; nothing where it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }
}

#[derive(Deserialize)]
struct CsrfField {
    #[serde(default)]
    csrf: String,
}

/// A form comes from the console's own pages, and from one of this session: by Origin or Sec-Fetch-Site, and by its token.
async fn checked_form(
    console: &Arc<Console>,
    guest: &Guest,
    visitor: Option<&Visitor>,
    path: &str,
    request: Request,
) -> Result<Request, Response> {
    let who = visitor.map(|visitor| visitor.person.name.as_str());
    let refused = |what: &'static str| {
        console.record_refusal(who, guest.address, what, path);
        problem::page(guest, visitor, Problem::Form)
    };
    if !is_from_here(console, request.headers()) {
        return Err(refused("form from elsewhere refused"));
    }
    if let Some(visitor) = visitor.filter(|_| path == UPLOAD_PATH) {
        return uploaded(console, visitor, request, refused).await;
    }
    let (parts, body) = request.into_parts();
    let bytes_max = if mutant::is(Mutant::FormOfAnySize) { usize::MAX } else { FORM_BYTES_MAX };
    let bytes = match timeout(waited(FORM_MAX), to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(problem::page(guest, visitor, Problem::TooLarge)),
        Err(_) => return Err(problem::page(guest, visitor, Problem::Slow)),
    };
    if let Some(visitor) = visitor.filter(|_| path != "/log-in") {
        let copy = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        let field = Form::<CsrfField>::from_request(copy, &()).await;
        if !field.is_ok_and(|Form(field)| visitor.csrf.is(&field.csrf)) {
            return Err(refused("form without its token refused"));
        }
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// A file is read only for whoever may hand one in, at its turn, and not for longer than it may take.
async fn uploaded(
    console: &Arc<Console>,
    visitor: &Visitor,
    request: Request,
    refused: impl Fn(&'static str) -> Response,
) -> Result<Request, Response> {
    need(console, visitor, Permission::Work).map_err(Refused::into_response)?;
    let problem = |problem| problem::page(&visitor.guest, Some(visitor), problem);
    let Ok(Ok(turn)) = timeout(TURN_MAX, Arc::clone(&console.uploading).acquire_owned()).await else {
        return Err(problem(Problem::Busy));
    };
    let (mut parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    let Ok(boundary) = multer::parse_boundary(kind) else { return Err(problem(Problem::Form)) };
    let bytes_max = if mutant::is(Mutant::FileOfAnySize) { u64::MAX / 2 } else { UPLOAD_BYTES_MAX as u64 };
    let limits = SizeLimit::new()
        .whole_stream(bytes_max + FORM_BYTES_MAX as u64)
        .per_field(UPLOAD_FIELD_BYTES_MAX as u64)
        .for_field("file", bytes_max);
    let constraints = Constraints::new().size_limit(limits);
    let form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let upload = match timeout(waited(UPLOAD_MAX), read_upload(form, Arc::new(turn))).await {
        Ok(Ok(upload)) => upload,
        Ok(Err(multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. })) => {
            return Err(problem(Problem::TooLarge));
        }
        Ok(Err(_)) => return Err(problem(Problem::Form)),
        Err(_) => return Err(problem(Problem::Slow)),
    };
    if !visitor.csrf.is(upload.field("csrf")) {
        return Err(refused("form without its token refused"));
    }
    parts.extensions.insert(upload);
    Ok(Request::from_parts(parts, Body::empty()))
}

/// How long a body is waited for that has to be whole within this time.
fn waited(within: Duration) -> Duration {
    if mutant::is(Mutant::BodyWaitedFor) { within * 100 } else { within }
}

/// Of fields of one name the last counts.
async fn read_upload(
    mut form: Multipart<'_>,
    turn: Arc<OwnedSemaphorePermit>,
) -> Result<Upload, multer::Error> {
    let mut upload =
        Upload { fields: BTreeMap::new(), name: String::new(), bytes: Bytes::new(), _turn: turn };
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or("").to_owned();
        if name == "file" {
            upload.name = field.file_name().unwrap_or("").to_owned();
            upload.bytes = field.bytes().await?;
        } else {
            upload.fields.insert(name, field.text().await?);
        }
    }
    Ok(upload)
}

/// By the Origin where the browser says it, which it does for every form; else by Sec-Fetch-Site. Without both: no.
fn is_from_here(console: &Console, headers: &HeaderMap) -> bool {
    if mutant::is(Mutant::FormFromElsewhere) {
        return true;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let fetched = text(HeaderName::from_static("sec-fetch-site"));
    if fetched.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => {
            let scheme = if console.settings.tls.is_some() { "https" } else { "http" };
            origin == format!("{scheme}://{host}")
        }
        (None, _) => fetched.is_some(),
        (Some(_), None) => false,
    }
}

/// The address that is listened on, `localhost` on loopback, and the names of the configuration; with any port.
fn is_known_host(console: &Console, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let settings = &console.settings;
    let ip = settings.listen.ip();
    let address = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    name == address
        || mutant::is(Mutant::HostNotLookedAt)
        || (ip.is_loopback() && name.eq_ignore_ascii_case("localhost"))
        || settings.names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A cookie by its name.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}
