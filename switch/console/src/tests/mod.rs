//! The console as a browser meets it: a house with people, a switch and a log, and browsers at addresses.

#![allow(clippy::unwrap_used)]

mod attacks;
mod cases;
mod files;
mod pages;
mod told;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use processor::{Day, Kind, TxKey};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app::{CITIZENS_AN_HOUR_MAX, Clock, Console, NUMBERS_AN_HOUR_MAX};
use crate::gate::{ADDRESS_FAILURES_FREE, FAILURES_FREE, WAIT_MS_MIN};
use crate::guard::Peer;
use crate::pages::router;
use crate::password::PasswordHash;
use crate::people::{By, Person};
use crate::switch::{Asking, Switch};
use crate::testing::{LogOf, Use, data_keys, number, settings};
use crate::{Password, People, Role};

const PASSWORD: &str = "a lamp by the river";
const BY: By<'static> = By { who: "uid 1000", from: "command line", at_ms: 1_777_856_400_000 };

#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for Arc<TestClock> {
    fn wall_ms(&self) -> i64 {
        1_777_860_000_000 + self.0.load(Ordering::Relaxed) as i64
    }

    fn mono_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A switch that says what a quiet one says, and remembers what it is told.
#[derive(Default)]
struct TestSwitch {
    resolved: Mutex<Vec<(TxKey, String, String)>>,
    gone: bool,
}

impl Switch for TestSwitch {
    fn status(&self) -> Asking {
        let gone = self.gone;
        Box::pin(async move {
            if gone {
                return Err("the switch is stopping".to_owned());
            }
            Ok(
                json!({ "business_day": "2026-05-04", "requests_in_flight": 3, "reversals_open": 1, "suspense_open": 0,
                "terminal_links_up": 12, "banks_ready": ["970418"], "disk_full": false, "registry_left_alone": false,
                "crl_stale": [], "saf": [{ "bank": "970415", "ready": false, "reversals": 1, "resting": 1,
                "oldest_age_ms": 700_000, "last_error": { "error": "silent", "code": null } }] }),
            )
        })
    }

    fn resolve(&self, key: TxKey, by: &str, why: &str) -> Asking {
        self.resolved.lock().unwrap().push((key, by.to_owned(), why.to_owned()));
        Box::pin(async { Ok(json!({ "ok": true })) })
    }

    fn cut_over(&self, day: Day, by: &str) -> Asking {
        let by = by.to_owned();
        Box::pin(async move {
            if day.yyyymmdd() > 20_260_505 {
                Err(format!("{day} is too far away for {by}"))
            } else {
                Ok(json!({}))
            }
        })
    }

    fn metrics(&self) -> String {
        String::new()
    }
}

/// A console with one person of each role, named as the role is in short.
struct House {
    pages: Router,
    console: Arc<Console>,
    clock: Arc<TestClock>,
    log: LogOf,
    _dir: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    location: String,
    cookie: String,
    policy: String,
    page: String,
}

/// A browser at an address.
#[derive(Clone)]
struct Browser<'a> {
    house: &'a House,
    address: IpAddr,
    agent: &'static str,
    cookie: String,
    csrf: String,
}

impl House {
    fn new() -> House {
        House::with(TestSwitch::default())
    }

    fn with(switch: TestSwitch) -> House {
        let dir = tempfile::tempdir().unwrap();
        let log = LogOf::uses(&[
            Use { stan: 1, amount_minor: 500_000, ..Use::default() },
            Use { stan: 2, citizen: 7, reversed: true, ..Use::default() },
            Use { stan: 3, declined: true, amount_minor: 3_000_000, ..Use::default() },
            Use { stan: 4, kind: Kind::Verification, ..Use::default() },
        ]);
        let clock = Arc::new(TestClock::default());
        let settings = crate::Settings { dir: dir.path().to_owned(), ..settings() };
        let console =
            Console::new(settings, data_keys(), log.reader(), Arc::new(switch), Box::new(Arc::clone(&clock)));
        let password = PasswordHash::make(&Password::new(PASSWORD.to_owned())).unwrap();
        let roles =
            [("lan", Role::Clerk), ("minh", Role::Checker), ("oanh", Role::Operator), ("an", Role::Auditor)];
        let people = roles.map(|(name, role)| Person {
            name: name.to_owned(),
            full_name: format!("Full name of {role}"),
            roles: vec![role],
            disabled: false,
            password: password.clone(),
        });
        People::plant(dir.path(), people.to_vec());
        House { pages: router(Arc::clone(&console)), console, clock, log, _dir: dir }
    }

    fn browser(&self, last: u8) -> Browser<'_> {
        let address = IpAddr::from([10, 0, 0, last]);
        Browser { house: self, address, agent: "browser", cookie: String::new(), csrf: String::new() }
    }

    async fn logged_in(&self, name: &str) -> Browser<'_> {
        let mut browser = self.browser(1);
        let answer = browser.log_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.page);
        browser
    }

    fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    /// What the audit says, `who act on`.
    fn acts(&self) -> Vec<String> {
        let entries = self.console.audit.read().unwrap();
        entries.iter().map(|entry| format!("{} {} {}", entry.who, entry.act, entry.on)).collect()
    }

    fn evidence(&self, stan: u32) -> String {
        format!("/evidence?key={}", crate::pages::problem::encoded(&self.log.key(stan).to_string()))
    }

    fn key(&self, stan: u32) -> String {
        crate::pages::problem::encoded(&self.log.key(stan).to_string())
    }
}

impl Browser<'_> {
    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "127.0.0.1:8600");
        let request = request.header(header::USER_AGENT, self.agent).extension(Peer(self.address));
        if self.cookie.is_empty() { request } else { request.header(header::COOKIE, &self.cookie) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.house.pages.clone().oneshot(request).await.unwrap();
        let text =
            |name| response.headers().get(name).map_or(String::new(), |it| it.to_str().unwrap().to_owned());
        let (status, location, cookie) =
            (response.status(), text(header::LOCATION), text(header::SET_COOKIE));
        let policy = text(header::CONTENT_SECURITY_POLICY);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, location, cookie, policy, page: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    /// As the console's own pages send a form.
    async fn post(&self, path: &str, fields: &str) -> Answer {
        self.post_from("http://127.0.0.1:8600", path, &format!("csrf={}&{fields}", self.csrf)).await
    }

    async fn post_from(&self, origin: &str, path: &str, fields: &str) -> Answer {
        let request = self.request("POST", path).header(header::ORIGIN, origin);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(fields.to_owned())).unwrap()).await
    }

    /// As the console's own page hands in a file.
    async fn load(&self, fields: &[(&str, &str)], file: &[u8]) -> Answer {
        self.load_named("bank.csv", fields, file).await
    }

    async fn load_named(&self, name: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
        self.load_body(Body::from(form_data(&self.csrf, fields, name, file))).await
    }

    async fn load_body(&self, body: Body) -> Answer {
        let request = self.request("POST", "/load").header(header::ORIGIN, "http://127.0.0.1:8600");
        let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge");
        self.send(request.body(body).unwrap()).await
    }

    async fn log_in(&mut self, name: &str, password: &str) -> Answer {
        let fields = format!("name={name}&password={}", password.replace(' ', "+"));
        let answer = self.post_from("http://127.0.0.1:8600", "/log-in", &fields).await;
        if let Some((cookie, _)) = answer.cookie.split_once(';').filter(|_| answer.status.is_redirection()) {
            self.cookie = cookie.to_owned();
            let page = self.get("/account").await.page;
            let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
            self.csrf = rest[..64].to_owned();
        }
        answer
    }

    /// The waiting file's id on a preview.
    fn id_on(page: &str) -> String {
        let (_, rest) = page.split_once("name=\"id\" value=\"").expect(page);
        rest[..32].to_owned()
    }

    async fn is_in(&self) -> bool {
        self.get("/account").await.status == StatusCode::OK
    }
}

/// Fields of a form and a file, as RFC 7578 has them.
fn form_data(csrf: &str, fields: &[(&str, &str)], name: &str, file: &[u8]) -> Vec<u8> {
    let field = |(name, value): &(&str, &str)| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut body = field(&("csrf", csrf)) + &fields.iter().map(field).collect::<String>();
    body += &format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n");
    body += "Content-Type: text/csv\r\n\r\n";
    [body.as_bytes(), file, b"\r\n--edge--\r\n"].concat()
}

/// A body of which nothing ever comes.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

/// A house where files are taken and cases worked on.
fn with_desk(uses: &[Use]) -> House {
    with_desk_over(LogOf::uses(uses))
}

fn with_desk_over(log: LogOf) -> House {
    with_desk_that_reads(log, None)
}

/// As [`with_desk_over`], where one page reads for so long.
fn with_desk_that_reads(log: LogOf, reading_max: Option<std::time::Duration>) -> House {
    let house = House::new();
    let desk = crate::DeskSettings {
        rows: Arc::new(exchange::InProcess),
        dir: house.console.settings.dir.join("desk"),
        calendar: reconciliation::calendar::Calendar::default(),
        rules: reconciliation::Rules::default(),
        fees: reconciliation::FeeTable::default(),
        due: casework::DueRules::default(),
    };
    let settings = crate::Settings { desk: Some(desk), ..house.console.settings.clone() };
    let switch = Arc::new(TestSwitch::default());
    let mut console =
        Console::new(settings, data_keys(), log.reader(), switch, Box::new(Arc::clone(&house.clock)));
    let days = &mut Arc::get_mut(&mut console).unwrap().days;
    days.reading_max = reading_max.unwrap_or(days.reading_max);
    House { pages: router(Arc::clone(&console)), console, log, ..house }
}

/// So late that nothing of the log is under way any more, seconds since 1970.
const LATE_S: i64 = 4_000_000_000;

/// A house whose log has a transaction of which nobody knows how it ended: an exception without any file.
fn with_a_case() -> (House, String) {
    let house = with_desk(&[
        Use { stan: 1, bare: true, ..Use::default() },
        Use { stan: 2, amount_minor: 500_000, ..Use::default() },
    ]);
    let seen = house.console.days.see(&house.console.log, LATE_S).unwrap().unwrap();
    let [row] = seen.rows.as_slice() else { panic!("{:?}", seen.rows) };
    let of = row.exception.case.of;
    (house, format!("{:x}-{}-switch", of.file, of.line))
}

impl House {
    fn state(&self) -> String {
        let seen = self.console.days.see(&self.console.log, LATE_S).unwrap().unwrap();
        seen.rows.first().map_or("none".to_owned(), |row| row.state().name().to_owned())
    }

    /// The act that proposed what stands at the only case.
    fn proposal(&self) -> String {
        let seen = self.console.days.see(&self.console.log, LATE_S).unwrap().unwrap();
        let proposal = seen.rows.first().and_then(|row| row.case.proposal.as_ref());
        format!("proposal={}", proposal.map_or(0, |proposal| proposal.act))
    }
}

/// A house with a day that does not agree: of five withdrawals the bank has posted the first, whose machine says that no cash left.
fn with_a_day() -> House {
    let uses = [1, 2, 3, 4, 5].map(|stan| Use { stan, ..Use::default() });
    let house = with_desk(&uses);
    let rrn = String::from_utf8(house.log.rrn(1).0.to_vec()).unwrap();
    let line = format!("2026-05-04 08:00:01,2000000,D,{rrn},HN000001,,,,,");
    let journal = format!(
        "terminal,day,rrn,stan,sequence,at,requested,moved,currency,outcome\n\
         HN000001,2026-05-04,{rrn},000001,,2026-05-04 08:00:09,2000000,0,704,none\n"
    );
    let bank = "970415".parse().ok();
    house.hand_in(exchange::FileKind::Postings, bank, &postings(&[&line], "1,2000000"));
    house.hand_in(exchange::FileKind::Journal, None, journal.as_bytes());
    house
}

impl House {
    /// The same, whose exports of transactions go so far.
    fn reaching(self, reach: crate::search::Reach) -> House {
        let House { pages, mut console, clock, log, _dir } = self;
        drop(pages);
        Arc::get_mut(&mut console).unwrap().export_reach = reach;
        House { pages: router(Arc::clone(&console)), console, clock, log, _dir }
    }

    /// Takes a file of the day as the command line does.
    fn hand_in(&self, kind: exchange::FileKind, bank: Option<processor::Institution>, bytes: &[u8]) {
        let key = exchange::FileKey { kind, bank, terminal: None, day: crate::testing::day(), part: 1 };
        let (at_ms, who, from) = (5, "uid 1000", "command line");
        let arrival = casework::Arrival { bytes, key, layout: None, parts: 1, at_ms, who, from };
        self.console.days.desk().unwrap().take(&arrival).unwrap();
    }

    /// Of each case of a kind: what a choice of it sends, where it stands and whose it is.
    fn cases(&self, kind: &str) -> Vec<(String, String, Option<String>)> {
        let seen = self.console.days.see(&self.console.log, LATE_S).unwrap().unwrap();
        let of_kind = seen.rows.iter().filter(|row| row.exception.kind.name() == kind);
        let told = of_kind.map(|row| {
            let case = crate::pages::case_text(row.exception.case);
            let proposal = row.case.proposal.as_ref();
            let pick = proposal.map_or(case.clone(), |proposal| format!("{case}~{}", proposal.act));
            (pick, row.state().name().to_owned(), row.case.owner.clone())
        });
        told.collect()
    }

    /// The fields that choose all cases of a kind.
    fn picks(&self, kind: &str) -> String {
        self.cases(kind).iter().map(|(pick, ..)| format!("case={pick}&")).collect()
    }

    fn acts_on_cases(&self) -> usize {
        self.console.days.desk().unwrap().acts().read().unwrap().1.len()
    }
}

const POSTINGS_OF_THE_DAY: [(&str, &str); 5] =
    [("kind", "postings"), ("bank", "970415"), ("day", "2026-05-04"), ("part", "1"), ("parts", "1")];

/// A bank's file in the normal form; so many lines and so much by its trailer.
fn postings(lines: &[&str], trailer: &str) -> Vec<u8> {
    let head = "at,amount,direction,rrn,terminal,stan,sequence,day,currency,count";
    format!("{head}\n{}\nTRAILER,{trailer}\n", lines.join("\n")).into_bytes()
}
