//! Attacks of docs/security.md#console-attacks on sessions, forms, roles, log-ins and citizens' numbers.

use super::*;

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
        "/cash/take-back",
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

/// Attack: exports one behind the other, which slow the machines.
#[tokio::test]
async fn every_export_waits_for_its_turn() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let turn = house.console.exports.turn("oanh").await.unwrap();
    let exports = [
        "/totals.csv",
        "/totals/file?day=2026-05-04&bank=970418&form=settlement",
        "/exceptions.csv",
        "/exceptions.xlsx",
        "/cash/files.csv",
        "/load/rejects.csv",
        "/transactions.csv",
        "/audit.csv",
    ];
    tokio::time::pause();
    for path in exports {
        let late = browser.get(path).await;
        assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(late.page.contains("Hãy thử lại sau nửa phút"), "{path}: {}", late.page);
        assert_eq!(browser.get("/transactions").await.status, StatusCode::OK, "pages go on");
    }
    drop(turn);
    assert_eq!(browser.get("/transactions.csv").await.status, StatusCode::OK);
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
async fn the_audit_page_says_when_the_chain_is_broken() {
    let house = House::new();
    let browser = house.logged_in("an").await;
    house.logged_in("minh").await;
    assert!(browser.get("/audit").await.page.contains("Người và trang: chuỗi nguyên vẹn"));
    let path = house.console.settings.dir.join(crate::AUDIT_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("minh", "mino", 1)).unwrap();
    assert!(browser.get("/audit").await.page.contains("Người và trang: chuỗi bị hỏng. 2: "));
}

#[tokio::test]
async fn what_terminals_send_cannot_become_a_tag() {
    let house = House::new();
    let browser = house.logged_in("lan").await;
    let page = browser.get("/transactions?q=%3Cscript%3Ealert(1)%3C/script%3E").await.page;
    assert!(!page.contains("<script>alert") && page.contains("&#60;script&#62;"), "{page}");
}
