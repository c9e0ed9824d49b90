//! `atm-switch recon import|layout|match|exceptions|export`: files in, matching, lists and files out (docs/reconciliation.md).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use casework::{
    Act, Arrival, ByHand, Casework, Deed, PreviewLine, Proposal, Resolution, Row, Void, age_band, by_hand,
    settlement,
};
use console::Permission;
use exchange::{Camt, Cell, FileKey, FileKind, Layout, List, PREVIEW_LINES_MAX, Settlement, write_camt};
use processor::{Day, Institution, TerminalId};
use reconciliation::{Decision, Kind, LineId};
use serde_json::{Value, json};

use crate::cli::{
    ActsArgs, ExceptionsArgs, ExportArgs, ExportWhat, ImportArgs, ImportKind, PersonArgs, PlaceArgs,
};
use crate::config::Settings;
use crate::desk::{Joined, Seat, now_ms};
use crate::log_view::utc_ms;

/// Takes a file, or shows how it would be read.
///
/// # Errors
/// The file cannot be read or is refused, with what is wrong line by line; as [`matched`].
pub fn import(
    settings: &Settings,
    args: &ImportArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let seat = Seat::new(settings)?;
    let by = seat.by_whom(args.by.person().as_ref(), Permission::Work, input)?;
    let bytes = std::fs::read(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let key = place_of(&args.place)?;
    if let Some(stranger) = key.bank.filter(|bank| !settings.processor.issuers.contains_key(bank)) {
        return Err(format!("{stranger} is no bank of this switch"));
    }
    if key.kind == FileKind::Postings && key.bank.is_none() {
        return Err("--bank is missing: postings are a bank's".to_owned());
    }
    if key.kind == FileKind::Totals {
        check_totals(settings, &seat, &bytes, key.day)?;
    }
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let layout = args.layout.as_deref().map(|name| layout_of(&casework, name)).transpose()?;
    // A slip in the command is none of the file's: it is told, and nothing is recorded.
    key.check().map_err(|refusal| refusal.to_string())?;
    if args.preview {
        return preview(&seat, &bytes, key, layout.as_ref(), out);
    }
    let arrival = Arrival {
        bytes: &bytes,
        key,
        layout: layout.as_ref(),
        parts: args.parts,
        at_ms: now_ms(),
        who: &by.who,
        from: &by.from,
    };
    match seat.desk.take(&arrival) {
        Ok((count, _)) if key.kind == FileKind::Totals => {
            writeln!(out, "taken: {count} elements of members' totals").map_err(|error| error.to_string())
        }
        Ok((count, sum_minor)) => {
            writeln!(out, "taken: {count} lines, sum {sum_minor}").map_err(|error| error.to_string())
        }
        Err(casework::DeskError::Refusal(refusal)) => {
            let mut text = String::new();
            for reject in &refusal.rejects {
                text += &format!(
                    "line {}, {}: `{}`: {}\n",
                    reject.line, reject.field, reject.value, reject.reason
                );
            }
            if refusal.more > 0 {
                text += &format!("and {} more\n", refusal.more);
            }
            out.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
            Err(format!("{}: refused as {}; nothing of it was taken", args.file.display(), refusal.kind))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The place that a command names.
pub(crate) fn place_of(args: &PlaceArgs) -> Result<FileKey, String> {
    let no_terminal = |text: &str| format!("`{text}` is no terminal");
    let terminal = args.terminal.as_deref();
    let terminal = terminal.map(|text| TerminalId::parse(text.as_bytes()).ok_or_else(|| no_terminal(text)));
    Ok(FileKey {
        kind: match args.kind {
            ImportKind::Postings => FileKind::Postings,
            ImportKind::Journal => FileKind::Journal,
            ImportKind::Counters => FileKind::Counters,
            ImportKind::Totals => FileKind::Totals,
        },
        bank: args.bank.as_deref().map(str::parse::<Institution>).transpose()?,
        terminal: terminal.transpose()?,
        day: args.day.parse::<Day>()?,
        part: args.part,
    })
}

/// Keeps a layout under a name.
///
/// # Errors
/// The file is no layout; the person may not; as [`matched`].
pub fn keep_layout(
    settings: &Settings,
    (name, file): (&str, &Path),
    person: &PersonArgs,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<(), String> {
    let layout = Box::new(read_layout(file)?);
    let seat = Seat::new(settings)?;
    let by = seat.by(person, Permission::Work, input)?;
    seat.act(&by, Deed::KeepLayout { name: name.to_owned(), layout })?;
    writeln!(out, "kept").map_err(|error| error.to_string())
}

/// Matches everything that is here and tells what it comes to; nothing is recorded.
///
/// # Errors
/// There is no `[reconciliation]`, log, acts or files cannot be read, or nobody reads the output.
pub fn matched(settings: &Settings, json: bool, out: &mut impl Write) -> Result<(), String> {
    let Joined { casework, matching, rows, book } = Seat::new(settings)?.joined()?;
    let (matcher, passed_over) = (&matching.matcher, matching.passed_over);
    let summary = matching.summary();
    let open = rows.iter().filter(|row| row.is_open()).count();
    let text = if json {
        let mut value = serde_json::to_value(&summary).map_err(|error| error.to_string())?;
        value["open_exceptions"] = json!(open);
        value["held_from"] = json!(book.held_from().map(|day| day.to_string()));
        value["left_out_records"] = json!(book.left_out());
        let void = by_hand(&casework, &matching).into_iter().filter(|said| said.void.is_some());
        value["void_by_hand"] = void.map(|said| by_hand_json(&said)).collect();
        value["passed_over"] = json!({ "files": passed_over.files, "lines": passed_over.lines });
        let ambiguous = matcher.ambiguous();
        let suggestions = matcher.suggestions_of(&ambiguous.iter().copied().collect());
        value["suggestions"] = ambiguous
            .into_iter()
            .map(|line| {
                let may_be = suggestions.get(&line).into_iter().flatten();
                json!({ "line": line.to_string(), "may_be": may_be.map(ToString::to_string).collect::<Vec<_>>() })
            })
            .collect();
        format!("{value:#}\n")
    } else {
        let mut text = format!(
            "{} of {} transactions agree on all sides, {} wait for a file, {} lines are ambiguous, {open} exceptions are open\n",
            summary.matched, summary.ours, summary.awaiting, summary.ambiguous_lines
        );
        for said in by_hand(&casework, &matching) {
            text += &void_text(&said).map_or(String::new(), |void| format!("act {}{void}\n", said.act));
        }
        if let Some(day) = book.held_from() {
            text += &format!(
                "held from business day {day} on: {} files and {} lines before it are passed over, {} records came too late for any day\n",
                passed_over.files,
                passed_over.lines,
                book.left_out()
            );
        }
        text
    };
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// What was said by hand, by the line and the transaction that it is about.
struct SaidByHand(BTreeMap<LineId, Vec<ByHand>>);

impl SaidByHand {
    fn new(all: Vec<ByHand>) -> SaidByHand {
        let mut by_id: BTreeMap<LineId, Vec<ByHand>> = BTreeMap::new();
        for said in all {
            for id in [said.decision.line(), said.decision.ours()] {
                by_id.entry(id).or_default().push(said);
            }
        }
        SaidByHand(by_id)
    }

    /// Of a case's line, its transaction and the lines of its, in the order of the acts.
    fn of(&self, row: &Row) -> impl Iterator<Item = ByHand> {
        let ids = row.exception.lines.iter().chain([&row.exception.case.of]);
        let said = ids.filter_map(|id| self.0.get(id)).flatten();
        said.map(|said| (said.act, *said)).collect::<BTreeMap<u64, ByHand>>().into_values()
    }
}

fn by_hand_json(said: &ByHand) -> Value {
    let is_match = matches!(said.decision, Decision::Match { .. });
    json!({
        "act": said.act,
        "deed": if is_match { "match" } else { "part" },
        "line": said.decision.line().to_string(),
        "ours": said.decision.ours().to_string(),
        "void": said.void.map(Void::name),
        "void_by": said.void.and_then(Void::act),
    })
}

/// Of what counts no more what it was, and what has made it void.
fn void_text(said: &ByHand) -> Option<String> {
    let void = said.void?;
    let by = void.act().map_or(String::new(), |act| format!(" by act {act}"));
    let (line, ours) = (said.decision.line(), said.decision.ours());
    let deed = if matches!(said.decision, Decision::Match { .. }) { "match" } else { "parting" };
    Some(format!("; {deed} of {line} and {ours} by hand is void: {}{by}", void.name()))
}

/// Lists exceptions, filtered.
///
/// # Errors
/// As [`matched`]; a filter is not well formed.
pub fn exceptions(settings: &Settings, args: &ExceptionsArgs, out: &mut impl Write) -> Result<(), String> {
    let today = Day::of_unix_ms(now_ms());
    let Joined { casework, matching, rows, .. } = Seat::new(settings)?.joined()?;
    let said = SaidByHand::new(by_hand(&casework, &matching));
    let rows = filtered(rows, args)?;
    let text = if args.json {
        let value = |row: &Row| {
            let mut value = row_json(row, today);
            value["by_hand"] = said.of(row).map(|said| by_hand_json(&said)).collect();
            value
        };
        let values: Vec<Value> = rows.iter().map(value).collect();
        format!("{:#}\n", Value::Array(values))
    } else {
        let line = |row: &Row| {
            let one = &row.exception;
            let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} bank {} terminal {} rrn {} ours {} theirs {} due {} {}{}\n",
                one.day,
                one.kind,
                text(one.bank.map(|bank| bank.to_string())),
                text(one.terminal.map(|terminal| terminal.to_string())),
                text(one.rrn.map(|rrn| rrn.shown(one.day))),
                one.ours_minor,
                one.theirs_minor,
                row.due,
                row.state().name(),
                said.of(row).filter_map(|said| void_text(&said)).collect::<String>()
            )
        };
        rows.iter().map(line).collect()
    };
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Prints what people have done on files, days and cases, newest first, `limit` acts at most.
///
/// # Errors
/// There is no `[reconciliation]`; the first act that is not what was written; nobody reads the output.
pub fn acts(settings: &Settings, args: &ActsArgs, out: &mut impl Write) -> Result<(), String> {
    let (_, acts) = Seat::new(settings)?.acts().read().map_err(|error| error.to_string())?;
    let fits = |act: &&Arc<Act>| args.who.as_ref().is_none_or(|who| act.who == *who);
    for act in acts.iter().rev().filter(fits).take(args.limit) {
        let mut value = act.to_json();
        value["at"] = json!(utc_ms(act.at_ms));
        let line = if args.json {
            format!("{value}\n")
        } else {
            let said = |name: &str, value: &Value| match value {
                Value::Null => String::new(),
                value => format!(" {name} {value}"),
            };
            let (number, at, who, from, deed) =
                (act.number, utc_ms(act.at_ms), &act.who, &act.from, act.deed.name());
            let (before, after) = (said("before", &value["before"]), said("after", &value["after"]));
            format!("{number:>8} {at} {who} ({from}) {deed}: {}{before}{after}\n", value["what"])
        };
        out.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Writes a list or a day's file.
///
/// # Errors
/// As [`exceptions`]; the day or bank is not known, the file is there already or cannot be written.
pub fn export(settings: &Settings, args: &ExportArgs, out: &mut impl Write) -> Result<(), String> {
    let seat = Seat::new(settings)?;
    let bytes = match args.what {
        ExportWhat::Exceptions => {
            let rows = filtered(seat.joined()?.rows, &args.filter)?;
            let list = list(&rows, Day::of_unix_ms(now_ms()));
            let is_workbook = args.out.extension().is_some_and(|extension| extension == "xlsx");
            let made = if is_workbook { list.to_xlsx("exceptions") } else { list.to_csv() };
            made.map_err(|error| error.to_string())?
        }
        ExportWhat::Settlement | ExportWhat::Camt053 | ExportWhat::Camt054 => {
            let (settlement, created_s) = asked_settlement(settings, &seat, &args.filter)?;
            match args.what {
                ExportWhat::Camt053 => {
                    write_camt(Camt::Statement, &settlement, created_s).map_err(|error| error.to_string())?
                }
                ExportWhat::Camt054 => write_camt(Camt::Notification, &settlement, created_s)
                    .map_err(|error| error.to_string())?,
                ExportWhat::Settlement | ExportWhat::Exceptions => settlement.to_bytes(),
            }
        }
    };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).open(&args.out);
    let written = opened.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| format!("{}: {error}", args.out.display()))?;
    writeln!(out, "{}: {} bytes", args.out.display(), bytes.len()).map_err(|error| error.to_string())
}

/// What is asked for of a closed day and a bank, by the book that a day is closed by: files of members are not matched for it, and no day is let go for
/// want of room for them.
fn asked_settlement(
    settings: &Settings,
    seat: &Seat<'_>,
    filter: &ExceptionsArgs,
) -> Result<(Settlement, i64), String> {
    let day = filter.day.as_deref().ok_or("--day is missing")?.parse::<Day>()?;
    let bank = filter.bank.as_deref().ok_or("--bank is missing")?.parse::<Institution>()?;
    let (switch, currency) = (&settings.switch.id, settings.processor.currency);
    let is_member = |bank| is_member(settings, bank);
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let book = seat.book(&casework)?;
    let made = settlement(&casework, &book, switch, currency, day, bank, is_member);
    made.map_err(|error| error.to_string())
}

/// A bank of citizens or of terminals.
pub(crate) fn is_member(settings: &Settings, bank: Institution) -> bool {
    let processor = &settings.processor;
    processor.issuers.contains_key(&bank)
        || processor.terminals.values().any(|terminal| terminal.acquirer == bank)
}

fn filtered(rows: Vec<Row>, args: &ExceptionsArgs) -> Result<Vec<Row>, String> {
    let day = args.day.as_deref().map(str::parse::<Day>).transpose()?;
    let bank = args.bank.as_deref().map(str::parse::<Institution>).transpose()?;
    let kind = args.kind.as_deref().map(str::parse::<Kind>).transpose()?;
    let fits = |row: &Row| {
        let one = &row.exception;
        day.is_none_or(|day| one.day == day)
            && bank.is_none_or(|bank| one.bank == Some(bank))
            && kind.is_none_or(|kind| one.kind == kind)
            && (!args.open || row.is_open())
    };
    Ok(rows.into_iter().filter(fits).collect())
}

pub(crate) fn row_json(row: &Row, today: Day) -> Value {
    let one = &row.exception;
    json!({
        "case": one.case.to_string(),
        "kind": one.kind.name(),
        "group": one.kind.group(),
        "day": one.day.to_string(),
        "bank": one.bank.map(|bank| bank.to_string()),
        "terminal": one.terminal.map(|terminal| terminal.to_string()),
        "rrn": one.rrn.map(|rrn| rrn.shown(one.day)),
        "at": utc_ms(one.at_s * 1_000),
        "ours_minor": one.ours_minor,
        "theirs_minor": one.theirs_minor,
        "lines": one.lines.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "acquirer": one.acquirer.map(|bank| bank.to_string()),
        "is_another": row.is_another(),
        "offered": row.offered().map(Resolution::name),
        "state": row.state().name(),
        "is_gone": row.is_gone,
        "is_let_go": row.is_let_go,
        "is_booked_beside": row.is_booked_beside(),
        "is_refund_undebited": row.is_refund_undebited(),
        "owner": row.case.owner,
        "proposal": row.case.proposal.as_ref().map(Proposal::to_json),
        "due": row.due.to_string(),
        "age": age_band(row.age_days(today)),
    })
}

fn list(rows: &[Row], today: Day) -> List {
    let headings = vec![
        "day",
        "kind",
        "bank",
        "terminal",
        "rrn",
        "at",
        "ours",
        "theirs",
        "difference",
        "state",
        "owner",
        "due",
        "age",
    ];
    let row = |row: &Row| {
        let one = &row.exception;
        vec![
            Cell::from(one.day.to_string()),
            one.kind.name().into(),
            one.bank.map(|bank| bank.to_string()).into(),
            one.terminal.map(|terminal| terminal.to_string()).into(),
            one.rrn.map(|rrn| rrn.shown(one.day)).into(),
            utc_ms(one.at_s * 1_000).into(),
            one.ours_minor.into(),
            one.theirs_minor.into(),
            (one.theirs_minor - one.ours_minor).into(),
            row.state().name().into(),
            row.case.owner.clone().into(),
            row.due.to_string().into(),
            age_band(row.age_days(today)).into(),
        ]
    };
    List { headings, rows: rows.iter().map(row).collect() }
}

/// As the console checks them, before anything is recorded.
fn check_totals(settings: &Settings, seat: &Seat<'_>, bytes: &[u8], day: Day) -> Result<(), String> {
    let (casework, _) = seat.acts().read().map_err(|error| error.to_string())?;
    let is_known = seat.book(&casework)?.sheet(day).is_some();
    let checked = seat.desk.check_totals(bytes, day, is_known, |bank| is_member(settings, bank));
    checked.map_err(|error| error.to_string())
}

/// As the console shows a file of any kind before it is taken.
fn preview(
    seat: &Seat<'_>,
    bytes: &[u8],
    key: FileKey,
    layout: Option<&Layout>,
    out: &mut impl Write,
) -> Result<(), String> {
    let shown =
        seat.desk.preview(bytes, key, layout, PREVIEW_LINES_MAX).map_err(|error| error.to_string())?;
    let mut text: String = shown.lines.iter().map(preview_line).collect();
    let (rejects, more) =
        shown.refusal.as_ref().map_or((&[][..], 0), |refusal| (&refusal.rejects[..], refusal.more));
    for reject in rejects {
        text += &format!("line {}, {}: `{}`: {}\n", reject.line, reject.field, reject.value, reject.reason);
    }
    let wrong = rejects.len() as u64 + more;
    // Numbers and amounts have no sum.
    let sum = match key.kind {
        FileKind::Totals => String::new(),
        FileKind::Postings | FileKind::Journal | FileKind::Counters => format!(" sum {},", shown.sum_minor),
    };
    text += &format!("{} lines,{sum} {wrong} wrong; nothing was taken\n", shown.count);
    out.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

fn preview_line(line: &PreviewLine) -> String {
    let word = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    match line {
        PreviewLine::Posting(line) => format!(
            "line {}: {} {} rrn {} terminal {} amount {}\n",
            line.id.line,
            line.day,
            utc_ms(line.at_s * 1_000),
            word(line.rrn.map(|rrn| rrn.shown(line.day))),
            word(line.terminal.map(|terminal| terminal.to_string())),
            line.amount_minor
        ),
        PreviewLine::Cash(line) => format!(
            "line {}: {} {} rrn {} terminal {} requested {} moved {}\n",
            line.id.line,
            line.day,
            utc_ms(line.at_s * 1_000),
            word(line.rrn.map(|rrn| rrn.shown(line.day))),
            line.terminal,
            line.requested_minor,
            line.moved_minor
        ),
        PreviewLine::Counter(line) => format!(
            "line {}: {} {} terminal {} cassette {} note {} opening {} loaded {} dispensed {} counted {}\n",
            line.id.line,
            line.day,
            utc_ms(line.at_s * 1_000),
            line.terminal,
            line.cassette,
            line.note_minor,
            line.opening,
            line.loaded,
            line.dispensed,
            line.counted
        ),
        PreviewLine::Total(line) => {
            format!("line {}: bank {} element {} value {}\n", line.line, line.bank, line.element, line.value)
        }
    }
}

/// A layout that is kept, or one in a file.
fn layout_of(casework: &Casework, name: &str) -> Result<Layout, String> {
    match casework.layout(name) {
        Some(layout) => Ok(layout.clone()),
        // Who gives a name has a name in mind, and not a file.
        None if !Path::new(name).exists() => {
            Err(format!("{name}: no mapping is kept under this name, and there is no such file"))
        }
        None => read_layout(Path::new(name)),
    }
}

fn read_layout(file: &Path) -> Result<Layout, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}
