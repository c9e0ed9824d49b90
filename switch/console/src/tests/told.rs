//! What clerks are told: what banks pay, why something is refused, who has done what, and lists of all.

use super::*;

/// The page and its list told the position alone, and the bank's own file another net.
#[tokio::test]
async fn what_a_bank_has_to_pay_is_the_same_on_the_page_in_the_list_and_in_its_file() {
    let next: Day = "2026-05-05".parse().unwrap();
    let log = LogOf::uses_and_then(
        &[Use { bare: true, ..Use::default() }, Use { stan: 2, ..Use::default() }],
        &[next],
    );
    let house = with_desk_over(log);
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let seen = house.console.days.see(&house.console.log, LATE_S).unwrap().unwrap();
    let row = seen.rows.first().unwrap();
    let deed = casework::Deed::Propose {
        case: row.exception.case,
        about: Box::new(row.about()),
        resolution: casework::Resolution::Adjustment,
        amount_minor: 1_900_000,
        bank: row.exception.bank,
        why: "it was paid".to_owned(),
    };
    let acts = house.console.days.desk().unwrap().acts();
    let proposal = acts.act(5, "lan", "::1", deed).unwrap().next() - 1;
    let pays = "VietinBank (970415) trả BIDV (970418) 1.900.000";
    let case = format!("/case?id={}", crate::pages::case_text(row.exception.case));
    for page in ["/approvals", &case] {
        assert!(clerk.get(page).await.page.contains(pays), "{page}");
    }
    acts.act(6, "minh", "::1", casework::Deed::Approve { case: row.exception.case, proposal }).unwrap();
    assert_eq!(checker.post("/day/close", "day=2026-05-04").await.location, "/day?closed=2026-05-04");
    let page = clerk.get("/totals?day=2026-05-04").await.page;
    let list = clerk.get("/totals.csv?day=2026-05-04").await.page;
    let (_, paid) = page.split_once("Vị thế ròng</h2>").unwrap();
    for (bank, position, adjusted, net, shown) in [
        ("970415", 2_000_000, 1_900_000, 3_900_000, ["2.000.000", "1.900.000", "phải trả", "3.900.000"]),
        (
            "970418",
            -2_000_000,
            -1_900_000,
            -3_900_000,
            ["−2.000.000", "−1.900.000", "được nhận", "3.900.000"],
        ),
    ] {
        let file = clerk.get(&format!("/totals/file?day=2026-05-04&bank={bank}&form=settlement")).await.page;
        assert!(file.ends_with(&format!("|{net}\n")), "{file}");
        let (_, row) = paid.split_once(&format!("({bank})")).unwrap();
        let row = row.split("</tr>").next().unwrap();
        assert!(shown.iter().all(|part| row.contains(part)), "{row}");
        for (name, minor) in
            [("Vị thế theo sổ giao dịch", position), ("Điều chỉnh đã duyệt", adjusted), ("Phải trả", net)]
        {
            assert!(list.contains(&format!("2026-05-04,{bank},,{name},{minor}\r\n")), "{name}: {list}");
        }
    }
}

#[tokio::test]
async fn a_day_that_is_not_closed_or_settled_is_told_why_in_the_language_of_the_page() {
    let next: Day = "2026-05-05".parse().unwrap();
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &[next]));
    let checker = house.logged_in("minh").await;
    let early = checker.post("/day/settle", "day=2026-05-04").await;
    assert!(early.page.contains("Không ghi được. Ngày này chưa đóng."), "{}", early.page);
    checker.post("/day/close", "day=2026-05-04").await;
    checker.post("/day/settle", "day=2026-05-04").await;
    let again = checker.post("/day/settle", "day=2026-05-04").await;
    assert!(again.page.contains("Không ghi được. Ngày này đã quyết toán rồi."), "{}", again.page);
    let english = Browser { cookie: format!("{}; language=en", checker.cookie), ..checker };
    let again = english.post("/day/settle", "day=2026-05-04").await;
    assert!(again.page.contains("It was not recorded. It is settled already."), "{}", again.page);
}

#[tokio::test]
async fn a_refused_file_is_told_why_in_the_language_of_the_page() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let key = exchange::FileKey {
        kind: exchange::FileKind::Postings,
        bank: "970415".parse().ok(),
        terminal: None,
        day: crate::testing::day(),
        part: 2,
    };
    let bytes = postings(&["2026-05-04 08:00:01,2000000,D,6123,HN1,,,,,"], "1,2000000");
    let (at_ms, who, from) = (5, "uid 1000", "command line");
    let arrival = casework::Arrival { bytes: &bytes, key, layout: None, parts: 1, at_ms, who, from };
    house.console.days.desk().unwrap().take(&arrival).unwrap_err();
    let page = clerk.get("/cash").await.page;
    assert!(page.contains("dòng 2, rrn: “6123”: RRN có 12 ký tự"), "{page}");
    let english = Browser { cookie: format!("{}; language=en", clerk.cookie), ..clerk };
    let page = english.get("/cash").await.page;
    assert!(page.contains("line 2, rrn: “6123”: an RRN has 12 characters"), "{page}");
}

/// The page said `every act of every person`, and showed none of what is done on files, days and cases.
#[tokio::test]
async fn the_audit_has_what_people_do_on_files_days_and_cases_too() {
    let house = with_a_day();
    let clerk = house.logged_in("lan").await;
    let id = house.cases("debited_not_dispensed")[0].0.clone();
    let fields = format!("id={id}&act=propose&resolution=refund&amount=2000000&text=no+cash+left");
    assert_eq!(clerk.post("/case/act", &fields).await.status, StatusCode::SEE_OTHER);
    house.pass(1_000);
    let auditor = house.logged_in("an").await;
    let page = auditor.get("/audit").await.page;
    let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}: {page}"));
    for part in [
        "Người và trang: chuỗi nguyên vẹn",
        "Tệp, ngày và vụ việc: chuỗi nguyên vẹn, 3 dòng.",
        "nhận tệp",
        "Hạch toán của ngân hàng\nVietinBank (970415)\n04/05/2026",
        "Tổng tiền, không kể dấu: 2.000.000",
        "Chờ duyệt\nHoàn tiền cho công dân 2.000.000",
        "Lý do: no cash left",
        &format!("/case?id={id}"),
    ] {
        at(part);
    }
    assert!(at("đăng nhập") < at("đề xuất") && at("đề xuất") < at("nhận tệp"), "newest first: {page}");
    assert!(!page.contains("[72,78") && !page.contains("&#34;digits"), "ids are texts: {page}");
    let people = auditor.get("/audit?of=people").await.page;
    assert!(people.contains("đăng nhập") && !people.contains("nhận tệp"), "{people}");
    let mine = auditor.get("/audit?of=desk&who=lan").await.page;
    assert!(mine.contains("no cash left") && !mine.contains("nhận tệp"), "{mine}");
    let list = auditor.get("/audit.csv?act=propose").await.page;
    assert!(list.contains("\r\n\"Tệp, ngày và vụ việc\",2,") && list.lines().count() > 2, "{list}");
    let case = clerk.get(&format!("/case?id={id}")).await.page;
    assert!(case.contains("Việc đã làm") && !case.contains("[72,78"), "{case}");

    // A chain that is broken does not hide the other.
    let path = house.console.settings.dir.join("desk").join(casework::ACTS_FILE);
    let text = std::fs::read_to_string(&path).unwrap().replacen("2000000", "2000001", 1);
    std::fs::write(&path, text).unwrap();
    let page = auditor.get("/audit").await.page;
    assert!(page.contains("Tệp, ngày và vụ việc: chuỗi bị hỏng. 1: "), "{page}");
    assert!(page.contains("Người và trang: chuỗi nguyên vẹn") && page.contains("đăng nhập"), "{page}");
}

/// Pages of both chains together: nothing is left out between two of them.
#[tokio::test]
async fn the_audit_goes_on_page_by_page_over_both_chains() {
    let house = with_a_day();
    let acts = house.console.days.desk().unwrap().acts();
    let case = house.cases("missing_at_bank")[0].0.parse().unwrap();
    for number in 0..130 {
        let deed = casework::Deed::Note { case, text: format!("note {number}.") };
        acts.act(1_777_856_400_000 + number, "lan", "::1", deed).unwrap();
    }
    let auditor = house.logged_in("an").await;
    let first = auditor.get("/audit").await.page;
    let older = first.split("href=\"/audit?before=").nth(1).unwrap().split('"').next().unwrap();
    let second = auditor.get(&format!("/audit?before={older}")).await.page;
    for number in 0..130 {
        let note = format!("note {number}.");
        assert_eq!(first.matches(&note).count() + second.matches(&note).count(), 1, "{note}");
    }
    assert!(second.contains("nhận tệp") && !second.contains("data-older"), "{second}");
}

/// The page stopped at 500 rows of each table without a word, and refused files stood before the taken ones.
#[tokio::test]
async fn cassettes_and_files_have_pages_a_filter_by_terminal_and_lists_of_all() {
    let house = with_a_day();
    let mut counters = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\n".to_owned();
    for number in 0..230 {
        let machine = number / 4;
        counters += &format!(
            "HN{machine:06},2026-05-04,2026-05-04 23:00:00,{},500000,0,100,{number},100\n",
            number % 4 + 1
        );
    }
    house.hand_in(exchange::FileKind::Counters, None, counters.as_bytes());
    for number in 0..130 {
        let (kind, bytes) = (exchange::FileKind::Journal, format!("no journal {number}"));
        let key = exchange::FileKey { kind, bank: None, terminal: None, day: crate::testing::day(), part: 9 };
        let (at_ms, who, from) = (5, "uid 1000", "command line");
        let arrival =
            casework::Arrival { bytes: bytes.as_bytes(), key, layout: None, parts: 1, at_ms, who, from };
        house.console.days.desk().unwrap().take(&arrival).unwrap_err();
    }
    let clerk = house.logged_in("lan").await;
    let page = clerk.get("/cash").await.page;
    for part in [
        "dòng 1–100 trong 230",
        "dòng 1–3 trong 3",
        "dòng 1–100 trong 130",
        "/cash?cash_page=1",
        "/cash?refused_page=1",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(page.matches("Đã nhận</span>").count(), 3, "refused files hide no taken one");
    let last = clerk.get("/cash?cash_page=2&refused_page=1").await.page;
    assert!(last.contains("dòng 201–230 trong 230") && last.contains("dòng 101–130 trong 130"), "{last}");
    let one = clerk.get("/cash?terminal=HN000007").await.page;
    assert!(one.contains("dòng 1–4 trong 4") && !one.contains("HN000008"), "{one}");
    let list = clerk.get("/cash/cassettes.csv?day=2026-05-04").await.page;
    assert_eq!(list.lines().count(), 231);
    assert!(list.contains("2026-05-04,HN000001,2,500000,0,100,5,100,2500000"), "{list}");
    let files = clerk.get("/cash/files.csv").await.page;
    assert_eq!((files.lines().count(), files.matches("Dòng không đọc được").count()), (134, 130), "{files}");
    for name in ["cassettes.xlsx", "files.xlsx"] {
        let request = clerk.request("GET", &format!("/cash/{name}")).body(Body::empty()).unwrap();
        let response = house.pages.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.unwrap().to_bytes().starts_with(b"PK"), "{name}");
    }
    assert_eq!(house.acts().pop().unwrap(), "lan list of files exported ");
    assert_eq!(clerk.get("/cash/people.csv").await.status, StatusCode::NOT_FOUND);
}

/// The page said that it was still reading, and its list had amounts to pay of half a day without a word.
#[tokio::test]
async fn nothing_is_exported_of_a_log_that_is_read_in_part() {
    let next: Day = "2026-05-05".parse().unwrap();
    for path in [
        "/totals.csv?day=2026-05-04",
        "/totals/file?day=2026-05-04&bank=970415&form=settlement",
        "/exceptions.csv",
        "/exceptions.xlsx",
        "/cash/cassettes.csv",
        "/cash/files.xlsx",
    ] {
        let log = LogOf::uses_and_then(&[Use { bare: true, ..Use::default() }], &[next]);
        let house = with_desk_that_reads(log, Some(std::time::Duration::ZERO));
        let close = casework::Deed::Close {
            day: crate::testing::day(),
            position: 2,
            fees: Box::default(),
            is_let_go: false,
        };
        house.console.days.desk().unwrap().acts().act(5, "minh", "::1", close).unwrap();
        let clerk = house.logged_in("lan").await;
        let acts = house.acts();
        let half = clerk.get(path).await;
        assert_eq!(half.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", half.page);
        assert!(half.page.contains("Đang đọc sổ giao dịch: 50 %"), "{path}: {}", half.page);
        assert_eq!(house.acts(), acts, "nothing was exported");
        // What is left was read by then.
        let request = clerk.request("GET", path).body(Body::empty()).unwrap();
        let whole = house.pages.clone().oneshot(request).await.unwrap();
        assert_eq!(whole.status(), StatusCode::OK, "{path}");
    }
}

/// An unknown value left nothing, and the list looked as if there were no exceptions.
#[tokio::test]
async fn a_filter_of_exceptions_that_is_not_understood_is_named() {
    let (house, _) = with_a_case();
    let clerk = house.logged_in("lan").await;
    for (filter, name) in [
        ("state=any", "Trạng thái"),
        ("kind=missing", "Loại chênh lệch"),
        ("day=yesterday", "Ngày kinh doanh"),
        ("bank=BIDV", "Ngân hàng"),
        ("terminal=HN1", "Máy ATM"),
        ("sort=newest", "Sắp xếp"),
    ] {
        let words = format!("Không hiểu giá trị của ô lọc “{name}”");
        for page in ["/exceptions", "/exceptions.csv", "/exceptions.xlsx"] {
            let refused = clerk.get(&format!("{page}?{filter}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{page}?{filter}");
            assert!(refused.page.contains(&words), "{page}?{filter}: {}", refused.page);
        }
    }
    assert_eq!(clerk.get("/exceptions.csv?state=open&kind=missing_at_bank").await.status, StatusCode::OK);
}

/// A day of which two parts of three were here looked like one that was there, and nobody could see what it waited for.
#[tokio::test]
async fn a_file_of_which_not_all_parts_are_here_says_how_many_are() {
    let house = with_a_day();
    let of = |kind, bank: Option<&str>, part| exchange::FileKey {
        kind,
        bank: bank.map(|bank| bank.parse().unwrap()),
        terminal: None,
        day: crate::testing::day(),
        part,
    };
    let take = |key, parts, bytes: &[u8]| {
        let (at_ms, who, from) = (5, "uid 1000", "command line");
        let arrival = casework::Arrival { bytes, key, layout: None, parts, at_ms, who, from };
        house.console.days.desk().unwrap().take(&arrival).unwrap();
    };
    let (of_bank, counters) = (exchange::FileKind::Postings, exchange::FileKind::Counters);
    let counted = "terminal,day,at,cassette,note,opening,loaded,dispensed,counted\n";
    let counted = format!("{counted}HN000001,2026-05-04,2026-05-04 23:00:00,1,500000,20000,0,4,19996\n");
    let posted = |second: u32| {
        let line = format!("2026-05-04 08:00:0{second},2000000,D,61230000000{second},HN000001,,,,,");
        postings(&[&line], "1,2000000")
    };
    take(of(of_bank, Some("970418"), 1), 3, &posted(1));
    take(of(of_bank, Some("970418"), 3), 3, &posted(2));
    take(of(counters, None, 2), 2, counted.as_bytes());
    let clerk = house.logged_in("lan").await;
    let english = house.logged_in("minh").await;
    let english = Browser { cookie: format!("{}; language=en", english.cookie), ..english };
    for (browser, posted, counted) in
        [(&clerk, "2 trên 3 phần", "1 trên 2 phần"), (&english, "2 of 3 parts", "1 of 2 parts")]
    {
        for page in ["/day", "/cash", "/cash/files.csv"] {
            let page = browser.get(page).await.page;
            assert!(page.contains(posted) && page.contains(counted), "{page}");
        }
    }
    take(of(of_bank, Some("970418"), 2), 3, &posted(3));
    for page in ["/day", "/cash", "/cash/files.csv"] {
        let page = clerk.get(page).await.page;
        assert!(!page.contains("trên 3 phần") && page.contains("1 trên 2 phần"), "{page}");
    }
}

/// A list that ended where an export's bound was looked like all of it.
#[tokio::test]
async fn a_list_of_transactions_that_is_longer_than_an_export_is_not_given_out_in_part() {
    for (rows, records, status) in [(2, 1_000, StatusCode::OK), (1, 1_000, StatusCode::PAYLOAD_TOO_LARGE)] {
        let house = with_desk(&[Use::default(), Use { stan: 2, ..Use::default() }])
            .reaching(crate::search::Reach { rows, records });
        let clerk = house.logged_in("lan").await;
        let acts = house.acts().len();
        let list = clerk.get("/transactions.csv").await;
        assert_eq!(list.status, status, "{}", list.page);
        assert_eq!(house.acts().len() - acts, usize::from(status == StatusCode::OK));
        let is_told = list.page.contains("Danh sách dài hơn một tệp có thể chứa (1 giao dịch");
        assert_eq!(is_told, status != StatusCode::OK, "{}", list.page);
    }
}
