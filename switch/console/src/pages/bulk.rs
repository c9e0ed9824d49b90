//! One act on many exceptions: each case gets a record of its own, or the reason why it got none.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use casework::{ActError, Deed, DeskError, Refused as NotDone, Resolution, Row};
use mutant::Mutant;

use crate::app::{Console, Visitor};
use crate::desk::Seen;
use crate::format;
use crate::pages::cases::{self, Doing, PAGE_ROWS, ShownRow, case_text, read_case};
use crate::pages::problem::{Refused, within};
use crate::pages::{Choice, Section, Shell, at_turn, failed, need, shown, today, unprocessable};
use crate::people::Person;
use crate::role::Permission;
use crate::texts::with;

/// A case that got no record.
struct LeftRow {
    row: ShownRow,
    reason: String,
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    shell: Shell,
    back: String,
    left: Vec<LeftRow>,
}

/// Who may be given work, by name; the visitor is not among the choices of others.
pub(crate) fn workers(console: &Console, visitor: &Visitor) -> Result<Vec<Choice>, Refused> {
    let people = console.people.all().map_err(|error| failed(visitor, error))?;
    let words = |person: &Person| std::format!("{} ({})", person.full_name, person.name);
    let choices = people.iter().filter(|person| works(person));
    Ok(choices.map(|person| Choice::new(&person.name, words(person), "-")).collect())
}

fn works(person: &Person) -> bool {
    !person.disabled && Permission::Work.roles().iter().any(|role| person.roles.contains(role))
}

/// What the form brought: one name may stand there many times.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value.trim())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// What is to be done to which case, and what cannot be done to which and why.
#[derive(Default)]
struct Plan {
    todo: Vec<(Row, Deed)>,
    left: Vec<(Row, String)>,
}

/// The cases that were chosen with what is asked for; a warning where nothing is to be done.
fn plan(fields: &Fields, seen: &Seen, console: &Console, visitor: &Visitor) -> Result<Plan, String> {
    let t = visitor.t();
    let mut plan = Plan::default();
    match fields.all("case").count() {
        0 => return Err(t.bulk_none.to_owned()),
        1..=PAGE_ROWS => {}
        _ => return Err(with(t.bulk_many, PAGE_ROWS)),
    }
    for pick in fields.all("case") {
        // Behind the case stands the proposal that a checker has seen.
        let (case, proposal) = pick.split_once('~').unwrap_or((pick, ""));
        let row = read_case(case).and_then(|case| seen.rows.iter().find(|row| row.exception.case == case));
        let row = row.ok_or(t.bulk_gone)?;
        let doing = Doing {
            act: fields.text("act").to_owned(),
            text: fields.text("text").to_owned(),
            resolution: fields.text("resolution").to_owned(),
            proposal: proposal.to_owned(),
            owner: fields.text("owner").to_owned(),
            ..Doing::default()
        };
        let (deed, _) = doing.deed(row, &visitor.person.name, &console.settings.members, t)?;
        let stale = cases::warning(row, t)
            .filter(|_| matches!(&deed, Deed::Approve { .. }) && !mutant::is(Mutant::GoneApprovedInBulk));
        let is_refund = matches!(&deed, Deed::Propose { resolution: Resolution::Refund, .. });
        if is_refund && row.offered() != Some(Resolution::Refund) {
            plan.left.push((row.clone(), t.bulk_not_offered.to_owned()));
        } else if let Some(warning) = stale {
            // Whoever approves it all the same does so on the case's own page, which says so.
            plan.left.push((row.clone(), warning.to_owned()));
        } else {
            plan.todo.push((row.clone(), deed));
        }
    }
    Ok(plan)
}

/// Does one thing to each case that was chosen. What cannot be done to one of them is told of that one, and the others are done.
pub(crate) async fn act(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let fields = Fields(fields);
    let permission = match fields.text("act") {
        "approve" | "reject" => Permission::Check,
        _ => Permission::Work,
    };
    need(&console, &visitor, permission)?;
    let t = visitor.t();
    let back = within(fields.text("at")).to_owned();
    let people = console.people.all().map_err(|error| failed(&visitor, error))?;
    let owner = fields.text("owner");
    let is_nobody = !people.iter().any(|person| person.name == owner && works(person));
    let seen = cases::seen(&console, &visitor).await?;
    let plan = match fields.text("act") {
        "assign" if is_nobody => Err(t.bulk_nobody.to_owned()),
        _ => plan(&fields, &seen, &console, &visitor),
    };
    let Plan { todo, mut left } = match plan {
        Ok(plan) => plan,
        Err(warning) => {
            let mut shell = Shell::of(&visitor, Section::Exceptions, t.bulk);
            shell.warning = Some(warning);
            return Ok(unprocessable(&BulkPage { shell, back, left: Vec::new() }));
        }
    };
    let acting = visitor.clone();
    let doing = at_turn(&console, &visitor, move |console| {
        let desk = console.days.desk().ok_or("there is no desk".to_owned())?;
        let from = acting.guest.address.to_string();
        let one =
            |(row, deed)| match desk.acts().act(console.clock.wall_ms(), &acting.person.name, &from, deed) {
                Ok(_) => Ok(None),
                Err(ActError::Refused(refused)) => Ok(Some((row, refused))),
                Err(error) => Err(DeskError::Act(error).to_string()),
            };
        todo.into_iter().map(one).collect::<Result<Vec<Option<(Row, NotDone)>>, String>>()
    });
    let outcomes = doing.await?;
    let count = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    for (row, refused) in outcomes.into_iter().flatten() {
        if matches!(refused, NotDone::OwnProposal(_)) {
            let case = case_text(row.exception.case);
            visitor.record_refusal(&console, "refused: maker is never checker", &case);
        }
        left.push((row, t.refusal(&refused)));
    }
    if left.is_empty() {
        let join = if back.contains('?') { '&' } else { '?' };
        return Ok(Redirect::to(&std::format!("{back}{join}acted={count}")).into_response());
    }
    let mut shell = Shell::of(&visitor, Section::Exceptions, t.bulk);
    shell.notice = (count > 0).then(|| with(t.bulk_done, format::grouped(count as u64)));
    shell.warning = Some(with(t.bulk_left, format::grouped(left.len() as u64)));
    let today = today(&console);
    let left = left
        .into_iter()
        .map(|(row, reason)| LeftRow { row: ShownRow::new(&row, &console, today, t), reason });
    Ok(shown(&BulkPage { shell, back, left: left.collect() }))
}
