//! Loading a file: handed in, shown as it would be read, and taken whole by a second click or not at all.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Extension, Form};
use casework::{ActError, Arrival, Deed, DeskError, Preview, PreviewLine};
use exchange::{FileKey, FileKind, Layout};
use mutant::Mutant;
use processor::{Day, TerminalId};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::evidence::bank_name;
use crate::format;
use crate::guard::{UPLOAD_BYTES_MAX, Upload};
use crate::pages::days::is_amount;
use crate::pages::export::Csv;
use crate::pages::files::{kind_words, whose};
use crate::pages::problem::Refused;
use crate::pages::{
    Choice, Section, Shell, at_turn, cases, failed, missing, need, shown, unprocessable, whole,
};
use crate::role::Permission;
use crate::texts::{Texts, with};
use crate::waiting::Waiter;

/// Lines that a preview shows.
const LINES_SHOWN: usize = 20;

/// What is wrong with a file, as far as the page shows it; the list to download has all that is told of it.
const REJECTS_SHOWN: usize = 50;

/// Characters of the name that a browser gives a file.
const NAME_CHARACTERS_MAX: usize = 80;

/// Files of one place and day.
const PART_MAX: u32 = 999;

/// Bytes of a mapping as a person writes it.
const MAPPING_BYTES_MAX: usize = 16 * 1024;

const KINDS: [(&str, FileKind); 4] = [
    ("postings", FileKind::Postings),
    ("journal", FileKind::Journal),
    ("counters", FileKind::Counters),
    ("totals", FileKind::Totals),
];

/// A mapping that is kept.
struct MappingRow {
    name: String,
    kind: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "load.html")]
struct LoadPage {
    shell: Shell,
    kinds: Vec<Choice>,
    banks: Vec<Choice>,
    layouts: Vec<Choice>,
    day: String,
    terminal: String,
    part: String,
    parts: String,
    bytes_max: usize,
    bytes_max_words: String,
    mappings: Vec<MappingRow>,
    mapping_name: String,
    mapping_text: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    day: String,
    kept: Option<String>,
}

pub(crate) async fn form(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let mut page = load_page(&console, &visitor, |name| if name == "day" { &asked.day } else { "" }).await?;
    let kept = asked.kept.filter(|name| page.mappings.iter().any(|mapping| mapping.name == *name));
    page.shell.notice = kept.map(|name| with(visitor.t().mapping_kept, name));
    Ok(shown(&page))
}

/// The form, with what was typed before.
async fn load_page<'a>(
    console: &Arc<Console>,
    visitor: &Visitor,
    typed: impl Fn(&str) -> &'a str,
) -> Result<LoadPage, Refused> {
    let t = visitor.t();
    let seen = cases::seen(console, visitor).await?;
    let told = at_turn(console, visitor, |console| console.days.tell(&console.log)).await?;
    // What is loaded first is what has to be closed first.
    let day = told.to_work().map_or(String::new(), |sheet| sheet.day.to_string());
    let layouts = seen.casework.layouts().map(|(name, _)| Choice::new(name, name, typed("layout")));
    let or = |typed: &str, otherwise: &str| if typed.is_empty() { otherwise } else { typed }.to_owned();
    Ok(LoadPage {
        shell: Shell::of(visitor, Section::Files, t.load_file),
        kinds: KINDS
            .iter()
            .map(|(name, kind)| Choice::new(name, kind_words(*kind, t), typed("kind")))
            .collect(),
        banks: Choice::banks(console, typed("bank")),
        layouts: layouts.collect(),
        day: or(typed("day"), &day),
        terminal: typed("terminal").to_owned(),
        part: or(typed("part"), "1"),
        parts: typed("parts").to_owned(),
        bytes_max: UPLOAD_BYTES_MAX,
        bytes_max_words: with(t.load_bytes_max, UPLOAD_BYTES_MAX >> 20),
        mappings: seen
            .casework
            .layouts()
            .map(|(name, layout)| MappingRow {
                name: name.to_owned(),
                kind: match layout {
                    Layout::Postings(_) => t.file_postings,
                    Layout::RawJournal(_) => t.file_journal,
                },
                text: toml::to_string(layout).unwrap_or_default(),
            })
            .collect(),
        mapping_name: typed("name").to_owned(),
        mapping_text: typed("text").to_owned(),
    })
}

/// The place that a file is to fill, and how many parts its day has; the name of the first field that is not understood.
fn key_of(upload: &Upload, console: &Console) -> Result<(FileKey, u32), &'static str> {
    let kind = KINDS.iter().find(|(name, _)| *name == upload.field("kind")).ok_or("kind")?.1;
    let day: Day = upload.field("day").parse().map_err(|_| "day")?;
    let bank = match kind {
        FileKind::Postings => {
            let bank = upload.field("bank").parse().map_err(|_| "bank")?;
            Some(console.settings.banks.contains_key(&bank).then_some(bank).ok_or("bank")?)
        }
        FileKind::Journal | FileKind::Counters | FileKind::Totals => None,
    };
    let terminal = match (kind, upload.field("terminal")) {
        (FileKind::Journal, text) if !text.is_empty() => {
            Some(TerminalId::parse(text.as_bytes()).ok_or("terminal")?)
        }
        _ => None,
    };
    let part =
        upload.field("part").parse().ok().filter(|part| (1..=PART_MAX).contains(part)).ok_or("part")?;
    let parts = match upload.field("parts") {
        "" => 1,
        text => text.parse().ok().filter(|parts| (part..=PART_MAX).contains(parts)).ok_or("parts")?,
    };
    Ok((FileKey { kind, bank, terminal, day, part }, parts))
}

/// A value of a line, under its heading.
struct ShownCell {
    label: &'static str,
    is_number: bool,
    text: String,
}

struct RejectRow {
    line: u64,
    field: String,
    value: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "preview.html")]
struct PreviewPage {
    shell: Shell,
    id: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    /// Why it would not be taken, in short and in full.
    refused: Option<(&'static str, &'static str)>,
    rejects: Vec<RejectRow>,
    rejects_more: Option<String>,
    headings: Vec<(&'static str, bool)>,
    lines: Vec<Vec<ShownCell>>,
    lines_more: Option<String>,
}

/// Keeps what was handed in until it is taken, and shows how it is read.
pub(crate) async fn preview(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Extension(upload): Extension<Upload>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let t = visitor.t();
    let upload = Arc::new(upload);
    let again = async |warning: String| {
        let mut page = load_page(&console, &visitor, |name| upload.field(name)).await?;
        page.shell.warning = Some(warning);
        Ok(unprocessable(&page))
    };
    let (key, parts) = match key_of(&upload, &console) {
        Ok(key) => key,
        Err(field) => return again(with(t.load_bad, field_words(field, t))).await,
    };
    if upload.bytes.is_empty() {
        return again(t.load_empty.to_owned()).await;
    }
    let layout_name = upload.field("layout").to_owned();
    let layout = match layout_name.as_str() {
        "" => None,
        name => match cases::seen(&console, &visitor).await?.casework.layout(name) {
            Some(layout) => Some(layout.clone()),
            None => return again(with(t.load_bad, t.mapping)).await,
        },
    };
    if key.kind == FileKind::Totals {
        let held = Arc::clone(&upload);
        let checking = whole(&console, &visitor, move |console| {
            console.days.check_totals(&console.log, &held.bytes, key.day, &console.settings.members)
        });
        if let Err(slip) = checking.await? {
            return again(t.no_totals(slip)).await;
        }
    }
    let person = visitor.person.name.clone();
    let shown_of = at_turn(&console, &visitor, move |console| {
        let desk = console.days.desk().ok_or("there is no desk")?;
        let preview = desk.preview(&upload.bytes, key, layout.as_ref(), LINES_SHOWN);
        let preview = preview.map_err(|error| error.to_string())?;
        let now_ms = console.clock.mono_ms();
        // Whoever names a file may name it by a citizen.
        let name = match mutant::is(Mutant::FileNameShown) {
            true => upload.name.clone(),
            false => exchange::masked(&upload.name, NAME_CHARACTERS_MAX),
        };
        let kept = console.waiting.put(&person, &name, (key, parts), layout, &upload.bytes, now_ms);
        kept.map(|waiter| (waiter, preview, upload.bytes.len())).map_err(|error| error.to_string())
    });
    let (waiter, preview, bytes) = shown_of.await?;
    Ok(shown(&preview_page(&console, &visitor, waiter, preview, &layout_name, bytes)))
}

fn field_words(field: &str, t: &Texts) -> &'static str {
    match field {
        "kind" => t.file_kind,
        "day" => t.business_day,
        "bank" => t.bank,
        "terminal" => t.terminal,
        "parts" => t.parts,
        _ => t.part,
    }
}

fn preview_page(
    console: &Console,
    visitor: &Visitor,
    waiter: Waiter,
    preview: Preview,
    layout: &str,
    bytes: usize,
) -> PreviewPage {
    let t = visitor.t();
    let money = |minor: i64| format::signed(minor, console.settings.currency);
    let key = waiter.key;
    let more = |all: u64, here: usize| {
        all.checked_sub(here as u64)
            .filter(|more| *more > 0)
            .map(|more| with(t.and_more, format::grouped(more)))
    };
    let mut facts = vec![
        (t.file_kind, kind_words(key.kind, t).to_owned()),
        (t.whose, whose(&key, console)),
        (t.business_day, format::day(key.day)),
        (t.part, key.part.to_string()),
        (t.parts, waiter.parts.to_string()),
        (t.mapping, if layout.is_empty() { t.normal_form.to_owned() } else { layout.to_owned() }),
        (t.bytes_size, format::grouped(bytes as u64)),
        (t.lines_count, format::grouped(preview.count)),
    ];
    // Numbers and amounts have no sum.
    facts.extend((key.kind != FileKind::Totals).then(|| (t.lines_sum, money(preview.sum_minor))));
    let refusal = preview.refusal.as_ref();
    let rejects = refusal.map_or(&[][..], |refusal| &refusal.rejects);
    let rejected = refusal.map_or(0, |refusal| refusal.rejects.len() as u64 + refusal.more);
    let headings = headings(key.kind, t);
    let lines: Vec<Vec<ShownCell>> = preview
        .lines
        .iter()
        .map(|line| {
            let cells = headings.iter().zip(cells(line, &money, console, t));
            cells.map(|((label, is_number), text)| ShownCell { label, is_number: *is_number, text }).collect()
        })
        .collect();
    PreviewPage {
        shell: Shell::of(visitor, Section::Files, t.preview),
        id: waiter.id,
        name: waiter.name,
        facts,
        refused: refusal.map(|refusal| (t.exception(refusal.kind), t.exception_says(refusal.kind))),
        rejects: rejects
            .iter()
            .take(REJECTS_SHOWN)
            .map(|reject| RejectRow {
                line: reject.line,
                field: t.reject_field(&reject.field).to_owned(),
                value: reject.value.clone(),
                reason: t.reject_reason(&reject.reason),
            })
            .collect(),
        rejects_more: more(rejected, rejects.len().min(REJECTS_SHOWN)),
        lines_more: more(preview.count, lines.len()),
        headings,
        lines,
    }
}

/// What the lines of such a file have, and which of it are numbers.
fn headings(kind: FileKind, t: &Texts) -> Vec<(&'static str, bool)> {
    match kind {
        FileKind::Postings => vec![
            (t.line, true),
            (t.business_day, false),
            (t.time, false),
            (t.terminal, false),
            (t.rrn, false),
            (t.stan, false),
            (t.amount, true),
        ],
        FileKind::Journal => vec![
            (t.line, true),
            (t.business_day, false),
            (t.time, false),
            (t.terminal, false),
            (t.rrn, false),
            (t.stan, false),
            (t.requested, true),
            (t.moved, true),
        ],
        FileKind::Counters => vec![
            (t.line, true),
            (t.business_day, false),
            (t.time, false),
            (t.terminal, false),
            (t.cassette, true),
            (t.note_value, true),
            (t.opening, true),
            (t.loaded, true),
            (t.dispensed, true),
            (t.counted, true),
        ],
        FileKind::Totals => vec![(t.line, true), (t.bank, false), (t.element_name, false), (t.claims, true)],
    }
}

/// A line's values in the order of its kind's headings.
fn cells(
    line: &PreviewLine,
    money: &impl Fn(i64) -> String,
    console: &Console,
    t: &'static Texts,
) -> Vec<String> {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    let front = |line: u64, day: Day, at_s: i64| {
        vec![line.to_string(), format::day(day), format::date_time(at_s.saturating_mul(1_000))]
    };
    let mut cells;
    match line {
        PreviewLine::Posting(line) => {
            cells = front(line.id.line, line.day, line.at_s);
            cells.push(or_none(line.terminal.map(|terminal| terminal.to_string())));
            cells.push(or_none(line.rrn.map(|rrn| rrn.shown(line.day))));
            cells.push(or_none(line.stan.map(|stan| std::format!("{stan:06}"))));
            cells.push(money(line.amount_minor));
        }
        PreviewLine::Cash(line) => {
            cells = front(line.id.line, line.day, line.at_s);
            cells.push(line.terminal.to_string());
            cells.push(or_none(line.rrn.map(|rrn| rrn.shown(line.day))));
            cells.push(or_none(line.stan.map(|stan| std::format!("{stan:06}"))));
            cells.extend([money(line.requested_minor), money(line.moved_minor)]);
        }
        PreviewLine::Counter(line) => {
            cells = front(line.id.line, line.day, line.at_s);
            cells.extend([line.terminal.to_string(), line.cassette.to_string(), money(line.note_minor)]);
            let notes = [line.opening, line.loaded, line.dispensed, line.counted];
            cells.extend(notes.map(|notes| notes.to_string()));
        }
        PreviewLine::Total(line) => {
            cells = vec![
                line.line.to_string(),
                bank_name(&line.bank.to_string(), &console.settings),
                std::format!("{} {}", line.element, t.total_element(line.element)),
                if is_amount(line.element) { money(line.value) } else { line.value.to_string() },
            ];
        }
    }
    cells
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    id: String,
}

/// Takes a file that waits, whole: an act. One that is wrong, or was taken already, is recorded as refused.
pub(crate) async fn take(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(Which { id }): Form<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let acting = visitor.clone();
    let taking = at_turn(&console, &visitor, move |console| {
        let desk = console.days.desk().ok_or("there is no desk")?;
        let waiter = console.waiting.get(&id, &acting.person.name, console.clock.mono_ms());
        let Some((waiter, bytes)) = waiter.map_err(|error| error.to_string())? else { return Ok(None) };
        let from = acting.guest.address.to_string();
        let arrival = Arrival {
            bytes: &bytes,
            key: waiter.key,
            parts: waiter.parts,
            layout: waiter.layout.as_ref(),
            at_ms: console.clock.wall_ms(),
            who: &acting.person.name,
            from: &from,
        };
        let taken = match desk.take(&arrival) {
            Ok(taken) => Ok(taken),
            Err(DeskError::Refusal(refusal)) => Err(refusal.kind),
            Err(error) => return Err(error.to_string()),
        };
        console.waiting.end(&waiter.id);
        Ok(Some((waiter.key, taken)))
    });
    let (key, taken) = taking.await?.ok_or_else(|| missing(&visitor))?;
    let to = match taken {
        Ok((count, _)) if key.kind == FileKind::Totals => {
            std::format!("/totals?day={}&claimed={count}", key.day)
        }
        Ok((count, sum_minor)) => std::format!("/cash?taken={count}&sum={sum_minor}"),
        Err(kind) => std::format!("/cash?refused={}", kind.name()),
    };
    Ok(Redirect::to(&to).into_response())
}

/// What is wrong with a file that waits, as a list.
pub(crate) async fn rejects(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(Which { id }): Query<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let t = visitor.t();
    let person = visitor.person.name.clone();
    let reading = at_turn(&console, &visitor, move |console| {
        let desk = console.days.desk().ok_or("there is no desk")?;
        let found = console.waiting.get(&id, &person, console.clock.mono_ms());
        let Some((waiter, bytes)) = found.map_err(|error| error.to_string())? else { return Ok(None) };
        let preview = desk.preview(&bytes, waiter.key, waiter.layout.as_ref(), 0);
        preview.map(|preview| Some(preview.refusal)).map_err(|error| error.to_string())
    });
    let refusal = reading.await?.ok_or_else(|| missing(&visitor))?;
    let mut csv = Csv::new(&[t.line, t.field, t.value, t.why]);
    let (rejects, more) = refusal.map_or((Vec::new(), 0), |refusal| (refusal.rejects, refusal.more));
    for reject in rejects {
        let (line, reason) = (reject.line.to_string(), t.reject_reason(&reject.reason));
        csv.row([line.as_str(), t.reject_field(&reject.field), &reject.value, &reason]);
    }
    if more > 0 {
        csv.row(["", "", "", &with(t.and_more, format::grouped(more))]);
    }
    Ok(csv.download("rejects.csv"))
}

#[derive(Deserialize)]
pub(crate) struct NewMapping {
    #[serde(default)]
    name: String,
    #[serde(default)]
    text: String,
}

/// Keeps a mapping under a name: an act, with what stood there before.
pub(crate) async fn keep_mapping(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(typed): Form<NewMapping>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let t = visitor.t();
    let name = typed.name.trim().to_owned();
    let layout: Result<Layout, String> = match typed.text.len() {
        ..=MAPPING_BYTES_MAX => {
            toml::from_str(&typed.text).map_err(|error| t.no_mapping(&typed.text, &error))
        }
        _ => Err(t.too_large.to_owned()),
    };
    let kept = match layout {
        Ok(layout) => {
            let deed = Deed::KeepLayout { name: name.clone(), layout: Box::new(layout) };
            match cases::done(&console, &visitor, deed).await {
                Ok(()) => Ok(()),
                Err(DeskError::Act(ActError::Refused(refused))) => Err(t.refusal(&refused)),
                Err(error) => return Err(failed(&visitor, error)),
            }
        }
        Err(reason) => Err(reason),
    };
    if let Err(reason) = kept {
        let typed_of = |field: &str| match field {
            "name" => name.as_str(),
            "text" => typed.text.as_str(),
            _ => "",
        };
        let mut page = load_page(&console, &visitor, typed_of).await?;
        page.shell.warning = Some(with(t.mapping_bad, reason));
        return Ok(unprocessable(&page));
    }
    let to = std::format!("/load?kept={}", crate::pages::problem::encoded(&name));
    Ok(Redirect::to(&to).into_response())
}
