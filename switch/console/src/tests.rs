//! The console as a browser meets it: each page, and each attack of the clerk's row of docs/security.md.

#![allow(clippy::unwrap_used)]

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
        self.load_body(Body::from(form_data(&self.csrf, fields, file))).await
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

#[tokio::test]
async fn every_page_comes_in_both_languages_with_a_strict_policy() {
    let house = House::new();
    let mut browser = house.logged_in("an").await;
    let evidence = house.evidence(1);
    for path in [
        "/day",
        "/totals",
        "/live",
        "/transactions",
        evidence.as_str(),
        "/people",
        "/audit",
        "/account",
        "/nowhere",
    ] {
        let vietnamese = browser.get(path).await;
        let session = browser.cookie.clone();
        browser.cookie = format!("{session}; language=en");
        let english = browser.get(path).await;
        browser.cookie = session;
        assert!(
            vietnamese.page.contains("lang=\"vi\"") && english.page.contains("<html lang=\"en\""),
            "{path}"
        );
        for (answer, word) in [(&vietnamese, "Đăng xuất"), (&english, "Log out")] {
            assert!(answer.page.contains(word), "{path}: {word}");
            assert!(
                answer.policy.contains("default-src 'none'") && answer.policy.contains("script-src 'self'")
            );
            assert!(!answer.page.contains("style=\"") && !answer.page.contains("onclick"), "{path}: inline");
            assert_eq!(answer.page.matches("<script").count(), 1, "{path}");
        }
        let expected = if path == "/nowhere" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(english.status, expected, "{path}");
    }
}

#[tokio::test]
async fn transactions_are_found_shown_and_exported_as_filtered() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let all = browser.get("/transactions").await.page;
    for part in ["500.000\u{a0}₫", "2.000.000\u{a0}₫", "Đã hoàn trả", "04/05/2026 08:0", "970499*********"]
    {
        assert!(all.contains(part), "{part}");
    }
    assert_eq!(all.matches("data-row").count(), 3);
    let declined = browser.get("/transactions?state=DECLINED").await.page;
    assert_eq!(declined.matches("data-row").count(), 1);
    let csv = browser.get("/transactions.csv?state=DECLINED").await.page;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(lines[1].contains(",3000000,") && lines[1].contains(",51,"), "{csv}");
    assert!(house.acts().iter().any(|act| act.contains("transactions exported ?state=DECLINED")));
    let key = browser.get(&format!("/transactions?q={}", house.key(1))).await;
    assert_eq!((key.status, key.location), (StatusCode::SEE_OTHER, house.evidence(1)));
    let nonsense = browser.get("/transactions?q=seventeen").await.page;
    assert!(nonsense.contains("Không hiểu “seventeen”") && !nonsense.contains("data-row"));
}

#[tokio::test]
async fn a_switch_that_does_not_answer_is_told_and_the_log_can_still_be_searched() {
    let house = House::with(TestSwitch { gone: true, ..TestSwitch::default() });
    let browser = house.logged_in("lan").await;
    let live = browser.get("/live").await;
    assert_eq!(live.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(live.page.contains("the switch is stopping") && live.page.contains("Không làm được"));
    assert_eq!(browser.get("/transactions").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_session() {
    let house = House::new();
    let browser = house.browser(1);
    for path in [
        "/live",
        "/live/part",
        "/day",
        "/totals",
        "/totals.csv",
        "/transactions",
        "/transactions.csv",
        "/people",
        "/audit",
        "/audit.csv",
        "/load",
        "/load/rejects.csv",
        "/workbench",
        "/totals/file",
        "/",
    ] {
        let answer = browser.get(path).await;
        assert!(answer.location.starts_with("/log-in?"), "{path}: {answer:?}");
    }
    for path in [
        "/evidence/number",
        "/people/disabled",
        "/transactions/citizen",
        "/log-out",
        "/account",
        "/load",
        "/load/take",
        "/load/mapping",
        "/exceptions/act",
        "/views/keep",
        "/views/forget",
        "/workbench/act",
        "/day/close",
        "/day/settle",
    ] {
        let answer = browser.post(path, "name=lan&disabled=true").await;
        assert!(answer.location.starts_with("/log-in?"), "{path}: {answer:?}");
    }
    assert!(!house.console.people.get("lan").unwrap().unwrap().disabled);
}

#[tokio::test]
async fn totals_are_shown_and_exported_element_by_element() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let day = browser.get("/day").await.page;
    assert!(day.contains("04/05/2026") && day.contains("Đang mở") && day.contains("500.000\u{a0}₫"), "{day}");
    assert!(!day.contains("/day/cutover"), "a clerk opens no day");
    let totals = browser.get("/totals?day=2026-05-04").await.page;
    for part in ["VietinBank (970415)", "Quyết toán ròng", "2.500.000\u{a0}₫", "2.000.000\u{a0}₫"] {
        assert!(totals.contains(part), "{part}");
    }
    let csv = browser.get("/totals.csv?day=2026-05-04").await.page;
    for line in
        ["2026-05-04,970415,88,Ghi nợ; số tiền,2500000", "2026-05-04,970415,97,Quyết toán ròng,500000"]
    {
        assert!(csv.lines().any(|it| it == line), "{line}\n{csv}");
    }
    assert_eq!(browser.get("/totals?day=2020-01-01").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_opens_the_next_day_and_is_told_when_it_is_refused() {
    let house = House::new();
    let browser = house.logged_in("oanh").await;
    let day = browser.get("/day").await.page;
    assert!(day.contains("name=\"day\" value=\"2026-05-05\""), "{day}");
    assert_eq!(browser.post("/day/cutover", "day=2026-05-05").await.location, "/day?done=2026-05-05");
    assert_eq!(house.acts().pop().as_deref(), Some("oanh cutover asked for 2026-05-05"));
    let far = browser.post("/day/cutover", "day=2026-09-01").await;
    assert_eq!(far.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(far.page.contains("2026-09-01 is too far away for oanh"), "{}", far.page);
    assert_eq!(browser.post("/day/cutover", "day=tomorrow").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Fields of a form and a file, as RFC 7578 has them.
fn form_data(csrf: &str, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let field = |(name, value): &(&str, &str)| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut body = field(&("csrf", csrf)) + &fields.iter().map(field).collect::<String>();
    body += "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bank.csv\"\r\n";
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
    let house = House::new();
    let desk = crate::DeskSettings {
        sheets: Arc::new(exchange::InProcess),
        dir: house.console.settings.dir.join("desk"),
        calendar: reconciliation::calendar::Calendar::default(),
        rules: reconciliation::Rules::default(),
        fees: reconciliation::FeeTable::default(),
        due: casework::DueRules::default(),
    };
    let settings = crate::Settings { desk: Some(desk), ..house.console.settings.clone() };
    let switch = Arc::new(TestSwitch::default());
    let console =
        Console::new(settings, data_keys(), log.reader(), switch, Box::new(Arc::clone(&house.clock)));
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

#[tokio::test]
async fn an_exception_is_worked_to_its_end_by_two_people_and_each_act_is_kept() {
    let (house, id) = with_a_case();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let list = clerk.get("/exceptions").await.page;
    assert!(list.contains("Chưa rõ kết quả") && list.contains(&format!("/case?id={id}")), "{list}");
    let act = |act: &str, more: &str| format!("id={id}&act={act}&{more}");
    for (fields, state) in [
        (act("take", ""), "open"),
        (act("note", "text=called+the+branch"), "open"),
        (act("dispute", "text=the+bank+is+silent"), "disputed"),
        (act("propose", "resolution=refund&amount=2.000.000&text=cassettes+counted"), "proposed"),
    ] {
        let answer = clerk.post("/case/act", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{fields}: {}", answer.page);
        assert_eq!(house.state(), state, "{fields}");
    }
    let approvals = checker.get("/approvals").await.page;
    assert_eq!(approvals.matches("data-row").count(), 1);
    assert_eq!(
        checker
            .post("/case/act", &act("reject", &format!("{}&text=count+again", house.proposal())))
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(house.state(), "open");
    clerk.post("/case/act", &act("propose", "resolution=refund&amount=2000000&text=counted+again")).await;
    let page = checker.get(&format!("/case?id={id}")).await.page;
    let proposal = house.proposal();
    let field = format!("name=\"proposal\" value=\"{}\"", proposal.trim_start_matches("proposal="));
    assert!(page.contains(&field), "{page}");
    assert_eq!(checker.post("/case/act", &act("approve", &proposal)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(house.state(), "resolved");
    assert_eq!(clerk.get("/exceptions").await.page.matches("data-row").count(), 0, "nothing is open");
    let case = clerk.get(&format!("/case?id={id}")).await.page;
    for part in ["called the branch", "Hoàn tiền cho công dân, 2.000.000\u{a0}₫", "Người duyệt", "10.0.0.1"]
    {
        assert!(case.contains(part), "{part}");
    }
    let csv = clerk.get("/exceptions.csv?state=all").await.page;
    assert!(csv.lines().nth(1).is_some_and(|line| line.starts_with("2026-05-04,")), "{csv}");
    let back = clerk.post("/case/act", &act("reopen", "text=found+it")).await;
    assert_eq!((back.status, house.state().as_str()), (StatusCode::SEE_OTHER, "proposed"), "{}", back.page);
    let case = checker.get(&format!("/case?id={id}")).await.page;
    assert!(case.contains("Huỷ bút toán đã ghi, −2.000.000\u{a0}₫"), "{case}");
    let undone = checker.post("/case/act", &act("approve", &house.proposal())).await;
    assert_eq!((undone.status, house.state().as_str()), (StatusCode::SEE_OTHER, "open"), "{}", undone.page);
}

/// Attack: the maker puts another proposal under the checker's click.
#[tokio::test]
async fn a_checker_approves_what_the_page_showed_or_nothing() {
    let (house, id) = with_a_case();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let propose = |amount: &str| format!("id={id}&act=propose&resolution=refund&amount={amount}&text=x");
    clerk.post("/case/act", &propose("1000")).await;
    let seen = house.proposal();
    clerk.post("/case/act", &format!("id={id}&act=reopen&text=wrong")).await;
    clerk.post("/case/act", &propose("9000000")).await;
    for proposal in [seen.as_str(), ""] {
        let swapped = checker.post("/case/act", &format!("id={id}&act=approve&{proposal}")).await;
        assert_eq!(swapped.status, StatusCode::UNPROCESSABLE_ENTITY, "{proposal}");
        assert_eq!(house.state(), "proposed", "{proposal}");
    }
}

/// Attack: maker = checker.
#[tokio::test]
async fn a_maker_never_checks_whatever_the_roles_and_the_try_is_recorded() {
    let (house, id) = with_a_case();
    let checker = house.logged_in("minh").await;
    let propose = format!("id={id}&act=propose&resolution=refund&amount=2000000&text=mine");
    assert_eq!(checker.post("/case/act", &propose).await.status, StatusCode::SEE_OTHER);
    let page = checker.get(&format!("/case?id={id}")).await.page;
    assert!(
        !page.contains("value=\"approve\"") && page.contains("người khác phải duyệt"),
        "no button is offered"
    );
    for act in ["approve", "reject"] {
        let fields = format!("id={id}&act={act}&text=mine&{}", house.proposal());
        let refused = checker.post("/case/act", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{act}");
        assert!(house.acts().pop().unwrap().starts_with("minh refused: maker is never checker"), "{act}");
    }
    let clerk = house.logged_in("lan").await;
    let jump = clerk.post("/case/act", &format!("id={id}&act=approve")).await;
    assert_eq!(jump.status, StatusCode::FORBIDDEN);
    for name in ["oanh", "an"] {
        let browser = house.logged_in(name).await;
        let jump = browser.post("/case/act", &format!("id={id}&act=note&text=x")).await;
        assert_eq!(jump.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(house.state(), "proposed");
}

#[tokio::test]
async fn what_is_no_case_or_no_act_changes_nothing() {
    let (house, id) = with_a_case();
    let clerk = house.logged_in("lan").await;
    for (fields, status) in [
        (format!("id={id}&act=propose&resolution=refund&amount=0&text=x"), StatusCode::UNPROCESSABLE_ENTITY),
        (
            format!("id={id}&act=propose&resolution=refund&amount=two&text=x"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (format!("id={id}&act=note&text="), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("id={id}&act=delete"), StatusCode::UNPROCESSABLE_ENTITY),
        ("id=0-77-bank&act=note&text=x".to_owned(), StatusCode::NOT_FOUND),
        ("id=x&act=note&text=x".to_owned(), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(clerk.post("/case/act", &fields).await.status, status, "{fields}");
    }
    let without = House::new();
    let browser = without.logged_in("lan").await;
    assert_eq!(browser.get("/exceptions").await.status, StatusCode::NOT_FOUND);
    assert!(!browser.get("/day").await.page.contains("/exceptions"));
    assert_eq!(house.state(), "open");
}

#[tokio::test]
async fn the_open_day_is_not_closed_and_a_clerk_closes_none() {
    let (house, _) = with_a_case();
    let open = house.logged_in("minh").await.post("/day/close", "day=2026-05-04").await;
    assert_eq!(open.status, StatusCode::NOT_FOUND);
    let clerk = house.logged_in("lan").await.post("/day/close", "day=2026-05-04").await;
    assert_eq!(clerk.status, StatusCode::FORBIDDEN);
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

#[tokio::test]
async fn many_cases_are_worked_on_at_once_and_each_has_an_act_of_its_own() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let missing = "missing_at_bank";
    assert_eq!(house.cases(missing).len(), 4);
    let before = house.acts_on_cases();
    let act = |more: &str| format!("{}{more}&at=/exceptions%3Fkind%3D{missing}", house.picks(missing));
    let done = clerk.post("/exceptions/act", &act("act=assign&owner=minh")).await;
    assert_eq!(done.location, "/exceptions?kind=missing_at_bank&acted=4", "{}", done.page);
    assert!(clerk.get(&done.location).await.page.contains("Đã ghi lại cho 4 vụ việc"));
    assert!(house.cases(missing).iter().all(|(.., owner)| owner.as_deref() == Some("minh")));
    for more in
        ["act=take", "act=note&text=asked+the+bank", "act=propose&resolution=accept&text=posted+next+day"]
    {
        let done = clerk.post("/exceptions/act", &act(more)).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{more}: {}", done.page);
    }
    assert_eq!(house.acts_on_cases(), before + 4 * 4);
    let approvals = checker.get("/approvals").await.page;
    let pick = &house.cases(missing)[0].0;
    assert!(pick.contains('~') && approvals.contains(&format!("value=\"{pick}\"")), "{approvals}");
    let done = checker.post("/exceptions/act", &act("act=approve")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.page);
    assert!(house.cases(missing).iter().all(|(_, state, _)| state == "resolved"));
}

#[tokio::test]
async fn what_cannot_be_done_to_one_of_many_is_told_of_that_one_and_the_others_are_done() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let both = |house: &House| house.picks("missing_at_bank") + &house.picks("debited_not_dispensed");
    let refund = "act=propose&resolution=refund&text=no+cash+left&at=/exceptions";
    let left = clerk.post("/exceptions/act", &(both(&house) + refund)).await.page;
    assert!(left.contains("Đã ghi lại cho 1 vụ việc") && left.matches("data-row").count() == 4, "{left}");
    assert_eq!(left.matches("không đề xuất hoàn tiền hàng loạt").count(), 4);
    assert_eq!(house.cases("debited_not_dispensed")[0].1, "proposed");
    // One proposal is the checker's own.
    let (own, ..) = &house.cases("missing_at_bank")[0];
    let accept = format!("case={own}&act=propose&resolution=accept&text=x&at=/exceptions");
    assert_eq!(checker.post("/exceptions/act", &accept).await.status, StatusCode::SEE_OTHER);
    let picks =
        house.picks("debited_not_dispensed") + &format!("case={}&", house.cases("missing_at_bank")[0].0);
    let left = checker.post("/exceptions/act", &(picks + "act=approve&at=/approvals")).await.page;
    assert!(left.contains("Đã ghi lại cho 1 vụ việc") && left.contains("người khác phải duyệt"), "{left}");
    assert_eq!(house.cases("debited_not_dispensed")[0].1, "resolved");
    assert_eq!(house.cases("missing_at_bank")[0].1, "proposed");
    assert!(house.acts().pop().unwrap().starts_with("minh refused: maker is never checker"));
}

/// The list of what waits had amounts of log and bank alone: what was approved in bulk stood on no page.
#[tokio::test]
async fn a_checker_sees_of_each_proposal_what_it_comes_to_before_approving_many() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    for ((pick, ..), (amount, why)) in
        house.cases("missing_at_bank").iter().zip([("1230000", "posted+short"), ("456000", "branch+says+so")])
    {
        let fields = format!("id={pick}&act=propose&resolution=adjustment&amount={amount}&text={why}");
        let done = clerk.post("/case/act", &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.page);
    }
    let page = checker.get("/approvals").await.page;
    let rows: Vec<&str> = page.split("<tr data-row>").skip(1).collect();
    assert_eq!(rows.len(), 2, "{page}");
    for (amount, why) in [("1.230.000", "posted short"), ("456.000", "branch says so")] {
        let row = rows.iter().find(|row| row.contains(why)).unwrap();
        for shown in [amount, "Điều chỉnh giữa thành viên", "VietinBank (970415)", "970418", ">lan<"]
        {
            assert!(row.contains(shown), "{shown}: {row}");
        }
    }
}

/// A proposal of an exception that is not there any more, or that is another by now, was approved among the others.
#[tokio::test]
async fn what_is_gone_is_left_out_of_a_bulk_approval_and_said() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let missing = "missing_at_bank";
    let propose =
        format!("{}act=propose&resolution=accept&text=posted+next+day&at=/exceptions", house.picks(missing));
    assert_eq!(clerk.post("/exceptions/act", &propose).await.status, StatusCode::SEE_OTHER);
    let picks = house.picks(missing);
    // The bank's next file has the second withdrawal: what was missing is there.
    let rrn = String::from_utf8(house.log.rrn(2).0.to_vec()).unwrap();
    let line = format!("2026-05-04 08:01:01,2000000,D,{rrn},HN000001,,,,,");
    let key = exchange::FileKey {
        kind: exchange::FileKind::Postings,
        bank: "970415".parse().ok(),
        terminal: None,
        day: crate::testing::day(),
        part: 2,
    };
    let bytes = postings(&[&line], "1,2000000");
    let arrival = casework::Arrival {
        bytes: &bytes,
        key,
        layout: None,
        parts: 2,
        at_ms: 5,
        who: "uid 1000",
        from: "command line",
    };
    house.console.days.desk().unwrap().take(&arrival).unwrap();
    let gone = "Không bên nào còn nêu khác biệt này";
    assert_eq!(checker.get("/approvals").await.page.matches(gone).count(), 1);
    let left = checker.post("/exceptions/act", &(picks + "act=approve&at=/approvals")).await.page;
    assert!(left.contains("Đã ghi lại cho 3 vụ việc") && left.contains(gone), "{left}");
    assert_eq!(left.matches("data-row").count(), 1);
    let states: Vec<String> = house.cases(missing).into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states.iter().filter(|state| *state == "proposed").count(), 1, "{states:?}");
}

#[tokio::test]
async fn an_act_on_many_that_is_not_understood_or_not_allowed_does_nothing() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let before = house.acts_on_cases();
    let picks = house.picks("missing_at_bank");
    let many = picks.split('&').next().unwrap().to_owned() + "&";
    for fields in [
        "act=take".to_owned(),
        format!("{picks}act=delete"),
        format!("{picks}act=assign&owner=oanh"),
        format!("{picks}act=assign&owner=nobody"),
        format!("{picks}case=0-77-bank&act=take"),
        format!("{}act=take", many.repeat(101)),
    ] {
        let refused = clerk.post("/exceptions/act", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}: {}", refused.page);
    }
    for (name, fields) in [("lan", "act=approve"), ("oanh", "act=take"), ("an", "act=note&text=x")] {
        let refused = house.logged_in(name).await.post("/exceptions/act", &format!("{picks}{fields}")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name} {fields}");
    }
    assert_eq!(house.acts_on_cases(), before);
    assert!(!house.logged_in("an").await.get("/exceptions").await.page.contains("data-pick"));
}

#[tokio::test]
async fn a_line_is_laid_to_a_transaction_by_hand_and_parted_again() {
    let house = with_desk(&[Use::default(), Use { stan: 2, amount_minor: 500_000, ..Use::default() }]);
    // Without a reference, and of another amount: no rule lays it to anything.
    let file = postings(&["2026-05-04 08:00:01,1900000,D,,HN000001,,,,,"], "1,1900000");
    house.hand_in(exchange::FileKind::Postings, "970415".parse().ok(), &file);
    let clerk = house.logged_in("lan").await;
    let bench = "/workbench?bank=970415&day=2026-05-04";
    let page = clerk.get("/workbench").await.page;
    assert!(page.contains("value=\"2026-05-04\""), "{page}");
    let page = clerk.get(bench).await.page;
    assert_eq!(page.matches("data-row").count(), 3, "{page}");
    assert!(page.contains("1.900.000\u{a0}₫") && page.contains("thiếu ở ngân hàng"), "{page}");
    let narrow = clerk.get(&format!("{bench}&terminal=HN000009")).await.page;
    assert_eq!(narrow.matches("data-row").count(), 0);
    let (_, rest) = page.split_once("name=\"line\" value=\"").unwrap();
    let line = rest.split('"').next().unwrap().to_owned();
    let place = "bank=970415&day=2026-05-04";
    let done = clerk.post("/workbench/act", &format!("{place}&ours=0-0&line={line}")).await;
    assert_eq!(done.location, format!("{bench}&done=1"), "{}", done.page);
    assert_eq!(house.cases("amount_under").len(), 1, "amounts that differ stay an exception");
    assert!(house.cases("missing_at_switch").is_empty());
    let page = clerk.get(bench).await.page;
    let pair = format!("value=\"{line}~0-0\"");
    assert!(page.contains(&pair) && page.contains("ghép bằng tay"), "{page}");
    let parted = clerk.post("/workbench/act", &format!("{place}&part={line}~0-0")).await;
    assert_eq!(parted.status, StatusCode::SEE_OTHER, "{}", parted.page);
    assert_eq!(house.cases("missing_at_switch").len(), 1);
    let before = house.acts_on_cases();
    for fields in [
        "ours=0-0".to_owned(),
        format!("line={line}"),
        format!("ours=0-0&ours=0-3&line={line}"),
        format!("ours=0-77&line={line}"),
        "ours=0-0&line=abc-1".to_owned(),
    ] {
        let refused = clerk.post("/workbench/act", &format!("{place}&{fields}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}: {}", refused.page);
    }
    let auditor = house.logged_in("an").await;
    let refused = auditor.post("/workbench/act", &format!("{place}&ours=0-0&line={line}")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!auditor.get(bench).await.page.contains("data-side"));
    assert_eq!(house.acts_on_cases(), before);
}

#[tokio::test]
async fn a_day_tells_which_files_are_here_and_what_is_open() {
    let house = with_a_day();
    let day = house.logged_in("lan").await.get("/day").await.page;
    for part in
        ["Tệp của ngày 04/05/2026", "href=\"/exceptions?day=2026-05-04\"", "Chưa có", "chưa xong theo tuổi"]
    {
        assert!(day.contains(part), "{part}: {day}");
    }
    assert!(!day.contains("Ngân hàng xác nhận"), "a log's first day has no cutover");
}

#[tokio::test]
async fn a_day_tells_who_has_acknowledged_its_cutover_and_who_has_not() {
    let next: Day = "2026-05-05".parse().unwrap();
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &[next]));
    let deed = casework::Deed::Acknowledge { bank: "970415".parse().unwrap(), day: next };
    let acts = house.console.days.desk().unwrap().acts();
    acts.act(1_777_860_060_000, "switch", "970415", deed).unwrap();
    let day = house.logged_in("lan").await.get("/day").await.page;
    assert!(day.contains("xác nhận chuyển sang ngày 05/05/2026"), "{day}");
    let (_, rest) = day.split_once("VietinBank (970415)</th><td>").unwrap();
    assert!(rest.contains("Đã xác nhận") && rest.contains("04/05/2026 09:01:00"), "{rest}");
    assert_eq!(day.matches("Chưa xác nhận").count(), 1, "BIDV has not");
}

#[tokio::test]
async fn what_members_claim_stands_beside_ours_and_what_differs_is_named() {
    let next: Day = "2026-05-05".parse().unwrap();
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &[next]));
    let clerk = house.logged_in("lan").await;
    let totals = "/totals?day=2026-05-04";
    assert!(!clerk.get(totals).await.page.contains("Thành viên báo"), "nobody claims anything");
    let acts = house.console.days.desk().unwrap().acts();
    for (bank, claimed) in [("970415", [(76, 1), (88, 2_500_000)]), ("970418", [(76, 0), (88, 0)])] {
        let day = "2026-05-04".parse().unwrap();
        let deed = casework::Deed::Claim { bank: bank.parse().unwrap(), day, claimed: claimed.into() };
        acts.act(1_777_950_000_000, "lan", "::1", deed).unwrap();
    }
    let page = clerk.get(totals).await.page;
    let (_, claims) = page.split_once("Thành viên báo").unwrap();
    for part in ["VietinBank (970415)", "88</span>", "2.000.000", "2.500.000", "500.000", "Khớp"] {
        assert!(claims.contains(part), "{part}: {claims}");
    }
    assert_eq!(claims.matches("76</span>").count(), 0, "what agrees is not listed");
}

/// Members' totals came in on the command line alone.
#[tokio::test]
async fn what_members_claim_is_handed_in_as_other_files_are() {
    let next: Day = "2026-05-05".parse().unwrap();
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &[next]));
    let clerk = house.logged_in("lan").await;
    let place = [("kind", "totals"), ("day", "2026-05-04"), ("part", "1")];
    assert!(clerk.get("/load").await.page.contains("<option value=\"totals\">Tổng của thành viên"));
    let wrong = clerk.load(&place, b"bank,element,value\n970415,88,two\nBIDV,76,1\n").await.page;
    for part in ["Dòng không đọc được", "không phải số nguyên", "không phải mã ngân hàng", "Tải danh sách"]
    {
        assert!(wrong.contains(part) && !wrong.contains("Nhận tệp"), "{part}: {wrong}");
    }
    let file = "bank,element,value\n970415,76,1\n970415,88,2500000\n970418,88,0\n";
    let shown = clerk.load(&place, file.as_bytes()).await.page;
    for part in ["VietinBank (970415)", "88 Ghi nợ, số tiền", "2.500.000\u{a0}₫", "Nhận tệp"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let acts = house.acts_on_cases();
    let taken = clerk.post("/load/take", &format!("id={}", Browser::id_on(&shown))).await;
    assert_eq!(taken.location, "/totals?day=2026-05-04&claimed=3", "{}", taken.page);
    assert_eq!(house.acts_on_cases(), acts + 2, "one for each bank");
    let page = clerk.get(&taken.location).await.page;
    let (_, claims) = page.split_once("Thành viên báo").unwrap();
    assert!(page.contains("Đã nhận tổng của thành viên: 3 phần tử"), "{page}");
    for part in ["2.000.000", "2.500.000", "Khớp"] {
        assert!(claims.contains(part), "{part}: {claims}");
    }
}

/// A citizen's number that a bank had written into its column of RRNs stood on every page that has one.
#[tokio::test]
async fn what_may_be_a_citizens_number_in_a_banks_column_of_rrns_is_masked() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let lines = [
        "2026-05-04 08:00:01,1900000,D,001203000017,HN000001,,,,,",
        "2026-05-04 08:00:01,1800000,D,612400000099,HN000001,,,,,",
    ];
    let shown = clerk.load(&POSTINGS_OF_THE_DAY, &postings(&lines, "2,3700000")).await.page;
    let take = format!("id={}", Browser::id_on(&shown));
    assert_eq!(clerk.post("/load/take", &take).await.status, StatusCode::SEE_OTHER);
    let cases = house.cases("missing_at_switch");
    let case = format!("/case?id={}", cases[0].0);
    let propose =
        format!("id={}&act=propose&resolution=adjustment&amount=5&acquirer=970418&text=x", cases[0].0);
    let proposed = clerk.post("/case/act", &propose).await;
    assert_eq!(proposed.status, StatusCode::SEE_OTHER, "{}", proposed.page);
    let list = clerk.get("/exceptions").await.page;
    let csv = clerk.get("/exceptions.csv").await.page;
    let bench = clerk.get("/workbench?bank=970415&day=2026-05-04").await.page;
    for (name, page) in [("preview", &shown), ("list", &list), ("csv", &csv), ("bench", &bench)] {
        assert!(page.contains("********0017") && page.contains("612400000099"), "{name}: {page}");
        assert!(!page.contains("001203000017"), "{name}");
    }
    let case = clerk.get(&case).await.page;
    assert!(case.contains("********0017") && !case.contains("001203000017"), "{case}");
    // Acts write a reference as the numbers of its characters.
    let acts = std::fs::read_to_string(house.console.settings.dir.join("desk/casework.jsonl")).unwrap();
    assert!(!acts.contains("001203000017") && !acts.contains("48,48,49,50,48,51"), "{acts}");
}

#[tokio::test]
async fn a_closed_day_has_its_files_and_is_settled_once_by_a_checker() {
    let next: Day = "2026-05-05".parse().unwrap();
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &[next]));
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let file = "/totals/file?day=2026-05-04&bank=970415&form=";
    let totals = "/totals?day=2026-05-04";
    assert!(!clerk.get(totals).await.page.contains("/totals/file"));
    assert_eq!(
        clerk.get(&format!("{file}settlement")).await.status,
        StatusCode::NOT_FOUND,
        "it may still change"
    );
    let early = checker.post("/day/settle", "day=2026-05-04").await;
    assert_eq!(early.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", early.page);
    assert_eq!(checker.post("/day/close", "day=2026-05-04").await.location, "/day?closed=2026-05-04");
    let page = clerk.get(totals).await.page;
    assert!(
        page.contains("form=settlement") && page.contains("form=camt053") && !page.contains("/day/settle")
    );
    // Files were offered for issuers alone: the bank whose machine it was has some too.
    assert!(page.contains("bank=970415&amp;form=") || page.contains("bank=970415&#38;form="), "{page}");
    assert!(page.contains("bank=970418&amp;form=") || page.contains("bank=970418&#38;form="), "{page}");
    let text = clerk.get(&format!("{file}settlement")).await.page;
    assert!(text.starts_with("H|ATM-SETTLEMENT|2|switch-1|970415|2026-05-04|704\n"), "{text}");
    assert!(
        text.contains("|2000000|")
            && text.lines().last().is_some_and(|line| line.starts_with("T|1|2000000|"))
    );
    assert_eq!(clerk.get(&format!("{file}settlement")).await.page, text, "the same, byte for byte");
    assert_eq!(house.acts().pop().unwrap(), "lan bank's file exported settlement-970415-2026-05-04.txt");
    for (form, root) in [("camt053", "BkToCstmrStmt"), ("camt054", "BkToCstmrDbtCdtNtfctn")] {
        let xml = clerk.get(&format!("{file}{form}")).await.page;
        assert!(xml.contains(root), "{form}: {xml}");
    }
    assert_eq!(clerk.get(&format!("{file}ledger")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(clerk.post("/day/settle", "day=2026-05-04").await.status, StatusCode::FORBIDDEN);
    let settled = checker.post("/day/settle", "day=2026-05-04").await;
    assert_eq!(settled.location, "/totals?day=2026-05-04&settled=1", "{}", settled.page);
    let page = checker.get(&settled.location).await.page;
    assert!(page.contains("Đã quyết toán") && !page.contains("action=\"/day/settle\""), "{page}");
    assert_eq!(checker.post("/day/settle", "day=2026-05-04").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn filters_are_kept_by_name_for_the_person_alone() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let at = "/exceptions?kind=missing_at_bank";
    let keep = |name: &str, at: &str| format!("name={name}&at={}", crate::pages::problem::encoded(at));
    assert_eq!(clerk.post("/views/keep", &keep("BIDV+thi%E1%BA%BFu", at)).await.location, at);
    let page = clerk.get("/exceptions").await.page;
    assert!(page.contains("href=\"/exceptions?kind=missing_at_bank\" data-key=\"1\""), "{page}");
    assert!(clerk.get(at).await.page.contains("aria-current=\"true\""));
    assert!(!checker.get("/exceptions").await.page.contains("BIDV thiếu"));
    for (name, at) in
        [("", at), ("x", "/people"), ("x", "//elsewhere.example"), ("x", "/transactions?citizen=00")]
    {
        let refused = clerk.post("/views/keep", &keep(name, at)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {at}");
    }
    clerk.post("/views/forget", &keep("BIDV+thi%E1%BA%BFu", at)).await;
    assert!(!clerk.get("/exceptions").await.page.contains("BIDV thiếu"));
}

const POSTINGS_OF_THE_DAY: [(&str, &str); 5] =
    [("kind", "postings"), ("bank", "970415"), ("day", "2026-05-04"), ("part", "1"), ("parts", "1")];

/// A bank's file in the normal form; so many lines and so much by its trailer.
fn postings(lines: &[&str], trailer: &str) -> Vec<u8> {
    let head = "at,amount,direction,rrn,terminal,stan,sequence,day,currency,count";
    format!("{head}\n{}\nTRAILER,{trailer}\n", lines.join("\n")).into_bytes()
}

#[tokio::test]
async fn a_file_is_shown_first_then_taken_whole_and_refused_the_second_time() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let form = clerk.get("/load").await.page;
    assert!(form.contains("value=\"2026-05-04\"") && form.contains("VietinBank (970415)"), "{form}");
    let file = postings(&["2026-05-04 08:00:01,2000000,D,,HN000001,,,,,"], "1,2000000");
    let shown = clerk.load(&POSTINGS_OF_THE_DAY, &file).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.page);
    for part in ["bank.csv", "04/05/2026 08:00:01", "2.000.000\u{a0}₫", "Nhận tệp", "HN000001"] {
        assert!(shown.page.contains(part), "{part}: {}", shown.page);
    }
    let files = || house.console.days.desk().unwrap().acts().read().unwrap().0.files().count();
    assert_eq!(files(), 0, "what is shown is not taken");
    let take = format!("id={}", Browser::id_on(&shown.page));
    let taken = clerk.post("/load/take", &take).await;
    assert_eq!((taken.location.as_str(), files()), ("/cash?taken=1&sum=2000000", 1), "{}", taken.page);
    let page = clerk.get(&taken.location).await.page;
    assert!(page.contains("Đã nhận tệp: 1 dòng, tổng 2.000.000\u{a0}₫"), "{page}");
    assert_eq!(clerk.post("/load/take", &take).await.status, StatusCode::NOT_FOUND, "it waits no longer");
    let again = clerk.load(&POSTINGS_OF_THE_DAY, &file).await.page;
    assert!(again.contains("Tệp trùng") && !again.contains("Nhận tệp"), "{again}");
    assert!(again.contains("tệp này đã được nhận cho ngày 2026-05-04, phần 1"), "{again}");
    let take = format!("id={}", Browser::id_on(&again));
    assert_eq!(clerk.post("/load/take", &take).await.location, "/cash?refused=duplicate_file");
    let exceptions = clerk.get("/exceptions?kind=duplicate_file").await.page;
    assert_eq!((files(), exceptions.matches("data-row").count()), (1, 1));
}

#[tokio::test]
async fn a_file_that_is_wrong_has_a_list_of_what_is_wrong_and_nothing_of_it_is_taken() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let lines =
        ["2026-05-04 08:00:01,2000000,D,,HN000001,,,,,", "2026-05-04 08:00:02,two,D,001203000017,,,,,,"];
    let shown = clerk.load(&POSTINGS_OF_THE_DAY, &postings(&lines, "2,4000000")).await.page;
    for part in [
        "Dòng không đọc được",
        "không phải số tiền",
        "<td class=\"code wrap\" data-label=\"Giá trị ở đó\">two",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("001203000017") && !shown.contains("Nhận tệp"), "{shown}");
    let id = Browser::id_on(&shown);
    let list = clerk.get(&format!("/load/rejects.csv?id={id}")).await.page;
    assert!(list.lines().nth(1).is_some_and(|line| line == "3,amount,two,không phải số tiền"), "{list}");
    let cut = clerk.load(&POSTINGS_OF_THE_DAY, &postings(&lines[..1], "2,2000000")).await.page;
    assert!(cut.contains("Sai tổng kiểm soát") && cut.contains("thật ra có 1 dòng"), "{cut}");
    assert_eq!(clerk.post("/load/take", &format!("id={id}")).await.location, "/cash?refused=unreadable_line");
    let (casework, acts) = house.console.days.desk().unwrap().acts().read().unwrap();
    assert_eq!((casework.files().count(), casework.refused().len(), acts.len()), (0, 1, 1));
}

#[tokio::test]
async fn journals_counters_and_a_banks_own_form_are_shown_as_they_are_read() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let mapping = "[postings]\nform = { csv = { delimiter = \";\", header = true } }\ndate_format = \"dd/mm/yyyy\"\n\
                   [postings.columns]\nat = \"Ngay\"\namount = \"So tien\"\n";
    let encoded = crate::pages::problem::encoded;
    let bad = clerk.post("/load/mapping", "name=core&text=postings+%3D+5").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", bad.page);
    let kept = clerk.post("/load/mapping", &format!("name=core&text={}", encoded(mapping))).await;
    assert_eq!(kept.location, "/load?kept=core", "{}", kept.page);
    let own = "Ngay;So tien\n04/05/2026 08:00:01;1500000\n";
    let journal = "terminal,day,rrn,stan,sequence,at,requested,moved,currency,outcome\n\
                   HN000001,2026-05-04,,000001,,2026-05-04 08:00:09,2000000,1700000,704,taken\n";
    let counters = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\n\
                    HN000001,2026-05-04,2026-05-04 18:00:00,2,500000,100,0,4,96\n";
    let with_layout = [POSTINGS_OF_THE_DAY.as_slice(), &[("layout", "core")]].concat();
    let machine = |kind| [("kind", kind), ("day", "2026-05-04"), ("part", "1")];
    for (fields, file, parts) in [
        (with_layout.as_slice(), own, ["1.500.000\u{a0}₫", "core"]),
        (&machine("journal"), journal, ["1.700.000\u{a0}₫", "000001"]),
        (&machine("counters"), counters, ["500.000\u{a0}₫", ">96<"]),
    ] {
        let shown = clerk.load(fields, file.as_bytes()).await.page;
        for part in parts {
            assert!(shown.contains(part) && shown.contains("Nhận tệp"), "{part}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_form_of_a_file_that_is_not_whole_is_shown_again() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let with = |name: &'static str, value: &'static str| {
        POSTINGS_OF_THE_DAY.map(|(known, old)| if known == name { (name, value) } else { (known, old) })
    };
    for (name, value, told) in [
        ("kind", "ledger", "Nội dung"),
        ("bank", "970499", "Ngân hàng"),
        ("day", "yesterday", "Ngày kinh doanh"),
        ("part", "0", "Phần"),
        ("parts", "0", "Trên tổng số phần"),
    ] {
        let again = clerk.load(&with(name, value), b"x").await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(again.page.contains(&format!("Không hiểu ô “{told}”")), "{name}: {}", again.page);
    }
    let empty = clerk.load(&POSTINGS_OF_THE_DAY, b"").await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// Attack: somebody else's file, or a file by somebody who hands in none.
#[tokio::test]
async fn a_file_that_waits_is_its_persons_alone_and_is_read_for_those_who_may_hand_it_in() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let file = postings(&["2026-05-04 08:00:01,2000000,D,,HN000001,,,,,"], "1,2000000");
    let id = Browser::id_on(&clerk.load(&POSTINGS_OF_THE_DAY, &file).await.page);
    let checker = house.logged_in("minh").await;
    assert_eq!(checker.post("/load/take", &format!("id={id}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(checker.get(&format!("/load/rejects.csv?id={id}")).await.status, StatusCode::NOT_FOUND);
    for name in ["oanh", "an"] {
        let browser = house.logged_in(name).await;
        assert_eq!(browser.get("/load").await.status, StatusCode::FORBIDDEN, "{name}");
        // It would wait for ever if a byte of it were wanted.
        assert_eq!(browser.load_body(Body::new(Endless)).await.status, StatusCode::FORBIDDEN, "{name}");
        assert!(house.acts().pop().unwrap().starts_with(&format!("{name} refused for want of a role")));
    }
    let stranger = Browser { csrf: "0".repeat(64), ..clerk.clone() };
    assert_eq!(stranger.load(&POSTINGS_OF_THE_DAY, &file).await.status, StatusCode::FORBIDDEN);
    assert!(house.acts().pop().unwrap().starts_with("lan form without its token refused"));
    house.pass(crate::WAITING_MS_MAX);
    let later = house.logged_in("lan").await;
    assert_eq!(later.post("/load/take", &format!("id={id}")).await.status, StatusCode::NOT_FOUND);
}

/// Attack: a body that never ends, or is endless.
#[tokio::test(start_paused = true)]
async fn a_form_or_file_that_does_not_come_or_is_too_large_is_dropped() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let form = clerk.request("POST", "/case/act").header(header::ORIGIN, "http://127.0.0.1:8600");
    let form = form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    // The clock stands still but for what is waited for.
    let began = tokio::time::Instant::now();
    let slow = clerk.send(form.body(Body::new(Endless)).unwrap()).await;
    assert_eq!((slow.status, began.elapsed().as_secs()), (StatusCode::REQUEST_TIMEOUT, 10));
    let slow = clerk.load_body(Body::new(Endless)).await;
    assert_eq!((slow.status, began.elapsed().as_secs()), (StatusCode::REQUEST_TIMEOUT, 10 + 120));
    let large = vec![b'x'; crate::UPLOAD_BYTES_MAX + 1];
    let too_large = clerk.load(&POSTINGS_OF_THE_DAY, &large).await;
    assert_eq!(too_large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long = format!("id=x&text={}", "x".repeat(100_000));
    assert_eq!(clerk.post("/case/act", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Attack: role jump.
#[tokio::test]
async fn a_role_cannot_be_jumped_and_each_try_is_recorded() {
    let house = House::new();
    let evidence = house.key(1);
    let number = format!("key={evidence}&why=x");
    let cases = [
        ("lan", "GET", "/people", ""),
        ("lan", "POST", "/day/cutover", "day=2026-05-05"),
        ("minh", "POST", "/day/cutover", "day=2026-05-05"),
        ("lan", "GET", "/audit", ""),
        ("lan", "GET", "/audit.csv", ""),
        ("lan", "POST", "/people/disabled", "name=minh&disabled=true"),
        ("lan", "POST", "/evidence/resolve", number.as_str()),
        ("minh", "POST", "/people/disabled", "name=lan&disabled=true"),
        ("oanh", "POST", "/evidence/number", number.as_str()),
        ("oanh", "POST", "/transactions/citizen", "number=001203000017"),
        ("oanh", "GET", "/audit", ""),
        ("an", "POST", "/people/disabled", "name=lan&disabled=true"),
        ("an", "POST", "/evidence/number", number.as_str()),
        ("an", "POST", "/evidence/resolve", number.as_str()),
    ];
    for (name, method, path, fields) in cases {
        let browser = house.logged_in(name).await;
        let answer = if method == "GET" { browser.get(path).await } else { browser.post(path, fields).await };
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name} {path}");
        assert!(
            answer.page.contains("Bạn không có quyền") && !answer.page.contains("001203000017"),
            "{name} {path}"
        );
        let last = house.acts().pop().unwrap();
        assert!(last.starts_with(&format!("{name} refused for want of a role")), "{name} {path}: {last}");
    }
    assert!(house.console.people.all().unwrap().iter().all(|person| !person.disabled));
}

/// Attack: a pseudonym in the address, by a role that may not look citizens up.
#[tokio::test]
async fn an_operator_cannot_follow_a_citizen_by_an_address() {
    let house = House::new();
    let path = format!("/transactions?citizen={}", crate::testing::citizen(17));
    assert_eq!(house.logged_in("oanh").await.get(&path).await.status, StatusCode::FORBIDDEN);
    assert_eq!(house.logged_in("lan").await.get(&path).await.page.matches("data-row").count(), 2);
}

/// Attack: CSRF.
#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_token_is_refused_and_recorded() {
    let house = House::new();
    let browser = house.logged_in("oanh").await;
    let good = format!("csrf={}&name=lan&disabled=true", browser.csrf);
    let other = house.logged_in("oanh").await;
    let from_other = format!("csrf={}&name=lan&disabled=true", other.csrf);
    let zeros = format!("csrf={}&name=lan&disabled=true", "0".repeat(64));
    for (origin, fields) in [
        ("http://elsewhere.example", good.as_str()),
        ("null", good.as_str()),
        ("https://127.0.0.1:8600", good.as_str()),
        ("http://127.0.0.1:8601", good.as_str()),
        ("http://127.0.0.1:8600", "name=lan&disabled=true"),
        ("http://127.0.0.1:8600", from_other.as_str()),
        ("http://127.0.0.1:8600", zeros.as_str()),
    ] {
        let answer = browser.post_from(origin, "/people/disabled", fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin} {fields}");
        assert!(house.acts().pop().unwrap().starts_with("oanh form "), "{origin} {fields}");
    }
    let bare = browser.request("POST", "/people/disabled").body(Body::from(good.clone())).unwrap();
    assert_eq!(browser.send(bare).await.status, StatusCode::FORBIDDEN, "neither Origin nor Sec-Fetch-Site");
    let fetched = browser.request("POST", "/people/disabled").header("sec-fetch-site", "cross-site");
    let fetched =
        fetched.header(header::ORIGIN, "http://127.0.0.1:8600").body(Body::from(good.clone())).unwrap();
    assert_eq!(browser.send(fetched).await.status, StatusCode::FORBIDDEN, "Sec-Fetch-Site says cross-site");
    assert!(!house.console.people.get("lan").unwrap().unwrap().disabled);
    assert_eq!(
        browser.post("/people/disabled", "name=lan&disabled=true").await.location,
        "/people?disabled=lan"
    );
    assert!(house.console.people.get("lan").unwrap().unwrap().disabled);
}

/// Attack: log-in CSRF: a victim's browser is logged in as the attacker.
#[tokio::test]
async fn a_log_in_from_elsewhere_is_refused() {
    let house = House::new();
    let browser = house.browser(1);
    let answer = browser
        .post_from("http://elsewhere.example", "/log-in", "name=lan&password=a+lamp+by+the+river")
        .await;
    assert_eq!((answer.status, answer.cookie.as_str()), (StatusCode::FORBIDDEN, ""));
}

/// Attack: a name of the attacker's that points to this address (DNS rebinding).
#[tokio::test]
async fn a_host_that_is_not_ours_gets_nothing() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    for (host, expected) in [
        ("127.0.0.1:8600", StatusCode::OK),
        ("localhost:8600", StatusCode::OK),
        ("elsewhere.example:8600", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.elsewhere.example", StatusCode::MISDIRECTED_REQUEST),
    ] {
        let mut request = browser.request("GET", "/account").body(Body::empty()).unwrap();
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        assert_eq!(browser.send(request).await.status, expected, "{host}");
    }
}

/// Attack: session theft.
#[tokio::test]
async fn a_stolen_session_is_no_use_elsewhere_and_ends() {
    for (address, agent) in [(99, "browser"), (1, "another browser")] {
        let house = House::new();
        let owner = house.logged_in("lan").await;
        let thief = Browser { address: IpAddr::from([10, 0, 0, address]), agent, ..owner.clone() };
        assert!(owner.is_in().await);
        assert!(!thief.is_in().await);
        assert!(!owner.is_in().await, "the session has ended for both");
        assert!(house.acts().pop().unwrap().starts_with("lan session used from elsewhere"));
    }
}

/// Attack: session fixation.
#[tokio::test]
async fn a_session_id_that_somebody_else_has_chosen_is_not_taken_over() {
    let house = House::new();
    let mut browser = house.browser(1);
    browser.cookie = format!("console={}", "ab".repeat(32));
    let chosen = browser.clone();
    assert_eq!(browser.log_in("lan", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_ne!(browser.cookie, chosen.cookie);
    assert!(browser.is_in().await && !chosen.is_in().await);
    let before = browser.clone();
    browser.log_in("minh", PASSWORD).await;
    assert!(!before.is_in().await, "the session before a log-in ends with it");
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let house = House::new();
    let answer = house.browser(1).log_in("lan", PASSWORD).await;
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(answer.cookie.contains(part), "{}", answer.cookie);
    }
    assert!(!answer.cookie.contains("lan"));
}

/// Attack: guessing passwords.
#[tokio::test]
async fn log_ins_are_bounded_for_each_person_with_a_stated_wait() {
    let house = House::new();
    let mut browser = house.browser(1);
    for _ in 0..FAILURES_FREE {
        assert_eq!(browser.log_in("lan", "not the password").await.status, StatusCode::UNAUTHORIZED);
    }
    let waiting = browser.log_in("lan", PASSWORD).await;
    assert_eq!(waiting.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waiting.page.contains("sau 30 giây"), "{}", waiting.page);
    let from_elsewhere = house.browser(2).log_in("lan", PASSWORD).await;
    assert_eq!(from_elsewhere.status, StatusCode::TOO_MANY_REQUESTS, "another address is no way around");
    assert_eq!(house.browser(1).log_in("minh", PASSWORD).await.status, StatusCode::SEE_OTHER);
    house.pass(WAIT_MS_MIN);
    assert_eq!(browser.log_in("lan", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        house.acts().iter().filter(|act| *act == "lan log-in failed lan").count(),
        FAILURES_FREE as usize
    );
}

/// Attack: guessing passwords of many, or by names that nobody has, from as many addresses as a house of IPv6 has.
#[tokio::test]
async fn guesses_for_many_names_from_one_house_wait_too() {
    let house = House::new();
    let from = |network: u16, last: u16| Browser {
        address: IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, last]),
        ..house.browser(1)
    };
    for guess in 0..ADDRESS_FAILURES_FREE as u16 {
        let failed = from(7, guess).log_in(&format!("name{guess}"), "not the password").await;
        assert_eq!(failed.status, StatusCode::UNAUTHORIZED, "{guess}");
    }
    let waiting = from(7, 9_999).log_in("lan", PASSWORD).await;
    assert_eq!(waiting.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waiting.page.contains("sau 30 giây"), "{}", waiting.page);
    assert_eq!(from(8, 1).log_in("lan", PASSWORD).await.status, StatusCode::SEE_OTHER, "the house beside it");
    house.pass(WAIT_MS_MIN);
    assert_eq!(from(7, 1).log_in("lan", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_failed_log_in_does_not_tell_who_is_there() {
    let house = House::new();
    let known = house.browser(1).log_in("lan", "not the password").await;
    let unknown = house.browser(1).log_in("nobody", "not the password").await;
    assert_eq!((known.status, known.page), (unknown.status, unknown.page));
    // What stands in the field of the name may be a password: it is in no record.
    house.browser(1).log_in("hunter2hunter2", "").await;
    assert!(house.acts().iter().all(|act| !act.contains("hunter2") && !act.contains("nobody")));
}

#[tokio::test]
async fn whoever_is_shut_out_or_gets_another_password_is_logged_out() {
    let house = House::new();
    let (lan, oanh) = (house.logged_in("lan").await, house.logged_in("oanh").await);
    // By another process: the file alone changes.
    house.console.people.set_disabled("lan", true, BY).unwrap();
    assert!(!lan.is_in().await);
    assert_eq!(house.browser(1).log_in("lan", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    house
        .console
        .people
        .set_password("oanh", &Password::new("a bridge by the river".to_owned()), BY)
        .unwrap();
    assert!(!oanh.is_in().await);
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_logging_out() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    house.pass(14 * 60_000);
    let itself =
        browser.request("GET", "/live/part").header("x-console-by-itself", "1").body(Body::empty()).unwrap();
    assert_eq!(browser.send(itself).await.status, StatusCode::OK);
    house.pass(60_000);
    assert!(!browser.is_in().await, "what the Live page asks by itself keeps nobody logged in");
    let browser = house.logged_in("lan").await;
    assert_eq!(browser.post("/log-out", "").await.location, "/log-in?out=1");
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn a_full_number_is_shown_for_a_reason_and_recorded_first() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let full = String::from_utf8(number(17).digits().to_vec()).unwrap();
    assert!(!browser.get(&house.evidence(1)).await.page.contains(&full));
    let without = browser.post("/evidence/number", &format!("key={}&why=+", house.key(1))).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!without.page.contains(&full));
    let shown = browser.post("/evidence/number", &format!("key={}&why=complaint+12", house.key(1))).await;
    assert!(shown.page.contains(&full));
    let entry = house.console.audit.read().unwrap().pop().unwrap();
    assert_eq!(
        (entry.who.as_str(), entry.act.as_str(), entry.from.as_str()),
        ("lan", "citizen number seen", "10.0.0.1")
    );
    assert_eq!(entry.after["why"], "complaint 12");
    assert!(!serde_json::to_string(&entry).unwrap().contains(&full));
    assert!(!browser.get(&house.evidence(1)).await.page.contains(&full), "one look is one answer");
}

/// Attack: bulk look-up.
#[tokio::test]
async fn looks_and_searches_are_bounded_by_the_hour_and_a_new_session_is_no_way_around() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let look = format!("key={}&why=complaint", house.key(1));
    for _ in 0..NUMBERS_AN_HOUR_MAX {
        assert_eq!(browser.post("/evidence/number", &look).await.status, StatusCode::OK);
    }
    let again = house.logged_in("lan").await;
    let refused = again.post("/evidence/number", &look).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.page.contains("001203000017"));
    assert!(house.acts().pop().unwrap().starts_with("lan citizen number refused: too many"));
    for _ in 0..CITIZENS_AN_HOUR_MAX {
        let found = again.post("/transactions/citizen", "number=001203000017").await;
        assert!(found.location.starts_with("/transactions?citizen="), "{found:?}");
    }
    let refused = again.post("/transactions/citizen", "number=001203000018").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    house.pass(3_600_000);
    assert_eq!(house.logged_in("lan").await.post("/evidence/number", &look).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_citizen_is_found_by_number_and_the_number_goes_nowhere() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let found = browser.post("/transactions/citizen", "number=001+203+000+007").await;
    let list = browser.get(&found.location).await.page;
    assert_eq!(list.matches("data-row").count(), 1);
    let audit: Vec<Value> = house
        .console
        .audit
        .read()
        .unwrap()
        .iter()
        .map(|entry| serde_json::to_value(entry).unwrap())
        .collect();
    for text in [&found.location, &list, &serde_json::to_string(&audit).unwrap()] {
        assert!(!text.contains("001203000007"), "{text}");
    }
    let bad = browser.post("/transactions/citizen", "number=12").await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.page.contains("12 chữ số"));
}

#[tokio::test]
async fn a_decision_has_the_persons_name_and_reason() {
    let switch = Arc::new(TestSwitch::default());
    let house = House::new();
    let console = Console::new(
        house.console.settings.clone(),
        data_keys(),
        house.log.reader(),
        Arc::clone(&switch) as Arc<dyn Switch>,
        Box::new(Arc::clone(&house.clock)),
    );
    let house = House { pages: router(Arc::clone(&console)), console, ..house };
    let browser = house.logged_in("oanh").await;
    let answer =
        browser.post("/evidence/resolve", &format!("key={}&why=cassettes+counted", house.key(1))).await;
    assert!(answer.location.starts_with("/evidence?done=1"), "{answer:?}");
    let expected = (house.log.key(1), "oanh".to_owned(), "cassettes counted".to_owned());
    assert_eq!(*switch.resolved.lock().unwrap(), [expected]);
    assert!(house.acts().pop().unwrap().starts_with("oanh suspense resolved 0200/"));
}

#[tokio::test]
async fn the_audit_page_says_when_the_chain_is_broken() {
    let house = House::new();
    let browser = house.logged_in("an").await;
    house.logged_in("minh").await;
    assert!(browser.get("/audit").await.page.contains("Chuỗi nguyên vẹn"));
    let path = house.console.settings.dir.join(crate::AUDIT_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("minh", "mino", 1)).unwrap();
    assert!(browser.get("/audit").await.page.contains("Chuỗi bị hỏng. 2: "));
}

#[tokio::test]
async fn ones_own_password_is_changed_with_the_present_one() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let elsewhere = house.logged_in("lan").await;
    let form =
        |old: &str, new: &str, again: &str| format!("old={old}&new={new}&again={again}").replace(' ', "+");
    let new = "a bridge by the river";
    for (fields, status) in [
        (form("wrong", new, new), StatusCode::UNAUTHORIZED),
        (form(PASSWORD, new, "another"), StatusCode::UNPROCESSABLE_ENTITY),
        (form(PASSWORD, "short", "short"), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(browser.post("/account", &fields).await.status, status, "{fields}");
    }
    let changed = browser.post("/account", &form(PASSWORD, new, new)).await;
    assert_eq!(changed.location, "/account?done=1");
    assert!(!browser.is_in().await && !elsewhere.is_in().await, "the sessions of before have ended");
    assert_eq!(house.browser(1).log_in("lan", new).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_terminals_send_cannot_become_a_tag() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let page = browser.get("/transactions?q=%3Cscript%3Ealert(1)%3C/script%3E").await.page;
    assert!(!page.contains("<script>alert") && page.contains("&#60;script&#62;"), "{page}");
}
