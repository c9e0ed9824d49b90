//! Exceptions, Approvals and one case: what does not agree, who looks after it, and how it ends, by two people.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{
    ActError, ByHand, Case, CaseState, Deed, DeskError, Proposal, Refused as NotDone, Resolution, Row,
};
use exchange::{Cell, List};
use mutant::Mutant;
use processor::{Day, Institution, TerminalId};
use reconciliation::{CaseId, Kind, LineId};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::desk::{Seen, transaction_at};
use crate::evidence::bank_name;
use crate::format;
use crate::pages::acts::ActTold;
use crate::pages::bulk;
use crate::pages::by_hand::SaidByHand;
use crate::pages::export::{CSV, XLSX, download};
use crate::pages::problem::{self, Problem, Refused, encoded};
use crate::pages::views::ShownViews;
use crate::pages::{
    Choice, Section, Shell, at_turn, failed, missing, need, query, shown, today, unprocessable, whole,
};
use crate::role::Permission;
use crate::texts::{Texts, with};

/// Rows of one page.
pub(crate) const PAGE_ROWS: usize = 100;

/// The filters as they stand in the address.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    day: String,
    bank: String,
    terminal: String,
    kind: String,
    state: String,
    owner: String,
    sort: String,
    page: String,
}

impl Filters {
    fn fits(&self, row: &Row) -> bool {
        let exception = &row.exception;
        let is =
            |wanted: &str, own: Option<String>| wanted.is_empty() || own.as_deref() == Some(wanted.trim());
        is(&self.day, Some(exception.day.to_string()))
            && is(&self.bank, exception.bank.map(|bank| bank.to_string()))
            && is(&self.terminal, exception.terminal.map(|terminal| terminal.to_string()))
            && is(&self.kind, Some(exception.kind.name().to_owned()))
            && match self.state.as_str() {
                "" => row.is_open(),
                "all" => true,
                state => row.state().name() == state,
            }
            && match self.owner.as_str() {
                "" => true,
                "-" => row.case.owner.is_none(),
                owner => row.case.owner.as_deref() == Some(owner),
            }
    }

    /// The first filter whose value is none, as the page calls it: nothing would fit it, and the list would look as if there were nothing.
    fn bad(&self, t: &'static Texts) -> Option<&'static str> {
        fn is<T: std::str::FromStr>(text: &str) -> bool {
            text.is_empty() || text.parse::<T>().is_ok()
        }
        let terminal = self.terminal.trim();
        let known = [
            (is::<Day>(&self.day), t.business_day),
            (is::<Institution>(self.bank.trim()), t.bank),
            (terminal.is_empty() || TerminalId::parse(terminal.as_bytes()).is_some(), t.terminal),
            (is::<Kind>(self.kind.trim()), t.exception_kind),
            (self.state.is_empty() || self.state == "all" || state_of(&self.state).is_some(), t.state),
            (["", "value", "day"].contains(&self.sort.as_str()), t.sort),
        ];
        known.into_iter().find(|(is_known, _)| !is_known).map(|(_, name)| name)
    }

    fn query(&self, page: usize) -> String {
        let page = if page == 0 { String::new() } else { page.to_string() };
        query(&[
            ("day", &self.day),
            ("bank", &self.bank),
            ("terminal", &self.terminal),
            ("kind", &self.kind),
            ("state", &self.state),
            ("owner", &self.owner),
            ("sort", &self.sort),
            ("page", &page),
        ])
    }
}

/// A case in an address: file, line and side.
pub(crate) fn case_text(case: CaseId) -> String {
    case.to_string()
}

pub(crate) fn read_case(text: &str) -> Option<CaseId> {
    text.parse().ok()
}

pub(crate) fn line_text(line: LineId, t: &Texts) -> String {
    match line.file {
        LineId::LOG => with(t.line_of_log, line.line),
        file => std::format!("{} {}", with(t.line_of_file, std::format!("{file:016x}")), line.line),
    }
}

pub(crate) fn state_words(state: CaseState, t: &Texts) -> (&'static str, &'static str) {
    match state {
        CaseState::Open => (t.case_open, "open"),
        CaseState::Proposed => (t.case_proposed, "warn"),
        CaseState::Disputed => (t.case_disputed, "bad"),
        CaseState::Resolved => (t.case_resolved, "good"),
    }
}

pub(crate) fn resolution_words(resolution: Resolution, t: &Texts) -> &'static str {
    match resolution {
        Resolution::Accept => t.resolution_accept,
        Resolution::Refund => t.resolution_refund,
        Resolution::Adjustment => t.resolution_adjustment,
        Resolution::Undo => t.resolution_undo,
    }
}

/// The states that a filter may name.
const STATES: [CaseState; 4] =
    [CaseState::Open, CaseState::Proposed, CaseState::Disputed, CaseState::Resolved];

fn state_of(name: &str) -> Option<CaseState> {
    STATES.into_iter().find(|state| state.name() == name)
}

/// A row as it is shown.
pub(crate) struct ShownRow {
    /// What a choice of it sends: the case, and the proposal that is seen.
    pick: String,
    pub(crate) link: String,
    pub(crate) day: String,
    pub(crate) kind: &'static str,
    bank: String,
    pub(crate) terminal: String,
    rrn: String,
    ours: String,
    theirs: String,
    pub(crate) value: String,
    state: (&'static str, &'static str),
    owner: String,
    due: String,
    is_late: bool,
    age: String,
    /// What a checker is asked to approve.
    proposal: Option<ProposalShown>,
    /// Something about the case that must not be overlooked.
    warning: Option<&'static str>,
}

impl ShownRow {
    pub(crate) fn new(row: &Row, console: &Console, today: Day, t: &Texts) -> ShownRow {
        let exception = &row.exception;
        let none = || "–".to_owned();
        let bank = exception.bank.map(|bank| {
            let name = console.settings.banks.get(&bank).cloned();
            name.unwrap_or_else(|| bank.to_string())
        });
        ShownRow {
            pick: row.case.proposal.as_ref().map_or_else(
                || case_text(exception.case),
                |proposal| std::format!("{}~{}", case_text(exception.case), proposal.act),
            ),
            link: std::format!("/case?id={}", case_text(exception.case)),
            day: format::day(exception.day),
            kind: t.exception(exception.kind),
            bank: bank.unwrap_or_else(none),
            terminal: exception.terminal.map_or_else(none, |terminal| terminal.to_string()),
            rrn: exception.rrn.map_or_else(none, |rrn| rrn.shown(exception.day)),
            ours: format::signed(exception.ours_minor, console.settings.currency),
            theirs: format::signed(exception.theirs_minor, console.settings.currency),
            value: format::signed(exception.value_minor(), console.settings.currency),
            state: state_words(row.state(), t),
            owner: row.case.owner.clone().unwrap_or_else(none),
            due: format::day(row.due),
            is_late: row.is_open() && today.days_after(row.due) > 0,
            age: with(t.days, row.age_days(today)),
            proposal: row
                .case
                .proposal
                .as_ref()
                .filter(|_| !mutant::is(Mutant::ProposalNotShown))
                .map(|proposal| ProposalShown::new(&row.case, proposal, console, t)),
            warning: warning(row, t),
        }
    }
}

/// Why what is here is not what was worked on, where it is not.
pub(crate) fn warning(row: &Row, t: &Texts) -> Option<&'static str> {
    match (row.is_gone, row.is_another()) {
        (true, _) if row.is_let_go => Some(t.case_is_let_go),
        (true, _) if row.stands_alone() => Some(t.case_stands_alone),
        (true, _) => Some(t.case_is_gone),
        (false, _) if row.is_booked_elsewhere() => Some(t.case_booked_elsewhere),
        (false, _) if row.is_refund_undebited() => Some(t.case_refund_undebited),
        (false, _) if row.state() == CaseState::Open && row.is_booked_beside() => Some(t.case_booked_beside),
        (false, true) => Some(t.case_is_another),
        (false, false) => None,
    }
}

#[derive(Template)]
#[template(path = "exceptions.html")]
struct ExceptionsPage {
    shell: Shell,
    heading: &'static str,
    lead: &'static str,
    filters: Filters,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    sorts: Vec<Choice>,
    banks: Vec<Choice>,
    figures: Vec<(&'static str, String)>,
    rows: Vec<ShownRow>,
    all: usize,
    reading: Option<String>,
    older: Option<String>,
    newest: Option<String>,
    csv: String,
    xlsx: String,
    views: ShownViews,
    may_work: bool,
    may_check: bool,
    is_approvals: bool,
    workers: Vec<Choice>,
}

/// So many cases were just worked on at once.
#[derive(Deserialize)]
pub(crate) struct Acted {
    acted: Option<u64>,
}

/// The desk's rows at their turn, on a thread that may wait for a disk.
pub(crate) async fn seen(console: &Arc<Console>, visitor: &Visitor) -> Result<Arc<Seen>, Refused> {
    let seen =
        at_turn(console, visitor, |console| console.days.see(&console.log, console.clock.wall_ms() / 1_000))
            .await?;
    seen.ok_or_else(|| no_desk(visitor))
}

/// As [`seen`], for a list that is taken away: of the whole log or not at all.
pub(crate) async fn seen_whole(console: &Arc<Console>, visitor: &Visitor) -> Result<Arc<Seen>, Refused> {
    let now_s = console.clock.wall_ms() / 1_000;
    let seen = whole(console, visitor, move |console| console.days.see_whole(&console.log, now_s)).await?;
    seen.ok_or_else(|| no_desk(visitor))
}

fn no_desk(visitor: &Visitor) -> Refused {
    Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::NoDesk))
}

/// What the filters leave, in the order that is asked for.
fn left<'a>(seen: &'a Seen, filters: &Filters) -> Vec<&'a Row> {
    let mut rows: Vec<&Row> = seen.rows.iter().filter(|row| filters.fits(row)).collect();
    match filters.sort.as_str() {
        "value" => rows.sort_by_key(|row| std::cmp::Reverse(row.exception.value_minor())),
        "day" => {}
        _ => rows.sort_by_key(|row| (row.due, std::cmp::Reverse(row.exception.value_minor()))),
    }
    rows
}

/// How the work stands, in six figures.
pub(crate) fn figures(seen: &Seen, console: &Console, t: &'static Texts) -> Vec<(&'static str, String)> {
    let today = today(console);
    let open: Vec<&Row> = seen.rows.iter().filter(|row| row.is_open()).collect();
    let risk = casework::at_risk_minor(open.iter().copied());
    let late = open.iter().filter(|row| today.days_after(row.due) > 0).count();
    let summary = &seen.summary;
    let rate = (summary.matched * 1_000).checked_div(summary.ours).map_or("–".to_owned(), |thousandths| {
        let mark = if t.is_vietnamese() { ',' } else { '.' };
        std::format!("{}{mark}{} %", thousandths / 10, thousandths % 10)
    });
    vec![
        (t.open_exceptions, format::grouped(open.len() as u64)),
        (t.value_at_risk, format::signed(risk, console.settings.currency)),
        (t.late_cases, format::grouped(late as u64)),
        (t.match_rate, rate),
        (t.ambiguous, format::grouped(summary.ambiguous_lines)),
        (t.awaiting, format::grouped(summary.awaiting)),
    ]
}

pub(crate) async fn exceptions(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
    Query(acted): Query<Acted>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let t = visitor.t();
    listed(&console, &visitor, filters, acted, Section::Exceptions, (t.exceptions, t.exceptions_lead)).await
}

/// What waits for a checker.
pub(crate) async fn approvals(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
    Query(acted): Query<Acted>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let t = visitor.t();
    let filters = Filters { state: CaseState::Proposed.name().to_owned(), ..filters };
    listed(&console, &visitor, filters, acted, Section::Approvals, (t.approvals, t.approvals_lead)).await
}

async fn listed(
    console: &Arc<Console>,
    visitor: &Visitor,
    filters: Filters,
    Acted { acted }: Acted,
    section: Section,
    (heading, lead): (&'static str, &'static str),
) -> Result<Response, Refused> {
    let t = visitor.t();
    let seen = seen(console, visitor).await?;
    let rows = left(&seen, &filters);
    let today = today(console);
    let page: usize = filters.page.parse().unwrap_or(0);
    let from = page.saturating_mul(PAGE_ROWS).min(rows.len());
    let kinds = Kind::ALL.iter().map(|kind| Choice::new(kind.name(), t.exception(*kind), &filters.kind));
    let states = [("", t.case_not_resolved), ("all", t.any)]
        .into_iter()
        .chain(STATES.map(|state| (state.name(), state_words(state, t).0)));
    let sorts = [("", t.sort_due), ("value", t.sort_value), ("day", t.sort_day)];
    let place = if section == Section::Approvals { "/approvals" } else { "/exceptions" };
    let mut shell = Shell::of(visitor, section, heading);
    let files_wait = seen.casework.taking_back().len() as u64;
    let waits = (section == Section::Approvals && files_wait > 0)
        .then(|| with(t.files_wait, format::grouped(files_wait)));
    shell.notice = acted.map(|count| with(t.bulk_done, format::grouped(count))).or(waits);
    let bad = filters.bad(t);
    shell.warning = bad.map(|name| with(t.filter_bad, name));
    let page = ExceptionsPage {
        shell,
        views: ShownViews::of(console, visitor, std::format!("{place}{}", filters.query(0))).await?,
        may_work: visitor.may(Permission::Work),
        may_check: visitor.may(Permission::Check),
        is_approvals: section == Section::Approvals,
        workers: bulk::workers(console, visitor)?,
        heading,
        lead,
        kinds: kinds.collect(),
        states: states.map(|(name, words)| Choice::new(name, words, &filters.state)).collect(),
        sorts: sorts.iter().map(|(name, words)| Choice::new(name, *words, &filters.sort)).collect(),
        banks: Choice::banks(console, &filters.bank),
        figures: figures(&seen, console, t),
        rows: rows
            .iter()
            .skip(from)
            .take(PAGE_ROWS)
            .map(|row| ShownRow::new(row, console, today, t))
            .collect(),
        all: rows.len(),
        reading: (seen.percent < 100).then(|| with(t.still_reading, seen.percent)).or_else(|| {
            let over = seen.passed_over.files + seen.passed_over.lines;
            (over > 0).then(|| with(t.passed_over, format::grouped(over)))
        }),
        older: (from + PAGE_ROWS < rows.len()).then(|| std::format!("{place}{}", filters.query(page + 1))),
        newest: (page > 0).then(|| std::format!("{place}{}", filters.query(0))),
        csv: std::format!("/exceptions.csv{}", filters.query(0)),
        xlsx: std::format!("/exceptions.xlsx{}", filters.query(0)),
        filters,
    };
    Ok(if bad.is_some() { unprocessable(&page) } else { shown(&page) })
}

/// All that the filters leave, as a list.
async fn list(console: &Arc<Console>, visitor: &Visitor, filters: &Filters) -> Result<List, Refused> {
    need(console, visitor, Permission::Look)?;
    let t = visitor.t();
    if let Some(name) = filters.bad(t) {
        return Err(Refused::from(problem::page(&visitor.guest, Some(visitor), Problem::Filter(name))));
    }
    let seen = seen_whole(console, visitor).await?;
    let today = today(console);
    let rows = left(&seen, filters);
    let recorded = visitor.record(
        console,
        "exceptions exported",
        &filters.query(0),
        serde_json::json!({ "rows": rows.len() }),
    );
    recorded.map_err(|error| failed(visitor, error))?;
    let headings = vec![
        t.business_day,
        t.exception_kind,
        t.bank,
        t.terminal,
        t.rrn,
        t.ours,
        t.theirs,
        t.value_at_risk,
        t.state,
        t.owner,
        t.due,
        t.age,
    ];
    let row = |row: &&Row| {
        let exception = &row.exception;
        vec![
            Cell::from(exception.day.to_string()),
            Cell::from(t.exception(exception.kind)),
            Cell::from(exception.bank.map(|bank| bank.to_string())),
            Cell::from(exception.terminal.map(|terminal| terminal.to_string())),
            Cell::from(exception.rrn.map(|rrn| rrn.shown(exception.day))),
            Cell::from(exception.ours_minor),
            Cell::from(exception.theirs_minor),
            Cell::from(exception.value_minor()),
            Cell::from(state_words(row.state(), t).0),
            Cell::from(row.case.owner.clone()),
            Cell::from(row.due.to_string()),
            Cell::from(row.age_days(today)),
        ]
    };
    Ok(List { headings, rows: rows.iter().map(row).collect() })
}

pub(crate) async fn csv(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Refused> {
    let list = list(&console, &visitor, &filters).await?;
    let bytes = list.to_csv().map_err(|error| failed(&visitor, error))?;
    Ok(download(CSV, "exceptions.csv", bytes))
}

pub(crate) async fn xlsx(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Refused> {
    let list = list(&console, &visitor, &filters).await?;
    let bytes = list.to_xlsx("exceptions").map_err(|error| failed(&visitor, error))?;
    Ok(download(XLSX, "exceptions.xlsx", bytes))
}

struct NoteRow {
    time: String,
    who: String,
    text: String,
}

struct ActRow {
    time: String,
    who: String,
    from: String,
    told: ActTold,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    shell: Shell,
    id: String,
    row: ShownRow,
    kind_says: &'static str,
    lines: Vec<String>,
    evidence: Option<String>,
    workbench: Option<String>,
    rule: Option<&'static str>,
    proposal: Option<ProposalShown>,
    /// Something about the case that must not be overlooked.
    warning: Option<&'static str>,
    /// Banks to choose from, where the exception names none.
    payers: Vec<Choice>,
    /// Acquirers to choose from, where the exception does not say whose terminal it was.
    acquirers: Vec<Choice>,
    notes: Vec<NoteRow>,
    acts: Vec<ActRow>,
    /// Of its line, its transaction or a line of its.
    by_hand: SaidByHand,
    /// Each with what it comes to where no amount is written.
    resolutions: Vec<Choice>,
    amount_says: String,
    /// The cases of the same transaction by its other sides: where, and what they are.
    beside: Vec<(String, &'static str)>,
    /// A reason that may be taken as it is, where accepting is offered.
    why_offered: String,
    /// Something is proven, and how the case ends is chosen by that.
    is_chosen: bool,
    is_mine: bool,
    may_work: bool,
    may_check: bool,
    is_open: bool,
    is_proposed: bool,
    is_disputed: bool,
    /// What was booked stands though no side shows the exception.
    stands_alone: bool,
    is_own_proposal: bool,
}

struct ProposalShown {
    act: u64,
    /// Who pays whom how much.
    pays: Option<String>,
    bank: Option<String>,
    /// The acquirer on the other side of an adjustment.
    acquirer: Option<String>,
    maker: String,
    resolution: &'static str,
    amount: String,
    why: String,
    checker: Option<String>,
}

impl ProposalShown {
    fn new(case: &Case, proposal: &Proposal, console: &Console, t: &Texts) -> ProposalShown {
        let name = |bank: Institution| bank_name(&bank.to_string(), &console.settings);
        let acquirer = proposal.about.acquirer.filter(|_| proposal.between_minor() != 0);
        ProposalShown {
            act: proposal.act,
            pays: pays(case, proposal, console, t),
            bank: proposal.bank.map(name),
            acquirer: acquirer.map(name),
            maker: proposal.maker.clone(),
            resolution: resolution_words(proposal.resolution, t),
            amount: format::signed(proposal.amount_minor, console.settings.currency),
            why: proposal.why.clone(),
            checker: proposal.checker.clone(),
        }
    }
}

/// Who pays whom by a proposal, in words: what a citizen gets back, and what members owe each other for it. Of an undo what stands says the latter.
fn pays(case: &Case, proposal: &Proposal, console: &Console, t: &Texts) -> Option<String> {
    let name = |bank: Institution| bank_name(&bank.to_string(), &console.settings);
    let amount = |minor: i64| format::amount(minor.unsigned_abs(), console.settings.currency);
    let bank = name(proposal.bank?);
    let between_minor = match proposal.resolution {
        Resolution::Undo => -case.standing.iter().map(Proposal::between_minor).sum::<i64>(),
        _ => proposal.between_minor(),
    };
    let refunded = (proposal.resolution == Resolution::Refund)
        .then(|| with(&with(t.refunds, &bank), amount(proposal.amount_minor)));
    let acquirer = proposal.about.acquirer.filter(|_| between_minor != 0).map(name);
    let between = acquirer.map(|acquirer| {
        let (payer, payee) = if between_minor > 0 { (&bank, &acquirer) } else { (&acquirer, &bank) };
        with(&with(&with(t.pays, payer), payee), amount(between_minor))
    });
    let said: Vec<String> = refunded.into_iter().chain(between).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[derive(Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    id: String,
    done: Option<String>,
}

pub(crate) async fn case(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(which): Query<Which>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let mut page = case_page(&console, &visitor, &which.id).await?;
    page.shell.notice = which.done.map(|_| visitor.t().act_done.to_owned());
    Ok(shown(&page))
}

async fn case_page(console: &Arc<Console>, visitor: &Visitor, id: &str) -> Result<CasePage, Refused> {
    let t = visitor.t();
    let not_found = || missing(visitor);
    let case = read_case(id).ok_or_else(not_found)?;
    let seen = seen(console, visitor).await?;
    let row = seen.rows.iter().find(|row| row.exception.case == case).ok_or_else(not_found)?;
    let log = console.log.clone();
    let line = case.of;
    let reading = tokio::task::spawn_blocking(move || transaction_at(&log, line)).await;
    let key = reading.map_err(|error| failed(visitor, error))?.map_err(|error| failed(visitor, error))?;
    let today = today(console);
    let exception = &row.exception;
    let me = visitor.person.name.as_str();
    let proposal = row.case.proposal.as_ref();
    let chosen = match row.stands_alone() {
        true => Some(Resolution::Accept),
        false => row.offered(),
    };
    let has_citizen = row.has_citizen();
    let resolutions = Resolution::PROPOSED
        .into_iter()
        .filter(|resolution| has_citizen || *resolution != Resolution::Refund);
    let beside = beside(case, &seen);
    let acts = row.case.acts.iter().filter_map(|number| seen.acts.get(usize::try_from(*number).ok()?));
    Ok(CasePage {
        shell: Shell::of(visitor, Section::Exceptions, t.case),
        id: case_text(case),
        kind_says: t.exception_says(exception.kind),
        lines: exception.lines.iter().map(|line| line_text(*line, t)).collect(),
        evidence: key.map(|key| std::format!("/evidence?key={}", encoded(&key.to_string()))),
        workbench: exception.bank.map(|bank| {
            let (bank, day) = (bank.to_string(), exception.day.to_string());
            std::format!("/workbench{}", query(&[("bank", &*bank), ("day", &*day)]))
        }),
        rule: exception.rule.map(|rule| t.rule(rule)),
        warning: warning(row, t),
        acquirers: match exception.acquirer {
            Some(_) => Vec::new(),
            None => Choice::members(console, ""),
        },
        payers: match exception.bank {
            Some(_) => Vec::new(),
            None => Choice::members(console, ""),
        },
        proposal: proposal.map(|proposal| ProposalShown::new(&row.case, proposal, console, t)),
        notes: row
            .case
            .notes
            .iter()
            .map(|(at_ms, who, text)| NoteRow {
                time: format::date_time(*at_ms),
                who: who.clone(),
                text: text.clone(),
            })
            .collect(),
        acts: acts
            .map(|act| ActRow {
                time: format::date_time(act.at_ms),
                who: act.who.clone(),
                from: act.from.clone(),
                told: ActTold::new(act, console, t),
            })
            .collect(),
        by_hand: {
            let is_its = |id: LineId| id == case.of || exception.lines.contains(&id);
            let is_wanted = |said: &ByHand| is_its(said.decision.line()) || is_its(said.decision.ours());
            SaidByHand::of(&seen, is_wanted, t)
        },
        resolutions: resolutions
            .map(|resolution| Choice {
                value: resolution.name().to_owned(),
                words: match row.natural_minor(resolution) {
                    0 => resolution_words(resolution, t).to_owned(),
                    minor => {
                        let amount = format::signed(minor, console.settings.currency);
                        std::format!("{}: {amount}", resolution_words(resolution, t))
                    }
                },
                chosen: chosen == Some(resolution),
            })
            .collect(),
        amount_says: amount_says(row, console, t),
        beside: beside
            .map(|other| {
                (
                    std::format!("/case?id={}", case_text(other.exception.case)),
                    t.exception(other.exception.kind),
                )
            })
            .collect(),
        why_offered: why_offered(row, &seen, t),
        is_chosen: chosen.is_some(),
        is_mine: row.case.owner.as_deref() == Some(me),
        may_work: visitor.may(Permission::Work),
        may_check: visitor.may(Permission::Check),
        is_open: row.state() == CaseState::Open && !row.is_gone && !row.is_booked_elsewhere(),
        is_proposed: row.case.state == CaseState::Proposed,
        is_disputed: row.case.state == CaseState::Disputed,
        stands_alone: row.state() == CaseState::Open && row.stands_alone(),
        is_own_proposal: proposal.is_some_and(|proposal| proposal.maker == me),
        row: ShownRow::new(row, console, today, t),
    })
}

/// The cases of the same transaction by its other sides, as they are seen.
fn beside(case: CaseId, seen: &Seen) -> impl Iterator<Item = &Row> {
    let is_its = move |row: &&Row| case.beside().any(|other| other == row.exception.case);
    seen.rows.iter().filter(is_its)
}

/// The case that has the money is the reason to accept this one.
fn why_offered(row: &Row, seen: &Seen, t: &Texts) -> String {
    let has_money = |row: &&Row| !row.case.standing.is_empty() || row.case.state == CaseState::Proposed;
    let other = beside(row.exception.case, seen).find(has_money);
    let other = other.filter(|_| row.offered() == Some(Resolution::Accept));
    other.map(|other| with(t.why_booked_beside, case_text(other.exception.case))).unwrap_or_default()
}

/// What an amount means here: which way an adjustment goes, and who pays for a refund.
fn amount_says(row: &Row, console: &Console, t: &Texts) -> String {
    let exception = &row.exception;
    let way = match row.natural_minor(Resolution::Adjustment).signum() {
        _ if exception.kind == Kind::Suspense => "",
        -1 => t.amount_less,
        1 => t.amount_more,
        _ => "",
    };
    let name = |bank: Institution| bank_name(&bank.to_string(), &console.settings);
    let members = exception.acquirer.zip(exception.bank).filter(|_| row.about().acquirer_owes_refund);
    let refund = members
        .map(|(acquirer, bank)| with(&with(t.amount_refund, name(acquirer)), name(bank)))
        .unwrap_or_default();
    let comes_to_something =
        Resolution::PROPOSED.iter().any(|resolution| row.natural_minor(*resolution) != 0);
    let empty = if comes_to_something { t.amount_empty } else { t.amount_none };
    let said = [empty, way, &refund];
    said.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Doing {
    pub(crate) id: String,
    pub(crate) act: String,
    pub(crate) text: String,
    pub(crate) resolution: String,
    /// Empty: what the resolution comes to.
    pub(crate) amount: String,
    /// The act that proposed what the checker has seen.
    pub(crate) proposal: String,
    /// The bank that pays or is paid, where the exception names none.
    pub(crate) bank: String,
    /// The acquirer on the other side of an adjustment, where the exception names none.
    pub(crate) acquirer: String,
    /// Who gets the case, where somebody else is to have it.
    pub(crate) owner: String,
}

impl Doing {
    /// What is asked for, and who may do such a thing.
    ///
    /// # Errors
    /// What is not understood, in words.
    pub(crate) fn deed(
        &self,
        row: &Row,
        me: &str,
        members: &BTreeSet<Institution>,
        t: &'static Texts,
    ) -> Result<(Deed, Permission), &'static str> {
        let exception = &row.exception;
        let case = exception.case;
        let text = self.text.trim().to_owned();
        let deed = match self.act.as_str() {
            "take" => Deed::Assign { case, owner: Some(me.to_owned()) },
            "assign" => Deed::Assign { case, owner: Some(self.owner.clone()) },
            "release" => Deed::Assign { case, owner: None },
            "note" => Deed::Note { case, text },
            "dispute" => Deed::Dispute { case, about: Box::new(row.about()), why: text },
            "reopen" => Deed::Reopen { case, why: text },
            "approve" | "reject" => {
                // No act has the number of who names none.
                let proposal = self.proposal.parse().unwrap_or(u64::MAX);
                let deed = match self.act.as_str() {
                    "approve" => Deed::Approve { case, proposal },
                    _ => Deed::Reject { case, proposal, why: text },
                };
                return Ok((deed, Permission::Check));
            }
            "propose" => {
                let mut known = Resolution::PROPOSED.into_iter();
                let resolution = known.find(|known| known.name() == self.resolution).ok_or(t.act_bad)?;
                let amount_minor = match resolution {
                    Resolution::Accept => 0,
                    _ if self.amount.trim().is_empty() => row.natural_minor(resolution),
                    _ => whole_amount(&self.amount).ok_or(t.amount_not_read)?,
                };
                let chosen =
                    |field: &str| field.parse::<Institution>().ok().filter(|bank| members.contains(bank));
                let bank = exception.bank.or(chosen(&self.bank));
                let mut about = Box::new(row.about());
                about.acquirer = about.acquirer.or(chosen(&self.acquirer));
                Deed::Propose { case, about, resolution, amount_minor, bank, why: text }
            }
            _ => return Err(t.act_bad),
        };
        Ok((deed, Permission::Work))
    }
}

/// An act on a case: checked against all acts, recorded and durable when the page comes. A maker who would check is refused and recorded.
pub(crate) async fn act(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(doing): Form<Doing>,
) -> Result<Response, Refused> {
    let t = visitor.t();
    let not_found = || missing(&visitor);
    let case = read_case(&doing.id).ok_or_else(not_found)?;
    // Only what is an exception can be a case.
    let seen = seen(&console, &visitor).await?;
    let found = seen.rows.iter().find(|row| row.exception.case == case).ok_or_else(not_found)?;
    let (deed, permission) = match doing.deed(found, &visitor.person.name, &console.settings.members, t) {
        Ok(asked) => asked,
        Err(words) => return again(&console, &visitor, &doing.id, words.to_owned()).await,
    };
    need(&console, &visitor, permission)?;
    match done(&console, &visitor, deed).await {
        Ok(()) => Ok(Redirect::to(&std::format!("/case?id={}&done=1", case_text(case))).into_response()),
        Err(DeskError::Act(ActError::Refused(refused))) => {
            if matches!(refused, NotDone::OwnProposal(_)) {
                visitor.record_refusal(&console, "refused: maker is never checker", &case_text(case));
            }
            again(&console, &visitor, &doing.id, t.refusal(&refused)).await
        }
        Err(error) => Err(failed(&visitor, error)),
    }
}

async fn again(
    console: &Arc<Console>,
    visitor: &Visitor,
    id: &str,
    warning: String,
) -> Result<Response, Refused> {
    let mut page = case_page(console, visitor, id).await?;
    page.shell.warning = Some(warning);
    Ok(unprocessable(&page))
}

/// Records an act by this person.
pub(crate) async fn done(console: &Arc<Console>, visitor: &Visitor, deed: Deed) -> Result<(), DeskError> {
    let (worker, acting) = (Arc::clone(console), visitor.clone());
    let doing = tokio::task::spawn_blocking(move || {
        let Some(desk) = worker.days.desk() else { return Ok(()) };
        let from = acting.guest.address.to_string();
        desk.acts().act(worker.clock.wall_ms(), &acting.person.name, &from, deed)?;
        Ok(())
    });
    doing.await.unwrap_or_else(|error| {
        let path = std::path::PathBuf::from("acts");
        Err(DeskError::Io { path, error: std::io::Error::other(error.to_string()) })
    })
}

/// An amount as a person writes it: whole đồng, in groups of three or in none. A fraction is none: with its point left out it
/// would be a hundred times as much.
fn whole_amount(text: &str) -> Option<i64> {
    let kept: String = text.chars().filter(|it| !"₫đ \u{a0}".contains(*it)).collect();
    let (sign, digits) = match kept.strip_prefix(['-', '−']) {
        Some(digits) => (-1, digits),
        None => (1, &*kept),
    };
    let mut groups = digits.split(['.', ',']);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let is_grouped = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
    if !is_grouped || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',') {
        return None;
    }
    Some(sign * format!("{first}{}", rest.concat()).parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use reconciliation::Aspect;

    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        for aspect in [Aspect::Bank, Aspect::Machine, Aspect::Switch] {
            for (file, line) in [(0, 0), (u64::MAX, u64::MAX), (0x1f, 7)] {
                let case = CaseId { of: LineId { file, line }, aspect };
                assert_eq!(read_case(&case_text(case)), Some(case));
            }
        }
        for text in ["", "1-2", "1-2-bank-x", "g-2-bank", "1-2-nobody"] {
            assert_eq!(read_case(text), None, "{text}");
        }
    }

    #[test]
    fn an_amount_has_whole_groups_and_no_fraction() {
        for (text, amount) in [
            ("2500000", Some(2_500_000)),
            ("2.500.000 ₫", Some(2_500_000)),
            ("−2,500,000", Some(-2_500_000)),
            ("2,500,000.00", None),
            ("2500.000", None),
            ("1.5", None),
            ("1e5", None),
            ("-10.00", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(whole_amount(text), amount, "{text}");
        }
    }
}
