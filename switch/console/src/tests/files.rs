//! Files of banks, machines and members handed in, and a closed day's files for banks.

use super::*;

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

/// A bank that had rightly counted what it had carried out, and whose answer was lost, was told as out of balance and nothing said why.
#[tokio::test]
async fn what_lost_answers_may_explain_stands_beside_the_difference() {
    let next: Day = "2026-05-05".parse().unwrap();
    let lost = |stan| Use { stan, unheard: true, reversed: true, ..Use::default() };
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default(), lost(2), lost(3)], &[next]));
    let clerk = house.logged_in("lan").await;
    let acts = house.console.days.desk().unwrap().acts();
    let claim = |claimed: [(u8, i64); 5]| {
        let (bank, day) = ("970415".parse().unwrap(), "2026-05-04".parse().unwrap());
        let deed = casework::Deed::Claim { bank, day, claimed: claimed.into() };
        acts.act(1_777_950_000_000, "lan", "::1", deed).unwrap();
    };
    claim([(76, 2), (77, 1), (88, 4_000_000), (89, 2_000_000), (97, 2_000_000)]);
    let page = clerk.get("/totals?day=2026-05-04").await.page;
    let words = "Có thể là 1 trong 2 giao dịch mất trả lời đã hoàn trả, 2.000.000\u{a0}₫";
    assert_eq!(page.matches(words).count(), 1, "{page}");
    let list = clerk.get("/totals.csv?day=2026-05-04").await.page;
    for row in [
        "2026-05-04,970415,88,Chênh lệch (Ngân hàng phát hành): Ghi nợ; số tiền,2000000\r\n",
        "2026-05-04,970415,,Có thể giải thích: số giao dịch mất trả lời,1\r\n",
        "2026-05-04,970415,,Có thể giải thích: số tiền mất trả lời,2000000\r\n",
    ] {
        assert!(list.contains(row), "{row}: {list}");
    }
    claim([(76, 2), (77, 1), (88, 4_500_000), (89, 2_500_000), (97, 2_000_000)]);
    assert!(!clerk.get("/totals?day=2026-05-04").await.page.contains("mất trả lời"), "no such amount");
    assert!(!clerk.get("/totals.csv?day=2026-05-04").await.page.contains("mất trả lời"));
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

/// A file that somebody had named by a citizen was shown under that name.
#[tokio::test]
async fn what_may_be_a_citizens_number_in_a_files_name_is_masked() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let file = postings(&["2026-05-04 08:00:01,2000000,D,,HN000001,,,,,"], "1,2000000");
    let shown = clerk.load_named("khach 001203000017.csv", &POSTINGS_OF_THE_DAY, &file).await.page;
    assert!(shown.contains("khach ********0017.csv") && !shown.contains("001203000017"), "{shown}");
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
    let again = checker.post("/day/close", "day=2026-05-04").await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "there was no such page");
    assert!(again.page.contains("đóng rồi"), "{}", again.page);
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
    // Whoever mistyped a number got an empty file, which looks like one of a bank without transactions.
    let of = |bank: &str| format!("/totals/file?day=2026-05-04&bank={bank}&form=settlement");
    let stranger = clerk.get(&of("999999")).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    assert!(stranger.page.contains("999999 không phải thành viên"), "{}", stranger.page);
    assert_eq!(clerk.get(&of("970425")).await.status, StatusCode::OK, "a member that had nothing to do");
    assert_eq!(clerk.post("/day/settle", "day=2026-05-04").await.status, StatusCode::FORBIDDEN);
    let settled = checker.post("/day/settle", "day=2026-05-04").await;
    assert_eq!(settled.location, "/totals?day=2026-05-04&settled=1", "{}", settled.page);
    let page = checker.get(&settled.location).await.page;
    assert!(page.contains("Đã quyết toán") && !page.contains("action=\"/day/settle\""), "{page}");
    assert_eq!(checker.post("/day/settle", "day=2026-05-04").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// So many business days behind the first, each opened behind the one before it.
fn days_behind(count: i64) -> Vec<Day> {
    let first: Day = "2026-05-04".parse().unwrap();
    (1..=count).map(|number| Day::of_unix_ms(first.begins_ms() + number * 86_400_000)).collect()
}

/// Days were let go before anybody had closed one: the first was closed and settled, its files could not be had, and what was approved before its close
/// stood in none.
#[tokio::test]
async fn a_day_that_is_older_than_what_is_held_has_its_files_when_it_is_the_first_to_be_closed() {
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &days_behind(70)));
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    assert_eq!(checker.post("/day/close", "day=2026-05-04").await.location, "/day?closed=2026-05-04");
    let page = clerk.get("/totals?day=2026-05-04").await.page;
    assert!(page.contains("form=settlement") && !page.contains("Không còn lập được tệp"), "{page}");
    let text = clerk.get("/totals/file?day=2026-05-04&bank=970415&form=settlement").await.page;
    assert!(text.lines().last().is_some_and(|line| line.starts_with("T|1|2000000|")), "{text}");
}

/// Its page went on to offer them, and each was not found.
#[tokio::test]
async fn a_closed_day_that_is_held_no_more_offers_no_files_and_says_why() {
    let behind = days_behind(70);
    let house = with_desk_over(LogOf::uses_and_then(&[Use::default()], &behind));
    let first_cutover = house.console.log.synced() - behind.len() as u64;
    for (day, position) in [("2026-05-04", first_cutover + 1), ("2026-05-05", first_cutover + 2)] {
        let deed = casework::Deed::Close {
            day: day.parse().unwrap(),
            position,
            fees: Box::default(),
            is_let_go: false,
        };
        house.console.days.desk().unwrap().acts().act(5, "minh", "::1", deed).unwrap();
    }
    let checker = house.logged_in("minh").await;
    let page = checker.get("/totals?day=2026-05-04").await.page;
    assert!(page.contains("Không còn lập được tệp") && !page.contains("/totals/file"), "{page}");
    assert!(page.contains("action=\"/day/settle\""), "its banks settle all the same: {page}");
    let held = checker.get("/totals?day=2026-05-05").await.page;
    assert!(!held.contains("Không còn lập được tệp"), "{held}");
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

/// A file in a wrong place could never be taken back.
#[tokio::test]
async fn a_file_in_a_wrong_place_is_taken_back_on_its_page_by_two() {
    let house = with_a_day();
    let (clerk, checker) = (house.logged_in("lan").await, house.logged_in("minh").await);
    let fields = |page: &str, nth: usize, more: &str| {
        let form = page.split("action=\"/cash/take-back\"").nth(nth + 1).unwrap();
        let value = |name: &str| {
            let behind = form.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
            let value = behind.split('"').next()?.replace("&#34;", "\"").replace("&quot;", "\"");
            Some(crate::pages::problem::encoded(&value))
        };
        let known = ["digest", "place", "proposal"].map(|name| Some(format!("{name}={}&", value(name)?)));
        known.into_iter().flatten().collect::<String>() + more
    };
    let files = || house.console.days.desk().unwrap().acts().read().unwrap().0.files().count();
    let page = clerk.get("/cash").await.page;
    assert_eq!((files(), page.matches("value=\"propose\"").count()), (2, 2));
    let proposed = clerk.post("/cash/take-back", &fields(&page, 0, "act=propose&text=wrong+bank")).await;
    assert_eq!(proposed.location, "/cash?done=1", "{}", proposed.page);
    // Its maker, with a checker's form; and who may only look.
    let page = checker.get("/cash").await.page;
    assert!(page.contains("lan: wrong bank") && page.contains("value=\"approve\""), "{page}");
    assert!(checker.get("/approvals").await.page.contains("1 tệp chờ người thứ hai"));
    let approve = fields(&page, 0, "act=approve");
    for name in ["lan", "oanh", "an"] {
        let browser = house.logged_in(name).await;
        assert_eq!(browser.post("/cash/take-back", &approve).await.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(files(), 2);
    let done = checker.post("/cash/take-back", &approve).await;
    assert_eq!((done.location.as_str(), files()), ("/cash?done=1", 1), "{}", done.page);
    let again = checker.post("/cash/take-back", &approve).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(again.page.contains("Tệp không còn ở chỗ đó"), "{}", again.page);
    // A checker who has proposed it does not check it.
    let page = checker.get("/cash").await.page;
    checker.post("/cash/take-back", &fields(&page, 0, "act=propose&text=mine")).await;
    let page = house.logged_in("minh").await.get("/cash").await.page;
    assert!(!page.contains("value=\"approve\"") && page.contains("người khác phải duyệt"), "{page}");
    let clerks = clerk.get("/cash").await.page;
    assert!(clerks.contains("minh: mine") && !clerks.contains("value=\"approve\""), "{clerks}");
    let (digest, key) = {
        let casework = house.console.days.desk().unwrap().acts().read().unwrap().0;
        *casework.taking_back().keys().next().unwrap()
    };
    let place = crate::pages::problem::encoded(&serde_json::to_string(&key).unwrap());
    let proposal = house.acts_on_cases() - 1;
    let own = format!("digest={digest}&place={place}&proposal={proposal}&act=approve");
    assert_eq!(checker.post("/cash/take-back", &own).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(house.acts().pop().unwrap().starts_with("minh refused: maker is never checker"));
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
    assert!(
        list.lines().nth(1).is_some_and(|line| line == "3,số tiền (amount),two,không phải số tiền"),
        "{list}"
    );
    let cut = clerk.load(&POSTINGS_OF_THE_DAY, &postings(&lines[..1], "2,2000000")).await.page;
    assert!(cut.contains("Sai tổng kiểm soát") && cut.contains("thật ra có 1 dòng"), "{cut}");
    assert_eq!(clerk.post("/load/take", &format!("id={id}")).await.location, "/cash?refused=unreadable_line");
    // Nobody is given anything back for a line that cannot be read, and nothing comes to an amount.
    let case = clerk.get(&format!("/case?id={}", house.cases("unreadable_line")[0].0)).await.page;
    assert!(
        case.contains("<option value=\"adjustment\"") && !case.contains("<option value=\"refund\""),
        "{case}"
    );
    assert!(case.contains("Không cách kết thúc nào có số tiền sẵn ở đây"), "{case}");
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

/// The console took them, and the command line refused both.
#[tokio::test]
async fn totals_of_strangers_and_of_days_that_do_not_exist_are_not_taken() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let acts = house.acts_on_cases();
    for (bank, day, words) in [
        ("970499", "2026-05-04", "Dòng 2: 970499 không phải thành viên"),
        ("970415", "2027-05-04", "Sổ giao dịch không có ngày kinh doanh 04/05/2027"),
    ] {
        let place = [("kind", "totals"), ("day", day), ("part", "1")];
        let file = format!("bank,element,value\n{bank},88,5\n");
        let refused = clerk.load(&place, file.as_bytes()).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{words}");
        assert!(refused.page.contains(words), "{words}: {}", refused.page);
    }
    assert_eq!(house.acts_on_cases(), acts);
}

/// Both lists had banks with citizens alone, and amounts that were not understood nothing that helped.
#[tokio::test]
async fn an_adjustment_names_any_member_and_an_amount_that_is_none_is_told_how_one_is_written() {
    let house = with_desk(&[Use::default()]);
    let clerk = house.logged_in("lan").await;
    let file = postings(&["2026-05-04 08:00:01,1900000,D,,HN000001,,,,,"], "1,1900000");
    let shown = clerk.load(&POSTINGS_OF_THE_DAY, &file).await.page;
    clerk.post("/load/take", &format!("id={}", Browser::id_on(&shown))).await;
    let case = house.cases("missing_at_switch")[0].0.clone();
    let page = clerk.get(&format!("/case?id={case}")).await.page;
    assert!(page.contains("<option value=\"970425\""), "{page}");
    let propose = async |acquirer: &str, amount: &str| {
        let fields = format!("id={case}&act=propose&resolution=adjustment&text=x");
        clerk.post("/case/act", &format!("{fields}&amount={amount}&acquirer={acquirer}")).await
    };
    for amount in ["1e5", "-10.00"] {
        let refused = propose("970425", amount).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{amount}");
        assert!(refused.page.contains("ví dụ 2500000 hoặc 2.500.000"), "{amount}: {}", refused.page);
    }
    assert_eq!(propose("970499", "5").await.status, StatusCode::UNPROCESSABLE_ENTITY, "a stranger");
    assert_eq!(propose("970425", "5").await.status, StatusCode::SEE_OTHER);
}
