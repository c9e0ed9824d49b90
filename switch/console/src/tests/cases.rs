//! Exceptions worked to their end, one by one, many at once and on the workbench, by a maker and a checker.

use super::*;

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
    clerk.post("/case/act", &propose("2000000")).await;
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
    assert_eq!(open.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", open.page);
    assert!(open.page.contains("Không đóng được ngày này."), "{}", open.page);
    let clerk = house.logged_in("lan").await.post("/day/close", "day=2026-05-04").await;
    assert_eq!(clerk.status, StatusCode::FORBIDDEN);
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
    for ((pick, ..), (amount, why)) in house
        .cases("missing_at_bank")
        .iter()
        .zip([("-1230000", "posted+short"), ("-456000", "branch+says+so")])
    {
        let fields = format!("id={pick}&act=propose&resolution=adjustment&amount={amount}&text={why}");
        let done = clerk.post("/case/act", &fields).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.page);
    }
    let page = checker.get("/approvals").await.page;
    let rows: Vec<&str> = page.split("<tr data-row>").skip(1).collect();
    assert_eq!(rows.len(), 2, "{page}");
    for (amount, why) in [("−1.230.000", "posted short"), ("−456.000", "branch says so")] {
        let row = rows.iter().find(|row| row.contains(why)).unwrap();
        for shown in [amount, "Điều chỉnh giữa thành viên", "VietinBank (970415)", "970418", ">lan<"]
        {
            assert!(row.contains(shown), "{shown}: {row}");
        }
    }
}

/// The page filled in the amount of a refund and left it there for an adjustment: the bank would have owed that much more instead of less.
#[tokio::test]
async fn each_resolution_has_its_own_amount_and_a_turned_sign_is_refused() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let id = house.cases("debited_not_dispensed")[0].0.clone();
    let page = clerk.get(&format!("/case?id={id}")).await.page;
    for shown in [
        "Hoàn tiền cho công dân: 2.000.000\u{a0}₫</option>",
        "Điều chỉnh giữa thành viên: −2.000.000\u{a0}₫</option>",
        "Chấp nhận như vậy</option>",
        "ở đây ngân hàng nợ ít đi",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let field = page.split("<input name=\"amount\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(!field.contains("value="), "{field}");
    let propose = |resolution: &str, amount: &str| {
        format!("id={id}&act=propose&resolution={resolution}&amount={amount}&text=no+cash+left")
    };
    let turned = clerk.post("/case/act", &propose("adjustment", "2000000")).await;
    assert_eq!(turned.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(turned.page.contains("dấu của số tiền bị ngược"), "{}", turned.page);
    for (resolution, amount_minor) in [("adjustment", -2_000_000), ("refund", 2_000_000), ("accept", 0)] {
        assert_eq!(clerk.post("/case/act", &propose(resolution, "")).await.status, StatusCode::SEE_OTHER);
        let seen = house.console.days.see(&house.console.log, LATE_S).unwrap().unwrap();
        let row = seen.rows.iter().find(|row| row.exception.case.to_string() == id).unwrap();
        assert_eq!(row.case.proposal.as_ref().unwrap().amount_minor, amount_minor, "{resolution}");
        clerk.post("/case/act", &format!("id={id}&act=reopen&text=wrong")).await;
    }
}

/// The machine's case of a transaction whose bank's case has the money: it leads there, and is accepted with a reason that is ready.
#[tokio::test]
async fn a_case_whose_money_is_proposed_of_the_other_one_leads_there_and_is_ready_to_be_accepted() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let at_bank = house.cases("missing_at_bank")[0].0.clone();
    let in_journal = at_bank.replace("-bank", "-machine");
    let link = format!("<a href=\"/case?id={at_bank}\">Thiếu ở ngân hàng</a>");
    let reason = format!("value=\"Đã ghi hoặc đề xuất ở vụ việc {at_bank} của cùng giao dịch\"");
    let page = clerk.get(&format!("/case?id={in_journal}")).await.page;
    assert!(page.contains(&link) && !page.contains(&reason), "{page}");
    let adjust = format!("id={at_bank}&act=propose&resolution=adjustment&amount=&text=not+posted");
    assert_eq!(clerk.post("/case/act", &adjust).await.status, StatusCode::SEE_OTHER);
    let page = clerk.get(&format!("/case?id={in_journal}")).await.page;
    for shown in [&link, &reason, "<option value=\"accept\" selected>"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let twice =
        format!("id={in_journal}&act=propose&resolution=adjustment&amount=-2000000&text=no+cash+left");
    let refused = clerk.post("/case/act", &twice).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.page);
    let accept = format!("id={in_journal}&act=propose&resolution=accept&amount=&text=booked+there");
    assert_eq!(clerk.post("/case/act", &accept).await.status, StatusCode::SEE_OTHER);
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
    let gone = "Không bên nào còn nêu chênh lệch này";
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

/// A match by hand whose file had been taken back was on no page any more, and nobody knew what had become of it.
#[tokio::test]
async fn a_match_by_hand_that_is_void_says_on_its_pages_what_has_made_it_so() {
    let house = with_desk(&[Use::default(), Use { stan: 2, amount_minor: 500_000, ..Use::default() }]);
    let file = postings(&["2026-05-04 08:00:01,1900000,D,,HN000001,,,,,"], "1,1900000");
    house.hand_in(exchange::FileKind::Postings, "970415".parse().ok(), &file);
    let clerk = house.logged_in("lan").await;
    let english = house.logged_in("minh").await;
    let english = Browser { cookie: format!("{}; language=en", english.cookie), ..english };
    let bench = "/workbench?bank=970415&day=2026-05-04";
    let digest = exchange::Digest::of(&file);
    let line = reconciliation::LineId { file: digest.file(), line: 2 };
    let pages = [bench.to_owned(), house.evidence(1)];
    for page in &pages {
        assert!(!clerk.get(page).await.page.contains("Ghép và tách bằng tay"), "nobody has said anything");
    }
    let fields = format!("bank=970415&day=2026-05-04&ours=0-0&line={line}");
    assert_eq!(clerk.post("/workbench/act", &fields).await.status, StatusCode::SEE_OTHER);
    let case = format!("/case?id={}", house.cases("amount_under")[0].0);
    for page in pages.iter().chain([&case]) {
        let page = clerk.get(page).await.page;
        assert!(page.contains("Ghép và tách bằng tay") && page.contains(">Có hiệu lực<"), "{page}");
    }
    let acts = house.console.days.desk().unwrap().acts();
    let key = *acts.read().unwrap().0.files().next().unwrap().1;
    let why = "another bank's".to_owned();
    let act = |who, deed| acts.act(5, who, "::1", deed).unwrap().next() - 1;
    let proposal = act("lan", casework::Deed::TakeBack { digest, key, why });
    let gone = act("minh", casework::Deed::ApproveTakeBack { digest, key, proposal });
    for page in &pages {
        let shown = clerk.get(page).await.page;
        let why = format!("Tệp của dòng đã được thu hồi (việc số {gone}).");
        assert!(shown.contains(">Không còn hiệu lực<") && shown.contains(&why), "{shown}");
        let shown = english.get(page).await.page;
        let why = format!("The line&#39;s file was taken back (act {gone}).");
        assert!(shown.contains(">Void<") && shown.contains(&why), "{shown}");
    }
}
