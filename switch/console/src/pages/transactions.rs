//! The Transactions page: every filter in the address, the newest first, and the same as CSV.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use credential::{CitizenNumber, Pseudonym};
use mutant::Mutant;
use processor::{Institution, Kind, State as TransactionState, TerminalId};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::audit::unhex;
use crate::evidence::StateShown;
use crate::format;
use crate::pages::export::Csv;
use crate::pages::problem::{self, Problem, Refused, encoded};
use crate::pages::views::ShownViews;
use crate::pages::{Choice, Section, Shell, at_turn, failed, need, query, shown};
use crate::role::Permission;
use crate::search::{self, Found, Kinds, Reach, Row, Typed, Wanted, bank_of};
use crate::texts::{Texts, with};

/// The filters as they stand in the address.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    q: String,
    terminal: String,
    bank: String,
    citizen: String,
    kind: String,
    state: String,
    suspense: String,
    amount_from: String,
    amount_to: String,
    from: String,
    to: String,
    before: String,
}

/// States that can be asked for, by their name in the address.
const STATES: [TransactionState; 8] = [
    TransactionState::Completed,
    TransactionState::Approved,
    TransactionState::Sent,
    TransactionState::Declined,
    TransactionState::Reversing,
    TransactionState::Reversed,
    TransactionState::Tombstone,
    TransactionState::Verified,
];

const KINDS: [(&str, Kind); 6] = [
    ("withdrawal", Kind::Withdrawal),
    ("deposit", Kind::Deposit),
    ("balance", Kind::Balance),
    ("mini-statement", Kind::MiniStatement),
    ("transfer", Kind::Transfer),
    ("verification", Kind::Verification),
];

/// What the filters ask for, and the fields that were not understood.
struct Asked {
    wanted: Wanted,
    key: Option<processor::TxKey>,
    bad: Vec<&'static str>,
}

impl Filters {
    fn asked(&self) -> Asked {
        let mut bad = Vec::new();
        let mut wanted = Wanted::default();
        let mut key = None;
        fn read<T>(
            bad: &mut Vec<&'static str>,
            name: &'static str,
            text: &str,
            parse: impl Fn(&str) -> Option<T>,
        ) -> Option<T> {
            let text = text.trim();
            if text.is_empty() {
                return None;
            }
            let parsed = parse(text);
            if parsed.is_none() {
                bad.push(name);
            }
            parsed
        }
        match read(&mut bad, "q", &self.q, Typed::read) {
            Some(Typed::Key(typed)) => key = Some(typed),
            Some(Typed::Rrn(rrn)) => wanted.rrn = Some(rrn),
            Some(Typed::Terminal(terminal)) => wanted.terminal = Some(terminal),
            Some(Typed::Stan(stan)) => wanted.stan = Some(stan),
            None => {}
        }
        let terminal = read(&mut bad, "terminal", &self.terminal, |text| TerminalId::parse(text.as_bytes()));
        wanted.terminal = terminal.or(wanted.terminal);
        wanted.bank = read(&mut bad, "bank", &self.bank, |text| Institution::parse(text.as_bytes()));
        wanted.citizen = read(&mut bad, "citizen", &self.citizen, |text| unhex(text).map(Pseudonym));
        let kind = read(&mut bad, "kind", &self.kind, |text| match text {
            "all" => Some(Kinds::All),
            text => KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| Kinds::One(*kind)),
        });
        wanted.kind = kind.unwrap_or_default();
        let state_of = |text: &str| STATES.into_iter().find(|state| state.name() == text);
        wanted.state = read(&mut bad, "state", &self.state, state_of);
        if wanted.state == Some(TransactionState::Verified) && kind.is_none() {
            wanted.kind = Kinds::All;
        }
        wanted.suspense = !self.suspense.is_empty();
        wanted.amount_minor_min = read(&mut bad, "amount_from", &self.amount_from, amount);
        wanted.amount_minor_max = read(&mut bad, "amount_to", &self.amount_to, amount);
        wanted.from_ms = read(&mut bad, "from", &self.from, format::read_field);
        // What is typed to the minute means that minute too.
        wanted.to_ms = read(&mut bad, "to", &self.to, format::read_field).map(|to_ms| to_ms + 60_000);
        wanted.before = read(&mut bad, "before", &self.before, |text| text.parse().ok());
        Asked { wanted, key, bad }
    }

    /// The address of the same filters with another place to go on from.
    fn query(&self, before: Option<u64>) -> String {
        let before = before.map(|before| before.to_string()).unwrap_or_default();
        query(&[
            ("q", &self.q),
            ("terminal", &self.terminal),
            ("bank", &self.bank),
            ("citizen", &self.citizen),
            ("kind", &self.kind),
            ("state", &self.state),
            ("suspense", &self.suspense),
            ("amount_from", &self.amount_from),
            ("amount_to", &self.amount_to),
            ("from", &self.from),
            ("to", &self.to),
            ("before", &before),
        ])
    }

    fn is_narrow(&self) -> bool {
        Filters { before: String::new(), ..self.clone() } != Filters::default()
    }

    /// Something beside the one field.
    fn has_more(&self) -> bool {
        Filters { before: String::new(), q: String::new(), ..self.clone() } != Filters::default()
    }
}

/// Points, commas, blanks and the sign of the đồng may stand in an amount as people write it.
fn amount(text: &str) -> Option<u64> {
    let digits: String = text.chars().filter(|it| !".,₫đ \u{a0}".contains(*it)).collect();
    digits.parse().ok()
}

/// A row as it is shown.
struct ShownRow {
    link: String,
    time: String,
    machine_time: String,
    kind: &'static str,
    amount: String,
    state: StateShown,
    suspense: bool,
    bank: String,
    bank_id: String,
    terminal: String,
    stan: String,
    rrn: String,
    card: String,
    card_end: String,
}

impl ShownRow {
    fn new(row: &Row, console: &Console, t: &'static Texts) -> ShownRow {
        let transaction = &row.transaction;
        let request = transaction.request.as_ref();
        let content = request.map(|request| &request.content).filter(|content| content.amount_minor > 0);
        ShownRow {
            link: format!("/evidence?key={}", encoded(&transaction.key.to_string())),
            time: format::date_time(row.at_ms),
            machine_time: format::machine(row.at_ms),
            kind: request.map_or(t.state_tombstone, |request| t.kind(request.kind)),
            amount: content
                .map_or("–".to_owned(), |content| format::amount(content.amount_minor, content.currency)),
            state: StateShown::of(transaction, t),
            suspense: transaction.suspense.is_some(),
            bank: bank_of(transaction).map_or("–".to_owned(), |bank| {
                let name = console.settings.banks.get(&bank).cloned();
                name.unwrap_or_else(|| bank.to_string())
            }),
            bank_id: bank_of(transaction).map_or(String::new(), |bank| bank.to_string()),
            terminal: transaction.key.terminal.to_string(),
            stan: format!("{:06}", transaction.key.stan),
            rrn: request.map_or("–".to_owned(), |request| request.rrn.to_string()),
            card: request.map_or("–".to_owned(), |request| request.pan.to_string()),
            card_end: request.map_or("–".to_owned(), |request| last_four(&request.pan.to_string())),
        }
    }
}

/// Of a masked number what tells it from others in a list.
fn last_four(masked: &str) -> String {
    let skipped = masked.chars().count().saturating_sub(4);
    format!("…{}", masked.chars().skip(skipped).collect::<String>())
}

#[derive(Template)]
#[template(path = "transactions.html")]
struct TransactionsPage {
    shell: Shell,
    filters: Filters,
    bad: Vec<&'static str>,
    banks: Vec<Choice>,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    rows: Vec<ShownRow>,
    older: Option<String>,
    newest: Option<String>,
    csv: String,
    stopped: Option<String>,
    may_find_citizen: bool,
    citizen_number_bad: bool,
    log_is_empty: bool,
    views: ShownViews,
}

impl TransactionsPage {
    fn is_bad(&self, name: &str) -> bool {
        self.bad.contains(&name)
    }
}

/// One search at its turn.
async fn searched(
    console: &Arc<Console>,
    visitor: &Visitor,
    wanted: Wanted,
    reach: Reach,
) -> Result<Found, Refused> {
    at_turn(console, visitor, move |console| search::search(&console.log, &wanted, reach)).await
}

pub(crate) async fn page(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Refused> {
    listed(&console, &visitor, filters, false).await
}

async fn listed(
    console: &Arc<Console>,
    visitor: &Visitor,
    filters: Filters,
    citizen_number_bad: bool,
) -> Result<Response, Refused> {
    need(console, visitor, Permission::Look)?;
    let t = visitor.t();
    let Asked { mut wanted, key, bad } = filters.asked();
    if wanted.citizen.is_some() {
        need(console, visitor, Permission::FindCitizen)?;
    }
    if let Some(key) = key {
        return Ok(Redirect::to(&format!("/evidence?key={}", encoded(&key.to_string()))).into_response());
    }
    // What was typed and not understood finds nothing, rather than everything.
    let found = if bad.contains(&"q") {
        Found::default()
    } else {
        wanted.kind = kinds_of_name(&wanted);
        searched(console, visitor, wanted, Reach::PAGE).await?
    };
    let kinds = [("", t.kind_money), ("all", t.kind_all)].into_iter();
    let kinds = kinds.chain(KINDS.iter().map(|(name, kind)| (*name, t.kind(*kind))));
    let states = STATES.iter().map(|state| Choice::new(state.name(), t.state(*state), &filters.state));
    let mut shell = Shell::of(visitor, Section::Transactions, t.transactions);
    if bad.contains(&"q") {
        shell.warning = Some(with(t.search_bad, &filters.q));
    }
    let page = TransactionsPage {
        banks: Choice::banks(console, &filters.bank),
        kinds: kinds.map(|(name, words)| Choice::new(name, words, &filters.kind)).collect(),
        states: states.collect(),
        rows: found.rows.iter().map(|row| ShownRow::new(row, console, t)).collect(),
        older: found.more_before.map(|before| format!("/transactions{}", filters.query(Some(before)))),
        newest: (!filters.before.is_empty()).then(|| format!("/transactions{}", filters.query(None))),
        csv: format!("/transactions.csv{}", filters.query(filters.before.parse().ok())),
        stopped: found.stopped_at_ms.map(|at_ms| with(t.stopped, format::date_time(at_ms))),
        may_find_citizen: visitor.may(Permission::FindCitizen),
        citizen_number_bad,
        views: ShownViews::of(console, visitor, format!("/transactions{}", filters.query(None))).await?,
        log_is_empty: found.rows.is_empty() && !filters.is_narrow() && filters.before.is_empty(),
        shell,
        filters,
        bad,
    };
    let mut response = shown(&page);
    if citizen_number_bad {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// Whoever knows the name of a transaction wants it whatever its kind is.
fn kinds_of_name(wanted: &Wanted) -> Kinds {
    let named = wanted.rrn.is_some() || wanted.stan.is_some();
    if named && wanted.kind == Kinds::Money { Kinds::All } else { wanted.kind }
}

/// All that the filters leave, from the place on that is shown: as the page has it, and not only its first rows. Of a list that is longer than an export
/// nothing is given out: nobody sees later that it was a part.
pub(crate) async fn csv(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(filters): Query<Filters>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::Look)?;
    let Asked { mut wanted, bad, .. } = filters.asked();
    if wanted.citizen.is_some() {
        need(&console, &visitor, Permission::FindCitizen)?;
    }
    let t = visitor.t();
    let found = if bad.contains(&"q") {
        Found::default()
    } else {
        wanted.kind = kinds_of_name(&wanted);
        searched(&console, &visitor, wanted, console.export_reach).await?
    };
    if found.more_before.is_some() {
        let too_long = Problem::TooLong(console.export_reach);
        return Err(Refused::from(problem::page(&visitor.guest, Some(&visitor), too_long)));
    }
    let recorded = visitor.record(
        &console,
        "transactions exported",
        &filters.query(None),
        serde_json::json!({ "rows": found.rows.len() }),
    );
    recorded.map_err(|error| failed(&visitor, error))?;
    let head = [
        t.time,
        t.kind,
        t.amount,
        t.state,
        t.code,
        t.suspense,
        t.bank,
        t.bank_id,
        t.terminal,
        t.stan,
        t.rrn,
        t.card,
        t.transaction_key,
    ];
    let mut csv = Csv::new(&head);
    for row in &found.rows {
        let shown = ShownRow::new(row, &console, t);
        let request = row.transaction.request.as_ref();
        let minor = request.map_or(0, |request| request.content.amount_minor).to_string();
        let code = shown.state.code.clone().unwrap_or_default();
        let suspense = if shown.suspense { t.suspense } else { "" };
        let key = row.transaction.key.to_string();
        csv.row([
            shown.machine_time.as_str(),
            shown.kind,
            &minor,
            shown.state.words,
            &code,
            suspense,
            &shown.bank,
            &shown.bank_id,
            &shown.terminal,
            &shown.stan,
            &shown.rrn,
            &shown.card,
            &key,
        ]);
    }
    Ok(csv.download("transactions.csv"))
}

#[derive(Deserialize)]
pub(crate) struct CitizenField {
    #[serde(default)]
    number: String,
}

/// The number goes no further than here: the address has the pseudonym. Each search is recorded, and bounded.
pub(crate) async fn find_citizen(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(field): Form<CitizenField>,
) -> Result<Response, Refused> {
    need(&console, &visitor, Permission::FindCitizen)?;
    let digits: String = field.number.chars().filter(|it| !it.is_whitespace()).collect();
    let Ok(number) = CitizenNumber::parse(digits.as_bytes()) else {
        return listed(&console, &visitor, Filters::default(), true).await;
    };
    if !console.citizens.take(&visitor.person.name, console.clock.mono_ms()) {
        visitor.record_refusal(&console, "citizen search refused: too many", "-");
        let mut shell = Shell::of(&visitor, Section::Transactions, visitor.t().transactions);
        shell.warning = Some(visitor.t().searches_over.to_owned());
        return Ok(problem::bounded(shell));
    }
    let citizen = console.keys.pseudonym(&number);
    visitor.record_citizen_search(&console, &citizen).map_err(|error| failed(&visitor, error))?;
    let named = if mutant::is(Mutant::NumberInAddress) { digits } else { citizen.to_string() };
    Ok(Redirect::to(&format!("/transactions?citizen={named}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, expected) in [
            ("2.000.000", Some(2_000_000)),
            ("2,000,000 ₫", Some(2_000_000)),
            ("500000đ", Some(500_000)),
            ("two", None),
        ] {
            assert_eq!(amount(text), expected, "{text}");
        }
    }

    #[test]
    fn a_field_that_is_not_understood_is_named_and_the_others_count() {
        let filters = Filters {
            terminal: "HN000001".to_owned(),
            from: "yesterday".to_owned(),
            amount_from: "500.000".to_owned(),
            ..Filters::default()
        };
        let asked = filters.asked();
        assert_eq!(asked.bad, ["from"]);
        assert_eq!(asked.wanted.terminal, TerminalId::parse(b"HN000001"));
        assert_eq!(asked.wanted.amount_minor_min, Some(500_000));
    }

    #[test]
    fn the_address_holds_every_filter() {
        let filters = Filters {
            q: "17".to_owned(),
            state: "DECLINED".to_owned(),
            from: "2026-05-04T08:00".to_owned(),
            ..Filters::default()
        };
        assert_eq!(filters.query(Some(9)), "?q=17&state=DECLINED&from=2026-05-04T08%3A00&before=9");
        assert_eq!(Filters::default().query(None), "");
    }
}
