//! The Day and Totals pages: where each business day stands, and what it comes to, bank by bank and element by element.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{AGE_BANDS, ActError, Casework, Deed, DeskError, NoSettlement, NotDay, Parts, age_band};
use exchange::{Camt, FileKey, FileKind, write_camt};
use processor::{CUTOVER_DAYS_MAX, Day, Institution, Side};
use reconciliation::{Claimed, ELEMENTS, Explained, Sheet, State as DayState, Totals, calendar, differences};
use serde::Deserialize;
use serde_json::json;

use crate::app::{Console, Visitor};
use crate::desk::{Seen, TellError, Told};
use crate::evidence::bank_name;
use crate::format;
use crate::pages::cases;
use crate::pages::export::{Csv, TEXT, XML, download};
use crate::pages::files::{kind_words, whose};
use crate::pages::problem::{self, Problem, Refused};
use crate::pages::{
    Section, Shell, at_turn, failed, missing, need, query, shown, today, unprocessable, whole,
};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Days in the list.
const DAYS_SHOWN: usize = 62;

/// Places of which not all parts are here, beside the banks that are waited for; of the others their number is told.
const UNFINISHED_SHOWN: usize = 20;

/// Elements that are amounts; the others are counts.
pub(crate) fn is_amount(element: u8) -> bool {
    matches!(element, 82..=89 | 97)
}

/// Days at their turn, on a thread that may wait for a disk.
async fn told(console: &Arc<Console>, visitor: &Visitor) -> Result<Told, Refused> {
    at_turn(console, visitor, |console| console.days.tell(&console.log)).await
}

fn state_words(state: DayState, t: &Texts) -> (&'static str, &'static str) {
    match state {
        DayState::Open => (t.day_open, "open"),
        DayState::CuttingOver => (t.day_cutting_over, "warn"),
        DayState::Closed => (t.day_closed, "quiet"),
        DayState::Settled => (t.day_settled, "good"),
    }
}

/// What all banks of a day come to together.
fn sums(sheet: &Sheet) -> (i64, i64, i64) {
    let count = |totals: &Totals| totals.element(76) + totals.element(74) + totals.element(78);
    let paid = |totals: &Totals| totals.element(88) - totals.element(89);
    let taken = |totals: &Totals| totals.element(86) - totals.element(87);
    let of = |value: &dyn Fn(&Totals) -> i64| sheet.members.values().map(value).sum();
    (of(&count), of(&paid), of(&taken))
}

struct DayRow {
    day: String,
    link: String,
    state: (&'static str, &'static str),
    opened: String,
    count: String,
    paid: String,
    taken: String,
    banks: usize,
    /// Exceptions that somebody still has to work on, and where they are listed; none without a desk.
    open: Option<(String, String)>,
}

impl DayRow {
    fn new(sheet: &Sheet, seen: Option<&Seen>, console: &Console, t: &Texts) -> DayRow {
        let open = seen.map(|seen| {
            let of_day = seen.rows.iter().filter(|row| row.exception.day == sheet.day && row.is_open());
            (format::grouped(of_day.count() as u64), std::format!("/exceptions?day={}", sheet.day))
        });
        let (count, paid, taken) = sums(sheet);
        DayRow {
            day: format::day(sheet.day),
            link: std::format!("/totals?day={}", sheet.day),
            state: state_words(sheet.state, t),
            opened: sheet.opened.map_or("–".to_owned(), |(_, at_ms)| format::date_time(at_ms)),
            count: format::grouped(count.unsigned_abs()),
            paid: format::signed(paid, console.settings.currency),
            taken: format::signed(taken, console.settings.currency),
            banks: sheet.members.len(),
            open,
        }
    }
}

/// What the desk knows of the days.
struct DeskShown {
    figures: Vec<(&'static str, String)>,
    /// Whose acknowledgement of the open day's CUTOVER has come, and when; none of a log's first day.
    acknowledged: Vec<(String, Option<String>)>,
    acknowledged_words: String,
    /// Of the oldest day that is not closed: which banks' files and how many machines' are here, and what is here in part.
    files: Vec<FileHere>,
    files_words: String,
    /// Open exceptions by their age in days.
    ages: Vec<(String, String)>,
}

/// A day's file.
struct FileHere {
    /// Whose it is.
    name: String,
    /// How many are here, or how many parts of how many; none where none is.
    here: Option<String>,
    is_whole: bool,
}

/// How many parts are here of how many.
pub(crate) fn parts_words(parts: Parts, t: &Texts) -> String {
    with(&with(t.parts_here, format::grouped(parts.here.into())), format::grouped(parts.wanted.into()))
}

/// Of a day which of these banks' postings are here, and how many files of machines; and whatever else of the day has come in part.
fn files_here<'a>(
    casework: &Casework,
    day: Day,
    banks: impl Iterator<Item = &'a Institution>,
    console: &Console,
    t: &Texts,
) -> Vec<FileHere> {
    let count = |kind: FileKind, bank: Option<Institution>| {
        let of_day =
            casework.files().filter(|(_, key, _)| (key.kind, key.bank, key.day) == (kind, bank, day));
        of_day.count()
    };
    let mut unfinished: BTreeMap<FileKey, Parts> = casework.unfinished(day).collect();
    let mut here = |name: String, kind: FileKind, bank: Option<Institution>| {
        let place = FileKey { kind, bank, terminal: None, day, part: 0 };
        let (count, parts) = (count(kind, bank), unfinished.remove(&place));
        let whole = (count > 0).then(|| format::grouped(count as u64));
        FileHere { name, here: parts.map(|parts| parts_words(parts, t)).or(whole), is_whole: parts.is_none() }
    };
    let name = |bank: &Institution| bank_name(&bank.to_string(), &console.settings);
    let mut files: Vec<FileHere> =
        banks.map(|bank| here(name(bank), FileKind::Postings, Some(*bank))).collect();
    files.push(here(t.file_journal.to_owned(), FileKind::Journal, None));
    files.push(here(t.file_counters.to_owned(), FileKind::Counters, None));
    let more = unfinished.len().saturating_sub(UNFINISHED_SHOWN);
    files.extend(unfinished.into_iter().take(UNFINISHED_SHOWN).map(|(place, parts)| FileHere {
        name: std::format!("{}: {}", kind_words(place.kind, t), whose(&place, console)),
        here: Some(parts_words(parts, t)),
        is_whole: false,
    }));
    if more > 0 {
        let here = Some(t.file_in_part.to_owned());
        files.push(FileHere { name: with(t.and_more, format::grouped(more as u64)), here, is_whole: false });
    }
    files
}

impl DeskShown {
    fn new(seen: &Seen, told: &Told, console: &Console, t: &'static Texts) -> DeskShown {
        let name = |bank: &Institution| bank_name(&bank.to_string(), &console.settings);
        let open = told.sheets.first();
        let cut_over = open.filter(|sheet| sheet.opened.is_some());
        let waiting = told.to_work();
        let files = waiting.map_or(Vec::new(), |sheet| {
            files_here(&seen.casework, sheet.day, sheet.members.keys(), console, t)
        });
        let today = today(console);
        let mut by_band = BTreeMap::new();
        for row in seen.rows.iter().filter(|row| row.is_open()) {
            let age = row.age_days(today);
            let (_, count) =
                by_band.entry(AGE_BANDS.partition_point(|end| *end < age)).or_insert((age, 0_u64));
            *count += 1;
        }
        DeskShown {
            figures: cases::figures(seen, console, t),
            acknowledged: cut_over.map_or(Vec::new(), |sheet| {
                let of =
                    |bank: &Institution| sheet.acknowledged.get(bank).map(|at_ms| format::date_time(*at_ms));
                console.settings.banks.keys().map(|bank| (name(bank), of(bank))).collect()
            }),
            acknowledged_words: cut_over
                .map_or(String::new(), |sheet| with(t.acknowledgements, format::day(sheet.day))),
            files,
            files_words: waiting.map_or(String::new(), |sheet| with(t.files_of_day, format::day(sheet.day))),
            ages: by_band
                .into_values()
                .map(|(age, count)| (with(t.days, age_band(age)), format::grouped(count)))
                .collect(),
        }
    }
}

/// Cash that left on each of the last days, as bars. 600 wide, 120 high.
struct Bar {
    x: String,
    y: String,
    height: String,
    width: String,
    words: String,
}

fn bars(sheets: &[Sheet], console: &Console) -> Vec<Bar> {
    let days: Vec<(Day, i64)> =
        sheets.iter().take(31).map(|sheet| (sheet.day, sums(sheet).1.max(0))).collect();
    let most = days.iter().map(|(_, paid)| *paid).max().unwrap_or(0).max(1);
    let step = 600.0 / days.len().max(7) as f64;
    let bar = |(index, (day, paid)): (usize, &(Day, i64))| {
        let height = *paid as f64 / most as f64 * 110.0;
        Bar {
            x: std::format!("{:.1}", index as f64 * step + step * 0.1),
            y: std::format!("{:.1}", 118.0 - height),
            height: std::format!("{height:.1}"),
            width: std::format!("{:.1}", step * 0.8),
            words: std::format!(
                "{}: {}",
                format::day(*day),
                format::signed(*paid, console.settings.currency)
            ),
        }
    };
    days.iter().rev().enumerate().map(bar).collect()
}

#[derive(Template)]
#[template(path = "day.html")]
struct DayPage {
    shell: Shell,
    reading: Option<String>,
    left_out: Option<String>,
    open: Option<DayRow>,
    desk: Option<DeskShown>,
    suspense: String,
    reversals: String,
    bars: Vec<Bar>,
    rows: Vec<DayRow>,
    may_cut_over: bool,
    next_day: String,
    may_close: bool,
    /// The oldest day that is cut over and not closed: for people, and as the form sends it.
    to_close: Option<(String, String)>,
}

#[derive(Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
    closed: Option<String>,
}

pub(crate) async fn day(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(Done { done, closed }): Query<Done>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let mut page = day_page(&console, &visitor).await?;
    let day: Option<Day> = done.and_then(|day| day.parse().ok());
    let closed: Option<Day> = closed.and_then(|day| day.parse().ok());
    let closed = closed.map(|day| with(visitor.t().closed_done, format::day(day)));
    page.shell.notice = day.map(|day| with(visitor.t().cut_over_done, format::day(day))).or(closed);
    Ok(shown(&page))
}

async fn day_page(console: &Arc<Console>, visitor: &Visitor) -> Result<DayPage, Refused> {
    let t = visitor.t();
    let told = told(console, visitor).await?;
    let seen = match visitor.has_desk {
        true => Some(cases::seen(console, visitor).await?),
        false => None,
    };
    let seen = seen.as_deref();
    // Days are the log's: without the running switch only its own figures are missing.
    let status = console.switch.status().await.unwrap_or_default();
    let number = |name: &str| status[name].as_u64().map_or("–".to_owned(), format::grouped);
    let open = told.sheets.iter().find(|sheet| sheet.state == DayState::Open);
    Ok(DayPage {
        shell: Shell::of(visitor, Section::Day, t.day),
        reading: (!told.is_whole()).then(|| with(t.still_reading, told.percent())),
        left_out: match told.broken {
            Some(broken) => Some(with(t.log_broken, broken)),
            None => (told.left_out > 0).then(|| with(t.left_out, format::grouped(told.left_out))),
        },
        suspense: number("suspense_open"),
        reversals: number("reversals_open"),
        bars: bars(&told.sheets, console),
        rows: told.sheets.iter().take(DAYS_SHOWN).map(|sheet| DayRow::new(sheet, seen, console, t)).collect(),
        desk: seen.map(|seen| DeskShown::new(seen, &told, console, t)),
        may_cut_over: visitor.may(Permission::CutOver),
        may_close: visitor.has_desk && visitor.may(Permission::Check),
        to_close: told
            .sheets
            .iter()
            .rev()
            .find(|sheet| sheet.state == DayState::CuttingOver)
            .map(|sheet| (format::day(sheet.day), sheet.day.to_string())),
        next_day: open.map_or(String::new(), |sheet| calendar::next(sheet.day).to_string()),
        open: open.map(|sheet| DayRow::new(sheet, seen, console, t)),
    })
}

#[derive(Deserialize)]
pub(crate) struct CutOver {
    #[serde(default)]
    day: String,
}

/// A CUTOVER in the log; recorded with who before it is asked for.
pub(crate) async fn cut_over(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(CutOver { day }): Form<CutOver>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::CutOver)?;
    let refuse = async |reason: String| {
        let mut page = day_page(&console, &visitor).await?;
        page.shell.warning = Some(reason);
        Ok(unprocessable(&page))
    };
    let Ok(day) = day.parse::<Day>() else { return refuse(visitor.t().cut_over_bad.to_owned()).await };
    let status = console.switch.status().await.map_err(|error| failed(&visitor, error))?;
    let recorded = visitor.record(
        &console,
        "cutover asked for",
        &day.to_string(),
        json!({ "open_before": status["business_day"] }),
    );
    recorded.map_err(|error| failed(&visitor, error))?;
    // As the switch itself refuses them, which has no language: the day may be another by now, and then its word is shown as it is.
    let t = visitor.t();
    let open = status["business_day"].as_str().and_then(|open| open.parse::<Day>().ok());
    let days_after = open.map(|open| day.days_after(open));
    match days_after {
        Some(..1) => return refuse(with(t.cut_over_refused, t.cut_over_not_later)).await,
        Some(days) if days > CUTOVER_DAYS_MAX => {
            return refuse(with(t.cut_over_refused, with(t.cut_over_too_far, CUTOVER_DAYS_MAX))).await;
        }
        _ => {}
    }
    let asked = console.switch.cut_over(day, &visitor.person.name).await;
    asked.map_err(|error| failed(&visitor, error))?;
    Ok(Redirect::to(&std::format!("/day?done={day}")).into_response())
}

/// An act to be done, or the reason why it is refused, which the page tells.
fn told_or_refused(deed: Result<Deed, TellError>) -> Result<Result<Deed, DeskError>, TellError> {
    match deed {
        Ok(deed) => Ok(Ok(deed)),
        Err(TellError::Desk(error @ DeskError::Act(ActError::Refused(_)))) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// Closes a day that is cut over, at the log's end: an act with who and when. Cases that are open are shown and block nothing.
pub(crate) async fn close(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(CutOver { day }): Form<CutOver>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Check)?;
    let Ok(day) = day.parse::<Day>() else { return Err(missing(&visitor)) };
    let closing =
        at_turn(&console, &visitor, move |console| told_or_refused(console.days.close(&console.log, day)));
    let done = match closing.await? {
        Ok(deed) => cases::done(&console, &visitor, deed).await,
        Err(refused) => Err(refused),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&std::format!("/day?closed={day}")).into_response()),
        Err(DeskError::Act(ActError::Refused(refused))) => {
            let mut page = day_page(&console, &visitor).await?;
            page.shell.warning = Some(with(visitor.t().close_refused, visitor.t().refusal(&refused)));
            Ok(unprocessable(&page))
        }
        Err(error) => Err(failed(&visitor, error)),
    }
}

struct ElementRow {
    number: u8,
    name: &'static str,
    values: Vec<String>,
    is_net: bool,
}

/// What a member pays, in its parts.
struct NetRow {
    bank: String,
    position: String,
    adjusted: String,
    to_pay: String,
    is_owed: bool,
}

struct OwedRow {
    issuer: String,
    acquirer: String,
    amount: String,
    fee: String,
}

#[derive(Template)]
#[template(path = "totals.html")]
struct TotalsPage {
    shell: Shell,
    reading: Option<String>,
    day: String,
    state: (&'static str, &'static str),
    banks: Vec<String>,
    elements: Vec<ElementRow>,
    net: Vec<NetRow>,
    owed: Vec<OwedRow>,
    adjustments: Vec<(String, String, String)>,
    claims: Vec<ClaimRow>,
    earlier: Option<String>,
    later: Option<String>,
    csv: String,
    /// Of a closed day that is held: each bank with its files.
    files: Vec<BankFiles>,
    /// The day is closed, and its single transactions were let go: there are no files of it.
    has_no_files: bool,
    /// The day as the form sends it, where it can be settled now.
    to_settle: Option<String>,
}

/// What a member claims: an element that differs, or a word for all of them.
struct ClaimRow {
    member: String,
    side: &'static str,
    /// Its number and name; none where nothing differs.
    element: Option<(u8, &'static str)>,
    word: (&'static str, &'static str),
    ours: String,
    theirs: String,
    difference: String,
    /// Beside the first of its differences: what may explain all of them.
    explained: Option<String>,
}

/// Which lost answers may explain a bank's difference, in words.
fn explanation(explained: &Explained, console: &Console, t: &Texts) -> String {
    let amount = format::amount(explained.amount_minor.unsigned_abs(), console.settings.currency);
    let words = with(t.explained, format::grouped(explained.items));
    with(&with(&words, format::grouped(explained.of_items)), amount)
}

/// Who claims what of a day, and who was asked in vain.
fn claim_rows(
    sheet: &Sheet,
    claims: &BTreeMap<(Side, Institution), Claimed>,
    explained: &BTreeMap<Institution, Explained>,
    console: &Console,
    t: &'static Texts,
) -> Vec<ClaimRow> {
    let row = |(side, member): &(Side, Institution), word: (&'static str, &'static str)| ClaimRow {
        member: bank_name(&member.to_string(), &console.settings),
        side: if *side == Side::Issuer { t.issuer } else { t.acquirer },
        element: None,
        word,
        ours: String::new(),
        theirs: String::new(),
        difference: String::new(),
        explained: None,
    };
    let value = |number: u8, value: i64| match is_amount(number) {
        true => format::signed(value, console.settings.currency),
        false => value.to_string(),
    };
    let mut rows = Vec::new();
    for (who, claimed) in claims {
        let differences = differences(&sheet.figures(who.0, who.1), claimed);
        if differences.is_empty() {
            rows.push(row(who, (t.claim_in_balance, "good")));
        }
        let explained = explained.get(&who.1).filter(|_| who.0 == Side::Issuer);
        let mut explained = explained.map(|explained| explanation(explained, console, t));
        rows.extend(differences.iter().map(|it| {
            let number = it.element.number;
            ClaimRow {
                element: Some((number, t.total_element(number))),
                ours: value(number, it.ours),
                theirs: value(number, it.theirs),
                difference: value(number, it.theirs - it.ours),
                explained: explained.take(),
                ..row(who, ("", ""))
            }
        }));
    }
    let unanswered =
        sheet.exchanged.iter().filter(|(who, told)| told.is_unanswered && !claims.contains_key(who));
    rows.extend(unanswered.map(|(who, _)| row(who, (t.claim_missing, "warn"))));
    rows
}

/// A bank's files of a closed day: what each is, and where.
struct BankFiles {
    bank: String,
    files: Vec<(&'static str, String)>,
}

impl BankFiles {
    fn new(bank: &Institution, day: Day, console: &Console, t: &'static Texts) -> BankFiles {
        let link = |form: &str| {
            let (bank, day) = (bank.to_string(), day.to_string());
            std::format!("/totals/file{}", query(&[("day", &*day), ("bank", &*bank), ("form", form)]))
        };
        BankFiles {
            bank: bank_name(&bank.to_string(), &console.settings),
            files: vec![
                (t.settlement_file, link("settlement")),
                ("camt.053", link("camt053")),
                ("camt.054", link("camt054")),
            ],
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    day: String,
    settled: Option<String>,
    /// So many elements of members' totals were just taken.
    claimed: Option<u64>,
}

/// The day that is asked for, or the open one.
fn which<'a>(told: &'a Told, day: &str) -> Option<(usize, &'a Sheet)> {
    let mut sheets = told.sheets.iter().enumerate();
    if day.is_empty() {
        return sheets.next();
    }
    let day: Day = day.parse().ok()?;
    sheets.find(|(_, sheet)| sheet.day == day)
}

fn elements(sheet: &Sheet, console: &Console, t: &Texts) -> Vec<ElementRow> {
    let row = |element: &reconciliation::Element| {
        let value = |totals: &Totals| {
            let value = totals.element(element.number);
            if is_amount(element.number) {
                format::signed(value, console.settings.currency)
            } else {
                format::grouped(value.unsigned_abs())
            }
        };
        let mut values: Vec<String> = sheet.members.values().map(value).collect();
        let sum = sheet.members.values().map(|totals| totals.element(element.number)).sum::<i64>();
        values.push(if is_amount(element.number) {
            format::signed(sum, console.settings.currency)
        } else {
            format::grouped(sum.unsigned_abs())
        });
        ElementRow {
            number: element.number,
            name: t.total_element(element.number),
            values,
            is_net: element.number == 97,
        }
    };
    ELEMENTS.iter().map(row).collect()
}

pub(crate) async fn totals(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(Which { day, settled, claimed }): Query<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let mut page = totals_page(&console, &visitor, &day).await?;
    let claimed = claimed.map(|count| with(visitor.t().claims_taken, format::grouped(count)));
    page.shell.notice = settled.map(|_| with(visitor.t().settled_done, &page.day)).or(claimed);
    Ok(shown(&page))
}

async fn totals_page(console: &Arc<Console>, visitor: &Visitor, day: &str) -> Result<TotalsPage, Refused> {
    let t = visitor.t();
    let told = told(console, visitor).await?;
    let Some((index, sheet)) = which(&told, day) else {
        return Err(missing(visitor));
    };
    let of = sheet.day;
    let explained = at_turn(console, visitor, move |console| console.days.explained(of)).await?;
    let may_settle = visitor.has_desk && visitor.may(Permission::Check);
    let name = |bank: &Institution| bank_name(&bank.to_string(), &console.settings);
    let link = |sheet: &Sheet| std::format!("/totals?day={}", sheet.day);
    let paid = told.payments.get(&sheet.day).into_iter().flatten();
    let owed = sheet.owed.iter().filter(|(_, owed)| owed.amount_minor != 0 || owed.fee_minor != 0);
    Ok(TotalsPage {
        shell: Shell::of(visitor, Section::Totals, t.totals),
        files: told
            .settling
            .get(&sheet.day)
            .into_iter()
            .flatten()
            .map(|bank| BankFiles::new(bank, sheet.day, console, t))
            .collect(),
        has_no_files: sheet.closed.is_some() && !told.settling.contains_key(&sheet.day),
        to_settle: (may_settle && sheet.state == DayState::Closed).then(|| sheet.day.to_string()),
        reading: (!told.is_whole()).then(|| with(t.still_reading, told.percent())),
        day: format::day(sheet.day),
        state: state_words(sheet.state, t),
        banks: sheet.members.keys().map(name).collect(),
        elements: elements(sheet, console, t),
        net: paid
            .map(|(bank, paid)| NetRow {
                bank: name(bank),
                position: format::signed(paid.position_minor, console.settings.currency),
                adjusted: format::signed(paid.adjusted_minor, console.settings.currency),
                to_pay: format::amount(paid.net_minor().unsigned_abs(), console.settings.currency),
                is_owed: paid.net_minor() < 0,
            })
            .collect(),
        owed: owed
            .map(|((issuer, acquirer), owed)| OwedRow {
                issuer: name(issuer),
                acquirer: name(acquirer),
                amount: format::signed(owed.amount_minor, console.settings.currency),
                fee: format::signed(owed.fee_minor, console.settings.currency),
            })
            .collect(),
        adjustments: sheet
            .adjustments
            .iter()
            .map(|((day, bank), totals)| {
                (format::day(*day), name(bank), format::signed(totals.net_minor(), console.settings.currency))
            })
            .collect(),
        claims: told
            .claims
            .get(&sheet.day)
            .map(|claims| claim_rows(sheet, claims, &explained, console, t))
            .unwrap_or_default(),
        earlier: told.sheets.get(index + 1).map(link),
        later: index.checked_sub(1).and_then(|index| told.sheets.get(index)).map(link),
        csv: std::format!("/totals.csv?day={}", sheet.day),
    })
}

#[derive(Deserialize)]
pub(crate) struct WhichFile {
    #[serde(default)]
    day: String,
    #[serde(default)]
    bank: String,
    #[serde(default)]
    form: String,
}

/// A bank's file of a closed day; recorded with who took it.
pub(crate) async fn file(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(WhichFile { day, bank, form }): Query<WhichFile>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let (Ok(day), Ok(bank)) = (day.parse::<Day>(), bank.parse::<Institution>()) else {
        return Err(missing(&visitor));
    };
    let settling = whole(&console, &visitor, move |console| {
        let settings = &console.settings;
        let (switch, currency) = (&settings.switch, settings.currency);
        console.days.settlement(&console.log, switch, currency, day, bank, &settings.members)
    });
    let (settlement, created_s) = match settling.await? {
        Ok(settlement) => settlement,
        Err(NoSettlement::Broken(_)) => {
            let mut page = totals_page(&console, &visitor, &day.to_string()).await?;
            page.shell.warning = Some(visitor.t().not_day(NotDay::Broken).to_owned());
            return Ok(unprocessable(&page));
        }
        Err(NoSettlement::Stranger(bank)) => {
            let stranger = problem::page(&visitor.guest, Some(&visitor), Problem::Stranger(bank));
            return Err(Refused::from(stranger));
        }
        Err(_) => return Err(missing(&visitor)),
    };
    let camt = |of: Camt| write_camt(of, &settlement, created_s).map_err(|error| failed(&visitor, error));
    let (kind, end, bytes) = match form.as_str() {
        "settlement" => (TEXT, "txt", settlement.to_bytes()),
        "camt053" => (XML, "xml", camt(Camt::Statement)?),
        "camt054" => (XML, "xml", camt(Camt::Notification)?),
        _ => return Err(missing(&visitor)),
    };
    let name = std::format!("{form}-{bank}-{day}.{end}");
    let recorded = visitor.record(&console, "bank's file exported", &name, json!({ "bytes": bytes.len() }));
    recorded.map_err(|error| failed(&visitor, error))?;
    Ok(download(kind, &name, bytes))
}

/// Says that the banks have settled a closed day: an act with who and when.
pub(crate) async fn settle(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(CutOver { day }): Form<CutOver>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Check)?;
    let Ok(settled) = day.parse::<Day>() else { return Err(missing(&visitor)) };
    let settling = at_turn(&console, &visitor, move |console| {
        told_or_refused(console.days.settle(&console.log, settled))
    });
    let done = match settling.await? {
        Ok(deed) => cases::done(&console, &visitor, deed).await,
        Err(refused) => Err(refused),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&std::format!("/totals?day={settled}&settled=1")).into_response()),
        Err(DeskError::Act(ActError::Refused(refused))) => {
            let mut page = totals_page(&console, &visitor, &day).await?;
            page.shell.warning = Some(with(visitor.t().settle_refused, visitor.t().refusal(&refused)));
            Ok(unprocessable(&page))
        }
        Err(error) => Err(failed(&visitor, error)),
    }
}

pub(crate) async fn totals_csv(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(Which { day, .. }): Query<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let t = visitor.t();
    let told = whole(&console, &visitor, |console| console.days.tell_whole(&console.log)).await?;
    let Some((_, sheet)) = which(&told, &day) else {
        return Err(missing(&visitor));
    };
    let of = sheet.day;
    let explained = at_turn(&console, &visitor, move |console| console.days.explained(of)).await?;
    let mut csv = Csv::new(&[t.business_day, t.bank_id, "DE", t.element_name, t.amount_or_count]);
    let day = sheet.day.to_string();
    for (bank, totals) in &sheet.members {
        for element in ELEMENTS {
            let (bank, number) = (bank.to_string(), element.number.to_string());
            let value = totals.element(element.number).to_string();
            csv.row_of_numbers([&day, &bank, &number, t.total_element(element.number), &value]);
        }
    }
    for (bank, paid) in told.payments.get(&sheet.day).into_iter().flatten() {
        let parts = [
            (t.position, paid.position_minor),
            (t.approved_adjustments, paid.adjusted_minor),
            (t.to_pay, paid.net_minor()),
        ];
        for (name, minor) in parts {
            csv.row_of_numbers([&day, &bank.to_string(), "", name, &minor.to_string()]);
        }
    }
    for ((side, member), claimed) in told.claims.get(&sheet.day).into_iter().flatten() {
        let (bank, is_issuer) = (member.to_string(), *side == Side::Issuer);
        let side_words = if is_issuer { t.issuer } else { t.acquirer };
        for it in differences(&sheet.figures(*side, *member), claimed) {
            let number = it.element.number;
            let name = std::format!("{} ({side_words}): {}", t.claim_difference, t.total_element(number));
            let difference = (it.theirs - it.ours).to_string();
            let number = number.to_string();
            csv.row_of_numbers([day.as_str(), &bank, &number, &name, &difference]);
        }
        if let Some(explained) = explained.get(member).filter(|_| is_issuer) {
            let parts = [
                (t.explained_items, explained.items.to_string()),
                (t.explained_amount, explained.amount_minor.to_string()),
            ];
            parts.iter().for_each(|(name, value)| csv.row_of_numbers([day.as_str(), &bank, "", name, value]));
        }
    }
    Ok(csv.download(&std::format!("totals-{day}.csv")))
}
