//! The Cash and Files page: cassettes against what was counted, and which files were taken or refused.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{ActError, Deed, DeskError, Refused as NotDone};
use exchange::{Cell, Digest, FileKey, FileKind, List};
use reconciliation::{Counter, Kind};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::desk::Seen;
use crate::format;
use crate::pages::cases::{PAGE_ROWS, done, seen, seen_whole};
use crate::pages::days::parts_words;
use crate::pages::export::{CSV, XLSX, download};
use crate::pages::problem::Refused;
use crate::pages::{Section, Shell, failed, missing, need, query, shown, unprocessable};
use crate::role::Permission;
use crate::texts::{Texts, with};

struct CassetteRow {
    day: String,
    terminal: String,
    cassette: u16,
    note: String,
    opening: String,
    loaded: String,
    dispensed: String,
    counted: String,
    difference: String,
    agrees: bool,
}

struct FileRow {
    day: String,
    kind: &'static str,
    whose: String,
    part: u32,
    digest: String,
    /// Why it was refused: which exception that is, and what is wrong.
    refused: Option<(&'static str, String)>,
    /// Of a file that was taken its whole digest and its place, as a form sends them.
    taken: Option<(String, String)>,
    taking_back: Option<TakingBackShown>,
    /// Of a file that was taken, where its day waits for other parts: how many are here of how many.
    unfinished: Option<String>,
}

/// What somebody wants to take back.
struct TakingBackShown {
    act: u64,
    maker: String,
    why: String,
    is_own: bool,
}

pub(crate) fn kind_words(kind: FileKind, t: &Texts) -> &'static str {
    match kind {
        FileKind::Postings => t.file_postings,
        FileKind::Journal => t.file_journal,
        FileKind::Counters => t.file_counters,
        FileKind::Totals => t.file_totals,
    }
}

pub(crate) fn whose(key: &FileKey, console: &Console) -> String {
    let bank = key.bank.map(|bank| crate::evidence::bank_name(&bank.to_string(), &console.settings));
    let terminal = key.terminal.map(|terminal| terminal.to_string());
    bank.or(terminal).unwrap_or_else(|| "–".to_owned())
}

/// A table's page, and the way to the others.
struct Page<T> {
    rows: Vec<T>,
    /// Which rows of how many.
    all: String,
    first: Option<String>,
    next: Option<String>,
}

impl<T> Page<T> {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

#[derive(Template)]
#[template(path = "files.html")]
struct FilesPage {
    shell: Shell,
    filters: Filters,
    cassettes: Page<CassetteRow>,
    taken: Page<FileRow>,
    refused: Page<FileRow>,
    exports: String,
    may_load: bool,
    may_check: bool,
}

/// The filters and pages as they stand in the address.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    day: String,
    terminal: String,
    /// Of each table which page, from 0.
    cash_page: String,
    taken_page: String,
    refused_page: String,
}

impl Filters {
    fn query(&self) -> String {
        query(&[
            ("day", &self.day),
            ("terminal", &self.terminal),
            ("cash_page", &self.cash_page),
            ("taken_page", &self.taken_page),
            ("refused_page", &self.refused_page),
        ])
    }

    fn fits(&self, day: processor::Day, terminal: Option<processor::TerminalId>) -> bool {
        let wanted = self.terminal.trim();
        (self.day.is_empty() || day.to_string() == self.day)
            && (wanted.is_empty() || terminal.is_some_and(|terminal| terminal.to_string() == wanted))
    }
}

/// What was just done, for the notice.
#[derive(Default, Deserialize)]
pub(crate) struct Loaded {
    taken: Option<u64>,
    sum: Option<i64>,
    refused: Option<String>,
    done: Option<String>,
}

/// The rows that the filters leave, the newest day first.
struct Left<'a> {
    cassettes: Vec<&'a Counter>,
    taken: Vec<(&'a Digest, &'a FileKey)>,
    /// The newest first.
    refused: Vec<(&'a Digest, &'a FileKey, Kind, &'a str)>,
}

impl<'a> Left<'a> {
    fn of(seen: &'a Seen, filters: &Filters) -> Left<'a> {
        let mut cassettes: Vec<&Counter> = seen.counters.iter().collect();
        cassettes.retain(|counter| filters.fits(counter.day, Some(counter.terminal)));
        cassettes.sort_by_key(|it| (std::cmp::Reverse(it.day), it.terminal, it.cassette, it.at_s));
        let mut taken: Vec<_> = seen.casework.files().map(|(digest, key, _)| (digest, key)).collect();
        taken.retain(|(_, key)| filters.fits(key.day, key.terminal));
        // What waits for somebody stands in front.
        let taking_back = seen.casework.taking_back();
        let is_left = |digest: &Digest, key: &FileKey| !taking_back.contains_key(&(*digest, *key));
        taken.sort_by_key(|(digest, key)| (is_left(digest, key), std::cmp::Reverse(key.day), **key));
        let refused = seen.casework.refused().iter().rev();
        let refused = refused.filter(|(_, _, key, ..)| filters.fits(key.day, key.terminal));
        let refused = refused.map(|(_, digest, key, kind, reason)| (digest, key, *kind, reason.as_str()));
        Left { cassettes, taken, refused: refused.collect() }
    }
}

/// One page of a table's rows; `asked` is its number, and `link` the address of another one.
fn page_of<R, T>(
    all: Vec<R>,
    asked: &str,
    t: &Texts,
    link: impl Fn(String) -> String,
    mut row: impl FnMut(R) -> Result<T, Refused>,
) -> Result<Page<T>, Refused> {
    let (count, page) = (all.len(), asked.parse::<usize>().unwrap_or(0));
    let from = page.saturating_mul(PAGE_ROWS).min(count);
    let rows: Vec<T> = all.into_iter().skip(from).take(PAGE_ROWS).map(&mut row).collect::<Result<_, _>>()?;
    let to = from + rows.len();
    let shown = std::format!("{}–{}", format::grouped(from as u64 + 1), format::grouped(to as u64));
    let words = with(&with(t.rows_shown, shown), format::grouped(count as u64));
    Ok(Page {
        all: if rows.is_empty() { String::new() } else { words },
        first: (page > 0).then(|| link(String::new())),
        next: (to < count).then(|| link((page + 1).to_string())),
        rows,
    })
}

fn cassette_row(counter: &Counter, console: &Console, visitor: &Visitor) -> Result<CassetteRow, Refused> {
    let money = |notes: i64, note_minor: i64| {
        format::signed(notes.saturating_mul(note_minor), console.settings.currency)
    };
    let difference = difference_minor(counter, visitor)?;
    Ok(CassetteRow {
        day: format::day(counter.day),
        terminal: counter.terminal.to_string(),
        cassette: counter.cassette,
        note: money(1, counter.note_minor),
        opening: money(counter.opening, counter.note_minor),
        loaded: money(counter.loaded, counter.note_minor),
        dispensed: money(counter.dispensed, counter.note_minor),
        counted: money(counter.counted, counter.note_minor),
        difference: money(difference, 1),
        agrees: difference == 0,
    })
}

/// What was counted less what the cassette should hold, minor units.
fn difference_minor(counter: &Counter, visitor: &Visitor) -> Result<i64, Refused> {
    let expected = reconciliation::expected_minor(counter).map_err(|error| failed(visitor, error))?;
    Ok(counter.counted.saturating_mul(counter.note_minor) - expected)
}

fn file_row(digest: &Digest, key: &FileKey, console: &Console, t: &Texts) -> FileRow {
    FileRow {
        day: format::day(key.day),
        kind: kind_words(key.kind, t),
        whose: whose(key, console),
        part: key.part,
        digest: digest.to_string().chars().take(12).collect(),
        refused: None,
        taken: None,
        taking_back: None,
        unfinished: None,
    }
}

/// How many parts are here of how many, where one is missing.
fn unfinished(key: &FileKey, seen: &Seen, t: &Texts) -> Option<String> {
    let parts = Some(seen.casework.parts(*key)).filter(|parts| !parts.are_all_here());
    parts.map(|parts| parts_words(parts, t))
}

fn taken_row(digest: &Digest, key: &FileKey, seen: &Seen, console: &Console, visitor: &Visitor) -> FileRow {
    let asked = seen.casework.taking_back().get(&(*digest, *key));
    FileRow {
        taken: serde_json::to_string(key).ok().map(|place| (digest.to_string(), place)),
        taking_back: asked.map(|asked| TakingBackShown {
            act: asked.act,
            maker: asked.maker.clone(),
            why: asked.why.clone(),
            is_own: asked.maker == visitor.person.name,
        }),
        unfinished: unfinished(key, seen, visitor.t()),
        ..file_row(digest, key, console, visitor.t())
    }
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
    Query(loaded): Query<Loaded>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    Ok(shown(&files_page(&console, &visitor, filters, loaded).await?))
}

async fn files_page(
    console: &Arc<Console>,
    visitor: &Visitor,
    filters: Filters,
    loaded: Loaded,
) -> Result<FilesPage, Refused> {
    let t = visitor.t();
    let seen = seen(console, visitor).await?;
    let left = Left::of(&seen, &filters);
    let link = |filters: Filters| std::format!("/cash{}", filters.query());
    let to_cash = |cash_page| link(Filters { cash_page, ..filters.clone() });
    let to_taken = |taken_page| link(Filters { taken_page, ..filters.clone() });
    let to_refused = |refused_page| link(Filters { refused_page, ..filters.clone() });
    let cassettes = page_of(left.cassettes, &filters.cash_page, t, to_cash, |counter| {
        cassette_row(counter, console, visitor)
    })?;
    let taken = page_of(left.taken, &filters.taken_page, t, to_taken, |(digest, key)| {
        Ok(taken_row(digest, key, &seen, console, visitor))
    })?;
    let refused =
        page_of(left.refused, &filters.refused_page, t, to_refused, |(digest, key, kind, reason)| {
            let refused = Some((t.exception(kind), t.recorded_refusal(reason)));
            Ok(FileRow { refused, ..file_row(digest, key, console, t) })
        })?;
    let mut shell = Shell::of(visitor, Section::Files, t.files);
    shell.notice = loaded.taken.zip(loaded.sum).map(|(count, sum_minor)| {
        let words = with(t.load_taken, format::grouped(count));
        with(&words, format::signed(sum_minor, console.settings.currency))
    });
    shell.notice = shell.notice.or(loaded.done.map(|_| t.act_done.to_owned()));
    let kind: Option<Kind> = loaded.refused.and_then(|kind| kind.parse().ok());
    shell.warning = kind.map(|kind| with(t.load_refused, t.exception(kind)));
    let exports = query(&[("day", &filters.day), ("terminal", &filters.terminal)]);
    let (may_load, may_check) = (visitor.may(Permission::Work), visitor.may(Permission::Check));
    Ok(FilesPage { shell, filters, cassettes, taken, refused, exports, may_load, may_check })
}

/// A file, and what is to be done about its place.
#[derive(Deserialize)]
pub(crate) struct TakingBack {
    digest: String,
    place: String,
    act: String,
    #[serde(default)]
    proposal: String,
    #[serde(default)]
    text: String,
}

impl TakingBack {
    fn deed(&self) -> Option<Deed> {
        let digest: Digest = self.digest.parse().ok()?;
        let key: FileKey = serde_json::from_str(&self.place).ok()?;
        let why = self.text.trim().to_owned();
        // No act has the number of who names none.
        let proposal = self.proposal.parse().unwrap_or(u64::MAX);
        match self.act.as_str() {
            "propose" => Some(Deed::TakeBack { digest, key, why }),
            "approve" => Some(Deed::ApproveTakeBack { digest, key, proposal }),
            "reject" => Some(Deed::RejectTakeBack { digest, key, proposal, why }),
            _ => None,
        }
    }
}

/// Proposes to take a file back out of its place, or checks what somebody else has proposed. A maker who would check is refused and recorded.
pub(crate) async fn take_back(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(asked): Form<TakingBack>,
) -> Result<Response, Refused> {
    let permission = if asked.act == "propose" { Permission::Work } else { Permission::Check };
    need(&console, &visitor, permission)?;
    let Some(deed) = asked.deed() else { return Err(missing(&visitor)) };
    match done(&console, &visitor, deed).await {
        Ok(()) => Ok(Redirect::to("/cash?done=1").into_response()),
        Err(DeskError::Act(ActError::Refused(refused))) => {
            if matches!(refused, NotDone::OwnProposal(_)) {
                visitor.record_refusal(&console, "refused: maker is never checker", &asked.digest);
            }
            let mut page = files_page(&console, &visitor, Filters::default(), Loaded::default()).await?;
            page.shell.warning = Some(visitor.t().refusal(&refused));
            Ok(unprocessable(&page))
        }
        Err(error) => Err(failed(&visitor, error)),
    }
}

/// Cassettes or files that the filters leave, all of them, as CSV or a workbook; recorded with who took them.
pub(crate) async fn export(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(filters): Query<Filters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let (what, form) = name.rsplit_once('.').unwrap_or((&name, ""));
    let seen = seen_whole(&console, &visitor).await?;
    let (act, list) = match what {
        "cassettes" => ("cassettes exported", cassettes(&seen, &filters, &visitor)?),
        "files" => ("list of files exported", files(&seen, &filters, &console, visitor.t())),
        _ => return Err(missing(&visitor)),
    };
    let recorded =
        visitor.record(&console, act, &filters.query(), serde_json::json!({ "rows": list.rows.len() }));
    recorded.map_err(|error| failed(&visitor, error))?;
    let kind = match form {
        "csv" => CSV,
        "xlsx" => XLSX,
        _ => return Err(missing(&visitor)),
    };
    let bytes = if kind == CSV { list.to_csv() } else { list.to_xlsx(what) };
    Ok(download(kind, &name, bytes.map_err(|error| failed(&visitor, error))?))
}

/// Notes are numbers of notes; amounts are minor units.
fn cassettes(seen: &Seen, filters: &Filters, visitor: &Visitor) -> Result<List, Refused> {
    let t = visitor.t();
    let headings = vec![
        t.business_day,
        t.terminal,
        t.cassette,
        t.note_value,
        t.opening,
        t.loaded,
        t.dispensed,
        t.counted,
        t.difference,
    ];
    let row = |counter: &Counter| {
        Ok(vec![
            Cell::from(counter.day.to_string()),
            Cell::from(counter.terminal.to_string()),
            Cell::from(i64::from(counter.cassette)),
            Cell::from(counter.note_minor),
            Cell::from(counter.opening),
            Cell::from(counter.loaded),
            Cell::from(counter.dispensed),
            Cell::from(counter.counted),
            Cell::from(difference_minor(counter, visitor)?),
        ])
    };
    let rows: Result<Vec<_>, Refused> = Left::of(seen, filters).cassettes.into_iter().map(row).collect();
    Ok(List { headings, rows: rows? })
}

fn files(seen: &Seen, filters: &Filters, console: &Console, t: &Texts) -> List {
    let headings = vec![t.business_day, t.file_kind, t.whose, t.part, "SHA-256", t.state, t.why];
    let row = |digest: &Digest, key: &FileKey, state: &str, why: Option<String>| {
        vec![
            Cell::from(key.day.to_string()),
            Cell::from(kind_words(key.kind, t)),
            Cell::from(whose(key, console)),
            Cell::from(i64::from(key.part)),
            Cell::from(digest.to_string()),
            Cell::from(state),
            Cell::from(why),
        ]
    };
    let left = Left::of(seen, filters);
    let taken =
        left.taken.into_iter().map(|(digest, key)| row(digest, key, t.file_taken, unfinished(key, seen, t)));
    let refused = left.refused.into_iter().map(|(digest, key, kind, reason)| {
        row(digest, key, t.exception(kind), Some(t.recorded_refusal(reason)))
    });
    List { headings, rows: taken.chain(refused).collect() }
}
