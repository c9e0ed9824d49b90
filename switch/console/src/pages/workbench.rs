//! The Workbench: what lies open of one bank and day on its three sides, and lines laid to transactions by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{ActError, DeskError};
use processor::{Day, Institution, TerminalId};
use reconciliation::{Bench, Decision, LineId, Piece};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::desk::{Suggestions, TellError};
use crate::format;
use crate::pages::by_hand::SaidByHand;
use crate::pages::cases;
use crate::pages::problem::Refused;
use crate::pages::views::ShownViews;
use crate::pages::{Choice, Section, Shell, at_turn, need, query, shown, unprocessable};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Pieces of each column; of the others their number is told, and a terminal narrows them.
const PIECES_SHOWN: usize = 200;

/// Transactions that are named as what a line may belong to.
const SUGGESTIONS_SHOWN: usize = 5;

/// Lines that are laid to one transaction at once.
const LINES_MAX: usize = 50;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    bank: String,
    day: String,
    terminal: String,
}

impl Filters {
    fn address(&self) -> String {
        let fields = [("bank", &*self.bank), ("day", &*self.day), ("terminal", &*self.terminal)];
        std::format!("/workbench{}", query(&fields))
    }
}

fn id_text(id: LineId) -> String {
    id.to_string()
}

fn read_id(text: &str) -> Option<LineId> {
    text.parse().ok()
}

/// A transaction or line as it is shown.
struct ShownPiece {
    id: String,
    time: String,
    terminal: String,
    rrn: String,
    amount: String,
    minor: i64,
    /// What is to be known of it, and how grave that is.
    marks: Vec<(&'static str, &'static str)>,
    /// The transaction that it belongs to: by name, by id, and by which rule.
    partner: Option<(String, String, &'static str)>,
    /// What it may belong to: ids for the script, and in words.
    fits: String,
    may_be: Vec<String>,
}

struct Column {
    /// The field that a choice in it sends.
    field: &'static str,
    name: &'static str,
    pieces: Vec<ShownPiece>,
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "workbench.html")]
struct WorkbenchPage {
    shell: Shell,
    filters: Filters,
    banks: Vec<Choice>,
    columns: Vec<Column>,
    is_empty: bool,
    /// Of transactions of the bank and day.
    by_hand: SaidByHand,
    may_work: bool,
    reading: Option<String>,
    views: ShownViews,
}

/// Its RRN as it is shown: its moment says well enough which day it is of.
fn rrn_of(piece: &Piece) -> Option<String> {
    piece.rrn.map(|rrn| rrn.shown(Day::of_unix_ms(piece.at_s.saturating_mul(1_000))))
}

/// A day's machine lines and transactions by what a person calls them.
fn names(bench: &Bench) -> BTreeMap<LineId, String> {
    let name = |piece: &Piece| {
        let clock = format::clock(piece.at_s.saturating_mul(1_000));
        rrn_of(piece).map_or_else(|| clock.clone(), |rrn| std::format!("{rrn} {clock}"))
    };
    bench.ours.iter().map(|piece| (piece.id, name(piece))).collect()
}

fn columns(
    bench: &Bench,
    suggestions: &Suggestions,
    terminal: Option<Option<TerminalId>>,
    console: &Console,
    t: &'static Texts,
) -> Vec<Column> {
    let names = names(bench);
    let name_of = |id: LineId| names.get(&id).cloned().unwrap_or_else(|| with(t.line_of_log, id.line));
    let sides = [
        ("ours", t.side_log, &bench.ours),
        ("line", t.side_bank, &bench.bank),
        ("line", t.side_machine, &bench.machine),
    ];
    let mut columns = Vec::new();
    for ((field, name, pieces), more) in sides.into_iter().zip(bench.more) {
        let fitting: Vec<&Piece> = pieces
            .iter()
            .filter(|piece| terminal.is_none_or(|wanted| wanted.is_some() && piece.terminal == wanted))
            .collect();
        let more = fitting.len().saturating_sub(PIECES_SHOWN) + more;
        let shown = fitting.into_iter().take(PIECES_SHOWN).map(|piece| {
            let may_be = suggestions.get(&piece.id).map_or(&[][..], Vec::as_slice);
            shown_piece(piece, may_be, &name_of, console, t)
        });
        columns.push(Column {
            field,
            name,
            pieces: shown.collect(),
            more: (more > 0).then(|| with(t.and_more, format::grouped(more as u64))),
        });
    }
    columns
}

fn shown_piece(
    piece: &Piece,
    may_be: &[LineId],
    name_of: &impl Fn(LineId) -> String,
    console: &Console,
    t: &Texts,
) -> ShownPiece {
    let marks = [
        (piece.lacks_bank && piece.id.file == LineId::LOG, (t.lacks_bank, "warn")),
        (piece.lacks_machine && piece.id.file == LineId::LOG, (t.lacks_machine, "warn")),
        (piece.is_ambiguous, (t.is_ambiguous, "open")),
    ];
    ShownPiece {
        id: id_text(piece.id),
        time: format::clock(piece.at_s.saturating_mul(1_000)),
        terminal: piece.terminal.map_or_else(|| "–".to_owned(), |terminal| terminal.to_string()),
        rrn: rrn_of(piece).unwrap_or_default(),
        amount: format::signed(piece.amount_minor, console.settings.currency),
        minor: piece.amount_minor,
        marks: marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect(),
        partner: piece.partner.map(|(ours, rule)| (name_of(ours), id_text(ours), t.rule(rule))),
        fits: may_be.iter().map(|ours| id_text(*ours)).collect::<Vec<_>>().join(" "),
        may_be: may_be.iter().take(SUGGESTIONS_SHOWN).map(|ours| name_of(*ours)).collect(),
    }
}

#[derive(Deserialize)]
pub(crate) struct Done {
    done: Option<String>,
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
    Query(Done { done }): Query<Done>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let mut page = bench_page(&console, &visitor, filters).await?;
    page.shell.notice = done.map(|_| visitor.t().act_done.to_owned());
    Ok(shown(&page))
}

async fn bench_page(
    console: &Arc<Console>,
    visitor: &Visitor,
    mut filters: Filters,
) -> Result<WorkbenchPage, Refused> {
    let t = visitor.t();
    let seen = cases::seen(console, visitor).await?;
    if filters.day.is_empty() {
        let told = at_turn(console, visitor, |console| console.days.tell(&console.log)).await?;
        filters.day = told.to_work().map_or(String::new(), |sheet| sheet.day.to_string());
    }
    if filters.bank.is_empty() {
        filters.bank = console.settings.banks.keys().next().map_or(String::new(), ToString::to_string);
    }
    // What is typed and is no terminal has nothing.
    let terminal = Some(filters.terminal.trim()).filter(|text| !text.is_empty());
    let terminal = terminal.map(|text| TerminalId::parse(text.as_bytes()));
    let wanted = filters.bank.parse::<Institution>().ok().zip(filters.day.parse::<Day>().ok());
    let columns = at_turn(console, visitor, move |console| {
        let now_s = console.clock.wall_ms() / 1_000;
        let told = match wanted {
            Some((bank, day)) => console.days.bench(&console.log, now_s, bank, day)?,
            None => None,
        };
        let (bench, suggestions) = told.unwrap_or_default();
        Ok::<_, TellError>(columns(&bench, &suggestions, terminal, console, t))
    });
    let columns = columns.await?;
    Ok(WorkbenchPage {
        shell: Shell::of(visitor, Section::Workbench, t.workbench),
        banks: Choice::banks(console, &filters.bank),
        by_hand: SaidByHand::of(&seen, |said| said.place.is_some() && said.place == wanted, t),
        is_empty: columns.iter().all(|column| column.pieces.is_empty()),
        columns,
        may_work: visitor.may(Permission::Work),
        reading: (seen.percent < 100).then(|| with(t.still_reading, seen.percent)),
        views: ShownViews::of(console, visitor, filters.address()).await?,
        filters,
    })
}

/// Lays the lines that were chosen to the transaction that was chosen, or parts one line from its transaction: each an act of its own.
pub(crate) async fn act(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Work)?;
    let t = visitor.t();
    let text = |name: &str| {
        fields.iter().find(|(own, _)| own == name).map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let filters = Filters { bank: text("bank"), day: text("day"), terminal: text("terminal") };
    let refuse = async |warning: String| {
        let mut page = bench_page(&console, &visitor, filters.clone()).await?;
        page.shell.warning = Some(warning);
        Ok(unprocessable(&page))
    };
    let Some(decisions) = decisions(&fields) else { return refuse(t.bench_choose.to_owned()).await };
    // What is laid is what was matched last.
    cases::seen(&console, &visitor).await?;
    let acting = visitor.clone();
    let deciding = at_turn(&console, &visitor, move |console| {
        let from = acting.guest.address.to_string();
        for decision in decisions {
            let at_ms = console.clock.wall_ms();
            match console.days.by_hand(decision, at_ms, &acting.person.name, &from) {
                Ok(()) => {}
                Err(DeskError::Misfit(misfit)) => return Ok(Some(Err(misfit))),
                Err(DeskError::Act(ActError::Refused(refused))) => return Ok(Some(Ok(refused))),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(None)
    });
    match deciding.await? {
        None => {
            let address = filters.address();
            let join = if address.contains('?') { '&' } else { '?' };
            Ok(Redirect::to(&std::format!("{address}{join}done=1")).into_response())
        }
        Some(Err(misfit)) => refuse(with(t.bench_misfit, t.misfit(misfit))).await,
        Some(Ok(refused)) => refuse(t.refusal(&refused)).await,
    }
}

/// One transaction with its lines, or one pair to part, as the form says it: `part` has both.
fn decisions(fields: &[(String, String)]) -> Option<Vec<Decision>> {
    let all = |name: &'static str| {
        fields.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    };
    if let Some(pair) = all("part").next() {
        let (line, ours) = pair.split_once('~')?;
        return Some(vec![Decision::Part { line: read_id(line)?, ours: read_id(ours)? }]);
    }
    let ours: Vec<LineId> = all("ours").map(read_id).collect::<Option<_>>()?;
    let lines: Vec<LineId> = all("line").map(read_id).collect::<Option<_>>()?;
    let [ours] = ours[..] else { return None };
    let is_good = !lines.is_empty() && lines.len() <= LINES_MAX;
    is_good.then(|| lines.into_iter().map(|line| Decision::Match { line, ours }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(fields: &[(&str, &str)]) -> Option<usize> {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        decisions(&fields).map(|decisions| decisions.len())
    }

    #[test]
    fn one_transaction_and_its_lines_are_decided_on_and_nothing_else() {
        for (fields, expected) in [
            (&[("ours", "0-3"), ("line", "1f-2")][..], Some(1)),
            (&[("ours", "0-3"), ("line", "1f-2"), ("line", "1f-3")], Some(2)),
            (&[("part", "1f-2~0-3")], Some(1)),
            (&[("ours", "0-3")], None),
            (&[("line", "1f-2")], None),
            (&[("ours", "0-3"), ("ours", "0-6"), ("line", "1f-2")], None),
            (&[("ours", "0-3"), ("line", "x")], None),
            (&[("part", "1f-2")], None),
            (&[], None),
        ] {
            assert_eq!(said(fields), expected, "{fields:?}");
        }
    }
}
