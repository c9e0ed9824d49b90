//! Pages as a browser meets them: in both languages, found, shown and exported.

use super::*;

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
    assert!(far.page.contains("sau ngày đang mở nhiều nhất 31 ngày"), "{}", far.page);
    let back = browser.post("/day/cutover", "day=2026-05-04").await;
    assert!(back.page.contains("Ngày mới phải sau ngày đang mở."), "{}", back.page);
    // What this page could not foresee is told as the switch says it, for the operators.
    let odd = browser.post("/day/cutover", "day=2026-05-20").await;
    assert_eq!(odd.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(odd.page.contains("2026-05-20 is too far away for oanh"), "{}", odd.page);
    assert_eq!(browser.post("/day/cutover", "day=tomorrow").await.status, StatusCode::UNPROCESSABLE_ENTITY);
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

/// An adjustment that moves money was preselected where nothing is proven.
#[tokio::test]
async fn nothing_is_chosen_where_nothing_is_proven() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let select = async |kind: &str| {
        let id = house.cases(kind)[0].0.clone();
        let page = clerk.get(&format!("/case?id={id}")).await.page;
        page.split("<select name=\"resolution\"")
            .nth(1)
            .unwrap()
            .split("</select>")
            .next()
            .unwrap()
            .to_owned()
    };
    let proven = select("debited_not_dispensed").await;
    assert!(proven.contains("value=\"refund\" selected") && !proven.contains("value=\"\""), "{proven}");
    let open = select("missing_at_bank").await;
    assert!(open.contains("<option value=\"\" selected>") && open.matches("selected").count() == 1, "{open}");
    let id = house.cases("missing_at_bank")[0].0.clone();
    let none = clerk.post("/case/act", &format!("id={id}&act=propose&resolution=&amount=&text=x")).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
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
