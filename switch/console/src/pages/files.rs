//! The Cash and Files page: cassettes against what was counted, and which files were taken or refused.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::{FileKey, FileKind};
use reconciliation::Kind;
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::format;
use crate::pages::cases::seen;
use crate::pages::problem::Refused;
use crate::pages::{Section, Shell, failed, need, shown};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Rows of each table.
const ROWS_MAX: usize = 500;

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
    /// Why it was refused.
    refused: Option<&'static str>,
    reason: String,
}

#[derive(Template)]
#[template(path = "files.html")]
struct FilesPage {
    shell: Shell,
    day: String,
    cassettes: Vec<CassetteRow>,
    files: Vec<FileRow>,
    may_load: bool,
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    day: String,
    taken: Option<u64>,
    sum: Option<i64>,
    refused: Option<String>,
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

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(Which { day, taken, sum, refused }): Query<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let t = visitor.t();
    let seen = seen(&console, &visitor).await?;
    let fits = |own: processor::Day| day.is_empty() || own.to_string() == day;
    let money = |notes: i64, note_minor: i64| {
        format::signed(notes.saturating_mul(note_minor), console.settings.currency)
    };
    let mut cassettes = Vec::new();
    for counter in seen.counters.iter().filter(|counter| fits(counter.day)).take(ROWS_MAX) {
        let expected = reconciliation::expected_minor(counter).map_err(|error| failed(&visitor, error))?;
        let difference = counter.counted.saturating_mul(counter.note_minor) - expected;
        cassettes.push(CassetteRow {
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
        });
    }
    let front = |digest: &exchange::Digest| digest.to_string().chars().take(12).collect::<String>();
    let kept = seen.casework.files().filter(|(_, key, _)| fits(key.day)).map(|(digest, key, _)| FileRow {
        day: format::day(key.day),
        kind: kind_words(key.kind, t),
        whose: whose(key, &console),
        part: key.part,
        digest: front(digest),
        refused: None,
        reason: String::new(),
    });
    let turned_away = seen.casework.refused().iter().rev().filter(|(_, _, key, ..)| fits(key.day));
    let turned_away = turned_away.map(|(_, digest, key, kind, reason)| FileRow {
        day: format::day(key.day),
        kind: kind_words(key.kind, t),
        whose: whose(key, &console),
        part: key.part,
        digest: front(digest),
        refused: Some(t.exception(*kind)),
        reason: reason.clone(),
    });
    let files = turned_away.chain(kept).take(ROWS_MAX).collect();
    let mut shell = Shell::of(&visitor, Section::Files, t.files);
    shell.notice = taken.zip(sum).map(|(count, sum_minor)| {
        let words = with(t.load_taken, format::grouped(count));
        with(&words, format::signed(sum_minor, console.settings.currency))
    });
    let refused: Option<Kind> = refused.and_then(|kind| kind.parse().ok());
    shell.warning = refused.map(|kind| with(t.load_refused, t.exception(kind)));
    let may_load = visitor.may(Permission::Work);
    Ok(shown(&FilesPage { shell, day, cassettes, files, may_load }))
}
